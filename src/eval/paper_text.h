/* The reference's rewriting of an answer before it is compared: SkyThought's strip_answer_string, which the published numbers rest on. Its
 * quirks are kept, for they are what it measures: "and" goes wherever it stands (Sandy is Sy), a list of whole numbers is sorted even where
 * it is one number with separators (1,050 becomes 1,50 and then 150), "y=" goes in the middle of an equation.
 *
 * Beyond it: number words are single ones ("seven"); Unicode white space is not trimmed. */
#ifndef TS_EVAL_PAPER_TEXT_H
#define TS_EVAL_PAPER_TEXT_H

#include "core/str.h"

#include <stdbool.h>

/* Rewrites in place. 0, TS_ENOMEM or TS_ELIMIT. */
int ts_paper_strip(struct ts_str *);

/* Every `from` in it replaced. */
int ts_paper_replace(struct ts_str *, const char *from, const char *to);
/* Lower-cased copy without the characters of `drop`, appended. */
int ts_paper_fold(const struct ts_str *, const char *drop, struct ts_str *out);

#endif
