/* Backward of attention for whole sequences. With P = exp(S - lse), D_i = sum_d dout_id out_id (Dao et al. 2022, section B.4):
 *   dV = P^T dO,  dP = dO V^T,  dS = P (dP - D) scale,  dQ = dS K,  dK = dS^T Q.
 * A task is one KV head of one segment. Key blocks are walked in ascending order (dq continues in memory), inside them the query heads and
 * blocks of 64 queries in ascending order (dk and dv continue in memory). Masked pairs inside a block take part with P = 0. */
#include "tensor/cpu/kernels/attention.h"
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { BLOCK = TS_KV_PAGE, WIDE = BLOCK * TS_HEAD_DIM_MAX };

struct backward {
	const struct ts_backend *b;
	real *dq, *dk, *dv;
	const real *dout, *out, *lse, *q, *k, *v;
	size_t heads, kv_heads, dim, window;
	const struct ts_segment *segments;
	size_t count;
};

/* Scratch of one task. Rows of `keys`, `queries`, `douts` are `padded` long. */
struct blocks {
	size_t padded;
	real *keys, *keys_turned, *values_turned; /* [BLOCK][padded], [dim][BLOCK], [dim][BLOCK] */
	real *queries, *douts;                    /* [BLOCK][padded] */
	real *p, *ds;                             /* [BLOCK queries][BLOCK keys] */
};

static void copy_rows(real *to, size_t ld_to, const real *from, size_t ld_from, size_t rows, size_t columns)
{
	for (size_t r = 0; r < rows; r++) {
		memcpy(to + r * ld_to, from + r * ld_from, columns * sizeof(real));
		for (size_t c = columns; c < ld_to; c++)
			to[r * ld_to + c] = 0;
	}
}

static real dot(const real *x, const real *y, size_t n)
{
	v16 sum = v_zero();
	for (size_t i = 0; i < n; i += 16) {
		size_t left = n - i;
		sum = left >= 16 ? v_fma(v_load(x + i), v_load(y + i), sum) : v_fma(v_load_n(x + i, left), v_load_n(y + i, left), sum);
	}
	return v_sum(sum);
}

/* On entry p holds raw scores and ds holds dP; on return P and dS. */
static void scores_to_gradients(struct blocks *s, size_t i, size_t low, size_t high, real lse, real d, real scale)
{
	real *p = s->p + i * BLOCK, *ds = s->ds + i * BLOCK;
	v16 factor = v_set1(scale), shift = v_set1(lse), delta = v_set1(d);
	for (size_t k = 0; k < BLOCK; k += 16) {
		v16 e = v_exp(v_sub(v_mul(v_load(p + k), factor), shift));
		v_store(p + k, e);
		v_store(ds + k, v_mul(v_mul(e, v_sub(v_load(ds + k), delta)), factor));
	}
	for (size_t k = 0; k < BLOCK; k++)
		if (k < low || k >= high)
			p[k] = ds[k] = 0;
}

/* Queries [first, first + n) of `head` against the key block. */
static void walk_queries(const struct backward *a, struct blocks *s, const struct ts_segment *g, size_t head, size_t block, size_t keys,
			 size_t first, size_t n)
{
	size_t dim = a->dim, wide = a->heads * dim, narrow = a->kv_heads * dim, row = g->row + first,
	       kv_head = head / (a->heads / a->kv_heads);
	size_t query_at = row * wide + head * dim, key_at = (g->row + block * BLOCK) * narrow + kv_head * dim;
	real scale = 1 / r_sqrt((real)dim);
	copy_rows(s->queries, s->padded, a->q + query_at, wide, n, dim);
	copy_rows(s->douts, s->padded, a->dout + query_at, wide, n, dim);
	struct ts_product p = {.c = s->p,
			       .ldc = BLOCK,
			       .a = s->queries,
			       .lda = s->padded,
			       .layout = A_ROWS,
			       .b = s->keys_turned,
			       .panel_step = 16,
			       .row_step = BLOCK,
			       .type = TS_F32,
			       .rows = n,
			       .cols = BLOCK,
			       .k = dim};
	TS_NAME(product)(&p);
	p.c = s->ds;
	p.a = s->douts;
	p.b = s->values_turned;
	TS_NAME(product)(&p);
	for (size_t i = 0; i < n; i++) {
		size_t low = 0, high = 0, at = query_at + i * wide;
		ts_visible(first + i, a->window, block, &low, &high);
		scores_to_gradients(s, i, low, high, a->lse[(row + i) * a->heads + head], dot(a->dout + at, a->out + at, dim), scale);
	}
	p = (struct ts_product){.c = a->dv + key_at,
				.ldc = narrow,
				.a = s->p,
				.lda = BLOCK,
				.layout = A_COLUMNS,
				.b = s->douts,
				.panel_step = 16,
				.row_step = s->padded,
				.type = TS_F32,
				.rows = keys,
				.cols = dim,
				.k = n,
				.accumulate = true};
	TS_NAME(product)(&p);
	p.c = a->dk + key_at;
	p.a = s->ds;
	p.b = s->queries;
	TS_NAME(product)(&p);
	p = (struct ts_product){.c = a->dq + query_at,
				.ldc = wide,
				.a = s->ds,
				.lda = BLOCK,
				.layout = A_ROWS,
				.b = s->keys,
				.panel_step = 16,
				.row_step = s->padded,
				.type = TS_F32,
				.rows = n,
				.cols = dim,
				.k = keys,
				.accumulate = true};
	TS_NAME(product)(&p);
}

static void clear_gradients(const struct backward *a, const struct ts_segment *g, size_t kv_head)
{
	size_t dim = a->dim, group = a->heads / a->kv_heads;
	for (size_t row = g->row; row < g->row + g->rows; row++) {
		memset(a->dq + (row * a->heads + kv_head * group) * dim, 0, group * dim * sizeof(real));
		memset(a->dk + (row * a->kv_heads + kv_head) * dim, 0, dim * sizeof(real));
		memset(a->dv + (row * a->kv_heads + kv_head) * dim, 0, dim * sizeof(real));
	}
}

static void run_task(const struct backward *a, real *scratch, const struct ts_segment *g, size_t kv_head)
{
	size_t dim = a->dim, narrow = a->kv_heads * dim, group = a->heads / a->kv_heads;
	struct blocks s = {.padded = (dim + 15) & ~(size_t)15,
			   .keys = scratch,
			   .keys_turned = scratch + WIDE,
			   .values_turned = scratch + 2 * WIDE,
			   .queries = scratch + 3 * WIDE,
			   .douts = scratch + 4 * WIDE,
			   .p = scratch + 5 * WIDE,
			   .ds = scratch + 5 * WIDE + BLOCK * BLOCK};
	clear_gradients(a, g, kv_head);
	for (size_t block = 0; block * BLOCK < g->rows; block++) {
		size_t start = block * BLOCK, keys = g->rows - start < BLOCK ? g->rows - start : BLOCK,
		       at = (g->row + start) * narrow + kv_head * dim;
		if (keys < BLOCK) { /* lanes without a key must hold something finite */
			memset(s.keys_turned, 0, dim * BLOCK * sizeof(real));
			memset(s.values_turned, 0, dim * BLOCK * sizeof(real));
		}
		copy_rows(s.keys, s.padded, a->k + at, narrow, keys, dim);
		TS_NAME(transpose)(s.keys_turned, BLOCK, a->k + at, narrow, keys, dim);
		TS_NAME(transpose)(s.values_turned, BLOCK, a->v + at, narrow, keys, dim);
		for (size_t head = kv_head * group; head < (kv_head + 1) * group; head++)
			for (size_t first = start; first < g->rows && ts_first_key(first, a->window) < start + BLOCK; first += BLOCK)
				walk_queries(a, &s, g, head, block, keys, first, g->rows - first < BLOCK ? g->rows - first : BLOCK);
	}
}

static void backward_part(const void *argument, size_t thread, size_t threads)
{
	const struct backward *a = argument;
	real *scratch = ts_local(a->b, thread);
	size_t task = 0;
	for (size_t s = 0; s < a->count; s++)
		for (size_t h = 0; h < a->kv_heads; h++)
			if (task++ % threads == thread)
				run_task(a, scratch, &a->segments[s], h);
}

static void attention_backward(struct ts_backend *b, real *dq, real *dk, real *dv, const real *dout, const real *out, const real *lse,
			       const real *q, const real *k, const real *v, size_t heads, size_t kv_heads, size_t head_dim, size_t window,
			       const struct ts_segment *segments, size_t count)
{
	struct backward a = {b, dq, dk, dv, dout, out, lse, q, k, v, heads, kv_heads, head_dim, window, segments, count};
	size_t work = 0;
	for (size_t s = 0; s < count; s++)
		work += segments[s].rows * (segments[s].rows + BLOCK) * heads * head_dim * 5 / 2;
	ts_spread(ts_threads_for(b, work, count * kv_heads), backward_part, &a);
}

void TS_NAME(fill_attention_backward)(struct ts_kernels *k)
{
	k->attention_backward = attention_backward;
}
