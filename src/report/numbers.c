/* Shares and intervals in the columns of a terminal table. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *report_percent(double share, char text[32])
{
	if (!isfinite(share))
		return strcpy(text, "-");
	snprintf(text, 32, "%.1f", 100 * share);
	return strcmp(text, "-0.0") ? text : strcpy(text, "0.0");
}

int report_put_share(struct ts_layout *l, size_t column, double share, const char *unit)
{
	char text[32];
	return ts_layout_right_printf(l, column, "%s%s", report_percent(share, text), isfinite(share) ? unit : "");
}

int report_put_interval(struct ts_layout *l, size_t column, double low, double high)
{
	char a[32], b[32];
	if (!isfinite(low) && !isfinite(high))
		return ts_layout_right(l, column, "-");
	return ts_layout_right_printf(l, column, "%5s .. %5s", report_percent(low, a), report_percent(high, b));
}
