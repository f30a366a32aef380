/* Packing: the examples of one optimiser step laid one after the other, without padding, into passes of at most so many rows.
 *
 *     ids      a0 a1 a2 a3 | b0 b1 b2 |        targets[row] = ids[row + 1] where the mask of row + 1 says so,
 *     targets  -1 a2 a3 -1 | b1 b2 -1 |        else -1; the last row of a sequence predicts nothing
 *
 * A packer owns its arrays, sized once; filling does not allocate and cannot fail. */
#ifndef TS_TRAIN_PACK_H
#define TS_TRAIN_PACK_H

#include "model/train_pass.h"
#include "train/example.h"

struct ts_packer {
	size_t max_rows, max_sequences;
	int32_t *ids, *targets;
	size_t *lengths;
	uint32_t *row_in_batch;
	struct ts_packed packed; /* of the last fill; points into the arrays above */
	size_t target_count;     /* rows of the last fill that have a target */
};

/* `max_rows` is both the limit of a pass and the room; the longest example must fit. */
int ts_packer_init(struct ts_packer *, size_t max_rows, size_t max_sequences, struct ts_error *err);
void ts_packer_release(struct ts_packer *);

/* Packs examples[batch[from]], examples[batch[from + 1]], ... until the next one would pass `limit` rows (one always goes in) or the
 * room is full. Returns the index of the first that was left for the next pass; `count` when none is. */
size_t ts_packer_fill(struct ts_packer *, const struct ts_example *examples, const size_t *batch, size_t count, size_t from, size_t limit);

#endif
