/* Template source to tokens.
 *
 * Between tags everything is data; inside a tag Python-like tokens. White space control happens here: `-` eats white space on
 * its side, `+` keeps it, a block or comment tag alone on its line loses the blanks before it (lstrip_blocks) and one newline
 * after it (trim_blocks). Line ends are normalised to \n and one final newline is dropped. */
#include "text/jinja/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lexer {
	const char *s;
	size_t n, at;
	size_t counted; /* bytes whose newlines are in `line` */
	int line;
	const char *place;
	struct ts_arena *arena;
	struct ts_j_tokens *out;
	struct ts_error *err;
	TS_VEC(char) open; /* closing brackets still to come */
};

static int line_here(struct lexer *x)
{
	for (; x->counted < x->at; x->counted++)
		x->line += x->s[x->counted] == '\n';
	return x->line;
}

static int fail(struct lexer *x, const char *what)
{
	return ts_fail(x->err, TS_EFORMAT, "%s:%d: %s", x->place, line_here(x), what);
}

static int push(struct lexer *x, struct ts_j_token token)
{
	if (ts_vec_push(&x->out->v, token))
		return ts_fail_memory(x->err);
	return 0;
}

static int push_text(struct lexer *x, enum ts_j_token_kind kind, const char *s, size_t n)
{
	struct ts_j_token token = {.kind = kind, .line = line_here(x)};
	token.text = ts_j_arena_string(x->arena, s, n);
	return token.text ? push(x, token) : ts_fail_memory(x->err);
}

static int push_plain(struct lexer *x, enum ts_j_token_kind kind)
{
	return push(x, (struct ts_j_token){.kind = kind, .line = line_here(x)});
}

static size_t skip_space(const struct lexer *x, size_t at)
{
	while (at < x->n) {
		size_t length;
		if (!ts_j_space(ts_j_point(x->s + at, &length)))
			break;
		at += length;
	}
	return at;
}

/* End of s[from..to) without the white space at its end. */
static size_t strip_right(const struct lexer *x, size_t from, size_t to)
{
	while (to > from) {
		size_t p = to - 1, length;
		while (p > from && ((unsigned char)x->s[p] & 0xC0) == 0x80)
			p--;
		if (!ts_j_space(ts_j_point(x->s + p, &length)))
			break;
		to = p;
	}
	return to;
}

static bool looking_at(const struct lexer *x, size_t at, const char *word)
{
	size_t n = strlen(word);
	return x->n - at >= n && !memcmp(x->s + at, word, n);
}

/* At the end of a block tag (`mark` "%}") or comment ("#}")? Sets *end past it and what it eats. */
static bool tag_end(const struct lexer *x, size_t at, const char *mark, size_t *end)
{
	if (at < x->n && x->s[at] == '+' && looking_at(x, at + 1, mark)) {
		*end = at + 3;
		return true;
	}
	if (at < x->n && x->s[at] == '-' && looking_at(x, at + 1, mark)) {
		*end = skip_space(x, at + 3);
		return true;
	}
	if (!looking_at(x, at, mark))
		return false;
	*end = at + 2;
	if (*end < x->n && x->s[*end] == '\n')
		++*end;
	return true;
}

/* `{%`, sign, word, end of tag, from `at`. For "raw" the end does not eat a newline nor take a `+`. */
static bool word_tag(const struct lexer *x, size_t at, const char *word, char *sign, size_t *end)
{
	if (!looking_at(x, at, "{%"))
		return false;
	at += 2;
	*sign = '\0';
	if (at < x->n && (x->s[at] == '-' || x->s[at] == '+'))
		*sign = x->s[at++];
	at = skip_space(x, at);
	if (!looking_at(x, at, word))
		return false;
	at = skip_space(x, at + strlen(word));
	if (strcmp(word, "raw"))
		return tag_end(x, at, "%}", end);
	if (looking_at(x, at, "-%}")) {
		*end = skip_space(x, at + 3);
		return true;
	}
	*end = at + 2;
	return looking_at(x, at, "%}");
}

/* Data from x->at to `tag`, stripped as the tag's sign and kind ask. */
static int data_before(struct lexer *x, size_t tag, char sign, bool variable)
{
	size_t from = x->at, to = tag;
	if (sign == '-') {
		to = strip_right(x, from, tag);
	} else if (sign != '+' && !variable) {
		size_t start = tag;
		while (start > from && x->s[start - 1] != '\n')
			start--;
		bool at_line_start = start > from || from == 0 || x->s[from - 1] == '\n';
		if (at_line_start && strip_right(x, start, tag) == start)
			to = start;
	}
	return to > from ? push_text(x, TS_J_T_DATA, x->s + from, to - from) : 0;
}

static int lex_comment(struct lexer *x)
{
	for (size_t p = x->at, end; p < x->n; p++) {
		if (tag_end(x, p, "#}", &end)) {
			x->at = end;
			return 0;
		}
	}
	return fail(x, "missing end of comment tag");
}

static int lex_raw(struct lexer *x)
{
	for (size_t p = x->at; p < x->n; p++) {
		char sign;
		size_t end;
		if (x->s[p] == '{' && word_tag(x, p, "endraw", &sign, &end)) {
			TS_TRY(data_before(x, p, sign, false));
			x->at = end;
			return 0;
		}
	}
	return fail(x, "missing end of raw directive");
}

static int hex(const char *s, size_t n, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		if (c >= '0' && c <= '9')
			*out = *out * 16 + (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			*out = *out * 16 + (uint32_t)((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return 0;
}

/* One escape after the backslash at s[0]; returns bytes used, 0 for a bad one. Unknown escapes keep their backslash. */
static size_t unescape(const char *s, size_t n, struct ts_str *out, int *status)
{
	static const char plain[] = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";
	if (*s == '\n')
		return 1;
	for (const char *p = plain; *p; p += 2) {
		if (*p == *s) {
			*status = ts_str_putc(out, p[1]);
			return 1;
		}
	}
	uint32_t c = 0;
	size_t used = 0;
	if (*s >= '0' && *s <= '7') {
		for (; used < 3 && used < n && s[used] >= '0' && s[used] <= '7'; used++)
			c = c * 8 + (uint32_t)(s[used] - '0');
	} else if (*s == 'x' || *s == 'u' || *s == 'U') {
		size_t digits = *s == 'x' ? 2 : *s == 'u' ? 4 : 8;
		if (n < 1 + digits || hex(s + 1, digits, &c))
			return 0;
		used = 1 + digits;
	} else if (*s == 'N') {
		return 0; /* a character by name: no table of names here */
	} else {
		*status = ts_str_putc(out, '\\');
		if (!*status)
			*status = ts_str_putc(out, *s);
		return 1;
	}
	if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return 0;
	*status = ts_str_put_utf8(out, c);
	return used;
}

static int lex_string(struct lexer *x)
{
	char quote = x->s[x->at];
	struct ts_str text = {0};
	int status = 0;
	size_t p = x->at + 1;
	while (p < x->n && x->s[p] != quote && !status) {
		if (x->s[p] != '\\') {
			status = ts_str_putc(&text, x->s[p++]);
			continue;
		}
		if (++p >= x->n)
			break;
		size_t used = unescape(x->s + p, x->n - p, &text, &status);
		if (!used) {
			ts_str_release(&text);
			return fail(x, "bad escape in a string");
		}
		p += used;
	}
	if (status)
		ts_fail(x->err, status, "%s: string too long", x->place);
	else if (p >= x->n)
		status = fail(x, "string without its closing quote");
	else
		status = push_text(x, TS_J_T_STRING, ts_str_c(&text), text.len);
	ts_str_release(&text);
	x->at = p + 1;
	return status;
}

static bool digit(const struct lexer *x, size_t at)
{
	return at < x->n && x->s[at] >= '0' && x->s[at] <= '9';
}

/* Digits with single underscores between them; returns the end. */
static size_t digits(const struct lexer *x, size_t at)
{
	while (digit(x, at) || (at < x->n && x->s[at] == '_' && digit(x, at + 1) && at > 0 && digit(x, at - 1)))
		at++;
	return at;
}

static size_t real_end(const struct lexer *x)
{
	if (x->at > 0 && x->s[x->at - 1] == '.')
		return 0;
	size_t whole = digits(x, x->at), p = whole;
	if (p < x->n && x->s[p] == '.' && digit(x, p + 1))
		p = digits(x, p + 1);
	size_t mantissa = p;
	if (p < x->n && (x->s[p] | 32) == 'e') {
		size_t q = p + 1;
		if (q < x->n && (x->s[q] == '+' || x->s[q] == '-'))
			q++;
		if (digit(x, q))
			return digits(x, q);
	}
	return mantissa > whole ? mantissa : 0;
}

static bool digit_of(char c, int base)
{
	int v = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
	return v < base;
}

static size_t integer_end(const struct lexer *x, int *base)
{
	size_t p = x->at;
	*base = 10;
	if (x->s[p] != '0')
		return digits(x, p);
	if (p + 1 < x->n) {
		int letter = x->s[p + 1] | 32;
		*base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
	}
	if (*base != 10) {
		size_t q = p + 2;
		while (q < x->n && (digit_of(x->s[q], *base) || (x->s[q] == '_' && q + 1 < x->n && digit_of(x->s[q + 1], *base))))
			q++;
		if (q > p + 2)
			return q;
		*base = 10;
	}
	for (p++; p < x->n && (x->s[p] == '0' || (x->s[p] == '_' && p + 1 < x->n && x->s[p + 1] == '0')); p++)
		;
	return p;
}

static int lex_number(struct lexer *x)
{
	struct ts_j_token token = {.kind = TS_J_T_FLOAT, .line = line_here(x)};
	int base = 10;
	size_t end = real_end(x);
	if (!end) {
		token.kind = TS_J_T_INT;
		end = integer_end(x, &base);
	}
	struct ts_str text = {0};
	int status = 0;
	for (size_t p = x->at + (base == 10 ? 0 : 2); p < end && !status; p++)
		if (x->s[p] != '_')
			status = ts_str_putc(&text, x->s[p]);
	if (status) {
		ts_str_release(&text);
		return ts_fail_memory(x->err);
	}
	errno = 0;
	if (token.kind == TS_J_T_FLOAT)
		token.real = strtod(ts_str_c(&text), NULL);
	else
		token.integer = strtoll(ts_str_c(&text), NULL, base);
	bool too_large = token.kind == TS_J_T_INT && errno == ERANGE;
	ts_str_release(&text);
	if (too_large)
		return fail(x, "integer beyond 64 bits");
	x->at = end;
	return push(x, token);
}

static int lex_name(struct lexer *x, bool *matched)
{
	size_t p = x->at;
	while (p < x->n) {
		size_t length;
		if (!ts_j_is_word(ts_j_point(x->s + p, &length)))
			break;
		p += length;
	}
	*matched = p > x->at;
	if (!*matched)
		return 0;
	TS_TRY(push_text(x, TS_J_T_NAME, x->s + x->at, p - x->at));
	x->at = p;
	return 0;
}

static const struct {
	char text[3];
	enum ts_j_token_kind kind;
} operators[] = {
	{"//", TS_J_T_FLOORDIV}, {"**", TS_J_T_POW},   {"==", TS_J_T_EQ},      {"!=", TS_J_T_NE},      {">=", TS_J_T_GE},
	{"<=", TS_J_T_LE},       {"+", TS_J_T_ADD},    {"-", TS_J_T_SUB},      {"/", TS_J_T_DIV},      {"*", TS_J_T_MUL},
	{"%", TS_J_T_MOD},       {"~", TS_J_T_TILDE},  {"[", TS_J_T_LBRACKET}, {"]", TS_J_T_RBRACKET}, {"(", TS_J_T_LPAREN},
	{")", TS_J_T_RPAREN},    {"{", TS_J_T_LBRACE}, {"}", TS_J_T_RBRACE},   {">", TS_J_T_GT},       {"<", TS_J_T_LT},
	{"=", TS_J_T_ASSIGN},    {".", TS_J_T_DOT},    {":", TS_J_T_COLON},    {"|", TS_J_T_PIPE},     {",", TS_J_T_COMMA},
	{";", TS_J_T_SEMICOLON},
};

static int balance(struct lexer *x, char c)
{
	char close = c == '{' ? '}' : c == '(' ? ')' : c == '[' ? ']' : '\0';
	if (close)
		return ts_vec_push(&x->open, close) ? ts_fail_memory(x->err) : 0;
	if (c != '}' && c != ')' && c != ']')
		return 0;
	if (!x->open.len || x->open.data[--x->open.len] != c)
		return fail(x, "unexpected closing bracket");
	return 0;
}

static int lex_operator(struct lexer *x)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!looking_at(x, x->at, operators[i].text))
			continue;
		if (!operators[i].text[1])
			TS_TRY(balance(x, operators[i].text[0]));
		TS_TRY(push_plain(x, operators[i].kind));
		x->at += strlen(operators[i].text);
		return 0;
	}
	return fail(x, "unexpected character");
}

/* The inside of `{{ }}` or `{% %}` with its end. */
static int lex_tag(struct lexer *x, bool variable)
{
	while (x->at < x->n) {
		size_t end = 0;
		bool closed = false;
		if (!x->open.len && !variable) {
			closed = tag_end(x, x->at, "%}", &end);
		} else if (!x->open.len) {
			closed = looking_at(x, x->at, "-}}") || looking_at(x, x->at, "}}");
			end = x->s[x->at] == '-' ? skip_space(x, x->at + (closed ? 3 : 0)) : x->at + 2;
		}
		if (closed) {
			TS_TRY(push_plain(x, variable ? TS_J_T_VAR_END : TS_J_T_BLOCK_END));
			x->at = end;
			return 0;
		}
		size_t p = skip_space(x, x->at);
		if (p > x->at) {
			x->at = p;
			continue;
		}
		char c = x->s[x->at];
		bool name = false;
		if (digit(x, x->at)) {
			TS_TRY(lex_number(x));
			continue;
		}
		TS_TRY(lex_name(x, &name));
		if (!name)
			TS_TRY(c == '\'' || c == '"' ? lex_string(x) : lex_operator(x));
	}
	return 0; /* the parser says what is missing */
}

static int lex_root(struct lexer *x)
{
	while (x->at < x->n) {
		size_t p = x->at;
		while (p < x->n && !(x->s[p] == '{' && p + 1 < x->n && strchr("{%#", x->s[p + 1]) && x->s[p + 1]))
			p++;
		if (p >= x->n) {
			TS_TRY(push_text(x, TS_J_T_DATA, x->s + x->at, x->n - x->at));
			break;
		}
		char kind = x->s[p + 1], sign = '\0';
		size_t end;
		if (word_tag(x, p, "raw", &sign, &end)) {
			TS_TRY(data_before(x, p, sign, false));
			x->at = end;
			TS_TRY(lex_raw(x));
			continue;
		}
		end = p + 2;
		sign = end < x->n && (x->s[end] == '-' || x->s[end] == '+') ? x->s[end++] : '\0';
		TS_TRY(data_before(x, p, sign, kind == '{'));
		x->at = end;
		if (kind == '#') {
			TS_TRY(lex_comment(x));
			continue;
		}
		TS_TRY(push_plain(x, kind == '{' ? TS_J_T_VAR_BEGIN : TS_J_T_BLOCK_BEGIN));
		TS_TRY(lex_tag(x, kind == '{'));
	}
	return push_plain(x, TS_J_T_EOF);
}

int ts_j_lex(const char *source, size_t n, const char *place, struct ts_arena *arena, struct ts_j_tokens *out, struct ts_error *err)
{
	size_t bad = ts_utf8_check(source, n);
	if (bad != n)
		return ts_fail(err, TS_EFORMAT, "%s: not UTF-8 at byte %zu", place, bad);
	char *text = ts_alloc(n + 1);
	if (!text)
		return ts_fail_memory(err);
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n')
			continue;
		text[m++] = source[i] == '\r' ? '\n' : source[i];
	}
	if (m && text[m - 1] == '\n')
		m--;
	text[m] = '\0';
	struct lexer x = {.s = text, .n = m, .line = 1, .place = place, .arena = arena, .out = out, .err = err};
	int status = lex_root(&x);
	ts_vec_release(&x.open);
	ts_free(text);
	return status;
}
