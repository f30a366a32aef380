/* What the subcommands share: the common options, opening a model, reading and writing rows. */
#ifndef TS_CLI_SESSION_H
#define TS_CLI_SESSION_H

#include "cli/options.h"
#include "core/json.h"
#include "generate/local.h"
#include "text/chat.h"

#include <stdio.h>

enum { TS_EXIT_OK = 0, TS_EXIT_FAILED = 1, TS_EXIT_USAGE = 2, TS_EXIT_STOPPED = 3 };

struct ts_session {
	/* options */
	const char *model_dir, *pre, *weights, *adapter_dir, *in, *out, *isa, *numerics, *kv_dtype;
	const char *model_name;                 /* --model as written; model_dir is where a hub id was found */
	struct ts_str model_path, adapter_path; /* of hub ids */
	size_t threads, batch, chunk, memory;
	int64_t seed;
	bool quiet, json;
	/* of the command under way */
	const struct ts_command *command;
	bool wrong_usage; /* the failure is the command line's: exit status 2 */
	bool resumable;   /* a stop loses nothing: exit status 3 */
	int lock;         /* of ts_session_lock; -1 = none */
	struct ts_str lock_path;
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

#define TS_HELP_HUB      "ORG/NAME of the hub once it was pulled"
#define TS_HELP_PRE      "a GGUF file's pre-tokenizer, where the file does not say it or says it wrong"
#define TS_HELP_WEIGHTS  "what quantised weights of a GGUF file become: rounded, or exact and twice as large (bf16)"
#define TS_HELP_ISA      "instruction set: same bits, other speed (best found)"
#define TS_HELP_NUMERICS "class of the arithmetic; bf16dot rounds activations for AVX-512-BF16: faster, other bits (f32)"
/* The rows of the option table that most commands share; `s` is a struct ts_session *. */
#define TS_OPTIONS_MODEL(s)                                                                                                                \
	{                                                                                                                                  \
		"model",     "DIR|FILE|ID",   "checkpoint folder (Hugging Face layout), GGUF file, or " TS_HELP_HUB,                       \
		TS_OPT_TEXT, &(s)->model_dir, NULL},                                                                                       \
		{"pre", "NAME", TS_HELP_PRE, TS_OPT_TEXT, &(s)->pre, NULL},                                                                \
		{"weights", "bf16|f32", TS_HELP_WEIGHTS, TS_OPT_TEXT, &(s)->weights, NULL},                                                \
	{                                                                                                                                  \
		"adapter", "DIR|ID", "LoRA adapter folder (PEFT layout) or ORG/NAME, used unmerged", TS_OPT_TEXT, &(s)->adapter_dir, NULL  \
	}
#define TS_OPTIONS_MACHINE(s)                                                                                                              \
	{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &(s)->threads, NULL},                            \
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &(s)->batch, NULL},                         \
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &(s)->chunk, NULL},       \
		{"memory", "SIZE", "bound for the whole program, e.g. 512M; changes no result (none)", TS_OPT_BYTES, &(s)->memory, NULL},  \
		{"isa", "plain|avx2|avx512|neon", TS_HELP_ISA, TS_OPT_TEXT, &(s)->isa, NULL},                                              \
		{"numerics", "f32|bf16dot", TS_HELP_NUMERICS, TS_OPT_TEXT, &(s)->numerics, NULL},                                          \
	{                                                                                                                                  \
		"kv-dtype", "f32|bf16", "of the KV cache (f32)", TS_OPT_TEXT, &(s)->kv_dtype, NULL                                         \
	}
/* As TS_OPTIONS_MACHINE where the recipe has the dtype of the KV cache. */
#define TS_OPTIONS_PIPELINE(s)                                                                                                             \
	{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &(s)->threads, NULL},                            \
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &(s)->batch, NULL},                         \
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &(s)->chunk, NULL},       \
		{"memory", "SIZE", "bound for the whole program, e.g. 512M; changes no result (none)", TS_OPT_BYTES, &(s)->memory, NULL},  \
		{"isa", "plain|avx2|avx512|neon", TS_HELP_ISA, TS_OPT_TEXT, &(s)->isa, NULL},                                              \
	{                                                                                                                                  \
		"quiet", NULL, "no progress", TS_OPT_FLAG, &(s)->quiet, NULL                                                               \
	}
#define TS_OPTIONS_ROWS(s)                                                                                                                 \
	{"in", "FILE", "rows: JSON Lines or a JSON array (- or default: standard input)", TS_OPT_TEXT, &(s)->in, NULL},                    \
		{"out", "FILE", "write the rows here (default: standard output)", TS_OPT_TEXT, &(s)->out, NULL},                           \
	{                                                                                                                                  \
		"quiet", NULL, "no progress", TS_OPT_FLAG, &(s)->quiet, NULL                                                               \
	}

/* Options of sampling; ts_sampling_options_default gives the recipe's. */
struct ts_sampling_options {
	double temperature, top_p;
	size_t top_k, max_new_tokens;
};
#define TS_OPTIONS_SAMPLING(o)                                                                                                             \
	{"temperature", "T", "0 = always the most probable token (0.6)", TS_OPT_REAL, &(o)->temperature, NULL},                            \
		{"top-p", "P", "nucleus; 1 = off (0.95)", TS_OPT_REAL, &(o)->top_p, NULL},                                                 \
		{"top-k", "K", "0 = off (off; Qwen3: 20)", TS_OPT_COUNT, &(o)->top_k, NULL},                                               \
	{                                                                                                                                  \
		"max-new-tokens", "N", "most tokens of a response (16384)", TS_OPT_COUNT, &(o)->max_new_tokens, NULL                       \
	}
void ts_sampling_options_default(struct ts_sampling_options *);
/* TS_EINVAL with the option's name when a value is out of range. */
int ts_sampling_options_check(const struct ts_sampling_options *, struct ts_error *err);
struct ts_sampling ts_sampling_options_get(const struct ts_sampling_options *);

/* Prints usage, options and example to stdout. */
struct ts_command;
int ts_session_usage(const struct ts_command *, const struct ts_option *, size_t count);
/* Parses; returns -1 to go on, else the exit status (help shown, or wrong usage said). `words` may be NULL when the command takes none. */
int ts_session_parse(struct ts_session *, const struct ts_command *, const struct ts_option *, size_t count, int argc, char **argv,
		     int *words);
/* Fails with TS_EINVAL and makes ts_session_fail say it as wrong usage. */
int ts_session_wrong(struct ts_session *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* hub.c. A path that is not there and reads as a hub id (ORG/NAME) is looked up in the Hugging Face cache: *path then points into `memory`.
 * `what` is what was expected, for the message. No network. */
int ts_session_find(struct ts_session *, const char **path, struct ts_str *memory, const char *what);
/* Whether what was found has its weights: other programs fetch parts. */
int ts_session_need_whole(struct ts_session *, const char *name, const char *path);
/* Both for the models of a recipe. */
struct ts_recipe;
int ts_session_find_recipe(struct ts_session *, struct ts_recipe *);
#define TS_MODEL_EXPECTED "checkpoint folder or GGUF file"

/* All return a status with session->err filled. */
int ts_session_need_model(struct ts_session *); /* --model was given and is there */
int ts_session_open_chat(struct ts_session *);
int ts_session_open_backend(struct ts_session *);
int ts_session_open_model(struct ts_session *); /* backend, model, adapter */
enum ts_dtype ts_session_kv_dtype(const struct ts_session *);
enum ts_dtype ts_session_weights(const struct ts_session *);
/* What of --weights tells two results apart: " weights f32" of a GGUF file, "" of a folder. */
const char *ts_session_weights_name(const struct ts_session *);
/* What an engine over the opened model (and chat, if open, for its end token) is made of. */
struct ts_local ts_session_local(const struct ts_session *, size_t max_length);
/* An engine over the opened model (and chat, if open, for its end token). max_length 0 = the model's context. */
int ts_session_engine(struct ts_session *, size_t max_length, struct ts_responder **out);
int ts_session_read_rows(struct ts_session *, json_t **rows);
/* Before long work: whether its result can be written to `path` at all. NULL = standard output. */
int ts_session_check_out(struct ts_session *, const char *path);
/* Keeps other programs from the same journal or checkpoints until the session is closed: the file `out` + `ending` is locked, and removed in
 * the end. TS_ELOCKED. */
int ts_session_lock(struct ts_session *, const char *out, const char *ending);
/* Writes the array's rows as JSON Lines to --out (whole) or stdout. */
int ts_session_write_rows(struct ts_session *, const json_t *rows);
/* Reads the rows, lets `one` add its result to each, writes them. An error names the file and the row; a stop ends it. */
int ts_session_map_rows(struct ts_session *, int (*one)(void *user, json_t *row, size_t index, struct ts_error *err), void *user);

/* command_report.c. The metrics as a table on stdout, with what the run in `dir` cost (NULL = of no run). report.html of a finished run's
 * folder to `path`, NULL = into the folder, its name then being said. */
int ts_session_print_metrics(struct ts_session *, const json_t *metrics, const char *place, const char *dir);
int ts_session_write_page(struct ts_session *, const char *dir, const char *path);

/* Prints the error and returns the exit status for it. */
int ts_session_fail(struct ts_session *, int status);

/* A row's id: its "id" field as text or number, else its number from 1. Text is in buffer[64]. */
const char *ts_row_id(const json_t *row, size_t index, char buffer[64]);
/* The numbers of row[key] as ids. TS_EFORMAT when it is not an array of integers. */
int ts_row_ids(const json_t *row, const char *key, ts_ids *ids, struct ts_error *err);
json_t *ts_ids_json(const int32_t *ids, size_t n);

/* A row of the table of commands (commands.c). Help, man page and shell completion are made from it and from the command's options. */
struct ts_command {
	const char *name, *summary, *usage, *example;
	int (*run)(const struct ts_command *, int argc, char **argv);
	const struct ts_option_visitor *visitor; /* NULL in the table (cli/describe.h) */
};

/* The i-th row; NULL past the last. */
const struct ts_command *ts_command_at(size_t i);
const struct ts_command *ts_command_find(const char *name); /* NULL: no such command */
/* What an exit status means; NULL past the last. */
const char *ts_exit_meaning(int code);
/* The list of commands, as `thinksafe --help` shows it. */
void ts_commands_usage(FILE *to);

int ts_command_run(const struct ts_command *, int argc, char **argv);
int ts_command_plan(const struct ts_command *, int argc, char **argv);
int ts_command_generate(const struct ts_command *, int argc, char **argv);
int ts_command_chat(const struct ts_command *, int argc, char **argv);
int ts_command_judge(const struct ts_command *, int argc, char **argv);
int ts_command_train(const struct ts_command *, int argc, char **argv);
int ts_command_eval(const struct ts_command *, int argc, char **argv);
int ts_command_export(const struct ts_command *, int argc, char **argv);
int ts_command_report(const struct ts_command *, int argc, char **argv);
int ts_command_score(const struct ts_command *, int argc, char **argv);
int ts_command_tokenize(const struct ts_command *, int argc, char **argv);
int ts_command_render(const struct ts_command *, int argc, char **argv);
int ts_command_grade(const struct ts_command *, int argc, char **argv);
int ts_command_pull(const struct ts_command *, int argc, char **argv);
int ts_command_help(const struct ts_command *, int argc, char **argv);

#endif
