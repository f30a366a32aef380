/* Opening a checkpoint and the forward pass for inference. The table of weights is in load_layer: one line a weight. */
#include "model/model.h"

#include "checkpoint/weights.h"
#include "core/file.h"
#include "core/sha256.h"
#include "model/internal.h"

#include <stdio.h>
#include <string.h>

void ts_target_shape(const struct ts_model_config *g, enum ts_target t, size_t *out, size_t *in)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	*in = t == TS_O ? q : t == TS_DOWN ? wide : hidden;
	*out = t == TS_Q ? q : t == TS_K || t == TS_V ? kv : t == TS_GATE || t == TS_UP ? wide : hidden;
}

/* --- loading --- */

struct loader {
	struct ts_model *model;
	struct ts_weights weights;
	struct ts_model_size *size; /* NULL: load; else only add up what loading will need */
	struct ts_error *err;
};

static int not_finite(const struct loader *l, const struct ts_weight_view *v, const char *name)
{
	return ts_fail(l->err, TS_ENUMERIC, "%s: tensor \"%s\" holds NaN or Inf; expected finite numbers", v->path, name);
}

/* Packed, beside the pages of the file and what they were unpacked to, which go before the next one comes. */
static void add_size(struct loader *l, const struct ts_weight_view *v, size_t packed)
{
	size_t now = l->size->weights + packed + v->bytes + v->unpacked;
	l->size->file += v->bytes;
	l->size->weights += packed;
	if (now > l->size->loading)
		l->size->loading = now;
}

static int view(struct loader *l, const char *name, int dims, const size_t *shape, struct ts_weight_view *v)
{
	return l->size ? ts_weights_look(&l->weights, name, dims, shape, v, l->err)
		       : ts_weights_need(&l->weights, name, dims, shape, v, l->err);
}

static int load_matrix(struct loader *l, const char *name, size_t out, size_t in, struct ts_weight **w)
{
	struct ts_weight_view v;
	size_t shape[2] = {out, in};
	TS_TRY(view(l, name, 2, shape, &v));
	struct ts_backend *b = l->model->backend;
	if (l->size) {
		add_size(l, &v, b->ops->weight_size(v.dtype, out, in));
		return 0;
	}
	int status = b->ops->weight_new(b, v.data, v.dtype, out, in, w);
	if (status == TS_ENUMERIC)
		return not_finite(l, &v, name);
	if (status == TS_EUNSUPPORTED)
		return ts_fail(l->err, status, "%s: tensor \"%s\": %s, which numerics %s cannot compute with; expected BF16", v.path, name,
			       ts_dtype_name(v.dtype), strchr(b->name, '+') ? strchr(b->name, '+') + 1 : "f32");
	if (status)
		return ts_fail(l->err, status, "%s: tensor \"%s\": %s", v.path, name, ts_status_text(status));
	ts_weights_drop(&v);
	return 0;
}

static int load_vector(struct loader *l, const char *name, size_t n, float **out)
{
	struct ts_weight_view v;
	TS_TRY(view(l, name, 1, &n, &v));
	if (l->size) {
		add_size(l, &v, n * sizeof(float));
		return 0;
	}
	*out = l->model->backend->ops->alloc(l->model->backend, n);
	if (!*out)
		return ts_fail_memory(l->err);
	ts_widen(*out, v.data, v.dtype, n);
	for (size_t i = 0; i < n; i++)
		if (!__builtin_isfinite((*out)[i]))
			return not_finite(l, &v, name);
	return 0;
}

static int load_layer(struct loader *l, int index)
{
	struct ts_model *m = l->model;
	struct ts_layer *layer = &m->layers[index];
	const struct ts_model_config *g = &m->config;
	char name[128];
#define NAME(suffix) (snprintf(name, sizeof(name), "model.layers.%d.%s", index, suffix), name)
	TS_TRY(load_vector(l, NAME("input_layernorm.weight"), (size_t)g->hidden_size, &layer->norm1));
	TS_TRY(load_vector(l, NAME("post_attention_layernorm.weight"), (size_t)g->hidden_size, &layer->norm2));
	if (g->qk_norm) {
		TS_TRY(load_vector(l, NAME("self_attn.q_norm.weight"), (size_t)g->head_dim, &layer->q_norm));
		TS_TRY(load_vector(l, NAME("self_attn.k_norm.weight"), (size_t)g->head_dim, &layer->k_norm));
	}
	for (int t = 0; t < TS_TARGETS; t++) {
		char path[64];
		size_t out, in;
		ts_target_shape(g, t, &out, &in);
		snprintf(path, sizeof(path), "%s.weight", ts_target_path(t));
		TS_TRY(load_matrix(l, NAME(path), out, in, &layer->linear[t]));
		if (!(t <= TS_V ? g->qkv_bias : t == TS_O ? g->o_bias : g->mlp_bias))
			continue;
		snprintf(path, sizeof(path), "%s.bias", ts_target_path(t));
		TS_TRY(load_vector(l, NAME(path), out, &layer->bias[t]));
	}
#undef NAME
	return 0;
}

static int load_head(struct loader *l, const struct ts_context *context)
{
	struct ts_model *m = l->model;
	size_t vocab = (size_t)m->config.vocab_size, hidden = (size_t)m->config.hidden_size;
	TS_TRY(load_matrix(l, "model.embed_tokens.weight", vocab, hidden, &m->embed));
	TS_TRY(load_vector(l, "model.norm.weight", hidden, &m->norm));
	if (ts_weights_has(&l->weights, "lm_head.weight")) {
		if (m->config.tied_embeddings)
			ts_log(context, TS_LOG_WARN,
			       "%s: config says tied embeddings, but the file stores lm_head.weight; the stored head is used", m->dir);
		return load_matrix(l, "lm_head.weight", vocab, hidden, &m->head);
	}
	if (!m->config.tied_embeddings)
		return ts_fail(l->err, TS_ENOTFOUND, "%s: config says untied embeddings, but there is no lm_head.weight", m->dir);
	m->head = m->embed;
	return 0;
}

/* How a GGUF file says what RoPE "llama3" does. */
static int load_rope_factors(struct loader *l)
{
	struct ts_model *m = l->model;
	float *factors = NULL;
	int half = m->config.head_dim / 2, status;
	if (l->size || !ts_weights_has(&l->weights, "rope_freqs.weight"))
		return 0;
	status = load_vector(l, "rope_freqs.weight", (size_t)half, &factors);
	for (int i = 0; factors && i < half && !status; i++) {
		if (!(factors[i] > 0))
			status = ts_fail(l->err, TS_EINVAL, "%s: tensor \"rope_freqs.weight\": expected numbers above 0, found %g", m->dir,
					 (double)factors[i]);
		m->inv_freq[i] /= factors[i];
	}
	m->backend->ops->free(m->backend, factors);
	return status;
}

/* Opens, or with `size` adds up what that will need. */
static int open_model(struct ts_model **out, struct ts_model_size *size, struct ts_backend *backend, const char *dir,
		      enum ts_dtype quantised, const struct ts_context *context, struct ts_error *err)
{
	*out = NULL;
	struct loader l = {.size = size, .err = err};
	struct ts_model *m = ts_calloc(1, sizeof(*m));
	if (!m)
		return ts_fail_memory(err);
	l.model = m;
	m->backend = backend;
	bool both = false;
	int status = 0;
	m->dir = ts_strdup(dir);
	if (!m->dir)
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_model_config_load(&m->config, dir, err));
	TS_GOTO(ts_weights_open(&l.weights, dir, &m->config, &both, err));
	l.weights.quantised = quantised;
	if (both)
		ts_log(context, TS_LOG_WARN, "%s: holds model.safetensors and an index; model.safetensors is used", dir);
	m->layers = ts_calloc((size_t)m->config.layers, sizeof(*m->layers));
	m->inv_freq = ts_calloc((size_t)m->config.head_dim / 2, sizeof(float));
	if (!m->layers || !m->inv_freq)
		TS_GOTO(ts_fail_memory(err));
	m->rope_scale = ts_rope_frequencies(&m->config, m->inv_freq);
	TS_GOTO(load_rope_factors(&l));
	TS_GOTO(load_head(&l, context));
	for (int i = 0; i < m->config.layers; i++)
		TS_GOTO(load_layer(&l, i));
done:
	ts_weights_close(&l.weights);
	if (status)
		ts_model_close(m);
	else
		*out = m;
	return status;
}

int ts_model_open(struct ts_model **out, struct ts_backend *backend, const char *dir, const struct ts_context *context,
		  struct ts_error *err)
{
	return open_model(out, NULL, backend, dir, TS_BF16, context, err);
}

int ts_model_open_as(struct ts_model **out, struct ts_backend *backend, const char *dir, enum ts_dtype quantised,
		     const struct ts_context *context, struct ts_error *err)
{
	return open_model(out, NULL, backend, dir, quantised, context, err);
}

int ts_model_size_read(struct ts_model_size *s, struct ts_backend *backend, const char *dir, enum ts_dtype quantised, struct ts_error *err)
{
	struct ts_model *m;
	*s = (struct ts_model_size){.weights = 0};
	TS_TRY(open_model(&m, s, backend, dir, quantised, NULL, err));
	s->config = m->config;
	ts_model_close(m);
	return 0;
}

void ts_model_close(struct ts_model *m)
{
	if (!m)
		return;
	const struct ts_backend_ops *ops = m->backend->ops;
	for (int i = 0; m->layers && i < m->config.layers; i++) {
		struct ts_layer *l = &m->layers[i];
		float *vectors[] = {l->norm1, l->norm2, l->q_norm, l->k_norm};
		for (size_t v = 0; v < 4; v++)
			ops->free(m->backend, vectors[v]);
		for (int t = 0; t < TS_TARGETS; t++) {
			ops->weight_free(m->backend, l->linear[t]);
			ops->free(m->backend, l->bias[t]);
		}
	}
	if (m->head != m->embed)
		ops->weight_free(m->backend, m->head);
	ops->weight_free(m->backend, m->embed);
	ops->free(m->backend, m->norm);
	ts_free(m->inv_freq);
	ts_free(m->layers);
	ts_free(m->dir);
	ts_free(m);
}

const struct ts_model_config *ts_model_config(const struct ts_model *m)
{
	return &m->config;
}

struct ts_backend *ts_model_backend(const struct ts_model *m)
{
	return m->backend;
}

const char *ts_model_dir(const struct ts_model *m)
{
	return m->dir;
}

size_t ts_model_weight_bytes(const struct ts_model *m)
{
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t n = ops->weight_bytes(m->embed) + (m->head != m->embed ? ops->weight_bytes(m->head) : 0);
	for (int i = 0; i < m->config.layers; i++)
		for (int t = 0; t < TS_TARGETS; t++)
			n += ops->weight_bytes(m->layers[i].linear[t]);
	return n;
}

int ts_model_hash(const char *dir, char hex[65], struct ts_error *err)
{
	struct ts_tensors tensors = {0};
	struct ts_str path = {0};
	struct ts_sha256 h;
	char part[65];
	unsigned char digest[32];
	if (ts_file_exists(dir))
		return ts_sha256_file(dir, hex, err);
	ts_sha256_init(&h);
	int status = ts_path_join(&path, dir, "config.json") ? ts_fail_memory(err) : ts_sha256_file(path.data, part, err);
	if (status)
		goto done;
	ts_sha256_update(&h, part, 64);
	if (ts_path_join(&path, dir, "generation_config.json"))
		TS_GOTO(ts_fail_memory(err));
	if (ts_file_exists(path.data)) {
		TS_GOTO(ts_sha256_file(path.data, part, err));
		ts_sha256_update(&h, part, 64);
	}
	TS_GOTO(ts_tensors_open_folder(&tensors, dir, NULL, err));
	for (size_t i = 0; i < tensors.paths.len; i++) {
		TS_GOTO(ts_sha256_file(tensors.paths.data[i], part, err));
		ts_sha256_update(&h, part, 64);
	}
	ts_sha256_final(&h, digest);
	ts_sha256_hex(digest, hex);
done:
	ts_tensors_close(&tensors);
	ts_str_release(&path);
	return status;
}

/* --- inference --- */

struct ts_workspace {
	const struct ts_model *model;
	size_t max_rows;
	float *x, *cosines, *sines, *normed;
	struct ts_acts acts;
	struct ts_picked picked;
	float *all; /* the one allocation behind the pointers above, but for picked.segments */
};

/* Sizes in floats, each rounded up to a cache line so that every array is aligned. */
static size_t line(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* Sums the sizes of all arrays; with `base` also sets the pointers. */
static size_t lay_out(struct ts_workspace *w, const struct ts_model_config *g, size_t rows, size_t wanted, size_t rank, float *base)
{
	size_t hidden = (size_t)g->hidden_size, wide = (size_t)g->intermediate_size, half = (size_t)g->head_dim / 2;
	size_t q = (size_t)g->heads * (size_t)g->head_dim, kv = (size_t)g->kv_heads * (size_t)g->head_dim;
	struct ts_acts *a = &w->acts;
	/* lse stays NULL: only training needs it */
	struct {
		float **p;
		size_t n;
	} parts[] = {
		{&w->x, rows * hidden},
		{&w->cosines, rows * half},
		{&w->sines, rows * half},
		{&w->normed, wanted * hidden},
		{&w->picked.x, wanted * hidden},
		{&w->picked.cosines, wanted * half},
		{&w->picked.sines, wanted * half},
		{&a->norm1, rows * hidden},
		{&a->q_raw, rows * q},
		{&a->k_raw, rows * kv},
		{&a->q, rows * q},
		{&a->k, rows * kv},
		{&a->v, rows * kv},
		{&a->attention, rows * q},
		{&a->middle, rows * hidden},
		{&a->norm2, rows * hidden},
		{&a->gate, rows * wide},
		{&a->up, rows * wide},
		{&a->product, rows * wide},
		{&a->h[0], rows * rank},
	};
	size_t total = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (base)
			*parts[i].p = base + total;
		total += line(parts[i].n);
	}
	return total;
}

size_t ts_workspace_bytes(const struct ts_model_config *g, size_t rows, size_t wanted, size_t rank)
{
	struct ts_workspace unused;
	return sizeof(float) * lay_out(&unused, g, rows, wanted, rank, NULL) + wanted * sizeof(struct ts_segment);
}

size_t ts_model_width(const struct ts_model_config *g)
{
	size_t vocab = (size_t)g->vocab_size, wide = (size_t)g->intermediate_size, q = (size_t)g->heads * (size_t)g->head_dim;
	return vocab > wide ? vocab > q ? vocab : q : wide > q ? wide : q;
}

int ts_workspace_new(struct ts_workspace **out, const struct ts_model *m, size_t rows, size_t wanted, size_t rank, struct ts_error *err)
{
	*out = NULL;
	struct ts_workspace *w = ts_calloc(1, sizeof(*w));
	if (!w)
		return ts_fail_memory(err);
	w->model = m;
	w->max_rows = rows;
	size_t total = lay_out(w, &m->config, rows, wanted, rank, NULL);
	w->all = m->backend->ops->alloc(m->backend, total);
	w->picked.segments = ts_calloc(wanted, sizeof(*w->picked.segments));
	if (!w->all || !w->picked.segments || m->backend->ops->reserve(m->backend, rows, ts_model_width(&m->config), rank)) {
		ts_workspace_free(w);
		return ts_fail(err, TS_ENOMEM, "out of memory for %zu rows of activations (%zu MB)", rows, total * sizeof(float) >> 20);
	}
	lay_out(w, &m->config, rows, wanted, rank, w->all);
	for (int t = 1; t < TS_TARGETS; t++)
		w->acts.h[t] = w->acts.h[0]; /* inference does not look back at them */
	*out = w;
	return 0;
}

void ts_workspace_free(struct ts_workspace *w)
{
	if (!w)
		return;
	w->model->backend->ops->free(w->model->backend, w->all);
	ts_free(w->picked.segments);
	ts_free(w);
}

const float *ts_model_forward(const struct ts_model *m, struct ts_workspace *w, const struct ts_batch *batch)
{
	const struct ts_backend_ops *ops = m->backend->ops;
	size_t hidden = (size_t)m->config.hidden_size;
	ops->embed(m->backend, w->x, batch->ids, m->embed, batch->rows);
	ts_rope_rows(m, w->cosines, w->sines, batch->positions, batch->rows, batch->segments, batch->segment_count, batch->lengths);
	struct ts_layer_call call = {
		.model = m,
		.adapter = batch->adapter,
		.rows = batch->rows,
		.kv = batch->kv,
		.segments = batch->segments,
		.segment_count = batch->segment_count,
		.cosines = w->cosines,
		.sines = w->sines,
	};
	for (; call.layer < m->config.layers - 1; call.layer++, call.kv_layer++)
		ts_layer_forward(&call, w->x, w->x, &w->acts);
	ts_layer_last(&call, w->x, &w->acts, batch->wanted, batch->wanted_count, &w->picked);
	ops->rmsnorm(m->backend, w->normed, w->picked.x, m->norm, batch->wanted_count, hidden, m->config.rms_norm_eps);
	return w->normed;
}

void ts_model_logits(const struct ts_model *m, float *logits, const float *hidden, size_t rows)
{
	size_t vocab = (size_t)m->config.vocab_size;
	m->backend->ops->matmul(m->backend, logits, vocab, hidden, m->head, 0, vocab, NULL, rows);
}

float ts_model_logit(const struct ts_model *m, const float *hidden, int32_t id)
{
	float panel[TS_PANEL];
	size_t first = (size_t)id / TS_PANEL * TS_PANEL, left = (size_t)m->config.vocab_size - first;
	size_t count = left < TS_PANEL ? left : TS_PANEL;
	m->backend->ops->matmul(m->backend, panel, TS_PANEL, hidden, m->head, first, count, NULL, 1);
	return panel[(size_t)id - first];
}

void ts_model_target_logits(const struct ts_model *m, float *lse, float *picked, const float *hidden, const int32_t *targets, size_t rows)
{
	m->backend->ops->vocab_forward(m->backend, lse, picked, NULL, hidden, m->head, targets, rows);
}

int ts_model_kv_new(const struct ts_model *m, struct ts_kv_pool *kv, size_t pages, enum ts_dtype dtype, struct ts_error *err)
{
	int status = m->backend->ops->kv_new(m->backend, kv, m->config.layers, m->config.kv_heads, m->config.head_dim, pages, dtype);
	return status ? ts_fail(err, status, "no memory for a KV cache of %zu positions (%zu MB)", pages * TS_KV_PAGE,
				pages * ts_model_kv_page_bytes(&m->config, dtype) >> 20)
		      : 0;
}

void ts_model_kv_free(const struct ts_model *m, struct ts_kv_pool *kv)
{
	m->backend->ops->kv_free(m->backend, kv);
}

size_t ts_model_kv_page_bytes(const struct ts_model_config *g, enum ts_dtype dtype)
{
	return 2 * (size_t)g->layers * (size_t)g->kv_heads * (size_t)g->head_dim * TS_KV_PAGE * ts_dtype_size(dtype);
}
