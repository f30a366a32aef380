#include "text/think_stream.h"

#include "core/status.h"

#include <string.h>

/* The only tag that matters here is the one that changes the state. */
static const char *wanted_tag(const struct ts_think_stream *s)
{
	return s->thinking ? "</think>" : "<think>";
}

/* Both tags have their only '<' in front: when the next byte fits no tag, it alone can begin a new one. */
static int feed_byte(struct ts_think_stream *s, char c)
{
	const char *tag = wanted_tag(s);
	if (s->held_len && tag[s->held_len] != c)
		TS_TRY(ts_think_stream_flush(s));
	if (tag[s->held_len] != c)
		return s->emit(s->user, &c, 1, s->thinking);
	s->held[s->held_len++] = c;
	if (tag[s->held_len])
		return 0;
	bool opens = !s->thinking;
	s->thinking = true;
	TS_TRY(ts_think_stream_flush(s));
	s->thinking = opens;
	return 0;
}

int ts_think_stream_feed(struct ts_think_stream *s, const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t plain = 0;
		const char *tag = s->held_len ? text + i : memchr(text + i, '<', n - i);
		plain = tag ? (size_t)(tag - text) - i : n - i;
		if (plain)
			TS_TRY(s->emit(s->user, text + i, plain, s->thinking));
		i += plain;
		if (i < n)
			TS_TRY(feed_byte(s, text[i++]));
	}
	return 0;
}

int ts_think_stream_flush(struct ts_think_stream *s)
{
	size_t n = s->held_len;
	s->held_len = 0;
	return n ? s->emit(s->user, s->held, n, s->thinking) : 0;
}
