/* The local responder: continuous batching over a paged KV cache.
 *
 * Up to `batch` sequences are decoded together; a finished sequence's place is taken at once. Prompts are computed in chunks, in the same
 * forward passes as the tokens that are being decoded. When the KV pool runs short, the youngest sequence gives its pages back and is computed
 * again later: a row's numbers do not depend on its neighbours, so batch, chunk, pool and order change no answer, only speed.
 *
 * What texts have in common at their beginning (a system text, steering, a guard's policy, several samples of one prompt, the turns of a
 * conversation so far) is computed once and read by all of them, also by those that come later, as long as the pool has no better use for
 * it (generate/pages.h). The same numbers are read instead of computed: it changes no answer either. */
#ifndef TS_GENERATE_ENGINE_H
#define TS_GENERATE_ENGINE_H

#include "generate/responder.h"
#include "model/adapter.h"

struct ts_engine_options {
	size_t batch;         /* most sequences at once */
	size_t prefill_chunk; /* most prompt tokens computed in one step */
	size_t kv_pages;      /* pages of 64 positions; 0 = enough for every place at max_length */
	size_t max_length;    /* longest prompt + response that will be asked for; 0 = the model's context */
	enum ts_dtype kv_dtype;
	bool share_prefixes;     /* on by default; off = every sequence computes all of its tokens, for tests and benches */
	const int32_t *stop_ids; /* [stop_count] end-of-turn tokens: the union of config, generation_config, tokenizer */
	size_t stop_count;
};

void ts_engine_options_default(struct ts_engine_options *);

/* What an engine did since it was made. */
struct ts_engine_stats {
	uint64_t steps;         /* forward passes */
	uint64_t prompt_tokens; /* of the requests that it took */
	uint64_t computed;      /* rows of all steps */
	uint64_t shared;        /* positions that a sequence found in the pool instead: prompts', and its own after it was put back */
	uint64_t asked;         /* rows that gave a token, or what a probe asked for */
	uint64_t put_back;      /* times that a sequence had to give its pages back */
	double keys;            /* positions looked at, over all rows */
};

/* `model` and `adapter` (may be NULL) must outlive the engine. */
int ts_engine_new(struct ts_responder **out, const struct ts_model *, const struct ts_adapter *, const struct ts_engine_options *,
		  struct ts_error *err);

/* `engine` is one that ts_engine_new made. */
struct ts_engine_stats ts_engine_stats(const struct ts_responder *engine);

/* End-of-turn tokens of a model together with the tokenizer's (eos, -1 = none): fills stop_ids[room], returns how many. */
size_t ts_engine_stop_ids(const struct ts_model_config *, int32_t tokenizer_eos, int32_t *stop_ids, size_t room);

#endif
