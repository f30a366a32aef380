/* Sixteen lanes, the unit of all sums: kernels are written once over `v16` and compiled per instruction set.
 *
 *   v_set1 v_load v_store v_load_n v_store_n (n < 16 lanes, the rest 0) v_load_bf16 v_load_f16
 *   v_load_even v_load_odd: of sixteen pairs of bf16, the first or the second of each
 *   v_add v_sub v_mul v_div v_sqrt v_fma(a, b, c) = a b + c, v_exp
 *   v_max(a, b) = a > b ? a : b, so a NaN in b stays and one in a is skipped: maxima ignore NaN when called v_max(new, so_far),
 *     and the NaN comes back through the sum of exponentials that follows
 *   v_sum, v_maximum: the fixed tree, lane i with i + 8, then 4, 2, 1
 *   v_transpose: to[j][i] = from[i][j], 16 x 16
 *   v_turn_pairs: a 16 x 16 block of pairs of bf16 turned and widened: with x = from[k][o][h], low[o][2 k + h] = x for k < 8, and
 *     high[o][2 (k - 8) + h] = x for the others
 *   V_ROWS, V_PANELS(rows): the largest tile of accumulators, rows x panels of 16 columns, that stays in registers; panels a power of two
 *
 * Class bf16dot only:
 *   v_round(to, x): sixteen numbers rounded to bf16; v_zip(to, even, odd): sixteen pairs of such numbers
 *   v_dot(sum, pair, p): a step of sixteen sums (product_dot.c); v_dot_even: the same, with the second halves of p as 0
 *
 * `lowered` has the tiles of AVX-512 over the operations of AVX2: a machine without AVX-512 tests them so. */
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

#if defined(TS_ISA_avx512) || defined(TS_ISA_avx512dot)
#include "tensor/cpu/kernels/vec_avx512.h"
#elif defined(TS_ISA_avx2) || defined(TS_ISA_lowered)
#include "tensor/cpu/kernels/vec_avx2.h"
#elif defined(TS_ISA_neon)
#include "tensor/cpu/kernels/vec_neon.h"
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

#if defined(TS_ISA_plain) || defined(TS_ISA_plaindot)
INLINE void v_turn_pairs(real *low, real *high, const uint16_t *from)
{
	for (size_t k = 0; k < 32; k++)
		for (size_t o = 0; o < 16; o++)
			(k < 16 ? low : high)[16 * o + k % 16] = (real)ts_bf16_to_f32(from[(k / 2 * 16 + o) * 2 + k % 2]);
}
#else
INLINE void v_turn_pairs(float *low, float *high, const uint16_t *from)
{
	float turned[256]; /* a pair moves as one lane of 32 bits */
	v_transpose(turned, 16, (const float *)(const void *)from, 16);
	for (size_t o = 0; o < 16; o++) {
		const uint16_t *row = (const uint16_t *)(const void *)(turned + 16 * o);
		v_store(low + 16 * o, v_load_bf16(row));
		v_store(high + 16 * o, v_load_bf16(row + 16));
	}
}
#endif

/* Rows are cut into blocks of nearly equal size: 13 rows in two of 7 and 6 beat 12 and 1. */
INLINE size_t block_count(size_t rows)
{
	return (rows + V_ROWS - 1) / V_ROWS;
}

INLINE size_t block_rows(size_t rows, size_t blocks, size_t block)
{
	return rows / blocks + (block < rows % blocks);
}

#ifdef TS_DOT
#include "tensor/cpu/kernels/vec_dot.h"
#endif

#endif
