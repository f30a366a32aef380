/* The door of the chat templates: parsing, the values that transformers gives a template, rendering. */
#include "text/template.h"

#include "text/jinja/run.h"

#include <string.h>

#define MAX_SOURCE ((size_t)1 << 20) /* real ones have 20 KB */

int ts_template_parse(struct ts_template **out, const char *source, size_t n, const char *place, struct ts_error *err)
{
	struct ts_template *t = ts_calloc(1, sizeof(*t));
	struct ts_j_tokens tokens = {0};
	int status = 0;
	*out = NULL;
	if (!t)
		return ts_fail_memory(err);
	t->place = ts_strdup(place ? place : "template");
	if (!t->place)
		TS_GOTO(ts_fail_memory(err));
	if (n > MAX_SOURCE)
		TS_GOTO(ts_fail(err, TS_ELIMIT, "%s: template of %zu bytes, at most %zu are allowed", t->place, n, MAX_SOURCE));
	TS_GOTO(ts_j_lex(source, n, t->place, &t->arena, &tokens, err));
	struct ts_j_parser p = {.t = tokens.v.data, .arena = &t->arena, .place = t->place, .err = err};
	TS_GOTO(ts_j_parse_body(&p, &t->body));
	*out = t;
	t = NULL;
done:
	ts_vec_release(&tokens.v);
	ts_template_free(t);
	return status;
}

void ts_template_free(struct ts_template *t)
{
	if (!t)
		return;
	ts_arena_release(&t->arena);
	ts_free(t->place);
	ts_free(t);
}

static int from_json(struct ts_j *in, const json_t *json, struct ts_j_value *out);

static int from_array(struct ts_j *in, const json_t *json, struct ts_j_value *out)
{
	struct ts_j_list *list = ts_j_list_new(in, json_array_size(json));
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < list->n; i++)
		TS_TRY(from_json(in, json_array_get(json, i), &list->items[i]));
	*out = ts_j_from_list(list, TS_J_LIST);
	return 0;
}

static int from_object(struct ts_j *in, const json_t *json, struct ts_j_value *out)
{
	struct ts_j_dict *d = ts_j_dict_new(in);
	const char *key;
	size_t length;
	json_t *item;
	if (!d)
		return ts_j_alloc_status(in);
	json_object_keylen_foreach((json_t *)json, key, length, item)
	{
		struct ts_j_value name, v;
		TS_TRY(ts_j_str(in, key, length, &name));
		TS_TRY(from_json(in, item, &v));
		TS_TRY(ts_j_dict_put(in, d, &name, &v));
	}
	*out = (struct ts_j_value){.kind = TS_J_DICT, .u.dict = d};
	return 0;
}

static int from_json(struct ts_j *in, const json_t *json, struct ts_j_value *out)
{
	int status;
	switch (json_typeof(json)) {
	case JSON_NULL:
		*out = ts_j_none();
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*out = ts_j_bool(json_is_true(json));
		return 0;
	case JSON_INTEGER:
		*out = ts_j_int(json_integer_value(json));
		return 0;
	case JSON_REAL:
		*out = ts_j_real(json_real_value(json));
		return 0;
	case JSON_STRING:
		return ts_j_str(in, json_string_value(json), json_string_length(json), out);
	default:
		TS_TRY(ts_j_deeper(in));
		status = json_is_array(json) ? from_array(in, json, out) : from_object(in, json, out);
		in->depth--;
		return status;
	}
}

static int put_text_key(struct ts_j *in, struct ts_j_dict *d, const char *key, const struct ts_j_value *v)
{
	struct ts_j_value name;
	TS_TRY(ts_j_str(in, key, strlen(key), &name));
	return ts_j_dict_put(in, d, &name, v);
}

/* transformers' completion of a message: the first of the three names that it has becomes `reasoning_content`,
 * and `thinking` too where that is missing. */
static int complete_message(struct ts_j *in, const json_t *json, const struct ts_j_value *message)
{
	static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
	const json_t *reasoning = NULL;
	struct ts_j_value v;
	for (size_t i = 0; i < 3 && (!reasoning || json_is_null(reasoning)); i++)
		reasoning = json_object_get(json, names[i]) ? json_object_get(json, names[i]) : reasoning;
	if (!reasoning || message->kind != TS_J_DICT)
		return 0;
	TS_TRY(from_json(in, reasoning, &v));
	if (!json_object_get(json, names[0]))
		TS_TRY(put_text_key(in, message->u.dict, names[0], &v));
	return json_object_get(json, names[1]) ? 0 : put_text_key(in, message->u.dict, names[1], &v);
}

static int define(struct ts_j *in, const char *name, const struct ts_j_value *v)
{
	struct ts_j_value key;
	TS_TRY(ts_j_str(in, name, strlen(name), &key));
	return ts_j_set(in, in->context, key.u.s, v);
}

static int define_json(struct ts_j *in, const char *name, const json_t *json)
{
	struct ts_j_value v = ts_j_none();
	if (json)
		TS_TRY(from_json(in, json, &v));
	return define(in, name, &v);
}

static int define_messages(struct ts_j *in, const json_t *messages)
{
	struct ts_j_value v;
	if (!json_is_array(messages))
		return ts_j_fail(in, "messages must be an array");
	TS_TRY(from_json(in, messages, &v));
	for (size_t i = 0; i < v.u.list->n; i++)
		TS_TRY(complete_message(in, json_array_get(messages, i), &v.u.list->items[i]));
	return define(in, "messages", &v);
}

static int define_inputs(struct ts_j *in, const struct ts_template_input *input)
{
	struct ts_j_value prompt = ts_j_bool(input->add_generation_prompt);
	const char *key;
	json_t *item;
	TS_TRY(define_json(in, "tools", input->tools));
	TS_TRY(define_json(in, "documents", input->documents));
	TS_TRY(define(in, "add_generation_prompt", &prompt));
	json_object_foreach ((json_t *)input->variables, key, item)
		TS_TRY(define_json(in, key, item));
	return define_messages(in, input->messages);
}

static int render(struct ts_j *in)
{
	struct ts_j_scope *globals = ts_j_scope_new(in, NULL);
	in->context = globals ? ts_j_scope_new(in, globals) : NULL;
	in->root = in->context ? ts_j_scope_new(in, in->context) : NULL;
	if (!in->root)
		return ts_j_alloc_status(in);
	struct ts_j_value loop, caller;
	TS_TRY(ts_j_str(in, "loop", 4, &loop));
	TS_TRY(ts_j_str(in, "caller", 6, &caller));
	in->loop_name = loop.u.s;
	in->caller_name = caller.u.s;
	TS_TRY(ts_j_globals(in, globals));
	TS_TRY(define_inputs(in, in->input));
	return ts_j_exec(in, in->root, in->template->body);
}

int ts_template_render(const struct ts_template *t, const struct ts_template_input *input, struct ts_str *out, struct ts_error *err)
{
	struct ts_str text = {0};
	struct ts_j in = {.template = t, .input = input, .err = err, .line = 1, .out = &text};
	int status = render(&in);
	if (!status && ts_str_append(out, ts_str_c(&text), text.len))
		status = ts_fail_memory(err);
	ts_str_release(&text);
	ts_arena_release(&in.arena);
	return status;
}
