/* What llama.cpp does in a second, through its library: one CSV line a figure, as bench/csv.h writes them.
 *
 *     llama_peer FILE.gguf THREADS decode SEQUENCESxCONTEXT,... STEPS SECONDS
 *     llama_peer FILE.gguf THREADS prefill TOKENS
 *     llama_peer FILE.gguf THREADS judge PREFIX PAIR PAIRS BATCH
 *     llama_peer --version
 *
 * decode: greedy steps after a context of CONTEXT tokens, at most STEPS of them, fewer once SECONDS of CPU time of a thread are over (never
 * below 4). The context is computed once and copied to the other sequences, each of which has a stream of its own in the cache: that is its
 * fast setting where sequences share nothing. judge: the common PREFIX is computed beforehand; BATCH pairs at a time share its cells of one
 * unified cache.
 * Built by bench/compare against the pinned version; not part of the project's own build. */
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_STEPS = 4, UNIT = 512 }; /* UNIT: most tokens computed at once, llama.cpp's default */

struct peer {
	struct llama_model *model;
	struct llama_context *context;
	struct llama_batch batch;
	int threads, vocabulary;
	unsigned seed;
};

struct watch {
	double wall, cpu;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "llama_peer: %s\n", what);
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct watch start(void)
{
	return (struct watch){now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID)};
}

static void put(const struct peer *p, const struct watch *began, const char *name, const char *parameters, double count, const char *unit)
{
	double wall = now(CLOCK_MONOTONIC) - began->wall, cpu = now(CLOCK_PROCESS_CPUTIME_ID) - began->cpu;
	printf("%s,%s,%.6g,%s,%.4f\n", name, parameters, count / wall, unit, cpu / wall / p->threads);
	fflush(stdout);
}

static void quiet(enum ggml_log_level level, const char *text, void *user)
{
	(void)user;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

/* A cache of `cells` positions for each of `sequences`; unified = one cache of `cells` that they share. */
static void open_context(struct peer *p, int sequences, int cells, bool unified)
{
	struct llama_context_params c = llama_context_default_params();
	c.n_ctx = (uint32_t)(unified ? cells : cells * sequences);
	c.n_seq_max = (uint32_t)sequences;
	c.n_batch = 4 * UNIT;
	c.n_ubatch = UNIT;
	c.n_threads = c.n_threads_batch = p->threads;
	c.kv_unified = unified;
	c.no_perf = true;
	p->context = llama_init_from_model(p->model, c);
	if (!p->context)
		die("no context");
}

static void close_context(struct peer *p)
{
	llama_free(p->context);
	p->context = NULL;
}

static llama_token random_token(struct peer *p)
{
	p->seed = p->seed * 1103515245u + 12345u;
	return (llama_token)((p->seed >> 8) % (unsigned)(p->vocabulary - 1000));
}

static void add(struct peer *p, llama_token token, int position, int sequence, bool logits)
{
	struct llama_batch *b = &p->batch;
	int i = b->n_tokens++;
	b->token[i] = token;
	b->pos[i] = position;
	b->n_seq_id[i] = 1;
	b->seq_id[i][0] = sequence;
	b->logits[i] = logits;
}

static void compute(struct peer *p)
{
	if (llama_decode(p->context, p->batch))
		die("llama_decode failed");
	llama_synchronize(p->context);
	p->batch.n_tokens = 0;
}

/* `count` random tokens of one sequence from `position` on; logits of the last, for the caller to compute. */
static void add_random(struct peer *p, int count, int position, int sequence)
{
	for (int i = 0; i < count; i++)
		add(p, random_token(p), position + i, sequence, i == count - 1);
}

static llama_token likeliest(const struct peer *p, int row)
{
	const float *logits = llama_get_logits_ith(p->context, row);
	int best = 0;
	for (int i = 1; i < p->vocabulary; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

static void step(struct peer *p, int sequences, int position, llama_token *tokens)
{
	for (int s = 0; s < sequences; s++)
		add(p, tokens[s], position, s, true);
	compute(p);
	for (int s = 0; s < sequences; s++)
		tokens[s] = likeliest(p, s);
}

static void decode(struct peer *p, int sequences, int context, int steps, double seconds)
{
	llama_token tokens[256];
	char parameters[96];
	int done = 0;
	if (sequences > 256)
		die("over 256 sequences");
	open_context(p, sequences, context + steps + 1, false);
	add_random(p, context, 0, 0);
	compute(p);
	for (int s = 1; s < sequences; s++)
		llama_memory_seq_cp(llama_get_memory(p->context), 0, s, -1, -1);
	for (int s = 0; s < sequences; s++)
		tokens[s] = random_token(p);
	step(p, sequences, context, tokens); /* not timed: the copies are made here */
	struct watch began = start();
	while (done < steps && (done < LEAST_STEPS || (now(CLOCK_PROCESS_CPUTIME_ID) - began.cpu) / p->threads < seconds))
		step(p, sequences, context + 1 + done++, tokens);
	snprintf(parameters, sizeof(parameters), "sequences=%d context=%d steps=%d", sequences, context, done);
	put(p, &began, "decode", parameters, sequences * done, "tokens/s");
	close_context(p);
}

static void prefill(struct peer *p, int tokens)
{
	char parameters[96];
	open_context(p, 1, tokens, false);
	add_random(p, 16, 0, 0);
	compute(p);
	llama_memory_clear(llama_get_memory(p->context), false);
	struct watch began = start();
	add_random(p, tokens, 0, 0);
	compute(p);
	snprintf(parameters, sizeof(parameters), "tokens=%d", tokens);
	put(p, &began, "prefill", parameters, tokens, "tokens/s");
	close_context(p);
}

static void judge(struct peer *p, int prefix, int pair, int pairs, int batch)
{
	char parameters[96];
	open_context(p, batch + 1, prefix + batch * pair, true);
	llama_memory_t memory = llama_get_memory(p->context);
	add_random(p, prefix, 0, 0);
	compute(p);
	struct watch began = start();
	for (int at = 0; at < pairs; at += batch) {
		int count = pairs - at < batch ? pairs - at : batch;
		for (int s = 1; s <= count; s++) {
			llama_memory_seq_cp(memory, 0, s, -1, -1);
			add_random(p, pair, prefix, s);
		}
		compute(p);
		for (int s = 1; s <= count; s++) {
			likeliest(p, s * pair - 1);
			llama_memory_seq_rm(memory, s, -1, -1);
		}
	}
	snprintf(parameters, sizeof(parameters), "prefix=%d pair=%d pairs=%d", prefix, pair, pairs);
	put(p, &began, "judge", parameters, pairs, "prompts/s");
	close_context(p);
}

static void run(struct peer *p, int argc, char **argv)
{
	const char *what = argc > 3 ? argv[3] : "";
	if (!strcmp(what, "decode") && argc == 7) {
		int sequences, context, read = 0;
		for (const char *at = argv[4]; sscanf(at, "%dx%d%n", &sequences, &context, &read) == 2; at += read + (at[read] == ','))
			decode(p, sequences, context, atoi(argv[5]), atof(argv[6]));
	} else if (!strcmp(what, "prefill") && argc == 5) {
		prefill(p, atoi(argv[4]));
	} else if (!strcmp(what, "judge") && argc == 8) {
		judge(p, atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), atoi(argv[7]));
	} else {
		die("usage: llama_peer FILE.gguf THREADS decode|prefill|judge ...");
	}
}

int main(int argc, char **argv)
{
	struct peer p = {.threads = argc > 2 ? atoi(argv[2]) : 1, .seed = 1};
	struct llama_model_params how = llama_model_default_params();
	llama_log_set(quiet, NULL);
	llama_backend_init();
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("%s, ggml %s, " HOW ", gcc " __VERSION__ "\n", llama_version(), ggml_commit());
		return 0;
	}
	p.model = argc > 1 ? llama_model_load_from_file(argv[1], how) : NULL;
	if (!p.model)
		die("no model");
	p.vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(p.model));
	p.batch = llama_batch_init(4 * UNIT, 0, 1);
	puts("name,case,value,unit,cpu_share");
	run(&p, argc, argv);
	llama_batch_free(p.batch);
	llama_model_free(p.model);
	llama_backend_free();
	return 0;
}
