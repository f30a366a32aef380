/* From logits to a token: temperature, then top-k, then top-p, then one uniform (docs/contracts.md section 2).
 *
 * - temperature divides the logits (0 = the largest logit, ties to the lowest id, no randomness);
 * - top-k removes what is smaller than the k-th largest, so ties with it stay (0 = off);
 * - top-p works on what is left, renormalised: in descending probability, a token stays while the sum before it is
 *   below p; the token that crosses p stays, at least one stays (1 = off);
 * - the token is the inverse of the cumulative distribution over the kept tokens in descending probability, ties by id.
 * Probabilities are computed in double with our own exp: the same choice on every machine. */
#ifndef TS_GENERATE_SAMPLER_H
#define TS_GENERATE_SAMPLER_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

struct ts_sampling {
	double temperature, top_p;
	int top_k;
	size_t max_new_tokens;
};

struct ts_candidate {
	float logit; /* after temperature */
	int32_t id;
	double p; /* not normalised until kept */
};

/* candidates[vocab] is scratch; on return its first *kept entries are the kept tokens in descending probability, p summing to 1.
 * TS_ENUMERIC when a logit is NaN or +Inf, or when none is finite. */
int ts_sampler_distribution(const float *logits, size_t vocab, const struct ts_sampling *, struct ts_candidate *candidates, size_t *kept);
/* Choose a token with uniform u in [0, 1). */
int ts_sampler_choose(const float *logits, size_t vocab, const struct ts_sampling *, double u, struct ts_candidate *candidates,
		      int32_t *token);

#endif
