/* SHA-256 (FIPS 180-4). */
#ifndef TS_CORE_SHA256_H
#define TS_CORE_SHA256_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

struct ts_sha256 {
	uint32_t state[8];
	uint64_t bytes;
	unsigned char block[64];
};

void ts_sha256_init(struct ts_sha256 *);
void ts_sha256_update(struct ts_sha256 *, const void *data, size_t n);
void ts_sha256_final(struct ts_sha256 *, unsigned char digest[32]);
/* Lower-case hex of a digest; `hex` has room for 65 bytes. */
void ts_sha256_hex(const unsigned char digest[32], char hex[65]);
/* Digest of a whole file, as hex. */
int ts_sha256_file(const char *path, char hex[65], struct ts_error *err);

#endif
