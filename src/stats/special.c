/* Series where they converge fast, continued fractions elsewhere, bisection for the quantiles: slow beside
 * a tuned library and quite fast enough for the dozens of values in a report. */
#include "stats/special.h"

#include <math.h>

/* ln 2 in two parts: the high one has 21 trailing zero bits, so that k * LN2_HIGH is exact for every exponent k. */
#define LN2_HIGH         0x1.62e42feep-1
#define LN2_LOW          0x1.a39ef35793c76p-33
#define SQRT_HALF        0x1.6a09e667f3bcdp-1
#define ONE_OVER_SQRT_PI 0x1.20dd750429b6dp-1
#define ONE_OVER_PI      0x1.45f306dc9c883p-2

/* x = m 2^e with m in [sqrt 1/2, sqrt 2); log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716. */
double ts_stats_log(double x)
{
	if (!(x > 0))
		return x == 0 ? -HUGE_VAL : NAN;
	if (x == HUGE_VAL)
		return x;
	int e;
	double m = frexp(x, &e);
	if (m < SQRT_HALF) {
		m *= 2;
		e--;
	}
	double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
	for (int k = 25; k >= 3; k -= 2)
		sum = (sum + 1.0 / k) * s2;
	return e * LN2_HIGH + (2 * s + (2 * s * sum + e * LN2_LOW));
}

/* x = k ln 2 + r with |r| <= 0.35; Taylor's series of e^r to r^15. */
double ts_stats_exp(double x)
{
	if (x != x)
		return x;
	if (x > 709.78)
		return HUGE_VAL;
	if (x < -745.2)
		return 0;
	double scaled = x * 0x1.71547652b82fep+0;
	int k = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
	double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 1;
	for (int i = 15; i >= 1; i--)
		sum = 1 + sum * r / i;
	return ldexp(sum, k);
}

/* erfc for x >= 0. Below 2.5: 1 - erf by erf x = 2/sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!, whose terms are
 * all positive. Above: the continued fraction e^(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))). */
static double erfc_positive(double x)
{
	double factor = ts_stats_exp(-x * x) * ONE_OVER_SQRT_PI;
	if (x < 2.5) {
		double term = x, sum = x;
		for (int n = 1; n < 200 && term > sum * 0x1p-60; n++) {
			term *= 2 * x * x / (2 * n + 1);
			sum += term;
		}
		return 1 - 2 * factor * sum;
	}
	double tail = x;
	for (int n = 200; n >= 1; n--)
		tail = x + 0.5 * n / tail;
	return factor / tail;
}

double ts_normal_two_sided(double z)
{
	return erfc_positive(fabs(z) * SQRT_HALF);
}

/* Lentz's evaluation of the continued fraction of the incomplete beta function (DLMF 8.17.22).
 * Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1);
	d = 1 / (fabs(d) < tiny ? tiny : d);
	double value = d;
	for (int m = 1; m < 10000; m++) {
		double step = 1;
		for (int odd = 0; odd < 2; odd++) {
			double n = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
				       : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
			d = 1 + n * d;
			d = 1 / (fabs(d) < tiny ? tiny : d);
			c = 1 + n / c;
			c = fabs(c) < tiny ? tiny : c;
			step = c * d;
			value *= step;
		}
		if (fabs(step - 1) < 0x1p-52)
			break;
	}
	return value;
}

/* 1 / B(degrees/2, 1/2) = Gamma((n+1)/2) / (Gamma(n/2) sqrt(pi)) by g(n + 2) = g(n) (n + 1) / n from
 * g(1) = 1/pi and g(2) = 1/2: no gamma function needed. */
static double inverse_beta(unsigned long degrees)
{
	double g = degrees % 2 ? ONE_OVER_PI : 0.5;
	for (unsigned long n = degrees % 2 ? 1 : 2; n < degrees; n += 2)
		g *= (double)(n + 1) / (double)n;
	return g;
}

static double student_tail(double t, unsigned long degrees, double g)
{
	double n = (double)degrees, a = n / 2, t2 = t * t;
	if (t2 == HUGE_VAL)
		return 0;
	double x = n / (n + t2), y = t2 / (n + t2);
	double front = ts_stats_exp(a * ts_stats_log(x)) * sqrt(y) * g;
	if (x < (a + 1) / (a + 2.5))
		return front * beta_fraction(a, 0.5, x) / a;
	return 1 - front * beta_fraction(0.5, a, y) / 0.5;
}

double ts_student_two_sided(double t, unsigned long degrees)
{
	return student_tail(t, degrees, inverse_beta(degrees));
}

/* P(|T| >= t); degrees 0 stands for the normal distribution. */
static double tail_at(double t, unsigned long degrees, double g)
{
	return degrees ? student_tail(t, degrees, g) : ts_normal_two_sided(t);
}

/* The point where the falling tail reaches 1 - confidence: doubling, then bisection until the ends are neighbours. */
static double quantile(double confidence, unsigned long degrees)
{
	double g = degrees ? inverse_beta(degrees) : 0, alpha = 1 - confidence, low = 0, high = 1;
	while (high < 1e300 && tail_at(high, degrees, g) > alpha) {
		low = high;
		high *= 2;
	}
	for (;;) {
		double middle = low + (high - low) / 2;
		if (middle == low || middle == high)
			return middle;
		if (tail_at(middle, degrees, g) > alpha)
			low = middle;
		else
			high = middle;
	}
}

double ts_normal_quantile(double confidence)
{
	return quantile(confidence, 0);
}

double ts_student_quantile(double confidence, unsigned long degrees)
{
	return quantile(confidence, degrees);
}
