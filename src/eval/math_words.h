/* The words of answers: commands, signs beyond ASCII, and which runs of letters are functions, numbers, units or plain words. Tables, and no
 * state. */
#ifndef TS_EVAL_MATH_WORDS_H
#define TS_EVAL_MATH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* What a command (named without its backslash) is for: nothing, words inside, another look of what is inside, a letter; or see below. */
enum ts_math_command_use {
	TS_MATH_COMMAND_OTHER,
	TS_MATH_COMMAND_IGNORED,
	TS_MATH_COMMAND_TEXT,
	TS_MATH_COMMAND_ACCENT,
	TS_MATH_COMMAND_LETTER,
};
enum ts_math_command_use ts_math_command_use(const char *name, size_t n);
/* The token type of another command; 0: not known. */
int ts_math_command_type(const char *name, size_t n, int *op);

/* What a sign beyond ASCII at s is in LaTeX, and its length; NULL: not known. */
const char *ts_math_beyond_ascii(const char *s, size_t n, size_t *len);

/* The token type of a run that is no word: a function, "and", "pi", "infinity", "sqrt", ...; 0 for all others. */
int ts_math_word_type(const char *s, size_t n, int *op);

/* Is this run of two or more letters one word, and not variables side by side? `unit`: it stands where a unit may. */
bool ts_math_is_word(const char *s, size_t n, bool unit);

/* seven -> 7, twenty -> 20; -1: none. */
int ts_math_number_word(const char *s);
/* dozen, hundred, thousand, million, billion, trillion: what it multiplies by; 0: none. */
long ts_math_scale_word(const char *s);

#endif
