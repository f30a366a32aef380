/* A row's result depends on that row alone: not on its neighbours in the batch, on how a prompt is cut into chunks, or on what a page held
 * before. And the errors of creation. */
#include "tensor/fixture.h"

#include "core/mem.h"

#include <math.h>

static struct ts_backend *best;

static int open_best(void **state)
{
	best = backend(TS_ISA_AUTO, 2);
	print_message("on %s\n", best->name);
	return 0;
}

static int close_best(void **state)
{
	ts_backend_free(best);
	return 0;
}

static void matmul_rows(void **state)
{
	const size_t ins[] = {96, 600};
	for (int i = 0; i < 2; i++) {
		size_t rows = 70, in = ins[i], out = 100;
		float *x = numbers(rows * in, 1, 1), *w = numbers(out * in, 2, 1), *y = numbers(rows * out, 3, 1),
		      *one = numbers(out, 4, 1);
		struct ts_weight *packed = weight(best, w, TS_BF16, out, in, NULL);
		best->ops->matmul(best, y, out, x, packed, 0, out, NULL, rows);
		for (size_t r = 0; r < rows; r++) {
			best->ops->matmul(best, one, out, x + r * in, packed, 0, out, NULL, 1);
			assert_same_bits("matmul of one row", best->name, y + r * out, one, out);
		}
		for (size_t n = 2; n <= 30; n++) {
			float *some = numbers(n * out, 5, 1);
			best->ops->matmul(best, some, out, x + in, packed, 0, out, NULL, n);
			assert_same_bits("matmul of some rows", best->name, y + out, some, n * out);
			free(some);
		}
		best->ops->matmul(best, one, 48, x, packed, 32, 48, NULL, 1);
		assert_same_bits("matmul of some columns", best->name, y + 32, one, 48);
		best->ops->weight_free(best, packed);
		free(x), free(w), free(y), free(one);
	}
}

/* A rank far above every width: the gradients' scratch must have room for at least one row. */
static void lora_large_rank(void **state)
{
	size_t in = 16, out = 16, rank = 65536;
	struct ts_backend *small; /* a fresh one: the scratch only grows */
	assert_int_equal(ts_backend_cpu_new(&small, TS_ISA_AUTO, 1, NULL), 0);
	assert_int_equal(small->ops->reserve(small, 2, 16, rank), 0);
	float *x = numbers(2 * in, 1, 1), *dy = numbers(2 * out, 2, 1), *h = numbers(2 * rank, 3, 1), *a = numbers(rank * in, 4, 1);
	float *b = numbers(out * rank, 5, 1), *da = calloc(rank * in, sizeof(float)), *db = calloc(out * rank, sizeof(float));
	small->ops->lora_backward(small, da, db, NULL, dy, x, h, a, b, 2, in, out, rank, 1, NULL);
	for (size_t o = 0; o < out; o++)
		for (size_t j = 0; j < rank; j += 4099)
			assert_true(db[o * rank + j] == fmaf(dy[out + o], h[rank + j], dy[o] * h[j]));
	free(x), free(dy), free(h), free(a), free(b), free(da), free(db);
	ts_backend_free(small);
}

static void vocab_rows(void **state)
{
	size_t rows = 150, in = 40, out = 700;
	float *x = numbers(rows * in, 1, 1), *w = numbers(out * in, 2, 1), *lse = numbers(rows, 3, 1), *picked = numbers(rows, 4, 1);
	float *mean = numbers(rows * in, 5, 1), *one = numbers(in, 6, 1);
	struct ts_weight *packed = weight(best, w, TS_F32, out, in, NULL);
	int32_t targets[150];
	for (size_t r = 0; r < rows; r++)
		targets[r] = r % 7 ? (int32_t)(r * 4) : -1;
	best->ops->vocab_forward(best, lse, picked, mean, x, packed, targets, rows);
	for (size_t r = 0; r < rows; r++) {
		float l, p, logits[700];
		best->ops->vocab_forward(best, &l, &p, r % 2 ? one : NULL, x + r * in, packed, targets + r, 1);
		assert_same_bits("lse", best->name, lse + r, &l, 1);
		assert_same_bits("picked", best->name, picked + r, &p, 1);
		best->ops->matmul(best, logits, out, x + r * in, packed, 0, out, NULL, 1);
		if (targets[r] >= 0)
			assert_same_bits("picked is the logit", best->name, logits + targets[r], &p, 1);
		if (r % 2)
			assert_same_bits("mean", best->name, mean + r * in, one, in);
	}
	best->ops->weight_free(best, packed);
	free(x), free(w), free(lse), free(picked), free(mean), free(one);
}

/* Products of one left side made together have the bits of single ones. */
static void several_products(void **state)
{
	const size_t outs[TS_PRODUCTS] = {70, 16, 530}, ins[] = {100, 700, 1500}, rows[] = {1, 5, 40, 300};
	for (size_t i = 0; i < COUNT(ins); i++)
		for (size_t r = 0; r < COUNT(rows); r++) {
			struct ts_product_out out[TS_PRODUCTS];
			float *x = numbers(rows[r] * ins[i], 1, 1), *bias = numbers(70, 2, 1);
			for (size_t k = 0; k < TS_PRODUCTS; k++) {
				float *w = numbers(outs[k] * ins[i], 3 + k, 0.1);
				out[k] = (struct ts_product_out){.y = malloc(rows[r] * outs[k] * sizeof(float)),
								 .weight = weight(best, w, TS_BF16, outs[k], ins[i], NULL),
								 .bias = k ? NULL : bias};
				free(w);
			}
			best->ops->matmuls(best, out, TS_PRODUCTS, x, rows[r]);
			for (size_t k = 0; k < TS_PRODUCTS; k++) {
				float *y = malloc(rows[r] * outs[k] * sizeof(float));
				best->ops->matmul(best, y, outs[k], x, out[k].weight, 0, outs[k], out[k].bias, rows[r]);
				assert_same_bits("several products", best->name, y, out[k].y, rows[r] * outs[k]);
				best->ops->weight_free(best, (struct ts_weight *)out[k].weight);
				free(y), free(out[k].y);
			}
			free(x), free(bias);
		}
}

/* Prefill in chunks of `chunk`, beside another sequence of `other` positions (0 = alone). */
static float *prefill(struct ts_backend *b, size_t total, size_t chunk, size_t other, enum ts_dtype type, size_t window, bool soiled)
{
	enum { HEADS = 4, KV = 2, DIM = 24, WIDE = HEADS * DIM, NARROW = KV * DIM };
	struct ts_kv_pool pool;
	int32_t pages[2][16];
	for (int i = 0; i < 16; i++) {
		pages[0][i] = 31 - 2 * i;
		pages[1][i] = 2 * i;
	}
	assert_int_equal(0, b->ops->kv_new(b, &pool, 1, KV, DIM, 32, type));
	if (soiled) /* NaN in all pages: what is not seen must not matter */
		for (size_t i = 0; i < pool.pages * KV * DIM * TS_KV_PAGE; i++) {
			if (type == TS_F32)
				((float *)pool.k[0])[i] = ((float *)pool.v[0])[i] = NAN;
			else
				((uint16_t *)pool.k[0])[i] = ((uint16_t *)pool.v[0])[i] = 0x7fc0;
		}
	float *q = numbers(total * WIDE, 1, 2), *k = numbers(total * NARROW, 2, 2), *v = numbers(total * NARROW, 3, 1);
	float *others = numbers(other * WIDE + 1, 4, 3), *out = numbers(total * (WIDE + HEADS), 5, 1);
	for (size_t at = 0; at < total; at += chunk) {
		size_t n = total - at < chunk ? total - at : chunk, beside = at ? 0 : other, rows = n + beside;
		float *bq = malloc(rows * WIDE * 4), *bk = malloc(rows * NARROW * 4), *bv = malloc(rows * NARROW * 4);
		float *bo = malloc(rows * WIDE * 4), *lse = malloc(rows * HEADS * 4);
		if (beside) {
			memcpy(bq, others, beside * WIDE * 4);
			memcpy(bk, others, beside * NARROW * 4);
			memcpy(bv, others, beside * NARROW * 4);
		}
		memcpy(bq + beside * WIDE, q + at * WIDE, n * WIDE * 4);
		memcpy(bk + beside * NARROW, k + at * NARROW, n * NARROW * 4);
		memcpy(bv + beside * NARROW, v + at * NARROW, n * NARROW * 4);
		struct ts_segment segments[2] = {{0, beside, 0, pages[1]}, {beside, n, at, pages[0]}};
		b->ops->kv_append(b, &pool, 0, bk, bv, beside ? segments : segments + 1, beside ? 2 : 1);
		b->ops->attention(b, bo, lse, bq, &pool, 0, HEADS, window, beside ? segments : segments + 1, beside ? 2 : 1);
		memcpy(out + at * WIDE, bo + beside * WIDE, n * WIDE * 4);
		memcpy(out + total * WIDE + at * HEADS, lse + beside * HEADS, n * HEADS * 4);
		free(bq), free(bk), free(bv), free(bo), free(lse);
	}
	b->ops->kv_free(b, &pool);
	free(q), free(k), free(v), free(others);
	return out;
}

static void check_chunks(struct ts_backend *b, enum ts_dtype type, size_t window)
{
	const size_t chunks[] = {1, 3, 17, 64, 100, 512}, total = 600, n = total * (4 * 24 + 4);
	float *whole = prefill(b, total, total, 0, type, window, false);
	for (size_t i = 0; i < COUNT(chunks); i++) {
		float *cut = prefill(b, total, chunks[i], i % 2 ? 70 : 0, type, window, i % 3 == 0);
		assert_same_bits("attention in chunks", b->name, whole, cut, n);
		free(cut);
	}
	free(whole);
}

static void attention_chunks(void **state)
{
	struct ts_error err;
	for (int dot = 0; dot < 2; dot++) {
		struct ts_backend *b = backend(TS_ISA_AUTO, 2);
		if (dot && ts_backend_use_bf16dot(b, &err)) { /* then by its model */
			ts_backend_free(b);
			b = backend(TS_ISA_PLAIN, 2);
			assert_int_equal(ts_backend_use_bf16dot(b, &err), 0);
		}
		for (int type = TS_F32; type <= TS_BF16; type++)
			for (size_t window = 0; window < 60; window += 29) /* 0, 29, 58 */
				check_chunks(b, (enum ts_dtype)type, window);
		ts_backend_free(b);
	}
}

/* Gradients accumulated row by row, or in parts, are those of the whole batch; so are the rows of dx. */
static void lora_split(void **state)
{
	const size_t rows = 300, in = 70, out = 90, rank = 8, cuts[][4] = {{0, 1, 2, 300}, {0, 128, 129, 300}, {0, 150, 299, 300}};
	float *x = numbers(rows * in, 1, 1), *a = numbers(rank * in, 2, 1), *w = numbers(out * rank, 3, 1), *dy = numbers(rows * out, 4, 1);
	uint32_t row_in_batch[300], position[300];
	for (size_t r = 0; r < rows; r++) {
		row_in_batch[r] = (uint32_t)(r / 50);
		position[r] = (uint32_t)(r % 50);
	}
	float *h = numbers(rows * rank, 5, 1), *y = numbers(rows * out, 6, 1), *da = numbers(rank * in, 7, 1),
	      *db = numbers(out * rank, 8, 1);
	float *dx = numbers(rows * in, 9, 1);
	struct ts_dropout drop = {.p = 0.3f, .seed = 1, .step = 2, .row_in_batch = row_in_batch, .position = position};
	best->ops->lora(best, y, h, x, a, w, rows, in, out, rank, 2, &drop);
	best->ops->lora_backward(best, da, db, dx, dy, x, h, a, w, rows, in, out, rank, 2, &drop);
	for (size_t c = 0; c < COUNT(cuts); c++) {
		float *h2 = numbers(rows * rank, 5, 1), *y2 = numbers(rows * out, 6, 1), *da2 = numbers(rank * in, 7, 1),
		      *db2 = numbers(out * rank, 8, 1);
		float *dx2 = numbers(rows * in, 9, 1);
		for (int part = 0; part < 3; part++) {
			size_t r = cuts[c][part], n = cuts[c][part + 1] - r;
			struct ts_dropout d = drop;
			d.row_in_batch += r;
			d.position += r;
			best->ops->lora(best, y2 + r * out, h2 + r * rank, x + r * in, a, w, n, in, out, rank, 2, &d);
			best->ops->lora_backward(best, da2, db2, dx2 + r * in, dy + r * out, x + r * in, h2 + r * rank, a, w, n, in, out,
						 rank, 2, &d);
		}
		assert_same_bits("lora h", "split rows", h, h2, rows * rank);
		assert_same_bits("lora y", "split rows", y, y2, rows * out);
		assert_same_bits("lora dA", "split rows", da, da2, rank * in);
		assert_same_bits("lora dB", "split rows", db, db2, out * rank);
		assert_same_bits("lora dx", "split rows", dx, dx2, rows * in);
		free(h2), free(y2), free(da2), free(db2), free(dx2);
	}
	free(x), free(a), free(w), free(dy), free(h), free(y), free(da), free(db), free(dx);
}

/* NaN must come out where it went in, on every instruction set, and only in its own row. */
static void not_a_number(void **state)
{
	for (int isa = TS_ISA_PLAIN; isa <= TS_ISA_AVX512; isa++) {
		if (!ts_isa_available((enum ts_isa)isa))
			continue;
		struct ts_backend *b = backend((enum ts_isa)isa, 1);
		float *x = numbers(3 * 20, 1, 1), *w = numbers(300 * 20, 2, 1), lse[3], picked[3], mean[60];
		struct ts_weight *packed = weight(b, w, TS_F32, 300, 20, NULL);
		int32_t targets[3] = {5, -1, 299};
		x[20 + 7] = NAN;
		b->ops->vocab_forward(b, lse, picked, mean, x, packed, targets, 3);
		assert_true(isfinite(lse[0]) && isnan(lse[1]) && isfinite(lse[2]));
		assert_true(isfinite(mean[19]) && isnan(mean[20]) && isnan(mean[39]) && isfinite(mean[40]));
		struct ts_kv_pool pool;
		int32_t page = 0;
		struct ts_segment segment = {0, 3, 0, &page};
		float out[60];
		assert_int_equal(0, b->ops->kv_new(b, &pool, 1, 1, 20, 1, TS_F32));
		b->ops->kv_append(b, &pool, 0, x, w, &segment, 1); /* the key of position 1 holds a NaN */
		b->ops->attention(b, out, lse, w, &pool, 0, 1, 0, &segment, 1);
		assert_true(isfinite(out[0]) && isfinite(lse[0]) && isnan(out[20]) && isnan(lse[1]) && isnan(out[40]) && isnan(lse[2]));
		b->ops->kv_free(b, &pool);
		b->ops->weight_free(b, packed);
		free(x), free(w);
		ts_backend_free(b);
	}
}

static void bad_weights(void **state)
{
	struct ts_weight *w = (struct ts_weight *)1;
	float f[32] = {0};
	f[31] = INFINITY;
	assert_int_equal(TS_ENUMERIC, best->ops->weight_new(best, f, TS_F32, 2, 16, &w));
	assert_null(w);
	f[31] = NAN;
	assert_int_equal(TS_ENUMERIC, best->ops->weight_new(best, f, TS_F32, 2, 16, &w));
	uint16_t h[4] = {0, 0, 0x7f80, 0};
	assert_int_equal(TS_ENUMERIC, best->ops->weight_new(best, h, TS_BF16, 2, 2, &w));
	h[2] = 0x7c00; /* infinity as f16, a large number as bf16 */
	assert_int_equal(TS_ENUMERIC, best->ops->weight_new(best, h, TS_F16, 2, 2, &w));
	assert_int_equal(0, best->ops->weight_new(best, h, TS_BF16, 2, 2, &w));
	best->ops->weight_free(best, w);
}

static void names_and_failures(void **state)
{
	enum ts_isa isa;
	assert_int_equal(0, ts_isa_parse("avx2", &isa));
	assert_int_equal(TS_ISA_AVX2, isa);
	assert_int_equal(TS_ENOTFOUND, ts_isa_parse("mmx", &isa));
	assert_string_equal("avx512", ts_isa_name(TS_ISA_AVX512));
	struct ts_backend *b;
	struct ts_error err = {0};
	assert_int_equal(TS_EINVAL, ts_backend_cpu_new(&b, TS_ISA_PLAIN, -1, &err));
	assert_null(b);
	for (int i = TS_ISA_AVX2; i <= TS_ISA_AVX512; i++)
		if (!ts_isa_available((enum ts_isa)i)) {
			assert_int_equal(TS_EUNSUPPORTED, ts_backend_cpu_new(&b, (enum ts_isa)i, 1, &err));
			assert_non_null(strstr(err.message, "AVX2"));
		}
	struct ts_kv_pool pool;
	float f[64] = {0};
	struct ts_weight *w;
	for (size_t n = 1;; n++) { /* the n-th allocation fails */
		ts_mem_fail_at(n);
		int status = ts_backend_cpu_new(&b, TS_ISA_PLAIN, 1, &err);
		if (!status) {
			status = b->ops->kv_new(b, &pool, 2, 1, 8, 2, TS_BF16);
			if (!status)
				b->ops->kv_free(b, &pool);
			if (!status && !(status = b->ops->weight_new(b, f, TS_F32, 8, 8, &w)))
				b->ops->weight_free(b, w);
			status = status ? status : b->ops->reserve(b, 10, 5000, 8);
			ts_backend_free(b);
		}
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(TS_ENOMEM, status);
		assert_true(n < 50);
	}
	ts_backend_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matmul_rows),      cmocka_unit_test(vocab_rows),  cmocka_unit_test(several_products),
		cmocka_unit_test(attention_chunks), cmocka_unit_test(lora_split),  cmocka_unit_test(lora_large_rank),
		cmocka_unit_test(not_a_number),     cmocka_unit_test(bad_weights), cmocka_unit_test(names_and_failures),
	};
	return cmocka_run_group_tests(tests, open_best, close_best);
}
