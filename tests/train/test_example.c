/* Training examples of three tokenizers against the reference's ids and masks (golden/training_examples.jsonl). */
#include "core/file.h"
#include "model/golden_model.h"
#include "text/chat.h"
#include "train/example.h"

#include <zlib.h>

static const struct {
	const char *name, *template, *config; /* folder of the tokenizer; template file; whose tokenizer_config.json */
} chats[] = {
	{"Qwen3", "Qwen3-0.6B", "Qwen3"},
	{"DeepSeek-R1-Distill-Qwen", "DeepSeek-R1-Distill-Qwen", "DeepSeek-R1-Distill-Qwen"},
	{"DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1-Distill-Qwen"},
};

static const char *asset_path(const char *format, ...)
{
	static char path[512];
	int n = snprintf(path, sizeof(path), "%s/assets/", TS_SHARED_DIR);
	va_list args;
	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - (size_t)n, format, args);
	va_end(args);
	if (access(path, F_OK)) {
		print_message("missing: %s\n", path);
		skip();
	}
	return path;
}

/* Copies a file, unpacking it on the way where it is packed. */
static void unpack(const char *from, const char *dir, const char *name)
{
	struct ts_error err = {0};
	struct ts_str text = {0};
	char buffer[1 << 15], to[600];
	int n;
	gzFile file = gzopen(from, "rb");
	assert_non_null(file);
	while ((n = gzread(file, buffer, sizeof(buffer))) > 0)
		assert_int_equal(ts_str_append(&text, buffer, (size_t)n), 0);
	assert_int_equal(n, 0);
	gzclose(file);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	ok(ts_file_write(to, ts_str_c(&text), text.len, &err));
	ts_str_release(&text);
}

static struct ts_chat *chat_open(size_t which)
{
	struct ts_error err = {0};
	struct ts_chat *chat;
	char *dir = temp_dir();
	unpack(asset_path("tokenizers/%s/tokenizer.json.gz", chats[which].name), dir, "tokenizer.json");
	unpack(asset_path("tokenizers/%s/tokenizer_config.json", chats[which].config), dir, "tokenizer_config.json");
	unpack(asset_path("chat_templates/%s.jinja", chats[which].template), dir, "chat_template.jinja");
	ok(ts_chat_open(&chat, dir, &err));
	ok(ts_path_remove(dir, &err));
	return chat;
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));
	assert_non_null(text);
	return text;
}

static void check_row(const struct ts_chat *chat, const json_t *row, size_t number)
{
	struct ts_error err = {0};
	struct ts_example e;
	const json_t *ids = json_object_get(row, "ids"), *mask = json_object_get(row, "loss_mask");
	ok(ts_example_make(&e, chat, text_of(row, "prompt"), text_of(row, "response"), true,
			   (size_t)json_integer_value(json_object_get(row, "max_length")), &err));
	bool same = e.len == json_array_size(ids) && e.len == json_array_size(mask) &&
		    e.targets == (size_t)json_integer_value(json_object_get(row, "n_targets")) &&
		    e.truncated == json_is_true(json_object_get(row, "truncated")) &&
		    e.prefix_ok == json_is_true(json_object_get(row, "prefix_ok")) &&
		    e.prompt_len == json_array_size(json_object_get(row, "prompt_ids"));
	for (size_t i = 0; same && i < e.len; i++)
		same = e.ids[i] == json_integer_value(json_array_get(ids, i)) && e.mask[i] == json_integer_value(json_array_get(mask, i));
	if (!same)
		fail_msg("row %zu (%s, %s): other ids, mask or flags", number, text_of(row, "tokenizer"), text_of(row, "case"));
	ts_example_release(&e);
}

static void check_tokenizer(size_t which)
{
	struct ts_error err = {0};
	json_t *rows, *row;
	size_t i, checked = 0;
	struct ts_chat *chat = chat_open(which);
	ok(ts_rows_load(golden_path("training_examples.jsonl"), &rows, &err));
	json_array_foreach (rows, i, row) {
		if (strcmp(text_of(row, "tokenizer"), chats[which].name))
			continue;
		check_row(chat, row, i);
		checked++;
	}
	assert_int_equal(checked, 23);
	json_decref(rows);
	ts_chat_close(chat);
}

static void test_qwen3(void **state)
{
	check_tokenizer(0);
}

static void test_r1_qwen(void **state)
{
	check_tokenizer(1);
}

static void test_r1_llama(void **state)
{
	check_tokenizer(2);
}

/* Without required thinking the response is trained on as it stands. */
static void test_no_thinking(void **state)
{
	struct ts_error err = {0};
	struct ts_chat *chat = chat_open(1);
	struct ts_example plain, repaired;
	ok(ts_example_make(&plain, chat, "Hi", "</think>\nHello", false, 100, &err));
	ok(ts_example_make(&repaired, chat, "Hi", "</think>\nHello", true, 100, &err));
	ts_ids whole = {0};
	ok(ts_tokenizer_encode(ts_chat_tokenizer(chat), "</think>\nHello", 14, false, &whole, &err));
	/* The template puts its end token behind. */
	assert_true(plain.len > whole.len + 1);
	assert_memory_equal(plain.ids + plain.len - 1 - whole.len, whole.data, whole.len * sizeof(*whole.data));
	/* Repaired: an opening tag and its newline more, and two newlines after the closing tag (one token, as one newline is). */
	assert_int_equal(repaired.len, plain.len + 2);
	assert_int_equal(repaired.ids[repaired.len - 1 - whole.len], whole.data[0]);
	assert_int_not_equal(repaired.ids[repaired.len - whole.len], whole.data[1]);
	ts_vec_release(&whole);
	ts_example_release(&plain);
	ts_example_release(&repaired);
	ts_chat_close(chat);
}

struct messages {
	int count;
	char last[1024];
};

static void note(void *user, enum ts_log_level level, const char *message)
{
	struct messages *m = user;
	m->count += level == TS_LOG_WARN;
	snprintf(m->last, sizeof(m->last), "%s", message);
}

static void test_usable(void **state)
{
	struct messages m = {0};
	struct ts_context context = {.user = &m, .log = note};
	struct ts_example good = {.len = 9, .targets = 3, .prompt_len = 6, .prefix_ok = true}, broken = good, empty = good, cut = good;
	broken.prefix_ok = false;
	empty.targets = 0;
	cut.truncated = true;
	assert_true(ts_example_usable(&good, "row 1", false, &context));
	assert_int_equal(m.count, 0);
	assert_false(ts_example_usable(&broken, "row 7", false, &context));
	assert_int_equal(m.count, 1);
	assert_non_null(strstr(m.last, "row 7"));
	assert_true(ts_example_usable(&broken, "row 7", true, &context));
	assert_int_equal(m.count, 2);
	assert_false(ts_example_usable(&empty, "row 8", true, &context));
	assert_non_null(strstr(m.last, "row 8"));
	assert_true(ts_example_usable(&cut, "row 9", false, &context));
	assert_non_null(strstr(m.last, "row 9"));
}

static void test_from_ids(void **state)
{
	const int32_t ids[] = {5, 6, 7, 8, 9};
	const uint8_t mask[] = {1, 0, 255, 1, 1};
	struct ts_error err = {0};
	struct ts_example e;
	ok(ts_example_from_ids(&e, ids, mask, 5, 4, &err));
	assert_int_equal(e.len, 4);
	assert_true(e.truncated && e.prefix_ok);
	assert_int_equal(e.targets, 2);
	assert_int_equal(e.mask[2], 1);
	assert_memory_equal(e.ids, ids, 4 * sizeof(ids[0]));
	ts_example_release(&e);
	ok(ts_example_from_ids(&e, ids, mask, 0, 4, &err));
	assert_int_equal(e.len, 0);
	assert_int_equal(e.targets, 0);
	ts_example_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qwen3),       cmocka_unit_test(test_r1_qwen), cmocka_unit_test(test_r1_llama),
		cmocka_unit_test(test_no_thinking), cmocka_unit_test(test_usable),  cmocka_unit_test(test_from_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
