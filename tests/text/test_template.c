/* Chat templates against the golden renderings of the reference, the limits, and broken templates.
 * The language itself is compared with Jinja2 in test_template_cases.c. */
#include "core/file.h"
#include "core/mem.h"
#include "text/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct tm golden_clock = {
	.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 15, .tm_min = 4, .tm_sec = 5, .tm_wday = 5, .tm_yday = 207, .tm_isdst = -1};

static bool load(const char *name, struct ts_str *out)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/%s", TS_SHARED_DIR, name);
	if (!ts_file_exists(path)) {
		print_message("missing: %s\n", path);
		return false;
	}
	assert_int_equal(ts_file_read(path, out, NULL), 0);
	return true;
}

static int render_text(const char *source, size_t n, const struct ts_template_input *input, struct ts_str *out, struct ts_error *err)
{
	struct ts_template *t;
	int status = ts_template_parse(&t, source, n, "test", err);
	if (!status)
		status = ts_template_render(t, input, out, err);
	ts_template_free(t);
	return status;
}

static int render_row(const json_t *row, struct ts_str *out, struct ts_error *err)
{
	char name[200];
	struct ts_str source = {0};
	snprintf(name, sizeof(name), "assets/chat_templates/%s.jinja", json_string_value(json_object_get(row, "template")));
	assert_true(load(name, &source));
	struct ts_template_input input = {
		.messages = json_object_get(row, "messages"),
		.tools = json_object_get(row, "tools"),
		.documents = json_object_get(row, "documents"),
		.variables = json_object_get(row, "variables"),
		.add_generation_prompt = json_is_true(json_object_get(row, "add_generation_prompt")),
		.now = &golden_clock,
	};
	int status = render_text(source.data, source.len, &input, out, err);
	ts_str_release(&source);
	return status;
}

static bool row_agrees(const json_t *row, size_t line)
{
	struct ts_str out = {0};
	struct ts_error err = {0};
	const json_t *text = json_object_get(row, "text"), *error = json_object_get(row, "error");
	int status = render_row(row, &out, &err);
	bool good;
	if (text) {
		good = !status && out.len == json_string_length(text) && !memcmp(ts_str_c(&out), json_string_value(text), out.len);
	} else {
		const char *message = json_string_value(json_object_get(error, "message"));
		good = status && out.len == 0;
		if (json_is_true(json_object_get(error, "raised_by_template")))
			good = good && status == TS_EINVAL && !strcmp(err.message, message);
		else
			good = good && status == TS_EFORMAT;
	}
	if (!good)
		print_message("row %zu, %s / %s: status %d %s\nexpected %s\nfound    %s\n", line,
			      json_string_value(json_object_get(row, "template")), json_string_value(json_object_get(row, "conversation")),
			      status, err.message, text ? json_string_value(text) : json_string_value(json_object_get(error, "message")),
			      ts_str_c(&out));
	ts_str_release(&out);
	return good;
}

static void test_goldens(void **state)
{
	struct ts_str file = {0};
	size_t rows = 0, bad = 0;
	if (!load("golden/templates.jsonl", &file))
		skip();
	for (char *p = file.data, *end = file.data + file.len; p < end; rows++) {
		char *stop = memchr(p, '\n', (size_t)(end - p));
		json_t *row;
		stop = stop ? stop : end;
		assert_int_equal(ts_json_parse(p, (size_t)(stop - p), "golden", &row, NULL), 0);
		bad += !row_agrees(row, rows + 1);
		json_decref(row);
		p = stop + 1;
		if (bad > 5)
			break;
	}
	ts_str_release(&file);
	assert_int_equal(bad, 0);
	assert_int_equal(rows, 1140);
}

static const char *const assets[] = {
	"DeepSeek-R1-Distill-Llama-8B",
	"DeepSeek-R1-Distill-Llama-8B.llamacpp-variant",
	"DeepSeek-R1-Distill-Qwen-32B.llamacpp-variant",
	"DeepSeek-R1-Distill-Qwen",
	"DeepSeek-R1-Distill.no-think-revision",
	"DeepSeek-V3.1",
	"GLM-4.6",
	"Hermes-3-Llama-3.1-8B.tool_use",
	"Kimi-K2",
	"Llama-3-Instruct",
	"Llama-3.1-8B-Instruct",
	"Llama-3.2-3B-Instruct",
	"Llama-Guard-3-8B",
	"Mistral-7B-Instruct-v0.3",
	"Mistral-Nemo-Instruct-2407",
	"Phi-3-mini-4k-instruct",
	"Phi-3.5-mini-instruct",
	"QwQ-32B",
	"Qwen2.5-Instruct",
	"Qwen3-0.6B",
	"Qwen3-0.6B.llamacpp-copy",
	"Qwen3-Coder",
	"Qwen3-Instruct-2507",
	"Qwen3-Thinking-2507",
	"Qwen3.5",
	"SmolLM3-3B",
	"c4ai-command-r7b.tool_use",
	"functionary-medium-v3.1",
	"gemma-2-2b-it",
	"gemma-3-it",
	"gpt-oss-120b",
	"granite-3.3-2B-Instruct",
};

static json_t *conversation(void)
{
	json_t *messages;
	static const char text[] = "[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
				   "\"content\":\"<think>\\na\\n</think>\\n\\nb\"},"
				   "{\"role\":\"user\",\"content\":\"Again\"}]";
	assert_int_equal(ts_json_parse(text, strlen(text), "messages", &messages, NULL), 0);
	return messages;
}

/* Every beginning of every template parses or fails with a message; those that parse are rendered. */
static void test_truncated_templates(void **state)
{
	json_t *messages = conversation();
	struct ts_template_input input = {.messages = messages, .add_generation_prompt = true, .now = &golden_clock};
	size_t failed = 0, rendered = 0;
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
		char name[200];
		struct ts_str source = {0}, out = {0};
		snprintf(name, sizeof(name), "assets/chat_templates/%s.jinja", assets[i]);
		if (!load(name, &source)) {
			json_decref(messages);
			skip();
		}
		/* An exact copy of each prefix, so that a sanitizer sees any byte read past it. Long ones in wider steps. */
		for (size_t n = 0; n <= source.len; n += 1 + source.len / 1500) {
			struct ts_error err = {0};
			char *copy = malloc(n ? n : 1);
			assert_non_null(copy);
			memcpy(copy, source.data, n);
			ts_str_clear(&out);
			int status = render_text(copy, n, &input, &out, &err);
			free(copy);
			failed += status != 0;
			rendered += status == 0;
			if (status)
				assert_true(err.message[0] && err.code == status);
		}
		ts_str_release(&source);
		ts_str_release(&out);
	}
	json_decref(messages);
	assert_true(failed > 1000 && rendered > 100);
}

static int status_of(const char *source, struct ts_error *err)
{
	struct ts_str out = {0};
	json_t *messages = conversation();
	struct ts_template_input input = {.messages = messages};
	int status = render_text(source, strlen(source), &input, &out, err);
	json_decref(messages);
	ts_str_release(&out);
	return status;
}

static void test_limits(void **state)
{
	static const char *const over[] = {
		"{% for i in range(100001) %}{% endfor %}",
		"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% macro m(a) %}{% for x in [1] %}{% if true %}{{ m([a, a]) }}{% endif %}{% endfor %}{% endmacro %}{{ m(1) }}",
		"{{ 'x' * 100000000 }}",
		"{{ [1] * 100000000 }}",
		"{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
		"{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
		"{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | tojson }}",
		"{% set ns = namespace(l=[], m=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}"
		"{{ ns.l == ns.m }}",
		"{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
		"{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}",
		"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"{% set ns = namespace(x='a') %}{% macro c() %}{{ caller() }}{% endmacro %}"
		"{% macro r() %}{% call c() %}{{ r() }}{% endcall %}"
		"{% endmacro %}{{ r() }}",
		"{% set a = 'a' * 8000000 %}{{ a.rfind('b' ~ a[:4000000]) }}",
		"{% set a = 'a' * 8000000 %}{{ a.strip('b' * 4000000 ~ 'a') }}",
		"{{ '%100000000d' % 1 if false else 'x'.ljust(100000000) }}",
	};
	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
		struct ts_error err = {0};
		int status = status_of(over[i], &err);
		if (status != TS_ELIMIT)
			print_message("%s: status %d %s\n", over[i], status, err.message);
		assert_int_equal(status, TS_ELIMIT);
	}
	assert_int_equal(status_of("{% for i in range(100000) %}{% endfor %}", NULL), 0);
	struct ts_str large = {0};
	for (int i = 0; i < 1 << 16; i++)
		assert_int_equal(ts_str_puts(&large, "more than sixteen"), 0);
	assert_int_equal(status_of(large.data, NULL), TS_ELIMIT);
	ts_str_release(&large);
}

static void repeat(struct ts_str *out, const char *text, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(ts_str_puts(out, text), 0);
}

/* Nesting of every kind, deep and unclosed or closed: an error, never a full stack. */
static void test_nesting(void **state)
{
	static const struct {
		const char *before, *open, *middle, *close, *after;
	} shapes[] = {
		{"{{ ", "(", "1", ")", " }}"},
		{"{{ ", "[", "1", "]", " }}"},
		{"{{ ", "{1:", "1", "}", " }}"},
		{"{{ ", "-", "1", "", " }}"},
		{"{{ ", "not ", "1", "", " }}"},
		{"{{ ", "x[", "1", "]", " }}"},
		{"{{ ", "range(", "1", ")", " }}"},
		{"{{ ", "1 if 1 else ", "1", "", " }}"},
		{"{{ ", "1|default(", "1", ")", " }}"},
		{"{{ ", "1 is eq ", "1", "", " }}"},
		{"", "{% if 1 %}", "", "{% endif %}", ""},
		{"", "{% for x in [1] %}", "", "{% endfor %}", ""},
		{"", "{% set x %}", "", "{% endset %}", ""},
		{"", "{% macro m() %}", "", "{% endmacro %}", ""},
		{"{{ 1", " + 1", "", "", " }}"},
		{"{{ 'a'", "|upper", "", "", " }}"},
		{"{{ x", ".y", "", "", " }}"},
		{"{{ 1", " and 1", "", "", " }}"},
		{"{{ 1", " if 1 ", "", "", " }}"},
	};
	static const int depths[] = {150, 20000};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (int k = 0; k < 4; k++) {
			struct ts_str source = {0};
			repeat(&source, shapes[i].before, 1);
			repeat(&source, shapes[i].open, depths[k / 2]);
			repeat(&source, shapes[i].middle, 1);
			repeat(&source, shapes[i].close, k % 2 ? depths[k / 2] : 0);
			repeat(&source, shapes[i].after, 1);
			int status = status_of(source.data, NULL);
			assert_true(status == 0 || status == TS_ELIMIT || status == TS_EFORMAT);
			if (k == 3)
				assert_int_not_equal(status, 0);
			ts_str_release(&source);
		}
	}
}

static void test_messages(void **state)
{
	struct ts_error err = {0};
	assert_int_equal(status_of("{{ raise_exception('exactly ' ~ 'this: %s') }}", &err), TS_EINVAL);
	assert_string_equal(err.message, "exactly this: %s");
	assert_int_equal(status_of("a\n\n{{ missing.x }}", &err), TS_EFORMAT);
	assert_string_equal(err.message, "test:3: 'missing' is undefined (asked for 'x')");
	assert_int_equal(status_of("a\n{% if %}", &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "test:2: "));
	assert_int_equal(status_of("{{ 'a\xff' }}", &err), TS_EFORMAT);
}

static void test_clock_of_the_machine(void **state)
{
	struct ts_str out = {0};
	json_t *messages = conversation();
	struct ts_template_input input = {.messages = messages};
	static const char source[] = "{{ strftime_now('%Y') | int > 2023 }}";
	assert_int_equal(render_text(source, strlen(source), &input, &out, NULL), 0);
	assert_string_equal(ts_str_c(&out), "True");
	json_decref(messages);
	ts_str_release(&out);
}

/* Each allocation of a parse and rendering fails once: an error without a leak, and output untouched. */
static void test_memory_failures(void **state)
{
	static const char source[] = "{% macro m(a, b=[1, 2]) %}{{ a }}{{ b | join(',') }}{{ caller() }}{% endmacro %}"
				     "{% for x in messages | selectattr('role', 'eq', 'user') %}{{ loop.index }}{{ x.content.split('i') }}"
				     "{% endfor %}{% call m('x'.upper()) %}{{ {'a': 1.5} | tojson(indent=2) }}{% endcall %}"
				     "{% set q %}{{ '%05d' % 7 }}{{ '{:>4}'.format('z') }}{% endset %}{{ q | trim | indent }}";
	json_t *messages = conversation();
	struct ts_template_input input = {.messages = messages};
	struct ts_str out = {0};
	size_t before = ts_mem_count();
	assert_int_equal(render_text(source, strlen(source), &input, &out, NULL), 0);
	size_t needed = ts_mem_count() - before;
	ts_str_release(&out);
	assert_true(needed > 10);
	for (size_t i = 1; i <= needed; i++) {
		struct ts_error err = {0};
		ts_mem_fail_at(i);
		int status = render_text(source, strlen(source), &input, &out, &err);
		ts_mem_fail_at(0);
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(out.len, 0);
		ts_str_release(&out);
	}
	json_decref(messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),         cmocka_unit_test(test_truncated_templates),
		cmocka_unit_test(test_limits),          cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_messages),        cmocka_unit_test(test_clock_of_the_machine),
		cmocka_unit_test(test_memory_failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
