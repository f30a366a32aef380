/* A mathematical expression as a tree, in an arena: what the parser makes (math_parse.h) and the comparison reads.
 *
 * Nodes are never changed once made and may be shared. `hash` is of the node's whole content: equal trees have equal hashes. */
#ifndef TS_EVAL_MATH_TREE_H
#define TS_EVAL_MATH_TREE_H

#include "core/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ts_math_kind {
	TS_MATH_NUMBER,    /* text: digits; places, repeat, base */
	TS_MATH_NAME,      /* text: a variable */
	TS_MATH_CONSTANT,  /* op: 'p' pi, 'e', 'i', 'f' infinity */
	TS_MATH_SUM,       /* any number of terms */
	TS_MATH_PRODUCT,   /* any number of factors */
	TS_MATH_QUOTIENT,  /* top, bottom */
	TS_MATH_POWER,     /* base, exponent */
	TS_MATH_ROOT,      /* radicand; op: its degree */
	TS_MATH_NEGATIVE,  /* one */
	TS_MATH_PLUSMINUS, /* one; op '-' where it is written the other way round */
	TS_MATH_FACTORIAL, /* one */
	TS_MATH_BINOMIAL,  /* n, k */
	TS_MATH_FUNCTION,  /* op: enum ts_math_function; argument, and for a logarithm perhaps the base */
	TS_MATH_APPLY,     /* text: an unknown function; its arguments */
	TS_MATH_PERCENT,   /* one */
	TS_MATH_DEGREE,    /* one */
	TS_MATH_RATIO,     /* a : b : ... */
	TS_MATH_TUPLE,     /* op, close: its brackets; the parts in order */
	TS_MATH_SET,       /* members */
	TS_MATH_LIST,      /* what commas or words part; op ',' or 'a' (and) or 'o' (or) */
	TS_MATH_UNION,     /* two or more */
	TS_MATH_MEET,      /* intersection of two or more */
	TS_MATH_WITHOUT,   /* a set minus another */
	TS_MATH_CHAIN,     /* a < b <= c: parts, and text: one letter for each relation between them */
	TS_MATH_MATRIX,    /* rows x columns, row by row; op 'v' = written as a determinant */
	TS_MATH_DOMAIN,    /* op: 'R', 'Z', ... */
	TS_MATH_TEXT,      /* text: words */
};

enum ts_math_function {
	TS_MATH_SIN,
	TS_MATH_COS,
	TS_MATH_TAN,
	TS_MATH_COT,
	TS_MATH_SEC,
	TS_MATH_CSC,
	TS_MATH_SINH,
	TS_MATH_COSH,
	TS_MATH_TANH,
	TS_MATH_ARCSIN,
	TS_MATH_ARCCOS,
	TS_MATH_ARCTAN,
	TS_MATH_LOG, /* natural without a base */
	TS_MATH_EXP,
	TS_MATH_ABS,
	TS_MATH_FLOOR,
	TS_MATH_CEIL,
};

/* Relations of a chain. */
#define TS_MATH_LESS       '<'
#define TS_MATH_LESS_EQ    'l'
#define TS_MATH_GREATER    '>'
#define TS_MATH_GREATER_EQ 'g'
#define TS_MATH_EQUALS     '='
#define TS_MATH_DIFFERS    '!'
#define TS_MATH_ABOUT      '~'
#define TS_MATH_IN         'i'

struct ts_math {
	enum ts_math_kind kind;
	int op, close;
	int places, repeat, base; /* of a number: digits after the point, how many of them repeat for ever, 10 or what the subscript says */
	size_t rows, columns;
	size_t count;
	const struct ts_math *const *parts; /* [count] */
	const char *text;                   /* NUL-terminated, or NULL */
	int depth;                          /* 1 for a leaf */
	uint64_t hash;
};

/* A node with the fields of `like` and copies of its parts and text; its hash is reckoned. NULL: out of memory. */
const struct ts_math *ts_math_make(struct ts_arena *, const struct ts_math *like);
/* The usual ones. */
const struct ts_math *ts_math_one(struct ts_arena *, enum ts_math_kind, int op, const struct ts_math *part);
const struct ts_math *ts_math_two(struct ts_arena *, enum ts_math_kind, const struct ts_math *, const struct ts_math *);
const struct ts_math *ts_math_integer(struct ts_arena *, long value);
/* a - b */
const struct ts_math *ts_math_minus(struct ts_arena *, const struct ts_math *a, const struct ts_math *b);

/* The tree with every name `name` replaced. NULL: out of memory. */
const struct ts_math *ts_math_replace(struct ts_arena *, const struct ts_math *, const char *name, const struct ts_math *by);

/* The names in it, each once, in the order of the text; at most `most`. The number of all of them, or most + 1 for "more". */
size_t ts_math_names(const struct ts_math *, const char **names, size_t most);

bool ts_math_has(const struct ts_math *, enum ts_math_kind);

#endif
