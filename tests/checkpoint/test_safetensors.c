/* Golden checkpoints open and hold what the goldens say; what we write reads back; every broken file is refused with a message
 * that names the file and, where there is one, the tensor. */
#include "checkpoint/safetensors.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static struct scratch g_scratch;

static bool have_goldens(void)
{
	if (ts_dir_exists(TS_SHARED_DIR "/golden/models"))
		return true;
	print_message("skipped: no %s\n", TS_SHARED_DIR "/golden/models");
	return false;
}

/* First 8 and last 4 bytes of stored tensors, read from the files with another program. */
static void golden_bytes(void **state)
{
	static const struct {
		const char *model, *tensor;
		enum ts_dtype dtype;
		size_t rows, cols;
		const char *first, *last;
	} cases[] = {
		{"qwen3-tiny", "model.embed_tokens.weight", TS_BF16, 528, 64, "\x37\x3e\x8f\xbd\xd2\x3e\xd7\xbe", "\x33\xbe\x9a\xbd"},
		{"qwen3-tiny", "model.norm.weight", TS_BF16, 64, 0, "\x8d\x3f\x41\x3f\x8b\x3f\x3d\x3f", "\x83\x3f\x7a\x3f"},
		{"llama-tiny", "model.embed_tokens.weight", TS_F32, 512, 96, "\x0a\x15\x26\xbe\xe8\x5b\x37\x3f", "\x3c\x9c\xa0\x3d"},
		{"llama-tiny", "model.norm.weight", TS_F32, 96, 0, "\x09\x78\xa0\x3f\x37\xf8\x77\x3f", "\x2a\x0f\x96\x3f"},
		{"mistral-tiny", "model.embed_tokens.weight", TS_F16, 512, 48, "\x68\x26\x69\x35\x4c\x32\xab\xb1", "\x3f\x3a\x23\xb1"},
		{"mistral-tiny", "model.norm.weight", TS_F16, 48, 0, "\xaf\x3c\x46\x3b\x6a\x3c\x0a\x3d", "\x7a\x3c\xbe\x3b"},
	};
	if (!have_goldens())
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char dir[512];
		snprintf(dir, sizeof(dir), "%s/golden/models/%s", TS_SHARED_DIR, cases[i].model);
		struct ts_tensors ts;
		bool both = true;
		assert_int_equal(ts_tensors_open_folder(&ts, dir, &both, NULL), 0);
		assert_false(both);
		const struct ts_tensor *t = NULL;
		const size_t shape[2] = {cases[i].rows, cases[i].cols};
		assert_int_equal(ts_tensors_need(&ts, cases[i].tensor, cases[i].cols ? 2 : 1, shape, &t, NULL), 0);
		assert_int_equal(t->dtype, cases[i].dtype);
		assert_int_equal(t->bytes, t->elements * (cases[i].dtype == TS_F32 ? 4 : 2));
		assert_memory_equal(t->data, cases[i].first, 8);
		assert_memory_equal(t->data + t->bytes - 4, cases[i].last, 4);
		ts_tensors_close(&ts);
	}
}

static double logprob(const struct ts_tensor *t, size_t row, size_t id)
{
	size_t n = t->shape[1];
	const unsigned char *p = t->data + row * n * sizeof(float);
	double sum = 0, top = -INFINITY, mine = 0;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n; i++) {
			float x;
			memcpy(&x, p + i * sizeof(float), sizeof(float));
			if (pass)
				sum += exp(x - top);
			else if (x > top)
				top = x;
			if (i == id)
				mine = x;
		}
	return mine - top - log(sum);
}

/* The stored logits must give the log-probabilities that goldens.json lists. */
static void golden_values(void **state)
{
	static const char *const models[] = {"qwen3-tiny", "qwen2-tiny", "llama-tiny", "mistral-tiny"};
	if (!have_goldens())
		skip();
	for (size_t m = 0; m < 4; m++) {
		char path[512];
		snprintf(path, sizeof(path), "%s/golden/models/%s/goldens.json", TS_SHARED_DIR, models[m]);
		json_t *golden;
		assert_int_equal(ts_json_load(path, &golden, NULL), 0);
		snprintf(path, sizeof(path), "%s/golden/models/%s/goldens.safetensors", TS_SHARED_DIR, models[m]);
		struct ts_tensors ts;
		assert_int_equal(ts_tensors_open(&ts, path, NULL), 0);
		assert_int_equal(ts.list.len, 5);
		json_t *sequence = json_array_get(json_object_get(golden, "sequences"), 2);
		const json_t *ids = json_object_get(sequence, "ids"), *want = json_object_get(sequence, "token_logprobs");
		assert_int_equal(json_array_size(want), 16);
		const struct ts_tensor *t = ts_tensors_find(&ts, "logits.2");
		assert_non_null(t);
		for (size_t i = 0; i < 16; i++) {
			size_t id = (size_t)json_integer_value(json_array_get(ids, i + 1));
			double expected = json_number_value(json_array_get(want, i));
			assert_true(fabs(logprob(t, i, id) - expected) < 1e-4);
		}
		json_decref(golden);
		ts_tensors_close(&ts);
	}
}

static void golden_shards(void **state)
{
	if (!have_goldens())
		skip();
	struct ts_tensors ts;
	assert_int_equal(ts_tensors_open_folder(&ts, TS_SHARED_DIR "/golden/models/qwen2-tiny", NULL, NULL), 0);
	assert_int_equal(ts.files.len, 5);
	assert_int_equal(ts.list.len, 27);
	size_t elements = 0; /* metadata.total_parameters of the index */
	for (size_t i = 0; i < ts.list.len; i++)
		elements += ts.list.data[i].elements;
	assert_int_equal(elements, 179824);
	assert_null(ts_tensors_find(&ts, "model.embed_tokens"));
	struct ts_error err = {0};
	const struct ts_tensor *t;
	const size_t shape[2] = {520, 81};
	assert_int_equal(ts_tensors_need(&ts, "lm_head.weight", 2, shape, &t, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "lm_head.weight: expected shape [520, 81], found [520, 80]"));
	assert_non_null(strstr(err.message, "model-00005-of-00005.safetensors"));
	assert_int_equal(ts_tensors_need(&ts, "nowhere", 2, shape, &t, &err), TS_ENOTFOUND);
	assert_non_null(strstr(err.message, "nowhere"));
	ts_tensors_close(&ts);
}

static void round_trip(void **state)
{
	float a[6] = {1, -2, 3.5f, 0, 1e-30f, -1e30f};
	uint16_t b[3] = {0x3f80, 0xbf80, 0x7f80};
	int64_t c = -5;
	const struct ts_tensor_out out[] = {
		{"z.weight", TS_F32, 2, {2, 3}, a},
		{"b \"quoted\" \xc3\xa9", TS_BF16, 1, {3}, b},
		{"scalar", TS_I64, 0, {0}, &c},
		{"empty", TS_F16, 2, {0, 7}, NULL},
	};
	const char *path = scratch_path(&g_scratch, "round.safetensors");
	assert_int_equal(ts_tensors_write(path, out, 4, NULL), 0);
	struct ts_tensors ts;
	struct ts_error err = {0};
	if (ts_tensors_open(&ts, path, &err))
		fail_msg("%s", err.message);
	assert_int_equal(ts.list.len, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct ts_tensor *t = ts_tensors_find(&ts, out[i].name);
		assert_non_null(t);
		assert_int_equal(t->dtype, out[i].dtype);
		assert_int_equal(t->dims, out[i].dims);
		assert_memory_equal(t->shape, out[i].shape, (size_t)t->dims * sizeof(size_t));
		if (t->bytes)
			assert_memory_equal(t->data, out[i].data, t->bytes);
	}
	assert_int_equal((ts.list.data[0].data - ts.files.data[0].data) % 8, 0);
	assert_non_null(memmem(ts.files.data[0].data, 60, "{\"__metadata__\":{\"format\":\"pt\"},", 31));
	assert_int_equal(ts_tensors_need(&ts, "scalar", 0, NULL, &(const struct ts_tensor *){0}, NULL), TS_EMISMATCH);
	ts_tensors_close(&ts);
	const struct ts_tensor_out twice[] = {out[0], out[0]};
	assert_int_equal(ts_tensors_write(path, twice, 2, &err), TS_EINVAL);
}

/* The golden file written again from its parts, in its own order, has the same tensors. */
static void rewrite_golden(void **state)
{
	if (!have_goldens())
		skip();
	struct ts_tensors ts, again;
	assert_int_equal(ts_tensors_open(&ts, TS_SHARED_DIR "/golden/models/llama-tiny/model.safetensors", NULL), 0);
	struct ts_tensor_out out[64];
	for (size_t i = 0; i < ts.list.len; i++) {
		const struct ts_tensor *t = &ts.list.data[i];
		out[i] = (struct ts_tensor_out){t->name, t->dtype, t->dims, {0}, t->data};
		memcpy(out[i].shape, t->shape, sizeof(t->shape));
	}
	const char *path = scratch_path(&g_scratch, "again.safetensors");
	assert_int_equal(ts_tensors_write(path, out, ts.list.len, NULL), 0);
	assert_int_equal(ts_tensors_open(&again, path, NULL), 0);
	/* Here the other library's own bytes are the expectation: same order, same layout. */
	assert_int_equal(ts.files.data[0].size, again.files.data[0].size);
	assert_memory_equal(ts.files.data[0].data, again.files.data[0].data, ts.files.data[0].size);
	ts_tensors_close(&ts);
	ts_tensors_close(&again);
}

static size_t build(unsigned char *out, uint64_t length, const char *header, size_t data)
{
	for (int i = 0; i < 8; i++)
		out[i] = (unsigned char)(length >> (8 * i));
	size_t n = strlen(header);
	memcpy(out + 8, header, n);
	memset(out + 8 + n, 1, data);
	return 8 + n + data;
}

#define T(dtype, shape, from, to) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void corruptions(void **state)
{
	static const struct {
		const char *header;
		size_t data;
		const char *says; /* besides the file's name */
	} cases[] = {
		{"not json", 0, "not JSON"},
		{"[1]", 0, "object"},
		{"{\"w\":3}", 0, "tensor w"},
		{"{\"__metadata__\":[]}", 0, "__metadata__"},
		{"{\"w\":" T("F32", "[2,3]", 0, 24) "}", 23, "tensor w: bytes 0 to 24"},
		{"{\"w\":" T("F32", "[2,3]", 0, 24) "}", 25, "25 bytes of data, expected 24"},
		{"{\"w\":" T("F32", "[2,3]", 0, 20) "}", 20, "tensor w: expected 24 bytes for F32 [2, 3], found 20"},
		{"{\"w\":" T("F32", "[2,3]", 24, 0) "}", 24, "tensor w: bytes"},
		{"{\"w\":" T("F32", "[2,3]", -24, 0) "}", 24, "tensor w: bytes"},
		{"{\"w\":" T("F32", "[1]", 0, 4) ",\"v\":" T("F32", "[1]", 2, 6) "}", 6, "tensors w and v overlap"},
		{"{\"w\":" T("F32", "[1]", 0, 4) ",\"v\":" T("F32", "[1]", 0, 4) "}", 4, "overlap"},
		{"{\"w\":" T("F32", "[1]", 0, 4) ",\"v\":" T("F32", "[1]", 5, 9) "}", 9, "tensor v: begins at byte 5, expected 4 (a gap)"},
		{"{\"w\":" T("F32", "[1]", 4, 8) "}", 8, "tensor w: begins at byte 4"},
		{"{\"w\":" T("F8_E4M3", "[4]", 0, 4) "}", 4, "tensor w: dtype F8_E4M3"},
		{"{\"w\":" T("F33", "[4]", 0, 4) "}", 4, "tensor w: dtype F33"},
		{"{\"w\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor w: \"dtype\""},
		{"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor w: \"shape\""},
		{"{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor w: \"data_offsets\""},
		{"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "tensor w: \"data_offsets\""},
		{"{\"w\":" T("F32", "[1]", 0, 4) ",\"w\":" T("F32", "[1]", 4, 8) "}", 8, "\"w\""},
		{"{\"w\":" T("F32", "[-1]", 0, 4) "}", 4, "tensor w: \"shape\": expected at least 0, found -1"},
		{"{\"w\":" T("F32", "[1.5]", 0, 4) "}", 4, "tensor w: \"shape\": expected whole numbers, found a real number"},
		{"{\"w\":" T("F32", "[4294967296,4294967296]", 0, 0) "}", 0, "tensor w: the product of its shape overflows"},
		{"{\"w\":" T("F32", "[4611686018427387905]", 0, 4) "}", 4, "tensor w: the size of its shape overflows"},
		{"{\"w\":" T("F32", "[99999999999999999999]", 0, 4) "}", 4, "not JSON"},
		{"{\"w\":" T("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "tensor w: 9 dimensions"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char file[1024];
		size_t n = build(file, strlen(cases[i].header), cases[i].header, cases[i].data);
		const char *path = scratch_write(&g_scratch, "broken.safetensors", file, n);
		struct ts_tensors ts;
		struct ts_error err = {0};
		int status = ts_tensors_open(&ts, path, &err);
		if (!status || status != err.code || !strstr(err.message, "broken.safetensors") || !strstr(err.message, cases[i].says))
			fail_msg("%s: status %d, message: %s", cases[i].header, status, err.message);
	}
}

static void lies_about_length(void **state)
{
	static const char header[] = "{\"w\":" T("F32", "[1]", 0, 4) "}";
	static const uint64_t lengths[] = {0, 1, sizeof(header) - 2, sizeof(header) + 8, (uint64_t)2 << 30, UINT64_MAX, UINT64_MAX - 7};
	unsigned char file[256];
	struct ts_tensors ts;
	struct ts_error err = {0};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t n = build(file, lengths[i], header, 4);
		assert_true(ts_tensors_open(&ts, scratch_write(&g_scratch, "lie.safetensors", file, n), &err) == TS_EFORMAT);
		assert_non_null(strstr(err.message, "lie.safetensors"));
	}
	size_t n = build(file, sizeof(header) - 1, header, 4);
	for (size_t cut = 0; cut < n; cut++) {
		const char *path = scratch_write(&g_scratch, "cut.safetensors", file, cut);
		assert_int_equal(ts_tensors_open(&ts, path, &err), TS_EFORMAT);
		assert_non_null(strstr(err.message, "cut.safetensors"));
	}
	assert_int_equal(ts_tensors_open(&ts, scratch_write(&g_scratch, "whole.safetensors", file, n), &err), 0);
	ts_tensors_close(&ts);
	assert_int_equal(ts_tensors_open(&ts, scratch_path(&g_scratch, "absent.safetensors"), &err), TS_ENOTFOUND);
}

/* A header of 2 GB that is there, as zeros: beyond the format's limit, so it is not read. */
static void large_header(void **state)
{
	const unsigned char length[8] = {0, 0, 0, 0x80};
	const char *path = scratch_write(&g_scratch, "large.safetensors", length, sizeof(length));
	struct ts_tensors ts;
	struct ts_error err = {0};
	if (truncate(path, (off_t)3 << 30)) {
		print_message("no file of 3 GB can be made here\n");
		skip();
	}
	assert_int_equal(ts_tensors_open(&ts, path, &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "large.safetensors"));
	assert_non_null(strstr(err.message, "claims 2147483648 bytes, the file has 3221225472 (limit 104857600)"));
	assert_int_equal(truncate(path, 0), 0);
}

static void deep_nesting(void **state)
{
	size_t depth = 200000;
	unsigned char *file = malloc(depth + 16);
	char *header = malloc(depth + 1);
	memset(header, '[', depth);
	header[depth] = '\0';
	size_t n = build(file, depth, header, 0);
	struct ts_tensors ts;
	struct ts_error err = {0};
	assert_int_equal(ts_tensors_open(&ts, scratch_write(&g_scratch, "deep.safetensors", file, n), &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "deep.safetensors"));
	free(file);
	free(header);
}

/* Every byte of a small file changed in several ways: opened or refused, never a crash, and what opened lies inside the file. */
static void byte_flips(void **state)
{
	static const char header[] = "{\"a\":" T("F32", "[2,1]", 0, 8) ",\"b\":" T("BF16", "[2]", 8, 12) "}";
	unsigned char file[256];
	size_t n = build(file, sizeof(header) - 1, header, 12), opened = 0;
	for (size_t i = 0; i < n - 12; i++)
		for (int bit = 0; bit < 8; bit++) {
			unsigned char old = file[i];
			file[i] ^= (unsigned char)(1 << bit);
			struct ts_tensors ts;
			FILE *f = fopen(scratch_path(&g_scratch, "flip.safetensors"), "wb");
			assert_non_null(f);
			assert_int_equal(fwrite(file, 1, n, f), n);
			fclose(f);
			if (!ts_tensors_open(&ts, g_scratch.path, NULL)) {
				opened++;
				for (size_t t = 0; t < ts.list.len; t++) {
					const struct ts_tensor *x = &ts.list.data[t];
					assert_true(x->data >= ts.files.data[0].data + 8);
					assert_true(x->data + x->bytes <= ts.files.data[0].data + n);
				}
				ts_tensors_close(&ts);
			}
			file[i] = old;
		}
	assert_true(opened > 0); /* a changed name is still a good file */
}

static void write_text(const char *name, const char *text)
{
	assert_non_null(scratch_write(&g_scratch, name, text, strlen(text)));
}

static void write_tensor(const char *file, const char *tensor)
{
	float x = 1;
	const struct ts_tensor_out t = {tensor, TS_F32, 1, {1}, &x};
	assert_int_equal(ts_tensors_write(scratch_path(&g_scratch, file), &t, 1, NULL), 0);
}

static void broken_index(void **state)
{
	static const struct {
		const char *index;
		int code;
		const char *says, *too;
	} cases[] = {
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", 0, "", ""},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"gone.safetensors\"}}", TS_ENOTFOUND, "tensor b", "gone.safetensors"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}", TS_EMISMATCH, "tensor c", "two.safetensors"},
		{"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"two.safetensors\"}}", TS_EMISMATCH, "tensor a", "two.safetensors"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"d\":\"copy.safetensors\"}}", TS_EFORMAT, "tensor a", "copy.safetensors"},
		{"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", TS_EFORMAT, "tensor a", "../one.safetensors"},
		{"{\"weight_map\":{\"a\":7}}", TS_EFORMAT, "tensor a", ""},
		{"{\"weight_map\":{}}", TS_EFORMAT, "weight_map", ""},
		{"{}", TS_EFORMAT, "weight_map", ""},
		{"{\"weight_map\":", TS_EFORMAT, "not JSON", ""},
	};
	struct ts_tensors ts;
	struct ts_error err = {0};
	bool both = false;
	assert_int_equal(ts_tensors_open_folder(&ts, g_scratch.dir, NULL, &err), TS_ENOTFOUND);
	write_tensor("one.safetensors", "a");
	write_tensor("two.safetensors", "b");
	write_tensor("copy.safetensors", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		write_text("model.safetensors.index.json", cases[i].index);
		int status = ts_tensors_open_folder(&ts, g_scratch.dir, &both, &err);
		if (status != cases[i].code || both)
			fail_msg("%s: status %d, message: %s", cases[i].index, status, err.message);
		if (!status)
			ts_tensors_close(&ts);
		else if (!strstr(err.message, "model.safetensors.index.json") && !strstr(err.message, cases[i].too))
			fail_msg("no file in: %s", err.message);
		else if (!strstr(err.message, cases[i].says) || !strstr(err.message, cases[i].too))
			fail_msg("%s: message: %s", cases[i].index, err.message);
	}
	write_tensor("model.safetensors", "single");
	assert_int_equal(ts_tensors_open_folder(&ts, g_scratch.dir, &both, &err), 0);
	assert_true(both);
	assert_non_null(ts_tensors_find(&ts, "single"));
	assert_null(ts_tensors_find(&ts, "a"));
	ts_tensors_close(&ts);
}

static void every_allocation_fails_once(void **state)
{
	write_tensor("one.safetensors", "a");
	write_tensor("two.safetensors", "b");
	write_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
	ts_path_remove(scratch_path(&g_scratch, "model.safetensors"), NULL);
	struct ts_tensors ts;
	size_t n = 1;
	for (;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_tensors_open_folder(&ts, g_scratch.dir, NULL, &err);
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
	}
	assert_true(n > 5);
	ts_tensors_close(&ts);
	float x = 1;
	const struct ts_tensor_out out = {"a", TS_F32, 1, {1}, &x};
	for (n = 1;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_tensors_write(scratch_path(&g_scratch, "new.safetensors"), &out, 1, &err);
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
	}
	assert_true(n > 2);
}

static int set_up(void **state)
{
	return scratch_open(&g_scratch);
}

static int tear_down(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_bytes),
		cmocka_unit_test(golden_values),
		cmocka_unit_test(golden_shards),
		cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rewrite_golden, set_up, tear_down),
		cmocka_unit_test_setup_teardown(corruptions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lies_about_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep_nesting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(byte_flips, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
