/* The one decoder: Qwen3, Llama and their relatives, told apart by config flags (checkpoint/config.h).
 *
 *     x = embed(ids)
 *     per layer:  n = rmsnorm(x);  q, k, v = n Wq, n Wk, n Wv (+ bias) (+ LoRA);  Qwen3: rmsnorm of each q and k head
 *                 x += attention(rope(q), rope(k), v) Wo;   x += (silu(m Wg) * (m Wu)) Wd  with m = rmsnorm(x)
 *     logits = rmsnorm(x) W_head^T
 *
 * A model is immutable once open. Forward passes work in a ts_workspace, allocated once for a largest batch: no
 * allocation, no failure inside a step. One workspace is used by one thread.
 */
#ifndef TS_MODEL_MODEL_H
#define TS_MODEL_MODEL_H

#include "checkpoint/config.h"
#include "core/context.h"
#include "tensor/backend.h"

struct ts_adapter;
struct ts_model;
struct ts_workspace;

/* Open a checkpoint: a Hugging Face folder (config.json, safetensors) or a GGUF file. Every weight is asked for by name, dtype and
 * shape; a weight that holds NaN or Inf is refused by name. What is notable (a stored head over tied embeddings) is said through `context`. */
int ts_model_open(struct ts_model **out, struct ts_backend *, const char *dir, const struct ts_context *, struct ts_error *err);
/* The same; what quantised tensors of a GGUF file become: TS_BF16 (rounded, as ts_model_open does) or TS_F32 (exact, twice the memory). */
int ts_model_open_as(struct ts_model **out, struct ts_backend *, const char *dir, enum ts_dtype quantised, const struct ts_context *,
		     struct ts_error *err);
void ts_model_close(struct ts_model *);

const struct ts_model_config *ts_model_config(const struct ts_model *);
struct ts_backend *ts_model_backend(const struct ts_model *);
size_t ts_model_weight_bytes(const struct ts_model *);
const char *ts_model_dir(const struct ts_model *);
/* What ts_model_open_as will need, from the checkpoint's headers alone: the same walk over its weights without their data. */
struct ts_model_size {
	struct ts_model_config config;
	size_t file;    /* bytes of the weights as stored */
	size_t weights; /* packed */
	size_t loading; /* most bytes while it is read: packed weights, and the pages of the file that are being packed */
};
int ts_model_size_read(struct ts_model_size *, struct ts_backend *, const char *dir, enum ts_dtype quantised, struct ts_error *err);
/* SHA-256 (hex) over config.json, generation_config.json (its end tokens count) and the weight files, or of the GGUF file: the
 * model's identity in a run. */
int ts_model_hash(const char *dir, char hex[65], struct ts_error *err);

/* A batch for inference: `rows` new tokens of one or more sequences, whose keys and values go to `kv` and stay there. */
struct ts_batch {
	size_t rows;
	const int32_t *ids;        /* [rows], each in [0, vocab_size) */
	const uint32_t *positions; /* [rows] */
	const struct ts_segment *segments;
	size_t segment_count;
	const struct ts_kv_pool *kv;
	const struct ts_adapter *adapter; /* NULL = base model */
	/* [segment_count], or NULL = 0: how long the segment's text is as far as it is given, the prompt of a generation. For dynamic positions,
	 * which turn by the length of the text: what is generated later turns by its own. */
	const size_t *lengths;
	const uint32_t *wanted; /* [wanted_count] rows whose hidden state is asked for */
	size_t wanted_count;
};

/* Room for forward passes of up to max_rows rows (and max_rank adapter rank), of which up to max_wanted are asked for. */
int ts_workspace_new(struct ts_workspace **out, const struct ts_model *, size_t max_rows, size_t max_wanted, size_t max_rank,
		     struct ts_error *err);
void ts_workspace_free(struct ts_workspace *);
/* What ts_workspace_new will allocate, in bytes, without the backend's scratch for products of ts_model_width columns. */
size_t ts_workspace_bytes(const struct ts_model_config *, size_t max_rows, size_t max_wanted, size_t max_rank);
size_t ts_model_width(const struct ts_model_config *);

/* Returns hidden[wanted_count, hidden_size] after the final norm; it belongs to the workspace until the next call. */
const float *ts_model_forward(const struct ts_model *, struct ts_workspace *, const struct ts_batch *);
/* logits[rows, vocab_size] of hidden states. */
void ts_model_logits(const struct ts_model *, float *logits, const float *hidden, size_t rows);
/* One of them: the same bits as in ts_model_logits, at the price of one panel of the head. */
float ts_model_logit(const struct ts_model *, const float *hidden, int32_t id);
/* lse[rows] and picked[rows] (the target's logit), without storing logits: log p(target) = picked - lse. Targets of -1: picked = 0. */
void ts_model_target_logits(const struct ts_model *, float *lse, float *picked, const float *hidden, const int32_t *targets, size_t rows);

/* A KV pool for this model with room for `pages` pages of 64 positions. */
int ts_model_kv_new(const struct ts_model *, struct ts_kv_pool *, size_t pages, enum ts_dtype, struct ts_error *err);
void ts_model_kv_free(const struct ts_model *, struct ts_kv_pool *);
/* Bytes of one page over all layers. */
size_t ts_model_kv_page_bytes(const struct ts_model_config *, enum ts_dtype);

#endif
