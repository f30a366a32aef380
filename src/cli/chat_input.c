#include "cli/chat_input.h"

#include "cli/line_editor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char fence[] = "\"\"\"";
enum { FENCE = sizeof(fence) - 1 };

int ts_chat_input_open(struct ts_chat_input *in, struct ts_error *err)
{
	*in = (struct ts_chat_input){.terminal = isatty(STDIN_FILENO)};
	return in->terminal && isatty(STDERR_FILENO) ? ts_line_editor_new(&in->editor, err) : 0;
}

void ts_chat_input_close(struct ts_chat_input *in)
{
	ts_line_editor_free(in->editor);
	in->editor = NULL;
}

static int read_plain(struct ts_str *line, bool *more, struct ts_error *err)
{
	int c;
	while ((c = getc(stdin)) != EOF && c != '\n')
		if (ts_str_putc(line, (char)c))
			return ts_fail_memory(err);
	*more = c != EOF || line->len;
	if (c != EOF || !ferror(stdin))
		return 0;
	clearerr(stdin);
	return errno == EINTR ? TS_ESTOPPED : ts_fail(err, TS_EIO, "standard input: cannot read: %s", strerror(errno));
}

/* One line without its end. */
static int read_line(struct ts_chat_input *in, const char *prompt, struct ts_str *line, bool *more, struct ts_error *err)
{
	ts_str_clear(line);
	if (in->terminal && !in->editor)
		fputs(prompt, stderr);
	TS_TRY(in->editor ? ts_line_editor_read(in->editor, prompt, line, more, err) : read_plain(line, more, err));
	in->line += *more;
	if (line->len && line->data[line->len - 1] == '\r')
		line->data[--line->len] = '\0';
	return 0;
}

static int check_text(const struct ts_str *line, struct ts_error *err)
{
	size_t bad = ts_utf8_check(ts_str_c(line), line->len);
	if (bad < line->len)
		return ts_fail(err, TS_EFORMAT, "not UTF-8 at byte %zu", bad + 1);
	if (line->len && memchr(line->data, 0, line->len))
		return ts_fail(err, TS_EFORMAT, "a NUL character");
	return 0;
}

/* Lines up to the one that ends with the fence; `out` begins with the opening one. */
static int read_block(struct ts_chat_input *in, struct ts_str *out, struct ts_error *err)
{
	struct ts_str line = {0};
	size_t opened = in->line;
	bool more;
	int status = 0;
	memmove(out->data, out->data + FENCE, out->len - FENCE + 1);
	out->len -= FENCE;
	while (!status && (out->len < FENCE || memcmp(out->data + out->len - FENCE, fence, FENCE) != 0)) {
		status = read_line(in, "... ", &line, &more, err);
		if (!status && !more)
			status = ts_fail(err, TS_EFORMAT, "the block opened with \"\"\" in line %zu has no end", opened);
		if (!status)
			status = check_text(&line, err);
		if (!status && ((out->len && ts_str_putc(out, '\n')) || ts_str_append(out, ts_str_c(&line), line.len)))
			status = ts_fail_memory(err);
	}
	ts_str_release(&line);
	if (status)
		return status;
	out->len -= FENCE;
	if (out->len && out->data[out->len - 1] == '\n')
		out->len--;
	out->data[out->len] = '\0';
	return 0;
}

int ts_chat_input_read(struct ts_chat_input *in, const char *prompt, struct ts_str *out, bool *more, struct ts_error *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	TS_TRY(read_line(in, prompt, out, more, err));
	if (!*more)
		return 0;
	if (in->line == 1 && out->len >= 3 && !memcmp(out->data, mark, 3)) {
		memmove(out->data, out->data + 3, out->len - 3 + 1);
		out->len -= 3;
	}
	TS_TRY(check_text(out, err));
	return out->len >= FENCE && !memcmp(out->data, fence, FENCE) ? read_block(in, out, err) : 0;
}
