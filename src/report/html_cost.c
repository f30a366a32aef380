/* What the run cost, stage by stage, and what more prompts would: the part of the page that depends on the machine. */
#include "report/cost.h"
#include "report/internal.h"

#include <math.h>
#include <string.h>

static int duration_cell(struct html *h, const json_t *object, const char *key)
{
	char text[32];
	double v;
	TS_TRY(ts_json_real(object, key, NAN, &v, "timing.json", h->err));
	return html_printf(h, "<td class=\"num\">%s</td>", isfinite(v) ? report_duration(v, text) : "\xe2\x80\x93");
}

static int count_cell(struct html *h, const json_t *object, const char *key)
{
	int64_t n;
	TS_TRY(html_raw(h, "<td class=\"num\">"));
	TS_TRY(ts_json_int(object, key, 0, &n, "timing.json", h->err));
	if (n)
		TS_TRY(html_count(h, n));
	return html_raw(h, "</td>");
}

static int stage_row(struct html *h, const json_t *stage, bool *lost)
{
	const char *name, *unit;
	double rate;
	int64_t items, of;
	TS_TRY(ts_json_need_text(stage, "stage", &name, "timing.json", h->err));
	TS_TRY(ts_json_need_text(stage, "unit", &unit, "timing.json", h->err));
	TS_TRY(ts_json_int(stage, "items", 0, &items, "timing.json", h->err));
	TS_TRY(ts_json_int(stage, "of", 0, &of, "timing.json", h->err));
	TS_TRY(ts_json_real(json_object_get(h->timing, name), "per_second", NAN, &rate, "timing.json", h->err));
	*lost = *lost || items < of;
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, name));
	TS_TRY(html_raw(h, items < of ? " *</th>" : "</th>"));
	TS_TRY(count_cell(h, stage, "of"));
	TS_TRY(html_printf(h, "<td>%.*s</td>", (int)strlen(unit) - (of == 1), unit));
	TS_TRY(count_cell(h, stage, "tokens"));
	TS_TRY(html_raw(h, "<td class=\"num\">"));
	if (isfinite(rate) && strcmp(unit, "times") != 0)
		TS_TRY(rate < 100 ? html_printf(h, "%.1f", rate) : html_count(h, (int64_t)(rate + 0.5)));
	TS_TRY(html_raw(h, "</td>"));
	TS_TRY(duration_cell(h, stage, "seconds"));
	TS_TRY(duration_cell(h, stage, "seconds_at"));
	return html_printf(h, "<td>%s</td></tr>\n", json_is_true(json_object_get(stage, "grows")) ? "grows" : "");
}

static int head(struct html *h, const json_t *cost)
{
	int64_t at;
	TS_TRY(ts_json_int(cost, "at_prompts", 0, &at, "timing.json", h->err));
	TS_TRY(html_raw(
		h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Cost of each stage\"><table class=\"stages\"><thead>"
		   "<tr><th>stage</th><th class=\"num\">done</th><td></td><th class=\"num\">tokens</th>"
		   "<th class=\"num\">per second</th><th class=\"num\">time</th><th class=\"num\">at "));
	TS_TRY(html_count(h, at));
	return html_raw(h, " prompts</th><td></td></tr></thead><tbody>\n");
}

static int feet(struct html *h, const json_t *cost)
{
	TS_TRY(html_raw(h, "</tbody><tfoot><tr><th scope=\"row\">all</th><td></td><td></td><td></td><td></td>"));
	TS_TRY(duration_cell(h, cost, "seconds"));
	TS_TRY(duration_cell(h, cost, "seconds_at"));
	TS_TRY(html_raw(h, "<td></td></tr>\n<tr class=\"more\"><th scope=\"row\">each 1,000 prompts more</th><td></td><td></td><td></td>"
			   "<td></td>"));
	TS_TRY(duration_cell(h, cost, "seconds_per_1000"));
	return html_raw(h, "<td></td><td></td></tr></tfoot></table></div>\n");
}

/* "550 prompts: 1.2 min. 40,000: 1.3 h." */
static int sentence(struct html *h, const json_t *cost)
{
	char here[32], there[32];
	double seconds, more;
	int64_t prompts, at;
	TS_TRY(ts_json_real(cost, "seconds", NAN, &seconds, "timing.json", h->err));
	TS_TRY(ts_json_real(cost, "seconds_at", NAN, &more, "timing.json", h->err));
	TS_TRY(ts_json_int(cost, "prompts", 0, &prompts, "timing.json", h->err));
	TS_TRY(ts_json_int(cost, "at_prompts", 0, &at, "timing.json", h->err));
	TS_TRY(html_printf(h, "<p><b>%s</b> for ", report_duration(seconds, here)));
	TS_TRY(html_count(h, prompts));
	TS_TRY(html_raw(h, " prompts to train on"));
	if (isfinite(more)) {
		TS_TRY(html_printf(h, "; <b>%s</b> for ", report_duration(more, there)));
		TS_TRY(html_count(h, at));
		TS_TRY(html_raw(h, " (the size of SafeChain), with the same evaluation"));
	}
	return html_raw(h, ".</p>\n");
}

static int table(struct html *h, const json_t *cost)
{
	const json_t *stage;
	size_t i;
	bool lost = false;
	TS_TRY(sentence(h, cost));
	TS_TRY(head(h, cost));
	json_array_foreach (json_object_get(cost, "stages"), i, stage)
		TS_TRY(stage_row(h, stage, &lost));
	TS_TRY(feet(h, cost));
	TS_TRY(html_raw(
		h, "<p class=\"note\">Generating, judging what was generated and training grow with the prompts; loading and evaluation "
		   "do not. The time for more prompts is reckoned from the time of an item here, for answers as long as here. Tokens are "
		   "those generated, those of the responses judged, and those predicted in training; per second: tokens of sampling, else "
		   "items. All starts of the run count."));
	if (lost)
		TS_TRY(html_raw(h, " * A start was killed and a part of the stage\xe2\x80\x99s time and tokens is not known; the time is "
				   "reckoned from the rest of it."));
	return html_raw(h, "</p>\n");
}

/* "Measured on cpu/avx512, 2 threads, batch 64, ..." */
static int machine(struct html *h, const json_t *cost)
{
	const char *backend = json_string_value(json_object_get(cost, "backend"));
	const char *processor = json_string_value(json_object_get(cost, "processor"));
	int64_t threads, batch;
	TS_TRY(ts_json_int(cost, "threads", 0, &threads, "timing.json", h->err));
	TS_TRY(ts_json_int(cost, "batch", 0, &batch, "timing.json", h->err));
	TS_TRY(html_raw(h, "<p class=\"note\">Measured on "));
	TS_TRY(html_text(h, backend ? backend : "an unknown backend"));
	TS_TRY(html_printf(h, ", %lld thread%s, batch %lld", (long long)threads, threads == 1 ? "" : "s", (long long)batch));
	if (processor)
		TS_TRY(html_raw(h, ", "));
	TS_TRY(html_text(h, processor ? processor : ""));
	return html_raw(h, ".</p>\n");
}

int html_cost(struct html *h)
{
	json_t *cost = NULL;
	int status = ts_report_cost(h->metrics, h->timing, &cost, h->err);
	if (!status)
		status = html_raw(h, "<section id=\"cost\"><h2>Cost</h2>\n");
	if (!status)
		status = cost ? table(h, cost) : html_raw(h, "<p class=\"note\">The run\xe2\x80\x99s times are not known.</p>\n");
	if (!status && cost)
		status = machine(h, cost);
	json_decref(cost);
	return status ? status : html_raw(h, "</section>\n");
}
