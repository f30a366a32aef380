/* Where the last number of a text stands: what an answer without a box is taken from. Its value is for eval/math_compare.h.
 *
 * A number here: a sign, digits with or without separators of thousands (a comma, or a space, before each group of exactly three digits,
 * the first group of one to three), decimals, \frac{a}{b}, a/b, a\div b, (a)/(b), mixed numbers (1\frac{1}{2}), a percent sign. */
#ifndef TS_EVAL_NUMBER_H
#define TS_EVAL_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* In cleaned text (eval/answer_text.h). Signs count only where no letter or digit stands before. */
bool ts_number_last(const char *cleaned, size_t n, size_t *start, size_t *len);
/* The one that begins at `start`, if one does. */
bool ts_number_at(const char *cleaned, size_t n, size_t start, size_t *len);

#endif
