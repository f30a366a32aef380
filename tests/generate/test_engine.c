/* One answer, whatever the engine does around it: batch, threads, chunk, order, a starved pool, a restart. The model is the
 * reference's tiny Qwen3 with its random weights, the testbed's student where there is one; greedy answers are the reference's. */
#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"
#include "generate/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TINY TS_SHARED_DIR "/golden/models/qwen3-tiny"
enum { PROMPTS = 90, MAX_NEW = 40 };

struct fixture {
	int32_t prompts[PROMPTS][200];
	size_t lengths[PROMPTS];
};

struct collected {
	TS_VEC(int32_t) ids[PROMPTS];
	enum ts_finish finish[PROMPTS];
	int done[PROMPTS];
};

struct feed {
	const struct fixture *f;
	const size_t *order;
	size_t count, next, stop_after, served;
	struct ts_sampling sampling;
	bool ignore_eos;
	struct collected *out;
	volatile sig_atomic_t stop;
};

/* Lengths from 1 to 190, so that prompts cross pages and chunks; ids from a fixed stream. */
static void make_prompts(struct fixture *f, int vocab)
{
	struct ts_random_key key = ts_random_key_make(1, "test", "prompts", 7, 0);
	size_t draw = 0;
	for (size_t p = 0; p < PROMPTS; p++) {
		f->lengths[p] = 1 + (size_t)(ts_random_uniform(&key, draw++) * (p % 5 ? 60 : 190));
		for (size_t i = 0; i < f->lengths[p]; i++)
			f->prompts[p][i] = (int32_t)(ts_random_uniform(&key, draw++) * vocab);
	}
}

static int next(void *user, struct ts_request *r)
{
	struct feed *feed = user;
	while (feed->next < feed->count && feed->out->done[feed->order[feed->next]])
		feed->next++;
	if (feed->next == feed->count)
		return 0;
	size_t p = feed->order[feed->next++];
	*r = (struct ts_request){.index = p,
				 .prompt = feed->f->prompts[p],
				 .prompt_len = feed->f->lengths[p],
				 .sampling = feed->sampling,
				 .ignore_eos = feed->ignore_eos,
				 .key = ts_random_key_make(42, "generate", feed->f->prompts[p], feed->f->lengths[p] * sizeof(int32_t), 0)};
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	struct feed *feed = user;
	assert_int_equal(a->status, 0);
	assert_false(feed->out->done[r->index]);
	feed->out->done[r->index] = 1;
	feed->out->finish[r->index] = a->finish;
	for (size_t i = 0; i < a->len; i++)
		assert_int_equal(ts_vec_push(&feed->out->ids[r->index], a->ids[i]), 0);
	if (++feed->served == feed->stop_after)
		feed->stop = 1;
	return 0;
}

static void release(struct collected *c)
{
	for (size_t p = 0; p < PROMPTS; p++)
		ts_vec_release(&c->ids[p]);
}

struct variant {
	const char *name;
	size_t batch, chunk, pages;
	int threads;
	enum ts_isa isa;
	bool reversed;
	size_t stop_after; /* stop there once, then go on with a new engine */
	enum ts_dtype kv;
};

static void run_variant(const char *dir, const struct fixture *f, const struct variant *v, struct collected *out)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	size_t order[PROMPTS];
	*out = (struct collected){0};
	assert_int_equal(ts_backend_cpu_new(&backend, v->isa, v->threads, &err), 0);
	assert_int_equal(ts_model_open(&model, backend, dir, NULL, &err), 0);
	for (size_t i = 0; i < PROMPTS; i++)
		order[i] = v->reversed ? PROMPTS - 1 - i : i;
	for (int start = 0; start < (v->stop_after ? 2 : 1); start++) {
		struct ts_engine_options o;
		struct ts_responder *engine;
		int32_t stop[32];
		struct feed feed = {.f = f,
				    .order = order,
				    .count = PROMPTS,
				    .sampling = {0.9, 0.95, 20, MAX_NEW},
				    .out = out,
				    .stop_after = start ? 0 : v->stop_after};
		struct ts_context context = {.stop = &feed.stop};
		struct ts_source source = {.user = &feed, .next = next, .done = done};
		ts_engine_options_default(&o);
		o.batch = v->batch;
		o.prefill_chunk = v->chunk;
		o.kv_pages = v->pages;
		o.max_length = 240;
		o.kv_dtype = v->kv;
		o.stop_ids = stop;
		o.stop_count = ts_engine_stop_ids(ts_model_config(model), -1, stop, 32);
		assert_int_equal(ts_engine_new(&engine, model, NULL, &o, &err), 0);
		int status = engine->run(engine, &source, &context, &err);
		assert_int_equal(status, feed.stop_after ? TS_ESTOPPED : 0);
		engine->close(engine);
	}
	ts_model_close(model);
	ts_backend_free(backend);
}

static void assert_same(const struct collected *a, const struct collected *b, const char *name)
{
	for (size_t p = 0; p < PROMPTS; p++) {
		assert_true(b->done[p]);
		if (a->ids[p].len != b->ids[p].len || memcmp(a->ids[p].data, b->ids[p].data, a->ids[p].len * sizeof(int32_t)) ||
		    a->finish[p] != b->finish[p])
			fail_msg("%s: the answer to prompt %zu differs", name, p);
	}
}

static void check_variants(const char *dir, int vocab, enum ts_dtype kv)
{
	static struct fixture f;
	const struct variant reference = {"batch 7", 7, 64, 0, 1, TS_ISA_AUTO, false, 0, kv};
	const struct variant variants[] = {
		{"batch 1", 1, 64, 0, 1, TS_ISA_AUTO, false, 0, kv},
		{"batch 64", 64, 64, 0, 1, TS_ISA_AUTO, false, 0, kv},
		{"two threads", 64, 64, 0, 2, TS_ISA_AUTO, false, 0, kv},
		{"chunk 1", 7, 1, 0, 1, TS_ISA_AUTO, false, 0, kv},
		{"chunk 512", 64, 512, 0, 2, TS_ISA_AUTO, false, 0, kv},
		{"any order", 7, 64, 0, 1, TS_ISA_AUTO, true, 0, kv},
		{"a starved pool", 16, 64, 5, 1, TS_ISA_AUTO, false, 0, kv},
		{"a starved pool, chunk 512", 64, 512, 7, 2, TS_ISA_AUTO, true, 0, kv},
		{"a restart", 7, 64, 0, 1, TS_ISA_AUTO, false, 31, kv},
		{"plain kernels", 64, 64, 0, 2, TS_ISA_PLAIN, false, 0, kv},
		{"avx2", 7, 64, 0, 1, TS_ISA_AVX2, false, 0, kv},
		{"avx512", 7, 64, 0, 1, TS_ISA_AVX512, false, 0, kv},
	};
	struct collected expected, got;
	make_prompts(&f, vocab);
	run_variant(dir, &f, &reference, &expected);
	size_t tokens = 0, stopped = 0;
	for (size_t p = 0; p < PROMPTS; p++) {
		tokens += expected.ids[p].len;
		stopped += expected.finish[p] == TS_FINISH_STOP;
	}
	print_message("%s: %zu tokens, %zu of %d answers end by themselves\n", dir, tokens, stopped, PROMPTS);
	assert_true(tokens > PROMPTS * 5);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		if (!ts_isa_available(variants[i].isa)) {
			print_message("skipped on this machine: %s\n", variants[i].name);
			continue;
		}
		run_variant(dir, &f, &variants[i], &got);
		assert_same(&expected, &got, variants[i].name);
		release(&got);
	}
	release(&expected);
}

static void test_same_bytes(void **state)
{
	if (!ts_dir_exists(TINY)) {
		print_message("absent: %s\n", TINY);
		skip();
	}
	check_variants(TINY, 512, TS_F32);
	check_variants(TINY, 512, TS_BF16);
}

static void test_same_bytes_testbed(void **state)
{
	check_variants(TS_SOURCE_DIR "/testbed/student", 1280, TS_F32);
}

/* The engine's greedy answers are transformers'. */
static void check_greedy(const char *dir)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_responder *engine;
	struct ts_engine_options o;
	json_t *golden = NULL;
	char path[512];
	size_t i, k;
	const json_t *g, *v;
	static struct fixture f;
	struct collected got = {0};
	size_t order[PROMPTS];
	snprintf(path, sizeof(path), "%s/goldens.json", dir);
	if (!ts_file_exists(path)) {
		print_message("absent: %s\n", path);
		skip();
	}
	assert_int_equal(ts_json_load(path, &golden, &err), 0);
	const json_t *greedy = json_object_get(golden, "greedy");
	json_array_foreach (greedy, i, g) {
		order[i] = i;
		f.lengths[i] = json_array_size(json_object_get(g, "prompt_ids"));
		assert_true(f.lengths[i] <= 200);
		json_array_foreach (json_object_get(g, "prompt_ids"), k, v)
			f.prompts[i][k] = (int32_t)json_integer_value(v);
	}
	size_t count = json_array_size(greedy);
	assert_true(count > 0);
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 2, &err), 0);
	assert_int_equal(ts_model_open(&model, backend, dir, NULL, &err), 0);
	ts_engine_options_default(&o);
	assert_int_equal(ts_engine_new(&engine, model, NULL, &o, &err), 0);
	struct feed feed = {.f = &f, .order = order, .count = count, .sampling = {0, 1, 0, 48}, .ignore_eos = true, .out = &got};
	struct ts_source source = {.user = &feed, .next = next, .done = done};
	assert_int_equal(engine->run(engine, &source, NULL, &err), 0);
	json_array_foreach (greedy, i, g) {
		const json_t *expected = json_object_get(g, "continuation_ids");
		assert_int_equal(got.ids[i].len, json_array_size(expected));
		json_array_foreach (expected, k, v)
			assert_int_equal(got.ids[i].data[k], json_integer_value(v));
	}
	release(&got);
	engine->close(engine);
	ts_model_close(model);
	ts_backend_free(backend);
	json_decref(golden);
}

static void test_greedy(void **state)
{
	check_greedy(TS_SHARED_DIR "/golden/models/qwen3-tiny");
	check_greedy(TS_SHARED_DIR "/golden/models/llama-tiny");
}

/* What cannot be served is refused with the numbers. */
static void test_refusals(void **state)
{
	struct ts_error err = {0};
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_responder *engine;
	struct ts_engine_options o;
	static struct fixture f;
	struct collected got = {0};
	size_t order[1] = {0};
	if (!ts_dir_exists(TINY)) {
		print_message("absent: %s\n", TINY);
		skip();
	}
	assert_int_equal(ts_backend_cpu_new(&backend, TS_ISA_AUTO, 1, &err), 0);
	assert_int_equal(ts_model_open(&model, backend, TINY, NULL, &err), 0);
	ts_engine_options_default(&o);
	o.kv_pages = 1;
	assert_int_equal(ts_engine_new(&engine, model, NULL, &o, &err), 0);
	struct feed feed = {.f = &f, .order = order, .count = 1, .sampling = {0, 1, 0, 100}, .out = &got};
	struct ts_source source = {.user = &feed, .next = next, .done = done};
	f.lengths[0] = 3;
	assert_int_equal(engine->run(engine, &source, NULL, &err), TS_ELIMIT);
	assert_non_null(strstr(err.message, "103 tokens"));
	f.prompts[0][1] = 528;
	feed.next = 0;
	err = (struct ts_error){0};
	assert_int_equal(engine->run(engine, &source, NULL, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "528"));
	f.lengths[0] = 0;
	feed.next = 0;
	err = (struct ts_error){0};
	assert_int_equal(engine->run(engine, &source, NULL, &err), TS_ELIMIT);
	engine->close(engine);
	ts_model_close(model);
	ts_backend_free(backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_same_bytes_testbed),
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
