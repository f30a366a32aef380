/* Models of the Hugging Face hub: found in its cache on this machine, or downloaded into it. The layout is that of the Python package
 * huggingface_hub, so each finds what the other downloaded:
 *
 *     CACHE/models--ORG--NAME/refs/REVISION             the commit that a branch or tag was when it was last asked for
 *                             blobs/HASH                content, under its SHA-256 (large files) or git's name (small ones)
 *                             blobs/HASH.incomplete     the part that is there of a download under way, or cut
 *                             snapshots/COMMIT/FILE  -> ../../blobs/HASH
 *     CACHE/.locks/models--ORG--NAME/HASH.lock          held (flock) while that content is downloaded
 *
 * Finding needs no network. Downloading: ts_hub_plan asks the hub what there is, chooses the files that we need, and says what is
 * missing; ts_hub_pull fetches it. A file is put in place when its hash was checked, and the branch's ref is moved when all files are there:
 * so whatever happens in between, what is found is whole. After a cut, a kill or a stop, calling both again goes on.
 *
 * The token goes to the endpoint's host alone. Nothing is written outside the cache: names that would lead out of it are refused.
 * Reads no environment: what HF_HOME and the like say is the caller's to pass on. */
#ifndef TS_CHECKPOINT_HUB_H
#define TS_CHECKPOINT_HUB_H

#include "core/context.h"
#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"

/* ORG/NAME, ORG/NAME@REVISION, and either with :FILE behind it (a GGUF file among several). */
struct ts_hub_id {
	char repo[100];
	char revision[128]; /* branch, tag or commit; "main" when not given */
	char file[256];     /* "" = the whole model */
};

/* TS_EINVAL: no hub id. */
int ts_hub_id_parse(struct ts_hub_id *, const char *text, struct ts_error *err);
/* What ts_hub_id_parse would read, without what goes without saying: for messages. */
int ts_hub_id_print(const struct ts_hub_id *, struct ts_str *out);

/* The folder of the snapshot (or the GGUF file, where the id names one or the snapshot holds one and no safetensors) appended to `path`,
 * and which commit it is. TS_ENOTFOUND says what the cache lacks. */
int ts_hub_find(const char *cache, const struct ts_hub_id *, struct ts_str *path, char commit[41], struct ts_error *err);
/* Whether the weights of a found folder are all there; TS_ENOTFOUND names the first that is not. */
int ts_hub_check_whole(const char *path, struct ts_error *err);

/* Where from, where to, how patiently. */
struct ts_hub {
	const char *endpoint; /* "https://huggingface.co" */
	const char *cache;
	const char *token; /* NULL = none */
	const char *user_agent;
	size_t retries;   /* after a cut, a silence, 408, 429 and 5xx: so many failures in a row without progress */
	unsigned timeout; /* seconds of silence, or of less than 1 KiB/s, that are a cut */
};

enum ts_hub_state { TS_HUB_ABSENT, TS_HUB_PART, TS_HUB_THERE };

struct ts_hub_file {
	char *name;
	char hash[65]; /* 64 digits: SHA-256 of the content; 40: git's name of it (core/sha1.h) */
	uint64_t size, there;
	enum ts_hub_state state;
};

struct ts_hub_plan {
	struct ts_hub_id id;
	char commit[41];
	TS_VEC(struct ts_hub_file) files;
	uint64_t bytes, missing; /* of all files; of what is not there yet, and after ts_hub_pull of what was fetched */
	uint64_t room;           /* on the cache's disk */
};

/* Asks the hub. `names` (count 0 = those that a model or adapter needs) are files of the repository. Writes nothing. */
int ts_hub_plan(struct ts_hub_plan *, const struct ts_hub *, const struct ts_hub_id *, const char *const *names, size_t count,
		const struct ts_context *, struct ts_error *err);
/* TS_ELIMIT when the disk has no room for what is missing. */
int ts_hub_check_room(const struct ts_hub_plan *, const struct ts_hub *, struct ts_error *err);
/* Fetches what is missing; `path` gets the snapshot's folder (the file, with one :FILE) appended. With `check`, what was there is hashed
 * too, and fetched again where it is damaged. TS_ESTOPPED: call plan and pull again to go on. TS_EMISMATCH: a wrong hash; that content is removed. */
int ts_hub_pull(struct ts_hub_plan *, const struct ts_hub *, bool check, const struct ts_context *, struct ts_str *path,
		struct ts_error *err);
void ts_hub_plan_release(struct ts_hub_plan *);

#endif
