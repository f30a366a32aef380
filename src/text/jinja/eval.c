/* Evaluation of expressions, scopes and calls.
 *
 * Scopes follow Jinja: a name is looked for from the innermost scope outwards, an assignment always goes to the innermost.
 * `if` opens no scope; for, with, macro, call, filter and set blocks do. */
#include "text/jinja/run.h"

#include <string.h>

struct ts_j_scope *ts_j_scope_new(struct ts_j *in, struct ts_j_scope *parent)
{
	struct ts_j_scope *scope = ts_j_alloc(in, sizeof(*scope));
	if (scope)
		scope->parent = parent;
	return scope;
}

int ts_j_set(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_string *name, const struct ts_j_value *v)
{
	struct ts_j_var *var = scope->vars;
	while (var && !ts_j_same_text(var->name, name))
		var = var->next;
	if (!var) {
		var = ts_j_alloc(in, sizeof(*var));
		if (!var)
			return ts_j_alloc_status(in);
		var->name = name;
		var->next = scope->vars;
		scope->vars = var;
	}
	var->value = *v;
	return 0;
}

const struct ts_j_value *ts_j_lookup(const struct ts_j_scope *scope, const struct ts_j_string *name)
{
	for (; scope; scope = scope->parent)
		for (const struct ts_j_var *var = scope->vars; var; var = var->next)
			if (ts_j_same_text(var->name, name))
				return &var->value;
	return NULL;
}

static int eval_list(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_list *list = ts_j_list_new(in, node->n);
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < node->n; i++)
		TS_TRY(ts_j_eval(in, scope, node->items[i], &list->items[i]));
	*out = ts_j_from_list(list, node->kind == TS_J_N_LIST ? TS_J_LIST : TS_J_TUPLE);
	return 0;
}

static int eval_dict(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_dict *d = ts_j_dict_new(in);
	if (!d)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		struct ts_j_value key, value;
		TS_TRY(ts_j_eval(in, scope, node->items[i], &key));
		TS_TRY(ts_j_eval(in, scope, node->items[i + 1], &value));
		TS_TRY(ts_j_dict_put(in, d, &key, &value));
	}
	*out = (struct ts_j_value){.kind = TS_J_DICT, .u.dict = d};
	return 0;
}

static int eval_concat(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_str text = {0};
	int status = 0;
	for (size_t i = 0; i < node->n && !status; i++) {
		struct ts_j_value v;
		status = ts_j_eval(in, scope, node->items[i], &v);
		status = status ? status : ts_j_put_str(in, &text, &v);
	}
	return ts_j_take(in, &text, status, out);
}

static int eval_compare(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value left, right;
	bool holds = true;
	TS_TRY(ts_j_eval(in, scope, node->items[0], &left));
	for (size_t i = 1; i < node->n && holds; i++, left = right) {
		TS_TRY(ts_j_eval(in, scope, node->items[i], &right));
		in->line = node->line;
		TS_TRY(ts_j_compare(in, node->ops[i - 1], &left, &right, &holds));
	}
	*out = ts_j_bool(holds);
	return 0;
}

static int eval_logic(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	bool truth;
	TS_TRY(ts_j_eval(in, scope, node->a, out));
	TS_TRY(ts_j_truth(in, out, &truth));
	return truth == (node->kind == TS_J_N_AND) ? ts_j_eval(in, scope, node->b, out) : 0;
}

static int eval_cond(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	bool truth;
	TS_TRY(ts_j_eval(in, scope, node->a, out));
	TS_TRY(ts_j_truth(in, out, &truth));
	const struct ts_j_node *branch = truth ? node->b : node->c;
	*out = ts_j_undefined(NULL);
	return branch ? ts_j_eval(in, scope, branch, out) : 0;
}

static int eval_slice(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value v, bounds[3];
	TS_TRY(ts_j_eval(in, scope, node->a, &v));
	for (int i = 0; i < 3; i++) {
		bounds[i] = ts_j_none();
		if (node->items[i])
			TS_TRY(ts_j_eval(in, scope, node->items[i], &bounds[i]));
	}
	in->line = node->line;
	return ts_j_slice(in, &v, bounds, out);
}

static int eval_binary(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value a, b;
	TS_TRY(ts_j_eval(in, scope, node->a, &a));
	TS_TRY(ts_j_eval(in, scope, node->b, &b));
	in->line = node->line;
	return ts_j_binary(in, node->op, &a, &b, out);
}

static int eval_item(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value v, key;
	TS_TRY(ts_j_eval(in, scope, node->a, &v));
	if (node->kind == TS_J_N_ATTR) {
		in->line = node->line;
		return ts_j_attribute(in, &v, node->name, out);
	}
	TS_TRY(ts_j_eval(in, scope, node->b, &key));
	in->line = node->line;
	return ts_j_item(in, &v, &key, out);
}

static int eval_call(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value callee;
	struct ts_j_args args;
	TS_TRY(ts_j_eval(in, scope, node->a, &callee));
	TS_TRY(ts_j_eval_args(in, scope, node->args, NULL, &args));
	in->line = node->line;
	return ts_j_call(in, &callee, &args, out);
}

static int eval_test(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value v;
	struct ts_j_args args;
	bool holds;
	TS_TRY(ts_j_eval(in, scope, node->a, &v));
	TS_TRY(ts_j_eval_args(in, scope, node->args, NULL, &args));
	in->line = node->line;
	TS_TRY(ts_j_test(in, node->name, &v, &args, &holds));
	*out = ts_j_bool(holds);
	return 0;
}

int ts_j_apply_filters(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, const struct ts_j_value *input,
		       struct ts_j_value *out)
{
	struct ts_j_value v;
	struct ts_j_args args;
	if (!node) {
		*out = *input; /* NOLINT(clang-analyzer-core.NullDereference): without an input there is a node */
		return 0;
	}
	if (node->kind != TS_J_N_FILTER)
		return ts_j_eval(in, scope, node, out);
	TS_TRY(ts_j_deeper(in));
	TS_TRY(ts_j_apply_filters(in, scope, node->a, input, &v));
	TS_TRY(ts_j_eval_args(in, scope, node->args, NULL, &args));
	in->line = node->line;
	TS_TRY(ts_j_filter(in, node->name, &v, &args, out));
	in->depth--;
	return 0;
}

static int eval_name(struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	const struct ts_j_value *found = ts_j_lookup(scope, node->name);
	*out = found ? *found : ts_j_undefined(node->name);
	return 0;
}

static int eval_unary(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_value v;
	bool truth;
	TS_TRY(ts_j_eval(in, scope, node->a, &v));
	if (node->kind != TS_J_N_NOT)
		return ts_j_negate(in, &v, node->kind == TS_J_N_NEG, out);
	TS_TRY(ts_j_truth(in, &v, &truth));
	*out = ts_j_bool(!truth);
	return 0;
}

static int dispatch(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	switch (node->kind) {
	case TS_J_N_CONST:
		*out = node->value;
		return 0;
	case TS_J_N_NAME:
		return eval_name(scope, node, out);
	case TS_J_N_LIST:
	case TS_J_N_TUPLE:
		return eval_list(in, scope, node, out);
	case TS_J_N_DICT:
		return eval_dict(in, scope, node, out);
	case TS_J_N_ATTR:
	case TS_J_N_ITEM:
		return eval_item(in, scope, node, out);
	case TS_J_N_SLICE:
		return eval_slice(in, scope, node, out);
	case TS_J_N_CALL:
		return eval_call(in, scope, node, out);
	case TS_J_N_FILTER:
		return ts_j_apply_filters(in, scope, node, NULL, out);
	case TS_J_N_TEST:
		return eval_test(in, scope, node, out);
	case TS_J_N_NOT:
	case TS_J_N_NEG:
	case TS_J_N_POS:
		return eval_unary(in, scope, node, out);
	case TS_J_N_AND:
	case TS_J_N_OR:
		return eval_logic(in, scope, node, out);
	case TS_J_N_BINARY:
		return eval_binary(in, scope, node, out);
	case TS_J_N_CONCAT:
		return eval_concat(in, scope, node, out);
	case TS_J_N_COMPARE:
		return eval_compare(in, scope, node, out);
	case TS_J_N_COND:
		return eval_cond(in, scope, node, out);
	default:
		return ts_j_fail(in, "not an expression");
	}
}

int ts_j_eval(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	TS_TRY(ts_j_work(in, 0));
	TS_TRY(ts_j_deeper(in));
	in->line = node->line;
	TS_TRY(dispatch(in, scope, node, out));
	in->depth--;
	return 0;
}
