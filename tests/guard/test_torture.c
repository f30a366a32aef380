#include "torture.h"

#include "generate/local.h"
#include "guard/llama_guard.h"
#include "scratch.h"
#include "wildguard_model.h"

#define GUARD TS_SOURCE_DIR "/testbed/guard"

struct place {
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_chat *chat;
	bool wildguard;
	size_t next, judged;
};

static int next(void *user, struct ts_case *out)
{
	struct place *p = user;
	if (p->next == 3)
		return 0;
	*out = (struct ts_case){p->next++, "What is 3 plus 4?", "<think>\nA sum.\n</think>\n\n7"};
	return 1;
}

static int done(void *user, const struct ts_case *c, const struct ts_judged *judged)
{
	struct place *p = user;
	(void)c;
	p->judged += judged->judgement != TS_UNJUDGED;
	return 0;
}

static int judge(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_responder *r;
	struct ts_guard *g;
	struct ts_local l = {.model = p->model, .chat = p->chat, .batch = 2, .chunk = 64, .max_length = p->wildguard ? 1024 : 256};
	struct ts_case_source source = {p, next, done, NULL};
	p->next = p->judged = 0;
	TS_TRY(ts_local_open(&r, &l, NULL, err));
	int status = p->wildguard ? ts_wildguard_new(&g, TS_WILDGUARD_REFUSAL, p->chat, r, 1024, err)
				  : ts_llama_guard_new(&g, p->chat, r, 256, err);
	if (!status) {
		status = g->run(g, &source, NULL, err);
		g->close(g);
	}
	r->close(r);
	if (!status)
		assert_int_equal(p->judged, 3);
	return status == TS_ENOMEM && !err->message[0] ? ts_fail_memory(err) : status;
}

static void open_place(struct place *p, const char *dir, bool wildguard)
{
	struct ts_error err = {0};
	*p = (struct place){.wildguard = wildguard};
	assert_int_equal(ts_backend_cpu_new(&p->backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_open(&p->model, p->backend, dir, NULL, &err), 0);
	assert_int_equal(ts_chat_open(&p->chat, dir, &err), 0);
}

static void close_place(struct place *p)
{
	ts_chat_close(p->chat);
	ts_model_close(p->model);
	ts_backend_free(p->backend);
}

static void test_every_allocation(void **state)
{
	struct place p;
	open_place(&p, GUARD, false);
	torture_some(judge, &p, 0, true);
	close_place(&p);
}

static void test_wildguard(void **state)
{
	struct scratch s;
	struct place p;
	struct ts_error err = {0};
	assert_int_equal(scratch_open(&s), 0);
	assert_int_equal(wildguard_model(TS_SOURCE_DIR "/testbed", scratch_path(&s, "wildguard"), false, 1, &err), 0);
	open_place(&p, scratch_path(&s, "wildguard"), true);
	torture_some(judge, &p, 0, true);
	close_place(&p);
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation), cmocka_unit_test(test_wildguard)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
