#include "eval/math_zero.h"

#include "eval/math_reckon.h"

#include <math.h>

enum { QUICK = 128, CAREFUL = 512, POINTS_WANTED = 3, POINTS_TRIED = 12 };

static bool has_i(const struct ts_math *m)
{
	bool has = m->kind == TS_MATH_CONSTANT && m->op == 'i';
	for (size_t k = 0; k < m->count && !has; k++)
		has = has_i(m->parts[k]);
	return has;
}

/* Does a variable stand where its value must be small: in exponents, functions, factorials? */
static bool steep(const struct ts_math *m, bool inside)
{
	if (m->kind == TS_MATH_NAME)
		return inside;
	for (size_t k = 0; k < m->count; k++) {
		bool deep = inside || (m->kind == TS_MATH_POWER && k == 1) || m->kind == TS_MATH_FUNCTION || m->kind == TS_MATH_FACTORIAL ||
			    m->kind == TS_MATH_BINOMIAL;
		if (steep(m->parts[k], deep))
			return true;
	}
	return false;
}

static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

/* All positive, all negative, then of either sign. Steep ones are multiples of 12, so that halves and thirds of them are whole. */
static void choose_point(struct ts_math_reckoner *r, bool is_steep, int point)
{
	uint64_t state = 0x7468696E6B736166u + (uint64_t)point;
	for (size_t i = 0; i < r->variables; i++) {
		uint64_t drawn = draw(&state);
		long size = is_steep ? 12 * (long)(1 + (drawn >> 8) % 6) : (long)(1000 + (drawn >> 8) % 1000000000);
		r->variable[i] = point == 1 || (point > 1 && drawn & 1) ? -size : size;
	}
	r->seed = draw(&state);
}

/* One pass; what it found out about its questions stays in r. */
static int pass(struct ts_math_reckoner *r, const struct ts_math *m, slong precision, bool stand_in, int *zero)
{
	struct ts_math_value v;
	r->precision = precision;
	r->stand_in = stand_in;
	r->stood_in = false;
	r->has_split = false;
	r->degree = 0;
	r->wanted = 0;
	r->unity = 1;
	r->roots = 0;
	ts_math_value_init(&v);
	int status = ts_math_reckon(r, m, &v);
	*zero = status ? TS_MATH_OPEN : ts_math_value_zero(r, &v);
	ts_math_value_clear(&v);
	return status;
}

/* At the point that r holds. TS_MATH_UNDEFINED where the expression has no value there. */
static int zero_here(struct ts_math_reckoner *r, const struct ts_math *m, int *zero)
{
	r->last = false;
	int status = pass(r, m, QUICK, false, zero);
	if (status == TS_MATH_UNDEFINED || (!status && *zero == TS_MATH_REFUTED))
		return status;
	/* Values far smaller than their parts need more. */
	if (status || *zero == TS_MATH_OPEN) {
		status = pass(r, m, CAREFUL, false, zero);
		if (status || *zero == TS_MATH_REFUTED)
			return status;
	}
	r->split = r->has_split = false;
	status = pass(r, m, QUICK, true, zero);
	if (status && r->has_split) {
		r->split = true;
		status = pass(r, m, QUICK, true, zero);
	}
	/* Where the result, or an angle on the way, was left open: once more, at the precision that settles it. */
	if (!status && *zero != TS_MATH_REFUTED && r->wanted > QUICK) {
		r->last = true;
		status = r->wanted > TS_MATH_MOST_PRECISION ? TS_MATH_UNKNOWN : pass(r, m, (slong)r->wanted, true, zero);
	}
	if (status)
		*zero = TS_MATH_OPEN;
	/* Not 0 for the stand-ins, and yet perhaps for the true values. */
	if (*zero == TS_MATH_REFUTED && r->stood_in)
		*zero = TS_MATH_OPEN;
	return status;
}

int ts_math_zero(struct ts_math_work *work, const struct ts_math *m)
{
	if (!m)
		return TS_MATH_OPEN;
	struct ts_math_reckoner r = {.budget = work->budget};
	r.variables = ts_math_names(m, r.name, TS_MATH_MOST_VARIABLES);
	if (r.variables > TS_MATH_MOST_VARIABLES)
		return TS_MATH_OPEN;
	r.real = r.variables && !has_i(m);
	bool is_steep = r.variables && steep(m, false);
	int wanted = r.variables ? POINTS_WANTED : 1, found = 0, zero = TS_MATH_OPEN;
	for (int point = 0; point < (r.variables ? POINTS_TRIED : 1) && found < wanted; point++) {
		choose_point(&r, is_steep, point);
		int status = zero_here(&r, m, &zero);
		if (status == TS_MATH_UNDEFINED)
			continue;
		if (status || zero != TS_MATH_PROVED)
			break;
		found++;
	}
	work->budget = r.budget;
	/* A point that is not settled, or none: open. One that says no: no. */
	return found == wanted ? TS_MATH_PROVED : zero == TS_MATH_REFUTED ? TS_MATH_REFUTED : TS_MATH_OPEN;
}

int ts_math_sign(struct ts_math_work *work, const struct ts_math *m)
{
	if (!m)
		return 2;
	struct ts_math_reckoner r = {.budget = work->budget, .unity = 1, .precision = QUICK};
	struct ts_math_value v;
	ts_math_value_init(&v);
	int sign = ts_math_reckon(&r, m, &v) ? 2 : ts_math_value_sign(&v);
	ts_math_value_clear(&v);
	work->budget = r.budget;
	if (sign == 2 && ts_math_zero(work, m) == TS_MATH_PROVED)
		sign = 0;
	return sign;
}

bool ts_math_double(struct ts_math_work *work, const struct ts_math *m, double *out)
{
	struct ts_math_reckoner r = {.budget = work->budget, .unity = 1, .precision = QUICK};
	struct ts_math_value v;
	ts_math_value_init(&v);
	int status = ts_math_reckon(&r, m, &v);
	ts_math_value_ball(&r, &v);
	bool real = !status && acb_is_real(v.z);
	if (real)
		*out = arf_get_d(arb_midref(acb_realref(v.z)), ARF_RND_NEAR);
	ts_math_value_clear(&v);
	work->budget = r.budget;
	return real;
}

bool ts_math_rounds_to(struct ts_math_work *work, const struct ts_math *exact, const struct ts_math *decimal)
{
	const struct ts_math *number = decimal->kind == TS_MATH_NEGATIVE ? decimal->parts[0] : decimal;
	const struct ts_math *difference = ts_math_minus(work->arena, exact, decimal);
	if (!difference || number->kind != TS_MATH_NUMBER)
		return false;
	struct ts_math_reckoner r = {.budget = work->budget, .unity = 1, .precision = CAREFUL};
	struct ts_math_value v;
	arb_t most;
	ts_math_value_init(&v);
	arb_init(most);
	int status = ts_math_reckon(&r, difference, &v);
	ts_math_value_ball(&r, &v);
	/* Half a unit of the last digit, 10^-places / 2. */
	arb_set_ui(most, 10);
	arb_pow_ui(most, most, (ulong)number->places, CAREFUL);
	arb_mul_2exp_si(most, most, 1);
	arb_inv(most, most, CAREFUL);
	arb_abs(acb_realref(v.z), acb_realref(v.z));
	bool rounds = !status && acb_is_real(v.z) && arb_le(acb_realref(v.z), most);
	arb_clear(most);
	ts_math_value_clear(&v);
	work->budget = r.budget;
	return rounds;
}
