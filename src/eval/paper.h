/* The reference's graders, for comparing with published tables (SkyThought's, on which the paper's numbers rest): right or not, with all
 * that they get wrong. eval/grade.h has the grader to trust.
 *
 *   math, aime  the last "boxed" of the whole response, or what follows "he answer is", or the last number; both sides rewritten
 *               (eval/paper_text.h); then equal as text, as floating-point numbers within one part in 10,000 - also of a hundredth and of a
 *               hundred times the gold answer -, part by part, or as formulas, where pi, e and i are letters and 1 1/2 is a product
 *   gsm8k       the last number of the answer so extracted, commas dropped, as text against the number after ####
 *   gpqa        the last A, B, C or D that stands alone in the response, capital or not ("a good one" is an A)
 *
 * Formulas are compared by our own algebra (eval/math_zero.h) where the reference has SymPy's: the verdicts are the same on all rows of the
 * golden file, and may differ on others. */
#ifndef TS_EVAL_PAPER_H
#define TS_EVAL_PAPER_H

#include "eval/grade.h"

/* 0, TS_ENOMEM or TS_ELIMIT. */
int ts_paper_grade(enum ts_dataset, const char *response, size_t n, const char *gold, size_t gold_n, bool *equal);

#endif
