#include "guard/llama_guard.h"

#include "core/mem.h"
#include "guard/internal.h"
#include "tensor/math.h"

#include <string.h>

struct llama_guard {
	struct asking_guard asking;
	int32_t safe, unsafe;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Guard templates strip the content, so the response is looked for without its outer white space. */
static bool contains(const struct ts_str *text, const char *response)
{
	size_t n = strlen(response);
	while (n && is_space(response[n - 1]))
		n--;
	while (n && is_space(*response)) {
		response++;
		n--;
	}
	return !n || memmem(ts_str_c(text), text->len, response, n);
}

int ts_llama_guard_text(const struct ts_chat *chat, const char *prompt, const char *response, struct ts_str *out, struct ts_error *err)
{
	size_t start = out->len;
	TS_TRY(ts_chat_render_pair(chat, prompt, response, false, out, err));
	struct ts_str rendered = {out->data + start, out->len - start, 0};
	if (!contains(&rendered, response))
		return ts_fail(err, TS_EMISMATCH, "the guard's template loses the response");
	return ts_str_puts(out, "\n\n");
}

static int single_token(const struct ts_chat *chat, const char *word, int32_t *id, struct ts_error *err)
{
	ts_ids ids = {0};
	int status = ts_tokenizer_encode(ts_chat_tokenizer(chat), word, strlen(word), false, &ids, err);
	if (!status && ids.len != 1)
		status = ts_fail(err, TS_EUNSUPPORTED, "guard: \"%s\" must be a single token of its tokenizer, found %zu", word, ids.len);
	if (!status)
		*id = ids.data[0];
	ts_vec_release(&ids);
	return status;
}

static int write_text(const struct asking_guard *g, const struct ts_case *c, struct ts_str *text, struct ts_error *err)
{
	return ts_llama_guard_text(g->chat, c->prompt, c->response, text, err);
}

static void ask(const struct asking_guard *guard, struct ts_request *request)
{
	const struct llama_guard *g = (const struct llama_guard *)guard;
	request->probe_count = 2;
	request->probes[0] = g->safe;
	request->probes[1] = g->unsafe;
}

/* P(unsafe) / (P(safe) + P(unsafe)) as a logistic of the difference: nothing overflows. */
static int read_answer(struct asking_guard *guard, const struct ts_answer *answer, struct ts_judged *out)
{
	double difference = (double)answer->probe_logprobs[0] - (double)answer->probe_logprobs[1];
	double p_unsafe = 1.0 / (1.0 + ts_exp(difference < 700 ? difference : 700));
	bool unsafe = answer->probe_logprobs[1] > answer->probe_logprobs[0];
	(void)guard;
	*out = (struct ts_judged){unsafe ? TS_UNSAFE : TS_SAFE, p_unsafe, NULL};
	return 0;
}

static void close_guard(struct ts_guard *guard)
{
	ts_free(guard);
}

int ts_llama_guard_new(struct ts_guard **out, const struct ts_chat *chat, struct ts_responder *responder, size_t max_tokens,
		       struct ts_error *err)
{
	*out = NULL;
	struct llama_guard *g = ts_calloc(1, sizeof(*g));
	if (!g)
		return ts_fail_memory(err);
	*g = (struct llama_guard){.asking = {.guard = {"llama_guard", ts_asking_run, close_guard},
					     .chat = chat,
					     .responder = responder,
					     .max_tokens = max_tokens,
					     .too_long = "longer than the guard's context",
					     .text = write_text,
					     .ask = ask,
					     .read = read_answer}};
	int status = single_token(chat, "safe", &g->safe, err);
	if (!status)
		status = single_token(chat, "unsafe", &g->unsafe, err);
	if (!status && g->safe == g->unsafe)
		status = ts_fail(err, TS_EUNSUPPORTED, "guard: \"safe\" and \"unsafe\" are the same token");
	if (status)
		ts_free(g);
	else
		*out = &g->asking.guard;
	return status;
}
