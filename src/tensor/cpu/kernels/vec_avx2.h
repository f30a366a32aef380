/* v16 as two AVX2 registers. See vec.h. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_AVX2_H
#define TS_TENSOR_CPU_KERNELS_VEC_AVX2_H

#include "tensor/cpu/kernels/vec_x86.h"

#ifdef TS_ISA_lowered
#include "tensor/cpu/kernels/tiles_avx512.h"
#else
/* 16 registers: at most 12 accumulators, two of weights, one of the left side */
#define V_ROWS         6
#define V_PANELS(rows) ((rows) == 1 ? 4 : (rows) <= 3 ? 2 : 1)
#endif

typedef struct {
	__m256 a, b;
} v16;

INLINE v16 v_set1(float x)
{
	__m256 v = _mm256_set1_ps(x);
	return (v16){v, v};
}

INLINE v16 v_load(const float *p)
{
	return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

INLINE void v_store(float *p, v16 x)
{
	_mm256_storeu_ps(p, x.a);
	_mm256_storeu_ps(p + 8, x.b);
}

INLINE v16 v_load_n(const float *p, size_t n)
{
	float lanes[16] = {0};
	for (size_t i = 0; i < n; i++)
		lanes[i] = p[i];
	return v_load(lanes);
}

INLINE void v_store_n(float *p, v16 x, size_t n)
{
	float lanes[16];
	v_store(lanes, x);
	for (size_t i = 0; i < n; i++)
		p[i] = lanes[i];
}

INLINE __m256 v_widen8_(__m128i x)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

INLINE v16 v_load_bf16(const uint16_t *p)
{
	return (v16){v_widen8_(_mm_loadu_si128((const __m128i *)(const void *)p)),
		     v_widen8_(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

INLINE v16 v_load_even(const uint16_t *p)
{
	const __m256i *q = (const __m256i *)(const void *)p;
	return (v16){_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(q), 16)),
		     _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(q + 1), 16))};
}

INLINE v16 v_load_odd(const uint16_t *p)
{
	const __m256i *q = (const __m256i *)(const void *)p;
	__m256i high = _mm256_set1_epi32((int)0xffff0000);
	return (v16){_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(q), high)),
		     _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(q + 1), high))};
}

INLINE v16 v_load_f16(const uint16_t *p)
{
	return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
		     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

INLINE v16 v_add(v16 x, v16 y)
{
	return (v16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

INLINE v16 v_sub(v16 x, v16 y)
{
	return (v16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

INLINE v16 v_mul(v16 x, v16 y)
{
	return (v16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

INLINE v16 v_div(v16 x, v16 y)
{
	return (v16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

INLINE v16 v_sqrt(v16 x)
{
	return (v16){_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)};
}

INLINE v16 v_max(v16 x, v16 y)
{
	return (v16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

INLINE v16 v_fma(v16 x, v16 y, v16 z)
{
	return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

INLINE float v_sum(v16 x)
{
	return v_sum8_(_mm256_add_ps(x.a, x.b));
}

INLINE float v_maximum(v16 x)
{
	return v_maximum8_(_mm256_max_ps(x.a, x.b));
}

INLINE __m256 v_exp8_(__m256 x)
{
	static const float terms[] = TS_EXPF_TERMS;
	__m256 magic = _mm256_set1_ps(TS_EXPF_MAGIC);
	__m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(TS_EXPF_LOG2_E), magic), n = _mm256_sub_ps(t, magic);
	__m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-TS_EXPF_LN2_LO), _mm256_fmadd_ps(n, _mm256_set1_ps(-TS_EXPF_LN2_HI), x));
	__m256 q = _mm256_set1_ps(terms[0]);
	UNROLL
	for (int i = 1; i < 6; i++)
		q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(terms[i]));
	__m256 p = _mm256_add_ps(_mm256_set1_ps(1.0f), _mm256_fmadd_ps(q, _mm256_mul_ps(r, r), r));
	p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
	p = _mm256_blendv_ps(p, _mm256_set1_ps(INFINITY), _mm256_cmp_ps(x, _mm256_set1_ps(TS_EXPF_MAX), _CMP_GT_OQ));
	p = _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(TS_EXPF_MIN), _CMP_LT_OQ), p);
	return _mm256_blendv_ps(p, _mm256_set1_ps(NAN), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

INLINE v16 v_exp(v16 x)
{
	return (v16){v_exp8_(x.a), v_exp8_(x.b)};
}

#endif
