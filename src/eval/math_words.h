/* The words of answers: which runs of letters are functions, numbers, units or plain words. Tables, and no state. */
#ifndef TS_EVAL_MATH_WORDS_H
#define TS_EVAL_MATH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The token type of a run that is no word: a function, "and", "pi", "infinity", "sqrt", ...; 0 for all others. */
int ts_math_word_type(const char *s, size_t n, int *op);

/* Is this run of two or more letters one word, and not variables side by side? `unit`: it stands where a unit may. */
bool ts_math_is_word(const char *s, size_t n, bool unit);

/* seven -> 7, twenty -> 20; -1: none. */
int ts_math_number_word(const char *s);
/* dozen, hundred, thousand, million, billion, trillion: what it multiplies by; 0: none. */
long ts_math_scale_word(const char *s);

#endif
