/* Ids to text while they are being generated. A piece of text comes out as soon as no later id can change it; it is always
 * complete UTF-8. All pieces and the flush, one after the other, equal ts_tokenizer_decode of all ids.
 *
 *     ts_stream_decode_new(&stream, tokenizer, true);
 *     while (next(&id))
 *             ts_stream_decode_feed(stream, id, &text);
 *     ts_stream_decode_flush(stream, &text);
 */
#ifndef TS_TEXT_STREAM_DECODE_H
#define TS_TEXT_STREAM_DECODE_H

#include "text/tokenizer.h"

struct ts_stream_decode;

/* The tokenizer must outlive the stream. One stream belongs to one thread. */
int ts_stream_decode_new(struct ts_stream_decode **out, const struct ts_tokenizer *, bool skip_special);
/* What becomes final with this id is appended to `out`; often nothing. TS_ENOMEM, TS_ELIMIT. */
int ts_stream_decode_feed(struct ts_stream_decode *, int32_t id, struct ts_str *out);
/* The rest; the stream is then as new. */
int ts_stream_decode_flush(struct ts_stream_decode *, struct ts_str *out);
void ts_stream_decode_free(struct ts_stream_decode *);

#endif
