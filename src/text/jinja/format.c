/* Python's two ways of formatting: `"%-5s" % x` and `"{:>5}".format(x)`. */
#include "text/jinja/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_FIELD 100000

struct field {
	char fill[5];
	char align; /* '<' '>' '^' '=' or 0 */
	char sign;  /* '+' ' ' or 0 */
	bool alternate, zero, comma;
	int64_t width, precision; /* precision -1 = none */
	char type;
};

static int bad_format(struct ts_j *in, const char *what)
{
	return ts_j_fail(in, "bad format: %s", what);
}

static int put_fill(struct ts_j *in, struct ts_str *out, const char *fill, int64_t n)
{
	for (; n > 0; n--)
		TS_TRY(ts_j_put(in, out, fill, strlen(fill)));
	return 0;
}

static size_t count_points(const char *s, size_t n)
{
	size_t points = 0;
	for (size_t i = 0; i < n; i++)
		points += ((unsigned char)s[i] & 0xC0) != 0x80;
	return points;
}

/* Text of `n` bytes, the first `prefix` of them a sign or 0x that stays in front of zeros. */
static int put_padded(struct ts_j *in, struct ts_str *out, const struct field *f, const char *s, size_t n, size_t prefix, char align)
{
	int64_t missing = f->width - (int64_t)count_points(s, n);
	if (missing < 0)
		missing = 0;
	int64_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
	TS_TRY(put_fill(in, out, f->fill, left));
	TS_TRY(ts_j_put(in, out, s, align == '=' ? prefix : n));
	if (align == '=') {
		TS_TRY(put_fill(in, out, f->fill, missing));
		TS_TRY(ts_j_put(in, out, s + prefix, n - prefix));
		return 0;
	}
	return put_fill(in, out, f->fill, missing - left);
}

static int group_digits(struct ts_str *text, size_t prefix)
{
	size_t end = prefix;
	while (end < text->len && text->data[end] >= '0' && text->data[end] <= '9')
		end++;
	struct ts_str out = {0};
	int status = ts_str_append(&out, text->data, prefix);
	for (size_t i = prefix; i < end && !status; i++) {
		if (i > prefix && (end - i) % 3 == 0)
			status = ts_str_putc(&out, ',');
		status = status ? status : ts_str_putc(&out, text->data[i]);
	}
	status = status ? status : ts_str_append(&out, text->data + end, text->len - end);
	ts_str_release(text);
	*text = out;
	return status;
}

static int put_binary(struct ts_str *text, uint64_t u)
{
	int bit = 63;
	while (bit > 0 && !(u >> bit & 1))
		bit--;
	for (; bit >= 0; bit--)
		TS_TRY(ts_str_putc(text, u >> bit & 1 ? '1' : '0'));
	return 0;
}

static int integer_text(struct ts_str *text, const struct field *f, int64_t i, size_t *prefix)
{
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	char mark[4] = {0};
	if (i < 0)
		TS_TRY(ts_str_putc(text, '-'));
	else if (f->sign)
		TS_TRY(ts_str_putc(text, f->sign));
	if (f->alternate && strchr("xXob", f->type)) {
		mark[0] = '0';
		mark[1] = f->type;
		TS_TRY(ts_str_puts(text, mark));
	}
	*prefix = text->len;
	switch (f->type) {
	case 'x':
		return ts_str_printf(text, "%llx", (unsigned long long)u);
	case 'X':
		return ts_str_printf(text, "%llX", (unsigned long long)u);
	case 'o':
		return ts_str_printf(text, "%llo", (unsigned long long)u);
	case 'b':
		return put_binary(text, u);
	default:
		return ts_str_printf(text, "%.*llu", f->precision > 0 ? (int)f->precision : 1, (unsigned long long)u);
	}
}

static int real_text(struct ts_str *text, const struct field *f, double d, size_t *prefix)
{
	char pattern[16];
	int precision = f->precision >= 0 ? (int)f->precision : 6;
	if (signbit(d) && !isnan(d))
		TS_TRY(ts_str_putc(text, '-'));
	else if (f->sign)
		TS_TRY(ts_str_putc(text, f->sign));
	*prefix = text->len;
	d = fabs(d);
	if (!f->type)
		return ts_j_put_real(text, d);
	char type = f->type == '%' ? 'f' : f->type;
	snprintf(pattern, sizeof(pattern), f->alternate ? "%%#.*%c" : "%%.*%c", type);
	TS_TRY(ts_str_printf(text, pattern, precision, f->type == '%' ? d * 100 : d));
	return f->type == '%' ? ts_str_putc(text, '%') : 0;
}

static int put_number(struct ts_j *in, struct ts_str *out, const struct field *f, const struct ts_j_value *v)
{
	struct ts_str text = {0};
	size_t prefix = 0;
	int64_t i;
	if (f->precision > 200)
		return bad_format(in, "precision too large");
	bool real = v->kind == TS_J_FLOAT || (f->type && strchr("eEfFgG%", f->type));
	if (!ts_j_integer(v, &i))
		i = 0;
	int status = real ? real_text(&text, f, ts_j_as_real(v), &prefix) : integer_text(&text, f, i, &prefix);
	if (!status && f->comma)
		status = group_digits(&text, prefix);
	if (status)
		ts_fail_memory(in->err);
	else
		status = put_padded(in, out, f, ts_str_c(&text), text.len, prefix, f->align ? f->align : f->zero ? '=' : '>');
	ts_str_release(&text);
	return status;
}

static int put_text(struct ts_j *in, struct ts_str *out, const struct field *f, const struct ts_j_value *v, char align)
{
	const struct ts_j_string *s = v->u.s;
	size_t n = f->precision >= 0 ? ts_j_offset(s, (size_t)f->precision) : s->n;
	return put_padded(in, out, f, s->data, n, 0, f->align ? f->align : align);
}

static int repr_value(struct ts_j *in, const struct ts_j_value *v, struct ts_j_value *out)
{
	struct ts_str text = {0};
	int status = ts_j_put_repr(in, &text, v);
	return ts_j_take(in, &text, status, out);
}

/* ---- % ---- */

struct percent {
	struct ts_j *in;
	const struct ts_j_string *format;
	size_t at;
	const struct ts_j_value *arg;
	size_t next; /* of a tuple, or 0/1 for a single value */
};

static int next_arg(struct percent *p, const struct ts_j_value **out)
{
	bool tuple = p->arg->kind == TS_J_TUPLE;
	if (p->next >= (tuple ? p->arg->u.list->n : 1))
		return ts_j_fail(p->in, "not enough arguments for format string");
	*out = tuple ? &p->arg->u.list->items[p->next] : p->arg;
	p->next++;
	return 0;
}

static int percent_count(struct percent *p, int64_t *out)
{
	const char *s = p->format->data;
	const struct ts_j_value *v = NULL;
	*out = 0;
	if (s[p->at] == '*') {
		p->at++;
		TS_TRY(next_arg(p, &v));
		if (!ts_j_integer(v, out))
			return bad_format(p->in, "* wants int");
	}
	for (; s[p->at] >= '0' && s[p->at] <= '9' && *out <= MAX_FIELD; p->at++)
		*out = *out * 10 + (s[p->at] - '0');
	return *out > MAX_FIELD || *out < -MAX_FIELD ? bad_format(p->in, "field too wide") : 0;
}

static int percent_flags(struct percent *p, struct field *f)
{
	const char *s = p->format->data;
	for (; s[p->at] && strchr("-+ #0", s[p->at]); p->at++) {
		if (s[p->at] == '-')
			f->align = '<';
		else if (s[p->at] == '0')
			f->zero = true;
		else if (s[p->at] == '#')
			f->alternate = true;
		else if (f->sign != '+')
			f->sign = s[p->at];
	}
	TS_TRY(percent_count(p, &f->width));
	if (f->width < 0) {
		f->align = '<';
		f->width = -f->width;
	}
	if (s[p->at] == '.') {
		p->at++;
		TS_TRY(percent_count(p, &f->precision));
	}
	while (s[p->at] && strchr("hlL", s[p->at]))
		p->at++;
	f->type = s[p->at];
	if (!f->type)
		return bad_format(p->in, "incomplete format");
	p->at++;
	if (f->zero && f->align != '<' && !strchr("srac", f->type))
		strcpy(f->fill, "0");
	else
		f->zero = false;
	return 0;
}

static int percent_key(struct percent *p, struct ts_j_value *out)
{
	const char *s = p->format->data;
	size_t start = ++p->at, depth = 1;
	for (; p->at < p->format->n; p->at++) {
		depth += s[p->at] == '(';
		depth -= s[p->at] == ')';
		if (!depth)
			break;
	}
	if (depth)
		return bad_format(p->in, "incomplete format key");
	if (p->arg->kind != TS_J_DICT)
		return ts_j_fail(p->in, "format requires a mapping");
	struct ts_j_value key;
	const struct ts_j_value *found;
	TS_TRY(ts_j_str(p->in, s + start, p->at - start, &key));
	TS_TRY(ts_j_dict_get(p->in, p->arg->u.dict, &key, &found));
	if (!found)
		return ts_j_fail(p->in, "format: no key '%s'", key.u.s->data);
	p->at++;
	*out = *found;
	return 0;
}

static int percent_integer(struct percent *p, struct ts_str *out, struct field *f, const struct ts_j_value *v)
{
	struct ts_j_value whole = *v;
	if (v->kind == TS_J_FLOAT && strchr("diu", f->type) && fabs(v->u.f) < 9e18)
		whole = ts_j_int((int64_t)v->u.f);
	if (!ts_j_number(&whole) || whole.kind == TS_J_FLOAT)
		return ts_j_fail(p->in, "%%%c format: a number is required, not %s", f->type, ts_j_type(v));
	if (strchr("iu", f->type))
		f->type = 'd';
	return put_number(p->in, out, f, &whole);
}

static int percent_char(struct percent *p, struct ts_str *out, struct field *f, const struct ts_j_value *v)
{
	int64_t i;
	struct ts_j_value text = *v;
	if (ts_j_integer(v, &i)) {
		struct ts_str one = {0};
		if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i < 0xE000))
			return bad_format(p->in, "%c arg not in range");
		int status = ts_str_put_utf8(&one, (uint32_t)i);
		TS_TRY(ts_j_take(p->in, &one, status, &text));
	}
	if (text.kind != TS_J_STRING || text.u.s->points != 1)
		return bad_format(p->in, "%c requires int or char");
	return put_text(p->in, out, f, &text, '>');
}

static int percent_field(struct percent *p, struct ts_str *out)
{
	struct field f = {.fill = " ", .precision = -1};
	struct ts_j_value keyed, text;
	const struct ts_j_value *v = NULL;
	if (p->format->data[p->at] == '(') {
		TS_TRY(percent_key(p, &keyed));
		v = &keyed;
	}
	TS_TRY(percent_flags(p, &f));
	if (f.type == '%')
		return ts_j_put(p->in, out, "%", 1);
	if (!v)
		TS_TRY(next_arg(p, &v));
	if (strchr("sra", f.type)) {
		TS_TRY(f.type == 's' ? ts_j_to_str(p->in, v, &text) : repr_value(p->in, v, &text));
		return put_text(p->in, out, &f, &text, '>');
	}
	if (f.type == 'c')
		return percent_char(p, out, &f, v);
	if (strchr("diuxXo", f.type))
		return percent_integer(p, out, &f, v);
	if (!strchr("eEfFgG", f.type))
		return bad_format(p->in, "unsupported format character");
	if (!ts_j_number(v))
		return ts_j_fail(p->in, "must be real number, not %s", ts_j_type(v));
	return put_number(p->in, out, &f, v);
}

static int percent_all(struct percent *p, struct ts_str *out)
{
	while (p->at < p->format->n) {
		const char *s = p->format->data + p->at;
		const char *mark = memchr(s, '%', p->format->n - p->at);
		size_t n = mark ? (size_t)(mark - s) : p->format->n - p->at;
		TS_TRY(ts_j_put(p->in, out, s, n));
		p->at += n;
		if (mark) {
			p->at++;
			TS_TRY(percent_field(p, out));
		}
	}
	/* A single value that can be indexed, but is no string, may go unused: Python takes it for a mapping. */
	enum ts_j_kind k = p->arg->kind;
	bool mapping = k == TS_J_DICT || k == TS_J_LIST || k == TS_J_RANGE || k == TS_J_UNDEFINED;
	size_t given = k == TS_J_TUPLE ? p->arg->u.list->n : mapping ? 0 : 1;
	return p->next < given ? ts_j_fail(p->in, "not all arguments converted during string formatting") : 0;
}

int ts_j_percent(struct ts_j *in, const struct ts_j_string *format, const struct ts_j_value *arg, struct ts_j_value *out)
{
	struct percent p = {.in = in, .format = format, .arg = arg};
	struct ts_str text = {0};
	int status = percent_all(&p, &text);
	return ts_j_take(in, &text, status, out);
}

/* ---- str.format ---- */

static bool align_char(char c)
{
	return c == '<' || c == '>' || c == '^' || c == '=';
}

static int parse_spec(struct ts_j *in, const struct ts_j_string *spec, struct field *f)
{
	const char *s = spec->data;
	size_t length = 0;
	if (*s)
		ts_j_point(s, &length);
	if (length && align_char(s[length])) {
		memcpy(f->fill, s, length);
		f->fill[length] = '\0';
		f->align = s[length];
		s += length + 1;
	} else if (align_char(*s)) {
		f->align = *s++;
	}
	if (*s == '+' || *s == ' ' || *s == '-') {
		f->sign = *s == '-' ? '\0' : *s;
		s++;
	}
	if (*s == '#') {
		f->alternate = true;
		s++;
	}
	if (*s == '0') {
		if (!f->align) {
			strcpy(f->fill, "0");
			f->zero = true;
		}
		s++;
	}
	for (; *s >= '0' && *s <= '9' && f->width <= MAX_FIELD; s++)
		f->width = f->width * 10 + (*s - '0');
	if (*s == ',') {
		f->comma = true;
		s++;
	}
	if (*s == '.') {
		for (s++, f->precision = 0; *s >= '0' && *s <= '9' && f->precision <= MAX_FIELD; s++)
			f->precision = f->precision * 10 + (*s - '0');
	}
	if (*s)
		f->type = *s++;
	return *s || f->width > MAX_FIELD || f->precision > MAX_FIELD ? bad_format(in, "invalid format specifier") : 0;
}

static int put_value(struct ts_j *in, struct ts_str *out, const struct ts_j_value *v, const struct ts_j_string *spec)
{
	struct field f = {.fill = " ", .precision = -1};
	struct ts_j_value text;
	if (!spec->n)
		return ts_j_put_str(in, out, v);
	TS_TRY(parse_spec(in, spec, &f));
	if (ts_j_number(v) && !(v->kind == TS_J_BOOL && !f.type)) {
		if (f.type && !strchr(v->kind == TS_J_FLOAT ? "eEfFgG%" : "dxXobeEfFgG%", f.type))
			return bad_format(in, "unknown format code");
		if (v->kind != TS_J_FLOAT && f.precision >= 0 && (!f.type || strchr("dxXob", f.type)))
			return bad_format(in, "precision not allowed for integers");
		if (v->kind == TS_J_FLOAT && !f.type && f.precision >= 0)
			f.type = 'g';
		return put_number(in, out, &f, v);
	}
	if (v->kind != TS_J_STRING && v->kind != TS_J_BOOL)
		return ts_j_fail(in, "unsupported format string passed to %s.__format__", ts_j_type(v));
	if ((f.type && f.type != 's') || f.align == '=' || f.sign)
		return bad_format(in, "unknown format code for a string");
	TS_TRY(ts_j_to_str(in, v, &text));
	return put_text(in, out, &f, &text, '<');
}

struct braces {
	struct ts_j *in;
	const char *s;
	size_t at, n;
	const struct ts_j_args *args;
	int64_t next; /* automatic numbering; -1 after a number was written out */
};

static int name_of(struct braces *b, const char *ends, struct ts_j_value *out)
{
	size_t start = b->at;
	while (b->at < b->n && !strchr(ends, b->s[b->at]))
		b->at++;
	return ts_j_str(b->in, b->s + start, b->at - start, out);
}

static int first_value(struct braces *b, struct ts_j_value *out)
{
	struct ts_j_value name;
	int64_t index;
	TS_TRY(name_of(b, ".[!:}", &name));
	bool number = ts_j_parse_integer(name.u.s, 10, &index) && name.u.s->data[0] >= '0';
	if (!name.u.s->n) {
		index = b->next++;
		number = true;
		if (index < 0)
			return bad_format(b->in, "cannot mix automatic and written field numbers");
	}
	if (number) {
		if (index < 0 || (size_t)index >= b->args->n)
			return ts_j_fail(b->in, "replacement index %lld out of range", (long long)index);
		*out = b->args->pos[index];
		return 0;
	}
	for (size_t i = 0; i < b->args->n_named; i++) {
		if (ts_j_same_text(b->args->names[i], name.u.s)) {
			*out = b->args->named[i];
			return 0;
		}
	}
	return ts_j_fail(b->in, "format: no argument '%s'", name.u.s->data);
}

static int field_value(struct braces *b, struct ts_j_value *out)
{
	TS_TRY(first_value(b, out));
	while (b->at < b->n && (b->s[b->at] == '.' || b->s[b->at] == '[')) {
		struct ts_j_value name, from = *out;
		int64_t index;
		bool dot = b->s[b->at++] == '.';
		TS_TRY(name_of(b, dot ? ".[!:}" : "]", &name));
		if (!dot && b->at++ >= b->n)
			return bad_format(b->in, "missing ']'");
		if (!dot && ts_j_parse_integer(name.u.s, 10, &index))
			name = ts_j_int(index);
		TS_TRY(dot ? ts_j_attribute(b->in, &from, name.u.s, out) : ts_j_item(b->in, &from, &name, out));
	}
	return 0;
}

static int put_field(struct braces *b, struct ts_str *out)
{
	struct ts_j_value v, spec, shown;
	TS_TRY(field_value(b, &v));
	shown = v;
	if (b->at < b->n && b->s[b->at] == '!') {
		char how = b->at + 1 < b->n ? b->s[b->at + 1] : '\0';
		if (how != 's' && how != 'r')
			return bad_format(b->in, "conversion must be s or r");
		TS_TRY(how == 's' ? ts_j_to_str(b->in, &v, &shown) : repr_value(b->in, &v, &shown));
		b->at += 2;
	}
	if (b->at < b->n && b->s[b->at] == ':')
		b->at++;
	TS_TRY(name_of(b, "{}", &spec));
	if (b->at >= b->n || b->s[b->at] != '}')
		return bad_format(b->in, "expected '}'");
	b->at++;
	return put_value(b->in, out, &shown, spec.u.s);
}

static int put_braces(struct braces *b, struct ts_str *out)
{
	while (b->at < b->n) {
		char c = b->s[b->at];
		bool doubled = b->at + 1 < b->n && b->s[b->at + 1] == c;
		if ((c == '{' || c == '}') && !doubled) {
			if (c == '}')
				return bad_format(b->in, "single '}'");
			b->at++;
			TS_TRY(put_field(b, out));
			continue;
		}
		TS_TRY(ts_j_put(b->in, out, &c, 1));
		b->at += c == '{' || c == '}' ? 2 : 1;
	}
	return 0;
}

int ts_j_str_format(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)
{
	struct braces b = {.in = in, .s = self->u.s->data, .n = self->u.s->n, .args = args};
	struct ts_str text = {0};
	int status = put_braces(&b, &text);
	return ts_j_take(in, &text, status, out);
}
