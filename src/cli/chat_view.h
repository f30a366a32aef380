/* An answer on its way to standard output.
 *
 * - On a terminal: as it comes, made safe (text/visible.h), thinking dimmed unless NO_COLOR is set.
 * - Into a pipe: as it comes, byte for byte; with `json` or without thinking, whole at its end, told apart by the one rule of
 *   text/thinking.h.
 * Every answer ends with a newline. */
#ifndef TS_CLI_CHAT_VIEW_H
#define TS_CLI_CHAT_VIEW_H

#include "core/json.h"
#include "text/chat.h"
#include "text/stream_decode.h"
#include "text/think_stream.h"

#include <stdio.h>

struct ts_chat_view {
	bool terminal, dim, no_thinking, json;
	/* of the answer under way */
	struct ts_stream_decode *decode;
	struct ts_think_stream split;
	struct ts_str piece, safe;
	bool dimmed, line_open;
};

/* Looks at standard output and at NO_COLOR. */
void ts_chat_view_init(struct ts_chat_view *, bool no_thinking, bool json);
/* Statuses: TS_ENOMEM, TS_EIO (nobody reads any more). */
int ts_chat_view_begin(struct ts_chat_view *, const struct ts_chat *);
int ts_chat_view_token(struct ts_chat_view *, int32_t id);
/* The answer's last words; colours and lines are closed also when it failed midway. */
int ts_chat_view_end(struct ts_chat_view *);
/* The finished answer, where it is shown whole: `row` gets content and thinking and is printed, or the answer alone is. */
int ts_chat_view_whole(struct ts_chat_view *, const struct ts_str *response, json_t *row);

#endif
