/* The loss of group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300), on numbers alone: log-probabilities in, loss and its
 * derivatives out. A token's loss is
 *     -min(rho A, clip(rho, 1 - clip, 1 + clip) A) + beta (e^d - d - 1),   rho = p / p_old,   d = log p_ref - log p,
 * a sequence's the mean over its tokens, a step's the mean over its sequences. All sums are in double, in the order of the tokens. */
#ifndef TS_TRAIN_GRPO_H
#define TS_TRAIN_GRPO_H

#include <stddef.h>

struct ts_grpo {
	double clip, beta; /* 0.2, 0.04 */
};

struct ts_grpo_sequence {
	double loss, kl; /* means over the tokens; kl without beta */
	size_t clipped;  /* tokens whose ratio was cut */
};

/* A = (reward - mean) / (standard deviation + 1e-4) within a group of answers to one prompt, n - 1 in the deviation; n >= 2. */
void ts_grpo_advantages(const double *rewards, size_t n, double *advantages);

/* One sequence of n >= 1 tokens: now, old and reference are log-probabilities of its tokens by the policy, by the policy that sampled it, and
 * by the base model. slopes[n] = d loss / d(-log p) of each token: weights for ts_pass_backward_rows, after division by the sequences. */
struct ts_grpo_sequence ts_grpo_sequence(const struct ts_grpo *, double advantage, const float *now, const float *old,
					 const float *reference, size_t n, float *slopes);

#endif
