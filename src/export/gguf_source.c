/* What a folder holds beside the weights when the source is a GGUF file: config.json, generation_config.json, tokenizer.json and
 * tokenizer_config.json, made from its metadata. What these files cannot say is refused by name. */
#include "export/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The decimal that was meant by a number that the file holds in f32: 1e-06, not 9.99999997e-07. */
static double shortest(double v)
{
	char text[32];
	for (int digits = 1; digits < 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if ((float)strtod(text, NULL) == (float)v)
			return strtod(text, NULL);
	}
	return v;
}

static int refuse(const struct export *e, const char *what)
{
	return ts_fail(e->err, TS_EUNSUPPORTED, "%s: %s cannot be said in a config.json; expected --out FILE.gguf, found \"%s\"",
		       e->options->model, what, e->options->out);
}

/* --- positions --- */

/* Whether a file's factors are those of these settings. */
static bool is_llama3(const struct ts_model_config *c, const float *factors)
{
	for (int i = 0; i < c->head_dim / 2; i++) {
		float off = export_llama3_factor(c, i) / factors[i] - 1;
		if (!(off < 1e-5f && off > -1e-5f))
			return false;
	}
	return true;
}

/* A file holds what RoPE llama3 divides by, a config.json the settings that this follows from. The published ones differ in two of the four:
 * the longest wave's factor is the first, and the other is a power of two. */
static int find_llama3(struct export *e, struct ts_model_config *c)
{
	struct ts_weight_view view;
	size_t half = (size_t)c->head_dim / 2, ones = 0;
	float factors[256 / 2]; /* heads have at most 256 features */
	TS_TRY(ts_weights_need(&e->weights, EXPORT_FACTORS, 1, &half, &view, e->err));
	ts_widen(factors, view.data, view.dtype, half);
	for (size_t i = 0; i < half; i++)
		ones += factors[i] == 1;
	if (ones == half)
		return 0;
	if (c->rope_type != TS_ROPE_DEFAULT)
		return refuse(e, "\"" EXPORT_FACTORS "\" with another RoPE scaling");
	c->rope_type = TS_ROPE_LLAMA3;
	c->rope_factor = shortest((double)factors[half - 1]);
	c->rope_low_freq = 1;
	c->rope_high_freq = 4;
	for (int power = 4; power <= 20; power++) {
		c->rope_original_positions = 1 << power;
		if (is_llama3(c, factors))
			return 0;
	}
	return refuse(e, "\"" EXPORT_FACTORS "\" of other numbers than those of Llama 3");
}

static json_t *rope_scaling(const struct ts_model_config *c)
{
	json_int_t original = (json_int_t)c->rope_original_positions;
	switch (c->rope_type) {
	case TS_ROPE_LINEAR:
		return json_pack("{s:s,s:f}", "rope_type", "linear", "factor", shortest(c->rope_factor));
	case TS_ROPE_YARN:
		return json_pack("{s:s,s:f,s:I}", "rope_type", "yarn", "factor", shortest(c->rope_factor),
				 "original_max_position_embeddings", original);
	case TS_ROPE_LLAMA3:
		return json_pack("{s:s,s:f,s:f,s:f,s:I}", "rope_type", "llama3", "factor", shortest(c->rope_factor), "low_freq_factor",
				 c->rope_low_freq, "high_freq_factor", c->rope_high_freq, "original_max_position_embeddings", original);
	default:
		return json_null();
	}
}

/* --- config.json --- */

/* The class of each architecture, and which biases it has: Qwen2 on q, k and v, the others on q, k, v and o or nowhere. */
static const struct family {
	const char *type, *class;
	bool qkv_bias;
} families[] = {{"llama", "LlamaForCausalLM", false}, {"qwen2", "Qwen2ForCausalLM", true}, {"qwen3", "Qwen3ForCausalLM", false}};

static int find_family(const struct export *e, const struct family **out)
{
	const struct ts_model_config *c = &e->config;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (!strcmp(c->model_type, families[i].type))
			*out = &families[i];
	if (!*out)
		return refuse(e, c->model_type);
	if ((*out)->qkv_bias ? !c->qkv_bias || c->o_bias : c->qkv_bias != c->o_bias)
		return refuse(e, "which of q, k, v and o have biases");
	return 0;
}

static json_t *end_tokens(const struct ts_model_config *c)
{
	if (c->eos_count < 2)
		return c->eos_count ? json_integer(c->eos_ids[0]) : json_null();
	json_t *list = json_array();
	for (int i = 0; i < c->eos_count; i++)
		if (json_array_append_new(list, json_integer(c->eos_ids[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int put_tokens(const struct ts_model_config *c, json_t *root)
{
	return json_object_set_new(root, "bos_token_id", c->bos_id < 0 ? json_null() : json_integer(c->bos_id)) |
	       json_object_set_new(root, "eos_token_id", end_tokens(c));
}

static json_t *make_config(const struct ts_model_config *c, const struct family *f)
{
	json_t *root =
		json_pack("{s:[s],s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:o}", "architectures", f->class, "model_type", f->type,
			  "hidden_act", "silu", "vocab_size", c->vocab_size, "hidden_size", c->hidden_size, "intermediate_size",
			  c->intermediate_size, "num_hidden_layers", c->layers, "num_attention_heads", c->heads, "num_key_value_heads",
			  c->kv_heads, "head_dim", c->head_dim, "max_position_embeddings", c->max_positions, "rms_norm_eps",
			  shortest((double)c->rms_norm_eps), "rope_theta", shortest(c->rope_theta), "rope_scaling", rope_scaling(c));
	int failed = json_object_set_new(root, "tie_word_embeddings", json_boolean(c->tied_embeddings)) | put_tokens(c, root);
	if (!f->qkv_bias)
		failed |= json_object_set_new(root, "attention_bias", json_boolean(c->qkv_bias));
	if (!failed)
		return root;
	json_decref(root);
	return NULL;
}

/* --- the files --- */

static int put(struct export *e, const char *name, json_t *value, bool pretty)
{
	struct export_file file = {.name = name};
	int failed = !value || (pretty ? ts_json_dump_pretty(value, &file.text) : ts_json_dump(value, &file.text));
	json_decref(value);
	if (!failed && !ts_vec_push(&e->made, file))
		return 0;
	ts_str_release(&file.text);
	return ts_fail_memory(e->err);
}

static int put_generation(struct export *e)
{
	json_t *root = json_object();
	if (put_tokens(&e->config, root)) {
		json_decref(root);
		return ts_fail_memory(e->err);
	}
	return put(e, "generation_config.json", root, true);
}

static int put_tokenizer(struct export *e)
{
	json_t *tokenizer, *config;
	int status = ts_local_chat_files(e->options->model, e->options->pre, &tokenizer, &config, e->err);
	if (!status)
		status = put(e, "tokenizer.json", json_incref(tokenizer), false);
	if (!status)
		status = put(e, "tokenizer_config.json", json_incref(config), true);
	json_decref(tokenizer);
	json_decref(config);
	return status;
}

int export_gguf_source(struct export *e)
{
	const struct family *family = NULL;
	struct ts_model_config config = e->config;
	TS_TRY(find_family(e, &family));
	if (ts_weights_has(&e->weights, EXPORT_FACTORS))
		TS_TRY(find_llama3(e, &config));
	json_t *root = make_config(&config, family);
	if (root && export_config_set_dtype(e, root)) {
		json_decref(root);
		root = NULL;
	}
	TS_TRY(put(e, "config.json", root, true));
	TS_TRY(put_generation(e));
	return put_tokenizer(e);
}
