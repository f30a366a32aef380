/* Speed of the local responder where it is compared with others (bench/compare): random ids, nothing in common unless said.
 *
 *     bench/respond --model DIR --decode SEQUENCESxCONTEXT,... [--steps 32] [--seconds 4] [--kv-dtype f32|bf16]
 *                   [--isa NAME] [--threads 1]
 *     bench/respond --model DIR --prefill TOKENS
 *     bench/respond --model DIR --judge PREFIX,PAIR,PAIRS
 *
 * Decoding is timed from the step after which every sequence has its first token: at most --steps steps, fewer once --seconds of CPU
 * time of a thread are over (never below 4). Judging reads two probabilities after each pair; the
 * common prefix and a first pair are computed beforehand. */
#include "csv.h"
#include "core/mem.h"
#include "generate/engine.h"

enum { LEAST_STEPS = 4, MOST = 256, LONGEST = 1 << 20, WARM = 16 };

struct bench {
	struct bench_csv csv;
	struct ts_backend *backend;
	struct ts_model *model;
	enum ts_dtype kv;
	int steps;
	double seconds;
};

struct feed {
	const struct bench *bench;
	int32_t *ids; /* [count × length] */
	size_t count, length, next, max_tokens, probes;
	/* decoding */
	size_t begun, tokens;
	bool started[MOST];
	struct bench_clock clock;
};

static int next(void *user, struct ts_request *out)
{
	struct feed *f = user;
	if (f->next == f->count)
		return 0;
	*out = (struct ts_request){.index = f->next,
				   .prompt = f->ids + f->next * f->length,
				   .prompt_len = f->length,
				   .sampling = {0, 1, 0, f->max_tokens},
				   .key = ts_random_key_make(1, "bench", "", (uint32_t)f->next, 0),
				   .ignore_eos = true,
				   .probe_count = (int)f->probes,
				   .probes = {1, 2}};
	f->next++;
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	(void)user;
	(void)r;
	return a->status;
}

/* Stops the run when enough steps are timed. */
static int token(void *user, const struct ts_request *r, int32_t id)
{
	struct feed *f = user;
	(void)id;
	if (f->begun < f->count) {
		f->begun += !f->started[r->index];
		f->started[r->index] = true;
		f->tokens = 0;
		f->clock = bench_clock_start();
		return 0;
	}
	if (++f->tokens % f->count)
		return 0;
	size_t steps = f->tokens / f->count;
	double cpu = bench_cpu_() - f->clock.cpu_share;
	if (steps < (size_t)f->bench->steps && (steps < LEAST_STEPS || cpu / f->bench->backend->threads < f->bench->seconds))
		return 0;
	bench_clock_stop(&f->clock, f->bench->backend->threads);
	return TS_ESTOPPED;
}

static void random_ids(struct feed *f, size_t common, size_t vocab)
{
	struct ts_random_key key = ts_random_key_make(1, "bench ids", "", 0, 0);
	f->ids = ts_calloc(f->count * f->length, sizeof(*f->ids));
	if (!f->ids)
		exit(1);
	for (size_t r = 0; r < f->count; r++)
		for (size_t i = 0; i < f->length; i++)
			f->ids[r * f->length + i] = (int32_t)(ts_random_uniform(&key, (i < common ? 0 : r) * LONGEST + i) * (double)vocab);
}

static struct ts_responder *open_engine(const struct bench *b, size_t sequences, size_t length)
{
	struct ts_error err = {0};
	struct ts_engine_options o;
	struct ts_responder *engine;
	ts_engine_options_default(&o);
	o.batch = sequences;
	o.max_length = length;
	o.kv_dtype = b->kv;
	if (ts_engine_new(&engine, b->model, NULL, &o, &err))
		bench_die("respond", &err);
	return engine;
}

static void serve(struct ts_responder *engine, struct feed *f, bool decoding)
{
	struct ts_error err = {0};
	struct ts_source source = {.user = f, .next = next, .done = done, .token = decoding ? token : NULL};
	int status = engine->run(engine, &source, NULL, &err);
	if (status && !(decoding && status == TS_ESTOPPED))
		bench_die("respond", &err);
}

static void put(const struct bench *b, const char *name, const char *parameters, double count, const char *unit,
		const struct bench_clock *c)
{
	bench_csv_put(&b->csv, bench_isa(b->backend), b->backend->threads, name, parameters, count / c->seconds, unit, c->cpu_share);
}

static _Noreturn void sequences_wrong(size_t found)
{
	fprintf(stderr, "bench/respond: --decode: expected 1 to %d sequences, found %zu\n", MOST, found);
	exit(2);
}

/* Tokens that a sequence may get: those whose prompts come first get ahead of the last, by a step for each chunk of prompts. */
static size_t room_for(const struct bench *b, size_t sequences, size_t context)
{
	struct ts_engine_options o;
	ts_engine_options_default(&o);
	return (size_t)b->steps + 2 + sequences * ((context + o.prefill_chunk - 1) / o.prefill_chunk);
}

static void decode(const struct bench *b, struct ts_responder *engine, size_t sequences, size_t context)
{
	char parameters[96];
	struct feed f = {.bench = b, .count = sequences, .length = context, .max_tokens = room_for(b, sequences, context)};
	random_ids(&f, 0, (size_t)ts_model_config(b->model)->vocab_size);
	serve(engine, &f, true);
	snprintf(parameters, sizeof(parameters), "sequences=%zu context=%zu steps=%zu", sequences, context, f.tokens / sequences);
	put(b, "decode", parameters, (double)f.tokens, "tokens/s", &f.clock);
	ts_free(f.ids);
}

/* The next SEQUENCESxCONTEXT of a list; false at its end. */
static bool next_pair(const char **list, size_t *sequences, size_t *context)
{
	int read = 0;
	if (sscanf(*list, "%zux%zu%n", sequences, context, &read) < 2)
		return false;
	*list += read + ((*list)[read] == ',');
	if (!*sequences || *sequences > MOST)
		sequences_wrong(*sequences);
	return true;
}

/* One engine for all: a shorter text is the beginning of a longer one, which the engine knows already when the longest come first. */
static void decode_all(const struct bench *b, const char *list)
{
	size_t sequences, context, most = 0, longest = 0;
	for (const char *at = list; next_pair(&at, &sequences, &context);) {
		most = sequences > most ? sequences : most;
		longest = context > longest ? context : longest;
	}
	if (!most)
		return;
	struct ts_responder *engine = open_engine(b, most, longest + room_for(b, most, longest));
	for (const char *at = list; next_pair(&at, &sequences, &context);)
		decode(b, engine, sequences, context);
	engine->close(engine);
}

static void prefill(const struct bench *b, size_t tokens)
{
	char parameters[96];
	struct feed f = {.bench = b, .count = 1, .length = tokens, .probes = 1};
	random_ids(&f, 0, (size_t)ts_model_config(b->model)->vocab_size);
	struct feed warm = {.bench = b, .count = 1, .length = WARM, .probes = 1, .ids = f.ids + tokens - WARM};
	struct ts_responder *engine = open_engine(b, 1, tokens + 1);
	serve(engine, &warm, false);
	f.clock = bench_clock_start();
	serve(engine, &f, false);
	bench_clock_stop(&f.clock, b->backend->threads);
	snprintf(parameters, sizeof(parameters), "tokens=%zu", tokens);
	put(b, "prefill", parameters, (double)tokens, "tokens/s", &f.clock);
	engine->close(engine);
	ts_free(f.ids);
}

static void judge(const struct bench *b, size_t prefix, size_t pair, size_t pairs)
{
	char parameters[96];
	struct feed f = {.bench = b, .count = pairs + 1, .length = prefix + pair, .probes = 2};
	random_ids(&f, prefix, (size_t)ts_model_config(b->model)->vocab_size);
	struct feed first = {.bench = b, .count = 1, .length = f.length, .probes = 2, .ids = f.ids};
	struct ts_responder *engine = open_engine(b, 8, f.length + 1);
	serve(engine, &first, false);
	f.next = 1;
	f.clock = bench_clock_start();
	serve(engine, &f, false);
	bench_clock_stop(&f.clock, b->backend->threads);
	snprintf(parameters, sizeof(parameters), "prefix=%zu pair=%zu pairs=%zu", prefix, pair, pairs);
	put(b, "judge", parameters, (double)pairs, "prompts/s", &f.clock);
	engine->close(engine);
	ts_free(f.ids);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--model",   "--decode",   "--prefill", "--judge",   "--steps",
					    "--seconds", "--kv-dtype", "--isa",     "--threads", NULL};
	bench_check_options(argc, argv, names,
			    "respond --model DIR --decode 8x128,...|--prefill TOKENS|--judge PREFIX,PAIR,PAIRS [options]");
	const char *dir = bench_option(argc, argv, "--model", "testbed/student");
	struct ts_error err = {0};
	struct bench b = {.steps = atoi(bench_option(argc, argv, "--steps", "32")),
			  .seconds = atof(bench_option(argc, argv, "--seconds", "4"))};
	size_t x, y, z;
	b.backend = bench_backend(argc, argv, "respond");
	const char *kv = bench_option(argc, argv, "--kv-dtype", "f32");
	if (strcmp(kv, "f32") && strcmp(kv, "bf16")) {
		fprintf(stderr, "bench/respond: --kv-dtype: expected f32 or bf16, found \"%s\"\n", kv);
		return 2;
	}
	b.kv = !strcmp(kv, "bf16") ? TS_BF16 : TS_F32;
	if (ts_model_open(&b.model, b.backend, dir, NULL, &err))
		bench_die("respond", &err);
	b.csv = bench_csv_open(stdout, "respond");
	decode_all(&b, bench_option(argc, argv, "--decode", ""));
	if ((x = (size_t)atol(bench_option(argc, argv, "--prefill", "0"))))
		prefill(&b, x);
	if (sscanf(bench_option(argc, argv, "--judge", ""), "%zu,%zu,%zu", &x, &y, &z) == 3)
		judge(&b, x, y, z);
	ts_model_close(b.model);
	ts_backend_free(b.backend);
	return 0;
}
