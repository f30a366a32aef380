/* The sampler against the reference's probabilities (../shared/golden/sampling.json), and its draw against the distribution. */
#include "core/json.h"
#include "core/mem.h"
#include "core/philox.h"
#include "core/file.h"
#include "generate/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/sampling.json"

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
	struct ts_candidate *candidates = ts_calloc(n, sizeof(*candidates));
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(logits, i);
		x[i] = json_is_string(v) ? -INFINITY : (float)json_number_value(v);
	}
	struct ts_sampling s = {real_field(c, "temperature"), real_field(c, "top_p"), (int)real_field(c, "top_k"), 1};
	assert_int_equal(ts_sampler_distribution(x, n, &s, candidates, &kept), 0);
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
	ts_free(candidates);
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
	struct ts_candidate c[N], scratch[N];
	size_t kept;
	size_t counts[N] = {0};
	struct ts_random_key key = ts_random_key_make(7, "test", "draws", 5, 0);
	assert_int_equal(ts_sampler_distribution(logits, N, &s, c, &kept), 0);
	for (size_t i = 0; i < DRAWS; i++) {
		int32_t token;
		assert_int_equal(ts_sampler_choose(logits, N, &s, ts_random_uniform(&key, i), scratch, &token), 0);
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
}

static void test_edges(void **state)
{
	struct ts_candidate c[4];
	size_t kept;
	int32_t token;
	struct ts_sampling greedy = {0, 1, 0, 1}, plain = {1, 1, 0, 1}, tiny_p = {1, 0, 0, 1}, top1 = {1, 1, 1, 1};
	const float tie[4] = {1, 5, 5, 2}, nan_logits[4] = {1, NAN, 0, 0}, none[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
	assert_int_equal(ts_sampler_choose(tie, 4, &greedy, 0.99, c, &token), 0);
	assert_int_equal(token, 1); /* ties to the lowest id */
	assert_int_equal(ts_sampler_choose(tie, 4, &tiny_p, 0.99, c, &token), 0);
	assert_int_equal(token, 1); /* at least one stays */
	assert_int_equal(ts_sampler_distribution(tie, 4, &top1, c, &kept), 0);
	assert_int_equal(kept, 2); /* ties with the k-th stay */
	assert_int_equal(ts_sampler_choose(tie, 4, &plain, 0.0, c, &token), 0);
	assert_int_equal(token, 1);
	assert_int_equal(ts_sampler_choose(tie, 4, &plain, 0.9999999999, c, &token), 0);
	assert_int_equal(token, 0); /* the least probable comes last */
	assert_int_equal(ts_sampler_choose(nan_logits, 4, &plain, 0.5, c, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(nan_logits, 4, &greedy, 0.5, c, &token), TS_ENUMERIC);
	assert_int_equal(ts_sampler_choose(none, 4, &plain, 0.5, c, &token), TS_ENUMERIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_draws), cmocka_unit_test(test_edges)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
