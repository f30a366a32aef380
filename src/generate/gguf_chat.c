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

/* The parts lie in the file's mapping and in what is named here. */
struct source {
	struct ts_gguf file;
	struct ts_chat_parts parts;
	char *pre; /* the file's own name of it */
};

static void source_close(struct source *s)
{
	json_decref(s->parts.tokens);
	json_decref(s->parts.merges);
	json_decref(s->parts.scores);
	json_decref(s->parts.types);
	ts_free(s->pre);
	ts_gguf_close(&s->file);
}

static int source_read(struct source *s, const char *pre, struct ts_error *err)
{
	const char *named = NULL;
	size_t n = 0;
	bool sentencepiece;
	TS_TRY(find_model(&s->file, &sentencepiece, err));
	TS_TRY(check_keys(&s->file, err));
	if (!sentencepiece) /* such a file says "default", which means nothing */
		TS_TRY(ts_gguf_text(&s->file, KEY("pre"), &named, &n, err));
	if (!pre && named && !(s->pre = ts_strndup(named, n)))
		return ts_fail_memory(err);
	s->parts.pre = pre ? pre : s->pre;
	return take_parts(&s->file, sentencepiece, &s->parts, err);
}

static int source_open(struct source *s, const char *path, const char *pre, struct ts_error *err)
{
	*s = (struct source){.parts.place = path};
	TS_TRY(ts_gguf_open(&s->file, path, err));
	int status = source_read(s, pre, err);
	if (status)
		source_close(s);
	return status;
}

static int open_gguf(struct ts_chat **out, const char *path, const char *pre, struct ts_error *err)
{
	struct source s;
	TS_TRY(source_open(&s, path, pre, err));
	int status = ts_chat_open_parts(out, &s.parts, err);
	source_close(&s);
	return status;
}

/* The class that takes tokenizer.json as it is, and the template. Tokens that are not there are said not to be: transformers' class of a
 * family would add its own. */
static int complete_config(const struct ts_chat_parts *p, json_t *config, struct ts_error *err)
{
	static const char *const named[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
	int failed = json_object_set_new(config, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
	failed |= json_object_set_new(config, "clean_up_tokenization_spaces", json_false());
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
		if (!json_object_get(config, named[i]))
			failed |= json_object_set_new(config, named[i], json_null());
	if (p->template)
		failed |= json_object_set_new(config, "chat_template", json_stringn(p->template, p->template_size));
	return failed ? ts_fail_memory(err) : 0;
}

int ts_local_chat_files(const char *path, const char *pre, json_t **tokenizer, json_t **config, struct ts_error *err)
{
	struct source s;
	*tokenizer = *config = NULL;
	TS_TRY(source_open(&s, path, pre, err));
	int status = 0;
	if (s.parts.scores)
		status = ts_fail(err, TS_EUNSUPPORTED,
				 "%s: key \"" KEY("model") "\": \"llama\" cannot become a tokenizer.json, which has no words for how "
							   "SentencePiece cuts text (expected gpt2)",
				 path);
	if (!status && s.parts.template && ts_utf8_check(s.parts.template, s.parts.template_size) < s.parts.template_size)
		status = ts_fail(err, TS_EFORMAT, "%s: key \"tokenizer.chat_template\" is not UTF-8", path);
	if (!status)
		status = ts_chat_parts_json(&s.parts, tokenizer, config, err);
	if (!status)
		status = complete_config(&s.parts, *config, err);
	source_close(&s);
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
