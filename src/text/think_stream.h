/* Thinking told from answer while a response is still coming, for showing it. What thinking is, is decided by text/thinking.h, on the
 * whole response; a stream cannot know what follows, so here an opening tag begins thinking and the next closing tag ends it.
 * (A nested block therefore ends early, and thinking whose opening tag is missing is told only when its end comes.)
 * Tags are found however the pieces cut them; what may become a tag is held back until that is decided. */
#ifndef TS_TEXT_THINK_STREAM_H
#define TS_TEXT_THINK_STREAM_H

#include "core/str.h"

struct ts_think_stream {
	bool thinking; /* where the next text belongs; may be set before the first piece */
	char held[8];  /* the beginning of what may be a tag */
	size_t held_len;
	/* Text of one kind, in order; the tags themselves belong to the thinking. A status other than 0 is passed on. */
	int (*emit)(void *user, const char *text, size_t n, bool thinking);
	void *user;
};

int ts_think_stream_feed(struct ts_think_stream *, const char *text, size_t n);
/* What is held back, at the end of the response. */
int ts_think_stream_flush(struct ts_think_stream *);

#endif
