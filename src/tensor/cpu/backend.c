/* The CPU backend: which instruction sets this machine has, memory, packing of weights; the kernels do the rest. */
#include "core/mem.h"
#include "tensor/cpu/kernels/kernels.h"

#include <omp.h>
#include <string.h>

static const char *const isa_names[] = {
	[TS_ISA_AUTO] = "auto", [TS_ISA_PLAIN] = "plain", [TS_ISA_AVX2] = "avx2", [TS_ISA_AVX512] = "avx512", [TS_ISA_NEON] = "neon"};

const char *ts_isa_name(enum ts_isa isa)
{
	return isa_names[isa];
}

int ts_isa_parse(const char *word, enum ts_isa *isa)
{
	for (size_t i = 0; i < sizeof(isa_names) / sizeof(isa_names[0]); i++)
		if (!strcmp(word, isa_names[i])) {
			*isa = (enum ts_isa)i;
			return 0;
		}
	return TS_ENOTFOUND;
}

bool ts_isa_available(enum ts_isa isa)
{
	if (isa == TS_ISA_AUTO || isa == TS_ISA_PLAIN)
		return true;
#ifdef __x86_64__
	__builtin_cpu_init();
	unsigned leaf = 1, b, c = 0, d; /* clang 14's __builtin_cpu_supports does not know f16c: bit 29 of ecx */
	__asm__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	bool f16c = c >> 29 & 1;
	bool avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	return isa == TS_ISA_AVX2 ? avx2 : isa == TS_ISA_AVX512 && avx512;
#elif defined(__aarch64__)
	return isa == TS_ISA_NEON;
#else
	return false;
#endif
}

static float *alloc(struct ts_backend *b, size_t count)
{
	(void)b;
	return ts_calloc_aligned(count, sizeof(float));
}

static void release(struct ts_backend *b, void *p)
{
	(void)b;
	ts_free_aligned(p);
}

/* Longer batches are worked through in rounds; of LoRA's gradients at least one row must fit (kernels/lora.c). */
static size_t shared_count(size_t width, size_t rank)
{
	size_t one_row = width + 2 * ((rank + 15) & ~(size_t)15);
	width = width < TS_SHARED_MIN ? TS_SHARED_MIN : width > TS_SHARED_WIDTH ? TS_SHARED_WIDTH : width;
	return width * TS_SHARED_ROWS > one_row ? width * TS_SHARED_ROWS : one_row;
}

static size_t reserve_bytes(const struct ts_backend *b, size_t rows, size_t width, size_t rank)
{
	(void)rows;
	const struct ts_cpu *cpu = b->state;
	size_t count = shared_count(width, rank);
	return count > cpu->shared_count ? (count - cpu->shared_count) * sizeof(real) : 0;
}

static int reserve(struct ts_backend *b, size_t rows, size_t width, size_t rank)
{
	(void)rows;
	struct ts_cpu *cpu = b->state;
	size_t count = shared_count(width, rank);
	if (count <= cpu->shared_count)
		return 0;
	real *grown = ts_calloc_aligned(count, sizeof(real));
	if (!grown)
		return TS_ENOMEM;
	ts_free_aligned(cpu->shared);
	cpu->shared = grown;
	cpu->shared_count = count;
	return 0;
}

static bool finite_bits(uint32_t bits, enum ts_dtype t)
{
	uint32_t exponent = t == TS_F32 ? 0x7f800000 : t == TS_BF16 ? 0x7f80 : 0x7c00;
	return (bits & exponent) != exponent;
}

/* One panel (kernels/kernels.h): `rows` rows of src; false when a value is not finite. Bytes are put together, since src is little-endian
 * and unaligned. */
static bool pack_panel(void *to, const unsigned char *src, enum ts_dtype t, size_t rows, size_t in)
{
	size_t size = ts_dtype_size(t);
	bool finite = true;
	if (rows < 16 || in % 2)
		memset(to, 0, ts_panel_size(t, in) * size);
	for (size_t r = 0; r < rows; r++) {
		const unsigned char *s = src + r * in * size;
		for (size_t k = 0; k < in; k++, s += size) {
			uint32_t bits = (uint32_t)s[0] | (uint32_t)s[1] << 8;
			if (size == 4) {
				bits |= (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
				((uint32_t *)to)[16 * k + r] = bits;
			} else {
				((uint16_t *)to)[t == TS_BF16 ? (k / 2 * 16 + r) * 2 + k % 2 : 16 * k + r] = (uint16_t)bits;
			}
			finite &= finite_bits(bits, t);
		}
	}
	return finite;
}

static void weight_free(struct ts_backend *b, struct ts_weight *w)
{
	(void)b;
	if (w)
		ts_free_aligned(w->data);
	ts_free(w);
}

static size_t weight_size(enum ts_dtype dtype, size_t out, size_t in)
{
	return (out + 15) / 16 * ts_panel_size(dtype, in) * ts_dtype_size(dtype);
}

static size_t weight_bytes(const struct ts_weight *w)
{
	return weight_size(w->dtype, w->out, w->in);
}

static int weight_new(struct ts_backend *b, const void *src, enum ts_dtype t, size_t out, size_t in, struct ts_weight **result)
{
	*result = NULL;
	if ((t != TS_F32 && t != TS_BF16 && t != TS_F16) || (((const struct ts_cpu *)b->state)->dot && t != TS_BF16))
		return TS_EUNSUPPORTED;
	size_t padded, elements, size = ts_dtype_size(t), panels;
	if (in > SIZE_MAX / 32 || !ts_add_size(out, 15, &padded) || !ts_mul_size(padded / 16, ts_panel_size(t, in), &elements))
		return TS_ENOMEM;
	struct ts_weight *w = ts_calloc(1, sizeof(*w));
	if (!w)
		return TS_ENOMEM;
	*w = (struct ts_weight){.dtype = t, .out = out, .in = in, .data = ts_alloc_aligned(elements, size)};
	if (!w->data) {
		weight_free(b, w);
		return TS_ENOMEM;
	}
	bool bad = false;
	panels = padded / 16;
#pragma omp parallel for num_threads(b->threads) reduction(|| : bad) schedule(static) if (elements > 100000)
	for (size_t p = 0; p < panels; p++) {
		size_t rows = out - 16 * p < 16 ? out - 16 * p : 16;
		void *panel = (char *)w->data + p * ts_panel_size(t, in) * size;
		bad = !pack_panel(panel, (const unsigned char *)src + 16 * p * in * size, t, rows, in) || bad;
	}
	if (bad) {
		weight_free(b, w);
		return TS_ENUMERIC;
	}
	*result = w;
	return 0;
}

static void kv_free(struct ts_backend *b, struct ts_kv_pool *pool)
{
	(void)b;
	for (int i = 0; i < pool->layers; i++) {
		if (pool->k)
			ts_free_aligned(pool->k[i]);
		if (pool->v)
			ts_free_aligned(pool->v[i]);
	}
	ts_free(pool->k);
	ts_free(pool->v);
	memset(pool, 0, sizeof(*pool));
}

static int kv_new(struct ts_backend *b, struct ts_kv_pool *pool, int layers, int kv_heads, int head_dim, size_t pages, enum ts_dtype t)
{
	memset(pool, 0, sizeof(*pool));
	if (layers < 0 || kv_heads < 1 || head_dim < 1 || head_dim > TS_HEAD_DIM_MAX || (t != TS_F32 && t != TS_BF16) ||
	    (head_dim % 2 && t == TS_BF16 && ((const struct ts_cpu *)b->state)->dot))
		return TS_EUNSUPPORTED;
	size_t elements;
	if (!ts_mul_size(pages, (size_t)kv_heads * (size_t)head_dim * TS_KV_PAGE, &elements) || !ts_add_size(elements, 32, &elements))
		return TS_ENOMEM; /* 32 more, since the kernels read whole vectors */
	*pool = (struct ts_kv_pool){.layers = layers,
				    .kv_heads = kv_heads,
				    .head_dim = head_dim,
				    .pages = pages,
				    .dtype = t,
				    .k = ts_calloc((size_t)layers, sizeof(void *)),
				    .v = ts_calloc((size_t)layers, sizeof(void *))};
	bool complete = pool->k && pool->v;
	for (int i = 0; complete && i < layers; i++) {
		pool->k[i] = ts_calloc_aligned(elements, ts_dtype_size(t));
		pool->v[i] = ts_calloc_aligned(elements, ts_dtype_size(t));
		complete = pool->k[i] && pool->v[i];
	}
	if (complete)
		return 0;
	kv_free(b, pool);
	return TS_ENOMEM;
}

void ts_cpu_use(struct ts_backend_ops *ops, const struct ts_kernels *k)
{
	ops->matmul = k->matmul;
	ops->matmuls = k->matmuls;
	ops->matmul_dx = k->matmul_dx;
	ops->embed = k->embed;
	ops->rmsnorm = k->rmsnorm;
	ops->rmsnorm_backward = k->rmsnorm_backward;
	ops->rope_table = k->rope_table;
	ops->rope = k->rope;
	ops->swiglu = k->swiglu;
	ops->swiglu_backward = k->swiglu_backward;
	ops->add = k->add;
	ops->kv_append = k->kv_append;
	ops->attention = k->attention;
	ops->attention_backward = k->attention_backward;
	ops->lora = k->lora;
	ops->lora_backward = k->lora_backward;
	ops->vocab_forward = k->vocab_forward;
	ops->adamw = k->adamw;
	ops->sum_squares = k->sum_squares;
	ops->block_max = k->block_max;
	ops->sum_exp = k->sum_exp;
}

static void kv_copy(struct ts_backend *b, const struct ts_kv_pool *pool, int32_t to, int32_t from)
{
	(void)b;
	size_t bytes = (size_t)pool->kv_heads * (size_t)pool->head_dim * TS_KV_PAGE * ts_dtype_size(pool->dtype);
	for (int i = 0; i < pool->layers; i++) {
		char *k = pool->k[i], *v = pool->v[i];
		memcpy(k + (size_t)to * bytes, k + (size_t)from * bytes, bytes);
		memcpy(v + (size_t)to * bytes, v + (size_t)from * bytes, bytes);
	}
}

static void each(struct ts_backend *b, size_t n, void (*work)(void *user, size_t i, size_t thread), void *user)
{
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1) if (n > 1 && b->threads > 1)
	for (size_t i = 0; i < n; i++)
		work(user, i, (size_t)omp_get_thread_num());
}

static void fill_ops(struct ts_backend_ops *ops, enum ts_isa isa)
{
	struct ts_kernels k;
	switch (isa) {
#ifdef __x86_64__
	case TS_ISA_AVX2:
		ts_kernels_avx2(&k);
		break;
	case TS_ISA_AVX512:
		ts_kernels_avx512(&k);
		break;
#endif
#ifdef __aarch64__
	case TS_ISA_NEON:
		ts_kernels_neon(&k);
		break;
#endif
	default:
		ts_kernels_plain(&k);
	}
	*ops = (struct ts_backend_ops){
		.alloc = alloc,
		.free = release,
		.reserve = reserve,
		.reserve_bytes = reserve_bytes,
		.each = each,
		.weight_new = weight_new,
		.weight_free = weight_free,
		.weight_bytes = weight_bytes,
		.weight_size = weight_size,
		.kv_new = kv_new,
		.kv_free = kv_free,
		.kv_copy = kv_copy,
	};
	ts_cpu_use(ops, &k);
}

static int choose_isa(enum ts_isa *isa, struct ts_error *err)
{
	if (*isa == TS_ISA_AUTO) {
		*isa = ts_isa_available(TS_ISA_AVX512) ? TS_ISA_AVX512
		       : ts_isa_available(TS_ISA_AVX2) ? TS_ISA_AVX2
		       : ts_isa_available(TS_ISA_NEON) ? TS_ISA_NEON
						       : TS_ISA_PLAIN;
#ifdef __x86_64__
		if (*isa == TS_ISA_PLAIN)
			return ts_fail(err, TS_EUNSUPPORTED,
				       "this CPU lacks AVX2, FMA or F16C, which this program needs to be usable; \"plain\" runs anywhere, "
				       "very slowly");
#endif
	}
	if (!ts_isa_available(*isa))
		return ts_fail(err, TS_EUNSUPPORTED, "instruction set %s: this CPU needs %s and lacks some of it", isa_names[*isa],
			       *isa == TS_ISA_AVX2   ? "AVX2, FMA and F16C"
			       : *isa == TS_ISA_NEON ? "to be an arm64 one"
						     : "AVX2, FMA, F16C and AVX-512 F, BW, VL and DQ");
	return 0;
}

static bool has_dot(void)
{
#ifdef __x86_64__
	unsigned leaf = 7, b, c = 1, d; /* bit 5 of eax; older compilers' __builtin_cpu_supports does not know it */
	__asm__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	return ts_isa_available(TS_ISA_AVX512) && leaf >> 5 & 1;
#else
	return false;
#endif
}

static const struct ts_kernels *of_pool(const struct ts_backend *b, const struct ts_kv_pool *pool)
{
	const struct ts_cpu *cpu = b->state;
	return pool->dtype == TS_BF16 ? &cpu->bf16_pool : &cpu->f32_pool;
}

static void kv_append(struct ts_backend *b, const struct ts_kv_pool *pool, int layer, const float *k, const float *v,
		      const struct ts_segment *segments, size_t count)
{
	of_pool(b, pool)->kv_append(b, pool, layer, k, v, segments, count);
}

static void attention(struct ts_backend *b, float *out, float *lse, const float *q, const struct ts_kv_pool *pool, int layer, size_t heads,
		      size_t window, const struct ts_segment *segments, size_t count)
{
	of_pool(b, pool)->attention(b, out, lse, q, pool, layer, heads, window, segments, count);
}

int ts_backend_use_bf16dot(struct ts_backend *b, struct ts_error *err)
{
	struct ts_cpu *cpu = b->state;
	struct ts_kernels k = {.matmul = NULL};
	if (!strcmp(b->name, "cpu/plain")) {
		ts_kernels_plaindot(&k);
#ifdef __x86_64__
	} else if (!strcmp(b->name, "cpu/avx512") && has_dot()) {
		ts_kernels_avx512dot(&k);
#endif
	} else {
		return ts_fail(err, TS_EUNSUPPORTED,
			       "numerics bf16dot: expected a CPU with AVX-512-BF16, found %s%s; \"f32\" runs here, and with the "
			       "instruction set \"plain\" a model of the instruction, very slowly",
			       b->name, has_dot() ? ", which was asked for" : "");
	}
	cpu->ops.matmul = k.matmul;
	cpu->ops.matmuls = k.matmuls;
	cpu->ops.matmul_dx = k.matmul_dx;
	cpu->ops.vocab_forward = k.vocab_forward;
	cpu->f32_pool = (struct ts_kernels){.kv_append = cpu->ops.kv_append, .attention = cpu->ops.attention};
	cpu->bf16_pool = (struct ts_kernels){.kv_append = k.kv_append, .attention = k.attention};
	cpu->ops.kv_append = kv_append;
	cpu->ops.attention = attention;
	cpu->dot = true;
	strcat(b->name, "+bf16dot");
	return 0;
}

int ts_backend_use_numerics(struct ts_backend *b, const char *name, struct ts_error *err)
{
	if (!name || !strcmp(name, "f32"))
		return 0;
	if (!strcmp(name, "bf16dot"))
		return ts_backend_use_bf16dot(b, err);
	return ts_fail(err, TS_EINVAL, "numerics: expected f32 or bf16dot, found \"%s\"", name);
}

int ts_backend_cpu_new(struct ts_backend **out, enum ts_isa isa, int threads, struct ts_error *err)
{
	*out = NULL;
	TS_TRY(choose_isa(&isa, err));
	if (threads < 0)
		return ts_fail(err, TS_EINVAL, "threads: expected 0 (all) or more, found %d", threads);
	struct ts_backend *b = ts_calloc(1, sizeof(*b));
	struct ts_cpu *cpu = ts_calloc(1, sizeof(*cpu));
	if (!b || !cpu) {
		ts_free(b);
		ts_free(cpu);
		return ts_fail_memory(err);
	}
	b->threads = threads ? threads : omp_get_num_procs();
	b->state = cpu;
	cpu->small_work = TS_SMALL_WORK;
	b->ops = &cpu->ops;
	fill_ops(&cpu->ops, isa);
	strcpy(b->name, "cpu/");
	strcat(b->name, isa_names[isa]);
	cpu->local = ts_calloc_aligned((size_t)b->threads, TS_LOCAL * sizeof(real));
	if (!cpu->local || reserve(b, 0, 0, 0)) {
		ts_backend_free(b);
		return ts_fail_memory(err);
	}
	*out = b;
	return 0;
}

void ts_backend_free(struct ts_backend *b)
{
	if (!b)
		return;
	struct ts_cpu *cpu = b->state;
	ts_free_aligned(cpu->shared);
	ts_free_aligned(cpu->local);
	ts_free(cpu);
	ts_free(b);
}
