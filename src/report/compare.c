#include "report/compare.h"

#include "report/internal.h"
#include "report/table.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *key, *kind, *title;
} kinds[] = {{"unsafe", "safety", "unsafe"}, {"over_refusal", "over_refusal", "over-refusal"}, {"reasoning", "reasoning", "right answers"}};
#define KINDS (sizeof(kinds) / sizeof(*kinds))
static const char *const sides[] = {"before", "after"};

/* --- the comparison --- */

static int put(json_t *object, const char *key, json_t *value, struct ts_error *err)
{
	return json_object_set_new(object, key, value) ? ts_fail_memory(err) : 0;
}

/* The first set of a kind: the one that the headline is of. */
static int add_set(const json_t *evals, const char *key, const char *kind, const char *place, json_t *sets, struct ts_error *err)
{
	for (size_t i = 0; i < json_array_size(evals); i++) {
		const json_t *e = json_array_get(evals, i);
		const char *name, *found;
		int64_t n;
		TS_TRY(ts_json_text(e, "kind", &found, place, err));
		if (!found || strcmp(found, kind))
			continue;
		TS_TRY(ts_json_need_text(e, "name", &name, place, err));
		TS_TRY(ts_json_int(e, "n", 0, &n, place, err));
		json_t *of = json_object_get(e, "of"), *drawn = json_object_get(e, "drawn"); /* of a part of its file */
		return put(sets, key, json_pack("{s:s, s:I, s:O*, s:O*}", "name", name, "n", (json_int_t)n, "of", of, "drawn", drawn), err);
	}
	return 0;
}

static int add_run(const struct ts_report_run *run, json_t *list, struct ts_error *err)
{
	static const char *const names[] = {"method", "model", "guard", "refusal_judge", "seed"};
	const json_t *v, *evals;
	json_t *entry = json_object(), *sets = json_object();
	int status = json_array_append_new(list, entry) ? ts_fail_memory(err) : 0;
	if (!status)
		status = put(entry, "run", json_string(run->name), err);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !status; i++)
		if ((v = json_object_get(run->metrics, names[i])))
			status = json_object_set(entry, names[i], (json_t *)v) ? ts_fail_memory(err) : 0;
	for (size_t i = 0; i < 2 && !status; i++) {
		status = report_block(run->metrics, sides[i], JSON_OBJECT, run->name, &v, err);
		if (!status && v && json_object_set(entry, sides[i], (json_t *)v))
			status = ts_fail_memory(err);
	}
	if (!status)
		status = report_block(run->metrics, "evals", JSON_ARRAY, run->name, &evals, err);
	for (size_t i = 0; i < KINDS && !status; i++)
		status = add_set(evals, kinds[i].key, kinds[i].kind, run->name, sets, err);
	if (!status)
		return put(entry, "sets", sets, err);
	json_decref(sets);
	return status;
}

/* The setting's values if they are not all the same, else nothing. */
static int add_difference(const struct ts_report_run *runs, size_t n, const char *name, json_t *list, struct ts_error *err)
{
	bool same = true;
	for (size_t i = 1; i < n; i++) {
		const json_t *a = json_object_get(runs[0].settings, name), *b = json_object_get(runs[i].settings, name);
		same = same && (a == b || json_equal(a, b));
	}
	if (same)
		return 0;
	json_t *values = json_array(), *entry = json_pack("{s:s, s:o}", "setting", name, "values", values);
	if (!entry || json_array_append_new(list, entry))
		return ts_fail_memory(err);
	for (size_t i = 0; i < n; i++) {
		json_t *v = json_object_get(runs[i].settings, name);
		if (v ? json_array_append(values, v) : json_array_append_new(values, json_null()))
			return ts_fail_memory(err);
	}
	return 0;
}

/* Each setting once, where the first run that has it has it. */
static int add_differences(const struct ts_report_run *runs, size_t n, json_t *list, struct ts_error *err)
{
	for (size_t i = 0; i < n; i++) {
		json_t *settings = (json_t *)runs[i].settings; /* the loop macro wants it so; nothing is changed */
		const char *name;
		json_t *value;
		json_object_foreach (settings, name, value) {
			bool known = false;
			for (size_t j = 0; j < i; j++)
				known = known || json_object_get(runs[j].settings, name);
			if (!known)
				TS_TRY(add_difference(runs, n, name, list, err));
		}
	}
	return 0;
}

int ts_report_compare(const struct ts_report_run *runs, size_t n, json_t **comparison, struct ts_error *err)
{
	json_t *out = json_object(), *list = json_array(), *differ = json_array();
	int status = put(out, "runs", list, err);
	if (!status)
		status = put(out, "differ", differ, err);
	else
		json_decref(differ);
	for (size_t i = 0; i < n && !status; i++)
		status = add_run(&runs[i], list, err);
	if (!status)
		status = add_differences(runs, n, differ, err);
	if (status)
		json_decref(out);
	else
		*comparison = out;
	return status;
}

/* --- the table --- */

/* Where a side's name begins, a setting's values, and where a kind's interval ends; its share ends 16 columns before. */
enum { AT_SIDE = 24, AT_VALUE = 28, AT_KIND = 53, KIND_WIDTH = 23, INTERVAL_WIDTH = 16 };

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
	return !kind && all_by_phrases(runs, kinds[kind].key) ? "no refusal" : kinds[kind].title;
}

static int titles(struct ts_layout *l, const json_t *runs)
{
	for (size_t i = 0; i < KINDS; i++)
		TS_TRY(ts_layout_right(l, AT_KIND + i * KIND_WIDTH, title(runs, i)));
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 0, "run"));
	for (size_t i = 0; i < KINDS; i++)
		TS_TRY(ts_layout_right(l, AT_KIND + i * KIND_WIDTH, "share      Wilson 95%"));
	return ts_layout_line(l);
}

static int share(struct ts_layout *l, const json_t *run, const char *side, size_t kind, const char *place, struct ts_error *err)
{
	const json_t *all, *v;
	double value, low, high;
	size_t column = AT_KIND + kind * KIND_WIDTH;
	TS_TRY(report_block(run, side, JSON_OBJECT, place, &all, err));
	TS_TRY(report_block(all, kinds[kind].key, JSON_OBJECT, place, &v, err));
	TS_TRY(ts_json_real(v, "share", NAN, &value, place, err));
	TS_TRY(ts_json_real(v, "low", NAN, &low, place, err));
	TS_TRY(ts_json_real(v, "high", NAN, &high, place, err));
	TS_TRY(report_put_share(l, column - INTERVAL_WIDTH, value, ""));
	return report_put_interval(l, column, low, high);
}

/* "2 before, 0 after" below the shares that lack some. */
static int unjudged_line(struct ts_layout *l, const json_t *run, const char *place, struct ts_error *err)
{
	int64_t n[KINDS][2], sum = 0;
	for (size_t i = 0; i < KINDS; i++) {
		TS_TRY(report_unjudged(run, kinds[i].key, n[i], place, err));
		sum += n[i][0] + n[i][1];
	}
	if (!sum)
		return 0;
	TS_TRY(ts_layout_left(l, AT_SIDE, "unjudged"));
	for (size_t i = 0; i < KINDS; i++)
		if (n[i][0] || n[i][1])
			TS_TRY(ts_layout_right_printf(l, AT_KIND + i * KIND_WIDTH, "%lld before, %lld after", (long long)n[i][0],
						      (long long)n[i][1]));
	return ts_layout_line(l);
}

static int run_lines(struct ts_layout *l, const json_t *run, struct ts_error *err)
{
	const char *name;
	TS_TRY(ts_json_need_text(run, "run", &name, "", err));
	TS_TRY(ts_layout_wrap(l, 0, name));
	if (ts_layout_width(name) + 2 > AT_SIDE)
		TS_TRY(ts_layout_line(l));
	for (size_t s = 0; s < 2; s++) {
		TS_TRY(ts_layout_left(l, AT_SIDE, sides[s]));
		for (size_t i = 0; i < KINDS; i++)
			TS_TRY(share(l, run, sides[s], i, name, err));
		TS_TRY(ts_layout_line(l));
	}
	return unjudged_line(l, run, name, err);
}

/* What the share is of: "harmful, 500 rows, unsafe share by llama_guard", "sums, 50 of 300 rows drawn by seed, right answers". Nothing
 * where the run has no such set. */
static int describe(const json_t *run, const char *key, struct ts_str *out)
{
	const json_t *set = json_object_get(json_object_get(run, "sets"), key), *of = json_object_get(set, "of");
	const char *measure = measure_of(run, key), *name = json_string_value(json_object_get(set, "name"));
	ts_str_clear(out);
	if (!name)
		return 0;
	TS_TRY(ts_str_printf(out, "%s, %lld ", name, (long long)json_integer_value(json_object_get(set, "n"))));
	if (of)
		TS_TRY(ts_str_printf(out, "of %lld ", (long long)json_integer_value(of)));
	TS_TRY(ts_str_puts(out, !of                                           ? "rows"
				: json_is_true(json_object_get(set, "drawn")) ? "rows drawn by seed"
									      : "rows in the file's order"));
	return ts_str_printf(out, "%s%s", measure ? ", " : "", measure ? measure : "");
}

/* One line if all runs measured the same, else one a run. */
static int describe_kind(struct ts_layout *l, const json_t *runs, size_t kind, struct ts_str *first, struct ts_str *other)
{
	bool same = true;
	size_t i;
	const json_t *run;
	TS_TRY(describe(json_array_get(runs, 0), kinds[kind].key, first));
	json_array_foreach (runs, i, run) {
		TS_TRY(describe(run, kinds[kind].key, other));
		same = same && !strcmp(ts_str_c(first), ts_str_c(other));
	}
	bool refusals = !strcmp(kinds[kind].kind, "over_refusal"); /* never left out beside harm */
	if (same && !first->len && !refusals)
		return 0;
	TS_TRY(ts_layout_left(l, 0, title(runs, kind)));
	TS_TRY(ts_layout_left(l, 15, ""));
	TS_TRY(ts_layout_wrap(l, 15, !same ? "not measured alike:" : first->len ? ts_str_c(first) : "not measured"));
	TS_TRY(ts_layout_line(l));
	json_array_foreach (runs, i, run) {
		if (same)
			continue;
		TS_TRY(describe(run, kinds[kind].key, other));
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

static int table(const json_t *comparison, struct ts_layout *l, struct ts_error *err)
{
	const json_t *runs = json_object_get(comparison, "runs"), *run;
	struct ts_str first = {0}, other = {0};
	size_t i;
	int status = titles(l, runs);
	json_array_foreach (runs, i, run)
		if (!status)
			status = run_lines(l, run, err);
	if (!status)
		status = ts_layout_line(l);
	for (i = 0; i < KINDS && !status; i++)
		status = describe_kind(l, runs, i, &first, &other);
	if (!status)
		status = differences(l, json_object_get(comparison, "differ"));
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
