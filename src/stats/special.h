/* The few special functions that statistics need, in double precision.
 *
 * The system's exp, log and gamma functions differ in the last bits between C libraries, and what comes from
 * here is written to metrics.json, which must be the same bytes on every machine. So all of it is made of
 * + - * / sqrt and ldexp alone, which IEEE 754 fixes (sqrt is correctly rounded everywhere).
 * Relative error is below 1e-12 where nothing else is said. Pure functions, no state, any thread. */
#ifndef TS_STATS_SPECIAL_H
#define TS_STATS_SPECIAL_H

/* Natural logarithm of x > 0, a few ulp. 0 gives -HUGE_VAL; below 0 and NaN give NaN. */
double ts_stats_log(double x);
/* e^x, a few ulp; 0 or HUGE_VAL outside the range of doubles. */
double ts_stats_exp(double x);

/* P(|Z| >= |z|) of a standard normal Z: erfc(|z| / sqrt 2). Accurate in the tail too. */
double ts_normal_two_sided(double z);
/* The z with P(|Z| <= z) = confidence, for confidence in [0, 1): 1.95996... for 0.95. */
double ts_normal_quantile(double confidence);

/* P(|T| >= |t|) of Student's t with `degrees` >= 1: I_x(degrees/2, 1/2) at x = degrees / (degrees + t^2). */
double ts_student_two_sided(double t, unsigned long degrees);
/* The t with P(|T| <= t) = confidence, for confidence in [0, 1). */
double ts_student_quantile(double confidence, unsigned long degrees);

#endif
