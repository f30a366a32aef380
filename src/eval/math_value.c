#include "eval/math_value.h"

#include "core/status.h"

#include <math.h>

void ts_math_value_init(struct ts_math_value *v)
{
	v->exact = true;
	v->top = v->bottom = 0;
	fmpq_init(v->q);
	acb_init(v->z);
}

void ts_math_value_clear(struct ts_math_value *v)
{
	fmpq_clear(v->q);
	acb_clear(v->z);
}

void ts_math_value_set(struct ts_math_value *v, const struct ts_math_value *from)
{
	v->exact = from->exact;
	v->top = from->top;
	v->bottom = from->bottom;
	fmpq_set(v->q, from->q);
	acb_set(v->z, from->z);
}

/* Multiplication of long numbers, roughly; a complex product or quotient is a few of them. */
static double cost(double bits)
{
	double words = bits / 64 + 1;
	return 0.3 + words * sqrt(words) / 60;
}

static int spend(struct ts_math_reckoner *r, double amount)
{
	r->budget -= amount;
	return r->budget < 0 ? TS_MATH_UNKNOWN : 0;
}

int ts_math_spend(struct ts_math_reckoner *r, double steps)
{
	return spend(r, steps * cost((double)r->precision));
}

/* At least log2 |x|, and 0 for 0. */
static double log2_of(const fmpz_t x)
{
	return fmpz_is_zero(x) ? 0 : fmpz_bits(x) < 50 ? log2(fabs(fmpz_get_d(x))) : (double)fmpz_bits(x);
}

void ts_math_value_ball(const struct ts_math_reckoner *r, struct ts_math_value *v)
{
	if (!v->exact)
		return;
	v->exact = false;
	v->top = log2_of(fmpq_numref(v->q));
	v->bottom = log2_of(fmpq_denref(v->q));
	acb_set_fmpq(v->z, v->q, r->precision);
}

int ts_math_value_check(struct ts_math_value *v)
{
	return v->exact || acb_is_finite(v->z) ? 0 : TS_MATH_UNKNOWN;
}

/* A fraction that grew too long is a ball, where that is of use. */
static int check_size(const struct ts_math_reckoner *r, struct ts_math_value *v)
{
	if (!v->exact || fmpq_height_bits(v->q) <= TS_MATH_MOST_BITS)
		return 0;
	if (r->stand_in)
		return TS_MATH_UNKNOWN;
	ts_math_value_ball(r, v);
	return 0;
}

/* log2(2^a + 2^b) */
static double log2_sum(double a, double b)
{
	return fmax(a, b) + log2(1 + exp2(-fabs(a - b)));
}

static int begin(struct ts_math_reckoner *r, struct ts_math_value *v, const struct ts_math_value *w, struct ts_math_value *ball)
{
	if (v->exact && w->exact)
		return spend(r, 4 * cost((double)fmpq_height_bits(v->q) + (double)fmpq_height_bits(w->q)));
	ts_math_value_set(ball, w);
	ts_math_value_ball(r, v);
	ts_math_value_ball(r, ball);
	return ts_math_spend(r, 4);
}

int ts_math_value_add(struct ts_math_reckoner *r, struct ts_math_value *v, const struct ts_math_value *w)
{
	struct ts_math_value ball;
	ts_math_value_init(&ball);
	int status = begin(r, v, w, &ball);
	if (!status && v->exact) {
		fmpq_add(v->q, v->q, w->q);
		status = check_size(r, v);
	} else if (!status) {
		acb_add(v->z, v->z, ball.z, r->precision);
		v->top = log2_sum(v->top + ball.bottom, v->bottom + ball.top);
		v->bottom += ball.bottom;
		status = ts_math_value_check(v);
	}
	ts_math_value_clear(&ball);
	return status;
}

int ts_math_value_multiply(struct ts_math_reckoner *r, struct ts_math_value *v, const struct ts_math_value *w)
{
	struct ts_math_value ball;
	ts_math_value_init(&ball);
	int status = begin(r, v, w, &ball);
	if (!status && v->exact) {
		fmpq_mul(v->q, v->q, w->q);
		status = check_size(r, v);
	} else if (!status) {
		acb_mul(v->z, v->z, ball.z, r->precision);
		v->top += ball.top;
		v->bottom += ball.bottom;
		status = ts_math_value_check(v);
	}
	ts_math_value_clear(&ball);
	return status;
}

int ts_math_value_invert(struct ts_math_reckoner *r, struct ts_math_value *v)
{
	if (v->exact) {
		if (fmpq_is_zero(v->q))
			return TS_MATH_UNDEFINED;
		fmpq_inv(v->q, v->q);
		return 0;
	}
	if (acb_contains_zero(v->z))
		return TS_MATH_UNKNOWN;
	TS_TRY(ts_math_spend(r, 6));
	acb_inv(v->z, v->z, r->precision);
	double top = v->top;
	v->top = v->bottom;
	v->bottom = top;
	return ts_math_value_check(v);
}

void ts_math_value_negate(struct ts_math_value *v)
{
	if (v->exact)
		fmpq_neg(v->q, v->q);
	else
		acb_neg(v->z, v->z);
}

int ts_math_value_power(struct ts_math_reckoner *r, struct ts_math_value *v, slong n)
{
	bool inverse = n < 0;
	double count = fabs((double)n);
	if (v->exact && fmpq_is_zero(v->q))
		return n > 0 ? 0 : TS_MATH_UNDEFINED;
	if (v->exact && fmpz_is_pm1(fmpq_numref(v->q)) && fmpz_is_one(fmpq_denref(v->q))) {
		fmpq_set_si(v->q, fmpq_sgn(v->q) < 0 && n % 2 ? -1 : 1, 1);
		return 0;
	}
	if (v->exact && (double)fmpq_height_bits(v->q) * count <= TS_MATH_MOST_BITS) {
		TS_TRY(spend(r, 8 * cost((double)fmpq_height_bits(v->q) * count)));
		fmpq_pow_si(v->q, v->q, n);
		return 0;
	}
	if (v->exact && r->stand_in)
		return TS_MATH_UNKNOWN;
	if (count > (double)(1L << 40))
		return TS_MATH_UNKNOWN;
	ts_math_value_ball(r, v);
	if (inverse)
		TS_TRY(ts_math_value_invert(r, v));
	TS_TRY(ts_math_spend(r, 8 * (log2(count + 1) + 1)));
	acb_pow_si(v->z, v->z, inverse ? -n : n, r->precision);
	v->top *= count;
	v->bottom *= count;
	return ts_math_value_check(v);
}

int ts_math_value_sign(const struct ts_math_value *v)
{
	if (v->exact)
		return fmpq_sgn(v->q);
	if (!arb_is_zero(acb_imagref(v->z)))
		return 2;
	return arb_is_positive(acb_realref(v->z)) ? 1 : arb_is_negative(acb_realref(v->z)) ? -1 : arb_is_zero(acb_realref(v->z)) ? 0 : 2;
}

/* Each root counts once, however often it occurs: the degrees of roots of one thing have a common multiple. */
static int count_root(struct ts_math_reckoner *r, ulong degree, uint64_t key)
{
	size_t i = 0;
	while (i < r->roots && r->root[i].key != key)
		i++;
	if (i == TS_MATH_MOST_ROOTS)
		return TS_MATH_UNKNOWN;
	if (i == r->roots) {
		r->root[r->roots].key = key;
		r->root[r->roots++].degree = 1;
	}
	ulong more = degree / n_gcd(degree, r->root[i].degree);
	if (r->root[i].degree > TS_MATH_MOST_PRECISION / more)
		return TS_MATH_UNKNOWN;
	r->root[i].degree *= more;
	r->degree += log2((double)more);
	return 0;
}

/* The roots of a whole number's primes, where all are small; false: some is not. */
static bool count_roots_of_primes(struct ts_math_reckoner *r, ulong degree, const fmpz_t n, int *status)
{
	enum { EASY_BITS = 40, SMALL_PRIMES = 25 };
	n_factor_t factors;
	if (fmpz_bits(n) > EASY_BITS)
		return false;
	n_factor_init(&factors);
	if (n_factor_trial_range(&factors, fmpz_get_ui(n), 0, SMALL_PRIMES) != 1)
		return false;
	for (int i = 0; i < factors.num && !*status; i++)
		*status = count_root(r, degree / n_gcd(degree, (ulong)factors.exp[i]), factors.p[i]);
	return true;
}

/* The root of a fraction of small primes is a product of their roots, which many such roots share; others count by themselves. */
static int count_root_of_fraction(struct ts_math_reckoner *r, ulong degree, const fmpq_t q)
{
	struct ts_math_reckoner before = *r;
	const ulong prime = 4294967291u; /* the largest of 32 bits */
	int status = 0;
	if (count_roots_of_primes(r, degree, fmpq_numref(q), &status) && count_roots_of_primes(r, degree, fmpq_denref(q), &status))
		return status;
	*r = before;
	return count_root(r, degree, (fmpz_fdiv_ui(fmpq_numref(q), prime) + 1) << 32 | fmpz_fdiv_ui(fmpq_denref(q), prime));
}

/* 8 has an exact cube root. */
static bool exact_root(struct ts_math_value *v, int degree)
{
	fmpq_t root;
	fmpq_init(root);
	bool exact = fmpz_root(fmpq_numref(root), fmpq_numref(v->q), degree) && fmpz_root(fmpq_denref(root), fmpq_denref(v->q), degree);
	if (exact)
		fmpq_swap(v->q, root);
	fmpq_clear(root);
	return exact;
}

static int multiply_by_i(struct ts_math_reckoner *r, struct ts_math_value *v)
{
	acb_mul_onei(v->z, v->z);
	if (r->unity % 4)
		r->unity *= r->unity % 2 ? 4 : 2;
	return 0;
}

int ts_math_value_zero(struct ts_math_reckoner *r, const struct ts_math_value *v)
{
	enum { SLACK = 64 };
	if (v->exact)
		return fmpq_is_zero(v->q) ? TS_MATH_PROVED : TS_MATH_REFUTED;
	if (!acb_contains_zero(v->z))
		return TS_MATH_REFUTED;
	/* The slack is for what the logarithms lost, and for values on the way that are larger than the result. */
	double bound = exp2(r->degree) * (double)n_euler_phi(r->unity) * v->top + v->bottom + SLACK;
	r->wanted = fmax(r->wanted, bound + 2 * (v->top + v->bottom) + SLACK);
	if (bound > TS_MATH_MOST_PRECISION)
		return TS_MATH_OPEN;
	mag_t size;
	mag_init(size);
	acb_get_mag(size, v->z);
	bool small = mag_cmp_2exp_si(size, -(slong)bound) < 0;
	mag_clear(size);
	return small ? TS_MATH_PROVED : TS_MATH_OPEN;
}

/* u and l of a root: (u l^(k-1))^(1/k) and l, since (U/L)^(1/k) = (U L^(k-1))^(1/k) / L. */
static int ball_root(struct ts_math_reckoner *r, struct ts_math_value *v, int degree)
{
	int sign = ts_math_value_sign(v);
	bool minus = sign < 0, even = degree % 2 == 0;
	if (minus && even && r->real && !r->stand_in)
		return TS_MATH_UNDEFINED;
	if (sign == 2 && (arb_is_zero(acb_imagref(v->z)) || arb_contains_zero(acb_imagref(v->z))))
		return TS_MATH_UNKNOWN; /* perhaps 0, perhaps on the cut */
	if (minus && even && degree != 2)
		minus = false; /* the principal root */
	TS_TRY(ts_math_spend(r, degree == 2 ? 30 : 200));
	if (minus)
		acb_neg(v->z, v->z);
	acb_root_ui(v->z, v->z, (ulong)degree, r->precision);
	v->top = (v->top + (degree - 1) * v->bottom) / degree;
	if (minus && even)
		return multiply_by_i(r, v);
	if (minus)
		acb_neg(v->z, v->z);
	return ts_math_value_check(v);
}

int ts_math_value_root(struct ts_math_reckoner *r, struct ts_math_value *v, int degree, uint64_t key)
{
	if (!v->exact) {
		TS_TRY(count_root(r, (ulong)degree, key));
		return ball_root(r, v, degree);
	}
	bool minus = fmpq_sgn(v->q) < 0, even = degree % 2 == 0;
	if (fmpq_is_zero(v->q))
		return 0;
	if (minus && even && r->real && !r->stand_in)
		return TS_MATH_UNDEFINED;
	TS_TRY(spend(r, 8 * cost((double)fmpq_height_bits(v->q))));
	if (minus && even && degree != 2) {
		ts_math_value_ball(r, v);
		TS_TRY(count_root(r, (ulong)degree, key));
		return ball_root(r, v, degree);
	}
	if (minus)
		fmpq_neg(v->q, v->q);
	if (!exact_root(v, degree)) {
		TS_TRY(count_root_of_fraction(r, (ulong)degree, v->q));
		ts_math_value_ball(r, v);
		TS_TRY(ball_root(r, v, degree));
	}
	if (minus && !even)
		ts_math_value_negate(v);
	if (!minus || !even)
		return 0;
	ts_math_value_ball(r, v);
	return multiply_by_i(r, v);
}

int ts_math_value_unity(struct ts_math_reckoner *r, struct ts_math_value *v, const fmpq_t turn)
{
	enum { MOST_ORDER = 2000 };
	fmpq_t twice;
	if (fmpz_cmp_si(fmpq_denref(turn), MOST_ORDER) > 0)
		return TS_MATH_UNKNOWN;
	ulong order = fmpz_get_ui(fmpq_denref(turn)), common = r->unity / n_gcd(r->unity, order) * order;
	if (common > MOST_ORDER)
		return TS_MATH_UNKNOWN;
	TS_TRY(ts_math_spend(r, 100));
	r->unity = common;
	fmpq_init(twice);
	fmpq_mul_2exp(twice, turn, 1);
	arb_sin_cos_pi_fmpq(acb_imagref(v->z), acb_realref(v->z), twice, r->precision);
	fmpq_clear(twice);
	v->exact = false;
	v->top = v->bottom = 0;
	return ts_math_value_check(v);
}
