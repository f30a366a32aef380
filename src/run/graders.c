/* Two graders beside each other: how many answers each calls right, and the answers on which they disagree, for metrics.json. */
#include "run/internal.h"

#include "text/visible.h"

#include <stdio.h>
#include <string.h>

/* A response may hold bytes that JSON cannot. */
static int put_visible(json_t *object, const char *key, const char *text, size_t n, struct ts_error *err)
{
	struct ts_str shown = {0};
	int status = ts_visible(text, n, &shown) ? ts_fail_memory(err) : 0;
	if (!status)
		status = ts_json_set(object, key, json_stringn(ts_str_c(&shown), shown.len), err);
	ts_str_release(&shown);
	return status;
}

static int add_disagreement(const struct ts_run_eval *e, size_t i, const char *stage, const struct ts_grade *grade, json_t *list,
			    struct ts_error *err)
{
	const char *gold = e->set.items.data[i].answer;
	json_t *entry = json_object();
	if (json_array_append_new(list, entry))
		return ts_fail_memory(err);
	TS_TRY(ts_json_set(entry, "stage", json_string(stage), err));
	TS_TRY(ts_json_set(entry, "row", json_integer((json_int_t)e->prompts[i].number), err));
	if (e->samples > 1)
		TS_TRY(ts_json_set(entry, "sample", json_integer((json_int_t)(i % e->samples + 1)), err));
	TS_TRY(put_visible(entry, "gold", gold, strlen(gold), err));
	if (grade->found)
		TS_TRY(put_visible(entry, "extracted", ts_str_c(&grade->extracted), grade->extracted.len, err));
	else
		TS_TRY(ts_json_set(entry, "extracted", json_null(), err));
	TS_TRY(ts_json_set(entry, "strict", json_string(grade->equal ? "right" : "wrong"), err));
	return ts_json_set(entry, "paper", json_string(grade->paper ? "right" : "wrong"), err);
}

int ts_run_count_grade(struct ts_run_grades *g, const struct ts_run_eval *e, size_t i, const char *stage, const struct ts_grade *grade,
		       struct ts_error *err)
{
	g->right[TS_GRADER_STRICT] += grade->equal;
	g->right[TS_GRADER_PAPER] += grade->paper;
	if (grade->equal == grade->paper)
		return 0;
	g->disagreements++;
	return add_disagreement(e, i, stage, grade, g->list, err);
}

int ts_run_begin_grading(struct ts_run *r, struct ts_error *err)
{
	struct ts_str known = {0};
	char version[16];
	bool found;
	snprintf(version, sizeof(version), "%d", TS_GRADER_VERSION);
	int status = ts_store_get_meta(r->store, "graders", &known, &found, err);
	bool same = !status && found && !strcmp(ts_str_c(&known), version);
	ts_str_release(&known);
	if (status || same)
		return status;
	for (int g = TS_GRADER_STRICT; g <= TS_GRADER_PAPER; g++)
		TS_TRY(ts_store_forget_verdicts(r->store, ts_grader_name((enum ts_grader)g), err));
	return ts_store_put_meta(r->store, "graders", version, err);
}

int ts_run_put_grades(const struct ts_run_grades *g, const char *stage, json_t *graders, struct ts_error *err)
{
	return ts_json_set(graders, stage,
			   json_pack("{s:I, s:I, s:I}", "strict", (json_int_t)g->right[TS_GRADER_STRICT], "paper",
				     (json_int_t)g->right[TS_GRADER_PAPER], "disagreements", (json_int_t)g->disagreements),
			   err);
}
