/* User turns that hold the text of special tokens, of the model's own and of others', and in other spellings: they become control tokens
 * where transformers makes them so, and nowhere else. Its ids are in user_specials.json, written by tools/text/make_user_specials.py. */
#include "core/file.h"
#include "core/json.h"
#include "generate/local.h"
#include "generate/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool same_ids(const ts_ids *found, const json_t *first, const json_t *rest)
{
	size_t before = json_array_size(first);
	if (found->len != before + json_array_size(rest))
		return false;
	for (size_t i = 0; i < found->len; i++)
		if (found->data[i] != json_integer_value(i < before ? json_array_get(first, i) : json_array_get(rest, i - before)))
			return false;
	return true;
}

/* Its rows, each as a user turn. */
static void check_model(const char *folder, const json_t *cases)
{
	const json_t *rows = json_object_get(cases, "rows"), *first = json_object_get(cases, "first");
	struct ts_chat *chat;
	struct ts_error err = {0};
	size_t i;
	const json_t *row;
	if (ts_local_open_chat(&chat, folder, &err))
		fail_msg("%s", err.message);
	json_array_foreach (rows, i, row) {
		struct ts_prompt prompt = {0};
		const char *text = json_string_value(json_array_get(row, 0));
		if (ts_prompt_user(&prompt, chat, text, 1, "test", 0, &err))
			fail_msg("%s: \"%s\": %s", folder, text, err.message);
		if (!same_ids(&prompt.ids, first, json_array_get(row, 1)))
			fail_msg("%s: \"%s\": other ids than transformers gives", folder, text);
		ts_prompt_release(&prompt);
	}
	assert_true(i > 40);
	ts_chat_close(chat);
}

static json_t *load_cases(void)
{
	json_t *root;
	struct ts_error err = {0};
	if (ts_json_load(TS_SOURCE_DIR "/tests/generate/user_specials.json", &root, &err))
		fail_msg("%s", err.message);
	return root;
}

static void test_testbed(void **state)
{
	json_t *root = load_cases();
	check_model(TS_SOURCE_DIR "/testbed/student", json_object_get(json_object_get(root, "models"), "student"));
	json_decref(root);
}

/* Llama 3, R1's Qwen, Mistral. */
static void test_families(void **state)
{
	static const char *const names[] = {"llama-tiny", "qwen2-tiny", "mistral-tiny"};
	if (!ts_dir_exists(TS_SHARED_DIR "/golden/models")) {
		print_message("%s/golden/models is absent\n", TS_SHARED_DIR);
		skip();
	}
	json_t *root = load_cases();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char folder[1024];
		snprintf(folder, sizeof(folder), "%s/golden/models/%s", TS_SHARED_DIR, names[i]);
		check_model(folder, json_object_get(json_object_get(root, "models"), names[i]));
	}
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_testbed),
		cmocka_unit_test(test_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
