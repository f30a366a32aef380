/* Speed of generation: tokens of prompts and of answers per second, as CSV (bench/csv.h).
 *
 *     build/release/bench/generate [--model CHECKPOINT] [--isa ISA] [--threads N] [--sequences 1,8,32,64] [--prefill 512]
 *                                  [--temperature T] [--kv f32|bf16] [--repeats 3]
 *
 * decode: so many sequences with prompts of 128 random tokens; 32 steps are timed when all prompts are computed, and 32 more when the
 * sequences are 256 tokens long. prefill: one prompt of so many tokens, the best of a few. Answers do not end by themselves. At temperature
 * 0 (the default) the largest logit is taken; at another one top-p is 0.95 and top-k 20. Nothing is shared between the prompts. */
#include "csv.h"

#include "core/mem.h"
#include "core/philox.h"
#include "generate/engine.h"
#include "model/model.h"

enum { PROMPT = 128, STEPS = 32, LATER = 256, MOST_NEW = 1 << 20 };

struct bench {
	struct bench_csv csv;
	struct ts_backend *backend;
	struct ts_model *model;
	const char *name; /* of the model */
	enum ts_dtype kv;
	double temperature;
};

/* One engine and its requests. */
struct work {
	const struct bench *bench;
	struct ts_responder *engine;
	int32_t *ids;
	size_t count, length, next;
	size_t most_new;
	struct bench_clock clock;
	uint64_t prefilled; /* step after which all prompts were computed */
};

static int next(void *user, struct ts_request *out)
{
	struct work *w = user;
	if (w->next == w->count)
		return 0;
	const int32_t *ids = w->ids + w->next * w->length;
	*out = (struct ts_request){.index = w->next++,
				   .prompt = ids,
				   .prompt_len = w->length,
				   .sampling = {w->bench->temperature, 0.95, 20, w->most_new},
				   .key = ts_random_key_make(1, "bench", ids, w->length * sizeof(*ids), 0),
				   .ignore_eos = true};
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	(void)user;
	(void)r;
	return a->status;
}

static void put(const struct work *w, const char *name, size_t context, double tokens)
{
	char what[160];
	const struct bench *b = w->bench;
	snprintf(what, sizeof(what), "model=%s sequences=%zu context=%zu kv=%s temperature=%g", b->name, w->count, context,
		 ts_dtype_name(b->kv), b->temperature);
	bench_csv_put(&b->csv, bench_isa(b->backend), b->backend->threads, name, what, tokens / w->clock.seconds, "tokens/s",
		      w->clock.cpu_share);
}

/* Between two steps. */
static int tick(void *user)
{
	struct work *w = user;
	struct ts_engine_stats s = ts_engine_stats(w->engine);
	size_t steps = w->prefilled ? s.steps - w->prefilled : 0, later = LATER - w->length;
	if (!w->prefilled && s.asked >= w->count && s.computed >= w->count * w->length)
		w->prefilled = s.steps;
	if (w->prefilled == s.steps || steps == later)
		w->clock = bench_clock_start();
	if (!w->prefilled || (steps != STEPS && steps != later + STEPS))
		return 0;
	bench_clock_stop(&w->clock, w->bench->backend->threads);
	put(w, "decode", steps == STEPS ? w->length : LATER, (double)(STEPS * w->count));
	return steps == STEPS ? 0 : TS_ESTOPPED;
}

static void open_work(struct work *w, size_t longest)
{
	struct ts_error err = {0};
	const struct bench *b = w->bench;
	struct ts_engine_options o;
	struct ts_random_key key = ts_random_key_make(1, "bench", "ids", 3, w->count);
	int vocab = ts_model_config(b->model)->vocab_size;
	ts_engine_options_default(&o);
	o.batch = w->count;
	o.max_length = longest;
	o.kv_dtype = b->kv;
	o.share_prefixes = false;
	if (w->length > o.prefill_chunk)
		o.prefill_chunk = w->length;
	w->ids = ts_calloc(w->count * w->length, sizeof(*w->ids));
	if (!w->ids || ts_engine_new(&w->engine, b->model, NULL, &o, &err))
		bench_die("generate", &err);
	for (size_t i = 0; i < w->count * w->length; i++)
		w->ids[i] = (int32_t)(ts_random_uniform(&key, i) * vocab);
}

static void serve(struct work *w, int (*each_step)(void *))
{
	struct ts_error err = {0};
	struct ts_source source = {.user = w, .next = next, .done = done, .tick = each_step};
	int status = w->engine->run(w->engine, &source, NULL, &err);
	if (status && status != TS_ESTOPPED)
		bench_die("generate", &err);
}

static void close_work(struct work *w)
{
	w->engine->close(w->engine);
	ts_free(w->ids);
}

static void decode(const struct bench *b, size_t sequences)
{
	struct work w = {.bench = b, .count = sequences, .length = PROMPT, .most_new = MOST_NEW};
	/* Prompts are computed in turn, so the first sequences are ahead of the last. */
	open_work(&w, LATER + STEPS + sequences * PROMPT / 512 + 2);
	w.most_new = LATER + STEPS + sequences * PROMPT / 512 + 1 - PROMPT;
	serve(&w, tick);
	close_work(&w);
}

static void prefill(const struct bench *b, size_t length, int repeats)
{
	struct work w = {.bench = b, .count = 1, .length = length, .most_new = 1};
	struct bench_clock best = {0};
	open_work(&w, length + 1);
	for (int i = 0; i < repeats; i++) {
		w.next = 0;
		w.clock = bench_clock_start();
		serve(&w, NULL);
		bench_clock_stop(&w.clock, b->backend->threads);
		if (!i || w.clock.seconds < best.seconds)
			best = w.clock;
	}
	w.clock = best;
	put(&w, "prefill", length, (double)length);
	close_work(&w);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--model",       "--isa", "--threads", "--sequences", "--prefill",
					    "--temperature", "--kv",  "--repeats", NULL};
	struct ts_error err = {0};
	bench_check_options(argc, argv, names,
			    "generate [--model CHECKPOINT] [--isa ISA] [--threads N] [--sequences N,N,...] [--prefill N] "
			    "[--temperature T] [--kv f32|bf16] [--repeats N]");
	const char *dir = bench_option(argc, argv, "--model", "testbed/student"), *slash = strrchr(dir, '/');
	struct bench b = {.name = slash && slash[1] ? slash + 1 : dir, .temperature = atof(bench_option(argc, argv, "--temperature", "0"))};
	b.kv = strcmp(bench_option(argc, argv, "--kv", "f32"), "bf16") ? TS_F32 : TS_BF16;
	b.backend = bench_backend(argc, argv, "generate");
	if (ts_model_open(&b.model, b.backend, dir, NULL, &err))
		bench_die("generate", &err);
	b.csv = bench_csv_open(stdout, "generate");
	size_t length = (size_t)atol(bench_option(argc, argv, "--prefill", "512"));
	if (length)
		prefill(&b, length, atoi(bench_option(argc, argv, "--repeats", "3")));
	const char *list = bench_option(argc, argv, "--sequences", "1,8,32,64");
	for (char *end; *list; list = *end ? end + 1 : end) {
		size_t sequences = strtoul(list, &end, 10);
		if (sequences)
			decode(&b, sequences);
		if (end == list)
			break;
	}
	ts_model_close(b.model);
	ts_backend_free(b.backend);
	return 0;
}
