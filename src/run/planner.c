/* From a run to its plan: what the journal lacks, how large each stage will be, and what the probe found. */
#include "run/plan.h"

#include "core/file.h"
#include "core/map.h"
#include "model/adapter.h"
#include "run/overlap.h"
#include "run/probe.h"
#include "text/thinking.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* Of the forecast, what measuring may take at the start of a run. */
#define PROBE_SHARE 0.05

static const struct {
	const char *name;
	enum ts_plan_kind kind;
	enum ts_plan_list list;
	bool adapter;
	const char *stored; /* the journal's name of the samples */
	bool refusals;
} rows[TS_PLAN_STAGES] = {
	{"set up", TS_PLAN_SETUP, 0, false, NULL, false},
	{"evaluate before", TS_PLAN_SAMPLE, TS_PLAN_EVAL, false, "before", false},
	{"sample unsteered", TS_PLAN_SAMPLE, TS_PLAN_ALPHA, false, "alpha", false},
	{"generate", TS_PLAN_SAMPLE, TS_PLAN_GENERATE, false, "generate", false},
	{"judge generated", TS_PLAN_JUDGE, TS_PLAN_GENERATE, false, "generate", false},
	{"judge alpha", TS_PLAN_JUDGE, TS_PLAN_ALPHA, false, "alpha", false},
	{"judge before", TS_PLAN_JUDGE, TS_PLAN_EVAL, false, "before", false},
	{"refusals before", TS_PLAN_JUDGE, TS_PLAN_EVAL, false, "before", true},
	{"train", TS_PLAN_TRAIN, 0, false, NULL, false},
	{"evaluate after", TS_PLAN_SAMPLE, TS_PLAN_EVAL, true, "after", false},
	{"judge after", TS_PLAN_JUDGE, TS_PLAN_EVAL, false, "after", false},
	{"refusals after", TS_PLAN_JUDGE, TS_PLAN_EVAL, false, "after", true},
	{"figures", TS_PLAN_RESULTS, 0, false, NULL, false},
};
enum { GENERATE = 3, JUDGE_GENERATED = 4, TRAIN = 8 };

struct planner {
	struct ts_run *r;
	struct ts_plan *plan;
	struct ts_model_size student, guard, refusal;
	size_t targets;                    /* projections of a layer that are adapted */
	const char *judges[TS_PLAN_LISTS]; /* TS_JUDGE_..., or NULL = nobody */
	double *reach[2];      /* [tries] of benign, harmful rows: how many have so many tries left after the one that is planned */
	size_t kept[2];        /* rows whose kept response is in the journal */
	size_t longest_prompt; /* of the training prompts */
	TS_VEC(struct ts_batching_prompt) left[TS_PLAN_STAGES]; /* beside the stages' `prompts` */
	struct ts_error *err;
};

static struct ts_plan_stage *stage_of(struct planner *p, enum ts_plan_kind kind, enum ts_plan_list list, bool after)
{
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		if (rows[i].kind == kind && rows[i].list == list && (rows[i].stored && !strcmp(rows[i].stored, "after")) == after)
			return &p->plan->stages[i];
	return NULL;
}

/* TS_JUDGE_..., or NULL = nobody. */
static const char *judge_of(const struct planner *p, size_t stage)
{
	return rows[stage].refusals ? ts_run_refusal_judge(p->r) : p->judges[rows[stage].list];
}

/* --- what is left --- */

/* *dropped: a training response that never ends its thinking is not judged. */
static int has_sample(struct planner *p, const char *stored, const char *key, bool *found, bool *dropped)
{
	struct ts_sample s;
	TS_TRY(ts_store_get_sample(p->r->store, stored, key, &s, found, p->err));
	*dropped = *found && p->r->recipe->thinking_required && !ts_thinking_closed(s.response, s.response_len) &&
		   (!strcmp(stored, "generate") || !strcmp(stored, "alpha"));
	if (*found)
		ts_sample_release(&s);
	return *found ? 0 : ts_run_source_has(p->r, stored, key, NULL, found, p->err);
}

static int plan_prompt(struct planner *p, size_t stage, const struct ts_prompt *prompt)
{
	struct ts_batching_prompt left = {prompt->ids.data, prompt->ids.len};
	struct ts_plan_stage *s = &p->plan->stages[stage];
	bool full = ts_vec_push(&s->prompts, left.len) || ts_vec_push(&s->limits, ts_run_new_tokens(p->r, prompt)) ||
		    ts_vec_push(&p->left[stage], left);
	return full ? ts_fail_memory(p->err) : 0;
}

/* Where nobody judges everything is kept. */
static int has_verdict(struct planner *p, size_t stage, const char *key, bool harmful, bool *found, bool *kept)
{
	struct ts_verdict v;
	const char *judge = judge_of(p, stage);
	*found = *kept = true;
	if (!judge)
		return 0;
	TS_TRY(ts_store_get_verdict(p->r->store, rows[stage].stored, key, judge, &v, found, p->err));
	*kept = *found && ts_run_fate(v.verdict, harmful) == TS_KEPT;
	if (*found)
		ts_verdict_release(&v);
	return *found ? 0 : ts_run_source_has(p->r, rows[stage].stored, key, judge, found, p->err);
}

/* Thinking and answer of one response, to be judged apart. */
static int count_parts(struct planner *p, size_t judging, const char *key)
{
	struct ts_plan_stage *j = &p->plan->stages[judging];
	struct ts_thinking split = {0};
	struct ts_parts parts = {TS_PART_THERE, TS_PART_THERE};
	struct ts_sample s;
	bool found;
	int status = 0;
	TS_TRY(ts_store_get_sample(p->r->store, rows[judging].stored, key, &s, &found, p->err));
	if (!found && p->r->source.store && !strcmp(rows[judging].stored, "before"))
		TS_TRY(ts_store_get_sample(p->r->source.store, "before", key, &s, &found, p->err));
	if (found)
		status = ts_parts_of(s.response, s.response_len, &split, &parts) ? ts_fail_memory(p->err) : 0;
	else if (!p->r->recipe->thinking_required)
		parts = (struct ts_parts){TS_PART_EMPTY, TS_PART_WHOLE};
	const enum ts_part_state states[] = {[TS_THINKING] = parts.thinking, [TS_ANSWER] = parts.answer};
	for (enum ts_part part = TS_THINKING; part <= TS_ANSWER && !status; part++) {
		char judge[64];
		struct ts_verdict v;
		bool judged;
		if (states[part] != TS_PART_THERE)
			continue;
		ts_part_judge(judge_of(p, judging), part, judge);
		status = ts_store_get_verdict(p->r->store, rows[judging].stored, key, judge, &v, &judged, p->err);
		if (!status && judged)
			ts_verdict_release(&v);
		else if (!status)
			status = ts_run_source_has(p->r, rows[judging].stored, key, judge, &judged, p->err);
		j->all++;
		j->left += !judged;
		j->parts += !judged;
	}
	ts_thinking_release(&split);
	if (found)
		ts_sample_release(&s);
	return status;
}

/* One prompt's case for a judge, once. dropped: its response will not be judged. */
static int count_case(struct planner *p, struct ts_map *seen, const struct ts_prompt *prompt, size_t judging, bool apart, bool dropped)
{
	struct ts_plan_stage *j = &p->plan->stages[judging];
	bool found, kept;
	char name[66] = {rows[judging].refusals ? 'r' : 'j'};
	memcpy(name + 1, prompt->name, 65);
	if (ts_map_get(seen, name, 65))
		return 0;
	if (ts_map_put(seen, name, 65, 1))
		return ts_fail_memory(p->err);
	TS_TRY(has_verdict(p, judging, prompt->name, true, &found, &kept));
	j->all++;
	j->left += !found && !dropped;
	return apart ? count_parts(p, judging, prompt->name) : 0;
}

/* Each distinct prompt once, as the stages do. judging: the stage that has a case of it; 0 = none. */
static int count_prompt(struct planner *p, struct ts_map *seen, const struct ts_prompt *prompt, size_t sampling, size_t judging, bool apart)
{
	struct ts_plan_stage *s = &p->plan->stages[sampling];
	bool found, dropped;
	TS_TRY(has_sample(p, rows[sampling].stored, prompt->name, &found, &dropped));
	if (!ts_map_get(seen, prompt->name, 64)) {
		if (ts_map_put(seen, prompt->name, 64, 1))
			return ts_fail_memory(p->err);
		s->all++;
		if (!found)
			TS_TRY(plan_prompt(p, sampling, prompt));
	}
	return judging ? count_case(p, seen, prompt, judging, apart, dropped) : 0;
}

static size_t index_of(const struct planner *p, const struct ts_plan_stage *s)
{
	return (size_t)(s - p->plan->stages);
}

static int count_evals(struct planner *p, bool after)
{
	struct ts_map seen = {0};
	int status = 0;
	size_t sampling = index_of(p, stage_of(p, TS_PLAN_SAMPLE, TS_PLAN_EVAL, after));
	size_t judging = index_of(p, stage_of(p, TS_PLAN_JUDGE, TS_PLAN_EVAL, after)); /* the refusal judge's comes next */
	for (size_t e = 0; e < p->r->evals.len; e++) {
		const struct ts_run_eval *eval = &p->r->evals.data[e];
		for (size_t i = 0; i < eval->set.items.len && !status; i++)
			status = count_prompt(p, &seen, &eval->prompts[i], sampling,
					      eval->kind == TS_EVAL_SAFETY         ? judging
					      : eval->kind == TS_EVAL_OVER_REFUSAL ? judging + 1
										   : 0,
					      eval->kind == TS_EVAL_SAFETY && ts_run_judges_apart(p->r));
	}
	ts_map_release(&seen);
	return status;
}

static int count_alpha(struct planner *p)
{
	struct ts_map seen = {0};
	int status = 0;
	size_t sampling = index_of(p, stage_of(p, TS_PLAN_SAMPLE, TS_PLAN_ALPHA, false));
	size_t judging = index_of(p, stage_of(p, TS_PLAN_JUDGE, TS_PLAN_ALPHA, false));
	for (size_t i = 0; i < p->r->alpha_count && !status; i++)
		status = count_prompt(p, &seen, &p->r->alpha[i], sampling, judging, false);
	ts_map_release(&seen);
	return status;
}

/* The first try that is missing, or not judged yet, is planned; the tries after it only so far as they are expected. */
static int count_row(struct planner *p, const struct ts_train_row *row)
{
	struct ts_plan_stage *j = &p->plan->stages[JUDGE_GENERATED];
	size_t tries = p->r->recipe->steering.tries;
	for (size_t t = 0; t < tries; t++) {
		bool sampled, dropped, judged, kept;
		TS_TRY(has_sample(p, "generate", row->tries[t].name, &sampled, &dropped));
		if (!sampled)
			TS_TRY(plan_prompt(p, GENERATE, &row->tries[t]));
		TS_TRY(has_verdict(p, JUDGE_GENERATED, row->tries[t].name, row->harmful, &judged, &kept));
		if (!dropped && (!sampled || !judged)) {
			j->left++;
			p->reach[row->harmful][tries - t - 1]++;
			return 0;
		}
		if (kept && !dropped) {
			p->kept[row->harmful]++;
			return 0;
		}
	}
	return 0;
}

static int count_training(struct planner *p)
{
	struct ts_str mark = {0};
	struct ts_steps steps = {0};
	bool trained = false;
	struct ts_plan_stage *s = &p->plan->stages[TRAIN];
	for (size_t i = 0; i < p->r->train.len; i++) {
		const struct ts_train_row *row = &p->r->train.data[i];
		if (row->tries[0].ids.len > p->longest_prompt)
			p->longest_prompt = row->tries[0].ids.len;
		if (row->duplicate)
			continue;
		p->plan->stages[GENERATE].all++;
		p->plan->stages[JUDGE_GENERATED].all++;
		TS_TRY(count_row(p, row));
	}
	int status = ts_store_get_meta(p->r->store, "trained", &mark, &trained, p->err);
	if (!status)
		status = ts_store_get_steps(p->r->store, &steps, p->err);
	s->done = trained ? SIZE_MAX : steps.rows.len;
	ts_vec_release(&steps.rows);
	ts_str_release(&mark);
	return status;
}

/* The engine computes once what a stage's prompts have in common. */
static int count_shared(struct planner *p, size_t stage)
{
	struct ts_plan_stage *s = &p->plan->stages[stage];
	if (ts_vec_reserve(&s->shared, s->prompts.len) || ts_batching_shared(p->left[stage].data, s->prompts.len, s->shared.data))
		return ts_fail_memory(p->err);
	s->shared.len = s->prompts.len;
	return 0;
}

static int count_all(struct planner *p)
{
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		p->plan->stages[i] = (struct ts_plan_stage){.name = rows[i].name,
							    .kind = rows[i].kind,
							    .list = rows[i].list,
							    .adapter = rows[i].adapter,
							    .refusals = rows[i].refusals};
	for (int h = 0; h < 2; h++) {
		p->reach[h] = ts_calloc(p->r->recipe->steering.tries, sizeof(double));
		if (!p->reach[h])
			return ts_fail_memory(p->err);
	}
	TS_TRY(count_evals(p, false));
	TS_TRY(count_evals(p, true));
	TS_TRY(count_alpha(p));
	TS_TRY(count_training(p));
	double rows_left = 0; /* all of them kept, until the probe knows better */
	for (size_t k = 0; k < p->r->recipe->steering.tries; k++)
		rows_left += p->reach[0][k] + p->reach[1][k];
	p->plan->examples = p->kept[0] + p->kept[1] + (size_t)rows_left;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		struct ts_plan_stage *s = &p->plan->stages[i];
		if (s->kind == TS_PLAN_SAMPLE)
			s->left = s->prompts.len;
		TS_TRY(count_shared(p, i));
		if (s->kind == TS_PLAN_JUDGE && !ts_run_is_model(judge_of(p, i)))
			s->all = s->left = 0; /* phrases, or nobody: no time worth planning */
	}
	return 0;
}

/* With the share that is kept: later tries, and rows to train on. */
static int expect_rows(struct planner *p)
{
	struct ts_plan_stage *s = &p->plan->stages[GENERATE], *j = &p->plan->stages[JUDGE_GENERATED];
	double more = 0, kept = (double)(p->kept[0] + p->kept[1]);
	for (int h = 0; h < 2; h++) {
		double share = isnan(p->plan->kept[h]) ? 1 : p->plan->kept[h];
		for (size_t k = 0; k < p->r->recipe->steering.tries; k++) {
			double lost = pow(1 - share, (double)k + 1);
			kept += p->reach[h][k] * (1 - lost);
			more += share > 0 ? p->reach[h][k] * ((1 - share) - lost) / share : p->reach[h][k] * (double)k;
		}
	}
	size_t planned = s->prompts.len, extra = (size_t)(more + 0.5);
	for (size_t i = 0; i < extra && planned; i++)
		if (ts_vec_push(&s->prompts, s->prompts.data[i % planned]) || ts_vec_push(&s->shared, s->shared.data[i % planned]) ||
		    ts_vec_push(&s->limits, s->limits.data[i % planned]))
			return ts_fail_memory(p->err);
	s->left = s->prompts.len;
	s->all += extra;
	if (ts_run_is_model(p->judges[TS_PLAN_GENERATE])) {
		j->left += extra;
		j->all += extra;
	}
	p->plan->examples = (size_t)(kept + 0.5);
	return 0;
}

/* --- memory --- */

/* Prompt and answer together. */
static size_t longest_of(const struct ts_plan_stage *s)
{
	size_t longest = 0;
	for (size_t i = 0; i < s->prompts.len; i++)
		if (s->prompts.data[i] + s->limits.data[i] > longest)
			longest = s->prompts.data[i] + s->limits.data[i];
	return longest;
}

/* What the bound leaves beside the fixed parts. */
static size_t room(const struct planner *p, const struct ts_plan_memory *m)
{
	size_t used = m->base + m->weights + m->adapter, bound = p->r->machine->memory;
	return !bound ? SIZE_MAX : bound > used ? bound - used : 0;
}

static void finish_memory(struct ts_plan_memory *m, const struct ts_model_size *model, size_t least)
{
	size_t fixed = m->base + m->weights + m->adapter, loading = m->base + model->loading;
	m->peak = fixed + m->kv + m->activations + m->logits + m->optimiser;
	m->least = fixed + least;
	m->peak = m->peak > loading ? m->peak : loading;
	m->least = m->least > loading ? m->least : loading;
}

static void engine_memory(struct planner *p, struct ts_plan_stage *s, const char *judge)
{
	const struct ts_model_size *model = s->kind != TS_PLAN_JUDGE ? &p->student : s->refusals ? &p->refusal : &p->guard;
	struct ts_plan_memory *m = &s->memory;
	m->weights = model->weights;
	m->adapter = s->adapter ? p->plan->adapter_params * sizeof(float) : 0;
	struct ts_local_size size;
	struct ts_local_wish w = {
		.backend = p->r->backend,
		.config = &model->config,
		.rank = s->adapter ? p->r->recipe->lora.rank : 0,
		.batch = p->r->machine->batch,
		.chunk = p->r->machine->chunk,
		.max_length = s->kind == TS_PLAN_JUDGE ? ts_run_guard_length(&model->config, judge) : longest_of(s),
		.kv_dtype = p->r->recipe->kv_dtype,
		.room = room(p, m),
	};
	ts_local_fit(&size, &w);
	m->kv = size.kv;
	m->activations = size.activations;
	m->logits = size.logits;
	m->batch = size.batch;
	m->chunk = size.chunk;
	m->pages = size.pages;
	finish_memory(m, model, size.least);
}

static void training_memory(struct planner *p, struct ts_plan_stage *s)
{
	const struct ts_recipe *recipe = p->r->recipe;
	struct ts_plan_memory *m = &s->memory;
	double example = p->plan->example_tokens * (sizeof(int32_t) + 1) + sizeof(struct ts_example); /* ids and mask */
	m->base += (size_t)((double)p->plan->examples * example);
	m->weights = p->student.weights;
	m->adapter = p->plan->adapter_params * sizeof(float);
	size_t longest = p->longest_prompt + recipe->sampling.max_new_tokens;
	struct ts_train_size size;
	struct ts_train_wish w = {
		.backend = p->r->backend,
		.config = &p->student.config,
		.rank = recipe->lora.rank,
		.targets = p->targets,
		.params = p->plan->adapter_params,
		.longest = longest < recipe->train.max_length ? longest : recipe->train.max_length,
		.sequences = recipe->train.batch,
		.max_rows = ts_train_options_default().max_rows,
		.room = room(p, m),
	};
	ts_train_fit(&size, &w);
	m->activations = size.activations;
	m->optimiser = size.optimiser;
	m->kept_layers = (size_t)size.keep.layers;
	m->kept_attention = (size_t)size.keep.attention;
	m->max_rows = size.max_rows;
	finish_memory(m, &p->student, size.least);
}

static int adapter_params(struct planner *p)
{
	struct ts_adapter_config c;
	TS_TRY(ts_run_adapter_config(p->r->recipe, &c, p->err));
	p->targets = (size_t)c.target_count;
	p->plan->adapter_params = ts_adapter_count(&p->student.config, &c);
	p->plan->state_bytes = 3 * sizeof(float) * p->plan->adapter_params;
	return 0;
}

static int plan_memory(struct planner *p)
{
	size_t base = p->r->base + TS_MEMORY_GROWTH;
	TS_TRY(adapter_params(p));
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		struct ts_plan_stage *s = &p->plan->stages[i];
		s->memory = (struct ts_plan_memory){.base = base, .peak = base};
		if (s->kind == TS_PLAN_TRAIN && s->done != SIZE_MAX)
			training_memory(p, s);
		else if ((s->kind == TS_PLAN_SAMPLE || s->kind == TS_PLAN_JUDGE) && s->left)
			engine_memory(p, s, judge_of(p, i));
	}
	return 0;
}

/* --- all of it --- */

/* The folder, or the nearest above it that is there. */
static void existing_folder(const char *dir, char path[4096])
{
	snprintf(path, 4096, "%s", dir);
	while (!ts_dir_exists(path)) {
		char *slash = strrchr(path, '/');
		if (!slash || slash == path) {
			snprintf(path, 4096, "%s", slash ? "/" : ".");
			return;
		}
		*slash = '\0';
	}
}

/* A run that is about to begin meets what is wrong itself, and then says which prompt it was. */
static int measure(struct planner *p, double probe, bool begins)
{
	struct ts_error unseen = {0};
	ts_log(p->r->context, TS_LOG_INFO, "plan: measuring on a sample of the prompts, for at most %.0f s", probe);
	int status = ts_run_probe(p->r, p->plan, probe, begins ? PROBE_SHARE : 0, begins ? &unseen : p->err);
	if (begins && status == TS_ENOMEM)
		return ts_fail_memory(p->err);
	return begins && status != TS_ESTOPPED ? 0 : status;
}

/* How the sets are sampled, and how long answers may be. */
static int describe_sets(struct planner *p)
{
	struct ts_plan *plan = p->plan;
	double sum = 0, count = 0;
	plan->max_new_tokens = p->r->recipe->sampling.max_new_tokens;
	for (enum ts_plan_list l = 0; l < TS_PLAN_LISTS; l++)
		plan->limits[l] = (double)plan->max_new_tokens;
	for (size_t i = 0; i < p->r->evals.len; i++) {
		const struct ts_run_eval *e = &p->r->evals.data[i];
		size_t n = e->set.items.len, limit = n ? ts_run_new_tokens(p->r, &e->prompts[0]) : 0;
		if (ts_vec_push(&plan->sets, (struct ts_plan_set){e->recipe->name, n / e->samples, e->samples, limit}))
			return ts_fail_memory(p->err);
		sum += (double)n * (double)limit;
		count += (double)n;
		plan->max_new_tokens = limit > plan->max_new_tokens ? limit : plan->max_new_tokens;
	}
	if (count > 0)
		plan->limits[TS_PLAN_EVAL] = sum / count;
	return 0;
}

static int fill(struct planner *p, double probe, bool begins)
{
	struct ts_run *r = p->r;
	struct ts_plan *plan = p->plan;
	char folder[4096];
	struct statvfs disk;
	plan->bound = r->machine->memory;
	plan->expected = r->machine->expected_tokens;
	TS_TRY(describe_sets(p));
	plan->kept[0] = plan->kept[1] = (double)NAN;
	plan->text_bytes = 4; /* a token of most tokenizers, until some are seen */
	TS_TRY(count_all(p));
	TS_TRY(ts_plan_compute(plan, r->recipe->train.epochs, r->recipe->train.batch));
	if (plan->nothing_left)
		return 0;
	TS_TRY(ts_run_open_backend(r, p->err));
	snprintf(plan->backend, sizeof(plan->backend), "%s", r->backend->name);
	plan->threads = (size_t)r->backend->threads;
	TS_TRY(ts_model_size_read(&p->student, r->backend, r->recipe->model.path, r->recipe->weights, p->err));
	if (ts_run_is_model(ts_run_safety_judge(r)) || ts_run_is_model(ts_run_filter_judge(r)))
		TS_TRY(ts_model_size_read(&p->guard, r->backend, r->recipe->guard.path, r->recipe->weights, p->err));
	if (ts_run_is_model(ts_run_refusal_judge(r)))
		TS_TRY(ts_model_size_read(&p->refusal, r->backend, r->recipe->refusal_judge.path, r->recipe->weights, p->err));
	existing_folder(r->dir ? r->dir : ".", folder);
	plan->disk_free = statvfs(folder, &disk) ? SIZE_MAX : (size_t)disk.f_bavail * disk.f_frsize;
	for (enum ts_plan_list l = 0; l < TS_PLAN_LISTS; l++) { /* until the probe knows better */
		const struct ts_plan_stage *s = stage_of(p, TS_PLAN_SAMPLE, l, false);
		double prompts = 0;
		for (size_t i = 0; i < s->prompts.len; i++)
			prompts += (double)s->prompts.data[i];
		plan->case_tokens[l] = (s->prompts.len ? prompts / (double)s->prompts.len : 0) + ts_plan_mean_answer(plan, l);
	}
	plan->example_tokens = plan->case_tokens[TS_PLAN_GENERATE];
	plan->refusal_tokens = plan->case_tokens[TS_PLAN_EVAL];
	TS_TRY(plan_memory(p));
	TS_TRY(ts_plan_compute(plan, r->recipe->train.epochs, r->recipe->train.batch));
	bool fits = !ts_plan_check(plan, NULL);
	if (probe > 0 && fits) {
		/* a run has hashed its files already, but for the model's once more before training */
		ts_probe_rest(r, folder, (begins ? 1 : 2) * p->student.file + (begins ? 0 : p->guard.file + p->refusal.file), &plan->rates);
		TS_TRY(measure(p, probe, begins));
	}
	TS_TRY(expect_rows(p));
	return ts_plan_compute(plan, r->recipe->train.epochs, r->recipe->train.batch);
}

int ts_run_plan(struct ts_run *r, double probe, bool begins, struct ts_plan *plan, struct ts_error *err)
{
	struct planner p = {.r = r, .plan = plan, .err = err};
	p.judges[TS_PLAN_EVAL] = ts_run_safety_judge(r);
	p.judges[TS_PLAN_ALPHA] = p.judges[TS_PLAN_GENERATE] = ts_run_filter_judge(r);
	*plan = (struct ts_plan){.threads = 0};
	int status = fill(&p, probe, begins);
	ts_run_close_resident(r);
	ts_free(p.reach[0]);
	ts_free(p.reach[1]);
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		ts_vec_release(&p.left[i]);
	return status == TS_ENOMEM && err && !err->code ? ts_fail_memory(err) : status;
}

/* A journal that is there is read; a run that has not begun has an empty one. */
static int open_journal(struct ts_run *r, bool *there, struct ts_error *err)
{
	char path[4096];
	TS_TRY(ts_run_path(r, "journal.db", path, err));
	*there = ts_file_exists(path);
	return *there ? ts_store_open_read(&r->store, path, err) : ts_store_open(&r->store, ":memory:", err);
}

int ts_plan_make(const struct ts_recipe *recipe, const char *dir, const struct ts_run_machine *machine, double probe,
		 const struct ts_context *context, struct ts_plan *plan, struct ts_error *err)
{
	struct ts_run r = {.recipe = recipe, .machine = machine, .context = context, .dir = dir, .lock = -1, .began = ts_clock()};
	bool there = false;
	*plan = (struct ts_plan){.threads = 0};
	int status = ts_run_check(recipe, machine, err);
	if (!status)
		status = open_journal(&r, &there, err);
	if (!status)
		status = ts_run_load(&r, err);
	if (!status)
		status = ts_run_check_overlap(&r, err);
	if (!status && (there || r.source.store))
		status = ts_run_check_identity(&r, err);
	if (!status)
		status = ts_run_check_source(&r, true, err);
	if (!status)
		status = ts_run_plan(&r, probe, false, plan, err);
	ts_run_release(&r);
	return status;
}
