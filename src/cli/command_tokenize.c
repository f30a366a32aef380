/* thinksafe tokenize: text to ids and back. */
#include "cli/session.h"

#include <string.h>

struct tokenize {
	struct ts_session session;
	bool decode, no_special, skip_special;
};

static int one_row(void *user, json_t *row, size_t index, struct ts_error *err)
{
	struct tokenize *t = user;
	(void)index;
	const struct ts_tokenizer *tokenizer = ts_chat_tokenizer(t->session.chat);
	ts_ids ids = {0};
	struct ts_str text = {0};
	int status;
	if (t->decode) {
		status = ts_row_ids(row, "ids", &ids, err);
		if (!status && ts_tokenizer_decode(tokenizer, ids.data, ids.len, t->skip_special, &text))
			status = ts_fail_memory(err);
		if (!status && json_object_set_new(row, "text", json_stringn(ts_str_c(&text), text.len)))
			status = ts_fail_memory(err);
	} else {
		const json_t *value = json_object_get(row, "text");
		status = json_is_string(value) ? 0 : ts_fail(err, TS_EFORMAT, "\"text\": expected a string, found %s", ts_json_kind(value));
		if (!status)
			status = ts_tokenizer_encode(tokenizer, json_string_value(value), json_string_length(value), !t->no_special, &ids,
						     err);
		if (!status && json_object_set_new(row, "ids", ts_ids_json(ids.data, ids.len)))
			status = ts_fail_memory(err);
	}
	ts_vec_release(&ids);
	ts_str_release(&text);
	return status;
}

static int run(struct tokenize *t)
{
	TS_TRY(ts_session_open_chat(&t->session));
	return ts_session_map_rows(&t->session, one_row, t);
}

int ts_command_tokenize(const struct ts_command *command, int argc, char **argv)
{
	struct tokenize t = {0};
	struct ts_session *s = &t.session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"model", "DIR|FILE|ID", "folder with tokenizer.json, GGUF file, or " TS_HELP_HUB, TS_OPT_TEXT, &s->model_dir, NULL},
		{"pre", "NAME", TS_HELP_PRE, TS_OPT_TEXT, &s->pre, NULL},
		{"decode", NULL, "ids to text", TS_OPT_FLAG, &t.decode, NULL},
		{"no-special", NULL, "do not add the tokenizer's special tokens (BOS)", TS_OPT_FLAG, &t.no_special, NULL},
		{"skip-special", NULL, "with --decode: leave special tokens out of the text", TS_OPT_FLAG, &t.skip_special, NULL},
		TS_OPTIONS_ROWS(s),
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&t));
	ts_session_close(s);
	return code;
}
