/* Tokenizers of published models and of the tiny ones against golden/ (made with the reference library): ids, text, streams. Those of
 * byte-level models once more from the parts that a GGUF file would keep of them. */
#include "text/chat.h"
#include "text/chat_parts.h"
#include "text/stream_decode.h"
#include "text/tokenizer.h"

#include "core/file.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static const char *const names[] = {"Qwen3",
				    "DeepSeek-R1-Distill-Qwen",
				    "Llama-3.1-8B-Instruct",
				    "Llama-Guard-3-8B",
				    "DeepSeek-R1-Distill-Llama-8B",
				    "Mistral-7B-Instruct-v0.3",
				    "Llama-2"};

static char path_buffer[512];

static const char *path_of(const char *format, const char *name)
{
	snprintf(path_buffer, sizeof(path_buffer), format, TS_SHARED_DIR, name);
	if (!ts_file_exists(path_buffer)) {
		print_message("missing: %s\n", path_buffer);
		skip();
	}
	return path_buffer;
}

static struct ts_str read_asset(const char *name)
{
	const char *path = path_of("%s/assets/tokenizers/%s/tokenizer.json.gz", name);
	struct ts_str json = {0};
	char block[65536];
	gzFile file = gzopen(path, "rb");
	assert_non_null(file);
	for (int n; (n = gzread(file, block, sizeof(block))) != 0;) {
		assert_true(n > 0);
		assert_int_equal(ts_str_append(&json, block, (size_t)n), 0);
	}
	gzclose(file);
	return json;
}

static struct ts_tokenizer *open_asset(const char *name)
{
	struct ts_str json = read_asset(name);
	struct ts_tokenizer *t = NULL;
	struct ts_error err = {0};
	if (ts_tokenizer_parse(&t, json.data, json.len, name, &err))
		fail_msg("%s", err.message);
	ts_str_release(&json);
	return t;
}

static json_t *load_rows(const char *path)
{
	json_t *rows = NULL;
	struct ts_error err = {0};
	if (ts_rows_load(path, &rows, &err))
		fail_msg("%s", err.message);
	assert_true(json_array_size(rows) > 0);
	return rows;
}

static ts_ids read_ids(const json_t *list)
{
	ts_ids ids = {0};
	size_t i;
	const json_t *id;
	assert_true(json_is_array(list));
	json_array_foreach (list, i, id)
		assert_int_equal(ts_vec_push(&ids, (int32_t)json_integer_value(id)), 0);
	return ids;
}

static void check_encode(const struct ts_tokenizer *t, const json_t *text, bool special, const json_t *expected, const char *what,
			 size_t row)
{
	struct ts_error err = {0};
	ts_ids ids = {0}, want = read_ids(expected);
	assert_true(json_is_string(text));
	if (ts_tokenizer_encode(t, json_string_value(text), json_string_length(text), special, &ids, &err))
		fail_msg("%s", err.message);
	size_t same = 0;
	while (same < ids.len && same < want.len && ids.data[same] == want.data[same])
		same++;
	if (same < want.len || ids.len != want.len)
		fail_msg("%s row %zu, special %d: ids differ from index %zu on (%zu found, %zu expected)", what, row, special, same,
			 ids.len, want.len);
	ts_vec_release(&ids);
	ts_vec_release(&want);
}

static void check_text(const struct ts_str *found, const json_t *expected, const char *what, size_t row)
{
	assert_true(json_is_string(expected));
	if (found->len != json_string_length(expected) || memcmp(ts_str_c(found), json_string_value(expected), found->len))
		fail_msg("%s row %zu: expected \"%s\", found \"%s\"", what, row, json_string_value(expected), ts_str_c(found));
}

static void check_decode(const struct ts_tokenizer *t, const json_t *list, bool skip_special, const json_t *expected, const char *what,
			 size_t row)
{
	ts_ids ids = read_ids(list);
	struct ts_str text = {0}, streamed = {0};
	struct ts_stream_decode *stream = NULL;
	assert_int_equal(ts_tokenizer_decode(t, ids.data, ids.len, skip_special, &text), 0);
	check_text(&text, expected, what, row);
	assert_int_equal(ts_stream_decode_new(&stream, t, skip_special), 0);
	for (size_t i = 0; i < ids.len; i++) {
		assert_int_equal(ts_stream_decode_feed(stream, ids.data[i], &streamed), 0);
		assert_int_equal(ts_utf8_check(ts_str_c(&streamed), streamed.len), streamed.len);
	}
	assert_int_equal(ts_stream_decode_flush(stream, &streamed), 0);
	check_text(&streamed, expected, what, row);
	ts_stream_decode_free(stream);
	ts_str_release(&text);
	ts_str_release(&streamed);
	ts_vec_release(&ids);
}

static void check_rows(const struct ts_tokenizer *t, const char *name)
{
	json_t *rows = load_rows(path_of("%s/golden/tokenizers/%s.jsonl", name)), *row;
	size_t i;
	json_array_foreach (rows, i, row) {
		const json_t *text = json_object_get(row, "text"), *special = json_object_get(row, "ids_special");
		check_encode(t, text, false, json_object_get(row, "ids"), name, i);
		check_encode(t, text, true, special, name, i);
		check_decode(t, special, false, json_object_get(row, "decoded"), name, i);
		check_decode(t, special, true, json_object_get(row, "decoded_skip"), name, i);
	}
	json_decref(rows);
	rows = load_rows(path_of("%s/golden/tokenizers/%s.decode.jsonl", name));
	json_array_foreach (rows, i, row) {
		check_decode(t, json_object_get(row, "ids"), false, json_object_get(row, "decoded"), name, i);
		check_decode(t, json_object_get(row, "ids"), true, json_object_get(row, "decoded_skip"), name, i);
	}
	json_decref(rows);
}

static void test_golden(void **state)
{
	const char *name = *state;
	struct ts_tokenizer *t = open_asset(name);
	check_rows(t, name);
	ts_tokenizer_close(t);
}

/* What a GGUF file keeps of this tokenizer.json: tokens with their types by id, merges, the name of the rest. */
static void set_token(const struct ts_chat_parts *parts, size_t id, const char *token, size_t n, enum ts_token_type type)
{
	while (json_array_size(parts->tokens) <= id) {
		char hole[32];
		snprintf(hole, sizeof(hole), "[PAD%zu]", json_array_size(parts->tokens));
		assert_int_equal(json_array_append_new(parts->tokens, json_string(hole)), 0);
		assert_int_equal(json_array_append_new(parts->types, json_integer(TS_TOKEN_UNUSED)), 0);
	}
	assert_int_equal(json_array_set_new(parts->tokens, id, json_stringn(token, n)), 0);
	assert_int_equal(json_array_set_new(parts->types, id, json_integer(type)), 0);
}

static struct ts_chat *open_parts(const char *name, const char *pre, const char *bos)
{
	struct ts_str text = read_asset(name);
	struct ts_error err = {0};
	json_t *root = NULL, *id, *added;
	const char *token;
	size_t n, i;
	assert_int_equal(ts_json_parse(text.data, text.len, name, &root, &err), 0);
	json_t *model = json_object_get(root, "model");
	struct ts_chat_parts parts = {.place = name, .pre = pre, .bos = -1, .eos = -1, .unk = -1, .pad = -1, .add_bos = -1, .add_eos = -1};
	parts.tokens = json_array();
	parts.types = json_array();
	parts.merges = json_object_get(model, "merges");
	json_object_keylen_foreach(json_object_get(model, "vocab"), token, n, id)
		set_token(&parts, (size_t)json_integer_value(id), token, n, TS_TOKEN_NORMAL);
	json_array_foreach (json_object_get(root, "added_tokens"), i, added) {
		id = json_object_get(added, "id");
		token = json_string_value(json_object_get(added, "content"));
		set_token(&parts, (size_t)json_integer_value(id), token, strlen(token),
			  json_is_true(json_object_get(added, "special")) ? TS_TOKEN_CONTROL : TS_TOKEN_USER);
		if (bos && !strcmp(token, bos))
			parts.bos = json_integer_value(id);
	}
	struct ts_chat *chat = NULL;
	if (ts_chat_open_parts(&chat, &parts, &err))
		fail_msg("%s", err.message);
	json_decref(parts.tokens);
	json_decref(parts.types);
	json_decref(root);
	ts_str_release(&text);
	return chat;
}

static void test_parts(void **state)
{
	static const struct {
		const char *name, *pre, *bos;
	} models[] = {
		{"Qwen3", "qwen2", NULL},
		{"DeepSeek-R1-Distill-Qwen", "deepseek-r1-qwen", NULL},
		{"Llama-3.1-8B-Instruct", "llama-bpe", "<|begin_of_text|>"},
	};
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct ts_chat *chat = open_parts(models[i].name, models[i].pre, models[i].bos);
		check_rows(ts_chat_tokenizer(chat), models[i].name);
		ts_chat_close(chat);
	}
}

static void test_tiny(void **state)
{
	static const char *const models[] = {"qwen3-tiny", "qwen2-tiny", "llama-tiny", "mistral-tiny"};
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct ts_tokenizer *t = NULL;
		struct ts_error err = {0};
		if (ts_tokenizer_open(&t, path_of("%s/golden/models/%s/tokenizer.json", models[i]), &err))
			fail_msg("%s", err.message);
		json_t *golden = NULL;
		if (ts_json_load(path_of("%s/golden/models/%s/goldens.json", models[i]), &golden, &err))
			fail_msg("%s", err.message);
		const json_t *chat = json_object_get(golden, "chat");
		if (json_is_array(chat))
			chat = json_array_get(chat, 0);
		check_encode(t, json_object_get(chat, "text"), false, json_object_get(chat, "ids"), models[i], 0);
		if (json_object_get(chat, "continuation_text"))
			check_decode(t, json_object_get(chat, "continuation_ids"), false, json_object_get(chat, "continuation_text"),
				     models[i], 0);
		assert_int_equal(ts_tokenizer_size(t), 512);
		json_decref(golden);
		ts_tokenizer_close(t);
	}
}

/* Guards' prompts: long texts with special tokens inside. */
static void test_guard(void **state)
{
	struct ts_tokenizer *llama = open_asset("Llama-Guard-3-8B"), *mistral = open_asset("Mistral-7B-Instruct-v0.3");
	json_t *rows = load_rows(path_of("%s/golden/%s", "guard.jsonl")), *row;
	size_t i, checked = 0;
	json_array_foreach (rows, i, row) {
		const char *kind = json_string_value(json_object_get(row, "kind"));
		const json_t *ids = json_object_get(row, "ids");
		if (!ids)
			continue;
		check_encode(!strncmp(kind, "llama", 5) ? llama : mistral, json_object_get(row, "text"), false, ids, kind, i);
		checked++;
	}
	assert_true(checked > 20);
	assert_int_equal(ts_tokenizer_id(llama, "safe"), 19193);
	assert_int_equal(ts_tokenizer_id(llama, "unsafe"), 39257);
	assert_int_equal(ts_tokenizer_id(llama, "<|begin_of_text|>"), 128000);
	assert_true(ts_tokenizer_is_special(llama, 128000));
	assert_false(ts_tokenizer_is_special(llama, 19193));
	assert_int_equal(ts_tokenizer_size(llama), 128256);
	json_decref(rows);
	ts_tokenizer_close(llama);
	ts_tokenizer_close(mistral);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(names) / sizeof(names[0]) + 3];
	size_t n = sizeof(names) / sizeof(names[0]);
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){names[i], test_golden, NULL, NULL, (void *)names[i]};
	tests[n] = (struct CMUnitTest){"tiny models", test_tiny, NULL, NULL, NULL};
	tests[n + 1] = (struct CMUnitTest){"guards", test_guard, NULL, NULL, NULL};
	tests[n + 2] = (struct CMUnitTest){"from parts", test_parts, NULL, NULL, NULL};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
