/* No full sort: a heap gives the candidates in descending order, and top-k and top-p need only its first few. */
#include "generate/sampler.h"

#include "tensor/math.h"

#include <stdbool.h>

static bool before(const struct ts_candidate *a, const struct ts_candidate *b)
{
	return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static void sift_down(struct ts_candidate *heap, size_t n, size_t i)
{
	struct ts_candidate moving = heap[i];
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &moving))
			break;
		heap[i] = heap[child];
	}
	heap[i] = moving;
}

/* Takes the first candidate off the heap of n; it goes to heap[n - 1]. */
static struct ts_candidate pop(struct ts_candidate *heap, size_t n)
{
	struct ts_candidate first = heap[0];
	heap[0] = heap[n - 1];
	heap[n - 1] = first;
	sift_down(heap, n - 1, 0);
	return first;
}

static void reverse(struct ts_candidate *c, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct ts_candidate t = c[i];
		c[i] = c[n - 1 - i];
		c[n - 1 - i] = t;
	}
}

static int collect(const float *logits, size_t vocab, double temperature, struct ts_candidate *c, size_t *count)
{
	float t = (float)temperature;
	size_t n = 0;
	for (size_t i = 0; i < vocab; i++) {
		float x = logits[i] / t;
		if (x != x || x == __builtin_inff())
			return TS_ENUMERIC;
		if (x > -__builtin_inff())
			c[n++] = (struct ts_candidate){x, (int32_t)i, 0};
	}
	*count = n;
	return n ? 0 : TS_ENUMERIC;
}

int ts_sampler_distribution(const float *logits, size_t vocab, const struct ts_sampling *s, struct ts_candidate *c, size_t *kept)
{
	size_t n;
	TS_TRY(collect(logits, vocab, s->temperature, c, &n));
	for (size_t i = n / 2; i-- > 0;)
		sift_down(c, n, i);
	float largest = c[0].logit;

	/* Descending candidates gather at the end of the array, the best last. */
	size_t left = n, top_k = s->top_k > 0 && (size_t)s->top_k < n ? (size_t)s->top_k : n;
	double total = 0;
	if (top_k < n) {
		float threshold = largest;
		while (left > 0 && (n - left < top_k || c[0].logit == threshold))
			threshold = pop(c, left--).logit;
		for (size_t i = left; i < n; i++)
			total += c[i].p = ts_exp((double)c[i].logit - (double)largest);
	} else {
		for (size_t i = 0; i < n; i++)
			total += c[i].p = ts_exp((double)c[i].logit - (double)largest);
	}
	/* With top-k the candidates already stand in order behind `left`; without it they are popped as needed. */
	size_t taken = 0, available = top_k < n ? n - left : n;
	double sum = 0, limit = s->top_p * total;
	while (taken < available && (taken == 0 || s->top_p >= 1 || sum < limit)) {
		if (top_k == n)
			pop(c, n - taken);
		/* Below the smallest f32 the reference's probability is 0, and no uniform of 53 bits could choose it. */
		if (taken && (float)c[n - 1 - taken].p == 0.0f)
			break;
		sum += c[n - 1 - taken].p;
		taken++;
	}
	reverse(c, n);
	for (size_t i = 0; i < taken; i++)
		c[i].p /= sum;
	*kept = taken;
	return 0;
}

static int choose_largest(const float *logits, size_t vocab, int32_t *token)
{
	size_t best = 0;
	for (size_t i = 0; i < vocab; i++) {
		if (logits[i] != logits[i])
			return TS_ENUMERIC;
		if (logits[i] > logits[best])
			best = i;
	}
	*token = (int32_t)best;
	return 0;
}

int ts_sampler_choose(const float *logits, size_t vocab, const struct ts_sampling *s, double u, struct ts_candidate *c, int32_t *token)
{
	if (s->temperature <= 0)
		return choose_largest(logits, vocab, token);
	size_t kept;
	TS_TRY(ts_sampler_distribution(logits, vocab, s, c, &kept));
	double sum = 0;
	size_t i = 0;
	while (i + 1 < kept && (sum += c[i].p) <= u)
		i++;
	*token = c[i].id;
	return 0;
}
