/* What other kernels use of packed weights, and the parts that table.c gathers. */
#ifndef TS_TENSOR_CPU_KERNELS_GEMM_H
#define TS_TENSOR_CPU_KERNELS_GEMM_H

#include "tensor/cpu/kernels/kernels.h"

enum { TS_TURN_ROWS = 256, TS_TURN_COLUMNS = 64 };

/* Where the panel of output column `first` (a multiple of 16) begins. */
const void *TS_NAME(panel)(const struct ts_weight *, size_t first);

/* to[n * TS_TURN_COLUMNS + j] = W[first + n][column + j] for n < count, j < columns <= TS_TURN_COLUMNS. count is rounded up to sixteens
 * (at most TS_TURN_ROWS), columns too, padded with zeros. */
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
