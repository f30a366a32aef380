/* One pass over the header; `where` always names what is being read, so that every failure can say it. A count is never believed:
 * each thing counted takes bytes, and reading past the end of the file ends the pass. */
#include "checkpoint/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MOST = 4, KEY_MOST = 65535, NAME_MOST = 64, DIMS_MOST = 4 };

#define DEFAULT_ALIGNMENT  32
#define KEY_BYTES_LEAST    13 /* length, type and one byte of value */
#define TENSOR_BYTES_LEAST 33 /* length, one byte of name, one dimension, type, offset */

static const struct {
	const char *name;
	size_t bytes; /* 0: of its own length */
} value_types[] = {
	[TS_GGUF_U8] = {"UINT8", 1},    [TS_GGUF_I8] = {"INT8", 1},     [TS_GGUF_U16] = {"UINT16", 2},  [TS_GGUF_I16] = {"INT16", 2},
	[TS_GGUF_U32] = {"UINT32", 4},  [TS_GGUF_I32] = {"INT32", 4},   [TS_GGUF_F32] = {"FLOAT32", 4}, [TS_GGUF_BOOL] = {"BOOL", 1},
	[TS_GGUF_TEXT] = {"STRING", 0}, [TS_GGUF_ARRAY] = {"ARRAY", 0}, [TS_GGUF_U64] = {"UINT64", 8},  [TS_GGUF_I64] = {"INT64", 8},
	[TS_GGUF_F64] = {"FLOAT64", 8},
};

#define VALUE_TYPES (sizeof(value_types) / sizeof(*value_types))

struct reader {
	struct ts_gguf *g;
	size_t at;
	char where[200];
	struct ts_error *err;
};

static uint64_t number_at(const unsigned char *p, size_t bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static int take(struct reader *r, uint64_t n, const unsigned char **p)
{
	size_t left = r->g->file.size - r->at;
	if (n > left)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected %llu bytes from byte %zu on, the file has %zu more (cut?)", r->g->path,
			       r->where, (unsigned long long)n, r->at, left);
	*p = r->g->file.data + r->at;
	r->at += (size_t)n;
	return 0;
}

static int take_number(struct reader *r, size_t bytes, uint64_t *v)
{
	const unsigned char *p;
	TS_TRY(take(r, bytes, &p));
	*v = number_at(p, bytes);
	return 0;
}

static int take_text(struct reader *r, const char **s, size_t *n)
{
	uint64_t length;
	const unsigned char *p;
	TS_TRY(take_number(r, 8, &length));
	TS_TRY(take(r, length, &p));
	*s = (const char *)p;
	*n = (size_t)length;
	return 0;
}

/* A key or a tensor's name: it becomes a C string. */
static int take_name(struct reader *r, size_t most, const char **s, size_t *n)
{
	TS_TRY(take_text(r, s, n));
	if (!*n || *n > most)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected a name of 1 to %zu bytes, found %zu", r->g->path, r->where, most, *n);
	if (memchr(*s, '\0', *n) || ts_utf8_check(*s, *n) < *n)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: its name is not UTF-8 text", r->g->path, r->where);
	return 0;
}

/* --- metadata --- */

static int take_type(struct reader *r, enum ts_gguf_type *type)
{
	uint64_t v;
	TS_TRY(take_number(r, 4, &v));
	if (v >= VALUE_TYPES)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected a value type from 0 to %zu, found %llu", r->g->path, r->where,
			       VALUE_TYPES - 1, (unsigned long long)v);
	*type = (enum ts_gguf_type)v;
	return 0;
}

static int take_array(struct reader *r, enum ts_gguf_type *item, uint64_t *count, const unsigned char **first, int depth)
{
	const char *s;
	size_t n, bytes;
	uint64_t inner_count;
	const unsigned char *inner;
	enum ts_gguf_type inner_item;
	if (depth > NESTING_MOST)
		return ts_fail(r->err, TS_EUNSUPPORTED, "%s: %s: arrays nested more than %d deep", r->g->path, r->where, NESTING_MOST);
	TS_TRY(take_type(r, item));
	TS_TRY(take_number(r, 8, count));
	if (value_types[*item].bytes) {
		if (!ts_mul_size((size_t)*count, value_types[*item].bytes, &bytes))
			bytes = SIZE_MAX;
		return take(r, bytes, first);
	}
	*first = r->g->file.data + r->at;
	for (uint64_t i = 0; i < *count; i++)
		TS_TRY(*item == TS_GGUF_TEXT ? take_text(r, &s, &n) : take_array(r, &inner_item, &inner_count, &inner, depth + 1));
	return 0;
}

static int take_value(struct reader *r, struct ts_gguf_value *v)
{
	const char *s;
	uint64_t count;
	TS_TRY(take_type(r, &v->type));
	if (v->type == TS_GGUF_TEXT) {
		TS_TRY(take_text(r, &s, &v->count));
		v->data = (const unsigned char *)s;
		return 0;
	}
	if (v->type != TS_GGUF_ARRAY)
		return take(r, value_types[v->type].bytes, &v->data);
	TS_TRY(take_array(r, &v->item, &count, &v->data, 1));
	v->count = (size_t)count;
	return 0;
}

static int take_key(struct reader *r, size_t index)
{
	struct ts_gguf *g = r->g;
	struct ts_gguf_value v = {0};
	const char *key;
	size_t n;
	snprintf(r->where, sizeof(r->where), "key %zu of the metadata", index + 1);
	TS_TRY(take_name(r, KEY_MOST, &key, &n));
	snprintf(r->where, sizeof(r->where), "key \"%.*s\"", n > 150 ? 150 : (int)n, key);
	if (ts_map_get(&g->keys, key, n))
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: is there twice", g->path, r->where);
	TS_TRY(take_value(r, &v));
	v.bytes = (size_t)(g->file.data + r->at - v.data);
	if (ts_map_put(&g->keys, key, n, (int64_t)g->values.len))
		return ts_fail_memory(r->err);
	v.key = g->keys.entries.data[g->keys.entries.len - 1].key;
	return ts_vec_push(&g->values, v) ? ts_fail_memory(r->err) : 0;
}

/* --- tensors --- */

static int take_shape(struct reader *r, struct ts_gguf_tensor *t)
{
	uint64_t dims, size[DIMS_MOST];
	TS_TRY(take_number(r, 4, &dims));
	if (dims < 1 || dims > DIMS_MOST)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected 1 to %d dimensions, found %llu", r->g->path, r->where, DIMS_MOST,
			       (unsigned long long)dims);
	t->dims = (int)dims;
	t->elements = 1;
	for (int i = 0; i < t->dims; i++) {
		TS_TRY(take_number(r, 8, &size[i]));
		if (!size[i] || !ts_mul_size(t->elements, (size_t)size[i], &t->elements))
			return ts_fail(r->err, TS_EFORMAT, "%s: %s: dimension %d is %llu: expected a tensor of 1 to 2^64 numbers",
				       r->g->path, r->where, i + 1, (unsigned long long)size[i]);
	}
	for (int i = 0; i < t->dims; i++)
		t->shape[i] = (size_t)size[t->dims - 1 - i];
	return 0;
}

static int take_format(struct reader *r, struct ts_gguf_tensor *t)
{
	uint64_t number;
	TS_TRY(take_number(r, 4, &number));
	t->type = ts_ggml_type((uint32_t)number);
	if (!t->type)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: type number %llu is not one of the format", r->g->path, r->where,
			       (unsigned long long)number);
	if (!t->type->bytes)
		return ts_fail(r->err, TS_EUNSUPPORTED, "%s: %s: type %s is not supported (known: " TS_GGML_KNOWN ")", r->g->path, r->where,
			       t->type->name);
	size_t columns = t->shape[t->dims - 1];
	if (columns % t->type->block)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected rows of a multiple of %zu numbers (%s), found %zu", r->g->path,
			       r->where, t->type->block, t->type->name, columns);
	if (!ts_mul_size(t->elements / t->type->block, t->type->bytes, &t->bytes))
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: the size of its shape overflows", r->g->path, r->where);
	return 0;
}

/* The offset is kept in `data` as if the data began at the start of the file: where they begin is known only after the last tensor. */
static int take_tensor(struct reader *r, size_t index)
{
	struct ts_gguf *g = r->g;
	struct ts_gguf_tensor t = {0};
	const char *name;
	size_t n;
	uint64_t offset;
	snprintf(r->where, sizeof(r->where), "tensor %zu of the list", index + 1);
	TS_TRY(take_name(r, NAME_MOST, &name, &n));
	snprintf(r->where, sizeof(r->where), "tensor \"%.*s\"", (int)n, name);
	if (ts_map_get(&g->names, name, n))
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: is there twice", g->path, r->where);
	TS_TRY(take_shape(r, &t));
	TS_TRY(take_format(r, &t));
	TS_TRY(take_number(r, 8, &offset));
	if (offset > g->file.size || t.bytes > g->file.size - offset)
		return ts_fail(r->err, TS_EFORMAT, "%s: %s: expected %zu bytes of data from offset %llu on, the file has %zu in all (cut?)",
			       g->path, r->where, t.bytes, (unsigned long long)offset, g->file.size);
	t.data = g->file.data + offset;
	if (ts_map_put(&g->names, name, n, (int64_t)g->tensors.len))
		return ts_fail_memory(r->err);
	t.name = g->names.entries.data[g->names.entries.len - 1].key;
	return ts_vec_push(&g->tensors, t) ? ts_fail_memory(r->err) : 0;
}

static int by_place(const void *a, const void *b)
{
	const struct ts_gguf_tensor *x = *(const struct ts_gguf_tensor *const *)a, *y = *(const struct ts_gguf_tensor *const *)b;
	return (x->data > y->data) - (x->data < y->data);
}

static int check_overlap(const struct ts_gguf *g, struct ts_error *err)
{
	const struct ts_gguf_tensor **order = ts_calloc(g->tensors.len, sizeof(*order));
	int status = 0;
	if (!order)
		return ts_fail_memory(err);
	for (size_t i = 0; i < g->tensors.len; i++)
		order[i] = &g->tensors.data[i];
	qsort(order, g->tensors.len, sizeof(*order), by_place);
	for (size_t i = 1; i < g->tensors.len && !status; i++)
		if (order[i]->data < order[i - 1]->data + order[i - 1]->bytes)
			status = ts_fail(err, TS_EFORMAT, "%s: tensors \"%s\" and \"%s\" overlap", g->path, order[i - 1]->name,
					 order[i]->name);
	ts_free(order);
	return status;
}

/* Moves the tensors to where the data begin: the end of the header, rounded up to the alignment. */
static int place_tensors(struct reader *r)
{
	struct ts_gguf *g = r->g;
	int64_t alignment;
	TS_TRY(ts_gguf_int(g, "general.alignment", DEFAULT_ALIGNMENT, &alignment, r->err));
	if (alignment < 1 || alignment > 1 << 30 || (alignment & (alignment - 1)))
		return ts_fail(r->err, TS_EFORMAT, "%s: key \"general.alignment\": expected a power of two, found %lld", g->path,
			       (long long)alignment);
	size_t step = (size_t)alignment, begin = (r->at + step - 1) & ~(step - 1);
	for (size_t i = 0; i < g->tensors.len; i++) {
		struct ts_gguf_tensor *t = &g->tensors.data[i];
		size_t offset = (size_t)(t->data - g->file.data);
		if (offset % step)
			return ts_fail(r->err, TS_EFORMAT, "%s: tensor \"%s\": expected an offset that is a multiple of %zu, found %zu",
				       g->path, t->name, step, offset);
		if (begin > g->file.size || offset > g->file.size - begin || t->bytes > g->file.size - begin - offset)
			return ts_fail(r->err, TS_EFORMAT,
				       "%s: tensor \"%s\": expected %zu bytes from byte %zu on, the file ends at %zu (cut?)", g->path,
				       t->name, t->bytes, begin + offset, g->file.size);
		t->data += begin;
	}
	return check_overlap(g, r->err);
}

/* --- the whole --- */

static int check_counts(struct reader *r, uint64_t tensors, uint64_t keys)
{
	size_t left = r->g->file.size - r->at;
	if (keys > left / KEY_BYTES_LEAST || tensors > left / TENSOR_BYTES_LEAST)
		return ts_fail(r->err, TS_EFORMAT, "%s: its header claims %llu keys and %llu tensors, but only %zu bytes follow (cut?)",
			       r->g->path, (unsigned long long)keys, (unsigned long long)tensors, left);
	return 0;
}

static int parse(struct reader *r)
{
	struct ts_gguf *g = r->g;
	const unsigned char *magic;
	uint64_t version, tensors, keys;
	strcpy(r->where, "the header");
	if (g->file.size < 4 || memcmp(g->file.data, "GGUF", 4))
		return ts_fail(r->err, TS_EFORMAT, "%s: expected a checkpoint folder or a GGUF file, found another file", g->path);
	TS_TRY(take(r, 4, &magic));
	TS_TRY(take_number(r, 4, &version));
	if (version != 2 && version != 3) {
		bool swapped = version == 2u << 24 || version == 3u << 24;
		return ts_fail(r->err, TS_EUNSUPPORTED, "%s: GGUF version %llu: expected 2 or 3%s", g->path, (unsigned long long)version,
			       swapped ? " (the file is big-endian)" : "");
	}
	TS_TRY(take_number(r, 8, &tensors));
	TS_TRY(take_number(r, 8, &keys));
	TS_TRY(check_counts(r, tensors, keys));
	for (size_t i = 0; i < keys; i++)
		TS_TRY(take_key(r, i));
	for (size_t i = 0; i < tensors; i++)
		TS_TRY(take_tensor(r, i));
	return place_tensors(r);
}

int ts_gguf_open(struct ts_gguf *g, const char *path, struct ts_error *err)
{
	*g = (struct ts_gguf){0};
	struct reader r = {.g = g, .err = err};
	g->path = ts_strdup(path);
	int status = g->path ? ts_mapping_open(&g->file, path, err) : ts_fail_memory(err);
	if (!status)
		status = parse(&r);
	if (status)
		ts_gguf_close(g);
	return status;
}

void ts_gguf_close(struct ts_gguf *g)
{
	ts_mapping_close(&g->file);
	ts_map_release(&g->keys);
	ts_map_release(&g->names);
	ts_vec_release(&g->values);
	ts_vec_release(&g->tensors);
	ts_free(g->path);
	*g = (struct ts_gguf){0};
}

/* --- looking things up --- */

const struct ts_gguf_value *ts_gguf_find(const struct ts_gguf *g, const char *key)
{
	const int64_t *at = ts_map_get(&g->keys, key, strlen(key));
	return at ? &g->values.data[*at] : NULL;
}

const struct ts_gguf_tensor *ts_gguf_tensor(const struct ts_gguf *g, const char *name)
{
	const int64_t *at = ts_map_get(&g->names, name, strlen(name));
	return at ? &g->tensors.data[*at] : NULL;
}

static int wrong_type(const struct ts_gguf *g, const struct ts_gguf_value *v, const char *expected, struct ts_error *err)
{
	bool array = v->type == TS_GGUF_ARRAY;
	return ts_fail(err, TS_EFORMAT, "%s: key \"%s\": expected %s, found %s%s", g->path, v->key, expected, array ? "an array of " : "",
		       value_types[array ? v->item : v->type].name);
}

static bool is_integer(enum ts_gguf_type type)
{
	return type <= TS_GGUF_I32 || type == TS_GGUF_U64 || type == TS_GGUF_I64;
}

/* Sign-extended where the type has a sign. A UINT64 over 2^63 comes out negative. */
static int64_t integer_at(const unsigned char *p, enum ts_gguf_type type)
{
	uint64_t v = number_at(p, value_types[type].bytes);
	switch (type) {
	case TS_GGUF_I8:
		return (int8_t)v;
	case TS_GGUF_I16:
		return (int16_t)v;
	case TS_GGUF_I32:
		return (int32_t)v;
	default:
		return (int64_t)v;
	}
}

int ts_gguf_int(const struct ts_gguf *g, const char *key, int64_t fallback, int64_t *out, struct ts_error *err)
{
	const struct ts_gguf_value *v = ts_gguf_find(g, key);
	*out = fallback;
	if (!v)
		return 0;
	if (!is_integer(v->type))
		return wrong_type(g, v, "an integer", err);
	*out = integer_at(v->data, v->type);
	if (v->type == TS_GGUF_U64 && *out < 0)
		return ts_fail(err, TS_EFORMAT, "%s: key \"%s\": expected a number below 2^63, found %llu", g->path, key,
			       (unsigned long long)*out);
	return 0;
}

int ts_gguf_real(const struct ts_gguf *g, const char *key, double fallback, double *out, struct ts_error *err)
{
	const struct ts_gguf_value *v = ts_gguf_find(g, key);
	int64_t integer;
	float single;
	*out = fallback;
	if (!v)
		return 0;
	if (v->type == TS_GGUF_F32) {
		ts_widen(&single, v->data, TS_F32, 1);
		*out = (double)single;
	} else if (v->type == TS_GGUF_F64) {
		uint64_t bits = number_at(v->data, 8);
		memcpy(out, &bits, sizeof(*out));
	} else if (is_integer(v->type)) {
		TS_TRY(ts_gguf_int(g, key, 0, &integer, err));
		*out = (double)integer;
	} else {
		return wrong_type(g, v, "a number", err);
	}
	return 0;
}

int ts_gguf_bool(const struct ts_gguf *g, const char *key, bool fallback, bool *out, struct ts_error *err)
{
	const struct ts_gguf_value *v = ts_gguf_find(g, key);
	*out = fallback;
	if (!v)
		return 0;
	if (v->type != TS_GGUF_BOOL)
		return wrong_type(g, v, "a BOOL", err);
	if (*v->data > 1)
		return ts_fail(err, TS_EFORMAT, "%s: key \"%s\": expected 0 or 1 for a BOOL, found %d", g->path, key, *v->data);
	*out = *v->data;
	return 0;
}

bool ts_gguf_says_nothing(const struct ts_gguf *g, const struct ts_gguf_value *v)
{
	double number = 1;
	bool flag = true;
	if (v->type == TS_GGUF_BOOL)
		return !ts_gguf_bool(g, v->key, true, &flag, NULL) && !flag;
	return !ts_gguf_real(g, v->key, 1, &number, NULL) && number == 0;
}

int ts_gguf_text(const struct ts_gguf *g, const char *key, const char **s, size_t *n, struct ts_error *err)
{
	const struct ts_gguf_value *v = ts_gguf_find(g, key);
	*s = NULL;
	*n = 0;
	if (!v)
		return 0;
	if (v->type != TS_GGUF_TEXT)
		return wrong_type(g, v, "a STRING", err);
	*s = (const char *)v->data;
	*n = v->count;
	return 0;
}

/* `fits` says whether the items are what is asked for. */
static int walk(const struct ts_gguf *g, const char *key, bool (*fits)(enum ts_gguf_type), const char *expected, struct ts_gguf_walk *w,
		struct ts_error *err)
{
	const struct ts_gguf_value *v = ts_gguf_find(g, key);
	*w = (struct ts_gguf_walk){0};
	if (!v)
		return 0;
	if (v->type != TS_GGUF_ARRAY || !fits(v->item))
		return wrong_type(g, v, expected, err);
	*w = (struct ts_gguf_walk){v->data, v->item, v->count};
	return 0;
}

static bool is_text(enum ts_gguf_type type)
{
	return type == TS_GGUF_TEXT;
}

static bool is_real(enum ts_gguf_type type)
{
	return type == TS_GGUF_F32;
}

int ts_gguf_texts(const struct ts_gguf *g, const char *key, struct ts_gguf_walk *w, struct ts_error *err)
{
	return walk(g, key, is_text, "an array of STRING", w, err);
}

int ts_gguf_ints(const struct ts_gguf *g, const char *key, struct ts_gguf_walk *w, struct ts_error *err)
{
	return walk(g, key, is_integer, "an array of integers", w, err);
}

int ts_gguf_reals(const struct ts_gguf *g, const char *key, struct ts_gguf_walk *w, struct ts_error *err)
{
	return walk(g, key, is_real, "an array of FLOAT32", w, err);
}

void ts_gguf_next_text(struct ts_gguf_walk *w, const char **s, size_t *n)
{
	*n = (size_t)number_at(w->at, 8);
	*s = (const char *)w->at + 8;
	w->at += 8 + *n;
	w->left--;
}

int64_t ts_gguf_next_int(struct ts_gguf_walk *w)
{
	int64_t v = integer_at(w->at, w->item);
	w->at += value_types[w->item].bytes;
	w->left--;
	return v;
}

float ts_gguf_next_real(struct ts_gguf_walk *w)
{
	float v;
	ts_widen(&v, w->at, TS_F32, 1);
	w->at += sizeof(v);
	w->left--;
	return v;
}
