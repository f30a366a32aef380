#include "report/layout.h"

#include "core/status.h"

#include <stdarg.h>
#include <string.h>

/* Continuation bytes of UTF-8 take no column. */
static bool starts_character(char c)
{
	return ((unsigned char)c & 0xC0) != 0x80;
}

static size_t width(const char *s, size_t n)
{
	size_t columns = 0;
	for (size_t i = 0; i < n; i++)
		columns += starts_character(s[i]);
	return columns;
}

size_t ts_layout_width(const char *text)
{
	return width(text, strlen(text));
}

static int put(struct ts_layout *l, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		TS_TRY(ts_str_putc(l->out, c < 0x20 || c == 0x7F ? '?' : s[i]));
	}
	l->column += width(s, n);
	return 0;
}

static int move_to(struct ts_layout *l, size_t column)
{
	if (l->column && column < l->column + 2)
		column = l->column + 2;
	while (l->column < column)
		TS_TRY(put(l, " ", 1));
	return 0;
}

int ts_layout_left(struct ts_layout *l, size_t column, const char *text)
{
	TS_TRY(move_to(l, column));
	return put(l, text, strlen(text));
}

int ts_layout_right(struct ts_layout *l, size_t column, const char *text)
{
	size_t w = ts_layout_width(text);
	return ts_layout_left(l, column > w ? column - w : 0, text);
}

int ts_layout_right_printf(struct ts_layout *l, size_t column, const char *format, ...)
{
	struct ts_str text = {0};
	va_list args;
	va_start(args, format);
	int status = ts_str_vprintf(&text, format, args);
	va_end(args);
	if (!status)
		status = ts_layout_right(l, column, ts_str_c(&text));
	ts_str_release(&text);
	return status;
}

/* The most bytes of s[0..n) that take at most `columns` columns: at least one character. */
static size_t fitting(const char *s, size_t n, size_t columns)
{
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		used += starts_character(s[i]);
		if (used > columns && i)
			return i;
	}
	return n;
}

int ts_layout_wrap(struct ts_layout *l, size_t indent, const char *s)
{
	while (*s) {
		size_t spaces = strspn(s, " "), n = strcspn(s + spaces, " ");
		if (l->column + spaces + width(s + spaces, n) > l->columns && l->column > indent) {
			TS_TRY(ts_layout_line(l));
			TS_TRY(move_to(l, indent));
			s += spaces;
			spaces = 0;
		}
		size_t part = fitting(s + spaces, n, l->columns > l->column + spaces ? l->columns - l->column - spaces : 1);
		TS_TRY(put(l, s, spaces + part));
		s += spaces + part;
	}
	return 0;
}

int ts_layout_wrap_printf(struct ts_layout *l, size_t indent, const char *format, ...)
{
	struct ts_str text = {0};
	va_list args;
	va_start(args, format);
	int status = ts_str_vprintf(&text, format, args);
	va_end(args);
	if (!status)
		status = ts_layout_wrap(l, indent, ts_str_c(&text));
	ts_str_release(&text);
	return status;
}

int ts_layout_line(struct ts_layout *l)
{
	struct ts_str *s = l->out;
	while (s->len && s->data[s->len - 1] == ' ')
		s->data[--s->len] = '\0';
	l->column = 0;
	return ts_str_putc(s, '\n');
}
