/* What takes time beside the models: files to hash, commits of the journal, the bootstrap of the figures. */
#include "run/probe.h"

#include "core/sha256.h"
#include "stats/stats.h"

#include <fcntl.h>
#include <unistd.h>

/* A write and an fsync in a file without a name, as a commit of the journal does. */
static double commit_seconds(const char *folder)
{
	enum { TIMES = 3, BYTES = 32 << 10 };
	char block[4096] = {0};
	double best = 0;
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (int i = 0; fd >= 0 && i < TIMES; i++) {
		double started = ts_clock();
		bool written = true;
		for (size_t n = 0; n < BYTES && written; n += sizeof(block))
			written = write(fd, block, sizeof(block)) > 0;
		if (!written || fsync(fd))
			break; /* the run will say what is wrong with the disk */
		double seconds = ts_clock() - started;
		best = i && best < seconds ? best : seconds;
	}
	if (fd >= 0)
		close(fd);
	return best;
}

/* Seconds to hash so many bytes, from one MiB. */
static double hash_seconds(size_t bytes)
{
	enum { SOME = 1 << 20 };
	struct ts_sha256 h;
	unsigned char digest[32], *block = ts_calloc(1, SOME);
	if (!block)
		return 0;
	double started = ts_clock();
	ts_sha256_init(&h);
	ts_sha256_update(&h, block, SOME);
	ts_sha256_final(&h, digest);
	double seconds = ts_clock() - started;
	ts_free(block);
	return seconds * (double)bytes / SOME;
}

/* The bootstrap is nearly all of it: three per set (before, after, difference). */
static double figure_seconds(const struct ts_run *r)
{
	enum { SOME = TS_BOOTSTRAP_RESAMPLES / 50 };
	double seconds = 0;
	for (size_t e = 0; e < r->evals.len; e++) {
		size_t n = r->evals.data[e].set.clusters;
		struct ts_cluster *clusters = ts_calloc(n, sizeof(*clusters));
		struct ts_bootstrap unused;
		double started = ts_clock();
		for (size_t i = 0; clusters && i < n; i++)
			clusters[i] = (struct ts_cluster){.sum = i % 2, .rows = 1};
		if (clusters)
			ts_bootstrap(clusters, n, 0, SOME, 0.95, &unused);
		ts_free(clusters);
		seconds += 3 * (ts_clock() - started) * TS_BOOTSTRAP_RESAMPLES / SOME;
	}
	return seconds;
}

void ts_probe_rest(struct ts_run *r, const char *folder, size_t hashed_bytes, struct ts_plan_rates *rates)
{
	rates->data = ts_clock() - r->began;
	rates->hash = hash_seconds(hashed_bytes);
	rates->figures = figure_seconds(r);
	rates->commit = commit_seconds(folder);
}
