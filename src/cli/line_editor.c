/* libedit reads through read_character below, because its own reading tries again after a signal: Ctrl-C would only be noticed with the
 * next key. Its screen needs a UTF-8 locale, whatever the user's is: the program's text is UTF-8. */
#include "cli/line_editor.h"

#include "cli/terminal.h"
#include "core/mem.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY = 1000 };

struct ts_line_editor {
	EditLine *edit;
	History *history;
	const char *prompt;
	bool interrupted;
};

static char *prompt_text(EditLine *edit)
{
	struct ts_line_editor *e;
	el_get(edit, EL_CLIENTDATA, &e);
	return (char *)(uintptr_t)e->prompt;
}

/* Set when the program goes on after Ctrl-Z: the shell has left the terminal in a mode in which it echoes too. */
static volatile sig_atomic_t continued;

static void on_continue(int number)
{
	(void)number;
	continued = 1;
}

static void catch_continue(bool on)
{
	struct sigaction action = {.sa_handler = on ? on_continue : SIG_DFL}; /* no SA_RESTART: a read returns */
	sigemptyset(&action.sa_mask);
	continued = 0;
	sigaction(SIGCONT, &action, NULL);
}

/* libedit believes that the terminal is as it left it, so it must leave and come back. */
static void take_terminal_back(EditLine *edit)
{
	continued = 0;
	el_set(edit, EL_PREP_TERM, 0);
	el_set(edit, EL_PREP_TERM, 1);
	el_set(edit, EL_REFRESH);
}

static ssize_t read_byte(EditLine *edit, char *byte)
{
	for (;;) {
		ssize_t got = read(STDIN_FILENO, byte, 1);
		int why = errno;
		bool again = continued && got < 0 && why == EINTR && !ts_terminal_signal();
		if (continued)
			take_terminal_back(edit);
		errno = why;
		if (!again)
			return got;
	}
}

/* 1 = a character, 0 = the end, -1 = a signal came. */
static int read_character(EditLine *edit, wchar_t *out)
{
	struct ts_line_editor *e;
	char bytes[4];
	size_t n = 0, bad;
	uint32_t c = 0xFFFD;
	el_get(edit, EL_CLIENTDATA, &e);
	do {
		ssize_t got = read_byte(edit, bytes + n);
		e->interrupted = got < 0 && errno == EINTR;
		if (got < 1)
			return e->interrupted ? -1 : 0;
		n++;
		/* A beginning that more bytes can complete is read on; anything else that is no character becomes one that says so. */
	} while (!ts_utf8_decode(bytes, n, &c, &bad) && n < sizeof(bytes) && bad == n && (unsigned char)bytes[0] >= 0xC2);
	*out = (wchar_t)c;
	return 1;
}

static int set_up(struct ts_line_editor *e)
{
	HistEvent event;
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	e->edit = el_init("thinksafe", stdin, stderr, stderr);
	e->history = history_init();
	if (!e->edit || !e->history)
		return -1;
	history(e->history, &event, H_SETSIZE, HISTORY);
	history(e->history, &event, H_SETUNIQUE, 1);
	el_set(e->edit, EL_CLIENTDATA, e);
	el_set(e->edit, EL_PROMPT, prompt_text);
	el_set(e->edit, EL_EDITOR, "emacs");
	el_set(e->edit, EL_HIST, history, e->history);
	el_set(e->edit, EL_GETCFN, read_character);
	el_set(e->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return 0;
}

int ts_line_editor_new(struct ts_line_editor **out, struct ts_error *err)
{
	struct ts_line_editor *e = ts_calloc(1, sizeof(*e));
	*out = NULL;
	if (!e || set_up(e)) {
		ts_line_editor_free(e);
		return ts_fail_memory(err);
	}
	*out = e;
	return 0;
}

void ts_line_editor_free(struct ts_line_editor *e)
{
	if (!e)
		return;
	if (e->edit)
		el_end(e->edit);
	if (e->history)
		history_end(e->history);
	ts_free(e);
}

int ts_line_editor_read(struct ts_line_editor *e, const char *prompt, struct ts_str *line, bool *more, struct ts_error *err)
{
	HistEvent event;
	int n = 0;
	e->prompt = prompt;
	e->interrupted = false;
	el_resize(e->edit); /* the window may have changed while the model answered */
	catch_continue(true);
	const char *text = el_gets(e->edit, &n);
	catch_continue(false);
	if (e->interrupted) {
		const LineInfo *typed = el_line(e->edit);
		*more = typed->lastchar > typed->buffer;
		return TS_ESTOPPED;
	}
	*more = text && n > 0;
	if (!*more)
		return 0;
	size_t len = strcspn(text, "\n");
	if (len)
		history(e->history, &event, H_ENTER, text);
	return ts_str_append(line, text, len) ? ts_fail_memory(err) : 0;
}
