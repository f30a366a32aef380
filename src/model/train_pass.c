/* Each backward step stands beside its forward's order in layer.c, read upwards.
 *
 * The head sees only the rows that have a target: they are gathered behind the last layer, and their gradients scattered back. */
#include "model/train_internal.h"

#include <string.h>

static void set_pack(struct ts_pass *p, const struct ts_packed *pack)
{
	size_t row = 0, page = 0;
	for (size_t s = 0; s < pack->sequences; s++) {
		size_t n = pack->lengths[s];
		p->segments[s] = (struct ts_segment){row, n, 0, p->pages + page};
		for (size_t i = 0; i < n; i++) {
			p->positions[row + i] = (uint32_t)i;
			p->row_in_batch[row + i] = pack->row_in_batch[s];
		}
		row += n;
		page += (n + TS_KV_PAGE - 1) / TS_KV_PAGE;
	}
	p->rows = row;
	p->sequences = pack->sequences;
	p->wanted_count = 0;
	for (size_t i = 0; i < row; i++)
		if (pack->targets[i] >= 0) {
			p->wanted[p->wanted_count] = (uint32_t)i;
			p->targets[p->wanted_count++] = pack->targets[i];
		}
}

static float *input_of(const struct ts_pass *p, int layer)
{
	return p->inputs + (size_t)layer * p->max_rows * (size_t)p->model->config.hidden_size;
}

static struct ts_layer_call layer_call(const struct ts_pass *p, int layer)
{
	return (struct ts_layer_call){
		.model = p->model,
		.adapter = p->adapter,
		.layer = layer,
		.kv_layer = 0,
		.rows = p->rows,
		.kv = &p->kv,
		.segments = p->segments,
		.segment_count = p->sequences,
		.cosines = p->cosines,
		.sines = p->sines,
		.dropout = p->dropout.p > 0 ? &p->dropout : NULL,
	};
}

/* The layers and the head; of the rows with a target hidden states, lse and mean go where the caller wants them. */
static void forward(struct ts_pass *p, const struct ts_packed *pack, const struct ts_adapter *adapter, float *head_input, float *lse,
		    float *mean, float *logprobs)
{
	const struct ts_model *m = p->model;
	struct ts_backend *b = m->backend;
	const struct ts_backend_ops *ops = b->ops;
	size_t hidden = (size_t)m->config.hidden_size;
	ops->embed(b, input_of(p, 0), pack->ids, m->embed, p->rows);
	ts_rope_rows(m, p->cosines, p->sines, p->positions, p->rows, p->segments, p->sequences, pack->lengths);
	for (int i = 0; i < m->config.layers; i++) {
		struct ts_layer_call call = layer_call(p, i);
		call.adapter = adapter;
		ts_layer_forward(&call, input_of(p, i + 1), input_of(p, i), &p->acts[i]);
	}
	for (size_t i = 0; i < p->wanted_count; i++)
		memcpy(p->last + i * hidden, input_of(p, m->config.layers) + p->wanted[i] * hidden, hidden * sizeof(float));
	ops->rmsnorm(b, head_input, p->last, m->norm, p->wanted_count, hidden, m->config.rms_norm_eps);
	if (p->temperature != 1.0f) /* the logits are linear in what goes into the head */
		for (size_t i = 0; i < p->wanted_count * hidden; i++)
			head_input[i] /= p->temperature;
	ops->vocab_forward(b, lse, p->picked, mean, head_input, m->head, p->targets, p->wanted_count);
	memset(logprobs, 0, p->rows * sizeof(float));
	for (size_t i = 0; i < p->wanted_count; i++)
		logprobs[p->wanted[i]] = p->picked[i] - lse[i];
}

void ts_pass_forward(struct ts_pass *p, const struct ts_packed *pack, float dropout_p, uint64_t seed, uint32_t step, float *logprobs)
{
	set_pack(p, pack);
	p->dropout =
		(struct ts_dropout){.p = dropout_p, .seed = seed, .step = step, .row_in_batch = p->row_in_batch, .position = p->positions};
	forward(p, pack, p->adapter, p->hidden, p->lse, p->mean, logprobs);
}

void ts_pass_reference(struct ts_pass *p, const struct ts_packed *pack, float *logprobs)
{
	set_pack(p, pack);
	p->dropout = (struct ts_dropout){0};
	forward(p, pack, NULL, p->reference, p->reference_lse, p->reference_mean, logprobs);
}

void ts_pass_temperature(struct ts_pass *p, float temperature)
{
	p->temperature = temperature;
}

/* With g = sum of p_ref W over the vocabulary: sum of p_ref (z_ref - z) = (h_ref - h) g, so no logit is needed twice. */
void ts_pass_kl(struct ts_pass *p, float *kl)
{
	size_t hidden = (size_t)p->model->config.hidden_size;
	memset(kl, 0, p->rows * sizeof(float));
	for (size_t i = 0; i < p->wanted_count; i++) {
		double sum = (double)p->lse[i] - (double)p->reference_lse[i];
		for (size_t k = i * hidden; k < (i + 1) * hidden; k++)
			sum += ((double)p->reference[k] - (double)p->hidden[k]) * (double)p->reference_mean[k];
		kl[p->wanted[i]] = (float)sum;
	}
}

/* dx (+)= dy W + the adapter's part; the adapter's gradients accumulate. dx may be NULL. */
static void linear_backward(struct ts_pass *p, int layer, enum ts_target target, float *dx, const float *dy, const float *x, float *grads,
			    bool accumulate)
{
	const struct ts_model *m = p->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t out, in;
	ts_target_shape(&m->config, target, &out, &in);
	if (dx)
		ops->matmul_dx(m->backend, dx, dy, out, m->layers[layer].linear[target], 0, out, p->rows, accumulate);
	const struct ts_slot *s = ts_adapter_slot(p->adapter, layer, target);
	if (!s)
		return;
	struct ts_dropout drop = p->dropout;
	drop.layer = (uint32_t)layer;
	drop.target = (uint32_t)target;
	const float *params = p->adapter->params;
	ops->lora_backward(m->backend, grads + s->a, grads + s->b, dx, dy, x, p->acts[layer].h[target], params + s->a, params + s->b,
			   p->rows, in, out, s->rank, s->scale, p->dropout.p > 0 ? &drop : NULL);
}

/* p->dx holds the gradient of the layer's output and afterwards that of the attention block's output. */
static void mlp_backward(struct ts_pass *p, int layer, float *grads)
{
	const struct ts_model *m = p->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	const struct ts_acts *a = &p->acts[layer];
	size_t hidden = (size_t)m->config.hidden_size, wide = (size_t)m->config.intermediate_size;
	linear_backward(p, layer, TS_DOWN, p->d_wide1, p->dx, a->product, grads, false);
	ops->swiglu_backward(m->backend, p->d_wide2, p->d_wide1, p->d_wide1, a->gate, a->up, p->rows * wide);
	linear_backward(p, layer, TS_GATE, p->d_hidden, p->d_wide2, a->norm2, grads, false);
	linear_backward(p, layer, TS_UP, p->d_hidden, p->d_wide1, a->norm2, grads, true);
	ops->rmsnorm_backward(m->backend, p->dx, p->d_hidden, a->middle, m->layers[layer].norm2, p->rows, hidden, m->config.rms_norm_eps,
			      true);
}

/* Then p->dx becomes the gradient of the layer's input, unless nothing below needs it. */
static void attention_backward(struct ts_pass *p, int layer, bool need_dx, float *grads)
{
	const struct ts_model *m = p->model;
	const struct ts_model_config *g = &m->config;
	const struct ts_layer *l = &m->layers[layer];
	struct ts_backend *b = m->backend;
	const struct ts_backend_ops *ops = b->ops;
	const struct ts_acts *a = &p->acts[layer];
	size_t hidden = (size_t)g->hidden_size, heads = (size_t)g->heads, kv_heads = (size_t)g->kv_heads, dim = (size_t)g->head_dim;

	linear_backward(p, layer, TS_O, p->d_attention, p->dx, a->attention, grads, false);
	ops->attention_backward(b, p->d_q, p->d_k, p->d_v, p->d_attention, a->attention, a->lse, a->q, a->k, a->v, heads, kv_heads, dim,
				ts_model_config_window(g, layer), p->segments, p->sequences);
	ops->rope(b, p->d_q, p->cosines, p->sines, p->rows, heads, dim / 2, true);
	ops->rope(b, p->d_k, p->cosines, p->sines, p->rows, kv_heads, dim / 2, true);
	if (g->qk_norm) {
		ops->rmsnorm_backward(b, p->d_q, p->d_q, a->q_raw, l->q_norm, p->rows * heads, dim, g->rms_norm_eps, false);
		ops->rmsnorm_backward(b, p->d_k, p->d_k, a->k_raw, l->k_norm, p->rows * kv_heads, dim, g->rms_norm_eps, false);
	}
	float *dx = need_dx ? p->d_hidden : NULL;
	linear_backward(p, layer, TS_Q, dx, p->d_q, a->norm1, grads, false);
	linear_backward(p, layer, TS_K, dx, p->d_k, a->norm1, grads, true);
	linear_backward(p, layer, TS_V, dx, p->d_v, a->norm1, grads, true);
	if (need_dx)
		ops->rmsnorm_backward(b, p->dx, p->d_hidden, input_of(p, layer), l->norm1, p->rows, hidden, g->rms_norm_eps, true);
}

static int lowest_layer(const struct ts_adapter *a)
{
	for (int i = 0; i < a->layers * TS_TARGETS; i++)
		if (a->slots[i].present)
			return i / TS_TARGETS;
	return a->layers;
}

static enum ts_kept kept_of(const struct ts_pass *p, int layer)
{
	int from_top = p->model->config.layers - layer;
	return from_top <= p->keep.layers ? TS_KEPT_PRODUCTS : from_top <= p->keep.attention ? TS_KEPT_ATTENTION : TS_KEPT_INPUT;
}

/* From the gradient of what goes into the head, in p->d_hidden. */
static void backward(struct ts_pass *p, float *grads)
{
	const struct ts_model *m = p->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	int layers = m->config.layers, lowest = lowest_layer(p->adapter);
	size_t hidden = (size_t)m->config.hidden_size;
	if (p->temperature != 1.0f)
		for (size_t i = 0; i < p->wanted_count * hidden; i++)
			p->d_hidden[i] /= p->temperature;
	ops->rmsnorm_backward(m->backend, p->d_hidden, p->d_hidden, p->last, m->norm, p->wanted_count, hidden, m->config.rms_norm_eps,
			      false);
	memset(p->dx, 0, p->rows * hidden * sizeof(float));
	for (size_t i = 0; i < p->wanted_count; i++)
		memcpy(p->dx + p->wanted[i] * hidden, p->d_hidden + i * hidden, hidden * sizeof(float));
	for (int layer = layers - 1; layer >= lowest; layer--) {
		struct ts_layer_call call = layer_call(p, layer);
		ts_layer_again(&call, input_of(p, layer + 1), input_of(p, layer), &p->acts[layer], kept_of(p, layer));
		mlp_backward(p, layer, grads);
		attention_backward(p, layer, layer > lowest, grads);
	}
}

void ts_pass_backward(struct ts_pass *p, float scale, float *grads)
{
	const struct ts_model *m = p->model;
	size_t n = p->wanted_count * (size_t)m->config.hidden_size;
	m->backend->ops->embed(m->backend, p->d_hidden, p->targets, m->head, p->wanted_count);
	for (size_t i = 0; i < n; i++)
		p->d_hidden[i] = scale * (p->mean[i] - p->d_hidden[i]);
	backward(p, grads);
}

/* Of a row: ce (softmax - onehot) W + kl (softmax - softmax_ref) W. */
void ts_pass_backward_rows(struct ts_pass *p, const float *ce, const float *kl, float *grads)
{
	const struct ts_model *m = p->model;
	size_t hidden = (size_t)m->config.hidden_size;
	m->backend->ops->embed(m->backend, p->d_hidden, p->targets, m->head, p->wanted_count);
	for (size_t i = 0; i < p->wanted_count; i++) {
		float of_ce = ce[p->wanted[i]], of_kl = kl ? kl[p->wanted[i]] : 0.0f;
		for (size_t k = i * hidden; k < (i + 1) * hidden; k++)
			p->d_hidden[k] = of_ce * (p->mean[k] - p->d_hidden[k]) + (kl ? of_kl * (p->mean[k] - p->reference_mean[k]) : 0.0f);
	}
	backward(p, grads);
}
