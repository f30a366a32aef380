#include "export/export_place.h"

static const char *file_in(const char *dir, const char *name)
{
	static char path[900];
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		fail_msg("%s: too long", name);
	return path;
}

/* The goldens hold layer 0, merged and rounded by torch: at most one step of bf16 apart, in a few numbers. */
static size_t compare_merged(const struct ts_tensors *golden, const struct ts_tensors *written)
{
	size_t compared = 0;
	for (size_t i = 0; i < golden->list.len; i++) {
		const struct ts_tensor *want = &golden->list.data[i];
		if (strncmp(want->name, "merged.", 7))
			continue;
		const struct ts_tensor *found = ts_tensors_find(written, want->name + 7);
		size_t off = 0;
		assert_non_null(found);
		assert_int_equal(found->dtype, TS_BF16);
		assert_int_equal(found->bytes, want->bytes);
		for (size_t n = 0; n < want->elements; n++) {
			int a = want->data[2 * n] | want->data[2 * n + 1] << 8, b = found->data[2 * n] | found->data[2 * n + 1] << 8;
			if (abs(a - b) > 1)
				fail_msg("%s[%zu]: %04x, expected %04x", want->name, n, b, a);
			off += a != b;
		}
		if (off > 3)
			fail_msg("%s: %zu of %zu numbers are a step off", want->name, off, want->elements);
		compared++;
	}
	return compared;
}

static void test_merged_weights(void **state)
{
	struct ts_error err = {0};
	for (size_t f = 0; f < 4; f++)
		for (size_t r = 0; r < 2; r++) {
			struct place p;
			struct ts_tensors golden = {0}, written = {0};
			place_open(&p, export_families[f], export_ranks[r], "out", TS_EXPORT_BF16);
			ok(place_export(&p, &err));
			ok(ts_tensors_open(&golden, file_in(p.adapter, "goldens.safetensors"), &err));
			ok(ts_tensors_open(&written, file_in(p.out, "model.safetensors"), &err));
			assert_int_equal(compare_merged(&golden, &written), 2);
			ts_tensors_close(&golden);
			ts_tensors_close(&written);
			place_close(&p);
		}
}

/* Where the base is stored in bf16, the written folder is the model that the goldens' merged_logits are of. */
static void test_merged_logits(void **state)
{
	struct ts_error err = {0};
	const char *const families[] = {"qwen3", "qwen2"};
	for (int f = 0; f < 2; f++)
		for (size_t r = 0; r < 2; r++) {
			struct place p;
			place_open(&p, families[f], export_ranks[r], "out", TS_EXPORT_BF16);
			ok(place_export(&p, &err));
			struct golden g = {0};
			golden_values(&g, p.adapter);
			open_model(&g.backend, &g.model, p.out, TS_ISA_AUTO, 2);
			const json_t *rows = json_object_get(g.values, "logits"), *row;
			size_t i, vocab = (size_t)ts_model_config(g.model)->vocab_size;
			json_array_foreach (rows, i, row) {
				int32_t ids[SESSION_ROWS];
				char name[40];
				size_t n = read_ids(json_object_get(row, "ids"), ids, SESSION_ROWS);
				size_t first = (size_t)json_integer_value(json_object_get(row, "first_position"));
				float *want = calloc((n - first) * vocab, sizeof(float)),
				      *found = sequence_logits(g.model, NULL, TS_F32, ids, n, first, 64);
				snprintf(name, sizeof(name), "merged_logits.%zu", i);
				copy_floats(&g.tensors, name, want, (n - first) * vocab);
				double worst = worst_difference(want, found, (n - first) * vocab);
				if (worst > 2e-4)
					fail_msg("%s r %d: %s differ by %g", families[f], export_ranks[r], name, worst);
				free(want);
				free(found);
			}
			golden_close(&g);
			place_close(&p);
		}
}

static void test_types(void **state)
{
	static const struct {
		enum ts_export_type type;
		enum ts_dtype dtype;
		const char *name;
	} types[] = {{TS_EXPORT_BF16, TS_BF16, "bfloat16"}, {TS_EXPORT_F16, TS_F16, "float16"}, {TS_EXPORT_F32, TS_F32, "float32"}};
	struct ts_error err = {0};
	for (size_t t = 0; t < 3; t++) {
		struct place p;
		struct ts_tensors base, written;
		json_t *config;
		place_open(&p, "qwen3", 4, "out", types[t].type);
		ok(place_export(&p, &err));
		ok(ts_tensors_open(&base, file_in(p.model, "model.safetensors"), &err));
		ok(ts_tensors_open(&written, file_in(p.out, "model.safetensors"), &err));
		assert_int_equal(base.list.len, written.list.len);
		assert_int_equal(p.result.tensors, written.list.len);
		assert_int_equal(p.result.merged, 6); /* q and v of three layers */
		/* tied embeddings: no head */
		assert_null(ts_tensors_find(&written, "lm_head.weight"));
		for (size_t i = 0; i < base.list.len; i++) {
			const struct ts_tensor *a = &base.list.data[i], *b = ts_tensors_find(&written, a->name);
			assert_non_null(b);
			assert_int_equal(b->dtype, types[t].dtype);
			assert_int_equal(a->elements, b->elements);
			/* what the adapter leaves alone is what it was */
			if (types[t].type == TS_EXPORT_BF16 && !strstr(a->name, "q_proj") && !strstr(a->name, "v_proj"))
				assert_memory_equal(a->data, b->data, a->bytes);
		}
		ok(ts_json_load(file_in(p.out, "config.json"), &config, &err));
		assert_string_equal(json_string_value(json_object_get(config, "torch_dtype")), types[t].name);
		json_decref(config);
		ts_tensors_close(&base);
		ts_tensors_close(&written);
		place_close(&p);
	}
}

/* A folder in shards is the same model; the index says what transformers' does. */
static void test_shards(void **state)
{
	struct ts_error err = {0};
	struct place p;
	struct ts_tensors one, many;
	json_t *index;
	char whole[600];
	place_open(&p, "llama", 4, "one", TS_EXPORT_F32);
	strcpy(whole, p.out);
	ok(place_export(&p, &err));
	snprintf(p.out, sizeof(p.out), "%s", scratch_path(&p.scratch, "many"));
	p.options.shard_bytes = 100000;
	ok(place_export(&p, &err));
	ok(ts_tensors_open_folder(&one, whole, NULL, &err));
	ok(ts_tensors_open_folder(&many, p.out, NULL, &err));
	assert_true(many.files.len > 3);
	assert_int_equal(one.list.len, many.list.len);
	size_t bytes = 0;
	for (size_t i = 0; i < one.list.len; i++) {
		const struct ts_tensor *a = &one.list.data[i], *b = ts_tensors_find(&many, a->name);
		assert_non_null(b);
		assert_memory_equal(a->data, b->data, a->bytes);
		bytes += a->bytes;
	}
	for (size_t i = 0; i < many.files.len; i++) {
		size_t inside = 0, count = 0;
		for (size_t t = 0; t < many.list.len; t++) {
			inside += many.list.data[t].file == (int)i ? many.list.data[t].bytes : 0;
			count += many.list.data[t].file == (int)i;
		}
		assert_true(count == 1 || inside <= p.options.shard_bytes);
	}
	ok(ts_json_load(file_in(p.out, "model.safetensors.index.json"), &index, &err));
	const json_t *meta = json_object_get(index, "metadata");
	assert_int_equal(json_integer_value(json_object_get(meta, "total_size")), bytes);
	assert_int_equal(json_integer_value(json_object_get(meta, "total_parameters")), bytes / 4);
	assert_int_equal(json_object_size(json_object_get(index, "weight_map")), one.list.len);
	json_decref(index);
	ts_tensors_close(&one);
	ts_tensors_close(&many);
	place_close(&p);
}

/* An adapter whose numbers a type cannot hold. */
static void test_beyond(void **state)
{
	struct ts_error err = {0};
	struct place p;
	struct ts_tensors adapter;
	char huge[600], partial[700];
	float *copies[64];
	struct ts_tensor_out list[64] = {0};
	place_open(&p, "qwen3", 4, "out", TS_EXPORT_F16);
	snprintf(huge, sizeof(huge), "%s", scratch_path(&p.scratch, "huge"));
	ok(ts_dir_make(huge, &err));
	ok(ts_tensors_open(&adapter, file_in(p.adapter, "adapter_model.safetensors"), &err));
	assert_true(adapter.list.len <= 64);
	for (size_t i = 0; i < adapter.list.len; i++) {
		const struct ts_tensor *t = &adapter.list.data[i];
		copies[i] = malloc(t->bytes);
		memcpy(copies[i], t->data, t->bytes);
		for (size_t n = 0; n < t->elements && strstr(t->name, "lora_B"); n++)
			copies[i][n] *= 1e7f;
		list[i] = (struct ts_tensor_out){.name = t->name, .dtype = TS_F32, .dims = t->dims, .data = copies[i]};
		memcpy(list[i].shape, t->shape, sizeof(t->shape));
	}
	ok(ts_tensors_write(file_in(huge, "adapter_model.safetensors"), list, adapter.list.len, &err));
	struct ts_str config = {0};
	ok(ts_file_read(file_in(p.adapter, "adapter_config.json"), &config, &err));
	ok(ts_file_write(file_in(huge, "adapter_config.json"), config.data, config.len, &err));
	p.options.adapter = huge;
	assert_int_equal(place_export(&p, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "q_proj.weight"));
	assert_non_null(strstr(err.message, "beyond the range"));
	snprintf(partial, sizeof(partial), "%s.partial", p.out);
	assert_false(ts_path_is_there(p.out) || ts_path_is_there(partial));
	p.options.force = true;
	ok(place_export(&p, &err));
	struct ts_str card = {0};
	ok(ts_file_read(file_in(p.out, "README.md"), &card, &err));
	assert_non_null(strstr(card.data, "**Forced.**"));
	assert_non_null(strstr(card.data, "became infinite"));
	/* f32 holds them */
	p.options.force = false;
	p.options.type = TS_EXPORT_F32;
	snprintf(p.out, sizeof(p.out), "%s", scratch_path(&p.scratch, "out32"));
	ok(place_export(&p, &err));
	ts_str_release(&card);
	ts_str_release(&config);
	for (size_t i = 0; i < adapter.list.len; i++)
		free(copies[i]);
	ts_tensors_close(&adapter);
	place_close(&p);
}

static void test_names(void **state)
{
	struct ts_error err = {0};
	struct place p;
	char partial[700];
	place_open(&p, "qwen2", 4, "out", TS_EXPORT_BF16);
	snprintf(partial, sizeof(partial), "%s.partial", p.out);
	/* an empty folder is as good as none; one with something in it is not touched */
	ok(ts_dir_make(p.out, &err));
	ok(place_export(&p, &err));
	assert_true(ts_file_exists(file_in(p.out, "model.safetensors")));
	assert_int_equal(place_export(&p, &err), TS_EIO);
	assert_non_null(strstr(err.message, "is there already"));
	/* somebody else's folder under our other name; and one that a killed export left */
	ok(ts_path_remove(p.out, &err));
	ok(ts_dir_make(partial, &err));
	ok(ts_file_write(file_in(partial, "notes"), "mine", 4, &err));
	assert_int_equal(place_export(&p, &err), TS_EIO);
	assert_true(ts_file_exists(file_in(partial, "notes")));
	ok(ts_file_write(file_in(partial, "README.md"), "tags: [thinksafe]", 17, &err));
	ok(place_export(&p, &err));
	assert_false(ts_path_is_there(partial));
	assert_false(ts_path_is_there(file_in(p.out, "notes")));
	place_close(&p);
}

/* The same of a GGUF file: one that another program left there is not touched. */
static void test_partial_file(void **state)
{
	struct ts_error err = {0};
	struct place p;
	char partial[700];
	place_open(&p, "qwen2", 4, "out.gguf", TS_EXPORT_BF16);
	snprintf(partial, sizeof(partial), "%s.partial", p.out);
	ok(ts_file_write(partial, "GGUF and so on", 14, &err));
	assert_int_equal(place_export(&p, &err), TS_EIO);
	assert_true(ts_file_exists(partial));
	ok(ts_path_remove(partial, &err));
	ok(place_export(&p, &err));
	/* the first half of what was just written */
	struct ts_str whole = {0};
	ok(ts_file_read(p.out, &whole, &err));
	ok(ts_file_write(partial, whole.data, whole.len / 2, &err));
	ok(ts_path_remove(p.out, &err));
	ok(place_export(&p, &err));
	assert_true(ts_file_exists(p.out));
	assert_false(ts_path_is_there(partial));
	ts_str_release(&whole);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merged_weights), cmocka_unit_test(test_merged_logits), cmocka_unit_test(test_types),
		cmocka_unit_test(test_shards),         cmocka_unit_test(test_beyond),        cmocka_unit_test(test_names),
		cmocka_unit_test(test_partial_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
