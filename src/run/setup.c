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

static int load_eval(struct ts_run *r, const struct ts_recipe_eval *recipe, struct ts_error *err)
{
	struct ts_run_eval e = {.recipe = recipe};
	TS_TRY(ts_eval_kind_parse(recipe->kind, &e.kind)); /* the recipe was checked */
	TS_TRY(ts_eval_set_load(&e.set, recipe->file.path, e.kind, recipe->split, recipe->limit, err));
	e.prompts = ts_calloc(e.set.items.len, sizeof(*e.prompts));
	if (!e.prompts || ts_vec_push(&r->evals, e)) {
		ts_free(e.prompts);
		ts_eval_set_release(&e.set);
		return ts_fail_memory(err);
	}
	for (size_t i = 0; i < e.set.items.len; i++) {
		const char *instruction = e.set.items.data[i].instruction;
		int status = ts_prompt_user(&e.prompts[i], r->chat, instruction, r->recipe->seed, "eval", 0, err);
		e.prompts[i].file = recipe->file.path;
		e.prompts[i].number = i + 1;
		if (!status)
			status = check_length(r, &e.prompts[i], err);
		if (status)
			return ts_fail_within(err, status, "%s: prompt %zu", recipe->file.path, i + 1);
	}
	return 0;
}

int ts_run_load_evals(struct ts_run *r, struct ts_error *err)
{
	for (size_t i = 0; i < r->recipe->eval_count; i++)
		TS_TRY(load_eval(r, &r->recipe->evals[i], err));
	return 0;
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

static size_t rows_labelled(const struct ts_run *r, const char *label)
{
	size_t i, n = 0;
	const json_t *row;
	json_array_foreach (r->rows, i, row) {
		const char *other = json_string_value(json_object_get(row, "prompt_label"));
		n += other && !strcmp(other, label);
	}
	return n;
}

static int add_row(struct ts_run *r, const json_t *row, size_t number, struct ts_error *err)
{
	char place[4200];
	struct ts_train_row t = {.accepted = -1};
	const char *label;
	snprintf(place, sizeof(place), "%s: row %zu", r->recipe->train_prompts.path, number);
	TS_TRY(ts_json_need_text(row, "instruction", &t.instruction, place, err));
	TS_TRY(ts_json_need_text(row, "prompt_label", &label, place, err));
	int status = label_index(r, label, &t.label, err);
	if (status == TS_EINVAL)
		return ts_fail_within(err, status, "%s: %zu rows, the first is row %zu", r->recipe->train_prompts.path,
				      rows_labelled(r, label), number);
	TS_TRY(status);
	t.harmful = r->labels.data[t.label].harmful;
	return ts_vec_push(&r->train, t) ? ts_fail_memory(err) : 0;
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
		t->tries[i].file = r->recipe->train_prompts.path;
		t->tries[i].number = (size_t)(t - r->train.data) + 1;
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
			ts_fail_within(err, status, "%s: row %zu", r->recipe->train_prompts.path, i + 1);
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
	r->alpha = ts_calloc(r->alpha_count, sizeof(*r->alpha));
	r->alpha_rows = ts_calloc(r->alpha_count, sizeof(*r->alpha_rows));
	if (!status && (!r->alpha || !r->alpha_rows))
		status = ts_fail_memory(err);
	if (!status)
		ts_random_order(r->recipe->seed, UINT64_MAX, order, n);
	for (size_t i = 0; i < r->alpha_count && !status; i++) {
		r->alpha_rows[i] = harmful[order[i]];
		const char *instruction = r->train.data[r->alpha_rows[i]].instruction;
		status = ts_prompt_user(&r->alpha[i], r->chat, instruction, r->recipe->seed, "alpha", 0, err);
		r->alpha[i].file = r->recipe->train_prompts.path;
		r->alpha[i].number = r->alpha_rows[i] + 1;
	}
	ts_free(harmful);
	ts_free(order);
	return status;
}

int ts_run_load_training(struct ts_run *r, struct ts_error *err)
{
	size_t i;
	const json_t *row;
	TS_TRY(ts_label_rule_init(&r->label_rule, r->recipe->harmful_labels, r->recipe->benign_labels, err));
	TS_TRY(ts_rows_load(r->recipe->train_prompts.path, &r->rows, err));
	if (!json_array_size(r->rows))
		return ts_fail(err, TS_EFORMAT, "%s: no prompts; expected at least one row", r->recipe->train_prompts.path);
	json_array_foreach (r->rows, i, row)
		TS_TRY(add_row(r, row, i + 1, err));
	TS_TRY(render_rows(r, err));
	for (i = 0; i < r->labels.len; i++) {
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
		for (size_t p = 0; p < e->set.items.len; p++)
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
	json_decref(r->rows);
	json_decref(r->notes);
	ts_label_rule_release(&r->label_rule);
}
