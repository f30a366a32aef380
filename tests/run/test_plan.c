/* The plan: what is left, counted by hand; sizes that fit their bound; a bound that is too small, with its numbers. */
#include "run/journal_fixture.h"
#include "run/plan.h"

#include <stdlib.h>

static struct ts_plan make(struct fixture *f)
{
	struct ts_error err = {0};
	struct ts_plan p;
	if (ts_plan_make(&f->recipe, f->run_dir, &f->machine, 0, &f->context, &p, &err))
		fail_msg("%s", err.message);
	return p;
}

static const struct ts_plan_stage *stage(const struct ts_plan *p, const char *name)
{
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		if (!strcmp(p->stages[i].name, name))
			return &p->stages[i];
	fail_msg("no stage %s", name);
	return NULL;
}

static void left(const struct ts_plan *p, const char *name, size_t expected)
{
	const struct ts_plan_stage *s = stage(p, name);
	if (s->left != expected)
		fail_msg("%s: expected %zu left, found %zu", name, expected, s->left);
}

/* Of eight training prompts two are doubles, of four safety prompts one. Nothing is made by planning. */
static void nothing_done(void **state)
{
	struct fixture *f = *state;
	struct ts_plan p = make(f);
	left(&p, "evaluate before", 7);
	left(&p, "sample unsteered", 4);
	left(&p, "generate", 6);
	left(&p, "judge generated", 6);
	left(&p, "judge alpha", 4);
	left(&p, "judge before", 9); /* the whole response, its thinking, its answer */
	assert_int_equal(stage(&p, "judge before")->parts, 6);
	left(&p, "refusals before", 0); /* phrases */
	left(&p, "train", 6);           /* 6 rows, batches of 2, 2 epochs */
	left(&p, "evaluate after", 7);
	left(&p, "judge after", 9);
	assert_true(!p.nothing_left && !p.rates.measured && isnan(p.seconds));
	assert_int_equal(p.examples, 6);
	const struct ts_plan_stage *generate = stage(&p, "generate");
	assert_true(generate->tokens_out == 6 * 50); /* max_new_tokens, where nothing is measured */
	assert_false(ts_dir_exists(f->run_dir));
	ts_plan_release(&p);
	f->machine.expected_tokens = 20;
	p = make(f);
	assert_true(stage(&p, "generate")->tokens_out == 6 * 20);
	ts_plan_release(&p);
}

static void all_done(void **state)
{
	struct fixture *f = *state;
	fill_journal(f, 4);
	struct ts_plan p = make(f);
	assert_true(p.nothing_left);
	assert_int_equal(p.disk, 0);
	ts_plan_release(&p);
	f->machine.memory = 1; /* no bound is too small for no work */
	struct ts_error err;
	if (start(f, &err))
		fail_msg("%s", err.message);
}

/* H1 is kept, H2 was unsafe once, H3 and H4 never closed their thinking: H2 and H3 have a try left, H4 none. */
static void some_training(struct ts_run *r)
{
	struct ts_train_row *t = r->train.data;
	judged(r->store, "generate", &t[0].tries[0], SAFE, "safe");
	judged(r->store, "generate", &t[1].tries[0], FINE, "unsafe");
	sample(r->store, "generate", &t[2].tries[0], OPEN);
	sample(r->store, "generate", &t[3].tries[0], OPEN);
	sample(r->store, "generate", &t[3].tries[1], OPEN);
	sample(r->store, "generate", &t[5].tries[0], FINE); /* B1 waits for the guard alone */
}

static void half_done(void **state)
{
	struct fixture *f = *state;
	fill_journal_with(f, 2, some_training);
	struct ts_plan p = make(f);
	left(&p, "evaluate before", 0);
	left(&p, "generate", 3);        /* second tries of H2 and H3, the first of B2 */
	left(&p, "judge generated", 4); /* those, and B1 */
	left(&p, "sample unsteered", 4);
	left(&p, "judge before", 0);
	left(&p, "train", 0); /* the adapter is there */
	assert_int_equal(p.examples, 5);
	assert_false(p.nothing_left);
	ts_plan_release(&p);
}

/* Parts are judged apart where the recipe says so, and where they are: a response without thinking is its own answer. */
static void parts_left(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_plan p = make(f);
	const struct ts_plan_stage *s = stage(&p, "judge before");
	double whole = p.case_tokens[TS_PLAN_EVAL]; /* prompt and 50 tokens; a part is the prompt and half of them */
	assert_true(fabs(s->tokens_in - (3 * whole + 6 * (whole - 25))) < 1e-6);
	ts_plan_release(&p);
	assert_int_equal(ts_recipe_set(&f->recipe, "judge_apart", "false", &err), 0);
	p = make(f);
	left(&p, "judge before", 3);
	ts_plan_release(&p);
	assert_int_equal(ts_recipe_set(&f->recipe, "judge_apart", "true", &err), 0);
	assert_int_equal(ts_recipe_set(&f->recipe, "thinking", "none", &err), 0);
	p = make(f);
	left(&p, "judge before", 3);
	ts_plan_release(&p);
}

/* Phrases are no model: nothing is planned for them. */
static void phrases_judge(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	assert_int_equal(ts_recipe_set(&f->recipe, "guard", "keywords", &err), 0);
	struct ts_plan p = make(f);
	left(&p, "generate", 6);
	left(&p, "judge generated", 0);
	left(&p, "judge before", 0);
	left(&p, "train", 6);
	ts_plan_release(&p);
	assert_int_equal(ts_recipe_set(&f->recipe, "filter", "none", &err), 0);
	p = make(f);
	left(&p, "judge generated", 0);
	left(&p, "train", 6);
	ts_plan_release(&p);
}

static void another_recipe(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_plan p;
	fill_journal(f, 4);
	assert_int_equal(start(f, &err), 0);
	assert_int_equal(ts_recipe_set(&f->recipe, "train.epochs", "3", &err), 0);
	assert_int_equal(ts_plan_make(&f->recipe, f->run_dir, &f->machine, 0, &f->context, &p, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "train.epochs"));
	ts_plan_release(&p);
}

/* Refused with the numbers before anything is written down; the least that the plan names is enough for the plan. */
static void too_small(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	char path[600];
	double needed = 0;
	f->machine.memory = 8 << 20;
	struct ts_plan p = make(f);
	size_t least = p.least;
	assert_true(least > f->machine.memory);
	assert_int_equal(ts_plan_check(&p, &err), TS_ELIMIT);
	ts_plan_release(&p);
	assert_int_equal(start(f, &err), TS_ELIMIT);
	if (sscanf(err.message, "memory: 8.0 MiB are not enough; expected at least %lf MiB", &needed) != 1)
		fail_msg("%s", err.message);
	assert_true(fabs(needed * 0x1p20 / (double)least - 1) < 0.5); /* the process is not the same size at another start */
	snprintf(path, sizeof(path), "%s/recipe.yaml", f->run_dir);
	assert_false(ts_file_exists(path));
	f->machine.memory = least + least / 2;
	p = make(f);
	assert_int_equal(ts_plan_check(&p, &err), 0);
	assert_true(p.memory <= f->machine.memory);
	ts_plan_release(&p);
}

/* Sizes shrink with the room, never below what one longest sequence needs, and say so when that is too much. */
static void engine_fits(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model_size model;
	struct ts_local_size s;
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_size_read(&model, backend, f->recipe.model.path, TS_BF16, &err), 0);
	struct ts_local_wish w = {.backend = backend,
				  .config = &model.config,
				  .batch = 64,
				  .chunk = 512,
				  .max_length = 300, /* five pages */
				  .kv_dtype = TS_F32,
				  .room = SIZE_MAX};
	assert_true(ts_local_fit(&s, &w));
	assert_true(s.batch == 64 && s.chunk == 512 && s.pages == 64 * 5);
	size_t all = s.bytes, least = s.least, before = 0;
	assert_int_equal(s.kv, s.pages * ts_model_kv_page_bytes(&model.config, TS_F32));
	for (w.room = least; w.room < all + all / 8; w.room += all / 16) {
		assert_true(ts_local_fit(&s, &w));
		assert_true(s.bytes <= w.room && s.pages >= 5 && s.pages >= s.batch && s.batch <= 64 && s.chunk <= 512);
		assert_true(s.least == least && s.batch * s.chunk >= before);
		before = s.batch * s.chunk;
	}
	assert_int_equal(s.bytes, all);
	w.room = least - 1;
	assert_false(ts_local_fit(&s, &w));
	ts_backend_free(backend);
}

static void training_fits(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model_size model;
	struct ts_train_size s;
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_size_read(&model, backend, f->recipe.model.path, TS_BF16, &err), 0);
	struct ts_train_wish w = {.backend = backend,
				  .config = &model.config,
				  .rank = 8,
				  .targets = 2,
				  .params = 1000,
				  .longest = 100,
				  .sequences = 8,
				  .max_rows = 2048,
				  .room = SIZE_MAX};
	assert_true(ts_train_fit(&s, &w));
	assert_int_equal(s.keep.layers, model.config.layers);
	assert_int_equal(s.optimiser, 12000);
	size_t all = s.bytes, least = s.least;
	for (w.room = least; w.room < all + all / 8; w.room += all / 16) {
		assert_true(ts_train_fit(&s, &w));
		assert_true(s.bytes <= w.room && s.keep.layers >= 1 && s.keep.attention >= s.keep.layers && s.max_rows >= 1);
	}
	assert_int_equal(s.bytes, all);
	w.room = least - 1;
	assert_false(ts_train_fit(&s, &w));
	ts_backend_free(backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_done, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(all_done, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(half_done, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(parts_left, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(phrases_judge, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(another_recipe, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(too_small, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(engine_fits, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(training_fits, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests_name("run.plan", tests, NULL, NULL);
}
