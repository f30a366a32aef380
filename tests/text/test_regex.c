/* Whole names against expressions, as Python's re.fullmatch answers. */
#include "core/mem.h"
#include "text/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void whole_names(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool yes;
	} cases[] = {
		{"q_proj", "q_proj", true},
		{"q_proj", "self_attn.q_proj", false},
		{".*q_proj", "self_attn.q_proj", true},
		{".*q_proj", "self_attn.q_proj.base", false},
		{"a|ab", "ab", true}, /* the second alternative, since the first leaves a rest */
		{"(?:a|ab)(?:c|bcd)", "abcd", true},
		{"", "", true},
		{"", "a", false},
		{"^x$", "x", true},
		{"(?P<layer>\\d+)\\.(?P=layer)", "7.7", true},
		{"(?i)Q_PROJ", "q_proj", true},
		{"model\\.layers\\.(?:[0-9]|1[0-5])\\.mlp.*", "model.layers.15.mlp.up_proj", true},
		{"model\\.layers\\.(?:[0-9]|1[0-5])\\.mlp.*", "model.layers.16.mlp.up_proj", false},
		{"(?!.*down).*proj", "mlp.down_proj", false},
		{"(?!.*down).*proj", "mlp.up_proj", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_error err = {0};
		struct ts_regex *r;
		bool yes = !cases[i].yes;
		if (ts_regex_new(&r, cases[i].pattern, "here", &err) || ts_regex_matches(r, cases[i].text, &yes, &err))
			fail_msg("%s: %s", cases[i].pattern, err.message);
		if (yes != cases[i].yes)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].text, yes);
		ts_regex_free(r);
	}
}

static void refusals(void **state)
{
	static const char *const patterns[] = {"(", "a{2", "*a", "[a", "(?<=a+)b", "x{,3}", "[[:alpha:]]", "\\Qa\\E", "\\C", "a\\Kb"};
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct ts_error err = {0};
		struct ts_regex *r;
		int status = ts_regex_new(&r, patterns[i], "FILE: \"key\"", &err);
		if (!strcmp(patterns[i], "a{2")) { /* Python and PCRE2 both take it literally */
			assert_int_equal(status, 0);
			ts_regex_free(r);
			continue;
		}
		if (status != TS_EUNSUPPORTED || !strstr(err.message, "FILE: \"key\": regular expression") ||
		    !strstr(err.message, patterns[i]))
			fail_msg("%s: status %d, %s", patterns[i], status, err.message);
		assert_null(r);
	}
}

static void bounded(void **state)
{
	struct ts_error err = {0};
	struct ts_regex *r;
	bool yes;
	assert_int_equal(ts_regex_new(&r, "(a+)+(a+)+(a+)+b", "here", &err), 0);
	assert_int_equal(ts_regex_matches(r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaacb", &yes, &err), TS_ELIMIT);
	assert_non_null(strstr(err.message, "(a+)+(a+)+(a+)+b"));
	ts_regex_free(r);
}

static void every_allocation_fails_once(void **state)
{
	size_t n = 1;
	for (;; n++) {
		struct ts_error err = {0};
		struct ts_regex *r;
		bool yes = false;
		ts_mem_fail_at(n);
		int status = ts_regex_new(&r, "(?:.*\\.)?(?:[qv]_proj)", "here", &err);
		if (!status)
			status = ts_regex_matches(r, "model.layers.1.self_attn.v_proj", &yes, &err);
		ts_mem_fail_at(0);
		ts_regex_free(r);
		if (!status) {
			assert_true(yes);
			break;
		}
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
	}
	assert_true(n > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_names),
		cmocka_unit_test(refusals),
		cmocka_unit_test(bounded),
		cmocka_unit_test(every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
