/* An answer as a tree (math_tree.h).
 *
 * From loose to tight: lists (commas, "and", "or"); relations; unions; ratios; sums; products, written or not, and quotients, from left to
 * right (1/2x is x/2); signs; powers, subscripts, %, degrees, factorials; brackets, functions, fractions, roots, matrices. A whole number
 * before a proper fraction of numbers is a mixed number. Words after a value are its unit and are dropped; percent, degrees and
 * thousand, million and so on are kept. */
#ifndef TS_EVAL_MATH_PARSE_H
#define TS_EVAL_MATH_PARSE_H

#include "eval/math_tree.h"

struct ts_math_answer {
	const struct ts_math *tree;
	bool grouped; /* some number holds a comma that may part a list instead */
	bool list;    /* some comma parts a list */
};

/* `how` as in math_lex.h. 0; TS_EFORMAT: not understood; TS_ELIMIT: over a bound (math_lex.h; nesting 60 deep); TS_ENOMEM. */
int ts_math_parse(struct ts_arena *, const char *s, size_t n, int how, struct ts_math_answer *out);

#endif
