/* What a run cost and what more prompts would: every figure worked out by hand, what a kill lost, what is missing or odd. */
#include "report/cost.h"

#include "core/mem.h"
#include "report/internal.h"
#include "report/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char metrics[] = "{\"accepted\":{\"harmful\":{\"kept\":280,\"of\":300},\"benign\":{\"kept\":90,\"of\":100}}}";
#define STAGE(name, seconds, items, of, tokens)                                                                                            \
	"\"" name "\":{\"seconds\":" seconds ",\"items\":" items ",\"of\":" of ",\"tokens\":" tokens ",\"per_second\":1.0}"
static const char timing[] = "{\"version\":\"9\",\"processor\":\"P\",\"backend\":\"cpu/x\",\"threads\":2,\"batch\":64,"
	/* clang-format off */
	STAGE("set up", "1.0", "1", "1", "0") ","
	STAGE("load models", "3.0", "4", "4", "0") ","
	STAGE("evaluate before", "100.0", "50", "50", "9000") ","
	STAGE("generate", "40.0", "400", "400", "8000") ","
	STAGE("generate, try 2", "2.0", "20", "20", "500") ","
	STAGE("judge generated", "4.0", "200", "400", "4000") ","  /* half of it was lost */
	STAGE("judge, try 2", "0.5", "10", "10", "100") ","
	STAGE("judge alpha", "5.0", "30", "30", "600") ","
	STAGE("train", "60.0", "120", "100", "7000") "}"; /* 20 steps were made again */
/* clang-format on */

static json_t *parse(const char *text)
{
	json_t *v;
	struct ts_error err = {0};
	if (ts_json_parse(text, strlen(text), "case", &v, &err))
		fail_msg("%s", err.message);
	return v;
}

static json_t *cost_of(const char *m, const char *t)
{
	struct ts_error err = {0};
	json_t *a = parse(m), *b = parse(t), *cost;
	if (ts_report_cost(a, b, &cost, &err))
		fail_msg("%s", err.message);
	json_decref(a);
	json_decref(b);
	return cost;
}

static void equals(const json_t *object, const char *key, double expected)
{
	const json_t *v = json_object_get(object, key);
	if (!json_is_number(v) || fabs(json_number_value(v) - expected) > 1e-9 * fabs(expected))
		fail_msg("%s: expected %.12g, found %.12g", key, expected, v ? json_number_value(v) : NAN);
}

static const json_t *stage(const json_t *cost, const char *name)
{
	size_t i;
	const json_t *s;
	json_array_foreach (json_object_get(cost, "stages"), i, s)
		if (!strcmp(json_string_value(json_object_get(s, "stage")), name))
			return s;
	fail_msg("no stage %s", name);
	return NULL;
}

static void figures(void **state)
{
	(void)state;
	json_t *cost = cost_of(metrics, timing);
	equals(cost, "prompts", 400);
	equals(cost, "at_prompts", 40000); /* 100 times */
	equals(stage(cost, "evaluate before"), "seconds_at", 100);
	equals(stage(cost, "judge alpha"), "seconds_at", 5);
	equals(stage(cost, "generate"), "seconds_at", 4000);
	equals(stage(cost, "generate, try 2"), "seconds_at", 200);
	equals(stage(cost, "judge generated"), "seconds", 8);
	equals(stage(cost, "judge generated"), "seconds_at", 800);
	equals(stage(cost, "judge, try 2"), "seconds_at", 50);
	equals(stage(cost, "train"), "seconds", 60);
	equals(stage(cost, "train"), "seconds_at", 5000); /* of its 100 steps */
	equals(cost, "seconds", 1 + 3 + 100 + 40 + 2 + 8 + 0.5 + 5 + 60);
	equals(cost, "seconds_at", 1 + 3 + 100 + 4000 + 200 + 800 + 50 + 5 + 5000);
	equals(cost, "seconds_per_1000", (40 + 2 + 8 + 0.5 + 50) / 400 * 1000);
	equals(cost, "tokens_generated", 17500);
	equals(cost, "tokens_judged", 4700);
	equals(cost, "tokens_trained", 7000);
	json_decref(cost);
}

static void table(void **state)
{
	(void)state;
	struct ts_str out = {0};
	struct ts_error err = {0};
	json_t *cost = cost_of(metrics, timing);
	assert_int_equal(ts_report_cost_table(cost, &out, &err), 0);
	static const char *const lines[] = {
		"Cost                        done                  tokens        time      at 40000 prompts\n",
		"  set up                       1 time                          1.0 s                 1.0 s\n",
		"  generate                   400 responses          8000      40.0 s              66.7 min +\n",
		"  judge generated            400 verdicts           4000       8.0 s              13.3 min + !\n",
		"  all                                                        3.7 min                 2.8 h\n",
		"  each 1000 prompts more                                     4.2 min\n",
		"  ! a start was killed",
		"  measured on cpu/x, 2 threads, batch 64, P\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(out.data, lines[i]))
			fail_msg("not found: [%s] in\n%s", lines[i], out.data);
	for (const char *at = out.data; *at; at += strcspn(at, "\n") + 1)
		assert_in_range(strcspn(at, "\n"), 0, TS_TABLE_COLUMNS);
	json_decref(cost);
	ts_str_release(&out);
}

static void missing(void **state)
{
	(void)state;
	struct ts_error err = {0};
	json_t *cost = NULL, *list = parse("[]"), *odd = parse("{\"train\":{\"seconds\":\"2\"}}"), *m = parse("{}");
	assert_int_equal(ts_report_cost(m, NULL, &cost, &err), 0);
	assert_null(cost);
	assert_null(cost_of("{}", "{\"version\":\"9\"}"));
	assert_int_equal(ts_report_cost(m, list, &cost, &err), TS_EFORMAT);
	assert_int_equal(ts_report_cost(m, odd, &cost, &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "seconds"));
	/* no prompts, nothing timed: no number, and no division by 0 */
	cost = cost_of("{}", "{" STAGE("generate", "1.0", "5", "5", "9") "," STAGE("train", "0.0", "0", "7", "0") "}");
	assert_true(json_is_null(json_object_get(cost, "seconds_at")));
	assert_true(json_is_null(json_object_get(cost, "seconds_per_1000")));
	assert_true(json_is_null(json_object_get(stage(cost, "train"), "seconds")));
	equals(cost, "seconds", 1);
	json_decref(cost);
	json_decref(list);
	json_decref(odd);
	json_decref(m);
}

static void durations(void **state)
{
	(void)state;
	char text[32];
	assert_string_equal(report_duration(0, text), "0.0 s");
	assert_string_equal(report_duration(99.9, text), "99.9 s");
	assert_string_equal(report_duration(99.96, text), "1.7 min");
	assert_string_equal(report_duration(5996, text), "99.9 min");
	assert_string_equal(report_duration(5998, text), "1.7 h");
	assert_string_equal(report_duration(360000, text), "100.0 h");
	assert_string_equal(report_duration(NAN, text), "-");
}

static void no_memory(void **state)
{
	(void)state;
	size_t failures = 0;
	json_t *m = parse(metrics), *t = parse(timing);
	for (size_t i = 1;; i++) {
		struct ts_error err = {0};
		struct ts_str out = {0};
		json_t *cost = NULL;
		ts_mem_fail_at(i);
		int status = ts_report_cost(m, t, &cost, &err);
		if (!status)
			status = ts_report_cost_table(cost, &out, &err);
		ts_mem_fail_at(0);
		json_decref(cost);
		ts_str_release(&out);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] != '\0');
		failures++;
	}
	assert_true(failures > 30);
	json_decref(m);
	json_decref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),   cmocka_unit_test(table),     cmocka_unit_test(missing),
		cmocka_unit_test(durations), cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("report.cost", tests, NULL, NULL);
}
