#include "eval/grade.h"
#include "fuzz/fuzz.h"

#include <time.h>

/* Nothing in a response may cost more than this of one thread, under the sanitizers. */
enum { SECONDS_MOST = 2 };

void fuzz_grade(const unsigned char *data, size_t size)
{
	static const enum ts_dataset datasets[] = {TS_DATASET_MATH, TS_DATASET_GSM8K, TS_DATASET_AIME, TS_DATASET_GPQA};
	const char *response = (const char *)data;
	size_t first = fuzz_first_part(data, size);
	const char *gold = first < size ? response + first + 1 : response;
	size_t gold_n = first < size ? size - first - 1 : first;
	struct ts_grade g = {0};
	for (size_t i = 0; i < sizeof(datasets) / sizeof(*datasets); i++) {
		clock_t start = clock();
		fuzz_must(!ts_grade(datasets[i], response, first, gold, gold_n, &g), "grading fails");
		fuzz_must(!g.equal || g.found, "right without an answer");
		fuzz_must(clock() - start < SECONDS_MOST * CLOCKS_PER_SEC, "grading takes too long");
	}
	ts_grade_release(&g);
}
