/* thinksafe render: messages to the text of the chat template. */
#include "cli/session.h"
#include "core/file.h"

#include <string.h>

struct render {
	struct ts_session session;
	const char *template_file, *now;
	struct ts_template *template;
	struct tm clock;
};

static int open_template(struct render *r)
{
	struct ts_session *s = &r->session;
	const char *end = r->now ? strptime(r->now, "%Y-%m-%dT%H:%M:%S", &r->clock) : "";
	if (!end || *end)
		return ts_session_wrong(s, "--now: expected YYYY-MM-DDThh:mm:ss, found \"%s\"", r->now);
	if (r->template_file && s->model_dir)
		return ts_session_wrong(s, "--model and --template: expected one of them");
	if (!r->template_file && !s->model_dir)
		return ts_session_wrong(s, "--model or --template is needed");
	if (!r->template_file)
		return ts_session_open_chat(s);
	struct ts_str source = {0};
	int status = ts_file_read(r->template_file, &source, &s->err);
	if (!status)
		status = ts_template_parse(&r->template, ts_str_c(&source), source.len, r->template_file, &s->err);
	ts_str_release(&source);
	return status;
}

/* What the template itself refuses is the row's result; only what is wrong with the row or the machine ends the command. */
static int one_row(void *user, json_t *row, size_t index, struct ts_error *err)
{
	struct render *r = user;
	(void)index;
	bool add_prompt;
	struct ts_str text = {0};
	const json_t *messages = json_object_get(row, "messages"), *variables = json_object_get(row, "variables");
	if (!json_is_array(messages))
		return ts_fail(err, TS_EFORMAT, "\"messages\": expected an array, found %s", ts_json_kind(messages));
	if (variables && !json_is_object(variables))
		return ts_fail(err, TS_EFORMAT, "\"variables\": expected an object");
	TS_TRY(ts_json_bool(row, "add_generation_prompt", false, &add_prompt, "", err));
	struct ts_template_input input = {.messages = messages,
					  .tools = json_object_get(row, "tools"),
					  .documents = json_object_get(row, "documents"),
					  .add_generation_prompt = add_prompt,
					  .variables = variables,
					  .now = r->now ? &r->clock : NULL};
	int status = r->template ? ts_template_render(r->template, &input, &text, err)
				 : ts_chat_render_input(r->session.chat, &input, &text, err);
	if (status && status != TS_ENOMEM) {
		status = json_object_set_new(row, "error", json_string(err->message)) ? ts_fail_memory(err) : 0;
		err->code = 0;
	} else if (!status) {
		status = json_object_set_new(row, "text", json_stringn(ts_str_c(&text), text.len)) ? ts_fail_memory(err) : 0;
	}
	ts_str_release(&text);
	return status;
}

static int run(struct render *r)
{
	TS_TRY(open_template(r));
	return ts_session_map_rows(&r->session, one_row, r);
}

int ts_command_render(const struct ts_command *command, int argc, char **argv)
{
	struct render r = {0};
	struct ts_session *s = &r.session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"model", "DIR|FILE|ID", "folder, GGUF file or hub model with the tokenizer and chat template", TS_OPT_TEXT, &s->model_dir,
		 NULL},
		{"pre", "NAME", TS_HELP_PRE, TS_OPT_TEXT, &s->pre, NULL},
		{"template", "FILE", "a template file instead of --model", TS_OPT_TEXT, &r.template_file, NULL},
		{"now", "TIME", "freeze the template's clock, e.g. 2024-07-26T15:04:05", TS_OPT_TEXT, &r.now, NULL},
		TS_OPTIONS_ROWS(s),
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&r));
	ts_template_free(r.template);
	ts_session_close(s);
	return code;
}
