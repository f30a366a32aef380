/* Our own exp, log, sin, cos: the same bits on every machine, which the C library does not promise.
 * The double versions are scalar and used for tables, schedules and statistics; error below 2 ulp.
 * The f32 vector versions live in tensor/cpu and follow ts_expf / ts_lnf bit for bit. */
#ifndef TS_TENSOR_MATH_H
#define TS_TENSOR_MATH_H

double ts_exp(double x);
double ts_ln(double x);            /* natural logarithm, x > 0 (ts_log is the message log of core) */
double ts_pow(double x, double y); /* x > 0: exp(y log x) with enough guard bits that f32 results are correctly rounded in practice */
void ts_sincos(double x, double *s, double *c); /* |x| < 2^30 */

/* f32: error below 2 ulp; expf underflows to 0 below -87.3 (no subnormals) and saturates to +Inf above 88.7. */
float ts_expf(float x);
float ts_lnf(float x);

#endif
