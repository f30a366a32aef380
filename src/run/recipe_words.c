/* What libcyaml and libyaml say of a recipe, in words that its writer knows. */
#include "run/recipe_internal.h"

#include <stdio.h>
#include <string.h>

/* What libcyaml calls what it wants and what it met. */
static const char *thing(const char *name)
{
	static const char *const words[][2] = {
		{"STRING", "a single value"},      {"SCALAR", "a single value"},    {"SEQUENCE", "a list"},
		{"SEQUENCE_START", "a list"},      {"MAPPING", "keys with values"}, {"MAPPING_START", "keys with values"},
		{"ALIAS", "an alias, like *name"},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], name))
			return words[i][1];
	return name;
}

/* libyaml does not tell libcyaml where it failed. Two things that people do are looked for once more. */
static const char *trouble(const char *text, size_t n, int *line)
{
	bool indent = true;
	*line = 1;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\t' && indent)
			return "expected spaces in the indentation, found a tab";
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return c ? "found a control character, expected text" : "found a NUL character, expected text";
		indent = c == '\n' || (indent && c == ' ');
		*line += c == '\n';
	}
	*line = 0;
	return NULL;
}

const char *recipe_words(const char *said, const char *text, size_t n, int *line, char buffer[128])
{
	char expected[32], found[32];
	int least, count;
	*line = 0;
	if (!strncmp(said, "libyaml: ", 9)) {
		const char *why = trouble(text, n, line);
		return why ? why : said;
	}
	if (!strcmp(said, "YAML alias unsupported"))
		return "expected a value, found an alias, like *name; write the value out";
	if (sscanf(said, "Insufficient entries (%d of %d min)", &count, &least) == 2) {
		snprintf(buffer, 128, "expected at least %d, found %d", least, count);
		return buffer;
	}
	if (sscanf(said, "Expecting %31[A-Z_], got event: %31[A-Z_]", expected, found) != 2)
		return said;
	snprintf(buffer, 128, "expected %s, found %s", thing(expected), thing(found));
	return buffer;
}
