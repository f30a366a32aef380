/* A pattern of a tokenizer file: a fixed string, or a regular expression as the reference's engine (Oniguruma, Ruby syntax, UTF-8)
 * reads it. The expressions that most models share run on a hand-written matcher, the others on PCRE2.
 * A pattern is immutable after compiling and may be shared by threads; a ts_pattern_run is one thread's scratch for it. */
#ifndef TS_TEXT_TOKENIZER_PRETOKENIZE_PATTERN_H
#define TS_TEXT_TOKENIZER_PRETOKENIZE_PATTERN_H

#include "core/json.h"
#include "core/status.h"
#include "core/str.h"
#include "text/unicode.h"

struct ts_pattern;
struct ts_pattern_run;

/* A regular expression. What PCRE2 cannot be made to read as the reference does is TS_EUNSUPPORTED. `fast` off: always PCRE2. */
int ts_pattern_regex(struct ts_pattern **out, const char *regex, bool fast, const char *place, struct ts_error *err);
int ts_pattern_string(struct ts_pattern **out, const char *s, size_t n, const char *place, struct ts_error *err);
/* Single characters of one class. */
int ts_pattern_class(struct ts_pattern **out, enum ts_unicode_class class, struct ts_error *err);
/* {"Regex": …} or {"String": …}. */
int ts_pattern_parse(struct ts_pattern **out, const json_t *, const char *place, struct ts_error *err);
void ts_pattern_free(struct ts_pattern *);

/* How many times as long a text can get at most when `len` bytes stand for every match. */
size_t ts_pattern_growth(const struct ts_pattern *, size_t len);

/* Steps that make text longer multiply each other, and a text passes through all of them. *growth (1 before the first) takes in one more;
 * TS_ELIMIT when a text could get more than TS_GROWTH_MOST times as long. */
#define TS_GROWTH_MOST ((size_t)1024)
int ts_growth_add(size_t *growth, size_t factor, const char *place, struct ts_error *err);
/* Steps of one kind that a file may ask for: they call each other. */
#define TS_STEPS_MOST ((size_t)64)
int ts_steps_check(size_t count, const char *what, const char *place, struct ts_error *err);

/* A matcher that covers every text without gaps: returns the end of the piece that starts at s[0); NULL for other patterns. */
typedef size_t (*ts_pattern_cover)(const char *s, size_t n);
ts_pattern_cover ts_pattern_covers(const struct ts_pattern *);

int ts_pattern_run_new(struct ts_pattern_run **out, const struct ts_pattern *, struct ts_error *err);
void ts_pattern_run_free(struct ts_pattern_run *);

/* Walks s[0..n) as alternating gaps and matches; together they cover it. Zero-initialise, then set run, s, n. */
struct ts_pattern_walk {
	struct ts_pattern_run *run;
	const char *s;
	size_t n;
	size_t from, given, start, end; /* where to search; what was handed out; a match found but not handed out yet */
	bool matched, waiting, done;
};
/* 1 = the next part is s[*start..*end), a match or a gap; 0 = no more; negative = failed. */
int ts_pattern_walk_next(struct ts_pattern_walk *, size_t *start, size_t *end, bool *is_match, struct ts_error *err);

#endif
