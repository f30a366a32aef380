/* An engine made ready for a checkpoint: what every user of the local responder has to get right, in one place.
 *
 * - The tokenizer must not know more tokens than the model's embedding.
 * - The KV cache is bounded: `memory` bytes, or TS_KV_BYTES where nothing is said, but always room for one longest sequence unless
 *   `memory` itself is too small for that, which the engine refuses when such a request comes.
 * - End-of-turn tokens are the union of config.json, generation_config.json and the tokenizer. They are said once through `announce`,
 *   with what generation_config.json asks for and does not get (contracts.md section 7). */
#ifndef TS_GENERATE_LOCAL_H
#define TS_GENERATE_LOCAL_H

#include "generate/engine.h"
#include "text/chat.h"

#define TS_KV_BYTES ((size_t)2 << 30)

struct ts_local {
	const struct ts_model *model;
	const struct ts_adapter *adapter; /* may be NULL */
	const struct ts_chat *chat;       /* may be NULL: raw ids */
	size_t batch, chunk;
	size_t memory;     /* bytes; 0 = TS_KV_BYTES */
	size_t max_length; /* longest prompt + response; 0 = the model's context */
	enum ts_dtype kv_dtype;
	bool reuse; /* engine.h */
};

/* All that is pointed to must outlive the responder. `announce` may be NULL: nothing is said. */
int ts_local_open(struct ts_responder **out, const struct ts_local *, const struct ts_context *announce, struct ts_error *err);

/* TS_EMISMATCH when the tokenizer knows tokens that the embedding lacks. */
int ts_local_check_vocabulary(const struct ts_model *, const struct ts_chat *, struct ts_error *err);

/* Tokenizer and template of a checkpoint: ts_chat_open for a folder, the metadata for a GGUF file. */
int ts_local_open_chat(struct ts_chat **out, const char *checkpoint, struct ts_error *err);
/* The same with another pre-tokenizer than the GGUF file says (NULL: its own). TS_EINVAL for a folder, which needs none. */
int ts_local_open_chat_as(struct ts_chat **out, const char *checkpoint, const char *pre, struct ts_error *err);

#endif
