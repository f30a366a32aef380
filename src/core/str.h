/* The one string buffer: bytes with a length, always NUL-terminated once anything was written, may hold NULs.
 * Zero-initialised is empty. Every append returns 0 or TS_ENOMEM / TS_ELIMIT (over 2 GiB). */
#ifndef TS_CORE_STR_H
#define TS_CORE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_str {
	char *data; /* NULL while empty and untouched; use ts_str_c for a C string */
	size_t len, cap;
};

const char *ts_str_c(const struct ts_str *); /* never NULL */
int ts_str_append(struct ts_str *, const void *bytes, size_t n);
int ts_str_puts(struct ts_str *, const char *s);
int ts_str_putc(struct ts_str *, char c);
int ts_str_printf(struct ts_str *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ts_str_vprintf(struct ts_str *, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void ts_str_clear(struct ts_str *); /* keeps the memory */
void ts_str_release(struct ts_str *);

/* UTF-8. Code points are 0..0x10FFFF without surrogates. */
int ts_str_put_utf8(struct ts_str *, uint32_t code_point);
/* Decode one code point at s[0..n); returns its length in bytes, or 0 if the bytes are not UTF-8
 * (then *bad, if given, is the length of the maximal bad part, at least 1). n must be > 0. */
size_t ts_utf8_decode(const char *s, size_t n, uint32_t *code_point, size_t *bad);
/* Offset of the first byte that is not UTF-8, or n when all is well. */
size_t ts_utf8_check(const char *s, size_t n);

#endif
