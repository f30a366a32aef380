/* What the user types: turns from standard input, a line each. A line that begins with """ opens a block that ends at a line which ends
 * with """; the block is one turn with its line breaks.
 *
 * On a terminal the prompt goes to standard error, and a line is edited as libedit does it: arrows, the history of this conversation. */
#ifndef TS_CLI_CHAT_INPUT_H
#define TS_CLI_CHAT_INPUT_H

#include "core/status.h"
#include "core/str.h"

struct ts_chat_input {
	bool terminal;
	size_t line;                   /* number of the last line read, from 1 */
	struct ts_line_editor *editor; /* NULL: lines as they are */
};

/* Looks at standard input. */
int ts_chat_input_open(struct ts_chat_input *, struct ts_error *err);
void ts_chat_input_close(struct ts_chat_input *);
/* *more = true: the next turn is in `out` (cleared first). False: the end of input. TS_ESTOPPED: a signal came while it waited; *more says
 * whether something had been typed, which is thrown away. TS_EFORMAT: not UTF-8; the line is used up. */
int ts_chat_input_read(struct ts_chat_input *, const char *prompt, struct ts_str *out, bool *more, struct ts_error *err);

#endif
