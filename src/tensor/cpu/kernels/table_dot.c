/* Class bf16dot: the products with frozen weights and attention over pools of bf16 are its own, all else is the f32 class's. */
#include "tensor/cpu/kernels/gemm.h"

void TS_NAME(kernels)(struct ts_kernels *k)
{
	TS_NAME(fill_gemm)(k);
	TS_NAME(fill_vocab)(k);
	TS_NAME(fill_attention)(k);
}
