/* What the files of this folder share: the weights and the pieces of a layer. */
#ifndef TS_MODEL_INTERNAL_H
#define TS_MODEL_INTERNAL_H

#include "model/adapter.h"

struct ts_layer {
	float *norm1, *norm2;                 /* [hidden] */
	float *q_norm, *k_norm;               /* [head_dim] or NULL */
	struct ts_weight *linear[TS_TARGETS]; /* by enum ts_target */
	float *bias[TS_TARGETS];              /* NULL = none */
};

struct ts_model {
	struct ts_backend *backend;
	struct ts_model_config config;
	char *dir;
	struct ts_weight *embed, *head; /* head == embed when tied */
	float *norm;                    /* final */
	float *inv_freq;                /* [head_dim/2], host memory */
	float rope_scale;               /* of cos and sin */
	struct ts_layer *layers;
};

/* inv_freq[head_dim/2]: what a position is multiplied by; returns the scale of cos and sin (1, but for yarn). Step by step in f32 as
 * transformers computes them (modeling_rope_utils). */
float ts_rope_frequencies(const struct ts_model_config *, float *inv_freq);
/* With dynamic positions: the frequencies at a length beyond rope_original_positions. */
void ts_rope_stretched(const struct ts_model_config *, size_t length, float *inv_freq);
/* cosines and sines [rows, head_dim/2] of the segments' rows; lengths as in struct ts_batch. */
void ts_rope_rows(const struct ts_model *, float *cosines, float *sines, const uint32_t *positions, size_t rows,
		  const struct ts_segment *segments, size_t segment_count, const size_t *lengths);

/* Inner activations of one layer for `rows` rows; h[t] = A drop(x) of the target's LoRA (only where a slot is present). */
struct ts_acts {
	float *norm1;               /* [rows, hidden] input of q, k, v */
	float *q_raw, *k_raw;       /* before the head norms (Qwen3 only; else equal to q, k before RoPE and unused) */
	float *q, *k, *v;           /* after RoPE; [rows, heads*head_dim], [rows, kv_heads*head_dim] */
	float *attention, *lse;     /* [rows, heads*head_dim], [rows, heads] */
	float *middle;              /* [rows, hidden] x after the attention block */
	float *norm2;               /* [rows, hidden] */
	float *gate, *up, *product; /* [rows, intermediate] */
	float *h[TS_TARGETS];       /* [rows, rank] */
};

/* One layer forward: out[rows, hidden] = layer(x). out may be x. `lse` of acts may be NULL. dropout NULL = none; its
 * layer and target are filled in here. */
struct ts_layer_call {
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	int layer;    /* of weights and adapter */
	int kv_layer; /* layer of the pool to write and read */
	size_t rows;
	const struct ts_kv_pool *kv;
	const struct ts_segment *segments;
	size_t segment_count;
	const float *cosines, *sines; /* [rows, head_dim/2] */
	const struct ts_dropout *dropout;
};
void ts_layer_forward(const struct ts_layer_call *, float *out, const float *x, struct ts_acts *acts);
/* Room for the wanted rows of a pass. */
struct ts_picked {
	float *x;               /* [wanted, hidden] */
	float *cosines, *sines; /* [wanted, head_dim/2] */
	struct ts_segment *segments;
};
/* The last layer of inference: keys and values of all rows, the output, in picked->x, of the wanted ones alone. Nobody reads the others,
 * and with one wanted row in hundreds they are nearly all of the layer's work. */
void ts_layer_last(const struct ts_layer_call *, const float *x, struct ts_acts *acts, const uint32_t *wanted, size_t count,
		   const struct ts_picked *);

/* What is still there of a layer's activations when its backward pass begins. */
enum ts_kept {
	TS_KEPT_INPUT,     /* x alone */
	TS_KEPT_ATTENTION, /* attention, lse */
	TS_KEPT_PRODUCTS, /* and what products gave: q and k before the head norms (after RoPE where there are none), v, middle, gate, up, h */
};
/* Completes what the backward pass of this layer needs, bit for bit what the forward pass had. `out` is the layer's output, as it was. */
void ts_layer_again(const struct ts_layer_call *, float *out, const float *x, struct ts_acts *acts, enum ts_kept);

#endif
