#include "eval/math_equation.h"

#include "eval/math_value.h"

#include <string.h>

enum { MEMBERS_MOST = TS_MATH_MOST_MEMBERS };

typedef const struct ts_math node;

static node *list_of(struct ts_math_work *w, enum ts_math_kind kind, int op, int close, node *const *parts, size_t count)
{
	return ts_math_make(w->arena, &(struct ts_math){.kind = kind, .op = op, .close = close, .count = count, .parts = parts});
}

static bool is_minus_one(node *m)
{
	return m->kind == TS_MATH_NEGATIVE && m->parts[0]->kind == TS_MATH_NUMBER && !strcmp(m->parts[0]->text, "1");
}

/* A left side that only names what is asked: x, f(x), m + n, (x, y), \sin A. No number stands in it. */
static bool is_label(node *m, bool top)
{
	switch (m->kind) {
	case TS_MATH_NAME:
		return true;
	case TS_MATH_CONSTANT:
		return !top && m->op != 'f';
	case TS_MATH_NEGATIVE:
		if (top)
			return false;
		break;
	case TS_MATH_FUNCTION:
		if (m->op >= TS_MATH_ABS)
			return false;
		break;
	case TS_MATH_POWER: /* f^{-1}, a function's inverse */
		return m->parts[0]->kind == TS_MATH_NAME && is_minus_one(m->parts[1]);
	case TS_MATH_SUM:
	case TS_MATH_PRODUCT:
	case TS_MATH_QUOTIENT:
	case TS_MATH_TUPLE:
	case TS_MATH_APPLY:
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < m->count; i++)
		if (!is_label(m->parts[i], m->kind == TS_MATH_SUM && i == 0))
			return false;
	return true;
}

bool ts_math_is_equation(node *m)
{
	return m->kind == TS_MATH_CHAIN && strspn(m->text, "=") == m->count - 1;
}

static bool is_named(node *m)
{
	return ts_math_is_equation(m) && is_label(m->parts[0], true);
}

/* Without what follows an "about equal". */
const struct ts_math *ts_math_exact_part(struct ts_math_work *w, node *m)
{
	if (m->kind != TS_MATH_CHAIN || !strchr(m->text, TS_MATH_ABOUT))
		return m;
	size_t n = (size_t)(strchr(m->text, TS_MATH_ABOUT) - m->text);
	char relations[64];
	if (n == 0)
		return m->parts[0];
	if (n >= sizeof(relations))
		return m;
	memcpy(relations, m->text, n);
	relations[n] = '\0';
	node *cut = ts_math_make(w->arena, &(struct ts_math){.kind = TS_MATH_CHAIN, .count = n + 1, .parts = m->parts, .text = relations});
	return cut ? cut : m;
}

/* "x = 1, y = 2", "x = 1 or x = 2", "n = 1, 2, 3" without their left sides; NULL when it is nothing of the kind. */
static node *drop_in_list(struct ts_math_work *w, node *m)
{
	node *values[MEMBERS_MOST];
	bool one_name = true, all = true;
	if (m->count > MEMBERS_MOST || !is_named(m->parts[0]))
		return NULL;
	for (size_t i = 0; i < m->count; i++) {
		bool named = is_named(m->parts[i]);
		if (!named && m->parts[i]->kind == TS_MATH_CHAIN)
			return NULL;
		all = all && named;
		one_name = one_name && (!named || m->parts[i]->parts[0]->hash == m->parts[0]->parts[0]->hash);
		values[i] = named ? m->parts[i]->parts[1] : m->parts[i];
	}
	if (one_name)
		return list_of(w, TS_MATH_LIST, m->op, 0, values, m->count);
	return all ? list_of(w, TS_MATH_TUPLE, '(', ')', values, m->count) : NULL;
}

const struct ts_math *ts_math_drop_left(struct ts_math_work *w, node *m)
{
	const char *none;
	if (m->kind == TS_MATH_LIST)
		return drop_in_list(w, m);
	if (m->kind != TS_MATH_CHAIN)
		return NULL;
	if (ts_math_is_equation(m) && !ts_math_names(m, &none, 0)) /* 10 - 3 = 7 */
		return m->parts[m->count - 1];
	if (is_named(m) || (m->text[0] == TS_MATH_IN && m->count == 2 && m->parts[0]->kind == TS_MATH_NAME))
		return m->parts[1];
	return ts_math_is_equation(m) && m->count == 2 && m->parts[1]->kind == TS_MATH_NAME ? m->parts[0] : NULL;
}

/* f for f = 0. */
static node *difference(struct ts_math_work *w, node *m)
{
	return ts_math_minus(w->arena, m->parts[0], m->parts[1]);
}

/* One is the other times a number: its sign, or 0 when it is not so. Found at a point, proved for all. */
static int proportion(struct ts_math_work *w, node *f, node *g)
{
	const char *names[TS_MATH_MOST_VARIABLES];
	node *at_f = f, *at_g = g;
	size_t count = f && g ? ts_math_names(ts_math_two(w->arena, TS_MATH_SUM, f, g), names, TS_MATH_MOST_VARIABLES) : 0;
	if (count == 0 || count > TS_MATH_MOST_VARIABLES)
		return 0;
	for (size_t i = 0; i < count && at_f && at_g; i++) {
		node *value = ts_math_integer(w->arena, 17 + 36 * (long)(i * i + i));
		at_f = value ? ts_math_replace(w->arena, at_f, names[i], value) : NULL;
		at_g = value ? ts_math_replace(w->arena, at_g, names[i], value) : NULL;
	}
	if (ts_math_zero(w, at_f) != TS_MATH_REFUTED || ts_math_zero(w, at_g) != TS_MATH_REFUTED)
		return 0;
	node *left = ts_math_two(w->arena, TS_MATH_PRODUCT, f, at_g), *right = ts_math_two(w->arena, TS_MATH_PRODUCT, g, at_f);
	if (!left || !right || !ts_math_equal_values(w, left, right))
		return 0;
	int sign = ts_math_sign(w, ts_math_two(w->arena, TS_MATH_PRODUCT, at_f, at_g));
	return sign == 1 || sign == -1 ? sign : 2;
}

bool ts_math_same_equation(struct ts_math_work *w, node *a, node *b)
{
	if (is_named(a) && is_named(b) && a->parts[0]->hash == b->parts[0]->hash && ts_math_same(w, a->parts[1], b->parts[1]))
		return true;
	if (a->count != 2 || b->count != 2 || !ts_math_is_equation(a) || !ts_math_is_equation(b))
		return false;
	return proportion(w, difference(w, a), difference(w, b)) != 0;
}

/* Inequalities that are not linear in one variable: one a positive multiple of the other. */
bool ts_math_same_inequality(struct ts_math_work *w, node *a, node *b)
{
	if (a->kind != TS_MATH_CHAIN || b->kind != TS_MATH_CHAIN || a->count != 2 || b->count != 2)
		return false;
	static const char order[] = "<l>g";
	const char *x = strchr(order, a->text[0]), *y = strchr(order, b->text[0]);
	if (!x || !y || (x - order) % 2 != (y - order) % 2)
		return false;
	bool turned = (x - order) / 2 != (y - order) / 2;
	return proportion(w, difference(w, a), difference(w, b)) == (turned ? -1 : 1);
}

/* What a list of equations, or one of tuples, says each name is. */
struct assignments {
	size_t count;
	node *name[MEMBERS_MOST], *value[MEMBERS_MOST];
};

static bool assignments_of(node *m, struct assignments *out)
{
	out->count = 0;
	if (is_named(m) && m->parts[0]->kind == TS_MATH_TUPLE && m->parts[1]->kind == TS_MATH_TUPLE &&
	    m->parts[0]->count == m->parts[1]->count && m->parts[0]->count <= MEMBERS_MOST) {
		out->count = m->parts[0]->count;
		for (size_t i = 0; i < out->count; i++) {
			out->name[i] = m->parts[0]->parts[i];
			out->value[i] = m->parts[1]->parts[i];
		}
		return true;
	}
	if ((m->kind != TS_MATH_LIST && m->kind != TS_MATH_TUPLE) || m->count > MEMBERS_MOST)
		return false;
	for (size_t i = 0; i < m->count; i++) {
		if (!is_named(m->parts[i]))
			return false;
		for (size_t j = 0; j < i; j++)
			if (out->name[j]->hash == m->parts[i]->parts[0]->hash)
				return false;
		out->name[i] = m->parts[i]->parts[0];
		out->value[i] = m->parts[i]->parts[1];
		out->count++;
	}
	return true;
}

static bool same_assignments(struct ts_math_work *w, const struct assignments *a, const struct assignments *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		size_t j = 0;
		while (j < b->count && a->name[i]->hash != b->name[j]->hash)
			j++;
		if (j == b->count || !ts_math_same(w, a->value[i], b->value[j]))
			return false;
	}
	return true;
}

bool ts_math_both_assign(struct ts_math_work *w, node *a, node *b, bool *equal)
{
	struct assignments x, y;
	if (!assignments_of(a, &x) || !assignments_of(b, &y))
		return false;
	*equal = same_assignments(w, &x, &y);
	return true;
}
