/* Memory of a training pass: what is kept of each layer, what all layers share, and how many bytes that is.
 *
 *     every layer          its input
 *     keep.attention       and attention's output and lse, which cost the most to compute again when sequences are long
 *     keep.layers          and what its products gave: q, k, v before the head norms, middle, gate, up, and LoRA's h
 *
 * Norms, rotations and silu(gate) * up are cheap: they are computed again in arrays that all layers share. */
#include "model/train_internal.h"

#include <string.h>

struct part {
	float **p;
	size_t n;
};

enum { MAX_PARTS = 20 };

static size_t line(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* Of any layer: layers share these arrays when they are not kept, and may differ in rank. */
static size_t rank_of(const struct ts_adapter *a, int target)
{
	size_t most = 0;
	for (int l = 0; a && l < a->layers; l++) {
		size_t rank = a->slots[l * TS_TARGETS + target].rank;
		most = rank > most ? rank : most;
	}
	return most;
}

static size_t attention_parts(const struct ts_model_config *g, struct ts_acts *a, size_t rows, struct part *parts)
{
	parts[0] = (struct part){&a->attention, rows * (size_t)g->heads * (size_t)g->head_dim};
	parts[1] = (struct part){&a->lse, rows * (size_t)g->heads};
	return 2;
}

/* What a layer that is kept has for itself. Without head norms q and k are the product's, turned in place. */
static size_t layer_parts(const struct ts_model_config *g, struct ts_acts *a, size_t rows, const struct ts_adapter *adapter,
			  struct part *parts)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	size_t n = attention_parts(g, a, rows, parts);
	parts[n++] = (struct part){g->qk_norm ? &a->q_raw : &a->q, rows * q};
	parts[n++] = (struct part){g->qk_norm ? &a->k_raw : &a->k, rows * kv};
	parts[n++] = (struct part){&a->v, rows * kv};
	parts[n++] = (struct part){&a->middle, rows * hidden};
	parts[n++] = (struct part){&a->gate, rows * wide};
	parts[n++] = (struct part){&a->up, rows * wide};
	for (int t = 0; t < TS_TARGETS; t++)
		parts[n++] = (struct part){&a->h[t], rows * rank_of(adapter, t)};
	return n;
}

/* What all layers share: set in `a` and handed to each. */
static size_t common_parts(const struct ts_model_config *g, struct ts_acts *a, size_t rows, struct part *parts)
{
	size_t hidden = (size_t)g->hidden_size, dim = (size_t)g->head_dim;
	size_t n = 0;
	parts[n++] = (struct part){&a->norm1, rows * hidden};
	parts[n++] = (struct part){&a->norm2, rows * hidden};
	parts[n++] = (struct part){&a->product, rows * (size_t)g->intermediate_size};
	if (g->qk_norm) {
		parts[n++] = (struct part){&a->q, rows * (size_t)g->heads * dim};
		parts[n++] = (struct part){&a->k, rows * (size_t)g->kv_heads * dim};
	}
	return n;
}

static size_t pass_parts(struct ts_pass *p, const struct ts_model_config *g, size_t rows, struct part *parts)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size, half = (size_t)g->head_dim / 2;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	struct part list[] = {
		{&p->inputs, ((size_t)g->layers + 1) * rows * hidden},
		{&p->cosines, rows * half},
		{&p->sines, rows * half},
		{&p->last, rows * hidden},
		{&p->hidden, rows * hidden},
		{&p->mean, rows * hidden},
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
	return sizeof(list) / sizeof(list[0]);
}

/* The sum of the sizes; with `base` the arrays are placed from there on. */
static size_t place(const struct part *parts, size_t n, float *base)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++) {
		if (base)
			*parts[i].p = parts[i].n ? base + total : NULL;
		total += line(parts[i].n);
	}
	return total;
}

/* One layer at least works in arrays of its own; the others that are not kept share them. */
static struct ts_keep clamp(const struct ts_model_config *g, struct ts_keep k)
{
	k.layers = k.layers < 0 || k.layers > g->layers ? g->layers : k.layers < 1 ? 1 : k.layers;
	k.attention = k.attention < 0 || k.attention > g->layers ? g->layers : k.attention < k.layers ? k.layers : k.attention;
	return k;
}

/* Places all arrays from p->all on. */
static void lay_out(struct ts_pass *p)
{
	const struct ts_model_config *g = &p->model->config;
	struct part parts[MAX_PARTS];
	struct ts_acts common = {0};
	int first = g->layers - p->keep.layers;
	float *base = p->all;
	base += place(parts, pass_parts(p, g, p->max_rows, parts), base);
	base += place(parts, common_parts(g, &common, p->max_rows, parts), base);
	for (int l = first; l < g->layers; l++) {
		p->acts[l] = common;
		base += place(parts, layer_parts(g, &p->acts[l], p->max_rows, p->adapter, parts), base);
	}
	for (int l = 0; l < first; l++) {
		p->acts[l] = p->acts[first];
		if (l >= g->layers - p->keep.attention)
			base += place(parts, attention_parts(g, &p->acts[l], p->max_rows, parts), base);
	}
}

/* How many floats lay_out places; lora: those of h in a layer that is kept. */
static size_t floats(const struct ts_model_config *g, size_t rows, size_t lora, struct ts_keep keep)
{
	struct ts_pass p;
	struct ts_acts a;
	struct part parts[MAX_PARTS];
	size_t total = place(parts, pass_parts(&p, g, rows, parts), NULL) + place(parts, common_parts(g, &a, rows, parts), NULL);
	size_t layer = place(parts, layer_parts(g, &a, rows, NULL, parts), NULL) + lora;
	size_t attention = place(parts, attention_parts(g, &a, rows, parts), NULL);
	return total + (size_t)keep.layers * layer + (size_t)(keep.attention - keep.layers) * attention;
}

size_t ts_pass_bytes(const struct ts_model_config *g, size_t rank, size_t targets, size_t rows, size_t sequences, struct ts_keep keep)
{
	size_t kv = 2 * (rows / TS_KV_PAGE + sequences) * TS_KV_PAGE * (size_t)g->kv_heads * (size_t)g->head_dim;
	size_t counts = 2 * sizeof(uint32_t) + sizeof(uint32_t) + sizeof(int32_t); /* positions, row_in_batch, wanted, targets */
	return sizeof(float) * (floats(g, rows, targets * line(rows * rank), clamp(g, keep)) + kv) + counts * rows;
}

static size_t pass_floats(const struct ts_pass *p)
{
	size_t lora = 0;
	for (int t = 0; t < TS_TARGETS; t++)
		lora += line(p->max_rows * rank_of(p->adapter, t));
	return floats(&p->model->config, p->max_rows, lora, p->keep);
}

int ts_pass_new(struct ts_pass **out, const struct ts_model *m, const struct ts_adapter *adapter, size_t max_rows, size_t max_sequences,
		struct ts_keep keep, struct ts_error *err)
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
			      .keep = clamp(g, keep),
			      .temperature = 1};
	p->acts = ts_calloc((size_t)g->layers, sizeof(*p->acts));
	p->positions = ts_calloc(max_rows, sizeof(*p->positions));
	p->row_in_batch = ts_calloc(max_rows, sizeof(*p->row_in_batch));
	p->segments = ts_calloc(max_sequences, sizeof(*p->segments));
	p->pages = ts_calloc(pages, sizeof(*p->pages));
	p->wanted = ts_calloc(max_rows, sizeof(*p->wanted));
	p->targets = ts_calloc(max_rows, sizeof(*p->targets));
	bool enough = p->acts && p->positions && p->row_in_batch && p->segments && p->pages && p->wanted && p->targets;
	size_t total = enough ? pass_floats(p) : 0;
	p->all = enough ? ops->alloc(m->backend, total) : NULL;
	if (!p->all || ops->reserve(m->backend, max_rows, ts_model_width(g), adapter->max_rank) ||
	    ops->kv_new(m->backend, &p->kv, 1, g->kv_heads, g->head_dim, pages, TS_F32)) {
		ts_pass_free(p);
		return ts_fail(err, TS_ENOMEM, "out of memory for a training pass of %zu tokens (%zu MB)", max_rows,
			       total * sizeof(float) >> 20);
	}
	lay_out(p);
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

int ts_pass_need_reference(struct ts_pass *p, struct ts_error *err)
{
	struct ts_backend *b = p->model->backend;
	size_t states = line(p->max_rows * (size_t)p->model->config.hidden_size);
	if (p->reference)
		return 0;
	p->reference = b->ops->alloc(b, 2 * states + p->max_rows);
	if (!p->reference)
		return ts_fail_memory(err);
	p->reference_mean = p->reference + states;
	p->reference_lse = p->reference_mean + states;
	return 0;
}
