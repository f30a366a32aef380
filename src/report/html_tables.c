/* The sections of shares and counts: evaluations, safety with and without steering, what was kept. Bars stand in their tables, beside the
 * numbers that they draw. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char axis[] = "<th class=\"axis\"><span>0%</span><span>25</span><span>50</span><span>75</span><span>100%</span></th>";

static int count_of(struct html *h, int64_t count, int64_t of)
{
	TS_TRY(html_raw(h, "<td class=\"num count\">"));
	TS_TRY(html_count(h, count));
	TS_TRY(html_raw(h, " <span class=\"of\">of</span> "));
	TS_TRY(html_count(h, of));
	return html_raw(h, "</td>");
}

static int interval_cell(struct html *h, const char *name, double low, double high)
{
	TS_TRY(html_printf(h, "<td class=\"num interval\" data-name=\"%s\">", name));
	TS_TRY(html_interval(h, low, high));
	return html_raw(h, "</td>");
}

static int share_cell(struct html *h, double share)
{
	TS_TRY(html_raw(h, "<td class=\"num share\">"));
	TS_TRY(html_percent(h, share));
	return html_raw(h, "</td>");
}

/* --- evaluations --- */

static int side(struct html *h, const struct html_eval *e, const struct html_share *s, const char *name)
{
	TS_TRY(html_printf(h, "<tr><th scope=\"row\">%s</th><td class=\"chart\">", name));
	TS_TRY(html_bar(h, s->share, s->low, s->high, name));
	TS_TRY(html_raw(h, "</td>"));
	TS_TRY(share_cell(h, s->share));
	TS_TRY(interval_cell(h, e->samples > 1 ? "t" : "Wilson", s->low, s->high));
	TS_TRY(interval_cell(h, "by pairs", s->cluster_low, s->cluster_high));
	TS_TRY(count_of(h, s->count, e->n * e->samples - s->unjudged));
	return html_raw(h, "</tr>\n");
}

static int difference(struct html *h, const struct html_eval *e)
{
	TS_TRY(html_raw(h, "<tr class=\"change\"><th scope=\"row\">change</th><td class=\"chart\">"));
	TS_TRY(html_raw(h, html_change_words(html_change_of(e))));
	if (html_change_of(e) == HTML_UNRESOLVED && isfinite(e->detectable))
		TS_TRY(html_printf(h, " (%.1f points would have been seen at 80%% power)", 100 * e->detectable));
	if (isfinite(e->p)) {
		TS_TRY(html_raw(h, e->by_student ? ", paired t " : ", McNemar "));
		TS_TRY(html_p(h, e->p));
	}
	if (isfinite(e->p_holm)) {
		TS_TRY(html_raw(h, ", Holm "));
		TS_TRY(html_p(h, e->p_holm));
	}
	TS_TRY(html_raw(h, "</td><td class=\"num share\">"));
	TS_TRY(html_points(h, e->mean));
	TS_TRY(html_raw(h, "</td><td class=\"num interval none\"></td>"));
	TS_TRY(interval_cell(h, "by pairs", e->low, e->high));
	return html_raw(h, "<td class=\"none\"></td></tr>\n");
}

int html_eval_rows(struct html *h, const struct html_eval *e, const char *run)
{
	TS_TRY(html_raw(h, "<tbody><tr class=\"head\"><th colspan=\"6\" scope=\"rowgroup\"><b>"));
	TS_TRY(html_text(h, run ? run : e->name));
	TS_TRY(html_raw(h, "</b> <span>"));
	if (run) {
		TS_TRY(html_text(h, e->name));
		TS_TRY(html_raw(h, ": "));
	}
	TS_TRY(html_text(h, e->measure ? e->measure : html_subject(e)));
	TS_TRY(html_raw(h, ", "));
	TS_TRY(html_count(h, e->n));
	TS_TRY(html_raw(h, " prompts"));
	TS_TRY(html_part(h, e));
	if (e->samples > 1)
		TS_TRY(html_printf(h, ", %lld samples each", (long long)e->samples));
	TS_TRY(html_raw(h, ", "));
	TS_TRY(html_count(h, e->pairs));
	TS_TRY(html_raw(h, " distinct pairs"));
	if (e->duplicates)
		TS_TRY(html_printf(h, ", %lld exact duplicates", (long long)e->duplicates));
	if (e->before.truncated || e->after.truncated)
		TS_TRY(html_printf(h, ", truncated: %lld before, %lld after", (long long)e->before.truncated,
				   (long long)e->after.truncated));
	if (e->overlap)
		TS_TRY(html_printf(h, ", %lld trained on as well", (long long)e->overlap));
	if (e->before.unjudged || e->after.unjudged)
		TS_TRY(html_printf(h, ", unjudged: %lld before, %lld after", (long long)e->before.unjudged, (long long)e->after.unjudged));
	TS_TRY(html_raw(h, "</span></th></tr>\n"));
	if (e->has_before)
		TS_TRY(side(h, e, &e->before, "before"));
	if (e->has_after)
		TS_TRY(side(h, e, &e->after, "after"));
	if (e->has_difference)
		TS_TRY(difference(h, e));
	return html_raw(h, "</tbody>\n");
}

int html_bars_head(struct html *h)
{
	TS_TRY(html_raw(h, "<table class=\"bars\"><thead><tr><td></td>"));
	TS_TRY(html_raw(h, axis));
	return html_raw(h, "<th class=\"num\">share</th><th class=\"num\">Wilson 95%</th><th class=\"num\">by pairs 95%</th>"
			   "<th class=\"num\">count</th></tr></thead>\n");
}

int html_bars_note(struct html *h)
{
	return html_raw(h,
			"<p class=\"note\">The line across a bar is Wilson\xe2\x80\x99s interval, which takes rows as "
			"independent. \xe2\x80\x9c"
			"By pairs\xe2\x80\x9d resamples the distinct prompts or pairs (bootstrap), which rows of "
			"one pair do not make narrower; the change is paired, in percentage points. McNemar\xe2\x80\x99s test takes rows "
			"as independent; where a prompt has several samples, interval and test are those of t over the pairs. "
			"Holm\xe2\x80\x99s p is "
			"that of the test, corrected for all sets of the run, and the words rest on it and on the interval. A truncated "
			"answer was ended by its longest length, not by the model.</p>\n");
}

int html_results(struct html *h)
{
	const json_t *list, *entry;
	size_t i;
	struct html_eval e;
	TS_TRY(report_block(h->metrics, "evals", JSON_ARRAY, h->place, &list, h->err));
	if (!json_array_size(list))
		return 0;
	TS_TRY(html_raw(h, "<section id=\"results\"><h2>Before and after</h2>\n"));
	TS_TRY(html_bars_head(h));
	json_array_foreach (list, i, entry) {
		TS_TRY(html_read_eval(h, entry, &e));
		TS_TRY(html_eval_rows(h, &e, NULL));
		TS_TRY(html_passes(h, entry));
		TS_TRY(html_wildguard(h, entry));
	}
	TS_TRY(html_raw(h, "</table>\n"));
	TS_TRY(html_bars_note(h));
	TS_TRY(html_own_scatter(h));
	return html_raw(h, "</section>\n");
}

/* --- shares alone --- */

int html_share_head(struct html *h)
{
	TS_TRY(html_raw(h, "<thead><tr><td></td>"));
	TS_TRY(html_raw(h, axis));
	return html_raw(h, "<th class=\"num\">share</th><th class=\"num\">Wilson 95%</th><th class=\"num\">count</th></tr></thead>");
}

int html_share_row(struct html *h, const char *title, const char *style, const struct html_share *s, int64_t of)
{
	TS_TRY(html_printf(h, "<tr><th scope=\"row\">%s</th><td class=\"chart\">", title));
	TS_TRY(html_bar(h, s->share, s->low, s->high, style));
	TS_TRY(html_raw(h, "</td>"));
	TS_TRY(share_cell(h, s->share));
	TS_TRY(interval_cell(h, "Wilson", s->low, s->high));
	TS_TRY(count_of(h, s->count, of));
	return html_raw(h, "</tr>\n");
}

/* --- safe with and without steering --- */

static int alpha_row(struct html *h, const json_t *alpha, const char *key, const char *title, const char *style)
{
	struct html_share s;
	const json_t *v;
	bool found;
	int64_t of;
	TS_TRY(html_read_share(h, alpha, key, &found, &s));
	if (!found)
		return 0;
	v = json_object_get(alpha, key);
	TS_TRY(ts_json_int(v, "accepted", 0, &s.count, h->place, h->err));
	TS_TRY(ts_json_int(v, "of", 0, &of, h->place, h->err));
	return html_share_row(h, title, style, &s, of);
}

static int alpha_figures(struct html *h, const json_t *alpha)
{
	double omega, low, high, cost;
	bool phrases;
	TS_TRY(report_by_phrases(alpha, h->place, &phrases, h->err));
	TS_TRY(ts_json_real(alpha, "omega", NAN, &omega, h->place, h->err));
	TS_TRY(ts_json_real(alpha, "omega_low", NAN, &low, h->place, h->err));
	TS_TRY(ts_json_real(alpha, "omega_high", NAN, &high, h->place, h->err));
	TS_TRY(ts_json_real(alpha, "minus_log_alpha_ref", NAN, &cost, h->place, h->err));
	TS_TRY(html_raw(h, "<dl class=\"figures\">\n"));
	if (isfinite(omega)) {
		TS_TRY(html_printf(h, "<div><dt>omega</dt><dd><b>%.3g</b>", omega));
		if (isfinite(low) && isfinite(high))
			TS_TRY(html_printf(h, " <span>%.3g to %.3g</span>", low, high));
		TS_TRY(html_printf(h,
				   report_steers(h->metrics)
					   ? "<p>Steering multiplies the odds of a %s by this (Woolf 95%%).</p></dd></div>\n"
					   : "<p>The odds of a %s, second row to first (Woolf 95%%). Nothing was steered: 1 is "
					     "expected.</p></dd></div>\n",
				   phrases ? "refusal" : "safe response"));
	}
	if (isfinite(cost))
		TS_TRY(html_printf(
			h,
			"<div><dt>\xe2\x88\x92log \xce\xb1<sub>ref</sub></dt><dd><b>%.3f</b><p>How far, in nats, the student\xe2\x80\x99s "
			"own %s are from the student.</p></dd></div>\n",
			cost, phrases ? "refusals" : "safe responses"));
	return html_raw(h, "</dl>\n");
}

int html_alpha(struct html *h)
{
	const json_t *alpha;
	bool phrases;
	TS_TRY(report_block(h->metrics, "alpha", JSON_OBJECT, h->place, &alpha, h->err));
	if (!alpha)
		return 0;
	TS_TRY(report_by_phrases(alpha, h->place, &phrases, h->err));
	TS_TRY(html_printf(h, "<section id=\"alpha\"><h2>%s</h2>\n<table class=\"bars\">",
			   phrases ? "Refused on harmful training prompts (" REPORT_STAND_IN ")" : "Safe on harmful training prompts"));
	TS_TRY(html_share_head(h));
	TS_TRY(html_raw(h, "<tbody>\n"));
	TS_TRY(alpha_row(h, alpha, "ref", "plain, \xce\xb1<sub>ref</sub>", "before"));
	TS_TRY(alpha_row(h, alpha, "steered", report_steers(h->metrics) ? "steered, \xce\xb1<sub>steered</sub>" : "plain, to train on",
			 "after"));
	TS_TRY(html_raw(h, "</tbody></table>\n"));
	TS_TRY(alpha_figures(h, alpha));
	return html_raw(h, "</section>\n");
}

/* --- kept for training --- */

static const struct {
	const char *key, *title, *note;
} reasons[] = {
	{"no_thinking", "no thinking", "No thinking: the response never closes it."},
	{"unsafe", "unsafe", "Unsafe: the guard did not call it safe."},
	{"refused", "refused", "Refused: a benign prompt, by " REPORT_STAND_IN "."},
	{"complied", "complied", "Complied: a harmful prompt without a refusal, by " REPORT_STAND_IN "."},
	{"unjudged", "unjudged", "Unjudged: there is no verdict."},
	{"prefix", "prefix", "Prefix: kept, but the prompt\xe2\x80\x99s tokens do not begin the example\xe2\x80\x99s."},
	{"length", "too long", "Too long: over the longest example."},
	{"duplicates", "duplicate", "Duplicate: the prompt occurred before, and is in no count."},
};
#define REASONS (sizeof(reasons) / sizeof(*reasons))

/* A reason that dropped nothing anywhere gets no column. */
static int reason_total(struct html *h, const json_t *labels, const char *key, int64_t *total)
{
	size_t i;
	const json_t *row;
	*total = 0;
	json_array_foreach (labels, i, row) {
		int64_t n;
		TS_TRY(ts_json_int(row, key, 0, &n, h->place, h->err));
		*total += n;
	}
	return 0;
}

static int reason_cells(struct html *h, const json_t *row, const int64_t totals[REASONS])
{
	for (size_t i = 0; i < REASONS; i++) {
		int64_t n;
		if (!totals[i])
			continue;
		TS_TRY(ts_json_int(row, reasons[i].key, 0, &n, h->place, h->err));
		TS_TRY(html_printf(h, "<td class=\"num reason%s\" data-name=\"%s\">%lld</td>", n ? "" : " zero", reasons[i].title,
				   (long long)n));
	}
	return 0;
}

static int kept_row(struct html *h, const json_t *row, const char *name, const int64_t totals[REASONS])
{
	int64_t kept, of;
	TS_TRY(ts_json_int(row, "kept", 0, &kept, h->place, h->err));
	TS_TRY(ts_json_int(row, "of", 0, &of, h->place, h->err));
	double share = of > 0 ? (double)kept / (double)of : (double)NAN;
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, name));
	TS_TRY(html_raw(h, "</th><td class=\"chart\">"));
	TS_TRY(html_bar(h, share, NAN, NAN, "after"));
	TS_TRY(html_raw(h, "</td>"));
	TS_TRY(share_cell(h, share));
	TS_TRY(count_of(h, kept, of));
	TS_TRY(reason_cells(h, row, totals));
	return html_raw(h, "</tr>\n");
}

static int kept_table(struct html *h, const json_t *labels, const int64_t totals[REASONS])
{
	size_t i;
	const json_t *row;
	const char *name;
	TS_TRY(html_raw(h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Kept for training, per label\">"
			   "<table class=\"bars\"><thead><tr><td></td>"));
	TS_TRY(html_raw(h, axis));
	TS_TRY(html_raw(h, "<th class=\"num\">kept</th><th class=\"num\">count</th>"));
	for (i = 0; i < REASONS; i++)
		if (totals[i])
			TS_TRY(html_printf(h, "<th class=\"num\">%s</th>", reasons[i].title));
	TS_TRY(html_raw(h, "</tr></thead><tbody>\n"));
	json_array_foreach (labels, i, row) {
		TS_TRY(ts_json_need_text(row, "label", &name, h->place, h->err));
		TS_TRY(kept_row(h, row, name, totals));
	}
	return html_raw(h, "</tbody></table></div>\n");
}

/* "284 of 300 harmful and 246 of 250 benign prompts gave a row to learn from." */
static int kept_sum(struct html *h)
{
	static const char *const sides[] = {"harmful", "benign"};
	const json_t *accepted, *v;
	TS_TRY(report_block(h->metrics, "accepted", JSON_OBJECT, h->place, &accepted, h->err));
	if (!accepted)
		return 0;
	TS_TRY(html_raw(h, "<p>"));
	for (size_t i = 0; i < 2; i++) {
		int64_t kept, of;
		TS_TRY(report_block(accepted, sides[i], JSON_OBJECT, h->place, &v, h->err));
		TS_TRY(ts_json_int(v, "kept", 0, &kept, h->place, h->err));
		TS_TRY(ts_json_int(v, "of", 0, &of, h->place, h->err));
		TS_TRY(html_raw(h, i ? " and <b>" : "<b>"));
		TS_TRY(html_count(h, kept));
		TS_TRY(html_raw(h, "</b> of "));
		TS_TRY(html_count(h, of));
		TS_TRY(html_printf(h, " %s", sides[i]));
	}
	return html_raw(h, " prompts gave a response to learn from.</p>\n");
}

int html_kept(struct html *h)
{
	const json_t *labels;
	int64_t totals[REASONS], dropped = 0;
	TS_TRY(report_block(h->metrics, "labels", JSON_ARRAY, h->place, &labels, h->err));
	TS_TRY(html_raw(h, "<section id=\"kept\"><h2>Kept for training</h2>\n"));
	TS_TRY(kept_sum(h));
	for (size_t i = 0; i < REASONS; i++) {
		TS_TRY(reason_total(h, labels, reasons[i].key, &totals[i]));
		dropped += totals[i];
	}
	if (labels)
		TS_TRY(kept_table(h, labels, totals));
	TS_TRY(html_raw(h, dropped ? "<p class=\"note\">" : "<p class=\"note\">Nothing was dropped."));
	for (size_t i = 0; i < REASONS; i++)
		if (totals[i])
			TS_TRY(html_printf(h, "%s ", reasons[i].note));
	return html_raw(h, "</p></section>\n");
}
