/* The end of the page: the whole recipe, what the run was made from (hashes), and what it took. */
#include "report/internal.h"

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

static int program(struct html *h)
{
	if (!json_is_object(h->timing))
		return 0;
	TS_TRY(html_raw(h, "<h3>Program and machine</h3>\n<p class=\"note\">Of the last start; two runs of one recipe may differ here and "
			   "in the times, and "
			   "nowhere else.</p>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Program\">"
			   "<table class=\"pairs\"><tbody>\n"));
	TS_TRY(machine_row(h, "version", "thinksafe", ""));
	TS_TRY(machine_row(h, "build", "SHA-256 of the program", ""));
	TS_TRY(machine_row(h, "processor", "processor", ""));
	TS_TRY(machine_row(h, "backend", "backend", ""));
	TS_TRY(machine_row(h, "threads", "threads", ""));
	TS_TRY(machine_row(h, "batch", "batch", ""));
	TS_TRY(machine_row(h, "peak_memory_mb", "peak memory", " MB"));
	return html_raw(h, "</tbody></table></div>\n");
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
	TS_TRY(program(h));
	return html_raw(h, "</section>\n");
}
