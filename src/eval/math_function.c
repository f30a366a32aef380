/* Functions: true values by balls; with stand-ins by e^x and e^(ix). */
#include "eval/math_reckon.h"

#include "core/status.h"

static int ball_of(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	TS_TRY(ts_math_reckon(r, m, out));
	ts_math_value_ball(r, out);
	return ts_math_spend(r, 200);
}

static bool large(const acb_t z)
{
	mag_t size;
	mag_init(size);
	acb_get_mag(size, z);
	bool is = mag_cmp_2exp_si(size, 24) > 0;
	mag_clear(size);
	return is;
}

/* --- true values --- */

static int true_log(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	TS_TRY(ball_of(r, m, out));
	int sign = ts_math_value_sign(out);
	if (sign == 0 || (sign < 0 && r->real))
		return TS_MATH_UNDEFINED;
	if (acb_contains_zero(out->z))
		return TS_MATH_UNKNOWN;
	acb_log(out->z, out->z, r->precision);
	return ts_math_value_check(out);
}

static int log_with_base(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value base;
	TS_TRY(true_log(r, m->parts[0], out));
	if (m->count == 1)
		return 0;
	ts_math_value_init(&base);
	int status = true_log(r, m->parts[1], &base);
	if (!status)
		status = ts_math_value_invert(r, &base);
	if (!status)
		status = ts_math_value_multiply(r, out, &base);
	ts_math_value_clear(&base);
	return status;
}

static int true_function(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	typedef void function(acb_t, const acb_t, slong);
	static function *const functions[] = {
		[TS_MATH_SIN] = acb_sin,   [TS_MATH_COS] = acb_cos,     [TS_MATH_TAN] = acb_tan,     [TS_MATH_COT] = acb_cot,
		[TS_MATH_SEC] = acb_sec,   [TS_MATH_CSC] = acb_csc,     [TS_MATH_SINH] = acb_sinh,   [TS_MATH_COSH] = acb_cosh,
		[TS_MATH_TANH] = acb_tanh, [TS_MATH_ARCSIN] = acb_asin, [TS_MATH_ARCCOS] = acb_acos, [TS_MATH_ARCTAN] = acb_atan,
		[TS_MATH_EXP] = acb_exp,
	};
	if (m->op == TS_MATH_LOG)
		return log_with_base(r, m, out);
	TS_TRY(ball_of(r, m->parts[0], out));
	if (large(out->z))
		return TS_MATH_UNKNOWN;
	acb_t in;
	acb_init(in);
	acb_swap(in, out->z);
	functions[m->op](out->z, in, r->precision);
	acb_clear(in);
	return ts_math_value_check(out);
}

/* --- absolute value and rounding: by the true value --- */

static int absolute(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	TS_TRY(ts_math_reckon_true(r, m->parts[0], out));
	int sign = ts_math_value_sign(out);
	if (sign == 2 && acb_is_real(out->z))
		return TS_MATH_UNKNOWN;
	TS_TRY(ts_math_reckon(r, m->parts[0], out));
	if (sign < 0)
		ts_math_value_negate(out);
	if (sign != 2)
		return 0;
	/* |z| is the root of z times its conjugate: at most twice the squared degree. */
	ts_math_value_ball(r, out);
	TS_TRY(ts_math_spend(r, 30));
	acb_abs(acb_realref(out->z), out->z, r->precision);
	arb_zero(acb_imagref(out->z));
	r->degree = 2 * r->degree + 1;
	return ts_math_value_check(out);
}

static int rounded(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	TS_TRY(ts_math_reckon_true(r, m->parts[0], out));
	bool up = m->op == TS_MATH_CEIL;
	fmpz_t whole;
	fmpz_init(whole);
	int status = 0;
	if (out->exact) {
		if (up)
			fmpz_cdiv_q(whole, fmpq_numref(out->q), fmpq_denref(out->q));
		else
			fmpz_fdiv_q(whole, fmpq_numref(out->q), fmpq_denref(out->q));
	} else if (acb_is_real(out->z) && !large(out->z)) {
		if (up)
			arb_ceil(acb_realref(out->z), acb_realref(out->z), 64);
		else
			arb_floor(acb_realref(out->z), acb_realref(out->z), 64);
		status = arb_get_unique_fmpz(whole, acb_realref(out->z)) ? 0 : TS_MATH_UNKNOWN;
	} else {
		status = TS_MATH_UNKNOWN;
	}
	out->exact = true;
	fmpq_set_fmpz(out->q, whole);
	fmpz_clear(whole);
	return status;
}

/* --- with stand-ins --- */

/* e^x with x the argument, or i times it where that is real. */
static int power_of_e(struct ts_math_reckoner *r, const struct ts_math *m, bool turned, struct ts_math_value *out)
{
	struct ts_math_linear sum;
	ts_math_linear_init(&sum);
	int status = ts_math_linear(r, m, &sum);
	if (!status && turned) {
		if (sum.logs || !fmpq_is_zero(sum.part[TS_MATH_I]) || !fmpq_is_zero(sum.part[TS_MATH_I_PI]))
			status = TS_MATH_UNKNOWN;
		fmpq_swap(sum.part[TS_MATH_ONE], sum.part[TS_MATH_I]);
		fmpq_swap(sum.part[TS_MATH_PI], sum.part[TS_MATH_I_PI]);
	}
	if (!status)
		status = ts_math_linear_exp(r, &sum, out);
	ts_math_linear_clear(&sum);
	return status;
}

/* E = e^x: sinh is (E - 1/E)/2 and cosh (E + 1/E)/2; with E = e^(ix) the sine has one more factor 1/i. */
static int half_sum(struct ts_math_reckoner *r, const struct ts_math_value *e, bool minus, bool turned, struct ts_math_value *out)
{
	static const struct ts_math i = {.kind = TS_MATH_CONSTANT, .op = 'i', .depth = 1};
	struct ts_math_value other;
	ts_math_value_init(&other);
	ts_math_value_set(&other, e);
	ts_math_value_set(out, e);
	int status = ts_math_value_invert(r, &other);
	if (minus)
		ts_math_value_negate(&other);
	if (!status)
		status = ts_math_value_add(r, out, &other);
	if (!status && minus && turned) {
		status = ts_math_reckon(r, &i, &other);
		ts_math_value_negate(&other);
		if (!status)
			status = ts_math_value_multiply(r, out, &other);
	}
	ts_math_value_clear(&other);
	if (status)
		return status;
	ts_math_value_init(&other);
	fmpq_set_si(other.q, 1, 2);
	status = ts_math_value_multiply(r, out, &other);
	ts_math_value_clear(&other);
	return status;
}

/* The function `op` where `e` is e^x, or e^(ix). */
static int by_power(struct ts_math_reckoner *r, int op, const struct ts_math_value *e, struct ts_math_value *out)
{
	/* Each as sine^a cosine^b. */
	static const int powers[][2] = {
		[TS_MATH_SIN] = {1, 0},  [TS_MATH_COS] = {0, 1},  [TS_MATH_TAN] = {1, -1},
		[TS_MATH_COT] = {-1, 1}, [TS_MATH_SEC] = {0, -1}, [TS_MATH_CSC] = {-1, 0},
		[TS_MATH_SINH] = {1, 0}, [TS_MATH_COSH] = {0, 1}, [TS_MATH_TANH] = {1, -1},
	};
	struct ts_math_value part;
	int status = 0;
	ts_math_value_init(&part);
	out->exact = true;
	fmpq_one(out->q);
	for (int k = 0; k < 2 && !status; k++) {
		int power = powers[op][k];
		if (!power)
			continue;
		status = half_sum(r, e, k == 0, op < TS_MATH_SINH, &part);
		if (!status && power < 0)
			status = ts_math_value_invert(r, &part);
		if (!status)
			status = ts_math_value_multiply(r, out, &part);
	}
	ts_math_value_clear(&part);
	return status;
}

static int circular(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value e;
	ts_math_value_init(&e);
	int status = power_of_e(r, m->parts[0], m->op < TS_MATH_SINH, &e);
	if (!status)
		status = by_power(r, m->op, &e, out);
	ts_math_value_clear(&e);
	return status;
}

static int log_value(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_linear sum;
	ts_math_linear_init(&sum);
	int status = ts_math_linear_log(r, m, &sum);
	if (!status)
		status = ts_math_linear_value(r, &sum, out);
	ts_math_linear_clear(&sum);
	return status;
}

static int logarithm(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	struct ts_math_value base;
	TS_TRY(log_value(r, m->parts[0], out));
	if (m->count == 1)
		return 0;
	ts_math_value_init(&base);
	int status = log_value(r, m->parts[1], &base);
	if (!status)
		status = ts_math_value_invert(r, &base);
	if (!status)
		status = ts_math_value_multiply(r, out, &base);
	ts_math_value_clear(&base);
	return status;
}

enum { ANGLE_PARTS = 120 };

/* The true angle in parts of pi / ANGLE_PARTS, where that may be a whole number. */
static int guess_angle(struct ts_math_reckoner *r, const struct ts_math *m, fmpz_t out)
{
	enum { BITS = 128 };
	struct ts_math_value v;
	arb_t pi;
	ts_math_value_init(&v);
	arb_init(pi);
	int status = ts_math_reckon_true(r, m, &v);
	if (!status && (v.exact || !acb_is_real(v.z)))
		status = TS_MATH_UNKNOWN;
	if (!status) {
		arb_const_pi(pi, BITS);
		arb_div(acb_realref(v.z), acb_realref(v.z), pi, BITS);
		arb_mul_si(acb_realref(v.z), acb_realref(v.z), ANGLE_PARTS, BITS);
		status = arb_get_unique_fmpz(out, acb_realref(v.z)) ? 0 : TS_MATH_UNKNOWN;
	}
	arb_clear(pi);
	ts_math_value_clear(&v);
	return status;
}

/* Is the function `op` of the angle what stands in the arc function? */
static int prove_angle(struct ts_math_reckoner *r, const struct ts_math *m, int op, const fmpq_t half_turns)
{
	struct ts_math_value e, value, argument;
	fmpq_t turn;
	ts_math_value_init(&e);
	ts_math_value_init(&value);
	ts_math_value_init(&argument);
	fmpq_init(turn);
	fmpq_div_2exp(turn, half_turns, 1);
	int status = ts_math_value_unity(r, &e, turn);
	if (!status)
		status = by_power(r, op, &e, &value);
	if (!status)
		status = ts_math_reckon(r, m->parts[0], &argument);
	ts_math_value_negate(&argument);
	if (!status)
		status = ts_math_value_add(r, &value, &argument);
	if (!status) {
		int zero = ts_math_value_zero(r, &value);
		status = zero == TS_MATH_PROVED || (zero == TS_MATH_OPEN && !r->last) ? 0 : TS_MATH_UNKNOWN;
	}
	fmpq_clear(turn);
	ts_math_value_clear(&e);
	ts_math_value_clear(&value);
	ts_math_value_clear(&argument);
	return status;
}

/* An angle that is a whole multiple of pi / ANGLE_PARTS: guessed from the true value, then proved. */
static int angle(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	static const int inverse[] = {[TS_MATH_ARCSIN] = TS_MATH_SIN, [TS_MATH_ARCCOS] = TS_MATH_COS, [TS_MATH_ARCTAN] = TS_MATH_TAN};
	struct ts_math_linear sum;
	fmpz_t whole;
	fmpz_init(whole);
	ts_math_linear_init(&sum);
	int status = guess_angle(r, m, whole);
	if (!status) {
		fmpq_set_fmpz(sum.part[TS_MATH_PI], whole);
		fmpq_div_fmpz(sum.part[TS_MATH_PI], sum.part[TS_MATH_PI], &(fmpz){ANGLE_PARTS});
		status = prove_angle(r, m, inverse[m->op], sum.part[TS_MATH_PI]);
	}
	if (!status)
		status = ts_math_linear_value(r, &sum, out);
	ts_math_linear_clear(&sum);
	fmpz_clear(whole);
	return status;
}

int ts_math_reckon_function(struct ts_math_reckoner *r, const struct ts_math *m, struct ts_math_value *out)
{
	switch (m->op) {
	case TS_MATH_ABS:
		return absolute(r, m, out);
	case TS_MATH_FLOOR:
	case TS_MATH_CEIL:
		return rounded(r, m, out);
	default:
		break;
	}
	if (!r->stand_in)
		return true_function(r, m, out);
	switch (m->op) {
	case TS_MATH_LOG:
		return logarithm(r, m, out);
	case TS_MATH_EXP:
		return power_of_e(r, m->parts[0], false, out);
	case TS_MATH_ARCSIN:
	case TS_MATH_ARCCOS:
	case TS_MATH_ARCTAN:
		return angle(r, m, out);
	default:
		return circular(r, m, out);
	}
}
