/* The order of the stages, and what makes a directory a run: lock, recipe, journal. */
#include "run/run.h"

#include "core/file.h"
#include "eval/grade.h"
#include "generate/local.h"
#include "run/internal.h"
#include "run/overlap.h"
#include "run/plan.h"

#include <stdio.h>
#include <string.h>

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

static int open_dir(struct ts_run *r, struct ts_error *err)
{
	char path[4096];
	TS_TRY(ts_dir_make(r->dir, err));
	TS_TRY(ts_run_path(r, "lock", path, err));
	TS_TRY(ts_lock_acquire(path, &r->lock, err));
	TS_TRY(ts_run_path(r, "journal.db", path, err));
	return ts_store_open(&r->store, path, err);
}

void ts_run_release(struct ts_run *r)
{
	ts_run_close_resident(r);
	ts_run_close_source(r);
	ts_run_release_data(r);
	if (r->phrase_guard)
		r->phrase_guard->close(r->phrase_guard);
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
	double started = ts_clock();
	int status = ts_run_metrics(r, &m, err);
	if (!status)
		status = write_json(r, "metrics.json", m, err);
	if (!status) {
		const struct ts_run_work work = {ts_clock() - started, 1, 0, 0};
		status = ts_run_add_timing(r, TS_TIMING_FIGURES, &work, err);
	}
	if (!status)
		status = ts_run_timing(r, &timing, err);
	if (!status)
		status = write_json(r, "timing.json", timing, err);
	json_decref(timing);
	if (!status && metrics)
		*metrics = json_incref(m);
	json_decref(m);
	return status;
}

/* What evaluation needs. */
static int load_evals(struct ts_run *r, struct ts_error *err)
{
	if (r->recipe->before.text)
		TS_TRY(ts_run_open_source(r, "before", r->recipe->before.text, r->recipe->before.path, err));
	TS_TRY(ts_run_find_moment(r, err));
	TS_TRY(ts_local_open_chat(&r->chat, r->recipe->model.path, err));
	ts_chat_set_now(r->chat, r->moment);
	TS_TRY(ts_run_find_judges(r, err));
	TS_TRY(ts_keywords_open(r->recipe->refusal_phrases.path, &r->phrases, err));
	return ts_run_load_evals(r, err);
}

int ts_run_load(struct ts_run *r, struct ts_error *err)
{
	TS_TRY(load_evals(r, err));
	TS_TRY(ts_run_load_training(r, err));
	r->base = ts_mem_resident();
	return 0;
}

/* Refused before anything is bound to the directory; else shown, if somebody looks. */
static int plan(struct ts_run *r, struct ts_error *err)
{
	struct ts_plan p;
	const struct ts_run_machine *m = r->machine;
	int status = ts_run_plan(r, m->show_plan ? m->probe_seconds : 0, true, &p, err);
	if (!status && m->show_plan)
		m->show_plan(m->show_user, &p);
	if (!status)
		status = ts_plan_check(&p, err);
	ts_plan_release(&p);
	return status;
}

static int stages(struct ts_run *r, json_t **metrics, struct ts_error *err)
{
	char path[4096];
	TS_TRY(ts_run_load(r, err));
	TS_TRY(ts_run_check_overlap(r, err));
	TS_TRY(ts_run_check_identity(r, err));
	TS_TRY(ts_run_check_source(r, true, err));
	TS_TRY(plan(r, err));
	TS_TRY(ts_run_write_identity(r, err));
	TS_TRY(ts_run_path(r, "recipe.yaml", path, err));
	TS_TRY(write_recipe(path, r->recipe, err));
	const struct ts_run_work setup = {ts_clock() - r->began, 1, 0, 0};
	TS_TRY(ts_run_add_timing(r, TS_TIMING_SETUP, &setup, err));

	TS_TRY(ts_run_copy_source(r, "before", err));
	TS_TRY(ts_run_end_source(r, err));
	TS_TRY(ts_run_sample_evals(r, "before", err));
	TS_TRY(ts_run_generate(r, err));
	TS_TRY(ts_run_judge_evals(r, "before", err));
	TS_TRY(ts_run_train(r, err));
	TS_TRY(ts_run_sample_evals(r, "after", err));
	TS_TRY(ts_run_judge_evals(r, "after", err));
	TS_TRY(ts_run_index(r, err));
	return write_results(r, metrics, err);
}

/* What the recipe's reader knows and this pipeline does not do yet is refused by name, never ignored. */
static int check_supported(const struct ts_recipe *r, struct ts_error *err)
{
	if (!ts_method_find(r->method))
		return ts_fail(err, TS_EUNSUPPORTED, "method: \"%s\" is not one of %s", r->method, ts_method_names());
	/* metrics.json keeps whole numbers of 63 bits. */
	if (r->seed > INT64_MAX)
		return ts_fail(err, TS_EUNSUPPORTED, "seed: %llu is over %lld", (unsigned long long)r->seed, (long long)INT64_MAX);
	if (strcmp(r->train.objective, "ce"))
		return ts_fail(err, TS_EUNSUPPORTED, "train.objective: \"%s\" is not implemented; expected ce", r->train.objective);
	return 0;
}

static int check_eval(const struct ts_recipe *r, const struct ts_recipe_eval *e, struct ts_error *err)
{
	enum ts_eval_kind kind;
	enum ts_dataset dataset;
	enum ts_grader grader;
	bool named;
	if (ts_eval_kind_parse(e->kind, &kind))
		return ts_fail(err, TS_EINVAL, "evals: %s: kind \"%s\", expected safety, over_refusal or reasoning", e->name, e->kind);
	if (kind == TS_EVAL_SAFETY && !r->guard.text)
		return ts_fail(err, TS_EINVAL, "guard: missing; evals: %s needs a guard checkpoint, or the word keywords", e->name);
	if (kind != TS_EVAL_REASONING || !e->grader) /* the file's format may know the grader */
		return 0;
	int status = ts_grader_parse(e->grader, &dataset, &named, &grader, err);
	return status ? ts_fail_within(err, status, "evals: %s: grader", e->name) : 0;
}

static int check_evals(const struct ts_recipe *r, struct ts_error *err)
{
	for (size_t i = 0; i < r->eval_count; i++)
		TS_TRY(check_eval(r, &r->evals[i], err));
	return 0;
}

/* Whether this machine has the class of arithmetic, before anything is begun. */
static int check_numerics(const struct ts_run_machine *m, enum ts_isa isa, const char *numerics, struct ts_error *err)
{
	struct ts_backend *b;
	if (!strcmp(numerics, "f32"))
		return 0;
	TS_TRY(ts_backend_cpu_new(&b, isa, (int)m->threads, err));
	int status = ts_backend_use_numerics(b, numerics, err);
	ts_backend_free(b);
	return status;
}

static int check_machine(const struct ts_run_machine *m, const char *numerics, struct ts_error *err)
{
	enum ts_isa isa = TS_ISA_AUTO;
	if (!m->batch || !m->chunk)
		return ts_fail(err, TS_EINVAL, "batch and chunk: expected at least 1, found %zu and %zu", m->batch, m->chunk);
	if (m->threads > 4096)
		return ts_fail(err, TS_EINVAL, "threads: expected at most 4096, found %zu", m->threads);
	if (m->isa && ts_isa_parse(m->isa, &isa))
		return ts_fail(err, TS_EINVAL, "isa: expected " TS_ISA_NAMES ", found \"%s\"", m->isa);
	return check_numerics(m, isa, numerics, err);
}

int ts_run_check(const struct ts_recipe *recipe, const struct ts_run_machine *machine, struct ts_error *err)
{
	TS_TRY(ts_recipe_check(recipe, err));
	TS_TRY(check_supported(recipe, err));
	TS_TRY(check_evals(recipe, err));
	return check_machine(machine, recipe->numerics, err);
}

int ts_run(const struct ts_recipe *recipe, const char *dir, const struct ts_run_machine *machine, const struct ts_context *context,
	   json_t **metrics, struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1, .began = ts_clock()};
	int status = ts_run_check(recipe, machine, err);
	if (!status)
		status = open_dir(&r, err);
	if (!status)
		status = stages(&r, metrics, err);
	ts_run_release(&r);
	if (status == TS_ESTOPPED)
		ts_fail(err, status, "everything finished is in %s; run the same command again to go on", dir);
	return status;
}

/* The directory, or a journal in memory, is this evaluation's. */
static int bind_eval(struct ts_run *r, const char *use, const char *adapter_dir, struct ts_error *err)
{
	char path[4096];
	if (!r->evals.len)
		return ts_fail(err, TS_EINVAL, "evals: none in the recipe; expected at least one set");
	r->base = ts_mem_resident();
	if (r->dir || r->source.store)
		TS_TRY(ts_run_check_eval_identity(r, use, adapter_dir, err));
	if (!r->dir)
		return 0;
	TS_TRY(ts_run_path(r, "recipe.yaml", path, err));
	return write_recipe(path, r->recipe, err);
}

static int eval_metrics(struct ts_run *r, bool with_after, json_t **metrics, struct ts_error *err)
{
	json_t *evals = NULL;
	TS_TRY(ts_run_eval_metrics(r, with_after, &evals, err));
	*metrics = json_pack("{s:o}", "evals", evals);
	return *metrics ? 0 : ts_fail_memory(err);
}

static int evaluate(struct ts_run *r, const char *adapter_dir, json_t **metrics, struct ts_error *err)
{
	if (adapter_dir && snprintf(r->adapter_dir, sizeof(r->adapter_dir), "%s", adapter_dir) >= (int)sizeof(r->adapter_dir))
		return ts_fail(err, TS_ELIMIT, "%s: the path is too long", adapter_dir);
	TS_TRY(load_evals(r, err));
	TS_TRY(bind_eval(r, "an evaluation", adapter_dir, err));
	TS_TRY(ts_run_check_source(r, true, err));
	TS_TRY(ts_run_copy_source(r, "before", err));
	TS_TRY(ts_run_end_source(r, err));
	TS_TRY(ts_run_sample_evals(r, "before", err));
	TS_TRY(ts_run_judge_evals(r, "before", err));
	return eval_metrics(r, false, metrics, err);
}

static int check_eval_recipe(const struct ts_recipe *recipe, const struct ts_run_machine *machine, struct ts_error *err)
{
	if (!recipe->model.text)
		return ts_fail(err, TS_EINVAL, "model: missing; expected a checkpoint folder or a GGUF file");
	TS_TRY(check_supported(recipe, err));
	TS_TRY(check_evals(recipe, err));
	return check_machine(machine, recipe->numerics, err);
}

/* Closes the run. */
static int end_eval(struct ts_run *r, int status, struct ts_error *err)
{
	const char *dir = r->dir;
	ts_run_release(r);
	if (status == TS_ESTOPPED && dir)
		ts_fail(err, status, "everything finished is in %s; run the same command again to go on", dir);
	return status;
}

int ts_run_eval(const struct ts_recipe *recipe, const char *dir, const char *adapter_dir, const struct ts_run_machine *machine,
		const struct ts_context *context, json_t **metrics, struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1};
	TS_TRY(check_eval_recipe(recipe, machine, err));
	int status = dir ? open_dir(&r, err) : ts_store_open(&r.store, ":memory:", err);
	if (!status)
		status = evaluate(&r, adapter_dir, metrics, err);
	return end_eval(&r, status, err);
}

/* Both sides of it, or the one that there is. */
static int take_all(struct ts_run *r, struct ts_error *err)
{
	static const char *const stages[] = {"before", "after"};
	if (!r->source.store)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		size_t there, of;
		TS_TRY(ts_run_count_source(r, stages[i], &there, &of, err));
		if (i && !there)
			ts_log(r->context, TS_LOG_WARN, "from: %s: no responses after training; before alone is judged", r->source.name);
		else if (there < of)
			return ts_fail(err, TS_ENOTFOUND,
				       "from: %s: %s training: expected %zu responses to the recipe's sets, found %zu (an unfinished run, "
				       "or sets that it "
				       "does not have)",
				       r->source.name, stages[i], of, there);
		if (there)
			TS_TRY(ts_run_copy_source(r, stages[i], err));
	}
	return ts_run_end_source(r, err);
}

static int rejudge(struct ts_run *r, const char *from, json_t **metrics, struct ts_error *err)
{
	uint64_t after;
	if (r->recipe->before.text)
		return ts_fail(err, TS_EINVAL, "before: expected none with --from, whose run has both sides");
	TS_TRY(ts_run_open_source(r, "from", from, from, err));
	TS_TRY(load_evals(r, err));
	TS_TRY(bind_eval(r, TS_RUN_USE_FROM, NULL, err));
	TS_TRY(ts_run_check_source(r, false, err));
	TS_TRY(take_all(r, err));
	TS_TRY(ts_store_count_samples(r->store, "after", &after, err));
	TS_TRY(ts_run_judge_evals(r, "before", err));
	if (after)
		TS_TRY(ts_run_judge_evals(r, "after", err));
	return eval_metrics(r, after > 0, metrics, err);
}

int ts_run_rejudge(const struct ts_recipe *recipe, const char *dir, const char *from, const struct ts_run_machine *machine,
		   const struct ts_context *context, json_t **metrics, struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1};
	TS_TRY(check_eval_recipe(recipe, machine, err));
	int status = dir ? open_dir(&r, err) : ts_store_open(&r.store, ":memory:", err);
	if (!status)
		status = rejudge(&r, from, metrics, err);
	return end_eval(&r, status, err);
}
