/* metrics.json as a table for the terminal: what `thinksafe report RUN` shows and what `run` ends with.
 *
 * Plain lines of at most 100 columns, aligned, no colour and no boxes; percentages with one decimal. Nothing is cut off: what
 * is too long for its place goes on in the next line. Control characters in names are shown as '?'. Every block is optional;
 * a missing or null number is shown as "-". A field of the wrong type fails and is named.
 *
 * metrics.json (shares and intervals are fractions, not percentages; n, count, of, kept are integers):
 *   method, seed, model, guard, filter, refusal_judge   names as the recipe says
 *   evals[]: name, kind (safety | over_refusal | reasoning), n (rows), samples (of each row's prompt; count and of go over all samples),
 *       pairs (distinct prompts: the clusters), duplicates,
 *       measure (in words), of and drawn (of a part of a file: the rows that n were taken from, and whether by the seed),
 *       before, after: count, unjudged, share = count / (n samples - unjudged), low, high (Wilson), cluster_low, cluster_high
 *           (bootstrap over pairs)
 *       difference: mean (after - before), low, high (bootstrap over pairs), p_mcnemar, p_holm (corrected for the number of sets),
 *           detectable (the smallest difference that would have been found with 80% power; null = none)
 *       with samples > 1, samples of a prompt depending on each other, all of it comes from the pairs: before, after: low, high are mean -/+ t se,
 *           se, and of a reasoning set pass[]: k (1, 2, 4, ... samples), share (mean pass@k of the prompts), se, low, high; difference:
 *           p_mcnemar is null, se, p_student (paired t over the pairs)
 *       of a safety set, where thinking and answer were judged apart: apart.before, .after: thinking, answer: count (unsafe), of (judged),
 *           unjudged, share, low, high (Wilson); both: unsafe_unsafe, unsafe_safe, safe_unsafe, safe_safe (thinking first: responses of
 *           which both were judged); not_closed (the thinking never ends: neither part), no_thinking, no_answer (nothing but white space)
 *       of a set that WildGuard judged: wildguard.before, .after: harmful_request, refusal, harmful_response: yes, no, unread
 *   before, after: unsafe, over_refusal, reasoning: share, low, high, n, unjudged, measure           the headline
 *       of a reasoning set: graders.before, .after: strict, paper (answers that each calls right), disagreements (how many);
 *           disagreements[]: stage, row (in the set's file, from 1), gold, extracted (null = none found), strict, paper (right | wrong),
 *           sample (from 1, where samples > 1)
 *   A measure that holds "keyword stand-in" was taken by phrases of refusal: "unsafe" then counts what was not refused.
 *   alpha: measure; ref, steered: accepted, of, share, low, high; omega, omega_low, omega_high, minus_log_alpha_ref
 *   accepted: harmful, benign: kept, of
 *   labels[]: label, of, kept, and why the rest was dropped: no_thinking, unsafe, refused and complied (by phrases: a
 *       benign row, a harmful one), unjudged, prefix (the prompt's tokens do not begin the example's), length, duplicates (any of
 *       these; one that no row has gets no column)
 *   train: examples, dropped_prefix, epochs, steps, batch, target_tokens, first_loss, last_loss
 *   duplicates_dropped                                                                     training prompts given twice */
#ifndef TS_REPORT_TABLE_H
#define TS_REPORT_TABLE_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"

#define TS_TABLE_COLUMNS 100

/* The metrics.json of a finished run's directory; the caller's. TS_ENOTFOUND: no such directory, or the run is not finished. */
int ts_report_metrics(const char *dir, json_t **metrics, struct ts_error *err);

/* The table, appended to `out` with a final newline. `place` (a file name) starts error messages.
 * TS_EFORMAT for a wrong type, else 0, TS_ENOMEM or TS_ELIMIT. */
int ts_report_table(const json_t *metrics, const char *place, struct ts_str *out, struct ts_error *err);

#endif
