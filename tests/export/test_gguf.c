#include "export/export_place.h"

#include "checkpoint/gguf_write.h"
#include "generate/local.h"

#include <math.h>

/* Logits of a text by the file at `path`, or by the base with the adapter. */
static float *logits_of(struct place *p, const char *path, const char *adapter, const int32_t *ids, size_t n)
{
	struct ts_error err = {0};
	struct ts_model *m;
	struct ts_adapter *a = NULL;
	ok(ts_model_open(&m, p->backend, path, NULL, &err));
	if (adapter)
		ok(ts_adapter_load(&a, m, adapter, &err));
	float *logits = sequence_logits(m, a, TS_F32, ids, n, 0, 32);
	ts_adapter_free(a);
	ts_model_close(m);
	return logits;
}

/* Long enough that a wrong rotation shows. */
enum { LENGTH = 200 };

static void some_ids(int32_t *ids)
{
	for (int i = 0; i < LENGTH; i++)
		ids[i] = (i * 37 + 11) % 500;
}

static void test_f32_is_the_model(void **state)
{
	struct ts_error err = {0};
	int32_t ids[LENGTH];
	some_ids(ids);
	for (size_t f = 0; f < 4; f++) {
		struct place p;
		place_open(&p, export_families[f], 32, "out.gguf", TS_EXPORT_F32);
		ok(place_export(&p, &err));
		struct ts_model_config config;
		ok(ts_model_config_load(&config, p.model, &err));
		float *want = logits_of(&p, p.model, p.adapter, ids, LENGTH), *found = logits_of(&p, p.out, NULL, ids, LENGTH);
		double worst = worst_difference(want, found, (size_t)config.vocab_size * LENGTH);
		if (worst > 2e-4)
			fail_msg("%s: logits differ by %g", export_families[f], worst);
		free(want);
		free(found);
		place_close(&p);
	}
}

/* RoPE llama3: the frequencies without scaling divided by those that transformers computes for this model. */
static void test_rotary_factors(void **state)
{
	static const double expected[] = {1, 1, 2.3391168117523193, 8, 8, 8, 8, 8};
	struct ts_error err = {0};
	struct place p;
	struct ts_gguf g;
	place_open(&p, "llama", 4, "out.gguf", TS_EXPORT_Q8_0);
	ok(place_export(&p, &err));
	ok(ts_gguf_open(&g, p.out, &err));
	const struct ts_gguf_tensor *t = ts_gguf_tensor(&g, "rope_freqs.weight");
	assert_non_null(t);
	assert_int_equal(t->elements, 8);
	for (size_t i = 0; i < 8; i++) {
		float v;
		ts_widen(&v, t->data + 4 * i, TS_F32, 1);
		if (fabs((double)v - expected[i]) > 1e-6)
			fail_msg("factor %zu: %.6f, expected %.6f", i, (double)v, expected[i]);
	}
	/* a factor of 0 would be a frequency without end */
	struct ts_str bytes = {0};
	struct ts_model *m;
	size_t at = (size_t)(t->data - g.file.data);
	ts_gguf_close(&g);
	ok(ts_file_read(p.out, &bytes, &err));
	memset(bytes.data + at + 8, 0, 4);
	ok(ts_file_write(p.out, bytes.data, bytes.len, &err));
	assert_int_equal(ts_model_open(&m, p.backend, p.out, NULL, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "rope_freqs.weight"));
	ts_str_release(&bytes);
	place_close(&p);
}

static void check_ids(const struct ts_gguf *g, const char *key, int64_t expected)
{
	struct ts_error err = {0};
	int64_t id;
	ok(ts_gguf_int(g, key, -1, &id, &err));
	if (id != expected)
		fail_msg("%s: %lld, expected %lld", key, (long long)id, (long long)expected);
}

/* What the files of the tiny models say, told in the format's words. */
static void test_metadata(void **state)
{
	static const struct {
		const char *family, *architecture, *model, *pre;
		int64_t tokens, bos, eos;
		bool add_bos;
	} cases[] = {
		{"qwen3", "qwen3", "gpt2", "qwen2", 528, -1, 509, false},
		{"llama", "llama", "gpt2", "llama-bpe", 512, 507, 511, false},
		{"qwen2", "qwen2", "gpt2", "qwen2", 520, 509, 506, false},
		{"mistral", "llama", "llama", "default", 512, 1, 2, true},
	};
	struct ts_error err = {0};
	for (size_t i = 0; i < 4; i++) {
		struct place p;
		struct ts_gguf g;
		struct ts_gguf_walk walk;
		const char *text;
		size_t n;
		bool add;
		place_open(&p, cases[i].family, 4, "out.gguf", TS_EXPORT_F16);
		ok(place_export(&p, &err));
		ok(ts_gguf_open(&g, p.out, &err));
		ok(ts_gguf_text(&g, "general.architecture", &text, &n, &err));
		assert_memory_equal(text, cases[i].architecture, strlen(cases[i].architecture));
		ok(ts_gguf_text(&g, "tokenizer.ggml.model", &text, &n, &err));
		assert_memory_equal(text, cases[i].model, strlen(cases[i].model));
		ok(ts_gguf_text(&g, "tokenizer.ggml.pre", &text, &n, &err));
		assert_int_equal(n, strlen(cases[i].pre));
		assert_memory_equal(text, cases[i].pre, n);
		ok(ts_gguf_texts(&g, "tokenizer.ggml.tokens", &walk, &err));
		assert_int_equal(walk.left, cases[i].tokens);
		ok(ts_gguf_ints(&g, "tokenizer.ggml.token_type", &walk, &err));
		assert_int_equal(walk.left, cases[i].tokens);
		check_ids(&g, "tokenizer.ggml.bos_token_id", cases[i].bos);
		check_ids(&g, "tokenizer.ggml.eos_token_id", cases[i].eos);
		ok(ts_gguf_bool(&g, "tokenizer.ggml.add_bos_token", !cases[i].add_bos, &add, &err));
		assert_int_equal(add, cases[i].add_bos);
		ok(ts_gguf_text(&g, "tokenizer.chat_template", &text, &n, &err));
		assert_true(n > 0);
		ts_gguf_close(&g);
		place_close(&p);
	}
}

/* The tokenizer and the template come back as they were. */
static void test_tokenizer_again(void **state)
{
	static const char *const texts[] = {"The sea is blue.", "a  b\n\n12345 x'll", "<|im_start|>user", "\xc3\xa9\xf0\x9f\x8c\x8a"};
	struct ts_error err = {0};
	for (size_t f = 0; f < 4; f++) {
		struct place p;
		struct ts_chat *from, *to;
		struct ts_str a = {0}, b = {0};
		place_open(&p, export_families[f], 4, "out.gguf", TS_EXPORT_BF16);
		ok(place_export(&p, &err));
		ok(ts_local_open_chat(&from, p.model, &err));
		ok(ts_local_open_chat(&to, p.out, &err));
		for (size_t t = 0; t < 4; t++) {
			ts_ids x = {0}, y = {0};
			ok(ts_tokenizer_encode(ts_chat_tokenizer(from), texts[t], strlen(texts[t]), true, &x, &err));
			ok(ts_tokenizer_encode(ts_chat_tokenizer(to), texts[t], strlen(texts[t]), true, &y, &err));
			assert_int_equal(x.len, y.len);
			assert_memory_equal(x.data, y.data, x.len * sizeof(*x.data));
			ts_vec_release(&x);
			ts_vec_release(&y);
		}
		assert_int_equal(ts_chat_eos(from), ts_chat_eos(to));
		if (f != 1) { /* a guard's template wants two turns */
			ok(ts_chat_render_user(from, "Hi", &a, &err));
			ok(ts_chat_render_user(to, "Hi", &b, &err));
			assert_string_equal(a.data, b.data);
		}
		ts_str_release(&a);
		ts_str_release(&b);
		ts_chat_close(from);
		ts_chat_close(to);
		place_close(&p);
	}
}

/* A GGUF source: what is written from it is the file again. */
static void test_gguf_source(void **state)
{
	struct ts_error err = {0};
	for (size_t f = 0; f < 4; f++) {
		struct place p;
		struct ts_gguf a, b;
		char first[600];
		place_open(&p, export_families[f], 4, "first.gguf", TS_EXPORT_F32);
		strcpy(first, p.out);
		ok(place_export(&p, &err));
		snprintf(p.out, sizeof(p.out), "%s", scratch_path(&p.scratch, "second.gguf"));
		p.options.model = first;
		p.options.adapter = NULL;
		ok(place_export(&p, &err));
		assert_true(p.result.diff.largest == 0);
		ok(ts_gguf_open(&a, first, &err));
		ok(ts_gguf_open(&b, p.out, &err));
		assert_int_equal(a.values.len, b.values.len);
		for (size_t i = 0; i < a.values.len; i++) {
			const struct ts_gguf_value *v = &a.values.data[i], *w = ts_gguf_find(&b, v->key);
			assert_non_null(w);
			if (strcmp(v->key, "general.name")) {
				assert_int_equal(v->bytes, w->bytes);
				assert_memory_equal(v->data, w->data, v->bytes);
			}
		}
		assert_int_equal(a.tensors.len, b.tensors.len);
		for (size_t i = 0; i < a.tensors.len; i++) {
			const struct ts_gguf_tensor *t = &a.tensors.data[i], *u = ts_gguf_tensor(&b, t->name);
			assert_non_null(u);
			assert_int_equal(t->bytes, u->bytes);
			assert_memory_equal(t->data, u->data, t->bytes);
		}
		ts_gguf_close(&a);
		ts_gguf_close(&b);
		place_close(&p);
	}
}

static void test_unknown_pre(void **state)
{
	struct ts_error err = {0};
	struct place p;
	struct ts_str text = {0};
	char model[600], command[2000];
	place_open(&p, "qwen2", 4, "out.gguf", TS_EXPORT_F32);
	snprintf(model, sizeof(model), "%s", scratch_path(&p.scratch, "model"));
	snprintf(command, sizeof(command), "cp -r '%s' '%s'", p.model, model);
	assert_int_equal(system(command), 0);
	char path[700];
	snprintf(path, sizeof(path), "%s/tokenizer.json", model);
	ok(ts_file_read(path, &text, &err));
	char *digits = strstr(text.data, "|\\\\p{N}|");
	assert_non_null(digits);
	memcpy(digits, "|\\\\p{L}|", 8); /* a tokenizer that nobody has */
	ok(ts_file_write(path, text.data, text.len, &err));
	p.options.model = model;
	assert_int_equal(place_export(&p, &err), TS_EUNSUPPORTED);
	assert_non_null(strstr(err.message, "--pre NAME"));
	p.options.pre = "qwen2";
	ok(place_export(&p, &err));
	ts_str_release(&text);
	place_close(&p);
}

/* Positions that are scaled, as the metadata say it; what they cannot say is refused. */
static void test_positions(void **state)
{
	static const struct {
		const char *rope, *refused;
	} cases[] = {
		{"{\"rope_type\": \"linear\", \"factor\": 4.0}", NULL},
		{"{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 128}", NULL},
		{"{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 128, \"beta_fast\": 16}", "yarn"},
		{"{\"rope_type\": \"dynamic\", \"factor\": 4.0}", "dynamic"},
	};
	struct ts_error err = {0};
	int32_t ids[LENGTH];
	some_ids(ids);
	for (size_t i = 0; i < 4; i++) {
		struct place p;
		json_t *config, *rope;
		char model[600], command[2000], path[700];
		struct ts_str text = {0};
		place_open(&p, "qwen3", 4, "out.gguf", TS_EXPORT_F32);
		snprintf(model, sizeof(model), "%s", scratch_path(&p.scratch, "model"));
		snprintf(command, sizeof(command), "cp -r '%s' '%s'", p.model, model);
		assert_int_equal(system(command), 0);
		snprintf(path, sizeof(path), "%s/config.json", model);
		ok(ts_json_load(path, &config, &err));
		ok(ts_json_parse(cases[i].rope, strlen(cases[i].rope), "rope", &rope, &err));
		assert_int_equal(json_object_set_new(config, "rope_scaling", rope), 0);
		assert_int_equal(ts_json_dump_pretty(config, &text), 0);
		ok(ts_file_write(path, text.data, text.len, &err));
		p.options.model = model;
		if (cases[i].refused) {
			assert_int_equal(place_export(&p, &err), TS_EUNSUPPORTED);
			assert_non_null(strstr(err.message, cases[i].refused));
		} else {
			ok(place_export(&p, &err));
			float *want = logits_of(&p, model, p.adapter, ids, LENGTH), *found = logits_of(&p, p.out, NULL, ids, LENGTH);
			double worst = worst_difference(want, found, (size_t)528 * LENGTH);
			if (worst > 2e-4)
				fail_msg("%s: logits differ by %g", cases[i].rope, worst);
			free(want);
			free(found);
		}
		ts_str_release(&text);
		json_decref(config);
		place_close(&p);
	}
}

static const struct ts_gguf_tensor *need(const struct ts_gguf *g, const char *name, size_t rows, size_t columns)
{
	const struct ts_gguf_tensor *t = ts_gguf_tensor(g, name);
	if (!t)
		fail_msg("no %s", name);
	assert_int_equal(t->shape[0], rows);
	assert_int_equal(t->shape[1], columns);
	return t;
}

/* A and B of a pair, the rows of q in llama.cpp's order: neighbours are turned there, halves here. */
static void test_lora(void **state)
{
	struct ts_error err = {0};
	struct place p;
	struct ts_gguf g;
	struct ts_tensors adapter;
	char path[700];
	double alpha;
	place_open(&p, "llama", 4, "lora.gguf", TS_EXPORT_F32);
	p.options.lora = true;
	ok(place_export(&p, &err));
	assert_int_equal(p.result.tensors, 8);
	assert_true(p.result.diff.largest == 0);
	ok(ts_gguf_open(&g, p.out, &err));
	snprintf(path, sizeof(path), "%s/adapter_model.safetensors", p.adapter);
	ok(ts_tensors_open(&adapter, path, &err));
	ok(ts_gguf_real(&g, "adapter.lora.alpha", 0, &alpha, &err));
	assert_true(alpha == 2);
	const struct ts_tensor *a = ts_tensors_find(&adapter, "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight");
	const struct ts_tensor *b = ts_tensors_find(&adapter, "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight");
	const struct ts_gguf_tensor *ga = need(&g, "blk.1.attn_q.weight.lora_a", 4, 96),
				    *gb = need(&g, "blk.1.attn_q.weight.lora_b", 96, 4);
	assert_memory_equal(a->data, ga->data, a->bytes);
	for (size_t head = 0; head < 6; head++)
		for (size_t j = 0; j < 8; j++)
			for (size_t half = 0; half < 2; half++)
				assert_memory_equal(b->data + (head * 16 + half * 8 + j) * 16, gb->data + (head * 16 + 2 * j + half) * 16,
						    16);
	b = ts_tensors_find(&adapter, "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight");
	gb = need(&g, "blk.0.attn_v.weight.lora_b", 32, 4);
	assert_memory_equal(b->data, gb->data, b->bytes);
	ts_tensors_close(&adapter);
	ts_gguf_close(&g);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f32_is_the_model), cmocka_unit_test(test_rotary_factors), cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_tokenizer_again),  cmocka_unit_test(test_gguf_source),    cmocka_unit_test(test_unknown_pre),
		cmocka_unit_test(test_positions),        cmocka_unit_test(test_lora),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
