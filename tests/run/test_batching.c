/* The scheduler without the arithmetic: steps that can be counted by hand, the same steps as the engine's, and the fit of a step's cost. */
#include "run/batching.h"

#include "generate/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct steps {
	struct ts_batching_step list[64];
	size_t count;
};

static void keep(void *user, const struct ts_batching_step *s)
{
	struct steps *k = user;
	if (k->count < 64)
		k->list[k->count] = *s;
	k->count++;
}

static struct steps run(size_t batch, size_t chunk, size_t pages, struct ts_batching_request *list, size_t n)
{
	struct steps k = {.count = 0};
	struct ts_batching_limits limits = {batch, chunk, pages, SIZE_MAX};
	assert_int_equal(ts_batching_run(&limits, list, n, keep, &k), 0);
	return k;
}

static void is(const struct ts_batching_step *s, size_t sampled, size_t prompt, double context)
{
	if (s->sampled != sampled || s->prompt != prompt || s->context != context)
		fail_msg("expected %zu, %zu, %g, found %zu, %zu, %g", sampled, prompt, context, s->sampled, s->prompt, s->context);
}

static void one_request(void **state)
{
	struct ts_batching_request r[] = {{5, 3, 0, 0}};
	struct steps k = run(4, 2, 100, r, 1);
	assert_int_equal(k.count, 5);
	is(&k.list[0], 0, 2, 1 + 2); /* two rows of the prompt see one and two keys */
	is(&k.list[1], 0, 2, 3 + 4);
	is(&k.list[2], 1, 0, 5); /* the prompt's last row gives the first token */
	is(&k.list[3], 1, 0, 6);
	is(&k.list[4], 1, 0, 7); /* the third token is the last: it is never computed itself */
	assert_int_equal(r[0].got, 3);
}

static void a_place_is_taken_again(void **state)
{
	struct ts_batching_request r[] = {{1, 1, 0, 0}, {1, 3, 0, 0}, {1, 2, 0, 0}};
	struct steps k = run(2, 8, 100, r, 3);
	assert_int_equal(k.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(k.list[i].sampled, 2);
}

static void pages_run_short(void **state)
{
	/* Two places, one page: the younger one waits until the older is done. */
	struct ts_batching_request r[] = {{1, 4, 0, 0}, {1, 4, 0, 0}};
	struct steps k = run(2, 8, 1, r, 2);
	assert_int_equal(k.count, 8);
	/* The older one needs a second page at position 64 and takes the younger one's, which is computed again. */
	struct ts_batching_request s[] = {{63, 4, 0, 0}, {10, 4, 0, 0}};
	k = run(2, 100, 2, s, 2);
	assert_int_equal(s[0].got, 4);
	assert_int_equal(s[1].got, 4);
	is(&k.list[0], 2, 62 + 9, 63 * 64 / 2.0 + 10 * 11 / 2.0);
	is(&k.list[1], 2, 0, 64 + 11);
	is(&k.list[2], 1, 0, 65);
	is(&k.list[3], 1, 0, 66);
	is(&k.list[4], 1, 11, 12 * 13 / 2.0);
	is(&k.list[5], 1, 0, 13);
	assert_int_equal(k.count, 6);
}

static void stopped_early(void **state)
{
	struct ts_batching_request r[] = {{3, SIZE_MAX, 0, 0}, {2, SIZE_MAX, 0, 0}, {7, 1, 0, 0}};
	struct ts_batching_limits limits = {2, 16, 100, 10};
	struct steps k = {.count = 0};
	assert_int_equal(ts_batching_run(&limits, r, 3, keep, &k), 0);
	assert_int_equal(k.count, 10);
	assert_int_equal(r[0].got, 10);
	assert_int_equal(r[2].got, 0);
}

static void cost_is_found_again(void **state)
{
	const struct ts_step_cost truth = {2e-3, 3e-5, 2e-5, 1e-8};
	struct ts_step_fit fit = {.steps = 0};
	for (size_t i = 0; i < 200; i++) {
		struct ts_batching_step s = {1 + i * 7 % 64, i % 5 ? 0 : 100 + i, (double)(i * i % 1009) * 10};
		ts_step_fit_add(&fit, &s, ts_step_seconds(&truth, &s));
	}
	struct ts_step_cost c = ts_step_fit_cost(&fit);
	assert_true(fabs(c.fixed / truth.fixed - 1) < 1e-6 && fabs(c.per_sampled / truth.per_sampled - 1) < 1e-6);
	assert_true(fabs(c.per_prompt / truth.per_prompt - 1) < 1e-6 && fabs(c.per_key / truth.per_key - 1) < 1e-6);
}

/* What the data cannot tell apart is no reason for nonsense: every term is 0 or more, and the sum fits. */
static void few_steps(void **state)
{
	struct ts_step_fit fit = {.steps = 0};
	struct ts_batching_step s = {1, 0, 10};
	struct ts_step_cost none = ts_step_fit_cost(&fit);
	assert_true(none.fixed == 0 && none.per_sampled == 0);
	for (int i = 0; i < 10; i++)
		ts_step_fit_add(&fit, &s, 1e-3);
	struct ts_step_cost c = ts_step_fit_cost(&fit);
	assert_true(fabs(ts_step_seconds(&c, &s) - 1e-3) < 1e-9);
	/* Longer context, less time: noise, not a negative price. */
	for (int i = 0; i < 10; i++) {
		s.context += 100;
		ts_step_fit_add(&fit, &s, 1e-3 - 1e-5 * i);
	}
	c = ts_step_fit_cost(&fit);
	assert_true(c.fixed >= 0 && c.per_sampled >= 0 && c.per_prompt >= 0 && c.per_key == 0);
}

/* A long list is extrapolated: as if every step had been run. */
static void long_lists(void **state)
{
	enum { N = 6000 };
	static struct ts_batching_request r[N];
	struct ts_batching_limits limits = {16, 64, 10000, SIZE_MAX};
	struct ts_step_cost cost = {1e-3, 2e-5, 1e-5, 1e-9};
	double seconds, all;
	for (size_t i = 0; i < N; i++)
		r[i] = (struct ts_batching_request){20 + i % 13, 10 + i * i % 41, 0, 0};
	assert_int_equal(ts_batching_seconds(&limits, r, N, &cost, &seconds), 0);
	struct steps k = run(16, 64, 10000, r, N);
	size_t tokens = 0, prompts = 0; /* every row is computed once, since pages never run short */
	double keys = 0;
	for (size_t i = 0; i < N; i++) {
		tokens += r[i].answer;
		prompts += r[i].prompt - 1;
		size_t rows = r[i].prompt + r[i].answer - 1;
		keys += (double)rows * ((double)rows + 1) / 2;
	}
	all = (double)k.count * cost.fixed + (double)tokens * cost.per_sampled + (double)prompts * cost.per_prompt + keys * cost.per_key;
	if (fabs(seconds / all - 1) > 0.02) /* the first tenth is not exactly like the rest */
		fail_msg("expected %g s, found %g s", all, seconds);
}

/* --- the engine's own steps --- */

#define STUDENT TS_SOURCE_DIR "/testbed/student"
enum { REQUESTS = 20, MOST_STEPS = 2000 };

struct seen {
	struct ts_responder *engine;
	const struct ts_batching_request *requests;
	int32_t ids[300];
	size_t next, count;
	struct ts_engine_stats moments[MOST_STEPS]; /* before each step, and after the last */
	struct ts_batching_step expected[MOST_STEPS];
	size_t steps;
};

static int next(void *user, struct ts_request *out)
{
	struct seen *s = user;
	if (s->next == REQUESTS)
		return 0;
	const struct ts_batching_request *r = &s->requests[s->next];
	*out = (struct ts_request){.index = s->next++,
				   .prompt = s->ids,
				   .prompt_len = r->prompt,
				   .sampling = {.max_new_tokens = r->answer},
				   .ignore_eos = true};
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	return a->status;
}

static int tick(void *user)
{
	struct seen *s = user;
	assert_true(s->count < MOST_STEPS);
	s->moments[s->count++] = ts_engine_stats(s->engine);
	return 0;
}

static void expect(void *user, const struct ts_batching_step *step)
{
	struct seen *s = user;
	assert_true(s->steps < MOST_STEPS);
	s->expected[s->steps++] = *step;
}

static void compare(struct seen *s)
{
	assert_int_equal(s->count, s->steps + 1);
	for (size_t i = 0; i < s->steps; i++) {
		const struct ts_engine_stats *a = &s->moments[i], *b = &s->moments[i + 1];
		size_t asked = b->asked - a->asked;
		is(&s->expected[i], asked, b->computed - a->computed - asked, b->keys - a->keys);
	}
}

/* The same steps, one by one, as an engine takes that shares nothing: with long and short prompts, and pages that run short. */
static void steps_of_the_engine(void **state)
{
	static const struct ts_batching_limits limits[] = {
		{1, 16, 6, SIZE_MAX}, {4, 16, 100, SIZE_MAX}, {8, 64, 9, SIZE_MAX}, {20, 7, 7, SIZE_MAX}, {20, 512, 200, SIZE_MAX}};
	static struct seen s;
	struct ts_batching_request requests[REQUESTS];
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_error err = {0};
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_open(&model, backend, STUDENT, NULL, &err), 0);
	for (size_t i = 0; i < REQUESTS; i++)
		requests[i] = (struct ts_batching_request){1 + i * i * 37 % 280, 1 + i * 11 % 40, 0, 0};
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct ts_engine_options o;
		ts_engine_options_default(&o);
		o.batch = limits[i].batch;
		o.prefill_chunk = limits[i].chunk;
		o.kv_pages = limits[i].pages;
		o.share_prefixes = false;
		s = (struct seen){.requests = requests};
		assert_int_equal(ts_engine_new(&s.engine, model, NULL, &o, &err), 0);
		struct ts_source source = {.user = &s, .next = next, .done = done, .tick = tick};
		assert_int_equal(s.engine->run(s.engine, &source, NULL, &err), 0);
		s.engine->close(s.engine);
		assert_int_equal(ts_batching_run(&limits[i], requests, REQUESTS, expect, &s), 0);
		compare(&s);
	}
	ts_model_close(model);
	ts_backend_free(backend);
}

static void what_prompts_share(void **state)
{
	static const int32_t a[] = {1, 2, 3, 4}, b[] = {1, 2, 5}, c[] = {9}, d[] = {1, 2, 3};
	const struct ts_batching_prompt prompts[] = {{a, 4}, {b, 3}, {a, 4}, {c, 1}, {d, 3}};
	size_t shared[5], sum = 0;
	assert_int_equal(ts_batching_shared(prompts, 5, shared), 0);
	for (size_t i = 0; i < 5; i++)
		sum += shared[i];
	/* d is first of 1 2 3 ...; the first a has 3 of it, the second all of a but the last, b 2 of them, and c nothing. */
	assert_int_equal(sum, 0 + 3 + 3 + 2 + 0);
	assert_int_equal(shared[0], 3);
	assert_int_equal(shared[1], 2);
	assert_int_equal(shared[3], 0);
	/* A prompt of 70 tokens of which 64 are there: of its rows only the others are computed. */
	struct ts_batching_request r[] = {{70, 2, 64, 0}};
	struct steps k = run(1, 512, 2, r, 1);
	assert_int_equal(k.count, 2);
	is(&k.list[0], 1, 5, 6 * 64 + 6 * 7 / 2.0);
	is(&k.list[1], 1, 0, 71);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request),   cmocka_unit_test(a_place_is_taken_again), cmocka_unit_test(pages_run_short),
		cmocka_unit_test(stopped_early), cmocka_unit_test(cost_is_found_again),    cmocka_unit_test(few_steps),
		cmocka_unit_test(long_lists),    cmocka_unit_test(steps_of_the_engine),    cmocka_unit_test(what_prompts_share),
	};
	return cmocka_run_group_tests_name("run.batching", tests, NULL, NULL);
}
