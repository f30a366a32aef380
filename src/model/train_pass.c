/* Each backward step stands beside its forward's order in layer.c, read upwards.
 *
 * The head sees only the rows that have a target: they are gathered behind the last layer, and their gradients scattered back. */
#include "model/train_pass.h"

#include "model/internal.h"

#include <string.h>

struct ts_pass {
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	size_t max_rows, max_sequences;
	int kept; /* layers [layers - kept, layers) keep their inner activations */

	float *inputs;        /* [layers + 1][max_rows, hidden]: input of each layer, then the last output */
	struct ts_acts *acts; /* [layers]; layers not kept share acts[0] */
	float *cosines, *sines;
	float *last, *hidden, *lse, *picked; /* of the rows with a target: before and after the final norm, and their logits */
	float *dx, *d_hidden, *d_wide1, *d_wide2, *d_q, *d_k, *d_v, *d_attention;
	float *all; /* the one allocation behind every float array */

	uint32_t *positions, *row_in_batch; /* [max_rows] */
	struct ts_segment *segments;
	int32_t *pages;
	struct ts_kv_pool kv; /* one layer: filled, read, and used again by the next */

	float *reference, *reference_lse; /* [max_rows, hidden], [max_rows]: hidden and lse of the base model, or NULL */
	float temperature;

	uint32_t *wanted; /* [max_rows] rows with a target, ascending */
	int32_t *targets; /* [max_rows] and their targets */

	/* of the last forward */
	size_t rows, sequences, wanted_count;
	struct ts_dropout dropout;
};

struct part {
	float **p;
	size_t n;
};

enum { MAX_PARTS_PER_LAYER = 13 + TS_TARGETS, SHARED_PARTS = 15 };

static size_t line(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* Of any layer: layers share these arrays when they are not kept, and may differ in rank. */
static size_t rank_of(const struct ts_adapter *a, int target)
{
	size_t most = 0;
	for (int l = 0; l < a->layers; l++) {
		size_t rank = a->slots[l * TS_TARGETS + target].rank;
		most = rank > most ? rank : most;
	}
	return most;
}

static size_t acts_parts(const struct ts_model_config *g, struct ts_acts *a, size_t rows, const struct ts_adapter *adapter,
			 struct part *parts)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	struct part fixed[] = {
		{&a->norm1, rows * hidden},
		{&a->q_raw, g->qk_norm ? rows * q : 0},
		{&a->k_raw, g->qk_norm ? rows * kv : 0},
		{&a->q, rows * q},
		{&a->k, rows * kv},
		{&a->v, rows * kv},
		{&a->attention, rows * q},
		{&a->lse, rows * (size_t)g->heads},
		{&a->middle, rows * hidden},
		{&a->norm2, rows * hidden},
		{&a->gate, rows * wide},
		{&a->up, rows * wide},
		{&a->product, rows * wide},
	};
	size_t n = sizeof(fixed) / sizeof(fixed[0]);
	memcpy(parts, fixed, sizeof(fixed));
	for (int t = 0; t < TS_TARGETS; t++)
		parts[n++] = (struct part){&a->h[t], rows * rank_of(adapter, t)};
	return n;
}

static size_t shared_parts(struct ts_pass *p, const struct ts_model_config *g, size_t rows, struct part *parts)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size, half = (size_t)g->head_dim / 2;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	struct part list[SHARED_PARTS] = {
		{&p->inputs, ((size_t)g->layers + 1) * rows * hidden},
		{&p->cosines, rows * half},
		{&p->sines, rows * half},
		{&p->last, rows * hidden},
		{&p->hidden, rows * hidden},
		{&p->lse, rows},
		{&p->picked, rows},
		{&p->dx, rows * hidden},
		{&p->d_hidden, rows * hidden},
		{&p->d_wide1, rows * wide},
		{&p->d_wide2, rows * wide},
		{&p->d_q, rows * q},
		{&p->d_k, rows * kv},
		{&p->d_v, rows * kv},
		{&p->d_attention, rows * q},
	};
	memcpy(parts, list, sizeof(list));
	return SHARED_PARTS;
}

static int kept_layers(const struct ts_model_config *g, int kept)
{
	return kept < 0 || kept > g->layers ? g->layers : kept < 1 ? 1 : kept;
}

/* Sums the sizes of all float arrays; with `base` also sets the pointers. Layers that are not kept share the set of the first layer
 * that has one, so at least one set exists. */
static size_t lay_out(struct ts_pass *p, const struct ts_model_config *g, const struct ts_adapter *adapter, size_t rows, int kept,
		      struct ts_acts *acts, float *base)
{
	struct part parts[SHARED_PARTS > MAX_PARTS_PER_LAYER ? SHARED_PARTS : MAX_PARTS_PER_LAYER] = {{NULL, 0}};
	size_t total = 0;
	for (int set = -1; set < kept; set++) {
		int layer = g->layers - kept + set;
		size_t n = set < 0 ? shared_parts(p, g, rows, parts) : acts_parts(g, &acts[layer], rows, adapter, parts);
		for (size_t i = 0; i < n; i++) {
			if (base)
				*parts[i].p = parts[i].n ? base + total : NULL;
			total += line(parts[i].n);
		}
	}
	for (int layer = 0; base && layer < g->layers - kept; layer++)
		acts[layer] = acts[g->layers - kept];
	return total;
}

size_t ts_pass_bytes(const struct ts_model *m, const struct ts_adapter *adapter, size_t max_rows, int kept)
{
	struct ts_pass p;
	struct ts_acts unused[1];
	const struct ts_model_config *g = &m->config;
	kept = kept_layers(g, kept);
	size_t shared = lay_out(&p, g, adapter, max_rows, 0, NULL, NULL);
	struct part parts[MAX_PARTS_PER_LAYER];
	size_t one = 0, n = acts_parts(g, unused, max_rows, adapter, parts);
	for (size_t i = 0; i < n; i++)
		one += line(parts[i].n);
	size_t kv = 2 * (max_rows + TS_KV_PAGE) * (size_t)g->kv_heads * (size_t)g->head_dim;
	return sizeof(float) * (shared + (size_t)kept * one + kv);
}

static size_t widest(const struct ts_model_config *g)
{
	size_t vocab = (size_t)g->vocab_size, wide = (size_t)g->intermediate_size, q = (size_t)g->heads * (size_t)g->head_dim;
	return vocab > wide ? vocab > q ? vocab : q : wide > q ? wide : q;
}

int ts_pass_new(struct ts_pass **out, const struct ts_model *m, const struct ts_adapter *adapter, size_t max_rows, size_t max_sequences,
		int kept, struct ts_error *err)
{
	const struct ts_model_config *g = &m->config;
	const struct ts_backend_ops *ops = m->backend->ops;
	*out = NULL;
	struct ts_pass *p = ts_calloc(1, sizeof(*p));
	if (!p)
		return ts_fail_memory(err);
	size_t pages = max_rows / TS_KV_PAGE + max_sequences;
	*p = (struct ts_pass){.model = m,
			      .adapter = adapter,
			      .max_rows = max_rows,
			      .max_sequences = max_sequences,
			      .kept = kept_layers(g, kept),
			      .temperature = 1};
	p->acts = ts_calloc((size_t)g->layers, sizeof(*p->acts));
	p->positions = ts_calloc(max_rows, sizeof(*p->positions));
	p->row_in_batch = ts_calloc(max_rows, sizeof(*p->row_in_batch));
	p->segments = ts_calloc(max_sequences, sizeof(*p->segments));
	p->pages = ts_calloc(pages, sizeof(*p->pages));
	p->wanted = ts_calloc(max_rows, sizeof(*p->wanted));
	p->targets = ts_calloc(max_rows, sizeof(*p->targets));
	bool enough = p->acts && p->positions && p->row_in_batch && p->segments && p->pages && p->wanted && p->targets;
	size_t total = enough ? lay_out(p, g, adapter, max_rows, p->kept, p->acts, NULL) : 0;
	p->all = enough ? ops->alloc(m->backend, total) : NULL;
	if (!p->all || ops->reserve(m->backend, max_rows, widest(g), adapter->max_rank) ||
	    ops->kv_new(m->backend, &p->kv, 1, g->kv_heads, g->head_dim, pages, TS_F32)) {
		ts_pass_free(p);
		return ts_fail(err, TS_ENOMEM, "out of memory for a training pass of %zu tokens (%zu MB)", max_rows,
			       total * sizeof(float) >> 20);
	}
	lay_out(p, g, adapter, max_rows, p->kept, p->acts, p->all);
	for (size_t i = 0; i < pages; i++)
		p->pages[i] = (int32_t)i;
	*out = p;
	return 0;
}

void ts_pass_free(struct ts_pass *p)
{
	if (!p)
		return;
	struct ts_backend *b = p->model->backend;
	b->ops->kv_free(b, &p->kv);
	b->ops->free(b, p->all);
	b->ops->free(b, p->reference);
	ts_free(p->acts);
	ts_free(p->positions);
	ts_free(p->row_in_batch);
	ts_free(p->segments);
	ts_free(p->pages);
	ts_free(p->wanted);
	ts_free(p->targets);
	ts_free(p);
}

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

/* The layers and the head; the hidden states and lse of the rows with a target go where the caller wants them. */
static void forward(struct ts_pass *p, const struct ts_packed *pack, const struct ts_adapter *adapter, float *head_input, float *lse,
		    float *logprobs)
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
	ops->vocab_forward(b, lse, p->picked, head_input, m->head, p->targets, p->wanted_count);
	memset(logprobs, 0, p->rows * sizeof(float));
	for (size_t i = 0; i < p->wanted_count; i++)
		logprobs[p->wanted[i]] = p->picked[i] - lse[i];
}

void ts_pass_forward(struct ts_pass *p, const struct ts_packed *pack, float dropout_p, uint64_t seed, uint32_t step, float *logprobs)
{
	set_pack(p, pack);
	p->dropout =
		(struct ts_dropout){.p = dropout_p, .seed = seed, .step = step, .row_in_batch = p->row_in_batch, .position = p->positions};
	forward(p, pack, p->adapter, p->hidden, p->lse, logprobs);
}

int ts_pass_need_reference(struct ts_pass *p, struct ts_error *err)
{
	struct ts_backend *b = p->model->backend;
	size_t states = line(p->max_rows * (size_t)p->model->config.hidden_size);
	if (p->reference)
		return 0;
	p->reference = b->ops->alloc(b, states + p->max_rows);
	p->reference_lse = p->reference ? p->reference + states : NULL;
	return p->reference ? 0 : ts_fail_memory(err);
}

void ts_pass_reference(struct ts_pass *p, const struct ts_packed *pack, float *logprobs)
{
	set_pack(p, pack);
	p->dropout = (struct ts_dropout){0};
	forward(p, pack, NULL, p->reference, p->reference_lse, logprobs);
}

void ts_pass_temperature(struct ts_pass *p, float temperature)
{
	p->temperature = temperature;
}

/* With g = sum of p_ref W over the vocabulary: sum of p_ref (z_ref - z) = (h_ref - h) g, so no logit is needed twice. */
void ts_pass_kl(struct ts_pass *p, float *kl)
{
	const struct ts_model *m = p->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t hidden = (size_t)m->config.hidden_size;
	ops->cross_entropy_backward(m->backend, p->dx, p->reference, m->head, p->targets, p->reference_lse, 1.0f, p->wanted_count);
	ops->embed(m->backend, p->d_hidden, p->targets, m->head, p->wanted_count); /* the target's row, which that took away */
	memset(kl, 0, p->rows * sizeof(float));
	for (size_t i = 0; i < p->wanted_count; i++) {
		double sum = (double)p->lse[i] - (double)p->reference_lse[i];
		for (size_t k = i * hidden; k < (i + 1) * hidden; k++)
			sum += ((double)p->reference[k] - (double)p->hidden[k]) * ((double)p->dx[k] + (double)p->d_hidden[k]);
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
		if (layer < layers - p->kept) {
			/* The output goes where it already stands: the same bits. */
			struct ts_layer_call call = layer_call(p, layer);
			ts_layer_forward(&call, input_of(p, layer + 1), input_of(p, layer), &p->acts[layer]);
		}
		mlp_backward(p, layer, grads);
		attention_backward(p, layer, layer > lowest, grads);
	}
}

void ts_pass_backward(struct ts_pass *p, float scale, float *grads)
{
	const struct ts_model *m = p->model;
	m->backend->ops->cross_entropy_backward(m->backend, p->d_hidden, p->hidden, m->head, p->targets, p->lse, scale, p->wanted_count);
	backward(p, grads);
}

/* Of a row: ce (softmax - onehot) W + kl (softmax - softmax_ref) W, the latter as the difference of two of the former. */
void ts_pass_backward_rows(struct ts_pass *p, const float *ce, const float *kl, float *grads)
{
	const struct ts_model *m = p->model;
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t hidden = (size_t)m->config.hidden_size;
	ops->cross_entropy_backward(m->backend, p->d_hidden, p->hidden, m->head, p->targets, p->lse, 1.0f, p->wanted_count);
	if (kl)
		ops->cross_entropy_backward(m->backend, p->dx, p->reference, m->head, p->targets, p->reference_lse, 1.0f, p->wanted_count);
	for (size_t i = 0; i < p->wanted_count; i++) {
		float of_ce = ce[p->wanted[i]], of_kl = kl ? kl[p->wanted[i]] : 0.0f;
		for (size_t k = i * hidden; k < (i + 1) * hidden; k++)
			p->d_hidden[k] = of_ce * p->d_hidden[k] + (kl ? of_kl * (p->d_hidden[k] - p->dx[k]) : 0.0f);
	}
	backward(p, grads);
}
