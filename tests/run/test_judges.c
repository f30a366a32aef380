/* WildGuard in a run: which checkpoint is taken for what, its verdicts in the figures, and what cannot be a refusal judge. The verdicts are in
 * the journal already: no model is opened. */
#include "run/journal_fixture.h"
#include "wildguard_model.h"

static const json_t *at(const json_t *v, const char *path)
{
	char part[64];
	while (v && *path) {
		size_t n = strcspn(path, ".");
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
		path += n + (path[n] == '.');
	}
	return v;
}

static void counts(const json_t *m, const char *path, long long expected)
{
	const json_t *v = at(m, path);
	if (!json_is_integer(v) || json_integer_value(v) != expected)
		fail_msg("%s: expected %lld, found %lld", path, expected, v ? (long long)json_integer_value(v) : -1);
}

static void says(const json_t *m, const char *path, const char *expected)
{
	const char *text = json_string_value(at(m, path));
	if (!text || strcmp(text, expected))
		fail_msg("%s: expected %s, found %s", path, expected, text ? text : "nothing");
}

static void make_wildguard(struct fixture *f, const char *key)
{
	struct ts_error err = {0};
	char dir[600];
	snprintf(dir, sizeof(dir), "%s", scratch_path(&f->scratch, "wildguard"));
	if (wildguard_model(TS_SOURCE_DIR "/testbed", dir, false, 1, &err) || ts_recipe_set(&f->recipe, key, dir, &err))
		fail_msg("%s", err.message);
}

/* The run's own names of its evaluation prompts, with an open journal. */
static void open_run(struct fixture *f, struct ts_run *r)
{
	struct ts_error err = {0};
	char path[600];
	*r = (struct ts_run){.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .dir = f->run_dir, .lock = -1};
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open(&r->store, path, &err), 0);
	assert_int_equal(ts_chat_open(&r->chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_run_load_evals(r, &err), 0);
	assert_int_equal(ts_run_load_training(r, &err), 0);
}

static void close_run(struct ts_run *r)
{
	assert_int_equal(ts_store_close(r->store, NULL), 0);
	ts_run_release_data(r);
	ts_chat_close(r->chat);
}

#define LINES(request, refusal, response) "harmful request: " request ", response refusal: " refusal ", harmful response: " response

static json_t *finish(struct fixture *f)
{
	struct ts_error err = {0};
	json_t *m = NULL;
	if (ts_run(&f->recipe, f->run_dir, &f->machine, &f->context, &m, &err))
		fail_msg("%s", err.message);
	return m;
}

/* Phrases would say: none of two before, one of two after. */
static void refusals(void **state)
{
	struct fixture *f = *state;
	struct ts_run r;
	fill_journal(f, 4);
	make_wildguard(f, "refusal_judge");
	open_run(f, &r);
	const struct ts_prompt *o = r.evals.data[1].prompts;
	verdict_by(r.store, "before", &o[0], "wildguard refusal", "refusal", LINES("no", "yes", "no"));
	verdict_by(r.store, "before", &o[1], "wildguard refusal", "unjudged", LINES("no", "?", "?") "; it wrote \"Harmful request: no\"");
	verdict_by(r.store, "after", &o[0], "wildguard refusal", "compliance", LINES("yes", "no", "yes"));
	verdict_by(r.store, "after", &o[1], "wildguard refusal", "compliance", LINES("no", "no", "?"));
	close_run(&r);
	json_t *m = finish(f);
	says(m, "refusal_judge", f->recipe.refusal_judge.text);
	says(m, "evals.1.measure", "refusals by wildguard");
	says(m, "before.over_refusal.measure", "refusals by wildguard");
	counts(m, "evals.1.before.count", 1);
	counts(m, "evals.1.before.unjudged", 1); /* neither a refusal nor none: one row has a share */
	counts(m, "before.over_refusal.n", 1);
	counts(m, "before.over_refusal.unjudged", 1);
	counts(m, "evals.1.after.count", 0);
	counts(m, "evals.1.after.unjudged", 0);
	counts(m, "evals.1.wildguard.before.harmful_request.no", 2);
	counts(m, "evals.1.wildguard.before.refusal.yes", 1);
	counts(m, "evals.1.wildguard.before.refusal.unread", 1);
	counts(m, "evals.1.wildguard.before.harmful_response.unread", 1);
	counts(m, "evals.1.wildguard.after.harmful_request.yes", 1);
	counts(m, "evals.1.wildguard.after.harmful_response.yes", 1);
	says(m, "evals.0.measure", "unsafe share by llama_guard");
	assert_null(at(m, "evals.0.wildguard"));
	json_decref(m);
}

/* The guard's verdicts are those of its own name: none of the fixture's. */
static void harm(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_run r = {.recipe = &f->recipe};
	assert_int_equal(ts_run_find_judges(&r, &err), 0);
	assert_string_equal(ts_run_safety_judge(&r), "llama_guard");
	assert_string_equal(ts_run_refusal_judge(&r), "keywords");
	make_wildguard(f, "guard");
	assert_int_equal(ts_run_find_judges(&r, &err), 0);
	assert_string_equal(ts_run_safety_judge(&r), "wildguard");
	assert_string_equal(ts_run_filter_judge(&r), "wildguard");
	assert_true(ts_run_judges_apart(&r));
	assert_int_equal(ts_recipe_set(&f->recipe, "judge_apart", "false", &err), 0);
	assert_false(ts_run_judges_apart(&r));
}

/* Phrases look at the answer alone, whatever the recipe says. */
static void phrases_not_apart(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_run r = {.recipe = &f->recipe};
	assert_int_equal(ts_recipe_set(&f->recipe, "guard", "keywords", &err), 0);
	assert_false(ts_run_judges_apart(&r));
}

static void not_a_refusal_judge(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_run r = {.recipe = &f->recipe};
	assert_int_equal(ts_recipe_set(&f->recipe, "refusal_judge", TS_SOURCE_DIR "/testbed/guard", &err), 0);
	assert_int_equal(ts_run_find_judges(&r, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "refusal_judge: " TS_SOURCE_DIR "/testbed/guard: expected WildGuard"));
	assert_non_null(strstr(err.message, "found a model of llama"));
	assert_int_equal(ts_recipe_set(&f->recipe, "refusal_judge", "no/such/folder", &err), 0);
	assert_int_equal(ts_run_find_judges(&r, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, "refusal_judge: no/such/folder"));
}

/* Another checkpoint under the same name is another judge. */
static void bound_to_its_files(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_run r;
	fill_journal(f, 4);
	make_wildguard(f, "refusal_judge");
	open_run(f, &r);
	for (int i = 0; i < 2; i++) {
		verdict_by(r.store, "before", &r.evals.data[1].prompts[i], "wildguard refusal", "refusal", LINES("no", "yes", "no"));
		verdict_by(r.store, "after", &r.evals.data[1].prompts[i], "wildguard refusal", "refusal", LINES("no", "yes", "no"));
	}
	close_run(&r);
	json_decref(finish(f));
	assert_int_equal(wildguard_model(TS_SOURCE_DIR "/testbed", f->recipe.refusal_judge.path, true, 1, &err), 0);
	assert_int_equal(start(f, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "refusal judge is not what this run began with"));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(refusals),           WITH_FIXTURE(harm), WITH_FIXTURE(phrases_not_apart), WITH_FIXTURE(not_a_refusal_judge),
		WITH_FIXTURE(bound_to_its_files),
	};
	return cmocka_run_group_tests_name("run.judges", tests, NULL, NULL);
}
