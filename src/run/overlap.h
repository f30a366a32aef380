/* Prompts that a run trains on and is measured with: what is learned of them is not what a benchmark is to measure.
 *
 * Two prompts coincide when their texts are the same after normalising. That changes letters, spacing and the signs of a sentence, and
 * nothing that a question may be about:
 * - Unicode NFKC (full-width forms, ligatures, no-break spaces), then lower case;
 * - quotation marks and apostrophes, straight or curved, are left out;
 * - any run of white space is one space, none at the ends;
 * - . , ; : ! ? at the end of a word are left out. Inside a word they stay: 3.5 is not 35; and ! after a digit does: 5! is not 5;
 * - all other signs stay: 7 - 2 is not 7 + 2.
 * A benchmark's prompt is compared as the user's turn and, where its format puts words around the text of the file, as that text too. */
#ifndef TS_RUN_OVERLAP_H
#define TS_RUN_OVERLAP_H

#include "core/status.h"
#include "core/str.h"

struct ts_run;

/* The normalised text, in place of what was in `out`. `text` is valid UTF-8. TS_ENOMEM or TS_ELIMIT. */
int ts_overlap_normalise(const char *text, size_t n, struct ts_str *out);

/* Counts the rows of each evaluation set whose prompt is trained on (ts_run_eval.overlap) and warns of them. TS_EINVAL where they are more
 * than the recipe's max_overlap, a share of the set's rows: which set, how many, the first of them by file and row, never by their text. */
int ts_run_check_overlap(struct ts_run *, struct ts_error *err);

#endif
