/* The section of thinking and answer judged apart: shares of both beside the whole response, and how often they go together. And what
 * WildGuard's three lines say, for the section of results. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>

static struct html_share share_of(const struct report_part *p)
{
	return (struct html_share){.share = p->share,
				   .low = p->low,
				   .high = p->high,
				   .cluster_low = NAN,
				   .cluster_high = NAN,
				   .count = p->count,
				   .unjudged = p->unjudged};
}

static int shares(struct html *h, const struct report_apart *a, const char *side)
{
	static const char *const names[] = {"whole response", "thinking alone", "answer alone"};
	for (size_t i = 0; i < 3; i++) {
		char title[64];
		struct html_share s = share_of(&a->part[i]);
		snprintf(title, sizeof(title), "%s, %s", side, names[i]);
		TS_TRY(html_share_row(h, title, side, &s, a->part[i].of));
	}
	return 0;
}

static int set_rows(struct html *h, const json_t *eval, const struct report_apart sides[2])
{
	static const char *const names[] = {"before", "after"};
	const char *name;
	TS_TRY(ts_json_need_text(eval, "name", &name, h->place, h->err));
	TS_TRY(html_raw(h, "<tbody><tr class=\"head\"><th colspan=\"5\" scope=\"rowgroup\"><b>"));
	TS_TRY(html_text(h, name));
	TS_TRY(html_raw(h, "</b> <span>unsafe</span></th></tr>\n"));
	for (size_t i = 0; i < 2; i++)
		if (sides[i].there)
			TS_TRY(shares(h, &sides[i], names[i]));
	return html_raw(h, "</tbody>\n");
}

/* How often they go together. */
static int together(struct html *h, const char *side, const struct report_apart *a)
{
	static const char *const thinking[] = {"safe thinking", "unsafe thinking"};
	struct ts_str missing = {0};
	TS_TRY(html_printf(h,
			   "<div><table class=\"cells\"><caption>%s</caption><thead><tr><td></td><th class=\"num\">unsafe answer</th>"
			   "<th class=\"num\">safe answer</th></tr></thead><tbody>\n",
			   side));
	for (size_t t = 2; t-- > 0;) {
		TS_TRY(html_printf(h, "<tr><th scope=\"row\">%s</th><td class=\"num\">", thinking[t]));
		TS_TRY(html_count(h, a->both[t][1]));
		TS_TRY(html_raw(h, "</td><td class=\"num\">"));
		TS_TRY(html_count(h, a->both[t][0]));
		TS_TRY(html_raw(h, "</td></tr>\n"));
	}
	TS_TRY(html_raw(h, "</tbody></table>\n"));
	int status = report_apart_missing(a, &missing);
	if (status)
		ts_fail_memory(h->err);
	if (!status && missing.len)
		status = html_raw(h, "<p class=\"note\">Not in it: ");
	if (!status && missing.len)
		status = html_text(h, ts_str_c(&missing));
	if (!status && missing.len)
		status = html_raw(h, ".</p>\n");
	ts_str_release(&missing);
	return status ? status : html_raw(h, "</div>\n");
}

static int read_sides(struct html *h, const json_t *eval, struct report_apart sides[2])
{
	TS_TRY(report_read_apart(eval, "before", &sides[0], h->place, h->err));
	return report_read_apart(eval, "after", &sides[1], h->place, h->err);
}

static int set_together(struct html *h, const json_t *eval)
{
	static const char *const names[] = {"before", "after"};
	struct report_apart sides[2];
	const char *name;
	TS_TRY(read_sides(h, eval, sides));
	TS_TRY(ts_json_need_text(eval, "name", &name, h->place, h->err));
	TS_TRY(html_raw(h, "<h3>"));
	TS_TRY(html_text(h, name));
	TS_TRY(html_raw(h, ": responses by both verdicts</h3>\n<div class=\"pair\">\n"));
	for (size_t i = 0; i < 2; i++)
		if (sides[i].there)
			TS_TRY(together(h, names[i], &sides[i]));
	return html_raw(h, "</div>\n");
}

int html_wildguard(struct html *h, const json_t *eval)
{
	static const char *const names[] = {"before", "after"};
	struct ts_str text = {0};
	int status = 0;
	for (size_t i = 0; i < 2 && !status; i++) {
		ts_str_clear(&text);
		status = report_wildguard(eval, names[i], &text, h->place, h->err);
		if (status || !text.len)
			continue;
		status = html_raw(h, "<tbody><tr class=\"change\"><td></td><td colspan=\"5\">WildGuard ");
		if (!status)
			status = html_text(h, ts_str_c(&text));
		if (!status)
			status = html_raw(h, "</td></tr></tbody>\n");
	}
	ts_str_release(&text);
	return status == TS_ENOMEM ? ts_fail_memory(h->err) : status;
}

int html_apart(struct html *h)
{
	const json_t *list, *eval;
	struct report_apart sides[2];
	size_t i;
	if (!report_any_apart(h->metrics))
		return 0;
	TS_TRY(report_block(h->metrics, "evals", JSON_ARRAY, h->place, &list, h->err));
	TS_TRY(html_raw(h, "<section id=\"apart\"><h2>Thinking and answer judged apart</h2>\n<table class=\"bars\">"));
	TS_TRY(html_share_head(h));
	json_array_foreach (list, i, eval) {
		TS_TRY(read_sides(h, eval, sides));
		if (sides[0].there || sides[1].there)
			TS_TRY(set_rows(h, eval, sides));
	}
	TS_TRY(html_raw(h, "</table>\n"));
	json_array_foreach (list, i, eval)
		if (json_object_get(eval, "apart"))
			TS_TRY(set_together(h, eval));
	return html_raw(h,
			"<p class=\"note\">The guard sees the prompt with the thinking alone, without its tags, and with the answer alone. "
			"The headline is its verdict of the whole response. A part that is missing is in no share.</p></section>\n");
}
