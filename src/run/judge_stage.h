/* Judging stored samples with a journal: a sample that has its verdict is skipped. Where the guard's own numbers are broken (every answer
 * it gave was NaN) the stage fails with TS_ENUMERIC: no later response would be judged either. */
#ifndef TS_RUN_JUDGE_STAGE_H
#define TS_RUN_JUDGE_STAGE_H

#include "guard/guard.h"
#include "run/parts.h"
#include "store/store.h"

struct ts_judge_case {
	const char *stage, *key; /* whose sample */
	const char *prompt;      /* the user's prompt, without steering */
	enum ts_part part;       /* of the response: shown to the guard alone, and kept under a name of its own; it is there */
};

struct ts_judge_stage {
	struct ts_store *store;
	const char *title; /* of the progress bar */
	const char *judge; /* name in the journal (of parts: run/parts.h) */
	/* Called once, when there is something to do; the guard stays the callee's. */
	int (*open)(void *user, struct ts_guard **out, struct ts_error *err);
	void *user;
	/* filled in */
	uint64_t new_verdicts, tokens; /* tokens: of the samples that were judged, as the student counts them */
	uint64_t all;                  /* distinct cases, with those that had a verdict before */
	double seconds;
};

int ts_judge_stage_run(struct ts_judge_stage *, const struct ts_judge_case *cases, size_t n, const struct ts_context *,
		       struct ts_error *err);

#endif
