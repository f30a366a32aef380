#include "generate/local.h"

#include "core/str.h"

enum { MOST_STOP_IDS = 32 };

int ts_local_check_vocabulary(const struct ts_model *m, const struct ts_chat *chat, struct ts_error *err)
{
	size_t tokens = ts_tokenizer_size(ts_chat_tokenizer(chat));
	if (tokens <= (size_t)ts_model_config(m)->vocab_size)
		return 0;
	return ts_fail(err, TS_EMISMATCH, "%s: the tokenizer has %zu tokens, the model's embedding only %d", ts_model_dir(m), tokens,
		       ts_model_config(m)->vocab_size);
}

static int cache_pages(const struct ts_local *l, size_t *pages, struct ts_error *err)
{
	size_t context = (size_t)ts_model_config(l->model)->max_positions, bytes = ts_model_kv_page_bytes(l->model, l->kv_dtype);
	size_t length = l->max_length && l->max_length < context ? l->max_length : context;
	size_t one = (length + TS_KV_PAGE - 1) / TS_KV_PAGE, enough, bound = (l->memory ? l->memory : TS_KV_BYTES) / bytes;
	if (!ts_mul_size(one, l->batch, &enough))
		enough = SIZE_MAX;
	if (!l->memory && bound < one)
		bound = one;
	*pages = bound < enough ? bound : enough;
	if (!*pages && l->batch)
		return ts_fail(err, TS_ELIMIT, "memory: %zu bytes, expected at least %zu (one page of the KV cache)", l->memory, bytes);
	return 0;
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
	o.batch = l->batch;
	o.prefill_chunk = l->chunk;
	o.max_length = l->max_length;
	o.kv_dtype = l->kv_dtype;
	o.reuse = l->reuse;
	TS_TRY(cache_pages(l, &o.kv_pages, err));
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(l->model), l->chat ? ts_chat_eos(l->chat) : -1, stop, MOST_STOP_IDS);
	if (announce)
		TS_TRY(announce_stops(l, stop, o.stop_count, announce, err));
	return ts_engine_new(out, l->model, l->adapter, &o, err);
}
