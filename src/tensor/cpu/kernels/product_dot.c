/* The product of class bf16dot (docs/contracts.md section 1), in place of product.c: A is rounded to bf16 (nearest, ties to even), B is bf16,
 * and both are read in pairs of terms, as hardware takes them: v_dot(sum, x, w) = fma(x0, w0, fma(x1, w1, sum)), where what is below the
 * smallest normal number counts as 0, before and after each step. Terms beyond an odd k are 0.
 *
 * B lies in pairs of rows, sixteen columns of [pair][16][2] beside each other; row_step is that of a pair. A_BLOCKS: [block][pair][row]
 * of pairs, in the memory of the reals that were packed. A_ROWS is rounded piece by piece on the way. A_COLUMNS, f32 and f16 B do not exist
 * in this class. */
#include "tensor/cpu/kernels/product.h"
#include "tensor/cpu/kernels/pack.h"
#include "tensor/cpu/kernels/vec.h"

enum { MAX_ROWS = 12, MAX_ACCUMULATORS = 24, PIECE = 512, PREFETCH_BYTES = 3072 };

struct tile {
	real *c;
	size_t ldc;
	const uint32_t *a; /* [pair][rows] */
	const uint16_t *b;
	size_t panel_step, row_step; /* in halves */
	size_t pairs;
	bool odd; /* one more term, whose neighbour in B may be anything */
	const real *bias;
	bool accumulate;
};

INLINE void run_tile(const struct tile *t, const int rows, const int panels)
{
	v16 sum[MAX_ACCUMULATORS];
	UNROLL
	for (int i = 0; i < rows * panels; i++)
		sum[i] = t->accumulate ? v_load(t->c + (size_t)(i / panels) * t->ldc + 16 * (i % panels)) : v_zero();
	const uint32_t *a = t->a;
	const uint16_t *b = t->b;
	size_t panel_step = t->panel_step, row_step = t->row_step, ahead = PREFETCH_BYTES / 2, turn = ahead / row_step;
	for (size_t left = t->pairs; left; left--) {
		if (left == turn) /* the panels' ends are on their way: those that follow come next */
			ahead += (size_t)(panels - 1) * panel_step;
		UNROLL
		for (int p = 0; p < panels; p++)
			__builtin_prefetch(b + (size_t)p * panel_step + ahead);
		UNROLL
		for (int r = 0; r < rows; r++) {
			UNROLL
			for (int p = 0; p < panels; p++)
				sum[r * panels + p] = v_dot(sum[r * panels + p], a[r], b + (size_t)p * panel_step);
		}
		a += rows;
		b += row_step;
	}
	if (t->odd) {
		UNROLL
		for (int i = 0; i < rows * panels; i++)
			sum[i] = v_dot_even(sum[i], a[i / panels], b + (size_t)(i % panels) * panel_step);
	}
	UNROLL
	for (int i = 0; i < rows * panels; i++) {
		v16 s = sum[i];
		if (t->bias)
			s = v_add(s, v_load(t->bias + 16 * (i % panels)));
		v_store(t->c + (size_t)(i / panels) * t->ldc + 16 * (i % panels), s);
	}
}

#define TILE(rows, panels)                                                                                                                 \
	case (rows) * 16 + (panels):                                                                                                       \
		if ((rows) <= V_ROWS && (panels) <= V_PANELS(rows))                                                                        \
			run_tile(t, rows, panels);                                                                                         \
		break;
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 4) TILE(rows, 8)

static void choose_tile(const struct tile *t, size_t rows, size_t panels)
{
	switch (rows * 16 + panels) {
		TILES(1)
		TILES(2)
		TILES(3)
		TILES(4)
		TILES(5)
		TILES(6)
		TILES(7)
		TILES(8)
		TILES(9)
		TILES(10)
		TILES(11)
		TILES(12)
	default:
		break;
	}
}

/* Columns that do not fill the last panel go through a small copy. */
static void run_narrow(struct tile t, size_t rows, size_t cols)
{
	real copy[MAX_ROWS * 16] = {0}, bias[16] = {0}, *c = t.c;
	size_t ldc = t.ldc;
	for (size_t r = 0; t.accumulate && r < rows; r++)
		memcpy(copy + r * 16, c + r * ldc, cols * sizeof(real));
	if (t.bias) {
		memcpy(bias, t.bias, cols * sizeof(real));
		t.bias = bias;
	}
	t.c = copy;
	t.ldc = 16;
	choose_tile(&t, rows, 1);
	for (size_t r = 0; r < rows; r++)
		memcpy(c + r * ldc, copy + r * 16, cols * sizeof(real));
}

/* to[pair][rows] = the terms [at, at + k) of each row, rounded */
static void round_rows(uint32_t *to, const void *const *from, size_t rows, size_t at, size_t k)
{
	enum { TERMS = 1056 };
	uint16_t rounded[MAX_ROWS * TERMS];
	const void *lines[MAX_ROWS];
	for (size_t r = 0; r < rows; r++)
		lines[r] = rounded + r * TERMS;
	for (size_t first = 0, n; first < k; first += n, to += n / 2 * rows) {
		n = k - first < TERMS ? k - first : TERMS;
		for (size_t r = 0; r < rows; r++) {
			const real *x = (const real *)from[r] + at + first;
			size_t i = 0;
			for (; i + 16 <= n; i += 16)
				v_round(rounded + r * TERMS + i, x + i);
			for (; i < n; i++)
				rounded[r * TERMS + i] = (uint16_t)v_round_(x[i]);
			if (n % 2)
				rounded[r * TERMS + n] = 0;
		}
		pack_rows(to, lines, rows, (n + 1) / 2);
	}
}

/* One block of rows of A, times the columns [j, j + 16 panels) of B. */
static void run_columns(const struct ts_product *p, struct tile t, size_t row, size_t rows, size_t j, size_t panels)
{
	t.c = p->c + row * p->ldc + j;
	t.b += j / 16 * t.panel_step;
	t.bias = t.bias ? t.bias + j : NULL;
	if (j + 16 > p->cols)
		run_narrow(t, rows, p->cols - j);
	else
		choose_tile(&t, rows, panels);
}

static void product_blocks(const struct ts_product *p, struct tile t, size_t blocks)
{
	size_t panels = V_PANELS(block_rows(p->rows, blocks, 0));
	const uint32_t *a = (const uint32_t *)(const void *)p->a;
	t.bias = p->bias;
	t.accumulate = p->accumulate;
	t.pairs = p->k / 2;
	t.odd = p->k % 2;
	for (size_t j = 0; j < p->cols; j += 16 * panels) {
		while (panels > 1 && j + 16 * panels > p->cols)
			panels /= 2;
		for (size_t block = 0, row = 0, rows; block < blocks; block++, row += rows) {
			rows = block_rows(p->rows, blocks, block);
			t.a = a + row * ((p->lda + 1) / 2) + p->from / 2 * rows;
			run_columns(p, t, row, rows, j, panels);
		}
	}
}

static void product_rows(const struct ts_product *p, struct tile t, size_t blocks)
{
	uint32_t rounded[MAX_ROWS * PIECE / 2];
	const uint16_t *b = t.b;
	t.a = rounded;
	for (size_t block = 0, row = 0, rows; block < blocks; block++, row += rows) {
		const void *from[MAX_ROWS];
		rows = block_rows(p->rows, blocks, block);
		for (size_t r = 0; r < rows; r++)
			from[r] = p->a + (row + r) * p->lda;
		size_t piece = rows <= MAX_ROWS / 4 ? 4 * PIECE : PIECE; /* what `rounded` holds */
		for (size_t at = 0; at < p->k; at += piece) {
			size_t k = p->k - at < piece ? p->k - at : piece, panels = V_PANELS(rows);
			round_rows(rounded, from, rows, at, k);
			t.b = b + at / 2 * t.row_step;
			t.pairs = k / 2;
			t.odd = k % 2;
			t.bias = at + k == p->k ? p->bias : NULL;
			t.accumulate = at || p->accumulate;
			for (size_t j = 0; j < p->cols; j += 16 * panels) {
				while (panels > 1 && j + 16 * panels > p->cols)
					panels /= 2;
				run_columns(p, t, row, rows, j, panels);
			}
		}
	}
}

void TS_NAME(product)(const struct ts_product *p)
{
	struct tile t = {.ldc = p->ldc, .b = p->b, .panel_step = p->panel_step, .row_step = p->row_step};
	size_t blocks = block_count(p->rows);
	if (p->layout == A_BLOCKS)
		product_blocks(p, t, blocks);
	else
		product_rows(p, t, blocks);
}

void TS_NAME(pack_blocks)(real *to, const real *x, size_t ldx, const size_t *row, size_t rows, size_t k, size_t first, size_t last)
{
	size_t blocks = block_count(rows);
	for (size_t block = 0, begin = 0, n; block < blocks; block++, begin += n) {
		n = block_rows(rows, blocks, block);
		if (begin < first || begin >= last)
			continue;
		const void *from[MAX_ROWS];
		for (size_t r = 0; r < n; r++)
			from[r] = x + (row ? row[begin + r] : begin + r) * ldx;
		round_rows((uint32_t *)(void *)to + begin * ((k + 1) / 2), from, n, 0, k);
	}
}
