/* What stages took: sums over all starts, kept in the journal. */
#include "run/journal_fixture.h"

static const json_t *add(struct ts_run *r, json_t **timing, double seconds, uint64_t items, uint64_t tokens, uint64_t of)
{
	struct ts_error err = {0};
	const struct ts_run_work w = {seconds, items, tokens, of};
	json_decref(*timing);
	if (ts_run_add_timing(r, "generate", &w, &err) || ts_run_timing(r, timing, &err))
		fail_msg("%s", err.message);
	return json_object_get(*timing, "generate");
}

static void equals(const json_t *object, const char *key, double expected)
{
	const json_t *v = json_object_get(object, key);
	if (!json_is_number(v) || fabs(json_number_value(v) - expected) > 1e-9)
		fail_msg("%s: expected %.9g, found %.9g", key, expected, v ? json_number_value(v) : NAN);
}

static void parts_are_summed(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	json_t *timing = NULL;
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .lock = -1};
	assert_int_equal(ts_store_open(&r.store, ":memory:", &err), 0);
	assert_null(add(&r, &timing, 0, 0, 0, 0)); /* not begun */
	const json_t *g = add(&r, &timing, 1.5, 30, 600, 100);
	equals(g, "items", 30);
	equals(g, "of", 100);
	g = add(&r, &timing, 2.5, 50, 1000, 100);
	equals(g, "seconds", 4);
	equals(g, "items", 80);
	equals(g, "tokens", 1600);
	equals(g, "of", 100);
	equals(g, "per_second", 400);       /* of sampling: tokens */
	g = add(&r, &timing, 0, 0, 0, 100); /* nothing was left to do */
	equals(g, "seconds", 4);
	assert_non_null(json_string_value(json_object_get(timing, "backend")));
	/* What an earlier version kept says too little, and is begun anew. */
	assert_int_equal(ts_store_put_meta(r.store, "timing.generate", "9.000 400", &err), 0);
	g = add(&r, &timing, 2.5, 50, 1000, 100);
	equals(g, "seconds", 2.5);
	json_decref(timing);
	ts_run_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(parts_are_summed, fixture_open, fixture_close)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
