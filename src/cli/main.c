/* thinksafe: one program, subcommands. This folder is the only place that prints, reads arguments, and exits. */
#include "cli/session.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct ts_command commands[] = {
	{"run", "the whole method: evaluate before, generate, judge, train, evaluate after, report",
	 "run RECIPE.yaml [--run DIR] [options]", "thinksafe run testbed/recipe.yaml --run runs/demo", ts_command_run},
	{"plan", "what a run will take: tokens, time, memory and disk of each stage", "plan RECIPE.yaml [--run DIR] [options]",
	 "thinksafe plan testbed/recipe.yaml", ts_command_plan},
	{"generate", "prompts to responses (steered where the label says harmful)",
	 "generate --model DIR [--in FILE] [--out FILE] [options]",
	 "thinksafe generate --model testbed/student --in testbed/prompts/train.json --max-new-tokens 128 --out responses.jsonl",
	 ts_command_generate},
	{"judge", "(prompt, response) rows to verdicts", "judge --guard DIR [--in FILE] [--out FILE] [options]",
	 "thinksafe judge --guard testbed/guard --in responses.jsonl --out verdicts.jsonl", ts_command_judge},
	{"train", "accepted rows to a LoRA adapter (PEFT format)", "train --model DIR --in FILE --out DIR [options]",
	 "thinksafe train --model testbed/student --in runs/demo/train.jsonl --out adapter --lr 1e-3", ts_command_train},
	{"eval", "the recipe's evaluations of one model, with intervals", "eval RECIPE.yaml [--model DIR] [--adapter DIR] [options]",
	 "thinksafe eval testbed/recipe.yaml --adapter runs/demo/adapter --json", ts_command_eval},
	{"report", "a finished run as a table or JSON", "report RUN [--json]", "thinksafe report runs/demo", ts_command_report},
	{"score", "log-probabilities of texts", "score --model DIR [--in FILE] [--out FILE] [--logits FILE]",
	 "echo '{\"prompt\":\"Hello\"}' | thinksafe score --model testbed/student", ts_command_score},
	{"tokenize", "text to token ids, and back with --decode", "tokenize --model DIR [--in FILE] [--decode]",
	 "echo '{\"text\":\"Hello\"}' | thinksafe tokenize --model testbed/student", ts_command_tokenize},
	{"render", "messages to the chat template's text", "render --model DIR | --template FILE [--in FILE]",
	 "echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' |"
	 " thinksafe render --model testbed/student",
	 ts_command_render},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int usage(FILE *to)
{
	fprintf(to, "thinksafe %s: safety alignment of reasoning models with their own words (arXiv 2601.23143)\n\n", TS_VERSION);
	fputs("usage: thinksafe COMMAND [options]\n\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n`thinksafe COMMAND --help` shows its options and an example.\n"
		    "exit status: 0 ok, 1 failed, 2 wrong usage, 3 stopped but resumable\n");
	return to == stdout ? TS_EXIT_OK : TS_EXIT_USAGE;
}

/* OpenMP's threads spin while they wait unless told otherwise before the program starts. On a machine that somebody else uses too that
 * makes two threads tens of times slower than one, so the program starts itself once more with the other default. */
static void wait_passively(char **argv)
{
	if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || setenv("OMP_WAIT_POLICY", "passive", 1))
		return;
	execv("/proc/self/exe", argv); /* where that cannot be done, it runs as it is */
}

/* Large arrays go back to the system as soon as they are freed, or the next stage's would come on top of them. The C library keeps more and
 * more of them for itself unless it is told. */
static void return_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}

int main(int argc, char **argv)
{
	wait_passively(argv);
	return_memory();
	const char *name = argc > 1 ? argv[1] : "";
	if (!strcmp(name, "-h") || !strcmp(name, "--help") || !strcmp(name, "help"))
		return usage(stdout);
	if (!strcmp(name, "--version")) {
		printf("thinksafe %s\n", TS_VERSION);
		return TS_EXIT_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(&commands[i], argc - 2, argv + 2);
	if (*name)
		fprintf(stderr, "thinksafe: unknown command \"%s\"\n", name);
	return usage(stderr);
}
