/* Recursive descent; every level that calls itself counts its depth. */
#include "eval/math_parse.h"

#include "core/str.h"
#include "eval/math_parser.h"
#include "eval/math_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- what follows a thing --- */

/* 204_5 is a number in base 5; x_1 is a variable. */
static int subscript(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *sub;
	TS_TRY(ts_math_parse_argument(p, &sub));
	bool whole = ts_math_is_whole(sub) && strlen(sub->text) < 10;
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
	TS_TRY(ts_math_parse_argument(p, out));
	if (take(p, '!'))
		TS_TRY(wrap(p, TS_MATH_FACTORIAL, 0, out));
	if (take(p, '^')) {
		TS_TRY(parse_exponent(p, &more));
		TS_TRY(pair(p, TS_MATH_POWER, *out, more, out));
	}
	p->depth--;
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

int ts_math_parse_factor(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *exponent;
	TS_TRY(ts_math_parse_base(p, out));
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

/* cm^2, s^-1; any other power, and it is no unit. */
static int unit_power(struct parser *p)
{
	const struct ts_math *power;
	if (!take(p, '^'))
		return 0;
	TS_TRY(ts_math_parse_argument(p, &power));
	return ts_math_is_minus_one(power) || (ts_math_is_whole(power) && strlen(power->text) == 1) ? 0 : TS_EFORMAT;
}

/* The words after a value: its unit, dropped with its powers and slashes. */
static int parse_unit(struct parser *p, const struct ts_math **value)
{
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
		TS_TRY(unit_power(p));
		int after = next_is(p, TS_TOKEN_END) ? TS_TOKEN_END : p->tokens[p->at + 1].type;
		if (next_is(p, '/') && after == TS_TOKEN_NAME) { /* km/h, m/s^2 */
			p->at += 2;
			TS_TRY(unit_power(p));
		} else if ((next_is(p, '/') || next_is(p, '-') || next_is(p, '*')) && after == TS_TOKEN_WORD) {
			p->at++;
		}
	}
	return 0;
}

static int parse_signed_factor(struct parser *p, const struct ts_math **out)
{
	bool minus = false;
	while (next_is(p, '-') || next_is(p, '+'))
		minus = take(p, '-') ? !minus : (p->at++, minus);
	TS_TRY(ts_math_parse_factor(p, out));
	return minus ? wrap(p, TS_MATH_NEGATIVE, 0, out) : 0;
}

static int parse_product(struct parser *p, const struct ts_math **out)
{
	const struct ts_math *more;
	TS_TRY(ts_math_parse_factor(p, out));
	for (;;) {
		bool value = (*out)->kind != TS_MATH_TEXT;
		if (take(p, '*')) {
			TS_TRY(parse_signed_factor(p, &more));
			TS_TRY(pair(p, TS_MATH_PRODUCT, *out, more, out));
		} else if (take(p, '/')) {
			TS_TRY(parse_signed_factor(p, &more));
			TS_TRY(pair(p, TS_MATH_QUOTIENT, *out, more, out));
		} else if (value && ts_math_starts_factor(p)) {
			/* Neither 1 2 nor 5 feet 3 is a product. */
			int before = p->tokens[p->at - 1].type;
			if (next_is(p, TS_TOKEN_NUMBER) && (before == TS_TOKEN_NUMBER || before == TS_TOKEN_WORD))
				return TS_EFORMAT;
			TS_TRY(ts_math_parse_factor(p, &more));
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

int ts_math_parse_sum(struct parser *p, const struct ts_math **out)
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
		TS_GOTO(ts_math_parse_sum(p, &part));
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

int ts_math_parse_relation(struct parser *p, const struct ts_math **out)
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

int ts_math_parse_list(struct parser *p, const struct ts_math **out)
{
	parts_t parts = {0};
	const struct ts_math *part;
	int status, op = ',';
	for (;;) {
		TS_GOTO(ts_math_parse_relation(p, &part));
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
		status = ts_math_parse_relation(&p, &out->tree);
		goto done;
	}
	p.at = introduction(&tokens);
	TS_GOTO(ts_math_parse_list(&p, &out->tree));
	status = expect(&p, TS_TOKEN_END);
done:
	ts_vec_release(&tokens.list);
	return status;
}
