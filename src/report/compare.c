#include "report/compare.h"

#include "report/cost.h"
#include "report/internal.h"

#include <string.h>

const struct report_kind report_kinds[REPORT_KINDS] = {{"unsafe", "safety", "unsafe", "Harmful prompts"},
						       {"over_refusal", "over_refusal", "over-refusal", "Over-refusal"},
						       {"reasoning", "reasoning", "right answers", "Reasoning"}};
static const char *const sides[] = {"before", "after"};

/* What may be said of the set's change, and how many answers were cut. */
static int add_change(const json_t *eval, const char *place, json_t *set, struct ts_error *err)
{
	struct html h = {.place = place, .err = err};
	struct html_eval e;
	json_t *truncated;
	TS_TRY(html_read_eval(&h, eval, &e));
	TS_TRY(ts_json_set(set, "pairs", json_integer((json_int_t)e.pairs), err));
	if (e.has_difference) {
		if (json_object_set(set, "difference", json_object_get(eval, "difference")))
			return ts_fail_memory(err);
		TS_TRY(ts_json_set(set, "change", json_string(html_change_words(html_change_of(&e))), err));
	}
	TS_TRY(ts_json_set(set, "truncated", truncated = json_object(), err));
	if (e.has_before)
		TS_TRY(ts_json_set(truncated, "before", json_integer((json_int_t)e.before.truncated), err));
	return e.has_after ? ts_json_set(truncated, "after", json_integer((json_int_t)e.after.truncated), err) : 0;
}

/* The first set of a kind: the one that the headline is of. */
static int add_set(const json_t *evals, const char *key, const char *kind, const char *place, json_t *sets, struct ts_error *err)
{
	for (size_t i = 0; i < json_array_size(evals); i++) {
		const json_t *e = json_array_get(evals, i);
		const char *name, *found;
		int64_t n, samples;
		TS_TRY(ts_json_text(e, "kind", &found, place, err));
		if (!found || strcmp(found, kind))
			continue;
		TS_TRY(ts_json_need_text(e, "name", &name, place, err));
		TS_TRY(ts_json_int(e, "n", 0, &n, place, err));
		TS_TRY(ts_json_int(e, "samples", 1, &samples, place, err));
		json_t *of = json_object_get(e, "of"), *drawn = json_object_get(e, "drawn"); /* of a part of its file */
		json_t *set = json_pack("{s:s, s:I, s:I, s:O*, s:O*}", "name", name, "n", (json_int_t)n, "samples", (json_int_t)samples,
					"of", of, "drawn", drawn);
		TS_TRY(ts_json_set(sets, key, set, err));
		return add_change(e, place, set, err);
	}
	return 0;
}

static int add_run(const struct ts_report_run *run, json_t *list, struct ts_error *err)
{
	static const char *const names[] = {"method", "model", "guard", "refusal_judge", "seed"};
	const json_t *v, *evals;
	json_t *entry = json_object(), *sets = json_object(), *cost = NULL;
	int status = json_array_append_new(list, entry) ? ts_fail_memory(err) : 0;
	if (!status)
		status = ts_json_set(entry, "run", json_string(run->name), err);
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
	for (size_t i = 0; i < REPORT_KINDS && !status; i++)
		status = add_set(evals, report_kinds[i].key, report_kinds[i].kind, run->name, sets, err);
	if (!status)
		status = ts_report_cost(run->metrics, run->timing, &cost, err);
	if (!status && cost)
		status = ts_json_set(entry, "cost", json_incref(cost), err);
	json_decref(cost);
	if (!status)
		return ts_json_set(entry, "sets", sets, err);
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
	int status = ts_json_set(out, "runs", list, err);
	if (!status)
		status = ts_json_set(out, "differ", differ, err);
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
