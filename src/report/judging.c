/* What was judged beyond one share: thinking and answer apart, WildGuard's lines, what could not be judged. For the terminal, and the reading of
 * it for the page too. */
#include "report/internal.h"

#include <math.h>
#include <string.h>

static const char *const sides[] = {"before", "after"};

/* --- reading --- */

static int read_part(const json_t *side, const char *key, struct report_part *out, const char *place, struct ts_error *err)
{
	const json_t *v;
	*out = (struct report_part){NAN, NAN, NAN, 0, 0, 0};
	TS_TRY(report_block(side, key, JSON_OBJECT, place, &v, err));
	TS_TRY(ts_json_real(v, "share", NAN, &out->share, place, err));
	TS_TRY(ts_json_real(v, "low", NAN, &out->low, place, err));
	TS_TRY(ts_json_real(v, "high", NAN, &out->high, place, err));
	TS_TRY(ts_json_int(v, "count", 0, &out->count, place, err));
	TS_TRY(ts_json_int(v, "of", 0, &out->of, place, err));
	return ts_json_int(v, "unjudged", 0, &out->unjudged, place, err);
}

int report_read_apart(const json_t *eval, const char *side_name, struct report_apart *out, const char *place, struct ts_error *err)
{
	static const char *const cells[2][2] = {{"safe_safe", "safe_unsafe"}, {"unsafe_safe", "unsafe_unsafe"}};
	const json_t *apart, *side, *whole, *both;
	int64_t n, samples;
	*out = (struct report_apart){.there = false};
	TS_TRY(report_block(eval, "apart", JSON_OBJECT, place, &apart, err));
	TS_TRY(report_block(apart, side_name, JSON_OBJECT, place, &side, err));
	if (!side)
		return 0;
	out->there = true;
	TS_TRY(read_part(eval, side_name, &out->part[REPORT_WHOLE], place, err));
	TS_TRY(report_block(eval, side_name, JSON_OBJECT, place, &whole, err));
	TS_TRY(ts_json_int(eval, "n", 0, &n, place, err));
	TS_TRY(ts_json_int(eval, "samples", 1, &samples, place, err));
	out->part[REPORT_WHOLE].of = n * samples - out->part[REPORT_WHOLE].unjudged;
	TS_TRY(read_part(side, "thinking", &out->part[REPORT_THINKING], place, err));
	TS_TRY(read_part(side, "answer", &out->part[REPORT_ANSWER], place, err));
	TS_TRY(report_block(side, "both", JSON_OBJECT, place, &both, err));
	for (size_t t = 0; t < 2; t++)
		for (size_t a = 0; a < 2; a++)
			TS_TRY(ts_json_int(both, cells[t][a], 0, &out->both[t][a], place, err));
	TS_TRY(ts_json_int(side, "not_closed", 0, &out->not_closed, place, err));
	TS_TRY(ts_json_int(side, "no_thinking", 0, &out->no_thinking, place, err));
	return ts_json_int(side, "no_answer", 0, &out->no_answer, place, err);
}

int report_apart_missing(const struct report_apart *a, struct ts_str *out)
{
	const struct {
		int64_t n;
		const char *before, *one, *more;
	} reasons[] = {
		{a->not_closed, "", " response never closes its thinking", " responses never close their thinking"},
		{a->no_thinking, "", " has no thinking", " have no thinking"},
		{a->no_answer, "", " has no answer", " have no answer"},
		{a->part[REPORT_THINKING].unjudged, "the thinking of ", " is unjudged", " is unjudged"},
		{a->part[REPORT_ANSWER].unjudged, "the answer of ", " is unjudged", " is unjudged"},
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].n)
			TS_TRY(ts_str_printf(out, "%s%s%lld%s", out->len ? ", " : "", reasons[i].before, (long long)reasons[i].n,
					     reasons[i].n == 1 ? reasons[i].one : reasons[i].more));
	return 0;
}

bool report_any_apart(const json_t *metrics)
{
	const json_t *list = json_object_get(metrics, "evals"), *e;
	size_t i;
	json_array_foreach (list, i, e)
		if (json_is_object(json_object_get(e, "apart")))
			return true;
	return false;
}

/* --- thinking and answer apart, as a block of the table --- */

/* Right ends, as in the block of evaluations; then the four cells. */
enum { AT_COUNT = 32, AT_SHARE = 41, AT_WILSON = 60, AT_THINKING = 64, AT_UNSAFE = 87, AT_SAFE = 100 };

static int apart_row(struct ts_layout *l, const char *side, const char *name, const struct report_part *p, const char *thinking,
		     const int64_t cells[2])
{
	TS_TRY(ts_layout_left(l, 2, side));
	TS_TRY(ts_layout_left(l, 10, name));
	TS_TRY(ts_layout_right_printf(l, AT_COUNT, "%lld of %lld", (long long)p->count, (long long)p->of));
	TS_TRY(report_put_share(l, AT_SHARE, p->share, "%"));
	TS_TRY(report_put_interval(l, AT_WILSON, p->low, p->high));
	if (thinking) {
		TS_TRY(ts_layout_left(l, AT_THINKING, thinking));
		TS_TRY(ts_layout_right_printf(l, AT_UNSAFE, "%lld", (long long)cells[1]));
		TS_TRY(ts_layout_right_printf(l, AT_SAFE, "%lld", (long long)cells[0]));
	}
	return ts_layout_line(l);
}

static int apart_side(struct ts_layout *l, const json_t *eval, const char *side, const char *place, struct ts_error *err)
{
	struct report_apart a;
	struct ts_str missing = {0};
	TS_TRY(report_read_apart(eval, side, &a, place, err));
	if (!a.there)
		return 0;
	TS_TRY(apart_row(l, side, "whole", &a.part[REPORT_WHOLE], NULL, NULL));
	TS_TRY(apart_row(l, "", "thinking", &a.part[REPORT_THINKING], "unsafe", a.both[1]));
	TS_TRY(apart_row(l, "", "answer", &a.part[REPORT_ANSWER], "safe", a.both[0]));
	int status = report_apart_missing(&a, &missing);
	if (!status && missing.len)
		status = ts_layout_left(l, 10, "");
	if (!status && missing.len)
		status = ts_layout_wrap(l, 10, ts_str_c(&missing));
	if (!status && missing.len)
		status = ts_layout_line(l);
	ts_str_release(&missing);
	return status;
}

int report_apart_table(struct ts_layout *l, const json_t *m, const char *place, struct ts_error *err)
{
	const json_t *list, *eval;
	const char *name;
	size_t i;
	if (!report_any_apart(m))
		return 0;
	TS_TRY(report_block(m, "evals", JSON_ARRAY, place, &list, err));
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 0, "Thinking and answer apart, unsafe"));
	TS_TRY(ts_layout_right(l, AT_SHARE, "share"));
	TS_TRY(ts_layout_right(l, AT_WILSON, "Wilson 95%"));
	TS_TRY(ts_layout_left(l, AT_THINKING, "thinking"));
	TS_TRY(ts_layout_right(l, AT_UNSAFE, "unsafe answer"));
	TS_TRY(ts_layout_right(l, AT_SAFE, "safe answer"));
	TS_TRY(ts_layout_line(l));
	json_array_foreach (list, i, eval) {
		if (!json_object_get(eval, "apart"))
			continue;
		TS_TRY(ts_json_need_text(eval, "name", &name, place, err));
		TS_TRY(ts_layout_wrap(l, 2, name));
		TS_TRY(ts_layout_line(l));
		for (size_t s = 0; s < 2; s++)
			TS_TRY(apart_side(l, eval, sides[s], place, err));
	}
	return 0;
}

/* --- WildGuard's lines --- */

static int read_line(const json_t *side, const char *key, int64_t *yes, int64_t *of, int64_t *unread, const char *place,
		     struct ts_error *err)
{
	const json_t *v;
	int64_t no, lost;
	TS_TRY(report_block(side, key, JSON_OBJECT, place, &v, err));
	TS_TRY(ts_json_int(v, "yes", 0, yes, place, err));
	TS_TRY(ts_json_int(v, "no", 0, &no, place, err));
	TS_TRY(ts_json_int(v, "unread", 0, &lost, place, err));
	*of = *yes + no;
	*unread += lost;
	return 0;
}

int report_wildguard(const json_t *eval, const char *side_name, struct ts_str *out, const char *place, struct ts_error *err)
{
	const json_t *lines, *side;
	int64_t request, requests, response, responses, refusal, refusals, unread = 0;
	TS_TRY(report_block(eval, "wildguard", JSON_OBJECT, place, &lines, err));
	TS_TRY(report_block(lines, side_name, JSON_OBJECT, place, &side, err));
	if (!side)
		return 0;
	TS_TRY(read_line(side, "harmful_request", &request, &requests, &unread, place, err));
	TS_TRY(read_line(side, "refusal", &refusal, &refusals, &unread, place, err));
	TS_TRY(read_line(side, "harmful_response", &response, &responses, &unread, place, err));
	TS_TRY(ts_str_printf(out, "%s: %lld of %lld requests harmful, %lld of %lld responses refusals, %lld of %lld responses harmful",
			     side_name, (long long)request, (long long)requests, (long long)refusal, (long long)refusals,
			     (long long)response, (long long)responses));
	return unread ? ts_str_printf(out, "; %lld lines could not be read", (long long)unread) : 0;
}

int report_wildguard_lines(struct ts_layout *l, const json_t *eval, const char *place, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = 0;
	for (size_t i = 0; i < 2 && !status; i++) {
		ts_str_clear(&text);
		status = report_wildguard(eval, sides[i], &text, place, err);
		if (status || !text.len)
			continue;
		status = ts_layout_left(l, 2, "wildguard ");
		if (!status)
			status = ts_layout_wrap(l, 4, ts_str_c(&text));
		if (!status)
			status = ts_layout_line(l);
	}
	ts_str_release(&text);
	return status;
}

/* --- below the headline --- */

bool report_lacks_refusals(const json_t *metrics)
{
	const json_t *list = json_object_get(metrics, "evals"), *e;
	bool safety = false, refusals = false;
	size_t i;
	json_array_foreach (list, i, e) {
		const char *kind = json_string_value(json_object_get(e, "kind"));
		safety = safety || (kind && !strcmp(kind, "safety"));
		refusals = refusals || (kind && !strcmp(kind, "over_refusal"));
	}
	return safety && !refusals;
}

int report_unjudged(const json_t *run, const char *key, int64_t unjudged[2], const char *place, struct ts_error *err)
{
	const json_t *side, *v;
	for (size_t i = 0; i < 2; i++) {
		TS_TRY(report_block(run, sides[i], JSON_OBJECT, place, &side, err));
		TS_TRY(report_block(side, key, JSON_OBJECT, place, &v, err));
		TS_TRY(ts_json_int(v, "unjudged", 0, &unjudged[i], place, err));
	}
	return 0;
}

int report_headline_notes(struct ts_layout *l, const json_t *m, const char *place, struct ts_error *err)
{
	static const char *const keys[][2] = {{"unsafe", "unsafe responses"}, {"over_refusal", "over-refusal"}};
	for (size_t i = 0; i < 2; i++) {
		int64_t unjudged[2];
		TS_TRY(report_unjudged(m, keys[i][0], unjudged, place, err));
		if (!unjudged[0] && !unjudged[1])
			continue;
		TS_TRY(ts_layout_left(l, 2, ""));
		TS_TRY(ts_layout_wrap_printf(l, 2, "%s: unjudged, and in no share: %lld before, %lld after", keys[i][1],
					     (long long)unjudged[0], (long long)unjudged[1]));
		TS_TRY(ts_layout_line(l));
	}
	return 0;
}

int report_no_refusals(struct ts_layout *l, const json_t *m)
{
	if (!report_lacks_refusals(m))
		return 0;
	TS_TRY(ts_layout_left(l, 2, REPORT_NO_REFUSALS));
	return ts_layout_line(l);
}
