#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

void fuzz_check_error(int status, const struct ts_error *err)
{
	fuzz_must(status <= 0, "a status above 0");
	fuzz_must(!status || err->code == status, "the error's code is not what was returned");
	fuzz_must(!status || err->message[0], "an error without a message");
}

void fuzz_file_open(struct fuzz_file *f, const unsigned char *data, size_t size)
{
	f->fd = memfd_create("fuzz", MFD_CLOEXEC);
	fuzz_must(f->fd >= 0, "no file in memory");
	for (size_t at = 0; at < size;) {
		ssize_t n = write(f->fd, data + at, size - at);
		fuzz_must(n > 0, "the file in memory takes no bytes");
		at += (size_t)n;
	}
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

void fuzz_file_close(struct fuzz_file *f)
{
	close(f->fd);
}

size_t fuzz_first_part(const unsigned char *data, size_t size)
{
	const unsigned char *nul = size ? memchr(data, 0, size) : NULL;
	return nul ? (size_t)(nul - data) : size;
}
