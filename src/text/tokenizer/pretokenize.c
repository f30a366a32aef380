/* A tree of pre-tokenizers becomes a flat list of small steps. A piece goes through them depth first: what a step makes of it is
 * handed on before the step looks further, so no list of pieces is ever stored. */
#include "text/tokenizer/pretokenize.h"

#include "core/json.h"
#include "text/tokenizer/bpe.h"

#include <string.h>

#define DEPTH_MOST 8 /* of nested sequences */
#define GPT2       "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

struct parser {
	struct ts_pretokenizer *plan;
	const char *place;
	struct ts_error *err;
	size_t growth;
};

/* Metaspace's mark is one character: at most four bytes for a space. A byte's character has at most two. */
static size_t growth_of(enum ts_pretoken_kind kind)
{
	return kind == TS_PRETOKEN_REPLACE ? 4 : kind == TS_PRETOKEN_BYTES ? 2 : 1;
}

/* Appends the op, or releases what it owns. */
static int add(struct parser *p, struct ts_pretoken_op op)
{
	int status = ts_steps_check(p->plan->ops.len + 1, "pre-tokenizers", p->place, p->err);
	if (!status)
		status = ts_growth_add(&p->growth, growth_of(op.kind), p->place, p->err);
	if (!status && !ts_vec_push(&p->plan->ops, op))
		return 0;
	ts_free(op.text);
	ts_pattern_free(op.pattern);
	return status ? status : ts_fail_memory(p->err);
}

static int add_text(struct parser *p, enum ts_pretoken_kind kind, const char *text, bool first_only)
{
	char *copy = ts_strdup(text);
	if (!copy)
		return ts_fail_memory(p->err);
	return add(p, (struct ts_pretoken_op){.kind = kind, .text = copy, .first_only = first_only});
}

static int add_split(struct parser *p, struct ts_pattern *pattern, enum ts_pretoken_behaviour behaviour, bool invert)
{
	return add(p, (struct ts_pretoken_op){.kind = TS_PRETOKEN_SPLIT, .pattern = pattern, .behaviour = behaviour, .invert = invert});
}

static int parse_split(struct parser *p, const json_t *value)
{
	static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
	const char *behaviour;
	bool invert;
	TS_TRY(ts_json_need_text(value, "behavior", &behaviour, p->place, p->err));
	TS_TRY(ts_json_bool(value, "invert", false, &invert, p->place, p->err));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], behaviour))
			continue;
		struct ts_pattern *pattern;
		TS_TRY(ts_pattern_parse(&pattern, json_object_get(value, "pattern"), p->place, p->err));
		return add_split(p, pattern, (enum ts_pretoken_behaviour)i, invert);
	}
	return ts_fail(p->err, TS_EUNSUPPORTED, "%s: Split: unknown behavior \"%.80s\"", p->place, behaviour);
}

static int parse_byte_level(struct parser *p, const json_t *value)
{
	bool prefix, regex;
	struct ts_pattern *pattern;
	TS_TRY(ts_json_bool(value, "add_prefix_space", true, &prefix, p->place, p->err));
	TS_TRY(ts_json_bool(value, "use_regex", true, &regex, p->place, p->err));
	if (prefix)
		TS_TRY(add_text(p, TS_PRETOKEN_PREFIX, " ", false));
	if (regex) {
		TS_TRY(ts_pattern_regex(&pattern, GPT2, true, p->place, p->err));
		TS_TRY(add_split(p, pattern, TS_SPLIT_ISOLATED, false));
	}
	return add(p, (struct ts_pretoken_op){.kind = TS_PRETOKEN_BYTES});
}

/* prepend_scheme "start" is ours: a mark before the whole text whatever it begins with, as SentencePiece itself puts it. */
static int parse_metaspace(struct parser *p, const json_t *value)
{
	const char *replacement, *scheme;
	bool split, legacy;
	TS_TRY(ts_json_need_text(value, "replacement", &replacement, p->place, p->err));
	uint32_t c;
	if (!*replacement || ts_unicode_next(replacement, &c) != strlen(replacement))
		return ts_fail(p->err, TS_EFORMAT, "%s: expected \"replacement\" to be one character", p->place);
	TS_TRY(ts_json_text(value, "prepend_scheme", &scheme, p->place, p->err));
	TS_TRY(ts_json_bool(value, "split", true, &split, p->place, p->err));
	TS_TRY(ts_json_bool(value, "add_prefix_space", true, &legacy, p->place, p->err));
	if (!scheme)
		scheme = legacy ? "always" : "never";
	bool start = !strcmp(scheme, "start"), first = start || !strcmp(scheme, "first"), never = !strcmp(scheme, "never");
	if ((!first && !never && strcmp(scheme, "always")) || (!legacy && !never))
		return ts_fail(p->err, TS_EFORMAT, "%s: Metaspace: prepend_scheme \"%.40s\" (add_prefix_space %s)", p->place, scheme,
			       legacy ? "true" : "false");
	TS_TRY(add_text(p, TS_PRETOKEN_REPLACE, replacement, false));
	if (!never) {
		TS_TRY(add_text(p, TS_PRETOKEN_PREFIX, replacement, first));
		p->plan->ops.data[p->plan->ops.len - 1].always = start;
	}
	if (!split)
		return 0;
	struct ts_pattern *pattern;
	TS_TRY(ts_pattern_string(&pattern, replacement, strlen(replacement), p->place, p->err));
	return add_split(p, pattern, TS_SPLIT_WITH_NEXT, false);
}

static int parse_digits(struct parser *p, const json_t *value)
{
	bool individual;
	struct ts_pattern *pattern;
	TS_TRY(ts_json_bool(value, "individual_digits", false, &individual, p->place, p->err));
	TS_TRY(ts_pattern_class(&pattern, TS_UNICODE_NUMBER, p->err));
	return add_split(p, pattern, individual ? TS_SPLIT_ISOLATED : TS_SPLIT_CONTIGUOUS, false);
}

static int parse_whitespace(struct parser *p, bool words)
{
	struct ts_pattern *pattern;
	if (words)
		TS_TRY(ts_pattern_regex(&pattern, "\\w+|[^\\w\\s]+", true, p->place, p->err));
	else
		TS_TRY(ts_pattern_class(&pattern, TS_UNICODE_SPACE, p->err));
	return add_split(p, pattern, TS_SPLIT_REMOVED, words);
}

static int parse(struct parser *p, const json_t *value, int depth);

static int parse_sequence(struct parser *p, const json_t *value, int depth)
{
	const json_t *list = json_object_get(value, "pretokenizers"), *item;
	size_t i;
	if (!json_is_array(list))
		return ts_fail(p->err, TS_EFORMAT, "%s: Sequence: expected \"pretokenizers\" to be an array", p->place);
	json_array_foreach (list, i, item)
		TS_TRY(parse(p, item, depth + 1));
	return 0;
}

static int parse(struct parser *p, const json_t *value, int depth)
{
	const char *type;
	if (!json_is_object(value) || depth > DEPTH_MOST)
		return ts_fail(p->err, TS_EFORMAT, "%s: expected an object, nested at most %d deep", p->place, DEPTH_MOST);
	TS_TRY(ts_json_need_text(value, "type", &type, p->place, p->err));
	if (!strcmp(type, "Sequence"))
		return parse_sequence(p, value, depth);
	if (!strcmp(type, "Split"))
		return parse_split(p, value);
	if (!strcmp(type, "ByteLevel"))
		return parse_byte_level(p, value);
	if (!strcmp(type, "Metaspace"))
		return parse_metaspace(p, value);
	if (!strcmp(type, "Digits"))
		return parse_digits(p, value);
	if (!strcmp(type, "Whitespace") || !strcmp(type, "WhitespaceSplit"))
		return parse_whitespace(p, !strcmp(type, "Whitespace"));
	return ts_fail(p->err, TS_EUNSUPPORTED, "%s: unknown pre-tokenizer \"%.80s\"", p->place, type);
}

int ts_pretokenizer_parse(struct ts_pretokenizer *plan, const json_t *value, const char *place, struct ts_error *err)
{
	struct parser p = {plan, place, err, 1};
	if (!value || json_is_null(value))
		return 0;
	TS_TRY(parse(&p, value, 0));
	if (plan->ops.len && plan->ops.data[plan->ops.len - 1].kind == TS_PRETOKEN_BYTES) {
		plan->bytes = true;
		plan->ops.len--;
	}
	return 0;
}

void ts_pretokenizer_release(struct ts_pretokenizer *plan)
{
	for (size_t i = 0; i < plan->ops.len; i++) {
		ts_free(plan->ops.data[i].text);
		ts_pattern_free(plan->ops.data[i].pattern);
	}
	ts_vec_release(&plan->ops);
}

int ts_pretoken_run_init(struct ts_pretoken_run *run, const struct ts_pretokenizer *plan, struct ts_error *err)
{
	*run = (struct ts_pretoken_run){.plan = plan, .err = err};
	run->patterns = ts_calloc(plan->ops.len, sizeof(struct ts_pattern_run *));
	run->scratch = ts_calloc(plan->ops.len, sizeof(*run->scratch));
	return run->patterns && run->scratch ? 0 : ts_fail_memory(err);
}

void ts_pretoken_run_release(struct ts_pretoken_run *run)
{
	for (size_t i = 0; run->plan && i < run->plan->ops.len; i++) {
		if (run->patterns)
			ts_pattern_run_free(run->patterns[i]);
		if (run->scratch)
			ts_str_release(&run->scratch[i]);
	}
	ts_free(run->patterns);
	ts_free(run->scratch);
	run->patterns = NULL;
	run->scratch = NULL;
}

static int step(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start);

static int run_prefix(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start)
{
	const struct ts_pretoken_op *op = &run->plan->ops.data[k];
	size_t len = strlen(op->text);
	if ((op->first_only && !at_start) || (!op->always && n >= len && !memcmp(s, op->text, len)))
		return step(run, k + 1, s, n, at_start);
	struct ts_str *out = &run->scratch[k];
	ts_str_clear(out);
	TS_TRY(ts_str_append(out, op->text, len));
	TS_TRY(ts_str_append(out, s, n));
	return step(run, k + 1, out->data, out->len, at_start);
}

static int run_replace(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start)
{
	struct ts_str *out = &run->scratch[k];
	const char *text = run->plan->ops.data[k].text;
	ts_str_clear(out);
	while (n) {
		const char *space = memchr(s, ' ', n);
		size_t before = space ? (size_t)(space - s) : n;
		TS_TRY(ts_str_append(out, s, before));
		if (space)
			TS_TRY(ts_str_puts(out, text));
		before += space != NULL;
		s += before;
		n -= before;
	}
	return step(run, k + 1, ts_str_c(out), out->len, at_start);
}

static int run_bytes(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start)
{
	struct ts_str *out = &run->scratch[k];
	ts_str_clear(out);
	for (size_t i = 0; i < n; i++)
		TS_TRY(ts_str_put_utf8(out, ts_bpe_byte_char((unsigned char)s[i])));
	return step(run, k + 1, out->data, out->len, at_start);
}

/* How a part of a walk joins the group that waits: the folds of the reference, left to right. */
static bool joins(enum ts_pretoken_behaviour behaviour, bool previous, bool match)
{
	switch (behaviour) {
	case TS_SPLIT_CONTIGUOUS:
		return previous == match;
	case TS_SPLIT_WITH_PREVIOUS:
		return match && !previous;
	case TS_SPLIT_WITH_NEXT:
		return previous && !match;
	default:
		return false;
	}
}

static int run_split(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start)
{
	const struct ts_pretoken_op *op = &run->plan->ops.data[k];
	if (!run->patterns[k])
		TS_TRY(ts_pattern_run_new(&run->patterns[k], op->pattern, run->err));
	struct ts_pattern_walk walk = {.run = run->patterns[k], .s = s, .n = n};
	size_t start, end, group = 0, group_end = 0; /* s[group..group_end) waits for more to join it */
	bool match, previous = false, waiting = false;
	int more;
	while ((more = ts_pattern_walk_next(&walk, &start, &end, &match, run->err)) > 0) {
		match = match != op->invert;
		if (waiting && joins(op->behaviour, previous, match)) {
			group_end = end;
			previous = match;
			continue;
		}
		if (waiting)
			TS_TRY(step(run, k + 1, s + group, group_end - group, at_start && !group));
		waiting = op->behaviour != TS_SPLIT_REMOVED || !match;
		group = start;
		group_end = end;
		previous = match;
	}
	if (more < 0)
		return more;
	return waiting ? step(run, k + 1, s + group, group_end - group, at_start && !group) : 0;
}

/* The common case, without the bookkeeping: known expressions cover the text piece by piece. */
static int run_cover(struct ts_pretoken_run *run, size_t k, ts_pattern_cover cover, const char *s, size_t n, bool at_start)
{
	bool last = k + 1 == run->plan->ops.len;
	for (size_t i = 0; i < n;) {
		size_t used = cover(s + i, n - i);
		TS_TRY(last ? run->word(run->user, s + i, used) : step(run, k + 1, s + i, used, at_start && !i));
		i += used;
	}
	return 0;
}

static int step(struct ts_pretoken_run *run, size_t k, const char *s, size_t n, bool at_start)
{
	if (!n)
		return 0;
	if (k == run->plan->ops.len)
		return run->word(run->user, s, n);
	const struct ts_pretoken_op *op = &run->plan->ops.data[k];
	switch (op->kind) {
	case TS_PRETOKEN_PREFIX:
		return run_prefix(run, k, s, n, at_start);
	case TS_PRETOKEN_REPLACE:
		return run_replace(run, k, s, n, at_start);
	case TS_PRETOKEN_BYTES:
		return run_bytes(run, k, s, n, at_start);
	default:
		break;
	}
	ts_pattern_cover cover = ts_pattern_covers(op->pattern);
	if (cover && op->behaviour == TS_SPLIT_ISOLATED)
		return run_cover(run, k, cover, s, n, at_start);
	return run_split(run, k, s, n, at_start);
}

int ts_pretoken_piece(struct ts_pretoken_run *run, const char *s, size_t n, bool at_start)
{
	return step(run, 0, s, n, at_start);
}
