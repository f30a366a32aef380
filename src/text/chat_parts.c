#include "text/chat_parts.h"

#include <string.h>

#define LLAMA3                                                                                                                             \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "                                                         \
	"?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN2                                                                                                                              \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define MARK "\xE2\x96\x81" /* stands for a space in a SentencePiece model */

/* What a name stands for. The words of GPT-2 are those of a ByteLevel pre-tokenizer; any other expression cuts first. */
static const struct pre {
	const char *name;
	const char *split;  /* NULL: GPT-2's words */
	bool digits;        /* every digit is a word of its own, before all else */
	bool nfc;           /* text is normalised to NFC */
	bool ignore_merges; /* a word that is a token is taken whole */
	bool add_bos;
} pres[] = {
	{"gpt-2", .split = NULL},
	{"smollm", .digits = true},
	{"qwen2", .split = QWEN2, .nfc = true},
	{"deepseek-r1-qwen", .split = QWEN2, .nfc = true},
	{"llama-bpe", .split = LLAMA3, .ignore_merges = true, .add_bos = true},
	{"llama3", .split = LLAMA3, .ignore_merges = true, .add_bos = true},
	{"llama-v3", .split = LLAMA3, .ignore_merges = true, .add_bos = true},
};

static const struct pre sentencepiece = {.add_bos = true};

#define PRE_NAMES "gpt-2, smollm, qwen2, deepseek-r1-qwen, llama-bpe, llama3, llama-v3"

static int find_pre(const struct ts_chat_parts *parts, const struct pre **out, struct ts_error *err)
{
	if (parts->scores) {
		*out = &sentencepiece;
		return parts->pre ? ts_fail(err, TS_EINVAL, "%s: --pre %.60s: a SentencePiece model has no pre-tokenizer", parts->place,
					    parts->pre)
				  : 0;
	}
	for (size_t i = 0; parts->pre && i < sizeof(pres) / sizeof(*pres); i++)
		if (!strcmp(pres[i].name, parts->pre)) {
			*out = &pres[i];
			return 0;
		}
	if (!parts->pre)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: does not say its pre-tokenizer; name it with --pre NAME (known: " PRE_NAMES ")",
			       parts->place);
	return ts_fail(err, TS_EUNSUPPORTED, "%s: pre-tokenizer \"%.60s\" is not supported (known: " PRE_NAMES "); --pre NAME overrides it",
		       parts->place, parts->pre);
}

static int make_vocab(const struct ts_chat_parts *parts, json_t *vocab, struct ts_error *err)
{
	size_t id;
	json_t *token;
	json_array_foreach (parts->tokens, id, token) {
		const char *s = json_string_value(token);
		size_t n = json_string_length(token);
		const json_t *other = json_object_getn(vocab, s, n);
		if (other)
			return ts_fail(err, TS_EFORMAT, "%s: tokens %lld and %zu are both \"%.80s\"", parts->place,
				       (long long)json_integer_value(other), id, s);
		if (json_object_setn_new(vocab, s, n, json_integer((json_int_t)id)))
			return ts_fail_memory(err);
	}
	return 0;
}

static int add_token(json_t *added, const json_t *token, size_t id, bool special)
{
	/* packed only while the token's content is alive */
	json_t *row = json_pack("{s:I,s:O,s:b,s:b,s:b,s:b,s:b}", "id", (json_int_t)id, "content", token, "single_word", 0, "lstrip", 0,
				"rstrip", 0, "normalized", 0, "special", (int)special);
	return json_array_append_new(added, row);
}

static int make_added(const struct ts_chat_parts *parts, json_t *added, struct ts_error *err)
{
	size_t id, count = json_array_size(parts->tokens), types = json_array_size(parts->types);
	json_t *token;
	if (parts->types && types != count)
		return ts_fail(err, TS_EMISMATCH, "%s: %zu tokens, but types of %zu", parts->place, count, types);
	json_array_foreach (parts->tokens, id, token) {
		json_int_t type = parts->types ? json_integer_value(json_array_get(parts->types, id)) : TS_TOKEN_NORMAL;
		bool special = type == TS_TOKEN_CONTROL || type == TS_TOKEN_UNKNOWN;
		if (type < TS_TOKEN_NORMAL || type > TS_TOKEN_BYTE)
			return ts_fail(err, TS_EFORMAT, "%s: token %zu: expected a type from 1 to 6, found %lld", parts->place, id,
				       (long long)type);
		if ((special || type == TS_TOKEN_USER) && add_token(added, token, id, special))
			return ts_fail_memory(err);
	}
	return 0;
}

/* Where text is cut; of a SentencePiece model, how spaces are written. */
static json_t *pre_tokenizer(const struct ts_chat_parts *parts, const struct pre *pre)
{
	if (parts->scores)
		return json_pack("{s:s,s:s,s:s,s:b}", "type", "Metaspace", "replacement", MARK, "prepend_scheme",
				 parts->add_mark ? "start" : "never", "split", 0);
	json_t *bytes = json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex",
				  pre->split == NULL);
	json_t *first = NULL;
	if (pre->digits)
		first = json_pack("{s:s,s:b}", "type", "Digits", "individual_digits", 1);
	else if (pre->split)
		first = json_pack("{s:s,s:{s:s},s:s,s:b}", "type", "Split", "pattern", "Regex", pre->split, "behavior", "Isolated",
				  "invert", 0);
	else
		return bytes;
	return json_pack("{s:s,s:[o,o]}", "type", "Sequence", "pretokenizers", first, bytes);
}

static json_t *decoder(const struct ts_chat_parts *parts)
{
	if (!parts->scores)
		return json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1);
	json_t *spaces = json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern", "String", MARK, "content", " ");
	json_t *bytes = json_pack("{s:s}", "type", "ByteFallback"), *fuse = json_pack("{s:s}", "type", "Fuse");
	if (!parts->add_mark)
		return json_pack("{s:s,s:[o,o,o]}", "type", "Sequence", "decoders", spaces, bytes, fuse);
	json_t *strip = json_pack("{s:s,s:s,s:i,s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0);
	return json_pack("{s:s,s:[o,o,o,o]}", "type", "Sequence", "decoders", spaces, bytes, fuse, strip);
}

/* Scores of the tokens that merging makes; control, user's and byte tokens come into a text in other ways. */
static json_t *merge_scores(const struct ts_chat_parts *parts)
{
	json_t *scores = json_array(), *score;
	size_t id;
	json_array_foreach (parts->scores, id, score) {
		const json_t *type = json_array_get(parts->types, id);
		bool merged = !type || json_integer_value(type) == TS_TOKEN_NORMAL;
		if (json_array_append_new(scores, merged ? json_incref(score) : json_null())) {
			json_decref(scores);
			return NULL;
		}
	}
	return scores;
}

static json_t *model(const struct ts_chat_parts *parts, const struct pre *pre, json_t *vocab)
{
	if (!parts->scores)
		return json_pack("{s:s,s:b,s:o,s:O}", "type", "BPE", "ignore_merges", (int)pre->ignore_merges, "vocab", vocab, "merges",
				 parts->merges);
	json_t *unk = json_array_get(parts->tokens, parts->unk < 0 ? SIZE_MAX : (size_t)parts->unk);
	return json_pack("{s:s,s:b,s:b,s:O?,s:o,s:o}", "type", "BPE", "byte_fallback", 1, "fuse_unk", 1, "unk_token", unk, "vocab", vocab,
			 "scores", merge_scores(parts));
}

/* One text, and the same once more behind it: tokenizer.json wants a rule for two as well. */
static int put_sequence(json_t *list, const char *name, int type, bool bos, bool eos)
{
	int failed = 0;
	if (bos)
		failed |= json_array_append_new(list, json_pack("{s:{s:s,s:i}}", "SpecialToken", "id", "bos", "type_id", type));
	failed |= json_array_append_new(list, json_pack("{s:{s:s,s:i}}", "Sequence", "id", name, "type_id", type));
	if (eos)
		failed |= json_array_append_new(list, json_pack("{s:{s:s,s:i}}", "SpecialToken", "id", "eos", "type_id", type));
	return failed;
}

static int put_special(const struct ts_chat_parts *parts, json_t *specials, const char *name, int64_t id)
{
	json_t *token = json_array_get(parts->tokens, (size_t)id);
	return json_object_set_new(specials, name, json_pack("{s:s,s:[I],s:[O]}", "id", name, "ids", (json_int_t)id, "tokens", token));
}

/* What stands around a raw text: TemplateProcessing, or null for nothing. */
static json_t *post_processor(const struct ts_chat_parts *parts, const struct pre *pre)
{
	bool bos = parts->bos >= 0 && (parts->add_bos < 0 ? pre->add_bos : parts->add_bos > 0);
	bool eos = parts->eos >= 0 && parts->add_eos > 0;
	if (!bos && !eos)
		return json_null();
	json_t *single = json_array(), *pair = json_array(), *specials = json_object();
	int failed = put_sequence(single, "A", 0, bos, eos) | put_sequence(pair, "A", 0, bos, eos) | put_sequence(pair, "B", 1, bos, eos);
	failed |= bos && put_special(parts, specials, "bos", parts->bos);
	failed |= eos && put_special(parts, specials, "eos", parts->eos);
	if (failed) {
		json_decref(single);
		json_decref(pair);
		json_decref(specials);
		return NULL;
	}
	return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", single, "pair", pair, "special_tokens", specials);
}

static int make_tokenizer(const struct ts_chat_parts *parts, const struct pre *pre, json_t **out, struct ts_error *err)
{
	json_t *vocab = json_object(), *added = json_array();
	int status = vocab && added ? make_vocab(parts, vocab, err) : ts_fail_memory(err);
	if (!status)
		status = make_added(parts, added, err);
	if (status) {
		json_decref(vocab);
		json_decref(added);
		return status;
	}
	json_t *normalizer = pre->nfc ? json_pack("{s:s}", "type", "NFC") : json_null();
	*out = json_pack("{s:s,s:n,s:n,s:o,s:o,s:o,s:o,s:o,s:o}", "version", "1.0", "truncation", "padding", "added_tokens", added,
			 "normalizer", normalizer, "pre_tokenizer", pre_tokenizer(parts, pre), "post_processor", post_processor(parts, pre),
			 "decoder", decoder(parts), "model", model(parts, pre, vocab));
	return *out ? 0 : ts_fail_memory(err);
}

static int make_config(const struct ts_chat_parts *parts, json_t **out, struct ts_error *err)
{
	const struct {
		const char *name;
		int64_t id;
	} named[] = {{"bos_token", parts->bos}, {"eos_token", parts->eos}, {"unk_token", parts->unk}, {"pad_token", parts->pad}};
	json_t *config = *out = json_object();
	if (!config)
		return ts_fail_memory(err);
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		if (named[i].id < 0)
			continue;
		json_t *token = json_array_get(parts->tokens, (size_t)named[i].id);
		if (!token)
			return ts_fail(err, TS_EINVAL, "%s: %s is %lld, expected an id from 0 to %zu", parts->place, named[i].name,
				       (long long)named[i].id, json_array_size(parts->tokens) - 1);
		if (json_object_set(config, named[i].name, token))
			return ts_fail_memory(err);
	}
	return 0;
}

/* As many scores as tokens, and a token for every character: bytes, or one that says unknown. */
static int check_scores(const struct ts_chat_parts *parts, struct ts_error *err)
{
	size_t tokens = json_array_size(parts->tokens), scores = json_array_size(parts->scores), id, bytes = 0;
	json_t *type;
	if (!parts->scores)
		return 0;
	if (scores != tokens)
		return ts_fail(err, TS_EMISMATCH, "%s: %zu tokens, but scores of %zu", parts->place, tokens, scores);
	json_array_foreach (parts->types, id, type)
		bytes += json_integer_value(type) == TS_TOKEN_BYTE;
	if (parts->unk < 0 && bytes < 256)
		return ts_fail(err, TS_EFORMAT, "%s: expected 256 byte tokens or an unknown token, found %zu and none", parts->place,
			       bytes);
	return 0;
}

int ts_chat_parts_json(const struct ts_chat_parts *parts, json_t **tokenizer, json_t **config, struct ts_error *err)
{
	const struct pre *pre = NULL;
	TS_TRY(find_pre(parts, &pre, err));
	if (!json_array_size(parts->tokens))
		return ts_fail(err, TS_EFORMAT, "%s: no tokens", parts->place);
	if (!parts->merges && !parts->scores)
		return ts_fail(err, TS_EFORMAT, "%s: no merges", parts->place);
	TS_TRY(check_scores(parts, err));
	TS_TRY(make_config(parts, config, err));
	return make_tokenizer(parts, pre, tokenizer, err);
}

/* --- from a tokenizer.json to a name --- */

static bool is_type(const json_t *part, const char *type)
{
	const char *found = json_string_value(json_object_get(part, "type"));
	return found && !strcmp(found, type);
}

/* The i-th of the pre-tokenizers in a row; one alone is a row of one. */
static const json_t *step_at(const json_t *pre_tokenizer, size_t i)
{
	if (is_type(pre_tokenizer, "Sequence"))
		return json_array_get(json_object_get(pre_tokenizer, "pretokenizers"), i);
	return i ? NULL : pre_tokenizer;
}

static bool is_bytes(const json_t *step, bool regex)
{
	const json_t *use = json_object_get(step, "use_regex");
	return is_type(step, "ByteLevel") && !json_is_true(json_object_get(step, "add_prefix_space")) &&
	       (!use || json_is_true(use)) == regex;
}

static bool is_split(const json_t *step, const char *regex)
{
	const char *found = json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
	const char *behavior = json_string_value(json_object_get(step, "behavior"));
	return is_type(step, "Split") && found && !strcmp(found, regex) && behavior && !strcmp(behavior, "Isolated") &&
	       !json_is_true(json_object_get(step, "invert"));
}

static bool describes(const json_t *pre_tokenizer, const struct pre *pre)
{
	const json_t *first = step_at(pre_tokenizer, 0);
	size_t steps = pre->digits || pre->split ? 2 : 1;
	if (step_at(pre_tokenizer, steps) || !is_bytes(step_at(pre_tokenizer, steps - 1), !pre->split))
		return false;
	if (pre->digits)
		return is_type(first, "Digits") && json_is_true(json_object_get(first, "individual_digits"));
	return !pre->split || is_split(first, pre->split);
}

/* The first row that cuts words this way; one that normalises this way too comes before one that does not. */
const char *ts_chat_parts_pre(const json_t *tokenizer)
{
	const json_t *normalizer = json_object_get(tokenizer, "normalizer");
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(pres) / sizeof(*pres); i++) {
		if (!describes(json_object_get(tokenizer, "pre_tokenizer"), &pres[i]))
			continue;
		if (is_type(normalizer, "NFC") == pres[i].nfc)
			return pres[i].name;
		if (!name)
			name = pres[i].name;
	}
	return name;
}
