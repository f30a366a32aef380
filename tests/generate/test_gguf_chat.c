/* Tokenizer and template out of GGUF metadata: those of the testbed's student must come out as its own files give them; what is missing
 * or unknown is refused by name; every allocation fails once. */
#include "core/json.h"
#include "generate/local.h"
#include "gguf_file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STUDENT TS_SOURCE_DIR "/testbed/student"

static struct scratch g_scratch;

static void put_texts(struct gguf_file *f, const char *key, const json_t *list)
{
	size_t i;
	const json_t *item;
	gguf_array(f, key, TS_GGUF_TEXT, json_array_size(list));
	json_array_foreach (list, i, item) {
		if (json_is_array(item)) { /* a merge as a pair */
			struct ts_str pair = {0};
			ts_str_printf(&pair, "%s %s", json_string_value(json_array_get(item, 0)),
				      json_string_value(json_array_get(item, 1)));
			gguf_put_text(&f->keys, pair.data, pair.len);
			ts_str_release(&pair);
		} else {
			gguf_put_text(&f->keys, json_string_value(item), json_string_length(item));
		}
	}
}

/* The student's tokenizer the way a converter writes it. */
static struct gguf_file student_file(const char *template)
{
	struct gguf_file f = gguf_new();
	struct ts_error err = {0};
	json_t *root = NULL, *tokens = json_array(), *id;
	const json_t *added;
	const char *token;
	size_t i;
	int32_t types[2000];
	assert_int_equal(ts_json_load(STUDENT "/tokenizer.json", &root, &err), 0);
	json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
	size_t count = json_object_size(vocab) + json_array_size(json_object_get(root, "added_tokens"));
	assert_true(count <= 2000);
	for (i = 0; i < count; i++) {
		json_array_append_new(tokens, json_null());
		types[i] = 1;
	}
	json_object_foreach (vocab, token, id)
		json_array_set_new(tokens, (size_t)json_integer_value(id), json_string(token));
	json_array_foreach (json_object_get(root, "added_tokens"), i, added) {
		size_t at = (size_t)json_integer_value(json_object_get(added, "id"));
		json_array_set(tokens, at, json_object_get(added, "content"));
		types[at] = json_is_true(json_object_get(added, "special")) ? 3 : 4;
		if (!strcmp(json_string_value(json_object_get(added, "content")), "<|im_end|>"))
			gguf_u32(&f, "tokenizer.ggml.eos_token_id", (uint32_t)at);
	}
	gguf_text(&f, "tokenizer.ggml.model", "gpt2");
	put_texts(&f, "tokenizer.ggml.tokens", tokens);
	put_texts(&f, "tokenizer.ggml.merges", json_object_get(model, "merges"));
	gguf_array(&f, "tokenizer.ggml.token_type", TS_GGUF_I32, count);
	for (i = 0; i < count; i++)
		gguf_put(&f.keys, (uint32_t)types[i], 4);
	if (template)
		gguf_text(&f, "tokenizer.chat_template", template);
	json_decref(tokens);
	json_decref(root);
	return f;
}

static const char *write_file(struct gguf_file *f)
{
	struct ts_str bytes = gguf_bytes(f, NULL);
	assert_non_null(scratch_write(&g_scratch, "c.gguf", bytes.data, bytes.len));
	ts_str_release(&bytes);
	gguf_release(f);
	return g_scratch.path;
}

static struct ts_chat *open_chat(const char *path, const char *pre)
{
	struct ts_chat *chat;
	struct ts_error err = {0};
	if (ts_local_open_chat_as(&chat, path, pre, &err))
		fail_msg("%s", err.message);
	return chat;
}

static void same_text(const struct ts_chat *a, const struct ts_chat *b, const char *text)
{
	const struct ts_chat *chats[2] = {a, b};
	ts_ids ids[2] = {0};
	struct ts_str rendered[2] = {0}, decoded[2] = {0};
	struct ts_error err = {0};
	for (int i = 0; i < 2; i++) {
		const struct ts_tokenizer *t = ts_chat_tokenizer(chats[i]);
		assert_int_equal(ts_chat_render_user(chats[i], text, &rendered[i], &err), 0);
		assert_int_equal(ts_tokenizer_encode(t, rendered[i].data, rendered[i].len, true, &ids[i], &err), 0);
		assert_int_equal(ts_tokenizer_decode(t, ids[i].data, ids[i].len, true, &decoded[i]), 0);
	}
	assert_string_equal(rendered[0].data, rendered[1].data);
	assert_string_equal(decoded[0].data, decoded[1].data);
	assert_int_equal(ids[0].len, ids[1].len);
	assert_memory_equal(ids[0].data, ids[1].data, ids[0].len * sizeof(int32_t));
	assert_true(ids[0].len > 4);
	for (int i = 0; i < 2; i++) {
		ts_vec_release(&ids[i]);
		ts_str_release(&rendered[i]);
		ts_str_release(&decoded[i]);
	}
}

static void as_the_folder(void **state)
{
	static const char *const texts[] = {"What is 12 plus 345?", "It's  a\n\n\ttest \xE2\x80\x94 na\xC3\xAFve e\xCC\x81",
					    "<think>a</think><|im_end|>", " leading and trailing "};
	struct ts_str template = {0};
	struct ts_error err = {0};
	assert_int_equal(ts_file_read(STUDENT "/chat_template.jinja", &template, &err), 0);
	struct gguf_file f = student_file(template.data);
	gguf_text(&f, "tokenizer.ggml.pre", "qwen2");
	struct ts_chat *ours = open_chat(write_file(&f), NULL), *theirs = open_chat(STUDENT, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		same_text(ours, theirs, texts[i]);
	assert_int_equal(ts_chat_eos(ours), ts_chat_eos(theirs));
	assert_true(ts_chat_eos(ours) > 0);
	assert_int_equal(ts_tokenizer_size(ts_chat_tokenizer(ours)), ts_tokenizer_size(ts_chat_tokenizer(theirs)));
	int32_t think = ts_tokenizer_id(ts_chat_tokenizer(ours), "<think>");
	assert_false(ts_tokenizer_is_special(ts_chat_tokenizer(ours), think));
	assert_true(ts_tokenizer_is_special(ts_chat_tokenizer(ours), ts_chat_eos(ours)));
	ts_chat_close(ours);
	ts_chat_close(theirs);
	ts_str_release(&template);
}

/* A run keeps this hash: whatever changes ids or rendered text must change it. */
static void hashes(void **state)
{
	char first[65], again[65], other_pre[65], other_template[65], other_eos[65];
	struct gguf_file f = student_file("{{ messages[0]['content'] }}");
	struct ts_chat *chat = open_chat(write_file(&f), "qwen2");
	strcpy(first, ts_chat_hash(chat));
	ts_chat_close(chat);
	chat = open_chat(g_scratch.path, "qwen2");
	strcpy(again, ts_chat_hash(chat));
	ts_chat_close(chat);
	chat = open_chat(g_scratch.path, "smollm");
	strcpy(other_pre, ts_chat_hash(chat));
	ts_chat_close(chat);
	f = student_file("{{ messages[0]['content'] }}\n");
	chat = open_chat(write_file(&f), "qwen2");
	strcpy(other_template, ts_chat_hash(chat));
	ts_chat_close(chat);
	f = student_file("{{ messages[0]['content'] }}");
	gguf_u32(&f, "tokenizer.ggml.bos_token_id", 5);
	chat = open_chat(write_file(&f), "qwen2");
	strcpy(other_eos, ts_chat_hash(chat));
	ts_chat_close(chat);
	assert_string_equal(first, again);
	assert_string_not_equal(first, other_pre);
	assert_string_not_equal(first, other_template);
	assert_string_not_equal(first, other_eos);
}

/* --- small files --- */

/* Tokens a, b, ab, a space's character, digits, an end token; the merges make "ab" and the space with it. */
static struct gguf_file small_file(const char *pre)
{
	static const char *const tokens[] = {"a",
					     "b",
					     "ab",
					     "\xC4\xA0",
					     ("\xC4\xA0"
					      "ab"),
					     "1",
					     "2",
					     "12",
					     "<end>",
					     "<bos>"};
	static const int types[] = {1, 1, 1, 1, 1, 1, 1, 1, 3, 3};
	static const char *const merges[] = {"a b", "\xC4\xA0 ab", "1 2"};
	struct gguf_file f = gguf_new();
	gguf_text(&f, "tokenizer.ggml.model", "gpt2");
	if (pre)
		gguf_text(&f, "tokenizer.ggml.pre", pre);
	gguf_array(&f, "tokenizer.ggml.tokens", TS_GGUF_TEXT, 10);
	for (int i = 0; i < 10; i++)
		gguf_put_text(&f.keys, tokens[i], strlen(tokens[i]));
	gguf_array(&f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 3);
	for (int i = 0; i < 3; i++)
		gguf_put_text(&f.keys, merges[i], strlen(merges[i]));
	gguf_array(&f, "tokenizer.ggml.token_type", TS_GGUF_I32, 10);
	for (int i = 0; i < 10; i++)
		gguf_put(&f.keys, (uint32_t)types[i], 4);
	gguf_u32(&f, "tokenizer.ggml.eos_token_id", 8);
	gguf_u32(&f, "tokenizer.ggml.bos_token_id", 9);
	gguf_text(&f, "tokenizer.chat_template", "{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}");
	return f;
}

static void ids_are(const char *path, const char *pre, const char *text, const int32_t *want, size_t n)
{
	struct ts_chat *chat = open_chat(path, pre);
	struct ts_error err = {0};
	ts_ids ids = {0};
	assert_int_equal(ts_tokenizer_encode(ts_chat_tokenizer(chat), text, strlen(text), true, &ids, &err), 0);
	assert_int_equal(ids.len, n);
	assert_memory_equal(ids.data, want, n * sizeof(*want));
	ts_vec_release(&ids);
	ts_chat_close(chat);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

static void words(void **state)
{
	struct gguf_file f = small_file("smollm");
	const char *path = write_file(&f);
	ids_are(path, NULL, "ab ab12<end>b", IDS(2, 4, 5, 6, 8, 1));
	ids_are(path, "gpt-2", "ab ab12<end>b", IDS(2, 4, 7, 8, 1));
	ids_are(path, "llama-bpe", "ab12", IDS(9, 2, 7)); /* this one is known to begin with BOS */
	ids_are(path, "qwen2", "ab12", IDS(2, 5, 6));
	f = small_file("llama-bpe"); /* unless the file says otherwise */
	gguf_bool(&f, "tokenizer.ggml.add_bos_token", false);
	ids_are(write_file(&f), NULL, "ab", IDS(2));
	f = small_file("smollm");
	gguf_bool(&f, "tokenizer.ggml.add_bos_token", true);
	gguf_bool(&f, "tokenizer.ggml.add_eos_token", true);
	ids_are(write_file(&f), NULL, "ab", IDS(9, 2, 8));
	struct ts_chat *chat = open_chat(g_scratch.path, NULL);
	struct ts_str text = {0};
	assert_int_equal(ts_chat_render_user(chat, "hi", &text, NULL), 0);
	assert_string_equal(text.data, "<bos>hi<end>");
	ts_str_release(&text);
	ts_chat_close(chat);
}

static void refused(struct gguf_file f, const char *pre, int expected, const char *part, const char *more)
{
	struct ts_chat *chat;
	struct ts_error err = {0};
	int status = ts_local_open_chat_as(&chat, write_file(&f), pre, &err);
	if (status != expected || !strstr(err.message, "c.gguf") || !strstr(err.message, part) || !strstr(err.message, more))
		fail_msg("status %d, expected %d with \"%s\" and \"%s\": %s", status, expected, part, more, err.message);
	assert_null(chat);
}

static struct gguf_file bare(const char *model)
{
	struct gguf_file f = gguf_new();
	if (model)
		gguf_text(&f, "tokenizer.ggml.model", model);
	gguf_text(&f, "tokenizer.ggml.pre", "gpt-2");
	return f;
}

static void put_tokens(struct gguf_file *f, const char *a, size_t n, const char *b)
{
	gguf_array(f, "tokenizer.ggml.tokens", TS_GGUF_TEXT, 2);
	gguf_put_text(&f->keys, a, n);
	gguf_put_text(&f->keys, b, strlen(b));
}

static void refusals(void **state)
{
	refused(small_file(NULL), NULL, TS_EUNSUPPORTED, "does not say its pre-tokenizer", "gpt-2, smollm");
	refused(small_file("default"), NULL, TS_EUNSUPPORTED, "\"default\"", "--pre NAME");
	refused(small_file("smollm"), "smol", TS_EUNSUPPORTED, "\"smol\"", "llama-bpe");
	refused(bare(NULL), NULL, TS_ENOTFOUND, "tokenizer.ggml.model", "no tokenizer");
	refused(bare("bert"), NULL, TS_EUNSUPPORTED, "\"bert\" is not supported", "known: gpt2, llama");
	refused(bare("gpt2"), NULL, TS_EFORMAT, "no tokens", "");
	struct gguf_file f = bare("gpt2");
	put_tokens(&f, "x", 1, "y");
	refused(f, NULL, TS_EFORMAT, "no merges", "");
	f = bare("gpt2");
	put_tokens(&f, "x", 1, "x");
	gguf_array(&f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 0);
	refused(f, NULL, TS_EFORMAT, "tokens 0 and 1", "\"x\"");
	f = bare("gpt2");
	put_tokens(&f, "\xFF", 1, "y");
	refused(f, NULL, TS_EFORMAT, "tokenizer.ggml.tokens", "item 0 is not UTF-8");
	f = bare("gpt2");
	put_tokens(&f, "x", 1, "y");
	gguf_array(&f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 1);
	gguf_put_text(&f.keys, "x z", 3);
	refused(f, NULL, TS_EFORMAT, "merges[0]", "\"z\" is not in the vocabulary");
	f = bare("gpt2");
	put_tokens(&f, "x", 1, "y");
	gguf_array(&f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 0);
	gguf_array(&f, "tokenizer.ggml.token_type", TS_GGUF_I32, 1);
	gguf_put(&f.keys, 1, 4);
	refused(f, NULL, TS_EMISMATCH, "2 tokens", "types of 1");
	f = bare("gpt2");
	put_tokens(&f, "x", 1, "y");
	gguf_array(&f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 0);
	gguf_array(&f, "tokenizer.ggml.token_type", TS_GGUF_U8, 2);
	gguf_put(&f.keys, 0x0901, 2);
	refused(f, NULL, TS_EFORMAT, "token 1", "1 to 6, found 9");
	f = small_file("smollm");
	gguf_u32(&f, "tokenizer.ggml.padding_token_id", 10);
	refused(f, NULL, TS_EINVAL, "pad_token is 10", "0 to 9");
	f = small_file("smollm");
	gguf_text(&f, "tokenizer.ggml.add_bos_token", "yes");
	refused(f, NULL, TS_EFORMAT, "tokenizer.ggml.add_bos_token", "a BOOL");
	struct ts_chat *chat;
	struct ts_error err = {0};
	assert_int_equal(ts_local_open_chat_as(&chat, STUDENT, "qwen2", &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "--pre is for a GGUF file"));
}

/* A SentencePiece model: scores, a token of its own for a line's end, no bytes for the rest. */
static struct gguf_file sentencepiece_file(void)
{
	static const char *const tokens[] = {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "h", "i", "hi", "<0x0A>"};
	static const float scores[] = {0, 0, 0, -9, -9, -9, -1, 0};
	static const int types[] = {2, 3, 3, 1, 1, 1, 1, 6};
	struct gguf_file f = gguf_new();
	gguf_text(&f, "tokenizer.ggml.model", "llama");
	gguf_text(&f, "tokenizer.ggml.pre", "default");
	gguf_array(&f, "tokenizer.ggml.tokens", TS_GGUF_TEXT, 8);
	for (int i = 0; i < 8; i++)
		gguf_put_text(&f.keys, tokens[i], strlen(tokens[i]));
	gguf_array(&f, "tokenizer.ggml.scores", TS_GGUF_F32, 8);
	for (int i = 0; i < 8; i++) {
		uint32_t bits;
		memcpy(&bits, &scores[i], 4);
		gguf_put(&f.keys, bits, 4);
	}
	gguf_array(&f, "tokenizer.ggml.token_type", TS_GGUF_I32, 8);
	for (int i = 0; i < 8; i++)
		gguf_put(&f.keys, (uint32_t)types[i], 4);
	gguf_u32(&f, "tokenizer.ggml.bos_token_id", 1);
	gguf_u32(&f, "tokenizer.ggml.eos_token_id", 2);
	gguf_u32(&f, "tokenizer.ggml.unknown_token_id", 0);
	gguf_text(&f, "tokenizer.chat_template", "{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}");
	return f;
}

static void sentencepiece(void **state)
{
	struct gguf_file f = sentencepiece_file();
	ids_are(write_file(&f), NULL, "hi\n</s>ix", IDS(1, 3, 6, 7, 2, 5, 0));
	f = sentencepiece_file();
	gguf_bool(&f, "tokenizer.ggml.add_space_prefix", false);
	gguf_bool(&f, "tokenizer.ggml.add_bos_token", false);
	gguf_bool(&f, "tokenizer.ggml.remove_extra_whitespaces", false);
	ids_are(write_file(&f), NULL, "hi", IDS(6));
	f = sentencepiece_file();
	refused(f, "qwen2", TS_EINVAL, "--pre qwen2", "SentencePiece");
	refused(bare("llama"), NULL, TS_EFORMAT, "tokenizer.ggml.scores", "missing");
	f = gguf_new();
	gguf_text(&f, "tokenizer.ggml.model", "llama");
	gguf_array(&f, "tokenizer.ggml.scores", TS_GGUF_F32, 1);
	gguf_put(&f.keys, 0x7F800000, 4);
	refused(f, NULL, TS_EFORMAT, "tokenizer.ggml.scores", "item 0 is NaN or infinite");
	f = gguf_new();
	gguf_text(&f, "tokenizer.ggml.model", "llama");
	gguf_array(&f, "tokenizer.ggml.scores", TS_GGUF_F64, 0);
	refused(f, NULL, TS_EFORMAT, "tokenizer.ggml.scores", "an array of FLOAT32, found an array of FLOAT64");
}

/* A setting that we do not know may change how text is cut; one that is off does not. */
static void settings(void **state)
{
	struct gguf_file f = small_file("smollm");
	gguf_bool(&f, "tokenizer.ggml.remove_extra_whitespaces", true);
	refused(f, NULL, TS_EUNSUPPORTED, "\"tokenizer.ggml.remove_extra_whitespaces\"", "not supported");
	f = small_file("smollm");
	gguf_array(&f, "tokenizer.ggml.precompiled_charsmap", TS_GGUF_U8, 2);
	gguf_put(&f.keys, 0, 2);
	refused(f, NULL, TS_EUNSUPPORTED, "\"tokenizer.ggml.precompiled_charsmap\"", "not supported");
	f = small_file("smollm");
	gguf_bool(&f, "tokenizer.ggml.add_space_prefix", true);
	refused(f, NULL, TS_EUNSUPPORTED, "\"tokenizer.ggml.add_space_prefix\"", "gpt2");
	f = small_file("smollm");
	gguf_bool(&f, "tokenizer.ggml.add_space_prefix", false);
	gguf_bool(&f, "tokenizer.ggml.add_sep_token", false);
	gguf_u32(&f, "tokenizer.ggml.fim_pre_token_id", 3);
	ids_are(write_file(&f), NULL, "ab", IDS(2));
}

static void every_allocation_of(struct gguf_file f)
{
	const char *path = write_file(&f);
	struct ts_chat *chat = open_chat(path, NULL);
	char hash[65];
	strcpy(hash, ts_chat_hash(chat));
	ts_chat_close(chat);
	size_t before = ts_mem_count();
	ts_chat_close(open_chat(path, NULL));
	size_t count = ts_mem_count() - before;
	assert_true(count > 200); /* among them the JSON values */
	for (size_t n = 1; n <= count; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_local_open_chat(&chat, path, &err);
		ts_mem_fail_at(0);
		/* A library may do without the memory it asked for; then nothing may be missing. */
		if (status ? status != TS_ENOMEM || chat : strcmp(ts_chat_hash(chat), hash))
			fail_msg("allocation %zu of %zu: status %d: %s", n, count, status, err.message);
		ts_chat_close(chat);
	}
}

static void every_allocation(void **state)
{
	every_allocation_of(small_file("smollm"));
	every_allocation_of(sentencepiece_file());
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_folder), cmocka_unit_test(hashes),        cmocka_unit_test(words),
					   cmocka_unit_test(refusals),      cmocka_unit_test(sentencepiece), cmocka_unit_test(settings)};
	const struct CMUnitTest torture[] = {cmocka_unit_test(every_allocation)};
	int failed = cmocka_run_group_tests_name("generate.gguf_chat", tests, open_scratch, close_scratch);
	json_set_alloc_funcs(ts_alloc, ts_free); /* from here JSON values count as well */
	return failed + cmocka_run_group_tests_name("generate.gguf_chat, allocations", torture, open_scratch, close_scratch);
}
