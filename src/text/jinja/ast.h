/* Template tokens, syntax tree and the parser's doors. Everything of a template lives in one arena and is never written
 * after parsing, so threads may share it. Internal to the chat templates. */
#ifndef TS_TEXT_JINJA_AST_H
#define TS_TEXT_JINJA_AST_H

#include "core/mem.h"
#include "core/status.h"
#include "text/jinja/value.h"

enum ts_j_token_kind {
	TS_J_T_EOF,
	TS_J_T_DATA,
	TS_J_T_VAR_BEGIN,
	TS_J_T_VAR_END,
	TS_J_T_BLOCK_BEGIN,
	TS_J_T_BLOCK_END,
	TS_J_T_NAME,
	TS_J_T_STRING,
	TS_J_T_INT,
	TS_J_T_FLOAT,
	TS_J_T_ADD,
	TS_J_T_SUB,
	TS_J_T_MUL,
	TS_J_T_DIV,
	TS_J_T_FLOORDIV,
	TS_J_T_MOD,
	TS_J_T_POW,
	TS_J_T_TILDE,
	TS_J_T_LBRACKET,
	TS_J_T_RBRACKET,
	TS_J_T_LPAREN,
	TS_J_T_RPAREN,
	TS_J_T_LBRACE,
	TS_J_T_RBRACE,
	TS_J_T_EQ,
	TS_J_T_NE,
	TS_J_T_GT,
	TS_J_T_GE,
	TS_J_T_LT,
	TS_J_T_LE,
	TS_J_T_ASSIGN,
	TS_J_T_DOT,
	TS_J_T_COLON,
	TS_J_T_PIPE,
	TS_J_T_COMMA,
	TS_J_T_SEMICOLON,
};

struct ts_j_token {
	enum ts_j_token_kind kind;
	int line;
	const struct ts_j_string *text; /* data, name, string */
	int64_t integer;
	double real;
};

struct ts_j_tokens {
	TS_VEC(struct ts_j_token) v;
};

/* Tokens end with one of kind EOF. The caller releases the vector; texts live in `arena`. */
int ts_j_lex(const char *source, size_t n, const char *place, struct ts_arena *arena, struct ts_j_tokens *out, struct ts_error *err);

enum ts_j_node_kind {
	/* expressions */
	TS_J_N_CONST, /* value */
	TS_J_N_NAME,  /* name */
	TS_J_N_NSREF, /* name . attr, only as a target */
	TS_J_N_LIST,
	TS_J_N_TUPLE,  /* items */
	TS_J_N_DICT,   /* items: key, value, key, value, ... */
	TS_J_N_ATTR,   /* a . name */
	TS_J_N_ITEM,   /* a [ b ] */
	TS_J_N_SLICE,  /* a [ items[0] : items[1] : items[2] ], each may be NULL */
	TS_J_N_CALL,   /* a ( args ) */
	TS_J_N_FILTER, /* a (NULL in a filter block) | name ( args ) */
	TS_J_N_TEST,   /* a is name ( args ) */
	TS_J_N_NOT,
	TS_J_N_NEG,
	TS_J_N_POS,
	TS_J_N_AND,
	TS_J_N_OR,
	TS_J_N_BINARY,  /* a op b */
	TS_J_N_CONCAT,  /* items */
	TS_J_N_COMPARE, /* items[0] ops[0] items[1] ops[1] ... */
	TS_J_N_COND,    /* b if a else c (c may be NULL) */
	/* statements */
	TS_J_N_DATA,        /* value */
	TS_J_N_PRINT,       /* a */
	TS_J_N_IF,          /* items: test, body, test, body, ...; c = else body or NULL */
	TS_J_N_FOR,         /* target a in b if c: body, else_body; flag = recursive */
	TS_J_N_SET,         /* a = b */
	TS_J_N_SETBLOCK,    /* a, filter b (may be NULL), body */
	TS_J_N_MACRO,       /* name, params, body */
	TS_J_N_CALLBLOCK,   /* a = the call; params, body */
	TS_J_N_GENERATION,  /* body, in a scope of its own like a call block */
	TS_J_N_FILTERBLOCK, /* filter a, body */
	TS_J_N_WITH,        /* items: target, value, ...; body */
	TS_J_N_BLOCK,       /* name, body; flag = scoped */
	TS_J_N_BREAK,
	TS_J_N_CONTINUE,
	TS_J_N_UNSUPPORTED, /* name of a statement that fails when reached */
	TS_J_N_BODY,        /* items: statements */
};

/* The binary and comparison operators are token kinds; these two have no token of their own. */
enum { TS_J_OP_IN = 100, TS_J_OP_NOT_IN };

struct ts_j_node;

struct ts_j_call_args {
	struct ts_j_node **positional;
	size_t n_positional;
	const struct ts_j_string **names;
	struct ts_j_node **named;
	size_t n_named;
	struct ts_j_node *star, *star_star; /* may be NULL */
};

struct ts_j_params {
	const struct ts_j_string **names;
	struct ts_j_node **defaults; /* NULL = no default */
	size_t n;
	bool wants_caller, wants_kwargs, wants_varargs; /* the body mentions the special name */
};

struct ts_j_node {
	enum ts_j_node_kind kind;
	int line;
	int op;
	bool flag;
	const struct ts_j_string *name, *attr;
	struct ts_j_value value;
	struct ts_j_node *a, *b, *c, *body, *else_body;
	struct ts_j_node **items;
	int *ops;
	size_t n;
	struct ts_j_call_args *args;
	struct ts_j_params *params;
};

struct ts_template {
	struct ts_arena arena;
	char *place;
	struct ts_j_node *body;
};

struct ts_j_macro_context {
	struct ts_j_macro_context *outer;
	struct ts_j_params *params;
};

struct ts_j_parser {
	const struct ts_j_token *t; /* the current token */
	struct ts_arena *arena;
	const char *place;
	struct ts_error *err;
	int depth;
	int loops; /* enclosing loops that break and continue may leave */
	int fors;  /* enclosing for statements: `loop` may not be assigned there */
	int soft;  /* inside an if: an unknown filter or test only fails when reached */
	struct ts_j_macro_context *macro;
};

int ts_j_parse_body(struct ts_j_parser *, struct ts_j_node **out); /* the whole template */

/* Shared by the two parser files. */
int ts_j_syntax_error(struct ts_j_parser *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ts_j_enter(struct ts_j_parser *);
void ts_j_leave(struct ts_j_parser *);
bool ts_j_at_name(const struct ts_j_token *, const char *word);
bool ts_j_skip_name(struct ts_j_parser *, const char *word);
bool ts_j_skip(struct ts_j_parser *, enum ts_j_token_kind);
int ts_j_expect(struct ts_j_parser *, enum ts_j_token_kind, const char *what);
int ts_j_expect_name(struct ts_j_parser *, const struct ts_j_string **out);
struct ts_j_node *ts_j_node_new(struct ts_j_parser *, enum ts_j_node_kind, int line); /* NULL and err when out of memory */

enum { TS_J_PLAIN = 0, TS_J_NO_COND = 1, TS_J_PARENS = 2, TS_J_TARGET = 4, TS_J_TARGET_NS = 8 };
/* An expression or a tuple without parentheses; `end_word` (may be NULL) also ends the tuple. */
int ts_j_parse_tuple(struct ts_j_parser *, int mode, const char *end_word, struct ts_j_node **out);
int ts_j_parse_expression(struct ts_j_parser *, bool with_cond, struct ts_j_node **out);
int ts_j_parse_target(struct ts_j_parser *, int mode, const char *end_word, struct ts_j_node **out);
/* Filters joined by '|' on `node` (NULL in a filter block); `inside` = the first has no '|' in front. */
int ts_j_parse_filters(struct ts_j_parser *, struct ts_j_node *node, bool inside, struct ts_j_node **out);

/* A growing list of nodes, kept in the heap until it is copied into the arena. */
struct ts_j_nodes {
	TS_VEC(struct ts_j_node *) v;
};
int ts_j_nodes_push(struct ts_j_parser *, struct ts_j_nodes *, struct ts_j_node *);
int ts_j_nodes_finish(struct ts_j_parser *, struct ts_j_nodes *, struct ts_j_node ***items, size_t *n); /* releases the list */

#endif
