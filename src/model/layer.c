/* One decoder layer forward; shared by inference (model.c) and training (train_pass.c), so that both give the same bits. */
#include "model/internal.h"

/* y = x W^T + bias + LoRA */
static void linear(const struct ts_layer_call *c, enum ts_target target, float *y, const float *x, float *h)
{
	const struct ts_model *m = c->model;
	const struct ts_layer *l = &m->layers[c->layer];
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t out, in;
	ts_target_shape(&m->config, target, &out, &in);
	ops->matmul(m->backend, y, out, x, l->linear[target], 0, out, l->bias[target], c->rows);
	const struct ts_slot *slot = ts_adapter_slot(c->adapter, c->layer, target);
	if (!slot)
		return;
	struct ts_dropout drop = {0};
	if (c->dropout) {
		drop = *c->dropout;
		drop.layer = (uint32_t)c->layer;
		drop.target = (uint32_t)target;
	}
	const float *p = c->adapter->params;
	ops->lora(m->backend, y, h, x, p + slot->a, p + slot->b, c->rows, in, out, slot->rank, slot->scale, c->dropout ? &drop : NULL);
}

static void attention_block(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_model_config *g = &m->config;
	const struct ts_layer *l = &m->layers[c->layer];
	struct ts_backend *b = m->backend;
	const struct ts_backend_ops *ops = b->ops;
	size_t heads = (size_t)g->heads, kv_heads = (size_t)g->kv_heads, dim = (size_t)g->head_dim;
	float *q = g->qk_norm ? a->q_raw : a->q, *k = g->qk_norm ? a->k_raw : a->k;

	ops->rmsnorm(b, a->norm1, x, l->norm1, c->rows, (size_t)g->hidden_size, g->rms_norm_eps);
	linear(c, TS_Q, q, a->norm1, a->h[TS_Q]);
	linear(c, TS_K, k, a->norm1, a->h[TS_K]);
	linear(c, TS_V, a->v, a->norm1, a->h[TS_V]);
	if (g->qk_norm) {
		ops->rmsnorm(b, a->q, q, l->q_norm, c->rows * heads, dim, g->rms_norm_eps);
		ops->rmsnorm(b, a->k, k, l->k_norm, c->rows * kv_heads, dim, g->rms_norm_eps);
	}
	ops->rope(b, a->q, c->cosines, c->sines, c->rows, heads, dim / 2, false);
	ops->rope(b, a->k, c->cosines, c->sines, c->rows, kv_heads, dim / 2, false);
	ops->kv_append(b, c->kv, c->kv_layer, a->k, a->v, c->segments, c->segment_count);
	ops->attention(b, a->attention, a->lse, a->q, c->kv, c->kv_layer, heads, ts_model_config_window(g, c->layer), c->segments,
		       c->segment_count);
	linear(c, TS_O, out, a->attention, a->h[TS_O]);
	ops->add(b, out, x, c->rows * (size_t)g->hidden_size);
}

void ts_layer_forward(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_model_config *g = &m->config;
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t hidden = (size_t)g->hidden_size;

	attention_block(c, a->middle, x, a);
	ops->rmsnorm(m->backend, a->norm2, a->middle, m->layers[c->layer].norm2, c->rows, hidden, g->rms_norm_eps);
	linear(c, TS_GATE, a->gate, a->norm2, a->h[TS_GATE]);
	linear(c, TS_UP, a->up, a->norm2, a->h[TS_UP]);
	ops->swiglu(m->backend, a->product, a->gate, a->up, c->rows * (size_t)g->intermediate_size);
	linear(c, TS_DOWN, out, a->product, a->h[TS_DOWN]);
	ops->add(m->backend, out, a->middle, c->rows * hidden);
}
