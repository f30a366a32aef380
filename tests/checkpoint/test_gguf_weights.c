/* Quantised weights of GGUF files behind the door to the weights: exact in f32, rounded to bf16, and with the rows of grouped heads in our
 * order. The blocks are random; what they mean is checked in test_gguf.c. */
#include "checkpoint/weights.h"
#include "core/philox.h"
#include "gguf_file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct scratch g_scratch;

enum { HIDDEN = 256, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 6, ROWS_MOST = HEADS * HEAD_DIM, ROW_BYTES_MOST = 320 };

/* Blocks whose f16 scales are finite: no byte has all bits of an f16's exponent, wherever the scale stands. */
static void random_rows(unsigned char *out, size_t n, uint32_t key)
{
	uint32_t words[4];
	for (size_t i = 0; i < n; i++) {
		if (i % 16 == 0)
			ts_philox4x32((const uint32_t[2]){key, 1}, (const uint32_t[4]){(uint32_t)i}, words);
		out[i] = (unsigned char)(words[i % 16 / 4] >> i % 4 * 8) & 0xBF;
	}
}

static void number(struct gguf_file *f, const char *name, uint32_t v)
{
	char key[64];
	snprintf(key, sizeof(key), "llama.%s", name);
	gguf_u32(f, key, v);
}

/* q, k and v of one layer, in this type. */
static struct gguf_file model_file(const struct ts_ggml_type *type, uint32_t type_number, unsigned char *q, unsigned char *k)
{
	static const float embedding[2 * HIDDEN];
	struct gguf_file f = gguf_new();
	size_t row = HIDDEN / type->block * type->bytes;
	gguf_text(&f, "general.architecture", "llama");
	number(&f, "block_count", 1);
	number(&f, "context_length", 64);
	number(&f, "embedding_length", HIDDEN);
	number(&f, "feed_forward_length", 8);
	number(&f, "attention.head_count", HEADS);
	number(&f, "attention.head_count_kv", KV_HEADS);
	number(&f, "attention.key_length", HEAD_DIM);
	number(&f, "attention.value_length", HEAD_DIM);
	gguf_f32(&f, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	random_rows(q, HEADS * HEAD_DIM * row, type_number);
	random_rows(k, KV_HEADS * HEAD_DIM * row, type_number + 100);
	gguf_tensor(&f, "token_embd.weight", 2, (size_t[]){2, HIDDEN}, GGML_F32, embedding, sizeof(embedding));
	gguf_tensor(&f, "blk.0.attn_q.weight", 2, (size_t[]){HEADS * HEAD_DIM, HIDDEN}, type_number, q, HEADS * HEAD_DIM * row);
	gguf_tensor(&f, "blk.0.attn_k.weight", 2, (size_t[]){KV_HEADS * HEAD_DIM, HIDDEN}, type_number, k, KV_HEADS * HEAD_DIM * row);
	gguf_tensor(&f, "blk.0.attn_v.weight", 2, (size_t[]){KV_HEADS * HEAD_DIM, HIDDEN}, type_number, k, KV_HEADS * HEAD_DIM * row);
	return f;
}

/* llama.cpp's converter splits the rows of each head of q and k into two halves and takes them in turn: row 2 j + s is ours s half + j. */
static size_t place_in_file(size_t row)
{
	size_t head = row / HEAD_DIM, in_head = row % HEAD_DIM, half = HEAD_DIM / 2;
	return head * HEAD_DIM + 2 * (in_head % half) + in_head / half;
}

static void check(struct ts_weights *w, const char *name, const struct ts_ggml_type *type, const unsigned char *stored, size_t rows,
		  bool turned)
{
	struct ts_weight_view v;
	struct ts_error err = {0};
	size_t row_bytes = HIDDEN / type->block * type->bytes;
	if (ts_weights_need(w, name, 2, (size_t[]){rows, HIDDEN}, &v, &err))
		fail_msg("%s", err.message);
	assert_int_equal(v.dtype, w->quantised);
	for (size_t r = 0; r < rows; r++) {
		float wide[HIDDEN];
		type->widen(wide, stored + (turned ? place_in_file(r) : r) * row_bytes, HIDDEN / type->block);
		for (size_t i = 0; i < HIDDEN; i++) {
			size_t at = r * HIDDEN + i;
			uint16_t rounded = ts_f32_to_bf16(wide[i]);
			bool same = v.dtype == TS_F32 ? !memcmp((const float *)v.data + at, &wide[i], sizeof(float))
						      : !memcmp((const uint16_t *)v.data + at, &rounded, sizeof(rounded));
			if (!same)
				fail_msg("%s, %s: row %zu, number %zu differs", type->name, name, r, i);
		}
	}
	ts_weights_drop(&v);
}

static void every_type(void **state)
{
	static const uint32_t types[] = {2, 3, 6, 7, 8, 10, 11, 12, 13, 14};
	static unsigned char q[ROWS_MOST * ROW_BYTES_MOST], k[ROWS_MOST * ROW_BYTES_MOST];
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const struct ts_ggml_type *type = ts_ggml_type(types[i]);
		struct gguf_file f = model_file(type, types[i], q, k);
		struct ts_str bytes = gguf_bytes(&f, NULL);
		struct ts_model_config c;
		struct ts_weights w;
		struct ts_error err = {0};
		bool both;
		assert_non_null(scratch_write(&g_scratch, "q.gguf", bytes.data, bytes.len));
		ts_str_release(&bytes);
		gguf_release(&f);
		if (ts_model_config_load(&c, g_scratch.path, &err) || ts_weights_open(&w, g_scratch.path, &c, &both, &err))
			fail_msg("%s", err.message);
		assert_int_equal(w.quantised, TS_BF16);
		for (int exact = 0; exact < 2; exact++) {
			w.quantised = exact ? TS_F32 : TS_BF16;
			check(&w, "model.layers.0.self_attn.q_proj.weight", type, q, HEADS * HEAD_DIM, true);
			check(&w, "model.layers.0.self_attn.k_proj.weight", type, k, KV_HEADS * HEAD_DIM, true);
			check(&w, "model.layers.0.self_attn.v_proj.weight", type, k, KV_HEADS * HEAD_DIM, false);
		}
		ts_weights_close(&w);
	}
}

static int open_scratch(void **state)
{
	return scratch_open(&g_scratch);
}

static int close_scratch(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_type)};
	return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
