/* Thinking and answer of a response. The one place that knows about think tags; graders, guards, filter and report ask here.
 *
 * Rule (contracts.md section 3): balanced <think>...</think> blocks are thinking; the first opening tag may be missing,
 * because some templates (R1's) put it into the prompt; what remains is the answer; a stray </think> later on is plain text.
 * Where that leaves a choice:
 * - "missing first tag": the first tag of the text is a </think>; all before it is thinking.
 * - a nested block ends at the tag that balances it; when there are too few closing tags, at the last one before the end.
 *   ("<think>the tag <think> is odd</think>4": answer "4".)
 * - an opening tag with no closing tag after it is plain text too, and `unclosed` says so: such a response was usually
 *   cut short, and a caller that wants no answer from it can look at the flag.
 * Tags are matched byte for byte. */
#ifndef TS_TEXT_THINKING_H
#define TS_TEXT_THINKING_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

struct ts_thinking {
	struct ts_str thinking; /* the blocks' insides without tags, joined by a newline when there are several */
	struct ts_str answer;   /* everything outside the blocks, in order; white space is kept */
	size_t blocks;
	bool closed;   /* the response holds at least one </think>: what the filter of step 2 asks */
	bool unclosed; /* an opening tag was never closed */
};

/* `out` starts zeroed or holds an earlier result, which is overwritten. 0, TS_ENOMEM or TS_ELIMIT; release it in any case. */
int ts_thinking_split(const char *response, size_t n, struct ts_thinking *out);
void ts_thinking_release(struct ts_thinking *);

/* Does the response hold a closing </think>? No memory needed. */
bool ts_thinking_closed(const char *response, size_t n);

/* The form that training wants (method.md, "Text of a training example"), appended to `out`: a response without <think>
 * anywhere gets "<think>\n" in front; wherever </think> is followed by exactly one "\n" it becomes two. None, two, three
 * or more newlines and "\r\n" stay. Repairing twice changes nothing more. */
int ts_thinking_repair(const char *response, size_t n, struct ts_str *out);

#endif
