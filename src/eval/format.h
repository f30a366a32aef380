/* The formats of prompt files: one row of a table each. Adding a benchmark = a row in format.c, a test, a line in docs/contracts.md.
 *
 * A format says how a file is recognised (its container, and columns of its rows), which column holds the prompt, and what the
 * benchmark is known to mean: the user turn that its graders expect (method.md section 3), its label, its grader. A row may be in
 * several formats' words; the first of the table wins. */
#ifndef TS_EVAL_FORMAT_H
#define TS_EVAL_FORMAT_H

#include "core/json.h"

#include <stdbool.h>

struct ts_format {
	const char *name;
	bool csv;               /* a CSV or TSV file with a header; else JSON Lines or a JSON array */
	const char *array;      /* JSON: the rows are this array of the file's one object; NULL = the file is the rows */
	const char *columns[4]; /* all of them in a row: recognised. NULL after the last */
	const char *prompt;     /* column of the user's text */
	const char *otherwise;  /* column of the user's text where the one above is empty; NULL = none */
	const char *context;    /* column of a text that stands in front of it, where it is not empty; NULL = none */
	const char *wrong[3];   /* columns of the wrong choices of a question whose `answer` is the right one's text; NULL = no choices */
	const char *turn;       /* the user turn, {x} = the text; NULL = the text alone */
	const char *answer;     /* column of the reference answer; NULL = none */
	const char *split;      /* column that a recipe's `split` chooses by; NULL = none */
	const char *pair;       /* column whose equal values make one cluster; NULL = every row is its own */
	const char *label;      /* column of prompt_label; NULL = none */
	const char *implied;    /* prompt_label of every row, where no column has it; NULL = none */
	const char *grader;     /* word of ts_dataset_parse; NULL = the recipe must say it */
};

/* The i-th row of the table, NULL past the last. */
const struct ts_format *ts_format_at(size_t i);
/* By name; NULL when there is none. */
const struct ts_format *ts_format_find(const char *name);
/* All names, separated by ", ", appended. */
int ts_format_names(struct ts_str *out);

/* Reads a file of any container whose columns somebody names: the text of the user's, of the answer (NULL = none). TS_EFORMAT where one is
 * not there, with what was found. */
int ts_format_read_columns(const char *path, const char *prompt, const char *answer, json_t **rows, struct ts_error *err);

/* Reads the file and finds its format: `name`, or when NULL the first one whose columns are there. *rows = an array of objects (the
 * caller's). Without rows and header there are no columns: *format is then `name`'s or the first of the table.
 * TS_EFORMAT names the file, what was expected and what was found. */
int ts_format_read(const char *path, const char *name, const struct ts_format **format, json_t **rows, struct ts_error *err);

#endif
