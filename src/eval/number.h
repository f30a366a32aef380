/* Reading a written number exactly, as a fraction of two 64-bit integers, from cleaned text (eval/answer_text.h).
 *
 * Understood: a sign, integers with or without thousands separators (a comma, or a space, before each group of exactly
 * three digits, the first group of one to three), decimals, \frac{a}{b}, a/b, a\div b, (a)/(b), mixed numbers (1\frac{1}{2}),
 * a percent sign or the word, and a unit in words or \text{} after the number.
 * Not understood: roots, powers, products, sums, variables, lists, number words, bases, and anything past 64 bits. */
#ifndef TS_EVAL_NUMBER_H
#define TS_EVAL_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_number {
	int64_t top, bottom; /* bottom > 0; not reduced */
	bool percent;
};

/* Is the whole text one number? */
bool ts_number_parse(const char *cleaned, size_t n, struct ts_number *out);

/* The last number in a text of many words: its place and value. Signs count only where no letter or digit stands before. */
bool ts_number_last(const char *cleaned, size_t n, struct ts_number *out, size_t *start, size_t *len);

/* Exact. When one side alone has a percent sign it may be a unit or a factor: 10% = 10 and 10% = 0.1. */
bool ts_number_equal(const struct ts_number *, const struct ts_number *);

#endif
