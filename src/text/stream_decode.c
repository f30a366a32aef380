/* The decoder already works token by token (tokenizer/decode.h); a stream only keeps its state between calls. */
#include "text/stream_decode.h"

#include "text/tokenizer/internal.h"

struct ts_stream_decode {
	const struct ts_tokenizer *tokenizer;
	bool skip_special;
	struct ts_decode_run run;
};

int ts_stream_decode_new(struct ts_stream_decode **out, const struct ts_tokenizer *t, bool skip_special)
{
	struct ts_stream_decode *s = ts_calloc(1, sizeof(*s));
	if (!s)
		return TS_ENOMEM;
	s->tokenizer = t;
	s->skip_special = skip_special;
	int status = ts_decode_run_init(&s->run, &t->decoder);
	if (status)
		ts_stream_decode_free(s);
	else
		*out = s;
	return status;
}

int ts_stream_decode_feed(struct ts_stream_decode *s, int32_t id, struct ts_str *out)
{
	const char *token;
	size_t n;
	s->run.out = out;
	return ts_tokenizer_token(s->tokenizer, id, s->skip_special, &token, &n) ? ts_decode_push(&s->run, token, n) : 0;
}

int ts_stream_decode_flush(struct ts_stream_decode *s, struct ts_str *out)
{
	s->run.out = out;
	return ts_decode_finish(&s->run);
}

void ts_stream_decode_free(struct ts_stream_decode *s)
{
	if (!s)
		return;
	ts_decode_run_release(&s->run);
	ts_free(s);
}
