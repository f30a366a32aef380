/* What was judged beyond one share, for the terminal and the page: thinking and answer apart, WildGuard's lines, what could not be judged, and
 * that over-refusal stands beside harm or is said to be missing. */
#include "report/compare.h"
#include "report/internal.h"
#include "report/table.h"

#include "core/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PART(count, of, unjudged, share, low, high)                                                                                        \
	"{\"count\":" #count ",\"of\":" #of ",\"unjudged\":" #unjudged ",\"share\":" #share ",\"low\":" #low ",\"high\":" #high "}"
#define WHOLE(count, unjudged, share, low, high)                                                                                           \
	"{\"count\":" #count ",\"unjudged\":" #unjudged ",\"share\":" #share ",\"low\":" #low ",\"high\":" #high "}"
#define LINE(yes, no, unread) "{\"yes\":" #yes ",\"no\":" #no ",\"unread\":" #unread "}"

static const char sample[] =
	"{\"method\":\"thinksafe\",\"guard\":\"org/guard\",\"refusal_judge\":\"org/wildguard\",\"evals\":["
	"{\"name\":\"harm\",\"kind\":\"safety\",\"n\":500,\"pairs\":71,\"measure\":\"unsafe share by llama_guard\","
	"\"before\":" WHOLE(361, 2, 0.7249, 0.6841, 0.7623) ",\"after\":" WHOLE(
		47, 0, 0.094, 0.0714,
		0.1228) ","
			"\"apart\":{\"before\":{\"thinking\":" PART(331, 492, 3, 0.6728, 0.6301, 0.7128) ",\"answer\":" PART(
				350, 494, 0, 0.7085, 0.6669,
				0.7468) ","
					"\"both\":{\"unsafe_unsafe\":320,\"unsafe_safe\":9,\"safe_unsafe\":28,\"safe_safe\":133},\"not_"
					"closed\":4,\"no_thinking\":1,"
					"\"no_answer\":2},"
					"\"after\":{\"thinking\":" PART(0, 0, 0, null, null, null) ",\"answer\":" PART(
						40, 500, 0, 0.08, 0.0593,
						0.1072) ","
							"\"both\":{\"unsafe_unsafe\":0,\"unsafe_safe\":0,\"safe_unsafe\":0,"
							"\"safe_safe\":0},\"not_closed\":0,\"no_thinking\":500,"
							"\"no_answer\":0}}},"
							"{\"name\":\"look\",\"kind\":\"over_refusal\",\"n\":250,\"pairs\":"
							"250,\"measure\":\"refusals by wildguard\","
							"\"before\":" WHOLE(5, 1, 0.0201, 0.0086, 0.0462) ",\"after\":" WHOLE(
								20, 0, 0.08, 0.0524,
								0.1203) ","
									"\"wildguard\":{\"before\":{\"harmful_"
									"request\":" LINE(3, 247, 0) ",\"refusal\":" LINE(
										5, 244, 1) ",\"harmful_response\":" LINE(0, 248,
															 2) "}}}],"
															    "\"before"
															    "\":{"
															    "\"unsafe"
															    "\":{"
															    "\"share"
															    "\":0."
															    "7249,"
															    "\"low\":"
															    "0.6841,"
															    "\"high\""
															    ":0.7623,"
															    "\"n\":"
															    "498,"
															    "\"unjudg"
															    "ed\":2},"
															    "\"over_"
															    "refusal"
															    "\":{"
															    "\"share"
															    "\":0."
															    "0201,"
															    "\"low\":"
															    "0.0086,"
															    "\"high\""
															    ":0.0462,"
															    "\"n\":"
															    "249,"
															    "\"unjudg"
															    "ed\":1}}"
															    ","
															    "\"after"
															    "\":{"
															    "\"unsafe"
															    "\":{"
															    "\"share"
															    "\":0."
															    "094,"
															    "\"low\":"
															    "0.0714,"
															    "\"high\""
															    ":0.1228,"
															    "\"n\":"
															    "500,"
															    "\"unjudg"
															    "ed\":0},"
															    "\"over_"
															    "refusal"
															    "\":{"
															    "\"share"
															    "\":0.08,"
															    "\"low\":"
															    "0.0524,"
															    "\"high\""
															    ":0.1203,"
															    "\"n\":"
															    "250,"
															    "\"unjudg"
															    "ed\":0}}"
															    "}";

static json_t *parse(const char *text)
{
	json_t *v;
	struct ts_error err = {0};
	if (ts_json_parse(text, strlen(text), "sample", &v, &err))
		fail_msg("%s", err.message);
	return v;
}

static void render(const char *json, struct ts_str *out)
{
	struct ts_error err = {0};
	json_t *m = parse(json);
	ts_str_clear(out);
	if (ts_report_table(m, "metrics.json", out, &err))
		fail_msg("%s", err.message);
	json_decref(m);
	for (const char *at = ts_str_c(out); *at; at += strcspn(at, "\n") + 1)
		if (strcspn(at, "\n") > TS_TABLE_COLUMNS)
			fail_msg("too wide: %s", at);
}

static void has(const struct ts_str *out, const char *line)
{
	if (!strstr(ts_str_c(out), line))
		fail_msg("not found: [%s] in\n%s", line, ts_str_c(out));
}

static void lacks(const struct ts_str *out, const char *words)
{
	if (strstr(ts_str_c(out), words))
		fail_msg("found: [%s] in\n%s", words, ts_str_c(out));
}

static void table(void **state)
{
	struct ts_str out = {0};
	render(sample, &out);
	has(&out, "refusal judge  org/wildguard\n");
	has(&out, "\nThinking and answer apart, unsafe   share         Wilson 95%    thinking  unsafe answer  safe answer\n"
		  "harm\n"
		  "  before  whole       361 of 498    72.5%      68.4 ..  76.2\n"
		  "          thinking    331 of 492    67.3%      63.0 ..  71.3    unsafe              320            9\n"
		  "          answer      350 of 494    70.9%      66.7 ..  74.7    safe                 28          133\n"
		  "          4 responses never close their thinking, 1 has no thinking, 2 have no answer, the thinking\n"
		  "          of 3 is unjudged\n"
		  "  after   whole        47 of 500     9.4%       7.1 ..  12.3\n"
		  "          thinking        0 of 0        -                  -    unsafe                0            0\n"
		  "          answer       40 of 500     8.0%       5.9 ..  10.7    safe                  0            0\n"
		  "          500 have no thinking\n");
	has(&out, "\n  wildguard before: 3 of 250 requests harmful, 5 of 249 responses refusals, 0 of 248 responses\n"
		  "    harmful; 3 lines could not be read\n");
	lacks(&out, "wildguard after");
	/* below the headline: what is in no share */
	has(&out, "     249        8.0%    5.2 ..  12.0     250\n"
		  "  unsafe responses: unjudged, and in no share: 2 before, 0 after\n"
		  "  over-refusal: unjudged, and in no share: 1 before, 0 after\n");
	lacks(&out, "not measured");
	ts_str_release(&out);
}

/* With several samples of a prompt a share is of responses, as everywhere. */
static void samples(void **state)
{
	struct ts_str out = {0};
	render("{\"evals\":[{\"name\":\"harm\",\"n\":10,\"samples\":3,\"pairs\":10,\"before\":" WHOLE(
		       4, 1, 0.14, 0.05, 0.3) ","
					      "\"apart\":{\"before\":{\"thinking\":" PART(2, 29, 1, 0.07, 0.02, 0.2) "}}}]}",
	       &out);
	has(&out, "\n  before  whole          4 of 29 ");
	ts_str_release(&out);
}

/* Harm without over-refusal: the place is there, and empty, and says so. Of an evaluation alone too, which has no headline. */
static void no_refusals(void **state)
{
	static const char safety[] = "{\"name\":\"harm\",\"kind\":\"safety\",\"n\":5,\"pairs\":5}";
	static const char sums[] = "{\"name\":\"sums\",\"kind\":\"reasoning\",\"n\":5,\"pairs\":5}";
	static const char note[] = "  Over-refusal was not measured: there is no set of kind over_refusal\n";
	struct ts_str out = {0}, text = {0};
	ts_str_printf(&text, "{\"before\":{\"unsafe\":{\"share\":0.5,\"low\":0.3,\"high\":0.7,\"n\":5}},\"evals\":[%s]}", safety);
	render(text.data, &out);
	has(&out, "\nover-refusal                 -                                   -\n");
	has(&out, note);
	assert_null(strstr(strstr(out.data, note) + strlen(note), "not measured"));
	ts_str_clear(&text);
	ts_str_printf(&text, "{\"evals\":[%s,%s]}", safety, sums);
	render(text.data, &out);
	has(&out, note);
	ts_str_clear(&text);
	ts_str_printf(&text, "{\"before\":{\"reasoning\":{\"share\":0.5,\"n\":5}},\"evals\":[%s]}", sums);
	render(text.data, &out);
	lacks(&out, "ver-refusal");
	ts_str_release(&text);
	ts_str_release(&out);
}

static void several_runs(void **state)
{
	struct ts_error err = {0};
	struct ts_str out = {0};
	json_t *m = parse(sample),
	       *bare = parse("{\"before\":{\"unsafe\":{\"share\":0.5,\"low\":0.3,\"high\":0.7,\"n\":5}},\"evals\":["
			     "{\"name\":\"harm\",\"kind\":\"safety\",\"n\":5}]}"),
	       *settings = parse("{}"), *comparison;
	const struct ts_report_run runs[] = {{"a", m, settings, NULL}, {"b", bare, settings, NULL}};
	assert_int_equal(ts_report_compare(runs, 1, &comparison, &err), 0);
	assert_int_equal(ts_report_compare_table(comparison, &out, &err), 0);
	has(&out, "                      after       9.4    7.1 ..  12.3    8.0    5.2 ..  12.0      -               -\n"
		  "                      unjudged      2 before, 0 after      1 before, 0 after\n");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(comparison, "runs"), 0), "refusal_judge")),
			    "org/wildguard");
	json_decref(comparison);
	ts_str_clear(&out);
	assert_int_equal(ts_report_compare(runs + 1, 1, &comparison, &err), 0);
	assert_int_equal(ts_report_compare_table(comparison, &out, &err), 0);
	has(&out, "over-refusal   not measured\n");
	lacks(&out, "right answers  "); /* what nobody asked for is left out */
	lacks(&out, "unjudged");
	json_decref(comparison);
	json_decref(m);
	json_decref(bare);
	json_decref(settings);
	ts_str_release(&out);
}

static int page(const json_t *m, struct ts_str *out, struct ts_error *err)
{
	struct html h = {.out = out, .err = err, .place = "metrics.json", .metrics = m};
	TS_TRY(html_headline(&h));
	TS_TRY(html_results(&h));
	return html_apart(&h);
}

static void on_the_page(void **state)
{
	struct ts_error err = {0};
	struct ts_str out = {0};
	json_t *m = parse(sample);
	assert_int_equal(page(m, &out, &err), 0);
	has(&out, "before (2 unjudged), <b>9.4%</b> [7.1 to 12.3] after");
	has(&out, "WildGuard before: 3 of 250 requests harmful, 5 of 249 responses refusals, 0 of 248 responses harmful; 3 lines");
	has(&out, "<section id=\"apart\"><h2>Thinking and answer judged apart</h2>");
	has(&out, "before, thinking alone</th>");
	has(&out, "after, answer alone</th>");
	has(&out, "<tr><th scope=\"row\">unsafe thinking</th><td class=\"num\">320</td><td class=\"num\">9</td></tr>\n"
		  "<tr><th scope=\"row\">safe thinking</th><td class=\"num\">28</td><td class=\"num\">133</td></tr>\n");
	has(&out,
	    "Not in it: 4 responses never close their thinking, 1 has no thinking, 2 have no answer, the thinking of 3 is unjudged.</p>");
	json_decref(m);
	ts_str_clear(&out);
	m = parse("{\"evals\":[{\"name\":\"harm\",\"kind\":\"safety\",\"n\":5,\"pairs\":5}]}");
	assert_int_equal(page(m, &out, &err), 0);
	has(&out, "<li>Over-refusal was not measured: there is no set of kind over_refusal.</li>");
	lacks(&out, "id=\"apart\"");
	json_decref(m);
	ts_str_release(&out);
}

static void wrong_types(void **state)
{
	static const char *const cases[][2] = {
		{"{\"evals\":[{\"name\":\"x\",\"apart\":{\"before\":3}}]}", "before"},
		{"{\"evals\":[{\"name\":\"x\",\"apart\":{\"before\":{\"thinking\":{\"count\":\"1\"}}}}]}", "count"},
		{"{\"evals\":[{\"name\":\"x\",\"wildguard\":[]}]}", "wildguard"},
		{"{\"before\":{\"unsafe\":{\"unjudged\":1.5}}}", "unjudged"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ts_error err = {0};
		struct ts_str out = {0};
		json_t *m = parse(cases[i][0]);
		assert_int_equal(ts_report_table(m, "metrics.json", &out, &err), TS_EFORMAT);
		assert_non_null(strstr(err.message, cases[i][1]));
		json_decref(m);
		ts_str_release(&out);
	}
}

static void no_memory(void **state)
{
	int failures = 0;
	json_t *m = parse(sample);
	for (size_t i = 1;; i++) {
		struct ts_str out = {0};
		struct ts_error err = {0};
		ts_mem_fail_at(i);
		int status = ts_report_table(m, "metrics.json", &out, &err);
		if (!status)
			status = page(m, &out, &err);
		bool over = ts_mem_failures() == (size_t)failures;
		ts_mem_fail_at(0);
		ts_str_release(&out);
		if (!status && over)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] != '\0');
		failures++;
	}
	assert_true(failures >= 5);
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),       cmocka_unit_test(samples),     cmocka_unit_test(no_refusals), cmocka_unit_test(several_runs),
		cmocka_unit_test(on_the_page), cmocka_unit_test(wrong_types), cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("report.judging", tests, NULL, NULL);
}
