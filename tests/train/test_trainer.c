/* Training against the golden 12 steps, and what must not change a bit: passes, kept layers, threads. */
#include "train/golden_train.h"

static const struct {
	const char *family;
	int rank;
} runs[] = {{"qwen3", 4}, {"qwen3", 32}, {"llama", 4}, {"llama", 32}, {"qwen2", 4}, {"qwen2", 32}, {"mistral", 4}, {"mistral", 32}};

static double golden(const json_t *row, const char *key)
{
	const json_t *v = json_object_get(row, key);
	assert_true(json_is_number(v));
	return json_number_value(v);
}

static bool near(double found, double want, double relative)
{
	double d = found - want, limit = relative * (want < 0 ? -want : want);
	return d <= limit && -d <= limit;
}

static void check_final(const struct ts_adapter *a, const char *family, int rank)
{
	struct ts_error err = {0};
	struct ts_tensors file = {0};
	float *expected = calloc(a->count, sizeof(float));
	ok(ts_tensors_open(&file, golden_path("lora/%s-r%d/final_ce.safetensors", family, rank), &err));
	for (int l = 0; l < a->layers; l++)
		for (int t = 0; t < TS_TARGETS; t++) {
			const struct ts_slot *s = ts_adapter_slot(a, l, t);
			char key[160];
			for (const char *w = "AB"; s && *w; w++) {
				assert_int_equal(ts_adapter_key(a, l, t, *w, key, sizeof(key)), 0);
				copy_floats(&file, key, expected + (*w == 'A' ? s->a : s->b), s->rank * (*w == 'A' ? s->in : s->out));
			}
		}
	double worst = worst_difference(expected, a->params, a->count);
	if (!(worst < 1e-5))
		fail_msg("%s r %d: the final adapter differs by %g", family, rank, worst);
	print_message("%s r %d: final adapter within %.2g\n", family, rank, worst);
	free(expected);
	ts_tensors_close(&file);
}

static void test_golden_trajectory(void **state)
{
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct golden g = golden_open_lora(runs[i].family, runs[i].rank);
		struct student s = student_open(runs[i].family, runs[i].rank, 2);
		struct ts_example rows[GOLDEN_ROWS];
		struct ts_error err = {0};
		struct ts_train_options o = golden_options();
		struct steps_seen seen = {0};
		golden_examples(g.values, o.seed, rows);
		ok(ts_train(s.model, s.adapter, rows, GOLDEN_ROWS, &o, NULL, &(struct ts_train_hooks){.user = &seen, .step = record_step},
			    &err));
		assert_int_equal(seen.count, GOLDEN_STEPS);
		for (size_t t = 0; t < GOLDEN_STEPS; t++) {
			const json_t *want = json_array_get(json_object_get(g.values, "train_ce"), t);
			const struct ts_train_step *found = &seen.steps[t];
			assert_int_equal(found->step, t + 1);
			assert_int_equal(found->steps, GOLDEN_STEPS);
			assert_int_equal(found->targets, json_integer_value(json_object_get(want, "target_tokens")));
			if (!near(found->loss, golden(want, "loss"), 1e-4) || !near(found->grad_norm, golden(want, "grad_norm"), 1e-4) ||
			    !near(found->lr, golden(want, "lr"), 1e-12))
				fail_msg("%s r %d step %zu: loss %.7f norm %.7f lr %g; expected %.7f %.7f %g", runs[i].family, runs[i].rank,
					 t, found->loss, found->grad_norm, found->lr, golden(want, "loss"), golden(want, "grad_norm"),
					 golden(want, "lr"));
		}
		check_final(s.adapter, runs[i].family, runs[i].rank);
		release_examples(rows, GOLDEN_ROWS);
		student_close(&s);
		golden_close(&g);
	}
}

/* Final parameters of a short dropout run with these settings; the caller frees them. */
static float *train_short(const struct ts_example *rows, const struct ts_train_options *o, enum ts_isa isa, int threads,
			  struct steps_seen *seen, size_t *count)
{
	struct ts_error err = {0};
	struct student s = student_open_isa("qwen3", 4, isa, threads);
	s.adapter->config.dropout = 0.25;
	ok(ts_train(s.model, s.adapter, rows, 20, o, NULL, &(struct ts_train_hooks){.user = seen, .step = record_step}, &err));
	float *params = malloc(s.adapter->count * sizeof(float));
	memcpy(params, s.adapter->params, s.adapter->count * sizeof(float));
	*count = s.adapter->count;
	student_close(&s);
	return params;
}

/* Cutting a step into passes, keeping fewer layers, other threads and instruction sets change no bit of losses, norms and adapter. */
static void test_layout_changes_nothing(void **state)
{
	static const struct {
		size_t max_rows;
		struct ts_keep keep;
		int threads;
		enum ts_isa isa;
	} layouts[] = {
		{1, {-1, -1}, 2, TS_ISA_AUTO},    {60, {-1, -1}, 2, TS_ISA_AUTO},   {100, {1, 1}, 1, TS_ISA_AUTO},
		{4096, {0, 0}, 2, TS_ISA_AUTO},   {4096, {-1, -1}, 1, TS_ISA_AUTO}, {4096, {2, 2}, 2, TS_ISA_AUTO},
		{4096, {0, -1}, 1, TS_ISA_AUTO},  {4096, {1, 2}, 2, TS_ISA_AUTO},   {60, {1, -1}, 1, TS_ISA_AUTO},
		{100, {-1, -1}, 2, TS_ISA_PLAIN}, {100, {-1, -1}, 1, TS_ISA_AVX2},  {100, {-1, -1}, 2, TS_ISA_AVX512},
	};
	struct golden g = golden_open_lora("qwen3", 4);
	struct ts_example rows[GOLDEN_ROWS];
	struct ts_train_options o = golden_options();
	golden_examples(g.values, o.seed, rows);
	o.epochs = 2; /* 3 + 3 steps, the third of each short: 20 rows */
	o.max_rows = 4096;
	struct steps_seen first = {0};
	size_t n;
	float *expected = train_short(rows, &o, TS_ISA_AUTO, 2, &first, &n);
	assert_int_equal(first.count, 6);
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		struct steps_seen seen = {0};
		if (layouts[i].isa && !ts_isa_available(layouts[i].isa))
			continue;
		o.max_rows = layouts[i].max_rows;
		o.keep = layouts[i].keep;
		float *found = train_short(rows, &o, layouts[i].isa, layouts[i].threads, &seen, &n);
		if (memcmp(expected, found, n * sizeof(float)))
			fail_msg("max_rows %zu, kept layers %d, attention %d, threads %d, %s: another adapter", layouts[i].max_rows,
				 layouts[i].keep.layers, layouts[i].keep.attention, layouts[i].threads, ts_isa_name(layouts[i].isa));
		for (size_t t = 0; t < first.count; t++) {
			assert_true(first.steps[t].loss == seen.steps[t].loss);
			assert_true(first.steps[t].grad_norm == seen.steps[t].grad_norm);
		}
		free(found);
	}
	/* And the seed does. */
	o.seed++;
	struct steps_seen other = {0};
	float *found = train_short(rows, &o, TS_ISA_AUTO, 2, &other, &n);
	assert_memory_not_equal(expected, found, n * sizeof(float));
	free(found);
	free(expected);
	release_examples(rows, GOLDEN_ROWS);
	golden_close(&g);
}

/* Every example once an epoch, in the order that the seed names; the last batch is short. */
static void test_order(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct ts_example rows[GOLDEN_ROWS];
	struct ts_train_options o = golden_options();
	struct steps_seen seen = {0};
	size_t order[20], n;
	golden_examples(g.values, o.seed, rows);
	o.epochs = 2;
	assert_int_equal(ts_train_steps(&o, 20), 6);
	assert_int_equal(ts_train_steps(&(struct ts_train_options){.epochs = 1, .batch = 8}, 531), 67);
	free(train_short(rows, &o, TS_ISA_AUTO, 2, &seen, &n));
	for (size_t t = 0; t < 6; t++) {
		size_t targets = 0, tokens = 0, first = t % 3 * 8;
		ts_random_order(o.seed, t / 3, order, 20);
		for (size_t i = first; i < first + 8 && i < 20; i++) {
			targets += rows[order[i]].targets;
			tokens += rows[order[i]].len;
		}
		assert_int_equal(seen.steps[t].epoch, t / 3);
		assert_int_equal(seen.steps[t].targets, targets);
		assert_int_equal(seen.steps[t].tokens, tokens);
	}
	release_examples(rows, GOLDEN_ROWS);
	golden_close(&g);
}

/* One example, met twice at a rate too small to move anything: without dropout the loss repeats; with it each step has masks of its own. */
static void test_dropout_by_step(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct ts_example row = example_of(json_array_get(json_object_get(g.values, "train_data"), 0));
	struct ts_train_options o = golden_options();
	o.epochs = 2;
	o.lr = 1e-30;
	o.warmup = 0;
	row.mask[0] = 1; /* nothing predicts the first token: no target, no harm */
	for (int dropping = 0; dropping < 2; dropping++) {
		struct student s = student_open("qwen3", 4, 1);
		struct ts_error err = {0};
		struct steps_seen seen = {0};
		s.adapter->config.dropout = 0.5 * dropping;
		ok(ts_train(s.model, s.adapter, &row, 1, &o, NULL, &(struct ts_train_hooks){.user = &seen, .step = record_step}, &err));
		assert_int_equal(seen.count, 2);
		assert_int_equal(seen.steps[0].targets, row.targets);
		assert_int_equal(seen.steps[0].loss == seen.steps[1].loss, !dropping);
		student_close(&s);
	}
	ts_example_release(&row);
	golden_close(&g);
}

static void expect(const struct student *s, const struct ts_example *rows, size_t n, const struct ts_train_options *o, int status,
		   const char *word)
{
	struct ts_error err = {0};
	int found = ts_train(s->model, s->adapter, rows, n, o, NULL, NULL, &err);
	if (found != status || !strstr(err.message, word))
		fail_msg("status %d \"%s\"; expected %d naming \"%s\"", found, err.message, status, word);
}

static void test_refused(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct student s = student_open("qwen3", 4, 1);
	struct ts_example rows[GOLDEN_ROWS];
	struct ts_train_options good = golden_options(), o;
	golden_examples(g.values, good.seed, rows);
	/* 8 rows at batch 8, one epoch, with warm-up: the only step has rate 0. */
	expect(&s, rows, 8, &good, TS_EINVAL, "learning rate 0");
	o = good, o.lr = 0, expect(&s, rows, 20, &o, TS_EINVAL, "learning rate 0");
	o = good, o.lr = -1, expect(&s, rows, 20, &o, TS_EINVAL, "lr");
	o = good, o.lr = (double)__builtin_nanf(""), expect(&s, rows, 20, &o, TS_EINVAL, "lr");
	o = good, o.warmup = 1.5, expect(&s, rows, 20, &o, TS_EINVAL, "warmup");
	o = good, o.clip = -1, expect(&s, rows, 20, &o, TS_EINVAL, "clip");
	o = good, o.batch = 0, expect(&s, rows, 20, &o, TS_EINVAL, "batch");
	o = good, o.epochs = (size_t)1 << 62, expect(&s, rows, 20, &o, TS_ELIMIT, "epochs");
	expect(&s, rows, 0, &good, TS_EINVAL, "no examples");
	rows[3].ids[1] += 10000;
	expect(&s, rows, 20, &good, TS_EINVAL, "example 3");
	rows[3].ids[1] -= 10000;
	memset(rows[5].mask, 0, rows[5].len);
	rows[5].targets = 0;
	expect(&s, rows, 20, &good, TS_EINVAL, "example 5");
	release_examples(rows, GOLDEN_ROWS);
	student_close(&s);
	golden_close(&g);
}

/* A loss that is not finite ends the run and names the step; the adapter is not poisoned by that step. */
static void test_not_finite(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct student s = student_open("qwen3", 4, 1);
	struct ts_example rows[GOLDEN_ROWS];
	struct ts_train_options o = golden_options();
	golden_examples(g.values, o.seed, rows);
	s.adapter->params[7] = __builtin_inff();
	expect(&s, rows, 20, &o, TS_ENUMERIC, "step 1 of 3");
	s.adapter->params[7] = 0;
	for (size_t i = 0; i < s.adapter->count; i++)
		assert_true(__builtin_isfinite(s.adapter->params[i]));
	release_examples(rows, GOLDEN_ROWS);
	student_close(&s);
	golden_close(&g);
}

static int refuse_third(void *user, const struct ts_train_step *step, struct ts_error *err)
{
	return step->step == 3 ? ts_fail(err, TS_EIO, "journal full") : 0;
}

static void test_hook_ends_run(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct student s = student_open("qwen3", 4, 1);
	struct ts_example rows[GOLDEN_ROWS];
	struct ts_train_options o = golden_options();
	struct ts_error err = {0};
	golden_examples(g.values, o.seed, rows);
	assert_int_equal(
		ts_train(s.model, s.adapter, rows, 40, &o, NULL, &(struct ts_train_hooks){.user = NULL, .step = refuse_third}, &err),
		TS_EIO);
	assert_string_equal(err.message, "journal full");
	release_examples(rows, GOLDEN_ROWS);
	student_close(&s);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_trajectory),
		cmocka_unit_test(test_layout_changes_nothing),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_hook_ends_run),
		cmocka_unit_test(test_dropout_by_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
