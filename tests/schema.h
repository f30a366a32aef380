/* A small validator for the schemas of docs/schema/: the keywords that they use and no others. A keyword that it does not know is an
 * error, so that nobody writes one that is not checked.
 *
 *     schema_check("metrics", value, message, sizeof(message))      0 = valid; else 1, and the message says where and why
 *
 * Known: type, properties, patternProperties, required, additionalProperties (false alone), items, enum, minimum, maximum, $ref (into this
 * file or one beside it, "metrics.schema.json#/$defs/eval"). $schema, $defs, title and description change nothing. */
#ifndef TS_TESTS_SCHEMA_H
#define TS_TESTS_SCHEMA_H

#include "core/json.h"

#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SCHEMA_FILES = 16 };

struct schema {
	char names[SCHEMA_FILES][128]; /* files that were read, by name */
	json_t *roots[SCHEMA_FILES];
	size_t count;
	char *message;
	size_t size;
};

static inline int schema_bad(struct schema *s, const char *path, const char *what, const char *word)
{
	snprintf(s->message, s->size, "%s: %s%s", *path ? path : "/", what, word);
	return 1;
}

static inline json_t *schema_root(struct schema *s, const char *name)
{
	char path[600];
	struct ts_error err = {0};
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->names[i], name))
			return s->roots[i];
	if (s->count == SCHEMA_FILES)
		return NULL;
	snprintf(path, sizeof(path), TS_SOURCE_DIR "/docs/schema/%s", name);
	if (ts_json_load(path, &s->roots[s->count], &err))
		return NULL;
	snprintf(s->names[s->count], sizeof(s->names[0]), "%s", name);
	return s->roots[s->count++];
}

static inline void schema_close(struct schema *s)
{
	for (size_t i = 0; i < s->count; i++)
		json_decref(s->roots[i]);
	s->count = 0;
}

/* What "#/$defs/eval" or "other.schema.json#/..." means; *root = the file that it is in. NULL where there is no such place. */
static inline const json_t *schema_find(struct schema *s, const json_t **root, const char *ref)
{
	char part[128];
	size_t n = strcspn(ref, "#");
	if (n) {
		snprintf(part, sizeof(part), "%.*s", (int)n, ref);
		*root = schema_root(s, part);
	}
	const json_t *at = *root;
	for (ref += n + (ref[n] == '#'); at && *ref == '/'; ref += n) {
		n = strcspn(++ref, "/");
		snprintf(part, sizeof(part), "%.*s", (int)n, ref);
		at = json_object_get(at, part);
	}
	return at;
}

static inline bool schema_is(const json_t *v, const char *type)
{
	return !strcmp(type, "object")    ? json_is_object(v)
	       : !strcmp(type, "array")   ? json_is_array(v)
	       : !strcmp(type, "string")  ? json_is_string(v)
	       : !strcmp(type, "integer") ? json_is_integer(v)
	       : !strcmp(type, "number")  ? json_is_number(v)
	       : !strcmp(type, "boolean") ? json_is_boolean(v)
	       : !strcmp(type, "null")    ? json_is_null(v)
					  : false;
}

static inline bool schema_type(const json_t *v, const json_t *type)
{
	if (json_is_string(type))
		return schema_is(v, json_string_value(type));
	for (size_t i = 0; i < json_array_size(type); i++)
		if (schema_is(v, json_string_value(json_array_get(type, i))))
			return true;
	return false;
}

static inline int schema_value(struct schema *s, const json_t *root, const json_t *schema, const json_t *v, const char *path);

static inline bool schema_matches(const char *pattern, const char *key)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	bool yes = !regexec(&regex, key, 0, NULL, 0);
	regfree(&regex);
	return yes;
}

static inline int schema_object(struct schema *s, const json_t *root, const json_t *schema, json_t *v, const char *path)
{
	json_t *known = json_object_get(schema, "properties"), *patterns = json_object_get(schema, "patternProperties");
	json_t *required = json_object_get(schema, "required"), *value, *own;
	const char *key, *pattern;
	for (size_t i = 0; i < json_array_size(required); i++)
		if (!json_object_get(v, json_string_value(json_array_get(required, i))))
			return schema_bad(s, path, "missing: ", json_string_value(json_array_get(required, i)));
	json_object_foreach (v, key, value) {
		const json_t *found = json_object_get(known, key);
		char below[512];
		json_object_foreach (patterns, pattern, own)
			if (!found && schema_matches(pattern, key))
				found = own;
		if (!found)
			return schema_bad(s, path, "not in the schema: ", key);
		snprintf(below, sizeof(below), "%.380s/%.120s", path, key);
		if (schema_value(s, root, found, value, below))
			return 1;
	}
	return 0;
}

static inline int schema_keywords(struct schema *s, const json_t *schema, const char *path)
{
	static const char *const known[] = {
		"$schema",           "$defs", "title", "description", "type",    "properties", "required", "additionalProperties",
		"patternProperties", "items", "enum",  "minimum",     "maximum", "$ref"};
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)schema, key, value) {
		bool found = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || !strcmp(known[i], key);
		if (!found)
			return schema_bad(s, path, "the schema uses a keyword that is not checked: ", key);
	}
	if (!json_object_get(schema, "$ref") && !json_object_get(schema, "type"))
		return schema_bad(s, path, "the schema says no type", "");
	/* What has properties has no others: a key that is nowhere written down is a mistake. */
	if (json_object_get(schema, "properties") && !json_is_false(json_object_get(schema, "additionalProperties")))
		return schema_bad(s, path, "the schema allows keys that it does not name", "");
	return 0;
}

static inline int schema_value(struct schema *s, const json_t *root, const json_t *schema, const json_t *v, const char *path)
{
	if (!json_is_object(schema))
		return schema_bad(s, path, "there is no such place in the schema", "");
	const json_t *ref = json_object_get(schema, "$ref"), *type = json_object_get(schema, "type");
	const json_t *words = json_object_get(schema, "enum"), *low = json_object_get(schema, "minimum");
	const json_t *high = json_object_get(schema, "maximum");
	if (schema_keywords(s, schema, path))
		return 1;
	if (ref) {
		const json_t *target = schema_find(s, &root, json_string_value(ref));
		return target ? schema_value(s, root, target, v, path) : schema_bad(s, path, "leads nowhere: ", json_string_value(ref));
	}
	if (!schema_type(v, type))
		return schema_bad(s, path, "of another type: ", ts_json_kind(v));
	bool named = !words;
	for (size_t i = 0; i < json_array_size(words); i++)
		named = named || json_equal(json_array_get(words, i), v);
	if (!named)
		return schema_bad(s, path, "not one of the words: ", json_is_string(v) ? json_string_value(v) : "");
	if (json_is_number(v) &&
	    ((low && json_number_value(v) < json_number_value(low)) || (high && json_number_value(v) > json_number_value(high))))
		return schema_bad(s, path, "out of range", "");
	if (json_is_object(v))
		return schema_object(s, root, schema, (json_t *)v, path);
	for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) {
		char below[512];
		snprintf(below, sizeof(below), "%.480s/%zu", path, i);
		if (schema_value(s, root, json_object_get(schema, "items"), json_array_get(v, i), below))
			return 1;
	}
	return 0;
}

static inline int schema_check(const char *name, const json_t *value, char *message, size_t size)
{
	struct schema s = {.message = message, .size = size};
	char file[64];
	snprintf(file, sizeof(file), "%s.schema.json", name);
	const json_t *root = schema_root(&s, file);
	int status = root ? schema_value(&s, root, root, value, "") : schema_bad(&s, file, "no such schema, or it is not JSON", "");
	schema_close(&s);
	return status;
}

#endif
