/* Reading a BPE model. Everything is checked here: ids are unique and in range, every merge names tokens that exist. */
#include "core/json.h"
#include "text/tokenizer/bpe.h"

#include <stdio.h>
#include <string.h>

#define ID_MOST ((size_t)1 << 24) /* a vocabulary of more than 16 million ids is a broken file */

static int parse_flags(struct ts_bpe *m, const json_t *model, const char *place, struct ts_error *err)
{
	const char *prefix, *suffix;
	TS_TRY(ts_json_bool(model, "fuse_unk", false, &m->fuse_unk, place, err));
	TS_TRY(ts_json_bool(model, "byte_fallback", false, &m->byte_fallback, place, err));
	TS_TRY(ts_json_bool(model, "ignore_merges", false, &m->ignore_merges, place, err));
	TS_TRY(ts_json_text(model, "continuing_subword_prefix", &prefix, place, err));
	TS_TRY(ts_json_text(model, "end_of_word_suffix", &suffix, place, err));
	if (prefix && *prefix && !(m->prefix = ts_strdup(prefix)))
		return ts_fail_memory(err);
	if (suffix && *suffix && !(m->suffix = ts_strdup(suffix)))
		return ts_fail_memory(err);
	double dropout;
	TS_TRY(ts_json_real(model, "dropout", 0, &dropout, place, err));
	if (dropout != 0)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: model: dropout %g: expected none", place, dropout);
	return 0;
}

static int put_token(struct ts_bpe *m, const char *token, size_t len, const json_t *value, const char *place, struct ts_error *err)
{
	json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
	if (id < 0 || (size_t)id >= ID_MOST)
		return ts_fail(err, TS_EFORMAT, "%s: vocab: \"%.80s\": expected an id from 0 to %zu, found %s%lld", place, token,
			       ID_MOST - 1, json_is_integer(value) ? "" : "no integer, ", (long long)(json_is_integer(value) ? id : 0));
	if ((size_t)id + 1 > m->size)
		m->size = (size_t)id + 1;
	return ts_map_put(&m->vocab, token, len, id) ? ts_fail_memory(err) : 0;
}

static int parse_vocab(struct ts_bpe *m, json_t *vocab, const char *place, struct ts_error *err)
{
	const char *token;
	size_t len;
	json_t *id;
	if (!json_is_object(vocab))
		return ts_fail(err, TS_EFORMAT, "%s: model: expected \"vocab\" to be an object", place);
	json_object_keylen_foreach(vocab, token, len, id) TS_TRY(put_token(m, token, len, id, place, err));
	m->tokens = ts_calloc(m->size, sizeof(*m->tokens));
	m->token_lengths = ts_calloc(m->size, sizeof(*m->token_lengths));
	if (!m->tokens || !m->token_lengths)
		return ts_fail_memory(err);
	for (size_t i = 0; i < m->vocab.entries.len; i++) {
		const struct ts_map_entry *e = &m->vocab.entries.data[i];
		if (m->tokens[e->value])
			return ts_fail(err, TS_EFORMAT, "%s: vocab: \"%.80s\" and \"%.80s\" have the same id %lld", place,
				       m->tokens[e->value], e->key, (long long)e->value);
		m->tokens[e->value] = e->key;
		m->token_lengths[e->value] = (uint32_t)e->len;
	}
	return 0;
}

static int32_t find(const struct ts_bpe *m, const char *token, size_t len)
{
	const int64_t *id = ts_map_get(&m->vocab, token, len);
	return id ? (int32_t)*id : -1;
}

static void find_characters(struct ts_bpe *m)
{
	char key[8];
	for (int b = 0; b < 256; b++) {
		m->byte_tokens[b] = find(m, key, (size_t)snprintf(key, sizeof(key), "<0x%02X>", (unsigned)b));
		uint32_t c = ts_bpe_byte_char((unsigned char)b);
		if (c >= 0x80) {
			key[0] = (char)(0xC0 | c >> 6);
			key[1] = (char)(0x80 | (c & 63));
		} else {
			key[0] = (char)c;
		}
		m->alphabet[b] = find(m, key, c >= 0x80 ? 2 : 1);
	}
	for (int c = 0; c < 128; c++) {
		key[0] = (char)c;
		m->ascii[c] = find(m, key, 1);
	}
}

/* The two halves of a merge: "a b" with one space, or ["a", "b"]. */
static bool merge_halves(const json_t *item, const char *half[2], size_t len[2])
{
	if (json_is_array(item)) {
		for (size_t i = 0; i < 2; i++) {
			const json_t *s = json_array_get(item, i);
			half[i] = json_string_value(s);
			len[i] = json_string_length(s);
		}
		return json_array_size(item) == 2 && half[0] && half[1];
	}
	const char *s = json_string_value(item), *space = s ? memchr(s, ' ', json_string_length(item)) : NULL;
	if (!space || memchr(space + 1, ' ', json_string_length(item) - (size_t)(space + 1 - s)))
		return false;
	half[0] = s;
	len[0] = (size_t)(space - s);
	half[1] = space + 1;
	len[1] = json_string_length(item) - len[0] - 1;
	return true;
}

int ts_bpe_merges_reserve(struct ts_bpe *m, size_t count, const char *place, struct ts_error *err)
{
	if (count >= UINT32_MAX / 4)
		return ts_fail(err, TS_EFORMAT, "%s: merges: %zu are too many", place, count);
	for (m->merge_slots = 16; m->merge_slots < count + count / 2;)
		m->merge_slots *= 2;
	m->merges = ts_calloc(m->merge_slots, sizeof(*m->merges));
	if (!m->merges)
		return ts_fail_memory(err);
	memset(m->merges, 0xFF, m->merge_slots * sizeof(*m->merges));
	return 0;
}

void ts_bpe_merges_put(struct ts_bpe *m, struct ts_bpe_merge merge)
{
	uint64_t h = ((uint64_t)merge.left << 32 | merge.right) * 0x9E3779B97F4A7C15u;
	size_t i = (h >> 32) & (m->merge_slots - 1);
	while (m->merges[i].left != UINT32_MAX && (m->merges[i].left != merge.left || m->merges[i].right != merge.right))
		i = (i + 1) & (m->merge_slots - 1);
	m->merges[i] = merge; /* a pair listed twice has its last rank, as in the reference */
}

static int parse_merge(struct ts_bpe *m, const json_t *item, size_t row, uint32_t rank, struct ts_str *joined, const char *place,
		       struct ts_error *err)
{
	const char *half[2];
	size_t len[2], prefix = m->prefix ? strlen(m->prefix) : 0;
	if (!merge_halves(item, half, len))
		return ts_fail(err, TS_EFORMAT, "%s: merges[%zu]: expected \"a b\" or [\"a\", \"b\"]", place, row);
	int32_t left = find(m, half[0], len[0]), right = find(m, half[1], len[1]);
	if (left < 0 || right < 0)
		return ts_fail(err, TS_EFORMAT, "%s: merges[%zu]: \"%.80s\" is not in the vocabulary", place, row, half[left < 0 ? 0 : 1]);
	if (len[1] < prefix)
		return ts_fail(err, TS_EFORMAT, "%s: merges[%zu]: \"%.80s\" does not start with \"%s\"", place, row, half[1], m->prefix);
	joined->len = 0;
	if (ts_str_append(joined, half[0], len[0]) || ts_str_append(joined, half[1] + prefix, len[1] - prefix))
		return ts_fail_memory(err);
	int32_t result = find(m, joined->data, joined->len);
	if (result < 0)
		return ts_fail(err, TS_EFORMAT, "%s: merges[%zu]: its result \"%.80s\" is not in the vocabulary", place, row, joined->data);
	ts_bpe_merges_put(m, (struct ts_bpe_merge){(uint32_t)left, (uint32_t)right, rank, (uint32_t)result});
	return 0;
}

static int parse_merges(struct ts_bpe *m, const json_t *merges, const char *place, struct ts_error *err)
{
	if (!json_is_array(merges))
		return ts_fail(err, TS_EFORMAT, "%s: model: expected \"merges\" to be an array", place);
	size_t count = json_array_size(merges);
	TS_TRY(ts_bpe_merges_reserve(m, count, place, err));
	struct ts_str joined = {0};
	int status = 0;
	uint32_t rank = 0;
	for (size_t i = 0; i < count && !status; i++) {
		const json_t *item = json_array_get(merges, i);
		if (json_is_string(item) && !strncmp(json_string_value(item), "#version", 8))
			continue; /* the first line of an old merges.txt */
		status = parse_merge(m, item, i, rank++, &joined, place, err);
	}
	ts_str_release(&joined);
	return status;
}

static bool is_mark(const char *s)
{
	return !memcmp(s, "\xE2\x96\x81", 3);
}

/* Whether a token has a mark behind another character. */
static bool joins_mark(const char *s, size_t n)
{
	for (size_t i = 1; i + 3 <= n; i++)
		if (is_mark(s + i) && (i < 3 || !is_mark(s + i - 3)))
			return true;
	return false;
}

/* SentencePiece models write spaces as marks and do not cut at them, so that a whole text is one word. If no merge crosses from
 * another character to a mark, both sides merge independently of each other and the word may be cut there. The mark must be a
 * token, since a known character also ends a run of unknown ones. */
static bool may_cut_marks(const struct ts_bpe *m)
{
	if (m->prefix || m->suffix || m->ignore_merges || find(m, "\xE2\x96\x81", 3) < 0)
		return false;
	for (size_t i = 0; i < m->merge_slots; i++) {
		const struct ts_bpe_merge *e = &m->merges[i];
		if (e->left != UINT32_MAX && joins_mark(m->tokens[e->result], m->token_lengths[e->result]))
			return false;
	}
	return true;
}

int ts_bpe_parse(struct ts_bpe *m, const json_t *model, const char *place, struct ts_error *err)
{
	const char *type, *unk;
	m->unk = -1;
	if (!json_is_object(model))
		return ts_fail(err, TS_EFORMAT, "%s: expected \"model\" to be an object", place);
	TS_TRY(ts_json_text(model, "type", &type, place, err));
	if (type && strcmp(type, "BPE"))
		return ts_fail(err, TS_EUNSUPPORTED, "%s: model type \"%s\": expected BPE", place, type);
	TS_TRY(parse_flags(m, model, place, err));
	TS_TRY(parse_vocab(m, json_object_get(model, "vocab"), place, err));
	find_characters(m);
	const json_t *scores = json_object_get(model, "scores");
	TS_TRY(scores ? ts_bpe_parse_scores(m, scores, place, err) : parse_merges(m, json_object_get(model, "merges"), place, err));
	m->cut_marks = may_cut_marks(m);
	TS_TRY(ts_json_text(model, "unk_token", &unk, place, err));
	if (unk && (m->unk = find(m, unk, strlen(unk))) < 0)
		return ts_fail(err, TS_EFORMAT, "%s: model: unk_token \"%.80s\" is not in the vocabulary", place, unk);
	return 0;
}

void ts_bpe_release(struct ts_bpe *m)
{
	ts_map_release(&m->vocab);
	ts_free(m->tokens);
	ts_free(m->token_lengths);
	ts_free(m->merges);
	ts_free(m->prefix);
	ts_free(m->suffix);
	*m = (struct ts_bpe){0};
}
