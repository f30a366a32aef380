#include "eval/benchmark.h"

#include "core/map.h"

#include <stdio.h>
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

static int add_item(struct ts_eval_set *set, struct ts_map *pairs, const json_t *row, enum ts_eval_kind kind, const char *place,
		    struct ts_error *err)
{
	struct ts_eval_item item = {0};
	const char *pair;
	TS_TRY(ts_json_need_text(row, "instruction", &item.instruction, place, err));
	TS_TRY(ts_json_text(row, "answer", &item.answer, place, err));
	TS_TRY(ts_json_text(row, "pair", &pair, place, err));
	if (kind == TS_EVAL_REASONING && !item.answer)
		return ts_fail(err, TS_EFORMAT, "%s: \"answer\" is missing; a reasoning set needs it", place);
	int64_t *known = pair ? ts_map_get(pairs, pair, strlen(pair)) : NULL;
	item.cluster = known ? (size_t)*known : set->clusters++;
	if (pair && !known && ts_map_put(pairs, pair, strlen(pair), (int64_t)item.cluster))
		return ts_fail_memory(err);
	return ts_vec_push(&set->items, item) ? ts_fail_memory(err) : 0;
}

int ts_eval_set_load(struct ts_eval_set *set, const char *path, enum ts_eval_kind kind, const char *split, size_t limit,
		     struct ts_error *err)
{
	*set = (struct ts_eval_set){0};
	struct ts_map pairs = {0};
	size_t i;
	const json_t *row;
	int status = ts_rows_load(path, &set->rows, err);
	json_array_foreach (set->rows, i, row) {
		char place[512];
		const char *row_split;
		if (status || (limit && set->items.len >= limit))
			break;
		snprintf(place, sizeof(place), "%s: row %zu", path, i + 1);
		status = ts_json_text(row, "split", &row_split, place, err);
		if (!status && (!split || (row_split && !strcmp(split, row_split))))
			status = add_item(set, &pairs, row, kind, place, err);
	}
	if (!status && !set->items.len)
		status = ts_fail(err, TS_EFORMAT, "%s: no row%s%s%s; expected at least one", path, split ? " of split \"" : "",
				 split ? split : "", split ? "\"" : "");
	ts_map_release(&pairs);
	if (status)
		ts_eval_set_release(set);
	return status;
}

void ts_eval_set_release(struct ts_eval_set *set)
{
	json_decref(set->rows);
	ts_vec_release(&set->items);
	*set = (struct ts_eval_set){0};
}
