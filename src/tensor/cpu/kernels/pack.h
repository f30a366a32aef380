/* Rows of a product's left side, put in the order that its tiles read them in. */
#ifndef TS_TENSOR_CPU_KERNELS_PACK_H
#define TS_TENSOR_CPU_KERNELS_PACK_H

#include "tensor/cpu/kernels/vec.h"

/* to[i * rows + r] = from[r][i], i < k, of elements as large as a real (two halves are one). Sixteen columns at a time are turned and stored as
 * whole vectors; what a store writes too much, the next ones write over. Copies by memcpy, since the elements may not be reals. */
INLINE void pack_rows(void *to, const void *const *from, size_t rows, size_t k)
{
	if (rows == 1) {
		memcpy(to, from[0], k * sizeof(real));
		return;
	}
	real block[256] = {0}, turned[256], *out = to;
	const size_t line = 16 * sizeof(real);
	size_t i = 0;
	for (; i + 16 <= k; i += 16) {
		for (size_t r = 0; r < rows; r++)
			memcpy(block + 16 * r, (const real *)from[r] + i, line);
		v_transpose(turned, 16, block, 16);
		for (size_t j = 0; j < 16; j++)
			if ((k - i - j) * rows >= 16)
				memcpy(out + (i + j) * rows, turned + 16 * j, line);
			else
				memcpy(out + (i + j) * rows, turned + 16 * j, rows * sizeof(real));
	}
	for (; i < k; i++)
		for (size_t r = 0; r < rows; r++)
			memcpy(out + i * rows + r, (const real *)from[r] + i, sizeof(real));
}

#endif
