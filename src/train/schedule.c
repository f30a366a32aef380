#include "train/schedule.h"

#include "core/status.h"
#include "tensor/math.h"

#include <string.h>

static const char *const names[] = {"cosine", "linear", "constant"};

size_t ts_schedule_warmup(double share, size_t steps)
{
	double exact = share * (double)steps;
	size_t whole = (size_t)exact;
	return (double)whole < exact ? whole + 1 : whole;
}

double ts_schedule_lr(const struct ts_schedule *s, size_t step)
{
	if (step < s->warmup)
		return s->peak * ((double)step / (double)s->warmup);
	if (s->kind == TS_SCHEDULE_CONSTANT)
		return s->peak;
	if (step >= s->steps)
		return 0;
	double after = (double)(s->steps - s->warmup);
	if (s->kind == TS_SCHEDULE_LINEAR)
		return s->peak * ((double)(s->steps - step) / after);
	double sine, cosine;
	ts_sincos(3.141592653589793 * ((double)(step - s->warmup) / after), &sine, &cosine);
	return s->peak * (0.5 * (1.0 + cosine));
}

bool ts_schedule_learns(const struct ts_schedule *s)
{
	for (size_t i = 0; i < s->steps; i++)
		if (ts_schedule_lr(s, i) > 0)
			return true;
	return false;
}

int ts_schedule_parse(const char *word, enum ts_schedule_kind *kind)
{
	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (!strcmp(word, names[i])) {
			*kind = i;
			return 0;
		}
	return TS_ENOTFOUND;
}

const char *ts_schedule_name(enum ts_schedule_kind kind)
{
	return names[kind];
}
