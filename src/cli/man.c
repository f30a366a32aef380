/* The man page, thinksafe(1), in the man(7) macros that man-db and mandoc both read. */
#include "cli/describe.h"

#include <ctype.h>
#include <string.h>

/* Text that roff shows as it is: its own escapes, and the characters that it would make typographic. */
static void put_text(const char *text)
{
	static const struct {
		char c;
		const char *escape;
	} escapes[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}, {'"', "\\(dq"}};
	for (const char *p = text; *p; p++) {
		size_t i = 0;
		while (i < sizeof(escapes) / sizeof(escapes[0]) && escapes[i].c != *p)
			i++;
		if (p == text && *p == '.')
			fputs("\\&", stdout);
		if (i < sizeof(escapes) / sizeof(escapes[0]))
			fputs(escapes[i].escape, stdout);
		else
			putchar(*p);
	}
}

static void put_line(const char *text)
{
	put_text(text);
	putchar('\n');
}

static void heading(const char *title)
{
	printf(".SH %s\n", title);
}

/* A term in bold, its placeholder in italics (words that are meant literally stay bold), then what it is. */
static void entry(const char *term, const char *placeholder, const char *meaning)
{
	printf(".TP\n\\fB");
	put_text(term);
	printf("\\fR");
	if (placeholder) {
		printf(islower((unsigned char)*placeholder) ? " \\fB" : " \\fI");
		put_text(placeholder);
		printf("\\fR");
	}
	putchar('\n');
	put_line(meaning);
}

static void put_option(const struct ts_option *o)
{
	char name[64], term[80];
	ts_option_name(o, name);
	snprintf(term, sizeof(term), "--%s", name);
	entry(term, o->argument, o->help);
}

static void example(const char *text)
{
	printf(".PP\n.RS\n.nf\n");
	put_line(text);
	printf(".fi\n.RE\n");
}

/* A command of the section COMMANDS. Keys of the recipe come once, in a section of their own. */
static void put_command(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	(void)user;
	bool keys = false;
	printf(".SS ");
	put_line(c->name);
	put_line(c->summary);
	printf(".PP\n\\fBthinksafe ");
	put_text(c->usage);
	printf("\\fR\n");
	for (size_t i = 0; i < count; i++) {
		if (options[i].type != TS_OPT_KEY)
			put_option(&options[i]);
		keys |= options[i].type == TS_OPT_KEY;
	}
	if (keys)
		entry("--KEY", "VALUE", "any key of the recipe (section RECIPE KEYS)");
	printf(".PP\nExample:\n");
	example(c->example);
}

static void put_keys(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	bool *done = user;
	(void)c;
	for (size_t i = 0; !*done && i < count; i++)
		if (options[i].type == TS_OPT_KEY)
			put_option(&options[i]);
	for (size_t i = 0; i < count; i++)
		*done |= options[i].type == TS_OPT_KEY;
}

static void opening(void)
{
	printf(".TH THINKSAFE 1 %s \"thinksafe %s\" \"User Commands\"\n", TS_VERSION_DATE, TS_VERSION);
	heading("NAME");
	printf("thinksafe \\- safety alignment of reasoning models with their own words\n");
	heading("SYNOPSIS");
	printf("\\fBthinksafe\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.br\n"
	       "\\fBthinksafe\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR\n.br\n"
	       "\\fBthinksafe \\-\\-version\\fR\n");
	heading("DESCRIPTION");
	put_line("A reasoning model writes its own safety reasoning, a guard model filters it, a LoRA adapter learns it, and figures with "
		 "intervals say what changed (arXiv 2601.23143). The command run does all of it in one folder; the stages are also "
		 "commands of their own.");
	printf(".PP\n");
	put_line("A model is a folder in Hugging Face layout: config.json, safetensors, tokenizer.json, chat template. Rows are JSON Lines "
		 "or a JSON array, and keep the fields that a command does not know.");
	printf(".PP\n");
	put_line("What is marked \"changes no result\" changes no bit of what a command writes. An option and its value may be one word "
		 "(--seed=7) or two (--seed 7).");
}

static void closing(void)
{
	heading("EXIT STATUS");
	for (int code = 0; ts_exit_meaning(code); code++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", code);
		entry(text, NULL, ts_exit_meaning(code));
	}
	heading("FILES");
	entry("runs/NAME", NULL, "the folder of a run, where --run names no other; what it holds:");
	printf(".RS\n");
	entry("recipe.yaml", NULL, "the whole recipe, defaults filled in");
	entry("journal.db", NULL, "every sample, verdict, accepted example and metric (SQLite)");
	entry("train.jsonl", NULL, "the accepted rows");
	entry("adapter/", NULL, "the LoRA adapter, as PEFT writes it");
	entry("metrics.json", NULL, "the figures, with intervals and counts");
	entry("timing.json", NULL, "times, rates, peak memory");
	entry("checkpoints/, lock", NULL, "the trainer's state; one program at a time");
	printf(".RE\n");
	entry("OUT.journal", NULL, "beside the file of generate --out while it is not finished: what a second start goes on with");
	heading("ENVIRONMENT");
	entry("OMP_WAIT_POLICY, GOMP_SPINCOUNT", NULL,
	      "how threads wait; where neither is set, the program sets OMP_WAIT_POLICY to passive, so that it is fast on a machine that "
	      "others use too");
	entry("HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME", NULL,
	      "where the Hugging Face cache is: the first; hub in the second; huggingface/hub in the third; ~/.cache/huggingface/hub");
	entry("HF_TOKEN, HF_TOKEN_PATH", NULL, "pull: the hub's token, or a file that holds it (token in HF_HOME)");
	entry("HF_ENDPOINT", NULL, "pull: another hub than https://huggingface.co");
	entry("HF_HUB_OFFLINE", NULL, "pull: 1 asks nobody, and gives what the cache holds");
	entry("https_proxy, http_proxy, all_proxy, no_proxy", NULL, "pull: proxies, as libcurl has them");
	heading("SEE ALSO");
	put_line("The folder doc/thinksafe of the installation: README.md, contracts.md (rows, recipes, run folders, random numbers), "
		 "architecture.md (the library).");
}

void ts_print_man(void)
{
	const struct ts_command *c;
	bool done = false;
	opening();
	heading("COMMANDS");
	put_line("Every command also takes -h and --help.");
	for (size_t i = 0; (c = ts_command_at(i)); i++)
		ts_command_describe(c, put_command, NULL);
	heading("RECIPE KEYS");
	put_line("As options of run and eval; they win over the recipe's file.");
	for (size_t i = 0; (c = ts_command_at(i)); i++)
		ts_command_describe(c, put_keys, &done);
	closing();
}
