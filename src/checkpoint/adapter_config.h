/* adapter_config.json of a PEFT LoRA adapter. Loading says for every linear layer of the decoder whether it has an adapter, of which rank
 * and alpha, by PEFT's rules (target_modules, exclude_modules, layers_to_transform, rank_pattern, alpha_pattern), and refuses by name
 * whatever would make the adapter mean something else than W' = W + scale B A; keys that only say how it was initialised or trained are
 * passed over. Saving writes what PEFT reads back. Plain data, nothing to release. */
#ifndef TS_CHECKPOINT_ADAPTER_CONFIG_H
#define TS_CHECKPOINT_ADAPTER_CONFIG_H

#include "core/status.h"

#include <stdbool.h>

enum ts_target { TS_Q, TS_K, TS_V, TS_O, TS_GATE, TS_UP, TS_DOWN, TS_TARGETS };

/* "q_proj"; "self_attn.q_proj" (behind "model.layers.N."). */
const char *ts_target_name(enum ts_target);
const char *ts_target_path(enum ts_target);

struct ts_adapter_config {
	int rank;
	double alpha;
	double dropout; /* 0 <= dropout < 1; training only */
	bool use_rslora;
	bool targets[TS_TARGETS]; /* those of any layer */
	int target_count;
	char base_model[1024]; /* "" when the file gives none */
};

/* The adapter of one linear layer. */
struct ts_adapter_module {
	int rank; /* 0 = none */
	double alpha;
};

/* alpha / rank, or alpha / sqrt(rank) with rslora. */
double ts_adapter_scale(const struct ts_adapter_config *, const struct ts_adapter_module *);
/* Adds a projection, or with "all-linear" all seven. TS_EINVAL when it is none of q_proj k_proj v_proj o_proj gate_proj up_proj down_proj. */
int ts_adapter_config_add(struct ts_adapter_config *, const char *target, struct ts_error *err);

/* modules[layers][TS_TARGETS]: the config's targets in every layer, with its rank and alpha. */
void ts_adapter_modules_fill(const struct ts_adapter_config *, int layers, struct ts_adapter_module *modules);

/* `path` is the file itself; modules[layers][TS_TARGETS] is filled for a model of so many layers. Errors name file, key, expected, found. */
int ts_adapter_config_load(struct ts_adapter_config *, int layers, struct ts_adapter_module *modules, const char *path,
			   struct ts_error *err);
int ts_adapter_config_save(const struct ts_adapter_config *, int layers, const struct ts_adapter_module *modules, const char *path,
			   struct ts_error *err);

#endif
