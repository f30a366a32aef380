/* The data of a run: evaluation sets, training prompts with their labels, and the prompts made of them. All of it depends on the recipe and
 * its files alone, so a resumed run finds the samples it already has by their names. */
#include "run/internal.h"

#include "core/map.h"

#include <stdio.h>
#include <string.h>

/* All prompts first: one that does not fit must not stop the run when hours of it are done. */
static int check_length(struct ts_run *r, const struct ts_prompt *p, struct ts_error *err)
{
	if (!r->positions) {
		struct ts_model_config config;
		TS_TRY(ts_model_config_load(&config, r->recipe->model.path, err));
		r->positions = (size_t)config.max_positions;
	}
	if (p->ids.len <= r->positions)
		return 0;
	return ts_fail(err, TS_ELIMIT, "a prompt of %zu tokens, expected at most %zu (the model's context)", p->ids.len, r->positions);
}

/* --- evaluation --- */

static struct ts_prompt_choice choice(const struct ts_run *r, const struct ts_recipe_rows *rows)
{
	return (struct ts_prompt_choice){.format = rows->format,
					 .prompt = rows->prompt,
					 .answer = rows->answer,
					 .split = rows->split,
					 .shuffle = rows->shuffle,
					 .seed = r->recipe->seed,
					 .skip = rows->skip,
					 .limit = rows->limit};
}

/* The words were checked with the recipe, or are the format's. */
static int find_grader(struct ts_run_eval *e, struct ts_error *err)
{
	const struct ts_format *format = e->set.file.format;
	const char *words = e->recipe->grader ? e->recipe->grader : format->grader;
	bool has_dataset = false;
	if (e->kind != TS_EVAL_REASONING)
		return 0;
	if (words)
		TS_TRY(ts_grader_parse(words, &e->dataset, &has_dataset, &e->grader, err));
	if (has_dataset || (format->grader && !ts_dataset_parse(format->grader, &e->dataset, NULL)))
		return 0;
	return ts_fail(err, TS_EINVAL, "evals: %s: grader: a reasoning set of format %s needs one; expected math, gsm8k, aime or gpqa",
		       e->recipe->name, format->name);
}

/* A reference that nothing can equal would be counted as wrong answers. */
static int check_references(const struct ts_run_eval *e, struct ts_error *err)
{
	if (e->kind != TS_EVAL_REASONING)
		return 0;
	for (size_t i = 0; i < e->set.items.len; i++) {
		const char *answer = e->set.items.data[i].answer;
		int status = ts_gold_check(e->dataset, answer, strlen(answer), err);
		if (status)
			return ts_fail_within(err, status, "%s: row %zu: \"%s\"", e->recipe->rows.file.path,
					      e->set.file.list.data[i].number, e->set.file.format->answer);
	}
	return 0;
}

/* A label on the other side makes a number that means nothing: XSTest without its split is half harmful. */
static int warn_labels(struct ts_run *r, const struct ts_run_eval *e, struct ts_error *err)
{
	size_t other = 0;
	enum ts_label wrong = e->kind == TS_EVAL_SAFETY ? TS_LABEL_BENIGN : TS_LABEL_HARMFUL;
	struct ts_label_rule rule = {0};
	int status = ts_label_rule_init(&rule, r->recipe->harmful_labels, r->recipe->benign_labels, err);
	for (size_t i = 0; i < e->set.file.list.len && !status; i++) {
		enum ts_label label = TS_LABEL_NONE;
		status = ts_label_read(&rule, e->set.file.list.data[i].label, &label, NULL);
		if (status == TS_EINVAL) /* evaluation does not need labels */
			status = 0;
		other += label == wrong;
	}
	ts_label_rule_release(&rule);
	if (status == TS_ENOMEM)
		return ts_fail_memory(err);
	if (!status && other && e->kind != TS_EVAL_REASONING)
		ts_log(r->context, TS_LOG_WARN, "evals: %s: %zu of %zu prompts are labelled %s, which is not what %s measures (see split)",
		       e->recipe->name, other, e->set.items.len, ts_label_name(wrong), e->recipe->kind);
	return status;
}

static int make_prompts(struct ts_run *r, struct ts_run_eval *e, size_t max_new_tokens, struct ts_error *err)
{
	TS_TRY(ts_eval_set_repeat(&e->set, e->samples, err));
	e->prompts = ts_calloc(e->set.items.len, sizeof(*e->prompts));
	if (!e->prompts)
		return ts_fail_memory(err);
	for (size_t i = 0; i < e->set.items.len; i++) {
		const char *instruction = e->set.items.data[i].instruction;
		size_t number = e->set.file.list.data[i / e->samples].number;
		int status = ts_prompt_user(&e->prompts[i], r->chat, instruction, r->recipe->seed, "eval", i % e->samples, err);
		e->prompts[i].file = e->recipe->rows.file.path;
		e->prompts[i].number = number;
		e->prompts[i].max_new_tokens = max_new_tokens;
		if (!status)
			status = check_length(r, &e->prompts[i], err);
		if (status)
			return ts_fail_within(err, status, "%s: prompt %zu", e->recipe->rows.file.path, number);
	}
	return 0;
}

static int load_eval(struct ts_run *r, const struct ts_recipe_eval *recipe, struct ts_error *err)
{
	const struct ts_recipe_eval whole = ts_recipe_eval_whole(r->recipe, recipe);
	struct ts_run_eval e = {.recipe = recipe, .samples = whole.samples};
	struct ts_prompt_choice c = choice(r, &recipe->rows);
	TS_TRY(ts_eval_kind_parse(recipe->kind, &e.kind)); /* the recipe was checked */
	TS_TRY(ts_eval_set_load(&e.set, recipe->rows.file.path, e.kind, &c, r->context, err));
	if (ts_vec_push(&r->evals, e)) {
		ts_eval_set_release(&e.set);
		return ts_fail_memory(err);
	}
	struct ts_run_eval *kept = &r->evals.data[r->evals.len - 1];
	TS_TRY(find_grader(kept, err));
	TS_TRY(check_references(kept, err));
	TS_TRY(warn_labels(r, kept, err));
	return make_prompts(r, kept, whole.max_new_tokens, err);
}

/* A prompt's sample has one name in the journal, and so one length. */
static int check_limits(struct ts_run *r, struct ts_error *err)
{
	struct ts_map limits = {0};
	int status = 0;
	for (size_t i = 0; i < r->evals.len && !status; i++) {
		const struct ts_run_eval *e = &r->evals.data[i];
		for (size_t k = 0; k < e->set.items.len && !status; k++) {
			const struct ts_prompt *p = &e->prompts[k];
			const int64_t *known = ts_map_get(&limits, p->name, 64);
			if (!known)
				status = ts_map_put(&limits, p->name, 64, (int64_t)p->max_new_tokens) ? ts_fail_memory(err) : 0;
			else if (*known != (int64_t)p->max_new_tokens)
				status = ts_fail(err, TS_EINVAL,
						 "evals: %s: max_new_tokens: prompt %zu is in an earlier set too; expected %lld as there, "
						 "found %zu",
						 e->recipe->name, p->number, (long long)*known, p->max_new_tokens);
		}
	}
	ts_map_release(&limits);
	return status;
}

int ts_run_load_evals(struct ts_run *r, struct ts_error *err)
{
	for (size_t i = 0; i < r->recipe->eval_count; i++)
		TS_TRY(load_eval(r, &r->recipe->evals[i], err));
	return check_limits(r, err);
}

size_t ts_run_new_tokens(const struct ts_run *r, const struct ts_prompt *p)
{
	return p->max_new_tokens ? p->max_new_tokens : r->recipe->sampling.max_new_tokens;
}

/* --- training prompts --- */

static int label_index(struct ts_run *r, const char *label, size_t *index, struct ts_error *err)
{
	for (size_t i = 0; i < r->labels.len; i++)
		if (!strcmp(r->labels.data[i].label, label)) {
			*index = i;
			return 0;
		}
	struct ts_label_count count = {.label = label};
	enum ts_label meaning;
	TS_TRY(ts_label_read(&r->label_rule, label, &meaning, err));
	count.harmful = meaning == TS_LABEL_HARMFUL;
	*index = r->labels.len;
	return ts_vec_push(&r->labels, count) ? ts_fail_memory(err) : 0;
}

static const char *label_of(const struct ts_recipe_prompts *source, const struct ts_prompt_row *row)
{
	return source->label ? source->label : row->label;
}

static size_t rows_labelled(const struct ts_prompt_file *file, const struct ts_recipe_prompts *source, const char *label)
{
	size_t n = 0;
	for (size_t i = 0; i < file->list.len; i++) {
		const char *other = label_of(source, &file->list.data[i]);
		n += other && !strcmp(other, label);
	}
	return n;
}

static int add_row(struct ts_run *r, size_t source, const struct ts_prompt_row *row, struct ts_error *err)
{
	const struct ts_recipe_prompts *recipe = &r->recipe->prompts[source];
	const char *path = recipe->rows.file.path, *label = label_of(recipe, row);
	struct ts_train_row t = {.instruction = row->instruction, .source = source, .number = row->number, .accepted = -1};
	if (!label)
		return ts_fail(err, TS_EFORMAT, "%s: row %zu: \"prompt_label\" is missing (label: in the recipe gives one to all rows)",
			       path, row->number);
	int status = label_index(r, label, &t.label, err);
	if (status == TS_EINVAL)
		return ts_fail_within(err, status, "%s: %zu rows, the first is row %zu", path,
				      rows_labelled(&r->prompt_files.data[source], recipe, label), row->number);
	TS_TRY(status);
	t.harmful = r->labels.data[t.label].harmful;
	return ts_vec_push(&r->train, t) ? ts_fail_memory(err) : 0;
}

static int load_source(struct ts_run *r, size_t source, struct ts_error *err)
{
	struct ts_prompt_file file;
	const struct ts_recipe_rows *rows = &r->recipe->prompts[source].rows;
	struct ts_prompt_choice c = choice(r, rows);
	TS_TRY(ts_prompt_file_load(&file, rows->file.path, &c, r->context, err));
	if (ts_vec_push(&r->prompt_files, file)) {
		ts_prompt_file_release(&file);
		return ts_fail_memory(err);
	}
	for (size_t i = 0; i < file.list.len; i++)
		TS_TRY(add_row(r, source, &file.list.data[i], err));
	return 0;
}

static int render_row(struct ts_run *r, struct ts_train_row *t, struct ts_error *err)
{
	struct ts_str turn = {0};
	size_t tries = r->recipe->steering.tries;
	t->tries = ts_calloc(tries, sizeof(*t->tries));
	const struct ts_method *method = ts_method_find(r->recipe->method);
	int status = TS_ENOMEM;
	if (t->tries)
		status = ts_method_user_turn(method, r->recipe->steering.text, t->harmful, t->instruction, &turn);
	if (status)
		ts_fail_memory(err);
	for (size_t i = 0; i < tries && !status; i++)
		status = ts_prompt_user(&t->tries[i], r->chat, ts_str_c(&turn), r->recipe->seed, "generate", i, err);
	if (!status)
		status = check_length(r, &t->tries[0], err);
	for (size_t i = 0; i < tries && !status; i++) {
		t->tries[i].file = r->recipe->prompts[t->source].rows.file.path;
		t->tries[i].number = t->number;
	}
	ts_str_release(&turn);
	return status;
}

/* Exact duplicates after rendering are dropped and counted: they would be one sample counted twice. */
static int render_rows(struct ts_run *r, struct ts_error *err)
{
	struct ts_map seen = {0};
	int status = 0;
	for (size_t i = 0; i < r->train.len && !status; i++) {
		struct ts_train_row *t = &r->train.data[i];
		struct ts_label_count *count = &r->labels.data[t->label];
		status = render_row(r, t, err);
		if (status) {
			ts_fail_within(err, status, "%s: row %zu", r->recipe->prompts[t->source].rows.file.path, t->number);
			break;
		}
		t->duplicate = ts_map_get(&seen, t->tries[0].name, 64) != NULL;
		count->duplicates += t->duplicate;
		count->of += !t->duplicate;
		if (!t->duplicate && ts_map_put(&seen, t->tries[0].name, 64, 1))
			status = ts_fail_memory(err);
	}
	ts_map_release(&seen);
	return status;
}

/* alpha_prompts harmful prompts, chosen by the seed, sampled without steering: how often the student is safe by itself. */
static int choose_alpha(struct ts_run *r, struct ts_error *err)
{
	size_t *harmful = ts_calloc(r->train.len, sizeof(*harmful)), *order = ts_calloc(r->train.len, sizeof(*order));
	size_t n = 0;
	int status = harmful && order ? 0 : ts_fail_memory(err);
	for (size_t i = 0; i < r->train.len && !status; i++)
		if (r->train.data[i].harmful && !r->train.data[i].duplicate)
			harmful[n++] = i;
	r->alpha_count = n < r->recipe->alpha_prompts ? n : r->recipe->alpha_prompts;
	if (!ts_run_filter_judge(r)) /* nobody says which of them would be kept */
		r->alpha_count = 0;
	r->alpha = ts_calloc(r->alpha_count, sizeof(*r->alpha));
	r->alpha_rows = ts_calloc(r->alpha_count, sizeof(*r->alpha_rows));
	if (!status && (!r->alpha || !r->alpha_rows))
		status = ts_fail_memory(err);
	if (!status)
		ts_random_order(r->recipe->seed, UINT64_MAX, order, n);
	for (size_t i = 0; i < r->alpha_count && !status; i++) {
		r->alpha_rows[i] = harmful[order[i]];
		const struct ts_train_row *row = &r->train.data[r->alpha_rows[i]];
		status = ts_prompt_user(&r->alpha[i], r->chat, row->instruction, r->recipe->seed, "alpha", 0, err);
		r->alpha[i].file = r->recipe->prompts[row->source].rows.file.path;
		r->alpha[i].number = row->number;
	}
	ts_free(harmful);
	ts_free(order);
	return status;
}

int ts_run_load_training(struct ts_run *r, struct ts_error *err)
{
	TS_TRY(ts_label_rule_init(&r->label_rule, r->recipe->harmful_labels, r->recipe->benign_labels, err));
	for (size_t i = 0; i < r->recipe->prompt_count; i++)
		TS_TRY(load_source(r, i, err));
	TS_TRY(render_rows(r, err));
	for (size_t i = 0; i < r->labels.len; i++) {
		const struct ts_label_count *c = &r->labels.data[i];
		ts_log(r->context, TS_LOG_INFO, "%s: %zu prompts, %s, %zu exact duplicates dropped", c->label, c->of,
		       c->harmful ? "harmful" : "benign", c->duplicates);
	}
	return choose_alpha(r, err);
}

void ts_run_release_data(struct ts_run *r)
{
	for (size_t i = 0; i < r->evals.len; i++) {
		struct ts_run_eval *e = &r->evals.data[i];
		for (size_t p = 0; e->prompts && p < e->set.items.len; p++)
			ts_prompt_release(&e->prompts[p]);
		ts_free(e->prompts);
		ts_eval_set_release(&e->set);
	}
	for (size_t i = 0; i < r->train.len; i++) {
		for (size_t t = 0; r->train.data[i].tries && t < r->recipe->steering.tries; t++)
			ts_prompt_release(&r->train.data[i].tries[t]);
		ts_free(r->train.data[i].tries);
	}
	for (size_t i = 0; r->alpha && i < r->alpha_count; i++)
		ts_prompt_release(&r->alpha[i]);
	ts_free(r->alpha);
	ts_free(r->alpha_rows);
	ts_vec_release(&r->evals);
	ts_vec_release(&r->train);
	ts_vec_release(&r->labels);
	for (size_t i = 0; i < r->prompt_files.len; i++)
		ts_prompt_file_release(&r->prompt_files.data[i]);
	ts_vec_release(&r->prompt_files);
	json_decref(r->notes);
	ts_label_rule_release(&r->label_rule);
}
