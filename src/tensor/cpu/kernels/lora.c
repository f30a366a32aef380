/* LoRA: y += scale * B (A drop(x)), and its gradients.
 * Rows are taken LORA_ROWS at a time and features in chunks of thread scratch; every chain continues through memory, so neither size shows. */
#include "core/philox.h"
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { LORA_ROWS = 128, RANKS = 64, FEATURES = 128, OUTS = 64, TERMS = 256 };

struct lora {
	const struct ts_backend *b;
	real *y, *h, *da, *db, *dx;
	const real *dy, *x, *kept_h, *a, *w; /* w = B [out, rank] */
	size_t rows, in, out, rank;
	real scale;
	const struct ts_dropout *drop;
	/* backward, one round of rows [at, at + n) */
	size_t at, n, padded_rank;
	real *scaled, *dh, *padded_h; /* [n][out], [n][padded_rank], [n][padded_rank] */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Sixteen counters at once, so that the compiler can use lanes; the same words as ts_philox4x32. */
static void philox16(const uint32_t key[2], uint32_t c0[16], uint32_t c1[16], uint32_t c2[16], uint32_t c3[16])
{
	uint32_t k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 16; i++) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
			c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
			c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
			c1[i] = (uint32_t)p1;
			c3[i] = (uint32_t)p0;
		}
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
}

/* mask[0..count) of features first.. of a row: 1/(1-p) where kept, else 0. first is a multiple of 64. */
static void dropout_mask(real *mask, const struct ts_dropout *d, size_t row, size_t first, size_t count)
{
	uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
	uint32_t threshold = (uint32_t)ceil((double)d->p * 0x1p32); /* word / 2^32 >= p, p < 1 */
	real factor = 1 / (1 - (real)d->p);
	for (size_t f = 0; f < count; f += 64) {
		uint32_t word[4][16];
		for (int i = 0; i < 16; i++) {
			word[0][i] = d->position[row];
			word[1][i] = (uint32_t)((first + f) / 4) + (uint32_t)i;
			word[2][i] = d->row_in_batch[row];
			word[3][i] = d->step << 12 | d->layer << 3 | d->target;
		}
		philox16(key, word[0], word[1], word[2], word[3]);
		real block[64];
		for (size_t i = 0; i < 16; i++)
			for (size_t w = 0; w < 4; w++)
				block[4 * i + w] = word[w][i] >= threshold ? factor : 0;
		memcpy(mask + f, block, least(64, count - f) * sizeof(real));
	}
}

/* to[n][FEATURES] = drop(x) of rows row.. and features first.., padded with zeros to FEATURES; mask as dropout_mask or unused. */
static void drop_chunk(const struct lora *l, real *to, real *mask, size_t row, size_t n, size_t first, size_t count)
{
	for (size_t r = 0; r < n; r++, to += FEATURES, mask += FEATURES) {
		const real *x = l->x + (row + r) * l->in + first;
		if (l->drop) {
			dropout_mask(mask, l->drop, row + r, first, count);
			for (size_t i = 0; i < count; i++)
				to[i] = mask[i] != 0 ? x[i] * mask[i] : 0;
		} else {
			memcpy(to, x, count * sizeof(real));
		}
		for (size_t i = count; i < FEATURES; i++)
			to[i] = 0;
	}
}

/* h = A drop(x) of rows [row, row + n) */
static void forward_h(const struct lora *l, real *scratch, size_t row, size_t n)
{
	real *turned = scratch, *dropped = scratch + TERMS * RANKS, *mask = dropped + LORA_ROWS * FEATURES;
	size_t step = l->drop ? FEATURES : TERMS;
	for (size_t j = 0; j < l->rank; j += RANKS)
		for (size_t i = 0; i < l->in; i += step) {
			size_t ranks = least(RANKS, l->rank - j), terms = least(step, l->in - i);
			struct ts_product p = {.c = l->h + row * l->rank + j,
					       .ldc = l->rank,
					       .a = l->x + row * l->in + i,
					       .lda = l->in,
					       .layout = A_ROWS,
					       .b = turned,
					       .panel_step = 16,
					       .row_step = RANKS,
					       .type = TS_F32,
					       .rows = n,
					       .cols = ranks,
					       .k = terms,
					       .accumulate = i > 0};
			if (l->drop) {
				drop_chunk(l, dropped, mask, row, n, i, terms);
				p.a = dropped;
				p.lda = FEATURES;
			}
			TS_NAME(transpose)(turned, RANKS, l->a + j * l->in + i, l->in, ranks, terms);
			TS_NAME(product)(&p);
		}
}

/* y += scale * (B h) of rows [row, row + n) */
static void forward_y(const struct lora *l, real *scratch, size_t row, size_t n)
{
	real *turned = scratch, *product = scratch + TERMS * OUTS;
	v16 scale = v_set1(l->scale);
	for (size_t o = 0; o < l->out; o += OUTS) {
		size_t outs = least(OUTS, l->out - o);
		for (size_t j = 0; j < l->rank; j += TERMS) {
			size_t terms = least(TERMS, l->rank - j);
			TS_NAME(transpose)(turned, OUTS, l->w + o * l->rank + j, l->rank, outs, terms);
			struct ts_product p = {.c = product,
					       .ldc = OUTS,
					       .a = l->h + row * l->rank + j,
					       .lda = l->rank,
					       .layout = A_ROWS,
					       .b = turned,
					       .panel_step = 16,
					       .row_step = OUTS,
					       .type = TS_F32,
					       .rows = n,
					       .cols = (outs + 15) & ~(size_t)15,
					       .k = terms,
					       .accumulate = j > 0};
			TS_NAME(product)(&p);
		}
		for (size_t r = 0; r < n; r++)
			for (size_t i = 0; i < outs; i += 16) {
				real *y = l->y + (row + r) * l->out + o + i;
				v16 t = v_load(product + r * OUTS + i);
				if (outs - i >= 16)
					v_store(y, v_fma(scale, t, v_load(y)));
				else
					v_store_n(y, v_fma(scale, t, v_load_n(y, outs - i)), outs - i);
			}
	}
}

static void forward_part(const void *argument, size_t thread, size_t threads)
{
	const struct lora *l = argument;
	size_t first, last;
	ts_share(l->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row += LORA_ROWS) {
		size_t n = least(LORA_ROWS, last - row);
		forward_h(l, ts_local(l->b, thread), row, n);
		forward_y(l, ts_local(l->b, thread), row, n);
	}
}

static const struct ts_dropout *active(const struct ts_dropout *d)
{
	return d && d->p > 0 ? d : NULL;
}

static void lora(struct ts_backend *b, real *y, real *h, const real *x, const real *a, const real *w, size_t rows, size_t in, size_t out,
		 size_t rank, float scale, const struct ts_dropout *drop)
{
	struct lora l = {.b = b,
			 .y = y,
			 .h = h,
			 .x = x,
			 .a = a,
			 .w = w,
			 .rows = rows,
			 .in = in,
			 .out = out,
			 .rank = rank,
			 .scale = scale,
			 .drop = active(drop)};
	ts_spread(ts_threads_for(b, rows * (in + out) * rank, rows), forward_part, &l);
}

/* scaled = scale dy, padded_h = h, dh = scaled B, by rows. */
static void dh_part(const void *argument, size_t thread, size_t threads)
{
	const struct lora *l = argument;
	real *w = ts_local(l->b, thread);
	size_t first, last, outs_at_once = TS_LOCAL / l->padded_rank;
	ts_share(l->n, 1, thread, threads, &first, &last);
	for (size_t r = first; r < last; r++) {
		const real *dy = l->dy + (l->at + r) * l->out, *h = l->kept_h + (l->at + r) * l->rank;
		for (size_t o = 0; o < l->out; o++)
			l->scaled[r * l->out + o] = l->scale * dy[o];
		for (size_t j = 0; j < l->padded_rank; j++)
			l->padded_h[r * l->padded_rank + j] = j < l->rank ? h[j] : 0;
	}
	for (size_t o = 0; o < l->out; o += outs_at_once) {
		size_t outs = least(outs_at_once, l->out - o);
		for (size_t i = 0; i < outs; i++)
			for (size_t j = 0; j < l->padded_rank; j++)
				w[i * l->padded_rank + j] = j < l->rank ? l->w[(o + i) * l->rank + j] : 0;
		struct ts_product p = {.c = l->dh + first * l->padded_rank,
				       .ldc = l->padded_rank,
				       .a = l->scaled + first * l->out + o,
				       .lda = l->out,
				       .layout = A_ROWS,
				       .b = w,
				       .panel_step = 16,
				       .row_step = l->padded_rank,
				       .type = TS_F32,
				       .rows = last - first,
				       .cols = l->padded_rank,
				       .k = outs,
				       .accumulate = o > 0};
		TS_NAME(product)(&p);
	}
}

/* dx += drop'(dh A) of features [first, first + count) */
static void add_dx(const struct lora *l, real *scratch, const real *mask, size_t first, size_t count)
{
	real *product = scratch, *a = scratch + LORA_ROWS * FEATURES;
	for (size_t j = 0; j < l->rank; j += TERMS) {
		size_t terms = least(TERMS, l->rank - j);
		for (size_t t = 0; t < terms; t++)
			for (size_t i = 0; i < FEATURES; i++)
				a[t * FEATURES + i] = i < count ? l->a[(j + t) * l->in + first + i] : 0;
		struct ts_product p = {.c = product,
				       .ldc = FEATURES,
				       .a = l->dh + j,
				       .lda = l->padded_rank,
				       .layout = A_ROWS,
				       .b = a,
				       .panel_step = 16,
				       .row_step = FEATURES,
				       .type = TS_F32,
				       .rows = l->n,
				       .cols = (count + 15) & ~(size_t)15,
				       .k = terms,
				       .accumulate = j > 0};
		TS_NAME(product)(&p);
	}
	for (size_t r = 0; r < l->n; r++) {
		real *dx = l->dx + (l->at + r) * l->in + first;
		const real *t = product + r * FEATURES, *m = mask + r * FEATURES;
		for (size_t i = 0; i < count; i++)
			dx[i] += !l->drop ? t[i] : m[i] != 0 ? t[i] * m[i] : 0;
	}
}

/* dB by outputs, dA and dx by features. */
static void gradients_part(const void *argument, size_t thread, size_t threads)
{
	const struct lora *l = argument;
	real *dropped = ts_local(l->b, thread), *mask = dropped + LORA_ROWS * FEATURES;
	size_t first, last;
	ts_share(l->out, 4, thread, threads, &first, &last);
	struct ts_product p = {.c = l->db + first * l->rank,
			       .ldc = l->rank,
			       .a = l->scaled + first,
			       .lda = l->out,
			       .layout = A_COLUMNS,
			       .b = l->padded_h,
			       .panel_step = 16,
			       .row_step = l->padded_rank,
			       .type = TS_F32,
			       .rows = last - first,
			       .cols = l->rank,
			       .k = l->n,
			       .accumulate = true};
	TS_NAME(product)(&p);
	ts_share(l->in, FEATURES, thread, threads, &first, &last);
	for (size_t f = first; f < last; f += FEATURES) {
		size_t count = least(FEATURES, last - f);
		drop_chunk(l, dropped, mask, l->at, l->n, f, count);
		p = (struct ts_product){.c = l->da + f,
					.ldc = l->in,
					.a = l->dh,
					.lda = l->padded_rank,
					.layout = A_COLUMNS,
					.b = dropped,
					.panel_step = 16,
					.row_step = FEATURES,
					.type = TS_F32,
					.rows = l->rank,
					.cols = count,
					.k = l->n,
					.accumulate = true};
		TS_NAME(product)(&p);
		if (l->dx)
			add_dx(l, mask + LORA_ROWS * FEATURES, mask, f, count);
	}
}

static void lora_backward(struct ts_backend *b, real *da, real *db, real *dx, const real *dy, const real *x, const real *h, const real *a,
			  const real *w, size_t rows, size_t in, size_t out, size_t rank, float scale, const struct ts_dropout *drop)
{
	const struct ts_cpu *cpu = b->state;
	struct lora l = {.b = b,
			 .da = da,
			 .db = db,
			 .dx = dx,
			 .dy = dy,
			 .x = x,
			 .kept_h = h,
			 .a = a,
			 .w = w,
			 .in = in,
			 .out = out,
			 .rank = rank,
			 .scale = scale,
			 .drop = active(drop),
			 .padded_rank = (rank + 15) & ~(size_t)15};
	size_t fit = least(LORA_ROWS, cpu->shared_count / (out + 2 * l.padded_rank)), threads;
	l.scaled = cpu->shared;
	for (; l.at < rows; l.at += fit) {
		l.n = least(fit, rows - l.at);
		l.dh = l.scaled + l.n * out;
		l.padded_h = l.dh + l.n * l.padded_rank;
		threads = ts_threads_for(b, l.n * (in + out) * rank, SIZE_MAX);
		ts_spread(threads, dh_part, &l);
		ts_spread(threads, gradients_part, &l);
	}
}

void TS_NAME(fill_lora)(struct ts_kernels *k)
{
	k->lora = lora;
	k->lora_backward = lora_backward;
}
