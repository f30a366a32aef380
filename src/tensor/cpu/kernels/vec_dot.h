/* What class bf16dot adds to v16. See vec.h and product_dot.c. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_DOT_H
#define TS_TENSOR_CPU_KERNELS_VEC_DOT_H

/* ts_f32_to_bf16, in a form that the compiler makes vectors of. */
INLINE uint32_t v_round_(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof(u));
	uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
	return (u & 0x7fffffff) > 0x7f800000 ? nan : rounded;
}

INLINE uint32_t v_round_pair(float even, float odd)
{
	return v_round_(even) | v_round_(odd) << 16;
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
#else
INLINE v16 v_dot(v16 sum, uint32_t pair, const uint16_t *p)
{
	return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)_mm512_loadu_si512(p));
}
#endif

#endif
