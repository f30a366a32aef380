/* The sampler against the reference's probabilities (../shared/golden/sampling.json) and against a full sort, and its draw against the
 * distribution. */
#include "core/json.h"
#include "core/mem.h"
#include "core/philox.h"
#include "core/file.h"
#include "generate/sampler.h"
#include "tensor/math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/sampling.json"

static struct ts_backend *backend;

static int open_backend(void **state)
{
	return ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, NULL);
}

static int close_backend(void **state)
{
	ts_backend_free(backend);
	return 0;
}

static struct ts_sampler *sampler(size_t vocab)
{
	struct ts_sampler *s;
	assert_int_equal(ts_sampler_new(&s, backend, vocab), 0);
	return s;
}

static double real_field(const json_t *c, const char *key)
{
	return json_number_value(json_object_get(c, key));
}

static void check_case(const json_t *c)
{
	const json_t *logits = json_object_get(c, "logits"), *probs = json_object_get(c, "probs");
	size_t n = json_array_size(logits), kept;
	float *x = ts_calloc(n, sizeof(*x));
	double *got = ts_calloc(n, sizeof(*got));
	const struct ts_candidate *candidates;
	struct ts_sampler *sampling = sampler(n);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(logits, i);
		x[i] = json_is_string(v) ? -INFINITY : (float)json_number_value(v);
	}
	struct ts_sampling s = {real_field(c, "temperature"), real_field(c, "top_p"), (int)real_field(c, "top_k"), 1};
	assert_int_equal(ts_sampler_distribution(sampling, x, &s, &candidates, &kept), 0);
	for (size_t i = 0; i < kept; i++) {
		got[candidates[i].id] = candidates[i].p;
		if (i)
			assert_true(candidates[i - 1].logit > candidates[i].logit ||
				    (candidates[i - 1].logit == candidates[i].logit && candidates[i - 1].id < candidates[i].id));
	}
	const char *name = json_string_value(json_object_get(c, "name"));
	if (kept != (size_t)real_field(c, "kept"))
		fail_msg("%s: kept %zu, expected %.0f", name, kept, real_field(c, "kept"));
	for (size_t i = 0; i < n; i++) {
		double expected = json_number_value(json_array_get(probs, i));
		if (fabs(got[i] - expected) > 2e-6 || (got[i] > 0) != (expected > 0))
			fail_msg("%s: token %zu: %.9f, expected %.9f", name, i, got[i], expected);
	}
	ts_free(x);
	ts_free(got);
	ts_sampler_free(sampling);
}

static void test_golden(void **state)
{
	json_t *golden = NULL;
	struct ts_error err = {0};
	size_t i;
	const json_t *c;
	if (!ts_file_exists(GOLDEN)) {
		print_message("absent: %s\n", GOLDEN);
		skip();
	}
	assert_int_equal(ts_json_load(GOLDEN, &golden, &err), 0);
	json_array_foreach (json_object_get(golden, "cases"), i, c)
		check_case(c);
	assert_true(i >= 80);
	json_decref(golden);
}

/* Drawn frequencies follow the distribution: chi-square over the kept tokens, far from any reasonable threshold when wrong. */
static void test_draws(void **state)
{
	enum { N = 12, DRAWS = 200000 };
	static const float logits[N] = {1.5f, 3.9f, -1.4f, 3.9f, 2.0f, 0.1f, -3.0f, 2.9f, 2.95f, 1.0f, 0.9f, -8.0f};
	struct ts_sampling s = {0.8, 0.97, 8, 1};
	const struct ts_candidate *found;
	struct ts_candidate c[N];
	struct ts_sampler *sampling = sampler(N);
	size_t kept;
	size_t counts[N] = {0};
	struct ts_random_key key = ts_random_key_make(7, "test", "draws", 5, 0);
	assert_int_equal(ts_sampler_distribution(sampling, logits, &s, &found, &kept), 0);
	memcpy(c, found, kept * sizeof(*c));
	for (size_t i = 0; i < DRAWS; i++) {
		int32_t token;
		assert_int_equal(ts_sampler_choose(sampling, logits, &s, ts_random_uniform(&key, i), &token), 0);
		counts[token]++;
	}
	double chi2 = 0;
	size_t total = 0;
	for (size_t i = 0; i < kept; i++) {
		double expected = c[i].p * DRAWS, d = (double)counts[c[i].id] - expected;
		chi2 += d * d / expected;
		total += counts[c[i].id];
	}
	assert_int_equal(total, DRAWS);
	assert_true(kept >= 4);
	assert_true(chi2 < 40); /* 99.9% point at 11 degrees: 31.3 */
	ts_sampler_free(sampling);
}

static void test_edges(void **state)
{
	const struct ts_candidate *c;
	struct ts_sampler *s = sampler(4);
	size_t kept;
	int32_t token;
	struct ts_sampling greedy = {0, 1, 0, 1}, plain = {1, 1, 0, 1}, tiny_p = {1, 0, 0, 1}, top1 = {1, 1, 1, 1}, cold = {1e-38, 1, 0, 1};
	const float tie[4] = {1, 5, 5, 2}, nan_logits[4] = {1, NAN, 0, 0}, none[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
	const float infinite[4] = {1, INFINITY, 0, 0}, zeros[4] = {-0.0f, 0.0f, -1, -INFINITY};
	assert_int_equal(ts_sampler_choose(s, tie, &greedy, 0.99, &token), 0);
	assert_int_equal(token, 1); /* ties to the lowest id */
	assert_int_equal(ts_sampler_choose(s, tie, &tiny_p, 0.99, &token), 0);
	assert_int_equal(token, 1); /* at least one stays */
	assert_int_equal(ts_sampler_distribution(s, tie, &top1, &c, &kept), 0);
	assert_int_equal(kept, 2); /* ties with the k-th stay */
	assert_int_equal(ts_sampler_choose(s, tie, &plain, 0.0, &token), 0);
	assert_int_equal(token, 1);
	assert_int_equal(ts_sampler_choose(s, tie, &plain, 0.9999999999, &token), 0);
	assert_int_equal(token, 0); /* the least probable comes last */
	assert_int_equal(ts_sampler_distribution(s, zeros, &top1, &c, &kept), 0);
	assert_int_equal(kept, 2); /* the zeros are equal */
	assert_int_equal(c[0].id, 0);
	assert_int_equal(ts_sampler_choose(s, nan_logits, &plain, 0.5, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(s, nan_logits, &greedy, 0.5, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(s, none, &plain, 0.5, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(s, infinite, &plain, 0.5, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(s, infinite, &greedy, 0.5, &token), 0);
	assert_int_equal(token, 1);
	assert_int_equal(ts_sampler_choose(s, tie, &cold, 0.5, &token), TS_ENUMERIC); /* 5 / 1e-38 is beyond f32 */
	ts_sampler_free(s);
}

/* --- against a full sort --- */

static int descending(const void *a, const void *b)
{
	const struct ts_candidate *x = a, *y = b;
	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* The rules of sampler.h, as they are written there; c[n] has room for all. */
static size_t by_full_sort(const float *logits, size_t n, const struct ts_sampling *s, struct ts_candidate *c)
{
	size_t count = 0, taken = 0;
	double total = 0, sum = 0, lanes[16] = {0};
	for (size_t i = 0; i < n; i++) {
		float x = logits[i] / (float)s->temperature;
		if (x > -INFINITY)
			c[count++] = (struct ts_candidate){.logit = x, .id = (int32_t)i};
	}
	qsort(c, count, sizeof(*c), descending);
	double largest = (double)c[0].logit;
	if (s->top_k > 0 && (size_t)s->top_k < n) {
		size_t k = (size_t)s->top_k < count ? (size_t)s->top_k : count;
		while (k < count && c[k].logit == c[k - 1].logit)
			k++;
		for (size_t i = count = k; i-- > 0;)
			total += ts_exp((double)c[i].logit - largest);
	} else {
		for (size_t i = 0; i < n; i++) {
			double d = (double)(logits[i] / (float)s->temperature) - largest;
			lanes[i % 16] += d < -104 ? 0 : ts_exp(d);
		}
		for (int half = 8; half; half /= 2)
			for (int l = 0; l < half; l++)
				lanes[l] += lanes[l + half];
		total = lanes[0];
	}
	for (; taken < count && (!taken || s->top_p >= 1 || sum < s->top_p * total); taken++) {
		c[taken].p = ts_exp((double)c[taken].logit - largest);
		if (taken && (float)c[taken].p == 0.0f)
			break;
		sum += c[taken].p;
	}
	for (size_t i = 0; i < taken; i++)
		c[i].p /= sum;
	return taken;
}

enum { KINDS = 9 };

static float uniform(const struct ts_random_key *key, size_t at)
{
	return (float)(2 * ts_random_uniform(key, at) - 1);
}

/* Logits that make it easy, and hard: ties everywhere, one that outweighs all, all equal, hardly any, zeros of both signs. */
static void make_logits(int kind, const struct ts_random_key *key, float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float u = uniform(key, i), v = uniform(key, n + i);
		x[i] = kind == 0   ? 12 * u * v
		       : kind == 1 ? 0.01f * u
		       : kind == 2 ? floorf(3 * u)
		       : kind == 3 ? 7
		       : kind == 4 ? (i == n / 2 ? 300 : 200 * u)
		       : kind == 5 ? (u > 0.9f ? v : -INFINITY)
		       : kind == 6 ? (u > 0 ? 0.0f : -0.0f)
		       : kind == 7 ? 1e-42f * u
				   : -(float)(i % 700) * 0.25f;
	}
	if (kind == 5)
		x[n - 1] = -1;
}

static void check_one(struct ts_sampler *s, const float *x, size_t n, const struct ts_sampling *sampling, int kind,
		      struct ts_candidate *expected)
{
	const struct ts_candidate *c;
	size_t kept, count = by_full_sort(x, n, sampling, expected);
	assert_int_equal(ts_sampler_distribution(s, x, sampling, &c, &kept), 0);
	if (kept != count)
		fail_msg("kind %d of %zu, T %g, top-p %g, top-k %d: kept %zu, expected %zu", kind, n, sampling->temperature,
			 sampling->top_p, sampling->top_k, kept, count);
	for (size_t i = 0; i < count; i++)
		if (c[i].id != expected[i].id || c[i].logit != expected[i].logit || memcmp(&c[i].p, &expected[i].p, sizeof(c[i].p)))
			fail_msg("kind %d of %zu, T %g, top-p %g, top-k %d: token %zu is %d (%.17g), expected %d (%.17g)", kind, n,
				 sampling->temperature, sampling->top_p, sampling->top_k, i, c[i].id, c[i].p, expected[i].id,
				 expected[i].p);
}

static void check_size(size_t n)
{
	static const double temperatures[] = {0.6, 1, 1e-3, 7}, top_ps[] = {0, 0.3, 0.95, 0.999999, 1};
	const int top_ks[] = {0, 1, 2, 20, (int)n - 1, (int)n, (int)n + 1};
	float *x = ts_calloc(n, sizeof(*x));
	struct ts_candidate *expected = ts_calloc(n, sizeof(*expected));
	struct ts_sampler *s = sampler(n);
	struct ts_random_key key = ts_random_key_make(3, "test", "logits", 6, n);
	for (int kind = 0; kind < KINDS; kind++) {
		make_logits(kind, &key, x, n);
		for (size_t i = 0; i < 4 * 5 * 7; i++) {
			struct ts_sampling sampling = {temperatures[i % 4], top_ps[i / 4 % 5], top_ks[i / 20], 1};
			check_one(s, x, n, &sampling, kind, expected);
		}
		size_t best = 0;
		int32_t token;
		for (size_t i = 1; i < n; i++)
			best = x[i] > x[best] ? i : best;
		assert_int_equal(ts_sampler_choose(s, x, &(struct ts_sampling){0, 1, 0, 1}, 0.5, &token), 0);
		assert_int_equal(token, best);
	}
	ts_sampler_free(s);
	ts_free(expected);
	ts_free(x);
}

static void test_full_sort(void **state)
{
	static const size_t sizes[] = {1, 2, 15, 63, 64, 65, 200, 1000, 4099, 10007};
	struct ts_backend *best = backend;
	for (enum ts_isa isa = TS_ISA_PLAIN; isa <= TS_ISA_NEON; isa++) {
		if (!ts_isa_available(isa)) {
			print_message("skipped on this machine: %s\n", ts_isa_name(isa));
			continue;
		}
		assert_int_equal(ts_backend_cpu_new(&backend, isa, 1, NULL), 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && (sizes[i] < 5000 || isa != TS_ISA_PLAIN); i++)
			check_size(sizes[i]);
		ts_backend_free(backend);
	}
	backend = best;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_draws),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_full_sort),
	};
	return cmocka_run_group_tests(tests, open_backend, close_backend);
}
