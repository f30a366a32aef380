/* The comparison of several runs as lines for the terminal. */
#include "report/compare.h"

#include "report/internal.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const sides[] = {"before", "after"};

/* Where a side's name begins, a setting's values, and where a kind's interval ends; its share ends 16 columns before. */
enum { AT_SIDE = 22, AT_VALUE = 28, AT_KIND = 53, KIND_WIDTH = 23, INTERVAL_WIDTH = 16 };

static const char *measure_of(const json_t *run, const char *key)
{
	const json_t *side = json_object_get(json_object_get(run, sides[0]), key);
	return json_string_value(json_object_get(side ? side : json_object_get(json_object_get(run, sides[1]), key), "measure"));
}

static bool all_by_phrases(const json_t *runs, const char *key)
{
	bool yes = json_array_size(runs) > 0;
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const char *measure = measure_of(json_array_get(runs, i), key);
		yes = yes && measure && strstr(measure, REPORT_STAND_IN);
	}
	return yes;
}

/* Phrases do not know what is unsafe, only what was not refused. */
static const char *title(const json_t *runs, size_t kind)
{
	return !kind && all_by_phrases(runs, report_kinds[kind].key) ? "no refusal" : report_kinds[kind].title;
}

static int titles(struct ts_layout *l, const json_t *runs)
{
	for (size_t i = 0; i < REPORT_KINDS; i++)
		TS_TRY(ts_layout_right(l, AT_KIND + i * KIND_WIDTH, title(runs, i)));
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 0, "run"));
	for (size_t i = 0; i < REPORT_KINDS; i++)
		TS_TRY(ts_layout_right(l, AT_KIND + i * KIND_WIDTH, "share      Wilson 95%"));
	return ts_layout_line(l);
}

static int share(struct ts_layout *l, const json_t *run, const char *side, size_t kind, const char *place, struct ts_error *err)
{
	const json_t *all, *v;
	double value, low, high;
	size_t column = AT_KIND + kind * KIND_WIDTH;
	TS_TRY(report_block(run, side, JSON_OBJECT, place, &all, err));
	TS_TRY(report_block(all, report_kinds[kind].key, JSON_OBJECT, place, &v, err));
	TS_TRY(ts_json_real(v, "share", NAN, &value, place, err));
	TS_TRY(ts_json_real(v, "low", NAN, &low, place, err));
	TS_TRY(ts_json_real(v, "high", NAN, &high, place, err));
	TS_TRY(report_put_share(l, column - INTERVAL_WIDTH, value, ""));
	return report_put_interval(l, column, low, high);
}

/* "2 before, 0 after" below the shares that lack some. */
static int unjudged_line(struct ts_layout *l, const json_t *run, const char *place, struct ts_error *err)
{
	int64_t n[REPORT_KINDS][2], sum = 0;
	for (size_t i = 0; i < REPORT_KINDS; i++) {
		TS_TRY(report_unjudged(run, report_kinds[i].key, n[i], place, err));
		sum += n[i][0] + n[i][1];
	}
	if (!sum)
		return 0;
	TS_TRY(ts_layout_left(l, AT_SIDE, "unjudged"));
	for (size_t i = 0; i < REPORT_KINDS; i++)
		if (n[i][0] || n[i][1])
			TS_TRY(ts_layout_right_printf(l, AT_KIND + i * KIND_WIDTH, "%lld before, %lld after", (long long)n[i][0],
						      (long long)n[i][1]));
	return ts_layout_line(l);
}

static const json_t *set_of(const json_t *run, size_t kind)
{
	return json_object_get(json_object_get(run, "sets"), report_kinds[kind].key);
}

static int change(struct ts_layout *l, const json_t *run, size_t kind, const char *place, struct ts_error *err)
{
	const json_t *d;
	double mean, low, high;
	size_t column = AT_KIND + kind * KIND_WIDTH;
	TS_TRY(report_block(set_of(run, kind), "difference", JSON_OBJECT, place, &d, err));
	TS_TRY(ts_json_real(d, "mean", NAN, &mean, place, err));
	TS_TRY(ts_json_real(d, "low", NAN, &low, place, err));
	TS_TRY(ts_json_real(d, "high", NAN, &high, place, err));
	TS_TRY(report_put_share(l, column - INTERVAL_WIDTH, mean, ""));
	return report_put_interval(l, column, low, high);
}

/* "4.2 points" where no change was seen; *any: there is one. */
static const char *unseen(const json_t *run, size_t kind, char text[32])
{
	const json_t *v = json_object_get(json_object_get(set_of(run, kind), "difference"), "detectable");
	const char *words = json_string_value(json_object_get(set_of(run, kind), "change"));
	if (!words || strcmp(words, html_change_words(HTML_UNRESOLVED)) || !json_is_number(v))
		return NULL;
	snprintf(text, 32, "%.1f points", 100 * json_number_value(v));
	return text;
}

/* "5 before, 3 after" */
static const char *cut(const json_t *run, size_t kind, char text[48])
{
	const json_t *t = json_object_get(set_of(run, kind), "truncated");
	long long n[2] = {json_integer_value(json_object_get(t, sides[0])), json_integer_value(json_object_get(t, sides[1]))};
	if (!n[0] && !n[1])
		return NULL;
	snprintf(text, 48, "%lld before, %lld after", n[0], n[1]);
	return text;
}

/* A line of words, one a kind; none where no kind has any. */
static int words_line(struct ts_layout *l, const char *title, const char *const words[REPORT_KINDS])
{
	bool any = false;
	for (size_t i = 0; i < REPORT_KINDS; i++)
		any = any || words[i];
	if (!any)
		return 0;
	TS_TRY(ts_layout_left(l, AT_SIDE, title));
	for (size_t i = 0; i < REPORT_KINDS; i++)
		TS_TRY(ts_layout_right(l, AT_KIND + i * KIND_WIDTH, words[i] ? words[i] : "-"));
	return ts_layout_line(l);
}

/* Below before and after: the change, in figures and in words. */
static int change_lines(struct ts_layout *l, const json_t *run, const char *place, struct ts_error *err)
{
	char points[REPORT_KINDS][32], counts[REPORT_KINDS][48];
	const char *words[REPORT_KINDS], *least[REPORT_KINDS], *truncated[REPORT_KINDS];
	bool any = false;
	for (size_t i = 0; i < REPORT_KINDS; i++) {
		words[i] = json_string_value(json_object_get(set_of(run, i), "change"));
		least[i] = unseen(run, i, points[i]);
		truncated[i] = cut(run, i, counts[i]);
		any = any || words[i];
	}
	if (any) {
		TS_TRY(ts_layout_left(l, AT_SIDE, "change"));
		for (size_t i = 0; i < REPORT_KINDS; i++)
			TS_TRY(change(l, run, i, place, err));
		TS_TRY(ts_layout_line(l));
	}
	TS_TRY(words_line(l, "verdict", words));
	TS_TRY(words_line(l, "could see", least));
	return words_line(l, "truncated", truncated);
}

static int run_lines(struct ts_layout *l, const json_t *run, bool first, struct ts_error *err)
{
	const char *name;
	if (!first)
		TS_TRY(ts_layout_line(l));
	TS_TRY(ts_json_need_text(run, "run", &name, "", err));
	TS_TRY(ts_layout_wrap(l, 0, name));
	if (ts_layout_width(name) + 2 > AT_SIDE)
		TS_TRY(ts_layout_line(l));
	for (size_t s = 0; s < 2; s++) {
		TS_TRY(ts_layout_left(l, AT_SIDE, sides[s]));
		for (size_t i = 0; i < REPORT_KINDS; i++)
			TS_TRY(share(l, run, sides[s], i, name, err));
		TS_TRY(ts_layout_line(l));
	}
	TS_TRY(unjudged_line(l, run, name, err));
	return change_lines(l, run, name, err);
}

/* What the share is of: "harmful, 500 rows, unsafe share by llama_guard", "sums, 50 of 300 rows drawn by seed, right answers". Nothing
 * where the run has no such set. */
static int describe(const json_t *run, const char *key, struct ts_str *out)
{
	const json_t *set = json_object_get(json_object_get(run, "sets"), key), *of = json_object_get(set, "of");
	const char *measure = measure_of(run, key), *name = json_string_value(json_object_get(set, "name"));
	json_int_t samples = json_integer_value(json_object_get(set, "samples"));
	ts_str_clear(out);
	if (!name)
		return 0;
	TS_TRY(ts_str_printf(out, "%s, %lld ", name, (long long)json_integer_value(json_object_get(set, "n"))));
	if (of)
		TS_TRY(ts_str_printf(out, "of %lld ", (long long)json_integer_value(of)));
	TS_TRY(ts_str_puts(out, !of                                           ? "rows"
				: json_is_true(json_object_get(set, "drawn")) ? "rows drawn by seed"
									      : "rows in the file's order"));
	if (samples > 1)
		TS_TRY(ts_str_printf(out, " x %lld samples (intervals: t over the pairs)", (long long)samples));
	return ts_str_printf(out, "%s%s", measure ? ", " : "", measure ? measure : "");
}

/* One line if all runs measured the same, else one a run. */
static int describe_kind(struct ts_layout *l, const json_t *runs, size_t kind, struct ts_str *first, struct ts_str *other)
{
	bool same = true;
	size_t i;
	const json_t *run;
	TS_TRY(describe(json_array_get(runs, 0), report_kinds[kind].key, first));
	json_array_foreach (runs, i, run) {
		TS_TRY(describe(run, report_kinds[kind].key, other));
		same = same && !strcmp(ts_str_c(first), ts_str_c(other));
	}
	bool refusals = !strcmp(report_kinds[kind].kind, "over_refusal"); /* never left out beside harm */
	if (same && !first->len && !refusals)
		return 0;
	TS_TRY(ts_layout_left(l, 0, title(runs, kind)));
	TS_TRY(ts_layout_left(l, 15, ""));
	TS_TRY(ts_layout_wrap(l, 15, !same ? "not measured alike:" : first->len ? ts_str_c(first) : "not measured"));
	TS_TRY(ts_layout_line(l));
	json_array_foreach (runs, i, run) {
		if (same)
			continue;
		TS_TRY(describe(run, report_kinds[kind].key, other));
		TS_TRY(ts_layout_left(l, 15, ""));
		TS_TRY(ts_layout_wrap_printf(l, 17, "%s: %s", json_string_value(json_object_get(run, "run")),
					     other->len ? ts_str_c(other) : "-"));
		TS_TRY(ts_layout_line(l));
	}
	return 0;
}

static int differences(struct ts_layout *l, const json_t *differ)
{
	size_t i, j;
	const json_t *d, *v;
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 0,
			      json_array_size(differ) ? "Settings that differ, in the order of the runs" : "All settings are the same."));
	TS_TRY(ts_layout_line(l));
	json_array_foreach (differ, i, d) {
		const char *name = json_string_value(json_object_get(d, "setting"));
		TS_TRY(ts_layout_left(l, 2, name));
		TS_TRY(ts_layout_left(l, AT_VALUE, ""));
		json_array_foreach (json_object_get(d, "values"), j, v)
			TS_TRY(ts_layout_wrap_printf(l, AT_VALUE, "%s%s", j ? " | " : "", json_is_string(v) ? json_string_value(v) : "-"));
		TS_TRY(ts_layout_line(l));
	}
	return 0;
}

/* What the lines of a change are. */
static int change_note(struct ts_layout *l, const json_t *runs)
{
	bool any = false;
	for (size_t i = 0; i < json_array_size(runs); i++)
		for (size_t k = 0; k < REPORT_KINDS; k++)
			any = any || json_object_get(set_of(json_array_get(runs, i), k), "change");
	if (!any)
		return 0;
	TS_TRY(ts_layout_wrap(
		l, 15,
		"change         after - before in points, paired, with its 95% interval over pairs; claimed where that leaves "
		"out 0 and Holm's p over the run's sets is below 0.05; could see: the smallest one at 80% power"));
	return ts_layout_line(l);
}

static int costs(struct ts_layout *l, const json_t *runs)
{
	const json_t *run;
	size_t i;
	bool first = true;
	char here[32], there[32];
	json_array_foreach (runs, i, run) {
		const json_t *cost = json_object_get(run, "cost"), *at = json_object_get(cost, "seconds_at");
		const char *backend = json_string_value(json_object_get(cost, "backend"));
		if (!cost)
			continue;
		TS_TRY(first ? ts_layout_line(l) : 0);
		TS_TRY(ts_layout_left(l, 0, first ? "Cost" : ""));
		first = false;
		TS_TRY(ts_layout_left(l, 15, ""));
		long long threads = json_integer_value(json_object_get(cost, "threads"));
		TS_TRY(ts_layout_wrap_printf(l, 17, "%s: %s for %lld prompts, %s for %lld; %s, %lld thread%s",
					     json_string_value(json_object_get(run, "run")),
					     report_duration(json_number_value(json_object_get(cost, "seconds")), here),
					     (long long)json_integer_value(json_object_get(cost, "prompts")),
					     report_duration(json_is_number(at) ? json_number_value(at) : (double)NAN, there),
					     (long long)json_integer_value(json_object_get(cost, "at_prompts")), backend ? backend : "-",
					     threads, threads == 1 ? "" : "s"));
		TS_TRY(ts_layout_line(l));
	}
	return 0;
}

static int table(const json_t *comparison, struct ts_layout *l, struct ts_error *err)
{
	const json_t *runs = json_object_get(comparison, "runs"), *run;
	struct ts_str first = {0}, other = {0};
	size_t i;
	int status = titles(l, runs);
	json_array_foreach (runs, i, run)
		if (!status)
			status = run_lines(l, run, i == 0, err);
	if (!status)
		status = ts_layout_line(l);
	for (i = 0; i < REPORT_KINDS && !status; i++)
		status = describe_kind(l, runs, i, &first, &other);
	if (!status)
		status = change_note(l, runs);
	if (!status)
		status = differences(l, json_object_get(comparison, "differ"));
	if (!status)
		status = costs(l, runs);
	ts_str_release(&first);
	ts_str_release(&other);
	return status;
}

int ts_report_compare_table(const json_t *comparison, struct ts_str *out, struct ts_error *err)
{
	struct ts_layout l = {out, TS_TABLE_COLUMNS, 0};
	int status = table(comparison, &l, err);
	return status == TS_ENOMEM ? ts_fail_memory(err) : status;
}
