/* Splitting and repairing think tags: repair against golden/training_examples.jsonl, splitting against the contract's rule. */
#include "text/thinking.h"

#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/training_examples.jsonl"

static void test_repair_golden(void **state)
{
	if (!ts_file_exists(GOLDEN)) {
		print_message("missing: %s\n", GOLDEN);
		skip();
	}
	json_t *rows, *row;
	struct ts_error err = {0};
	struct ts_str out = {0}, twice = {0};
	if (ts_rows_load(GOLDEN, &rows, &err))
		fail_msg("%s", err.message);
	assert_int_equal(json_array_size(rows), 69);
	size_t i, changed = 0;
	json_array_foreach (rows, i, row) {
		const json_t *response = json_object_get(row, "response"), *expected = json_object_get(row, "response_normalised");
		ts_str_clear(&out);
		ts_str_clear(&twice);
		assert_int_equal(ts_thinking_repair(json_string_value(response), json_string_length(response), &out), 0);
		assert_int_equal(out.len, json_string_length(expected));
		assert_memory_equal(ts_str_c(&out), json_string_value(expected), out.len);
		changed += strcmp(json_string_value(response), out.data) != 0;
		assert_int_equal(ts_thinking_repair(out.data, out.len, &twice), 0);
		assert_string_equal(twice.data, out.data);
	}
	assert_true(changed >= 9);
	ts_str_release(&out);
	ts_str_release(&twice);
	json_decref(rows);
}

static void repair(const char *response, const char *expected)
{
	struct ts_str out = {0};
	assert_int_equal(ts_thinking_repair(response, strlen(response), &out), 0);
	assert_string_equal(ts_str_c(&out), expected);
	ts_str_release(&out);
}

static void test_repair_borders(void **state)
{
	repair("", "<think>\n");
	repair("<think>a</think>\n", "<think>a</think>\n\n");
	repair("<think>a</think>\n\n\nb", "<think>a</think>\n\n\nb");
	repair("<think>a</think>\r\nb", "<think>a</think>\r\nb");
	repair("a</think>\nb</think>\nc", "<think>\na</think>\n\nb</think>\n\nc");
	/* The length rules, not what lies behind it. */
	struct ts_str out = {0};
	assert_int_equal(ts_thinking_repair("<think></think>\n\n", 16, &out), 0);
	assert_string_equal(ts_str_c(&out), "<think></think>\n\n");
	ts_str_release(&out);
	repair("answer that says <think> late", "answer that says <think> late");
}

static const struct {
	const char *response, *thinking, *answer;
	int blocks, closed, unclosed;
} splits[] = {
	{"", "", "", 0, 0, 0},
	{"just an answer", "", "just an answer", 0, 0, 0},
	{"<think>\na\n</think>\n\nb", "\na\n", "\n\nb", 1, 1, 0},
	{"a\n</think>\n\nb", "a\n", "\n\nb", 1, 1, 0},
	{"</think>b", "", "b", 1, 1, 0},
	{"<think></think>", "", "", 1, 1, 0},
	{"before<think>a</think>after", "a", "beforeafter", 1, 1, 0},
	{"<think>a</think>b<think>c</think>d", "a\nc", "bd", 2, 1, 0},
	{"a</think>b<think>c</think>d", "a\nc", "bd", 2, 1, 0},
	{"<think>a</think>b</think>c", "a", "b</think>c", 1, 1, 0},
	{"a</think>b</think>c", "a", "b</think>c", 1, 1, 0},
	{"<think>a</think>b</think>c<think>d</think>e", "a\nd", "b</think>ce", 2, 1, 0},
	{"<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d", 1, 1, 0},
	{"<think>the tag <think> is odd</think>4", "the tag <think> is odd", "4", 1, 1, 0},
	{"<think>cut short", "", "<think>cut short", 0, 0, 1},
	{"a</think>b<think>c", "a", "b<think>c", 1, 1, 1},
	{"<thin></thinking><THINK>x", "", "<thin></thinking><THINK>x", 0, 0, 0},
	{"1 < 2 </think", "", "1 < 2 </think", 0, 0, 0},
};

static void test_split(void **state)
{
	struct ts_thinking t = {0};
	for (size_t i = 0; i < sizeof(splits) / sizeof(*splits); i++) {
		const char *s = splits[i].response;
		print_message("%s\n", s);
		assert_int_equal(ts_thinking_split(s, strlen(s), &t), 0);
		assert_string_equal(ts_str_c(&t.thinking), splits[i].thinking);
		assert_string_equal(ts_str_c(&t.answer), splits[i].answer);
		assert_int_equal(t.blocks, splits[i].blocks);
		assert_int_equal(t.closed, splits[i].closed);
		assert_int_equal(t.unclosed, splits[i].unclosed);
		assert_int_equal(ts_thinking_closed(s, strlen(s)), splits[i].closed);
	}
	/* A NUL is a byte like any other; the length rules. */
	assert_int_equal(ts_thinking_split("a\0b</think>c\0d", 14, &t), 0);
	assert_int_equal(t.thinking.len, 3);
	assert_memory_equal(t.answer.data, "c\0d", 3);
	ts_thinking_release(&t);
}

static void test_no_memory(void **state)
{
	const char *s = "a</think>b<think>c</think>d";
	int failures = 0;
	for (size_t i = 1;; i++) {
		struct ts_thinking t = {0};
		struct ts_str out = {0};
		ts_mem_fail_at(i);
		int status = ts_thinking_split(s, strlen(s), &t);
		if (!status)
			status = ts_thinking_repair(s, strlen(s), &out);
		ts_mem_fail_at(0);
		ts_thinking_release(&t);
		ts_str_release(&out);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		failures++;
	}
	assert_true(failures >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repair_golden),
		cmocka_unit_test(test_repair_borders),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
