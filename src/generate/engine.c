/* A step: admit requests into free places, collect rows (schedule.c), one forward pass, sample for those whose tokens are all computed. */
#include "generate/internal.h"

#include <string.h>

const char *ts_finish_name(enum ts_finish f)
{
	static const char *const names[] = {"stop", "length", "context"};
	return names[f];
}

void ts_engine_options_default(struct ts_engine_options *o)
{
	*o = (struct ts_engine_options){.batch = 64, .prefill_chunk = 512, .kv_dtype = TS_F32, .share_prefixes = true};
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
		TS_TRY(ts_engine_take(e, p, err));
	}
	return 1;
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
	ts_engine_retire(e, p);
	return status;
}

/* --- rows to answers --- */

/* Log-probabilities of a few tokens: the normaliser needs all logits, but not at once, and they are not stored. */
static int answer_probe(struct engine *e, struct place *p, const struct ts_source *source, const float *hidden, float lse)
{
	struct ts_answer answer = {.finish = TS_FINISH_STOP};
	for (int i = 0; i < p->request.probe_count; i++) {
		answer.probe_logprobs[i] = ts_model_logit(e->model, hidden, p->request.probes[i]) - lse;
		if (!__builtin_isfinite(answer.probe_logprobs[i]))
			answer.status = TS_ENUMERIC;
	}
	return finish(e, p, source, &answer);
}

static int answer_probes(struct engine *e, const struct ts_source *source, const float *hidden)
{
	size_t width = (size_t)ts_model_config(e->model)->hidden_size;
	ts_model_target_logits(e->model, e->lse, e->picked, hidden, e->no_targets, e->probing);
	for (size_t i = 0; i < e->probing; i++)
		TS_TRY(answer_probe(e, e->asking[e->sampling + i].place, source, hidden + i * width, e->lse[i]));
	return 0;
}

/* On any of the backend's threads. */
static void choose(void *user, size_t i, size_t thread)
{
	struct engine *e = user;
	struct asking *a = &e->asking[i];
	const struct place *p = a->place;
	size_t vocab = (size_t)ts_model_config(e->model)->vocab_size;
	double u = ts_random_uniform(&p->request.key, p->ids.len);
	a->status = ts_sampler_choose(e->samplers[thread], e->logits + i * vocab, &p->request.sampling, u, &a->token);
}

static int extend(struct engine *e, const struct asking *a, const struct ts_source *source)
{
	struct place *p = a->place;
	const struct ts_request *r = &p->request;
	struct ts_answer answer = {.finish = TS_FINISH_LENGTH};
	size_t context = (size_t)ts_model_config(e->model)->max_positions;
	if (p->ids.len - r->prompt_len >= r->sampling.max_new_tokens)
		return finish(e, p, source, &answer);
	if (p->ids.len >= context) {
		answer.finish = TS_FINISH_CONTEXT;
		return finish(e, p, source, &answer);
	}
	answer.status = a->status;
	if (answer.status)
		return finish(e, p, source, &answer);
	if (ts_vec_push(&p->ids, a->token))
		return TS_ENOMEM;
	if (source->token)
		TS_TRY(source->token(source->user, r, a->token));
	if (!r->ignore_eos && is_stop(e, a->token)) {
		answer.finish = TS_FINISH_STOP;
		return finish(e, p, source, &answer);
	}
	if (p->ids.len - r->prompt_len >= r->sampling.max_new_tokens)
		return finish(e, p, source, &answer);
	return 0;
}

static int answer_samples(struct engine *e, const struct ts_source *source, const float *hidden)
{
	struct ts_backend *b = ts_model_backend(e->model);
	ts_model_logits(e->model, e->logits, hidden, e->sampling);
	b->ops->each(b, e->sampling, choose, e);
	for (size_t i = 0; i < e->sampling; i++)
		TS_TRY(extend(e, &e->asking[i], source));
	return 0;
}

static int step(struct engine *e, const struct ts_source *source, struct ts_error *err)
{
	struct ts_batch batch = ts_engine_batch(e);
	const float *hidden = ts_model_forward(e->model, e->workspace, &batch);
	ts_engine_computed(e);
	int status = e->sampling ? answer_samples(e, source, hidden) : 0;
	if (!status && e->probing)
		status = answer_probes(e, source, hidden + e->sampling * (size_t)ts_model_config(e->model)->hidden_size);
	return status && err && !err->code ? ts_fail(err, status, "generation: %s", ts_status_text(status)) : status;
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
		ts_engine_retire(e, e->order[e->running - 1]);
	return status;
}

/* --- making one --- */

static void engine_close(struct ts_responder *r)
{
	struct engine *e = (struct engine *)r;
	if (!e)
		return;
	struct ts_backend *b = ts_model_backend(e->model);
	ts_pages_free(e->pages);
	ts_model_kv_free(e->model, &e->kv);
	ts_workspace_free(e->workspace);
	for (size_t i = 0; e->places && i < e->options.batch; i++) {
		ts_vec_release(&e->places[i].ids);
		ts_free(e->places[i].run.pages);
	}
	for (int i = 0; e->samplers && i < b->threads; i++)
		ts_sampler_free(e->samplers[i]);
	void *owned[] = {e->places,  e->order,  e->ids, e->positions, e->wanted,     e->segments,
			 e->lengths, e->asking, e->lse, e->picked,    e->no_targets, e->samplers};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		ts_free(owned[i]);
	b->ops->free(b, e->logits);
	ts_free(e);
}

static int allocate_places(struct engine *e, struct ts_error *err)
{
	for (size_t i = 0; i < e->options.batch; i++) {
		e->no_targets[i] = -1;
		e->places[i].run.pages = ts_calloc(e->max_pages, sizeof(int32_t));
		if (!e->places[i].run.pages)
			return ts_fail_memory(err);
	}
	for (int i = 0; i < ts_model_backend(e->model)->threads; i++)
		if (ts_sampler_new(&e->samplers[i], ts_model_backend(e->model), (size_t)ts_model_config(e->model)->vocab_size))
			return ts_fail_memory(err);
	return 0;
}

static int allocate(struct engine *e, size_t pages, struct ts_error *err)
{
	const struct ts_engine_options *o = &e->options;
	struct ts_backend *b = ts_model_backend(e->model);
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
	e->samplers = ts_calloc((size_t)b->threads, sizeof(*e->samplers));
	e->logits = b->ops->alloc(b, o->batch * (size_t)ts_model_config(e->model)->vocab_size);
	const void *needed[] = {e->places, e->order,  e->asking,     e->segments, e->lengths,   e->wanted,  e->lse,
				e->picked, e->logits, e->no_targets, e->ids,      e->positions, e->samplers};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!needed[i])
			return ts_fail_memory(err);
	TS_TRY(allocate_places(e, err));
	TS_TRY(ts_workspace_new(&e->workspace, e->model, e->max_rows, o->batch, e->adapter ? e->adapter->max_rank : 0, err));
	TS_TRY(ts_model_kv_new(e->model, &e->kv, pages, o->kv_dtype, err));
	return ts_pages_new(&e->pages, b, &e->kv, o->share_prefixes) ? ts_fail_memory(err) : 0;
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

struct ts_engine_stats ts_engine_stats(const struct ts_responder *engine)
{
	return ((const struct engine *)engine)->stats;
}
