/* Every allocation of a piece of work fails once, jansson's and PCRE2's too: each time the work must say "out of memory", crash nowhere and
 * leak nothing (the sanitizers watch). */
#ifndef TS_TESTS_TORTURE_H
#define TS_TESTS_TORTURE_H

#include "core/mem.h"
#include "core/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef int torture_work(void *user, struct ts_error *err);

static inline size_t torture_count(torture_work *work, void *user)
{
	struct ts_error err = {0};
	size_t before = 0;
	for (int i = 0; i < 2; i++) { /* once before, so that what is made on first use is there */
		before = ts_mem_count();
		if (work(user, &err))
			fail_msg("with all memory: %s", err.message);
	}
	size_t count = ts_mem_count() - before;
	assert_true(count > 0);
	return count;
}

/* The work is done at most `most` times (0 = as often as it allocates): then every so many-th allocation fails. `spared`: work that can do
 * without some memory (a regular expression's machine code) may succeed; it checks its own result. */
static inline void torture_some(torture_work *work, void *user, size_t most, bool spared)
{
	size_t count = torture_count(work, user), stride = most ? (count + most - 1) / most : 1, failed = 0;
	for (size_t n = 1; n <= count; n += stride) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = work(user, &err);
		ts_mem_fail_at(0);
		failed += status != 0;
		if ((status || !spared) && (status != TS_ENOMEM || !err.message[0]))
			fail_msg("allocation %zu of %zu failed: status %d, \"%s\"", n, count, status, err.message);
	}
	assert_true(failed > 0);
	if (stride > 1)
		print_message("every %zu-th of %zu allocations\n", stride, count);
}

static inline void torture(torture_work *work, void *user)
{
	torture_some(work, user, 0, false);
}

#endif
