/* The order of the stages, and what makes a directory a run: lock, recipe, journal. */
#include "run/run.h"

#include "core/file.h"
#include "core/sha256.h"
#include "eval/grade.h"
#include "run/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

void ts_run_machine_default(struct ts_run_machine *m)
{
	*m = (struct ts_run_machine){.batch = 64, .chunk = 512};
}

int ts_run_path(const struct ts_run *r, const char *name, char path[4096], struct ts_error *err)
{
	int n = snprintf(path, 4096, "%s/%s", r->dir, name);
	return n < 0 || n >= 4096 ? ts_fail(err, TS_ELIMIT, "%s: the path is too long", r->dir) : 0;
}

/* --- the directory --- */

static int write_recipe(const char *path, const struct ts_recipe *recipe, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = ts_recipe_print(recipe, &text, err);
	if (!status)
		status = ts_file_write(path, ts_str_c(&text), text.len, err);
	ts_str_release(&text);
	return status;
}

/* The models are part of a run's identity: a folder whose weights changed between two starts would mix two models' samples. */
static int check_hash(struct ts_run *r, const char *name, const char *hash, struct ts_error *err)
{
	struct ts_str known = {0};
	bool found;
	int status = ts_store_get_meta(r->store, name, &known, &found, err);
	if (!status && !found)
		status = ts_store_put_meta(r->store, name, hash, err);
	else if (!status && strcmp(ts_str_c(&known), hash))
		status = ts_fail(err, TS_EMISMATCH, "%s: %s is not what this run began with (expected %.12s, found %.12s); use another --run", r->dir, name,
				 ts_str_c(&known), hash);
	ts_str_release(&known);
	return status;
}

static int check_identity(struct ts_run *r, struct ts_error *err)
{
	char hash[65], known[4096];
	struct ts_str text = {0};
	bool found;
	TS_TRY(ts_recipe_hash(r->recipe, hash, err));
	int status = ts_store_get_meta(r->store, "recipe", &text, &found, err);
	if (!status && found && strcmp(ts_str_c(&text), hash)) {
		struct ts_recipe earlier;
		const char *key = NULL;
		if (!ts_run_path(r, "recipe.yaml", known, NULL) && !ts_recipe_load(&earlier, known, NULL)) {
			key = ts_recipe_difference(&earlier, r->recipe);
			ts_recipe_release(&earlier);
		}
		status = ts_fail(err, TS_EMISMATCH, "%s: belongs to another recipe (it differs in \"%s\"); use another --run or remove it", r->dir,
				 key ? key : "?");
	} else if (!status && !found) {
		status = ts_store_put_meta(r->store, "recipe", hash, err);
	}
	ts_str_release(&text);
	TS_TRY(status);
	TS_TRY(ts_model_hash(r->recipe->model.path, hash, err));
	TS_TRY(check_hash(r, "model", hash, err));
	TS_TRY(check_hash(r, "tokenizer and template", ts_chat_hash(r->chat), err));
	TS_TRY(ts_model_hash(r->recipe->guard.path, hash, err));
	TS_TRY(check_hash(r, "guard", hash, err));
	for (size_t i = 0; i < r->evals.len; i++) {
		char name[160];
		snprintf(name, sizeof(name), "evaluation set %s", r->evals.data[i].recipe->name);
		TS_TRY(ts_sha256_file(r->evals.data[i].recipe->file.path, hash, err));
		TS_TRY(check_hash(r, name, hash, err));
	}
	TS_TRY(ts_sha256_file(r->recipe->train_prompts.path, hash, err));
	TS_TRY(check_hash(r, "training prompts", hash, err));
	return ts_store_flush(r->store, err);
}

static int open_dir(struct ts_run *r, struct ts_error *err)
{
	char path[4096];
	TS_TRY(ts_dir_make(r->dir, err));
	TS_TRY(ts_run_path(r, "lock", path, err));
	TS_TRY(ts_lock_acquire(path, &r->lock, err));
	TS_TRY(ts_run_path(r, "journal.db", path, err));
	return ts_store_open(&r->store, path, err);
}

static void close_run(struct ts_run *r)
{
	ts_run_close_resident(r);
	ts_run_release_data(r);
	ts_keywords_close(r->phrases);
	ts_chat_close(r->chat);
	ts_backend_free(r->backend);
	if (r->store)
		ts_store_close(r->store, NULL);
	if (r->lock >= 0)
		ts_lock_release(r->lock);
}

/* --- results --- */

static int write_json(const struct ts_run *r, const char *name, const json_t *value, struct ts_error *err)
{
	char path[4096];
	struct ts_str text = {0};
	int status = ts_run_path(r, name, path, err);
	if (!status)
		status = ts_json_dump_pretty(value, &text) ? ts_fail_memory(err) : ts_file_write(path, ts_str_c(&text), text.len, err);
	ts_str_release(&text);
	return status;
}

static int write_results(struct ts_run *r, json_t **metrics, struct ts_error *err)
{
	json_t *m = NULL, *timing = NULL;
	struct rusage usage;
	int status = ts_run_metrics(r, &m, err);
	if (!status)
		status = write_json(r, "metrics.json", m, err);
	if (!status)
		status = ts_run_timing(r, &timing, err);
	if (!status && !getrusage(RUSAGE_SELF, &usage))
		json_object_set_new(timing, "peak_memory_mb", json_real((double)usage.ru_maxrss / 1024.0));
	if (!status)
		status = write_json(r, "timing.json", timing, err);
	json_decref(timing);
	if (!status && metrics)
		*metrics = json_incref(m);
	json_decref(m);
	return status;
}

static int stages(struct ts_run *r, json_t **metrics, struct ts_error *err)
{
	char path[4096];
	TS_TRY(ts_chat_open(&r->chat, r->recipe->model.path, err));
	TS_TRY(ts_keywords_open(r->recipe->refusal_phrases.path, &r->phrases, err));
	TS_TRY(ts_run_load_evals(r, err));
	TS_TRY(ts_run_load_training(r, err));
	TS_TRY(check_identity(r, err));
	TS_TRY(ts_run_path(r, "recipe.yaml", path, err));
	TS_TRY(write_recipe(path, r->recipe, err));

	TS_TRY(ts_run_sample_evals(r, "before", err));
	TS_TRY(ts_run_generate(r, err));
	TS_TRY(ts_run_judge_evals(r, "before", err));
	TS_TRY(ts_run_train(r, err));
	TS_TRY(ts_run_sample_evals(r, "after", err));
	TS_TRY(ts_run_judge_evals(r, "after", err));
	return write_results(r, metrics, err);
}

/* What the recipe's reader knows and this pipeline does not do yet is refused by name, never ignored. */
static int check_supported(const struct ts_recipe *r, struct ts_error *err)
{
	TS_TRY(ts_recipe_check(r, err));
	if (!ts_method_find(r->method))
		return ts_fail(err, TS_EUNSUPPORTED, "method: \"%s\" is not one of %s", r->method, ts_method_names());
	if (strcmp(r->train.objective, "ce"))
		return ts_fail(err, TS_EUNSUPPORTED, "train.objective: \"%s\" is not implemented; expected ce", r->train.objective);
	if (strcmp(r->numerics, "f32"))
		return ts_fail(err, TS_EUNSUPPORTED, "numerics: \"%s\" is not implemented; expected f32", r->numerics);
	if (strcmp(r->filter, "guard"))
		return ts_fail(err, TS_EUNSUPPORTED, "filter: \"%s\" is not implemented; expected guard", r->filter);
	if (r->refusal_judge.text && strcmp(r->refusal_judge.text, "keywords"))
		return ts_fail(err, TS_EUNSUPPORTED, "refusal_judge: \"%s\" is not implemented; expected keywords", r->refusal_judge.text);
	if (r->sampling.samples != 1)
		return ts_fail(err, TS_EUNSUPPORTED, "sampling.samples: %zu is not implemented; expected 1", r->sampling.samples);
	if (r->before.text)
		return ts_fail(err, TS_EUNSUPPORTED, "before: using another run's evaluation again is not implemented");
	for (size_t i = 0; i < r->eval_count; i++) {
		enum ts_eval_kind kind;
		enum ts_dataset dataset;
		if (ts_eval_kind_parse(r->evals[i].kind, &kind))
			return ts_fail(err, TS_EINVAL, "evals: %s: kind \"%s\", expected safety, over_refusal or reasoning", r->evals[i].name, r->evals[i].kind);
		if (kind == TS_EVAL_REASONING && !r->evals[i].grader)
			return ts_fail(err, TS_EINVAL, "evals: %s: a reasoning set needs a grader", r->evals[i].name);
		if (kind == TS_EVAL_REASONING)
			TS_TRY(ts_dataset_parse(r->evals[i].grader, &dataset, err));
	}
	return 0;
}

int ts_run(const struct ts_recipe *recipe, const char *dir, const struct ts_run_machine *machine, const struct ts_context *context, json_t **metrics,
	   struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1};
	int status = check_supported(recipe, err);
	if (!status)
		status = open_dir(&r, err);
	if (!status)
		status = stages(&r, metrics, err);
	close_run(&r);
	if (status == TS_ESTOPPED)
		ts_fail(err, status, "everything finished is in %s; run the same command again to go on", dir);
	return status;
}

int ts_run_eval(const struct ts_recipe *recipe, const char *dir, const char *adapter_dir, const struct ts_run_machine *machine,
		const struct ts_context *context, json_t **metrics, struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1};
	json_t *evals = NULL;
	int status = check_supported(recipe, err);
	if (!status)
		status = dir ? open_dir(&r, err) : ts_store_open(&r.store, ":memory:", err);
	if (!status && adapter_dir)
		snprintf(r.adapter_dir, sizeof(r.adapter_dir), "%s", adapter_dir);
	if (!status)
		status = ts_chat_open(&r.chat, recipe->model.path, err);
	if (!status)
		status = ts_keywords_open(recipe->refusal_phrases.path, &r.phrases, err);
	if (!status)
		status = ts_run_load_evals(&r, err);
	if (!status)
		status = ts_run_sample_evals(&r, "before", err);
	if (!status)
		status = ts_run_judge_evals(&r, "before", err);
	if (!status)
		status = ts_run_eval_metrics(&r, false, &evals, err);
	if (!status && !(*metrics = json_pack("{s:o}", "evals", evals)))
		status = ts_fail_memory(err);
	close_run(&r);
	return status;
}
