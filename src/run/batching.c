#include "run/batching.h"

#include "tensor/backend.h"

#include <stdlib.h>
#include <string.h>

struct place {
	struct ts_batching_request *request;
	size_t length, end; /* ids now, and when it is finished */
	size_t computed, pages, allotted, fed;
	bool ready, asks;
};

struct batching {
	const struct ts_batching_limits *limits;
	struct place *places; /* [running] oldest first */
	size_t running, free_pages;
};

static size_t pages_for(size_t tokens)
{
	return (tokens + TS_KV_PAGE - 1) / TS_KV_PAGE;
}

static void give_back(struct batching *b, struct place *p)
{
	b->free_pages += p->pages;
	p->pages = p->computed = 0;
	p->ready = false;
}

static size_t pending(const struct place *p)
{
	return p->length - p->computed;
}

/* As the engine: pages come from younger places that are not in this step. */
static bool get_pages(struct batching *b, size_t index, size_t tokens)
{
	struct place *p = &b->places[index];
	while (p->pages < pages_for(tokens)) {
		for (size_t i = b->running; !b->free_pages && i-- > index + 1;)
			if (b->places[i].pages && !b->places[i].fed)
				give_back(b, &b->places[i]);
		if (!b->free_pages)
			return false;
		b->free_pages--;
		p->pages++;
	}
	return true;
}

/* As the engine: a prompt longer than the budget leaves half of it to those behind. */
static void allot(struct batching *b)
{
	size_t chunk = b->limits->chunk, budget = chunk;
	for (size_t i = 0; i < b->running; i++) {
		struct place *p = &b->places[i];
		p->fed = p->allotted = 0;
		p->asks = false;
		p->ready = pending(p) == 1;
		if (p->ready || !budget)
			continue;
		if (p->computed < p->request->shared && !p->pages)
			p->computed = p->request->shared;
		p->ready = true;
		size_t left = pending(p);
		if (left == 1)
			continue;
		p->allotted = left < budget ? left : budget;
		if (left > chunk && p->allotted > (budget + 1) / 2)
			p->allotted = (budget + 1) / 2;
		budget -= p->allotted;
	}
	for (size_t i = 0; i < b->running && budget; i++) {
		struct place *p = &b->places[i];
		size_t left = p->ready && pending(p) > 1 ? pending(p) - p->allotted : 0, more = left < budget ? left : budget;
		p->allotted += more;
		budget -= more;
	}
}

static struct ts_batching_step build(struct batching *b)
{
	struct ts_batching_step s = {0};
	allot(b);
	for (size_t i = 0; i < b->running; i++) {
		struct place *p = &b->places[i];
		size_t n = !p->ready ? 0 : pending(p) == 1 ? 1 : p->allotted;
		if (!n || !get_pages(b, i, p->computed + n))
			continue;
		p->fed = n;
		p->asks = n == pending(p);
		s.context += (double)n * ((double)p->computed + ((double)n + 1) / 2);
		s.sampled += p->asks;
		s.prompt += n - p->asks;
	}
	return s;
}

static void finish(struct batching *b)
{
	size_t left = 0;
	for (size_t i = 0; i < b->running; i++) {
		struct place *p = &b->places[i];
		p->computed += p->fed;
		p->length += p->asks;
		p->request->got += p->asks;
		if (p->asks && p->length >= p->end)
			give_back(b, p);
		else
			b->places[left++] = *p;
	}
	b->running = left;
}

int ts_batching_run(const struct ts_batching_limits *limits, struct ts_batching_request *requests, size_t n,
		    void (*step)(void *user, const struct ts_batching_step *), void *user)
{
	struct batching b = {.limits = limits, .free_pages = limits->pages};
	size_t next = 0;
	b.places = ts_calloc(limits->batch, sizeof(*b.places));
	if (!b.places)
		return TS_ENOMEM;
	for (size_t steps = 0; steps < limits->steps; steps++) {
		for (; b.running < limits->batch && next < n; next++) {
			size_t prompt = requests[next].prompt, answer = requests[next].answer;
			requests[next].got = 0;
			b.places[b.running++] = (struct place){.request = &requests[next],
							       .length = prompt,
							       .end = answer > SIZE_MAX - prompt ? SIZE_MAX : prompt + answer};
		}
		if (!b.running)
			break;
		struct ts_batching_step s = build(&b);
		if (!s.sampled && !s.prompt)
			break; /* a request that does not fit: the engine refuses it */
		step(user, &s);
		finish(&b);
	}
	ts_free(b.places);
	return 0;
}

double ts_step_seconds(const struct ts_step_cost *c, const struct ts_batching_step *s)
{
	return c->fixed + (double)s->sampled * c->per_sampled + (double)s->prompt * c->per_prompt + s->context * c->per_key;
}

/* --- what prompts have in common --- */

static int by_ids(const void *x, const void *y)
{
	const struct ts_batching_prompt *const *a = x, *const *b = y;
	size_t n = (*a)->len < (*b)->len ? (*a)->len : (*b)->len;
	for (size_t i = 0; i < n; i++)
		if ((*a)->ids[i] != (*b)->ids[i])
			return (*a)->ids[i] < (*b)->ids[i] ? -1 : 1;
	return (*a)->len<(*b)->len ? -1 : (*a)->len>(*b)->len;
}

/* In order of their ids every prompt stands behind the one with which it has most in common. */
int ts_batching_shared(const struct ts_batching_prompt *prompts, size_t n, size_t *shared)
{
	const struct ts_batching_prompt **order = ts_calloc(n, sizeof(*order));
	if (!order)
		return TS_ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &prompts[i];
	qsort(order, n, sizeof(*order), by_ids);
	for (size_t i = 0; i < n; i++) {
		const struct ts_batching_prompt *p = order[i], *before = i ? order[i - 1] : NULL;
		size_t same = 0; /* the last token is always computed */
		while (before && same < before->len && same + 1 < p->len && p->ids[same] == before->ids[same])
			same++;
		shared[p - prompts] = same;
	}
	ts_free(order);
	return 0;
}

/* --- what a step costs --- */

void ts_step_fit_add(struct ts_step_fit *f, const struct ts_batching_step *s, double seconds)
{
	const double terms[TS_STEP_TERMS] = {1, (double)s->sampled, (double)s->prompt, s->context};
	for (int i = 0; i < TS_STEP_TERMS; i++) {
		for (int k = 0; k < TS_STEP_TERMS; k++)
			f->products[i][k] += terms[i] * terms[k];
		f->sums[i] += terms[i] * seconds;
	}
	f->steps++;
}

/* Gauss with pivots over the terms in use; a term that the data does not tell apart from others becomes 0. */
static void solve(const struct ts_step_fit *f, const bool *use, double *x)
{
	double m[TS_STEP_TERMS][TS_STEP_TERMS + 1];
	bool done[TS_STEP_TERMS] = {false};
	int pivot_row[TS_STEP_TERMS];
	for (int i = 0; i < TS_STEP_TERMS; i++) {
		for (int k = 0; k < TS_STEP_TERMS; k++)
			m[i][k] = use[i] && use[k] ? f->products[i][k] : 0;
		m[i][TS_STEP_TERMS] = use[i] ? f->sums[i] : 0;
		pivot_row[i] = -1;
	}
	for (int column = 0; column < TS_STEP_TERMS; column++) {
		int best = -1;
		for (int i = 0; i < TS_STEP_TERMS; i++)
			if (!done[i] && (best < 0 || __builtin_fabs(m[i][column]) > __builtin_fabs(m[best][column])))
				best = i;
		if (!use[column] || __builtin_fabs(m[best][column]) <= 1e-9 * f->products[column][column])
			continue;
		done[best] = true;
		pivot_row[column] = best;
		for (int i = 0; i < TS_STEP_TERMS; i++) {
			double factor = i == best ? 0 : m[i][column] / m[best][column];
			for (int k = 0; k <= TS_STEP_TERMS && i != best; k++)
				m[i][k] -= factor * m[best][k];
		}
	}
	for (int i = 0; i < TS_STEP_TERMS; i++)
		x[i] = pivot_row[i] < 0 ? 0 : m[pivot_row[i]][TS_STEP_TERMS] / m[pivot_row[i]][i];
}

struct ts_step_cost ts_step_fit_cost(const struct ts_step_fit *f)
{
	bool use[TS_STEP_TERMS] = {true, true, true, true};
	double x[TS_STEP_TERMS] = {0};
	for (int round = 0; f->steps && round < TS_STEP_TERMS; round++) {
		int lowest = -1;
		solve(f, use, x);
		for (int i = 0; i < TS_STEP_TERMS; i++)
			if (x[i] < 0 && (lowest < 0 || x[i] * f->products[i][i] < x[lowest] * f->products[lowest][lowest]))
				lowest = i;
		if (lowest < 0)
			break;
		use[lowest] = false;
	}
	for (int i = 0; i < TS_STEP_TERMS; i++)
		x[i] = x[i] > 0 ? x[i] : 0;
	return (struct ts_step_cost){x[0], x[1], x[2], x[3]};
}

/* --- a whole list --- */

struct clock {
	const struct ts_step_cost *cost;
	double seconds;
};

static void add_step(void *user, const struct ts_batching_step *s)
{
	struct clock *c = user;
	c->seconds += ts_step_seconds(c->cost, s);
}

int ts_batching_seconds(const struct ts_batching_limits *limits, struct ts_batching_request *requests, size_t n,
			const struct ts_step_cost *cost, double *seconds)
{
	/* Long enough that the places fill and drain, and that the second half is the steady state. */
	size_t some = 512 + 8 * limits->batch;
	struct clock all = {cost, 0}, half = {cost, 0};
	*seconds = 0;
	if (n <= some) {
		TS_TRY(ts_batching_run(limits, requests, n, add_step, &all));
		*seconds = all.seconds;
		return 0;
	}
	TS_TRY(ts_batching_run(limits, requests, some, add_step, &all));
	TS_TRY(ts_batching_run(limits, requests, some / 2, add_step, &half));
	size_t second_half = some - some / 2;
	*seconds = all.seconds + (double)(n - some) * (all.seconds - half.seconds) / (double)second_half;
	return 0;
}
