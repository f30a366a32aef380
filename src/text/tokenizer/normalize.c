/* A tree of normalizers becomes a flat list of steps; text goes from one buffer to the other and back. */
#include "text/tokenizer/normalize.h"

#include "core/json.h"

#include <string.h>

#define DEPTH_MOST 8 /* of nested sequences */

struct parser {
	struct ts_normalizer *plan;
	const char *place;
	struct ts_error *err;
	size_t growth;
};

static int check_growth(struct parser *p, const struct ts_normalize_op *op)
{
	bool replace = op->kind == TS_NORMALIZE_REPLACE;
	TS_TRY(ts_steps_check(p->plan->ops.len + 1, "normalizers", p->place, p->err));
	return ts_growth_add(&p->growth, replace ? ts_pattern_growth(op->pattern, op->len) : op->len + 1, p->place, p->err);
}

static int add(struct parser *p, struct ts_normalize_op op)
{
	int status = check_growth(p, &op);
	if (!status && !ts_vec_push(&p->plan->ops, op))
		return 0;
	ts_free(op.text);
	ts_pattern_free(op.pattern);
	return status ? status : ts_fail_memory(p->err);
}

static int copy_text(struct parser *p, const json_t *value, const char *key, struct ts_normalize_op *op)
{
	const json_t *s = json_object_get(value, key);
	if (!json_is_string(s))
		return ts_fail(p->err, TS_EFORMAT, "%s: expected \"%s\" to be a string", p->place, key);
	op->len = json_string_length(s);
	op->text = ts_strndup(json_string_value(s), op->len);
	return op->text ? 0 : ts_fail_memory(p->err);
}

static int parse_prepend(struct parser *p, const json_t *value)
{
	struct ts_normalize_op op = {.kind = TS_NORMALIZE_PREPEND};
	TS_TRY(copy_text(p, value, "prepend", &op));
	return add(p, op);
}

static int parse_replace(struct parser *p, const json_t *value)
{
	struct ts_normalize_op op = {.kind = TS_NORMALIZE_REPLACE};
	TS_TRY(copy_text(p, value, "content", &op));
	int status = ts_pattern_parse(&op.pattern, json_object_get(value, "pattern"), p->place, p->err);
	if (status) {
		ts_free(op.text);
		return status;
	}
	return add(p, op);
}

static int parse_strip(struct parser *p, const json_t *value)
{
	struct ts_normalize_op op = {.kind = TS_NORMALIZE_STRIP};
	TS_TRY(ts_json_bool(value, "strip_left", false, &op.left, p->place, p->err));
	TS_TRY(ts_json_bool(value, "strip_right", false, &op.right, p->place, p->err));
	return add(p, op);
}

static int parse(struct parser *p, const json_t *value, int depth);

static int parse_sequence(struct parser *p, const json_t *value, int depth)
{
	const json_t *list = json_object_get(value, "normalizers"), *item;
	size_t i;
	if (!json_is_array(list))
		return ts_fail(p->err, TS_EFORMAT, "%s: Sequence: expected \"normalizers\" to be an array", p->place);
	json_array_foreach (list, i, item)
		TS_TRY(parse(p, item, depth + 1));
	return 0;
}

static int parse(struct parser *p, const json_t *value, int depth)
{
	static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
	const char *type;
	if (!json_is_object(value) || depth > DEPTH_MOST)
		return ts_fail(p->err, TS_EFORMAT, "%s: expected an object, nested at most %d deep", p->place, DEPTH_MOST);
	TS_TRY(ts_json_need_text(value, "type", &type, p->place, p->err));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!strcmp(type, forms[i]))
			return add(p, (struct ts_normalize_op){.kind = TS_NORMALIZE_FORM, .form = (enum ts_unicode_form)i});
	if (!strcmp(type, "Sequence"))
		return parse_sequence(p, value, depth);
	if (!strcmp(type, "Prepend"))
		return parse_prepend(p, value);
	if (!strcmp(type, "Replace"))
		return parse_replace(p, value);
	if (!strcmp(type, "Strip"))
		return parse_strip(p, value);
	if (!strcmp(type, "Lowercase"))
		return add(p, (struct ts_normalize_op){.kind = TS_NORMALIZE_LOWERCASE});
	if (!strcmp(type, "StripAccents"))
		return add(p, (struct ts_normalize_op){.kind = TS_NORMALIZE_STRIP_MARKS});
	return ts_fail(p->err, TS_EUNSUPPORTED, "%s: unknown normalizer \"%.80s\"", p->place, type);
}

int ts_normalizer_parse(struct ts_normalizer *plan, const json_t *value, const char *place, struct ts_error *err)
{
	struct parser p = {plan, place, err, 1};
	return !value || json_is_null(value) ? 0 : parse(&p, value, 0);
}

void ts_normalizer_release(struct ts_normalizer *plan)
{
	for (size_t i = 0; i < plan->ops.len; i++) {
		ts_free(plan->ops.data[i].text);
		ts_pattern_free(plan->ops.data[i].pattern);
	}
	ts_vec_release(&plan->ops);
}

static int replace_all(struct ts_pattern_run *run, const struct ts_normalize_op *op, const char *s, size_t n, struct ts_str *out,
		       struct ts_error *err)
{
	struct ts_pattern_walk walk = {.run = run, .s = s, .n = n};
	size_t start, end;
	bool match;
	int more;
	while ((more = ts_pattern_walk_next(&walk, &start, &end, &match, err)) > 0)
		TS_TRY(match ? ts_str_append(out, op->text, op->len) : ts_str_append(out, s + start, end - start));
	return more;
}

static int replace(const struct ts_normalize_op *op, const char *s, size_t n, struct ts_str *out, struct ts_error *err)
{
	struct ts_pattern_run *run;
	if (!n) /* the reference does not look for matches in an empty text */
		return 0;
	TS_TRY(ts_pattern_run_new(&run, op->pattern, err));
	int status = replace_all(run, op, s, n, out, err);
	ts_pattern_run_free(run);
	return status;
}

static int strip(const struct ts_normalize_op *op, const char *s, size_t n, struct ts_str *out)
{
	uint32_t c;
	size_t start = 0, end = n;
	while (op->left && start < n) {
		size_t used = ts_unicode_next(s + start, &c);
		if (ts_unicode_class(c) != TS_UNICODE_SPACE)
			break;
		start += used;
	}
	while (op->right && end > start) {
		size_t back = ts_unicode_back(s, end);
		ts_unicode_next(s + back, &c);
		if (ts_unicode_class(c) != TS_UNICODE_SPACE)
			break;
		end = back;
	}
	return ts_str_append(out, s + start, end - start);
}

static int apply(const struct ts_normalize_op *op, const char *s, size_t n, struct ts_str *out, struct ts_error *err)
{
	switch (op->kind) {
	case TS_NORMALIZE_FORM:
		return ts_unicode_normalize(op->form, s, n, out);
	case TS_NORMALIZE_PREPEND:
		if (n)
			TS_TRY(ts_str_append(out, op->text, op->len));
		return ts_str_append(out, s, n);
	case TS_NORMALIZE_REPLACE:
		return replace(op, s, n, out, err);
	case TS_NORMALIZE_LOWERCASE:
		return ts_unicode_lowercase(s, n, out);
	case TS_NORMALIZE_STRIP:
		return strip(op, s, n, out);
	default:
		return ts_unicode_strip_marks(s, n, out);
	}
}

int ts_normalizer_apply(const struct ts_normalizer *plan, const char *s, size_t n, struct ts_str *out, struct ts_str *spare,
			struct ts_error *err)
{
	ts_str_clear(out);
	if (!plan->ops.len)
		return ts_str_append(out, s, n);
	for (size_t i = 0; i < plan->ops.len; i++) {
		if (i) {
			struct ts_str swap = *out;
			*out = *spare;
			*spare = swap;
			s = ts_str_c(spare);
			n = spare->len;
		}
		ts_str_clear(out);
		TS_TRY(apply(&plan->ops.data[i], s, n, out, err));
	}
	return 0;
}
