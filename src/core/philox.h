/* Philox4x32-10: a counter-based random generator. The same (key, counter) gives the same four words
 * everywhere, so a sample depends on what it is for and on nothing that happened before.
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11, section 4. */
#ifndef TS_CORE_PHILOX_H
#define TS_CORE_PHILOX_H

#include <stddef.h>
#include <stdint.h>

void ts_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A stream of randomness named by a hash (contracts.md section 2). */
struct ts_random_key {
	uint32_t key[2];
	uint32_t stream[2];       /* counter words 2 and 3 */
	unsigned char digest[32]; /* the whole hash: the sample's identity in a journal */
};

/* SHA-256 over (seed, purpose, text, try), each part with its length in front. */
struct ts_random_key ts_random_key_make(uint64_t seed, const char *purpose, const void *text, size_t len, uint64_t attempt);

/* The `counter`-th uniform of the stream, in [0, 1), 53 bits. */
double ts_random_uniform(const struct ts_random_key *, uint64_t counter);

/* order[0..n) = a permutation of 0..n-1: Fisher-Yates (Durstenfeld) driven by Philox(seed, epoch). */
void ts_random_order(uint64_t seed, uint64_t epoch, size_t *order, size_t n);

#endif
