/* An engine made ready for a checkpoint: what every user of the local responder has to get right, in one place.
 *
 * - The tokenizer must not know more tokens than the model's embedding.
 * - Memory is bounded: by `memory` bytes for the whole process, of which the engine takes what is not in use yet; where nothing is said,
 *   by TS_KV_BYTES for the KV cache, but always room for one longest sequence.
 * - End-of-turn tokens are the union of config.json, generation_config.json and the tokenizer. They are said once through `announce`,
 *   with what generation_config.json asks for and does not get (docs/contracts.md, section 6). */
#ifndef TS_GENERATE_LOCAL_H
#define TS_GENERATE_LOCAL_H

#include "core/json.h"
#include "generate/engine.h"
#include "text/chat.h"

#define TS_KV_BYTES ((size_t)2 << 30)
/* Of a bound, what is kept for all that grows while a stage runs: the journal's cache, texts, the allocator's rounding. */
#define TS_MEMORY_GROWTH ((size_t)4 << 20)

/* How large an engine will be. */
struct ts_local_wish {
	const struct ts_backend *backend;
	const struct ts_model_config *config;
	size_t rank; /* of the adapter, 0 = none */
	size_t batch, chunk;
	size_t max_length; /* longest prompt + response; 0 = the model's context */
	enum ts_dtype kv_dtype;
	size_t room; /* bytes that it may take; SIZE_MAX = no bound */
};
struct ts_local_size {
	size_t batch, chunk, pages;     /* what fits: of batch and chunk at most what was wished for */
	size_t kv, activations, logits; /* bytes */
	size_t bytes;                   /* their sum */
	size_t least;                   /* bytes of the smallest engine that can serve one longest sequence */
};
/* One place decides this, for the plan and for the engine: chunk and batch shrink until the KV cache has room for a longest sequence and for
 * a page per place; the cache takes what is left, at most what every place could use. False when nothing fits. */
bool ts_local_fit(struct ts_local_size *, const struct ts_local_wish *);

struct ts_local {
	const struct ts_model *model;
	const struct ts_adapter *adapter; /* may be NULL */
	const struct ts_chat *chat;       /* may be NULL: raw ids */
	size_t batch, chunk;
	size_t memory;     /* bound of the whole process in bytes; 0 = none but TS_KV_BYTES for the KV cache */
	size_t used;       /* of the bound by others; 0 = what the process has in memory now, and TS_MEMORY_GROWTH */
	size_t max_length; /* longest prompt + response; 0 = the model's context */
	enum ts_dtype kv_dtype;
};

/* All that is pointed to must outlive the responder. `announce` may be NULL: nothing is said. */
int ts_local_open(struct ts_responder **out, const struct ts_local *, const struct ts_context *announce, struct ts_error *err);

/* Says how many of its prompts' tokens a responder of ts_local_open did not have to compute, if there were any. */
void ts_local_say_shared(const struct ts_responder *, const struct ts_context *);

/* TS_EMISMATCH when the tokenizer knows tokens that the embedding lacks. */
int ts_local_check_vocabulary(const struct ts_model *, const struct ts_chat *, struct ts_error *err);

/* Tokenizer and template of a checkpoint: ts_chat_open for a folder, the metadata for a GGUF file. */
int ts_local_open_chat(struct ts_chat **out, const char *checkpoint, struct ts_error *err);
/* The same with another pre-tokenizer than the GGUF file says (NULL: its own). TS_EINVAL for a folder, which needs none. */
int ts_local_open_chat_as(struct ts_chat **out, const char *checkpoint, const char *pre, struct ts_error *err);
/* What tokenizer.json and tokenizer_config.json (with the template) would say of a GGUF file, for those who read no GGUF. TS_EUNSUPPORTED for a
 * SentencePiece tokenizer, which no tokenizer.json describes. The two values are for json_decref, after a failure too. */
int ts_local_chat_files(const char *path, const char *pre, json_t **tokenizer, json_t **config, struct ts_error *err);

#endif
