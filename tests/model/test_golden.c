/* The decoder against the golden checkpoints of four families (made by transformers in f32; see golden/README.md). */
#include "model/golden_model.h"

enum { MAX_IDS = 1024 };

static const char *const families[] = {"qwen3", "llama", "qwen2", "mistral"};
enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

#define FOR_EACH_SEQUENCE(g, i, s) json_array_foreach (json_object_get((g).values, "sequences"), i, s)

static size_t first_position(const json_t *s)
{
	return (size_t)json_integer_value(json_object_get(s, "first_position"));
}

static void check_logits(struct golden *g, const char *family, const char *tensor, const int32_t *ids, size_t n, size_t first)
{
	size_t vocab = (size_t)ts_model_config(g->model)->vocab_size, count = (n - first) * vocab;
	float *expected = malloc(count * sizeof(float)), *found = sequence_logits(g->model, NULL, TS_F32, ids, n, first, SESSION_ROWS);
	copy_floats(&g->tensors, tensor, expected, count);
	double worst = worst_difference(expected, found, count);
	if (!(worst < 2e-4))
		fail_msg("%s %s: logits differ by %g", family, tensor, worst);
	free(expected);
	free(found);
}

static void test_logits(void **state)
{
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		size_t i;
		json_t *s;
		int32_t ids[MAX_IDS];
		FOR_EACH_SEQUENCE(g, i, s)
		{
			char name[32];
			snprintf(name, sizeof(name), "logits.%zu", i);
			size_t n = read_ids(json_object_get(s, "ids"), ids, MAX_IDS);
			check_logits(&g, families[f], name, ids, n, first_position(s));
		}
		assert_int_equal(i, 5);
		golden_close(&g);
	}
}

static void test_token_logprobs(void **state)
{
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		size_t i;
		json_t *s;
		int32_t ids[MAX_IDS];
		float lse[MAX_IDS], picked[MAX_IDS];
		FOR_EACH_SEQUENCE(g, i, s)
		{
			const json_t *expected = json_object_get(s, "token_logprobs");
			size_t n = read_ids(json_object_get(s, "ids"), ids, MAX_IDS);
			assert_int_equal(json_array_size(expected), n - 1);
			struct session x = session_open(g.model, NULL, TS_F32);
			const float *hidden = session_feed(&x, ids, n);
			ts_model_target_logits(g.model, lse, picked, hidden, ids + 1, n - 1);
			for (size_t t = 0; t + 1 < n; t++) {
				double found = (double)picked[t] - (double)lse[t], want = json_number_value(json_array_get(expected, t));
				if (!(found - want < 1e-4 && want - found < 1e-4))
					fail_msg("%s sequence %zu token %zu: %.6f, expected %.6f", families[f], i, t, found, want);
			}
			session_close(&x);
		}
		golden_close(&g);
	}
}

static int32_t argmax(const float *x, size_t n)
{
	size_t best = 0;
	for (size_t i = 1; i < n; i++)
		best = x[i] > x[best] ? i : best;
	return (int32_t)best;
}

static void check_greedy(const struct ts_model *m, const char *what, const int32_t *prompt, size_t n, const json_t *expected)
{
	size_t vocab = (size_t)ts_model_config(m)->vocab_size, hidden_size = (size_t)ts_model_config(m)->hidden_size;
	float *logits = malloc(vocab * sizeof(float));
	struct session s = session_open(m, NULL, TS_F32);
	const float *hidden = session_feed(&s, prompt, n) + (n - 1) * hidden_size;
	for (size_t t = 0; t < json_array_size(expected); t++) {
		ts_model_logits(m, logits, hidden, 1);
		int32_t id = argmax(logits, vocab);
		if (id != json_integer_value(json_array_get(expected, t)))
			fail_msg("%s: greedy token %zu is %d, expected %lld", what, t, id,
				 (long long)json_integer_value(json_array_get(expected, t)));
		hidden = session_feed(&s, &id, 1);
	}
	session_close(&s);
	free(logits);
}

static void test_greedy(void **state)
{
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		const json_t *greedy = json_object_get(g.values, "greedy"), *chat = json_object_get(g.values, "chat"), *row;
		size_t i;
		int32_t ids[MAX_IDS];
		assert_true(json_array_size(greedy) > 0);
		json_array_foreach (greedy, i, row) {
			size_t n = read_ids(json_object_get(row, "prompt_ids"), ids, MAX_IDS);
			assert_int_equal(json_array_size(json_object_get(row, "continuation_ids")), 48);
			check_greedy(g.model, families[f], ids, n, json_object_get(row, "continuation_ids"));
		}
		size_t n = read_ids(json_object_get(chat, "ids"), ids, MAX_IDS);
		assert_int_equal(json_array_size(json_object_get(chat, "continuation_ids")), 24);
		check_greedy(g.model, families[f], ids, n, json_object_get(chat, "continuation_ids"));
		golden_close(&g);
	}
}

/* However a prompt is cut into chunks, the logits are the same bits. */
static void test_chunks(void **state)
{
	static const size_t chunks[] = {1, 7, 64};
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		const json_t *s = json_array_get(json_object_get(g.values, "sequences"), 3);
		int32_t ids[MAX_IDS];
		size_t n = read_ids(json_object_get(s, "ids"), ids, MAX_IDS), count = n * (size_t)ts_model_config(g.model)->vocab_size;
		float *whole = sequence_logits(g.model, NULL, TS_F32, ids, n, 0, SESSION_ROWS);
		for (size_t c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++) {
			float *parts = sequence_logits(g.model, NULL, TS_F32, ids, n, 0, chunks[c]);
			assert_memory_equal(whole, parts, count * sizeof(float));
			free(parts);
		}
		free(whole);
		golden_close(&g);
	}
}

/* Three sequences of different ages in one batch give the bits that each gives alone. */
static void test_neighbours(void **state)
{
	enum { N = 3, NEW = 5 };
	static const size_t old[N] = {0, 70, 11};
	struct golden g = golden_open("qwen3");
	struct ts_error err = {0};
	int32_t ids[MAX_IDS], rows[N * NEW], pages[N][2];
	uint32_t positions[128], wanted[128];
	struct ts_segment segments[N];
	size_t n = read_ids(json_object_get(json_array_get(json_object_get(g.values, "sequences"), 4), "ids"), ids, MAX_IDS);
	size_t hidden = (size_t)ts_model_config(g.model)->hidden_size;
	struct ts_workspace *w;
	struct ts_kv_pool kv;
	assert_true(n > 100);
	ok(ts_workspace_new(&w, g.model, 128, 128, 0, &err));
	ok(ts_model_kv_new(g.model, &kv, 2 * N, TS_F32, &err));
	for (uint32_t i = 0; i < 128; i++)
		positions[i] = wanted[i] = i;
	for (int s = 0; s < N; s++) {
		pages[s][0] = 2 * N - 1 - s;
		pages[s][1] = s;
		struct ts_segment before = {0, old[s], 0, pages[s]};
		struct ts_batch batch = {
			.rows = old[s], .ids = ids + s, .positions = positions, .segments = &before, .segment_count = 1, .kv = &kv};
		if (old[s])
			ts_model_forward(g.model, w, &batch);
	}
	for (size_t s = 0; s < N; s++) {
		segments[s] = (struct ts_segment){s * NEW, NEW, old[s], pages[s]};
		for (size_t i = 0; i < NEW; i++) {
			rows[s * NEW + i] = ids[s + old[s] + i];
			positions[s * NEW + i] = (uint32_t)(old[s] + i);
		}
	}
	struct ts_batch batch = {.rows = N * NEW,
				 .ids = rows,
				 .positions = positions,
				 .segments = segments,
				 .segment_count = N,
				 .kv = &kv,
				 .wanted = wanted,
				 .wanted_count = N * NEW};
	const float *together = ts_model_forward(g.model, w, &batch);
	for (size_t s = 0; s < N; s++) {
		struct session alone = session_open(g.model, NULL, TS_F32);
		const float *h = session_feed(&alone, ids + s, old[s] + NEW) + old[s] * hidden;
		assert_memory_equal(h, together + s * NEW * hidden, NEW * hidden * sizeof(float));
		session_close(&alone);
	}
	ts_model_kv_free(g.model, &kv);
	ts_workspace_free(w);
	golden_close(&g);
}

/* Threads and instruction sets change no bit. */
static void test_machines(void **state)
{
	struct golden g = golden_open("qwen3");
	int32_t ids[MAX_IDS];
	size_t n = read_ids(json_object_get(json_array_get(json_object_get(g.values, "sequences"), 3), "ids"), ids, MAX_IDS);
	size_t bytes = n * (size_t)ts_model_config(g.model)->vocab_size * sizeof(float);
	float *expected = sequence_logits(g.model, NULL, TS_F32, ids, n, 0, SESSION_ROWS);
	for (enum ts_isa isa = TS_ISA_PLAIN; isa <= TS_ISA_AVX512; isa++)
		for (int threads = 1; threads <= 2; threads++) {
			struct ts_backend *backend;
			struct ts_model *model;
			if (!ts_isa_available(isa))
				continue;
			open_model(&backend, &model, golden_path("models/qwen3-tiny"), isa, threads);
			float *found = sequence_logits(model, NULL, TS_F32, ids, n, 0, SESSION_ROWS);
			if (memcmp(expected, found, bytes))
				fail_msg("%s with %d threads gives other bits", ts_isa_name(isa), threads);
			free(found);
			ts_model_close(model);
			ts_backend_free(backend);
		}
	free(expected);
	golden_close(&g);
}

/* A cache in bf16 moves the logits, by less than twice what running everything in bf16 does. */
static void test_bf16_cache(void **state)
{
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		const json_t *s = json_array_get(json_object_get(g.values, "sequences"), 4);
		double limit = 2 * json_number_value(json_object_get(s, "bf16_max_abs_dev"));
		int32_t ids[MAX_IDS];
		size_t n = read_ids(json_object_get(s, "ids"), ids, MAX_IDS), count = n * (size_t)ts_model_config(g.model)->vocab_size;
		float *f32 = sequence_logits(g.model, NULL, TS_F32, ids, n, 0, SESSION_ROWS);
		float *bf16 = sequence_logits(g.model, NULL, TS_BF16, ids, n, 0, SESSION_ROWS);
		float *bf16_by_7 = sequence_logits(g.model, NULL, TS_BF16, ids, n, 0, 7);
		double moved = worst_difference(f32, bf16, count);
		if (!(moved > 0 && moved < limit))
			fail_msg("%s: a bf16 cache moves logits by %g; expected above 0 and below %g", families[f], moved, limit);
		assert_memory_equal(bf16, bf16_by_7, count * sizeof(float));
		free(f32);
		free(bf16);
		free(bf16_by_7);
		golden_close(&g);
	}
}

/* config.json as transformers 5 writes it means the same model. */
static void test_new_config_layout(void **state)
{
	static const char *const shards[] = {"model.safetensors",
					     "model.safetensors.index.json",
					     "model-00001-of-00005.safetensors",
					     "model-00002-of-00005.safetensors",
					     "model-00003-of-00005.safetensors",
					     "model-00004-of-00005.safetensors",
					     "model-00005-of-00005.safetensors"};
	for (int f = 0; f < FAMILIES; f++) {
		struct golden g = golden_open(families[f]);
		const char *source = golden_path("models/%s-tiny", families[f]);
		char *dir = temp_dir(), from[600], to[600];
		struct ts_backend *backend;
		struct ts_model *model;
		struct ts_error err = {0};
		for (size_t i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
			snprintf(from, sizeof(from), "%s/%s", source, shards[i]);
			snprintf(to, sizeof(to), "%s/%s", dir, shards[i]);
			if (!access(from, F_OK))
				assert_int_equal(symlink(from, to), 0);
		}
		snprintf(from, sizeof(from), "%s/config.v5.json", source);
		snprintf(to, sizeof(to), "%s/config.json", dir);
		assert_int_equal(symlink(from, to), 0);
		open_model(&backend, &model, dir, TS_ISA_AUTO, 1);
		int32_t ids[MAX_IDS];
		size_t n = read_ids(json_object_get(json_array_get(json_object_get(g.values, "sequences"), 3), "ids"), ids, MAX_IDS);
		float *a = sequence_logits(g.model, NULL, TS_F32, ids, n, 0, SESSION_ROWS),
		      *b = sequence_logits(model, NULL, TS_F32, ids, n, 0, SESSION_ROWS);
		assert_memory_equal(a, b, n * (size_t)ts_model_config(model)->vocab_size * sizeof(float));
		free(a);
		free(b);
		ts_model_close(model);
		ts_backend_free(backend);
		ok(ts_path_remove(dir, &err));
		golden_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits),     cmocka_unit_test(test_token_logprobs),    cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_chunks),     cmocka_unit_test(test_neighbours),        cmocka_unit_test(test_machines),
		cmocka_unit_test(test_bf16_cache), cmocka_unit_test(test_new_config_layout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
