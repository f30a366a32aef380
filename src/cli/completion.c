/* Completion for bash, zsh and fish: the same facts, in each shell's own words. */
#include "cli/describe.h"

#include <string.h>

/* The text with a backslash before each of `special`, for the inside of single quotes; a single quote itself becomes `quote`. */
static void put_quoted(const char *text, const char *special, const char *quote)
{
	for (const char *p = text; *p; p++) {
		if (*p == '\'')
			fputs(quote, stdout);
		else if (strchr(special, *p))
			printf("\\%c", *p);
		else
			putchar(*p);
	}
}

static void each_command(ts_option_visit *visit)
{
	const struct ts_command *c;
	for (size_t i = 0; (c = ts_command_at(i)); i++)
		ts_command_describe(c, visit, NULL);
}

static void put_command_names(void)
{
	const struct ts_command *c;
	for (size_t i = 0; (c = ts_command_at(i)); i++)
		printf("%s%s", i ? " " : "", c->name);
}

/* --- bash: a function that needs nothing but bash */

static void bash_choices(const char *argument)
{
	struct ts_choices choices = ts_choices(argument);
	if (*choices.words || choices.commands) {
		printf(" words='%s", choices.words);
		if (choices.commands)
			put_command_names();
		printf("'");
	}
	if (choices.files || choices.folders)
		printf(" paths=%s", choices.files ? "-f" : "-d");
}

static void bash_values(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	(void)user;
	for (size_t i = 0; i < count; i++) {
		char name[64];
		ts_option_name(&options[i], name);
		if (!options[i].argument)
			continue;
		printf("\t%s:--%s) value=1", c->name, name);
		bash_choices(options[i].argument);
		printf(" ;;\n");
	}
}

static void bash_options(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	(void)user;
	char word[64];
	ts_command_word(c, word);
	printf("\t%s)", c->name);
	bash_choices(word);
	printf(" options='");
	for (size_t i = 0; i < count; i++) {
		char name[64];
		ts_option_name(&options[i], name);
		printf("--%s ", name);
	}
	printf("--help' ;;\n");
}

static void bash(void)
{
	fputs("# bash completion for thinksafe, made by `thinksafe help --completion bash`.\n"
	      "_thinksafe()\n"
	      "{\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n"
	      "\tlocal value='' words='' paths='' options=''\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	      stdout);
	put_command_names();
	fputs(" --help --version' -- \"$current\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t# --option=value comes as three words.\n"
	      "\tif [[ $current == '=' ]]; then\n"
	      "\t\tcurrent=''\n"
	      "\telif [[ $before == '=' ]]; then\n"
	      "\t\tbefore=${COMP_WORDS[COMP_CWORD - 2]}\n"
	      "\tfi\n"
	      "\tcase $command:$before in\n",
	      stdout);
	each_command(bash_values);
	fputs("\tesac\n"
	      "\t[[ $value ]] || case $command in\n",
	      stdout);
	each_command(bash_options);
	fputs("\tesac\n"
	      "\tif [[ $current == -* && $options ]]; then\n"
	      "\t\twords='' paths=''\n"
	      "\telif [[ $words$paths ]]; then\n"
	      "\t\toptions=''\n"
	      "\tfi\n"
	      "\tmapfile -t COMPREPLY < <(\n"
	      "\t\tcompgen -W \"$words $options\" -- \"$current\"\n"
	      "\t\t[[ ! $paths ]] || compgen \"$paths\" -- \"$current\"\n"
	      "\t)\n"
	      "\t[[ ! $paths ]] || compopt -o filenames 2>/dev/null\n"
	      "}\n"
	      "complete -F _thinksafe thinksafe\n",
	      stdout);
}

/* --- zsh */

static void zsh_text(const char *text)
{
	put_quoted(text, "\\[]:", "'\\''");
}

static void zsh_action(const char *argument)
{
	struct ts_choices choices = ts_choices(argument);
	putchar(':');
	zsh_text(argument);
	if (choices.folders && *choices.words)
		printf(":{_alternative \"words\\:word\\:(%s)\" \"folders\\:folder\\:_files -/\"}", choices.words);
	else if (*choices.words)
		printf(":(%s)", choices.words);
	else if (choices.files || choices.folders)
		printf(":_files%s", choices.files ? "" : " -/");
	else if (choices.commands) {
		printf(":(");
		put_command_names();
		printf(")");
	} else
		printf(": ");
}

static void zsh_command(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	(void)user;
	char word[64];
	printf("\t%s)\n\t\t_arguments '(-h --help)'{-h,--help}'[show its options and an example]'", c->name);
	for (size_t i = 0; i < count; i++) {
		char name[64];
		ts_option_name(&options[i], name);
		printf(" \\\n\t\t\t'--%s%s[", name, options[i].argument ? "=" : "");
		zsh_text(options[i].help);
		putchar(']');
		if (options[i].argument)
			zsh_action(options[i].argument);
		putchar('\'');
	}
	ts_command_word(c, word);
	if (*word) {
		printf(" \\\n\t\t\t'1");
		zsh_action(word);
		putchar('\'');
	}
	printf("\n\t\t;;\n");
}

static void zsh(void)
{
	const struct ts_command *c;
	fputs("#compdef thinksafe\n"
	      "# zsh completion for thinksafe, made by `thinksafe help --completion zsh`.\n"
	      "_thinksafe() {\n"
	      "\tlocal -a commands=(\n",
	      stdout);
	for (size_t i = 0; (c = ts_command_at(i)); i++) {
		printf("\t\t'%s:", c->name);
		put_quoted(c->summary, "\\:", "'\\''");
		printf("'\n");
	}
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe -t commands command commands\n"
	      "\t\tcompadd -- --help --version\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tcase $words[1] in\n",
	      stdout);
	each_command(zsh_command);
	fputs("\tesac\n"
	      "}\n"
	      "if [[ $funcstack[1] == _thinksafe ]]; then\n"
	      "\t_thinksafe \"$@\"\n"
	      "else\n"
	      "\tcompdef _thinksafe thinksafe\n"
	      "fi\n",
	      stdout);
}

/* --- fish */

static void fish_text(const char *text)
{
	put_quoted(text, "\\", "\\'");
}

/* What may follow: -r wants a value, -F lets it be a file, -x lets it be nothing but what -a lists. */
static void fish_choices(const char *argument, bool word)
{
	struct ts_choices choices = ts_choices(argument);
	if (choices.files)
		printf(word ? " -F" : " -r -F");
	else if (!word)
		printf(" -x");
	if (choices.files || !(*choices.words || choices.folders || choices.commands))
		return;
	printf(" -a '%s", choices.words);
	if (choices.folders)
		printf(" (__fish_complete_directories)");
	if (choices.commands)
		put_command_names();
	printf("'");
}

static void fish_command(void *user, const struct ts_command *c, const struct ts_option *options, size_t count)
{
	(void)user;
	char word[64];
	printf("complete -c thinksafe -n __fish_use_subcommand -a %s -d '", c->name);
	fish_text(c->summary);
	printf("'\n");
	ts_command_word(c, word);
	if (*word) {
		printf("complete -c thinksafe -n '__thinksafe_is %s'", c->name);
		fish_choices(word, true);
		printf("\n");
	}
	for (size_t i = 0; i < count; i++) {
		char name[64];
		ts_option_name(&options[i], name);
		printf("complete -c thinksafe -n '__thinksafe_is %s' -l %s", c->name, name);
		if (options[i].argument)
			fish_choices(options[i].argument, false);
		printf(" -d '");
		fish_text(options[i].help);
		printf("'\n");
	}
}

static void fish(void)
{
	fputs("# fish completion for thinksafe, made by `thinksafe help --completion fish`.\n"
	      "function __thinksafe_is\n"
	      "\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) -ge 2; and test $words[2] = $argv[1]\n"
	      "end\n"
	      "complete -c thinksafe -f\n"
	      "complete -c thinksafe -s h -l help -d 'options and an example'\n"
	      "complete -c thinksafe -n __fish_use_subcommand -l version -d 'the version'\n",
	      stdout);
	each_command(fish_command);
}

int ts_print_completion(const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (!strcmp(shells[i].name, shell)) {
			shells[i].print();
			return 0;
		}
	return TS_EINVAL;
}
