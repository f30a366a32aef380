#include "cli/describe.h"

#include <ctype.h>
#include <string.h>

void ts_command_describe(const struct ts_command *c, ts_option_visit *visit, void *user)
{
	struct ts_option_visitor visitor = {visit, user};
	struct ts_command with_visitor = *c;
	with_visitor.visitor = &visitor;
	c->run(&with_visitor, 0, NULL);
}

static void add_choice(struct ts_choices *choices, const char *text, size_t n)
{
	size_t used = strlen(choices->words);
	if (islower((unsigned char)*text))
		snprintf(choices->words + used, sizeof(choices->words) - used, "%s%.*s", used ? " " : "", (int)n, text);
	else if ((n == 3 && (!memcmp(text, "DIR", n) || !memcmp(text, "RUN", n))))
		choices->folders = true;
	else if (n == 7 && !memcmp(text, "COMMAND", n))
		choices->commands = true;
	else if ((n == 4 && !memcmp(text, "FILE", n)) || memchr(text, '.', n))
		choices->files = true;
}

struct ts_choices ts_choices(const char *argument)
{
	struct ts_choices choices = {0};
	while (argument && *argument) {
		size_t n = strcspn(argument, "|");
		if (n)
			add_choice(&choices, argument, n);
		argument += n + (argument[n] == '|');
	}
	return choices;
}

void ts_command_word(const struct ts_command *c, char word[64])
{
	const char *p = c->usage + strcspn(c->usage, " ");
	p += strspn(p, " [");
	size_t n = isupper((unsigned char)*p) ? strcspn(p, " ]") : 0;
	snprintf(word, 64, "%.*s", (int)n, p);
}

void ts_option_name(const struct ts_option *o, char name[64])
{
	snprintf(name, 64, "%s", o->name);
	for (char *p = name; *p; p++)
		*p = *p == '_' ? '-' : *p;
}
