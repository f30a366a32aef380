/* config.json -> ts_model_config. What a family does differently is a row of `families`; defaults for absent keys are those of
 * transformers' configuration classes. Sizes have no defaults: a checkpoint that does not say how large it is, is broken.
 * What a key asks for and we do not compute is refused here, so that the model never runs with other numbers than meant. */
#include "checkpoint/config.h"

#include "checkpoint/gguf_config.h"
#include "checkpoint/internal.h"
#include "core/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct ts_config_family {
	const char *name;
	bool qk_norm;
	bool always_qkv_bias;
	bool takes_attention_bias; /* "attention_bias": true puts a bias on q, k, v and o */
	bool takes_mlp_bias;       /* "mlp_bias": true puts one on gate, up and down */
	bool windowed_layers;      /* use_sliding_window, max_window_layers */
	bool window;               /* sliding_window holds for every layer */
	int head_dim;              /* when absent; 0 = hidden_size / heads */
	int max_positions;         /* when absent */
};

static const struct ts_config_family families[] = {
	{"qwen3", .qk_norm = true, .takes_attention_bias = true, .windowed_layers = true, .head_dim = 128, .max_positions = 32768},
	{"qwen2", .always_qkv_bias = true, .windowed_layers = true, .max_positions = 32768},
	{"llama", .takes_attention_bias = true, .takes_mlp_bias = true, .max_positions = 2048},
	{"mistral", .window = true, .max_positions = 131072},
};

#define FAMILY_COUNT   (sizeof(families) / sizeof(*families))
#define DEFAULT_WINDOW 4096 /* sliding_window of Qwen and Mistral when absent; null means none */

int ts_config_refuse(const struct ts_config_reader *r, const char *key, const char *found, const char *known)
{
	return ts_fail(r->err, TS_EUNSUPPORTED, "%s: \"%s\": %s is not supported (%s)", r->place, key, found, known);
}

int ts_config_positive(const struct ts_config_reader *r, const json_t *object, const char *key, double fallback, double *out)
{
	TS_TRY(ts_json_real(object, key, fallback, out, r->place, r->err));
	if (!(*out > 0) || !isfinite(*out))
		return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": expected a number above 0, found %.9g%s", r->place, key, *out,
			       fallback == 0 && !json_object_get(object, key) ? " (it is missing)" : "");
	return 0;
}

static int read_size(const struct ts_config_reader *r, const char *key, int64_t fallback, int64_t limit, int *out)
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

static int read_family(struct ts_config_reader *r, struct ts_model_config *c)
{
	const char *type;
	TS_TRY(ts_json_need_text(r->root, "model_type", &type, r->place, r->err));
	for (size_t i = 0; i < FAMILY_COUNT; i++)
		if (!strcmp(type, families[i].name))
			r->family = &families[i];
	if (!r->family)
		return ts_config_refuse(r, "model_type", type, "known: qwen3, qwen2, llama, mistral");
	snprintf(c->model_type, sizeof(c->model_type), "%s", type);
	c->qk_norm = r->family->qk_norm;
	return 0;
}

/* A null asks for the quotient; a missing key for the class's own default. */
static int read_head_dim(const struct ts_config_reader *r, struct ts_model_config *c)
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

static int read_sizes(const struct ts_config_reader *r, struct ts_model_config *c)
{
	TS_TRY(read_size(r, "vocab_size", 0, 1 << 24, &c->vocab_size));
	TS_TRY(read_size(r, "hidden_size", 0, 1 << 20, &c->hidden_size));
	TS_TRY(read_size(r, "num_hidden_layers", 0, TS_MAX_LAYERS, &c->layers));
	TS_TRY(read_size(r, "num_attention_heads", 0, 1 << 12, &c->heads));
	TS_TRY(read_size(r, "num_key_value_heads", c->heads, 1 << 12, &c->kv_heads));
	TS_TRY(read_size(r, "intermediate_size", 0, 1 << 22, &c->intermediate_size));
	TS_TRY(read_size(r, "max_position_embeddings", r->family->max_positions, 1 << 30, &c->max_positions));
	if (c->heads % c->kv_heads)
		return ts_fail(r->err, TS_EINVAL, "%s: \"num_key_value_heads\": expected a divisor of num_attention_heads %d, found %d",
			       r->place, c->heads, c->kv_heads);
	return read_head_dim(r, c);
}

static int read_options(const struct ts_config_reader *r, struct ts_model_config *c)
{
	double eps;
	const char *act;
	bool attention_bias;
	TS_TRY(ts_config_positive(r, r->root, "rms_norm_eps", 1e-6, &eps));
	if (eps >= 1)
		return ts_fail(r->err, TS_EINVAL, "%s: \"rms_norm_eps\": expected below 1, found %g", r->place, eps);
	c->rms_norm_eps = (float)eps;
	TS_TRY(ts_json_bool(r->root, "tie_word_embeddings", false, &c->tied_embeddings, r->place, r->err));
	TS_TRY(ts_json_text(r->root, "hidden_act", &act, r->place, r->err));
	if (act && strcmp(act, "silu"))
		return ts_config_refuse(r, "hidden_act", act, "known: silu");
	TS_TRY(ts_json_bool(r->root, "attention_bias", false, &attention_bias, r->place, r->err));
	if (attention_bias && !r->family->takes_attention_bias && !r->family->always_qkv_bias)
		return ts_config_refuse(r, "attention_bias", "true", "this family has no bias");
	c->qkv_bias = r->family->always_qkv_bias || attention_bias;
	c->o_bias = r->family->takes_attention_bias && attention_bias;
	TS_TRY(ts_json_bool(r->root, "mlp_bias", false, &c->mlp_bias, r->place, r->err));
	if (c->mlp_bias && !r->family->takes_mlp_bias)
		return ts_config_refuse(r, "mlp_bias", "true", "this family has no such bias");
	const json_t *quantization = json_object_get(r->root, "quantization_config");
	if (quantization && !json_is_null(quantization)) {
		const char *method = json_string_value(json_object_get(quantization, "quant_method"));
		return ts_config_refuse(r, "quantization_config", method ? method : "a quantized checkpoint", "known: unquantized weights");
	}
	return 0;
}

static void set_window(struct ts_model_config *c, int layer)
{
	c->window_layers[layer / 64] |= (uint64_t)1 << (layer % 64);
}

/* Which layers "layer_types" calls sliding; *given false when the key is absent. */
static int read_layer_types(const struct ts_config_reader *r, struct ts_model_config *c, bool *given, int *sliding)
{
	const json_t *types = json_object_get(r->root, "layer_types");
	*given = types && !json_is_null(types);
	*sliding = 0;
	if (!*given)
		return 0;
	if (!json_is_array(types) || json_array_size(types) != (size_t)c->layers)
		return ts_fail(r->err, TS_EMISMATCH, "%s: \"layer_types\": expected an array of %d (num_hidden_layers), found %zu",
			       r->place, c->layers, json_array_size(types));
	for (int i = 0; i < c->layers; i++) {
		const char *type = json_string_value(json_array_get(types, (size_t)i));
		if (type && !strcmp(type, "sliding_attention")) {
			set_window(c, i);
			++*sliding;
		} else if (!type || strcmp(type, "full_attention")) {
			return ts_config_refuse(r, "layer_types", type ? type : "an entry that is not a string",
						"known: full_attention, sliding_attention");
		}
	}
	return 0;
}

/* Qwen: use_sliding_window switches the window on, in the layers that layer_types names, or else in those from max_window_layers up. */
static int read_windowed_layers(const struct ts_config_reader *r, struct ts_model_config *c, int window, bool listed, int sliding)
{
	bool use;
	int64_t full_layers;
	TS_TRY(ts_json_bool(r->root, "use_sliding_window", false, &use, r->place, r->err));
	TS_TRY(ts_json_int(r->root, "max_window_layers", 28, &full_layers, r->place, r->err));
	if (sliding && (!use || !window))
		return ts_config_refuse(r, "layer_types", "sliding_attention without use_sliding_window and sliding_window",
					"known: both, or neither");
	for (int i = 0; use && window && !listed && i < c->layers; i++)
		if (i >= full_layers) {
			set_window(c, i);
			sliding++;
		}
	c->sliding_window = sliding ? window : 0;
	return 0;
}

static int read_window(const struct ts_config_reader *r, struct ts_model_config *c)
{
	bool listed;
	int sliding, window = 0;
	TS_TRY(read_layer_types(r, c, &listed, &sliding));
	if (!r->family->window && !r->family->windowed_layers)
		return sliding ? ts_config_refuse(r, "layer_types", "sliding_attention", "known for this family: full_attention") : 0;
	const json_t *given = json_object_get(r->root, "sliding_window");
	if (!json_is_null(given))
		TS_TRY(read_size(r, "sliding_window", DEFAULT_WINDOW, 1 << 30, &window));
	if (r->family->windowed_layers)
		return read_windowed_layers(r, c, window, listed, sliding);
	if (listed && sliding != (window ? c->layers : 0))
		return ts_config_refuse(r, "layer_types", "a list that does not fit sliding_window",
					"known for this family: the same window in every layer");
	for (int i = 0; i < c->layers; i++)
		set_window(c, i);
	c->sliding_window = window;
	return 0;
}

/* A head for classes or rewards in the place of the vocabulary's: the weights would load and mean nothing. */
static int check_architectures(const struct ts_config_reader *r)
{
	static const char end[] = "ForCausalLM";
	const json_t *list = json_object_get(r->root, "architectures");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		size_t n = name ? strlen(name) : 0;
		if (n >= sizeof(end) - 1 && !strcmp(name + n - (sizeof(end) - 1), end))
			return 0;
	}
	const char *first = json_string_value(json_array_get(list, 0));
	return first ? ts_config_refuse(r, "architectures", first, "known: a language model, ...ForCausalLM") : 0;
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

static int add_eos(const struct ts_config_reader *r, struct ts_model_config *c, const json_t *id)
{
	if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= c->vocab_size)
		return ts_fail(r->err, TS_EINVAL, "%s: \"eos_token_id\": expected ids from 0 to %d, found %lld%s", r->place,
			       c->vocab_size - 1, (long long)json_integer_value(id), json_is_integer(id) ? "" : " (not an integer)");
	if (ts_model_config_add_eos(c, (int32_t)json_integer_value(id)))
		return ts_fail(r->err, TS_ELIMIT, "%s: \"eos_token_id\": more than %d end tokens", r->place, c->eos_count);
	return 0;
}

static int read_eos(const struct ts_config_reader *r, struct ts_model_config *c)
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

static int read_bos(const struct ts_config_reader *r, struct ts_model_config *c)
{
	int64_t v;
	TS_TRY(ts_json_int(r->root, "bos_token_id", -1, &v, r->place, r->err));
	if (v < -1 || v >= c->vocab_size)
		return ts_fail(r->err, TS_EINVAL, "%s: \"bos_token_id\": expected an id from 0 to %d, found %lld", r->place,
			       c->vocab_size - 1, (long long)v);
	c->bos_id = (int32_t)v;
	return 0;
}

static int read_all(struct ts_config_reader *r, struct ts_model_config *c)
{
	if (!json_is_object(r->root))
		return ts_fail(r->err, TS_EFORMAT, "%s: expected a JSON object", r->place);
	TS_TRY(read_family(r, c));
	TS_TRY(check_architectures(r));
	TS_TRY(ts_config_check_unknown(r));
	TS_TRY(read_sizes(r, c));
	TS_TRY(read_options(r, c));
	TS_TRY(read_window(r, c));
	TS_TRY(ts_config_read_rope(r, c));
	TS_TRY(read_bos(r, c));
	return read_eos(r, c);
}

static int read_generation(struct ts_model_config *c, const char *path, struct ts_error *err)
{
	json_t *root;
	TS_TRY(ts_json_load(path, &root, err));
	struct ts_config_reader r = {.root = root, .place = path, .err = err};
	int status = json_is_object(root) ? read_eos(&r, c) : ts_fail(err, TS_EFORMAT, "%s: expected a JSON object", path);
	if (!status)
		ts_config_note_ignored(root, c);
	json_decref(root);
	return status;
}

int ts_model_config_load_files(struct ts_model_config *c, const char *config_path, const char *generation_path, struct ts_error *err)
{
	*c = (struct ts_model_config){.bos_id = -1};
	json_t *root;
	TS_TRY(ts_json_load(config_path, &root, err));
	struct ts_config_reader r = {.root = root, .place = config_path, .err = err};
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
