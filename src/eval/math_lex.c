/* One pass over the bytes. A braced argument of \text, \begin and \mathbb is read where its command is; other braces are tokens. */
#include "eval/math_lex.h"

#include "core/status.h"
#include "core/str.h"
#include "eval/boxed.h"
#include "eval/math_tree.h"
#include "eval/math_words.h"

#include <string.h>

enum { DEPTH_LIMIT = 40 };

struct lexer {
	struct ts_arena *arena;
	const char *s;
	size_t n, at;
	int how;
	bool spaced;
	bool words; /* inside \text{}: letters make words */
	int depth;
	struct ts_math_tokens *out;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool at(const struct lexer *x, const char *word)
{
	size_t len = strlen(word);
	return x->n - x->at >= len && !memcmp(x->s + x->at, word, len);
}

static int put_token(struct lexer *x, struct ts_math_token t)
{
	if (x->out->list.len >= TS_MATH_MOST_TOKENS)
		return TS_ELIMIT;
	t.spaced = x->spaced;
	x->spaced = false;
	return ts_vec_push(&x->out->list, t) ? TS_ENOMEM : 0;
}

static int put(struct lexer *x, int type, int op)
{
	return put_token(x, (struct ts_math_token){.type = type, .op = op});
}

static int put_text(struct lexer *x, int type, const char *s, size_t n)
{
	const char *text = ts_arena_strndup(x->arena, s, n);
	return text ? put_token(x, (struct ts_math_token){.type = type, .text = text}) : TS_ENOMEM;
}

static const struct ts_math_token *last(const struct lexer *x)
{
	return x->out->list.len ? &x->out->list.data[x->out->list.len - 1] : NULL;
}

static int lex(struct lexer *x);

/* Another text in the place of this one. */
static int lex_inside(struct lexer *x, const char *s, size_t n, bool words)
{
	struct lexer inner = *x;
	inner.s = s;
	inner.n = n;
	inner.at = 0;
	inner.words = words;
	if (++inner.depth > DEPTH_LIMIT)
		return TS_ELIMIT;
	TS_TRY(lex(&inner));
	x->spaced = inner.spaced;
	return 0;
}

/* --- numbers --- */

static size_t digits_at(const struct lexer *x, size_t i)
{
	size_t start = i;
	while (i < x->n && is_digit(x->s[i]))
		i++;
	return i - start;
}

/* The length of a separator of thousands at i, before exactly three digits; 0 when there is none. */
static size_t separator_at(const struct lexer *x, size_t i, bool *comma)
{
	static const char *const kinds[] = {"{,}", ",\\!", ",", "\\,",      "\\ ",          "\\;",
					    "\\:", "~",    " ", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89"};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		size_t len = strlen(kinds[k]);
		if (x->n - i < len || memcmp(x->s + i, kinds[k], len))
			continue;
		*comma = k == 2;
		if (*comma && !(x->how & TS_MATH_GROUPED))
			return 0;
		while (k == 1 && i + len < x->n && x->s[i + len] == ' ')
			len++;
		return digits_at(x, i + len) == 3 ? len : 0;
	}
	return 0;
}

/* 0.1\overline{6}: how many digits repeat for ever, appended. */
static int repeating(struct lexer *x, struct ts_str *digits, struct ts_math_token *t)
{
	static const char mark[] = "\\overline{";
	size_t len = strlen(mark);
	if (!at(x, mark))
		return 0;
	size_t count = digits_at(x, x->at + len);
	if (!count || x->at + len + count >= x->n || x->s[x->at + len + count] != '}')
		return TS_EFORMAT;
	TS_TRY(ts_str_append(digits, x->s + x->at + len, count));
	t->places += (int)count;
	t->repeat = (int)count;
	x->at += len + count + 1;
	return 0;
}

/* With at most `most` digits: one for an argument of \frac that has no braces. */
static int read_number(struct lexer *x, size_t most, struct ts_str *digits, struct ts_math_token *t)
{
	size_t count = digits_at(x, x->at), gap;
	bool comma = false;
	count = count > most ? most : count;
	TS_TRY(ts_str_append(digits, x->s + x->at, count));
	x->at += count;
	if (most == 1)
		return 0;
	if (count >= 1 && count <= 3 && (count == 1 || digits->data[0] != '0'))
		while ((gap = separator_at(x, x->at, &comma))) {
			TS_TRY(ts_str_append(digits, x->s + x->at + gap, 3));
			x->at += gap + 3;
			t->grouped = t->grouped || comma;
		}
	if (x->at >= x->n || x->s[x->at] != '.' || (!digits_at(x, x->at + 1) && count == 0))
		return 0;
	size_t places = digits_at(x, x->at + 1);
	bool repeats = x->n - x->at > 9 && !memcmp(x->s + x->at + 1, "\\overline", 9);
	if (!places && !repeats)
		return 0;
	TS_TRY(ts_str_append(digits, x->s + x->at + 1, places));
	t->places = (int)(places < TS_MATH_MOST_DIGITS ? places : TS_MATH_MOST_DIGITS);
	x->at += 1 + places;
	return repeating(x, digits, t);
}

static int number(struct lexer *x, size_t most)
{
	struct ts_str digits = {0};
	struct ts_math_token t = {.type = TS_TOKEN_NUMBER, .base = 10};
	int status = read_number(x, most, &digits, &t);
	if (!status && digits.len > TS_MATH_MOST_DIGITS)
		status = TS_ELIMIT;
	if (!status && !(t.text = ts_arena_strndup(x->arena, ts_str_c(&digits), digits.len)))
		status = TS_ENOMEM;
	ts_str_release(&digits);
	return status ? status : put_token(x, t);
}

/* A1F_{16}: digits beyond 9; without any other only in base 16. Plain runs of letters without such a subscript are none. */
static bool based_digits(const struct lexer *x, size_t *len)
{
	size_t i = x->at;
	bool digit = false;
	while (i < x->n && (is_digit(x->s[i]) || (x->s[i] >= 'A' && x->s[i] <= 'Z')))
		digit = is_digit(x->s[i++]) || digit;
	*len = i - x->at;
	if (*len < 2 || i >= x->n || x->s[i] != '_')
		return false;
	i += 1 + (i + 1 < x->n && x->s[i + 1] == '{');
	return digits_at(x, i) == 2 && (digit || !memcmp(x->s + i, "16", 2)) && (x->s[i] == '1' || x->s[i] == '2' || x->s[i] == '3');
}

/* --- letters --- */

static bool after_number(const struct lexer *x)
{
	const struct ts_math_token *t = last(x);
	return t && (t->type == TS_TOKEN_NUMBER || t->type == '}' || t->type == ')' || (t->type == TS_TOKEN_CONSTANT && t->op != 'f'));
}

static int letter(struct lexer *x, const char *s)
{
	const struct ts_math_token *t = last(x);
	bool temperature = t && t->type == TS_TOKEN_DEGREE && (*s == 'C' || *s == 'F');
	bool unit = after_number(x) && (x->words || (x->how & TS_MATH_UNITS && x->spaced));
	if (temperature || (unit && strchr("mgsLlhVAKJNWC", *s)))
		return put_text(x, TS_TOKEN_WORD, s, 1);
	if (*s == 'e' || *s == 'i')
		return put(x, TS_TOKEN_CONSTANT, *s);
	return put_text(x, TS_TOKEN_NAME, s, 1);
}

/* A run of letters: a function, a word, or variables side by side. */
static int run(struct lexer *x)
{
	const char *s = x->s + x->at;
	size_t n = 0;
	int op, type;
	while (x->at + n < x->n && is_letter(s[n]))
		n++;
	x->at += n;
	if ((type = ts_math_word_type(s, n, &op)))
		return put(x, type, op);
	if (n == 1)
		return letter(x, s);
	if (x->words || ts_math_is_word(s, n, after_number(x)))
		return put_text(x, TS_TOKEN_WORD, s, n);
	for (size_t i = 0; i < n; i++)
		TS_TRY(letter(x, s + i));
	return 0;
}

/* --- commands --- */

/* The braced argument at the cursor, which moves past it. */
static bool braced(struct lexer *x, const char **s, size_t *n)
{
	while (x->at < x->n && x->s[x->at] == ' ')
		x->at++;
	if (x->at >= x->n || x->s[x->at] != '{')
		return false;
	size_t end = ts_brace_end(x->s, x->n, x->at);
	if (end >= x->n)
		return false;
	*s = x->s + x->at + 1;
	*n = end - x->at - 1;
	x->at = end + 1;
	return true;
}

static bool is_environment(const char *s, size_t n)
{
	static const char *const known[] = {"pmatrix", "bmatrix", "Bmatrix", "matrix", "smallmatrix", "vmatrix", "array"};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i]) == n && !memcmp(known[i], s, n))
			return true;
	return false;
}

static int environment(struct lexer *x, bool begins)
{
	const char *s;
	size_t n;
	if (!braced(x, &s, &n) || !is_environment(s, n))
		return TS_EFORMAT;
	TS_TRY(put_text(x, begins ? TS_TOKEN_BEGIN : TS_TOKEN_CLOSE, s, n));
	if (begins && n == 5 && !braced(x, &s, &n)) /* the columns of an array */
		return TS_EFORMAT;
	return 0;
}

/* \mathbf{i} is not i. */
static int accented(struct lexer *x, const char *name, size_t name_len)
{
	const char *s;
	size_t n;
	if (!braced(x, &s, &n) || !n || n > 32)
		return TS_EFORMAT;
	struct ts_str text = {0};
	int status = ts_str_append(&text, name, name_len);
	if (!status)
		status = ts_str_printf(&text, " %.*s", (int)n, s);
	if (!status)
		status = put_text(x, TS_TOKEN_NAME, ts_str_c(&text), text.len);
	ts_str_release(&text);
	return status;
}

/* The next argument: a group, or one digit, one letter, one command. */
static int short_argument(struct lexer *x)
{
	while (x->at < x->n && x->s[x->at] == ' ')
		x->at++;
	if (x->at >= x->n)
		return TS_EFORMAT;
	char c = x->s[x->at];
	if (is_digit(c))
		return number(x, 1);
	if (is_letter(c))
		return letter(x, x->s + x->at++);
	const char *s;
	size_t n;
	if (c != '{')
		return 0; /* a command: the parser takes it as it comes */
	if (!braced(x, &s, &n))
		return TS_EFORMAT;
	TS_TRY(put(x, '{', 0));
	TS_TRY(lex_inside(x, s, n, false));
	return put(x, '}', 0);
}

static int domain(struct lexer *x)
{
	const char *s;
	size_t n;
	if (x->at < x->n && is_letter(x->s[x->at]))
		return put(x, TS_TOKEN_DOMAIN, x->s[x->at++]);
	return braced(x, &s, &n) && n == 1 ? put(x, TS_TOKEN_DOMAIN, *s) : TS_EFORMAT;
}

static int named(struct lexer *x, const char *name, size_t n)
{
	const char *s;
	size_t len;
	int op, type;
	enum ts_math_command_use use = ts_math_command_use(name, n);
	if (use == TS_MATH_COMMAND_IGNORED) {
		x->spaced = true;
		return 0;
	}
	if (use == TS_MATH_COMMAND_TEXT)
		return braced(x, &s, &len) ? lex_inside(x, s, len, n < 6 || memcmp(name, "mathit", 6)) : TS_EFORMAT;
	if (use == TS_MATH_COMMAND_ACCENT)
		return accented(x, name, n);
	if (n == 6 && !memcmp(name, "mathbb", 6))
		return domain(x);
	if (n == 5 && !memcmp(name, "begin", 5))
		return environment(x, true);
	if (n == 3 && !memcmp(name, "end", 3))
		return environment(x, false);
	if (use == TS_MATH_COMMAND_LETTER)
		return put_text(x, TS_TOKEN_NAME, name, n);
	if (!(type = ts_math_command_type(name, n, &op)))
		return TS_EFORMAT;
	TS_TRY(put(x, type, op));
	if (type != TS_TOKEN_FRACTION)
		return 0;
	TS_TRY(short_argument(x));
	return short_argument(x);
}

/* One sign after a backslash. */
static const struct {
	char sign;
	int type;
} signs[] = {{'\\', TS_TOKEN_ROW}, {'{', TS_TOKEN_SET_OPEN}, {'}', TS_TOKEN_SET_CLOSE}, {'%', '%'}, {'|', '|'}};

static int command(struct lexer *x)
{
	size_t n = 0;
	const char *name = x->s + ++x->at;
	while (x->at + n < x->n && is_letter(name[n]))
		n++;
	x->at += n;
	if (n)
		return named(x, name, n);
	if (x->at >= x->n)
		return 0;
	x->at++;
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (signs[i].sign == *name)
			return put(x, signs[i].type, 0);
	x->spaced = x->spaced || (*name != '!' && *name != '$');
	return strchr("!,;: $()[]&\n\t", *name) ? 0 : TS_EFORMAT;
}

/* ^\circ and ^{\circ} */
static bool degree(struct lexer *x)
{
	static const char *const forms[] = {"^{\\circ}", "^\\circ", "^{\\degree}", "^\\degree", "^{o}", "^ \\circ", "^{ \\circ }"};
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (at(x, forms[i])) {
			x->at += strlen(forms[i]);
			return true;
		}
	return false;
}

static int beyond_ascii(struct lexer *x)
{
	size_t len;
	const char *as = ts_math_beyond_ascii(x->s + x->at, x->n - x->at, &len);
	if (!as)
		return TS_EFORMAT;
	x->at += len;
	return lex_inside(x, as, strlen(as), false);
}

static int sign(struct lexer *x)
{
	char c = x->s[x->at];
	if (c == '^' && degree(x))
		return put(x, TS_TOKEN_DEGREE, 0);
	static const char *const pairs[] = {"<=", ">=", "!=", "=="};
	static const int types[] = {TS_TOKEN_LESS_EQ, TS_TOKEN_GREATER_EQ, TS_TOKEN_DIFFERS, '='};
	for (size_t i = 0; i < 4; i++)
		if (at(x, pairs[i])) {
			x->at += 2;
			return put(x, types[i], 0);
		}
	if (at(x, "{,}")) {
		x->at += 3;
		return put(x, ',', 0);
	}
	if (at(x, "**")) {
		x->at += 2;
		return put(x, '^', 0);
	}
	x->at++;
	return strchr("+-*/^_()[]{}|,;:=<>!&%'", c) ? put(x, (unsigned char)c, 0) : TS_EFORMAT;
}

static bool after_log(const struct lexer *x)
{
	size_t n = x->out->list.len;
	const struct ts_math_token *t = x->out->list.data;
	return n >= 2 && t[n - 1].type == '_' && t[n - 2].type == TS_TOKEN_FUNCTION && t[n - 2].op == TS_MATH_LOG;
}

static int step(struct lexer *x)
{
	char c = x->s[x->at];
	size_t len;
	if (c == ' ' || c == '~' || c == '$' || (c >= '\t' && c <= '\r')) {
		x->spaced = x->spaced || c != '$';
		x->at++;
		return 0;
	}
	if (based_digits(x, &len)) {
		x->at += len;
		return put_text(x, TS_TOKEN_NUMBER, x->s + x->at - len, len);
	}
	if (is_digit(c) && after_log(x) && !at(x, "10"))
		return number(x, 1); /* \log_28 is log_2 8 */
	if (is_digit(c) || (c == '.' && digits_at(x, x->at + 1)))
		return number(x, TS_MATH_LONGEST);
	if (is_letter(c))
		return run(x);
	if (c == '\\')
		return command(x);
	if (c == '.' && x->words) {
		x->at++;
		return 0;
	}
	return (unsigned char)c < 0x80 ? sign(x) : beyond_ascii(x);
}

static int lex(struct lexer *x)
{
	while (x->at < x->n)
		TS_TRY(step(x));
	return 0;
}

int ts_math_lex(struct ts_arena *arena, const char *s, size_t n, int how, struct ts_math_tokens *out)
{
	struct lexer x = {.arena = arena, .s = s, .n = n, .how = how, .out = out};
	if (n > TS_MATH_LONGEST)
		return TS_ELIMIT;
	while (x.n && (s[x.n - 1] == '.' || s[x.n - 1] == ' ' || s[x.n - 1] == '\n'))
		x.n--;
	TS_TRY(lex(&x));
	return put(&x, TS_TOKEN_END, 0);
}
