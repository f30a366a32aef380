/* What the files of a training pass share: its memory (train_room.c) and its work (train_pass.c). */
#ifndef TS_MODEL_TRAIN_INTERNAL_H
#define TS_MODEL_TRAIN_INTERNAL_H

#include "model/internal.h"
#include "model/train_pass.h"

struct ts_pass {
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	size_t max_rows, max_sequences;
	struct ts_keep keep; /* in [1, layers], attention in [keep.layers, layers] */

	float *inputs;        /* [layers + 1][max_rows, hidden]: input of each layer, then the last output */
	struct ts_acts *acts; /* [layers]; what a layer does not keep it shares with others */
	float *cosines, *sines;
	float *last, *hidden, *lse, *picked; /* of the rows with a target: before and after the final norm, and their logits */
	float *mean;                         /* softmax(logits) W of these rows */
	float *dx, *d_hidden, *d_wide1, *d_wide2, *d_q, *d_k, *d_v, *d_attention;
	float *all; /* the one allocation behind every float array */

	uint32_t *positions, *row_in_batch; /* [max_rows] */
	struct ts_segment *segments;
	int32_t *pages;
	struct ts_kv_pool kv; /* one layer: filled, read, and used again by the next */

	float *reference, *reference_lse, *reference_mean; /* hidden, lse and mean of the base model, or NULL */
	float temperature;

	uint32_t *wanted; /* [max_rows] rows with a target, ascending */
	int32_t *targets; /* [max_rows] and their targets */

	/* of the last forward */
	size_t rows, sequences, wanted_count;
	struct ts_dropout dropout;
};

#endif
