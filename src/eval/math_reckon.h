/* The value of an expression whose variables have values (math_value.h).
 *
 * Without stand-ins pi, e, logarithms and the like have their true values, as balls: good for proofs of "not equal". With stand-ins they
 * are whole numbers chosen by the seed, consistent with what is known of them: e^(a+b) = e^a e^b, ln 8 = 3 ln 2, sin and cos by e^(ix),
 * roots of unity for multiples of pi. Everything then is algebraic, and "equal" can be proved. */
#ifndef TS_EVAL_MATH_RECKON_H
#define TS_EVAL_MATH_RECKON_H

#include "eval/math_value.h"

/* `out` was initialised. 0, TS_MATH_UNKNOWN or TS_MATH_UNDEFINED. */
int ts_math_reckon(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_value *out);
/* The same without stand-ins, whatever the reckoner says: for signs and for rounding. */
int ts_math_reckon_true(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_value *out);

/* --- inside: math_linear.c --- */

/* A stand-in for the thing with this name: odd, 12 bits. */
slong ts_math_stand_in(struct ts_math_reckoner *, uint64_t name);

/* a + b i + c pi + d i pi + sum of f_k ln p_k, all of a..f fractions. */
enum { TS_MATH_ONE, TS_MATH_I, TS_MATH_PI, TS_MATH_I_PI, TS_MATH_PARTS, TS_MATH_MOST_LOGS = 16 };
struct ts_math_linear {
	fmpq_t part[TS_MATH_PARTS];
	size_t logs;
	ulong prime[TS_MATH_MOST_LOGS];
	fmpq_t log[TS_MATH_MOST_LOGS];
};
void ts_math_linear_init(struct ts_math_linear *);
void ts_math_linear_clear(struct ts_math_linear *);
/* The tree, or its logarithm, as such a sum; TS_MATH_UNKNOWN where it is none. `out` was initialised. */
int ts_math_linear(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_linear *out);
int ts_math_linear_log(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_linear *out);
/* With stand-ins: the sum itself, and e to it. */
int ts_math_linear_value(struct ts_math_reckoner *, const struct ts_math_linear *, struct ts_math_value *out);
int ts_math_linear_exp(struct ts_math_reckoner *, const struct ts_math_linear *, struct ts_math_value *out);

/* --- inside: math_function.c --- */

int ts_math_reckon_function(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_value *out);

#endif
