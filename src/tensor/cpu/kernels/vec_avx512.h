/* v16 as one AVX-512 register. See vec.h. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_AVX512_H
#define TS_TENSOR_CPU_KERNELS_VEC_AVX512_H

#include "tensor/cpu/kernels/vec_x86.h"

#include "tensor/cpu/kernels/tiles_avx512.h"

typedef __m512 v16;

INLINE v16 v_set1(float x)
{
	return _mm512_set1_ps(x);
}

INLINE v16 v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

INLINE void v_store(float *p, v16 x)
{
	_mm512_storeu_ps(p, x);
}

INLINE __mmask16 v_first_(size_t n)
{
	return (__mmask16)((1u << n) - 1);
}

INLINE v16 v_load_n(const float *p, size_t n)
{
	return _mm512_maskz_loadu_ps(v_first_(n), p);
}

INLINE void v_store_n(float *p, v16 x, size_t n)
{
	_mm512_mask_storeu_ps(p, v_first_(n), x);
}

INLINE v16 v_load_bf16(const uint16_t *p)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}

INLINE v16 v_load_even(const uint16_t *p)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}

INLINE v16 v_load_odd(const uint16_t *p)
{
	return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)0xffff0000)));
}

INLINE v16 v_load_f16(const uint16_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE v16 v_add(v16 x, v16 y)
{
	return _mm512_add_ps(x, y);
}

INLINE v16 v_sub(v16 x, v16 y)
{
	return _mm512_sub_ps(x, y);
}

INLINE v16 v_mul(v16 x, v16 y)
{
	return _mm512_mul_ps(x, y);
}

INLINE v16 v_div(v16 x, v16 y)
{
	return _mm512_div_ps(x, y);
}

INLINE v16 v_sqrt(v16 x)
{
	return _mm512_sqrt_ps(x);
}

INLINE v16 v_max(v16 x, v16 y)
{
	return _mm512_max_ps(x, y);
}

INLINE v16 v_fma(v16 x, v16 y, v16 z)
{
	return _mm512_fmadd_ps(x, y, z);
}

INLINE __m256 v_high_(v16 x)
{
	return _mm512_extractf32x8_ps(x, 1);
}

INLINE float v_sum(v16 x)
{
	return v_sum8_(_mm256_add_ps(_mm512_castps512_ps256(x), v_high_(x)));
}

INLINE float v_maximum(v16 x)
{
	return v_maximum8_(_mm256_max_ps(_mm512_castps512_ps256(x), v_high_(x)));
}

INLINE v16 v_exp(v16 x)
{
	static const float terms[] = TS_EXPF_TERMS;
	v16 magic = v_set1(TS_EXPF_MAGIC);
	v16 t = v_fma(x, v_set1(TS_EXPF_LOG2_E), magic), n = v_sub(t, magic);
	v16 r = v_fma(n, v_set1(-TS_EXPF_LN2_LO), v_fma(n, v_set1(-TS_EXPF_LN2_HI), x));
	v16 q = v_set1(terms[0]);
	UNROLL
	for (int i = 1; i < 6; i++)
		q = v_fma(q, r, v_set1(terms[i]));
	v16 p = v_add(v_set1(1.0f), v_fma(q, v_mul(r, r), r));
	p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
	p = _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, v_set1(TS_EXPF_MAX), _CMP_GT_OQ), v_set1(INFINITY));
	p = _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, v_set1(TS_EXPF_MIN), _CMP_LT_OQ), v_set1(0.0f));
	return _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), v_set1(NAN));
}

#endif
