#include "cli/chat_session.h"

#include "cli/terminal.h"
#include "generate/prompt.h"

#include <string.h>

enum { MOST_STOP_IDS = 32 };

/* One answer under way. */
struct answering {
	struct ts_chat_session *c;
	const struct ts_prompt *prompt;
	size_t most; /* new tokens */
	int32_t stop_ids[MOST_STOP_IDS];
	size_t stop_count;
	bool asked, stopped;
	ts_ids ids;
	const char *finish;
};

static bool has_system(const struct ts_chat_session *c)
{
	const char *role = json_string_value(json_object_get(json_array_get(c->messages, 0), "role"));
	return role && !strcmp(role, "system");
}

const char *ts_chat_session_system_text(const struct ts_chat_session *c)
{
	return has_system(c) ? json_string_value(json_object_get(json_array_get(c->messages, 0), "content")) : NULL;
}

/* As many positions as the model has and the memory holds: the engine is opened for that many. */
static int count_positions(struct ts_chat_session *c)
{
	const struct ts_session *s = c->session;
	size_t context = (size_t)ts_model_config(s->model)->max_positions;
	size_t page = ts_model_kv_page_bytes(ts_model_config(s->model), ts_session_kv_dtype(s));
	size_t held = (s->memory ? s->memory : TS_KV_BYTES) / page * TS_KV_PAGE;
	c->positions = held < context ? held : context;
	if (!c->positions)
		return ts_fail(&c->session->err, TS_ELIMIT, "--memory: %zu bytes, expected at least %zu (one page of the KV cache)",
			       s->memory, page);
	return 0;
}

static int open_responder(struct ts_chat_session *c)
{
	struct ts_session *s = c->session;
	struct ts_local l = ts_session_local(s, c->positions);
	if (c->responder)
		return 0;
	l.memory = 0; /* the positions are what --memory allows */
	TS_TRY(ts_local_open(&c->responder, &l, c->announced ? NULL : &s->context, &s->err));
	c->announced = true;
	return 0;
}

static void close_responder(struct ts_chat_session *c)
{
	if (c->responder)
		c->responder->close(c->responder);
	c->responder = NULL;
}

int ts_chat_session_open(struct ts_chat_session *c, struct ts_session *s)
{
	c->session = s;
	if (!(c->messages = json_array()))
		return ts_fail_memory(&s->err);
	TS_TRY(ts_session_open_chat(s));
	TS_TRY(ts_session_open_model(s));
	c->adapter = s->adapter;
	TS_TRY(ts_local_check_vocabulary(s->model, s->chat, &s->err));
	if (s->adapter && ts_str_puts(&c->adapter_name, s->adapter_dir))
		return ts_fail_memory(&s->err);
	TS_TRY(count_positions(c));
	return open_responder(c);
}

void ts_chat_session_close(struct ts_chat_session *c)
{
	close_responder(c);
	json_decref(c->messages);
	if (c->session)
		c->session->adapter = c->adapter; /* the session frees it, in use or not */
	ts_str_release(&c->adapter_name);
}

/* Keys and values hold for one adapter only: another one means another engine. */
int ts_chat_session_adapter(struct ts_chat_session *c, bool on)
{
	if (!c->adapter)
		return ts_fail(&c->session->err, TS_ENOTFOUND, "no adapter is loaded (start with --adapter DIR, or /adapter DIR)");
	if (on != (c->session->adapter != NULL))
		close_responder(c);
	c->session->adapter = on ? c->adapter : NULL;
	return 0;
}

int ts_chat_session_load_adapter(struct ts_chat_session *c, const char *dir)
{
	struct ts_adapter *loaded;
	struct ts_str name = {0};
	TS_TRY(ts_adapter_load(&loaded, c->session->model, dir, &c->session->err));
	if (ts_str_puts(&name, dir)) {
		ts_adapter_free(loaded);
		return ts_fail_memory(&c->session->err);
	}
	close_responder(c);
	ts_adapter_free(c->adapter);
	ts_str_release(&c->adapter_name);
	c->adapter = c->session->adapter = loaded;
	c->adapter_name = name;
	return 0;
}

static int next(void *user, struct ts_request *r)
{
	struct answering *a = user;
	if (a->asked)
		return 0;
	a->asked = true;
	*r = (struct ts_request){.prompt = a->prompt->ids.data,
				 .prompt_len = a->prompt->ids.len,
				 .sampling = ts_sampling_options_get(&a->c->sampling),
				 .key = a->prompt->key};
	r->sampling.max_new_tokens = a->most;
	return 1;
}

static bool is_stop(const struct answering *a, int32_t id)
{
	for (size_t i = 0; i < a->stop_count; i++)
		if (a->stop_ids[i] == id)
			return true;
	return false;
}

static int token(void *user, const struct ts_request *r, int32_t id)
{
	struct answering *a = user;
	(void)r;
	if (ts_vec_push(&a->ids, id))
		return TS_ENOMEM;
	a->stopped = is_stop(a, id);
	return a->stopped ? 0 : ts_chat_view_token(&a->c->view, id);
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *answer)
{
	struct answering *a = user;
	(void)r;
	a->finish = ts_finish_name(answer->finish);
	/* Cut short by the room that is left, not by what was asked for. */
	if (answer->finish == TS_FINISH_LENGTH && a->most < a->c->sampling.max_new_tokens)
		a->finish = ts_finish_name(TS_FINISH_CONTEXT);
	if (answer->status)
		return ts_fail(&a->c->session->err, answer->status,
			       "the model's logits are not finite numbers after %zu tokens; the turn was dropped", answer->len);
	return 0;
}

/* What the conversation would be after an answer: the response's text as its last turn. */
static int add_turn(struct ts_chat_session *c, const char *role, const char *text, size_t n)
{
	json_t *turn = json_pack("{s:s,s:o}", "role", role, "content", json_stringn(text, n));
	return json_array_append_new(c->messages, turn) ? ts_fail_memory(&c->session->err) : 0;
}

static json_t *answer_row(const struct ts_chat_session *c)
{
	const char *adapter = c->session->adapter ? ts_str_c(&c->adapter_name) : NULL;
	return json_pack("{s:s,s:s,s:n,s:s,s:I,s:I,s:I,s:s?}", "role", "assistant", "content", "", "thinking", "finish", c->finish,
			 "tokens", (json_int_t)c->tokens, "seed", (json_int_t)c->session->seed, "try", (json_int_t)c->attempt, "adapter",
			 adapter);
}

/* The answer is in: into the conversation, and out where it is shown whole. */
static int conclude(struct ts_chat_session *c, struct answering *a)
{
	struct ts_str text = {0};
	json_t *row = NULL;
	c->finish = a->finish;
	c->tokens = a->ids.len;
	c->used = a->prompt->ids.len + a->ids.len;
	int status = ts_response_text(c->session->chat, a->ids.data, a->ids.len, a->stopped, true, &text);
	if (!status && !(row = answer_row(c)))
		status = TS_ENOMEM;
	if (!status)
		status = ts_chat_view_whole(&c->view, &text, row);
	if (!status)
		status = add_turn(c, "assistant", ts_str_c(&text), text.len);
	json_decref(row);
	ts_str_release(&text);
	return status;
}

static int generate(struct ts_chat_session *c, const struct ts_prompt *prompt)
{
	struct ts_session *s = c->session;
	struct answering a = {.c = c, .prompt = prompt, .finish = "interrupted"};
	struct ts_source source = {.user = &a, .next = next, .done = done, .token = token};
	size_t room = c->positions - prompt->ids.len;
	double began = ts_clock();
	a.most = room < c->sampling.max_new_tokens ? room : c->sampling.max_new_tokens;
	a.stop_count = ts_engine_stop_ids(ts_model_config(s->model), ts_chat_eos(s->chat), a.stop_ids, MOST_STOP_IDS);
	int status = ts_chat_view_begin(&c->view, s->chat);
	if (!status)
		status = c->responder->run(c->responder, &source, &s->context, &s->err);
	if (status == TS_ESTOPPED)
		status = a.ids.len ? 0 : ts_fail(&s->err, TS_ESTOPPED, "stopped before the first token; the turn was dropped");
	int ended = ts_chat_view_end(&c->view);
	c->seconds = ts_clock() - began;
	if (!status)
		status = ended;
	if (!status)
		status = conclude(c, &a);
	ts_vec_release(&a.ids);
	return status;
}

static int check_room(const struct ts_chat_session *c, const struct ts_prompt *p)
{
	struct ts_session *s = c->session;
	int context = ts_model_config(s->model)->max_positions;
	if (p->ids.len < c->positions)
		return 0;
	return ts_fail(
		&s->err, TS_ELIMIT,
		"the conversation is full: %zu tokens with this turn, and %zu fit (%s%d)%s; /undo drops the last exchange, /reset all",
		p->ids.len, c->positions, c->positions < (size_t)context ? "--memory; the model's context is " : "the model's context is ",
		context, c->positions < (size_t)context ? ", so allow more memory" : "");
}

/* Answers the conversation as it stands, which ends with a user turn. */
static int answer(struct ts_chat_session *c)
{
	struct ts_session *s = c->session;
	struct ts_str text = {0};
	struct ts_prompt prompt = {0};
	int status = ts_chat_render(s->chat, c->messages, true, NULL, &text, &s->err);
	if (!status)
		status = ts_prompt_text(&prompt, s->chat, ts_str_c(&text), text.len, (uint64_t)s->seed, "chat", c->attempt, &s->err);
	ts_str_release(&text);
	if (!status)
		status = check_room(c, &prompt);
	if (!status)
		status = open_responder(c);
	if (!status)
		status = generate(c, &prompt);
	ts_prompt_release(&prompt);
	return status;
}

int ts_chat_session_say(struct ts_chat_session *c, const char *text, size_t n)
{
	uint64_t before = c->attempt;
	size_t turns = json_array_size(c->messages);
	int status = add_turn(c, "user", text, n);
	c->attempt = 0;
	if (!status)
		status = answer(c);
	if (status) {
		c->attempt = before;
		while (json_array_size(c->messages) > turns)
			json_array_remove(c->messages, json_array_size(c->messages) - 1);
	}
	return status;
}

static size_t turn_count(const struct ts_chat_session *c)
{
	return json_array_size(c->messages) - has_system(c);
}

int ts_chat_session_retry(struct ts_chat_session *c)
{
	size_t last = json_array_size(c->messages) - 1;
	if (!turn_count(c))
		return ts_fail(&c->session->err, TS_ENOTFOUND, "there is no answer yet");
	json_t *old = json_incref(json_array_get(c->messages, last));
	json_array_remove(c->messages, last);
	c->attempt++;
	int status = answer(c);
	if (status) {
		c->attempt--;
		if (json_array_append(c->messages, old))
			ts_fail_memory(&c->session->err);
	}
	json_decref(old);
	return status;
}

bool ts_chat_session_undo(struct ts_chat_session *c)
{
	if (!turn_count(c))
		return false;
	for (int i = 0; i < 2; i++)
		json_array_remove(c->messages, json_array_size(c->messages) - 1);
	c->attempt = 0;
	return true;
}

void ts_chat_session_reset(struct ts_chat_session *c)
{
	while (ts_chat_session_undo(c))
		;
}

int ts_chat_session_system(struct ts_chat_session *c, const char *text, size_t n)
{
	size_t bad = ts_utf8_check(text, n);
	if (bad < n)
		return ts_fail(&c->session->err, TS_EFORMAT, "the system prompt is not UTF-8 at byte %zu", bad + 1);
	if (has_system(c))
		json_array_remove(c->messages, 0);
	if (!n)
		return 0;
	json_t *turn = json_pack("{s:s,s:o}", "role", "system", "content", json_stringn(text, n));
	return json_array_insert_new(c->messages, 0, turn) ? ts_fail_memory(&c->session->err) : 0;
}
