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
	RECIPE_PROMPTS, /* train_prompts: a file, or a list of entries */
	RECIPE_FILE,    /* struct ts_recipe_path; a file of prompts, found in `data` where that is given */
	RECIPE_FOLDER,  /* struct ts_recipe_path; `data` */
	RECIPE_FORMAT,  /* const char *; a name of eval/format.h */
};

struct recipe_key {
	const char *name; /* "train.lr" */
	enum recipe_kind kind;
	size_t offset; /* in struct ts_recipe, or in an entry of its lists */
	const char *const *words;
	double low, high;
	bool open_low, open_high;
	bool no_result; /* changes no result: not in hash and comparison */
	bool required;  /* of an entry */
	size_t said;    /* offset of a bool in struct ts_recipe that becomes true with a value; 0 = none */
	size_t same_as; /* of an entry: offset of a size_t in struct ts_recipe; a value equal to it is left out of the hash; 0 = none */
};

enum { RECIPE_KEYS = 41, RECIPE_EVAL_KEYS = 13, RECIPE_PROMPT_KEYS = 9, RECIPE_ENTRY_KEYS = 13 /* the most of them */ };
extern const struct recipe_key recipe_keys[RECIPE_KEYS];

/* A key that holds a list of entries. */
struct recipe_list {
	const char *name; /* the key's */
	const struct recipe_key *keys;
	int key_count;
	size_t size;         /* of an entry */
	size_t at, count_at; /* of the entries' pointer and number in struct ts_recipe */
	size_t rows;         /* of an entry's struct ts_recipe_rows */
	size_t least;
};
extern const struct recipe_list recipe_evals, recipe_prompts;
/* The list of a key; NULL when its kind holds none. */
const struct recipe_list *recipe_list_of(const struct recipe_key *);
/* The i-th entry. */
void *recipe_entry(const struct ts_recipe *, const struct recipe_list *, size_t i);
/* The same to be read: of an evaluation a copy in `whole`, with nothing left unsaid. */
const void *recipe_whole_entry(const struct ts_recipe *, const struct recipe_list *, size_t i, struct ts_recipe_eval *whole);
size_t recipe_entry_count(const struct ts_recipe *, const struct recipe_list *);
/* Makes `count` empty entries; the old ones stay in the recipe's memory. */
int recipe_make_entries(struct ts_recipe *, const struct recipe_list *, size_t count, struct ts_error *err);

extern const enum ts_dtype recipe_dtypes[2];
extern const char *const recipe_targets[TS_RECIPE_TARGETS + 1];

/* Set one scalar of `base` (a recipe or an entry) from its text. The message names the key and the value, not the file. */
int recipe_apply(struct ts_arena *memory, void *base, const struct recipe_key *, const char *dir, const char *text, struct ts_error *err);
int recipe_add_target(struct ts_recipe *, const char *name, struct ts_error *err);
/* recipe_words.c: what libcyaml said, in words, perhaps in the buffer; *line = the line that the words are about, 0 = where libcyaml says. */
const char *recipe_words(const char *said, const char *text, size_t n, int *line, char buffer[128]);
/* Required keys there, names given once. */
int recipe_check_entries(const struct ts_recipe *, const struct recipe_list *, struct ts_error *err);
/* An entry whose `shuffle` was not given: a part of a file is drawn, a whole file stays as it stands. */
void recipe_default_order(const struct ts_recipe *, const struct recipe_list *, size_t i);
/* train_prompts as one path. */
int recipe_set_prompts(struct ts_recipe *, const char *dir, const char *path, struct ts_error *err);
/* Whether train_prompts is one file with nothing else said of it, and so printed as its path. */
bool recipe_one_file(const struct ts_recipe *);
/* The folder in which files of prompts are looked for: `data`, else `dir`. */
const char *recipe_data_dir(const struct ts_recipe *, const char *dir);
/* After `data` came from a flag: all relative files of prompts are in it now. */
int recipe_move_files(struct ts_recipe *, struct ts_error *err);

#endif
