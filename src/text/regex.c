#include "text/regex.h"

#include "core/mem.h"
#include "text/pcre.h"

#include <string.h>

#define MATCH_LIMIT 1000000u

struct ts_regex {
	pcre2_general_context *general;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	char *pattern, *place;
};

/* What means something else in Python: {,3} (PCRE2 before 10.43 takes it literally) and [[:alpha:]] (Python has no such classes). */
static const char *read_otherwise(const char *pattern)
{
	static const char *const parts[] = {"{,", "[[:", "\\Q", "\\K", "\\G", "\\R", "\\X", "\\h", "\\H", "\\z"};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(pattern, parts[i]))
			return parts[i];
	return NULL;
}

static int compile(struct ts_regex *r, struct ts_error *err)
{
	TS_TRY(ts_pcre_compile(&r->general, &r->code, r->pattern, strlen(r->pattern), PCRE2_ANCHORED | PCRE2_ENDANCHORED, r->place,
			       r->pattern, err));
	r->data = pcre2_match_data_create(1, r->general);
	r->context = pcre2_match_context_create(r->general);
	if (!r->data || !r->context)
		return ts_fail_memory(err);
	pcre2_set_match_limit(r->context, MATCH_LIMIT);
	return 0;
}

int ts_regex_new(struct ts_regex **out, const char *pattern, const char *place, struct ts_error *err)
{
	*out = NULL;
	const char *part = read_otherwise(pattern);
	if (part)
		return ts_fail(err, TS_EUNSUPPORTED,
			       "%s: regular expression \"%.300s\": expected nothing that Python reads otherwise, found %s", place, pattern,
			       part);
	struct ts_regex *r = ts_calloc(1, sizeof(*r));
	if (!r)
		return ts_fail_memory(err);
	r->pattern = ts_strdup(pattern);
	r->place = ts_strdup(place);
	int status = r->pattern && r->place ? compile(r, err) : ts_fail_memory(err);
	if (status)
		ts_regex_free(r);
	else
		*out = r;
	return status;
}

void ts_regex_free(struct ts_regex *r)
{
	if (!r)
		return;
	pcre2_match_data_free(r->data);
	pcre2_match_context_free(r->context);
	pcre2_code_free(r->code);
	pcre2_general_context_free(r->general);
	ts_free(r->pattern);
	ts_free(r->place);
	ts_free(r);
}

int ts_regex_matches(const struct ts_regex *r, const char *text, bool *yes, struct ts_error *err)
{
	int found = pcre2_match(r->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, r->data, r->context);
	*yes = found >= 0;
	if (found == PCRE2_ERROR_NOMATCH || found >= 0)
		return 0;
	if (found == PCRE2_ERROR_NOMEMORY || found == PCRE2_ERROR_HEAPLIMIT)
		return ts_fail_memory(err);
	PCRE2_UCHAR why[160] = "";
	pcre2_get_error_message(found, why, sizeof(why));
	return ts_fail(err, TS_ELIMIT, "%s: regular expression \"%.300s\" on \"%.200s\": %s", r->place, r->pattern, text,
		       (const char *)why);
}
