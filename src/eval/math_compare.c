#include "eval/math_compare.h"

#include "core/status.h"
#include "eval/math_equation.h"
#include "eval/math_lex.h"
#include "eval/math_parse.h"
#include "eval/math_region.h"
#include "eval/math_value.h"

#include <string.h>

enum { MEMBERS_MOST = TS_MATH_MOST_MEMBERS, ROUNDED_DIGITS = 12 };

typedef const struct ts_math node;

/* --- values --- */

bool ts_math_equal_values(struct ts_math_work *w, node *a, node *b)
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
	if (ts_math_equal_values(w, a, b))
		return true;
	for (int k = 0; k < 2; k++) {
		enum ts_math_kind unit = k ? TS_MATH_DEGREE : TS_MATH_PERCENT;
		bool a_has = a->kind == unit, b_has = b->kind == unit;
		if (a_has != b_has && ts_math_equal_values(w, a_has ? a->parts[0] : a, b_has ? b->parts[0] : b))
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
		while (j < n && !ts_math_same(w, m->list[j], m->list[i]))
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
		while (j < y.count && (used[j] || !ts_math_same(w, x.list[i], y.list[j])))
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
		if (!ts_math_same(w, a->parts[i], b->parts[i]))
			return false;
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
		if (!ts_math_equal_values(w, ts_math_two(w->arena, TS_MATH_PRODUCT, a->parts[0], b->parts[i]),
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
		return same_region(w, a, b) || ts_math_same_inequality(w, a, b);
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

bool ts_math_same(struct ts_math_work *w, node *a, node *b)
{
	bool equal;
	if (a->hash == b->hash)
		return true;
	w->budget -= 4 + (double)(a->count + b->count); /* sets in sets are compared each with each */
	if (w->budget < 0)
		return false;
	a = ts_math_exact_part(w, a);
	b = ts_math_exact_part(w, b);
	if (ts_math_both_assign(w, a, b, &equal))
		return equal;
	node *a_right = ts_math_drop_left(w, a), *b_right = ts_math_drop_left(w, b);
	if (ts_math_is_equation(a) && ts_math_is_equation(b))
		return ts_math_same_equation(w, a, b);
	/* A list with one name on both sides, or on one. */
	if (a_right && b_right && a->kind == TS_MATH_LIST && b->kind == TS_MATH_LIST)
		return a->parts[0]->parts[0]->hash == b->parts[0]->parts[0]->hash && ts_math_same(w, a_right, b_right);
	if (a_right && b_right && a->kind != b->kind)
		return ts_math_same(w, a_right, b_right);
	if (a_right && !b_right && !(a->kind == TS_MATH_CHAIN && b->kind == TS_MATH_CHAIN))
		return ts_math_same(w, a_right, b);
	if (b_right && !a_right && !(a->kind == TS_MATH_CHAIN && b->kind == TS_MATH_CHAIN))
		return ts_math_same(w, a, b_right);
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

/* *next: how to read once more where that may make a difference, or -1. */
static int compare_once(struct ts_arena *arena, const char *a, size_t a_n, const char *b, size_t b_n, int how,
			enum ts_math_verdict *verdict, int *next)
{
	struct ts_math_answer x, y;
	struct ts_math_work work = {.arena = arena, .budget = TS_MATH_BUDGET};
	int status = ts_math_parse(arena, a, a_n, how, &x);
	if (!status)
		status = ts_math_parse(arena, b, b_n, how, &y);
	*next = -1;
	*verdict = TS_MATH_UNREAD;
	if (status)
		return status == TS_ENOMEM ? status : 0;
	if ((x.grouped || y.grouped) && (x.list || y.list) && may_be_lists(a, a_n) && may_be_lists(b, b_n))
		*next = 0;
	else if (without_names(x.tree) != without_names(y.tree))
		*next = TS_MATH_GROUPED | TS_MATH_UNITS;
	*verdict = ts_math_same(&work, x.tree, y.tree) ? TS_MATH_EQUAL : TS_MATH_DIFFERENT;
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
	int next = -1;
	size_t failures = ts_mem_failures();
	int status = compare_once(&arena, a, a_n, b, b_n, TS_MATH_GROUPED, verdict, &next);
	if (!status && *verdict != TS_MATH_EQUAL && next >= 0)
		status = compare_once(&arena, a, a_n, b, b_n, next, verdict, &next);
	ts_arena_release(&arena);
	/* The comparison takes a tree that could not be made for one that is not settled. */
	return status ? status : ts_mem_failures() > failures ? TS_ENOMEM : 0;
}
