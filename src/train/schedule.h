/* The learning rate of each optimiser step, counted from 0 as transformers counts: with warm-up the first step has rate 0 (it still
 * feeds Adam's moments), and the last step of a cosine or linear schedule is not 0.
 *
 *     s < w:     peak * s / w
 *     cosine:    peak * (1 + cos(pi (s - w) / (n - w))) / 2
 *     linear:    peak * (n - s) / (n - w)
 *     constant:  peak                            (n steps, w of them warm-up)
 *
 * The same bits everywhere: sin and cos are ours. */
#ifndef TS_TRAIN_SCHEDULE_H
#define TS_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

enum ts_schedule_kind { TS_SCHEDULE_COSINE, TS_SCHEDULE_LINEAR, TS_SCHEDULE_CONSTANT };

struct ts_schedule {
	enum ts_schedule_kind kind;
	double peak;
	size_t steps, warmup; /* all steps, and how many of them are warm-up */
};

/* ceil(share * steps) in double, as transformers rounds. 0 <= share <= 1. */
size_t ts_schedule_warmup(double share, size_t steps);
/* The rate of step 0, 1, ... */
double ts_schedule_lr(const struct ts_schedule *, size_t step);
/* Whether some step has a rate above 0. */
bool ts_schedule_learns(const struct ts_schedule *);

/* "cosine", "linear", "constant"; TS_ENOTFOUND (negative) for another word. */
int ts_schedule_parse(const char *word, enum ts_schedule_kind *);
const char *ts_schedule_name(enum ts_schedule_kind);

#endif
