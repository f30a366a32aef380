/* Class bf16dot: the products with frozen weights are its own, all else is the f32 class's. */
#include "tensor/cpu/kernels/gemm.h"

void TS_NAME(kernels)(struct ts_kernels *k)
{
	TS_NAME(fill_gemm)(k);
	TS_NAME(fill_vocab)(k);
}
