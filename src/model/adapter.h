/* A LoRA adapter: for chosen linear layers y = x W^T + scale * B (A drop(x)), A [rank, in], B [out, rank], f32, kept
 * apart from the frozen base. scale = alpha / rank (rsLoRA: alpha / sqrt(rank)); layers may
 * differ in rank and alpha. Hu et al. 2021, arXiv 2106.09685.
 *
 * All parameters lie in one flat array, slot after slot (layer ascending, target ascending, A then B), so that the
 * optimiser sees one vector. On disk it is the folder PEFT writes: adapter_config.json, adapter_model.safetensors. */
#ifndef TS_MODEL_ADAPTER_H
#define TS_MODEL_ADAPTER_H

#include "checkpoint/adapter_config.h"
#include "model/model.h"

struct ts_slot {
	bool present;
	size_t in, out, rank;
	size_t a, b; /* offsets into params of A [rank, in] and B [out, rank] */
	float scale;
	double alpha; /* of which scale was made */
};

struct ts_adapter {
	struct ts_backend *backend;
	struct ts_adapter_config config;
	size_t max_rank;
	int layers;
	struct ts_slot *slots; /* [layers][TS_TARGETS] */
	size_t count;          /* parameters */
	float *params;         /* [count], backend memory */
};

/* A fresh adapter: A uniform in +-1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt(5)) from Philox(seed), B zero. */
int ts_adapter_new(struct ts_adapter **out, const struct ts_model *, const struct ts_adapter_config *, uint64_t seed, struct ts_error *err);
/* The same for modules[layers][TS_TARGETS] that differ in rank or alpha. */
int ts_adapter_new_modules(struct ts_adapter **out, const struct ts_model *, const struct ts_adapter_config *,
			   const struct ts_adapter_module *modules, uint64_t seed, struct ts_error *err);
/* Read a PEFT folder for this model. A key that fits no weight of the model, or a weight the config promises and the file lacks, is an error. */
int ts_adapter_load(struct ts_adapter **out, const struct ts_model *, const char *dir, struct ts_error *err);
/* Write the PEFT folder (made if needed). */
int ts_adapter_save(const struct ts_adapter *, const char *dir, struct ts_error *err);
void ts_adapter_free(struct ts_adapter *);

/* One pair of the adapter as numbers: W' = W + scale B A; false where the adapter leaves the weight alone. For whoever needs the whole change
 * of a weight (merging, other formats), whatever the adapter's configuration says. */
struct ts_lora_pair {
	const float *a, *b; /* [rank, in], [out, rank] */
	size_t rank, in, out;
	float scale;
};
bool ts_adapter_pair(const struct ts_adapter *, int layer, enum ts_target, struct ts_lora_pair *);

/* The shape of a target's weight. */
void ts_target_shape(const struct ts_model_config *, enum ts_target, size_t *out, size_t *in);
/* PEFT's key of a parameter (which is 'A' or 'B'). */
int ts_adapter_key(const struct ts_adapter *, int layer, enum ts_target, char which, char *key, size_t n);

/* The slot of a layer's target, or NULL. */
static inline const struct ts_slot *ts_adapter_slot(const struct ts_adapter *a, int layer, enum ts_target t)
{
	const struct ts_slot *s = a ? &a->slots[(size_t)layer * TS_TARGETS + t] : NULL;
	return s && s->present ? s : NULL;
}

#endif
