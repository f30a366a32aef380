/* thinksafe grade: is an answer right? Both graders say so; --grader says which one "equal" is. */
#include "cli/session.h"
#include "eval/grade.h"

#include <string.h>

struct grade {
	struct ts_session session;
	const char *grader;
};

static int text_of(const json_t *row, const char *key, const json_t **out, struct ts_error *err)
{
	*out = json_object_get(row, key);
	return json_is_string(*out) ? 0 : ts_fail(err, TS_EFORMAT, "\"%s\": expected a string, found %s", key, ts_json_kind(*out));
}

static int one_row(void *user, json_t *row, size_t index, struct ts_error *err)
{
	const struct grade *g = user;
	const json_t *prediction, *gold, *dataset;
	enum ts_dataset which;
	struct ts_grade grade = {0};
	bool paper = !strcmp(g->grader, ts_grader_name(TS_GRADER_PAPER));
	(void)index;
	TS_TRY(text_of(row, "prediction", &prediction, err));
	TS_TRY(text_of(row, "gold", &gold, err));
	TS_TRY(text_of(row, "dataset", &dataset, err));
	int status = ts_dataset_parse(json_string_value(dataset), &which, err);
	if (status)
		return ts_fail_within(err, status, "\"dataset\"");
	status = ts_grade(which, json_string_value(prediction), json_string_length(prediction), json_string_value(gold),
			  json_string_length(gold), &grade);
	json_t *extracted = grade.found ? json_stringn(ts_str_c(&grade.extracted), grade.extracted.len) : json_null();
	if (status || json_object_set_new(row, "equal", json_boolean(paper ? grade.paper : grade.equal)) ||
	    json_object_set_new(row, "extracted", extracted) || json_object_set_new(row, "grader", json_string(g->grader)) ||
	    json_object_set_new(row, "strict", json_boolean(grade.equal)) || json_object_set_new(row, "paper", json_boolean(grade.paper)))
		status = ts_fail_memory(err);
	ts_grade_release(&grade);
	return status;
}

static int run(struct grade *g)
{
	if (strcmp(g->grader, "strict") && strcmp(g->grader, "paper"))
		return ts_session_wrong(&g->session, "--grader: expected strict or paper, found \"%s\"", g->grader);
	return ts_session_map_rows(&g->session, one_row, g);
}

int ts_command_grade(const struct ts_command *command, int argc, char **argv)
{
	struct grade g = {.grader = "strict"};
	struct ts_session *s = &g.session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"grader", "strict|paper", "mathematically right, or by the reference's rules: which one \"equal\" is", TS_OPT_TEXT,
		 &g.grader, NULL},
		TS_OPTIONS_ROWS(s),
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&g));
	ts_session_close(s);
	return code;
}
