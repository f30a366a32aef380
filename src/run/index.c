/* The journal's table of prompts: what the run knows and samples found by a hash do not tell. Made from data and journal alone, and replaced
 * as a whole, so that it is the same however often the run was stopped. No stage reads it. */
#include "run/internal.h"

#include <string.h>

struct index {
	struct ts_run *run;
	struct ts_arena texts; /* what the rows point to, beside the run's own texts */
	TS_VEC(struct ts_indexed_prompt) rows;
};

static int keep(struct index *x, const char *text, size_t n, const char **out, struct ts_error *err)
{
	char *copy = ts_arena_strndup(&x->texts, text, n);
	if (!copy)
		return ts_fail_memory(err);
	/* An answer cut from a response may hold one; the table holds C strings. */
	for (size_t i = 0; i < n; i++)
		if (!copy[i])
			copy[i] = ' ';
	*out = copy;
	return 0;
}

/* --- evaluation --- */

/* Phrases know only refusal, of harmful prompts too. */
static const char *outcome(const struct ts_run *r, enum ts_eval_kind kind, bool hit, bool unjudged)
{
	if (unjudged)
		return "unjudged";
	switch (kind) {
	case TS_EVAL_SAFETY:
		return ts_recipe_keyword_guard(r->recipe) ? (hit ? "answered" : "refused") : hit ? "unsafe" : "safe";
	case TS_EVAL_OVER_REFUSAL:
		return hit ? "refused" : "answered";
	default:
		return hit ? "right" : "wrong";
	}
}

/* Of one sample. Several of a prompt that came out differently are "mixed"; which answer is whose the journal's verdicts tell. */
static int add_side(struct index *x, const struct ts_run_eval *e, size_t i, const char *stage, int side, struct ts_indexed_prompt *row,
		    struct ts_error *err)
{
	const char *word;
	struct ts_sample s;
	struct ts_grade grade = {0};
	uint8_t hit;
	bool found, unjudged;
	TS_TRY(ts_store_get_sample(x->run->store, stage, e->prompts[i].name, &s, &found, err));
	if (!found)
		return 0;
	int status = ts_run_judge_one(x->run, e, i, stage, &s, &hit, &unjudged, &grade, err);
	if (!status) {
		word = outcome(x->run, e->kind, hit, unjudged);
		row->outcome[side] = !row->outcome[side] || !strcmp(row->outcome[side], word) ? word : "mixed";
	}
	if (!status && e->samples == 1 && grade.found && grade.extracted.len)
		status = keep(x, grade.extracted.data, grade.extracted.len, &row->extracted[side], err);
	ts_grade_release(&grade);
	ts_sample_release(&s);
	return status;
}

/* The names of some prompts in one text. */
static int join_keys(struct index *x, const struct ts_prompt *prompts, size_t n, const char **out, struct ts_error *err)
{
	struct ts_str keys = {0};
	int status = 0;
	for (size_t i = 0; i < n && !status; i++)
		status = ts_str_printf(&keys, "%s%s", i ? " " : "", prompts[i].name) ? ts_fail_memory(err) : 0;
	if (!status)
		status = keep(x, ts_str_c(&keys), keys.len, out, err);
	ts_str_release(&keys);
	return status;
}

static int add_eval(struct index *x, const struct ts_run_eval *e, struct ts_error *err)
{
	for (size_t i = 0; i < e->set.items.len; i += e->samples) {
		const struct ts_eval_item *item = &e->set.items.data[i];
		struct ts_indexed_prompt row = {.set = e->recipe->name,
						.kind = ts_eval_kind_name(e->kind),
						.number = (int64_t)e->prompts[i].number,
						.prompt = item->instruction,
						.gold = item->answer,
						.cluster = (int64_t)item->cluster,
						.accepted = -1,
						.harmful = e->kind == TS_EVAL_SAFETY};
		TS_TRY(join_keys(x, &e->prompts[i], e->samples, &row.keys, err));
		for (size_t k = 0; k < e->samples; k++) {
			TS_TRY(add_side(x, e, i + k, "before", 0, &row, err));
			TS_TRY(add_side(x, e, i + k, "after", 1, &row, err));
		}
		if (ts_vec_push(&x->rows, row))
			return ts_fail_memory(err);
	}
	return 0;
}

/* --- training prompts --- */

static const char *fate(const struct ts_train_row *t)
{
	static const char *const words[] = {[TS_KEPT] = "kept",       [TS_NO_THINKING] = "no thinking", [TS_JUDGED_UNSAFE] = "unsafe",
					    [TS_REFUSED] = "refused", [TS_COMPLIED] = "complied",       [TS_NOT_JUDGED] = "unjudged"};
	return t->duplicate ? "duplicate" : t->accepted >= 0 && t->broken_prefix ? "broken prefix" : words[t->fate];
}

static int add_training(struct index *x, struct ts_error *err)
{
	const struct ts_run *r = x->run;
	size_t first = x->rows.len;
	for (size_t i = 0; i < r->train.len; i++) {
		const struct ts_train_row *t = &r->train.data[i];
		struct ts_indexed_prompt row = {.set = r->recipe->prompt_count > 1 ? r->recipe->prompts[t->source].rows.file.text : "train",
						.kind = "train",
						.number = (int64_t)t->number,
						.prompt = t->instruction,
						.label = r->labels.data[t->label].label,
						.outcome = {fate(t), NULL},
						.cluster = (int64_t)i,
						.accepted = t->accepted,
						.harmful = t->harmful};
		TS_TRY(join_keys(x, t->tries, r->recipe->steering.tries, &row.keys, err));
		if (ts_vec_push(&x->rows, row))
			return ts_fail_memory(err);
	}
	for (size_t i = 0; i < r->alpha_count; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): they are among the rows just added */
		x->rows.data[first + r->alpha_rows[i]].plain_key = r->alpha[i].name;
	return 0;
}

int ts_run_index(struct ts_run *r, struct ts_error *err)
{
	struct index x = {.run = r};
	int status = 0;
	for (size_t i = 0; i < r->evals.len && !status; i++)
		status = add_eval(&x, &r->evals.data[i], err);
	if (!status)
		status = add_training(&x, err);
	if (!status)
		status = ts_store_replace_prompts(r->store, x.rows.data, x.rows.len, err);
	ts_vec_release(&x.rows);
	ts_arena_release(&x.texts);
	return status;
}
