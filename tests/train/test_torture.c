#include "model/golden_model.h"
#include "torture.h"

#include "core/file.h"
#include "text/chat.h"
#include "train/golden_train.h"

struct place {
	struct student student;
	float *start; /* the adapter as it came */
	struct ts_example rows[GOLDEN_ROWS];
	char scratch[64];
};

/* Six steps with a checkpoint after each, the second half in a second call that resumes. */
static int train_twice(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct steps_seen seen = {.stop_after = 3};
	struct ts_context context = {.stop = &seen.stop};
	struct ts_adapter *a = p->student.adapter;
	struct ts_train_options o = golden_options();
	const struct ts_train_hooks hooks = {.user = &seen, .step = record_step};
	TS_TRY(ts_path_remove(p->scratch, err)); /* what an earlier failure left would be resumed from */
	memcpy(a->params, p->start, a->count * sizeof(float));
	o.batch = 2;
	o.checkpoint_dir = p->scratch;
	o.checkpoint_steps = 1;
	int status = ts_train(p->student.model, a, p->rows, 12, &o, &context, &hooks, err);
	if (status != TS_ESTOPPED)
		return status;
	seen.stop = 0;
	memcpy(a->params, p->start, a->count * sizeof(float));
	return ts_train(p->student.model, a, p->rows, 12, &o, &context, &hooks, err);
}

static void test_every_allocation(void **state)
{
	struct place p = {0};
	struct ts_error err = {0};
	struct golden g = golden_open_lora("qwen3", 4);
	golden_examples(g.values, golden_options().seed, p.rows);
	p.student = student_open("qwen3", 4, 1);
	size_t bytes = p.student.adapter->count * sizeof(float);
	p.start = malloc(bytes);
	memcpy(p.start, p.student.adapter->params, bytes);
	strcpy(p.scratch, temp_dir());
	torture(train_twice, &p);
	free(p.start);
	release_examples(p.rows, GOLDEN_ROWS);
	student_close(&p.student);
	golden_close(&g);
	ok(ts_path_remove(p.scratch, &err));
}

static int make_example(void *user, struct ts_error *err)
{
	struct ts_example e;
	TS_TRY(ts_example_make(&e, user, "What is 3 plus 4?", "3 + 4 = 7\n</think>\n\n7", true, 1000, err));
	assert_true(e.prefix_ok && e.targets > 5);
	struct ts_example again;
	int status = ts_example_from_ids(&again, e.ids, e.mask, e.len, 1000, err);
	if (!status)
		assert_int_equal(again.targets, e.targets);
	ts_example_release(&again);
	ts_example_release(&e);
	return status;
}

static void test_example(void **state)
{
	struct ts_chat *chat;
	struct ts_error err = {0};
	ok(ts_chat_open(&chat, TS_SOURCE_DIR "/testbed/student", &err));
	torture(make_example, chat);
	ts_chat_close(chat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation), cmocka_unit_test(test_example)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
