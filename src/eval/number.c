#include "eval/number.h"

#include "eval/answer_text.h"
#include "eval/boxed.h"

#include <string.h>
#include <strings.h>

#define GROUP_LIMIT 128

struct cursor {
	const char *s;
	size_t n, at;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit_at(const struct cursor *c, size_t i)
{
	return i < c->n && c->s[i] >= '0' && c->s[i] <= '9';
}

static bool char_at(const struct cursor *c, char wanted)
{
	return c->at < c->n && c->s[c->at] == wanted;
}

static void skip_spaces(struct cursor *c)
{
	while (char_at(c, ' '))
		c->at++;
}

static bool add_digit(struct ts_number *v, char digit, bool after_point)
{
	return !__builtin_mul_overflow(v->top, 10, &v->top) && !__builtin_add_overflow(v->top, digit - '0', &v->top) &&
	       (!after_point || !__builtin_mul_overflow(v->bottom, 10, &v->bottom));
}

static size_t digits_from(const struct cursor *c, size_t i)
{
	size_t start = i;
	while (digit_at(c, i))
		i++;
	return i - start;
}

/* Digits with thousands separators, then a decimal part. `*whole` says that there was none of the latter.
 * A comma that groups nothing makes a list, which is no number: the caller sees it as text left over. */
static bool decimal(struct cursor *c, struct ts_number *v, bool *whole)
{
	*v = (struct ts_number){0, 1, false};
	size_t count = digits_from(c, c->at);
	for (size_t i = 0; i < count; i++)
		if (!add_digit(v, c->s[c->at++], false))
			return false;
	char separator = count >= 1 && count <= 3 && c->at < c->n ? c->s[c->at] : 0;
	while ((separator == ',' || separator == ' ') && char_at(c, separator) && digits_from(c, c->at + 1) == 3) {
		c->at++;
		for (int i = 0; i < 3; i++)
			if (!add_digit(v, c->s[c->at++], false))
				return false;
	}
	*whole = !(char_at(c, '.') && digit_at(c, c->at + 1));
	if (*whole)
		return count > 0;
	for (c->at++; digit_at(c, c->at); c->at++)
		if (!add_digit(v, c->s[c->at], true))
			return false;
	return true;
}

static bool divide(struct ts_number *a, const struct ts_number *b)
{
	int64_t top, bottom;
	if (!b->top || __builtin_mul_overflow(a->top, b->bottom, &top) || __builtin_mul_overflow(a->bottom, b->top, &bottom))
		return false;
	if (bottom < 0 && (__builtin_sub_overflow(0, top, &top) || __builtin_sub_overflow(0, bottom, &bottom)))
		return false;
	a->top = top;
	a->bottom = bottom;
	return true;
}

/* A sign and a decimal that fill the whole of a group. */
static bool simple(const char *s, size_t n, struct ts_number *v)
{
	struct cursor c = {s, n, 0};
	bool whole, minus = false;
	skip_spaces(&c);
	if (char_at(&c, '-') || char_at(&c, '+'))
		minus = s[c.at++] == '-';
	skip_spaces(&c);
	if (!decimal(&c, v, &whole))
		return false;
	skip_spaces(&c);
	if (minus)
		v->top = -v->top;
	return c.at == n;
}

/* {...} or (...) at the cursor. A number that fits 64 bits is short: looking no further keeps the scan of a text that
 * opens thousands of groups linear. */
static bool group(struct cursor *c, char close, struct ts_number *v)
{
	size_t stop = c->n - c->at < GROUP_LIMIT ? c->n : c->at + GROUP_LIMIT, end;
	if (close == '}') {
		end = ts_brace_end(c->s, stop, c->at);
	} else {
		const char *hit = memchr(c->s + c->at, close, stop - c->at);
		end = hit ? (size_t)(hit - c->s) : stop;
	}
	if (end >= stop || !simple(c->s + c->at + 1, end - c->at - 1, v))
		return false;
	c->at = end + 1;
	return true;
}

static bool at_word(const struct cursor *c, const char *word)
{
	size_t len = strlen(word);
	return c->n - c->at >= len && !memcmp(c->s + c->at, word, len);
}

static bool fraction(struct cursor *c, struct ts_number *v)
{
	struct ts_number bottom;
	c->at += strlen("\\frac");
	return char_at(c, '{') && group(c, '}', v) && char_at(c, '{') && group(c, '}', &bottom) && divide(v, &bottom);
}

static bool operand(struct cursor *c, struct ts_number *v, bool *whole)
{
	*whole = false;
	if (at_word(c, "\\frac"))
		return fraction(c, v);
	return char_at(c, '(') ? group(c, ')', v) : decimal(c, v, whole);
}

/* Mixed number: the whole part goes into the fraction's top. */
static bool add_fraction(struct cursor *c, struct ts_number *v)
{
	struct ts_number part;
	int64_t top;
	if (!fraction(c, &part) || part.top < 0 || __builtin_mul_overflow(v->top, part.bottom, &top) ||
	    __builtin_add_overflow(top, part.top, &top))
		return false;
	*v = (struct ts_number){top, part.bottom, false};
	return true;
}

/* The longest number at the cursor, with its sign. */
static bool value(struct cursor *c, struct ts_number *v)
{
	bool minus = false, whole;
	if (char_at(c, '-') || char_at(c, '+'))
		minus = c->s[c->at++] == '-';
	skip_spaces(c);
	if (!operand(c, v, &whole))
		return false;
	struct cursor next = *c;
	struct ts_number more = *v, other;
	skip_spaces(&next);
	if (whole && at_word(&next, "\\frac")) {
		if (add_fraction(&next, &more)) {
			*v = more;
			*c = next;
		}
	} else if (char_at(&next, '/') || at_word(&next, "\\div")) {
		next.at += char_at(&next, '/') ? 1 : 4;
		skip_spaces(&next);
		if (operand(&next, &other, &whole) && divide(&more, &other)) {
			*v = more;
			*c = next;
		}
	}
	if (minus)
		v->top = -v->top;
	return true;
}

/* Words that change the value and so are no units. */
static bool is_unit_word(const char *s, size_t n)
{
	static const char *const not_units[] = {"pi", "dozen", "hundred", "thousand", "million", "billion", "trillion", "and", "or", "mod"};
	for (size_t i = 0; i < sizeof(not_units) / sizeof(*not_units); i++)
		if (n == strlen(not_units[i]) && !strncasecmp(s, not_units[i], n))
			return false;
	return true;
}

/* What may follow a number: words (two letters or more outside \text{}), slashes, full stops, powers such as ^2. */
static bool unit(struct cursor *c)
{
	bool in_text = false, spaced = false;
	while (c->at < c->n) {
		char ch = c->s[c->at];
		if (is_letter(ch)) {
			size_t start = c->at;
			while (c->at < c->n && is_letter(c->s[c->at]))
				c->at++;
			if (!is_unit_word(c->s + start, c->at - start) || (!in_text && (!spaced || c->at - start < 2)))
				return false;
			continue;
		}
		if (ch == '^' && digit_at(c, c->at + 1) && c->at)
			c->at++;
		else if (ch == TS_TEXT_OPEN || ch == TS_TEXT_CLOSE)
			in_text = ch == TS_TEXT_OPEN;
		else if (ch != ' ' && ch != '/' && ch != '.' && ch != '-')
			return false;
		spaced = spaced || ch == ' ' || ch == TS_TEXT_OPEN;
		c->at++;
	}
	return true;
}

bool ts_number_parse(const char *s, size_t n, struct ts_number *out)
{
	/* \text{13}: the whole answer is inside the marks. */
	if (n > 2 && s[0] == TS_TEXT_OPEN && memchr(s, TS_TEXT_CLOSE, n) == s + n - 1)
		return ts_number_parse(s + 1, n - 2, out);
	struct cursor c = {s, n, 0};
	skip_spaces(&c);
	if (!value(&c, out))
		return false;
	size_t end = c.at;
	skip_spaces(&c);
	static const char *const percents[] = {"%", "percent", "\x01percent\x02", "\x01 percent\x02"};
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++)
		if (c.n - c.at == strlen(percents[i]) && at_word(&c, percents[i])) {
			out->percent = true;
			return true;
		}
	c.at = end;
	return unit(&c);
}

bool ts_number_last(const char *s, size_t n, struct ts_number *out, size_t *start, size_t *len)
{
	bool found = false;
	for (size_t i = 0; i < n;) {
		struct cursor c = {s, n, i};
		bool glued = i && (is_letter(s[i - 1]) || digit_at(&c, i - 1));
		bool starts = digit_at(&c, i) || at_word(&c, "\\frac") || (s[i] == '.' && digit_at(&c, i + 1)) ||
			      (s[i] == '-' && !glued && (digit_at(&c, i + 1) || (i + 1 < n && s[i + 1] == '\\')));
		struct ts_number v;
		if (!starts || !value(&c, &v)) {
			i += starts && digit_at(&c, i) ? digits_from(&c, i) : 1;
			continue;
		}
		if (char_at(&c, '%')) {
			v.percent = true;
			c.at++;
		}
		*out = v;
		*start = i;
		*len = c.at - i;
		found = true;
		i = c.at;
	}
	return found;
}

static bool equal_scaled(const struct ts_number *a, const struct ts_number *b, int64_t b_factor)
{
	__extension__ typedef __int128 wide;
	/* |top|, bottom < 2^63 and the factor is 1 or 100: only the latter needs a check for 128 bits. */
	wide left = (wide)a->top * b->bottom, right = (wide)b->top * a->bottom;
	return !__builtin_mul_overflow(right, (wide)b_factor, &right) && left == right;
}

bool ts_number_equal(const struct ts_number *a, const struct ts_number *b)
{
	if (equal_scaled(a, b, 1))
		return true;
	if (a->percent == b->percent)
		return false;
	return a->percent ? equal_scaled(a, b, 100) : equal_scaled(b, a, 100);
}
