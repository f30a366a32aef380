/* Losses over the vocabulary. Logits exist only as [VOCAB_ROWS x VOCAB_CHUNK] in scratch. A chunk is a fixed number of columns, whatever the
 * memory or the threads, since the running maximum and sum (as in attention.c) are rescaled at its borders. So are the running means of the
 * weights' rows, which the backward pass needs: they are made where the logits are at hand, not by a second product. Threads take rows. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { VOCAB_CHUNK = 256, VOCAB_ROWS = 128, PACK_WIDTH = 512 };
_Static_assert(VOCAB_CHUNK + 0 <= TS_TURN_ROWS + 0, "a chunk is turned round at once");
_Static_assert(VOCAB_ROWS *VOCAB_CHUNK + TS_TURN_ROWS * TS_TURN_COLUMNS <= TS_LOCAL + 0, "logits and turned weights are scratch");

struct vocab {
	const struct ts_backend *b;
	real *lse, *picked, *mean; /* mean may be NULL */
	const real *hidden;
	const struct ts_weight *w;
	const int32_t *targets;
	size_t rows;
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

/* One chunk of one row into the running maximum and sum: logits become exp(logit - maximum). Returns the factor for what was summed before. */
static real absorb(real *logits, size_t n, real *maximum, real *sum)
{
	v16 largest = v_set1(-(real)INFINITY), total = v_zero();
	for (size_t i = 0; i < n; i += 16)
		largest = v_max(v_load(logits + i), largest);
	real chunk_maximum = v_maximum(largest), old = *maximum, now = chunk_maximum > old ? chunk_maximum : old;
	v16 shift = v_set1(now);
	for (size_t i = 0; i < n; i += 16) {
		v16 e = v_exp(v_sub(v_load(logits + i), shift));
		v_store(logits + i, e);
		total = v_add(total, e);
	}
	real rescale = old == now ? 1 : old == -(real)INFINITY ? 0 : r_exp(old - now);
	*sum = r_fma(*sum, rescale, v_sum(total));
	*maximum = now;
	return rescale;
}

static void scale_row(real *x, size_t n, real factor)
{
	v16 f = v_set1(factor);
	for (size_t i = 0; i < n; i += 16) {
		if (n - i >= 16)
			v_store(x + i, v_mul(v_load(x + i), f));
		else
			v_store_n(x + i, v_mul(v_load_n(x + i, n - i), f), n - i);
	}
}

/* mean (+)= weights times the chunk's rows of W, which are turned round once for all n rows. */
static void add_rows(const struct vocab *v, const real *weights, real *turned, size_t chunk, size_t columns, size_t row, size_t n)
{
	size_t in = v->w->in;
	for (size_t column = 0; column < in; column += TS_TURN_COLUMNS) {
		size_t wide = least(TS_TURN_COLUMNS, in - column);
		TS_NAME(turn_panels)(turned, v->w, chunk, columns, column, wide);
		struct ts_product p = {.c = v->mean + row * in + column,
				       .ldc = in,
				       .a = weights,
				       .lda = VOCAB_CHUNK,
				       .layout = A_ROWS,
				       .b = turned,
				       .panel_step = 16 * TS_TURN_ROWS,
				       .row_step = TS_TURNED_STEP,
				       .type = TS_F32,
				       .rows = n,
				       .cols = wide,
				       .k = columns,
				       .accumulate = chunk > 0};
		TS_NAME(product)(&p);
	}
}

static void run_rows(const struct vocab *v, real *logits, real *packed, size_t packed_count, size_t row, size_t n)
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
			if (v->targets[row + r] >= 0 && target >= chunk && target - chunk < columns)
				v->picked[row + r] = logits[r * VOCAB_CHUNK + target - chunk];
			real rescale = absorb(logits + r * VOCAB_CHUNK, columns, &maximum[r], &sum[r]);
			if (v->mean && chunk && rescale != 1)
				scale_row(v->mean + (row + r) * in, in, rescale);
		}
		if (v->mean)
			add_rows(v, logits, logits + VOCAB_ROWS * VOCAB_CHUNK, chunk, columns, row, n);
	}
	for (size_t r = 0; r < n; r++) {
		v->lse[row + r] = maximum[r] + r_ln(sum[r]);
		if (v->mean)
			scale_row(v->mean + (row + r) * in, in, 1 / sum[r]);
	}
}

static void vocab_part(const void *argument, size_t thread, size_t threads)
{
	const struct vocab *v = argument;
	size_t first, last, count;
	real *packed = region(v, thread, threads, &count);
	ts_share(v->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row += VOCAB_ROWS)
		run_rows(v, ts_local(v->b, thread), packed, count, row, least(VOCAB_ROWS, last - row));
}

static void vocab_forward(struct ts_backend *b, real *lse, real *picked, real *mean, const real *hidden, const struct ts_weight *w,
			  const int32_t *targets, size_t rows)
{
	struct vocab v = {.b = b, .lse = lse, .picked = picked, .mean = mean, .hidden = hidden, .w = w, .targets = targets, .rows = rows};
	ts_spread(ts_threads_for(b, rows * w->in * w->out, rows), vocab_part, &v);
}

void TS_NAME(fill_vocab)(struct ts_kernels *k)
{
	k->vocab_forward = vocab_forward;
}
