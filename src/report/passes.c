/* pass@1, pass@2, ... of a reasoning set with several samples of each prompt, in the terminal's table and on the page. */
#include "report/internal.h"

#include <math.h>

struct pass {
	int64_t k;
	double share, low, high;
};

/* The list of a side, or NULL. */
static int passes_of(const json_t *eval, const char *side, const json_t **list, const char *place, struct ts_error *err)
{
	const json_t *v;
	TS_TRY(report_block(eval, side, JSON_OBJECT, place, &v, err));
	return report_block(v, "pass", JSON_ARRAY, place, list, err);
}

static int read_pass(const json_t *entry, struct pass *p, const char *place, struct ts_error *err)
{
	TS_TRY(ts_json_int(entry, "k", 0, &p->k, place, err));
	TS_TRY(ts_json_real(entry, "share", NAN, &p->share, place, err));
	TS_TRY(ts_json_real(entry, "low", NAN, &p->low, place, err));
	return ts_json_real(entry, "high", NAN, &p->high, place, err);
}

/* "  pass@k before: @1 62.1% (50.2..74.0), @2 70.0% (58.1..81.9)" */
static int side_line(struct ts_layout *l, const json_t *eval, const char *side, const char *place, struct ts_error *err)
{
	const json_t *list, *entry;
	size_t i;
	TS_TRY(passes_of(eval, side, &list, place, err));
	if (!json_array_size(list))
		return 0;
	TS_TRY(ts_layout_left(l, 2, "pass@k "));
	TS_TRY(ts_layout_wrap_printf(l, 4, "%s:", side));
	json_array_foreach (list, i, entry) {
		struct pass p;
		char text[3][32];
		TS_TRY(read_pass(entry, &p, place, err));
		TS_TRY(ts_layout_wrap_printf(l, 4, " @%lld %s%% (%s..%s)%s", (long long)p.k, report_percent(p.share, text[0]),
					     report_percent(p.low, text[1]), report_percent(p.high, text[2]),
					     i + 1 < json_array_size(list) ? "," : ""));
	}
	return ts_layout_line(l);
}

int report_pass_lines(struct ts_layout *l, const json_t *eval, const char *place, struct ts_error *err)
{
	TS_TRY(side_line(l, eval, "before", place, err));
	return side_line(l, eval, "after", place, err);
}

static int side_row(struct html *h, const json_t *eval, const char *side)
{
	const json_t *list, *entry;
	size_t i;
	TS_TRY(passes_of(eval, side, &list, h->place, h->err));
	if (!json_array_size(list))
		return 0;
	TS_TRY(html_printf(h, "<tr><th scope=\"row\">pass@k %s</th><td colspan=\"5\">", side));
	json_array_foreach (list, i, entry) {
		struct pass p;
		TS_TRY(read_pass(entry, &p, h->place, h->err));
		TS_TRY(html_printf(h, "%s@%lld <b>", i ? ", " : "", (long long)p.k));
		TS_TRY(html_percent(h, p.share));
		TS_TRY(html_raw(h, "</b> ["));
		TS_TRY(html_interval(h, p.low, p.high));
		TS_TRY(html_raw(h, "]"));
	}
	return html_raw(h, "</td></tr>\n");
}

int html_passes(struct html *h, const json_t *eval)
{
	TS_TRY(html_raw(h, "<tbody class=\"pass\">"));
	TS_TRY(side_row(h, eval, "before"));
	TS_TRY(side_row(h, eval, "after"));
	return html_raw(h, "</tbody>\n");
}
