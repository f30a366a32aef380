/* A tree of decoders becomes a flat chain of stages. */
#include "core/json.h"
#include "text/tokenizer/decode.h"

#include <string.h>

#define DEPTH_MOST 8 /* of nested sequences */

struct parser {
	struct ts_decoder *plan;
	const char *place;
	struct ts_error *err;
	bool fused;
	size_t growth;
};

/* Behind a fuse only fusing again and stripping the front can go on without the whole text. */
static bool needs_whole(const struct parser *p, const struct ts_decode_op *op)
{
	if (!p->fused || op->kind == TS_DECODE_FUSE)
		return false;
	return op->kind != TS_DECODE_STRIP || op->stop > 0;
}

static int add(struct parser *p, struct ts_decode_op op)
{
	op.whole = needs_whole(p, &op);
	if (op.kind == TS_DECODE_FUSE || op.kind == TS_DECODE_BYTES)
		p->fused = true;
	int status = ts_steps_check(p->plan->ops.len + 1, "decoders", p->place, p->err);
	if (!status && op.kind == TS_DECODE_REPLACE)
		status = ts_growth_add(&p->growth, ts_pattern_growth(op.pattern, op.len), p->place, p->err);
	if (!status && !ts_vec_push(&p->plan->ops, op))
		return 0;
	ts_free(op.text);
	ts_pattern_free(op.pattern);
	return status ? status : ts_fail_memory(p->err);
}

static int copy_text(struct parser *p, const json_t *value, const char *key, struct ts_decode_op *op)
{
	const json_t *s = json_object_get(value, key);
	if (!json_is_string(s))
		return ts_fail(p->err, TS_EFORMAT, "%s: expected \"%s\" to be a string", p->place, key);
	op->len = json_string_length(s);
	op->text = ts_strndup(json_string_value(s), op->len);
	return op->text ? 0 : ts_fail_memory(p->err);
}

/* One character, as the reference's types demand. */
static int copy_char(struct parser *p, const json_t *value, const char *key, struct ts_decode_op *op)
{
	const json_t *s = json_object_get(value, key);
	uint32_t c;
	if (!json_string_length(s) || ts_unicode_next(json_string_value(s), &c) != json_string_length(s))
		return ts_fail(p->err, TS_EFORMAT, "%s: expected \"%s\" to be one character", p->place, key);
	return copy_text(p, value, key, op);
}

static int parse_replace(struct parser *p, const json_t *value)
{
	struct ts_decode_op op = {.kind = TS_DECODE_REPLACE};
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
	struct ts_decode_op op = {.kind = TS_DECODE_STRIP};
	int64_t start, stop;
	TS_TRY(ts_json_int(value, "start", 0, &start, p->place, p->err));
	TS_TRY(ts_json_int(value, "stop", 0, &stop, p->place, p->err));
	if (start < 0 || stop < 0)
		return ts_fail(p->err, TS_EFORMAT, "%s: Strip: start %lld, stop %lld: expected no negative number", p->place,
			       (long long)start, (long long)stop);
	TS_TRY(copy_char(p, value, "content", &op));
	op.start = (size_t)start;
	op.stop = (size_t)stop;
	return add(p, op);
}

static int parse_metaspace(struct parser *p, const json_t *value)
{
	struct ts_decode_op op = {.kind = TS_DECODE_METASPACE};
	const char *scheme;
	bool legacy;
	TS_TRY(ts_json_text(value, "prepend_scheme", &scheme, p->place, p->err));
	TS_TRY(ts_json_bool(value, "add_prefix_space", true, &legacy, p->place, p->err));
	op.drop_first = scheme ? strcmp(scheme, "never") != 0 : legacy;
	TS_TRY(copy_char(p, value, "replacement", &op));
	return add(p, op);
}

static int parse(struct parser *p, const json_t *value, int depth);

static int parse_sequence(struct parser *p, const json_t *value, int depth)
{
	const json_t *list = json_object_get(value, "decoders"), *item;
	size_t i;
	if (!json_is_array(list))
		return ts_fail(p->err, TS_EFORMAT, "%s: Sequence: expected \"decoders\" to be an array", p->place);
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
	if (!strcmp(type, "ByteLevel"))
		return add(p, (struct ts_decode_op){.kind = TS_DECODE_BYTES});
	if (!strcmp(type, "ByteFallback"))
		return add(p, (struct ts_decode_op){.kind = TS_DECODE_BYTE_FALLBACK});
	if (!strcmp(type, "Fuse"))
		return add(p, (struct ts_decode_op){.kind = TS_DECODE_FUSE});
	if (!strcmp(type, "Replace"))
		return parse_replace(p, value);
	if (!strcmp(type, "Strip"))
		return parse_strip(p, value);
	if (!strcmp(type, "Metaspace"))
		return parse_metaspace(p, value);
	return ts_fail(p->err, TS_EUNSUPPORTED, "%s: unknown decoder \"%.80s\"", p->place, type);
}

int ts_decoder_parse(struct ts_decoder *plan, const json_t *value, const char *place, struct ts_error *err)
{
	struct parser p = {.plan = plan, .place = place, .err = err, .growth = 1};
	if (!value || json_is_null(value))
		return add(&p, (struct ts_decode_op){.kind = TS_DECODE_JOIN});
	return parse(&p, value, 0);
}

void ts_decoder_release(struct ts_decoder *plan)
{
	for (size_t i = 0; i < plan->ops.len; i++) {
		ts_free(plan->ops.data[i].text);
		ts_pattern_free(plan->ops.data[i].pattern);
	}
	ts_vec_release(&plan->ops);
}
