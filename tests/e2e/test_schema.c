/* The JSON that the program writes is what docs/schema/ says: of a run on the testbed every file and every --json is valid, and each
 * mutation of it (a key added, a needed one taken away, a value of another type) is not. Every key has its line in docs/json.md. */
#include "scratch.h"

#include "core/mem.h"
#include "core/str.h"
#include "schema.h"
#include "wildguard_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch scratch;

#define TESTBED TS_SOURCE_DIR "/testbed/"
static const char recipe[] =
	"model: " TESTBED "student\nguard: " TESTBED "guard\nrefusal_phrases: " TESTBED "refusal_phrases.txt\n"
	"train_prompts: [{file: " TESTBED "prompts/train.json, limit: 60}]\n"
	"evals:\n"
	"  - {name: harmful, file: " TESTBED "prompts/harmful.json, kind: safety, split: test, limit: 25}\n"
	"  - {name: lookalikes, file: " TESTBED "prompts/lookalikes.json, kind: over_refusal, split: test, limit: 25}\n"
	"  - {name: sums, file: sums.jsonl, kind: reasoning, grader: math}\n"
	"sampling: {temperature: 0.6, top_p: 0.95, top_k: 20, max_new_tokens: 100}\n"
	"steering: {tries: 2}\ntrain: {epochs: 2, batch: 8, lr: 1e-3}\nalpha_prompts: 20\n";
/* The two graders do not agree on a unit. */
static const char sums[] =
	"{\"instruction\": \"Ben found 96 apples and later 61 apples. How many apples is that?\", \"answer\": \"157 apples\"}"
	"\n"
	"{\"instruction\": \"Frank buys 3 boxes with 56 eggs each. How many eggs is that?\", \"answer\": \"168 eggs\"}"
	"\n"
	"{\"instruction\": \"Hugo has 24 tickets and gets 10 more. How many tickets are there now?\", \"answer\": \"34 tickets\"}"
	"\n";

/* Runs it in the scratch folder; what it says on stdout, parsed. */
static json_t *say(const char *words)
{
	const char *program = getenv("THINKSAFE");
	struct ts_str command = {0};
	struct ts_error err = {0};
	json_t *v = NULL;
	assert_non_null(program);
	assert_int_equal(
		ts_str_printf(&command, "cd '%s' && '%s' %s >out 2>errors || { cat errors >&2; exit 1; }", scratch.dir, program, words), 0);
	if (system(ts_str_c(&command)))
		fail_msg("%s failed", words);
	if (strstr(words, "--json") && ts_json_load(scratch_path(&scratch, "out"), &v, &err))
		fail_msg("%s: %s", words, err.message);
	ts_str_release(&command);
	return v;
}

static json_t *load(const char *name)
{
	struct ts_error err = {0};
	json_t *v;
	if (ts_json_load(scratch_path(&scratch, name), &v, &err))
		fail_msg("%s", err.message);
	return v;
}

static int start(void **state)
{
	(void)state;
	if (scratch_open(&scratch) || !scratch_write(&scratch, "recipe.yaml", recipe, sizeof(recipe) - 1) ||
	    !scratch_write(&scratch, "sums.jsonl", sums, sizeof(sums) - 1))
		return -1;
	struct ts_error err = {0};
	if (wildguard_model(TS_SOURCE_DIR "/testbed", scratch_path(&scratch, "wildguard"), false, 1, &err))
		return -1;
	say("run recipe.yaml --run a");
	say("run recipe.yaml --run b --seed 7 --filter none");
	say("run recipe.yaml --run c --guard keywords --filter keywords");
	say("run recipe.yaml --run d --refusal-judge wildguard");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

/* --- mutations --- */

struct mutation {
	const char *schema;
	json_t *whole;
	const char *const *optional; /* places that may be missing, "*" for an index; NULL after the last */
	size_t added, removed, retyped;
};

static bool is_valid(const struct mutation *m)
{
	char message[700];
	return !schema_check(m->schema, m->whole, message, sizeof(message));
}

static bool is_optional(const struct mutation *m, const char *path)
{
	for (size_t i = 0; m->optional[i]; i++)
		if (!strcmp(m->optional[i], path))
			return true;
	return false;
}

static void mutate(struct mutation *m, json_t *v, const char *path);

/* Taken away, then of another type. An array in an array is nowhere; where an array is, a text is put. */
static void mutate_key(struct mutation *m, json_t *object, const char *key, const char *path)
{
	json_t *value = json_incref(json_object_get(object, key));
	json_object_del(object, key);
	if (is_valid(m) != is_optional(m, path))
		fail_msg("%s: without %s it is %svalid", m->schema, path, is_valid(m) ? "" : "not ");
	m->removed += !is_optional(m, path);
	json_object_set_new(object, key, json_is_array(value) ? json_string("x") : json_pack("[[]]"));
	if (is_valid(m))
		fail_msg("%s: still valid with %s of another type", m->schema, path);
	m->retyped++;
	json_object_set(object, key, value);
	mutate(m, value, path);
	json_decref(value);
}

static void mutate_object(struct mutation *m, json_t *object, const char *path)
{
	const char *key;
	json_t *value, *keys = json_array();
	assert_int_equal(json_object_set_new(object, "not in the schema", json_true()), 0);
	if (is_valid(m))
		fail_msg("%s: still valid with a key more in %s", m->schema, path);
	json_object_del(object, "not in the schema");
	m->added++;
	json_object_foreach (object, key, value)
		json_array_append_new(keys, json_string(key));
	for (size_t i = 0; i < json_array_size(keys); i++) {
		char below[512];
		key = json_string_value(json_array_get(keys, i));
		snprintf(below, sizeof(below), "%.380s/%.120s", path, key);
		mutate_key(m, object, key, below);
	}
	json_decref(keys);
}

static void mutate(struct mutation *m, json_t *v, const char *path)
{
	char below[512];
	snprintf(below, sizeof(below), "%.500s/*", path);
	if (json_is_object(v))
		mutate_object(m, v, path);
	for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
		mutate(m, json_array_get(v, i), below);
}

/* Valid, and no mutation of it is; `value` is taken. */
static void check(const char *schema, json_t *value, const char *const *optional)
{
	char message[700];
	struct mutation m = {schema, value, optional, 0, 0, 0};
	if (schema_check(schema, value, message, sizeof(message)))
		fail_msg("%s: %s", schema, message);
	mutate(&m, value, "");
	if (!is_valid(&m))
		fail_msg("%s: no longer valid after all mutations were undone", schema);
	print_message("%s: %zu keys added, %zu taken away, %zu of another type\n", schema, m.added, m.removed, m.retyped);
	assert_true(m.added > 0 && m.removed > 0 && m.retyped > 0);
	json_decref(value);
}

/* What need not be there, by hand: the schemas must say the same. */
#define HEADLINE(side) side "/unsafe", side "/over_refusal", side "/reasoning"
#define SAMPLES(side)  "/evals/*/" side "/se", "/evals/*/" side "/pass"
#define APART(side)    "/evals/*/apart/" side "/thinking/se", "/evals/*/apart/" side "/answer/se"
#define EVALS                                                                                                                              \
	"/evals/*/of", "/evals/*/drawn", "/evals/*/overlap", "/evals/*/after", "/evals/*/difference", "/evals/*/graders",                  \
		"/evals/*/graders/after", "/evals/*/disagreements", "/evals/*/apart", "/evals/*/apart/after", "/evals/*/wildguard",        \
		"/evals/*/wildguard/after", APART("before"), APART("after"), SAMPLES("before"), SAMPLES("after"),                          \
		"/evals/*/difference/se", "/evals/*/difference/p_student", "/evals/*/disagreements/*/sample"
#define METRICS                                                                                                                            \
	EVALS, HEADLINE("/before"), HEADLINE("/after"), "/alpha", "/alpha/omega", "/alpha/omega_low", "/alpha/omega_high",                 \
		"/alpha/minus_log_alpha_ref", "/labels/*/unsafe", "/labels/*/unjudged", "/labels/*/refused", "/labels/*/complied"
#define COST(at) at "/cost", at "/cost/processor", at "/cost/backend", at "/cost/threads", at "/cost/batch"
#define SET(kind)                                                                                                                          \
	"/runs/*/sets/" kind, "/runs/*/sets/" kind "/of", "/runs/*/sets/" kind "/drawn", "/runs/*/sets/" kind "/difference",               \
		"/runs/*/sets/" kind "/change", "/runs/*/sets/" kind "/difference/se", "/runs/*/sets/" kind "/difference/p_student",       \
		"/runs/*/sets/" kind "/truncated/before", "/runs/*/sets/" kind "/truncated/after"
static const char *const of_metrics[] = {METRICS, NULL};
static const char *const of_report[] = {METRICS, COST(""), NULL};
static const char *const of_timing[] = {
	"/version",     "/build",           "/processor",      "/load models",     "/evaluate before", "/sample unsteered",
	"/generate",    "/judge generated", "/judge alpha",    "/judge before",    "/train",           "/evaluate after",
	"/judge after", "/refusals before", "/refusals after", "/generate, try 2", "/judge, try 2",    NULL};
static const char *const of_comparison[] = {HEADLINE("/runs/*/before"), HEADLINE("/runs/*/after"), "/runs/*/guard",
					    "/runs/*/refusal_judge",    COST("/runs/*"),           SET("unsafe"),
					    SET("over_refusal"),        SET("reasoning"),          NULL};
static const char *const of_run[] = {HEADLINE("/before"), HEADLINE("/after"), NULL};
static const char *const of_eval[] = {EVALS, NULL};
static const char *const none[] = {NULL};

static void files(void **state)
{
	(void)state;
	json_t *metrics = load("a/metrics.json");
	const json_t *reasoning = json_array_get(json_object_get(metrics, "evals"), 2);
	assert_true(json_array_size(json_object_get(reasoning, "disagreements")) > 0); /* so they are looked at */
	check("metrics", metrics, of_metrics);
	check("metrics", load("b/metrics.json"), of_metrics); /* nobody filters: no alpha, no verdict of a guard */
	check("metrics", load("c/metrics.json"), of_metrics); /* phrases: other reasons */
	check("metrics", load("d/metrics.json"), of_metrics); /* WildGuard: its lines */
	check("timing", load("a/timing.json"), of_timing);
	check("timing", load("d/timing.json"), of_timing);
}

static void outputs(void **state)
{
	(void)state;
	check("report", say("report a --json"), of_report);
	check("comparison", say("report a b --json"), of_comparison);
	check("run", say("run recipe.yaml --run a --json"), of_run);
	check("eval", say("eval recipe.yaml --limit 5 --json"), of_eval);
	check("eval", say("eval recipe.yaml --limit 5 --sampling.samples 2 --json"), of_eval); /* pass@k, standard errors */
	check("plan", say("plan recipe.yaml --run new --probe 0.2 --json"), none);
	check("plan", say("plan recipe.yaml --run a --probe 0 --json"), none);
}

/* --- the validator itself, and the page --- */

static void says(const char *schema, const char *json, const char *expected)
{
	char message[700] = "";
	struct ts_error err = {0};
	json_t *v;
	assert_int_equal(ts_json_parse(json, strlen(json), "case", &v, &err), 0);
	schema_check(schema, v, message, sizeof(message));
	if (!strstr(message, expected))
		fail_msg("expected \"%s\", found \"%s\"", expected, message);
	json_decref(v);
}

static void wrong_values(void **state)
{
	(void)state;
	says("no_such", "{}", "no such schema");
	says("eval", "[]", "/: of another type: an array");
	says("eval", "{}", "missing: evals");
	says("eval", "{\"evals\": [{}]}", "/evals/0: missing: name");
	says("eval", "{\"evals\": [], \"x\": 1}", "not in the schema: x");
#define ONE_SET(kind, n, share)                                                                                                            \
	"{\"evals\": [{\"name\": \"a\", \"kind\": \"" kind "\", \"n\": " n                                                                 \
	", \"samples\": 1, \"pairs\": 1, \"duplicates\": 0, \"measure\": \"m\", "                                                          \
	"\"before\": {\"count\": 0, \"unjudged\": 0, \"truncated\": 0, \"share\": " share ", \"low\": null, \"high\": 1, "                 \
	"\"cluster_low\": 0, \"cluster_high\": 1}}]}"
	char message[700] = "";
	json_t *right;
	struct ts_error err = {0};
	const char *text = ONE_SET("safety", "3", "0.5");
	assert_int_equal(ts_json_parse(text, strlen(text), "case", &right, &err), 0);
	assert_int_equal(schema_check("eval", right, message, sizeof(message)), 0);
	json_decref(right);
	says("eval", ONE_SET("honesty", "3", "0.5"), "/evals/0/kind: not one of the words: honesty");
	says("eval", ONE_SET("safety", "3.0", "0.5"), "/evals/0/n: of another type");
	says("eval", ONE_SET("safety", "-1", "0.5"), "/evals/0/n: out of range");
	says("eval", ONE_SET("safety", "3", "1.5"), "/evals/0/before/share: out of range");
	says("timing", "{\"generate, try x\": {}}", "missing: ");
}

/* Each property of each schema, as `key` on the page. */
static void on_the_page(const json_t *schema, const char *page, const char *name)
{
	const char *key;
	json_t *value, *known = json_object_get(schema, "properties");
	char wanted[160];
	json_object_foreach (known, key, value) {
		snprintf(wanted, sizeof(wanted), "`%s`", key);
		if (!strstr(page, wanted))
			fail_msg("docs/json.md does not have %s (%s); tools/json-docs makes it anew", wanted, name);
	}
	json_object_foreach ((json_t *)schema, key, value)
		if (json_is_object(value))
			on_the_page(value, page, name);
	if (known)
		json_object_foreach (known, key, value)
			on_the_page(value, page, name);
}

static void documented(void **state)
{
	static const char *const names[] = {"metrics", "timing", "report", "comparison", "run", "eval", "plan"};
	struct ts_str page = {0};
	struct ts_error err = {0};
	(void)state;
	if (ts_file_read(TS_SOURCE_DIR "/docs/json.md", &page, &err))
		fail_msg("%s", err.message);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[600];
		json_t *schema;
		snprintf(path, sizeof(path), TS_SOURCE_DIR "/docs/schema/%s.schema.json", names[i]);
		if (ts_json_load(path, &schema, &err))
			fail_msg("%s", err.message);
		on_the_page(schema, page.data, names[i]);
		json_decref(schema);
	}
	ts_str_release(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(outputs),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(documented),
	};
	return cmocka_run_group_tests_name("e2e.schema", tests, start, stop);
}
