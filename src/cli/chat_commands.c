#include "cli/chat_commands.h"

#include <string.h>

struct command {
	const char *name, *argument, *help;
	int (*run)(struct ts_chat_session *, const char *argument, FILE *notes);
};

#define NOTE(notes, ...)                                                                                                                   \
	do {                                                                                                                               \
		if (notes)                                                                                                                 \
			fprintf(notes, __VA_ARGS__);                                                                                       \
	} while (0)

static void show_adapter(const struct ts_chat_session *c, FILE *notes)
{
	if (c->adapter)
		NOTE(notes, "adapter   %s: %s\n", ts_str_c(&c->adapter_name), c->session->adapter ? "on" : "off");
	else
		NOTE(notes, "adapter   none\n");
}

static void show_sampling(const struct ts_chat_session *c, FILE *notes)
{
	const struct ts_sampling_options *o = &c->sampling;
	char top_k[32] = "off";
	if (o->top_k)
		snprintf(top_k, sizeof(top_k), "%zu", o->top_k);
	NOTE(notes, "sampling  temperature %g, top_p %g, top_k %s, max_new_tokens %zu; seed %lld\n", o->temperature, o->top_p, top_k,
	     o->max_new_tokens, (long long)c->session->seed);
}

void ts_chat_show_state(const struct ts_chat_session *c, FILE *notes)
{
	const char *system = ts_chat_session_system_text(c);
	size_t context = (size_t)ts_model_config(c->session->model)->max_positions;
	NOTE(notes, "model     %s: context of %zu tokens", c->session->model_name, context);
	if (c->positions < context)
		NOTE(notes, ", of which %zu fit the memory", c->positions);
	NOTE(notes, "\n");
	show_adapter(c, notes);
	show_sampling(c, notes);
	if (system)
		NOTE(notes, "system    %s\n", system);
}

static int do_adapter(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	bool on = !strcmp(argument, "on");
	if (on || !strcmp(argument, "off"))
		TS_TRY(ts_chat_session_adapter(c, on));
	else if (*argument)
		TS_TRY(ts_chat_session_load_adapter(c, argument));
	show_adapter(c, notes);
	return 0;
}

static int do_system(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	TS_TRY(ts_chat_session_system(c, argument, strlen(argument)));
	NOTE(notes, *argument ? "system    %s\n" : "system    none%s\n", argument);
	return 0;
}

static int do_reset(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	(void)argument;
	ts_chat_session_reset(c);
	NOTE(notes, "all turns are forgotten%s\n", ts_chat_session_system_text(c) ? "; the system prompt stays" : "");
	return 0;
}

static int do_undo(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	(void)argument;
	if (!ts_chat_session_undo(c))
		return ts_fail(&c->session->err, TS_ENOTFOUND, "there is no exchange to drop");
	NOTE(notes, "the last exchange is dropped\n");
	return 0;
}

static int do_retry(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	(void)argument;
	(void)notes;
	return ts_chat_session_retry(c);
}

/* "NAME VALUE", read as the option --NAME VALUE of the command line. */
static int do_set(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	struct ts_sampling_options changed = c->sampling;
	const struct ts_option options[] = {TS_OPTIONS_SAMPLING(&changed)};
	struct ts_str option = {0};
	const char *space = strchr(argument, ' ');
	bool help;
	int words, status;
	if (!*argument) {
		show_sampling(c, notes);
		return 0;
	}
	if (!space)
		return ts_fail(&c->session->err, TS_EINVAL, "/set NAME VALUE: a value is missing");
	if (ts_str_printf(&option, "--%.*s=%s", (int)(space - argument), argument, space + strspn(space, " ")))
		return ts_fail_memory(&c->session->err);
	char *argv[] = {option.data};
	status = ts_options_parse(options, sizeof(options) / sizeof(options[0]), 1, argv, &words, &help, &c->session->err);
	if (!status)
		status = ts_sampling_options_check(&changed, &c->session->err);
	if (!status) {
		c->sampling = changed;
		show_sampling(c, notes);
	}
	ts_str_release(&option);
	return status;
}

static int do_help(struct ts_chat_session *c, const char *argument, FILE *notes);

static const struct command commands[] = {
	{"/adapter", "on|off|DIR", "apply the adapter or not; load another", do_adapter},
	{"/system", "TEXT", "the system prompt from now on; without TEXT: none", do_system},
	{"/retry", "", "the last answer once more, with other random numbers", do_retry},
	{"/undo", "", "drop the last exchange", do_undo},
	{"/reset", "", "forget all turns", do_reset},
	{"/set", "NAME VALUE", "temperature, top_p, top_k or max_new_tokens", do_set},
	{"/help", "", "this, and the settings", do_help},
	{"/quit", "", "leave (also Ctrl-D)", NULL},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int do_help(struct ts_chat_session *c, const char *argument, FILE *notes)
{
	(void)argument;
	for (size_t i = 0; i < COMMANDS; i++) {
		char left[40];
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].argument);
		NOTE(notes, "  %-20s %s\n", left, commands[i].help);
	}
	NOTE(notes, "  %-20s %s\n", "\"\"\" ... \"\"\"", "a turn of several lines");
	NOTE(notes, "  %-20s %s\n", "//...", "a turn that begins with one /");
	NOTE(notes, "Ctrl-C stops an answer; what was said stays in the conversation (/undo drops it, /retry replaces it).\n\n");
	ts_chat_show_state(c, notes);
	return 0;
}

int ts_chat_command(struct ts_chat_session *c, const char *line, FILE *notes, bool *quit)
{
	size_t n = strcspn(line, " \t");
	const char *argument = line + n + strspn(line + n, " \t");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *k = &commands[i];
		if (strlen(k->name) != n || strncmp(k->name, line, n) != 0)
			continue;
		if (!*k->argument && *argument)
			return ts_fail(&c->session->err, TS_EINVAL, "%s takes no argument", k->name);
		*quit = !k->run;
		return k->run ? k->run(c, argument, notes) : 0;
	}
	return ts_fail(&c->session->err, TS_EINVAL,
		       "unknown command \"%.*s\" (/help lists them; a turn that begins with / is typed with //)", (int)n, line);
}
