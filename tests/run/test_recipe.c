/* Defaults are method.md's; every error names file, line and key; printing and parsing are inverse; hash and comparison see what changes
 * results and nothing else. */
#include "run/recipe.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct scratch g_scratch;

static int parse(struct ts_recipe *r, const char *text, struct ts_error *err)
{
	return ts_recipe_parse(r, text, strlen(text), "r.yaml", NULL, err);
}

static void defaults(void **state)
{
	struct ts_recipe r;
	assert_int_equal(parse(&r, "", NULL), 0);
	assert_string_equal(r.method, "thinksafe");
	assert_true(r.sampling.temperature == 0.6 && r.sampling.top_p == 0.95 && r.sampling.top_k == 0);
	assert_true(r.sampling.max_new_tokens == 16384 && r.sampling.samples == 1);
	assert_string_equal(r.steering.text, "The following prompt is harmful. You should refuse to answer the prompt.\n\nPrompt:\n\n{x}");
	assert_true(r.steering.tries == 1 && r.thinking_required);
	assert_true(r.lora.rank == 32 && r.lora.alpha == 16 && r.lora.dropout == 0.05 && r.lora.target_count == 2);
	assert_string_equal(r.lora.targets[0], "q_proj");
	assert_string_equal(r.lora.targets[1], "v_proj");
	assert_true(r.train.epochs == 3 && r.train.batch == 8 && r.train.lr == 1e-5 && r.train.warmup == 0.1 && r.train.clip == 1);
	assert_true(r.train.max_length == 16384);
	assert_string_equal(r.train.schedule, "cosine");
	assert_string_equal(r.train.objective, "ce");
	assert_true(r.alpha_prompts == 300 && r.seed == 42 && r.kv_dtype == TS_F32 && r.weights == TS_BF16);
	assert_string_equal(r.numerics, "f32");
	assert_null(r.model.text);
	assert_null(r.name);
	ts_recipe_release(&r);
	ts_recipe_release(&r);
}

static const char full[] = "# a comment\n"
			   "name: trial\n"
			   "model: student\n"
			   "guard: keywords\n"
			   "refusal_judge: org/wildguard\n"
			   "refusal_phrases: phrases.txt\n"
			   "method: rejection\n"
			   "data: sets\n"
			   "train_prompts:\n"
			   "  - file: /abs/prompts.jsonl\n"
			   "  - {file: harm.csv, format: strongreject, label: my_harmful, shuffle: true, skip: 7, limit: 9}\n"
			   "  - {file: more.csv, split: safe, prompt: \"The text\"}\n"
			   "evals:\n"
			   "  - {name: harm, file: harm.jsonl, kind: safety, limit: 100}\n"
			   "  - name: maths\n"
			   "    file: maths.jsonl\n"
			   "    kind: reasoning\n"
			   "    grader: gsm8k\n"
			   "    split: test\n"
			   "    format: gsm8k\n"
			   "    shuffle: true\n"
			   "    skip: 5\n"
			   "sampling: {temperature: 0, top_p: 1.0, top_k: 20, max_new_tokens: 64, samples: 8}\n"
			   "steering:\n"
			   "  text: \"Refuse \\\"this\\\":\\n{x} \\u2028 caf\xc3\xa9\"\n"
			   "  tries: 4\n"
			   "thinking: none\n"
			   "filter: keywords\n"
			   "lora:\n"
			   "  rank: 4\n"
			   "  alpha: 2.5\n"
			   "  dropout: 0\n"
			   "  rslora: true\n"
			   "  targets: [down_proj, k_proj]\n"
			   "train:\n"
			   "  epochs: 1\n"
			   "  batch: 2\n"
			   "  lr: 3.3333333333333335e-04\n"
			   "  warmup: 0\n"
			   "  schedule: linear\n"
			   "  clip: 0.5\n"
			   "  max_length: 512\n"
			   "  objective: kl\n"
			   "alpha_prompts: 0\n"
			   "seed: 18446744073709551615\n"
			   "numerics: bf16dot\n"
			   "kv_dtype: bf16\n"
			   "weights: f32\n"
			   "before: ../other\n";

static void every_key(void **state)
{
	struct ts_recipe r, again;
	struct ts_error err = {0};
	struct ts_str text = {0}, second = {0};
	char dir[256], want[512];
	assert_int_equal(ts_dir_make(scratch_path(&g_scratch, "student"), NULL), 0);
	snprintf(dir, sizeof(dir), "%s", g_scratch.dir);
	if (ts_recipe_load(&r, scratch_write(&g_scratch, "r.yaml", full, sizeof(full) - 1), &err))
		fail_msg("%s", err.message);
	assert_string_equal(r.name, "trial");
	assert_string_equal(r.model.text, "student");
	snprintf(want, sizeof(want), "%s/student", dir);
	assert_string_equal(r.model.path, want);
	assert_string_equal(r.guard.path, "keywords"); /* nothing of that name beside the recipe */
	assert_string_equal(r.refusal_judge.path, "org/wildguard");
	snprintf(want, sizeof(want), "%s/phrases.txt", dir);
	assert_string_equal(r.refusal_phrases.path, want);
	snprintf(want, sizeof(want), "%s/sets", dir);
	assert_string_equal(r.data.path, want);
	assert_int_equal(r.prompt_count, 3);
	assert_string_equal(r.prompts[0].rows.file.path, "/abs/prompts.jsonl");
	assert_null(r.prompts[0].rows.format);
	assert_null(r.prompts[0].label);
	assert_false(r.prompts[0].rows.shuffle);
	snprintf(want, sizeof(want), "%s/sets/harm.csv", dir);
	assert_string_equal(r.prompts[1].rows.file.path, want);
	assert_string_equal(r.prompts[1].rows.format, "strongreject");
	assert_string_equal(r.prompts[1].label, "my_harmful");
	assert_true(r.prompts[1].rows.shuffle && r.prompts[1].rows.skip == 7 && r.prompts[1].rows.limit == 9);
	assert_string_equal(r.prompts[2].rows.split, "safe");
	assert_string_equal(r.prompts[2].rows.prompt, "The text");
	assert_null(r.prompts[2].rows.answer);
	assert_int_equal(r.eval_count, 2);
	assert_true(r.evals[0].rows.limit == 100 && r.evals[1].rows.limit == 0);
	assert_true(r.evals[1].rows.shuffle && r.evals[1].rows.skip == 5);
	assert_true(r.evals[0].rows.shuffle);    /* a part of a file is drawn, */
	assert_false(r.prompts[2].rows.shuffle); /* a whole one stays as it stands */
	assert_string_equal(r.evals[1].rows.format, "gsm8k");
	assert_string_equal(r.evals[1].name, "maths");
	assert_string_equal(r.evals[1].kind, "reasoning");
	assert_string_equal(r.evals[1].grader, "gsm8k");
	assert_string_equal(r.evals[1].rows.split, "test");
	assert_null(r.evals[0].rows.split);
	snprintf(want, sizeof(want), "%s/sets/maths.jsonl", dir);
	assert_string_equal(r.evals[1].rows.file.path, want);
	assert_true(r.sampling.temperature == 0 && r.sampling.top_p == 1 && r.sampling.top_k == 20 && r.sampling.max_new_tokens == 64);
	assert_true(r.sampling.samples == 8 && r.steering.tries == 4 && !r.thinking_required);
	assert_string_equal(r.steering.text, "Refuse \"this\":\n{x} \xe2\x80\xa8 caf\xc3\xa9");
	assert_true(r.lora.rank == 4 && r.lora.alpha == 2.5 && r.lora.dropout == 0 && r.lora.target_count == 2);
	assert_string_equal(r.lora.targets[0], "down_proj");
	assert_true(r.train.lr == 3.3333333333333335e-04 && r.train.warmup == 0 && r.train.clip == 0.5 && r.train.max_length == 512);
	assert_string_equal(r.train.objective, "kl");
	assert_true(r.seed == UINT64_MAX && r.kv_dtype == TS_BF16 && r.weights == TS_F32 && r.alpha_prompts == 0);
	assert_string_equal(r.before.text, "../other");
	assert_int_equal(ts_recipe_check(&r, &err), 0);

	/* Every key of the table is in the text, and the text gives the same recipe. */
	assert_int_equal(ts_recipe_print(&r, &text, &err), 0);
	for (size_t i = 0; ts_recipe_key(i); i++) {
		const char *dot = strchr(ts_recipe_key(i), '.');
		snprintf(want, sizeof(want), "%s%s:", dot ? "  " : "", dot ? dot + 1 : ts_recipe_key(i));
		assert_non_null(strstr(text.data, want));
	}
	if (ts_recipe_parse(&again, text.data, text.len, "printed", dir, &err))
		fail_msg("%s\n%s", err.message, text.data);
	assert_null(ts_recipe_difference(&r, &again));
	assert_string_equal(r.steering.text, again.steering.text);
	assert_string_equal(r.model.path, again.model.path);
	assert_int_equal(ts_recipe_print(&again, &second, &err), 0);
	assert_string_equal(text.data, second.data);
	ts_str_release(&text);
	ts_str_release(&second);
	ts_recipe_release(&r);
	ts_recipe_release(&again);
}

/* The defaults as text are a recipe too, and its values are the defaults. */
static void print_defaults(void **state)
{
	struct ts_recipe r, again;
	struct ts_str text = {0};
	struct ts_error err = {0};
	ts_recipe_default(&r);
	assert_int_equal(ts_recipe_print(&r, &text, &err), 0);
	if (ts_recipe_parse(&again, text.data, text.len, "printed", NULL, &err))
		fail_msg("%s\n%s", err.message, text.data);
	assert_null(ts_recipe_difference(&r, &again));
	assert_non_null(strstr(text.data, "  lr: 1e-05\n"));
	assert_non_null(strstr(text.data, "guard: null\n"));
	ts_str_release(&text);
	ts_recipe_release(&again);
}

static void errors(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{"seed: 1\nmodle: x\n", TS_EFORMAT, "r.yaml:2: unknown key \"modle\""},
		{"train:\n  lr: 1\n\n  lrr: 3\n", TS_EFORMAT, "r.yaml:4: unknown key \"lrr\" in train"},
		{"evals:\n  - name: a\n    what: b\n", TS_EFORMAT, "r.yaml:3: unknown key \"what\" in evals: entry 1"},
		{"seed: 1\ntrain:\n  epochs: 1.5\n", TS_EFORMAT, "r.yaml:3: train.epochs: expected a whole number, found \"1.5\""},
		{"train:\n  epochs: three\n", TS_EFORMAT, "r.yaml:2: train.epochs: expected a whole number, found \"three\""},
		{"train:\n  epochs: [1]\n", TS_EFORMAT, "r.yaml:2: train: epochs: expected a single value, found a list"},
		{"train: 3\n", TS_EFORMAT, "r.yaml:1: train: expected keys with values, found a single value"},
		{"lora:\n  targets: q_proj\n", TS_EFORMAT, "r.yaml:2: lora: targets: expected a list, found a single value"},
		{"model: &a x\nguard: *a\n", TS_EFORMAT, "r.yaml:2: guard: expected a value, found an alias"},
		{"model: x\n\tguard: y\n", TS_EFORMAT, "r.yaml:2: expected spaces in the indentation, found a tab"},
		{"model: x\nguard: a\x01\n", TS_EFORMAT, "r.yaml:2: found a control character, expected text"},
		{"model: x\nguard: a\xff\n", TS_EFORMAT, "r.yaml:2: invalid UTF-8 at byte 9 of the line"},
		{"[1]\n", TS_EFORMAT, "r.yaml"},
		{"seed: 1\nseed: 2\n", TS_EFORMAT, "r.yaml:2: given twice: key \"seed\""},
		{"seed: \"1\n", TS_EFORMAT, "r.yaml"},
		{"seed: 1\n---\nseed: 2\n", TS_EFORMAT, "r.yaml: more than one YAML document"},
		{"model: &a x\nguard: *a\n", TS_EFORMAT, "r.yaml:2: guard"},
		{"seed: 010x\n", TS_EFORMAT, "r.yaml:1: seed: expected a whole number"},
		{"seed: -1\n", TS_EINVAL, "r.yaml:1: seed: expected 0 to 18446744073709551615"},
		{"seed: 18446744073709551616\n", TS_EINVAL, "seed"},
		{"sampling:\n  temperature: -0.1\n", TS_EINVAL, "r.yaml:2: sampling.temperature: expected 0 to 100, found \"-0.1\""},
		{"sampling: {top_p: 0}\n", TS_EINVAL, "r.yaml:1: sampling.top_p: expected above 0 to 1"},
		{"sampling: {top_p: nan}\n", TS_EFORMAT, "sampling.top_p: expected a number"},
		{"sampling: {top_p: 0x1p-1}\n", TS_EFORMAT, "sampling.top_p: expected a number"},
		{"sampling: {max_new_tokens: 0}\n", TS_EINVAL, "sampling.max_new_tokens"},
		{"lora: {dropout: 1}\n", TS_EINVAL, "lora.dropout: expected 0 to below 1"},
		{"lora: {targets: []}\n", TS_EFORMAT, "r.yaml:1: lora: targets"},
		{"lora: {targets: [q_proj, lm_head]}\n", TS_EINVAL, "r.yaml:1: lora.targets: expected q_proj"},
		{"lora: {targets: [q_proj, all-linear]}\n", TS_EINVAL, "lora.targets: q_proj is there twice"},
		{"lora: {rslora: 3}\n", TS_EINVAL, "lora.rslora"},
		{"lora: {targets: [q_proj, q_proj]}\n", TS_EINVAL, "lora.targets: q_proj is there twice"},
		{"\n\nthinking: maybe\n", TS_EINVAL, "r.yaml:3: thinking: expected none or required, found \"maybe\""},
		{"train: {schedule: step}\n", TS_EINVAL, "train.schedule: expected cosine, linear or constant, found \"step\""},
		{"kv_dtype: f64\n", TS_EINVAL, "kv_dtype: expected f32 or bf16"},
		{"weights: stored\n", TS_EINVAL, "weights: expected f32 or bf16"},
		{"evals:\n- {name: a, file: b}\n", TS_EFORMAT, "r.yaml:2: evals: entry 1: \"kind\" is missing"},
		{"evals:\n- {name: a, file: b, kind: c}\n", TS_EINVAL, "evals: entry 1: kind: expected safety, over_refusal or reasoning"},
		{"evals:\n- {name: a, file: b, kind: safety}\n- {name: a, file: c, kind: safety}\n", TS_EINVAL, "same name \"a\""},
		{"evals:\n- {name: a, file: b, kind: safety, limit: -3}\n", TS_EINVAL, "evals: entry 1: limit"},
		{"train_prompts: {a: b}\n", TS_EFORMAT, "r.yaml:1: train_prompts: "},
		{"train_prompts: []\n", TS_EFORMAT, "r.yaml:1: train_prompts: "},
		{"seed: 1\ntrain_prompts:\n- {fil: a}\n", TS_EFORMAT, "r.yaml:3: unknown key \"fil\" in train_prompts: entry 1"},
		{"train_prompts:\n- {limit: 3}\n", TS_EFORMAT, "r.yaml:2: train_prompts: entry 1: \"file\" is missing"},
		{"train_prompts:\n- {file: a, limit: x}\n", TS_EFORMAT, "train_prompts: entry 1: limit: expected a whole number"},
		{"train_prompts:\n- {file: a, shuffle: maybe}\n", TS_EINVAL, "entry 1: shuffle: expected false or true, found \"maybe\""},
		{"train_prompts:\n- {file: a, format: csv}\n", TS_EINVAL, "entry 1: format: expected public, strongreject, xstest,"},
		{"train_prompts: [a, b]\n", TS_EFORMAT, "r.yaml:1: train_prompts: entry 1: "},
		{"evals:\n- {name: a, file: b, kind: safety, format: 3}\n", TS_EINVAL, "evals: entry 1: format: expected public"},
		{"evals:\n- {name: a, file: b, kind: safety, samples: 0}\n", TS_EINVAL, "evals: entry 1: samples: expected 1 to 4096"},
		{"evals:\n- {name: a, file: b, kind: safety, skip: -1}\n", TS_EINVAL, "evals: entry 1: skip"},
		{"train_prompts: [{file: a}]\nmodle: x\n", TS_EFORMAT, "r.yaml:2: unknown key \"modle\""},
		{"train_prompts: \"\"\n", 0, ""}, /* as libcyaml reads an empty text: not given */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_recipe r;
		struct ts_error err = {0};
		int status = parse(&r, cases[i].text, &err);
		if (status != cases[i].code || err.code != status || !strstr(err.message, cases[i].says))
			fail_msg("%s: status %d, message: %s, expected: %s", cases[i].text, status, err.message, cases[i].says);
		if (!status)
			ts_recipe_release(&r);
	}
	struct ts_recipe r;
	assert_int_equal(ts_recipe_load(&r, "/nowhere/r.yaml", NULL), TS_ENOTFOUND);
}

static void flags(void **state)
{
	struct ts_recipe r;
	struct ts_error err = {0};
	ts_recipe_default(&r);
	assert_int_equal(ts_recipe_check(&r, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "model"));
	assert_int_equal(ts_recipe_set(&r, "model", "some/dir", &err), 0);
	assert_string_equal(r.model.path, "some/dir");
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "p.jsonl", &err), 0);
	assert_int_equal(ts_recipe_check(&r, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "guard"));
	assert_int_equal(ts_recipe_set(&r, "filter", "keywords", &err), 0);
	assert_int_equal(ts_recipe_check(&r, &err), 0);
	assert_int_equal(ts_recipe_set(&r, "train.lr", "1e-4", &err), 0);
	assert_true(r.train.lr == 1e-4);
	assert_int_equal(ts_recipe_set(&r, "steering.text", "no: {x} # \"quoted\"\n", &err), 0);
	assert_string_equal(r.steering.text, "no: {x} # \"quoted\"\n");
	assert_int_equal(ts_recipe_set(&r, "lora.targets", "o_proj,up_proj", &err), 0);
	assert_true(r.lora.target_count == 2 && !strcmp(r.lora.targets[1], "up_proj"));
	assert_int_equal(ts_recipe_set(&r, "lora.targets", "all-linear", &err), 0);
	assert_int_equal(r.lora.target_count, 7);
	assert_int_equal(ts_recipe_set(&r, "lora.targets", "o_proj,up_proj", &err), 0);
	assert_int_equal(ts_recipe_set(&r, "lora.targets", "q_proj,x", &err), TS_EINVAL);
	assert_true(r.lora.target_count == 2 && !strcmp(r.lora.targets[0], "o_proj"));
	assert_int_equal(ts_recipe_set(&r, "evals", "[{\"name\": \"a\", \"file\": \"f\", \"kind\": \"safety\"}]", &err), 0);
	assert_true(r.eval_count == 1 && !strcmp(r.evals[0].rows.file.path, "f"));
	assert_int_equal(ts_recipe_set(&r, "evals", "[{name: b}]", &err), TS_EFORMAT);
	assert_true(r.eval_count == 1 && !strcmp(r.evals[0].name, "a"));
	assert_true(r.prompt_count == 1 && !strcmp(r.prompts[0].rows.file.path, "p.jsonl"));
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "[{file: a}, {file: /b, limit: 2}]", &err), 0);
	assert_true(r.prompt_count == 2 && r.prompts[1].rows.limit == 2);
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "[{limit: 2}]", &err), TS_EFORMAT);
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "[{file: a}]\nseed: 9", &err), TS_EINVAL);
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "", &err), TS_EINVAL);
	assert_true(r.prompt_count == 2 && r.seed == 42);
	/* Relative files are in `data`, whichever was given first. */
	assert_int_equal(ts_recipe_set(&r, "data", "sets", &err), 0);
	assert_string_equal(r.prompts[0].rows.file.path, "sets/a");
	assert_string_equal(r.prompts[0].rows.file.text, "a");
	assert_string_equal(r.prompts[1].rows.file.path, "/b");
	assert_string_equal(r.evals[0].rows.file.path, "sets/f");
	assert_int_equal(ts_recipe_set(&r, "train_prompts", "c", &err), 0);
	assert_string_equal(r.prompts[0].rows.file.path, "sets/c");
	assert_int_equal(ts_recipe_set(&r, "train.lr", "fast", &err), TS_EFORMAT);
	assert_string_equal(err.message, "train.lr: expected a number, found \"fast\"");
	assert_int_equal(ts_recipe_set(&r, "train.rate", "1", &err), TS_ENOTFOUND);
	assert_int_equal(ts_recipe_set(&r, "name", "\xff", &err), TS_EINVAL);
	ts_recipe_release(&r);
}

static void limited(void **state)
{
	static const char text[] = "evals:\n"
				   "- {name: a, file: f, kind: safety}\n"
				   "- {name: b, file: f, kind: safety, limit: 5}\n"
				   "- {name: c, file: f, kind: safety, skip: 3, shuffle: false}\n"
				   "- {name: d, file: f, kind: safety, limit: 50, shuffle: false}\n";
	static const struct {
		size_t limit;
		bool shuffle;
	} expected[] = {{9, true}, {5, true}, {9, false}, {9, false}};
	struct ts_recipe r;
	struct ts_error err = {0};
	if (ts_recipe_parse(&r, text, strlen(text), "r.yaml", NULL, &err))
		fail_msg("%s", err.message);
	assert_false(r.evals[0].rows.shuffle);
	ts_recipe_limit_evals(&r, 9);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(r.evals[i].rows.limit, expected[i].limit);
		assert_int_equal(r.evals[i].rows.shuffle, expected[i].shuffle);
	}
	assert_int_equal(r.evals[2].rows.skip, 3);
	ts_recipe_release(&r);
}

static void hash_and_difference(void **state)
{
	static const struct {
		const char *key, *value;
	} changes[] = {
		{"model", "other"},
		{"guard", "g"},
		{"refusal_judge", "j"},
		{"refusal_phrases", "p"},
		{"method", "sft"},
		{"train_prompts", "t"},
		{"train_prompts", "[{file: t}, {file: t}]"},
		{"train_prompts", "[{file: t, limit: 1}]"},
		{"train_prompts", "[{file: t, skip: 1}]"},
		{"train_prompts", "[{file: t, shuffle: true}]"},
		{"train_prompts", "[{file: t, label: safe}]"},
		{"train_prompts", "[{file: t, split: safe}]"},
		{"train_prompts", "[{file: t, format: public}]"},
		{"train_prompts", "[{file: t, prompt: text}]"},
		{"train_prompts", "[{file: t, prompt: text, answer: gold}]"},
		{"evals", "[{name: a, file: f, kind: safety}]"},
		{"evals", "[{name: a, file: f, kind: safety, limit: 1}]"},
		{"evals", "[{name: a, file: f, kind: safety, limit: 1, shuffle: false}]"},
		{"evals", "[{name: a, file: f, kind: safety, skip: 1}]"},
		{"evals", "[{name: a, file: f, kind: safety, skip: 1, shuffle: false}]"},
		{"evals", "[{name: a, file: f, kind: safety, shuffle: true}]"},
		{"evals", "[{name: a, file: f, kind: safety, format: public}]"},
		{"evals", "[{name: a, file: f, kind: safety, samples: 2}]"},
		{"evals", "[{name: a, file: f, kind: safety, max_new_tokens: 2}]"},
		{"evals", "[{name: a, file: f, kind: reasoning}]"},
		{"sampling.temperature", "0.7"},
		{"sampling.top_p", "0.94"},
		{"sampling.top_k", "20"},
		{"sampling.max_new_tokens", "1"},
		{"sampling.samples", "2"},
		{"steering.text", "{x}"},
		{"steering.tries", "2"},
		{"thinking", "none"},
		{"filter", "none"},
		{"lora.rank", "31"},
		{"lora.alpha", "16.000000000000004"},
		{"lora.dropout", "0"},
		{"lora.targets", "v_proj,q_proj"},
		{"train.epochs", "1"},
		{"train.batch", "1"},
		{"train.lr", "2e-5"},
		{"train.warmup", "0"},
		{"train.schedule", "linear"},
		{"train.clip", "2"},
		{"train.max_length", "1"},
		{"train.objective", "kl"},
		{"alpha_prompts", "1"},
		{"seed", "43"},
		{"numerics", "bf16dot"},
		{"kv_dtype", "bf16"},
		{"weights", "f32"},
	};
	enum { COUNT = sizeof(changes) / sizeof(*changes) };
	struct ts_recipe plain, r;
	struct ts_error err = {0};
	char hashes[COUNT + 1][65];
	ts_recipe_default(&plain);
	assert_int_equal(ts_recipe_hash(&plain, hashes[COUNT], &err), 0);
	for (int i = 0; i < COUNT; i++) {
		ts_recipe_default(&r);
		if (ts_recipe_set(&r, changes[i].key, changes[i].value, &err))
			fail_msg("%s", err.message);
		const char *key = ts_recipe_difference(&plain, &r);
		assert_non_null(key);
		assert_string_equal(key, changes[i].key);
		assert_string_equal(ts_recipe_difference(&r, &plain), changes[i].key);
		assert_int_equal(ts_recipe_hash(&r, hashes[i], &err), 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(hashes[i], hashes[j]);
		assert_string_not_equal(hashes[i], hashes[COUNT]);
		ts_recipe_release(&r);
	}
	ts_recipe_default(&r); /* what changes no result */
	assert_int_equal(ts_recipe_set(&r, "name", "other", &err), 0);
	assert_int_equal(ts_recipe_set(&r, "before", "runs/x", &err), 0);
	assert_int_equal(ts_recipe_set(&r, "data", "sets", &err), 0);
	assert_null(ts_recipe_difference(&plain, &r));
	assert_int_equal(ts_recipe_hash(&r, hashes[0], &err), 0);
	assert_string_equal(hashes[0], hashes[COUNT]);
	ts_recipe_release(&r);
}

/* A set's own samples and max_new_tokens, else what `sampling` was given, else method.md's; what says no more than `sampling` is not in the hash. */
static void eval_settings(void **state)
{
	static const char sets[] = "evals:\n- {name: a, file: f, kind: safety}\n- {name: b, file: f, kind: reasoning}\n"
				   "- {name: c, file: f, kind: reasoning, samples: 3, max_new_tokens: 77}\n";
	static const struct {
		const char *more;
		size_t expected[3][2];
	} cases[] = {
		{"", {{1, 16384}, {8, 32768}, {3, 77}}},
		{"sampling: {samples: 2}\n", {{2, 16384}, {2, 32768}, {3, 77}}},
		{"sampling: {max_new_tokens: 16384}\n", {{1, 16384}, {8, 16384}, {3, 77}}},
		{"sampling: {samples: 1, max_new_tokens: 99}\n", {{1, 99}, {1, 99}, {3, 77}}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_str text = {0}, printed = {0};
		struct ts_recipe r, again;
		struct ts_error err = {0};
		char hash[2][65];
		assert_int_equal(ts_str_printf(&text, "%s%s", sets, cases[i].more), 0);
		assert_int_equal(ts_recipe_parse(&r, text.data, text.len, "r.yaml", NULL, &err), 0);
		assert_int_equal(ts_recipe_print(&r, &printed, &err), 0);
		assert_int_equal(ts_recipe_parse(&again, printed.data, printed.len, "printed", NULL, &err), 0);
		for (int e = 0; e < 3; e++) {
			struct ts_recipe_eval first = ts_recipe_eval_whole(&r, &r.evals[e]),
					      second = ts_recipe_eval_whole(&again, &again.evals[e]);
			assert_int_equal(first.samples, cases[i].expected[e][0]);
			assert_int_equal(first.max_new_tokens, cases[i].expected[e][1]);
			assert_int_equal(second.samples, first.samples);
			assert_int_equal(second.max_new_tokens, first.max_new_tokens);
		}
		assert_null(ts_recipe_difference(&r, &again));
		assert_int_equal(ts_recipe_hash(&r, hash[0], &err), 0);
		assert_int_equal(ts_recipe_hash(&again, hash[1], &err), 0);
		assert_string_equal(hash[0], hash[1]);
		ts_str_release(&text);
		ts_str_release(&printed);
		ts_recipe_release(&r);
		ts_recipe_release(&again);
	}
}

/* A list of one file with nothing else said is that file: one text, one hash. */
static void one_file(void **state)
{
	struct ts_recipe path, list;
	struct ts_str a = {0}, b = {0};
	struct ts_error err = {0};
	char left[65], right[65];
	if (parse(&path, "train_prompts: p.jsonl\n", &err) || parse(&list, "train_prompts: [{file: p.jsonl}]\n", &err))
		fail_msg("%s", err.message);
	assert_null(ts_recipe_difference(&path, &list));
	assert_int_equal(ts_recipe_print(&path, &a, &err), 0);
	assert_int_equal(ts_recipe_print(&list, &b, &err), 0);
	assert_string_equal(a.data, b.data);
	assert_non_null(strstr(a.data, "train_prompts: p.jsonl\n"));
	assert_int_equal(ts_recipe_hash(&path, left, &err), 0);
	assert_int_equal(ts_recipe_hash(&list, right, &err), 0);
	assert_string_equal(left, right);
	ts_str_release(&a);
	ts_str_release(&b);
	ts_recipe_release(&path);
	ts_recipe_release(&list);
}

static void file_name_is_the_name(void **state)
{
	struct ts_recipe r;
	assert_int_equal(ts_recipe_load(&r, scratch_write(&g_scratch, "my.run.yaml", "seed: 1\n", 8), NULL), 0);
	assert_string_equal(r.name, "my.run");
	ts_recipe_release(&r);
}

static void every_allocation_fails_once(void **state)
{
	char path[512];
	snprintf(path, sizeof(path), "%s", scratch_write(&g_scratch, "r.yaml", full, sizeof(full) - 1));
	size_t n = 1;
	for (;; n++) {
		struct ts_recipe r;
		struct ts_str text = {0};
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_recipe_load(&r, path, &err);
		if (!status) {
			status = ts_recipe_print(&r, &text, &err);
			ts_recipe_release(&r);
		}
		ts_mem_fail_at(0);
		ts_str_release(&text);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
	}
	assert_true(n > 40);
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
		cmocka_unit_test(defaults),
		cmocka_unit_test_setup_teardown(every_key, set_up, tear_down),
		cmocka_unit_test(print_defaults),
		cmocka_unit_test(eval_settings),
		cmocka_unit_test(errors),
		cmocka_unit_test(flags),
		cmocka_unit_test(limited),
		cmocka_unit_test(hash_and_difference),
		cmocka_unit_test(one_file),
		cmocka_unit_test_setup_teardown(file_name_is_the_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
