/* Expressions of a template, by precedence: condition, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix,
 * filter and test. As in Jinja `**` groups to the left and a filter binds tighter than every binary operator. */
#include "text/jinja/run.h"

#include <string.h>

static int parse_unary(struct ts_j_parser *p, bool with_filter, struct ts_j_node **out);
static int parse_or(struct ts_j_parser *p, struct ts_j_node **out);

static int node_new(struct ts_j_parser *p, enum ts_j_node_kind kind, int line, struct ts_j_node **out)
{
	*out = ts_j_node_new(p, kind, line);
	return *out ? 0 : TS_ENOMEM;
}

static int wrap(struct ts_j_parser *p, enum ts_j_node_kind kind, int op, struct ts_j_node *a, struct ts_j_node *b, int line,
		struct ts_j_node **out)
{
	struct ts_j_node *node;
	TS_TRY(node_new(p, kind, line, &node));
	node->op = op;
	node->a = a;
	node->b = b;
	*out = node;
	return 0;
}

static int parse_cond(struct ts_j_parser *p, struct ts_j_node **out)
{
	int line = p->t->line;
	TS_TRY(parse_or(p, out));
	while (ts_j_skip_name(p, "if")) {
		struct ts_j_node *node;
		TS_TRY(node_new(p, TS_J_N_COND, line, &node));
		node->b = *out;
		p->soft++;
		TS_TRY(parse_or(p, &node->a));
		if (ts_j_skip_name(p, "else"))
			TS_TRY(ts_j_parse_expression(p, true, &node->c));
		p->soft--;
		*out = node;
	}
	return 0;
}

int ts_j_parse_expression(struct ts_j_parser *p, bool with_cond, struct ts_j_node **out)
{
	TS_TRY(ts_j_enter(p));
	TS_TRY(with_cond ? parse_cond(p, out) : parse_or(p, out));
	ts_j_leave(p);
	return 0;
}

static int parse_pow(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(parse_unary(p, true, out));
	while (p->t->kind == TS_J_T_POW) {
		int line = p->t->line;
		struct ts_j_node *right;
		p->t++;
		TS_TRY(parse_unary(p, true, &right));
		TS_TRY(wrap(p, TS_J_N_BINARY, TS_J_T_POW, *out, right, line, out));
	}
	return 0;
}

static int parse_product(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(parse_pow(p, out));
	for (;;) {
		enum ts_j_token_kind op = p->t->kind;
		if (op != TS_J_T_MUL && op != TS_J_T_DIV && op != TS_J_T_FLOORDIV && op != TS_J_T_MOD)
			return 0;
		int line = p->t->line;
		struct ts_j_node *right;
		p->t++;
		TS_TRY(parse_pow(p, &right));
		TS_TRY(wrap(p, TS_J_N_BINARY, (int)op, *out, right, line, out));
	}
}

static int parse_concat(struct ts_j_parser *p, struct ts_j_node **out)
{
	int line = p->t->line, status = 0;
	TS_TRY(parse_product(p, out));
	if (p->t->kind != TS_J_T_TILDE)
		return 0;
	struct ts_j_nodes list = {0};
	struct ts_j_node *node;
	TS_TRY(node_new(p, TS_J_N_CONCAT, line, &node));
	TS_GOTO(ts_j_nodes_push(p, &list, *out));
	while (ts_j_skip(p, TS_J_T_TILDE)) {
		TS_GOTO(parse_product(p, out));
		TS_GOTO(ts_j_nodes_push(p, &list, *out));
	}
	*out = node;
	return ts_j_nodes_finish(p, &list, &node->items, &node->n);
done:
	ts_vec_release(&list.v);
	return status;
}

static int parse_sum(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(parse_concat(p, out));
	while (p->t->kind == TS_J_T_ADD || p->t->kind == TS_J_T_SUB) {
		int op = (int)p->t->kind, line = p->t->line;
		struct ts_j_node *right;
		p->t++;
		TS_TRY(parse_concat(p, &right));
		TS_TRY(wrap(p, TS_J_N_BINARY, op, *out, right, line, out));
	}
	return 0;
}

/* The comparison at the current token, or 0; passes it. */
static int comparison(struct ts_j_parser *p)
{
	if (p->t->kind >= TS_J_T_EQ && p->t->kind <= TS_J_T_LE)
		return (int)(p->t++)->kind;
	if (ts_j_skip_name(p, "in"))
		return TS_J_OP_IN;
	if (ts_j_at_name(p->t, "not") && ts_j_at_name(p->t + 1, "in")) {
		p->t += 2;
		return TS_J_OP_NOT_IN;
	}
	return 0;
}

static int parse_compare(struct ts_j_parser *p, struct ts_j_node **out)
{
	int line = p->t->line, status = 0, op;
	TS_TRY(parse_sum(p, out));
	struct ts_j_nodes list = {0};
	struct ts_j_node *node = NULL;
	TS_VEC(int) ops = {0};
	while ((op = comparison(p))) {
		if (!node) {
			TS_GOTO(node_new(p, TS_J_N_COMPARE, line, &node));
			TS_GOTO(ts_j_nodes_push(p, &list, *out));
		}
		if (ts_vec_push(&ops, op))
			TS_GOTO(ts_fail_memory(p->err));
		TS_GOTO(parse_sum(p, out));
		TS_GOTO(ts_j_nodes_push(p, &list, *out));
	}
	if (!node)
		return 0;
	node->ops = ts_arena_alloc(p->arena, ops.len * sizeof(int));
	if (!node->ops)
		TS_GOTO(ts_fail_memory(p->err));
	memcpy(node->ops, ops.data, ops.len * sizeof(int));
	*out = node;
	status = ts_j_nodes_finish(p, &list, &node->items, &node->n);
done:
	ts_vec_release(&ops);
	ts_vec_release(&list.v);
	return status;
}

static int parse_not(struct ts_j_parser *p, struct ts_j_node **out)
{
	int line = p->t->line;
	if (!ts_j_skip_name(p, "not"))
		return parse_compare(p, out);
	struct ts_j_node *inner;
	TS_TRY(ts_j_enter(p));
	TS_TRY(parse_not(p, &inner));
	ts_j_leave(p);
	return wrap(p, TS_J_N_NOT, 0, inner, NULL, line, out);
}

static int parse_and(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(parse_not(p, out));
	for (int line = p->t->line; ts_j_skip_name(p, "and"); line = p->t->line) {
		struct ts_j_node *right;
		TS_TRY(parse_not(p, &right));
		TS_TRY(wrap(p, TS_J_N_AND, 0, *out, right, line, out));
	}
	return 0;
}

static int parse_or(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(parse_and(p, out));
	for (int line = p->t->line; ts_j_skip_name(p, "or"); line = p->t->line) {
		struct ts_j_node *right;
		TS_TRY(parse_and(p, &right));
		TS_TRY(wrap(p, TS_J_N_OR, 0, *out, right, line, out));
	}
	return 0;
}

/* Items between brackets, with an optional comma at the end; dicts hold key, value, key, value. */
static int parse_items(struct ts_j_parser *p, enum ts_j_token_kind close, bool dict, struct ts_j_node *node)
{
	struct ts_j_nodes list = {0};
	struct ts_j_node *item;
	int status = 0;
	while (p->t->kind != close) {
		if (list.v.len)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		if (p->t->kind == close)
			break;
		TS_GOTO(ts_j_parse_expression(p, true, &item));
		TS_GOTO(ts_j_nodes_push(p, &list, item));
		if (!dict)
			continue;
		TS_GOTO(ts_j_expect(p, TS_J_T_COLON, "':'"));
		TS_GOTO(ts_j_parse_expression(p, true, &item));
		TS_GOTO(ts_j_nodes_push(p, &list, item));
	}
	p->t++;
	return ts_j_nodes_finish(p, &list, &node->items, &node->n);
done:
	ts_vec_release(&list.v);
	return status;
}

static void note_special_name(struct ts_j_parser *p, const struct ts_j_string *name)
{
	for (struct ts_j_macro_context *m = p->macro; m; m = m->outer) {
		m->params->wants_caller |= ts_j_is_text(name, "caller");
		m->params->wants_kwargs |= ts_j_is_text(name, "kwargs");
		m->params->wants_varargs |= ts_j_is_text(name, "varargs");
	}
}

static int parse_name(struct ts_j_parser *p, int mode, struct ts_j_node *node)
{
	const struct ts_j_string *name = p->t->text;
	p->t++;
	if (ts_j_is_text(name, "true") || ts_j_is_text(name, "True"))
		node->value = ts_j_bool(true);
	else if (ts_j_is_text(name, "false") || ts_j_is_text(name, "False"))
		node->value = ts_j_bool(false);
	else if (ts_j_is_text(name, "none") || ts_j_is_text(name, "None"))
		node->value = ts_j_none();
	else
		node->kind = TS_J_N_NAME;
	if (node->kind == TS_J_N_CONST)
		return 0;
	node->name = name;
	if ((mode & TS_J_TARGET_NS) && ts_j_skip(p, TS_J_T_DOT)) {
		node->kind = TS_J_N_NSREF;
		return ts_j_expect_name(p, &node->attr);
	}
	if (!(mode & TS_J_TARGET))
		note_special_name(p, name);
	return 0;
}

static int parse_string(struct ts_j_parser *p, struct ts_j_node *node)
{
	const struct ts_j_string *first = p->t->text;
	p->t++;
	if (p->t->kind != TS_J_T_STRING) {
		node->value = ts_j_string(first);
		return 0;
	}
	struct ts_str joined = {0};
	int status = ts_str_append(&joined, first->data, first->n);
	for (; !status && p->t->kind == TS_J_T_STRING; p->t++)
		status = ts_str_append(&joined, p->t->text->data, p->t->text->n);
	struct ts_j_string *s = status ? NULL : ts_j_arena_string(p->arena, ts_str_c(&joined), joined.len);
	ts_str_release(&joined);
	if (!s)
		return ts_fail_memory(p->err);
	node->value = ts_j_string(s);
	return 0;
}

static int parse_primary(struct ts_j_parser *p, int mode, struct ts_j_node **out)
{
	struct ts_j_node *node;
	TS_TRY(node_new(p, TS_J_N_CONST, p->t->line, &node));
	*out = node;
	switch (p->t->kind) {
	case TS_J_T_NAME:
		return parse_name(p, mode, node);
	case TS_J_T_STRING:
		return parse_string(p, node);
	case TS_J_T_INT:
		node->value = ts_j_int((p->t++)->integer);
		return 0;
	case TS_J_T_FLOAT:
		node->value = ts_j_real((p->t++)->real);
		return 0;
	case TS_J_T_LPAREN:
		p->t++;
		TS_TRY(ts_j_enter(p));
		/* Inside parentheses Jinja parses full expressions, also in a target: `for (a, b) in x`. */
		TS_TRY(ts_j_parse_tuple(p, TS_J_PARENS, NULL, out));
		ts_j_leave(p);
		return ts_j_expect(p, TS_J_T_RPAREN, "')'");
	case TS_J_T_LBRACKET:
		p->t++;
		node->kind = TS_J_N_LIST;
		return parse_items(p, TS_J_T_RBRACKET, false, node);
	case TS_J_T_LBRACE:
		p->t++;
		node->kind = TS_J_N_DICT;
		return parse_items(p, TS_J_T_RBRACE, true, node);
	default:
		return ts_j_syntax_error(p, "expected an expression%s%s", p->t->text ? ", found " : "", p->t->text ? p->t->text->data : "");
	}
}

static bool tuple_end(const struct ts_j_parser *p, const char *end_word)
{
	enum ts_j_token_kind k = p->t->kind;
	return k == TS_J_T_VAR_END || k == TS_J_T_BLOCK_END || k == TS_J_T_RPAREN || (end_word && ts_j_at_name(p->t, end_word));
}

int ts_j_parse_tuple(struct ts_j_parser *p, int mode, const char *end_word, struct ts_j_node **out)
{
	struct ts_j_nodes list = {0};
	struct ts_j_node *item, *node;
	int line = p->t->line, status = 0;
	bool tuple = false;
	for (;;) {
		if (list.v.len)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		if (tuple_end(p, end_word))
			break;
		TS_GOTO(mode & TS_J_TARGET ? parse_primary(p, mode, &item) : ts_j_parse_expression(p, !(mode & TS_J_NO_COND), &item));
		TS_GOTO(ts_j_nodes_push(p, &list, item));
		if (p->t->kind != TS_J_T_COMMA)
			break;
		tuple = true;
	}
	if (!tuple && list.v.len) {
		*out = list.v.data[0];
		goto done;
	}
	if (!tuple && !(mode & TS_J_PARENS))
		TS_GOTO(ts_j_syntax_error(p, "expected an expression"));
	TS_GOTO(node_new(p, TS_J_N_TUPLE, line, &node));
	*out = node;
	status = ts_j_nodes_finish(p, &list, &node->items, &node->n);
done:
	ts_vec_release(&list.v);
	return status;
}

static int check_target(struct ts_j_parser *p, const struct ts_j_node *node)
{
	if (node->kind == TS_J_N_NSREF)
		return 0;
	if (node->kind == TS_J_N_NAME) {
		if (p->fors && ts_j_is_text(node->name, "loop"))
			return ts_j_syntax_error(p, "cannot assign to loop inside a for loop");
		return 0;
	}
	if (node->kind != TS_J_N_TUPLE)
		return ts_j_syntax_error(p, "cannot assign to this expression");
	for (size_t i = 0; i < node->n; i++)
		TS_TRY(check_target(p, node->items[i]));
	return 0;
}

int ts_j_parse_target(struct ts_j_parser *p, int mode, const char *end_word, struct ts_j_node **out)
{
	TS_TRY(ts_j_parse_tuple(p, mode, end_word, out));
	return check_target(p, *out);
}

static int parse_one_arg(struct ts_j_parser *p, struct ts_j_call_args *args, struct ts_j_nodes *pos, struct ts_j_nodes *named)
{
	struct ts_j_node *value;
	bool keyword = p->t->kind == TS_J_T_NAME && p->t[1].kind == TS_J_T_ASSIGN;
	bool bad;
	if (ts_j_skip(p, TS_J_T_MUL)) {
		bad = args->star || args->star_star;
		TS_TRY(ts_j_parse_expression(p, true, &args->star));
	} else if (ts_j_skip(p, TS_J_T_POW)) {
		bad = args->star_star;
		TS_TRY(ts_j_parse_expression(p, true, &args->star_star));
	} else if (keyword) {
		bad = args->star_star;
		struct ts_j_node *key;
		TS_TRY(node_new(p, TS_J_N_NAME, p->t->line, &key));
		key->name = p->t->text;
		p->t += 2;
		TS_TRY(ts_j_parse_expression(p, true, &key->a));
		for (size_t i = 0; i < named->v.len; i++)
			bad |= ts_j_same_text(named->v.data[i]->name, key->name);
		TS_TRY(ts_j_nodes_push(p, named, key));
	} else {
		bad = args->star || args->star_star || named->v.len;
		TS_TRY(ts_j_parse_expression(p, true, &value));
		TS_TRY(ts_j_nodes_push(p, pos, value));
	}
	return bad ? ts_j_syntax_error(p, "arguments in the wrong order") : 0;
}

/* The current token is the one after '('. */
static int parse_args(struct ts_j_parser *p, struct ts_j_call_args **out)
{
	struct ts_j_nodes pos = {0}, named = {0};
	int status = 0;
	struct ts_j_call_args *args = ts_arena_alloc(p->arena, sizeof(*args));
	if (!args)
		return ts_fail_memory(p->err);
	for (bool first = true; p->t->kind != TS_J_T_RPAREN; first = false) {
		if (!first)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		if (p->t->kind == TS_J_T_RPAREN)
			break;
		TS_GOTO(parse_one_arg(p, args, &pos, &named));
	}
	p->t++;
	TS_GOTO(ts_j_nodes_finish(p, &pos, &args->positional, &args->n_positional));
	TS_GOTO(ts_j_nodes_finish(p, &named, &args->named, &args->n_named));
	args->names = ts_arena_alloc(p->arena, (args->n_named + 1) * sizeof(*args->names));
	if (!args->names)
		TS_GOTO(ts_fail_memory(p->err));
	for (size_t i = 0; i < args->n_named; i++) {
		args->names[i] = args->named[i]->name;
		args->named[i] = args->named[i]->a;
	}
	*out = args;
done:
	ts_vec_release(&pos.v);
	ts_vec_release(&named.v);
	return status;
}

static int parse_call(struct ts_j_parser *p, struct ts_j_node **out)
{
	TS_TRY(wrap(p, TS_J_N_CALL, 0, *out, NULL, p->t->line, out));
	p->t++;
	return parse_args(p, &(*out)->args);
}

/* [index] or [start:stop:step], after the '['. */
static int parse_brackets(struct ts_j_parser *p, struct ts_j_node *node)
{
	struct ts_j_node *bounds[3] = {NULL, NULL, NULL};
	size_t at = 0;
	while (p->t->kind != TS_J_T_RBRACKET) {
		if (p->t->kind == TS_J_T_COLON && at < 2) {
			p->t++;
			at++;
			continue;
		}
		if (bounds[at])
			return ts_j_syntax_error(p, "expected ']'");
		TS_TRY(ts_j_parse_expression(p, true, &bounds[at]));
		if (at == 0 && p->t->kind == TS_J_T_COMMA) { /* x[a, b]: a tuple as key */
			struct ts_j_node *tuple, *rest;
			TS_TRY(node_new(p, TS_J_N_TUPLE, p->t->line, &tuple));
			TS_TRY(node_new(p, TS_J_N_LIST, p->t->line, &rest));
			p->t++;
			TS_TRY(parse_items(p, TS_J_T_RBRACKET, false, rest));
			tuple->n = rest->n + 1;
			tuple->items = ts_arena_alloc(p->arena, tuple->n * sizeof(*tuple->items));
			if (!tuple->items)
				return ts_fail_memory(p->err);
			tuple->items[0] = bounds[0];
			memcpy(tuple->items + 1, rest->items, rest->n * sizeof(*rest->items));
			node->b = tuple;
			return 0;
		}
	}
	p->t++;
	if (at == 0) {
		node->b = bounds[0];
		return node->b ? 0 : ts_j_syntax_error(p, "empty subscript");
	}
	node->kind = TS_J_N_SLICE;
	node->n = 3;
	node->items = ts_arena_alloc(p->arena, sizeof(bounds));
	if (!node->items)
		return ts_fail_memory(p->err);
	memcpy(node->items, bounds, sizeof(bounds));
	return 0;
}

static int parse_dot(struct ts_j_parser *p, struct ts_j_node *node)
{
	if (p->t->kind == TS_J_T_INT) {
		TS_TRY(node_new(p, TS_J_N_CONST, p->t->line, &node->b));
		node->b->value = ts_j_int((p->t++)->integer);
		return 0;
	}
	node->kind = TS_J_N_ATTR;
	return ts_j_expect_name(p, &node->name);
}

static int parse_postfix(struct ts_j_parser *p, struct ts_j_node **out)
{
	for (;;) {
		int line = p->t->line;
		if (p->t->kind == TS_J_T_LPAREN) {
			TS_TRY(parse_call(p, out));
		} else if (p->t->kind == TS_J_T_DOT || p->t->kind == TS_J_T_LBRACKET) {
			bool dot = (p->t++)->kind == TS_J_T_DOT;
			TS_TRY(wrap(p, TS_J_N_ITEM, 0, *out, NULL, line, out));
			TS_TRY(dot ? parse_dot(p, *out) : parse_brackets(p, *out));
		} else {
			return 0;
		}
	}
}

/* name(.name)*, joined. */
static int parse_dotted(struct ts_j_parser *p, const struct ts_j_string **out)
{
	TS_TRY(ts_j_expect_name(p, out));
	if (p->t->kind == TS_J_T_DOT)
		return ts_j_syntax_error(p, "no filter or test named '%s.…'", (*out)->data);
	return 0;
}

int ts_j_parse_filters(struct ts_j_parser *p, struct ts_j_node *node, bool inside, struct ts_j_node **out)
{
	*out = node;
	while (inside || ts_j_skip(p, TS_J_T_PIPE)) {
		inside = false;
		TS_TRY(wrap(p, TS_J_N_FILTER, 0, *out, NULL, p->t->line, out));
		TS_TRY(parse_dotted(p, &(*out)->name));
		if (!p->soft && !ts_j_filter_known((*out)->name))
			return ts_j_syntax_error(p, "no filter named '%s'", (*out)->name->data);
		if (ts_j_skip(p, TS_J_T_LPAREN))
			TS_TRY(parse_args(p, &(*out)->args));
	}
	return 0;
}

/* A test may take one argument without parentheses: `x is divisibleby 3`. */
static int parse_bare_argument(struct ts_j_parser *p, struct ts_j_node *test)
{
	enum ts_j_token_kind k = p->t->kind;
	bool starts = k == TS_J_T_NAME || k == TS_J_T_STRING || k == TS_J_T_INT || k == TS_J_T_FLOAT || k == TS_J_T_LBRACKET ||
		      k == TS_J_T_LBRACE;
	if (!starts || ts_j_at_name(p->t, "else") || ts_j_at_name(p->t, "or") || ts_j_at_name(p->t, "and"))
		return 0;
	if (ts_j_at_name(p->t, "is"))
		return ts_j_syntax_error(p, "tests cannot be chained with is");
	struct ts_j_node *value;
	TS_TRY(parse_primary(p, TS_J_PLAIN, &value));
	TS_TRY(parse_postfix(p, &value));
	struct ts_j_call_args *args = ts_arena_alloc(p->arena, sizeof(*args));
	struct ts_j_node **items = ts_arena_alloc(p->arena, sizeof(*items));
	if (!args || !items)
		return ts_fail_memory(p->err);
	*items = value;
	args->positional = items;
	args->n_positional = 1;
	test->args = args;
	return 0;
}

static int parse_test(struct ts_j_parser *p, struct ts_j_node **out)
{
	int line = (p->t++)->line;
	bool negated = ts_j_skip_name(p, "not");
	TS_TRY(wrap(p, TS_J_N_TEST, 0, *out, NULL, line, out));
	struct ts_j_node *test = *out;
	TS_TRY(parse_dotted(p, &test->name));
	if (!p->soft && !ts_j_test_known(test->name))
		return ts_j_syntax_error(p, "no test named '%s'", test->name->data);
	if (ts_j_skip(p, TS_J_T_LPAREN))
		TS_TRY(parse_args(p, &test->args));
	else
		TS_TRY(parse_bare_argument(p, test));
	return negated ? wrap(p, TS_J_N_NOT, 0, test, NULL, line, out) : 0;
}

static int parse_filter_expr(struct ts_j_parser *p, struct ts_j_node **out)
{
	for (;;) {
		if (p->t->kind == TS_J_T_PIPE)
			TS_TRY(ts_j_parse_filters(p, *out, false, out));
		else if (ts_j_at_name(p->t, "is"))
			TS_TRY(parse_test(p, out));
		else if (p->t->kind == TS_J_T_LPAREN)
			TS_TRY(parse_call(p, out));
		else
			return 0;
	}
}

static int parse_unary(struct ts_j_parser *p, bool with_filter, struct ts_j_node **out)
{
	TS_TRY(ts_j_enter(p));
	enum ts_j_token_kind k = p->t->kind;
	if (k == TS_J_T_SUB || k == TS_J_T_ADD) {
		int line = (p->t++)->line;
		TS_TRY(parse_unary(p, false, out));
		TS_TRY(wrap(p, k == TS_J_T_SUB ? TS_J_N_NEG : TS_J_N_POS, 0, *out, NULL, line, out));
	} else {
		TS_TRY(parse_primary(p, TS_J_PLAIN, out));
	}
	TS_TRY(parse_postfix(p, out));
	if (with_filter)
		TS_TRY(parse_filter_expr(p, out));
	ts_j_leave(p);
	return 0;
}
