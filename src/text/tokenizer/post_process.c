/* Post-processors. ByteLevel only touches offsets, which we do not keep; TemplateProcessing says which ids stand around the text. */
#include "core/json.h"
#include "text/tokenizer/internal.h"

#include <string.h>

#define DEPTH_MOST 8 /* of nested sequences */

struct parser {
	struct ts_tokenizer *t;
	const char *place;
	struct ts_error *err;
};

static int push(struct parser *p, int32_t id)
{
	return ts_vec_push(&p->t->template, id) ? ts_fail_memory(p->err) : 0;
}

static int push_special(struct parser *p, const json_t *specials, const char *name)
{
	const json_t *ids = json_object_get(json_object_get(specials, name), "ids"), *id;
	size_t i;
	if (!json_is_array(ids))
		return ts_fail(p->err, TS_EFORMAT, "%s: TemplateProcessing: special token \"%.80s\" has no ids", p->place, name);
	json_array_foreach (ids, i, id) {
		if (!json_is_integer(id) || json_integer_value(id) < 0 || (size_t)json_integer_value(id) >= p->t->size)
			return ts_fail(p->err, TS_EFORMAT, "%s: TemplateProcessing: \"%.80s\": an id is not in the vocabulary", p->place,
				       name);
		TS_TRY(push(p, (int32_t)json_integer_value(id)));
	}
	return 0;
}

static int parse_piece(struct parser *p, const json_t *piece, const json_t *specials)
{
	const json_t *special = json_object_get(piece, "SpecialToken"), *sequence = json_object_get(piece, "Sequence");
	const char *id;
	if (!special && !sequence)
		return ts_fail(p->err, TS_EFORMAT, "%s: TemplateProcessing: expected SpecialToken or Sequence", p->place);
	TS_TRY(ts_json_need_text(special ? special : sequence, "id", &id, p->place, p->err));
	if (special)
		return push_special(p, specials, id);
	if (strcmp(id, "A"))
		return ts_fail(p->err, TS_EFORMAT, "%s: TemplateProcessing: single: Sequence \"%.40s\": expected A", p->place, id);
	return push(p, TS_TEMPLATE_TEXT);
}

static int parse_template(struct parser *p, const json_t *value)
{
	const json_t *single = json_object_get(value, "single"), *piece;
	size_t i;
	if (p->t->has_template)
		return ts_fail(p->err, TS_EUNSUPPORTED, "%s: more than one TemplateProcessing", p->place);
	if (!json_is_array(single))
		return ts_fail(p->err, TS_EFORMAT, "%s: TemplateProcessing: expected \"single\" to be an array", p->place);
	p->t->has_template = true;
	json_array_foreach (single, i, piece)
		TS_TRY(parse_piece(p, piece, json_object_get(value, "special_tokens")));
	return 0;
}

static int parse(struct parser *p, const json_t *value, int depth)
{
	const char *type;
	if (!json_is_object(value) || depth > DEPTH_MOST)
		return ts_fail(p->err, TS_EFORMAT, "%s: expected an object, nested at most %d deep", p->place, DEPTH_MOST);
	TS_TRY(ts_json_need_text(value, "type", &type, p->place, p->err));
	if (!strcmp(type, "ByteLevel"))
		return 0;
	if (!strcmp(type, "TemplateProcessing"))
		return parse_template(p, value);
	if (strcmp(type, "Sequence"))
		return ts_fail(p->err, TS_EUNSUPPORTED, "%s: unknown post-processor \"%.80s\"", p->place, type);
	const json_t *list = json_object_get(value, "processors"), *item;
	size_t i;
	if (!json_is_array(list))
		return ts_fail(p->err, TS_EFORMAT, "%s: Sequence: expected \"processors\" to be an array", p->place);
	json_array_foreach (list, i, item)
		TS_TRY(parse(p, item, depth + 1));
	return 0;
}

int ts_template_ids_parse(struct ts_tokenizer *t, const json_t *value, const char *place, struct ts_error *err)
{
	struct parser p = {t, place, err};
	return !value || json_is_null(value) ? 0 : parse(&p, value, 0);
}
