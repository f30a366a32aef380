/* Training speed: tokens per second of optimiser steps (forward, backward, AdamW; LoRA of rank 32 on q and v, dropout 0.05).
 *
 *     bench/train [MODEL_DIR] [tokens of a sequence] [tokens of a pass] [kept layers]
 *
 * Sequences are random ids of which the last three quarters are targets. The first step is not counted. */
#include "core/philox.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 8, STEPS = 6, ROWS = BATCH * STEPS };

static int failed(const struct ts_error *err)
{
	fprintf(stderr, "train: %s\n", err->message);
	return 1;
}

struct watch {
	double began;
	size_t tokens;
};

static int count_step(void *user, const struct ts_train_step *step, struct ts_error *err)
{
	struct watch *w = user;
	(void)err;
	if (step->step == 1)
		w->began = ts_clock();
	else
		w->tokens += step->tokens;
	return 0;
}

static int make_rows(struct ts_example *rows, size_t length, int vocab, struct ts_error *err)
{
	struct ts_random_key key = ts_random_key_make(1, "bench", "", 0, 0);
	int32_t *ids = ts_calloc(length, sizeof(*ids));
	uint8_t *mask = ts_calloc(length, 1);
	int status = ids && mask ? 0 : ts_fail_memory(err);
	for (size_t r = 0; r < ROWS && !status; r++) {
		for (size_t i = 0; i < length; i++) {
			ids[i] = (int32_t)(ts_random_uniform(&key, r * length + i) * vocab);
			mask[i] = i >= length / 4;
		}
		status = ts_example_from_ids(&rows[r], ids, mask, length, length, err);
	}
	ts_free(ids);
	ts_free(mask);
	return status;
}

static int measure(const char *dir, size_t length, const struct ts_train_options *options, int threads, struct ts_error *err)
{
	struct ts_backend *backend = NULL;
	struct ts_model *model = NULL;
	struct ts_adapter *adapter = NULL;
	struct ts_example rows[ROWS] = {0};
	struct ts_adapter_config config = {.rank = 32, .alpha = 16, .dropout = 0.05};
	struct watch watch = {0};
	int status = ts_backend_cpu_new(&backend, TS_ISA_AUTO, threads, err);
	if (status)
		return status;
	TS_GOTO(ts_model_open(&model, backend, dir, NULL, err));
	TS_GOTO(ts_adapter_config_add(&config, "q_proj", err));
	TS_GOTO(ts_adapter_config_add(&config, "v_proj", err));
	TS_GOTO(ts_adapter_new(&adapter, model, &config, 42, err));
	TS_GOTO(make_rows(rows, length, ts_model_config(model)->vocab_size, err));
	TS_GOTO(ts_train(model, adapter, rows, ROWS, options, NULL, &(struct ts_train_hooks){.user = &watch, .step = count_step}, err));
	double seconds = ts_clock() - watch.began;
	printf("%-12s threads %d  sequences of %zu  pass of %zu  %8.0f tokens/s  (%zu tokens in %.2f s)\n", backend->name, threads, length,
	       options->max_rows, (double)watch.tokens / seconds, watch.tokens, seconds);
done:
	for (size_t i = 0; i < ROWS; i++)
		ts_example_release(&rows[i]);
	ts_adapter_free(adapter);
	ts_model_close(model);
	ts_backend_free(backend);
	return status;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "testbed/student";
	size_t length = argc > 2 ? (size_t)atoi(argv[2]) : 256;
	struct ts_error err = {0};
	struct ts_train_options options = ts_train_options_default();
	options.epochs = 1;
	if (argc > 3)
		options.max_rows = (size_t)atoi(argv[3]);
	if (argc > 4)
		options.kept_layers = atoi(argv[4]);
	if (length < 4 || length > 65536 || !options.max_rows) {
		fprintf(stderr, "usage: train [MODEL_DIR] [tokens of a sequence >= 4] [tokens of a pass >= 1] [kept layers]\n");
		return 2;
	}
	for (int threads = 1; threads <= 2; threads++)
		if (measure(dir, length, &options, threads, &err))
			return failed(&err);
	return 0;
}
