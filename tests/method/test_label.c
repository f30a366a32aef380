/* The rule of contracts.md section 3 for prompt_label, word by word. */
#include "method/label.h"

#include "core/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *label;
	enum ts_label expected; /* TS_LABEL_NONE: refused */
} cases[] = {
	/* SafeChain's four, WildGuard's, plain words. */
	{"vanilla_harmful", TS_LABEL_HARMFUL},
	{"adversarial_harmful", TS_LABEL_HARMFUL},
	{"vanilla_benign", TS_LABEL_BENIGN},
	{"adversarial_benign", TS_LABEL_BENIGN},
	{"unharmful", TS_LABEL_BENIGN},
	{"harmless", TS_LABEL_BENIGN},
	{"safe", TS_LABEL_BENIGN},
	{"unsafe", TS_LABEL_HARMFUL},
	{"HARMFUL", TS_LABEL_HARMFUL},
	{"Contrast-Unsafe(2)", TS_LABEL_HARMFUL},
	{"very harmful, unsafe", TS_LABEL_HARMFUL},
	{"harmful1", TS_LABEL_HARMFUL},
	/* A part of a word is not the word. */
	{"harmfulness", TS_LABEL_NONE},
	{"unsafely", TS_LABEL_NONE},
	{"safety", TS_LABEL_NONE},
	{"\xC3\xA9harmful", TS_LABEL_NONE},
	{"harmful\xE2\x80\x93vanilla", TS_LABEL_HARMFUL},
	{"safe_unsafe", TS_LABEL_NONE},
	{"benign_harmful", TS_LABEL_NONE},
	{"toxic", TS_LABEL_NONE},
	{"", TS_LABEL_NONE},
	{"1", TS_LABEL_NONE},
};

static void test_words(void **state)
{
	struct ts_label_rule rule = {0};
	assert_int_equal(ts_label_rule_init(&rule, NULL, "", NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum ts_label label;
		struct ts_error err = {0};
		print_message("%s\n", cases[i].label);
		int status = ts_label_read(&rule, cases[i].label, &label, &err);
		assert_int_equal(label, cases[i].expected);
		assert_int_equal(status, cases[i].expected ? 0 : TS_EINVAL);
		if (status)
			assert_non_null(strstr(err.message, cases[i].label));
	}
	enum ts_label label;
	assert_int_equal(ts_label_read(&rule, NULL, &label, NULL), 0);
	assert_int_equal(label, TS_LABEL_NONE);
	assert_int_equal(ts_label_read(&rule, "harmful\xFF", &label, NULL), TS_EFORMAT);
	ts_label_rule_release(&rule);
}

static void test_more_words(void **state)
{
	struct ts_label_rule rule = {0};
	enum ts_label label;
	assert_int_equal(ts_label_rule_init(&rule, "Toxic, jailbreak",
					    "\xC3\x9C"
					    "BLICH,harmless",
					    NULL),
			 0);
	assert_int_equal(ts_label_read(&rule, "TOXIC_prompt", &label, NULL), 0);
	assert_int_equal(label, TS_LABEL_HARMFUL);
	assert_int_equal(ts_label_read(&rule, "jailbreak", &label, NULL), 0);
	assert_int_equal(label, TS_LABEL_HARMFUL);
	assert_int_equal(ts_label_read(&rule,
				       "\xC3\xBC"
				       "blich",
				       &label, NULL),
			 0);
	assert_int_equal(label, TS_LABEL_BENIGN);
	assert_int_equal(ts_label_read(&rule, "harmful", &label, NULL), 0);
	assert_int_equal(ts_label_read(&rule, "toxic benign", &label, NULL), TS_EINVAL);
	ts_label_rule_release(&rule);
}

static void test_refused_lists(void **state)
{
	struct ts_label_rule rule = {0};
	struct ts_error err = {0};
	assert_int_equal(ts_label_rule_init(&rule, "category_3", NULL, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "category_3"));
	ts_label_rule_release(&rule);
	assert_int_equal(ts_label_rule_init(&rule, "safe", NULL, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "\"safe\" already says benign"));
	ts_label_rule_release(&rule);
	assert_int_equal(ts_label_rule_init(&rule, "odd", "odd", &err), TS_EINVAL);
	ts_label_rule_release(&rule);
}

static void test_no_memory(void **state)
{
	int failures = 0;
	for (size_t i = 1;; i++) {
		struct ts_label_rule rule = {0};
		enum ts_label label;
		ts_mem_fail_at(i);
		int status = ts_label_rule_init(&rule, "toxic", NULL, NULL);
		if (!status)
			status = ts_label_read(&rule, "vanilla_harmful", &label, NULL);
		ts_mem_fail_at(0);
		ts_label_rule_release(&rule);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		failures++;
	}
	assert_true(failures >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_more_words),
		cmocka_unit_test(test_refused_lists),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
