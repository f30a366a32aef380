/* Writing GGUF, version 3: keys and tensors are put together here, their data follow in the file one after another, each aligned.
 *
 *     struct ts_gguf_writer w = {0};
 *     ts_gguf_put_text(&w, "general.architecture", "llama", 5);
 *     ts_gguf_put_tensor(&w, "output_norm.weight", 1, &hidden, TS_GGML_F32);
 *     ts_gguf_writer_header(&w, &header, err);      // then the tensors' bytes, each padded to TS_GGUF_ALIGNMENT
 *
 * A lack of memory is remembered and told by ts_gguf_writer_header. */
#ifndef TS_CHECKPOINT_GGUF_WRITE_H
#define TS_CHECKPOINT_GGUF_WRITE_H

#include "checkpoint/gguf.h"

#define TS_GGUF_ALIGNMENT ((size_t)32)

/* The types that we write, by their numbers in the file. */
enum { TS_GGML_F32 = 0, TS_GGML_F16 = 1, TS_GGML_Q8_0 = 8, TS_GGML_BF16 = 30 };

struct ts_gguf_writer {
	struct ts_str keys, tensors;
	uint64_t key_count, tensor_count;
	uint64_t data; /* bytes of the tensors so far, with their padding */
	bool failed;
};

void ts_gguf_put_u32(struct ts_gguf_writer *, const char *key, uint32_t);
void ts_gguf_put_f32(struct ts_gguf_writer *, const char *key, float);
void ts_gguf_put_bool(struct ts_gguf_writer *, const char *key, bool);
void ts_gguf_put_text(struct ts_gguf_writer *, const char *key, const char *s, size_t n);
/* Its `count` items follow. */
void ts_gguf_put_array(struct ts_gguf_writer *, const char *key, enum ts_gguf_type item, size_t count);
void ts_gguf_item_text(struct ts_gguf_writer *, const char *s, size_t n);
void ts_gguf_item_i32(struct ts_gguf_writer *, int32_t);
void ts_gguf_item_f32(struct ts_gguf_writer *, float);
/* A key of another file as it stands there. */
void ts_gguf_put_value(struct ts_gguf_writer *, const struct ts_gguf_value *);
/* `shape` is row-major. */
void ts_gguf_put_tensor(struct ts_gguf_writer *, const char *name, int dims, const size_t *shape, uint32_t type);

/* All that stands before the data, appended to `out`. */
int ts_gguf_writer_header(const struct ts_gguf_writer *, struct ts_str *out, struct ts_error *err);
void ts_gguf_writer_release(struct ts_gguf_writer *);

/* Q8_0: blocks of 32 numbers as d (f16) and 32 bytes q, d = largest |x| / 127, q = x / d rounded, halves away from zero; divided and multiplied
 * in f32 with d before its rounding to f16, which is what llama.cpp does. Returns how many of the numbers lie in a block whose d is
 * beyond f16. */
enum { TS_Q8_0_BLOCK = 32, TS_Q8_0_BYTES = 34 };
size_t ts_pack_q8_0(unsigned char *out, const float *in, size_t blocks);

#endif
