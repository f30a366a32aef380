/* Opening checkpoints that are not right: each is refused by name. */
#include "core/file.h"
#include "model/golden_model.h"

enum damage { NONE, MISSING, NARROW, NAN_MATRIX, INF_NORM, STORED_HEAD };

static void copy_config(const char *family, const char *dir)
{
	struct ts_error err = {0};
	struct ts_str text = {0};
	char path[600];
	ok(ts_file_read(golden_path("models/%s-tiny/config.json", family), &text, &err));
	snprintf(path, sizeof(path), "%s/config.json", dir);
	ok(ts_file_write(path, text.data, text.len, &err));
	ts_str_release(&text);
}

/* The golden checkpoint with one tensor spoilt. */
static void write_damaged(const char *family, const char *dir, enum damage damage, const char *victim)
{
	struct ts_error err = {0};
	struct ts_tensors file = {0};
	struct ts_tensor_out list[128];
	char path[600];
	unsigned char *spoilt = NULL;
	size_t n = 0;
	ok(ts_tensors_open_folder(&file, golden_path("models/%s-tiny", family), NULL, &err));
	for (size_t i = 0; i < file.list.len; i++) {
		const struct ts_tensor *t = &file.list.data[i];
		struct ts_tensor_out o = {.name = t->name, .dtype = t->dtype, .dims = t->dims, .data = t->data};
		memcpy(o.shape, t->shape, sizeof(o.shape));
		if (!strcmp(t->name, victim)) {
			if (damage == MISSING)
				continue;
			if (damage == NARROW)
				o.shape[0]--;
			if (damage == NAN_MATRIX || damage == INF_NORM) {
				/* The last element; 0x7FC0 is NaN and 0xFF80 -Inf in bf16 and in the upper half of f32. */
				size_t size = ts_dtype_size(t->dtype);
				spoilt = malloc(t->bytes);
				assert_non_null(spoilt);
				memcpy(spoilt, t->data, t->bytes);
				memset(spoilt + t->bytes - size, 0, size);
				spoilt[t->bytes - 2] = damage == NAN_MATRIX ? 0xC0 : 0x80;
				spoilt[t->bytes - 1] = damage == NAN_MATRIX ? 0x7F : 0xFF;
				o.data = spoilt;
			}
		}
		list[n++] = o;
		if (damage == STORED_HEAD && !strcmp(t->name, victim)) {
			spoilt = calloc(1, t->bytes);
			assert_non_null(spoilt);
			o.name = "lm_head.weight";
			o.data = spoilt;
			list[n++] = o;
		}
	}
	assert_true(damage == NONE || damage == MISSING || damage == NARROW || spoilt != NULL);
	snprintf(path, sizeof(path), "%s/model.safetensors", dir);
	ok(ts_tensors_write(path, list, n, &err));
	free(spoilt);
	ts_tensors_close(&file);
	copy_config(family, dir);
}

static void test_refused(void **state)
{
	static const struct {
		const char *family;
		enum damage damage;
		const char *victim;
		int status;
	} cases[] = {
		{"qwen3", NONE, "", 0},
		{"llama", NONE, "", 0},
		{"qwen3", MISSING, "model.layers.2.mlp.up_proj.weight", TS_ENOTFOUND},
		{"qwen3", MISSING, "model.layers.1.self_attn.k_norm.weight", TS_ENOTFOUND},
		{"llama", MISSING, "model.norm.weight", TS_ENOTFOUND},
		{"llama", MISSING, "lm_head.weight", TS_ENOTFOUND},
		{"qwen3", NARROW, "model.layers.0.self_attn.q_proj.weight", TS_EMISMATCH},
		{"llama", NARROW, "model.layers.1.input_layernorm.weight", TS_EMISMATCH},
		{"llama", NARROW, "model.embed_tokens.weight", TS_EMISMATCH},
		{"qwen3", NAN_MATRIX, "model.layers.2.mlp.down_proj.weight", TS_ENUMERIC},
		{"llama", NAN_MATRIX, "model.layers.1.self_attn.o_proj.weight", TS_ENUMERIC},
		{"qwen3", INF_NORM, "model.norm.weight", TS_ENUMERIC},
		{"llama", INF_NORM, "lm_head.weight", TS_ENUMERIC},
	};
	struct ts_error err = {0};
	struct ts_backend *backend;
	ok(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *dir = temp_dir();
		struct ts_model *model = NULL;
		struct ts_error found = {0};
		write_damaged(cases[i].family, dir, cases[i].damage, cases[i].victim);
		int status = ts_model_open(&model, backend, dir, NULL, &found);
		if (status != cases[i].status || !strstr(found.message, cases[i].victim))
			fail_msg("case %zu (%s): status %d, \"%s\"", i, cases[i].victim, status, found.message);
		assert_int_equal(model == NULL, status != 0);
		ts_model_close(model);
		ok(ts_path_remove(dir, &err));
	}
	ts_backend_free(backend);
}

static void count_warnings(void *user, enum ts_log_level level, const char *message)
{
	if (level == TS_LOG_WARN && strstr(message, "lm_head.weight"))
		++*(int *)user;
}

/* A head stored over tied embeddings is used, and said aloud: here it is zero, and so are the logits. */
static void test_stored_head(void **state)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	int warnings = 0;
	struct ts_context context = {.user = &warnings, .log = count_warnings};
	char *dir = temp_dir();
	const int32_t ids[] = {3, 4};
	write_damaged("qwen3", dir, STORED_HEAD, "model.embed_tokens.weight");
	ok(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err));
	ok(ts_model_open(&model, backend, dir, &context, &err));
	assert_int_equal(warnings, 1);
	float *logits = sequence_logits(model, NULL, TS_F32, ids, 2, 0, 2);
	for (size_t i = 0; i < 2 * (size_t)ts_model_config(model)->vocab_size; i++)
		assert_true(logits[i] == 0);
	free(logits);
	ts_model_close(model);
	ts_backend_free(backend);
	ok(ts_path_remove(dir, &err));
}

/* What a checkpoint will need is known from its header: its matrices as they are packed, and its vectors in f32. */
static void test_size(void **state)
{
	static const char *const families[] = {"qwen3", "qwen2", "llama"};
	struct ts_error err = {0};
	struct ts_backend *backend;
	ok(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err));
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const char *dir = golden_path("models/%s-tiny", families[i]);
		struct ts_model_size size;
		struct ts_model *model;
		struct ts_tensors file;
		size_t vectors = 0, stored = 0;
		ok(ts_tensors_open_folder(&file, dir, NULL, &err));
		for (size_t k = 0; k < file.list.len; k++) {
			stored += file.list.data[k].bytes;
			vectors += file.list.data[k].dims == 1 ? file.list.data[k].elements * sizeof(float) : 0;
		}
		ts_tensors_close(&file);
		ok(ts_model_size_read(&size, backend, dir, TS_BF16, &err));
		ok(ts_model_open(&model, backend, dir, NULL, &err));
		assert_int_equal(size.weights, ts_model_weight_bytes(model) + vectors);
		assert_int_equal(size.file, stored);
		assert_true(size.loading > size.weights);
		assert_int_equal(size.config.layers, ts_model_config(model)->layers);
		ts_model_close(model);
	}
	struct ts_model_size none;
	assert_int_equal(ts_model_size_read(&none, backend, "/nowhere", TS_BF16, &err), TS_ENOTFOUND);
	ts_backend_free(backend);
}

/* The identity changes with the weights and with nothing else. */
static void test_hash(void **state)
{
	struct ts_error err = {0};
	char a[65], b[65], c[65], *dir = temp_dir();
	write_damaged("qwen3", dir, NONE, "");
	ok(ts_model_hash(dir, a, &err));
	ok(ts_model_hash(dir, b, &err));
	write_damaged("qwen3", dir, NAN_MATRIX, "model.layers.0.mlp.up_proj.weight");
	ok(ts_model_hash(dir, c, &err));
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 64);
	assert_string_not_equal(a, c);
	/* End tokens may stand in generation_config.json alone. */
	char path[600];
	snprintf(path, sizeof(path), "%s/generation_config.json", dir);
	ok(ts_file_write(path, "{\"eos_token_id\": 1}", 19, &err));
	ok(ts_model_hash(dir, a, &err));
	assert_string_not_equal(a, c);
	ok(ts_file_write(path, "{\"eos_token_id\": 2}", 19, &err));
	ok(ts_model_hash(dir, b, &err));
	assert_string_not_equal(a, b);
	assert_int_equal(ts_model_hash("/nowhere", c, &err), TS_ENOTFOUND);
	ok(ts_path_remove(dir, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stored_head),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
