/* Speed of judging: guard prompts per second, as CSV (bench/csv.h).
 *
 *     build/release/bench/judge [--model CHECKPOINT] [--isa ISA] [--threads N] [--prompts 16] [--policy 400] [--own 100] [--batch 64]
 *                               [--sharing both|on|off] [--kv f32|bf16] [--numerics f32|bf16dot]
 *
 * Every prompt is a policy that all have in common and tokens of its own, random ids both; the answer is two log-probabilities, as of the
 * tokens `safe` and `unsafe`. With prefix sharing and without; `computed` is how many tokens went through the model. What is shared is
 * computed once, with the first prompt, before the clock starts: in a run it counts for thousands. */
#include "csv.h"

#include "core/mem.h"
#include "core/philox.h"
#include "generate/engine.h"
#include "model/model.h"

struct work {
	int32_t *ids; /* [1 + prompts][length] */
	size_t prompts, length, next, end;
};

static int next(void *user, struct ts_request *out)
{
	struct work *w = user;
	if (w->next == w->end)
		return 0;
	*out = (struct ts_request){
		.index = w->next, .prompt = w->ids + w->next * w->length, .prompt_len = w->length, .probe_count = 2, .probes = {0, 1}};
	w->next++;
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	(void)user;
	(void)r;
	return a->status;
}

static void measure(const struct bench_csv *csv, const struct ts_model *model, struct work *w, size_t policy,
		    const struct ts_engine_options *options, bool share, const char *name)
{
	struct ts_error err = {0};
	struct ts_backend *b = ts_model_backend(model);
	struct ts_engine_options o = *options;
	struct ts_responder *engine;
	char what[160];
	o.share_prefixes = share;
	if (ts_engine_new(&engine, model, NULL, &o, &err))
		bench_die("judge", &err);
	struct ts_source source = {.user = w, .next = next, .done = done};
	w->next = 0;
	w->end = 1;
	if (engine->run(engine, &source, NULL, &err))
		bench_die("judge", &err);
	w->end = w->prompts + 1;
	uint64_t computed = ts_engine_stats(engine).computed;
	struct bench_clock clock = bench_clock_start();
	if (engine->run(engine, &source, NULL, &err))
		bench_die("judge", &err);
	bench_clock_stop(&clock, b->threads);
	snprintf(what, sizeof(what), "model=%s prompts=%zu policy=%zu own=%zu kv=%s sharing=%s", name, w->prompts, policy,
		 w->length - policy, ts_dtype_name(o.kv_dtype), share ? "on" : "off");
	bench_csv_put(csv, bench_isa(b), b->threads, "judge", what, (double)w->prompts / clock.seconds, "prompts/s", clock.cpu_share);
	bench_csv_put(csv, bench_isa(b), b->threads, "computed", what, (double)(ts_engine_stats(engine).computed - computed), "tokens", -1);
	engine->close(engine);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--model", "--isa",   "--threads", "--prompts", "--policy",
					    "--own",   "--batch", "--sharing", "--kv",      NULL};
	struct ts_error err = {0};
	struct ts_model *model;
	bench_check_options(argc, argv, names,
			    "judge [--model CHECKPOINT] [--prompts N] [--policy N] [--own N] [--batch N] "
			    "[--sharing both|on|off] [--kv f32|bf16]" BENCH_OPTIONS);
	const char *sharing = bench_option(argc, argv, "--sharing", "both");
	const char *dir = bench_option(argc, argv, "--model", "testbed/guard"), *slash = strrchr(dir, '/');
	size_t policy = strtoul(bench_option(argc, argv, "--policy", "400"), NULL, 10);
	size_t own = strtoul(bench_option(argc, argv, "--own", "100"), NULL, 10);
	struct ts_engine_options o;
	ts_engine_options_default(&o);
	o.batch = strtoul(bench_option(argc, argv, "--batch", "64"), NULL, 10);
	o.max_length = policy + own;
	o.kv_dtype = strcmp(bench_option(argc, argv, "--kv", "f32"), "bf16") ? TS_F32 : TS_BF16;
	struct work w = {.prompts = strtoul(bench_option(argc, argv, "--prompts", "16"), NULL, 10), .length = policy + own};
	struct ts_backend *backend = bench_backend(argc, argv, "judge");
	if (ts_model_open(&model, backend, dir, NULL, &err))
		bench_die("judge", &err);
	struct ts_random_key key = ts_random_key_make(1, "bench", "judge", 5, 0);
	w.ids = ts_calloc((w.prompts + 1) * w.length, sizeof(*w.ids));
	if (!w.ids)
		return 1;
	for (size_t i = 0; i < (w.prompts + 1) * w.length; i++)
		w.ids[i] =
			(int32_t)(ts_random_uniform(&key, i % w.length < policy ? i % w.length : i) * ts_model_config(model)->vocab_size);
	struct bench_csv csv = bench_csv_open(stdout, "judge");
	for (int share = 1; share >= 0; share--)
		if (strcmp(sharing, share ? "off" : "on"))
			measure(&csv, model, &w, policy, &o, share, slash && slash[1] ? slash + 1 : dir);
	ts_free(w.ids);
	ts_model_close(model);
	ts_backend_free(backend);
	return 0;
}
