/* Sums are kept as integers as long as they can be, so that "no spread" is exactly 0 and not a rounding error. */
#include "stats/stats.h"

#include "stats/special.h"

#include <math.h>

static bool is_confidence(double c)
{
	return c > 0 && c < 1;
}

int ts_wilson(uint64_t successes, uint64_t n, double confidence, struct ts_interval *out)
{
	if (successes > n || !is_confidence(confidence))
		return TS_EINVAL;
	*out = (struct ts_interval){0, 1};
	if (!n)
		return 0;
	double z = ts_normal_quantile(confidence), z2 = z * z, size = (double)n, p = (double)successes / size;
	double centre = (p + z2 / (2 * size)) / (1 + z2 / size);
	double half = z * sqrt(p * (1 - p) / size + z2 / (4 * size * size)) / (1 + z2 / size);
	/* At the borders the formula gives 0 and 1 up to rounding: say them exactly. */
	if (successes)
		out->low = centre - half;
	if (successes < n)
		out->high = centre + half;
	return 0;
}

/* 2 P(X <= k) for X ~ Binomial(n, 1/2), k the smaller count. C(n, k) / 2^n is built as mantissa and exponent, since
 * 2^-n leaves the doubles at n = 1075; the terms below k follow by the ratio i / (n - i + 1). */
double ts_mcnemar(uint64_t only_before, uint64_t only_after)
{
	uint64_t k = only_before < only_after ? only_before : only_after, other = only_before < only_after ? only_after : only_before;
	if (k == other)
		return 1;
	double mantissa = 1, n = (double)k + (double)other;
	int64_t exponent = 0;
	for (uint64_t i = 1; i <= k; i++) {
		int e;
		mantissa = frexp(mantissa * (((double)other + (double)i) / (double)i), &e);
		exponent += e;
	}
	double term = 1, sum = 1;
	for (uint64_t i = k; i >= 1 && term > sum * 0x1p-60; i--) {
		term *= (double)i / (n - (double)i + 1);
		sum += term;
	}
	double power = (double)exponent + 1 - n;
	double p = power < -2000 ? 0 : ldexp(mantissa * sum, (int)power);
	return p < 1 ? p : 1;
}

/* P(Z <= z) = power. */
static double power_quantile(double power)
{
	return ts_normal_quantile(2 * power - 1);
}

static bool is_power(double power)
{
	return power > 0.5 && power < 1;
}

/* With c = (z_a sqrt n + z_b sqrt(n - z_a^2 + z_b^2)) / (n + z_b^2) the equation's root is c sqrt psi; it exceeds psi where c > sqrt psi, and
 * with psi = delta the root is c^2. */
double ts_mcnemar_detectable(uint64_t discordant, uint64_t n, double confidence, double power)
{
	if (discordant > n || !is_confidence(confidence) || !is_power(power))
		return NAN;
	double za = ts_normal_quantile(confidence), zb = power_quantile(power), size = (double)n;
	double inner = size - za * za + zb * zb;
	if (!n || inner < 0)
		return HUGE_VAL;
	double c = (za * sqrt(size) + zb * sqrt(inner)) / (size + zb * zb), root = sqrt((double)discordant / size);
	double delta = c * (root > c ? root : c);
	return delta <= 1 ? delta : HUGE_VAL;
}

double ts_detectable(double se, double confidence, double power)
{
	return is_confidence(confidence) && is_power(power) ? (ts_normal_quantile(confidence) + power_quantile(power)) * se : (double)NAN;
}

/* Before it in ascending order; equals by their place. */
static bool is_before(const double *p, size_t i, size_t j)
{
	return p[i] < p[j] || (p[i] == p[j] && i < j);
}

void ts_holm(const double *p, size_t n, double *out)
{
	size_t tests = 0;
	for (size_t i = 0; i < n; i++) {
		tests += !isnan(p[i]);
		out[i] = isnan(p[i]) ? p[i] : 0;
	}
	for (size_t j = 0; j < n; j++) {
		size_t earlier = 0;
		for (size_t k = 0; k < n; k++)
			earlier += is_before(p, k, j);
		double corrected = (double)(tests - earlier) * p[j];
		for (size_t i = 0; i < n; i++)
			if ((i == j || is_before(p, j, i)) && corrected > out[i])
				out[i] = corrected < 1 ? corrected : 1;
	}
}

int ts_omega(uint64_t safe_steered, uint64_t n_steered, uint64_t safe_plain, uint64_t n_plain, double confidence, struct ts_omega *out)
{
	if (!n_steered || !n_plain || safe_steered > n_steered || safe_plain > n_plain || !is_confidence(confidence))
		return TS_EINVAL;
	double a = (double)safe_steered, b = (double)(n_steered - safe_steered);
	double c = (double)safe_plain, d = (double)(n_plain - safe_plain);
	/* + 0: log 1 gives -0, which JSON would show. */
	*out = (struct ts_omega){.minus_log_alpha_ref = -ts_stats_log(c / (double)n_plain) + 0.0};
	if (a == 0 || b == 0 || c == 0 || d == 0) {
		out->corrected = true;
		a += 0.5;
		b += 0.5;
		c += 0.5;
		d += 0.5;
	}
	out->omega = a * d / (b * c);
	out->log_se = sqrt(1 / a + 1 / b + 1 / c + 1 / d);
	double centre = ts_stats_log(out->omega), half = ts_normal_quantile(confidence) * out->log_se;
	out->interval = (struct ts_interval){ts_stats_exp(centre - half), ts_stats_exp(centre + half)};
	return 0;
}

static struct ts_interval around(double centre, double half)
{
	return (struct ts_interval){centre - half, centre + half};
}

/* Residuals are taken as (sum all_rows - all_sum rows) / all_rows: where every cluster has the same mean both products are the same number, and
 * the spread is exactly 0. */
int ts_clustered_mean(const struct ts_cluster_sum *clusters, size_t n, double confidence, struct ts_clustered *out)
{
	double sum = 0, rows = 0, squares = 0;
	if (!n || n > UINT32_MAX || !is_confidence(confidence))
		return TS_EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!clusters[i].rows)
			return TS_EINVAL;
		sum += clusters[i].sum;
		rows += (double)clusters[i].rows;
	}
	for (size_t i = 0; i < n; i++) {
		double residual = (clusters[i].sum * rows - sum * (double)clusters[i].rows) / rows;
		squares += residual * residual;
	}
	struct ts_clustered c = {.mean = sum / rows, .se = HUGE_VAL, .p_student = 1};
	double half = HUGE_VAL;
	if (n > 1) {
		c.se = sqrt((double)n / (double)(n - 1) * squares) / rows;
		half = ts_student_quantile(confidence, n - 1) * c.se;
		c.t = c.se > 0 ? c.mean / c.se : c.mean > 0 ? HUGE_VAL : c.mean < 0 ? -HUGE_VAL : 0;
		if (c.t != 0)
			c.p_student = ts_student_two_sided(c.t, n - 1);
	}
	c.student = around(c.mean, half);
	*out = c;
	return 0;
}

/* C(m, k) / C(n, k) with m = n - hits is the product of 1 - k / i for i from m + 1 to n. */
double ts_pass_at_k(uint64_t hits, uint64_t samples, uint64_t k)
{
	double none = 1;
	if (!k || k > samples || hits > samples)
		return NAN;
	if (samples - hits < k) /* any k of them hold a right one */
		return 1;
	for (uint64_t i = samples - hits + 1; i <= samples; i++)
		none *= 1 - (double)k / (double)i;
	return 1 - none;
}
