/* report.html: a finished run as one file that stands alone. No network, no external script, font or image; a content security policy
 * allows the page's own style and script by their hashes and nothing else.
 *
 * Read from the run directory: metrics.json, recipe.yaml, journal.db, and timing.json where there is one. A run that is not finished (no
 * metrics.json) is refused. Headline, tables and charts are in the page itself, so they print and need no script; the script drives the
 * browser over samples and the switch between light and dark.
 *
 * Whatever a model, a data set or a recipe says is text: it is escaped, and what could not be seen is made visible (text/visible.h). All
 * but the timing part depends on the run's results alone.
 *
 * Samples beyond TS_HTML_SAMPLES bytes are left out, evaluation sets first in, and the page says how many. */
#ifndef TS_REPORT_HTML_H
#define TS_REPORT_HTML_H

#include "core/status.h"
#include "core/str.h"

#define TS_HTML_SAMPLES (32u << 20)

/* The page, appended to `out`. TS_ENOTFOUND: no such directory, or the run is not finished; TS_EFORMAT names the file that is odd. */
int ts_report_html(const char *dir, struct ts_str *out, struct ts_error *err);

#endif
