/* Values as text: Python's str() and repr(), and json.dumps. */
#include "text/jinja/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ts_j_put(struct ts_j *in, struct ts_str *out, const char *s, size_t n)
{
	TS_TRY(ts_j_work(in, n));
	if (n > TS_J_MAX_OUTPUT || out->len + n > TS_J_MAX_OUTPUT)
		return ts_j_limit(in, "output too long");
	int status = ts_str_append(out, s, n);
	return status ? ts_fail_memory(in->err) : 0;
}

static int put(struct ts_j *in, struct ts_str *out, const char *s)
{
	return ts_j_put(in, out, s, strlen(s));
}

/* The shortest digits that read back as the same number, laid out as Python's repr does. */
int ts_j_put_real(struct ts_str *out, double f)
{
	char text[40], digits[20];
	if (isnan(f))
		return ts_str_puts(out, "nan");
	if (isinf(f))
		return ts_str_puts(out, f < 0 ? "-inf" : "inf");
	for (int precision = 0; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, f);
		if (strtod(text, NULL) == f)
			break;
	}
	const char *p = text + (text[0] == '-');
	int n = 0, exponent = atoi(strchr(text, 'e') + 1);
	for (; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	digits[n] = '\0';
	if (text[0] == '-')
		TS_TRY(ts_str_putc(out, '-'));
	if (exponent < -4 || exponent >= 16) {
		TS_TRY(ts_str_append(out, digits, 1));
		if (n > 1)
			TS_TRY(ts_str_printf(out, ".%s", digits + 1));
		return ts_str_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
	}
	if (exponent < 0)
		return ts_str_printf(out, "0.%.*s%s", -exponent - 1, "0000", digits);
	for (int i = 0; i <= exponent || i < n; i++) {
		if (i == exponent + 1)
			TS_TRY(ts_str_putc(out, '.'));
		TS_TRY(ts_str_putc(out, i < n ? digits[i] : '0'));
	}
	return n <= exponent + 1 ? ts_str_puts(out, ".0") : 0;
}

static int put_point_escape(struct ts_str *out, uint32_t c)
{
	if (c == '\n' || c == '\r' || c == '\t')
		return ts_str_puts(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
	return ts_str_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
}

static int put_string_repr(struct ts_str *out, const struct ts_j_string *s)
{
	char quote = memchr(s->data, '\'', s->n) && !memchr(s->data, '"', s->n) ? '"' : '\'';
	TS_TRY(ts_str_putc(out, quote));
	for (size_t p = 0, length; p < s->n; p += length) {
		uint32_t c = ts_j_point(s->data + p, &length);
		if (c == (uint32_t)quote || c == '\\')
			TS_TRY(ts_str_printf(out, "\\%c", (char)c));
		else if (!ts_j_is_printable(c))
			TS_TRY(put_point_escape(out, c));
		else
			TS_TRY(ts_str_append(out, s->data + p, length));
	}
	return ts_str_putc(out, quote);
}

static int put_list(struct ts_j *in, struct ts_str *out, const struct ts_j_list *list, const char *open, const char *close)
{
	TS_TRY(put(in, out, open));
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			TS_TRY(put(in, out, ", "));
		TS_TRY(ts_j_put_repr(in, out, &list->items[i]));
	}
	return put(in, out, *open == '(' && list->n == 1 ? ",)" : close);
}

/* parts: 0 keys, 1 values, 2 pairs in parentheses, 3 `key: value` */
static int put_entries(struct ts_j *in, struct ts_str *out, const struct ts_j_dict *d, int parts)
{
	for (size_t i = 0; i < d->n; i++) {
		if (i)
			TS_TRY(put(in, out, ", "));
		if (parts == 2)
			TS_TRY(put(in, out, "("));
		if (parts != 1)
			TS_TRY(ts_j_put_repr(in, out, &d->entries[i].key));
		if (parts >= 2)
			TS_TRY(put(in, out, parts == 3 ? ": " : ", "));
		if (parts != 0)
			TS_TRY(ts_j_put_repr(in, out, &d->entries[i].value));
		if (parts == 2)
			TS_TRY(put(in, out, ")"));
	}
	return 0;
}

static int put_dict(struct ts_j *in, struct ts_str *out, const char *open, const struct ts_j_dict *d, int parts, const char *close)
{
	TS_TRY(put(in, out, open));
	TS_TRY(put_entries(in, out, d, parts));
	return put(in, out, close);
}

static int put_other(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v)
{
	static const char *const opens[] = {"dict_keys([", "dict_values([", "dict_items(["};
	const struct ts_j_range *r = v->kind == TS_J_RANGE ? v->u.range : NULL;
	int status;
	if (r) {
		status = ts_str_printf(out, "range(%lld, %lld", (long long)r->start, (long long)r->stop);
		if (!status && r->step != 1)
			status = ts_str_printf(out, ", %lld", (long long)r->step);
		return status ? ts_fail_memory(in->err) : put(in, out, ")");
	}
	if (v->kind == TS_J_VIEW)
		return put_dict(in, out, opens[v->view], v->u.dict, v->view, "])");
	if (v->kind == TS_J_NAMESPACE)
		return put_dict(in, out, "<Namespace {", v->u.dict, 3, "}>");
	if (v->kind == TS_J_MACRO && v->u.macro->node->name) {
		status = ts_str_printf(out, "<Macro '%s'>", v->u.macro->node->name->data);
		return status ? ts_fail_memory(in->err) : 0;
	}
	status = ts_str_printf(out, "<%s object>", ts_j_type(v)); /* Python would print an address */
	return status ? ts_fail_memory(in->err) : 0;
}

static int put_scalar(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v)
{
	int status;
	switch (v->kind) {
	case TS_J_UNDEFINED:
		return put(in, out, "Undefined");
	case TS_J_NONE:
		return put(in, out, "None");
	case TS_J_BOOL:
		return put(in, out, v->u.b ? "True" : "False");
	case TS_J_INT:
		status = ts_str_printf(out, "%lld", (long long)v->u.i);
		break;
	case TS_J_FLOAT:
		status = ts_j_put_real(out, v->u.f);
		break;
	default:
		TS_TRY(ts_j_work(in, v->u.s->n));
		status = v->safe ? ts_str_puts(out, "Markup(") : 0;
		status = status ? status : put_string_repr(out, v->u.s);
		status = status ? status : v->safe ? ts_str_putc(out, ')') : 0;
	}
	if (status)
		return ts_fail_memory(in->err);
	return ts_j_put(in, out, "", 0); /* the bound on length */
}

int ts_j_put_repr(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v)
{
	int status;
	if (v->kind <= TS_J_STRING)
		return put_scalar(in, out, v);
	TS_TRY(ts_j_deeper(in));
	if (v->kind == TS_J_LIST)
		status = put_list(in, out, v->u.list, "[", "]");
	else if (v->kind == TS_J_TUPLE)
		status = put_list(in, out, v->u.list, "(", ")");
	else if (v->kind == TS_J_DICT)
		status = put_dict(in, out, "{", v->u.dict, 3, "}");
	else
		status = put_other(in, out, v);
	in->depth--;
	return status;
}

int ts_j_put_str(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v)
{
	if (v->kind == TS_J_UNDEFINED)
		return 0;
	if (v->kind == TS_J_STRING)
		return ts_j_put(in, out, v->u.s->data, v->u.s->n);
	return ts_j_put_repr(in, out, v);
}

int ts_j_to_str(struct ts_j *in, const struct ts_j_value *v, struct ts_j_value *out)
{
	if (v->kind == TS_J_STRING) {
		*out = *v;
		return 0;
	}
	struct ts_str text = {0};
	int status = ts_j_put_str(in, &text, v);
	return ts_j_take(in, &text, status, out);
}

int ts_j_escape(struct ts_j *in, const struct ts_j_value *v, struct ts_j_value *out)
{
	struct ts_j_value s;
	struct ts_str text = {0};
	int status = 0;
	TS_TRY(ts_j_to_str(in, v, &s));
	for (size_t i = 0; !s.safe && i < s.u.s->n && !status; i++) {
		const char *c = s.u.s->data + i;
		const char *e = *c == '&'    ? "&amp;"
				: *c == '<'  ? "&lt;"
				: *c == '>'  ? "&gt;"
				: *c == '"'  ? "&#34;"
				: *c == '\'' ? "&#39;"
					     : NULL;
		status = e ? ts_j_put(in, &text, e, strlen(e)) : ts_j_put(in, &text, c, 1);
	}
	if (s.safe)
		status = ts_j_put(in, &text, s.u.s->data, s.u.s->n);
	TS_TRY(ts_j_take(in, &text, status, out));
	out->safe = true;
	return 0;
}

struct json_style {
	bool ascii, sort, has_indent;
	const struct ts_j_string *indent;
	const char *item, *key; /* separators */
};

static int put_json(struct ts_j *, struct ts_str *, const struct ts_j_value *, const struct json_style *, int level);

static int put_json_string(struct ts_j *in, struct ts_str *out, const struct ts_j_string *s, bool ascii)
{
	int status = ts_str_putc(out, '"');
	TS_TRY(ts_j_work(in, s->n));
	for (size_t p = 0, length; p < s->n && !status; p += length) {
		uint32_t c = ts_j_point(s->data + p, &length);
		static const char codes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
		const char *code = c && c < 0x80 ? codes : NULL;
		for (; code && *code && *code != (char)c; code += 2)
			;
		if (code && *code)
			status = ts_str_printf(out, "\\%c", code[1]);
		else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000))
			status = ts_str_printf(out, "\\u%04x", (unsigned)c);
		else if (ascii && c >= 0x10000)
			status = ts_str_printf(out, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)),
					       (unsigned)(0xDC00 + ((c - 0x10000) & 0x3FF)));
		else
			status = ts_str_append(out, s->data + p, length);
	}
	status = status ? status : ts_str_putc(out, '"');
	return status ? ts_fail_memory(in->err) : ts_j_put(in, out, "", 0);
}

static int put_json_break(struct ts_j *in, struct ts_str *out, const struct json_style *style, int level)
{
	if (!style->has_indent)
		return 0;
	TS_TRY(put(in, out, "\n"));
	for (int i = 0; i < level; i++)
		TS_TRY(ts_j_put(in, out, style->indent->data, style->indent->n));
	return 0;
}

static int put_json_list(struct ts_j *in, struct ts_str *out, const struct ts_j_list *list, const struct json_style *style, int level)
{
	if (!list->n)
		return put(in, out, "[]");
	TS_TRY(put(in, out, "["));
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			TS_TRY(put(in, out, style->item));
		TS_TRY(put_json_break(in, out, style, level + 1));
		TS_TRY(put_json(in, out, &list->items[i], style, level + 1));
	}
	TS_TRY(put_json_break(in, out, style, level));
	return put(in, out, "]");
}

static int put_json_real(struct ts_j *in, struct ts_str *out, double f)
{
	if (isnan(f) || isinf(f))
		return put(in, out, isnan(f) ? "NaN" : f < 0 ? "-Infinity" : "Infinity");
	int status = ts_j_put_real(out, f);
	return status ? ts_fail_memory(in->err) : 0;
}

static int put_json_key(struct ts_j *in, struct ts_str *out, const struct ts_j_value *key, const struct json_style *style)
{
	if (key->kind == TS_J_STRING)
		return put_json_string(in, out, key->u.s, style->ascii);
	if (!ts_j_number(key) && key->kind != TS_J_NONE)
		return ts_j_fail(in, "keys must be str, int, float, bool or None, not %s", ts_j_type(key));
	TS_TRY(put(in, out, "\""));
	TS_TRY(put_json(in, out, key, style, 0));
	return put(in, out, "\"");
}

static int put_json_dict(struct ts_j *in, struct ts_str *out, const struct ts_j_dict *d, const struct json_style *style, int level)
{
	if (!d->n)
		return put(in, out, "{}");
	struct ts_j_list *keys = ts_j_list_new(in, d->n), *values = ts_j_list_new(in, d->n);
	if (!keys || !values)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < d->n; i++) {
		keys->items[i] = d->entries[i].key;
		values->items[i] = d->entries[i].value;
	}
	if (style->sort)
		TS_TRY(ts_j_sort(in, values, keys, false));
	TS_TRY(put(in, out, "{"));
	for (size_t i = 0; i < d->n; i++) {
		if (i)
			TS_TRY(put(in, out, style->item));
		TS_TRY(put_json_break(in, out, style, level + 1));
		TS_TRY(put_json_key(in, out, &keys->items[i], style));
		TS_TRY(put(in, out, style->key));
		TS_TRY(put_json(in, out, &values->items[i], style, level + 1));
	}
	TS_TRY(put_json_break(in, out, style, level));
	return put(in, out, "}");
}

static int put_json(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v, const struct json_style *style, int level)
{
	int status;
	switch (v->kind) {
	case TS_J_NONE:
		return put(in, out, "null");
	case TS_J_BOOL:
		return put(in, out, v->u.b ? "true" : "false");
	case TS_J_INT:
		return put_scalar(in, out, v);
	case TS_J_FLOAT:
		return put_json_real(in, out, v->u.f);
	case TS_J_STRING:
		return put_json_string(in, out, v->u.s, style->ascii);
	case TS_J_LIST:
	case TS_J_TUPLE:
		TS_TRY(ts_j_deeper(in));
		status = put_json_list(in, out, v->u.list, style, level);
		in->depth--;
		return status;
	case TS_J_DICT:
		TS_TRY(ts_j_deeper(in));
		status = put_json_dict(in, out, v->u.dict, style, level);
		in->depth--;
		return status;
	default:
		return ts_j_fail(in, "Object of type %s is not JSON serializable", ts_j_type(v));
	}
}

static int json_separators(struct ts_j *in, const struct ts_j_value *v, struct json_style *style)
{
	bool pair = (v->kind == TS_J_LIST || v->kind == TS_J_TUPLE) && v->u.list->n == 2;
	if (!pair || v->u.list->items[0].kind != TS_J_STRING || v->u.list->items[1].kind != TS_J_STRING)
		return ts_j_fail(in, "tojson: separators must be two strings");
	style->item = v->u.list->items[0].u.s->data;
	style->key = v->u.list->items[1].u.s->data;
	return 0;
}

static int json_indent(struct ts_j *in, const struct ts_j_value *v, struct json_style *style)
{
	struct ts_j_value text, space;
	int64_t n;
	style->has_indent = true;
	style->item = ",";
	if (v->kind == TS_J_STRING) {
		style->indent = v->u.s;
		return 0;
	}
	TS_TRY(ts_j_need_int(in, "tojson: indent", v, 0, &n));
	TS_TRY(ts_j_str(in, " ", 1, &space));
	space.safe = false;
	struct ts_j_value count = ts_j_int(n > 0 ? n : 0);
	TS_TRY(ts_j_binary(in, TS_J_T_MUL, &space, &count, &text));
	style->indent = text.u.s;
	return 0;
}

int ts_j_tojson(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_args *args, struct ts_j_value *out)
{
	static const char *const params[] = {"ensure_ascii", "indent", "separators", "sort_keys"};
	const struct ts_j_value *got[4];
	struct json_style style = {.item = ", ", .key = ": "};
	TS_TRY(ts_j_bind(in, "tojson", args, params, 4, 0, got));
	if (got[0])
		TS_TRY(ts_j_truth(in, got[0], &style.ascii));
	if (got[1] && got[1]->kind != TS_J_NONE)
		TS_TRY(json_indent(in, got[1], &style));
	if (got[2] && got[2]->kind != TS_J_NONE)
		TS_TRY(json_separators(in, got[2], &style));
	if (got[3])
		TS_TRY(ts_j_truth(in, got[3], &style.sort));
	struct ts_str text = {0};
	int status = put_json(in, &text, v, &style, 0);
	return ts_j_take(in, &text, status, out);
}
