#include "core/str.h"

#include "core/mem.h"
#include "core/status.h"

#include <stdio.h>
#include <string.h>

#define STR_LIMIT ((size_t)2 << 30)

const char *ts_str_c(const struct ts_str *s)
{
	return s->data ? s->data : "";
}

static int reserve(struct ts_str *s, size_t extra)
{
	if (extra > STR_LIMIT || s->len + extra > STR_LIMIT)
		return TS_ELIMIT;
	return ts_vec_reserve(s, s->len + extra + 1);
}

int ts_str_append(struct ts_str *s, const void *bytes, size_t n)
{
	TS_TRY(reserve(s, n));
	if (n)
		memcpy(s->data + s->len, bytes, n);
	s->len += n;
	s->data[s->len] = '\0';
	return 0;
}

int ts_str_puts(struct ts_str *s, const char *text)
{
	return ts_str_append(s, text, strlen(text));
}

int ts_str_putc(struct ts_str *s, char c)
{
	return ts_str_append(s, &c, 1);
}

int ts_str_vprintf(struct ts_str *s, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	int status = n < 0 ? TS_EINVAL : reserve(s, (size_t)n);
	if (!status) {
		vsnprintf(s->data + s->len, (size_t)n + 1, format, again);
		s->len += (size_t)n;
	}
	va_end(again);
	return status;
}

int ts_str_printf(struct ts_str *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int status = ts_str_vprintf(s, format, args);
	va_end(args);
	return status;
}

void ts_str_clear(struct ts_str *s)
{
	s->len = 0;
	if (s->data)
		s->data[0] = '\0';
}

void ts_str_release(struct ts_str *s)
{
	ts_vec_release(s);
}

int ts_str_put_utf8(struct ts_str *s, uint32_t c)
{
	char b[4];
	size_t n;
	if (c < 0x80) {
		b[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		b[0] = (char)(0xC0 | c >> 6);
		b[1] = (char)(0x80 | (c & 63));
		n = 2;
	} else if (c < 0x10000) {
		b[0] = (char)(0xE0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 63));
		b[2] = (char)(0x80 | (c & 63));
		n = 3;
	} else {
		b[0] = (char)(0xF0 | c >> 18);
		b[1] = (char)(0x80 | (c >> 12 & 63));
		b[2] = (char)(0x80 | (c >> 6 & 63));
		b[3] = (char)(0x80 | (c & 63));
		n = 4;
	}
	return ts_str_append(s, b, n);
}

/* The well-formed ranges of Unicode's table 3-7: the second byte's range depends on the first. */
size_t ts_utf8_decode(const char *text, size_t n, uint32_t *code_point, size_t *bad)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t unused;
	if (!bad)
		bad = &unused;
	*bad = 1;
	unsigned char a = s[0];
	if (a < 0x80) {
		*code_point = a;
		return 1;
	}
	size_t need = a >= 0xC2 && a <= 0xDF ? 2 : a >= 0xE0 && a <= 0xEF ? 3 : a >= 0xF0 && a <= 0xF4 ? 4 : 0;
	if (!need)
		return 0;
	unsigned char low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
	unsigned char high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
	uint32_t c = need == 2 ? a & 0x1F : need == 3 ? a & 0x0F : a & 0x07;
	for (size_t i = 1; i < need; i++) {
		if (i >= n || s[i] < low || s[i] > high) {
			*bad = i;
			return 0;
		}
		low = 0x80;
		high = 0xBF;
		c = c << 6 | (s[i] & 0x3F);
	}
	*code_point = c;
	return need;
}

size_t ts_utf8_check(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_utf8_decode(s + i, n - i, &c, NULL);
		if (!used)
			return i;
		i += used;
	}
	return n;
}
