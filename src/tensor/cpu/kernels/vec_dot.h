/* What class bf16dot adds to v16. See vec.h and product_dot.c. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_DOT_H
#define TS_TENSOR_CPU_KERNELS_VEC_DOT_H

/* ts_f32_to_bf16, inline */
INLINE uint32_t v_round_(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof(u));
	uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
	return (u & 0x7fffffff) > 0x7f800000 ? nan : rounded;
}

#ifdef TS_ISA_plaindot
/* The model of the hardware's step; it has been compared with the instruction on random pairs of every magnitude (tests/tensor/test_dot.c). */
INLINE float v_flush_(float x)
{
	return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

INLINE v16 v_dot(v16 sum, uint32_t pair, const uint16_t *p)
{
	float even = v_flush_(ts_bf16_to_f32((uint16_t)pair)), odd = v_flush_(ts_bf16_to_f32((uint16_t)(pair >> 16)));
	V_LANES
	{
		float s = v_flush_(fmaf(odd, v_flush_(ts_bf16_to_f32(p[2 * i + 1])), v_flush_(sum.l[i])));
		sum.l[i] = v_flush_(fmaf(even, v_flush_(ts_bf16_to_f32(p[2 * i])), s));
	}
	return sum;
}

INLINE v16 v_dot_even(v16 sum, uint32_t pair, const uint16_t *p)
{
	uint16_t even[32] = {0};
	V_LANES
	even[2 * i] = p[2 * i];
	return v_dot(sum, pair, even);
}

INLINE void v_round(uint16_t *to, const float *x)
{
	V_LANES
	to[i] = (uint16_t)v_round_(x[i]);
}

INLINE void v_zip(uint16_t *to, const uint16_t *even, const uint16_t *odd)
{
	V_LANES
	{
		to[2 * i] = even[i];
		to[2 * i + 1] = odd[i];
	}
}
#else
INLINE void v_zip(uint16_t *to, const uint16_t *even, const uint16_t *odd)
{
	__m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)even));
	__m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)odd));
	_mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

INLINE void v_round(uint16_t *to, const float *x)
{
	__m512i u = _mm512_loadu_si512(x), high = _mm512_srli_epi32(u, 16), odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
	__m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
	__m512 value = _mm512_castsi512_ps(u);
	__mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
	rounded = _mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40));
	_mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(rounded));
}

INLINE v16 v_dot(v16 sum, uint32_t pair, const uint16_t *p)
{
	return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)_mm512_loadu_si512(p));
}

INLINE v16 v_dot_even(v16 sum, uint32_t pair, const uint16_t *p)
{
	__m512i even = _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(0xffff));
	return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)even);
}
#endif

#endif
