#include "torture.h"

#include "core/json.h"
#include "core/map.h"
#include "scratch.h"

static const char lines[] =
	"\xef\xbb\xbf{\"a\": \"a text that is longer than a small buffer\", \"b\": [1, 2.5, {\"c\": \"\\u00e9\\n\"}]}\r\n"
	"\r\n{\"a\": null, \"b\": true}\n";

static int rows(void *user, struct ts_error *err)
{
	json_t *rows;
	struct ts_str text = {0};
	TS_TRY(ts_rows_load(user, &rows, err));
	json_t *copy = ts_json_copy(json_array_get(rows, 0));
	int status = copy && !ts_json_dump(rows, &text) && !ts_json_dump_pretty(copy, &text) ? 0 : ts_fail_memory(err);
	json_decref(copy);
	json_decref(rows);
	ts_str_release(&text);
	return status;
}

static int files(void *user, struct ts_error *err)
{
	struct ts_str path = {0}, text = {0};
	int status = ts_path_join(&path, user, "deep/er/file") ? ts_fail_memory(err) : 0;
	if (!status)
		status = ts_path_remove(path.data, err); /* a file of the last time */
	if (!status)
		status = ts_dir_make(path.data, err);
	if (!status)
		status = ts_path_remove(path.data, err);
	if (!status)
		status = ts_file_check_writable(path.data, err);
	if (!status)
		status = ts_file_write(path.data, lines, sizeof(lines), err);
	if (!status)
		status = ts_file_read(path.data, &text, err);
	ts_str_release(&path);
	ts_str_release(&text);
	return status;
}

static int map(void *user, struct ts_error *err)
{
	struct ts_map m = {0};
	char key[400];
	int status = 0;
	memset(key, 'k', sizeof(key));
	for (int i = 0; i < 500 && !status; i++) {
		snprintf(key, 20, "%d", i);
		status = ts_map_put(&m, key, sizeof(key), i);
	}
	ts_map_release(&m);
	return status ? ts_fail_memory(err) : 0;
}

static void test_every_allocation(void **state)
{
	struct scratch s;
	assert_int_equal(scratch_open(&s), 0);
	char path[512];
	snprintf(path, sizeof(path), "%s", scratch_write(&s, "rows", lines, sizeof(lines) - 1));
	torture(rows, path);
	torture(files, s.dir);
	torture(map, NULL);
	scratch_close(&s);
}

/* jansson would go on with half of this text when its buffer cannot grow. */
static void test_no_half_strings(void **state)
{
	static const char text[] = "{\"key\": \"a text of more than sixteen bytes, and of more than thirty-two\"}";
	json_t *whole = NULL;
	struct ts_error err = {0};
	size_t count = ts_mem_count();
	assert_int_equal(ts_json_parse(text, sizeof(text) - 1, "x", &whole, &err), 0);
	count = ts_mem_count() - count;
	for (size_t n = 1; n <= count; n++) {
		json_t *value = NULL;
		ts_mem_fail_at(n);
		int status = ts_json_parse(text, sizeof(text) - 1, "x", &value, &err);
		ts_mem_fail_at(0);
		assert_int_equal(status, TS_ENOMEM);
		assert_null(value);
	}
	json_decref(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation), cmocka_unit_test(test_no_half_strings)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
