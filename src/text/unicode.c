/* Classes of code points, and case and mark mappings. The class table is a sorted list of change points, searched by halves;
 * the large blocks of letters (Han, Hangul) are answered before. */
#include "text/unicode.h"

#include "core/status.h"

#include <utf8proc.h>

enum ts_unicode_class ts_unicode_class(uint32_t c)
{
	if ((c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3))
		return TS_UNICODE_LETTER;
	size_t low = 0, high = ts_unicode_class_count; /* the entry sought lies in [low, high) */
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (ts_unicode_classes[mid] >> 2 <= c)
			low = mid;
		else
			high = mid;
	}
	return (enum ts_unicode_class)(ts_unicode_classes[low] & 3);
}

/* Other_Alphabetic outside of marks: circled and squared letters, which are symbols by category. */
static bool is_symbol_letter(uint32_t c)
{
	return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
	       (c >= 0x1F170 && c <= 0x1F189);
}

bool ts_unicode_is_word(uint32_t c)
{
	if (ts_unicode_class(c) == TS_UNICODE_LETTER || is_symbol_letter(c) || c == 0x200C || c == 0x200D)
		return true;
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_PC:
		return true;
	default:
		return false;
	}
}

bool ts_unicode_is_newer(uint32_t c)
{
	size_t low = 0, high = ts_unicode_newer_count;
	if (c < ts_unicode_newer[0][0])
		return false;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (ts_unicode_newer[mid][0] <= c)
			low = mid;
		else
			high = mid;
	}
	return c <= ts_unicode_newer[low][1];
}

size_t ts_unicode_back(const char *s, size_t n)
{
	n--;
	while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
		n--;
	return n;
}

int ts_unicode_lowercase(const char *s, size_t n, struct ts_str *out)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += ts_unicode_next(s + i, &c);
		if (c == 0x130) { /* the one letter whose small form is two code points */
			TS_TRY(ts_str_puts(out, "i\xCC\x87"));
			continue;
		}
		TS_TRY(ts_str_put_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c)));
	}
	return 0;
}

int ts_unicode_strip_marks(const char *s, size_t n, struct ts_str *out)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_unicode_next(s + i, &c);
		utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
		if ((k != UTF8PROC_CATEGORY_MN && k != UTF8PROC_CATEGORY_MC && k != UTF8PROC_CATEGORY_ME) || ts_unicode_is_newer(c))
			TS_TRY(ts_str_append(out, s + i, used));
		i += used;
	}
	return 0;
}
