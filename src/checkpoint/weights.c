#include "checkpoint/weights.h"

#include <stdio.h>
#include <string.h>

/* --- names: one row a weight --- */

static const struct name_row {
	const char *ours, *theirs;
	bool in_layer;
	bool turned; /* Llama's files hold the two halves of each head interleaved */
	enum { NO_BIAS, QKV_BIAS, O_BIAS, MLP_BIAS } bias;
	bool head_norm; /* there only with qk_norm */
} rows[] = {
	{"model.embed_tokens", "token_embd", .in_layer = false},
	{"model.norm", "output_norm", .in_layer = false},
	{"lm_head", "output", .in_layer = false},
	{"rope_freqs", "rope_freqs", .in_layer = false},
	{"input_layernorm", "attn_norm", .in_layer = true},
	{"post_attention_layernorm", "ffn_norm", .in_layer = true},
	{"self_attn.q_proj", "attn_q", .in_layer = true, .turned = true, .bias = QKV_BIAS},
	{"self_attn.k_proj", "attn_k", .in_layer = true, .turned = true, .bias = QKV_BIAS},
	{"self_attn.v_proj", "attn_v", .in_layer = true, .bias = QKV_BIAS},
	{"self_attn.o_proj", "attn_output", .in_layer = true, .bias = O_BIAS},
	{"self_attn.q_norm", "attn_q_norm", .in_layer = true, .head_norm = true},
	{"self_attn.k_norm", "attn_k_norm", .in_layer = true, .head_norm = true},
	{"mlp.gate_proj", "ffn_gate", .in_layer = true, .bias = MLP_BIAS},
	{"mlp.up_proj", "ffn_up", .in_layer = true, .bias = MLP_BIAS},
	{"mlp.down_proj", "ffn_down", .in_layer = true, .bias = MLP_BIAS},
};

/* The parts of a name: "PREFIX LAYER . MODULE . KIND", the layer -1 outside the layers. */
struct parts {
	int layer;
	char module[48];
	const char *kind; /* "weight" or "bias" */
};

static bool split(const char *name, const char *prefix, struct parts *p)
{
	size_t skip = strlen(prefix);
	int used = 0;
	p->layer = -1;
	if (!strncmp(name, prefix, skip)) {
		if (sscanf(name + skip, "%4d.%n", &p->layer, &used) != 1 || !used || p->layer < 0)
			return false;
		name += skip + (size_t)used;
	}
	const char *dot = strrchr(name, '.');
	if (!dot || dot - name >= (int)sizeof(p->module))
		return false;
	snprintf(p->module, sizeof(p->module), "%.*s", (int)(dot - name), name);
	p->kind = dot + 1;
	return !strcmp(p->kind, "weight") || !strcmp(p->kind, "bias");
}

/* The row of one of our names, and the name in a GGUF file; NULL when there is none. */
static const struct name_row *translate(const char *name, char theirs[96])
{
	struct parts p;
	if (!split(name, "model.layers.", &p))
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(rows[i].ours, p.module) || rows[i].in_layer != (p.layer >= 0))
			continue;
		if (p.layer >= 0)
			snprintf(theirs, 96, "blk.%d.%s.%s", p.layer, rows[i].theirs, p.kind);
		else
			snprintf(theirs, 96, "%s.%s", rows[i].theirs, p.kind);
		return &rows[i];
	}
	return NULL;
}

bool ts_weights_gguf_name(const char *name, char theirs[96], bool *turned)
{
	const struct name_row *row = translate(name, theirs);
	*turned = row && row->turned;
	return row != NULL;
}

static bool has_bias(const struct ts_model_config *c, const struct name_row *row)
{
	return row->bias == QKV_BIAS ? c->qkv_bias : row->bias == O_BIAS ? c->o_bias : row->bias == MLP_BIAS && c->mlp_bias;
}

/* Whether the model has a weight for this tensor. */
static bool expected(const struct ts_model_config *c, const char *name, bool gguf)
{
	struct parts p;
	if (!split(name, gguf ? "blk." : "model.layers.", &p) || p.layer >= c->layers)
		return false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(gguf ? rows[i].theirs : rows[i].ours, p.module) || rows[i].in_layer != (p.layer >= 0))
			continue;
		return *p.kind == 'b' ? has_bias(c, &rows[i]) : c->qk_norm || !rows[i].head_norm;
	}
	return false;
}

static int check_gguf_names(const struct ts_weights *w, struct ts_error *err)
{
	for (size_t i = 0; i < w->gguf.tensors.len; i++)
		if (!expected(w->config, w->gguf.tensors.data[i].name, true))
			return ts_fail(err, TS_EUNSUPPORTED, "%s: tensor \"%s\": not a weight of a %s model of %d layers as we know it",
				       w->gguf.path, w->gguf.tensors.data[i].name, w->config->model_type, w->config->layers);
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && !strcmp(s + n - m, end);
}

/* Old conversions store the frequencies, which are computed from the config. What stands outside the decoder (a value head) is not read. */
static bool harmless(const char *name)
{
	return ends_with(name, ".rotary_emb.inv_freq") || (strncmp(name, "model.", 6) != 0 && strncmp(name, "lm_head.", 8) != 0);
}

/* A bias that the config does not speak of, a norm, a layer too many: running without it would be another model. */
static int check_folder_names(const struct ts_weights *w, const char *folder, struct ts_error *err)
{
	for (size_t i = 0; i < w->tensors.list.len; i++) {
		const struct ts_tensor *t = &w->tensors.list.data[i];
		struct parts p;
		if (harmless(t->name) || expected(w->config, t->name, false))
			continue;
		if (split(t->name, "model.layers.", &p) && p.layer >= w->config->layers)
			return ts_fail(err, TS_EMISMATCH, "%s: config says %d layers, but the file stores %s", folder, w->config->layers,
				       t->name);
		return ts_fail(err, TS_EUNSUPPORTED, "%s: tensor \"%s\": not a weight of a %s model as config.json describes it",
			       w->tensors.paths.data[t->file], t->name, w->config->model_type);
	}
	return 0;
}

/* --- opening --- */

int ts_weights_open(struct ts_weights *w, const char *path, const struct ts_model_config *config, bool *both, struct ts_error *err)
{
	*w = (struct ts_weights){.config = config, .from_gguf = ts_file_exists(path), .quantised = TS_BF16};
	*both = false;
	TS_TRY(w->from_gguf ? ts_gguf_open(&w->gguf, path, err) : ts_tensors_open_folder(&w->tensors, path, both, err));
	int status = w->from_gguf ? check_gguf_names(w, err) : check_folder_names(w, path, err);
	if (status)
		ts_weights_close(w);
	return status;
}

void ts_weights_close(struct ts_weights *w)
{
	ts_tensors_close(&w->tensors);
	ts_gguf_close(&w->gguf);
	ts_free(w->scratch);
	*w = (struct ts_weights){0};
}

bool ts_weights_has(const struct ts_weights *w, const char *name)
{
	char theirs[96];
	if (w->from_gguf)
		return translate(name, theirs) && ts_gguf_tensor(&w->gguf, theirs);
	return ts_tensors_find(&w->tensors, name) != NULL;
}

/* --- one weight --- */

/* In a file of the llama architecture row 2 j + s of a head is row s half + j here: it turns neighbours, we turn halves. */
static size_t stored_row(const struct ts_weights *w, size_t row)
{
	size_t dim = (size_t)w->config->head_dim, half = dim / 2, in_head = row % dim;
	return row - in_head + 2 * (in_head % half) + in_head / half;
}

size_t ts_weights_turned_row(const struct ts_model_config *c, size_t row)
{
	size_t dim = (size_t)c->head_dim, half = dim / 2, in_head = row % dim;
	return row - in_head + in_head % 2 * half + in_head / 2;
}

static int reserve(struct ts_weights *w, size_t bytes, struct ts_error *err)
{
	/* the embedding's memory, the largest by far, is not kept for a layer's matrices */
	if (bytes <= w->scratch_bytes && w->scratch_bytes / 4 <= bytes)
		return 0;
	ts_free(w->scratch); /* its content is not needed, so nothing is copied */
	w->scratch_bytes = 0;
	w->scratch = ts_alloc(bytes);
	if (!w->scratch)
		return ts_fail(err, TS_ENOMEM, "%s: no memory for a tensor of %zu bytes", w->gguf.path, bytes);
	w->scratch_bytes = bytes;
	return 0;
}

static enum ts_dtype dtype_of(const struct ts_weights *w, const struct ts_ggml_type *type)
{
	return type->widen ? w->quantised : type->dtype;
}

/* Blocks as plain numbers. */
static void unpack_blocks(const struct ts_weights *w, const struct ts_ggml_type *type, unsigned char *out, const unsigned char *in,
			  size_t blocks)
{
	float wide[TS_GGML_BLOCK_MOST];
	if (w->quantised == TS_F32) {
		type->widen((float *)(void *)out, in, blocks);
		return;
	}
	for (uint16_t *rounded = (uint16_t *)(void *)out; blocks--; in += type->bytes) {
		type->widen(wide, in, 1);
		for (size_t i = 0; i < type->block; i++)
			*rounded++ = ts_f32_to_bf16(wide[i]);
	}
}

/* The tensor row by row into the scratch memory, in our order and without blocks. */
static int unpack(struct ts_weights *w, const struct ts_gguf_tensor *t, bool turned, struct ts_error *err)
{
	size_t count = t->shape[0], columns = t->elements / count, bytes = t->bytes / count;
	size_t out_bytes = columns * ts_dtype_size(dtype_of(w, t->type)), total;
	if (columns % t->type->block) /* a vector in blocks; a matrix has whole blocks in a row */
		return ts_fail(err, TS_EUNSUPPORTED, "%s: tensor \"%s\": expected F32, F16 or BF16, found %s", w->gguf.path, t->name,
			       t->type->name);
	if (!ts_mul_size(count, out_bytes, &total))
		return ts_fail_memory(err);
	TS_TRY(reserve(w, total, err));
	for (size_t i = 0; i < count; i++) {
		const unsigned char *in = t->data + (turned ? stored_row(w, i) : i) * bytes;
		unsigned char *out = w->scratch + i * out_bytes;
		if (t->type->widen)
			unpack_blocks(w, t->type, out, in, columns / t->type->block);
		else
			memcpy(out, in, bytes);
	}
	return 0;
}

static int need_gguf(struct ts_weights *w, const char *name, int dims, const size_t *shape, struct ts_weight_view *v, struct ts_error *err)
{
	char theirs[96] = "";
	const struct name_row *row = translate(name, theirs);
	const struct ts_gguf_tensor *t = row ? ts_gguf_tensor(&w->gguf, theirs) : NULL;
	if (!t)
		return ts_fail(err, TS_ENOTFOUND, "%s: no tensor \"%s\"", w->gguf.path, row ? theirs : name);
	TS_TRY(ts_shape_check(w->gguf.path, theirs, dims, shape, t->dims, t->shape, err));
	bool turned = row->turned && !strcmp(w->config->model_type, "llama");
	*v = (struct ts_weight_view){.data = t->data,
				     .dtype = dtype_of(w, t->type),
				     .path = w->gguf.path,
				     .file = &w->gguf.file,
				     .offset = (size_t)(t->data - w->gguf.file.data),
				     .bytes = t->bytes};
	if (turned || t->type->widen) {
		TS_TRY(unpack(w, t, turned, err));
		v->data = w->scratch;
	}
	return 0;
}

int ts_weights_need(struct ts_weights *w, const char *name, int dims, const size_t *shape, struct ts_weight_view *v, struct ts_error *err)
{
	const struct ts_tensor *t;
	if (w->from_gguf)
		return need_gguf(w, name, dims, shape, v, err);
	TS_TRY(ts_tensors_need(&w->tensors, name, dims, shape, &t, err));
	const struct ts_mapping *file = &w->tensors.files.data[t->file];
	*v = (struct ts_weight_view){.data = t->data,
				     .dtype = t->dtype,
				     .path = w->tensors.paths.data[t->file],
				     .file = file,
				     .offset = (size_t)(t->data - file->data),
				     .bytes = t->bytes};
	return 0;
}

void ts_weights_drop(const struct ts_weight_view *v)
{
	ts_mapping_drop(v->file, v->offset, v->bytes);
}
