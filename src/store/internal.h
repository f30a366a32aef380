/* Shared by store.c (file, transactions, statements) and rows.c (what the tables hold). */
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
	STORE_PUT_STEP,
	STORE_GET_STEPS,
	STORE_TRUNCATE_STEPS,
	STORE_QUERIES
};

struct ts_store {
	sqlite3 *db;
	char *path;
	bool read_only;
	bool open;    /* a transaction is */
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

#endif
