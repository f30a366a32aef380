#include "core/sha1.h"

#include <stdio.h>
#include <string.h>

static uint32_t rotl(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

/* The function of the 20 rounds to which round `i` belongs, with its constant. */
static uint32_t mix(int i, uint32_t b, uint32_t c, uint32_t d)
{
	if (i < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (i < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (i < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void compress(uint32_t s[5], const unsigned char *p)
{
	uint32_t w[80], v[5];
	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, s, sizeof(v));
	for (int i = 0; i < 80; i++) {
		uint32_t t = rotl(v[0], 5) + mix(i, v[1], v[2], v[3]) + v[4] + w[i];
		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotl(v[1], 30);
		v[1] = v[0];
		v[0] = t;
	}
	for (int i = 0; i < 5; i++)
		s[i] += v[i];
}

void ts_sha1_init(struct ts_sha1 *h)
{
	static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	memcpy(h->state, start, sizeof(start));
	h->bytes = 0;
}

void ts_sha1_init_git(struct ts_sha1 *h, uint64_t size)
{
	char head[40];
	int n = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)size);
	ts_sha1_init(h);
	ts_sha1_update(h, head, (size_t)n + 1);
}

void ts_sha1_update(struct ts_sha1 *h, const void *data, size_t n)
{
	const unsigned char *p = data;
	while (n) {
		size_t used = h->bytes % 64, take = 64 - used < n ? 64 - used : n;
		memcpy(h->block + used, p, take);
		h->bytes += take;
		p += take;
		n -= take;
		if (used + take == 64)
			compress(h->state, h->block);
	}
}

void ts_sha1_final(struct ts_sha1 *h, char hex[41])
{
	uint64_t bits = h->bytes * 8;
	unsigned char pad[72] = {0x80};
	size_t used = h->bytes % 64, zeros = used < 56 ? 56 - used : 120 - used;
	for (int i = 0; i < 8; i++)
		pad[zeros + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	ts_sha1_update(h, pad, zeros + 8);
	for (size_t i = 0; i < 5; i++)
		snprintf(hex + 8 * i, 9, "%08x", h->state[i]);
}
