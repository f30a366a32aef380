/* Unicode as the reference tokenizers see it. Their parts rest on different versions of the standard: regular expressions and
 * digits on 16.0, normalisation on 12.0. We keep to those whatever version the installed utf8proc has. Text is valid UTF-8. */
#ifndef TS_TEXT_UNICODE_H
#define TS_TEXT_UNICODE_H

#include "core/str.h"

enum ts_unicode_class { TS_UNICODE_OTHER, TS_UNICODE_LETTER, TS_UNICODE_NUMBER, TS_UNICODE_SPACE };

extern const uint32_t ts_unicode_classes[];
extern const size_t ts_unicode_class_count;
extern const uint32_t ts_unicode_newer[][2];
extern const size_t ts_unicode_newer_count;

/* \p{L}, \p{N}, \s (White_Space) or none of them. */
enum ts_unicode_class ts_unicode_class(uint32_t c);
/* \w of Rust's regex: Alphabetic, marks, decimal digits, connectors, joiners. */
bool ts_unicode_is_word(uint32_t c);

/* A mark, or a character with a decomposition, that Unicode 12.0 does not have: no normalizer touches it. */
bool ts_unicode_is_newer(uint32_t c);

/* The code point at s, which must be the start of one; *c gets it, its length is returned. Unchecked. */
static inline size_t ts_unicode_next(const char *s, uint32_t *c)
{
	const unsigned char *b = (const unsigned char *)s;
	if (b[0] < 0x80) {
		*c = b[0];
		return 1;
	}
	if (b[0] < 0xE0) {
		*c = (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
		return 2;
	}
	if (b[0] < 0xF0) {
		*c = (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
		return 3;
	}
	*c = (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 | (uint32_t)(b[2] & 0x3F) << 6 | (b[3] & 0x3F);
	return 4;
}

/* Start of the code point that ends at s[n); n > 0. */
size_t ts_unicode_back(const char *s, size_t n);

enum ts_unicode_form { TS_UNICODE_NFC, TS_UNICODE_NFD, TS_UNICODE_NFKC, TS_UNICODE_NFKD };

/* s[0..n) in a normal form appended to `out`. Linear in n, also for long runs of combining marks. */
int ts_unicode_normalize(enum ts_unicode_form, const char *s, size_t n, struct ts_str *out);
int ts_unicode_lowercase(const char *s, size_t n, struct ts_str *out);
/* Without the combining marks (categories Mn, Mc, Me). */
int ts_unicode_strip_marks(const char *s, size_t n, struct ts_str *out);

#endif
