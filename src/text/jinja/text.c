/* Python's view of text: white space, line breaks, classes, case. The classes come from utf8proc; what utf8proc has no call for
 * (upper and title case of more than one character, Unicode SpecialCasing.txt) stands in one table. */
#include "text/jinja/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool ts_j_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool ts_j_line_break(uint32_t c)
{
	return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

uint32_t ts_j_point(const char *s, size_t *length)
{
	const unsigned char *b = (const unsigned char *)s;
	if (b[0] < 0x80) {
		*length = 1;
		return b[0];
	}
	if (b[0] < 0xE0) {
		*length = 2;
		return (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
	}
	if (b[0] < 0xF0) {
		*length = 3;
		return (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
	}
	*length = 4;
	return (uint32_t)(b[0] & 7) << 18 | (uint32_t)(b[1] & 0x3F) << 12 | (uint32_t)(b[2] & 0x3F) << 6 | (b[3] & 0x3F);
}

static utf8proc_category_t category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

bool ts_j_is_upper(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) || (c >= 0x24B6 && c <= 0x24CF);
}

bool ts_j_is_lower(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA || (c >= 0x2B0 && c <= 0x2B8) || (c >= 0x2E0 && c <= 0x2E4) ||
	       (c >= 0x2170 && c <= 0x217F) || (c >= 0x24D0 && c <= 0x24E9) || (c >= 0x1D2C && c <= 0x1D6A);
}

bool ts_j_is_cased(uint32_t c)
{
	return ts_j_is_upper(c) || ts_j_is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

bool ts_j_is_alpha(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool ts_j_is_decimal(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_ND;
}

bool ts_j_is_digit(uint32_t c)
{
	static const uint32_t others[][2] = {
		/* Numeric_Type=Digit outside Nd */
		{0xB2, 0xB3},     {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},   {0x2070, 0x2070},
		{0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247C},   {0x2488, 0x2490},
		{0x24EA, 0x24EA}, {0x24F5, 0x24FD},   {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},
		{0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
	};
	if (c < 0x80)
		return c >= '0' && c <= '9';
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (c >= others[i][0] && c <= others[i][1])
			return true;
	return ts_j_is_decimal(c);
}

bool ts_j_is_numeric(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool ts_j_is_printable(uint32_t c)
{
	if (c < 0x80)
		return c >= 0x20 && c != 0x7F;
	switch (category(c)) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	default:
		return true;
	}
}

bool ts_j_is_word(uint32_t c)
{
	if (c < 0x80)
		return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
	return ts_j_is_alpha(c) || ts_j_is_numeric(c);
}

static const struct {
	uint32_t c;
	const char *upper, *title;
} special[] = {
	{0xDF, "SS", "Ss"},
	{0x149, "\xCA\xBCN", "\xCA\xBCN"},
	{0x1F0, "J\xCC\x8C", "J\xCC\x8C"},
	{0x390, "\xCE\x99\xCC\x88\xCC\x81", "\xCE\x99\xCC\x88\xCC\x81"},
	{0x3B0, "\xCE\xA5\xCC\x88\xCC\x81", "\xCE\xA5\xCC\x88\xCC\x81"},
	{0x587, "\xD4\xB5\xD5\x92", "\xD4\xB5\xD6\x82"},
	{0x1E96, "H\xCC\xB1", "H\xCC\xB1"},
	{0x1E97, "T\xCC\x88", "T\xCC\x88"},
	{0x1E98, "W\xCC\x8A", "W\xCC\x8A"},
	{0x1E99, "Y\xCC\x8A", "Y\xCC\x8A"},
	{0x1E9A, "A\xCA\xBE", "A\xCA\xBE"},
	{0x1F50, "\xCE\xA5\xCC\x93", "\xCE\xA5\xCC\x93"},
	{0x1F52, "\xCE\xA5\xCC\x93\xCC\x80", "\xCE\xA5\xCC\x93\xCC\x80"},
	{0x1F54, "\xCE\xA5\xCC\x93\xCC\x81", "\xCE\xA5\xCC\x93\xCC\x81"},
	{0x1F56, "\xCE\xA5\xCC\x93\xCD\x82", "\xCE\xA5\xCC\x93\xCD\x82"},
	{0x1F80, "\xE1\xBC\x88\xCE\x99", "\xE1\xBE\x88"},
	{0x1F81, "\xE1\xBC\x89\xCE\x99", "\xE1\xBE\x89"},
	{0x1F82, "\xE1\xBC\x8A\xCE\x99", "\xE1\xBE\x8A"},
	{0x1F83, "\xE1\xBC\x8B\xCE\x99", "\xE1\xBE\x8B"},
	{0x1F84, "\xE1\xBC\x8C\xCE\x99", "\xE1\xBE\x8C"},
	{0x1F85, "\xE1\xBC\x8D\xCE\x99", "\xE1\xBE\x8D"},
	{0x1F86, "\xE1\xBC\x8E\xCE\x99", "\xE1\xBE\x8E"},
	{0x1F87, "\xE1\xBC\x8F\xCE\x99", "\xE1\xBE\x8F"},
	{0x1F88, "\xE1\xBC\x88\xCE\x99", "\xE1\xBE\x88"},
	{0x1F89, "\xE1\xBC\x89\xCE\x99", "\xE1\xBE\x89"},
	{0x1F8A, "\xE1\xBC\x8A\xCE\x99", "\xE1\xBE\x8A"},
	{0x1F8B, "\xE1\xBC\x8B\xCE\x99", "\xE1\xBE\x8B"},
	{0x1F8C, "\xE1\xBC\x8C\xCE\x99", "\xE1\xBE\x8C"},
	{0x1F8D, "\xE1\xBC\x8D\xCE\x99", "\xE1\xBE\x8D"},
	{0x1F8E, "\xE1\xBC\x8E\xCE\x99", "\xE1\xBE\x8E"},
	{0x1F8F, "\xE1\xBC\x8F\xCE\x99", "\xE1\xBE\x8F"},
	{0x1F90, "\xE1\xBC\xA8\xCE\x99", "\xE1\xBE\x98"},
	{0x1F91, "\xE1\xBC\xA9\xCE\x99", "\xE1\xBE\x99"},
	{0x1F92, "\xE1\xBC\xAA\xCE\x99", "\xE1\xBE\x9A"},
	{0x1F93, "\xE1\xBC\xAB\xCE\x99", "\xE1\xBE\x9B"},
	{0x1F94, "\xE1\xBC\xAC\xCE\x99", "\xE1\xBE\x9C"},
	{0x1F95, "\xE1\xBC\xAD\xCE\x99", "\xE1\xBE\x9D"},
	{0x1F96, "\xE1\xBC\xAE\xCE\x99", "\xE1\xBE\x9E"},
	{0x1F97, "\xE1\xBC\xAF\xCE\x99", "\xE1\xBE\x9F"},
	{0x1F98, "\xE1\xBC\xA8\xCE\x99", "\xE1\xBE\x98"},
	{0x1F99, "\xE1\xBC\xA9\xCE\x99", "\xE1\xBE\x99"},
	{0x1F9A, "\xE1\xBC\xAA\xCE\x99", "\xE1\xBE\x9A"},
	{0x1F9B, "\xE1\xBC\xAB\xCE\x99", "\xE1\xBE\x9B"},
	{0x1F9C, "\xE1\xBC\xAC\xCE\x99", "\xE1\xBE\x9C"},
	{0x1F9D, "\xE1\xBC\xAD\xCE\x99", "\xE1\xBE\x9D"},
	{0x1F9E, "\xE1\xBC\xAE\xCE\x99", "\xE1\xBE\x9E"},
	{0x1F9F, "\xE1\xBC\xAF\xCE\x99", "\xE1\xBE\x9F"},
	{0x1FA0, "\xE1\xBD\xA8\xCE\x99", "\xE1\xBE\xA8"},
	{0x1FA1, "\xE1\xBD\xA9\xCE\x99", "\xE1\xBE\xA9"},
	{0x1FA2, "\xE1\xBD\xAA\xCE\x99", "\xE1\xBE\xAA"},
	{0x1FA3, "\xE1\xBD\xAB\xCE\x99", "\xE1\xBE\xAB"},
	{0x1FA4, "\xE1\xBD\xAC\xCE\x99", "\xE1\xBE\xAC"},
	{0x1FA5, "\xE1\xBD\xAD\xCE\x99", "\xE1\xBE\xAD"},
	{0x1FA6, "\xE1\xBD\xAE\xCE\x99", "\xE1\xBE\xAE"},
	{0x1FA7, "\xE1\xBD\xAF\xCE\x99", "\xE1\xBE\xAF"},
	{0x1FA8, "\xE1\xBD\xA8\xCE\x99", "\xE1\xBE\xA8"},
	{0x1FA9, "\xE1\xBD\xA9\xCE\x99", "\xE1\xBE\xA9"},
	{0x1FAA, "\xE1\xBD\xAA\xCE\x99", "\xE1\xBE\xAA"},
	{0x1FAB, "\xE1\xBD\xAB\xCE\x99", "\xE1\xBE\xAB"},
	{0x1FAC, "\xE1\xBD\xAC\xCE\x99", "\xE1\xBE\xAC"},
	{0x1FAD, "\xE1\xBD\xAD\xCE\x99", "\xE1\xBE\xAD"},
	{0x1FAE, "\xE1\xBD\xAE\xCE\x99", "\xE1\xBE\xAE"},
	{0x1FAF, "\xE1\xBD\xAF\xCE\x99", "\xE1\xBE\xAF"},
	{0x1FB2, "\xE1\xBE\xBA\xCE\x99", "\xE1\xBE\xBA\xCD\x85"},
	{0x1FB3, "\xCE\x91\xCE\x99", "\xE1\xBE\xBC"},
	{0x1FB4, "\xCE\x86\xCE\x99", "\xCE\x86\xCD\x85"},
	{0x1FB6, "\xCE\x91\xCD\x82", "\xCE\x91\xCD\x82"},
	{0x1FB7, "\xCE\x91\xCD\x82\xCE\x99", "\xCE\x91\xCD\x82\xCD\x85"},
	{0x1FBC, "\xCE\x91\xCE\x99", "\xE1\xBE\xBC"},
	{0x1FC2, "\xE1\xBF\x8A\xCE\x99", "\xE1\xBF\x8A\xCD\x85"},
	{0x1FC3, "\xCE\x97\xCE\x99", "\xE1\xBF\x8C"},
	{0x1FC4, "\xCE\x89\xCE\x99", "\xCE\x89\xCD\x85"},
	{0x1FC6, "\xCE\x97\xCD\x82", "\xCE\x97\xCD\x82"},
	{0x1FC7, "\xCE\x97\xCD\x82\xCE\x99", "\xCE\x97\xCD\x82\xCD\x85"},
	{0x1FCC, "\xCE\x97\xCE\x99", "\xE1\xBF\x8C"},
	{0x1FD2, "\xCE\x99\xCC\x88\xCC\x80", "\xCE\x99\xCC\x88\xCC\x80"},
	{0x1FD3, "\xCE\x99\xCC\x88\xCC\x81", "\xCE\x99\xCC\x88\xCC\x81"},
	{0x1FD6, "\xCE\x99\xCD\x82", "\xCE\x99\xCD\x82"},
	{0x1FD7, "\xCE\x99\xCC\x88\xCD\x82", "\xCE\x99\xCC\x88\xCD\x82"},
	{0x1FE2, "\xCE\xA5\xCC\x88\xCC\x80", "\xCE\xA5\xCC\x88\xCC\x80"},
	{0x1FE3, "\xCE\xA5\xCC\x88\xCC\x81", "\xCE\xA5\xCC\x88\xCC\x81"},
	{0x1FE4, "\xCE\xA1\xCC\x93", "\xCE\xA1\xCC\x93"},
	{0x1FE6, "\xCE\xA5\xCD\x82", "\xCE\xA5\xCD\x82"},
	{0x1FE7, "\xCE\xA5\xCC\x88\xCD\x82", "\xCE\xA5\xCC\x88\xCD\x82"},
	{0x1FF2, "\xE1\xBF\xBA\xCE\x99", "\xE1\xBF\xBA\xCD\x85"},
	{0x1FF3, "\xCE\xA9\xCE\x99", "\xE1\xBF\xBC"},
	{0x1FF4, "\xCE\x8F\xCE\x99", "\xCE\x8F\xCD\x85"},
	{0x1FF6, "\xCE\xA9\xCD\x82", "\xCE\xA9\xCD\x82"},
	{0x1FF7, "\xCE\xA9\xCD\x82\xCE\x99", "\xCE\xA9\xCD\x82\xCD\x85"},
	{0x1FFC, "\xCE\xA9\xCE\x99", "\xE1\xBF\xBC"},
	{0xFB00, "FF", "Ff"},
	{0xFB01, "FI", "Fi"},
	{0xFB02, "FL", "Fl"},
	{0xFB03, "FFI", "Ffi"},
	{0xFB04, "FFL", "Ffl"},
	{0xFB05, "ST", "St"},
	{0xFB06, "ST", "St"},
	{0xFB13, "\xD5\x84\xD5\x86", "\xD5\x84\xD5\xB6"},
	{0xFB14, "\xD5\x84\xD4\xB5", "\xD5\x84\xD5\xA5"},
	{0xFB15, "\xD5\x84\xD4\xBB", "\xD5\x84\xD5\xAB"},
	{0xFB16, "\xD5\x8E\xD5\x86", "\xD5\x8E\xD5\xB6"},
	{0xFB17, "\xD5\x84\xD4\xBD", "\xD5\x84\xD5\xAD"},
};

static int put_special(struct ts_str *out, uint32_t c, enum ts_j_case to, bool *done)
{
	size_t low = 0, high = sizeof(special) / sizeof(special[0]);
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (special[middle].c < c)
			low = middle + 1;
		else
			high = middle;
	}
	*done = low < sizeof(special) / sizeof(special[0]) && special[low].c == c;
	return *done ? ts_str_puts(out, to == TS_J_UPPER ? special[low].upper : special[low].title) : 0;
}

static bool case_ignorable(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xA8 || c == 0xAD || c == 0xAF || c == 0xB4 || c == 0xB7 ||
	       c == 0xB8 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 || k == UTF8PROC_CATEGORY_MN ||
	       k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

/* A sigma at the end of a word is lowered to its final form. */
static bool final_sigma(const struct ts_j_string *s, size_t at, size_t length)
{
	size_t p = at, k;
	bool before = false;
	while (p > 0) {
		do
			p--;
		while (p > 0 && ((unsigned char)s->data[p] & 0xC0) == 0x80);
		uint32_t c = ts_j_point(s->data + p, &k);
		if (!case_ignorable(c)) {
			before = ts_j_is_cased(c);
			break;
		}
	}
	if (!before)
		return false;
	for (p = at + length; p < s->n; p += k) {
		uint32_t c = ts_j_point(s->data + p, &k);
		if (!case_ignorable(c))
			return !ts_j_is_cased(c);
	}
	return true;
}

int ts_j_put_case(struct ts_str *out, const struct ts_j_string *s, size_t at, size_t length, enum ts_j_case to)
{
	size_t k;
	uint32_t c = ts_j_point(s->data + at, &k);
	if (to == TS_J_LOWER) {
		if (c == 0x130)
			return ts_str_append(out, "i\xCC\x87", 3);
		if (c == 0x3A3)
			return ts_str_put_utf8(out, final_sigma(s, at, length) ? 0x3C2 : 0x3C3);
		return ts_str_put_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
	}
	bool done = false;
	if (c >= 0x80)
		TS_TRY(put_special(out, c, to, &done));
	if (done)
		return 0;
	utf8proc_int32_t changed = to == TS_J_UPPER ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_totitle((utf8proc_int32_t)c);
	return ts_str_put_utf8(out, (uint32_t)changed);
}

int ts_j_put_text_case(struct ts_str *out, const struct ts_j_string *s, enum ts_j_case to)
{
	for (size_t p = 0, length; p < s->n; p += length) {
		ts_j_point(s->data + p, &length);
		TS_TRY(ts_j_put_case(out, s, p, length, to));
	}
	return 0;
}

size_t ts_j_offset(const struct ts_j_string *s, size_t point)
{
	if (point >= s->points)
		return s->n;
	if (s->points == s->n)
		return point;
	size_t p = 0, length;
	for (; point; point--, p += length)
		ts_j_point(s->data + p, &length);
	return p;
}

/* The text without white space around it and without single underscores between digits, as int() and float() read it. */
static bool number_text(const struct ts_j_string *s, char *buffer, size_t room)
{
	size_t from = 0, to = s->n, length, m = 0;
	while (from < to && ts_j_space(ts_j_point(s->data + from, &length)))
		from += length;
	while (to > from) {
		size_t p = to - 1;
		while (p > from && ((unsigned char)s->data[p] & 0xC0) == 0x80)
			p--;
		if (!ts_j_space(ts_j_point(s->data + p, &length)))
			break;
		to = p;
	}
	for (size_t i = from; i < to; i++) {
		unsigned char c = (unsigned char)s->data[i];
		if (c == '_') {
			bool between = i > from && i + 1 < to && s->data[i - 1] != '_' && s->data[i + 1] != '_' &&
				       strchr("0123456789abcdefABCDEF", s->data[i - 1]) && strchr("0123456789abcdefABCDEF", s->data[i + 1]);
			if (!between)
				return false;
			continue;
		}
		if (c >= 0x80 || c <= ' ' || m + 1 >= room)
			return false;
		buffer[m++] = (char)c;
	}
	buffer[m] = '\0';
	return m > 0;
}

bool ts_j_parse_integer(const struct ts_j_string *s, int base, int64_t *out)
{
	char text[128], *end;
	if (base < 0 || base == 1 || base > 36 || !number_text(s, text, sizeof(text)))
		return false;
	char *p = text, clean[sizeof(text) + 1]; /* with a sign in front */
	size_t sign = *p == '-' || *p == '+';
	int letter = p[sign] == '0' ? p[sign + 1] | 32 : 0;
	int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
	size_t skip = named && (base == named || base == 0) ? sign + 2 : sign;
	if (base == 0)
		base = named ? named : 10;
	if (!p[skip] || strchr("+-", p[skip]))
		return false;
	if (skip > sign && base == 16 && (p[skip] | 32) == 'x')
		return false;
	clean[0] = *p == '-' ? '-' : '+';
	memcpy(clean + 1, p + skip, strlen(p + skip) + 1);
	errno = 0;
	*out = strtoll(clean, &end, base);
	return !*end && errno != ERANGE && !(base == 16 && strpbrk(clean, "xX"));
}

bool ts_j_parse_real(const struct ts_j_string *s, double *out)
{
	char text[512], *end;
	if (!number_text(s, text, sizeof(text)))
		return false;
	if (strpbrk(text, "xX()"))
		return false; /* strtod knows hexadecimal and nan(...), Python does not */
	*out = strtod(text, &end);
	return !*end;
}
