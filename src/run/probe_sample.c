/* Steps are timed between two ticks of the engine, which counts what it did between them. */
#include "run/probe.h"

#include "core/mem.h"
#include "generate/engine.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A mean is settled when its standard error is below this share of it, over at least so many answers of each list. */
#define SETTLED         0.03
#define SETTLED_ANSWERS 48

/* --- the prompts --- */

static int fill_pool(struct ts_probe *p, enum ts_plan_list list, size_t count)
{
	struct ts_probe_pool *pool = &p->pools[list];
	pool->order = ts_calloc(count, sizeof(*pool->order));
	pool->prompts = ts_calloc(count, sizeof(*pool->prompts));
	pool->instructions = ts_calloc(count, sizeof(*pool->instructions));
	pool->harmful = ts_calloc(count, sizeof(*pool->harmful));
	if (!pool->order || !pool->prompts || !pool->instructions || !pool->harmful)
		return ts_fail_memory(p->err);
	ts_random_order(p->r->recipe->seed, UINT64_MAX - 1 - (uint64_t)list, pool->order, count);
	return 0;
}

static void put_prompt(struct ts_probe *p, enum ts_plan_list list, const struct ts_prompt *prompt, const char *instruction, bool harmful)
{
	struct ts_probe_pool *pool = &p->pools[list];
	pool->prompts[pool->count] = prompt;
	pool->instructions[pool->count] = instruction;
	pool->harmful[pool->count++] = harmful;
	if (prompt->ids.len + ts_run_new_tokens(p->r, prompt) > p->longest)
		p->longest = prompt->ids.len + ts_run_new_tokens(p->r, prompt);
}

int ts_probe_fill(struct ts_probe *p)
{
	const struct ts_run *r = p->r;
	size_t evals = 0;
	for (size_t e = 0; e < r->evals.len; e++)
		evals += r->evals.data[e].set.items.len;
	TS_TRY(fill_pool(p, TS_PLAN_EVAL, evals));
	TS_TRY(fill_pool(p, TS_PLAN_ALPHA, r->alpha_count));
	TS_TRY(fill_pool(p, TS_PLAN_GENERATE, r->train.len));
	for (size_t e = 0; e < r->evals.len; e++)
		for (size_t i = 0; i < r->evals.data[e].set.items.len; i++)
			put_prompt(p, TS_PLAN_EVAL, &r->evals.data[e].prompts[i], r->evals.data[e].set.items.data[i].instruction, false);
	for (size_t i = 0; i < r->alpha_count; i++)
		put_prompt(p, TS_PLAN_ALPHA, &r->alpha[i], r->train.data[r->alpha_rows[i]].instruction, true);
	for (size_t i = 0; i < r->train.len; i++)
		put_prompt(p, TS_PLAN_GENERATE, &r->train.data[i].tries[0], r->train.data[i].instruction, r->train.data[i].harmful);
	return 0;
}

static bool settled(const struct ts_probe *p)
{
	for (int l = 0; l < TS_PLAN_LISTS; l++) {
		const struct ts_probe_pool *pool = &p->pools[l];
		if (pool->next >= pool->count)
			continue;
		double mean = pool->n > 0 ? pool->sum / pool->n : 0;
		double variance = pool->n > 1 ? (pool->squares - pool->n * mean * mean) / (pool->n - 1) : 0;
		if (pool->n < SETTLED_ANSWERS || sqrt(variance / pool->n) > SETTLED * mean)
			return false;
	}
	return true;
}

/* --- sampling --- */

struct moment {
	double time;
	struct ts_engine_stats stats;
};

struct feed {
	struct ts_probe *p;
	size_t first, fed, limit; /* index of its first answer; requests given out; most of them */
	bool again;               /* the requests are those of the first answers */
	double feed_until, stop_at;
	bool expired;
	TS_VEC(struct moment) ticks;
};

/* The lists take turns. */
static bool take_prompt(struct ts_probe *p, struct ts_probe_answer *s)
{
	for (size_t i = 0; i < TS_PLAN_LISTS; i++) {
		enum ts_plan_list list = (enum ts_plan_list)((p->answers.len + i) % TS_PLAN_LISTS);
		struct ts_probe_pool *pool = &p->pools[list];
		if (pool->next >= pool->count)
			continue;
		size_t at = pool->order[pool->next++];
		*s = (struct ts_probe_answer){
			.list = list, .prompt = pool->prompts[at], .instruction = pool->instructions[at], .harmful = pool->harmful[at]};
		return true;
	}
	return false;
}

static int next(void *user, struct ts_request *out)
{
	struct feed *f = user;
	struct ts_probe *p = f->p;
	struct ts_probe_answer s;
	if (f->fed >= f->limit || (f->ticks.len > 1 && ts_clock() > f->feed_until))
		return 0;
	if (f->again) {
		s = p->answers.data[f->fed];
	} else {
		if (settled(p) || !take_prompt(p, &s))
			return 0;
		if (ts_vec_push(&p->answers, s))
			return ts_fail_memory(p->err);
	}
	const struct ts_recipe *recipe = p->r->recipe;
	*out = (struct ts_request){.index = f->first + f->fed++,
				   .prompt = s.prompt->ids.data,
				   .prompt_len = s.prompt->ids.len,
				   .sampling = {recipe->sampling.temperature, recipe->sampling.top_p, (int)recipe->sampling.top_k,
						ts_run_new_tokens(p->r, s.prompt)},
				   .key = s.prompt->key};
	return 1;
}

/* The same work as a stage does for an answer. */
static int done(void *user, const struct ts_request *request, const struct ts_answer *answer)
{
	struct feed *f = user;
	struct ts_probe *p = f->p;
	struct ts_str text = {0};
	if (answer->status) /* the run says which prompt it is */
		return ts_fail(p->err, answer->status, "measuring: the model's logits are not finite after %zu tokens", answer->len);
	int status = ts_response_text(p->r->chat, answer->ids, answer->len, answer->finish == TS_FINISH_STOP, true, &text);
	if (!status) {
		struct ts_sample sample = {
			ts_str_c(&text), text.len, ts_finish_name(answer->finish), (int)answer->len, (int)request->prompt_len, answer->ids,
			answer->len,     NULL};
		status = ts_store_put_sample(p->scratch, f->again ? "again" : "probe", p->answers.data[request->index].prompt->name,
					     &sample, NULL, p->err);
	}
	if (!status && !f->again) {
		struct ts_probe_answer *s = &p->answers.data[request->index];
		struct ts_probe_pool *pool = &p->pools[s->list];
		s->ended = true;
		s->tokens = answer->len;
		s->text = text;
		pool->n++;
		pool->sum += (double)answer->len;
		pool->squares += (double)answer->len * (double)answer->len;
	} else {
		ts_str_release(&text);
	}
	return status;
}

static int token(void *user, const struct ts_request *request, int32_t id)
{
	struct feed *f = user;
	return f->again || !ts_vec_push(&f->p->answers.data[request->index].ids, id) ? 0 : ts_fail_memory(f->p->err);
}

static int tick(void *user)
{
	struct feed *f = user;
	double now = ts_clock();
	if (ts_vec_push(&f->ticks, (struct moment){now, ts_engine_stats(f->p->r->responder)}))
		return TS_ENOMEM;
	f->expired = now > f->stop_at;
	return f->expired ? TS_ESTOPPED : ts_store_tick(f->p->scratch, f->p->err);
}

/* Steps and their seconds side by side. */
struct pairing {
	struct ts_step_fit *fit;
	const struct ts_step_cost *known; /* not NULL: only compare */
	double measured, expected;
};

static void pair_step(struct pairing *c, const struct moment *from, const struct moment *to)
{
	size_t asked = to->stats.asked - from->stats.asked, rows = to->stats.computed - from->stats.computed;
	struct ts_batching_step s = {asked, rows - asked, to->stats.keys - from->stats.keys};
	double seconds = to->time - from->time;
	if (c->known) {
		c->measured += seconds;
		c->expected += ts_step_seconds(c->known, &s);
	} else {
		ts_step_fit_add(c->fit, &s, seconds);
	}
}

/* What there is of an answer that did not end. */
static int keep_part(struct ts_probe *p, struct ts_probe_answer *a)
{
	a->tokens = a->ids.len;
	return ts_response_text(p->r->chat, a->ids.data, a->ids.len, false, true, &a->text) ? ts_fail_memory(p->err) : 0;
}

/* What the engine did with the requests of this feed. */
static int learn(struct feed *f, struct pairing *c)
{
	for (size_t i = 0; i + 1 < f->ticks.len; i++)
		pair_step(c, &f->ticks.data[i], &f->ticks.data[i + 1]);
	for (size_t i = f->first; i < f->p->answers.len && !f->again; i++)
		if (!f->p->answers.data[i].ended)
			TS_TRY(keep_part(f->p, &f->p->answers.data[i]));
	return 0;
}

static int run(struct feed *f, struct pairing *c)
{
	struct ts_probe *p = f->p;
	struct ts_source source = {.user = f, .next = next, .done = done, .tick = tick, .token = token};
	int status = p->r->responder->run(p->r->responder, &source, &p->quiet, p->err);
	if (status == TS_ESTOPPED && f->expired)
		status = 0;
	if (!status)
		status = learn(f, c);
	ts_vec_release(&f->ticks);
	return status;
}

int ts_probe_sample(struct ts_probe *p, size_t limit, double feed_seconds, double seconds)
{
	double started = ts_clock();
	struct pairing c = {.fit = &p->fit};
	struct feed f = {
		.p = p, .first = p->answers.len, .limit = limit, .feed_until = started + feed_seconds, .stop_at = started + seconds};
	return run(&f, &c);
}

int ts_probe_again(struct ts_probe *p, size_t count, double seconds, double *factor)
{
	double started = ts_clock();
	struct ts_step_cost cost = ts_step_fit_cost(&p->fit);
	struct pairing c = {.known = &cost};
	struct feed f = {.p = p, .limit = count, .again = true, .feed_until = started + seconds, .stop_at = started + seconds};
	TS_TRY(run(&f, &c));
	*factor = c.expected > 0 && c.measured > c.expected ? c.measured / c.expected : 1;
	return 0;
}

void ts_probe_release(struct ts_probe *p)
{
	for (size_t i = 0; i < TS_PLAN_LISTS; i++) {
		ts_free(p->pools[i].order);
		ts_free(p->pools[i].prompts);
		ts_free(p->pools[i].instructions);
		ts_free(p->pools[i].harmful);
	}
	for (size_t i = 0; i < p->answers.len; i++) {
		ts_str_release(&p->answers.data[i].text);
		ts_vec_release(&p->answers.data[i].ids);
	}
	ts_vec_release(&p->answers);
	if (p->scratch)
		ts_store_close(p->scratch, NULL);
}
