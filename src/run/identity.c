/* What the samples of a directory belong to. The journal keeps a hash of every file that a result depends on, because a model or a prompt
 * file that changed between two starts would mix two runs in one result. */
#include "run/internal.h"

#include "core/file.h"
#include "core/sha256.h"
#include "generate/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* `*same` tells whether the journal holds this text under `name`; it is written down when there is none. */
static int note(struct ts_run *r, const char *name, const char *text, struct ts_str *known, bool *same, struct ts_error *err)
{
	bool found;
	ts_str_clear(known);
	TS_TRY(ts_store_get_meta(r->store, name, known, &found, err));
	*same = !found || !strcmp(ts_str_c(known), text);
	if (found)
		return 0;
	if (!r->notes)
		r->notes = json_object();
	return json_object_set_new(r->notes, name, json_string(text)) ? ts_fail_memory(err) : 0;
}

/* Only now, when nothing is missing and all fits: a start that failed on a wrong path must not bind the directory to that path. */
int ts_run_write_identity(struct ts_run *r, struct ts_error *err)
{
	const char *name;
	json_t *text;
	json_object_foreach (r->notes, name, text)
		TS_TRY(ts_store_put_meta(r->store, name, json_string_value(text), err));
	return ts_store_flush(r->store, err);
}

static int check(struct ts_run *r, const char *name, const char *hash, struct ts_error *err)
{
	struct ts_str known = {0};
	bool same;
	int status = note(r, name, hash, &known, &same, err);
	if (!status && !same)
		status = ts_fail(err, TS_EMISMATCH,
				 "%s: %s is not what this run began with (expected %.12s, found %.12s); use another --run", r->dir, name,
				 ts_str_c(&known), hash);
	ts_str_release(&known);
	return status;
}

static int check_file(struct ts_run *r, const char *name, const char *path, struct ts_error *err)
{
	char hash[65];
	TS_TRY(ts_sha256_file(path, hash, err));
	return check(r, name, hash, err);
}

/* `whose` begins the name of its tokenizer. */
static int check_judge(struct ts_run *r, const char *name, const char *whose, const char *path, struct ts_error *err)
{
	char hash[65], tokenizer[64];
	struct ts_chat *chat;
	TS_TRY(ts_model_hash(path, hash, err));
	TS_TRY(check(r, name, hash, err));
	TS_TRY(ts_local_open_chat(&chat, path, err));
	snprintf(tokenizer, sizeof(tokenizer), "%s tokenizer and template", whose);
	int status = check(r, tokenizer, ts_chat_hash(chat), err);
	ts_chat_close(chat);
	return status;
}

void ts_run_set_identity(const struct ts_run_eval *e, char name[160])
{
	snprintf(name, 160, "evaluation set %.100s", e->recipe->name);
}

/* What an evaluation depends on beside the recipe's own text. */
static int check_files(struct ts_run *r, struct ts_error *err)
{
	char hash[65];
	TS_TRY(ts_model_hash(r->recipe->model.path, hash, err));
	TS_TRY(check(r, "model", hash, err));
	TS_TRY(check(r, "tokenizer and template", ts_chat_hash(r->chat), err));
	if (r->recipe->guard.text && !ts_recipe_keyword_guard(r->recipe))
		TS_TRY(check_judge(r, "guard", "the guard's", r->recipe->guard.path, err));
	if (!ts_recipe_keyword_refusals(r->recipe))
		TS_TRY(check_judge(r, "refusal judge", "the refusal judge's", r->recipe->refusal_judge.path, err));
	if (r->recipe->refusal_phrases.path)
		TS_TRY(check_file(r, "refusal phrases", r->recipe->refusal_phrases.path, err));
	for (size_t i = 0; i < r->evals.len; i++) {
		char name[160];
		ts_run_set_identity(&r->evals.data[i], name);
		TS_TRY(check_file(r, name, r->evals.data[i].recipe->rows.file.path, err));
	}
	return 0;
}

/* The first key that differs, from the recipe that the directory keeps. */
static const char *differing_key(const struct ts_run *r)
{
	char path[4096];
	struct ts_recipe earlier;
	const char *key = NULL;
	if (!ts_run_path(r, "recipe.yaml", path, NULL) && !ts_recipe_load(&earlier, path, NULL)) {
		key = ts_recipe_difference(&earlier, r->recipe);
		ts_recipe_release(&earlier);
	}
	return key ? key : "?";
}

/* A directory holds a whole run or an evaluation, never both: their samples have the same names. */
static int check_use(struct ts_run *r, const char *use, struct ts_error *err)
{
	struct ts_str known = {0};
	bool same;
	int status = note(r, "use", use, &known, &same, err);
	if (!status && !same)
		status = ts_fail(err, TS_EMISMATCH, "%s: holds %s, not %s; use another --run", r->dir, ts_str_c(&known), use);
	ts_str_release(&known);
	return status;
}

/* Generation is durable before any of these is made: where they are and no sample is, the journal was lost, and going on would begin anew
 * and write over them. */
static int check_lost(struct ts_run *r, struct ts_error *err)
{
	static const char *const later[] = {"train.jsonl", "checkpoints", "adapter", "metrics.json"};
	uint64_t samples;
	TS_TRY(ts_store_count_samples(r->store, "generate", &samples, err));
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]) && !samples; i++) {
		char path[4096];
		TS_TRY(ts_run_path(r, later[i], path, err));
		if (ts_file_exists(path) || ts_dir_exists(path))
			return ts_fail(err, TS_EFORMAT,
				       "%s/journal.db: expected the samples behind %s, found none: the journal, or the part of it in "
				       "journal.db-wal, is lost; put it back or use another --run",
				       r->dir, later[i]);
	}
	return 0;
}

static int check_recipe(struct ts_run *r, struct ts_error *err)
{
	char hash[65];
	struct ts_str known = {0};
	bool same;
	TS_TRY(ts_recipe_hash(r->recipe, hash, err));
	int status = note(r, "recipe", hash, &known, &same, err);
	if (!status && !same)
		status = ts_fail(err, TS_EMISMATCH, "%s: belongs to another recipe (it differs in \"%s\"); use another --run or remove it",
				 r->dir, differing_key(r));
	ts_str_release(&known);
	return status;
}

/* What strftime_now shows to templates: the first start's moment. */
static int check_moment(struct ts_run *r, struct ts_error *err)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)r->moment);
	return check(r, "moment", text, err);
}

int ts_run_find_moment(struct ts_run *r, struct ts_error *err)
{
	struct ts_str known = {0};
	bool found;
	int status = ts_store_get_meta(r->store, "moment", &known, &found, err);
	/* A prompt that shows the date is the other run's prompt only with its date. */
	if (!status && !found && r->source.store)
		status = ts_store_get_meta(r->source.store, "moment", &known, &found, err);
	if (!status)
		r->moment = found ? strtoll(ts_str_c(&known), NULL, 10) : (int64_t)time(NULL);
	ts_str_release(&known);
	return status;
}

static int check_adapter_file(struct ts_run *r, const char *what, const char *dir, const char *name, struct ts_error *err)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || n >= (int)sizeof(path))
		return ts_fail(err, TS_ELIMIT, "%s: the path is too long", dir);
	return check_file(r, what, path, err);
}

/* A run with one file has had this name from the start. */
static int check_prompts(struct ts_run *r, struct ts_error *err)
{
	char name[64] = "training prompts";
	for (size_t i = 0; i < r->recipe->prompt_count; i++) {
		if (i)
			snprintf(name, sizeof(name), "training prompts, file %zu", i + 1);
		TS_TRY(check_file(r, name, r->recipe->prompts[i].rows.file.path, err));
	}
	return 0;
}

int ts_run_check_identity(struct ts_run *r, struct ts_error *err)
{
	TS_TRY(check_use(r, "a whole run", err));
	TS_TRY(check_lost(r, err));
	TS_TRY(check_recipe(r, err));
	TS_TRY(check_moment(r, err));
	TS_TRY(check_files(r, err));
	return check_prompts(r, err);
}

int ts_run_check_eval_identity(struct ts_run *r, const char *use, const char *adapter_dir, struct ts_error *err)
{
	TS_TRY(check_use(r, use, err));
	TS_TRY(check_recipe(r, err));
	TS_TRY(check_moment(r, err));
	TS_TRY(check_files(r, err));
	if (!adapter_dir) {
		TS_TRY(check(r, "adapter", "none", err));
		return ts_run_write_identity(r, err);
	}
	TS_TRY(check_adapter_file(r, "adapter", adapter_dir, "adapter_model.safetensors", err));
	TS_TRY(check_adapter_file(r, "the adapter's configuration", adapter_dir, "adapter_config.json", err)); /* it holds the scale */
	return ts_run_write_identity(r, err);
}
