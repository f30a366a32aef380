/* Losses over the vocabulary. Logits exist only as [VOCAB_ROWS x VOCAB_CHUNK] in scratch. A chunk is a fixed number of columns, whatever the
 * memory or the threads, since the running maximum and sum (as in attention.c) are rescaled at its borders. Threads take rows. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { VOCAB_CHUNK = TS_TURN_ROWS, VOCAB_ROWS = 64, PACK_WIDTH = 512 };

struct vocab {
	const struct ts_backend *b;
	real *lse, *picked, *dhidden;
	const real *hidden, *known_lse;
	const struct ts_weight *w;
	const int32_t *targets;
	size_t rows;
	real scale;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* This thread's part of the shared scratch. */
static real *region(const struct vocab *v, size_t thread, size_t threads, size_t *count)
{
	const struct ts_cpu *cpu = v->b->state;
	*count = cpu->shared_count / threads;
	return cpu->shared + thread * *count;
}

/* The logits of columns [chunk, chunk + n) for the rows that `rows` describes; tails up to 16 are -Inf. */
static void chunk_logits(const struct vocab *v, struct ts_product rows, real *logits, size_t chunk, size_t n)
{
	rows.c = logits;
	rows.ldc = VOCAB_CHUNK;
	TS_NAME(use_weight)(&rows, v->w, chunk, 0);
	rows.cols = n;
	rows.k = v->w->in;
	TS_NAME(product)(&rows);
	for (size_t r = 0; r < rows.rows; r++)
		for (size_t i = n; i % 16; i++)
			logits[r * VOCAB_CHUNK + i] = -(real)INFINITY;
}

/* One chunk of one row into the running maximum and sum. */
static void absorb(const real *logits, size_t n, real *maximum, real *sum)
{
	v16 largest = v_set1(-(real)INFINITY), total = v_zero();
	for (size_t i = 0; i < n; i += 16)
		largest = v_max(v_load(logits + i), largest);
	real chunk_maximum = v_maximum(largest), old = *maximum, now = chunk_maximum > old ? chunk_maximum : old;
	v16 shift = v_set1(now);
	for (size_t i = 0; i < n; i += 16)
		total = v_add(total, v_exp(v_sub(v_load(logits + i), shift)));
	*sum = r_fma(*sum, old == now ? 1 : old == -(real)INFINITY ? 0 : r_exp(old - now), v_sum(total));
	*maximum = now;
}

static void forward_rows(const struct vocab *v, real *logits, real *packed, size_t packed_count, size_t row, size_t n)
{
	real maximum[VOCAB_ROWS], sum[VOCAB_ROWS];
	size_t in = v->w->in;
	struct ts_product rows = {.a = v->hidden + row * in, .lda = in, .layout = A_ROWS, .rows = n};
	if (n > 1 && in >= PACK_WIDTH && n * in <= packed_count) {
		TS_NAME(pack_blocks)(packed, rows.a, in, NULL, n, in, 0, n);
		rows.a = packed;
		rows.layout = A_BLOCKS;
	}
	for (size_t r = 0; r < n; r++) {
		maximum[r] = -(real)INFINITY;
		sum[r] = 0;
		v->picked[row + r] = 0;
	}
	for (size_t chunk = 0; chunk < v->w->out; chunk += VOCAB_CHUNK) {
		size_t columns = least(VOCAB_CHUNK, v->w->out - chunk);
		chunk_logits(v, rows, logits, chunk, columns);
		for (size_t r = 0; r < n; r++) {
			size_t target = (size_t)v->targets[row + r];
			absorb(logits + r * VOCAB_CHUNK, columns, &maximum[r], &sum[r]);
			if (v->targets[row + r] >= 0 && target >= chunk && target - chunk < columns)
				v->picked[row + r] = logits[r * VOCAB_CHUNK + target - chunk];
		}
	}
	for (size_t r = 0; r < n; r++)
		v->lse[row + r] = maximum[r] + r_ln(sum[r]);
}

static void forward_part(const void *argument, size_t thread, size_t threads)
{
	const struct vocab *v = argument;
	size_t first, last, count;
	real *packed = region(v, thread, threads, &count);
	ts_share(v->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row += VOCAB_ROWS)
		forward_rows(v, ts_local(v->b, thread), packed, count, row, least(VOCAB_ROWS, last - row));
}

static void vocab_forward(struct ts_backend *b, real *lse, real *picked, const real *hidden, const struct ts_weight *w,
			  const int32_t *targets, size_t rows)
{
	struct vocab v = {.b = b, .lse = lse, .picked = picked, .hidden = hidden, .w = w, .targets = targets, .rows = rows};
	ts_spread(ts_threads_for(b, rows * w->in * w->out, rows), forward_part, &v);
}

/* logits -> scale (softmax - onehot) */
static void to_gradient(real *logits, size_t n, real lse, real scale, bool has_target, size_t target)
{
	v16 shift = v_set1(lse), factor = v_set1(scale);
	real hit = has_target ? scale * (r_exp(logits[target] - lse) - 1) : 0;
	for (size_t i = 0; i < n; i += 16)
		v_store(logits + i, v_mul(factor, v_exp(v_sub(v_load(logits + i), shift))));
	if (has_target)
		logits[target] = hit;
}

/* The n rows index[0..n) that have a target: gathered, multiplied through the vocabulary, and put back. */
static void backward_rows(const struct vocab *v, real *scratch, real *packed, const size_t *index, size_t n)
{
	size_t in = v->w->in;
	real *logits = scratch, *turned = scratch + VOCAB_ROWS * VOCAB_CHUNK, *sums = packed + n * in;
	TS_NAME(pack_blocks)(packed, v->hidden, in, index, n, in, 0, n);
	struct ts_product rows = {.a = packed, .lda = in, .layout = A_BLOCKS, .rows = n};
	for (size_t chunk = 0; chunk < v->w->out; chunk += VOCAB_CHUNK) {
		size_t columns = least(VOCAB_CHUNK, v->w->out - chunk);
		chunk_logits(v, rows, logits, chunk, columns);
		for (size_t r = 0; r < n; r++) {
			size_t target = (size_t)v->targets[index[r]];
			bool hit = target >= chunk && target - chunk < columns;
			to_gradient(logits + r * VOCAB_CHUNK, columns, v->known_lse[index[r]], v->scale, hit, target - chunk);
		}
		for (size_t column = 0; column < in; column += TS_TURN_COLUMNS) {
			size_t wide = least(TS_TURN_COLUMNS, in - column);
			TS_NAME(turn_panels)(turned, v->w, chunk, columns, column, wide);
			struct ts_product p = {.c = sums + column,
					       .ldc = in,
					       .a = logits,
					       .lda = VOCAB_CHUNK,
					       .layout = A_ROWS,
					       .b = turned,
					       .panel_step = 16 * TS_TURN_ROWS,
					       .row_step = 16,
					       .type = TS_F32,
					       .rows = n,
					       .cols = wide,
					       .k = columns,
					       .accumulate = chunk > 0};
			TS_NAME(product)(&p);
		}
	}
	for (size_t r = 0; r < n; r++)
		memcpy(v->dhidden + index[r] * in, sums + r * in, in * sizeof(real));
}

static void backward_part(const void *argument, size_t thread, size_t threads)
{
	const struct vocab *v = argument;
	size_t first, last, count, in = v->w->in, index[VOCAB_ROWS], n = 0;
	real *packed = region(v, thread, threads, &count);
	size_t most = least(VOCAB_ROWS, count / (2 * in));
	ts_share(v->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row++) {
		if (v->targets[row] < 0)
			memset(v->dhidden + row * in, 0, in * sizeof(real));
		else
			index[n++] = row;
		if (n == most || (n && row + 1 == last)) {
			backward_rows(v, ts_local(v->b, thread), packed, index, n);
			n = 0;
		}
	}
}

static void cross_entropy_backward(struct ts_backend *b, real *dhidden, const real *hidden, const struct ts_weight *w,
				   const int32_t *targets, const real *lse, float scale, size_t rows)
{
	struct vocab v = {
		.b = b, .dhidden = dhidden, .hidden = hidden, .known_lse = lse, .w = w, .targets = targets, .rows = rows, .scale = scale};
	size_t parts =
		least(rows, ((const struct ts_cpu *)b->state)->shared_count / (2 * w->in)); /* each needs room for one row and its sums */
	ts_spread(ts_threads_for(b, rows * w->in * w->out * 2, parts), backward_part, &v);
}

void TS_NAME(fill_vocab)(struct ts_kernels *k)
{
	k->vocab_forward = vocab_forward;
	k->cross_entropy_backward = cross_entropy_backward;
}
