/* The end of the page: the whole recipe, what the run was made from (hashes), and what it took. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int pair(struct html *h, const char *name, const char *value, const char *note)
{
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, name));
	TS_TRY(html_raw(h, "</th><td>"));
	TS_TRY(html_text(h, value));
	if (*note)
		TS_TRY(html_printf(h, " <span class=\"muted\">%s</span>", note));
	return html_raw(h, "</td></tr>\n");
}

static int name_row(struct html *h, const char *title, const char *key)
{
	const char *value;
	TS_TRY(ts_json_text(h->metrics, key, &value, h->place, h->err));
	if (!value)
		return 0;
	return pair(h, title, value, !strcmp(value, "keywords") ? "(" REPORT_STAND_IN ")" : "");
}

/* Whatever in the journal is a hash, whoever put it there. */
static int hash_row(void *user, const char *name, const char *text, struct ts_error *err)
{
	struct html *h = user;
	(void)err;
	if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
		return 0;
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, name));
	return html_printf(h, "</th><td><code>%s</code></td></tr>\n", text);
}

static int run_table(struct html *h)
{
	int64_t seed;
	char text[32];
	TS_TRY(html_raw(h, "<table class=\"pairs\"><tbody>\n"));
	TS_TRY(name_row(h, "method", "method"));
	TS_TRY(name_row(h, "model", "model"));
	TS_TRY(name_row(h, "guard", "guard"));
	TS_TRY(name_row(h, "filter", "filter"));
	TS_TRY(name_row(h, "refusal judge", "refusal_judge"));
	TS_TRY(ts_json_int(h->metrics, "seed", 0, &seed, h->place, h->err));
	snprintf(text, sizeof(text), "%lld", (long long)seed);
	TS_TRY(pair(h, "seed", text, "of sampling, dropout, order of training and bootstrap"));
	return html_raw(h, "</tbody></table>\n");
}

static int hashes(struct html *h)
{
	TS_TRY(html_raw(
		h, "<h3>Made from</h3>\n<p class=\"note\">SHA-256 of every file that a result depends on, as the journal keeps them.</p>\n"
		   "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Hashes\"><table class=\"pairs\"><tbody>\n"));
	TS_TRY(ts_store_each_meta(h->store, hash_row, h, h->err));
	return html_raw(h, "</tbody></table></div>\n");
}

/* --- time --- */

static int machine_row(struct html *h, const char *key, const char *title, const char *unit)
{
	const json_t *v = json_object_get(h->timing, key);
	char text[64];
	if (json_is_string(v) && json_string_length(v) == 64)
		return hash_row(h, title, json_string_value(v), h->err);
	if (json_is_string(v))
		return pair(h, title, json_string_value(v), "");
	if (!json_is_number(v))
		return 0;
	snprintf(text, sizeof(text), "%.6g%s", json_number_value(v), unit);
	return pair(h, title, text, "");
}

static const char *unit_of(const char *stage)
{
	return !strcmp(stage, "train") ? "steps" : !strncmp(stage, "judge", 5) || !strncmp(stage, "refusals", 8) ? "verdicts" : "tokens";
}

static int stage_row(struct html *h, const char *stage, const json_t *v, double *total)
{
	double seconds, rate;
	int64_t count;
	TS_TRY(ts_json_real(v, "seconds", NAN, &seconds, "timing.json", h->err));
	TS_TRY(ts_json_real(v, "per_second", NAN, &rate, "timing.json", h->err));
	TS_TRY(ts_json_int(v, "count", 0, &count, "timing.json", h->err));
	*total += isfinite(seconds) ? seconds : 0;
	TS_TRY(html_raw(h, "<tr><th scope=\"row\">"));
	TS_TRY(html_text(h, stage));
	TS_TRY(html_printf(h, "</th><td class=\"num\">%.1f</td><td class=\"num\">", seconds));
	TS_TRY(html_count(h, count));
	TS_TRY(html_printf(h, "</td><td>%s</td><td class=\"num\">", unit_of(stage)));
	TS_TRY(rate < 100 ? html_printf(h, "%.1f", rate) : html_count(h, (int64_t)(rate + 0.5)));
	return html_raw(h, "</td></tr>\n");
}

static int timing(struct html *h)
{
	json_t *all = (json_t *)h->timing; /* the loop macro wants it so; nothing is changed */
	const char *name;
	json_t *v;
	double total = 0;
	if (!json_is_object(h->timing))
		return 0;
	TS_TRY(html_raw(
		h, "<h3>Program and time</h3>\n<p class=\"note\">Of the machine that ran it; two runs of one recipe may differ here and "
		   "nowhere else.</p>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Program\">"
		   "<table class=\"pairs\"><tbody>\n"));
	TS_TRY(machine_row(h, "version", "thinksafe", ""));
	TS_TRY(machine_row(h, "build", "SHA-256 of the program", ""));
	TS_TRY(machine_row(h, "backend", "backend", ""));
	TS_TRY(machine_row(h, "threads", "threads", ""));
	TS_TRY(machine_row(h, "batch", "batch", ""));
	TS_TRY(machine_row(h, "peak_memory_mb", "peak memory", " MB"));
	TS_TRY(html_raw(h, "</tbody></table></div>\n<table class=\"stages\"><thead><tr><th>stage</th><th class=\"num\">seconds</th>"
			   "<th class=\"num\">done</th><td></td><th class=\"num\">per second</th></tr></thead><tbody>\n"));
	json_object_foreach (all, name, v)
		if (json_is_object(v))
			TS_TRY(stage_row(h, name, v, &total));
	return html_printf(h, "</tbody><tfoot><tr><th scope=\"row\">all</th><td class=\"num\">%.1f</td></tr></tfoot></table>\n", total);
}

int html_settings(struct html *h, const struct ts_str *recipe)
{
	TS_TRY(html_raw(h, "<section id=\"settings\"><h2>Settings</h2>\n"));
	TS_TRY(run_table(h));
	TS_TRY(html_raw(h, "<h3>Recipe</h3>\n<pre tabindex=\"0\" role=\"region\" aria-label=\"The whole recipe\">"));
	if (html_text_bytes(h->out, ts_str_c(recipe), recipe->len))
		return ts_fail_memory(h->err);
	TS_TRY(html_raw(h, "</pre>\n"));
	TS_TRY(hashes(h));
	TS_TRY(timing(h));
	return html_raw(h, "</section>\n");
}
