#include "tensor/dtype.h"

#include <string.h>

size_t ts_dtype_size(enum ts_dtype t)
{
	static const unsigned char sizes[] = {
		[TS_F32] = 4, [TS_BF16] = 2, [TS_F16] = 2, [TS_F64] = 8, [TS_I64] = 8, [TS_I32] = 4, [TS_U8] = 1};
	return sizes[t];
}

const char *ts_dtype_name(enum ts_dtype t)
{
	static const char *const names[] = {[TS_F32] = "F32", [TS_BF16] = "BF16", [TS_F16] = "F16", [TS_F64] = "F64",
					    [TS_I64] = "I64", [TS_I32] = "I32",   [TS_U8] = "U8"};
	return names[t];
}

static float from_bits(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t to_bits(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

float ts_bf16_to_f32(uint16_t h)
{
	return from_bits((uint32_t)h << 16);
}

float ts_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
	if (exponent == 31)
		return from_bits(sign | 0x7f800000 | mantissa << 13);
	if (exponent)
		return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
	/* subnormal: mantissa * 2^-24, exact in f32 */
	float f = (float)mantissa * 0x1p-24f;
	return sign ? -f : f;
}

uint16_t ts_f32_to_bf16(float f)
{
	uint32_t bits = to_bits(f);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40); /* keep NaN a NaN when its payload is cut */
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* value >> shift, to nearest even */
static uint32_t round_shift(uint32_t value, unsigned shift)
{
	uint32_t half = (uint32_t)1 << (shift - 1), cut = value & (2 * half - 1), kept = value >> shift;
	return kept + (cut > half || (cut == half && (kept & 1)));
}

uint16_t ts_f32_to_f16(float f)
{
	uint32_t bits = to_bits(f), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude >= 0x38800000) /* a carry out of the mantissa steps the exponent, as it should */
		return (uint16_t)(sign | round_shift(magnitude - ((uint32_t)112 << 23), 13));
	uint32_t exponent = magnitude >> 23;
	if (exponent < 102)
		return (uint16_t)sign; /* below half of the smallest subnormal */
	return (uint16_t)(sign | round_shift((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}

static void put(unsigned char *out, uint32_t bits, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (unsigned char)(bits >> (8 * i));
}

size_t ts_narrow(void *out, enum ts_dtype t, const float *in, size_t n)
{
	unsigned char *o = out;
	size_t beyond = 0;
	for (size_t i = 0; i < n; i++) {
		if (t == TS_F32) {
			put(o + 4 * i, to_bits(in[i]), 4);
			continue;
		}
		uint16_t half = t == TS_BF16 ? ts_f32_to_bf16(in[i]) : ts_f32_to_f16(in[i]);
		uint16_t infinite = t == TS_BF16 ? 0x7f80 : 0x7c00;
		beyond += (half & 0x7fff) == infinite && (to_bits(in[i]) & 0x7fffffff) < 0x7f800000;
		put(o + 2 * i, half, 2);
	}
	return beyond;
}

void ts_widen(float *out, const void *src, enum ts_dtype t, size_t n)
{
	const unsigned char *s = src;
	for (size_t i = 0; i < n; i++) {
		if (t == TS_F32) {
			uint32_t bits = (uint32_t)s[4 * i] | (uint32_t)s[4 * i + 1] << 8 | (uint32_t)s[4 * i + 2] << 16 |
					(uint32_t)s[4 * i + 3] << 24;
			out[i] = from_bits(bits);
		} else {
			uint16_t bits = (uint16_t)(s[2 * i] | s[2 * i + 1] << 8);
			out[i] = t == TS_BF16 ? ts_bf16_to_f32(bits) : ts_f16_to_f32(bits);
		}
	}
}
