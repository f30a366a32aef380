/* Text into a page: what models, data and recipes say is made visible (text/visible.h) and escaped, for markup or for JSON inside a script
 * element. */
#include "report/internal.h"
#include "text/visible.h"

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

/* What a byte of valid UTF-8 needs in markup; NULL: nothing. */
static const char *in_markup(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* In a JSON string inside a script element: "<" would let "</script>" or "<!--" end the element. */
static const char *in_json(char c)
{
	switch (c) {
	case '\n':
		return "\\n";
	case '\t':
		return "\\t";
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '<':
		return "\\u003c";
	case '>':
		return "\\u003e";
	case '&':
		return "\\u0026";
	default:
		return NULL;
	}
}

/* Made visible first: then there is valid UTF-8, and no control but newline and tab. Runs that need no escape go over as they are. */
static int escape(struct ts_str *out, const char *text, size_t n, const char *(*escaped)(char))
{
	struct ts_str clean = {0};
	int status = ts_visible(text, n, &clean);
	size_t begin = 0;
	for (size_t i = 0; i < clean.len && !status; i++) {
		const char *instead = escaped(clean.data[i]);
		if (!instead)
			continue;
		status = ts_str_append(out, clean.data + begin, i - begin);
		if (!status)
			status = ts_str_puts(out, instead);
		begin = i + 1;
	}
	if (!status && begin < clean.len)
		status = ts_str_append(out, clean.data + begin, clean.len - begin);
	ts_str_release(&clean);
	return status;
}

int html_text_bytes(struct ts_str *out, const char *text, size_t n)
{
	return escape(out, text, n, in_markup);
}

int html_json_bytes(struct ts_str *out, const char *text, size_t n)
{
	TS_TRY(ts_str_putc(out, '"'));
	TS_TRY(escape(out, text, n, in_json));
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
