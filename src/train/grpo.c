#include "train/grpo.h"

#include "tensor/math.h"

#include <math.h>
#include <stdbool.h>

void ts_grpo_advantages(const double *rewards, size_t n, double *advantages)
{
	double mean = 0, squares = 0;
	for (size_t i = 0; i < n; i++)
		mean += rewards[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (rewards[i] - mean) * (rewards[i] - mean);
	double deviation = sqrt(squares / (double)(n - 1));
	for (size_t i = 0; i < n; i++)
		advantages[i] = (rewards[i] - mean) / (deviation + 1e-4);
}

struct ts_grpo_sequence ts_grpo_sequence(const struct ts_grpo *o, double advantage, const float *now, const float *old,
					 const float *reference, size_t n, float *slopes)
{
	struct ts_grpo_sequence s = {0};
	for (size_t i = 0; i < n; i++) {
		double ratio = ts_exp((double)now[i] - (double)old[i]), gap = (double)reference[i] - (double)now[i], e = ts_exp(gap);
		double cut = fmin(fmax(ratio, 1 - o->clip), 1 + o->clip);
		bool clipped = cut * advantage < ratio * advantage; /* the cut one is the smaller: no slope through it */
		double kl = e - gap - 1;
		s.loss += (o->beta * kl - (clipped ? cut : ratio) * advantage) / (double)n;
		s.kl += kl / (double)n;
		s.clipped += clipped;
		slopes[i] = (float)(((clipped ? 0 : ratio * advantage) - o->beta * (1 - e)) / (double)n);
	}
	return s;
}
