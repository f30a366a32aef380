/* Making values, the dict, and the bounds on work and memory. */
#define TS_VALUE_C /* of run.h: the functions themselves */
#include "text/jinja/run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int ts_j_fail(struct ts_j *in, const char *format, ...)
{
	char what[600];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return ts_fail(in->err, TS_EFORMAT, "%s:%d: %s", in->template->place, in->line, what);
}

int ts_j_limit(struct ts_j *in, const char *what)
{
	return ts_fail(in->err, TS_ELIMIT, "%s:%d: %s", in->template->place, in->line, what);
}

int ts_j_work(struct ts_j *in, size_t bytes)
{
	in->steps += 1 + bytes / 128; /* at most 2^57 + 1 on top of 50 million: no overflow */
	return in->steps > TS_J_MAX_STEPS ? ts_j_limit(in, "too many steps") : 0;
}

int ts_j_deeper(struct ts_j *in)
{
	if (in->depth >= TS_J_MAX_DEPTH)
		return ts_j_limit(in, "nested too deeply");
	in->depth++;
	return 0;
}

void *ts_j_alloc(struct ts_j *in, size_t size)
{
	size_t total;
	if (!ts_add_size(in->memory, size + 16, &total) || size > TS_J_MAX_MEMORY || total > TS_J_MAX_MEMORY) {
		ts_j_limit(in, "too much memory");
		in->memory = SIZE_MAX;
		return NULL;
	}
	in->memory = total;
	void *p = ts_arena_alloc(&in->arena, size);
	if (!p)
		ts_fail_memory(in->err);
	return p;
}

int ts_j_alloc_status(const struct ts_j *in)
{
	return in->memory == SIZE_MAX ? TS_ELIMIT : TS_ENOMEM;
}

static void fill_string(struct ts_j_string *out, const char *s, size_t n)
{
	if (n)
		memcpy(out->data, s, n);
	out->data[n] = '\0';
	out->n = n;
	out->points = 0;
	for (size_t i = 0; i < n; i++)
		out->points += ((unsigned char)s[i] & 0xC0) != 0x80;
}

struct ts_j_string *ts_j_arena_string(struct ts_arena *arena, const char *s, size_t n)
{
	size_t size;
	if (!ts_add_size(n, sizeof(struct ts_j_string) + 1, &size))
		return NULL;
	struct ts_j_string *out = ts_arena_alloc(arena, size);
	if (out)
		fill_string(out, s, n);
	return out;
}

int ts_j_str(struct ts_j *in, const char *s, size_t n, struct ts_j_value *out)
{
	TS_TRY(ts_j_work(in, n));
	struct ts_j_string *string = ts_j_alloc(in, sizeof(*string) + n + 1);
	if (!string)
		return ts_j_alloc_status(in);
	fill_string(string, s, n);
	*out = ts_j_string(string);
	return 0;
}

int ts_j_take(struct ts_j *in, struct ts_str *buffer, int status, struct ts_j_value *out)
{
	if (status == TS_ENOMEM)
		ts_fail_memory(in->err);
	if (!status)
		status = ts_j_str(in, ts_str_c(buffer), buffer->len, out);
	ts_str_release(buffer);
	return status;
}

struct ts_j_value ts_j_none(void)
{
	return (struct ts_j_value){.kind = TS_J_NONE};
}

struct ts_j_value ts_j_bool(bool b)
{
	return (struct ts_j_value){.kind = TS_J_BOOL, .u.b = b};
}

struct ts_j_value ts_j_int(int64_t i)
{
	return (struct ts_j_value){.kind = TS_J_INT, .u.i = i};
}

struct ts_j_value ts_j_real(double f)
{
	return (struct ts_j_value){.kind = TS_J_FLOAT, .u.f = f};
}

struct ts_j_value ts_j_string(const struct ts_j_string *s)
{
	return (struct ts_j_value){.kind = TS_J_STRING, .u.s = s};
}

struct ts_j_value ts_j_undefined(const struct ts_j_string *name)
{
	return (struct ts_j_value){.kind = TS_J_UNDEFINED, .u.s = name};
}

struct ts_j_value ts_j_from_list(struct ts_j_list *list, enum ts_j_kind kind)
{
	return (struct ts_j_value){.kind = kind, .u.list = list};
}

struct ts_j_list *ts_j_list_new(struct ts_j *in, size_t n)
{
	size_t bytes;
	if (!ts_mul_size(n, sizeof(struct ts_j_value), &bytes) || bytes > TS_J_MAX_MEMORY) {
		ts_j_limit(in, "list too long");
		in->memory = SIZE_MAX;
		return NULL;
	}
	struct ts_j_list *list = ts_j_alloc(in, sizeof(*list) + bytes);
	if (list)
		list->n = n;
	return list;
}

int ts_j_stream_new(struct ts_j *in, struct ts_j_list *items, const char *name, struct ts_j_value *out)
{
	struct ts_j_stream *stream = ts_j_alloc(in, sizeof(*stream));
	if (!stream)
		return ts_j_alloc_status(in);
	stream->items = items;
	stream->name = name;
	*out = (struct ts_j_value){.kind = TS_J_ITER, .u.stream = stream};
	return 0;
}

bool ts_j_same_text(const struct ts_j_string *a, const struct ts_j_string *b)
{
	return a == b || (a->n == b->n && !memcmp(a->data, b->data, a->n));
}

bool ts_j_is_text(const struct ts_j_string *s, const char *text)
{
	size_t n = strlen(text);
	return s->n == n && !memcmp(s->data, text, n);
}

const char *ts_j_type(const struct ts_j_value *v)
{
	static const char *const views[] = {"dict_keys", "dict_values", "dict_items"};
	switch (v->kind) {
	case TS_J_UNDEFINED:
		return "Undefined";
	case TS_J_NONE:
		return "NoneType";
	case TS_J_BOOL:
		return "bool";
	case TS_J_INT:
		return "int";
	case TS_J_FLOAT:
		return "float";
	case TS_J_STRING:
		return v->safe ? "Markup" : "str";
	case TS_J_LIST:
		return "list";
	case TS_J_TUPLE:
		return "tuple";
	case TS_J_DICT:
		return "dict";
	case TS_J_RANGE:
		return "range";
	case TS_J_ITER:
		return v->u.stream->name;
	case TS_J_VIEW:
		return views[v->view];
	case TS_J_NAMESPACE:
		return "Namespace";
	case TS_J_LOOP:
		return "LoopContext";
	case TS_J_MACRO:
		return "Macro";
	case TS_J_CYCLER:
		return "Cycler";
	case TS_J_JOINER:
		return "Joiner";
	case TS_J_METHOD:
	case TS_J_FUNCTION:
		break;
	}
	return "function";
}

bool ts_j_hashable(const struct ts_j_value *v)
{
	if (v->kind == TS_J_TUPLE) {
		for (size_t i = 0; i < v->u.list->n; i++)
			if (v->u.list->items[i].kind == TS_J_TUPLE || !ts_j_hashable(&v->u.list->items[i]))
				return false; /* tuples inside tuples are not worth the recursion as keys */
		return true;
	}
	return v->kind != TS_J_LIST && v->kind != TS_J_DICT && !(v->kind == TS_J_VIEW && v->view != 1);
}

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

/* Equal keys hash alike, also 1, 1.0 and true. */
static uint64_t hash(const struct ts_j_value *v)
{
	uint64_t h = 14695981039346656037u;
	if (ts_j_number(v)) {
		double f = ts_j_as_real(v);
		return f == 0 ? h : mix(h, &f, sizeof(f));
	}
	if (v->kind == TS_J_STRING)
		return mix(h, v->u.s->data, v->u.s->n);
	if (v->kind == TS_J_TUPLE) {
		for (size_t i = 0; i < v->u.list->n; i++) {
			uint64_t item = hash(&v->u.list->items[i]);
			h = mix(h, &item, sizeof(item));
		}
		return h;
	}
	return h + (uint64_t)v->kind;
}

struct ts_j_dict *ts_j_dict_new(struct ts_j *in)
{
	return ts_j_alloc(in, sizeof(struct ts_j_dict));
}

/* Index of the key, or -1. A key that is not hashable is found nowhere. */
static int find(struct ts_j *in, const struct ts_j_dict *d, const struct ts_j_value *key, uint64_t h, int64_t *at)
{
	*at = -1;
	size_t n = d->n_slots ? d->n_slots : d->n;
	for (size_t k = 0; k < n; k++) {
		size_t i = k;
		if (d->n_slots) {
			uint32_t slot = d->slots[(h + k) & (d->n_slots - 1)];
			if (!slot)
				return 0;
			i = slot - 1;
		}
		if (d->entries[i].hash != h)
			continue;
		bool same;
		TS_TRY(ts_j_equal(in, &d->entries[i].key, key, &same));
		if (same) {
			*at = (int64_t)i;
			return 0;
		}
	}
	return 0;
}

static int grow(struct ts_j *in, struct ts_j_dict *d)
{
	size_t cap = d->cap ? d->cap * 2 : 8;
	struct ts_j_entry *entries = ts_j_alloc(in, cap * sizeof(*entries));
	if (!entries)
		return ts_j_alloc_status(in);
	if (d->n)
		memcpy(entries, d->entries, d->n * sizeof(*entries));
	d->entries = entries;
	d->cap = cap;
	if (cap <= 8)
		return 0;
	d->n_slots = 0;
	d->slots = ts_j_alloc(in, cap * 2 * sizeof(*d->slots));
	if (!d->slots)
		return ts_j_alloc_status(in);
	d->n_slots = cap * 2;
	for (size_t i = 0; i < d->n; i++) {
		size_t k = d->entries[i].hash;
		while (d->slots[k & (d->n_slots - 1)])
			k++;
		d->slots[k & (d->n_slots - 1)] = (uint32_t)i + 1;
	}
	return 0;
}

int ts_j_dict_put(struct ts_j *in, struct ts_j_dict *d, const struct ts_j_value *key, const struct ts_j_value *value)
{
	int64_t at;
	if (!ts_j_hashable(key))
		return ts_j_fail(in, "unhashable type: '%s'", ts_j_type(key));
	uint64_t h = hash(key);
	TS_TRY(ts_j_work(in, 0));
	TS_TRY(find(in, d, key, h, &at));
	if (at >= 0) {
		d->entries[at].value = *value;
		return 0;
	}
	if (d->n == d->cap)
		TS_TRY(grow(in, d));
	d->entries[d->n] = (struct ts_j_entry){*key, *value, h};
	if (d->n_slots) {
		size_t k = h;
		while (d->slots[k & (d->n_slots - 1)])
			k++;
		d->slots[k & (d->n_slots - 1)] = (uint32_t)d->n + 1;
	}
	d->n++;
	return 0;
}

int ts_j_dict_get(struct ts_j *in, const struct ts_j_dict *d, const struct ts_j_value *key, const struct ts_j_value **out)
{
	int64_t at = -1;
	*out = NULL;
	if (ts_j_hashable(key))
		TS_TRY(find(in, d, key, hash(key), &at));
	if (at >= 0)
		*out = &d->entries[at].value;
	return 0;
}

const struct ts_j_value *ts_j_dict_text(const struct ts_j_dict *d, const struct ts_j_string *key)
{
	uint64_t h = mix(14695981039346656037u, key->data, key->n);
	size_t n = d->n_slots ? d->n_slots : d->n;
	for (size_t k = 0; k < n; k++) {
		size_t i = k;
		if (d->n_slots) {
			uint32_t slot = d->slots[(h + k) & (d->n_slots - 1)];
			if (!slot)
				return NULL;
			i = slot - 1;
		}
		const struct ts_j_entry *e = &d->entries[i];
		if (e->hash == h && e->key.kind == TS_J_STRING && ts_j_same_text(e->key.u.s, key))
			return &e->value;
	}
	return NULL;
}
