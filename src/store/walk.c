/* Tables read from end to end, for reports, and the one that is written as a whole. A callback gets SQLite's own memory, which lives until
 * the next step of the walk: nothing is copied. */
#include "store/internal.h"

#include <string.h>

/* A text of the row, NULL for SQL's NULL. Memory that ran out looks the same, but the column's type tells. */
static int column_text(sqlite3_stmt *q, int at, const char **out, struct ts_error *err)
{
	*out = (const char *)sqlite3_column_text(q, at);
	return *out || sqlite3_column_type(q, at) == SQLITE_NULL ? 0 : ts_fail_memory(err);
}

/* Steps through a bound query; `row` handles each. */
static int walk(struct ts_store *s, sqlite3_stmt *q, int bound, int (*row)(void *user, sqlite3_stmt *, struct ts_error *err), void *user,
		struct ts_error *err)
{
	for (;;) {
		bool found;
		TS_TRY(store_next(s, q, bound, &found, err));
		if (!found)
			return 0;
		int status = row(user, q, err);
		if (status) {
			store_done(q);
			return status;
		}
	}
}

struct meta_walk {
	int (*each)(void *user, const char *name, const char *text, struct ts_error *err);
	void *user;
};

static int meta_row(void *user, sqlite3_stmt *q, struct ts_error *err)
{
	struct meta_walk *w = user;
	const char *name, *text;
	TS_TRY(column_text(q, 0, &name, err));
	TS_TRY(column_text(q, 1, &text, err));
	return w->each(w->user, name, text, err);
}

int ts_store_each_meta(struct ts_store *s, int (*each)(void *user, const char *name, const char *text, struct ts_error *err), void *user,
		       struct ts_error *err)
{
	struct meta_walk w = {each, user};
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_EACH_META, &q, err));
	return walk(s, q, 0, meta_row, &w, err);
}

struct verdict_walk {
	int (*each)(void *user, const char *judge, const struct ts_verdict *, struct ts_error *err);
	void *user;
};

static int verdict_row(void *user, sqlite3_stmt *q, struct ts_error *err)
{
	struct verdict_walk *w = user;
	struct ts_verdict v = {.probability = store_column_real(q, 1)};
	const char *judge;
	TS_TRY(column_text(q, 0, &v.verdict, err));
	TS_TRY(column_text(q, 2, &v.detail, err));
	TS_TRY(column_text(q, 3, &judge, err));
	return w->each(w->user, judge, &v, err);
}

int ts_store_each_verdict(struct ts_store *s, const char *stage, const char *key,
			  int (*each)(void *user, const char *judge, const struct ts_verdict *, struct ts_error *err), void *user,
			  struct ts_error *err)
{
	struct verdict_walk w = {each, user};
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_EACH_VERDICT, &q, err));
	return walk(s, q, store_bind_text(q, 1, stage) | store_bind_text(q, 2, key), verdict_row, &w, err);
}

/* --- prompts --- */

/* The texts of a row in the order of the table's columns. */
#define PROMPT_TEXTS(row)                                                                                                                  \
	{                                                                                                                                  \
		{1, &(row)->set}, {2, &(row)->kind}, {4, &(row)->prompt}, {5, &(row)->label}, {6, &(row)->gold}, {7, &(row)->keys},        \
			{8, &(row)->plain_key}, {9, &(row)->outcome[0]}, {10, &(row)->outcome[1]}, {11, &(row)->extracted[0]},             \
		{                                                                                                                          \
			12, &(row)->extracted[1]                                                                                           \
		}                                                                                                                          \
	}

static int put_prompt(struct ts_store *s, const struct ts_indexed_prompt *row, struct ts_error *err)
{
	const struct {
		int column;
		const char *const *text;
	} texts[] = PROMPT_TEXTS(row);
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_PUT_PROMPT, &q, err));
	int bound = sqlite3_bind_int64(q, 3, row->number) | sqlite3_bind_int64(q, 13, row->cluster) |
		    sqlite3_bind_int64(q, 14, row->accepted) | sqlite3_bind_int(q, 15, row->harmful);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bound |= store_bind_text(q, texts[i].column, *texts[i].text);
	return store_write(s, q, bound, NULL, err);
}

int ts_store_replace_prompts(struct ts_store *s, const struct ts_indexed_prompt *rows, size_t n, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(ts_store_flush(s, err));
	TS_TRY(store_query(s, STORE_CLEAR_PROMPTS, &q, err));
	s->whole = true;
	int status = store_write(s, q, 0, NULL, err);
	for (size_t i = 0; i < n && !status; i++)
		status = put_prompt(s, &rows[i], err);
	s->whole = false;
	if (status) /* SQLite's failures undid it already; a statement that could not be made did not */
		store_undo(s);
	return status ? status : ts_store_flush(s, err);
}

struct prompt_walk {
	int (*each)(void *user, const struct ts_indexed_prompt *, struct ts_error *err);
	void *user;
};

static int prompt_row(void *user, sqlite3_stmt *q, struct ts_error *err)
{
	struct prompt_walk *w = user;
	struct ts_indexed_prompt row = {.number = sqlite3_column_int64(q, 2),
					.cluster = sqlite3_column_int64(q, 12),
					.accepted = sqlite3_column_int64(q, 13),
					.harmful = sqlite3_column_int(q, 14)};
	const struct {
		int column;
		const char **text;
	} texts[] = PROMPT_TEXTS(&row);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		TS_TRY(column_text(q, texts[i].column - 1, texts[i].text, err));
	return w->each(w->user, &row, err);
}

int ts_store_each_prompt(struct ts_store *s, int (*each)(void *user, const struct ts_indexed_prompt *, struct ts_error *err), void *user,
			 struct ts_error *err)
{
	struct prompt_walk w = {each, user};
	sqlite3_stmt *q;
	if (s->version < 2)
		return 0;
	TS_TRY(store_query(s, STORE_EACH_PROMPT, &q, err));
	return walk(s, q, 0, prompt_row, &w, err);
}
