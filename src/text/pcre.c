#include "text/pcre.h"

#include "core/mem.h"

static void *take(PCRE2_SIZE size, void *unused)
{
	(void)unused;
	return ts_alloc(size);
}

static void give(void *p, void *unused)
{
	(void)unused;
	ts_free(p);
}

int ts_pcre_compile(pcre2_general_context **general, pcre2_code **code, const char *pattern, size_t n, uint32_t options, const char *place,
		    const char *written, struct ts_error *err)
{
	int why = 0;
	PCRE2_SIZE at = 0;
	*code = NULL;
	*general = pcre2_general_context_create(take, give, NULL);
	pcre2_compile_context *context = *general ? pcre2_compile_context_create(*general) : NULL;
	if (!context)
		return ts_fail_memory(err);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	options |= PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
	*code = pcre2_compile((PCRE2_SPTR)pattern, n, options, &why, &at, context);
	pcre2_compile_context_free(context);
	if (*code)
		return 0;
	if (why == PCRE2_ERROR_HEAP_FAILED)
		return ts_fail_memory(err);
	PCRE2_UCHAR text[160] = "";
	pcre2_get_error_message(why, text, sizeof(text));
	return ts_fail(err, TS_EUNSUPPORTED, "%s: regular expression \"%.300s\": %s", place, written, (const char *)text);
}
