/* A tokenizer and a chat template as parts, the way that GGUF files keep them, made into what tokenizer.json and tokenizer_config.json
 * would say. So there is one tokenizer and one reader of it.
 *
 * Byte-level BPE: the parts give the tokens and the merges but not the rules between: how text is cut into words, normalised, and whether
 * a token may be taken whole. Those follow from the pre-tokenizer's name, which is a row of a table in chat_parts.c.
 *
 * SentencePiece (`scores` given): characters that are no tokens become bytes, a space becomes the mark U+2581, and one mark is put before
 * the whole text, but none behind a special token. No tokenizer.json says this, so two things of it are ours: "scores" (tokenizer/bpe.h)
 * and the scheme "start" (tokenizer/pretokenize.c). */
#ifndef TS_TEXT_CHAT_PARTS_H
#define TS_TEXT_CHAT_PARTS_H

#include "core/json.h"

enum ts_token_type { TS_TOKEN_NORMAL = 1, TS_TOKEN_UNKNOWN, TS_TOKEN_CONTROL, TS_TOKEN_USER, TS_TOKEN_UNUSED, TS_TOKEN_BYTE };

struct ts_chat_parts {
	const char *place; /* names the source in errors */
	json_t *tokens;    /* array of strings, by id */
	json_t *types;     /* array of enum ts_token_type, by id; NULL: all normal */
	json_t *merges;    /* array of "left right", by rank */
	json_t *scores;    /* array of numbers, by id, instead of merges: a SentencePiece model */
	const char
		*pre; /* the pre-tokenizer's name; NULL or unknown is refused with the names that are known. Not of a SentencePiece model */
	const char *template;
	size_t template_size;
	int64_t bos, eos, unk, pad; /* ids; -1 = none */
	int add_bos, add_eos;       /* around a raw text: 1, 0, or -1 = as is usual with this pre-tokenizer */
	int add_mark;               /* SentencePiece: a mark before the text: 1, 0, or -1 = 1 */
};

/* The two values, for json_decref. Control and unknown tokens become special, the user's become added tokens; both are found in text. */
int ts_chat_parts_json(const struct ts_chat_parts *, json_t **tokenizer, json_t **config, struct ts_error *err);

/* The other way round: the name of the pre-tokenizer that a byte-level BPE tokenizer.json describes; NULL when it is none of those we know. */
const char *ts_chat_parts_pre(const json_t *tokenizer);

#endif
