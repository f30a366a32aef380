/* Equations, inequalities that are no region, left sides that only name what is asked: a part of the comparison (math_compare.h). */
#ifndef TS_EVAL_MATH_EQUATION_H
#define TS_EVAL_MATH_EQUATION_H

#include "eval/math_zero.h"

enum { TS_MATH_MOST_MEMBERS = 64 }; /* of a set or list that is compared */

bool ts_math_is_equation(const struct ts_math *);
/* a = b and its like on both sides: the same left side and an equal right one, or one a multiple of the other. */
bool ts_math_same_equation(struct ts_math_work *, const struct ts_math *, const struct ts_math *);
/* One a positive multiple of the other. */
bool ts_math_same_inequality(struct ts_math_work *, const struct ts_math *, const struct ts_math *);

/* Without what follows an "about equal". */
const struct ts_math *ts_math_exact_part(struct ts_math_work *, const struct ts_math *);
/* What remains when the left side goes: x = 5, f(x) = 2x, (x, y) = (3, 2), "x = 1 or x = 2", "n = 1, 2, 3", x in S. NULL: there is none that may
 * go. Of 10 - 3 = 7 the right side remains. */
const struct ts_math *ts_math_drop_left(struct ts_math_work *, const struct ts_math *);
/* Do both say for each of some names what it is (x = 3, y = 2; (x, y) = (3, 2))? Then *equal says whether it is the same. */
bool ts_math_both_assign(struct ts_math_work *, const struct ts_math *, const struct ts_math *, bool *equal);

/* Of math_compare.c, which these call for what stands on their sides. */
bool ts_math_same(struct ts_math_work *, const struct ts_math *, const struct ts_math *);
bool ts_math_equal_values(struct ts_math_work *, const struct ts_math *, const struct ts_math *);

#endif
