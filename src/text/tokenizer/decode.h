/* The decoder of a tokenizer.json as a chain of stages. Tokens are pushed through one by one; each stage hands on what it can no
 * longer change and keeps the rest, so that decoding a list and decoding a stream are the same code.
 * The plan is immutable; a ts_decode_run is one decoding under way. */
#ifndef TS_TEXT_TOKENIZER_DECODE_H
#define TS_TEXT_TOKENIZER_DECODE_H

#include "core/mem.h"
#include "text/tokenizer/pretokenize_pattern.h"

enum ts_decode_kind {
	TS_DECODE_JOIN, /* no decoder: tokens with a space between */
	TS_DECODE_BYTES,
	TS_DECODE_BYTE_FALLBACK,
	TS_DECODE_FUSE,
	TS_DECODE_REPLACE,
	TS_DECODE_STRIP,
	TS_DECODE_METASPACE,
};

struct ts_decode_op {
	enum ts_decode_kind kind;
	struct ts_pattern *pattern; /* REPLACE */
	char *text;                 /* REPLACE: what is put there; STRIP, METASPACE: the character */
	size_t len;
	size_t start, stop; /* STRIP: how many at each end */
	bool drop_first;    /* METASPACE: the first token loses its marks */
	bool whole;         /* comes after tokens were fused and must see all of the text: wait for the end */
};

struct ts_decoder {
	TS_VEC(struct ts_decode_op) ops;
};

/* `value` may be NULL or null. Release also after a failure. */
int ts_decoder_parse(struct ts_decoder *, const json_t *value, const char *place, struct ts_error *err);
void ts_decoder_release(struct ts_decoder *);

struct ts_decode_stage {
	struct ts_pattern_run *pattern;
	struct ts_str held, spare;
	size_t count; /* tokens seen; STRIP after a fuse: characters stripped */
	bool past;    /* STRIP after a fuse: the text has begun */
};

struct ts_decode_run {
	const struct ts_decoder *plan;
	struct ts_decode_stage *stages;
	struct ts_str *out; /* where finished text goes */
};

int ts_decode_run_init(struct ts_decode_run *, const struct ts_decoder *);
void ts_decode_run_release(struct ts_decode_run *);
/* One token; finished text is appended to run->out. */
int ts_decode_push(struct ts_decode_run *, const char *token, size_t n);
/* The end: the rest of the text; the run is as new afterwards. */
int ts_decode_finish(struct ts_decode_run *);

#endif
