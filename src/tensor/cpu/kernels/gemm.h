/* What other kernels use of packed weights, and the parts that table.c gathers. */
#ifndef TS_TENSOR_CPU_KERNELS_GEMM_H
#define TS_TENSOR_CPU_KERNELS_GEMM_H

#include "tensor/cpu/kernels/product.h"

enum {
	TS_TURN_ROWS = 256,
	TS_TURN_COLUMNS = 64,
#ifdef TS_DOT
	TS_TURNED_STEP = 32, /* row_step of turned panels: that of a pair */
#else
	TS_TURNED_STEP = 16,
#endif
};

/* Fills what a product needs to read columns first.. of the weight (a multiple of 16) as its B, from row `k` (even) of W^T on. */
void TS_NAME(use_weight)(struct ts_product *, const struct ts_weight *, size_t first, size_t k);

/* Panels of W as B: to[(j / 16 * TS_TURN_ROWS + n) * 16 + j % 16] = W[first + n][column + j] for n < count <= TS_TURN_ROWS,
 * j < columns <= TS_TURN_COLUMNS; column is a multiple of 32. What lacks to full sixteens is filled with zeros. In class bf16dot halves instead
 * of reals, in pairs of n: [j / 16][n / 2][j % 16][n % 2]. */
void TS_NAME(turn_panels)(real *to, const struct ts_weight *, size_t first, size_t count, size_t column, size_t columns);

void TS_NAME(fill_gemm)(struct ts_kernels *);
void TS_NAME(fill_elementwise)(struct ts_kernels *);
void TS_NAME(fill_norm)(struct ts_kernels *);
void TS_NAME(fill_attention)(struct ts_kernels *);
void TS_NAME(fill_attention_backward)(struct ts_kernels *);
void TS_NAME(fill_lora)(struct ts_kernels *);
void TS_NAME(fill_vocab)(struct ts_kernels *);
void TS_NAME(fill_sample)(struct ts_kernels *);
void TS_NAME(kernels)(struct ts_kernels *);

#endif
