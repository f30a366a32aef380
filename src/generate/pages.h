/* Who has which page of the KV cache, and what stands in it.
 *
 * A page holds 64 positions of one text. A position's keys and values depend on the tokens up to it and on nothing else, so texts that
 * begin alike read the same pages: pages form a tree, each below the page of the 64 positions before it, found by comparing token ids. There
 * is no hash that could be mistaken. What else the keys depend on (dynamic RoPE: the prompt's length) is the `salt` of a text, and
 * texts of different salts share nothing.
 *
 * - A full page is read by any number of sequences and written by none. A page that is not full has one owner, which fills it.
 * - A text that leaves another inside a page gets a copy of that page, not of its rows alone: the copy costs the memory traffic of one page,
 *   computing a single row costs that of all weights. Where nobody else has the page (the next turn of a conversation) it is taken
 *   over as it is.
 * - Two sequences that filled a page with the same tokens at the same time end with one of the two: the numbers are the same bits.
 * - A page that no sequence has stays in the tree until it is needed; the least recently used goes first. A sequence gives its last page
 *   back first, so a page never goes before those below it.
 *
 * With `share` off every sequence has pages of its own, given back when it leaves. */
#ifndef TS_GENERATE_PAGES_H
#define TS_GENERATE_PAGES_H

#include "tensor/backend.h"

/* One sequence: its first `filled` positions are in its first pages. Zero-initialised but for `pages` and `salt`. */
struct ts_page_run {
	int32_t *pages; /* the caller's memory, enough for the longest text; what ts_segment.pages wants */
	size_t count, filled;
	uint32_t salt;
};

struct ts_pages;

/* Gives out the pages of `pool`, which must outlive it. TS_ENOMEM. */
int ts_pages_new(struct ts_pages **out, struct ts_backend *, const struct ts_kv_pool *pool, bool share);
void ts_pages_free(struct ts_pages *);
/* Of host memory, for each page. */
size_t ts_pages_record_bytes(void);

/* How many of the text's first `most` positions ts_pages_share would make filled. */
size_t ts_pages_known(const struct ts_pages *, const struct ts_page_run *, const int32_t *ids, size_t most);
/* Takes over what is known of the text ids[most] beyond what is filled; nothing when the run ends inside a page. */
void ts_pages_share(struct ts_pages *, struct ts_page_run *, const int32_t *ids, size_t most);
/* Pages for the first `tokens` positions, unused ones first, then known ones that no sequence has. False when there are not enough: the
 * run keeps what it got. */
bool ts_pages_extend(struct ts_pages *, struct ts_page_run *, size_t tokens);
/* The keys of the next n positions are in the run's pages now; ids is the text from its beginning. */
void ts_pages_fill(struct ts_pages *, struct ts_page_run *, const int32_t *ids, size_t n);
/* The run is empty afterwards. */
void ts_pages_leave(struct ts_pages *, struct ts_page_run *);

#endif
