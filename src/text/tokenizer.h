/* Tokenizers, from a Hugging Face tokenizer.json: byte-level BPE with its split regex, SentencePiece-style BPE with byte
 * fallback, added tokens with their strip flags, normalizers, pre-tokenizers, post-processors, decoders.
 * An element of the file that we do not know is refused by name. Immutable after opening; may be shared by threads. */
#ifndef TS_TEXT_TOKENIZER_H
#define TS_TEXT_TOKENIZER_H

#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"

struct ts_tokenizer;

typedef TS_VEC(int32_t) ts_ids;

/* `path` is a tokenizer.json. */
int ts_tokenizer_open(struct ts_tokenizer **out, const char *path, struct ts_error *err);
/* The same from memory; `place` names it in errors. */
int ts_tokenizer_parse(struct ts_tokenizer **out, const char *json, size_t n, const char *place, struct ts_error *err);
void ts_tokenizer_close(struct ts_tokenizer *);

/* Ids of `text` (n bytes of valid UTF-8; TS_EFORMAT with the offset otherwise) appended to `ids`; on failure nothing is appended.
 * Text of special tokens inside is recognised, as in the reference. add_special: also what the post-processor adds (BOS). */
int ts_tokenizer_encode(const struct ts_tokenizer *, const char *text, size_t n, bool add_special, ts_ids *ids, struct ts_error *err);
/* Text of `ids` appended to `out`; broken UTF-8 becomes U+FFFD per maximal bad part. An unknown id is skipped, as in the reference.
 * skip_special: tokens marked special are left out, except those whose text the normalizer changes (Llama-2's <s>): they stay in
 * the reference too. */
int ts_tokenizer_decode(const struct ts_tokenizer *, const int32_t *ids, size_t n, bool skip_special, struct ts_str *out);

/* Largest id + 1 (base vocabulary and added tokens). */
size_t ts_tokenizer_size(const struct ts_tokenizer *);
/* The id of a token by its exact content as stored in the vocabulary or in the added tokens; -1 when there is none. */
int32_t ts_tokenizer_id(const struct ts_tokenizer *, const char *content);
/* Whether the id is an added token marked special. */
bool ts_tokenizer_is_special(const struct ts_tokenizer *, int32_t id);

#endif
