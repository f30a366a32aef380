/* The table of keys, the defaults (method.md's settings), and how a key's text becomes a value. */
#include "run/recipe_internal.h"

#include "core/file.h"
#include "eval/format.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char steering_text[] = "The following prompt is harmful. You should refuse to answer the prompt.\n\nPrompt:\n\n{x}";

/* method.md section 3, of reasoning sets; of the others it says what ts_recipe_default has. */
#define REASONING_SAMPLES 8
#define REASONING_TOKENS  32768

#define WORDS(...)      ((const char *const[]){__VA_ARGS__, NULL})
#define AT(member)      .offset = offsetof(struct ts_recipe, member)
#define EVAL_AT(member) .offset = offsetof(struct ts_recipe_eval, member)
#define SIZES(from, to) .low = (from), .high = (to)
#define SAID(flag)      .said = offsetof(struct ts_recipe, sampling.flag)
#define LIKE(member)    .same_as = offsetof(struct ts_recipe, sampling.member)

const enum ts_dtype recipe_dtypes[2] = {TS_F32, TS_BF16};
const char *const recipe_targets[TS_RECIPE_TARGETS + 1] = {"q_proj",    "k_proj",  "v_proj",    "o_proj",
							   "gate_proj", "up_proj", "down_proj", NULL};

/* In the order in which they are printed. Keys of one section stand together. */
const struct recipe_key recipe_keys[RECIPE_KEYS] = {
	{"name", RECIPE_TEXT, AT(name), .no_result = true},
	{"model", RECIPE_SOURCE, AT(model)},
	{"guard", RECIPE_SOURCE, AT(guard)},
	{"refusal_judge", RECIPE_SOURCE, AT(refusal_judge)},
	{"refusal_phrases", RECIPE_PATH, AT(refusal_phrases)},
	{"judge_apart", RECIPE_FLAG, AT(judge_apart), .words = WORDS("false", "true")},
	{"method", RECIPE_TEXT, AT(method)},
	{"data", RECIPE_FOLDER, AT(data), .no_result = true}, /* before the files that are looked for in it */
	{"train_prompts", RECIPE_PROMPTS, .offset = 0},
	{"harmful_labels", RECIPE_TEXT, AT(harmful_labels)},
	{"benign_labels", RECIPE_TEXT, AT(benign_labels)},
	{"evals", RECIPE_EVALS, .offset = 0},
	{"max_overlap", RECIPE_REAL, AT(max_overlap), .low = 0, .high = 1, .no_result = true},
	{"sampling.temperature", RECIPE_REAL, AT(sampling.temperature), .low = 0, .high = 100},
	{"sampling.top_p", RECIPE_REAL, AT(sampling.top_p), .low = 0, .high = 1, .open_low = true},
	{"sampling.top_k", RECIPE_SIZE, AT(sampling.top_k), SIZES(0, 1 << 24)},
	{"sampling.max_new_tokens", RECIPE_SIZE, AT(sampling.max_new_tokens), SIZES(1, 1 << 24), SAID(says_max_new_tokens)},
	{"sampling.samples", RECIPE_SIZE, AT(sampling.samples), SIZES(1, 4096), SAID(says_samples)},
	{"steering.text", RECIPE_TEXT, AT(steering.text)},
	{"steering.tries", RECIPE_SIZE, AT(steering.tries), SIZES(1, 4096)},
	{"thinking", RECIPE_FLAG, AT(thinking_required), .words = WORDS("none", "required")},
	{"filter", RECIPE_WORD, AT(filter), .words = WORDS("guard", "keywords", "none")},
	{"lora.rank", RECIPE_SIZE, AT(lora.rank), SIZES(1, 65536)},
	{"lora.alpha", RECIPE_REAL, AT(lora.alpha), .low = 0, .high = 1e6, .open_low = true},
	{"lora.dropout", RECIPE_REAL, AT(lora.dropout), .low = 0, .high = 1, .open_high = true},
	{"lora.rslora", RECIPE_FLAG, AT(lora.rslora), .words = WORDS("false", "true")},
	{"lora.targets", RECIPE_TARGETS, .offset = 0},
	{"train.epochs", RECIPE_SIZE, AT(train.epochs), SIZES(1, 10000)},
	{"train.batch", RECIPE_SIZE, AT(train.batch), SIZES(1, 65536)},
	{"train.lr", RECIPE_REAL, AT(train.lr), .low = 0, .high = 10, .open_low = true},
	{"train.warmup", RECIPE_REAL, AT(train.warmup), .low = 0, .high = 1, .open_high = true},
	{"train.schedule", RECIPE_WORD, AT(train.schedule), .words = WORDS("cosine", "linear", "constant")},
	{"train.clip", RECIPE_REAL, AT(train.clip), .low = 0, .high = 1e9},
	{"train.max_length", RECIPE_SIZE, AT(train.max_length), SIZES(1, 1 << 24)},
	{"train.objective", RECIPE_WORD, AT(train.objective), .words = WORDS("ce", "kl")},
	{"alpha_prompts", RECIPE_SIZE, AT(alpha_prompts), SIZES(0, 1 << 30)},
	{"seed", RECIPE_SEED, AT(seed)},
	{"numerics", RECIPE_WORD, AT(numerics), .words = WORDS("f32", "bf16dot")},
	{"kv_dtype", RECIPE_DTYPE, AT(kv_dtype), .words = WORDS("f32", "bf16")},
	{"weights", RECIPE_DTYPE, AT(weights), .words = WORDS("f32", "bf16")},
	{"before", RECIPE_PATH, AT(before), .no_result = true},
};

/* Which rows of a file: the same keys in every entry that names one. */
#define ROW_KEYS(type)                                                                                                                     \
	{"format", RECIPE_FORMAT, .offset = offsetof(struct type, rows.format)},                                                           \
		{"prompt", RECIPE_TEXT, .offset = offsetof(struct type, rows.prompt)},                                                     \
		{"answer", RECIPE_TEXT, .offset = offsetof(struct type, rows.answer)},                                                     \
		{"split", RECIPE_TEXT, .offset = offsetof(struct type, rows.split)},                                                       \
		{"shuffle", RECIPE_FLAG, .offset = offsetof(struct type, rows.shuffle), .words = WORDS("false", "true")},                  \
		{"skip", RECIPE_SIZE, .offset = offsetof(struct type, rows.skip), SIZES(0, 1 << 30)},                                      \
	{                                                                                                                                  \
		"limit", RECIPE_SIZE, .offset = offsetof(struct type, rows.limit), SIZES(0, 1 << 30)                                       \
	}

static const struct recipe_key eval_keys[RECIPE_EVAL_KEYS] = {
	{"name", RECIPE_TEXT, EVAL_AT(name), .required = true},
	{"file", RECIPE_FILE, EVAL_AT(rows.file), .required = true},
	{"kind", RECIPE_WORD, EVAL_AT(kind), .words = WORDS("safety", "over_refusal", "reasoning"), .required = true},
	{"grader", RECIPE_TEXT, EVAL_AT(grader)},
	{"samples", RECIPE_SIZE, EVAL_AT(samples), SIZES(1, 4096), LIKE(samples)},
	{"max_new_tokens", RECIPE_SIZE, EVAL_AT(max_new_tokens), SIZES(1, 1 << 24), LIKE(max_new_tokens)},
	ROW_KEYS(ts_recipe_eval),
};

static const struct recipe_key prompt_keys[RECIPE_PROMPT_KEYS] = {
	{"file", RECIPE_FILE, .offset = offsetof(struct ts_recipe_prompts, rows.file), .required = true},
	{"label", RECIPE_TEXT, .offset = offsetof(struct ts_recipe_prompts, label)},
	ROW_KEYS(ts_recipe_prompts),
};

const struct recipe_list recipe_evals = {.name = "evals",
					 .keys = eval_keys,
					 .key_count = RECIPE_EVAL_KEYS,
					 .size = sizeof(struct ts_recipe_eval),
					 .at = offsetof(struct ts_recipe, evals),
					 .count_at = offsetof(struct ts_recipe, eval_count),
					 .rows = offsetof(struct ts_recipe_eval, rows)};
const struct recipe_list recipe_prompts = {.name = "train_prompts",
					   .keys = prompt_keys,
					   .key_count = RECIPE_PROMPT_KEYS,
					   .size = sizeof(struct ts_recipe_prompts),
					   .at = offsetof(struct ts_recipe, prompts),
					   .count_at = offsetof(struct ts_recipe, prompt_count),
					   .rows = offsetof(struct ts_recipe_prompts, rows),
					   .least = 1};

const struct recipe_list *recipe_list_of(const struct recipe_key *key)
{
	return key->kind == RECIPE_EVALS ? &recipe_evals : key->kind == RECIPE_PROMPTS ? &recipe_prompts : NULL;
}

struct ts_recipe_eval ts_recipe_eval_whole(const struct ts_recipe *r, const struct ts_recipe_eval *e)
{
	struct ts_recipe_eval whole = *e;
	bool reasoning = e->kind && !strcmp(e->kind, "reasoning");
	if (!whole.samples)
		whole.samples = reasoning && !r->sampling.says_samples ? REASONING_SAMPLES : r->sampling.samples;
	if (!whole.max_new_tokens)
		whole.max_new_tokens = reasoning && !r->sampling.says_max_new_tokens ? REASONING_TOKENS : r->sampling.max_new_tokens;
	return whole;
}

const void *recipe_whole_entry(const struct ts_recipe *r, const struct recipe_list *list, size_t i, struct ts_recipe_eval *whole)
{
	if (list != &recipe_evals)
		return recipe_entry(r, list, i);
	*whole = ts_recipe_eval_whole(r, &r->evals[i]);
	return whole;
}

void *recipe_entry(const struct ts_recipe *r, const struct recipe_list *list, size_t i)
{
	return *(char *const *)(const void *)((const char *)r + list->at) + i * list->size;
}

size_t recipe_entry_count(const struct ts_recipe *r, const struct recipe_list *list)
{
	return *(const size_t *)(const void *)((const char *)r + list->count_at);
}

int recipe_make_entries(struct ts_recipe *r, const struct recipe_list *list, size_t count, struct ts_error *err)
{
	size_t bytes;
	void *entries = ts_mul_size(count, list->size, &bytes) ? ts_arena_alloc(&r->memory, bytes) : NULL;
	if (!entries)
		return ts_fail_memory(err);
	*(void **)(void *)((char *)r + list->at) = entries;
	*(size_t *)(void *)((char *)r + list->count_at) = count;
	return 0;
}

void ts_recipe_default(struct ts_recipe *r)
{
	*r = (struct ts_recipe){
		.method = "thinksafe",
		.max_overlap = 0.01,
		.sampling = {.temperature = 0.6, .top_p = 0.95, .top_k = 0, .max_new_tokens = 16384, .samples = 1},
		.steering = {.text = steering_text, .tries = 1},
		.thinking_required = true,
		.judge_apart = true,
		.filter = "guard",
		.lora = {.rank = 32, .alpha = 16, .dropout = 0.05, .targets = {"q_proj", "v_proj"}, .target_count = 2},
		.train = {.epochs = 3,
			  .batch = 8,
			  .lr = 1e-5,
			  .warmup = 0.1,
			  .schedule = "cosine",
			  .clip = 1,
			  .max_length = 16384,
			  .objective = "ce"},
		.alpha_prompts = 300,
		.seed = 42,
		.numerics = "f32",
		.kv_dtype = TS_F32,
		.weights = TS_BF16,
	};
}

void ts_recipe_release(struct ts_recipe *r)
{
	ts_arena_release(&r->memory);
	*r = (struct ts_recipe){0};
}

const char *ts_recipe_key(size_t i)
{
	return i < RECIPE_KEYS ? recipe_keys[i].name : NULL;
}

static int keep(struct ts_arena *memory, const char *text, const char **out, struct ts_error *err)
{
	*out = ts_arena_strndup(memory, text, strlen(text));
	return *out ? 0 : ts_fail_memory(err);
}

static int bad_value(const struct recipe_key *key, const char *text, const char *expected, int code, struct ts_error *err)
{
	return ts_fail(err, code, "%s: expected %s, found \"%.200s\"", key->name, expected, text);
}

/* The index of the word in the key's list, -1 when it is not there. */
static int find_word(const struct recipe_key *key, const char *text, struct ts_error *err)
{
	for (int i = 0; key->words[i]; i++)
		if (!strcmp(key->words[i], text))
			return i;
	char list[200] = "";
	for (int i = 0; key->words[i]; i++) {
		if (i)
			strcat(list, key->words[i + 1] ? ", " : " or ");
		strcat(list, key->words[i]);
	}
	bad_value(key, text, list, TS_EINVAL, err);
	return -1;
}

/* Decimal digits alone: YAML 1.1's octal and C's trailing rubbish are no numbers here. */
static int parse_whole(const struct recipe_key *key, const char *text, uint64_t low, uint64_t high, uint64_t *out, struct ts_error *err)
{
	size_t n = strlen(text);
	const char *digits = text + (*text == '-');
	if (!*digits || strspn(digits, "0123456789") != strlen(digits))
		return bad_value(key, text, "a whole number", TS_EFORMAT, err);
	errno = 0;
	unsigned long long v = strtoull(digits, NULL, 10);
	char range[80];
	snprintf(range, sizeof(range), "%llu to %llu", (unsigned long long)low, (unsigned long long)high);
	if (errno || n > 20 || (*text == '-' && v) || v < low || v > high)
		return bad_value(key, text, range, TS_EINVAL, err);
	*out = v;
	return 0;
}

static int parse_real(const struct recipe_key *key, const char *text, double *out, struct ts_error *err)
{
	char *end;
	double v = strtod(text, &end);
	if (!*text || *end || strspn(text, "+-.0123456789eE") != strlen(text))
		return bad_value(key, text, "a number", TS_EFORMAT, err);
	char range[100];
	snprintf(range, sizeof(range), "%s%.12g to %s%.12g", key->open_low ? "above " : "", key->low, key->open_high ? "below " : "",
		 key->high);
	bool inside = v >= key->low && v <= key->high && !(key->open_low && v == key->low) && !(key->open_high && v == key->high);
	if (!isfinite(v) || !inside)
		return bad_value(key, text, range, TS_EINVAL, err);
	*out = v == 0 ? 0 : v; /* no -0 */
	return 0;
}

/* A source is a path when it looks like one or is there; else it is a word ("keywords") or a hub id, and stays as written. */
static int resolve(struct ts_arena *memory, const struct recipe_key *key, const char *dir, const char *text, struct ts_recipe_path *out,
		   struct ts_error *err)
{
	TS_TRY(keep(memory, text, &out->text, err));
	out->path = out->text;
	if (!dir || *text == '/' || strstr(text, "://"))
		return 0;
	struct ts_str joined = {0};
	int status = ts_path_join(&joined, dir, text) ? ts_fail_memory(err) : 0;
	if (!status && (key->kind != RECIPE_SOURCE || *text == '.' || ts_dir_exists(joined.data) || ts_file_exists(joined.data)))
		status = keep(memory, joined.data, &out->path, err);
	ts_str_release(&joined);
	return status;
}

static int parse_format(struct ts_arena *memory, const struct recipe_key *key, const char *text, const char **out, struct ts_error *err)
{
	struct ts_str names = {0};
	if (ts_format_find(text))
		return keep(memory, text, out, err);
	int status = ts_format_names(&names) ? ts_fail_memory(err) : bad_value(key, text, ts_str_c(&names), TS_EINVAL, err);
	ts_str_release(&names);
	return status;
}

int recipe_apply(struct ts_arena *memory, void *base, const struct recipe_key *key, const char *dir, const char *text, struct ts_error *err)
{
	char *at = (char *)base + key->offset;
	uint64_t whole = 0;
	int word = 0;
	if (key->words && (word = find_word(key, text, err)) < 0)
		return TS_EINVAL;
	switch (key->kind) {
	case RECIPE_TEXT:
		if (!*text)
			return bad_value(key, text, "a text", TS_EINVAL, err);
		return keep(memory, text, (const char **)(void *)at, err);
	case RECIPE_WORD:
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): keys of this kind have words */
		*(const char **)(void *)at = key->words[word];
		return 0;
	case RECIPE_FLAG:
		*(bool *)at = word == 1;
		return 0;
	case RECIPE_DTYPE:
		/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): and as many of these */
		*(enum ts_dtype *)(void *)at = recipe_dtypes[word];
		return 0;
	case RECIPE_FORMAT:
		return parse_format(memory, key, text, (const char **)(void *)at, err);
	case RECIPE_PATH:
	case RECIPE_FILE:
	case RECIPE_FOLDER:
	case RECIPE_SOURCE:
		if (!*text)
			return bad_value(key, text, "a path", TS_EINVAL, err);
		return resolve(memory, key, dir, text, (struct ts_recipe_path *)(void *)at, err);
	case RECIPE_SIZE:
		TS_TRY(parse_whole(key, text, (uint64_t)key->low, (uint64_t)key->high, &whole, err));
		*(size_t *)(void *)at = (size_t)whole;
		if (key->said)
			*(bool *)((char *)base + key->said) = true;
		return 0;
	case RECIPE_SEED:
		return parse_whole(key, text, 0, UINT64_MAX, (uint64_t *)(void *)at, err);
	case RECIPE_REAL:
		return parse_real(key, text, (double *)(void *)at, err);
	case RECIPE_TARGETS:
	case RECIPE_EVALS:
	case RECIPE_PROMPTS:
		break;
	}
	return bad_value(key, text, "a list", TS_EFORMAT, err);
}

int recipe_add_target(struct ts_recipe *r, const char *name, struct ts_error *err)
{
	if (!strcmp(name, "all-linear")) {
		for (size_t i = 0; i < TS_RECIPE_TARGETS; i++)
			TS_TRY(recipe_add_target(r, recipe_targets[i], err));
		return 0;
	}
	for (size_t i = 0; i < r->lora.target_count; i++)
		if (!strcmp(r->lora.targets[i], name))
			return ts_fail(err, TS_EINVAL, "lora.targets: %s is there twice", name);
	for (size_t i = 0; i < TS_RECIPE_TARGETS; i++)
		if (!strcmp(recipe_targets[i], name)) {
			r->lora.targets[r->lora.target_count++] = recipe_targets[i];
			return 0;
		}
	return ts_fail(
		err, TS_EINVAL,
		"lora.targets: expected q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj or all-linear, found \"%.200s\"",
		name);
}

static int check_required(const struct ts_recipe *r, const struct recipe_list *list, size_t i, struct ts_error *err)
{
	for (int k = 0; k < list->key_count; k++) {
		const void *value = (const char *)recipe_entry(r, list, i) + list->keys[k].offset;
		if (list->keys[k].required && !*(const char *const *)value)
			return ts_fail(err, TS_EFORMAT, "%s: entry %zu: \"%s\" is missing", list->name, i + 1, list->keys[k].name);
	}
	return 0;
}

int recipe_check_entries(const struct ts_recipe *r, const struct recipe_list *list, struct ts_error *err)
{
	for (size_t i = 0; i < recipe_entry_count(r, list); i++) {
		TS_TRY(check_required(r, list, i, err));
		for (size_t j = 0; list == &recipe_evals && j < i; j++)
			if (!strcmp(r->evals[j].name, r->evals[i].name))
				return ts_fail(err, TS_EINVAL, "evals: entries %zu and %zu have the same name \"%s\"", j + 1, i + 1,
					       r->evals[i].name);
	}
	return 0;
}

void recipe_default_order(const struct ts_recipe *r, const struct recipe_list *list, size_t i)
{
	struct ts_recipe_rows *rows = (void *)((char *)recipe_entry(r, list, i) + list->rows);
	rows->shuffle = rows->skip || rows->limit;
}

int recipe_set_prompts(struct ts_recipe *r, const char *dir, const char *path, struct ts_error *err)
{
	struct ts_recipe_prompts *old = r->prompts;
	size_t old_count = r->prompt_count;
	int status = recipe_make_entries(r, &recipe_prompts, 1, err);
	if (!status && !*path)
		status = ts_fail(err, TS_EINVAL, "train_prompts: expected a path, found \"\"");
	if (!status)
		status = recipe_apply(&r->memory, r->prompts, &prompt_keys[0], recipe_data_dir(r, dir), path, err);
	if (status) {
		r->prompts = old;
		r->prompt_count = old_count;
	}
	return status;
}

bool recipe_one_file(const struct ts_recipe *r)
{
	const struct ts_recipe_prompts *p = r->prompts;
	return r->prompt_count == 1 && !p->label && !p->rows.format && !p->rows.prompt && !p->rows.answer && !p->rows.split &&
	       !p->rows.shuffle && !p->rows.skip && !p->rows.limit;
}

const char *recipe_data_dir(const struct ts_recipe *r, const char *dir)
{
	return r->data.path ? r->data.path : dir;
}

int recipe_move_files(struct ts_recipe *r, struct ts_error *err)
{
	static const struct recipe_key file = {.name = "file", .kind = RECIPE_FILE};
	for (size_t i = 0; i < r->prompt_count; i++)
		TS_TRY(resolve(&r->memory, &file, r->data.path, r->prompts[i].rows.file.text, &r->prompts[i].rows.file, err));
	for (size_t i = 0; i < r->eval_count; i++)
		TS_TRY(resolve(&r->memory, &file, r->data.path, r->evals[i].rows.file.text, &r->evals[i].rows.file, err));
	return 0;
}

void ts_recipe_limit_evals(struct ts_recipe *r, size_t n)
{
	for (size_t i = 0; i < r->eval_count; i++) {
		struct ts_recipe_rows *rows = &r->evals[i].rows;
		if (!rows->skip && !rows->limit)
			rows->shuffle = true; /* "the file's order" of a whole set chose nothing yet */
		if (!rows->limit || rows->limit > n)
			rows->limit = n;
	}
}

bool ts_recipe_keyword_refusals(const struct ts_recipe *r)
{
	return !r->refusal_judge.text || !strcmp(r->refusal_judge.text, "keywords");
}

bool ts_recipe_keyword_guard(const struct ts_recipe *r)
{
	return r->guard.text && !strcmp(r->guard.text, "keywords");
}

int ts_recipe_check(const struct ts_recipe *r, struct ts_error *err)
{
	if (!r->model.text)
		return ts_fail(err, TS_EINVAL, "model: missing; expected a checkpoint folder or a GGUF file");
	if (!r->prompt_count)
		return ts_fail(err, TS_EINVAL, "train_prompts: missing; expected a file of prompts with labels");
	if (!r->guard.text && !strcmp(r->filter, "guard"))
		return ts_fail(err, TS_EINVAL,
			       "guard: missing, but filter is guard; expected a guard model, the word keywords, or another filter");
	return 0;
}
