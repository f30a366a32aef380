/* The one table of commands. `thinksafe --help`, the man page and the shells' completion are made from it and from the commands' own
 * option tables (cli/describe.h): a row here, a prototype in session.h and a file command_<name>.c are all that a command needs. */
#include "cli/session.h"

#include <string.h>

static const struct ts_command commands[] = {
	{
		.name = "run",
		.summary = "the whole method: evaluate before, generate, judge, train, evaluate after, report",
		.usage = "run RECIPE.yaml [--run DIR] [options]",
		.example = "thinksafe run testbed/recipe.yaml --run runs/demo",
		.run = ts_command_run,
	},
	{
		.name = "plan",
		.summary = "what a run will take: tokens, time, memory and disk of each stage",
		.usage = "plan RECIPE.yaml [--run DIR] [options]",
		.example = "thinksafe plan testbed/recipe.yaml --memory 256M",
		.run = ts_command_plan,
	},
	{
		.name = "generate",
		.summary = "prompts to responses (steered where the label says harmful)",
		.usage = "generate --model DIR|FILE [--in FILE] [--out FILE] [options]",
		.example = "thinksafe generate --model testbed/student --in testbed/prompts/train.json --max-new-tokens 128 --out "
			   "responses.jsonl",
		.run = ts_command_generate,
	},
	{
		.name = "judge",
		.summary = "(prompt, response) rows to verdicts",
		.usage = "judge --guard DIR [--in FILE] [--out FILE] [options]",
		.example = "thinksafe judge --guard testbed/guard --in responses.jsonl --out verdicts.jsonl",
		.run = ts_command_judge,
	},
	{
		.name = "train",
		.summary = "accepted rows to a LoRA adapter (PEFT format)",
		.usage = "train --model DIR|FILE --in FILE --out DIR [options]",
		.example = "thinksafe train --model testbed/student --in runs/demo/train.jsonl --out adapter --lr 1e-3",
		.run = ts_command_train,
	},
	{
		.name = "eval",
		.summary = "the recipe's evaluations of one model, with intervals",
		.usage = "eval RECIPE.yaml [--model DIR|FILE] [--adapter DIR | --from RUN] [options]",
		.example = "thinksafe eval testbed/recipe.yaml --adapter runs/demo/adapter --json",
		.run = ts_command_eval,
	},
	{
		.name = "report",
		.summary = "a finished run as a table, JSON or a page for the browser; several runs beside each other",
		.usage = "report RUN [RUN...] [--json] [--html FILE]",
		.example = "thinksafe report runs/demo --html report.html",
		.run = ts_command_report,
	},
	{
		.name = "export",
		.summary = "a model with its adapter merged, as a Hugging Face folder or a GGUF file",
		.usage = "export --model DIR|FILE [--adapter DIR] --out DIR|FILE.gguf [options]",
		.example = "thinksafe export --model testbed/student --adapter runs/demo/adapter --out student-safe --type bf16",
		.run = ts_command_export,
	},
	{
		.name = "chat",
		.summary = "talk to a model, with or without the adapter",
		.usage = "chat --model DIR|FILE [--adapter DIR] [options]",
		.example = "thinksafe chat --model testbed/student --adapter runs/demo/adapter --top-k 20",
		.run = ts_command_chat,
	},
	{
		.name = "pull",
		.summary = "a model of the Hugging Face hub into its cache (no other command uses a network)",
		.usage = "pull ORG/NAME[@REVISION] [--file NAME] [--dry-run] [options]",
		.example = "thinksafe pull Qwen/Qwen3-0.6B && thinksafe chat --model Qwen/Qwen3-0.6B",
		.run = ts_command_pull,
	},
	{
		.name = "score",
		.summary = "log-probabilities of texts",
		.usage = "score --model DIR|FILE [--in FILE] [--out FILE] [--logits FILE]",
		.example = "echo '{\"prompt\":\"Hello\"}' | thinksafe score --model testbed/student",
		.run = ts_command_score,
	},
	{
		.name = "tokenize",
		.summary = "text to token ids, and back with --decode",
		.usage = "tokenize --model DIR|FILE [--in FILE] [--decode]",
		.example = "echo '{\"text\":\"Hello\"}' | thinksafe tokenize --model testbed/student",
		.run = ts_command_tokenize,
	},
	{
		.name = "render",
		.summary = "messages to the chat template's text",
		.usage = "render --model DIR|FILE | --template FILE [--in FILE]",
		.example = "echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' | thinksafe "
			   "render --model testbed/student",
		.run = ts_command_render,
	},
	{
		.name = "grade",
		.summary = "is an answer right? by both graders",
		.usage = "grade [--grader strict|paper] [--in FILE] [--out FILE]",
		.example = "echo '{\"prediction\":\"So \\\\boxed{1,000}.\",\"gold\":\"1000\",\"dataset\":\"math\"}' | thinksafe grade",
		.run = ts_command_grade,
	},
	{
		.name = "help",
		.summary = "help on a command, the man page, completion for a shell",
		.usage = "help [COMMAND] [--man | --completion SHELL]",
		.example = "thinksafe help --man | man -l -",
		.run = ts_command_help,
	},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

const struct ts_command *ts_command_at(size_t i)
{
	return i < COMMANDS ? &commands[i] : NULL;
}

const struct ts_command *ts_command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

const char *ts_exit_meaning(int code)
{
	static const char *const meanings[] = {
		[TS_EXIT_OK] = "ok",
		[TS_EXIT_FAILED] = "failed",
		[TS_EXIT_USAGE] = "wrong usage",
		[TS_EXIT_STOPPED] = "stopped but resumable",
	};
	return code >= 0 && code <= TS_EXIT_STOPPED ? meanings[code] : NULL;
}

void ts_commands_usage(FILE *to)
{
	fprintf(to, "thinksafe %s: safety alignment of reasoning models with their own words (arXiv 2601.23143)\n\n", TS_VERSION);
	fputs("usage: thinksafe COMMAND [options]\n\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n`thinksafe COMMAND --help` shows its options and an example.\nexit status:");
	for (int code = 0; ts_exit_meaning(code); code++)
		fprintf(to, "%s %d %s", code ? "," : "", code, ts_exit_meaning(code));
	fputc('\n', to);
}
