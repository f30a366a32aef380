/* Sets of real numbers as intervals in order: what intervals, unions, inequalities and conditions on one variable say. */
#ifndef TS_EVAL_MATH_REGION_H
#define TS_EVAL_MATH_REGION_H

#include "eval/math_zero.h"

enum { TS_MATH_MOST_INTERVALS = 32 };

struct ts_math_interval {
	const struct ts_math *low, *high; /* NULL: without an end on that side */
	bool low_closed, high_closed;
};

struct ts_math_region {
	const char *name; /* of the variable, where one is written; NULL: none is */
	size_t count;
	struct ts_math_interval list[TS_MATH_MOST_INTERVALS]; /* disjoint, rising, none that could be joined */
};

/* Does it look like a set of real numbers: an interval with a square bracket or an infinite end, a union, an inequality, R? A pair in round
 * brackets may be one too, and is taken for one beside such a thing. */
bool ts_math_is_region(const struct ts_math *);
/* false: it is none, or not settled. */
bool ts_math_region(struct ts_math_work *, const struct ts_math *, struct ts_math_region *out);
bool ts_math_region_equal(struct ts_math_work *, const struct ts_math_region *, const struct ts_math_region *);

#endif
