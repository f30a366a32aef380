/* What the tests of model and train share: a golden checkpoint opened on the CPU backend, and a sequence fed through the KV cache. */
#ifndef TS_TESTS_GOLDEN_MODEL_H
#define TS_TESTS_GOLDEN_MODEL_H

#include "checkpoint/safetensors.h"
#include "core/json.h"
#include "model/adapter.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ok(expression) ok_at(expression, &err, __FILE__, __LINE__)
static inline void ok_at(int status, const struct ts_error *err, const char *file, int line)
{
	if (status)
		fail_msg("%s:%d: status %d: %s", file, line, status, err->message);
}

/* Skips, saying what is missing, only when the golden data are not there. */
static inline const char *golden_path(const char *format, ...)
{
	static char path[4][512];
	static int turn;
	char *p = path[turn++ % 4];
	int n = snprintf(p, sizeof(path[0]), "%s/golden/", TS_SHARED_DIR);
	va_list args;
	va_start(args, format);
	vsnprintf(p + n, sizeof(path[0]) - (size_t)n, format, args);
	va_end(args);
	if (access(p, F_OK)) {
		print_message("missing: %s\n", p);
		skip();
	}
	return p;
}

static inline char *temp_dir(void)
{
	static char path[64];
	strcpy(path, "/tmp/thinksafe-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	return path;
}

struct golden {
	struct ts_backend *backend;
	struct ts_model *model;
	json_t *values;            /* goldens.json */
	struct ts_tensors tensors; /* goldens.safetensors */
};

static inline void open_model(struct ts_backend **backend, struct ts_model **model, const char *dir, enum ts_isa isa, int threads)
{
	struct ts_error err = {0};
	ok(ts_backend_cpu_new(backend, isa, threads, &err));
	ok(ts_model_open(model, *backend, dir, NULL, &err));
}

static inline void golden_values(struct golden *g, const char *dir)
{
	struct ts_error err = {0};
	char path[600];
	snprintf(path, sizeof(path), "%s/goldens.json", dir);
	ok(ts_json_load(path, &g->values, &err));
	snprintf(path, sizeof(path), "%s/goldens.safetensors", dir);
	ok(ts_tensors_open(&g->tensors, path, &err));
}

static inline struct golden golden_open(const char *family)
{
	struct golden g = {0};
	const char *dir = golden_path("models/%s-tiny", family);
	open_model(&g.backend, &g.model, dir, TS_ISA_AUTO, 2);
	golden_values(&g, dir);
	return g;
}

/* The base of a LoRA golden with the LoRA golden's values. */
static inline struct golden golden_open_lora(const char *family, int rank)
{
	struct golden g = {0};
	const char *values = golden_path("lora/%s-r%d", family, rank);
	open_model(&g.backend, &g.model, golden_path("models/%s-tiny", family), TS_ISA_AUTO, 2);
	golden_values(&g, values);
	return g;
}

static inline void golden_close(struct golden *g)
{
	json_decref(g->values);
	ts_tensors_close(&g->tensors);
	ts_model_close(g->model);
	ts_backend_free(g->backend);
	*g = (struct golden){0};
}

static inline size_t read_ids(const json_t *array, int32_t *ids, size_t max)
{
	size_t n = json_array_size(array);
	assert_true(json_is_array(array) && n <= max);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
	return n;
}

static inline void copy_floats(const struct ts_tensors *file, const char *name, float *out, size_t n)
{
	const struct ts_tensor *t = ts_tensors_find(file, name);
	if (!t || t->elements != n || t->dtype != TS_F32)
		fail_msg("golden tensor %s: absent, or not %zu f32", name, n);
	memcpy(out, t->data, n * sizeof(float));
}

static inline double worst_difference(const float *a, const float *b, size_t n)
{
	double worst = 0;
	for (size_t i = 0; i < n; i++) {
		double d = (double)a[i] - (double)b[i];
		worst = d > worst ? d : -d > worst ? -d : worst;
		if (d != d)
			return 1e30;
	}
	return worst;
}

/* One sequence on its KV cache. */
enum { SESSION_ROWS = 768, SESSION_PAGES = 13 };
struct session {
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	struct ts_workspace *workspace;
	struct ts_kv_pool kv;
	int32_t pages[SESSION_PAGES];
	size_t position, length; /* length: of the text, for dynamic positions; 0 = not known */
};

static inline struct session session_open(const struct ts_model *m, const struct ts_adapter *adapter, enum ts_dtype kv)
{
	struct ts_error err = {0};
	struct session s = {.model = m, .adapter = adapter};
	ok(ts_workspace_new(&s.workspace, m, SESSION_ROWS, SESSION_ROWS, adapter ? adapter->max_rank : 0, &err));
	ok(ts_model_kv_new(m, &s.kv, SESSION_PAGES, kv, &err));
	/* Pages in a scrambled order: nothing may rest on their being neighbours. */
	for (int i = 0; i < SESSION_PAGES; i++)
		s.pages[i] = (i * 7 + 3) % SESSION_PAGES;
	return s;
}

static inline void session_close(struct session *s)
{
	ts_model_kv_free(s->model, &s->kv);
	ts_workspace_free(s->workspace);
}

/* Appends n tokens; the hidden states of all of them. */
static inline const float *session_feed(struct session *s, const int32_t *ids, size_t n)
{
	uint32_t positions[SESSION_ROWS], wanted[SESSION_ROWS];
	assert_true(n <= SESSION_ROWS);
	for (size_t i = 0; i < n; i++) {
		positions[i] = (uint32_t)(s->position + i);
		wanted[i] = (uint32_t)i;
	}
	struct ts_segment segment = {0, n, s->position, s->pages};
	struct ts_batch batch = {.rows = n,
				 .ids = ids,
				 .positions = positions,
				 .segments = &segment,
				 .segment_count = 1,
				 .kv = &s->kv,
				 .adapter = s->adapter,
				 .lengths = &s->length,
				 .wanted = wanted,
				 .wanted_count = n};
	s->position += n;
	return ts_model_forward(s->model, s->workspace, &batch);
}

/* Logits of positions [first, n), fed in chunks; the caller frees them. */
static inline float *sequence_logits(const struct ts_model *m, const struct ts_adapter *adapter, enum ts_dtype kv, const int32_t *ids,
				     size_t n, size_t first, size_t chunk)
{
	size_t vocab = (size_t)ts_model_config(m)->vocab_size;
	float *all = malloc(n * vocab * sizeof(float));
	assert_non_null(all);
	struct session s = session_open(m, adapter, kv);
	for (size_t at = 0; at < n; at += chunk) {
		size_t part = n - at < chunk ? n - at : chunk;
		const float *hidden = session_feed(&s, ids + at, part);
		ts_model_logits(m, all + at * vocab, hidden, part);
	}
	session_close(&s);
	memmove(all, all + first * vocab, (n - first) * vocab * sizeof(float));
	return all;
}

#endif
