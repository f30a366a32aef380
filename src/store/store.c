/* File, version, transactions. The statements are in one table below; each is prepared when first used and kept.
 * A journal is known by its application_id, so that another program's database is never written to. */
#include "store/internal.h"

#include "core/context.h"
#include "core/file.h"

#include <string.h>
#include <sys/stat.h>

#define APPLICATION_ID    0x74736a6e /* "tsjn" */
#define ADVICE            "put back a copy of it, or begin anew in another place"
#define BUSY_MILLISECONDS 5000 /* another handle's group commit takes far less */

static const char schema[] =
	"CREATE TABLE meta(name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE results(name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE samples(stage TEXT NOT NULL, key TEXT NOT NULL, response TEXT NOT NULL, finish TEXT NOT NULL,"
	" tokens INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, ids BLOB NOT NULL, UNIQUE(stage, key));"
	"CREATE TABLE verdicts(stage TEXT NOT NULL, key TEXT NOT NULL, judge TEXT NOT NULL, verdict TEXT NOT NULL,"
	" probability REAL, detail TEXT NOT NULL, UNIQUE(stage, key, judge));"
	"CREATE TABLE steps(step INTEGER PRIMARY KEY, loss REAL, grad_norm REAL, lr REAL, target_tokens INTEGER NOT NULL);";

/* What version 2 added. */
static const char schema_prompts[] =
	"CREATE TABLE prompts(name TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, prompt TEXT NOT NULL, label TEXT,"
	" gold TEXT, keys TEXT NOT NULL, plain_key TEXT, outcome TEXT, outcome_after TEXT, extracted TEXT, extracted_after TEXT,"
	" cluster INTEGER NOT NULL, accepted INTEGER NOT NULL, harmful INTEGER NOT NULL);";

static const char *const queries[STORE_QUERIES] = {
	[STORE_PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
	[STORE_GET_META] = "SELECT text FROM meta WHERE name = ?1",
	[STORE_PUT_RESULT] = "INSERT OR REPLACE INTO results VALUES(?1, ?2)",
	[STORE_GET_RESULT] = "SELECT json FROM results WHERE name = ?1",
	[STORE_PUT_SAMPLE] = "INSERT INTO samples VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(stage, key) DO NOTHING",
	[STORE_GET_SAMPLE] = "SELECT response, finish, tokens, prompt_tokens, ids FROM samples WHERE stage = ?1 AND key = ?2",
	[STORE_COUNT_SAMPLES] = "SELECT count(*) FROM samples WHERE stage = ?1",
	[STORE_PUT_VERDICT] = ("INSERT INTO verdicts VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(stage, key, judge) DO UPDATE SET"
			       " verdict = excluded.verdict, probability = excluded.probability, detail = excluded.detail"
			       " WHERE verdicts.verdict = 'unjudged'"),
	[STORE_GET_VERDICT] = "SELECT verdict, probability, detail FROM verdicts WHERE stage = ?1 AND key = ?2 AND judge = ?3",
	[STORE_COUNT_VERDICTS] = "SELECT count(*) FROM verdicts WHERE stage = ?1 AND judge = ?2 AND (?3 IS NULL OR verdict = ?3)",
	[STORE_FORGET_VERDICTS] = "DELETE FROM verdicts WHERE judge = ?1",
	[STORE_PUT_STEP] = "INSERT OR REPLACE INTO steps VALUES(?1, ?2, ?3, ?4, ?5)",
	[STORE_GET_STEPS] = "SELECT step, loss, grad_norm, lr, target_tokens FROM steps ORDER BY step",
	[STORE_TRUNCATE_STEPS] = "DELETE FROM steps WHERE step >= ?1",
	[STORE_EACH_META] = "SELECT name, text FROM meta ORDER BY name",
	[STORE_EACH_VERDICT] = "SELECT verdict, probability, detail, judge FROM verdicts WHERE stage = ?1 AND key = ?2 ORDER BY judge",
	[STORE_CLEAR_PROMPTS] = "DELETE FROM prompts",
	[STORE_PUT_PROMPT] = "INSERT INTO prompts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[STORE_EACH_PROMPT] = "SELECT * FROM prompts ORDER BY rowid",
};

static int status_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return TS_ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return TS_ELOCKED;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR:
		return TS_EFORMAT;
	case SQLITE_TOOBIG:
		return TS_ELIMIT;
	case SQLITE_READONLY:
	default:
		return TS_EIO;
	}
}

int store_fail(struct ts_store *s, struct ts_error *err)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	if ((code & 0xff) == SQLITE_NOMEM)
		return ts_fail_memory(err);
	/* SQLite's "disk I/O error" has the system's reason beside it: a full disk, a lost one. */
	int cause = (code & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(s->db) : 0;
	bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
	return ts_fail(err, status_of(code), "%s: journal: %s%s%s%s", s->path, sqlite3_errmsg(s->db), cause ? ": " : "",
		       cause ? strerror(cause) : "", damaged ? "; " ADVICE : "");
}

/* SQLite may have undone the transaction itself (disk full, out of memory); either way it is over. */
void store_undo(struct ts_store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->open = false;
	s->written = s->durable;
}

static int run(struct ts_store *s, const char *sql, struct ts_error *err)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) ? store_fail(s, err) : 0;
}

static int read_int(struct ts_store *s, const char *sql, int64_t *out, struct ts_error *err)
{
	sqlite3_stmt *q;
	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL))
		return store_fail(s, err);
	int code = sqlite3_step(q);
	*out = code == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
	int status = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : store_fail(s, err);
	sqlite3_finalize(q);
	return status;
}

/* *fresh: a database without a single table and without another's mark. */
static int check_version(struct ts_store *s, bool *fresh, struct ts_error *err)
{
	int64_t tables = 0, id = 0;
	TS_TRY(read_int(s, "SELECT count(*) FROM sqlite_master", &tables, err));
	TS_TRY(read_int(s, "PRAGMA application_id", &id, err));
	TS_TRY(read_int(s, "PRAGMA user_version", &s->version, err));
	*fresh = !tables && !id && !s->version;
	if (*fresh)
		return 0;
	if (id != APPLICATION_ID)
		return ts_fail(err, TS_EFORMAT, "%s: a database of another program, expected a run journal", s->path);
	if (s->version < 1 || s->version > TS_STORE_VERSION)
		return ts_fail(err, TS_EMISMATCH, "%s: journal version %lld, this program reads versions 1 to %d", s->path,
			       (long long)s->version, TS_STORE_VERSION);
	return 0;
}

/* New tables, or those that an older version lacks. In one transaction, looked at again inside it: two programs may come at the same
 * time. */
static int create_tables(struct ts_store *s, struct ts_error *err)
{
	bool fresh = false;
	char mark[128];
	sqlite3_snprintf(sizeof(mark), mark, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, TS_STORE_VERSION);
	TS_TRY(run(s, "BEGIN IMMEDIATE", err));
	int status = check_version(s, &fresh, err);
	bool old = fresh || s->version < TS_STORE_VERSION;
	if (!status && fresh)
		status = run(s, schema, err);
	if (!status && old)
		status = run(s, schema_prompts, err);
	if (!status && old)
		status = run(s, mark, err);
	if (!status)
		status = run(s, "COMMIT", err);
	if (status)
		store_undo(s);
	return status;
}

static int open_file(struct ts_store *s, int flags, struct ts_error *err)
{
	int code = sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code && (code & 0xff) == SQLITE_CANTOPEN)
		return ts_fail(err, TS_EIO, "%s: journal: %s%s", s->path, s->db ? sqlite3_errmsg(s->db) : "cannot open",
			       ts_dir_exists(s->path) ? ": expected a file, found a folder" : "");
	if (code)
		return store_fail(s, err);
	sqlite3_busy_timeout(s->db, BUSY_MILLISECONDS);
	return 0;
}

/* A journal that lost a part says so now, and not when the work has come to that part. */
static int check_whole(struct ts_store *s, struct ts_error *err)
{
	sqlite3_stmt *q;
	struct stat st;
	int64_t page = 0;
	TS_TRY(read_int(s, "PRAGMA page_size", &page, err));
	/* SQLite fills a cut page with zeros and says nothing. */
	if (page > 0 && !stat(s->path, &st) && st.st_size % page)
		return ts_fail(err, TS_EFORMAT, "%s: journal: cut: expected pages of %lld bytes, found %lld bytes; " ADVICE, s->path,
			       (long long)page, (long long)st.st_size);
	if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL))
		return store_fail(s, err);
	int code = sqlite3_step(q), status = 0;
	const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
	if (code != SQLITE_ROW)
		status = store_fail(s, err);
	else if (!said)
		status = ts_fail_memory(err);
	else if (strcmp(said, "ok")) {
		const char *line = strchr(said, '\n'); /* the first only names the database "main" */
		line = line ? line + 1 : said;
		status = ts_fail(err, TS_EFORMAT, "%s: journal: damaged (%.*s); " ADVICE, s->path, (int)strcspn(line, "\n"), line);
	}
	sqlite3_finalize(q);
	return status;
}

static int prepare_write(struct ts_store *s, struct ts_error *err)
{
	bool fresh;
	TS_TRY(open_file(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
	TS_TRY(check_version(s, &fresh, err)); /* before anything is changed in a file that may not be ours */
	/* Where WAL cannot be had (some network file systems) SQLite keeps a rollback journal: as safe, readers wait. */
	TS_TRY(run(s, "PRAGMA journal_mode = WAL", err));
	TS_TRY(run(s, "PRAGMA synchronous = FULL", err));
	if (!fresh)
		TS_TRY(check_whole(s, err));
	if (!fresh && s->version == TS_STORE_VERSION)
		return 0;
	TS_TRY(create_tables(s, err));
	s->version = TS_STORE_VERSION;
	return fresh ? ts_parent_sync(s->path, err) : 0;
}

static int prepare_read(struct ts_store *s, struct ts_error *err)
{
	bool fresh;
	if (!ts_file_exists(s->path))
		return ts_fail(err, TS_ENOTFOUND, "%s: no journal there", s->path);
	TS_TRY(open_file(s, SQLITE_OPEN_READONLY, err));
	TS_TRY(check_version(s, &fresh, err));
	return fresh ? ts_fail(err, TS_EFORMAT, "%s: an empty database, expected a run journal", s->path) : 0;
}

static int release(struct ts_store *s, struct ts_error *err)
{
	int status = 0;
	for (int i = 0; i < STORE_QUERIES; i++)
		sqlite3_finalize(s->queries[i]);
	if (sqlite3_close(s->db))
		status = store_fail(s, err);
	ts_free(s->path);
	ts_free(s);
	return status;
}

static int open_store(struct ts_store **out, const char *path, bool read_only, struct ts_error *err)
{
	struct ts_store *s = ts_calloc(1, sizeof(*s));
	if (!s)
		return ts_fail_memory(err);
	s->read_only = read_only;
	s->path = ts_strdup(path);
	int status = !s->path ? ts_fail_memory(err) : read_only ? prepare_read(s, err) : prepare_write(s, err);
	if (status)
		release(s, NULL);
	else
		*out = s;
	return status;
}

int ts_store_open(struct ts_store **out, const char *path, struct ts_error *err)
{
	return open_store(out, path, false, err);
}

int ts_store_open_read(struct ts_store **out, const char *path, struct ts_error *err)
{
	return open_store(out, path, true, err);
}

int ts_store_close(struct ts_store *s, struct ts_error *err)
{
	if (!s)
		return 0;
	int status = ts_store_flush(s, err);
	int closed = release(s, status ? NULL : err);
	return status ? status : closed;
}

int ts_store_flush(struct ts_store *s, struct ts_error *err)
{
	if (!s->open)
		return 0;
	int status = run(s, "COMMIT", err);
	if (status) {
		store_undo(s);
		return status;
	}
	s->open = false;
	s->durable = s->written;
	return 0;
}

int ts_store_tick(struct ts_store *s, struct ts_error *err)
{
	return s->open && !s->whole && ts_clock() - s->began >= TS_STORE_GROUP_SECONDS ? ts_store_flush(s, err) : 0;
}

uint64_t ts_store_written(const struct ts_store *s)
{
	return s->written;
}

uint64_t ts_store_durable(const struct ts_store *s)
{
	return s->durable;
}

int store_query(struct ts_store *s, enum store_query which, sqlite3_stmt **out, struct ts_error *err)
{
	sqlite3_stmt **q = &s->queries[which];
	if (!*q && sqlite3_prepare_v3(s->db, queries[which], -1, SQLITE_PREPARE_PERSISTENT, q, NULL))
		return store_fail(s, err);
	*out = *q;
	return 0;
}

void store_done(sqlite3_stmt *q)
{
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
}

static int begin(struct ts_store *s, struct ts_error *err)
{
	if (s->read_only)
		return ts_fail(err, TS_EINVAL, "%s: journal opened for reading alone", s->path);
	if (s->open)
		return 0;
	TS_TRY(run(s, "BEGIN IMMEDIATE", err));
	s->open = true;
	s->began = ts_clock();
	return 0;
}

int store_write(struct ts_store *s, sqlite3_stmt *q, int bound, bool *changed, struct ts_error *err)
{
	int status = bound ? store_fail(s, err) : begin(s, err);
	if (status) {
		store_done(q);
		return status;
	}
	if (sqlite3_step(q) != SQLITE_DONE)
		status = store_fail(s, err);
	else if (changed)
		*changed = sqlite3_changes(s->db) > 0;
	store_done(q);
	if (status) {
		store_undo(s);
		return status;
	}
	s->written++;
	return ts_store_tick(s, err);
}

int store_next(struct ts_store *s, sqlite3_stmt *q, int bound, bool *row, struct ts_error *err)
{
	int code = bound ? bound : sqlite3_step(q);
	*row = !bound && code == SQLITE_ROW;
	if (*row)
		return 0;
	int status = !bound && code == SQLITE_DONE ? 0 : store_fail(s, err);
	store_done(q);
	return status;
}
