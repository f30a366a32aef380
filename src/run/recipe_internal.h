/* Shared by recipe.c (the table and its values), recipe_yaml.c (reading) and recipe_text.c (writing, comparing). */
#ifndef TS_RUN_RECIPE_INTERNAL_H
#define TS_RUN_RECIPE_INTERNAL_H

#include "run/recipe.h"

enum recipe_kind {
	RECIPE_TEXT,    /* const char *; any text */
	RECIPE_WORD,    /* const char *; one of words */
	RECIPE_FLAG,    /* bool; words[1] = true, words[0] = false */
	RECIPE_DTYPE,   /* enum ts_dtype; words in the order of recipe_dtypes */
	RECIPE_PATH,    /* struct ts_recipe_path; a file */
	RECIPE_SOURCE,  /* struct ts_recipe_path; a file, a word or a hub id */
	RECIPE_SIZE,    /* size_t, low..high */
	RECIPE_SEED,    /* uint64_t */
	RECIPE_REAL,    /* double, low..high; open_low: low itself is out; open_high likewise */
	RECIPE_TARGETS, /* lora.targets */
	RECIPE_EVALS,   /* evals */
};

struct recipe_key {
	const char *name; /* "train.lr" */
	enum recipe_kind kind;
	size_t offset; /* in struct ts_recipe, or struct ts_recipe_eval */
	const char *const *words;
	double low, high;
	bool open_low, open_high;
	bool no_result; /* changes no result: not in hash and comparison */
	bool required;  /* of an eval */
};

enum { RECIPE_KEYS = 37, RECIPE_EVAL_KEYS = 6 };
extern const struct recipe_key recipe_keys[RECIPE_KEYS];
extern const struct recipe_key recipe_eval_keys[RECIPE_EVAL_KEYS];
extern const enum ts_dtype recipe_dtypes[2];
extern const char *const recipe_targets[TS_RECIPE_TARGETS + 1];

/* Set one scalar of `base` (a recipe or an eval) from its text. The message names the key and the value, not the file. */
int recipe_apply(struct ts_arena *memory, void *base, const struct recipe_key *, const char *dir, const char *text, struct ts_error *err);
int recipe_add_target(struct ts_recipe *, const char *name, struct ts_error *err);
/* recipe_words.c: what libcyaml said, in words, perhaps in the buffer; *line = the line that the words are about, 0 = where libcyaml says. */
const char *recipe_words(const char *said, const char *text, size_t n, int *line, char buffer[128]);
/* Names given once, required keys there. */
int recipe_check_evals(const struct ts_recipe *, struct ts_error *err);

#endif
