/* What a person sees: messages and progress on stderr, Ctrl-C. The library's context points here. */
#ifndef TS_CLI_TERMINAL_H
#define TS_CLI_TERMINAL_H

#include "core/context.h"

/* Fills `context`. quiet: no progress and no info messages (warnings stay). Ctrl-C and SIGTERM set the stop flag; a second Ctrl-C
 * ends the program at once (nothing is lost by that either). */
void ts_terminal_init(struct ts_context *context, bool quiet);

/* While standard input is waited for nothing is at stake, and the read would not notice the flag: Ctrl-C ends the program at once. */
void ts_terminal_waiting(bool);

/* How a conversation takes Ctrl-C and SIGTERM. waiting: a read that waits for input returns (otherwise what is under way is not disturbed).
 * person: they only set the flag, however often they come, as somebody sits there who can leave. */
void ts_terminal_converse(bool person, bool waiting);
/* The signal that set the flag; 0 = none. */
int ts_terminal_signal(void);
/* Forgets a Ctrl-C: the next answer is to be computed. */
void ts_terminal_go_on(void);

/* A line on stderr: `before` as it is, and the message, in which a file's name or a row's text can hold anything: control characters are
 * shown and not obeyed, and it stays one line. */
void ts_terminal_say(const char *before, const char *message);

/* Ends a line that progress left open, before something else is printed. */
void ts_terminal_close_line(void);

/* "2h 05m", "3m 07s", "12s" into text[24]. */
void ts_format_seconds(double seconds, char text[24]);
/* "726 B", "1.5 GB" (powers of 1000) into text[24]. */
void ts_format_bytes(double bytes, char text[24]);

#endif
