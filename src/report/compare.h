/* Several finished runs beside each other: `thinksafe report A B C`.
 *
 * The comparison as JSON:
 *   runs[]: run (as it was named), method, model, guard, seed; before, after: unsafe, over_refusal, reasoning: share, low, high, n, measure
 *       (the headline of metrics.json); sets: unsafe, over_refusal, reasoning, of the set that the headline is of: name, n (rows), of and
 *       drawn (of a part of its file), pairs, difference (as in metrics.json), change (in words: "fell", "rose", "no detectable change",
 *       "too few pairs", "no claim"), truncated: before, after;
 *       cost: as in report/cost.h; not there where the run has no times
 *   differ[]: setting, values[] (texts in the order of the runs; null = a run does not have the setting)
 * The table has for each run the shares before and after with their Wilson intervals, the paired change with its interval over pairs, what
 * may be said of it, and how many answers were truncated; below it what each share is of, the settings that are not the same in all runs,
 * and what the runs cost. Lines as in report/table.h. */
#ifndef TS_REPORT_COMPARE_H
#define TS_REPORT_COMPARE_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"

/* One run: metrics.json, its settings as an object of texts, timing.json (NULL = there is none). All stay the caller's. */
struct ts_report_run {
	const char *name;
	const json_t *metrics, *settings, *timing;
};

/* The caller's. TS_EFORMAT names the run whose metrics are odd. */
int ts_report_compare(const struct ts_report_run *runs, size_t n, json_t **comparison, struct ts_error *err);
/* What ts_report_compare made, appended with a final newline. */
int ts_report_compare_table(const json_t *comparison, struct ts_str *out, struct ts_error *err);

/* The runs as one page that stands alone, like report.html (report/html.h) but without samples, appended: scatter, tables of the sets that
 * the headlines are of, settings that differ, cost. */
int ts_report_compare_html(const struct ts_report_run *runs, size_t n, struct ts_str *out, struct ts_error *err);

#endif
