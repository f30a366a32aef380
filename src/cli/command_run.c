/* thinksafe run, eval, report: the pipeline and its results. */
#include "cli/session.h"
#include "core/file.h"
#include "report/table.h"
#include "run/run.h"

#include <stdio.h>
#include <string.h>

struct command_run {
	struct ts_session session;
	struct ts_run_machine machine;
	struct ts_recipe recipe;
	const char *run_dir;
	bool print_recipe, recipe_open;
	/* --train.lr 1e-4 and the like: kept until the recipe file is read */
	struct {
		const char *key, *text;
	} set[64];
	int set_count;
};

static int keep_setting(void *user, const char *name, const char *text, struct ts_error *err)
{
	struct command_run *c = user;
	if (c->set_count == 64)
		return ts_fail(err, TS_EINVAL, "too many recipe options");
	c->set[c->set_count].key = name;
	c->set[c->set_count++].text = text;
	return 0;
}

#define KEY(name, argument, help) {name, argument, help, TS_OPT_EACH, c, keep_setting}

static int open_recipe(struct command_run *c, const char *path)
{
	struct ts_session *s = &c->session;
	TS_TRY(ts_recipe_load(&c->recipe, path, &s->err));
	c->recipe_open = true;
	for (int i = 0; i < c->set_count; i++)
		TS_TRY(ts_recipe_set(&c->recipe, c->set[i].key, c->set[i].text, &s->err));
	c->machine.threads = s->threads;
	c->machine.batch = s->batch;
	c->machine.chunk = s->chunk;
	c->machine.memory = s->memory;
	c->machine.isa = s->isa;
	return 0;
}

static int print_table(struct ts_session *s, const json_t *metrics)
{
	struct ts_str text = {0};
	int status = ts_report_table(metrics, "metrics", &text, &s->err);
	if (!status)
		fputs(ts_str_c(&text), stdout);
	ts_str_release(&text);
	return status;
}

/* The object of cli.md: before, after, accepted, run. */
static int print_summary(struct ts_session *s, const json_t *metrics, const char *dir)
{
	struct ts_str text = {0};
	json_t *o = json_pack("{s:O?, s:O?, s:O?, s:s?}", "before", json_object_get(metrics, "before"), "after", json_object_get(metrics, "after"), "accepted",
			      json_object_get(metrics, "accepted"), "run", dir);
	int status = o && !ts_json_dump(o, &text) ? 0 : ts_fail_memory(&s->err);
	if (!status)
		printf("%s\n", ts_str_c(&text));
	json_decref(o);
	ts_str_release(&text);
	return status;
}

static int show(struct ts_session *s, const json_t *metrics, const char *dir)
{
	return s->json ? print_summary(s, metrics, dir) : print_table(s, metrics);
}

/* runs/<recipe's name> */
static int default_dir(struct command_run *c, struct ts_str *dir)
{
	if (c->run_dir)
		return ts_str_puts(dir, c->run_dir);
	return ts_str_printf(dir, "runs/%s", c->recipe.name);
}

static int run(struct command_run *c, const char *path)
{
	struct ts_session *s = &c->session;
	struct ts_str dir = {0}, text = {0};
	json_t *metrics = NULL;
	int status = open_recipe(c, path);
	if (!status && c->print_recipe) {
		status = ts_recipe_print(&c->recipe, &text, &s->err);
		fputs(ts_str_c(&text), stdout);
	} else if (!status) {
		status = default_dir(c, &dir) ? ts_fail_memory(&s->err) : ts_run(&c->recipe, dir.data, &c->machine, &s->context, &metrics, &s->err);
		if (!status)
			status = show(s, metrics, dir.data);
	}
	json_decref(metrics);
	ts_str_release(&dir);
	ts_str_release(&text);
	return status;
}

static int evaluate(struct command_run *c, const char *path)
{
	struct ts_session *s = &c->session;
	json_t *metrics = NULL;
	struct ts_str text = {0};
	int status = open_recipe(c, path);
	if (!status)
		status = ts_run_eval(&c->recipe, c->run_dir, s->adapter_dir, &c->machine, &s->context, &metrics, &s->err);
	if (!status && s->json) {
		status = ts_json_dump(metrics, &text);
		printf("%s\n", ts_str_c(&text));
	} else if (!status) {
		status = print_table(s, metrics);
	}
	json_decref(metrics);
	ts_str_release(&text);
	return status;
}

static int finish(struct command_run *c, int code)
{
	if (c->recipe_open)
		ts_recipe_release(&c->recipe);
	ts_session_close(&c->session);
	return code;
}

/* Exactly one word, the recipe or run. */
static int one_word(struct ts_session *s, const struct ts_command *command, int words)
{
	if (words == 1)
		return -1;
	fprintf(stderr, "thinksafe %s: expected one argument, found %d\nusage: thinksafe %s   (--help says more)\n", command->name, words, command->usage);
	(void)s;
	return TS_EXIT_USAGE;
}

#define RECIPE_KEYS \
	KEY("model", "DIR", "student checkpoint"), KEY("guard", "DIR", "guard checkpoint"), KEY("method", "NAME", "thinksafe or rejection"), \
	KEY("train-prompts", "FILE", "prompts to learn from"), KEY("seed", "N", "seed of the run"), KEY("alpha-prompts", "N", "plain samples for alpha_ref"), \
	KEY("sampling.temperature", "T", "sampling temperature"), KEY("sampling.top-p", "P", "nucleus"), KEY("sampling.top-k", "K", "0 = off"), \
	KEY("sampling.max-new-tokens", "N", "most tokens of a response"), KEY("steering.tries", "N", "tries per prompt"), \
	KEY("lora.rank", "N", "LoRA rank"), KEY("lora.alpha", "X", "LoRA alpha"), KEY("lora.dropout", "X", "LoRA dropout"), \
	KEY("train.epochs", "N", "epochs"), KEY("train.batch", "N", "sequences of an optimiser step"), KEY("train.lr", "X", "peak learning rate"), \
	KEY("train.warmup", "X", "share of the steps"), KEY("train.schedule", "NAME", "cosine, linear or constant"), KEY("train.clip", "X", "largest gradient norm"), \
	KEY("train.max-length", "N", "cut sequences here"), KEY("thinking", "WORD", "required or none"), KEY("kv-dtype", "NAME", "f32 or bf16")

int ts_command_run(const struct ts_command *command, int argc, char **argv)
{
	struct command_run run_command = {0}, *c = &run_command;
	struct ts_session *s = &c->session;
	ts_session_init(s);
	int words;
	const struct ts_option options[] = {
		{"run", "DIR", "run directory (runs/<recipe's name>); run again to resume", TS_OPT_TEXT, &c->run_dir, NULL},
		{"print-recipe", NULL, "print the full recipe with defaults and stop", TS_OPT_FLAG, &c->print_recipe, NULL},
		{"json", NULL, "the last line of standard output is one JSON object", TS_OPT_FLAG, &s->json, NULL},
		{"quiet", NULL, "no progress", TS_OPT_FLAG, &s->quiet, NULL},
		{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &s->threads, NULL},
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &s->batch, NULL},
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &s->chunk, NULL},
		{"memory", "SIZE", "bound for the KV cache, e.g. 512M; changes no result", TS_OPT_BYTES, &s->memory, NULL},
		{"isa", "NAME", "plain, avx2 or avx512: same bits, other speed (best found)", TS_OPT_TEXT, &s->isa, NULL},
		RECIPE_KEYS,
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0)
		code = one_word(s, command, words);
	if (code < 0)
		code = ts_session_fail(s, run(c, argv[0]));
	return finish(c, code);
}

int ts_command_eval(const struct ts_command *command, int argc, char **argv)
{
	struct command_run eval_command = {0}, *c = &eval_command;
	struct ts_session *s = &c->session;
	ts_session_init(s);
	int words;
	const struct ts_option options[] = {
		{"adapter", "DIR", "LoRA adapter folder, used unmerged", TS_OPT_TEXT, &s->adapter_dir, NULL},
		{"run", "DIR", "keep the samples here, to go on after a stop (default: memory)", TS_OPT_TEXT, &c->run_dir, NULL},
		{"json", NULL, "metrics as one JSON object", TS_OPT_FLAG, &s->json, NULL},
		{"quiet", NULL, "no progress", TS_OPT_FLAG, &s->quiet, NULL},
		{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &s->threads, NULL},
		{"batch", "N", "most sequences at once; changes no result (64)", TS_OPT_COUNT, &s->batch, NULL},
		{"chunk", "N", "most prompt tokens computed in one step; changes no result (512)", TS_OPT_COUNT, &s->chunk, NULL},
		{"isa", "NAME", "plain, avx2 or avx512: same bits, other speed (best found)", TS_OPT_TEXT, &s->isa, NULL},
		RECIPE_KEYS,
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0)
		code = one_word(s, command, words);
	if (code < 0)
		code = ts_session_fail(s, evaluate(c, argv[0]));
	return finish(c, code);
}

static int report(struct ts_session *s, const char *dir)
{
	struct ts_str path = {0};
	json_t *metrics = NULL;
	if (ts_path_join(&path, dir, "metrics.json"))
		return ts_fail_memory(&s->err);
	int status = 0;
	if (!ts_file_exists(path.data))
		status = ts_fail(&s->err, TS_ENOTFOUND, "%s: no metrics.json; the run is not finished (thinksafe run goes on with it)", dir);
	if (!status)
		status = ts_json_load(path.data, &metrics, &s->err);
	ts_str_clear(&path);
	if (!status && s->json) {
		status = ts_json_dump(metrics, &path);
		printf("%s\n", ts_str_c(&path));
	} else if (!status) {
		status = print_table(s, metrics);
	}
	json_decref(metrics);
	ts_str_release(&path);
	return status;
}

int ts_command_report(const struct ts_command *command, int argc, char **argv)
{
	struct ts_session session, *s = &session;
	ts_session_init(s);
	int words;
	const struct ts_option options[] = {
		{"json", NULL, "the run's metrics as one JSON object", TS_OPT_FLAG, &s->json, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0)
		code = one_word(s, command, words);
	if (code < 0)
		code = ts_session_fail(s, report(s, argv[0]));
	ts_session_close(s);
	return code;
}
