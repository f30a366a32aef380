/* What the parts of the tokenizer share. */
#ifndef TS_TEXT_TOKENIZER_INTERNAL_H
#define TS_TEXT_TOKENIZER_INTERNAL_H

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer.h"
#include "text/tokenizer/added.h"
#include "text/tokenizer/decode.h"
#include "text/tokenizer/normalize.h"

struct ts_tokenizer {
	struct ts_bpe model;
	struct ts_normalizer normalizer;
	struct ts_pretokenizer pretokenizer;
	struct ts_decoder decoder;
	struct ts_added added;
	TS_VEC(int32_t) template; /* the post-processor: ids to add; TS_TEMPLATE_TEXT stands for the text's own ids */
	bool has_template;
	size_t size;
};

#define TS_TEMPLATE_TEXT (-1)

/* ts_tokenizer_parse of a value that is there already. */
int ts_tokenizer_make(struct ts_tokenizer **out, const json_t *root, const char *place, struct ts_error *err);

/* `value` may be NULL or null. */
int ts_template_ids_parse(struct ts_tokenizer *, const json_t *value, const char *place, struct ts_error *err);

/* The token of an id as decoding sees it: false when there is none, or when it is special and those are skipped. */
bool ts_tokenizer_token(const struct ts_tokenizer *, int32_t id, bool skip_special, const char **s, size_t *n);

#endif
