/* A block is 32 numbers: a scale d (f16), for the _1 types a minimum m (f16), for the five-bit types the 32 high bits, then the
 * quants. Four-bit quants lie two in a byte: low halves are numbers 0 to 15, high halves 16 to 31. A quant times a scale is exact in
 * f32, so only the addition of m rounds. */
#include "checkpoint/gguf_dequant.h"

enum { BLOCK = 32 };

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

static const struct ts_ggml_type types[] = {
	[0] = {"F32", 1, 4, NULL, TS_F32},
	[1] = {"F16", 1, 2, NULL, TS_F16},
	[2] = {"Q4_0", BLOCK, 2 + BLOCK / 2, widen_q4_0, TS_F32},
	[3] = {"Q4_1", BLOCK, 4 + BLOCK / 2, widen_q4_1, TS_F32},
	[6] = {"Q5_0", BLOCK, 6 + BLOCK / 2, widen_q5_0, TS_F32},
	[7] = {"Q5_1", BLOCK, 8 + BLOCK / 2, widen_q5_1, TS_F32},
	[8] = {"Q8_0", BLOCK, 2 + BLOCK, widen_q8_0, TS_F32},
	[9] = {.name = "Q8_1"},
	[10] = {.name = "Q2_K"},
	[11] = {.name = "Q3_K"},
	[12] = {.name = "Q4_K"},
	[13] = {.name = "Q5_K"},
	[14] = {.name = "Q6_K"},
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
