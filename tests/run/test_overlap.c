/* Which prompts are the same prompt, and when a run with them is refused. */
#include "run/journal_fixture.h"
#include "run/overlap.h"
#include "run/plan.h"

static void normalises(const char *text, const char *expected)
{
	struct ts_str out = {0};
	assert_int_equal(ts_overlap_normalise(text, strlen(text), &out), 0);
	if (strcmp(ts_str_c(&out), expected))
		fail_msg("\"%s\": expected \"%s\", found \"%s\"", text, expected, ts_str_c(&out));
	ts_str_release(&out);
}

static void normalising(void **state)
{
	(void)state;
	normalises("What is  7 plus\t2?\r\n", "what is 7 plus 2");
	normalises("  \n ", "");
	normalises("", "");
	normalises("?! \"...\"", "");
	normalises("Say \"no\", then stop.", "say no then stop");
	normalises("Say \xe2\x80\x9cno\xe2\x80\x9d, then stop", "say no then stop"); /* curved */
	normalises("Let's go!", "lets go");                                          /* straight */
	normalises("Let\xe2\x80\x99s go \xe2\x80\xa6", "lets go");                   /* U+2019, U+2026 */
	normalises("\xc2\xab Non \xc2\xbb ?", "non");                                /* guillemets apart */
	normalises("\xef\xbc\xa1\xef\xbd\x82\xe3\x80\x80\xef\xbc\x91", "ab 1");      /* full-width, ideographic space */
	normalises("a\xc2\xa0\xe2\x80\x83z\xe2\x80\xa8"
		   "b",
		   "a z b");                                   /* U+00A0, U+2003, U+2028 */
	normalises("\xef\xac\x81ne", "fine");                  /* a ligature */
	normalises("E\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9"); /* composed or not */
	normalises("\xc3\x89T\xc3\x89 \xce\xa3", "\xc3\xa9t\xc3\xa9 \xcf\x83");
	/* What a question is about stays. */
	normalises("7 - 2", "7 - 2");
	normalises("7 + 2 = ?", "7 + 2 =");
	normalises("3.5", "3.5");
	normalises("35.", "35");
	normalises("1,000 at 10:30.", "1,000 at 10:30");
	normalises("(a) 50% of x!", "(a) 50% of x");
	normalises("What is 5!?", "what is 5!");
}

/* Rows that normalise alike and none that do not; the format's words around a question do not hide it. */
static int check(struct fixture *f, const char *bound, size_t overlap[3], struct ts_error *err)
{
	struct ts_error own = {0};
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .lock = -1};
	assert_int_equal(ts_recipe_set(&f->recipe, "max_overlap", bound, &own), 0);
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &own), 0);
	if (ts_run_load_evals(&r, &own) || ts_run_load_training(&r, &own))
		fail_msg("%s", own.message);
	f->warnings[0] = '\0';
	*err = (struct ts_error){0};
	int status = ts_run_check_overlap(&r, err);
	for (size_t i = 0; i < 3; i++)
		overlap[i] = r.evals.data[i].overlap;
	ts_run_release_data(&r);
	ts_chat_close(r.chat);
	return status;
}

static void fatal_over_a_bound(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	size_t n[3];
	put_file(f, "train.jsonl",
		 "{\"instruction\": \"H1\", \"prompt_label\": \"harmful\"}\n"
		 "{\"instruction\": \"How many  are THERE?\", \"prompt_label\": \"benign\"}\n"
		 "{\"instruction\": \" s3.\", \"prompt_label\": \"harmful\"}\n"
		 "{\"instruction\": \"\\u201co1\\u201d\", \"prompt_label\": \"benign\"}\n"
		 "{\"instruction\": \"O1\", \"prompt_label\": \"benign\"}\n");
	put_file(f, "g.jsonl",
		 "{\"question\": \"How many are there\", \"answer\": \"so\\n#### 4\"}\n"
		 "{\"question\": \"How few are there\", \"answer\": \"so\\n#### 4\"}\n");
	char sets[1600];
	snprintf(sets, sizeof(sets),
		 "[{name: harm, file: %s/safety.json, kind: safety}, {name: look, file: %s/refusal.json, kind: over_refusal},"
		 " {name: words, file: %s/g.jsonl, kind: reasoning}]",
		 f->scratch.dir, f->scratch.dir, f->scratch.dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "evals", sets, &err), 0);
	assert_int_equal(check(f, "0.5", n, &err), 0);
	assert_int_equal(n[0], 2); /* S3 twice */
	assert_int_equal(n[1], 1);
	assert_int_equal(n[2], 1);
	assert_non_null(strstr(f->warnings, "evals: harm: 2 of 4 prompts are trained on as well (row 3 = "));
	assert_non_null(strstr(f->warnings, "evals: words: 1 of 2 prompts are trained on as well (row 1 = "));
	assert_non_null(strstr(f->warnings, "train.jsonl row 2)"));

	assert_int_equal(check(f, "0.49", n, &err), TS_EINVAL);
	assert_non_null(
		strstr(err.message, "evals: harm: 2 of 4 prompts are trained on as well (50%), expected at most 49% (max_overlap)"));
	assert_non_null(strstr(err.message, "safety.json: row 3 = "));
	assert_non_null(strstr(err.message, "train.jsonl row 3, row 4 = "));
	assert_non_null(strstr(err.message, "--max-overlap 0.5"));
	assert_null(strstr(err.message, "S3")); /* harmful text stays in its file */
	assert_int_equal(check(f, "0", n, &err), TS_EINVAL);
	assert_int_equal(check(f, "1", n, &err), 0);
}

/* Published benchmarks share prompts. Counted by hand from the files: of JailbreakBench's 100 goals 9 are standard behaviours of HarmBench,
 * 3 are StrongREJECT's; StrongREJECT has none of HarmBench's. */
static void published_benchmarks(void **state)
{
	static const char dir[] = TS_SHARED_DIR "/assets/benchmarks";
	struct fixture *f = *state;
	struct ts_error err = {0};
	size_t n[3];
	char list[2000];
	if (!ts_dir_exists(dir)) {
		print_message("missing: %s\n", dir);
		skip();
	}
	snprintf(list, sizeof(list),
		 "[{name: jbb, file: %s/jailbreakbench_JBC_llama-2-7b-chat-hf.json, kind: safety}, {name: sr, file: "
		 "%s/strongreject_dataset.csv, "
		 "kind: safety}, {name: safe, file: %s/xstest_prompts.csv, split: safe, kind: over_refusal}]",
		 dir, dir, dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "evals", list, &err), 0);
	snprintf(list, sizeof(list), "[{file: %s/harmbench_behaviors_text_all.csv, split: standard}]", dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "train_prompts", list, &err), 0);
	assert_int_equal(check(f, "1", n, &err), 0);
	assert_int_equal(n[0], 9);
	assert_int_equal(n[1], 0);
	assert_int_equal(n[2], 0);
	snprintf(list, sizeof(list), "%s/strongreject_dataset.csv", dir);
	assert_int_equal(ts_recipe_set(&f->recipe, "train_prompts", list, &err), 0);
	assert_int_equal(check(f, "0.01", n, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "evals: jbb: 3 of 100 prompts are trained on as well (3%)"));
}

/* Refused by the plan and the run alike, before anything is written. */
static void refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_plan plan;
	char path[600];
	put_file(f, "train.jsonl", "{\"instruction\": \"s1\", \"prompt_label\": \"harmful\"}\n");
	snprintf(path, sizeof(path), "%s/recipe.yaml", f->run_dir);
	assert_int_equal(ts_plan_make(&f->recipe, f->run_dir, &f->machine, 0, &f->context, &plan, &err), TS_EINVAL);
	ts_plan_release(&plan);
	assert_non_null(strstr(err.message, "evals: harm: 1 of 4 prompts"));
	err = (struct ts_error){0};
	assert_int_equal(ts_run(&f->recipe, f->run_dir, &f->machine, &f->context, NULL, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "evals: harm: 1 of 4 prompts"));
	assert_false(ts_file_exists(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalising),
		cmocka_unit_test_setup_teardown(fatal_over_a_bound, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(published_benchmarks, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(refused_at_once, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
