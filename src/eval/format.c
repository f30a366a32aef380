#include "eval/format.h"

#include "core/file.h"
#include "eval/csv_rows.h"

#include <string.h>

#define MATH_TURN "Please reason step by step, and put your final answer within \\boxed{}. {x}"
#define GSM8K_TURN                                                                                                                         \
	"Given the following problem, reason and give a final answer to the problem.\nProblem: {x}\n"                                      \
	"Your response should end with \"The final answer is [answer]\" where [answer] is the response to the problem."
#define GPQA_TURN                                                                                                                          \
	"Return your final response within \\boxed{} and only include the letter choice (A, B, C, or D) as your final response. {x}"

static const struct ts_format formats[] = {
	{.name = "public",
	 .columns = {"instruction"},
	 .prompt = "instruction",
	 .answer = "answer",
	 .split = "split",
	 .pair = "pair",
	 .label = "prompt_label"},
	{.name = "strongreject", .csv = true, .columns = {"forbidden_prompt"}, .prompt = "forbidden_prompt", .implied = "harmful"},
	{.name = "xstest",
	 .csv = true,
	 .columns = {"prompt", "type", "label"},
	 .prompt = "prompt",
	 .split = "label",
	 .label = "label"}, /* safe or unsafe */
	{.name = "harmbench",
	 .csv = true,
	 .columns = {"Behavior", "FunctionalCategory", "ContextString"},
	 .prompt = "Behavior",
	 .context = "ContextString", /* a contextual behaviour speaks of it */
	 .split = "FunctionalCategory",
	 .implied = "harmful"},
	{.name = "harmbench_thinksafe", .columns = {"prompt", "objective"}, .prompt = "prompt", .implied = "harmful"},
	{.name = "wildjailbreak",
	 .csv = true, /* with tabs, as published */
	 .columns = {"adversarial", "data_type"},
	 .prompt = "adversarial",
	 .otherwise = "vanilla", /* of the training file; the evaluation file has adversarial ones alone */
	 .split = "data_type",
	 .label = "data_type"}, /* vanilla_harmful, vanilla_benign, adversarial_harmful, adversarial_benign */
	{.name = "jailbreakbench", .array = "jailbreaks", .columns = {"goal", "behavior"}, .prompt = "goal", .implied = "harmful"},
	{.name = "gsm8k",
	 .columns = {"question", "answer"},
	 .prompt = "question",
	 .turn = GSM8K_TURN,
	 .answer = "answer",
	 .implied = "benign",
	 .grader = "gsm8k"},
	{.name = "math500",
	 .columns = {"problem", "answer", "subject"},
	 .prompt = "problem",
	 .turn = MATH_TURN,
	 .answer = "answer",
	 .split = "subject",
	 .implied = "benign",
	 .grader = "math"},
	{.name = "aime",
	 .columns = {"problem", "answer", "url"},
	 .prompt = "problem",
	 .turn = MATH_TURN,
	 .answer = "answer",
	 .implied = "benign",
	 .grader = "aime"},
	{.name = "gpqa",
	 .csv = true,
	 .columns = {"Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 3"},
	 .prompt = "Question",
	 .wrong = {"Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"},
	 .turn = GPQA_TURN,
	 .answer = "Correct Answer",
	 .split = "High-level domain",
	 .implied = "benign",
	 .grader = "gpqa"},
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct ts_format *ts_format_at(size_t i)
{
	return i < FORMATS ? &formats[i] : NULL;
}

const struct ts_format *ts_format_find(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

int ts_format_names(struct ts_str *out)
{
	for (size_t i = 0; i < FORMATS; i++)
		TS_TRY(ts_str_printf(out, "%s%s", i ? ", " : "", formats[i].name));
	return 0;
}

/* --- containers --- */

enum container { LINES, OBJECT, COMMAS, TABS };

struct content {
	enum container container;
	const char *array; /* of an OBJECT: the key of its rows */
	json_t *rows;
	json_t *header; /* of COMMAS or TABS that have one: their columns */
};

/* An object over several lines, as JailbreakBench's files are: not JSON Lines. */
static int read_object(struct content *c, const char *text, size_t n, const char *path, struct ts_error *err)
{
	json_t *object;
	int status = ts_json_parse(text, n, path, &object, NULL);
	if (status)
		return status == TS_ENOMEM ? ts_fail_memory(err) : 0; /* JSON Lines, or their reader has the right words */
	for (size_t i = 0; i < FORMATS && !c->rows; i++) {
		json_t *rows = formats[i].array ? json_object_get(object, formats[i].array) : NULL;
		if (!json_is_array(rows))
			continue;
		*c = (struct content){OBJECT, formats[i].array, json_incref(rows), NULL};
	}
	size_t i;
	const json_t *row;
	json_array_foreach (c->rows, i, row)
		if (!status && !json_is_object(row))
			status = ts_fail(err, TS_EFORMAT, "%s: \"%s\": row %zu is no JSON object", path, c->array, i + 1);
	json_decref(object);
	return status;
}

static int read_content(struct content *c, const char *path, struct ts_error *err)
{
	struct ts_str text = {0};
	*c = (struct content){.container = LINES};
	int status = ts_file_read(path, &text, err);
	const char *start = ts_str_c(&text);
	start += strncmp(start, "\xEF\xBB\xBF", 3) ? 0 : 3;
	start += strspn(start, " \t\r\n");
	if (!status && *start == '{')
		status = read_object(c, start, text.len - (size_t)(start - ts_str_c(&text)), path, err);
	if (!status && !c->rows && *start && !strchr("[{", *start)) {
		char delimiter = ts_csv_delimiter(text.data, text.len);
		c->container = delimiter == '\t' ? TABS : COMMAS;
		status = ts_csv_rows(text.data, text.len, delimiter, path, &c->header, &c->rows, err);
	} else if (!status && !c->rows) {
		status = ts_rows_parse(ts_str_c(&text), text.len, path, &c->rows, err);
	}
	ts_str_release(&text);
	if (status)
		json_decref(c->rows);
	return status;
}

/* --- recognition --- */

static bool fits(const struct ts_format *f, const struct content *c, const json_t *row)
{
	if (f->csv != (c->container >= COMMAS) || (f->array != NULL) != (c->container == OBJECT) ||
	    (f->array && strcmp(f->array, c->array)))
		return false;
	for (size_t i = 0; i < 4 && f->columns[i]; i++)
		if (!json_object_get(row, f->columns[i]))
			return false;
	return true;
}

static int describe(struct ts_str *out, const struct ts_format *f)
{
	TS_TRY(ts_str_printf(out, "%s (%s", f->name, f->csv ? "CSV:" : f->array ? "JSON object:" : "JSON rows:"));
	for (size_t i = 0; i < 4 && f->columns[i]; i++)
		TS_TRY(ts_str_printf(out, "%s %s", i ? "," : "", f->columns[i]));
	return ts_str_putc(out, ')');
}

/* What shows the columns: the header, else the first row. */
static const json_t *sample(const struct content *c)
{
	return c->header ? c->header : json_array_get(c->rows, 0);
}

/* Long names are somebody's text, not names: the message stays readable. */
static int describe_found(struct ts_str *out, const struct content *c)
{
	static const char *const words[] = {"JSON rows", "a JSON object", "CSV", "TSV"};
	const char *key;
	json_t *value;
	size_t n = 0;
	TS_TRY(ts_str_printf(out, "%s with", words[c->container]));
	json_object_foreach ((json_t *)(uintptr_t)sample(c), key, value) {
		(void)value;
		if (n < 8)
			TS_TRY(ts_str_printf(out, "%s %.40s", n ? "," : "", key));
		n++;
	}
	return ts_str_puts(out, n > 8 ? ", ..." : n ? "" : " nothing in the first row");
}

static int refuse(const struct ts_format *wanted, const struct content *c, const char *path, struct ts_error *err)
{
	struct ts_str expected = {0}, found = {0};
	int status = describe_found(&found, c);
	if (wanted)
		status = status ? status : describe(&expected, wanted);
	for (size_t i = 0; !wanted && i < FORMATS && !status; i++) {
		status = i ? ts_str_puts(&expected, ", ") : 0;
		status = status ? status : describe(&expected, &formats[i]);
	}
	if (status)
		ts_fail_memory(err);
	else
		status = ts_fail(err, TS_EFORMAT, "%s: expected %s%s; found %s%s", path, wanted ? "" : "one of ", ts_str_c(&expected),
				 ts_str_c(&found), wanted ? "" : " (a file of another kind: the key prompt names its column)");
	ts_str_release(&expected);
	ts_str_release(&found);
	return status;
}

/* By the first row that has the columns, so that a row which lacks them is named as such and not taken for another format's. A label
 * is the public format's own word: rows that have one lack nothing but their prompts. */
static const struct ts_format *recognise(const struct content *c, const struct ts_format *wanted)
{
	for (size_t row = 0; row < json_array_size(c->rows) || !row; row++)
		for (size_t i = 0; i < FORMATS; i++)
			if ((!wanted || wanted == &formats[i]) && fits(&formats[i], c, row ? json_array_get(c->rows, row) : sample(c)))
				return &formats[i];
	const json_t *first = json_array_get(c->rows, 0);
	bool labelled = c->container == LINES && json_object_get(first, formats[0].label);
	return labelled && (!wanted || wanted == &formats[0]) ? &formats[0] : NULL;
}

static int need_column(const struct content *c, const char *column, const char *path, struct ts_error *err)
{
	struct ts_str found = {0};
	if (!sample(c) || json_object_get(sample(c), column))
		return 0;
	int status = describe_found(&found, c)
			     ? ts_fail_memory(err)
			     : ts_fail(err, TS_EFORMAT, "%s: expected a column \"%s\"; found %s", path, column, ts_str_c(&found));
	ts_str_release(&found);
	return status;
}

int ts_format_read_columns(const char *path, const char *prompt, const char *answer, json_t **rows, struct ts_error *err)
{
	struct content c;
	TS_TRY(read_content(&c, path, err));
	int status = need_column(&c, prompt, path, err);
	if (!status && answer)
		status = need_column(&c, answer, path, err);
	json_decref(c.header);
	if (status)
		json_decref(c.rows);
	else
		*rows = c.rows;
	return status;
}

int ts_format_read(const char *path, const char *name, const struct ts_format **format, json_t **rows, struct ts_error *err)
{
	struct content c;
	const struct ts_format *wanted = name ? ts_format_find(name) : NULL;
	if (name && !wanted)
		return ts_fail(err, TS_EINVAL, "format: \"%s\" is not known", name); /* the recipe's reader says which ones are */
	TS_TRY(read_content(&c, path, err));
	*format = sample(&c) ? recognise(&c, wanted) : wanted ? wanted : &formats[0];
	int status = *format ? 0 : refuse(wanted, &c, path, err);
	json_decref(c.header);
	if (status)
		json_decref(c.rows);
	else
		*rows = c.rows;
	return status;
}
