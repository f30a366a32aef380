/* The keys of PEFT's LoraConfig fall in four groups: read (r, lora_alpha, ...; which modules: adapter_modules.c), must be off (they change
 * which weights there are or what is multiplied), known values only (bias, peft_type, init_lora_weights), and the rest, which changes
 * nothing at load. */
#include "checkpoint/adapter_config.h"

#include "checkpoint/adapter_modules.h"
#include "core/file.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *path;
} projections[TS_TARGETS] = {
	[TS_Q] = {"q_proj", "self_attn.q_proj"},    [TS_K] = {"k_proj", "self_attn.k_proj"},    [TS_V] = {"v_proj", "self_attn.v_proj"},
	[TS_O] = {"o_proj", "self_attn.o_proj"},    [TS_GATE] = {"gate_proj", "mlp.gate_proj"}, [TS_UP] = {"up_proj", "mlp.up_proj"},
	[TS_DOWN] = {"down_proj", "mlp.down_proj"},
};

/* In which order a file names them. */
static const enum ts_target by_name[TS_TARGETS] = {TS_DOWN, TS_GATE, TS_K, TS_O, TS_Q, TS_UP, TS_V};

static const char *const must_be_off[] = {
	"alora_invocation_tokens",
	"arrow_config",
	"fan_in_fan_out",
	"kasa_config",
	"layer_replication",
	"lora_bias",
	"megatron_config",
	"modules_to_save",
	"monteclora_config",
	"target_parameters",
	"trainable_token_indices",
	"use_bdlora",
	"use_dora",
	"use_qalora",
	"velora_config",
};

/* These change only the numbers that A and B start from. Others (pissa, olora, corda, loftq) also change the base weights. */
static const char *const plain_inits[] = {"gaussian", "orthogonal", "eva"};

const char *ts_target_name(enum ts_target t)
{
	return projections[t].name;
}

const char *ts_target_path(enum ts_target t)
{
	return projections[t].path;
}

double ts_adapter_scale(const struct ts_adapter_config *c, const struct ts_adapter_module *m)
{
	return m->alpha / (c->use_rslora ? sqrt((double)m->rank) : (double)m->rank);
}

int ts_adapter_config_add(struct ts_adapter_config *c, const char *target, struct ts_error *err)
{
	bool all = !strcmp(target, "all-linear"), found = false;
	for (int t = 0; t < TS_TARGETS; t++)
		if (all || !strcmp(target, projections[t].name)) {
			found = true;
			c->target_count += !c->targets[t];
			c->targets[t] = true;
		}
	return found ? 0
		     : ts_fail(err, TS_EINVAL,
			       "target %s is not one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, all-linear", target);
}

void ts_adapter_modules_fill(const struct ts_adapter_config *c, int layers, struct ts_adapter_module *modules)
{
	for (int m = 0; m < layers * TS_TARGETS; m++)
		modules[m] = c->targets[m % TS_TARGETS] ? (struct ts_adapter_module){c->rank, c->alpha} : (struct ts_adapter_module){0};
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

static int read_all(struct ts_adapter_config *c, int layers, struct ts_adapter_module *modules, const json_t *root, const char *place,
		    struct ts_error *err)
{
	if (!json_is_object(root))
		return ts_fail(err, TS_EFORMAT, "%s: expected a JSON object", place);
	TS_TRY(check_fixed(root, place, err));
	TS_TRY(read_numbers(c, root, place, err));
	TS_TRY(ts_adapter_modules_read(c, layers, modules, root, place, err));
	const char *base;
	TS_TRY(ts_json_text(root, "base_model_name_or_path", &base, place, err));
	if (base && strlen(base) >= sizeof(c->base_model))
		return ts_fail(err, TS_ELIMIT, "%s: \"base_model_name_or_path\": longer than %zu bytes", place, sizeof(c->base_model) - 1);
	snprintf(c->base_model, sizeof(c->base_model), "%s", base ? base : "");
	return 0;
}

int ts_adapter_config_load(struct ts_adapter_config *c, int layers, struct ts_adapter_module *modules, const char *path,
			   struct ts_error *err)
{
	*c = (struct ts_adapter_config){0};
	json_t *root;
	TS_TRY(ts_json_load(path, &root, err));
	int status = read_all(c, layers, modules, root, path, err);
	json_decref(root);
	return status;
}

/* A whole number is written as one, as PEFT does. */
static json_t *number(double v)
{
	return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

/* What is said of one target: in which layers it is, and whether all of them have one rank and one alpha. */
struct spread {
	int present;
	bool one_rank, one_alpha;
	struct ts_adapter_module first;
};

static struct spread spread_of(const struct ts_adapter_module *modules, int layers, enum ts_target t)
{
	struct spread s = {.one_rank = true, .one_alpha = true};
	for (int l = 0; l < layers; l++) {
		const struct ts_adapter_module *m = &modules[l * TS_TARGETS + t];
		if (!m->rank)
			continue;
		if (!s.present++)
			s.first = *m;
		s.one_rank &= m->rank == s.first.rank;
		s.one_alpha &= m->alpha == s.first.alpha;
	}
	return s;
}

/* The three values of the file that speak of modules. */
struct lists {
	json_t *targets, *ranks, *alphas;
};

/* Everything of one module, by its whole name; as a key of a pattern its dots are escaped. */
static int add_module(struct lists *o, const struct ts_adapter_config *c, const struct ts_adapter_module *m, int layer, enum ts_target t,
		      const struct spread *s, bool everywhere)
{
	char name[64], key[96];
	size_t n = 0;
	snprintf(name, sizeof(name), "model.layers.%d.%s", layer, projections[t].path);
	for (const char *p = name; *p; p++) {
		if (*p == '.')
			key[n++] = '\\';
		key[n++] = *p;
	}
	key[n] = '\0';
	int status = everywhere ? 0 : json_array_append_new(o->targets, json_string(name));
	if (!s->one_rank && m->rank != c->rank)
		status |= json_object_set_new(o->ranks, key, json_integer(m->rank));
	if (!s->one_alpha && m->alpha != c->alpha)
		status |= json_object_set_new(o->alphas, key, number(m->alpha));
	return status;
}

static int add_target(struct lists *o, const struct ts_adapter_config *c, int layers, const struct ts_adapter_module *modules,
		      enum ts_target t)
{
	struct spread s = spread_of(modules, layers, t);
	bool everywhere = s.present == layers;
	int status = 0;
	if (!s.present)
		return 0;
	if (everywhere)
		status |= json_array_append_new(o->targets, json_string(projections[t].name));
	if (s.one_rank && s.first.rank != c->rank)
		status |= json_object_set_new(o->ranks, projections[t].name, json_integer(s.first.rank));
	if (s.one_alpha && s.first.alpha != c->alpha)
		status |= json_object_set_new(o->alphas, projections[t].name, number(s.first.alpha));
	for (int l = 0; l < layers; l++)
		if (modules[l * TS_TARGETS + t].rank)
			status |= add_module(o, c, &modules[l * TS_TARGETS + t], l, t, &s, everywhere);
	return status;
}

/* NULL without memory, or when the base model's name is not UTF-8. */
static json_t *as_json(const struct ts_adapter_config *c, int layers, const struct ts_adapter_module *modules)
{
	struct lists o = {json_array(), json_object(), json_object()};
	int status = o.targets && o.ranks && o.alphas ? 0 : -1;
	for (int i = 0; !status && i < TS_TARGETS; i++)
		status = add_target(&o, c, layers, modules, by_name[i]);
	json_t *root = json_pack("{s:O, s:s, s:s, s:b, s:b, s:b, s:n, s:n, s:o}", "alpha_pattern", o.alphas, "base_model_name_or_path",
				 c->base_model, "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1,
				 "layers_pattern", "layers_to_transform", "lora_alpha", number(c->alpha));
	json_t *rest = json_pack("{s:o, s:n, s:s, s:i, s:O, s:n, s:O, s:s, s:b, s:b}", "lora_dropout", json_real(c->dropout),
				 "modules_to_save", "peft_type", "LORA", "r", c->rank, "rank_pattern", o.ranks, "revision",
				 "target_modules", o.targets, "task_type", "CAUSAL_LM", "use_dora", 0, "use_rslora", (int)c->use_rslora);
	bool whole = !status && root && rest && !json_object_update(root, rest);
	json_decref(rest);
	json_decref(o.targets);
	json_decref(o.ranks);
	json_decref(o.alphas);
	if (whole)
		return root;
	json_decref(root);
	return NULL;
}

int ts_adapter_config_save(const struct ts_adapter_config *c, int layers, const struct ts_adapter_module *modules, const char *path,
			   struct ts_error *err)
{
	struct ts_str text = {0};
	json_t *root = as_json(c, layers, modules);
	int status = 0;
	if (!root || ts_json_dump_pretty(root, &text))
		status = ts_fail(err, TS_ENOMEM, "%s: out of memory, or base_model_name_or_path is not UTF-8", path);
	if (!status)
		status = ts_file_write(path, text.data, text.len, err);
	json_decref(root);
	ts_str_release(&text);
	return status;
}
