/* The tokenizer and the chat template of a GGUF file: its metadata become the parts that text knows. */
#include "checkpoint/gguf.h"
#include "core/file.h"
#include "generate/local.h"
#include "text/chat_parts.h"

#include <math.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

/* *out is NULL when the key is missing. */
static int take_texts(const struct ts_gguf *g, const char *key, json_t **out, struct ts_error *err)
{
	struct ts_gguf_walk walk;
	const char *s;
	size_t n;
	TS_TRY(ts_gguf_texts(g, key, &walk, err));
	if (!ts_gguf_find(g, key))
		return 0;
	*out = json_array();
	if (!*out)
		return ts_fail_memory(err);
	for (size_t i = 0; walk.left; i++) {
		ts_gguf_next_text(&walk, &s, &n);
		if (ts_utf8_check(s, n) < n)
			return ts_fail(err, TS_EFORMAT, "%s: key \"%s\": item %zu is not UTF-8", g->path, key, i);
		if (json_array_append_new(*out, json_stringn(s, n)))
			return ts_fail_memory(err);
	}
	return 0;
}

static int take_types(const struct ts_gguf *g, json_t **out, struct ts_error *err)
{
	struct ts_gguf_walk walk;
	TS_TRY(ts_gguf_ints(g, KEY("token_type"), &walk, err));
	if (!ts_gguf_find(g, KEY("token_type")))
		return 0;
	*out = json_array();
	while (*out && walk.left)
		if (json_array_append_new(*out, json_integer(ts_gguf_next_int(&walk))))
			return ts_fail_memory(err);
	return *out ? 0 : ts_fail_memory(err);
}

static int take_scores(const struct ts_gguf *g, json_t **out, struct ts_error *err)
{
	struct ts_gguf_walk walk;
	TS_TRY(ts_gguf_reals(g, KEY("scores"), &walk, err));
	if (!ts_gguf_find(g, KEY("scores")))
		return ts_fail(err, TS_EFORMAT, "%s: key \"" KEY("scores") "\" is missing", g->path);
	*out = json_array();
	for (size_t i = 0; *out && walk.left; i++) {
		double score = (double)ts_gguf_next_real(&walk);
		if (!isfinite(score))
			return ts_fail(err, TS_EFORMAT, "%s: key \"" KEY("scores") "\": item %zu is NaN or infinite", g->path, i);
		if (json_array_append_new(*out, json_real(score)))
			return ts_fail_memory(err);
	}
	return *out ? 0 : ts_fail_memory(err);
}

static int take_id(const struct ts_gguf *g, const char *key, int64_t *id, struct ts_error *err)
{
	TS_TRY(ts_gguf_int(g, key, -1, id, err));
	if (*id == UINT32_MAX)
		*id = -1; /* how some files say that there is none */
	return 0;
}

static int take_flag(const struct ts_gguf *g, const char *key, int *flag, struct ts_error *err)
{
	bool v;
	TS_TRY(ts_gguf_bool(g, key, false, &v, err));
	*flag = ts_gguf_find(g, key) ? v : -1;
	return 0;
}

/* gpt2: byte-level BPE; llama: SentencePiece. */
static int find_model(const struct ts_gguf *g, bool *sentencepiece, struct ts_error *err)
{
	const char *model;
	size_t n;
	TS_TRY(ts_gguf_text(g, KEY("model"), &model, &n, err));
	if (!model)
		return ts_fail(err, TS_ENOTFOUND, "%s: key \"" KEY("model") "\" is missing: the file has no tokenizer", g->path);
	*sentencepiece = n == 5 && !memcmp(model, "llama", 5);
	if (!*sentencepiece && (n != 4 || memcmp(model, "gpt2", 4)))
		return ts_fail(err, TS_EUNSUPPORTED, "%s: key \"" KEY("model") "\": \"%.*s\" is not supported (known: gpt2, llama)",
			       g->path, n > 60 ? 60 : (int)n, model);
	return 0;
}

/* What is read below or changes no text's tokens: ids of tokens with a name, what the file was made from. Another key that says something
 * may change them. */
static int check_keys(const struct ts_gguf *g, struct ts_error *err)
{
	static const char *const known[] = {"model",  "pre",          "tokens",        "token_type",    "token_type_count", "scores",
					    "merges", "added_tokens", "add_bos_token", "add_eos_token", "add_space_prefix"};
	size_t prefix = strlen(KEY(""));
	for (size_t i = 0; i < g->values.len; i++) {
		const struct ts_gguf_value *v = &g->values.data[i];
		const char *name = v->key + prefix, *end = v->key + strlen(v->key);
		if (strncmp(v->key, KEY(""), prefix) || ts_gguf_says_nothing(g, v))
			continue;
		bool fine = (end - name > 9 && !strcmp(end - 9, "_token_id")) || (end - name > 10 && !strcmp(end - 10, "_token_ids"));
		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			fine |= !strcmp(name, known[k]);
		if (!fine)
			return ts_fail(err, TS_EUNSUPPORTED,
				       "%s: key \"%s\": this setting is not supported (it may change how text is cut)", g->path, v->key);
	}
	return 0;
}

static int take_parts(const struct ts_gguf *g, bool sentencepiece, struct ts_chat_parts *p, struct ts_error *err)
{
	TS_TRY(take_texts(g, KEY("tokens"), &p->tokens, err));
	if (sentencepiece)
		TS_TRY(take_scores(g, &p->scores, err));
	else
		TS_TRY(take_texts(g, KEY("merges"), &p->merges, err));
	TS_TRY(take_types(g, &p->types, err));
	TS_TRY(take_id(g, KEY("bos_token_id"), &p->bos, err));
	TS_TRY(take_id(g, KEY("eos_token_id"), &p->eos, err));
	TS_TRY(take_id(g, KEY("unknown_token_id"), &p->unk, err));
	TS_TRY(take_id(g, KEY("padding_token_id"), &p->pad, err));
	TS_TRY(take_flag(g, KEY("add_bos_token"), &p->add_bos, err));
	TS_TRY(take_flag(g, KEY("add_eos_token"), &p->add_eos, err));
	TS_TRY(take_flag(g, KEY("add_space_prefix"), &p->add_mark, err));
	if (!sentencepiece && p->add_mark > 0)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: key \"" KEY("add_space_prefix") "\": true is not supported with model gpt2",
			       g->path);
	return ts_gguf_text(g, "tokenizer.chat_template", &p->template, &p->template_size, err);
}

static int open_gguf(struct ts_chat **out, const char *path, const char *pre, struct ts_error *err)
{
	struct ts_gguf g;
	struct ts_chat_parts parts = {.place = path};
	const char *named = NULL;
	size_t n = 0;
	char *own = NULL;
	bool sentencepiece = false;
	TS_TRY(ts_gguf_open(&g, path, err));
	int status = find_model(&g, &sentencepiece, err);
	if (!status)
		status = check_keys(&g, err);
	if (!status && !sentencepiece) /* such a file says "default", which means nothing */
		status = ts_gguf_text(&g, KEY("pre"), &named, &n, err);
	if (!status && !pre && named && !(own = ts_strndup(named, n)))
		status = ts_fail_memory(err);
	parts.pre = pre ? pre : own;
	if (!status)
		status = take_parts(&g, sentencepiece, &parts, err);
	if (!status)
		status = ts_chat_open_parts(out, &parts, err);
	json_decref(parts.tokens);
	json_decref(parts.merges);
	json_decref(parts.scores);
	json_decref(parts.types);
	ts_free(own);
	ts_gguf_close(&g);
	return status;
}

int ts_local_open_chat_as(struct ts_chat **out, const char *checkpoint, const char *pre, struct ts_error *err)
{
	*out = NULL;
	if (ts_file_exists(checkpoint))
		return open_gguf(out, checkpoint, pre, err);
	if (pre)
		return ts_fail(err, TS_EINVAL, "%s: --pre is for a GGUF file; a folder's tokenizer.json says how words are cut",
			       checkpoint);
	return ts_chat_open(out, checkpoint, err);
}

int ts_local_open_chat(struct ts_chat **out, const char *checkpoint, struct ts_error *err)
{
	return ts_local_open_chat_as(out, checkpoint, NULL, err);
}
