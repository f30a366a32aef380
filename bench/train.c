/* Training speed and memory: optimiser steps (forward, backward, AdamW) of one sequence each, LoRA of rank 32 on q and v, dropout 0.05.
 *
 *     bench/train [--model DIR] [--lengths 512,1024,4096] [--steps 2] [--keep all|none|auto] [--memory SIZE]
 *                 [--isa plain|avx2|avx512] [--threads 1]
 *
 * Sequences are random ids of which the last three quarters are targets. The first step of a length is not counted.
 * --keep: of how many layers activations are kept; auto = as many as fit into --memory (default: no bound), as `train` does it.
 * Figures of each length, as CSV (bench/csv.h): tokens/s; GFLOP of a token, in what the method needs (forward, backward to the inputs,
 * the vocabulary on rows with a target; nothing that is computed twice); GFLOP/s in these; peak memory of the process. */
#include "csv.h"
#include "core/mem.h"
#include "core/philox.h"
#include "train/trainer.h"

enum { RANK = 32, LENGTHS = 16 };

struct bench {
	struct bench_csv csv;
	struct ts_backend *backend;
	struct ts_model *model;
	const char *name, *keep;
	size_t steps, bound;
};

struct watch {
	struct bench_clock clock;
	size_t tokens;
};

static int count_step(void *user, const struct ts_train_step *step, struct ts_error *err)
{
	struct watch *w = user;
	(void)err;
	if (step->step == 1)
		w->clock = bench_clock_start();
	else
		w->tokens += step->tokens;
	return 0;
}

static size_t masked(size_t length)
{
	return length / 4;
}

static int make_rows(struct ts_example *rows, size_t count, size_t length, int vocab, struct ts_error *err)
{
	struct ts_random_key key = ts_random_key_make(1, "bench", "", 0, 0);
	int32_t *ids = ts_calloc(length, sizeof(*ids));
	uint8_t *mask = ts_calloc(length, 1);
	int status = ids && mask ? 0 : ts_fail_memory(err);
	for (size_t r = 0; r < count && !status; r++) {
		for (size_t i = 0; i < length; i++) {
			ids[i] = (int32_t)(ts_random_uniform(&key, r * length + i) * vocab);
			mask[i] = i >= masked(length);
		}
		status = ts_example_from_ids(&rows[r], ids, mask, length, length, err);
	}
	ts_free(ids);
	ts_free(mask);
	return status;
}

/* GFLOP that a token of a step needs, on average over the sequence. Attention: two products forward and four backward over the keys that
 * a query sees; the scores that the backward pass computes again are not counted. */
static double needed(const struct ts_model_config *g, const struct ts_adapter *a, size_t length)
{
	double keys = ((double)length + 1) / 2, targets = (double)(length - masked(length)) / (double)length;
	double attention = 2 * keys * g->heads * g->head_dim, sum = 4 * targets * g->vocab_size * g->hidden_size;
	int lowest = -1;
	for (int layer = 0; layer < g->layers; layer++) {
		for (int t = 0; t < TS_TARGETS; t++) {
			size_t out, in;
			ts_target_shape(g, t, &out, &in);
			const struct ts_slot *s = ts_adapter_slot(a, layer, t);
			lowest = lowest < 0 && s ? layer : lowest;
			bool input = lowest >= 0 && (layer > lowest || (t != TS_Q && t != TS_K && t != TS_V)); /* gradient to it */
			sum += (input ? 4 : 2) * (double)out * (double)in;
			if (s)
				sum += 2 * (double)s->rank * ((input ? 3 : 2) * (double)in + 3 * (double)out);
		}
		sum += (lowest >= 0 ? 6 : 2) * attention;
	}
	return sum / 1e9;
}

/* The peak is forgotten before each length, where the system allows it, so that each has its own. */
static void forget_peak(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");
	if (!f)
		return;
	fprintf(f, "5");
	(void)fclose(f); /* where it fails, the peak is of the whole process */
}

static void put(const struct bench *b, const struct ts_train_options *o, size_t length, const struct watch *w, double gflop)
{
	char parameters[256];
	int layers = ts_model_config(b->model)->layers;
	double rate = (double)w->tokens / w->clock.seconds;
	snprintf(parameters, sizeof(parameters), "model=%s length=%zu kept=%d/%d attention=%d/%d rank=%d targets=q,v", b->name, length,
		 o->keep.layers < 0 ? layers : o->keep.layers, layers, o->keep.attention < 0 ? layers : o->keep.attention, layers, RANK);
	const struct {
		const char *name, *unit;
		double value;
	} rows[] = {{"train", "tokens/s", rate},
		    {"needed", "GFLOP/token", gflop},
		    {"speed", "GFLOP/s", rate * gflop},
		    {"peak memory", "MiB", (double)ts_mem_peak() / 0x1p20}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bench_csv_put(&b->csv, bench_isa(b->backend), b->backend->threads, rows[i].name, parameters, rows[i].value, rows[i].unit,
			      i % 2 ? -1 : w->clock.cpu_share);
}

static int measure(const struct bench *b, size_t length, struct ts_error *err)
{
	struct ts_adapter *adapter = NULL;
	struct ts_adapter_config config = {.rank = RANK, .alpha = 16, .dropout = 0.05};
	struct ts_train_options options = ts_train_options_default();
	struct watch watch = {.tokens = 0};
	size_t count = b->steps + 1;
	struct ts_example *rows = ts_calloc(count, sizeof(*rows));
	int status = 0;
	if (!rows)
		return ts_fail_memory(err);
	options.epochs = options.batch = 1;
	forget_peak();
	TS_GOTO(ts_adapter_config_add(&config, "q_proj", err));
	TS_GOTO(ts_adapter_config_add(&config, "v_proj", err));
	TS_GOTO(ts_adapter_new(&adapter, b->model, &config, 42, err));
	TS_GOTO(make_rows(rows, count, length, ts_model_config(b->model)->vocab_size, err));
	const struct ts_train_bound bound = {.bytes = b->bound, .used = ts_mem_resident()};
	if (!strcmp(b->keep, "auto"))
		TS_GOTO(ts_train_fit_examples(&options, b->model, adapter, rows, count, &bound, err));
	else if (!strcmp(b->keep, "none"))
		options.keep = (struct ts_keep){0, 0};
	TS_GOTO(ts_train(b->model, adapter, rows, count, &options, NULL, &(struct ts_train_hooks){.user = &watch, .step = count_step},
			 err));
	bench_clock_stop(&watch.clock, b->backend->threads);
	put(b, &options, length, &watch, needed(ts_model_config(b->model), adapter, length));
done:
	for (size_t i = 0; i < count; i++)
		ts_example_release(&rows[i]);
	ts_free(rows);
	ts_adapter_free(adapter);
	return status;
}

static size_t bytes(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	return (size_t)(n * (*end == 'G' ? 0x1p30 : *end == 'M' ? 0x1p20 : *end == 'K' ? 0x1p10 : 1));
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--model", "--lengths", "--steps", "--keep", "--memory", "--isa", "--threads", NULL};
	bench_check_options(argc, argv, names,
			    "train [--model DIR] [--lengths 512,1024,4096] [--steps 2] [--keep all|none|auto] [--memory SIZE] "
			    "[--isa plain|avx2|avx512] [--threads 1]");
	struct ts_error err = {0};
	const char *dir = bench_option(argc, argv, "--model", "testbed/student"), *slash = strrchr(dir, '/');
	struct bench b = {.backend = bench_backend(argc, argv, "train"),
			  .name = slash && slash[1] ? slash + 1 : dir,
			  .keep = bench_option(argc, argv, "--keep", "auto"),
			  .steps = strtoul(bench_option(argc, argv, "--steps", "2"), NULL, 10),
			  .bound = bytes(bench_option(argc, argv, "--memory", "0"))};
	if (!b.steps || (strcmp(b.keep, "all") && strcmp(b.keep, "none") && strcmp(b.keep, "auto"))) {
		fprintf(stderr, "bench/train: --steps: expected 1 or more; --keep: all, none or auto\n");
		return 2;
	}
	if (ts_model_open(&b.model, b.backend, dir, NULL, &err))
		bench_die("train", &err);
	b.csv = bench_csv_open(stdout, "train");
	for (const char *p = bench_option(argc, argv, "--lengths", "512,1024,4096"); *p; p += *p == ',') {
		char *end;
		size_t length = strtoul(p, &end, 10);
		if (end == p || length < 4)
			ts_fail(&err, TS_EINVAL, "--lengths: expected numbers from 4 up with commas between, found \"%s\"", p);
		if (err.code || measure(&b, length, &err))
			bench_die("train", &err);
		p = end;
	}
	ts_model_close(b.model);
	ts_backend_free(b.backend);
	return 0;
}
