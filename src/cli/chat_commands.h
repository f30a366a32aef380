/* What a line that begins with "/" does in a conversation. */
#ifndef TS_CLI_CHAT_COMMANDS_H
#define TS_CLI_CHAT_COMMANDS_H

#include "cli/chat_session.h"

/* `line` is the whole line. What is to be said (a new setting, the help) goes to `notes` (NULL = nobody wants to read it).
 * *quit = true: leave. An unknown command or a wrong value is TS_EINVAL. */
int ts_chat_command(struct ts_chat_session *, const char *line, FILE *notes, bool *quit);

/* Model, adapter, sampling, as lines. */
void ts_chat_show_state(const struct ts_chat_session *, FILE *);

#endif
