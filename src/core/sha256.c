#include "core/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* One round. The names of the eight words turn from call to call, so that no word is moved: models of gigabytes are hashed. */
static inline void turn(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h, uint32_t kw)
{
	uint32_t t = *h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + kw;
	*d += t;
	*h = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
}

static void compress(uint32_t s[8], const unsigned char *p)
{
	uint32_t w[64];
	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t x = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t y = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + x + w[i - 7] + y;
	}
	uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
	for (int i = 0; i < 64; i += 8) {
		turn(a, b, c, &d, e, f, g, &h, K[i] + w[i]);
		turn(h, a, b, &c, d, e, f, &g, K[i + 1] + w[i + 1]);
		turn(g, h, a, &b, c, d, e, &f, K[i + 2] + w[i + 2]);
		turn(f, g, h, &a, b, c, d, &e, K[i + 3] + w[i + 3]);
		turn(e, f, g, &h, a, b, c, &d, K[i + 4] + w[i + 4]);
		turn(d, e, f, &g, h, a, b, &c, K[i + 5] + w[i + 5]);
		turn(c, d, e, &f, g, h, a, &b, K[i + 6] + w[i + 6]);
		turn(b, c, d, &e, f, g, h, &a, K[i + 7] + w[i + 7]);
	}
	const uint32_t turned[8] = {a, b, c, d, e, f, g, h};
	for (int i = 0; i < 8; i++)
		s[i] += turned[i];
}

void ts_sha256_init(struct ts_sha256 *h)
{
	static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	memcpy(h->state, start, sizeof(start));
	h->bytes = 0;
}

void ts_sha256_update(struct ts_sha256 *h, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t used = h->bytes % 64;
	if (!n) /* then `data` may be NULL, which memcpy may not be given */
		return;
	h->bytes += n;
	if (used) {
		size_t take = 64 - used < n ? 64 - used : n;
		memcpy(h->block + used, p, take);
		p += take;
		n -= take;
		if (used + take < 64)
			return;
		compress(h->state, h->block);
	}
	for (; n >= 64; p += 64, n -= 64)
		compress(h->state, p);
	if (n)
		memcpy(h->block, p, n);
}

void ts_sha256_final(struct ts_sha256 *h, unsigned char digest[32])
{
	uint64_t bits = h->bytes * 8;
	unsigned char pad[72] = {0x80};
	size_t used = h->bytes % 64;
	size_t zeros = used < 56 ? 56 - used : 120 - used;
	for (int i = 0; i < 8; i++)
		pad[zeros + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	ts_sha256_update(h, pad, zeros + 8);
	for (int i = 0; i < 32; i++)
		digest[i] = (unsigned char)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

void ts_sha256_hex(const unsigned char digest[32], char hex[65])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

int ts_sha256_file(const char *path, char hex[65], struct ts_error *err)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return ts_fail(err, errno == ENOENT ? TS_ENOTFOUND : TS_EIO, "%s: cannot open: %s", path, strerror(errno));
	struct ts_sha256 h;
	unsigned char buffer[1 << 14], digest[32];
	ts_sha256_init(&h);
	size_t n;
	do {
		n = fread(buffer, 1, sizeof(buffer), f);
		ts_sha256_update(&h, buffer, n);
	} while (n == sizeof(buffer));
	int failed = ferror(f);
	(void)fclose(f);
	if (failed)
		return ts_fail(err, TS_EIO, "%s: cannot be read", path);
	ts_sha256_final(&h, digest);
	ts_sha256_hex(digest, hex);
	return 0;
}
