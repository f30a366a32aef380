#include "text/visible.h"

#include "core/status.h"

static const uint32_t named[][2] = {
	{0x80, 0x9F},       /* C1 */
	{0x61C, 0x61C},     /* Arabic letter mark */
	{0x200E, 0x200F},   /* left-to-right and right-to-left mark */
	{0x2028, 0x202E},   /* line and paragraph separator; embeddings and overrides of direction */
	{0x2066, 0x2069},   /* isolates */
	{0xE0000, 0xE007F}, /* tags */
};

static bool is_named(uint32_t c)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (c >= named[i][0] && c <= named[i][1])
			return true;
	return false;
}

int ts_visible(const char *s, size_t n, struct ts_str *out)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t bad, len = ts_utf8_decode(s + i, n - i, &c, &bad);
		if (!len)
			TS_TRY(ts_str_put_utf8(out, 0xFFFD));
		else if (c == 0x7F || (c < 0x20 && c != '\n' && c != '\t'))
			TS_TRY(ts_str_put_utf8(out, c == 0x7F ? 0x2421 : 0x2400 + c));
		else if (is_named(c))
			TS_TRY(ts_str_printf(out, "<U+%04X>", (unsigned)c));
		else
			TS_TRY(ts_str_append(out, s + i, len));
		i += len ? len : bad;
	}
	return 0;
}
