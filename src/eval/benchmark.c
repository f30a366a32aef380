#include "eval/benchmark.h"

#include "core/map.h"

#include <string.h>

static const char *const kinds[] = {"safety", "over_refusal", "reasoning"};

int ts_eval_kind_parse(const char *word, enum ts_eval_kind *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i], word)) {
			*kind = (enum ts_eval_kind)i;
			return 0;
		}
	return TS_ENOTFOUND;
}

const char *ts_eval_kind_name(enum ts_eval_kind kind)
{
	return kinds[kind];
}

static int add_item(struct ts_eval_set *set, struct ts_map *pairs, const struct ts_prompt_row *row, enum ts_eval_kind kind,
		    const char *path, struct ts_error *err)
{
	struct ts_eval_item item = {.instruction = row->instruction, .answer = row->answer};
	const char *column = set->file.format->answer;
	if (kind == TS_EVAL_REASONING && !column)
		return ts_fail(err, TS_EINVAL, "%s: format %s has no answers; a reasoning set needs them", path, set->file.format->name);
	if (kind == TS_EVAL_REASONING && !item.answer)
		return ts_fail(err, TS_EFORMAT, "%s: row %zu: \"%s\" is missing; a reasoning set needs it", path, row->number, column);
	int64_t *known = row->pair ? ts_map_get(pairs, row->pair, strlen(row->pair)) : NULL;
	item.cluster = known ? (size_t)*known : set->clusters++;
	if (row->pair && !known && ts_map_put(pairs, row->pair, strlen(row->pair), (int64_t)item.cluster))
		return ts_fail_memory(err);
	return ts_vec_push(&set->items, item) ? ts_fail_memory(err) : 0;
}

int ts_eval_set_load(struct ts_eval_set *set, const char *path, enum ts_eval_kind kind, const struct ts_prompt_choice *choice,
		     const struct ts_context *context, struct ts_error *err)
{
	struct ts_map pairs = {0};
	*set = (struct ts_eval_set){0};
	int status = ts_prompt_file_load(&set->file, path, choice, context, err);
	for (size_t i = 0; i < set->file.list.len && !status; i++)
		status = add_item(set, &pairs, &set->file.list.data[i], kind, path, err);
	ts_map_release(&pairs);
	if (status)
		ts_eval_set_release(set);
	return status;
}

int ts_eval_set_repeat(struct ts_eval_set *set, size_t samples, struct ts_error *err)
{
	size_t rows = set->items.len, all;
	if (!ts_mul_size(rows, samples, &all) || ts_vec_reserve(&set->items, all))
		return ts_fail_memory(err);
	set->items.len = all;
	for (size_t i = all; i-- > 0;) /* backwards, since a row goes to its own place or behind it */
		set->items.data[i] = set->items.data[i / samples];
	return 0;
}

void ts_eval_set_release(struct ts_eval_set *set)
{
	ts_prompt_file_release(&set->file);
	ts_vec_release(&set->items);
	*set = (struct ts_eval_set){0};
}
