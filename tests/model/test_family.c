/* What configs of the four families may ask for besides what the goldens ask: the same bits however a text is cut, in training as in
 * generation, and gradients by central differences, with adapters that differ from layer to layer. Numbers against transformers:
 * docs/peers.md. */
#include "core/file.h"
#include "model/slopes.h"

static const struct variant {
	const char *family, *config; /* keys that config.json gets besides */
	const char *biases[4];       /* modules that get a bias in every layer */
	const char *adapter;         /* of adapter_config.json */
} variants[] = {
	{"llama",
	 "{\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 64, \"attention_factor\": "
	 "1.3}}",
	 {NULL},
	 "\"target_modules\": \"all-linear\", \"rank_pattern\": {\"1.self_attn.q_proj\": 5, \"0\\\\..*\": 2}, \"alpha_pattern\": "
	 "{\"down_proj\": 1}"},
	{"llama",
	 "{\"attention_bias\": true, \"mlp_bias\": true}",
	 {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
	 "\"target_modules\": \"all-linear\""},
	{"qwen3",
	 "{\"use_sliding_window\": true, \"sliding_window\": 9, \"layer_types\": [\"full_attention\", \"sliding_attention\", "
	 "\"full_attention\"]}",
	 {NULL},
	 "\"target_modules\": [\"q_proj\", \"1.self_attn.k_proj\", \"2.mlp.up_proj\"], \"layers_to_transform\": [1, 2]"},
	{"mistral",
	 "{\"sliding_window\": 20, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
	 {NULL},
	 "\"target_modules\": \"all-linear\", \"use_rslora\": true, \"exclude_modules\": \".*\\\\.3\\\\..*\""},
	{"llama",
	 "{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4}, \"max_position_embeddings\": 50}",
	 {NULL},
	 "\"target_modules\": [\"q_proj\", \"k_proj\"]"},
	{"qwen2",
	 "{\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8, \"truncate\": false}}",
	 {NULL},
	 "\"target_modules\": [\"model.layers.1.self_attn.v_proj\", \"model.layers.0.self_attn.k_proj\", \"o_proj\"]"},
};
enum { VARIANTS = sizeof(variants) / sizeof(variants[0]), LONGEST = 8 * TS_TARGETS };

static void write_config(const char *dir, const struct variant *v)
{
	struct ts_error err = {0};
	struct ts_str text = {0};
	json_t *config, *more;
	char path[600];
	ok(ts_json_load(golden_path("models/%s-tiny/config.json", v->family), &config, &err));
	ok(ts_json_parse(v->config, strlen(v->config), "variant", &more, &err));
	assert_int_equal(json_object_update(config, more), 0);
	ok(ts_json_dump_pretty(config, &text));
	snprintf(path, sizeof(path), "%s/config.json", dir);
	ok(ts_file_write(path, text.data, text.len, &err));
	ts_str_release(&text);
	json_decref(config);
	json_decref(more);
}

/* The golden weights, and small biases where the variant has some. */
static void write_weights(const char *dir, const struct variant *v)
{
	static float numbers[LONGEST][256];
	static char names[LONGEST][96];
	static const char *const mlp[] = {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"};
	struct ts_error err = {0};
	struct ts_tensors file = {0};
	struct ts_tensor_out list[128 + LONGEST];
	char path[600];
	size_t n = 0, biases = 0;
	ok(ts_tensors_open_folder(&file, golden_path("models/%s-tiny", v->family), NULL, &err));
	for (size_t i = 0; i < file.list.len; i++) {
		const struct ts_tensor *t = &file.list.data[i];
		struct ts_tensor_out o = {.name = t->name, .dtype = t->dtype, .dims = t->dims, .data = t->data};
		memcpy(o.shape, t->shape, sizeof(o.shape));
		list[n++] = o;
		size_t length = strlen(t->name), stem = length > 7 ? length - 7 : 0; /* without ".weight" */
		for (int b = 0; v->biases[0] && b < 7; b++) {
			const char *module = b < 4 ? v->biases[b] : mlp[b - 4];
			size_t end = strlen(module);
			if (stem < end || strncmp(t->name + stem - end, module, end) != 0)
				continue;
			assert_true(biases < LONGEST && t->shape[0] <= 256);
			snprintf(names[biases], sizeof(names[0]), "%.*s.bias", (int)stem, t->name);
			for (size_t k = 0; k < t->shape[0]; k++)
				numbers[biases][k] = 0.1f * (float)((int)((k * 29 + biases * 7) % 13) - 6);
			list[n++] = (struct ts_tensor_out){names[biases], TS_F32, 1, {t->shape[0]}, numbers[biases]};
			biases++;
		}
	}
	snprintf(path, sizeof(path), "%s/model.safetensors", dir);
	ok(ts_tensors_write(path, list, n, &err));
	ts_tensors_close(&file);
}

struct opened {
	struct ts_backend *backend;
	struct ts_model *model;
	char dir[64];
};

static struct opened open_variant(const struct variant *v)
{
	struct opened o;
	snprintf(o.dir, sizeof(o.dir), "%s", temp_dir());
	write_config(o.dir, v);
	write_weights(o.dir, v);
	open_model(&o.backend, &o.model, o.dir, TS_ISA_AUTO, 2);
	return o;
}

static void close_variant(struct opened *o)
{
	struct ts_error err = {0};
	ts_model_close(o->model);
	ts_backend_free(o->backend);
	ok(ts_path_remove(o->dir, &err));
}

/* The variant's adapter, by way of the config's rules: the weights come from a fresh one that is saved and read again. */
static struct ts_adapter *variant_adapter(const struct opened *o, const struct variant *v)
{
	struct ts_error err = {0};
	int layers = ts_model_config(o->model)->layers;
	struct ts_adapter_module modules[LONGEST];
	struct ts_adapter_config config;
	struct ts_adapter *a;
	char text[512], path[600];
	snprintf(text, sizeof(text), "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 6, %s}", v->adapter);
	snprintf(path, sizeof(path), "%s/adapter_config.json", o->dir);
	ok(ts_file_write(path, text, strlen(text), &err));
	assert_true(layers * TS_TARGETS <= LONGEST);
	ok(ts_adapter_config_load(&config, layers, modules, path, &err));
	ok(ts_adapter_new_modules(&a, o->model, &config, modules, 7, &err));
	fill_b(a);
	return a;
}

static void ids_of(int32_t *ids, size_t n, int vocab, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		ids[i] = (int32_t)(seed >> 8) % vocab;
	}
}

static void make_pack(struct pack *p, int vocab)
{
	static const uint32_t row_in_batch[2] = {0, 1};
	*p = (struct pack){.lengths = {70, 33}, .count = 69 + 32};
	ids_of(p->ids, 103, vocab, 5);
	for (size_t i = 0; i < 103; i++)
		p->targets[i] = i == 69 || i == 102 ? -1 : p->ids[i + 1];
	p->packed = (struct ts_packed){
		.rows = 103, .ids = p->ids, .targets = p->targets, .sequences = 2, .lengths = p->lengths, .row_in_batch = row_in_batch};
}

/* A text cut into chunks has the bits of the whole one, and the option does change numbers. */
static void test_chunks(void **state)
{
	static const size_t chunks[] = {1, 7, 64};
	enum { N = 150 };
	for (size_t i = 0; i < VARIANTS; i++) {
		struct golden plain = golden_open(variants[i].family);
		struct opened o = open_variant(&variants[i]);
		int32_t ids[N];
		size_t count = N * (size_t)ts_model_config(o.model)->vocab_size;
		ids_of(ids, N, ts_model_config(o.model)->vocab_size, 3);
		float *whole = sequence_logits(o.model, NULL, TS_F32, ids, N, 0, N),
		      *other = sequence_logits(plain.model, NULL, TS_F32, ids, N, 0, N);
		assert_true(worst_difference(whole, other, count) > 1e-2);
		free(other);
		for (size_t c = 0; c < 3; c++) {
			float *cut = sequence_logits(o.model, NULL, TS_F32, ids, N, 0, chunks[c]);
			if (memcmp(whole, cut, count * sizeof(float)))
				fail_msg("variant %zu (%s): chunks of %zu give other bits", i, variants[i].family, chunks[c]);
			free(cut);
		}
		free(whole);
		close_variant(&o);
		golden_close(&plain);
	}
}

/* Training sees the probabilities that generation sees, bit for bit. */
static void test_training_forward(void **state)
{
	for (size_t i = 0; i < VARIANTS; i++) {
		struct opened o = open_variant(&variants[i]);
		struct ts_adapter *a = variant_adapter(&o, &variants[i]);
		struct ts_error err = {0};
		struct ts_pass *pass;
		struct pack p;
		float found[MAX_IDS], lse[MAX_IDS], picked[MAX_IDS];
		size_t row = 0;
		make_pack(&p, ts_model_config(o.model)->vocab_size);
		ok(ts_pass_new(&pass, o.model, a, p.packed.rows, 2, TS_KEEP_ALL, &err));
		ts_pass_forward(pass, &p.packed, 0, 0, 0, found);
		for (size_t s = 0; s < 2; row += p.lengths[s++]) {
			struct session session = session_open(o.model, a, TS_F32);
			session.length = p.lengths[s];
			const float *hidden = session_feed(&session, p.ids + row, p.lengths[s]);
			ts_model_target_logits(o.model, lse, picked, hidden, p.targets + row, p.lengths[s]);
			for (size_t r = 0; r < p.lengths[s]; r++)
				assert_true(p.targets[row + r] < 0 || found[row + r] == picked[r] - lse[r]);
			session_close(&session);
		}
		ts_pass_free(pass);
		ts_adapter_free(a);
		close_variant(&o);
	}
}

static void test_gradients(void **state)
{
	for (size_t i = 0; i < VARIANTS; i++) {
		struct opened o = open_variant(&variants[i]);
		struct ts_adapter *a = variant_adapter(&o, &variants[i]);
		struct pack p;
		make_pack(&p, ts_model_config(o.model)->vocab_size);
		check_slopes(variants[i].config, o.model, a, &p);
		ts_adapter_free(a);
		close_variant(&o);
	}
}

/* An adapter whose layers differ keeps its modules, ranks and scales when it is saved and read. */
static void test_saved(void **state)
{
	for (size_t i = 0; i < VARIANTS; i++) {
		struct opened o = open_variant(&variants[i]);
		struct ts_adapter *a = variant_adapter(&o, &variants[i]), *b;
		struct ts_error err = {0};
		ok(ts_adapter_save(a, o.dir, &err));
		ok(ts_adapter_load(&b, o.model, o.dir, &err));
		assert_int_equal(a->count, b->count);
		assert_memory_equal(a->params, b->params, a->count * sizeof(float));
		for (int s = 0; s < a->layers * TS_TARGETS; s++) {
			const struct ts_slot *x = &a->slots[s], *y = &b->slots[s];
			assert_true(x->present == y->present && x->rank == y->rank && x->scale == y->scale && x->alpha == y->alpha);
		}
		ts_adapter_free(a);
		ts_adapter_free(b);
		close_variant(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_training_forward),
		cmocka_unit_test(test_gradients),
		cmocka_unit_test(test_saved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
