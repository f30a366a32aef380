/* Inverse frequencies of the rotary positions. */
#include "model/internal.h"
#include "tensor/math.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

/* Llama 3.1: long waves are stretched, short ones kept, those between blended. */
static float stretch(const struct ts_model_config *g, float f)
{
	float old = (float)g->rope_original_positions, factor = (float)g->rope_factor;
	float low = (float)g->rope_low_freq, high = (float)g->rope_high_freq;
	float wavelength = (float)two_pi / f;
	if (wavelength > old / low)
		return f / factor;
	if (wavelength < old / high)
		return f;
	float smooth = (old / wavelength - low) / (high - low);
	return (1.0f - smooth) * f / factor + smooth * f;
}

/* YaRN (Peng et al. 2023, arXiv 2309.00071): the pair of features that turns this often over the original length. */
static double turning(const struct ts_model_config *g, double turns)
{
	return g->head_dim * ts_ln(g->rope_original_positions / (turns * two_pi)) / (2 * ts_ln(g->rope_theta));
}

/* Pairs below `low` are kept, those above `high` stretched, those between blended along a ramp. */
static void yarn_range(const struct ts_model_config *g, double *low, double *high)
{
	*low = turning(g, g->rope_beta_fast);
	*high = turning(g, g->rope_beta_slow);
	if (g->rope_truncate) {
		*low = floor(*low);
		*high = ceil(*high);
	}
	*low = *low > 0 ? *low : 0;
	*high = *high < g->head_dim - 1 ? *high : g->head_dim - 1;
	if (*low == *high)
		*high += 0.001;
}

static float yarn(const struct ts_model_config *g, int i, float wave, double low, double high)
{
	float ramp = ((float)i - (float)low) / (float)(high - low);
	ramp = ramp < 0.0f ? 0.0f : ramp > 1.0f ? 1.0f : ramp;
	float kept = 1.0f - ramp;
	return 1.0f / ((float)g->rope_factor * wave) * (1.0f - kept) + 1.0f / wave * kept;
}

float ts_rope_frequencies(const struct ts_model_config *g, float *inv_freq)
{
	double low = 0, high = 0;
	if (g->rope_type == TS_ROPE_YARN)
		yarn_range(g, &low, &high);
	for (int i = 0; i < g->head_dim / 2; i++) {
		float exponent = (float)(2 * i) / (float)g->head_dim;
		float wave = (float)ts_pow(g->rope_theta, exponent), f = 1.0f / wave;
		if (g->rope_type == TS_ROPE_LINEAR)
			f = f / (float)g->rope_factor;
		if (g->rope_type == TS_ROPE_LLAMA3)
			f = stretch(g, f);
		if (g->rope_type == TS_ROPE_YARN)
			f = yarn(g, i, wave, low, high);
		inv_freq[i] = f;
	}
	return g->rope_type == TS_ROPE_YARN ? (float)g->rope_attention_factor : 1.0f;
}
