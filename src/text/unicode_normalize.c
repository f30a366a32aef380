/* Normal forms over utf8proc's tables. Three things are ours:
 * - stretches that no form changes are copied (most text never reaches the tables);
 * - marks are ordered with a counting sort, since utf8proc's own ordering takes quadratic time on long runs of marks;
 * - characters newer than Unicode 12.0 stay as they are and separate what stands around them, as in the reference. */
#include "core/mem.h"
#include "core/status.h"
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

typedef TS_VEC(utf8proc_int32_t) code_points;

/* True only for code points that NFC neither changes nor joins to what stands before them. */
static bool is_inert_nfc(uint32_t c)
{
	if (c < 0x300)
		return true;
	if (c < 0x2000)
		return c >= 0x400 && c <= 0x482;
	if (c < 0x3000)
		return (c >= 0x2010 && c <= 0x20CF) || (c >= 0x2190 && c <= 0x2328) || (c >= 0x2400 && c <= 0x2AD0);
	return c <= 0x3029 || (c >= 0x3040 && c <= 0x3098) || (c >= 0x309B && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DB5) ||
	       (c >= 0x4E00 && c <= 0x9FEF) || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x1F300 && c <= 0x1F64F);
}

static bool is_inert(enum ts_unicode_form form, uint32_t c)
{
	return form == TS_UNICODE_NFC ? is_inert_nfc(c) : c < 0x80;
}

static uint8_t mark_class(utf8proc_int32_t c)
{
	return (uint8_t)utf8proc_get_property(c)->combining_class;
}

/* Stable sort of a run of marks by combining class; `spare` has the same length. */
static void sort_marks(utf8proc_int32_t *run, utf8proc_int32_t *spare, size_t n)
{
	size_t at[257] = {0};
	for (size_t i = 0; i < n; i++)
		at[mark_class(run[i]) + 1]++;
	for (size_t k = 1; k < 257; k++)
		at[k] += at[k - 1];
	for (size_t i = 0; i < n; i++)
		spare[at[mark_class(run[i])]++] = run[i];
	memcpy(run, spare, n * sizeof(*run));
}

static int order_marks(code_points *cs, code_points *spare)
{
	for (size_t i = 0; i < cs->len;) {
		size_t end = i;
		while (end < cs->len && mark_class(cs->data[end]))
			end++;
		if (end - i > 1) {
			if (ts_vec_reserve(spare, end - i))
				return TS_ENOMEM;
			sort_marks(cs->data + i, spare->data, end - i);
		}
		i = end + 1;
	}
	return 0;
}

static int decompose(const char *s, size_t n, utf8proc_option_t options, code_points *cs)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		int boundary = 0;
		i += ts_unicode_next(s + i, &c);
		if (ts_vec_reserve(cs, cs->len + 32)) /* the longest decomposition has 18 code points */
			return TS_ENOMEM;
		utf8proc_ssize_t wrote = utf8proc_decompose_char((utf8proc_int32_t)c, cs->data + cs->len, 32, options, &boundary);
		if (wrote < 0 || wrote > 32)
			return TS_EINVAL;
		cs->len += (size_t)wrote;
	}
	return 0;
}

/* A stretch without newer characters. */
static int normalize_run(enum ts_unicode_form form, const char *s, size_t n, struct ts_str *out)
{
	bool compose = form == TS_UNICODE_NFC || form == TS_UNICODE_NFKC;
	int options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
	if (form == TS_UNICODE_NFKC || form == TS_UNICODE_NFKD)
		options |= UTF8PROC_COMPAT;
	code_points cs = {0}, spare = {0};
	int status = decompose(s, n, (utf8proc_option_t)options, &cs);
	if (!status)
		status = order_marks(&cs, &spare);
	if (!status && compose && cs.len) {
		utf8proc_ssize_t len = utf8proc_normalize_utf32(cs.data, (utf8proc_ssize_t)cs.len, (utf8proc_option_t)options);
		status = len < 0 ? TS_EINVAL : 0;
		cs.len = len < 0 ? 0 : (size_t)len;
	}
	for (size_t i = 0; !status && i < cs.len; i++)
		status = ts_str_put_utf8(out, (uint32_t)cs.data[i]);
	ts_vec_release(&cs);
	ts_vec_release(&spare);
	return status;
}

/* Cut at newer characters, which are copied. */
static int normalize_part(enum ts_unicode_form form, const char *s, size_t n, struct ts_str *out)
{
	size_t start = 0;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_unicode_next(s + i, &c);
		if (ts_unicode_is_newer(c)) {
			if (i > start)
				TS_TRY(normalize_run(form, s + start, i - start, out));
			TS_TRY(ts_str_append(out, s + i, used));
			start = i + used;
		}
		i += used;
	}
	return n > start ? normalize_run(form, s + start, n - start, out) : 0;
}

int ts_unicode_normalize(enum ts_unicode_form form, const char *s, size_t n, struct ts_str *out)
{
	size_t copied = 0, last = 0; /* all before `copied` is written; `last` = start of the newest inert code point */
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_unicode_next(s + i, &c);
		if (is_inert(form, c)) {
			last = i;
			i += used;
			continue;
		}
		/* From the inert code point before (a mark may join it) up to the next inert one, which joins nothing before it. */
		size_t end = i + used;
		while (end < n) {
			used = ts_unicode_next(s + end, &c);
			if (is_inert(form, c))
				break;
			end += used;
		}
		if (last < copied)
			last = copied;
		TS_TRY(ts_str_append(out, s + copied, last - copied));
		TS_TRY(normalize_part(form, s + last, end - last, out));
		copied = last = i = end;
	}
	return ts_str_append(out, s + copied, n - copied);
}
