/* Text into a page. One walk cleans what comes from models, data and recipes; two writers escape the result, for markup and for JSON inside
 * a script element. */
#include "report/internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int remember(struct html *h, int status)
{
	if (status == TS_ELIMIT)
		return ts_fail(h->err, status, "%s: the report is over 2 GiB", h->place);
	return status ? ts_fail_memory(h->err) : 0;
}

int html_raw(struct html *h, const char *markup)
{
	return remember(h, ts_str_puts(h->out, markup));
}

int html_printf(struct html *h, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int status = ts_str_vprintf(h->out, format, args);
	va_end(args);
	return remember(h, status);
}

int html_text(struct html *h, const char *text)
{
	return remember(h, html_text_bytes(h->out, text, strlen(text)));
}

/* Characters that turn the direction of what follows: text could show another order than it has. */
static bool turns_direction(uint32_t c)
{
	return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* What is shown in place of a character that cannot be shown: its picture (U+2400...) or U+FFFD; else the character itself. */
static uint32_t visible(uint32_t c)
{
	if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7F))
		return c;
	if (c < 0x20)
		return 0x2400 + c;
	if (c == 0x7F)
		return 0x2421;
	bool control = c < 0xA0, no_character = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
	return control || no_character ? 0xFFFD : c;
}

/* Calls `put` for each character that the page shows. */
static int walk(struct ts_str *out, const char *text, size_t n, int (*put)(struct ts_str *, uint32_t c))
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t bad = 1, len = ts_utf8_decode(text + i, n - i, &c, &bad);
		i += len ? len : bad;
		c = len ? visible(c) : 0xFFFD;
		if (!turns_direction(c)) {
			TS_TRY(put(out, c));
			continue;
		}
		char name[16];
		snprintf(name, sizeof(name), "[U+%04X]", (unsigned)c);
		TS_TRY(ts_str_puts(out, name)); /* nothing in it needs an escape */
	}
	return 0;
}

static int put_markup(struct ts_str *out, uint32_t c)
{
	switch (c) {
	case '&':
		return ts_str_puts(out, "&amp;");
	case '<':
		return ts_str_puts(out, "&lt;");
	case '>':
		return ts_str_puts(out, "&gt;");
	case '"':
		return ts_str_puts(out, "&quot;");
	case '\'':
		return ts_str_puts(out, "&#39;");
	default:
		return c < 0x80 ? ts_str_putc(out, (char)c) : ts_str_put_utf8(out, c);
	}
}

/* "<" would let "</script>" or "<!--" end the element; U+2028 and U+2029 end lines in some readers. */
static int put_json(struct ts_str *out, uint32_t c)
{
	if (c == '\n')
		return ts_str_puts(out, "\\n");
	if (c == '\t')
		return ts_str_puts(out, "\\t");
	if (c == '"' || c == '\\')
		TS_TRY(ts_str_putc(out, '\\'));
	if (c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029)
		return ts_str_printf(out, "\\u%04x", (unsigned)c);
	return c < 0x80 ? ts_str_putc(out, (char)c) : ts_str_put_utf8(out, c);
}

int html_text_bytes(struct ts_str *out, const char *text, size_t n)
{
	return walk(out, text, n, put_markup);
}

int html_json_bytes(struct ts_str *out, const char *text, size_t n)
{
	TS_TRY(ts_str_putc(out, '"'));
	TS_TRY(walk(out, text, n, put_json));
	return ts_str_putc(out, '"');
}

/* --- numbers --- */

#define MINUS "\xe2\x88\x92" /* U+2212 */

/* A fraction in percent with one decimal; what rounds to 0 has no sign. */
static const char *percent(double share, bool plus, char text[48])
{
	double value = fabs(100 * share);
	if (!isfinite(share))
		return strcpy(text, "\xe2\x80\x93"); /* U+2013 */
	snprintf(text, 48, "%s%.1f", value < 0.05 ? "" : share < 0 ? MINUS : plus ? "+" : "", value);
	return text;
}

int html_percent(struct html *h, double share)
{
	char text[48];
	return html_printf(h, "%s%s", percent(share, false, text), isfinite(share) ? "%" : "");
}

int html_interval(struct html *h, double low, double high)
{
	char a[48], b[48];
	if (!isfinite(low) && !isfinite(high))
		return html_raw(h, "\xe2\x80\x93");
	return html_printf(h, "%s to %s", percent(low, false, a), percent(high, false, b));
}

int html_points(struct html *h, double difference)
{
	char text[48];
	return html_raw(h, percent(difference, true, text));
}

int html_count(struct html *h, int64_t count)
{
	char plain[32];
	int n = snprintf(plain, sizeof(plain), "%lld", (long long)count);
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && plain[i - 1] != '-')
			TS_TRY(html_raw(h, ","));
		TS_TRY(html_printf(h, "%c", plain[i]));
	}
	return 0;
}

int html_p(struct html *h, double p)
{
	return p < 0.0001 ? html_raw(h, "p &lt; 0.0001") : html_printf(h, "p = %.4f", p);
}
