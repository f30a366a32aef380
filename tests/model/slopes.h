/* Gradients by central differences of the loss, for any adapter. */
#ifndef TS_TESTS_SLOPES_H
#define TS_TESTS_SLOPES_H

#include "model/golden_model.h"
#include "model/train_pass.h"

enum { MAX_IDS = 1024 };

/* Two sequences in one pack. */
struct pack {
	int32_t ids[MAX_IDS], targets[MAX_IDS];
	size_t lengths[2], count;
	struct ts_packed packed;
};

/* Gradients of the mean loss; returns that loss. */
static inline double loss_and_gradients(const struct ts_model *m, const struct ts_adapter *a, const struct pack *p, struct ts_keep keep,
					float *grads)
{
	struct ts_error err = {0};
	struct ts_pass *pass;
	float logprobs[MAX_IDS];
	double loss = 0;
	memset(grads, 0, a->count * sizeof(float));
	ok(ts_pass_new(&pass, m, a, p->packed.rows, 2, keep, &err));
	ts_pass_forward(pass, &p->packed, 0, 0, 0, logprobs);
	ts_pass_backward(pass, (float)(1.0 / (double)p->count), grads);
	ts_pass_free(pass);
	for (size_t i = 0; i < p->packed.rows; i++)
		loss -= (double)logprobs[i];
	return loss / (double)p->count;
}

/* B of a fresh adapter is 0, and then A has no gradient. */
static inline void fill_b(struct ts_adapter *a)
{
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		for (size_t k = s->b; s->present && k < s->b + s->rank * s->out; k++)
			a->params[k] = 0.02f * (float)((int)(k * 37 % 11) - 5);
	}
}

/* Along the gradient of one matrix the loss changes by h |g|^2. */
static inline void check_slope(const char *what, const struct ts_model *m, struct ts_adapter *a, const struct pack *p, const float *grads,
			       int slot, bool half)
{
	const struct ts_slot *s = &a->slots[slot];
	size_t from = half ? s->b : s->a, n = s->rank * (half ? s->out : s->in);
	float *unused = calloc(a->count, sizeof(float)), *kept = malloc(n * sizeof(float));
	double square = 0, losses[2];
	for (size_t i = from; i < from + n; i++)
		square += (double)grads[i] * (double)grads[i];
	assert_true(square > 0);
	double h = 4e-3 / __builtin_sqrt(square);
	memcpy(kept, a->params + from, n * sizeof(float));
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < n; i++)
			a->params[from + i] = kept[i] + (float)((side ? -h : h) * (double)grads[from + i]);
		losses[side] = loss_and_gradients(m, a, p, TS_KEEP_ALL, unused);
	}
	memcpy(a->params + from, kept, n * sizeof(float));
	free(kept);
	free(unused);
	double slope = (losses[0] - losses[1]) / (2 * h);
	if (!(slope > 0.97 * square && slope < 1.03 * square))
		fail_msg("%s, layer %d %s %c: slope %g, gradient says %g", what, slot / TS_TARGETS, ts_target_name(slot % TS_TARGETS),
			 half ? 'B' : 'A', slope, square);
}

/* Whatever is computed again, the bits are the same. */
static inline void check_kept(const struct ts_model *m, const struct ts_adapter *a, const struct pack *p, double loss, const float *grads,
			      float *again)
{
	for (int layers = 0; layers < a->layers; layers++)
		for (int attention = layers; attention <= a->layers; attention++) {
			assert_true(loss_and_gradients(m, a, p, (struct ts_keep){layers, attention}, again) == loss);
			assert_memory_equal(grads, again, a->count * sizeof(float));
		}
}

/* Every matrix of the adapter; and layers that are computed again give the same bits. */
static inline void check_slopes(const char *what, const struct ts_model *m, struct ts_adapter *a, const struct pack *p)
{
	float *grads = calloc(a->count, sizeof(float)), *again = calloc(a->count, sizeof(float));
	double loss = loss_and_gradients(m, a, p, TS_KEEP_ALL, grads);
	for (int i = 0; i < a->layers * TS_TARGETS; i++)
		for (int half = 0; a->slots[i].present && half < 2; half++)
			check_slope(what, m, a, p, grads, i, half);
	check_kept(m, a, p, loss, grads, again);
	free(grads);
	free(again);
}

#endif
