/* A regular expression of a configuration file, as Python's re.fullmatch reads it, for short ASCII texts (names of modules).
 * What PCRE2 reads otherwise than Python, or not at all, is TS_EUNSUPPORTED. Matching is bounded. One thread uses one. */
#ifndef TS_TEXT_REGEX_H
#define TS_TEXT_REGEX_H

#include "core/status.h"

#include <stdbool.h>

struct ts_regex;

/* `place` starts error messages: the file and the key. */
int ts_regex_new(struct ts_regex **out, const char *pattern, const char *place, struct ts_error *err);
void ts_regex_free(struct ts_regex *);
/* Whether the pattern matches the whole text. TS_ELIMIT when that takes too long. */
int ts_regex_matches(const struct ts_regex *, const char *text, bool *yes, struct ts_error *err);

#endif
