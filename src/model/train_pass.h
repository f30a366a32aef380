/* Forward and backward of the decoder with a LoRA adapter: only the adapter gets gradients, the base is frozen.
 *
 * Sequences lie packed one after the other without padding; attention stays inside a sequence and positions restart at 0,
 * so a packed batch gives the bits of unpacked ones. Gradients accumulate in row order through memory, so that cutting a
 * batch into several passes changes no bit either.
 *
 * Memory: the input of every layer is kept, and of as many layers as `keep` says more. What is not is computed again in the
 * backward pass (the same bits).
 */
#ifndef TS_MODEL_TRAIN_PASS_H
#define TS_MODEL_TRAIN_PASS_H

#include "model/adapter.h"

struct ts_pass;

struct ts_packed {
	size_t rows;
	const int32_t *ids;     /* [rows] */
	const int32_t *targets; /* [rows] the token to predict after this row, -1 = none */
	size_t sequences;
	const size_t *lengths;        /* [sequences], sum = rows */
	const uint32_t *row_in_batch; /* [sequences] index of the sequence in the optimiser step's batch, for dropout */
};

/* Of how many layers, from the top down, activations are kept; negative = all. */
struct ts_keep {
	int layers;    /* everything that a product gave: nothing is computed twice but norms, rotations, silu(gate) * up */
	int attention; /* attention's output at least: only the products with weights are computed again */
};
#define TS_KEEP_ALL ((struct ts_keep){-1, -1})

/* Room for packs of up to max_rows rows in up to max_sequences sequences. */
int ts_pass_new(struct ts_pass **out, const struct ts_model *, const struct ts_adapter *, size_t max_rows, size_t max_sequences,
		struct ts_keep, struct ts_error *err);
void ts_pass_free(struct ts_pass *);
/* What ts_pass_new will allocate, in bytes, without the backend's scratch, for an adapter of this rank on so many projections of each
 * layer. */
size_t ts_pass_bytes(const struct ts_model_config *, size_t rank, size_t targets, size_t max_rows, size_t max_sequences, struct ts_keep);

/* Forward, keeping what backward needs; logprobs[rows] = log p(target), 0 where there is none.
 * dropout_p 0 = off; else seed and step name the masks. */
void ts_pass_forward(struct ts_pass *, const struct ts_packed *, float dropout_p, uint64_t seed, uint32_t step, float *logprobs);
/* grads[adapter->count] += scale * d(-sum of log p(target)) / d params, of the pack given to the last forward. */
void ts_pass_backward(struct ts_pass *, float scale, float *grads);

/* For objectives that look at the base model too. First ts_pass_reference with the pack: the same forward without the adapter, whose
 * distribution p_ref is kept; then ts_pass_forward with the same pack. */
int ts_pass_need_reference(struct ts_pass *, struct ts_error *err); /* room for it, once */
void ts_pass_reference(struct ts_pass *, const struct ts_packed *, float *logprobs);
/* kl[rows] = sum over the vocabulary of p_ref (log p_ref - log p), 0 where there is no target. */
void ts_pass_kl(struct ts_pass *, float *kl);
/* grads += d(sum over rows of ce[row] * -log p(target) + kl[row] * KL(row)) / d params; kl may be NULL. */
void ts_pass_backward_rows(struct ts_pass *, const float *ce, const float *kl, float *grads);
/* Logits of forward and reference are divided by this before the softmax; 1 by default. */
void ts_pass_temperature(struct ts_pass *, float temperature);

#endif
