/* Backward operations against central finite differences of the naive formulas. The kernels are the very source of the program, compiled with
 * double (ts_kernels_plain64), so that the comparison is sharp: a wrong term cannot hide behind f32 rounding. */
#define TS_REAL_DOUBLE
#include "tensor/cpu/kernels/kernels.h"

#include "tensor/fixture.h"
#include "tensor/naive.h"

static struct ts_kernels kernels;
static struct ts_cpu cpu;
static struct ts_backend b = {.name = "cpu/plain64", .threads = 2, .state = &cpu};

static int set_up(void **state)
{
	ts_kernels_plain64(&kernels);
	cpu.shared_count = 1 << 18;
	cpu.shared = calloc(cpu.shared_count, sizeof(*cpu.shared));
	cpu.local = calloc((size_t)b.threads * TS_LOCAL, sizeof(*cpu.local));
	return !cpu.shared || !cpu.local;
}

static int tear_down(void **state)
{
	free(cpu.shared);
	free(cpu.local);
	return 0;
}

/* Big enough for every array here, and the names say what they are. */
struct problem {
	size_t rows, in, out, rank, heads, kv_heads, dim, window, half;
	double *x, *w, *a, *w_out, *q, *k, *v, *gate, *up, *cosines, *sines;
	double *c; /* loss = sum c_i y_i */
	double *y, *lse, *picked;
	const int32_t *targets;
	const struct ts_dropout *drop;
};

typedef double (*loss_fn)(struct problem *);

static double *randoms(size_t n, uint64_t seed, double scale)
{
	float *f = numbers(n, seed, scale);
	double *d = widened(f, n);
	free(f);
	return d;
}

static double weighted(const struct problem *p, size_t n)
{
	double s = 0;
	for (size_t i = 0; i < n; i++)
		s += p->c[i] * p->y[i];
	return s;
}

/* `gradient` of `loss` for input[0..n), at up to 150 places. */
static void check(const char *what, struct problem *p, loss_fn loss, double *input, const double *gradient, size_t n)
{
	const double step = 1e-5;
	double largest = 0;
	for (size_t i = 0; i < n; i += n / 150 + 1) {
		double kept = input[i];
		input[i] = kept + step;
		double above = loss(p);
		input[i] = kept - step;
		double below = loss(p), expected = (above - below) / (2 * step);
		input[i] = kept;
		largest = fmax(largest, fabs(expected));
		if (!(fabs(expected - gradient[i]) <= 1e-6 * (1 + fabs(expected))))
			fail_msg("%s: gradient %zu of %zu: finite difference %.12g, kernel %.12g", what, i, n, expected, gradient[i]);
	}
	assert_true(largest > 1e-3); /* all zero would compare equal and mean nothing */
}

/* A packed weight of doubles: TS_F32 means `real` to the kernels. */
static struct ts_weight packed(const double *w, size_t out, size_t in)
{
	double *data = calloc((out + 15) / 16 * 16 * in, sizeof(*data));
	for (size_t o = 0; o < out; o++)
		for (size_t k = 0; k < in; k++)
			data[(o / 16 * in + k) * 16 + o % 16] = w[o * in + k];
	return (struct ts_weight){TS_F32, out, in, data};
}

static double matmul_loss(struct problem *p)
{
	naive_matmul(p->y, p->x, p->w, NULL, p->rows, p->out, p->in);
	return weighted(p, p->rows * p->out);
}

static void matmul_gradient(void **state)
{
	struct problem p = {.rows = 7, .in = 37, .out = 45};
	p.x = randoms(p.rows * p.in, 1, 1);
	p.w = randoms(p.out * p.in, 2, 1);
	p.c = randoms(p.rows * p.out, 3, 1);
	p.y = randoms(p.rows * p.out, 4, 1);
	double *dx = randoms(p.rows * p.in, 5, 1), *again = calloc(p.rows * p.in, sizeof(*again));
	struct ts_weight w = packed(p.w, p.out, p.in);
	kernels.matmul_dx(&b, dx, p.c, p.out, &w, 0, p.out, p.rows, false);
	check("matmul_dx", &p, matmul_loss, p.x, dx, p.rows * p.in);
	kernels.matmul_dx(&b, again, p.c, p.out, &w, 0, 32, p.rows, true); /* two parts of the outputs make one chain */
	kernels.matmul_dx(&b, again, p.c + 32, p.out, &w, 32, 13, p.rows, true);
	assert_memory_equal(dx, again, p.rows * p.in * sizeof(*dx));
	free(p.x), free(p.w), free(p.c), free(p.y), free(dx), free(again), free(w.data);
}

static double rmsnorm_loss(struct problem *p)
{
	naive_rmsnorm(p->y, p->x, p->w, p->rows, p->in, (double)1e-3f);
	return weighted(p, p->rows * p->in);
}

static void rmsnorm_gradient(void **state)
{
	struct problem p = {.rows = 5, .in = 37};
	size_t n = p.rows * p.in;
	p.x = randoms(n, 1, 2);
	p.w = randoms(p.in, 2, 1);
	p.c = randoms(n, 3, 1);
	p.y = randoms(n, 4, 1);
	double *dx = randoms(n, 5, 1), *sum = randoms(n, 6, 1), *kept = randoms(n, 6, 1);
	kernels.rmsnorm_backward(&b, dx, p.c, p.x, p.w, p.rows, p.in, 1e-3f, false);
	check("rmsnorm_backward", &p, rmsnorm_loss, p.x, dx, n);
	kernels.rmsnorm_backward(&b, sum, p.c, p.x, p.w, p.rows, p.in, 1e-3f, true);
	for (size_t i = 0; i < n; i++)
		assert_true(sum[i] == kept[i] + dx[i]);
	memcpy(sum, p.c, n * sizeof(*sum));
	kernels.rmsnorm_backward(&b, sum, sum, p.x, p.w, p.rows, p.in, 1e-3f, false); /* dx may be dy */
	assert_memory_equal(sum, dx, n * sizeof(*sum));
	free(p.x), free(p.w), free(p.c), free(p.y), free(dx), free(sum), free(kept);
}

static double rope_loss(struct problem *p)
{
	memcpy(p->y, p->x, p->rows * p->heads * 2 * p->half * sizeof(double));
	naive_rope(p->y, p->cosines, p->sines, p->rows, p->heads, p->half);
	return weighted(p, p->rows * p->heads * 2 * p->half);
}

static void rope_gradient(void **state)
{
	struct problem p = {.rows = 4, .heads = 3, .half = 12};
	size_t n = p.rows * p.heads * 2 * p.half;
	p.x = randoms(n, 1, 1);
	p.c = randoms(n, 2, 1);
	p.y = randoms(n, 3, 1);
	p.cosines = randoms(p.rows * p.half, 4, 1);
	p.sines = randoms(p.rows * p.half, 5, 1);
	double *dx = randoms(n, 2, 1);
	kernels.rope(&b, dx, p.cosines, p.sines, p.rows, p.heads, p.half, true);
	check("rope inverse", &p, rope_loss, p.x, dx, n);
	free(p.x), free(p.c), free(p.y), free(p.cosines), free(p.sines), free(dx);
}

static double swiglu_loss(struct problem *p)
{
	naive_swiglu(p->y, p->gate, p->up, p->in);
	return weighted(p, p->in);
}

static void swiglu_gradient(void **state)
{
	struct problem p = {.in = 133};
	p.gate = randoms(p.in, 1, 6);
	p.up = randoms(p.in, 2, 2);
	p.c = randoms(p.in, 3, 1);
	p.y = randoms(p.in, 4, 1);
	double *dgate = randoms(p.in, 5, 1), *dup = randoms(p.in, 6, 1);
	kernels.swiglu_backward(&b, dgate, dup, p.c, p.gate, p.up, p.in);
	check("swiglu_backward gate", &p, swiglu_loss, p.gate, dgate, p.in);
	check("swiglu_backward up", &p, swiglu_loss, p.up, dup, p.in);
	free(p.gate), free(p.up), free(p.c), free(p.y), free(dgate), free(dup);
}

static double attention_loss(struct problem *p)
{
	naive_attention(p->y, p->lse, p->q, p->k, p->v, p->rows, p->heads, p->kv_heads, p->dim, p->window);
	return weighted(p, p->rows * p->heads * p->dim);
}

static void check_attention(size_t rows, size_t heads, size_t kv_heads, size_t dim, size_t window)
{
	struct problem p = {.rows = rows, .heads = heads, .kv_heads = kv_heads, .dim = dim, .window = window};
	size_t n = rows * heads * dim, m = rows * kv_heads * dim;
	p.q = randoms(n, 1, 2);
	p.k = randoms(m, 2, 2);
	p.v = randoms(m, 3, 1);
	p.c = randoms(n, 4, 1);
	p.y = randoms(n, 5, 1);
	p.lse = randoms(rows * heads, 6, 1);
	double *dq = randoms(n, 7, 1), *dk = randoms(m, 8, 1), *dv = randoms(m, 9, 1);
	struct ts_segment segment = {.rows = rows};
	attention_loss(&p); /* leaves out and lse */
	double *out = randoms(n, 5, 1), *lse = randoms(rows * heads, 6, 1);
	memcpy(out, p.y, n * sizeof(*out));
	memcpy(lse, p.lse, rows * heads * sizeof(*lse));
	kernels.attention_backward(&b, dq, dk, dv, p.c, out, lse, p.q, p.k, p.v, heads, kv_heads, dim, window, &segment, 1);
	check("attention_backward q", &p, attention_loss, p.q, dq, n);
	check("attention_backward k", &p, attention_loss, p.k, dk, m);
	check("attention_backward v", &p, attention_loss, p.v, dv, m);
	free(p.q), free(p.k), free(p.v), free(p.c), free(p.y), free(p.lse), free(dq), free(dk), free(dv), free(out), free(lse);
}

static void attention_gradient(void **state)
{
	check_attention(9, 4, 2, 8, 0);
	check_attention(70, 2, 1, 12, 0);
	check_attention(70, 2, 1, 12, 5);
	check_attention(131, 3, 3, 4, 66);
}

static double lora_loss(struct problem *p)
{
	memset(p->y, 0, p->rows * p->out * sizeof(double));
	naive_lora(p->y, p->x, p->a, p->w_out, p->rows, p->in, p->out, p->rank, 1.5, p->drop);
	return weighted(p, p->rows * p->out);
}

static void check_lora(size_t rows, size_t in, size_t out, size_t rank, float dropout)
{
	uint32_t row_in_batch[16], position[16];
	for (size_t r = 0; r < rows; r++) {
		row_in_batch[r] = (uint32_t)(r / 3);
		position[r] = (uint32_t)(r % 3);
	}
	struct ts_dropout drop = {
		.p = dropout, .seed = 99, .step = 5, .layer = 2, .target = 1, .row_in_batch = row_in_batch, .position = position};
	struct problem p = {.rows = rows, .in = in, .out = out, .rank = rank, .drop = &drop};
	p.x = randoms(rows * in, 1, 1);
	p.a = randoms(rank * in, 2, 1);
	p.w_out = randoms(out * rank, 3, 1);
	p.c = randoms(rows * out, 4, 1);
	p.y = calloc(rows * out, sizeof(double));
	double *h = randoms(rows * rank, 5, 1), *da = calloc(rank * in, sizeof(*da)), *db = calloc(out * rank, sizeof(*db));
	double *dx = calloc(rows * in, sizeof(*dx)), *y = calloc(rows * out, sizeof(*y));
	kernels.lora(&b, y, h, p.x, p.a, p.w_out, rows, in, out, rank, 1.5f, &drop);
	lora_loss(&p);
	for (size_t i = 0; i < rows * out; i++)
		assert_true(fabs(y[i] - p.y[i]) < 1e-6 * (1 + fabs(y[i])));
	kernels.lora_backward(&b, da, db, dx, p.c, p.x, h, p.a, p.w_out, rows, in, out, rank, 1.5f, &drop);
	check("lora_backward A", &p, lora_loss, p.a, da, rank * in);
	check("lora_backward B", &p, lora_loss, p.w_out, db, out * rank);
	check("lora_backward x", &p, lora_loss, p.x, dx, rows * in);
	free(p.x), free(p.a), free(p.w_out), free(p.c), free(p.y), free(h), free(da), free(db), free(dx), free(y);
}

static void lora_gradient(void **state)
{
	check_lora(5, 21, 18, 4, 0);
	check_lora(9, 140, 70, 17, 0);
	check_lora(9, 140, 70, 8, 0.25f);
}

static double lse_sum(struct problem *p)
{
	double s = 0;
	naive_vocab(p->lse, p->picked, NULL, p->x, p->w, p->targets, p->rows, p->out, p->in);
	for (size_t r = 0; r < p->rows; r++)
		s += p->lse[r];
	return s;
}

/* The mean of the vocabulary's rows is the gradient of lse. */
static void vocab_gradient(void **state)
{
	const int32_t targets[] = {3, -1, 256, 299, 0, -1, 255};
	struct problem p = {.rows = 7, .in = 19, .out = 300, .targets = targets};
	p.x = randoms(p.rows * p.in, 1, 1);
	p.w = randoms(p.out * p.in, 2, 1);
	p.lse = randoms(p.rows, 3, 1);
	p.picked = randoms(p.rows, 4, 1);
	double *lse = randoms(p.rows, 5, 1), *picked = randoms(p.rows, 6, 1), *mean = randoms(p.rows * p.in, 7, 1);
	struct ts_weight w = packed(p.w, p.out, p.in);
	kernels.vocab_forward(&b, lse, picked, mean, p.x, &w, targets, p.rows);
	lse_sum(&p);
	for (size_t r = 0; r < p.rows; r++)
		assert_true(fabs(lse[r] - p.lse[r]) < 1e-12 && fabs(picked[r] - p.picked[r]) < 1e-12);
	check("mean of the vocabulary", &p, lse_sum, p.x, mean, p.rows * p.in);
	free(p.x), free(p.w), free(p.lse), free(p.picked), free(lse), free(picked), free(mean), free(w.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matmul_gradient), cmocka_unit_test(rmsnorm_gradient),   cmocka_unit_test(rope_gradient),
		cmocka_unit_test(swiglu_gradient), cmocka_unit_test(attention_gradient), cmocka_unit_test(lora_gradient),
		cmocka_unit_test(vocab_gradient),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
