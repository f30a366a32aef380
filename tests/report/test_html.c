/* report.html: what is hostile stays text, the headline claims what the numbers allow, the page is whole, its data parses back, and every
 * allocation may fail. */
#include "report/html.h"

#include "report/internal.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch g_scratch;
static struct ts_error g_err;

#define ok(call)                                                                                                                           \
	do {                                                                                                                               \
		if (call)                                                                                                                  \
			fail_msg("%s: %s", #call, g_err.message);                                                                          \
	} while (0)

/* --- escaping --- */

static const struct {
	const char *text;
	size_t n;
	const char *markup, *json;
} hostile[] = {
#define CASE(text, markup, json) {text, sizeof(text) - 1, markup, "\"" json "\""}
	CASE("plain\tand\nnew", "plain\tand\nnew", "plain\\tand\\nnew"),
	CASE("</script><b>", "&lt;/script&gt;&lt;b&gt;", "\\u003c/script\\u003e\\u003cb\\u003e"),
	CASE("<!--<script>", "&lt;!--&lt;script&gt;", "\\u003c!--\\u003cscript\\u003e"),
	CASE("a\"b'c\\d&amp;", "a&quot;b&#39;c\\d&amp;amp;", "a\\\"b'c\\\\d\\u0026amp;"),
	CASE("x\0y\x1b[31m\r\x7f", "x\xe2\x90\x80y\xe2\x90\x9b[31m\xe2\x90\x8d\xe2\x90\xa1",
	     "x\xe2\x90\x80y\xe2\x90\x9b[31m\xe2\x90\x8d\xe2\x90\xa1"),
	CASE("\xe2\x80\xa8\xe2\x80\xa9", "&lt;U+2028&gt;&lt;U+2029&gt;", "\\u003cU+2028\\u003e\\u003cU+2029\\u003e"),
	/* bad bytes: alone, cut short, too long a form, a surrogate */
	CASE("a\xff"
	     "b",
	     "a\xef\xbf\xbd"
	     "b",
	     "a\xef\xbf\xbd"
	     "b"),
	CASE("\xe2\x82", "\xef\xbf\xbd", "\xef\xbf\xbd"),
	CASE("\xc0\xbc"
	     "b",
	     "\xef\xbf\xbd\xef\xbf\xbd"
	     "b",
	     "\xef\xbf\xbd\xef\xbf\xbd"
	     "b"),
	CASE("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
	CASE("\xc2\x85", "&lt;U+0085&gt;", "\\u003cU+0085\\u003e"),
	CASE("safe \xe2\x80\xae"
	     "efas",
	     "safe &lt;U+202E&gt;efas", "safe \\u003cU+202E\\u003eefas"),
	CASE("\xd8\x9c\xe2\x81\xa6", "&lt;U+061C&gt;&lt;U+2066&gt;", "\\u003cU+061C\\u003e\\u003cU+2066\\u003e"),
	CASE("\xe2\x82\xac \xf0\x9f\x8c\x8d", "\xe2\x82\xac \xf0\x9f\x8c\x8d", "\xe2\x82\xac \xf0\x9f\x8c\x8d"),
	CASE("", "", ""),
};

static void escapes(void **state)
{
	struct ts_str out = {0};
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		ts_str_clear(&out);
		assert_int_equal(html_text_bytes(&out, hostile[i].text, hostile[i].n), 0);
		assert_string_equal(ts_str_c(&out), hostile[i].markup);
		ts_str_clear(&out);
		assert_int_equal(html_json_bytes(&out, hostile[i].text, hostile[i].n), 0);
		assert_string_equal(out.data, hostile[i].json);
		json_t *v;
		ok(ts_json_parse(out.data, out.len, "case", &v, &g_err));
		json_decref(v);
	}
	ts_str_release(&out);
}

/* --- headline --- */

static const char *headline_of(const char *metrics, struct ts_str *out)
{
	json_t *m;
	ok(ts_json_parse(metrics, strlen(metrics), "case", &m, &g_err));
	struct html h = {.out = out, .err = &g_err, .place = "case", .metrics = m};
	ts_str_clear(out);
	ok(html_headline(&h));
	json_decref(m);
	return out->data;
}

#define SIDES(before, after)                                                                                                               \
	"\"before\":{\"count\":1,\"unjudged\":0,\"share\":" before ",\"low\":0.01,\"high\":0.9},"                                          \
	"\"after\":{\"count\":1,\"unjudged\":0,\"share\":" after ",\"low\":0.01,\"high\":0.9},"
#define CHANGE(mean, low, high, p) "\"difference\":{\"mean\":" mean ",\"low\":" low ",\"high\":" high ",\"p_mcnemar\":" p "}"

static void headlines(void **state)
{
	static const struct {
		const char *evals, *words[3];
	} cases[] = {
		{"{\"name\":\"h\",\"kind\":\"safety\",\"n\":500,\"pairs\":71," SIDES("0.728", "0.002")
			 CHANGE("-0.726", "-0.777", "-0.673", "1e-9") "}",
		 {"<h1>Unsafe answers fell from 72.8% to 0.2%.</h1>", "to 500 prompts (71 distinct pairs)",
		  "<b>\xe2\x88\x92"
		  "72.6</b> points [\xe2\x88\x92"
		  "77.7 to \xe2\x88\x92"
		  "67.3]. The interval leaves out zero."}},
		{"{\"name\":\"l\",\"kind\":\"over_refusal\",\"n\":2500,\"pairs\":110," SIDES("0.02", "0.076")
			 CHANGE("0.056", "0.02", "0.099", "1e-4") "}",
		 {"<h1>Needless refusals rose from 2.0% to 7.6%.</h1>", "to 2,500 prompts", "<b>+5.6</b> points [2.0 to 9.9]"}},
		/* a part of a benchmark */
		{"{\"name\":\"l\",\"kind\":\"over_refusal\",\"n\":50,\"of\":2500,\"drawn\":true,\"pairs\":50," SIDES("0.02", "0.076")
			 CHANGE("0.056", "0.02", "0.099", "1e-4") "}",
		 {"to 50 prompts of 2,500, drawn by seed (50 distinct pairs)", "</ul>", "</ul>"}},
		/* the interval holds zero */
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES("0.763", "0.747")
			 CHANGE("-0.017", "-0.04", "0.007", "0.27") "}",
		 {"<h1>No detectable change in right answers (from 76.3% to 74.7%).</h1>", "The interval holds zero: no detectable change.",
		  "</ul>"}},
		/* and what it could have shown */
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES(
			 "0.763", "0.747") "\"difference\":{\"mean\":-0.017,"
					   "\"low\":-0.04,\"high\":0.007,\"p_mcnemar\":0.27,\"detectable\":0.0424}}",
		 {"No detectable change in right answers", "The smallest difference that it could have shown, with 80% power: 4.2 points.",
		  "</ul>"}},
		/* an end of it is zero */
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES("0.7", "0.6")
			 CHANGE("-0.1", "-0.2", "0", "0.001") "}",
		 {"No detectable change in right answers", "The interval holds zero", "</ul>"}},
		/* the test does not agree */
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES("0.7", "0.6")
			 CHANGE("-0.1", "-0.2", "-0.01", "0.05") "}",
		 {"No detectable change in right answers", "Interval and test do not agree", "</ul>"}},
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES("0.7", "0.6")
			 CHANGE("-0.1", "-0.2", "-0.01", "null") "}",
		 {"No detectable change in right answers", "Interval and test do not agree", "</ul>"}},
		/* several sets: the words rest on the corrected p */
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES(
			 "0.7", "0.6") "\"difference\":{\"mean\":-0.1,\"low\":-0.2,\"high\":-0.01,\"p_mcnemar\":0.02,\"p_holm\":0.06}}",
		 {"<h1>No detectable change in right answers", "not when corrected for all sets of the run", "</ul>"}},
		{"{\"name\":\"s\",\"kind\":\"reasoning\",\"n\":300,\"pairs\":277," SIDES(
			 "0.7", "0.6") "\"difference\":{\"mean\":-0.1,\"low\":-0.2,\"high\":-0.01,\"p_mcnemar\":0.02,\"p_holm\":0.04}}",
		 {"<h1>Right answers fell", "The interval leaves out zero; corrected for all sets of the run p = 0.0400.", "</ul>"}},
		/* many rows, few prompts */
		{"{\"name\":\"h\",\"kind\":\"safety\",\"n\":500,\"pairs\":19," SIDES("1.0", "0.0")
			 CHANGE("-1.0", "-1.0", "-1.0", "1e-9") "}",
		 {"<h1>No change in unsafe answers can be claimed (from 100.0% to 0.0%).</h1>", "Only 19 distinct prompts", "</ul>"}},
		/* the second set of a kind has its line below the headline */
		{"{\"name\":\"a<b\",\"kind\":\"safety\",\"n\":5,\"pairs\":5," SIDES("0.5", "0.1") CHANGE(
			 "-0.4", "-0.5", "-0.3", "1e-9") "},"
							 "{\"name\":\"c\",\"kind\":\"safety\",\"n\":50,\"pairs\":50," SIDES("0.5", "0.1")
								 CHANGE("-0.4", "-0.5", "-0.3", "1e-9") "}",
		 {"<h1>No change in unsafe answers can be claimed (from 50.0% to 10.0%).</h1>", "<span class=\"set\">a&lt;b</span>",
		  "<span class=\"set\">c</span>"}},
		/* phrases do not know what is unsafe */
		{"{\"name\":\"h\",\"kind\":\"safety\",\"measure\":\"no refusal by keyword stand-in\",\"n\":50,\"pairs\":50," SIDES(
			 "0.5", "0.1") CHANGE("-0.4", "-0.5", "-0.3", "1e-9") "}",
		 {"<h1>Answers without a refusal (keyword stand-in) fell from 50.0% to 10.0%.</h1>",
		  "</span> answers without a refusal (keyword stand-in) to 50", "</ul>"}},
		{"", {"<h1>No evaluation in this run</h1>", "", ""}},
	};
	struct ts_str text = {0}, out = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ts_str_clear(&text);
		assert_int_equal(ts_str_printf(&text, "{\"evals\":[%s]}", cases[i].evals), 0);
		const char *found = headline_of(text.data, &out);
		for (size_t w = 0; w < 3; w++)
			if (!strstr(found, cases[i].words[w]))
				fail_msg("case %zu: \"%s\" is not in %s", i, cases[i].words[w], found);
	}
	ts_str_release(&text);
	ts_str_release(&out);
}

/* --- a page --- */

#define HOSTILE "</script><script>alert(1)</script><!-- \"'&\xff\xe2\x80\xae"
#define METRICS                                                                                                                            \
	"{\"method\":\"m"                                                                                                                  \
	"</h1><script>\",\"seed\":42,\"model\":\"a&b\",\"guard\":\"keywords\",\"evals\":[{\"name\":\"<harm>\","                            \
	"\"kind\":\"safety\",\"n\":1,\"pairs\":1," SIDES("0.5", "0.1")                                                                     \
		CHANGE("-0.4", "-0.5", "-0.3",                                                                                             \
		       "0.5") "}],"                                                                                                        \
			      "\"alpha\":{\"ref\":{\"accepted\":1,\"of\":2,\"share\":0.5,\"low\":0.1,\"high\":0.9},\"omega\":2.5},"        \
			      "\"accepted\":{\"harmful\":{\"kept\":1,\"of\":2}},\"labels\":[{\"label\":\"<i>\",\"of\":2,\"kept\":1,"       \
			      "\"unsafe\":1}],"                                                                                            \
			      "\"train\":{\"examples\":1,\"epochs\":1,\"steps\":3,\"batch\":8,\"target_tokens\":1234567}}"
static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void put_file(const char *name, const char *text)
{
	assert_non_null(scratch_write(&g_scratch, name, text, strlen(text)));
}

static void put_sample(struct ts_store *s, const char *stage, const char *response, size_t n)
{
	struct ts_sample sample = {.response = response, .response_len = n, .finish = "stop", .tokens = 12};
	ok(ts_store_put_sample(s, stage, key, &sample, NULL, &g_err));
}

static void fill_journal(void)
{
	static const char response[] = "<think>\nwhy" HOSTILE "</think>\n\nyes\0" HOSTILE;
	struct ts_store *s;
	struct ts_verdict unsafe = {"unsafe", 0.875, HOSTILE, NULL}, refusal = {"refusal", NAN, NULL, NULL};
	const struct ts_indexed_prompt rows[] = {
		{"<harm>", "safety", 1, "p " HOSTILE, NULL, NULL, key, NULL, {"unsafe", "safe"}, {NULL, NULL}, 0, -1, true},
		{"train", "train", 1, "q", "<i>", NULL, key, NULL, {"kept", NULL}, {NULL, NULL}, 0, 0, false},
	};
	ok(ts_store_open(&s, scratch_path(&g_scratch, "journal.db"), &g_err));
	put_sample(s, "before", response, sizeof(response) - 1);
	put_sample(s, "after", "fine", 4);
	put_sample(s, "generate", "<think>never closed", 19);
	ok(ts_store_put_verdict(s, "before", key, "llama_guard", &unsafe, NULL, &g_err));
	ok(ts_store_put_verdict(s, "after", key, "keywords", &refusal, NULL, &g_err));
	ok(ts_store_replace_prompts(s, rows, 2, &g_err));
	ok(ts_store_put_meta(s, "model", key, &g_err));
	ok(ts_store_put_meta(s, "trained", "yes", &g_err));
	for (int i = 1; i <= 3; i++)
		ok(ts_store_put_step(s, &(struct ts_step){i, i == 2 ? (double)NAN : 1.0 / i, 0.5, 1e-5, 3}, &g_err));
	ok(ts_store_close(s, &g_err));
}

static void fill_run(void)
{
	put_file("metrics.json", METRICS);
	put_file("recipe.yaml", "name: \"<u>" HOSTILE "\"\n");
	put_file("timing.json", "{\"version\":\"9.9\",\"train\":{\"seconds\":2.0,\"items\":3,\"of\":3,\"tokens\":9,\"per_second\":1.5}}");
	fill_journal();
}

static size_t count(const char *page, const char *word)
{
	size_t n = 0;
	for (const char *at = page; (at = strstr(at, word)); at++)
		n++;
	return n;
}

/* The page's data, parsed. */
static json_t *data_of(const char *page)
{
	static const char open[] = "<script type=\"application/json\" id=\"data\">";
	json_t *data;
	const char *at = strstr(page, open);
	assert_non_null(at);
	at += sizeof(open) - 1;
	ok(ts_json_parse(at, (size_t)(strstr(at, "</script>") - at), "data", &data, &g_err));
	return data;
}

static void check_text(const json_t *object, const char *name, const char *expected)
{
	const char *found = json_string_value(json_object_get(object, name));
	assert_non_null(found);
	assert_string_equal(found, expected);
}

static void check_rows(const json_t *data)
{
#define SHOWN "</script><script>alert(1)</script><!-- \"'&\xef\xbf\xbd<U+202E>"
	const json_t *row = json_array_get(json_object_get(data, "rows"), 0), *samples = json_object_get(row, "samples");
	assert_int_equal(json_array_size(json_object_get(data, "rows")), 2);
	check_text(row, "prompt", "p " SHOWN);
	check_text(row, "outcome", "unsafe");
	check_text(row, "after", "safe");
	assert_int_equal(json_array_size(samples), 2);
	const json_t *before = json_array_get(samples, 0), *after = json_array_get(samples, 1);
	check_text(before, "stage", "before");
	check_text(before, "thinking", "\nwhy" SHOWN);
	check_text(before, "answer", "\n\nyes\xe2\x90\x80" SHOWN);
	const json_t *verdict = json_array_get(json_object_get(before, "verdicts"), 0);
	check_text(verdict, "judge", "llama_guard");
	check_text(verdict, "detail", SHOWN);
	assert_true(json_real_value(json_object_get(verdict, "p")) == 0.875);
	check_text(json_array_get(json_object_get(after, "verdicts"), 0), "judge", "keyword stand-in");
	row = json_array_get(json_object_get(data, "rows"), 1);
	check_text(json_array_get(json_object_get(row, "samples"), 0), "answer", "<think>never closed");
}

static void whole_page(void **state)
{
	struct ts_str page = {0}, again = {0};
	fill_run();
	ok(ts_report_html(g_scratch.dir, &page, &g_err));
	assert_int_equal(count(page.data, "<script"), 2); /* the data and the page's own */
	assert_int_equal(count(page.data, "</script"), 2);
	assert_int_equal(count(page.data, "<!--"), 0);
	assert_int_equal(count(page.data, "<u>") + count(page.data, "<i>") + count(page.data, "<harm>"), 0);
	assert_int_equal(ts_utf8_check(page.data, page.len), page.len);
	static const char *const words[] = {
		"&lt;u&gt;&lt;/script&gt;",    "&lt;i&gt;", "a&amp;b",           "keyword stand-in", "1,234,567",
		"unsafe answers to 1 prompts", "9.9",       "0123456789abcdef01"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strstr(page.data, words[i]))
			fail_msg("\"%s\" is not on the page", words[i]);
	json_t *data = data_of(page.data);
	check_rows(data);
	json_decref(data);
	ok(ts_report_html(g_scratch.dir, &again, &g_err));
	assert_string_equal(page.data, again.data);
	ts_str_release(&page);
	ts_str_release(&again);
}

/* The policy names the hash of the very text that stands in the page: taken anew here by the system's tool. */
static void policy(void **state)
{
	struct ts_str page = {0};
	char command[1400], hash[64] = "", wanted[80];
	const char *const tags[][3] = {{"<style>", "</style>", "style-src"}, {"</main>\n<script>", "</script>", "script-src"}};
	fill_run();
	ok(ts_report_html(g_scratch.dir, &page, &g_err));
	assert_non_null(strstr(page.data, "content=\"default-src 'none'; style-src 'sha256-"));
	for (int i = 0; i < 2; i++) {
		const char *begin = strstr(page.data, tags[i][0]) + strlen(tags[i][0]), *end = strstr(begin, tags[i][1]);
		assert_non_null(scratch_write(&g_scratch, "part", begin, (size_t)(end - begin)));
		snprintf(command, sizeof(command),
			 "sha256sum <'%s' | cut -c-64 | sed 's/../\\\\x&/g' | xargs -0 printf '%%b' | head -c 32 | base64", g_scratch.path);
		FILE *tool = popen(command, "r");
		assert_non_null(tool);
		assert_non_null(fgets(hash, sizeof(hash), tool));
		pclose(tool);
		hash[strcspn(hash, "\n")] = '\0';
		snprintf(wanted, sizeof(wanted), "%s 'sha256-%s'", tags[i][2], hash);
		if (!strstr(page.data, wanted))
			fail_msg("the policy does not have %s", wanted);
	}
	ts_str_release(&page);
}

static void over_the_cap(void **state)
{
	static struct ts_indexed_prompt rows[40];
	static char response[1 << 20];
	struct ts_str page = {0};
	struct ts_store *s;
	fill_run();
	memset(response, 'x', sizeof(response));
	ok(ts_store_open(&s, scratch_path(&g_scratch, "journal.db"), &g_err));
	put_sample(s, "alpha", response, sizeof(response));
	for (int i = 0; i < 40; i++)
		rows[i] = (struct ts_indexed_prompt){.set = "train",
						     .kind = "train",
						     .number = i + 1,
						     .prompt = "q",
						     .keys = key,
						     .plain_key = key,
						     .outcome = {"kept", NULL},
						     .accepted = -1};
	ok(ts_store_replace_prompts(s, rows, 40, &g_err));
	ok(ts_store_close(s, &g_err));
	ok(ts_report_html(g_scratch.dir, &page, &g_err));
	/* 31 rows of a little over 1 MiB fit into 32 MiB. */
	assert_non_null(strstr(page.data, "at most 32 MiB of samples. Left out: 9 of 40 rows of train."));
	json_t *data = data_of(page.data);
	assert_int_equal(json_array_size(json_object_get(data, "rows")), 31);
	json_decref(data);
	assert_non_null(strstr(page.data, "benign: 40, median 12")); /* all count in the lengths */
	ts_str_release(&page);
}

static void refused(void **state)
{
	struct ts_str page = {0};
	assert_int_equal(ts_report_html(scratch_path(&g_scratch, "none"), &page, &g_err), TS_ENOTFOUND);
	assert_non_null(strstr(g_err.message, "none: expected the folder of a run, found nothing"));
	assert_int_equal(ts_report_html(g_scratch.dir, &page, &g_err), TS_ENOTFOUND);
	assert_non_null(strstr(g_err.message, "the run is not finished"));
	put_file("metrics.json", "[]");
	assert_int_equal(ts_report_html(g_scratch.dir, &page, &g_err), TS_EFORMAT);
	assert_non_null(strstr(g_err.message, "metrics.json: expected an object"));
	put_file("metrics.json", "{\"method\":\"thinksafe\",\"evals\":[{\"name\":3}]}");
	put_file("recipe.yaml", "");
	assert_int_equal(ts_report_html(g_scratch.dir, &page, &g_err), TS_ENOTFOUND);
	assert_non_null(strstr(g_err.message, "journal.db"));
	fill_journal();
	assert_int_equal(ts_report_html(g_scratch.dir, &page, &g_err), TS_EFORMAT);
	assert_non_null(strstr(g_err.message, "metrics.json: \"name\": expected a string"));
	ts_str_release(&page);
}

/* A run whose journal has no prompts (version 1) has a page without samples. */
static void without_prompts(void **state)
{
	struct ts_str page = {0};
	struct ts_store *s;
	fill_run();
	ok(ts_store_open(&s, scratch_path(&g_scratch, "journal.db"), &g_err));
	ok(ts_store_replace_prompts(s, NULL, 0, &g_err));
	ok(ts_store_close(s, &g_err));
	ok(ts_report_html(g_scratch.dir, &page, &g_err));
	assert_non_null(strstr(page.data, "written by an earlier version"));
	assert_null(strstr(page.data, "id=\"data\">"));
	ts_str_release(&page);
}

static void each_allocation(void **state)
{
	struct ts_str page = {0}, expected = {0};
	fill_run();
	size_t before = ts_mem_count();
	ok(ts_report_html(g_scratch.dir, &expected, &g_err));
	size_t total = ts_mem_count() - before;
	assert_true(total > 20);
	for (size_t n = 1; n <= total; n++) {
		ts_str_release(&page);
		ts_mem_fail_at(n);
		int status = ts_report_html(g_scratch.dir, &page, &g_err);
		ts_mem_fail_at(0);
		if (status != TS_ENOMEM)
			fail_msg("allocation %zu of %zu: expected out of memory, found %d \"%s\"", n, total, status, g_err.message);
	}
	ts_str_release(&page);
	ok(ts_report_html(g_scratch.dir, &page, &g_err));
	assert_string_equal(page.data, expected.data);
	ts_str_release(&page);
	ts_str_release(&expected);
}

static void all_null(json_t *value)
{
	const char *name;
	json_t *v;
	size_t i;
	json_array_foreach (value, i, v)
		all_null(v);
	json_object_foreach (value, name, v) {
		if (json_is_real(v))
			assert_int_equal(json_object_set_new(value, name, json_null()), 0);
		else
			all_null(v);
	}
}

static bool holds_word(const char *page, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = page; (at = strstr(at, word)); at++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", at[-1]) &&
		    !strchr("abcdefghijklmnopqrstuvwxyz(=_", at[n]))
			return true;
	return false;
}

/* Nothing could be judged, nothing was sampled for alpha, an evaluation or a whole block is not there: dashes and gaps, no odd words. */
static void without_numbers(void **state)
{
	static const char *const gone[] = {"", "alpha", "evals", "before", "after", "train", "labels", "accepted"};
	struct ts_str page = {0};
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++) {
		struct ts_str text = {0};
		json_t *metrics;
		fill_run();
		ok(ts_json_load(scratch_path(&g_scratch, "metrics.json"), &metrics, &g_err));
		all_null(metrics);
		json_object_del(metrics, gone[i]);
		assert_int_equal(ts_json_dump(metrics, &text), 0);
		put_file("metrics.json", text.data);
		json_decref(metrics);
		ts_str_release(&text);
		ts_str_clear(&page);
		ok(ts_report_html(g_scratch.dir, &page, &g_err));
		char *script = strstr(page.data, "<script");
		assert_non_null(script);
		*script = '\0';
		assert_false(holds_word(page.data, "nan") || holds_word(page.data, "inf") || holds_word(page.data, "null"));
	}
	ts_str_release(&page);
}

static int set_up(void **state)
{
	return scratch_open(&g_scratch);
}

static int tear_down(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(headlines),
		cmocka_unit_test_setup_teardown(whole_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(policy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(over_the_cap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_prompts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_allocation, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
