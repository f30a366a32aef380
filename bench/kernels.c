/* How near the matrix products come to what the cores can do.
 *
 *     build/release/bench/kernels [--isa avx2|avx512] [--threads N] [--shape OUT IN] [--rows 1,8,64]
 *
 * In one run: the peak of the arithmetic units (fused multiply-adds in registers), the read bandwidth of memory, and y = x W^T and dx = dy W
 * with bf16 weights that come from memory: so many copies of W are walked through that they do not stay in a cache, as the layers of a
 * model do not. GFLOP/s count a multiply-add as two; GB/s count the weights. Each figure is the median of several runs, by CPU time with
 * one thread and by the clock with more. CSV on standard output; what a share is of stands in its last columns. */
#include "tensor/backend.h"

#include <getopt.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { RUNS = 7, MOST_ROWS = 1024, STREAMS = 4 };
static const size_t copies_bytes = (size_t)256 << 20;

static double now(int threads)
{
	struct timespec t;
	clock_gettime(threads > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_size);
	return values[n / 2];
}

/* --- the machine's limits --- */

#ifdef __x86_64__
enum { CHAINS = 12 };

__attribute__((target("avx2,fma"))) static double fma_avx2(long n)
{
	__m256 sum[CHAINS], x = _mm256_set1_ps(0.999999f), y = _mm256_set1_ps(1e-7f), all = _mm256_setzero_ps();
	for (int i = 0; i < CHAINS; i++)
		sum[i] = _mm256_set1_ps((float)i);
	for (long k = 0; k < n; k++) {
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			sum[i] = _mm256_fmadd_ps(sum[i], x, y);
	}
	for (int i = 0; i < CHAINS; i++)
		all = _mm256_add_ps(all, sum[i]);
	volatile float keep = _mm256_cvtss_f32(all);
	(void)keep;
	return 2.0 * 8 * CHAINS * (double)n;
}

__attribute__((target("avx512f"))) static double fma_avx512(long n)
{
	__m512 sum[CHAINS], x = _mm512_set1_ps(0.999999f), y = _mm512_set1_ps(1e-7f), all = _mm512_setzero_ps();
	for (int i = 0; i < CHAINS; i++)
		sum[i] = _mm512_set1_ps((float)i);
	for (long k = 0; k < n; k++) {
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			sum[i] = _mm512_fmadd_ps(sum[i], x, y);
	}
	for (int i = 0; i < CHAINS; i++)
		all = _mm512_add_ps(all, sum[i]);
	volatile float keep = _mm512_cvtss_f32(all);
	(void)keep;
	return 2.0 * 16 * CHAINS * (double)n;
}
#endif

#ifdef __x86_64__
__attribute__((target("avx512f,avx512bf16"))) static double dot_avx512(long n)
{
	__m512 sum[CHAINS], all = _mm512_setzero_ps();
	__m512bh x = (__m512bh)_mm512_set1_epi32(0x3f803f80), y = x;
	for (int i = 0; i < CHAINS; i++)
		sum[i] = _mm512_set1_ps((float)i);
	for (long k = 0; k < n; k++) {
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
	}
	for (int i = 0; i < CHAINS; i++)
		all = _mm512_add_ps(all, sum[i]);
	volatile float keep = _mm512_cvtss_f32(all);
	(void)keep;
	return 2.0 * 32 * CHAINS * (double)n;
}
#endif

static double fma_plain(long n)
{
	float sum[4] = {0, 1, 2, 3};
	for (long k = 0; k < n; k++)
		for (int i = 0; i < 4; i++)
			sum[i] = __builtin_fmaf(sum[i], 0.999999f, 1e-7f);
	volatile float keep = sum[0] + sum[1] + sum[2] + sum[3];
	(void)keep;
	return 2.0 * 4 * (double)n;
}

static double peak(enum ts_isa isa, bool dot, int threads)
{
	double rates[RUNS], work = 0;
	for (int run = 0; run < RUNS; run++) {
		double start = now(threads);
		work = 0;
#pragma omp parallel num_threads(threads) reduction(+ : work)
		{
#ifdef __x86_64__
			work += dot                    ? dot_avx512(6000000)
				: isa == TS_ISA_AVX512 ? fma_avx512(6000000)
				: isa == TS_ISA_AVX2   ? fma_avx2(6000000)
						       : fma_plain(6000000);
#else
			work += fma_plain(6000000);
#endif
		}
		rates[run] = 1e-9 * work / (now(threads) - start);
	}
	(void)isa, (void)dot;
	return median(rates, RUNS);
}

static double bandwidth(int threads)
{
	size_t n = copies_bytes / sizeof(uint64_t) * 2;
	uint64_t *bytes = aligned_alloc(64, n * sizeof(*bytes)), sum = 0;
	double rates[RUNS];
	if (!bytes)
		exit(1);
	memset(bytes, 1, n * sizeof(*bytes));
	for (int run = 0; run < RUNS; run++) {
		double start = now(threads);
#pragma omp parallel for num_threads(threads) reduction(+ : sum) schedule(static)
		for (size_t i = 0; i < n / STREAMS; i += 8)
			for (size_t s = 0; s < STREAMS; s++)
				for (size_t j = 0; j < 8; j++)
					sum += bytes[s * (n / STREAMS) + i + j];
		rates[run] = 1e-9 * (double)(n * sizeof(*bytes)) / (now(threads) - start);
	}
	volatile uint64_t keep = sum;
	(void)keep;
	free(bytes);
	return median(rates, RUNS);
}

/* --- the products --- */

struct problem {
	struct ts_backend *b;
	struct ts_weight **copies;
	size_t count, next;
	float *x, *y;
	size_t rows, out, in;
	bool backward;
};

static void work(struct problem *p)
{
	const struct ts_weight *w = p->copies[p->next++ % p->count];
	if (p->backward)
		p->b->ops->matmul_dx(p->b, p->x, p->y, p->out, w, 0, p->out, p->rows, false);
	else
		p->b->ops->matmul(p->b, p->y, p->out, p->x, w, 0, p->out, NULL, p->rows);
}

/* Of one product. */
static double seconds(struct problem *p)
{
	double took[RUNS];
	size_t calls = 1 + (size_t)(4e9 / (2.0 * (double)(p->rows < 8 ? 8 : p->rows) * (double)(p->out * p->in)));
	work(p);
	for (int run = 0; run < RUNS; run++) {
		double start = now(p->b->threads);
		for (size_t i = 0; i < calls; i++)
			work(p);
		took[run] = (now(p->b->threads) - start) / (double)calls;
	}
	return median(took, RUNS);
}

static void fill(struct problem *p)
{
	size_t n = p->out * p->in;
	uint16_t *values = malloc(n * sizeof(*values));
	p->count = 1 + copies_bytes / (n * sizeof(*values));
	p->copies = calloc(p->count, sizeof(*p->copies));
	p->x = p->b->ops->alloc(p->b, MOST_ROWS * p->in);
	p->y = p->b->ops->alloc(p->b, MOST_ROWS * p->out);
	if (!values || !p->copies || !p->x || !p->y)
		exit(1);
	for (size_t i = 0; i < n; i++)
		values[i] = ts_f32_to_bf16((float)(i % 255) / 255.0f - 0.5f);
	for (size_t i = 0; i < MOST_ROWS * p->in; i++)
		p->x[i] = (float)(i % 101) / 101.0f - 0.5f;
	for (size_t i = 0; i < p->count; i++)
		if (p->b->ops->weight_new(p->b, values, TS_BF16, p->out, p->in, &p->copies[i]))
			exit(1);
	free(values);
}

static void release(struct problem *p)
{
	for (size_t i = 0; i < p->count; i++)
		p->b->ops->weight_free(p->b, p->copies[i]);
	free(p->copies);
	p->b->ops->free(p->b, p->x);
	p->b->ops->free(p->b, p->y);
}

static void run(enum ts_isa isa, bool dot, int threads, size_t out, size_t in, const char *rows)
{
	struct problem p = {.out = out, .in = in};
	struct ts_error err;
	if (ts_backend_cpu_new(&p.b, isa, threads, &err))
		exit(1);
	if (dot && ts_backend_use_bf16dot(p.b, &err)) {
		ts_backend_free(p.b);
		return;
	}
	if (p.b->ops->reserve(p.b, MOST_ROWS, out > in ? out : in, 8)) {
		fprintf(stderr, "bench/kernels: %s\n", err.message);
		exit(1);
	}
	double most = peak(isa, dot, threads), read = bandwidth(threads);
	printf("%s,%d,peak,,%.1f,GFLOP/s,,\n%s,%d,read,,%.1f,GB/s,,\n", p.b->name, threads, most, p.b->name, threads, read);
	fill(&p);
	for (int backward = 0; backward <= 1; backward++)
		for (const char *at = rows; *at; at += *at == ',') {
			char *end;
			p.rows = strtoul(at, &end, 10);
			if (end == at || !p.rows || p.rows > MOST_ROWS)
				exit(2);
			at = end;
			p.backward = backward;
			double t = seconds(&p), flops = 2e-9 * (double)(p.rows * out * in) / t, bytes = 2e-9 * (double)(out * in) / t;
			printf("%s,%d,%s,%zu,%.1f,GFLOP/s,%.2f,%.2f\n", p.b->name, threads, backward ? "dx" : "matmul", p.rows, flops,
			       flops / most, bytes / read);
			fflush(stdout);
		}
	release(&p);
	ts_backend_free(p.b);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"isa", 1, 0, 'i'}, {"threads", 1, 0, 't'}, {"out", 1, 0, 'o'},
						{"in", 1, 0, 'k'},  {"rows", 1, 0, 'r'},    {0}};
	enum ts_isa only = TS_ISA_AUTO;
	int threads = 0;
	size_t out = 3072, in = 1024;
	const char *rows = "1,4,8,16,64,256,1024";
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'i' && !ts_isa_parse(optarg, &only))
			continue;
		if (c == 't')
			threads = atoi(optarg);
		else if (c == 'o')
			out = strtoul(optarg, NULL, 10);
		else if (c == 'k')
			in = strtoul(optarg, NULL, 10);
		else if (c == 'r')
			rows = optarg;
		else
			return 2;
	}
	printf("isa,threads,what,rows,value,unit,share of peak,share of bandwidth\n");
	for (int isa = TS_ISA_AVX512; isa >= TS_ISA_AVX2; isa--)
		for (int n = 1; n <= omp_get_num_procs(); n *= 2)
			if (ts_isa_available((enum ts_isa)isa) && (only == TS_ISA_AUTO || only == (enum ts_isa)isa) &&
			    (!threads || threads == n))
				for (int dot = isa == TS_ISA_AVX512; dot >= 0; dot--)
					run((enum ts_isa)isa, dot, n, out, in, rows);
	return 0;
}
