/* SHA-1 on the examples of FIPS 180 and of git (`git hash-object`); and the small parts of HTTP that need no server. */
#include "core/http.h"
#include "core/sha1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_fips(void **state)
{
	static const struct {
		const char *text, *hash;
	} cases[] = {
		{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	};
	char hex[41];
	struct ts_sha1 h;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ts_sha1_init(&h);
		ts_sha1_update(&h, cases[i].text, strlen(cases[i].text));
		ts_sha1_final(&h, hex);
		assert_string_equal(hex, cases[i].hash);
	}
}

/* A million times "a", in pieces that fit no block. */
static void test_pieces(void **state)
{
	char a[997], hex[41];
	struct ts_sha1 h;
	memset(a, 'a', sizeof(a));
	ts_sha1_init(&h);
	for (size_t left = 1000000, n; left; left -= n) {
		n = left < sizeof(a) ? left : sizeof(a);
		ts_sha1_update(&h, a, n);
	}
	ts_sha1_final(&h, hex);
	assert_string_equal(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

static void test_git(void **state)
{
	char hex[41];
	struct ts_sha1 h;
	ts_sha1_init_git(&h, 0);
	ts_sha1_final(&h, hex);
	assert_string_equal(hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	ts_sha1_init_git(&h, 6);
	ts_sha1_update(&h, "hello\n", 6);
	ts_sha1_final(&h, hex);
	assert_string_equal(hex, "ce013625030ba8dba906f756967f9e9ca394464a");
}

static void test_url(void **state)
{
	struct ts_str url = {0};
	assert_int_equal(ts_url_append(&url, "a b/c+d?e#\xc3\xa9%~", "/"), 0);
	assert_string_equal(url.data, "a%20b/c%2Bd%3Fe%23%C3%A9%25~");
	ts_str_clear(&url);
	assert_int_equal(ts_url_append(&url, "refs/pr/1", ""), 0);
	assert_string_equal(url.data, "refs%2Fpr%2F1");
	ts_str_release(&url);
}

static void test_headers(void **state)
{
	static const char lines[] = "HTTP/1.1 200 OK\0etag: \"x\"\0X-Linked-Size:  12 \0Content-Length: 99999999999999999999\0Empty:";
	struct ts_http_answer a = {0};
	char value[8];
	uint64_t n;
	assert_int_equal(ts_str_append(&a.headers, lines, sizeof(lines)), 0);
	assert_true(ts_http_header(&a, "ETag", value, sizeof(value)));
	assert_string_equal(value, "\"x\"");
	assert_true(ts_http_header_number(&a, "x-linked-size", &n) && n == 12);
	assert_false(ts_http_header_number(&a, "content-length", &n)); /* no number that we could hold */
	assert_false(ts_http_header_number(&a, "etag", &n));
	assert_true(ts_http_header(&a, "empty", value, sizeof(value)) && !*value);
	assert_false(ts_http_header(&a, "x-linked", value, sizeof(value)));
	assert_true(ts_http_header(&a, "content-length", value, sizeof(value)));
	assert_string_equal(value, "9999999"); /* cut */
	ts_http_answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fips), cmocka_unit_test(test_pieces),  cmocka_unit_test(test_git),
		cmocka_unit_test(test_url),  cmocka_unit_test(test_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
