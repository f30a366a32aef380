/* stats/ against golden/stats.json (scipy, statsmodels), and what a golden cannot say: bits, borders, refusals. */
#include "stats/special.h"
#include "stats/stats.h"

#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN TS_SHARED_DIR "/golden/stats.json"
#define MOST   256

static json_t *golden; /* NULL when the file is absent */

static int load(void **state)
{
	(void)state;
	struct ts_error err = {0};
	if (!ts_file_exists(GOLDEN)) {
		print_message("missing: %s; the golden tests of stats are skipped\n", GOLDEN);
		return 0;
	}
	if (ts_json_load(GOLDEN, &golden, &err))
		print_error("%s\n", err.message);
	return golden ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(golden);
	return 0;
}

static json_t *cases(const char *name)
{
	if (!golden)
		skip();
	json_t *list = json_object_get(golden, name);
	assert_true(json_is_array(list) && json_array_size(list) > 0);
	return list;
}

static double real(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	assert_true(json_is_number(v));
	return json_number_value(v);
}

static double element(const json_t *object, const char *key, size_t i)
{
	const json_t *v = json_array_get(json_object_get(object, key), i);
	assert_true(json_is_number(v));
	return json_number_value(v);
}

static uint64_t count(const json_t *object, const char *key)
{
	return (uint64_t)real(object, key);
}

/* Relative; 0 only equals 0. */
static void near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance * fabs(expected)))
		fail_msg("expected %.17g, found %.17g", expected, found);
}

static void within(double found, double expected, double absolute)
{
	if (!(fabs(found - expected) <= absolute))
		fail_msg("expected %.17g +- %g, found %.17g", expected, absolute, found);
}

static void test_wilson(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("wilson"), i, c) {
		struct ts_interval w;
		assert_int_equal(ts_wilson(count(c, "successes"), count(c, "n"), real(c, "confidence"), &w), 0);
		near(w.low, real(c, "low"), 1e-9);
		near(w.high, real(c, "high"), 1e-9);
	}
	near(ts_normal_quantile(0.95), real(golden, "normal_quantile_975"), 1e-12);
}

static void test_wilson_borders(void **state)
{
	struct ts_interval w, narrow;
	assert_int_equal(ts_wilson(0, 0, 0.95, &w), 0);
	assert_true(w.low == 0 && w.high == 1);
	assert_int_equal(ts_wilson(3, 2, 0.95, &w), TS_EINVAL);
	assert_int_equal(ts_wilson(1, 2, 1, &w), TS_EINVAL);
	assert_int_equal(ts_wilson(1, 2, 0, &w), TS_EINVAL);
	assert_int_equal(ts_wilson(5, 10, 0.99, &w), 0);
	assert_int_equal(ts_wilson(5, 10, 0.80, &narrow), 0);
	assert_true(w.low < narrow.low && narrow.high < w.high);
	/* By hand: 5 of 10 at 99%, z = 2.5758293035489004: half the width is z sqrt(1/40 + z^2/400) / (1 + z^2/10). */
	near(w.high - w.low, 0.631548963505529, 1e-12);
}

static void test_mcnemar(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("mcnemar"), i, c) {
		uint64_t before = count(c, "only_before"), after = count(c, "only_after");
		near(ts_mcnemar(before, after), real(c, "p_value"), 1e-8);
		assert_true(ts_mcnemar(before, after) == ts_mcnemar(after, before));
	}
}

/* 2^-n is no double at these sizes. (0, n) is exactly 2^(1-n); large and balanced is near the normal tail. */
static void test_mcnemar_large(void **state)
{
	assert_true(ts_mcnemar(0, 1000) == ldexp(1, -999));
	assert_true(ts_mcnemar(0, 5000) == 0);
	assert_true(ts_mcnemar(1, 500) == ldexp(502, -500));
	/* z with continuity correction: (|b - c| - 1) / sqrt(b + c). */
	near(ts_mcnemar(50500, 49500), ts_normal_two_sided(999 / sqrt(100000)), 1e-3);
}

static size_t question_hits(const json_t *rows, uint32_t *hits, uint32_t *samples)
{
	size_t n = json_array_size(rows);
	assert_in_range(n, 1, MOST);
	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(rows, i);
		*samples = (uint32_t)json_array_size(row);
		hits[i] = 0;
		for (size_t j = 0; j < *samples; j++)
			hits[i] += (uint32_t)json_integer_value(json_array_get(row, j));
	}
	return n;
}

/* Questions are the clusters, their samples the rows; `minus` NULL or what is taken away. */
static int clustered(const uint32_t *hits, const uint32_t *minus, size_t n, uint32_t samples, struct ts_clustered *out)
{
	struct ts_cluster_sum sums[MOST];
	for (size_t i = 0; i < n; i++)
		sums[i] = (struct ts_cluster_sum){(double)hits[i] - (minus ? minus[i] : 0), samples};
	return ts_clustered_mean(sums, n, 0.95, out);
}

static void test_pass_at_1(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("pass_at_1"), i, c) {
		uint32_t hits[MOST], samples = 0;
		size_t n = question_hits(json_object_get(c, "correct"), hits, &samples);
		struct ts_clustered p;
		assert_int_equal(clustered(hits, NULL, n, samples, &p), 0);
		near(p.mean, real(c, "pass_at_1"), 1e-9);
		near(p.se, real(c, "se_cluster"), 1e-9);
		near(p.se * sqrt((double)(n - 1) / (double)n), real(c, "se_cluster_cr0"), 1e-9);
		near(p.student.low, element(c, "ci95_t", 0), 1e-8);
		near(p.student.high, element(c, "ci95_t", 1), 1e-8);
		double at_1 = 0;
		for (size_t q = 0; q < n; q++)
			at_1 += ts_pass_at_k(hits[q], samples, 1) / (double)n;
		near(at_1, real(c, "pass_at_1"), 1e-9);
	}
}

/* Clusters of several sizes, by hand: values 1 0 | 1 | 1 1 1, mean 5/6; residuals of the sums -2/3, 1/6, 1/2. */
static void test_clusters_of_sizes(void **state)
{
	const struct ts_cluster_sum sums[] = {{1, 2}, {1, 1}, {3, 3}};
	struct ts_clustered c;
	assert_int_equal(ts_clustered_mean(sums, 3, 0.95, &c), 0);
	near(c.mean, 5.0 / 6, 1e-15);
	near(c.se, sqrt(1.5 * (4.0 / 9 + 1.0 / 36 + 1.0 / 4)) / 6, 1e-15);
}

/* Every choice of k of the samples, by hand. */
static double any_right(unsigned right, unsigned samples, unsigned k)
{
	double all = 0, with = 0;
	for (unsigned set = 0; set < 1u << samples; set++) {
		if ((unsigned)__builtin_popcount(set) != k)
			continue;
		all++;
		with += (set & ((1u << right) - 1)) != 0;
	}
	return with / all;
}

static void test_pass_at_k(void **state)
{
	for (unsigned samples = 1; samples <= 9; samples++)
		for (unsigned hits = 0; hits <= samples; hits++)
			for (unsigned k = 1; k <= samples; k++) {
				double p = ts_pass_at_k(hits, samples, k);
				if (fabs(p - any_right(hits, samples, k)) > 1e-14)
					fail_msg("pass@%u of %u in %u: found %.17g", k, hits, samples, p);
			}
	assert_true(ts_pass_at_k(0, 8, 4) == 0 && ts_pass_at_k(5, 8, 4) == 1 && ts_pass_at_k(1, 8, 8) == 1);
	near(ts_pass_at_k(1, 4096, 1024), 0.25, 1e-12); /* one of 4,096: the share that is drawn */
	assert_true(isnan(ts_pass_at_k(1, 8, 0)) && isnan(ts_pass_at_k(1, 8, 9)) && isnan(ts_pass_at_k(9, 8, 1)));
}

static void test_bootstrap(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("pass_at_1"), i, c) {
		uint32_t hits[MOST], samples = 0;
		size_t n = question_hits(json_object_get(c, "correct"), hits, &samples);
		struct ts_cluster clusters[MOST];
		for (size_t j = 0; j < n; j++)
			clusters[j] = (struct ts_cluster){hits[j], samples};
		const json_t *expected = json_object_get(c, "bootstrap");
		struct ts_bootstrap b;
		assert_int_equal(ts_bootstrap(clusters, n, 42, TS_BOOTSTRAP_RESAMPLES, 0.95, &b), 0);
		double slack = n <= 5 ? 0.05 : 0.02;
		near(b.mean, real(c, "pass_at_1"), 1e-12);
		near(b.se, real(expected, "se"), 0.05);
		within(b.interval.low, element(expected, "ci95_percentile", 0), slack);
		within(b.interval.high, element(expected, "ci95_percentile", 1), slack);
	}
}

/* Duplicated rows must not narrow the interval: ten copies of each cluster's rows give the same interval, and the
 * clustered interval of fully repeated rows is wider than Wilson's, which believes them independent. */
static void test_bootstrap_clusters(void **state)
{
	struct ts_cluster one[40], ten[40];
	for (int i = 0; i < 40; i++) {
		one[i] = (struct ts_cluster){i % 4 == 0, 1};
		ten[i] = (struct ts_cluster){10 * (i % 4 == 0), 10};
	}
	struct ts_bootstrap a, b, other;
	struct ts_interval wilson;
	assert_int_equal(ts_bootstrap(one, 40, 1, 2000, 0.95, &a), 0);
	assert_int_equal(ts_bootstrap(ten, 40, 1, 2000, 0.95, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(ts_wilson(100, 400, 0.95, &wilson), 0);
	assert_true(b.interval.low < wilson.low && wilson.high < b.interval.high);
	assert_int_equal(ts_bootstrap(one, 40, 2, 2000, 0.95, &other), 0);
	assert_true(other.se != a.se);
}

static void test_bootstrap_borders(void **state)
{
	struct ts_bootstrap b;
	struct ts_cluster same[3] = {{-1, 2}, {-1, 2}, {-1, 2}}, empty = {0, 0}, huge = {INT64_MIN, 1};
	assert_int_equal(ts_bootstrap(same, 3, 7, 100, 0.95, &b), 0);
	assert_true(b.mean == -0.5 && b.se == 0 && b.interval.low == -0.5 && b.interval.high == -0.5);
	assert_int_equal(ts_bootstrap(same, 1, 7, 100, 0.95, &b), 0);
	assert_true(b.interval.low == -0.5 && b.interval.high == -0.5);
	assert_int_equal(ts_bootstrap(same, 0, 7, 100, 0.95, &b), TS_EINVAL);
	assert_int_equal(ts_bootstrap(same, 3, 7, 1, 0.95, &b), TS_EINVAL);
	assert_int_equal(ts_bootstrap(&empty, 1, 7, 100, 0.95, &b), TS_EINVAL);
	assert_int_equal(ts_bootstrap(&huge, 1, 7, 100, 0.95, &b), TS_ELIMIT);
	ts_mem_fail_at(1);
	assert_int_equal(ts_bootstrap(same, 3, 7, 100, 0.95, &b), TS_ENOMEM);
	ts_mem_fail_at(0);
}

static void test_paired(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("paired_difference"), i, c) {
		uint32_t before[MOST], after[MOST], samples = 0;
		size_t n = question_hits(json_object_get(c, "before"), before, &samples);
		assert_int_equal(question_hits(json_object_get(c, "after"), after, &samples), n);
		struct ts_clustered p;
		assert_int_equal(clustered(after, before, n, samples, &p), 0);
		near(p.mean, real(c, "difference"), 1e-9);
		near(p.se, real(c, "se"), 1e-9);
		near(p.t, real(c, "t"), 1e-9);
		near(p.p_student, real(c, "p_t"), 1e-8);
		assert_true(p.student.low < p.mean && p.mean < p.student.high);
	}
}

static void test_clustered_borders(void **state)
{
	const uint32_t ones[3] = {1, 1, 1}, twos[3] = {2, 2, 2};
	const struct ts_cluster_sum empty = {1, 0};
	struct ts_clustered p;
	assert_int_equal(clustered(ones, ones, 3, 3, &p), 0);
	assert_true(p.mean == 0 && p.t == 0 && p.p_student == 1);
	assert_int_equal(clustered(twos, ones, 3, 3, &p), 0);
	assert_true(p.se == 0 && p.t == HUGE_VAL && p.p_student == 0);
	assert_int_equal(clustered(ones, twos, 3, 3, &p), 0);
	assert_true(p.se == 0 && p.t == -HUGE_VAL && p.p_student == 0);
	assert_int_equal(clustered(ones, NULL, 1, 2, &p), 0);
	assert_true(p.mean == 0.5 && p.se == HUGE_VAL && p.p_student == 1 && p.student.low == -HUGE_VAL && p.student.high == HUGE_VAL);
	assert_int_equal(ts_clustered_mean(&empty, 1, 0.95, &p), TS_EINVAL);
	assert_int_equal(ts_clustered_mean(&empty, 0, 0.95, &p), TS_EINVAL);
	assert_int_equal(ts_clustered_mean(&empty, 1, 1, &p), TS_EINVAL);
}

static void test_omega(void **state)
{
	size_t i;
	json_t *c;
	json_array_foreach (cases("omega"), i, c) {
		struct ts_omega o;
		assert_int_equal(
			ts_omega(count(c, "safe_steered"), count(c, "n_steered"), count(c, "safe_plain"), count(c, "n_plain"), 0.95, &o),
			0);
		near(o.omega, real(c, "omega"), 1e-9);
		near(o.log_se, real(c, "log_omega_se"), 1e-9);
		near(o.interval.low, element(c, "omega_ci95", 0), 1e-9);
		near(o.interval.high, element(c, "omega_ci95", 1), 1e-9);
		near(o.minus_log_alpha_ref, real(c, "minus_log_alpha_ref"), 1e-9);
		assert_false(o.corrected);
	}
}

static void test_omega_borders(void **state)
{
	struct ts_omega o;
	/* All safe when steered: (10.5 / 0.5) / (4.5 / 6.5). */
	assert_int_equal(ts_omega(10, 10, 4, 10, 0.95, &o), 0);
	assert_true(o.corrected && isfinite(o.interval.high));
	near(o.omega, 10.5 * 6.5 / (0.5 * 4.5), 1e-12);
	assert_int_equal(ts_omega(5, 10, 0, 10, 0.95, &o), 0);
	assert_true(o.corrected && o.minus_log_alpha_ref == HUGE_VAL && isfinite(o.omega));
	assert_int_equal(ts_omega(5, 10, 10, 10, 0.95, &o), 0);
	assert_true(o.minus_log_alpha_ref == 0 && !signbit(o.minus_log_alpha_ref));
	assert_int_equal(ts_omega(11, 10, 1, 10, 0.95, &o), TS_EINVAL);
	assert_int_equal(ts_omega(0, 0, 1, 10, 0.95, &o), TS_EINVAL);
}

struct pair {
	double x, y;
};

/* Against values made with 80 (tails: 400) decimal digits by the plain series, rounded to double. */
static void test_exp(void **state)
{
	const struct pair values[] = {
		{-700.49, 6.04029808882816e-305},
		{-333.25, 1.867944230440913e-145},
		{-40.7, 2.1096702884774952e-18},
		{-5.5, 0.004086771438464067},
		{-1.0, 0.36787944117144233},
		{-0.3466, 0.7070881069410189},
		{-0.1, 0.9048374180359595},
		{-1e-09, 0.999999999},
		{1e-300, 1.0},
		{1e-09, 1.000000001},
		{0.2, 1.2214027581601699},
		{0.34657, 1.4142084849595797},
		{0.5, 1.6487212707001282},
		{1.0, 2.718281828459045},
		{2.302585092994046, 10.000000000000002},
		{13.7, 890911.1659791603},
		{88.72, 3.39317637416317e+38},
		{300.0, 1.9424263952412558e+130},
		{650.125, 2.2166649147901708e+282},
		{709.7, 1.6549840276802644e+308},
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		near(ts_stats_exp(values[i].x), values[i].y, 1e-15);
	assert_true(ts_stats_exp(0) == 1 && ts_stats_exp(1000) == HUGE_VAL && ts_stats_exp(-1000) == 0 && isnan(ts_stats_exp(NAN)));
}

static void test_log(void **state)
{
	const struct pair values[] = {
		{1e-300, -690.7755278982137},
		{3.7e-200, -459.20868577915894},
		{1e-12, -27.631021115928547},
		{0.01, -4.605170185988091},
		{0.5, -0.6931471805599453},
		{0.6, -0.5108256237659907},
		{0.7071, -0.346583180371942},
		{0.7072, -0.3464417676587033},
		{0.9, -0.10536051565782628},
		{0.999, -0.0010005003335835344},
		{0.9999999, -1.0000000494736474e-07},
		{1.0000001, 9.999999505838704e-08},
		{1.001, 0.0009995003330834232},
		{1.2, 0.1823215567939546},
		{1.4142, 0.3465640001880033},
		{1.4143, 0.34663470904431704},
		{2.0, 0.6931471805599453},
		{3.0, 1.0986122886681098},
		{10.0, 2.302585092994046},
		{12345.678, 9.421061321291832},
		{1e+100, 230.25850929940458},
		{8e+307, 708.9730650908518},
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		near(ts_stats_log(values[i].x), values[i].y, 6e-16);
	assert_true(ts_stats_log(1) == 0 && ts_stats_log(0) == -HUGE_VAL && isnan(ts_stats_log(-1)) && isnan(ts_stats_log(NAN)));
	assert_true(ts_stats_log(HUGE_VAL) == HUGE_VAL);
	near(ts_stats_log(0x1p-1074), -744.4400719213812, 1e-15);
}

static void test_normal_tail(void **state)
{
	const struct pair values[] = {
		{0.0, 1.0},
		{0.01, 0.9920212873707368},
		{0.5, 0.6170750774519738},
		{1.0, 0.3173105078629141},
		{1.6448536269514722, 0.1000000000000001},
		{1.959963984540054, 0.050000000000000024},
		{2.5, 0.01241933065155227},
		{3.0, 0.002699796063260189},
		{3.53, 0.0004155596669612429},
		{3.54, 0.00040012703201464036},
		{4.0, 6.334248366623985e-05},
		{5.0, 5.733031437583878e-07},
		{6.0, 1.973175290075396e-09},
		{8.0, 1.2441921148543568e-15},
		{12.5, 7.465128597755426e-36},
		{20.0, 5.5072482372124675e-89},
		{30.0, 9.813427854296374e-198},
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		near(ts_normal_two_sided(values[i].x), values[i].y, 1e-12);
		near(ts_normal_two_sided(-values[i].x), values[i].y, 1e-12);
	}
}

/* Closed forms: 1 degree is Cauchy's distribution, 2 degrees are 1 - t / sqrt(2 + t^2), many are nearly normal. */
static void test_student(void **state)
{
	const struct pair cauchy[] = {{0.01, 0.9936340144701836},     {0.3, 0.8144528418445154},  {1.0, 0.5},
				      {2.7, 0.22581263144069935},     {12.706204736174707, 0.05}, {150.0, 0.004244068941433616},
				      {9000.0, 7.073552997197189e-05}};
	for (size_t i = 0; i < sizeof(cauchy) / sizeof(*cauchy); i++)
		near(ts_student_two_sided(cauchy[i].x, 1), cauchy[i].y, 1e-12);
	for (double t = 0.01; t < 1e4; t *= 1.7)
		near(ts_student_two_sided(t, 2), 2 / ((2 + t * t) + t * sqrt(2 + t * t)), 1e-11);
	near(ts_student_two_sided(2, 100000000), ts_normal_two_sided(2), 1e-6);
	near(ts_student_quantile(0.95, 1), 12.706204736174707, 1e-10);
	near(ts_student_quantile(0.95, 29), 2.045229642132703, 1e-10);
	assert_true(ts_student_two_sided(0, 5) == 1 && ts_student_two_sided(-2, 5) == ts_student_two_sided(2, 5));
}

/* The same bits everywhere: these were written down once (x86-64, gcc); another machine or compiler must find them too.
 * They pin, they do not prove: the goldens above say that the values are right. */
static void test_bits(void **state)
{
	struct ts_cluster c[5] = {{3, 8}, {0, 8}, {8, 8}, {5, 7}, {1, 9}};
	struct ts_bootstrap b;
	assert_int_equal(ts_bootstrap(c, 5, 42, 1000, 0.95, &b), 0);
	char text[256];
	snprintf(text, sizeof(text), "%a %a %a %a %a %a", b.se, b.interval.low, b.interval.high, ts_normal_quantile(0.95),
		 ts_student_quantile(0.95, 29), ts_stats_exp(ts_stats_log(10) / 3));
	assert_string_equal(text, "0x1.61b60d951f24ep-3 0x1.e79e79e79e79ep-4 0x1.8e81b4e81b4e4p-1 0x1.f5c0331eeff8p+0 "
				  "0x1.05ca15bce2874p+1 0x1.13c484138704fp+1");
}

/* Expected values: the published equation (stats.h) with psi = max(discordant / n, delta), solved for delta by halving, not by the closed
 * form that stats.c uses. */
static void detectable(void **state)
{
	static const struct {
		uint64_t discordant, n;
		double confidence, power, expected;
	} rows[] = {
		{30, 300, 0.95, 0.8, 0.050948969798220924}, {120, 500, 0.95, 0.9, 0.07072392457624382},
		{0, 300, 0.95, 0.8, 0.02595797523500028},   {5, 1319, 0.95, 0.8, 0.005939999524168722},
		{1, 20, 0.95, 0.8, 0.3483160924343244},     {10, 20, 0.99, 0.8, 0.5023086595986783},
		{2, 5, 0.95, 0.8, 0.9393616165057544},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		near(ts_mcnemar_detectable(rows[i].discordant, rows[i].n, rows[i].confidence, rows[i].power), rows[i].expected, 1e-9);
	/* So few pairs show nothing, whatever happened to them. */
	for (uint64_t n = 0; n <= 3; n++)
		assert_true(ts_mcnemar_detectable(0, n, 0.95, 0.8) == HUGE_VAL);
	assert_true(isnan(ts_mcnemar_detectable(4, 3, 0.95, 0.8)));
	assert_true(isnan(ts_mcnemar_detectable(1, 300, 1, 0.8)));
	assert_true(isnan(ts_mcnemar_detectable(1, 300, 0.95, 0.5)));
	/* 1.9600 + 0.8416, as tables of the normal distribution have them. */
	within(ts_detectable(1, 0.95, 0.8), 2.8016, 1e-4);
	assert_true(ts_detectable(0, 0.95, 0.8) == 0);
	assert_true(isnan(ts_detectable(1, 0.95, 1)));
}

/* By hand, after Holm's own steps: the smallest p times n, the next times n - 1, never below the one before. */
static void holm(void **state)
{
	static const struct {
		size_t n;
		double p[5], expected[5];
	} rows[] = {
		{4, {0.01, 0.04, 0.03, 0.005}, {0.03, 0.06, 0.06, 0.02}},
		{3, {0.5, 0.4, 0.9}, {1, 1, 1}},
		{3, {0.02, 0.02, 0.02}, {0.06, 0.06, 0.06}},
		{1, {0.04}, {0.04}},
		{5, {0.001, NAN, 0.2, 0.02, NAN}, {0.003, NAN, 0.2, 0.04, NAN}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double out[5];
		ts_holm(rows[i].p, rows[i].n, out);
		for (size_t k = 0; k < rows[i].n; k++)
			if (isnan(rows[i].expected[k]))
				assert_true(isnan(out[k]));
			else
				near(out[k], rows[i].expected[k], 1e-12);
	}
	ts_holm(NULL, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detectable),
		cmocka_unit_test(holm),
		cmocka_unit_test(test_wilson),
		cmocka_unit_test(test_wilson_borders),
		cmocka_unit_test(test_mcnemar),
		cmocka_unit_test(test_mcnemar_large),
		cmocka_unit_test(test_pass_at_1),
		cmocka_unit_test(test_clusters_of_sizes),
		cmocka_unit_test(test_pass_at_k),
		cmocka_unit_test(test_bootstrap),
		cmocka_unit_test(test_bootstrap_clusters),
		cmocka_unit_test(test_bootstrap_borders),
		cmocka_unit_test(test_paired),
		cmocka_unit_test(test_clustered_borders),
		cmocka_unit_test(test_omega),
		cmocka_unit_test(test_omega_borders),
		cmocka_unit_test(test_exp),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_normal_tail),
		cmocka_unit_test(test_student),
		cmocka_unit_test(test_bits),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
