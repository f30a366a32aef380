/* The parser's insides, shared by its two files: math_parse.c has what joins things and what follows them, math_parse_base.c the things
 * themselves: numbers, names, brackets, functions, fractions, roots, matrices, words. */
#ifndef TS_EVAL_MATH_PARSER_H
#define TS_EVAL_MATH_PARSER_H

#include "core/status.h"
#include "eval/math_lex.h"
#include "eval/math_tree.h"

/* Of the descent, and of the tree: a row of postfixes makes a deep tree without any descent. */
enum { DEPTH_LIMIT = 60, TREE_LIMIT = 200 };

typedef TS_VEC(const struct ts_math *) parts_t;

struct parser {
	struct ts_arena *arena;
	const struct ts_math_token *tokens;
	size_t at;
	int how, depth, bars; /* bars: |x| that are open */
};

#define NODE(p, out, ...) node((p), (out), &(struct ts_math){__VA_ARGS__})

static inline int node(struct parser *p, const struct ts_math **out, const struct ts_math *like)
{
	*out = ts_math_make(p->arena, like);
	return !*out ? TS_ENOMEM : (*out)->depth > TREE_LIMIT ? TS_ELIMIT : 0;
}

static inline int wrap(struct parser *p, enum ts_math_kind kind, int op, const struct ts_math **value)
{
	const struct ts_math *part = *value;
	return NODE(p, value, .kind = kind, .op = op, .count = 1, .parts = &part);
}

static inline int pair(struct parser *p, enum ts_math_kind kind, const struct ts_math *a, const struct ts_math *b,
		       const struct ts_math **out)
{
	const struct ts_math *parts[] = {a, b};
	return NODE(p, out, .kind = kind, .count = 2, .parts = parts);
}

static inline const struct ts_math_token *peek(const struct parser *p)
{
	return &p->tokens[p->at];
}

static inline bool next_is(const struct parser *p, int type)
{
	return peek(p)->type == type;
}

static inline bool take(struct parser *p, int type)
{
	if (!next_is(p, type))
		return false;
	p->at++;
	return true;
}

static inline int expect(struct parser *p, int type)
{
	return take(p, type) ? 0 : TS_EFORMAT;
}

/* Each reads what its name says at the cursor, which moves past it. 0, TS_EFORMAT, TS_ELIMIT or TS_ENOMEM. */
int ts_math_parse_list(struct parser *, const struct ts_math **out);
int ts_math_parse_relation(struct parser *, const struct ts_math **out);
int ts_math_parse_sum(struct parser *, const struct ts_math **out);
int ts_math_parse_factor(struct parser *, const struct ts_math **out);
int ts_math_parse_base(struct parser *, const struct ts_math **out);
/* {...}, or one thing; a number is no mixed one. */
int ts_math_parse_argument(struct parser *, const struct ts_math **out);

/* Can a factor begin at the cursor, so that what stands before is multiplied by it? */
bool ts_math_starts_factor(const struct parser *);

/* A number without decimals, in base 10; -1. */
bool ts_math_is_whole(const struct ts_math *);
bool ts_math_is_minus_one(const struct ts_math *);

#endif
