/* Filters on text and numbers, and the table of all filters' first half. */
#include "text/jinja/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER(name) static int name(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_args *args, struct ts_j_value *out)

static int no_args(struct ts_j *in, const char *what, const struct ts_j_args *args)
{
	return args->n || args->n_named ? ts_j_fail(in, "filter '%s' takes no arguments", what) : 0;
}

/* str(v).method(args) */
static int by_method(struct ts_j *in, const char *method, const struct ts_j_value *v, const struct ts_j_args *args, struct ts_j_value *out)
{
	struct ts_j_value s;
	TS_TRY(ts_j_to_str(in, v, &s));
	return ts_j_string_method(method)->call(in, &s, args, out);
}

FILTER(f_upper)
{
	return by_method(in, "upper", v, args, out);
}

FILTER(f_lower)
{
	return by_method(in, "lower", v, args, out);
}

FILTER(f_capitalize)
{
	return by_method(in, "capitalize", v, args, out);
}

FILTER(f_trim)
{
	return by_method(in, "strip", v, args, out);
}

FILTER(f_center)
{
	static const char *const params[] = {"width"};
	const struct ts_j_value *got[1];
	TS_TRY(ts_j_bind(in, "center", args, params, 1, 0, got));
	struct ts_j_value width = got[0] ? *got[0] : ts_j_int(80);
	struct ts_j_args all = {.pos = &width, .n = 1};
	return by_method(in, "center", v, &all, out);
}

FILTER(f_string)
{
	TS_TRY(no_args(in, "string", args));
	return ts_j_to_str(in, v, out);
}

FILTER(f_replace)
{
	static const char *const params[] = {"old", "new", "count"};
	const struct ts_j_value *got[3];
	struct ts_j_value all[3] = {{0}};
	TS_TRY(ts_j_bind(in, "replace", args, params, 3, 2, got));
	TS_TRY(ts_j_to_str(in, got[0], &all[0]));
	TS_TRY(ts_j_to_str(in, got[1], &all[1]));
	all[2] = got[2] && got[2]->kind != TS_J_NONE ? *got[2] : ts_j_int(-1);
	struct ts_j_args three = {.pos = all, .n = 3};
	TS_TRY(by_method(in, "replace", v, &three, out));
	out->safe = false;
	return 0;
}

/* Jinja's own title: a word starts after white space or one of - ( { [ < */
FILTER(f_title)
{
	struct ts_j_value s;
	struct ts_str text = {0};
	bool inside = false;
	int status = 0;
	TS_TRY(no_args(in, "title", args));
	TS_TRY(ts_j_to_str(in, v, &s));
	for (size_t p = 0, length; p < s.u.s->n && !status; p += length) {
		uint32_t c = ts_j_point(s.u.s->data + p, &length);
		bool divider = ts_j_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
		status = divider ? ts_str_append(&text, s.u.s->data + p, length)
				 : ts_j_put_case(&text, s.u.s, p, length, inside ? TS_J_LOWER : TS_J_UPPER);
		inside = !divider;
	}
	return ts_j_take(in, &text, status, out);
}

FILTER(f_escape)
{
	TS_TRY(no_args(in, "escape", args));
	return ts_j_escape(in, v, out);
}

FILTER(f_forceescape)
{
	struct ts_j_value s;
	TS_TRY(no_args(in, "forceescape", args));
	TS_TRY(ts_j_to_str(in, v, &s));
	s.safe = false;
	return ts_j_escape(in, &s, out);
}

FILTER(f_safe)
{
	TS_TRY(no_args(in, "safe", args));
	TS_TRY(ts_j_to_str(in, v, out));
	out->safe = true;
	return 0;
}

FILTER(f_default)
{
	static const char *const params[] = {"default_value", "boolean"};
	const struct ts_j_value *got[2];
	bool boolean = false, truth = true;
	TS_TRY(ts_j_bind(in, "default", args, params, 2, 0, got));
	if (got[1])
		TS_TRY(ts_j_truth(in, got[1], &boolean));
	if (boolean)
		TS_TRY(ts_j_truth(in, v, &truth));
	if (v->kind != TS_J_UNDEFINED && truth) {
		*out = *v;
		return 0;
	}
	if (!got[0])
		return ts_j_str(in, "", 0, out);
	*out = *got[0];
	return 0;
}

static bool real_to_int(double f, int64_t *out)
{
	if (!(fabs(f) < 9.2e18))
		return false;
	*out = (int64_t)f;
	return true;
}

FILTER(f_int)
{
	static const char *const params[] = {"default", "base"};
	const struct ts_j_value *got[2];
	int64_t base, i;
	double f;
	TS_TRY(ts_j_bind(in, "int", args, params, 2, 0, got));
	TS_TRY(ts_j_need_int(in, "int", got[1], 10, &base));
	*out = got[0] ? *got[0] : ts_j_int(0);
	if (v->kind == TS_J_UNDEFINED)
		return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
	if (v->kind == TS_J_FLOAT && !isfinite(v->u.f)) {
		if (isinf(v->u.f))
			return ts_j_fail(in, "cannot convert float infinity to integer");
		return 0;
	}
	if (v->kind == TS_J_FLOAT && !real_to_int(v->u.f, &i))
		return ts_j_fail(in, "integer beyond 64 bits");
	if (v->kind == TS_J_FLOAT || ts_j_integer(v, &i))
		*out = ts_j_int(v->kind == TS_J_FLOAT ? (int64_t)v->u.f : i);
	else if (v->kind == TS_J_STRING && ts_j_parse_integer(v->u.s, (int)(base < 0 || base > 36 ? 1 : base), &i))
		*out = ts_j_int(i);
	else if (v->kind == TS_J_STRING && ts_j_parse_real(v->u.s, &f) && isfinite(f)) {
		if (!real_to_int(f, &i))
			return ts_j_fail(in, "integer beyond 64 bits");
		*out = ts_j_int(i);
	}
	return 0;
}

FILTER(f_float)
{
	static const char *const params[] = {"default"};
	const struct ts_j_value *got[1];
	double f;
	TS_TRY(ts_j_bind(in, "float", args, params, 1, 0, got));
	*out = got[0] ? *got[0] : ts_j_real(0);
	if (v->kind == TS_J_UNDEFINED)
		return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
	if (ts_j_number(v))
		*out = ts_j_real(ts_j_as_real(v));
	else if (v->kind == TS_J_STRING && ts_j_parse_real(v->u.s, &f))
		*out = ts_j_real(f);
	return 0;
}

FILTER(f_abs)
{
	int64_t i;
	struct ts_j_value zero = ts_j_int(0);
	TS_TRY(no_args(in, "abs", args));
	if (v->kind == TS_J_FLOAT) {
		*out = ts_j_real(fabs(v->u.f));
		return 0;
	}
	if (!ts_j_integer(v, &i))
		return ts_j_fail(in, "bad operand type for abs(): '%s'", ts_j_type(v));
	struct ts_j_value whole = ts_j_int(i);
	return i < 0 ? ts_j_binary(in, TS_J_T_SUB, &zero, &whole, out) : (*out = whole, 0);
}

/* Python's round: correctly rounded decimal, ties to even; printf rounds the exact binary value just so. */
static double round_to(double f, int64_t digits)
{
	char text[400];
	if (!isfinite(f) || digits > 300 || digits < -308)
		return digits < -308 && isfinite(f) ? copysign(0, f) : f;
	if (digits < 0) {
		double scale = pow(10, (double)-digits);
		return rint(f / scale) * scale;
	}
	if (fabs(f) > 1e22)
		return f;
	snprintf(text, sizeof(text), "%.*f", (int)digits, f);
	return strtod(text, NULL);
}

static int round_integer(struct ts_j *in, int64_t i, int64_t digits, struct ts_j_value *out)
{
	int64_t scale = 1;
	*out = ts_j_int(i);
	if (digits >= 0)
		return 0;
	for (; digits < 0; digits++)
		if (__builtin_mul_overflow(scale, 10, &scale)) {
			*out = ts_j_int(0);
			return 0;
		}
	int64_t down = i / scale, rest = i % scale;
	if (rest < 0) {
		rest += scale;
		down--;
	}
	down += rest > scale / 2 || (rest == scale / 2 && scale > 1 && (down & 1));
	struct ts_j_value a = ts_j_int(down), b = ts_j_int(scale);
	return ts_j_binary(in, TS_J_T_MUL, &a, &b, out);
}

FILTER(f_round)
{
	static const char *const params[] = {"precision", "method"};
	const struct ts_j_value *got[2];
	const struct ts_j_string *method = NULL;
	int64_t precision, i;
	TS_TRY(ts_j_bind(in, "round", args, params, 2, 0, got));
	TS_TRY(ts_j_need_int(in, "round", got[0], 0, &precision));
	if (got[1])
		TS_TRY(ts_j_need_text(in, "round", got[1], &method));
	bool common = !method || ts_j_is_text(method, "common"), up = method && ts_j_is_text(method, "ceil");
	if (!common && !up && !ts_j_is_text(method, "floor"))
		return ts_j_fail(in, "method must be common, ceil or floor");
	if (!ts_j_number(v))
		return ts_j_fail(in, "type %s cannot be rounded", ts_j_type(v));
	if (common && ts_j_integer(v, &i))
		return round_integer(in, i, precision, out);
	if (common) {
		*out = ts_j_real(round_to(v->u.f, precision));
		return 0;
	}
	double scale = pow(10, (double)precision), f = ts_j_as_real(v) * scale;
	*out = ts_j_real((up ? ceil(f) : floor(f)) / scale);
	return 0;
}

FILTER(f_format)
{
	struct ts_j_value s, all;
	TS_TRY(ts_j_to_str(in, v, &s));
	if (args->n && args->n_named)
		return ts_j_fail(in, "format takes positional or keyword arguments, not both");
	if (!args->n_named) {
		struct ts_j_list *list = ts_j_list_new(in, args->n);
		if (!list)
			return ts_j_alloc_status(in);
		if (args->n)
			memcpy(list->items, args->pos, args->n * sizeof(*list->items));
		all = ts_j_from_list(list, TS_J_TUPLE);
		return ts_j_percent(in, s.u.s, &all, out);
	}
	struct ts_j_dict *d = ts_j_dict_new(in);
	if (!d)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < args->n_named; i++) {
		struct ts_j_value key = ts_j_string(args->names[i]);
		TS_TRY(ts_j_dict_put(in, d, &key, &args->named[i]));
	}
	all = (struct ts_j_value){.kind = TS_J_DICT, .u.dict = d};
	return ts_j_percent(in, s.u.s, &all, out);
}

static int indent_lines(struct ts_j *in, struct ts_str *text, const struct ts_j_list *lines, const struct ts_j_string *by, bool first,
			bool blank)
{
	for (size_t i = 0; i < lines->n; i++) {
		const struct ts_j_string *line = lines->items[i].u.s;
		if (i)
			TS_TRY(ts_j_put(in, text, "\n", 1));
		if (i ? blank || line->n : first)
			TS_TRY(ts_j_put(in, text, by->data, by->n));
		TS_TRY(ts_j_put(in, text, line->data, line->n));
	}
	return 0;
}

FILTER(f_indent)
{
	static const char *const params[] = {"width", "first", "blank"};
	static const struct ts_j_args none;
	const struct ts_j_value *got[3];
	bool first = false, blank = false;
	struct ts_j_value by, lines, one, newline, whole;
	struct ts_str text = {0};
	TS_TRY(ts_j_bind(in, "indent", args, params, 3, 0, got));
	if (got[1])
		TS_TRY(ts_j_truth(in, got[1], &first));
	if (got[2])
		TS_TRY(ts_j_truth(in, got[2], &blank));
	struct ts_j_value width = got[0] ? *got[0] : ts_j_int(4);
	by = width;
	if (width.kind != TS_J_STRING) {
		TS_TRY(ts_j_str(in, " ", 1, &one));
		TS_TRY(ts_j_binary(in, TS_J_T_MUL, &one, &width, &by));
	}
	TS_TRY(ts_j_str(in, "\n", 1, &newline));
	newline.safe = v->kind == TS_J_STRING && v->safe;
	TS_TRY(ts_j_binary(in, TS_J_T_ADD, v, &newline, &whole));
	TS_TRY(by_method(in, "splitlines", &whole, &none, &lines));
	int status = indent_lines(in, &text, lines.u.list, by.u.s, first, blank);
	return ts_j_take(in, &text, status, out);
}

FILTER(f_wordcount)
{
	struct ts_j_value s;
	int64_t n = 0;
	bool inside = false;
	TS_TRY(no_args(in, "wordcount", args));
	TS_TRY(ts_j_to_str(in, v, &s));
	for (size_t p = 0, length; p < s.u.s->n; p += length) {
		bool word = ts_j_is_word(ts_j_point(s.u.s->data + p, &length));
		n += word && !inside;
		inside = word;
	}
	*out = ts_j_int(n);
	return 0;
}

FILTER(f_truncate)
{
	static const char *const params[] = {"length", "killwords", "end", "leeway"};
	const struct ts_j_value *got[4];
	const struct ts_j_string *s, *end = NULL;
	int64_t length, leeway, whole;
	bool kill = false;
	TS_TRY(ts_j_bind(in, "truncate", args, params, 4, 0, got));
	TS_TRY(ts_j_length(in, v, &whole));
	TS_TRY(ts_j_need_int(in, "truncate", got[0], 255, &length));
	TS_TRY(ts_j_need_int(in, "truncate", got[3] && got[3]->kind != TS_J_NONE ? got[3] : NULL, 5, &leeway));
	if (got[1])
		TS_TRY(ts_j_truth(in, got[1], &kill));
	if (got[2])
		TS_TRY(ts_j_need_text(in, "truncate", got[2], &end));
	int64_t tail = end ? (int64_t)end->points : 3;
	if (length < tail || leeway < 0)
		return ts_j_fail(in, "truncate: length or leeway too small");
	if (whole - leeway <= length) { /* Jinja hands on whatever is short enough, also a list */
		*out = *v;
		return 0;
	}
	TS_TRY(ts_j_need_text(in, "truncate", v, &s));
	size_t cut = ts_j_offset(s, (size_t)(length - tail));
	const char *space = kill ? NULL : memrchr(s->data, ' ', cut);
	cut = space ? (size_t)(space - s->data) : cut;
	struct ts_str text = {0};
	int status = ts_j_put(in, &text, s->data, cut);
	status = status ? status : ts_j_put(in, &text, end ? end->data : "...", end ? end->n : 3);
	return ts_j_take(in, &text, status, out);
}

static int percent_encode(struct ts_j *in, struct ts_str *text, const struct ts_j_value *v, bool query)
{
	struct ts_j_value s;
	TS_TRY(ts_j_to_str(in, v, &s));
	for (size_t i = 0; i < s.u.s->n; i++) {
		unsigned char c = (unsigned char)s.u.s->data[i];
		char code[4];
		bool plain =
			(c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("_.-~", c)) || (c == '/' && !query);
		snprintf(code, sizeof(code), "%%%02X", c);
		if (query && c == ' ')
			strcpy(code, "+");
		TS_TRY(plain ? ts_j_put(in, text, (const char *)&c, 1) : ts_j_put(in, text, code, strlen(code)));
	}
	return 0;
}

static int encode_pairs(struct ts_j *in, struct ts_str *text, const struct ts_j_list *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		struct ts_j_list *pair;
		TS_TRY(ts_j_to_list(in, &pairs->items[i], &pair));
		if (pair->n != 2)
			return ts_j_fail(in, "urlencode: expected pairs");
		TS_TRY(ts_j_put(in, text, "&", i ? 1 : 0));
		TS_TRY(percent_encode(in, text, &pair->items[0], true));
		TS_TRY(ts_j_put(in, text, "=", 1));
		TS_TRY(percent_encode(in, text, &pair->items[1], true));
	}
	return 0;
}

FILTER(f_urlencode)
{
	struct ts_str text = {0};
	struct ts_j_list *pairs;
	struct ts_j_value items = *v;
	TS_TRY(no_args(in, "urlencode", args));
	if (v->kind == TS_J_STRING || !ts_j_iterable(v)) {
		int status = percent_encode(in, &text, v, false);
		return ts_j_take(in, &text, status, out);
	}
	if (v->kind == TS_J_DICT)
		items = (struct ts_j_value){.kind = TS_J_VIEW, .view = 2, .u.dict = v->u.dict};
	TS_TRY(ts_j_to_list(in, &items, &pairs));
	int status = encode_pairs(in, &text, pairs);
	return ts_j_take(in, &text, status, out);
}

static const struct ts_j_filter_def filters[] = {
	{"trim", f_trim},
	{"tojson", ts_j_tojson},
	{"upper", f_upper},
	{"lower", f_lower},
	{"capitalize", f_capitalize},
	{"title", f_title},
	{"replace", f_replace},
	{"string", f_string},
	{"default", f_default},
	{"d", f_default},
	{"int", f_int},
	{"float", f_float},
	{"abs", f_abs},
	{"round", f_round},
	{"indent", f_indent},
	{"escape", f_escape},
	{"e", f_escape},
	{"forceescape", f_forceescape},
	{"safe", f_safe},
	{"format", f_format},
	{"wordcount", f_wordcount},
	{"center", f_center},
	{"truncate", f_truncate},
	{"urlencode", f_urlencode},
};

static const struct ts_j_filter_def *find(const struct ts_j_string *name)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (ts_j_is_text(name, filters[i].name))
			return &filters[i];
	return ts_j_sequence_filter(name);
}

bool ts_j_filter_known(const struct ts_j_string *name)
{
	return find(name);
}

int ts_j_filter(struct ts_j *in, const struct ts_j_string *name, const struct ts_j_value *v, const struct ts_j_args *args,
		struct ts_j_value *out)
{
	const struct ts_j_filter_def *def = find(name);
	TS_TRY(ts_j_work(in, 0));
	return def ? def->call(in, v, args, out) : ts_j_fail(in, "no filter named '%s'", name->data);
}
