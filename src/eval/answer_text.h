/* Bringing a written answer (LaTeX or plain) to a common form before it is compared. Pure, apart from memory.
 *
 * Cleaned text: spacing commands and runs of white space are one space; $ and \$, \left and \right, degree signs and
 * currency signs are gone; \dfrac, \tfrac and \cfrac are \frac, whose arguments (and \sqrt's) always stand in braces;
 * {,} is a comma; single-character sub- and superscripts lose their braces; words inside \text{}, \mathrm{} and the like
 * stand between TS_TEXT_OPEN and TS_TEXT_CLOSE; a final full stop is gone. */
#ifndef TS_EVAL_ANSWER_TEXT_H
#define TS_EVAL_ANSWER_TEXT_H

#include "core/str.h"

#define TS_TEXT_OPEN  '\x01'
#define TS_TEXT_CLOSE '\x02'

/* Cleaned form of s, appended to `out`. 0, TS_ENOMEM or TS_ELIMIT. */
int ts_answer_clean(const char *s, size_t n, struct ts_str *out);

/* What two answers that are not numbers are compared by: cleaned text without spaces (one stays between two digits) and
 * without the text marks; a lone word is lower-cased and freed from parentheses, so that \text{(Ellipse)} = ellipse and
 * \text{(B)} = B. Appended to `out`. */
int ts_answer_key(const char *cleaned, size_t n, struct ts_str *out);

#endif
