/* thinksafe train: accepted rows to a LoRA adapter. Checkpoints lie in OUT/checkpoints until the adapter is written, so that a stopped or
 * killed command goes on. */
#include "cli/session.h"
#include "core/file.h"
#include "core/mem.h"
#include "train/trainer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct train {
	struct ts_session session;
	struct ts_train_options options;
	struct ts_adapter_config lora;
	size_t rank, max_length;
	const char *schedule, *targets, *log_file;
	bool no_thinking;
	FILE *log;
	double started, last;
	int64_t moment; /* what strftime_now shows to the template */
	json_t *rows;
	TS_VEC(struct ts_example) examples;
};

static int ids_example(struct train *t, const json_t *row, struct ts_example *e, struct ts_error *err)
{
	ts_ids ids = {0}, mask = {0};
	uint8_t *bytes = NULL;
	int status = ts_row_ids(row, "ids", &ids, err);
	if (!status)
		status = ts_row_ids(row, "mask", &mask, err);
	if (!status && ids.len != mask.len)
		status = ts_fail(err, TS_EFORMAT, "\"ids\" has %zu items and \"mask\" %zu", ids.len, mask.len);
	if (!status && !(bytes = ts_calloc(mask.len, 1)))
		status = ts_fail_memory(err);
	for (size_t i = 0; i < mask.len && !status; i++)
		bytes[i] = mask.data[i] != 0;
	if (!status)
		status = ts_example_from_ids(e, ids.data, bytes, ids.len, t->max_length, err);
	ts_free(bytes);
	ts_vec_release(&ids);
	ts_vec_release(&mask);
	return status;
}

static int row_example(struct train *t, const json_t *row, struct ts_example *e, struct ts_error *err)
{
	const char *instruction, *response;
	if (json_object_get(row, "ids"))
		return ids_example(t, row, e, err);
	TS_TRY(ts_json_need_text(row, "instruction", &instruction, "", err));
	TS_TRY(ts_json_need_text(row, "response", &response, "", err));
	TS_TRY(ts_session_open_chat(&t->session));
	ts_chat_set_now(t->session.chat, t->moment);
	return ts_example_make(e, t->session.chat, instruction, response, !t->no_thinking, t->max_length, err);
}

static int make_examples(struct train *t)
{
	struct ts_session *s = &t->session;
	size_t i;
	const json_t *row;
	json_array_foreach (t->rows, i, row) {
		struct ts_example e = {0};
		char id[64], name[80];
		int status = row_example(t, row, &e, &s->err);
		size_t context = (size_t)ts_model_config(s->model)->max_positions;
		if (!status && e.len > context)
			status = ts_fail(&s->err, TS_ELIMIT,
					 "an example of %zu tokens, expected at most %zu (the model's context); --max-length cuts", e.len,
					 context);
		if (status) {
			ts_example_release(&e);
			return ts_fail_within(&s->err, status, "%s: row %s", s->in, ts_row_id(row, i, id));
		}
		snprintf(name, sizeof(name), "row %s", ts_row_id(row, i, id));
		if (!ts_example_usable(&e, name, false, &s->context)) {
			ts_example_release(&e);
		} else if (ts_vec_push(&t->examples, e)) {
			ts_example_release(&e);
			return ts_fail_memory(&s->err);
		}
	}
	return t->examples.len ? 0 : ts_fail(&s->err, TS_EFORMAT, "%s: no row to train on", s->in);
}

static int log_step(void *user, const struct ts_train_step *s, struct ts_error *err)
{
	struct train *t = user;
	double now = ts_clock(), seconds = now - t->last;
	t->last = now;
	fprintf(t->log, "{\"step\":%zu,\"loss\":%.9g,\"grad_norm\":%.9g,\"lr\":%.9g,\"tokens\":%zu,\"tokens_per_second\":%.1f}\n", s->step,
		s->loss, s->grad_norm, s->lr, s->targets, seconds > 0 ? (double)s->tokens / seconds : 0.0);
	return fflush(t->log) ? ts_fail(err, TS_EIO, "the training log cannot be written") : 0;
}

static int add_targets(struct train *t)
{
	struct ts_session *s = &t->session;
	for (const char *p = t->targets; *p;) {
		char name[16];
		size_t n = strcspn(p, ",");
		snprintf(name, sizeof(name), "%.*s", (int)(n < 15 ? n : 15), p);
		if (ts_adapter_config_add(&t->lora, name, &s->err))
			return ts_session_wrong(s, "--targets: %s", s->err.message);
		p += n + (p[n] == ',');
	}
	if (!t->lora.target_count)
		return ts_session_wrong(s, "--targets: expected at least one linear layer, found none");
	if (snprintf(t->lora.base_model, sizeof(t->lora.base_model), "%s", s->model_name) >= (int)sizeof(t->lora.base_model))
		return ts_fail(&s->err, TS_ELIMIT, "--model: the path is too long for adapter_config.json");
	return 0;
}

static int check_options(struct train *t)
{
	struct ts_session *s = &t->session;
	const struct ts_train_options *o = &t->options;
	if (!s->out)
		return ts_session_wrong(s, "--out DIR is needed");
	if (ts_schedule_parse(t->schedule, &t->options.schedule))
		return ts_session_wrong(s, "--schedule: expected cosine, linear or constant, found \"%s\"", t->schedule);
	if (!t->rank || t->rank > 65536)
		return ts_session_wrong(s, "--rank: expected 1 to 65536, found %zu", t->rank);
	if (!o->epochs || !o->batch || t->max_length < 2)
		return ts_session_wrong(s, "--epochs, --batch-size: expected at least 1; --max-length: at least 2");
	if (o->lr < 0 || o->warmup < 0 || o->warmup > 1 || o->clip < 0)
		return ts_session_wrong(s, "--lr, --clip: expected 0 or more; --warmup: 0 to 1");
	if (t->lora.alpha <= 0 || t->lora.dropout < 0 || t->lora.dropout >= 1)
		return ts_session_wrong(s, "--alpha: expected above 0; --dropout: 0 to below 1");
	return 0;
}

/* What is kept of the activations, within the bound. Said when something gave way. */
static int fit_memory(struct train *t)
{
	struct ts_session *s = &t->session;
	struct ts_train_options *o = &t->options;
	size_t rows = o->max_rows;
	const struct ts_train_bound bound = {.bytes = s->memory, .used = ts_mem_resident() + TS_MEMORY_GROWTH, .before = ts_mem_peak()};
	int layers = ts_model_config(s->model)->layers;
	TS_TRY(ts_train_fit_examples(o, s->model, s->adapter, t->examples.data, t->examples.len, &bound, &s->err));
	if (o->keep.layers < layers || o->max_rows < rows)
		ts_log(&s->context, TS_LOG_INFO,
		       "--memory: activations of %d of %d layers are kept (of attention: %d), the rest is computed again; passes of %zu "
		       "tokens",
		       o->keep.layers, layers, o->keep.attention, o->max_rows);
	return 0;
}

/* A template that prints the date must render the same text when the command goes on another day: the first start's moment lies beside
 * the checkpoints. */
static int find_moment(struct train *t, struct ts_str *path)
{
	struct ts_session *s = &t->session;
	struct ts_str text = {0};
	int status = ts_str_printf(path, "%s/checkpoints/moment", s->out) ? ts_fail_memory(&s->err) : 0;
	t->moment = (int64_t)time(NULL);
	if (!status && ts_file_exists(path->data) && !(status = ts_file_read(path->data, &text, &s->err)))
		t->moment = strtoll(ts_str_c(&text), NULL, 10);
	ts_str_release(&text);
	return status;
}

static int keep_moment(struct train *t, const char *path)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)t->moment);
	return ts_file_write(path, text, (size_t)n, &t->session.err);
}

static int run(struct train *t)
{
	struct ts_session *s = &t->session;
	struct ts_str checkpoints = {0};
	char hash[65], identity[96];
	TS_TRY(check_options(t));
	t->lora.rank = (int)t->rank;
	s->resumable = true;
	t->options.seed = (uint64_t)s->seed;
	TS_TRY(ts_session_open_model(s));
	TS_TRY(ts_model_hash(s->model_dir, hash, &s->err));
	snprintf(identity, sizeof(identity), "%s%s", hash, ts_session_weights_name(s));
	TS_TRY(add_targets(t));
	TS_TRY(ts_session_read_rows(s, &t->rows));
	struct ts_str moment = {0};
	int found = find_moment(t, &moment);
	if (!found)
		found = make_examples(t);
	ts_str_release(&moment);
	TS_TRY(found);
	TS_TRY(ts_adapter_new(&s->adapter, s->model, &t->lora, t->options.seed, &s->err));
	TS_TRY(fit_memory(t));
	TS_TRY(ts_dir_make(s->out, &s->err));
	TS_TRY(ts_session_lock(s, s->out, "/lock"));
	if (ts_path_join(&checkpoints, s->out, "adapter_model.safetensors"))
		return ts_fail_memory(&s->err);
	int writable = ts_session_check_out(s, checkpoints.data);
	ts_str_release(&checkpoints);
	TS_TRY(writable);
	if (ts_path_join(&checkpoints, s->out, "checkpoints"))
		return ts_fail_memory(&s->err);
	int kept = ts_dir_make(checkpoints.data, &s->err);
	if (!kept && !ts_str_printf(&moment, "%s/moment", checkpoints.data))
		kept = keep_moment(t, moment.data);
	ts_str_release(&moment);
	if (kept) {
		ts_str_release(&checkpoints);
		return kept;
	}
	t->options.checkpoint_dir = checkpoints.data;
	t->options.checkpoint_seconds = 5;
	t->options.identity = identity;
	t->log = t->log_file ? fopen(t->log_file, "a") : stdout;
	t->last = ts_clock();
	struct ts_train_hooks hooks = {.user = t, .step = log_step};
	int status = t->log ? ts_train(s->model, s->adapter, t->examples.data, t->examples.len, &t->options, &s->context, &hooks, &s->err)
			    : ts_fail(&s->err, TS_EIO, "%s: cannot write: %s", t->log_file, strerror(errno));
	if (status == TS_ESTOPPED)
		ts_fail(&s->err, status, "the state is in %s; run the same command again to go on", checkpoints.data);
	if (!status)
		status = ts_adapter_save(s->adapter, s->out, &s->err);
	if (!status)
		status = ts_path_remove(checkpoints.data, &s->err);
	if (t->log_file && t->log && fclose(t->log) && !status)
		status = ts_fail(&s->err, TS_EIO, "%s: cannot be written", t->log_file);
	ts_str_release(&checkpoints);
	return status;
}

int ts_command_train(const struct ts_command *command, int argc, char **argv)
{
	struct train t = {
		.options = ts_train_options_default(), .rank = 32, .max_length = 16384, .schedule = "cosine", .targets = "q_proj,v_proj"};
	struct ts_session *s = &t.session;
	ts_session_init(s);
	t.lora = (struct ts_adapter_config){.alpha = 16, .dropout = 0.05};
	const struct ts_option options[] = {
		{"model", "DIR|FILE|ID", "base model: checkpoint folder, GGUF file, or " TS_HELP_HUB, TS_OPT_TEXT, &s->model_dir, NULL},
		{"pre", "NAME", TS_HELP_PRE, TS_OPT_TEXT, &s->pre, NULL},
		{"weights", "bf16|f32", TS_HELP_WEIGHTS, TS_OPT_TEXT, &s->weights, NULL},
		{"in", "FILE", "rows with instruction and response, or ids and mask", TS_OPT_TEXT, &s->in, NULL},
		{"out", "DIR", "adapter folder to write (PEFT layout)", TS_OPT_TEXT, &s->out, NULL},
		{"log", "FILE", "append the log of steps here (default: standard output)", TS_OPT_TEXT, &t.log_file, NULL},
		{"epochs", "N", "passes over the rows (3)", TS_OPT_COUNT, &t.options.epochs, NULL},
		{"batch-size", "N", "sequences of an optimiser step (8)", TS_OPT_COUNT, &t.options.batch, NULL},
		{"lr", "X", "peak learning rate (1e-5)", TS_OPT_REAL, &t.options.lr, NULL},
		{"warmup", "X", "share of the steps (0.1)", TS_OPT_REAL, &t.options.warmup, NULL},
		{"schedule", "cosine|linear|constant", "of the learning rate (cosine)", TS_OPT_TEXT, &t.schedule, NULL},
		{"clip", "X", "largest gradient norm, 0 = off (1)", TS_OPT_REAL, &t.options.clip, NULL},
		{"rank", "N", "LoRA rank (32)", TS_OPT_COUNT, &t.rank, NULL},
		{"alpha", "X", "LoRA alpha (16)", TS_OPT_REAL, &t.lora.alpha, NULL},
		{"dropout", "X", "LoRA dropout (0.05)", TS_OPT_REAL, &t.lora.dropout, NULL},
		{"rslora", NULL, "scale = alpha / sqrt(rank)", TS_OPT_FLAG, &t.lora.use_rslora, NULL},
		{"targets", "LIST", "linear layers, or all-linear (q_proj,v_proj)", TS_OPT_TEXT, &t.targets, NULL},
		{"max-length", "N", "cut sequences here (16384)", TS_OPT_COUNT, &t.max_length, NULL},
		{"no-thinking", NULL, "do not repair think tags", TS_OPT_FLAG, &t.no_thinking, NULL},
		{"seed", "N", "order, dropout and initial adapter (42)", TS_OPT_INT, &s->seed, NULL},
		{"max-rows", "N", "tokens of one pass; changes no result", TS_OPT_COUNT, &t.options.max_rows, NULL},
		{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &s->threads, NULL},
		{"memory", "SIZE", "bound for the whole program, e.g. 512M; changes no result (none)", TS_OPT_BYTES, &s->memory, NULL},
		{"isa", "plain|avx2|avx512|neon", TS_HELP_ISA, TS_OPT_TEXT, &s->isa, NULL},
		{"numerics", "f32|bf16dot", TS_HELP_NUMERICS, TS_OPT_TEXT, &s->numerics, NULL},
		{"quiet", NULL, "no progress", TS_OPT_FLAG, &s->quiet, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0)
		code = ts_session_fail(s, run(&t));
	for (size_t i = 0; i < t.examples.len; i++)
		ts_example_release(&t.examples.data[i]);
	ts_vec_release(&t.examples);
	json_decref(t.rows);
	ts_session_close(s);
	return code;
}
