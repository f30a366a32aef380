/* GGUF files written here: what is read, every lie of a header, every cut, every broken byte; quantised blocks against the reference. */
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_blocks.h"
#include "core/philox.h"
#include "core/sha256.h"
#include "gguf_file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch g_scratch;

static int open_bytes(struct ts_gguf *g, const struct ts_str *bytes, struct ts_error *err)
{
	unlink(scratch_path(&g_scratch, "a.gguf")); /* thousands of files: a new one each time, without a sync */
	FILE *file = fopen(g_scratch.path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(ts_str_c(bytes), 1, bytes->len, file), bytes->len);
	fclose(file);
	return ts_gguf_open(g, g_scratch.path, err);
}

static int open_file(struct ts_gguf *g, struct gguf_file *f, struct ts_error *err)
{
	struct ts_str bytes = gguf_bytes(f, NULL);
	int status = open_bytes(g, &bytes, err);
	ts_str_release(&bytes);
	return status;
}

static const float numbers[6] = {1, 2, 3, 4, 5, 6};

/* One key of every type and two tensors. */
static struct gguf_file example(void)
{
	struct gguf_file f = gguf_new();
	unsigned char block[34] = {0, 0x3C, 7}; /* d = 1 */
	gguf_text(&f, "general.architecture", "llama");
	gguf_number(&f, "u8", TS_GGUF_U8, 200, 1);
	gguf_number(&f, "i8", TS_GGUF_I8, (uint8_t)-5, 1);
	gguf_number(&f, "u16", TS_GGUF_U16, 60000, 2);
	gguf_number(&f, "i16", TS_GGUF_I16, (uint16_t)-300, 2);
	gguf_number(&f, "u32", TS_GGUF_U32, 4000000000u, 4);
	gguf_number(&f, "i32", TS_GGUF_I32, (uint32_t)-70000, 4);
	gguf_number(&f, "u64", TS_GGUF_U64, (uint64_t)1 << 40, 8);
	gguf_number(&f, "i64", TS_GGUF_I64, (uint64_t)-((int64_t)1 << 40), 8);
	gguf_number(&f, "huge", TS_GGUF_U64, UINT64_MAX, 8);
	gguf_f32(&f, "f32", 1.5f);
	gguf_number(&f, "f64", TS_GGUF_F64, 0x4004000000000000, 8); /* 2.5 */
	gguf_bool(&f, "yes", true);
	gguf_number(&f, "maybe", TS_GGUF_BOOL, 2, 1);
	gguf_array(&f, "texts", TS_GGUF_TEXT, 3);
	gguf_put_text(&f.keys, "one", 3);
	gguf_put_text(&f.keys, "", 0);
	gguf_put_text(&f.keys, "t\0o", 3);
	gguf_array(&f, "ints", TS_GGUF_I16, 2);
	gguf_put(&f.keys, (uint16_t)-1, 2);
	gguf_put(&f.keys, 2, 2);
	gguf_array(&f, "nested", TS_GGUF_ARRAY, 2);
	for (int i = 0; i < 2; i++) {
		gguf_put(&f.keys, TS_GGUF_U8, 4);
		gguf_put(&f.keys, 3, 8);
		gguf_put(&f.keys, 0, 3);
	}
	gguf_array(&f, "none", TS_GGUF_TEXT, 0);
	gguf_tensor(&f, "a.weight", 2, (size_t[]){2, 3}, GGML_F32, numbers, sizeof(numbers));
	gguf_tensor(&f, "b.weight", 2, (size_t[]){1, 32}, GGML_Q8_0, block, sizeof(block));
	return f;
}

static void numbers_and_texts(const struct ts_gguf *g)
{
	static const struct {
		const char *key;
		int64_t value;
	} ints[] = {{"u8", 200},
		    {"i8", -5},
		    {"u16", 60000},
		    {"i16", -300},
		    {"u32", 4000000000},
		    {"i32", -70000},
		    {"u64", (int64_t)1 << 40},
		    {"i64", -((int64_t)1 << 40)},
		    {"absent", 77}};
	struct ts_error err;
	int64_t v;
	double real;
	bool flag;
	const char *s;
	size_t n;
	for (size_t i = 0; i < sizeof(ints) / sizeof(*ints); i++) {
		assert_int_equal(ts_gguf_int(g, ints[i].key, 77, &v, &err), 0);
		assert_true(v == ints[i].value);
	}
	assert_int_equal(ts_gguf_real(g, "f32", 0, &real, &err), 0);
	assert_true(real == 1.5);
	assert_int_equal(ts_gguf_real(g, "f64", 0, &real, &err), 0);
	assert_true(real == 2.5);
	assert_int_equal(ts_gguf_real(g, "i8", 0, &real, &err), 0);
	assert_true(real == -5);
	assert_int_equal(ts_gguf_real(g, "absent", 9, &real, &err), 0);
	assert_true(real == 9);
	assert_int_equal(ts_gguf_bool(g, "yes", false, &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(ts_gguf_bool(g, "absent", false, &flag, &err), 0);
	assert_false(flag);
	assert_int_equal(ts_gguf_text(g, "general.architecture", &s, &n, &err), 0);
	assert_true(n == 5 && !memcmp(s, "llama", 5));
	assert_int_equal(ts_gguf_text(g, "absent", &s, &n, &err), 0);
	assert_null(s);
}

static void arrays(const struct ts_gguf *g)
{
	static const char *const texts[] = {"one", "", "t\0o"};
	struct ts_gguf_walk w;
	struct ts_error err;
	const char *s;
	size_t n;
	assert_int_equal(ts_gguf_texts(g, "texts", &w, &err), 0);
	assert_int_equal(w.left, 3);
	for (size_t i = 0; i < 3; i++) {
		ts_gguf_next_text(&w, &s, &n);
		assert_int_equal(n, i == 1 ? 0 : 3);
		assert_memory_equal(s, texts[i], n);
	}
	assert_int_equal(w.left, 0);
	assert_int_equal(ts_gguf_ints(g, "ints", &w, &err), 0);
	assert_int_equal(w.left, 2);
	assert_true(ts_gguf_next_int(&w) == -1);
	assert_true(ts_gguf_next_int(&w) == 2);
	assert_int_equal(ts_gguf_texts(g, "none", &w, &err), 0);
	assert_int_equal(w.left, 0);
	assert_int_equal(ts_gguf_ints(g, "absent", &w, &err), 0);
	assert_int_equal(w.left, 0);
	assert_int_equal(ts_gguf_find(g, "nested")->count, 2);
}

#define refused(status, call, ...) refused_at(status, call, &err, (const char *const[]){__VA_ARGS__, NULL}, __LINE__)
static void refused_at(int expected, int status, const struct ts_error *err, const char *const *parts, int line)
{
	if (status != expected)
		fail_msg("line %d: status %d, expected %d: %s", line, status, expected, status ? err->message : "(no error)");
	for (; *parts; parts++)
		if (!strstr(err->message, *parts))
			fail_msg("line %d: \"%s\" does not say \"%s\"", line, err->message, *parts);
}

static void wrong_types(const struct ts_gguf *g)
{
	struct ts_error err;
	struct ts_gguf_walk w;
	int64_t v;
	double real;
	bool flag;
	const char *s;
	size_t n;
	refused(TS_EFORMAT, ts_gguf_int(g, "f32", 0, &v, &err), "a.gguf", "\"f32\"", "an integer", "FLOAT32");
	refused(TS_EFORMAT, ts_gguf_int(g, "huge", 0, &v, &err), "\"huge\"", "below 2^63", "18446744073709551615");
	refused(TS_EFORMAT, ts_gguf_real(g, "yes", 0, &real, &err), "\"yes\"", "a number", "BOOL");
	refused(TS_EFORMAT, ts_gguf_bool(g, "u8", 0, &flag, &err), "\"u8\"", "a BOOL", "UINT8");
	refused(TS_EFORMAT, ts_gguf_bool(g, "maybe", 0, &flag, &err), "\"maybe\"", "0 or 1", "2");
	refused(TS_EFORMAT, ts_gguf_text(g, "texts", &s, &n, &err), "\"texts\"", "a STRING", "an array of STRING");
	refused(TS_EFORMAT, ts_gguf_texts(g, "ints", &w, &err), "\"ints\"", "an array of STRING", "an array of INT16");
	refused(TS_EFORMAT, ts_gguf_ints(g, "u8", &w, &err), "\"u8\"", "an array of integers", "UINT8");
}

static void check_tensors(const struct ts_gguf *g)
{
	const struct ts_gguf_tensor *t = ts_gguf_tensor(g, "a.weight");
	float wide[32];
	assert_non_null(t);
	assert_string_equal(t->type->name, "F32");
	assert_true(t->dims == 2 && t->shape[0] == 2 && t->shape[1] == 3 && t->elements == 6 && t->bytes == 24);
	assert_memory_equal(t->data, numbers, sizeof(numbers));
	t = ts_gguf_tensor(g, "b.weight");
	assert_string_equal(t->type->name, "Q8_0");
	assert_true(t->dims == 2 && t->shape[0] == 1 && t->shape[1] == 32 && t->bytes == 34);
	t->type->widen(wide, t->data, 1);
	assert_true(wide[0] == 7 && wide[1] == 0);
	assert_null(ts_gguf_tensor(g, "c.weight"));
	assert_null(ts_gguf_find(g, "a.weight"));
}

static void reading(void **state)
{
	static const struct {
		uint32_t version, alignment;
	} kinds[] = {{3, 32}, {2, 32}, {3, 8}, {3, 256}};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct gguf_file f = example(), twin = gguf_new();
		struct ts_gguf g;
		struct ts_error err = {0};
		f.version = kinds[i].version;
		f.alignment = twin.alignment = kinds[i].alignment;
		if (f.alignment != 32) { /* the data once more, laid out anew */
			gguf_tensor(&twin, "a.weight", 2, (size_t[]){2, 3}, GGML_F32, f.data.data, 24);
			gguf_tensor(&twin, "b.weight", 2, (size_t[]){1, 32}, GGML_Q8_0, f.data.data + 32, 34);
			ts_str_release(&f.data);
			ts_str_release(&f.tensors);
			f.data = twin.data;
			f.tensors = twin.tensors;
			gguf_u32(&f, "general.alignment", kinds[i].alignment);
		}
		if (open_file(&g, &f, &err))
			fail_msg("%s", err.message);
		numbers_and_texts(&g);
		arrays(&g);
		wrong_types(&g);
		check_tensors(&g);
		ts_gguf_close(&g);
		gguf_release(&f);
	}
}

static void same_numbers(const struct gguf_blocks *b, const struct ts_ggml_type *type)
{
	float wide[256];
	assert_int_equal(type->bytes * b->count, b->bytes);
	type->widen(wide, b->block, b->count);
	for (size_t n = 0; n < b->count * type->block; n++) {
		uint32_t bits;
		memcpy(&bits, &wide[n], 4);
		if (bits != b->bits[n])
			fail_msg("%s: number %zu: expected 0x%08x, found 0x%08x", b->name, n, b->bits[n], bits);
	}
}

/* The bytes that make_blocks.py describes. */
static void random_block(const struct gguf_blocks *b, size_t size, size_t index, unsigned char *block)
{
	const uint32_t key[2] = {b->type, 0};
	uint32_t words[4] = {0};
	for (size_t i = 0; i < size; i++) {
		size_t at = index * size + i;
		if (at % 16 == 0 || i == 0)
			ts_philox4x32(key, (const uint32_t[4]){(uint32_t)(at / 16)}, words);
		block[i] = (unsigned char)(words[at % 16 / 4] >> at % 4 * 8);
	}
	for (int s = 0; s < 2; s++)
		if (b->scales[s] >= 0 && (block[b->scales[s] + 1] & 0x7C) == 0x7C)
			block[b->scales[s] + 1] &= 0xBF;
}

static void random_numbers(const struct gguf_blocks *b, const struct ts_ggml_type *type)
{
	struct ts_sha256 h;
	unsigned char block[256], digest[32];
	char hex[65];
	ts_sha256_init(&h);
	for (size_t i = 0; i < GGUF_RANDOM_BLOCKS; i++) {
		float wide[256];
		random_block(b, type->bytes, i, block);
		type->widen(wide, block, 1);
		for (size_t n = 0; n < type->block; n++) {
			uint32_t bits;
			memcpy(&bits, &wide[n], 4);
			const unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
							(unsigned char)(bits >> 24)};
			ts_sha256_update(&h, bytes, 4);
		}
	}
	ts_sha256_final(&h, digest);
	ts_sha256_hex(digest, hex);
	if (strcmp(hex, b->random))
		fail_msg("%s: %d random blocks: expected numbers of hash %s, found %s", b->name, GGUF_RANDOM_BLOCKS, b->random, hex);
}

static void blocks(void **state)
{
	for (size_t i = 0; i < sizeof(gguf_blocks) / sizeof(*gguf_blocks); i++) {
		const struct gguf_blocks *b = &gguf_blocks[i];
		const struct ts_ggml_type *type = ts_ggml_type(b->type);
		assert_string_equal(type->name, b->name);
		same_numbers(b, type);
		random_numbers(b, type);
	}
	assert_int_equal(ts_ggml_type(8)->block, 32);
	assert_int_equal(ts_ggml_type(12)->block, 256);
	assert_null(ts_ggml_type(4)); /* taken back from the format */
	assert_null(ts_ggml_type(1000));
}

/* --- lies --- */

static void lying_headers(void **state)
{
	struct ts_gguf g;
	struct ts_error err;
	struct ts_str bytes = {0};
	refused(TS_EFORMAT, open_bytes(&g, &bytes, &err), "a.gguf", "a GGUF file");
	ts_str_puts(&bytes, "GGML and so on");
	refused(TS_EFORMAT, open_bytes(&g, &bytes, &err), "a.gguf", "checkpoint folder or a GGUF file");
	ts_str_release(&bytes);
	refused(TS_ENOTFOUND, ts_gguf_open(&g, "/nowhere/a.gguf", &err), "/nowhere/a.gguf");
	struct gguf_file f = example();
	f.version = 1;
	refused(TS_EUNSUPPORTED, open_file(&g, &f, &err), "version 1", "expected 2 or 3");
	f.version = 4;
	refused(TS_EUNSUPPORTED, open_file(&g, &f, &err), "version 4");
	f.version = 3u << 24;
	refused(TS_EUNSUPPORTED, open_file(&g, &f, &err), "big-endian");
	f.version = 3;
	uint64_t keys = f.key_count, tensors = f.tensor_count;
	static const uint64_t counts[] = {50, 1000000, (uint64_t)1 << 60, UINT64_MAX};
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		size_t made = ts_mem_count();
		f.key_count = counts[i];
		refused(TS_EFORMAT, open_file(&g, &f, &err), "a.gguf");
		f.key_count = keys;
		f.tensor_count = counts[i];
		refused(TS_EFORMAT, open_file(&g, &f, &err), "a.gguf");
		f.tensor_count = tensors;
		assert_true(ts_mem_count() - made < 500);
	}
	gguf_release(&f);
}

/* A file with one more thing in it, which is wrong. */
#define with_key(status, put, ...)                                                                                                         \
	do {                                                                                                                               \
		struct gguf_file f = example();                                                                                            \
		put;                                                                                                                       \
		refused(status, open_file(&g, &f, &err), "a.gguf", __VA_ARGS__);                                                           \
		gguf_release(&f);                                                                                                          \
	} while (0)

static void lying_keys(void **state)
{
	struct ts_gguf g;
	struct ts_error err;
	with_key(TS_EFORMAT, gguf_u32(&f, "u8", 1), "\"u8\"", "twice");
	with_key(TS_EFORMAT, gguf_u32(&f, "", 1), "key 19", "a name of 1 to", "found 0");
	with_key(TS_EFORMAT, gguf_u32(&f, "caf\xE9", 1), "key 19", "UTF-8");
	with_key(TS_EFORMAT, gguf_key(&f, "odd", 13), "\"odd\"", "type from 0 to 12, found 13");
	with_key(TS_EFORMAT, gguf_array(&f, "odd", 99, 1), "\"odd\"", "found 99");
	with_key(TS_EFORMAT, gguf_array(&f, "long", TS_GGUF_U8, (uint64_t)1 << 60), "\"long\"", "1152921504606846976 bytes", "more");
	with_key(TS_EFORMAT, gguf_array(&f, "long", TS_GGUF_F64, (uint64_t)1 << 61), "\"long\"", "more");
	with_key(TS_EFORMAT, gguf_array(&f, "long", TS_GGUF_TEXT, (uint64_t)1 << 60), "\"long\"", "more");
	with_key(TS_EFORMAT, gguf_array(&f, "long", TS_GGUF_ARRAY, (uint64_t)1 << 60), "\"long\"");
	with_key(TS_EFORMAT, (gguf_key(&f, "text", TS_GGUF_TEXT), gguf_put(&f.keys, UINT64_MAX, 8)), "\"text\"",
		 "18446744073709551615 bytes");
	with_key(TS_EFORMAT, (gguf_key(&f, "text", TS_GGUF_TEXT), gguf_put(&f.keys, 5000, 8)), "\"text\"", "5000 bytes");
	with_key(TS_EFORMAT, (f.key_count++, gguf_put(&f.keys, (uint64_t)1 << 60, 8)), "key 19", "1152921504606846976 bytes");
	with_key(TS_EFORMAT, gguf_u32(&f, "general.alignment", 0), "\"general.alignment\"", "a power of two, found 0");
	with_key(TS_EFORMAT, gguf_u32(&f, "general.alignment", 48), "\"general.alignment\"", "a power of two, found 48");
	with_key(TS_EFORMAT, gguf_text(&f, "general.alignment", "32"), "\"general.alignment\"", "an integer, found STRING");
	struct gguf_file f = example();
	gguf_array(&f, "deep", TS_GGUF_ARRAY, 1);
	for (int i = 0; i < 100000; i++) {
		gguf_put(&f.keys, TS_GGUF_ARRAY, 4);
		gguf_put(&f.keys, 1, 8);
	}
	refused(TS_EUNSUPPORTED, open_file(&g, &f, &err), "\"deep\"", "nested more than 4 deep");
	gguf_release(&f);
	f = example();
	char name[65537];
	memset(name, 'k', 65536);
	name[65536] = '\0';
	gguf_u32(&f, name, 1);
	refused(TS_EFORMAT, open_file(&g, &f, &err), "key 19", "65536");
	gguf_release(&f);
}

static void lying_tensors(void **state)
{
	struct ts_gguf g;
	struct ts_error err;
	const size_t two[] = {2, 3}, blocky[] = {2, 33}, none[] = {2, 0}, wide[] = {(size_t)1 << 62, 8},
		     large[] = {(size_t)1 << 32, 1 << 16};
	const size_t five[] = {1, 1, 1, 1, 1};
	const char *long_name = "a name of sixty-five bytes, which is one more than the format allows.";
	with_key(TS_EFORMAT, gguf_entry(&f, "a.weight", 2, two, GGML_F32, 96), "\"a.weight\"", "twice");
	with_key(TS_EFORMAT, gguf_entry(&f, "", 2, two, GGML_F32, 96), "tensor 3", "a name of 1 to 64 bytes, found 0");
	with_key(TS_EFORMAT, gguf_entry(&f, long_name, 2, two, GGML_F32, 96), "tensor 3", "1 to 64 bytes");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 0, two, GGML_F32, 96), "\"c\"", "1 to 4 dimensions, found 0");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 5, five, GGML_F32, 96), "\"c\"", "found 5");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, none, GGML_F32, 96), "\"c\"", "dimension 1 is 0");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, wide, GGML_F32, 96), "\"c\"", "dimension 2 is 4611686018427387904");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, large, GGML_F32, 96), "\"c\"", "1125899906842624 bytes");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, blocky, GGML_Q8_0, 96), "\"c\"", "multiple of 32 numbers (Q8_0), found 33");
	with_key(TS_EUNSUPPORTED, gguf_entry(&f, "c", 2, two, 22, 96), "\"c\"", "type IQ2_S is not supported", "known: F32");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, 12, 96), "\"c\"", "multiple of 256 numbers (Q4_K), found 3");
	with_key(TS_EUNSUPPORTED, gguf_entry(&f, "c", 2, two, 26, 96), "\"c\"", "type I32 is not supported");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, 4, 96), "\"c\"", "type number 4");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, 4000000000u, 96), "\"c\"", "type number 4000000000");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, GGML_F32, 0), "\"a.weight\"", "\"c\"", "overlap");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, GGML_F32, 32), "\"b.weight\"", "\"c\"", "overlap");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, GGML_F32, 3), "\"c\"", "multiple of 32, found 3");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, GGML_F32, 64), "\"c\"", "24 bytes", "ends at");
	with_key(TS_EFORMAT, gguf_entry(&f, "c", 2, two, GGML_F32, UINT64_MAX - 31), "\"c\"", "24 bytes");
}

static void every_cut(void **state)
{
	struct gguf_file f = example();
	size_t header;
	struct ts_str whole = gguf_bytes(&f, &header);
	for (size_t n = 0; n < whole.len; n++) {
		struct ts_gguf g;
		struct ts_error err = {0};
		struct ts_str cut = {whole.data, n, 0};
		if (open_bytes(&g, &cut, &err) != TS_EFORMAT || !strstr(err.message, "a.gguf"))
			fail_msg("cut to %zu of %zu bytes (header %zu): \"%s\"", n, whole.len, header, err.message);
	}
	ts_str_release(&whole);
	gguf_release(&f);
}

/* Whatever a broken byte makes of the header, the reader ends, and what it accepts can be looked through. */
static void every_byte(void **state)
{
	struct gguf_file f = example();
	size_t header, accepted = 0;
	struct ts_str whole = gguf_bytes(&f, &header);
	for (size_t i = 0; i < header; i++)
		for (int change = 0; change < 3; change++) {
			struct ts_gguf g;
			struct ts_gguf_walk w;
			const char *s;
			size_t n;
			char kept = whole.data[i];
			whole.data[i] = (char)(change == 0 ? kept ^ 0x80 : change == 1 ? 0xFF : kept + 1);
			if (!open_bytes(&g, &whole, NULL)) {
				accepted++;
				if (!ts_gguf_texts(&g, "texts", &w, NULL))
					while (w.left)
						ts_gguf_next_text(&w, &s, &n);
				for (size_t t = 0; t < g.tensors.len; t++)
					assert_in_range((uintptr_t)g.tensors.data[t].data, (uintptr_t)g.file.data,
							(uintptr_t)g.file.data + g.file.size - g.tensors.data[t].bytes);
				ts_gguf_close(&g);
			}
			whole.data[i] = kept;
		}
	assert_true(accepted > 20); /* a value may change freely */
	ts_str_release(&whole);
	gguf_release(&f);
}

static void every_allocation(void **state)
{
	struct gguf_file f = example();
	struct ts_str bytes = gguf_bytes(&f, NULL);
	struct ts_gguf g;
	assert_int_equal(open_bytes(&g, &bytes, NULL), 0);
	ts_gguf_close(&g);
	for (size_t n = 1;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_gguf_open(&g, g_scratch.path, &err);
		ts_mem_fail_at(0);
		if (!status) {
			assert_true(n > 8);
			ts_gguf_close(&g);
			break;
		}
		assert_int_equal(status, TS_ENOMEM);
	}
	ts_str_release(&bytes);
	gguf_release(&f);
}

static int open_scratch(void **state)
{
	return scratch_open(&g_scratch);
}

static int close_scratch(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),    cmocka_unit_test(blocks),           cmocka_unit_test(lying_headers),
		cmocka_unit_test(lying_keys), cmocka_unit_test(lying_tensors),    cmocka_unit_test(every_cut),
		cmocka_unit_test(every_byte), cmocka_unit_test(every_allocation),
	};
	return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
