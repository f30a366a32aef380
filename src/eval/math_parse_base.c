#include "eval/math_parser.h"

#include "core/str.h"
#include "eval/math_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int plain_number(struct parser *p, const struct ts_math **out)
{
	const struct ts_math_token *t = peek(p);
	p->at++;
	return NODE(p, out, .kind = TS_MATH_NUMBER, .text = t->text, .places = t->places, .repeat = t->repeat,
		    .base = t->base ? t->base : 10);
}

int ts_math_parse_argument(struct parser *p, const struct ts_math **out)
{
	if (next_is(p, TS_TOKEN_NUMBER))
		return plain_number(p, out);
	if (!take(p, '{'))
		return ts_math_parse_base(p, out);
	TS_TRY(ts_math_parse_relation(p, out));
	return expect(p, '}');
}

/* --- things that stand alone --- */

bool ts_math_is_whole(const struct ts_math *m)
{
	return m->kind == TS_MATH_NUMBER && !m->places && m->base == 10;
}

/* a/b of whole numbers, smaller than one. */
static bool is_proper(const struct ts_math *m)
{
	if (m->kind != TS_MATH_QUOTIENT || !ts_math_is_whole(m->parts[0]) || !ts_math_is_whole(m->parts[1]))
		return false;
	const char *a = m->parts[0]->text, *b = m->parts[1]->text;
	return strlen(a) < strlen(b) || (strlen(a) == strlen(b) && strcmp(a, b) < 0);
}

static int parse_fraction(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *top, *bottom;
	TS_TRY(expect(p, TS_TOKEN_FRACTION));
	TS_TRY(ts_math_parse_argument(p, &top));
	TS_TRY(ts_math_parse_argument(p, &bottom));
	return pair(p, TS_MATH_QUOTIENT, top, bottom, out);
}

/* A number, and the fraction of a mixed one. */
static int parse_number(struct parser *p, const struct ts_math **out)
{
	const struct ts_math_token *t = peek(p);
	const struct ts_math *part;
	TS_TRY(plain_number(p, out));
	if (!ts_math_is_whole(*out) || p->how & TS_MATH_BARE)
		return 0;
	size_t start = p->at;
	if (next_is(p, TS_TOKEN_FRACTION)) {
		TS_TRY(parse_fraction(p, &part));
	} else if (next_is(p, TS_TOKEN_NUMBER) && t[1].spaced && t[2].type == '/' && t[3].type == TS_TOKEN_NUMBER) {
		const struct ts_math *top, *bottom;
		TS_TRY(plain_number(p, &top));
		p->at++;
		TS_TRY(plain_number(p, &bottom));
		TS_TRY(pair(p, TS_MATH_QUOTIENT, top, bottom, &part));
	} else {
		return 0;
	}
	if (is_proper(part))
		return pair(p, TS_MATH_SUM, *out, part, out);
	p->at = start;
	return 0;
}

/* The brackets around parts; one part in a pair of its own is itself. */
static int parse_brackets(struct parser *p, int open, const struct ts_math **out)
{
	const struct ts_math *inside;
	p->at++;
	int bars = p->bars;
	p->bars = 0;
	TS_TRY(ts_math_parse_list(p, &inside));
	p->bars = bars;
	int close = peek(p)->type;
	if (open == TS_TOKEN_ANGLE_OPEN ? close != TS_TOKEN_ANGLE_CLOSE : close != ')' && close != ']')
		return TS_EFORMAT;
	p->at++;
	if (open == TS_TOKEN_ANGLE_OPEN) {
		open = '(';
		close = ')';
	}
	if (inside->kind == TS_MATH_LIST)
		return NODE(p, out, .kind = TS_MATH_TUPLE, .op = open, .close = close, .count = inside->count, .parts = inside->parts);
	*out = inside;
	return (open == '(') == (close == ')') ? 0 : TS_EFORMAT;
}

/* {a, b}, or {x | condition}: the condition. */
static int parse_set(struct parser *p, int close, const struct ts_math **out)
{
	const struct ts_math *inside;
	p->at++;
	if (take(p, close))
		return NODE(p, out, .kind = TS_MATH_SET);
	p->bars++;
	int status = ts_math_parse_list(p, &inside);
	p->bars--;
	TS_TRY(status);
	if (take(p, '|')) {
		TS_TRY(ts_math_parse_list(p, out));
		return expect(p, close);
	}
	TS_TRY(expect(p, close));
	if (inside->kind == TS_MATH_LIST)
		return NODE(p, out, .kind = TS_MATH_SET, .count = inside->count, .parts = inside->parts);
	*out = inside;
	/* {3} in braces that LaTeX does not show is 3. */
	return close == '}' ? 0 : NODE(p, out, .kind = TS_MATH_SET, .count = 1, .parts = &inside);
}

static int parse_root(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *inside;
	long degree = 2;
	p->at++;
	if (take(p, '[')) {
		const struct ts_math_token *t = peek(p);
		if (!take(p, TS_TOKEN_NUMBER) || t->places || strlen(t->text) > 3 || t->base != 10)
			return TS_EFORMAT;
		degree = strtol(t->text, NULL, 10);
		TS_TRY(expect(p, ']'));
	}
	TS_TRY(ts_math_parse_argument(p, &inside));
	*out = inside;
	return degree >= 2 ? wrap(p, TS_MATH_ROOT, (int)degree, out) : TS_EFORMAT;
}

static int parse_between(struct parser *p, int close, int function, const struct ts_math **out)
{
	p->at++;
	p->bars += close == '|';
	int status = ts_math_parse_sum(p, out);
	p->bars -= close == '|';
	TS_TRY(status);
	TS_TRY(expect(p, close));
	return wrap(p, TS_MATH_FUNCTION, function, out);
}

/* What stands between cells and rows decides the shape. */
static int parse_matrix(struct parser *p, const struct ts_math **out)
{
	parts_t cells = {0};
	const struct ts_math *cell;
	size_t rows = 0, columns = 0, in_row = 0;
	int status = 0, op = *peek(p)->text == 'v' ? 'v' : 0;
	p->at++;
	while (!status && !take(p, TS_TOKEN_CLOSE)) {
		TS_GOTO(ts_math_parse_relation(p, &cell));
		TS_GOTO(ts_vec_push(&cells, cell) ? TS_ENOMEM : 0);
		in_row++;
		if (take(p, '&'))
			continue;
		columns = rows ? columns : in_row;
		TS_GOTO(in_row == columns && (take(p, TS_TOKEN_ROW) || next_is(p, TS_TOKEN_CLOSE)) ? 0 : TS_EFORMAT);
		rows++;
		in_row = 0;
	}
	status = rows && !in_row ? NODE(p, out, .kind = TS_MATH_MATRIX, .op = op, .rows = rows, .columns = columns, .count = cells.len,
					.parts = cells.data)
				 : TS_EFORMAT;
done:
	ts_vec_release(&cells);
	return status;
}

bool ts_math_starts_factor(const struct parser *p)
{
	switch (peek(p)->type) {
	case TS_TOKEN_NUMBER:
	case TS_TOKEN_NAME:
	case TS_TOKEN_CONSTANT:
	case TS_TOKEN_FUNCTION:
	case TS_TOKEN_FRACTION:
	case TS_TOKEN_ROOT:
	case TS_TOKEN_BINOMIAL:
	case TS_TOKEN_FLOOR_OPEN:
	case TS_TOKEN_CEIL_OPEN:
	case TS_TOKEN_ANGLE_OPEN:
	case TS_TOKEN_BEGIN:
	case '(':
	case '[':
	case '{':
		return true;
	default:
		return next_is(p, '|') && !p->bars;
	}
}

/* sin 2x, ln 2: factors side by side up to a sign, a relation, a written product or another function. */
static int parse_bare_argument(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *more;
	bool minus = take(p, '-');
	TS_TRY(ts_math_parse_factor(p, out));
	while (ts_math_starts_factor(p) && !next_is(p, TS_TOKEN_FUNCTION) && !next_is(p, TS_TOKEN_BEGIN)) {
		TS_TRY(ts_math_parse_factor(p, &more));
		TS_TRY(pair(p, TS_MATH_PRODUCT, *out, more, out));
	}
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

bool ts_math_is_minus_one(const struct ts_math *m)
{
	return m->kind == TS_MATH_NEGATIVE && ts_math_is_whole(m->parts[0]) && !strcmp(m->parts[0]->text, "1");
}

/* f^k argument, log_b argument; the inverse sine is written with -1 for k. */
static int parse_function(struct parser *p, const struct ts_math **out)
{
	int op = peek(p)->op;
	const struct ts_math *power = NULL, *base = NULL, *argument;
	p->at++;
	for (int i = 0; i < 2; i++) {
		if (!power && take(p, '^'))
			TS_TRY(ts_math_parse_argument(p, &power));
		if (!base && op == TS_MATH_LOG && take(p, '_'))
			TS_TRY(ts_math_parse_argument(p, &base));
	}
	if (next_is(p, '(') || next_is(p, '{') || next_is(p, '['))
		TS_TRY(ts_math_parse_base(p, &argument));
	else
		TS_TRY(parse_bare_argument(p, &argument));
	if (power && ts_math_is_minus_one(power)) {
		if (op > TS_MATH_TAN)
			return TS_EFORMAT;
		op += TS_MATH_ARCSIN - TS_MATH_SIN;
		power = NULL;
	}
	const struct ts_math *parts[] = {argument, base};
	TS_TRY(NODE(p, out, .kind = TS_MATH_FUNCTION, .op = op, .count = base ? 2 : 1, .parts = parts));
	return power ? pair(p, TS_MATH_POWER, *out, power, out) : 0;
}

static int parse_name(struct parser *p, const struct ts_math **out)
{
	const char *name = peek(p)->text;
	p->at++;
	bool function = strlen(name) == 1 && (p->how & TS_MATH_BARE || strchr("fgh", *name));
	if (function && next_is(p, '(')) {
		const struct ts_math *inside;
		TS_TRY(parse_brackets(p, '(', &inside));
		bool tuple = inside->kind == TS_MATH_TUPLE;
		return NODE(p, out, .kind = TS_MATH_APPLY, .text = name, .count = tuple ? inside->count : 1,
			    .parts = tuple ? inside->parts : &inside);
	}
	return NODE(p, out, .kind = TS_MATH_NAME, .text = name);
}

/* Texts that are sets. */
static const struct {
	const char *text;
	enum ts_math_kind kind;
} sets[] = {
	{"all real numbers", TS_MATH_DOMAIN}, {"all reals", TS_MATH_DOMAIN},      {"real numbers", TS_MATH_DOMAIN},
	{"the real numbers", TS_MATH_DOMAIN}, {"no solution", TS_MATH_SET},       {"no solutions", TS_MATH_SET},
	{"no real solution", TS_MATH_SET},    {"no real solutions", TS_MATH_SET}, {"empty set", TS_MATH_SET},
	{"the empty set", TS_MATH_SET},
};

static int text_or_set(struct parser *p, const char *text, const struct ts_math **out)
{
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		if (!strcasecmp(sets[i].text, text))
			return NODE(p, out, .kind = sets[i].kind, .op = sets[i].kind == TS_MATH_DOMAIN ? 'R' : 0);
	return NODE(p, out, .kind = TS_MATH_TEXT, .text = text);
}

/* Words that no value stands before: the answer is a text. */
static int parse_words(struct parser *p, const struct ts_math **out)
{
	struct ts_str text = {0};
	int number = ts_math_number_word(peek(p)->text), status = 0;
	if (p->how & TS_MATH_BARE)
		return TS_EFORMAT;
	if (number >= 0) {
		p->at++;
		*out = ts_math_integer(p->arena, number);
		return *out ? 0 : TS_ENOMEM;
	}
	for (; next_is(p, TS_TOKEN_WORD) && !status; p->at++) {
		status = text.len ? ts_str_putc(&text, ' ') : 0;
		status = status ? status : ts_str_puts(&text, peek(p)->text);
	}
	if (!status)
		status = text_or_set(p, ts_str_c(&text), out);
	ts_str_release(&text);
	return status;
}

static int parse_plain(struct parser *p, const struct ts_math **out)
{
	const struct ts_math_token *t = peek(p);
	switch (t->type) {
	case TS_TOKEN_NUMBER:
		return parse_number(p, out);
	case TS_TOKEN_NAME:
		return parse_name(p, out);
	case TS_TOKEN_CONSTANT:
		p->at++;
		return NODE(p, out, .kind = TS_MATH_CONSTANT, .op = t->op);
	case TS_TOKEN_DOMAIN:
		p->at++;
		return NODE(p, out, .kind = TS_MATH_DOMAIN, .op = t->op);
	case TS_TOKEN_EMPTY_SET:
		p->at++;
		return NODE(p, out, .kind = TS_MATH_SET);
	case TS_TOKEN_WORD:
		return parse_words(p, out);
	case TS_TOKEN_FUNCTION:
		return parse_function(p, out);
	case TS_TOKEN_FRACTION:
		return parse_fraction(p, out);
	case TS_TOKEN_ROOT:
		return parse_root(p, out);
	default:
		return TS_EFORMAT;
	}
}

static int parse_base_inside(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *n, *k;
	switch (peek(p)->type) {
	case '(':
	case '[':
	case TS_TOKEN_ANGLE_OPEN:
		return parse_brackets(p, peek(p)->type, out);
	case '{':
		return parse_set(p, '}', out);
	case TS_TOKEN_SET_OPEN:
		return parse_set(p, TS_TOKEN_SET_CLOSE, out);
	case '|':
		return parse_between(p, '|', TS_MATH_ABS, out);
	case TS_TOKEN_FLOOR_OPEN:
		return parse_between(p, TS_TOKEN_FLOOR_CLOSE, TS_MATH_FLOOR, out);
	case TS_TOKEN_CEIL_OPEN:
		return parse_between(p, TS_TOKEN_CEIL_CLOSE, TS_MATH_CEIL, out);
	case TS_TOKEN_BEGIN:
		return parse_matrix(p, out);
	case TS_TOKEN_BINOMIAL:
		p->at++;
		TS_TRY(ts_math_parse_argument(p, &n));
		TS_TRY(ts_math_parse_argument(p, &k));
		return pair(p, TS_MATH_BINOMIAL, n, k, out);
	default:
		return parse_plain(p, out);
	}
}

int ts_math_parse_base(struct parser *p, const struct ts_math **out)
{
	if (++p->depth > DEPTH_LIMIT)
		return TS_ELIMIT;
	int status = parse_base_inside(p, out);
	p->depth--;
	return status;
}
