/* Speed of generation: tokens of prompts and of answers per second, as CSV (bench/csv.h).
 *
 *     build/release/bench/generate [--model CHECKPOINT] [--decode SEQUENCESxCONTEXT,...] [--prefill 512] [--steps 32] [--seconds S]
 *                                  [--temperature T] [--kv f32|bf16] [--repeats 3] [--isa ISA] [--threads N] [--numerics f32|bf16dot]
 *
 * decode: steps of so many sequences after prompts of so many random tokens, timed from the step on after which every sequence has its first
 * token: --steps of them, fewer once --seconds of CPU time of a thread are over, never below 4. prefill: one prompt of so many tokens, the
 * best of a few; 0 = none. Answers do not end by themselves. At temperature 0 (the default) the largest logit is taken; at another one top-p
 * is 0.95 and top-k 20. No two prompts of a figure have anything in common, but a shorter one is the beginning of a longer one: with the
 * longest first, the engine computes each once. */
#include "csv.h"

#include "core/mem.h"
#include "core/philox.h"
#include "generate/engine.h"
#include "model/model.h"

enum { LEAST_STEPS = 4, MOST = 256, LONGEST = 1 << 20 };

struct bench {
	struct bench_csv csv;
	struct ts_backend *backend;
	struct ts_model *model;
	const char *name; /* of the model */
	enum ts_dtype kv;
	double temperature, seconds;
	size_t steps;
};

/* The requests of one figure. */
struct work {
	const struct bench *bench;
	int32_t *ids; /* [count × length] */
	size_t count, length, next, most_new;
	bool begun[MOST];   /* sequences with a token */
	size_t begun_count; /* of them */
	size_t tokens;      /* since all have one */
	struct bench_clock clock;
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

/* Starts the clock when every sequence has a token, stops the run when enough steps are timed. */
static int token(void *user, const struct ts_request *r, int32_t id)
{
	struct work *w = user;
	const struct bench *b = w->bench;
	(void)id;
	if (w->begun_count < w->count) {
		w->begun_count += !w->begun[r->index];
		w->begun[r->index] = true;
		w->clock = bench_clock_start();
		return 0;
	}
	if (++w->tokens % w->count)
		return 0;
	size_t steps = w->tokens / w->count;
	double cpu = bench_cpu_() - w->clock.cpu_share;
	if (steps < b->steps && (steps < LEAST_STEPS || cpu / b->backend->threads < b->seconds))
		return 0;
	bench_clock_stop(&w->clock, b->backend->threads);
	return TS_ESTOPPED;
}

static void put(const struct work *w, const char *name, const char *more, double tokens)
{
	char what[192];
	const struct bench *b = w->bench;
	snprintf(what, sizeof(what), "model=%s sequences=%zu context=%zu kv=%s temperature=%g%s", b->name, w->count, w->length,
		 ts_dtype_name(b->kv), b->temperature, more);
	bench_csv_put(&b->csv, bench_isa(b->backend), b->backend->threads, name, what, tokens / w->clock.seconds, "tokens/s",
		      w->clock.cpu_share);
}

static void make_ids(struct work *w)
{
	struct ts_random_key key = ts_random_key_make(1, "bench", "ids", 3, 0);
	int vocab = ts_model_config(w->bench->model)->vocab_size;
	w->ids = ts_calloc(w->count * w->length, sizeof(*w->ids));
	if (!w->ids)
		exit(1);
	for (size_t r = 0; r < w->count; r++)
		for (size_t i = 0; i < w->length; i++)
			w->ids[r * w->length + i] = (int32_t)(ts_random_uniform(&key, r * LONGEST + i) * vocab);
}

static struct ts_responder *open_engine(const struct bench *b, size_t sequences, size_t longest, bool share)
{
	struct ts_error err = {0};
	struct ts_engine_options o;
	struct ts_responder *engine;
	ts_engine_options_default(&o);
	o.batch = sequences;
	o.max_length = longest;
	o.kv_dtype = b->kv;
	o.share_prefixes = share;
	if (sequences == 1 && longest > o.prefill_chunk)
		o.prefill_chunk = longest;
	if (ts_engine_new(&engine, b->model, NULL, &o, &err))
		bench_die("generate", &err);
	return engine;
}

static void serve(struct ts_responder *engine, struct work *w, int (*each_token)(void *, const struct ts_request *, int32_t))
{
	struct ts_error err = {0};
	struct ts_source source = {.user = w, .next = next, .done = done, .token = each_token};
	int status = engine->run(engine, &source, NULL, &err);
	if (status && status != TS_ESTOPPED)
		bench_die("generate", &err);
}

/* Tokens that a sequence may get: those whose prompts come first get ahead of the last, by a step for each chunk of prompts. */
static size_t room_for(const struct bench *b, size_t sequences, size_t context)
{
	struct ts_engine_options o;
	ts_engine_options_default(&o);
	return b->steps + 2 + sequences * ((context + o.prefill_chunk - 1) / o.prefill_chunk);
}

static void decode(const struct bench *b, struct ts_responder *engine, size_t sequences, size_t context)
{
	char steps[32];
	struct work w = {.bench = b, .count = sequences, .length = context, .most_new = room_for(b, sequences, context)};
	make_ids(&w);
	serve(engine, &w, token);
	snprintf(steps, sizeof(steps), " steps=%zu", w.tokens / w.count);
	put(&w, "decode", steps, (double)w.tokens);
	ts_free(w.ids);
}

/* The next SEQUENCESxCONTEXT of a list; false at its end. */
static bool next_pair(const char **list, size_t *sequences, size_t *context)
{
	int read = 0;
	if (!**list)
		return false;
	if (sscanf(*list, "%zux%zu%n", sequences, context, &read) < 2 || !*sequences || *sequences > MOST || !*context ||
	    *context >= LONGEST) {
		fprintf(stderr, "bench/generate: --decode: expected pairs like 8x128, of up to %d sequences, found \"%s\"\n", MOST, *list);
		exit(2);
	}
	*list += read + ((*list)[read] == ',');
	return true;
}

static void decode_all(const struct bench *b, const char *list)
{
	size_t sequences, context, most = 0, longest = 0;
	for (const char *at = list; next_pair(&at, &sequences, &context);) {
		most = sequences > most ? sequences : most;
		longest = context > longest ? context : longest;
	}
	if (!most)
		return;
	struct ts_responder *engine = open_engine(b, most, longest + room_for(b, most, longest), true);
	for (const char *at = list; next_pair(&at, &sequences, &context);)
		decode(b, engine, sequences, context);
	engine->close(engine);
}

static void prefill(const struct bench *b, size_t length, int repeats)
{
	struct work w = {.bench = b, .count = 1, .length = length, .most_new = 1};
	struct bench_clock best = {0};
	struct ts_responder *engine = open_engine(b, 1, length + 1, false);
	make_ids(&w);
	for (int i = 0; i < repeats; i++) {
		w.next = 0;
		w.clock = bench_clock_start();
		serve(engine, &w, NULL);
		bench_clock_stop(&w.clock, b->backend->threads);
		if (!i || w.clock.seconds < best.seconds)
			best = w.clock;
	}
	w.clock = best;
	put(&w, "prefill", "", (double)length);
	engine->close(engine);
	ts_free(w.ids);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--model",       "--decode", "--prefill", "--steps", "--seconds",
					    "--temperature", "--kv",     "--repeats", NULL};
	struct ts_error err = {0};
	bench_check_options(argc, argv, names,
			    "generate [--model CHECKPOINT] [--decode SEQUENCESxCONTEXT,...] [--prefill N] [--steps N] [--seconds S] "
			    "[--temperature T] [--kv f32|bf16] [--repeats N]" BENCH_OPTIONS);
	const char *dir = bench_option(argc, argv, "--model", "testbed/student"), *slash = strrchr(dir, '/');
	struct bench b = {.name = slash && slash[1] ? slash + 1 : dir,
			  .temperature = atof(bench_option(argc, argv, "--temperature", "0")),
			  .seconds = atof(bench_option(argc, argv, "--seconds", "1e9")),
			  .steps = strtoul(bench_option(argc, argv, "--steps", "32"), NULL, 10)};
	b.kv = strcmp(bench_option(argc, argv, "--kv", "f32"), "bf16") ? TS_F32 : TS_BF16;
	b.backend = bench_backend(argc, argv, "generate");
	if (ts_model_open(&b.model, b.backend, dir, NULL, &err))
		bench_die("generate", &err);
	b.csv = bench_csv_open(stdout, "generate");
	size_t length = strtoul(bench_option(argc, argv, "--prefill", "512"), NULL, 10);
	if (length)
		prefill(&b, length, atoi(bench_option(argc, argv, "--repeats", "3")));
	decode_all(&b, bench_option(argc, argv, "--decode", "64x256,32x256,8x256,1x256,64x128,32x128,8x128,1x128"));
	ts_model_close(b.model);
	ts_backend_free(b.backend);
	return 0;
}
