#include "eval/math_reckon.h"

#include "core/status.h"

#include <math.h>
#include <string.h>

static void set_exact(struct ts_math_value *v)
{
	v->exact = true;
}

static int value_of_digits(const char *digits, size_t skip, int base, fmpz_t out)
{
	char text[1024];
	size_t n = strlen(digits);
	if (n < skip || n - skip >= sizeof(text))
		return TS_MATH_UNKNOWN;
	memcpy(text, digits, n - skip);
	text[n - skip] = '\0';
	fmpz_zero(out);
	return n == skip || !fmpz_set_str(out, text, base) ? 0 : TS_MATH_UNKNOWN;
}

/* Digits abc of which c repeat: (abc - ab) / (10^places - 10^(places - repeat)). */
static int number(const struct ts_math *m, struct ts_math_value *out)
{
	fmpz_t whole, fixed, ten, low;
	fmpz_init(whole);
	fmpz_init(fixed);
	fmpz_init_set_ui(ten, 10);
	fmpz_init(low);
	set_exact(out);
	int status = value_of_digits(m->text, 0, m->base, whole);
	if (!status && m->repeat)
		status = value_of_digits(m->text, (size_t)m->repeat, 10, fixed);
	if (!status) {
		fmpz_sub(whole, whole, fixed);
		if (m->repeat)
			fmpz_pow_ui(low, ten, (ulong)(m->places - m->repeat));
		fmpz_pow_ui(ten, ten, (ulong)m->places);
		fmpz_sub(ten, ten, low);
		fmpq_set_fmpz_frac(out->q, whole, ten);
	}
	fmpz_clear(whole);
	fmpz_clear(fixed);
	fmpz_clear(ten);
	fmpz_clear(low);
	return status;
}

static int name(const struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	for (size_t i = 0; i < r->variables; i++)
		if (!strcmp(r->name[i], m->text)) {
			set_exact(out);
			fmpq_set_si(out->q, r->variable[i], 1);
			return 0;
		}
	return TS_MATH_UNKNOWN;
}

static int constant(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_linear one;
	if (m->op == 'i') {
		fmpq_t quarter;
		fmpq_init(quarter);
		fmpq_set_si(quarter, 1, 4);
		int status = ts_math_value_unity(r, out, quarter);
		fmpq_clear(quarter);
		return status;
	}
	if (m->op != 'p' && m->op != 'e')
		return TS_MATH_UNKNOWN;
	if (r->stand_in) {
		ts_math_linear_init(&one);
		fmpq_one(one.part[m->op == 'p' ? TS_MATH_PI : TS_MATH_ONE]);
		int status = m->op == 'p' ? ts_math_linear_value(r, &one, out) : ts_math_linear_exp(r, &one, out);
		ts_math_linear_clear(&one);
		return status;
	}
	TS_TRY(ts_math_spend(r, 20));
	out->exact = false;
	acb_zero(out->z);
	if (m->op == 'p')
		arb_const_pi(acb_realref(out->z), r->precision);
	else
		arb_const_e(acb_realref(out->z), r->precision);
	return 0;
}

/* Sums and products of any number of parts. */
static int fold(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value part;
	ts_math_value_init(&part);
	int status = ts_math_reckon(r, m->parts[0], out);
	for (size_t i = 1; i < m->count && !status; i++) {
		status = ts_math_reckon(r, m->parts[i], &part);
		if (!status)
			status = m->kind == TS_MATH_SUM ? ts_math_value_add(r, out, &part) : ts_math_value_multiply(r, out, &part);
	}
	ts_math_value_clear(&part);
	return status;
}

static int quotient(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value bottom;
	ts_math_value_init(&bottom);
	int status = ts_math_reckon(r, m->parts[1], &bottom);
	if (!status)
		status = ts_math_value_invert(r, &bottom);
	if (!status)
		status = ts_math_reckon(r, m->parts[0], out);
	if (!status)
		status = ts_math_value_multiply(r, out, &bottom);
	ts_math_value_clear(&bottom);
	return status;
}

/* x^(a/b) = (x^(1/b))^a, with the real root of a negative x where b is odd. */
static int fraction_power(struct ts_math_reckoner *r, const struct ts_math *m, const fmpq_t exponent, struct ts_math_value *out)
{
	enum { MOST_DEGREE = 64 };
	if (!fmpz_fits_si(fmpq_numref(exponent)) || fmpz_cmp_si(fmpq_denref(exponent), MOST_DEGREE) > 0)
		return TS_MATH_UNKNOWN;
	slong top = fmpz_get_si(fmpq_numref(exponent));
	int degree = (int)fmpz_get_si(fmpq_denref(exponent));
	TS_TRY(ts_math_reckon(r, m->parts[0], out));
	if (degree > 1)
		TS_TRY(ts_math_value_root(r, out, degree, m->parts[0]->hash * 67 + (uint64_t)degree));
	return ts_math_value_power(r, out, top);
}

static bool is_e(const struct ts_math *m)
{
	return m->kind == TS_MATH_CONSTANT && m->op == 'e';
}

static bool too_large(const acb_t z, slong log2)
{
	mag_t size;
	mag_init(size);
	acb_get_mag(size, z);
	bool large = mag_cmp_2exp_si(size, log2) > 0;
	mag_clear(size);
	return large;
}

static int true_power(struct ts_math_reckoner *r, const struct ts_math *m, const struct ts_math_value *exponent, struct ts_math_value *out)
{
	struct ts_math_value e;
	TS_TRY(ts_math_reckon(r, m->parts[0], out));
	if (r->real && ts_math_value_sign(out) != 1)
		return TS_MATH_UNDEFINED;
	ts_math_value_init(&e);
	ts_math_value_set(&e, exponent);
	ts_math_value_ball(r, &e);
	ts_math_value_ball(r, out);
	int status = too_large(e.z, 24) || too_large(out->z, 1 << 20) ? TS_MATH_UNKNOWN : ts_math_spend(r, 200);
	if (!status) {
		acb_pow(out->z, out->z, e.z, r->precision);
		status = ts_math_value_check(out);
	}
	ts_math_value_clear(&e);
	return status;
}

static int exponential(struct ts_math_reckoner *r, const struct ts_math *exponent, struct ts_math_value *out)
{
	struct ts_math_linear sum;
	ts_math_linear_init(&sum);
	int status = ts_math_linear(r, exponent, &sum);
	if (!status)
		status = ts_math_linear_exp(r, &sum, out);
	ts_math_linear_clear(&sum);
	return status;
}

static int power(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value exponent;
	if (r->stand_in && is_e(m->parts[0]))
		return exponential(r, m->parts[1], out);
	ts_math_value_init(&exponent);
	int status = ts_math_reckon(r, m->parts[1], &exponent);
	if (!status) {
		if (exponent.exact && !is_e(m->parts[0]))
			status = fraction_power(r, m, exponent.q, out);
		else
			status = r->stand_in ? TS_MATH_UNKNOWN : true_power(r, m, &exponent, out);
	}
	ts_math_value_clear(&exponent);
	return status;
}

/* 0 for a whole number from 0 to `most`. */
static int small_whole(const struct ts_math_value *v, slong most)
{
	if (!v->exact)
		return TS_MATH_UNKNOWN;
	if (!fmpz_is_one(fmpq_denref(v->q)) || fmpz_sgn(fmpq_numref(v->q)) < 0)
		return TS_MATH_UNDEFINED;
	return fmpz_cmp_si(fmpq_numref(v->q), most) > 0 ? TS_MATH_UNKNOWN : 0;
}

static int factorial(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	enum { MOST_EXACT = 3000, MOST = 1000000000 };
	TS_TRY(ts_math_reckon(r, m->parts[0], out));
	TS_TRY(small_whole(out, MOST));
	ulong n = fmpz_get_ui(fmpq_numref(out->q));
	TS_TRY(ts_math_spend(r, 200));
	if (n <= MOST_EXACT) {
		fmpz_fac_ui(fmpq_numref(out->q), n);
		return 0;
	}
	if (r->stand_in)
		return TS_MATH_UNKNOWN;
	out->exact = false;
	acb_zero(out->z);
	arb_fac_ui(acb_realref(out->z), n, r->precision);
	return ts_math_value_check(out);
}

static int binomial(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	enum { MOST = 1000000 };
	struct ts_math_value k;
	ts_math_value_init(&k);
	int status = ts_math_reckon(r, m->parts[0], out);
	if (!status)
		status = ts_math_reckon(r, m->parts[1], &k);
	if (!status)
		status = small_whole(out, MOST);
	if (!status)
		status = small_whole(&k, MOST);
	if (!status) {
		ulong n = fmpz_get_ui(fmpq_numref(out->q)), chosen = fmpz_get_ui(fmpq_numref(k.q));
		ulong fewer = chosen > n ? 0 : chosen < n - chosen ? chosen : n - chosen;
		status = (double)fewer * log2((double)n + 1) > TS_MATH_MOST_BITS ? TS_MATH_UNKNOWN : ts_math_spend(r, 200);
		if (!status)
			fmpz_bin_uiui(fmpq_numref(out->q), n, chosen);
	}
	ts_math_value_clear(&k);
	return status;
}

/* A function that is not known: its value is drawn from its name and its exact arguments, so equal arguments give equal values. */
static int apply(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	uint64_t h = 14695981039346656037u;
	for (const char *s = m->text; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	for (size_t i = 0; i < m->count; i++) {
		TS_TRY(ts_math_reckon(r, m->parts[i], out));
		if (!out->exact)
			return TS_MATH_UNKNOWN;
		const uint64_t top = fmpz_fdiv_ui(fmpq_numref(out->q), 4294967291u),
			       bottom = fmpz_fdiv_ui(fmpq_denref(out->q), 4294967291u);
		h = ((h ^ top) * 1099511628211u ^ bottom) * 1099511628211u;
	}
	set_exact(out);
	fmpq_set_si(out->q, ts_math_stand_in(r, h), 1);
	return 0;
}

/* x / 100, x pi / 180 */
static int scaled(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	static const struct ts_math pi = {.kind = TS_MATH_CONSTANT, .op = 'p', .depth = 1};
	struct ts_math_value factor;
	bool percent = m->kind == TS_MATH_PERCENT;
	TS_TRY(ts_math_reckon(r, m->parts[0], out));
	ts_math_value_init(&factor);
	fmpq_set_si(factor.q, 1, percent ? 100 : 180);
	int status = ts_math_value_multiply(r, out, &factor);
	if (!status && !percent) {
		status = constant(r, &pi, &factor);
		if (!status)
			status = ts_math_value_multiply(r, out, &factor);
	}
	ts_math_value_clear(&factor);
	return status;
}

int ts_math_reckon(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	TS_TRY(ts_math_spend(r, 1));
	switch (m->kind) {
	case TS_MATH_NUMBER:
		return number(m, out);
	case TS_MATH_NAME:
		return name(r, m, out);
	case TS_MATH_CONSTANT:
		return constant(r, m, out);
	case TS_MATH_SUM:
	case TS_MATH_PRODUCT:
		return fold(r, m, out);
	case TS_MATH_NEGATIVE:
		TS_TRY(ts_math_reckon(r, m->parts[0], out));
		ts_math_value_negate(out);
		return 0;
	case TS_MATH_QUOTIENT:
		return quotient(r, m, out);
	case TS_MATH_POWER:
		return power(r, m, out);
	case TS_MATH_ROOT:
		TS_TRY(ts_math_reckon(r, m->parts[0], out));
		return m->op > 64 ? TS_MATH_UNKNOWN : ts_math_value_root(r, out, m->op, m->parts[0]->hash * 67 + (uint64_t)m->op);
	case TS_MATH_FACTORIAL:
		return factorial(r, m, out);
	case TS_MATH_BINOMIAL:
		return binomial(r, m, out);
	case TS_MATH_APPLY:
		return apply(r, m, out);
	case TS_MATH_PERCENT:
	case TS_MATH_DEGREE:
		return scaled(r, m, out);
	case TS_MATH_FUNCTION:
		return ts_math_reckon_function(r, m, out);
	default:
		return TS_MATH_UNKNOWN;
	}
}

int ts_math_reckon_true(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_reckoner plain = *r;
	plain.stand_in = false;
	if (plain.precision > 256)
		plain.precision = 256;
	int status = ts_math_reckon(&plain, m, out);
	r->budget = plain.budget;
	return status;
}
