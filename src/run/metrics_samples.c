/* Evaluation sets with several samples of each prompt. Samples of one prompt depend on each other, so rows count for nothing here: errors come
 * from the clusters (questions, or the pairs that rows name), and a change is tested over them. */
#include "run/internal.h"

#include "stats/stats.h"

#include <math.h>

/* Takes `value`; a NULL one (an allocation that failed) fails too. */
static int set_number(json_t *object, const char *key, double v, struct ts_error *err)
{
	return ts_json_set(object, key, isfinite(v) ? json_real(v) : json_null(), err);
}

/* Clusters of which something was judged; *n of them. `after` NULL: hits, else differences. The caller's. */
static struct ts_cluster_sum *sum_clusters(const struct ts_run_eval *e, const struct ts_run_hits *a, const struct ts_run_hits *after,
					   size_t *n)
{
	struct ts_cluster_sum *sums = ts_calloc(e->set.clusters, sizeof(*sums));
	*n = 0;
	if (!sums)
		return NULL;
	for (size_t i = 0; i < e->set.items.len; i++) {
		struct ts_cluster_sum *c = &sums[e->set.items.data[i].cluster];
		if (a->missing[i] || (after && after->missing[i]))
			continue;
		c->sum += after ? (double)after->hit[i] - a->hit[i] : a->hit[i];
		c->rows++;
	}
	for (size_t i = 0; i < e->set.clusters; i++)
		if (sums[i].rows)
			sums[(*n)++] = sums[i];
	return sums;
}

/* TS_OK with NaN where nothing was judged. */
static int clustered(const struct ts_cluster_sum *sums, size_t n, struct ts_clustered *out)
{
	*out = (struct ts_clustered){NAN, NAN, NAN, NAN, {NAN, NAN}};
	return n ? ts_clustered_mean(sums, n, TS_RUN_CONFIDENCE, out) : 0;
}

/* A share's interval stays between 0 and 1. Where all clusters came out alike there is no spread to look at: Wilson's, a cluster a row. */
static int share_interval(const struct ts_clustered *c, size_t n, struct ts_interval *out)
{
	*out = c->student;
	if (n && c->se == 0)
		return ts_wilson((uint64_t)(c->mean * (double)n + 0.5), n, TS_RUN_CONFIDENCE, out);
	out->low = out->low < 0 ? 0 : out->low;
	out->high = out->high > 1 ? 1 : out->high;
	return 0;
}

static int put_share(const struct ts_cluster_sum *sums, size_t n, json_t *object, struct ts_error *err)
{
	struct ts_clustered c;
	struct ts_interval interval;
	TS_TRY(clustered(sums, n, &c));
	TS_TRY(share_interval(&c, n, &interval));
	TS_TRY(set_number(object, "share", c.mean, err));
	TS_TRY(set_number(object, "se", c.se, err));
	TS_TRY(set_number(object, "low", interval.low, err));
	return set_number(object, "high", interval.high, err);
}

/* --- pass@k --- */

static size_t hits_of(const struct ts_run_eval *e, const struct ts_run_hits *h, size_t row)
{
	size_t hits = 0;
	for (size_t i = 0; i < e->samples; i++)
		hits += h->hit[row * e->samples + i];
	return hits;
}

/* Mean over the questions; one question is one row of its cluster, whatever k. */
static int put_pass(const struct ts_run_eval *e, const struct ts_run_hits *h, size_t k, json_t *list, struct ts_error *err)
{
	json_t *entry = json_pack("{s:I}", "k", (json_int_t)k);
	if (json_array_append_new(list, entry))
		return ts_fail_memory(err);
	struct ts_cluster_sum *sums = ts_calloc(e->set.clusters, sizeof(*sums));
	if (!sums)
		return ts_fail_memory(err);
	for (size_t row = 0; row < e->set.items.len / e->samples; row++) {
		struct ts_cluster_sum *c = &sums[e->set.items.data[row * e->samples].cluster];
		c->sum += ts_pass_at_k(hits_of(e, h, row), e->samples, k);
		c->rows++;
	}
	int status = put_share(sums, e->set.clusters, entry, err);
	ts_free(sums);
	return status;
}

/* k = 1, 2, 4, ... and all of them. */
static int put_passes(const struct ts_run_eval *e, const struct ts_run_hits *h, json_t *side, struct ts_error *err)
{
	json_t *list = json_array();
	TS_TRY(ts_json_set(side, "pass", list, err));
	for (size_t k = 1; k < e->samples; k *= 2)
		TS_TRY(put_pass(e, h, k, list, err));
	return put_pass(e, h, e->samples, list, err);
}

int ts_run_put_samples(const struct ts_run_eval *e, const struct ts_run_hits *h, json_t *side, struct ts_error *err)
{
	size_t n;
	struct ts_cluster_sum *sums = sum_clusters(e, h, NULL, &n);
	if (!sums)
		return ts_fail_memory(err);
	int status = put_share(sums, n, side, err);
	ts_free(sums);
	return status || e->kind != TS_EVAL_REASONING ? status : put_passes(e, h, side, err);
}

/* Where no cluster changed, the spread says that nothing could have been missed: then each counts as one pair of McNemar's test. */
static double detectable(const struct ts_clustered *c, size_t n, size_t sets)
{
	double level = 1 - (1 - TS_RUN_CONFIDENCE) / (double)(sets ? sets : 1); /* as in metrics.c */
	return c->se > 0 ? ts_detectable(c->se, level, TS_RUN_POWER) : ts_mcnemar_detectable(0, n, level, TS_RUN_POWER);
}

int ts_run_put_sample_difference(const struct ts_run_eval *e, const struct ts_run_hits *before, const struct ts_run_hits *after,
				 size_t sets, json_t *difference, struct ts_error *err)
{
	size_t n;
	struct ts_clustered c;
	struct ts_cluster_sum *sums = sum_clusters(e, before, after, &n);
	if (!sums)
		return ts_fail_memory(err);
	int status = clustered(sums, n, &c);
	ts_free(sums);
	TS_TRY(status);
	TS_TRY(ts_json_set(difference, "p_mcnemar", json_null(), err)); /* its pairs are rows */
	TS_TRY(set_number(difference, "se", c.se, err));
	TS_TRY(set_number(difference, "p_student", c.p_student, err));
	return set_number(difference, "detectable", detectable(&c, n, sets), err);
}
