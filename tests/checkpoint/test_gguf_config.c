/* Configurations out of GGUF metadata, every refused setting by its key; weights by the names of the Hugging Face layout. */
#include "checkpoint/gguf_config.h"
#include "checkpoint/weights.h"
#include "gguf_file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct scratch g_scratch;

enum { HIDDEN = 8, HEADS = 2, KV_HEADS = 1, HEAD_DIM = 4, WIDE = 6, VOCAB = 10, MOST = 128 };

/* The tensor's numbers are its place in the file and so all different. */
static void add_tensor(struct gguf_file *f, const char *name, size_t rows, size_t columns)
{
	float values[MOST];
	size_t n = rows * columns, before = f->data.len;
	for (size_t i = 0; i < n; i++)
		values[i] = (float)(before + i);
	gguf_tensor(f, name, rows > 1 ? 2 : 1, rows > 1 ? (size_t[]){rows, columns} : (size_t[]){columns}, GGML_F32, values, 4 * n);
}

static void add_key(struct gguf_file *f, const char *architecture, const char *name, uint32_t v)
{
	char key[96];
	snprintf(key, sizeof(key), "%s.%s", architecture, name);
	gguf_u32(f, key, v);
}

static void add_keys(struct gguf_file *f, const char *architecture)
{
	char key[96];
	gguf_text(f, "general.architecture", architecture);
	add_key(f, architecture, "block_count", 1);
	add_key(f, architecture, "context_length", 2048);
	add_key(f, architecture, "embedding_length", HIDDEN);
	add_key(f, architecture, "feed_forward_length", WIDE);
	add_key(f, architecture, "attention.head_count", HEADS);
	add_key(f, architecture, "attention.head_count_kv", KV_HEADS);
	snprintf(key, sizeof(key), "%s.attention.layer_norm_rms_epsilon", architecture);
	gguf_f32(f, key, 1e-5f);
	gguf_u32(f, "tokenizer.ggml.bos_token_id", 1);
	gguf_u32(f, "tokenizer.ggml.eos_token_id", 7);
	gguf_u32(f, "tokenizer.ggml.eot_token_id", 2);
}

static struct gguf_file model_file(const char *architecture)
{
	struct gguf_file f = gguf_new();
	add_keys(&f, architecture);
	add_tensor(&f, "token_embd.weight", VOCAB, HIDDEN);
	add_tensor(&f, "output_norm.weight", 1, HIDDEN);
	add_tensor(&f, "blk.0.attn_norm.weight", 1, HIDDEN);
	add_tensor(&f, "blk.0.ffn_norm.weight", 1, HIDDEN);
	add_tensor(&f, "blk.0.attn_q.weight", HEADS * HEAD_DIM, HIDDEN);
	add_tensor(&f, "blk.0.attn_k.weight", KV_HEADS * HEAD_DIM, HIDDEN);
	add_tensor(&f, "blk.0.attn_v.weight", KV_HEADS * HEAD_DIM, HIDDEN);
	add_tensor(&f, "blk.0.attn_output.weight", HIDDEN, HEADS * HEAD_DIM);
	add_tensor(&f, "blk.0.ffn_gate.weight", WIDE, HIDDEN);
	add_tensor(&f, "blk.0.ffn_up.weight", WIDE, HIDDEN);
	add_tensor(&f, "blk.0.ffn_down.weight", HIDDEN, WIDE);
	return f;
}

static const char *write_file(struct gguf_file *f)
{
	struct ts_str bytes = gguf_bytes(f, NULL);
	assert_non_null(scratch_write(&g_scratch, "m.gguf", bytes.data, bytes.len));
	ts_str_release(&bytes);
	gguf_release(f);
	return g_scratch.path;
}

/* Both are done with once the configuration is read. */
static int load(struct gguf_file f, struct ts_model_config *c, struct ts_error *err)
{
	return ts_model_config_load(c, write_file(&f), err);
}

static void families(void **state)
{
	struct ts_model_config c;
	struct ts_error err = {0};
	assert_int_equal(load(model_file("llama"), &c, &err), 0);
	assert_string_equal(c.model_type, "llama");
	assert_true(c.hidden_size == HIDDEN && c.layers == 1 && c.heads == HEADS && c.kv_heads == KV_HEADS && c.head_dim == HEAD_DIM);
	assert_true(c.intermediate_size == WIDE && c.max_positions == 2048 && c.vocab_size == VOCAB);
	assert_true(c.rms_norm_eps == 1e-5f && c.rope_theta == 1e4 && c.rope_type == TS_ROPE_DEFAULT);
	assert_true(c.tied_embeddings && !c.qk_norm && !c.qkv_bias && !c.o_bias && c.sliding_window == 0);
	assert_true(c.bos_id == 1 && c.eos_count == 2 && c.eos_ids[0] == 2 && c.eos_ids[1] == 7);

	struct gguf_file f = model_file("qwen2");
	add_tensor(&f, "blk.0.attn_q.bias", 1, HIDDEN);
	add_tensor(&f, "output.weight", VOCAB, HIDDEN);
	gguf_f32(&f, "qwen2.rope.freq_base", 1e6f);
	assert_int_equal(load(f, &c, &err), 0);
	assert_true(c.qkv_bias && !c.o_bias && !c.tied_embeddings && !c.qk_norm && c.rope_theta == 1e6);

	f = model_file("qwen3");
	gguf_u32(&f, "qwen3.attention.key_length", 16);
	gguf_u32(&f, "qwen3.attention.value_length", 16);
	gguf_text(&f, "qwen3.rope.scaling.type", "linear");
	gguf_f32(&f, "qwen3.rope.scaling.factor", 4);
	assert_int_equal(load(f, &c, &err), 0);
	assert_true(c.qk_norm && c.head_dim == 16 && c.rope_type == TS_ROPE_LINEAR && c.rope_factor == 4);

	f = model_file("llama"); /* a type that asks for nothing, and what older files say */
	gguf_text(&f, "llama.rope.scaling.type", "none");
	gguf_f32(&f, "llama.rope.scaling.factor", 8);
	gguf_u32(&f, "llama.expert_count", 0);
	gguf_u32(&f, "llama.vocab_size", VOCAB);
	gguf_u32(&f, "llama.rope.dimension_count", HEAD_DIM);
	gguf_u32(&f, "tokenizer.ggml.eom_token_id", UINT32_MAX);
	assert_int_equal(load(f, &c, &err), 0);
	assert_true(c.rope_type == TS_ROPE_DEFAULT && c.eos_count == 2);
	f = model_file("llama");
	gguf_f32(&f, "llama.rope.scale_linear", 2);
	assert_int_equal(load(f, &c, &err), 0);
	assert_true(c.rope_type == TS_ROPE_LINEAR && c.rope_factor == 2);
}

#define refused(status, put, ...)                                                                                                          \
	do {                                                                                                                               \
		struct gguf_file f = model_file("llama");                                                                                  \
		put;                                                                                                                       \
		struct ts_model_config c;                                                                                                  \
		struct ts_error err = {0};                                                                                                 \
		refused_at(status, load(f, &c, &err), &err, (const char *const[]){__VA_ARGS__, NULL}, __LINE__);                           \
	} while (0)

static void refused_at(int expected, int status, const struct ts_error *err, const char *const *parts, int line)
{
	if (status != expected)
		fail_msg("line %d: status %d, expected %d: %s", line, status, expected, status ? err->message : "(no error)");
	for (; *parts; parts++)
		if (!strstr(err->message, *parts))
			fail_msg("line %d: \"%s\" does not say \"%s\"", line, err->message, *parts);
}

static void settings(void **state)
{
	refused(TS_EUNSUPPORTED, (gguf_release(&f), f = model_file("gemma2")), "m.gguf", "general.architecture", "gemma2",
		"llama, qwen2, qwen3");
	refused(TS_EFORMAT, (gguf_release(&f), f = gguf_new()), "\"general.architecture\" is missing");
	refused(TS_EUNSUPPORTED, gguf_text(&f, "llama.rope.scaling.type", "longrope"), "llama.rope.scaling.type", "longrope",
		"none, linear");
	refused(TS_EINVAL, gguf_text(&f, "llama.rope.scaling.type", "yarn"), "llama.rope.scaling.original_context_length", "above 0",
		"missing");
	refused(TS_EUNSUPPORTED, gguf_f32(&f, "llama.rope.scaling.yarn_beta_fast", 16), "llama.rope.scaling.yarn_beta_fast", "this setting",
		"");
	refused(TS_EUNSUPPORTED, gguf_u32(&f, "llama.expert_count", 8), "llama.expert_count");
	refused(TS_EUNSUPPORTED, gguf_u32(&f, "llama.attention.sliding_window", 4096), "llama.attention.sliding_window");
	refused(TS_EUNSUPPORTED, gguf_f32(&f, "llama.logit_scale", 0.5f), "llama.logit_scale");
	refused(TS_EUNSUPPORTED, gguf_text(&f, "llama.pooling_type", "mean"), "llama.pooling_type");
	refused(TS_EUNSUPPORTED, gguf_bool(&f, "llama.attention.causal", true), "llama.attention.causal");
	refused(TS_EUNSUPPORTED, gguf_u32(&f, "llama.rope.dimension_count", 2), "llama.rope.dimension_count", "part of a head");
	refused(TS_EUNSUPPORTED, gguf_u32(&f, "llama.attention.value_length", 8), "llama.attention.value_length");
	refused(TS_EUNSUPPORTED, gguf_u32(&f, "split.count", 3), "split.count", "one file");
	refused(TS_EUNSUPPORTED, gguf_text(&f, "general.type", "adapter"), "general.type", "adapter", "a model");
	refused(TS_EINVAL, gguf_u32(&f, "llama.attention.key_length", 258), "llama.attention.key_length", "1 to 256, found 258");
	refused(TS_EINVAL, gguf_u32(&f, "llama.attention.key_length", 3), "llama.attention.key_length", "even number, found 3");
	refused(TS_EINVAL, gguf_f32(&f, "llama.rope.freq_base", 0), "llama.rope.freq_base", "above 0, found 0");
	refused(TS_EINVAL, gguf_f32(&f, "llama.rope.scale_linear", -1), "llama.rope.scale_linear", "above 0, found -1");
	refused(TS_EINVAL, gguf_u32(&f, "tokenizer.ggml.eom_token_id", VOCAB), "tokenizer.ggml.eom_token_id", "0 to 9, found 10");
	refused(TS_EFORMAT, gguf_text(&f, "llama.rope.freq_base", "much"), "llama.rope.freq_base", "a number, found STRING");
}

/* Every key that must be there, left out and said wrongly. */
static void needed_keys(void **state)
{
	static const struct {
		const char *name, *wrong;
		uint32_t value;
	} needed[] = {
		{"block_count", "1 to 4096, found 5000", 5000},    {"context_length", "1 to 1073741824, found 0", 0},
		{"embedding_length", "1 to 1048576, found 0", 0},  {"feed_forward_length", "1 to 4194304, found 4294967295", UINT32_MAX},
		{"attention.head_count", "1 to 4096, found 0", 0},
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		for (int wrong = 0; wrong < 2; wrong++) {
			struct gguf_file f = gguf_new();
			struct ts_model_config c;
			struct ts_error err = {0};
			gguf_text(&f, "general.architecture", "llama");
			for (size_t k = 0; k < sizeof(needed) / sizeof(*needed); k++)
				if (k != i || wrong)
					add_key(&f, "llama", needed[k].name, k == i ? needed[k].value : 8);
			const char *parts[] = {needed[i].name, wrong ? needed[i].wrong : "is missing", NULL};
			refused_at(wrong ? TS_EINVAL : TS_EFORMAT, load(f, &c, &err), &err, parts, __LINE__);
		}
	struct ts_model_config c;
	struct ts_error err = {0};
	struct gguf_file f = gguf_new();
	add_keys(&f, "llama");
	assert_int_equal(load(f, &c, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, "token_embd.weight"));
}

/* --- weights --- */

/* The converter's permutation: each head's rows [2, half] become [half, 2]. */
static void interleave(float *out, const float *in, size_t heads, size_t columns)
{
	size_t half = HEAD_DIM / 2;
	for (size_t h = 0; h < heads; h++)
		for (size_t s = 0; s < 2; s++)
			for (size_t j = 0; j < half; j++)
				memcpy(out + (h * HEAD_DIM + 2 * j + s) * columns, in + (h * HEAD_DIM + s * half + j) * columns,
				       columns * sizeof(float));
}

static void need_same(struct ts_weights *w, const char *name, int dims, const size_t *shape, const float *want, size_t n)
{
	struct ts_weight_view v;
	struct ts_error err = {0};
	if (ts_weights_need(w, name, dims, shape, &v, &err))
		fail_msg("%s", err.message);
	assert_int_equal(v.dtype, TS_F32);
	assert_string_equal(v.path, g_scratch.path);
	assert_memory_equal(v.data, want, n * sizeof(float));
	ts_weights_drop(&v);
}

static void rows_of_heads(const char *architecture, bool turned)
{
	struct gguf_file f = model_file(architecture);
	float plain[HEADS * HEAD_DIM * HIDDEN], stored[HEADS * HEAD_DIM * HIDDEN];
	struct ts_model_config c;
	struct ts_weights w;
	struct ts_error err = {0};
	bool both;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		plain[i] = (float)i + 0.5f;
	interleave(stored, plain, HEADS, 1);
	gguf_tensor(&f, "blk.0.attn_q.bias", 1, (size_t[]){HEADS * HEAD_DIM}, GGML_F32, turned ? stored : plain, 4 * HEADS * HEAD_DIM);
	interleave(stored, plain, HEADS, HIDDEN);
	/* the matrix stands first among the data of q: put it over what model_file wrote */
	struct ts_gguf g;
	struct ts_str bytes = gguf_bytes(&f, NULL);
	assert_non_null(scratch_write(&g_scratch, "m.gguf", bytes.data, bytes.len));
	assert_int_equal(ts_gguf_open(&g, g_scratch.path, &err), 0);
	size_t at = (size_t)(ts_gguf_tensor(&g, "blk.0.attn_q.weight")->data - g.file.data);
	ts_gguf_close(&g);
	memcpy(bytes.data + at, turned ? stored : plain, sizeof(plain));
	assert_non_null(scratch_write(&g_scratch, "m.gguf", bytes.data, bytes.len));
	ts_str_release(&bytes);
	gguf_release(&f);
	assert_int_equal(ts_model_config_load(&c, g_scratch.path, &err), 0);
	assert_int_equal(ts_weights_open(&w, g_scratch.path, &c, &both, &err), 0);
	need_same(&w, "model.layers.0.self_attn.q_proj.weight", 2, (size_t[]){HEADS * HEAD_DIM, HIDDEN}, plain, HEADS * HEAD_DIM * HIDDEN);
	need_same(&w, "model.layers.0.self_attn.q_proj.bias", 1, (size_t[]){HEADS * HEAD_DIM}, plain, HEADS * HEAD_DIM);
	ts_weights_close(&w);
}

static void rows(void **state)
{
	rows_of_heads("llama", true);
	rows_of_heads("qwen2", false);
}

static void names(void **state)
{
	static const char *const all[] = {
		"model.embed_tokens.weight",
		"model.norm.weight",
		"model.layers.0.input_layernorm.weight",
		"model.layers.0.post_attention_layernorm.weight",
		"model.layers.0.self_attn.q_proj.weight",
		"model.layers.0.self_attn.k_proj.weight",
		"model.layers.0.self_attn.v_proj.weight",
		"model.layers.0.self_attn.o_proj.weight",
		"model.layers.0.mlp.gate_proj.weight",
		"model.layers.0.mlp.up_proj.weight",
		"model.layers.0.mlp.down_proj.weight",
	};
	static const char *const absent[] = {"lm_head.weight",
					     "model.layers.1.mlp.up_proj.weight",
					     "model.layers.0.mlp.up_proj.bias",
					     "model.layers.x.mlp.up_proj.weight",
					     "model.layers.0.self_attn.q_norm.weight",
					     "token_embd.weight",
					     "weight",
					     "",
					     "model.layers.0.mlp.up_proj.weights"};
	struct gguf_file f = model_file("llama");
	struct ts_model_config c;
	struct ts_weights w;
	struct ts_weight_view v;
	struct ts_error err = {0};
	bool both;
	assert_int_equal(load(f, &c, &err), 0);
	assert_int_equal(ts_weights_open(&w, g_scratch.path, &c, &both, &err), 0);
	assert_false(both);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_true(ts_weights_has(&w, all[i]));
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		assert_false(ts_weights_has(&w, absent[i]));
		assert_int_equal(ts_weights_need(&w, absent[i], 1, (size_t[]){4}, &v, &err), TS_ENOTFOUND);
		assert_non_null(strstr(err.message, "m.gguf: no tensor"));
	}
	assert_int_equal(ts_weights_need(&w, "model.norm.weight", 1, (size_t[]){HIDDEN + 1}, &v, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "output_norm.weight: expected shape [9], found [8]"));
	ts_weights_close(&w);
}

static void strangers(void **state)
{
	static const char *const strange[] = {"rope_freqs.bias",        "blk.0.ffn_gate_exps.weight", "blk.0.attn_q_norm.weight",
					      "blk.0.attn_q.bias.more", "blk.1.attn_norm.weight",     "blk.0.ffn_up.bias",
					      "attn_q.weight",          "blk.0.token_embd.weight",    "blk.0.attn_v.bias"};
	for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
		struct gguf_file f = model_file("llama");
		struct ts_model_config c;
		struct ts_weights w;
		struct ts_error err = {0};
		bool both;
		add_tensor(&f, strange[i], 1, 8);
		assert_int_equal(load(f, &c, &err), 0);
		assert_int_equal(ts_weights_open(&w, g_scratch.path, &c, &both, &err), TS_EUNSUPPORTED);
		assert_non_null(strstr(err.message, strange[i]));
	}
}

static void every_allocation(void **state)
{
	struct gguf_file f = model_file("llama");
	struct ts_model_config c;
	assert_int_equal(load(f, &c, NULL), 0);
	for (size_t n = 1;; n++) {
		struct ts_weights w;
		struct ts_weight_view v;
		struct ts_error err = {0};
		bool both;
		ts_mem_fail_at(n);
		int status = ts_model_config_load(&c, g_scratch.path, &err);
		if (!status)
			status = ts_weights_open(&w, g_scratch.path, &c, &both, &err);
		if (!status) {
			status = ts_weights_need(&w, "model.layers.0.self_attn.q_proj.weight", 2, (size_t[]){8, 8}, &v, &err);
			ts_weights_close(&w);
		}
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] && n < 1000);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families), cmocka_unit_test(settings),  cmocka_unit_test(needed_keys),      cmocka_unit_test(rows),
		cmocka_unit_test(names),    cmocka_unit_test(strangers), cmocka_unit_test(every_allocation),
	};
	return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
