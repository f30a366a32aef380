/* What a finished run cost, and what one with more prompts would: from timing.json's seconds and metrics.json's counts, nothing else.
 *
 * The cost as JSON (NULL where the run has no times):
 *   processor (where the kernel names one), backend, threads, batch     what it was measured on
 *   prompts (distinct training prompts), at_prompts (TS_COST_PROMPTS)
 *   stages[]: stage, unit (responses | verdicts | steps | times), items, of, tokens, seconds, grows, seconds_at
 *       items = what was timed, of = all of the stage. They differ where a start was killed: seconds is then reckoned for all from the rate
 *       of what was timed. grows: whether the stage's items are proportional to the prompts; seconds_at: with at_prompts of them
 *       tokens: generated; of the responses judged; predicted in training
 *   seconds, seconds_at (all stages), seconds_per_1000 (of those that grow), tokens_generated, tokens_judged, tokens_trained
 * null: prompts are 0, or nothing of a stage was timed.
 *
 * What grows: generating, judging what was generated, training. Evaluation, alpha_ref's samples, loading and setting up do not (set-up
 * reads the prompts: seconds for tens of thousands). A rate is taken to hold: answers as long as here, batches as full as here. */
#ifndef TS_REPORT_COST_H
#define TS_REPORT_COST_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"

#define TS_COST_PROMPTS 40000 /* the size of SafeChain's training set */

/* timing.json of a run's folder; NULL where there is none. The caller's. */
int ts_report_timing(const char *dir, json_t **timing, struct ts_error *err);
/* timing: NULL = there is none. The caller's. */
int ts_report_cost(const json_t *metrics, const json_t *timing, json_t **cost, struct ts_error *err);
/* Lines as in report/table.h, an empty one first, appended; nothing for NULL. */
int ts_report_cost_table(const json_t *cost, struct ts_str *out, struct ts_error *err);

#endif
