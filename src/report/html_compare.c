/* Several runs on one page. */
#include "report/compare.h"
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct comparison {
	struct html h;
	const struct ts_report_run *runs;
	size_t n;
	const json_t *entries, *differ; /* of ts_report_compare */
};

/* "A demo": the letter is the scatter's. */
static int run_title(const struct comparison *c, size_t i, struct ts_str *out)
{
	ts_str_clear(out);
	return ts_str_printf(out, "%c  %s", (int)('A' + i % 26), c->runs[i].name) ? ts_fail_memory(c->h.err) : 0;
}

/* --- the sets of the headline --- */

/* The first set of the kind; *set = NULL where the run has none. */
static int find_eval(struct comparison *c, size_t run, const char *kind, struct html_eval *e, const json_t **set)
{
	const json_t *list, *entry;
	size_t i;
	*set = NULL;
	c->h.place = c->runs[run].name;
	TS_TRY(report_block(c->runs[run].metrics, "evals", JSON_ARRAY, c->h.place, &list, c->h.err));
	json_array_foreach (list, i, entry) {
		TS_TRY(html_read_eval(&c->h, entry, e));
		if (!strcmp(e->kind, kind)) {
			*set = entry;
			break;
		}
	}
	return 0;
}

static int kind_table(struct comparison *c, const struct report_kind *kind, struct ts_str *title)
{
	bool any = false;
	for (size_t i = 0; i < c->n; i++) {
		struct html_eval e;
		const json_t *set;
		TS_TRY(find_eval(c, i, kind->kind, &e, &set));
		if (!set)
			continue;
		if (!any) {
			TS_TRY(html_printf(&c->h, "<h3>%s</h3>\n", kind->heading));
			TS_TRY(html_bars_head(&c->h));
		}
		any = true;
		TS_TRY(run_title(c, i, title));
		TS_TRY(html_eval_rows(&c->h, &e, ts_str_c(title)));
		TS_TRY(html_passes(&c->h, set));
	}
	return any ? html_raw(&c->h, "</table>\n") : 0;
}

static int results(struct comparison *c)
{
	struct ts_str title = {0};
	int status = html_raw(&c->h, "<section id=\"results\"><h2>Before and after</h2>\n");
	if (!status)
		status = html_scatter(&c->h, c->entries);
	for (size_t k = 0; k < REPORT_KINDS && !status; k++)
		status = kind_table(c, &report_kinds[k], &title);
	if (!status)
		status = html_bars_note(&c->h);
	ts_str_release(&title);
	return status ? status : html_raw(&c->h, "</section>\n");
}

/* --- settings that differ, cost --- */

static int names_row(struct comparison *c, const char *first)
{
	TS_TRY(html_printf(&c->h, "<thead><tr><th>%s</th>", first));
	for (size_t i = 0; i < c->n; i++) {
		TS_TRY(html_printf(&c->h, "<th>%c ", (int)('A' + i % 26)));
		TS_TRY(html_text(&c->h, c->runs[i].name));
		TS_TRY(html_raw(&c->h, "</th>"));
	}
	return html_raw(&c->h, "</tr></thead><tbody>\n");
}

static int settings(struct comparison *c)
{
	const json_t *d, *v;
	size_t i, j;
	struct html *h = &c->h;
	TS_TRY(html_raw(h, "<section id=\"settings\"><h2>Settings that differ</h2>\n"));
	if (!json_array_size(c->differ))
		return html_raw(h, "<p>All settings are the same.</p></section>\n");
	TS_TRY(html_raw(
		h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Settings that differ\"><table class=\"settings\">"));
	TS_TRY(names_row(c, "setting"));
	json_array_foreach (c->differ, i, d) {
		TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
		TS_TRY(html_text(h, json_string_value(json_object_get(d, "setting"))));
		TS_TRY(html_raw(h, "</th>"));
		json_array_foreach (json_object_get(d, "values"), j, v) {
			TS_TRY(html_raw(h, "<td>"));
			TS_TRY(html_text(h, json_is_string(v) ? json_string_value(v) : "\xe2\x80\x93"));
			TS_TRY(html_raw(h, "</td>"));
		}
		TS_TRY(html_raw(h, "</tr>\n"));
	}
	return html_raw(h, "</tbody></table></div></section>\n");
}

static int cost_row(struct html *h, const json_t *entry, const json_t *cost)
{
	static const char *const keys[] = {"seconds", "seconds_per_1000", "seconds_at"};
	const char *backend = json_string_value(json_object_get(cost, "backend"));
	const char *processor = json_string_value(json_object_get(cost, "processor"));
	char text[32];
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, json_string_value(json_object_get(entry, "run"))));
	TS_TRY(html_raw(h, "</th><td class=\"num\">"));
	TS_TRY(html_count(h, json_integer_value(json_object_get(cost, "prompts"))));
	TS_TRY(html_raw(h, "</td>"));
	for (size_t i = 0; i < 3; i++) {
		const json_t *v = json_object_get(cost, keys[i]);
		TS_TRY(html_printf(h, "<td class=\"num\">%s</td>",
				   json_is_number(v) ? report_duration(json_number_value(v), text) : "\xe2\x80\x93"));
	}
	TS_TRY(html_raw(h, "<td class=\"machine\">"));
	TS_TRY(html_text(h, backend ? backend : ""));
	TS_TRY(html_printf(h, ", threads: %lld%s", (long long)json_integer_value(json_object_get(cost, "threads")), processor ? ", " : ""));
	TS_TRY(html_text(h, processor ? processor : ""));
	return html_raw(h, "</td></tr>\n");
}

static int costs(struct comparison *c)
{
	struct html *h = &c->h;
	TS_TRY(html_raw(h,
			"<section id=\"cost\"><h2>Cost</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Cost\">"
			"<table class=\"stages\"><thead><tr><th>run</th><th class=\"num\">prompts</th><th class=\"num\">time</th>"
			"<th class=\"num\">each 1,000 more</th><th class=\"num\">at 40,000</th><th class=\"machine\">measured on</th></tr>"
			"</thead><tbody>\n"));
	for (size_t i = 0; i < c->n; i++) {
		const json_t *entry = json_array_get(c->entries, i), *cost = json_object_get(entry, "cost");
		if (cost)
			TS_TRY(cost_row(h, entry, cost));
	}
	return html_raw(h, "</tbody></table></div>\n<p class=\"note\">Generating, judging what was generated and training grow with the "
			   "prompts; loading and evaluation do not. The time for more prompts is reckoned from the time of an item "
			   "here.</p></section>\n");
}

static int page(struct comparison *c)
{
	struct html *h = &c->h;
	char title[64];
	snprintf(title, sizeof(title), "%zu runs", c->n);
	TS_TRY(html_open(h, title, strlen(title)));
	TS_TRY(html_raw(h, "</div>\n<button type=\"button\" id=\"theme\" hidden>Theme: auto</button></header>\n"
			   "<nav aria-label=\"Sections\"><a href=\"#results\">Results</a> <a href=\"#settings\">Settings</a> "
			   "<a href=\"#cost\">Cost</a></nav>\n<main>\n"));
	TS_TRY(html_printf(h, "<h1>%s beside each other</h1>\n", title));
	TS_TRY(results(c));
	TS_TRY(settings(c));
	TS_TRY(costs(c));
	return html_close(h);
}

int ts_report_compare_html(const struct ts_report_run *runs, size_t n, struct ts_str *out, struct ts_error *err)
{
	struct comparison c = {.h = {.out = out, .err = err, .place = "comparison"}, .runs = runs, .n = n};
	json_t *comparison = NULL;
	int status = ts_report_compare(runs, n, &comparison, err);
	c.entries = json_object_get(comparison, "runs");
	c.differ = json_object_get(comparison, "differ");
	if (!status)
		status = page(&c);
	json_decref(comparison);
	return status;
}
