/* The bodies of tensor/math.h, inline so that kernels compile them with the fused multiply-add of their instruction set.
 * Only IEEE operations and fma are used, so every compilation gives the same bits. Series are Taylor's, carried until the
 * next term is below half a unit in the last place of double on the reduced range. */
#ifndef TS_TENSOR_SCALAR_MATH_H
#define TS_TENSOR_SCALAR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define TS_LN2_HI      0x1.62e42fefa39efp-1
#define TS_LN2_LO      0x1.abc9e3b39803fp-56
#define TS_LOG2_E      0x1.71547652b82fep+0
#define TS_HALF_PI_HI  0x1.921fb54442d18p+0
#define TS_HALF_PI_MID 0x1.1a62633145c07p-54
#define TS_HALF_PI_LO  (-0x1.f1976b7ed8fbcp-110)
#define TS_TWO_OVER_PI 0x1.45f306dc9c883p-1
#define TS_ROUND_MAGIC 0x1.8p52 /* adding and taking away rounds to the nearest integer, |x| < 2^51 */

static inline double ts_from_bits64(uint64_t bits)
{
	double d;
	memcpy(&d, &bits, sizeof(d));
	return d;
}

static inline uint64_t ts_to_bits64(double d)
{
	uint64_t bits;
	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

/* exp(x + tail), |tail| far below |x|'s last bit's worth of trouble: x = n ln 2 + r, |r| <= ln 2 / 2. */
static inline double ts_exp_with_tail(double x, double tail)
{
	if (!(x <= 709.79))
		return x > 709.79 ? (double)INFINITY : x; /* NaN stays NaN */
	if (x < -745.2)
		return 0.0;
	double n = (x * TS_LOG2_E + TS_ROUND_MAGIC) - TS_ROUND_MAGIC;
	double r = fma(-n, TS_LN2_LO, fma(-n, TS_LN2_HI, x)) + tail;
	static const double inverse_factorial[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
						   1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
						   1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
	double q = inverse_factorial[0];
	for (int i = 1; i < 12; i++)
		q = fma(q, r, inverse_factorial[i]);
	double p = 1.0 + fma(q, r * r, r);
	int64_t k = (int64_t)n, half = k / 2; /* two steps, so that neither factor leaves the normal range */
	return p * ts_from_bits64((uint64_t)(1023 + half) << 52) * ts_from_bits64((uint64_t)(1023 + k - half) << 52);
}

/* log x = hi + lo, about 2^-60 relative, for a finite normal or subnormal x > 0.
 * x = 2^k m, m in [1/sqrt 2, sqrt 2); log m = 2 atanh(s), s = (m - 1)/(m + 1). */
static inline double ts_ln_parts(double x, double *lo)
{
	int64_t k = 0;
	if (x < 0x1p-1022) {
		x *= 0x1p54;
		k = -54;
	}
	uint64_t bits = ts_to_bits64(x);
	uint64_t above = (bits - ts_to_bits64(0x1.6a09e667f3bcdp-1)) >> 52; /* whole octaves above 1/sqrt 2, mod 2^12 */
	int64_t octaves = (int64_t)(above << 52) >> 52;
	k += octaves;
	double m = ts_from_bits64(bits - ((uint64_t)octaves << 52));
	double f = m - 1.0, d = m + 1.0, d_lo = f - (d - 2.0);
	double s = f / d, s_lo = (fma(-s, d, f) - s * d_lo) / d, z = s * s;
	double series = 2.0 / 25.0;
	for (int odd = 23; odd >= 3; odd -= 2)
		series = fma(series, z, 2.0 / odd);
	double tail = fma(2.0, s_lo, s * z * series);
	double scale_hi = (double)k * TS_LN2_HI, scale_lo = fma((double)k, TS_LN2_HI, -scale_hi) + (double)k * TS_LN2_LO;
	double hi = scale_hi + 2.0 * s; /* |scale_hi| > |2 s| or k = 0 */
	double rest = (scale_hi - hi) + 2.0 * s;
	if (k == 0)
		rest = 0.0;
	tail += scale_lo + rest;
	double sum = hi + tail;
	*lo = (hi - sum) + tail;
	return sum;
}

static inline double ts_ln_inline(double x)
{
	if (!(x > 0.0 && x < (double)INFINITY))
		return x == 0.0 ? -(double)INFINITY : x > 0.0 ? x : (double)NAN;
	double lo, hi = ts_ln_parts(x, &lo);
	return hi + lo;
}

/* x = n pi/2 + r, |r| <= pi/4, in parts: the first product and difference are exact for |n| < 2^30. */
static inline void ts_sincos_inline(double x, double *sine, double *cosine)
{
	double n = (x * TS_TWO_OVER_PI + TS_ROUND_MAGIC) - TS_ROUND_MAGIC;
	double r = fma(-n, TS_HALF_PI_LO, fma(-n, TS_HALF_PI_MID, fma(-n, TS_HALF_PI_HI, x)));
	double z = r * r;
	double s = -1.0 / 121645100408832000.0, c = -1.0 / 6402373705728000.0;
	static const double sine_terms[] = {1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800.0,
					    1.0 / 362880.0,          -1.0 / 5040.0,          1.0 / 120.0,        -1.0 / 6.0};
	static const double cosine_terms[] = {1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0,
					      1.0 / 40320.0,          -1.0 / 720.0,         1.0 / 24.0,        -0.5};
	for (int i = 0; i < 8; i++) {
		s = fma(s, z, sine_terms[i]);
		c = fma(c, z, cosine_terms[i]);
	}
	s = fma(s * z, r, r);
	c = fma(c, z, 1.0);
	int64_t quadrant = (int64_t)n & 3;
	double swapped = quadrant & 1 ? c : s;
	*cosine = quadrant & 1 ? s : c;
	*sine = quadrant & 2 ? -swapped : swapped;
	if ((quadrant + 1) & 2)
		*cosine = -*cosine;
}

/* The f32 exponential: the steps that the vector kernels repeat lane by lane. |r| <= ln 2 / 2, Taylor to r^7; the power of two is
 * added to the exponent bits, which cannot leave the normal range between the two limits. */
#define TS_EXPF_MAX    0x1.62e42ep+6f    /* the largest x with a finite result */
#define TS_EXPF_MIN    (-0x1.5d589ep+6f) /* the smallest x with a normal result */
#define TS_EXPF_MAGIC  0x1.8p23f
#define TS_EXPF_LOG2_E 0x1.715476p+0f
#define TS_EXPF_LN2_HI 0x1.62e430p-1f
#define TS_EXPF_LN2_LO (-0x1.05c610p-29f)
#define TS_EXPF_TERMS  {1.0f / 5040.0f, 1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f}

static inline float ts_expf_inline(float x)
{
	static const float terms[] = TS_EXPF_TERMS;
	if (!(x <= TS_EXPF_MAX))
		return x > TS_EXPF_MAX ? INFINITY : NAN;
	if (x < TS_EXPF_MIN)
		return 0.0f;
	float t = fmaf(x, TS_EXPF_LOG2_E, TS_EXPF_MAGIC), n = t - TS_EXPF_MAGIC;
	float r = fmaf(n, -TS_EXPF_LN2_LO, fmaf(n, -TS_EXPF_LN2_HI, x));
	float q = terms[0];
	for (int i = 1; i < 6; i++)
		q = fmaf(q, r, terms[i]);
	float p = 1.0f + fmaf(q, r * r, r);
	uint32_t p_bits, t_bits;
	memcpy(&p_bits, &p, sizeof(p_bits));
	memcpy(&t_bits, &t, sizeof(t_bits));
	p_bits += t_bits << 23; /* the low bits of t hold n in two's complement */
	memcpy(&p, &p_bits, sizeof(p));
	return p;
}

#endif
