/* What the files of the hub share: names and places (hub_cache.c), the choice of files (hub_files.c), questions to the hub (hub_ask.c),
 * content (hub_pull.c). */
#ifndef TS_CHECKPOINT_HUB_INTERNAL_H
#define TS_CHECKPOINT_HUB_INTERNAL_H

#include "checkpoint/hub.h"
#include "core/http.h"
#include "core/json.h"
#include "core/map.h"

#define HUB_INDEX "model.safetensors.index.json"

/* --- hub_cache.c --- */

/* Lower-case hexadecimal of exactly `digits`. */
bool hub_is_hash(const char *text, size_t digits);
/* A file's name in a repository: relative, no ".", "..", empty part, backslash or control character. */
bool hub_name_is_safe(const char *name);
/* "CACHE/models--ORG--NAME" + "/" + rest, into a cleared `out`. */
int hub_place(struct ts_str *out, const char *cache, const char *repo, const char *rest, struct ts_error *err);
/* The snapshot's entry for the file becomes a link to its content. */
int hub_link(const char *cache, const struct ts_hub_plan *, const struct ts_hub_file *, struct ts_error *err);
/* The ref of the plan's revision becomes its commit. */
int hub_write_ref(const char *cache, const struct ts_hub_plan *, struct ts_error *err);
/* What is there of a file: its state and `there`. */
int hub_look(const char *cache, const struct ts_hub_plan *, struct ts_hub_file *, struct ts_error *err);

/* CACHE/.locks/models--ORG--NAME/NAME.lock, as huggingface_hub locks it; waits for who holds it, and says so once. ts_lock_release. */
int hub_lock(const char *cache, const char *repo, const char *name, const struct ts_context *, int *fd, struct ts_error *err);

/* --- hub_files.c --- */

/* Of the files `there` those that a model needs, or the `count` named ones, into `chosen`; *index tells that the shards of HUB_INDEX are to
 * be added by hub_choose_shards. `repo` is for messages. */
int hub_choose(const struct ts_map *there, const char *const *names, size_t count, const char *repo, struct ts_map *chosen, bool *index,
	       struct ts_error *err);
int hub_choose_shards(const json_t *index, const struct ts_map *there, const char *repo, struct ts_map *chosen, struct ts_error *err);

/* --- hub_ask.c --- */

struct hub_talk {
	const struct ts_hub *hub;
	const struct ts_context *context;
	const char *repo;
	struct ts_http *http;
	struct ts_http_answer answer;
	bool reached; /* it has answered: from then on its silence is taken for a disturbance */
};

int hub_talk_open(struct hub_talk *, const struct ts_hub *, const char *repo, const struct ts_context *, struct ts_error *err);
void hub_talk_close(struct hub_talk *);
/* What came of a request about `what`: 0 = waited, try again; else the final failure. *failed counts those in a row. */
int hub_again(struct hub_talk *, int status, const char *what, size_t *failed, struct ts_error *err);
/* ENDPOINT/ORG/NAME/resolve/COMMIT/FILE */
int hub_file_url(struct ts_str *url, const struct ts_hub *, const char *repo, const char *commit, const char *file, struct ts_error *err);
/* Waits in small steps; TS_ESTOPPED. */
int hub_wait(const struct ts_context *, double seconds, struct ts_error *err);

#endif
