/* The 12 golden steps as a training run, shared by the tests of this folder. */
#ifndef TS_TESTS_GOLDEN_TRAIN_H
#define TS_TESTS_GOLDEN_TRAIN_H

#include "core/philox.h"
#include "model/golden_model.h"
#include "train/trainer.h"

enum { GOLDEN_STEPS = 12, GOLDEN_BATCH = 8, GOLDEN_ROWS = GOLDEN_STEPS * GOLDEN_BATCH };

static inline struct ts_example example_of(const json_t *row)
{
	struct ts_error err = {0};
	struct ts_example e;
	int32_t ids[512];
	uint8_t mask[512];
	size_t n = read_ids(json_object_get(row, "ids"), ids, 512), prompt = (size_t)json_integer_value(json_object_get(row, "prompt_len"));
	for (size_t i = 0; i < n; i++)
		mask[i] = i >= prompt;
	ok(ts_example_from_ids(&e, ids, mask, n, 4096, &err));
	return e;
}

/* Examples laid so that the one epoch of seed `seed` meets the golden batches in the golden order. */
static inline void golden_examples(const json_t *values, uint64_t seed, struct ts_example rows[GOLDEN_ROWS])
{
	const json_t *data = json_object_get(values, "train_data"), *steps = json_object_get(values, "train_ce");
	size_t order[GOLDEN_ROWS];
	assert_int_equal(json_array_size(steps), GOLDEN_STEPS);
	ts_random_order(seed, 0, order, GOLDEN_ROWS);
	for (size_t i = 0; i < GOLDEN_ROWS; i++) {
		const json_t *batch = json_object_get(json_array_get(steps, i / GOLDEN_BATCH), "batch");
		assert_int_equal(json_array_size(batch), GOLDEN_BATCH);
		size_t index = (size_t)json_integer_value(json_array_get(batch, i % GOLDEN_BATCH));
		rows[order[i]] = example_of(json_array_get(data, index));
	}
}

static inline void release_examples(struct ts_example *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ts_example_release(&rows[i]);
}

/* The golden run's options: one epoch, peak 1e-3, everything else the method's. */
static inline struct ts_train_options golden_options(void)
{
	struct ts_train_options o = ts_train_options_default();
	o.epochs = 1;
	o.lr = 1e-3;
	return o;
}

struct steps_seen {
	struct ts_train_step steps[64];
	size_t count;
	volatile sig_atomic_t stop;
	size_t stop_after; /* raises `stop` in that step; 0 = never */
};

static inline int record_step(void *user, const struct ts_train_step *step, struct ts_error *err)
{
	struct steps_seen *s = user;
	(void)err;
	assert_true(s->count < 64);
	s->steps[s->count++] = *step;
	if (step->step == s->stop_after)
		s->stop = 1;
	return 0;
}

/* A base and a fresh copy of the golden adapter on a backend of its own. */
struct student {
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_adapter *adapter;
};

static inline struct student student_open_isa(const char *family, int rank, enum ts_isa isa, int threads)
{
	struct student s;
	struct ts_error err = {0};
	open_model(&s.backend, &s.model, golden_path("models/%s-tiny", family), isa, threads);
	ok(ts_adapter_load(&s.adapter, s.model, golden_path("lora/%s-r%d", family, rank), &err));
	return s;
}

static inline struct student student_open(const char *family, int rank, int threads)
{
	return student_open_isa(family, rank, TS_ISA_AUTO, threads);
}

static inline void student_close(struct student *s)
{
	ts_adapter_free(s->adapter);
	ts_model_close(s->model);
	ts_backend_free(s->backend);
}

#endif
