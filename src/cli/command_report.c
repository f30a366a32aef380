/* thinksafe report: what a finished run came to, or several beside each other, as a table, JSON or a page. */
#include "cli/session.h"
#include "core/file.h"
#include "core/mem.h"
#include "report/compare.h"
#include "report/cost.h"
#include "report/html.h"
#include "report/table.h"
#include "run/recipe.h"

#include <stdio.h>
#include <string.h>

int ts_session_print_metrics(struct ts_session *s, const json_t *metrics, const char *place, const char *dir)
{
	struct ts_str text = {0};
	json_t *timing = NULL, *cost = NULL;
	int status = ts_report_table(metrics, place, &text, &s->err);
	if (!status && dir)
		status = ts_report_timing(dir, &timing, &s->err);
	if (!status)
		status = ts_report_cost(metrics, timing, &cost, &s->err);
	if (!status)
		status = ts_report_cost_table(cost, &text, &s->err);
	if (!status)
		fputs(ts_str_c(&text), stdout);
	json_decref(timing);
	json_decref(cost);
	ts_str_release(&text);
	return status;
}

int ts_session_write_page(struct ts_session *s, const char *dir, const char *path)
{
	struct ts_str page = {0}, own = {0};
	int status = path || !ts_path_join(&own, dir, "report.html") ? 0 : ts_fail_memory(&s->err);
	if (!status)
		status = ts_report_html(dir, &page, &s->err);
	if (!status && path && !strcmp(path, "-"))
		fwrite(page.data, 1, page.len, stdout);
	else if (!status)
		status = ts_file_write(path ? path : own.data, page.data, page.len, &s->err);
	if (!status && !path)
		ts_log(&s->context, TS_LOG_INFO, "report: %s", own.data);
	ts_str_release(&page);
	ts_str_release(&own);
	return status;
}

static int print_table(struct ts_session *s, const json_t *metrics, const char *dir)
{
	struct ts_str place = {0};
	int status =
		ts_path_join(&place, dir, "metrics.json") ? ts_fail_memory(&s->err) : ts_session_print_metrics(s, metrics, place.data, dir);
	ts_str_release(&place);
	return status;
}

static int print_json(struct ts_session *s, const json_t *metrics)
{
	struct ts_str text = {0};
	int status = ts_json_dump(metrics, &text) ? ts_fail_memory(&s->err) : 0;
	if (!status)
		printf("%s\n", ts_str_c(&text));
	ts_str_release(&text);
	return status;
}

/* metrics.json with what the run cost, which is no part of that file. */
static int print_whole(struct ts_session *s, const json_t *metrics, const char *dir)
{
	json_t *timing = NULL, *cost = NULL, *all = json_copy((json_t *)metrics);
	int status = all ? ts_report_timing(dir, &timing, &s->err) : ts_fail_memory(&s->err);
	if (!status)
		status = ts_report_cost(metrics, timing, &cost, &s->err);
	if (!status && cost && json_object_set(all, "cost", cost))
		status = ts_fail_memory(&s->err);
	if (!status)
		status = print_json(s, all);
	json_decref(timing);
	json_decref(cost);
	json_decref(all);
	return status;
}

/* A page takes the place of the table; --json beside it still prints. */
static int report(struct ts_session *s, const char *dir, const char *page)
{
	json_t *metrics = NULL;
	int status = ts_report_metrics(dir, &metrics, &s->err);
	if (!status && page)
		status = ts_session_write_page(s, dir, page);
	if (!status && s->json)
		status = print_whole(s, metrics, dir);
	else if (!status && !page)
		status = print_table(s, metrics, dir);
	json_decref(metrics);
	return status;
}

/* The settings of a run, from the recipe that its folder keeps. */
static int load_settings(struct ts_session *s, const char *dir, json_t **settings)
{
	struct ts_str path = {0};
	struct ts_recipe recipe;
	int status = ts_path_join(&path, dir, "recipe.yaml") ? ts_fail_memory(&s->err) : ts_recipe_load(&recipe, path.data, &s->err);
	if (!status) {
		status = ts_recipe_settings(&recipe, settings, &s->err);
		ts_recipe_release(&recipe);
	}
	ts_str_release(&path);
	return status;
}

static int write_comparison_page(struct ts_session *s, const struct ts_report_run *runs, size_t n, const char *path)
{
	struct ts_str page = {0};
	int status = ts_report_compare_html(runs, n, &page, &s->err);
	if (!status && !strcmp(path, "-"))
		fwrite(page.data, 1, page.len, stdout);
	else if (!status)
		status = ts_file_write(path, page.data, page.len, &s->err);
	ts_str_release(&page);
	return status;
}

static int print_comparison(struct ts_session *s, const struct ts_report_run *runs, size_t n)
{
	json_t *comparison = NULL;
	struct ts_str text = {0};
	int status = ts_report_compare(runs, n, &comparison, &s->err);
	if (!status && s->json)
		status = print_json(s, comparison);
	else if (!status && !(status = ts_report_compare_table(comparison, &text, &s->err)))
		fputs(ts_str_c(&text), stdout);
	ts_str_release(&text);
	json_decref(comparison);
	return status;
}

static int compare(struct ts_session *s, char **dirs, size_t n, const char *page)
{
	struct ts_report_run *runs = ts_calloc(n, sizeof(*runs));
	int status = runs ? 0 : ts_fail_memory(&s->err);
	for (size_t i = 0; i < n && !status; i++) {
		json_t *metrics = NULL, *settings = NULL, *timing = NULL;
		status = ts_report_metrics(dirs[i], &metrics, &s->err);
		if (!status)
			status = load_settings(s, dirs[i], &settings);
		if (!status)
			status = ts_report_timing(dirs[i], &timing, &s->err);
		runs[i] = (struct ts_report_run){dirs[i], metrics, settings, timing};
	}
	if (!status && page)
		status = write_comparison_page(s, runs, n, page);
	if (!status && (s->json || !page))
		status = print_comparison(s, runs, n);
	for (size_t i = 0; runs && i < n; i++) {
		json_decref((json_t *)runs[i].metrics);
		json_decref((json_t *)runs[i].settings);
		json_decref((json_t *)runs[i].timing);
	}
	ts_free(runs);
	return status;
}

int ts_command_report(const struct ts_command *command, int argc, char **argv)
{
	struct ts_session session, *s = &session;
	ts_session_init(s);
	const char *page = NULL;
	int words;
	const struct ts_option options[] = {
		{"json", NULL, "the run's metrics and cost, or the comparison of several, as one JSON object", TS_OPT_FLAG, &s->json, NULL},
		{"html", "FILE", "one page that needs nothing else: figures, charts, cost; of one run samples too (-: standard output)",
		 TS_OPT_TEXT, &page, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0 && words < 1)
		code = ts_session_fail(s, ts_session_wrong(s, "expected at least one argument, a run's folder; found none"));
	if (code < 0)
		code = ts_session_fail(s, page && !*page ? ts_session_wrong(s, "--html: expected a file, or - for standard output")
					  : page && s->json && !strcmp(page, "-")
						  ? ts_session_wrong(s, "--html - and --json both write to standard output")
					  : words > 1 ? compare(s, argv, (size_t)words, page)
						      : report(s, argv[0], page));
	ts_session_close(s);
	return code;
}
