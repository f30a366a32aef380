/* thinksafe chat: talk to a model. On a terminal a person does; what goes wrong is said, and the conversation goes on. In a pipe each line is
 * a turn, standard output holds the answers alone, and what goes wrong ends the program: the turns after it would be another conversation. */
#include "cli/chat_commands.h"
#include "cli/chat_input.h"
#include "cli/terminal.h"

#include <string.h>

struct chat {
	struct ts_session session;
	struct ts_chat_session conversation;
	struct ts_chat_input input;
	const char *system;
	bool no_thinking;
};

static FILE *notes(const struct chat *c)
{
	return c->input.terminal && !c->session.quiet ? stderr : NULL;
}

/* Below an answer: what it cost, and why it ended where that is not plain. */
static void show_figures(const struct chat *c)
{
	const struct ts_chat_session *s = &c->conversation;
	FILE *to = notes(c);
	if (!to || s->view.json)
		return;
	fprintf(to, "%s(%zu tokens, %.2f s; context %zu of %zu", s->view.dim ? "\033[2m" : "", s->tokens, s->seconds, s->used,
		s->positions);
	if (!strcmp(s->finish, "interrupted"))
		fputs("; stopped, /undo drops it, /retry says it anew", to);
	else if (!strcmp(s->finish, "length"))
		fputs("; cut off: /set max_new_tokens allows more", to);
	else if (!strcmp(s->finish, "context"))
		fputs("; cut off: the context is full, /undo or /reset make room", to);
	fprintf(to, ")%s\n", s->view.dim ? "\033[0m" : "");
}

static int serve(struct chat *c, const char *line, size_t n, bool *quit)
{
	struct ts_chat_session *s = &c->conversation;
	bool answers = true;
	int status;
	if (!line[strspn(line, " \t\n")])
		return 0;
	if (line[0] == '/' && line[1] != '/') {
		answers = !strcmp(line, "/retry");
		status = ts_chat_command(s, line, !strcmp(line, "/help") ? stderr : notes(c), quit);
	} else {
		status = line[0] == '/' ? ts_chat_session_say(s, line + 1, n - 1) : ts_chat_session_say(s, line, n);
	}
	if (!status && answers)
		show_figures(c);
	return status;
}

/* What went wrong with a line. 0 = it was said, and a person goes on. */
static int go_on(struct chat *c, int status)
{
	struct ts_session *s = &c->session;
	if (!c->input.terminal)
		return ts_fail_within(&s->err, status, "standard input: line %zu", c->input.line);
	if (status == TS_EIO)
		return status;
	ts_terminal_close_line();
	fprintf(stderr, "%s\n", s->err.code ? s->err.message : ts_status_text(status));
	s->err = (struct ts_error){0};
	return 0;
}

static int leave_stopped(struct chat *c)
{
	return ts_fail(&c->session.err, TS_ESTOPPED, "the answers so far were written");
}

static const char *prompt_text(const struct chat *c)
{
	if (!c->conversation.adapter)
		return "> ";
	return c->session.adapter ? "[adapter on] > " : "[adapter off] > ";
}

static int converse(struct chat *c)
{
	struct ts_session *s = &c->session;
	struct ts_str line = {0};
	bool more = true, quit = false, warned = false;
	int status = 0;
	while (!status && !quit) {
		ts_terminal_converse(c->input.terminal, true);
		status = ts_chat_input_read(&c->input, prompt_text(c), &line, &more, &s->err);
		ts_terminal_converse(c->input.terminal, false);
		if (!status && !more)
			break;
		bool waiting = status == TS_ESTOPPED;
		if (!status)
			status = serve(c, ts_str_c(&line), line.len, &quit);
		int signal_number = ts_terminal_signal();
		if (signal_number && (!c->input.terminal || signal_number != SIGINT)) {
			status = leave_stopped(c);
			break;
		}
		ts_terminal_go_on();
		if (waiting && more) { /* Ctrl-C on a line with something in it takes that away */
			fputc('\n', stderr);
			status = 0;
			continue;
		}
		if (waiting && warned) {
			more = false;
			status = 0;
			break;
		}
		if (waiting)
			ts_fail(&s->err, status, "\n(Ctrl-C once more or Ctrl-D leaves)");
		warned = waiting;
		if (status)
			status = go_on(c, status);
	}
	if (!status && !more && c->input.terminal)
		fputc('\n', stderr);
	ts_str_release(&line);
	return status;
}

static int run(struct chat *c)
{
	struct ts_session *s = &c->session;
	if (!s->model_dir)
		return ts_session_wrong(s, "--model DIR or FILE is needed");
	int status = ts_sampling_options_check(&c->conversation.sampling, &s->err);
	if (status) {
		s->wrong_usage = true;
		return status;
	}
	TS_TRY(ts_chat_session_open(&c->conversation, s));
	ts_chat_view_init(&c->conversation.view, c->no_thinking, s->json);
	if (c->system)
		TS_TRY(ts_chat_session_system(&c->conversation, c->system, strlen(c->system)));
	TS_TRY(ts_chat_input_open(&c->input, &s->err));
	if (notes(c)) {
		ts_chat_show_state(&c->conversation, stderr);
		fputs("/help says what can be typed; Ctrl-D leaves\n\n", stderr);
	}
	/* Ctrl-C while the model was being opened. */
	status = ts_terminal_signal() ? leave_stopped(c) : converse(c);
	ts_chat_input_close(&c->input);
	return status;
}

int ts_command_chat(const struct ts_command *command, int argc, char **argv)
{
	struct chat c = {0};
	struct ts_session *s = &c.session;
	ts_session_init(s);
	ts_sampling_options_default(&c.conversation.sampling);
	s->batch = 1;
	s->chunk = 128; /* a Ctrl-C is noticed after a step */
	const struct ts_option options[] = {
		TS_OPTIONS_MODEL(s),
		{"system", "TEXT", "system prompt", TS_OPT_TEXT, &c.system, NULL},
		TS_OPTIONS_SAMPLING(&c.conversation.sampling),
		{"seed", "N", "seed; the same conversation gets the same answers (42)", TS_OPT_INT, &s->seed, NULL},
		{"no-thinking", NULL, "show answers only", TS_OPT_FLAG, &c.no_thinking, NULL},
		{"json", NULL, "an answer as a JSON row: content, thinking, finish, tokens", TS_OPT_FLAG, &s->json, NULL},
		{"quiet", NULL, "no banner, figures and notes", TS_OPT_FLAG, &s->quiet, NULL},
		{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &s->threads, NULL},
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (128)", TS_OPT_COUNT, &s->chunk, NULL},
		{"memory", "SIZE", "bound for the KV cache, and so for the conversation (2G)", TS_OPT_BYTES, &s->memory, NULL},
		{"isa", "plain|avx2|avx512|neon", TS_HELP_ISA, TS_OPT_TEXT, &s->isa, NULL},
		{"numerics", "f32|bf16dot", TS_HELP_NUMERICS, TS_OPT_TEXT, &s->numerics, NULL},
		{"kv-dtype", "NAME", "f32 (default) or bf16 for the KV cache", TS_OPT_TEXT, &s->kv_dtype, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&c));
	ts_chat_session_close(&c.conversation);
	ts_session_close(s);
	return code;
}
