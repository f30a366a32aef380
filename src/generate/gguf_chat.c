/* The tokenizer and the chat template of a GGUF file: its metadata become the parts that text knows. */
#include "checkpoint/gguf.h"
#include "core/file.h"
#include "generate/local.h"
#include "text/chat_parts.h"

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

/* Only byte-level BPE: a SentencePiece model merges by scores, not by ranks. */
static int check_model(const struct ts_gguf *g, struct ts_error *err)
{
	const char *model;
	size_t n;
	TS_TRY(ts_gguf_text(g, KEY("model"), &model, &n, err));
	if (!model)
		return ts_fail(err, TS_ENOTFOUND, "%s: key \"" KEY("model") "\" is missing: the file has no tokenizer", g->path);
	if (n != 4 || memcmp(model, "gpt2", 4))
		return ts_fail(err, TS_EUNSUPPORTED, "%s: key \"" KEY("model") "\": \"%.*s\" is not supported (known: gpt2)", g->path,
			       n > 60 ? 60 : (int)n, model);
	return 0;
}

static int take_parts(const struct ts_gguf *g, struct ts_chat_parts *p, struct ts_error *err)
{
	TS_TRY(take_texts(g, KEY("tokens"), &p->tokens, err));
	TS_TRY(take_texts(g, KEY("merges"), &p->merges, err));
	TS_TRY(take_types(g, &p->types, err));
	TS_TRY(take_id(g, KEY("bos_token_id"), &p->bos, err));
	TS_TRY(take_id(g, KEY("eos_token_id"), &p->eos, err));
	TS_TRY(take_id(g, KEY("unknown_token_id"), &p->unk, err));
	TS_TRY(take_id(g, KEY("padding_token_id"), &p->pad, err));
	TS_TRY(take_flag(g, KEY("add_bos_token"), &p->add_bos, err));
	TS_TRY(take_flag(g, KEY("add_eos_token"), &p->add_eos, err));
	return ts_gguf_text(g, "tokenizer.chat_template", &p->template, &p->template_size, err);
}

static int open_gguf(struct ts_chat **out, const char *path, const char *pre, struct ts_error *err)
{
	struct ts_gguf g;
	struct ts_chat_parts parts = {.place = path};
	const char *named;
	size_t n;
	char *own = NULL;
	TS_TRY(ts_gguf_open(&g, path, err));
	int status = check_model(&g, err);
	if (!status)
		status = ts_gguf_text(&g, KEY("pre"), &named, &n, err);
	if (!status && !pre && named && !(own = ts_strndup(named, n)))
		status = ts_fail_memory(err);
	parts.pre = pre ? pre : own;
	if (!status)
		status = take_parts(&g, &parts, err);
	if (!status)
		status = ts_chat_open_parts(out, &parts, err);
	json_decref(parts.tokens);
	json_decref(parts.merges);
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
