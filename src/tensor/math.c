#include "tensor/math.h"

#include "tensor/scalar_math.h"

double ts_exp(double x)
{
	return ts_exp_with_tail(x, 0.0);
}

double ts_ln(double x)
{
	return ts_ln_inline(x);
}

double ts_pow(double x, double y)
{
	if (!(x > 0.0 && x < (double)INFINITY))
		return ts_exp(y * ts_ln(x));
	double lo, hi = ts_ln_parts(x, &lo);
	double product = y * hi;
	return ts_exp_with_tail(product, fma(y, hi, -product) + y * lo);
}

void ts_sincos(double x, double *s, double *c)
{
	ts_sincos_inline(x, s, c);
}

float ts_expf(float x)
{
	return ts_expf_inline(x);
}

float ts_lnf(float x)
{
	return (float)ts_ln_inline((double)x);
}
