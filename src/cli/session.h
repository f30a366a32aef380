/* What the subcommands share: the common options, opening a model, reading and writing rows. */
#ifndef TS_CLI_SESSION_H
#define TS_CLI_SESSION_H

#include "cli/options.h"
#include "core/json.h"
#include "generate/engine.h"
#include "text/chat.h"

enum { TS_EXIT_OK = 0, TS_EXIT_FAILED = 1, TS_EXIT_USAGE = 2, TS_EXIT_STOPPED = 3 };

struct ts_session {
	/* options */
	const char *model_dir, *adapter_dir, *in, *out, *isa, *kv_dtype;
	size_t threads, batch, chunk, memory;
	int64_t seed;
	bool quiet, json;
	/* of the command under way */
	const struct ts_command *command;
	bool wrong_usage; /* the failure is the command line's: exit status 2 */
	bool resumable;   /* a stop loses nothing: exit status 3 */
	/* opened on demand */
	struct ts_context context;
	struct ts_backend *backend;
	struct ts_model *model;
	struct ts_chat *chat;
	struct ts_adapter *adapter;
	struct ts_error err;
};

void ts_session_init(struct ts_session *);
void ts_session_close(struct ts_session *);

/* The rows of the option table that most commands share; `s` is a struct ts_session *. */
#define TS_OPTIONS_MODEL(s)                                                                                                                \
	{"model", "DIR", "checkpoint folder (Hugging Face layout)", TS_OPT_TEXT, &(s)->model_dir, NULL},                                   \
	{                                                                                                                                  \
		"adapter", "DIR", "LoRA adapter folder (PEFT layout), used unmerged", TS_OPT_TEXT, &(s)->adapter_dir, NULL                 \
	}
#define TS_OPTIONS_MACHINE(s)                                                                                                              \
	{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &(s)->threads, NULL},                            \
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &(s)->batch, NULL},                         \
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &(s)->chunk, NULL},       \
		{"memory", "SIZE", "bound for the whole program, e.g. 512M; changes no result (none)", TS_OPT_BYTES, &(s)->memory, NULL},  \
		{"isa", "NAME", "plain, avx2 or avx512: same bits, other speed (best found)", TS_OPT_TEXT, &(s)->isa, NULL},               \
	{                                                                                                                                  \
		"kv-dtype", "NAME", "f32 (default) or bf16 for the KV cache", TS_OPT_TEXT, &(s)->kv_dtype, NULL                            \
	}
/* As TS_OPTIONS_MACHINE where the recipe has the dtype of the KV cache. */
#define TS_OPTIONS_PIPELINE(s)                                                                                                             \
	{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &(s)->threads, NULL},                            \
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &(s)->batch, NULL},                         \
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &(s)->chunk, NULL},       \
		{"memory", "SIZE", "bound for the whole program, e.g. 512M; changes no result (none)", TS_OPT_BYTES, &(s)->memory, NULL},  \
		{"isa", "NAME", "plain, avx2 or avx512: same bits, other speed (best found)", TS_OPT_TEXT, &(s)->isa, NULL},               \
	{                                                                                                                                  \
		"quiet", NULL, "no progress", TS_OPT_FLAG, &(s)->quiet, NULL                                                               \
	}
#define TS_OPTIONS_ROWS(s)                                                                                                                 \
	{"in", "FILE", "rows: JSON Lines or a JSON array (- or default: standard input)", TS_OPT_TEXT, &(s)->in, NULL},                    \
		{"out", "FILE", "write the rows here (default: standard output)", TS_OPT_TEXT, &(s)->out, NULL},                           \
	{                                                                                                                                  \
		"quiet", NULL, "no progress", TS_OPT_FLAG, &(s)->quiet, NULL                                                               \
	}

/* Prints usage, options and example to stdout. */
struct ts_command;
int ts_session_usage(const struct ts_command *, const struct ts_option *, size_t count);
/* Parses; returns -1 to go on, else the exit status (help shown, or wrong usage said). `words` may be NULL when the command takes none. */
int ts_session_parse(struct ts_session *, const struct ts_command *, const struct ts_option *, size_t count, int argc, char **argv,
		     int *words);
/* Fails with TS_EINVAL and makes ts_session_fail say it as wrong usage. */
int ts_session_wrong(struct ts_session *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All return a status with session->err filled. */
int ts_session_open_chat(struct ts_session *);
int ts_session_open_model(struct ts_session *); /* backend, model, adapter */
enum ts_dtype ts_session_kv_dtype(const struct ts_session *);
/* An engine over the opened model (and chat, if open, for its end token). max_length 0 = the model's context. */
int ts_session_engine(struct ts_session *, size_t max_length, struct ts_responder **out);
int ts_session_read_rows(struct ts_session *, json_t **rows);
/* Before long work: whether its result can be written to `path` at all. NULL = standard output. */
int ts_session_check_out(struct ts_session *, const char *path);
/* Writes the array's rows as JSON Lines to --out (whole) or stdout. */
int ts_session_write_rows(struct ts_session *, const json_t *rows);
/* Reads the rows, lets `one` add its result to each, writes them. An error names the file and the row; a stop ends it. */
int ts_session_map_rows(struct ts_session *, int (*one)(void *user, json_t *row, size_t index, struct ts_error *err), void *user);

/* Prints the error and returns the exit status for it. */
int ts_session_fail(struct ts_session *, int status);

/* A row's id: its "id" field as text or number, else its number from 1. Text is in buffer[64]. */
const char *ts_row_id(const json_t *row, size_t index, char buffer[64]);
/* The numbers of row[key] as ids. TS_EFORMAT when it is not an array of integers. */
int ts_row_ids(const json_t *row, const char *key, ts_ids *ids, struct ts_error *err);
json_t *ts_ids_json(const int32_t *ids, size_t n);

/* The table of subcommands (main.c). */
struct ts_command {
	const char *name, *summary, *usage, *example;
	int (*run)(const struct ts_command *, int argc, char **argv);
};

int ts_command_run(const struct ts_command *, int argc, char **argv);
int ts_command_plan(const struct ts_command *, int argc, char **argv);
int ts_command_generate(const struct ts_command *, int argc, char **argv);
int ts_command_judge(const struct ts_command *, int argc, char **argv);
int ts_command_train(const struct ts_command *, int argc, char **argv);
int ts_command_eval(const struct ts_command *, int argc, char **argv);
int ts_command_report(const struct ts_command *, int argc, char **argv);
int ts_command_score(const struct ts_command *, int argc, char **argv);
int ts_command_tokenize(const struct ts_command *, int argc, char **argv);
int ts_command_render(const struct ts_command *, int argc, char **argv);

#endif
