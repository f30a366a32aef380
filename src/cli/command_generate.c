/* thinksafe generate: prompts to responses. With --out the samples are journalled in OUT.journal, so that a stopped or killed command goes
 * on; the journal is removed when OUT is complete. */
#include "cli/session.h"
#include "core/file.h"
#include "core/sha256.h"
#include "method/label.h"
#include "method/method.h"
#include "run/recipe.h"
#include "run/sample_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct generate {
	struct ts_session session;
	struct ts_sampling_options sampling;
	size_t samples;
	const char *steering, *harmful_labels, *benign_labels;
	bool with_ids, ignore_eos, no_steering;

	struct ts_store *store;
	char settings[512]; /* whose journal it is */
	int64_t moment;     /* what strftime_now shows to the template */
	struct ts_responder *responder;
	struct ts_label_rule rule;
	json_t *rows;
	struct ts_prompt *prompts; /* [rows * samples] */
	bool templated;            /* all rows of one command are of one kind */
	size_t unlabelled;
};

/* "instruction" -> the user turn, steered where the label says harmful. */
static int instruction_prompt(struct generate *g, const json_t *row, const char *instruction, uint64_t attempt, struct ts_prompt *out,
			      struct ts_error *err)
{
	const char *label;
	enum ts_label meaning;
	struct ts_str turn = {0};
	TS_TRY(ts_json_text(row, "prompt_label", &label, "", err));
	TS_TRY(ts_label_read(&g->rule, label, &meaning, err));
	g->unlabelled += !label && !attempt;
	const struct ts_method *method = ts_method_find(g->no_steering ? "rejection" : "thinksafe");
	int status = 0;
	if (ts_method_user_turn(method, g->steering, meaning == TS_LABEL_HARMFUL, instruction, &turn))
		status = ts_fail_memory(err);
	if (!status)
		status = ts_prompt_user(out, g->session.chat, ts_str_c(&turn), (uint64_t)g->session.seed, "generate", attempt, err);
	ts_str_release(&turn);
	return status;
}

static int messages_prompt(struct generate *g, const json_t *messages, uint64_t attempt, struct ts_prompt *out, struct ts_error *err)
{
	struct ts_str text = {0};
	if (!json_is_array(messages))
		return ts_fail(err, TS_EFORMAT, "\"messages\": expected an array, found %s", ts_json_kind(messages));
	int status = ts_chat_render(g->session.chat, messages, true, NULL, &text, err);
	if (!status)
		status = ts_prompt_text(out, g->session.chat, ts_str_c(&text), text.len, (uint64_t)g->session.seed, "generate", attempt,
					err);
	ts_str_release(&text);
	return status;
}

static int ids_prompt(struct generate *g, const json_t *row, uint64_t attempt, struct ts_prompt *out, struct ts_error *err)
{
	ts_ids ids = {0};
	int status = ts_row_ids(row, "ids", &ids, err);
	if (!status)
		status = ts_prompt_ids(out, ids.data, ids.len, (uint64_t)g->session.seed, "generate", attempt, err);
	ts_vec_release(&ids);
	return status;
}

static int row_prompt(struct generate *g, const json_t *row, uint64_t attempt, struct ts_prompt *out, bool *templated, struct ts_error *err)
{
	const char *instruction, *prompt;
	const json_t *messages = json_object_get(row, "messages");
	*templated = false;
	if (json_object_get(row, "ids"))
		return ids_prompt(g, row, attempt, out, err);
	TS_TRY(ts_json_text(row, "instruction", &instruction, "", err));
	TS_TRY(ts_json_text(row, "prompt", &prompt, "", err));
	*templated = messages || instruction;
	if (messages)
		return messages_prompt(g, messages, attempt, out, err);
	if (instruction)
		return instruction_prompt(g, row, instruction, attempt, out, err);
	if (prompt)
		return ts_prompt_text(out, g->session.chat, prompt, strlen(prompt), (uint64_t)g->session.seed, "generate", attempt, err);
	return ts_fail(err, TS_EFORMAT, "expected \"instruction\", \"prompt\", \"messages\" or \"ids\"");
}

static int make_prompts(struct generate *g)
{
	struct ts_session *s = &g->session;
	size_t i, n = json_array_size(g->rows);
	const json_t *row;
	g->prompts = ts_calloc(n * g->samples, sizeof(*g->prompts));
	if (!g->prompts)
		return ts_fail_memory(&s->err);
	json_array_foreach (g->rows, i, row)
		for (size_t k = 0; k < g->samples; k++) {
			char id[64];
			bool templated;
			int status = row_prompt(g, row, k, &g->prompts[i * g->samples + k], &templated, &s->err);
			if (!status && i && templated != g->templated)
				status = ts_fail(&s->err, TS_EFORMAT, "templated and raw prompts are mixed in one file; give them in two");
			if (status)
				return ts_fail_within(&s->err, status, "%s: row %s", s->in, ts_row_id(row, i, id));
			g->templated = templated;
			g->prompts[i * g->samples + k].file = s->in;
			g->prompts[i * g->samples + k].number = i + 1;
		}
	if (g->unlabelled)
		ts_log(&s->context, TS_LOG_WARN, "%zu of %zu rows have no prompt_label: they are not steered", g->unlabelled, n);
	return 0;
}

static int adapter_hash(const char *dir, const char *name, char hash[65], struct ts_error *err)
{
	struct ts_str path = {0};
	int status = ts_path_join(&path, dir, name) ? ts_fail_memory(err) : ts_sha256_file(path.data, hash, err);
	ts_str_release(&path);
	return status;
}

/* Everything that a sample depends on beside its own name (the rendered prompt, the seed, the try). */
static int settings_text(const struct generate *g, char settings[512], struct ts_error *err)
{
	const struct ts_session *s = &g->session;
	char model[65], adapter[65] = "none", scale[65] = "";
	TS_TRY(ts_model_hash(s->model_dir, model, err));
	if (s->adapter_dir) {
		TS_TRY(adapter_hash(s->adapter_dir, "adapter_model.safetensors", adapter, err));
		TS_TRY(adapter_hash(s->adapter_dir, "adapter_config.json", scale, err));
	}
	snprintf(settings, 512,
		 "model %s%s text %s adapter %s%s%s seed %lld temperature %.17g top_p %.17g top_k %zu max_new_tokens %zu%s kv %s", model,
		 ts_session_weights_name(s), ts_chat_hash(s->chat), adapter, *scale ? " with " : "", scale, (long long)s->seed,
		 g->sampling.temperature, g->sampling.top_p, g->sampling.top_k, g->sampling.max_new_tokens,
		 g->ignore_eos ? " ignore_eos" : "", s->kv_dtype ? s->kv_dtype : "f32");
	return 0;
}

/* The journal beside the output, and a name for what it may hold: samples of other settings are not this command's. */
static int open_store(struct generate *g, struct ts_str *path)
{
	struct ts_session *s = &g->session;
	struct ts_str known = {0}, moment = {0};
	bool found, dated = false;
	if (!s->out)
		return ts_store_open(&g->store, ":memory:", &s->err);
	if (ts_str_printf(path, "%s.journal", s->out))
		return ts_fail_memory(&s->err);
	TS_TRY(ts_session_lock(s, s->out, ".lock"));
	TS_TRY(settings_text(g, g->settings, &s->err));
	TS_TRY(ts_store_open(&g->store, path->data, &s->err));
	int status = ts_store_get_meta(g->store, "settings", &known, &found, &s->err);
	if (!status && found && strcmp(ts_str_c(&known), g->settings))
		status = ts_fail(&s->err, TS_EMISMATCH,
				 "%s: is the journal of a command with other settings; "
				 "remove it or use another --out (expected: %s; found: %s)",
				 path->data, ts_str_c(&known), g->settings);
	if (!status)
		status = ts_store_get_meta(g->store, "moment", &moment, &dated, &s->err);
	/* A template that prints the date must render the same text when the command goes on another day. */
	g->moment = dated ? strtoll(ts_str_c(&moment), NULL, 10) : (int64_t)time(NULL);
	ts_chat_set_now(s->chat, g->moment);
	ts_str_release(&known);
	ts_str_release(&moment);
	return status;
}

/* The journal becomes this command's once its input was found good: a start that fails binds nothing. */
static int claim_store(struct generate *g)
{
	struct ts_session *s = &g->session;
	char moment[32];
	if (!s->out)
		return 0;
	snprintf(moment, sizeof(moment), "%lld", (long long)g->moment);
	TS_TRY(ts_store_put_meta(g->store, "settings", g->settings, &s->err));
	TS_TRY(ts_store_put_meta(g->store, "moment", moment, &s->err));
	TS_TRY(ts_store_flush(g->store, &s->err));
	s->resumable = true;
	return 0;
}

/* All prompts first: one that does not fit must not cost the responses before it. */
static int check_prompts(struct generate *g)
{
	struct ts_session *s = &g->session;
	const struct ts_model_config *config = ts_model_config(s->model);
	for (size_t i = 0; i < json_array_size(g->rows) * g->samples; i++) {
		const ts_ids *ids = &g->prompts[i].ids;
		size_t row = i / g->samples;
		char id[64];
		const char *name = ts_row_id(json_array_get(g->rows, row), row, id);
		if (ids->len > (size_t)config->max_positions)
			return ts_fail(&s->err, TS_ELIMIT, "%s: row %s: a prompt of %zu tokens, expected at most %d (the model's context)",
				       s->in, name, ids->len, config->max_positions);
		for (size_t k = 0; k < ids->len && !g->templated; k++)
			if (ids->data[k] >= config->vocab_size)
				return ts_fail(&s->err, TS_EMISMATCH,
					       "%s: row %s: token id %d, expected at most %d (the model's vocabulary)", s->in, name,
					       ids->data[k], config->vocab_size - 1);
	}
	return 0;
}

static int open_engine(void *user, size_t max_length, struct ts_responder **out, struct ts_error *err)
{
	struct generate *g = user;
	struct ts_session *s = &g->session;
	int status = ts_session_open_model(s);
	if (!status)
		status = check_prompts(g);
	if (!status)
		status = ts_session_engine(s, max_length, &g->responder);
	*out = g->responder;
	if (status && err != &s->err)
		*err = s->err;
	return status;
}

static int output_row(struct generate *g, json_t *out, const json_t *row, size_t prompt, size_t k)
{
	struct ts_session *s = &g->session;
	struct ts_sample sample;
	bool found;
	TS_TRY(ts_store_get_sample(g->store, "generate", g->prompts[prompt].name, &sample, &found, &s->err));
	if (!found)
		return ts_fail(&s->err, TS_ENOTFOUND, "journal: a sample is missing");
	json_t *copy = ts_json_copy(row);
	bool failed = !copy || json_object_set_new(copy, "response", json_stringn(sample.response, sample.response_len)) ||
		      json_object_set_new(copy, "tokens", json_integer(sample.tokens)) ||
		      json_object_set_new(copy, "finish", json_string(sample.finish)) ||
		      json_object_set_new(copy, "seed", json_integer(s->seed));
	if (!failed && g->samples > 1)
		failed = json_object_set_new(copy, "try", json_integer((json_int_t)k));
	if (!failed && g->with_ids)
		failed = json_object_set_new(copy, "completion_ids", ts_ids_json(sample.ids, sample.id_count));
	ts_sample_release(&sample);
	if (failed)
		json_decref(copy);
	return failed || json_array_append_new(out, copy) ? ts_fail_memory(&s->err) : 0;
}

static int check_options(struct generate *g)
{
	struct ts_session *s = &g->session;
	if (!s->model_dir)
		return ts_session_wrong(s, "--model DIR or FILE is needed");
	if (!g->samples || g->samples > 4096)
		return ts_session_wrong(s, "--samples: expected 1 to 4096, found %zu", g->samples);
	int status = ts_sampling_options_check(&g->sampling, &s->err);
	s->wrong_usage = status != 0;
	return status;
}

static int run(struct generate *g, struct ts_str *journal)
{
	struct ts_session *s = &g->session;
	size_t i;
	const json_t *row;
	json_t *out = NULL;
	TS_TRY(check_options(g));
	TS_TRY(ts_label_rule_init(&g->rule, g->harmful_labels, g->benign_labels, &s->err));
	TS_TRY(ts_session_check_out(s, s->out));
	TS_TRY(ts_session_open_chat(s));
	TS_TRY(ts_session_read_rows(s, &g->rows));
	TS_TRY(open_store(g, journal));
	TS_TRY(make_prompts(g));
	TS_TRY(claim_store(g));
	struct ts_sample_stage stage = {.store = g->store,
					.stage = "generate",
					.title = "generate",
					.chat = s->chat,
					.ignore_eos = g->ignore_eos,
					.templated = g->templated,
					.sampling = ts_sampling_options_get(&g->sampling),
					.open = open_engine,
					.user = g};
	TS_TRY(ts_sample_stage_run(&stage, g->prompts, json_array_size(g->rows) * g->samples, &s->context, &s->err));
	if (g->responder)
		ts_local_say_shared(g->responder, &s->context);
	if (!(out = json_array()))
		return ts_fail_memory(&s->err);
	int status = 0;
	json_array_foreach (g->rows, i, row)
		for (size_t k = 0; k < g->samples && !status; k++)
			status = output_row(g, out, row, i * g->samples + k, k);
	if (!status)
		status = ts_session_write_rows(s, out);
	json_decref(out);
	return status;
}

static void remove_journal(const struct ts_str *journal)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	for (size_t i = 0; journal->len && i < 3; i++) {
		struct ts_str path = {0};
		if (!ts_str_printf(&path, "%s%s", journal->data, endings[i]))
			ts_path_remove(path.data, NULL);
		ts_str_release(&path);
	}
}

int ts_command_generate(const struct ts_command *command, int argc, char **argv)
{
	struct ts_recipe defaults;
	struct generate g = {0};
	struct ts_session *s = &g.session;
	struct ts_str journal = {0};
	ts_session_init(s);
	ts_recipe_default(&defaults);
	ts_sampling_options_default(&g.sampling);
	g.samples = 1;
	g.steering = defaults.steering.text;
	const struct ts_option options[] = {
		TS_OPTIONS_MODEL(s),
		TS_OPTIONS_ROWS(s),
		TS_OPTIONS_SAMPLING(&g.sampling),
		{"samples", "N", "responses per row (1)", TS_OPT_COUNT, &g.samples, NULL},
		{"seed", "N", "seed of the run (42)", TS_OPT_INT, &s->seed, NULL},
		{"steering-text", "TEXT", "user turn for harmful prompts, {x} = the prompt (the method's)", TS_OPT_TEXT, &g.steering, NULL},
		{"no-steering", NULL, "steer nothing (rejection sampling)", TS_OPT_FLAG, &g.no_steering, NULL},
		{"harmful-labels", "WORDS", "more label words that mean harmful", TS_OPT_TEXT, &g.harmful_labels, NULL},
		{"benign-labels", "WORDS", "more label words that mean benign", TS_OPT_TEXT, &g.benign_labels, NULL},
		{"ids", NULL, "also write completion_ids", TS_OPT_FLAG, &g.with_ids, NULL},
		{"ignore-eos", NULL, "go on to --max-new-tokens", TS_OPT_FLAG, &g.ignore_eos, NULL},
		TS_OPTIONS_MACHINE(s),
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	if (code < 0) {
		int status = run(&g, &journal);
		size_t n = json_array_size(g.rows) * g.samples;
		if (g.responder)
			g.responder->close(g.responder);
		if (g.store)
			ts_store_close(g.store, NULL);
		if (!status)
			remove_journal(&journal);
		for (size_t i = 0; g.prompts && i < n; i++)
			ts_prompt_release(&g.prompts[i]);
		code = ts_session_fail(s, status);
	}
	ts_free(g.prompts);
	json_decref(g.rows);
	ts_label_rule_release(&g.rule);
	ts_str_release(&journal);
	ts_session_close(s);
	return code;
}
