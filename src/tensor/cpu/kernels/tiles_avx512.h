/* The tiles that fit AVX-512's 32 registers: at most 24 accumulators, four of weights, some of the left side. */
#ifndef TS_TENSOR_CPU_KERNELS_TILES_AVX512_H
#define TS_TENSOR_CPU_KERNELS_TILES_AVX512_H

#define V_ROWS         12
#define V_PANELS(rows) ((rows) <= 2 ? 8 : (rows) <= 6 ? 4 : 2)

#endif
