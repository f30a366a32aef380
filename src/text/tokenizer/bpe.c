/* A word is a doubly linked list of symbols in an array. Short words are merged by scanning for the best pair again and again;
 * long ones (a text without spaces can be one word) with a heap, so that time stays n log n.
 * Words seen before in the same call are copied from the ids written then: the cache keeps the position, not the ids. */
#include "text/tokenizer/bpe.h"

#include "text/unicode.h"

#include <string.h>

#define NONE      UINT32_MAX
#define SCAN_MOST 32 /* symbols up to which scanning beats the heap */

uint32_t ts_bpe_byte_char(unsigned char b)
{
	if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD))
		return b;
	/* The others follow from U+0100 on, in order: 00..20, 7F..A0, AD. */
	return b <= 0x20 ? 0x100u + b : b == 0xAD ? 0x143u : 0x121u + (b - 0x7Fu);
}

int ts_bpe_char_byte(uint32_t c)
{
	if (c <= 0xFF)
		return ts_bpe_byte_char((unsigned char)c) == c ? (int)c : -1;
	if (c <= 0x120)
		return (int)(c - 0x100);
	if (c <= 0x142)
		return (int)(c - 0x121 + 0x7F);
	return c == 0x143 ? 0xAD : -1;
}

int ts_bpe_run_init(struct ts_bpe_run *run, const struct ts_bpe *model, size_t text_size)
{
	*run = (struct ts_bpe_run){.model = model};
	if (text_size < 512 || (!model->bytes && !model->cut_marks))
		return 0;
	size_t count = 64;
	while (count < text_size / 8 && count < 16384)
		count *= 2;
	run->cache = ts_calloc(count, sizeof(*run->cache));
	run->cache_mask = count - 1;
	return run->cache ? 0 : TS_ENOMEM;
}

void ts_bpe_run_release(struct ts_bpe_run *run)
{
	ts_vec_release(&run->symbols);
	ts_vec_release(&run->heap);
	ts_str_release(&run->key);
	ts_free(run->cache);
	run->cache = NULL;
}

static uint64_t hash_word(const char *s, size_t n)
{
	uint64_t h = 0x9E3779B97F4A7C15u ^ n, word;
	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&word, s, 8);
		h = (h ^ word) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
	}
	word = 0;
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)(unsigned char)s[i] << 8 * i;
	h = (h ^ word) * 0xD6E8FEB86659FD93u;
	return h ^ h >> 32;
}

static inline const struct ts_bpe_merge *find_merge(const struct ts_bpe *m, uint32_t left, uint32_t right)
{
	uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
	for (size_t i = (h >> 32) & (m->merge_slots - 1);; i = (i + 1) & (m->merge_slots - 1)) {
		const struct ts_bpe_merge *e = &m->merges[i];
		if (e->left == left && e->right == right)
			return e;
		if (e->left == NONE)
			return NULL;
	}
}

static int push_symbol(struct ts_bpe_run *run, int32_t id)
{
	uint32_t at = (uint32_t)run->symbols.len;
	struct ts_bpe_symbol s = {(uint32_t)id, at ? at - 1 : NONE, at + 1, 1};
	return ts_vec_push(&run->symbols, s) ? TS_ENOMEM : 0;
}

/* Id of the character s[0..n), with the prefix and suffix that its place in the word asks for; -1 when it has none. */
static int find_char(struct ts_bpe_run *run, const char *s, size_t n, bool first, bool last, int32_t *id)
{
	const struct ts_bpe *m = run->model;
	bool prefix = m->prefix && !first, suffix = m->suffix && last;
	run->key.len = 0;
	if (prefix)
		TS_TRY(ts_str_puts(&run->key, m->prefix));
	TS_TRY(ts_str_append(&run->key, s, n));
	if (suffix)
		TS_TRY(ts_str_puts(&run->key, m->suffix));
	const int64_t *found = ts_map_get(&m->vocab, run->key.data, run->key.len);
	*id = found ? (int32_t)*found : -1;
	return 0;
}

/* The bytes of run->key as "<0xHH>" tokens; *done = false when one of them is not in the vocabulary. */
static int push_bytes(struct ts_bpe_run *run, bool *done)
{
	*done = false;
	for (size_t i = 0; i < run->key.len; i++)
		if (run->model->byte_tokens[(unsigned char)run->key.data[i]] < 0)
			return 0;
	for (size_t i = 0; i < run->key.len; i++)
		TS_TRY(push_symbol(run, run->model->byte_tokens[(unsigned char)run->key.data[i]]));
	*done = true;
	return 0;
}

/* Characters of the word as symbols. As in the reference, an unknown character waits (`pending`) until a known one comes;
 * byte tokens do not end the waiting, so they come before it. */
static int split_chars(struct ts_bpe_run *run, const char *s, size_t n)
{
	const struct ts_bpe *m = run->model;
	bool pending = false, plain = !m->prefix && !m->suffix;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_unicode_next(s + i, &c);
		int32_t id = -1;
		if (plain && c < 128)
			id = m->ascii[c];
		if (id < 0)
			TS_TRY(find_char(run, s + i, used, i == 0, i + used == n, &id));
		i += used;
		if (id >= 0) {
			if (pending)
				TS_TRY(push_symbol(run, m->unk));
			pending = false;
			TS_TRY(push_symbol(run, id));
			continue;
		}
		bool done = false;
		if (m->byte_fallback)
			TS_TRY(push_bytes(run, &done));
		if (done || m->unk < 0)
			continue;
		if (pending && !m->fuse_unk)
			TS_TRY(push_symbol(run, m->unk));
		pending = true;
	}
	return pending ? push_symbol(run, m->unk) : 0;
}

/* The word with every byte written as its byte-level character. */
static int spell(struct ts_str *out, const char *s, size_t n)
{
	out->len = 0;
	for (size_t i = 0; i < n; i++)
		TS_TRY(ts_str_put_utf8(out, ts_bpe_byte_char((unsigned char)s[i])));
	return 0;
}

static int split_bytes(struct ts_bpe_run *run, const char *s, size_t n)
{
	const struct ts_bpe *m = run->model;
	if (ts_vec_reserve(&run->symbols, n))
		return TS_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int32_t id = m->alphabet[(unsigned char)s[i]];
		if (id < 0) { /* an incomplete alphabet: let the general way deal with unknown characters */
			struct ts_str spelt = {0};
			int status = spell(&spelt, s, n);
			run->symbols.len = 0;
			if (!status)
				status = split_chars(run, spelt.data, spelt.len);
			ts_str_release(&spelt);
			return status;
		}
		uint32_t at = (uint32_t)i;
		run->symbols.data[i] = (struct ts_bpe_symbol){(uint32_t)id, at ? at - 1 : NONE, at + 1, 1};
	}
	run->symbols.len = n;
	return 0;
}

/* Symbol `at` takes in its right neighbour and becomes `result`. */
static void join(struct ts_bpe_symbol *s, uint32_t at, uint32_t result)
{
	uint32_t right = s[at].next, next = s[right].next;
	s[at].id = result;
	s[at].next = next;
	s[right].live = 0;
	if (next != NONE)
		s[next].prev = at;
}

/* Each pair's rank is looked up once and then kept beside it: ranks[i] belongs to the pair that starts at symbol i. */
static void merge_scan(const struct ts_bpe *m, struct ts_bpe_symbol *s, size_t n)
{
	uint32_t ranks[SCAN_MOST], results[SCAN_MOST];
	size_t count = n;
	for (size_t i = 0; i + 1 < n; i++) {
		const struct ts_bpe_merge *e = find_merge(m, s[i].id, s[i + 1].id);
		ranks[i] = e ? e->rank : NONE;
		results[i] = e ? e->result : 0;
	}
	ranks[n - 1] = NONE;
	results[n - 1] = 0;
	for (;;) {
		size_t best = 0;
		for (size_t i = 1; i + 1 < count; i++)
			if (ranks[i] < ranks[best])
				best = i;
		if (count < 2 || ranks[best] == NONE)
			break;
		s[best].id = results[best];
		count--;
		for (size_t i = best + 1; i < count; i++) {
			s[i].id = s[i + 1].id;
			ranks[i] = ranks[i + 1];
			results[i] = results[i + 1];
		}
		for (size_t i = best ? best - 1 : 0; i <= best; i++) {
			const struct ts_bpe_merge *e = i + 1 < count ? find_merge(m, s[i].id, s[i + 1].id) : NULL;
			ranks[i] = e ? e->rank : NONE;
			results[i] = e ? e->result : 0;
		}
	}
	for (size_t i = count; i < n; i++)
		s[i].live = 0;
}

static bool before(const struct ts_bpe_candidate *a, const struct ts_bpe_candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static int heap_push(struct ts_bpe_run *run, uint32_t at)
{
	const struct ts_bpe_symbol *s = run->symbols.data;
	if (s[at].next == NONE)
		return 0;
	const struct ts_bpe_merge *e = find_merge(run->model, s[at].id, s[s[at].next].id);
	if (!e)
		return 0;
	struct ts_bpe_candidate c = {e->rank, at, e->result};
	if (ts_vec_push(&run->heap, c))
		return TS_ENOMEM;
	struct ts_bpe_candidate *h = run->heap.data;
	size_t i = run->heap.len - 1;
	for (; i > 0 && before(&c, &h[(i - 1) / 2]); i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = c;
	return 0;
}

static struct ts_bpe_candidate heap_pop(struct ts_bpe_run *run)
{
	struct ts_bpe_candidate *h = run->heap.data, top = h[0], last = h[--run->heap.len];
	size_t n = run->heap.len, i = 0;
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && before(&h[child + 1], &h[child]))
			child++;
		if (!before(&h[child], &last))
			break;
		h[i] = h[child];
	}
	h[i] = last;
	return top;
}

static int merge_heap(struct ts_bpe_run *run)
{
	struct ts_bpe_symbol *s = run->symbols.data;
	run->heap.len = 0;
	for (size_t i = 0; i + 1 < run->symbols.len; i++)
		TS_TRY(heap_push(run, (uint32_t)i));
	while (run->heap.len) {
		struct ts_bpe_candidate top = heap_pop(run);
		if (!s[top.at].live || s[top.at].next == NONE)
			continue;
		const struct ts_bpe_merge *e = find_merge(run->model, s[top.at].id, s[s[top.at].next].id);
		if (!e || e->result != top.result) /* the pair has changed since */
			continue;
		join(s, top.at, top.result);
		if (s[top.at].prev != NONE)
			TS_TRY(heap_push(run, s[top.at].prev));
		TS_TRY(heap_push(run, top.at));
	}
	return 0;
}

static int merge_word(struct ts_bpe_run *run, const char *word, size_t n, ts_ids *ids)
{
	run->symbols.len = 0;
	TS_TRY(run->model->bytes ? split_bytes(run, word, n) : split_chars(run, word, n));
	size_t count = run->symbols.len;
	if (!count)
		return 0;
	run->symbols.data[count - 1].next = NONE;
	if (count <= SCAN_MOST)
		merge_scan(run->model, run->symbols.data, count);
	else
		TS_TRY(merge_heap(run));
	if (ts_vec_reserve(ids, ids->len + count))
		return TS_ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (run->symbols.data[i].live)
			ids->data[ids->len++] = (int32_t)run->symbols.data[i].id;
	return 0;
}

/* The whole word when the vocabulary has it and merges do not matter; -1 otherwise. */
static int find_whole(struct ts_bpe_run *run, const char *word, size_t n, int32_t *id)
{
	const struct ts_bpe *m = run->model;
	*id = -1;
	if (!m->ignore_merges)
		return 0;
	if (m->bytes) {
		TS_TRY(spell(&run->key, word, n));
		word = run->key.data;
		n = run->key.len;
	}
	const int64_t *found = ts_map_get(&m->vocab, word, n);
	*id = found ? (int32_t)*found : -1;
	return 0;
}

static int encode(struct ts_bpe_run *run, const char *word, size_t n, ts_ids *ids)
{
	int32_t whole;
	TS_TRY(find_whole(run, word, n, &whole));
	if (whole < 0)
		return merge_word(run, word, n, ids);
	return ts_vec_push(ids, whole) ? TS_ENOMEM : 0;
}

/* From the cache, or encoded and then kept there. */
static int encode_cached(struct ts_bpe_run *run, const char *word, size_t n, ts_ids *ids)
{
	if (!run->cache || n > sizeof(run->cache->word))
		return encode(run, word, n, ids);
	uint64_t hash = hash_word(word, n);
	struct ts_bpe_cached *e = &run->cache[hash & run->cache_mask];
	if (e->hash == hash && e->len == n && !memcmp(e->word, word, n)) {
		if (ts_vec_reserve(ids, ids->len + e->count))
			return TS_ENOMEM;
		memcpy(ids->data + ids->len, ids->data + e->at, e->count * sizeof(*ids->data));
		ids->len += e->count;
		return 0;
	}
	size_t at = ids->len;
	TS_TRY(encode(run, word, n, ids));
	size_t count = ids->len - at;
	if (count > UINT8_MAX)
		return 0;
	*e = (struct ts_bpe_cached){.hash = hash, .at = at, .len = (uint8_t)n, .count = (uint8_t)count};
	memcpy(e->word, word, n);
	return 0;
}

static bool is_mark(const char *s, size_t n)
{
	return n >= 3 && !memcmp(s, "\xE2\x96\x81", 3);
}

/* Length of the first part of a word that may be cut at marks: marks, then other characters. */
static size_t marked_part(const char *s, size_t n)
{
	size_t i = 0;
	while (is_mark(s + i, n - i))
		i += 3;
	while (i < n && !is_mark(s + i, n - i))
		i++;
	return i;
}

int ts_bpe_word(struct ts_bpe_run *run, const char *word, size_t n, ts_ids *ids)
{
	if (n > INT32_MAX)
		return TS_ELIMIT;
	bool cut = run->model->cut_marks && !run->model->bytes;
	while (n) {
		size_t part = cut ? marked_part(word, n) : n;
		TS_TRY(encode_cached(run, word, part, ids));
		word += part;
		n -= part;
	}
	return 0;
}
