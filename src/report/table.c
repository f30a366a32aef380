/* One small function per block. Numbers are fetched with NAN for "missing", which prints as "-". */
#include "report/table.h"

#include "report/internal.h"
#include "report/layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Right ends of the columns of the evaluation block; the acceptance block shares the first three. */
enum { AT_COUNT = 32, AT_SHARE = 41, AT_WILSON = 60, AT_CLUSTER = 79 };

struct table {
	struct ts_layout l;
	const char *place;
	struct ts_error *err;
};

static int real(struct table *t, const json_t *object, const char *key, double *out)
{
	return ts_json_real(object, key, NAN, out, t->place, t->err);
}

static int integer(struct table *t, const json_t *object, const char *key, int64_t *out)
{
	return ts_json_int(object, key, 0, out, t->place, t->err);
}

static int block(struct table *t, const json_t *object, const char *key, json_type type, const json_t **out)
{
	return report_block(object, key, type, t->place, out, t->err);
}

static int put_p(struct table *t, const char *test, double p)
{
	if (!isfinite(p))
		return 0;
	return p < 0.0001 ? ts_layout_wrap_printf(&t->l, 4, "  %s p < 0.0001", test)
			  : ts_layout_wrap_printf(&t->l, 4, "  %s p = %.4f", test, p);
}

/* ---- head ---- */

static int name_line(struct table *t, const json_t *m, const char *title, const char *key, const char *note)
{
	const char *value;
	TS_TRY(ts_json_text(m, key, &value, t->place, t->err));
	if (!value)
		return 0;
	TS_TRY(ts_layout_left(&t->l, 0, title));
	TS_TRY(ts_layout_left(&t->l, 15, ""));
	TS_TRY(ts_layout_wrap_printf(&t->l, 15, "%s%s", value, note));
	return ts_layout_line(&t->l);
}

/* contracts.md section 3: whatever shows verdicts of the keywords says so. */
static const char *by_phrases(const char *judge)
{
	return judge && !strcmp(judge, "keywords") ? " (" REPORT_STAND_IN ")" : "";
}

static int head(struct table *t, const json_t *m)
{
	const char *judge, *method, *guard, *filter;
	int64_t seed;
	TS_TRY(ts_json_text(m, "method", &method, t->place, t->err));
	TS_TRY(ts_json_text(m, "guard", &guard, t->place, t->err));
	TS_TRY(ts_json_text(m, "filter", &filter, t->place, t->err));
	TS_TRY(ts_json_text(m, "refusal_judge", &judge, t->place, t->err));
	TS_TRY(integer(t, m, "seed", &seed));
	TS_TRY(name_line(t, m, "method", "method", ""));
	TS_TRY(name_line(t, m, "model", "model", ""));
	TS_TRY(name_line(t, m, "guard", "guard", by_phrases(guard)));
	if (filter && strcmp(filter, "guard"))
		TS_TRY(name_line(t, m, "filter", "filter", by_phrases(filter)));
	TS_TRY(name_line(t, m, "refusal judge", "refusal_judge", by_phrases(judge)));
	if (!json_object_get(m, "seed"))
		return 0;
	TS_TRY(ts_layout_left(&t->l, 0, "seed"));
	TS_TRY(ts_layout_left(&t->l, 15, ""));
	TS_TRY(ts_layout_wrap_printf(&t->l, 15, "%lld", (long long)seed));
	return ts_layout_line(&t->l);
}

/* ---- headline ---- */

static int headline_side(struct table *t, const json_t *side, const char *key, size_t column)
{
	const json_t *v;
	double share, low, high;
	int64_t n;
	TS_TRY(block(t, side, key, JSON_OBJECT, &v));
	if (!v)
		return ts_layout_right(&t->l, column, "-");
	TS_TRY(real(t, v, "share", &share));
	TS_TRY(real(t, v, "low", &low));
	TS_TRY(real(t, v, "high", &high));
	TS_TRY(integer(t, v, "n", &n));
	TS_TRY(report_put_share(&t->l, column, share, "%"));
	TS_TRY(report_put_interval(&t->l, column + 16, low, high));
	return ts_layout_right_printf(&t->l, column + 24, "%lld", (long long)n);
}

/* Whether the block's `measure` says that phrases did it. */
static int measured_by_phrases(struct table *t, const json_t *object, bool *yes)
{
	return report_by_phrases(object, t->place, yes, t->err);
}

static int samples_of(struct table *t, const json_t *eval, int64_t *samples)
{
	return ts_json_int(eval, "samples", 1, samples, t->place, t->err);
}

/* "500 rows", "32 of 313 rows drawn by seed", "30 rows x 8 samples (intervals: t over the pairs)" */
static int eval_rows(struct table *t, const json_t *eval, int64_t n)
{
	int64_t of, samples;
	bool drawn;
	TS_TRY(integer(t, eval, "of", &of));
	TS_TRY(samples_of(t, eval, &samples));
	TS_TRY(ts_json_bool(eval, "drawn", false, &drawn, t->place, t->err));
	if (!of)
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, "%lld rows", (long long)n));
	else
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, "%lld of %lld rows %s", (long long)n, (long long)of,
					     drawn ? "drawn by seed" : "in the file's order"));
	return samples == 1 ? 0 : ts_layout_wrap_printf(&t->l, 2, " x %lld samples (intervals: t over the pairs)", (long long)samples);
}

/* Below the headline: the sets that are a part of their file, or have several samples. */
static int parts(struct table *t, const json_t *m)
{
	const json_t *list, *eval;
	const char *name;
	size_t i;
	int64_t n, samples;
	TS_TRY(block(t, m, "evals", JSON_ARRAY, &list));
	json_array_foreach (list, i, eval) {
		TS_TRY(samples_of(t, eval, &samples));
		if (!json_object_get(eval, "of") && samples == 1)
			continue;
		TS_TRY(ts_json_need_text(eval, "name", &name, t->place, t->err));
		TS_TRY(integer(t, eval, "n", &n));
		TS_TRY(ts_layout_left(&t->l, 2, ""));
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, "%s: ", name));
		TS_TRY(eval_rows(t, eval, n));
		TS_TRY(ts_layout_line(&t->l));
	}
	return 0;
}

static int headline(struct table *t, const json_t *m)
{
	static const char *const rows[][2] = {
		{"unsafe", "unsafe responses"}, {"over_refusal", "over-refusal"}, {"reasoning", "reasoning, right"}};
	const json_t *before, *after;
	bool phrases;
	TS_TRY(block(t, m, "before", JSON_OBJECT, &before));
	TS_TRY(block(t, m, "after", JSON_OBJECT, &after));
	TS_TRY(measured_by_phrases(t, json_object_get(before ? before : after, "unsafe"), &phrases));
	if (!before && !after)
		return 0;
	TS_TRY(ts_layout_line(&t->l));
	static const struct {
		size_t column;
		const char *text;
	} titles[] = {{30, "before"}, {46, "Wilson 95%"}, {54, "n"}, {66, "after"}, {82, "Wilson 95%"}, {90, "n"}};
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		TS_TRY(ts_layout_right(&t->l, titles[i].column, titles[i].text));
	TS_TRY(ts_layout_line(&t->l));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool always = i == 1 && report_lacks_refusals(m);
		if (!always && !json_object_get(before, rows[i][0]) && !json_object_get(after, rows[i][0]))
			continue;
		TS_TRY(ts_layout_left(&t->l, 0, i || !phrases ? rows[i][1] : "no refusal"));
		TS_TRY(headline_side(t, before, rows[i][0], 30));
		TS_TRY(headline_side(t, after, rows[i][0], 66));
		TS_TRY(ts_layout_line(&t->l));
	}
	TS_TRY(report_headline_notes(&t->l, m, t->place, t->err));
	TS_TRY(report_no_refusals(&t->l, m));
	TS_TRY(parts(t, m));
	if (!phrases)
		return 0;
	TS_TRY(ts_layout_wrap(&t->l, 2, "no refusal (" REPORT_STAND_IN "): harmful prompts whose answer holds no phrase of refusal"));
	return ts_layout_line(&t->l);
}

/* ---- evaluations ---- */

static int eval_side(struct table *t, const json_t *eval, const char *key, int64_t n)
{
	const json_t *v;
	int64_t count, unjudged, truncated;
	double share, low, high, cluster_low, cluster_high;
	TS_TRY(block(t, eval, key, JSON_OBJECT, &v));
	if (!v)
		return 0;
	TS_TRY(integer(t, v, "count", &count));
	TS_TRY(integer(t, v, "unjudged", &unjudged));
	TS_TRY(integer(t, v, "truncated", &truncated));
	TS_TRY(real(t, v, "share", &share));
	TS_TRY(real(t, v, "low", &low));
	TS_TRY(real(t, v, "high", &high));
	TS_TRY(real(t, v, "cluster_low", &cluster_low));
	TS_TRY(real(t, v, "cluster_high", &cluster_high));
	TS_TRY(ts_layout_left(&t->l, 2, key));
	TS_TRY(ts_layout_right_printf(&t->l, AT_COUNT, "%lld of %lld", (long long)count, (long long)(n - unjudged)));
	TS_TRY(report_put_share(&t->l, AT_SHARE, share, "%"));
	TS_TRY(report_put_interval(&t->l, AT_WILSON, low, high));
	TS_TRY(report_put_interval(&t->l, AT_CLUSTER, cluster_low, cluster_high));
	if (unjudged)
		TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  %lld unjudged", (long long)unjudged));
	if (truncated)
		TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  %lld truncated", (long long)truncated));
	return ts_layout_line(&t->l);
}

/* What may be said of the change, and what could have been seen: "no detectable change; Holm p = 0.6875; at 80% power ..." */
static int verdict(struct table *t, const json_t *d, const struct html_eval *e)
{
	double holm = e->p_holm, detectable;
	enum html_change change = html_change_of(e);
	TS_TRY(real(t, d, "detectable", &detectable));
	if (!isfinite(holm) && !isfinite(detectable))
		return 0;
	TS_TRY(ts_layout_left(&t->l, 4, html_change_words(change)));
	if (change == HTML_FEW)
		TS_TRY(ts_layout_wrap(&t->l, 6, " to claim a change"));
	if (html_lost_by_correction(e))
		TS_TRY(ts_layout_wrap(&t->l, 6, " after correction"));
	if (isfinite(holm))
		TS_TRY(ts_layout_wrap_printf(&t->l, 6, holm < 0.0001 ? "; Holm p < 0.0001" : "; Holm p = %.4f", holm));
	if (change == HTML_UNRESOLVED && isfinite(detectable))
		TS_TRY(ts_layout_wrap_printf(&t->l, 6, "; at 80%% power %.1f points would have been seen", 100 * detectable));
	return ts_layout_line(&t->l);
}

static int eval_difference(struct table *t, const json_t *eval)
{
	const json_t *d;
	struct html_eval e = {.has_difference = true};
	TS_TRY(block(t, eval, "difference", JSON_OBJECT, &d));
	if (!d)
		return 0;
	TS_TRY(real(t, d, "mean", &e.mean));
	TS_TRY(real(t, d, "low", &e.low));
	TS_TRY(real(t, d, "high", &e.high));
	e.by_student = json_is_number(json_object_get(d, "p_student"));
	TS_TRY(real(t, d, e.by_student ? "p_student" : "p_mcnemar", &e.p));
	TS_TRY(real(t, d, "p_holm", &e.p_holm));
	TS_TRY(integer(t, eval, "pairs", &e.pairs));
	TS_TRY(ts_layout_left(&t->l, 2, "change"));
	TS_TRY(report_put_share(&t->l, AT_SHARE, e.mean, " "));
	TS_TRY(report_put_interval(&t->l, AT_CLUSTER, e.low, e.high));
	TS_TRY(put_p(t, e.by_student ? "paired t" : "McNemar", e.p));
	TS_TRY(ts_layout_line(&t->l));
	return verdict(t, d, &e);
}

/* "  graders before: strict 75.3%, paper 70.3%; they disagree on 15 of 300" */
static int eval_graders(struct table *t, const json_t *graders, const char *key, int64_t n)
{
	const json_t *v;
	int64_t right[2], disagreements;
	char share[2][32];
	TS_TRY(block(t, graders, key, JSON_OBJECT, &v));
	if (!v)
		return 0;
	TS_TRY(integer(t, v, "strict", &right[0]));
	TS_TRY(integer(t, v, "paper", &right[1]));
	TS_TRY(integer(t, v, "disagreements", &disagreements));
	for (int i = 0; i < 2; i++)
		report_percent(n ? (double)right[i] / (double)n : (double)NAN, share[i]);
	TS_TRY(ts_layout_left(&t->l, 2, "graders "));
	TS_TRY(ts_layout_wrap_printf(&t->l, 4, "%s: strict %s%%, paper %s%%; they disagree on %lld of %lld", key, share[0], share[1],
				     (long long)disagreements, (long long)n));
	return ts_layout_line(&t->l);
}

static int eval_block(struct table *t, const json_t *eval)
{
	const char *name, *kind, *measure;
	const json_t *graders;
	int64_t n, samples, pairs, duplicates, overlap;
	TS_TRY(ts_json_need_text(eval, "name", &name, t->place, t->err));
	TS_TRY(ts_json_text(eval, "kind", &kind, t->place, t->err));
	TS_TRY(ts_json_text(eval, "measure", &measure, t->place, t->err));
	TS_TRY(integer(t, eval, "n", &n));
	TS_TRY(samples_of(t, eval, &samples));
	TS_TRY(integer(t, eval, "pairs", &pairs));
	TS_TRY(integer(t, eval, "duplicates", &duplicates));
	TS_TRY(integer(t, eval, "overlap", &overlap));
	TS_TRY(ts_layout_wrap_printf(&t->l, 2, "%s", name));
	/* Some names say the kind already. */
	if (kind && strcmp(kind, name))
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, " (%s)", !strcmp(kind, "over_refusal") ? "over-refusal" : kind));
	if (measure)
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, ": %s", measure));
	TS_TRY(ts_layout_wrap_printf(&t->l, 2, "; "));
	TS_TRY(eval_rows(t, eval, n));
	TS_TRY(ts_layout_wrap_printf(&t->l, 2, ", %lld distinct pairs", (long long)pairs));
	if (duplicates)
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, ", %lld duplicates", (long long)duplicates));
	if (overlap)
		TS_TRY(ts_layout_wrap_printf(&t->l, 2, ", %lld of them trained on as well", (long long)overlap));
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(eval_side(t, eval, "before", n * samples));
	TS_TRY(eval_side(t, eval, "after", n * samples));
	TS_TRY(eval_difference(t, eval));
	TS_TRY(report_pass_lines(&t->l, eval, t->place, t->err));
	TS_TRY(report_wildguard_lines(&t->l, eval, t->place, t->err));
	TS_TRY(block(t, eval, "graders", JSON_OBJECT, &graders));
	TS_TRY(eval_graders(t, graders, "before", n * samples));
	return eval_graders(t, graders, "after", n * samples);
}

static int evals(struct table *t, const json_t *m)
{
	const json_t *list;
	TS_TRY(block(t, m, "evals", JSON_ARRAY, &list));
	if (!list || !json_array_size(list))
		return 0;
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(ts_layout_left(&t->l, 0, "Evaluations"));
	TS_TRY(ts_layout_right(&t->l, AT_COUNT, "count"));
	TS_TRY(ts_layout_right(&t->l, AT_SHARE, "share"));
	TS_TRY(ts_layout_right(&t->l, AT_WILSON, "Wilson 95%"));
	TS_TRY(ts_layout_right(&t->l, AT_CLUSTER, "clustered 95%"));
	TS_TRY(ts_layout_line(&t->l));
	for (size_t i = 0; i < json_array_size(list); i++)
		TS_TRY(eval_block(t, json_array_get(list, i)));
	if (json_object_get(json_array_get(list, 0), "difference")) {
		TS_TRY(ts_layout_wrap(&t->l, 2,
				      "A change is claimed where the clustered interval leaves out 0 and Holm's p is below 0.05."));
		TS_TRY(ts_layout_line(&t->l));
	}
	return json_object_get(m, "before") ? 0 : report_no_refusals(&t->l, m); /* else the headline has said so */
}

static int apart(struct table *t, const json_t *m)
{
	return report_apart_table(&t->l, m, t->place, t->err);
}

/* ---- acceptance ---- */

static int alpha_side(struct table *t, const json_t *alpha, const char *key, const char *title)
{
	const json_t *v;
	int64_t accepted, of;
	double share, low, high;
	TS_TRY(block(t, alpha, key, JSON_OBJECT, &v));
	if (!v)
		return 0;
	TS_TRY(integer(t, v, "accepted", &accepted));
	TS_TRY(integer(t, v, "of", &of));
	TS_TRY(real(t, v, "share", &share));
	TS_TRY(real(t, v, "low", &low));
	TS_TRY(real(t, v, "high", &high));
	TS_TRY(ts_layout_left(&t->l, 2, title));
	TS_TRY(ts_layout_right_printf(&t->l, AT_COUNT, "%lld of %lld", (long long)accepted, (long long)of));
	TS_TRY(report_put_share(&t->l, AT_SHARE, share, "%"));
	TS_TRY(report_put_interval(&t->l, AT_WILSON, low, high));
	return ts_layout_line(&t->l);
}

static int alpha(struct table *t, const json_t *m)
{
	const json_t *a;
	double omega, low, high, cost;
	bool phrases;
	TS_TRY(block(t, m, "alpha", JSON_OBJECT, &a));
	if (!a)
		return 0;
	TS_TRY(measured_by_phrases(t, a, &phrases));
	TS_TRY(real(t, a, "omega", &omega));
	TS_TRY(real(t, a, "omega_low", &low));
	TS_TRY(real(t, a, "omega_high", &high));
	TS_TRY(real(t, a, "minus_log_alpha_ref", &cost));
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(ts_layout_left(&t->l, 0, phrases ? "Refused on harmful prompts (" REPORT_STAND_IN ")" : "Safe on harmful prompts"));
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(alpha_side(t, a, "ref", "plain (alpha_ref)"));
	TS_TRY(alpha_side(t, a, "steered", report_steers(m) ? "steered (alpha_I)" : "plain, to train on"));
	if (isfinite(omega)) {
		TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  omega %.3g", omega));
		if (isfinite(low) && isfinite(high))
			TS_TRY(ts_layout_wrap_printf(&t->l, 4, " (%.3g .. %.3g)", low, high));
		TS_TRY(ts_layout_wrap_printf(&t->l, 4,
					     report_steers(m) ? ": steering multiplies the odds of a %s"
							      : ": the odds of a %s; nothing was steered, so 1 is expected",
					     phrases ? "refusal" : "safe response"));
		TS_TRY(ts_layout_line(&t->l));
	}
	if (!isfinite(cost))
		return 0;
	TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  -log alpha_ref %.3f: how far the student's own %s are from the student", cost,
				     phrases ? "refusals" : "safe responses"));
	return ts_layout_line(&t->l);
}

/* ---- what was kept and why the rest was dropped ---- */

static const struct {
	const char *key, *title;
} reasons[] = {
	{"no_thinking", "no thinking"}, {"unsafe", "unsafe"}, {"refused", "refused"}, {"complied", "complied"},
	{"unjudged", "unjudged"},       {"prefix", "prefix"}, {"length", "length"},   {"duplicates", "double"},
};
#define REASONS (sizeof(reasons) / sizeof(*reasons))
/* The reasons that a guard's run knows end at column 100. */
enum { LABEL_WIDTH = 24, AT_KEPT = 30, AT_OF = 37, AT_KEPT_SHARE = 45 };

/* Which reasons any row knows; the others get no column. Beside the two of the phrases, which judge all that is text, a column of
 * zeros for "unjudged" would not fit. */
static unsigned known_reasons(const json_t *labels)
{
	unsigned known = 0;
	bool phrases = json_object_get(json_array_get(labels, 0), "refused");
	for (size_t row = 0; row < json_array_size(labels); row++)
		for (size_t i = 0; i < REASONS; i++)
			if (json_object_get(json_array_get(labels, row), reasons[i].key) &&
			    (!phrases || strcmp(reasons[i].key, "unjudged") ||
			     json_integer_value(json_object_get(json_array_get(labels, row), "unjudged"))))
				known |= 1u << i;
	return known;
}

static int kept_row(struct table *t, const json_t *row, const char *name, unsigned known)
{
	int64_t kept, of, count;
	size_t column = AT_KEPT_SHARE;
	TS_TRY(integer(t, row, "kept", &kept));
	TS_TRY(integer(t, row, "of", &of));
	TS_TRY(ts_layout_wrap_printf(&t->l, 2, "  %s", name));
	if (t->l.column > LABEL_WIDTH)
		TS_TRY(ts_layout_line(&t->l));
	TS_TRY(ts_layout_right_printf(&t->l, AT_KEPT, "%lld", (long long)kept));
	TS_TRY(ts_layout_right_printf(&t->l, AT_OF, "%lld", (long long)of));
	TS_TRY(report_put_share(&t->l, AT_KEPT_SHARE, of > 0 ? (double)kept / (double)of : NAN, "%"));
	for (size_t i = 0; i < REASONS; i++) {
		if (!(known & 1u << i))
			continue;
		column += strlen(reasons[i].title) + 2;
		TS_TRY(integer(t, row, reasons[i].key, &count));
		TS_TRY(ts_layout_right_printf(&t->l, column, "%lld", (long long)count));
	}
	return ts_layout_line(&t->l);
}

static int kept_title(struct table *t, unsigned known)
{
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(ts_layout_left(&t->l, 0, "Kept for training"));
	TS_TRY(ts_layout_right(&t->l, AT_KEPT, "kept"));
	TS_TRY(ts_layout_right(&t->l, AT_OF, "of"));
	TS_TRY(ts_layout_right(&t->l, AT_KEPT_SHARE, "share"));
	for (size_t i = 0; i < REASONS; i++)
		if (known & 1u << i)
			TS_TRY(ts_layout_left(&t->l, 0, reasons[i].title));
	return ts_layout_line(&t->l);
}

static int kept(struct table *t, const json_t *m)
{
	static const char *const sides[] = {"harmful", "benign"};
	const json_t *labels, *accepted, *side;
	const char *name;
	int64_t duplicates;
	TS_TRY(block(t, m, "labels", JSON_ARRAY, &labels));
	TS_TRY(block(t, m, "accepted", JSON_OBJECT, &accepted));
	TS_TRY(integer(t, m, "duplicates_dropped", &duplicates));
	if (labels || accepted)
		TS_TRY(kept_title(t, known_reasons(labels)));
	for (size_t i = 0; i < json_array_size(labels); i++) {
		const json_t *row = json_array_get(labels, i);
		TS_TRY(ts_json_need_text(row, "label", &name, t->place, t->err));
		TS_TRY(kept_row(t, row, name, known_reasons(labels)));
	}
	for (size_t i = 0; accepted && i < 2; i++) {
		TS_TRY(block(t, accepted, sides[i], JSON_OBJECT, &side));
		char title[32];
		snprintf(title, sizeof(title), "all %s", sides[i]);
		if (side)
			TS_TRY(kept_row(t, side, title, 0));
	}
	if (!duplicates)
		return 0;
	TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  %lld prompts dropped as exact duplicates of others", (long long)duplicates));
	return ts_layout_line(&t->l);
}

/* ---- training ---- */

static int train(struct table *t, const json_t *m)
{
	static const char *const keys[] = {"examples", "epochs", "steps", "batch", "target_tokens", "dropped_prefix"};
	const json_t *v;
	long long n[6];
	double first, last;
	TS_TRY(block(t, m, "train", JSON_OBJECT, &v));
	if (!v)
		return 0;
	for (size_t i = 0; i < 6; i++) {
		int64_t value;
		TS_TRY(integer(t, v, keys[i], &value));
		n[i] = value;
	}
	TS_TRY(real(t, v, "first_loss", &first));
	TS_TRY(real(t, v, "last_loss", &last));
	TS_TRY(ts_layout_line(&t->l));
	TS_TRY(ts_layout_wrap_printf(&t->l, 2,
				     "Training: %lld examples, %lld epochs, %lld steps of up to %lld examples, %lld target tokens", n[0],
				     n[1], n[2], n[3], n[4]));
	TS_TRY(ts_layout_line(&t->l));
	if (isfinite(first) && isfinite(last)) {
		TS_TRY(ts_layout_wrap_printf(&t->l, 4, "  loss of the first step %.4f, of the last %.4f", first, last));
		TS_TRY(ts_layout_line(&t->l));
	}
	if (!n[5])
		return 0;
	TS_TRY(ts_layout_wrap_printf(&t->l, 2, "  %lld examples left out: the prompt's tokens do not begin the example's", n[5]));
	return ts_layout_line(&t->l);
}

int ts_report_table(const json_t *m, const char *place, struct ts_str *out, struct ts_error *err)
{
	struct table t = {{out, TS_TABLE_COLUMNS, 0}, place, err};
	int (*const blocks[])(struct table *, const json_t *) = {head, headline, evals, apart, alpha, kept, train};
	if (!json_is_object(m))
		return ts_fail(err, TS_EFORMAT, "%s: expected an object with the run's metrics", place);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		int status = blocks[i](&t, m);
		if (status == TS_ENOMEM)
			ts_fail_memory(err);
		TS_TRY(status);
	}
	return 0;
}
