/* The tokenizer and the template as a GGUF file's metadata, from tokenizer.json and tokenizer_config.json; of a GGUF source they are copied.
 *
 * Two kinds: byte-level BPE ("gpt2": tokens, merges, the pre-tokenizer's name), and SentencePiece-like BPE with byte fallback ("llama": tokens
 * with scores; the pair whose token has the highest score is merged first, so minus the rank of its merge is a token's score). */
#include "export/internal.h"

#include "text/chat_parts.h"

#include <stdio.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

struct tokenizer {
	const struct export *e;
	struct ts_gguf_writer *w;
	json_t *root, *config; /* config may be NULL */
	size_t count;          /* rows of the embedding */
	struct token {
		const char *text; /* NULL: no such id */
		size_t n;
		int32_t type;
		float score;
	} *tokens;
	bool bytes; /* falls back to bytes: the second kind */
	struct ts_error *err;
};

/* --- tokens --- */

static int put_token(struct tokenizer *t, const json_t *text, const json_t *id, int32_t type)
{
	json_int_t i = json_integer_value(id);
	if (!json_is_string(text) || !json_is_integer(id) || i < 0 || (size_t)i >= t->count)
		return ts_fail(t->err, TS_EMISMATCH, "%s: tokenizer.json: token \"%.60s\": expected an id from 0 to %zu, found %lld",
			       t->e->options->model, json_is_string(text) ? json_string_value(text) : "?", t->count - 1, (long long)i);
	t->tokens[i].text = json_string_value(text);
	t->tokens[i].n = json_string_length(text);
	t->tokens[i].type = type;
	return 0;
}

/* The converter takes what is written like this for a control token whatever the file says. */
static bool looks_special(const char *s, size_t n)
{
	static const char bar[] = "\xef\xbd\x9c"; /* U+FF5C, DeepSeek's */
	if (n > 4 && s[0] == '<' && s[1] == '|' && s[n - 2] == '|' && s[n - 1] == '>')
		return true;
	if (n > 8 && s[0] == '<' && !memcmp(s + 1, bar, 3) && !memcmp(s + n - 4, bar, 3) && s[n - 1] == '>')
		return true;
	return (n == 5 && !memcmp(s, "<pad>", 5)) || (n == 6 && !memcmp(s, "<mask>", 6));
}

static bool is_byte(const char *s, size_t n)
{
	return n == 6 && !memcmp(s, "<0x", 3) && s[5] == '>' && strspn(s + 3, "0123456789ABCDEF") == 2;
}

static int read_added(struct tokenizer *t)
{
	size_t i;
	const json_t *row;
	json_array_foreach (json_object_get(t->root, "added_tokens"), i, row) {
		const json_t *text = json_object_get(row, "content");
		bool special = json_is_true(json_object_get(row, "special")) ||
			       (json_is_string(text) && looks_special(json_string_value(text), json_string_length(text)));
		TS_TRY(put_token(t, text, json_object_get(row, "id"), special ? TS_TOKEN_CONTROL : TS_TOKEN_USER));
	}
	return 0;
}

static int read_tokens(struct tokenizer *t)
{
	json_t *vocab = json_object_get(json_object_get(t->root, "model"), "vocab"), *id, *unknown;
	const char *text;
	void *at;
	t->count = (size_t)t->e->config.vocab_size;
	t->tokens = ts_calloc(t->count, sizeof(*t->tokens));
	if (!t->tokens)
		return ts_fail_memory(t->err);
	for (at = json_object_iter(vocab); at; at = json_object_iter_next(vocab, at)) {
		id = json_object_iter_value(at);
		text = json_object_iter_key(at);
		json_int_t i = json_integer_value(id);
		if (!json_is_integer(id) || i < 0 || (size_t)i >= t->count)
			return ts_fail(t->err, TS_EMISMATCH,
				       "%s: tokenizer.json: token \"%.60s\": expected an id from 0 to %zu, found %lld",
				       t->e->options->model, text, t->count - 1, (long long)i);
		t->tokens[i] = (struct token){text, json_object_iter_key_len(at), TS_TOKEN_NORMAL, 0};
		if (t->bytes && is_byte(text, t->tokens[i].n))
			t->tokens[i].type = TS_TOKEN_BYTE;
	}
	TS_TRY(read_added(t));
	unknown = json_object_get(json_object_get(t->root, "model"), "unk_token");
	if (t->bytes && json_is_string(unknown) && (id = json_object_get(vocab, json_string_value(unknown))))
		t->tokens[json_integer_value(id)].type = TS_TOKEN_UNKNOWN;
	return 0;
}

static void put_tokens(struct tokenizer *t)
{
	ts_gguf_put_array(t->w, KEY("tokens"), TS_GGUF_TEXT, t->count);
	for (size_t i = 0; i < t->count; i++) {
		char unused[32];
		int n = snprintf(unused, sizeof(unused), "[PAD%zu]", i);
		const struct token *k = &t->tokens[i];
		ts_gguf_item_text(t->w, k->text ? k->text : unused, k->text ? k->n : (size_t)n);
	}
	ts_gguf_put_array(t->w, KEY("token_type"), TS_GGUF_I32, t->count);
	for (size_t i = 0; i < t->count; i++)
		ts_gguf_item_i32(t->w, t->tokens[i].text ? t->tokens[i].type : TS_TOKEN_UNUSED);
}

/* --- merges and scores --- */

/* "left right", or ["left", "right"] as newer files have it. */
static int merge_text(struct tokenizer *t, const json_t *merge, size_t i, struct ts_str *out)
{
	const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
	ts_str_clear(out);
	if (json_is_string(merge))
		return ts_str_append(out, json_string_value(merge), json_string_length(merge)) ? ts_fail_memory(t->err) : 0;
	if (!json_is_string(left) || !json_is_string(right))
		return ts_fail(t->err, TS_EFORMAT, "%s: tokenizer.json: merge %zu is no pair of tokens", t->e->options->model, i);
	if (ts_str_append(out, json_string_value(left), json_string_length(left)) || ts_str_putc(out, ' ') ||
	    ts_str_append(out, json_string_value(right), json_string_length(right)))
		return ts_fail_memory(t->err);
	return 0;
}

static int put_merges(struct tokenizer *t, const json_t *merges)
{
	struct ts_str text = {0};
	int status = 0;
	ts_gguf_put_array(t->w, KEY("merges"), TS_GGUF_TEXT, json_array_size(merges));
	for (size_t i = 0; i < json_array_size(merges) && !status; i++) {
		status = merge_text(t, json_array_get(merges, i), i, &text);
		if (!status)
			ts_gguf_item_text(t->w, ts_str_c(&text), text.len);
	}
	ts_str_release(&text);
	return status;
}

/* Tokens that no merge makes come last, as they would never be made here. */
static int put_scores(struct tokenizer *t, const json_t *merges)
{
	struct ts_str text = {0};
	const json_t *vocab = json_object_get(json_object_get(t->root, "model"), "vocab");
	size_t count = json_array_size(merges);
	int status = 0;
	for (size_t i = 0; i < t->count; i++)
		t->tokens[i].score = t->tokens[i].type == TS_TOKEN_NORMAL ? -(float)count - 1 : 0;
	for (size_t i = count; i-- > 0 && !status;) { /* the first merge that makes a token is the one that counts */
		status = merge_text(t, json_array_get(merges, i), i, &text);
		char *space = status ? NULL : memchr(text.data, ' ', text.len);
		if (!space)
			continue;
		size_t left = (size_t)(space - text.data);
		memmove(space, space + 1, text.len - left - 1);
		const json_t *id = json_object_getn(vocab, text.data, text.len - 1);
		if (id && t->tokens[json_integer_value(id)].type == TS_TOKEN_NORMAL)
			t->tokens[json_integer_value(id)].score = -(float)i;
	}
	ts_str_release(&text);
	ts_gguf_put_array(t->w, KEY("scores"), TS_GGUF_F32, t->count);
	for (size_t i = 0; i < t->count; i++)
		ts_gguf_item_f32(t->w, t->tokens[i].score);
	return status;
}

/* Whether a word at the start of a text is given a space: "Metaspace" with a scheme other than "never", or Llama-2's "Prepend". */
static bool gives_space(const json_t *tokenizer)
{
	const json_t *pre = json_object_get(tokenizer, "pre_tokenizer"), *normalizer = json_object_get(tokenizer, "normalizer"), *step;
	const char *scheme = json_string_value(json_object_get(pre, "prepend_scheme"));
	size_t i;
	if (json_is_object(pre))
		return !scheme || strcmp(scheme, "never") != 0;
	json_array_foreach (json_object_get(normalizer, "normalizers"), i, step) {
		const char *type = json_string_value(json_object_get(step, "type"));
		if (type && !strcmp(type, "Prepend"))
			return true;
	}
	return false;
}

static int put_kind(struct tokenizer *t)
{
	const json_t *merges = json_object_get(json_object_get(t->root, "model"), "merges");
	const char *pre = t->e->options->pre;
	if (t->bytes) {
		ts_gguf_put_text(t->w, KEY("model"), "llama", 5);
		pre = pre ? pre : "default";
	} else {
		ts_gguf_put_text(t->w, KEY("model"), "gpt2", 4);
		pre = pre ? pre : ts_chat_parts_pre(t->root);
	}
	if (!pre)
		return ts_fail(t->err, TS_EUNSUPPORTED,
			       "%s: tokenizer.json: its pre-tokenizer has no name that we know for llama.cpp; give it with --pre NAME",
			       t->e->options->model);
	ts_gguf_put_text(t->w, KEY("pre"), pre, strlen(pre));
	put_tokens(t);
	if (!t->bytes)
		return put_merges(t, merges);
	ts_gguf_put_bool(t->w, KEY("add_space_prefix"), gives_space(t->root));
	return put_scores(t, merges);
}

/* --- special tokens and template --- */

/* tokenizer_config.json gives a token as its text, or as an object with it. */
static int32_t named_token(const struct tokenizer *t, const char *name)
{
	const json_t *value = json_object_get(t->config, name);
	const char *text = json_is_object(value) ? json_string_value(json_object_get(value, "content")) : json_string_value(value);
	return text ? ts_tokenizer_id(ts_chat_tokenizer(t->e->chat), text) : -1;
}

static void put_id(struct tokenizer *t, const char *key, int32_t id)
{
	if (id >= 0)
		ts_gguf_put_u32(t->w, key, (uint32_t)id);
}

/* The model's end tokens: the tokenizer's own, and as end of turn and of message what config.json and generation_config.json say besides. */
static void put_ends(struct tokenizer *t)
{
	static const char *const keys[] = {KEY("eos_token_id"), KEY("eot_token_id"), KEY("eom_token_id")};
	const struct ts_model_config *c = &t->e->config;
	int32_t own = ts_chat_eos(t->e->chat);
	size_t used = 0;
	put_id(t, keys[0], own);
	used += own >= 0;
	for (int i = 0; i < c->eos_count; i++) {
		if (c->eos_ids[i] == own)
			continue;
		if (used < sizeof(keys) / sizeof(*keys))
			put_id(t, keys[used++], c->eos_ids[i]);
		else
			ts_log(t->e->context, TS_LOG_WARN, "%s: a GGUF file has room for three end tokens; %d is left out", t->e->out.data,
			       c->eos_ids[i]);
	}
}

/* What the tokenizer itself puts around a text; tokenizer_config.json is not asked (contracts.md, section 6). */
static int put_around(struct tokenizer *t, int32_t bos)
{
	const struct ts_tokenizer *tokenizer = ts_chat_tokenizer(t->e->chat);
	ts_ids ids = {0};
	int status = ts_tokenizer_encode(tokenizer, "a", 1, true, &ids, t->err);
	bool first = !status && ids.len && bos >= 0 && ids.data[0] == bos;
	bool last = !status && ids.len && ts_chat_eos(t->e->chat) >= 0 && ids.data[ids.len - 1] == ts_chat_eos(t->e->chat);
	ts_vec_release(&ids);
	ts_gguf_put_bool(t->w, KEY("add_bos_token"), first);
	ts_gguf_put_bool(t->w, KEY("add_eos_token"), last);
	return status;
}

static int put_specials(struct tokenizer *t)
{
	int32_t bos = named_token(t, "bos_token");
	struct ts_str template = {0};
	if (bos < 0)
		bos = t->e->config.bos_id;
	put_id(t, KEY("bos_token_id"), bos);
	put_ends(t);
	put_id(t, KEY("unknown_token_id"), named_token(t, "unk_token"));
	put_id(t, KEY("padding_token_id"), named_token(t, "pad_token"));
	TS_TRY(put_around(t, bos));
	int status = ts_chat_find_template(t->e->options->model, t->config, &template, t->err);
	if (!status && template.len)
		ts_gguf_put_text(t->w, "tokenizer.chat_template", template.data, template.len);
	ts_str_release(&template);
	return status;
}

/* --- the whole --- */

static int read_files(struct tokenizer *t)
{
	const char *dir = t->e->options->model;
	struct ts_str path = {0};
	int status = ts_path_join(&path, dir, "tokenizer.json") ? ts_fail_memory(t->err) : ts_json_load(path.data, &t->root, t->err);
	if (!status && ts_path_join(&path, dir, "tokenizer_config.json"))
		status = ts_fail_memory(t->err);
	if (!status && ts_file_exists(path.data))
		status = ts_json_load(path.data, &t->config, t->err);
	ts_str_release(&path);
	return status;
}

static void copy_keys(const struct export *e, struct ts_gguf_writer *w)
{
	const struct ts_gguf *from = &e->weights.gguf;
	const char *pre = e->options->pre;
	for (size_t i = 0; i < from->values.len; i++) {
		const struct ts_gguf_value *v = &from->values.data[i];
		if (!strncmp(v->key, "tokenizer.", 10) && !(pre && !strcmp(v->key, KEY("pre"))))
			ts_gguf_put_value(w, v);
	}
	if (pre)
		ts_gguf_put_text(w, KEY("pre"), pre, strlen(pre));
}

int export_gguf_tokenizer(const struct export *e, struct ts_gguf_writer *w)
{
	struct tokenizer t = {.e = e, .w = w, .err = e->err};
	if (e->weights.from_gguf) {
		copy_keys(e, w);
		return 0;
	}
	int status = read_files(&t);
	if (!status)
		t.bytes = json_is_true(json_object_get(json_object_get(t.root, "model"), "byte_fallback"));
	if (!status)
		status = read_tokens(&t);
	if (!status)
		status = put_kind(&t);
	if (!status)
		status = put_specials(&t);
	ts_free(t.tokens);
	json_decref(t.root);
	json_decref(t.config);
	return status;
}
