/* Is an answer right? Two graders side by side: `strict`, mathematically right, and `paper`, the rules of the reference (eval/paper.h), for
 * comparing with published tables. What follows is of the strict one.
 *
 * The thinking is split off (text/thinking.h). Then, by dataset:
 *   math, aime  the last closed \boxed{}; without any box the formula behind the last "answer is", or else the last number; a box cut short
 *               is no answer; several boxes together may answer a list
 *   gsm8k       the formula in the last closed box, or behind the last "answer is", or else the last number there, or of the whole;
 *               gold: what follows "####" (or the whole)
 *   gpqa        the letter A to D that the last closed box starts with, or without a box the last one stated as
 *               "answer is X" or "answer: X"
 * It is right when it is the same text as the gold answer (eval/answer_text.h), the same choice (C. 42 is C), or says the same as mathematics
 * (eval/math_compare.h). docs/grading.md tells it to people.
 *
 * It errs towards "not equal": what it calls equal is meant to be equal. Whatever the texts are, one grading takes some tens of
 * milliseconds at most. */
#ifndef TS_EVAL_GRADE_H
#define TS_EVAL_GRADE_H

#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Of both graders' rules. To be raised whenever a verdict may change: a run's stored verdicts by another version are graded again. */
#define TS_GRADER_VERSION 1

enum ts_dataset { TS_DATASET_MATH, TS_DATASET_GSM8K, TS_DATASET_AIME, TS_DATASET_GPQA };

/* "math", "gsm8k", "aime", "gpqa"; anything else fails and is named. */
int ts_dataset_parse(const char *name, enum ts_dataset *out, struct ts_error *err);

/* Which one of the two verdicts counts. */
enum ts_grader { TS_GRADER_STRICT, TS_GRADER_PAPER };
const char *ts_grader_name(enum ts_grader);

/* The words of a recipe's `grader`: a dataset, "strict" (default) or "paper", or both with a space between, such as "gsm8k paper".
 * `*has_dataset`: one is named. Anything else fails and is named. */
int ts_grader_parse(const char *words, enum ts_dataset *dataset, bool *has_dataset, enum ts_grader *grader, struct ts_error *err);

/* Can anything equal this reference? gsm8k: there is a number (after "####", or the whole); gpqa: a letter A to D; the others: some text.
 * TS_EFORMAT says what was expected and found. */
int ts_gold_check(enum ts_dataset, const char *gold, size_t n, struct ts_error *err);

struct ts_grade {
	bool equal;              /* by the strict grader */
	bool paper;              /* by the reference's */
	bool found;              /* an answer could be extracted */
	struct ts_str extracted; /* by the strict one: as written (math), or the number (gsm8k), or the letter (gpqa) */
};

/* `prediction` is a full response, `gold` the reference answer. `out` starts zeroed or holds an earlier result.
 * 0, TS_ENOMEM or TS_ELIMIT. */
int ts_grade(enum ts_dataset dataset, const char *prediction, size_t n, const char *gold, size_t gold_n, struct ts_grade *out);
void ts_grade_release(struct ts_grade *);

#endif
