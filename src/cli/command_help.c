/* thinksafe help: the list of commands, one command's help, the man page, completion for a shell. */
#include "cli/describe.h"

#include <stdio.h>
#include <string.h>

static int help(struct ts_session *s, bool man, const char *shell, int words, char **argv)
{
	if (man + (shell != NULL) + words > 1)
		return ts_session_wrong(s, "expected one of COMMAND, --man and --completion");
	if (shell)
		return ts_print_completion(shell) ? ts_session_wrong(s, "--completion: expected bash, zsh or fish, found \"%s\"", shell)
						  : 0;
	if (man) {
		ts_print_man();
	} else if (words) {
		const struct ts_command *command = ts_command_find(argv[0]);
		char flag[] = "--help", *arguments[] = {flag, NULL};
		if (!command)
			return ts_session_wrong(s, "unknown command \"%s\"", argv[0]);
		command->run(command, 1, arguments);
	} else {
		ts_commands_usage(stdout);
	}
	return 0;
}

int ts_command_help(const struct ts_command *command, int argc, char **argv)
{
	struct ts_session session, *s = &session;
	bool man = false;
	const char *shell = NULL;
	int words;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"man", NULL, "the man page, thinksafe(1)", TS_OPT_FLAG, &man, NULL},
		{"completion", "bash|zsh|fish", "the completion script of a shell", TS_OPT_TEXT, &shell, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0)
		code = ts_session_fail(s, help(s, man, shell, words, argv));
	ts_session_close(s);
	return code;
}
