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

/* norm1, and q, k, v as the products give them. */
static void project(const struct ts_layer_call *c, const float *x, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_model_config *g = &m->config;
	m->backend->ops->rmsnorm(m->backend, a->norm1, x, m->layers[c->layer].norm1, c->rows, (size_t)g->hidden_size, g->rms_norm_eps);
	linear(c, TS_Q, g->qk_norm ? a->q_raw : a->q, a->norm1, a->h[TS_Q]);
	linear(c, TS_K, g->qk_norm ? a->k_raw : a->k, a->norm1, a->h[TS_K]);
	linear(c, TS_V, a->v, a->norm1, a->h[TS_V]);
}

/* Head norms and RoPE. */
static void turn(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_model_config *g = &m->config;
	const struct ts_layer *l = &m->layers[c->layer];
	struct ts_backend *b = m->backend;
	const struct ts_backend_ops *ops = b->ops;
	size_t heads = (size_t)g->heads, kv_heads = (size_t)g->kv_heads, dim = (size_t)g->head_dim;
	if (g->qk_norm) {
		ops->rmsnorm(b, a->q, a->q_raw, l->q_norm, c->rows * heads, dim, g->rms_norm_eps);
		ops->rmsnorm(b, a->k, a->k_raw, l->k_norm, c->rows * kv_heads, dim, g->rms_norm_eps);
	}
	ops->rope(b, a->q, c->cosines, c->sines, c->rows, heads, dim / 2, false);
	ops->rope(b, a->k, c->cosines, c->sines, c->rows, kv_heads, dim / 2, false);
}

static void attend(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	ops->kv_append(m->backend, c->kv, c->kv_layer, a->k, a->v, c->segments, c->segment_count);
	ops->attention(m->backend, a->attention, a->lse, a->q, c->kv, c->kv_layer, (size_t)m->config.heads,
		       ts_model_config_window(&m->config, c->layer), c->segments, c->segment_count);
}

/* y = x + the product of `from` */
static void add_linear(const struct ts_layer_call *c, enum ts_target target, float *y, const float *x, const float *from, float *h)
{
	const struct ts_model *m = c->model;
	linear(c, target, y, from, h);
	m->backend->ops->add(m->backend, y, x, c->rows * (size_t)m->config.hidden_size);
}

static void second_norm(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	m->backend->ops->rmsnorm(m->backend, a->norm2, a->middle, m->layers[c->layer].norm2, c->rows, (size_t)m->config.hidden_size,
				 m->config.rms_norm_eps);
}

static void gated_product(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	m->backend->ops->swiglu(m->backend, a->product, a->gate, a->up, c->rows * (size_t)m->config.intermediate_size);
}

static void widen(const struct ts_layer_call *c, struct ts_acts *a)
{
	second_norm(c, a);
	linear(c, TS_GATE, a->gate, a->norm2, a->h[TS_GATE]);
	linear(c, TS_UP, a->up, a->norm2, a->h[TS_UP]);
}

void ts_layer_forward(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a)
{
	project(c, x, a);
	turn(c, a);
	attend(c, a);
	add_linear(c, TS_O, a->middle, x, a->attention, a->h[TS_O]);
	widen(c, a);
	gated_product(c, a);
	add_linear(c, TS_DOWN, out, a->middle, a->product, a->h[TS_DOWN]);
}

static bool adapted(const struct ts_layer_call *c, enum ts_target t)
{
	return ts_adapter_slot(c->adapter, c->layer, t) != NULL;
}

/* Norms and the gated product are wanted by the gradients of adapters alone. */
static void refresh(const struct ts_layer_call *c, const float *x, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_model_config *g = &m->config;
	if (adapted(c, TS_Q) || adapted(c, TS_K) || adapted(c, TS_V))
		m->backend->ops->rmsnorm(m->backend, a->norm1, x, m->layers[c->layer].norm1, c->rows, (size_t)g->hidden_size,
					 g->rms_norm_eps);
	if (g->qk_norm)
		turn(c, a);
	if (adapted(c, TS_GATE) || adapted(c, TS_UP))
		second_norm(c, a);
	if (adapted(c, TS_DOWN))
		gated_product(c, a);
}

void ts_layer_again(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a, enum ts_kept kept)
{
	if (kept == TS_KEPT_PRODUCTS) {
		refresh(c, x, a);
		return;
	}
	project(c, x, a);
	turn(c, a);
	if (kept == TS_KEPT_INPUT)
		attend(c, a);
	add_linear(c, TS_O, a->middle, x, a->attention, a->h[TS_O]);
	widen(c, a);
	if (adapted(c, TS_DOWN)) { /* for its h; the output is written once more, with the same bits */
		gated_product(c, a);
		add_linear(c, TS_DOWN, out, a->middle, a->product, a->h[TS_DOWN]);
	}
}
