/* Arithmetic with Python's rules. Integers are 64 bits: what does not fit is an error, not a big number. */
#include "text/jinja/run.h"

#include <math.h>
#include <string.h>

static int overflow(struct ts_j *in)
{
	return ts_j_fail(in, "integer beyond 64 bits");
}

static int power(struct ts_j *in, int64_t a, int64_t b, struct ts_j_value *out)
{
	if (b < 0) {
		if (a == 0)
			return ts_j_fail(in, "0 cannot be raised to a negative power");
		*out = ts_j_real(pow((double)a, (double)b));
		return 0;
	}
	int64_t result = 1;
	for (; b; b >>= 1) {
		if ((b & 1) && __builtin_mul_overflow(result, a, &result))
			return overflow(in);
		if (b > 1 && __builtin_mul_overflow(a, a, &a))
			return overflow(in);
	}
	*out = ts_j_int(result);
	return 0;
}

static int integers(struct ts_j *in, int op, int64_t a, int64_t b, struct ts_j_value *out)
{
	int64_t r = 0;
	bool bad = false;
	switch (op) {
	case TS_J_T_ADD:
		bad = __builtin_add_overflow(a, b, &r);
		break;
	case TS_J_T_SUB:
		bad = __builtin_sub_overflow(a, b, &r);
		break;
	case TS_J_T_MUL:
		bad = __builtin_mul_overflow(a, b, &r);
		break;
	case TS_J_T_POW:
		return power(in, a, b, out);
	default:
		if (b == 0)
			return ts_j_fail(in, "division by zero");
		if (op == TS_J_T_DIV) {
			*out = ts_j_real((double)a / (double)b);
			return 0;
		}
		if (b == -1) { /* INT64_MIN / -1 does not fit */
			bad = op == TS_J_T_FLOORDIV && __builtin_sub_overflow(0, a, &r);
			break;
		}
		int64_t rest = a % b;
		bool down = rest && (rest < 0) != (b < 0);
		r = op == TS_J_T_FLOORDIV ? a / b - down : rest + (down ? b : 0);
	}
	if (bad)
		return overflow(in);
	*out = ts_j_int(r);
	return 0;
}

static double floor_mod(double a, double b)
{
	double r = fmod(a, b);
	if (r == 0)
		return copysign(0, b);
	return (r < 0) != (b < 0) ? r + b : r;
}

static double floor_div(double a, double b)
{
	double r = fmod(a, b), q = (a - r) / b;
	if (r != 0 && (r < 0) != (b < 0))
		q -= 1;
	if (q == 0)
		return copysign(0, a / b);
	double whole = floor(q);
	return q - whole > 0.5 ? whole + 1 : whole;
}

static int reals(struct ts_j *in, int op, double a, double b, struct ts_j_value *out)
{
	double r;
	if (b == 0 && (op == TS_J_T_DIV || op == TS_J_T_FLOORDIV || op == TS_J_T_MOD))
		return ts_j_fail(in, "float division by zero");
	switch (op) {
	case TS_J_T_ADD:
		r = a + b;
		break;
	case TS_J_T_SUB:
		r = a - b;
		break;
	case TS_J_T_MUL:
		r = a * b;
		break;
	case TS_J_T_DIV:
		r = a / b;
		break;
	case TS_J_T_MOD:
		r = floor_mod(a, b);
		break;
	case TS_J_T_FLOORDIV:
		r = floor_div(a, b);
		break;
	default:
		if (a == 0 && b < 0)
			return ts_j_fail(in, "0.0 cannot be raised to a negative power");
		if (a < 0 && b != floor(b) && isfinite(a))
			return ts_j_fail(in, "complex numbers are not supported");
		r = pow(a, b);
		if (isinf(r) && isfinite(a) && isfinite(b))
			return ts_j_fail(in, "numerical result out of range");
	}
	*out = ts_j_real(r);
	return 0;
}

static int repeat_text(struct ts_j *in, const struct ts_j_value *v, int64_t times, struct ts_j_value *out)
{
	const struct ts_j_string *s = v->u.s;
	size_t n, count = times > 0 ? (size_t)times : 0;
	if (!ts_mul_size(s->n, count, &n) || n > TS_J_MAX_OUTPUT)
		return ts_j_limit(in, "string too long");
	TS_TRY(ts_j_work(in, n));
	struct ts_j_string *r = ts_j_alloc(in, sizeof(*r) + n + 1);
	if (!r)
		return ts_j_alloc_status(in);
	for (size_t i = 0; s->n && i < count; i++)
		memcpy(r->data + i * s->n, s->data, s->n);
	r->n = n;
	r->points = s->points * count;
	*out = ts_j_string(r);
	out->safe = v->safe;
	return 0;
}

static int repeat_list(struct ts_j *in, const struct ts_j_value *v, int64_t times, struct ts_j_value *out)
{
	size_t n, count = times > 0 ? (size_t)times : 0, one = v->u.list->n;
	if (!ts_mul_size(one, count, &n))
		return ts_j_limit(in, "list too long");
	TS_TRY(ts_j_work(in, n > TS_J_MAX_MEMORY ? TS_J_MAX_MEMORY : n * 16));
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; one && i < count; i++)
		memcpy(list->items + i * one, v->u.list->items, one * sizeof(*list->items));
	*out = ts_j_from_list(list, v->kind);
	return 0;
}

static int add_texts(struct ts_j *in, const struct ts_j_value *a, const struct ts_j_value *b, struct ts_j_value *out)
{
	struct ts_j_value x = *a, y = *b;
	if (a->safe != b->safe) /* Markup + str escapes the str */
		TS_TRY(ts_j_escape(in, a->safe ? b : a, a->safe ? &y : &x));
	size_t n = x.u.s->n + y.u.s->n;
	TS_TRY(ts_j_work(in, n));
	if (n > TS_J_MAX_OUTPUT)
		return ts_j_limit(in, "string too long");
	struct ts_j_string *r = ts_j_alloc(in, sizeof(*r) + n + 1);
	if (!r)
		return ts_j_alloc_status(in);
	memcpy(r->data, x.u.s->data, x.u.s->n);
	memcpy(r->data + x.u.s->n, y.u.s->data, y.u.s->n);
	r->n = n;
	r->points = x.u.s->points + y.u.s->points;
	*out = ts_j_string(r);
	out->safe = a->safe || b->safe;
	return 0;
}

static int add_lists(struct ts_j *in, const struct ts_j_value *a, const struct ts_j_value *b, struct ts_j_value *out)
{
	size_t n = a->u.list->n + b->u.list->n;
	TS_TRY(ts_j_work(in, n * 16));
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	memcpy(list->items, a->u.list->items, a->u.list->n * sizeof(*list->items));
	memcpy(list->items + a->u.list->n, b->u.list->items, b->u.list->n * sizeof(*list->items));
	*out = ts_j_from_list(list, a->kind);
	return 0;
}

static const char *sign(int op)
{
	static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
	return op >= TS_J_T_ADD && op <= TS_J_T_POW ? signs[op - TS_J_T_ADD] : "?";
}

static bool sequence(const struct ts_j_value *v)
{
	return v->kind == TS_J_LIST || v->kind == TS_J_TUPLE;
}

int ts_j_binary(struct ts_j *in, int op, const struct ts_j_value *a, const struct ts_j_value *b, struct ts_j_value *out)
{
	int64_t x, y;
	if (op == TS_J_T_MOD && a->kind == TS_J_STRING) /* formats whatever the right side is, undefined too */
		return ts_j_percent(in, a->u.s, b, out);
	if (a->kind == TS_J_UNDEFINED || b->kind == TS_J_UNDEFINED) {
		const struct ts_j_string *name = a->kind == TS_J_UNDEFINED ? a->u.s : b->u.s;
		return ts_j_fail(in, "'%s' is undefined", name ? name->data : "value");
	}
	bool left = ts_j_integer(a, &x), right = ts_j_integer(b, &y);
	if (left && right)
		return integers(in, op, x, y, out);
	if (ts_j_number(a) && ts_j_number(b))
		return reals(in, op, ts_j_as_real(a), ts_j_as_real(b), out);
	if (op == TS_J_T_ADD && a->kind == TS_J_STRING && b->kind == TS_J_STRING)
		return add_texts(in, a, b, out);
	if (op == TS_J_T_ADD && sequence(a) && a->kind == b->kind)
		return add_lists(in, a, b, out);
	if (op == TS_J_T_MUL && a->kind == TS_J_STRING && right)
		return repeat_text(in, a, y, out);
	if (op == TS_J_T_MUL && b->kind == TS_J_STRING && left)
		return repeat_text(in, b, x, out);
	if (op == TS_J_T_MUL && sequence(a) && right)
		return repeat_list(in, a, y, out);
	if (op == TS_J_T_MUL && sequence(b) && left)
		return repeat_list(in, b, x, out);
	return ts_j_fail(in, "unsupported operand types for %s: '%s' and '%s'", sign(op), ts_j_type(a), ts_j_type(b));
}

int ts_j_negate(struct ts_j *in, const struct ts_j_value *v, bool minus, struct ts_j_value *out)
{
	int64_t x;
	if (v->kind == TS_J_UNDEFINED)
		return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
	if (v->kind == TS_J_FLOAT) {
		*out = ts_j_real(minus ? -v->u.f : v->u.f);
		return 0;
	}
	if (!ts_j_integer(v, &x))
		return ts_j_fail(in, "bad operand type for unary %c: '%s'", minus ? '-' : '+', ts_j_type(v));
	return minus ? integers(in, TS_J_T_SUB, 0, x, out) : (*out = ts_j_int(x), 0);
}
