/* How an operation is spread: one thread below a threshold of work, where waking another costs more than it saves. */
#ifndef TS_TENSOR_CPU_KERNELS_THREADS_H
#define TS_TENSOR_CPU_KERNELS_THREADS_H

#include "tensor/cpu/kernels/kernels.h"

/* Threads worth using for `work` multiply-adds in `parts` separable parts. */
static inline size_t ts_threads_for(const struct ts_backend *b, size_t work, size_t parts)
{
	size_t n = work < ((const struct ts_cpu *)b->state)->small_work ? 1 : (size_t)b->threads;
	return n < parts ? n : parts ? parts : 1;
}

/* Part `i` of `n` of [0, total), cut at multiples of `unit`. */
static inline void ts_share(size_t total, size_t unit, size_t i, size_t n, size_t *first, size_t *last)
{
	size_t units = (total + unit - 1) / unit;
	*first = units * i / n * unit;
	*last = units * (i + 1) / n * unit;
	if (*last > total)
		*last = total;
	if (*first > total)
		*first = total;
}

/* Calls body(argument, thread, threads) on each of `threads` threads. */
static inline void ts_spread(size_t threads, void (*body)(const void *, size_t, size_t), const void *argument)
{
	if (threads <= 1) {
		body(argument, 0, 1);
		return;
	}
#pragma omp parallel for num_threads((int)threads) schedule(static, 1)
	for (size_t i = 0; i < threads; i++)
		body(argument, i, threads);
}

#endif
