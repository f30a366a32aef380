/* Attributes, items and slices. `x.name` looks for a method or attribute first and then for an item; `x['name']` the other
 * way round. What is not there is undefined; asking an undefined value for anything is an error. */
#include "text/jinja/run.h"

#include <string.h>

static int loop_length(struct ts_j *in, struct ts_j_loop *loop, int64_t *out)
{
	if (!loop->has_length) {
		/* Whatever is still to come is drawn into a list, as the iterator may be a filter or a generator. */
		TS_VEC(struct ts_j_value) rest = {0};
		int status = 0;
		for (bool more = true; !status;) {
			status = ts_j_loop_peek(in, loop, &more);
			if (status || !more)
				break;
			if (ts_vec_push(&rest, loop->after))
				status = ts_fail_memory(in->err);
			loop->has_after = false;
		}
		struct ts_j_list *list = status ? NULL : ts_j_list_new(in, rest.len);
		if (!status && !list)
			status = ts_j_alloc_status(in);
		if (!status && rest.len)
			memcpy(list->items, rest.data, rest.len * sizeof(*rest.data));
		ts_vec_release(&rest);
		TS_TRY(status);
		loop->iter = (struct ts_j_iter){.over = ts_j_from_list(list, TS_J_LIST)};
		loop->length = loop->index0 + 1 + (int64_t)list->n;
		loop->has_length = true;
	}
	*out = loop->length;
	return 0;
}

static int cycle(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)
{
	if (!args->n)
		return ts_j_fail(in, "no items for cycling given");
	*out = args->pos[(size_t)self->u.loop->index0 % args->n];
	return 0;
}

static int changed(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)
{
	struct ts_j_loop *loop = self->u.loop;
	struct ts_j_list *list = ts_j_list_new(in, args->n);
	if (!list)
		return ts_j_alloc_status(in);
	if (args->n)
		memcpy(list->items, args->pos, args->n * sizeof(*list->items));
	struct ts_j_value now = ts_j_from_list(list, TS_J_TUPLE);
	bool same = false;
	if (loop->has_changed)
		TS_TRY(ts_j_equal(in, &now, &loop->changed, &same));
	loop->changed = now;
	loop->has_changed = true;
	*out = ts_j_bool(!same);
	return 0;
}

static int make_method(struct ts_j *in, const struct ts_j_method_def *def, const struct ts_j_value *self, struct ts_j_value *out)
{
	struct ts_j_method *method = ts_j_alloc(in, sizeof(*method));
	if (!method)
		return ts_j_alloc_status(in);
	method->def = def;
	method->self = *self;
	*out = (struct ts_j_value){.kind = TS_J_METHOD, .u.method = method};
	return 0;
}

static int loop_attribute(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_string *name, struct ts_j_value *out)
{
	static const struct ts_j_method_def methods[] = {{"cycle", cycle}, {"changed", changed}};
	struct ts_j_loop *loop = v->u.loop;
	int64_t n;
	bool more;
	if (ts_j_is_text(name, "index"))
		*out = ts_j_int(loop->index0 + 1);
	else if (ts_j_is_text(name, "index0"))
		*out = ts_j_int(loop->index0);
	else if (ts_j_is_text(name, "first"))
		*out = ts_j_bool(loop->index0 == 0);
	else if (ts_j_is_text(name, "depth") || ts_j_is_text(name, "depth0"))
		*out = ts_j_int(loop->depth0 + (name->n == 5));
	else if (ts_j_is_text(name, "previtem"))
		*out = loop->index0 ? loop->before : ts_j_undefined(name);
	else if (ts_j_is_text(name, "cycle") || ts_j_is_text(name, "changed"))
		return make_method(in, &methods[name->n == 7], v, out);
	else if (ts_j_is_text(name, "last") || ts_j_is_text(name, "nextitem")) {
		TS_TRY(ts_j_loop_peek(in, loop, &more));
		*out = name->n == 4 ? ts_j_bool(!more) : more ? loop->after : ts_j_undefined(name);
	} else if (ts_j_is_text(name, "length") || ts_j_is_text(name, "revindex") || ts_j_is_text(name, "revindex0")) {
		TS_TRY(loop_length(in, loop, &n));
		*out = ts_j_int(name->n == 6 ? n : n - loop->index0 - (name->n == 9));
	} else {
		*out = ts_j_undefined(name);
	}
	return 0;
}

static int stream_attribute(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_string *name, struct ts_j_value *out)
{
	struct ts_j_stream *stream = v->u.stream;
	const struct ts_j_method_def *def = ts_j_method_find(v->kind, name);
	if (def)
		return make_method(in, def, v, out);
	if (v->kind == TS_J_CYCLER && ts_j_is_text(name, "current"))
		*out = stream->items->items[stream->at];
	return 0;
}

/* A method or Python attribute of the value; *out stays undefined when there is none. */
static int own_attribute(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_string *name, struct ts_j_value *out, bool *found)
{
	const struct ts_j_value *item;
	const struct ts_j_method_def *def = NULL;
	*found = false;
	*out = ts_j_undefined(name);
	switch (v->kind) {
	case TS_J_UNDEFINED:
		return ts_j_fail(in, "'%s' is undefined (asked for '%s')", v->u.s ? v->u.s->data : "value", name->data);
	case TS_J_LOOP:
		TS_TRY(loop_attribute(in, v, name, out));
		break;
	case TS_J_NAMESPACE:
		item = ts_j_dict_text(v->u.dict, name);
		if (item)
			*out = *item;
		break;
	case TS_J_CYCLER:
		TS_TRY(stream_attribute(in, v, name, out));
		break;
	case TS_J_MACRO:
		if (ts_j_is_text(name, "name"))
			*out = v->u.macro->node->name ? ts_j_string(v->u.macro->node->name) : ts_j_none();
		break;
	case TS_J_TUPLE:
		if (v->u.list->group && (ts_j_is_text(name, "grouper") || ts_j_is_text(name, "list"))) {
			*out = v->u.list->items[name->n == 4];
			break;
		}
		def = ts_j_method_find(v->kind, name);
		break;
	case TS_J_STRING:
		def = ts_j_string_method(name->data);
		break;
	default:
		def = ts_j_method_find(v->kind, name);
	}
	if (def) {
		*found = true;
		return def->call ? make_method(in, def, v, out) : 0;
	}
	*found = out->kind != TS_J_UNDEFINED || v->kind == TS_J_LOOP;
	return 0;
}

/* Python's index: from the end when negative; false outside. */
static bool place(int64_t i, int64_t n, int64_t *out)
{
	*out = i < 0 ? i + n : i;
	return *out >= 0 && *out < n;
}

/* v[key] as Python; *found false where Python raises TypeError or LookupError. */
static int plain_item(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_value *key, struct ts_j_value *out, bool *found)
{
	int64_t i;
	const struct ts_j_value *item;
	*found = false;
	if (v->kind == TS_J_DICT) {
		TS_TRY(ts_j_dict_get(in, v->u.dict, key, &item));
		*found = item;
		if (item)
			*out = *item;
		return 0;
	}
	if (!ts_j_integer(key, &i))
		return 0;
	if (v->kind == TS_J_LIST || v->kind == TS_J_TUPLE) {
		*found = place(i, (int64_t)v->u.list->n, &i);
		if (*found)
			*out = v->u.list->items[i];
	} else if (v->kind == TS_J_RANGE) {
		*found = place(i, v->u.range->n, &i);
		if (*found)
			*out = ts_j_int(v->u.range->start + i * v->u.range->step);
	} else if (v->kind == TS_J_STRING) {
		const struct ts_j_string *s = v->u.s;
		*found = place(i, (int64_t)s->points, &i);
		if (!*found)
			return 0;
		size_t length, at = ts_j_offset(s, (size_t)i);
		TS_TRY(ts_j_work(in, s->points == s->n ? 0 : at));
		ts_j_point(s->data + at, &length);
		TS_TRY(ts_j_str(in, s->data + at, length, out));
	}
	return 0;
}

int ts_j_attribute(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_string *name, struct ts_j_value *out)
{
	bool found;
	struct ts_j_value item, key = ts_j_string(name);
	TS_TRY(own_attribute(in, v, name, out, &found));
	if (found)
		return 0;
	TS_TRY(plain_item(in, v, &key, &item, &found));
	if (found)
		*out = item;
	return 0;
}

int ts_j_item(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_value *key, struct ts_j_value *out)
{
	bool found;
	if (v->kind == TS_J_UNDEFINED)
		return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
	TS_TRY(plain_item(in, v, key, out, &found));
	if (found)
		return 0;
	if (key->kind == TS_J_STRING)
		return own_attribute(in, v, key->u.s, out, &found);
	*out = ts_j_undefined(NULL);
	return 0;
}

struct cut {
	int64_t start, step, n;
};

static int cut_bound(struct ts_j *in, const struct ts_j_value *v, int64_t fallback, int64_t low, int64_t high, int64_t n, int64_t *out)
{
	int64_t i;
	*out = fallback;
	if (v->kind == TS_J_NONE)
		return 0;
	if (!ts_j_integer(v, &i))
		return ts_j_fail(in, "slice indices must be integers or None, not %s", ts_j_type(v));
	if (i < 0)
		i = i < -n ? low : i + n;
	*out = i < low ? low : i > high ? high : i;
	return 0;
}

/* Python's slice.indices for a length of n. */
static int cut_of(struct ts_j *in, const struct ts_j_value b[3], int64_t n, struct cut *out)
{
	int64_t stop;
	out->step = 1;
	if (b[2].kind != TS_J_NONE && !ts_j_integer(&b[2], &out->step))
		return ts_j_fail(in, "slice indices must be integers or None, not %s", ts_j_type(&b[2]));
	if (out->step == 0)
		return ts_j_fail(in, "slice step cannot be zero");
	if (out->step > n + 1) /* no step is longer than the whole */
		out->step = n + 1;
	if (out->step < -n - 1)
		out->step = -n - 1;
	bool back = out->step < 0;
	int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
	TS_TRY(cut_bound(in, &b[0], back ? n - 1 : 0, low, high, n, &out->start));
	TS_TRY(cut_bound(in, &b[1], back ? -1 : n, low, high, n, &stop));
	if (back)
		out->n = out->start > stop ? (out->start - stop - 1) / -out->step + 1 : 0;
	else
		/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): n >= 0 */
		out->n = stop > out->start ? (stop - out->start - 1) / out->step + 1 : 0;
	return 0;
}

static int slice_text(struct ts_j *in, const struct ts_j_string *s, const struct cut *c, struct ts_j_value *out)
{
	TS_TRY(ts_j_work(in, s->n));
	if (c->step == 1) {
		size_t from = ts_j_offset(s, (size_t)c->start), to = ts_j_offset(s, (size_t)(c->start + c->n));
		return ts_j_str(in, s->data + from, c->n ? to - from : 0, out);
	}
	/* Offsets of all code points, then pick. */
	size_t *offsets = ts_j_alloc(in, (s->points + 1) * sizeof(*offsets));
	struct ts_str text = {0};
	int status = 0;
	if (!offsets)
		return ts_j_alloc_status(in);
	for (size_t p = 0, i = 0, length; i < s->points; i++, p += length) {
		ts_j_point(s->data + p, &length);
		offsets[i] = p;
	}
	offsets[s->points] = s->n;
	for (int64_t k = 0, i = c->start; k < c->n && !status; k++, i += c->step)
		status = ts_str_append(&text, s->data + offsets[i], offsets[i + 1] - offsets[i]);
	return ts_j_take(in, &text, status, out);
}

static int slice_range(struct ts_j *in, const struct ts_j_range *r, const struct cut *c, struct ts_j_value *out)
{
	struct ts_j_range *cut = ts_j_alloc(in, sizeof(*cut));
	if (!cut)
		return ts_j_alloc_status(in);
	cut->start = r->start + c->start * r->step;
	cut->step = r->step * c->step;
	cut->n = c->n;
	cut->stop = cut->start + c->n * cut->step;
	*out = (struct ts_j_value){.kind = TS_J_RANGE, .u.range = cut};
	return 0;
}

int ts_j_slice(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_value bounds[3], struct ts_j_value *out)
{
	struct cut c;
	int64_t n;
	if (v->kind == TS_J_UNDEFINED)
		return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
	if (v->kind != TS_J_STRING && v->kind != TS_J_LIST && v->kind != TS_J_TUPLE && v->kind != TS_J_RANGE)
		return ts_j_fail(in, "'%s' object cannot be sliced", ts_j_type(v));
	TS_TRY(ts_j_length(in, v, &n));
	TS_TRY(cut_of(in, bounds, n, &c));
	if (v->kind == TS_J_STRING) {
		TS_TRY(slice_text(in, v->u.s, &c, out));
		out->safe = v->safe;
		return 0;
	}
	if (v->kind == TS_J_RANGE)
		return slice_range(in, v->u.range, &c, out);
	struct ts_j_list *list = ts_j_list_new(in, (size_t)c.n);
	if (!list)
		return ts_j_alloc_status(in);
	TS_TRY(ts_j_work(in, (size_t)c.n));
	for (int64_t k = 0; k < c.n; k++)
		list->items[k] = v->u.list->items[c.start + k * c.step];
	*out = ts_j_from_list(list, v->kind);
	return 0;
}
