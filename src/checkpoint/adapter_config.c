/* The keys of PEFT's LoraConfig fall in four groups: read (r, lora_alpha, ...), must be off (they change which weights there are or
 * what is multiplied), known values only (bias, peft_type, init_lora_weights), and the rest, which changes nothing at load. */
#include "checkpoint/adapter_config.h"

#include "core/file.h"
#include "core/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 4096 /* as in config.c */

static const char *const projections[TS_ADAPTER_TARGETS] = {"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"};

static const char *const must_be_off[] = {
	"alora_invocation_tokens",
	"alpha_pattern",
	"arrow_config",
	"exclude_modules",
	"fan_in_fan_out",
	"kasa_config",
	"layer_replication",
	"layers_pattern",
	"layers_to_transform",
	"lora_bias",
	"megatron_config",
	"modules_to_save",
	"monteclora_config",
	"rank_pattern",
	"target_parameters",
	"trainable_token_indices",
	"use_bdlora",
	"use_dora",
	"use_qalora",
	"velora_config",
};

/* These change only the numbers that A and B start from. Others (pissa, olora, corda, loftq) also change the base weights. */
static const char *const plain_inits[] = {"gaussian", "orthogonal", "eva"};

double ts_adapter_config_scale(const struct ts_adapter_config *c)
{
	return c->alpha / (c->use_rslora ? sqrt((double)c->rank) : (double)c->rank);
}

bool ts_adapter_config_has(const struct ts_adapter_config *c, const char *target)
{
	for (int i = 0; i < c->target_count; i++)
		if (!strcmp(c->targets[i], target))
			return true;
	return false;
}

/* Index in `projections`, -1 when it is none. */
static int projection(const char *name)
{
	for (int i = 0; i < TS_ADAPTER_TARGETS; i++)
		if (!strcmp(projections[i], name))
			return i;
	return -1;
}

int ts_adapter_config_add(struct ts_adapter_config *c, const char *target, struct ts_error *err)
{
	if (projection(target) < 0)
		return ts_fail(err, TS_EINVAL, "target %s is not one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
			       target);
	if (ts_adapter_config_has(c, target))
		return 0;
	int at = c->target_count++;
	for (; at > 0 && strcmp(c->targets[at - 1], target) > 0; at--)
		memcpy(c->targets[at], c->targets[at - 1], sizeof(c->targets[at]));
	snprintf(c->targets[at], sizeof(c->targets[at]), "%s", target);
	return 0;
}

static bool is_set(const json_t *v)
{
	if (!v || json_is_null(v) || json_is_false(v))
		return false;
	return json_is_object(v) ? json_object_size(v) > 0 : json_is_array(v) ? json_array_size(v) > 0 : true;
}

static int refuse(const char *place, const char *key, const char *found, const char *expected, struct ts_error *err)
{
	return ts_fail(err, TS_EUNSUPPORTED, "%s: \"%s\": expected %s, found %s", place, key, expected, found);
}

/* The text of a string field must be `only`; a missing field is taken as that. */
static int need_value(const json_t *root, const char *place, const char *key, const char *only, struct ts_error *err)
{
	const char *text;
	TS_TRY(ts_json_text(root, key, &text, place, err));
	return text && strcmp(text, only) ? refuse(place, key, text, only, err) : 0;
}

static int check_init(const json_t *root, const char *place, struct ts_error *err)
{
	const json_t *init = json_object_get(root, "init_lora_weights");
	if (!init || json_is_null(init) || json_is_boolean(init))
		return 0;
	const char *text = json_string_value(init);
	for (size_t i = 0; text && i < sizeof(plain_inits) / sizeof(*plain_inits); i++)
		if (!strcmp(text, plain_inits[i]))
			return 0;
	return refuse(place, "init_lora_weights", text ? text : "another type", "one that leaves the base weights as they are", err);
}

static int check_fixed(const json_t *root, const char *place, struct ts_error *err)
{
	const char *type;
	TS_TRY(ts_json_need_text(root, "peft_type", &type, place, err));
	TS_TRY(need_value(root, place, "peft_type", "LORA", err));
	TS_TRY(need_value(root, place, "task_type", "CAUSAL_LM", err));
	TS_TRY(need_value(root, place, "bias", "none", err));
	for (size_t i = 0; i < sizeof(must_be_off) / sizeof(*must_be_off); i++)
		if (is_set(json_object_get(root, must_be_off[i])))
			return refuse(place, must_be_off[i], "it set", "it off or empty", err);
	return check_init(root, place, err);
}

/* In which layers the file names a projection by its whole path. */
struct layers_named {
	uint64_t seen[TS_ADAPTER_TARGETS][MAX_LAYERS / 64];
	int count[TS_ADAPTER_TARGETS], last[TS_ADAPTER_TARGETS];
	bool everywhere[TS_ADAPTER_TARGETS]; /* by its bare name */
};

/* "model.layers.3.self_attn.q_proj" -> 3, and *rest past the layer; -1 without such a head. */
static int layer_of(const char *text, const char **rest)
{
	const char *p = strncmp(text, "model.", 6) ? text : text + 6;
	int layer = 0;
	*rest = text;
	if (strncmp(p, "layers.", 7) || p[7] < '0' || p[7] > '9')
		return -1;
	for (p += 7; *p >= '0' && *p <= '9' && layer < MAX_LAYERS; p++)
		layer = 10 * layer + (*p - '0');
	if (layer >= MAX_LAYERS || *p != '.' || (strncmp(p + 1, "self_attn.", 10) && strncmp(p + 1, "mlp.", 4)))
		return -1;
	*rest = p + 1;
	return layer;
}

static void note_layer(struct layers_named *n, int target, int layer)
{
	if (layer < 0) {
		n->everywhere[target] = true;
		return;
	}
	uint64_t bit = (uint64_t)1 << (layer % 64);
	n->count[target] += !(n->seen[target][layer / 64] & bit);
	n->seen[target][layer / 64] |= bit;
	n->last[target] = layer > n->last[target] ? layer : n->last[target];
}

/* "q_proj" and "self_attn.q_proj" name a projection in every layer, "model.layers.3.self_attn.q_proj" in one: PEFT writes "all-linear"
 * like that for models of few layers. */
static int add_target(struct ts_adapter_config *c, struct layers_named *n, const char *place, const char *text, struct ts_error *err)
{
	const char *name;
	int layer = layer_of(text, &name);
	if (!strncmp(name, "self_attn.", 10))
		name += 10;
	else if (!strncmp(name, "mlp.", 4))
		name += 4;
	int target = projection(name);
	if (target < 0)
		return refuse(place, "target_modules", text, "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", err);
	note_layer(n, target, layer);
	return ts_adapter_config_add(c, name, err);
}

/* Named paths must leave no layer out: an adapter on some layers alone is none that we compute. */
static int take_layers(struct ts_adapter_config *c, const struct layers_named *n, const char *place, struct ts_error *err)
{
	for (int t = 0; t < TS_ADAPTER_TARGETS; t++) {
		if (n->everywhere[t] || !n->count[t])
			continue;
		if (n->count[t] != n->last[t] + 1 || (c->layers && c->layers != n->count[t]))
			return refuse(place, "target_modules", "paths of some layers alone", "each projection in every layer", err);
		c->layers = n->count[t];
	}
	return 0;
}

static int read_targets(struct ts_adapter_config *c, const json_t *root, const char *place, struct ts_error *err)
{
	const json_t *v = json_object_get(root, "target_modules");
	struct layers_named named = {0};
	if (json_is_string(v) && !strcmp(json_string_value(v), "all-linear")) {
		for (int i = 0; i < TS_ADAPTER_TARGETS; i++)
			TS_TRY(ts_adapter_config_add(c, projections[i], err));
	} else if (json_is_string(v)) {
		TS_TRY(add_target(c, &named, place, json_string_value(v), err));
	} else if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++) {
			const char *text = json_string_value(json_array_get(v, i));
			if (!text)
				return ts_fail(err, TS_EFORMAT, "%s: \"target_modules\": entry %zu is not a string", place, i);
			TS_TRY(add_target(c, &named, place, text, err));
		}
	}
	if (!c->target_count)
		return ts_fail(err, TS_EFORMAT, "%s: \"target_modules\": expected a list of projections, found none", place);
	return take_layers(c, &named, place, err);
}

static int read_numbers(struct ts_adapter_config *c, const json_t *root, const char *place, struct ts_error *err)
{
	int64_t rank;
	TS_TRY(ts_json_int(root, "r", 8, &rank, place, err));
	if (rank < 1 || rank > 1 << 16)
		return ts_fail(err, TS_EINVAL, "%s: \"r\": expected 1 to 65536, found %lld", place, (long long)rank);
	c->rank = (int)rank;
	TS_TRY(ts_json_real(root, "lora_alpha", 8, &c->alpha, place, err));
	if (!(c->alpha > 0) || !isfinite(c->alpha))
		return ts_fail(err, TS_EINVAL, "%s: \"lora_alpha\": expected a number above 0, found %g", place, c->alpha);
	TS_TRY(ts_json_real(root, "lora_dropout", 0, &c->dropout, place, err));
	if (!(c->dropout >= 0 && c->dropout < 1))
		return ts_fail(err, TS_EINVAL, "%s: \"lora_dropout\": expected 0 to below 1, found %g", place, c->dropout);
	return ts_json_bool(root, "use_rslora", false, &c->use_rslora, place, err);
}

static int read_all(struct ts_adapter_config *c, const json_t *root, const char *place, struct ts_error *err)
{
	if (!json_is_object(root))
		return ts_fail(err, TS_EFORMAT, "%s: expected a JSON object", place);
	TS_TRY(check_fixed(root, place, err));
	TS_TRY(read_numbers(c, root, place, err));
	TS_TRY(read_targets(c, root, place, err));
	const char *base;
	TS_TRY(ts_json_text(root, "base_model_name_or_path", &base, place, err));
	if (base && strlen(base) >= sizeof(c->base_model))
		return ts_fail(err, TS_ELIMIT, "%s: \"base_model_name_or_path\": longer than %zu bytes", place, sizeof(c->base_model) - 1);
	snprintf(c->base_model, sizeof(c->base_model), "%s", base ? base : "");
	return 0;
}

int ts_adapter_config_load(struct ts_adapter_config *c, const char *path, struct ts_error *err)
{
	*c = (struct ts_adapter_config){0};
	json_t *root;
	TS_TRY(ts_json_load(path, &root, err));
	int status = read_all(c, root, path, err);
	json_decref(root);
	return status;
}

/* A whole number is written as one, as PEFT does. */
static json_t *number(double v)
{
	return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *target_list(const struct ts_adapter_config *c)
{
	json_t *list = json_array();
	for (int i = 0; i < c->target_count; i++)
		json_array_append_new(list, json_string(c->targets[i]));
	return list;
}

int ts_adapter_config_save(const struct ts_adapter_config *c, const char *path, struct ts_error *err)
{
	struct ts_str text = {0};
	json_t *root = json_pack("{s:{}, s:s, s:s, s:b, s:b, s:b, s:n, s:n, s:o}", "alpha_pattern", "base_model_name_or_path",
				 c->base_model, "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1,
				 "layers_pattern", "layers_to_transform", "lora_alpha", number(c->alpha));
	json_t *rest = json_pack("{s:o, s:n, s:s, s:i, s:{}, s:n, s:o, s:s, s:b, s:b}", "lora_dropout", json_real(c->dropout),
				 "modules_to_save", "peft_type", "LORA", "r", c->rank, "rank_pattern", "revision", "target_modules",
				 target_list(c), "task_type", "CAUSAL_LM", "use_dora", 0, "use_rslora", (int)c->use_rslora);
	int status = 0;
	if (!root || !rest || json_object_update(root, rest) ||
	    json_array_size(json_object_get(root, "target_modules")) != (size_t)c->target_count || ts_json_dump_pretty(root, &text))
		status = ts_fail(err, TS_ENOMEM, "%s: out of memory, or base_model_name_or_path is not UTF-8", path);
	if (!status)
		status = ts_file_write(path, text.data, text.len, err);
	json_decref(root);
	json_decref(rest);
	ts_str_release(&text);
	return status;
}
