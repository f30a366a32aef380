/* A line typed at a terminal, over libedit: arrows, history, UTF-8. Prompt and echo go to standard error. One at a time. */
#ifndef TS_CLI_LINE_EDITOR_H
#define TS_CLI_LINE_EDITOR_H

#include "core/status.h"
#include "core/str.h"

struct ts_line_editor;

int ts_line_editor_new(struct ts_line_editor **out, struct ts_error *err);
void ts_line_editor_free(struct ts_line_editor *);
/* The line without its end is appended to `line`. *more = false: Ctrl-D on an empty line, or the terminal is gone. TS_ESTOPPED: a signal
 * came (the terminal's handlers must let a read return; terminal.h); *more says whether something had been typed. */
int ts_line_editor_read(struct ts_line_editor *, const char *prompt, struct ts_str *line, bool *more, struct ts_error *err);

#endif
