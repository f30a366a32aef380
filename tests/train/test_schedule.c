/* Learning rates against transformers' (golden lists) and against the formula with the C library's cosine. */
#include "train/golden_train.h"
#include "train/schedule.h"

#include <math.h>

static void test_golden_rates(void **state)
{
	struct ts_error err = {0};
	json_t *values;
	ok(ts_json_load(golden_path("lora/qwen3-r4/goldens.json"), &values, &err));
	struct ts_schedule s = {TS_SCHEDULE_COSINE, 1e-3, GOLDEN_STEPS, ts_schedule_warmup(0.1, GOLDEN_STEPS)};
	const json_t *steps = json_object_get(values, "train_ce"), *row;
	size_t i;
	assert_int_equal(s.warmup, 2);
	assert_int_equal(json_array_size(steps), GOLDEN_STEPS);
	json_array_foreach (steps, i, row) {
		double want = json_number_value(json_object_get(row, "lr")), found = ts_schedule_lr(&s, i);
		assert_true(fabs(found - want) <= 1e-18 + 1e-14 * want);
	}
	json_decref(values);
}

static void test_formulas(void **state)
{
	for (size_t steps = 1; steps < 300; steps += 7) {
		size_t warmup = ts_schedule_warmup(0.1, steps);
		assert_int_equal(warmup, (size_t)ceil(0.1 * (double)steps));
		struct ts_schedule cosine = {TS_SCHEDULE_COSINE, 2e-5, steps, warmup}, linear = cosine, constant = cosine;
		linear.kind = TS_SCHEDULE_LINEAR;
		constant.kind = TS_SCHEDULE_CONSTANT;
		for (size_t i = 0; i < steps; i++) {
			double w = (double)warmup, n = (double)steps, s = (double)i, rise = s / w;
			double want[3] = {i < warmup ? rise : 0.5 * (1 + cos(acos(-1) * (s - w) / (n - w))),
					  i < warmup ? rise : (n - s) / (n - w), i < warmup ? rise : 1};
			assert_true(fabs(ts_schedule_lr(&cosine, i) / 2e-5 - want[0]) < 1e-14);
			assert_true(fabs(ts_schedule_lr(&linear, i) / 2e-5 - want[1]) < 1e-14);
			assert_true(fabs(ts_schedule_lr(&constant, i) / 2e-5 - want[2]) < 1e-14);
		}
	}
}

static void test_edges(void **state)
{
	assert_int_equal(ts_schedule_warmup(0, 100), 0);
	assert_int_equal(ts_schedule_warmup(1, 100), 100);
	assert_int_equal(ts_schedule_warmup(0.1, 67), 7);
	assert_int_equal(ts_schedule_warmup(0.1, 10), 1);
	struct ts_schedule one = {TS_SCHEDULE_COSINE, 1, 1, 1}, all = {TS_SCHEDULE_LINEAR, 1, 5, 5}, none = {TS_SCHEDULE_CONSTANT, 0, 5, 0};
	assert_false(ts_schedule_learns(&one)); /* its only step is warm-up from 0 */
	assert_true(ts_schedule_learns(&all));
	assert_false(ts_schedule_learns(&none));
	one.warmup = 0;
	assert_true(ts_schedule_learns(&one));
	assert_true(ts_schedule_lr(&one, 0) == 1);
}

static void test_words(void **state)
{
	enum ts_schedule_kind kind;
	for (enum ts_schedule_kind k = TS_SCHEDULE_COSINE; k <= TS_SCHEDULE_CONSTANT; k++) {
		assert_int_equal(ts_schedule_parse(ts_schedule_name(k), &kind), 0);
		assert_int_equal(kind, k);
	}
	assert_int_equal(ts_schedule_parse("cosinus", &kind), TS_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden_rates), cmocka_unit_test(test_formulas),
					   cmocka_unit_test(test_edges), cmocka_unit_test(test_words)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
