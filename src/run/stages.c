/* The stages between setup and metrics. Each does only what the journal says is missing. */
#include "run/internal.h"

#include "core/file.h"
#include "core/sha256.h"
#include "model/train_pass.h"
#include "text/thinking.h"
#include "train/trainer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_student(void *user, size_t max_length, struct ts_responder **out, struct ts_error *err)
{
	double started = ts_clock();
	return ts_run_note_load(user, started, ts_run_open_student(user, max_length, out, err), err);
}

static int sample(struct ts_run *r, const char *stage, const char *title, const struct ts_prompt *prompts, size_t n, struct ts_error *err)
{
	struct ts_sample_stage s = {
		.store = r->store,
		.stage = stage,
		.title = title,
		.chat = r->chat,
		.templated = true,
		.open = open_student,
		.user = r,
		.sampling = {r->recipe->sampling.temperature, r->recipe->sampling.top_p, (int)r->recipe->sampling.top_k,
			     r->recipe->sampling.max_new_tokens},
	};
	int status = ts_sample_stage_run(&s, prompts, n, r->context, err);
	if (status && status != TS_ESTOPPED)
		return status;
	const struct ts_run_work work = {s.seconds, s.new_samples, s.new_tokens, s.all};
	TS_TRY(ts_run_add_timing(r, title, &work, err));
	return status;
}

/* --- evaluation --- */

int ts_run_sample_evals(struct ts_run *r, const char *stage, struct ts_error *err)
{
	/* One list for all sets: one engine, and the places stay full to the end. */
	size_t total = 0, at = 0;
	char title[64];
	for (size_t i = 0; i < r->evals.len; i++)
		total += r->evals.data[i].set.items.len;
	struct ts_prompt *all = ts_calloc(total, sizeof(*all));
	if (!all)
		return ts_fail_memory(err);
	for (size_t i = 0; i < r->evals.len; i++) {
		memcpy(all + at, r->evals.data[i].prompts, r->evals.data[i].set.items.len * sizeof(*all));
		at += r->evals.data[i].set.items.len;
	}
	snprintf(title, sizeof(title), "evaluate %s", stage);
	int status = sample(r, stage, title, all, total, err);
	ts_free(all);
	return status;
}

/* --- generation, filter --- */

/* Whether the filter may look at it: the response closes its thinking, or nobody asked for thinking. */
static int has_thinking(struct ts_run *r, const char *stage, const char *key, bool *yes, struct ts_error *err)
{
	struct ts_sample s;
	bool found;
	*yes = true;
	if (!r->recipe->thinking_required)
		return 0;
	TS_TRY(ts_store_get_sample(r->store, stage, key, &s, &found, err));
	*yes = found && ts_thinking_closed(s.response, s.response_len);
	ts_sample_release(&s);
	return 0;
}

/* Phrases know only refusal: it is wanted of a harmful row and not of a benign one. */
int ts_run_fate(const char *verdict, bool harmful)
{
	if (!strcmp(verdict, "refusal"))
		return harmful ? TS_KEPT : TS_REFUSED;
	if (!strcmp(verdict, "compliance"))
		return harmful ? TS_COMPLIED : TS_KEPT;
	return !strcmp(verdict, "safe") ? TS_KEPT : !strcmp(verdict, "unsafe") ? TS_JUDGED_UNSAFE : TS_NOT_JUDGED;
}

static int settle(struct ts_run *r, struct ts_train_row *t, int attempt, struct ts_error *err)
{
	bool found = false, thinking;
	struct ts_verdict v;
	const char *key = t->tries[attempt].name, *judge_name = ts_run_filter_judge(r);
	TS_TRY(has_thinking(r, "generate", key, &thinking, err));
	if (!thinking) {
		t->fate = TS_NO_THINKING;
		return 0;
	}
	if (judge_name)
		TS_TRY(ts_store_get_verdict(r->store, "generate", key, judge_name, &v, &found, err));
	t->fate = !judge_name ? TS_KEPT : found ? ts_run_fate(v.verdict, t->harmful) : TS_NOT_JUDGED;
	if (t->fate == TS_KEPT)
		t->accepted = attempt;
	if (found)
		ts_verdict_release(&v);
	return 0;
}

/* One try for all rows that have nothing yet. */
static int attempt_rows(struct ts_run *r, int attempt, struct ts_error *err)
{
	TS_VEC(struct ts_prompt) prompts = {0};
	TS_VEC(struct ts_judge_case) cases = {0};
	int status = 0;
	char title[64] = "generate", judge_title[64] = "judge generated";
	if (attempt) {
		snprintf(title, sizeof(title), "generate, try %d", attempt + 1);
		snprintf(judge_title, sizeof(judge_title), "judge, try %d", attempt + 1);
	}
	for (size_t i = 0; i < r->train.len && !status; i++)
		if (!r->train.data[i].duplicate && r->train.data[i].accepted < 0)
			status = ts_vec_push(&prompts, r->train.data[i].tries[attempt]) ? ts_fail_memory(err) : 0;
	if (!status)
		status = sample(r, "generate", title, prompts.data, prompts.len, err);
	for (size_t i = 0; i < r->train.len && !status; i++) {
		const struct ts_train_row *t = &r->train.data[i];
		bool thinking;
		if (t->duplicate || t->accepted >= 0)
			continue;
		status = has_thinking(r, "generate", t->tries[attempt].name, &thinking, err);
		struct ts_judge_case c = {"generate", t->tries[attempt].name, t->instruction, TS_WHOLE};
		if (!status && thinking && ts_vec_push(&cases, c))
			status = ts_fail_memory(err);
	}
	if (!status)
		status = ts_run_judge(r, ts_run_filter_judge(r), judge_title, cases.data, cases.len, err);
	for (size_t i = 0; i < r->train.len && !status; i++)
		if (!r->train.data[i].duplicate && r->train.data[i].accepted < 0)
			status = settle(r, &r->train.data[i], attempt, err);
	ts_vec_release(&prompts);
	ts_vec_release(&cases);
	return status;
}

static int judge_alpha(struct ts_run *r, struct ts_error *err)
{
	TS_VEC(struct ts_judge_case) cases = {0};
	int status = 0;
	for (size_t i = 0; i < r->alpha_count && !status; i++) {
		bool thinking;
		status = has_thinking(r, "alpha", r->alpha[i].name, &thinking, err);
		struct ts_judge_case c = {"alpha", r->alpha[i].name, r->train.data[r->alpha_rows[i]].instruction, TS_WHOLE};
		if (!status && thinking && ts_vec_push(&cases, c))
			status = ts_fail_memory(err);
	}
	if (!status)
		status = ts_run_judge(r, ts_run_filter_judge(r), "judge alpha", cases.data, cases.len, err);
	ts_vec_release(&cases);
	return status;
}

static void count_fates(struct ts_run *r)
{
	for (size_t i = 0; i < r->train.len; i++) {
		const struct ts_train_row *t = &r->train.data[i];
		struct ts_label_count *c = &r->labels.data[t->label];
		if (t->duplicate)
			continue;
		c->kept += t->accepted >= 0;
		c->no_thinking += t->accepted < 0 && t->fate == TS_NO_THINKING;
		c->unsafe += t->accepted < 0 && t->fate == TS_JUDGED_UNSAFE;
		c->refused += t->accepted < 0 && t->fate == TS_REFUSED;
		c->complied += t->accepted < 0 && t->fate == TS_COMPLIED;
		c->unjudged += t->accepted < 0 && t->fate == TS_NOT_JUDGED;
	}
}

int ts_run_generate(struct ts_run *r, struct ts_error *err)
{
	/* The student's other samples first: while it is resident. */
	TS_TRY(sample(r, "alpha", "sample unsteered", r->alpha, r->alpha_count, err));
	for (size_t t = 0; t < r->recipe->steering.tries; t++)
		TS_TRY(attempt_rows(r, (int)t, err));
	TS_TRY(judge_alpha(r, err));
	count_fates(r);
	return 0;
}

/* --- training --- */

/* The public format's word for a response that the guard accepted; phrases say what they are. */
static const char *response_label(const struct ts_run *r, const struct ts_train_row *t)
{
	const char *judge_name = ts_run_filter_judge(r);
	if (!judge_name)
		return NULL;
	if (strcmp(judge_name, TS_JUDGE_KEYWORDS))
		return "safe";
	return t->harmful ? "refusal (" TS_KEYWORDS_LABEL ")" : "no refusal (" TS_KEYWORDS_LABEL ")";
}

static int write_train_file(struct ts_run *r, const char *path, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = 0;
	for (size_t i = 0; i < r->train.len && !status; i++) {
		const struct ts_train_row *t = &r->train.data[i];
		struct ts_sample s;
		bool found;
		if (t->accepted < 0)
			continue;
		status = ts_store_get_sample(r->store, "generate", t->tries[t->accepted].name, &s, &found, err);
		if (status)
			break;
		/* Not by "s*", which takes a text that got no memory for one that is not there. */
		const char *label = response_label(r, t);
		json_t *row = json_pack("{s:s, s:o, s:s}", "instruction", t->instruction, "response",
					json_stringn(s.response, s.response_len), "prompt_label", r->labels.data[t->label].label);
		if (!row || (label && json_object_set_new(row, "response_label", json_string(label))) || ts_json_dump(row, &text) ||
		    ts_str_putc(&text, '\n'))
			status = ts_fail_memory(err);
		json_decref(row);
		ts_sample_release(&s);
	}
	if (!status)
		status = ts_file_write(path, ts_str_c(&text), text.len, err);
	ts_str_release(&text);
	return status;
}

struct examples {
	TS_VEC(struct ts_example) list;
};

static int make_examples(struct ts_run *r, struct examples *out, struct ts_error *err)
{
	for (size_t i = 0; i < r->train.len; i++) {
		const struct ts_train_row *t = &r->train.data[i];
		struct ts_sample s;
		struct ts_example e = {0};
		bool found;
		char name[64];
		if (t->accepted < 0)
			continue;
		TS_TRY(ts_store_get_sample(r->store, "generate", t->tries[t->accepted].name, &s, &found, err));
		int status = ts_example_make(&e, r->chat, t->instruction, s.response, r->recipe->thinking_required,
					     r->recipe->train.max_length, err);
		ts_sample_release(&s);
		if (status)
			return ts_fail_within(err, status, "training example of row %zu", t->number);
		snprintf(name, sizeof(name), "row %zu", t->number);
		if (!ts_example_usable(&e, name, false, r->context)) {
			r->labels.data[t->label].broken_prefix++;
			r->train.data[i].broken_prefix = true;
			ts_example_release(&e);
		} else if (ts_vec_push(&out->list, e)) {
			ts_example_release(&e);
			return ts_fail_memory(err);
		}
	}
	return 0;
}

static int store_step(void *user, const struct ts_train_step *s, struct ts_error *err)
{
	struct ts_run *r = user;
	struct ts_step row = {(int64_t)s->step, s->loss, s->grad_norm, s->lr, (int64_t)s->targets};
	r->new_steps++;
	r->new_targets += s->targets;
	return ts_store_put_step(r->store, &row, err);
}

/* A checkpoint must not be ahead of the journal: the steps before it never come again. */
static int before_checkpoint(void *user, struct ts_error *err)
{
	struct ts_run *r = user;
	return ts_store_flush(r->store, err);
}

struct ts_train_options ts_run_train_options(const struct ts_run *r, const char *checkpoints, const char *identity)
{
	struct ts_train_options o = ts_train_options_default();
	const struct ts_recipe *recipe = r->recipe;
	o.epochs = recipe->train.epochs;
	o.batch = recipe->train.batch;
	o.lr = recipe->train.lr;
	o.warmup = recipe->train.warmup;
	o.clip = recipe->train.clip;
	ts_schedule_parse(recipe->train.schedule, &o.schedule); /* the recipe's reader knows the same words */
	o.seed = recipe->seed;
	o.identity = identity;
	o.checkpoint_dir = checkpoints;
	o.checkpoint_seconds = 5;
	return o;
}

int ts_run_adapter_config(const struct ts_recipe *recipe, struct ts_adapter_config *c, struct ts_error *err)
{
	*c = (struct ts_adapter_config){.rank = (int)recipe->lora.rank,
					.alpha = recipe->lora.alpha,
					.dropout = recipe->lora.dropout,
					.use_rslora = recipe->lora.rslora};
	if (strlen(recipe->model.text) >= sizeof(c->base_model))
		return ts_fail(err, TS_ELIMIT, "model: a name of %zu bytes, expected less than %zu", strlen(recipe->model.text),
			       sizeof(c->base_model));
	for (size_t i = 0; i < recipe->lora.target_count; i++)
		TS_TRY(ts_adapter_config_add(c, recipe->lora.targets[i], err));
	snprintf(c->base_model, sizeof(c->base_model), "%s", recipe->model.text);
	return 0;
}

static int train(struct ts_run *r, const struct examples *examples, const char *adapter_dir, struct ts_error *err)
{
	char checkpoints[4096], hash[65];
	struct ts_adapter_config config;
	struct ts_adapter *adapter = NULL;
	TS_TRY(ts_run_path(r, "checkpoints", checkpoints, err));
	TS_TRY(ts_model_hash(r->recipe->model.path, hash, err));
	TS_TRY(ts_run_adapter_config(r->recipe, &config, err));
	double started = ts_clock();
	TS_TRY(ts_run_note_load(r, started, ts_run_open_model(r, r->recipe->model.path, err), err));
	TS_TRY(ts_adapter_new(&adapter, r->model, &config, r->recipe->seed, err));
	struct ts_train_options o = ts_run_train_options(r, checkpoints, hash);
	struct ts_train_hooks hooks = {r, store_step, before_checkpoint};
	started = ts_clock();
	const struct ts_train_bound bound = {.bytes = r->machine->memory, .used = ts_run_used(r)}; /* the plan looked at the rest */
	int status = ts_train_fit_examples(&o, r->model, adapter, examples->list.data, examples->list.len, &bound, err);
	if (!status)
		status = ts_train(r->model, adapter, examples->list.data, examples->list.len, &o, r->context, &hooks, err);
	int flushed = ts_store_flush(r->store, status ? NULL : err);
	if (!status)
		status = flushed;
	if (!status || status == TS_ESTOPPED) {
		const struct ts_run_work work = {ts_clock() - started, r->new_steps, r->new_targets, r->steps};
		int noted = ts_run_add_timing(r, "train", &work, status ? NULL : err);
		status = status ? status : noted;
	}
	if (!status)
		status = ts_adapter_save(adapter, adapter_dir, err);
	ts_adapter_free(adapter);
	return status;
}

/* A journal that lacks a training step (the machine lost a part of it) would give wrong first and last losses. */
static int check_steps(struct ts_run *r, struct ts_error *err)
{
	struct ts_steps steps = {0};
	TS_TRY(ts_store_get_steps(r->store, &steps, err));
	size_t n = steps.rows.len;
	ts_vec_release(&steps.rows);
	return n == r->steps
		       ? 0
		       : ts_fail(err, TS_EFORMAT,
				 "%s/journal.db: %zu training steps, expected %zu: the journal lost rows; remove adapter and checkpoints "
				 "there and run again to train anew",
				 r->dir, n, r->steps);
}

/* Why nothing is left to train on: the counts that the report would show, had there been one. */
static int nothing_kept(const struct ts_run *r, struct ts_error *err)
{
	size_t of = 0, open = 0, unsafe = 0, unjudged = 0, broken = 0;
	for (size_t i = 0; i < r->labels.len; i++) {
		const struct ts_label_count *c = &r->labels.data[i];
		of += c->of;
		open += c->no_thinking;
		unsafe += c->unsafe;
		unjudged += c->unjudged;
		broken += c->broken_prefix;
	}
	return ts_fail(err, TS_EFORMAT,
		       "nothing to train on: of %zu prompts expected at least one kept response, found none (thinking not closed: %zu, "
		       "judged unsafe: %zu, not judged: %zu, broken prefix: %zu)",
		       of, open, unsafe, unjudged, broken);
}

enum { MARK_BYTES = 2 * 65 };

/* The hashes of an adapter's files: what the journal says under "trained". Empty where a file is missing. */
static int adapter_mark(const char *dir, char mark[MARK_BYTES], struct ts_error *err)
{
	static const char *const files[] = {"adapter_model.safetensors", "adapter_config.json"};
	char path[4096 + 32], hash[65];
	*mark = '\0';
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		if (!ts_file_exists(path)) {
			*mark = '\0';
			return 0;
		}
		TS_TRY(ts_sha256_file(path, hash, err));
		snprintf(mark + strlen(mark), MARK_BYTES - strlen(mark), "%s%s", i ? " " : "", hash);
	}
	return 0;
}

/* An adapter of which a file was removed comes again, with the same bytes, from the last checkpoint (*there = false). A changed one is
 * somebody's, and is not written over. */
static int find_adapter(const char *dir, const char *trained, bool *there, struct ts_error *err)
{
	char mark[MARK_BYTES];
	TS_TRY(adapter_mark(dir, mark, err));
	*there = *mark != '\0';
	if (*there && strcmp(mark, trained))
		return ts_fail(err, TS_EMISMATCH,
			       "%s: expected the adapter that this run trained, found other bytes; remove the folder, and it comes again",
			       dir);
	return 0;
}

int ts_run_note_trained(struct ts_run *r, const char *dir, struct ts_error *err)
{
	char mark[MARK_BYTES];
	TS_TRY(adapter_mark(dir, mark, err));
	TS_TRY(ts_store_put_meta(r->store, "trained", mark, err));
	return ts_store_flush(r->store, err);
}

int ts_run_train(struct ts_run *r, struct ts_error *err)
{
	char train_file[4096], adapter_dir[4096];
	struct examples examples = {0};
	struct ts_str mark = {0};
	bool trained = false;
	int status = ts_run_path(r, "train.jsonl", train_file, err);
	if (!status)
		status = ts_run_path(r, "adapter", adapter_dir, err);
	if (!status)
		status = write_train_file(r, train_file, err);
	if (!status)
		status = make_examples(r, &examples, err);
	if (status)
		goto done;
	if (!examples.list.len)
		TS_GOTO(nothing_kept(r, err));
	struct ts_train_options o = ts_run_train_options(r, NULL, NULL);
	r->examples = examples.list.len;
	r->steps = ts_train_steps(&o, r->examples);
	for (size_t i = 0; i < r->examples; i++)
		r->target_tokens += examples.list.data[i].targets * o.epochs;
	TS_GOTO(ts_store_get_meta(r->store, "trained", &mark, &trained, err));
	if (trained)
		TS_GOTO(find_adapter(adapter_dir, ts_str_c(&mark), &trained, err));
	if (!trained) {
		TS_GOTO(train(r, &examples, adapter_dir, err));
		TS_GOTO(ts_run_note_trained(r, adapter_dir, err));
	}
	TS_GOTO(check_steps(r, err));
	snprintf(r->adapter_dir, sizeof(r->adapter_dir), "%s", adapter_dir);
done:
	ts_str_release(&mark);
	for (size_t i = 0; i < examples.list.len; i++)
		ts_example_release(&examples.list.data[i]);
	ts_vec_release(&examples.list);
	return status;
}
