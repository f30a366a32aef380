/* An answer, LaTeX or plain, cut into tokens.
 *
 * Spacing, $, \left and \right, currency signs and the like are gone; \text{} and its kin are read for what they hold: words, or
 * mathematics; Unicode signs are what their commands are; a number is one token, its separators removed.
 * Bounds: TS_MATH_LONGEST bytes, TS_MATH_MOST_TOKENS tokens, TS_MATH_MOST_DIGITS digits a number, braces 40 deep. */
#ifndef TS_EVAL_MATH_LEX_H
#define TS_EVAL_MATH_LEX_H

#include "core/mem.h"

#include <stdbool.h>

enum { TS_MATH_LONGEST = 4096, TS_MATH_MOST_TOKENS = 2048, TS_MATH_MOST_DIGITS = 1000 };

/* How to read. */
enum {
	TS_MATH_GROUPED = 1, /* a comma before exactly three digits parts thousands (10,080); else it parts a list */
	TS_MATH_BARE = 2,    /* for eval/paper.h: no words, units or mixed numbers; x(y) is a function; what follows is left */
	TS_MATH_UNITS = 4,   /* one letter after a number and a space is a unit (5 m), and no variable */
};

/* A token's type: an ASCII sign for itself, or one of these. */
enum ts_math_token_type {
	TS_TOKEN_END = 0,
	TS_TOKEN_NUMBER = 256,
	TS_TOKEN_NAME,     /* text: a variable */
	TS_TOKEN_CONSTANT, /* op: as in math_tree.h */
	TS_TOKEN_WORD,     /* text */
	TS_TOKEN_FUNCTION, /* op: enum ts_math_function */
	TS_TOKEN_AND,      /* op: 'a' and, 'o' or */
	TS_TOKEN_LESS_EQ,
	TS_TOKEN_GREATER_EQ,
	TS_TOKEN_DIFFERS,
	TS_TOKEN_ABOUT,
	TS_TOKEN_IN,
	TS_TOKEN_UNION,
	TS_TOKEN_MEET,
	TS_TOKEN_WITHOUT,
	TS_TOKEN_PLUSMINUS, /* op: '+', or '-' for the other way round */
	TS_TOKEN_DEGREE,
	TS_TOKEN_FRACTION,
	TS_TOKEN_ROOT,
	TS_TOKEN_BINOMIAL,
	TS_TOKEN_SET_OPEN, /* \{ */
	TS_TOKEN_SET_CLOSE,
	TS_TOKEN_EMPTY_SET,
	TS_TOKEN_DOMAIN, /* op: 'R', ... */
	TS_TOKEN_FLOOR_OPEN,
	TS_TOKEN_FLOOR_CLOSE,
	TS_TOKEN_CEIL_OPEN,
	TS_TOKEN_CEIL_CLOSE,
	TS_TOKEN_ANGLE_OPEN,
	TS_TOKEN_ANGLE_CLOSE,
	TS_TOKEN_BEGIN, /* text: of the environment */
	TS_TOKEN_CLOSE, /* \end{...} */
	TS_TOKEN_ROW,   /* a line break in a matrix */
};

struct ts_math_token {
	int type, op;
	bool spaced;  /* white space or another thing without meaning stands before it */
	bool grouped; /* of a number: a comma was taken for a separator of thousands */
	int places, repeat, base;
	const char *text;
};

struct ts_math_tokens {
	TS_VEC(struct ts_math_token) list; /* the last is TS_TOKEN_END */
};

/* 0; TS_EFORMAT: not mathematics that is known here; TS_ELIMIT: over a bound; TS_ENOMEM. `out` starts zeroed; texts live in the arena. */
int ts_math_lex(struct ts_arena *, const char *s, size_t n, int how, struct ts_math_tokens *out);

#endif
