/* Every allocation fails once, ours and SQLite's, which is made to take its memory from ours. After each failure the journal opens
 * again and holds what was durable. */
#include "store/store.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sqlite3.h>
#include <cmocka.h>

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* SQLite's allocator asks for the size of a block: kept in front of it. */
static void *take(int n)
{
	size_t *p = ts_alloc((size_t)n + 16);
	if (!p)
		return NULL;
	*p = (size_t)n;
	return (char *)p + 16;
}

static void *base(void *p)
{
	return (char *)p - 16;
}

static void give(void *p)
{
	ts_free(p ? base(p) : NULL);
}

static int size(void *p)
{
	return p ? (int)*(size_t *)base(p) : 0;
}

static void *resize(void *p, int n)
{
	size_t *grown = ts_realloc(base(p), 1, (size_t)n + 16);
	if (!grown)
		return NULL;
	*grown = (size_t)n;
	return (char *)grown + 16;
}

static int round_up(int n)
{
	return (n + 7) & ~7;
}

static int begin(void *unused)
{
	return SQLITE_OK;
}

static void end(void *unused)
{
}

static int work(const char *path, uint64_t *durable, struct ts_error *err)
{
	struct ts_store *s;
	static const int32_t ids[] = {1, 2};
	const struct ts_sample sample = {"response", 8, "stop", 2, 3, ids, 2, NULL};
	const struct ts_verdict verdict = {"safe", 0.25, "x", NULL};
	struct ts_sample sample_got = {0};
	struct ts_verdict verdict_got = {0};
	struct ts_steps steps = {0};
	struct ts_str text = {0};
	bool found;
	uint64_t n;
	*durable = 0;
	int status = ts_store_open(&s, path, err);
	if (status)
		return status;
	TS_GOTO(ts_store_put_meta(s, "a", "1", err));
	TS_GOTO(ts_store_flush(s, err));
	TS_GOTO(ts_store_put_sample(s, "generate", KEY, &sample, NULL, err));
	TS_GOTO(ts_store_put_verdict(s, "generate", KEY, "guard", &verdict, NULL, err));
	TS_GOTO(ts_store_put_step(s, &(struct ts_step){1, 2, 3, 4, 5}, err));
	TS_GOTO(ts_store_get_sample(s, "generate", KEY, &sample_got, &found, err));
	TS_GOTO(ts_store_get_verdict(s, "generate", KEY, "guard", &verdict_got, &found, err));
	TS_GOTO(ts_store_get_steps(s, &steps, err));
	TS_GOTO(ts_store_get_meta(s, "a", &text, &found, err));
	TS_GOTO(ts_store_count_verdicts(s, "generate", "guard", NULL, &n, err));
	TS_GOTO(ts_store_truncate_steps(s, 1, err));
	TS_GOTO(ts_store_flush(s, err));
done:
	*durable = ts_store_durable(s);
	ts_sample_release(&sample_got);
	ts_verdict_release(&verdict_got);
	ts_vec_release(&steps.rows);
	ts_str_release(&text);
	if (status) {
		ts_store_close(s, NULL);
		return status;
	}
	return ts_store_close(s, err);
}

static void remove_journal(struct scratch *scratch)
{
	static const char *const names[] = {"j.db", "j.db-wal", "j.db-shm"};
	for (int i = 0; i < 3; i++)
		assert_int_equal(ts_path_remove(scratch_path(scratch, names[i]), NULL), 0);
}

static void every_allocation_fails_once(void **state)
{
	struct scratch scratch;
	char path[512];
	assert_int_equal(scratch_open(&scratch), 0);
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, "j.db"));
	struct ts_error err = {0};
	uint64_t durable;
	size_t total = ts_mem_count();
	assert_int_equal(work(path, &durable, &err), 0);
	total = ts_mem_count() - total;
	assert_true(total > 50);
	size_t failed = 0;
	for (size_t n = 1; n <= total; n++) {
		remove_journal(&scratch);
		ts_mem_fail_at(n);
		int status = work(path, &durable, &err);
		ts_mem_fail_at(0);
		/* SQLite survives some failures by itself (a smaller cache), so success is possible too. */
		if (status) {
			failed++;
			assert_int_equal(status, TS_ENOMEM);
			assert_int_equal(err.code, TS_ENOMEM);
		}
		struct ts_store *s = NULL;
		struct ts_str text = {0};
		bool found = false;
		if (ts_store_open(&s, path, &err) || ts_store_get_meta(s, "a", &text, &found, &err))
			fail_msg("allocation %zu: %s", n, err.message);
		assert_true(found || !durable);
		assert_int_equal(ts_store_close(s, NULL), 0);
		ts_str_release(&text);
	}
	assert_true(failed > 50);
	scratch_close(&scratch);
}

int main(void)
{
	static const sqlite3_mem_methods methods = {take, give, resize, size, round_up, begin, end, NULL};
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_once)};
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) || sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) || sqlite3_initialize())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
