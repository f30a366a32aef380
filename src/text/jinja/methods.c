/* Methods of lists, tuples, dicts and small objects, and the binding of arguments for everything written in C.
 * What changes a list or dict is forbidden by the sandbox: such a name reads as undefined. */
#include "text/jinja/run.h"

#include <stdio.h>
#include <string.h>

#define METHOD(name) static int name(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)

int ts_j_bind(struct ts_j *in, const char *what, const struct ts_j_args *args, const char *const *params, size_t n, size_t required,
	      const struct ts_j_value **got)
{
	if (args->n > n)
		return ts_j_fail(in, "%s takes at most %zu arguments (%zu given)", what, n, args->n);
	for (size_t i = 0; i < n; i++)
		got[i] = i < args->n ? &args->pos[i] : NULL;
	for (size_t k = 0; k < args->n_named; k++) {
		size_t i = 0;
		while (i < n && !ts_j_is_text(args->names[k], params[i]))
			i++;
		if (i == n)
			return ts_j_fail(in, "%s got an unexpected keyword argument '%s'", what, args->names[k]->data);
		if (got[i])
			return ts_j_fail(in, "%s got multiple values for argument '%s'", what, params[i]);
		got[i] = &args->named[k];
	}
	for (size_t i = 0; i < required; i++)
		if (!got[i])
			return ts_j_fail(in, "%s: argument '%s' is missing", what, params[i]);
	return 0;
}

int ts_j_need_int(struct ts_j *in, const char *what, const struct ts_j_value *v, int64_t fallback, int64_t *out)
{
	*out = fallback;
	if (v && !ts_j_integer(v, out))
		return ts_j_fail(in, "%s: expected an integer, found %s", what, ts_j_type(v));
	return 0;
}

int ts_j_need_text(struct ts_j *in, const char *what, const struct ts_j_value *v, const struct ts_j_string **out)
{
	if (v->kind != TS_J_STRING)
		return ts_j_fail(in, "%s: expected a string, found %s", what, ts_j_type(v));
	*out = v->u.s;
	return 0;
}

static int view(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, uint8_t which, struct ts_j_value *out)
{
	if (args->n || args->n_named)
		return ts_j_fail(in, "dict views take no arguments");
	*out = (struct ts_j_value){.kind = TS_J_VIEW, .view = which, .u.dict = self->u.dict};
	return 0;
}

METHOD(dict_keys)
{
	return view(in, self, args, 0, out);
}

METHOD(dict_values)
{
	return view(in, self, args, 1, out);
}

METHOD(dict_items)
{
	return view(in, self, args, 2, out);
}

METHOD(dict_get)
{
	static const char *const params[] = {"key", "default"};
	const struct ts_j_value *got[2] = {NULL}, *found;
	if (args->n_named)
		return ts_j_fail(in, "dict.get() takes no keyword arguments");
	TS_TRY(ts_j_bind(in, "get", args, params, 2, 1, got));
	if (!ts_j_hashable(got[0]))
		return ts_j_fail(in, "unhashable type: '%s'", ts_j_type(got[0]));
	TS_TRY(ts_j_dict_get(in, self->u.dict, got[0], &found));
	*out = found ? *found : got[1] ? *got[1] : ts_j_none();
	return 0;
}

METHOD(copy)
{
	if (args->n || args->n_named)
		return ts_j_fail(in, "copy takes no arguments");
	*out = *self; /* nothing can change either of them */
	return 0;
}

METHOD(list_index)
{
	static const char *const params[] = {"value", "start", "stop"};
	const struct ts_j_value *got[3] = {NULL};
	int64_t n = (int64_t)self->u.list->n, start, stop;
	TS_TRY(ts_j_bind(in, "index", args, params, 3, 1, got));
	TS_TRY(ts_j_need_int(in, "index", got[1], 0, &start));
	TS_TRY(ts_j_need_int(in, "index", got[2], n, &stop));
	start = start < 0 ? (start < -n ? 0 : start + n) : start;
	stop = stop < 0 ? stop + n : stop > n ? n : stop;
	for (int64_t i = start; i < stop; i++) {
		bool same;
		TS_TRY(ts_j_equal(in, &self->u.list->items[i], got[0], &same));
		if (same) {
			*out = ts_j_int(i);
			return 0;
		}
	}
	return ts_j_fail(in, "value is not in the list");
}

METHOD(list_count)
{
	static const char *const params[] = {"value"};
	const struct ts_j_value *got[1] = {NULL};
	int64_t n = 0;
	TS_TRY(ts_j_bind(in, "count", args, params, 1, 1, got));
	for (size_t i = 0; i < self->u.list->n; i++) {
		bool same;
		TS_TRY(ts_j_equal(in, &self->u.list->items[i], got[0], &same));
		n += same;
	}
	*out = ts_j_int(n);
	return 0;
}

METHOD(cycler_next)
{
	struct ts_j_stream *stream = self->u.stream;
	(void)args;
	(void)in;
	*out = stream->items->items[stream->at];
	stream->at = (stream->at + 1) % stream->items->n;
	return 0;
}

METHOD(cycler_reset)
{
	(void)args;
	(void)in;
	self->u.stream->at = 0;
	*out = ts_j_none();
	return 0;
}

static const struct ts_j_method_def list_methods[] = {
	{"index", list_index}, {"count", list_count}, {"copy", copy},    {"append", NULL}, {"extend", NULL}, {"insert", NULL},
	{"pop", NULL},         {"remove", NULL},      {"reverse", NULL}, {"sort", NULL},   {"clear", NULL},  {NULL, NULL},
};
static const struct ts_j_method_def tuple_methods[] = {{"index", list_index}, {"count", list_count}, {NULL, NULL}};
static const struct ts_j_method_def dict_methods[] = {
	{"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", copy}, {"update", NULL},
	{"pop", NULL},         {"popitem", NULL},   {"setdefault", NULL},    {"clear", NULL},   {NULL, NULL},
};
static const struct ts_j_method_def cycler_methods[] = {{"next", cycler_next}, {"reset", cycler_reset}, {NULL, NULL}};

const struct ts_j_method_def *ts_j_method_find(enum ts_j_kind kind, const struct ts_j_string *name)
{
	const struct ts_j_method_def *def = kind == TS_J_LIST     ? list_methods
					    : kind == TS_J_TUPLE  ? tuple_methods
					    : kind == TS_J_DICT   ? dict_methods
					    : kind == TS_J_CYCLER ? cycler_methods
								  : NULL;
	for (; def && def->name; def++)
		if (ts_j_is_text(name, def->name))
			return def;
	return NULL;
}
