/* The door between the backend and its kernels.
 *
 * Each file of this folder is compiled once per instruction set (../CMakeLists.txt) and names its functions with TS_NAME(x);
 * table.c gathers them: `ts_kernels_<isa>`. The kernels compute in `real`: float, or double in the library that the tests
 * of the backward passes use (there TS_F32 means `real` too). Only IEEE operations and explicit fused multiply-adds are used,
 * and every sum has one order, so all compilations of one `real` give the same bits.
 * Shapes and meanings: tensor/backend.h. */
#ifndef TS_TENSOR_CPU_KERNELS_KERNELS_H
#define TS_TENSOR_CPU_KERNELS_KERNELS_H

#include "tensor/backend.h"

#ifdef TS_REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#define TS_PASTE_(a, b) a##_##b
#define TS_PASTE(a, b)  TS_PASTE_(a, b)
#define TS_NAME(name)   TS_PASTE(ts_##name, TS_ISA)

enum {
	TS_HEAD_DIM_MAX = 256,
	TS_LOCAL = 120 << 10, /* reals of scratch per thread: attention's backward pass at TS_HEAD_DIM_MAX needs all of it */
	TS_SHARED_ROWS = 256, /* rows of `width` columns (at most TS_SHARED_WIDTH) in the shared scratch */
	TS_SHARED_WIDTH = 16384,
	TS_SHARED_MIN = 512,
	TS_SMALL_WORK = 1000000, /* multiply-adds: about 8 us with AVX-512, several times what waking a thread costs */
};

/* Panels of 16 output columns, one after the other; what `out` or `in` lack is padded with zeros. Element (o, k) of a panel:
 *   f32, f16   [k][o % 16]
 *   bf16       [k / 2][o % 16][k % 2]: one load holds two k for sixteen columns, each widened by one shift or one mask, and it is what
 *              the dot products of hardware take */
struct ts_weight {
	enum ts_dtype dtype;
	size_t out, in;
	void *data;
};

/* Elements of a panel. */
static inline size_t ts_panel_size(enum ts_dtype type, size_t in)
{
	return 16 * (type == TS_BF16 ? (in + 1) / 2 * 2 : in);
}

struct ts_kernels {
	void (*matmul)(struct ts_backend *, real *y, size_t ldy, const real *x, const struct ts_weight *, size_t first, size_t count,
		       const real *bias, size_t rows);
	void (*matmuls)(struct ts_backend *, const struct ts_product_out *, size_t n, const real *x, size_t rows);
	void (*matmul_dx)(struct ts_backend *, real *dx, const real *dy, size_t ldy, const struct ts_weight *, size_t first, size_t count,
			  size_t rows, bool accumulate);
	void (*embed)(struct ts_backend *, real *y, const int32_t *ids, const struct ts_weight *, size_t rows);
	void (*rmsnorm)(struct ts_backend *, real *y, const real *x, const real *weight, size_t rows, size_t dim, float eps);
	void (*rmsnorm_backward)(struct ts_backend *, real *dx, const real *dy, const real *x, const real *weight, size_t rows, size_t dim,
				 float eps, bool accumulate);
	void (*rope_table)(struct ts_backend *, real *cosines, real *sines, const uint32_t *positions, const real *inv_freq, size_t rows,
			   size_t half, float scale);
	void (*rope)(struct ts_backend *, real *x, const real *cosines, const real *sines, size_t rows, size_t heads, size_t half,
		     bool inverse);
	void (*swiglu)(struct ts_backend *, real *y, const real *gate, const real *up, size_t n);
	void (*swiglu_backward)(struct ts_backend *, real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n);
	void (*add)(struct ts_backend *, real *y, const real *x, size_t n);
	void (*kv_append)(struct ts_backend *, const struct ts_kv_pool *, int layer, const real *k, const real *v,
			  const struct ts_segment *, size_t segments);
	void (*attention)(struct ts_backend *, real *out, real *lse, const real *q, const struct ts_kv_pool *, int layer, size_t heads,
			  size_t window, const struct ts_segment *, size_t segments);
	void (*attention_backward)(struct ts_backend *, real *dq, real *dk, real *dv, const real *dout, const real *out, const real *lse,
				   const real *q, const real *k, const real *v, size_t heads, size_t kv_heads, size_t head_dim,
				   size_t window, const struct ts_segment *, size_t segments);
	void (*lora)(struct ts_backend *, real *y, real *h, const real *x, const real *a, const real *b, size_t rows, size_t in, size_t out,
		     size_t rank, float scale, const struct ts_dropout *);
	void (*lora_backward)(struct ts_backend *, real *da, real *db, real *dx, const real *dy, const real *x, const real *h,
			      const real *a, const real *b, size_t rows, size_t in, size_t out, size_t rank, float scale,
			      const struct ts_dropout *);
	void (*vocab_forward)(struct ts_backend *, real *lse, real *picked, real *mean, const real *hidden, const struct ts_weight *,
			      const int32_t *targets, size_t rows);
	void (*adamw)(struct ts_backend *, real *param, const real *grad, real *m, real *v, size_t n, const struct ts_adamw *);
	double (*sum_squares)(struct ts_backend *, const real *x, size_t n);
	bool (*block_max)(float *maxima, const float *x, size_t n);
	double (*sum_exp)(const float *x, size_t n, float divisor, float largest);
};

/* ts_backend.state */
struct ts_cpu {
	struct ts_backend_ops ops;
	real *shared; /* one region used by all threads of an operation */
	size_t shared_count;
	real *local;       /* [threads][TS_LOCAL] */
	size_t small_work; /* operations of fewer multiply-adds run on one thread */
	/* Class bf16dot has two attentions: a pool of bf16 is laid out and read in pairs, one of f32 is that of class f32. */
	bool dot;
	struct ts_kernels f32_pool, bf16_pool;
};

/* Fill the table with the kernels of one instruction set. */
#ifdef TS_REAL_DOUBLE
void ts_kernels_plain64(struct ts_kernels *);
#else
void ts_kernels_plain(struct ts_kernels *);
void ts_kernels_avx2(struct ts_kernels *);
void ts_kernels_avx512(struct ts_kernels *);
void ts_kernels_neon(struct ts_kernels *);
void ts_kernels_lowered(struct ts_kernels *); /* only in tests: vec.h */
/* Class bf16dot: they fill in what differs from the class f32. */
void ts_kernels_plaindot(struct ts_kernels *);
void ts_kernels_avx512dot(struct ts_kernels *);
#endif

/* What the kernels do of a backend's operations. */
void ts_cpu_use(struct ts_backend_ops *, const struct ts_kernels *);

static inline real *ts_local(const struct ts_backend *b, size_t thread)
{
	return ((const struct ts_cpu *)b->state)->local + thread * TS_LOCAL;
}

#endif
