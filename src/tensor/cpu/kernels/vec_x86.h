/* What the two x86 vector types share: the 8 x 8 transpose, the halves of the reduction tree. See vec.h. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_X86_H
#define TS_TENSOR_CPU_KERNELS_VEC_X86_H

#include <immintrin.h>

#define r_fma   fmaf
#define r_sqrt  sqrtf
#define r_exp   ts_expf_inline
#define r_ln(x) (float)ts_ln_inline((double)(x))

/* the tree from 8 lanes down: 4, 2, 1 */
INLINE float v_sum8_(__m256 a)
{
	__m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	x = _mm_add_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}

INLINE float v_maximum8_(__m256 a)
{
	__m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	x = _mm_max_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}

INLINE void v_transpose8_(float *to, size_t ld_to, const float *from, size_t ld)
{
	__m256 a = _mm256_loadu_ps(from), b = _mm256_loadu_ps(from + ld), c = _mm256_loadu_ps(from + 2 * ld),
	       d = _mm256_loadu_ps(from + 3 * ld);
	__m256 e = _mm256_loadu_ps(from + 4 * ld), f = _mm256_loadu_ps(from + 5 * ld), g = _mm256_loadu_ps(from + 6 * ld);
	__m256 h = _mm256_loadu_ps(from + 7 * ld);
	__m256 ab0 = _mm256_unpacklo_ps(a, b), ab1 = _mm256_unpackhi_ps(a, b), cd0 = _mm256_unpacklo_ps(c, d),
	       cd1 = _mm256_unpackhi_ps(c, d);
	__m256 ef0 = _mm256_unpacklo_ps(e, f), ef1 = _mm256_unpackhi_ps(e, f), gh0 = _mm256_unpacklo_ps(g, h),
	       gh1 = _mm256_unpackhi_ps(g, h);
	__m256 low[4] = {_mm256_shuffle_ps(ab0, cd0, 0x44), _mm256_shuffle_ps(ab0, cd0, 0xee), _mm256_shuffle_ps(ab1, cd1, 0x44),
			 _mm256_shuffle_ps(ab1, cd1, 0xee)};
	__m256 high[4] = {_mm256_shuffle_ps(ef0, gh0, 0x44), _mm256_shuffle_ps(ef0, gh0, 0xee), _mm256_shuffle_ps(ef1, gh1, 0x44),
			  _mm256_shuffle_ps(ef1, gh1, 0xee)};
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		_mm256_storeu_ps(to + i * ld_to, _mm256_permute2f128_ps(low[i], high[i], 0x20));
		_mm256_storeu_ps(to + (i + 4) * ld_to, _mm256_permute2f128_ps(low[i], high[i], 0x31));
	}
}

INLINE void v_transpose(float *to, size_t ld_to, const float *from, size_t ld_from)
{
	v_transpose8_(to, ld_to, from, ld_from);
	v_transpose8_(to + 8, ld_to, from + 8 * ld_from, ld_from);
	v_transpose8_(to + 8 * ld_to, ld_to, from + 8, ld_from);
	v_transpose8_(to + 8 * ld_to + 8, ld_to, from + 8 * ld_from + 8, ld_from);
}

#endif
