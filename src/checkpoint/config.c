/* config.json -> ts_model_config. What a family does differently is a row of `families`; defaults for absent keys are those of
 * transformers' configuration classes. Sizes have no defaults: a checkpoint that does not say how large it is, is broken.
 * What a key asks for and we do not compute is refused here, so that the model never runs with other numbers than meant. */
#include "checkpoint/config.h"

#include "checkpoint/gguf_config.h"
#include "core/file.h"
#include "core/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct family {
	const char *name;
	bool qk_norm;
	bool always_qkv_bias;
	bool takes_attention_bias; /* "attention_bias": true puts a bias on q, k, v and o */
	bool windowed_layers;      /* use_sliding_window, max_window_layers */
	bool window;               /* sliding_window holds for every layer */
	int head_dim;              /* when absent; 0 = hidden_size / heads */
	int max_positions;         /* when absent */
};

static const struct family families[] = {
	{"qwen3", .qk_norm = true, .takes_attention_bias = true, .windowed_layers = true, .head_dim = 128, .max_positions = 32768},
	{"qwen2", .always_qkv_bias = true, .windowed_layers = true, .max_positions = 32768},
	{"llama", .takes_attention_bias = true, .max_positions = 2048},
	{"mistral", .window = true, .max_positions = 131072},
};

#define FAMILY_COUNT   (sizeof(families) / sizeof(*families))
#define DEFAULT_WINDOW 4096 /* sliding_window of Qwen and Mistral when absent; null means none */

struct reader {
	const json_t *root;
	const char *place;
	const struct family *family;
	struct ts_error *err;
};

static int refuse(const struct reader *r, const char *key, const char *found, const char *known)
{
	return ts_fail(r->err, TS_EUNSUPPORTED, "%s: \"%s\": %s is not supported (%s)", r->place, key, found, known);
}

static int read_size(const struct reader *r, const char *key, int64_t fallback, int64_t limit, int *out)
{
	int64_t v;
	if (fallback)
		TS_TRY(ts_json_int(r->root, key, fallback, &v, r->place, r->err));
	else
		TS_TRY(ts_json_need_int(r->root, key, &v, r->place, r->err));
	if (v < 1 || v > limit)
		return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": expected 1 to %lld, found %lld", r->place, key, (long long)limit,
			       (long long)v);
	*out = (int)v;
	return 0;
}

static int read_positive(const struct reader *r, const json_t *object, const char *key, double fallback, double *out)
{
	TS_TRY(ts_json_real(object, key, fallback, out, r->place, r->err));
	const json_t *given = json_object_get(object, key);
	if (fallback == 0 && (!given || json_is_null(given)))
		return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": expected a number above 0, found %s", r->place, key, ts_json_kind(given));
	if (!(*out > 0) || !isfinite(*out))
		return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": expected a number above 0, found %.9g", r->place, key, *out);
	return 0;
}

static int read_family(struct reader *r, struct ts_model_config *c)
{
	const char *type;
	TS_TRY(ts_json_need_text(r->root, "model_type", &type, r->place, r->err));
	for (size_t i = 0; i < FAMILY_COUNT; i++)
		if (!strcmp(type, families[i].name))
			r->family = &families[i];
	if (!r->family)
		return refuse(r, "model_type", type, "known: qwen3, qwen2, llama, mistral");
	snprintf(c->model_type, sizeof(c->model_type), "%s", type);
	c->qk_norm = r->family->qk_norm;
	return 0;
}

/* A null asks for the quotient; a missing key for the class's own default. */
static int read_head_dim(const struct reader *r, struct ts_model_config *c)
{
	const json_t *given = json_object_get(r->root, "head_dim");
	int fallback = given ? 0 : r->family->head_dim;
	if (!fallback && (!given || json_is_null(given)) && c->hidden_size % c->heads)
		return ts_fail(r->err, TS_EINVAL, "%s: \"hidden_size\": expected a multiple of num_attention_heads %d, found %d", r->place,
			       c->heads, c->hidden_size);
	if (!fallback)
		fallback = c->hidden_size / c->heads;
	/* the attention kernels hold a head of up to 256 numbers */
	TS_TRY(read_size(r, "head_dim", fallback, 256, &c->head_dim));
	if (c->head_dim % 2)
		return ts_fail(r->err, TS_EINVAL, "%s: \"head_dim\": expected an even number, found %d", r->place, c->head_dim);
	return 0;
}

static int read_sizes(const struct reader *r, struct ts_model_config *c)
{
	TS_TRY(read_size(r, "vocab_size", 0, 1 << 24, &c->vocab_size));
	TS_TRY(read_size(r, "hidden_size", 0, 1 << 20, &c->hidden_size));
	TS_TRY(read_size(r, "num_hidden_layers", 0, 1 << 12, &c->layers));
	TS_TRY(read_size(r, "num_attention_heads", 0, 1 << 12, &c->heads));
	TS_TRY(read_size(r, "num_key_value_heads", c->heads, 1 << 12, &c->kv_heads));
	TS_TRY(read_size(r, "intermediate_size", 0, 1 << 22, &c->intermediate_size));
	TS_TRY(read_size(r, "max_position_embeddings", r->family->max_positions, 1 << 30, &c->max_positions));
	if (c->heads % c->kv_heads)
		return ts_fail(r->err, TS_EINVAL, "%s: \"num_key_value_heads\": expected a divisor of num_attention_heads %d, found %d",
			       r->place, c->heads, c->kv_heads);
	return read_head_dim(r, c);
}

static int read_options(const struct reader *r, struct ts_model_config *c)
{
	double eps, partial;
	const char *act;
	bool attention_bias, mlp_bias;
	TS_TRY(read_positive(r, r->root, "rms_norm_eps", 1e-6, &eps));
	if (eps >= 1)
		return ts_fail(r->err, TS_EINVAL, "%s: \"rms_norm_eps\": expected below 1, found %g", r->place, eps);
	c->rms_norm_eps = (float)eps;
	TS_TRY(ts_json_bool(r->root, "tie_word_embeddings", false, &c->tied_embeddings, r->place, r->err));
	TS_TRY(ts_json_text(r->root, "hidden_act", &act, r->place, r->err));
	if (act && strcmp(act, "silu"))
		return refuse(r, "hidden_act", act, "known: silu");
	TS_TRY(ts_json_bool(r->root, "attention_bias", false, &attention_bias, r->place, r->err));
	if (attention_bias && !r->family->takes_attention_bias && !r->family->always_qkv_bias)
		return refuse(r, "attention_bias", "true", "this family has no bias");
	c->qkv_bias = r->family->always_qkv_bias || attention_bias;
	c->o_bias = r->family->takes_attention_bias && attention_bias;
	TS_TRY(ts_json_bool(r->root, "mlp_bias", false, &mlp_bias, r->place, r->err));
	if (mlp_bias)
		return refuse(r, "mlp_bias", "true", "known: false");
	TS_TRY(ts_json_real(r->root, "partial_rotary_factor", 1, &partial, r->place, r->err));
	if (partial != 1)
		return refuse(r, "partial_rotary_factor", "a value other than 1", "known: 1");
	const json_t *quantization = json_object_get(r->root, "quantization_config");
	if (quantization && !json_is_null(quantization)) {
		const char *method = json_string_value(json_object_get(quantization, "quant_method"));
		return refuse(r, "quantization_config", method ? method : "a quantized checkpoint", "known: unquantized weights");
	}
	return 0;
}

/* How many layers "layer_types" calls sliding; -1 when the key is absent. */
static int read_layer_types(const struct reader *r, const struct ts_model_config *c, int *sliding)
{
	const json_t *types = json_object_get(r->root, "layer_types");
	*sliding = -1;
	if (!types || json_is_null(types))
		return 0;
	if (!json_is_array(types) || json_array_size(types) != (size_t)c->layers)
		return ts_fail(r->err, TS_EMISMATCH, "%s: \"layer_types\": expected an array of %d (num_hidden_layers), found %zu",
			       r->place, c->layers, json_array_size(types));
	*sliding = 0;
	for (size_t i = 0; i < json_array_size(types); i++) {
		const char *type = json_string_value(json_array_get(types, i));
		if (type && !strcmp(type, "sliding_attention"))
			++*sliding;
		else if (!type || strcmp(type, "full_attention"))
			return refuse(r, "layer_types", type ? type : "an entry that is not a string",
				      "known: full_attention, sliding_attention");
	}
	return 0;
}

static int read_window(const struct reader *r, struct ts_model_config *c)
{
	int sliding;
	TS_TRY(read_layer_types(r, c, &sliding));
	if (!r->family->window && sliding > 0)
		return refuse(r, "layer_types", "sliding_attention", "known for this family: full_attention");
	bool takes_window = r->family->window || r->family->windowed_layers;
	if (!takes_window)
		return 0;
	const json_t *given = json_object_get(r->root, "sliding_window");
	int window = 0;
	if (!json_is_null(given))
		TS_TRY(read_size(r, "sliding_window", DEFAULT_WINDOW, 1 << 30, &window));
	if (r->family->window) {
		if (sliding > 0 ? sliding < c->layers || !window : sliding == 0 && window)
			return refuse(r, "layer_types", "a list that does not fit sliding_window", "known: the same window in every layer");
		c->sliding_window = window;
		return 0;
	}
	bool use;
	int64_t full_layers;
	TS_TRY(ts_json_bool(r->root, "use_sliding_window", false, &use, r->place, r->err));
	TS_TRY(ts_json_int(r->root, "max_window_layers", 28, &full_layers, r->place, r->err));
	if (use && window && sliding < 0 && full_layers < c->layers)
		return refuse(r, "use_sliding_window", "true", "known: full attention in every layer");
	return 0;
}

/* The theta may stand at the top (published layout) or inside the rope object (transformers 5); two that differ are refused. */
static int read_theta(const struct reader *r, const json_t *rope, struct ts_model_config *c)
{
	const json_t *outer = json_object_get(r->root, "rope_theta");
	double inside;
	TS_TRY(read_positive(r, r->root, "rope_theta", 10000, &c->rope_theta));
	TS_TRY(read_positive(r, rope, "rope_theta", c->rope_theta, &inside));
	if (outer && !json_is_null(outer) && inside != c->rope_theta)
		return ts_fail(r->err, TS_EMISMATCH, "%s: \"rope_theta\": %.9g at the top, but %.9g inside the rope settings", r->place,
			       c->rope_theta, inside);
	c->rope_theta = inside;
	return 0;
}

static int read_llama3(const struct reader *r, const json_t *rope, struct ts_model_config *c)
{
	TS_TRY(read_positive(r, rope, "factor", 0, &c->rope_factor));
	TS_TRY(read_positive(r, rope, "low_freq_factor", 0, &c->rope_low_freq));
	TS_TRY(read_positive(r, rope, "high_freq_factor", 0, &c->rope_high_freq));
	TS_TRY(read_positive(r, rope, "original_max_position_embeddings", 0, &c->rope_original_positions));
	if (c->rope_high_freq <= c->rope_low_freq)
		return ts_fail(r->err, TS_EINVAL, "%s: \"high_freq_factor\": expected above low_freq_factor %g, found %g", r->place,
			       c->rope_low_freq, c->rope_high_freq);
	return 0;
}

static int read_rope_type(const struct reader *r, const char *key, const json_t *rope, struct ts_model_config *c)
{
	const char *type;
	TS_TRY(ts_json_text(rope, "rope_type", &type, r->place, r->err));
	if (!type)
		TS_TRY(ts_json_text(rope, "type", &type, r->place, r->err));
	if (!type && json_object_get(rope, "factor"))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": \"factor\" without a \"rope_type\"", r->place, key);
	double partial;
	TS_TRY(ts_json_real(rope, "partial_rotary_factor", 1, &partial, r->place, r->err));
	if (partial != 1)
		return refuse(r, "partial_rotary_factor", "a value other than 1", "known: 1");
	c->rope_type = TS_ROPE_DEFAULT;
	if (!type || !strcmp(type, "default"))
		return 0;
	if (!strcmp(type, "linear")) {
		c->rope_type = TS_ROPE_LINEAR;
		return read_positive(r, rope, "factor", 0, &c->rope_factor);
	}
	if (!strcmp(type, "llama3")) {
		c->rope_type = TS_ROPE_LLAMA3;
		return read_llama3(r, rope, c);
	}
	return refuse(r, key, type, "known rope types: default, linear, llama3");
}

static int read_rope(const struct reader *r, struct ts_model_config *c)
{
	const char *key = "rope_scaling";
	json_t *rope = json_object_get(r->root, key);
	if (!rope || json_is_null(rope)) {
		key = "rope_parameters";
		rope = json_object_get(r->root, key);
	}
	if (!rope || json_is_null(rope))
		return read_theta(r, NULL, c);
	if (!json_is_object(rope))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": expected an object, found %s", r->place, key, ts_json_kind(rope));
	const char *name;
	json_t *value;
	json_object_foreach (rope, name, value)
		if (json_is_object(value))
			return refuse(r, key, name, "known: one setting for all layers");
	TS_TRY(read_theta(r, rope, c));
	return read_rope_type(r, key, rope, c);
}

int ts_model_config_add_eos(struct ts_model_config *c, int32_t id)
{
	int at = 0;
	while (at < c->eos_count && c->eos_ids[at] < id)
		at++;
	if (at < c->eos_count && c->eos_ids[at] == id)
		return 0;
	if (c->eos_count == (int)(sizeof(c->eos_ids) / sizeof(*c->eos_ids)))
		return TS_ELIMIT;
	memmove(&c->eos_ids[at + 1], &c->eos_ids[at], (size_t)(c->eos_count - at) * sizeof(*c->eos_ids));
	c->eos_ids[at] = id;
	c->eos_count++;
	return 0;
}

static int add_eos(const struct reader *r, struct ts_model_config *c, const json_t *id)
{
	if (!json_is_integer(id))
		return ts_fail(r->err, TS_EINVAL, "%s: \"eos_token_id\": expected ids from 0 to %d, found %s", r->place, c->vocab_size - 1,
			       ts_json_kind(id));
	if (json_integer_value(id) < 0 || json_integer_value(id) >= c->vocab_size)
		return ts_fail(r->err, TS_EINVAL, "%s: \"eos_token_id\": expected ids from 0 to %d, found %lld", r->place,
			       c->vocab_size - 1, (long long)json_integer_value(id));
	if (ts_model_config_add_eos(c, (int32_t)json_integer_value(id)))
		return ts_fail(r->err, TS_ELIMIT, "%s: \"eos_token_id\": more than %d end tokens", r->place, c->eos_count);
	return 0;
}

static int read_eos(const struct reader *r, struct ts_model_config *c)
{
	const json_t *v = json_object_get(r->root, "eos_token_id");
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return add_eos(r, c, v);
	for (size_t i = 0; i < json_array_size(v); i++)
		TS_TRY(add_eos(r, c, json_array_get(v, i)));
	return 0;
}

static int read_bos(const struct reader *r, struct ts_model_config *c)
{
	int64_t v;
	TS_TRY(ts_json_int(r->root, "bos_token_id", -1, &v, r->place, r->err));
	if (v < -1 || v >= c->vocab_size)
		return ts_fail(r->err, TS_EINVAL, "%s: \"bos_token_id\": expected an id from 0 to %d, found %lld", r->place,
			       c->vocab_size - 1, (long long)v);
	c->bos_id = (int32_t)v;
	return 0;
}

/* Settings of generation_config.json that would change what is sampled and that we do not have, with the value that asks for
 * nothing. Temperature and the like are not here: the recipe sets them. */
static const struct {
	const char *key;
	double neutral;
} unknown_sampling[] = {
	{"repetition_penalty", 1},
	{"encoder_repetition_penalty", 1},
	{"no_repeat_ngram_size", 0},
	{"typical_p", 1},
	{"min_p", 0},
	{"penalty_alpha", 0},
	{"epsilon_cutoff", 0},
	{"eta_cutoff", 0},
	{"guidance_scale", 1},
	{"num_beams", 1},
	{"length_penalty", 1},
	{"diversity_penalty", 0},
	{"min_length", 0},
	{"min_new_tokens", 0},
	{"top_h", 0},
	{"bad_words_ids", 0},
	{"suppress_tokens", 0},
	{"begin_suppress_tokens", 0},
	{"forced_bos_token_id", -1},
	{"forced_eos_token_id", -1},
	{"sequence_bias", 0},
	{"stop_strings", 0},
	{"exponential_decay_length_penalty", 0},
	{"watermarking_config", 0},
};

static bool asks_for_something(const json_t *v, double neutral)
{
	if (!v || json_is_null(v) || json_is_false(v))
		return false;
	if (json_is_number(v))
		return json_number_value(v) != neutral;
	return json_is_array(v) ? json_array_size(v) > 0 : json_is_object(v) ? json_object_size(v) > 0 : true;
}

static void note_ignored(const json_t *root, struct ts_model_config *c)
{
	size_t used = 0, room = sizeof(c->ignored);
	for (size_t i = 0; i < sizeof(unknown_sampling) / sizeof(*unknown_sampling); i++) {
		const char *key = unknown_sampling[i].key;
		if (!asks_for_something(json_object_get(root, key), unknown_sampling[i].neutral))
			continue;
		size_t need = strlen(key) + 2;
		if (used + need + 5 > room) { /* 5: ", ..." says that there were more */
			snprintf(c->ignored + used, room - used, ", ...");
			return;
		}
		used += (size_t)snprintf(c->ignored + used, room - used, "%s%s", used ? ", " : "", key);
	}
}

static int read_all(struct reader *r, struct ts_model_config *c)
{
	if (!json_is_object(r->root))
		return ts_fail(r->err, TS_EFORMAT, "%s: expected a JSON object, found %s", r->place, ts_json_kind(r->root));
	TS_TRY(read_family(r, c));
	TS_TRY(read_sizes(r, c));
	TS_TRY(read_options(r, c));
	TS_TRY(read_window(r, c));
	TS_TRY(read_rope(r, c));
	TS_TRY(read_bos(r, c));
	return read_eos(r, c);
}

static int read_generation(struct ts_model_config *c, const char *path, struct ts_error *err)
{
	json_t *root;
	TS_TRY(ts_json_load(path, &root, err));
	struct reader r = {.root = root, .place = path, .err = err};
	int status = json_is_object(root) ? read_eos(&r, c)
					  : ts_fail(err, TS_EFORMAT, "%s: expected a JSON object, found %s", path, ts_json_kind(root));
	if (!status)
		note_ignored(root, c);
	json_decref(root);
	return status;
}

int ts_model_config_load_files(struct ts_model_config *c, const char *config_path, const char *generation_path, struct ts_error *err)
{
	*c = (struct ts_model_config){.bos_id = -1};
	json_t *root;
	TS_TRY(ts_json_load(config_path, &root, err));
	struct reader r = {.root = root, .place = config_path, .err = err};
	int status = read_all(&r, c);
	json_decref(root);
	return status || !generation_path ? status : read_generation(c, generation_path, err);
}

int ts_model_config_load(struct ts_model_config *c, const char *path, struct ts_error *err)
{
	if (ts_file_exists(path))
		return ts_gguf_config_load(c, path, err);
	struct ts_str config = {0}, generation = {0};
	int status;
	if (ts_path_join(&config, path, "config.json") || ts_path_join(&generation, path, "generation_config.json"))
		status = ts_fail_memory(err);
	else
		status = ts_model_config_load_files(c, config.data, ts_file_exists(generation.data) ? generation.data : NULL, err);
	ts_str_release(&config);
	ts_str_release(&generation);
	return status;
}
