/* Products with frozen packed weights.
 * y = x W^T: panels are already what the product wants as B. dx = dy W: B is the other way round, so blocks of it are transposed into
 * scratch, each used for all rows. With many or wide rows x is first packed into blocks: its rows would fall on the same cache sets. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { PACK_WIDTH = 512, PACK_ROWS = 4, PACKED_MOST = 128, PACKED_MOST_DX = 256, PACKED_TERMS = 1024 };

/* One of the products of a left side. */
struct output {
	real *c;
	size_t ldc;
	const struct ts_weight *w;
	size_t first, count;
	const real *bias;
};

struct matmul {
	const struct ts_backend *b;
	struct ts_product p;
	const struct ts_weight *w;
	size_t first;
	const real *x;
	size_t ldx, row, rows, at, k; /* this round: rows [row, row + rows), terms [at, at + k) of the sum */
	bool by_rows;
};

void TS_NAME(use_weight)(struct ts_product *p, const struct ts_weight *w, size_t first, size_t k)
{
	p->type = w->dtype;
	p->pairs = w->dtype == TS_BF16;
	p->panel_step = ts_panel_size(w->dtype, w->in);
	p->row_step = p->pairs ? 32 : 16;
	p->b = (const char *)w->data + (first / 16 * p->panel_step + 16 * k) * v_elements_size(w->dtype);
}

static void pack_part(const void *argument, size_t i, size_t n)
{
	const struct matmul *m = argument;
	size_t first, last;
	ts_share(m->rows, 1, i, n, &first, &last);
	TS_NAME(pack_blocks)((real *)m->p.a, m->x + m->row * m->ldx + m->at, m->ldx, NULL, m->rows, m->k, first, last);
}

static void matmul_part(const void *argument, size_t i, size_t n)
{
	const struct matmul *m = argument;
	struct ts_product p = m->p;
	size_t first = 0, last;
	if (m->by_rows) {
		size_t row;
		ts_share(p.rows, V_ROWS, i, n, &row, &last);
		p.a += row * p.lda;
		p.c += row * p.ldc;
		p.rows = last - row;
	} else {
		ts_share(p.cols, 16 * 4, i, n, &first, &last);
		p.c += first;
		p.cols = last - first;
		p.bias = p.bias ? p.bias + first : NULL;
	}
	TS_NAME(use_weight)(&p, m->w, m->first + first, m->at);
	TS_NAME(product)(&p);
}

/* This round's rows and terms of one product. */
static void compute(struct matmul *m, const struct output *o, size_t threads, void (*part)(const void *, size_t, size_t))
{
	m->w = o->w;
	m->first = o->first;
	m->p.c = o->c + m->row * o->ldc;
	m->p.ldc = o->ldc;
	m->p.cols = o->count;
	m->p.bias = o->bias;
	ts_spread(threads, part, m);
}

/* All rounds over the rows: the terms of the sum in pieces whose left side stays in a cache near the core, each for all products. */
static void packed_rounds(struct matmul *m, const struct output *outs, size_t n, size_t threads, size_t pack, size_t rows, size_t terms,
			  void (*part)(const void *, size_t, size_t))
{
	size_t pieces = (terms + PACKED_TERMS - 1) / PACKED_TERMS, piece = (terms / pieces + 31) / 16 * 16;
	bool accumulate = m->p.accumulate;
	m->p.a = ((const struct ts_cpu *)m->b->state)->shared;
	m->p.layout = A_BLOCKS;
	for (; m->row < rows; m->row += m->rows) {
		m->p.rows = m->rows = rows - m->row < pack ? rows - m->row : pack;
		m->p.accumulate = accumulate;
		for (m->at = 0; m->at < terms; m->at += m->k) {
			m->p.k = m->p.lda = m->k = terms - m->at < piece ? terms - m->at : piece;
			ts_spread(threads, pack_part, m);
			for (size_t i = 0; i < n; i++) {
				struct output o = outs[i];
				if (m->at + m->k < terms)
					o.bias = NULL;
				compute(m, &o, threads, part);
			}
			m->p.accumulate = true;
		}
	}
}

/* Rows at a time that are packed, 0 = leave x as it is. */
static size_t packed_rows(const struct ts_backend *b, size_t rows, size_t width, size_t most)
{
	size_t terms = width < PACKED_TERMS + 16 ? width : PACKED_TERMS + 16, fit;
	if (rows < PACK_ROWS || width < PACK_WIDTH)
		return 0;
	fit = ((const struct ts_cpu *)b->state)->shared_count / terms;
	return fit < PACK_ROWS ? 0 : fit < most ? fit : most;
}

static void products(struct ts_backend *b, const struct output *outs, size_t n, const real *x, size_t in, size_t rows)
{
	size_t columns = 0;
	for (size_t i = 0; i < n; i++)
		columns += outs[i].count;
	struct matmul m = {.b = b, .x = x, .ldx = in, .p = {.a = x, .lda = in, .layout = A_ROWS, .rows = rows, .k = in}};
	size_t threads = ts_threads_for(b, rows * columns * in, SIZE_MAX), pack = packed_rows(b, rows, in, PACKED_MOST);
	if (pack) {
		packed_rounds(&m, outs, n, threads, pack, rows, in, matmul_part);
		return;
	}
	m.by_rows = rows >= 2 * V_ROWS * threads;
	for (size_t i = 0; i < n; i++)
		compute(&m, &outs[i], threads, matmul_part);
}

static void matmul(struct ts_backend *b, real *y, size_t ldy, const real *x, const struct ts_weight *w, size_t first, size_t count,
		   const real *bias, size_t rows)
{
	products(b, &(struct output){.c = y, .ldc = ldy, .w = w, .first = first, .count = count, .bias = bias}, 1, x, w->in, rows);
}

static void matmuls(struct ts_backend *b, const struct ts_product_out *out, size_t n, const real *x, size_t rows)
{
	struct output outs[TS_PRODUCTS];
	size_t in = out->weight->in;
	for (size_t i = 0; i < n; i++)
		outs[i] = (struct output){.c = (real *)(void *)out[i].y,
					  .ldc = out[i].weight->out,
					  .w = out[i].weight,
					  .count = out[i].weight->out,
					  .bias = (const real *)(const void *)out[i].bias};
	products(b, outs, n, x, in, rows);
}

#ifdef TS_DOT
/* A block of sixteen outputs and 32 inputs: to[output / 2][input][output % 2], the inputs from 16 on in the next panel. */
static void turn_to_pairs(uint16_t *low, uint16_t *high, const uint16_t *from)
{
	real turned[256];
	v_transpose(turned, 16, (const real *)(const void *)from, 16);
	for (size_t o = 0; o < 16; o += 2) {
		const uint16_t *even = (const uint16_t *)(const void *)(turned + 16 * o), *odd = even + 32;
		v_zip(low + 16 * o, even, odd);
		v_zip(high + 16 * o, even + 16, odd + 16);
	}
}

void TS_NAME(turn_panels)(real *to, const struct ts_weight *w, size_t first, size_t count, size_t column, size_t columns)
{
	uint16_t *halves = (uint16_t *)(void *)to, unused[256];
	size_t panel_size = ts_panel_size(w->dtype, w->in);
	for (size_t n = 0; n < count; n += 16) {
		const uint16_t *panel = (const uint16_t *)w->data + (first + n) / 16 * panel_size;
		for (size_t j = 0; j < columns; j += 32) {
			uint16_t *low = halves + j * TS_TURN_ROWS + 16 * n, *high = j + 16 < columns ? low + 16 * TS_TURN_ROWS : unused;
			size_t left = (w->in + 1 - column - j) / 2;
			uint16_t block[16 * 32] = {0};
			const uint16_t *from = panel + (column + j) * 16;
			if (left < 16)
				from = memcpy(block, from, left * 32 * sizeof(*from));
			turn_to_pairs(low, high, from);
		}
	}
}
#else
/* A block of sixteen outputs and 32 inputs that lies only partly inside the panel. */
static void turn_edge(real *low, real *high, const uint16_t *from, size_t pairs)
{
	uint16_t block[16 * 32] = {0};
	memcpy(block, from, pairs * 32 * sizeof(*from));
	v_turn_pairs(low, high, block);
}

static void turn_bf16(real *to, const uint16_t *panel, size_t inputs, size_t column, size_t columns)
{
	real unused[256];
	for (size_t j = 0; j < columns; j += 32) {
		real *low = to + j * TS_TURN_ROWS, *high = j + 16 < columns ? low + 16 * TS_TURN_ROWS : unused;
		const uint16_t *from = panel + (column + j) * 16;
		size_t left = (inputs + 1 - column - j) / 2;
		if (left >= 16)
			v_turn_pairs(low, high, from);
		else
			turn_edge(low, high, from, left);
	}
}

static void turn_wide(real *to, const void *panel, enum ts_dtype type, size_t column, size_t columns)
{
	for (size_t j = 0; j < columns; j += 16) {
		real wide[256];
		for (size_t i = 0; i < 16; i++) {
			size_t at = (column + j + i) * 16;
			v_store(wide + 16 * i, j + i >= columns ? v_zero()
					       : type == TS_F32 ? v_load((const real *)panel + at)
								: v_load_f16((const uint16_t *)panel + at));
		}
		v_transpose(to + j * TS_TURN_ROWS, 16, wide, 16);
	}
}

void TS_NAME(turn_panels)(real *to, const struct ts_weight *w, size_t first, size_t count, size_t column, size_t columns)
{
	size_t panel_bytes = ts_panel_size(w->dtype, w->in) * v_elements_size(w->dtype);
	for (size_t n = 0; n < count; n += 16) {
		const void *panel = (const char *)w->data + (first + n) / 16 * panel_bytes;
		if (w->dtype == TS_BF16)
			turn_bf16(to + 16 * n, panel, w->in, column, columns);
		else
			turn_wide(to + 16 * n, panel, w->dtype, column, columns);
	}
}
#endif

/* dx of this round's rows: for each block of columns the weights are turned once and serve all rows. */
static void dx_part(const void *argument, size_t thread, size_t n)
{
	const struct matmul *m = argument;
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
		for (size_t at = 0; at < m->k; at += TS_TURN_ROWS) {
			p.k = m->k - at < TS_TURN_ROWS ? m->k - at : TS_TURN_ROWS;
			TS_NAME(turn_panels)(turned, m->w, m->first + m->at + at, p.k, column, p.cols);
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
	struct matmul m = {.b = b,
			   .x = dy,
			   .ldx = ldy,
			   .k = count,
			   .p = {.a = dy,
				 .lda = ldy,
				 .layout = A_ROWS,
				 .panel_step = 16 * TS_TURN_ROWS,
				 .row_step = TS_TURNED_STEP,
				 .type = TS_F32,
				 .rows = rows,
				 .accumulate = accumulate}};
	struct output out = {.c = dx, .ldc = w->in, .w = w, .first = first, .count = w->in};
	size_t threads = ts_threads_for(b, rows * count * w->in, SIZE_MAX), pack = packed_rows(b, rows, count, PACKED_MOST_DX);
	if (pack) {
		packed_rounds(&m, &out, 1, threads, pack, rows, count, dx_part);
		return;
	}
	m.by_rows = rows >= 128 * threads;
	compute(&m, &out, threads, dx_part);
}

static void embed(struct ts_backend *b, real *y, const int32_t *ids, const struct ts_weight *w, size_t rows)
{
	(void)b;
	for (size_t r = 0; r < rows; r++, y += w->in) {
		size_t id = (size_t)ids[r], lane = id % 16, panel = id / 16 * ts_panel_size(w->dtype, w->in);
		if (w->dtype == TS_F32)
			for (size_t i = 0; i < w->in; i++)
				y[i] = ((const real *)w->data + panel)[16 * i + lane];
		else if (w->dtype == TS_BF16)
			for (size_t i = 0; i < w->in; i++)
				y[i] = (real)ts_bf16_to_f32(((const uint16_t *)w->data + panel)[(i / 2 * 16 + lane) * 2 + i % 2]);
		else
			for (size_t i = 0; i < w->in; i++)
				y[i] = (real)ts_f16_to_f32(((const uint16_t *)w->data + panel)[16 * i + lane]);
	}
}

void TS_NAME(fill_gemm)(struct ts_kernels *k)
{
	k->matmul = matmul;
	k->matmuls = matmuls;
	k->matmul_dx = matmul_dx;
	k->embed = embed;
}
