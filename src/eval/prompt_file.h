/* The prompts of one file: read by its format (eval/format.h), in order, and of those the ones that were asked for.
 *
 * Order of choosing: all rows of the file are put in order (the file's, or one drawn from the seed), then those of `split` are taken,
 * then `skip` of them are passed over, then at most `limit` are kept. The drawn order depends on the seed and the number of rows alone,
 * so that two choices from one file with the same seed and ranges that do not meet have no row in common.
 *
 * A question with choices gets them in an order drawn from the seed and its own text, so that it is the same question wherever its row
 * stands; blanks around a choice are left out, since they would tell it from the others. Its answer is the letter of the right one. */
#ifndef TS_EVAL_PROMPT_FILE_H
#define TS_EVAL_PROMPT_FILE_H

#include "core/context.h"
#include "core/mem.h"
#include "eval/format.h"

struct ts_prompt_choice {
	const char *format; /* NULL = recognise it */
	const char *prompt; /* a column: the file is of no known format; split, pair and prompt_label as in the public one */
	const char *answer; /* a column, with `prompt`; NULL = none */
	const char *split;  /* NULL = all rows */
	bool shuffle;
	uint64_t seed;      /* of the order, and of a question's choices */
	size_t skip, limit; /* limit 0 = all */
};

struct ts_prompt_row {
	const char *instruction; /* the user turn, as the format makes it */
	const char *text;        /* as the file has it, without the words that the format puts around it */
	const char *answer;      /* a letter where there are choices; NULL = the row or the format has none */
	const char *label;       /* of the row, or the format's; NULL = neither */
	const char *pair;        /* NULL = none */
	size_t number;           /* in the file, from 1: for messages */
};

struct ts_prompt_file {
	const struct ts_format *format;
	json_t *rows;          /* owns the texts of rows, */
	struct ts_arena texts; /* and this those made of them */
	TS_VEC(struct ts_prompt_row) list;
	size_t of; /* rows that `list` was taken from: those of the split, before skip and limit */
};

/* Says in the log what was read. An empty choice is an error, and so is a row without a prompt (file, row, column named). The names of
 * columns in the choice must live as long as the file. */
int ts_prompt_file_load(struct ts_prompt_file *, const char *path, const struct ts_prompt_choice *, const struct ts_context *,
			struct ts_error *err);
void ts_prompt_file_release(struct ts_prompt_file *);

#endif
