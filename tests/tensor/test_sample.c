/* What the sampler and the KV cache ask of the host: maxima of blocks, the sum of exponentials, pages copied, work shared out. Every
 * instruction set gives the bits of the plain one, and that one is near the C library's. */
#include "tensor/fixture.h"

#include <math.h>

static const size_t sizes[] = {1, 15, 16, 17, 63, 64, 65, 1000, 4097};
#define TEMPERATURE 0.6f

static float *logits(size_t n, uint64_t seed)
{
	float *x = numbers(n, seed, 60);
	for (size_t i = 3; i < n; i += 11)
		x[i] = -INFINITY;
	return x;
}

static float largest_of(const float *x, size_t first, size_t last)
{
	float largest = -INFINITY;
	for (size_t i = first; i < last; i++)
		largest = x[i] > largest ? x[i] : largest;
	return largest;
}

static void check_size(struct ts_backend *b, const struct ts_backend *plain, size_t n)
{
	float *x = logits(n, n), maxima[4097 / TS_LOGIT_BLOCK + 1], largest = largest_of(x, 0, n) / TEMPERATURE;
	double sum = 0;
	assert_true(b->ops->block_max(maxima, x, n));
	for (size_t first = 0; first < n; first += TS_LOGIT_BLOCK)
		assert_true(maxima[first / TS_LOGIT_BLOCK] ==
			    largest_of(x, first, first + TS_LOGIT_BLOCK < n ? first + TS_LOGIT_BLOCK : n));
	for (size_t i = 0; i < n; i++)
		sum += exp((double)(x[i] / TEMPERATURE) - (double)largest);
	double got = b->ops->sum_exp(x, n, TEMPERATURE, largest), expected = plain->ops->sum_exp(x, n, TEMPERATURE, largest);
	assert_memory_equal(&got, &expected, sizeof(got));
	assert_true(fabs(got - sum) <= 1e-13 * sum);
	x[n / 2] = NAN;
	assert_false(b->ops->block_max(maxima, x, n));
	free(x);
}

static void sampling(void **state)
{
	struct ts_backend *plain = backend(TS_ISA_PLAIN, 1);
	for (enum ts_isa isa = TS_ISA_PLAIN; isa <= TS_ISA_NEON; isa++) {
		if (!ts_isa_available(isa)) {
			print_message("skipped on this machine: %s\n", ts_isa_name(isa));
			continue;
		}
		struct ts_backend *b = backend(isa, 1);
		for (size_t i = 0; i < COUNT(sizes); i++)
			check_size(b, plain, sizes[i]);
		ts_backend_free(b);
	}
	ts_backend_free(plain);
}

static void copied_pages(void **state)
{
	enum { LAYERS = 2, HEADS = 3, DIM = 4, PAGES = 3, EACH = HEADS * DIM * TS_KV_PAGE };
	struct ts_backend *b = backend(TS_ISA_AUTO, 1);
	for (int type = TS_F32; type <= TS_BF16; type++) {
		struct ts_kv_pool pool;
		size_t bytes = EACH * ts_dtype_size((enum ts_dtype)type);
		assert_int_equal(b->ops->kv_new(b, &pool, LAYERS, HEADS, DIM, PAGES, (enum ts_dtype)type), 0);
		for (int l = 0; l < LAYERS; l++)
			for (int p = 0; p < PAGES; p++) {
				memset((char *)pool.k[l] + (size_t)p * bytes, 10 * l + p + 1, bytes);
				memset((char *)pool.v[l] + (size_t)p * bytes, 10 * l + p + 101, bytes);
			}
		b->ops->kv_copy(b, &pool, 1, 2);
		for (int l = 0; l < LAYERS; l++)
			for (size_t i = 0; i < PAGES * bytes; i++) {
				int page = i / bytes == 1 ? 2 : (int)(i / bytes);
				assert_int_equal(((unsigned char *)pool.k[l])[i], 10 * l + page + 1);
				assert_int_equal(((unsigned char *)pool.v[l])[i], 10 * l + page + 101);
			}
		b->ops->kv_free(b, &pool);
	}
	ts_backend_free(b);
}

struct tally {
	int times[1000];
	size_t threads;
};

static void count_once(void *user, size_t i, size_t thread)
{
	struct tally *t = user;
	t->times[i]++;
	if (thread >= t->threads)
		t->times[i] += 100;
}

static void each_once(void **state)
{
	for (int threads = 1; threads <= 3; threads++)
		for (size_t n = 0; n <= 1000; n = n * 10 + 1) {
			struct ts_backend *b = backend(TS_ISA_AUTO, threads);
			static struct tally t;
			t = (struct tally){.threads = (size_t)threads};
			b->ops->each(b, n, count_once, &t);
			for (size_t i = 0; i < 1000; i++)
				assert_int_equal(t.times[i], i < n);
			ts_backend_free(b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sampling), cmocka_unit_test(copied_pages), cmocka_unit_test(each_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
