/* Inverse frequencies: as transformers 5.24 prints them (ROPE_INIT_FUNCTIONS, torch 2.15, heads of 16), and against the formulas in
 * double for other sizes. */
#include "model/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define LLAMA_YARN .rope_type = TS_ROPE_YARN, .rope_theta = 1e4, .rope_factor = 4, .rope_original_positions = 64, .rope_truncate = true

static const struct {
	struct ts_model_config config;
	float want[8], scale;
} printed[] = {
	{{.head_dim = 16, .rope_type = TS_ROPE_LINEAR, .rope_theta = 1e4, .rope_factor = 4},
	 {0.25f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
	 1},
	{{.head_dim = 16, .rope_type = TS_ROPE_DYNAMIC, .rope_theta = 1e4, .rope_factor = 4},
	 {1, 0.316227764f, 0.100000001f, 0.0316227786f, 0.00999999978f, 0.00316227786f, 0.00100000005f, 0.000316227786f},
	 1},
	/* Llama 3.1's settings */
	{{.head_dim = 16,
	  .rope_type = TS_ROPE_LLAMA3,
	  .rope_theta = 5e5,
	  .rope_factor = 8,
	  .rope_low_freq = 1,
	  .rope_high_freq = 4,
	  .rope_original_positions = 8192},
	 {1, 0.193922758f, 0.0376060307f, 0.00729266508f, 0.000524846022f, 3.42810235e-05f, 6.64786967e-06f, 1.28917316e-06f},
	 1},
	{{.head_dim = 16, LLAMA_YARN, .rope_beta_fast = 32, .rope_beta_slow = 1, .rope_attention_factor = 1.138629436111989},
	 {1, 0.237170815f, 0.049999997f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
	 1.138629436111989f},
	{{.head_dim = 16,
	  .rope_type = TS_ROPE_YARN,
	  .rope_theta = 1e4,
	  .rope_factor = 4,
	  .rope_original_positions = 64,
	  .rope_beta_fast = 16,
	  .rope_beta_slow = 2,
	  .rope_attention_factor = 0.8},
	 {1, 0.14849025f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
	 0.8f},
	/* Qwen's advice for long texts */
	{{.head_dim = 16,
	  .rope_type = TS_ROPE_YARN,
	  .rope_theta = 1e6,
	  .rope_factor = 4,
	  .rope_original_positions = 32768,
	  .rope_beta_fast = 32,
	  .rope_beta_slow = 1,
	  .rope_attention_factor = 1.138629436111989,
	  .rope_truncate = true},
	 {1, 0.177827939f, 0.0316227786f, 0.00421755994f, 0.000500000024f, 4.44569851e-05f, 7.90569356e-06f, 1.40585337e-06f},
	 1.138629436111989f},
	/* an original length so short that both ends of the ramp are 0 */
	{{.head_dim = 16,
	  .rope_type = TS_ROPE_YARN,
	  .rope_theta = 1e4,
	  .rope_factor = 40,
	  .rope_original_positions = 4,
	  .rope_beta_fast = 32,
	  .rope_beta_slow = 1,
	  .rope_attention_factor = 1.3688879454113936,
	  .rope_truncate = true},
	 {1, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f, 2.49999994e-05f, 7.90569447e-06f},
	 1.3688879454113936f},
};

static void printed_by_the_reference(void **state)
{
	for (size_t i = 0; i < sizeof(printed) / sizeof(*printed); i++) {
		float found[8];
		float scale = ts_rope_frequencies(&printed[i].config, found);
		assert_true(scale == printed[i].scale);
		for (int k = 0; k < 8; k++) /* the library's powers may be one bit off */
			if (fabsf(found[k] - printed[i].want[k]) > 1.3e-7f * printed[i].want[k])
				fail_msg("case %zu, pair %d: %.9g, expected %.9g", i, k, (double)found[k], (double)printed[i].want[k]);
	}
}

/* _compute_dynamic_ntk_parameters(config, seq_len=torch.tensor(length)). */
static const struct {
	double factor, theta, original;
	size_t length;
	float want[8];
} grown[] = {
	{4, 1e4, 64, 100, {1, 0.267223001f, 0.0714081228f, 0.0190818924f, 0.00509912008f, 0.00136260199f, 0.000364118576f, 9.730085e-05f}},
	{2,
	 5e5,
	 2048,
	 2049,
	 {1, 0.193895698f, 0.037595544f, 0.00728961499f, 0.00141342496f, 0.000274057034f, 5.31384794e-05f, 1.03033235e-05f}},
	{8,
	 1e6,
	 4096,
	 32768,
	 {1, 0.099806942f, 0.00996142533f, 0.000994219328f, 9.92299902e-05f, 9.9038416e-06f, 9.88472038e-07f, 9.8656372e-08f}},
	{2.5,
	 1e4,
	 100,
	 171,
	 {1, 0.273323327f, 0.0747056454f, 0.0204187967f, 0.00558093376f, 0.00152539951f, 0.000416927243f, 0.000113955954f}},
};

static void dynamic(void **state)
{
	for (size_t i = 0; i < sizeof(grown) / sizeof(*grown); i++) {
		struct ts_model_config g = {.head_dim = 16,
					    .rope_type = TS_ROPE_DYNAMIC,
					    .rope_theta = grown[i].theta,
					    .rope_factor = grown[i].factor,
					    .rope_original_positions = grown[i].original};
		float found[8];
		ts_rope_stretched(&g, grown[i].length, found);
		for (int k = 0; k < 8; k++)
			if (fabsf(found[k] - grown[i].want[k]) > 3e-7f * grown[i].want[k])
				fail_msg("case %zu, pair %d: %.9g, expected %.9g", i, k, (double)found[k], (double)grown[i].want[k]);
	}
}

/* The formulas of the papers, in double. */
static double formula(const struct ts_model_config *g, int pair)
{
	double f = pow(g->rope_theta, -2.0 * pair / g->head_dim), turns = g->rope_original_positions * f / (2 * acos(-1)), low, high, kept;
	switch (g->rope_type) {
	case TS_ROPE_LINEAR:
		return f / g->rope_factor;
	case TS_ROPE_LLAMA3:
		kept = (turns - g->rope_low_freq) / (g->rope_high_freq - g->rope_low_freq);
		break;
	case TS_ROPE_YARN:
		/* the pair at which a wave turns beta times: original theta^(-2 d / dim) = 2 pi beta */
		low = g->head_dim / 2.0 * log(g->rope_original_positions / (2 * acos(-1) * g->rope_beta_fast)) / log(g->rope_theta);
		high = g->head_dim / 2.0 * log(g->rope_original_positions / (2 * acos(-1) * g->rope_beta_slow)) / log(g->rope_theta);
		low = fmax(g->rope_truncate ? floor(low) : low, 0);
		high = fmin(g->rope_truncate ? ceil(high) : high, g->head_dim - 1);
		kept = 1 - (pair - low) / (high - low);
		break;
	default:
		return f;
	}
	kept = fmin(fmax(kept, 0), 1);
	return kept * f + (1 - kept) * f / g->rope_factor;
}

static void formulas(void **state)
{
	static const int dims[] = {12, 64, 128, 256};
	static const double thetas[] = {1e4, 5e5, 1e6, 1e7}, originals[] = {2048, 8192, 32768};
	static const struct ts_model_config kinds[] = {
		{.rope_type = TS_ROPE_DEFAULT},
		{.rope_type = TS_ROPE_LINEAR, .rope_factor = 2.5},
		{.rope_type = TS_ROPE_DYNAMIC, .rope_factor = 8},
		{.rope_type = TS_ROPE_LLAMA3, .rope_factor = 32, .rope_low_freq = 1, .rope_high_freq = 4},
		{.rope_type = TS_ROPE_YARN, .rope_factor = 4, .rope_beta_fast = 32, .rope_beta_slow = 1, .rope_truncate = true},
		{.rope_type = TS_ROPE_YARN, .rope_factor = 16, .rope_beta_fast = 64, .rope_beta_slow = 0.5},
	};
	float found[128];
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		for (size_t d = 0; d < 4; d++)
			for (size_t t = 0; t < 4; t++)
				for (size_t o = 0; o < 3; o++) {
					struct ts_model_config g = kinds[k];
					g.head_dim = dims[d];
					g.rope_theta = thetas[t];
					g.rope_original_positions = originals[o];
					ts_rope_frequencies(&g, found);
					for (int i = 0; i < g.head_dim / 2; i++) {
						double want = formula(&g, i);
						if (!(fabs((double)found[i] - want) < 3e-6 * want))
							fail_msg("kind %zu, head_dim %d, theta %g, original %g, pair %d: %.9g, expected "
								 "%.9g",
								 k, g.head_dim, g.rope_theta, g.rope_original_positions, i,
								 (double)found[i], want);
					}
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printed_by_the_reference),
		cmocka_unit_test(dynamic),
		cmocka_unit_test(formulas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
