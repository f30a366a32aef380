/* thinksafe tokenize: text to ids and back. */
#include "cli/session.h"

#include <string.h>

struct tokenize {
	struct ts_session session;
	bool decode, no_special, skip_special;
};

static int one_row(struct tokenize *t, json_t *row, struct ts_error *err)
{
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
		status = json_is_string(value) ? 0 : ts_fail(err, TS_EFORMAT, "\"text\" is missing or no string");
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
	struct ts_session *s = &t->session;
	json_t *rows = NULL, *row;
	size_t i;
	int status = ts_session_open_chat(s);
	if (!status)
		status = ts_session_read_rows(s, &rows);
	json_array_foreach (rows, i, row) {
		char id[64];
		if (status)
			break;
		status = one_row(t, row, &s->err);
		if (status)
			ts_fail_within(&s->err, status, "%s: row %s", s->in, ts_row_id(row, i, id));
	}
	if (!status)
		status = ts_session_write_rows(s, rows);
	json_decref(rows);
	return status;
}

int ts_command_tokenize(const struct ts_command *command, int argc, char **argv)
{
	struct tokenize t = {0};
	struct ts_session *s = &t.session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"model", "DIR", "folder with tokenizer.json", TS_OPT_TEXT, &s->model_dir, NULL},
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
