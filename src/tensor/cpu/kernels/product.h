/* C[rows, cols] = A[rows, k] B[k, cols], the one matrix product under everything: each element of C is one chain of fused
 * multiply-adds in ascending k, from 0 or from what C holds. Lanes are columns. Serial: callers split C over threads.
 *
 * A's layouts        element (r, i)
 *   A_ROWS           a[r * lda + i]
 *   A_COLUMNS        a[i * lda + r]
 *   A_BLOCKS         made by ts_pack_blocks: no stride that falls on one cache set
 * B: sixteen columns j.. of row i start at b[j / 16 * panel_step + i * row_step], counted in elements. The last sixteen are read whole
 * even when cols is not a multiple of 16, so they must lie inside memory; C is written exactly. */
#ifndef TS_TENSOR_CPU_KERNELS_PRODUCT_H
#define TS_TENSOR_CPU_KERNELS_PRODUCT_H

#include "tensor/cpu/kernels/kernels.h"

enum ts_a_layout { A_ROWS, A_COLUMNS, A_BLOCKS };

struct ts_product {
	real *c;
	size_t ldc;
	const real *a;
	size_t lda; /* A_BLOCKS: the k that the blocks were packed with; `a` then points to the first block and `from` to the first used k */
	size_t from;
	enum ts_a_layout layout;
	const void *b;
	size_t panel_step, row_step;
	enum ts_dtype type; /* of B */
	bool pairs;         /* B is bf16 in pairs of rows (kernels.h): row_step is then that of a pair, and B begins at an even row */
	size_t rows, cols, k;
	const real *bias; /* [cols] added after the chain, or NULL */
	bool accumulate;
};

void TS_NAME(product)(const struct ts_product *);
/* to[rows * k]: rows row[0..rows) (NULL = 0, 1, ...) of x in the order that A_BLOCKS wants.
 * Only blocks begun in [first, last) are written, so that threads can share the work; whole = (0, rows). */
void TS_NAME(pack_blocks)(real *to, const real *x, size_t ldx, const size_t *row, size_t rows, size_t k, size_t first, size_t last);

/* to[i * ld_to + j] = from[j * ld_from + i], j < rows, i < columns; columns of `to` up to a multiple of 16 are filled with zeros. */
void TS_NAME(transpose)(real *to, size_t ld_to, const real *from, size_t ld_from, size_t rows, size_t columns);

#endif
