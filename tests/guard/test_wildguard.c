/* WildGuard against the reference (../shared/golden/guard.jsonl: its prompt's text and ids; models/mistral-tiny: what it writes), and as a whole
 * on a checkpoint whose replies are known (tests/wildguard_model.h). */
#include "guard/wildguard.h"

#include "generate/engine.h"
#include "generate/local.h"
#include "guard/wildguard_parse.h"
#include "scratch.h"
#include "wildguard_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/guard.jsonl"
#define TINY   TS_SHARED_DIR "/golden/models/mistral-tiny"
#define ASSETS TS_SHARED_DIR "/assets"

static void unpack(struct scratch *s, const char *from, const char *to)
{
	struct ts_str text = {0};
	struct ts_error err = {0};
	char buffer[1 << 16];
	gzFile f = gzopen(from, "rb");
	assert_non_null(f);
	for (int n; (n = gzread(f, buffer, sizeof(buffer))) > 0;)
		assert_int_equal(ts_str_append(&text, buffer, (size_t)n), 0);
	gzclose(f);
	assert_int_equal(ts_file_write(scratch_path(s, to), text.data, text.len, &err), 0);
	ts_str_release(&text);
}

static void check_row(const struct ts_tokenizer *tokenizer, const json_t *row)
{
	struct ts_str text = {0};
	struct ts_error err = {0};
	ts_ids ids = {0};
	size_t i;
	const json_t *v, *expected = json_object_get(row, "ids");
	assert_int_equal(ts_wildguard_text(json_string_value(json_object_get(row, "prompt")),
					   json_string_value(json_object_get(row, "response")), &text),
			 0);
	if (strcmp(ts_str_c(&text), json_string_value(json_object_get(row, "text"))))
		fail_msg("%s: the text differs:\n%s", json_string_value(json_object_get(row, "case")), ts_str_c(&text));
	assert_int_equal(ts_tokenizer_encode(tokenizer, text.data, text.len, false, &ids, &err), 0);
	assert_int_equal(ids.len, json_array_size(expected));
	json_array_foreach (expected, i, v)
		assert_int_equal(ids.data[i], json_integer_value(v));
	ts_vec_release(&ids);
	ts_str_release(&text);
}

static void test_golden_text(void **state)
{
	struct scratch s;
	struct ts_error err = {0};
	struct ts_tokenizer *tokenizer;
	json_t *rows = NULL;
	const json_t *row;
	size_t i, checked = 0;
	if (!ts_file_exists(GOLDEN)) {
		print_message("absent: %s\n", GOLDEN);
		skip();
	}
	assert_int_equal(scratch_open(&s), 0);
	unpack(&s, ASSETS "/tokenizers/Mistral-7B-Instruct-v0.3/tokenizer.json.gz", "tokenizer.json");
	assert_int_equal(ts_tokenizer_open(&tokenizer, scratch_path(&s, "tokenizer.json"), &err), 0);
	assert_int_equal(ts_rows_load(GOLDEN, &rows, &err), 0);
	json_array_foreach (rows, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "kind")), "wildguard")) {
			check_row(tokenizer, row);
			checked++;
		}
	assert_int_equal(checked, 31);
	json_decref(rows);
	ts_tokenizer_close(tokenizer);
	scratch_close(&s);
}

/* --- the guard as a whole --- */

struct cases {
	const char *const (*rows)[2];
	size_t count, next;
	struct ts_judged got[8];
	char why[8][400];
};

static int next_case(void *user, struct ts_case *out)
{
	struct cases *c = user;
	if (c->next == c->count)
		return 0;
	*out = (struct ts_case){c->next, c->rows[c->next][0], c->rows[c->next][1]};
	c->next++;
	return 1;
}

static int done_case(void *user, const struct ts_case *c, const struct ts_judged *v)
{
	struct cases *list = user;
	list->got[c->index] = *v;
	snprintf(list->why[c->index], sizeof(list->why[0]), "%s", v->why ? v->why : "");
	return 0;
}

static void judge(const char *dir, enum ts_wildguard_reading reading, size_t max_tokens, struct cases *c)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_chat *chat;
	struct ts_responder *engine;
	struct ts_guard *guard;
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err), 0);
	if (ts_model_open(&model, backend, dir, NULL, &err))
		fail_msg("%s", err.message);
	assert_int_equal(ts_chat_open(&chat, dir, &err), 0);
	assert_true(ts_wildguard_fits(ts_model_config(model), chat));
	struct ts_local l = {.model = model, .chat = chat, .batch = 3, .chunk = 32, .max_length = 2048};
	assert_int_equal(ts_local_open(&engine, &l, NULL, &err), 0);
	assert_int_equal(ts_wildguard_new(&guard, reading, chat, engine, max_tokens, &err), 0);
	struct ts_case_source source = {c, next_case, done_case, NULL};
	assert_int_equal(guard->run(guard, &source, NULL, &err), 0);
	if (c->count > 1) /* the text before the prompt is the same, and computed once */
		assert_true(ts_engine_stats(engine).shared > 100);
	guard->close(guard);
	engine->close(engine);
	ts_chat_close(chat);
	ts_model_close(model);
	ts_backend_free(backend);
}

/* Empty placeholders of the testbed's own grammar. */
static const char *const rows[][2] = {
	{"How can I shoot a photo tonight?",
	 "<think>\nThe user wants to shoot a photo.\n</think>\n\nI'm sorry, but I cannot help with that."},
	{"How can I shoot a photo tonight?", "<think>\nThis is harmless.\n</think>\n\nSure. Step one: plan to shoot a photo."},
	{"Name a colour.", "I'm sorry, but I cannot help with that."},
	{"", ""},
};

static void make(struct scratch *s, bool broken)
{
	struct ts_error err = {0};
	assert_int_equal(scratch_open(s), 0);
	if (wildguard_model(TS_SOURCE_DIR "/testbed", scratch_path(s, "wildguard"), broken, 1, &err))
		fail_msg("%s", err.message);
}

static void expect_lines(const struct cases *c, size_t i, enum ts_wildguard_word refusal, enum ts_wildguard_word harm)
{
	struct ts_wildguard_answer a = ts_wildguard_parse(c->why[i], strlen(c->why[i]));
	print_message("%zu: %s\n", i, c->why[i]);
	assert_int_equal(a.harmful_request, TS_ANSWER_NO);
	assert_int_equal(a.refusal, refusal);
	assert_int_equal(a.harmful_response, harm);
	assert_true(isnan(c->got[i].unsafe_probability));
}

static void test_both_readings(void **state)
{
	struct scratch s;
	struct cases refusal = {.rows = rows, .count = 4}, harm = {.rows = rows, .count = 4};
	make(&s, false);
	judge(scratch_path(&s, "wildguard"), TS_WILDGUARD_REFUSAL, 2048, &refusal);
	judge(scratch_path(&s, "wildguard"), TS_WILDGUARD_HARM, 2048, &harm);
	for (size_t i = 0; i < 4; i++) {
		bool refuses = i % 2 == 0 && i < 3;
		assert_int_equal(refusal.got[i].judgement, refuses ? TS_REFUSAL : TS_COMPLIANCE);
		assert_int_equal(harm.got[i].judgement, refuses ? TS_SAFE : TS_UNSAFE);
		expect_lines(&refusal, i, refuses ? TS_ANSWER_YES : TS_ANSWER_NO, refuses ? TS_ANSWER_NO : TS_ANSWER_YES);
		expect_lines(&harm, i, refuses ? TS_ANSWER_YES : TS_ANSWER_NO, refuses ? TS_ANSWER_NO : TS_ANSWER_YES);
	}
	scratch_close(&s);
}

/* Neither a refusal nor safe. */
static void test_unreadable(void **state)
{
	struct scratch s;
	make(&s, true);
	for (int reading = TS_WILDGUARD_REFUSAL; reading <= TS_WILDGUARD_HARM; reading++) {
		struct cases c = {.rows = rows, .count = 2};
		judge(scratch_path(&s, "wildguard"), (enum ts_wildguard_reading)reading, 2048, &c);
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(c.got[i].judgement, TS_UNJUDGED);
			assert_string_equal(c.why[i], "harmful request: no, response refusal: ?, harmful response: ?; it wrote \"Harmful "
						      "request: no\n\"");
			expect_lines(&c, i, TS_ANSWER_NONE, TS_ANSWER_NONE);
		}
	}
	scratch_close(&s);
}

static void test_too_long(void **state)
{
	struct scratch s;
	struct ts_error err = {0};
	struct ts_guard *guard;
	struct cases c = {.rows = rows, .count = 1};
	make(&s, false);
	judge(scratch_path(&s, "wildguard"), TS_WILDGUARD_REFUSAL, 100, &c);
	assert_int_equal(c.got[0].judgement, TS_UNJUDGED);
	assert_string_equal(c.why[0], "longer than the guard's context");
	assert_int_equal(ts_wildguard_new(&guard, TS_WILDGUARD_REFUSAL, NULL, NULL, 32, &err), TS_ELIMIT);
	scratch_close(&s);
}

/* No room for the prompt is made by leaving out its end: 16,384 tokens are the most, whatever the model's context. */
static void test_cut(void **state)
{
	struct scratch s;
	struct ts_str long_text = {0};
	make(&s, false);
	while (long_text.len < 200000)
		assert_int_equal(ts_str_puts(&long_text, "one two three "), 0);
	const char *const one[][2] = {{"Name a colour.", ts_str_c(&long_text)}};
	struct cases c = {.rows = one, .count = 1};
	judge(scratch_path(&s, "wildguard"), TS_WILDGUARD_REFUSAL, 1 << 20, &c);
	assert_int_equal(c.got[0].judgement, TS_UNJUDGED);
	assert_string_equal(c.why[0], "longer than WildGuard's 16384 tokens");
	ts_str_release(&long_text);
	scratch_close(&s);
}

/* A random model writes what the reference writes. */
static void test_golden_reply(void **state)
{
	struct ts_error err = {0};
	json_t *golden = NULL;
	static const char *const one[][2] = {{"What is 12 + 30?", "No."}};
	struct cases c = {.rows = one, .count = 1};
	if (!ts_dir_exists(TINY)) {
		print_message("absent: %s\n", TINY);
		skip();
	}
	assert_int_equal(ts_json_load(TINY "/goldens.json", &golden, &err), 0);
	const char *text = json_string_value(json_object_get(json_object_get(golden, "chat"), "continuation_text"));
	judge(TINY, TS_WILDGUARD_REFUSAL, 2048, &c);
	print_message("%s\n", c.why[0]);
	assert_int_equal(c.got[0].judgement, TS_UNJUDGED);
	const char *said = strstr(c.why[0], "it wrote \"");
	assert_non_null(said);
	/* Its end may be half a character, which 8 more tokens complete. */
	assert_true(strlen(text) > 20);
	assert_memory_equal(said + strlen("it wrote \""), text, 20);
	json_decref(golden);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_text), cmocka_unit_test(test_both_readings), cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_too_long),    cmocka_unit_test(test_cut),           cmocka_unit_test(test_golden_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
