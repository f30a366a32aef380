/* What the tables hold: arguments are checked here, bound, and read back. A get copies one row into one block of memory. */
#include "store/internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define WORD_LIMIT 200 /* bytes of a stage, judge or name */

static const char *const finishes[] = {"stop", "length", "context", NULL};
static const char *const verdict_words[] = {"safe", "unsafe", "unjudged", "refusal", "compliance", "right", "wrong", NULL};

static int check_word(const char *what, const char *word, struct ts_error *err)
{
	if (word && *word && strlen(word) <= WORD_LIMIT)
		return 0;
	return ts_fail(err, TS_EINVAL, "journal: %s: expected 1 to %d bytes, found %zu", what, WORD_LIMIT, word ? strlen(word) : 0);
}

static int check_key(const char *key, struct ts_error *err)
{
	if (key && strlen(key) == 64 && strspn(key, "0123456789abcdef") == 64)
		return 0;
	return ts_fail(err, TS_EINVAL, "journal: key: expected 64 lower-case hex digits, found %.80s", key ? key : "nothing");
}

static int check_one_of(const char *what, const char *word, const char *const *list, struct ts_error *err)
{
	for (int i = 0; word && list[i]; i++)
		if (!strcmp(word, list[i]))
			return 0;
	return ts_fail(err, TS_EINVAL, "journal: %s: %s is not a known word", what, word ? word : "nothing");
}

int store_bind_text(sqlite3_stmt *q, int at, const char *text)
{
	return !text ? sqlite3_bind_null(q, at) : sqlite3_bind_text64(q, at, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8);
}

/* Append a column's text to a block being filled; returns where it begins there. */
static char *take_text(char **at, const void *bytes, size_t n)
{
	char *start = *at;
	if (n)
		memcpy(start, bytes, n);
	start[n] = '\0';
	*at += n + 1;
	return start;
}

static int put_text(struct ts_store *s, enum store_query which, const char *name, const char *text, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(check_word("name", name, err));
	TS_TRY(store_query(s, which, &q, err));
	return store_write(s, q, store_bind_text(q, 1, name) | store_bind_text(q, 2, text), NULL, err);
}

static int get_text(struct ts_store *s, enum store_query which, const char *name, struct ts_str *out, bool *found, struct ts_error *err)
{
	sqlite3_stmt *q;
	*found = false;
	TS_TRY(store_query(s, which, &q, err));
	TS_TRY(store_next(s, q, store_bind_text(q, 1, name), found, err));
	if (!*found)
		return 0;
	const void *text = sqlite3_column_text(q, 0);
	int status = !text || ts_str_append(out, text, (size_t)sqlite3_column_bytes(q, 0)) ? ts_fail_memory(err) : 0;
	store_done(q);
	return status;
}

int ts_store_put_meta(struct ts_store *s, const char *name, const char *text, struct ts_error *err)
{
	return put_text(s, STORE_PUT_META, name, text, err);
}

int ts_store_get_meta(struct ts_store *s, const char *name, struct ts_str *out, bool *found, struct ts_error *err)
{
	return get_text(s, STORE_GET_META, name, out, found, err);
}

int ts_store_put_result(struct ts_store *s, const char *name, const char *json, struct ts_error *err)
{
	return put_text(s, STORE_PUT_RESULT, name, json, err);
}

int ts_store_get_result(struct ts_store *s, const char *name, struct ts_str *out, bool *found, struct ts_error *err)
{
	return get_text(s, STORE_GET_RESULT, name, out, found, err);
}

static int read_count(struct ts_store *s, sqlite3_stmt *q, int bound, uint64_t *out, struct ts_error *err)
{
	bool row;
	TS_TRY(store_next(s, q, bound, &row, err));
	*out = row ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
	store_done(q);
	return 0;
}

/* --- samples --- */

void ts_sample_release(struct ts_sample *sample)
{
	ts_free(sample->block);
	*sample = (struct ts_sample){0};
}

static int check_sample(const struct ts_sample *sample, struct ts_error *err)
{
	TS_TRY(check_one_of("finish", sample->finish, finishes, err));
	if (sample->tokens < 0 || sample->prompt_tokens < 0)
		return ts_fail(err, TS_EINVAL, "journal: tokens: expected at least 0, found %d and %d", sample->tokens,
			       sample->prompt_tokens);
	if (sample->id_count > INT_MAX / sizeof(*sample->ids))
		return ts_fail(err, TS_ELIMIT, "journal: ids: %zu are too many", sample->id_count);
	return 0;
}

int ts_store_put_sample(struct ts_store *s, const char *stage, const char *key, const struct ts_sample *sample, bool *added,
			struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(check_word("stage", stage, err));
	TS_TRY(check_key(key, err));
	TS_TRY(check_sample(sample, err));
	TS_TRY(store_query(s, STORE_PUT_SAMPLE, &q, err));
	/* An empty blob must not be bound from NULL, which would mean SQL's NULL. */
	int bound =
		store_bind_text(q, 1, stage) | store_bind_text(q, 2, key) |
		sqlite3_bind_text64(q, 3, sample->response_len ? sample->response : "", sample->response_len, SQLITE_STATIC, SQLITE_UTF8) |
		store_bind_text(q, 4, sample->finish) | sqlite3_bind_int(q, 5, sample->tokens) |
		sqlite3_bind_int(q, 6, sample->prompt_tokens) |
		sqlite3_bind_blob64(q, 7, sample->id_count ? (const void *)sample->ids : "", sample->id_count * sizeof(*sample->ids),
				    SQLITE_STATIC);
	return store_write(s, q, bound, added, err);
}

/* [ids | response NUL | finish NUL]: the ids first, for their alignment. */
static int copy_sample(sqlite3_stmt *q, struct ts_sample *out)
{
	const void *response = sqlite3_column_text(q, 0), *finish = sqlite3_column_text(q, 1), *ids = sqlite3_column_blob(q, 4);
	size_t response_len = (size_t)sqlite3_column_bytes(q, 0), finish_len = (size_t)sqlite3_column_bytes(q, 1);
	size_t count = (size_t)sqlite3_column_bytes(q, 4) / sizeof(int32_t);
	char *block = ts_alloc(count * sizeof(int32_t) + response_len + finish_len + 2);
	if (!block || !response || !finish) {
		ts_free(block);
		return TS_ENOMEM;
	}
	char *at = block + count * sizeof(int32_t);
	if (count)
		memcpy(block, ids, count * sizeof(int32_t));
	*out = (struct ts_sample){.response_len = response_len, .id_count = count, .block = block};
	out->ids = count ? (const int32_t *)(void *)block : NULL;
	out->response = take_text(&at, response, response_len);
	out->finish = take_text(&at, finish, finish_len);
	out->tokens = sqlite3_column_int(q, 2);
	out->prompt_tokens = sqlite3_column_int(q, 3);
	return 0;
}

int ts_store_get_sample(struct ts_store *s, const char *stage, const char *key, struct ts_sample *out, bool *found, struct ts_error *err)
{
	sqlite3_stmt *q;
	*out = (struct ts_sample){0};
	*found = false;
	TS_TRY(store_query(s, STORE_GET_SAMPLE, &q, err));
	TS_TRY(store_next(s, q, store_bind_text(q, 1, stage) | store_bind_text(q, 2, key), found, err));
	if (!*found)
		return 0;
	int status = copy_sample(q, out) ? ts_fail_memory(err) : 0;
	store_done(q);
	return status;
}

int ts_store_count_samples(struct ts_store *s, const char *stage, uint64_t *out, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_COUNT_SAMPLES, &q, err));
	return read_count(s, q, store_bind_text(q, 1, stage), out, err);
}

/* --- verdicts --- */

void ts_verdict_release(struct ts_verdict *verdict)
{
	ts_free(verdict->block);
	*verdict = (struct ts_verdict){0};
}

int ts_store_put_verdict(struct ts_store *s, const char *stage, const char *key, const char *judge, const struct ts_verdict *verdict,
			 bool *added, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(check_word("stage", stage, err));
	TS_TRY(check_key(key, err));
	TS_TRY(check_word("judge", judge, err));
	TS_TRY(check_one_of("verdict", verdict->verdict, verdict_words, err));
	double p = verdict->probability;
	if (!isnan(p) && !(p >= 0 && p <= 1))
		return ts_fail(err, TS_EINVAL, "journal: probability: expected 0 to 1, found %g", p);
	TS_TRY(store_query(s, STORE_PUT_VERDICT, &q, err));
	int bound = store_bind_text(q, 1, stage) | store_bind_text(q, 2, key) | store_bind_text(q, 3, judge) |
		    store_bind_text(q, 4, verdict->verdict) | (isnan(p) ? sqlite3_bind_null(q, 5) : sqlite3_bind_double(q, 5, p)) |
		    store_bind_text(q, 6, verdict->detail ? verdict->detail : "");
	return store_write(s, q, bound, added, err);
}

double store_column_real(sqlite3_stmt *q, int at)
{
	return sqlite3_column_type(q, at) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q, at);
}

static int copy_verdict(sqlite3_stmt *q, struct ts_verdict *out)
{
	const void *word = sqlite3_column_text(q, 0), *detail = sqlite3_column_text(q, 2);
	size_t word_len = (size_t)sqlite3_column_bytes(q, 0), detail_len = (size_t)sqlite3_column_bytes(q, 2);
	char *block = ts_alloc(word_len + detail_len + 2), *at = block;
	if (!block || !word || !detail) {
		ts_free(block);
		return TS_ENOMEM;
	}
	out->block = block;
	out->verdict = take_text(&at, word, word_len);
	out->detail = take_text(&at, detail, detail_len);
	out->probability = store_column_real(q, 1);
	return 0;
}

int ts_store_get_verdict(struct ts_store *s, const char *stage, const char *key, const char *judge, struct ts_verdict *out, bool *found,
			 struct ts_error *err)
{
	sqlite3_stmt *q;
	*out = (struct ts_verdict){0};
	*found = false;
	TS_TRY(store_query(s, STORE_GET_VERDICT, &q, err));
	TS_TRY(store_next(s, q, store_bind_text(q, 1, stage) | store_bind_text(q, 2, key) | store_bind_text(q, 3, judge), found, err));
	if (!*found)
		return 0;
	int status = copy_verdict(q, out) ? ts_fail_memory(err) : 0;
	store_done(q);
	return status;
}

int ts_store_count_verdicts(struct ts_store *s, const char *stage, const char *judge, const char *verdict, uint64_t *out,
			    struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_COUNT_VERDICTS, &q, err));
	int bound = store_bind_text(q, 1, stage) | store_bind_text(q, 2, judge) |
		    (verdict ? store_bind_text(q, 3, verdict) : sqlite3_bind_null(q, 3));
	return read_count(s, q, bound, out, err);
}

int ts_store_forget_verdicts(struct ts_store *s, const char *judge, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(check_word("judge", judge, err));
	TS_TRY(store_query(s, STORE_FORGET_VERDICTS, &q, err));
	return store_write(s, q, store_bind_text(q, 1, judge), NULL, err);
}

/* --- training steps --- */

int ts_store_put_step(struct ts_store *s, const struct ts_step *step, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_PUT_STEP, &q, err));
	int bound = sqlite3_bind_int64(q, 1, step->step) | sqlite3_bind_double(q, 2, step->loss) |
		    sqlite3_bind_double(q, 3, step->grad_norm) | sqlite3_bind_double(q, 4, step->lr) |
		    sqlite3_bind_int64(q, 5, step->target_tokens);
	return store_write(s, q, bound, NULL, err);
}

int ts_store_get_steps(struct ts_store *s, struct ts_steps *out, struct ts_error *err)
{
	sqlite3_stmt *q;
	bool row;
	out->rows.len = 0;
	TS_TRY(store_query(s, STORE_GET_STEPS, &q, err));
	for (;;) {
		TS_TRY(store_next(s, q, 0, &row, err));
		if (!row)
			return 0;
		struct ts_step step = {sqlite3_column_int64(q, 0), store_column_real(q, 1), store_column_real(q, 2),
				       store_column_real(q, 3), sqlite3_column_int64(q, 4)};
		if (ts_vec_push(&out->rows, step)) {
			store_done(q);
			return ts_fail_memory(err);
		}
	}
}

int ts_store_truncate_steps(struct ts_store *s, int64_t from, struct ts_error *err)
{
	sqlite3_stmt *q;
	TS_TRY(store_query(s, STORE_TRUNCATE_STEPS, &q, err));
	return store_write(s, q, sqlite3_bind_int64(q, 1, from), NULL, err);
}
