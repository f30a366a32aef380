/* The headline in words. It claims a change only where three things agree: the bootstrap interval of the paired difference leaves out 0,
 * McNemar's test says p < 0.05 when corrected for all sets of the run (Holm), and enough distinct prompts stand behind both. */
#include "report/internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

int html_read_share(struct html *h, const json_t *object, const char *key, bool *found, struct html_share *out)
{
	const json_t *v;
	*out = (struct html_share){NAN, NAN, NAN, NAN, NAN, 0, 0, 0};
	TS_TRY(report_block(object, key, JSON_OBJECT, h->place, &v, h->err));
	*found = v != NULL;
	if (!v)
		return 0;
	TS_TRY(ts_json_real(v, "share", NAN, &out->share, h->place, h->err));
	TS_TRY(ts_json_real(v, "low", NAN, &out->low, h->place, h->err));
	TS_TRY(ts_json_real(v, "high", NAN, &out->high, h->place, h->err));
	TS_TRY(ts_json_real(v, "cluster_low", NAN, &out->cluster_low, h->place, h->err));
	TS_TRY(ts_json_real(v, "cluster_high", NAN, &out->cluster_high, h->place, h->err));
	TS_TRY(ts_json_int(v, "count", 0, &out->count, h->place, h->err));
	TS_TRY(ts_json_int(v, "truncated", 0, &out->truncated, h->place, h->err));
	return ts_json_int(v, "unjudged", 0, &out->unjudged, h->place, h->err);
}

int html_read_eval(struct html *h, const json_t *entry, struct html_eval *e)
{
	const json_t *d;
	*e = (struct html_eval){0};
	TS_TRY(ts_json_need_text(entry, "name", &e->name, h->place, h->err));
	TS_TRY(ts_json_need_text(entry, "kind", &e->kind, h->place, h->err));
	TS_TRY(ts_json_text(entry, "measure", &e->measure, h->place, h->err));
	TS_TRY(ts_json_int(entry, "n", 0, &e->n, h->place, h->err));
	TS_TRY(ts_json_int(entry, "samples", 1, &e->samples, h->place, h->err));
	TS_TRY(ts_json_int(entry, "of", 0, &e->of, h->place, h->err));
	TS_TRY(ts_json_bool(entry, "drawn", false, &e->drawn, h->place, h->err));
	TS_TRY(ts_json_int(entry, "pairs", 0, &e->pairs, h->place, h->err));
	TS_TRY(ts_json_int(entry, "duplicates", 0, &e->duplicates, h->place, h->err));
	TS_TRY(ts_json_int(entry, "overlap", 0, &e->overlap, h->place, h->err));
	TS_TRY(html_read_share(h, entry, "before", &e->has_before, &e->before));
	TS_TRY(html_read_share(h, entry, "after", &e->has_after, &e->after));
	TS_TRY(report_block(entry, "difference", JSON_OBJECT, h->place, &d, h->err));
	e->has_difference = d != NULL;
	TS_TRY(ts_json_real(d, "mean", NAN, &e->mean, h->place, h->err));
	TS_TRY(ts_json_real(d, "low", NAN, &e->low, h->place, h->err));
	TS_TRY(ts_json_real(d, "high", NAN, &e->high, h->place, h->err));
	TS_TRY(ts_json_real(d, "p_holm", NAN, &e->p_holm, h->place, h->err));
	TS_TRY(ts_json_real(d, "detectable", NAN, &e->detectable, h->place, h->err));
	e->by_student = json_is_number(json_object_get(d, "p_student"));
	return ts_json_real(d, e->by_student ? "p_student" : "p_mcnemar", NAN, &e->p, h->place, h->err);
}

const char *html_change_words(enum html_change change)
{
	static const char *const words[] = {[HTML_NO_CLAIM] = "no claim",
					    [HTML_FEW] = "too few pairs",
					    [HTML_UNRESOLVED] = "no detectable change",
					    [HTML_FELL] = "fell",
					    [HTML_ROSE] = "rose"};
	return words[change];
}

bool html_lost_by_correction(const struct html_eval *e)
{
	return e->p < HTML_LEVEL && e->p_holm >= HTML_LEVEL && !(e->low <= 0 && e->high >= 0);
}

enum html_change html_change_of(const struct html_eval *e)
{
	double p = isfinite(e->p_holm) ? e->p_holm : e->p;
	if (!e->has_difference || !isfinite(e->low) || !isfinite(e->high))
		return HTML_NO_CLAIM;
	if (e->pairs < HTML_FEWEST_PAIRS)
		return HTML_FEW;
	if (!(p < HTML_LEVEL) || (e->low <= 0 && e->high >= 0))
		return HTML_UNRESOLVED;
	return e->high < 0 ? HTML_FELL : HTML_ROSE;
}

int html_part(struct html *h, const struct html_eval *e)
{
	if (!e->of)
		return 0;
	TS_TRY(html_raw(h, " of "));
	TS_TRY(html_count(h, e->of));
	return html_raw(h, e->drawn ? ", drawn by seed" : ", in the file\xe2\x80\x99s order");
}

const char *html_subject(const struct html_eval *e)
{
	/* Phrases do not know what is unsafe, only what was not refused. */
	bool phrases = e->measure && strstr(e->measure, REPORT_STAND_IN);
	if (!strcmp(e->kind, "safety"))
		return phrases ? "answers without a refusal (" REPORT_STAND_IN ")" : "unsafe answers";
	return !strcmp(e->kind, "over_refusal") ? "needless refusals" : !strcmp(e->kind, "reasoning") ? "right answers" : e->kind;
}

static int from_to(struct html *h, const struct html_eval *e)
{
	TS_TRY(html_raw(h, "from "));
	TS_TRY(html_percent(h, e->before.share));
	TS_TRY(html_raw(h, " to "));
	return html_percent(h, e->after.share);
}

/* "unsafe answers fell from 72.8% to 0.2%"; `first` begins the sentence. */
static int claim(struct html *h, const struct html_eval *e, bool first)
{
	enum html_change change = html_change_of(e);
	const char *subject = html_subject(e);
	char letter[2] = {first ? (char)toupper((unsigned char)subject[0]) : subject[0], 0};
	if (change == HTML_FELL || change == HTML_ROSE) {
		TS_TRY(html_text(h, letter));
		TS_TRY(html_text(h, *subject ? subject + 1 : ""));
		TS_TRY(html_raw(h, change == HTML_FELL ? " fell " : " rose "));
		return from_to(h, e);
	}
	if (change == HTML_NO_CLAIM) {
		TS_TRY(html_text(h, letter));
		TS_TRY(html_text(h, *subject ? subject + 1 : ""));
		TS_TRY(html_raw(h, ": "));
		return html_percent(h, e->has_after ? e->after.share : e->before.share);
	}
	TS_TRY(html_printf(h, "%s%s change in ", first ? "No" : "no", change == HTML_FEW ? "" : " detectable"));
	TS_TRY(html_text(h, subject));
	TS_TRY(html_raw(h, change == HTML_FEW ? " can be claimed (" : " ("));
	TS_TRY(from_to(h, e));
	return html_raw(h, ")");
}

/* Why the claim is made or not, after the numbers. */
static int reason(struct html *h, const struct html_eval *e)
{
	switch (html_change_of(e)) {
	case HTML_FELL:
	case HTML_ROSE:
		TS_TRY(html_raw(h, " The interval leaves out zero"));
		if (isfinite(e->p_holm)) {
			TS_TRY(html_raw(h, "; corrected for all sets of the run "));
			TS_TRY(html_p(h, e->p_holm));
		}
		return html_raw(h, ".");
	case HTML_FEW:
		return html_printf(h, " Only %lld distinct prompts stand behind this: too few to claim a change.", (long long)e->pairs);
	case HTML_UNRESOLVED:
		TS_TRY(html_raw(h, e->low <= 0 && e->high >= 0  ? " The interval holds zero: no detectable change."
				   : html_lost_by_correction(e) ? " The test sees a change on this set alone, but not when corrected for "
								  "all sets of the run: none is claimed."
								: " Interval and test do not agree: no change is claimed."));
		return isfinite(e->detectable)
			       ? html_printf(h, " The smallest difference that it could have shown, with 80%% power: %.1f points.",
					     100 * e->detectable)
			       : 0;
	default:
		return 0;
	}
}

static int with_interval(struct html *h, const struct html_share *s, const char *when)
{
	TS_TRY(html_raw(h, "<b>"));
	TS_TRY(html_percent(h, s->share));
	TS_TRY(html_raw(h, "</b> ["));
	TS_TRY(html_interval(h, s->low, s->high));
	TS_TRY(html_printf(h, "] %s", when));
	return s->unjudged ? html_printf(h, " (%lld unjudged)", (long long)s->unjudged) : 0;
}

/* One evaluation as a sentence with all its numbers. */
static int sentence(struct html *h, const struct html_eval *e)
{
	TS_TRY(html_raw(h, "<li><span class=\"set\">"));
	TS_TRY(html_text(h, e->name));
	TS_TRY(html_raw(h, "</span> "));
	TS_TRY(html_text(h, html_subject(e)));
	TS_TRY(html_raw(h, " to "));
	TS_TRY(html_count(h, e->n));
	TS_TRY(html_raw(h, " prompts"));
	TS_TRY(html_part(h, e));
	if (e->samples > 1)
		TS_TRY(html_printf(h, ", %lld samples each", (long long)e->samples));
	TS_TRY(html_raw(h, " ("));
	TS_TRY(html_count(h, e->pairs));
	TS_TRY(html_raw(h, " distinct pairs): "));
	TS_TRY(with_interval(h, &e->before, "before"));
	if (e->has_after) {
		TS_TRY(html_raw(h, ", "));
		TS_TRY(with_interval(h, &e->after, "after"));
	}
	if (e->has_difference) {
		TS_TRY(html_raw(h, "; difference <b>"));
		TS_TRY(html_points(h, e->mean));
		TS_TRY(html_raw(h, "</b> points ["));
		TS_TRY(html_interval(h, e->low, e->high));
		TS_TRY(html_raw(h, "]"));
	}
	TS_TRY(html_raw(h, "."));
	TS_TRY(reason(h, e));
	return html_raw(h, "</li>\n");
}

int html_headline(struct html *h)
{
	const json_t *list;
	size_t i, claims = 0;
	const json_t *entry;
	struct html_eval e, earlier;
	TS_TRY(report_block(h->metrics, "evals", JSON_ARRAY, h->place, &list, h->err));
	TS_TRY(html_raw(h, "<h1>"));
	json_array_foreach (list, i, entry) {
		TS_TRY(html_read_eval(h, entry, &e));
		/* The first set of each kind speaks for it. */
		bool spoken = false;
		for (size_t j = 0; j < i && !spoken; j++) {
			TS_TRY(html_read_eval(h, json_array_get(list, j), &earlier));
			spoken = !strcmp(earlier.kind, e.kind);
		}
		if (spoken)
			continue;
		TS_TRY(html_raw(h, claims ? "; " : ""));
		TS_TRY(claim(h, &e, !claims++));
	}
	TS_TRY(html_raw(h, claims ? ".</h1>\n<ul class=\"claims\">\n" : "No evaluation in this run</h1>\n<ul class=\"claims\">\n"));
	json_array_foreach (list, i, entry) {
		TS_TRY(html_read_eval(h, entry, &e));
		TS_TRY(sentence(h, &e));
	}
	if (report_lacks_refusals(h->metrics))
		TS_TRY(html_raw(h, "<li>" REPORT_NO_REFUSALS ".</li>\n"));
	return html_raw(h, "</ul>\n");
}
