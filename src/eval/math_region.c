#include "eval/math_region.h"

#include "eval/math_value.h"

#include <string.h>

typedef struct ts_math_region region;
typedef struct ts_math_interval interval;

static bool is_infinite(const struct ts_math *m)
{
	return (m->kind == TS_MATH_CONSTANT && m->op == 'f') || (m->kind == TS_MATH_NEGATIVE && is_infinite(m->parts[0]));
}

static bool is_inequality(const struct ts_math *m)
{
	return m->kind == TS_MATH_CHAIN && strpbrk(m->text, "<>lg!") != NULL;
}

bool ts_math_is_region(const struct ts_math *m)
{
	switch (m->kind) {
	case TS_MATH_UNION:
	case TS_MATH_MEET:
	case TS_MATH_WITHOUT:
	case TS_MATH_DOMAIN:
		return true;
	case TS_MATH_TUPLE:
		return m->count == 2 && (m->op == '[' || m->close == ']' || is_infinite(m->parts[0]) || is_infinite(m->parts[1]));
	case TS_MATH_CHAIN:
		return is_inequality(m) || (m->text[0] == TS_MATH_IN && m->count == 2 && ts_math_is_region(m->parts[1]));
	case TS_MATH_LIST:
		for (size_t i = 0; i < m->count; i++)
			if (is_inequality(m->parts[i]) || (m->parts[i]->kind == TS_MATH_TUPLE && ts_math_is_region(m->parts[i])))
				return true;
		return false;
	default:
		return false;
	}
}

/* --- ends --- */

/* -1, 0, 1; 2 = not settled. An end that is missing is infinite: -1 for a low one, 1 for a high one. */
static int compare_ends(struct ts_math_work *w, const struct ts_math *a, int a_infinite, const struct ts_math *b, int b_infinite)
{
	if (!a || !b) {
		int left = a ? 0 : a_infinite, right = b ? 0 : b_infinite;
		return left < right ? -1 : left > right;
	}
	return a == b ? 0 : ts_math_sign(w, ts_math_minus(w->arena, a, b));
}

static bool same_end(struct ts_math_work *w, const struct ts_math *a, const struct ts_math *b)
{
	return (!a && !b) || (a && b && compare_ends(w, a, 0, b, 0) == 0);
}

/* Is there nothing in it? 2 = not settled. */
static int is_empty(struct ts_math_work *w, const interval *i)
{
	int order = compare_ends(w, i->low, -1, i->high, 1);
	return order == 2 ? 2 : order > 0 || (order == 0 && !(i->low_closed && i->high_closed));
}

static bool put(struct ts_math_work *w, region *r, interval i)
{
	int empty = is_empty(w, &i);
	i.low_closed = i.low_closed && i.low;
	i.high_closed = i.high_closed && i.high;
	if (empty == 2 || r->count == TS_MATH_MOST_INTERVALS)
		return false;
	if (!empty)
		r->list[r->count++] = i;
	return true;
}

/* --- order --- */

static int order_of(struct ts_math_work *w, const interval *a, const interval *b)
{
	int order = compare_ends(w, a->low, -1, b->low, -1);
	return order ? order : b->low_closed - a->low_closed;
}

static bool sort(struct ts_math_work *w, region *r)
{
	for (size_t i = 1; i < r->count; i++)
		for (size_t j = i; j > 0; j--) {
			int order = order_of(w, &r->list[j - 1], &r->list[j]);
			if (order == 2)
				return false;
			if (order <= 0)
				break;
			interval swapped = r->list[j];
			r->list[j] = r->list[j - 1];
			r->list[j - 1] = swapped;
		}
	return true;
}

/* Sorted intervals joined where they meet. */
static bool join(struct ts_math_work *w, region *r)
{
	size_t n = 0;
	if (!sort(w, r))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		interval *last = n ? &r->list[n - 1] : NULL, next = r->list[i];
		int gap = last ? compare_ends(w, last->high, 1, next.low, -1) : -1;
		if (gap == 2)
			return false;
		if (!last || gap < 0 || (gap == 0 && !last->high_closed && !next.low_closed)) {
			r->list[n++] = next;
			continue;
		}
		int order = compare_ends(w, last->high, 1, next.high, 1);
		if (order == 2)
			return false;
		if (order == 0)
			last->high_closed = last->high_closed || next.high_closed;
		if (order < 0) {
			last->high = next.high;
			last->high_closed = next.high_closed;
		}
	}
	r->count = n;
	return true;
}

static bool take_name(region *r, const region *from)
{
	if (r->name && from->name && strcmp(r->name, from->name))
		return false;
	r->name = r->name ? r->name : from->name;
	return true;
}

static bool unite(struct ts_math_work *w, region *r, const region *other)
{
	for (size_t i = 0; i < other->count; i++)
		if (!put(w, r, other->list[i]))
			return false;
	return take_name(r, other) && join(w, r);
}

static bool meet_one(struct ts_math_work *w, const interval *a, const interval *b, region *out)
{
	int low = compare_ends(w, a->low, -1, b->low, -1), high = compare_ends(w, a->high, 1, b->high, 1);
	if (low == 2 || high == 2)
		return false;
	interval i = {.low = low >= 0 ? a->low : b->low, .high = high <= 0 ? a->high : b->high};
	i.low_closed = low == 0 ? a->low_closed && b->low_closed : low > 0 ? a->low_closed : b->low_closed;
	i.high_closed = high == 0 ? a->high_closed && b->high_closed : high < 0 ? a->high_closed : b->high_closed;
	return put(w, out, i);
}

static bool meet(struct ts_math_work *w, region *r, const region *other)
{
	region out = {.name = r->name};
	for (size_t i = 0; i < r->count; i++)
		for (size_t j = 0; j < other->count; j++)
			if (!meet_one(w, &r->list[i], &other->list[j], &out))
				return false;
	*r = out;
	return take_name(r, other) && join(w, r);
}

static bool complement(struct ts_math_work *w, region *r)
{
	region out = {.name = r->name};
	const struct ts_math *low = NULL;
	bool closed = false, open_end = true;
	for (size_t i = 0; i < r->count; i++) {
		const interval *part = &r->list[i];
		if (part->low && !put(w, &out, (interval){low, part->low, closed, !part->low_closed}))
			return false;
		low = part->high;
		closed = !part->high_closed;
		open_end = part->high != NULL;
	}
	if (open_end && !put(w, &out, (interval){low, NULL, closed, false}))
		return false;
	*r = out;
	return true;
}

/* --- from trees --- */

static const struct ts_math *at(struct ts_math_work *w, const struct ts_math *f, const char *name, long value)
{
	return ts_math_replace(w->arena, f, name, ts_math_integer(w->arena, value));
}

/* f relation 0, f = slope x + start: one end. */
static bool solve_linear(struct ts_math_work *w, const struct ts_math *left, char relation, const struct ts_math *right, region *out)
{
	const struct ts_math *f = ts_math_minus(w->arena, left, right), *x, *start, *slope, *line, *end;
	if (!f || ts_math_names(f, &out->name, 1) != 1 || !(start = at(w, f, out->name, 0)) || !(x = at(w, f, out->name, 1)) ||
	    !(slope = ts_math_minus(w->arena, x, start)))
		return false;
	x = ts_math_make(w->arena, &(struct ts_math){.kind = TS_MATH_NAME, .text = out->name});
	line = ts_math_two(w->arena, TS_MATH_SUM, start, ts_math_two(w->arena, TS_MATH_PRODUCT, slope, x));
	if (!line || ts_math_zero(w, ts_math_minus(w->arena, f, line)) != TS_MATH_PROVED)
		return false;
	int sign = ts_math_sign(w, slope);
	end = ts_math_one(w->arena, TS_MATH_NEGATIVE, 0, ts_math_two(w->arena, TS_MATH_QUOTIENT, start, slope));
	if (!end || (sign != 1 && sign != -1))
		return false;
	if (relation == TS_MATH_DIFFERS || relation == TS_MATH_EQUALS)
		return put(w, out, (interval){end, end, true, true}) && (relation == TS_MATH_EQUALS || complement(w, out));
	bool closed = relation == TS_MATH_LESS_EQ || relation == TS_MATH_GREATER_EQ;
	bool less = (relation == TS_MATH_LESS || relation == TS_MATH_LESS_EQ) == (sign > 0);
	return put(w, out, less ? (interval){NULL, end, false, closed} : (interval){end, NULL, closed, false});
}

static char turned(char relation)
{
	static const char from[] = "<l>g", to[] = ">g<l";
	const char *at = strchr(from, relation);
	return at ? to[at - from] : relation;
}

/* |f| < c is -c < f < c, |f| > c is f < -c or f > c. */
static bool solve(struct ts_math_work *w, const struct ts_math *left, char relation, const struct ts_math *right, region *out)
{
	bool on_right = right->kind == TS_MATH_FUNCTION && right->op == TS_MATH_ABS;
	const struct ts_math *absolute = on_right ? right : left, *bound = on_right ? left : right;
	const char *none;
	if (absolute->kind != TS_MATH_FUNCTION || absolute->op != TS_MATH_ABS || ts_math_names(bound, &none, 0))
		return solve_linear(w, left, relation, right, out);
	relation = on_right ? turned(relation) : relation;
	const struct ts_math *f = absolute->parts[0], *minus = ts_math_one(w->arena, TS_MATH_NEGATIVE, 0, bound);
	region other = {0};
	if (!minus || !solve_linear(w, f, relation, bound, out) || !solve_linear(w, f, turned(relation), minus, &other))
		return false;
	bool both = relation == TS_MATH_LESS || relation == TS_MATH_LESS_EQ || relation == TS_MATH_DIFFERS;
	return both ? meet(w, out, &other) : unite(w, out, &other);
}

static bool is_minus_infinite(const struct ts_math *m)
{
	return m->kind == TS_MATH_NEGATIVE;
}

/* x < infinity says nothing. */
static bool trivial(const struct ts_math *left, char relation, const struct ts_math *right)
{
	bool less = relation == TS_MATH_LESS;
	if (is_infinite(right))
		return less ? !is_minus_infinite(right) : relation == TS_MATH_GREATER && is_minus_infinite(right);
	if (is_infinite(left))
		return less ? is_minus_infinite(left) : relation == TS_MATH_GREATER && !is_minus_infinite(left);
	return false;
}

static bool from_chain(struct ts_math_work *w, const struct ts_math *m, region *out)
{
	out->list[out->count++] = (interval){NULL, NULL, false, false};
	for (size_t i = 0; i + 1 < m->count; i++) {
		region part = {0};
		const struct ts_math *left = m->parts[i], *right = m->parts[i + 1];
		if (m->text[i] == TS_MATH_ABOUT)
			return false;
		if (trivial(left, m->text[i], right)) {
			const struct ts_math *other = is_infinite(left) ? right : left;
			out->name = other->kind == TS_MATH_NAME ? other->text : out->name;
			continue;
		}
		if (m->text[i] == TS_MATH_IN) {
			if (left->kind != TS_MATH_NAME || !ts_math_region(w, right, &part))
				return false;
			part.name = left->text;
		} else if (!solve(w, left, m->text[i], right, &part)) {
			return false;
		}
		if (!meet(w, out, &part))
			return false;
	}
	return out->name != NULL;
}

static bool from_tuple(struct ts_math_work *w, const struct ts_math *m, region *out)
{
	const struct ts_math *low = m->parts[0], *high = m->parts[1];
	const char *none;
	if (m->count != 2 || ts_math_names(m, &none, 0))
		return false;
	bool low_infinite = is_infinite(low), high_infinite = is_infinite(high);
	if ((low_infinite && !is_minus_infinite(low)) || (high_infinite && is_minus_infinite(high)))
		return false;
	return put(w, out, (interval){low_infinite ? NULL : low, high_infinite ? NULL : high, m->op == '[', m->close == ']'});
}

/* "x < 1 or x > 2" unites; "x > 1 and x < 2" meets; intervals in a list unite, whatever the word. */
static bool from_parts(struct ts_math_work *w, const struct ts_math *m, region *out)
{
	bool meets = m->kind == TS_MATH_MEET || m->kind == TS_MATH_WITHOUT;
	for (size_t i = 0; i < m->count; i++) {
		region part = {0};
		if (!ts_math_region(w, m->parts[i], &part) || (i && m->kind == TS_MATH_WITHOUT && !complement(w, &part)))
			return false;
		bool both = meets || (m->kind == TS_MATH_LIST && m->op == 'a' && is_inequality(m->parts[i]));
		if (i == 0)
			*out = part;
		else if (!(both ? meet(w, out, &part) : unite(w, out, &part)))
			return false;
	}
	return true;
}

static bool from_set(struct ts_math_work *w, const struct ts_math *m, region *out)
{
	const char *none;
	for (size_t i = 0; i < m->count; i++)
		if (ts_math_names(m->parts[i], &none, 0) || !put(w, out, (interval){m->parts[i], m->parts[i], true, true}))
			return false;
	return join(w, out);
}

bool ts_math_region(struct ts_math_work *w, const struct ts_math *m, region *out)
{
	*out = (region){0};
	switch (m->kind) {
	case TS_MATH_DOMAIN:
		return m->op == 'R' && put(w, out, (interval){NULL, NULL, false, false});
	case TS_MATH_TUPLE:
		return from_tuple(w, m, out);
	case TS_MATH_CHAIN:
		return from_chain(w, m, out);
	case TS_MATH_UNION:
	case TS_MATH_MEET:
	case TS_MATH_WITHOUT:
	case TS_MATH_LIST:
		return from_parts(w, m, out);
	case TS_MATH_SET:
		return from_set(w, m, out);
	default:
		return false;
	}
}

bool ts_math_region_equal(struct ts_math_work *w, const region *a, const region *b)
{
	if (a->count != b->count || (a->name && b->name && strcmp(a->name, b->name)))
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const interval *x = &a->list[i], *y = &b->list[i];
		if (x->low_closed != y->low_closed || x->high_closed != y->high_closed || !same_end(w, x->low, y->low) ||
		    !same_end(w, x->high, y->high))
			return false;
	}
	return true;
}
