/* A step: admit requests into free places; give every running sequence its pending tokens (one when decoding, up to the chunk's
 * budget when its prompt is still being computed); one forward pass; sample for those whose pending tokens are all computed. */
#include "generate/engine.h"

#include "core/mem.h"

#include <string.h>

struct place {
	bool used;    /* not used: with `reuse`, ids and pages are those of its last sequence, for the next one that begins alike */
	uint64_t age; /* admission number: the pool's pages go to the oldest first */
	struct ts_request request;
	TS_VEC(int32_t) ids; /* prompt, then generated */
	size_t last_prompt;  /* length of the prompt that the keys were computed for */
	size_t computed;     /* ids whose keys and values are in the pool */
	int32_t *pages;      /* [max_pages] */
	size_t page_count;
	size_t fed; /* tokens given to the current step */
};

struct engine {
	struct ts_responder responder;
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	struct ts_engine_options options;
	int32_t stop_ids[64];
	size_t max_length, max_pages, max_rows;
	struct ts_workspace *workspace;
	struct ts_kv_pool kv;
	int32_t *free_pages;
	size_t free_count;
	struct place *places;
	struct place **order; /* used places, oldest first */
	size_t running;
	uint64_t admitted;
	/* one step's batch */
	int32_t *ids;
	uint32_t *positions, *wanted;
	struct ts_segment *segments;
	size_t *lengths;
	struct place **asking; /* whose last row is wanted, in the order of `wanted` */
	float *logits, *lse, *picked;
	int32_t *no_targets; /* [batch] all -1: a probe wants only the normaliser */
	struct ts_candidate *candidates;
};

const char *ts_finish_name(enum ts_finish f)
{
	static const char *const names[] = {"stop", "length", "context"};
	return names[f];
}

void ts_engine_options_default(struct ts_engine_options *o)
{
	*o = (struct ts_engine_options){.batch = 64, .prefill_chunk = 512, .kv_dtype = TS_F32};
}

size_t ts_engine_stop_ids(const struct ts_model_config *config, int32_t tokenizer_eos, int32_t *ids, size_t room)
{
	size_t n = 0;
	for (int i = 0; i < config->eos_count && n < room; i++)
		ids[n++] = config->eos_ids[i];
	for (size_t i = 0; i < n; i++)
		if (ids[i] == tokenizer_eos)
			return n;
	if (tokenizer_eos >= 0 && n < room)
		ids[n++] = tokenizer_eos;
	return n;
}

static size_t pages_for(size_t tokens)
{
	return (tokens + TS_KV_PAGE - 1) / TS_KV_PAGE;
}

/* Keeps the pages of the first `computed` positions. */
static void give_back_pages(struct engine *e, struct place *p, size_t computed)
{
	while (p->page_count > pages_for(computed))
		e->free_pages[e->free_count++] = p->pages[--p->page_count];
	p->computed = computed;
}

/* Makes sure the place has pages for its first `tokens` positions, taking them from idle and then from younger places if it must. */
static bool get_pages(struct engine *e, struct place *p, size_t tokens)
{
	while (p->page_count < pages_for(tokens)) {
		for (size_t i = 0; !e->free_count && i < e->options.batch; i++)
			if (!e->places[i].used)
				give_back_pages(e, &e->places[i], 0);
		for (size_t i = e->running; !e->free_count && i-- > 0 && e->order[i] != p;)
			if (e->order[i]->page_count && !e->order[i]->fed)
				give_back_pages(e, e->order[i], 0);
		if (!e->free_count)
			return false;
		p->pages[p->page_count++] = e->free_pages[--e->free_count];
	}
	return true;
}

static int check_request(const struct engine *e, const struct ts_request *r, struct ts_error *err)
{
	const struct ts_model_config *g = ts_model_config(e->model);
	if (!r->prompt_len || r->prompt_len > (size_t)g->max_positions)
		return ts_fail(err, TS_ELIMIT, "request %zu: a prompt of %zu tokens, expected 1 to %d (the model's context)", r->index,
			       r->prompt_len, g->max_positions);
	for (size_t i = 0; i < r->prompt_len; i++)
		if (r->prompt[i] < 0 || r->prompt[i] >= g->vocab_size)
			return ts_fail(err, TS_EMISMATCH, "request %zu: token id %d, expected 0 to %d (the model's vocabulary)", r->index,
				       r->prompt[i], g->vocab_size - 1);
	size_t longest = r->prompt_len + (r->probe_count ? 0 : r->sampling.max_new_tokens);
	size_t context = (size_t)g->max_positions;
	if (pages_for(longest < context ? longest : context) > e->kv.pages)
		return ts_fail(err, TS_ELIMIT,
			       "request %zu: up to %zu tokens do not fit the KV cache of %zu positions; "
			       "allow more memory or fewer new tokens",
			       r->index, longest, e->kv.pages * TS_KV_PAGE);
	return 0;
}

/* How many of the place's computed positions serve the prompt. Its last token is always computed: the answer needs its logits. Dynamic
 * positions of a long prompt turn by its length, so another's do not serve. */
static size_t common_prefix(const struct engine *e, const struct place *p, const struct ts_request *r)
{
	const struct ts_model_config *g = ts_model_config(e->model);
	size_t n = 0, longer = p->last_prompt > r->prompt_len ? p->last_prompt : r->prompt_len;
	if (g->rope_type == TS_ROPE_DYNAMIC && longer > (size_t)g->rope_original_positions)
		return 0;
	while (n < p->computed && n + 1 < r->prompt_len && p->ids.data[n] == r->prompt[n])
		n++;
	return n;
}

/* Fill free places. Returns 1 while the source may have more. */
static int admit(struct engine *e, const struct ts_source *source, struct ts_error *err)
{
	for (size_t i = 0; i < e->options.batch; i++) {
		struct place *p = &e->places[i];
		if (p->used)
			continue;
		int got = source->next(source->user, &p->request);
		if (got <= 0)
			return got;
		TS_TRY(check_request(e, &p->request, err));
		give_back_pages(e, p, common_prefix(e, p, &p->request));
		p->last_prompt = p->request.prompt_len;
		if (ts_vec_reserve(&p->ids, p->request.prompt_len + 16))
			return ts_fail_memory(err);
		memcpy(p->ids.data, p->request.prompt, p->request.prompt_len * sizeof(int32_t));
		p->ids.len = p->request.prompt_len;
		p->used = true;
		p->age = e->admitted++;
		p->fed = 0;
		e->order[e->running++] = p;
	}
	return 1;
}

static void retire(struct engine *e, struct place *p)
{
	size_t i = 0;
	while (e->order[i] != p)
		i++;
	memmove(e->order + i, e->order + i + 1, (e->running - i - 1) * sizeof(*e->order));
	e->running--;
	if (!e->options.reuse)
		give_back_pages(e, p, 0);
	p->used = false;
}

/* Collects the step's rows, oldest place first. */
static struct ts_batch build_batch(struct engine *e, size_t *asking)
{
	struct ts_batch b = {.ids = e->ids,
			     .positions = e->positions,
			     .segments = e->segments,
			     .kv = &e->kv,
			     .adapter = e->adapter,
			     .lengths = e->lengths,
			     .wanted = e->wanted};
	size_t budget = e->options.prefill_chunk;
	for (size_t i = 0; i < e->running; i++)
		e->order[i]->fed = 0;
	for (size_t i = 0; i < e->running; i++) {
		struct place *p = e->order[i];
		size_t pending = p->ids.len - p->computed, n = pending;
		if (pending > 1) {
			n = pending < budget ? pending : budget;
			if (!n)
				continue;
		}
		if (!get_pages(e, p, p->computed + n))
			continue;
		if (pending > 1)
			budget -= n;
		p->fed = n;
		e->lengths[b.segment_count] = p->request.prompt_len;
		e->segments[b.segment_count++] = (struct ts_segment){b.rows, n, p->computed, p->pages};
		for (size_t t = 0; t < n; t++, b.rows++) {
			e->ids[b.rows] = p->ids.data[p->computed + t];
			e->positions[b.rows] = (uint32_t)(p->computed + t);
		}
		if (n == pending) {
			e->asking[b.wanted_count] = p;
			e->wanted[b.wanted_count++] = (uint32_t)b.rows - 1;
		}
	}
	*asking = b.wanted_count;
	return b;
}

static bool is_stop(const struct engine *e, int32_t id)
{
	for (size_t i = 0; i < e->options.stop_count; i++)
		if (e->stop_ids[i] == id)
			return true;
	return false;
}

static int finish(struct engine *e, struct place *p, const struct ts_source *source, struct ts_answer *answer)
{
	answer->ids = p->ids.data + p->request.prompt_len;
	answer->len = p->ids.len - p->request.prompt_len;
	int status = source->done(source->user, &p->request, answer);
	retire(e, p);
	return status;
}

static int answer_probe(struct engine *e, struct place *p, const struct ts_source *source, const float *logits, float lse)
{
	struct ts_answer answer = {.finish = TS_FINISH_STOP};
	for (int i = 0; i < p->request.probe_count; i++) {
		answer.probe_logprobs[i] = logits[p->request.probes[i]] - lse;
		if (!__builtin_isfinite(answer.probe_logprobs[i]))
			answer.status = TS_ENUMERIC;
	}
	return finish(e, p, source, &answer);
}

static int extend(struct engine *e, struct place *p, const struct ts_source *source, const float *logits)
{
	const struct ts_request *r = &p->request;
	struct ts_answer answer = {.finish = TS_FINISH_LENGTH};
	size_t context = (size_t)ts_model_config(e->model)->max_positions;
	if (p->ids.len - r->prompt_len >= r->sampling.max_new_tokens)
		return finish(e, p, source, &answer);
	if (p->ids.len >= context) {
		answer.finish = TS_FINISH_CONTEXT;
		return finish(e, p, source, &answer);
	}
	int32_t token;
	double u = ts_random_uniform(&r->key, p->ids.len);
	answer.status = ts_sampler_choose(logits, (size_t)ts_model_config(e->model)->vocab_size, &r->sampling, u, e->candidates, &token);
	if (answer.status)
		return finish(e, p, source, &answer);
	if (ts_vec_push(&p->ids, token))
		return TS_ENOMEM;
	if (source->token)
		TS_TRY(source->token(source->user, r, token));
	if (!r->ignore_eos && is_stop(e, token)) {
		answer.finish = TS_FINISH_STOP;
		return finish(e, p, source, &answer);
	}
	if (p->ids.len - r->prompt_len >= r->sampling.max_new_tokens)
		return finish(e, p, source, &answer);
	return 0;
}

static int step(struct engine *e, const struct ts_source *source, struct ts_error *err)
{
	size_t asking, vocab = (size_t)ts_model_config(e->model)->vocab_size;
	struct ts_batch batch = build_batch(e, &asking);
	const float *hidden = ts_model_forward(e->model, e->workspace, &batch);
	for (size_t i = 0; i < e->running; i++)
		e->order[i]->computed += e->order[i]->fed;
	if (!asking)
		return 0;
	ts_model_logits(e->model, e->logits, hidden, asking);
	bool probing = false;
	for (size_t i = 0; i < asking; i++)
		probing |= e->asking[i]->request.probe_count > 0;
	if (probing)
		ts_model_target_logits(e->model, e->lse, e->picked, hidden, e->no_targets, asking);
	for (size_t i = 0; i < asking; i++) {
		struct place *p = e->asking[i];
		const float *logits = e->logits + i * vocab;
		int status = p->request.probe_count ? answer_probe(e, p, source, logits, e->lse[i]) : extend(e, p, source, logits);
		if (status)
			return err && !err->code ? ts_fail(err, status, "generation: %s", ts_status_text(status)) : status;
	}
	return 0;
}

static int run(struct ts_responder *r, const struct ts_source *source, const struct ts_context *context, struct ts_error *err)
{
	struct engine *e = (struct engine *)r;
	int status = 0;
	bool more = true;
	while (!status) {
		if (ts_should_stop(context))
			status = TS_ESTOPPED;
		if (!status && source->tick)
			status = source->tick(source->user);
		if (!status && more) {
			status = admit(e, source, err);
			more = status > 0;
			status = status > 0 ? 0 : status;
		}
		if (status || !e->running)
			break;
		status = step(e, source, err);
	}
	while (e->running)
		retire(e, e->order[e->running - 1]);
	return status;
}

static void engine_close(struct ts_responder *r)
{
	struct engine *e = (struct engine *)r;
	if (!e)
		return;
	struct ts_backend *b = ts_model_backend(e->model);
	ts_model_kv_free(e->model, &e->kv);
	ts_workspace_free(e->workspace);
	for (size_t i = 0; e->places && i < e->options.batch; i++) {
		ts_vec_release(&e->places[i].ids);
		ts_free(e->places[i].pages);
	}
	void *owned[] = {e->places,  e->order,  e->free_pages, e->ids,    e->positions,  e->wanted,    e->segments,
			 e->lengths, e->asking, e->lse,        e->picked, e->no_targets, e->candidates};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		ts_free(owned[i]);
	b->ops->free(b, e->logits);
	ts_free(e);
}

static int allocate(struct engine *e, size_t pages, struct ts_error *err)
{
	const struct ts_engine_options *o = &e->options;
	struct ts_backend *b = ts_model_backend(e->model);
	size_t vocab = (size_t)ts_model_config(e->model)->vocab_size;
	e->max_rows = o->batch + o->prefill_chunk;
	e->places = ts_calloc(o->batch, sizeof(*e->places));
	e->order = ts_calloc(o->batch, sizeof(*e->order));
	e->asking = ts_calloc(o->batch, sizeof(*e->asking));
	e->segments = ts_calloc(o->batch, sizeof(*e->segments));
	e->lengths = ts_calloc(o->batch, sizeof(*e->lengths));
	e->wanted = ts_calloc(o->batch, sizeof(*e->wanted));
	e->lse = ts_calloc(o->batch, sizeof(*e->lse));
	e->picked = ts_calloc(o->batch, sizeof(*e->picked));
	e->no_targets = ts_calloc(o->batch, sizeof(*e->no_targets));
	e->ids = ts_calloc(e->max_rows, sizeof(*e->ids));
	e->positions = ts_calloc(e->max_rows, sizeof(*e->positions));
	e->free_pages = ts_calloc(pages, sizeof(*e->free_pages));
	e->candidates = ts_calloc(vocab, sizeof(*e->candidates));
	e->logits = b->ops->alloc(b, o->batch * vocab);
	const void *needed[] = {e->places, e->order,  e->asking,     e->segments, e->lengths,   e->wanted,     e->lse,
				e->picked, e->logits, e->no_targets, e->ids,      e->positions, e->free_pages, e->candidates};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!needed[i])
			return ts_fail_memory(err);
	for (size_t i = 0; i < o->batch; i++) {
		e->no_targets[i] = -1;
		e->places[i].pages = ts_calloc(e->max_pages, sizeof(int32_t));
		if (!e->places[i].pages)
			return ts_fail_memory(err);
	}
	TS_TRY(ts_workspace_new(&e->workspace, e->model, e->max_rows, o->batch, e->adapter ? e->adapter->max_rank : 0, err));
	TS_TRY(ts_model_kv_new(e->model, &e->kv, pages, o->kv_dtype, err));
	for (size_t i = 0; i < pages; i++)
		e->free_pages[i] = (int32_t)(pages - 1 - i);
	e->free_count = pages;
	return 0;
}

int ts_engine_new(struct ts_responder **out, const struct ts_model *model, const struct ts_adapter *adapter,
		  const struct ts_engine_options *options, struct ts_error *err)
{
	*out = NULL;
	if (!options->batch || !options->prefill_chunk)
		return ts_fail(err, TS_EINVAL, "batch and prefill chunk: expected at least 1, found %zu and %zu", options->batch,
			       options->prefill_chunk);
	struct engine *e = ts_calloc(1, sizeof(*e));
	if (!e)
		return ts_fail_memory(err);
	e->responder = (struct ts_responder){run, engine_close};
	e->model = model;
	e->adapter = adapter;
	e->options = *options;
	e->options.stop_count = options->stop_count < 64 ? options->stop_count : 64;
	if (options->stop_count)
		memcpy(e->stop_ids, options->stop_ids, e->options.stop_count * sizeof(int32_t));
	size_t context = (size_t)ts_model_config(model)->max_positions;
	e->max_length = options->max_length && options->max_length < context ? options->max_length : context;
	e->max_pages = pages_for(context);
	size_t pages = options->kv_pages ? options->kv_pages : options->batch * pages_for(e->max_length);
	int status = allocate(e, pages, err);
	if (status)
		engine_close(&e->responder);
	else
		*out = &e->responder;
	return status;
}
