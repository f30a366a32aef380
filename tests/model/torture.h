/* Every allocation of a piece of work fails once; each time the work must say so, and leak nothing (the sanitizers watch). */
#ifndef TS_TESTS_TORTURE_H
#define TS_TESTS_TORTURE_H

#include "core/mem.h"
#include "model/golden_model.h"

static inline void torture(int (*work)(void *user, struct ts_error *err), void *user)
{
	struct ts_error err = {0};
	ok(work(user, &err)); /* once whole, so that what is made on first use is there */
	size_t before = ts_mem_count();
	ok(work(user, &err));
	size_t count = ts_mem_count() - before;
	assert_true(count > 0);
	for (size_t n = 1; n <= count; n++) {
		err = (struct ts_error){0};
		ts_mem_fail_at(n);
		int status = work(user, &err);
		ts_mem_fail_at(0);
		if (status != TS_ENOMEM || !err.message[0])
			fail_msg("allocation %zu of %zu failed: status %d, \"%s\"", n, count, status, err.message);
	}
}

#endif
