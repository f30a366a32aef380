/* Inputs and backends for the tests of tensor/: numbers from a small generator, so that every backend gets the same ones. */
#ifndef TS_TESTS_TENSOR_FIXTURE_H
#define TS_TESTS_TENSOR_FIXTURE_H

#include "tensor/cpu/kernels/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* uniform in (-1, 1) */
static inline __attribute__((unused)) double next_number(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (double)(int64_t)(*state & ~(uint64_t)0x7ff) * 0x1p-63;
}

static inline __attribute__((unused)) float *numbers(size_t n, uint64_t seed, double scale)
{
	float *p = malloc((n ? n : 1) * sizeof(*p));
	assert_non_null(p);
	uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
	next_number(&state);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)(next_number(&state) * scale);
	return p;
}

static inline __attribute__((unused)) double *widened(const float *x, size_t n)
{
	double *p = malloc((n ? n : 1) * sizeof(*p));
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = x[i];
	return p;
}

/* The numbers rounded to `type`, as a checkpoint would store them; `wide` (may be NULL) gets what was stored. */
static inline __attribute__((unused)) void *stored(const float *x, size_t n, enum ts_dtype type, float *wide)
{
	unsigned char *p = malloc(n * 4 + 1);
	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		uint16_t h = type == TS_BF16 ? ts_f32_to_bf16(x[i]) : ts_f32_to_f16(x[i]);
		if (type == TS_F32)
			memcpy(p + 4 * i, &x[i], 4);
		else
			memcpy(p + 2 * i, &h, 2);
	}
	if (wide)
		ts_widen(wide, p, type, n);
	return p;
}

static inline __attribute__((unused)) struct ts_backend *backend(enum ts_isa isa, int threads)
{
	struct ts_backend *b;
	struct ts_error err = {0};
	if (ts_backend_cpu_new(&b, isa, threads, &err))
		fail_msg("%s", err.message);
	assert_int_equal(0, b->ops->reserve(b, 128, 1280, 64));
	if (threads > 1)
		((struct ts_cpu *)b->state)->small_work = 0; /* spread even the smallest operation */
	return b;
}

static inline __attribute__((unused)) struct ts_weight *weight(struct ts_backend *b, const float *x, enum ts_dtype type, size_t out,
							       size_t in, float *wide)
{
	struct ts_weight *w;
	void *bytes = stored(x, out * in, type, wide);
	assert_int_equal(0, b->ops->weight_new(b, bytes, type, out, in, &w));
	free(bytes);
	return w;
}

static inline __attribute__((unused)) void assert_same_bits(const char *what, const char *where, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&a[i], &b[i], sizeof(a[i])))
			fail_msg("%s on %s: element %zu of %zu: expected %.9g, found %.9g", what, where, i, n, (double)a[i], (double)b[i]);
}

/* |found - expected| <= tolerance * (1 + |expected|) */
static inline __attribute__((unused)) void assert_near(const char *what, const double *expected, const float *found, size_t n,
						       double tolerance)
{
	for (size_t i = 0; i < n; i++)
		if (!(__builtin_fabs(expected[i] - (double)found[i]) <= tolerance * (1 + __builtin_fabs(expected[i]))))
			fail_msg("%s: element %zu of %zu: expected %.9g, found %.9g", what, i, n, expected[i], (double)found[i]);
}

#endif
