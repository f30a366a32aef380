/* SwiGLU, addition, AdamW, and the sum of squares: one element after another, threads take ranges. */
#include "tensor/cpu/kernels/gemm.h"
#include "tensor/cpu/kernels/threads.h"
#include "tensor/cpu/kernels/vec.h"

enum { ELEMENT_WORK = 8 }; /* an element's cost in multiply-adds, for the choice of threads */

struct arrays {
	real *out1, *out2, *out3;
	const real *in1, *in2, *in3;
	size_t n;
	const struct ts_adamw *adamw;
};

/* Loops over [first, last) in sixteens with LOAD and STORE that know the tail. */
#define LOAD(p)     (n == 16 ? v_load((p) + i) : v_load_n((p) + i, n))
#define STORE(p, v) (n == 16 ? v_store((p) + i, v) : v_store_n((p) + i, v, n))
#define EACH_SIXTEEN(total)                                                                                                                \
	size_t first, last;                                                                                                                \
	ts_share(total, 1024, thread, threads, &first, &last);                                                                             \
	for (size_t i = first, n; i < last && (n = last - i < 16 ? last - i : 16); i += 16)

static void spread(const struct ts_backend *b, void (*body)(const void *, size_t, size_t), const struct arrays *a)
{
	ts_spread(ts_threads_for(b, a->n * ELEMENT_WORK, (a->n + 1023) / 1024), body, a);
}

/* z / (1 + exp(-z)) */
static void swiglu_part(const void *argument, size_t thread, size_t threads)
{
	const struct arrays *a = argument;
	v16 one = v_set1(1);
	EACH_SIXTEEN(a->n)
	{
		v16 z = LOAD(a->in1);
		v16 silu = v_div(z, v_add(one, v_exp(v_sub(v_zero(), z))));
		STORE(a->out1, v_mul(silu, LOAD(a->in2)));
	}
}

static void swiglu(struct ts_backend *b, real *y, const real *gate, const real *up, size_t n)
{
	spread(b, swiglu_part, &(struct arrays){.out1 = y, .in1 = gate, .in2 = up, .n = n});
}

/* silu'(z) = s (1 + z (1 - s)), s = 1 / (1 + exp(-z)) */
static void swiglu_backward_part(const void *argument, size_t thread, size_t threads)
{
	const struct arrays *a = argument;
	v16 one = v_set1(1);
	EACH_SIXTEEN(a->n)
	{
		v16 z = LOAD(a->in1), up = LOAD(a->in2), dy = LOAD(a->in3);
		v16 s = v_div(one, v_add(one, v_exp(v_sub(v_zero(), z))));
		v16 slope = v_mul(s, v_fma(z, v_sub(one, s), one));
		STORE(a->out1, v_mul(v_mul(dy, up), slope));
		STORE(a->out2, v_mul(dy, v_mul(z, s)));
	}
}

static void swiglu_backward(struct ts_backend *b, real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
	spread(b, swiglu_backward_part, &(struct arrays){.out1 = dgate, .out2 = dup, .in1 = gate, .in2 = up, .in3 = dy, .n = n});
}

static void add_part(const void *argument, size_t thread, size_t threads)
{
	const struct arrays *a = argument;
	EACH_SIXTEEN(a->n)
	{
		STORE(a->out1, v_add(LOAD(a->out1), LOAD(a->in1)));
	}
}

static void add(struct ts_backend *b, real *y, const real *x, size_t n)
{
	spread(b, add_part, &(struct arrays){.out1 = y, .in1 = x, .n = n});
}

static void adamw_part(const void *argument, size_t thread, size_t threads)
{
	const struct arrays *a = argument;
	const struct ts_adamw *o = a->adamw;
	v16 keep = v_set1(1 - (real)o->lr * (real)o->weight_decay), scale = v_set1(o->grad_scale), b1 = v_set1((real)o->beta1),
	    b2 = v_set1((real)o->beta2);
	v16 rest1 = v_set1((real)(1 - o->beta1)), rest2 = v_set1((real)(1 - o->beta2)),
	    step = v_set1(-((real)o->lr / (real)o->correction1));
	v16 root = v_set1(r_sqrt((real)o->correction2)), eps = v_set1(o->eps);
	EACH_SIXTEEN(a->n)
	{
		v16 g = v_mul(LOAD(a->in1), scale);
		v16 m = v_fma(b1, LOAD(a->out2), v_mul(rest1, g));
		v16 v = v_fma(b2, LOAD(a->out3), v_mul(rest2, v_mul(g, g)));
		v16 denominator = v_add(v_div(v_sqrt(v), root), eps);
		STORE(a->out1, v_fma(step, v_div(m, denominator), v_mul(LOAD(a->out1), keep)));
		STORE(a->out2, m);
		STORE(a->out3, v);
	}
}

static void adamw(struct ts_backend *b, real *param, const real *grad, real *m, real *v, size_t n, const struct ts_adamw *o)
{
	spread(b, adamw_part, &(struct arrays){.out1 = param, .out2 = m, .out3 = v, .in1 = grad, .n = n, .adamw = o});
}

static double sum_squares(struct ts_backend *b, const real *x, size_t n)
{
	(void)b;
	double lanes[16] = {0};
	size_t i = 0;
	for (; i + 16 <= n; i += 16)
		for (size_t j = 0; j < 16; j++)
			lanes[j] += (double)x[i + j] * (double)x[i + j]; /* the product of two f32 is exact in double */
	for (size_t j = 0; i + j < n; j++)
		lanes[j] += (double)x[i + j] * (double)x[i + j];
	for (size_t step = 8; step; step /= 2)
		for (size_t j = 0; j < step; j++)
			lanes[j] += lanes[j + step];
	return lanes[0];
}

void TS_NAME(fill_elementwise)(struct ts_kernels *k)
{
	k->swiglu = swiglu;
	k->swiglu_backward = swiglu_backward;
	k->add = add;
	k->adamw = adamw;
	k->sum_squares = sum_squares;
}
