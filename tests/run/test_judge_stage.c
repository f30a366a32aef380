/* Judging stored samples: each once, durable, and what no guard can be shown is unjudged. The guard here is made up. */
#include "run/judge_stage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct stub {
	struct ts_guard guard;
	int opened, seen, stop_after; /* stop_after: 0 = never */
	bool broken;                  /* every answer is NaN */
	char responses[8][32];
};

/* Says unsafe of whatever holds the word "bad". */
static int stub_run(struct ts_guard *guard, const struct ts_case_source *source, const struct ts_context *context, struct ts_error *err)
{
	struct stub *s = (struct stub *)guard;
	struct ts_case c;
	int got;
	(void)context;
	(void)err;
	while ((got = source->next(source->user, &c)) > 0) {
		assert_int_equal(source->tick(source->user), 0);
		snprintf(s->responses[s->seen % 8], sizeof(s->responses[0]), "%s", c.response);
		struct ts_judged v = {strstr(c.response, "bad") ? TS_UNSAFE : TS_SAFE, strstr(c.response, "bad") ? 0.9 : 0.1, NULL};
		if (s->broken)
			v = (struct ts_judged){TS_UNJUDGED, NAN, TS_GUARD_NOT_FINITE};
		assert_int_equal(source->done(source->user, &c, &v), 0);
		if (++s->seen == s->stop_after)
			return TS_ESTOPPED;
	}
	return got;
}

static int stub_open(void *user, struct ts_guard **out, struct ts_error *err)
{
	struct stub *s = user;
	(void)err;
	s->opened++;
	s->guard.run = stub_run;
	*out = &s->guard;
	return 0;
}

static void put(struct ts_store *store, int key, const char *response, size_t n, char name[65])
{
	struct ts_sample sample = {.response = response, .response_len = n, .finish = "stop", .tokens = 1, .prompt_tokens = 1};
	struct ts_error err = {0};
	snprintf(name, 65, "%064x", key);
	assert_int_equal(ts_store_put_sample(store, "generate", name, &sample, NULL, &err), 0);
}

static void expect_verdict(struct ts_store *store, const char *key, const char *word, const char *why)
{
	struct ts_verdict v;
	struct ts_error err = {0};
	bool found;
	assert_int_equal(ts_store_get_verdict(store, "generate", key, "g", &v, &found, &err), 0);
	assert_true(found);
	assert_string_equal(v.verdict, word);
	assert_non_null(strstr(v.detail, why));
	ts_verdict_release(&v);
}

static void judges_once(void **state)
{
	struct ts_store *store;
	struct ts_error err = {0};
	char names[4][65];
	struct stub stub = {0};
	assert_int_equal(ts_store_open(&store, ":memory:", &err), 0);
	put(store, 1, "good", 4, names[0]);
	put(store, 2, "half\0bad", 8, names[1]);
	put(store, 3, "\xff\xfe bad", 6, names[2]);
	put(store, 4, "", 0, names[3]);
	struct ts_judge_case cases[5];
	for (int i = 0; i < 5; i++)
		cases[i] = (struct ts_judge_case){"generate", names[i % 4], "prompt", TS_WHOLE}; /* the first comes twice */
	struct ts_judge_stage s = {.store = store, .title = "judge", .judge = "g", .open = stub_open, .user = &stub};
	stub.stop_after = 1;
	assert_int_equal(ts_judge_stage_run(&s, cases, 5, NULL, &err), TS_ESTOPPED);
	stub.stop_after = 0;
	assert_int_equal(ts_judge_stage_run(&s, cases, 5, NULL, &err), 0);
	assert_int_equal(stub.opened, 2);
	assert_int_equal(stub.seen, 3); /* the first before the stop, the third and fourth after it; the second never */
	assert_string_equal(stub.responses[1], "\xff\xfe bad");
	expect_verdict(store, names[0], "safe", "");
	expect_verdict(store, names[1], "unjudged", "NUL");
	expect_verdict(store, names[2], "unsafe", "");
	expect_verdict(store, names[3], "safe", "");
	/* All is there: the guard is not opened again. */
	assert_int_equal(ts_judge_stage_run(&s, cases, 5, NULL, &err), 0);
	assert_int_equal(stub.opened, 2);
	assert_int_equal(s.new_verdicts, 0);
	assert_int_equal(ts_store_durable(store), ts_store_written(store));
	assert_int_equal(ts_store_close(store, &err), 0);
}

static void missing_sample(void **state)
{
	struct ts_store *store;
	struct ts_error err = {0};
	char name[65];
	struct stub stub = {0};
	assert_int_equal(ts_store_open(&store, ":memory:", &err), 0);
	snprintf(name, sizeof(name), "%064x", 9);
	struct ts_judge_case c = {"generate", name, "prompt", TS_WHOLE};
	struct ts_judge_stage s = {.store = store, .title = "judge", .judge = "g", .open = stub_open, .user = &stub};
	assert_int_equal(ts_judge_stage_run(&s, &c, 1, NULL, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, name));
	assert_int_equal(ts_store_close(store, &err), 0);
}

/* A guard whose every answer is NaN stops the run, now and at the next start; one that judges some of them does not. */
static void broken_guard(void **state)
{
	struct ts_store *store;
	struct ts_error err = {0};
	char names[3][65];
	struct stub stub = {.broken = true};
	assert_int_equal(ts_store_open(&store, ":memory:", &err), 0);
	struct ts_judge_case cases[3];
	for (int i = 0; i < 3; i++) {
		put(store, i, "text", 4, names[i]);
		cases[i] = (struct ts_judge_case){"generate", names[i], "prompt", TS_WHOLE};
	}
	struct ts_judge_stage s = {.store = store, .title = "judge", .judge = "g", .open = stub_open, .user = &stub};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ts_judge_stage_run(&s, cases, 2, NULL, &err), TS_ENUMERIC);
		assert_non_null(strstr(err.message, "none of 2 texts"));
	}
	assert_int_equal(stub.opened, 1);
	expect_verdict(store, names[0], "unjudged", TS_GUARD_NOT_FINITE);
	stub.broken = false;
	assert_int_equal(ts_judge_stage_run(&s, cases, 3, NULL, &err), 0);
	assert_int_equal(ts_store_close(store, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(judges_once), cmocka_unit_test(missing_sample), cmocka_unit_test(broken_guard)};
	return cmocka_run_group_tests_name("run.judge_stage", tests, NULL, NULL);
}
