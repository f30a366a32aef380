#include "torture.h"

#include "generate/local.h"
#include "generate/prompt.h"
#include "generate/score.h"

#include <string.h>

#define STUDENT TS_SOURCE_DIR "/testbed/student"
enum { PROMPTS = 3 };

struct place {
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_chat *chat;
	struct ts_prompt prompts[PROMPTS];
	size_t next, answered;
};

static int prompts(void *user, struct ts_error *err)
{
	static const int32_t ids[] = {5, 6, 7};
	const struct place *p = user;
	struct ts_prompt user_turn, text, given = {0};
	struct ts_str response = {0};
	TS_TRY(ts_prompt_user(&user_turn, p->chat, "What is 3 plus 4?", 1, "generate", 0, err));
	ts_prompt_release(&user_turn);
	TS_TRY(ts_prompt_text(&text, p->chat, "3 plus 4 is", 11, 1, "generate", 0, err));
	ts_prompt_release(&text);
	TS_TRY(ts_prompt_ids(&given, ids, 3, 1, "generate", 0, err));
	int status = ts_response_text(p->chat, given.ids.data, 3, false, true, &response) ? ts_fail_memory(err) : 0;
	ts_prompt_release(&given);
	ts_str_release(&response);
	return status;
}

static int next(void *user, struct ts_request *out)
{
	struct place *p = user;
	if (p->next == PROMPTS)
		return 0;
	const struct ts_prompt *prompt = &p->prompts[p->next];
	*out = (struct ts_request){.index = p->next++,
				   .prompt = prompt->ids.data,
				   .prompt_len = prompt->ids.len,
				   .sampling = {0.6, 0.95, 20, 24},
				   .key = prompt->key};
	return 1;
}

static int done(void *user, const struct ts_request *request, const struct ts_answer *answer)
{
	struct place *p = user;
	(void)request;
	p->answered += answer->status == 0;
	return 0;
}

static int engine(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_responder *r;
	struct ts_local l = {.model = p->model, .chat = p->chat, .batch = 2, .chunk = 16, .max_length = 64};
	struct ts_source source = {.user = p, .next = next, .done = done};
	p->next = p->answered = 0;
	TS_TRY(ts_local_open(&r, &l, NULL, err));
	int status = r->run(r, &source, NULL, err);
	r->close(r);
	if (!status)
		assert_int_equal(p->answered, PROMPTS);
	return status == TS_ENOMEM && !err->message[0] ? ts_fail_memory(err) : status;
}

static int score(void *user, struct ts_error *err)
{
	const struct place *p = user;
	struct ts_scorer *s;
	float logprobs[64];
	TS_TRY(ts_scorer_new(&s, p->model, NULL, 64, 16, TS_F32, err));
	int status = ts_score(s, p->prompts[0].ids.data, p->prompts[0].ids.len, logprobs, NULL, err);
	ts_scorer_free(s);
	return status;
}

static void test_every_allocation(void **state)
{
	struct place p = {0};
	struct ts_error err = {0};
	assert_int_equal(ts_backend_cpu_new(&p.backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_open(&p.model, p.backend, STUDENT, NULL, &err), 0);
	assert_int_equal(ts_chat_open(&p.chat, STUDENT, &err), 0);
	for (int i = 0; i < PROMPTS; i++)
		assert_int_equal(ts_prompt_user(&p.prompts[i], p.chat, "What is 3 plus 4?", (uint64_t)i, "generate", 0, &err), 0);
	assert_in_range(p.prompts[0].ids.len, 2, 39);
	torture_some(prompts, &p, 0, true);
	torture(engine, &p);
	torture(score, &p);
	for (int i = 0; i < PROMPTS; i++)
		ts_prompt_release(&p.prompts[i]);
	ts_chat_close(p.chat);
	ts_model_close(p.model);
	ts_backend_free(p.backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
