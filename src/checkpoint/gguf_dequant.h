/* Tensor types of GGUF files and their exact values in f32. Adding one is a row and a function: ts_ggml_type names every type of the
 * format, so that one we cannot read is refused by its name. */
#ifndef TS_CHECKPOINT_GGUF_DEQUANT_H
#define TS_CHECKPOINT_GGUF_DEQUANT_H

#include "tensor/dtype.h"

#define TS_GGML_BLOCK_MOST 256 /* numbers in the largest block */

struct ts_ggml_type {
	const char *name;
	size_t block; /* numbers in a block */
	size_t bytes; /* of a block; 0 = a type that we cannot read */
	/* out[blocks * block]; NULL: the numbers are used as stored, in `dtype` */
	void (*widen)(float *out, const unsigned char *in, size_t blocks);
	enum ts_dtype dtype;
};

/* By the number in the file; NULL for a number that the format does not have. */
const struct ts_ggml_type *ts_ggml_type(uint32_t number);
/* "F32, F16, ...": the types that we can read, for messages. */
#define TS_GGML_KNOWN "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K"

#endif
