/* Status codes and errors.
 *
 * Every function that can fail returns an int: 0 (TS_OK) or one of the negative codes below.
 * Where a person must understand the failure, the last parameter is a `struct ts_error *`;
 * it may be NULL when the caller only wants the code. The library never prints and never exits.
 *
 *     struct ts_error err = {0};
 *     if (ts_file_read(path, &text, &err))
 *         return show(&err);
 */
#ifndef TS_CORE_STATUS_H
#define TS_CORE_STATUS_H

#include <stdarg.h>

#define TS_STATUS_MAP(X)                                                                                                                   \
	X(-1, ENOMEM, "out of memory")                                                                                                     \
	X(-2, EINVAL, "invalid argument or value")                                                                                         \
	X(-3, EIO, "input/output error")                                                                                                   \
	X(-4, EFORMAT, "malformed data")                                                                                                   \
	X(-5, EMISMATCH, "does not fit what was expected")                                                                                 \
	X(-6, EUNSUPPORTED, "not supported")                                                                                               \
	X(-7, ENOTFOUND, "not found")                                                                                                      \
	X(-8, ELOCKED, "in use by another program")                                                                                        \
	X(-9, ESTOPPED, "stopped; can be resumed")                                                                                         \
	X(-10, ENUMERIC, "not a finite number")                                                                                            \
	X(-11, ELIMIT, "over a limit")

enum ts_status {
	TS_OK = 0,
#define TS_STATUS_ENUM(code, name, text) TS_##name = (code),
	TS_STATUS_MAP(TS_STATUS_ENUM)
#undef TS_STATUS_ENUM
};

struct ts_error {
	int code;           /* one of enum ts_status */
	char message[1024]; /* one line: the thing, what was expected, what was found */
};

/* The fixed text of a code. */
const char *ts_status_text(int code);

/* Fill `err` (if not NULL) with a formatted message and return `code`, so that
 * `return ts_fail(err, TS_EIO, "%s: %s", path, strerror(errno));` reads well. */
int ts_fail(struct ts_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the message already in `err`; returns err's code (or `code` without err). */
int ts_fail_within(struct ts_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The usual "out of memory" failure. */
int ts_fail_memory(struct ts_error *err);

/* clang's analyzer sees one file at a time: it is told that a failure returns its code, which is not 0. */
#if defined(__clang_analyzer__) && !defined(TS_STATUS_C)
#define ts_fail(err, code, ...)        ((void)ts_fail((err), (code), __VA_ARGS__), (code))
#define ts_fail_within(err, code, ...) ((void)ts_fail_within((err), (code), __VA_ARGS__), (code))
#define ts_fail_memory(err)            ((void)ts_fail_memory(err), TS_ENOMEM)
#endif

/* Forward a failure to the caller, or to a function's one cleanup block. */
#define TS_TRY(expression)                                                                                                                 \
	do {                                                                                                                               \
		int ts_try_status_ = (expression);                                                                                         \
		if (ts_try_status_)                                                                                                        \
			return ts_try_status_;                                                                                             \
	} while (0)

/* Needs a local `int status` and a label `done`. */
#define TS_GOTO(expression)                                                                                                                \
	do {                                                                                                                               \
		status = (expression);                                                                                                     \
		if (status)                                                                                                                \
			goto done;                                                                                                         \
	} while (0)

#endif
