/* Refusal phrases: the stand-in for a refusal judge where no guard model is at hand (contracts.md section 3).
 *
 * A response refuses when its ANSWER (text/thinking.h) holds one of the phrases anywhere. Before looking, both sides are
 * folded: lower-cased (Unicode; bytes that are not UTF-8 leave it at ASCII), the typographic apostrophes U+2018, U+2019 and
 * U+02BC made ', runs of white space (space, tab, newline, carriage return) made one space.
 *
 * A phrase is words, not understanding: "I cannot help with that, but here is how" is a refusal to it, and a refusal in other
 * words is not. Whatever shows its verdicts says TS_KEYWORDS_LABEL. Knows nothing of safe and unsafe.
 *
 *     struct ts_keywords *k;
 *     TS_TRY(ts_keywords_open(NULL, &k, err));
 *     bool refusal;
 *     TS_TRY(ts_keywords_is_refusal(k, text, n, &refusal));
 *     ts_keywords_close(k);
 *
 * After opening it is only read: several threads may ask at once. */
#ifndef TS_GUARD_KEYWORDS_H
#define TS_GUARD_KEYWORDS_H

#include "guard/guard.h"

#include <stdbool.h>

#define TS_KEYWORDS_LABEL "keyword stand-in"

struct ts_keywords;

/* `path`: one phrase a line, blank lines and lines that start with # skipped, ends trimmed; NULL = the built-in English
 * list. A file without any phrase is refused (TS_EFORMAT), since it would call every response compliant. */
int ts_keywords_open(const char *path, struct ts_keywords **out, struct ts_error *err);
void ts_keywords_close(struct ts_keywords *);

size_t ts_keywords_count(const struct ts_keywords *);
/* The i-th phrase in folded form. */
const char *ts_keywords_phrase(const struct ts_keywords *, size_t i);

/* 0, TS_ENOMEM or TS_ELIMIT. An empty answer is no refusal. */
int ts_keywords_is_refusal(const struct ts_keywords *, const char *response, size_t n, bool *out);

/* The phrases as a guard: TS_REFUSAL or TS_COMPLIANCE, without a probability. They must outlive it. */
int ts_keywords_guard_new(struct ts_guard **out, const struct ts_keywords *, struct ts_error *err);

#endif
