#include "eval/answer_text.h"

#include "core/status.h"
#include "eval/boxed.h"

#include <stdbool.h>
#include <string.h>

/* Braces deeper than this are copied as they are: no real answer has them, and the recursion stays bounded. */
#define DEPTH_LIMIT 40

struct rule {
	const char *from, *to;
};

/* Tried in order at every place: a longer name stands before its own prefix. A name that ends in a letter matches only
 * where no letter follows. */
static const struct rule rules[] = {
	{"\\!", ""},           {"\\,", " "},
	{"\\;", " "},          {"\\:", " "},
	{"\\ ", " "},          {"\\quad", " "},
	{"\\qquad", " "},      {"~", " "},
	{"\xC2\xA0", " "},     {"\xE2\x80\xAF", " "},
	{"\\left", ""},        {"\\right", ""},
	{"\\$", ""},           {"$", ""},
	{"\\(", ""},           {"\\)", ""},
	{"\\%", "%"},          {"{,}", ","},
	{"^{\\circ}", ""},     {"^\\circ", ""},
	{"^{\\degree}", ""},   {"^\\degree", ""},
	{"\\degree", ""},      {"\xC2\xB0", ""},
	{"\\leq", "\\le "},    {"\\geq", "\\ge "},
	{"\\neq", "\\ne "},    {"\\displaystyle", ""},
	{"\xC2\xA3", ""},      {"\xE2\x82\xAC", ""},
	{"\xE2\x88\x92", "-"},
};

static const char *const text_commands[] = {"\\text", "\\mathrm", "\\textbf", "\\textit", "\\textrm", "\\mbox"};
static const char *const fractions[] = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool at_word(const char *s, size_t n, size_t i, const char *word)
{
	size_t len = strlen(word);
	if (n - i < len || memcmp(s + i, word, len))
		return false;
	return !is_letter(word[len - 1]) || i + len == n || !is_letter(s[i + len]);
}

static size_t command_at(const char *s, size_t n, size_t i, const char *const *names, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (at_word(s, n, i, names[k]))
			return strlen(names[k]);
	return 0;
}

static size_t skip_space(const char *s, size_t n, size_t i)
{
	while (i < n && is_space(s[i]))
		i++;
	return i;
}

static int clean(const char *s, size_t n, int depth, struct ts_str *out);

static int put_space(struct ts_str *out)
{
	return !out->len || out->data[out->len - 1] == ' ' ? 0 : ts_str_putc(out, ' ');
}

/* The argument at s[*i]: a braced group or one character; written in braces. Nothing when there is none. */
static int argument(const char *s, size_t n, size_t *i, int depth, struct ts_str *out)
{
	size_t at = skip_space(s, n, *i), end;
	if (at == n || s[at] == '}' || s[at] == '\\')
		return 0;
	size_t from = at, len = 1;
	*i = at + 1;
	if (s[at] == '{') {
		end = ts_brace_end(s, n, at);
		from = at + 1;
		len = end - from;
		*i = end + (end < n);
	}
	TS_TRY(ts_str_putc(out, '{'));
	TS_TRY(clean(s + from, len, depth + 1, out));
	return ts_str_putc(out, '}');
}

/* A command with arguments at s[*i], or a script; *i moves only when something was read. */
static int command(const char *s, size_t n, size_t *i, int depth, struct ts_str *out)
{
	size_t at = *i, len = command_at(s, n, at, fractions, sizeof(fractions) / sizeof(*fractions));
	if (len || at_word(s, n, at, "\\sqrt")) {
		*i = at + (len ? len : 5);
		TS_TRY(ts_str_puts(out, len ? "\\frac" : "\\sqrt"));
		if (!len && *i < n && s[*i] == '[')
			return 0; /* a root's degree: left as it is written */
		TS_TRY(argument(s, n, i, depth, out));
		return len ? argument(s, n, i, depth, out) : 0;
	}
	len = command_at(s, n, at, text_commands, sizeof(text_commands) / sizeof(*text_commands));
	size_t open = skip_space(s, n, at + len);
	if (len && open < n && s[open] == '{') {
		size_t end = ts_brace_end(s, n, open);
		*i = end + (end < n);
		TS_TRY(ts_str_putc(out, TS_TEXT_OPEN));
		TS_TRY(clean(s + open + 1, end - open - 1, depth + 1, out));
		return ts_str_putc(out, TS_TEXT_CLOSE);
	}
	if ((s[at] == '_' || s[at] == '^') && n - at >= 4 && s[at + 1] == '{' && s[at + 3] == '}') {
		*i = at + 4;
		TS_TRY(ts_str_putc(out, s[at]));
		return ts_str_putc(out, s[at + 2]);
	}
	return 0;
}

static int clean(const char *s, size_t n, int depth, struct ts_str *out)
{
	if (depth > DEPTH_LIMIT)
		return ts_str_append(out, s, n);
	for (size_t i = 0; i < n;) {
		if (is_digit(s[i]) || is_letter(s[i])) { /* no rule and no command begins so */
			TS_TRY(ts_str_putc(out, s[i++]));
			continue;
		}
		size_t before = i, k = 0, count = sizeof(rules) / sizeof(*rules);
		while (k < count && !at_word(s, n, i, rules[k].from))
			k++;
		if (k < count) {
			TS_TRY(!strcmp(rules[k].to, " ") ? put_space(out) : ts_str_puts(out, rules[k].to));
			i += strlen(rules[k].from);
			continue;
		}
		TS_TRY(command(s, n, &i, depth, out));
		if (i != before)
			continue;
		bool space = is_space(s[i]);
		if (space)
			TS_TRY(put_space(out));
		/* Bytes that stand for the text marks are nobody's answer. */
		else if (s[i] != TS_TEXT_OPEN && s[i] != TS_TEXT_CLOSE)
			TS_TRY(ts_str_putc(out, s[i]));
		i++;
		/* \\ is a line break, and its second half starts no command. */
		if (!space && s[before] == '\\' && i < n && s[i] == '\\')
			TS_TRY(ts_str_putc(out, s[i++]));
	}
	return 0;
}

int ts_answer_clean(const char *s, size_t n, struct ts_str *out)
{
	size_t start = out->len;
	TS_TRY(clean(s, n, 0, out));
	while (out->len > start && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '.'))
		out->data[--out->len] = '\0';
	size_t lead = start;
	while (lead < out->len && out->data[lead] == ' ')
		lead++;
	if (lead > start) {
		memmove(out->data + start, out->data + lead, out->len - lead + 1);
		out->len -= lead - start;
	}
	return 0;
}

static bool is_mark(char c)
{
	return c == TS_TEXT_OPEN || c == TS_TEXT_CLOSE;
}

/* Free a lone word from parentheses and capitals. */
static void fold_word(struct ts_str *out, size_t start)
{
	char *s = out->data + start;
	size_t n = out->len - start;
	bool bracketed = n > 2 && s[0] == '(' && s[n - 1] == ')';
	for (size_t i = bracketed; i + bracketed < n; i++)
		if (!is_letter(s[i]))
			return;
	if (bracketed) {
		n -= 2;
		memmove(s, s + 1, n);
		s[n] = '\0';
		out->len = start + n;
	}
	for (size_t i = 0; n > 1 && i < n; i++)
		s[i] = (char)(s[i] | 0x20);
}

int ts_answer_key(const char *s, size_t n, struct ts_str *out)
{
	size_t start = out->len;
	char last = 0;
	bool gap = false;
	TS_TRY(ts_str_append(out, "", 0));
	for (size_t i = 0; i < n; i++) {
		if (s[i] == ' ' || is_mark(s[i])) {
			gap = gap || s[i] == ' ';
			continue;
		}
		if (gap && is_digit(last) && is_digit(s[i]))
			TS_TRY(ts_str_putc(out, ' '));
		TS_TRY(ts_str_putc(out, s[i]));
		last = s[i];
		gap = false;
	}
	fold_word(out, start);
	return 0;
}
