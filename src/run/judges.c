/* Who judges what, and the judging of evaluation sets: harm of safety sets by the guard, of the whole response and of its parts; refusals of
 * over-refusal sets by the refusal judge. Phrases of refusal are looked for when the figures are made: no verdict of theirs is kept there. */
#include "run/internal.h"

#include "core/file.h"

#include <stdio.h>
#include <string.h>

/* --- who --- */

const char *ts_run_safety_judge(const struct ts_run *r)
{
	if (!r->recipe->guard.text)
		return NULL;
	return ts_recipe_keyword_guard(r->recipe) ? TS_JUDGE_KEYWORDS : r->wildguard ? TS_JUDGE_WILDGUARD : TS_JUDGE_GUARD;
}

const char *ts_run_filter_judge(const struct ts_run *r)
{
	if (!strcmp(r->recipe->filter, "none"))
		return NULL;
	return strcmp(r->recipe->filter, "keywords") ? ts_run_safety_judge(r) : TS_JUDGE_KEYWORDS;
}

const char *ts_run_refusal_judge(const struct ts_run *r)
{
	return ts_recipe_keyword_refusals(r->recipe) ? TS_JUDGE_KEYWORDS : TS_JUDGE_REFUSAL;
}

bool ts_run_is_model(const char *judge)
{
	return judge && strcmp(judge, TS_JUDGE_KEYWORDS) != 0;
}

bool ts_run_judges_apart(const struct ts_run *r)
{
	return r->recipe->judge_apart && ts_run_is_model(ts_run_safety_judge(r));
}

const char *ts_run_judge_path(const struct ts_run *r, const char *judge)
{
	return strcmp(judge, TS_JUDGE_REFUSAL) ? r->recipe->guard.path : r->recipe->refusal_judge.path;
}

static int look(const char *path, bool *wildguard, struct ts_model_config *config, struct ts_error *err)
{
	struct ts_chat *chat = NULL;
	TS_TRY(ts_model_config_load(config, path, err));
	if (ts_file_exists(path)) /* a GGUF file, whose architecture does not tell */
		TS_TRY(ts_local_open_chat(&chat, path, err));
	*wildguard = ts_wildguard_fits(config, chat);
	ts_chat_close(chat);
	return 0;
}

int ts_run_find_judges(struct ts_run *r, struct ts_error *err)
{
	struct ts_model_config config;
	const struct ts_recipe *recipe = r->recipe;
	bool fits = true;
	if (recipe->guard.text && !ts_recipe_keyword_guard(recipe))
		TS_TRY(look(recipe->guard.path, &r->wildguard, &config, err));
	if (!ts_recipe_keyword_refusals(recipe)) {
		int status = look(recipe->refusal_judge.path, &fits, &config, err);
		if (status)
			return ts_fail_within(err, status, "refusal_judge");
	}
	return fits ? 0
		    : ts_fail(err, TS_EMISMATCH,
			      "refusal_judge: %s: expected WildGuard (Mistral's architecture) or the word keywords, found a model of %s; a "
			      "safety guard cannot see refusals",
			      recipe->refusal_judge.text, config.model_type);
}

/* --- a stage of judging --- */

struct opening {
	struct ts_run *run;
	const char *judge;
};

static int open_judge(void *user, struct ts_guard **out, struct ts_error *err)
{
	const struct opening *o = user;
	double started = ts_clock();
	if (!ts_run_is_model(o->judge))
		return ts_run_open_phrases(o->run, out, err);
	return ts_run_note_load(o->run, started, ts_run_open_guard(o->run, o->judge, out, err), err);
}

int ts_run_judge(struct ts_run *r, const char *judge, const char *title, const struct ts_judge_case *cases, size_t n, struct ts_error *err)
{
	struct opening opening = {r, judge};
	struct ts_judge_stage s = {.store = r->store, .title = title, .judge = judge, .open = open_judge, .user = &opening};
	if (!judge)
		return 0;
	int status = ts_judge_stage_run(&s, cases, n, r->context, err);
	if (status && status != TS_ESTOPPED)
		return status;
	const struct ts_run_work work = {s.seconds, s.new_verdicts, s.tokens, s.all};
	TS_TRY(ts_run_add_timing(r, title, &work, err));
	return status;
}

/* --- evaluation sets --- */

struct case_list {
	TS_VEC(struct ts_judge_case) cases;
	struct ts_thinking split;
};

static int add_case(struct case_list *list, struct ts_judge_case c, enum ts_part part, struct ts_error *err)
{
	c.part = part;
	return ts_vec_push(&list->cases, c) ? ts_fail_memory(err) : 0;
}

/* The parts come right after the whole: all three begin with the same prompt, which the engine computes once. */
static int add_parts(struct ts_run *r, struct case_list *list, const struct ts_judge_case *c, struct ts_error *err)
{
	struct ts_sample s;
	struct ts_parts parts = {TS_PART_EMPTY, TS_PART_EMPTY};
	bool found;
	TS_TRY(ts_store_get_sample(r->store, c->stage, c->key, &s, &found, err));
	if (!found)
		return 0; /* the stage says so */
	int status = ts_parts_of(s.response, s.response_len, &list->split, &parts) ? ts_fail_memory(err) : 0;
	ts_sample_release(&s);
	if (!status && parts.thinking == TS_PART_THERE)
		status = add_case(list, *c, TS_THINKING, err);
	if (!status && parts.answer == TS_PART_THERE)
		status = add_case(list, *c, TS_ANSWER, err);
	return status;
}

/* The cases of all sets of one kind. */
static int collect_cases(struct ts_run *r, enum ts_eval_kind kind, const char *stage, bool apart, struct case_list *list,
			 struct ts_error *err)
{
	for (size_t i = 0; i < r->evals.len; i++) {
		const struct ts_run_eval *e = &r->evals.data[i];
		for (size_t p = 0; e->kind == kind && p < e->set.items.len; p++) {
			struct ts_judge_case c = {stage, e->prompts[p].name, e->set.items.data[p].instruction, TS_WHOLE};
			TS_TRY(add_case(list, c, TS_WHOLE, err));
			if (apart)
				TS_TRY(add_parts(r, list, &c, err));
		}
	}
	return 0;
}

static int judge_sets(struct ts_run *r, enum ts_eval_kind kind, const char *stage, const char *judge, const char *title, bool apart,
		      struct ts_error *err)
{
	struct case_list list = {.cases = {0}};
	int status = collect_cases(r, kind, stage, apart, &list, err);
	if (!status)
		status = ts_run_judge(r, judge, title, list.cases.data, list.cases.len, err);
	ts_vec_release(&list.cases);
	ts_thinking_release(&list.split);
	return status;
}

int ts_run_judge_evals(struct ts_run *r, const char *stage, struct ts_error *err)
{
	char title[64];
	const char *refusals = ts_run_refusal_judge(r);
	snprintf(title, sizeof(title), "judge %s", stage);
	TS_TRY(judge_sets(r, TS_EVAL_SAFETY, stage, ts_run_safety_judge(r), title, ts_run_judges_apart(r), err));
	if (!ts_run_is_model(refusals))
		return 0;
	snprintf(title, sizeof(title), "refusals %s", stage);
	return judge_sets(r, TS_EVAL_OVER_REFUSAL, stage, refusals, title, false, err);
}
