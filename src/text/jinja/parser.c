/* Statements of a template. The grammar is Jinja's: each statement knows the tags that end its body. */
#include "text/jinja/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NESTING 200

int ts_j_syntax_error(struct ts_j_parser *p, const char *format, ...)
{
	char what[300];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return ts_fail(p->err, TS_EFORMAT, "%s:%d: %s", p->place, p->t->line, what);
}

int ts_j_enter(struct ts_j_parser *p)
{
	if (++p->depth > MAX_NESTING)
		return ts_fail(p->err, TS_ELIMIT, "%s:%d: nested deeper than %d", p->place, p->t->line, MAX_NESTING);
	return 0;
}

void ts_j_leave(struct ts_j_parser *p)
{
	p->depth--;
}

bool ts_j_at_name(const struct ts_j_token *t, const char *word)
{
	return t->kind == TS_J_T_NAME && ts_j_is_text(t->text, word);
}

bool ts_j_skip_name(struct ts_j_parser *p, const char *word)
{
	if (!ts_j_at_name(p->t, word))
		return false;
	p->t++;
	return true;
}

bool ts_j_skip(struct ts_j_parser *p, enum ts_j_token_kind kind)
{
	if (p->t->kind != kind)
		return false;
	p->t++;
	return true;
}

int ts_j_expect(struct ts_j_parser *p, enum ts_j_token_kind kind, const char *what)
{
	if (ts_j_skip(p, kind))
		return 0;
	return ts_j_syntax_error(p, "expected %s%s%s", what, p->t->text ? ", found " : "", p->t->text ? p->t->text->data : "");
}

int ts_j_expect_name(struct ts_j_parser *p, const struct ts_j_string **out)
{
	*out = p->t->text;
	return ts_j_expect(p, TS_J_T_NAME, "a name");
}

struct ts_j_node *ts_j_node_new(struct ts_j_parser *p, enum ts_j_node_kind kind, int line)
{
	struct ts_j_node *node = ts_arena_alloc(p->arena, sizeof(*node));
	if (!node) {
		ts_fail_memory(p->err);
		return NULL;
	}
	node->kind = kind;
	node->line = line;
	return node;
}

int ts_j_nodes_push(struct ts_j_parser *p, struct ts_j_nodes *list, struct ts_j_node *node)
{
	return ts_vec_push(&list->v, node) ? ts_fail_memory(p->err) : 0;
}

int ts_j_nodes_finish(struct ts_j_parser *p, struct ts_j_nodes *list, struct ts_j_node ***items, size_t *n)
{
	*n = list->v.len;
	*items = ts_arena_alloc(p->arena, (list->v.len + 1) * sizeof(**items));
	if (*items && list->v.len)
		memcpy(*items, list->v.data, list->v.len * sizeof(**items));
	ts_vec_release(&list->v);
	return *items ? 0 : ts_fail_memory(p->err);
}

static int parse_statement(struct ts_j_parser *p, struct ts_j_node **out);

static bool at_any(const struct ts_j_token *t, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (ts_j_at_name(t, *ends))
			return true;
	return false;
}

/* Statements until a tag named in `ends` (its name is then the current token) or, with `ends` NULL, the end of the source. */
static int parse_until(struct ts_j_parser *p, const char *const *ends, struct ts_j_nodes *list)
{
	for (;;) {
		struct ts_j_node *node = NULL;
		int line = p->t->line;
		switch (p->t->kind) {
		case TS_J_T_EOF:
			return ends ? ts_j_syntax_error(p, "the template ends where %s is missing", ends[0]) : 0;
		case TS_J_T_DATA:
			node = ts_j_node_new(p, TS_J_N_DATA, line);
			if (!node)
				return TS_ENOMEM;
			node->value = ts_j_string(p->t->text);
			p->t++;
			break;
		case TS_J_T_VAR_BEGIN:
			p->t++;
			node = ts_j_node_new(p, TS_J_N_PRINT, line);
			if (!node)
				return TS_ENOMEM;
			TS_TRY(ts_j_parse_tuple(p, TS_J_PLAIN, NULL, &node->a));
			TS_TRY(ts_j_expect(p, TS_J_T_VAR_END, "'}}'"));
			break;
		default:
			p->t++;
			if (at_any(p->t, ends))
				return 0;
			TS_TRY(parse_statement(p, &node));
			TS_TRY(ts_j_expect(p, TS_J_T_BLOCK_END, "'%}'"));
		}
		if (node)
			TS_TRY(ts_j_nodes_push(p, list, node));
	}
}

static int parse_list(struct ts_j_parser *p, const char *const *ends, struct ts_j_node **out)
{
	struct ts_j_nodes list = {0};
	struct ts_j_node *body = ts_j_node_new(p, TS_J_N_BODY, p->t->line);
	int status = body ? ts_j_enter(p) : TS_ENOMEM;
	if (!status) {
		status = parse_until(p, ends, &list);
		ts_j_leave(p);
	}
	if (status) {
		ts_vec_release(&list.v);
		return status;
	}
	*out = body;
	return ts_j_nodes_finish(p, &list, &body->items, &body->n);
}

int ts_j_parse_body(struct ts_j_parser *p, struct ts_j_node **out)
{
	return parse_list(p, NULL, out);
}

/* The body of a statement whose own tag ends here. */
static int parse_block(struct ts_j_parser *p, const char *const *ends, struct ts_j_node **out)
{
	ts_j_skip(p, TS_J_T_COLON);
	TS_TRY(ts_j_expect(p, TS_J_T_BLOCK_END, "'%}'"));
	return parse_list(p, ends, out);
}

/* A body with one ending tag, which is passed. */
static int parse_closed(struct ts_j_parser *p, const char *end, struct ts_j_node **out)
{
	const char *const ends[] = {end, NULL};
	TS_TRY(parse_block(p, ends, out));
	p->t++;
	return 0;
}

/* A body in a function of its own: break and continue do not reach outside. */
static int parse_function_body(struct ts_j_parser *p, const char *end, struct ts_j_params *params, struct ts_j_node **out)
{
	struct ts_j_macro_context context = {p->macro, params};
	int loops = p->loops;
	p->macro = &context;
	p->loops = 0;
	int status = parse_closed(p, end, out);
	p->loops = loops;
	p->macro = context.outer;
	return status;
}

static int parse_if_branches(struct ts_j_parser *p, struct ts_j_node *node, struct ts_j_nodes *list)
{
	static const char *const middle[] = {"elif", "else", "endif", NULL};
	for (;;) {
		struct ts_j_node *test, *body;
		TS_TRY(ts_j_parse_tuple(p, TS_J_NO_COND, NULL, &test));
		TS_TRY(ts_j_nodes_push(p, list, test));
		TS_TRY(parse_block(p, middle, &body));
		TS_TRY(ts_j_nodes_push(p, list, body));
		if (ts_j_skip_name(p, "elif"))
			continue;
		if (ts_j_skip_name(p, "else"))
			return parse_closed(p, "endif", &node->c);
		p->t++;
		return 0;
	}
}

static int parse_if(struct ts_j_parser *p, struct ts_j_node *node)
{
	struct ts_j_nodes list = {0};
	p->soft++;
	int status = parse_if_branches(p, node, &list);
	p->soft--;
	if (status) {
		ts_vec_release(&list.v);
		return status;
	}
	return ts_j_nodes_finish(p, &list, &node->items, &node->n);
}

static int parse_for_body(struct ts_j_parser *p, struct ts_j_node *node)
{
	static const char *const middle[] = {"endfor", "else", NULL};
	p->loops++;
	int status = parse_block(p, middle, &node->body);
	p->loops--;
	TS_TRY(status);
	if (ts_j_skip_name(p, "else"))
		return parse_closed(p, "endfor", &node->else_body);
	p->t++;
	return 0;
}

static int parse_for(struct ts_j_parser *p, struct ts_j_node *node)
{
	int soft = p->soft, loops = p->loops;
	p->fors++;
	TS_TRY(ts_j_parse_target(p, TS_J_TARGET, "in", &node->a));
	if (!ts_j_skip_name(p, "in"))
		return ts_j_syntax_error(p, "expected 'in' after the loop's target");
	TS_TRY(ts_j_parse_tuple(p, TS_J_NO_COND, "recursive", &node->b));
	if (ts_j_skip_name(p, "if"))
		TS_TRY(ts_j_parse_expression(p, true, &node->c));
	node->flag = ts_j_skip_name(p, "recursive");
	p->soft = 0;
	if (node->flag)
		p->loops = 0;
	TS_TRY(parse_for_body(p, node));
	p->loops = loops;
	p->soft = soft;
	p->fors--;
	return 0;
}

static int parse_set(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(ts_j_parse_target(p, TS_J_TARGET | TS_J_TARGET_NS, NULL, &node->a));
	if (ts_j_skip(p, TS_J_T_ASSIGN))
		return ts_j_parse_tuple(p, TS_J_PLAIN, NULL, &node->b);
	node->kind = TS_J_N_SETBLOCK;
	TS_TRY(ts_j_parse_filters(p, NULL, false, &node->b));
	return parse_closed(p, "endset", &node->body);
}

static int parse_params(struct ts_j_parser *p, struct ts_j_params *params)
{
	struct ts_j_nodes names = {0}, defaults = {0};
	int status = 0;
	bool seen_default = false;
	while (p->t->kind != TS_J_T_RPAREN) {
		struct ts_j_node *name, *value = NULL;
		if (names.v.len)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		name = ts_j_node_new(p, TS_J_N_NAME, p->t->line);
		if (!name)
			TS_GOTO(TS_ENOMEM);
		TS_GOTO(ts_j_expect_name(p, &name->name));
		if (ts_j_skip(p, TS_J_T_ASSIGN)) {
			TS_GOTO(ts_j_parse_expression(p, true, &value));
			seen_default = true;
		} else if (seen_default) {
			TS_GOTO(ts_j_syntax_error(p, "a parameter without default follows one with a default"));
		}
		TS_GOTO(ts_j_nodes_push(p, &names, name));
		TS_GOTO(ts_j_nodes_push(p, &defaults, value));
	}
	p->t++;
	params->n = names.v.len;
	params->names = ts_arena_alloc(p->arena, (params->n + 1) * sizeof(*params->names));
	if (!params->names)
		TS_GOTO(ts_fail_memory(p->err));
	for (size_t i = 0; i < params->n; i++)
		params->names[i] = names.v.data[i]->name;
	status = ts_j_nodes_finish(p, &defaults, &params->defaults, &params->n);
done:
	ts_vec_release(&names.v);
	ts_vec_release(&defaults.v);
	return status;
}

static int new_params(struct ts_j_parser *p, struct ts_j_node *node)
{
	node->params = ts_arena_alloc(p->arena, sizeof(*node->params));
	return node->params ? 0 : ts_fail_memory(p->err);
}

static int parse_macro(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(new_params(p, node));
	TS_TRY(ts_j_expect_name(p, &node->name));
	TS_TRY(ts_j_expect(p, TS_J_T_LPAREN, "'('"));
	TS_TRY(parse_params(p, node->params));
	return parse_function_body(p, "endmacro", node->params, &node->body);
}

static int parse_call_block(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(new_params(p, node));
	if (ts_j_skip(p, TS_J_T_LPAREN))
		TS_TRY(parse_params(p, node->params));
	TS_TRY(ts_j_parse_expression(p, true, &node->a));
	if (node->a->kind != TS_J_N_CALL)
		return ts_j_syntax_error(p, "expected a call");
	return parse_function_body(p, "endcall", node->params, &node->body);
}

static int parse_generation(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(new_params(p, node));
	return parse_function_body(p, "endgeneration", node->params, &node->body);
}

static int parse_filter_block(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(ts_j_parse_filters(p, NULL, true, &node->a));
	return parse_closed(p, "endfilter", &node->body);
}

static int parse_with(struct ts_j_parser *p, struct ts_j_node *node)
{
	struct ts_j_nodes list = {0};
	int status = 0;
	while (p->t->kind != TS_J_T_BLOCK_END) {
		struct ts_j_node *target, *value;
		if (list.v.len)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		TS_GOTO(ts_j_parse_target(p, TS_J_TARGET, NULL, &target));
		TS_GOTO(ts_j_expect(p, TS_J_T_ASSIGN, "'='"));
		TS_GOTO(ts_j_parse_expression(p, true, &value));
		TS_GOTO(ts_j_nodes_push(p, &list, target));
		TS_GOTO(ts_j_nodes_push(p, &list, value));
	}
	TS_GOTO(ts_j_nodes_finish(p, &list, &node->items, &node->n));
	return parse_closed(p, "endwith", &node->body);
done:
	ts_vec_release(&list.v);
	return status;
}

static int parse_named_block(struct ts_j_parser *p, struct ts_j_node *node)
{
	TS_TRY(ts_j_expect_name(p, &node->name));
	node->flag = ts_j_skip_name(p, "scoped");
	ts_j_skip_name(p, "required");
	int loops = p->loops;
	p->loops = 0;
	TS_TRY(parse_closed(p, "endblock", &node->body));
	p->loops = loops;
	ts_j_skip_name(p, node->name->data);
	return 0;
}

static int parse_print(struct ts_j_parser *p, struct ts_j_node *node)
{
	struct ts_j_nodes list = {0};
	int status = 0;
	while (p->t->kind != TS_J_T_BLOCK_END) {
		struct ts_j_node *value;
		if (list.v.len)
			TS_GOTO(ts_j_expect(p, TS_J_T_COMMA, "','"));
		TS_GOTO(ts_j_parse_expression(p, true, &value));
		TS_GOTO(ts_j_nodes_push(p, &list, value));
	}
	node->a = ts_j_node_new(p, TS_J_N_CONCAT, node->line);
	if (!node->a)
		TS_GOTO(TS_ENOMEM);
	status = ts_j_nodes_finish(p, &list, &node->a->items, &node->a->n);
done:
	ts_vec_release(&list.v);
	return status;
}

static int parse_autoescape(struct ts_j_parser *p, struct ts_j_node *node)
{
	struct ts_j_node *value;
	TS_TRY(ts_j_parse_expression(p, true, &value));
	if (value->kind != TS_J_N_CONST || value->value.kind != TS_J_BOOL || value->value.u.b)
		return ts_j_syntax_error(p, "autoescape is not supported");
	return parse_closed(p, "endautoescape", &node->body); /* a WITH without variables */
}

static int parse_jump(struct ts_j_parser *p, struct ts_j_node *node)
{
	if (!p->loops)
		return ts_j_syntax_error(p, "%s outside a loop", node->kind == TS_J_N_BREAK ? "break" : "continue");
	return 0;
}

/* include, import, from, extends: there is nothing to load from, so reaching one is an error, having one is not. */
static int parse_unsupported(struct ts_j_parser *p, struct ts_j_node *node)
{
	node->name = p->t[-1].text;
	if (p->t->kind == TS_J_T_BLOCK_END)
		return ts_j_syntax_error(p, "expected an expression");
	while (p->t->kind != TS_J_T_BLOCK_END && p->t->kind != TS_J_T_EOF)
		p->t++;
	return 0;
}

static const struct statement {
	const char *name;
	enum ts_j_node_kind kind;
	int (*parse)(struct ts_j_parser *, struct ts_j_node *);
} statements[] = {
	{"if", TS_J_N_IF, parse_if},
	{"for", TS_J_N_FOR, parse_for},
	{"set", TS_J_N_SET, parse_set},
	{"macro", TS_J_N_MACRO, parse_macro},
	{"call", TS_J_N_CALLBLOCK, parse_call_block},
	{"generation", TS_J_N_GENERATION, parse_generation},
	{"filter", TS_J_N_FILTERBLOCK, parse_filter_block},
	{"with", TS_J_N_WITH, parse_with},
	{"block", TS_J_N_BLOCK, parse_named_block},
	{"print", TS_J_N_PRINT, parse_print},
	{"autoescape", TS_J_N_WITH, parse_autoescape},
	{"break", TS_J_N_BREAK, parse_jump},
	{"continue", TS_J_N_CONTINUE, parse_jump},
	{"include", TS_J_N_UNSUPPORTED, parse_unsupported},
	{"import", TS_J_N_UNSUPPORTED, parse_unsupported},
	{"from", TS_J_N_UNSUPPORTED, parse_unsupported},
	{"extends", TS_J_N_UNSUPPORTED, parse_unsupported},
};

static int parse_statement(struct ts_j_parser *p, struct ts_j_node **out)
{
	if (p->t->kind != TS_J_T_NAME)
		return ts_j_syntax_error(p, "expected the name of a tag");
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		if (!ts_j_at_name(p->t, statements[i].name))
			continue;
		*out = ts_j_node_new(p, statements[i].kind, p->t->line);
		if (!*out)
			return TS_ENOMEM;
		p->t++;
		return statements[i].parse(p, *out);
	}
	return ts_j_syntax_error(p, "unknown or misplaced tag '%s'", p->t->text->data);
}
