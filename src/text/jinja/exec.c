/* Statements. Output goes to in->out; a capture swaps that buffer for a while. */
#include "text/jinja/run.h"

#include <string.h>

static int emit(struct ts_j *in, const struct ts_j_value *v)
{
	return ts_j_put_str(in, in->out, v);
}

/* The text that `body` prints, in the given scope. */
int ts_j_capture(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *body, struct ts_j_value *out)
{
	struct ts_str text = {0}, *outer = in->out;
	in->out = &text;
	int status = ts_j_exec(in, scope, body);
	in->out = outer;
	return ts_j_take(in, &text, status, out);
}

static int assign(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *target, const struct ts_j_value *v)
{
	if (target->kind == TS_J_N_NAME)
		return ts_j_set(in, scope, target->name, v);
	if (target->kind == TS_J_N_NSREF) {
		const struct ts_j_value *ns = ts_j_lookup(scope, target->name);
		struct ts_j_value key = ts_j_string(target->attr);
		if (!ns || ns->kind != TS_J_NAMESPACE)
			return ts_j_fail(in, "cannot assign attribute '%s' on a non-namespace object", target->attr->data);
		return ts_j_dict_put(in, ns->u.dict, &key, v);
	}
	struct ts_j_list *items;
	TS_TRY(ts_j_to_list(in, v, &items));
	if (items->n != target->n)
		return ts_j_fail(in, "cannot unpack %zu values into %zu names", items->n, target->n);
	for (size_t i = 0; i < items->n; i++)
		TS_TRY(assign(in, scope, target->items[i], &items->items[i]));
	return 0;
}

static int exec_if(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		struct ts_j_value v;
		bool truth;
		TS_TRY(ts_j_eval(in, scope, node->items[i], &v));
		TS_TRY(ts_j_truth(in, &v, &truth));
		if (truth)
			return ts_j_exec(in, scope, node->items[i + 1]);
	}
	return node->c ? ts_j_exec(in, scope, node->c) : 0;
}

/* The next item that passes the loop's own `if`. The test runs when the item is drawn, as in Jinja. */
static int draw(struct ts_j *in, struct ts_j_loop *loop, bool *more, struct ts_j_value *out)
{
	const struct ts_j_node *node = loop->node;
	for (;;) {
		TS_TRY(ts_j_iter_next(in, &loop->iter, more, out));
		/* Items drawn for loop.length have passed the test already. */
		if (!*more || !node->c || loop->has_length)
			return 0;
		struct ts_j_scope *scope = ts_j_scope_new(in, loop->scope);
		struct ts_j_value v;
		bool truth;
		if (!scope)
			return ts_j_alloc_status(in);
		TS_TRY(assign(in, scope, node->a, out));
		TS_TRY(ts_j_eval(in, scope, node->c, &v));
		TS_TRY(ts_j_truth(in, &v, &truth));
		if (truth)
			return 0;
	}
}

int ts_j_loop_peek(struct ts_j *in, struct ts_j_loop *loop, bool *more)
{
	*more = true;
	if (loop->has_after)
		return 0;
	TS_TRY(draw(in, loop, more, &loop->after));
	loop->has_after = *more;
	return 0;
}

static int loop_step(struct ts_j *in, struct ts_j_loop *loop, bool *more)
{
	TS_TRY(ts_j_loop_peek(in, loop, more));
	if (!*more)
		return 0;
	loop->has_after = false;
	loop->index0++;
	loop->before = loop->current;
	loop->current = loop->after;
	return 0;
}

static int run_loop(struct ts_j *in, struct ts_j_loop *loop)
{
	const struct ts_j_node *node = loop->node;
	struct ts_j_value self = {.kind = TS_J_LOOP, .u.loop = loop};
	struct ts_j_scope *scope = NULL;
	bool any = false, more = true;
	for (;;) {
		TS_TRY(loop_step(in, loop, &more));
		if (!more)
			break;
		if (!scope || scope->captured)
			scope = ts_j_scope_new(in, loop->scope);
		if (!scope)
			return ts_j_alloc_status(in);
		scope->vars = NULL;
		TS_TRY(assign(in, scope, node->a, &loop->current));
		TS_TRY(ts_j_set(in, scope, in->loop_name, &self));
		int status = ts_j_exec(in, scope, node->body);
		if (status == TS_J_BREAK)
			break;
		if (status && status != TS_J_CONTINUE)
			return status;
		/* Jinja notes at the end of the body that there was an iteration: after break or continue `else` may still run. */
		any |= !status;
	}
	if (any || !node->else_body)
		return 0;
	struct ts_j_scope *inner = ts_j_scope_new(in, loop->scope);
	return inner ? ts_j_exec(in, inner, node->else_body) : ts_j_alloc_status(in);
}

static int start_loop(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, const struct ts_j_value *over,
		      int64_t depth0)
{
	struct ts_j_loop *loop = ts_j_alloc(in, sizeof(*loop));
	if (!loop)
		return ts_j_alloc_status(in);
	*loop = (struct ts_j_loop){.node = node, .scope = scope, .index0 = -1, .depth0 = depth0};
	TS_TRY(ts_j_iter_start(in, over, &loop->iter));
	if (!node->c && ts_j_has_length(over)) {
		TS_TRY(ts_j_length(in, over, &loop->length));
		loop->has_length = true;
	}
	return run_loop(in, loop);
}

static int exec_for(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value over;
	TS_TRY(ts_j_eval(in, scope, node->b, &over));
	in->line = node->line;
	return start_loop(in, scope, node, &over, 0);
}

/* loop(items) in a recursive loop: the same body over other items, as text. */
int ts_j_loop_again(struct ts_j *in, struct ts_j_loop *loop, const struct ts_j_value *over, struct ts_j_value *out)
{
	if (!loop->node->flag)
		return ts_j_fail(in, "the loop must have the 'recursive' marker to be called recursively");
	struct ts_str text = {0}, *outer = in->out;
	in->out = &text;
	int status = start_loop(in, loop->scope, loop->node, over, loop->depth0 + 1);
	in->out = outer;
	return ts_j_take(in, &text, status, out);
}

static int exec_set(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value v, text;
	if (node->kind == TS_J_N_SET) {
		TS_TRY(ts_j_eval(in, scope, node->b, &v));
	} else {
		struct ts_j_scope *inner = ts_j_scope_new(in, scope);
		if (!inner)
			return ts_j_alloc_status(in);
		TS_TRY(ts_j_capture(in, inner, node->body, &text));
		TS_TRY(ts_j_apply_filters(in, inner, node->b, &text, &v));
	}
	in->line = node->line;
	return assign(in, scope, node->a, &v);
}

static int exec_call_block(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value caller, callee, v;
	struct ts_j_args args;
	TS_TRY(ts_j_make_macro(in, scope, node, &caller));
	TS_TRY(ts_j_eval(in, scope, node->a->a, &callee));
	TS_TRY(ts_j_eval_args(in, scope, node->a->args, &caller, &args));
	in->line = node->line;
	TS_TRY(ts_j_call(in, &callee, &args, &v));
	return emit(in, &v);
}

static int exec_filter_block(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value text, v;
	struct ts_j_scope *inner = ts_j_scope_new(in, scope);
	if (!inner)
		return ts_j_alloc_status(in);
	TS_TRY(ts_j_capture(in, inner, node->body, &text));
	TS_TRY(ts_j_apply_filters(in, inner, node->a, &text, &v));
	return emit(in, &v);
}

/* The values are those of the outer scope, also of the second and later variables. */
static int exec_with(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_scope *inner = ts_j_scope_new(in, scope);
	if (!inner)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		struct ts_j_value v;
		TS_TRY(ts_j_eval(in, scope, node->items[i + 1], &v));
		TS_TRY(assign(in, inner, node->items[i], &v));
	}
	return ts_j_exec(in, inner, node->body);
}

static int exec_block(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_scope *inner = ts_j_scope_new(in, node->flag ? scope : in->root);
	return inner ? ts_j_exec(in, inner, node->body) : ts_j_alloc_status(in);
}

static int exec_macro(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value v;
	TS_TRY(ts_j_make_macro(in, scope, node, &v));
	return ts_j_set(in, scope, node->name, &v);
}

static int exec_print(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_value v;
	TS_TRY(ts_j_eval(in, scope, node->a, &v));
	return emit(in, &v);
}

static int exec_inner(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	struct ts_j_scope *inner = ts_j_scope_new(in, scope);
	return inner ? ts_j_exec(in, inner, node->body) : ts_j_alloc_status(in);
}

static int exec_one(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node)
{
	TS_TRY(ts_j_work(in, 0));
	in->line = node->line;
	switch (node->kind) {
	case TS_J_N_DATA:
		return emit(in, &node->value);
	case TS_J_N_PRINT:
		return exec_print(in, scope, node);
	case TS_J_N_IF:
		return exec_if(in, scope, node);
	case TS_J_N_FOR:
		return exec_for(in, scope, node);
	case TS_J_N_SET:
	case TS_J_N_SETBLOCK:
		return exec_set(in, scope, node);
	case TS_J_N_MACRO:
		return exec_macro(in, scope, node);
	case TS_J_N_CALLBLOCK:
		return exec_call_block(in, scope, node);
	case TS_J_N_GENERATION:
		return exec_inner(in, scope, node);
	case TS_J_N_FILTERBLOCK:
		return exec_filter_block(in, scope, node);
	case TS_J_N_WITH:
		return exec_with(in, scope, node);
	case TS_J_N_BLOCK:
		return exec_block(in, scope, node);
	case TS_J_N_BREAK:
		return TS_J_BREAK;
	case TS_J_N_CONTINUE:
		return TS_J_CONTINUE;
	case TS_J_N_UNSUPPORTED:
		return ts_j_fail(in, "'%s': a chat template has no other templates to load", node->name->data);
	default:
		return ts_j_fail(in, "not a statement");
	}
}

int ts_j_exec(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *body)
{
	int depth = in->depth, status = ts_j_deeper(in);
	for (size_t i = 0; i < body->n && !status; i++)
		status = exec_one(in, scope, body->items[i]);
	in->depth = depth;
	return status;
}
