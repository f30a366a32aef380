/* The operations once more, written as their formulas, in double and without any thought of speed: the independent source that the
 * kernels are compared with, and what finite differences are taken of. */
#ifndef TS_TESTS_TENSOR_NAIVE_H
#define TS_TESTS_TENSOR_NAIVE_H

#include "core/philox.h"
#include "tensor/backend.h"

#include <math.h>
#include <stdlib.h>

static inline __attribute__((unused)) void naive_matmul(double *y, const double *x, const double *w, const double *bias, size_t rows,
							size_t out, size_t in)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t o = 0; o < out; o++) {
			double s = 0;
			for (size_t k = 0; k < in; k++)
				s += x[r * in + k] * w[o * in + k];
			y[r * out + o] = s + (bias ? bias[o] : 0);
		}
}

static inline __attribute__((unused)) void naive_rmsnorm(double *y, const double *x, const double *weight, size_t rows, size_t dim,
							 double eps)
{
	for (size_t r = 0; r < rows; r++) {
		double s = 0;
		for (size_t i = 0; i < dim; i++)
			s += x[r * dim + i] * x[r * dim + i];
		for (size_t i = 0; i < dim; i++)
			y[r * dim + i] = x[r * dim + i] / sqrt(s / (double)dim + eps) * weight[i];
	}
}

static inline __attribute__((unused)) void naive_rope(double *x, const double *cosines, const double *sines, size_t rows, size_t heads,
						      size_t half)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t h = 0; h < heads; h++)
			for (size_t i = 0; i < half; i++) {
				double *a = x + (r * heads + h) * 2 * half + i, *b = a + half, c = cosines[r * half + i],
				       s = sines[r * half + i];
				double turned = *a * c - *b * s;
				*b = *b * c + *a * s;
				*a = turned;
			}
}

static inline __attribute__((unused)) void naive_swiglu(double *y, const double *gate, const double *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
}

/* One sequence from position 0. */
static inline __attribute__((unused)) void naive_attention(double *out, double *lse, const double *q, const double *k, const double *v,
							   size_t rows, size_t heads, size_t kv_heads, size_t dim, size_t window)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t h = 0; h < heads; h++) {
			size_t kv = h / (heads / kv_heads), first = window && r + 1 > window ? r + 1 - window : 0;
			double total = 0, *o = out + (r * heads + h) * dim;
			for (size_t d = 0; d < dim; d++)
				o[d] = 0;
			for (size_t j = first; j <= r; j++) {
				double s = 0;
				for (size_t d = 0; d < dim; d++)
					s += q[(r * heads + h) * dim + d] * k[(j * kv_heads + kv) * dim + d];
				double p = exp(s / sqrt((double)dim)); /* the tests' scores are small: no maximum needed */
				total += p;
				for (size_t d = 0; d < dim; d++)
					o[d] += p * v[(j * kv_heads + kv) * dim + d];
			}
			for (size_t d = 0; d < dim; d++)
				o[d] /= total;
			if (lse)
				lse[r * heads + h] = log(total);
		}
}

/* docs/contracts.md section 2, word for word */
static inline __attribute__((unused)) double naive_keep(const struct ts_dropout *d, size_t row, size_t feature)
{
	if (!d || d->p <= 0)
		return 1;
	uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)}, words[4];
	uint32_t counter[4] = {d->position[row], (uint32_t)(feature / 4), d->row_in_batch[row],
			       (d->step << 12) | (d->layer << 3) | d->target};
	ts_philox4x32(key, counter, words);
	return (double)words[feature % 4] / 4294967296.0 >= (double)d->p ? 1 / (1 - (double)d->p) : 0;
}

/* y += scale B A drop(x) */
static inline __attribute__((unused)) void naive_lora(double *y, const double *x, const double *a, const double *b, size_t rows, size_t in,
						      size_t out, size_t rank, double scale, const struct ts_dropout *drop)
{
	double *h = calloc(rank, sizeof(*h));
	for (size_t r = 0; r < rows; r++) {
		for (size_t j = 0; j < rank; j++) {
			h[j] = 0;
			for (size_t i = 0; i < in; i++)
				h[j] += a[j * in + i] * x[r * in + i] * naive_keep(drop, r, i);
		}
		for (size_t o = 0; o < out; o++)
			for (size_t j = 0; j < rank; j++)
				y[r * out + o] += scale * b[o * rank + j] * h[j];
	}
	free(h);
}

static inline __attribute__((unused)) void naive_vocab(double *lse, double *picked, double *mean, const double *hidden, const double *w,
						       const int32_t *targets, size_t rows, size_t out, size_t in)
{
	for (size_t r = 0; r < rows; r++) {
		double total = 0;
		picked[r] = 0;
		for (size_t i = 0; mean && i < in; i++)
			mean[r * in + i] = 0;
		for (size_t o = 0; o < out; o++) {
			double s = 0;
			for (size_t i = 0; i < in; i++)
				s += hidden[r * in + i] * w[o * in + i];
			total += exp(s);
			for (size_t i = 0; mean && i < in; i++)
				mean[r * in + i] += exp(s) * w[o * in + i];
			if (targets[r] == (int32_t)o)
				picked[r] = s;
		}
		for (size_t i = 0; mean && i < in; i++)
			mean[r * in + i] /= total;
		lse[r] = log(total);
	}
}

#endif
