/* The vocabulary is never sorted. One pass finds the maximum of each block of logits. The n-th largest maximum is a bound that at least n
 * logits reach, so all of the n largest are among those that reach it: these few are gathered, from the blocks that have any, and sorted.
 * Top-k knows how many it needs; top-p begins with a few and asks for more until its sum is reached. Only where neither bounds what is
 * kept are all tokens sorted, by the digits of their logits. */
#include "generate/sampler.h"

#include "core/mem.h"
#include "tensor/math.h"

#include <string.h>

enum {
	FIRST_GUESS = 64, /* of the tokens that top-p keeps */
	DIGIT_BITS = 11,
	DIGITS = 1 << DIGIT_BITS,
	PASSES = 3,
};

struct ts_sampler {
	const struct ts_backend_ops *ops;
	size_t vocab, blocks;
	float *maxima; /* [blocks] */
	/* An entry is the logit as a number that ascends when the logit descends, above the id. */
	uint64_t *entries, *spare; /* [vocab] */
	struct ts_candidate *candidates;
};

static size_t blocks_of(size_t vocab)
{
	return (vocab + TS_LOGIT_BLOCK - 1) / TS_LOGIT_BLOCK;
}

size_t ts_sampler_bytes(size_t vocab)
{
	return blocks_of(vocab) * sizeof(float) + vocab * (2 * sizeof(uint64_t) + sizeof(struct ts_candidate));
}

int ts_sampler_new(struct ts_sampler **out, const struct ts_backend *b, size_t vocab)
{
	struct ts_sampler *s = *out = ts_calloc(1, sizeof(*s));
	if (!s)
		return TS_ENOMEM;
	*s = (struct ts_sampler){.ops = b->ops, .vocab = vocab, .blocks = blocks_of(vocab)};
	s->maxima = ts_calloc(s->blocks, sizeof(*s->maxima));
	s->entries = ts_calloc(vocab, sizeof(*s->entries));
	s->spare = ts_calloc(vocab, sizeof(*s->spare));
	s->candidates = ts_calloc(vocab, sizeof(*s->candidates));
	if (s->maxima && s->entries && s->spare && s->candidates)
		return 0;
	ts_sampler_free(s);
	*out = NULL;
	return TS_ENOMEM;
}

void ts_sampler_free(struct ts_sampler *s)
{
	if (!s)
		return;
	ts_free(s->maxima);
	ts_free(s->entries);
	ts_free(s->spare);
	ts_free(s->candidates);
	ts_free(s);
}

/* --- entries --- */

static uint64_t entry(float x, size_t id)
{
	uint32_t bits;
	x += 0.0f; /* the zeros are equal */
	memcpy(&bits, &x, sizeof(bits));
	bits = bits >> 31 ? bits : ~bits & 0x7fffffff;
	return (uint64_t)bits << 32 | id;
}

static float logit_of(uint64_t entry)
{
	uint32_t bits = (uint32_t)(entry >> 32);
	float x;
	bits = bits >> 31 ? bits : ~bits & 0x7fffffff;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* By logit, descending; equal ones stay as they come, which is by id. The result is in s->entries. */
static void sort(struct ts_sampler *s, size_t n)
{
	for (int pass = 0; pass < PASSES; pass++) {
		size_t starts[DIGITS] = {0}, at = 0;
		int shift = 32 + pass * DIGIT_BITS;
		for (size_t i = 0; i < n; i++)
			starts[s->entries[i] >> shift & (DIGITS - 1)]++;
		for (int d = 0; d < DIGITS; d++) {
			size_t count = starts[d];
			starts[d] = at;
			at += count;
		}
		for (size_t i = 0; i < n; i++)
			s->spare[starts[s->entries[i] >> shift & (DIGITS - 1)]++] = s->entries[i];
		uint64_t *sorted = s->spare;
		s->spare = s->entries;
		s->entries = sorted;
	}
}

/* A bound that at least n logits reach; -Inf when that may be all. */
static float bound_of(struct ts_sampler *s, size_t n)
{
	if (n >= s->blocks)
		return -__builtin_inff();
	for (size_t b = 0; b < s->blocks; b++)
		s->entries[b] = entry(s->maxima[b], b);
	sort(s, s->blocks);
	return logit_of(s->entries[n - 1]);
}

/* The finite logits that reach the bound, in order. */
static size_t gather(struct ts_sampler *s, const float *logits, float divisor, float bound)
{
	size_t n = 0;
	for (size_t b = 0; b < s->blocks; b++) {
		size_t first = b * TS_LOGIT_BLOCK, last = first + TS_LOGIT_BLOCK < s->vocab ? first + TS_LOGIT_BLOCK : s->vocab;
		if (!(s->maxima[b] >= bound))
			continue;
		for (size_t i = first; i < last; i++) {
			float x = logits[i] / divisor;
			if (x >= bound && x > -__builtin_inff())
				s->entries[n++] = entry(x, i);
		}
	}
	sort(s, n);
	for (size_t i = 0; i < n; i++)
		s->candidates[i] = (struct ts_candidate){.logit = logit_of(s->entries[i]), .id = (int32_t)(uint32_t)s->entries[i]};
	return n;
}

/* --- the rules --- */

/* Of n candidates those that top-p keeps, with their p; *sum of these. */
static size_t take(struct ts_candidate *c, size_t n, double top_p, double total, double *sum)
{
	size_t taken = 0;
	double limit = top_p * total;
	for (*sum = 0; taken < n && (taken == 0 || top_p >= 1 || *sum < limit); taken++) {
		double p = ts_exp((double)c[taken].logit - (double)c[0].logit);
		/* Below the smallest f32 the reference's probability is 0, and no uniform of 53 bits could choose it. */
		if (taken && (float)p == 0.0f)
			break;
		*sum += c[taken].p = p;
	}
	return taken;
}

static size_t keep_top_k(struct ts_sampler *s, const float *logits, float divisor, size_t top_k, double top_p, double *sum)
{
	struct ts_candidate *c = s->candidates;
	size_t n = gather(s, logits, divisor, bound_of(s, top_k)), k = top_k < n ? top_k : n;
	double total = 0;
	while (k < n && c[k].logit == c[k - 1].logit)
		k++;
	for (size_t i = k; i-- > 0 && top_p < 1;)
		total += ts_exp((double)c[i].logit - (double)c[0].logit);
	return take(c, k, top_p, total, sum);
}

static size_t keep_top_p(struct ts_sampler *s, const float *logits, float divisor, float largest, double top_p, double *sum)
{
	double total = top_p < 1 ? s->ops->sum_exp(logits, s->vocab, divisor, largest) : 0;
	size_t wanted = top_p < 1 ? FIRST_GUESS : s->vocab;
	for (;; wanted *= 8) {
		size_t n = gather(s, logits, divisor, bound_of(s, wanted)), taken = take(s->candidates, n, top_p, total, sum);
		if (taken < n || wanted >= s->blocks)
			return taken;
	}
}

int ts_sampler_distribution(struct ts_sampler *s, const float *logits, const struct ts_sampling *sampling, const struct ts_candidate **kept,
			    size_t *count)
{
	float divisor = (float)sampling->temperature, largest = -__builtin_inff();
	double sum;
	if (!s->ops->block_max(s->maxima, logits, s->vocab))
		return TS_ENUMERIC;
	for (size_t b = 0; b < s->blocks; b++) {
		s->maxima[b] /= divisor; /* rounding keeps the order, so this is the maximum of the quotients */
		largest = s->maxima[b] > largest ? s->maxima[b] : largest;
	}
	if (!__builtin_isfinite(largest))
		return TS_ENUMERIC;
	if (sampling->top_k > 0 && (size_t)sampling->top_k < s->vocab)
		*count = keep_top_k(s, logits, divisor, (size_t)sampling->top_k, sampling->top_p, &sum);
	else
		*count = keep_top_p(s, logits, divisor, largest, sampling->top_p, &sum);
	for (size_t i = 0; i < *count; i++)
		s->candidates[i].p /= sum;
	*kept = s->candidates;
	return 0;
}

static int choose_largest(struct ts_sampler *s, const float *logits, int32_t *token)
{
	size_t best = 0;
	if (!s->ops->block_max(s->maxima, logits, s->vocab))
		return TS_ENUMERIC;
	for (size_t b = 1; b < s->blocks; b++)
		if (s->maxima[b] > s->maxima[best])
			best = b;
	size_t i = best * TS_LOGIT_BLOCK;
	while (logits[i] != s->maxima[best])
		i++;
	*token = (int32_t)i;
	return 0;
}

int ts_sampler_choose(struct ts_sampler *s, const float *logits, const struct ts_sampling *sampling, double u, int32_t *token)
{
	const struct ts_candidate *c;
	size_t kept, i = 0;
	double sum = 0;
	if (sampling->temperature <= 0)
		return choose_largest(s, logits, token);
	TS_TRY(ts_sampler_distribution(s, logits, sampling, &c, &kept));
	while (i + 1 < kept && (sum += c[i].p) <= u)
		i++;
	*token = c[i].id;
	return 0;
}
