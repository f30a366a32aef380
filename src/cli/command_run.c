/* thinksafe run, plan, eval: the pipeline. */
#include "cli/plan_table.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "core/mem.h"
#include "core/sha256.h"
#include "run/run.h"

#include <stdio.h>
#include <string.h>

struct command_run {
	struct ts_session session;
	struct ts_run_machine machine;
	struct ts_recipe recipe;
	const char *run_dir, *from;
	bool print_recipe, recipe_open;
	size_t limit;   /* prompts of each evaluation; 0 = all */
	double probe;   /* seconds */
	char build[65]; /* hash of this program's file */
	/* --train.lr 1e-4 and the like: kept until the recipe file is read */
	struct {
		const char *key, *text;
	} set[64];
	int set_count;
};

/* What the help says of each key of a recipe; the keys themselves are the table's (run/recipe.h). */
static const struct {
	const char *key, *argument, *help;
} key_help[] = {
	{"name", "NAME", "of the run's folder under runs/"},
	{"model", "DIR|FILE|ID", "student: checkpoint folder, GGUF file, or " TS_HELP_HUB},
	{"guard", "DIR|ID|keywords", "guard checkpoint (Llama-Guard-3, or WildGuard), or refusal phrases"},
	{"refusal_judge", "DIR|ID|keywords", "who calls an answer a refusal: WildGuard, or refusal phrases (keywords)"},
	{"refusal_phrases", "FILE", "phrases of the keyword stand-in, one a line"},
	{"judge_apart", "true|false", "safety sets: the guard judges thinking and answer alone too (true)"},
	{"method", "thinksafe|rejection", "where training responses come from"},
	{"data", "DIR", "folder of relative prompt files (the recipe's own)"},
	{"train_prompts", "FILE", "prompts to learn from: a file, or a YAML or JSON list of files"},
	{"harmful_labels", "WORDS", "more label words that mean harmful"},
	{"benign_labels", "WORDS", "more label words that mean benign"},
	{"evals", "LIST", "evaluation sets, a YAML or JSON list"},
	{"max_overlap", "SHARE", "most of a set's prompts that may be trained on as well (0.01)"},
	{"sampling.temperature", "T", "0 = always the most probable token"},
	{"sampling.top_p", "P", "nucleus; 1 = off"},
	{"sampling.top_k", "K", "0 = off"},
	{"sampling.max_new_tokens", "N", "most tokens of a response (16384; reasoning sets 32768)"},
	{"sampling.samples", "N", "responses per evaluation prompt (1; reasoning sets 8)"},
	{"steering.text", "TEXT", "user turn for harmful prompts, {x} = the prompt"},
	{"steering.tries", "N", "responses asked for until one is accepted"},
	{"thinking", "required|none", "whether a response must hold closed thinking"},
	{"filter", "guard|keywords|none", "who says which responses are learned"},
	{"lora.rank", "N", "rank of the adapter"},
	{"lora.alpha", "X", "scale = alpha / rank"},
	{"lora.rslora", "true|false", "scale = alpha / sqrt(rank)"},
	{"lora.dropout", "X", "on the adapter's input"},
	{"lora.targets", "LIST", "linear layers, with commas between, or all-linear"},
	{"train.epochs", "N", "passes over the accepted rows"},
	{"train.batch", "N", "sequences of an optimiser step"},
	{"train.lr", "X", "peak learning rate"},
	{"train.warmup", "X", "share of the steps"},
	{"train.schedule", "cosine|linear|constant", "of the learning rate"},
	{"train.clip", "X", "largest gradient norm; 0 = off"},
	{"train.max_length", "N", "cut sequences here"},
	{"train.objective", "ce", "loss: cross-entropy"},
	{"alpha_prompts", "N", "unsteered samples for alpha_ref"},
	{"seed", "N", "seed of the run"},
	{"numerics", "f32", "class of the arithmetic; bf16dot rounds activations for AVX-512-BF16: faster, other bits"},
	{"kv_dtype", "f32|bf16", "of the KV cache"},
	{"weights", "bf16|f32", "what quantised weights of a GGUF file become: rounded or exact"},
	{"before", "RUN", "a run of the same model, prompts and sampling: its responses before training are used again"},
};

/* Of `plan`; before a run it takes no more than a twentieth of that. */
#define PROBE_SECONDS 20
#define OPTIONS_PROBE(c)                                                                                                                   \
	{"probe",     "SECONDS",   "measure rates for the plan at most so long; 0 = tokens and memory alone (20)",                         \
	 TS_OPT_REAL, &(c)->probe, NULL},                                                                                                  \
	{                                                                                                                                  \
		"expect-tokens", "N", "for the plan: tokens of an answer that does not end while it is measured (max_new_tokens)",         \
			TS_OPT_COUNT, &(c)->machine.expected_tokens, NULL                                                                  \
	}

static int keep_setting(void *user, const char *name, const char *text, struct ts_error *err)
{
	struct command_run *c = user;
	if (c->set_count == 64)
		return ts_fail(err, TS_EINVAL, "too many recipe options");
	c->set[c->set_count].key = name;
	c->set[c->set_count++].text = text;
	return 0;
}

static struct ts_option key_option(struct command_run *c, const char *key)
{
	struct ts_option o = {key, "VALUE", "recipe key", TS_OPT_KEY, c, keep_setting};
	for (size_t i = 0; i < sizeof(key_help) / sizeof(key_help[0]); i++)
		if (!strcmp(key_help[i].key, key)) {
			o.argument = key_help[i].argument;
			o.help = key_help[i].help;
		}
	return o;
}

/* The command's own options, then a flag for every key of the recipe. */
static struct ts_option *all_options(struct command_run *c, const struct ts_option *own, size_t own_count, size_t *count)
{
	size_t keys = 0;
	while (ts_recipe_key(keys))
		keys++;
	struct ts_option *all = ts_calloc(own_count + keys, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, own, own_count * sizeof(*own));
	for (size_t i = 0; i < keys; i++)
		all[own_count + i] = key_option(c, ts_recipe_key(i));
	*count = own_count + keys;
	return all;
}

static int open_recipe(struct command_run *c, const char *path)
{
	struct ts_session *s = &c->session;
	TS_TRY(ts_recipe_load(&c->recipe, path, &s->err));
	c->recipe_open = true;
	for (int i = 0; i < c->set_count; i++)
		if (ts_recipe_set(&c->recipe, c->set[i].key, c->set[i].text, &s->err))
			return ts_session_wrong(s, "--%s", s->err.message);
	c->machine.threads = s->threads;
	c->machine.batch = s->batch;
	c->machine.chunk = s->chunk;
	c->machine.memory = s->memory;
	c->machine.isa = s->isa;
	c->machine.version = TS_VERSION;
	if (!ts_sha256_file("/proc/self/exe", c->build, NULL))
		c->machine.build = c->build;
	return c->print_recipe ? 0 : ts_session_find_recipe(s, &c->recipe);
}

/* The object of cli.md: before, after, accepted, run. */
static int print_summary(struct ts_session *s, const json_t *metrics, const char *dir)
{
	struct ts_str text = {0};
	json_t *o = json_pack("{s:O?, s:O?, s:O?, s:s?}", "before", json_object_get(metrics, "before"), "after",
			      json_object_get(metrics, "after"), "accepted", json_object_get(metrics, "accepted"), "run", dir);
	int status = o && !ts_json_dump(o, &text) ? 0 : ts_fail_memory(&s->err);
	if (!status)
		printf("%s\n", ts_str_c(&text));
	json_decref(o);
	ts_str_release(&text);
	return status;
}

static int show(struct ts_session *s, const json_t *metrics, const char *dir)
{
	return s->json ? print_summary(s, metrics, dir) : ts_session_print_metrics(s, metrics, "metrics", dir);
}

/* runs/<recipe's name> */
static int default_dir(struct command_run *c, struct ts_str *dir)
{
	struct ts_session *s = &c->session;
	if (c->run_dir && !*c->run_dir)
		return ts_session_wrong(s, "--run: expected a folder");
	if (c->run_dir)
		return ts_str_puts(dir, c->run_dir) ? ts_fail_memory(&s->err) : 0;
	if (!c->recipe.name)
		return ts_session_wrong(s, "--run DIR is needed: the recipe has no name");
	return ts_str_printf(dir, "runs/%s", c->recipe.name) ? ts_fail_memory(&s->err) : 0;
}

static void show_plan(void *user, const struct ts_plan *plan)
{
	(void)user;
	ts_terminal_close_line();
	ts_plan_table(stderr, plan);
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
		s->resumable = true;
		status = default_dir(c, &dir);
		c->machine.show_plan = s->quiet ? NULL : show_plan;
		c->machine.probe_seconds = c->probe;
		if (!status)
			status = ts_run(&c->recipe, dir.data, &c->machine, &s->context, &metrics, &s->err);
		if (!status)
			status = show(s, metrics, dir.data);
		if (!status)
			status = ts_session_write_page(s, dir.data, NULL);
	}
	json_decref(metrics);
	ts_str_release(&dir);
	ts_str_release(&text);
	return status;
}

static int make_plan(struct command_run *c, const char *path)
{
	struct ts_session *s = &c->session;
	struct ts_str dir = {0}, text = {0};
	struct ts_plan plan = {.threads = 0};
	json_t *json = NULL;
	int status = open_recipe(c, path);
	if (!status)
		status = default_dir(c, &dir);
	if (!status)
		status = ts_plan_make(&c->recipe, dir.data, &c->machine, c->probe, &s->context, &plan, &s->err);
	if (!status && s->json) {
		json = ts_plan_json(&plan);
		status = !json || ts_json_dump(json, &text) ? ts_fail_memory(&s->err) : 0;
		printf("%s\n", ts_str_c(&text));
	} else if (!status) {
		ts_plan_table(stdout, &plan);
	}
	if (!status)
		status = ts_plan_check(&plan, &s->err);
	ts_plan_release(&plan);
	json_decref(json);
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
	s->resumable = c->run_dir != NULL;
	if (!status && c->limit)
		ts_recipe_limit_evals(&c->recipe, c->limit);
	if (!status && c->from && (!*c->from || s->adapter_dir))
		status = ts_session_wrong(s, "--from: expected a run's folder, and no --adapter beside it: nothing is generated");
	if (!status && c->from)
		status = ts_run_rejudge(&c->recipe, c->run_dir, c->from, &c->machine, &s->context, &metrics, &s->err);
	else if (!status)
		status = ts_run_eval(&c->recipe, c->run_dir, s->adapter_dir, &c->machine, &s->context, &metrics, &s->err);
	if (!status && s->json) {
		status = ts_json_dump(metrics, &text);
		printf("%s\n", ts_str_c(&text));
	} else if (!status) {
		status = ts_session_print_metrics(s, metrics, "metrics", NULL);
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

/* Parses; exactly one word, the recipe. Returns as ts_session_parse does. */
static int parse(struct command_run *c, const struct ts_command *command, const struct ts_option *own, size_t own_count, int argc,
		 char **argv)
{
	struct ts_session *s = &c->session;
	size_t count;
	int words;
	struct ts_option *options = all_options(c, own, own_count, &count);
	if (!options)
		return ts_session_fail(s, ts_fail_memory(&s->err));
	int code = ts_session_parse(s, command, options, count, argc, argv, &words);
	if (code < 0 && words != 1)
		code = ts_session_fail(s, ts_session_wrong(s, "expected one argument, the recipe; found %d", words));
	ts_free(options);
	return code;
}

int ts_command_run(const struct ts_command *command, int argc, char **argv)
{
	struct command_run run_command = {.probe = PROBE_SECONDS}, *c = &run_command;
	struct ts_session *s = &c->session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"run", "DIR", "run directory (runs/<recipe's name>); run again to resume", TS_OPT_TEXT, &c->run_dir, NULL},
		{"print-recipe", NULL, "print the full recipe with defaults and stop", TS_OPT_FLAG, &c->print_recipe, NULL},
		{"json", NULL, "the last line of standard output is one JSON object", TS_OPT_FLAG, &s->json, NULL},
		OPTIONS_PROBE(c),
		TS_OPTIONS_PIPELINE(s),
	};
	int code = parse(c, command, options, sizeof(options) / sizeof(options[0]), argc, argv);
	if (code < 0)
		code = ts_session_fail(s, run(c, argv[0]));
	return finish(c, code);
}

int ts_command_plan(const struct ts_command *command, int argc, char **argv)
{
	struct command_run plan_command = {.probe = PROBE_SECONDS}, *c = &plan_command;
	struct ts_session *s = &c->session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"run", "DIR", "run directory (runs/<recipe's name>); what its journal holds is not planned again", TS_OPT_TEXT,
		 &c->run_dir, NULL},
		{"json", NULL, "the plan as one JSON object: seconds, bytes, tokens", TS_OPT_FLAG, &s->json, NULL},
		OPTIONS_PROBE(c),
		TS_OPTIONS_PIPELINE(s),
	};
	int code = parse(c, command, options, sizeof(options) / sizeof(options[0]), argc, argv);
	if (code < 0)
		code = ts_session_fail(s, make_plan(c, argv[0]));
	return finish(c, code);
}

int ts_command_eval(const struct ts_command *command, int argc, char **argv)
{
	struct command_run eval_command = {0}, *c = &eval_command;
	struct ts_session *s = &c->session;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"adapter", "DIR|ID", "LoRA adapter folder or ORG/NAME, used unmerged", TS_OPT_TEXT, &s->adapter_dir, NULL},
		{"run", "DIR", "keep the samples here, to go on after a stop (default: memory)", TS_OPT_TEXT, &c->run_dir, NULL},
		{"from", "RUN", "judge and grade that run's responses anew, before and after training; generate none", TS_OPT_TEXT,
		 &c->from, NULL},
		{"limit", "N", "at most N prompts of each set, drawn by the seed (0: all)", TS_OPT_COUNT, &c->limit, NULL},
		{"json", NULL, "metrics as one JSON object", TS_OPT_FLAG, &s->json, NULL},
		TS_OPTIONS_PIPELINE(s),
	};
	int code = parse(c, command, options, sizeof(options) / sizeof(options[0]), argc, argv);
	if (code < 0)
		code = ts_session_fail(s, evaluate(c, argv[0]));
	return finish(c, code);
}
