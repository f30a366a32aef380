/* Backward of attention for whole sequences. With P = exp(S - lse), D_i = sum_d dout_id out_id (Dao et al. 2022, section B.4):
 *   dV = P^T dO,  dP = dO V^T,  dS = P (dP - D) scale,  dQ = dS K,  dK = dS^T Q.
 * A task is one KV head of one segment. Key blocks are walked in ascending order, a few at once, so that queries are fetched less often (dq
 * continues in memory); inside them the query heads and blocks of 64 queries in ascending order (dk and dv continue in scratch). Masked pairs
 * inside a block take part with P = 0. */
#include "tensor/cpu/kernels/attention.h"
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { BLOCK = TS_KV_PAGE, BLOCKS_MOST = 2 };

struct backward {
	const struct ts_backend *b;
	real *dq, *dk, *dv;
	const real *dout, *out, *lse, *q, *k, *v;
	size_t heads, kv_heads, dim, window;
	const struct ts_segment *segments;
	size_t count;
};

/* Of one block of keys; rows are `padded` long. */
struct keys {
	size_t start, n;                               /* positions */
	real *rows, *turned, *values_turned, *dk, *dv; /* [BLOCK][padded], [dim][BLOCK], [dim][BLOCK], [BLOCK][padded], [BLOCK][padded] */
};

/* Scratch of one task. */
struct blocks {
	size_t padded, count;
	struct keys keys[BLOCKS_MOST];
	real *queries, *douts; /* [BLOCK][padded] */
	real *p, *ds;          /* [BLOCK queries][BLOCK keys] */
	real d[BLOCK];
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

/* P and dS of queries [first, first + n) against one block of keys. */
static void probabilities(const struct backward *a, struct blocks *s, const struct keys *k, const struct ts_segment *g, size_t head,
			  size_t first, size_t n)
{
	real scale = 1 / r_sqrt((real)a->dim);
	struct ts_product p = {.c = s->p,
			       .ldc = BLOCK,
			       .a = s->queries,
			       .lda = s->padded,
			       .layout = A_ROWS,
			       .b = k->turned,
			       .panel_step = 16,
			       .row_step = BLOCK,
			       .type = TS_F32,
			       .rows = n,
			       .cols = BLOCK,
			       .k = a->dim};
	TS_NAME(product)(&p);
	p.c = s->ds;
	p.a = s->douts;
	p.b = k->values_turned;
	TS_NAME(product)(&p);
	for (size_t i = 0; i < n; i++) {
		size_t low = 0, high = 0;
		ts_visible(first + i, a->window, k->start / BLOCK, &low, &high);
		scores_to_gradients(s, i, low, high, a->lse[(g->row + first + i) * a->heads + head], s->d[i], scale);
	}
}

/* What these pairs add to dv, dk, dq. */
/* NOLINTNEXTLINE(readability-non-const-parameter): dq is written through the product */
static void add_gradients(const struct backward *a, const struct blocks *s, const struct keys *k, real *dq, size_t n)
{
	struct ts_product p = {.c = k->dv,
			       .ldc = s->padded,
			       .a = s->p,
			       .lda = BLOCK,
			       .layout = A_COLUMNS,
			       .b = s->douts,
			       .panel_step = 16,
			       .row_step = s->padded,
			       .type = TS_F32,
			       .rows = k->n,
			       .cols = s->padded,
			       .k = n,
			       .accumulate = true};
	TS_NAME(product)(&p);
	p.c = k->dk;
	p.a = s->ds;
	p.b = s->queries;
	TS_NAME(product)(&p);
	p = (struct ts_product){.c = dq,
				.ldc = a->heads * a->dim,
				.a = s->ds,
				.lda = BLOCK,
				.layout = A_ROWS,
				.b = k->rows,
				.panel_step = 16,
				.row_step = s->padded,
				.type = TS_F32,
				.rows = n,
				.cols = a->dim,
				.k = k->n,
				.accumulate = true};
	TS_NAME(product)(&p);
}

/* Queries [first, first + n) of `head` against the blocks of keys that they see. */
static void walk_queries(const struct backward *a, struct blocks *s, const struct ts_segment *g, size_t head, size_t first, size_t n)
{
	size_t dim = a->dim, wide = a->heads * dim, at = (g->row + first) * wide + head * dim;
	copy_rows(s->queries, s->padded, a->q + at, wide, n, dim);
	copy_rows(s->douts, s->padded, a->dout + at, wide, n, dim);
	for (size_t i = 0; i < n; i++)
		s->d[i] = dot(s->douts + i * s->padded, a->out + at + i * wide, dim);
	for (size_t b = 0; b < s->count; b++) {
		const struct keys *k = &s->keys[b];
		if (first < k->start || ts_first_key(first, a->window) >= k->start + BLOCK)
			continue;
		probabilities(a, s, k, g, head, first, n);
		add_gradients(a, s, k, a->dq + at, n);
	}
}

static void clear_queries(const struct backward *a, const struct ts_segment *g, size_t kv_head)
{
	size_t dim = a->dim, group = a->heads / a->kv_heads;
	for (size_t row = g->row; row < g->row + g->rows; row++)
		memset(a->dq + (row * a->heads + kv_head * group) * dim, 0, group * dim * sizeof(real));
}

static void fetch_keys(const struct backward *a, const struct ts_segment *g, size_t kv_head, size_t padded, struct keys *k)
{
	size_t dim = a->dim, narrow = a->kv_heads * dim, at = (g->row + k->start) * narrow + kv_head * dim;
	if (k->n < BLOCK) { /* lanes without a key must hold something finite */
		memset(k->turned, 0, dim * BLOCK * sizeof(real));
		memset(k->values_turned, 0, dim * BLOCK * sizeof(real));
	}
	copy_rows(k->rows, padded, a->k + at, narrow, k->n, dim);
	TS_NAME(transpose)(k->turned, BLOCK, a->k + at, narrow, k->n, dim);
	TS_NAME(transpose)(k->values_turned, BLOCK, a->v + at, narrow, k->n, dim);
	memset(k->dk, 0, BLOCK * padded * sizeof(real));
	memset(k->dv, 0, BLOCK * padded * sizeof(real));
}

static void store_keys(const struct backward *a, const struct ts_segment *g, size_t kv_head, size_t padded, const struct keys *k)
{
	size_t dim = a->dim, narrow = a->kv_heads * dim, at = (g->row + k->start) * narrow + kv_head * dim;
	for (size_t r = 0; r < k->n; r++) {
		memcpy(a->dk + at + r * narrow, k->dk + r * padded, dim * sizeof(real));
		memcpy(a->dv + at + r * narrow, k->dv + r * padded, dim * sizeof(real));
	}
}

/* Hands out the scratch; returns how many blocks of keys it holds at once: as many as are there, at least one. */
static size_t lay_out(struct blocks *s, real *scratch)
{
	size_t wide = BLOCK * s->padded, used = 2 * wide + 2 * BLOCK * BLOCK, count = 0;
	s->queries = scratch;
	s->douts = scratch + wide;
	s->p = scratch + 2 * wide;
	s->ds = s->p + BLOCK * BLOCK;
	for (; count < BLOCKS_MOST && used + 5 * wide <= TS_LOCAL; count++, used += 5 * wide) {
		real *from = scratch + used;
		s->keys[count] = (struct keys){.rows = from,
					       .turned = from + wide,
					       .values_turned = from + 2 * wide,
					       .dk = from + 3 * wide,
					       .dv = from + 4 * wide};
	}
	return count;
}

static void run_task(const struct backward *a, real *scratch, const struct ts_segment *g, size_t kv_head)
{
	size_t group = a->heads / a->kv_heads;
	struct blocks s = {.padded = (a->dim + 15) & ~(size_t)15};
	size_t most = lay_out(&s, scratch);
	clear_queries(a, g, kv_head);
	for (size_t start = 0, end; start < g->rows; start = end) {
		for (s.count = 0, end = start; s.count < most && end < g->rows; s.count++) {
			struct keys *k = &s.keys[s.count];
			k->start = end;
			k->n = g->rows - end < BLOCK ? g->rows - end : BLOCK;
			fetch_keys(a, g, kv_head, s.padded, k);
			end += k->n;
		}
		for (size_t head = kv_head * group; head < (kv_head + 1) * group; head++)
			for (size_t first = start; first < g->rows && ts_first_key(first, a->window) < end; first += BLOCK)
				walk_queries(a, &s, g, head, first, g->rows - first < BLOCK ? g->rows - first : BLOCK);
		for (size_t i = 0; i < s.count; i++)
			store_keys(a, g, kv_head, s.padded, &s.keys[i]);
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
