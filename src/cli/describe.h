/* The commands as data: what help, man page and completion are made of.
 *
 * An option table lives on the stack of its command, because it points to that command's variables. So a command is run with a visitor
 * instead of arguments: ts_session_parse hands its table over, and the command ends as it does after --help. */
#ifndef TS_CLI_DESCRIBE_H
#define TS_CLI_DESCRIBE_H

#include "cli/session.h"

typedef void ts_option_visit(void *user, const struct ts_command *, const struct ts_option *, size_t count);

struct ts_option_visitor {
	ts_option_visit *visit;
	void *user;
};

/* Calls visit once, with the options of the command. */
void ts_command_describe(const struct ts_command *, ts_option_visit *, void *user);

/* What may stand for an argument as option tables and usage lines write it: DIR and RUN are folders, FILE and RECIPE.yaml are files,
 * COMMAND is a command, what begins with a small letter is meant literally; "DIR|keywords" is either. */
struct ts_choices {
	bool files, folders, commands;
	char words[160]; /* the literal ones, with spaces between */
};
struct ts_choices ts_choices(const char *argument);

/* The first word that the command takes beside its options, as its usage line has it ("RECIPE.yaml"); "" = none. */
void ts_command_word(const struct ts_command *, char word[64]);

/* The name of an option as it is typed: recipe keys have '_' where options have '-'. */
void ts_option_name(const struct ts_option *, char name[64]);

/* To stdout. */
void ts_print_man(void);
int ts_print_completion(const char *shell); /* "bash", "zsh", "fish"; TS_EINVAL for another */

#endif
