/* The evaluator's state and the functions its files share. Internal to the chat templates.
 *
 * Every function returns 0 or a negative status with the error already described; ts_j_exec may also return
 * TS_J_BREAK or TS_J_CONTINUE, which travel up to the loop like a status. */
#ifndef TS_TEXT_JINJA_RUN_H
#define TS_TEXT_JINJA_RUN_H

#include "text/jinja/ast.h"
#include "text/jinja/value.h"
#include "text/template.h"

#define TS_J_MAX_STEPS  ((uint64_t)50000000)
#define TS_J_MAX_DEPTH  1000
#define TS_J_MAX_MEMORY ((size_t)512 << 20)
#define TS_J_MAX_OUTPUT ((size_t)64 << 20)
#define TS_J_MAX_RANGE  100000

enum { TS_J_BREAK = 1, TS_J_CONTINUE = 2 };

struct ts_j_var {
	const struct ts_j_string *name;
	struct ts_j_value value;
	struct ts_j_var *next;
};

struct ts_j_scope {
	struct ts_j_scope *parent;
	struct ts_j_var *vars;
	bool captured; /* a macro holds on to it: a loop may not reuse it */
};

struct ts_j {
	const struct ts_template *template;
	const struct ts_template_input *input;
	struct ts_error *err;
	struct ts_arena arena;
	size_t memory; /* bytes taken from the arena */
	size_t output; /* bytes held in capture buffers and in the output */
	uint64_t steps;
	int depth;
	int line; /* of the statement or expression at work, for messages */
	struct ts_j_scope *context, *root;
	const struct ts_j_string *loop_name, *caller_name; /* "loop", "caller" */
	struct ts_str *out;
};

struct ts_j_args {
	const struct ts_j_value *pos;
	size_t n;
	const struct ts_j_string *const *names;
	const struct ts_j_value *named;
	size_t n_named;
};

struct ts_j_macro {
	const struct ts_j_node *node;
	struct ts_j_scope *scope;
};

typedef int ts_j_method_fn(struct ts_j *, const struct ts_j_value *self, const struct ts_j_args *, struct ts_j_value *out);

struct ts_j_method_def {
	const char *name;
	ts_j_method_fn *call; /* NULL: the sandbox forbids it, so it reads as undefined */
};

struct ts_j_method {
	const struct ts_j_method_def *def;
	struct ts_j_value self;
};

struct ts_j_loop {
	struct ts_j_iter iter;
	const struct ts_j_node *node;
	struct ts_j_scope *scope; /* around the loop */
	int64_t index0, length, depth0;
	bool has_after, has_length, has_changed;
	struct ts_j_value after, current, before, changed;
};

/* value.c: making and asking values */
int ts_j_fail(struct ts_j *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ts_j_limit(struct ts_j *, const char *what);
int ts_j_work(struct ts_j *, size_t bytes);             /* counts the handling of so many bytes as steps */
int ts_j_deeper(struct ts_j *);                         /* one level more; undone by depth-- */
void *ts_j_alloc(struct ts_j *, size_t size);           /* zeroed; NULL with the error set */
int ts_j_alloc_status(const struct ts_j *);             /* the status behind that NULL */
#if defined(__clang_analyzer__) && !defined(TS_VALUE_C) /* as in core/status.h */
#define ts_j_fail(in, ...)    ((void)ts_j_fail((in), __VA_ARGS__), TS_EFORMAT)
#define ts_j_limit(in, what)  ((void)ts_j_limit((in), (what)), TS_ELIMIT)
#define ts_j_alloc_status(in) ((void)ts_j_alloc_status(in), TS_ENOMEM)
#endif
struct ts_j_string *ts_j_arena_string(struct ts_arena *, const char *s, size_t n);
int ts_j_str(struct ts_j *, const char *s, size_t n, struct ts_j_value *out);
int ts_j_take(struct ts_j *, struct ts_str *, int status, struct ts_j_value *out); /* string from a buffer, which is released */
struct ts_j_value ts_j_none(void);
struct ts_j_value ts_j_bool(bool);
struct ts_j_value ts_j_int(int64_t);
struct ts_j_value ts_j_real(double);
struct ts_j_value ts_j_string(const struct ts_j_string *);
struct ts_j_value ts_j_undefined(const struct ts_j_string *name);
struct ts_j_value ts_j_from_list(struct ts_j_list *, enum ts_j_kind);
struct ts_j_list *ts_j_list_new(struct ts_j *, size_t n); /* n slots to be filled */
int ts_j_stream_new(struct ts_j *, struct ts_j_list *, const char *name, struct ts_j_value *out);
struct ts_j_dict *ts_j_dict_new(struct ts_j *);
int ts_j_dict_put(struct ts_j *, struct ts_j_dict *, const struct ts_j_value *key, const struct ts_j_value *value);
int ts_j_dict_get(struct ts_j *, const struct ts_j_dict *, const struct ts_j_value *key, const struct ts_j_value **out); /* NULL = absent */
const struct ts_j_value *ts_j_dict_text(const struct ts_j_dict *, const struct ts_j_string *key);
const char *ts_j_type(const struct ts_j_value *); /* Python's name of the type */
bool ts_j_same_text(const struct ts_j_string *, const struct ts_j_string *);
bool ts_j_is_text(const struct ts_j_string *, const char *);
bool ts_j_hashable(const struct ts_j_value *);

/* ops.c: truth, order, iteration */
int ts_j_truth(struct ts_j *, const struct ts_j_value *, bool *out);
int ts_j_length(struct ts_j *, const struct ts_j_value *, int64_t *out); /* fails where Python's len() does */
bool ts_j_has_length(const struct ts_j_value *);
bool ts_j_iterable(const struct ts_j_value *);
int ts_j_equal(struct ts_j *, const struct ts_j_value *, const struct ts_j_value *, bool *out);
int ts_j_compare(struct ts_j *, int op, const struct ts_j_value *, const struct ts_j_value *, bool *out);
int ts_j_contains(struct ts_j *, const struct ts_j_value *item, const struct ts_j_value *in, bool *out);
bool ts_j_number(const struct ts_j_value *);                /* bool, int, float */
bool ts_j_integer(const struct ts_j_value *, int64_t *out); /* bool, int */
double ts_j_as_real(const struct ts_j_value *);
int ts_j_iter_start(struct ts_j *, const struct ts_j_value *, struct ts_j_iter *);
int ts_j_iter_next(struct ts_j *, struct ts_j_iter *, bool *more, struct ts_j_value *out);
int ts_j_to_list(struct ts_j *, const struct ts_j_value *, struct ts_j_list **out);
int ts_j_sort(struct ts_j *, struct ts_j_list *items, struct ts_j_list *keys, bool reverse); /* stable, items by keys */

/* arith.c */
int ts_j_binary(struct ts_j *, int op, const struct ts_j_value *, const struct ts_j_value *, struct ts_j_value *out);
int ts_j_negate(struct ts_j *, const struct ts_j_value *, bool minus, struct ts_j_value *out);

/* print.c */
int ts_j_put(struct ts_j *, struct ts_str *, const char *s, size_t n); /* bounded append */
int ts_j_put_str(struct ts_j *, struct ts_str *, const struct ts_j_value *);
int ts_j_put_repr(struct ts_j *, struct ts_str *, const struct ts_j_value *);
int ts_j_put_real(struct ts_str *, double);
int ts_j_to_str(struct ts_j *, const struct ts_j_value *, struct ts_j_value *out); /* keeps a string as it is */
int ts_j_escape(struct ts_j *, const struct ts_j_value *, struct ts_j_value *out); /* HTML */
int ts_j_tojson(struct ts_j *, const struct ts_j_value *, const struct ts_j_args *, struct ts_j_value *out);

/* format.c: `%`, str.format */
int ts_j_percent(struct ts_j *, const struct ts_j_string *format, const struct ts_j_value *arg, struct ts_j_value *out);
int ts_j_str_format(struct ts_j *, const struct ts_j_value *self, const struct ts_j_args *, struct ts_j_value *out);
/* str_split.c */
int ts_j_str_split(struct ts_j *, const struct ts_j_value *self, const struct ts_j_args *, struct ts_j_value *out);
int ts_j_str_rsplit(struct ts_j *, const struct ts_j_value *self, const struct ts_j_args *, struct ts_j_value *out);
int ts_j_str_splitlines(struct ts_j *, const struct ts_j_value *self, const struct ts_j_args *, struct ts_j_value *out);
/* The last place of `sep` in s[0..n), or NULL. */
const char *ts_j_last_hit(const char *s, size_t n, const struct ts_j_string *sep);
/* Bounds the searches that may compare the whole `part` at every place of `s`. */
int ts_j_search_work(struct ts_j *, const struct ts_j_string *s, const struct ts_j_string *part);

/* access.c */
int ts_j_attribute(struct ts_j *, const struct ts_j_value *, const struct ts_j_string *name, struct ts_j_value *out);
int ts_j_item(struct ts_j *, const struct ts_j_value *, const struct ts_j_value *key, struct ts_j_value *out);
int ts_j_slice(struct ts_j *, const struct ts_j_value *, const struct ts_j_value bounds[3], struct ts_j_value *out);
int ts_j_loop_peek(struct ts_j *, struct ts_j_loop *, bool *more);

/* str_methods.c, methods.c: NULL when the type has no such method */
const struct ts_j_method_def *ts_j_string_method(const char *name);
const struct ts_j_method_def *ts_j_method_find(enum ts_j_kind, const struct ts_j_string *name);

/* Arguments by position or name: got[i] is NULL when not given. Too many, unknown, doubled or missing (before `required`) fail. */
int ts_j_bind(struct ts_j *, const char *what, const struct ts_j_args *, const char *const *params, size_t n, size_t required,
	      const struct ts_j_value **got);
int ts_j_need_int(struct ts_j *, const char *what, const struct ts_j_value *, int64_t fallback, int64_t *out);
int ts_j_need_text(struct ts_j *, const char *what, const struct ts_j_value *, const struct ts_j_string **out);

/* filters.c, seq_filters.c, tests.c: found by name; the text lives in the table */
typedef int ts_j_filter_fn(struct ts_j *, const struct ts_j_value *, const struct ts_j_args *, struct ts_j_value *out);
struct ts_j_filter_def {
	const char *name;
	ts_j_filter_fn *call;
};
bool ts_j_filter_known(const struct ts_j_string *name);
bool ts_j_test_known(const struct ts_j_string *name);
int ts_j_filter(struct ts_j *, const struct ts_j_string *name, const struct ts_j_value *, const struct ts_j_args *, struct ts_j_value *out);
int ts_j_test(struct ts_j *, const struct ts_j_string *name, const struct ts_j_value *, const struct ts_j_args *, bool *out);
const struct ts_j_filter_def *ts_j_sequence_filter(const struct ts_j_string *name);

/* globals.c */
int ts_j_globals(struct ts_j *, struct ts_j_scope *);
int ts_j_call_function(struct ts_j *, int function, const struct ts_j_args *, struct ts_j_value *out);

/* eval.c, call.c, exec.c */
int ts_j_eval(struct ts_j *, struct ts_j_scope *, const struct ts_j_node *, struct ts_j_value *out);
int ts_j_eval_args(struct ts_j *, struct ts_j_scope *, const struct ts_j_call_args *, const struct ts_j_value *caller,
		   struct ts_j_args *out);
int ts_j_call(struct ts_j *, const struct ts_j_value *callee, const struct ts_j_args *, struct ts_j_value *out);
int ts_j_apply_filters(struct ts_j *, struct ts_j_scope *, const struct ts_j_node *, const struct ts_j_value *input,
		       struct ts_j_value *out);
struct ts_j_scope *ts_j_scope_new(struct ts_j *, struct ts_j_scope *parent);
int ts_j_set(struct ts_j *, struct ts_j_scope *, const struct ts_j_string *name, const struct ts_j_value *);
const struct ts_j_value *ts_j_lookup(const struct ts_j_scope *, const struct ts_j_string *name);
int ts_j_exec(struct ts_j *, struct ts_j_scope *, const struct ts_j_node *);
int ts_j_capture(struct ts_j *, struct ts_j_scope *, const struct ts_j_node *body, struct ts_j_value *out);
int ts_j_loop_again(struct ts_j *, struct ts_j_loop *, const struct ts_j_value *over, struct ts_j_value *out);
int ts_j_make_macro(struct ts_j *, struct ts_j_scope *, const struct ts_j_node *, struct ts_j_value *out);

/* text.c: Python's view of text */
bool ts_j_space(uint32_t c);
bool ts_j_line_break(uint32_t c);
uint32_t ts_j_point(const char *s, size_t *length); /* decodes good UTF-8 */
enum ts_j_case { TS_J_LOWER, TS_J_UPPER, TS_J_TITLE };
int ts_j_put_case(struct ts_str *, const struct ts_j_string *, size_t at, size_t length, enum ts_j_case); /* the character at `at` */
int ts_j_put_text_case(struct ts_str *, const struct ts_j_string *, enum ts_j_case);                      /* lower or upper throughout */
bool ts_j_is_upper(uint32_t c);
bool ts_j_is_lower(uint32_t c);
bool ts_j_is_cased(uint32_t c);
bool ts_j_is_alpha(uint32_t c);
bool ts_j_is_digit(uint32_t c);
bool ts_j_is_decimal(uint32_t c);
bool ts_j_is_numeric(uint32_t c);
bool ts_j_is_printable(uint32_t c);
bool ts_j_is_word(uint32_t c);
size_t ts_j_offset(const struct ts_j_string *, size_t point); /* byte offset of a code point; n past the end */
bool ts_j_parse_integer(const struct ts_j_string *, int base, int64_t *out);
bool ts_j_parse_real(const struct ts_j_string *, double *out);

#endif
