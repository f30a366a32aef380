/* config.json and generation_config.json of a Hugging Face checkpoint: what the one decoder needs to know.
 * Both layouts are read: the published one (rope_theta, rope_scaling, torch_dtype) and transformers 5's (rope_parameters, dtype).
 * An option that changes numbers and that we do not implement is refused by name. */
#ifndef TS_CHECKPOINT_CONFIG_H
#define TS_CHECKPOINT_CONFIG_H

#include "core/mem.h"
#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

enum ts_rope_type { TS_ROPE_DEFAULT, TS_ROPE_LINEAR, TS_ROPE_LLAMA3, TS_ROPE_DYNAMIC, TS_ROPE_YARN };

enum { TS_MAX_LAYERS = 4096 };

struct ts_model_config {
	char model_type[32]; /* "qwen3", "llama", "qwen2", "mistral" */
	int vocab_size, hidden_size, layers, heads, kv_heads, head_dim, intermediate_size;
	int max_positions; /* the context: max_position_embeddings, or as far as dynamic and yarn stretch it */
	float rms_norm_eps;
	bool tied_embeddings;
	bool qk_norm;          /* Qwen3: RMS norm of every q and k head before RoPE */
	bool qkv_bias, o_bias; /* Qwen2: bias on q, k, v */
	bool mlp_bias;
	int sliding_window;                         /* of the layers in window_layers; 0 = none */
	uint64_t window_layers[TS_MAX_LAYERS / 64]; /* bit by layer */
	enum ts_rope_type rope_type;
	double rope_theta;
	double rope_factor, rope_low_freq, rope_high_freq, rope_original_positions; /* llama3; the others use some of them */
	double rope_beta_fast, rope_beta_slow, rope_attention_factor;               /* yarn; the last one scales cos and sin */
	bool rope_truncate;                                                         /* yarn: the ends of its ramp are whole numbers */
	int32_t eos_ids[16]; /* union of config.json and generation_config.json, ascending */
	int eos_count;
	int32_t bos_id;    /* -1 = none */
	char ignored[256]; /* generation_config keys that ask for something we do not do, comma-separated */
};

/* The window of a layer; 0 = it sees everything before it. */
static inline size_t ts_model_config_window(const struct ts_model_config *c, int layer)
{
	return c->window_layers[layer / 64] >> (layer % 64) & 1 ? (size_t)c->sliding_window : 0;
}

/* What yarn scales cos and sin by where nothing else is said. */
double ts_yarn_attention_factor(double factor);
/* `path` is a checkpoint folder (config.json and, if there, generation_config.json) or a GGUF file (checkpoint/gguf_config.h). */
int ts_model_config_load(struct ts_model_config *, const char *path, struct ts_error *err);
/* The same from two named files; `generation_path` may be NULL (then nothing is taken from there). */
int ts_model_config_load_files(struct ts_model_config *, const char *config_path, const char *generation_path, struct ts_error *err);
/* Puts an end token in its place among eos_ids, once. TS_ELIMIT when there is no room. */
int ts_model_config_add_eos(struct ts_model_config *, int32_t id);

#endif
