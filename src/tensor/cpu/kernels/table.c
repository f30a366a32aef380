#include "tensor/cpu/kernels/gemm.h"

void TS_NAME(kernels)(struct ts_kernels *k)
{
	TS_NAME(fill_gemm)(k);
	TS_NAME(fill_elementwise)(k);
	TS_NAME(fill_norm)(k);
	TS_NAME(fill_attention)(k);
	TS_NAME(fill_attention_backward)(k);
	TS_NAME(fill_lora)(k);
	TS_NAME(fill_vocab)(k);
	TS_NAME(fill_sample)(k);
}
