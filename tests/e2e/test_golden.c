/* The program against the reference libraries' values: what `tokenize`, `render`, `score`, `generate` and `judge` print. The rooms have
 * such tests too; this one proves that the commands reach them with the right settings. */
#include "scratch.h"
#include "checkpoint/safetensors.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/"

static struct scratch scratch;

static int open_scratch(void **state)
{
	(void)state;
	return scratch_open(&scratch);
}

static int close_scratch(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

static void need(const char *path)
{
	if (access(path, F_OK)) {
		print_message("missing: %s\n", path);
		skip();
	}
}

static json_t *load(const char *path)
{
	struct ts_error err = {0};
	json_t *value = NULL;
	need(path);
	if (ts_json_load(path, &value, &err))
		fail_msg("%s", err.message);
	return value;
}

static json_t *load_rows(const char *path)
{
	struct ts_error err = {0};
	json_t *rows = NULL;
	need(path);
	if (ts_rows_load(path, &rows, &err))
		fail_msg("%s", err.message);
	return rows;
}

/* Runs `thinksafe WORDS --in <rows> --out <file>`; the rows that come out. */
static json_t *run(json_t *rows, const char *words)
{
	const char *program = getenv("THINKSAFE");
	struct ts_str text = {0}, command = {0};
	char in[600], out[600];
	size_t i;
	json_t *row;
	assert_non_null(program);
	snprintf(in, sizeof(in), "%s/in.jsonl", scratch.dir);
	snprintf(out, sizeof(out), "%s/out.jsonl", scratch.dir);
	json_array_foreach (rows, i, row) {
		assert_int_equal(ts_json_dump(row, &text), 0);
		assert_int_equal(ts_str_putc(&text, '\n'), 0);
	}
	assert_int_equal(ts_file_write(in, ts_str_c(&text), text.len, NULL), 0);
	assert_int_equal(ts_str_printf(&command, "'%s' %s --in %s --out %s --quiet", program, words, in, out), 0);
	assert_int_equal(system(ts_str_c(&command)), 0);
	ts_str_release(&text);
	ts_str_release(&command);
	json_decref(rows);
	json_t *result = load_rows(out);
	assert_int_equal(ts_path_remove(out, NULL), 0);
	return result;
}

static void score_case(const char *family)
{
	char path[600], words[700], logits_path[600];
	snprintf(path, sizeof(path), GOLDEN "models/%s-tiny/goldens.json", family);
	json_t *goldens = load(path), *rows = json_array(), *s;
	const json_t *sequences = json_object_get(goldens, "sequences");
	size_t i, checked = 0;
	json_array_foreach (sequences, i, s)
		json_array_append_new(rows, json_pack("{s:i, s:O}", "id", (int)i, "ids", json_object_get(s, "ids")));
	snprintf(logits_path, sizeof(logits_path), "%s/logits.safetensors", scratch.dir);
	snprintf(words, sizeof(words), "score --model " GOLDEN "models/%s-tiny --chunk 7 --logits %s", family, logits_path);
	json_t *scored = run(rows, words);
	assert_int_equal(json_array_size(scored), json_array_size(sequences));
	struct ts_tensors got, expected;
	struct ts_error err = {0};
	snprintf(path, sizeof(path), GOLDEN "models/%s-tiny/goldens.safetensors", family);
	assert_int_equal(ts_tensors_open(&got, logits_path, &err), 0);
	assert_int_equal(ts_tensors_open(&expected, path, &err), 0);
	json_array_foreach (sequences, i, s) {
		const json_t *want = json_object_get(s, "token_logprobs"), *have = json_object_get(json_array_get(scored, i), "logprobs");
		assert_int_equal(json_array_size(want), json_array_size(have));
		double sum = 0;
		for (size_t t = 0; t < json_array_size(want); t++, checked++) {
			double w = json_number_value(json_array_get(want, t)), h = json_number_value(json_array_get(have, t));
			assert_true(fabs(w - h) < 1e-4);
			sum += w;
		}
		double perplexity = json_number_value(json_object_get(json_array_get(scored, i), "perplexity"));
		size_t n = json_array_size(want);
		assert_true(fabs(perplexity / exp(n ? -sum / (double)n : 0) - 1) < 1e-3);
		char name[40];
		snprintf(name, sizeof(name), "logits.%zu", i);
		const struct ts_tensor *a = ts_tensors_find(&got, name), *b = ts_tensors_find(&expected, name);
		assert_non_null(a);
		assert_non_null(b);
		size_t first = (size_t)json_integer_value(json_object_get(s, "first_position")), vocab = a->shape[1];
		assert_int_equal(a->shape[0], json_array_size(json_object_get(s, "ids")));
		assert_int_equal(vocab, b->shape[1]);
		for (size_t k = 0; k < b->shape[0] * vocab; k++) {
			float x, y;
			memcpy(&x, (const char *)a->data + (first * vocab + k) * sizeof(float), sizeof(x));
			memcpy(&y, (const char *)b->data + k * sizeof(float), sizeof(y));
			assert_true(fabsf(x - y) < 2e-4f);
		}
	}
	assert_true(checked > 100);
	ts_tensors_close(&got);
	ts_tensors_close(&expected);
	json_decref(scored);
	json_decref(goldens);
}

static void score_qwen3(void **state)
{
	score_case("qwen3");
}

static void score_llama(void **state)
{
	score_case("llama");
}

static void greedy_case(const char *family)
{
	char path[600], words[700];
	snprintf(path, sizeof(path), GOLDEN "models/%s-tiny/goldens.json", family);
	json_t *goldens = load(path), *rows = json_array(), *g;
	const json_t *greedy = json_object_get(goldens, "greedy");
	size_t i;
	json_array_foreach (greedy, i, g)
		json_array_append_new(rows, json_pack("{s:O}", "ids", json_object_get(g, "prompt_ids")));
	snprintf(words, sizeof(words),
		 "generate --model " GOLDEN "models/%s-tiny --ids --ignore-eos --temperature 0 --max-new-tokens 48 --batch 3", family);
	json_t *out = run(rows, words);
	assert_true(json_array_size(greedy) >= 3);
	json_array_foreach (greedy, i, g)
		assert_true(json_equal(json_object_get(g, "continuation_ids"), json_object_get(json_array_get(out, i), "completion_ids")));
	json_decref(out);
	json_decref(goldens);
}

static void greedy_qwen3(void **state)
{
	greedy_case("qwen3");
}

static void greedy_llama(void **state)
{
	greedy_case("llama");
}

/* From messages to ids: template, tokenizer and model together. */
static void chat_qwen3(void **state)
{
	json_t *goldens = load(GOLDEN "models/qwen3-tiny/goldens.json");
	const json_t *chat = json_object_get(goldens, "chat");
	json_t *rows = json_pack("[{s:O}]", "messages", json_object_get(chat, "messages"));
	json_t *out = run(rows, "generate --model " GOLDEN "models/qwen3-tiny --ids --ignore-eos --temperature 0 --max-new-tokens 24");
	assert_true(json_equal(json_object_get(chat, "continuation_ids"), json_object_get(json_array_get(out, 0), "completion_ids")));
	json_decref(out);
	rows = json_pack("[{s:O, s:b}]", "messages", json_object_get(chat, "messages"), "add_generation_prompt", 1);
	out = run(rows, "render --model " GOLDEN "models/qwen3-tiny");
	assert_true(json_equal(json_object_get(chat, "text"), json_object_get(json_array_get(out, 0), "text")));
	json_decref(out);
	rows = json_pack("[{s:O}]", "text", json_object_get(chat, "text"));
	out = run(rows, "tokenize --no-special --model " GOLDEN "models/qwen3-tiny");
	assert_true(json_equal(json_object_get(chat, "ids"), json_object_get(json_array_get(out, 0), "ids")));
	json_decref(out);
	json_decref(goldens);
}

/* llama-tiny asked as Llama-Guard-3 through `judge`, from the pair of turns. */
static void judge_llama(void **state)
{
	json_t *goldens = load(GOLDEN "models/llama-tiny/goldens.json");
	const json_t *chat = json_object_get(goldens, "chat"), *messages = json_object_get(chat, "messages");
	assert_int_equal(json_array_size(messages), 2);
	json_t *rows = json_pack("[{s:O, s:O}]", "instruction", json_object_get(json_array_get(messages, 0), "content"), "response",
				 json_object_get(json_array_get(messages, 1), "content"));
	json_t *out = run(rows, "judge --guard " GOLDEN "models/llama-tiny");
	double safe = json_number_value(json_object_get(chat, "p_safe_ratio"));
	double unsafe = json_number_value(json_object_get(json_array_get(out, 0), "unsafe_probability"));
	assert_true(safe > 0 && safe < 1 && fabs(1 - safe - unsafe) < 1e-4);
	assert_string_equal(json_string_value(json_object_get(json_array_get(out, 0), "verdict")), safe < 0.5 ? "unsafe" : "safe");
	json_decref(out);
	json_decref(goldens);
}

/* The templates of the two models, with the clock of the goldens. */
static void render_case(const char *name, size_t least)
{
	char words[700];
	json_t *goldens = load_rows(GOLDEN "templates.jsonl"), *rows = json_array(), *g;
	snprintf(words, sizeof(words), TS_SHARED_DIR "/assets/chat_templates/%s.jinja", name);
	need(words);
	size_t i, at = 0;
	json_array_foreach (goldens, i, g)
		if (!strcmp(json_string_value(json_object_get(g, "template")), name)) {
			json_t *row = json_copy(g);
			json_object_del(row, "text");
			json_object_del(row, "error");
			json_array_append_new(rows, row);
		}
	assert_true(json_array_size(rows) >= least);
	snprintf(words, sizeof(words), "render --template " TS_SHARED_DIR "/assets/chat_templates/%s.jinja --now 2024-07-26T15:04:05",
		 name);
	json_t *out = run(rows, words);
	json_array_foreach (goldens, i, g) {
		if (strcmp(json_string_value(json_object_get(g, "template")), name))
			continue;
		const json_t *got = json_array_get(out, at++);
		if (json_object_get(g, "error"))
			assert_non_null(json_object_get(got, "error"));
		else
			assert_true(json_equal(json_object_get(g, "text"), json_object_get(got, "text")));
	}
	json_decref(out);
	json_decref(goldens);
}

static void render_templates(void **state)
{
	render_case("Qwen3-0.6B", 10);
	render_case("Llama-Guard-3-8B", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(score_qwen3),      cmocka_unit_test(score_llama), cmocka_unit_test(greedy_qwen3),
		cmocka_unit_test(greedy_llama),     cmocka_unit_test(chat_qwen3),  cmocka_unit_test(judge_llama),
		cmocka_unit_test(render_templates),
	};
	return cmocka_run_group_tests_name("e2e.golden", tests, open_scratch, close_scratch);
}
