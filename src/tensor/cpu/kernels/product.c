/* Tiles of V_ROWS x V_PANELS accumulators. The tile's sizes, layout and number format are constants where the tile is inlined, so
 * that the accumulators become registers; a table of switches finds the right copy at run time. */
#include "tensor/cpu/kernels/product.h"

#include "tensor/cpu/kernels/pack.h"
#include "tensor/cpu/kernels/vec.h"

enum {
	MAX_ACCUMULATORS = 24,
	MAX_PANELS = 8,
	MAX_ROWS = 12,
	PREFETCH_BYTES = 3072, /* ahead in each panel: the best of 512 to 8192 for 1 to 64 rows (bench/kernels) */
};

struct tile {
	real *c;
	size_t ldc;
	const real *a;
	size_t lda;
	const char *b;
	size_t panel_bytes, row_bytes;
	size_t k;
	const real *bias;
	bool accumulate;
};

enum b_kind { B_F32, B_F16, B_BF16, B_PAIRS };

/* Step `k` (of a pair 0 or 1, else 0) of the tile: sixteen columns of one row of B in each panel, times that row of A. */
INLINE void multiply(v16 *sum, const real *a, size_t lda, const char *b, size_t panel_bytes, const int rows, const int panels,
		     const enum b_kind kind, const bool columns, const int k)
{
	v16 w[MAX_PANELS];
	UNROLL
	for (int p = 0; p < panels; p++) {
		const void *from = b + (size_t)p * panel_bytes;
		w[p] = kind == B_F32    ? v_load(from)
		       : kind == B_F16  ? v_load_f16(from)
		       : kind == B_BF16 ? v_load_bf16(from)
		       : k              ? v_load_odd(from)
					: v_load_even(from);
	}
	UNROLL
	for (int r = 0; r < rows; r++) {
		v16 x = v_set1(columns ? a[(size_t)k * lda + (size_t)r] : a[(size_t)r * lda + (size_t)k]);
		UNROLL
		for (int p = 0; p < panels; p++)
			sum[r * panels + p] = v_fma(x, w[p], sum[r * panels + p]);
	}
}

INLINE void run_tile(const struct tile *t, const int rows, const int panels, const enum b_kind kind, const bool columns)
{
	v16 sum[MAX_ACCUMULATORS];
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int p = 0; p < panels; p++)
			sum[r * panels + p] = v_zero();
	}
	if (t->accumulate) {
		UNROLL
		for (int r = 0; r < rows; r++) {
			UNROLL
			for (int p = 0; p < panels; p++)
				sum[r * panels + p] = v_load(t->c + (size_t)r * t->ldc + 16 * p);
		}
	}
	const real *a = t->a;
	const char *b = t->b;
	size_t lda = t->lda, panel_bytes = t->panel_bytes, row_bytes = t->row_bytes, ahead = PREFETCH_BYTES, turn = ahead / row_bytes;
	const size_t step = kind == B_PAIRS ? 2 : 1;
	for (size_t left = t->k / step; left; left--) {
		if (kind == B_PAIRS) {    /* weights come from memory */
			if (left == turn) /* the panels' ends are on their way: those that follow come next */
				ahead += (size_t)(panels - 1) * panel_bytes;
			UNROLL
			for (int p = 0; p < panels; p++)
				__builtin_prefetch(b + (size_t)p * panel_bytes + ahead);
		}
		multiply(sum, a, lda, b, panel_bytes, rows, panels, kind, columns, 0);
		if (kind == B_PAIRS)
			multiply(sum, a, lda, b, panel_bytes, rows, panels, kind, columns, 1);
		a += columns ? step * lda : step;
		b += row_bytes;
	}
	if (kind == B_PAIRS && t->k % 2)
		multiply(sum, a, lda, b, panel_bytes, rows, panels, kind, columns, 0);
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int p = 0; p < panels; p++) {
			v16 s = sum[r * panels + p];
			if (t->bias)
				s = v_add(s, v_load(t->bias + 16 * p));
			v_store(t->c + (size_t)r * t->ldc + 16 * p, s);
		}
	}
}

#define TILE(rows, panels)                                                                                                                 \
	case (rows) * 16 + (panels):                                                                                                       \
		if ((rows) <= V_ROWS && (panels) <= V_PANELS(rows))                                                                        \
			run_tile(t, rows, panels, kind, columns);                                                                          \
		break;
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 4) TILE(rows, 8)

INLINE void choose_tile(const struct tile *t, size_t rows, size_t panels, const enum b_kind kind, const bool columns)
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

#define CHOOSER(name, kind, columns)                                                                                                       \
	static void name(const struct tile *t, size_t rows, size_t panels)                                                                 \
	{                                                                                                                                  \
		choose_tile(t, rows, panels, kind, columns);                                                                               \
	}
CHOOSER(f32_rows, B_F32, false)
CHOOSER(f32_columns, B_F32, true)
CHOOSER(f16_rows, B_F16, false)
CHOOSER(f16_columns, B_F16, true)
CHOOSER(bf16_rows, B_BF16, false)
CHOOSER(bf16_columns, B_BF16, true)
CHOOSER(pairs_rows, B_PAIRS, false)
CHOOSER(pairs_columns, B_PAIRS, true)

/* Columns that do not fill the last panel go through a small copy, so that tiles only know whole ones. */
static void run_narrow(void (*run)(const struct tile *, size_t, size_t), struct tile t, size_t rows, size_t cols)
{
	real copy[MAX_ROWS * 16], bias[16] = {0}, *c = t.c;
	size_t ldc = t.ldc;
	for (size_t r = 0; r < rows; r++)
		for (size_t j = 0; j < 16; j++)
			copy[r * 16 + j] = t.accumulate && j < cols ? c[r * ldc + j] : 0;
	if (t.bias) {
		memcpy(bias, t.bias, cols * sizeof(real));
		t.bias = bias;
	}
	t.c = copy;
	t.ldc = 16;
	run(&t, rows, 1);
	for (size_t r = 0; r < rows; r++)
		memcpy(c + r * ldc, copy + r * 16, cols * sizeof(real));
}

void TS_NAME(product)(const struct ts_product *p)
{
	static void (*const choosers[][2])(const struct tile *, size_t, size_t) = {
		{f32_rows, f32_columns}, {f16_rows, f16_columns}, {bf16_rows, bf16_columns}, {pairs_rows, pairs_columns}};
	enum b_kind kind = p->pairs ? B_PAIRS : p->type == TS_F32 ? B_F32 : p->type == TS_F16 ? B_F16 : B_BF16;
	if (!p->rows)
		return;
	void (*run)(const struct tile *, size_t, size_t) = choosers[kind][p->layout != A_ROWS];
	size_t size = v_elements_size(p->type), blocks = block_count(p->rows), most = V_PANELS(block_rows(p->rows, blocks, 0));
	struct tile t = {.ldc = p->ldc,
			 .lda = p->lda,
			 .panel_bytes = p->panel_step * size,
			 .row_bytes = p->row_step * size,
			 .k = p->k,
			 .accumulate = p->accumulate};
	size_t panels = most;
	for (size_t j = 0; j < p->cols; j += 16 * panels) {
		while (panels > 1 && j + 16 * panels > p->cols)
			panels /= 2;
		t.b = (const char *)p->b + j / 16 * t.panel_bytes;
		t.bias = p->bias ? p->bias + j : NULL;
		for (size_t block = 0, row = 0, rows; block < blocks; block++, row += rows) {
			rows = block_rows(p->rows, blocks, block);
			t.c = p->c + row * p->ldc + j;
			if (p->layout == A_BLOCKS) {
				t.lda = rows;
				t.a = p->a + row * p->lda + p->from * rows;
			} else {
				t.a = p->layout == A_ROWS ? p->a + row * p->lda : p->a + row;
			}
			if (j + 16 > p->cols)
				run_narrow(run, t, rows, p->cols - j);
			else
				run(&t, rows, panels);
		}
	}
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
		pack_rows(to + begin * k, from, n, k);
	}
}

/* A block at the edge: missing rows are zeros, only `columns` of it are turned. */
static void transpose_edge(real *to, size_t ld_to, const real *from, size_t ld_from, size_t rows, size_t columns)
{
	real block[256], turned[256];
	for (size_t j = 0; j < 16; j++)
		v_store(block + 16 * j, j >= rows       ? v_zero()
					: columns == 16 ? v_load(from + j * ld_from)
							: v_load_n(from + j * ld_from, columns));
	v_transpose(turned, 16, block, 16);
	for (size_t i = 0; i < columns; i++)
		v_store(to + i * ld_to, v_load(turned + 16 * i));
}

void TS_NAME(transpose)(real *to, size_t ld_to, const real *from, size_t ld_from, size_t rows, size_t columns)
{
	for (size_t j = 0; j < rows; j += 16)
		for (size_t i = 0; i < columns; i += 16) {
			size_t high = rows - j < 16 ? rows - j : 16, wide = columns - i < 16 ? columns - i : 16;
			if (high == 16 && wide == 16)
				v_transpose(to + i * ld_to + j, ld_to, from + j * ld_from + i, ld_from);
			else
				transpose_edge(to + i * ld_to + j, ld_to, from + j * ld_from + i, ld_from, high, wide);
		}
}
