/* metrics.json as a table for the terminal: what `thinksafe report RUN` shows and what `run` ends with.
 *
 * Plain lines of at most 100 columns, aligned, no colour and no boxes; percentages with one decimal. Nothing is cut off: what
 * is too long for its place goes on in the next line. Control characters in names are shown as '?'. Every block is optional;
 * a missing or null number is shown as "-". A field of the wrong type fails and is named.
 *
 * The keys of metrics.json: docs/json.md, docs/schema/metrics.schema.json. A measure that holds "keyword stand-in" was taken by phrases of
 * refusal: "unsafe" then counts what was not refused. */
#ifndef TS_REPORT_TABLE_H
#define TS_REPORT_TABLE_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"

#define TS_TABLE_COLUMNS 100

/* The metrics.json of a finished run's directory; the caller's. TS_ENOTFOUND: no such directory, or the run is not finished. */
int ts_report_metrics(const char *dir, json_t **metrics, struct ts_error *err);

/* The table, appended to `out` with a final newline. `place` (a file name) starts error messages.
 * TS_EFORMAT for a wrong type, else 0, TS_ENOMEM or TS_ELIMIT. */
int ts_report_table(const json_t *metrics, const char *place, struct ts_str *out, struct ts_error *err);

#endif
