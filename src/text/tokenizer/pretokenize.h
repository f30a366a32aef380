/* The pre-tokenizer of a tokenizer.json: cuts normalised text into the words that byte-pair encoding works on.
 * Immutable after parsing; a ts_pretoken_run is the scratch of one call. */
#ifndef TS_TEXT_TOKENIZER_PRETOKENIZE_H
#define TS_TEXT_TOKENIZER_PRETOKENIZE_H

#include "core/mem.h"
#include "text/tokenizer/pretokenize_pattern.h"

enum ts_pretoken_kind {
	TS_PRETOKEN_PREFIX,  /* put `text` in front, unless it stands there */
	TS_PRETOKEN_REPLACE, /* every space becomes `text` */
	TS_PRETOKEN_SPLIT,
	TS_PRETOKEN_BYTES, /* every byte becomes its byte-level character */
};

enum ts_pretoken_behaviour { TS_SPLIT_ISOLATED, TS_SPLIT_REMOVED, TS_SPLIT_WITH_PREVIOUS, TS_SPLIT_WITH_NEXT, TS_SPLIT_CONTIGUOUS };

struct ts_pretoken_op {
	enum ts_pretoken_kind kind;
	char *text;
	bool first_only; /* PREFIX: only for the piece at the start of the whole text */
	bool always;     /* PREFIX: also where it stands there */
	struct ts_pattern *pattern;
	enum ts_pretoken_behaviour behaviour;
	bool invert;
};

struct ts_pretokenizer {
	TS_VEC(struct ts_pretoken_op) ops;
	bool bytes; /* the last step is BYTES: left out of `ops`, words are raw bytes for a model with bytes set */
};

/* `value` may be NULL or null: no cutting. Release also after a failure. */
int ts_pretokenizer_parse(struct ts_pretokenizer *, const json_t *value, const char *place, struct ts_error *err);
void ts_pretokenizer_release(struct ts_pretokenizer *);

struct ts_pretoken_run {
	const struct ts_pretokenizer *plan;
	struct ts_pattern_run **patterns;                 /* by op; NULL until needed */
	struct ts_str *scratch;                           /* by op */
	int (*word)(void *user, const char *s, size_t n); /* gets each word, in order, never empty; negative = stop with this status */
	void *user;
	struct ts_error *err;
};

int ts_pretoken_run_init(struct ts_pretoken_run *, const struct ts_pretokenizer *, struct ts_error *err);
void ts_pretoken_run_release(struct ts_pretoken_run *);
/* One piece between added tokens. at_start: it starts where the whole text starts. */
int ts_pretoken_piece(struct ts_pretoken_run *, const char *s, size_t n, bool at_start);

#endif
