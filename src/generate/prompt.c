#include "generate/prompt.h"

#include "core/sha256.h"

static void set_key(struct ts_prompt *p, const void *text, size_t n, uint64_t seed, const char *purpose, uint64_t attempt)
{
	p->key = ts_random_key_make(seed, purpose, text, n, attempt);
	ts_sha256_hex(p->key.digest, p->name);
}

int ts_prompt_text(struct ts_prompt *p, const struct ts_chat *chat, const char *text, size_t n, uint64_t seed, const char *purpose,
		   uint64_t attempt, struct ts_error *err)
{
	*p = (struct ts_prompt){0};
	set_key(p, text, n, seed, purpose, attempt);
	int status = ts_tokenizer_encode(ts_chat_tokenizer(chat), text, n, false, &p->ids, err);
	if (!status && !p->ids.len)
		status = ts_fail(err, TS_EFORMAT, "the prompt is empty");
	if (status)
		ts_prompt_release(p);
	return status;
}

int ts_prompt_user(struct ts_prompt *p, const struct ts_chat *chat, const char *user_turn, uint64_t seed, const char *purpose,
		   uint64_t attempt, struct ts_error *err)
{
	struct ts_str text = {0};
	*p = (struct ts_prompt){0};
	int status = ts_chat_render_user(chat, user_turn, &text, err);
	if (!status)
		status = ts_prompt_text(p, chat, ts_str_c(&text), text.len, seed, purpose, attempt, err);
	ts_str_release(&text);
	return status;
}

int ts_prompt_ids(struct ts_prompt *p, const int32_t *ids, size_t n, uint64_t seed, const char *purpose, uint64_t attempt,
		  struct ts_error *err)
{
	*p = (struct ts_prompt){0};
	set_key(p, ids, n * sizeof(*ids), seed, purpose, attempt);
	if (!n)
		return ts_fail(err, TS_EFORMAT, "the prompt is empty");
	for (size_t i = 0; i < n; i++)
		if (ts_vec_push(&p->ids, ids[i])) {
			ts_prompt_release(p);
			return ts_fail_memory(err);
		}
	return 0;
}

void ts_prompt_release(struct ts_prompt *p)
{
	ts_vec_release(&p->ids);
}

int ts_response_text(const struct ts_chat *chat, const int32_t *ids, size_t n, bool stopped, bool templated, struct ts_str *out)
{
	if (templated && ts_chat_prompt_opens_thinking(chat))
		TS_TRY(ts_str_puts(out, "<think>\n"));
	return ts_tokenizer_decode(ts_chat_tokenizer(chat), ids, stopped && n ? n - 1 : n, true, out);
}
