/* What the files of the pipeline share: one run under way. */
#ifndef TS_RUN_INTERNAL_H
#define TS_RUN_INTERNAL_H

#include "eval/benchmark.h"
#include "eval/grade.h"
#include "generate/local.h"
#include "generate/prompt.h"
#include "guard/keywords.h"
#include "guard/llama_guard.h"
#include "guard/wildguard.h"
#include "method/label.h"
#include "method/method.h"
#include "run/judge_stage.h"
#include "run/run.h"
#include "run/sample_stage.h"
#include "store/store.h"
#include "train/trainer.h"

/* A training prompt and what became of it. */
struct ts_train_row {
	const char *instruction;
	size_t source, number; /* where it stands: index into ts_run.prompt_files, row from 1 */
	size_t label;          /* index into ts_run.labels */
	bool harmful;
	bool broken_prefix;      /* kept, but training leaves it out */
	bool duplicate;          /* rendered text equals an earlier row's: dropped and counted */
	struct ts_prompt *tries; /* [recipe tries] steered as the method says */
	int accepted;            /* try that was kept, -1 = none */
	/* Of the last try looked at. TS_REFUSED, TS_COMPLIED: dropped by the phrases, a benign row and a harmful one. */
	enum { TS_KEPT, TS_NO_THINKING, TS_JUDGED_UNSAFE, TS_REFUSED, TS_COMPLIED, TS_NOT_JUDGED } fate;
};

/* Counts per label of the prompt set. */
struct ts_label_count {
	const char *label;
	bool harmful;
	size_t of, kept, no_thinking, unsafe, refused, complied, unjudged, duplicates, broken_prefix;
};

struct ts_run_eval {
	const struct ts_recipe_eval *recipe;
	enum ts_eval_kind kind;
	/* Of a reasoning set: the recipe's words, or its format's. */
	enum ts_dataset dataset;
	enum ts_grader grader;
	size_t samples; /* of each prompt; set.items has one each, those of a prompt together */
	struct ts_eval_set set;
	struct ts_prompt *prompts; /* [set.items.len] */
	size_t overlap;            /* rows whose prompt is trained on as well: overlap.h */
};

/* Another run whose responses are used again; empty where there is none, or where all was copied already. */
struct ts_run_source {
	const char *door, *name, *dir; /* "before" or "from"; the run as it was named, and its folder */
	struct ts_store *store;
	struct ts_recipe recipe;
	bool has_recipe;
};

/* Who decides. The value is the judge's name in the journal; NULL: nobody, everything is kept. */
#define TS_JUDGE_GUARD     "llama_guard"
#define TS_JUDGE_WILDGUARD "wildguard"         /* as the guard: is the response harmful? */
#define TS_JUDGE_REFUSAL   "wildguard refusal" /* as the refusal judge: is it a refusal? */
#define TS_JUDGE_KEYWORDS  "keywords"

struct ts_run {
	const struct ts_recipe *recipe;
	const struct ts_run_machine *machine;
	const struct ts_context *context;
	const char *dir; /* NULL: evaluation in memory */
	struct ts_store *store;
	int lock;
	int64_t moment; /* of the first start, in seconds since 1970: what strftime_now shows to templates, in UTC */

	struct ts_backend *backend;
	struct ts_chat *chat; /* the student's */
	size_t positions;     /* the student's context, 0 = not read yet */
	double began;         /* ts_clock() of the start */
	size_t base;          /* bytes in memory when all data was there and no model yet */
	json_t *notes;        /* of identity.c: what is new to the journal, written when all is checked */
	bool wildguard;       /* the guard is one, by its make */
	/* The one resident model: student, guard or refusal judge. */
	struct ts_chat *guard_chat;
	struct ts_model *model;
	struct ts_adapter *adapter;
	struct ts_responder *responder;
	struct ts_guard *guard;
	char adapter_dir[4096];                                     /* of the adapter to open the student with; "" = none */
	bool student_announced, guard_announced, refusal_announced; /* their end-of-turn tokens were said */

	TS_VEC(struct ts_prompt_file) prompt_files; /* of the training prompts, as the recipe lists them */
	struct ts_label_rule label_rule;
	TS_VEC(struct ts_train_row) train;
	TS_VEC(struct ts_label_count) labels;
	struct ts_prompt *alpha; /* plain samples of harmful prompts */
	size_t *alpha_rows;      /* [alpha_count] their rows in train */
	size_t alpha_count;
	TS_VEC(struct ts_run_eval) evals;
	struct ts_run_source source;
	struct ts_keywords *phrases;
	struct ts_guard *phrase_guard; /* the phrases as a judge, opened when needed */

	/* of training */
	size_t examples, steps, target_tokens, new_steps, new_targets;
};

/* setup.c: data and prompts. */
int ts_run_load_evals(struct ts_run *, struct ts_error *err);
int ts_run_load_training(struct ts_run *, struct ts_error *err);
/* Most tokens of the response to a prompt. */
size_t ts_run_new_tokens(const struct ts_run *, const struct ts_prompt *);
void ts_run_release_data(struct ts_run *);

/* resident.c: the one resident model. */
int ts_run_open_backend(struct ts_run *, struct ts_error *err);
int ts_run_open_student(void *run, size_t max_length, struct ts_responder **, struct ts_error *err);
int ts_run_open_guard(struct ts_run *, const char *judge, struct ts_guard **, struct ts_error *err); /* one that is a model */
int ts_run_open_phrases(struct ts_run *, struct ts_guard **, struct ts_error *err); /* leaves the resident model where it is */
int ts_run_open_model(struct ts_run *, const char *dir, struct ts_error *err);      /* weights alone, for training */
void ts_run_close_resident(struct ts_run *);
int ts_run_open_engine(struct ts_run *, size_t max_length, struct ts_error *err); /* for the model and adapter that are there */
void ts_run_close_engine(struct ts_run *);
/* Of a memory bound: what all but an engine or a training pass has, and may still grow by. */
size_t ts_run_used(const struct ts_run *);
size_t ts_run_guard_length(const struct ts_model_config *, const char *judge); /* most tokens that a guard is shown, with its reply */

/* stages.c */
int ts_run_sample_evals(struct ts_run *, const char *stage, struct ts_error *err);
int ts_run_generate(struct ts_run *, struct ts_error *err); /* samples, verdicts and fates of the training prompts; alpha */
int ts_run_train(struct ts_run *, struct ts_error *err);    /* train.jsonl, checkpoints, adapter */
struct ts_train_options ts_run_train_options(const struct ts_run *, const char *checkpoints, const char *identity);
int ts_run_adapter_config(const struct ts_recipe *, struct ts_adapter_config *, struct ts_error *err);
/* Writes the hashes of the finished adapter into the journal: it is this run's from now on. */
int ts_run_note_trained(struct ts_run *, const char *adapter_dir, struct ts_error *err);
int ts_run_fate(const char *verdict, bool harmful); /* what a verdict makes of a training row: TS_KEPT, ... */

/* judges.c */
/* What the judges' checkpoints are; first of all. TS_EMISMATCH: a refusal judge that cannot be one. */
int ts_run_find_judges(struct ts_run *, struct ts_error *err);
/* The judge that filters training responses, that of safety sets, that of over-refusal sets: TS_JUDGE_..., or NULL. */
const char *ts_run_filter_judge(const struct ts_run *);
const char *ts_run_safety_judge(const struct ts_run *);
const char *ts_run_refusal_judge(const struct ts_run *);
bool ts_run_is_model(const char *judge);
const char *ts_run_judge_path(const struct ts_run *, const char *judge); /* of one that is a model */
/* Whether thinking and answer of safety sets are judged apart too. */
bool ts_run_judges_apart(const struct ts_run *);
/* The cases that have no verdict yet; nothing without a judge. */
int ts_run_judge(struct ts_run *, const char *judge, const char *title, const struct ts_judge_case *, size_t n, struct ts_error *err);
int ts_run_judge_evals(struct ts_run *, const char *stage, struct ts_error *err);

/* index.c: which samples are whose, and what became of them, into the journal. */
int ts_run_index(struct ts_run *, struct ts_error *err);

/* metrics.c */
/* What the evaluation counts (unsafe, refused, right): hit or not, for one sample. `grade` starts zeroed; a reasoning set fills it, to be
 * released. */
int ts_run_judge_one(struct ts_run *, const struct ts_run_eval *, size_t i, const char *stage, const struct ts_sample *, uint8_t *hit,
		     bool *unjudged, struct ts_grade *grade, struct ts_error *err);
int ts_run_metrics(struct ts_run *, json_t **metrics, struct ts_error *err);
int ts_run_eval_metrics(struct ts_run *, bool with_after, json_t **evals, struct ts_error *err);

/* timing.c: what the stages took, kept in the journal as sums over all starts of the run. */
struct ts_run_work {
	double seconds;
	uint64_t items;  /* responses, verdicts, steps: done in these seconds */
	uint64_t tokens; /* generated, judged, predicted in training: in these seconds */
	uint64_t of;     /* items of the whole stage, with those whose seconds were lost with a start that was killed; 0 = items */
};
#define TS_TIMING_SETUP   "set up"
#define TS_TIMING_LOAD    "load models"
#define TS_TIMING_FIGURES "figures"
int ts_run_add_timing(struct ts_run *, const char *stage, const struct ts_run_work *, struct ts_error *err);
/* So many items of "evaluate before", ... came from another run; `what` is the first word. */
int ts_run_note_taken(struct ts_run *, const char *what, const char *stage, uint64_t items, struct ts_error *err);
/* Notes that opening a model began at `started`: that is no stage's own time. Returns status, or what failed in noting. */
int ts_run_note_load(struct ts_run *, double started, int status, struct ts_error *err);
int ts_run_timing(struct ts_run *, json_t **timing, struct ts_error *err); /* timing.json */

/* metrics_samples.c: what several samples of a prompt change in metrics.json. */
#define TS_RUN_CONFIDENCE 0.95
#define TS_RUN_POWER      0.8
struct ts_run_hits {
	uint8_t *hit;     /* [set.items.len] the event the set counts: unsafe, refused, right */
	uint8_t *missing; /* [set.items.len] could not be judged: in no share */
};
/* share, se, low, high from the clusters, and pass[] of a reasoning set: k, share, se, low, high. */
int ts_run_put_samples(const struct ts_run_eval *, const struct ts_run_hits *, json_t *side, struct ts_error *err);
/* se, p_student and detectable over the clusters, the latter by a test with that many sets; p_mcnemar becomes null. */
int ts_run_put_sample_difference(const struct ts_run_eval *, const struct ts_run_hits *before, const struct ts_run_hits *after, size_t sets,
				 json_t *difference, struct ts_error *err);

/* metrics_judges.c: adds "apart" (thinking and answer) and "wildguard" (its three lines) to a set's entry, where they were judged. */
int ts_run_judging_metrics(struct ts_run *, const struct ts_run_eval *, bool with_after, json_t *entry, struct ts_error *err);

/* graders.c: forgets what another version of the graders said: it is graded again. */
int ts_run_begin_grading(struct ts_run *, struct ts_error *err);
/* What both graders say of one side of a reasoning set. */
struct ts_run_grades {
	size_t right[2]; /* by enum ts_grader */
	size_t disagreements;
	json_t *list; /* the entries of "disagreements" go here; the caller's */
};
int ts_run_count_grade(struct ts_run_grades *, const struct ts_run_eval *, size_t i, const char *stage, const struct ts_grade *,
		       struct ts_error *err);
/* graders[stage] = {strict, paper, disagreements} */
int ts_run_put_grades(const struct ts_run_grades *, const char *stage, json_t *graders, struct ts_error *err);

/* identity.c: what a directory's samples belong to. TS_EMISMATCH names what is not the same; what is new to the journal is noted, and
 * written down by ts_run_write_identity. The moment is found first, since prompts may show it. */
int ts_run_find_moment(struct ts_run *, struct ts_error *err);
int ts_run_check_identity(struct ts_run *, struct ts_error *err);
int ts_run_write_identity(struct ts_run *, struct ts_error *err);
/* `use`: what the directory is for. Writes as well. */
#define TS_RUN_USE_FROM "another run's responses"
int ts_run_check_eval_identity(struct ts_run *, const char *use, const char *adapter_dir, struct ts_error *err);

/* The name under which the journal has the hash of a set's file. */
void ts_run_set_identity(const struct ts_run_eval *, char name[160]);

/* reuse.c: r->source. Opened before the prompts are made, since templates may show the other run's moment; checked when this run's identity
 * is known: TS_EMISMATCH names what is not the same, with what was expected and found. `adapter`: that has to be the same too. */
int ts_run_open_source(struct ts_run *, const char *door, const char *name, const char *dir, struct ts_error *err);
int ts_run_check_source(struct ts_run *, bool adapter, struct ts_error *err);
/* Samples of this run's prompts that are there, of how many. */
int ts_run_count_source(struct ts_run *, const char *stage, size_t *there, size_t *of, struct ts_error *err);
/* Whether a sample, or a verdict of it by a judge who is the same, would be taken over. */
int ts_run_source_has(struct ts_run *, const char *stage, const char *key, const char *judge, bool *found, struct ts_error *err);
/* Into this run's journal; ts_run_end_source writes down that this is done. */
int ts_run_copy_source(struct ts_run *, const char *stage, struct ts_error *err);
int ts_run_end_source(struct ts_run *, struct ts_error *err);
void ts_run_close_source(struct ts_run *);

/* planner.c: the plan of what is left, measured for about `probe` seconds (0 = not at all; a probe of a run that is about to begin takes no
 * more than its share of it). Models are closed afterwards. */
struct ts_plan;
int ts_run_plan(struct ts_run *, double probe, bool begins, struct ts_plan *, struct ts_error *err);
/* probe.c: fills lengths, shares and rates. `share` of the forecast is the most that it may take; 0 = all of `seconds`. */
int ts_run_probe(struct ts_run *, struct ts_plan *, double seconds, double share, struct ts_error *err);

/* run.c: chat, phrases, data; everything that a run holds, closed. */
int ts_run_load(struct ts_run *, struct ts_error *err);
void ts_run_release(struct ts_run *);

/* run.c: "dir/name" into path[4096]. */
int ts_run_path(const struct ts_run *, const char *name, char path[4096], struct ts_error *err);

#endif
