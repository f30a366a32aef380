/* One model is resident at a time, student, guard or refusal judge: opening one closes the others. Opening what is there already keeps it. */
#include "run/internal.h"

#include "generate/local.h"

#include <string.h>

/* A guard's published context may be 131,072 tokens, whose keys and values alone would fill a machine. */
#define GUARD_LENGTH 32768

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

int ts_run_open_backend(struct ts_run *r, struct ts_error *err)
{
	enum ts_isa isa = TS_ISA_AUTO;
	if (r->backend)
		return 0;
	if (r->machine->isa && ts_isa_parse(r->machine->isa, &isa))
		return ts_fail(err, TS_EINVAL, "isa: expected " TS_ISA_NAMES ", found \"%s\"", r->machine->isa);
	TS_TRY(ts_backend_cpu_new(&r->backend, isa, (int)r->machine->threads, err));
	return ts_backend_use_numerics(r->backend, r->recipe->numerics, err);
}

int ts_run_open_model(struct ts_run *r, const char *dir, struct ts_error *err)
{
	ts_run_close_resident(r);
	TS_TRY(ts_run_open_backend(r, err));
	return ts_model_open_as(&r->model, r->backend, dir, r->recipe->weights, r->context, err);
}

static bool is_llama_guard(const char *judge)
{
	return !strcmp(judge, TS_JUDGE_GUARD);
}

size_t ts_run_guard_length(const struct ts_model_config *g, const char *judge)
{
	size_t length = (size_t)g->max_positions;
	size_t most = is_llama_guard(judge) ? GUARD_LENGTH : TS_WILDGUARD_PROMPT_TOKENS + TS_WILDGUARD_REPLY_TOKENS;
	return length < most ? length : most;
}

size_t ts_run_used(const struct ts_run *r)
{
	size_t models = (r->model ? ts_model_weight_bytes(r->model) : 0) + (r->adapter ? r->adapter->count * sizeof(float) : 0);
	size_t resident = ts_mem_resident(), others = resident > models ? resident - models : 0, planned = r->base + TS_MEMORY_GROWTH;
	/* What has grown already does not grow once more, but a little always may. */
	others += TS_MEMORY_GROWTH / 4;
	return models + (others > planned ? others : planned);
}

static int open_engine(struct ts_run *r, const struct ts_chat *chat, size_t max_length, bool *announced, struct ts_error *err)
{
	struct ts_local l = {.model = r->model,
			     .adapter = r->adapter,
			     .chat = chat,
			     .batch = r->machine->batch,
			     .chunk = r->machine->chunk,
			     .memory = r->machine->memory,
			     .used = ts_run_used(r),
			     .max_length = max_length,
			     .kv_dtype = r->recipe->kv_dtype};
	TS_TRY(ts_local_open(&r->responder, &l, *announced ? NULL : r->context, err));
	*announced = true;
	return 0;
}

int ts_run_open_student(void *user, size_t max_length, struct ts_responder **out, struct ts_error *err)
{
	struct ts_run *r = user;
	bool there = r->model && !r->guard_chat && (r->adapter != NULL) == (r->adapter_dir[0] != '\0');
	if (there && r->responder) {
		/* The student stays; only its engine is made anew, for these lengths. */
		ts_run_close_engine(r);
	} else {
		TS_TRY(ts_run_open_model(r, r->recipe->model.path, err));
		if (r->adapter_dir[0])
			TS_TRY(ts_adapter_load(&r->adapter, r->model, r->adapter_dir, err));
	}
	TS_TRY(open_engine(r, r->chat, max_length, &r->student_announced, err));
	*out = r->responder;
	return 0;
}

int ts_run_open_engine(struct ts_run *r, size_t max_length, struct ts_error *err)
{
	ts_run_close_engine(r);
	return open_engine(r, r->chat, max_length, &r->student_announced, err);
}

void ts_run_close_engine(struct ts_run *r)
{
	if (r->responder)
		r->responder->close(r->responder);
	r->responder = NULL;
}

int ts_run_open_guard(struct ts_run *r, const char *judge, struct ts_guard **out, struct ts_error *err)
{
	bool refusals = !strcmp(judge, TS_JUDGE_REFUSAL);
	if (!r->guard || strcmp(r->guard->name, judge) != 0) {
		const char *path = ts_run_judge_path(r, judge);
		TS_TRY(ts_run_open_model(r, path, err));
		TS_TRY(ts_local_open_chat(&r->guard_chat, path, err));
		ts_chat_set_now(r->guard_chat, r->moment);
		size_t length = ts_run_guard_length(ts_model_config(r->model), judge);
		TS_TRY(open_engine(r, r->guard_chat, length, refusals ? &r->refusal_announced : &r->guard_announced, err));
		if (is_llama_guard(judge))
			TS_TRY(ts_llama_guard_new(&r->guard, r->guard_chat, r->responder, length, err));
		else
			TS_TRY(ts_wildguard_new(&r->guard, refusals ? TS_WILDGUARD_REFUSAL : TS_WILDGUARD_HARM, r->guard_chat, r->responder,
						length, err));
	}
	*out = r->guard;
	return 0;
}

int ts_run_open_phrases(struct ts_run *r, struct ts_guard **out, struct ts_error *err)
{
	if (!r->phrase_guard)
		TS_TRY(ts_keywords_guard_new(&r->phrase_guard, r->phrases, err));
	*out = r->phrase_guard;
	return 0;
}
