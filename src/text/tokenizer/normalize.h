/* The normalizer of a tokenizer.json. Immutable after parsing. */
#ifndef TS_TEXT_TOKENIZER_NORMALIZE_H
#define TS_TEXT_TOKENIZER_NORMALIZE_H

#include "core/mem.h"
#include "text/tokenizer/pretokenize_pattern.h"

enum ts_normalize_kind {
	TS_NORMALIZE_FORM,
	TS_NORMALIZE_PREPEND,
	TS_NORMALIZE_REPLACE,
	TS_NORMALIZE_LOWERCASE,
	TS_NORMALIZE_STRIP,
	TS_NORMALIZE_STRIP_MARKS,
};

struct ts_normalize_op {
	enum ts_normalize_kind kind;
	enum ts_unicode_form form;
	struct ts_pattern *pattern;
	char *text;
	size_t len;
	bool left, right;
};

struct ts_normalizer {
	TS_VEC(struct ts_normalize_op) ops;
};

/* `value` may be NULL or null: nothing is changed. Release also after a failure. */
int ts_normalizer_parse(struct ts_normalizer *, const json_t *value, const char *place, struct ts_error *err);
void ts_normalizer_release(struct ts_normalizer *);
/* *out is replaced by s[0..n) normalised; `spare` is scratch. Neither may hold s. */
int ts_normalizer_apply(const struct ts_normalizer *, const char *s, size_t n, struct ts_str *out, struct ts_str *spare,
			struct ts_error *err);

#endif
