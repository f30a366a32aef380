/* Generated tokens per second of the testbed's student at batch 1, 8 and 64, and of the guard's verdicts.
 *
 *     build/release/bench/generate [CHECKPOINT [PROMPTS.json]]
 *
 * Sampling as in the recipe (T 0.6, top-p 0.95, top-k 20), answers end by themselves; prompt tokens are computed but not counted. */
#include "core/context.h"
#include "generate/engine.h"
#include "generate/prompt.h"

#include <stdio.h>
#include <stdlib.h>

struct feed {
	const struct ts_prompt *prompts;
	size_t count, next, tokens, prompt_tokens;
};

static int next(void *user, struct ts_request *out)
{
	struct feed *f = user;
	if (f->next == f->count)
		return 0;
	const struct ts_prompt *p = &f->prompts[f->next];
	*out = (struct ts_request){
		.index = f->next++, .prompt = p->ids.data, .prompt_len = p->ids.len, .sampling = {0.6, 0.95, 20, 200}, .key = p->key};
	f->prompt_tokens += p->ids.len;
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	(void)r;
	((struct feed *)user)->tokens += a->len;
	return a->status;
}

static _Noreturn void die(const struct ts_error *err)
{
	fprintf(stderr, "bench/generate: %s\n", err->message);
	exit(1);
}

static void measure(const char *dir, const struct ts_chat *chat, const struct ts_prompt *prompts, size_t count, enum ts_isa isa,
		    int threads, size_t batch)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_responder *engine;
	struct ts_engine_options o;
	int32_t stop[32];
	if (ts_backend_cpu_new(&backend, isa, threads, &err) || ts_model_open(&model, backend, dir, NULL, &err))
		die(&err);
	ts_engine_options_default(&o);
	o.batch = batch;
	o.max_length = 400;
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(model), ts_chat_eos(chat), stop, 32);
	if (ts_engine_new(&engine, model, NULL, &o, &err))
		die(&err);
	struct feed f = {prompts, batch == 1 && count > 60 ? 60 : count, 0, 0, 0};
	struct ts_source source = {.user = &f, .next = next, .done = done};
	double started = ts_clock();
	if (engine->run(engine, &source, NULL, &err))
		die(&err);
	double seconds = ts_clock() - started;
	printf("%-10s threads %d  batch %3zu  %7zu tokens in %6.2f s  %8.0f generated tokens/s  (%.0f with the prompts')\n", backend->name,
	       threads, batch, f.tokens, seconds, (double)f.tokens / seconds, (double)(f.tokens + f.prompt_tokens) / seconds);
	fflush(stdout);
	engine->close(engine);
	ts_model_close(model);
	ts_backend_free(backend);
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "testbed/student", *file = argc > 2 ? argv[2] : "testbed/prompts/harmful.json";
	struct ts_error err = {0};
	struct ts_chat *chat;
	json_t *rows, *row;
	size_t i;
	if (ts_chat_open(&chat, dir, &err) || ts_rows_load(file, &rows, &err))
		die(&err);
	size_t count = json_array_size(rows);
	struct ts_prompt *prompts = calloc(count, sizeof(*prompts));
	json_array_foreach (rows, i, row)
		if (ts_prompt_user(&prompts[i], chat, json_string_value(json_object_get(row, "instruction")), 42, "bench", 0, &err))
			die(&err);
	for (enum ts_isa isa = TS_ISA_AVX2; isa <= TS_ISA_AVX512; isa++)
		for (int threads = 1; threads <= 2; threads++)
			for (size_t batch = 1; batch <= 64; batch *= 8)
				if (ts_isa_available(isa))
					measure(dir, chat, prompts, count, isa, threads, batch);
				else
					printf("%s: not on this machine\n", ts_isa_name(isa));
	for (i = 0; i < count; i++)
		ts_prompt_release(&prompts[i]);
	free(prompts);
	json_decref(rows);
	ts_chat_close(chat);
	return 0;
}
