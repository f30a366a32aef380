/* One model is resident at a time: opening the guard closes the student and the other way round. */
#include "run/internal.h"

#include <string.h>

void ts_run_close_resident(struct ts_run *r)
{
	if (r->guard)
		r->guard->close(r->guard);
	if (r->responder)
		r->responder->close(r->responder);
	ts_adapter_free(r->adapter);
	ts_model_close(r->model);
	ts_chat_close(r->guard_chat);
	r->guard = NULL;
	r->responder = NULL;
	r->adapter = NULL;
	r->model = NULL;
	r->guard_chat = NULL;
}

static int open_backend(struct ts_run *r, struct ts_error *err)
{
	enum ts_isa isa = TS_ISA_AUTO;
	if (r->backend)
		return 0;
	if (r->machine->isa && ts_isa_parse(r->machine->isa, &isa))
		return ts_fail(err, TS_EINVAL, "isa: expected plain, avx2 or avx512, found \"%s\"", r->machine->isa);
	return ts_backend_cpu_new(&r->backend, isa, (int)r->machine->threads, err);
}

int ts_run_open_model(struct ts_run *r, const char *dir, struct ts_error *err)
{
	ts_run_close_resident(r);
	TS_TRY(open_backend(r, err));
	return ts_model_open(&r->model, r->backend, dir, r->context, err);
}

static int check_vocabulary(const struct ts_model *m, const struct ts_chat *chat, struct ts_error *err)
{
	size_t tokens = ts_tokenizer_size(ts_chat_tokenizer(chat));
	if (tokens <= (size_t)ts_model_config(m)->vocab_size)
		return 0;
	return ts_fail(err, TS_EMISMATCH, "%s: the tokenizer has %zu tokens, the model's embedding only %d", ts_model_dir(m), tokens,
		       ts_model_config(m)->vocab_size);
}

static int open_engine(struct ts_run *r, const struct ts_chat *chat, size_t max_length, struct ts_error *err)
{
	struct ts_engine_options o;
	int32_t stop[32];
	TS_TRY(check_vocabulary(r->model, chat, err));
	ts_engine_options_default(&o);
	o.batch = r->machine->batch;
	o.prefill_chunk = r->machine->chunk;
	o.max_length = max_length;
	o.kv_dtype = r->recipe->kv_dtype;
	if (r->machine->memory) {
		size_t bound = r->machine->memory / ts_model_kv_page_bytes(r->model, o.kv_dtype);
		size_t context = (size_t)ts_model_config(r->model)->max_positions, length = max_length < context ? max_length : context;
		size_t enough = o.batch * ((length + TS_KV_PAGE - 1) / TS_KV_PAGE);
		o.kv_pages = bound < enough ? bound : enough;
		if (!o.kv_pages)
			return ts_fail(err, TS_ELIMIT, "memory: %zu bytes, expected at least %zu for one KV page", r->machine->memory,
				       ts_model_kv_page_bytes(r->model, o.kv_dtype));
	}
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(r->model), ts_chat_eos(chat), stop, 32);
	return ts_engine_new(&r->responder, r->model, r->adapter, &o, err);
}

int ts_run_open_student(void *user, size_t max_length, struct ts_responder **out, struct ts_error *err)
{
	struct ts_run *r = user;
	bool there = r->model && !r->guard_chat && (r->adapter != NULL) == (r->adapter_dir[0] != '\0');
	if (there && r->responder) {
		/* The student stays; only its engine is made anew, for these lengths. */
		r->responder->close(r->responder);
		r->responder = NULL;
	} else {
		TS_TRY(ts_run_open_model(r, r->recipe->model.path, err));
		if (r->adapter_dir[0])
			TS_TRY(ts_adapter_load(&r->adapter, r->model, r->adapter_dir, err));
	}
	TS_TRY(open_engine(r, r->chat, max_length, err));
	*out = r->responder;
	return 0;
}

int ts_run_open_guard(void *user, struct ts_guard **out, struct ts_error *err)
{
	struct ts_run *r = user;
	TS_TRY(ts_run_open_model(r, r->recipe->guard.path, err));
	TS_TRY(ts_chat_open(&r->guard_chat, r->recipe->guard.path, err));
	size_t context = (size_t)ts_model_config(r->model)->max_positions;
	TS_TRY(open_engine(r, r->guard_chat, context, err));
	TS_TRY(ts_llama_guard_new(&r->guard, r->guard_chat, r->responder, context, err));
	*out = r->guard;
	return 0;
}
