/* What the engine will do with a list of requests, step by step, and how long that takes: the scheduler of generate/schedule.c without the
 * arithmetic. Plans run it over thousands of requests in milliseconds. What prompts have in common is known beforehand and taken to be there
 * from the start, on pages of each one's own; without it (`shared` 0 everywhere) the steps are exactly those of an engine that shares nothing. */
#ifndef TS_RUN_BATCHING_H
#define TS_RUN_BATCHING_H

#include "core/mem.h"
#include "core/status.h"

#include <stdint.h>

struct ts_batching_request {
	size_t prompt, answer; /* tokens; an answer of SIZE_MAX does not end */
	size_t shared;         /* of the prompt: tokens whose keys are found in the pool, as far as is known beforehand */
	size_t got;            /* filled in: tokens of the answer when the steps ended */
};

/* One forward pass. */
struct ts_batching_step {
	size_t sampled; /* rows that are asked for a token */
	size_t prompt;  /* rows of prompts beyond those */
	double context; /* keys looked at, over all rows */
};

struct ts_batching_limits {
	size_t batch, chunk, pages;
	size_t steps; /* most steps; SIZE_MAX = to the end */
};

/* Calls step(user, ...) for every pass in order. TS_ENOMEM is all that can go wrong. */
int ts_batching_run(const struct ts_batching_limits *, struct ts_batching_request *, size_t n,
		    void (*step)(void *user, const struct ts_batching_step *), void *user);

/* shared[n] of n prompts: how many tokens each has in common with another one that is computed before it. TS_ENOMEM. */
struct ts_batching_prompt {
	const int32_t *ids;
	size_t len;
};
int ts_batching_shared(const struct ts_batching_prompt *, size_t n, size_t *shared);

/* Seconds of a step = fixed + sampled * per_sampled + prompt * per_prompt + context * per_key. */
enum { TS_STEP_TERMS = 4 };
struct ts_step_cost {
	double fixed, per_sampled, per_prompt, per_key;
};
double ts_step_seconds(const struct ts_step_cost *, const struct ts_batching_step *);

/* Least squares over measured steps; no term becomes negative. Zero-initialised = nothing measured yet. */
struct ts_step_fit {
	double products[TS_STEP_TERMS][TS_STEP_TERMS], sums[TS_STEP_TERMS];
	size_t steps;
};
void ts_step_fit_add(struct ts_step_fit *, const struct ts_batching_step *, double seconds);
struct ts_step_cost ts_step_fit_cost(const struct ts_step_fit *);

/* Seconds for the whole list. Of a long one the start and the end are run and the middle is extrapolated. */
int ts_batching_seconds(const struct ts_batching_limits *, struct ts_batching_request *, size_t n, const struct ts_step_cost *,
			double *seconds);

#endif
