/* thinksafe score: log-probabilities of texts; with --logits also the logits themselves. */
#include "cli/session.h"

#include "checkpoint/safetensors.h"
#include "generate/local.h"
#include "generate/score.h"
#include "tensor/math.h"
#include "train/example.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct score {
	struct ts_session session;
	const char *logits_file;
	bool no_thinking;
	struct ts_scorer *scorer;
	size_t room; /* the scorer's longest text */
	TS_VEC(struct ts_tensor_out) logits;
};

/* One row's ids, and which of them count for its perplexity (NULL = all after the first). */
struct text {
	ts_ids ids;
	struct ts_example example;
	bool templated;
};

static int read_text(struct score *s, const json_t *row, struct text *t, struct ts_error *err)
{
	const char *prompt, *instruction, *response;
	if (json_object_get(row, "ids"))
		return ts_row_ids(row, "ids", &t->ids, err);
	TS_TRY(ts_json_text(row, "prompt", &prompt, "", err));
	TS_TRY(ts_json_text(row, "instruction", &instruction, "", err));
	TS_TRY(ts_json_text(row, "response", &response, "", err));
	if (prompt || (instruction && response)) {
		TS_TRY(ts_session_open_chat(&s->session));
		TS_TRY(ts_local_check_vocabulary(s->session.model, s->session.chat, err));
	}
	if (prompt)
		return ts_tokenizer_encode(ts_chat_tokenizer(s->session.chat), prompt, strlen(prompt), false, &t->ids, err);
	if (!instruction || !response)
		return ts_fail(err, TS_EFORMAT, "expected \"ids\", \"prompt\", or \"instruction\" and \"response\"");
	t->templated = true;
	TS_TRY(ts_example_make(&t->example, s->session.chat, instruction, response, !s->no_thinking, SIZE_MAX, err));
	for (size_t i = 0; i < t->example.len; i++)
		if (ts_vec_push(&t->ids, t->example.ids[i]))
			return ts_fail_memory(err);
	return 0;
}

static int keep_logits(struct score *s, const char *id, size_t rows, float *logits, struct ts_error *err)
{
	char name[80];
	snprintf(name, sizeof(name), "logits.%s", id);
	struct ts_tensor_out t = {.name = ts_strdup(name), .dtype = TS_F32, .dims = 2, .data = logits};
	t.shape[0] = rows;
	t.shape[1] = (size_t)ts_model_config(s->session.model)->vocab_size;
	if (t.name && !ts_vec_push(&s->logits, t))
		return 0;
	ts_free((void *)(uintptr_t)t.name);
	ts_free(logits);
	return ts_fail_memory(err);
}

static int add_result(json_t *row, const struct text *t, const float *logprobs, struct ts_error *err)
{
	json_t *list = json_array();
	double sum = 0;
	size_t count = 0;
	for (size_t i = 0; list && i + 1 < t->ids.len; i++) {
		if (json_array_append_new(list, json_real((double)logprobs[i]))) {
			json_decref(list);
			return ts_fail_memory(err);
		}
		if (t->templated && !t->example.mask[i + 1])
			continue;
		sum += (double)logprobs[i];
		count++;
	}
	double perplexity = count ? ts_exp(-sum / (double)count) : 1.0;
	if (!list || json_object_set_new(row, "logprobs", list) || json_object_set_new(row, "perplexity", json_real(perplexity)))
		return ts_fail_memory(err);
	return 0;
}

/* A chunk that fits what is not in use yet of the bound. */
static int fit_chunk(const struct score *s, size_t *chunk, struct ts_error *err)
{
	const struct ts_session *session = &s->session;
	size_t used = ts_mem_resident() + TS_MEMORY_GROWTH, needed;
	for (*chunk = session->chunk;; *chunk /= 2) {
		needed = used + ts_scorer_bytes(session->model, session->adapter, s->room, *chunk, ts_session_kv_dtype(session));
		if (!session->memory || needed <= session->memory)
			return 0;
		if (*chunk < 2)
			break;
	}
	return ts_fail(err, TS_ELIMIT, "--memory: %.1f MiB are not enough for %zu tokens; expected at least %.1f MiB",
		       (double)session->memory / 0x1p20, s->room, (double)needed / 0x1p20);
}

/* The scorer's KV cache holds the longest text so far. */
static int make_room(struct score *s, size_t tokens, struct ts_error *err)
{
	const struct ts_session *session = &s->session;
	size_t context = (size_t)ts_model_config(session->model)->max_positions;
	if (tokens > context)
		return ts_fail(err, TS_ELIMIT, "%zu tokens, expected at most %zu (the model's context)", tokens, context);
	if (s->scorer && tokens <= s->room)
		return 0;
	ts_scorer_free(s->scorer);
	s->scorer = NULL;
	s->room = tokens > 1024 ? tokens : context < 1024 ? context : 1024;
	size_t chunk;
	TS_TRY(fit_chunk(s, &chunk, err));
	return ts_scorer_new(&s->scorer, session->model, session->adapter, s->room, chunk, ts_session_kv_dtype(session), err);
}

static int one_row(void *user, json_t *row, size_t index, struct ts_error *err)
{
	struct score *s = user;
	struct text t = {0};
	char id[64];
	float *logprobs = NULL, *logits = NULL;
	size_t vocab = (size_t)ts_model_config(s->session.model)->vocab_size;
	int status = read_text(s, row, &t, err);
	if (!status)
		status = make_room(s, t.ids.len, err);
	if (!status && !(logprobs = ts_calloc(t.ids.len + 1, sizeof(float))))
		status = ts_fail_memory(err);
	if (!status && s->logits_file && !(logits = ts_calloc(t.ids.len + 1, vocab * sizeof(float))))
		status = ts_fail_memory(err);
	if (!status)
		status = ts_score(s->scorer, t.ids.data, t.ids.len, logprobs, logits, err);
	if (!status)
		status = add_result(row, &t, logprobs, err);
	if (!status && logits) {
		status = keep_logits(s, ts_row_id(row, index, id), t.ids.len, logits, err);
		logits = NULL;
	}
	ts_free(logits);
	ts_free(logprobs);
	ts_example_release(&t.example);
	ts_vec_release(&t.ids);
	return status;
}

static int run(struct score *s)
{
	TS_TRY(ts_session_open_model(&s->session));
	TS_TRY(ts_session_check_out(&s->session, s->logits_file));
	TS_TRY(ts_session_map_rows(&s->session, one_row, s));
	return s->logits_file ? ts_tensors_write(s->logits_file, s->logits.data, s->logits.len, &s->session.err) : 0;
}

int ts_command_score(const struct ts_command *command, int argc, char **argv)
{
	struct score score = {0};
	struct ts_session *s = &score.session;
	ts_session_init(s);
	const struct ts_option options[] = {
		TS_OPTIONS_MODEL(s),
		{"logits", "FILE", "also write logits.<id> [tokens, vocabulary] f32 to this safetensors file", TS_OPT_TEXT,
		 &score.logits_file, NULL},
		{"no-thinking", NULL, "do not repair the think tags of a response", TS_OPT_FLAG, &score.no_thinking, NULL},
		TS_OPTIONS_ROWS(s),
		TS_OPTIONS_MACHINE(s),
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&score));
	for (size_t i = 0; i < score.logits.len; i++) {
		ts_free((void *)(uintptr_t)score.logits.data[i].name);
		ts_free((void *)(uintptr_t)score.logits.data[i].data);
	}
	ts_vec_release(&score.logits);
	ts_scorer_free(score.scorer);
	ts_session_close(s);
	return code;
}
