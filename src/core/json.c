#include "core/json.h"

#include "core/file.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* jansson's memory is ours too, so that a test can make each of its allocations fail. Before main, when no value exists; ts_alloc is malloc
 * that counts, so values of a program that uses jansson by itself stay good. */
__attribute__((constructor)) static void lend_memory(void)
{
	json_set_alloc_funcs(ts_alloc, ts_free);
}

static int parse(const char *text, size_t n, size_t flags, const char *place, size_t line, json_t **out, struct ts_error *err)
{
	json_error_t e;
	size_t failures = ts_mem_failures();
	/* jansson's lexer does not look whether its buffer grew: without memory it takes half a string for a whole one, or writes past it. */
	ts_mem_insist(true);
	*out = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY | flags, &e);
	ts_mem_insist(false);
	if (ts_mem_failures() != failures || (!*out && (json_error_code(&e) == json_error_out_of_memory || !*e.text))) {
		json_decref(*out);
		*out = NULL;
		return ts_fail_memory(err);
	}
	if (*out)
		return 0;
	TS_TRY(ts_text_check(text, n, place, line, err));
	return ts_fail(err, TS_EFORMAT, "%s:%zu: not JSON: %s (column %d)", place, line + (size_t)(e.line > 0 ? e.line - 1 : 0), e.text,
		       e.column);
}

static void skip_mark(const char **text, size_t *n)
{
	if (*n >= 3 && !memcmp(*text, "\xEF\xBB\xBF", 3)) {
		*text += 3;
		*n -= 3;
	}
}

int ts_json_parse(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err)
{
	skip_mark(&text, &n);
	return parse(text, n, 0, place, 1, out, err);
}

int ts_json_parse_unique(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err)
{
	skip_mark(&text, &n);
	return parse(text, n, JSON_REJECT_DUPLICATES, place, 1, out, err);
}

int ts_json_load(const char *path, json_t **out, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = ts_file_read(path, &text, err);
	if (!status)
		status = ts_json_parse(ts_str_c(&text), text.len, path, out, err);
	ts_str_release(&text);
	return status;
}

json_t *ts_json_copy(const json_t *object)
{
	json_t *copy = json_object();
	if (copy && json_object_update(copy, (json_t *)(uintptr_t)object)) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

/* jansson does not look at what the callback says about an object's key, so a failure must be remembered here. */
struct sink {
	struct ts_str *out;
	int status;
};

static int append(const char *bytes, size_t n, void *user)
{
	struct sink *s = user;
	if (!s->status)
		s->status = ts_str_append(s->out, bytes, n);
	return s->status;
}

static int dump(const json_t *value, struct ts_str *out, size_t flags)
{
	struct sink s = {.out = out};
	return json_dump_callback(value, append, &s, flags | JSON_ENCODE_ANY) || s.status ? TS_ENOMEM : 0;
}

int ts_json_dump(const json_t *value, struct ts_str *out)
{
	return dump(value, out, JSON_COMPACT | JSON_REAL_PRECISION(17));
}

int ts_json_dump_pretty(const json_t *value, struct ts_str *out)
{
	TS_TRY(dump(value, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
	return ts_str_putc(out, '\n');
}

int ts_json_set(json_t *object, const char *key, json_t *value, struct ts_error *err)
{
	return json_object_set_new(object, key, value) ? ts_fail_memory(err) : 0;
}

json_t *ts_json_number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

const char *ts_json_kind(const json_t *v)
{
	if (!v)
		return "nothing";
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	default:
		return "null";
	}
}

static const char *colon(const char *place)
{
	return *place ? ": " : "";
}

static int wrong_type(const json_t *v, const char *key, const char *expected, const char *place, struct ts_error *err)
{
	return ts_fail(err, TS_EFORMAT, "%s%s\"%s\": expected %s, found %s", place, colon(place), key, expected, ts_json_kind(v));
}

static const json_t *field(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	return json_is_null(v) ? NULL : v;
}

int ts_json_int(const json_t *object, const char *key, int64_t fallback, int64_t *out, const char *place, struct ts_error *err)
{
	const json_t *v = field(object, key);
	if (v && !json_is_integer(v))
		return wrong_type(v, key, "an integer", place, err);
	*out = v ? json_integer_value(v) : fallback;
	return 0;
}

int ts_json_real(const json_t *object, const char *key, double fallback, double *out, const char *place, struct ts_error *err)
{
	const json_t *v = field(object, key);
	if (v && !json_is_number(v))
		return wrong_type(v, key, "a number", place, err);
	*out = v ? json_number_value(v) : fallback;
	return 0;
}

int ts_json_bool(const json_t *object, const char *key, bool fallback, bool *out, const char *place, struct ts_error *err)
{
	const json_t *v = field(object, key);
	if (v && !json_is_boolean(v))
		return wrong_type(v, key, "true or false", place, err);
	*out = v ? json_is_true(v) : fallback;
	return 0;
}

int ts_json_text(const json_t *object, const char *key, const char **out, const char *place, struct ts_error *err)
{
	const json_t *v = field(object, key);
	if (v && !json_is_string(v))
		return wrong_type(v, key, "a string", place, err);
	*out = v ? json_string_value(v) : NULL;
	if (v && strlen(*out) != json_string_length(v))
		return ts_fail(err, TS_EFORMAT, "%s%s\"%s\" holds a NUL character", place, colon(place), key);
	return 0;
}

static int need(const json_t *object, const char *key, const char *place, struct ts_error *err)
{
	return field(object, key) ? 0 : ts_fail(err, TS_EFORMAT, "%s%s\"%s\" is missing", place, colon(place), key);
}

int ts_json_need_int(const json_t *object, const char *key, int64_t *out, const char *place, struct ts_error *err)
{
	TS_TRY(need(object, key, place, err));
	return ts_json_int(object, key, 0, out, place, err);
}

int ts_json_need_text(const json_t *object, const char *key, const char **out, const char *place, struct ts_error *err)
{
	TS_TRY(need(object, key, place, err));
	return ts_json_text(object, key, out, place, err);
}

static int add_row(json_t *rows, json_t *row, const char *place, size_t line, struct ts_error *err)
{
	if (!json_is_object(row)) {
		int status = ts_fail(err, TS_EFORMAT, "%s:%zu: expected a row (a JSON object), found %s", place, line, ts_json_kind(row));
		json_decref(row);
		return status;
	}
	return json_array_append_new(rows, row) ? ts_fail_memory(err) : 0;
}

static int parse_lines(const char *text, size_t n, const char *place, json_t *rows, struct ts_error *err)
{
	size_t line = 0;
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t used = end ? (size_t)(end - text) : n;
		line++;
		if (strspn(text, " \t\r") < used) {
			json_t *row;
			TS_TRY(parse(text, used, 0, place, line, &row, err));
			TS_TRY(add_row(rows, row, place, line, err));
		}
		used += end != NULL;
		text += used;
		n -= used;
	}
	return 0;
}

static int parse_array(const char *text, size_t n, const char *place, json_t *rows, struct ts_error *err)
{
	json_t *array;
	TS_TRY(parse(text, n, 0, place, 1, &array, err));
	int status = 0;
	size_t i;
	json_t *row;
	json_array_foreach (array, i, row) {
		if (status)
			break;
		status = add_row(rows, json_incref(row), place, i + 1, err);
	}
	json_decref(array);
	return status;
}

int ts_rows_parse(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err)
{
	json_t *rows = json_array();
	skip_mark(&text, &n);
	size_t blank = strspn(text, " \t\r\n");
	int status = rows ? 0 : ts_fail_memory(err);
	if (!status)
		status = text[blank] == '[' ? parse_array(text, n, place, rows, err) : parse_lines(text, n, place, rows, err);
	if (status)
		json_decref(rows);
	else
		*out = rows;
	return status;
}

int ts_rows_load(const char *path, json_t **out, struct ts_error *err)
{
	struct ts_str text = {0};
	const char *file = strcmp(path, "-") ? path : "/dev/stdin";
	int status = ts_file_read(file, &text, err);
	if (!status)
		status = ts_rows_parse(ts_str_c(&text), text.len, path, out, err);
	ts_str_release(&text);
	return status;
}
