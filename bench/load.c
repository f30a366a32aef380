/* How long a checkpoint takes to open, and how much memory that needs at most.
 *
 *     build/release/bench/load CHECKPOINT [THREADS [REPEATS]]
 *
 * The first time may read from the disk; the best of the others is the warm time. Peak = most resident memory of the process so far, with
 * the file's mapped pages. */
#include "core/context.h"
#include "model/model.h"
#include "tensor/dtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static int measure(const char *dir, int threads, int repeats, struct ts_error *err)
{
	struct ts_backend *backend;
	struct rusage use;
	double first = 0, best = 0, bytes = 0;
	TS_TRY(ts_backend_cpu_new(&backend, TS_ISA_AUTO, threads, err));
	int status = 0;
	for (int i = 0; i < repeats; i++) {
		struct ts_model *model;
		double start = ts_clock();
		TS_GOTO(ts_model_open(&model, backend, dir, NULL, err));
		double seconds = ts_clock() - start;
		bytes = (double)ts_model_weight_bytes(model);
		ts_model_close(model);
		if (!i)
			first = seconds;
		if (i == 1 || (i && seconds < best))
			best = seconds;
	}
	getrusage(RUSAGE_SELF, &use);
	printf("%s, %d threads: first %.2f s, warm %.2f s; weights %.0f MB, peak %.0f MB\n", dir, backend->threads, first,
	       repeats > 1 ? best : first, bytes / 1e6, (double)use.ru_maxrss * 1024 / 1e6);
done:
	ts_backend_free(backend);
	return status;
}

int main(int argc, char **argv)
{
	struct ts_error err = {0};
	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: load CHECKPOINT [THREADS [REPEATS]]\n");
		return 2;
	}
	if (measure(argv[1], argc > 2 ? atoi(argv[2]) : 0, argc > 3 ? atoi(argv[3]) : 3, &err)) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	return 0;
}
