/* What the writer puts into a file is what the reader, which has tests of its own, finds there. */
#include "checkpoint/gguf_packed.h"
#include "checkpoint/gguf_write.h"
#include "scratch.h"
#include "torture.h"

#include <math.h>

#define ok(expression)                                                                                                                     \
	do {                                                                                                                               \
		if (expression)                                                                                                            \
			fail_msg("%s", err.message);                                                                                       \
	} while (0)

static void put_keys(struct ts_gguf_writer *w)
{
	ts_gguf_put_text(w, "general.architecture", "llama", 5);
	ts_gguf_put_u32(w, "a.u32", UINT32_MAX);
	ts_gguf_put_f32(w, "a.f32", -0.5f);
	ts_gguf_put_bool(w, "a.bool", true);
	ts_gguf_put_text(w, "a.text", "x\0y", 3);
	ts_gguf_put_array(w, "a.texts", TS_GGUF_TEXT, 2);
	ts_gguf_item_text(w, "one", 3);
	ts_gguf_item_text(w, "", 0);
	ts_gguf_put_array(w, "a.ints", TS_GGUF_I32, 2);
	ts_gguf_item_i32(w, -7);
	ts_gguf_item_i32(w, 8);
	ts_gguf_put_array(w, "a.reals", TS_GGUF_F32, 1);
	ts_gguf_item_f32(w, 2.5f);
}

static int write_file(void *user, struct ts_error *err)
{
	const char *path = user;
	struct ts_gguf_writer w = {0};
	struct ts_str text = {0};
	size_t vector = 5, matrix[2] = {3, 32};
	put_keys(&w);
	ts_gguf_put_tensor(&w, "vector", 1, &vector, TS_GGML_F32);
	ts_gguf_put_tensor(&w, "matrix", 2, matrix, TS_GGML_Q8_0);
	int status = ts_gguf_writer_header(&w, &text, err);
	for (int i = 0; i < 64 + 128 && !status; i++) /* 20 and 102 bytes, each up to a multiple of 32 */
		status = ts_str_putc(&text, (char)(i < 20 ? 0 : i)) ? ts_fail_memory(err) : 0;
	if (!status)
		status = ts_file_write(path, text.data, text.len, err);
	ts_gguf_writer_release(&w);
	ts_str_release(&text);
	return status;
}

static void test_round_trip(void **state)
{
	struct ts_error err = {0};
	struct scratch s;
	struct ts_gguf g;
	struct ts_gguf_walk walk;
	const char *text;
	size_t n;
	int64_t integer;
	double real;
	bool flag;
	assert_int_equal(scratch_open(&s), 0);
	ok(write_file((void *)(uintptr_t)scratch_path(&s, "a.gguf"), &err));
	ok(ts_gguf_open(&g, s.path, &err));
	assert_int_equal(g.values.len, 8);
	ok(ts_gguf_int(&g, "a.u32", 0, &integer, &err));
	assert_int_equal(integer, UINT32_MAX);
	ok(ts_gguf_real(&g, "a.f32", 0, &real, &err));
	assert_true(real == -0.5);
	ok(ts_gguf_bool(&g, "a.bool", false, &flag, &err));
	assert_true(flag);
	ok(ts_gguf_text(&g, "a.text", &text, &n, &err));
	assert_int_equal(n, 3);
	assert_memory_equal(text, "x\0y", 3);
	ok(ts_gguf_texts(&g, "a.texts", &walk, &err));
	assert_int_equal(walk.left, 2);
	ts_gguf_next_text(&walk, &text, &n);
	assert_int_equal(n, 3);
	ts_gguf_next_text(&walk, &text, &n);
	assert_int_equal(n, 0);
	ok(ts_gguf_ints(&g, "a.ints", &walk, &err));
	assert_int_equal(ts_gguf_next_int(&walk), -7);
	assert_int_equal(ts_gguf_next_int(&walk), 8);
	const struct ts_gguf_tensor *vector = ts_gguf_tensor(&g, "vector"), *matrix = ts_gguf_tensor(&g, "matrix");
	assert_int_equal(vector->bytes, 20);
	assert_int_equal(matrix->shape[0], 3);
	assert_int_equal(matrix->shape[1], 32);
	assert_int_equal(matrix->bytes, 102);
	assert_int_equal(matrix->data[0], 32); /* it begins at the next multiple of 32 */
	ts_gguf_close(&g);
	scratch_close(&s);
}

/* A key of any type, copied, is the same bytes. */
static void test_copied_values(void **state)
{
	struct ts_error err = {0};
	struct scratch s;
	struct ts_gguf g;
	struct ts_gguf_writer w = {0}, again = {0};
	assert_int_equal(scratch_open(&s), 0);
	ok(write_file((void *)(uintptr_t)scratch_path(&s, "a.gguf"), &err));
	ok(ts_gguf_open(&g, s.path, &err));
	for (size_t i = 0; i < g.values.len; i++)
		ts_gguf_put_value(&again, &g.values.data[i]);
	put_keys(&w);
	assert_int_equal(w.keys.len, again.keys.len);
	assert_int_equal(w.key_count, again.key_count);
	assert_memory_equal(w.keys.data, again.keys.data, w.keys.len);
	ts_gguf_writer_release(&w);
	ts_gguf_writer_release(&again);
	ts_gguf_close(&g);
	scratch_close(&s);
}

static void test_q8_0(void **state)
{
	enum { BLOCKS = sizeof(gguf_wide) / sizeof(*gguf_wide) / TS_Q8_0_BLOCK };
	float wide[BLOCKS * TS_Q8_0_BLOCK];
	unsigned char packed[BLOCKS * TS_Q8_0_BYTES];
	memcpy(wide, gguf_wide, sizeof(wide));
	assert_int_equal(sizeof(packed), sizeof(gguf_packed));
	assert_int_equal(ts_pack_q8_0(packed, wide, BLOCKS), 0);
	for (size_t i = 0; i < sizeof(packed); i++)
		if (packed[i] != gguf_packed[i])
			fail_msg("block %zu, byte %zu: %d, expected %d", i / TS_Q8_0_BYTES, i % TS_Q8_0_BYTES, packed[i], gguf_packed[i]);
}

static void test_q8_0_beyond(void **state)
{
	float wide[3 * TS_Q8_0_BLOCK] = {0};
	unsigned char packed[3 * TS_Q8_0_BYTES];
	wide[3] = 1e7f; /* 1e7 / 127 is over 65504 */
	wide[40] = 8e6f;
	wide[70] = INFINITY; /* it was infinite before */
	assert_int_equal(ts_pack_q8_0(packed, wide, 3), TS_Q8_0_BLOCK);
}

static void test_torture(void **state)
{
	struct scratch s;
	assert_int_equal(scratch_open(&s), 0);
	torture(write_file, (void *)(uintptr_t)scratch_path(&s, "a.gguf"));
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_copied_values), cmocka_unit_test(test_q8_0),
		cmocka_unit_test(test_q8_0_beyond), cmocka_unit_test(test_torture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
