/* Products with frozen packed weights.
 * y = x W^T: panels are already what the product wants as B. dx = dy W: B is the other way round, so blocks of it are transposed into
 * scratch, each used for all rows. With many or wide rows x is first packed into blocks: its rows would fall on the same cache sets. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { PACK_WIDTH = 512, PACK_ROWS = 4, PACKED_MOST = 128 };

struct matmul {
	const struct ts_backend *b;
	struct ts_product p;
	const real *x;
	size_t ldx, at, rows; /* rows [at, at + rows) of this round */
	bool by_rows;
};

const void *TS_NAME(panel)(const struct ts_weight *w, size_t first)
{
	return (const char *)w->data + first * w->in * v_elements_size(w->dtype);
}

static void pack_part(const void *argument, size_t i, size_t n)
{
	const struct matmul *m = argument;
	size_t first, last;
	ts_share(m->rows, 1, i, n, &first, &last);
	TS_NAME(pack_blocks)((real *)m->p.a, m->x, m->ldx, NULL, m->rows, m->p.k, first, last);
}

static void matmul_part(const void *argument, size_t i, size_t n)
{
	const struct matmul *m = argument;
	struct ts_product p = m->p;
	size_t first, last;
	if (m->by_rows) {
		ts_share(p.rows, V_ROWS, i, n, &first, &last);
		p.a += first * p.lda;
		p.c += first * p.ldc;
		p.rows = last - first;
	} else {
		ts_share(p.cols, 16 * 4, i, n, &first, &last);
		p.b = (const char *)p.b + first / 16 * p.panel_step * v_elements_size(p.type);
		p.c += first;
		p.cols = last - first;
		p.bias = p.bias ? p.bias + first : NULL;
	}
	TS_NAME(product)(&p);
}

/* Rows at a time that are packed, 0 = leave x as it is. */
static size_t packed_rows(const struct ts_backend *b, size_t rows, size_t width)
{
	size_t fit = ((const struct ts_cpu *)b->state)->shared_count / (width ? width : 1);
	return rows < PACK_ROWS || width < PACK_WIDTH || fit < PACK_ROWS ? 0 : fit;
}

static void matmul(struct ts_backend *b, real *y, size_t ldy, const real *x, const struct ts_weight *w, size_t first, size_t count,
		   const real *bias, size_t rows)
{
	struct matmul m = {.b = b,
			   .x = x,
			   .ldx = w->in,
			   .p = {.c = y,
				 .ldc = ldy,
				 .a = x,
				 .lda = w->in,
				 .layout = A_ROWS,
				 .b = TS_NAME(panel)(w, first),
				 .panel_step = 16 * w->in,
				 .row_step = 16,
				 .type = w->dtype,
				 .rows = rows,
				 .cols = count,
				 .k = w->in,
				 .bias = bias}};
	size_t threads = ts_threads_for(b, rows * count * w->in, SIZE_MAX), pack = packed_rows(b, rows, w->in);
	if (!pack) {
		m.by_rows = rows >= 2 * V_ROWS * threads;
		ts_spread(threads, matmul_part, &m);
		return;
	}
	pack = pack < PACKED_MOST ? pack : PACKED_MOST;
	m.p.a = ((const struct ts_cpu *)b->state)->shared;
	m.p.layout = A_BLOCKS;
	for (size_t at = 0; at < rows; at += pack) {
		m.rows = m.p.rows = rows - at < pack ? rows - at : pack;
		m.x = x + at * w->in;
		m.p.c = y + at * ldy;
		ts_spread(threads, pack_part, &m);
		ts_spread(threads, matmul_part, &m);
	}
}

/* to[n][TS_TURN_COLUMNS] = W[first + n][column ..], n < count: panels turned round. Rows of `to` come in sixteens. */
void TS_NAME(turn_panels)(real *to, const struct ts_weight *w, size_t first, size_t count, size_t column, size_t columns)
{
	size_t padded = (columns + 15) & ~(size_t)15, size = v_elements_size(w->dtype);
	for (size_t n = 0; n < count; n += 16) {
		const char *panel = TS_NAME(panel)(w, first + n);
		for (size_t j = 0; j < padded; j += 16) {
			real wide[256];
			for (size_t i = 0; i < 16; i++) {
				const char *from = panel + (column + j + i) * 16 * size;
				v16 v = j + i >= columns      ? v_zero()
					: w->dtype == TS_F32  ? v_load_as(from, TS_F32)
					: w->dtype == TS_BF16 ? v_load_as(from, TS_BF16)
							      : v_load_as(from, TS_F16);
				v_store(wide + 16 * i, v);
			}
			v_transpose(to + n * TS_TURN_COLUMNS + j, TS_TURN_COLUMNS, wide, 16);
		}
	}
}

struct matmul_dx {
	const struct ts_backend *b;
	struct ts_product p;
	const struct ts_weight *w;
	size_t first, count;
	bool by_rows;
};

static void dx_part(const void *argument, size_t thread, size_t n)
{
	const struct matmul_dx *m = argument;
	real *turned = ts_local(m->b, thread);
	struct ts_product part = m->p;
	size_t first = 0, last = m->w->in, row, end;
	if (m->by_rows) { /* each thread turns all blocks for its rows */
		ts_share(m->p.rows, V_ROWS, thread, n, &row, &end);
		part.a += row * part.lda;
		part.c += row * part.ldc;
		part.rows = end - row;
	} else {
		ts_share(m->w->in, TS_TURN_COLUMNS, thread, n, &first, &last);
	}
	for (size_t column = first; column < last; column += TS_TURN_COLUMNS) {
		struct ts_product p = part;
		p.cols = last - column < TS_TURN_COLUMNS ? last - column : TS_TURN_COLUMNS;
		p.c += column;
		p.b = turned;
		for (size_t at = 0; at < m->count; at += TS_TURN_ROWS) {
			p.k = m->count - at < TS_TURN_ROWS ? m->count - at : TS_TURN_ROWS;
			TS_NAME(turn_panels)(turned, m->w, m->first + at, p.k, column, p.cols);
			p.from = p.layout == A_BLOCKS ? at : 0;
			p.a = part.a + (p.layout == A_BLOCKS ? 0 : at);
			TS_NAME(product)(&p);
			p.accumulate = true;
		}
	}
}

static void matmul_dx(struct ts_backend *b, real *dx, const real *dy, size_t ldy, const struct ts_weight *w, size_t first, size_t count,
		      size_t rows, bool accumulate)
{
	struct matmul_dx m = {.b = b,
			      .w = w,
			      .first = first,
			      .count = count,
			      .p = {.c = dx,
				    .ldc = w->in,
				    .a = dy,
				    .lda = ldy,
				    .layout = A_ROWS,
				    .panel_step = 16,
				    .row_step = TS_TURN_COLUMNS,
				    .type = TS_F32,
				    .rows = rows,
				    .accumulate = accumulate}};
	size_t threads = ts_threads_for(b, rows * count * w->in, SIZE_MAX), pack = packed_rows(b, rows, count);
	if (!pack) {
		m.by_rows = rows >= 128 * threads;
		ts_spread(threads, dx_part, &m);
		return;
	}
	struct matmul packing = {.ldx = ldy, .p = {.a = ((const struct ts_cpu *)b->state)->shared, .k = count}};
	m.p.a = packing.p.a;
	m.p.layout = A_BLOCKS;
	m.p.lda = count;
	for (size_t at = 0; at < rows; at += pack) {
		packing.rows = m.p.rows = rows - at < pack ? rows - at : pack;
		packing.x = dy + at * ldy;
		m.p.c = dx + at * w->in;
		ts_spread(threads, pack_part, &packing);
		ts_spread(threads, dx_part, &m);
	}
}

static void embed(struct ts_backend *b, real *y, const int32_t *ids, const struct ts_weight *w, size_t rows)
{
	(void)b;
	for (size_t r = 0; r < rows; r++, y += w->in) {
		size_t id = (size_t)ids[r], lane = id % 16;
		const void *panel = TS_NAME(panel)(w, id - lane);
		if (w->dtype == TS_F32)
			for (size_t i = 0; i < w->in; i++)
				y[i] = ((const real *)panel)[16 * i + lane];
		else if (w->dtype == TS_BF16)
			for (size_t i = 0; i < w->in; i++)
				y[i] = (real)ts_bf16_to_f32(((const uint16_t *)panel)[16 * i + lane]);
		else
			for (size_t i = 0; i < w->in; i++)
				y[i] = (real)ts_f16_to_f32(((const uint16_t *)panel)[16 * i + lane]);
	}
}

void TS_NAME(fill_gemm)(struct ts_kernels *k)
{
	k->matmul = matmul;
	k->matmul_dx = matmul_dx;
	k->embed = embed;
}
