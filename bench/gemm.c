/* Speed of the matrix products: GFLOP/s (a multiply-add counts two) of y = x W^T and dx = dy W.
 *
 *     build/<preset>/bench/gemm            all instruction sets of this machine but plain
 *     build/<preset>/bench/gemm avx2       one of them
 *
 * A figure is the best of several runs of about 20 ms, so that a busy machine disturbs it little. */
#include "tensor/backend.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct problem {
	struct ts_backend *b;
	struct ts_weight *w;
	float *x, *y;
	size_t rows, out, in;
	bool backward;
};

static void work(const struct problem *p)
{
	if (p->backward)
		p->b->ops->matmul_dx(p->b, p->x, p->y, p->out, p->w, 0, p->out, p->rows, false);
	else
		p->b->ops->matmul(p->b, p->y, p->out, p->x, p->w, 0, p->out, NULL, p->rows);
}

static double seconds(const struct problem *p)
{
	double best = 1e9;
	size_t calls = 1;
	for (int round = 0; round < 12; round++) {
		double start = now();
		for (size_t i = 0; i < calls; i++)
			work(p);
		double took = now() - start;
		if (took < 0.02) {
			calls *= 2;
			round--;
			continue;
		}
		if (took / (double)calls < best)
			best = took / (double)calls;
	}
	return best;
}

static struct ts_weight *weight(struct ts_backend *b, enum ts_dtype type, size_t out, size_t in)
{
	size_t n = out * in;
	unsigned char *bytes = calloc(n, ts_dtype_size(type));
	struct ts_weight *w = NULL;
	for (size_t i = 0; bytes && i < n; i++) {
		float f = (float)(i % 255) / 255.0f - 0.5f;
		uint16_t h = ts_f32_to_bf16(f);
		memcpy(bytes + i * ts_dtype_size(type), type == TS_F32 ? (const void *)&f : (const void *)&h, ts_dtype_size(type));
	}
	if (!bytes || b->ops->weight_new(b, bytes, type, out, in, &w))
		exit(1);
	free(bytes);
	return w;
}

static void run(enum ts_isa isa, int threads)
{
	static const size_t shapes[][2] = {{96, 96}, {256, 96}, {96, 256}, {1280, 96}, {3072, 1024}}, rows[] = {1, 8, 64, 512};
	struct ts_backend *b;
	struct ts_error err;
	if (ts_backend_cpu_new(&b, isa, threads, &err)) {
		fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	if (b->ops->reserve(b, 512, 3072, 8))
		exit(1);
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int type = TS_F32; type <= TS_BF16; type++) {
			struct problem p = {.b = b, .out = shapes[s][0], .in = shapes[s][1]};
			p.w = weight(b, (enum ts_dtype)type, p.out, p.in);
			p.x = b->ops->alloc(b, 512 * p.in);
			p.y = b->ops->alloc(b, 512 * p.out);
			if (!p.x || !p.y)
				exit(1);
			printf("%-10s threads %d  %-4s %4zu x %-4zu", b->name, threads, ts_dtype_name((enum ts_dtype)type), p.out, p.in);
			for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
				double flops = 2.0 * (double)rows[r] * (double)p.out * (double)p.in;
				p.rows = rows[r];
				p.backward = false;
				double forward = seconds(&p);
				p.backward = true;
				printf("  %zu rows: %6.1f (%.1f us), dx %6.1f", rows[r], 1e-9 * flops / forward, 1e6 * forward,
				       1e-9 * flops / seconds(&p));
				fflush(stdout);
			}
			printf("\n");
			b->ops->weight_free(b, p.w);
			b->ops->free(b, p.x);
			b->ops->free(b, p.y);
		}
	ts_backend_free(b);
}

int main(int argc, char **argv)
{
	for (int isa = TS_ISA_AVX2; isa <= TS_ISA_AVX512; isa++)
		for (int threads = 1; threads <= 2; threads++)
			if (ts_isa_available((enum ts_isa)isa) && (argc < 2 || !strcmp(argv[1], ts_isa_name((enum ts_isa)isa))))
				run((enum ts_isa)isa, threads);
	return 0;
}
