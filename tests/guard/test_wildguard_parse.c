/* golden/guard.jsonl, kind wildguard-parse. */
#include "guard/wildguard_parse.h"

#include "core/file.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/guard.jsonl"

static void check(const json_t *row, const char *key, enum ts_wildguard_word found)
{
	const char *expected = json_string_value(json_object_get(row, key));
	const char *names[] = {"none", "no", "yes"};
	assert_true(json_object_get(row, key) != NULL);
	assert_string_equal(names[found], expected ? expected : "none");
}

static void test_golden(void **state)
{
	if (!ts_file_exists(GOLDEN)) {
		print_message("missing: %s\n", GOLDEN);
		skip();
	}
	json_t *rows, *row;
	struct ts_error err = {0};
	if (ts_rows_load(GOLDEN, &rows, &err))
		fail_msg("%s", err.message);
	size_t i, seen = 0;
	json_array_foreach (rows, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "kind")), "wildguard-parse"))
			continue;
		const json_t *output = json_object_get(row, "output");
		print_message("%s\n", json_string_value(output));
		struct ts_wildguard_answer a = ts_wildguard_parse(json_string_value(output), json_string_length(output));
		check(row, "harmful_request", a.harmful_request);
		check(row, "refusal", a.refusal);
		check(row, "harmful_response", a.harmful_response);
		seen++;
	}
	assert_int_equal(seen, 13);
	json_decref(rows);
}

/* A first mention that cannot be read does not hide a later one; white space may be a newline; nothing past the length is read. */
static void test_borders(void **state)
{
	const char *s = "Harmful response: nope\nHarmful response:\n\tYES.";
	assert_int_equal(ts_wildguard_parse(s, strlen(s)).harmful_response, TS_ANSWER_YES);
	assert_int_equal(ts_wildguard_parse("Response refusal: yes", 20).refusal, TS_ANSWER_NONE);
	assert_int_equal(ts_wildguard_parse("Response refusal: no_", 21).refusal, TS_ANSWER_NONE);
	assert_int_equal(ts_wildguard_parse("Response refusal:", 17).refusal, TS_ANSWER_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_borders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
