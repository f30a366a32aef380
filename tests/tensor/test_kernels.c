/* Every operation, on every instruction set that this machine has and with 1 and 2 threads: the same bits as the plain kernels with one
 * thread; and the plain ones near the naive formulas in double. A case makes its inputs, runs one operation, and leaves all outputs. */
#include "tensor/fixture.h"
#include "tensor/naive.h"

#include <math.h>

struct outputs {
	float *data;
	size_t n;
	double *expected; /* NULL = only compared between backends; filled by the plain run */
	double tolerance;
};

struct shape {
	size_t rows, out, in, extra, rank;
	enum ts_dtype type;
	float p;
};

static void run_vocab(struct ts_backend *, const struct shape *, struct outputs *, bool);

typedef void (*case_fn)(struct ts_backend *, const struct shape *, struct outputs *, bool reference);

static const struct {
	enum ts_isa isa;
	int threads;
	bool lowered; /* the tiles of AVX-512 over AVX2 */
} others[] = {{TS_ISA_PLAIN, 2, false},  {TS_ISA_AVX2, 1, false},   {TS_ISA_AVX2, 2, false}, {TS_ISA_AVX2, 1, true}, {TS_ISA_AVX2, 2, true},
	      {TS_ISA_AVX512, 1, false}, {TS_ISA_AVX512, 2, false}, {TS_ISA_NEON, 1, false}, {TS_ISA_NEON, 2, false}};

static struct ts_backend *plain, *compared[COUNT(others)];
/* Class bf16dot: the model of the instruction, and what this machine has of the instruction. */
static struct ts_backend *dot_model, *dots[3];

static struct ts_backend *open_dot(enum ts_isa isa, int threads)
{
	struct ts_backend *b = ts_isa_available(isa) ? backend(isa, threads) : NULL;
	struct ts_error err;
	if (b && !ts_backend_use_bf16dot(b, &err))
		return b;
	ts_backend_free(b);
	return NULL;
}

static int open_backends(void **state)
{
	plain = backend(TS_ISA_PLAIN, 1);
	dot_model = open_dot(TS_ISA_PLAIN, 1);
	dots[0] = open_dot(TS_ISA_PLAIN, 2);
	for (int threads = 1; threads <= 2; threads++)
		dots[threads] = open_dot(TS_ISA_AVX512, threads);
	if (!dots[1])
		print_message("skipped: this machine has no AVX-512-BF16\n");
	for (size_t i = 0; i < COUNT(others); i++) {
		if (ts_isa_available(others[i].isa))
			compared[i] = backend(others[i].isa, others[i].threads);
		else if (others[i].threads == 1)
			print_message("skipped: this machine has no %s\n", ts_isa_name(others[i].isa));
#ifdef __x86_64__
		if (compared[i] && others[i].lowered) {
			struct ts_kernels k;
			ts_kernels_lowered(&k);
			ts_cpu_use(&((struct ts_cpu *)compared[i]->state)->ops, &k);
			strcpy(compared[i]->name, "cpu/lowered");
		}
#endif
	}
	return 0;
}

static int close_backends(void **state)
{
	ts_backend_free(plain);
	ts_backend_free(dot_model);
	for (size_t i = 0; i < COUNT(dots); i++)
		ts_backend_free(dots[i]);
	for (size_t i = 0; i < COUNT(others); i++)
		ts_backend_free(compared[i]);
	return 0;
}

static void check_among(const char *what, case_fn run, const struct shape *s, struct ts_backend *model, struct ts_backend *const *backends,
			size_t count, double tolerance)
{
	struct outputs a = {0};
	char name[160];
	snprintf(name, sizeof(name), "%s rows %zu out %zu in %zu extra %zu rank %zu %s", what, s->rows, s->out, s->in, s->extra, s->rank,
		 ts_dtype_name(s->type));
	run(model, s, &a, true);
	if (a.expected)
		assert_near(name, a.expected, a.data, a.n, tolerance > a.tolerance ? tolerance : a.tolerance);
	for (size_t i = 0; i < count; i++) {
		struct outputs b = {0};
		char where[64];
		if (!backends[i])
			continue;
		snprintf(where, sizeof(where), "%s, %d threads", backends[i]->name, backends[i]->threads);
		run(backends[i], s, &b, false);
		assert_int_equal(a.n, b.n);
		assert_same_bits(name, where, a.data, b.data, a.n);
		free(b.data);
	}
	free(a.data);
	free(a.expected);
}

static void check(const char *what, case_fn run, const struct shape *s)
{
	check_among(what, run, s, plain, compared, COUNT(compared), 0);
}

static void run_matmul(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t first = s->extra, count = s->out, total = first + count + 5;
	float *x = numbers(s->rows * s->in, 1, 1), *w = numbers(total * s->in, 2, 0.1), *bias = numbers(count, 3, 1),
	      *wide = malloc(total * s->in * 4);
	struct ts_weight *packed = weight(b, w, s->type, total, s->in, wide);
	const float *used_bias = s->rows % 2 ? bias : NULL;
	size_t ldy = count + 3;
	*o = (struct outputs){.data = numbers(s->rows * ldy, 4, 1), .n = s->rows * ldy, .tolerance = 1e-5};
	if (reference) {
		double *dx = widened(x, s->rows * s->in), *dw = widened(wide, total * s->in), *db = widened(bias, count);
		double *y = malloc((s->rows * count + 1) * sizeof(*y));
		o->expected = widened(o->data, o->n);
		naive_matmul(y, dx, dw + first * s->in, used_bias ? db : NULL, s->rows, count, s->in);
		for (size_t i = 0; i < s->rows * count; i++)
			o->expected[i / count * ldy + i % count] = y[i];
		free(dx), free(dw), free(db), free(y);
	}
	b->ops->matmul(b, o->data, ldy, x, packed, first, count, used_bias, s->rows);
	b->ops->weight_free(b, packed);
	free(x), free(w), free(bias), free(wide);
}

static void run_matmul_dx(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t first = s->extra, count = s->out, total = first + count + 5, ldy = count + 2;
	bool accumulate = s->rows % 2;
	float *dy = numbers(s->rows * ldy, 1, 1), *w = numbers(total * s->in, 2, 0.1), *wide = malloc(total * s->in * 4);
	struct ts_weight *packed = weight(b, w, s->type, total, s->in, wide);
	*o = (struct outputs){.data = numbers(s->rows * s->in, 4, 1), .n = s->rows * s->in, .tolerance = 1e-5};
	if (reference) {
		o->expected = widened(o->data, o->n);
		for (size_t i = 0; i < o->n; i++) {
			size_t r = i / s->in, k = i % s->in;
			o->expected[i] = accumulate ? o->expected[i] : 0;
			for (size_t n = 0; n < count; n++)
				o->expected[i] += (double)dy[r * ldy + n] * (double)wide[(first + n) * s->in + k];
		}
	}
	b->ops->matmul_dx(b, o->data, dy, ldy, packed, first, count, s->rows, accumulate);
	b->ops->weight_free(b, packed);
	free(dy), free(w), free(wide);
}

static void matmul_cases(void **state)
{
	const size_t rows[] = {1, 2, 3, 5, 7, 11, 12, 13, 17, 25, 33, 70}, outs[] = {1, 2, 15, 16, 17, 33, 96}, ins[] = {1, 15, 33, 96};
	const enum ts_dtype types[] = {TS_F32, TS_BF16, TS_F16};
	size_t n = 0;
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t o = 0; o < COUNT(outs); o++)
			for (size_t i = 0; i < COUNT(ins); i++, n++) {
				struct shape s = {.rows = rows[r], .out = outs[o], .in = ins[i], .extra = n % 3 * 16, .type = types[n % 3]};
				check("matmul", run_matmul, &s);
				check("matmul_dx", run_matmul_dx, &s);
			}
	uint64_t random = 7;
	for (int i = 0; i < 60; i++) {
		size_t d[4];
		for (int j = 0; j < 4; j++)
			d[j] = (size_t)((next_number(&random) + 1) * (j < 3 ? 80 : 1.5)) + (j < 3);
		struct shape s = {.rows = d[0], .out = d[1], .in = d[2], .extra = d[3] * 16, .type = types[i % 3]};
		check("matmul", run_matmul, &s);
		check("matmul_dx", run_matmul_dx, &s);
	}
	for (size_t t = 0; t < 3; t++) { /* large enough for packing, for pieces of the sum and for threads */
		const struct shape large[] = {
			{.rows = 1, .out = 500, .in = 600, .type = types[t]},  {.rows = 70, .out = 530, .in = 65, .type = types[t]},
			{.rows = 140, .out = 40, .in = 520, .type = types[t]}, {.rows = 260, .out = 70, .in = 70, .type = types[t]},
			{.rows = 7, .out = 37, .in = 2101, .type = types[t]},  {.rows = 14, .out = 2090, .in = 45, .type = types[t]}};
		for (size_t i = 0; i < COUNT(large); i++) {
			check("matmul", run_matmul, &large[i]);
			check("matmul_dx", run_matmul_dx, &large[i]);
		}
	}
}

/* Numbers of every magnitude, subnormal ones and such that overflow among them. Four terms: the first pair gives the second a sum to add to. */
static void run_any_magnitude(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	uint64_t state = s->extra + 1;
	size_t in = 4, n = s->out * in;
	uint16_t *w = malloc(n * sizeof(*w));
	float x[8 * 4];
	struct ts_weight *packed;
	for (size_t i = 0; i < n; i++) {
		int bits = (int)((next_number(&state) + 1) * 0x8000);
		w[i] = (uint16_t)((bits & 0x7f80) == 0x7f80 ? bits & 0x80ff : bits);
	}
	for (size_t i = 0; i < COUNT(x); i++)
		x[i] = (float)ldexp(next_number(&state), (int)(next_number(&state) * 140));
	*o = (struct outputs){.n = 8 * s->out, .data = numbers(8 * s->out, 3, 1)};
	assert_int_equal(b->ops->weight_new(b, w, TS_BF16, s->out, in, &packed), 0);
	b->ops->matmul(b, o->data, s->out, x, packed, 0, s->out, NULL, 8);
	for (size_t i = 0; i < o->n; i++)
		if (o->data[i] != o->data[i])
			o->data[i] = 0; /* Inf - Inf: whose sign bit a NaN takes is not defined */
	b->ops->weight_free(b, packed);
	free(w);
}

/* The model rounds the left side and nothing else that shows at this tolerance; the instruction gives the model's bits. */
static void dot_cases(void **state)
{
	uint64_t random = 11;
	for (size_t i = 0; i < 60; i++) {
		size_t d[4];
		for (int j = 0; j < 4; j++)
			d[j] = (size_t)((next_number(&random) + 1) * (j < 3 ? 60 : 1.5)) + (j < 3);
		struct shape s = {.rows = d[0], .out = d[1], .in = d[2], .extra = d[3] * 16, .type = TS_BF16};
		check_among("bf16dot matmul", run_matmul, &s, dot_model, dots, COUNT(dots), 0.02);
		check_among("bf16dot matmul_dx", run_matmul_dx, &s, dot_model, dots, COUNT(dots), 0.02);
		check_among("bf16dot vocab", run_vocab, &s, dot_model, dots, COUNT(dots), 0.02);
	}
	const struct shape large[] = {{.rows = 1, .out = 100, .in = 1100}, {.rows = 3, .out = 64, .in = 523},
				      {.rows = 70, .out = 530, .in = 65},  {.rows = 140, .out = 40, .in = 520},
				      {.rows = 7, .out = 37, .in = 2101},  {.rows = 14, .out = 2090, .in = 45}};
	for (size_t i = 0; i < COUNT(large); i++) {
		struct shape s = large[i];
		s.type = TS_BF16;
		check_among("bf16dot matmul", run_matmul, &s, dot_model, dots, COUNT(dots), 0.02);
		check_among("bf16dot matmul_dx", run_matmul_dx, &s, dot_model, dots, COUNT(dots), 0.02);
	}
	for (size_t i = 0; i < 200; i++)
		check_among("bf16dot any magnitude", run_any_magnitude, &(struct shape){.out = 64, .extra = i}, dot_model, dots,
			    COUNT(dots), 0);
}

static void dot_refusals(void **state)
{
	struct ts_weight *w = NULL;
	float x[16] = {1};
	struct ts_error err;
	assert_int_equal(dot_model->ops->weight_new(dot_model, x, TS_F32, 1, 16, &w), TS_EUNSUPPORTED);
	if (!ts_isa_available(TS_ISA_AVX2))
		return;
	struct ts_backend *b = backend(TS_ISA_AVX2, 1);
	assert_int_equal(ts_backend_use_bf16dot(b, &err), TS_EUNSUPPORTED);
	assert_non_null(strstr(err.message, "AVX-512-BF16"));
	ts_backend_free(b);
}

static void run_embed(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	float *w = numbers(s->out * s->in, 1, 1), *wide = malloc(s->out * s->in * 4);
	struct ts_weight *packed = weight(b, w, s->type, s->out, s->in, wide);
	int32_t ids[64];
	*o = (struct outputs){.data = numbers(s->rows * s->in, 2, 1), .n = s->rows * s->in};
	for (size_t r = 0; r < s->rows; r++)
		ids[r] = (int32_t)((r * 7 + 3) % s->out);
	if (reference) {
		o->expected = widened(o->data, o->n);
		for (size_t i = 0; i < o->n; i++)
			o->expected[i] = wide[(size_t)ids[i / s->in] * s->in + i % s->in];
	}
	b->ops->embed(b, o->data, ids, packed, s->rows);
	b->ops->weight_free(b, packed);
	free(w), free(wide);
}

static void run_rmsnorm(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t n = s->rows * s->in;
	float *x = numbers(n, 1, 3), *w = numbers(s->in, 2, 1), *y = numbers(n, 3, 1), *dy = numbers(n, 4, 1), *dx = numbers(n, 5, 1);
	b->ops->rmsnorm(b, y, x, w, s->rows, s->in, 1e-5f);
	b->ops->rmsnorm_backward(b, dx, dy, x, w, s->rows, s->in, 1e-5f, s->rows % 2);
	*o = (struct outputs){.n = 2 * n, .data = malloc(2 * n * sizeof(float)), .tolerance = 3e-6};
	memcpy(o->data, y, n * sizeof(float));
	memcpy(o->data + n, dx, n * sizeof(float));
	if (reference) {
		double *wx = widened(x, n), *ww = widened(w, s->in);
		o->expected = widened(o->data, o->n); /* the gradient has its own test */
		naive_rmsnorm(o->expected, wx, ww, s->rows, s->in, (double)1e-5f);
		free(wx), free(ww);
	}
	free(x), free(w), free(y), free(dy), free(dx);
}

static void run_rope(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t half = s->in, heads = s->extra, n = s->rows * heads * 2 * half, m = s->rows * half;
	float *inverse = numbers(half, 1, 1);
	uint32_t positions[80];
	for (size_t r = 0; r < s->rows; r++)
		positions[r] = (uint32_t)(r * r * 37 + r);
	*o = (struct outputs){.n = n + 2 * m, .data = malloc((n + 2 * m) * sizeof(float)), .tolerance = 1e-6};
	float *x = numbers(n, 2, 2), *c = o->data + n, *sine = c + m;
	b->ops->rope_table(b, c, sine, positions, inverse, s->rows, half, 1.25f);
	if (reference) {
		double *wx = widened(x, n);
		o->expected = malloc(o->n * sizeof(double));
		for (size_t i = 0; i < m; i++) {
			float angle = (float)positions[i / half] * inverse[i % half];
			o->expected[n + i] = cos((double)angle) * 1.25;
			o->expected[n + m + i] = sin((double)angle) * 1.25;
		}
		memcpy(o->expected, wx, n * sizeof(double));
		naive_rope(o->expected, o->expected + n, o->expected + n + m, s->rows, heads, half);
		free(wx);
	}
	memcpy(o->data, x, n * sizeof(float));
	b->ops->rope(b, o->data, c, sine, s->rows, heads, half, false);
	if (reference) { /* turning back gives x times the square of the scale */
		float *back = malloc(n * sizeof(float));
		memcpy(back, o->data, n * sizeof(float));
		b->ops->rope(b, back, c, sine, s->rows, heads, half, true);
		for (size_t i = 0; i < n; i++)
			assert_true(fabs((double)back[i] - 1.5625 * (double)x[i]) < 1e-5);
		free(back);
	}
	free(x), free(inverse);
}

static void run_elementwise(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t n = s->in;
	float *gate = numbers(n, 1, 9), *up = numbers(n, 2, 2), *dy = numbers(n, 3, 1), *m = numbers(n, 4, 0.1), *v = numbers(n, 5, 0.01);
	for (size_t i = 0; i < n; i++)
		v[i] = v[i] < 0 ? -v[i] : v[i];
	if (n > 8)
		gate[3] = -100, gate[5] = 100, gate[7] = 0;
	*o = (struct outputs){.n = 8 * n, .data = malloc((8 * n + 1) * sizeof(float)), .tolerance = 1e-6};
	float *p[8];
	for (size_t i = 0; i < 8; i++)
		p[i] = o->data + i * n;
	b->ops->swiglu(b, p[0], gate, up, n);
	memcpy(p[2], dy, n * sizeof(float)); /* dup may be dy, as the model has it */
	b->ops->swiglu_backward(b, p[1], p[2], p[2], gate, up, n);
	memcpy(p[3], up, n * sizeof(float));
	b->ops->add(b, p[3], gate, n);
	memcpy(p[4], gate, n * sizeof(float));
	memcpy(p[5], m, n * sizeof(float));
	memcpy(p[6], v, n * sizeof(float));
	struct ts_adamw a = {.lr = 1e-2f,
			     .beta1 = 0.9,
			     .beta2 = 0.999,
			     .eps = 1e-8f,
			     .weight_decay = 0.1f,
			     .correction1 = 0.271f,
			     .correction2 = 0.002997f,
			     .grad_scale = 0.5f};
	b->ops->adamw(b, p[4], dy, p[5], p[6], n, &a);
	double squares = b->ops->sum_squares(b, gate, n), expected = 0;
	for (size_t i = 0; i < n; i++) {
		p[7][i] = (float)squares;
		expected += (double)gate[i] * (double)gate[i];
	}
	assert_true(fabs(squares - expected) <= 1e-12 * expected);
	if (reference) {
		double *wg = widened(gate, n), *wu = widened(up, n);
		o->expected = widened(o->data, o->n);
		naive_swiglu(o->expected, wg, wu, n);
		for (size_t i = 0; i < n; i++) {
			double g = 0.5 * (double)dy[i], em = 0.9 * (double)m[i] + 0.1 * g, ev = 0.999 * (double)v[i] + 0.001 * g * g;
			o->expected[3 * n + i] = wg[i] + wu[i];
			o->expected[4 * n + i] = wg[i] * (1 - 1e-3) - 1e-2 / 0.271 * em / (sqrt(ev) / sqrt(0.002997) + 1e-8);
			o->expected[5 * n + i] = em;
			o->expected[6 * n + i] = ev;
		}
		free(wg), free(wu);
	}
	free(gate), free(up), free(dy), free(m), free(v);
}

/* The first step is a step of the rate, whatever the gradient: the moments and their corrections are of one 1 - beta. */
static void adamw_first_step(void **state)
{
	(void)state;
	struct ts_backend *b = backend(TS_ISA_PLAIN, 1);
	float param[3] = {0}, m[3] = {0}, v[3] = {0}, grad[3] = {2, -0.5f, 100};
	struct ts_adamw a = {.lr = 1,
			     .beta1 = 0.9,
			     .beta2 = 0.999,
			     .eps = 1e-30f,
			     .correction1 = (float)(1 - 0.9),
			     .correction2 = (float)(1 - 0.999),
			     .grad_scale = 1};
	b->ops->adamw(b, param, grad, m, v, 3, &a);
	for (size_t i = 0; i < 3; i++) {
		double g = (double)grad[i];
		assert_true(fabs((double)param[i] + copysign(1, g)) < 5e-7);
		assert_true(fabs((double)m[i] / (0.1 * g) - 1) < 5e-7);
		assert_true(fabs((double)v[i] / (0.001 * g * g) - 1) < 5e-7);
	}
	ts_backend_free(b);
}

static void simple_cases(void **state)
{
	const size_t rows[] = {1, 2, 7, 33, 70}, dims[] = {1, 2, 12, 15, 16, 17, 33, 96, 130};
	const enum ts_dtype types[] = {TS_F32, TS_BF16, TS_F16};
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t d = 0; d < COUNT(dims); d++) {
			struct shape s = {
				.rows = rows[r] > 60 ? 60 : rows[r], .out = 41, .in = dims[d], .extra = 1 + d % 3, .type = types[d % 3]};
			check("embed", run_embed, &s);
			s.rows = rows[r];
			check("rmsnorm", run_rmsnorm, &s);
			check("rope", run_rope, &s);
		}
	check("rmsnorm", run_rmsnorm, &(struct shape){.rows = 300, .in = 700});
	check("rope", run_rope, &(struct shape){.rows = 70, .in = 64, .extra = 30});
	const size_t counts[] = {1, 2, 15, 16, 17, 1000, 60001};
	for (size_t i = 0; i < COUNT(counts); i++)
		check("elementwise", run_elementwise, &(struct shape){.in = counts[i]});
}

/* rows = length of the first of two sequences, out = heads, extra = kv heads, in = head_dim, rank = window */
static void run_attention(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t heads = s->out, kv = s->extra, dim = s->in, second = s->rows / 2 + 1, rows = s->rows + second, n = rows * heads * dim,
	       m = rows * kv * dim;
	float *q = numbers(n, 1, 2), *k = numbers(m, 2, 2), *v = numbers(m, 3, 1), *dout = numbers(n, 4, 1), *kept_k = malloc(m * 4),
	      *kept_v = malloc(m * 4);
	free(stored(k, m, s->type, kept_k));
	free(stored(v, m, s->type, kept_v));
	struct ts_kv_pool pool;
	int32_t pages[16] = {6, 2, 9, 4, 8, 0, 3, 1, 5, 7};
	struct ts_segment segments[2] = {{0, s->rows, 0, pages}, {s->rows, second, 0, pages + 5}};
	assert_int_equal(0, b->ops->kv_new(b, &pool, 2, (int)kv, (int)dim, 10, s->type));
	size_t total = 2 * n + rows * heads + 2 * m;
	*o = (struct outputs){.n = total, .data = malloc(total * sizeof(float)), .tolerance = 1e-5};
	float *out = o->data, *lse = out + n, *dq = lse + rows * heads, *dk = dq + n, *dv = dk + m;
	b->ops->kv_append(b, &pool, 1, k, v, segments, 2);
	b->ops->attention(b, out, lse, q, &pool, 1, heads, s->rank, segments, 2);
	b->ops->attention_backward(b, dq, dk, dv, dout, out, lse, q, kept_k, kept_v, heads, kv, dim, s->rank, segments, 2);
	if (reference) {
		double *wq = widened(q, n), *wk = widened(kept_k, m), *wv = widened(kept_v, m);
		o->expected = widened(o->data, o->n); /* the gradient has its own test */
		for (int i = 0; i < 2; i++)
			naive_attention(o->expected + segments[i].row * heads * dim, o->expected + n + segments[i].row * heads,
					wq + segments[i].row * heads * dim, wk + segments[i].row * kv * dim,
					wv + segments[i].row * kv * dim, segments[i].rows, heads, kv, dim, s->rank);
		free(wq), free(wk), free(wv);
	}
	b->ops->kv_free(b, &pool);
	free(q), free(k), free(v), free(dout), free(kept_k), free(kept_v);
}

static void attention_cases(void **state)
{
	const size_t rows[] = {1, 2, 17, 63, 64, 65, 130}, dims[] = {1, 8, 16, 24, 32, 40};
	const size_t heads[][2] = {{1, 1}, {4, 2}, {3, 3}, {6, 1}}, windows[] = {0, 1, 20, 70};
	size_t n = 0;
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t d = 0; d < COUNT(dims); d++, n++) {
			struct shape s = {.rows = rows[r],
					  .in = dims[d],
					  .out = heads[n % 4][0],
					  .extra = heads[n % 4][1],
					  .rank = windows[n / 2 % 4],
					  .type = n % 3 ? TS_F32 : TS_BF16};
			check("attention", run_attention, &s);
		}
	check("attention", run_attention, &(struct shape){.rows = 300, .in = 32, .out = 4, .extra = 2, .type = TS_BF16});
	check("attention", run_attention, &(struct shape){.rows = 20, .in = 256, .out = 2, .extra = 1, .type = TS_F32});
	check("attention", run_attention, &(struct shape){.rows = 130, .in = 256, .out = 2, .extra = 1, .rank = 100, .type = TS_F32});
	check("attention", run_attention, &(struct shape){.rows = 260, .in = 128, .out = 2, .extra = 1, .type = TS_F32});
	check("attention", run_attention, &(struct shape){.rows = 3, .in = 16, .out = 50, .extra = 1, .type = TS_F32});
}

/* Queries and probabilities are rounded to bf16, which shows at a tolerance above 2^-8 of scores of about 10. */
static void dot_attention_cases(void **state)
{
	const size_t rows[] = {1, 2, 17, 63, 64, 65, 130}, dims[] = {2, 8, 16, 24, 32, 128};
	const size_t heads[][2] = {{1, 1}, {4, 2}, {3, 3}, {6, 1}}, windows[] = {0, 1, 20, 69};
	size_t n = 0;
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t d = 0; d < COUNT(dims); d++, n++)
			for (int type = TS_F32; type <= TS_BF16; type++) {
				struct shape s = {.rows = rows[r],
						  .in = dims[d],
						  .out = heads[n % 4][0],
						  .extra = heads[n % 4][1],
						  .rank = windows[n / 2 % 4],
						  .type = (enum ts_dtype)type};
				check_among("bf16dot attention", run_attention, &s, dot_model, dots, COUNT(dots),
					    type == TS_F32 ? 0 : 0.05);
			}
	struct ts_kv_pool pool;
	assert_int_equal(dot_model->ops->kv_new(dot_model, &pool, 1, 1, 7, 1, TS_BF16), TS_EUNSUPPORTED); /* no pairs */
}

static struct ts_dropout dropout_for(size_t rows, float p, uint32_t *row_in_batch, uint32_t *position)
{
	for (size_t r = 0; r < rows; r++) {
		row_in_batch[r] = (uint32_t)(r / 10);
		position[r] = (uint32_t)(r % 10);
	}
	return (struct ts_dropout){.p = p,
				   .seed = 0x123456789abcdefu,
				   .step = 17,
				   .layer = 3,
				   .target = 2,
				   .row_in_batch = row_in_batch,
				   .position = position};
}

static void run_lora(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t rows = s->rows, in = s->in, out = s->out, rank = s->rank, ny = rows * out, nh = rows * rank, na = rank * in, nb = out * rank;
	float *x = numbers(rows * in, 1, 1), *a = numbers(na, 2, 0.3), *w = numbers(nb, 3, 0.3), *dy = numbers(ny, 4, 1);
	uint32_t row_in_batch[512], position[512];
	struct ts_dropout drop = dropout_for(rows, s->p, row_in_batch, position);
	size_t total = ny + nh + na + nb + rows * in;
	*o = (struct outputs){.n = total, .data = numbers(total, 5, 1), .tolerance = 1e-5 * (1 + (double)rank / 16)};
	float *y = o->data, *h = y + ny, *da = h + nh, *db = da + na, *dx = db + nb;
	if (reference) {
		double *wx = widened(x, rows * in), *wa = widened(a, na), *ww = widened(w, nb), *ey = widened(y, ny);
		naive_lora(ey, wx, wa, ww, rows, in, out, rank, 1.5, &drop);
		o->expected = ey;
		free(wx), free(wa), free(ww);
	}
	b->ops->lora(b, y, h, x, a, w, rows, in, out, rank, 1.5f, s->p > 0 ? &drop : NULL);
	b->ops->lora_backward(b, da, db, s->rows % 3 ? dx : NULL, dy, x, h, a, w, rows, in, out, rank, 1.5f, s->p > 0 ? &drop : NULL);
	if (reference) {
		double *all = widened(o->data, total);
		memcpy(all, o->expected, ny * sizeof(double));
		free(o->expected);
		o->expected = all;
	}
	free(x), free(a), free(w), free(dy);
}

static void lora_cases(void **state)
{
	const size_t rows[] = {1, 2, 6, 13, 70}, sizes[] = {1, 15, 33, 96, 150}, ranks[] = {1, 4, 8, 16, 17, 70};
	size_t n = 0;
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t i = 0; i < COUNT(sizes); i++)
			for (size_t k = 0; k < COUNT(ranks); k++, n++)
				check("lora", run_lora,
				      &(struct shape){.rows = rows[r],
						      .in = sizes[i],
						      .out = sizes[n % COUNT(sizes)],
						      .rank = ranks[k],
						      .p = n % 2 ? 0.25f : 0});
	check("lora", run_lora, &(struct shape){.rows = 300, .in = 96, .out = 128, .rank = 8, .p = 0.1f});
	check("lora", run_lora, &(struct shape){.rows = 7, .in = 600, .out = 600, .rank = 300, .p = 0.1f});
}

static void run_vocab(struct ts_backend *b, const struct shape *s, struct outputs *o, bool reference)
{
	size_t rows = s->rows, in = s->in, out = s->out;
	float *hidden = numbers(rows * in, 1, 1), *w = numbers(out * in, 2, 0.4), *wide = malloc(out * in * 4);
	struct ts_weight *packed = weight(b, w, s->type, out, in, wide);
	int32_t targets[128];
	for (size_t r = 0; r < rows; r++)
		targets[r] = r % 5 == 2 ? -1 : (int32_t)((r * 101 + 7) % out);
	*o = (struct outputs){.n = rows * (in + 2), .data = numbers(rows * (in + 2), 3, 1), .tolerance = 1e-5};
	float *lse = o->data, *picked = lse + rows, *mean = picked + rows;
	b->ops->vocab_forward(b, lse, picked, mean, hidden, packed, targets, rows);
	if (reference) {
		double *wh = widened(hidden, rows * in), *ww = widened(wide, out * in);
		o->expected = widened(o->data, o->n);
		naive_vocab(o->expected, o->expected + rows, o->expected + 2 * rows, wh, ww, targets, rows, out, in);
		free(wh), free(ww);
	}
	b->ops->weight_free(b, packed);
	free(hidden), free(w), free(wide);
}

static void vocab_cases(void **state)
{
	const size_t rows[] = {1, 2, 13, 70}, outs[] = {1, 17, 256, 257, 300}, ins[] = {1, 17, 64, 96};
	const enum ts_dtype types[] = {TS_F32, TS_BF16, TS_F16};
	size_t n = 0;
	for (size_t r = 0; r < COUNT(rows); r++)
		for (size_t o = 0; o < COUNT(outs); o++)
			for (size_t i = 0; i < COUNT(ins); i++, n++)
				check("vocab", run_vocab,
				      &(struct shape){.rows = rows[r], .out = outs[o], .in = ins[i], .type = types[n % 3]});
	check("vocab", run_vocab, &(struct shape){.rows = 20, .out = 1280, .in = 96, .type = TS_BF16});
	check("vocab", run_vocab, &(struct shape){.rows = 20, .out = 600, .in = 520, .type = TS_BF16});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matmul_cases),        cmocka_unit_test(dot_cases),    cmocka_unit_test(dot_refusals),
		cmocka_unit_test(dot_attention_cases), cmocka_unit_test(simple_cases), cmocka_unit_test(attention_cases),
		cmocka_unit_test(lora_cases),          cmocka_unit_test(vocab_cases),  cmocka_unit_test(adamw_first_step),
	};
	return cmocka_run_group_tests(tests, open_backends, close_backends);
}
