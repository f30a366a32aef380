/* Methods: where a training response comes from. Adding one = a row in the table of method.c (and a file of its own once it does more
 * than choose the prompt), a test, a page of docs. */
#ifndef TS_METHOD_METHOD_H
#define TS_METHOD_METHOD_H

#include "core/str.h"

#include <stdbool.h>

struct ts_method {
	const char *name, *summary;
	bool steers; /* harmful prompts get the steering text in front */
};

/* "thinksafe", "rejection"; NULL for another word. */
const struct ts_method *ts_method_find(const char *name);
/* All names, separated by ", ", for messages. */
const char *ts_method_names(void);

/* The user turn for a prompt, appended to `out`: steering with "{x}" replaced by the prompt when the method steers and the prompt is
 * harmful, else the prompt alone. A steering text without "{x}" is put in front. Text of the prompt is never expanded again. */
int ts_method_user_turn(const struct ts_method *, const char *steering, bool harmful, const char *prompt, struct ts_str *out);

#endif
