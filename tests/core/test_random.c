/* Philox against the known answers of its authors (Random123, kat_vectors, philox 4x32 10); SHA-256 against FIPS 180-4's examples. */
#include "core/philox.h"
#include "core/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_philox(void **state)
{
	static const struct {
		uint32_t counter[4], key[2], expected[4];
	} cases[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t out[4];
		ts_philox4x32(cases[i].key, cases[i].counter, out);
		assert_memory_equal(out, cases[i].expected, sizeof(out));
	}
}

static void check_sha(const char *text, size_t repeat, const char *expected)
{
	struct ts_sha256 h;
	unsigned char digest[32];
	char hex[65];
	ts_sha256_init(&h);
	for (size_t i = 0; i < repeat; i++)
		ts_sha256_update(&h, text, strlen(text));
	ts_sha256_final(&h, digest);
	ts_sha256_hex(digest, hex);
	assert_string_equal(hex, expected);
}

static void test_sha256(void **state)
{
	check_sha("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_sha("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	check_sha("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every part of a key counts, and no part can slide into the next. */
static void test_keys_differ(void **state)
{
	struct ts_random_key a = ts_random_key_make(1, "eval", "text", 4, 0);
	struct ts_random_key others[] = {
		ts_random_key_make(2, "eval", "text", 4, 0),  ts_random_key_make(1, "alpha", "text", 4, 0),
		ts_random_key_make(1, "eval", "texts", 5, 0), ts_random_key_make(1, "eval", "text", 4, 1),
		ts_random_key_make(1, "evalt", "ext", 3, 0),
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_memory_not_equal(a.digest, others[i].digest, sizeof(a.digest));
	double mean = 0;
	for (uint64_t n = 0; n < 20000; n++) {
		double u = ts_random_uniform(&a, n);
		assert_true(u >= 0 && u < 1);
		mean += u / 20000;
	}
	assert_true(mean > 0.49 && mean < 0.51);
}

/* A permutation; all 24 orders of four items are about equally common over epochs. */
static void test_order(void **state)
{
	enum { N = 1000, EPOCHS = 24000 };
	size_t order[N], again[N];
	char seen[N] = {0};
	ts_random_order(42, 3, order, N);
	ts_random_order(42, 3, again, N);
	assert_memory_equal(order, again, sizeof(order));
	for (size_t i = 0; i < N; i++)
		seen[order[i]]++;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(seen[i], 1);
	ts_random_order(42, 4, again, N);
	assert_memory_not_equal(order, again, sizeof(order));
	int counts[256] = {0}, kinds = 0;
	for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
		ts_random_order(7, epoch, order, 4);
		counts[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
	}
	for (size_t i = 0; i < 256; i++) {
		kinds += counts[i] > 0;
		assert_true(counts[i] == 0 || (counts[i] > 850 && counts[i] < 1150)); /* 1000 expected, sd 31 */
	}
	assert_int_equal(kinds, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_philox),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_keys_differ),
		cmocka_unit_test(test_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
