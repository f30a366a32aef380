/* Is an expression 0 for all values of its variables? The heart of "equal".
 *
 * "No" comes from balls that exclude 0; "yes" from exact fractions, or from a ball below the separation bound (math_value.h). With
 * variables the expression is taken at points of whole numbers drawn by a fixed rule, exactly each time: at several of them, far more
 * than such a coincidence allows. Over real variables only points count at which every root and logarithm is real. What cannot be
 * settled within the budget is TS_MATH_OPEN. */
#ifndef TS_EVAL_MATH_ZERO_H
#define TS_EVAL_MATH_ZERO_H

#include "eval/math_tree.h"

/* The whole work of one comparison. Each step of it takes from the budget first. */
struct ts_math_work {
	struct ts_arena *arena;
	double budget;
};
#define TS_MATH_BUDGET 400000.0

/* TS_MATH_REFUTED, TS_MATH_PROVED or TS_MATH_OPEN (math_value.h). NULL (out of memory while it was made) is open. */
int ts_math_zero(struct ts_math_work *, const struct ts_math *);
/* The sign of a real expression without variables: -1, 0, 1; 2 = not settled, or not real. */
int ts_math_sign(struct ts_math_work *, const struct ts_math *);
/* Is `decimal`, a number with decimals, what the exact value rounds to at its last digit? Both without variables. */
bool ts_math_rounds_to(struct ts_math_work *, const struct ts_math *exact, const struct ts_math *decimal);
/* A real expression without variables as a double: 0 or infinity where that cannot hold it. false: not settled, or not real. */
bool ts_math_double(struct ts_math_work *, const struct ts_math *, double *out);

#endif
