/* Adapters against PEFT: logits, losses and gradients; the folder on disk; what must be refused. */
#include "core/file.h"
#include "model/golden_model.h"
#include "model/slopes.h"

static const struct {
	const char *family;
	int rank;
} adapters[] = {{"qwen3", 4}, {"qwen3", 32}, {"llama", 4}, {"llama", 32}, {"qwen2", 4}, {"qwen2", 32}, {"mistral", 4}, {"mistral", 32}};
enum { ADAPTERS = sizeof(adapters) / sizeof(adapters[0]) };

static struct ts_adapter *golden_adapter(const struct golden *g, const char *family, int rank)
{
	struct ts_adapter *a;
	struct ts_error err = {0};
	ok(ts_adapter_load(&a, g->model, golden_path("lora/%s-r%d", family, rank), &err));
	return a;
}

static void test_logits(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct ts_adapter *a = golden_adapter(&g, adapters[i].family, adapters[i].rank);
		size_t vocab = (size_t)ts_model_config(g.model)->vocab_size, r;
		json_t *row;
		assert_int_equal(a->max_rank, adapters[i].rank);
		assert_true(a->slots[TS_Q].scale == 0.5f && !a->slots[TS_K].present);
		json_array_foreach (json_object_get(g.values, "logits"), r, row) {
			int32_t ids[MAX_IDS];
			size_t n = read_ids(json_object_get(row, "ids"), ids, MAX_IDS);
			size_t first = (size_t)json_integer_value(json_object_get(row, "first_position")), count = (n - first) * vocab;
			float *expected = malloc(count * sizeof(float)),
			      *found = sequence_logits(g.model, a, TS_F32, ids, n, first, SESSION_ROWS);
			copy_floats(&g.tensors, json_string_value(json_object_get(row, "logits")), expected, count);
			double worst = worst_difference(expected, found, count);
			if (!(worst < 2e-4))
				fail_msg("%s r %d row %zu: logits differ by %g", adapters[i].family, adapters[i].rank, r, worst);
			free(expected);
			free(found);
		}
		assert_true(r >= 3);
		ts_adapter_free(a);
		golden_close(&g);
	}
}

static void golden_pack(struct pack *p, const struct golden *g)
{
	static const uint32_t row_in_batch[2] = {0, 1};
	const json_t *examples = json_object_get(g->values, "examples"), *e;
	size_t i, row = 0;
	*p = (struct pack){0};
	assert_int_equal(json_array_size(examples), 2);
	json_array_foreach (examples, i, e) {
		size_t n = read_ids(json_object_get(e, "ids"), p->ids + row, MAX_IDS - row);
		size_t prompt = (size_t)json_integer_value(json_object_get(e, "prompt_len"));
		for (size_t t = 0; t < n; t++)
			p->targets[row + t] = t + 1 >= prompt && t + 1 < n ? p->ids[row + t + 1] : -1;
		p->count += n - prompt;
		p->lengths[i] = n;
		row += n;
	}
	p->packed = (struct ts_packed){
		.rows = row, .ids = p->ids, .targets = p->targets, .sequences = 2, .lengths = p->lengths, .row_in_batch = row_in_batch};
}

static float *golden_gradients(const struct golden *g, const struct ts_adapter *a)
{
	float *all = calloc(a->count, sizeof(float));
	for (int l = 0; l < a->layers; l++)
		for (int t = 0; t < TS_TARGETS; t++) {
			const struct ts_slot *s = ts_adapter_slot(a, l, t);
			char key[160], name[200];
			for (const char *w = "AB"; s && *w; w++) {
				assert_int_equal(ts_adapter_key(a, l, t, *w, key, sizeof(key)), 0);
				snprintf(name, sizeof(name), "grad.ce.%s", key);
				copy_floats(&g->tensors, name, all + (*w == 'A' ? s->a : s->b), s->rank * (*w == 'A' ? s->in : s->out));
			}
		}
	return all;
}

static void test_gradients(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct ts_adapter *a = golden_adapter(&g, adapters[i].family, adapters[i].rank);
		struct pack p;
		golden_pack(&p, &g);
		const json_t *ce = json_object_get(g.values, "ce");
		double want = json_number_value(json_object_get(ce, "loss"));
		assert_int_equal(json_integer_value(json_object_get(ce, "target_tokens")), p.count);
		float *expected = golden_gradients(&g, a), *found = calloc(a->count, sizeof(float)),
		      *zero = calloc(a->count, sizeof(float));
		double loss = loss_and_gradients(g.model, a, &p, TS_KEEP_ALL, found), largest = worst_difference(expected, zero, a->count);
		double worst = worst_difference(expected, found, a->count);
		if (!(loss - want < 1e-4 * want && want - loss < 1e-4 * want))
			fail_msg("%s r %d: loss %.7f, expected %.7f", adapters[i].family, adapters[i].rank, loss, want);
		if (!(largest > 0 && worst < 2e-4 * largest))
			fail_msg("%s r %d: a gradient differs by %g, the largest is %g", adapters[i].family, adapters[i].rank, worst,
				 largest);
		check_kept(g.model, a, &p, loss, found, zero);
		free(expected);
		free(found);
		free(zero);
		ts_adapter_free(a);
		golden_close(&g);
	}
}

/* Gradients of every target module: the goldens only cover q and v. */
static void test_all_targets(void **state)
{
	struct golden g = golden_open_lora("qwen3", 4);
	struct ts_error err = {0};
	struct ts_adapter_config config = {.rank = 3, .alpha = 6};
	struct ts_adapter *a;
	struct pack p;
	golden_pack(&p, &g);
	ok(ts_adapter_config_add(&config, "all-linear", &err));
	ok(ts_adapter_new(&a, g.model, &config, 7, &err));
	fill_b(a);
	check_slopes("all-linear", g.model, a, &p);
	ts_adapter_free(a);
	golden_close(&g);
}

/* A fresh adapter changes nothing (B is zero), and its A fills +-1/sqrt(in). */
static void test_fresh(void **state)
{
	struct golden g = golden_open("qwen3");
	struct ts_error err = {0};
	struct ts_adapter_config config = {.rank = 8, .alpha = 4};
	struct ts_adapter *a, *b;
	int32_t ids[] = {1, 5, 9, 300, 17};
	ok(ts_adapter_config_add(&config, "q_proj", &err));
	ok(ts_adapter_config_add(&config, "v_proj", &err));
	ok(ts_adapter_new(&a, g.model, &config, 1, &err));
	ok(ts_adapter_new(&b, g.model, &config, 2, &err));
	assert_memory_not_equal(a->params, b->params, a->count * sizeof(float));
	size_t count = 5 * (size_t)ts_model_config(g.model)->vocab_size;
	float *plain = sequence_logits(g.model, NULL, TS_F32, ids, 5, 0, 5), *with = sequence_logits(g.model, a, TS_F32, ids, 5, 0, 5);
	assert_memory_equal(plain, with, count * sizeof(float));
	const struct ts_slot *s = ts_adapter_slot(a, 0, TS_Q);
	float bound = 1 / __builtin_sqrtf((float)s->in), low = 0, high = 0;
	double mean = 0;
	for (size_t i = s->a; i < s->b; i++) {
		low = a->params[i] < low ? a->params[i] : low;
		high = a->params[i] > high ? a->params[i] : high;
		mean += (double)a->params[i] / (double)(s->b - s->a);
	}
	assert_true(low >= -bound && low < -0.95f * bound && high <= bound && high > 0.95f * bound);
	assert_true(mean < 0.1 * (double)bound && mean > -0.1 * (double)bound);
	free(plain);
	free(with);
	ts_adapter_free(a);
	ts_adapter_free(b);
	golden_close(&g);
}

/* Saved and loaded again: the same parameters, scale and config; the tensors are those that PEFT wrote. */
static void test_round_trip(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct ts_adapter *a = golden_adapter(&g, adapters[i].family, adapters[i].rank), *b;
		struct ts_error err = {0};
		struct ts_tensors ours = {0}, peft = {0};
		char *dir = temp_dir(), path[600];
		ok(ts_adapter_save(a, dir, &err));
		ok(ts_adapter_load(&b, g.model, dir, &err));
		assert_int_equal(a->count, b->count);
		assert_memory_equal(a->params, b->params, a->count * sizeof(float));
		assert_true(a->slots[TS_V].scale == b->slots[TS_V].scale);
		snprintf(path, sizeof(path), "%s/adapter_model.safetensors", dir);
		ok(ts_tensors_open(&ours, path, &err));
		ok(ts_tensors_open(&peft, golden_path("lora/%s-r%d/adapter_model.safetensors", adapters[i].family, adapters[i].rank),
				   &err));
		assert_int_equal(ours.list.len, peft.list.len);
		for (size_t t = 0; t < peft.list.len; t++) {
			const struct ts_tensor *want = &peft.list.data[t], *found = ts_tensors_find(&ours, want->name);
			assert_non_null(found);
			assert_int_equal(found->bytes, want->bytes);
			assert_memory_equal(found->shape, want->shape, sizeof(want->shape));
			assert_memory_equal(found->data, want->data, want->bytes);
		}
		ts_tensors_close(&ours);
		ts_tensors_close(&peft);
		ok(ts_path_remove(dir, &err));
		ts_adapter_free(a);
		ts_adapter_free(b);
		golden_close(&g);
	}
}

/* --- what must be refused --- */

/* Writes the golden adapter of qwen3 r 4 into dir, with one tensor renamed, left out, reshaped or spoilt. */
enum damage { NONE, EXTRA, MISSING, NARROW, NOT_FINITE };

static void write_damaged(const char *dir, enum damage damage)
{
	struct ts_error err = {0};
	struct ts_tensors file = {0};
	struct ts_tensor_out list[64];
	struct ts_str text = {0};
	char path[600];
	float spoilt[4 * 64] = {0};
	size_t n = 0;
	ok(ts_tensors_open(&file, golden_path("lora/qwen3-r4/adapter_model.safetensors"), &err));
	for (size_t i = 0; i < file.list.len; i++) {
		const struct ts_tensor *t = &file.list.data[i];
		struct ts_tensor_out o = {.name = t->name, .dtype = t->dtype, .dims = t->dims, .data = t->data};
		memcpy(o.shape, t->shape, sizeof(o.shape));
		bool chosen = strstr(t->name, "layers.1.self_attn.q_proj.lora_A") != NULL;
		if (chosen && damage == MISSING)
			continue;
		if (chosen && damage == NARROW)
			o.shape[0] = 3;
		if (chosen && damage == NOT_FINITE) {
			spoilt[5] = __builtin_nanf("");
			o.data = spoilt;
		}
		list[n++] = o;
	}
	if (damage == EXTRA)
		list[n++] = (struct ts_tensor_out){
			"base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight", TS_F32, 2, {4, 64}, spoilt};
	snprintf(path, sizeof(path), "%s/adapter_model.safetensors", dir);
	ok(ts_tensors_write(path, list, n, &err));
	ok(ts_file_read(golden_path("lora/qwen3-r4/adapter_config.json"), &text, &err));
	snprintf(path, sizeof(path), "%s/adapter_config.json", dir);
	ok(ts_file_write(path, text.data, text.len, &err));
	ts_str_release(&text);
	ts_tensors_close(&file);
}

static void test_refused(void **state)
{
	static const struct {
		enum damage damage;
		int status;
		const char *named;
	} cases[] = {
		{NONE, 0, ""},
		{EXTRA, TS_EMISMATCH, "layers.7.self_attn.q_proj.lora_A"},
		{MISSING, TS_ENOTFOUND, "layers.1.self_attn.q_proj.lora_A"},
		{NARROW, TS_EMISMATCH, "layers.1.self_attn.q_proj.lora_A"},
		{NOT_FINITE, TS_ENUMERIC, "layers.1.self_attn.q_proj.lora_A"},
	};
	struct golden g = golden_open("qwen3");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *dir = temp_dir();
		struct ts_error err = {0};
		struct ts_adapter *a = NULL;
		write_damaged(dir, cases[i].damage);
		int status = ts_adapter_load(&a, g.model, dir, &err);
		assert_int_equal(status, cases[i].status);
		if (!strstr(err.message, cases[i].named))
			fail_msg("case %zu: \"%s\" does not name %s", i, err.message, cases[i].named);
		ts_adapter_free(status ? NULL : a);
		ok(ts_path_remove(dir, &err));
	}
	/* An adapter of another model does not fit. */
	struct ts_error err = {0};
	struct ts_adapter *a = NULL;
	assert_int_equal(ts_adapter_load(&a, g.model, golden_path("lora/llama-r4"), &err), TS_EMISMATCH);
	assert_null(a);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits), cmocka_unit_test(test_gradients),  cmocka_unit_test(test_all_targets),
		cmocka_unit_test(test_fresh),  cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
