/* adapter_config.json of a PEFT LoRA adapter. Loading refuses by name whatever would make the adapter mean something else than
 * W' = W + scale B A on whole projections; keys that only say how it was initialised or trained are passed over.
 * Saving writes what PEFT reads back. Plain data, nothing to release. */
#ifndef TS_CHECKPOINT_ADAPTER_CONFIG_H
#define TS_CHECKPOINT_ADAPTER_CONFIG_H

#include "core/status.h"

#include <stdbool.h>

#define TS_ADAPTER_TARGETS 7

struct ts_adapter_config {
	int rank;
	double alpha;
	double dropout; /* 0 <= dropout < 1; training only */
	bool use_rslora;
	int target_count;
	char targets[TS_ADAPTER_TARGETS][16]; /* "q_proj", ...: sorted, each once */
	int layers; /* > 0: the file names the targets layer by layer, in so many (the model must have as many); 0: wherever they occur */
	char base_model[1024]; /* "" when the file gives none */
};

/* alpha / rank, or alpha / sqrt(rank) with rslora. */
double ts_adapter_config_scale(const struct ts_adapter_config *);
bool ts_adapter_config_has(const struct ts_adapter_config *, const char *target);
/* Adds a projection in sorted place. TS_EINVAL when it is none of q_proj k_proj v_proj o_proj gate_proj up_proj down_proj. */
int ts_adapter_config_add(struct ts_adapter_config *, const char *target, struct ts_error *err);

/* `path` is the file itself. Errors name file, key, expected, found. */
int ts_adapter_config_load(struct ts_adapter_config *, const char *path, struct ts_error *err);
int ts_adapter_config_save(const struct ts_adapter_config *, const char *path, struct ts_error *err);

#endif
