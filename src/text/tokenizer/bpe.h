/* Byte-pair encoding of one word: split into characters, then merge neighbours by rank, lowest first, leftmost first among equals.
 * A model is immutable after parsing and may be shared by threads; a ts_bpe_run is the scratch of one call. */
#ifndef TS_TEXT_TOKENIZER_BPE_H
#define TS_TEXT_TOKENIZER_BPE_H

#include "core/json.h"
#include "core/map.h"
#include "core/status.h"
#include "text/tokenizer.h"

struct ts_bpe_merge {
	uint32_t left, right; /* ids; left = UINT32_MAX marks a free slot */
	uint32_t rank, result;
};

struct ts_bpe {
	struct ts_map vocab; /* token -> id */
	const char **tokens; /* by id, into the vocabulary's keys; NULL = a hole */
	uint32_t *token_lengths;
	size_t size;                 /* largest id + 1 */
	struct ts_bpe_merge *merges; /* hash table, a power of two of slots */
	size_t merge_slots;
	int32_t unk;              /* id, or -1 */
	int32_t ascii[128];       /* id of the one-character token, or -1 */
	int32_t byte_tokens[256]; /* id of "<0xHH>", or -1 */
	int32_t alphabet[256];    /* id of the byte-level character of a byte, or -1 */
	bool fuse_unk, byte_fallback, ignore_merges;
	bool bytes;            /* words come as raw bytes that stand for their byte-level characters */
	bool cut_marks;        /* no merge joins a mark (U+2581) to another character before it: words may be cut there */
	char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL or not empty */
};

/* `model` is the "model" of a tokenizer.json. Must be released also after a failure. Instead of "merges" it may have "scores", which no
 * tokenizer.json has: for every id a number, or null for a token that no merge makes (bpe_scores.c). */
int ts_bpe_parse(struct ts_bpe *, const json_t *model, const char *place, struct ts_error *err);
int ts_bpe_parse_scores(struct ts_bpe *, const json_t *scores, const char *place, struct ts_error *err);
/* The table of merges: room for so many, then each. */
int ts_bpe_merges_reserve(struct ts_bpe *, size_t count, const char *place, struct ts_error *err);
void ts_bpe_merges_put(struct ts_bpe *, struct ts_bpe_merge);
void ts_bpe_release(struct ts_bpe *);

struct ts_bpe_symbol {
	uint32_t id;
	uint32_t prev, next; /* indices; UINT32_MAX = none */
	uint32_t live;
};

struct ts_bpe_candidate {
	uint32_t rank, at, result;
};

struct ts_bpe_cached {
	uint64_t hash;
	size_t at; /* where in `ids` the tokens of this word stand already */
	uint8_t len, count;
	char word[30];
};

struct ts_bpe_run {
	const struct ts_bpe *model;
	TS_VEC(struct ts_bpe_symbol) symbols;
	TS_VEC(struct ts_bpe_candidate) heap;
	struct ts_str key;
	struct ts_bpe_cached *cache; /* direct mapped; NULL = none */
	size_t cache_mask;
};

/* `text_size` = bytes that this call will encode in all, for the size of the cache. */
int ts_bpe_run_init(struct ts_bpe_run *, const struct ts_bpe *, size_t text_size);
void ts_bpe_run_release(struct ts_bpe_run *);
/* Ids of one word appended. `ids` must be the same vector during a run and only grow. TS_ENOMEM, TS_ELIMIT (over 2^31 bytes). */
int ts_bpe_word(struct ts_bpe_run *, const char *word, size_t n, ts_ids *ids);

/* The byte-level alphabet: the character that stands for a byte, and back (-1 = not in the alphabet). */
uint32_t ts_bpe_byte_char(unsigned char byte);
int ts_bpe_char_byte(uint32_t c);

#endif
