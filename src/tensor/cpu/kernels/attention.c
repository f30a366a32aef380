/* Attention over the paged KV pool. A task takes up to QUERIES queries (row, head) of one KV head of one segment and walks the key blocks
 * in ascending order with a running maximum (Milakov and Gimelshein 2018). What a query computes depends on its position alone: scores of
 * whole blocks, masked ones replaced by -Inf, values only from the keys that it sees. So decode and prefill give the same bits.
 *
 * In class bf16dot this file is compiled once more, for pools of bf16: queries and probabilities are rounded to bf16 and multiplied by the
 * hardware's dot product, and pages are laid out in pairs of what is summed over. */
#include "tensor/cpu/kernels/attention.h"
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { QUERIES = 24, BLOCK = TS_KV_PAGE };

struct attention {
	const struct ts_backend *b;
	real *out, *lse;
	const real *q;
	const struct ts_kv_pool *pool;
	int layer;
	size_t heads, group, window;
	const struct ts_segment *segments;
	size_t count;
};

/* The queries of one task and their running state. */
struct queries {
	size_t n;
	size_t position[QUERIES], at[QUERIES]; /* at = row * heads + head */
	real maximum[QUERIES], sum[QUERIES];
	real *packed, *scores, *values; /* A_BLOCKS of q; [n][BLOCK]; [n][HEAD_DIM_MAX] */
};

/* Scores become probabilities relative to the new maximum; what came before is rescaled. */
static void soften(struct queries *s, size_t i, size_t low, size_t high, real scale, size_t dim)
{
	real *p = s->scores + i * BLOCK;
	v16 v[BLOCK / 16], sum = v_zero(), factor = v_set1(scale), largest = v_set1(-(real)INFINITY);
	for (size_t k = 0; k < BLOCK / 16; k++)
		v[k] = v_mul(v_load(p + 16 * k), factor);
	if (low > 0 || high < BLOCK) {
		for (size_t k = 0; k < BLOCK / 16; k++)
			v_store(p + 16 * k, v[k]);
		for (size_t k = 0; k < BLOCK; k++)
			if (k < low || k >= high)
				p[k] = -(real)INFINITY;
		for (size_t k = 0; k < BLOCK / 16; k++)
			v[k] = v_load(p + 16 * k);
	}
	for (size_t k = 0; k < BLOCK / 16; k++)
		largest = v_max(v[k], largest);
	real block_maximum = v_maximum(largest), old = s->maximum[i], now = block_maximum > old ? block_maximum : old;
	v16 shift = v_set1(now);
	for (size_t k = 0; k < BLOCK / 16; k++) {
		v[k] = v_exp(v_sub(v[k], shift));
		sum = v_add(sum, v[k]);
		v_store(p + 16 * k, v[k]);
	}
	real rescale = 1; /* exp(0) */
	if (old != now)   /* -Inf before the first block */
		rescale = old == -(real)INFINITY ? 0 : r_exp(old - now);
	s->sum[i] = r_fma(s->sum[i], rescale, v_sum(sum));
	s->maximum[i] = now;
	if (rescale == 1)
		return;
	real *values = s->values + i * TS_HEAD_DIM_MAX;
	v16 r = v_set1(rescale);
	for (size_t d = 0; d < dim; d += 16)
		v_store(values + d, v_mul(v_load(values + d), r));
}

#ifdef TS_DOT
enum { PAIRED = true };
#else
enum { PAIRED = false };
#endif

/* values += scores V for the queries [first, last) and the keys [low, high) of the page whose V begins at `v`. */
static void add_values(const struct attention *a, struct queries *s, const char *v, size_t first, size_t last, size_t low, size_t high)
{
	size_t dim = (size_t)a->pool->head_dim;
	if (PAIRED)
		low &= ~(size_t)1; /* a key before a window has probability 0 */
	struct ts_product values = {.c = s->values + first * TS_HEAD_DIM_MAX,
				    .ldc = TS_HEAD_DIM_MAX,
				    .a = s->scores + first * BLOCK + low,
				    .lda = BLOCK,
				    .layout = A_ROWS,
				    .b = v + low * dim * v_elements_size(a->pool->dtype),
				    .panel_step = PAIRED ? 32 : 16,
				    .row_step = PAIRED ? 2 * dim : dim,
				    .type = a->pool->dtype,
				    .rows = last - first,
				    .cols = dim,
				    .k = high - low,
				    .accumulate = true};
	TS_NAME(product)(&values);
}

/* Of neighbours whose keys begin together, those keys that all see go in one product; only what is left differs. The chains are the same. */
static void add_all_values(const struct attention *a, struct queries *s, const char *v, const size_t *low, const size_t *high,
			   const bool *seen)
{
	for (size_t i = 0, end; i < s->n; i = end) {
		end = i + 1;
		if (!seen[i])
			continue;
		while (end < s->n && seen[end] && low[end] == low[i])
			end++;
		size_t common = high[end - 1] == high[i] ? high[i] : high[i] & ~(size_t)1; /* ascending */
		if (common > low[i])
			add_values(a, s, v, i, end, low[i], common);
		else
			common = low[i];
		for (size_t first = i, last; first < end; first = last) {
			for (last = first + 1; last < end && high[last] == high[first]; last++)
				;
			if (high[first] > common)
				add_values(a, s, v, first, last, common, high[first]);
		}
	}
}

static void walk_block(const struct attention *a, struct queries *s, size_t block, size_t page, size_t kv_head)
{
	const struct ts_kv_pool *pool = a->pool;
	size_t dim = (size_t)pool->head_dim, size = v_elements_size(pool->dtype);
	size_t at = (page * (size_t)pool->kv_heads + kv_head) * dim * BLOCK * size;
	real scale = 1 / r_sqrt((real)dim);
	struct ts_product scores = {.c = s->scores,
				    .ldc = BLOCK,
				    .a = s->packed,
				    .lda = dim,
				    .layout = A_BLOCKS,
				    .b = (const char *)pool->k[a->layer] + at,
				    .panel_step = PAIRED ? 32 : 16,
				    .row_step = PAIRED ? 2 * BLOCK : BLOCK,
				    .type = pool->dtype,
				    .rows = s->n,
				    .cols = BLOCK,
				    .k = dim};
	TS_NAME(product)(&scores);
	size_t low[QUERIES], high[QUERIES];
	bool seen[QUERIES];
	for (size_t i = 0; i < s->n; i++) {
		seen[i] = ts_visible(s->position[i], a->window, block, &low[i], &high[i]);
		if (seen[i])
			soften(s, i, low[i], high[i], scale, dim);
	}
	add_all_values(a, s, (const char *)pool->v[a->layer] + at, low, high, seen);
}

static void finish(const struct attention *a, const struct queries *s)
{
	size_t dim = (size_t)a->pool->head_dim;
	for (size_t i = 0; i < s->n; i++) {
		real *out = a->out + s->at[i] * dim;
		const real *values = s->values + i * TS_HEAD_DIM_MAX;
		v16 sum = v_set1(s->sum[i]);
		for (size_t d = 0; d < dim; d += 16) {
			v16 v = v_div(v_load(values + d), sum);
			if (dim - d >= 16)
				v_store(out + d, v);
			else
				v_store_n(out + d, v, dim - d);
		}
		if (a->lse)
			a->lse[s->at[i]] = s->maximum[i] + r_ln(s->sum[i]);
	}
}

/* Queries [first, first + n) of a segment, counted as row * group + head within the group. */
static void run_task(const struct attention *a, real *scratch, const struct ts_segment *segment, size_t kv_head, size_t first, size_t n)
{
	size_t dim = (size_t)a->pool->head_dim;
	struct queries s = {.n = n,
			    .packed = scratch,
			    .scores = scratch + QUERIES * TS_HEAD_DIM_MAX,
			    .values = scratch + QUERIES * (TS_HEAD_DIM_MAX + BLOCK)};
	for (size_t i = 0; i < n; i++) {
		size_t row = (first + i) / a->group, head = kv_head * a->group + (first + i) % a->group;
		s.position[i] = segment->position + row;
		s.at[i] = (segment->row + row) * a->heads + head;
		s.maximum[i] = -(real)INFINITY;
		s.sum[i] = 0;
	}
	memset(s.values, 0, n * TS_HEAD_DIM_MAX * sizeof(real));
	TS_NAME(pack_blocks)(s.packed, a->q, dim, s.at, n, dim, 0, n);
	size_t from = ts_first_key(s.position[0], a->window) / BLOCK, to = s.position[n - 1] / BLOCK;
	for (size_t block = from; block <= to; block++)
		walk_block(a, &s, block, (size_t)segment->pages[block], kv_head);
	finish(a, &s);
}

static void attention_part(const void *argument, size_t thread, size_t threads)
{
	const struct attention *a = argument;
	real *scratch = ts_local(a->b, thread);
	size_t task = 0;
	for (size_t s = 0; s < a->count; s++) {
		const struct ts_segment *segment = &a->segments[s];
		size_t total = segment->rows * a->group;
		for (size_t h = 0; h < (size_t)a->pool->kv_heads; h++)
			for (size_t first = 0; first < total; first += QUERIES)
				if (task++ % threads == thread)
					run_task(a, scratch, segment, h, first, total - first < QUERIES ? total - first : QUERIES);
	}
}

static void attention(struct ts_backend *b, real *out, real *lse, const real *q, const struct ts_kv_pool *pool, int layer, size_t heads,
		      size_t window, const struct ts_segment *segments, size_t count)
{
	struct attention a = {.b = b,
			      .out = out,
			      .lse = lse,
			      .q = q,
			      .pool = pool,
			      .layer = layer,
			      .heads = heads,
			      .group = heads / (size_t)pool->kv_heads,
			      .window = window,
			      .segments = segments,
			      .count = count};
	size_t work = 0;
	for (size_t s = 0; s < count; s++)
		work += segments[s].rows * (segments[s].position + segments[s].rows + BLOCK) * heads * (size_t)pool->head_dim * 2;
	ts_spread(ts_threads_for(b, work, SIZE_MAX), attention_part, &a);
}

/* as ts_f32_to_bf16, inline: a call per element would show in decoding */
static inline uint16_t narrow(real x)
{
	float f = (float)x;
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return (bits & 0x7fffffff) > 0x7f800000 ? (uint16_t)(bits >> 16 | 0x40) : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Where a head's K and V of one page begin, and how they are laid out (tensor/backend.h). */
struct page {
	void *keys, *values;
	size_t dim;
	enum ts_dtype type;
};

/* Dimensions from.. of one position's key, and its value. */
static void store_key(const struct page *p, size_t slot, const real *k, size_t from)
{
	for (size_t d = from; d < p->dim; d++)
		if (PAIRED)
			((uint16_t *)p->keys)[(d / 2 * BLOCK + slot) * 2 + d % 2] = narrow(k[d]);
		else if (p->type == TS_F32)
			((real *)p->keys)[d * BLOCK + slot] = k[d];
		else
			((uint16_t *)p->keys)[d * BLOCK + slot] = narrow(k[d]);
}

static void store_value(const struct page *p, size_t slot, const real *v)
{
	size_t dim = p->dim;
	if (p->type == TS_F32) {
		memcpy((real *)p->values + slot * dim, v, dim * sizeof(*v));
		return;
	}
	uint16_t *to = (uint16_t *)p->values + (PAIRED ? slot / 2 * 2 * dim + slot % 2 : slot * dim);
	for (size_t d = 0; d < dim; d++)
		to[PAIRED ? 2 * d : d] = narrow(v[d]);
}

/* Sixteen positions at once, as far as their dimensions come in full vectors; returns how many dimensions that were. */
static size_t store_sixteen_keys(const struct page *p, size_t slot, const real *k, size_t step)
{
	size_t d = 0;
#ifdef TS_DOT
	uint16_t rounded[16 * 32], turned[16 * 32];
	for (; d + 32 <= p->dim; d += 32) {
		for (size_t r = 0; r < 32; r++)
			v_round(rounded + 16 * r, k + r / 2 * step + d + r % 2 * 16);
		v_transpose((real *)(void *)turned, 16, (const real *)(const void *)rounded, 16); /* a pair moves as one lane */
		for (size_t i = 0; i < 16; i++)
			memcpy((uint16_t *)p->keys + ((d / 2 + i) * BLOCK + slot) * 2, turned + 32 * i, 32 * sizeof(*turned));
	}
#else
	for (; p->type == TS_F32 && d + 16 <= p->dim; d += 16)
		v_transpose((real *)p->keys + d * BLOCK + slot, BLOCK, k + d, step);
#endif
	return d;
}

/* Positions of one page, which begin at `slot`. */
static void store_positions(const struct page *p, size_t slot, size_t count, const real *k, const real *v, size_t step)
{
	for (size_t n; count; slot += n, count -= n, k += n * step, v += n * step) {
		n = count < 16 ? 1 : 16;
		size_t done = n == 16 ? store_sixteen_keys(p, slot, k, step) : 0;
		for (size_t i = 0; i < n; i++) {
			store_key(p, slot + i, k + i * step, done);
			store_value(p, slot + i, v + i * step);
		}
	}
}

static void kv_append(struct ts_backend *b, const struct ts_kv_pool *pool, int layer, const real *k, const real *v,
		      const struct ts_segment *segments, size_t count)
{
	(void)b;
	size_t dim = (size_t)pool->head_dim, kv_heads = (size_t)pool->kv_heads, size = v_elements_size(pool->dtype);
	for (size_t s = 0; s < count; s++)
		for (size_t r = 0, n; r < segments[s].rows; r += n) {
			size_t position = segments[s].position + r, slot = position % BLOCK, left = segments[s].rows - r;
			n = left < BLOCK - slot ? left : BLOCK - slot;
			for (size_t h = 0; h < kv_heads; h++) {
				size_t row = ((segments[s].row + r) * kv_heads + h) * dim;
				size_t at = ((size_t)segments[s].pages[position / BLOCK] * kv_heads + h) * dim * BLOCK * size;
				struct page p = {.keys = (char *)pool->k[layer] + at,
						 .values = (char *)pool->v[layer] + at,
						 .dim = dim,
						 .type = pool->dtype};
				store_positions(&p, slot, n, k + row, v + row, kv_heads * dim);
			}
		}
}

void TS_NAME(fill_attention)(struct ts_kernels *k)
{
	k->kv_append = kv_append;
	k->attention = attention;
}
