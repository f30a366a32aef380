/* Measuring for a plan: the run's own engine, guard and trainer on a seeded sample of its own prompts. Samples have the run's keys, so they
 * are the answers that it will give; nothing is stored, and no result depends on anything here.
 *
 *     one prompt alone          what a step costs at least, and how many prompts fit into the time
 *     many prompts              what a step costs with many rows; how long answers are
 *     some with an adapter      how much slower a step becomes
 *     their answers judged      seconds for a token of the guard's prompt; how many rows are kept
 *     training on them          seconds for a token of a training step
 *
 * A part ends when its figure is settled or its share of the time is over. */
#ifndef TS_RUN_PROBE_H
#define TS_RUN_PROBE_H

#include "run/internal.h"
#include "run/plan.h"

struct ts_probe_answer {
	enum ts_plan_list list;
	const struct ts_prompt *prompt;
	const char *instruction;
	bool harmful, ended;
	size_t tokens;      /* so far, where it did not end */
	struct ts_str text; /* likewise */
	ts_ids ids;         /* while it grows */
};

/* The prompts of one list in a seeded order. */
struct ts_probe_pool {
	size_t *order, count, next;
	const struct ts_prompt **prompts;
	const char **instructions;
	bool *harmful;
	double n, sum, squares; /* of the answers that ended */
};

struct ts_probe {
	struct ts_run *r;
	struct ts_plan *plan;
	struct ts_context quiet; /* of the run, without messages and progress */
	struct ts_probe_pool pools[TS_PLAN_LISTS];
	TS_VEC(struct ts_probe_answer) answers;
	struct ts_store *scratch; /* in memory: what keeping an answer costs beside the disk */
	struct ts_step_fit fit;
	struct ts_batching_limits limits; /* of the engine */
	size_t longest;                   /* prompt of any pool, with its answer */
	struct ts_error *err;
};

/* probe_sample.c: the prompts of a run in three pools, and the engine over some of them. */
int ts_probe_fill(struct ts_probe *);
/* Runs the open engine over up to `limit` prompts that were not taken yet; gives none out after `feed_seconds`, stops after `seconds`.
 * Adds what steps cost to p->fit. */
int ts_probe_sample(struct ts_probe *, size_t limit, double feed_seconds, double seconds);
/* The first `count` answers once more, with whatever adapter the engine has: how many times the seconds of p->fit's cost that takes. */
int ts_probe_again(struct ts_probe *, size_t count, double seconds, double *factor);
void ts_probe_release(struct ts_probe *);

/* probe_rest.c: what takes time beside the models. */
void ts_probe_rest(struct ts_run *, const char *folder, size_t hashed_bytes, struct ts_plan_rates *);

#endif
