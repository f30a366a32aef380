/* A GGUF file's metadata -> ts_model_config. What a family does differently is a row of `families`. A key of the architecture that we
 * do not know may change numbers, so it is refused unless it says 0 or false. */
#include "checkpoint/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct family {
	const char *name;
	bool qk_norm;
} families[] = {
	{"llama", false}, /* Mistral too: the format does not tell them apart */
	{"qwen2", false},
	{"qwen3", true},
};

/* Keys behind "ARCHITECTURE." that are read below, or that change nothing here. */
static const char *const known_keys[] = {
	"block_count",
	"context_length",
	"embedding_length",
	"feed_forward_length",
	"attention.head_count",
	"attention.head_count_kv",
	"attention.key_length",
	"attention.value_length",
	"attention.layer_norm_rms_epsilon",
	"rope.dimension_count",
	"rope.freq_base",
	"rope.scale_linear",
	"rope.scaling.type",
	"rope.scaling.factor",
	"rope.scaling.original_context_length",
	"rope.scaling.finetuned",
	"vocab_size",            /* the embedding's rows say it */
	"use_parallel_residual", /* old files of Qwen2 say it, and it never meant anything there */
};

struct reader {
	const struct ts_gguf *g;
	const char *architecture;
	char key[160];
	struct ts_error *err;
};

/* "ARCHITECTURE.name", valid until the next one. */
static const char *key_of(struct reader *r, const char *name)
{
	snprintf(r->key, sizeof(r->key), "%s.%s", r->architecture, name);
	return r->key;
}

static int refuse(const struct reader *r, const char *key, const char *found, const char *known)
{
	return ts_fail(r->err, TS_EUNSUPPORTED, "%s: key \"%s\": %s is not supported (%s)", r->g->path, key, found, known);
}

/* fallback 0: the key must be there. */
static int read_size(struct reader *r, const char *name, int64_t fallback, int64_t most, int *out)
{
	int64_t v;
	const char *key = key_of(r, name);
	if (!fallback && !ts_gguf_find(r->g, key))
		return ts_fail(r->err, TS_EFORMAT, "%s: key \"%s\" is missing", r->g->path, key);
	TS_TRY(ts_gguf_int(r->g, key, fallback, &v, r->err));
	if (v < 1 || v > most)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected 1 to %lld, found %lld", r->g->path, key, (long long)most,
			       (long long)v);
	*out = (int)v;
	return 0;
}

static int read_positive(struct reader *r, const char *name, double fallback, double *out)
{
	const char *key = key_of(r, name);
	TS_TRY(ts_gguf_real(r->g, key, fallback, out, r->err));
	if (!(*out > 0) || !isfinite(*out))
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected a number above 0, found %.9g%s", r->g->path, key, *out,
			       ts_gguf_find(r->g, key) ? "" : " (it is missing)");
	return 0;
}

static int read_text(const struct reader *r, const char *key, char *out, size_t room)
{
	const char *s;
	size_t n;
	TS_TRY(ts_gguf_text(r->g, key, &s, &n, r->err));
	snprintf(out, room, "%.*s", n < room ? (int)n : (int)room - 1, s ? s : "");
	return 0;
}

static int read_family(struct reader *r, struct ts_model_config *c)
{
	TS_TRY(read_text(r, "general.architecture", c->model_type, sizeof(c->model_type)));
	if (!*c->model_type)
		return ts_fail(r->err, TS_EFORMAT, "%s: key \"general.architecture\" is missing", r->g->path);
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (!strcmp(c->model_type, families[i].name)) {
			c->qk_norm = families[i].qk_norm;
			return 0;
		}
	return refuse(r, "general.architecture", c->model_type, "known: llama, qwen2, qwen3");
}

static int check_keys(const struct reader *r)
{
	size_t prefix = strlen(r->architecture);
	for (size_t i = 0; i < r->g->values.len; i++) {
		const struct ts_gguf_value *v = &r->g->values.data[i];
		if (strncmp(v->key, r->architecture, prefix) || v->key[prefix] != '.')
			continue;
		bool known = ts_gguf_says_nothing(r->g, v);
		for (size_t k = 0; k < sizeof(known_keys) / sizeof(*known_keys); k++)
			known |= !strcmp(v->key + prefix + 1, known_keys[k]);
		if (!known)
			return refuse(r, v->key, "this setting", "it may change what the model computes");
	}
	char type[32];
	int64_t parts;
	TS_TRY(read_text(r, "general.type", type, sizeof(type)));
	if (*type && strcmp(type, "model"))
		return refuse(r, "general.type", type, "expected a model, or a file without this key");
	TS_TRY(ts_gguf_int(r->g, "split.count", 1, &parts, r->err));
	return parts > 1 ? refuse(r, "split.count", "a model in several files", "known: one file") : 0;
}

static int read_head_dim(struct reader *r, struct ts_model_config *c)
{
	int value_length, turned;
	if (!ts_gguf_find(r->g, key_of(r, "attention.key_length")) && c->hidden_size % c->heads)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected a multiple of attention.head_count %d, found %d", r->g->path,
			       key_of(r, "embedding_length"), c->heads, c->hidden_size);
	/* the attention kernels hold a head of up to 256 numbers */
	TS_TRY(read_size(r, "attention.key_length", c->hidden_size / c->heads ? c->hidden_size / c->heads : 1, 256, &c->head_dim));
	TS_TRY(read_size(r, "attention.value_length", c->head_dim, 1 << 20, &value_length));
	TS_TRY(read_size(r, "rope.dimension_count", c->head_dim, 1 << 20, &turned));
	if (c->head_dim % 2)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected an even number, found %d", r->g->path,
			       key_of(r, "attention.key_length"), c->head_dim);
	if (value_length != c->head_dim)
		return refuse(r, key_of(r, "attention.value_length"), "a length other than the keys'", "expected attention.key_length");
	if (turned != c->head_dim)
		return refuse(r, key_of(r, "rope.dimension_count"), "a rotation of part of a head", "expected attention.key_length");
	return 0;
}

static int read_sizes(struct reader *r, struct ts_model_config *c)
{
	double eps;
	TS_TRY(read_size(r, "embedding_length", 0, 1 << 20, &c->hidden_size));
	TS_TRY(read_size(r, "block_count", 0, 1 << 12, &c->layers));
	TS_TRY(read_size(r, "attention.head_count", 0, 1 << 12, &c->heads));
	TS_TRY(read_size(r, "attention.head_count_kv", c->heads, 1 << 12, &c->kv_heads));
	TS_TRY(read_size(r, "feed_forward_length", 0, 1 << 22, &c->intermediate_size));
	TS_TRY(read_size(r, "context_length", 0, 1 << 30, &c->max_positions));
	if (c->heads % c->kv_heads)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected a divisor of attention.head_count %d, found %d", r->g->path,
			       key_of(r, "attention.head_count_kv"), c->heads, c->kv_heads);
	TS_TRY(read_positive(r, "attention.layer_norm_rms_epsilon", 0, &eps));
	if (eps >= 1)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected below 1, found %g", r->g->path,
			       key_of(r, "attention.layer_norm_rms_epsilon"), eps);
	c->rms_norm_eps = (float)eps;
	return read_head_dim(r, c);
}

/* The ends of the ramp and the scale of cos and sin are those that the paper recommends; a file that gives others is refused by its key. */
static int read_yarn(struct reader *r, struct ts_model_config *c)
{
	TS_TRY(read_positive(r, "rope.scaling.original_context_length", 0, &c->rope_original_positions));
	if (c->rope_theta <= 1)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected above 1 with yarn, found %g", r->g->path,
			       key_of(r, "rope.freq_base"), c->rope_theta);
	c->rope_type = TS_ROPE_YARN;
	c->rope_beta_fast = 32;
	c->rope_beta_slow = 1;
	c->rope_truncate = true;
	c->rope_attention_factor = ts_yarn_attention_factor(c->rope_factor);
	return 0;
}

static int read_rope(struct reader *r, struct ts_model_config *c)
{
	char type[32];
	double old_factor;
	TS_TRY(read_positive(r, "rope.freq_base", 10000, &c->rope_theta));
	TS_TRY(read_positive(r, "rope.scale_linear", 1, &old_factor));
	TS_TRY(read_text(r, key_of(r, "rope.scaling.type"), type, sizeof(type)));
	TS_TRY(read_positive(r, "rope.scaling.factor", old_factor, &c->rope_factor));
	if (!strcmp(type, "yarn"))
		return read_yarn(r, c);
	if (*type && strcmp(type, "none") && strcmp(type, "linear"))
		return refuse(r, key_of(r, "rope.scaling.type"), type, "known: none, linear, yarn");
	bool scaled = strcmp(type, "none") && c->rope_factor != 1; /* without a type a factor is linear */
	c->rope_type = scaled ? TS_ROPE_LINEAR : TS_ROPE_DEFAULT;
	if (!scaled)
		c->rope_factor = 0;
	return 0;
}

/* What the metadata do not say, the tensors do. */
static int read_tensors(const struct reader *r, struct ts_model_config *c)
{
	const struct ts_gguf_tensor *embedding = ts_gguf_tensor(r->g, "token_embd.weight");
	if (!embedding)
		return ts_fail(r->err, TS_ENOTFOUND, "%s: no tensor \"token_embd.weight\"", r->g->path);
	if (embedding->dims != 2 || embedding->shape[0] > 1 << 24)
		return ts_fail(r->err, TS_EMISMATCH,
			       "%s: tensor \"token_embd.weight\": expected a matrix of at most %d rows, found %d "
			       "dimensions and %zu rows",
			       r->g->path, 1 << 24, embedding->dims, embedding->shape[0]);
	c->vocab_size = (int)embedding->shape[0];
	c->tied_embeddings = !ts_gguf_tensor(r->g, "output.weight");
	c->qkv_bias = ts_gguf_tensor(r->g, "blk.0.attn_q.bias") != NULL;
	c->o_bias = ts_gguf_tensor(r->g, "blk.0.attn_output.bias") != NULL;
	return 0;
}

static int read_token(const struct reader *r, const char *key, const struct ts_model_config *c, int64_t *id)
{
	TS_TRY(ts_gguf_int(r->g, key, -1, id, r->err));
	if (*id == UINT32_MAX)
		*id = -1; /* how some files say that there is none */
	if (*id < -1 || *id >= c->vocab_size)
		return ts_fail(r->err, TS_EINVAL, "%s: key \"%s\": expected an id from 0 to %d, found %lld", r->g->path, key,
			       c->vocab_size - 1, (long long)*id);
	return 0;
}

static int read_tokens(const struct reader *r, struct ts_model_config *c)
{
	static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
	int64_t id;
	TS_TRY(read_token(r, "tokenizer.ggml.bos_token_id", c, &id));
	c->bos_id = (int32_t)id;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		TS_TRY(read_token(r, ends[i], c, &id));
		if (id >= 0)
			TS_TRY(ts_model_config_add_eos(c, (int32_t)id));
	}
	return 0;
}

int ts_gguf_config(const struct ts_gguf *g, struct ts_model_config *c, struct ts_error *err)
{
	*c = (struct ts_model_config){.bos_id = -1};
	struct reader r = {.g = g, .architecture = c->model_type, .err = err};
	TS_TRY(read_family(&r, c));
	TS_TRY(check_keys(&r));
	TS_TRY(read_sizes(&r, c));
	TS_TRY(read_rope(&r, c));
	TS_TRY(read_tensors(&r, c));
	return read_tokens(&r, c);
}

int ts_gguf_config_load(struct ts_model_config *c, const char *path, struct ts_error *err)
{
	struct ts_gguf g;
	TS_TRY(ts_gguf_open(&g, path, err));
	int status = ts_gguf_config(&g, c, err);
	ts_gguf_close(&g);
	return status;
}
