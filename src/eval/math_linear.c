/* Sums that e can be raised to and be the same whatever they are written as. */
#include "eval/math_reckon.h"

#include "core/status.h"

slong ts_math_stand_in(struct ts_math_reckoner *r, uint64_t name)
{
	uint64_t h = (r->seed ^ name) * 0x9E3779B97F4A7C15u;
	h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9u;
	r->stood_in = true;
	return (slong)((h >> 53) | (1 << 11) | 1);
}

void ts_math_linear_init(struct ts_math_linear *l)
{
	for (int i = 0; i < TS_MATH_PARTS; i++)
		fmpq_init(l->part[i]);
	for (int i = 0; i < TS_MATH_MOST_LOGS; i++)
		fmpq_init(l->log[i]);
	l->logs = 0;
}

void ts_math_linear_clear(struct ts_math_linear *l)
{
	for (int i = 0; i < TS_MATH_PARTS; i++)
		fmpq_clear(l->part[i]);
	for (int i = 0; i < TS_MATH_MOST_LOGS; i++)
		fmpq_clear(l->log[i]);
}

static int add_log(struct ts_math_linear *l, ulong prime, const fmpq_t times)
{
	size_t i = 0;
	while (i < l->logs && l->prime[i] != prime)
		i++;
	if (i == TS_MATH_MOST_LOGS)
		return TS_MATH_UNKNOWN;
	if (i == l->logs) {
		l->prime[l->logs++] = prime;
		fmpq_zero(l->log[i]);
	}
	fmpq_add(l->log[i], l->log[i], times);
	return 0;
}

/* l += other * times */
static int add(struct ts_math_linear *l, const struct ts_math_linear *other, const fmpq_t times)
{
	int status = 0;
	fmpq_t product;
	fmpq_init(product);
	for (int i = 0; i < TS_MATH_PARTS; i++)
		fmpq_addmul(l->part[i], other->part[i], times);
	for (size_t i = 0; i < other->logs && !status; i++) {
		fmpq_mul(product, other->log[i], times);
		status = add_log(l, other->prime[i], product);
	}
	fmpq_clear(product);
	return status;
}

typedef int read_fn(struct ts_math_reckoner *, const struct ts_math *, struct ts_math_linear *);

static int add_read(struct ts_math_reckoner *r, const struct ts_math *m, read_fn *read, const fmpq_t times, struct ts_math_linear *out)
{
	struct ts_math_linear part;
	ts_math_linear_init(&part);
	int status = read(r, m, &part);
	if (!status)
		status = add(out, &part, times);
	ts_math_linear_clear(&part);
	return status;
}

static int add_read_times(struct ts_math_reckoner *r, const struct ts_math *m, read_fn *read, slong top, slong bottom,
			  struct ts_math_linear *out)
{
	fmpq_t times;
	fmpq_init(times);
	fmpq_set_si(times, top, (ulong)bottom);
	int status = add_read(r, m, read, times, out);
	fmpq_clear(times);
	return status;
}

/* The exact value of a tree that is a fraction; TS_MATH_UNKNOWN for others. */
static int exact(struct ts_math_reckoner *r, const struct ts_math *m, fmpq_t out)
{
	struct ts_math_value v;
	ts_math_value_init(&v);
	int status = ts_math_reckon(r, m, &v);
	if (!status && v.exact)
		fmpq_set(out, v.q);
	status = status ? status : v.exact ? 0 : TS_MATH_UNKNOWN;
	ts_math_value_clear(&v);
	return status;
}

static void multiply_by_i(struct ts_math_linear *l)
{
	fmpq_swap(l->part[TS_MATH_ONE], l->part[TS_MATH_I]);
	fmpq_neg(l->part[TS_MATH_ONE], l->part[TS_MATH_ONE]);
	fmpq_swap(l->part[TS_MATH_PI], l->part[TS_MATH_I_PI]);
	fmpq_neg(l->part[TS_MATH_PI], l->part[TS_MATH_PI]);
}

static bool is_pure(const struct ts_math_linear *l, int which)
{
	for (int i = 0; i < TS_MATH_PARTS; i++)
		if (i != which && !fmpq_is_zero(l->part[i]))
			return false;
	return l->logs == 0;
}

/* All factors but one are fractions, or fractions times i. */
static int product(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	struct ts_math_linear factor, sum;
	int status = 0;
	fmpq_one(out->part[TS_MATH_ONE]);
	for (size_t k = 0; k < m->count && !status; k++) {
		ts_math_linear_init(&factor);
		ts_math_linear_init(&sum);
		status = ts_math_linear(r, m->parts[k], &factor);
		bool first = is_pure(&factor, TS_MATH_ONE) || is_pure(&factor, TS_MATH_I);
		bool second = is_pure(out, TS_MATH_ONE) || is_pure(out, TS_MATH_I);
		if (!status && !first && !second)
			status = TS_MATH_UNKNOWN;
		if (!status) {
			struct ts_math_linear *simple = first ? &factor : out, *other = first ? out : &factor;
			bool i = !is_pure(simple, TS_MATH_ONE);
			status = i && other->logs ? TS_MATH_UNKNOWN : add(&sum, other, simple->part[i ? TS_MATH_I : TS_MATH_ONE]);
			if (i)
				multiply_by_i(&sum);
			struct ts_math_linear old = *out;
			*out = sum;
			sum = old;
		}
		ts_math_linear_clear(&factor);
		ts_math_linear_clear(&sum);
	}
	return status;
}

static int compound(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	fmpq_t value;
	int status = 0;
	switch (m->kind) {
	case TS_MATH_CONSTANT:
		if (m->op != 'i' && m->op != 'p')
			return TS_MATH_UNKNOWN;
		fmpq_one(out->part[m->op == 'i' ? TS_MATH_I : TS_MATH_PI]);
		return 0;
	case TS_MATH_NEGATIVE:
		return add_read_times(r, m->parts[0], ts_math_linear, -1, 1, out);
	case TS_MATH_SUM:
		for (size_t i = 0; i < m->count && !status; i++)
			status = add_read_times(r, m->parts[i], ts_math_linear, 1, 1, out);
		return status;
	case TS_MATH_PRODUCT:
		return product(r, m, out);
	case TS_MATH_QUOTIENT:
		fmpq_init(value);
		status = exact(r, m->parts[1], value);
		if (!status && fmpq_is_zero(value))
			status = TS_MATH_UNDEFINED;
		if (!status) {
			fmpq_inv(value, value);
			status = add_read(r, m->parts[0], ts_math_linear, value, out);
		}
		fmpq_clear(value);
		return status;
	case TS_MATH_FUNCTION:
		return m->op == TS_MATH_LOG && m->count == 1 ? ts_math_linear_log(r, m->parts[0], out) : TS_MATH_UNKNOWN;
	default:
		return TS_MATH_UNKNOWN;
	}
}

static bool holds_transcendental(const struct ts_math *m)
{
	return ts_math_has(m, TS_MATH_CONSTANT) || ts_math_has(m, TS_MATH_FUNCTION) || ts_math_has(m, TS_MATH_DEGREE);
}

int ts_math_linear(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	TS_TRY(ts_math_spend(r, 1));
	if (m->kind == TS_MATH_DEGREE) {
		fmpq_t turn;
		fmpq_init(turn);
		int status = exact(r, m->parts[0], turn);
		if (!status)
			fmpq_div_fmpz(out->part[TS_MATH_PI], turn, &(fmpz){180});
		fmpq_clear(turn);
		return status;
	}
	if (!holds_transcendental(m))
		return exact(r, m, out->part[TS_MATH_ONE]);
	return compound(r, m, out);
}

static int add_factors(struct ts_math_linear *out, const fmpz_t n, int sign)
{
	n_factor_t factors;
	fmpq_t times;
	int status = 0;
	if (fmpz_bits(n) > 62)
		return TS_MATH_UNKNOWN;
	n_factor_init(&factors);
	n_factor(&factors, fmpz_get_ui(n), 1);
	fmpq_init(times);
	for (int i = 0; i < factors.num && !status; i++) {
		fmpq_set_si(times, sign * (slong)factors.exp[i], 1);
		status = add_log(out, factors.p[i], times);
	}
	fmpq_clear(times);
	return status;
}

static int log_of_fraction(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	fmpq_t value;
	fmpq_init(value);
	int status = exact(r, m, value);
	if (!status && fmpq_sgn(value) <= 0)
		status = fmpq_is_zero(value) || r->real ? TS_MATH_UNDEFINED : TS_MATH_UNKNOWN;
	if (!status)
		status = ts_math_spend(r, 2000);
	if (!status)
		status = add_factors(out, fmpq_numref(value), 1);
	if (!status)
		status = add_factors(out, fmpq_denref(value), -1);
	fmpq_clear(value);
	return status;
}

/* ln x^k = k ln x holds for positive x and real k. */
static int log_of_power(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	fmpq_t exponent;
	struct ts_math_linear base;
	fmpq_init(exponent);
	ts_math_linear_init(&base);
	int status = ts_math_linear_log(r, m->parts[0], &base);
	if (!status && is_pure(&base, TS_MATH_ONE) && fmpq_is_one(base.part[TS_MATH_ONE])) { /* e^x: x, where it is real */
		status = ts_math_linear(r, m->parts[1], out);
		if (!status && (!fmpq_is_zero(out->part[TS_MATH_I]) || !fmpq_is_zero(out->part[TS_MATH_I_PI])))
			status = TS_MATH_UNKNOWN;
	} else if (!status) {
		status = exact(r, m->parts[1], exponent);
		if (!status)
			status = add(out, &base, exponent);
	}
	fmpq_clear(exponent);
	ts_math_linear_clear(&base);
	return status;
}

int ts_math_linear_log(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_linear *out)
{
	TS_TRY(ts_math_spend(r, 1));
	switch (m->kind) {
	case TS_MATH_CONSTANT:
		if (m->op != 'e')
			return TS_MATH_UNKNOWN;
		fmpq_one(out->part[TS_MATH_ONE]);
		return 0;
	case TS_MATH_POWER:
		if (!holds_transcendental(m)) { /* 2^-3, or an even power of a negative number */
			struct ts_math_linear try;
			ts_math_linear_init(&try);
			int status = log_of_fraction(r, m, &try);
			if (!status)
				status = add_read_times(r, m, log_of_fraction, 1, 1, out);
			ts_math_linear_clear(&try);
			if (status != TS_MATH_UNKNOWN)
				return status;
		}
		return log_of_power(r, m, out);
	case TS_MATH_ROOT:
		return add_read_times(r, m->parts[0], ts_math_linear_log, 1, m->op, out);
	case TS_MATH_PRODUCT:
		if (!holds_transcendental(m) && !ts_math_has(m, TS_MATH_ROOT) && !ts_math_has(m, TS_MATH_POWER))
			return log_of_fraction(r, m, out);
		TS_TRY(add_read_times(r, m->parts[0], ts_math_linear_log, 1, 1, out));
		for (size_t i = 1; i < m->count; i++)
			TS_TRY(add_read_times(r, m->parts[i], ts_math_linear_log, 1, 1, out));
		return 0;
	case TS_MATH_QUOTIENT:
		if (!holds_transcendental(m) && !ts_math_has(m, TS_MATH_ROOT) && !ts_math_has(m, TS_MATH_POWER))
			return log_of_fraction(r, m, out);
		TS_TRY(add_read_times(r, m->parts[0], ts_math_linear_log, 1, 1, out));
		return add_read_times(r, m->parts[1], ts_math_linear_log, -1, 1, out);
	default:
		return log_of_fraction(r, m, out);
	}
}

/* --- values, with stand-ins --- */

/* Names of what is stood in for, beside the logarithms' primes. */
enum { NAME_PI = 1, NAME_POWERS = 0x1000, NAME_LOGS = 0x100000 };

int ts_math_linear_value(struct ts_math_reckoner *r, const struct ts_math_linear *l, struct ts_math_value *out)
{
	fmpq_t stand_in;
	if (!fmpq_is_zero(l->part[TS_MATH_I]) || !fmpq_is_zero(l->part[TS_MATH_I_PI]))
		return TS_MATH_UNKNOWN;
	out->exact = true;
	fmpq_set(out->q, l->part[TS_MATH_ONE]);
	fmpq_init(stand_in);
	if (!fmpq_is_zero(l->part[TS_MATH_PI])) {
		fmpq_set_si(stand_in, ts_math_stand_in(r, NAME_PI), 1);
		fmpq_addmul(out->q, l->part[TS_MATH_PI], stand_in);
	}
	for (size_t i = 0; i < l->logs; i++)
		if (!fmpq_is_zero(l->log[i])) {
			fmpq_set_si(stand_in, ts_math_stand_in(r, NAME_LOGS + l->prime[i]), 1);
			fmpq_addmul(out->q, l->log[i], stand_in);
		}
	fmpq_clear(stand_in);
	return 0;
}

/* out *= N^exponent, N the stand-in. Where e has roots N is a 12th power; where variables stand in exponents it is small, for the powers
 * are high. */
static int multiply_power(struct ts_math_reckoner *r, int which, const fmpq_t exponent, struct ts_math_value *out)
{
	enum { SPLIT = 12, MOST_OF_VARIABLES = 31 };
	slong whole = r->split ? SPLIT : 1, base = ts_math_stand_in(r, (uint64_t)NAME_POWERS + (uint64_t)which);
	struct ts_math_value factor;
	fmpq_t times;
	if (fmpq_is_zero(exponent))
		return 0;
	fmpq_init(times);
	ts_math_value_init(&factor);
	fmpq_mul_si(times, exponent, whole);
	int status = fmpz_is_one(fmpq_denref(times)) && fmpz_fits_si(fmpq_numref(times)) ? 0 : TS_MATH_UNKNOWN;
	r->has_split = r->has_split || status;
	if (!status) {
		fmpq_set_si(factor.q, r->variables ? 2 + (base >> 1) % (MOST_OF_VARIABLES - 1) : base, 1);
		status = ts_math_value_power(r, &factor, fmpz_get_si(fmpq_numref(times)));
	}
	if (!status)
		status = ts_math_value_multiply(r, out, &factor);
	fmpq_clear(times);
	ts_math_value_clear(&factor);
	return status;
}

/* out *= prime^exponent, which is no stand-in but the thing itself. */
static int multiply_prime(struct ts_math_reckoner *r, ulong prime, const fmpq_t exponent, struct ts_math_value *out)
{
	enum { MOST_DEGREE = 64 };
	struct ts_math_value factor;
	if (!fmpz_fits_si(fmpq_numref(exponent)) || fmpz_cmp_si(fmpq_denref(exponent), MOST_DEGREE) > 0)
		return TS_MATH_UNKNOWN;
	int degree = (int)fmpz_get_si(fmpq_denref(exponent)), status = 0;
	ts_math_value_init(&factor);
	fmpz_set_ui(fmpq_numref(factor.q), prime);
	if (degree > 1)
		status = ts_math_value_root(r, &factor, degree, prime * 67 + (uint64_t)degree);
	if (!status)
		status = ts_math_value_power(r, &factor, fmpz_get_si(fmpq_numref(exponent)));
	if (!status)
		status = ts_math_value_multiply(r, out, &factor);
	ts_math_value_clear(&factor);
	return status;
}

int ts_math_linear_exp(struct ts_math_reckoner *r, const struct ts_math_linear *l, struct ts_math_value *out)
{
	int status = 0;
	out->exact = true;
	fmpq_one(out->q);
	for (int i = 0; i < TS_MATH_I_PI && !status; i++)
		status = multiply_power(r, i, l->part[i], out);
	for (size_t i = 0; i < l->logs && !status; i++)
		status = multiply_prime(r, l->prime[i], l->log[i], out);
	if (!status && !fmpq_is_zero(l->part[TS_MATH_I_PI])) {
		struct ts_math_value turned;
		fmpq_t turn;
		fmpq_init(turn);
		ts_math_value_init(&turned);
		fmpq_div_2exp(turn, l->part[TS_MATH_I_PI], 1);
		status = ts_math_value_unity(r, &turned, turn);
		if (!status)
			status = ts_math_value_multiply(r, out, &turned);
		ts_math_value_clear(&turned);
		fmpq_clear(turn);
	}
	return status;
}
