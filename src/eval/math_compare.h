/* Do two answers say the same? Each is read as mathematics (math_parse.h) and compared by what it is:
 *
 *   values      equal for all values of their variables (math_zero.h); a percent sign or a degree on one side alone may be a unit (10% is
 *               10 or 0.1, 90 degrees are 90 or pi/2); a decimal of 12 or more digits may round an exact value
 *   tuples      in order, with the same brackets; intervals, unions and inequalities as sets of real numbers
 *   sets        without order; so are lists that commas or words part, with as many of each; +- stands for both
 *   equations   one a multiple of the other; the left side that only names what is asked is dropped when one answer has it (x = 5 is 5),
 *               as is what follows the first value (x = 1/3 = 0.33, x = 1/3 ~ 0.33)
 *   matrices    cell by cell; ratios up to a factor; texts are not compared here
 *
 * It errs towards "different": what is not understood, not settled, or over a bound is not equal. One comparison takes some tens of
 * milliseconds at most. */
#ifndef TS_EVAL_MATH_COMPARE_H
#define TS_EVAL_MATH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

enum ts_math_verdict {
	TS_MATH_DIFFERENT, /* or not settled */
	TS_MATH_EQUAL,
	TS_MATH_UNREAD, /* one of them is no mathematics that is known here, or over a bound */
};

/* Is it a formula, and not words alone? 0 or TS_ENOMEM. */
int ts_math_reads(const char *s, size_t n, bool *reads);

/* 0 or TS_ENOMEM. */
int ts_math_compare(const char *a, size_t a_n, const char *b, size_t b_n, enum ts_math_verdict *);

#endif
