/* The dropout masks, seen through the LoRA product with A = identity: h = drop(x). */
#include "core/philox.h"
#include "model/golden_model.h"

enum { IN = 64, OUT = 16, ROWS = 200 };

struct bench {
	struct ts_backend *backend;
	float *x, *h, *y, *a, *b;
	uint32_t row[ROWS], position[ROWS];
};

static void open_bench(struct bench *t, int threads)
{
	struct ts_error err = {0};
	*t = (struct bench){0};
	ok(ts_backend_cpu_new(&t->backend, TS_ISA_AUTO, threads, &err));
	const struct ts_backend_ops *ops = t->backend->ops;
	assert_int_equal(ops->reserve(t->backend, ROWS, IN, IN), 0);
	t->x = ops->alloc(t->backend, ROWS * IN);
	t->h = ops->alloc(t->backend, ROWS * IN);
	t->y = ops->alloc(t->backend, ROWS * OUT);
	t->a = ops->alloc(t->backend, IN * IN);
	t->b = ops->alloc(t->backend, OUT * IN);
	for (int i = 0; i < IN; i++)
		t->a[i * IN + i] = 1;
	for (int i = 0; i < ROWS * IN; i++)
		t->x[i] = 1;
	for (uint32_t i = 0; i < ROWS; i++) {
		t->row[i] = i / 50;
		t->position[i] = i % 50;
	}
}

static void close_bench(struct bench *t)
{
	const struct ts_backend_ops *ops = t->backend->ops;
	float *all[] = {t->x, t->h, t->y, t->a, t->b};
	for (size_t i = 0; i < 5; i++)
		ops->free(t->backend, all[i]);
	ts_backend_free(t->backend);
}

static void drop(struct bench *t, size_t from, size_t rows, float *h, float p, uint64_t seed, uint32_t step, uint32_t layer,
		 uint32_t target)
{
	struct ts_dropout d = {p, seed, step, layer, target, t->row + from, t->position + from};
	t->backend->ops->lora(t->backend, t->y, h, t->x, t->a, t->b, rows, IN, OUT, IN, 0.5f, &d);
}

/* The rule of docs/contracts.md section 2, feature by feature. */
static void test_rule(void **state)
{
	const float p = 0.3f;
	const uint64_t seed = 0x123456789ABCDEFull;
	struct bench t;
	open_bench(&t, 2);
	drop(&t, 0, ROWS, t.h, p, seed, 77, 5, TS_V);
	size_t kept = 0;
	for (uint32_t i = 0; i < ROWS; i++)
		for (uint32_t f = 0; f < IN; f++) {
			uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
			uint32_t counter[4] = {t.position[i], f / 4, t.row[i], 77u << 12 | 5u << 3 | TS_V};
			ts_philox4x32(key, counter, out);
			bool keep = (double)out[f % 4] * 0x1p-32 >= (double)p;
			float want = keep ? 1 / (1 - p) : 0, found = t.h[i * IN + f];
			if (!(found - want < 1e-6f && want - found < 1e-6f))
				fail_msg("row %u feature %u: %g, expected %g", i, f, (double)found, (double)want);
			kept += keep;
		}
	/* 12,800 draws: standard deviation 0.0041. */
	double share = (double)kept / (ROWS * IN);
	assert_true(share > 0.7 - 0.017 && share < 0.7 + 0.017);
	close_bench(&t);
}

static void test_statistics(void **state)
{
	static const float ps[] = {0.05f, 0.5f, 0.9f};
	struct bench t;
	open_bench(&t, 1);
	for (size_t k = 0; k < 3; k++) {
		double mean = 0, p = (double)ps[k];
		drop(&t, 0, ROWS, t.h, ps[k], 42, 0, 0, TS_Q);
		for (int i = 0; i < ROWS * IN; i++) {
			assert_true(t.h[i] == 0 || (t.h[i] > 0.9999f / (1 - ps[k]) && t.h[i] < 1.0001f / (1 - ps[k])));
			mean += (double)t.h[i] / (ROWS * IN);
		}
		/* Each value has variance p/(1-p); five standard errors. */
		double limit = 5 * __builtin_sqrt(p / (1 - p) / (ROWS * IN));
		assert_true(mean > 1 - limit && mean < 1 + limit);
	}
	close_bench(&t);
}

/* Masks depend on seed, step, layer, target, row in the batch and position; not on where a row lies or on threads. */
static void test_what_counts(void **state)
{
	struct bench t, other;
	float alone[ROWS * IN];
	const size_t bytes = sizeof(alone);
	open_bench(&t, 2);
	open_bench(&other, 1);
	drop(&t, 0, ROWS, t.h, 0.5f, 42, 3, 2, TS_Q);
	for (size_t i = 0; i < ROWS; i += 7) {
		size_t n = ROWS - i < 7 ? ROWS - i : 7;
		drop(&other, i, n, other.h, 0.5f, 42, 3, 2, TS_Q);
		memcpy(alone + i * IN, other.h, n * IN * sizeof(float));
	}
	assert_memory_equal(t.h, alone, bytes);
	drop(&other, 0, ROWS, other.h, 0.5f, 42, 3, 2, TS_V);
	assert_memory_not_equal(t.h, other.h, bytes);
	drop(&other, 0, ROWS, other.h, 0.5f, 42, 3, 1, TS_Q);
	assert_memory_not_equal(t.h, other.h, bytes);
	drop(&other, 0, ROWS, other.h, 0.5f, 42, 4, 2, TS_Q);
	assert_memory_not_equal(t.h, other.h, bytes);
	drop(&other, 0, ROWS, other.h, 0.5f, 42ull + (1ull << 40), 3, 2, TS_Q);
	assert_memory_not_equal(t.h, other.h, bytes);
	/* Rows of another sequence, or at another position, have another mask. */
	assert_memory_not_equal(t.h, t.h + 50 * IN, 50 * IN * sizeof(float));
	assert_memory_not_equal(t.h, t.h + IN, IN * sizeof(float));
	close_bench(&t);
	close_bench(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule), cmocka_unit_test(test_statistics),
					   cmocka_unit_test(test_what_counts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
