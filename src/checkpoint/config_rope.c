/* Rotary positions of a config.json. Two layouts: rope_theta and rope_scaling at the top (published checkpoints), or both inside
 * rope_parameters (transformers 5). Defaults and precedence are those of transformers' modeling_rope_utils. */
#include "checkpoint/internal.h"
#include "tensor/math.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CONTEXT = 1 << 30 };

/* Keys of the object that are read, or that say how it came about. Another one may change numbers. */
static const char *const known_keys[] = {
	"rope_type",
	"type",
	"rope_theta",
	"factor",
	"original_max_position_embeddings",
	"low_freq_factor",
	"high_freq_factor",
	"attention_factor",
	"beta_fast",
	"beta_slow",
	"mscale",
	"mscale_all_dim",
	"truncate",
	"partial_rotary_factor",
	"finetuned",
};

/* The theta may stand at the top (published layout) or inside the rope object (transformers 5); two that differ are refused. */
static int read_theta(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	const json_t *outer = json_object_get(r->root, "rope_theta");
	double inside;
	TS_TRY(ts_config_positive(r, r->root, "rope_theta", 10000, &c->rope_theta));
	TS_TRY(ts_config_positive(r, rope, "rope_theta", c->rope_theta, &inside));
	if (outer && !json_is_null(outer) && inside != c->rope_theta)
		return ts_fail(r->err, TS_EMISMATCH, "%s: \"rope_theta\": %.9g at the top, but %.9g inside the rope settings", r->place,
			       c->rope_theta, inside);
	c->rope_theta = inside;
	return 0;
}

/* The length of the first training: at the top it wins over the one inside, and without both it is the context. */
static int read_original(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	const char *key = "original_max_position_embeddings";
	const json_t *outer = json_object_get(r->root, key);
	return ts_config_positive(r, outer && !json_is_null(outer) ? r->root : rope, key, c->max_positions, &c->rope_original_positions);
}

static int read_llama3(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	TS_TRY(ts_config_positive(r, rope, "factor", 0, &c->rope_factor));
	TS_TRY(ts_config_positive(r, rope, "low_freq_factor", 0, &c->rope_low_freq));
	TS_TRY(ts_config_positive(r, rope, "high_freq_factor", 0, &c->rope_high_freq));
	TS_TRY(read_original(r, rope, c));
	if (c->rope_high_freq <= c->rope_low_freq)
		return ts_fail(r->err, TS_EINVAL, "%s: \"high_freq_factor\": expected above low_freq_factor %g, found %g", r->place,
			       c->rope_low_freq, c->rope_high_freq);
	return 0;
}

/* Scaling that reaches beyond max_position_embeddings makes the context longer. */
static void stretch_context(struct ts_model_config *c)
{
	double reach = c->rope_original_positions * c->rope_factor;
	if (reach > c->max_positions)
		c->max_positions = reach < MAX_CONTEXT ? (int)reach : MAX_CONTEXT;
}

static double yarn_scale(double factor, double weight)
{
	return factor <= 1 ? 1 : 0.1 * weight * ts_ln(factor) + 1;
}

double ts_yarn_attention_factor(double factor)
{
	return yarn_scale(factor, 1);
}

/* A key that is missing, null or 0 takes the fallback. */
static int read_or(const struct ts_config_reader *r, const json_t *rope, const char *key, double fallback, double *out)
{
	TS_TRY(ts_json_real(rope, key, 0, out, r->place, r->err));
	if (*out < 0 || !isfinite(*out))
		return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": expected a number above 0, found %g", r->place, key, *out);
	if (*out == 0)
		*out = fallback;
	return 0;
}

static int read_attention_factor(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	const json_t *given = json_object_get(rope, "attention_factor");
	double mscale, mscale_all;
	if (given && !json_is_null(given))
		return ts_config_positive(r, rope, "attention_factor", 0, &c->rope_attention_factor);
	TS_TRY(read_or(r, rope, "mscale", 0, &mscale));
	TS_TRY(read_or(r, rope, "mscale_all_dim", 0, &mscale_all));
	c->rope_attention_factor = mscale > 0 && mscale_all > 0
					   ? yarn_scale(c->rope_factor, mscale) / yarn_scale(c->rope_factor, mscale_all)
					   : yarn_scale(c->rope_factor, 1);
	return 0;
}

static int read_yarn(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	const json_t *factor = json_object_get(rope, "factor"), *truncate = json_object_get(rope, "truncate");
	TS_TRY(read_original(r, rope, c));
	/* a factor of null asks for the quotient of the two lengths; a missing one is an error */
	double quotient = json_is_null(factor) ? c->max_positions / c->rope_original_positions : 0;
	TS_TRY(ts_config_positive(r, rope, "factor", quotient, &c->rope_factor));
	TS_TRY(read_attention_factor(r, rope, c));
	TS_TRY(read_or(r, rope, "beta_fast", 32, &c->rope_beta_fast));
	TS_TRY(read_or(r, rope, "beta_slow", 1, &c->rope_beta_slow));
	TS_TRY(ts_json_bool(rope, "truncate", !truncate, &c->rope_truncate, r->place, r->err)); /* null: not cut */
	if (c->rope_beta_fast < c->rope_beta_slow)
		return ts_fail(r->err, TS_EINVAL, "%s: \"beta_fast\": expected at least beta_slow %g, found %g", r->place,
			       c->rope_beta_slow, c->rope_beta_fast);
	if (c->rope_theta <= 1)
		return ts_fail(r->err, TS_EINVAL, "%s: \"rope_theta\": expected above 1 with yarn, found %g", r->place, c->rope_theta);
	stretch_context(c);
	return 0;
}

static int read_factor(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	return ts_config_positive(r, rope, "factor", 0, &c->rope_factor);
}

static int read_dynamic(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	TS_TRY(read_factor(r, rope, c));
	c->rope_original_positions = c->max_positions; /* whatever original_max_position_embeddings says, as transformers has it */
	if (c->head_dim < 4)
		return ts_config_refuse(r, "head_dim", "2 with dynamic positions", "known: 4 or more");
	stretch_context(c);
	return 0;
}

static int read_nothing(const struct ts_config_reader *r, const json_t *rope, struct ts_model_config *c)
{
	(void)r, (void)rope, (void)c;
	return 0;
}

static const struct {
	const char *name;
	enum ts_rope_type type;
	int (*read)(const struct ts_config_reader *, const json_t *rope, struct ts_model_config *);
} types[] = {
	{"default", TS_ROPE_DEFAULT, read_nothing}, {"linear", TS_ROPE_LINEAR, read_factor}, {"llama3", TS_ROPE_LLAMA3, read_llama3},
	{"dynamic", TS_ROPE_DYNAMIC, read_dynamic}, {"yarn", TS_ROPE_YARN, read_yarn},
};

static int check_keys(const struct ts_config_reader *r, const char *key, json_t *rope)
{
	const char *name;
	json_t *value;
	json_object_foreach (rope, name, value) {
		bool known = json_is_null(value);
		for (size_t i = 0; i < sizeof(known_keys) / sizeof(*known_keys); i++)
			known |= !strcmp(name, known_keys[i]);
		if (!known) {
			char inner[128];
			snprintf(inner, sizeof(inner), "the key \"%.100s\"", name);
			return ts_config_refuse(r, key, inner, "it may change positions");
		}
	}
	return 0;
}

static int read_type(const struct ts_config_reader *r, const char *key, json_t *rope, struct ts_model_config *c)
{
	const char *type;
	TS_TRY(ts_json_text(rope, "rope_type", &type, r->place, r->err));
	if (!type)
		TS_TRY(ts_json_text(rope, "type", &type, r->place, r->err));
	if (!type && json_object_get(rope, "factor"))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": \"factor\" without a \"rope_type\"", r->place, key);
	if (!type)
		type = "default";
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i].name)) {
			TS_TRY(check_keys(r, key, rope));
			c->rope_type = types[i].type;
			return types[i].read(r, rope, c);
		}
	return ts_config_refuse(r, key, type, "known rope types: default, linear, llama3, dynamic, yarn");
}

int ts_config_read_rope(const struct ts_config_reader *r, struct ts_model_config *c)
{
	const char *key = "rope_scaling";
	json_t *rope = json_object_get(r->root, key);
	double partial;
	if (!rope || json_is_null(rope) || (json_is_object(rope) && !json_object_size(rope))) {
		key = "rope_parameters";
		rope = json_object_get(r->root, key);
	}
	TS_TRY(ts_json_real(r->root, "partial_rotary_factor", 1, &partial, r->place, r->err));
	if (partial == 1 && json_is_object(rope))
		TS_TRY(ts_json_real(rope, "partial_rotary_factor", 1, &partial, r->place, r->err));
	if (partial != 1)
		return ts_config_refuse(r, "partial_rotary_factor", "a value other than 1", "known: 1");
	if (!rope || json_is_null(rope))
		return read_theta(r, NULL, c);
	if (!json_is_object(rope))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": expected an object, found %s", r->place, key, ts_json_kind(rope));
	const char *name;
	json_t *value;
	json_object_foreach (rope, name, value)
		if (json_is_object(value))
			return ts_config_refuse(r, key, name, "known: one setting for all layers");
	TS_TRY(read_theta(r, rope, c));
	return read_type(r, key, rope, c);
}
