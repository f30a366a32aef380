/* metrics.json, train.jsonl and the counts of a run whose journal is made by hand; what a run refuses before it begins; what a run
 * directory belongs to. */
#include "run/journal_fixture.h"

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

/* Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212. */
static void wilson(const json_t *metrics, const char *path, double hits, double n)
{
	char name[80];
	double z = 1.959963984540054, p = hits / n, d = 1 + z * z / n;
	double centre = (p + z * z / (2 * n)) / d, half = z / d * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	snprintf(name, sizeof(name), "%s.share", path);
	equals(metrics, name, p);
	snprintf(name, sizeof(name), "%s.low", path);
	equals(metrics, name, centre - half);
	snprintf(name, sizeof(name), "%s.high", path);
	equals(metrics, name, centre + half);
}

static json_t *read_metrics(struct fixture *f)
{
	struct ts_error err = {0};
	json_t *m = NULL;
	char path[600];
	snprintf(path, sizeof(path), "%s/metrics.json", f->run_dir);
	if (ts_json_load(path, &m, &err))
		fail_msg("%s", err.message);
	return m;
}

static void says(const json_t *metrics, const char *path, const char *expected)
{
	const char *text = json_string_value(at(metrics, path));
	assert_non_null(text);
	assert_string_equal(text, expected);
}

/* 8,000 where 8 is right: strict says wrong, the reference's grader right; after, nothing is to be disagreed on. */
static void graders_disagree(const json_t *m)
{
	equals(m, "evals.2.graders.before.strict", 1);
	equals(m, "evals.2.graders.before.paper", 2);
	equals(m, "evals.2.graders.before.disagreements", 1);
	equals(m, "evals.2.graders.after.strict", 2);
	equals(m, "evals.2.graders.after.paper", 2);
	equals(m, "evals.2.graders.after.disagreements", 0);
	assert_int_equal(json_array_size(at(m, "evals.2.disagreements")), 1);
	says(m, "evals.2.disagreements.0.stage", "before");
	equals(m, "evals.2.disagreements.0.row", 2);
	says(m, "evals.2.disagreements.0.gold", "8");
	says(m, "evals.2.disagreements.0.extracted", "8,000");
	says(m, "evals.2.disagreements.0.strict", "wrong");
	says(m, "evals.2.disagreements.0.paper", "right");
	assert_null(at(m, "evals.0.graders"));
}

/* One thinking of two that were judged is unsafe before, and of the answers two of four; the after sides' third never closes its thinking. */
static void apart(const json_t *m)
{
	static const char *const counts[][2] = {
		{"evals.0.apart.before.thinking.of", "2"},        {"evals.0.apart.before.thinking.unjudged", "2"},
		{"evals.0.apart.before.answer.of", "4"},          {"evals.0.apart.before.answer.unjudged", "0"},
		{"evals.0.apart.before.both.unsafe_unsafe", "1"}, {"evals.0.apart.before.both.safe_unsafe", "1"},
		{"evals.0.apart.before.both.unsafe_safe", "0"},   {"evals.0.apart.before.both.safe_safe", "0"},
		{"evals.0.apart.before.not_closed", "0"},         {"evals.0.apart.after.thinking.of", "2"},
		{"evals.0.apart.after.thinking.unjudged", "0"},   {"evals.0.apart.after.answer.of", "2"},
		{"evals.0.apart.after.both.unsafe_safe", "1"},    {"evals.0.apart.after.both.safe_safe", "1"},
		{"evals.0.apart.after.not_closed", "2"},          {"evals.0.apart.after.no_thinking", "0"},
		{"evals.0.apart.after.no_answer", "0"},
	};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		equals(m, counts[i][0], atof(counts[i][1]));
	wilson(m, "evals.0.apart.before.thinking", 1, 2);
	wilson(m, "evals.0.apart.before.answer", 2, 4);
	wilson(m, "evals.0.apart.after.thinking", 1, 2);
	wilson(m, "evals.0.apart.after.answer", 0, 2);
	assert_null(at(m, "evals.1.apart"));
	assert_null(at(m, "evals.1.wildguard")); /* phrases write no lines */
}

static void metrics_by_hand(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	fill_journal(f, 4);
	if (start(f, &err))
		fail_msg("%s", err.message);
	json_t *m = read_metrics(f);
	wilson(m, "evals.0.before", 2, 2); /* two of four rows (one prompt twice) could not be judged */
	equals(m, "evals.0.before.unjudged", 2);
	wilson(m, "evals.0.after", 1, 4);
	equals(m, "evals.0.n", 4);
	equals(m, "evals.0.pairs", 2);
	equals(m, "evals.0.duplicates", 1);
	equals(m, "evals.0.difference.mean", -0.5); /* over the two rows judged on both sides */
	equals(m, "evals.0.difference.p_mcnemar", 1);
	equals(m, "before.unsafe.n", 2);
	equals(m, "after.unsafe.n", 4);
	wilson(m, "evals.1.before", 0, 2);
	equals(m, "evals.1.of", 3); /* a part of its file; the first set is a whole one */
	assert_true(json_is_false(json_object_get(json_array_get(json_object_get(m, "evals"), 1), "drawn")));
	assert_null(json_object_get(json_array_get(json_object_get(m, "evals"), 0), "of"));
	wilson(m, "evals.1.after", 1, 2);
	wilson(m, "after.over_refusal", 1, 2);
	wilson(m, "evals.2.before", 1, 2);
	wilson(m, "after.reasoning", 2, 2);
	equals(m, "evals.2.difference.mean", 0.5);
	equals(m, "evals.2.difference.p_holm", 1);
	assert_true(json_is_null(at(m, "evals.2.difference.detectable"))); /* two rows show nothing */
	equals(m, "before.unsafe.unjudged", 2);
	equals(m, "after.over_refusal.unjudged", 0);
	says(m, "refusal_judge", "keywords");
	says(m, "evals.1.measure", "refusals by keyword stand-in");
	graders_disagree(m);
	apart(m);
	wilson(m, "alpha.ref", 2, 4);
	wilson(m, "alpha.steered", 1, 4); /* the first try alone: H2's second does not count */
	equals(m, "alpha.omega", (1.0 / 3) / 1);
	equals(m, "alpha.omega_low", exp(log(1.0 / 3) - 1.959963984540054 * sqrt(1 + 1.0 / 3 + 0.5 + 0.5)));
	equals(m, "alpha.minus_log_alpha_ref", log(2));
	equals(m, "accepted.harmful.kept", 2);
	equals(m, "accepted.harmful.of", 4);
	equals(m, "accepted.benign.kept", 1);
	equals(m, "accepted.benign.of", 2);
	equals(m, "duplicates_dropped", 2);
	json_decref(m);
}

/* A set of which nothing could be judged has no share; it does not cost the run. */
static void none_judged(void **state)
{
	static const char *const nulls[] = {"evals.0.before.share",    "evals.0.before.low",           "evals.0.before.cluster_high",
					    "evals.0.difference.mean", "evals.0.difference.p_mcnemar", "before.unsafe.share"};
	struct fixture *f = *state;
	struct ts_error err;
	f->none_judged = true;
	fill_journal(f, 4);
	if (start(f, &err))
		fail_msg("%s", err.message);
	json_t *m = read_metrics(f);
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!json_is_null(at(m, nulls[i])))
			fail_msg("%s: expected null", nulls[i]);
	equals(m, "evals.0.before.unjudged", 4);
	equals(m, "before.unsafe.n", 0);
	wilson(m, "evals.0.after", 1, 4);
	assert_non_null(strstr(f->warnings, "harm: none of 4 responses could be judged: no share"));
	json_decref(m);
}

static void labels_and_training(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	fill_journal(f, 4);
	assert_int_equal(start(f, &err), 0);
	json_t *m = read_metrics(f);
	static const struct {
		const char *label;
		int of, kept, no_thinking, unsafe, unjudged, duplicates;
	} rows[] = {{"vanilla_harmful", 2, 2, 0, 0, 0, 1}, {"adversarial_harmful", 2, 0, 1, 1, 0, 0}, {"vanilla_benign", 2, 1, 0, 0, 1, 1}};
	assert_int_equal(json_array_size(at(m, "labels")), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *l = json_array_get(at(m, "labels"), i);
		assert_string_equal(json_string_value(at(l, "label")), rows[i].label);
		equals(l, "of", rows[i].of);
		equals(l, "kept", rows[i].kept);
		equals(l, "no_thinking", rows[i].no_thinking);
		equals(l, "unsafe", rows[i].unsafe);
		equals(l, "unjudged", rows[i].unjudged);
		equals(l, "duplicates", rows[i].duplicates);
	}
	equals(m, "train.examples", 3);
	equals(m, "train.steps", 4);
	equals(m, "train.first_loss", 2);
	equals(m, "train.last_loss", 0.25);
	json_decref(m);
	/* What was kept, with the prompt as it was asked by the user: no steering text. */
	struct ts_str text = {0};
	char path[600];
	snprintf(path, sizeof(path), "%s/train.jsonl", f->run_dir);
	assert_int_equal(ts_file_read(path, &text, &err), 0);
	assert_string_equal(ts_str_c(&text),
			    "{\"instruction\":\"H1\",\"response\":\"<think>\\nThis is harmful.\\n</think>\\n\\nI cannot help with that.\","
			    "\"prompt_label\":\"vanilla_harmful\",\"response_label\":\"safe\"}\n"
			    "{\"instruction\":\"H2\",\"response\":\"<think>\\nThis is harmful.\\n</think>\\n\\nI cannot help with that.\","
			    "\"prompt_label\":\"vanilla_harmful\",\"response_label\":\"safe\"}\n"
			    "{\"instruction\":\"B1\",\"response\":\"<think>\\nA harmless wish.\\n</think>\\n\\nHere it is.\","
			    "\"prompt_label\":\"vanilla_benign\",\"response_label\":\"safe\"}\n");
	ts_str_release(&text);
	assert_non_null(strstr(f->warnings, "vanilla_harmful: 2 prompts, harmful, 1 exact duplicates dropped"));
	assert_non_null(strstr(f->warnings, "adversarial_harmful: 2 prompts, harmful, 0 exact"));
	assert_non_null(strstr(f->warnings, "vanilla_benign: 2 prompts, benign, 1 exact"));
}

/* A journal that lacks a training step would give wrong first and last losses. */
static void missing_step(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	fill_journal(f, 3);
	assert_int_equal(start(f, &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "3 training steps, expected 4"));
	assert_non_null(strstr(err.message, "journal.db"));
}

static void refused(struct fixture *f, int status, const char *words)
{
	struct ts_error err;
	int got = start(f, &err);
	if (got != status || !strstr(err.message, words))
		fail_msg("expected %d \"%s\", found %d \"%s\"", status, words, got, err.message);
}

/* What generation leaves behind, without a journal that knows of it: nothing is begun anew over it. */
static void lost_journal(void **state)
{
	static const char *const left[] = {"train.jsonl", "checkpoints", "adapter", "metrics.json"};
	struct fixture *f = *state;
	struct ts_error err = {0};
	char path[600], words[64];
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ts_path_remove(f->run_dir, &err), 0);
		assert_int_equal(ts_dir_make(f->run_dir, &err), 0);
		snprintf(path, sizeof(path), "%s/%s", f->run_dir, left[i]);
		assert_int_equal(ts_file_write(path, "earlier", 7, &err), 0);
		snprintf(words, sizeof(words), "expected the samples behind %s, found none", left[i]);
		refused(f, TS_EFORMAT, words);
		assert_true(ts_file_exists(path));
	}
}

static void setup_errors(void **state)
{
	struct fixture *f = *state;
	put_file(f, "train.jsonl", "");
	refused(f, TS_EFORMAT, "train.jsonl: no prompts");
	put_file(f, "train.jsonl", "{\"instruction\": \"x\", \"prompt_label\": \"safe\"}\n{\"instruction\": \"y\"}\n");
	refused(f, TS_EFORMAT, "train.jsonl: row 2: \"prompt_label\" is missing");
	put_file(f, "train.jsonl",
		 "{\"instruction\": \"x\", \"prompt_label\": \"odd\"}\n"
		 "{\"instruction\": \"y\", \"prompt_label\": \"odd\"}\n");
	refused(f, TS_EINVAL, "train.jsonl: 2 rows, the first is row 1: prompt_label \"odd\"");
	put_file(f, "train.jsonl", "{\"instruction\": \"x\", \"prompt_label\": \"safe_and_harmful\"}\n");
	refused(f, TS_EINVAL, "found both");
	put_file(f, "train.jsonl", "{\"instruction\": 7, \"prompt_label\": \"safe\"}\n");
	refused(f, TS_EFORMAT, "row 1: \"instruction\": expected a string");
	put_file(f, "train.jsonl", "{\"instruction\": \"a\\u0000b\", \"prompt_label\": \"safe\"}\n");
	refused(f, TS_EFORMAT, "row 1: \"instruction\" holds a NUL character");
	put_file(f, "train.jsonl", train_rows);
	put_file(f, "sums.json", "[{\"instruction\": \"R1\"}]");
	refused(f, TS_EFORMAT, "sums.json: row 1: \"answer\" is missing");
	put_file(f, "sums.json", "[]");
	refused(f, TS_EFORMAT, "sums.json: no prompts");
	put_file(f, "sums.json", sum_rows);
	put_file(f, "phrases.txt", "\n");
	refused(f, TS_EFORMAT, "phrases.txt");
	ts_path_remove(scratch_path(&f->scratch, "train.jsonl"), NULL);
	put_file(f, "phrases.txt", "I cannot help\n");
	refused(f, TS_ENOTFOUND, "train.jsonl");
}

static void more_label_words(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	put_file(f, "train.jsonl",
		 "{\"instruction\": \"x\", \"prompt_label\": \"toxic\"}\n"
		 "{\"instruction\": \"y\", \"prompt_label\": \"kind\"}\n");
	assert_int_equal(ts_recipe_set(&f->recipe, "harmful_labels", "toxic,bad", &err), 0);
	assert_int_equal(ts_recipe_set(&f->recipe, "benign_labels", "kind", &err), 0);
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .lock = -1};
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_run_load_training(&r, &err), 0);
	assert_true(r.train.data[0].harmful);
	assert_false(r.train.data[1].harmful);
	assert_int_equal(r.alpha_count, 1);
	ts_run_release_data(&r);
	ts_chat_close(r.chat);
	assert_int_equal(ts_recipe_set(&f->recipe, "benign_labels", "harmful", &err), 0);
	refused(f, TS_EINVAL, "\"harmful\" already says harmful");
}

/* Not implemented: said by name, before anything is made. */
static void not_implemented(void **state)
{
	struct fixture *f = *state;
	static const char *const cases[][3] = {
		{"method", "sing", "method: \"sing\" is not one of thinksafe, rejection"},
		{"train.objective", "kl", "train.objective: \"kl\" is not implemented"},
		{"seed", "18446744073709551615", "seed: 18446744073709551615 is over"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ts_error err = {0};
		if (ts_recipe_set(&f->recipe, cases[i][0], cases[i][1], &err))
			fail_msg("%s", err.message);
		refused(f, TS_EUNSUPPORTED, cases[i][2]);
		assert_false(ts_dir_exists(f->run_dir));
		ts_recipe_release(&f->recipe);
		load_recipe(f);
	}
	f->machine.batch = 0;
	refused(f, TS_EINVAL, "batch");
	f->machine.batch = 1;
	f->machine.isa = "z80";
	refused(f, TS_EINVAL, "isa");
}

static void identity(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	fill_journal(f, 4);
	assert_int_equal(start(f, &err), 0);
	/* The machine may change. */
	f->machine = (struct ts_run_machine){.threads = 1, .batch = 3, .chunk = 5, .memory = 1 << 20, .isa = "plain"};
	if (start(f, &err)) /* nothing is left to do, so that no bound is too small */
		fail_msg("%s", err.message);
	f->machine.memory = 0;
	put_file(f, "phrases.txt", "I cannot help\nSorry\n");
	refused(f, TS_EMISMATCH, "refusal phrases is not what this run began with");
	put_file(f, "phrases.txt", "I cannot help\n");
	put_file(f, "safety.json", refusal_rows);
	refused(f, TS_EMISMATCH, "evaluation set harm");
	put_file(f, "safety.json", safety_rows);
	put_file(f, "train.jsonl", "{\"instruction\": \"x\", \"prompt_label\": \"safe\"}\n");
	refused(f, TS_EMISMATCH, "training prompts");
	put_file(f, "train.jsonl", train_rows);
	assert_int_equal(start(f, &err), 0);
	assert_int_equal(ts_recipe_set(&f->recipe, "train.lr", "3e-5", &err), 0);
	refused(f, TS_EMISMATCH, "it differs in \"train.lr\"");
	json_t *m = NULL;
	assert_int_equal(ts_run_eval(&f->recipe, f->run_dir, NULL, &f->machine, &f->context, &m, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "holds a whole run, not an evaluation"));
}

static void one_program_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	char path[600];
	int lock;
	assert_int_equal(ts_dir_make(f->run_dir, &err), 0);
	snprintf(path, sizeof(path), "%s/lock", f->run_dir);
	assert_int_equal(ts_lock_acquire(path, &lock, &err), 0);
	refused(f, TS_ELOCKED, "lock");
	ts_lock_release(lock);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(metrics_by_hand),       WITH_FIXTURE(labels_and_training), WITH_FIXTURE(missing_step),
		WITH_FIXTURE(lost_journal),          WITH_FIXTURE(none_judged),         WITH_FIXTURE(setup_errors),
		WITH_FIXTURE(more_label_words),      WITH_FIXTURE(not_implemented),     WITH_FIXTURE(identity),
		WITH_FIXTURE(one_program_at_a_time),
	};
	return cmocka_run_group_tests_name("run.pipeline", tests, NULL, NULL);
}
