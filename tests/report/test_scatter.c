/* The scatter, and the page of several runs: every mark at the place that was worked out by hand, and nothing where there is nothing. */
#include "report/compare.h"

#include "core/mem.h"
#include "report/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SHARE(share, low, high) "{\"share\":" share ",\"low\":" low ",\"high\":" high ",\"n\":40,\"measure\":\"m\"}"
#define SIDE(unsafe, reasoning) "{\"unsafe\":" unsafe ",\"reasoning\":" reasoning "}"
#define RUN(before, after)      "{\"run\":\"r\",\"before\":" before ",\"after\":" after "}"
#define FIRST                   SIDE(SHARE("0.8", "0.7", "0.9"), SHARE("0.5", "0.45", "0.55"))
#define SECOND                  SIDE(SHARE("0.1", "0.05", "0.15"), SHARE("0.52", "0.47", "0.57"))

static json_t *parse(const char *text)
{
	json_t *v;
	struct ts_error err = {0};
	if (ts_json_parse(text, strlen(text), "case", &v, &err))
		fail_msg("%s", err.message);
	return v;
}

/* `runs`: metrics in an array. */
static void draw(const char *runs, struct ts_str *out)
{
	struct ts_error err = {0};
	struct html h = {.out = out, .err = &err, .place = "case"};
	json_t *list = parse(runs);
	ts_str_clear(out);
	if (html_scatter(&h, list))
		fail_msg("%s", err.message);
	json_decref(list);
}

static size_t count(const struct ts_str *out, const char *word)
{
	size_t n = 0;
	for (const char *at = ts_str_c(out); (at = strstr(at, word)); at++)
		n++;
	return n;
}

static void has(const struct ts_str *out, const char *word)
{
	if (!strstr(ts_str_c(out), word))
		fail_msg("not found: [%s] in\n%s", word, ts_str_c(out));
}

/* x from 45 to 57.5 over 90 to 975, y from 0 to 100 over 560 to 20; safe = 100 - unsafe, its interval turned round. */
static void places(void **state)
{
	(void)state;
	struct ts_str out = {0};
	draw("[" RUN(FIRST, SECOND) "]", &out);
	has(&out, "class=\"ring\" d=\"M444.0 452.0h0\"");
	has(&out, "class=\"dot\" d=\"M585.6 74.0h0\"");
	has(&out, "class=\"error first\" d=\"M90.0 452.0H798.0M444.0 506.0V398.0");
	has(&out, "class=\"error second\" d=\"M231.6 74.0H939.6M585.6 101.0V47.0");
	has(&out, ">57.5</text>");
	has(&out, ">100</text>");
	has(&out, "Safe answers to harmful prompts, %");
	has(&out, "Right answers, %");
	assert_int_equal(count(&out, "class=\"shaft\""), 1);
	assert_int_equal(count(&out, "class=\"head\""), 1);
	assert_int_equal(count(&out, "class=\"letter\""), 0); /* one run needs no name */
	ts_str_release(&out);
}

static void several(void **state)
{
	(void)state;
	struct ts_str out = {0};
	draw("[{\"run\":\"a<b\",\"before\":" FIRST ",\"after\":" SECOND "},{\"run\":\"second\",\"before\":" FIRST ",\"after\":" FIRST "},"
	     "{\"run\":\"third\",\"before\":" FIRST ",\"after\":null}]",
	     &out);
	assert_int_equal(count(&out, "class=\"ring\""), 3);
	assert_int_equal(count(&out, "class=\"dot\""), 2);
	assert_int_equal(count(&out, "class=\"shaft\""), 1); /* what did not move has no arrow */
	assert_int_equal(count(&out, "class=\"letter\""), 2);
	has(&out, "<b>A</b> a&lt;b</span>");
	has(&out, ">B</text>");
	assert_null(strstr(out.data, ">C</text>"));
	ts_str_release(&out);
}

static void nothing_to_draw(void **state)
{
	(void)state;
	struct ts_str out = {0};
	draw("[]", &out);
	assert_int_equal(out.len, 0);
	draw("[" RUN("{}", "{}") "]", &out);
	assert_int_equal(out.len, 0);
	draw("[" RUN("{\"unsafe\":" SHARE("0.5", "0.4", "0.6") "}", "null") "]", &out);
	assert_int_equal(out.len, 0);
	draw("[" RUN(SIDE(SHARE("null", "null", "null"), SHARE("0.5", "0.4", "0.6")), "null") "]", &out);
	assert_int_equal(out.len, 0);
	/* one side, and no intervals: a point and a range of 10 points around it, inside 0 to 100 */
	draw("[" RUN(SIDE(SHARE("0", "null", "null"), SHARE("1", "null", "null")), "null") "]", &out);
	has(&out, "class=\"ring\" d=\"M975.0 20.0h0\"");
	assert_int_equal(count(&out, "class=\"dot\""), 0);
	assert_null(strstr(out.data, "nan"));
	assert_null(strstr(out.data, ">102<"));
	ts_str_release(&out);
}

static void stand_in(void **state)
{
	(void)state;
	struct ts_str out = {0};
#define BY_PHRASES "{\"unsafe\":{\"share\":0.5,\"measure\":\"no refusal by keyword stand-in\"},\"reasoning\":{\"share\":0.5}}"
	draw("[" RUN(BY_PHRASES, BY_PHRASES) "]", &out);
	has(&out, "Refused harmful prompts (keyword stand-in), %");
	draw("[" RUN(BY_PHRASES, BY_PHRASES) "," RUN(FIRST, SECOND) "]", &out);
	has(&out, "(some by keyword stand-in), %");
	ts_str_release(&out);
}

static const char whole[] =
	"{\"accepted\":{\"harmful\":{\"of\":40}},\"before\":" FIRST ",\"after\":" SECOND ",\"evals\":["
	"{\"name\":\"h\",\"kind\":\"safety\",\"n\":500,\"pairs\":71,\"before\":{\"count\":400,\"share\":0.8},\"after\":{\"count\":50,"
	"\"share\":0.1},\"difference\":{\"mean\":-0.7,\"low\":-0.8,\"high\":-0.6,\"p_mcnemar\":0.001,\"p_holm\":0.003}}]}";

static void open_runs(struct ts_report_run runs[2])
{
	for (int i = 0; i < 2; i++)
		runs[i] = (struct ts_report_run){i ? "b" : "a</title><script>", parse(whole), parse(i ? "{\"seed\":\"1\"}" : "{}"),
						 parse("{\"threads\":2,\"generate\":{\"seconds\":4.0,\"items\":40,\"of\":40}}")};
}

static void close_runs(struct ts_report_run runs[2])
{
	for (int i = 0; i < 2; i++) {
		json_decref((json_t *)runs[i].metrics);
		json_decref((json_t *)runs[i].settings);
		json_decref((json_t *)runs[i].timing);
	}
}

static void page(void **state)
{
	(void)state;
	struct ts_str out = {0};
	struct ts_error err = {0};
	struct ts_report_run runs[2];
	open_runs(runs);
	if (ts_report_compare_html(runs, 2, &out, &err))
		fail_msg("%s", err.message);
	has(&out, "<title>2 runs - thinksafe</title>");
	has(&out, "<b>A  a&lt;/title&gt;&lt;script&gt;</b> <span>h: unsafe answers, 500 prompts");
	has(&out, "fell, McNemar p = 0.0010, Holm p = 0.0030");
	has(&out, "<th scope=\"row\">seed</th><td>\xe2\x80\x93</td><td>1</td>");
	has(&out, "<td class=\"num\">40</td><td class=\"num\">4.0 s</td><td class=\"num\">1.7 min</td><td class=\"num\">66.7 min</td>");
	assert_int_equal(count(&out, "<script"), 1);
	assert_int_equal(count(&out, "class=\"dot\""), 2);
	assert_int_equal(ts_utf8_check(out.data, out.len), out.len);
	close_runs(runs);
	ts_str_release(&out);
}

static void no_memory(void **state)
{
	(void)state;
	struct ts_report_run runs[2];
	size_t failures = 0;
	open_runs(runs);
	for (size_t i = 1;; i++) {
		struct ts_error err = {0};
		struct ts_str out = {0};
		ts_mem_fail_at(i);
		int status = ts_report_compare_html(runs, 2, &out, &err);
		ts_mem_fail_at(0);
		ts_str_release(&out);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] != '\0');
		failures++;
	}
	assert_true(failures > 30);
	close_runs(runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),   cmocka_unit_test(several), cmocka_unit_test(nothing_to_draw),
		cmocka_unit_test(stand_in), cmocka_unit_test(page),    cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("report.scatter", tests, NULL, NULL);
}
