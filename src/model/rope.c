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

/* NTK-aware scaling: a larger theta, in f32 like all that follows from it. */
void ts_rope_stretched(const struct ts_model_config *g, size_t length, float *inv_freq)
{
	float factor = (float)g->rope_factor, original = (float)g->rope_original_positions, dim = (float)g->head_dim;
	float grown = factor * (float)length / original - (float)(g->rope_factor - 1);
	float theta = (float)g->rope_theta * (float)ts_pow((double)grown, (double)(float)(g->head_dim / (g->head_dim - 2.0)));
	for (int i = 0; i < g->head_dim / 2; i++)
		inv_freq[i] = 1.0f / (float)ts_pow((double)theta, (double)((float)(2 * i) / dim));
}

/* The length at which transformers, with a cache and one text, computed the row: the whole prompt's for its rows, its own position's for a
 * token that came later. */
static size_t length_of(const struct ts_model_config *g, size_t position, size_t prompt)
{
	size_t length = position + 1 > prompt ? position + 1 : prompt, original = (size_t)g->rope_original_positions;
	return length > original ? length : original;
}

void ts_rope_rows(const struct ts_model *m, float *cosines, float *sines, const uint32_t *positions, size_t rows,
		  const struct ts_segment *segments, size_t segment_count, const size_t *lengths)
{
	const struct ts_model_config *g = &m->config;
	size_t half = (size_t)g->head_dim / 2;
	float stretched[256 / 2]; /* heads have at most 256 features */
	if (g->rope_type != TS_ROPE_DYNAMIC) {
		m->backend->ops->rope_table(m->backend, cosines, sines, positions, m->inv_freq, rows, half, m->rope_scale);
		return;
	}
	for (size_t s = 0; s < segment_count; s++) {
		size_t end = segments[s].row + segments[s].rows, prompt = lengths ? lengths[s] : 0, next;
		for (size_t row = segments[s].row; row < end; row = next) {
			size_t length = length_of(g, positions[row], prompt);
			for (next = row + 1; next < end && length_of(g, positions[next], prompt) == length;)
				next++;
			bool beyond = length > (size_t)g->rope_original_positions;
			if (beyond)
				ts_rope_stretched(g, length, stretched);
			m->backend->ops->rope_table(m->backend, cosines + row * half, sines + row * half, positions + row,
						    beyond ? stretched : m->inv_freq, next - row, half, m->rope_scale);
		}
	}
}
