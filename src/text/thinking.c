#include "text/thinking.h"

#include "core/status.h"

#include <string.h>

static const char open_tag[] = "<think>", close_tag[] = "</think>";
#define OPEN_LEN  (sizeof(open_tag) - 1)
#define CLOSE_LEN (sizeof(close_tag) - 1)

enum tag { TAG_NONE, TAG_OPEN, TAG_CLOSE };

/* The first tag at or after `from`, and where it starts (n when there is none). */
static enum tag next_tag(const char *s, size_t n, size_t from, size_t *at)
{
	for (size_t i = from; i < n; i++) {
		const char *hit = memchr(s + i, '<', n - i);
		if (!hit)
			break;
		i = (size_t)(hit - s);
		*at = i;
		if (n - i >= OPEN_LEN && !memcmp(hit, open_tag, OPEN_LEN))
			return TAG_OPEN;
		if (n - i >= CLOSE_LEN && !memcmp(hit, close_tag, CLOSE_LEN))
			return TAG_CLOSE;
	}
	*at = n;
	return TAG_NONE;
}

/* Where the block that starts inside at `from` ends: the start of its closing tag. False when none follows. */
static bool block_end(const char *s, size_t n, size_t from, size_t *end)
{
	size_t depth = 1, at;
	bool found = false;
	for (enum tag t = next_tag(s, n, from, &at); t != TAG_NONE; t = next_tag(s, n, at + 1, &at)) {
		if (t == TAG_OPEN) {
			depth++;
			continue;
		}
		*end = at;
		found = true;
		if (--depth == 0)
			break;
	}
	return found;
}

static int add_block(struct ts_thinking *out, const char *s, size_t n)
{
	if (out->blocks++)
		TS_TRY(ts_str_putc(&out->thinking, '\n'));
	return ts_str_append(&out->thinking, s, n);
}

int ts_thinking_split(const char *s, size_t n, struct ts_thinking *out)
{
	ts_str_clear(&out->thinking);
	ts_str_clear(&out->answer);
	out->blocks = 0;
	out->unclosed = false;
	out->closed = ts_thinking_closed(s, n);
	size_t from = 0, at, end;
	enum tag tag = next_tag(s, n, 0, &at);
	if (tag == TAG_CLOSE) {
		TS_TRY(add_block(out, s, at));
		from = at + CLOSE_LEN;
		tag = next_tag(s, n, from, &at);
	}
	while (tag != TAG_NONE) {
		if (tag == TAG_CLOSE) {
			tag = next_tag(s, n, at + CLOSE_LEN, &at);
			continue;
		}
		if (!block_end(s, n, at + OPEN_LEN, &end)) {
			out->unclosed = true;
			break;
		}
		TS_TRY(ts_str_append(&out->answer, s + from, at - from));
		TS_TRY(add_block(out, s + at + OPEN_LEN, end - at - OPEN_LEN));
		from = end + CLOSE_LEN;
		tag = next_tag(s, n, from, &at);
	}
	return ts_str_append(&out->answer, s + from, n - from);
}

void ts_thinking_release(struct ts_thinking *t)
{
	ts_str_release(&t->thinking);
	ts_str_release(&t->answer);
}

bool ts_thinking_closed(const char *s, size_t n)
{
	return memmem(s, n, close_tag, CLOSE_LEN) != NULL;
}

int ts_thinking_repair(const char *s, size_t n, struct ts_str *out)
{
	if (!memmem(s, n, open_tag, OPEN_LEN)) {
		TS_TRY(ts_str_puts(out, open_tag));
		TS_TRY(ts_str_putc(out, '\n'));
	}
	for (size_t from = 0;;) {
		const char *hit = memmem(s + from, n - from, close_tag, CLOSE_LEN);
		if (!hit)
			return ts_str_append(out, s + from, n - from);
		size_t after = (size_t)(hit - s) + CLOSE_LEN;
		TS_TRY(ts_str_append(out, s + from, after - from));
		bool one = after < n && s[after] == '\n' && (after + 1 == n || s[after + 1] != '\n');
		if (one)
			TS_TRY(ts_str_putc(out, '\n'));
		from = after;
	}
}
