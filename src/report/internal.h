/* What the files of this room share: fields of metrics.json, and the pieces of report.html. */
#ifndef TS_REPORT_INTERNAL_H
#define TS_REPORT_INTERNAL_H

#include "core/json.h"
#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"
#include "report/layout.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* The block `key` of metrics.json, or NULL where it is missing; another type fails. `place` starts the message. */
int report_block(const json_t *object, const char *key, json_type type, const char *place, const json_t **out, struct ts_error *err);

/* contracts.md section 3: whatever shows verdicts of the keywords says so. */
#define REPORT_STAND_IN "keyword stand-in"
/* Whether the block's `measure` says that phrases did it. */
int report_by_phrases(const json_t *object, const char *place, bool *yes, struct ts_error *err);

/* Whether the run's method steers harmful prompts. Method `rejection` does not: what alpha calls "steered" is then its plain first tries. */
bool report_steers(const json_t *metrics);

/* compare.c: the three shares of a headline: its key there, the kind of set that it is of, and what a table and a
 * page call it. */
struct report_kind {
	const char *key, *kind, *title, *heading;
};
#define REPORT_KINDS 3
extern const struct report_kind report_kinds[REPORT_KINDS];

/* numbers.c: a fraction as a percentage without the sign ("-" for what is no number; -0.0 is 0.0), and in columns that end at `column`. */
const char *report_percent(double share, char text[32]);
int report_put_share(struct ts_layout *, size_t column, double share, const char *unit);
int report_put_interval(struct ts_layout *, size_t column, double low, double high);

/* judging.c */
/* An unsafe share with Wilson's interval; what is missing is NaN. */
struct report_part {
	double share, low, high;
	int64_t count, of, unjudged;
};
/* A side of a safety set whose thinking and answer were judged apart. */
struct report_apart {
	bool there;
	struct report_part part[3]; /* REPORT_WHOLE, ... */
	int64_t both[2][2];         /* responses of which both parts have a verdict: [thinking unsafe][answer unsafe] */
	int64_t not_closed, no_thinking, no_answer;
};
enum { REPORT_WHOLE, REPORT_THINKING, REPORT_ANSWER };
int report_read_apart(const json_t *eval, const char *side, struct report_apart *, const char *place, struct ts_error *err);
/* Appends why a part has no verdict, with counts; nothing where all have one. */
int report_apart_missing(const struct report_apart *, struct ts_str *out);
bool report_any_apart(const json_t *metrics);
int report_apart_table(struct ts_layout *, const json_t *metrics, const char *place, struct ts_error *err);
/* Appends what WildGuard's three lines say of a side; nothing where it was not asked. And both sides as lines. */
int report_wildguard(const json_t *eval, const char *side, struct ts_str *out, const char *place, struct ts_error *err);
int report_wildguard_lines(struct ts_layout *, const json_t *eval, const char *place, struct ts_error *err);
/* Harm is never shown without what it may have cost: where needless refusals were not measured, that is said. */
#define REPORT_NO_REFUSALS "Over-refusal was not measured: there is no set of kind over_refusal"
bool report_lacks_refusals(const json_t *metrics);
int report_no_refusals(struct ts_layout *, const json_t *metrics);
/* Responses without a verdict behind the headline's share `key`, before and after; and a line for each share that has some. */
int report_unjudged(const json_t *metrics, const char *key, int64_t unjudged[2], const char *place, struct ts_error *err);
int report_headline_notes(struct ts_layout *, const json_t *metrics, const char *place, struct ts_error *err);
/* cost.c: "4.2 s", "12.5 min", "3.0 h"; "-" for what is no number. */
const char *report_duration(double seconds, char text[32]);

/* passes.c: a line for each side of a set that has several samples of its prompts; nothing for others. */
int report_pass_lines(struct ts_layout *, const json_t *eval, const char *place, struct ts_error *err);

/* --- report.html --- */

struct html_lengths {
	TS_VEC(int) tokens;
};

/* Whose responses' lengths are shown. */
enum html_group { HTML_HARMFUL, HTML_HARMLESS, HTML_TRAINING, HTML_GROUPS };

struct html_set {
	char *name, *kind;
	size_t rows, shown;
};

/* A page being written. */
struct html {
	struct ts_str *out;
	struct ts_error *err;
	const char *place; /* of metrics.json, for messages */
	const json_t *metrics, *timing;
	struct ts_store *store;
	/* of html_samples.c: before and after; of the training set benign and harmful */
	struct html_lengths lengths[HTML_GROUPS][2];
	struct ts_str samples; /* JSON */
	TS_VEC(struct html_set) sets;
	bool full; /* no further sample goes in */
};

/* A share with its intervals; what is missing is NaN. */
struct html_share {
	double share, low, high, cluster_low, cluster_high;
	int64_t count, unjudged, truncated;
};

/* An entry of metrics.json's evals. */
struct html_eval {
	const char *name, *kind, *measure;
	int64_t n, of, pairs, duplicates, overlap; /* of: 0 = n is the whole file, or the whole split */
	int64_t samples;                           /* of each prompt */
	bool drawn;                                /* the n, by the seed */
	bool has_before, has_after, has_difference;
	struct html_share before, after;
	bool by_student; /* p is the paired t test's over pairs, not McNemar's over rows */
	double mean, low, high, p, p_holm, detectable;
};

/* What the numbers allow to be said of a change. */
enum html_change {
	HTML_NO_CLAIM,   /* nothing to compare */
	HTML_FEW,        /* too few distinct prompts for any claim */
	HTML_UNRESOLVED, /* the interval holds 0, or the test, corrected for all sets, does not agree with it */
	HTML_FELL,
	HTML_ROSE,
};

#define HTML_FEWEST_PAIRS 20
#define HTML_LEVEL        0.05

/* html.c: the page up to its name in the head line, and from the end of its content on. */
int html_open(struct html *, const char *name, size_t n);
int html_close(struct html *);

/* html_text.c: markup as it is; text escaped. */
int html_raw(struct html *, const char *markup);
int html_printf(struct html *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int html_text(struct html *, const char *text);
int html_text_bytes(struct ts_str *out, const char *text, size_t n);
/* A JSON string with its quotes, safe inside a <script> element. */
int html_json_bytes(struct ts_str *out, const char *text, size_t n);
/* "72.8%", "-" for what is no number; "12.0 to 13.5" without the sign; "+5.6", with a real minus sign. */
int html_percent(struct html *, double share);
int html_interval(struct html *, double low, double high);
int html_points(struct html *, double difference);
/* 12,345 */
int html_count(struct html *, int64_t);
int html_p(struct html *, double p);

/* html_headline.c */
int html_read_share(struct html *, const json_t *object, const char *key, bool *found, struct html_share *);
int html_read_eval(struct html *, const json_t *entry, struct html_eval *);
enum html_change html_change_of(const struct html_eval *);
/* "fell", "no detectable change", ... */
const char *html_change_words(enum html_change);
/* Whether the test sees a change on this set alone, but not when corrected for all sets of the run. */
bool html_lost_by_correction(const struct html_eval *);
/* " of 313, drawn by seed" after n; nothing where n is all. */
int html_part(struct html *, const struct html_eval *);
/* "unsafe answers", "needless refusals", "right answers". */
const char *html_subject(const struct html_eval *);
int html_headline(struct html *);

/* html_tables.c: the sections of shares and counts. */
int html_results(struct html *);
/* Its table: the head; the rows of a set, headed by the set's name or by a run's and the set's; what stands below it. */
int html_bars_head(struct html *);
int html_eval_rows(struct html *, const struct html_eval *, const char *run);
int html_bars_note(struct html *);
int html_alpha(struct html *);
int html_kept(struct html *);
/* The head of a table of such rows, and one of them: a bar, the share, Wilson's interval, "count of n". */
int html_share_head(struct html *);
int html_share_row(struct html *, const char *title, const char *style, const struct html_share *, int64_t of);

/* html_apart.c */
int html_apart(struct html *);
/* A row of the results' table for each side that WildGuard judged. */
int html_wildguard(struct html *, const json_t *eval);

/* passes.c: the same as rows of the table. */
int html_passes(struct html *, const json_t *eval);

/* html_charts.c */
/* A bar from 0 to 1 with an interval (NaN = none); `style` is a class. */
int html_bar(struct html *, double share, double low, double high, const char *style);
int html_training(struct html *);
int html_length_charts(struct html *);

/* html_scatter.c: of the `runs` of a comparison (compare.h); nothing where no run has both safety and reasoning. */
int html_scatter(struct html *, const json_t *runs);
int html_own_scatter(struct html *); /* of the run that the page is of */

/* html_cost.c */
int html_cost(struct html *);

/* html_settings.c */
int html_settings(struct html *, const struct ts_str *recipe);

/* html_samples.c: fills lengths, samples and sets from the journal. */
int html_collect(struct html *);
int html_samples(struct html *);

/* The files of page/, made into C by embed.cmake. */
struct html_asset {
	const char *data;
	size_t size;
};
extern const struct html_asset html_style, html_script, html_browser;

#endif
