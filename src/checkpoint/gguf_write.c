#include "checkpoint/gguf_write.h"

#include <math.h>
#include <string.h>

static void put(struct ts_gguf_writer *w, struct ts_str *to, const void *data, size_t n)
{
	w->failed |= ts_str_append(to, data, n) != 0;
}

static void put_number(struct ts_gguf_writer *w, struct ts_str *to, uint64_t v, size_t bytes)
{
	unsigned char b[8];
	for (size_t i = 0; i < bytes; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	put(w, to, b, bytes);
}

static void put_text(struct ts_gguf_writer *w, struct ts_str *to, const char *s, size_t n)
{
	put_number(w, to, n, 8);
	put(w, to, s, n);
}

static void put_key(struct ts_gguf_writer *w, const char *key, enum ts_gguf_type type)
{
	w->key_count++;
	put_text(w, &w->keys, key, strlen(key));
	put_number(w, &w->keys, type, 4);
}

static uint32_t bits_of(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

void ts_gguf_put_u32(struct ts_gguf_writer *w, const char *key, uint32_t v)
{
	put_key(w, key, TS_GGUF_U32);
	put_number(w, &w->keys, v, 4);
}

void ts_gguf_put_f32(struct ts_gguf_writer *w, const char *key, float v)
{
	put_key(w, key, TS_GGUF_F32);
	put_number(w, &w->keys, bits_of(v), 4);
}

void ts_gguf_put_bool(struct ts_gguf_writer *w, const char *key, bool v)
{
	put_key(w, key, TS_GGUF_BOOL);
	put_number(w, &w->keys, v, 1);
}

void ts_gguf_put_text(struct ts_gguf_writer *w, const char *key, const char *s, size_t n)
{
	put_key(w, key, TS_GGUF_TEXT);
	put_text(w, &w->keys, s, n);
}

void ts_gguf_put_array(struct ts_gguf_writer *w, const char *key, enum ts_gguf_type item, size_t count)
{
	put_key(w, key, TS_GGUF_ARRAY);
	put_number(w, &w->keys, item, 4);
	put_number(w, &w->keys, count, 8);
}

void ts_gguf_item_text(struct ts_gguf_writer *w, const char *s, size_t n)
{
	put_text(w, &w->keys, s, n);
}

void ts_gguf_item_i32(struct ts_gguf_writer *w, int32_t v)
{
	put_number(w, &w->keys, (uint32_t)v, 4);
}

void ts_gguf_item_f32(struct ts_gguf_writer *w, float v)
{
	put_number(w, &w->keys, bits_of(v), 4);
}

void ts_gguf_put_value(struct ts_gguf_writer *w, const struct ts_gguf_value *v)
{
	put_key(w, v->key, v->type);
	if (v->type == TS_GGUF_ARRAY) {
		put_number(w, &w->keys, v->item, 4);
		put_number(w, &w->keys, v->count, 8);
	} else if (v->type == TS_GGUF_TEXT) {
		put_number(w, &w->keys, v->count, 8);
	}
	put(w, &w->keys, v->data, v->bytes);
}

void ts_gguf_put_tensor(struct ts_gguf_writer *w, const char *name, int dims, const size_t *shape, uint32_t type)
{
	const struct ts_ggml_type *t = ts_ggml_type(type);
	uint64_t elements = 1;
	w->tensor_count++;
	put_text(w, &w->tensors, name, strlen(name));
	put_number(w, &w->tensors, (uint64_t)dims, 4);
	for (int i = dims; i-- > 0;) {
		put_number(w, &w->tensors, shape[i], 8);
		elements *= shape[i];
	}
	put_number(w, &w->tensors, type, 4);
	put_number(w, &w->tensors, w->data, 8);
	w->data += (elements / t->block * t->bytes + TS_GGUF_ALIGNMENT - 1) / TS_GGUF_ALIGNMENT * TS_GGUF_ALIGNMENT;
}

int ts_gguf_writer_header(const struct ts_gguf_writer *from, struct ts_str *out, struct ts_error *err)
{
	struct ts_gguf_writer w = {.failed = from->failed};
	size_t begin = out->len;
	put(&w, out, "GGUF", 4);
	put_number(&w, out, 3, 4);
	put_number(&w, out, from->tensor_count, 8);
	put_number(&w, out, from->key_count, 8);
	put(&w, out, ts_str_c(&from->keys), from->keys.len);
	put(&w, out, ts_str_c(&from->tensors), from->tensors.len);
	while (!w.failed && (out->len - begin) % TS_GGUF_ALIGNMENT)
		put_number(&w, out, 0, 1);
	return w.failed ? ts_fail_memory(err) : 0;
}

void ts_gguf_writer_release(struct ts_gguf_writer *w)
{
	ts_str_release(&w->keys);
	ts_str_release(&w->tensors);
	*w = (struct ts_gguf_writer){0};
}

size_t ts_pack_q8_0(unsigned char *out, const float *in, size_t blocks)
{
	size_t beyond = 0;
	for (size_t b = 0; b < blocks; b++, in += TS_Q8_0_BLOCK, out += TS_Q8_0_BYTES) {
		float most = 0;
		for (int i = 0; i < TS_Q8_0_BLOCK; i++)
			most = fabsf(in[i]) > most ? fabsf(in[i]) : most;
		float d = most / 127, inverse = d != 0 ? 1 / d : 0;
		beyond += ts_narrow(out, TS_F16, &d, 1) * TS_Q8_0_BLOCK;
		for (int i = 0; i < TS_Q8_0_BLOCK; i++) {
			float q = in[i] * inverse;
			/* 1 / d is infinite for the smallest of numbers, whose d is 0 in f16 */
			out[2 + i] = (unsigned char)(int8_t)(fabsf(q) < 128 ? roundf(q) : 0);
		}
	}
	return beyond;
}
