/* \boxed{...} in an answer. Works on the answer alone: split the thinking off first (text/thinking.h), since a box inside
 * the thinking is a guess. */
#ifndef TS_EVAL_BOXED_H
#define TS_EVAL_BOXED_H

#include <stdbool.h>
#include <stddef.h>

struct ts_boxed {
	bool any;          /* there is a \boxed with a brace after it, closed or not */
	bool found;        /* at least one closes */
	size_t start, len; /* the inside of the last that closes: s[start .. start + len) */
};

/* Nested braces count, escaped ones (\{ \}) do not; white space before the brace is allowed; of a box inside a box the
 * inner one is the last. \fbox and the word "boxed" are no boxes. Linear in n. 0 or TS_ENOMEM. */
int ts_boxed_last(const char *s, size_t n, struct ts_boxed *out);

/* The closing brace that belongs to the opening one at s[open]; n when it is missing. */
size_t ts_brace_end(const char *s, size_t n, size_t open);

#endif
