#include "eval/number.h"

#include "eval/boxed.h"

#include <string.h>

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

static size_t digits_from(const struct cursor *c, size_t i)
{
	size_t start = i;
	while (digit_at(c, i))
		i++;
	return i - start;
}

/* Digits with separators of thousands, then a decimal part. `*whole` says that there was none of the latter. */
static bool decimal(struct cursor *c, bool *whole)
{
	size_t count = digits_from(c, c->at);
	c->at += count;
	char separator = count >= 1 && count <= 3 && c->at < c->n ? c->s[c->at] : 0;
	while ((separator == ',' || separator == ' ') && char_at(c, separator) && digits_from(c, c->at + 1) == 3)
		c->at += 4;
	*whole = !(char_at(c, '.') && digit_at(c, c->at + 1));
	if (!*whole)
		c->at += 1 + digits_from(c, c->at + 1);
	return count > 0 || !*whole;
}

/* A sign and a decimal that fill the whole of a group. */
static bool simple(const char *s, size_t n)
{
	struct cursor c = {s, n, 0};
	bool whole;
	skip_spaces(&c);
	c.at += char_at(&c, '-') || char_at(&c, '+');
	skip_spaces(&c);
	if (!decimal(&c, &whole))
		return false;
	skip_spaces(&c);
	return c.at == n;
}

/* {...} or (...) at the cursor. A number in a group is short: looking no further keeps the scan of a text that opens thousands of groups
 * linear. */
static bool group(struct cursor *c, char close)
{
	size_t stop = c->n - c->at < GROUP_LIMIT ? c->n : c->at + GROUP_LIMIT, end;
	if (close == '}') {
		end = ts_brace_end(c->s, stop, c->at);
	} else {
		const char *hit = memchr(c->s + c->at, close, stop - c->at);
		end = hit ? (size_t)(hit - c->s) : stop;
	}
	if (end >= stop || !simple(c->s + c->at + 1, end - c->at - 1))
		return false;
	c->at = end + 1;
	return true;
}

static bool at_word(const struct cursor *c, const char *word)
{
	size_t len = strlen(word);
	return c->n - c->at >= len && !memcmp(c->s + c->at, word, len);
}

static bool fraction(struct cursor *c)
{
	c->at += strlen("\\frac");
	return char_at(c, '{') && group(c, '}') && char_at(c, '{') && group(c, '}');
}

static bool operand(struct cursor *c, bool *whole)
{
	*whole = false;
	if (at_word(c, "\\frac"))
		return fraction(c);
	return char_at(c, '(') ? group(c, ')') : decimal(c, whole);
}

/* The longest number at the cursor, with its sign. */
static bool number(struct cursor *c)
{
	bool whole, more;
	c->at += char_at(c, '-') || char_at(c, '+');
	skip_spaces(c);
	if (!operand(c, &whole))
		return false;
	struct cursor next = *c;
	skip_spaces(&next);
	if (whole && at_word(&next, "\\frac")) {
		more = fraction(&next);
	} else if (char_at(&next, '/') || at_word(&next, "\\div")) {
		next.at += char_at(&next, '/') ? 1 : 4;
		skip_spaces(&next);
		more = operand(&next, &whole);
	} else {
		more = false;
	}
	if (more)
		*c = next;
	c->at += char_at(c, '%');
	return true;
}

bool ts_number_last(const char *s, size_t n, size_t *start, size_t *len)
{
	bool found = false;
	for (size_t i = 0; i < n;) {
		struct cursor c = {s, n, i};
		bool glued = i && (is_letter(s[i - 1]) || digit_at(&c, i - 1));
		bool starts = digit_at(&c, i) || at_word(&c, "\\frac") || (s[i] == '.' && digit_at(&c, i + 1)) ||
			      (s[i] == '-' && !glued && (digit_at(&c, i + 1) || (i + 1 < n && s[i + 1] == '\\')));
		if (!starts || !number(&c)) {
			i += starts && digit_at(&c, i) ? digits_from(&c, i) : 1;
			continue;
		}
		*start = i;
		*len = c.at - i;
		found = true;
		i = c.at;
	}
	return found;
}

bool ts_number_at(const char *s, size_t n, size_t start, size_t *len)
{
	struct cursor c = {s, n, start};
	if (!number(&c))
		return false;
	*len = c.at - start;
	return true;
}
