/* CSV and TSV files as rows: the first record names the columns, every further one becomes an object of texts under those names.
 *
 * As RFC 4180 has it: commas (TSV: tabs, by the same rules), fields in double quotes may hold commas, line ends and doubled quotes; LF and CRLF
 * end a record, a UTF-8 byte-order mark and blank lines are skipped. Nothing is trimmed. Refused by file and line (TS_EFORMAT): a record
 * with more or fewer fields than the header, a column named twice, a quote where none may stand or that is never closed, bytes that are
 * not UTF-8. */
#ifndef TS_EVAL_CSV_ROWS_H
#define TS_EVAL_CSV_ROWS_H

#include "core/json.h"

/* A tab where the text's first line holds one, else a comma: no column is named with a tab. */
char ts_csv_delimiter(const char *text, size_t n);
/* *out = a JSON array of objects, in the order of the file; *header = an object with the columns' names, NULL where there is no first record.
 * Both are the caller's. `place` (a file name) starts error messages. */
int ts_csv_rows(const char *text, size_t n, char delimiter, const char *place, json_t **header, json_t **out, struct ts_error *err);

#endif
