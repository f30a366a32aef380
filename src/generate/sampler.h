/* From logits to a token: temperature, then top-k, then top-p, then one uniform (docs/contracts.md section 2).
 *
 * - temperature divides the logits (0 = the largest logit, ties to the lowest id, no randomness);
 * - top-k removes what is smaller than the k-th largest, so ties with it stay (0 = off);
 * - top-p works on what is left, renormalised: in descending probability, a token stays while the sum before it is
 *   below p; the token that crosses p stays, at least one stays (1 = off);
 * - the token is the inverse of the cumulative distribution over the kept tokens in descending probability, ties by id.
 * Probabilities are computed in double with our own exp: the same choice on every machine. What top-p is renormalised by is summed over
 * top-k's tokens ascending, without top-k over all tokens by id in the 16 lanes of every other sum. */
#ifndef TS_GENERATE_SAMPLER_H
#define TS_GENERATE_SAMPLER_H

#include "tensor/backend.h"

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

/* What one thread needs for choosing. */
struct ts_sampler;
int ts_sampler_new(struct ts_sampler **out, const struct ts_backend *, size_t vocab);
void ts_sampler_free(struct ts_sampler *);
size_t ts_sampler_bytes(size_t vocab);

/* kept[*count]: the kept tokens in descending probability, p summing to 1; they are the sampler's until the next call.
 * TS_ENUMERIC when a logit is NaN or +Inf, or when none is finite. */
int ts_sampler_distribution(struct ts_sampler *, const float *logits, const struct ts_sampling *, const struct ts_candidate **kept,
			    size_t *count);
/* Choose a token with uniform u in [0, 1). */
int ts_sampler_choose(struct ts_sampler *, const float *logits, const struct ts_sampling *, double u, int32_t *token);

#endif
