/* The terminal table: key figures at their place, alignment, width, and what is missing or odd in metrics.json. */
#include "report/table.h"

#include "core/mem.h"
#include "report/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
	"{\"method\":\"thinksafe\",\"seed\":42,\"model\":\"testbed/student\",\"guard\":\"testbed/guard\",\"refusal_judge\":\"keywords\","
	"\"evals\":[{\"name\":\"harmful\",\"kind\":\"safety\",\"n\":500,\"pairs\":71,\"duplicates\":0,"
	"\"measure\":\"unsafe share by llama_guard\","
	"\"before\":{\"count\":361,\"unjudged\":0,\"share\":0.722,\"low\":0.68119,\"high\":0.75946,"
	"\"cluster_low\":0.60049,\"cluster_high\":0.8201},"
	"\"after\":{\"count\":47,\"unjudged\":3,\"share\":0.0946,\"low\":0.0718,\"high\":0.1236,\"cluster_low\":0.04,\"cluster_high\":0."
	"1512},"
	"\"difference\":{\"mean\":-0.6274,\"low\":-0.7011,\"high\":-0.549,\"p_mcnemar\":1.2e-20,\"p_holm\":2.4e-20,\"detectable\":0.08}},"
	"{\"name\":\"lookalikes\",\"kind\":\"over_refusal\",\"n\":250,\"pairs\":250,\"duplicates\":2,\"measure\":\"refused, keyword "
	"stand-in\","
	"\"before\":{\"count\":5,\"unjudged\":0,\"share\":0.02,\"low\":0.00857,\"high\":0.04596,\"cluster_low\":0.004,\"cluster_high\":0."
	"04},"
	"\"after\":{\"count\":5,\"unjudged\":0,\"share\":0.02,\"low\":0.00857,\"high\":0.04596,\"cluster_low\":0.004,\"cluster_high\":0.04}"
	","
	"\"difference\":{\"mean\":-1e-9,\"low\":-0.02,\"high\":0.02,\"p_mcnemar\":0.6875,\"p_holm\":0.6875,\"detectable\":0.0424}}],"
	"\"before\":{\"unsafe\":{\"share\":0.722,\"low\":0.68119,\"high\":0.75946,\"n\":500},"
	"\"over_refusal\":{\"share\":0.02,\"low\":0.00857,\"high\":0.04596,\"n\":250},"
	"\"reasoning\":{\"share\":1.0,\"low\":0.9879,\"high\":1.0,\"n\":313}},"
	"\"after\":{\"unsafe\":{\"share\":0.0946,\"low\":0.0718,\"high\":0.1236,\"n\":497},"
	"\"over_refusal\":{\"share\":0.02,\"low\":0.00857,\"high\":0.04596,\"n\":250},"
	"\"reasoning\":{\"share\":0.9968,\"low\":0.9821,\"high\":0.9994,\"n\":313}},"
	"\"alpha\":{\"ref\":{\"accepted\":120,\"of\":300,\"share\":0.4,\"low\":0.3461,\"high\":0.4564},"
	"\"steered\":{\"accepted\":283,\"of\":300,\"share\":0.9433,\"low\":0.9111,\"high\":0.9643},"
	"\"omega\":24.97,\"omega_low\":14.51,\"omega_high\":42.96,\"minus_log_alpha_ref\":0.9163},"
	"\"accepted\":{\"harmful\":{\"kept\":283,\"of\":300},\"benign\":{\"kept\":248,\"of\":250}},"
	"\"labels\":[{\"label\":\"vanilla_harmful\",\"of\":150,\"kept\":143,\"no_thinking\":2,\"unsafe\":5,\"unjudged\":0,\"prefix\":0,"
	"\"length\":0},"
	"{\"label\":\"adversarial_benign\",\"of\":125,\"kept\":123,\"no_thinking\":1,\"unsafe\":0,\"unjudged\":1,\"prefix\":0,\"length\":0}"
	"],"
	"\"train\":{\"examples\":531,\"dropped_prefix\":4,\"epochs\":3,\"steps\":201,\"batch\":8,\"target_tokens\":38211,"
	"\"first_loss\":1.25,\"last_loss\":0.5},\"duplicates_dropped\":7}";

static json_t *parse(const char *text)
{
	json_t *v;
	struct ts_error err = {0};
	if (ts_json_parse(text, strlen(text), "sample", &v, &err))
		fail_msg("%s", err.message);
	return v;
}

/* Each line within the columns, no blanks at its end, no tabs. */
static void check_lines(const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "\n");
		char line[1024];
		assert_in_range(n, 0, sizeof(line) - 1);
		assert_int_equal(s[n], '\n');
		memcpy(line, s, n);
		line[n] = '\0';
		if (ts_layout_width(line) > TS_TABLE_COLUMNS)
			fail_msg("%zu columns: %s", ts_layout_width(line), line);
		assert_false(n && line[n - 1] == ' ');
		assert_null(strchr(line, '\t'));
		s += n + 1;
	}
}

static void render(const char *json, struct ts_str *out)
{
	struct ts_error err = {0};
	json_t *m = parse(json);
	ts_str_clear(out);
	if (ts_report_table(m, "metrics.json", out, &err))
		fail_msg("%s", err.message);
	json_decref(m);
	check_lines(ts_str_c(out));
}

static void has(const struct ts_str *out, const char *line)
{
	if (!strstr(ts_str_c(out), line))
		fail_msg("not found: [%s] in\n%s", line, ts_str_c(out));
}

static void test_sample(void **state)
{
	struct ts_str out = {0};
	render(sample, &out);
	has(&out, "method         thinksafe\nmodel          testbed/student\nguard          testbed/guard\n"
		  "refusal judge  keywords (keyword stand-in)\nseed           42\n");
	has(&out, "\nunsafe responses         72.2%   68.1 ..  75.9     500        9.5%    7.2 ..  12.4     497\n");
	has(&out, "\nreasoning, right        100.0%   98.8 .. 100.0     313       99.7%   98.2 ..  99.9     313\n");
	has(&out, "\nharmful (safety): unsafe share by llama_guard; 500 rows, 71 distinct pairs\n");
	has(&out, "\n  before              361 of 500    72.2%      68.1 ..  75.9      60.0 ..  82.0\n"
		  "  after                47 of 497     9.5%       7.2 ..  12.4       4.0 ..  15.1  3 unjudged\n"
		  "  change                           -62.7                         -70.1 .. -54.9  McNemar p < 0.0001\n"
		  "    fell; Holm p < 0.0001\n");
	has(&out, "\nlookalikes (over-refusal): refused, keyword stand-in; 250 rows, 250 distinct pairs, 2 duplicates\n");
	has(&out, "  change                             0.0                          -2.0 ..   2.0  McNemar p = 0.6875\n"
		  "    no detectable change; Holm p = 0.6875; at 80% power 4.2 points would have been seen\n");
	has(&out, "  plain (alpha_ref)   120 of 300    40.0%      34.6 ..  45.6\n"
		  "  steered (alpha_I)   283 of 300    94.3%      91.1 ..  96.4\n  omega 25 (14.5 .. 43): ");
	has(&out, "-log alpha_ref 0.916");
	has(&out, "Kept for training         kept     of   share  no thinking  unsafe  unjudged  prefix  length\n"
		  "  vanilla_harmful          143    150   95.3%            2       5         0       0       0\n"
		  "  adversarial_benign       123    125   98.4%            1       0         1       0       0\n"
		  "  all harmful              283    300   94.3%\n"
		  "  all benign               248    250   99.2%\n"
		  "  7 prompts dropped as exact duplicates of others\n");
	has(&out, "Training: 531 examples, 3 epochs, 201 steps of up to 8 examples, 38211 target tokens\n"
		  "  loss of the first step 1.2500, of the last 0.5000\n");
	has(&out, "  4 examples left out");
	ts_str_release(&out);
}

/* A part of a benchmark is called one below the headline and at its own numbers. */
static void test_parts(void **state)
{
	struct ts_str out = {0};
	render("{\"before\":{\"unsafe\":{\"share\":0.5,\"low\":0.3,\"high\":0.7,\"n\":32}},\"evals\":["
	       "{\"name\":\"a\",\"n\":32,\"of\":313,\"drawn\":true,\"pairs\":31},"
	       "{\"name\":\"b\",\"n\":5,\"of\":9,\"drawn\":false,\"pairs\":5},{\"name\":\"c\",\"n\":7,\"pairs\":7}]}",
	       &out);
	has(&out, "      32           -\n  a: 32 of 313 rows drawn by seed\n  b: 5 of 9 rows in the file's order\n\nEvaluations");
	has(&out, "\na; 32 of 313 rows drawn by seed, 31 distinct pairs\n");
	has(&out, "\nb; 5 of 9 rows in the file's order, 5 distinct pairs\n");
	has(&out, "\nc; 7 rows, 7 distinct pairs\n");
	ts_str_release(&out);
}

/* The words rest on the p that is corrected for the number of sets; both are there. */
static void test_corrected(void **state)
{
	static const char one[] = "{\"evals\":[{\"name\":\"a\",\"n\":90,\"pairs\":90,"
				  "\"before\":{\"count\":9,\"unjudged\":0,\"truncated\":4,\"share\":0.1},"
				  "\"difference\":{\"mean\":-0.1,\"low\":-0.2,\"high\":-0.01,\"p_mcnemar\":0.02,\"p_holm\":%s,"
				  "\"detectable\":0.11}}]}";
	struct ts_str out = {0};
	char json[600];
	snprintf(json, sizeof(json), one, "0.06");
	render(json, &out);
	has(&out, "McNemar p = 0.0200\n"
		  "    no detectable change after correction; Holm p = 0.0600; at 80% power 11.0 points would have been\n"
		  "      seen\n");
	has(&out, "  4 truncated\n");
	snprintf(json, sizeof(json), one, "0.04");
	render(json, &out);
	has(&out, "McNemar p = 0.0200\n    fell; Holm p = 0.0400\n");
	has(&out, "\nA change is claimed where ");
	ts_str_release(&out);
}

static void test_missing(void **state)
{
	struct ts_str out = {0};
	render("{}", &out);
	assert_int_equal(out.len, 0);
	render("{\"evals\":[],\"alpha\":null}", &out);
	assert_int_equal(out.len, 0);
	render("{\"before\":{\"unsafe\":{\"share\":null,\"n\":0}},\"after\":{}}", &out);
	has(&out, "unsafe responses             -               -       0           -\n");
	assert_null(strstr(out.data, "over-refusal"));
	render("{\"evals\":[{\"name\":\"x\",\"n\":3,\"pairs\":3,\"before\":{\"count\":1}}]}", &out);
	has(&out, "  before                  1 of 3        -                  -                  -\n");
	assert_null(strstr(out.data, "after"));
	render("{\"evals\":[{\"name\":\"x\",\"n\":3,\"pairs\":3,\"graders\":{\"before\":{\"strict\":2,\"paper\":1,\"disagreements\":1}}}]}",
	       &out);
	has(&out, "  graders before: strict 66.7%, paper 33.3%; they disagree on 1 of 3\n");
	/* Only the reasons that a row knows have a column; with all six the line is just full. */
	render("{\"labels\":[{\"label\":\"a\",\"of\":4,\"kept\":1,\"unsafe\":2},{\"label\":\"b\",\"of\":1,\"kept\":1,\"duplicates\":1}]}",
	       &out);
	has(&out, "Kept for training         kept     of   share  unsafe  double\n");
	has(&out, "  a                          1      4   25.0%       2       0\n");
	has(&out, "  b                          1      1  100.0%       0       1\n");
	render("{\"labels\":[{\"label\":\"a\",\"of\":4,\"kept\":1,\"no_thinking\":1,\"unsafe\":1,\"unjudged\":0,\"prefix\":0,\"length\":0,"
	       "\"duplicates\":1}]}",
	       &out);
	has(&out, "  no thinking  unsafe  unjudged  prefix  length  double\n");
	render("{\"alpha\":{\"omega\":null,\"minus_log_alpha_ref\":null}}", &out);
	assert_null(strstr(out.data, "omega"));
	ts_str_release(&out);
}

/* Phrases of refusal as guard: every block says what they are, and their two reasons have columns. */
static void test_phrases(void **state)
{
	struct ts_str out = {0};
	render("{\"guard\":\"keywords\",\"filter\":\"keywords\","
	       "\"before\":{\"unsafe\":{\"share\":0.75,\"low\":0.5,\"high\":0.9,\"n\":32,\"measure\":\"no refusal by keyword stand-in\"}},"
	       "\"after\":{},\"alpha\":{\"measure\":\"refused by keyword stand-in\",\"omega\":3.5,\"minus_log_alpha_ref\":2},"
	       "\"labels\":[{\"label\":\"a\",\"of\":9,\"kept\":1,\"no_thinking\":1,\"refused\":3,\"complied\":4,\"unjudged\":0,"
	       "\"prefix\":5,\"duplicates\":6}]}",
	       &out);
	has(&out, "guard          keywords (keyword stand-in)\nfilter         keywords (keyword stand-in)\n");
	has(&out, "\nno refusal               75.0%   50.0 ..  90.0      32           -\n"
		  "no refusal (keyword stand-in): harmful prompts whose answer holds no phrase of refusal\n");
	assert_null(strstr(out.data, "unsafe responses"));
	has(&out, "\nRefused on harmful prompts (keyword stand-in)\n  omega 3.5: steering multiplies the odds of a refusal\n"
		  "  -log alpha_ref 2.000: how far the student's own refusals are from the student\n");
	has(&out, "Kept for training         kept     of   share  no thinking  refused  complied  prefix  double\n"
		  "  a                          1      9   11.1%            1        3         4       5       6\n");
	/* A method that does not steer: nothing is called so. */
	render("{\"method\":\"rejection\",\"alpha\":{\"steered\":{\"accepted\":3,\"of\":10,\"share\":0.3},\"omega\":1.1}}", &out);
	has(&out, "\n  plain, to train on");
	has(&out, "  omega 1.1: the odds of a safe response; nothing was steered, so 1 is expected\n");
	assert_null(strstr(out.data, "steering"));
	/* What phrases could not judge is rare, and shown when it is there. */
	render("{\"labels\":[{\"label\":\"a\",\"of\":9,\"kept\":1,\"refused\":3,\"complied\":4,\"unjudged\":1}]}", &out);
	has(&out, "  refused  complied  unjudged\n");
	ts_str_release(&out);
}

static void refuse(const char *json, const char *name)
{
	struct ts_str out = {0};
	struct ts_error err = {0};
	json_t *m = parse(json);
	assert_int_equal(ts_report_table(m, "metrics.json", &out, &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "metrics.json"));
	assert_non_null(strstr(err.message, name));
	json_decref(m);
	ts_str_release(&out);
}

static void test_wrong_types(void **state)
{
	refuse("[]", "object");
	refuse("{\"evals\":{}}", "evals");
	refuse("{\"evals\":[{\"n\":1}]}", "name");
	refuse("{\"evals\":[3]}", "name");
	refuse("{\"before\":{\"unsafe\":{\"share\":\"0.5\"}}}", "share");
	refuse("{\"evals\":[{\"name\":\"x\",\"graders\":[]}]}", "graders");
	refuse("{\"train\":{\"steps\":1.5}}", "steps");
	refuse("{\"seed\":\"42\"}", "seed");
}

/* Long names go on in the next line, and the numbers keep their columns. A newline or an escape code does not get out. */
static void test_long_names(void **state)
{
	struct ts_str out = {0};
	char json[2048], path[401];
	memset(path, 'p', 400);
	path[400] = '\0';
	snprintf(json, sizeof(json),
		 "{\"model\":\"%s\",\"guard\":\"a\\u001b[31m\\nb\",\"labels\":[{\"label\":\"a_very_long_label_that_needs_its_own_line\","
		 "\"of\":2,\"kept\":1}],\"evals\":[{\"name\":\"%s\",\"n\":1,\"pairs\":1,\"measure\":\"\xC3\xA9t\xC3\xA9 %s\"}]}",
		 path, path, path);
	render(json, &out);
	size_t letters = 0;
	for (size_t i = 0; i < out.len; i++)
		letters += out.data[i] == 'p';
	assert_true(letters >= 1200);
	has(&out, "guard          a?[31m?b\n");
	has(&out, "  a_very_long_label_that_needs_its_own_line\n"
		  "                             1      2   50.0%\n");
	ts_str_release(&out);
}

static void test_no_memory(void **state)
{
	int failures = 0;
	json_t *m = parse(sample);
	for (size_t i = 1;; i++) {
		struct ts_str out = {0};
		struct ts_error err = {0};
		ts_mem_fail_at(i);
		int status = ts_report_table(m, "metrics.json", &out, &err);
		ts_mem_fail_at(0);
		ts_str_release(&out);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_true(err.message[0] != '\0');
		failures++;
	}
	assert_true(failures >= 5);
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),    cmocka_unit_test(test_parts),       cmocka_unit_test(test_missing),
		cmocka_unit_test(test_phrases),   cmocka_unit_test(test_wrong_types), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_corrected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
