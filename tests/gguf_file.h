/* For tests that write GGUF files: a header and data put together piece by piece, right or wrong. */
#ifndef TS_TESTS_GGUF_FILE_H
#define TS_TESTS_GGUF_FILE_H

#include "checkpoint/gguf.h"
#include "core/str.h"

#include <string.h>

enum { GGML_F32 = 0, GGML_F16 = 1, GGML_Q8_0 = 8, GGML_BF16 = 30 };

struct gguf_file {
	uint32_t version;
	uint64_t key_count, tensor_count, alignment;
	struct ts_str keys, tensors, data;
};

static inline void gguf_put(struct ts_str *out, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		ts_str_putc(out, (char)(v >> (8 * i)));
}

static inline void gguf_put_text(struct ts_str *out, const char *s, size_t n)
{
	gguf_put(out, n, 8);
	ts_str_append(out, s, n);
}

static inline struct gguf_file gguf_new(void)
{
	return (struct gguf_file){.version = 3, .alignment = 32};
}

static inline void gguf_release(struct gguf_file *f)
{
	ts_str_release(&f->keys);
	ts_str_release(&f->tensors);
	ts_str_release(&f->data);
}

/* The beginning of a key; its value follows. */
static inline void gguf_key(struct gguf_file *f, const char *key, uint32_t type)
{
	f->key_count++;
	gguf_put_text(&f->keys, key, strlen(key));
	gguf_put(&f->keys, type, 4);
}

static inline void gguf_number(struct gguf_file *f, const char *key, enum ts_gguf_type type, uint64_t v, int bytes)
{
	gguf_key(f, key, type);
	gguf_put(&f->keys, v, bytes);
}

static inline void gguf_u32(struct gguf_file *f, const char *key, uint32_t v)
{
	gguf_number(f, key, TS_GGUF_U32, v, 4);
}

static inline void gguf_bool(struct gguf_file *f, const char *key, bool v)
{
	gguf_number(f, key, TS_GGUF_BOOL, v, 1);
}

static inline void gguf_f32(struct gguf_file *f, const char *key, float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof(bits));
	gguf_number(f, key, TS_GGUF_F32, bits, 4);
}

static inline void gguf_text(struct gguf_file *f, const char *key, const char *v)
{
	gguf_key(f, key, TS_GGUF_TEXT);
	gguf_put_text(&f->keys, v, strlen(v));
}

/* The beginning of an array; its items follow. */
static inline void gguf_array(struct gguf_file *f, const char *key, uint32_t item, uint64_t count)
{
	gguf_key(f, key, TS_GGUF_ARRAY);
	gguf_put(&f->keys, item, 4);
	gguf_put(&f->keys, count, 8);
}

static inline void gguf_pad(struct ts_str *out, size_t to)
{
	while (out->len % to)
		ts_str_putc(out, 0);
}

/* An entry of the list, as it is told. `shape` is row-major. */
static inline void gguf_entry(struct gguf_file *f, const char *name, uint32_t dims, const size_t *shape, uint32_t type, uint64_t offset)
{
	f->tensor_count++;
	gguf_put_text(&f->tensors, name, strlen(name));
	gguf_put(&f->tensors, dims, 4);
	for (uint32_t i = 0; i < dims; i++)
		gguf_put(&f->tensors, shape[dims - 1 - i], 8);
	gguf_put(&f->tensors, type, 4);
	gguf_put(&f->tensors, offset, 8);
}

static inline void gguf_tensor(struct gguf_file *f, const char *name, uint32_t dims, const size_t *shape, uint32_t type, const void *data,
			       size_t bytes)
{
	gguf_pad(&f->data, f->alignment);
	gguf_entry(f, name, dims, shape, type, f->data.len);
	ts_str_append(&f->data, data, bytes);
}

/* The whole file; *header (may be NULL) is where its data begin. */
static inline struct ts_str gguf_bytes(const struct gguf_file *f, size_t *header)
{
	struct ts_str out = {0};
	ts_str_puts(&out, "GGUF");
	gguf_put(&out, f->version, 4);
	gguf_put(&out, f->tensor_count, 8);
	gguf_put(&out, f->key_count, 8);
	ts_str_append(&out, ts_str_c(&f->keys), f->keys.len);
	ts_str_append(&out, ts_str_c(&f->tensors), f->tensors.len);
	gguf_pad(&out, f->alignment);
	if (header)
		*header = out.len;
	ts_str_append(&out, ts_str_c(&f->data), f->data.len);
	return out;
}

#endif
