/* What a caller hands to long work: where messages go, where progress goes, when to stop. No globals.
 * All callbacks may be NULL. They are called from the thread that called the library. */
#ifndef TS_CORE_CONTEXT_H
#define TS_CORE_CONTEXT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ts_log_level { TS_LOG_INFO, TS_LOG_WARN };

struct ts_context {
	void *user;
	void (*log)(void *user, enum ts_log_level level, const char *message); /* one line without newline */
	/* `done` of `total` `unit`s of `stage`; `note` (may be NULL) is a short text such as "loss 1.23".
	 * done == total closes the stage's bar. */
	void (*progress)(void *user, const char *stage, uint64_t done, uint64_t total, const char *unit, const char *note);
	/* Becomes non-zero when the user asks to stop: finish the step, save, return TS_ESTOPPED. May be NULL. */
	const volatile sig_atomic_t *stop;
};

void ts_log(const struct ts_context *, enum ts_log_level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void ts_progress(const struct ts_context *, const char *stage, uint64_t done, uint64_t total, const char *unit, const char *note);
bool ts_should_stop(const struct ts_context *);

/* Seconds on a clock that only moves forward. For rates and the 100 ms group commit, never for a result. */
double ts_clock(void);

#endif
