#include "generate/local.h"

#include "core/mem.h"
#include "core/str.h"
#include "generate/pages.h"

enum { MOST_STOP_IDS = 32, MIN_CHUNK = 16 };

int ts_local_check_vocabulary(const struct ts_model *m, const struct ts_chat *chat, struct ts_error *err)
{
	size_t tokens = ts_tokenizer_size(ts_chat_tokenizer(chat));
	if (tokens <= (size_t)ts_model_config(m)->vocab_size)
		return 0;
	return ts_fail(err, TS_EMISMATCH, "%s: the tokenizer has %zu tokens, the model's embedding only %d", ts_model_dir(m), tokens,
		       ts_model_config(m)->vocab_size);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* All but the cache, for so many places. */
static void fixed_parts(struct ts_local_size *s, const struct ts_local_wish *w, size_t length)
{
	const struct ts_model_config *g = w->config;
	size_t vocab = (size_t)g->vocab_size, rows = s->batch + s->chunk;
	size_t lists = sizeof(int32_t) * (s->batch * ((size_t)g->max_positions / TS_KV_PAGE + length) + 2 * rows);
	s->logits = vocab * s->batch * sizeof(float) + (size_t)w->backend->threads * ts_sampler_bytes(vocab);
	s->activations = ts_workspace_bytes(g, rows, s->batch, w->rank) +
			 w->backend->ops->reserve_bytes(w->backend, rows, ts_model_width(g), w->rank) + lists;
}

/* Halves the larger of the two; false when both are as small as they get. */
static bool shrink(struct ts_local_size *s)
{
	if (s->chunk > MIN_CHUNK && s->chunk >= s->batch)
		s->chunk /= 2;
	else if (s->batch > 1)
		s->batch /= 2;
	else
		return false;
	return true;
}

bool ts_local_fit(struct ts_local_size *s, const struct ts_local_wish *w)
{
	size_t context = (size_t)w->config->max_positions, enough;
	size_t kv = ts_model_kv_page_bytes(w->config, w->kv_dtype), page = kv + ts_pages_record_bytes();
	size_t length = w->max_length ? least(w->max_length, context) : context, one = (length + TS_KV_PAGE - 1) / TS_KV_PAGE;
	*s = (struct ts_local_size){.batch = 1, .chunk = least(w->chunk, MIN_CHUNK)};
	fixed_parts(s, w, length);
	size_t smallest = s->logits + s->activations + one * page;
	s->batch = w->batch;
	s->chunk = w->chunk;
	s->least = smallest;
	bool bounded = w->room != SIZE_MAX, fits;
	for (;;) {
		fixed_parts(s, w, length);
		size_t others = s->logits + s->activations, pages = bounded && others < w->room ? (w->room - others) / page : 0;
		if (!bounded)
			pages = TS_KV_BYTES / page > one ? TS_KV_BYTES / page : one;
		if (!ts_mul_size(one, s->batch, &enough))
			enough = SIZE_MAX;
		s->pages = least(pages, enough);
		fits = s->pages >= one && (!bounded || s->pages >= s->batch);
		if (fits || !shrink(s))
			break;
	}
	s->kv = s->pages * kv;
	s->activations += s->pages * (page - kv);
	s->bytes = s->kv + s->logits + s->activations;
	return fits;
}

/* What is not in use yet of the bound. */
static int engine_size(const struct ts_local *l, struct ts_local_size *size, struct ts_error *err)
{
	struct ts_local_wish w = {.backend = ts_model_backend(l->model),
				  .config = ts_model_config(l->model),
				  .rank = l->adapter ? l->adapter->max_rank : 0,
				  .batch = l->batch,
				  .chunk = l->chunk,
				  .max_length = l->max_length,
				  .kv_dtype = l->kv_dtype,
				  .room = SIZE_MAX};
	size_t used = l->used ? l->used : ts_mem_resident() + TS_MEMORY_GROWTH;
	if (l->memory)
		w.room = l->memory > used ? l->memory - used : 0;
	if (!l->batch || !l->chunk || ts_local_fit(size, &w))
		return 0;
	return ts_fail(err, TS_ELIMIT,
		       "memory: %.1f MiB are not enough: %.1f MiB are in use, and the smallest engine takes %.1f MiB; "
		       "expected at least %.1f MiB",
		       (double)l->memory / 0x1p20, (double)used / 0x1p20, (double)size->least / 0x1p20,
		       (double)(used + size->least) / 0x1p20);
}

static int announce_stops(const struct ts_local *l, const int32_t *ids, size_t n, const struct ts_context *context, struct ts_error *err)
{
	struct ts_str text = {0};
	const struct ts_model_config *g = ts_model_config(l->model);
	int status = n ? 0 : ts_str_puts(&text, "none: every response runs to its longest");
	for (size_t i = 0; i < n && !status; i++) {
		status = ts_str_printf(&text, "%s%d", i ? ", " : "", ids[i]);
		if (!status && l->chat)
			status = ts_str_putc(&text, ' ');
		if (!status && l->chat)
			status = ts_tokenizer_decode(ts_chat_tokenizer(l->chat), &ids[i], 1, false, &text);
	}
	if (!status)
		ts_log(context, TS_LOG_INFO, "%s: end-of-turn tokens: %s", ts_model_dir(l->model), ts_str_c(&text));
	if (!status && *g->ignored)
		ts_log(context, TS_LOG_INFO, "%s: generation_config.json: ignored: %s", ts_model_dir(l->model), g->ignored);
	ts_str_release(&text);
	return status ? ts_fail_memory(err) : 0;
}

int ts_local_open(struct ts_responder **out, const struct ts_local *l, const struct ts_context *announce, struct ts_error *err)
{
	struct ts_engine_options o;
	int32_t stop[MOST_STOP_IDS];
	*out = NULL;
	if (l->chat)
		TS_TRY(ts_local_check_vocabulary(l->model, l->chat, err));
	ts_engine_options_default(&o);
	o.max_length = l->max_length;
	o.kv_dtype = l->kv_dtype;
	struct ts_local_size size = {.batch = l->batch, .chunk = l->chunk};
	TS_TRY(engine_size(l, &size, err));
	o.batch = size.batch;
	o.prefill_chunk = size.chunk;
	o.kv_pages = size.pages;
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(l->model), l->chat ? ts_chat_eos(l->chat) : -1, stop, MOST_STOP_IDS);
	if (announce)
		TS_TRY(announce_stops(l, stop, o.stop_count, announce, err));
	return ts_engine_new(out, l->model, l->adapter, &o, err);
}

void ts_local_say_shared(const struct ts_responder *engine, const struct ts_context *context)
{
	struct ts_engine_stats s = ts_engine_stats(engine);
	if (s.shared)
		ts_log(context, TS_LOG_INFO, "prompts: %llu tokens; %llu were found in the KV cache and not computed again",
		       (unsigned long long)s.prompt_tokens, (unsigned long long)s.shared);
}
