/* Several samples of a prompt: what a journal made by hand comes to, worked out on paper; what is planned; what is refused. */
#include "run/journal_fixture.h"
#include "run/plan.h"

#include <stdlib.h>

#define RIGHT "<think>\n1\n</think>\n\nIt is \\boxed{7}."
#define WRONG "<think>\n1\n</think>\n\nIt is \\boxed{6}."

static const char three_sums[] = "[{\"instruction\": \"R1\", \"answer\": \"7\"}, {\"instruction\": \"R2\", \"answer\": \"7\"},"
				 " {\"instruction\": \"R3\", \"answer\": \"7\"}]";
static const char four_harms[] =
	"[{\"instruction\": \"T1\"}, {\"instruction\": \"T2\"}, {\"instruction\": \"T3\"}, {\"instruction\": \"T4\"}]";

/* sums: 4 samples of 3 prompts; twice: 2 of 4. */
static void use_recipe(struct fixture *f, const char *more)
{
	char text[3000];
	const char *sums = strstr(recipe_text, "  - {name: sums"), *rest = strstr(sums, "steering");
	snprintf(text, sizeof(text),
		 "%.*s  - {name: sums, file: sums.json, kind: reasoning, grader: math, samples: 4, max_new_tokens: 70}\n"
		 "  - {name: twice, file: twice.json, kind: safety, samples: 2}\n%s%s",
		 (int)(sums - recipe_text), recipe_text, more, rest);
	put_file(f, "sums.json", three_sums);
	put_file(f, "twice.json", four_harms);
	put_file(f, "recipe.yaml", text);
	ts_recipe_release(&f->recipe);
	load_recipe(f);
}

/* Right answers of the three sums before 4, 2, 0 and after 4, 3, 1. Unsafe before 1 of 2, 0 of 2, 1 of 1 (the other one is not judged), 0 of 2;
 * after none. */
static void fill_samples(struct ts_run *r)
{
	static const size_t right[2][3] = {{4, 2, 0}, {4, 3, 1}};
	static const char *const stages[] = {"before", "after"};
	static const char *const words[2][8] = {{"unsafe", "safe", "safe", "safe", "unsafe", "unjudged", "safe", "safe"},
						{"safe", "safe", "safe", "safe", "safe", "safe", "safe", "safe"}};
	const struct ts_run_eval *sums = &r->evals.data[2], *twice = &r->evals.data[3];
	assert_int_equal(sums->set.items.len, 12);
	assert_int_equal(twice->set.items.len, 8);
	for (size_t i = 0; i < 12; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(sums->prompts[i].name, sums->prompts[j].name);
	for (int s = 0; s < 2; s++) {
		for (size_t i = 0; i < 12; i++)
			sample(r->store, stages[s], &sums->prompts[i], i % 4 < right[s][i / 4] ? RIGHT : WRONG);
		for (size_t i = 0; i < 8; i++) {
			judged(r->store, stages[s], &twice->prompts[i], FINE, words[s][i]);
			parts_judged(r->store, stages[s], &twice->prompts[i], "safe", words[s][i]);
		}
	}
	fill_training(r);
}

static const json_t *at(const json_t *value, const char *path)
{
	char key[64];
	while (value && *path) {
		size_t n = strcspn(path, ".");
		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
		path += n + (path[n] == '.');
	}
	return value;
}

static void equals(const json_t *metrics, const char *path, double expected)
{
	const json_t *v = at(metrics, path);
	if (!json_is_number(v) || fabs(json_number_value(v) - expected) > 1e-9 * (1 + fabs(expected)))
		fail_msg("%s: expected %.12g, found %.12g", path, expected, v ? json_number_value(v) : NAN);
}

static json_t *finish(struct fixture *f)
{
	struct ts_error err;
	char path[600];
	json_t *m = NULL;
	if (start(f, &err))
		fail_msg("%s", err.message);
	snprintf(path, sizeof(path), "%s/metrics.json", f->run_dir);
	if (ts_json_load(path, &m, &err))
		fail_msg("%s", err.message);
	return m;
}

/* Means of the questions 1, 1/2, 0 and 1, 3/4, 1/4. t of 2 degrees: p = 1 - t / sqrt(t^2 + 2). */
static void reasoning(const json_t *m)
{
	equals(m, "evals.2.n", 3);
	equals(m, "evals.2.samples", 4);
	equals(m, "evals.2.pairs", 3);
	equals(m, "evals.2.before.count", 6);
	equals(m, "evals.2.before.share", 0.5);
	equals(m, "evals.2.before.se", 0.5 / sqrt(3));
	equals(m, "evals.2.before.low", 0);
	equals(m, "evals.2.before.high", 1);
	static const double pass[3][2] = {{1, 0.5}, {2, (1 + 5.0 / 6 + 0) / 3}, {4, 2.0 / 3}};
	assert_int_equal(json_array_size(at(m, "evals.2.before.pass")), 3);
	for (int i = 0; i < 3; i++) {
		char path[64];
		snprintf(path, sizeof(path), "evals.2.before.pass.%d.k", i);
		equals(m, path, pass[i][0]);
		snprintf(path, sizeof(path), "evals.2.before.pass.%d.share", i);
		equals(m, path, pass[i][1]);
	}
	equals(m, "evals.2.after.pass.1.share", (1 + 1 + (1 - 3.0 / 6)) / 3);
	equals(m, "evals.2.after.pass.2.share", 1);
	equals(m, "evals.2.after.pass.2.low", 1 / (1 + 1.959963984540054 * 1.959963984540054 / 3)); /* Wilson, 3 of 3 */
	equals(m, "evals.2.difference.mean", 1.0 / 6);
	equals(m, "evals.2.difference.se", 1.0 / 12);
	equals(m, "evals.2.difference.p_student", 1 - 2 / sqrt(6));
	equals(m, "evals.2.difference.detectable", (2.4977054744123737 + 0.8416212335729143) / 12); /* 5% / 4 sets */
	assert_true(json_is_null(at(m, "evals.2.difference.p_mcnemar")));
	equals(m, "evals.2.graders.before.strict", 6);
	equals(m, "before.reasoning.n", 12);
}

/* A sample that could not be judged is in no share: sums 1, 0, 1, 0 of 2, 2, 1, 2. */
static void safety(const json_t *m)
{
	double se = sqrt(4.0 / 3 * (9 + 16 + 25 + 16) / 49) / 7;
	equals(m, "evals.3.before.unjudged", 1);
	equals(m, "evals.3.before.count", 2);
	equals(m, "evals.3.before.share", 2.0 / 7);
	equals(m, "evals.3.before.se", se);
	equals(m, "evals.3.before.low", 0);
	equals(m, "evals.3.before.high", 2.0 / 7 + 3.182446305284263 * se);
	assert_null(at(m, "evals.3.before.pass"));
	/* The answers alone were judged as the whole, the thinking as safe. */
	equals(m, "evals.3.apart.before.answer.count", 2);
	equals(m, "evals.3.apart.before.answer.unjudged", 1);
	equals(m, "evals.3.apart.before.answer.se", se);
	equals(m, "evals.3.apart.before.answer.high", 2.0 / 7 + 3.182446305284263 * se);
	equals(m, "evals.3.apart.before.thinking.se", 0);
	equals(m, "evals.3.apart.before.thinking.high", 1 - 1 / (1 + 1.959963984540054 * 1.959963984540054 / 4));
	equals(m, "evals.3.after.se", 0);
	equals(m, "evals.3.after.low", 0); /* Wilson, 0 of 4 prompts, not of 8 samples */
	equals(m, "evals.3.after.high", 1 - 1 / (1 + 1.959963984540054 * 1.959963984540054 / 4));
	equals(m, "evals.0.samples", 1); /* and a set of one sample each is what it was */
	assert_null(at(m, "evals.0.before.se"));
	assert_null(at(m, "evals.0.difference.p_student"));
}

static void by_hand(void **state)
{
	struct fixture *f = *state;
	use_recipe(f, "");
	fill_journal_with(f, 4, fill_samples);
	json_t *m = finish(f);
	reasoning(m);
	safety(m);
	/* Holm takes each set's own test: two of four say 1, the smallest counts four times. */
	equals(m, "evals.2.difference.p_holm", fmin(1, 4 * (1 - 2 / sqrt(6))));
	json_t *again = finish(f);
	assert_true(json_equal(m, again));
	json_decref(again);
	json_decref(m);
}

struct seen {
	size_t rows, mixed;
};

static int look(void *user, const struct ts_indexed_prompt *row, struct ts_error *err)
{
	struct seen *seen = user;
	(void)err;
	if (strcmp(row->set, "sums"))
		return 0;
	assert_int_equal(strlen(row->keys), 4 * 65 - 1);
	assert_null(row->extracted[0]);
	for (int s = 0; s < 2; s++)
		seen->mixed += !strcmp(row->outcome[s], "mixed");
	seen->rows++;
	return 0;
}

/* One row a prompt, with the keys of all its samples. */
static void indexed(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_store *store;
	struct seen seen = {0};
	char path[600];
	use_recipe(f, "");
	fill_journal_with(f, 4, fill_samples);
	json_decref(finish(f));
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open_read(&store, path, &err), 0);
	assert_int_equal(ts_store_each_prompt(store, look, &seen, &err), 0);
	assert_int_equal(seen.rows, 3);
	assert_int_equal(seen.mixed, 3); /* 2 of 4; 3 of 4, 1 of 4 */
	ts_store_close(store, NULL);
}

static void planned(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_plan p;
	use_recipe(f, "");
	assert_int_equal(ts_plan_make(&f->recipe, f->run_dir, &f->machine, 0, &f->context, &p, &err), 0);
	const struct ts_plan_stage *s = &p.stages[1];
	assert_string_equal(s->name, "evaluate before");
	assert_int_equal(s->left, 3 + 2 + 12 + 8);
	assert_true(s->tokens_out == 13 * 50 + 12 * 70); /* each as long as it may be */
	size_t found = 0;                                /* of a prompt's four samples one computes, the others find its keys */
	for (size_t i = 5; i < 9; i++)
		found += s->shared.data[i] == s->prompts.data[i] - 1;
	assert_int_equal(found, 3);
	assert_int_equal(p.sets.len, 4);
	assert_true(p.sets.data[2].prompts == 3 && p.sets.data[2].samples == 4 && p.sets.data[2].max_new_tokens == 70);
	assert_true(p.sets.data[3].prompts == 4 && p.sets.data[3].samples == 2 && p.sets.data[3].max_new_tokens == 50);
	assert_int_equal(p.max_new_tokens, 70);
	assert_int_equal(p.examples, 6); /* a training prompt gets one response */
	ts_plan_release(&p);
}

/* One prompt, one sample, one length. */
static void two_lengths(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	use_recipe(f, "  - {name: again, file: sums.json, kind: reasoning, grader: math, max_new_tokens: 60}\n");
	assert_int_equal(start(f, &err), TS_EINVAL);
	assert_non_null(
		strstr(err.message, "evals: again: max_new_tokens: prompt 1 is in an earlier set too; expected 70 as there, found 60"));
}

/* A figure that got no memory must not be a figure that is missing. */
static void each_json_value(void **state)
{
	enum { STARTS = 300 };
	struct fixture *f = *state;
	struct ts_error err = {0};
	json_t *whole, *m;
	char path[600];
	use_recipe(f, "");
	fill_journal_with(f, 4, fill_samples);
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .dir = f->run_dir, .lock = -1};
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open(&r.store, path, &err), 0);
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_keywords_open(f->recipe.refusal_phrases.path, &r.phrases, &err), 0);
	assert_int_equal(ts_run_load_evals(&r, &err), 0);
	size_t before = ts_mem_count();
	assert_int_equal(ts_run_eval_metrics(&r, true, &whole, &err), 0);
	size_t total = ts_mem_count() - before, stride = total / STARTS + 1;
	for (size_t n = 1; n <= total; n += stride) {
		m = NULL;
		ts_mem_fail_at(n);
		int status = ts_run_eval_metrics(&r, true, &m, &err);
		ts_mem_fail_at(0);
		if (status == TS_ENOMEM)
			continue;
		if (status || !json_equal(whole, m))
			fail_msg("allocation %zu of %zu: status %d, and other metrics", n, total, status);
		json_decref(m);
	}
	json_decref(whole);
	ts_run_release_data(&r);
	ts_keywords_close(r.phrases);
	ts_chat_close(r.chat);
	assert_int_equal(ts_store_close(r.store, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_hand, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(indexed, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(planned, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(two_lengths, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(each_json_value, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests_name("run.samples", tests, NULL, NULL);
}
