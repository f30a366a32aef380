#include "core/philox.h"

#include "core/sha256.h"

#include <string.h>

void ts_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
	uint32_t k0 = key[0], k1 = key[1];
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		c0 = n0;
		c2 = n2;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

static void hash_u64(struct ts_sha256 *h, uint64_t v)
{
	unsigned char b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	ts_sha256_update(h, b, sizeof(b));
}

static uint32_t word(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

struct ts_random_key ts_random_key_make(uint64_t seed, const char *purpose, const void *text, size_t len, uint64_t attempt)
{
	struct ts_sha256 h;
	struct ts_random_key k;
	unsigned char *d = k.digest;
	ts_sha256_init(&h);
	hash_u64(&h, seed);
	hash_u64(&h, strlen(purpose));
	ts_sha256_update(&h, purpose, strlen(purpose));
	hash_u64(&h, len);
	ts_sha256_update(&h, text, len);
	hash_u64(&h, attempt);
	ts_sha256_final(&h, d);
	k.key[0] = word(d);
	k.key[1] = word(d + 4);
	k.stream[0] = word(d + 8);
	k.stream[1] = word(d + 12);
	return k;
}

double ts_random_uniform(const struct ts_random_key *k, uint64_t n)
{
	uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), k->stream[0], k->stream[1]}, out[4];
	ts_philox4x32(k->key, counter, out);
	uint64_t bits = ((uint64_t)out[0] << 32 | out[1]) >> 11;
	return (double)bits * 0x1p-53;
}

/* A uniform in [0, bound) without modulo bias: Lemire's multiplication over 64-bit words. The words of
 * rejected draws come from the counter's second word, so that draw i never shifts draw i + 1. */
static uint64_t below(const uint32_t key[2], uint64_t epoch, uint64_t draw, uint64_t bound)
{
	uint64_t reject_below = (0 - bound) % bound;
	for (uint32_t round = 0;; round++) {
		uint32_t counter[4] = {(uint32_t)draw, round, (uint32_t)epoch, (uint32_t)(epoch >> 32)}, out[4];
		ts_philox4x32(key, counter, out);
		__extension__ unsigned __int128 product = (unsigned __int128)((uint64_t)out[0] << 32 | out[1]) * bound;
		if ((uint64_t)product >= reject_below)
			return (uint64_t)(product >> 64);
	}
}

void ts_random_order(uint64_t seed, uint64_t epoch, size_t *order, size_t n)
{
	uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)below(key, epoch, i, i), kept = order[i - 1];
		order[i - 1] = order[j];
		order[j] = kept;
	}
}
