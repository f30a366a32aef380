/* Who keeps what: the phrases of refusal as guard and as filter, and no filter at all, over a journal made by hand. The phrases judge what
 * the journal holds, so no model is opened. */
#include "run/journal_fixture.h"
#include "run/overlap.h"

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
	if (!json_is_number(v) || fabs(json_number_value(v) - expected) > 1e-9)
		fail_msg("%s: expected %g, found %g", path, expected, v ? json_number_value(v) : NAN);
}

static void says(const json_t *metrics, const char *path, const char *expected)
{
	assert_non_null(json_string_value(at(metrics, path)));
	assert_string_equal(json_string_value(at(metrics, path)), expected);
}

/* H1 refuses at once, H2 at the second try, H3 complies at last, H4 never closes its thinking; B1 complies, B2 refuses twice. */
static void samples(struct ts_run *r)
{
	struct ts_train_row *t = r->train.data;
	sample(r->store, "generate", &t[0].tries[0], SAFE);
	sample(r->store, "generate", &t[1].tries[0], FINE);
	sample(r->store, "generate", &t[1].tries[1], SAFE);
	sample(r->store, "generate", &t[2].tries[0], OPEN);
	sample(r->store, "generate", &t[2].tries[1], FINE);
	sample(r->store, "generate", &t[3].tries[0], OPEN);
	sample(r->store, "generate", &t[3].tries[1], OPEN);
	sample(r->store, "generate", &t[5].tries[0], FINE);
	sample(r->store, "generate", &t[6].tries[0], SAFE);
	sample(r->store, "generate", &t[6].tries[1], SAFE);
	for (size_t i = 0; i < r->alpha_count; i++)
		sample(r->store, "alpha", &r->alpha[i], i < 2 ? SAFE : i == 2 ? FINE : OPEN);
}

static json_t *run_with(struct fixture *f, const char *guard, const char *filter, int steps)
{
	struct ts_error err = {0};
	json_t *m = NULL;
	assert_int_equal(ts_recipe_set(&f->recipe, "guard", guard, &err), 0);
	assert_int_equal(ts_recipe_set(&f->recipe, "filter", filter, &err), 0);
	fill_journal_with(f, steps, samples);
	if (ts_run(&f->recipe, f->run_dir, &f->machine, &f->context, &m, &err))
		fail_msg("%s", err.message);
	return m;
}

static void check_labels(const json_t *m)
{
	static const struct {
		const char *label;
		int of, kept, no_thinking, refused, complied, unjudged, duplicates;
	} rows[] = {{"vanilla_harmful", 2, 2, 0, 0, 0, 0, 1},
		    {"adversarial_harmful", 2, 0, 1, 0, 1, 0, 0},
		    {"vanilla_benign", 2, 1, 0, 1, 0, 0, 1}};
	for (size_t i = 0; i < 3; i++) {
		const json_t *l = json_array_get(at(m, "labels"), i);
		says(l, "label", rows[i].label);
		equals(l, "of", rows[i].of);
		equals(l, "kept", rows[i].kept);
		equals(l, "no_thinking", rows[i].no_thinking);
		equals(l, "refused", rows[i].refused);
		equals(l, "complied", rows[i].complied);
		equals(l, "unjudged", rows[i].unjudged);
		equals(l, "duplicates", rows[i].duplicates);
		assert_null(at(l, "unsafe")); /* phrases do not know it */
	}
	equals(m, "alpha.ref.accepted", 2);
	equals(m, "alpha.ref.of", 4);
	equals(m, "alpha.steered.accepted", 1); /* the first try alone */
	equals(m, "alpha.steered.of", 4);
	says(m, "alpha.measure", "refused by keyword stand-in");
	equals(m, "train.examples", 3);
}

static void guard_keywords(void **state)
{
	struct fixture *f = *state;
	json_t *m = run_with(f, "keywords", "guard", 4);
	check_labels(m);
	says(m, "guard", "keywords");
	/* On harmful prompts the event is that nothing was refused. */
	says(m, "evals.0.measure", "no refusal by keyword stand-in");
	says(m, "before.unsafe.measure", "no refusal by keyword stand-in");
	says(m, "after.over_refusal.measure", "refusals by keyword stand-in");
	equals(m, "evals.0.before.count", 4);
	equals(m, "evals.0.before.unjudged", 0);
	equals(m, "evals.0.after.count", 1);
	json_decref(m);
	struct ts_str text = {0};
	struct ts_error err = {0};
	char path[600];
	snprintf(path, sizeof(path), "%s/train.jsonl", f->run_dir);
	assert_int_equal(ts_file_read(path, &text, &err), 0);
	assert_non_null(strstr(text.data, "\"vanilla_harmful\",\"response_label\":\"refusal (keyword stand-in)\"}"));
	assert_non_null(strstr(text.data, "\"vanilla_benign\",\"response_label\":\"no refusal (keyword stand-in)\"}"));
	assert_null(strstr(text.data, "\"safe\""));
	ts_str_release(&text);
	/* The journal keeps what phrases say under their own name. */
	struct ts_store *store;
	uint64_t n;
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open_read(&store, path, &err), 0);
	assert_int_equal(ts_store_count_verdicts(store, "generate", "keywords", "refusal", &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(ts_store_count_verdicts(store, "generate", "keywords", "compliance", &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ts_store_count_verdicts(store, "generate", "keywords", NULL, &n, &err), 0);
	assert_int_equal(n, 7); /* not the ones whose thinking is open */
	ts_store_close(store, NULL);
}

/* A guard model for the evaluation, phrases for the filter. */
static void filter_keywords(void **state)
{
	struct fixture *f = *state;
	json_t *m = run_with(f, TS_SOURCE_DIR "/testbed/guard", "keywords", 4);
	check_labels(m);
	says(m, "filter", "keywords");
	says(m, "evals.0.measure", "unsafe share by llama_guard");
	equals(m, "evals.0.before.count", 2);
	equals(m, "evals.0.before.unjudged", 2);
	json_decref(m);
}

static void filter_none(void **state)
{
	struct fixture *f = *state;
	json_t *m = run_with(f, "keywords", "none", 6);
	equals(m, "labels.0.kept", 2);
	equals(m, "labels.1.kept", 1); /* H3 at its second try; H4 has no thinking */
	equals(m, "labels.1.no_thinking", 1);
	equals(m, "labels.2.kept", 2);
	assert_null(at(m, "labels.0.unsafe"));
	assert_null(at(m, "labels.0.refused"));
	assert_null(at(m, "alpha")); /* nobody says what is safe */
	equals(m, "train.examples", 5);
	json_decref(m);
	struct ts_str text = {0};
	char path[600];
	snprintf(path, sizeof(path), "%s/train.jsonl", f->run_dir);
	assert_int_equal(ts_file_read(path, &text, NULL), 0);
	assert_null(strstr(text.data, "response_label"));
	ts_str_release(&text);
}

/* Without thinking asked for, everything is kept at the first try. */
static void filter_none_thinking_none(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	assert_int_equal(ts_recipe_set(&f->recipe, "thinking", "none", &err), 0);
	json_t *m = run_with(f, "keywords", "none", 6);
	equals(m, "accepted.harmful.kept", 4);
	equals(m, "accepted.benign.kept", 2);
	equals(m, "labels.1.no_thinking", 0);
	json_decref(m);
}

static void without_a_guard(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	f->recipe.guard = (struct ts_recipe_path){0};
	assert_int_equal(start(f, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "guard: missing, but filter is guard"));
	assert_int_equal(ts_recipe_set(&f->recipe, "filter", "keywords", &err), 0);
	assert_int_equal(start(f, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "guard: missing; evals: harm needs a guard checkpoint, or the word keywords"));
	char sets[600];
	snprintf(sets, sizeof(sets), "[{name: look, file: %s, kind: over_refusal}]", scratch_path(&f->scratch, "refusal.json"));
	assert_int_equal(ts_recipe_set(&f->recipe, "evals", sets, &err), 0);
	assert_int_equal(ts_run_check(&f->recipe, &f->machine, &err), 0);
}

/* Two files, one of them CSV; a row of the one and a prompt of an evaluation are the same text. */
static void lists_of_prompts(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	put_file(f, "h.csv", "category,source,forbidden_prompt\nc,s,C1\nc,s,\"C2,\nC2\"\nc,s,S1\n");
	char list[1200];
	snprintf(list, sizeof(list),
		 "[{file: %s/h.csv, shuffle: false, skip: 1}, {file: %s/train.jsonl, label: my_benign, shuffle: false, limit: 2}]",
		 f->scratch.dir, f->scratch.dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "train_prompts", list, &err), 0);
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .lock = -1};
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_run_load_evals(&r, &err), 0);
	if (ts_run_load_training(&r, &err))
		fail_msg("%s", err.message);
	assert_int_equal(r.train.len, 4);
	assert_string_equal(r.train.data[0].instruction, "C2,\nC2");
	assert_true(r.train.data[0].harmful);
	assert_string_equal(r.train.data[2].instruction, "H1");
	assert_false(r.train.data[2].harmful); /* the entry's label wins over the row's */
	assert_int_equal(r.alpha_count, 2);
	assert_int_equal(ts_run_check_overlap(&r, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "1 of 4 prompts are trained on as well"));
	assert_non_null(strstr(f->warnings, "h.csv: 2 of 3 rows, format strongreject (recognised)"));
	ts_run_release_data(&r);
	ts_chat_close(r.chat);
}

/* What a set's format implies is used, and what cannot be meant is said. */
static void formats_of_evals(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	put_file(f, "g.jsonl", "{\"question\": \"Q\", \"answer\": \"so\\n#### 4\"}\n");
	put_file(f, "x.csv", "id,prompt,type,label\n1,P,t,safe\n2,Q,t,unsafe\n");
	char sets[1200];
	snprintf(sets, sizeof(sets), "[{name: g, file: %s/g.jsonl, kind: reasoning}, {name: x, file: %s/x.csv, kind: over_refusal}]",
		 f->scratch.dir, f->scratch.dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "evals", sets, &err), 0);
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .lock = -1};
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &err), 0);
	if (ts_run_load_evals(&r, &err))
		fail_msg("%s", err.message);
	assert_int_equal(r.evals.data[0].dataset, TS_DATASET_GSM8K);
	assert_int_equal(r.evals.data[0].grader, TS_GRADER_STRICT);
	assert_non_null(strstr(f->warnings, "evals: x: 1 of 2 prompts are labelled harmful, which is not what over_refusal measures"));
	ts_run_release_data(&r);
	snprintf(sets, sizeof(sets), "[{name: s, file: %s/sums.json, kind: reasoning}]", f->scratch.dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "evals", sets, &err), 0);
	struct ts_run again = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .chat = r.chat, .lock = -1};
	assert_int_equal(ts_run_load_evals(&again, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "evals: s: grader: a reasoning set of format public needs one; expected math, gsm8k"));
	ts_run_release_data(&again);
	ts_chat_close(r.chat);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guard_keywords),  TEST(filter_keywords),  TEST(filter_none),      TEST(filter_none_thinking_none),
		TEST(without_a_guard), TEST(lists_of_prompts), TEST(formats_of_evals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
