/* libcsv gives fields and ends of records without saying where they stand. So it is fed line by line, and while it calls back the line
 * it was last fed is the one that a message names. */
#include "eval/csv_rows.h"

#include "core/mem.h"

#include <csv.h>
#include <string.h>

struct reader {
	const char *place;
	struct ts_error *err;
	int status;
	size_t line, record_line; /* fed now; where the record under way began */
	bool between;             /* no record is under way */
	json_t *names;            /* the header's texts; NULL before its end */
	json_t *fields;           /* texts of the record under way */
	json_t *rows;
};

static void *reallocate(void *old, size_t size)
{
	return ts_realloc(old, 1, size);
}

/* Blanks are part of a field. */
static int no_blank(unsigned char c)
{
	(void)c;
	return 0;
}

static void on_field(void *text, size_t n, void *user)
{
	struct reader *r = user;
	if (r->status)
		return;
	if (ts_utf8_check(text ? text : "", n) != n)
		r->status =
			ts_fail(r->err, TS_EFORMAT, "%s:%zu: field %zu is not UTF-8", r->place, r->line, json_array_size(r->fields) + 1);
	else if (json_array_append_new(r->fields, json_stringn(text ? text : "", n)))
		r->status = ts_fail_memory(r->err);
}

static int end_header(struct reader *r)
{
	for (size_t i = 0; i < json_array_size(r->fields); i++)
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(r->fields, i), json_array_get(r->fields, j)))
				return ts_fail(r->err, TS_EFORMAT, "%s:%zu: column \"%.100s\" is there twice", r->place, r->record_line,
					       json_string_value(json_array_get(r->fields, i)));
	r->names = r->fields;
	r->fields = json_array();
	return r->fields ? 0 : ts_fail_memory(r->err);
}

static int end_row(struct reader *r)
{
	size_t n = json_array_size(r->fields), expected = json_array_size(r->names);
	if (n != expected)
		return ts_fail(r->err, TS_EFORMAT, "%s:%zu: row %zu: expected %zu columns as in the first line, found %zu", r->place,
			       r->record_line, json_array_size(r->rows) + 1, expected, n);
	json_t *row = json_object();
	if (json_array_append_new(r->rows, row))
		return ts_fail_memory(r->err);
	for (size_t i = 0; i < n; i++) {
		const json_t *name = json_array_get(r->names, i);
		if (json_object_setn(row, json_string_value(name), json_string_length(name), json_array_get(r->fields, i)))
			return ts_fail_memory(r->err);
	}
	return json_array_clear(r->fields) ? ts_fail_memory(r->err) : 0;
}

static int make_header(const json_t *names, json_t **header, struct ts_error *err)
{
	size_t i;
	const json_t *name;
	if (!(*header = json_object()))
		return ts_fail_memory(err);
	json_array_foreach (names, i, name)
		if (json_object_setn_new(*header, json_string_value(name), json_string_length(name), json_true()))
			return ts_fail_memory(err);
	return 0;
}

static void on_end(int end, void *user)
{
	struct reader *r = user;
	(void)end;
	r->between = true;
	if (!r->status)
		r->status = r->names ? end_row(r) : end_header(r);
}

static int fail_parser(struct reader *r, int code)
{
	if (r->status)
		return r->status;
	if (code == CSV_ENOMEM || code == CSV_ETOOBIG)
		return ts_fail_memory(r->err);
	return ts_fail(r->err, TS_EFORMAT, "%s:%zu: a quote inside a field, expected \"\" inside a quoted one", r->place, r->line);
}

static int feed(struct reader *r, struct csv_parser *parser, const char *text, size_t n)
{
	while (n && !r->status) {
		const char *end = memchr(text, '\n', n);
		size_t used = end ? (size_t)(end - text) + 1 : n;
		r->line++;
		if (r->between && strspn(text, "\r\n") < used) {
			r->record_line = r->line;
			r->between = false;
		}
		if (csv_parse(parser, text, used, on_field, on_end, r) != used)
			return fail_parser(r, csv_error(parser));
		text += used;
		n -= used;
	}
	if (!r->status && csv_fini(parser, on_field, on_end, r))
		return csv_error(parser) == CSV_EPARSE
			       ? ts_fail(r->err, TS_EFORMAT, "%s:%zu: a quoted field that begins in this record is never closed", r->place,
					 r->record_line)
			       : fail_parser(r, csv_error(parser));
	return r->status;
}

char ts_csv_delimiter(const char *text, size_t n)
{
	size_t start = 0;
	while (start < n && (text[start] == '\n' || text[start] == '\r'))
		start++;
	const char *end = memchr(text + start, '\n', n - start);
	return memchr(text + start, '\t', end ? (size_t)(end - text) - start : n - start) ? '\t' : ',';
}

int ts_csv_rows(const char *text, size_t n, char delimiter, const char *place, json_t **header, json_t **out, struct ts_error *err)
{
	struct reader r = {.place = place, .err = err, .between = true, .fields = json_array(), .rows = json_array()};
	struct csv_parser parser;
	if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
		text += 3;
		n -= 3;
	}
	csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
	csv_set_delim(&parser, (unsigned char)delimiter);
	csv_set_realloc_func(&parser, reallocate);
	csv_set_free_func(&parser, ts_free);
	csv_set_space_func(&parser, no_blank);
	int status = r.fields && r.rows ? feed(&r, &parser, text, n) : ts_fail_memory(err);
	csv_free(&parser);
	*header = NULL;
	if (!status && r.names)
		status = make_header(r.names, header, err);
	json_decref(r.names);
	json_decref(r.fields);
	if (!status) {
		*out = r.rows;
		return 0;
	}
	json_decref(r.rows);
	json_decref(*header);
	*header = NULL;
	return status;
}
