/* v16 as four NEON registers of arm64. See vec.h. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_NEON_H
#define TS_TENSOR_CPU_KERNELS_VEC_NEON_H

#include <arm_neon.h>

/* 32 registers: at most 24 of accumulators, four of weights, one of the left side */
#define V_ROWS         6
#define V_PANELS(rows) ((rows) <= 1 ? 4 : (rows) <= 3 ? 2 : 1)

#define r_fma   fmaf
#define r_sqrt  sqrtf
#define r_exp   ts_expf_inline
#define r_ln(x) (float)ts_ln_inline((double)(x))

typedef struct {
	float32x4_t q[4];
} v16;

#define V_QUARTERS UNROLL for (int i = 0; i < 4; i++)

INLINE v16 v_set1(float x)
{
	float32x4_t v = vdupq_n_f32(x);
	return (v16){{v, v, v, v}};
}

INLINE v16 v_load(const float *p)
{
	return (v16){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}

INLINE void v_store(float *p, v16 x)
{
	V_QUARTERS vst1q_f32(p + 4 * i, x.q[i]);
}

INLINE v16 v_load_n(const float *p, size_t n)
{
	float lanes[16] = {0};
	memcpy(lanes, p, n * sizeof(float));
	return v_load(lanes);
}

INLINE void v_store_n(float *p, v16 x, size_t n)
{
	float lanes[16];
	v_store(lanes, x);
	memcpy(p, lanes, n * sizeof(float));
}

INLINE v16 v_load_bf16(const uint16_t *p)
{
	v16 r;
	V_QUARTERS r.q[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
	return r;
}

INLINE uint32x4_t v_pairs_(const uint16_t *p, int i)
{
	return vreinterpretq_u32_u16(vld1q_u16(p + 8 * i));
}

INLINE v16 v_load_even(const uint16_t *p)
{
	v16 r;
	V_QUARTERS r.q[i] = vreinterpretq_f32_u32(vshlq_n_u32(v_pairs_(p, i), 16));
	return r;
}

INLINE v16 v_load_odd(const uint16_t *p)
{
	v16 r;
	V_QUARTERS r.q[i] = vreinterpretq_f32_u32(vandq_u32(v_pairs_(p, i), vdupq_n_u32(0xffff0000)));
	return r;
}

INLINE v16 v_load_f16(const uint16_t *p)
{
	v16 r;
	V_QUARTERS r.q[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
	return r;
}

INLINE v16 v_add(v16 x, v16 y)
{
	V_QUARTERS x.q[i] = vaddq_f32(x.q[i], y.q[i]);
	return x;
}

INLINE v16 v_sub(v16 x, v16 y)
{
	V_QUARTERS x.q[i] = vsubq_f32(x.q[i], y.q[i]);
	return x;
}

INLINE v16 v_mul(v16 x, v16 y)
{
	V_QUARTERS x.q[i] = vmulq_f32(x.q[i], y.q[i]);
	return x;
}

INLINE v16 v_div(v16 x, v16 y)
{
	V_QUARTERS x.q[i] = vdivq_f32(x.q[i], y.q[i]);
	return x;
}

INLINE v16 v_sqrt(v16 x)
{
	V_QUARTERS x.q[i] = vsqrtq_f32(x.q[i]);
	return x;
}

/* not vmaxq: of a NaN it makes a NaN wherever it stands */
INLINE float32x4_t v_max4_(float32x4_t x, float32x4_t y)
{
	return vbslq_f32(vcgtq_f32(x, y), x, y);
}

INLINE v16 v_max(v16 x, v16 y)
{
	V_QUARTERS x.q[i] = v_max4_(x.q[i], y.q[i]);
	return x;
}

INLINE v16 v_fma(v16 x, v16 y, v16 z)
{
	V_QUARTERS z.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
	return z;
}

INLINE float v_sum(v16 x)
{
	float32x4_t s = vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
	float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
	return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}

INLINE float v_maximum(v16 x)
{
	float lanes[4];
	vst1q_f32(lanes, v_max4_(v_max4_(x.q[0], x.q[2]), v_max4_(x.q[1], x.q[3])));
	float a = lanes[0] > lanes[2] ? lanes[0] : lanes[2], b = lanes[1] > lanes[3] ? lanes[1] : lanes[3];
	return a > b ? a : b;
}

INLINE float32x4_t v_exp4_(float32x4_t x)
{
	static const float terms[] = TS_EXPF_TERMS;
	float32x4_t magic = vdupq_n_f32(TS_EXPF_MAGIC);
	float32x4_t t = vfmaq_f32(magic, x, vdupq_n_f32(TS_EXPF_LOG2_E)), n = vsubq_f32(t, magic);
	float32x4_t r = vfmaq_f32(vfmaq_f32(x, n, vdupq_n_f32(-TS_EXPF_LN2_HI)), n, vdupq_n_f32(-TS_EXPF_LN2_LO));
	float32x4_t q = vdupq_n_f32(terms[0]);
	UNROLL
	for (int i = 1; i < 6; i++)
		q = vfmaq_f32(vdupq_n_f32(terms[i]), q, r);
	float32x4_t p = vaddq_f32(vdupq_n_f32(1.0f), vfmaq_f32(r, q, vmulq_f32(r, r)));
	p = vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(t), 23)));
	p = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(TS_EXPF_MAX)), vdupq_n_f32(INFINITY), p);
	p = vbslq_f32(vcltq_f32(x, vdupq_n_f32(TS_EXPF_MIN)), vdupq_n_f32(0.0f), p);
	return vbslq_f32(vceqq_f32(x, x), p, vdupq_n_f32(NAN));
}

INLINE v16 v_exp(v16 x)
{
	V_QUARTERS x.q[i] = v_exp4_(x.q[i]);
	return x;
}

INLINE void v_transpose4_(float *to, size_t ld_to, const float *from, size_t ld)
{
	float32x4_t a = vld1q_f32(from), b = vld1q_f32(from + ld), c = vld1q_f32(from + 2 * ld), d = vld1q_f32(from + 3 * ld);
	float64x2_t ab0 = vreinterpretq_f64_f32(vtrn1q_f32(a, b)), ab1 = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
	float64x2_t cd0 = vreinterpretq_f64_f32(vtrn1q_f32(c, d)), cd1 = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
	vst1q_f32(to, vreinterpretq_f32_f64(vtrn1q_f64(ab0, cd0)));
	vst1q_f32(to + ld_to, vreinterpretq_f32_f64(vtrn1q_f64(ab1, cd1)));
	vst1q_f32(to + 2 * ld_to, vreinterpretq_f32_f64(vtrn2q_f64(ab0, cd0)));
	vst1q_f32(to + 3 * ld_to, vreinterpretq_f32_f64(vtrn2q_f64(ab1, cd1)));
}

INLINE void v_transpose(float *to, size_t ld_to, const float *from, size_t ld_from)
{
	for (size_t i = 0; i < 16; i += 4)
		for (size_t j = 0; j < 16; j += 4)
			v_transpose4_(to + j * ld_to + i, ld_to, from + i * ld_from + j, ld_from);
}

#endif
