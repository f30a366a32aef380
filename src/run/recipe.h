/* The recipe of a run: every choice that a result depends on, from a YAML file, with the method's settings as defaults.
 *
 * One table (recipe.c) holds each key's name, kind and range; file, flags, printing, hash and comparison all read it.
 * All strings live in the recipe's own memory (or are constants) until ts_recipe_release.
 *
 * Paths. A recipe keeps both the text as written and the path to open. In a file a path is relative to the file's own folder; from a
 * flag it is relative to where the program runs. model, guard, refusal_judge may also be a word or a hub id: what is not found beside
 * the recipe is left as written. Hash and comparison use the text, so a folder may be moved. With `data`, relative files of prompts
 * (train_prompts, evals) are looked for in that folder instead, wherever they were named.
 *
 * Errors: TS_EFORMAT (not YAML, unknown key, wrong type) and TS_EINVAL (out of range) name file, line and key; with
 * ts_recipe_set, key and value.
 *
 *     struct ts_recipe r;
 *     TS_TRY(ts_recipe_load(&r, "recipe.yaml", err));         (releases by itself when it fails)
 *     TS_GOTO(ts_recipe_set(&r, "train.lr", "1e-4", err));
 *     TS_GOTO(ts_recipe_check(&r, err));
 *     ...
 *     ts_recipe_release(&r);                                            */
#ifndef TS_RUN_RECIPE_H
#define TS_RUN_RECIPE_H

#include "core/json.h"
#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"
#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

enum { TS_RECIPE_TARGETS = 7 };

struct ts_recipe_path {
	const char *text; /* as written; NULL = not given */
	const char *path; /* to open */
};

/* Which prompts of a file: eval/prompt_file.h says in which order these choose. */
struct ts_recipe_rows {
	struct ts_recipe_path file;
	const char *format;          /* of eval/format.h; NULL = recognised from the content */
	const char *prompt, *answer; /* columns of a file of no known format; NULL = not named */
	const char *split;           /* NULL = all rows */
	bool shuffle;                /* in an order drawn from the seed, before skip and limit; not said: true where one of them is not 0 */
	size_t skip, limit;          /* limit 0 = all rows */
};

struct ts_recipe_eval {
	const char *name; /* each once */
	struct ts_recipe_rows rows;
	const char *kind;   /* "safety", "over_refusal", "reasoning" */
	const char *grader; /* words of ts_grader_parse; NULL = the format's, strict */
	/* Responses to a prompt, and most tokens of each; 0 = not said: see ts_recipe_eval_whole. */
	size_t samples, max_new_tokens;
};

struct ts_recipe_prompts {
	struct ts_recipe_rows rows;
	const char *label; /* prompt_label of all of them; NULL = the row's or the format's */
};

struct ts_recipe {
	const char *name; /* of the run's folder; a file's default is its own name without ".yaml". Changes no result. */
	struct ts_recipe_path model, guard, refusal_judge; /* the latter two may be the word "keywords" (guard/keywords.h) */
	const char *method;                                /* a row of the table of methods */
	struct ts_recipe_path data;                        /* folder of relative prompt files; no text = none. Changes no result. */
	struct ts_recipe_prompts *prompts;                 /* train_prompts: one file, or a list of them */
	size_t prompt_count;
	const char *harmful_labels, *benign_labels; /* more label words, with commas or spaces between; NULL = none */
	struct ts_recipe_eval *evals;
	size_t eval_count;
	double max_overlap; /* of an evaluation set's rows, the most that may be trained on as well. Changes no result. */
	struct {
		double temperature, top_p; /* 0 = greedy; 1 = off */
		size_t top_k;              /* 0 = off, the default: Qwen3 wants 20, R1-Distill none */
		size_t max_new_tokens, samples;
		bool says_max_new_tokens, says_samples; /* given, and so also of every evaluation set that says nothing else */
	} sampling;                                     /* a training prompt gets one response a try, whatever `samples` is */
	struct {
		const char *text; /* {x} is the prompt */
		size_t tries;     /* responses asked for until one is accepted */
	} steering;
	bool thinking_required; /* "thinking: required" or "none" */
	const char *filter;     /* "guard", "keywords", "none" */
	struct {
		size_t rank;
		double alpha, dropout;
		bool rslora; /* scale = alpha / sqrt(rank) */
		const char *targets[TS_RECIPE_TARGETS];
		size_t target_count;
	} lora;
	struct {
		size_t epochs, batch;
		double lr, warmup;    /* peak; share of the steps */
		const char *schedule; /* "cosine", "linear", "constant" */
		double clip;          /* 0 = off */
		size_t max_length;
		const char *objective; /* "ce", "kl" */
	} train;
	size_t alpha_prompts;
	uint64_t seed;
	const char *numerics;                  /* "f32", "bf16dot" */
	enum ts_dtype kv_dtype;                /* TS_F32, TS_BF16 */
	enum ts_dtype weights;                 /* of quantised tensors of a GGUF file: TS_BF16, TS_F32 */
	struct ts_recipe_path refusal_phrases; /* for the keyword stand-in */
	bool judge_apart;                      /* safety sets: thinking and answer alone too */
	struct ts_recipe_path before;          /* a run whose evaluation "before" is used again. Changes no result. */

	struct ts_arena memory;
};

/* The defaults alone; nothing to release yet. */
void ts_recipe_default(struct ts_recipe *);
/* Defaults, then what the file says. */
int ts_recipe_load(struct ts_recipe *, const char *path, struct ts_error *err);
/* The same from memory: `place` starts the messages, paths are relative to `dir` (NULL = where the program runs). */
int ts_recipe_parse(struct ts_recipe *, const char *text, size_t n, const char *place, const char *dir, struct ts_error *err);
void ts_recipe_release(struct ts_recipe *);

/* One key from a flag: "seed", "train.lr", ...; "lora.targets" takes names with commas between or all-linear, "evals" a YAML or JSON list,
 * "train_prompts" a path or such a list (what begins with a bracket).
 * TS_ENOTFOUND for a key that does not exist. */
int ts_recipe_set(struct ts_recipe *, const char *key, const char *value, struct ts_error *err);
/* At most n prompts of each evaluation: drawn from the seed, or the first ones of a part that stands in the file's order. */
void ts_recipe_limit_evals(struct ts_recipe *, size_t n);
/* The set with its samples and max_new_tokens: its own, else those that `sampling` was given, else method.md's: 8 of at most 32,768 tokens
 * for reasoning, 1 of at most 16,384 for the others. */
struct ts_recipe_eval ts_recipe_eval_whole(const struct ts_recipe *, const struct ts_recipe_eval *);
/* Whether the guard is the phrases of refusal. */
bool ts_recipe_keyword_guard(const struct ts_recipe *);
/* Whether they judge over-refusal: where nobody else is named. */
bool ts_recipe_keyword_refusals(const struct ts_recipe *);
/* Is everything given that a whole run needs? */
int ts_recipe_check(const struct ts_recipe *, struct ts_error *err);

/* The whole recipe with its defaults as YAML, appended. Parsing it gives an equal recipe. */
int ts_recipe_print(const struct ts_recipe *, struct ts_str *out, struct ts_error *err);
/* SHA-256 over every key that changes results, as hex. */
int ts_recipe_hash(const struct ts_recipe *, char hex[65], struct ts_error *err);
/* The first key that changes results and is not the same in both, or NULL. A constant string. */
const char *ts_recipe_difference(const struct ts_recipe *, const struct ts_recipe *);
/* An object with the text of every key that changes results; of a list's entries each key ("evals.1.limit", from 1). The caller's. */
int ts_recipe_settings(const struct ts_recipe *, json_t **settings, struct ts_error *err);
/* The i-th key of the table ("evals" and "lora.targets" among them), or NULL past the last: for flags and help. */
const char *ts_recipe_key(size_t i);

#endif
