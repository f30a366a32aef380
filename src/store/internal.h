/* Shared by store.c (file, transactions, statements), rows.c (what the tables hold) and walk.c (tables read from end to end). */
#ifndef TS_STORE_INTERNAL_H
#define TS_STORE_INTERNAL_H

#include "store/store.h"

#include <sqlite3.h>

enum store_query {
	STORE_PUT_META,
	STORE_GET_META,
	STORE_PUT_RESULT,
	STORE_GET_RESULT,
	STORE_PUT_SAMPLE,
	STORE_GET_SAMPLE,
	STORE_COUNT_SAMPLES,
	STORE_PUT_VERDICT,
	STORE_GET_VERDICT,
	STORE_COUNT_VERDICTS,
	STORE_FORGET_VERDICTS,
	STORE_PUT_STEP,
	STORE_GET_STEPS,
	STORE_TRUNCATE_STEPS,
	STORE_EACH_META,
	STORE_EACH_VERDICT,
	STORE_CLEAR_PROMPTS,
	STORE_PUT_PROMPT,
	STORE_EACH_PROMPT,
	STORE_QUERIES
};

struct ts_store {
	sqlite3 *db;
	char *path;
	int64_t version; /* of the tables found */
	bool read_only;
	bool open;    /* a transaction is */
	bool whole;   /* it must not be committed in parts */
	double began; /* ts_clock() of its begin */
	uint64_t written, durable;
	sqlite3_stmt *queries[STORE_QUERIES]; /* prepared when first used */
};

/* Failure of the last SQLite call, with the path and SQLite's words. */
int store_fail(struct ts_store *, struct ts_error *err);
/* The prepared statement, ready for binding. */
int store_query(struct ts_store *, enum store_query, sqlite3_stmt **out, struct ts_error *err);
/* Run a bound write inside the open transaction (begun if need be). `bound` is the OR of the bind calls' results.
 * *changed (may be NULL): whether a row was touched. */
int store_write(struct ts_store *, sqlite3_stmt *, int bound, bool *changed, struct ts_error *err);
/* One step of a bound read; *row says whether there is one. Without a row, or on failure, the statement is reset. */
int store_next(struct ts_store *, sqlite3_stmt *, int bound, bool *row, struct ts_error *err);
void store_done(sqlite3_stmt *);
/* Ends the open transaction, if any, as if nothing of it had been written. */
void store_undo(struct ts_store *);
/* A text, or SQL's NULL. */
int store_bind_text(sqlite3_stmt *, int at, const char *text);
/* NULL in SQL is NaN. */
double store_column_real(sqlite3_stmt *, int at);

#endif
