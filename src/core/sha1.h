/* SHA-1 (FIPS 180-4), for one use: git names a file by it, and the Hugging Face hub names its small files as git does. It tells a damaged
 * download, no more: where somebody may have meant to deceive, SHA-256. */
#ifndef TS_CORE_SHA1_H
#define TS_CORE_SHA1_H

#include <stddef.h>
#include <stdint.h>

struct ts_sha1 {
	uint32_t state[5];
	uint64_t bytes;
	unsigned char block[64];
};

void ts_sha1_init(struct ts_sha1 *);
/* Starts git's name of a file of `size` bytes: the hash of "blob SIZE", a NUL, and the content that follows. */
void ts_sha1_init_git(struct ts_sha1 *, uint64_t size);
void ts_sha1_update(struct ts_sha1 *, const void *data, size_t n);
/* Lower-case hex; `hex` has room for 41 bytes. */
void ts_sha1_final(struct ts_sha1 *, char hex[41]);

#endif
