/* The run journal: one SQLite file (WAL, synchronous=FULL) in which every finished piece of work is a row.
 *
 * What is promised: a row counted by ts_store_durable() survives a crash of the program or the machine; a crash between leaves
 * the file readable and without half rows. Samples and verdicts are found by content (stage, key), never by position.
 *
 * Group commit. A write joins the open transaction, which is committed by the first write or ts_store_tick() that comes
 * TS_STORE_GROUP_SECONDS after it began, and by ts_store_flush() and ts_store_close(). There is no timer: work that may pause
 * between writes calls ts_store_tick() in its loop. Reads on the same handle see its own writes, durable or not.
 *
 * When a write or a commit fails for SQLite's reasons (disk full, file damaged, TS_ELOCKED: another program writes), the open
 * transaction is undone: rows not yet durable are gone and ts_store_written() falls back to ts_store_durable(); what was
 * committed before is intact and the handle can be used on. A refused argument (TS_EINVAL) undoes nothing.
 *
 * A handle belongs to one thread at a time. Errors carry the path and SQLite's own words.
 *
 *     struct ts_store *store;
 *     TS_TRY(ts_store_open(&store, "runs/x/journal.db", err));
 *     TS_GOTO(ts_store_put_sample(store, "generate", key, &sample, NULL, err));
 *     ...
 *     status = ts_store_close(store, err);   (commits; frees even when it fails)
 */
#ifndef TS_STORE_STORE_H
#define TS_STORE_STORE_H

#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>
#include <stdint.h>

#define TS_STORE_VERSION       2 /* of the tables; kept in the file as user_version */
#define TS_STORE_GROUP_SECONDS 0.1

struct ts_store;

/* Opens the journal, making it when it is not there. TS_EFORMAT: not a database, damaged, or somebody else's database;
 * TS_EMISMATCH: tables of a newer version (both are named). Tables of an older one are brought up to this one; the older program then
 * refuses them. */
int ts_store_open(struct ts_store **out, const char *path, struct ts_error *err);
/* An existing journal, of this version or an older one, for reading alone; TS_ENOTFOUND when there is none. Puts fail with TS_EINVAL. */
int ts_store_open_read(struct ts_store **out, const char *path, struct ts_error *err);
int ts_store_close(struct ts_store *, struct ts_error *err);

/* Commit what is open; commit it only if it is old enough. */
int ts_store_flush(struct ts_store *, struct ts_error *err);
int ts_store_tick(struct ts_store *, struct ts_error *err);
/* Writes of this handle that were accepted, and how many of them (the first ones) are committed and synced. */
uint64_t ts_store_written(const struct ts_store *);
uint64_t ts_store_durable(const struct ts_store *);

/* Texts by name; a put replaces. meta: hashes, versions, marks of finished stages. results: JSON texts such as "eval.before".
 * A get appends to `out` and says in *found whether the name is there. */
int ts_store_put_meta(struct ts_store *, const char *name, const char *text, struct ts_error *err);
int ts_store_get_meta(struct ts_store *, const char *name, struct ts_str *out, bool *found, struct ts_error *err);
/* All of meta in the order of the names. A status that is not 0 ends the walk and is returned; so it is with every walk below. */
int ts_store_each_meta(struct ts_store *, int (*each)(void *user, const char *name, const char *text, struct ts_error *err), void *user,
		       struct ts_error *err);
int ts_store_put_result(struct ts_store *, const char *name, const char *json, struct ts_error *err);
int ts_store_get_result(struct ts_store *, const char *name, struct ts_str *out, bool *found, struct ts_error *err);

/* A finished response. `stage` is "before", "after", "generate", "alpha" (any short word is taken); `key` is 64 lower-case hex
 * digits: the hash of rendered text, sampling and try, without the stage. */
struct ts_sample {
	const char *response; /* may hold NULs */
	size_t response_len;
	const char *finish; /* "stop", "length", "context" */
	int tokens, prompt_tokens;
	const int32_t *ids; /* of the response; may be none */
	size_t id_count;
	void *block; /* after a get: the memory of all the above; NULL when given to put */
};
void ts_sample_release(struct ts_sample *);

/* A sample already there stays; *added (may be NULL) says which it was. */
int ts_store_put_sample(struct ts_store *, const char *stage, const char *key, const struct ts_sample *, bool *added, struct ts_error *err);
/* Absent: *found is false and *out empty. Otherwise release *out. */
int ts_store_get_sample(struct ts_store *, const char *stage, const char *key, struct ts_sample *out, bool *found, struct ts_error *err);
int ts_store_count_samples(struct ts_store *, const char *stage, uint64_t *out, struct ts_error *err);

/* What a judge said of a sample. */
struct ts_verdict {
	const char *verdict; /* "safe", "unsafe", "unjudged", "refusal", "compliance", "right", "wrong" */
	double probability;  /* NaN = none */
	const char *detail;  /* may be NULL, which reads back as "" */
	void *block;         /* as in ts_sample */
};
void ts_verdict_release(struct ts_verdict *);

/* A verdict already there stays, unless it is "unjudged": that one may be judged again. */
int ts_store_put_verdict(struct ts_store *, const char *stage, const char *key, const char *judge, const struct ts_verdict *, bool *added,
			 struct ts_error *err);
int ts_store_get_verdict(struct ts_store *, const char *stage, const char *key, const char *judge, struct ts_verdict *out, bool *found,
			 struct ts_error *err);
/* Of one stage and judge; `verdict` NULL = all of them. */
int ts_store_count_verdicts(struct ts_store *, const char *stage, const char *judge, const char *verdict, uint64_t *out,
			    struct ts_error *err);

/* All of a judge's, in every stage. */
int ts_store_forget_verdicts(struct ts_store *, const char *judge, struct ts_error *err);

/* What every judge said of a sample, in the order of their names. `judge` and the verdict live until the callback returns. */
int ts_store_each_verdict(struct ts_store *, const char *stage, const char *key,
			  int (*each)(void *user, const char *judge, const struct ts_verdict *, struct ts_error *err), void *user,
			  struct ts_error *err);

/* A prompt of the run: which samples are its, and what became of it. For people and reports; no stage reads it. */
struct ts_indexed_prompt {
	const char *set;          /* the evaluation's name; of training rows "train", or the file where there are several */
	const char *kind;         /* "safety", "over_refusal", "reasoning", "train" */
	int64_t number;           /* of the row in its file, from 1 */
	const char *prompt;       /* the user's, without steering */
	const char *label;        /* of a training row */
	const char *gold;         /* the right answer */
	const char *keys;         /* of its samples, with spaces between: one for each sample of an evaluation, which "before" and "after"
				  * share; a training row has one for each try of "generate", in their order */
	const char *plain_key;    /* of the sample of stage "alpha" */
	const char *outcome[2];   /* before, after: "unsafe", "refused", "right", ..., "mixed" of
				   * several samples; of a training row one: "kept", or why not */
	const char *extracted[2]; /* before, after: the answer that was compared with gold */
	int64_t cluster;          /* rows of one pair have the same */
	int64_t accepted;         /* the try that was kept, from 0; -1 = none */
	bool harmful;
};
/* All rows at once, in one transaction; what was there before goes. Texts that may be missing are NULL: all but set, kind, prompt, keys. */
int ts_store_replace_prompts(struct ts_store *, const struct ts_indexed_prompt *rows, size_t n, struct ts_error *err);
/* In the order they were given; none in a journal of version 1. A row's texts live until the callback returns, which may read the
 * journal. */
int ts_store_each_prompt(struct ts_store *, int (*each)(void *user, const struct ts_indexed_prompt *, struct ts_error *err), void *user,
			 struct ts_error *err);

/* The training log. A step redone after a restart replaces its row. Numbers come back with the same bits (a NaN as a NaN). */
struct ts_step {
	int64_t step;
	double loss, grad_norm, lr;
	int64_t target_tokens;
};
struct ts_steps {
	TS_VEC(struct ts_step) rows;
};
int ts_store_put_step(struct ts_store *, const struct ts_step *, struct ts_error *err);
/* All steps, ascending, into *out (cleared first; release with ts_vec_release(&out->rows)). */
int ts_store_get_steps(struct ts_store *, struct ts_steps *out, struct ts_error *err);
/* Forget this step and all after it. */
int ts_store_truncate_steps(struct ts_store *, int64_t from, struct ts_error *err);

#endif
