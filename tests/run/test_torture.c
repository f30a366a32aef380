/* A run in which one allocation fails, then the next, and so on: it ends with "out of memory", leaves no leak (the sanitizers' build
 * looks) and goes on to the right end afterwards. */
#include "run/journal_fixture.h"

#include <stdlib.h>

/* At most so many starts; with more allocations than that every n-th is made to fail. */
enum { STARTS = 400 };

static void each_allocation(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	struct ts_str expected = {0}, found = {0};
	char path[600];
	fill_journal(f, 4);
	assert_int_equal(start(f, &err), 0); /* what it puts into the journal later starts find there */
	snprintf(path, sizeof(path), "%s/metrics.json", f->run_dir);
	assert_int_equal(ts_path_remove(path, &err), 0);
	size_t before = ts_mem_count();
	assert_int_equal(start(f, &err), 0);
	size_t total = ts_mem_count() - before, stride = total / STARTS + 1, failed = 0;
	assert_int_equal(ts_file_read(path, &expected, &err), 0);
	assert_int_equal(ts_path_remove(path, &err), 0);
	for (size_t n = 1; n <= total; n += stride) {
		ts_mem_fail_at(n);
		int status = start(f, &err);
		ts_mem_fail_at(0);
		if (status != TS_ENOMEM)
			fail_msg("allocation %zu of %zu: expected out of memory, found %d \"%s\"", n, total, status, err.message);
		failed++;
	}
	assert_true(failed > 100);
	assert_int_equal(start(f, &err), 0);
	assert_int_equal(ts_file_read(path, &found, &err), 0);
	assert_string_equal(ts_str_c(&expected), ts_str_c(&found));
	print_message("%zu of %zu allocations failed once\n", failed, total);
	ts_str_release(&expected);
	ts_str_release(&found);
}

/* The values of metrics.json themselves: a count that could not be allocated must not be a count that is missing. */
static void each_json_value(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	char path[600];
	fill_journal(f, 4);
	struct ts_run r = {.recipe = &f->recipe, .machine = &f->machine, .context = &f->context, .dir = f->run_dir, .lock = -1};
	snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
	assert_int_equal(ts_store_open(&r.store, path, &err), 0);
	assert_int_equal(ts_chat_open(&r.chat, f->recipe.model.path, &err), 0);
	assert_int_equal(ts_keywords_open(f->recipe.refusal_phrases.path, &r.phrases, &err), 0);
	assert_int_equal(ts_run_load_evals(&r, &err), 0);
	assert_int_equal(ts_run_load_training(&r, &err), 0);
	assert_int_equal(ts_run_generate(&r, &err), 0);
	assert_int_equal(ts_run_train(&r, &err), 0);
	json_t *whole = NULL, *m;
	size_t before = ts_mem_count();
	assert_int_equal(ts_run_metrics(&r, &whole, &err), 0);
	size_t total = ts_mem_count() - before;
	assert_true(total > 300);
	for (size_t n = 1; n <= total; n++) {
		m = NULL;
		ts_mem_fail_at(n);
		int status = ts_run_metrics(&r, &m, &err);
		ts_mem_fail_at(0);
		if (status == TS_ENOMEM)
			continue;
		/* The library may do without the memory it asked for; then nothing may be missing. */
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
		cmocka_unit_test_setup_teardown(each_allocation, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(each_json_value, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests_name("run.torture", tests, NULL, NULL);
}
