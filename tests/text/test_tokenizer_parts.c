/* The tokenizer's parts: small models against the reference library (test_tokenizer_cases.json), the hand-written matchers
 * against PCRE2, streams, malformed files, bad text, worst cases, failing allocations. */
#include "text/tokenizer/pretokenize_pattern.h"
#include "text/stream_decode.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include "core/json.h"
#include "core/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CASES TS_SOURCE_DIR "/tests/text/test_tokenizer_cases.json"

static struct ts_tokenizer *open_text(const char *json)
{
	struct ts_tokenizer *t = NULL;
	struct ts_error err = {0};
	if (ts_tokenizer_parse(&t, json, strlen(json), "file", &err))
		fail_msg("%s", err.message);
	return t;
}

static json_t *load_cases(void)
{
	json_t *root = NULL;
	struct ts_error err = {0};
	if (ts_json_load(CASES, &root, &err))
		fail_msg("%s", err.message);
	return root;
}

/* The case's model with its own parts laid over it, as text. */
static void build(const json_t *root, const json_t *parts, struct ts_str *out)
{
	json_t *file = json_deep_copy(parts), *model = json_deep_copy(json_object_get(root, "model"));
	if (json_object_get(file, "model"))
		assert_int_equal(json_object_update(model, json_object_get(file, "model")), 0);
	assert_int_equal(json_object_set_new(file, "model", model), 0);
	assert_int_equal(ts_json_dump(file, out), 0);
	json_decref(file);
}

static void test_cases(void **state)
{
	json_t *root = load_cases(), *item;
	size_t i;
	assert_true(json_array_size(json_object_get(root, "cases")) > 40);
	json_array_foreach (json_object_get(root, "cases"), i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const json_t *text = json_object_get(item, "text"), *want = json_object_get(item, "ids");
		struct ts_str json = {0};
		build(root, json_object_get(item, "parts"), &json);
		struct ts_tokenizer *t = open_text(json.data);
		ts_ids ids = {0};
		assert_int_equal(ts_tokenizer_encode(t, json_string_value(text), json_string_length(text), true, &ids, NULL), 0);
		bool same = ids.len == json_array_size(want);
		for (size_t k = 0; same && k < ids.len; k++)
			same = ids.data[k] == json_integer_value(json_array_get(want, k));
		if (!same)
			fail_msg("%s: other ids than expected", name);
		ts_vec_release(&ids);
		ts_tokenizer_close(t);
		ts_str_release(&json);
	}
	json_decref(root);
}

/* Files that must be refused; the message must hold `says`. */
static const struct {
	const char *json, *says;
	int status;
} refused[] = {
	{"", "file", TS_EFORMAT},
	{"[1]", "object", TS_EFORMAT},
	{"{}", "model", TS_EFORMAT},
	{"{\"version\":\"2.0\"}", "version \"2.0\"", TS_EUNSUPPORTED},
	{"{\"model\":{\"type\":\"Unigram\"}}", "Unigram", TS_EUNSUPPORTED},
	{"{\"model\":{\"vocab\":[],\"merges\":[]}}", "vocab", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0}}}", "merges", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "same id 0", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", "\"a\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", "\"a\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":99999999999},\"merges\":[]}}", "\"a\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merges[0]: \"b\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}}", "merges[0]: its result \"ab\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", "merges[0]", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a  a\"]}}", "merges[0]", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[[\"a\",\"a\"],[\"a\"]]}}", "merges[1]", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}", "unk_token \"u\"", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", "dropout", TS_EUNSUPPORTED},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"fuse_unk\":1}}", "fuse_unk", TS_EFORMAT},
	{"{\"normalizer\":{\"type\":\"Nmt\"}}", "normalizer \"Nmt\"", TS_EUNSUPPORTED},
	{"{\"normalizer\":{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{}}}", "pattern", TS_EFORMAT},
	{"{\"normalizer\":{\"type\":\"Sequence\"}}", "normalizers", TS_EFORMAT},
	{"{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}}", "UnicodeScripts", TS_EUNSUPPORTED},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}}", "\"(\"", TS_EUNSUPPORTED},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a{2}+\"},\"behavior\":\"Isolated\"}}", "interval",
	 TS_EUNSUPPORTED},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a[b]]\"},\"behavior\":\"Isolated\"}}", "class", TS_EUNSUPPORTED},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}}", "Odd", TS_EUNSUPPORTED},
	{"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}}", "last", TS_EFORMAT},
	{"{\"decoder\":{\"type\":\"WordPiece\"}}", "decoder \"WordPiece\"", TS_EUNSUPPORTED},
	{"{\"decoder\":{\"type\":\"Strip\",\"content\":\"ab\"}}", "one character", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"post_processor\":{\"type\":\"BertProcessing\"}}", "BertProcessing",
	 TS_EUNSUPPORTED},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
	 "[{\"SpecialToken\":{\"id\":\"<s>\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[7]}}}}",
	 "<s>", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"content\":\"a\",\"id\":1}]}", "expected id 0", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"content\":\"b\",\"id\":0}]}", "expected id 1", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"content\":\"b\",\"id\":-3}]}", "-3", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"id\":1}]}", "added_tokens[0]", TS_EFORMAT},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"content\":\"b\",\"id\":1},{\"content\":\"b\",\"id\":1}]}",
	 "twice", TS_EFORMAT},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct ts_tokenizer *t = NULL;
		struct ts_error err = {0};
		int status = ts_tokenizer_parse(&t, refused[i].json, strlen(refused[i].json), "file", &err);
		if (status != refused[i].status || !strstr(err.message, refused[i].says) || strncmp(err.message, "file", 4))
			fail_msg("%s: status %d, \"%s\"", refused[i].json, status, err.message);
		assert_null(t);
	}
}

/* A nesting bomb must be an error, not a crash. */
static void test_nesting(void **state)
{
	struct ts_str json = {0};
	struct ts_tokenizer *t = NULL;
	struct ts_error err = {0};
	assert_int_equal(ts_str_puts(&json, "{\"pre_tokenizer\":"), 0);
	for (int i = 0; i < 500; i++)
		assert_int_equal(ts_str_puts(&json, "{\"type\":\"Sequence\",\"pretokenizers\":["), 0);
	for (int i = 0; i < 500; i++)
		assert_int_equal(ts_str_puts(&json, "]}"), 0);
	assert_int_equal(ts_str_puts(&json, "}"), 0);
	assert_int_equal(ts_tokenizer_parse(&t, json.data, json.len, "file", &err), TS_EFORMAT);
	assert_null(t);
	ts_str_release(&json);
}

#define SMALL "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}"

static void test_bad_text(void **state)
{
	static const struct {
		const char *text;
		size_t n, offset;
	} bad[] = {{"a\x80", 2, 1}, {"\xC0\x80", 2, 0}, {"ab\xE2\x82", 4, 2}, {"\xED\xA0\x80", 3, 0}, {"aaa\xF4\x90\x80\x80", 7, 3}};
	struct ts_tokenizer *t = open_text(SMALL);
	ts_ids ids = {0};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ts_error err = {0};
		char offset[32];
		snprintf(offset, sizeof(offset), "byte %zu", bad[i].offset);
		assert_int_equal(ts_tokenizer_encode(t, bad[i].text, bad[i].n, true, &ids, &err), TS_EFORMAT);
		assert_non_null(strstr(err.message, offset));
		assert_int_equal(ids.len, 0);
	}
	assert_int_equal(ts_tokenizer_encode(t, NULL, 0, true, &ids, NULL), 0);
	assert_int_equal(ids.len, 0);
	assert_int_equal(ts_tokenizer_encode(t, "ab\0b", 4, true, &ids, NULL), 0); /* the NUL is unknown and dropped */
	assert_int_equal(ids.len, 2);
	assert_int_equal(ids.data[0], 2);
	assert_int_equal(ts_tokenizer_id(t, "ab"), 2);
	assert_int_equal(ts_tokenizer_id(t, "ba"), -1);
	assert_int_equal(ts_tokenizer_size(t), 3);
	ts_vec_release(&ids);
	ts_tokenizer_close(t);
}

/* Decoders: tokens of a three-byte character one by one, a run of byte tokens that is not UTF-8, stripping, unknown ids. */
static const struct {
	const char *json;
	int32_t ids[8];
	size_t n;
	const char *text;   /* the whole, by the reference's rules */
	const char *pieces; /* what each id gives, '|' between, then the flush */
} decoded[] = {
	{"{\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"merges\":[],\"vocab\":{\"\xC3\xA2\":0,\"\xC4\xA4\":1,\"\xC2\xAC\":2,\"a\":3}}"
	 "}",
	 {0, 1, 2, 3, 0, 1, 3, 1},
	 8,
	 "\xE2\x82\xAC"
	 "a\xEF\xBF\xBD"
	 "a\xEF\xBF\xBD",
	 "||\xE2\x82\xAC|a|||\xEF\xBF\xBD"
	 "a|\xEF\xBF\xBD|"},
	{"{\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"merges\":[],\"vocab\":{\"\xC3\xA2\":0,\"\xC4\xA4\":1,\"a\":3}}}",
	 {3, 9, -1, 2, 0, 1},
	 6,
	 "a\xEF\xBF\xBD",
	 "a||||||\xEF\xBF\xBD"},
	{"{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
	 "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
	 "\"model\":{\"merges\":[],\"vocab\":{\"<0xE2>\":0,\"<0x82>\":1,\"<0xAC>\":2,\"_a\":3,\"_\":4}}}",
	 {4, 3, 0, 1, 2, 3, 0, 1},
	 8,
	 " a\xE2\x82\xAC a\xEF\xBF\xBD\xEF\xBF\xBD",
	 "| a||||\xE2\x82\xAC a|||\xEF\xBF\xBD\xEF\xBF\xBD"},
	{"{\"model\":{\"merges\":[],\"vocab\":{\"a\":0,\"b\":1}}}", {0, 1, 1}, 3, "a b b", "a| b| b|"},
	{"{\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"_\"},\"model\":{\"merges\":[],\"vocab\":{\"_a\":0}}}",
	 {0, 0},
	 2,
	 "a a",
	 "a| a|"},
};

static void test_decode(void **state)
{
	for (size_t i = 0; i < sizeof(decoded) / sizeof(decoded[0]); i++) {
		struct ts_tokenizer *t = open_text(decoded[i].json);
		struct ts_str text = {0}, pieces = {0};
		struct ts_stream_decode *stream = NULL;
		assert_int_equal(ts_tokenizer_decode(t, decoded[i].ids, decoded[i].n, false, &text), 0);
		assert_string_equal(ts_str_c(&text), decoded[i].text);
		assert_int_equal(ts_stream_decode_new(&stream, t, false), 0);
		for (int twice = 0; twice < 2; twice++) { /* after the flush a stream is as new */
			ts_str_clear(&pieces);
			for (size_t k = 0; k < decoded[i].n; k++) {
				assert_int_equal(ts_stream_decode_feed(stream, decoded[i].ids[k], &pieces), 0);
				assert_int_equal(ts_str_putc(&pieces, '|'), 0);
			}
			assert_int_equal(ts_stream_decode_flush(stream, &pieces), 0);
			assert_string_equal(pieces.data, decoded[i].pieces);
		}
		ts_stream_decode_free(stream);
		ts_str_release(&text);
		ts_str_release(&pieces);
		ts_tokenizer_close(t);
	}
}

static size_t below(const struct ts_random_key *key, uint64_t *counter, size_t n)
{
	return (size_t)(ts_random_uniform(key, (*counter)++) * (double)n);
}

static bool matches(struct ts_pattern_run *run, const char *s, size_t n)
{
	struct ts_pattern_walk walk = {.run = run, .s = s, .n = n};
	size_t start, end;
	bool match;
	return ts_pattern_walk_next(&walk, &start, &end, &match, NULL) == 1 && match;
}

/* Characters on whose class our table and this PCRE2's version of Unicode agree. */
static size_t agreed_characters(uint32_t *out, size_t most)
{
	static const char *const regex[] = {"\\p{L}", "\\p{N}", "\\s"};
	struct ts_pattern *patterns[3];
	struct ts_pattern_run *runs[3];
	size_t n = 0, differing = 0;
	for (int k = 0; k < 3; k++) {
		assert_int_equal(ts_pattern_regex(&patterns[k], regex[k], false, "test", NULL), 0);
		assert_int_equal(ts_pattern_run_new(&runs[k], patterns[k], NULL), 0);
	}
	for (uint32_t c = 0; c < 0x32000 && n < most; c += c < 0x3400 ? 1 : 17) {
		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		struct ts_str s = {0};
		assert_int_equal(ts_str_put_utf8(&s, c), 0);
		int class = TS_UNICODE_OTHER;
		for (int k = 0; k < 3; k++)
			if (matches(runs[k], s.data, s.len))
				class = k + 1;
		if ((int)ts_unicode_class(c) == class)
			out[n++] = c;
		else
			differing++;
		ts_str_release(&s);
	}
	for (int k = 0; k < 3; k++) {
		ts_pattern_run_free(runs[k]);
		ts_pattern_free(patterns[k]);
	}
	assert_true(differing * 20 < n); /* only what is newer or older than Unicode 16.0 */
	return n;
}

static const char *const known[] = {
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
	("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
	 "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

static void random_text(struct ts_str *out, const uint32_t *pool, size_t pool_size, const struct ts_random_key *key, uint64_t *counter)
{
	static const char *const parts[] = {
		" ",  "  ", "\n", "\r\n", "\t", " \n ", "\xC2\x85", "\xE3\x80\x80", "'s", "'S", "'\xC5\xBF", "'ll", "'LL", "'r", "'Re",
		"'d", "'",  "''", "a",    "Zz", "12",   "3",        "4567",         ".",  "!?", "...\n",     "-",
	};
	size_t count = sizeof(parts) / sizeof(parts[0]), length = 1 + below(key, counter, 40);
	ts_str_clear(out);
	for (size_t i = 0; i < length; i++) {
		size_t k = below(key, counter, count + count / 2);
		if (k < count)
			assert_int_equal(ts_str_puts(out, parts[k]), 0);
		else
			assert_int_equal(ts_str_put_utf8(out, pool[below(key, counter, pool_size)]), 0);
	}
}

static void test_known_matchers(void **state)
{
	static uint32_t pool[40000];
	size_t pool_size = agreed_characters(pool, sizeof(pool) / sizeof(pool[0]));
	struct ts_random_key key = ts_random_key_make(1, "test", "matchers", 8, 0);
	uint64_t counter = 0;
	struct ts_str text = {0};
	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
		struct ts_pattern *fast, *slow;
		struct ts_pattern_run *run;
		assert_int_equal(ts_pattern_regex(&fast, known[k], true, "test", NULL), 0);
		assert_int_equal(ts_pattern_regex(&slow, known[k], false, "test", NULL), 0);
		ts_pattern_cover cover = ts_pattern_covers(fast);
		assert_true(cover && !ts_pattern_covers(slow));
		assert_int_equal(ts_pattern_run_new(&run, slow, NULL), 0);
		for (int i = 0; i < 5000; i++) {
			random_text(&text, pool, pool_size, &key, &counter);
			struct ts_pattern_walk walk = {.run = run, .s = ts_str_c(&text), .n = text.len};
			size_t start, end, at = 0;
			bool match;
			while (ts_pattern_walk_next(&walk, &start, &end, &match, NULL) > 0) {
				assert_true(match);
				assert_int_equal(start, at);
				if (cover(text.data + at, text.len - at) != end - start)
					fail_msg("expression %zu, \"%s\": other piece at byte %zu", k, text.data, at);
				at = end;
			}
			assert_int_equal(at, text.len);
		}
		ts_pattern_run_free(run);
		ts_pattern_free(fast);
		ts_pattern_free(slow);
	}
	ts_str_release(&text);
}

/* Long texts without a place to cut: the result is right and comes at all (quadratic work would take minutes). */
static void test_worst_cases(void **state)
{
	static const char json[] =
		"{\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"vocab\":{\"a\":0,\"aa\":1,\"aaaa\":2,\"\\u0301\":3,\"\\u0323\":4},"
		"\"merges\":[\"a a\",\"aa aa\"]},\"added_tokens\":[{\"content\":\"a\\u0301a\\u0301!\",\"id\":5}]}";
	struct ts_tokenizer *t = open_text(json);
	size_t n = 1 << 20;
	struct ts_str text = {0};
	ts_ids ids = {0};
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ts_str_putc(&text, 'a'), 0);
	assert_int_equal(ts_tokenizer_encode(t, text.data, text.len, true, &ids, NULL), 0);
	assert_int_equal(ids.len, n / 4);
	ids.len = 0;
	ts_str_clear(&text); /* marks in the wrong order: each 0323 (class 220) must come before each 0301 (class 230) */
	assert_int_equal(ts_str_puts(&text, "!"), 0);
	for (size_t i = 0; i < n / 4; i++)
		assert_int_equal(ts_str_puts(&text, "\xCC\x81\xCC\xA3"), 0);
	assert_int_equal(ts_tokenizer_encode(t, text.data, text.len, true, &ids, NULL), 0);
	assert_int_equal(ids.len, n / 2);
	assert_int_equal(ids.data[n / 4 - 1], 4);
	assert_int_equal(ids.data[n / 4], 3);
	ts_vec_release(&ids);
	ts_str_release(&text);
	ts_tokenizer_close(t);
}

/* An expression that backtracks without end is stopped with TS_ELIMIT. */
static void refused_as(int expected, const char *part, const char *json)
{
	struct ts_tokenizer *t;
	struct ts_error err = {0};
	int status = ts_tokenizer_parse(&t, json, strlen(json), "file", &err);
	if (status != expected || !strstr(err.message, "file") || !strstr(err.message, part))
		fail_msg("status %d, expected %d with \"%s\": %s", status, expected, part, err.message);
}

/* Steps that make text longer multiply, and steps call each other: a small file must ask for neither much memory nor a deep stack. */
static void test_growth(void **state)
{
	static const struct {
		const char *head, *step, *tail, *part;
		int count;
	} files[] = {
		{"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[",
		 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aa\"}", "]}", "2048 times as long", 20},
		{"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[",
		 "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"b|\"},\"content\":\"aaa\"}", "]}", "4096 times as long", 20},
		{"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[", "{\"type\":\"NFC\"}", "]}", "at most 64 normalizers", 65},
		{"\"decoder\":{\"type\":\"Sequence\",\"decoders\":[",
		 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"aa\"},\"content\":\"aaaaaa\"}", "]}", "2187 times as long", 20},
		{"\"decoder\":{\"type\":\"Sequence\",\"decoders\":[", "{\"type\":\"Fuse\"}", "]}", "at most 64 decoders", 65},
		{"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[",
		 "{\"type\":\"ByteLevel\",\"use_regex\":false,\"add_prefix_space\":false}", "]}", "2048 times as long", 20},
		{"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[", "{\"type\":\"Digits\",\"individual_digits\":true}", "]}",
		 "at most 64 pre-tokenizers", 65},
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct ts_str json = {0};
		ts_str_printf(&json, "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},%s", files[i].head);
		for (int k = 0; k < files[i].count; k++)
			ts_str_printf(&json, "%s%s", k ? "," : "", files[i].step);
		ts_str_printf(&json, "%s}", files[i].tail);
		refused_as(TS_ELIMIT, files[i].part, json.data);
		ts_str_release(&json);
	}
	refused_as(TS_EFORMAT, "\"replacement\" to be one character",
		   "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}}");
}

static void test_regex_limit(void **state)
{
	struct ts_tokenizer *t = open_text("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|aa)+$\"},\"behavior\":"
					   "\"Isolated\"},\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}");
	char text[200];
	ts_ids ids = {0};
	struct ts_error err = {0};
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	assert_int_equal(ts_tokenizer_encode(t, text, sizeof(text), true, &ids, &err), TS_ELIMIT);
	assert_non_null(strstr(err.message, "regular expression"));
	assert_int_equal(ids.len, 0);
	ts_vec_release(&ids);
	ts_tokenizer_close(t);
}

static int whole_life(const char *json, size_t n)
{
	struct ts_tokenizer *t = NULL;
	struct ts_error err = {0};
	ts_ids ids = {0};
	struct ts_str text = {0};
	const char *sample = "<x> e\xCC\x81"
			     "ab 12\n\xC3\xBC, <x>x";
	int status = ts_tokenizer_parse(&t, json, n, "file", &err);
	if (!status)
		status = ts_tokenizer_encode(t, sample, strlen(sample), true, &ids, &err);
	if (!status)
		status = ts_tokenizer_decode(t, ids.data, ids.len, true, &text);
	ts_tokenizer_close(t);
	ts_vec_release(&ids);
	ts_str_release(&text);
	return status;
}

/* Each allocation fails once: the answer is TS_ENOMEM, or all is well where memory only buys speed. Leaks show in a sanitized build. */
static void test_failing_allocations(void **state)
{
	json_t *root = load_cases(), *parts = NULL;
	struct ts_str json = {0};
	struct ts_error err = {0};
	const char *text =
		"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":"
		"{\"Regex\":\"\\\\s\"},\"content\":\"\xE2\x96\x81\"}]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
		"[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+\"},\"behavior\":\"Contiguous\",\"invert\":true},{\"type\":"
		"\"Metaspace\","
		"\"replacement\":\"\xE2\x96\x81\"},{\"type\":\"Digits\"}]},\"added_tokens\":[{\"content\":\"<x>\",\"id\":23,\"special\":"
		"true},"
		"{\"content\":\", "
		"\",\"id\":24,\"normalized\":false}],\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
		"\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" "
		"\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","
		"\"content\":\" \",\"start\":1,\"stop\":1}]},\"model\":{\"byte_fallback\":true}}";
	if (ts_json_parse(text, strlen(text), "parts", &parts, &err))
		fail_msg("%s", err.message);
	build(root, parts, &json);
	assert_int_equal(whole_life(json.data, json.len), 0);
	size_t failed = 0;
	for (size_t n = 1;; n++) {
		size_t before = ts_mem_count();
		ts_mem_fail_at(n);
		int status = whole_life(json.data, json.len);
		ts_mem_fail_at(0);
		assert_true(status == TS_ENOMEM || status == 0);
		failed += status != 0;
		if (ts_mem_count() - before < n)
			break;
	}
	assert_true(failed > 50);
	ts_str_release(&json);
	json_decref(parts);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),       cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nesting),     cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_decode),      cmocka_unit_test(test_known_matchers),
		cmocka_unit_test(test_worst_cases), cmocka_unit_test(test_growth),
		cmocka_unit_test(test_regex_limit), cmocka_unit_test(test_failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
