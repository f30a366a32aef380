/* Regular expressions of tokenizer files, from Oniguruma's Ruby dialect to PCRE2's (with UTF, UCP, MULTILINE). */
#ifndef TS_TEXT_TOKENIZER_PRETOKENIZE_REGEX_H
#define TS_TEXT_TOKENIZER_PRETOKENIZE_REGEX_H

#include "core/status.h"
#include "core/str.h"

/* Appends the translation; a construct whose meaning we cannot carry over is TS_EUNSUPPORTED and named. */
int ts_regex_translate(const char *regex, struct ts_str *out, const char *place, struct ts_error *err);

#endif
