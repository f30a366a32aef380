/* Number formats of stored tensors. */
#ifndef TS_TENSOR_DTYPE_H
#define TS_TENSOR_DTYPE_H

#include <stddef.h>
#include <stdint.h>

enum ts_dtype { TS_F32, TS_BF16, TS_F16, TS_F64, TS_I64, TS_I32, TS_U8 };

size_t ts_dtype_size(enum ts_dtype);
/* The safetensors name: "F32", "BF16", ... */
const char *ts_dtype_name(enum ts_dtype);

/* Exact widening. */
float ts_bf16_to_f32(uint16_t);
float ts_f16_to_f32(uint16_t);
/* Round to nearest even; NaN stays NaN. */
uint16_t ts_f32_to_bf16(float);
uint16_t ts_f32_to_f16(float);

/* out = in[n] rounded to F32, BF16 or F16, unaligned little-endian. How many finite numbers lay beyond the dtype's range and became infinite. */
size_t ts_narrow(void *out, enum ts_dtype, const float *in, size_t n);
/* out[n] = src[n] widened; dtype F32, BF16 or F16; src unaligned little-endian. */
void ts_widen(float *out, const void *src, enum ts_dtype, size_t n);

#endif
