/* Sixteen lanes, the unit of all sums: kernels are written once over `v16` and compiled per instruction set.
 *
 *   v_set1 v_load v_store v_load_n v_store_n (n < 16 lanes, the rest 0) v_load_bf16 v_load_f16 v_load_as
 *   v_add v_sub v_mul v_div v_sqrt v_fma(a, b, c) = a b + c, v_exp
 *   v_max(a, b) = a > b ? a : b, so a NaN in b stays and one in a is skipped: maxima ignore NaN when called v_max(new, so_far),
 *     and the NaN comes back through the sum of exponentials that follows
 *   v_sum, v_maximum: the fixed tree, lane i with i + 8, then 4, 2, 1
 *   v_transpose: to[j][i] = from[i][j], 16 x 16
 *   V_ROWS, V_PANELS(rows): the largest tile of accumulators, rows x panels of 16 columns, that stays in registers; panels a power of two
 *
 * NEON would be one more vec_*.h; without it other CPUs use the plain one. */
#ifndef TS_TENSOR_CPU_KERNELS_VEC_H
#define TS_TENSOR_CPU_KERNELS_VEC_H

#include "tensor/cpu/kernels/kernels.h"
#include "tensor/math.h"
#include "tensor/scalar_math.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline, unused))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(TS_ISA_avx512)
#include "tensor/cpu/kernels/vec_avx512.h"
#elif defined(TS_ISA_avx2)
#include "tensor/cpu/kernels/vec_avx2.h"
#else
#include "tensor/cpu/kernels/vec_plain.h"
#endif

INLINE v16 v_zero(void)
{
	return v_set1(0);
}

INLINE size_t v_elements_size(enum ts_dtype type)
{
	return type == TS_F32 ? sizeof(real) : sizeof(uint16_t);
}

/* Sixteen elements of `type` (a constant at every use), widened. */
INLINE v16 v_load_as(const void *p, enum ts_dtype type)
{
	return type == TS_F32 ? v_load(p) : type == TS_BF16 ? v_load_bf16(p) : v_load_f16(p);
}

#endif
