/* Which rows a step has. Every running place has its pending tokens: one when it decodes, the rest of its prompt before that.
 *
 * - Decoding is never held up: its rows are beside the budget of `prefill_chunk` prompt rows.
 * - The budget goes to the oldest prompt first; but one that is longer than the whole budget gets at most half of what is left while others
 *   wait, so that a short prompt does not stand behind a long one.
 * - A place whose prompt begins like an older one's that is still to be computed waits for it, where that saves enough rows. The oldest
 *   place never waits, so there is always a place that goes on, and whoever is waited for gets rows and pages first.
 * - Pages go to the oldest first: when none is left, the youngest place gives its own back and is computed again later. */
#include "generate/internal.h"

#include <string.h>

/* Fewer rows than this are sooner computed again than waited for: a step reads all weights, whatever its rows. */
enum { WORTH_WAITING = 16 };

static size_t pending(const struct place *p)
{
	return p->ids.len - p->run.filled;
}

/* Dynamic positions of a long prompt turn by its length, so its keys serve no other length. */
static uint32_t salt_of(const struct ts_model_config *g, size_t prompt)
{
	return g->rope_type == TS_ROPE_DYNAMIC && prompt > (size_t)g->rope_original_positions ? (uint32_t)prompt : 0;
}

/* --- places --- */

static void find_leader(struct engine *e, struct place *p)
{
	p->leader = NULL;
	p->expected = 0;
	for (size_t i = 0; e->options.share_prefixes && i < e->running; i++) {
		const struct place *q = e->order[i];
		size_t n = 0, most = p->ids.len - 1 < q->ids.len ? p->ids.len - 1 : q->ids.len;
		while (q->run.salt == p->run.salt && n < most && p->ids.data[n] == q->ids.data[n])
			n++;
		if (n > p->expected) {
			p->leader = q;
			p->leader_age = q->age;
			p->expected = n;
		}
	}
}

int ts_engine_take(struct engine *e, struct place *p, struct ts_error *err)
{
	const struct ts_request *r = &p->request;
	if (ts_vec_reserve(&p->ids, r->prompt_len + 16))
		return ts_fail_memory(err);
	memcpy(p->ids.data, r->prompt, r->prompt_len * sizeof(int32_t));
	p->ids.len = r->prompt_len;
	p->run.salt = salt_of(ts_model_config(e->model), r->prompt_len);
	p->used = true;
	p->age = e->admitted++;
	find_leader(e, p);
	e->order[e->running++] = p;
	e->stats.prompt_tokens += r->prompt_len;
	return 0;
}

void ts_engine_retire(struct engine *e, struct place *p)
{
	size_t i = 0;
	while (e->order[i] != p)
		i++;
	memmove(e->order + i, e->order + i + 1, (e->running - i - 1) * sizeof(*e->order));
	e->running--;
	ts_pages_leave(e->pages, &p->run);
	p->used = false;
}

/* --- rows --- */

/* The last token is always computed: the answer needs its logits. */
static bool must_wait(const struct engine *e, const struct place *p)
{
	const struct place *q = p->leader;
	if (!q || !q->used || q->age != p->leader_age || q->run.filled >= p->expected)
		return false;
	return p->expected >= ts_pages_known(e->pages, &p->run, p->ids.data, p->ids.len - 1) + WORTH_WAITING;
}

static void share(struct engine *e, struct place *p)
{
	size_t before = p->run.filled;
	ts_pages_share(e->pages, &p->run, p->ids.data, p->ids.len - 1);
	e->stats.shared += p->run.filled - before;
}

/* Shares the budget of prompt rows out. */
static void allot(struct engine *e)
{
	size_t chunk = e->options.prefill_chunk, budget = chunk;
	for (size_t i = 0; i < e->running; i++) {
		struct place *p = e->order[i];
		p->fed = p->allotted = 0;
		p->ready = pending(p) == 1;
		if (p->ready || !budget || must_wait(e, p))
			continue;
		share(e, p);
		p->ready = true;
		size_t left = pending(p);
		if (left == 1)
			continue; /* nothing but the last token: beside the budget */
		p->allotted = left < budget ? left : budget;
		if (left > chunk && p->allotted > (budget + 1) / 2)
			p->allotted = (budget + 1) / 2;
		budget -= p->allotted;
	}
	for (size_t i = 0; i < e->running && budget; i++) {
		struct place *p = e->order[i];
		size_t left = p->ready && pending(p) > 1 ? pending(p) - p->allotted : 0, more = left < budget ? left : budget;
		p->allotted += more;
		budget -= more;
	}
}

static void put_back(struct engine *e, struct place *p)
{
	ts_pages_leave(e->pages, &p->run);
	p->ready = false;
	e->stats.put_back++;
}

/* Makes sure the place has pages for its first `tokens` positions, taking them from younger places if it must. */
static bool get_pages(struct engine *e, struct place *p, size_t tokens)
{
	while (!ts_pages_extend(e->pages, &p->run, tokens)) {
		struct place *youngest = NULL;
		for (size_t i = e->running; !youngest && i-- > 0 && e->order[i] != p;)
			if (e->order[i]->run.count && !e->order[i]->fed)
				youngest = e->order[i];
		if (!youngest)
			return false;
		put_back(e, youngest);
	}
	return true;
}

static void feed(struct engine *e, struct place *p, size_t n, struct ts_batch *b)
{
	size_t at = p->run.filled;
	p->fed = n;
	e->lengths[b->segment_count] = p->request.prompt_len;
	e->segments[b->segment_count++] = (struct ts_segment){b->rows, n, at, p->run.pages};
	for (size_t t = 0; t < n; t++, b->rows++) {
		e->ids[b->rows] = p->ids.data[at + t];
		e->positions[b->rows] = (uint32_t)(at + t);
	}
	e->stats.computed += n;
	e->stats.keys += (double)n * ((double)at + ((double)n + 1) / 2);
}

/* Those with all their tokens in the batch: of one kind, behind the others. */
static size_t ask(struct engine *e, bool probed, struct ts_batch *b)
{
	size_t before = b->wanted_count;
	uint32_t row = 0;
	for (size_t i = 0; i < e->running; i++) {
		struct place *p = e->order[i];
		row += (uint32_t)p->fed;
		if (!p->fed || p->fed != pending(p) || (p->request.probe_count > 0) != probed)
			continue;
		e->asking[b->wanted_count] = (struct asking){.place = p, .row = row - 1};
		e->wanted[b->wanted_count++] = row - 1;
	}
	return b->wanted_count - before;
}

struct ts_batch ts_engine_batch(struct engine *e)
{
	struct ts_batch b = {.ids = e->ids,
			     .positions = e->positions,
			     .segments = e->segments,
			     .kv = &e->kv,
			     .adapter = e->adapter,
			     .lengths = e->lengths,
			     .wanted = e->wanted};
	allot(e);
	for (size_t i = 0; i < e->running; i++) {
		struct place *p = e->order[i];
		size_t n = !p->ready ? 0 : pending(p) == 1 ? 1 : p->allotted;
		if (n && get_pages(e, p, p->run.filled + n))
			feed(e, p, n, &b);
	}
	e->sampling = ask(e, false, &b);
	e->probing = ask(e, true, &b);
	e->stats.steps++;
	e->stats.asked += b.wanted_count;
	return b;
}

void ts_engine_computed(struct engine *e)
{
	for (size_t i = 0; i < e->running; i++)
		if (e->order[i]->fed)
			ts_pages_fill(e->pages, &e->order[i]->run, e->order[i]->ids.data, e->order[i]->fed);
}
