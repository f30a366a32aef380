/* For tests that write files: a folder of their own, made before and removed after, and small helpers. */
#ifndef TS_TESTS_SCRATCH_H
#define TS_TESTS_SCRATCH_H

#include "core/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scratch {
	char dir[64];
	char path[512]; /* of the last scratch_path */
};

static inline int scratch_open(struct scratch *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/thinksafe-test-XXXXXX");
	return mkdtemp(s->dir) ? 0 : -1;
}

static inline void scratch_close(struct scratch *s)
{
	ts_path_remove(s->dir, NULL);
}

static inline const char *scratch_path(struct scratch *s, const char *name)
{
	snprintf(s->path, sizeof(s->path), "%s/%s", s->dir, name);
	return s->path;
}

/* Write the file and give back its path (valid until the next one); NULL when it failed. */
static inline const char *scratch_write(struct scratch *s, const char *name, const void *data, size_t n)
{
	return ts_file_write(scratch_path(s, name), data, n, NULL) ? NULL : s->path;
}

#endif
