/* Writing a recipe: one function gives the text of a key's value, and printing, hash and comparison are made of it. */
#include "run/recipe_internal.h"

#include "core/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* YAML's short words and all that could be taken for something else are quoted; a plain word reads better. */
static bool is_plain(const char *s)
{
	static const char *const words[] = {"null", "Null", "NULL", "true", "false", "yes", "no", "on", "off", NULL};
	for (int i = 0; words[i]; i++)
		if (!strcmp(s, words[i]))
			return false;
	return *s && !strchr("-./", *s) && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")] == '\0';
}

/* Double-quoted; what YAML does not allow raw, or folds as a line break, is escaped. */
static int put_quoted(struct ts_str *out, const char *s)
{
	TS_TRY(ts_str_putc(out, '"'));
	size_t n = strlen(s), used;
	for (size_t i = 0; i < n; i += used) {
		uint32_t c;
		used = ts_utf8_decode(s + i, n - i, &c, NULL);
		if (!used)
			return TS_EINVAL;
		if (c == '\n')
			TS_TRY(ts_str_puts(out, "\\n"));
		else if (c == '\t')
			TS_TRY(ts_str_puts(out, "\\t"));
		else if (c == '"' || c == '\\')
			TS_TRY(ts_str_printf(out, "\\%c", (int)c));
		else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF)
			TS_TRY(ts_str_printf(out, "\\u%04X", (unsigned)c));
		else
			TS_TRY(ts_str_append(out, s + i, used));
	}
	return ts_str_putc(out, '"');
}

static int put_text(struct ts_str *out, const char *s)
{
	if (!s)
		return ts_str_puts(out, "null");
	return is_plain(s) ? ts_str_puts(out, s) : put_quoted(out, s);
}

/* As few digits as give the same number back. */
static int put_real(struct ts_str *out, double v)
{
	char text[40];
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return ts_str_puts(out, text);
}

static int put_scalar(struct ts_str *out, const void *base, const struct recipe_key *key)
{
	const void *at = (const char *)base + key->offset;
	switch (key->kind) {
	case RECIPE_TEXT:
	case RECIPE_WORD:
	case RECIPE_FORMAT:
	case RECIPE_PATH: /* a path's first member is its text */
	case RECIPE_FILE:
	case RECIPE_FOLDER:
	case RECIPE_SOURCE:
		return put_text(out, *(const char *const *)at);
	case RECIPE_FLAG:
		return ts_str_puts(out, key->words[*(const bool *)at]);
	case RECIPE_DTYPE:
		for (int i = 0; key->words[i]; i++)
			if (recipe_dtypes[i] == *(const enum ts_dtype *)at)
				return put_text(out, key->words[i]);
		return TS_EINVAL;
	case RECIPE_SIZE:
		return ts_str_printf(out, "%zu", *(const size_t *)at);
	case RECIPE_SEED:
		return ts_str_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
	case RECIPE_REAL:
		return put_real(out, *(const double *)at);
	default:
		return TS_EINVAL;
	}
}

static int put_targets(struct ts_str *out, const struct ts_recipe *r)
{
	TS_TRY(ts_str_putc(out, '['));
	for (size_t i = 0; i < r->lora.target_count; i++)
		TS_TRY(ts_str_printf(out, "%s%s", i ? ", " : "", r->lora.targets[i]));
	return ts_str_putc(out, ']');
}

/* An entry's own value says no more than the recipe's: runs from before entries had such values keep their hash. */
static bool says_nothing(const struct ts_recipe *r, const void *entry, const struct recipe_key *key)
{
	const void *own = (const char *)entry + key->offset, *general = (const char *)r + key->same_as;
	return key->same_as && *(const size_t *)own == *(const size_t *)general;
}

static int put_entries(struct ts_str *out, const struct ts_recipe *r, const struct recipe_list *list, bool hashed)
{
	size_t n = recipe_entry_count(r, list);
	if (!n)
		return ts_str_puts(out, list->least ? "null" : "[]");
	for (size_t i = 0; i < n; i++) {
		struct ts_recipe_eval whole;
		const void *entry = recipe_whole_entry(r, list, i, &whole);
		for (int k = 0; k < list->key_count; k++) {
			if (hashed && says_nothing(r, entry, &list->keys[k]))
				continue;
			TS_TRY(ts_str_printf(out, "\n  %s %s: ", k ? " " : "-", list->keys[k].name));
			TS_TRY(put_scalar(out, entry, &list->keys[k]));
		}
	}
	return 0;
}

static int put_value(struct ts_str *out, const struct ts_recipe *r, const struct recipe_key *key, bool hashed)
{
	if (key->kind == RECIPE_TARGETS)
		return put_targets(out, r);
	if (key->kind == RECIPE_PROMPTS && recipe_one_file(r))
		return put_text(out, r->prompts->rows.file.text);
	const struct recipe_list *list = recipe_list_of(key);
	return list ? put_entries(out, r, list, hashed) : put_scalar(out, r, key);
}

/* Keys of a section stand together in the table, so its heading is written when the section changes. */
static int put_key(struct ts_str *out, const struct ts_recipe *r, const struct recipe_key *key, bool hashed, const char **section)
{
	const char *dot = strchr(key->name, '.');
	if (!dot) {
		*section = NULL;
		TS_TRY(ts_str_printf(out, "%s: ", key->name));
	} else {
		size_t n = (size_t)(dot - key->name) + 1;
		if (!*section || strncmp(*section, key->name, n))
			TS_TRY(ts_str_printf(out, "%.*s:\n", (int)n - 1, key->name));
		*section = key->name;
		TS_TRY(ts_str_printf(out, "  %s: ", dot + 1));
	}
	TS_TRY(put_value(out, r, key, hashed));
	return ts_str_putc(out, '\n');
}

static int fail_print(int status, struct ts_error *err)
{
	return status == TS_ENOMEM ? ts_fail_memory(err) : ts_fail(err, status, "recipe: a value cannot be written as YAML");
}

int ts_recipe_print(const struct ts_recipe *r, struct ts_str *out, struct ts_error *err)
{
	const char *section = NULL;
	for (int i = 0; i < RECIPE_KEYS; i++) {
		int status = put_key(out, r, &recipe_keys[i], false, &section);
		if (status)
			return fail_print(status, err);
	}
	return 0;
}

int ts_recipe_hash(const struct ts_recipe *r, char hex[65], struct ts_error *err)
{
	struct ts_str text = {0};
	const char *section = NULL;
	int status = 0;
	for (int i = 0; i < RECIPE_KEYS && !status; i++)
		if (!recipe_keys[i].no_result)
			status = put_key(&text, r, &recipe_keys[i], true, &section);
	if (!status) {
		struct ts_sha256 h;
		unsigned char digest[32];
		ts_sha256_init(&h);
		ts_sha256_update(&h, text.data, text.len);
		ts_sha256_final(&h, digest);
		ts_sha256_hex(digest, hex);
	}
	ts_str_release(&text);
	return status ? fail_print(status, err) : 0;
}

static int add_setting(json_t *settings, const char *name, const struct ts_str *value)
{
	return json_object_set_new(settings, name, json_string(ts_str_c(value))) ? TS_ENOMEM : 0;
}

static int add_entry_settings(json_t *settings, const struct ts_recipe *r, const struct recipe_list *list, struct ts_str *value)
{
	char name[64];
	struct ts_recipe_eval whole;
	for (size_t i = 0; i < recipe_entry_count(r, list); i++)
		for (int k = 0; k < list->key_count; k++) {
			ts_str_clear(value);
			TS_TRY(put_scalar(value, recipe_whole_entry(r, list, i, &whole), &list->keys[k]));
			snprintf(name, sizeof(name), "%s.%zu.%s", list->name, i + 1, list->keys[k].name);
			TS_TRY(add_setting(settings, name, value));
		}
	return 0;
}

int ts_recipe_settings(const struct ts_recipe *r, json_t **settings, struct ts_error *err)
{
	struct ts_str value = {0};
	json_t *out = json_object();
	int status = out ? 0 : TS_ENOMEM;
	for (int i = 0; i < RECIPE_KEYS && !status; i++) {
		const struct recipe_key *key = &recipe_keys[i];
		const struct recipe_list *list = recipe_list_of(key);
		if (key->no_result)
			continue;
		ts_str_clear(&value);
		if (list && !(key->kind == RECIPE_PROMPTS && recipe_one_file(r)))
			status = add_entry_settings(out, r, list, &value);
		else if (!(status = put_value(&value, r, key, false)))
			status = add_setting(out, key->name, &value);
	}
	ts_str_release(&value);
	if (!status)
		*settings = out;
	else
		json_decref(out);
	return status ? fail_print(status, err) : 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_scalar(const void *x, const void *y, const struct recipe_key *key)
{
	const void *a = (const char *)x + key->offset, *b = (const char *)y + key->offset;
	switch (key->kind) {
	case RECIPE_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case RECIPE_DTYPE:
		return *(const enum ts_dtype *)a == *(const enum ts_dtype *)b;
	case RECIPE_SIZE:
		return *(const size_t *)a == *(const size_t *)b;
	case RECIPE_SEED:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case RECIPE_REAL:
		return *(const double *)a == *(const double *)b;
	default:
		return same_text(*(const char *const *)a, *(const char *const *)b);
	}
}

static bool same_entries(const struct ts_recipe *a, const struct ts_recipe *b, const struct recipe_list *list)
{
	size_t n = recipe_entry_count(a, list);
	if (n != recipe_entry_count(b, list))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct ts_recipe_eval whole[2];
		const void *x = recipe_whole_entry(a, list, i, &whole[0]), *y = recipe_whole_entry(b, list, i, &whole[1]);
		for (int k = 0; k < list->key_count; k++)
			if (!same_scalar(x, y, &list->keys[k]))
				return false;
	}
	return true;
}

static bool same_targets(const struct ts_recipe *a, const struct ts_recipe *b)
{
	if (a->lora.target_count != b->lora.target_count)
		return false;
	for (size_t i = 0; i < a->lora.target_count; i++)
		if (strcmp(a->lora.targets[i], b->lora.targets[i]))
			return false;
	return true;
}

const char *ts_recipe_difference(const struct ts_recipe *a, const struct ts_recipe *b)
{
	for (int i = 0; i < RECIPE_KEYS; i++) {
		const struct recipe_key *key = &recipe_keys[i];
		if (key->no_result)
			continue;
		const struct recipe_list *list = recipe_list_of(key);
		bool same = list ? same_entries(a, b, list) : key->kind == RECIPE_TARGETS ? same_targets(a, b) : same_scalar(a, b, key);
		if (!same)
			return key->name;
	}
	return NULL;
}
