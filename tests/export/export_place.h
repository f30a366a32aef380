/* For the tests of export: a golden model and its adapter, and a folder for what is written. */
#ifndef TS_TESTS_EXPORT_PLACE_H
#define TS_TESTS_EXPORT_PLACE_H

#include "export/export.h"
#include "model/golden_model.h"
#include "scratch.h"

static const char *const export_families[] = {"qwen3", "llama", "qwen2", "mistral"};
static const int export_ranks[] = {4, 32};

struct place {
	struct scratch scratch;
	struct ts_backend *backend;
	char model[512], adapter[512], out[600];
	struct ts_export_options options;
	struct ts_export_result result;
};

static inline void place_open(struct place *p, const char *family, int rank, const char *out, enum ts_export_type type)
{
	struct ts_error err = {0};
	*p = (struct place){0};
	snprintf(p->model, sizeof(p->model), "%s", golden_path("models/%s-tiny", family));
	snprintf(p->adapter, sizeof(p->adapter), "%s", golden_path("lora/%s-r%d", family, rank));
	assert_int_equal(scratch_open(&p->scratch), 0);
	snprintf(p->out, sizeof(p->out), "%s", scratch_path(&p->scratch, out));
	ok(ts_backend_cpu_new(&p->backend, TS_ISA_AUTO, 2, &err));
	p->options = (struct ts_export_options){
		.model = p->model, .adapter = p->adapter, .out = p->out, .type = type, .shard_bytes = 1 << 30, .program = "a test"};
}

static inline int place_export(struct place *p, struct ts_error *err)
{
	return ts_export(&p->options, p->backend, NULL, &p->result, err);
}

static inline void place_close(struct place *p)
{
	ts_backend_free(p->backend);
	scratch_close(&p->scratch);
}

#endif
