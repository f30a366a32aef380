/* What the sampler asks of all logits of a row. Plain loops over 16 lanes, which the compiler makes vectors of. In the double library too
 * these work on f32: they have no backward pass. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/scalar_math.h"

enum { LANES = 16 };

static bool block_max(float *maxima, const float *x, size_t n, float divisor)
{
	int bad[LANES] = {0}, any = 0;
	for (size_t b = 0; b * TS_LOGIT_BLOCK < n; b++) {
		size_t first = b * TS_LOGIT_BLOCK, last = first + TS_LOGIT_BLOCK < n ? first + TS_LOGIT_BLOCK : n, i = first;
		float lanes[LANES], largest = -INFINITY;
		for (int l = 0; l < LANES; l++)
			lanes[l] = -INFINITY;
		for (; i + LANES <= last; i += LANES)
			for (int l = 0; l < LANES; l++) {
				float y = x[i + (size_t)l] / divisor;
				bad[l] |= y != y;
				lanes[l] = y > lanes[l] ? y : lanes[l];
			}
		for (int l = 0; i < last; i++, l++) {
			float y = x[i] / divisor;
			bad[l] |= y != y;
			lanes[l] = y > lanes[l] ? y : lanes[l];
		}
		for (int l = 0; l < LANES; l++)
			largest = lanes[l] > largest ? lanes[l] : largest;
		maxima[b] = largest;
	}
	for (int l = 0; l < LANES; l++)
		any |= bad[l];
	return !any;
}

/* ts_exp(d) for d in [-104, 0], without its branches; 0 below. */
static inline double power(double d)
{
	static const double inverse_factorial[] = {1.0 / 479001600.0,
						   1.0 / 39916800.0,
						   1.0 / 3628800.0,
						   1.0 / 362880.0,
						   1.0 / 40320.0,
						   1.0 / 5040.0,
						   1.0 / 720.0,
						   1.0 / 120.0,
						   1.0 / 24.0,
						   1.0 / 6.0,
						   0.5};
	double t = d * TS_LOG2_E + TS_ROUND_MAGIC, n = t - TS_ROUND_MAGIC;
	double r = fma(-n, TS_LN2_LO, fma(-n, TS_LN2_HI, d));
	double q = 1.0 / 6227020800.0;
	for (int i = 0; i < 11; i++)
		q = fma(q, r, inverse_factorial[i]);
	double p = 1.0 + fma(q, r * r, r);
	double y = p * ts_from_bits64((ts_to_bits64(t) + 1023) << 52); /* the low bits of t hold n */
	return d < TS_LEAST_EXPONENT ? 0.0 : y;
}

static double sum_exp(const float *x, size_t n, float divisor, float largest)
{
	double lanes[LANES] = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lanes[l] += power((double)(x[i + (size_t)l] / divisor) - (double)largest);
	for (int l = 0; i < n; i++, l++)
		lanes[l] += power((double)(x[i] / divisor) - (double)largest);
	for (int half = LANES / 2; half; half /= 2)
		for (int l = 0; l < half; l++)
			lanes[l] += lanes[l + half];
	return lanes[0];
}

void TS_NAME(fill_sample)(struct ts_kernels *k)
{
	k->block_max = block_max;
	k->sum_exp = sum_exp;
}
