/* What a model is, in the metadata of a GGUF file: the keys that llama.cpp's converter writes for llama, qwen2 and qwen3. */
#include "export/internal.h"

#include <stdio.h>
#include <string.h>

const char *export_gguf_architecture(const struct ts_model_config *c)
{
	return strcmp(c->model_type, "mistral") ? c->model_type : "llama";
}

static int refuse(const struct export *e, const char *what, const char *why)
{
	return ts_fail(e->err, TS_EUNSUPPORTED, "%s: %s cannot be written as GGUF: %s", e->options->model, what, why);
}

/* llama.cpp's own numbers, which the format's older readers cannot be told otherwise. */
static bool is_usual_yarn(const struct ts_model_config *c)
{
	double off = c->rope_attention_factor - ts_yarn_attention_factor(c->rope_factor);
	return c->rope_beta_fast == 32 && c->rope_beta_slow == 1 && c->rope_truncate && off < 1e-6 && off > -1e-6;
}

static int check(const struct export *e)
{
	const struct ts_model_config *c = &e->config;
	if (!strcmp(c->model_type, "qwen3") && (c->qkv_bias || c->o_bias))
		return refuse(e, "a qwen3 model with attention biases", "the architecture qwen3 of llama.cpp has none");
	if (c->rope_type == TS_ROPE_DYNAMIC)
		return refuse(e, "RoPE scaling dynamic", "expected none, linear, llama3 or yarn");
	if (c->rope_type == TS_ROPE_YARN && !is_usual_yarn(c))
		return refuse(e, "a yarn of its own", "expected beta_fast 32, beta_slow 1, truncate and the usual attention_factor");
	return 0;
}

/* "ARCHITECTURE.name" */
struct keys {
	struct ts_gguf_writer *w;
	const char *architecture;
	char key[160];
};

static const char *key_of(struct keys *k, const char *name)
{
	snprintf(k->key, sizeof(k->key), "%s.%s", k->architecture, name);
	return k->key;
}

static void put_size(struct keys *k, const char *name, int v)
{
	ts_gguf_put_u32(k->w, key_of(k, name), (uint32_t)v);
}

static void put_real(struct keys *k, const char *name, double v)
{
	ts_gguf_put_f32(k->w, key_of(k, name), (float)v);
}

static void put_general(const struct export *e, struct ts_gguf_writer *w)
{
	/* ggml's numbers for what most weights of a file are */
	static const uint32_t file_types[] = {[TS_EXPORT_BF16] = 32, [TS_EXPORT_F16] = 1, [TS_EXPORT_F32] = 0, [TS_EXPORT_Q8_0] = 7};
	const char *architecture = export_gguf_architecture(&e->config), *slash = strrchr(e->out.data, '/');
	const char *name = slash ? slash + 1 : e->out.data;
	ts_gguf_put_text(w, "general.architecture", architecture, strlen(architecture));
	ts_gguf_put_text(w, "general.type", e->options->lora ? "adapter" : "model", e->options->lora ? 7 : 5);
	ts_gguf_put_text(w, EXPORT_KEY, e->options->program, strlen(e->options->program));
	ts_gguf_put_text(w, "general.name", name, strlen(name) - strlen(".gguf"));
	ts_gguf_put_u32(w, "general.file_type", file_types[e->options->type]);
	ts_gguf_put_u32(w, "general.quantization_version", 2);
}

/* llama.cpp knows no window for these architectures: up to the window's length the model is the same without it. */
static int context_length(const struct export *e)
{
	const struct ts_model_config *c = &e->config;
	if (!c->sliding_window || c->sliding_window >= c->max_positions)
		return c->max_positions;
	ts_log(e->context, TS_LOG_WARN, "%s: GGUF has no sliding window for %s: the context is written as %d, the window, instead of %d",
	       e->out.data, export_gguf_architecture(c), c->sliding_window, c->max_positions);
	return c->sliding_window;
}

static void put_rope(const struct ts_model_config *c, struct keys *k)
{
	put_real(k, "rope.freq_base", c->rope_theta);
	if (c->rope_type == TS_ROPE_LINEAR) {
		ts_gguf_put_text(k->w, key_of(k, "rope.scaling.type"), "linear", 6);
		put_real(k, "rope.scaling.factor", c->rope_factor);
	}
	if (c->rope_type == TS_ROPE_YARN) {
		ts_gguf_put_text(k->w, key_of(k, "rope.scaling.type"), "yarn", 4);
		put_real(k, "rope.scaling.factor", c->rope_factor);
		put_size(k, "rope.scaling.original_context_length", (int)c->rope_original_positions);
	}
}

int export_gguf_keys(const struct export *e, struct ts_gguf_writer *w)
{
	const struct ts_model_config *c = &e->config;
	struct keys k = {.w = w, .architecture = export_gguf_architecture(c)};
	TS_TRY(check(e));
	put_general(e, w);
	if (e->options->lora)
		return 0;
	put_size(&k, "block_count", c->layers);
	put_size(&k, "context_length", context_length(e));
	put_size(&k, "embedding_length", c->hidden_size);
	put_size(&k, "feed_forward_length", c->intermediate_size);
	put_size(&k, "attention.head_count", c->heads);
	put_size(&k, "attention.head_count_kv", c->kv_heads);
	put_real(&k, "attention.layer_norm_rms_epsilon", (double)c->rms_norm_eps);
	put_size(&k, "attention.key_length", c->head_dim);
	put_size(&k, "attention.value_length", c->head_dim);
	put_size(&k, "rope.dimension_count", c->head_dim);
	put_size(&k, "vocab_size", c->vocab_size);
	put_rope(c, &k);
	return 0;
}
