/* An evaluation set: prompts of one kind with what grading needs. Files are rows in the public format (JSON array or JSON Lines):
 * "instruction", and where there is one "answer", "split", "pair" (rows of one pair are one cluster for the bootstrap). */
#ifndef TS_EVAL_BENCHMARK_H
#define TS_EVAL_BENCHMARK_H

#include "core/json.h"
#include "core/mem.h"

enum ts_eval_kind { TS_EVAL_SAFETY, TS_EVAL_OVER_REFUSAL, TS_EVAL_REASONING };

/* "safety", "over_refusal", "reasoning"; TS_ENOTFOUND for another word. */
int ts_eval_kind_parse(const char *word, enum ts_eval_kind *);
const char *ts_eval_kind_name(enum ts_eval_kind);

struct ts_eval_item {
	const char *instruction;
	const char *answer; /* NULL when the row has none */
	size_t cluster;     /* index of its pair; a row without "pair" is its own */
};

struct ts_eval_set {
	json_t *rows; /* owns the texts */
	TS_VEC(struct ts_eval_item) items;
	size_t clusters;
};

/* Rows of `split` (NULL = all), at most `limit` (0 = all), in the order of the file. An empty set is an error. */
int ts_eval_set_load(struct ts_eval_set *, const char *path, enum ts_eval_kind, const char *split, size_t limit, struct ts_error *err);
void ts_eval_set_release(struct ts_eval_set *);

#endif
