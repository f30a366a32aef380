/* v16 as sixteen numbers in memory: the readable reference, for any CPU; also the double kernels of the tests. See vec.h. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_PLAIN_H
#define TS_TENSOR_CPU_KERNELS_VEC_PLAIN_H

#define V_ROWS         4
#define V_PANELS(rows) ((rows) == 1 ? 2 : 1)

typedef struct {
	real l[16];
} v16;

#define V_LANES for (int i = 0; i < 16; i++)

#ifdef TS_REAL_DOUBLE
#define r_fma  fma
#define r_sqrt sqrt
#define r_exp  ts_exp
#define r_ln   ts_ln
#else
#define r_fma   fmaf
#define r_sqrt  sqrtf
#define r_exp   ts_expf_inline
#define r_ln(x) (float)ts_ln_inline((double)(x))
#endif

INLINE v16 v_set1(real x)
{
	v16 r;
	V_LANES r.l[i] = x;
	return r;
}

INLINE v16 v_load(const real *p)
{
	v16 r;
	memcpy(&r, p, sizeof(r));
	return r;
}

INLINE void v_store(real *p, v16 a)
{
	memcpy(p, &a, sizeof(a));
}

INLINE v16 v_load_n(const real *p, size_t n)
{
	v16 r = v_set1(0);
	memcpy(&r, p, n * sizeof(real));
	return r;
}

INLINE void v_store_n(real *p, v16 a, size_t n)
{
	memcpy(p, &a, n * sizeof(real));
}

INLINE v16 v_load_bf16(const uint16_t *p)
{
	v16 r;
	V_LANES r.l[i] = (real)ts_bf16_to_f32(p[i]);
	return r;
}

INLINE v16 v_load_even(const uint16_t *p)
{
	v16 r;
	V_LANES r.l[i] = (real)ts_bf16_to_f32(p[2 * i]);
	return r;
}

INLINE v16 v_load_odd(const uint16_t *p)
{
	return v_load_even(p + 1);
}

INLINE v16 v_load_f16(const uint16_t *p)
{
	v16 r;
	V_LANES r.l[i] = (real)ts_f16_to_f32(p[i]);
	return r;
}

INLINE v16 v_add(v16 a, v16 b)
{
	V_LANES a.l[i] += b.l[i];
	return a;
}

INLINE v16 v_sub(v16 a, v16 b)
{
	V_LANES a.l[i] -= b.l[i];
	return a;
}

INLINE v16 v_mul(v16 a, v16 b)
{
	V_LANES a.l[i] *= b.l[i];
	return a;
}

INLINE v16 v_div(v16 a, v16 b)
{
	V_LANES a.l[i] /= b.l[i];
	return a;
}

INLINE v16 v_sqrt(v16 a)
{
	V_LANES a.l[i] = r_sqrt(a.l[i]);
	return a;
}

INLINE v16 v_max(v16 a, v16 b)
{
	V_LANES a.l[i] = a.l[i] > b.l[i] ? a.l[i] : b.l[i];
	return a;
}

INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
	V_LANES c.l[i] = r_fma(a.l[i], b.l[i], c.l[i]);
	return c;
}

INLINE v16 v_exp(v16 a)
{
	V_LANES a.l[i] = r_exp(a.l[i]);
	return a;
}

INLINE real v_sum(v16 a)
{
	for (int step = 8; step; step /= 2)
		for (int i = 0; i < step; i++)
			a.l[i] += a.l[i + step];
	return a.l[0];
}

INLINE real v_maximum(v16 a)
{
	for (int step = 8; step; step /= 2)
		for (int i = 0; i < step; i++)
			a.l[i] = a.l[i] > a.l[i + step] ? a.l[i] : a.l[i + step];
	return a.l[0];
}

INLINE void v_transpose(real *to, size_t ld_to, const real *from, size_t ld_from)
{
	for (size_t i = 0; i < 16; i++)
		for (size_t j = 0; j < 16; j++)
			to[j * ld_to + i] = from[i * ld_from + j];
}

#endif
