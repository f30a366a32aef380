/* What a screen is given of a response: thinking told from answer however the pieces are cut, and no control character. */
#include "core/status.h"
#include "text/think_stream.h"
#include "text/thinking.h"
#include "text/visible.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Kinds as brackets: [thinking]answer, neighbours of a kind joined. */
struct marked {
	struct ts_str text;
	bool thinking;
};

static int mark(void *user, const char *text, size_t n, bool thinking)
{
	struct marked *m = user;
	if (thinking != m->thinking)
		assert_int_equal(ts_str_putc(&m->text, thinking ? '[' : ']'), 0);
	m->thinking = thinking;
	return ts_str_append(&m->text, text, n);
}

static void check_split(const char *response, bool opened, const char *expected)
{
	size_t n = strlen(response);
	/* Whole, and in pieces of every length. */
	for (size_t piece = 1; piece <= n + 1; piece++) {
		struct marked m = {0};
		struct ts_think_stream s = {.thinking = opened, .emit = mark, .user = &m};
		for (size_t i = 0; i < n; i += piece)
			assert_int_equal(ts_think_stream_feed(&s, response + i, n - i < piece ? n - i : piece), 0);
		assert_int_equal(ts_think_stream_flush(&s), 0);
		if (m.thinking)
			assert_int_equal(ts_str_putc(&m.text, ']'), 0);
		assert_string_equal(ts_str_c(&m.text), expected);
		ts_str_release(&m.text);
	}
}

static void test_split(void **state)
{
	check_split("<think>\na\n</think>\n\nb", false, "[<think>\na\n</think>]\n\nb");
	check_split("a\n</think>\n\nb", true, "[a\n</think>]\n\nb"); /* opened by the prompt */
	check_split("no thought", false, "no thought");
	check_split("<think>never ends", false, "[<think>never ends]");
	check_split("<think>a</think>b<think>c</think>d", false, "[<think>a</think>]b[<think>c</think>]d");
	check_split("<think>the tag <think> is odd</think>4", false, "[<think>the tag <think> is odd</think>]4");
	check_split("stray </think> here", false, "stray </think> here");
	check_split("1 < 2 <<think>a<</think>b<", false, "1 < 2 <[<think>a<</think>]b<");
	check_split("<thin <th<think>x</thin </think>y</think", false, "<thin <th[<think>x</thin </think>]y</think");
	check_split("<Think>a", false, "<Think>a");
	check_split("\xc3\xa9<think>\xe2\x82\xac</think>\xf0\x9f\x98\x80", false, "\xc3\xa9[<think>\xe2\x82\xac</think>]\xf0\x9f\x98\x80");
}

static int answer_only(void *user, const char *text, size_t n, bool thinking)
{
	return thinking ? 0 : ts_str_append(user, text, n);
}

/* Where the response is what templates ask for, the stream shows as answer exactly what the one rule calls so. */
static void test_same_as_rule(void **state)
{
	static const char *const responses[] = {"<think>\na\n</think>\n\nb", "a", "<think></think>", "<think>a</think>b<think>c</think>d"};
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		struct ts_thinking rule = {0};
		struct ts_str answer = {0};
		struct ts_think_stream s = {.emit = answer_only, .user = &answer};
		size_t n = strlen(responses[i]);
		assert_int_equal(ts_thinking_split(responses[i], n, &rule), 0);
		assert_int_equal(ts_think_stream_feed(&s, responses[i], n), 0);
		assert_int_equal(ts_think_stream_flush(&s), 0);
		assert_string_equal(ts_str_c(&answer), ts_str_c(&rule.answer));
		ts_thinking_release(&rule);
		ts_str_release(&answer);
	}
}

static int refuse(void *user, const char *text, size_t n, bool thinking)
{
	return TS_EIO;
}

static void test_failure_passes(void **state)
{
	struct ts_think_stream s = {.emit = refuse};
	assert_int_equal(ts_think_stream_feed(&s, "a", 1), TS_EIO);
	assert_int_equal(ts_think_stream_feed(&s, "<think>", 7), TS_EIO);
}

static void check_visible(const char *text, size_t n, const char *expected)
{
	struct ts_str out = {0};
	assert_int_equal(ts_visible(text, n, &out), 0);
	assert_string_equal(ts_str_c(&out), expected);
	ts_str_release(&out);
}
#define CHECK_VISIBLE(text, expected) check_visible(text, sizeof(text) - 1, expected)

static void test_visible(void **state)
{
	CHECK_VISIBLE("a\tb\nc", "a\tb\nc");
	CHECK_VISIBLE("\x1b[31mred\x1b]0;title\x07", "\xe2\x90\x9b[31mred\xe2\x90\x9b]0;title\xe2\x90\x87");
	CHECK_VISIBLE("over\rwrite\b", "over\xe2\x90\x8dwrite\xe2\x90\x88");
	CHECK_VISIBLE("\0\x7f", "\xe2\x90\x80\xe2\x90\xa1");
	CHECK_VISIBLE("\xc2\x9b"
		      "31m\xc2\xa0",
		      "<U+009B>31m\xc2\xa0"); /* CSI in one character; a no-break space is text */
	CHECK_VISIBLE("\xe2\x80\xae"
		      "evil\xe2\x81\xa6",
		      "<U+202E>evil<U+2066>");
	CHECK_VISIBLE("\xf3\xa0\x81\x81", "<U+E0041>");
	CHECK_VISIBLE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	CHECK_VISIBLE("a\xff"
		      "b\xe2\x82",
		      "a\xef\xbf\xbd"
		      "b\xef\xbf\xbd");
	CHECK_VISIBLE("", "");
	/* No control character is left, whichever comes. */
	for (uint32_t c = 0; c < 0x110000; c++) {
		struct ts_str in = {0}, out = {0};
		if (c >= 0xD800 && c < 0xE000)
			continue;
		assert_int_equal(ts_str_put_utf8(&in, c) || ts_visible(in.data, in.len, &out), 0);
		for (size_t i = 0; i < out.len; i++) {
			unsigned char b = (unsigned char)out.data[i];
			assert_true(b >= 0x20 || b == '\n' || b == '\t');
			assert_true(b != 0x7F && !(b == 0xC2 && i + 1 < out.len && (unsigned char)out.data[i + 1] < 0xA0));
		}
		ts_str_release(&in);
		ts_str_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_same_as_rule),
		cmocka_unit_test(test_failure_passes),
		cmocka_unit_test(test_visible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
