/* A GGUF file of a golden checkpoint is the same model, bit for bit: sizes, order of rows, biases, norms, head. The file is written here
 * with the names and the permutation of the public converter. */
#include "core/file.h"
#include "core/sha256.h"
#include "gguf_file.h"
#include "model/golden_model.h"
#include "torture.h"

#include <math.h>

static const struct family {
	const char *name, *architecture;
	bool turned;
} families[] = {
	{"qwen3", "qwen3", false},
	{"qwen2", "qwen2", false},
	{"mistral", "llama", true},
};

/* Modules of our names and of the file's; "model.layers.N." is "blk.N.". */
static const char *const modules[][2] = {
	{"model.embed_tokens", "token_embd"},
	{"model.norm", "output_norm"},
	{"lm_head", "output"},
	{"input_layernorm", "attn_norm"},
	{"post_attention_layernorm", "ffn_norm"},
	{"self_attn.q_proj", "attn_q"},
	{"self_attn.k_proj", "attn_k"},
	{"self_attn.v_proj", "attn_v"},
	{"self_attn.o_proj", "attn_output"},
	{"self_attn.q_norm", "attn_q_norm"},
	{"self_attn.k_norm", "attn_k_norm"},
	{"mlp.gate_proj", "ffn_gate"},
	{"mlp.up_proj", "ffn_up"},
	{"mlp.down_proj", "ffn_down"},
};

static void their_name(const char *ours, char theirs[64])
{
	char layer[16] = "";
	const char *module = ours;
	if (!strncmp(ours, "model.layers.", 13)) {
		size_t digits = strspn(ours + 13, "0123456789");
		snprintf(layer, sizeof(layer), "blk.%.*s.", (int)digits, ours + 13);
		module = ours + 13 + digits + 1;
	}
	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		size_t n = strlen(modules[i][0]);
		if (!strncmp(module, modules[i][0], n) && module[n] == '.') {
			snprintf(theirs, 64, "%s%s%s", layer, modules[i][1], module + n);
			return;
		}
	}
	fail_msg("no name for %s", ours);
}

/* What becomes of the matrices. */
enum matrices { STORED, Q8_0, Q8_0_AS_F32, Q8_0_AS_BF16 };

/* Blocks of 32: a scale that is a power of two, so that its f16 is exact, and quants to the nearest. */
static void quantise(struct ts_str *out, const float *values, size_t n, enum matrices how)
{
	for (size_t i = 0; i < n; i += 32) {
		int exponent = -14;
		for (size_t k = 0; k < 32; k++)
			while (exponent < 15 && fabsf(values[i + k]) > 127 * ldexpf(1, exponent))
				exponent++;
		if (how == Q8_0)
			gguf_put(out, (uint64_t)(exponent + 15) << 10, 2);
		for (size_t k = 0; k < 32; k++) {
			float quant = rintf(ldexpf(values[i + k], -exponent)), wide = ldexpf(quant, exponent);
			uint32_t bits;
			memcpy(&bits, &wide, sizeof(bits));
			if (how == Q8_0)
				gguf_put(out, (uint8_t)(int8_t)quant, 1);
			else if (how == Q8_0_AS_F32)
				gguf_put(out, bits, 4);
			else
				gguf_put(out, ts_f32_to_bf16(wide), 2);
		}
	}
}

static void put_quantised(struct gguf_file *f, const char *name, const struct ts_tensor *t, const unsigned char *data, enum matrices how)
{
	float *values = malloc(t->elements * sizeof(*values));
	struct ts_str out = {0};
	assert_non_null(values);
	ts_widen(values, data, t->dtype, t->elements);
	quantise(&out, values, t->elements, how);
	gguf_tensor(f, name, 2, t->shape, how == Q8_0 ? GGML_Q8_0 : how == Q8_0_AS_F32 ? GGML_F32 : GGML_BF16, out.data, out.len);
	free(values);
	ts_str_release(&out);
}

static void put_tensor(struct gguf_file *f, const struct ts_tensor *t, const struct family *family, const struct ts_model_config *c,
		       enum matrices how)
{
	static const uint32_t types[] = {[TS_F32] = GGML_F32, [TS_BF16] = GGML_BF16, [TS_F16] = GGML_F16};
	char name[64];
	size_t row = t->bytes / t->shape[0], dim = (size_t)c->head_dim;
	unsigned char *data = malloc(t->bytes);
	assert_non_null(data);
	memcpy(data, t->data, t->bytes);
	bool turned = family->turned && (strstr(t->name, "q_proj") || strstr(t->name, "k_proj"));
	for (size_t i = 0; turned && i < t->shape[0]; i++) {
		size_t head = i / dim, half = i % dim / (dim / 2), place = i % (dim / 2);
		memcpy(data + (head * dim + 2 * place + half) * row, t->data + i * row, row);
	}
	their_name(t->name, name);
	if (how != STORED && t->dims == 2 && t->shape[1] % 32 == 0)
		put_quantised(f, name, t, data, how);
	else
		gguf_tensor(f, name, (uint32_t)t->dims, t->shape, types[t->dtype], data, t->bytes);
	free(data);
}

static void put_number(struct gguf_file *f, const struct family *family, const char *name, double v)
{
	char key[96];
	snprintf(key, sizeof(key), "%s.%s", family->architecture, name);
	if (strstr(name, "epsilon") || strstr(name, "freq_base"))
		gguf_f32(f, key, (float)v);
	else
		gguf_u32(f, key, (uint32_t)v);
}

static void write_twin(const struct family *family, const char *dir, const char *path, enum matrices how)
{
	struct ts_model_config c;
	struct ts_tensors file;
	struct ts_error err = {0};
	struct gguf_file f = gguf_new();
	ok(ts_model_config_load(&c, dir, &err));
	ok(ts_tensors_open_folder(&file, dir, NULL, &err));
	gguf_text(&f, "general.architecture", family->architecture);
	put_number(&f, family, "block_count", c.layers);
	put_number(&f, family, "context_length", c.max_positions);
	put_number(&f, family, "embedding_length", c.hidden_size);
	put_number(&f, family, "feed_forward_length", c.intermediate_size);
	put_number(&f, family, "attention.head_count", c.heads);
	put_number(&f, family, "attention.head_count_kv", c.kv_heads);
	put_number(&f, family, "attention.key_length", c.head_dim);
	put_number(&f, family, "attention.value_length", c.head_dim);
	put_number(&f, family, "attention.layer_norm_rms_epsilon", (double)c.rms_norm_eps);
	put_number(&f, family, "rope.freq_base", c.rope_theta);
	for (size_t i = 0; i < file.list.len; i++)
		put_tensor(&f, &file.list.data[i], family, &c, how);
	struct ts_str bytes = gguf_bytes(&f, NULL);
	ok(ts_file_write(path, bytes.data, bytes.len, &err));
	ts_str_release(&bytes);
	gguf_release(&f);
	ts_tensors_close(&file);
}

static void same_logits(const struct ts_model *a, const struct ts_model *b)
{
	enum { ROWS = 20 };
	const struct ts_model *models[2] = {a, b};
	size_t vocab = (size_t)ts_model_config(a)->vocab_size;
	float *logits[2];
	for (int m = 0; m < 2; m++) {
		struct ts_error err = {0};
		struct ts_workspace *w;
		struct ts_kv_pool kv;
		int32_t ids[ROWS], page = 0;
		uint32_t positions[ROWS];
		for (int i = 0; i < ROWS; i++) {
			ids[i] = i * 17 % (int32_t)vocab;
			positions[i] = (uint32_t)i;
		}
		struct ts_segment segment = {.rows = ROWS, .pages = &page};
		ok(ts_workspace_new(&w, models[m], ROWS, ROWS, 0, &err));
		ok(ts_model_kv_new(models[m], &kv, 1, TS_F32, &err));
		struct ts_batch batch = {.rows = ROWS,
					 .ids = ids,
					 .positions = positions,
					 .segments = &segment,
					 .segment_count = 1,
					 .kv = &kv,
					 .wanted = positions,
					 .wanted_count = ROWS};
		logits[m] = calloc(ROWS * vocab, sizeof(float));
		assert_non_null(logits[m]);
		ts_model_logits(models[m], logits[m], ts_model_forward(models[m], w, &batch), ROWS);
		ts_model_kv_free(models[m], &kv);
		ts_workspace_free(w);
	}
	assert_memory_equal(logits[0], logits[1], ROWS * vocab * sizeof(float));
	assert_true(logits[0][0] != logits[0][vocab]); /* there is something to compare */
	free(logits[0]);
	free(logits[1]);
}

static void twins(void **state)
{
	char *scratch = temp_dir(), path[128];
	struct ts_error err = {0};
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		const char *dir = golden_path("models/%s-tiny", families[i].name);
		struct ts_backend *backend;
		struct ts_model *model, *twin;
		char hash[65], other[65];
		snprintf(path, sizeof(path), "%s/%s.gguf", scratch, families[i].name);
		write_twin(&families[i], dir, path, STORED);
		open_model(&backend, &model, dir, TS_ISA_AUTO, 1);
		ok(ts_model_open(&twin, backend, path, NULL, &err));
		const struct ts_model_config *a = ts_model_config(model), *b = ts_model_config(twin);
		assert_true(a->vocab_size == b->vocab_size && a->tied_embeddings == b->tied_embeddings && a->qk_norm == b->qk_norm);
		assert_true(a->qkv_bias == b->qkv_bias && a->o_bias == b->o_bias && a->head_dim == b->head_dim);
		assert_int_equal(ts_model_weight_bytes(model), ts_model_weight_bytes(twin));
		same_logits(model, twin);
		ts_model_close(twin);
		ts_model_close(model);
		ts_backend_free(backend);
		ok(ts_model_hash(path, hash, &err));
		ok(ts_sha256_file(path, other, &err));
		assert_string_equal(hash, other);
	}
	ok(ts_path_remove(scratch, &err));
}

/* A quantised file is the model whose weights its blocks stand for: exactly, or rounded to bf16. */
static void quantised(void **state)
{
	const char *dir = golden_path("models/qwen3-tiny");
	char *scratch = temp_dir(), blocks[128], plain[128];
	struct ts_error err = {0};
	struct ts_backend *backend;
	ok(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err));
	snprintf(blocks, sizeof(blocks), "%s/q.gguf", scratch);
	snprintf(plain, sizeof(plain), "%s/p.gguf", scratch);
	write_twin(&families[0], dir, blocks, Q8_0);
	for (int exact = 0; exact < 2; exact++) {
		struct ts_model *a, *b;
		write_twin(&families[0], dir, plain, exact ? Q8_0_AS_F32 : Q8_0_AS_BF16);
		ok(exact ? ts_model_open_as(&a, backend, blocks, TS_F32, NULL, &err) : ts_model_open(&a, backend, blocks, NULL, &err));
		ok(ts_model_open(&b, backend, plain, NULL, &err));
		assert_int_equal(ts_model_weight_bytes(a), ts_model_weight_bytes(b));
		same_logits(a, b);
		ts_model_close(a);
		ts_model_close(b);
	}
	ts_backend_free(backend);
	ok(ts_path_remove(scratch, &err));
}

/* A block's scale that is infinite or NaN makes numbers that are. */
static void scales_without_value(void **state)
{
	static const uint16_t scales[] = {0x7C00, 0xFC00, 0x7E00};
	char *scratch = temp_dir(), path[128];
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_gguf g;
	ok(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err));
	snprintf(path, sizeof(path), "%s/q.gguf", scratch);
	write_twin(&families[0], golden_path("models/qwen3-tiny"), path, Q8_0);
	ok(ts_gguf_open(&g, path, &err));
	long at = (long)(ts_gguf_tensor(&g, "blk.1.ffn_up.weight")->data - g.file.data);
	ts_gguf_close(&g);
	for (size_t i = 0; i < 2 * sizeof(scales) / sizeof(*scales); i++) {
		struct ts_model *model;
		FILE *file = fopen(path, "r+b");
		assert_non_null(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		assert_int_equal(fwrite(&scales[i / 2], 2, 1, file), 1);
		fclose(file);
		assert_int_equal(ts_model_open_as(&model, backend, path, i % 2 ? TS_F32 : TS_BF16, NULL, &err), TS_ENUMERIC);
		assert_non_null(strstr(err.message, "model.layers.1.mlp.up_proj.weight"));
	}
	ts_backend_free(backend);
	ok(ts_path_remove(scratch, &err));
}

struct place {
	struct ts_backend *backend;
	char path[128];
};

static int open_close(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_model *m;
	TS_TRY(ts_model_open(&m, p->backend, p->path, NULL, err));
	ts_model_close(m);
	return 0;
}

static void every_allocation(void **state)
{
	struct place p;
	struct ts_error err = {0};
	char *scratch = temp_dir();
	snprintf(p.path, sizeof(p.path), "%s/m.gguf", scratch);
	write_twin(&families[2], golden_path("models/mistral-tiny"), p.path, Q8_0);
	ok(ts_backend_cpu_new(&p.backend, TS_ISA_AUTO, 1, &err));
	torture(open_close, &p);
	ts_backend_free(p.backend);
	ok(ts_path_remove(scratch, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(twins), cmocka_unit_test(quantised), cmocka_unit_test(scales_without_value),
					   cmocka_unit_test(every_allocation)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
