/* One decoder layer forward; shared by inference (model.c) and training (train_pass.c), so that both give the same bits. */
#include "model/internal.h"

#include <string.h>

/* y += LoRA of a target whose product y is */
static void adapt(const struct ts_layer_call *c, enum ts_target target, float *y, const float *x, float *h)
{
	const struct ts_model *m = c->model;
	const struct ts_slot *slot = ts_adapter_slot(c->adapter, c->layer, target);
	if (!slot)
		return;
	size_t out, in;
	ts_target_shape(&m->config, target, &out, &in);
	struct ts_dropout drop = {0};
	if (c->dropout) {
		drop = *c->dropout;
		drop.layer = (uint32_t)c->layer;
		drop.target = (uint32_t)target;
	}
	const float *p = c->adapter->params;
	m->backend->ops->lora(m->backend, y, h, x, p + slot->a, p + slot->b, c->rows, in, out, slot->rank, slot->scale,
			      c->dropout ? &drop : NULL);
}

/* y[i] = x W^T + bias + LoRA of targets first, first + 1, ...: n that read the same x */
static void linears(const struct ts_layer_call *c, enum ts_target first, float *const *y, size_t n, const float *x, const struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	const struct ts_layer *l = &m->layers[c->layer];
	struct ts_product_out out[TS_PRODUCTS];
	for (size_t i = 0; i < n; i++)
		out[i] = (struct ts_product_out){.y = y[i], .weight = l->linear[first + i], .bias = l->bias[first + i]};
	m->backend->ops->matmuls(m->backend, out, n, x, c->rows);
	for (size_t i = 0; i < n; i++)
		adapt(c, (enum ts_target)(first + i), y[i], x, a->h[first + i]);
}

static void first_norm(const struct ts_layer_call *c, const float *x, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	m->backend->ops->rmsnorm(m->backend, a->norm1, x, m->layers[c->layer].norm1, c->rows, (size_t)m->config.hidden_size,
				 m->config.rms_norm_eps);
}

/* n of q, k, v, beginning with `first`, as the products give them. */
static void project(const struct ts_layer_call *c, struct ts_acts *a, enum ts_target first, size_t n)
{
	bool raw = c->model->config.qk_norm;
	float *y[] = {raw ? a->q_raw : a->q, raw ? a->k_raw : a->k, a->v};
	linears(c, first, y + (first - TS_Q), n, a->norm1, a);
}

/* Head norm and RoPE. */
static void turn_heads(const struct ts_layer_call *c, float *y, const float *raw, const float *norm, int heads)
{
	const struct ts_model *m = c->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t dim = (size_t)m->config.head_dim;
	if (m->config.qk_norm)
		ops->rmsnorm(m->backend, y, raw, norm, c->rows * (size_t)heads, dim, m->config.rms_norm_eps);
	ops->rope(m->backend, y, c->cosines, c->sines, c->rows, (size_t)heads, dim / 2, false);
}

static void turn_query(const struct ts_layer_call *c, struct ts_acts *a)
{
	turn_heads(c, a->q, a->q_raw, c->model->layers[c->layer].q_norm, c->model->config.heads);
}

static void turn_key(const struct ts_layer_call *c, struct ts_acts *a)
{
	turn_heads(c, a->k, a->k_raw, c->model->layers[c->layer].k_norm, c->model->config.kv_heads);
}

static void turn(const struct ts_layer_call *c, struct ts_acts *a)
{
	turn_query(c, a);
	turn_key(c, a);
}

static void append(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	m->backend->ops->kv_append(m->backend, c->kv, c->kv_layer, a->k, a->v, c->segments, c->segment_count);
}

static void attend(const struct ts_layer_call *c, struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	m->backend->ops->attention(m->backend, a->attention, a->lse, a->q, c->kv, c->kv_layer, (size_t)m->config.heads,
				   ts_model_config_window(&m->config, c->layer), c->segments, c->segment_count);
}

/* y = x + the product of `from` */
static void add_linear(const struct ts_layer_call *c, enum ts_target target, float *y, const float *x, const float *from,
		       const struct ts_acts *a)
{
	const struct ts_model *m = c->model;
	linears(c, target, &y, 1, from, a);
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
	float *y[] = {a->gate, a->up};
	linears(c, TS_GATE, y, 2, a->norm2, a);
}

/* From q, and the keys and values in the pool, to the layer's output. */
static void rest(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a)
{
	attend(c, a);
	add_linear(c, TS_O, a->middle, x, a->attention, a);
	widen(c, a);
	gated_product(c, a);
	add_linear(c, TS_DOWN, out, a->middle, a->product, a);
}

void ts_layer_forward(const struct ts_layer_call *c, float *out, const float *x, struct ts_acts *a)
{
	first_norm(c, x, a);
	project(c, a, TS_Q, 3);
	turn(c, a);
	append(c, a);
	rest(c, out, x, a);
}

/* to[i] = from[row[i]] */
static void pick_rows(float *to, const float *from, const uint32_t *row, size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++)
		memcpy(to + i * width, from + row[i] * width, width * sizeof(*to));
}

/* The segments that the picked rows make, one after the other; returns how many. */
static size_t pick_segments(struct ts_segment *to, const struct ts_segment *all, const uint32_t *row, size_t count)
{
	size_t n = 0, s = 0;
	for (size_t i = 0; i < count; i++) {
		size_t before = s;
		for (s = row[i] < all[s].row ? 0 : s; row[i] >= all[s].row + all[s].rows; s++)
			;
		if (n && s == before && row[i] == row[i - 1] + 1)
			to[n - 1].rows++;
		else
			to[n++] = (struct ts_segment){
				.row = i, .rows = 1, .position = all[s].position + (row[i] - all[s].row), .pages = all[s].pages};
	}
	return n;
}

void ts_layer_last(const struct ts_layer_call *all, const float *x, struct ts_acts *a, const uint32_t *wanted, size_t count,
		   const struct ts_picked *picked)
{
	const struct ts_model_config *g = &all->model->config;
	first_norm(all, x, a);
	project(all, a, TS_K, 2);
	turn_key(all, a);
	append(all, a);
	if (!count)
		return;
	size_t hidden = (size_t)g->hidden_size, half = (size_t)g->head_dim / 2;
	struct ts_layer_call c = *all;
	struct ts_acts few = *a;
	few.norm1 = a->norm2; /* not used before norm1 was */
	few.norm2 = a->norm1;
	c.rows = count;
	c.segments = picked->segments;
	c.segment_count = pick_segments(picked->segments, all->segments, wanted, count);
	c.cosines = picked->cosines;
	c.sines = picked->sines;
	pick_rows(picked->x, x, wanted, count, hidden);
	pick_rows(few.norm1, a->norm1, wanted, count, hidden);
	pick_rows(picked->cosines, all->cosines, wanted, count, half);
	pick_rows(picked->sines, all->sines, wanted, count, half);
	project(&c, &few, TS_Q, 1);
	turn_query(&c, &few);
	rest(&c, picked->x, picked->x, &few);
}

static bool adapted(const struct ts_layer_call *c, enum ts_target t)
{
	return ts_adapter_slot(c->adapter, c->layer, t) != NULL;
}

/* Norms and the gated product are wanted by the gradients of adapters alone. */
static void refresh(const struct ts_layer_call *c, const float *x, struct ts_acts *a)
{
	if (adapted(c, TS_Q) || adapted(c, TS_K) || adapted(c, TS_V))
		first_norm(c, x, a);
	if (c->model->config.qk_norm)
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
	first_norm(c, x, a);
	project(c, a, TS_Q, 3);
	turn(c, a);
	if (kept == TS_KEPT_INPUT) {
		append(c, a);
		attend(c, a);
	}
	add_linear(c, TS_O, a->middle, x, a->attention, a);
	widen(c, a);
	if (adapted(c, TS_DOWN)) { /* for its h; the output is written once more, with the same bits */
		gated_product(c, a);
		add_linear(c, TS_DOWN, out, a->middle, a->product, a);
	}
}
