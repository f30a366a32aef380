/* Another run's responses used again: what is taken, what is not, and that everything which has to be the same is refused by its name where it is
 * not. The other run's responses are made by hand, so that a figure shows whose they are: the model would never have said them. */
#include "run/journal_fixture.h"

#include <stdlib.h>

/* A finished run in f->run_dir. Its figures: harm 2 of 2 unsafe, sums 1 of 2 right. */
static void finish_source(struct fixture *f)
{
	struct ts_error err;
	fill_journal(f, 4);
	if (start(f, &err))
		fail_msg("%s", err.message);
}

static void use(struct fixture *f, const char *key, const char *value)
{
	struct ts_error err = {0};
	if (ts_recipe_set(&f->recipe, key, value, &err))
		fail_msg("%s", err.message);
}

/* The recipe's evaluation with `before: run`; *metrics the caller's. */
static int evaluate(struct fixture *f, const char *dir, json_t **metrics, struct ts_error *err)
{
	*err = (struct ts_error){0};
	*metrics = NULL;
	*f->warnings = '\0';
	use(f, "before", f->run_dir);
	return ts_run_eval(&f->recipe, dir, NULL, &f->machine, &f->context, metrics, err);
}

static int64_t count_of(const json_t *metrics, size_t set, const char *side)
{
	const json_t *e = json_array_get(json_object_get(metrics, "evals"), set);
	const json_t *v = json_object_get(json_object_get(e, side), "count");
	return json_is_integer(v) ? json_integer_value(v) : -1;
}

static void all_taken(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	json_t *m;
	finish_source(f);
	if (evaluate(f, NULL, &m, &err))
		fail_msg("%s", err.message);
	assert_int_equal(count_of(m, 0, "before"), 2);
	assert_int_equal(count_of(m, 2, "before"), 1);
	/* Seven distinct prompts; S1 and S2 have a verdict, S3 could not be judged, so that it is judged here. So it is with the six parts, of which
	 * one could not be judged. */
	assert_non_null(strstr(f->warnings, ": 7 responses before training and 7 verdicts of them are used again"));
	json_decref(m);
}

/* Another guard: the same responses, none of its verdicts. */
static void another_guard(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	json_t *m;
	finish_source(f);
	use(f, "guard", "keywords");
	if (evaluate(f, NULL, &m, &err))
		fail_msg("%s", err.message);
	assert_int_equal(count_of(m, 0, "before"), 4); /* FINE four times: nothing was refused */
	assert_int_equal(count_of(m, 2, "before"), 1);
	assert_non_null(strstr(f->warnings, ": 7 responses before training and 0 verdicts of them"));
	json_decref(m);
}

/* What is copied is kept: the other run may go, and the directory goes on without it. */
static void source_deleted(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	char dir[200];
	json_t *m, *again;
	finish_source(f);
	use(f, "guard", "keywords");
	snprintf(dir, sizeof(dir), "%s/own", f->scratch.dir);
	if (evaluate(f, dir, &m, &err))
		fail_msg("%s", err.message);
	assert_int_equal(ts_path_remove(f->run_dir, &err), 0);
	if (evaluate(f, dir, &again, &err))
		fail_msg("%s", err.message);
	assert_true(json_equal(m, again));
	json_decref(m);
	json_decref(again);
	assert_int_equal(evaluate(f, NULL, &m, &err), TS_ENOTFOUND); /* a journal in memory has nothing yet */
	assert_non_null(strstr(err.message, "before: "));
	assert_non_null(strstr(err.message, "expected the folder of a run, found nothing"));
}

static void refused(struct fixture *f, int code, const char *says)
{
	struct ts_error err;
	json_t *m;
	int status = evaluate(f, NULL, &m, &err);
	if (status != code || !strstr(err.message, says))
		fail_msg("expected %d, \"%s\"; found %d, \"%s\"", code, says, status, err.message);
	if (!strstr(err.message, f->run_dir))
		fail_msg("the run is not named: %s", err.message);
}

static void named(void **state)
{
	static const char *const cases[][3] = {
		{"seed", "43", "seed: expected 43 as in this run, found 42"},
		{"sampling.temperature", "0.7", "sampling.temperature: expected 0.7 as in this run, found 0.6"},
		{"sampling.top_p", "0.9", "sampling.top_p: expected 0.9 as in this run, found 0.95"},
		{"sampling.top_k", "5", "sampling.top_k: expected 5 as in this run, found 0"},
		{"sampling.max_new_tokens", "2", "max_new_tokens: expected 2 as in this run, found a response of 3 (harm, prompt 1)"},
		{"kv_dtype", "bf16", "kv_dtype: expected bf16 as in this run, found f32"},
		{"weights", "f32", "weights: expected f32 as in this run, found bf16"},
		{"model", TS_SOURCE_DIR "/testbed/guard", "model: expected "},
	};
	struct fixture *f = *state;
	finish_source(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		use(f, cases[i][0], cases[i][1]);
		refused(f, TS_EMISMATCH, cases[i][2]);
		ts_recipe_release(&f->recipe);
		load_recipe(f);
	}
	put_file(f, "sums.json", "[{\"instruction\": \"R1\", \"answer\": \"7\"}, {\"instruction\": \"R3\", \"answer\": \"8\"}]");
	refused(f, TS_EMISMATCH, "evaluation set sums: expected ");
	put_file(f, "sums.json", sum_rows);
	use(f, "evals", "[{name: new, file: none.json, kind: over_refusal}]");
	put_file(f, "none.json", "[{\"instruction\": \"N1\"}]");
	char sets[300];
	snprintf(sets, sizeof(sets), "[{name: new, file: %s/none.json, kind: over_refusal}]", f->scratch.dir);
	use(f, "evals", sets);
	refused(f, TS_EMISMATCH, "prompts: expected responses to this run's 1, found none");
}

/* numerics: where this machine has the other class, it is refused by name; where it has not, before that. */
static void numerics(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	json_t *m;
	finish_source(f);
	use(f, "numerics", "bf16dot");
	int status = evaluate(f, NULL, &m, &err);
	if (status == TS_EUNSUPPORTED)
		skip();
	assert_int_equal(status, TS_EMISMATCH);
	assert_non_null(strstr(err.message, "numerics: expected bf16dot as in this run, found f32"));
}

/* A cut response is another one where the cut is another. */
static void cut_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_store *store;
	char path[600];
	struct ts_prompt p;
	struct ts_chat *chat;
	finish_source(f);
	assert_int_equal(ts_chat_open(&chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_prompt_user(&p, chat, "R1", 42, "eval", 1, &err), 0); /* the second sample of the first sum */
	struct ts_sample s = {.response = OPEN, .response_len = strlen(OPEN), .finish = "length", .tokens = 50, .prompt_tokens = 4};
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open(&store, path, &err), 0);
	assert_int_equal(ts_store_put_sample(store, "before", p.name, &s, NULL, &err), 0);
	assert_int_equal(ts_store_close(store, &err), 0);
	snprintf(path, sizeof(path), "[{name: sums, file: %s/sums.json, kind: reasoning, grader: math, samples: 2, max_new_tokens: 60}]",
		 f->scratch.dir);
	use(f, "evals", path);
	refused(f, TS_EMISMATCH, "max_new_tokens: expected 60 as in this run, found a response cut at the end of 50 (sums, prompt 1)");
	ts_prompt_release(&p);
	ts_chat_close(chat);
}

static void itself(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	finish_source(f);
	use(f, "before", f->run_dir);
	assert_int_equal(start(f, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "expected another run, found this one"));
}

/* A recipe.yaml that somebody changed tells nothing of the samples. */
static void changed_recipe(void **state)
{
	struct fixture *f = *state;
	char path[600];
	struct ts_str text = {0};
	struct ts_error err = {0};
	finish_source(f);
	snprintf(path, sizeof(path), "%s/recipe.yaml", f->run_dir);
	assert_int_equal(ts_file_read(path, &text, &err), 0);
	assert_int_equal(ts_str_puts(&text, "\n"), 0);
	char *at = strstr(text.data, "temperature: 0.6");
	assert_non_null(at);
	memcpy(at, "temperature: 0.7", 16);
	assert_int_equal(ts_file_write(path, text.data, text.len, &err), 0);
	ts_str_release(&text);
	refused(f, TS_EMISMATCH, "expected the recipe that the run began with");
}

static int rejudge(struct fixture *f, const char *dir, json_t **m, struct ts_error *err)
{
	*err = (struct ts_error){0};
	*m = NULL;
	return ts_run_rejudge(&f->recipe, dir, f->run_dir, &f->machine, &f->context, m, err);
}

/* Both sides by another judge, and again after the run is gone. */
static void from_run(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	json_t *m, *again;
	char dir[200];
	finish_source(f);
	use(f, "guard", "keywords");
	snprintf(dir, sizeof(dir), "%s/own", f->scratch.dir);
	if (rejudge(f, dir, &m, &err))
		fail_msg("%s", err.message);
	assert_int_equal(count_of(m, 0, "before"), 4);
	assert_int_equal(count_of(m, 0, "after"), 1); /* S2 alone was not refused */
	assert_int_equal(count_of(m, 2, "before"), 1);
	assert_int_equal(count_of(m, 2, "after"), 2);
	assert_non_null(json_object_get(json_array_get(json_object_get(m, "evals"), 0), "difference"));
	assert_int_equal(ts_path_remove(f->run_dir, &err), 0);
	if (rejudge(f, dir, &again, &err))
		fail_msg("%s", err.message);
	assert_true(json_equal(m, again));
	json_decref(m);
	json_decref(again);
	/* Nothing says which adapter these are of. */
	snprintf(f->run_dir, sizeof(f->run_dir), "%.100s", dir);
	refused(f, TS_EMISMATCH, "expected a whole run or an evaluation, found another run's responses");
}

static void from_incomplete(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	json_t *m;
	finish_source(f);
	char sets[600];
	snprintf(sets, sizeof(sets), "[{name: sums, file: %s/sums.json, kind: reasoning, grader: math, samples: 2}]", f->scratch.dir);
	use(f, "evals", sets);
	assert_int_equal(rejudge(f, NULL, &m, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, "before training: expected 4 responses to the recipe's sets, found 2"));
}

/* What another version of the graders said is graded again; what this one said stays. */
static void grader_version(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	char path[600];
	struct ts_store *store;
	uint64_t right;
	finish_source(f);
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open(&store, path, &err), 0);
	assert_int_equal(ts_store_count_verdicts(store, "before", "strict", "right", &right, &err), 0);
	assert_int_equal(right, 1);
	assert_int_equal(ts_store_forget_verdicts(store, "strict", &err), 0);
	assert_int_equal(ts_store_count_verdicts(store, "after", "strict", NULL, &right, &err), 0);
	assert_int_equal(right, 0);
	assert_int_equal(ts_store_count_verdicts(store, "before", "paper", NULL, &right, &err), 0);
	assert_int_equal(right, 2);
	struct ts_prompt p;
	struct ts_chat *chat;
	assert_int_equal(ts_chat_open(&chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_prompt_user(&p, chat, "R1", 42, "eval", 0, &err), 0);
	struct ts_verdict wrong = {.verdict = "wrong", .probability = NAN};
	assert_int_equal(ts_store_put_verdict(store, "before", p.name, "strict", &wrong, NULL, &err), 0);
	assert_int_equal(ts_store_put_meta(store, "graders", "0", &err), 0);
	assert_int_equal(ts_store_close(store, &err), 0);
	if (start(f, &err))
		fail_msg("%s", err.message);
	assert_int_equal(ts_store_open_read(&store, path, &err), 0);
	assert_int_equal(ts_store_count_verdicts(store, "before", "strict", "right", &right, &err), 0);
	assert_int_equal(right, 1);
	ts_store_close(store, NULL);
	ts_prompt_release(&p);
	ts_chat_close(chat);
}

/* One allocation fails, then the next, and so on: out of memory and no leak, never other figures. */
static void each_allocation(void **state)
{
	enum { STARTS = 300 };
	struct fixture *f = *state;
	struct ts_error err;
	json_t *whole, *m;
	finish_source(f);
	use(f, "guard", "keywords");
	size_t before = ts_mem_count();
	assert_int_equal(evaluate(f, NULL, &whole, &err), 0);
	size_t total = ts_mem_count() - before, stride = total / STARTS + 1, failed = 0;
	for (size_t n = 1; n <= total; n += stride) {
		m = NULL;
		err = (struct ts_error){0};
		ts_mem_fail_at(n);
		int status = ts_run_eval(&f->recipe, NULL, NULL, &f->machine, &f->context, &m, &err);
		ts_mem_fail_at(0);
		failed += status == TS_ENOMEM;
		if (status && status != TS_ENOMEM)
			fail_msg("allocation %zu of %zu: expected out of memory, found %d \"%s\"", n, total, status, err.message);
		if (!status && !json_equal(whole, m))
			fail_msg("allocation %zu of %zu: other metrics", n, total);
		json_decref(m);
	}
	assert_true(failed > 100);
	json_decref(whole);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(all_taken), WITH_FIXTURE(another_guard),   WITH_FIXTURE(source_deleted), WITH_FIXTURE(named),
		WITH_FIXTURE(numerics),  WITH_FIXTURE(cut_elsewhere),   WITH_FIXTURE(itself),         WITH_FIXTURE(changed_recipe),
		WITH_FIXTURE(from_run),  WITH_FIXTURE(from_incomplete), WITH_FIXTURE(grader_version), WITH_FIXTURE(each_allocation),
	};
	return cmocka_run_group_tests_name("run.reuse", tests, NULL, NULL);
}
