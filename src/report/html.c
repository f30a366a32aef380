/* Reads the run directory and puts the page together. */
#include "report/html.h"

#include "core/file.h"
#include "core/sha256.h"
#include "report/cost.h"
#include "report/internal.h"
#include "report/table.h"

#include <string.h>

/* --- the page around the sections --- */

/* 'sha256-...' of a style's or script's text: base64 of the digest, 44 characters. */
static void source_hash(const struct html_asset *asset, char text[64])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct ts_sha256 sha;
	unsigned char digest[33] = {0}; /* one more, so that the last group of three is whole */
	char *at = text + strlen(strcpy(text, "'sha256-"));
	ts_sha256_init(&sha);
	ts_sha256_update(&sha, asset->data, asset->size);
	ts_sha256_final(&sha, digest);
	for (size_t i = 0; i < 33; i += 3) {
		unsigned group = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*at++ = digits[group >> shift & 63];
	}
	strcpy(at - 1, "='");
}

/* "runs/demo/" is called "demo". */
static const char *run_name(const char *dir, size_t *length)
{
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	size_t start = n;
	while (start && dir[start - 1] != '/')
		start--;
	*length = n - start;
	return dir + start;
}

static int name_text(struct html *h, const char *name, size_t n)
{
	return html_text_bytes(h->out, name, n) ? ts_fail_memory(h->err) : 0;
}

int html_open(struct html *h, const char *name, size_t n)
{
	char style[64], script[64];
	source_hash(&html_style, style);
	source_hash(&html_script, script);
	TS_TRY(html_raw(h, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			   "<meta name=\"color-scheme\" content=\"light dark\">\n"));
	TS_TRY(html_printf(
		h,
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src %s; script-src %s; base-uri 'none'; "
		"form-action 'none'\">\n<title>",
		style, script));
	TS_TRY(name_text(h, name, n));
	TS_TRY(html_raw(h, " - thinksafe</title>\n<style>"));
	if (ts_str_append(h->out, html_style.data, html_style.size))
		return ts_fail_memory(h->err);
	TS_TRY(html_raw(h, "</style>\n</head>\n<body>\n<header class=\"top\"><div><span class=\"name\">"));
	TS_TRY(name_text(h, name, n));
	return html_raw(h, "</span>");
}

int html_close(struct html *h)
{
	TS_TRY(html_raw(h, "</main>\n<script>"));
	if (ts_str_append(h->out, html_script.data, html_script.size))
		return ts_fail_memory(h->err);
	return html_raw(h, "</script>\n</body>\n</html>\n");
}

static int banner(struct html *h)
{
	static const char *const keys[] = {"model", "guard", "method"};
	const char *value;
	for (size_t i = 0; i < 3; i++) {
		TS_TRY(ts_json_text(h->metrics, keys[i], &value, h->place, h->err));
		if (!value)
			continue;
		TS_TRY(html_printf(h, " <span class=\"fact\">%s <b>", keys[i]));
		TS_TRY(html_text(h, value));
		TS_TRY(html_raw(h, !strcmp(value, "keywords") ? "</b> (" REPORT_STAND_IN ")</span>" : "</b></span>"));
	}
	TS_TRY(html_raw(h,
			"</div>\n<button type=\"button\" id=\"theme\" hidden>Theme: auto</button></header>\n<nav aria-label=\"Sections\">"
			"<a href=\"#results\">Results</a> "));
	if (report_any_apart(h->metrics))
		TS_TRY(html_raw(h, "<a href=\"#apart\">Thinking</a> "));
	return html_raw(h, "<a href=\"#alpha\">Steering</a> <a href=\"#kept\">Kept</a> "
			   "<a href=\"#training\">Training</a> <a href=\"#lengths\">Lengths</a> <a href=\"#samples\">Samples</a> "
			   "<a href=\"#cost\">Cost</a> <a href=\"#settings\">Settings</a></nav>\n<main>\n");
}

static int sections(struct html *h, const char *dir, const struct ts_str *recipe)
{
	size_t n;
	const char *name = run_name(dir, &n);
	TS_TRY(html_collect(h));
	TS_TRY(html_open(h, name, n));
	TS_TRY(banner(h));
	TS_TRY(html_headline(h));
	TS_TRY(html_results(h));
	TS_TRY(html_apart(h));
	TS_TRY(html_alpha(h));
	TS_TRY(html_kept(h));
	TS_TRY(html_training(h));
	TS_TRY(html_length_charts(h));
	TS_TRY(html_samples(h));
	TS_TRY(html_cost(h));
	TS_TRY(html_settings(h, recipe));
	return html_close(h);
}

/* --- the run directory --- */

static void release(struct html *h)
{
	for (size_t i = 0; i < HTML_GROUPS; i++)
		for (size_t j = 0; j < 2; j++)
			ts_vec_release(&h->lengths[i][j].tokens);
	for (size_t i = 0; i < h->sets.len; i++) {
		ts_free(h->sets.data[i].name);
		ts_free(h->sets.data[i].kind);
	}
	ts_vec_release(&h->sets);
	ts_str_release(&h->samples);
}

int ts_report_html(const char *dir, struct ts_str *out, struct ts_error *err)
{
	struct html h = {.out = out, .err = err};
	struct ts_str metrics_path = {0}, path = {0}, recipe = {0};
	json_t *metrics = NULL, *timing = NULL;
	int status = ts_report_metrics(dir, &metrics, err);
	if (status)
		goto done;
	TS_GOTO(ts_path_join(&metrics_path, dir, "metrics.json") ? ts_fail_memory(err) : 0);
	if (!json_is_object(metrics))
		TS_GOTO(ts_fail(err, TS_EFORMAT, "%s: expected an object with the run's metrics", metrics_path.data));
	TS_GOTO(ts_report_timing(dir, &timing, err));
	TS_GOTO(ts_path_join(&path, dir, "recipe.yaml") ? ts_fail_memory(err) : 0);
	TS_GOTO(ts_file_read(path.data, &recipe, err));
	TS_GOTO(ts_path_join(&path, dir, "journal.db") ? ts_fail_memory(err) : 0);
	TS_GOTO(ts_store_open_read(&h.store, path.data, err));
	h.place = metrics_path.data;
	h.metrics = metrics;
	h.timing = timing;
	TS_GOTO(sections(&h, dir, &recipe));
done:
	release(&h);
	if (h.store)
		ts_store_close(h.store, NULL);
	json_decref(metrics);
	json_decref(timing);
	ts_str_release(&metrics_path);
	ts_str_release(&path);
	ts_str_release(&recipe);
	return status;
}
