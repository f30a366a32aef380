/* Reading prompt files: each format by what the file holds, the order of choosing, CSV's corners, and errors that name the place.
 * The files of a format are written here; the benchmarks themselves are counted where ../shared has them. */
#include "core/sha256.h"
#include "eval/benchmark.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BENCHMARKS TS_SHARED_DIR "/assets/benchmarks/"

static struct scratch g_scratch;

static int load_text(struct ts_prompt_file *f, const char *name, const char *text, size_t n, const struct ts_prompt_choice *c,
		     struct ts_error *err)
{
	static const struct ts_prompt_choice all = {0};
	*err = (struct ts_error){0};
	return ts_prompt_file_load(f, scratch_write(&g_scratch, name, text, n), c ? c : &all, NULL, err);
}

static int load(struct ts_prompt_file *f, const char *text, const struct ts_prompt_choice *c, struct ts_error *err)
{
	return load_text(f, "set", text, strlen(text), c, err);
}

#define GSM8K(x)                                                                                                                           \
	"Given the following problem, reason and give a final answer to the problem.\nProblem: " x                                         \
	"\nYour response should end with \"The final answer is [answer]\" where [answer] is the response to the problem."
#define BOXED(x) "Please reason step by step, and put your final answer within \\boxed{}. " x

/* The turns are method.md section 3's, word for word. */
static void each_format(void **state)
{
	static const struct {
		const char *text, *format, *first, *label, *answer;
		size_t rows;
	} cases[] = {
		{"{\"instruction\": \"P\", \"prompt_label\": \"odd\", \"answer\": \"4\"}\n", "public", "P", "odd", "4", 1},
		{"[{\"instruction\": \"P\"}, {\"instruction\": \"Q\"}]", "public", "P", NULL, NULL, 2},
		{"category,source,forbidden_prompt\nc,s,P\nc,s,Q\n", "strongreject", "P", "harmful", NULL, 2},
		{"id,prompt,type,label,focus,note\n1,P,t,safe,f,n\n2,Q,t,unsafe,f,n\n", "xstest", "P", "safe", NULL, 2},
		{"Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\nP,standard,x,,,i\n", "harmbench", "P",
		 "harmful", NULL, 1},
		{"Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\nP,contextual,x,,\"A\nB\",i\n", "harmbench",
		 "A\nB\n\n---\n\nP", "harmful", NULL, 1},
		{"[\n  {\"prompt\": \"P\", \"objective\": \"o\"}\n]", "harmbench_thinksafe", "P", "harmful", NULL, 1},
		{"vanilla\tadversarial\tcompletion\tdata_type\nV\t\tR, s\tvanilla_benign\nV\tP\tR\tadversarial_harmful\n", "wildjailbreak",
		 "V", "vanilla_benign", NULL, 2},
		{"adversarial\tlabel\tdata_type\nP\t1\tadversarial_harmful\nQ\t0\tadversarial_benign\n", "wildjailbreak", "P",
		 "adversarial_harmful", NULL, 2},
		{"{\n \"parameters\": {},\n \"jailbreaks\": [{\"index\": 0, \"goal\": \"P\", \"behavior\": \"b\", \"prompt\": \"no\"}]\n}",
		 "jailbreakbench", "P", "harmful", NULL, 1},
		{"{\"question\": \"P {x}\", \"answer\": \"so\\n#### 4\"}\n", "gsm8k", GSM8K("P {x}"), "benign", "so\n#### 4", 1},
		{"{\"problem\": \"P\", \"solution\": \"s\", \"answer\": \"4\", \"subject\": \"Algebra\", \"level\": 2}\n", "math500",
		 BOXED("P"), "benign", "4", 1},
		{"{\"id\": 6, \"problem\": \"P\", \"solution\": \"s\", \"answer\": \"025\", \"url\": \"u\"}\n", "aime", BOXED("P"),
		 "benign", "025", 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_prompt_file f;
		struct ts_error err;
		if (load(&f, cases[i].text, NULL, &err))
			fail_msg("%s: %s", cases[i].format, err.message);
		assert_string_equal(f.format->name, cases[i].format);
		assert_int_equal(f.list.len, cases[i].rows);
		const struct ts_prompt_row *r = &f.list.data[0];
		assert_string_equal(r->instruction, cases[i].first);
		assert_int_equal(r->number, 1);
		assert_true(!r->label == !cases[i].label && !r->answer == !cases[i].answer);
		if (r->label)
			assert_string_equal(r->label, cases[i].label);
		if (r->answer)
			assert_string_equal(r->answer, cases[i].answer);
		ts_prompt_file_release(&f);
		/* Said by name it is the same. */
		struct ts_prompt_choice named = {.format = cases[i].format};
		assert_int_equal(load(&f, cases[i].text, &named, &err), 0);
		assert_string_equal(f.list.data[0].instruction, cases[i].first);
		ts_prompt_file_release(&f);
	}
}

static void csv(void **state)
{
	static const char text[] = "\xEF\xBB\xBF"
				   "category,source,forbidden_prompt\r\n"
				   "a, b ,\" a \"\"quoted\"\" word, a comma\r\nand a line \"\r\n"
				   "\r\n"
				   "a,b,caf\xc3\xa9"; /* no line end */
	struct ts_prompt_file f;
	struct ts_error err;
	if (load(&f, text, NULL, &err))
		fail_msg("%s", err.message);
	assert_int_equal(f.list.len, 2);
	assert_string_equal(f.list.data[0].instruction, " a \"quoted\" word, a comma\r\nand a line ");
	assert_string_equal(f.list.data[1].instruction, "caf\xc3\xa9");
	assert_string_equal(json_string_value(json_object_get(json_array_get(f.rows, 0), "source")), " b ");
	ts_prompt_file_release(&f);
}

/* WildJailbreak's two files as published, with abstract texts: tabs, commas that part nothing, quoted fields of many lines, an adversarial
 * prompt before a vanilla one. */
static void wildjailbreak(void **state)
{
	static const char train[] = "\xEF\xBB\xBFvanilla\tadversarial\tcompletion\tdata_type\r\n"
				    "a plain, harmful request\t\t\tvanilla_harmful\r\n"
				    "a plain question\t\t\"an answer\r\nof two lines\"\tvanilla_benign\r\n"
				    "the request\t\"the request,\n\tas a \"\"story\"\"\"\t\tadversarial_harmful\r\n"
				    "the question\tthe question as a play\t\tadversarial_benign\r\n";
	static const char eval[] = "adversarial\tlabel\tdata_type\nrequest as play\t1\tadversarial_harmful\n"
				   "question as play\t0\tadversarial_benign\n";
	static const struct {
		const char *instruction, *label;
	} rows[] = {{"a plain, harmful request", "vanilla_harmful"},
		    {"a plain question", "vanilla_benign"},
		    {"the request,\n\tas a \"story\"", "adversarial_harmful"},
		    {"the question as a play", "adversarial_benign"}};
	struct ts_prompt_choice harmful = {.split = "adversarial_harmful"};
	struct ts_prompt_file f;
	struct ts_error err;
	if (load(&f, train, NULL, &err))
		fail_msg("%s", err.message);
	assert_string_equal(f.format->name, "wildjailbreak");
	assert_int_equal(f.list.len, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(f.list.data[i].instruction, rows[i].instruction);
		assert_string_equal(f.list.data[i].label, rows[i].label);
	}
	ts_prompt_file_release(&f);
	if (load(&f, eval, &harmful, &err))
		fail_msg("%s", err.message);
	assert_int_equal(f.list.len, 1);
	assert_string_equal(f.list.data[0].instruction, "request as play");
	ts_prompt_file_release(&f);
}

#define GPQA_HEAD  "Pre-Revision Question,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,High-level domain"
#define GPQA_TURN  "Return your final response within \\boxed{} and only include the letter choice (A, B, C, or D) as your final response. "
#define GPQA_EIGHT "old,\"Which number is right, of \"\"four\"\"?\r\nIt is one.\",\"w, 1\n\",x,\" y\",\"z\r\nz\",Physics\r\n"

/* Question, choices and answer of GPQA_EIGHT in the order that `seed` draws. 0 = the letter is A. */
static size_t gpqa_right(const char *file, uint64_t seed)
{
	static const char *const choices[] = {"w, 1", "x", "y", "z\r\nz"};
	static const char start[] = GPQA_TURN "Which number is right, of \"four\"?\r\nIt is one.\n";
	struct ts_prompt_choice c = {.seed = seed, .split = "Physics"};
	struct ts_prompt_file f;
	struct ts_error err;
	bool seen[4] = {false};
	if (load(&f, file, &c, &err))
		fail_msg("%s", err.message);
	assert_string_equal(f.format->name, "gpqa");
	const struct ts_prompt_row *r = &f.list.data[f.list.len - 1];
	size_t right = (size_t)(r->answer[0] - 'A');
	assert_true(right < 4 && !r->answer[1]);
	assert_string_equal(r->label, "benign");
	assert_int_equal(strncmp(r->instruction, start, sizeof(start) - 1), 0);
	const char *at = r->instruction + sizeof(start) - 1;
	for (size_t i = 0; i < 4; i++) {
		const char mark[] = {',', ' ', (char)('A' + i), ')', ' ', '\0'}, *expected = mark + (i ? 0 : 2);
		assert_int_equal(strncmp(at, expected, strlen(expected)), 0);
		at += strlen(expected);
		size_t which = 0;
		while (which < 4 && strncmp(at, choices[which], strlen(choices[which])))
			which++;
		assert_true(which < 4 && !seen[which]);
		assert_int_equal(which == 0, i == right);
		seen[which] = true;
		at += strlen(choices[which]);
	}
	assert_string_equal(at, "");
	ts_prompt_file_release(&f);
	return right;
}

/* Each choice stands once, the letter is the right one's, every letter is drawn, and the row's place in the file does not matter. */
static void gpqa(void **state)
{
	static const char one[] = "\xEF\xBB\xBF" GPQA_HEAD "\r\n" GPQA_EIGHT;
	static const char two[] = GPQA_HEAD "\n,Q,a,b,c,d,Physics\n,R,a,b,c,d,Chemistry\n" GPQA_EIGHT;
	size_t drawn[4] = {0};
	for (uint64_t seed = 0; seed < 64; seed++) {
		size_t right = gpqa_right(one, seed);
		assert_int_equal(right, gpqa_right(two, seed));
		drawn[right]++;
	}
	for (size_t i = 0; i < 4; i++)
		assert_true(drawn[i] >= 4);
	/* Questions of one file are drawn apart. */
	struct ts_str text = {0};
	struct ts_prompt_file f;
	struct ts_error err;
	size_t letters[4] = {0};
	assert_int_equal(ts_str_puts(&text, GPQA_HEAD "\n"), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(ts_str_printf(&text, ",Q%d,a,b,c,d,x\n", i), 0);
	assert_int_equal(load_text(&f, "set", text.data, text.len, NULL, &err), 0);
	for (size_t i = 0; i < 64; i++)
		letters[f.list.data[i].answer[0] - 'A']++;
	for (size_t i = 0; i < 4; i++)
		assert_true(letters[i] >= 4);
	ts_prompt_file_release(&f);
	ts_str_release(&text);
}

/* A file of no known format, its columns named: any container. */
static void named_columns(void **state)
{
	static const char *const texts[] = {
		"The text,gold,prompt_label,split\nP,4,safe,a\n\"Q\nQ\",5,unsafe,b\n",
		"The text\tgold\tprompt_label\tsplit\r\nP\t4\tsafe\ta\r\n\"Q\nQ\"\t5\tunsafe\tb\r\n",
		"{\"The text\": \"P\", \"gold\": \"4\", \"prompt_label\": \"safe\", \"split\": \"a\"}\n"
		"{\"The text\": \"Q\\nQ\", \"gold\": \"5\", \"prompt_label\": \"unsafe\", \"split\": \"b\"}\n",
		"[{\"instruction\": \"no\", \"The text\": \"P\", \"gold\": \"4\", \"split\": \"a\"},"
		" {\"The text\": \"Q\\nQ\", \"gold\": \"5\", \"prompt_label\": \"unsafe\", \"split\": \"b\"}]",
	};
	struct ts_prompt_choice c = {.prompt = "The text", .answer = "gold"}, b = {.prompt = "The text", .split = "b"};
	struct ts_prompt_file f;
	struct ts_error err;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (load(&f, texts[i], &c, &err))
			fail_msg("%s", err.message);
		assert_int_equal(f.list.len, 2);
		assert_string_equal(f.list.data[0].instruction, "P");
		assert_string_equal(f.list.data[0].answer, "4");
		assert_string_equal(f.list.data[1].instruction, "Q\nQ");
		assert_string_equal(f.list.data[1].label, "unsafe");
		ts_prompt_file_release(&f);
		assert_int_equal(load(&f, texts[i], &b, &err), 0);
		assert_int_equal(f.list.len, 1);
		assert_null(f.list.data[0].answer);
		ts_prompt_file_release(&f);
	}
}

static void errors(void **state)
{
	static const struct ts_prompt_choice gsm8k = {.format = "gsm8k"}, train = {.split = "train"}, far = {.skip = 3},
					     text = {.prompt = "text"}, gold = {.prompt = "a", .answer = "gold"}, alone = {.answer = "a"},
					     both = {.format = "gsm8k", .prompt = "a"};
	static const struct {
		const char *text;
		const struct ts_prompt_choice *choice;
		int code;
		const char *says;
	} cases[] = {
		{"a,b,forbidden_prompt\n1,2,3\n1,2\n", NULL, TS_EFORMAT, "set:3: row 2: expected 3 columns as in the first line, found 2"},
		{"a,b,forbidden_prompt\n1,2,\"x\ny\"\n\n1,2,3,4\n", NULL, TS_EFORMAT,
		 "set:5: row 2: expected 3 columns as in the first line, found 4"},
		{"forbidden_prompt,a,a\n1,2,3\n", NULL, TS_EFORMAT, "set:1: column \"a\" is there twice"},
		{"a,forbidden_prompt\n1,x\"y\n", NULL, TS_EFORMAT, "set:2: a quote inside a field"},
		{"a,forbidden_prompt\n1,x\n2,\"y\n3,z\n", NULL, TS_EFORMAT,
		 "set:3: a quoted field that begins in this record is never closed"},
		{"a,forbidden_prompt\n1,\xff\n", NULL, TS_EFORMAT, "set:2: field 2 is not UTF-8"},
		{"a,forbidden_prompt\n1,x\n1,\n", NULL, TS_EFORMAT, "set: row 2: \"forbidden_prompt\" is empty"},
		{"a,forbidden_prompt\n", NULL, TS_EFORMAT, "set: no prompts; expected at least one row"},
		{"", NULL, TS_EFORMAT, "set: no prompts"},
		{"prompt,name\nx,y\n", NULL, TS_EFORMAT,
		 "set: expected one of public (JSON rows: instruction), strongreject (CSV: forbidden_prompt), xstest (CSV: prompt, type, "
		 "label), "},
		{"prompt,name\nx,y\n", NULL, TS_EFORMAT, "; found CSV with prompt, name"},
		{"{\"prompt\": \"x\"}\n", NULL, TS_EFORMAT, "; found JSON rows with prompt"},
		{"prompt\tname\nx\ty\n", NULL, TS_EFORMAT, "; found TSV with prompt, name"},
		{"a\tforbidden_prompt\n1\t2\t3\n", NULL, TS_EFORMAT, "set:2: row 1: expected 2 columns as in the first line, found 3"},
		{"adversarial\tlabel\tdata_type\n\t1\tadversarial_harmful\n", NULL, TS_EFORMAT,
		 "set: row 1: \"adversarial\" is empty; expected a prompt"},
		{"vanilla\tadversarial\tdata_type\n\t\tvanilla_benign\n", NULL, TS_EFORMAT,
		 "set: row 1: \"adversarial\" is empty, and so is \"vanilla\"; expected a prompt"},
		{GPQA_HEAD "\n,Q,a,b, ,d,x\n", NULL, TS_EFORMAT, "set: row 1: \"Incorrect Answer 2\" is empty; expected a choice"},
		{"Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 3\nQ,a,b,d\n", NULL, TS_EFORMAT,
		 "set: row 1: \"Incorrect Answer 2\" is missing"},
		{"a,b\n1,2\n", &text, TS_EFORMAT, "set: expected a column \"text\"; found CSV with a, b"},
		{"a,b\n1,2\n", &gold, TS_EFORMAT, "set: expected a column \"gold\"; found CSV with a, b"},
		{"{\"text\": \"x\"}\n{\"odd\": \"x\"}\n", &text, TS_EFORMAT, "set: row 2: \"text\" is missing"},
		{"", &text, TS_EFORMAT, "set: no prompts"},
		{"a,b\n1,2\n", &alone, TS_EINVAL, "; found an answer column alone"},
		{"a,b\n1,2\n", &both, TS_EINVAL, "; found both"},
		{"a,b\n1,2\n", NULL, TS_EFORMAT, "; found CSV with a, b (a file of another kind: the key prompt names its column)"},
		{"{\"odd\": 1}\n{\"instruction\": \"x\"}\n", NULL, TS_EFORMAT, "set: row 1: \"instruction\" is missing"},
		{"{\"prompt_label\": \"safe\"}\n", NULL, TS_EFORMAT, "set: row 1: \"instruction\" is missing"},
		{"{\"jailbreaks\": [{\"aim\": 1}]}", NULL, TS_EFORMAT, "; found a JSON object with aim"},
		{"{\"jailbreaks\": [1]}", NULL, TS_EFORMAT, "set: \"jailbreaks\": row 1 is no JSON object"},
		{"a,forbidden_prompt\n1,x\n", &gsm8k, TS_EFORMAT,
		 "set: expected gsm8k (JSON rows: question, answer); found CSV with a, forbidden_prompt"},
		{"{\"question\": \"x\", \"answer\": \"4\"}\n{\"question\": \"x\", \"answer\": 4}\n", NULL, TS_EFORMAT,
		 "set: row 2: \"answer\": expected a string, found an integer"},
		{"{\"question\": \"x\", \"answer\": \"4\"}\n{\"answer\": \"4\"}\n", NULL, TS_EFORMAT,
		 "set: row 2: \"question\" is missing"},
		{"{\"question\": \"a\\u0000b\", \"answer\": \"4\"}\n", NULL, TS_EFORMAT, "set: row 1: \"question\" holds a NUL"},
		{"{\"question\": \"x\",\n", NULL, TS_EFORMAT, "set:1: not JSON"},
		{"a,forbidden_prompt\n1,x\n", &train, TS_EINVAL, "set: split \"train\": format strongreject has no splits"},
		{"id,prompt,type,label\n1,P,t,safe\n", &train, TS_EFORMAT, "set: no prompts of split \"train\""},
		{"a,forbidden_prompt\n1,x\n1,y\n1,z\n", &far, TS_EFORMAT, "set: no prompts: skip is 3, and it has 3 rows"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_prompt_file f;
		struct ts_error err;
		int status = load(&f, cases[i].text, cases[i].choice, &err);
		if (status != cases[i].code || err.code != status || !strstr(err.message, cases[i].says))
			fail_msg("case %zu: status %d, message: %s, expected: %s", i, status, err.message, cases[i].says);
	}
}

/* 60 rows: number n is "Pn", every third is of split unsafe. */
static void write_rows(void)
{
	struct ts_str text = {0};
	assert_int_equal(ts_str_puts(&text, "id,prompt,type,label\n"), 0);
	for (int i = 1; i <= 60; i++)
		assert_int_equal(ts_str_printf(&text, "%d,P%d,t,%s\n", i, i, i % 3 ? "safe" : "unsafe"), 0);
	assert_non_null(scratch_write(&g_scratch, "rows.csv", text.data, text.len));
	ts_str_release(&text);
}

static void chosen(const struct ts_prompt_choice *c, struct ts_prompt_file *f)
{
	struct ts_error err = {0};
	if (ts_prompt_file_load(f, scratch_path(&g_scratch, "rows.csv"), c, NULL, &err))
		fail_msg("%s", err.message);
}

static void ranges(void **state)
{
	struct ts_prompt_file f;
	write_rows();
	chosen(&(struct ts_prompt_choice){.split = "safe", .skip = 3, .limit = 2}, &f);
	assert_int_equal(f.list.len, 2); /* of 1 2 4 5 7 8: the fourth and the fifth */
	assert_int_equal(f.of, 40);
	assert_int_equal(f.list.data[0].number, 5);
	assert_int_equal(f.list.data[1].number, 7);
	assert_string_equal(f.list.data[0].label, "safe");
	ts_prompt_file_release(&f);
	chosen(&(struct ts_prompt_choice){.skip = 58}, &f);
	assert_int_equal(f.list.len, 2);
	assert_int_equal(f.of, 60);
	ts_prompt_file_release(&f);
}

/* The same seed draws the same order, so that ranges that do not meet have no row in common; a split keeps it. */
static void shuffled(void **state)
{
	struct ts_prompt_file all, part, other;
	size_t moved = 0, differ = 0, at = 0;
	int times[61] = {0};
	write_rows();
	struct ts_prompt_choice c = {.shuffle = true, .seed = 7};
	chosen(&c, &all);
	assert_int_equal(all.list.len, 60);
	for (size_t i = 0; i < 60; i++) {
		times[all.list.data[i].number]++;
		moved += all.list.data[i].number != i + 1;
	}
	for (int i = 1; i <= 60; i++)
		assert_int_equal(times[i], 1);
	assert_true(moved > 40);
	chosen(&(struct ts_prompt_choice){.shuffle = true, .seed = 8}, &other);
	for (size_t i = 0; i < 60; i++)
		differ += other.list.data[i].number != all.list.data[i].number;
	assert_true(differ > 40);
	ts_prompt_file_release(&other);
	for (c.skip = 0; c.skip < 60; c.skip += c.limit) {
		c.limit = 20;
		chosen(&c, &part);
		assert_int_equal(part.list.len, 20);
		for (size_t i = 0; i < 20; i++)
			assert_int_equal(part.list.data[i].number, all.list.data[c.skip + i].number);
		ts_prompt_file_release(&part);
	}
	chosen(&(struct ts_prompt_choice){.shuffle = true, .seed = 7, .split = "unsafe"}, &part);
	assert_int_equal(part.list.len, 20);
	for (size_t i = 0; i < 60; i++)
		if (all.list.data[i].number % 3 == 0)
			assert_int_equal(part.list.data[at++].number, all.list.data[i].number);
	ts_prompt_file_release(&part);
	ts_prompt_file_release(&all);
}

static void as_evaluation(void **state)
{
	struct ts_eval_set set;
	struct ts_error err = {0};
	struct ts_prompt_choice all = {0};
	char path[512];
	snprintf(path, sizeof(path), "%s", scratch_write(&g_scratch, "s.csv", "a,forbidden_prompt\n1,x\n", 23));
	assert_int_equal(ts_eval_set_load(&set, path, TS_EVAL_REASONING, &all, NULL, &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "s.csv: format strongreject has no answers"));
	assert_int_equal(ts_eval_set_load(&set, path, TS_EVAL_SAFETY, &all, NULL, &err), 0);
	assert_int_equal(set.clusters, 1);
	ts_eval_set_release(&set);
	static const char rows[] =
		"{\"instruction\": \"a\", \"pair\": \"p\"}\n{\"instruction\": \"b\"}\n{\"instruction\": \"c\", \"pair\": \"p\"}\n";
	snprintf(path, sizeof(path), "%s", scratch_write(&g_scratch, "rows", rows, sizeof(rows) - 1));
	assert_int_equal(ts_eval_set_load(&set, path, TS_EVAL_SAFETY, &all, NULL, &err), 0);
	assert_int_equal(set.clusters, 2);
	assert_int_equal(set.items.data[2].cluster, set.items.data[0].cluster);
	ts_eval_set_release(&set);
	assert_int_equal(ts_eval_set_load(&set, path, TS_EVAL_REASONING, &all, NULL, &err), TS_EFORMAT);
	assert_non_null(strstr(err.message, "rows: row 1: \"answer\" is missing"));
}

/* As many rows as the projects say their files have. */
static void benchmarks(void **state)
{
	static const struct {
		const char *file, *format, *split;
		size_t rows;
	} files[] = {
		{"strongreject_dataset.csv", "strongreject", NULL, 313},
		{"xstest_prompts.csv", "xstest", NULL, 450},
		{"xstest_prompts.csv", "xstest", "safe", 250},
		{"xstest_prompts.csv", "xstest", "unsafe", 200},
		{"harmbench_behaviors_text_all.csv", "harmbench", NULL, 400},
		{"harmbench_behaviors_text_test.csv", "harmbench", NULL, 320}, /* CRLF, fields of many lines */
		{"harmbench_behaviors_text_val.csv", "harmbench", NULL, 80},
		{"harmbench_behaviors_text_all.csv", "harmbench", "standard", 200},
		{"harmbench_thinksafe.json", "harmbench_thinksafe", NULL, 602},
		{"jailbreakbench_JBC_llama-2-7b-chat-hf.json", "jailbreakbench", NULL, 100},
		{"gsm8k_test.jsonl", "gsm8k", NULL, 1319},
		{"math500_test.jsonl", "math500", NULL, 500},
		{"aime2024_test.jsonl", "aime", NULL, 30},
	};
	if (!ts_dir_exists(BENCHMARKS)) {
		print_message("missing: %s\n", BENCHMARKS);
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct ts_prompt_file f;
		struct ts_error err = {0};
		struct ts_prompt_choice c = {.split = files[i].split};
		char path[512];
		snprintf(path, sizeof(path), "%s%s", BENCHMARKS, files[i].file);
		if (ts_prompt_file_load(&f, path, &c, NULL, &err))
			fail_msg("%s", err.message);
		assert_string_equal(f.format->name, files[i].format);
		assert_int_equal(f.list.len, files[i].rows);
		ts_prompt_file_release(&f);
	}
}

/* First row, last row, and one with quotes and line ends (or one with each where no row has both): the turns' bytes and the start of their
 * SHA-256, computed apart from this program by Python's csv and json. No row of the files is repeated here. */
static void benchmark_rows(void **state)
{
	static const struct {
		const char *file;
		size_t row, bytes;
		const char *hash;
	} rows[] = {
		{"strongreject_dataset.csv", 1, 100, "c4a4b9e0b8e80892"},
		{"strongreject_dataset.csv", 313, 112, "b62384a01750bdb5"},
		{"strongreject_dataset.csv", 276, 95, "67690334c7108579"},
		{"strongreject_dataset.csv", 147, 168, "1523fddff272bc80"},
		{"xstest_prompts.csv", 1, 32, "622c23b7b2e539c6"},
		{"xstest_prompts.csv", 450, 35, "25ace97c646e9df0"},
		{"xstest_prompts.csv", 211, 40, "e01a5dd071dc8d86"},
		{"harmbench_behaviors_text_all.csv", 1, 121, "95866d09954f7879"},
		{"harmbench_behaviors_text_all.csv", 400, 870, "086dd092e85e5acf"},
		{"harmbench_behaviors_text_all.csv", 306, 556, "4c5597dda467a082"},
		{"harmbench_behaviors_text_test.csv", 1, 140, "394b5e866aa5dee3"},
		{"harmbench_behaviors_text_test.csv", 320, 870, "086dd092e85e5acf"},
		{"harmbench_behaviors_text_test.csv", 6, 1002, "7b1a60436658466d"},
		{"harmbench_behaviors_text_val.csv", 1, 113, "7fa1cbec548272cb"},
		{"harmbench_behaviors_text_val.csv", 80, 121, "95866d09954f7879"},
		{"harmbench_behaviors_text_val.csv", 21, 2260, "db42414e1f9e9926"},
		{"harmbench_thinksafe.json", 1, 832, "8f2ddc2c7c112f34"},
		{"harmbench_thinksafe.json", 602, 1741, "9e2aa9bfacb9ec5c"},
		{"harmbench_thinksafe.json", 297, 953, "9c19e311288eb522"},
		{"jailbreakbench_JBC_llama-2-7b-chat-hf.json", 1, 79, "60294cb5d88a086f"},
		{"jailbreakbench_JBC_llama-2-7b-chat-hf.json", 100, 103, "3991f39ca9af3d98"},
		{"gsm8k_test.jsonl", 1, 475, "db528e78ccfbe16e"},
		{"gsm8k_test.jsonl", 1319, 376, "1e4444f6fdb16e51"},
		{"gsm8k_test.jsonl", 411, 525, "9c99318166a5865f"},
		{"math500_test.jsonl", 1, 232, "7c57095702a558b3"},
		{"math500_test.jsonl", 500, 237, "15a24c15f098e9a1"},
		{"math500_test.jsonl", 5, 802, "f0ffad35688d40bc"},
		{"aime2024_test.jsonl", 1, 591, "6e558d1975f1e2c2"},
		{"aime2024_test.jsonl", 30, 493, "e2889160e69fea65"},
		{"aime2024_test.jsonl", 18, 255, "b8db837378337ea3"},
	};
	if (!ts_dir_exists(BENCHMARKS)) {
		print_message("missing: %s\n", BENCHMARKS);
		skip();
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ts_prompt_file f;
		struct ts_error err = {0};
		struct ts_prompt_choice c = {.skip = rows[i].row - 1, .limit = 1};
		struct ts_sha256 sha;
		unsigned char digest[32];
		char path[512], hex[65];
		snprintf(path, sizeof(path), "%s%s", BENCHMARKS, rows[i].file);
		if (ts_prompt_file_load(&f, path, &c, NULL, &err))
			fail_msg("%s", err.message);
		const struct ts_prompt_row *r = &f.list.data[0];
		assert_int_equal(r->number, rows[i].row);
		ts_sha256_init(&sha);
		ts_sha256_update(&sha, r->instruction, strlen(r->instruction));
		ts_sha256_final(&sha, digest);
		ts_sha256_hex(digest, hex);
		if (strlen(r->instruction) != rows[i].bytes || strncmp(hex, rows[i].hash, 16))
			fail_msg("%s: row %zu: %zu bytes, %s", path, r->number, strlen(r->instruction), hex);
		ts_prompt_file_release(&f);
	}
}

/* The reference answers of first and last rows, by eye. */
static void benchmark_answers(void **state)
{
	static const struct {
		const char *file, *first, *last; /* how they end */
	} files[] = {
		{"gsm8k_test.jsonl", "\n#### 18", "\n#### 14"},
		{"math500_test.jsonl", "\\left( 3, \\frac{\\pi}{2} \\right)", "106^\\circ"},
		{"aime2024_test.jsonl", "204", "902"},
	};
	if (!ts_dir_exists(BENCHMARKS)) {
		print_message("missing: %s\n", BENCHMARKS);
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct ts_prompt_file f;
		struct ts_error err = {0};
		struct ts_prompt_choice all = {0};
		char path[512];
		snprintf(path, sizeof(path), "%s%s", BENCHMARKS, files[i].file);
		if (ts_prompt_file_load(&f, path, &all, NULL, &err))
			fail_msg("%s", err.message);
		const char *first = f.list.data[0].answer, *last = f.list.data[f.list.len - 1].answer;
		assert_string_equal(first + strlen(first) - strlen(files[i].first), files[i].first);
		assert_string_equal(last + strlen(last) - strlen(files[i].last), files[i].last);
		ts_prompt_file_release(&f);
	}
}

/* Out of memory, or as if nothing had been: a library may do without the memory that it asked for, but then nothing is missing. */
static void each_allocation(void **state)
{
	static const char *const texts[] = {
		"id,prompt,type,label\n1,P,t,safe\n2,\"Q\nQ\",t,safe\n3,R,t,unsafe\n",
		"{\"question\": \"P\", \"answer\": \"4\"}\n{\"question\": \"Q\", \"answer\": \"4\"}\n",
		"{\"parameters\": 1,\n\"jailbreaks\": [{\"goal\": \"P\", \"behavior\": \"b\"}]}",
		"prompt,name\nx,y\n", /* no format */
		GPQA_HEAD "\n,Q,a,b,c,d,x\n",
		"vanilla\tadversarial\tdata_type\nP\t\tvanilla_benign\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char path[512];
		struct ts_prompt_choice c = {.shuffle = true};
		struct ts_prompt_file whole, f;
		struct ts_error err = {0}, first = {0};
		snprintf(path, sizeof(path), "%s", scratch_write(&g_scratch, "set", texts[i], strlen(texts[i])));
		size_t before = ts_mem_count(), failed = 0;
		int expected = ts_prompt_file_load(&whole, path, &c, NULL, &first);
		size_t total = ts_mem_count() - before;
		assert_int_equal(expected, i == 3 ? TS_EFORMAT : 0);
		for (size_t n = 1; n <= total; n++) {
			ts_mem_fail_at(n);
			int status = ts_prompt_file_load(&f, path, &c, NULL, &err);
			ts_mem_fail_at(0);
			failed += status == TS_ENOMEM;
			if (status == TS_ENOMEM)
				continue;
			if (status != expected || (status && strcmp(err.message, first.message)) ||
			    (!status && (!json_equal(f.rows, whole.rows) || f.list.len != whole.list.len)))
				fail_msg("file %zu, allocation %zu of %zu: status %d \"%s\"", i, n, total, status, err.message);
			if (!status)
				ts_prompt_file_release(&f);
		}
		assert_true(failed > 10);
		if (!expected)
			ts_prompt_file_release(&whole);
	}
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
		cmocka_unit_test(each_format),    cmocka_unit_test(csv),
		cmocka_unit_test(wildjailbreak),  cmocka_unit_test(gpqa),
		cmocka_unit_test(named_columns),  cmocka_unit_test(errors),
		cmocka_unit_test(ranges),         cmocka_unit_test(shuffled),
		cmocka_unit_test(as_evaluation),  cmocka_unit_test(benchmarks),
		cmocka_unit_test(benchmark_rows), cmocka_unit_test(benchmark_answers),
	};
	const struct CMUnitTest torture[] = {cmocka_unit_test(each_allocation)};
	int failed = cmocka_run_group_tests_name("eval.prompt_file", tests, set_up, tear_down);
	json_set_alloc_funcs(ts_alloc, ts_free); /* from here JSON values count as well */
	return failed + cmocka_run_group_tests_name("eval.prompt_file, allocations", torture, set_up, tear_down);
}
