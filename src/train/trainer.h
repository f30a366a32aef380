/* Training a LoRA adapter: cross-entropy on the target tokens, mean over all targets of an optimiser step, AdamW.
 *
 * - Order of an epoch: ts_random_order(seed, epoch). The last batch of an epoch may be short.
 * - Per step: gradients of 1/targets * sum(-log p), summed over as many passes as max_rows asks for; the norm over the whole adapter;
 *   clipping by min(1, clip / (norm + 1e-6)); AdamW with bias corrections 1 - beta^t. Dropout as the adapter's config says.
 * - The adapter's bytes depend on the data, the options above the line in ts_train_options and the model alone: not on max_rows,
 *   keep, threads, checkpoints or interruptions.
 *
 * Interruption: the state (parameters, moments, step) is saved under checkpoint_dir. Called again with the same arguments (the adapter
 * as it came the first time), training goes on from the newest checkpoint that is whole; a checkpoint of another run is refused.
 */
#ifndef TS_TRAIN_TRAINER_H
#define TS_TRAIN_TRAINER_H

#include "model/train_pass.h"
#include "train/example.h"
#include "train/schedule.h"

struct ts_train_options {
	size_t epochs, batch; /* sequences of an optimiser step */
	double lr, warmup;    /* peak; share of the steps */
	enum ts_schedule_kind schedule;
	double clip; /* largest gradient norm; 0 = no clipping */
	double beta1, beta2, eps, weight_decay;
	uint64_t seed;
	const char *identity; /* what else names the run (the model's hash); may be NULL */
	/* --- below: never changes a result --- */
	size_t max_rows;            /* tokens of a pass; a longer sequence gets its own */
	struct ts_keep keep;        /* activations that are not computed again */
	const char *checkpoint_dir; /* NULL = none */
	size_t checkpoint_steps;    /* save every so many steps; 0 = not by steps */
	double checkpoint_seconds;  /* and when so many seconds went by since the last; 0 = not by time */
};

/* The method's settings: 3 epochs, batch 8, lr 1e-5, warm-up 0.1, cosine, clip 1, betas 0.9 and 0.999, eps 1e-8, seed 42. */
struct ts_train_options ts_train_options_default(void);

struct ts_train_step {
	size_t step, steps; /* from 1 */
	size_t epoch;       /* from 0 */
	double loss, grad_norm, lr;
	size_t targets, tokens; /* of the step: predicted tokens, and all */
};

/* Called after each step, before the step can be in a checkpoint: after a kill some steps come again, with the same values.
 * A status other than 0 ends the training and is returned. */
struct ts_train_hooks {
	void *user;
	int (*step)(void *user, const struct ts_train_step *, struct ts_error *err);
	/* Called before each checkpoint: what the caller keeps of the steps so far must be durable then. May be NULL. */
	int (*saving)(void *user, struct ts_error *err);
};

/* How many optimiser steps that is. */
size_t ts_train_steps(const struct ts_train_options *, size_t examples);
/* Rows of the largest pass that can occur, for the memory plan. */
size_t ts_train_rows(const struct ts_train_options *, const struct ts_example *, size_t count);

/* How large training will be. To fit into `room` bytes (SIZE_MAX = no bound) passes become shorter as long as that costs no speed; then fewer
 * layers keep their activations (the others are computed again), then fewer the output of attention; then passes become shorter still. None of
 * it changes the adapter. False when nothing fits. */
struct ts_train_wish {
	const struct ts_backend *backend;
	const struct ts_model_config *config;
	size_t rank, targets, params; /* of the adapter: projections per layer, and numbers in all */
	size_t longest, sequences;    /* longest example; sequences of an optimiser step */
	size_t max_rows;              /* tokens of a pass where there is room for them */
	size_t room;
};
struct ts_train_size {
	struct ts_keep keep;                  /* for ts_train_options */
	size_t max_rows;                      /* for ts_train_options */
	size_t activations, optimiser, bytes; /* bytes: of a pass, of gradients and moments, their sum */
	size_t least;                         /* bytes of the smallest training that can serve the longest example */
};
bool ts_train_fit(struct ts_train_size *, const struct ts_train_wish *);
/* A bound on the whole process, in bytes. */
struct ts_train_bound {
	size_t bytes;  /* 0 = none */
	size_t used;   /* of them taken */
	size_t before; /* the most that was taken so far, as when the model was read; 0 = others look after that */
};
/* The same for examples that are there: sets what is kept, and max_rows. TS_ELIMIT, with the numbers, when nothing fits. */
int ts_train_fit_examples(struct ts_train_options *, const struct ts_model *, const struct ts_adapter *, const struct ts_example *,
			  size_t count, const struct ts_train_bound *, struct ts_error *err);

/* Trains adapter->params in place. TS_EINVAL: an option or example that cannot be (named), a schedule whose every rate is 0;
 * TS_ENUMERIC: loss or gradient is not finite (the step is named); TS_ESTOPPED: the user asked to stop, the state is saved;
 * TS_EMISMATCH: a checkpoint of another run. hooks may be NULL. */
int ts_train(const struct ts_model *, struct ts_adapter *adapter, const struct ts_example *examples, size_t count,
	     const struct ts_train_options *, const struct ts_context *, const struct ts_train_hooks *, struct ts_error *err);

#endif
