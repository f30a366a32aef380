#include "train/example.h"

#include "core/mem.h"
#include "text/chat.h"
#include "text/thinking.h"

#include <string.h>

static int encode(const struct ts_chat *chat, const struct ts_str *text, ts_ids *ids, struct ts_error *err)
{
	return ts_tokenizer_encode(ts_chat_tokenizer(chat), ts_str_c(text), text->len, false, ids, err);
}

static int encode_prompt(const struct ts_chat *chat, const char *instruction, ts_ids *ids, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = ts_chat_render_user(chat, instruction, &text, err);
	if (!status)
		status = encode(chat, &text, ids, err);
	ts_str_release(&text);
	return status;
}

static int encode_whole(const struct ts_chat *chat, const char *instruction, const char *response, bool thinking, ts_ids *ids,
			struct ts_error *err)
{
	struct ts_str text = {0}, repaired = {0};
	int status = 0;
	if (thinking) {
		if (ts_thinking_repair(response, strlen(response), &repaired))
			TS_GOTO(ts_fail_memory(err));
		response = ts_str_c(&repaired);
	}
	TS_GOTO(ts_chat_render_pair(chat, instruction, response, true, &text, err));
	status = encode(chat, &text, ids, err);
done:
	ts_str_release(&text);
	ts_str_release(&repaired);
	return status;
}

/* Takes ids [len] of which the first prompt_len are not targets; cuts at max_length. */
static int fill(struct ts_example *e, const int32_t *ids, const uint8_t *mask, size_t len, size_t prompt_len, size_t max_length,
		struct ts_error *err)
{
	bool cut = len > max_length;
	*e = (struct ts_example){.len = cut ? max_length : len, .prompt_len = prompt_len, .prefix_ok = true, .truncated = cut};
	e->ids = ts_calloc(e->len ? e->len : 1, sizeof(*e->ids));
	e->mask = ts_calloc(e->len ? e->len : 1, sizeof(*e->mask));
	if (!e->ids || !e->mask) {
		ts_example_release(e);
		return ts_fail_memory(err);
	}
	for (size_t i = 0; i < e->len; i++) {
		e->ids[i] = ids[i];
		e->mask[i] = mask ? mask[i] != 0 : i >= prompt_len;
		e->targets += i && e->mask[i];
	}
	return 0;
}

int ts_example_make(struct ts_example *e, const struct ts_chat *chat, const char *instruction, const char *response, bool thinking,
		    size_t max_length, struct ts_error *err)
{
	ts_ids prompt = {0}, whole = {0};
	*e = (struct ts_example){0};
	int status = encode_prompt(chat, instruction, &prompt, err);
	if (!status)
		status = encode_whole(chat, instruction, response, thinking, &whole, err);
	if (!status)
		status = fill(e, whole.data, NULL, whole.len, prompt.len, max_length, err);
	if (!status)
		e->prefix_ok =
			prompt.len <= whole.len && (!prompt.len || !memcmp(prompt.data, whole.data, prompt.len * sizeof(*prompt.data)));
	ts_vec_release(&prompt);
	ts_vec_release(&whole);
	return status;
}

int ts_example_from_ids(struct ts_example *e, const int32_t *ids, const uint8_t *mask, size_t len, size_t max_length, struct ts_error *err)
{
	size_t prompt_len = 0;
	while (prompt_len < len && !mask[prompt_len])
		prompt_len++;
	return fill(e, ids, mask, len, prompt_len, max_length, err);
}

void ts_example_release(struct ts_example *e)
{
	ts_free(e->ids);
	ts_free(e->mask);
	*e = (struct ts_example){0};
}

bool ts_example_usable(const struct ts_example *e, const char *row, bool keep_broken, const struct ts_context *context)
{
	if (!e->prefix_ok)
		ts_log(context, TS_LOG_WARN,
		       "%s: the prompt's %zu tokens do not start the example's tokens (tokens merge where the response begins, or the "
		       "template "
		       "rewrites it); %s",
		       row, e->prompt_len, keep_broken ? "trained on all the same" : "left out of training");
	if (!e->prefix_ok && !keep_broken)
		return false;
	if (!e->targets) {
		ts_log(context, TS_LOG_WARN,
		       "%s: no token of the response is left to learn from (prompt of %zu tokens, example of %zu)%s; left out of training",
		       row, e->prompt_len, e->len, e->truncated ? ", cut at the longest length" : "");
		return false;
	}
	if (e->truncated)
		ts_log(context, TS_LOG_WARN, "%s: cut at %zu tokens", row, e->len);
	return true;
}
