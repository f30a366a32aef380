/* A folder made of a GGUF file: the model and the tokenizer that the file was made from. */
#include "checkpoint/config.h"
#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"
#include "export/export_place.h"
#include "generate/local.h"

/* The golden model as a GGUF file in f32; what is exported next is that file, to the folder "out". */
static void open_source(struct place *p, const char *family, char file[600])
{
	struct ts_error err = {0};
	place_open(p, family, 4, "source.gguf", TS_EXPORT_F32);
	p->options.adapter = NULL;
	ok(place_export(p, &err));
	snprintf(file, 600, "%s", p->out);
	snprintf(p->out, sizeof(p->out), "%s", scratch_path(&p->scratch, "out"));
	p->options.model = file;
}

static void compare_weights(const struct place *p)
{
	struct ts_error err = {0};
	struct ts_tensors want, found;
	ok(ts_tensors_open_folder(&want, p->model, NULL, &err));
	ok(ts_tensors_open_folder(&found, p->out, NULL, &err));
	assert_int_equal(want.list.len, found.list.len);
	for (size_t i = 0; i < want.list.len; i++) {
		const struct ts_tensor *a = &want.list.data[i], *b = ts_tensors_find(&found, a->name);
		assert_non_null(b);
		assert_int_equal(a->elements, b->elements);
		assert_int_equal(b->dtype, TS_F32);
		float *wide = malloc(a->elements * sizeof(float));
		ts_widen(wide, a->data, a->dtype, a->elements);
		assert_memory_equal(wide, b->data, b->bytes);
		free(wide);
	}
	ts_tensors_close(&want);
	ts_tensors_close(&found);
}

static void compare_config(const struct place *p)
{
	struct ts_error err = {0};
	struct ts_model_config want, found;
	ok(ts_model_config_load(&want, p->model, &err));
	ok(ts_model_config_load(&found, p->out, &err));
	assert_string_equal(want.model_type, found.model_type);
	assert_int_equal(want.max_positions, found.max_positions);
	assert_true(want.rms_norm_eps == found.rms_norm_eps);
	assert_int_equal(want.tied_embeddings, found.tied_embeddings);
	assert_int_equal(want.rope_type, found.rope_type);
	assert_true(want.rope_theta == found.rope_theta);
	assert_true(want.rope_factor == found.rope_factor && want.rope_original_positions == found.rope_original_positions);
	assert_true(want.rope_low_freq == found.rope_low_freq && want.rope_high_freq == found.rope_high_freq);
	assert_int_equal(want.bos_id, found.bos_id);
	assert_int_equal(want.eos_count, found.eos_count);
	assert_memory_equal(want.eos_ids, found.eos_ids, (size_t)want.eos_count * sizeof(*want.eos_ids));
}

static void compare_tokenizer(const struct place *p)
{
	static const char *const texts[] = {"",
					    "a",
					    " the don't IT'S 12345\r\n\n  x",
					    "na\xc3\xafve \xe6\xbc\xa2 \xf0\x9f\x98\x80 e\xcc\x81",
					    "<|im_start|>user\n<think>a</think><|im_end|>",
					    "<|begin_of_text|>hi<|eot_id|>"};
	struct ts_error err = {0};
	struct ts_chat *want, *found;
	ok(ts_local_open_chat(&want, p->model, &err));
	ok(ts_local_open_chat(&found, p->out, &err));
	for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(*texts); i++) {
		ts_ids a = {0}, b = {0};
		const char *text = texts[i / 2];
		ok(ts_tokenizer_encode(ts_chat_tokenizer(want), text, strlen(text), i % 2, &a, &err));
		ok(ts_tokenizer_encode(ts_chat_tokenizer(found), text, strlen(text), i % 2, &b, &err));
		assert_int_equal(a.len, b.len);
		if (a.len)
			assert_memory_equal(a.data, b.data, a.len * sizeof(*a.data));
		ts_vec_release(&a);
		ts_vec_release(&b);
	}
	assert_int_equal(ts_chat_eos(want), ts_chat_eos(found));
	ts_chat_close(want);
	ts_chat_close(found);
}

static void test_there_and_back(void **state)
{
	static const char *const families[] = {"qwen3", "llama", "qwen2"};
	struct ts_error err = {0};
	for (size_t f = 0; f < 3; f++) {
		struct place p;
		char file[600];
		open_source(&p, families[f], file);
		ok(place_export(&p, &err));
		compare_weights(&p);
		compare_config(&p);
		compare_tokenizer(&p);
		place_close(&p);
	}
}

static void refused(struct place *p, const char *what)
{
	struct ts_error err = {0};
	char partial[700];
	snprintf(partial, sizeof(partial), "%s.partial", p->out);
	assert_int_equal(place_export(p, &err), TS_EUNSUPPORTED);
	if (!strstr(err.message, what))
		fail_msg("expected \"%s\" in: %s", what, err.message);
	assert_false(ts_path_is_there(p->out) || ts_path_is_there(partial));
}

static void test_sentencepiece(void **state)
{
	struct place p;
	char file[600];
	open_source(&p, "mistral", file);
	refused(&p, "SentencePiece");
	place_close(&p);
}

/* Rotary factors that no config.json has words for. */
static void test_factors(void **state)
{
	struct ts_error err = {0};
	struct place p;
	struct ts_gguf g;
	struct ts_str bytes = {0};
	char file[600];
	const float other = 1.5f;
	open_source(&p, "llama", file);
	ok(ts_gguf_open(&g, file, &err));
	size_t at = (size_t)(ts_gguf_tensor(&g, "rope_freqs.weight")->data - g.file.data);
	ts_gguf_close(&g);
	ok(ts_file_read(file, &bytes, &err));
	memcpy(bytes.data + at, &other, sizeof(other));
	ok(ts_file_write(file, bytes.data, bytes.len, &err));
	refused(&p, "rope_freqs.weight");
	ts_str_release(&bytes);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_sentencepiece),
		cmocka_unit_test(test_factors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
