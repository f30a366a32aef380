#include "eval/math_compare.h"

#include "core/status.h"
#include "eval/math_lex.h"
#include "eval/math_parse.h"
#include "eval/math_region.h"
#include "eval/math_value.h"

#include <string.h>

enum { MEMBERS_MOST = 64, ROUNDED_DIGITS = 12 };

typedef const struct ts_math node;

static bool same(struct ts_math_work *w, node *a, node *b);

/* --- values --- */

static bool equal_values(struct ts_math_work *w, node *a, node *b)
{
	return ts_math_zero(w, ts_math_minus(w->arena, a, b)) == TS_MATH_PROVED;
}

static bool is_decimal(node *m)
{
	node *number = m->kind == TS_MATH_NEGATIVE ? m->parts[0] : m;
	return number->kind == TS_MATH_NUMBER && !number->repeat && number->places >= ROUNDED_DIGITS;
}

static bool without_names(node *m)
{
	const char *none;
	return ts_math_names(m, &none, 0) == 0;
}

static bool same_value(struct ts_math_work *w, node *a, node *b)
{
	if (equal_values(w, a, b))
		return true;
	for (int k = 0; k < 2; k++) {
		enum ts_math_kind unit = k ? TS_MATH_DEGREE : TS_MATH_PERCENT;
		bool a_has = a->kind == unit, b_has = b->kind == unit;
		if (a_has != b_has && equal_values(w, a_has ? a->parts[0] : a, b_has ? b->parts[0] : b))
			return true;
	}
	if (!without_names(a) || !without_names(b) || is_decimal(a) == is_decimal(b))
		return false;
	return is_decimal(a) ? ts_math_rounds_to(w, b, a) : ts_math_rounds_to(w, a, b);
}

/* --- members of sets and lists --- */

struct members {
	size_t count;
	node *list[MEMBERS_MOST];
	bool set; /* how often each occurs does not count */
};

static node *choose_sign(struct ts_math_work *w, node *m, unsigned choices, unsigned *next, bool linked)
{
	if (m->kind == TS_MATH_PLUSMINUS) {
		bool minus = linked ? (choices & 1) != (m->op == '-') : choices >> (*next)++ & 1;
		node *inside = choose_sign(w, m->parts[0], choices, next, linked);
		return minus && inside ? ts_math_one(w->arena, TS_MATH_NEGATIVE, 0, inside) : inside;
	}
	if (!ts_math_has(m, TS_MATH_PLUSMINUS))
		return m;
	node **parts = ts_arena_alloc(w->arena, m->count * sizeof(*parts));
	if (!parts)
		return NULL;
	for (size_t i = 0; i < m->count; i++)
		parts[i] = choose_sign(w, m->parts[i], choices, next, linked);
	struct ts_math changed = *m;
	changed.parts = parts;
	return ts_math_make(w->arena, &changed);
}

static unsigned count_signs(node *m, bool *other_way)
{
	unsigned n = m->kind == TS_MATH_PLUSMINUS;
	*other_way = *other_way || (n && m->op == '-');
	for (size_t i = 0; i < m->count; i++)
		n += count_signs(m->parts[i], other_way);
	return n;
}

static bool add_member(struct members *out, node *m)
{
	if (!m || out->count == MEMBERS_MOST)
		return false;
	out->list[out->count++] = m;
	return true;
}

/* Where both +- and -+ occur all go together; else each goes alone. */
static bool add_signed(struct ts_math_work *w, node *m, struct members *out)
{
	bool linked = false;
	unsigned signs = count_signs(m, &linked), used;
	if (!signs)
		return add_member(out, m);
	if (signs > 4)
		return false;
	out->set = true;
	for (unsigned choices = 0; choices < 1u << (linked ? 1 : signs); choices++) {
		used = 0;
		if (!add_member(out, choose_sign(w, m, choices, &used, linked)))
			return false;
	}
	return true;
}

static bool is_collection(node *m)
{
	return m->kind == TS_MATH_LIST || m->kind == TS_MATH_SET;
}

static bool members_of(struct ts_math_work *w, node *m, struct members *out)
{
	*out = (struct members){.set = m->kind == TS_MATH_SET};
	if (!is_collection(m))
		return add_signed(w, m, out);
	for (size_t i = 0; i < m->count; i++)
		if (!add_signed(w, m->parts[i], out))
			return false;
	return true;
}

static void drop_repeated(struct ts_math_work *w, struct members *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->count; i++) {
		size_t j = 0;
		while (j < n && !same(w, m->list[j], m->list[i]))
			j++;
		if (j == n)
			m->list[n++] = m->list[i];
	}
	m->count = n;
}

static bool same_members(struct ts_math_work *w, node *a, node *b)
{
	struct members x, y;
	bool used[MEMBERS_MOST] = {false};
	if (!members_of(w, a, &x) || !members_of(w, b, &y))
		return false;
	if (x.set || y.set) {
		drop_repeated(w, &x);
		drop_repeated(w, &y);
	}
	if (x.count != y.count)
		return false;
	for (size_t i = 0; i < x.count; i++) {
		size_t j = 0;
		while (j < y.count && (used[j] || !same(w, x.list[i], y.list[j])))
			j++;
		if (j == y.count)
			return false;
		used[j] = true;
	}
	return true;
}

static bool same_in_order(struct ts_math_work *w, node *a, node *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same(w, a->parts[i], b->parts[i]))
			return false;
	return true;
}

/* --- equations and left sides --- */

static node *list_of(struct ts_math_work *w, enum ts_math_kind kind, int op, int close, node *const *parts, size_t count)
{
	return ts_math_make(w->arena, &(struct ts_math){.kind = kind, .op = op, .close = close, .count = count, .parts = parts});
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

static bool is_equation(node *m)
{
	return m->kind == TS_MATH_CHAIN && strspn(m->text, "=") == m->count - 1;
}

static bool is_named(node *m)
{
	return is_equation(m) && is_label(m->parts[0], true);
}

/* Without what follows an "about equal". */
static node *exact_part(struct ts_math_work *w, node *m)
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

static node *drop_left(struct ts_math_work *w, node *m)
{
	if (m->kind == TS_MATH_LIST)
		return drop_in_list(w, m);
	if (m->kind != TS_MATH_CHAIN)
		return NULL;
	if (is_equation(m) && without_names(m)) /* 10 - 3 = 7 */
		return m->parts[m->count - 1];
	if (is_named(m) || (m->text[0] == TS_MATH_IN && m->count == 2 && m->parts[0]->kind == TS_MATH_NAME))
		return m->parts[1];
	return is_equation(m) && m->count == 2 && m->parts[1]->kind == TS_MATH_NAME ? m->parts[0] : NULL;
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
	if (!left || !right || !equal_values(w, left, right))
		return 0;
	int sign = ts_math_sign(w, ts_math_two(w->arena, TS_MATH_PRODUCT, at_f, at_g));
	return sign == 1 || sign == -1 ? sign : 2;
}

static bool same_equation(struct ts_math_work *w, node *a, node *b)
{
	if (is_named(a) && is_named(b) && a->parts[0]->hash == b->parts[0]->hash && same(w, a->parts[1], b->parts[1]))
		return true;
	if (a->count != 2 || b->count != 2 || !is_equation(a) || !is_equation(b))
		return false;
	return proportion(w, difference(w, a), difference(w, b)) != 0;
}

/* Inequalities that are not linear in one variable: one a positive multiple of the other. */
static bool same_inequality(struct ts_math_work *w, node *a, node *b)
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
		if (j == b->count || !same(w, a->value[i], b->value[j]))
			return false;
	}
	return true;
}

/* --- matrices and ratios --- */

static node *matrix_of(struct ts_math_work *w, node *m);

static node *scaled(struct ts_math_work *w, node *matrix, enum ts_math_kind kind, node *by)
{
	node **cells = matrix ? ts_arena_alloc(w->arena, matrix->count * sizeof(*cells)) : NULL;
	if (!cells)
		return NULL;
	for (size_t i = 0; i < matrix->count; i++)
		cells[i] = by ? ts_math_two(w->arena, kind, matrix->parts[i], by) : ts_math_one(w->arena, kind, 0, matrix->parts[i]);
	struct ts_math changed = *matrix;
	changed.parts = cells;
	return ts_math_make(w->arena, &changed);
}

/* A matrix, a number times or by which one is taken; NULL for other things. */
static node *matrix_of(struct ts_math_work *w, node *m)
{
	if (m->kind == TS_MATH_MATRIX)
		return m->op == 'v' ? NULL : m;
	if (m->kind == TS_MATH_NEGATIVE)
		return ts_math_has(m, TS_MATH_MATRIX) ? scaled(w, matrix_of(w, m->parts[0]), TS_MATH_NEGATIVE, NULL) : NULL;
	if ((m->kind != TS_MATH_PRODUCT && m->kind != TS_MATH_QUOTIENT) || m->count != 2)
		return NULL;
	bool first = ts_math_has(m->parts[0], TS_MATH_MATRIX), second = ts_math_has(m->parts[1], TS_MATH_MATRIX);
	if (first == second || (second && m->kind == TS_MATH_QUOTIENT))
		return NULL;
	return scaled(w, matrix_of(w, m->parts[second]), m->kind, m->parts[!second]);
}

static bool same_matrix(struct ts_math_work *w, node *a, node *b)
{
	a = matrix_of(w, a);
	b = matrix_of(w, b);
	return a && b && a->rows == b->rows && a->columns == b->columns && same_in_order(w, a, b);
}

static bool is_zero(struct ts_math_work *w, node *m)
{
	return ts_math_zero(w, m) != TS_MATH_REFUTED;
}

static bool same_ratio(struct ts_math_work *w, node *a, node *b)
{
	if (a->kind != b->kind) {
		node *ratio = a->kind == TS_MATH_RATIO ? a : b, *value = ratio == a ? b : a;
		return ratio->count == 2 && same_value(w, ts_math_two(w->arena, TS_MATH_QUOTIENT, ratio->parts[0], ratio->parts[1]), value);
	}
	if (same_in_order(w, a, b))
		return true;
	if (a->count != b->count)
		return false;
	/* 1:00 and 12:00 are times of the day. */
	for (size_t i = 0; i < a->count; i++)
		if (is_zero(w, a->parts[i]) || is_zero(w, b->parts[i]))
			return false;
	for (size_t i = 1; i < a->count; i++)
		if (!equal_values(w, ts_math_two(w->arena, TS_MATH_PRODUCT, a->parts[0], b->parts[i]),
				  ts_math_two(w->arena, TS_MATH_PRODUCT, b->parts[0], a->parts[i])))
			return false;
	return true;
}

/* --- all together --- */

static bool same_region(struct ts_math_work *w, node *a, node *b)
{
	struct ts_math_region x, y;
	return ts_math_region(w, a, &x) && ts_math_region(w, b, &y) && ts_math_region_equal(w, &x, &y);
}

static bool either(node *a, node *b, enum ts_math_kind kind)
{
	return a->kind == kind || b->kind == kind;
}

/* Of things that are no equations. */
static bool same_things(struct ts_math_work *w, node *a, node *b)
{
	if (ts_math_is_region(a) || ts_math_is_region(b))
		return same_region(w, a, b) || same_inequality(w, a, b);
	if (is_collection(a) || is_collection(b) || ts_math_has(a, TS_MATH_PLUSMINUS) || ts_math_has(b, TS_MATH_PLUSMINUS))
		return same_members(w, a, b);
	if (ts_math_has(a, TS_MATH_MATRIX) || ts_math_has(b, TS_MATH_MATRIX))
		return same_matrix(w, a, b);
	if (either(a, b, TS_MATH_TUPLE))
		return a->kind == b->kind && a->op == b->op && a->close == b->close && same_in_order(w, a, b);
	if (either(a, b, TS_MATH_RATIO))
		return same_ratio(w, a, b);
	if (either(a, b, TS_MATH_TEXT) || either(a, b, TS_MATH_CHAIN))
		return false;
	return same_value(w, a, b);
}

static bool same(struct ts_math_work *w, node *a, node *b)
{
	struct assignments x, y;
	if (a->hash == b->hash)
		return true;
	if (w->budget < 0)
		return false;
	a = exact_part(w, a);
	b = exact_part(w, b);
	if (assignments_of(a, &x) && assignments_of(b, &y))
		return same_assignments(w, &x, &y);
	node *a_right = drop_left(w, a), *b_right = drop_left(w, b);
	if (is_equation(a) && is_equation(b))
		return same_equation(w, a, b);
	/* A list with one name on both sides, or on one. */
	if (a_right && b_right && a->kind == TS_MATH_LIST && b->kind == TS_MATH_LIST)
		return a->parts[0]->parts[0]->hash == b->parts[0]->parts[0]->hash && same(w, a_right, b_right);
	if (a_right && b_right && a->kind != b->kind)
		return same(w, a_right, b_right);
	if (a_right && !b_right && !(a->kind == TS_MATH_CHAIN && b->kind == TS_MATH_CHAIN))
		return same(w, a_right, b);
	if (b_right && !a_right && !(a->kind == TS_MATH_CHAIN && b->kind == TS_MATH_CHAIN))
		return same(w, a, b_right);
	return same_things(w, a, b);
}

/* --- reading --- */

/* A comma before three digits parts thousands, or a list: (120,130). The second is tried only where one of the answers is a list anyway,
 * and no part of it begins with a needless 0. */
static bool may_be_lists(const char *s, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if (s[i] == ',' && s[i + 1] == '0' && s[i + 2] >= '0' && s[i + 2] <= '9')
			return false;
	return true;
}

static int compare_once(struct ts_arena *arena, const char *a, size_t a_n, const char *b, size_t b_n, int how,
			enum ts_math_verdict *verdict, bool *again)
{
	struct ts_math_answer x, y;
	struct ts_math_work work = {.arena = arena, .budget = TS_MATH_BUDGET};
	int status = ts_math_parse(arena, a, a_n, how, &x);
	if (!status)
		status = ts_math_parse(arena, b, b_n, how, &y);
	*again = false;
	*verdict = TS_MATH_UNREAD;
	if (status)
		return status == TS_ENOMEM ? status : 0;
	*again = how & TS_MATH_GROUPED && (x.grouped || y.grouped) && (x.list || y.list) && may_be_lists(a, a_n) && may_be_lists(b, b_n);
	*verdict = same(&work, x.tree, y.tree) ? TS_MATH_EQUAL : TS_MATH_DIFFERENT;
	return 0;
}

int ts_math_reads(const char *s, size_t n, bool *reads)
{
	struct ts_arena arena = {0};
	struct ts_math_answer answer;
	int status = ts_math_parse(&arena, s, n, TS_MATH_GROUPED, &answer);
	*reads = !status && answer.tree->kind != TS_MATH_TEXT;
	ts_arena_release(&arena);
	return status == TS_ENOMEM ? status : 0;
}

int ts_math_compare(const char *a, size_t a_n, const char *b, size_t b_n, enum ts_math_verdict *verdict)
{
	struct ts_arena arena = {0};
	bool again = false;
	size_t failures = ts_mem_failures();
	int status = compare_once(&arena, a, a_n, b, b_n, TS_MATH_GROUPED, verdict, &again);
	if (!status && *verdict != TS_MATH_EQUAL && again)
		status = compare_once(&arena, a, a_n, b, b_n, 0, verdict, &again);
	ts_arena_release(&arena);
	/* The comparison takes a tree that could not be made for one that is not settled. */
	return status ? status : ts_mem_failures() > failures ? TS_ENOMEM : 0;
}
