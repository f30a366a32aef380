/* The GGUF format, versions 2 and 3, little-endian: a header with metadata and the list of tensors, then raw tensors.
 *
 *     "GGUF" version tensor_count key_count | (key type value)... | (name dims[] type offset)... | pad | data, each tensor aligned
 *
 * Reading maps the file; nothing is copied but names. Everything the header claims is checked before it is used: counts and lengths
 * against the bytes that are there, arrays nested at most four deep, no key or tensor twice, alignment a power of two, tensors inside
 * the file, aligned and without overlap, types that we can read. Errors name file, key or tensor, expected, found. */
#ifndef TS_CHECKPOINT_GGUF_H
#define TS_CHECKPOINT_GGUF_H

#include "checkpoint/gguf_dequant.h"
#include "core/file.h"
#include "core/map.h"

enum ts_gguf_type {
	TS_GGUF_U8,
	TS_GGUF_I8,
	TS_GGUF_U16,
	TS_GGUF_I16,
	TS_GGUF_U32,
	TS_GGUF_I32,
	TS_GGUF_F32,
	TS_GGUF_BOOL,
	TS_GGUF_TEXT,
	TS_GGUF_ARRAY,
	TS_GGUF_U64,
	TS_GGUF_I64,
	TS_GGUF_F64,
};

struct ts_gguf_value {
	const char *key; /* owned by the container */
	enum ts_gguf_type type;
	enum ts_gguf_type item;    /* of an array */
	size_t count;              /* items of an array, bytes of a text */
	const unsigned char *data; /* in the mapping, unaligned: the number, the text's bytes, the first item */
	size_t bytes;              /* from there to the end of the value */
};

struct ts_gguf_tensor {
	const char *name;                /* owned by the container */
	const struct ts_ggml_type *type; /* one that we can read */
	int dims;                        /* 1..4 */
	size_t shape[4];                 /* row-major as everywhere here: the file's order turned round */
	size_t elements;
	const unsigned char *data; /* in the mapping */
	size_t bytes;
};

struct ts_gguf {
	struct ts_mapping file;
	char *path;
	struct ts_map keys; /* -> index into values */
	TS_VEC(struct ts_gguf_value) values;
	struct ts_map names; /* -> index into tensors */
	TS_VEC(struct ts_gguf_tensor) tensors;
};

int ts_gguf_open(struct ts_gguf *, const char *path, struct ts_error *err);
void ts_gguf_close(struct ts_gguf *);

/* NULL when absent. */
const struct ts_gguf_value *ts_gguf_find(const struct ts_gguf *, const char *key);
const struct ts_gguf_tensor *ts_gguf_tensor(const struct ts_gguf *, const char *name);

/* Values with a type check, as those of core/json.h: a missing key gives the fallback (NULL for a text), a wrong type fails and names
 * the key. Any integer type is an integer; an integer is a real. */
int ts_gguf_int(const struct ts_gguf *, const char *key, int64_t fallback, int64_t *out, struct ts_error *err);
int ts_gguf_real(const struct ts_gguf *, const char *key, double fallback, double *out, struct ts_error *err);
int ts_gguf_bool(const struct ts_gguf *, const char *key, bool fallback, bool *out, struct ts_error *err);
/* 0 or false. */
bool ts_gguf_says_nothing(const struct ts_gguf *, const struct ts_gguf_value *);
/* Not NUL-terminated; it lies in the mapping. */
int ts_gguf_text(const struct ts_gguf *, const char *key, const char **s, size_t *n, struct ts_error *err);

/* The items of an array, one after another, while `left` > 0. A missing key is an empty array. */
struct ts_gguf_walk {
	const unsigned char *at;
	enum ts_gguf_type item;
	size_t left;
};
int ts_gguf_texts(const struct ts_gguf *, const char *key, struct ts_gguf_walk *, struct ts_error *err);
int ts_gguf_ints(const struct ts_gguf *, const char *key, struct ts_gguf_walk *, struct ts_error *err);
int ts_gguf_reals(const struct ts_gguf *, const char *key, struct ts_gguf_walk *, struct ts_error *err); /* FLOAT32 */
void ts_gguf_next_text(struct ts_gguf_walk *, const char **s, size_t *n);
int64_t ts_gguf_next_int(struct ts_gguf_walk *);
float ts_gguf_next_real(struct ts_gguf_walk *);

#endif
