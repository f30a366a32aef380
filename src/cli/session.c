#include "cli/session.h"

#include "cli/describe.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "run/recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ts_session_init(struct ts_session *s)
{
	*s = (struct ts_session){.batch = 64, .chunk = 512, .seed = 42, .in = "-", .lock = -1};
}

int ts_session_lock(struct ts_session *s, const char *out, const char *ending)
{
	if (ts_str_printf(&s->lock_path, "%s%s", out, ending))
		return ts_fail_memory(&s->err);
	return ts_lock_acquire(s->lock_path.data, &s->lock, &s->err);
}

void ts_session_close(struct ts_session *s)
{
	ts_adapter_free(s->adapter);
	ts_model_close(s->model);
	ts_chat_close(s->chat);
	ts_backend_free(s->backend);
	if (s->lock >= 0) {
		ts_path_remove(s->lock_path.data, NULL);
		ts_lock_release(s->lock);
	}
	ts_str_release(&s->lock_path);
	ts_str_release(&s->model_path);
	ts_str_release(&s->adapter_path);
}

int ts_session_usage(const struct ts_command *c, const struct ts_option *options, size_t count)
{
	printf("thinksafe %s: %s\n\nusage: thinksafe %s\n\n", c->name, c->summary, c->usage);
	ts_options_help(options, count);
	printf("\nexample:\n  %s\n", c->example);
	return TS_EXIT_OK;
}

/* What no command can work with, whatever its own options are. */
static int check_common(struct ts_session *s)
{
	enum ts_isa isa;
	if (!s->batch || !s->chunk)
		return ts_session_wrong(s, "--%s: expected at least 1, found 0", s->batch ? "chunk" : "batch");
	if (s->threads > 4096)
		return ts_session_wrong(s, "--threads: expected at most 4096, found %zu", s->threads);
	if (s->seed < 0)
		return ts_session_wrong(s, "--seed: expected 0 or more, found %lld", (long long)s->seed);
	if (s->isa && ts_isa_parse(s->isa, &isa))
		return ts_session_wrong(s, "--isa: expected " TS_ISA_NAMES ", found \"%s\"", s->isa);
	if (s->numerics && strcmp(s->numerics, "f32") && strcmp(s->numerics, "bf16dot"))
		return ts_session_wrong(s, "--numerics: expected f32 or bf16dot, found \"%s\"", s->numerics);
	if (s->weights && strcmp(s->weights, "f32") && strcmp(s->weights, "bf16"))
		return ts_session_wrong(s, "--weights: expected bf16 or f32, found \"%s\"", s->weights);
	if (s->kv_dtype && strcmp(s->kv_dtype, "f32") && strcmp(s->kv_dtype, "bf16"))
		return ts_session_wrong(s, "--kv-dtype: expected f32 or bf16, found \"%s\"", s->kv_dtype);
	return 0;
}

int ts_session_parse(struct ts_session *s, const struct ts_command *c, const struct ts_option *options, size_t count, int argc, char **argv,
		     int *words)
{
	bool help;
	int found;
	s->command = c;
	if (c->visitor) {
		c->visitor->visit(c->visitor->user, c, options, count);
		return TS_EXIT_OK;
	}
	int status = ts_options_parse(options, count, argc, argv, &found, &help, &s->err);
	if (!status && help)
		return ts_session_usage(c, options, count);
	if (!status && found && !words)
		status = ts_fail(&s->err, TS_EINVAL, "unexpected word \"%s\"", argv[0]);
	if (!status)
		status = check_common(s);
	if (status) {
		s->wrong_usage = true;
		return ts_session_fail(s, status);
	}
	if (words)
		*words = found;
	ts_terminal_init(&s->context, s->quiet);
	s->model_name = s->model_dir;
	status = ts_session_find(s, &s->model_dir, &s->model_path, TS_MODEL_EXPECTED);
	if (!status)
		status = ts_session_find(s, &s->adapter_dir, &s->adapter_path, "adapter folder");
	return status ? ts_session_fail(s, status) : -1;
}

void ts_sampling_options_default(struct ts_sampling_options *o)
{
	struct ts_recipe r;
	ts_recipe_default(&r);
	*o = (struct ts_sampling_options){r.sampling.temperature, r.sampling.top_p, 0, r.sampling.max_new_tokens};
}

int ts_sampling_options_check(const struct ts_sampling_options *o, struct ts_error *err)
{
	if (!o->max_new_tokens || o->max_new_tokens > 1 << 24)
		return ts_fail(err, TS_EINVAL, "--max-new-tokens: expected 1 to %d, found %zu", 1 << 24, o->max_new_tokens);
	if (o->temperature < 0 || o->temperature > 100)
		return ts_fail(err, TS_EINVAL, "--temperature: expected 0 to 100, found %g", o->temperature);
	if (o->top_p <= 0 || o->top_p > 1)
		return ts_fail(err, TS_EINVAL, "--top-p: expected above 0 to 1, found %g", o->top_p);
	if (o->top_k > 1 << 24)
		return ts_fail(err, TS_EINVAL, "--top-k: expected 0 to %d, found %zu", 1 << 24, o->top_k);
	return 0;
}

struct ts_sampling ts_sampling_options_get(const struct ts_sampling_options *o)
{
	return (struct ts_sampling){o->temperature, o->top_p, (int)o->top_k, o->max_new_tokens};
}

int ts_session_wrong(struct ts_session *s, const char *format, ...)
{
	char text[sizeof(s->err.message)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	s->wrong_usage = true;
	return ts_fail(&s->err, TS_EINVAL, "%s", text);
}

int ts_session_fail(struct ts_session *s, int status)
{
	if (!status && (fflush(stdout) || ferror(stdout)))
		status = ts_fail(&s->err, TS_EIO, "standard output cannot be written");
	if (!status)
		return TS_EXIT_OK;
	ts_terminal_close_line();
	const char *message = s->err.code ? s->err.message : ts_status_text(status);
	if (status == TS_ESTOPPED && s->resumable) {
		ts_terminal_say("stopped: ", s->err.code ? message : "run the same command again to go on");
		return TS_EXIT_STOPPED;
	}
	if (status == TS_ESTOPPED) {
		ts_terminal_say("stopped: ", s->err.code ? message : "nothing was kept");
		return TS_EXIT_FAILED;
	}
	if (s->wrong_usage) {
		fprintf(stderr, "thinksafe %s: ", s->command->name);
		ts_terminal_say("", message);
		fprintf(stderr, "usage: thinksafe %s   (--help says more)\n", s->command->usage);
		return TS_EXIT_USAGE;
	}
	ts_terminal_say("thinksafe: ", message);
	return TS_EXIT_FAILED;
}

int ts_session_need_model(struct ts_session *s)
{
	if (!s->model_dir)
		return ts_session_wrong(s, "--model DIR, FILE or ORG/NAME is needed");
	if (!ts_dir_exists(s->model_dir) && !ts_file_exists(s->model_dir))
		return ts_fail(&s->err, TS_ENOTFOUND, "%s: no such " TS_MODEL_EXPECTED, s->model_dir);
	return 0;
}

int ts_session_open_chat(struct ts_session *s)
{
	TS_TRY(ts_session_need_model(s));
	return s->chat ? 0 : ts_local_open_chat_as(&s->chat, s->model_dir, s->pre, &s->err);
}

int ts_session_open_backend(struct ts_session *s)
{
	enum ts_isa isa = TS_ISA_AUTO;
	if (s->isa)
		ts_isa_parse(s->isa, &isa); /* checked with the options */
	if (s->backend)
		return 0;
	TS_TRY(ts_backend_cpu_new(&s->backend, isa, (int)s->threads, &s->err));
	return ts_backend_use_numerics(s->backend, s->numerics, &s->err);
}

int ts_session_open_model(struct ts_session *s)
{
	TS_TRY(ts_session_need_model(s));
	if (s->model_path.len)
		TS_TRY(ts_session_need_whole(s, s->model_name, s->model_dir));
	TS_TRY(ts_session_open_backend(s));
	if (!s->model)
		TS_TRY(ts_model_open_as(&s->model, s->backend, s->model_dir, ts_session_weights(s), &s->context, &s->err));
	if (s->adapter_dir && !s->adapter)
		TS_TRY(ts_adapter_load(&s->adapter, s->model, s->adapter_dir, &s->err));
	return 0;
}

enum ts_dtype ts_session_weights(const struct ts_session *s)
{
	return s->weights && !strcmp(s->weights, "f32") ? TS_F32 : TS_BF16;
}

const char *ts_session_weights_name(const struct ts_session *s)
{
	if (!ts_file_exists(s->model_dir))
		return "";
	return ts_session_weights(s) == TS_F32 ? " weights f32" : " weights bf16";
}

enum ts_dtype ts_session_kv_dtype(const struct ts_session *s)
{
	return s->kv_dtype && !strcmp(s->kv_dtype, "bf16") ? TS_BF16 : TS_F32;
}

struct ts_local ts_session_local(const struct ts_session *s, size_t max_length)
{
	return (struct ts_local){.model = s->model,
				 .adapter = s->adapter,
				 .chat = s->chat,
				 .batch = s->batch,
				 .chunk = s->chunk,
				 .memory = s->memory,
				 .max_length = max_length,
				 .kv_dtype = ts_session_kv_dtype(s)};
}

int ts_session_engine(struct ts_session *s, size_t max_length, struct ts_responder **out)
{
	struct ts_local l = ts_session_local(s, max_length);
	return ts_local_open(out, &l, &s->context, &s->err);
}

int ts_session_check_out(struct ts_session *s, const char *path)
{
	return path ? ts_file_check_writable(path, &s->err) : 0;
}

int ts_session_read_rows(struct ts_session *s, json_t **rows)
{
	bool standard = !strcmp(s->in, "-");
	if (standard && isatty(STDIN_FILENO))
		fprintf(stderr, "reading rows from the terminal; end with Ctrl-D (or give --in FILE)\n");
	ts_terminal_waiting(standard);
	int status = ts_rows_load(s->in, rows, &s->err);
	ts_terminal_waiting(false);
	return status;
}

int ts_session_write_rows(struct ts_session *s, const json_t *rows)
{
	struct ts_str text = {0};
	size_t i;
	const json_t *row;
	int status = 0;
	json_array_foreach (rows, i, row) {
		if (ts_json_dump(row, &text) || ts_str_putc(&text, '\n')) {
			status = ts_fail_memory(&s->err);
			break;
		}
		if (!s->out) {
			fwrite(ts_str_c(&text), 1, text.len, stdout);
			ts_str_clear(&text);
		}
	}
	if (!status && s->out)
		status = ts_file_write(s->out, ts_str_c(&text), text.len, &s->err);
	if (!status && !s->out && (fflush(stdout) || ferror(stdout)))
		status = ts_fail(&s->err, TS_EIO, "standard output cannot be written");
	ts_str_release(&text);
	return status;
}

int ts_session_map_rows(struct ts_session *s, int (*one)(void *user, json_t *row, size_t index, struct ts_error *err), void *user)
{
	json_t *rows = NULL, *row;
	size_t i;
	int status = ts_session_check_out(s, s->out);
	if (!status)
		status = ts_session_read_rows(s, &rows);
	json_array_foreach (rows, i, row) {
		char id[64];
		if (!status && ts_should_stop(&s->context))
			status = TS_ESTOPPED;
		if (status)
			break;
		status = one(user, row, i, &s->err);
		if (status)
			ts_fail_within(&s->err, status, "%s: row %s", s->in, ts_row_id(row, i, id));
	}
	if (!status)
		status = ts_session_write_rows(s, rows);
	json_decref(rows);
	return status;
}

const char *ts_row_id(const json_t *row, size_t index, char buffer[64])
{
	const json_t *id = json_object_get(row, "id");
	if (json_is_string(id))
		snprintf(buffer, 64, "%s", json_string_value(id));
	else if (json_is_integer(id))
		snprintf(buffer, 64, "%lld", (long long)json_integer_value(id));
	else
		snprintf(buffer, 64, "%zu", index + 1);
	return buffer;
}

int ts_row_ids(const json_t *row, const char *key, ts_ids *ids, struct ts_error *err)
{
	const json_t *list = json_object_get(row, key), *v;
	size_t i;
	if (!json_is_array(list))
		return ts_fail(err, TS_EFORMAT, "\"%s\": expected an array of token ids, found %s", key, ts_json_kind(list));
	json_array_foreach (list, i, v) {
		if (!json_is_integer(v))
			return ts_fail(err, TS_EFORMAT, "\"%s\": item %zu: expected a token id, found %s", key, i + 1, ts_json_kind(v));
		if (json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
			return ts_fail(err, TS_EFORMAT, "\"%s\": item %zu: expected a token id, found %" JSON_INTEGER_FORMAT, key, i + 1,
				       json_integer_value(v));
		if (ts_vec_push(ids, (int32_t)json_integer_value(v)))
			return ts_fail_memory(err);
	}
	return 0;
}

json_t *ts_ids_json(const int32_t *ids, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, json_integer(ids[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}
