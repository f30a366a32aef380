/* An evaluation set: prompts of one kind with what grading needs, from a file of any known format (eval/format.h). */
#ifndef TS_EVAL_BENCHMARK_H
#define TS_EVAL_BENCHMARK_H

#include "eval/prompt_file.h"

enum ts_eval_kind { TS_EVAL_SAFETY, TS_EVAL_OVER_REFUSAL, TS_EVAL_REASONING };

/* "safety", "over_refusal", "reasoning"; TS_ENOTFOUND for another word. */
int ts_eval_kind_parse(const char *word, enum ts_eval_kind *);
const char *ts_eval_kind_name(enum ts_eval_kind);

struct ts_eval_item {
	const char *instruction;
	const char *answer; /* NULL when the row has none */
	size_t cluster;     /* index of its pair; a row without one is its own */
};

struct ts_eval_set {
	struct ts_prompt_file file;        /* owns the texts */
	TS_VEC(struct ts_eval_item) items; /* a row of the file each, or with ts_eval_set_repeat a sample each */
	size_t clusters;
};

/* A reasoning set needs an answer in every row. */
int ts_eval_set_load(struct ts_eval_set *set, const char *path, enum ts_eval_kind, const struct ts_prompt_choice *,
		     const struct ts_context *, struct ts_error *err);
/* Each item `samples` times, one behind another: item i is sample i % samples of row i / samples. */
int ts_eval_set_repeat(struct ts_eval_set *set, size_t samples, struct ts_error *err);
void ts_eval_set_release(struct ts_eval_set *set);

#endif
