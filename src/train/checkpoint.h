/* The state of a training run on disk: checkpoints/step-000000120.safetensors with params, m, v, step, the run's fingerprint and a
 * SHA-256 over all of that. Files are written whole; the newest two are kept. */
#ifndef TS_TRAIN_CHECKPOINT_H
#define TS_TRAIN_CHECKPOINT_H

#include "core/context.h"
#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

struct ts_train_state {
	size_t count;          /* parameters */
	float *params, *m, *v; /* [count] */
	uint64_t step;         /* steps done */
	unsigned char run[32]; /* fingerprint of data, options, start: whose checkpoint it is */
};

/* Saves, then removes all but the newest two (and what an interrupted save left behind). Makes the folder if needed. */
int ts_train_state_save(const struct ts_train_state *, const char *dir, struct ts_error *err);

/* Reads the newest checkpoint that is whole into params, m, v, step (count and run are given). A damaged one is named through `context` and
 * the one before it is taken; none at all leaves the state as it is. TS_EMISMATCH: a whole checkpoint of another run. */
int ts_train_state_resume(struct ts_train_state *, const char *dir, const struct ts_context *, struct ts_error *err);

#endif
