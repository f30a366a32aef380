/* The alternatives of each expression are tried in order, as a backtracking engine does; since they start with different
 * classes of characters, little backtracking is left, and it is written out below. */
#include "text/tokenizer/pretokenize_words.h"

#include "text/unicode.h"

#define O TS_UNICODE_OTHER
#define L TS_UNICODE_LETTER
#define N TS_UNICODE_NUMBER
#define S TS_UNICODE_SPACE

static const unsigned char ascii_class[128] = {
	O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, S, O, O, O, O, O, O, O, O, O, O,
	O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O, O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, O, O, O, O, O, O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};

#undef O
#undef L
#undef N
#undef S

/* Class of the code point at s and its length. */
static inline enum ts_unicode_class class_at(const char *s, size_t *used)
{
	unsigned char b = (unsigned char)s[0];
	if (b < 0x80) {
		*used = 1;
		return (enum ts_unicode_class)ascii_class[b];
	}
	uint32_t c;
	*used = ts_unicode_next(s, &c);
	return ts_unicode_class(c);
}

/* End of the run of one class that starts at `i`. */
static inline size_t run_end(const char *s, size_t n, size_t i, enum ts_unicode_class class)
{
	size_t used;
	while (i < n && class_at(s + i, &used) == class)
		i += used;
	return i;
}

/* After an apostrophe: length of the whole contraction, or 0. With `fold` the long s (U+017F) is an s too. */
static size_t contraction(const char *s, size_t n, bool fold)
{
	if (n < 2)
		return 0;
	int lower = fold ? 0x20 : 0;
	int a = s[1] | lower, b = n > 2 ? s[2] | lower : 0;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return 3;
	if (fold && n > 2 && (unsigned char)s[1] == 0xC5 && (unsigned char)s[2] == 0xBF)
		return 3;
	return 0;
}

/* \s+(?!\S)|\s+ for a run of white space s[0..end): all of it at the end of the text, else all but its last character, which
 * may belong to the next piece; a single character is taken by the second branch. */
static size_t spaces(const char *s, size_t n, size_t end)
{
	if (end == n)
		return end;
	size_t last = ts_unicode_back(s, end);
	return last ? last : end;
}

size_t ts_words_gpt2(const char *s, size_t n)
{
	size_t used, skip = 0;
	if (s[0] == '\'' && (used = contraction(s, n, false)))
		return used;
	if (s[0] == ' ' && n > 1)
		skip = 1;
	enum ts_unicode_class class = class_at(s + skip, &used);
	if (class != TS_UNICODE_SPACE)
		return run_end(s, n, skip + used, class);
	return spaces(s, n, run_end(s, n, 0, TS_UNICODE_SPACE));
}

static inline bool is_newline(char c)
{
	return c == '\r' || c == '\n';
}

static size_t numbers(const char *s, size_t n, size_t first, int most)
{
	size_t end = first, used;
	for (int i = 1; i < most && end < n && class_at(s + end, &used) == TS_UNICODE_NUMBER; i++)
		end += used;
	return end;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last newline of the run, if it has one. */
static size_t white_space(const char *s, size_t n)
{
	size_t end = run_end(s, n, 0, TS_UNICODE_SPACE);
	for (size_t i = end; i > 0; i--)
		if (is_newline(s[i - 1]))
			return i;
	return spaces(s, n, end);
}

static inline size_t llama3(const char *s, size_t n, int most_digits)
{
	size_t used, next_used;
	if (s[0] == '\'') {
		size_t short_form = contraction(s, n, true);
		if (short_form)
			return short_form;
	}
	enum ts_unicode_class class = class_at(s, &used);
	if (class == TS_UNICODE_LETTER)
		return run_end(s, n, used, TS_UNICODE_LETTER);
	if (class == TS_UNICODE_NUMBER)
		return numbers(s, n, used, most_digits);
	enum ts_unicode_class next = used < n ? class_at(s + used, &next_used) : TS_UNICODE_SPACE;
	if (next == TS_UNICODE_LETTER && !is_newline(s[0]))
		return run_end(s, n, used, TS_UNICODE_LETTER);
	if (class == TS_UNICODE_OTHER || (s[0] == ' ' && next == TS_UNICODE_OTHER)) {
		size_t end = run_end(s, n, used, TS_UNICODE_OTHER);
		while (end < n && is_newline(s[end]))
			end++;
		return end;
	}
	return white_space(s, n);
}

size_t ts_words_llama3(const char *s, size_t n)
{
	return llama3(s, n, 3);
}

size_t ts_words_qwen2(const char *s, size_t n)
{
	return llama3(s, n, 1);
}
