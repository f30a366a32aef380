/* What the sampler asks of all logits of a row. Plain loops over 16 lanes, which the compiler makes vectors of. In the double library too
 * these work on f32: they have no backward pass. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/scalar_math.h"

enum { LANES = 16 };

static bool block_max(float *maxima, const float *x, size_t n)
{
	int bad[LANES] = {0}, any = 0;
	for (size_t b = 0; b * TS_LOGIT_BLOCK < n; b++) {
		size_t first = b * TS_LOGIT_BLOCK, last = first + TS_LOGIT_BLOCK < n ? first + TS_LOGIT_BLOCK : n, i = first;
		float lanes[LANES], largest = -INFINITY;
		for (int l = 0; l < LANES; l++)
			lanes[l] = -INFINITY;
		for (; i + LANES <= last; i += LANES)
			for (int l = 0; l < LANES; l++) {
				float y = x[i + (size_t)l];
				bad[l] |= y != y;
				lanes[l] = y > lanes[l] ? y : lanes[l];
			}
		for (int l = 0; i < last; i++, l++) {
			bad[l] |= x[i] != x[i];
			lanes[l] = x[i] > lanes[l] ? x[i] : lanes[l];
		}
		for (int l = 0; l < LANES; l++)
			largest = lanes[l] > largest ? lanes[l] : largest;
		maxima[b] = largest;
	}
	for (int l = 0; l < LANES; l++)
		any |= bad[l];
	return !any;
}

/* lanes[l] += ts_exp(d[l]) for d in [-104, 0], without its branches; nothing for less. Step by step over all lanes: so they become vectors. */
static void add_powers(double *restrict lanes, const double *restrict d)
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
	double r[LANES], q[LANES];
	uint64_t power[LANES];
	for (int l = 0; l < LANES; l++) {
		double t = d[l] * TS_LOG2_E + TS_ROUND_MAGIC, n = t - TS_ROUND_MAGIC;
		r[l] = fma(-n, TS_LN2_LO, fma(-n, TS_LN2_HI, d[l]));
		power[l] = (ts_to_bits64(t) + 1023) << 52; /* the low bits of t hold n */
		q[l] = 1.0 / 6227020800.0;
	}
	for (int i = 0; i < 11; i++)
		for (int l = 0; l < LANES; l++)
			q[l] = fma(q[l], r[l], inverse_factorial[i]);
	for (int l = 0; l < LANES; l++) {
		double y = (1.0 + fma(q[l], r[l] * r[l], r[l])) * ts_from_bits64(power[l]);
		lanes[l] += d[l] < TS_LEAST_EXPONENT ? 0.0 : y;
	}
}

static double sum_exp(const float *x, size_t n, float divisor, float largest)
{
	double lanes[LANES] = {0}, d[LANES];
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		for (int l = 0; l < LANES; l++)
			d[l] = (double)(x[i + (size_t)l] / divisor) - (double)largest;
		add_powers(lanes, d);
	}
	for (int l = 0; l < LANES; l++)
		d[l] = i + (size_t)l < n ? (double)(x[i + (size_t)l] / divisor) - (double)largest : -INFINITY;
	add_powers(lanes, d);
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
