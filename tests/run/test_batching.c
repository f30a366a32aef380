/* The scheduler without the arithmetic: steps that can be counted by hand, the same steps as the engine's, and the fit of a step's cost. */
#include "run/batching.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request),   cmocka_unit_test(a_place_is_taken_again), cmocka_unit_test(pages_run_short),
		cmocka_unit_test(stopped_early), cmocka_unit_test(cost_is_found_again),    cmocka_unit_test(few_steps),
		cmocka_unit_test(long_lists),
	};
	return cmocka_run_group_tests_name("run.batching", tests, NULL, NULL);
}
