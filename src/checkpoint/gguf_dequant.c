/* A block is 32 numbers: a scale d (f16), for the _1 types a minimum m (f16), for the five-bit types the 32 high bits, then the
 * quants. Four-bit quants lie two in a byte: low halves are numbers 0 to 15, high halves 16 to 31.
 *
 * A block of the K types is 256 numbers in parts of 16 or 32, each with a small scale of its own (and in Q2_K, Q4_K, Q5_K a small minimum)
 * that multiplies the block's d (and m). 32 numbers share their bytes with the other 32s of the same 64 or 128: a byte holds bits of the
 * numbers 32 or 64 apart.
 *
 * A quant times its scales is exact in f32 (at most 23 bits), so only the addition of a minimum rounds. */
#include "checkpoint/gguf_dequant.h"

enum { BLOCK = 32, SUPER = 256 };

static uint16_t half_at(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void widen_q8_0(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 2 + BLOCK) {
		float d = ts_f16_to_f32(half_at(in));
		for (int i = 0; i < BLOCK; i++)
			*out++ = d * (float)(int8_t)in[2 + i];
	}
}

static int nibble(const unsigned char *quants, int i)
{
	return i < BLOCK / 2 ? quants[i] & 15 : quants[i - BLOCK / 2] >> 4;
}

static void widen_q4_0(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 2 + BLOCK / 2) {
		float d = ts_f16_to_f32(half_at(in));
		for (int i = 0; i < BLOCK; i++)
			*out++ = d * (float)(nibble(in + 2, i) - 8);
	}
}

static void widen_q4_1(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 4 + BLOCK / 2) {
		float d = ts_f16_to_f32(half_at(in)), m = ts_f16_to_f32(half_at(in + 2));
		for (int i = 0; i < BLOCK; i++)
			*out++ = d * (float)nibble(in + 4, i) + m;
	}
}

/* `bits` are the 32 high bits, `quants` the nibbles. */
static int five_bits(const unsigned char *bits, const unsigned char *quants, int i)
{
	return nibble(quants, i) | (bits[i / 8] >> (i % 8) & 1) << 4;
}

static void widen_q5_0(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 6 + BLOCK / 2) {
		float d = ts_f16_to_f32(half_at(in));
		for (int i = 0; i < BLOCK; i++)
			*out++ = d * (float)(five_bits(in + 2, in + 6, i) - 16);
	}
}

static void widen_q5_1(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 8 + BLOCK / 2) {
		float d = ts_f16_to_f32(half_at(in)), m = ts_f16_to_f32(half_at(in + 2));
		for (int i = 0; i < BLOCK; i++)
			*out++ = d * (float)five_bits(in + 4, in + 8, i) + m;
	}
}

/* --- K types --- */

/* 16 scales, each over a minimum in its byte; 64 bytes of two-bit quants; d, m. */
static void widen_q2_k(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += SUPER / 16 + SUPER / 4 + 4) {
		const unsigned char *scales = in, *quants = in + 16;
		float d = ts_f16_to_f32(half_at(in + 80)), m = ts_f16_to_f32(half_at(in + 82));
		for (size_t part = 0; part < SUPER / 16; part++) {
			const unsigned char *q = quants + part / 8 * 32 + part % 2 * 16;
			float scale = d * (float)(scales[part] & 15), least = m * (float)(scales[part] >> 4);
			size_t shift = part % 8 / 2 * 2;
			for (int i = 0; i < 16; i++)
				*out++ = scale * (float)(q[i] >> shift & 3) - least;
		}
	}
}

/* Six-bit scale of a part, 16 of them in 12 bytes: the low halves of the first eight bytes, then the high halves, and two more bits in the
 * last four bytes. */
static int q3_scale(const unsigned char *scales, size_t part)
{
	int low = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
	return (low | (scales[8 + part % 4] >> part / 4 * 2 & 3) << 4) - 32;
}

/* 32 bytes of third bits, 64 bytes of two-bit quants, scales, d. A third bit that is missing takes 4 off. */
static void widen_q3_k(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += SUPER / 8 + SUPER / 4 + 12 + 2) {
		const unsigned char *high = in, *quants = in + 32, *scales = in + 96;
		float d = ts_f16_to_f32(half_at(in + 108));
		for (size_t part = 0; part < SUPER / 16; part++) {
			const unsigned char *q = quants + part / 8 * 32 + part % 2 * 16, *h = high + part % 2 * 16;
			float scale = d * (float)q3_scale(scales, part);
			size_t shift = part % 8 / 2 * 2, bit = part / 2;
			for (int i = 0; i < 16; i++)
				*out++ = scale * (float)((q[i] >> shift & 3) - (h[i] >> bit & 1 ? 0 : 4));
		}
	}
}

/* Six-bit scales and minima of eight parts in 12 bytes: those of the first four parts in the low bits of the first eight bytes; those of the
 * last four in the halves of the last four bytes, with two more bits in the high bits of the first eight. */
static void k_scales(const unsigned char *scales, size_t part, float *scale, float *least)
{
	const unsigned char *s = scales + part % 4;
	int first = s[0], second = s[4], third = s[8];
	*scale *= (float)(part < 4 ? first & 63 : (third & 15) | first >> 6 << 4);
	*least *= (float)(part < 4 ? second & 63 : third >> 4 | second >> 6 << 4);
}

/* d, m, scales, 128 bytes of four-bit quants. */
static void widen_q4_k(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 4 + 12 + SUPER / 2) {
		for (size_t part = 0; part < SUPER / 32; part++) {
			const unsigned char *q = in + 16 + part / 2 * 32;
			float scale = ts_f16_to_f32(half_at(in)), least = ts_f16_to_f32(half_at(in + 2));
			size_t shift = part % 2 * 4;
			k_scales(in + 4, part, &scale, &least);
			for (int i = 0; i < 32; i++)
				*out++ = scale * (float)(q[i] >> shift & 15) - least;
		}
	}
}

/* As Q4_K, with 32 bytes of fifth bits before the quants. */
static void widen_q5_k(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += 4 + 12 + SUPER / 8 + SUPER / 2) {
		for (size_t part = 0; part < SUPER / 32; part++) {
			const unsigned char *high = in + 16, *q = in + 48 + part / 2 * 32;
			float scale = ts_f16_to_f32(half_at(in)), least = ts_f16_to_f32(half_at(in + 2));
			size_t shift = part % 2 * 4;
			k_scales(in + 4, part, &scale, &least);
			for (int i = 0; i < 32; i++)
				*out++ = scale * (float)((q[i] >> shift & 15) | (high[i] >> part & 1) << 4) - least;
		}
	}
}

/* 128 bytes of four low bits, 64 bytes of two high bits, 16 scales of eight bits with a sign, d. */
static void widen_q6_k(float *out, const unsigned char *in, size_t blocks)
{
	for (size_t b = 0; b < blocks; b++, in += SUPER / 2 + SUPER / 4 + 16 + 2) {
		const unsigned char *scales = in + 192;
		float d = ts_f16_to_f32(half_at(in + 208));
		for (size_t part = 0; part < SUPER / 16; part++) {
			size_t of_half = part % 8, offset = part % 2 * 16;
			const unsigned char *low = in + part / 8 * 64 + of_half / 2 % 2 * 32 + offset,
					    *high = in + 128 + part / 8 * 32 + offset;
			float scale = d * (float)(int8_t)scales[part];
			size_t low_shift = of_half / 4 * 4, high_shift = of_half / 2 * 2;
			for (int i = 0; i < 16; i++)
				*out++ = scale * (float)(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
		}
	}
}

static const struct ts_ggml_type types[] = {
	[0] = {"F32", 1, 4, NULL, TS_F32},
	[1] = {"F16", 1, 2, NULL, TS_F16},
	[2] = {"Q4_0", BLOCK, 2 + BLOCK / 2, widen_q4_0, TS_F32},
	[3] = {"Q4_1", BLOCK, 4 + BLOCK / 2, widen_q4_1, TS_F32},
	[6] = {"Q5_0", BLOCK, 6 + BLOCK / 2, widen_q5_0, TS_F32},
	[7] = {"Q5_1", BLOCK, 8 + BLOCK / 2, widen_q5_1, TS_F32},
	[8] = {"Q8_0", BLOCK, 2 + BLOCK, widen_q8_0, TS_F32},
	[9] = {.name = "Q8_1"},
	[10] = {"Q2_K", SUPER, SUPER / 16 + SUPER / 4 + 4, widen_q2_k, TS_F32},
	[11] = {"Q3_K", SUPER, SUPER / 8 + SUPER / 4 + 12 + 2, widen_q3_k, TS_F32},
	[12] = {"Q4_K", SUPER, 4 + 12 + SUPER / 2, widen_q4_k, TS_F32},
	[13] = {"Q5_K", SUPER, 4 + 12 + SUPER / 8 + SUPER / 2, widen_q5_k, TS_F32},
	[14] = {"Q6_K", SUPER, SUPER / 2 + SUPER / 4 + 16 + 2, widen_q6_k, TS_F32},
	[15] = {.name = "Q8_K"},
	[16] = {.name = "IQ2_XXS"},
	[17] = {.name = "IQ2_XS"},
	[18] = {.name = "IQ3_XXS"},
	[19] = {.name = "IQ1_S"},
	[20] = {.name = "IQ4_NL"},
	[21] = {.name = "IQ3_S"},
	[22] = {.name = "IQ2_S"},
	[23] = {.name = "IQ4_XS"},
	[24] = {.name = "I8"},
	[25] = {.name = "I16"},
	[26] = {.name = "I32"},
	[27] = {.name = "I64"},
	[28] = {.name = "F64"},
	[29] = {.name = "IQ1_M"},
	[30] = {"BF16", 1, 2, NULL, TS_BF16},
	[34] = {.name = "TQ1_0"},
	[35] = {.name = "TQ2_0"},
	[39] = {.name = "MXFP4"},
};

const struct ts_ggml_type *ts_ggml_type(uint32_t number)
{
	return number < sizeof(types) / sizeof(*types) && types[number].name ? &types[number] : NULL;
}
