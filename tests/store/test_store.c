/* Round trips, group commit, two handles, damaged files; a child that is killed never loses a row it was told is durable. */
#include "store/store.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct scratch g_scratch;

static struct ts_error g_err;

#define ok(call)                                                                                                                           \
	do {                                                                                                                               \
		if (call)                                                                                                                  \
			fail_msg("%s: %s", #call, g_err.message);                                                                          \
	} while (0)

static const char *key_of(int i)
{
	static char key[65];
	snprintf(key, sizeof(key), "%064x", i);
	return key;
}

static struct ts_store *open_store(const char *name)
{
	struct ts_store *s = NULL;
	ok(ts_store_open(&s, scratch_path(&g_scratch, name), &g_err));
	return s;
}

static void texts(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct ts_str text = {0};
	bool found = true;
	ok(ts_store_get_meta(s, "recipe", &text, &found, &g_err));
	assert_false(found);
	ok(ts_store_put_meta(s, "recipe", "old", &g_err));
	ok(ts_store_put_meta(s, "recipe", "n\xc3\xa9w", &g_err));
	ok(ts_store_put_result(s, "recipe", "{\"x\":1}", &g_err));
	for (int again = 0; again < 2; again++) {
		ts_str_clear(&text);
		ok(ts_store_get_meta(s, "recipe", &text, &found, &g_err));
		assert_true(found);
		assert_string_equal(text.data, "n\xc3\xa9w");
		ts_str_clear(&text);
		ok(ts_store_get_result(s, "recipe", &text, &found, &g_err));
		assert_string_equal(text.data, "{\"x\":1}");
		ok(ts_store_close(s, &g_err));
		s = open_store("a.db");
	}
	assert_int_equal(ts_store_put_meta(s, "", "x", &g_err), TS_EINVAL);
	ok(ts_store_close(s, &g_err));
	assert_int_equal(ts_store_close(NULL, NULL), 0);
	ts_str_release(&text);
}

static void samples(void **state)
{
	static const int32_t ids[] = {5, -1, INT32_MAX};
	struct ts_store *s = open_store("a.db");
	const struct ts_sample first = {"a\0b\n\xe2\x82\xac", 7, "stop", 12, 34, ids, 3, NULL};
	const struct ts_sample empty = {NULL, 0, "length", 0, 0, NULL, 0, NULL};
	struct ts_sample got;
	bool added = false, found = true;
	uint64_t n = 9;
	ok(ts_store_get_sample(s, "before", key_of(1), &got, &found, &g_err));
	assert_false(found);
	ok(ts_store_count_samples(s, "before", &n, &g_err));
	assert_int_equal(n, 0);
	ok(ts_store_put_sample(s, "before", key_of(1), &first, &added, &g_err));
	assert_true(added);
	ok(ts_store_put_sample(s, "before", key_of(1), &empty, &added, &g_err)); /* the first one wins */
	assert_false(added);
	ok(ts_store_put_sample(s, "after", key_of(1), &empty, &added, &g_err));
	assert_true(added);
	ok(ts_store_put_sample(s, "before", key_of(2), &empty, NULL, &g_err));
	for (int again = 0; again < 2; again++) {
		ok(ts_store_get_sample(s, "before", key_of(1), &got, &found, &g_err));
		assert_true(found);
		assert_int_equal(got.response_len, 7);
		assert_memory_equal(got.response, first.response, 8); /* with the NUL behind it */
		assert_string_equal(got.finish, "stop");
		assert_true(got.tokens == 12 && got.prompt_tokens == 34 && got.id_count == 3);
		assert_memory_equal(got.ids, ids, sizeof(ids));
		ts_sample_release(&got);
		ok(ts_store_get_sample(s, "after", key_of(1), &got, &found, &g_err));
		assert_true(found && !got.response_len && !got.id_count);
		assert_string_equal(got.response, "");
		assert_string_equal(got.finish, "length");
		ts_sample_release(&got);
		ok(ts_store_count_samples(s, "before", &n, &g_err));
		assert_int_equal(n, 2);
		ok(ts_store_close(s, &g_err));
		s = open_store("a.db");
	}
	struct ts_sample bad = first;
	bad.finish = "end";
	assert_int_equal(ts_store_put_sample(s, "before", key_of(3), &bad, NULL, &g_err), TS_EINVAL);
	assert_non_null(strstr(g_err.message, "end"));
	assert_int_equal(ts_store_put_sample(s, "before", "abc", &first, NULL, &g_err), TS_EINVAL);
	assert_int_equal(ts_store_put_sample(s, "", key_of(3), &first, NULL, &g_err), TS_EINVAL);
	ok(ts_store_close(s, &g_err));
}

static void verdicts(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct ts_verdict got, unjudged = {"unjudged", NAN, "server: 500", NULL}, safe = {"safe", 0.1, NULL, NULL},
			       unsafe = {"unsafe", 0.9, "S1", NULL};
	bool added = false, found = true;
	uint64_t n = 0;
	ok(ts_store_put_verdict(s, "generate", key_of(1), "guard", &unjudged, &added, &g_err));
	assert_true(added);
	ok(ts_store_get_verdict(s, "generate", key_of(1), "guard", &got, &found, &g_err));
	assert_true(found && isnan(got.probability));
	assert_string_equal(got.detail, "server: 500");
	ts_verdict_release(&got);
	ok(ts_store_put_verdict(s, "generate", key_of(1), "guard", &safe, &added, &g_err)); /* judged again */
	assert_true(added);
	ok(ts_store_put_verdict(s, "generate", key_of(1), "guard", &unsafe, &added, &g_err)); /* but only once */
	assert_false(added);
	ok(ts_store_put_verdict(s, "generate", key_of(1), "keywords", &unsafe, &added, &g_err));
	ok(ts_store_put_verdict(s, "generate", key_of(2), "guard", &unsafe, &added, &g_err));
	ok(ts_store_get_verdict(s, "generate", key_of(1), "guard", &got, &found, &g_err));
	assert_string_equal(got.verdict, "safe");
	assert_string_equal(got.detail, "");
	assert_true(got.probability == 0.1);
	ts_verdict_release(&got);
	ok(ts_store_get_verdict(s, "before", key_of(1), "guard", &got, &found, &g_err));
	assert_false(found);
	ok(ts_store_count_verdicts(s, "generate", "guard", NULL, &n, &g_err));
	assert_int_equal(n, 2);
	ok(ts_store_count_verdicts(s, "generate", "guard", "unsafe", &n, &g_err));
	assert_int_equal(n, 1);
	ok(ts_store_count_verdicts(s, "generate", "guard", "unjudged", &n, &g_err));
	assert_int_equal(n, 0);
	safe.verdict = "fine";
	assert_int_equal(ts_store_put_verdict(s, "generate", key_of(1), "guard", &safe, NULL, &g_err), TS_EINVAL);
	unsafe.probability = 1.5;
	assert_int_equal(ts_store_put_verdict(s, "generate", key_of(1), "guard", &unsafe, NULL, &g_err), TS_EINVAL);
	ok(ts_store_close(s, &g_err));
}

static void steps(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct ts_steps got = {0};
	for (int i = 4; i >= 0; i--)
		ok(ts_store_put_step(s, &(struct ts_step){i, 1.0 / 3 + i, 0.1, 1e-5, 100 + i}, &g_err));
	ok(ts_store_put_step(s, &(struct ts_step){2, NAN, INFINITY, 5e-324, 7}, &g_err));
	ok(ts_store_get_steps(s, &got, &g_err));
	assert_int_equal(got.rows.len, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(got.rows.data[i].step, i);
		assert_int_equal(got.rows.data[i].target_tokens, i == 2 ? 7 : 100 + i);
	}
	assert_true(got.rows.data[3].loss == 1.0 / 3 + 3 && got.rows.data[3].grad_norm == 0.1 && got.rows.data[3].lr == 1e-5);
	assert_true(isnan(got.rows.data[2].loss) && isinf(got.rows.data[2].grad_norm) && got.rows.data[2].lr == 5e-324);
	ok(ts_store_truncate_steps(s, 3, &g_err));
	ok(ts_store_get_steps(s, &got, &g_err));
	assert_int_equal(got.rows.len, 3);
	assert_int_equal(got.rows.data[2].step, 2);
	ts_vec_release(&got.rows);
	ok(ts_store_close(s, &g_err));
}

static void group_commit(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct ts_store *reader = NULL;
	struct ts_str text = {0};
	bool found;
	ok(ts_store_open_read(&reader, g_scratch.path, &g_err));
	ok(ts_store_put_meta(s, "a", "1", &g_err));
	ok(ts_store_put_meta(s, "b", "1", &g_err));
	assert_int_equal(ts_store_written(s), 2);
	assert_int_equal(ts_store_durable(s), 0);
	ok(ts_store_get_meta(reader, "b", &text, &found, &g_err));
	assert_false(found); /* another handle sees only what is committed */
	ok(ts_store_get_meta(s, "b", &text, &found, &g_err));
	assert_true(found);
	usleep((unsigned)(1.2e6 * TS_STORE_GROUP_SECONDS));
	ok(ts_store_tick(s, &g_err));
	assert_int_equal(ts_store_durable(s), 2);
	ok(ts_store_get_meta(reader, "b", &text, &found, &g_err));
	assert_true(found);
	ok(ts_store_put_meta(s, "c", "1", &g_err));
	assert_int_equal(ts_store_durable(s), 2);
	usleep((unsigned)(1.2e6 * TS_STORE_GROUP_SECONDS));
	ok(ts_store_put_meta(s, "d", "1", &g_err)); /* late enough to take all with it */
	assert_int_equal(ts_store_durable(s), 4);
	ok(ts_store_put_meta(s, "e", "1", &g_err));
	ok(ts_store_flush(s, &g_err));
	ok(ts_store_flush(s, &g_err));
	assert_int_equal(ts_store_durable(s), 5);
	ok(ts_store_put_meta(s, "f", "1", &g_err));
	ok(ts_store_close(s, &g_err));
	ok(ts_store_get_meta(reader, "f", &text, &found, &g_err));
	assert_true(found);
	assert_int_equal(ts_store_put_meta(reader, "g", "1", &g_err), TS_EINVAL);
	ok(ts_store_close(reader, &g_err));
	ts_str_release(&text);
}

/* Two writers: the second waits for the first's commit and both rows are there. */
static void two_handles(void **state)
{
	struct ts_store *a = open_store("a.db"), *b = open_store("a.db");
	struct ts_str text = {0};
	bool found;
	ok(ts_store_put_meta(a, "a", "1", &g_err));
	ok(ts_store_flush(a, &g_err));
	ok(ts_store_put_meta(b, "b", "2", &g_err));
	ok(ts_store_flush(b, &g_err));
	ok(ts_store_get_meta(a, "b", &text, &found, &g_err));
	assert_true(found);
	ok(ts_store_get_meta(b, "a", &text, &found, &g_err));
	assert_true(found);
	assert_string_equal(text.data, "21");
	ok(ts_store_close(a, &g_err));
	ok(ts_store_close(b, &g_err));
	ts_str_release(&text);
}

static void refused_files(void **state)
{
	static const char garbage[] = "this is certainly not a database, but a text of some length, which goes on and on and on.......\n"
				      "and has a second line, and is read by nobody";
	struct ts_store *s = NULL;
	assert_int_equal(ts_store_open(&s, scratch_write(&g_scratch, "text.db", garbage, sizeof(garbage) - 1), &g_err), TS_EFORMAT);
	assert_non_null(strstr(g_err.message, "text.db"));
	struct ts_str text = {0};
	ok(ts_file_read(g_scratch.path, &text, &g_err));
	assert_string_equal(text.data, garbage); /* and it was not touched */
	ts_str_release(&text);
	assert_int_equal(ts_store_open_read(&s, scratch_path(&g_scratch, "none.db"), &g_err), TS_ENOTFOUND);
	assert_int_equal(ts_store_open(&s, "/nowhere/none.db", &g_err), TS_EIO);
	assert_non_null(strstr(g_err.message, "/nowhere/none.db"));

	sqlite3 *db;
	assert_int_equal(sqlite3_open(scratch_path(&g_scratch, "other.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(ts_store_open(&s, g_scratch.path, &g_err), TS_EFORMAT);
	assert_non_null(strstr(g_err.message, "other.db"));

	s = open_store("future.db");
	ok(ts_store_close(s, &g_err));
	assert_int_equal(sqlite3_open(g_scratch.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 77", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(ts_store_open(&s, g_scratch.path, &g_err), TS_EMISMATCH);
	assert_non_null(strstr(g_err.message, "version 77"));
	assert_non_null(strstr(g_err.message, "1 to 2"));
}

/* --- prompts --- */

struct walk {
	const struct ts_indexed_prompt *expected;
	size_t count;
	int status; /* what the callback returns */
};

static void same_text(const char *found, const char *expected)
{
	assert_int_equal(!found, !expected);
	if (found)
		assert_string_equal(found, expected);
}

static int compare_prompt(void *user, const struct ts_indexed_prompt *row, struct ts_error *err)
{
	struct walk *w = user;
	const struct ts_indexed_prompt *e = &w->expected[w->count++];
	(void)err;
	same_text(row->set, e->set);
	same_text(row->kind, e->kind);
	same_text(row->prompt, e->prompt);
	same_text(row->label, e->label);
	same_text(row->gold, e->gold);
	same_text(row->keys, e->keys);
	same_text(row->plain_key, e->plain_key);
	for (int i = 0; i < 2; i++) {
		same_text(row->outcome[i], e->outcome[i]);
		same_text(row->extracted[i], e->extracted[i]);
	}
	assert_true(row->number == e->number && row->cluster == e->cluster && row->accepted == e->accepted && row->harmful == e->harmful);
	return w->status;
}

static const struct ts_indexed_prompt prompt_rows[] = {
	{"sums", "reasoning", 7, "2 + 2?", NULL, "4", "k1", NULL, {"wrong", "right"}, {"5", "4"}, 3, -1, false},
	{"train", "train", 1, "p", "vanilla_harmful", NULL, "k2 k3", "k4", {"kept", NULL}, {NULL, NULL}, 0, 1, true},
};

static void prompts(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct walk w = {prompt_rows, 0, 0};
	ok(ts_store_put_meta(s, "a", "1", &g_err));
	ok(ts_store_replace_prompts(s, prompt_rows + 1, 1, &g_err));
	ok(ts_store_replace_prompts(s, prompt_rows, 2, &g_err)); /* the old row went */
	assert_int_equal(ts_store_durable(s), ts_store_written(s));
	ok(ts_store_close(s, &g_err));
	ok(ts_store_open_read(&s, g_scratch.path, &g_err));
	ok(ts_store_each_prompt(s, compare_prompt, &w, &g_err));
	assert_int_equal(w.count, 2);
	w = (struct walk){prompt_rows, 0, TS_EFORMAT};
	assert_int_equal(ts_store_each_prompt(s, compare_prompt, &w, &g_err), TS_EFORMAT);
	assert_int_equal(w.count, 1);
	ok(ts_store_close(s, &g_err));
	/* All or nothing: the second of these rows has no prompt, which the table refuses. */
	struct ts_indexed_prompt half[] = {prompt_rows[1], prompt_rows[1]};
	half[1].prompt = NULL;
	s = open_store("a.db");
	assert_int_not_equal(ts_store_replace_prompts(s, half, 2, &g_err), 0);
	w = (struct walk){prompt_rows, 0, 0};
	ok(ts_store_each_prompt(s, compare_prompt, &w, &g_err));
	assert_int_equal(w.count, 2);
	ok(ts_store_put_meta(s, "a", "2", &g_err));
	ok(ts_store_close(s, &g_err));
}

/* A journal as version 1 wrote it: without the table, and marked so. */
static void older_version(void **state)
{
	sqlite3 *db;
	struct ts_str text = {0};
	struct walk w = {prompt_rows, 0, 0};
	bool found;
	struct ts_store *s = open_store("old.db");
	ok(ts_store_put_meta(s, "a", "1", &g_err));
	ok(ts_store_close(s, &g_err));
	assert_int_equal(sqlite3_open(g_scratch.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE prompts; PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	ok(ts_store_open_read(&s, g_scratch.path, &g_err)); /* readable, and reading changes nothing */
	ok(ts_store_each_prompt(s, compare_prompt, &w, &g_err));
	assert_int_equal(w.count, 0);
	ok(ts_store_close(s, &g_err));
	s = open_store("old.db");
	ok(ts_store_replace_prompts(s, prompt_rows, 2, &g_err));
	ok(ts_store_each_prompt(s, compare_prompt, &w, &g_err));
	assert_int_equal(w.count, 2);
	ok(ts_store_get_meta(s, "a", &text, &found, &g_err));
	assert_string_equal(text.data, "1");
	ok(ts_store_close(s, &g_err));
	s = open_store("old.db"); /* and it is version 2 now */
	ok(ts_store_close(s, &g_err));
	ts_str_release(&text);
}

static int join_meta(void *user, const char *name, const char *text, struct ts_error *err)
{
	(void)err;
	return ts_str_printf(user, "%s=%s;", name, text);
}

static int join_verdict(void *user, const char *judge, const struct ts_verdict *v, struct ts_error *err)
{
	(void)err;
	return ts_str_printf(user, "%s %s %g %s;", judge, v->verdict, v->probability, v->detail);
}

static void walks(void **state)
{
	struct ts_store *s = open_store("a.db");
	struct ts_str text = {0};
	struct ts_verdict safe = {"safe", 0.25, "d", NULL}, refusal = {"refusal", NAN, NULL, NULL};
	ok(ts_store_put_meta(s, "b", "2", &g_err));
	ok(ts_store_put_meta(s, "a", "1", &g_err));
	ok(ts_store_put_verdict(s, "before", key_of(1), "llama_guard", &safe, NULL, &g_err));
	ok(ts_store_put_verdict(s, "before", key_of(1), "keywords", &refusal, NULL, &g_err));
	ok(ts_store_put_verdict(s, "after", key_of(1), "keywords", &refusal, NULL, &g_err));
	ok(ts_store_each_meta(s, join_meta, &text, &g_err));
	ok(ts_store_each_verdict(s, "before", key_of(1), join_verdict, &text, &g_err));
	assert_string_equal(text.data, "a=1;b=2;keywords refusal nan ;llama_guard safe 0.25 d;");
	ok(ts_store_close(s, &g_err));
	ts_str_release(&text);
}

/* Read what there is; any status may come, but no crash and no wrong row. */
static int read_all(const char *path, int rows)
{
	struct ts_store *s;
	int status = ts_store_open(&s, path, &g_err);
	if (status) {
		assert_non_null(strstr(g_err.message, "cut.db"));
		return status;
	}
	for (int i = 0; i < rows && !status; i++) {
		struct ts_sample got;
		bool found;
		status = ts_store_get_sample(s, "generate", key_of(i), &got, &found, &g_err);
		if (!status && found) {
			assert_int_equal(got.tokens, i);
			ts_sample_release(&got);
		}
	}
	ts_store_close(s, NULL);
	return status;
}

static void cut_file(void **state)
{
	char response[3000];
	memset(response, 'x', sizeof(response));
	struct ts_store *s = open_store("whole.db");
	for (int i = 0; i < 40; i++)
		ok(ts_store_put_sample(s, "generate", key_of(i),
				       &(struct ts_sample){response, sizeof(response), "stop", i, 1, NULL, 0, NULL}, NULL, &g_err));
	ok(ts_store_close(s, &g_err));
	struct ts_str whole = {0};
	ok(ts_file_read(scratch_path(&g_scratch, "whole.db"), &whole, &g_err));
	int failed = 0;
	for (size_t cut = 0; cut <= 10; cut++) {
		const char *path = scratch_write(&g_scratch, "cut.db", whole.data, whole.len * cut / 10);
		failed += read_all(path, 40) != 0;
		for (const char *const *end = (const char *const[]){"cut.db-wal", "cut.db-shm", NULL}; *end; end++)
			ts_path_remove(scratch_path(&g_scratch, *end), NULL);
	}
	assert_int_equal(failed, 9); /* all but the empty one (a fresh journal) and the whole one */
	ts_str_release(&whole);
}

struct shared {
	volatile uint64_t durable;
	volatile int failed;
};

static void child_writes(const char *path, struct shared *shared)
{
	struct ts_store *s;
	char response[300];
	memset(response, 'y', sizeof(response));
	if (ts_store_open(&s, path, NULL)) {
		shared->failed = 1;
		_exit(1);
	}
	for (int i = 0;; i++) {
		struct ts_sample sample = {response, sizeof(response), "stop", i, 1, NULL, 0, NULL};
		if (ts_store_put_sample(s, "generate", key_of(i), &sample, NULL, NULL) || (i % 7 == 6 && ts_store_flush(s, NULL))) {
			shared->failed = 1;
			_exit(1);
		}
		shared->durable = ts_store_durable(s);
	}
}

static void killed_child(void **state)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	uint64_t total = 0;
	for (int round = 0; round < 20; round++) {
		char name[32];
		snprintf(name, sizeof(name), "kill%d.db", round);
		*shared = (struct shared){0};
		const char *path = scratch_path(&g_scratch, name);
		pid_t child = fork();
		assert_true(child >= 0);
		if (!child)
			child_writes(path, shared);
		for (int wait = 0; wait < 5000 && !shared->durable && !shared->failed; wait++)
			usleep(1000);
		usleep((unsigned)(rand() % 30000));
		kill(child, SIGKILL);
		int how;
		assert_int_equal(waitpid(child, &how, 0), child);
		assert_true(WIFSIGNALED(how) && !shared->failed && shared->durable);
		struct ts_store *s = open_store(name);
		uint64_t rows;
		ok(ts_store_count_samples(s, "generate", &rows, &g_err));
		assert_true(rows >= shared->durable);
		for (uint64_t i = 0; i < rows; i++) {
			struct ts_sample got;
			bool found = false;
			ok(ts_store_get_sample(s, "generate", key_of((int)i), &got, &found, &g_err));
			assert_true(found && got.tokens == (int)i && got.response_len == 300);
			ts_sample_release(&got);
		}
		ok(ts_store_put_meta(s, "still", "writable", &g_err));
		ok(ts_store_close(s, &g_err));
		total += shared->durable;
	}
	assert_true(total >= 20);
	munmap(shared, sizeof(*shared));
}

/* A full disk, played by the limit on the size of a process's files, in a child so that nothing else feels it. */
static void full_disk(void **state)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		static char big[400000];
		struct ts_store *s;
		int bad = 0;
		memset(big, 'z', sizeof(big) - 1);
		signal(SIGXFSZ, SIG_IGN);
		bad |= ts_store_open(&s, scratch_path(&g_scratch, "a.db"), NULL) || ts_store_put_meta(s, "kept", "1", NULL) ||
		       ts_store_flush(s, NULL);
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, 100000});
		int status = bad ? 0 : ts_store_put_meta(s, "big", big, &g_err);
		if (!bad && !status)
			status = ts_store_flush(s, &g_err);
		bad |= (status != TS_EIO) << 1 | !strstr(g_err.message, "a.db") << 2;
		bad |= (ts_store_written(s) != 1 || ts_store_durable(s) != 1) << 3;
		bad |= (ts_store_put_meta(s, "small", "1", NULL) || ts_store_close(s, NULL)) << 4; /* the handle goes on */
		_exit(bad);
	}
	int how;
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
	struct ts_store *s = open_store("a.db");
	struct ts_str text = {0};
	bool found;
	ok(ts_store_get_meta(s, "kept", &text, &found, &g_err));
	assert_true(found);
	ok(ts_store_get_meta(s, "big", &text, &found, &g_err));
	assert_false(found);
	ok(ts_store_get_meta(s, "small", &text, &found, &g_err));
	assert_true(found);
	ok(ts_store_close(s, &g_err));
	ts_str_release(&text);
}

static int set_up(void **state)
{
	return scratch_open(&g_scratch);
}

static int tear_down(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verdicts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(steps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(group_commit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_handles, set_up, tear_down),
		cmocka_unit_test_setup_teardown(prompts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(older_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(walks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_child, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
