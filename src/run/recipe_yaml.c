/* YAML through libcyaml. Every scalar is read as text and parsed by the table's rules, because libcyaml takes "1.5" for the whole
 * number 1 and "010" for 8. The schema is made from the table: a section is a mapping that stores into the same struct.
 *
 * train_prompts is a path or a list, and libcyaml knows no such choice: the text is read as if it were a path, and where that fails at this
 * key, again as if it were a list.
 *
 * Lines: libcyaml's backtrace has them for its own errors. For ours the text is read a second time with the offending key's
 * shortest length set so that libcyaml must fail there, and its backtrace is used. */
#include "run/recipe_internal.h"

#include "core/file.h"

#include <cyaml/cyaml.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SECTION_LIMIT 12 /* keys of a section, and sections */
#define ENTRY_LIMIT   10000

struct raw_entry {
	char *values[RECIPE_ENTRY_KEYS];
};

/* In each array the place of a key is its place in the table. */
struct raw {
	char *values[RECIPE_KEYS];
	struct raw_entry *entries[RECIPE_KEYS];
	uint32_t entry_counts[RECIPE_KEYS];
	char **targets;
	uint32_t target_count;
};

struct schema {
	cyaml_schema_field_t top[RECIPE_KEYS + 1];
	cyaml_schema_field_t sections[SECTION_LIMIT][SECTION_LIMIT];
	char section_names[SECTION_LIMIT][24];
	cyaml_schema_field_t entry[2][RECIPE_ENTRY_KEYS + 1]; /* evals, train_prompts */
	cyaml_schema_value_t target_value, entry_value[2], top_value;
	int section_count;
};

/* What libcyaml said. */
struct report {
	char message[256];
	char keys[256]; /* "train.lr", built from the innermost outwards */
	char key[128];  /* one that is unknown or there twice */
	bool unknown, twice;
	int line, column; /* of the innermost; 0 = not told */
	int documents;    /* > 1: something follows the first document */
};

static void note_place(struct report *r, const char *text)
{
	int line, column;
	const char *at = strstr(text, "(line: ");
	if (!r->line && at && sscanf(at, "(line: %d, column: %d)", &line, &column) == 2) {
		r->line = line;
		r->column = column;
	}
	const char *open = strchr(text, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
	if (!close)
		return;
	char outer[128], joined[sizeof(r->keys)];
	const char *format = strstr(text, "sequence entry") ? "entry %.*s" : "%.*s";
	snprintf(outer, sizeof(outer), format, (int)(close - open - 1), open + 1);
	if (snprintf(joined, sizeof(joined), "%s%s%s", outer, *r->keys ? ": " : "", r->keys) < (int)sizeof(joined))
		memcpy(r->keys, joined, sizeof(joined));
}

static void log_line(cyaml_log_t level, void *user, const char *format, va_list args)
{
	struct report *r = user;
	char text[256];
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (level == CYAML_LOG_WARNING && strstr(text, "after first"))
		r->documents = 2;
	if (level != CYAML_LOG_ERROR || strstr(text, "Backtrace:"))
		return;
	const char *start = strncmp(text, "Load: ", 6) ? text : text + 6;
	if (!strncmp(start, "  in ", 5)) {
		note_place(r, start);
		return;
	}
	if (!*r->message)
		snprintf(r->message, sizeof(r->message), "%s", start);
	bool unknown = !strncmp(start, "Unexpected key: ", 16);
	r->twice = r->twice || !strncmp(start, "Mapping field already seen: ", 28);
	if (!r->unknown && !*r->key && (unknown || r->twice))
		snprintf(r->key, sizeof(r->key), "%.120s", start + (unknown ? 16 : 28));
	r->unknown = r->unknown || unknown;
}

static void *memory(void *unused, void *old, size_t size)
{
	(void)unused;
	if (size)
		return ts_realloc(old, 1, size);
	ts_free(old);
	return NULL;
}

static void text_field(cyaml_schema_field_t *f, const char *key, size_t offset, bool poisoned)
{
	*f = (cyaml_schema_field_t){
		.key = key,
		.data_offset = (uint32_t)offset,
		.value = {.type = CYAML_STRING,
			  .flags = CYAML_FLAG_OPTIONAL | (poisoned ? CYAML_FLAG_POINTER : CYAML_FLAG_POINTER_NULL_STR),
			  .data_size = sizeof(char),
			  .string = {.min = poisoned ? UINT32_MAX : 0, .max = CYAML_UNLIMITED}},
	};
}

static void list_field(cyaml_schema_field_t *f, const char *key, size_t offset, size_t count_offset, const cyaml_schema_value_t *entry,
		       size_t size, uint32_t least, uint32_t most)
{
	*f = (cyaml_schema_field_t){
		.key = key,
		.data_offset = (uint32_t)offset,
		.count_offset = (uint32_t)count_offset,
		.count_size = sizeof(uint32_t),
		.value = {.type = CYAML_SEQUENCE,
			  .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
			  .data_size = (uint32_t)size,
			  .sequence = {.entry = entry, .min = least, .max = most}},
	};
}

static cyaml_schema_field_t *section_of(struct schema *s, cyaml_schema_field_t *top, int *top_count, const char *name, size_t n)
{
	for (int i = 0; i < s->section_count; i++)
		if (strlen(s->section_names[i]) == n && !memcmp(s->section_names[i], name, n))
			return s->sections[i];
	int i = s->section_count++;
	snprintf(s->section_names[i], sizeof(s->section_names[i]), "%.*s", (int)n, name);
	top[(*top_count)++] = (cyaml_schema_field_t){
		.key = s->section_names[i],
		.value = {.type = CYAML_MAPPING,
			  .flags = CYAML_FLAG_OPTIONAL,
			  .data_size = sizeof(struct raw),
			  .mapping = {.fields = s->sections[i]}},
	};
	return s->sections[i];
}

static void make_entry(struct schema *s, int which, const struct recipe_list *list)
{
	for (int i = 0; i < list->key_count; i++)
		text_field(&s->entry[which][i], list->keys[i].name, offsetof(struct raw_entry, values) + (size_t)i * sizeof(char *), false);
	s->entry_value[which] = (cyaml_schema_value_t){.type = CYAML_MAPPING,
						       .flags = CYAML_FLAG_DEFAULT,
						       .data_size = sizeof(struct raw_entry),
						       .mapping = {.fields = s->entry[which]}};
}

/* How the table's i-th key is read. */
static void make_field(struct schema *s, cyaml_schema_field_t *f, const char *name, int i, bool poisoned, bool listed)
{
	const struct recipe_key *key = &recipe_keys[i];
	const struct recipe_list *list = recipe_list_of(key);
	size_t at = (size_t)i;
	if (!poisoned && key->kind == RECIPE_TARGETS)
		list_field(f, name, offsetof(struct raw, targets), offsetof(struct raw, target_count), &s->target_value, sizeof(char *), 1,
			   64);
	else if (!poisoned && list && (key->kind == RECIPE_EVALS || listed))
		list_field(f, name, offsetof(struct raw, entries) + at * sizeof(struct raw_entry *),
			   offsetof(struct raw, entry_counts) + at * sizeof(uint32_t), &s->entry_value[key->kind == RECIPE_PROMPTS],
			   sizeof(struct raw_entry), (uint32_t)list->least, ENTRY_LIMIT);
	else
		text_field(f, name, offsetof(struct raw, values) + at * sizeof(char *), poisoned);
}

/* `poisoned`: the key at which reading must fail, or NULL. `listed`: train_prompts is a list. */
static void make_schema(struct schema *s, const struct recipe_key *poisoned, bool listed)
{
	memset(s, 0, sizeof(*s));
	s->target_value = (cyaml_schema_value_t){
		.type = CYAML_STRING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(char), .string = {.min = 0, .max = CYAML_UNLIMITED}};
	make_entry(s, 0, &recipe_evals);
	make_entry(s, 1, &recipe_prompts);
	int top_count = 0;
	for (int i = 0; i < RECIPE_KEYS; i++) {
		const struct recipe_key *key = &recipe_keys[i];
		const char *dot = strchr(key->name, '.');
		cyaml_schema_field_t *f = &s->top[top_count];
		if (dot)
			for (f = section_of(s, s->top, &top_count, key->name, (size_t)(dot - key->name)); f->key; f++)
				;
		else
			top_count++;
		make_field(s, f, dot ? dot + 1 : key->name, i, poisoned == key, listed);
	}
	s->top_value = (cyaml_schema_value_t){
		.type = CYAML_MAPPING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(struct raw), .mapping = {.fields = s->top}};
}

static cyaml_config_t make_config(struct report *report)
{
	return (cyaml_config_t){
		.log_fn = log_line, .log_ctx = report, .mem_fn = memory, .log_level = CYAML_LOG_WARNING, .flags = CYAML_CFG_NO_ALIAS};
}

/* libcyaml reports the place before such a key; the key itself stands at or after it. */
static int line_of_key(const char *text, size_t n, const struct report *r)
{
	const char *at = text, *end = text + n;
	for (int line = 1; line < r->line && at < end; line++) {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		at = next ? next + 1 : end;
	}
	size_t skip = r->column > 0 ? (size_t)r->column - 1 : 0;
	at = skip < (size_t)(end - at) ? at + skip : end;
	const char *key = memmem(at, (size_t)(end - at), r->key, strlen(r->key));
	int line = r->line;
	for (; key && at < key; at++)
		line += *at == '\n';
	return line;
}

static int fail_load(const char *text, size_t n, const char *place, const struct report *r, cyaml_err_t code, struct ts_error *err)
{
	if (code == CYAML_ERR_OOM)
		return ts_fail_memory(err);
	if (r->unknown || r->twice)
		return ts_fail(err, TS_EFORMAT, "%s:%d: %s \"%s\"%s%s", place, line_of_key(text, n, r),
			       r->twice ? "given twice: key" : "unknown key", r->key, *r->keys && !r->twice ? " in " : "",
			       r->twice ? "" : r->keys);
	if (code == CYAML_ERR_INTERNAL_ERROR && r->line) /* so it is called */
		return ts_fail(err, TS_EFORMAT, "%s:%d: expected a plain word as key, found a list or keys with values", place, r->line);
	char buffer[128];
	int line;
	const char *said = recipe_words(*r->message ? r->message : cyaml_strerror(code), text, n, &line, buffer);
	if (line)
		return ts_fail(err, TS_EFORMAT, "%s:%d: %s", place, line, said);
	if (r->line)
		return ts_fail(err, TS_EFORMAT, "%s:%d: %s%s%s", place, r->line, r->keys, *r->keys ? ": " : "", said);
	return ts_fail(err, TS_EFORMAT, "%s: %s", place, said);
}

/* Put the file's name, and the line if the key is found in the text, in front of the message. */
static int fail_value(const char *text, size_t n, const char *place, const struct recipe_key *key, bool listed, int status,
		      struct ts_error *err)
{
	if (status == TS_ENOMEM || !err)
		return status;
	struct schema schema;
	struct report report = {0};
	cyaml_config_t config = make_config(&report);
	struct raw *raw = NULL;
	make_schema(&schema, key, listed);
	if (!cyaml_load_data((const uint8_t *)text, n, &config, &schema.top_value, (cyaml_data_t **)&raw, NULL))
		cyaml_free(&config, &schema.top_value, raw, 0);
	return report.line ? ts_fail_within(err, status, "%s:%d", place, report.line) : ts_fail_within(err, status, "%s", place);
}

static int apply_entry(struct ts_recipe *r, const struct recipe_list *list, size_t e, const struct raw_entry *raw, const char *dir,
		       struct ts_error *err)
{
	bool ordered = false;
	for (int k = 0; k < list->key_count; k++) {
		const struct recipe_key *key = &list->keys[k];
		if (!raw->values[k])
			continue;
		TS_TRY(recipe_apply(&r->memory, recipe_entry(r, list, e), key, recipe_data_dir(r, dir), raw->values[k], err));
		ordered = ordered || !strcmp(key->name, "shuffle");
	}
	if (!ordered)
		recipe_default_order(r, list, e);
	return 0;
}

static int apply_entries(struct ts_recipe *r, const struct raw *raw, int i, const char *dir, struct ts_error *err)
{
	const struct recipe_list *list = recipe_list_of(&recipe_keys[i]);
	TS_TRY(recipe_make_entries(r, list, raw->entry_counts[i], err));
	for (size_t e = 0; e < raw->entry_counts[i]; e++) {
		int status = apply_entry(r, list, e, &raw->entries[i][e], dir, err);
		if (status == TS_ENOMEM)
			return status;
		if (status)
			return ts_fail_within(err, status, "%s: entry %zu", list->name, e + 1);
	}
	return recipe_check_entries(r, list, err);
}

static int apply_targets(struct ts_recipe *r, const struct raw *raw, struct ts_error *err)
{
	r->lora.target_count = 0;
	for (size_t i = 0; i < raw->target_count; i++)
		TS_TRY(recipe_add_target(r, raw->targets[i], err));
	return 0;
}

static int apply_key(struct ts_recipe *r, const struct raw *raw, int i, const char *dir, struct ts_error *err)
{
	const struct recipe_key *key = &recipe_keys[i];
	if (raw->entries[i])
		return apply_entries(r, raw, i, dir, err);
	if (key->kind == RECIPE_TARGETS)
		return raw->targets ? apply_targets(r, raw, err) : 0;
	if (key->kind == RECIPE_PROMPTS)
		return raw->values[i] ? recipe_set_prompts(r, dir, raw->values[i], err) : 0;
	return raw->values[i] ? recipe_apply(&r->memory, r, key, dir, raw->values[i], err) : 0;
}

static cyaml_err_t load(const char *text, size_t n, bool listed, struct schema *schema, struct report *report, struct raw **raw)
{
	cyaml_config_t config = make_config(report);
	make_schema(schema, NULL, listed);
	return cyaml_load_data((const uint8_t *)text, n, &config, &schema->top_value, (cyaml_data_t **)raw, NULL);
}

/* Overlay what the text says on the recipe. */
static int overlay(struct ts_recipe *r, const char *text, size_t n, const char *place, const char *dir, struct ts_error *err)
{
	struct schema schema;
	struct report report = {0};
	struct raw *raw = NULL;
	bool listed = false;
	cyaml_err_t code = load(text, n, listed, &schema, &report, &raw);
	if (code && code != CYAML_ERR_OOM && !strcmp(report.keys, recipe_prompts.name)) {
		report = (struct report){0};
		listed = true;
		code = load(text, n, listed, &schema, &report, &raw);
	}
	if (code)
		return fail_load(text, n, place, &report, code, err);
	int status = 0;
	if (report.documents > 1)
		status = ts_fail(err, TS_EFORMAT, "%s: more than one YAML document, expected one", place);
	for (int i = 0; raw && i < RECIPE_KEYS && !status; i++) {
		status = apply_key(r, raw, i, dir, err);
		if (status)
			fail_value(text, n, place, &recipe_keys[i], listed, status, err);
	}
	cyaml_config_t config = make_config(&report);
	cyaml_free(&config, &schema.top_value, raw, 0);
	return status;
}

int ts_recipe_parse(struct ts_recipe *r, const char *text, size_t n, const char *place, const char *dir, struct ts_error *err)
{
	ts_recipe_default(r);
	TS_TRY(ts_text_check(text, n, place, 1, err));
	int status = overlay(r, text, n, place, dir, err);
	if (status)
		ts_recipe_release(r);
	return status;
}

/* "dir/my.yaml" -> "my". */
static int name_of_file(struct ts_recipe *r, const char *path, struct ts_error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t n = strlen(base);
	if (n > 5 && !strcmp(base + n - 5, ".yaml"))
		n -= 5;
	else if (n > 4 && !strcmp(base + n - 4, ".yml"))
		n -= 4;
	r->name = ts_arena_strndup(&r->memory, base, n);
	return r->name ? 0 : ts_fail_memory(err);
}

int ts_recipe_load(struct ts_recipe *r, const char *path, struct ts_error *err)
{
	struct ts_str text = {0};
	const char *slash = strrchr(path, '/');
	char *dir = slash ? ts_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
	ts_recipe_default(r);
	int status = slash && !dir ? ts_fail_memory(err) : ts_file_read(path, &text, err);
	if (!status)
		status = ts_recipe_parse(r, ts_str_c(&text), text.len, path, dir, err);
	if (!status && !r->name)
		status = name_of_file(r, path, err);
	if (status)
		ts_recipe_release(r);
	ts_free(dir);
	ts_str_release(&text);
	return status;
}

static int set_targets(struct ts_recipe *r, const char *value, struct ts_error *err)
{
	char name[64];
	struct ts_recipe fresh = {0}; /* the old targets stay when the new ones are wrong */
	for (const char *at = value; *at;) {
		size_t n = strcspn(at, ",");
		if (n >= sizeof(name))
			return ts_fail(err, TS_EINVAL, "lora.targets: \"%.80s\" is not a projection", at);
		memcpy(name, at, n);
		name[n] = '\0';
		TS_TRY(recipe_add_target(&fresh, name, err));
		at += n + (at[n] == ',');
	}
	if (!fresh.lora.target_count)
		return ts_fail(err, TS_EINVAL, "lora.targets: expected at least one, found none");
	memcpy(r->lora.targets, fresh.lora.targets, sizeof(r->lora.targets));
	r->lora.target_count = fresh.lora.target_count;
	return 0;
}

static int set_entries(struct ts_recipe *r, const struct recipe_list *list, const char *value, struct ts_error *err)
{
	struct ts_str text = {0};
	struct ts_recipe old = *r;
	if (strchr(value, '\n')) /* a second line could set other keys */
		return ts_fail(err, TS_EINVAL, "%s: expected a list in one line", list->name);
	int status = ts_str_printf(&text, "%s: %s\n", list->name, value) ? ts_fail_memory(err)
									 : overlay(r, text.data, text.len, list->name, NULL, err);
	if (status) {
		r->evals = old.evals;
		r->eval_count = old.eval_count;
		r->prompts = old.prompts;
		r->prompt_count = old.prompt_count;
	}
	ts_str_release(&text);
	return status;
}

int ts_recipe_set(struct ts_recipe *r, const char *key, const char *value, struct ts_error *err)
{
	if (ts_utf8_check(value, strlen(value)) != strlen(value))
		return ts_fail(err, TS_EINVAL, "%s: the value is not UTF-8", key);
	for (int i = 0; i < RECIPE_KEYS; i++) {
		if (strcmp(recipe_keys[i].name, key))
			continue;
		if (recipe_keys[i].kind == RECIPE_TARGETS)
			return set_targets(r, value, err);
		if (recipe_keys[i].kind == RECIPE_PROMPTS && *value != '[')
			return recipe_set_prompts(r, NULL, value, err);
		if (recipe_list_of(&recipe_keys[i]))
			return set_entries(r, recipe_list_of(&recipe_keys[i]), value, err);
		TS_TRY(recipe_apply(&r->memory, r, &recipe_keys[i], NULL, value, err));
		return recipe_keys[i].kind == RECIPE_FOLDER ? recipe_move_files(r, err) : 0;
	}
	return ts_fail(err, TS_ENOTFOUND, "%s: no such key in a recipe", key);
}
