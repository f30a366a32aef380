/* Several finished runs beside each other: `thinksafe report A B C`.
 *
 * The comparison as JSON:
 *   runs[]: run (as it was named), method, model, guard, seed; before, after: unsafe, over_refusal, reasoning: share, low, high, n, measure
 *       (the headline of metrics.json); sets: unsafe, over_refusal, reasoning: name, n (rows) of the set that the headline is of
 *   differ[]: setting, values[] (texts in the order of the runs; null = a run does not have the setting)
 * The table has two lines a run, before and after, each with three shares and their Wilson intervals; below it what each share is of,
 * and the settings that are not the same in all runs. Lines as in report/table.h. */
#ifndef TS_REPORT_COMPARE_H
#define TS_REPORT_COMPARE_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"

/* One run: metrics.json, and its settings as an object of texts. Both stay the caller's. */
struct ts_report_run {
	const char *name;
	const json_t *metrics, *settings;
};

/* The caller's. TS_EFORMAT names the run whose metrics are odd. */
int ts_report_compare(const struct ts_report_run *runs, size_t n, json_t **comparison, struct ts_error *err);
/* What ts_report_compare made, appended with a final newline. */
int ts_report_compare_table(const json_t *comparison, struct ts_str *out, struct ts_error *err);

#endif
