/* The local responder: continuous batching over a paged KV cache.
 *
 * Up to `batch` sequences are decoded together; a finished sequence's place is taken at once. Prompts are computed in chunks.
 * When the KV pool runs short, the youngest sequence gives its pages back and is computed again later: a row's numbers do not depend
 * on its neighbours, so batch, chunk, pool and order change no answer, only speed.
 *
 * With `reuse` a place keeps its keys and values when its sequence ends, and computes of the next prompt only what differs: for a
 * conversation, whose every turn begins with the turns before it. The same numbers are read instead of computed: it changes no answer. */
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
	bool reuse;              /* off by default; the first free place takes a request, so it is of use at batch 1 */
	const int32_t *stop_ids; /* [stop_count] end-of-turn tokens: the union of config, generation_config, tokenizer */
	size_t stop_count;
};

void ts_engine_options_default(struct ts_engine_options *);

/* `model` and `adapter` (may be NULL) must outlive the engine. */
int ts_engine_new(struct ts_responder **out, const struct ts_model *, const struct ts_adapter *, const struct ts_engine_options *,
		  struct ts_error *err);

/* End-of-turn tokens of a model together with the tokenizer's (eos, -1 = none): fills stop_ids[room], returns how many. */
size_t ts_engine_stop_ids(const struct ts_model_config *, int32_t tokenizer_eos, int32_t *stop_ids, size_t room);

#endif
