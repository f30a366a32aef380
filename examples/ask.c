/* ask MODEL QUESTION [ADAPTER]: a checkpoint answers a question, with an adapter if one is given; the refusal phrases look at it. */
#include <stdio.h>
#include <thinksafe.h>

struct question {
	const struct ts_chat *chat;
	struct ts_prompt prompt;
	struct ts_str answer;
	bool asked;
};

static int next(void *user, struct ts_request *out)
{
	struct question *q = user;
	*out = (struct ts_request){.prompt = q->prompt.ids.data, .prompt_len = q->prompt.ids.len, .key = q->prompt.key};
	out->sampling = (struct ts_sampling){.temperature = 0.6, .top_p = 0.95, .top_k = 20, .max_new_tokens = 160};
	return q->asked ? 0 : (q->asked = true);
}

static int done(void *user, const struct ts_request *request, const struct ts_answer *a)
{
	struct question *q = user;
	(void)request;
	return a->status ? a->status : ts_response_text(q->chat, a->ids, a->len, a->finish == TS_FINISH_STOP, true, &q->answer);
}

int main(int argc, char **argv)
{
	struct ts_error err = {.message = "usage: ask MODEL QUESTION [ADAPTER]"};
	struct ts_backend *backend = NULL;
	struct ts_model *model = NULL;
	struct ts_adapter *adapter = NULL;
	struct ts_chat *chat = NULL;
	struct ts_keywords *phrases = NULL;
	struct ts_responder *responder = NULL;
	struct question q = {0};
	bool refusal;
	int status = argc < 3 || ts_backend_cpu_new(&backend, TS_ISA_AUTO, 0, &err) || ts_chat_open(&chat, argv[1], &err) ||
		     ts_model_open(&model, backend, argv[1], NULL, &err) || (argv[3] && ts_adapter_load(&adapter, model, argv[3], &err)) ||
		     ts_keywords_open(NULL, &phrases, &err) || ts_prompt_user(&q.prompt, chat, argv[2], 42, "generate", 0, &err);
	struct ts_local local = {.model = model, .adapter = adapter, .chat = q.chat = chat, .batch = 1, .chunk = 512, .max_length = 1024};
	struct ts_source source = {.user = &q, .next = next, .done = done};
	status = status || ts_local_open(&responder, &local, NULL, &err) || responder->run(responder, &source, NULL, &err) ||
		 ts_keywords_is_refusal(phrases, ts_str_c(&q.answer), q.answer.len, &refusal);
	if (status)
		fprintf(stderr, "%s\n", err.message);
	else
		printf("%s\n[%s]\n", ts_str_c(&q.answer), refusal ? "a refusal" : "no refusal");
	if (responder)
		responder->close(responder);
	ts_str_release(&q.answer);
	ts_prompt_release(&q.prompt);
	ts_keywords_close(phrases);
	ts_adapter_free(adapter);
	ts_model_close(model);
	ts_chat_close(chat);
	ts_backend_free(backend);
	return status ? 1 : 0;
}
