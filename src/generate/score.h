/* Scoring: the log-probability of every token of a text after the first, given what came before. */
#ifndef TS_GENERATE_SCORE_H
#define TS_GENERATE_SCORE_H

#include "model/adapter.h"

struct ts_scorer;

/* chunk = tokens computed at once (changes no result). kv_dtype as in the engine. */
int ts_scorer_new(struct ts_scorer **out, const struct ts_model *, const struct ts_adapter *, size_t max_length, size_t chunk,
		  enum ts_dtype kv_dtype, struct ts_error *err);
void ts_scorer_free(struct ts_scorer *);
/* What ts_scorer_new will allocate, in bytes. */
size_t ts_scorer_bytes(const struct ts_model *, const struct ts_adapter *, size_t max_length, size_t chunk, enum ts_dtype kv_dtype);

/* logprobs[n - 1]: log p(ids[t+1] | ids[0..t]). logits (may be NULL) [n, vocab_size]. TS_ENUMERIC when a result is not finite. */
int ts_score(struct ts_scorer *, const int32_t *ids, size_t n, float *logprobs, float *logits, struct ts_error *err);

#endif
