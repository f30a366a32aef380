/* Recursive descent; every level that calls itself counts its depth. */
#include "eval/math_parse.h"

#include "core/status.h"
#include "core/str.h"
#include "eval/math_lex.h"
#include "eval/math_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of the descent, and of the tree: a row of postfixes makes a deep tree without any descent. */
enum { DEPTH_LIMIT = 60, TREE_LIMIT = 200 };

typedef TS_VEC(const struct ts_math *) parts_t;

struct parser {
	struct ts_arena *arena;
	const struct ts_math_token *tokens;
	size_t at;
	int how, depth, bars; /* bars: |x| that are open */
};

#define NODE(p, out, ...) node((p), (out), &(struct ts_math){__VA_ARGS__})

static int node(struct parser *p, const struct ts_math **out, const struct ts_math *like)
{
	*out = ts_math_make(p->arena, like);
	return !*out ? TS_ENOMEM : (*out)->depth > TREE_LIMIT ? TS_ELIMIT : 0;
}

static int wrap(struct parser *p, enum ts_math_kind kind, int op, const struct ts_math **value)
{
	const struct ts_math *part = *value;
	return NODE(p, value, .kind = kind, .op = op, .count = 1, .parts = &part);
}

static int pair(struct parser *p, enum ts_math_kind kind, const struct ts_math *a, const struct ts_math *b, const struct ts_math **out)
{
	const struct ts_math *parts[] = {a, b};
	return NODE(p, out, .kind = kind, .count = 2, .parts = parts);
}

static const struct ts_math_token *peek(const struct parser *p)
{
	return &p->tokens[p->at];
}

static bool next_is(const struct parser *p, int type)
{
	return peek(p)->type == type;
}

static bool take(struct parser *p, int type)
{
	if (!next_is(p, type))
		return false;
	p->at++;
	return true;
}

static int expect(struct parser *p, int type)
{
	return take(p, type) ? 0 : TS_EFORMAT;
}

static int parse_list(struct parser *p, const struct ts_math **out);
static int parse_relation(struct parser *p, const struct ts_math **out);
static int parse_sum(struct parser *p, const struct ts_math **out);
static int parse_factor(struct parser *p, const struct ts_math **out);
static int parse_base(struct parser *p, const struct ts_math **out);

static int plain_number(struct parser *p, const struct ts_math **out)
{
	const struct ts_math_token *t = peek(p);
	p->at++;
	return NODE(p, out, .kind = TS_MATH_NUMBER, .text = t->text, .places = t->places, .repeat = t->repeat,
		    .base = t->base ? t->base : 10);
}

/* {...}, or one thing; a number is no mixed one. */
static int parse_argument(struct parser *p, const struct ts_math **out)
{
	if (next_is(p, TS_TOKEN_NUMBER))
		return plain_number(p, out);
	if (!take(p, '{'))
		return parse_base(p, out);
	TS_TRY(parse_relation(p, out));
	return expect(p, '}');
}

/* --- things that stand alone --- */

static bool is_whole(const struct ts_math *m)
{
	return m->kind == TS_MATH_NUMBER && !m->places && m->base == 10;
}

/* a/b of whole numbers, smaller than one. */
static bool is_proper(const struct ts_math *m)
{
	if (m->kind != TS_MATH_QUOTIENT || !is_whole(m->parts[0]) || !is_whole(m->parts[1]))
		return false;
	const char *a = m->parts[0]->text, *b = m->parts[1]->text;
	return strlen(a) < strlen(b) || (strlen(a) == strlen(b) && strcmp(a, b) < 0);
}

static int parse_fraction(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *top, *bottom;
	TS_TRY(expect(p, TS_TOKEN_FRACTION));
	TS_TRY(parse_argument(p, &top));
	TS_TRY(parse_argument(p, &bottom));
	return pair(p, TS_MATH_QUOTIENT, top, bottom, out);
}

/* A number, and the fraction of a mixed one. */
static int parse_number(struct parser *p, const struct ts_math **out)
{
	const struct ts_math_token *t = peek(p);
	const struct ts_math *part;
	TS_TRY(plain_number(p, out));
	if (!is_whole(*out) || p->how & TS_MATH_BARE)
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
	TS_TRY(parse_list(p, &inside));
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
	int status = parse_list(p, &inside);
	p->bars--;
	TS_TRY(status);
	if (take(p, '|')) {
		TS_TRY(parse_list(p, out));
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
	TS_TRY(parse_argument(p, &inside));
	*out = inside;
	return degree >= 2 ? wrap(p, TS_MATH_ROOT, (int)degree, out) : TS_EFORMAT;
}

static int parse_between(struct parser *p, int close, int function, const struct ts_math **out)
{
	p->at++;
	p->bars += close == '|';
	int status = parse_sum(p, out);
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
	int status = 0, op = peek(p)->text[0];
	p->at++;
	while (!status && !take(p, TS_TOKEN_CLOSE)) {
		TS_GOTO(parse_relation(p, &cell));
		TS_GOTO(ts_vec_push(&cells, cell) ? TS_ENOMEM : 0);
		in_row++;
		if (take(p, '&'))
			continue;
		columns = rows ? columns : in_row;
		TS_GOTO(in_row == columns && (take(p, TS_TOKEN_ROW) || next_is(p, TS_TOKEN_CLOSE)) ? 0 : TS_EFORMAT);
		rows++;
		in_row = 0;
	}
	status = rows && !in_row ? NODE(p, out, .kind = TS_MATH_MATRIX, .op = op == 'v' ? 'v' : 0, .rows = rows, .columns = columns,
					.count = cells.len, .parts = cells.data)
				 : TS_EFORMAT;
done:
	ts_vec_release(&cells);
	return status;
}

static bool starts_factor(const struct parser *p)
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
	TS_TRY(parse_factor(p, out));
	while (starts_factor(p) && !next_is(p, TS_TOKEN_FUNCTION) && !next_is(p, TS_TOKEN_BEGIN)) {
		TS_TRY(parse_factor(p, &more));
		TS_TRY(pair(p, TS_MATH_PRODUCT, *out, more, out));
	}
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

static bool is_minus_one(const struct ts_math *m)
{
	return m->kind == TS_MATH_NEGATIVE && is_whole(m->parts[0]) && !strcmp(m->parts[0]->text, "1");
}

/* f^k argument, log_b argument; the inverse sine is written with -1 for k. */
static int parse_function(struct parser *p, const struct ts_math **out)
{
	int op = peek(p)->op;
	const struct ts_math *power = NULL, *base = NULL, *argument;
	p->at++;
	for (int i = 0; i < 2; i++) {
		if (!power && take(p, '^'))
			TS_TRY(parse_argument(p, &power));
		if (!base && op == TS_MATH_LOG && take(p, '_'))
			TS_TRY(parse_argument(p, &base));
	}
	if (next_is(p, '(') || next_is(p, '{') || next_is(p, '['))
		TS_TRY(parse_base(p, &argument));
	else
		TS_TRY(parse_bare_argument(p, &argument));
	if (power && is_minus_one(power)) {
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
		status = NODE(p, out, .kind = TS_MATH_TEXT, .text = ts_str_c(&text));
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
		TS_TRY(parse_argument(p, &n));
		TS_TRY(parse_argument(p, &k));
		return pair(p, TS_MATH_BINOMIAL, n, k, out);
	default:
		return parse_plain(p, out);
	}
}

static int parse_base(struct parser *p, const struct ts_math **out)
{
	if (++p->depth > DEPTH_LIMIT)
		return TS_ELIMIT;
	int status = parse_base_inside(p, out);
	p->depth--;
	return status;
}

/* --- what follows a thing --- */

/* 204_5 is a number in base 5; x_1 is a variable. */
static int subscript(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *sub;
	TS_TRY(parse_argument(p, &sub));
	bool whole = is_whole(sub) && strlen(sub->text) < 10;
	if ((*out)->kind == TS_MATH_NUMBER && !(*out)->places && (*out)->base == 10 && whole) {
		long base = strtol(sub->text, NULL, 10);
		struct ts_math number = **out;
		number.base = (int)base;
		for (const char *s = number.text; *s; s++)
			if ((*s <= '9' ? *s - '0' : *s - 'A' + 10) >= base)
				return TS_EFORMAT;
		return base >= 2 && base <= 36 ? node(p, out, &number) : TS_EFORMAT;
	}
	if ((*out)->kind != TS_MATH_NAME || (!whole && sub->kind != TS_MATH_NAME && sub->kind != TS_MATH_CONSTANT))
		return TS_EFORMAT;
	struct ts_str name = {0};
	const char letter[] = {(char)sub->op, '\0'};
	int status = ts_str_printf(&name, "%s_%s", (*out)->text, sub->kind == TS_MATH_CONSTANT ? letter : sub->text);
	if (!status)
		status = NODE(p, out, .kind = TS_MATH_NAME, .text = ts_str_c(&name));
	ts_str_release(&name);
	return status;
}

static int prime(struct parser *p, const struct ts_math **out)
{
	struct ts_str name = {0};
	if ((*out)->kind != TS_MATH_NAME)
		return TS_EFORMAT;
	int status = ts_str_printf(&name, "%s'", (*out)->text);
	if (!status)
		status = NODE(p, out, .kind = TS_MATH_NAME, .text = ts_str_c(&name));
	ts_str_release(&name);
	return status;
}

/* What stands behind ^: to the right first where it goes on. */
static int parse_exponent(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *more;
	if (++p->depth > DEPTH_LIMIT)
		return TS_ELIMIT;
	bool minus = take(p, '-');
	if (!minus)
		take(p, '+');
	TS_TRY(parse_argument(p, out));
	if (take(p, '!'))
		TS_TRY(wrap(p, TS_MATH_FACTORIAL, 0, out));
	if (take(p, '^')) {
		TS_TRY(parse_exponent(p, &more));
		TS_TRY(pair(p, TS_MATH_POWER, *out, more, out));
	}
	p->depth--;
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

static int parse_factor(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *exponent;
	TS_TRY(parse_base(p, out));
	for (;;) {
		if (take(p, '^')) {
			TS_TRY(parse_exponent(p, &exponent));
			TS_TRY(pair(p, TS_MATH_POWER, *out, exponent, out));
		} else if (take(p, '_')) {
			TS_TRY(subscript(p, out));
		} else if (take(p, '!')) {
			TS_TRY(wrap(p, TS_MATH_FACTORIAL, 0, out));
		} else if (take(p, '%')) {
			TS_TRY(wrap(p, TS_MATH_PERCENT, 0, out));
		} else if (take(p, TS_TOKEN_DEGREE)) {
			TS_TRY(wrap(p, TS_MATH_DEGREE, 0, out));
		} else if (take(p, '\'')) {
			TS_TRY(prime(p, out));
		} else {
			return 0;
		}
	}
}

/* The words after a value: its unit, dropped with its powers and slashes. */
static int parse_unit(struct parser *p, const struct ts_math **value)
{
	const struct ts_math *dropped;
	if (p->how & TS_MATH_BARE)
		return TS_EFORMAT;
	while (next_is(p, TS_TOKEN_WORD)) {
		const char *word = peek(p)->text;
		long scale = ts_math_scale_word(word);
		p->at++;
		if (scale) {
			const struct ts_math *factor = ts_math_integer(p->arena, scale);
			if (!factor)
				return TS_ENOMEM;
			TS_TRY(pair(p, TS_MATH_PRODUCT, *value, factor, value));
		} else if (!strcasecmp(word, "percent")) {
			TS_TRY(wrap(p, TS_MATH_PERCENT, 0, value));
		} else if (!strcasecmp(word, "degrees") || !strcasecmp(word, "degree")) {
			TS_TRY(wrap(p, TS_MATH_DEGREE, 0, value));
		}
		if (take(p, '^')) {
			TS_TRY(parse_argument(p, &dropped));
			/* cm^2, s^-1; else it is no unit */
			if (!is_whole(dropped) ? !is_minus_one(dropped) : strlen(dropped->text) > 1)
				return TS_EFORMAT;
		}
		int after = next_is(p, TS_TOKEN_END) ? TS_TOKEN_END : p->tokens[p->at + 1].type;
		if (next_is(p, '/') && after == TS_TOKEN_NAME) /* km/h */
			p->at += 2;
		else if ((next_is(p, '/') || next_is(p, '-') || next_is(p, '*')) && after == TS_TOKEN_WORD)
			p->at++;
	}
	return 0;
}

static int parse_signed_factor(struct parser *p, const struct ts_math **out)
{
	bool minus = false;
	while (next_is(p, '-') || next_is(p, '+'))
		minus = take(p, '-') ? !minus : (p->at++, minus);
	TS_TRY(parse_factor(p, out));
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

static int parse_product(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *more;
	TS_TRY(parse_factor(p, out));
	for (;;) {
		bool value = (*out)->kind != TS_MATH_TEXT;
		if (take(p, '*')) {
			TS_TRY(parse_signed_factor(p, &more));
			TS_TRY(pair(p, TS_MATH_PRODUCT, *out, more, out));
		} else if (take(p, '/')) {
			TS_TRY(parse_signed_factor(p, &more));
			TS_TRY(pair(p, TS_MATH_QUOTIENT, *out, more, out));
		} else if (value && starts_factor(p)) {
			/* Neither 1 2 nor 5 feet 3 is a product. */
			int before = p->tokens[p->at - 1].type;
			if (next_is(p, TS_TOKEN_NUMBER) && (before == TS_TOKEN_NUMBER || before == TS_TOKEN_WORD))
				return TS_EFORMAT;
			TS_TRY(parse_factor(p, &more));
			TS_TRY(pair(p, TS_MATH_PRODUCT, *out, more, out));
		} else if (value && next_is(p, TS_TOKEN_WORD)) {
			TS_TRY(parse_unit(p, out));
		} else {
			return 0;
		}
	}
}

/* One term with its sign, appended. */
static int parse_term(struct parser *p, parts_t *terms)
{
	const struct ts_math *term;
	const struct ts_math_token *sign = peek(p);
	bool signs = sign->type == '-' || sign->type == '+' || sign->type == TS_TOKEN_PLUSMINUS;
	p->at += signs;
	TS_TRY(parse_product(p, &term));
	if (sign->type == '-')
		TS_TRY(wrap(p, TS_MATH_NEGATIVE, 0, &term));
	else if (sign->type == TS_TOKEN_PLUSMINUS)
		TS_TRY(wrap(p, TS_MATH_PLUSMINUS, sign->op, &term));
	return ts_vec_push(terms, term) ? TS_ENOMEM : 0;
}

static int parse_sum(struct parser *p, const struct ts_math **out)
{
	parts_t terms = {0};
	int status;
	if (++p->depth > DEPTH_LIMIT)
		return TS_ELIMIT;
	do
		TS_GOTO(parse_term(p, &terms));
	while (next_is(p, '+') || next_is(p, '-') || next_is(p, TS_TOKEN_PLUSMINUS));
	*out = terms.data[0];
	if (terms.len > 1)
		TS_GOTO(NODE(p, out, .kind = TS_MATH_SUM, .count = terms.len, .parts = terms.data));
	p->depth--;
done:
	ts_vec_release(&terms);
	return status;
}

static int parse_ratio(struct parser *p, const struct ts_math **out)
{
	parts_t parts = {0};
	const struct ts_math *part;
	int status;
	do {
		TS_GOTO(parse_sum(p, &part));
		TS_GOTO(ts_vec_push(&parts, part) ? TS_ENOMEM : 0);
	} while (take(p, ':'));
	*out = part;
	if (parts.len > 1)
		status = NODE(p, out, .kind = TS_MATH_RATIO, .count = parts.len, .parts = parts.data);
done:
	ts_vec_release(&parts);
	return status;
}

static int parse_sets(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *more;
	TS_TRY(parse_ratio(p, out));
	for (;;) {
		int type = peek(p)->type;
		if (type != TS_TOKEN_UNION && type != TS_TOKEN_MEET && type != TS_TOKEN_WITHOUT)
			return 0;
		p->at++;
		TS_TRY(parse_ratio(p, &more));
		enum ts_math_kind kind = type == TS_TOKEN_UNION ? TS_MATH_UNION : type == TS_TOKEN_MEET ? TS_MATH_MEET : TS_MATH_WITHOUT;
		TS_TRY(pair(p, kind, *out, more, out));
	}
}

static char relation_at(const struct parser *p)
{
	switch (peek(p)->type) {
	case '<':
		return TS_MATH_LESS;
	case '>':
		return TS_MATH_GREATER;
	case '=':
		return TS_MATH_EQUALS;
	case TS_TOKEN_LESS_EQ:
		return TS_MATH_LESS_EQ;
	case TS_TOKEN_GREATER_EQ:
		return TS_MATH_GREATER_EQ;
	case TS_TOKEN_DIFFERS:
		return TS_MATH_DIFFERS;
	case TS_TOKEN_ABOUT:
		return TS_MATH_ABOUT;
	case TS_TOKEN_IN:
		return TS_MATH_IN;
	default:
		return 0;
	}
}

static int parse_relation(struct parser *p, const struct ts_math **out)
{
	parts_t parts = {0};
	struct ts_str relations = {0};
	const struct ts_math *part;
	char relation;
	int status;
	for (;;) {
		TS_GOTO(parse_sets(p, &part));
		TS_GOTO(ts_vec_push(&parts, part) ? TS_ENOMEM : 0);
		if (!(relation = relation_at(p)))
			break;
		p->at++;
		TS_GOTO(ts_str_putc(&relations, relation));
	}
	*out = part;
	if (parts.len > 1)
		status = NODE(p, out, .kind = TS_MATH_CHAIN, .count = parts.len, .parts = parts.data, .text = ts_str_c(&relations));
done:
	ts_vec_release(&parts);
	ts_str_release(&relations);
	return status;
}

static int parse_list(struct parser *p, const struct ts_math **out)
{
	parts_t parts = {0};
	const struct ts_math *part;
	int status, op = ',';
	for (;;) {
		TS_GOTO(parse_relation(p, &part));
		TS_GOTO(ts_vec_push(&parts, part) ? TS_ENOMEM : 0);
		bool comma = take(p, ',') || take(p, ';');
		if (next_is(p, TS_TOKEN_AND))
			op = p->tokens[p->at++].op;
		else if (!comma)
			break;
	}
	*out = part;
	if (parts.len > 1)
		status = NODE(p, out, .kind = TS_MATH_LIST, .op = op, .count = parts.len, .parts = parts.data);
done:
	ts_vec_release(&parts);
	return status;
}

/* Words up to "is" or "are" before the answer itself: "The answer is 4". */
static size_t introduction(const struct ts_math_tokens *tokens)
{
	size_t i = 0, end = 0;
	for (; tokens->list.data[i].type == TS_TOKEN_WORD; i++)
		if (!strcasecmp(tokens->list.data[i].text, "is") || !strcasecmp(tokens->list.data[i].text, "are"))
			end = i + 1;
	return tokens->list.data[end].type == TS_TOKEN_END ? 0 : end;
}

int ts_math_parse(struct ts_arena *arena, const char *s, size_t n, int how, struct ts_math_answer *out)
{
	struct ts_math_tokens tokens = {0};
	int status;
	*out = (struct ts_math_answer){0};
	TS_GOTO(ts_math_lex(arena, s, n, how, &tokens));
	for (size_t i = 0; i < tokens.list.len; i++) {
		out->grouped = out->grouped || tokens.list.data[i].grouped;
		out->list = out->list || tokens.list.data[i].type == ',';
	}
	struct parser p = {.arena = arena, .tokens = tokens.list.data, .how = how};
	if (how & TS_MATH_BARE) {
		status = parse_relation(&p, &out->tree);
		goto done;
	}
	p.at = introduction(&tokens);
	TS_GOTO(parse_list(&p, &out->tree));
	status = expect(&p, TS_TOKEN_END);
done:
	ts_vec_release(&tokens.list);
	return status;
}
