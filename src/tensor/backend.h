/* The backend: where tensors live and what is computed on them. The model calls only these operations, so
 * another device is another folder beside tensor/cpu.
 *
 * Rules
 * - All arrays are row-major f32 unless said otherwise, in the backend's memory (ts_backend.alloc); a row stride
 *   is the number of columns. `rows` counts tokens. Weights are frozen, packed matrices [out, in], y = x W^T.
 * - Numerics class f32 (docs/contracts.md section 1): every result is the same bits on every CPU and instruction
 *   set, for any number of rows or threads:
 *     * a matrix product's element is ONE chain of fused multiply-adds in ascending k, starting from 0 (or, where
 *       the comment says "accumulates", from the value in memory);
 *     * other sums use 16 virtual lanes (lane = index mod 16, tail padded with zeros), combined
 *       lane i += lane i+8, then i+4, i+2, i+1; the same tree for maxima;
 *     * exp, log, sin, cos are ours (tensor/math.h).
 *   Threads split outputs, never a sum.
 * - A row's result depends on that row alone (attention: on its own sequence alone).
 * - Operations do not allocate and cannot fail; sizes were checked when the model was opened. Scratch memory
 *   belongs to the backend and is sized by ts_backend_reserve.
 * - One backend is used from one thread; it spreads work over its own threads.
 */
#ifndef TS_TENSOR_BACKEND_H
#define TS_TENSOR_BACKEND_H

#include "core/status.h"
#include "tensor/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TS_KV_PAGE = 64 };          /* positions in a page of the KV cache, and keys in one block of attention */
enum { TS_LOGIT_BLOCK = 64 };      /* logits with one maximum in block_max */
#define TS_LEAST_EXPONENT (-104.0) /* exp of less is below the smallest f32: it counts nothing in sum_exp */
enum { TS_PANEL = 16 };            /* output columns in a panel of a packed weight; vocabulary chunks are multiples of it */

struct ts_weight; /* a packed matrix [out, in] in its stored dtype (f32, bf16 or f16) */

/* One run of new tokens of one sequence inside a batch: rows [row, row + rows) are its positions
 * [position, position + rows). `pages[b]` is the page that holds positions 64 b .. 64 b + 63. */
struct ts_segment {
	size_t row, rows;
	size_t position;
	const int32_t *pages;
};

enum { TS_PRODUCTS = 3 }; /* most at once: query, key, value */
/* One of several products with the same left side. */
struct ts_product_out {
	float *y;
	const struct ts_weight *weight;
	const float *bias; /* NULL = none */
};

/* A pool of KV pages for all layers. Layout of a page of one layer: K as [kv_head][head_dim][64] (a score's lanes
 * are keys), V as [kv_head][64][head_dim]; of bf16 in class bf16dot in pairs, [kv_head][head_dim/2][64][2] and
 * [kv_head][64/2][head_dim][2]. What no query sees may hold anything. */
struct ts_kv_pool {
	int layers, kv_heads, head_dim;
	size_t pages;
	enum ts_dtype dtype; /* f32 or bf16 */
	void **k, **v;       /* [layers], each pages * kv_heads * head_dim * 64 elements */
};

/* LoRA dropout of one call (docs/contracts.md section 2): the input feature f of a row is kept when its uniform is >= p,
 * and scaled by 1/(1-p). Word f%4 of Philox4x32-10 with
 *   key = {seed low, seed high}, counter = {position, f/4, row in batch, (step << 12) | (layer << 3) | target}. */
struct ts_dropout {
	float p; /* 0 = none; the other fields are then unused */
	uint64_t seed;
	uint32_t step, layer, target;
	const uint32_t *row_in_batch; /* [rows] host memory: index of the sequence in the optimiser step's batch */
	const uint32_t *position;     /* [rows] host memory */
};

struct ts_adamw {
	float lr, eps, weight_decay;
	double beta1, beta2;            /* 1 - beta is taken in double: in float, 1 - 0.999f is 0.001 wrong by 1.3e-5 of itself */
	float correction1, correction2; /* 1 - beta^t, computed by the caller in double */
	float grad_scale;               /* multiplies every gradient first (clipping) */
};

struct ts_backend_ops;

struct ts_backend {
	const struct ts_backend_ops *ops;
	char name[32]; /* "cpu/avx2" */
	int threads;
	void *state;
};

struct ts_backend_ops {
	/* --- memory --- */
	float *(*alloc)(struct ts_backend *, size_t count); /* zeroed, 64-byte aligned; NULL when out of memory */
	void (*free)(struct ts_backend *, void *);
	/* Scratch for calls with at most `rows` rows, `width` columns in any product or vocabulary, `rank` LoRA rank. May grow only. */
	int (*reserve)(struct ts_backend *, size_t rows, size_t width, size_t rank);
	/* By how many bytes such a call would make the scratch grow. */
	size_t (*reserve_bytes)(const struct ts_backend *, size_t rows, size_t width, size_t rank);
	/* work(user, i, thread) for i in [0, n), in any order, on the backend's threads (thread < threads): for what the host does with rows. */
	void (*each)(struct ts_backend *, size_t n, void (*work)(void *user, size_t i, size_t thread), void *user);

	/* --- frozen weights --- */
	/* Pack `src` [out, in] of `dtype` (as stored in a checkpoint, unaligned little-endian). Refuses NaN and Inf with TS_ENUMERIC. */
	int (*weight_new)(struct ts_backend *, const void *src, enum ts_dtype dtype, size_t out, size_t in, struct ts_weight **result);
	void (*weight_free)(struct ts_backend *, struct ts_weight *);
	size_t (*weight_bytes)(const struct ts_weight *);
	size_t (*weight_size)(enum ts_dtype dtype, size_t out, size_t in); /* of one that is not there yet */

	/* y[rows, ldy] columns [0, count) = x[rows, in] W[first .. first+count)^T (+ bias[count] added last, may be NULL).
	 * first is a multiple of 16. */
	void (*matmul)(struct ts_backend *, float *y, size_t ldy, const float *x, const struct ts_weight *, size_t first, size_t count,
		       const float *bias, size_t rows);
	/* Several whole products of one x: out[i].y[rows, out of the weight] each, with the bits of single ones. x is packed once. */
	void (*matmuls)(struct ts_backend *, const struct ts_product_out *out, size_t n, const float *x, size_t rows);
	/* Backward to the input: dx[rows, in] = (or +=, accumulating the chain in ascending output order)
	 * dy[rows, ldy] columns [0, count) times W[first .. first+count). */
	void (*matmul_dx)(struct ts_backend *, float *dx, const float *dy, size_t ldy, const struct ts_weight *, size_t first, size_t count,
			  size_t rows, bool accumulate);
	/* y[rows, in] = W[ids[row]]. */
	void (*embed)(struct ts_backend *, float *y, const int32_t *ids, const struct ts_weight *, size_t rows);

	/* --- norms, positions, activations --- */
	/* y = x / sqrt(mean(x^2) + eps) * weight, per row of `dim`. y may be x. */
	void (*rmsnorm)(struct ts_backend *, float *y, const float *x, const float *weight, size_t rows, size_t dim, float eps);
	/* dx (+)= gradient for the input of rmsnorm. With r = 1/sqrt(mean(x^2)+eps), g = dy*weight:
	 * dx = r g - x r^3 sum(g x)/dim. dx may be dy when not accumulating. */
	void (*rmsnorm_backward)(struct ts_backend *, float *dx, const float *dy, const float *x, const float *weight, size_t rows,
				 size_t dim, float eps, bool accumulate);
	/* cosines[rows, half], sines[rows, half] of f32(position) * inv_freq[half] (the product rounded to f32), times `scale`. */
	void (*rope_table)(struct ts_backend *, float *cosines, float *sines, const uint32_t *positions, const float *inv_freq, size_t rows,
			   size_t half, float scale);
	/* Rotate halves in place, x[rows, heads, 2*half]: a' = a cos - b sin, b' = b cos + a sin, where (a, b) = (x[i], x[i+half]).
	 * inverse = the backward pass (rotation by minus the angle). */
	void (*rope)(struct ts_backend *, float *x, const float *cosines, const float *sines, size_t rows, size_t heads, size_t half,
		     bool inverse);
	/* y = silu(gate) * up, silu(z) = z / (1 + exp(-z)). n elements. */
	void (*swiglu)(struct ts_backend *, float *y, const float *gate, const float *up, size_t n);
	/* dgate, dup from dy; dgate may be gate, and dup may be up or dy. */
	void (*swiglu_backward)(struct ts_backend *, float *dgate, float *dup, const float *dy, const float *gate, const float *up,
				size_t n);
	/* y += x. */
	void (*add)(struct ts_backend *, float *y, const float *x, size_t n);

	/* --- attention --- */
	int (*kv_new)(struct ts_backend *, struct ts_kv_pool *, int layers, int kv_heads, int head_dim, size_t pages, enum ts_dtype);
	void (*kv_free)(struct ts_backend *, struct ts_kv_pool *);
	/* Page `to` gets the keys and values of page `from`, in every layer. */
	void (*kv_copy)(struct ts_backend *, const struct ts_kv_pool *, int32_t to, int32_t from);
	/* Write k, v [rows, kv_heads * head_dim] of the segments into their pages of `layer`. */
	void (*kv_append)(struct ts_backend *, const struct ts_kv_pool *, int layer, const float *k, const float *v,
			  const struct ts_segment *, size_t segments);
	/* out[rows, heads * head_dim] = softmax(q k / sqrt(head_dim)) v over the positions <= the row's own (and > own - window when
	 * window > 0), K and V read from the pool. Keys in blocks of 64 at absolute positions, ascending, running softmax.
	 * Query head h uses kv head h / (heads / kv_heads). lse[rows, heads] (may be NULL) = log of the sum of exp of scaled scores. */
	void (*attention)(struct ts_backend *, float *out, float *lse, const float *q, const struct ts_kv_pool *, int layer, size_t heads,
			  size_t window, const struct ts_segment *, size_t segments);
	/* Backward for segments that begin at position 0 and whose k, v [rows, kv_heads*head_dim] are given as they were appended
	 * (f32 pool). dq, dk, dv are overwritten. Probabilities are recomputed from lse. dk and dv are chains over (query head, query)
	 * ascending, dq over keys ascending. */
	void (*attention_backward)(struct ts_backend *, float *dq, float *dk, float *dv, const float *dout, const float *out,
				   const float *lse, const float *q, const float *k, const float *v, size_t heads, size_t kv_heads,
				   size_t head_dim, size_t window, const struct ts_segment *, size_t segments);

	/* --- LoRA: y += scale * B (A drop(x)); A [rank, in], B [out, rank], both plain row-major f32 --- */
	/* h[rows, rank] = A drop(x) is kept for the backward pass; drop may be NULL. */
	void (*lora)(struct ts_backend *, float *y, float *h, const float *x, const float *a, const float *b, size_t rows, size_t in,
		     size_t out, size_t rank, float scale, const struct ts_dropout *);
	/* dB[out, rank] += (scale dy)^T h; dh = (scale dy) B; dA[rank, in] += dh^T drop(x); dx[rows, in] += drop'(dh A) (dx may be NULL).
	 * Gradient chains continue from memory in ascending row order, so splitting a batch by rows changes no bit. */
	void (*lora_backward)(struct ts_backend *, float *da, float *db, float *dx, const float *dy, const float *x, const float *h,
			      const float *a, const float *b, size_t rows, size_t in, size_t out, size_t rank, float scale,
			      const struct ts_dropout *);

	/* --- vocabulary losses: logits = hidden W^T are made in chunks of the vocabulary and never stored whole --- */
	/* lse[rows] = log sum exp(logits), picked[rows] = logits[target]; targets in [0, out) or -1 (picked = 0).
	 * mean[rows, in] (may be NULL) = softmax(logits) W, the mean of the vocabulary's rows: d lse / d hidden. So the gradient of
	 * -log p(target) is mean - W[target]. In chunks of 256 rows of W, ascending, rescaled where the running maximum grows. */
	void (*vocab_forward)(struct ts_backend *, float *lse, float *picked, float *mean, const float *hidden, const struct ts_weight *,
			      const int32_t *targets, size_t rows);

	/* --- sampling: of the logits of one row. May be called from within `each`. --- */
	/* maxima[ceil(n / TS_LOGIT_BLOCK)] of x; false when one of x is NaN. */
	bool (*block_max)(float *maxima, const float *x, size_t n);
	/* The sum of exp(x / divisor - largest), in double and by the 16 lanes; none is above `largest`, a finite number. */
	double (*sum_exp)(const float *x, size_t n, float divisor, float largest);

	/* --- optimiser --- */
	/* Decoupled weight decay Adam (Loshchilov and Hutter 2019), PyTorch's order of operations:
	 * p *= 1 - lr*wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps). */
	void (*adamw)(struct ts_backend *, float *param, const float *grad, float *m, float *v, size_t n, const struct ts_adamw *);
	/* Sum of squares in double: 16 lanes of the index, combined by the tree. */
	double (*sum_squares)(struct ts_backend *, const float *x, size_t n);
};

#define TS_ISA_NAMES "plain, avx2, avx512 or neon"

enum ts_isa { TS_ISA_AUTO, TS_ISA_PLAIN, TS_ISA_AVX2, TS_ISA_AVX512, TS_ISA_NEON };

/* The CPU backend. threads 0 = all; isa AUTO = the best this machine has. TS_EUNSUPPORTED (with a plain message) for an instruction
 * set that the machine lacks. All instruction sets give the same bits; plain is the readable reference. */
int ts_backend_cpu_new(struct ts_backend **, enum ts_isa isa, int threads, struct ts_error *err);
void ts_backend_free(struct ts_backend *);
/* Class bf16dot from now on (docs/contracts.md section 1): products with frozen weights round their left side to bf16 and use the CPU's dot
 * products. Before any weight is packed; then weights must be bf16 (weight_new: TS_EUNSUPPORTED). On `plain` a model of the instruction
 * computes, very slowly; TS_EUNSUPPORTED on a machine or an instruction set without AVX-512-BF16. */
int ts_backend_use_bf16dot(struct ts_backend *, struct ts_error *err);
/* The class by its name: "f32" (or NULL) or "bf16dot". */
int ts_backend_use_numerics(struct ts_backend *, const char *name, struct ts_error *err);
/* "plain", "avx2", ...; TS_ENOTFOUND for another word. */
int ts_isa_parse(const char *word, enum ts_isa *);
const char *ts_isa_name(enum ts_isa);
/* Whether this machine can run it. */
bool ts_isa_available(enum ts_isa);

#endif
