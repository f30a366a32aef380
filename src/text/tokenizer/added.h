/* The added tokens of a tokenizer.json: which text they are found by, and which of them are special. Immutable after parsing. */
#ifndef TS_TEXT_TOKENIZER_ADDED_H
#define TS_TEXT_TOKENIZER_ADDED_H

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/normalize.h"

struct ts_added_token {
	char *content;
	size_t len;
	struct ts_str display; /* content, normalised where the token is: how it is found and how it is decoded */
	int32_t id;
	bool single_word, lstrip, rstrip, normalized, special;
};

/* A prefix tree over bytes: children are a linked list. */
struct ts_added_node {
	uint32_t child, sibling; /* 0 = none; node 0 is the root */
	int32_t token;           /* index of the token that ends here, or -1 */
	unsigned char byte;
};

struct ts_added_tree {
	TS_VEC(struct ts_added_node) nodes;
	uint32_t first[256]; /* root's children by byte */
	int only_byte;       /* the one byte that all tokens start with, or -1 */
};

struct ts_added {
	TS_VEC(struct ts_added_token) tokens;
	struct ts_map by_content;       /* -> index into tokens */
	struct ts_map special_contents; /* contents of the special ones */
	TS_VEC(int32_t) by_id;          /* id -> index into tokens, or -1 */
	struct ts_added_tree plain, normalized;
};

/* `value` is the array "added_tokens" (may be NULL). Ids must be those that the reference would give: the model's own id of the
 * content, else the next free one. Release also after a failure. */
int ts_added_parse(struct ts_added *, const json_t *value, const struct ts_bpe *, const struct ts_normalizer *, const char *place,
		   struct ts_error *err);
void ts_added_release(struct ts_added *);
/* The added token with this id, or NULL. */
const struct ts_added_token *ts_added_get(const struct ts_added *, int32_t id);

/* Cuts s[0..n) at the tokens of one tree, leftmost and longest first. Gaps are never empty; a token may take in white space.
 * Zero-initialise, then set added, tree, s, n. */
struct ts_added_walk {
	const struct ts_added *added;
	const struct ts_added_tree *tree;
	const char *s;
	size_t n;
	size_t from, given; /* where to search, and up to where parts were handed out */
	const struct ts_added_token *waiting;
	size_t stop; /* end of the waiting token */
};
/* true: the next part is s[*start..*end), *token names it, or is NULL for a gap. false: no more. */
bool ts_added_walk_next(struct ts_added_walk *, size_t *start, size_t *end, const struct ts_added_token **token);

#endif
