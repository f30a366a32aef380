/* JSON, over jansson. Objects keep the order in which their keys came. */
#ifndef TS_CORE_JSON_H
#define TS_CORE_JSON_H

#include "core/status.h"
#include "core/str.h"

#include <jansson.h>

/* Parse one JSON value; `place` (a file name) starts the error message. The caller json_decref's *out. */
int ts_json_parse(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err);
/* The same, but an object that holds a key twice is refused (TS_EFORMAT, with line and column) instead of the last one winning. */
int ts_json_parse_unique(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err);
int ts_json_load(const char *path, json_t **out, struct ts_error *err);

/* A new object with the same values; NULL without memory (jansson's json_copy then quietly loses keys). */
json_t *ts_json_copy(const json_t *object);

/* object[key] = value, which is taken over in any case; a value of NULL means that there was no memory for it. */
int ts_json_set(json_t *object, const char *key, json_t *value, struct ts_error *err);
/* A number, or null for what is none: NaN and the infinities. */
json_t *ts_json_number(double);

/* "an object", "a string", ...; "nothing" for NULL. For messages. */
const char *ts_json_kind(const json_t *);

/* One-line JSON appended to `out`; numbers with up to 17 significant digits. */
int ts_json_dump(const json_t *, struct ts_str *out);
/* Indented by two, with a final newline; for files that people read. Numbers with 12 significant digits. */
int ts_json_dump_pretty(const json_t *, struct ts_str *out);

/* Fields of an object with a type check. A missing or null field gives the fallback; a wrong type fails and names the field.
 * ts_json_need_* fails on a missing one too. `place` names the file (""
 * where the caller does). A text that holds a NUL is refused: a C string would cut it. */
int ts_json_int(const json_t *object, const char *key, int64_t fallback, int64_t *out, const char *place, struct ts_error *err);
int ts_json_real(const json_t *object, const char *key, double fallback, double *out, const char *place, struct ts_error *err);
int ts_json_bool(const json_t *object, const char *key, bool fallback, bool *out, const char *place, struct ts_error *err);
/* The string stays owned by the object; *out is NULL when missing or null. */
int ts_json_text(const json_t *object, const char *key, const char **out, const char *place, struct ts_error *err);
int ts_json_need_int(const json_t *object, const char *key, int64_t *out, const char *place, struct ts_error *err);
int ts_json_need_text(const json_t *object, const char *key, const char **out, const char *place, struct ts_error *err);

/* Rows: a JSON array of objects or JSON Lines, told apart by the first character. A UTF-8 byte-order mark and CRLF are
 * accepted. Blank lines are skipped. *out is a JSON array of objects; a bad row is named by file and line.
 * `path` "-" reads standard input. An empty file gives an empty array. */
int ts_rows_load(const char *path, json_t **out, struct ts_error *err);
/* The same of a text that was read already; it ends with a NUL, as a ts_str does. */
int ts_rows_parse(const char *text, size_t n, const char *place, json_t **out, struct ts_error *err);

#endif
