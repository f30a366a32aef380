/* The whole method in one run directory: evaluate before, generate, judge, train, evaluate after, report.
 *
 *     recipe.yaml     the recipe with every default, as this run uses it
 *     journal.db      every sample, verdict and training step, durable before it is counted
 *     checkpoints/    the trainer's state
 *     train.jsonl     what was kept; adapter/  what was learned; metrics.json  what came out
 *     timing.json     seconds, rates and memory: the only file that two runs may differ in
 *
 * Calling ts_run again on the same directory goes on where the last one stopped, however it ended, and ends with the same bytes of
 * train.jsonl, adapter/ and metrics.json. A directory that belongs to another recipe is refused by the name of the key that differs. */
#ifndef TS_RUN_RUN_H
#define TS_RUN_RUN_H

#include "core/context.h"
#include "core/json.h"
#include "run/recipe.h"

struct ts_plan;

/* What never changes a result. */
struct ts_run_machine {
	size_t threads;         /* 0 = all cores */
	size_t batch;           /* most sequences at once */
	size_t chunk;           /* most prompt tokens in one step */
	size_t memory;          /* bound for the whole process in bytes; 0 = none: 2 GiB of KV cache, all activations */
	size_t expected_tokens; /* of an answer, for the plan, where one does not end while it is measured; 0 = max_new_tokens */
	const char *isa;        /* NULL = the best found */
	const char *version;    /* of the program, for timing.json; may be NULL */
	const char *build;      /* which build of it: the hash of its file, for timing.json; may be NULL */
	/* Shown before the work begins, if not NULL: a plan (run/plan.h), measured for at most probe_seconds and a small share of the run. */
	void (*show_plan)(void *show_user, const struct ts_plan *);
	void *show_user;
	double probe_seconds;
};

void ts_run_machine_default(struct ts_run_machine *);

/* Whether a run could begin: what is missing, out of range or not implemented is refused by name, never ignored. Reads no file. */
int ts_run_check(const struct ts_recipe *, const struct ts_run_machine *, struct ts_error *err);

/* *metrics (may be NULL) = the content of metrics.json; the caller's. TS_ESTOPPED: the user asked to stop; call again to go on. */
int ts_run(const struct ts_recipe *, const char *dir, const struct ts_run_machine *, const struct ts_context *, json_t **metrics,
	   struct ts_error *err);

/* Evaluation alone: the recipe's sets with its model, and with `adapter_dir` if not NULL. Samples are kept in `dir`/journal.db when dir
 * is not NULL; a directory that holds something else (a whole run, another adapter's samples) is refused.
 * *metrics has the layout of metrics.json's "evals" with "before" only. */
int ts_run_eval(const struct ts_recipe *, const char *dir, const char *adapter_dir, const struct ts_run_machine *,
		const struct ts_context *, json_t **metrics, struct ts_error *err);
/* The same with the responses of the run in `from`, before training and, where there are any, after it: they are judged by the recipe's judges and
 * graded anew, and none is generated. TS_EMISMATCH names what `from` was made with and this recipe is not, TS_ENOTFOUND the set of which responses
 * are missing. *metrics has "after" and "difference" too, where there are responses after training. */
int ts_run_rejudge(const struct ts_recipe *, const char *dir, const char *from, const struct ts_run_machine *, const struct ts_context *,
		   json_t **metrics, struct ts_error *err);

#endif
