/* Is an answer right? `strict` grader, first part: exact numbers and text.
 *
 * The thinking is split off (text/thinking.h). Then, by dataset:
 *   math, aime  the last closed \boxed{}; without any box the last number of the answer; a box cut short is no answer
 *   gsm8k       the last number of: the last closed box, or what follows the last "answer is", or the whole answer;
 *               gold: what follows "####" (or the whole), commas dropped
 *   gpqa        the letter A to D that the last closed box starts with, or without a box the last one stated as
 *               "answer is X" or "answer: X"
 * Numbers are compared exactly (eval/number.h: integers, separators, decimals, fractions, mixed numbers, percent, units
 * and currency dropped); a left side with letters is dropped when one of the two has it (x = 4 is 4, m+n = 45 is 45).
 *
 * LIMIT. There is no algebra here: whatever is not a number compares as normalised text (eval/answer_text.h). So roots,
 * powers, products, constants, functions, complex numbers, sets and lists in another order, intervals and inequalities
 * written differently, rearranged equations and polynomials, matrices with other numbers inside, number words and
 * decimals that round an exact value are equal only when they are written alike. It errs towards "not equal": what it
 * calls equal is meant to be equal. Mathematical equivalence is a grader of its own. */
#ifndef TS_EVAL_GRADE_H
#define TS_EVAL_GRADE_H

#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

enum ts_dataset { TS_DATASET_MATH, TS_DATASET_GSM8K, TS_DATASET_AIME, TS_DATASET_GPQA };

/* "math", "gsm8k", "aime", "gpqa"; anything else fails and is named. */
int ts_dataset_parse(const char *name, enum ts_dataset *out, struct ts_error *err);

/* Can anything equal this reference? gsm8k: there is a number (after "####", or the whole); gpqa: a letter A to D; the others: some text.
 * TS_EFORMAT says what was expected and found. */
int ts_gold_check(enum ts_dataset, const char *gold, size_t n, struct ts_error *err);

struct ts_grade {
	bool equal;
	bool found;              /* an answer could be extracted */
	struct ts_str extracted; /* as written (math), or the number (gsm8k), or the letter (gpqa) */
};

/* `prediction` is a full response, `gold` the reference answer. `out` starts zeroed or holds an earlier result.
 * 0, TS_ENOMEM or TS_ELIMIT. */
int ts_grade(enum ts_dataset dataset, const char *prediction, size_t n, const char *gold, size_t gold_n, struct ts_grade *out);
void ts_grade_release(struct ts_grade *);

#endif
