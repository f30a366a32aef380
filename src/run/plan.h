/* The plan of a run: what is left to do, how long it takes, how much memory and disk it needs. Arithmetic alone: counts and lengths come in,
 * with rates that somebody measured (run/probe.h), and seconds and bytes go out. The same input gives the same plan.
 *
 *     ts_plan_make(recipe, dir, ...)     reads the data and a journal that may be there, measures, and fills a plan (run/planner.c)
 *     ts_plan_release(&plan)
 *
 * What is assumed where nothing could be measured is in the plan's fields, so that whoever shows it can say so:
 * - an answer of the sample that did not end while it was measured counts as `expected` tokens if that was given, else as many as its prompt
 *   allows (max_new_tokens);
 * - after training the answers are as long as before; later tries keep as many rows as the first;
 * - a response that is not there yet has a thinking and an answer to be judged apart, each of them half of it;
 * - where the sample was not judged, every row is kept at its first try. */
#ifndef TS_RUN_PLAN_H
#define TS_RUN_PLAN_H

#include "run/batching.h"
#include "run/run.h"

enum ts_plan_list { TS_PLAN_EVAL, TS_PLAN_ALPHA, TS_PLAN_GENERATE, TS_PLAN_LISTS };
enum ts_plan_kind { TS_PLAN_SETUP, TS_PLAN_SAMPLE, TS_PLAN_JUDGE, TS_PLAN_TRAIN, TS_PLAN_RESULTS };
enum { TS_PLAN_STAGES = 13 };

/* Answers of one list of prompts. */
struct ts_plan_lengths {
	TS_VEC(size_t) answers; /* tokens of each sampled one, as planned */
	size_t ended;           /* of them: seen to their end */
	double at_least;        /* mean of what was seen */
};

/* Bytes. */
struct ts_plan_memory {
	size_t base; /* program, libraries, data, and what grows while a stage runs */
	size_t weights, adapter, kv, activations, logits, optimiser;
	size_t peak;                                  /* of all together, or while a model is read if that is more */
	size_t least;                                 /* with the smallest batch, chunk, cache and pass: the smallest bound that would do */
	size_t batch, chunk, pages;                   /* sampling and judging: what fits */
	size_t kept_layers, kept_attention, max_rows; /* training: what fits */
};

struct ts_plan_stage {
	const char *name;
	enum ts_plan_kind kind;
	enum ts_plan_list list;
	bool adapter;
	bool refusals;                /* judged by the refusal judge */
	size_t all, left;             /* prompts, cases, steps: of a whole run, and not in the journal yet */
	size_t parts;                 /* of the cases that are left: a response's thinking or its answer alone */
	size_t done;                  /* training: steps that are in the journal; SIZE_MAX = the adapter is there */
	TS_VEC(size_t) prompts;       /* [left] sampling: tokens of each prompt */
	TS_VEC(size_t) shared;        /* [left] of them: in common with an earlier one, computed once */
	TS_VEC(size_t) limits;        /* [left] most new tokens of each one's answer */
	double tokens_in, tokens_out; /* of what is left; training: tokens and targets */
	double seconds;               /* of what is left; NaN = not measured */
	size_t disk;                  /* bytes that what is left adds to the run's folder */
	struct ts_plan_memory memory;
};

/* An evaluation set as it will be sampled. */
struct ts_plan_set {
	const char *name;                        /* the recipe's */
	size_t prompts, samples, max_new_tokens; /* samples of each prompt */
};

/* What was measured. Zero = not. */
struct ts_plan_rates {
	bool measured;
	size_t steps, answers, cases, refusal_cases, train_steps; /* measured on so many */
	struct ts_step_cost step;                                 /* of the student's engine */
	double with_adapter;                                      /* factor of a step with the adapter */
	double case_token, train_token;                           /* seconds for a token of the guard's prompt, of a training step */
	double refusal_token;                                     /* the same of the refusal judge's prompt, its reply included */
	double open_student, open_guard, open_refusal;            /* seconds to make them ready */
	double data, hash, figures; /* seconds for reading the data, hashing the files, computing the figures */
	double commit;              /* seconds of one commit of the journal */
};

struct ts_plan {
	char backend[32];
	size_t threads;
	struct ts_plan_stage stages[TS_PLAN_STAGES]; /* in the order of the run */
	struct ts_plan_lengths lengths[TS_PLAN_LISTS];
	struct ts_plan_rates rates;
	TS_VEC(struct ts_plan_set) sets;
	size_t max_new_tokens, expected;                               /* max_new_tokens: of any answer; expected: 0 = not given */
	double limits[TS_PLAN_LISTS];                                  /* most new tokens of an answer, mean of each list's prompts */
	double kept[2];                                                /* share of benign, harmful rows that are kept; NaN = not judged */
	size_t kept_of[2];                                             /* from so many sampled ones */
	size_t examples;                                               /* to train on, as planned */
	double case_tokens[TS_PLAN_LISTS], example_tokens, text_bytes; /* means: of a guard's prompt, a training example, a token's text */
	double refusal_tokens;                                         /* mean of the refusal judge's prompt */
	size_t adapter_params, state_bytes;

	double seconds;         /* of all stages; NaN = not measured */
	double probe;           /* seconds that measuring took */
	size_t memory, bound;   /* the largest peak; the bound, 0 = none */
	size_t least;           /* smallest bound that would do */
	size_t disk, disk_free; /* what the run's folder will still grow by; free there */
	bool nothing_left;
};

/* The student's part of a step's time that commits of the journal add: one follows every group of writes. */
double ts_plan_with_commits(double seconds, double commit);
/* Mean planned answer of a list. */
double ts_plan_mean_answer(const struct ts_plan *, enum ts_plan_list);
/* Fills tokens, seconds and totals from counts, lengths, rates and memory. */
int ts_plan_compute(struct ts_plan *, size_t epochs, size_t batch);
/* TS_ELIMIT, with the numbers, when the memory bound cannot hold it. A disk that looks too small is no error: what was written stays, and the
 * run goes on when there is room. */
int ts_plan_check(const struct ts_plan *, struct ts_error *err);
void ts_plan_release(struct ts_plan *);

/* The plan of the run in `dir` (whose journal is read if there is one; nothing is made). Measures for about `probe` seconds; 0 = not at all.
 * TS_ESTOPPED when the user asks to stop. The plan is to be released whatever is returned. A plan that does not fit is no error. */
int ts_plan_make(const struct ts_recipe *, const char *dir, const struct ts_run_machine *, double probe, const struct ts_context *,
		 struct ts_plan *, struct ts_error *err);

#endif
