/* The template language against Jinja2 3.1.6: tests/text/template_cases.jsonl, written by tools/text/make_template_cases.py.
 * The first line holds the variables and messages, each other line a template with the text or the error that Jinja2 gives. */
#include "core/file.h"
#include "text/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct tm clock_of_cases = {
	.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 15, .tm_min = 4, .tm_sec = 5, .tm_wday = 5, .tm_yday = 207, .tm_isdst = -1};

static bool case_agrees(const json_t *row, const json_t *shared, size_t line)
{
	const json_t *source = json_object_get(row, "template"), *text = json_object_get(row, "text"),
		     *error = json_object_get(row, "error");
	struct ts_template_input input = {
		.messages = json_object_get(shared, "messages"), .variables = json_object_get(shared, "variables"), .now = &clock_of_cases};
	struct ts_str out = {0};
	struct ts_error err = {0};
	struct ts_template *t;
	bool good;
	int status = ts_template_parse(&t, json_string_value(source), json_string_length(source), "case", &err);
	if (!status)
		status = ts_template_render(t, &input, &out, &err);
	if (text)
		good = !status && out.len == json_string_length(text) && !memcmp(ts_str_c(&out), json_string_value(text), out.len);
	else if (json_is_true(json_object_get(error, "raised_by_template")))
		good = status == TS_EINVAL && !strcmp(err.message, json_string_value(json_object_get(error, "message")));
	else
		good = status == TS_EFORMAT && err.message[0];
	if (!good)
		print_message("line %zu: %s\nstatus %d %s\nexpected %s\nfound    %s\n\n", line, json_string_value(source), status,
			      err.message, text ? json_string_value(text) : json_string_value(json_object_get(error, "message")),
			      ts_str_c(&out));
	ts_template_free(t);
	ts_str_release(&out);
	return good;
}

static void test_cases(void **state)
{
	struct ts_str file = {0};
	json_t *shared = NULL;
	size_t line = 0, bad = 0;
	assert_int_equal(ts_file_read(TS_SOURCE_DIR "/tests/text/template_cases.jsonl", &file, NULL), 0);
	for (char *p = file.data, *end = file.data + file.len; p < end;) {
		char *stop = memchr(p, '\n', (size_t)(end - p));
		json_t *row;
		assert_non_null(stop);
		assert_int_equal(ts_json_parse(p, (size_t)(stop - p), "cases", &row, NULL), 0);
		p = stop + 1;
		if (!line++) {
			shared = row;
			continue;
		}
		bad += !case_agrees(row, shared, line);
		json_decref(row);
	}
	json_decref(shared);
	ts_str_release(&file);
	assert_int_equal(bad, 0);
	assert_true(line > 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
