/* Intervals and tests for shares, paired answers and pass@1: numbers in, numbers out.
 *
 * Every result is the same bits on every machine (see stats/special.h). Nothing is allocated except in
 * ts_bootstrap. Functions that can be asked something senseless (no rows, more hits than rows) return TS_EINVAL
 * and leave `out` alone. Any thread.
 *
 *     struct ts_interval wilson;
 *     TS_TRY(ts_wilson(361, 500, 0.95, &wilson));      share 0.722 -> [0.681, 0.759]
 */
#ifndef TS_STATS_STATS_H
#define TS_STATS_STATS_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_interval {
	double low, high;
};

/* Wilson's score interval of the share successes / n. Wilson, JASA 22 (1927) 209-212. No rows (n = 0) say nothing: [0, 1].
 * `confidence` in (0, 1). Assumes independent rows: with repeated prompts look at ts_bootstrap too. */
int ts_wilson(uint64_t successes, uint64_t n, double confidence, struct ts_interval *out);

/* McNemar's exact test: two-sided binomial (1/2) on the discordant pairs; 1 when there are none. */
double ts_mcnemar(uint64_t only_before, uint64_t only_after);

/* Paired answers, `discordant` of n pairs changed: the smallest difference |after - before| of the two shares that McNemar's two-sided test
 * (at 1 - confidence) would have found with this power. It solves, for delta,
 *   n = (z_confidence sqrt(psi) + z_power sqrt(psi - delta^2))^2 / delta^2,    psi = share of discordant pairs
 * Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics 43 (1987) 207-211. A difference of delta
 * makes at least that share of pairs discordant, so psi is discordant / n or delta, the larger. Normal approximation: the exact test needs
 * a little more. HUGE_VAL: no difference at all would have been found, for so few pairs. Needs discordant <= n, confidence in (0, 1), power
 * in (0.5, 1); NaN otherwise. */
double ts_mcnemar_detectable(uint64_t discordant, uint64_t n, double confidence, double power);
/* The same for any estimate with a standard error: (z_confidence + z_power) se. Bloom, Minimum detectable effects, Evaluation Review 19
 * (1995) 547-556. */
double ts_detectable(double se, double confidence, double power);

/* p values of `n` tests, corrected for their number: the chance that any of them is wrong stays below what each is held against. In
 * ascending order the i-th (from 0) becomes the largest of (n - j) p_j, j <= i, at most 1. A NaN is no test and stays one. `out` may not be
 * `p`. Holm, Scand. J. Statist. 6 (1979) 65-70. */
void ts_holm(const double *p, size_t n, double *out);

/* How much steering multiplies the odds of a safe response (method.md section 5):
 *   omega = odds(alpha_I) / odds(alpha_ref), Woolf's interval exp(log omega -/+ z se),
 *   se^2 = 1/safe + 1/unsafe of both sides. Woolf, Ann. Hum. Genet. 19 (1955) 251-253. */
struct ts_omega {
	double omega, log_se;
	struct ts_interval interval;
	double minus_log_alpha_ref; /* HUGE_VAL when no plain sample was safe */
	bool corrected;             /* one of the four counts was 0: 1/2 was added to each (Haldane, Anscombe) */
};
int ts_omega(uint64_t safe_steered, uint64_t n_steered, uint64_t safe_plain, uint64_t n_plain, double confidence, struct ts_omega *out);

/* The mean of values that come in clusters: all samples of one question, all rows of one pair. Values of a cluster depend on each other, so the
 * clusters' totals alone say how far the mean is off:
 *   mean = sum of all sums / rows in all,    se^2 = n / (n - 1) sum over clusters of (sum_g - mean rows_g)^2 / rows in all^2
 * Liang, Zeger, Biometrika 73 (1986) 13-22; n / (n - 1): Cameron, Miller, J. Human Resources 50 (2015) 317-372. With clusters of one size this is
 * the standard deviation (n - 1) of their means / sqrt(n), as Miller, Adding error bars to evals (arXiv 2411.00640), has it for pass@1; with
 * sums of (after - before) it is the paired t test over questions.
 * Equal everywhere and 0: t 0, p 1. Equal everywhere and not 0: t -/+HUGE_VAL, p 0. One cluster has no spread to look at: se and interval are
 * HUGE_VAL wide, t 0, p 1. */
struct ts_cluster_sum {
	double sum;
	uint64_t rows; /* at least 1 */
};
struct ts_clustered {
	double mean, se, t, p_student;
	struct ts_interval student; /* mean -/+ quantile of t with n - 1 degrees * se */
};
int ts_clustered_mean(const struct ts_cluster_sum *clusters, size_t n, double confidence, struct ts_clustered *out);

/* The chance that at least one of k samples of a question is right, when `hits` of `samples` were: 1 - C(samples - hits, k) / C(samples, k),
 * without bias for k <= samples. Chen et al., Evaluating large language models trained on code (arXiv 2107.03374), equation 1. NaN where k is
 * 0 or over `samples`, or hits are. */
double ts_pass_at_k(uint64_t hits, uint64_t samples, uint64_t k);

/* One cluster for ts_bootstrap: rows that belong together (all rows of one prompt, all samples of one question). */
struct ts_cluster {
	int64_t sum;   /* hits; or hits after - hits before, for the interval of a difference */
	uint64_t rows; /* at least 1 */
};

#define TS_BOOTSTRAP_RESAMPLES 10000

struct ts_bootstrap {
	double mean;                 /* sum of all sums / sum of all rows, of the data itself */
	double se;                   /* standard deviation (n - 1) of the resamples' means */
	struct ts_interval interval; /* percentiles, interpolated between neighbours */
};
/* Cluster bootstrap: `resamples` times draw as many clusters as there are, with replacement, and take sum / rows.
 * Driven by Philox with (seed, "bootstrap"): the same seed and clusters in the same order give the same bits.
 * Sums beyond 2^53 are refused. May fail with TS_ENOMEM. Efron, Tibshirani: An introduction to the bootstrap, 1993. */
int ts_bootstrap(const struct ts_cluster *clusters, size_t n, uint64_t seed, size_t resamples, double confidence, struct ts_bootstrap *out);

#endif
