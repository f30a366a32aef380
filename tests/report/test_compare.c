/* Several runs beside each other: every figure at its place, what differs is named, what is odd is refused, every allocation may fail. */
#include "report/compare.h"

#include "core/mem.h"
#include "report/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIDE(unsafe, measure)                                                                                                              \
	"{\"unsafe\":{\"share\":" unsafe ",\"low\":0.05,\"high\":1,\"n\":40,\"measure\":\"" measure "\"},"                                 \
	"\"over_refusal\":{\"share\":0.02,\"low\":0.01,\"high\":0.0459,\"n\":20,\"measure\":\"refusals by keyword stand-in\"}}"
#define RUN(before, after, measure)                                                                                                        \
	"{\"method\":\"thinksafe\",\"seed\":42,\"before\":" SIDE(before, measure) ",\"after\":" SIDE(                                      \
		after, measure) ",\"evals\":["                                                                                             \
				"{\"name\":\"harmful\",\"kind\":\"safety\",\"n\":40},{\"name\":\"second\",\"kind\":\"safety\",\"n\":9},"   \
				"{\"name\":\"look\",\"kind\":\"over_refusal\",\"n\":20}]}"

static json_t *parse(const char *text)
{
	json_t *v;
	struct ts_error err = {0};
	if (ts_json_parse(text, strlen(text), "case", &v, &err))
		fail_msg("%s", err.message);
	return v;
}

static void release(struct ts_report_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref((json_t *)runs[i].metrics);
		json_decref((json_t *)runs[i].settings);
	}
}

static void render(const struct ts_report_run *runs, size_t n, struct ts_str *out)
{
	struct ts_error err = {0};
	json_t *c = NULL;
	ts_str_clear(out);
	if (ts_report_compare(runs, n, &c, &err) || ts_report_compare_table(c, out, &err))
		fail_msg("%s", err.message);
	json_decref(c);
	for (const char *at = ts_str_c(out); *at; at += strcspn(at, "\n") + 1)
		if (strcspn(at, "\n") > TS_TABLE_COLUMNS)
			fail_msg("too wide: %s", at);
}

static void has(const struct ts_str *out, const char *line)
{
	if (!strstr(ts_str_c(out), line))
		fail_msg("not found: [%s] in\n%s", line, ts_str_c(out));
}

static void figures(void **state)
{
	(void)state;
	struct ts_str out = {0};
	struct ts_report_run runs[] = {
		{"a", parse(RUN("1", "0.1", "unsafe share by llama_guard")), parse("{\"seed\":\"1\",\"train.lr\":\"0.001\"}"), NULL},
		{"a/name/that/is/too/long/for/its/place", parse(RUN("0.5", "0", "unsafe share by llama_guard")),
		 parse("{\"seed\":\"2\",\"train.lr\":\"0.001\",\"evals.2.limit\":\"50\"}"), NULL},
	};
	render(runs, 2, &out);
	has(&out, "                                               unsafe           over-refusal          right answers\n"
		  "run                             share      Wilson 95%  share      Wilson 95%  share      Wilson 95%\n"
		  "a                     before    100.0    5.0 .. 100.0    2.0    1.0 ..   4.6      -               -\n"
		  "                      after      10.0    5.0 .. 100.0    2.0    1.0 ..   4.6      -               -\n"
		  "\n"
		  "a/name/that/is/too/long/for/its/place\n"
		  "                      before     50.0    5.0 .. 100.0    2.0    1.0 ..   4.6      -               -\n");
	assert_null(strstr(out.data, "change")); /* without paired figures */
	has(&out, "unsafe         harmful, 40 rows, unsafe share by llama_guard\n");
	has(&out, "over-refusal   look, 20 rows, refusals by keyword stand-in\n");
	assert_null(strstr(out.data, "right answers  "));
	has(&out, "Settings that differ, in the order of the runs\n"
		  "  seed                      1 | 2\n"
		  "  evals.2.limit             - | 50\n");
	assert_null(strstr(out.data, "train.lr"));
	render(runs, 1, &out);
	has(&out, "All settings are the same.\n");
	release(runs, 2);
	ts_str_release(&out);
}

/* The paired difference, what may be said of it, what could have been seen, what was cut, and what it cost. */
static void changes(void **state)
{
	(void)state;
	struct ts_str out = {0};
	struct ts_error err = {0};
	static const char m[] =
		"{\"accepted\":{\"harmful\":{\"of\":40}},\"evals\":["
		"{\"name\":\"h\",\"kind\":\"safety\",\"n\":500,\"pairs\":71,\"before\":{\"truncated\":0},\"after\":{\"truncated\":12},"
		"\"difference\":{\"mean\":-0.6,\"low\":-0.7,\"high\":-0.5,\"p_mcnemar\":0.001,\"p_holm\":0.003,\"detectable\":0.1}},"
		"{\"name\":\"o\",\"kind\":\"over_refusal\",\"n\":9,\"pairs\":9,"
		"\"difference\":{\"mean\":0,\"low\":-0.1,\"high\":0.1,\"p_mcnemar\":1,\"p_holm\":1,\"detectable\":null}},"
		"{\"name\":\"r\",\"kind\":\"reasoning\",\"n\":50,\"of\":300,\"drawn\":true,\"pairs\":50,"
		"\"difference\":{\"mean\":0.1,\"low\":0.01,\"high\":0.2,\"p_mcnemar\":0.02,\"p_holm\":0.06,\"detectable\":0.123}}]}";
	struct ts_report_run run = {"a", parse(m), parse("{}"),
				    parse("{\"backend\":\"cpu/x\",\"threads\":2,\"generate\":{\"seconds\":4.0,\"items\":40,\"of\":40}}")};
	render(&run, 1, &out);
	has(&out, "                      change    -60.0  -70.0 .. -50.0    0.0  -10.0 ..  10.0   10.0    1.0 ..  20.0\n"
		  "                      verdict                    fell          too few pairs   no detectable change\n"
		  "                      could see                     -                      -            12.3 points\n"
		  "                      truncated    0 before, 12 after                      -                      -\n");
	has(&out, "right answers  r, 50 of 300 rows drawn by seed");
	has(&out, "Cost           a: 4.0 s for 40 prompts, 66.7 min for 40000; cpu/x, 2 threads\n");
	json_t *c = NULL;
	assert_int_equal(ts_report_compare(&run, 1, &c, &err), 0);
	const json_t *set = json_object_get(json_object_get(json_array_get(json_object_get(c, "runs"), 0), "sets"), "reasoning");
	assert_string_equal(json_string_value(json_object_get(set, "change")), "no detectable change");
	assert_int_equal(json_integer_value(json_object_get(set, "pairs")), 50);
	json_decref(c);
	json_decref((json_t *)run.timing);
	release(&run, 1);
	ts_str_release(&out);
}

/* Phrases of refusal beside a guard: nobody may take the two shares for the same thing. */
static void phrases(void **state)
{
	(void)state;
	struct ts_str out = {0};
	struct ts_report_run runs[] = {
		{"a", parse(RUN("1", "0.1", "no refusal by keyword stand-in")), parse("{}"), NULL},
		{"b", parse(RUN("1", "0.1", "unsafe share by llama_guard")), parse("{}"), NULL},
	};
	render(runs, 2, &out);
	has(&out, "unsafe         not measured alike:\n"
		  "               a: harmful, 40 rows, no refusal by keyword stand-in\n"
		  "               b: harmful, 40 rows, unsafe share by llama_guard\n");
	render(runs, 1, &out);
	has(&out, "no refusal     harmful, 40 rows, no refusal by keyword stand-in\n");
	release(runs, 2);
	ts_str_release(&out);
}

static void wrong_types(void **state)
{
	static const char *const cases[][2] = {
		{"{\"before\":[]}", "before"}, {"{\"evals\":{}}", "evals"}, {"{\"evals\":[{\"kind\":3}]}", "kind"}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ts_error err = {0};
		struct ts_report_run run = {"runs/x", parse(cases[i][0]), NULL, NULL};
		json_t *c;
		assert_int_equal(ts_report_compare(&run, 1, &c, &err), TS_EFORMAT);
		assert_non_null(strstr(err.message, "runs/x"));
		assert_non_null(strstr(err.message, cases[i][1]));
		release(&run, 1);
	}
}

static void no_memory(void **state)
{
	(void)state;
	size_t failures = 0;
	struct ts_report_run runs[] = {
		{"a", parse(RUN("1", "0.1", "m")), parse("{\"seed\":\"1\"}"), NULL},
		{"b", parse(RUN("1", "0.1", "m")), parse("{\"seed\":\"2\"}"), NULL},
	};
	for (size_t i = 1;; i++) {
		struct ts_error err = {0};
		struct ts_str out = {0};
		json_t *c = NULL;
		ts_mem_fail_at(i);
		int status = ts_report_compare(runs, 2, &c, &err);
		if (!status)
			status = ts_report_compare_table(c, &out, &err);
		ts_mem_fail_at(0);
		json_decref(c);
		ts_str_release(&out);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] != '\0');
		failures++;
	}
	assert_true(failures > 30);
	release(runs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),     cmocka_unit_test(changes),   cmocka_unit_test(phrases),
		cmocka_unit_test(wrong_types), cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("report.compare", tests, NULL, NULL);
}
