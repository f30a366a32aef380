/* A resample is a pair of integer sums and one division, so the order of threads or additions cannot show. */
#include "stats/stats.h"

#include "core/mem.h"
#include "core/philox.h"

#include <math.h>
#include <stdlib.h>

#define SUM_LIMIT ((uint64_t)1 << 53)

/* A cluster's index from 64 random bits: multiplication instead of modulo; its bias is below n / 2^64. */
static size_t pick(uint32_t high, uint32_t low, size_t n)
{
	__extension__ unsigned __int128 product = (unsigned __int128)((uint64_t)high << 32 | low) * n;
	return (size_t)(product >> 64);
}

/* Resample r: each Philox block (counter: block, r) draws two clusters. */
static double resample(const struct ts_cluster *clusters, size_t n, const struct ts_random_key *key, size_t r)
{
	int64_t sum = 0;
	uint64_t rows = 0;
	for (size_t i = 0; i < n; i += 2) {
		uint32_t counter[4] = {(uint32_t)(i / 2), (uint32_t)r, key->stream[0], key->stream[1]}, bits[4];
		ts_philox4x32(key->key, counter, bits);
		const struct ts_cluster *c = &clusters[pick(bits[0], bits[1], n)];
		sum += c->sum;
		rows += c->rows;
		if (i + 1 < n) {
			c = &clusters[pick(bits[2], bits[3], n)];
			sum += c->sum;
			rows += c->rows;
		}
	}
	return (double)sum / (double)rows;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The q-quantile of sorted values, interpolated (Hyndman and Fan's definition 7, numpy's default). */
static double percentile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

static int check(const struct ts_cluster *clusters, size_t n, double *mean)
{
	uint64_t most_rows = 0, most_sum = 0;
	int64_t sum = 0;
	uint64_t rows = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t size = clusters[i].sum < 0 ? 0 - (uint64_t)clusters[i].sum : (uint64_t)clusters[i].sum;
		if (!clusters[i].rows)
			return TS_EINVAL;
		most_rows = clusters[i].rows > most_rows ? clusters[i].rows : most_rows;
		most_sum = size > most_sum ? size : most_sum;
		/* A resample may draw the largest cluster n times. */
		if (most_rows > SUM_LIMIT / n || most_sum > SUM_LIMIT / n)
			return TS_ELIMIT;
		sum += clusters[i].sum;
		rows += clusters[i].rows;
	}
	*mean = (double)sum / (double)rows;
	return 0;
}

static double deviation(const double *values, size_t n)
{
	double mean = 0, squares = 0;
	for (size_t i = 0; i < n; i++)
		mean += values[i];
	mean /= (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	return sqrt(squares / (double)(n - 1));
}

int ts_bootstrap(const struct ts_cluster *clusters, size_t n, uint64_t seed, size_t resamples, double confidence, struct ts_bootstrap *out)
{
	struct ts_bootstrap b = {0};
	if (!n || n > UINT32_MAX || resamples < 2 || resamples > UINT32_MAX || !(confidence > 0 && confidence < 1))
		return TS_EINVAL;
	TS_TRY(check(clusters, n, &b.mean));
	size_t bytes;
	double *means = ts_mul_size(resamples, sizeof(*means), &bytes) ? ts_alloc(bytes) : NULL;
	if (!means)
		return TS_ENOMEM;
	struct ts_random_key key = ts_random_key_make(seed, "bootstrap", "", 0, 0);
	for (size_t r = 0; r < resamples; r++)
		means[r] = resample(clusters, n, &key, r);
	qsort(means, resamples, sizeof(*means), ascending);
	/* Summed in sorted order: any machine, any sort. */
	b.se = deviation(means, resamples);
	double tail = (1 - confidence) / 2;
	b.interval = (struct ts_interval){percentile(means, resamples, tail), percentile(means, resamples, 1 - tail)};
	ts_free(means);
	*out = b;
	return 0;
}
