#include "run/plan.h"

#include "store/store.h"

#include <math.h>
#include <string.h>

double ts_plan_with_commits(double seconds, double commit)
{
	return seconds * (1 + commit / TS_STORE_GROUP_SECONDS);
}

double ts_plan_mean_answer(const struct ts_plan *p, enum ts_plan_list list)
{
	double sum = 0;
	const struct ts_plan_lengths *l = &p->lengths[list];
	for (size_t i = 0; i < l->answers.len; i++)
		sum += (double)l->answers.data[i];
	if (l->answers.len)
		return sum / (double)l->answers.len;
	return p->expected ? (double)p->expected : p->limits[list];
}

/* The answer to a stage's i-th prompt: the sample's, again and again, as far as it may go. */
static size_t answer_of(const struct ts_plan *p, const struct ts_plan_stage *s, size_t i)
{
	const struct ts_plan_lengths *l = &p->lengths[s->list];
	size_t limit = s->limits.data[i], answer = l->answers.len ? l->answers.data[i % l->answers.len] : p->expected ? p->expected : limit;
	return answer < limit ? answer : limit;
}

static int plan_sampling(const struct ts_plan *p, struct ts_plan_stage *s)
{
	struct ts_batching_limits limits = {s->memory.batch, s->memory.chunk, s->memory.pages, SIZE_MAX};
	struct ts_batching_request *list = ts_calloc(s->prompts.len, sizeof(*list));
	if (!list)
		return TS_ENOMEM;
	for (size_t i = 0; i < s->prompts.len; i++) {
		list[i] = (struct ts_batching_request){
			.prompt = s->prompts.data[i], .shared = s->shared.data[i], .answer = answer_of(p, s, i)};
		s->tokens_in += (double)list[i].prompt;
		s->tokens_out += (double)list[i].answer;
	}
	int status = p->rates.steps ? ts_batching_seconds(&limits, list, s->prompts.len, &p->rates.step, &s->seconds) : 0;
	if (p->rates.steps)
		s->seconds = ts_plan_with_commits(s->seconds * (s->adapter ? p->rates.with_adapter : 1), p->rates.commit);
	ts_free(list);
	return status;
}

static void plan_training(struct ts_plan *p, struct ts_plan_stage *s, size_t epochs, size_t batch)
{
	size_t per_epoch = (p->examples + batch - 1) / batch;
	s->all = per_epoch * epochs;
	s->left = s->done < s->all ? s->all - s->done : 0;
	double share = s->all ? (double)s->left / (double)s->all : 0;
	s->tokens_in = share * (double)(p->examples * epochs) * p->example_tokens;
	s->tokens_out = share * (double)(p->examples * epochs) * ts_plan_mean_answer(p, TS_PLAN_GENERATE);
	if (p->rates.train_steps)
		s->seconds = ts_plan_with_commits(s->tokens_in * p->rates.train_token, p->rates.commit);
}

/* A response's thinking and answer together are the response, and each of them is shown with the prompt. */
static void plan_judging(const struct ts_plan *p, struct ts_plan_stage *s)
{
	double whole = s->refusals ? p->refusal_tokens : p->case_tokens[s->list];
	double part = whole - ts_plan_mean_answer(p, s->list) / 2;
	s->tokens_in = (double)(s->left - s->parts) * whole + (double)s->parts * (part > 0 ? part : 0);
	if (s->refusals ? p->rates.refusal_cases : p->rates.cases)
		s->seconds =
			ts_plan_with_commits(s->tokens_in * (s->refusals ? p->rates.refusal_token : p->rates.case_token), p->rates.commit);
}

/* Which model a stage needs; opening one closes the other. */
enum resident { NONE, STUDENT, GUARD, REFUSAL_JUDGE, TRAINED };

static enum resident needed(const struct ts_plan_stage *s)
{
	return s->kind == TS_PLAN_JUDGE    ? (s->refusals ? REFUSAL_JUDGE : GUARD)
	       : s->kind == TS_PLAN_TRAIN  ? NONE /* opens its own */
	       : s->adapter                ? TRAINED
	       : s->kind == TS_PLAN_SAMPLE ? STUDENT
					   : NONE;
}

static double opening(const struct ts_plan *p, const struct ts_plan_stage *s, enum resident *there)
{
	enum resident wanted = needed(s);
	if (s->kind == TS_PLAN_TRAIN)
		*there = NONE;
	else if (wanted == NONE || wanted == *there)
		return 0;
	else
		*there = wanted;
	return wanted == GUARD ? p->rates.open_guard : wanted == REFUSAL_JUDGE ? p->rates.open_refusal : p->rates.open_student;
}

static void add_up(struct ts_plan *p)
{
	p->seconds = 0;
	p->memory = p->least = 0;
	p->nothing_left = true;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		const struct ts_plan_stage *s = &p->stages[i];
		p->seconds += s->seconds;
		p->memory = s->memory.peak > p->memory ? s->memory.peak : p->memory;
		p->least = s->memory.least > p->least ? s->memory.least : p->least;
		if (s->left && (s->kind == TS_PLAN_SAMPLE || s->kind == TS_PLAN_JUDGE || s->kind == TS_PLAN_TRAIN))
			p->nothing_left = false;
	}
}

/* Bytes of a row with its entry in the index, as SQLite lays them out. */
enum {
	SAMPLE_BYTES = 260,
	VERDICT_BYTES = 260,
	STEP_BYTES = 48,
	ROW_BYTES = 160,
	PAGE_BYTES = 200,
	LOG_BYTES = 4 << 20,
	SMALL_FILES = 64 << 10
};

static size_t stage_disk(const struct ts_plan *p, const struct ts_plan_stage *s)
{
	if (s->kind == TS_PLAN_SAMPLE) /* text and ids in the journal, text on the page */
		return (size_t)(s->tokens_out * (2 * p->text_bytes + sizeof(int32_t))) + s->left * (SAMPLE_BYTES + PAGE_BYTES);
	if (s->kind == TS_PLAN_JUDGE)
		return s->left * VERDICT_BYTES;
	if (s->kind != TS_PLAN_TRAIN || !s->left)
		return s->kind == TS_PLAN_SETUP ? LOG_BYTES + SMALL_FILES : 0;
	/* the adapter, two checkpoints and the third that is being written, train.jsonl */
	return s->left * STEP_BYTES + p->adapter_params * sizeof(float) + 3 * p->state_bytes +
	       (size_t)((double)p->examples * (ROW_BYTES + p->example_tokens * p->text_bytes));
}

static void plan_disk(struct ts_plan *p)
{
	p->disk = 0;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		struct ts_plan_stage *s = &p->stages[i];
		s->disk = p->nothing_left ? 0 : stage_disk(p, s);
		p->disk += s->disk;
	}
}

int ts_plan_compute(struct ts_plan *p, size_t epochs, size_t batch)
{
	enum resident there = NONE;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		struct ts_plan_stage *s = &p->stages[i];
		s->tokens_in = s->tokens_out = 0;
		s->seconds = p->rates.measured ? 0 : (double)NAN;
		switch (s->kind) {
		case TS_PLAN_SETUP:
			s->seconds = p->rates.data + p->rates.hash;
			break;
		case TS_PLAN_RESULTS:
			s->seconds = p->rates.figures;
			break;
		case TS_PLAN_SAMPLE:
			TS_TRY(plan_sampling(p, s));
			break;
		case TS_PLAN_JUDGE:
			plan_judging(p, s);
			break;
		case TS_PLAN_TRAIN:
			plan_training(p, s, epochs, batch);
			break;
		}
		if (s->left)
			s->seconds += opening(p, s, &there);
	}
	if (!p->rates.measured)
		p->stages[0].seconds = p->stages[TS_PLAN_STAGES - 1].seconds = (double)NAN;
	add_up(p);
	plan_disk(p);
	return 0;
}

#define MIB(n) ((double)(n) / 0x1p20)

static int too_little_memory(const struct ts_plan *p, struct ts_error *err)
{
	const struct ts_plan_stage *worst = &p->stages[0];
	for (size_t i = 1; i < TS_PLAN_STAGES; i++)
		if (p->stages[i].memory.least > worst->memory.least)
			worst = &p->stages[i];
	const struct ts_plan_memory *m = &worst->memory;
	return ts_fail(
		err, TS_ELIMIT,
		"memory: %.1f MiB are not enough; expected at least %.1f MiB, which \"%s\" takes at its smallest: %.1f MiB for the program "
		"and its data, %.1f MiB for weights, %.1f MiB for the rest (--memory SIZE)",
		MIB(p->bound), MIB(p->least), worst->name, MIB(m->base), MIB(m->weights + m->adapter),
		MIB(m->least - m->base - m->weights - m->adapter));
}

int ts_plan_check(const struct ts_plan *p, struct ts_error *err)
{
	return p->bound && p->bound < p->least ? too_little_memory(p, err) : 0;
}

void ts_plan_release(struct ts_plan *p)
{
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		ts_vec_release(&p->stages[i].prompts);
		ts_vec_release(&p->stages[i].shared);
		ts_vec_release(&p->stages[i].limits);
	}
	ts_vec_release(&p->sets);
	for (size_t i = 0; i < TS_PLAN_LISTS; i++)
		ts_vec_release(&p->lengths[i].answers);
}
