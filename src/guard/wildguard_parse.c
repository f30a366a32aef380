#include "guard/wildguard_parse.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool starts(const char *s, size_t n, const char *word)
{
	size_t len = strlen(word);
	return n >= len && !strncasecmp(s, word, len);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The answer at s: white space, yes or no, and no letter or digit after it. */
static enum ts_wildguard_word answer_at(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r')))
		i++;
	bool yes = starts(s + i, n - i, "yes"), no = starts(s + i, n - i, "no");
	i += yes ? 3 : 2;
	if ((!yes && !no) || (i < n && is_word(s[i])))
		return TS_ANSWER_NONE;
	return yes ? TS_ANSWER_YES : TS_ANSWER_NO;
}

static enum ts_wildguard_word find(const char *s, size_t n, const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < n; i++) {
		enum ts_wildguard_word a = starts(s + i, n - i, key) ? answer_at(s + i + len, n - i - len) : TS_ANSWER_NONE;
		if (a)
			return a;
	}
	return TS_ANSWER_NONE;
}

struct ts_wildguard_answer ts_wildguard_parse(const char *output, size_t n)
{
	return (struct ts_wildguard_answer){
		.harmful_request = find(output, n, "harmful request:"),
		.refusal = find(output, n, "response refusal:"),
		.harmful_response = find(output, n, "harmful response:"),
	};
}
