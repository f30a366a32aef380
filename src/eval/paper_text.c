#include "eval/paper_text.h"

#include "core/mem.h"
#include "core/status.h"
#include "eval/math_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Takes the place of s. */
static void become(struct ts_str *s, struct ts_str *other)
{
	struct ts_str old = *s;
	*s = *other;
	*other = old;
	ts_str_release(other);
}

static int set(struct ts_str *s, const char *text)
{
	struct ts_str other = {0};
	int status = ts_str_puts(&other, text);
	become(s, &other);
	return status;
}

int ts_paper_replace(struct ts_str *s, const char *from, const char *to)
{
	struct ts_str out = {0};
	const char *at = ts_str_c(s), *hit;
	int status = 0;
	if (!strstr(at, from))
		return 0;
	while (!status && (hit = strstr(at, from))) {
		status = ts_str_append(&out, at, (size_t)(hit - at));
		status = status ? status : ts_str_puts(&out, to);
		at = hit + strlen(from);
	}
	status = status ? status : ts_str_puts(&out, at);
	become(s, &out);
	return status;
}

struct rule {
	const char *from, *to;
};

static int replace_all(struct ts_str *s, const struct rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TS_TRY(ts_paper_replace(s, rules[i].from, rules[i].to));
	return 0;
}
#define REPLACE(s, rules) replace_all((s), (rules), sizeof(rules) / sizeof(*(rules)))

static void cut(struct ts_str *s, size_t n)
{
	s->len = n;
	if (s->data)
		s->data[n] = '\0';
}

static int trim(struct ts_str *s)
{
	while (s->len && is_space(s->data[s->len - 1]))
		cut(s, s->len - 1);
	const char *text = ts_str_c(s);
	size_t lead = 0;
	while (is_space(text[lead]))
		lead++;
	if (!lead)
		return 0;
	memmove(s->data, s->data + lead, s->len - lead + 1);
	s->len -= lead;
	return 0;
}

/* open...close, the nearest close: the whole is replaced by `to`, or with NULL by what stands between. */
static int replace_between(struct ts_str *s, const char *open, const char *close, const char *to)
{
	struct ts_str out = {0};
	const char *at = ts_str_c(s), *hit, *end;
	int status = 0;
	while (!status && (hit = strstr(at, open)) && (end = strstr(hit + strlen(open), close))) {
		const char *inside = hit + strlen(open);
		status = ts_str_append(&out, at, (size_t)(hit - at));
		if (!status)
			status = to ? ts_str_puts(&out, to) : ts_str_append(&out, inside, (size_t)(end - inside));
		at = end + strlen(close);
	}
	status = status ? status : ts_str_puts(&out, at);
	become(s, &out);
	return status;
}

/* --- number words --- */

/* "seven" and "007" are numbers; others stay. */
static bool word_number(const char *word, char *out, size_t size)
{
	size_t n = strlen(word);
	if (n && strspn(word, "0123456789") == n && n < size) {
		word += strspn(word, "0");
		snprintf(out, size, "%s", *word ? word : "0");
		return true;
	}
	int value = ts_math_number_word(word);
	if (value >= 0)
		snprintf(out, size, "%d", value);
	return value >= 0;
}

/* \text{seven} */
static int replace_text_words(struct ts_str *s)
{
	static const char open[] = "\\text{";
	struct ts_str out = {0};
	const char *at = ts_str_c(s), *hit;
	char word[32], number[64];
	int status = 0;
	while (!status && (hit = strstr(at, open))) {
		const char *inside = hit + strlen(open);
		size_t n = 0;
		while (is_letter(inside[n]))
			n++;
		status = ts_str_append(&out, at, (size_t)(hit - at));
		bool whole = n && n < sizeof(word) && inside[n] == '}';
		snprintf(word, sizeof(word), "%.*s", whole ? (int)n : 0, inside);
		if (!status && whole && word_number(word, number, sizeof(number))) {
			status = ts_str_puts(&out, number);
			at = inside + n + 1;
		} else if (!status) {
			status = ts_str_puts(&out, open);
			at = inside;
		}
	}
	status = status ? status : ts_str_puts(&out, at);
	become(s, &out);
	return status;
}

static int replace_whole_word(struct ts_str *s)
{
	char number[64];
	return word_number(ts_str_c(s), number, sizeof(number)) ? set(s, number) : 0;
}

/* --- the rules by their regular expressions --- */

/* \\text{.*?}$ : from the first \text{ to a brace at the end, unless nothing else is there. */
static int drop_last_text(struct ts_str *s)
{
	const char *text = ts_str_c(s), *hit = strstr(text, "\\text{");
	if (!hit || text[s->len - 1] != '}' || strspn(text, " \t") == (size_t)(hit - text))
		return 0;
	cut(s, (size_t)(hit - text));
	return trim(s);
}

/* (\d+)\.0*([^\d]|$) : without the point and the zeros. */
static int drop_zero_decimals(struct ts_str *s)
{
	struct ts_str out = {0};
	const char *text = ts_str_c(s);
	int status = 0;
	for (size_t i = 0; i < s->len && !status; i++) {
		size_t end = i + 1;
		if (text[i] == '.' && i && is_digit(text[i - 1])) {
			while (text[end] == '0')
				end++;
			if (!is_digit(text[end])) {
				i = end - 1;
				continue;
			}
		}
		status = ts_str_putc(&out, text[i]);
	}
	status = status ? status : ts_str_puts(&out, "");
	become(s, &out);
	return status;
}

/* \\sqrt(\w+) gets braces. */
static int brace_roots(struct ts_str *s)
{
	static const char root[] = "\\sqrt";
	struct ts_str out = {0};
	const char *at = ts_str_c(s), *hit;
	int status = 0;
	while (!status && (hit = strstr(at, root))) {
		const char *word = hit + strlen(root);
		size_t n = 0;
		while (is_letter(word[n]) || is_digit(word[n]) || word[n] == '_')
			n++;
		status = ts_str_append(&out, at, (size_t)(word - at));
		if (!status && n)
			status = ts_str_printf(&out, "{%.*s}", (int)n, word);
		at = word + n;
	}
	status = status ? status : ts_str_puts(&out, at);
	become(s, &out);
	return status;
}

/* \frac12, \frac1{72}: braces around what stands alone. A fraction cut short leaves all as it was. */
static int brace_fractions(struct ts_str *s)
{
	static const char name[] = "\\frac";
	struct ts_str out = {0};
	const char *at = ts_str_c(s), *hit = strstr(at, name);
	int status = hit ? ts_str_append(&out, at, (size_t)(hit - at)) : 0;
	if (!hit)
		return 0;
	while (hit && !status) {
		const char *part = hit + strlen(name);
		hit = strstr(part, name);
		size_t n = hit ? (size_t)(hit - part) : strlen(part);
		status = ts_str_puts(&out, name);
		if (status)
			break;
		if (n && *part == '{') {
			status = ts_str_append(&out, part, n);
		} else if (n < 2) {
			ts_str_release(&out);
			return 0;
		} else {
			status = ts_str_printf(&out, part[1] == '{' ? "{%c}%c" : "{%c}{%c}", part[0], part[1]);
			status = status ? status : ts_str_append(&out, part + 2, n - 2);
		}
	}
	become(s, &out);
	return status;
}

static bool plain_integer(const char *s, size_t n)
{
	size_t i = n && *s == '-';
	if (i == n || (s[i] == '0' && (n > 1)))
		return false;
	for (; i < n; i++)
		if (!is_digit(s[i]))
			return false;
	return true;
}

/* a/b of whole numbers, or of something with a root. */
static int slash_fraction(struct ts_str *s)
{
	const char *text = ts_str_c(s), *slash = strchr(text, '/');
	if (!slash || strchr(slash + 1, '/'))
		return 0;
	size_t a = (size_t)(slash - text), b = s->len - a - 1;
	const char *root = strstr(text, "sqrt");
	bool a_root = root && root < slash, b_root = strstr(slash, "sqrt") != NULL;
	if ((!a_root && !plain_integer(text, a)) || (!b_root && !plain_integer(slash + 1, b)))
		return 0;
	struct ts_str out = {0};
	int status = ts_str_printf(&out, "\\frac{%.*s}{%s}", (int)a, text, slash + 1);
	become(s, &out);
	return status;
}

/* \\(?=-?\d+(\\|\)|,|\]|$)) : a backslash before such a number goes, even one of a line break in a matrix. */
static int drop_backslashes(struct ts_str *s)
{
	struct ts_str out = {0};
	const char *text = ts_str_c(s);
	int status = 0;
	for (size_t i = 0; i < s->len && !status; i++) {
		const char *number = text + i + 1;
		number += text[i] == '\\' && *number == '-';
		size_t n = text[i] == '\\' ? strspn(number, "0123456789") : 0;
		if (!n || !strchr("\\),]", number[n])) /* the end is among them: strchr finds the NUL */
			status = ts_str_putc(&out, text[i]);
	}
	status = status ? status : ts_str_puts(&out, "");
	become(s, &out);
	return status;
}

static int compare_integers(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return x < y ? -1 : x > y;
}

/* Whole numbers with commas between are sorted. Longer ones than 18 digits are left alone. */
static int sort_integers(struct ts_str *s)
{
	TS_VEC(long long) list = {0};
	struct ts_str out = {0};
	int status = 0;
	for (const char *at = ts_str_c(s);;) {
		size_t minus = *at == '-', digits = strspn(at + minus, "0123456789"), n = minus + digits;
		if (!digits || digits > 18 || (at[n] != ',' && at[n] != '\0'))
			goto done;
		TS_GOTO(ts_vec_push(&list, strtoll(at, NULL, 10)) ? TS_ENOMEM : 0);
		if (!at[n])
			break;
		at += n + 1;
	}
	qsort(list.data, list.len, sizeof(*list.data), compare_integers);
	for (size_t i = 0; i < list.len; i++)
		TS_GOTO(ts_str_printf(&out, "%s%lld", i ? "," : "", list.data[i]));
	become(s, &out);
done:
	ts_vec_release(&list);
	ts_str_release(&out);
	return status;
}

/* k=3: a short left side goes. */
static int drop_left_side(struct ts_str *s)
{
	const char *text = ts_str_c(s), *equals = strchr(text, '=');
	if (!equals || strchr(equals + 1, '=') || equals - text > 2)
		return 0;
	struct ts_str out = {0};
	int status = ts_str_puts(&out, equals + 1);
	become(s, &out);
	return status;
}

static const struct rule forms[] = {
	{"\\end{array}", "\\end{pmatrix}"},
	{"bmatrix", "pmatrix"},
	{"tfrac", "frac"},
	{"dfrac", "frac"},
	{"\\neq", "\\ne"},
	{"\\leq", "\\le"},
	{"\\geq", "\\ge"},
	{"\\left", ""},
	{"\\right", ""},
	{"\\{", "{"},
	{"\\}", "}"},
};
static const struct rule units[] = {{"cm}^2", "cm}"}, {"inches}^2", "inches}"}};
static const struct rule signs[] = {
	{"^{\\circ}", ""}, {"^\\circ", ""}, {"\\$", ""}, {"$", ""}, {"\\(", ""}, {"\\)", ""},
};
static const struct rule names[] = {
	{"x=", ""},
	{"y=", ""},
	{"z=", ""},
	{"x\\in", ""},
	{"y\\in", ""},
	{"z\\in", ""},
	{"x\\to", ""},
	{"y\\to", ""},
	{"z\\to", ""},
	{"\\emptyset", "{}"},
	{"(-\\infty,\\infty)", "\\mathbb{R}"},
	{"\\%", ""},
	{"%", ""},
	{" .", " 0."},
	{"{.", "{0."},
	{"infinity", "\\infty"},
};
static const struct rule words[] = {{"and", ""}, {"\\mathbf", ""}};

static int strip_words(struct ts_str *s)
{
	TS_TRY(replace_text_words(s));
	TS_TRY(REPLACE(s, units));
	TS_TRY(drop_last_text(s));
	TS_TRY(REPLACE(s, signs));
	TS_TRY(replace_whole_word(s));
	TS_TRY(replace_between(s, "\\text{", "}", NULL));
	TS_TRY(REPLACE(s, names));
	if (!strstr(ts_str_c(s), "\\infty"))
		TS_TRY(ts_paper_replace(s, "inf", "\\infty"));
	TS_TRY(REPLACE(s, words));
	TS_TRY(replace_between(s, "\\mbox{", "}", ""));
	if (strchr(ts_str_c(s), 'j') && !strchr(ts_str_c(s), 'i'))
		TS_TRY(ts_paper_replace(s, "j", "i"));
	return drop_zero_decimals(s);
}

static int strip_forms(struct ts_str *s)
{
	TS_TRY(drop_left_side(s));
	TS_TRY(brace_roots(s));
	TS_TRY(ts_paper_replace(s, " ", ""));
	TS_TRY(brace_fractions(s));
	TS_TRY(slash_fraction(s));
	TS_TRY(drop_backslashes(s));
	static const char grade[] = "thgrade";
	if (s->len >= strlen(grade) && !strcmp(s->data + s->len - strlen(grade), grade))
		cut(s, s->len - strlen(grade));
	return sort_integers(s);
}

int ts_paper_strip(struct ts_str *s)
{
	TS_TRY(trim(s));
	TS_TRY(ts_paper_replace(s, "\n", ""));
	while (s->len && s->data[s->len - 1] == '.')
		cut(s, s->len - 1);
	TS_TRY(ts_paper_replace(s, "\\!", ""));
	TS_TRY(replace_between(s, "\\begin{array}{", "}", "\\begin{pmatrix}"));
	TS_TRY(REPLACE(s, forms));
	TS_TRY(strip_words(s));
	if (!s->len)
		return 0;
	if (s->data[0] == '.') {
		struct ts_str out = {0};
		int status = ts_str_printf(&out, "0%s", s->data);
		become(s, &out);
		TS_TRY(status);
	}
	return strip_forms(s);
}

int ts_paper_fold(const struct ts_str *s, const char *drop, struct ts_str *out)
{
	TS_TRY(ts_str_puts(out, ""));
	for (const char *at = ts_str_c(s); *at; at++)
		if (!strchr(drop, *at))
			TS_TRY(ts_str_putc(out, *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at));
	return 0;
}
