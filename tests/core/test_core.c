/* Strings, UTF-8, the map, the arena, files, rows, errors. */
#include "core/json.h"
#include "core/map.h"
#include "core/status.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_errors(void **state)
{
	struct ts_error err = {0};
	assert_int_equal(ts_fail(&err, TS_EIO, "%s: %d", "file", 7), TS_EIO);
	assert_string_equal(err.message, "file: 7");
	assert_int_equal(ts_fail_within(&err, TS_EFORMAT, "row %d", 3), TS_EFORMAT);
	assert_string_equal(err.message, "row 3: file: 7");
	assert_int_equal(err.code, TS_EFORMAT);
	assert_int_equal(ts_fail(NULL, TS_EIO, "unheard"), TS_EIO);
}

/* Unicode 15, table 3-7: what is well formed, and how long a maximal bad part is. */
static void test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t n, used, bad;
		uint32_t code_point;
	} cases[] = {
		{"A", 1, 1, 0, 'A'},
		{"\xC2\x80", 2, 2, 0, 0x80},
		{"\xE2\x82\xAC", 3, 3, 0, 0x20AC},
		{"\xF0\x9F\x98\x80", 4, 4, 0, 0x1F600},
		{"\xF4\x8F\xBF\xBF", 4, 4, 0, 0x10FFFF},
		{"\xC0\x80", 2, 0, 1, 0},         /* overlong */
		{"\xE0\x9F\xBF", 3, 0, 1, 0},     /* overlong */
		{"\xED\xA0\x80", 3, 0, 1, 0},     /* a surrogate */
		{"\xF4\x90\x80\x80", 4, 0, 1, 0}, /* beyond the last code point */
		{"\xE2\x82", 2, 0, 2, 0},         /* cut */
		{"\xF0\x9F\x98g", 4, 0, 3, 0},
		{"\x80", 1, 0, 1, 0},
		{"\xFF", 1, 0, 1, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t c = 0;
		size_t bad = 0;
		assert_int_equal(ts_utf8_decode(cases[i].bytes, cases[i].n, &c, &bad), cases[i].used);
		if (cases[i].used)
			assert_int_equal(c, cases[i].code_point);
		else
			assert_int_equal(bad, cases[i].bad);
	}
	struct ts_str s = {0};
	for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 37) {
		uint32_t back;
		if (c >= 0xD800 && c < 0xE000)
			continue;
		ts_str_clear(&s);
		assert_int_equal(ts_str_put_utf8(&s, c), 0);
		assert_int_equal(ts_utf8_decode(s.data, s.len, &back, NULL), s.len);
		assert_int_equal(back, c);
	}
	ts_str_release(&s);
}

static void test_map(void **state)
{
	struct ts_map m = {0};
	char key[32];
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(key, sizeof(key), "key %d", i * 7919 % 20011);
		assert_int_equal(ts_map_put(&m, key, (size_t)n, i), 0);
	}
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(key, sizeof(key), "key %d", i * 7919 % 20011);
		assert_int_equal(*ts_map_get(&m, key, (size_t)n), i);
	}
	assert_null(ts_map_get(&m, "absent", 6));
	assert_int_equal(ts_map_put(&m, "", 0, 5), 0);
	assert_int_equal(*ts_map_get(&m, "", 0), 5);
	assert_int_equal(ts_map_put(&m, "a\0b", 3, 6), 0);
	assert_null(ts_map_get(&m, "a", 1));
	assert_int_equal(m.entries.len, 20002);
	ts_map_release(&m);
}

static void test_sizes(void **state)
{
	size_t n;
	assert_false(ts_mul_size(SIZE_MAX / 2, 3, &n));
	assert_true(ts_mul_size(6, 7, &n));
	assert_int_equal(n, 42);
	assert_null(ts_realloc(NULL, SIZE_MAX / 4, 8));
	struct ts_arena a = {0};
	for (size_t i = 1; i < 300; i++) {
		unsigned char *p = ts_arena_alloc(&a, i * 97);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t b = 0; b < i * 97; b++)
			assert_int_equal(p[b], 0);
		memset(p, 0xAB, i * 97);
	}
	assert_null(ts_arena_alloc(&a, SIZE_MAX - 8));
	ts_arena_release(&a);
}

static void check_rows(struct scratch *s, const char *text, size_t n, int expected_status, size_t expected_rows, const char *in_message)
{
	struct ts_error err = {0};
	json_t *rows = NULL;
	const char *path = scratch_write(s, "rows", text, n);
	int status = ts_rows_load(path, &rows, &err);
	assert_int_equal(status, expected_status);
	if (!status) {
		assert_int_equal(json_array_size(rows), expected_rows);
		json_decref(rows);
	} else {
		assert_non_null(strstr(err.message, path));
		if (!strstr(err.message, in_message))
			fail_msg("\"%s\" lacks \"%s\"", err.message, in_message);
	}
}
#define ROWS(text, status, rows, message) check_rows(&s, text, sizeof(text) - 1, status, rows, message)

static void test_rows(void **state)
{
	struct scratch s;
	assert_int_equal(scratch_open(&s), 0);
	ROWS("{\"a\":1}\n{\"a\":2}\n", 0, 2, "");
	ROWS("{\"a\":1}\r\n\r\n{\"a\":2}", 0, 2, "");
	ROWS("\xEF\xBB\xBF{\"a\":1}\n", 0, 1, "");
	ROWS("\xEF\xBB\xBF [{\"a\":1}, {\"a\":\"\xE2\x80\xA8\"}]", 0, 2, "");
	ROWS("{\"a\":\"x\xE2\x80\xA8y\"}\n", 0, 1, "");
	ROWS("", 0, 0, "");
	ROWS("\n\n", 0, 0, "");
	ROWS("{\"a\":1}\n{\"a\":\n", TS_EFORMAT, 0, ":2:");
	ROWS("{\"a\":1}\n7\n", TS_EFORMAT, 0, "an integer");
	ROWS("[{\"a\":1}, []]", TS_EFORMAT, 0, "an array");
	ROWS("[{\"a\":1}", TS_EFORMAT, 0, "not JSON");
	ROWS("{\"a\":\"\xFF\"}\n", TS_EFORMAT, 0, "invalid UTF-8");
	ROWS("{\"a\":\"\\ud800\"}\n", TS_EFORMAT, 0, "not JSON");
	scratch_close(&s);
}

static void test_fields(void **state)
{
	struct ts_error err = {0};
	json_t *o;
	static const char text[] = "{\"n\": 3, \"x\": 2.5, \"t\": \"word\", \"b\": true, \"z\": null}";
	int64_t n;
	double x;
	bool b;
	const char *t;
	assert_int_equal(ts_json_parse(text, sizeof(text) - 1, "file.json", &o, &err), 0);
	assert_int_equal(ts_json_int(o, "n", 9, &n, "file.json", &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ts_json_int(o, "z", 9, &n, "file.json", &err), 0);
	assert_int_equal(n, 9);
	assert_int_equal(ts_json_real(o, "n", 0, &x, "file.json", &err), 0);
	assert_true(x == 3.0);
	assert_int_equal(ts_json_bool(o, "b", false, &b, "file.json", &err), 0);
	assert_true(b);
	assert_int_equal(ts_json_text(o, "t", &t, "file.json", &err), 0);
	assert_string_equal(t, "word");
	assert_int_equal(ts_json_int(o, "x", 0, &n, "file.json", &err), TS_EFORMAT);
	assert_string_equal(err.message, "file.json: \"x\": expected an integer, found a real number");
	assert_int_equal(ts_json_need_text(o, "absent", &t, "file.json", &err), TS_EFORMAT);
	assert_string_equal(err.message, "file.json: \"absent\" is missing");
	json_decref(o);
}

static void test_files(void **state)
{
	struct scratch s;
	struct ts_error err = {0};
	struct ts_str text = {0};
	char path[600];
	assert_int_equal(scratch_open(&s), 0);
	snprintf(path, sizeof(path), "%s/a/b/c", s.dir);
	assert_int_equal(ts_dir_make(path, &err), 0);
	assert_int_equal(ts_dir_make(path, &err), 0);
	assert_true(ts_dir_exists(path));
	strcat(path, "/file");
	assert_int_equal(ts_file_write(path, "one", 3, &err), 0);
	assert_int_equal(ts_file_write(path, "second", 6, &err), 0);
	assert_int_equal(ts_file_read(path, &text, &err), 0);
	assert_string_equal(text.data, "second");
	assert_int_equal(ts_dir_make(path, &err), TS_EIO); /* a file is there */
	assert_int_equal(ts_dir_make("", &err), TS_ENOTFOUND);
	strcat(path, ".tmp");
	assert_false(ts_file_exists(path));
	assert_int_equal(ts_file_read(scratch_path(&s, "absent"), &text, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, "absent"));
	struct ts_mapping m;
	assert_int_equal(ts_mapping_open(&m, s.dir, &err), TS_EIO);
	assert_int_equal(ts_path_remove(scratch_path(&s, "a"), &err), 0);
	assert_false(ts_dir_exists(s.path));
	assert_int_equal(ts_path_remove(s.path, &err), 0);
	ts_str_release(&text);
	scratch_close(&s);
}

/* A lock is another process's until it ends, however it ends. */
static void test_lock(void **state)
{
	struct scratch s;
	struct ts_error err = {0};
	int fd, up[2];
	char byte;
	assert_int_equal(scratch_open(&s), 0);
	const char *path = scratch_path(&s, "lock");
	assert_int_equal(pipe(up), 0);
	pid_t child = fork();
	if (!child) {
		if (ts_lock_acquire(path, &fd, NULL) || write(up[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(up[0], &byte, 1), 1);
	assert_int_equal(ts_lock_acquire(path, &fd, &err), TS_ELOCKED);
	char who[600];
	snprintf(who, sizeof(who), "%s: another thinksafe, process %ld is working", path, (long)child);
	assert_non_null(strstr(err.message, who));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(ts_lock_acquire(path, &fd, &err), 0);
	ts_lock_release(fd);
	close(up[0]);
	close(up[1]);
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors), cmocka_unit_test(test_utf8),   cmocka_unit_test(test_map),   cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_rows),   cmocka_unit_test(test_fields), cmocka_unit_test(test_files), cmocka_unit_test(test_lock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
