/* Arguments, calls and macros. */
#include "text/jinja/run.h"

#include <string.h>

static int star_list(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_list **out)
{
	struct ts_j_value v;
	TS_TRY(ts_j_eval(in, scope, node, &v));
	return ts_j_to_list(in, &v, out);
}

static int star_dict(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, const struct ts_j_dict **out)
{
	struct ts_j_value v;
	TS_TRY(ts_j_eval(in, scope, node, &v));
	if (v.kind != TS_J_DICT)
		return ts_j_fail(in, "argument after ** must be a mapping, not %s", ts_j_type(&v));
	for (size_t i = 0; i < v.u.dict->n; i++)
		if (v.u.dict->entries[i].key.kind != TS_J_STRING)
			return ts_j_fail(in, "keywords must be strings");
	*out = v.u.dict;
	return 0;
}

static int add_named(struct ts_j *in, struct ts_j_args *args, const struct ts_j_string **names, struct ts_j_value *named,
		     const struct ts_j_string *name, const struct ts_j_value *v)
{
	for (size_t i = 0; i < args->n_named; i++)
		if (ts_j_same_text(names[i], name))
			return ts_j_fail(in, "got multiple values for keyword argument '%s'", name->data);
	names[args->n_named] = name;
	named[args->n_named++] = *v;
	return 0;
}

int ts_j_eval_args(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_call_args *call, const struct ts_j_value *caller,
		   struct ts_j_args *out)
{
	static const struct ts_j_call_args none;
	struct ts_j_list *more = NULL;
	const struct ts_j_dict *more_named = NULL;
	*out = (struct ts_j_args){0};
	if (!call && !caller)
		return 0;
	call = call ? call : &none;
	if (call->star)
		TS_TRY(star_list(in, scope, call->star, &more));
	if (call->star_star)
		TS_TRY(star_dict(in, scope, call->star_star, &more_named));
	size_t n = call->n_positional + (more ? more->n : 0), n_named = call->n_named + (more_named ? more_named->n : 0) + 1;
	struct ts_j_value *pos = ts_j_alloc(in, (n + n_named) * sizeof(*pos)), *named = pos + n;
	const struct ts_j_string **names = pos ? ts_j_alloc(in, n_named * sizeof(*names)) : NULL;
	if (!names)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < call->n_positional; i++)
		TS_TRY(ts_j_eval(in, scope, call->positional[i], &pos[i]));
	if (more && more->n)
		memcpy(pos + call->n_positional, more->items, more->n * sizeof(*pos));
	*out = (struct ts_j_args){.pos = pos, .n = n, .names = names, .named = named};
	for (size_t i = 0; i < call->n_named; i++) {
		struct ts_j_value v;
		TS_TRY(ts_j_eval(in, scope, call->named[i], &v));
		TS_TRY(add_named(in, out, names, named, call->names[i], &v));
	}
	for (size_t i = 0; more_named && i < more_named->n; i++)
		TS_TRY(add_named(in, out, names, named, more_named->entries[i].key.u.s, &more_named->entries[i].value));
	if (caller)
		TS_TRY(add_named(in, out, names, named, in->caller_name, caller));
	return 0;
}

int ts_j_make_macro(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_node *node, struct ts_j_value *out)
{
	struct ts_j_macro *macro = ts_j_alloc(in, sizeof(*macro));
	if (!macro)
		return ts_j_alloc_status(in);
	macro->node = node;
	macro->scope = scope;
	for (struct ts_j_scope *s = scope; s; s = s->parent)
		s->captured = true;
	*out = (struct ts_j_value){.kind = TS_J_MACRO, .u.macro = macro};
	return 0;
}

static const struct ts_j_value *named_arg(const struct ts_j_args *args, const struct ts_j_string *name, bool *used)
{
	for (size_t i = 0; i < args->n_named; i++) {
		if (!used[i] && ts_j_same_text(args->names[i], name)) {
			used[i] = true;
			return &args->named[i];
		}
	}
	return NULL;
}

static int set_text_name(struct ts_j *in, struct ts_j_scope *scope, const char *name, const struct ts_j_value *v)
{
	struct ts_j_value key;
	TS_TRY(ts_j_str(in, name, strlen(name), &key));
	return ts_j_set(in, scope, key.u.s, v);
}

/* What no parameter takes: keyword arguments into kwargs, positional ones into varargs; without a use for them an error. */
static int rest_of_args(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_params *p, const struct ts_j_args *args,
			const bool *used)
{
	struct ts_j_dict *kwargs = ts_j_dict_new(in);
	size_t over = args->n > p->n ? args->n - p->n : 0;
	struct ts_j_list *varargs = ts_j_list_new(in, over);
	if (!kwargs || !varargs)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < args->n_named; i++) {
		if (used[i])
			continue;
		if (!p->wants_kwargs)
			return ts_j_fail(in, "macro takes no keyword argument '%s'", args->names[i]->data);
		struct ts_j_value key = ts_j_string(args->names[i]);
		TS_TRY(ts_j_dict_put(in, kwargs, &key, &args->named[i]));
	}
	if (over && !p->wants_varargs)
		return ts_j_fail(in, "macro takes not more than %zu arguments", p->n);
	if (over)
		memcpy(varargs->items, args->pos + p->n, over * sizeof(*varargs->items));
	struct ts_j_value v = {.kind = TS_J_DICT, .u.dict = kwargs};
	if (p->wants_kwargs)
		TS_TRY(set_text_name(in, scope, "kwargs", &v));
	v = ts_j_from_list(varargs, TS_J_TUPLE);
	return p->wants_varargs ? set_text_name(in, scope, "varargs", &v) : 0;
}

static int bind_params(struct ts_j *in, struct ts_j_scope *scope, const struct ts_j_params *p, const struct ts_j_args *args)
{
	const struct ts_j_string *caller = in->caller_name;
	bool *used = ts_j_alloc(in, args->n_named + 1);
	const struct ts_j_value **given = ts_j_alloc(in, (p->n + 1) * sizeof(*given));
	bool own_caller = false;
	if (!used || !given)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < p->n; i++) {
		own_caller |= ts_j_same_text(p->names[i], caller);
		given[i] = i < args->n ? &args->pos[i] : named_arg(args, p->names[i], used);
	}
	if (p->wants_caller && !own_caller) {
		const struct ts_j_value *v = named_arg(args, caller, used);
		struct ts_j_value missing = ts_j_undefined(caller);
		TS_TRY(ts_j_set(in, scope, caller, v ? v : &missing));
	}
	TS_TRY(rest_of_args(in, scope, p, args, used));
	/* Defaults come last and in order: they may use earlier parameters. */
	for (size_t i = 0; i < p->n; i++) {
		struct ts_j_value v = ts_j_undefined(p->names[i]);
		if (given[i])
			v = *given[i];
		else if (p->defaults[i])
			TS_TRY(ts_j_eval(in, scope, p->defaults[i], &v));
		TS_TRY(ts_j_set(in, scope, p->names[i], &v));
	}
	return 0;
}

static int call_macro(struct ts_j *in, const struct ts_j_macro *macro, const struct ts_j_args *args, struct ts_j_value *out)
{
	struct ts_j_scope *scope = ts_j_scope_new(in, macro->scope);
	if (!scope)
		return ts_j_alloc_status(in);
	TS_TRY(bind_params(in, scope, macro->node->params, args));
	return ts_j_capture(in, scope, macro->node->body, out);
}

static int call_joiner(struct ts_j *in, struct ts_j_stream *stream, struct ts_j_value *out)
{
	*out = stream->items->items[0];
	return stream->at++ ? 0 : ts_j_str(in, "", 0, out);
}

int ts_j_call(struct ts_j *in, const struct ts_j_value *callee, const struct ts_j_args *args, struct ts_j_value *out)
{
	int line = in->line, status;
	TS_TRY(ts_j_deeper(in));
	switch (callee->kind) {
	case TS_J_FUNCTION:
		status = ts_j_call_function(in, callee->u.function, args, out);
		break;
	case TS_J_METHOD:
		status = callee->u.method->def->call(in, &callee->u.method->self, args, out);
		break;
	case TS_J_MACRO:
		status = call_macro(in, callee->u.macro, args, out);
		break;
	case TS_J_JOINER:
		status = call_joiner(in, callee->u.stream, out);
		break;
	case TS_J_LOOP:
		status = args->n == 1 && !args->n_named ? ts_j_loop_again(in, callee->u.loop, args->pos, out)
							: ts_j_fail(in, "loop() takes one argument");
		break;
	case TS_J_UNDEFINED:
		status = ts_j_fail(in, "'%s' is undefined or forbidden and cannot be called", callee->u.s ? callee->u.s->data : "value");
		break;
	default:
		status = ts_j_fail(in, "'%s' object is not callable", ts_j_type(callee));
	}
	in->line = line;
	in->depth--;
	return status;
}
