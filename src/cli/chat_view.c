#include "cli/chat_view.h"

#include "text/thinking.h"
#include "text/visible.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ts_chat_view_init(struct ts_chat_view *v, bool no_thinking, bool json)
{
	const char *no_color = getenv("NO_COLOR");
	*v = (struct ts_chat_view){.no_thinking = no_thinking, .json = json, .terminal = isatty(STDOUT_FILENO)};
	v->dim = v->terminal && !(no_color && *no_color);
}

static bool streams(const struct ts_chat_view *v)
{
	return !v->json && (v->terminal || !v->no_thinking);
}

static int put(struct ts_chat_view *v, const char *text, size_t n)
{
	if (!n)
		return 0;
	v->line_open = text[n - 1] != '\n';
	return fwrite(text, 1, n, stdout) == n ? 0 : TS_EIO;
}

static void set_dim(struct ts_chat_view *v, bool on)
{
	if (v->dim && v->dimmed != on)
		fputs(on ? "\033[2m" : "\033[0m", stdout);
	v->dimmed = on;
}

static int show(void *user, const char *text, size_t n, bool thinking)
{
	struct ts_chat_view *v = user;
	bool hidden = thinking && v->no_thinking, began = thinking && !v->dimmed;
	set_dim(v, thinking);
	if (hidden)
		return began ? put(v, "\u2026", strlen("\u2026")) : 0;
	if (!v->terminal)
		return put(v, text, n);
	ts_str_clear(&v->safe);
	TS_TRY(ts_visible(text, n, &v->safe));
	return put(v, ts_str_c(&v->safe), v->safe.len);
}

static int show_piece(struct ts_chat_view *v)
{
	int status = ts_think_stream_feed(&v->split, ts_str_c(&v->piece), v->piece.len);
	ts_str_clear(&v->piece);
	return status ? status : fflush(stdout) ? TS_EIO : 0;
}

int ts_chat_view_begin(struct ts_chat_view *v, const struct ts_chat *chat)
{
	static const char opening[] = "<think>\n"; /* as ts_response_text puts it back */
	v->split = (struct ts_think_stream){.emit = show, .user = v};
	v->dimmed = v->line_open = false;
	if (!streams(v))
		return 0;
	TS_TRY(ts_stream_decode_new(&v->decode, ts_chat_tokenizer(chat), true));
	return ts_chat_prompt_opens_thinking(chat) ? ts_think_stream_feed(&v->split, opening, sizeof(opening) - 1) : 0;
}

int ts_chat_view_token(struct ts_chat_view *v, int32_t id)
{
	if (!v->decode)
		return 0;
	TS_TRY(ts_stream_decode_feed(v->decode, id, &v->piece));
	return v->piece.len ? show_piece(v) : 0;
}

int ts_chat_view_end(struct ts_chat_view *v)
{
	int status = 0;
	if (v->decode) {
		status = ts_stream_decode_flush(v->decode, &v->piece);
		if (!status)
			status = show_piece(v);
		if (!status)
			status = ts_think_stream_flush(&v->split);
		set_dim(v, false);
		if (v->line_open || !status)
			status = put(v, "\n", v->line_open) || fflush(stdout) ? TS_EIO : status;
	}
	ts_stream_decode_free(v->decode);
	v->decode = NULL;
	ts_str_release(&v->piece);
	ts_str_release(&v->safe);
	return status;
}

static int print_row(json_t *row, const struct ts_thinking *t)
{
	struct ts_str line = {0};
	json_t *thinking = t->blocks ? json_stringn(ts_str_c(&t->thinking), t->thinking.len) : json_null();
	int status = json_object_set_new(row, "content", json_stringn(ts_str_c(&t->answer), t->answer.len)) ||
				     json_object_set_new(row, "thinking", thinking) || ts_json_dump(row, &line) || ts_str_putc(&line, '\n')
			     ? TS_ENOMEM
			     : 0;
	if (!status && fwrite(line.data, 1, line.len, stdout) != line.len)
		status = TS_EIO;
	ts_str_release(&line);
	return status;
}

int ts_chat_view_whole(struct ts_chat_view *v, const struct ts_str *response, json_t *row)
{
	struct ts_thinking t = {0};
	if (streams(v))
		return 0;
	int status = ts_thinking_split(ts_str_c(response), response->len, &t);
	if (!status && v->json) {
		status = print_row(row, &t);
	} else if (!status) {
		size_t blank = strspn(ts_str_c(&t.answer), "\n");
		v->line_open = true;
		status = put(v, ts_str_c(&t.answer) + blank, t.answer.len - blank);
		if (!status && v->line_open)
			status = put(v, "\n", 1);
	}
	if (!status && fflush(stdout))
		status = TS_EIO;
	ts_thinking_release(&t);
	return status;
}
