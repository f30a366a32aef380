/* Records stand in one array, one a page; lists are threaded through it by index. */
#include "generate/pages.h"

#include "core/mem.h"

#include <string.h>

enum { NONE = -1 };

struct record {
	int32_t ids[TS_KV_PAGE]; /* [filled] */
	size_t filled, users;
	uint32_t salt;
	int32_t above;          /* the page of the 64 positions before; NONE = the text begins here */
	int32_t below;          /* the first of those that follow this one */
	int32_t left, right;    /* others that follow the same page; `right` also threads the empty pages */
	int32_t older, younger; /* of those without users, by last use */
};

struct ts_pages {
	struct ts_backend *backend;
	const struct ts_kv_pool *pool;
	bool share;
	struct record *records;
	int32_t empty;          /* pages that hold nothing */
	int32_t first;          /* of the pages with which texts begin */
	int32_t oldest, newest; /* pages that hold something and have no users */
};

int ts_pages_new(struct ts_pages **out, struct ts_backend *backend, const struct ts_kv_pool *pool, bool share)
{
	struct ts_pages *p = *out = ts_calloc(1, sizeof(*p));
	if (!p)
		return TS_ENOMEM;
	*p = (struct ts_pages){.backend = backend, .pool = pool, .share = share, .first = NONE, .oldest = NONE, .newest = NONE};
	p->empty = pool->pages ? 0 : NONE;
	p->records = ts_calloc(pool->pages, sizeof(*p->records));
	if (!p->records) {
		ts_pages_free(p);
		*out = NULL;
		return TS_ENOMEM;
	}
	for (size_t i = 0; i < pool->pages; i++)
		p->records[i].right = i + 1 < pool->pages ? (int32_t)i + 1 : NONE;
	return 0;
}

void ts_pages_free(struct ts_pages *p)
{
	if (!p)
		return;
	ts_free(p->records);
	ts_free(p);
}

size_t ts_pages_record_bytes(void)
{
	return sizeof(struct record);
}

/* --- lists --- */

static int32_t *followers(struct ts_pages *p, int32_t above)
{
	return above == NONE ? &p->first : &p->records[above].below;
}

static void link_page(struct ts_pages *p, int32_t id, int32_t above)
{
	struct record *r = &p->records[id];
	int32_t *head = followers(p, above);
	r->above = above;
	r->left = NONE;
	r->right = *head;
	if (*head != NONE)
		p->records[*head].left = id;
	*head = id;
}

static void unlink_page(struct ts_pages *p, int32_t id)
{
	struct record *r = &p->records[id];
	if (r->left == NONE)
		*followers(p, r->above) = r->right;
	else
		p->records[r->left].right = r->right;
	if (r->right != NONE)
		p->records[r->right].left = r->left;
}

static void keep_for_later(struct ts_pages *p, int32_t id)
{
	struct record *r = &p->records[id];
	r->older = p->newest;
	r->younger = NONE;
	if (p->newest == NONE)
		p->oldest = id;
	else
		p->records[p->newest].younger = id;
	p->newest = id;
}

static void take_from_kept(struct ts_pages *p, int32_t id)
{
	struct record *r = &p->records[id];
	*(r->older == NONE ? &p->oldest : &p->records[r->older].younger) = r->younger;
	*(r->younger == NONE ? &p->newest : &p->records[r->younger].older) = r->older;
}

static void make_empty(struct ts_pages *p, int32_t id)
{
	if (p->share)
		unlink_page(p, id);
	p->records[id].right = p->empty;
	p->empty = id;
}

/* --- users --- */

static void acquire(struct ts_pages *p, int32_t id)
{
	if (!p->records[id].users++)
		take_from_kept(p, id);
}

static void release(struct ts_pages *p, int32_t id)
{
	struct record *r = &p->records[id];
	if (--r->users)
		return;
	if (p->share && r->filled)
		keep_for_later(p, id);
	else
		make_empty(p, id);
}

/* A page of one user that holds nothing yet; NONE when all have users. */
static int32_t take(struct ts_pages *p, int32_t above, uint32_t salt)
{
	int32_t id = p->empty;
	if (id == NONE && p->oldest != NONE) {
		id = p->oldest;
		take_from_kept(p, id);
		make_empty(p, id);
	}
	if (id == NONE)
		return NONE;
	struct record *r = &p->records[id];
	p->empty = r->right;
	r->filled = 0;
	r->users = 1;
	r->salt = salt;
	r->below = NONE;
	if (p->share)
		link_page(p, id, above);
	return id;
}

static int32_t last_page(const struct ts_page_run *run, size_t count)
{
	return count ? run->pages[count - 1] : NONE;
}

bool ts_pages_extend(struct ts_pages *p, struct ts_page_run *run, size_t tokens)
{
	while (run->count * TS_KV_PAGE < tokens) {
		int32_t id = take(p, last_page(run, run->count), run->salt);
		if (id == NONE)
			return false;
		run->pages[run->count++] = id;
	}
	return true;
}

void ts_pages_leave(struct ts_pages *p, struct ts_page_run *run)
{
	while (run->count)
		release(p, run->pages[--run->count]);
	run->filled = 0;
}

/* --- finding --- */

static size_t common(const int32_t *a, const int32_t *b, size_t n)
{
	size_t i = 0;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Of the pages that follow `above` the one that begins with most of ids[n]; *length of them. NONE when no first token fits. */
static int32_t find(const struct ts_pages *p, int32_t above, uint32_t salt, const int32_t *ids, size_t n, size_t *length)
{
	int32_t best = NONE, id = above == NONE ? p->first : p->records[above].below;
	for (*length = 0; id != NONE && *length < n && *length < TS_KV_PAGE; id = p->records[id].right) {
		const struct record *r = &p->records[id];
		size_t same = r->salt == salt ? common(r->ids, ids, r->filled < n ? r->filled : n) : 0;
		if (same > *length) {
			*length = same;
			best = id;
		}
	}
	return best;
}

size_t ts_pages_known(const struct ts_pages *p, const struct ts_page_run *run, const int32_t *ids, size_t most)
{
	size_t filled = run->filled, length = TS_KV_PAGE;
	int32_t at = last_page(run, run->count);
	if (!p->share || filled != run->count * TS_KV_PAGE)
		return filled;
	while (filled < most && length == TS_KV_PAGE) {
		at = find(p, at, run->salt, ids + filled, most - filled, &length);
		filled += length;
	}
	return filled;
}

/* A page of the run's own that begins with the first `length` positions of page `id`. */
static int32_t part_of(struct ts_pages *p, int32_t id, size_t length)
{
	struct record *r = &p->records[id];
	bool alone = !r->users && r->below == NONE;
	acquire(p, id); /* also so that it is not taken for the copy */
	if (alone) {
		r->filled = length;
		return id;
	}
	int32_t own = take(p, r->above, r->salt);
	if (own != NONE) {
		p->backend->ops->kv_copy(p->backend, p->pool, own, id);
		memcpy(p->records[own].ids, r->ids, length * sizeof(*r->ids));
		p->records[own].filled = length;
	}
	release(p, id);
	return own;
}

void ts_pages_share(struct ts_pages *p, struct ts_page_run *run, const int32_t *ids, size_t most)
{
	size_t length;
	if (!p->share)
		return;
	while (run->filled < most && run->filled == run->count * TS_KV_PAGE) {
		int32_t id = find(p, last_page(run, run->count), run->salt, ids + run->filled, most - run->filled, &length);
		if (id != NONE && length == TS_KV_PAGE)
			acquire(p, id);
		else if (id != NONE)
			id = part_of(p, id, length);
		if (id == NONE)
			return;
		run->pages[run->count++] = id;
		run->filled += length;
	}
}

/* --- filling --- */

/* Page b of the run has just become full: if another one holds the same, that one takes its place. */
static void merge(struct ts_pages *p, struct ts_page_run *run, size_t b)
{
	int32_t id = run->pages[b], other = *followers(p, p->records[id].above);
	const struct record *r = &p->records[id];
	for (; other != NONE; other = p->records[other].right) {
		const struct record *o = &p->records[other];
		if (other != id && o->filled == TS_KV_PAGE && o->salt == r->salt && !memcmp(o->ids, r->ids, sizeof(r->ids)))
			break;
	}
	if (other == NONE)
		return;
	acquire(p, other);
	if (b + 1 < run->count) { /* only this run can have pages below a page that was not full */
		unlink_page(p, run->pages[b + 1]);
		link_page(p, run->pages[b + 1], other);
	}
	p->records[id].users = 0;
	make_empty(p, id);
	run->pages[b] = other;
}

void ts_pages_fill(struct ts_pages *p, struct ts_page_run *run, const int32_t *ids, size_t n)
{
	for (size_t end = run->filled + n; run->filled < end;) {
		size_t b = run->filled / TS_KV_PAGE, at = run->filled % TS_KV_PAGE, left = end - run->filled;
		size_t some = left < TS_KV_PAGE - at ? left : TS_KV_PAGE - at;
		struct record *r = &p->records[run->pages[b]];
		memcpy(r->ids + at, ids + run->filled, some * sizeof(*ids));
		r->filled = at + some;
		run->filled += some;
		if (p->share && r->filled == TS_KV_PAGE)
			merge(p, run, b);
	}
}
