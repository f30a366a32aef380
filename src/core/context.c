#include "core/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void ts_log(const struct ts_context *c, enum ts_log_level level, const char *format, ...)
{
	if (!c || !c->log)
		return;
	char line[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	c->log(c->user, level, line);
}

void ts_progress(const struct ts_context *c, const char *stage, uint64_t done, uint64_t total, const char *unit, const char *note)
{
	if (c && c->progress)
		c->progress(c->user, stage, done, total, unit, note);
}

bool ts_should_stop(const struct ts_context *c)
{
	return c && c->stop && *c->stop;
}

double ts_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
