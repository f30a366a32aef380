/* A module's name is "model.layers.N.self_attn.q_proj". A list of targets names modules by their end, a string is a regular expression for
 * the whole name; rank_pattern and alpha_pattern are regular expressions for the end of the name, the first that fits counts. */
#include "checkpoint/adapter_modules.h"

#include "core/mem.h"
#include "text/regex.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_ROOM = 64, MAX_RANK = 1 << 16, MAX_PATTERNS = 1 << 16 };

/* target_modules or exclude_modules: a list of ends, a regular expression, everything, or nothing. */
struct choice {
	const char *key;
	const json_t *list;
	struct ts_regex *regex;
	bool all;
};

struct pattern {
	struct ts_regex *regex;
	double value;
};

struct patterns {
	struct pattern *data;
	size_t len;
};

struct rules {
	const char *place;
	const json_t *layers; /* layers_to_transform: an integer, a list, or NULL */
	struct choice targets, excluded;
	struct patterns ranks, alphas;
	struct ts_error *err;
};

static int refuse(const struct rules *r, const char *key, const char *found, const char *expected)
{
	return ts_fail(r->err, TS_EUNSUPPORTED, "%s: \"%s\": expected %s, found %s", r->place, key, expected, found);
}

static void module_name(char name[NAME_ROOM], int layer, int target)
{
	snprintf(name, NAME_ROOM, "model.layers.%d.%s", layer, ts_target_path(target));
}

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v)) ||
	       (json_is_string(v) && !*json_string_value(v));
}

/* --- reading the rules --- */

static int compile(const struct rules *r, const char *key, const char *pattern, struct ts_regex **out)
{
	struct ts_str place = {0};
	int status = ts_str_printf(&place, "%s: \"%s\"", r->place, key) ? ts_fail_memory(r->err)
									: ts_regex_new(out, pattern, place.data, r->err);
	ts_str_release(&place);
	return status;
}

static int read_choice(const struct rules *r, const json_t *root, struct choice *c)
{
	const json_t *v = json_object_get(root, c->key);
	if (is_empty(v))
		return 0;
	if (json_is_string(v)) {
		const char *text;
		TS_TRY(ts_json_text(root, c->key, &text, r->place, r->err));
		return compile(r, c->key, text, &c->regex);
	}
	if (!json_is_array(v))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": expected a list of names or a regular expression", r->place, c->key);
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": entry %zu is not a string", r->place, c->key, i);
	c->list = v;
	return 0;
}

static int read_targets(struct rules *r, const json_t *root)
{
	const json_t *v = json_object_get(root, r->targets.key);
	if (is_empty(v))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"target_modules\": expected a list of projections, found none", r->place);
	r->targets.all = json_is_string(v) && !strcasecmp(json_string_value(v), "all-linear");
	return r->targets.all ? 0 : read_choice(r, root, &r->targets);
}

/* Which layers, by number. Only "layers" holds numbered modules here. */
static int read_layers(struct rules *r, const json_t *root)
{
	const json_t *v = json_object_get(root, "layers_to_transform"), *pattern = json_object_get(root, "layers_pattern");
	if (is_empty(v))
		return 0;
	if (!r->targets.list)
		return refuse(r, "layers_to_transform", "it beside a string", "\"target_modules\" as a list");
	for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
		if (!json_is_integer(json_array_get(v, i)))
			return ts_fail(r->err, TS_EFORMAT, "%s: \"layers_to_transform\": entry %zu is not an integer", r->place, i);
	if (!json_is_array(v) && !json_is_integer(v))
		return ts_fail(r->err, TS_EFORMAT, "%s: \"layers_to_transform\": expected an integer or a list", r->place);
	const json_t *only = json_is_array(pattern) && json_array_size(pattern) == 1 ? json_array_get(pattern, 0) : pattern;
	if (!is_empty(pattern) && (!json_is_string(only) || strcmp(json_string_value(only), "layers") != 0))
		return refuse(r, "layers_pattern", json_is_string(only) ? json_string_value(only) : "another value", "layers");
	r->layers = v;
	return 0;
}

/* PEFT matches (.*\.)?(KEY)$ from the start. */
static int add_pattern(const struct rules *r, const char *key, struct patterns *list, const char *name, double value)
{
	struct ts_str text = {0};
	struct pattern *p = &list->data[list->len];
	int status = ts_str_printf(&text, "(?:.*\\.)?(?:%s)", name) ? ts_fail_memory(r->err) : compile(r, key, text.data, &p->regex);
	ts_str_release(&text);
	p->value = value;
	list->len += !status;
	return status;
}

static int read_patterns(const struct rules *r, const json_t *root, const char *key, double most, bool whole, struct patterns *list)
{
	json_t *object = json_object_get(root, key), *value;
	const char *name;
	if (is_empty(object))
		return 0;
	if (!json_is_object(object) || json_object_size(object) > MAX_PATTERNS)
		return ts_fail(r->err, TS_EFORMAT, "%s: \"%s\": expected an object of at most %d keys", r->place, key, MAX_PATTERNS);
	list->data = ts_calloc(json_object_size(object), sizeof(*list->data));
	if (!list->data)
		return ts_fail_memory(r->err);
	json_object_foreach (object, name, value) {
		double v = json_number_value(value);
		if (!json_is_number(value) || (whole && !json_is_integer(value)) || !(v > 0 && v <= most))
			return ts_fail(r->err, TS_EINVAL, "%s: \"%s\": \"%.200s\": expected %s above 0 and at most %g", r->place, key, name,
				       whole ? "a whole number" : "a number", most);
		TS_TRY(add_pattern(r, key, list, name, v));
	}
	return 0;
}

static void release_patterns(struct patterns *list)
{
	for (size_t i = 0; i < list->len; i++)
		ts_regex_free(list->data[i].regex);
	ts_free(list->data);
}

/* --- asking them --- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n > m && name[n - m - 1] == '.' && !strcmp(name + n - m, end);
}

/* *whole: the list has the name itself, not an end of it. */
static int chosen(const struct rules *r, const struct choice *c, const char *name, bool *yes, bool *whole)
{
	*yes = c->all;
	*whole = false;
	if (c->regex)
		return ts_regex_matches(c->regex, name, yes, r->err);
	for (size_t i = 0; i < json_array_size(c->list); i++) {
		const char *entry = json_string_value(json_array_get(c->list, i));
		*whole |= !strcmp(name, entry);
		*yes |= !strcmp(name, entry) || ends_with(name, entry);
	}
	return 0;
}

static bool layer_chosen(const struct rules *r, int layer)
{
	if (!r->layers || json_is_integer(r->layers))
		return !r->layers || json_integer_value(r->layers) == layer;
	for (size_t i = 0; i < json_array_size(r->layers); i++)
		if (json_integer_value(json_array_get(r->layers, i)) == layer)
			return true;
	return false;
}

static int wanted(const struct rules *r, const char *name, int layer, bool *yes)
{
	bool excluded, whole;
	TS_TRY(chosen(r, &r->excluded, name, &excluded, &whole));
	TS_TRY(chosen(r, &r->targets, name, yes, &whole));
	*yes = *yes && !excluded && (whole || layer_chosen(r, layer));
	return 0;
}

static int value_of(const struct rules *r, const struct patterns *list, const char *name, double fallback, double *out)
{
	*out = fallback;
	for (size_t i = 0; i < list->len; i++) {
		bool yes;
		TS_TRY(ts_regex_matches(list->data[i].regex, name, &yes, r->err));
		if (yes) {
			*out = list->data[i].value;
			return 0;
		}
	}
	return 0;
}

/* A target that is none of the decoder's linear layers is something that we would leave out. */
static int check_targets(const struct rules *r, int layers)
{
	static const char *const others[] = {"lm_head", "model.embed_tokens"};
	char name[NAME_ROOM];
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		bool yes = false;
		if (r->targets.regex)
			TS_TRY(ts_regex_matches(r->targets.regex, others[i], &yes, r->err));
		if (yes)
			return refuse(r, "target_modules", others[i], "linear layers of the decoder alone");
	}
	for (size_t i = 0; i < json_array_size(r->targets.list); i++) {
		const char *entry = json_string_value(json_array_get(r->targets.list, i));
		bool found = false;
		for (int m = 0; m < layers * TS_TARGETS && !found; m++) {
			module_name(name, m / TS_TARGETS, m % TS_TARGETS);
			found = !strcmp(name, entry) || ends_with(name, entry);
		}
		if (!found)
			return refuse(r, "target_modules", entry,
				      "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, in layers that the model has");
	}
	return 0;
}

static int fill(const struct rules *r, struct ts_adapter_config *c, int layers, struct ts_adapter_module *modules)
{
	for (int m = 0; m < layers * TS_TARGETS; m++) {
		char name[NAME_ROOM];
		bool yes;
		double rank = 0, alpha = 0;
		module_name(name, m / TS_TARGETS, m % TS_TARGETS);
		TS_TRY(wanted(r, name, m / TS_TARGETS, &yes));
		if (yes) {
			TS_TRY(value_of(r, &r->ranks, name, c->rank, &rank));
			TS_TRY(value_of(r, &r->alphas, name, c->alpha, &alpha));
			c->target_count += !c->targets[m % TS_TARGETS];
			c->targets[m % TS_TARGETS] = true;
		}
		modules[m] = (struct ts_adapter_module){(int)rank, alpha};
	}
	return c->target_count ? 0
			       : ts_fail(r->err, TS_EMISMATCH,
					 "%s: \"target_modules\": expected linear layers of this model, found none that it fits", r->place);
}

int ts_adapter_modules_read(struct ts_adapter_config *c, int layers, struct ts_adapter_module *modules, const json_t *root,
			    const char *place, struct ts_error *err)
{
	struct rules r = {.place = place, .targets.key = "target_modules", .excluded.key = "exclude_modules", .err = err};
	int status = read_targets(&r, root);
	if (status)
		goto done;
	TS_GOTO(read_choice(&r, root, &r.excluded));
	TS_GOTO(read_layers(&r, root));
	TS_GOTO(read_patterns(&r, root, "rank_pattern", MAX_RANK, true, &r.ranks));
	TS_GOTO(read_patterns(&r, root, "alpha_pattern", 1e9, false, &r.alphas));
	TS_GOTO(check_targets(&r, layers));
	TS_GOTO(fill(&r, c, layers, modules));
done:
	ts_regex_free(r.targets.regex);
	ts_regex_free(r.excluded.regex);
	release_patterns(&r.ranks);
	release_patterns(&r.alphas);
	return status;
}
