/* The strict grader against golden/grading.jsonl (verdicts set by hand) and the golds of the benchmarks. */
#include "eval/grade.h"

#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN     TS_SHARED_DIR "/golden/grading.jsonl"
#define BENCHMARKS TS_SHARED_DIR "/assets/benchmarks/"

static bool grade(enum ts_dataset dataset, const char *prediction, const char *gold)
{
	struct ts_grade g = {0};
	assert_int_equal(ts_grade(dataset, prediction, strlen(prediction), gold, strlen(gold), &g), 0);
	bool equal = g.equal;
	ts_grade_release(&g);
	return equal;
}

static json_t *rows_of(const char *path)
{
	json_t *rows;
	struct ts_error err = {0};
	if (!ts_file_exists(path)) {
		print_message("missing: %s\n", path);
		skip();
	}
	if (ts_rows_load(path, &rows, &err))
		fail_msg("%s", err.message);
	return rows;
}

static const char *text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));
	assert_non_null(s);
	return s;
}

static void test_golden(void **state)
{
	json_t *rows = rows_of(GOLDEN), *row;
	size_t i, conventions = 0, kept = 0;
	json_array_foreach (rows, i, row) {
		const char *prediction = text(row, "prediction"), *gold = text(row, "gold");
		const json_t *convention = json_object_get(row, "convention");
		enum ts_dataset dataset;
		assert_int_equal(ts_dataset_parse(text(row, "dataset"), &dataset, NULL), 0);
		bool expected = json_is_true(json_object_get(row, "equal")), found = grade(dataset, prediction, gold);
		conventions += convention != NULL;
		kept += convention && found == expected;
		if (found != expected)
			print_message("%s %zu [%s]: %s | %s\n", convention ? json_string_value(convention) : "WRONG", i, text(row, "why"),
				      prediction, gold);
		if (!convention)
			assert_int_equal(found, expected);
	}
	print_message("%zu of %zu rows that rest on a convention are kept\n", kept, conventions);
	assert_int_equal(json_array_size(rows), 232);
	assert_int_equal(kept, conventions);
	json_decref(rows);
}

/* The verdicts of the reference's own program, where it has one. */
static void test_golden_paper(void **state)
{
	json_t *rows = rows_of(GOLDEN), *row;
	size_t i, compared = 0, wrong = 0;
	json_array_foreach (rows, i, row) {
		const char *prediction = text(row, "prediction"), *gold = text(row, "gold");
		const json_t *paper = json_object_get(row, "paper");
		struct ts_grade g = {0};
		enum ts_dataset dataset;
		if (!paper)
			continue;
		assert_int_equal(ts_dataset_parse(text(row, "dataset"), &dataset, NULL), 0);
		assert_int_equal(ts_grade(dataset, prediction, strlen(prediction), gold, strlen(gold), &g), 0);
		if (g.paper != json_is_true(paper))
			fail_msg("%zu [%s]: %s | %s", i, text(row, "why"), prediction, gold);
		compared++;
		wrong += g.paper != json_is_true(json_object_get(row, "equal"));
		ts_grade_release(&g);
	}
	assert_int_equal(compared, 232);
	assert_int_equal(wrong, 67); /* as the golden's README says */
	json_decref(rows);
}

static void test_grader_words(void **state)
{
	enum ts_dataset dataset;
	enum ts_grader grader;
	bool named;
	struct ts_error err = {0};
	assert_int_equal(ts_grader_parse("gsm8k", &dataset, &named, &grader, NULL), 0);
	assert_true(named && dataset == TS_DATASET_GSM8K && grader == TS_GRADER_STRICT);
	assert_int_equal(ts_grader_parse("aime paper", &dataset, &named, &grader, NULL), 0);
	assert_true(named && dataset == TS_DATASET_AIME && grader == TS_GRADER_PAPER);
	assert_int_equal(ts_grader_parse("paper", &dataset, &named, &grader, NULL), 0);
	assert_true(!named && grader == TS_GRADER_PAPER);
	static const char *const bad[] = {"", " ", "maths", "paper strict", "math math", "math,paper", "aaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ts_grader_parse(bad[i], &dataset, &named, &grader, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "found \"aaaa"));
}

static void boxed(char *out, size_t size, const char *gold)
{
	assert_in_range(snprintf(out, size, "<think>\nHm, \\boxed{0}?\n</think>\n\nSo it is $\\boxed{%s}$.", gold), 1, size - 1);
}

static void check_golds(const char *file, const char *key, enum ts_dataset dataset, size_t expected_rows)
{
	char path[512], prediction[2048];
	snprintf(path, sizeof(path), "%s%s", BENCHMARKS, file);
	json_t *rows = rows_of(path), *row;
	size_t i;
	assert_int_equal(json_array_size(rows), expected_rows);
	json_array_foreach (rows, i, row) {
		const json_t *value = json_object_get(row, key);
		char number[32];
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		const char *whole = json_is_integer(value) ? number : json_string_value(value);
		const char *mark = strstr(whole, "####");
		const char *gold = mark ? mark + 5 : whole;
		boxed(prediction, sizeof(prediction), gold);
		if (!grade(dataset, prediction, whole))
			fail_msg("%s, row %zu: %s does not equal itself", file, i, gold);
		snprintf(prediction, sizeof(prediction), "Adding up.\nThe final answer is %s", gold);
		if (dataset == TS_DATASET_GSM8K && !grade(dataset, prediction, whole))
			fail_msg("%s, row %zu: %s as a sentence does not equal itself", file, i, gold);
		snprintf(prediction, sizeof(prediction), "\\boxed{%s7}", gold);
		if (grade(dataset, prediction, whole))
			fail_msg("%s, row %zu: %s equals %s7", file, i, gold, gold);
	}
	json_decref(rows);
}

static void test_gsm8k_golds(void **state)
{
	check_golds("gsm8k_test.jsonl", "answer", TS_DATASET_GSM8K, 1319);
}

static void test_aime_golds(void **state)
{
	check_golds("aime2024_test.jsonl", "answer", TS_DATASET_AIME, 30);
}

static void test_math_golds(void **state)
{
	check_golds("math500_test.jsonl", "answer", TS_DATASET_MATH, 500);
}

static void test_numbers(void **state)
{
	assert_true(grade(TS_DATASET_MATH, "\\boxed{9223372036854775807}", "9223372036854775807"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{9223372036854775807}", "9223372036854775806"));
	assert_true(grade(TS_DATASET_MATH, "\\boxed{123456789012345678901234567890}", "123456789012345678901234567890"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{123456789012345678901234567890}", "123456789012345678901234567891"));
	assert_true(grade(TS_DATASET_MATH, "\\boxed{0.1}", "1/10"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{0.1000000000000001}", "1/10"));
	assert_true(grade(TS_DATASET_MATH, "\\boxed{-0}", "0"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{1/0}", "0"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{1000,99}", "100099"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{1,23}", "123"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{1,2345}", "12345"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{1 2}", "12"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{5 million}", "5"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{2 \\text{ and } 3}", "2"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{3x}", "3"));
	assert_false(grade(TS_DATASET_MATH, "\\boxed{2 pi}", "2"));
	assert_true(grade(TS_DATASET_MATH, "\\boxed{7}, since 7 is odd", "$7$"));
	assert_true(grade(TS_DATASET_GSM8K, "It costs \\boxed{$1,234.50}.", "steps\n#### 1,234.5"));
	assert_true(grade(TS_DATASET_GSM8K, "10 - 3 = 7 apples", "7"));
	assert_true(grade(TS_DATASET_GSM8K, "The final answer is 10 - 3 = 7 apples", "7"));
	assert_true(grade(TS_DATASET_GSM8K, "The final answer is 2 x 3 = 6.", "6"));
	assert_true(grade(TS_DATASET_GSM8K, "The final answer is **$1,450** for all of it.", "1450"));
	assert_true(grade(TS_DATASET_GSM8K, "The final answer is 50 cents.", "50"));
	assert_false(grade(TS_DATASET_GSM8K, "The final answer is 18 dollars a day for 7 days", "7"));
}

static void test_extraction(void **state)
{
	assert_false(grade(TS_DATASET_MATH, "<think>\n\\boxed{5}\n</think>\n\nI do not know", "5"));
	assert_false(grade(TS_DATASET_MATH, "It is \\boxed{5", "5"));
	assert_true(grade(TS_DATASET_MATH, "\\boxed{5} and then \\boxed{6", "5"));
	assert_true(grade(TS_DATASET_MATH, "thinking \\boxed{3}</think>\\boxed{5}", "5"));
	assert_false(grade(TS_DATASET_GPQA, "\\boxed{And}", "A"));
	assert_false(grade(TS_DATASET_GPQA, "A good question.", "A"));
	struct ts_grade g = {0};
	assert_int_equal(ts_grade(TS_DATASET_MATH, "\\boxed{ x = 4 }", 15, "4", 1, &g), 0);
	assert_true(g.equal && g.found);
	assert_string_equal(ts_str_c(&g.extracted), "x = 4");
	assert_int_equal(ts_grade(TS_DATASET_MATH, "nothing", 7, "4", 1, &g), 0);
	assert_true(!g.equal && !g.found && g.extracted.len == 0);
	ts_grade_release(&g);
	enum ts_dataset d;
	struct ts_error err = {0};
	assert_int_equal(ts_dataset_parse("maths", &d, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "maths"));
}

/* Nonsense of all sorts: nothing to assert but that it ends, and the sanitizers watch. Plus what must not be slow. */
static void test_hostile(void **state)
{
	static const char *const pieces[] = {"\\boxed{", "}", "{",  "\\frac", "\\text{", "1,",       "000", "\\", "(", ")",    "-",
					     "/",        "%", "^{", "$",      "\\sqrt",  "</think>", " ",   "x=", ".", "\x01", "\x02"};
	unsigned state_word = 1;
	for (int round = 0; round < 3000; round++) {
		char s[256] = "";
		for (int k = 0; k < 20; k++) {
			state_word = state_word * 1664525u + 1013904223u;
			strcat(s, pieces[(state_word >> 16) % (sizeof(pieces) / sizeof(*pieces))]);
		}
		for (int d = 0; d < 4; d++)
			grade((enum ts_dataset)d, s, s + strlen(s) / 2);
	}
	size_t n = 700000;
	char *deep = malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		deep[i] = "\\boxed{"[i % 7];
	deep[n] = '\0';
	assert_false(grade(TS_DATASET_MATH, deep, "1"));
	free(deep);
}

static void test_no_memory(void **state)
{
	int failures = 0;
	const char *s = "a</think>The answer is \\boxed{\\frac12 x}";
	for (size_t i = 1;; i++) {
		struct ts_grade g = {0};
		ts_mem_fail_at(i);
		int status = ts_grade(TS_DATASET_MATH, s, strlen(s), "x/2", 3, &g);
		ts_mem_fail_at(0);
		ts_grade_release(&g);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		failures++;
	}
	assert_true(failures >= 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),      cmocka_unit_test(test_golden_paper), cmocka_unit_test(test_grader_words),
		cmocka_unit_test(test_gsm8k_golds), cmocka_unit_test(test_aime_golds),   cmocka_unit_test(test_math_golds),
		cmocka_unit_test(test_numbers),     cmocka_unit_test(test_extraction),   cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
