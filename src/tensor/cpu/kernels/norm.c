/* RMSNorm and rotary positions: row by row, threads take rows. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

struct rows_job {
	real *out, *out2;
	const real *in1, *in2, *weight;
	const uint32_t *positions;
	size_t rows, dim, heads;
	real eps;
	bool flag;
};

static void spread(const struct ts_backend *b, void (*body)(const void *, size_t, size_t), const struct rows_job *j, size_t work_per_row)
{
	ts_spread(ts_threads_for(b, j->rows * work_per_row, j->rows), body, j);
}

#define LOAD(p)             (n == 16 ? v_load((p) + i) : v_load_n((p) + i, n))
#define STORE(p, v)         (n == 16 ? v_store((p) + i, v) : v_store_n((p) + i, v, n))
#define EACH_SIXTEEN(total) for (size_t i = 0, n; i < (total) && (n = (total) - i < 16 ? (total) - i : 16); i += 16)

/* 1 / sqrt(mean(x^2) + eps) */
INLINE real inverse_root(const real *x, size_t dim, real eps)
{
	v16 sum = v_zero();
	EACH_SIXTEEN(dim)
	{
		v16 v = LOAD(x);
		sum = v_fma(v, v, sum);
	}
	return 1 / r_sqrt(v_sum(sum) / (real)dim + eps);
}

static void rmsnorm_part(const void *argument, size_t thread, size_t threads)
{
	const struct rows_job *j = argument;
	size_t first, last;
	ts_share(j->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row++) {
		const real *x = j->in1 + row * j->dim;
		real *y = j->out + row * j->dim;
		v16 r = v_set1(inverse_root(x, j->dim, j->eps));
		EACH_SIXTEEN(j->dim)
		{
			STORE(y, v_mul(v_mul(LOAD(x), r), LOAD(j->weight)));
		}
	}
}

static void rmsnorm(struct ts_backend *b, real *y, const real *x, const real *weight, size_t rows, size_t dim, float eps)
{
	spread(b, rmsnorm_part, &(struct rows_job){.out = y, .in1 = x, .weight = weight, .rows = rows, .dim = dim, .eps = eps}, 2 * dim);
}

/* dx = r g - x r^3 sum(g x) / dim, g = dy weight */
static void rmsnorm_backward_part(const void *argument, size_t thread, size_t threads)
{
	const struct rows_job *j = argument;
	size_t first, last, dim = j->dim;
	ts_share(j->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row++) {
		const real *x = j->in1 + row * dim, *dy = j->in2 + row * dim;
		real *dx = j->out + row * dim, r = inverse_root(x, dim, j->eps);
		v16 sum = v_zero();
		EACH_SIXTEEN(dim)
		{
			sum = v_fma(v_mul(LOAD(dy), LOAD(j->weight)), LOAD(x), sum);
		}
		v16 c = v_set1(-(r * r * r * (v_sum(sum) / (real)dim))), rr = v_set1(r);
		EACH_SIXTEEN(dim)
		{
			v16 d = v_fma(rr, v_mul(LOAD(dy), LOAD(j->weight)), v_mul(LOAD(x), c));
			STORE(dx, j->flag ? v_add(LOAD(dx), d) : d);
		}
	}
}

static void rmsnorm_backward(struct ts_backend *b, real *dx, const real *dy, const real *x, const real *weight, size_t rows, size_t dim,
			     float eps, bool accumulate)
{
	spread(b, rmsnorm_backward_part,
	       &(struct rows_job){
		       .out = dx, .in1 = x, .in2 = dy, .weight = weight, .rows = rows, .dim = dim, .eps = eps, .flag = accumulate},
	       4 * dim);
}

/* The angle is rounded to f32, as the reference does; its sine and cosine are rounded once more from double. */
static void rope_table_part(const void *argument, size_t thread, size_t threads)
{
	const struct rows_job *j = argument;
	size_t first, last;
	ts_share(j->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row++) {
		real position = (real)(float)j->positions[row];
		for (size_t i = 0; i < j->dim; i++) {
			double s, c;
			ts_sincos_inline((double)(position * j->in1[i]), &s, &c);
			j->out[row * j->dim + i] = (real)c * j->eps;
			j->out2[row * j->dim + i] = (real)s * j->eps;
		}
	}
}

static void rope_table(struct ts_backend *b, real *cosines, real *sines, const uint32_t *positions, const real *inv_freq, size_t rows,
		       size_t half, float scale)
{
	spread(b, rope_table_part,
	       &(struct rows_job){
		       .out = cosines, .out2 = sines, .in1 = inv_freq, .positions = positions, .rows = rows, .dim = half, .eps = scale},
	       100 * half);
}

static void rope_part(const void *argument, size_t thread, size_t threads)
{
	const struct rows_job *j = argument;
	size_t first, last, half = j->dim;
	ts_share(j->rows, 1, thread, threads, &first, &last);
	for (size_t row = first; row < last; row++) {
		const real *cosines = j->in1 + row * half, *sines = j->in2 + row * half;
		for (size_t h = 0; h < j->heads; h++) {
			real *x = j->out + (row * j->heads + h) * 2 * half;
			EACH_SIXTEEN(half)
			{
				v16 a = LOAD(x), b = LOAD(x + half), c = LOAD(cosines), s = LOAD(sines);
				if (j->flag)
					s = v_sub(v_zero(), s);
				STORE(x, v_sub(v_mul(a, c), v_mul(b, s)));
				STORE(x + half, v_add(v_mul(b, c), v_mul(a, s)));
			}
		}
	}
}

static void rope(struct ts_backend *b, real *x, const real *cosines, const real *sines, size_t rows, size_t heads, size_t half,
		 bool inverse)
{
	spread(b, rope_part,
	       &(struct rows_job){.out = x, .in1 = cosines, .in2 = sines, .rows = rows, .dim = half, .heads = heads, .flag = inverse},
	       4 * heads * half);
}

void TS_NAME(fill_norm)(struct ts_kernels *k)
{
	k->rmsnorm = rmsnorm;
	k->rmsnorm_backward = rmsnorm_backward;
	k->rope_table = rope_table;
	k->rope = rope;
}
