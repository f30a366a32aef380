/* PCRE2 speaks nearly the reference's dialect; the differences are taken care of when the expression is translated
 * (pretokenize_regex.c). JIT where the platform has it; matching is bounded, so that no text takes exponential time. */
#include "text/tokenizer/pretokenize_pattern.h"

#include "core/json.h"
#include "core/mem.h"
#include "text/pcre.h"
#include "text/tokenizer/pretokenize_regex.h"
#include "text/tokenizer/pretokenize_words.h"

#include <string.h>

#define MATCH_LIMIT 50000000u
#define STACK_FIRST ((size_t)32 << 10)
#define STACK_MOST  ((size_t)16 << 20)

struct ts_pattern {
	char *string; /* a fixed string, or NULL */
	size_t len;
	enum ts_unicode_class class; /* not OTHER: characters of this class */
	ts_pattern_cover cover;
	pcre2_general_context *general;
	pcre2_code *code;
};

struct ts_pattern_run {
	const struct ts_pattern *pattern;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* One table: expressions known by heart. */
static const struct {
	const char *regex;
	ts_pattern_cover cover;
} known[] = {
	{"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", ts_words_gpt2},
	{"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
	 "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	 ts_words_llama3},
	{"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	 ts_words_qwen2},
};

static int compile(struct ts_pattern *p, const char *regex, const struct ts_str *dialect, const char *place, struct ts_error *err)
{
	TS_TRY(ts_pcre_compile(&p->general, &p->code, ts_str_c(dialect), dialect->len, PCRE2_MULTILINE, place, regex, err));
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter does the same, slower */
	return 0;
}

int ts_pattern_regex(struct ts_pattern **out, const char *regex, bool fast, const char *place, struct ts_error *err)
{
	struct ts_pattern *p = ts_calloc(1, sizeof(*p));
	if (!p)
		return ts_fail_memory(err);
	for (size_t i = 0; fast && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].regex, regex))
			p->cover = known[i].cover;
	struct ts_str dialect = {0};
	int status = p->cover ? 0 : ts_regex_translate(regex, &dialect, place, err);
	if (!status && !p->cover)
		status = compile(p, regex, &dialect, place, err);
	ts_str_release(&dialect);
	if (status)
		ts_pattern_free(p);
	else
		*out = p;
	return status;
}

int ts_pattern_string(struct ts_pattern **out, const char *s, size_t n, const char *place, struct ts_error *err)
{
	if (!n)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: an empty pattern string", place);
	struct ts_pattern *p = ts_calloc(1, sizeof(*p));
	if (p)
		p->string = ts_strndup(s, n);
	if (!p || !p->string) {
		ts_free(p);
		return ts_fail_memory(err);
	}
	p->len = n;
	*out = p;
	return 0;
}

int ts_pattern_class(struct ts_pattern **out, enum ts_unicode_class class, struct ts_error *err)
{
	struct ts_pattern *p = ts_calloc(1, sizeof(*p));
	if (!p)
		return ts_fail_memory(err);
	p->class = class;
	*out = p;
	return 0;
}

int ts_pattern_parse(struct ts_pattern **out, const json_t *value, const char *place, struct ts_error *err)
{
	const json_t *regex = json_object_get(value, "Regex"), *string = json_object_get(value, "String");
	if (json_is_string(regex) && strlen(json_string_value(regex)) == json_string_length(regex))
		return ts_pattern_regex(out, json_string_value(regex), true, place, err);
	if (json_is_string(string))
		return ts_pattern_string(out, json_string_value(string), json_string_length(string), place, err);
	return ts_fail(err, TS_EFORMAT, "%s: pattern: expected {\"Regex\": text} or {\"String\": text}", place);
}

void ts_pattern_free(struct ts_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	pcre2_general_context_free(p->general);
	ts_free(p->string);
	ts_free(p);
}

size_t ts_pattern_growth(const struct ts_pattern *p, size_t len)
{
	if (!p->string || !p->len) /* a match may be empty */
		return len + 1;
	return len > p->len ? (len + p->len - 1) / p->len : 1;
}

int ts_growth_add(size_t *growth, size_t factor, const char *place, struct ts_error *err)
{
	if (!ts_mul_size(*growth, factor, growth))
		*growth = SIZE_MAX;
	return *growth <= TS_GROWTH_MOST ? 0
					 : ts_fail(err, TS_ELIMIT, "%s: could make a text %zu times as long, expected at most %zu", place,
						   *growth, TS_GROWTH_MOST);
}

int ts_steps_check(size_t count, const char *what, const char *place, struct ts_error *err)
{
	return count <= TS_STEPS_MOST ? 0 : ts_fail(err, TS_ELIMIT, "%s: expected at most %zu %s", place, TS_STEPS_MOST, what);
}

ts_pattern_cover ts_pattern_covers(const struct ts_pattern *p)
{
	return p->cover;
}

int ts_pattern_run_new(struct ts_pattern_run **out, const struct ts_pattern *p, struct ts_error *err)
{
	struct ts_pattern_run *run = ts_calloc(1, sizeof(*run));
	if (!run)
		return ts_fail_memory(err);
	run->pattern = p;
	if (p->code) {
		run->data = pcre2_match_data_create(1, p->general);
		run->context = pcre2_match_context_create(p->general);
		if (!run->data || !run->context) {
			ts_pattern_run_free(run);
			return ts_fail_memory(err);
		}
		pcre2_set_match_limit(run->context, MATCH_LIMIT);
	}
	*out = run;
	return 0;
}

void ts_pattern_run_free(struct ts_pattern_run *run)
{
	if (!run)
		return;
	pcre2_match_data_free(run->data);
	pcre2_match_context_free(run->context);
	pcre2_jit_stack_free(run->stack);
	ts_free(run);
}

static int match(struct ts_pattern_run *run, const char *s, size_t n, size_t from)
{
	return pcre2_match(run->pattern->code, (PCRE2_SPTR)s, n, from, PCRE2_NO_UTF_CHECK, run->data, run->context);
}

static int search_regex(struct ts_pattern_run *run, const char *s, size_t n, size_t from, size_t *start, size_t *end, struct ts_error *err)
{
	int rc = match(run, s, n, from);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !run->stack) { /* the small default stack did not do; seldom */
		run->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, run->pattern->general);
		if (!run->stack)
			return ts_fail_memory(err);
		pcre2_jit_stack_assign(run->context, NULL, run->stack);
		rc = match(run, s, n, from);
	}
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return ts_fail_memory(err);
	if (rc < 0)
		return ts_fail(err, TS_ELIMIT, "the tokenizer's regular expression needs too much work on a text of %zu bytes (PCRE2 %d)",
			       n, rc);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(run->data);
	*start = at[0];
	*end = at[1] > at[0] ? at[1] : at[0];
	return 1;
}

static int search_class(enum ts_unicode_class class, const char *s, size_t n, size_t from, size_t *start, size_t *end)
{
	while (from < n) {
		uint32_t c;
		size_t used = ts_unicode_next(s + from, &c);
		if (ts_unicode_class(c) == class) {
			*start = from;
			*end = from + used;
			return 1;
		}
		from += used;
	}
	return 0;
}

static int search(struct ts_pattern_run *run, const char *s, size_t n, size_t from, size_t *start, size_t *end, struct ts_error *err)
{
	const struct ts_pattern *p = run->pattern;
	if (p->cover) {
		if (from == n)
			return 0;
		*start = from;
		*end = from + p->cover(s + from, n - from);
		return 1;
	}
	if (p->class != TS_UNICODE_OTHER)
		return search_class(p->class, s, n, from, start, end);
	if (!p->string)
		return search_regex(run, s, n, from, start, end, err);
	const char *hit = from < n ? memmem(s + from, n - from, p->string, p->len) : NULL;
	if (!hit)
		return 0;
	*start = (size_t)(hit - s);
	*end = *start + p->len;
	return 1;
}

/* The next match into w->start, w->end. An empty match right behind the last match is passed over, as in the reference. */
static int find(struct ts_pattern_walk *w, struct ts_error *err)
{
	while (w->from <= w->n) {
		int found = search(w->run, w->s, w->n, w->from, &w->start, &w->end, err);
		if (found <= 0)
			return found;
		if (w->start < w->end || !w->matched || w->end != w->given) {
			w->from = w->end;
			w->matched = true;
			return 1;
		}
		uint32_t c;
		w->from += w->from < w->n ? ts_unicode_next(w->s + w->from, &c) : 1;
	}
	return 0;
}

int ts_pattern_walk_next(struct ts_pattern_walk *w, size_t *start, size_t *end, bool *is_match, struct ts_error *err)
{
	if (!w->waiting && !w->done) {
		int found = find(w, err);
		if (found < 0)
			return found;
		w->waiting = found;
		w->done = !found;
	}
	size_t stop = w->waiting ? w->start : w->n;
	*start = w->given;
	*is_match = w->waiting && w->given == w->start;
	if (*is_match) {
		stop = w->end;
		w->waiting = false;
	} else if (w->given == w->n) {
		return 0;
	}
	*end = w->given = stop;
	return 1;
}
