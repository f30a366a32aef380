/* The way of a text: cut out added tokens that are matched as written; normalise each gap; cut out added tokens that are matched
 * on normalised text; cut what is left into words; merge each word; put the template's ids around all of it. */
#include "text/tokenizer.h"

#include "core/file.h"
#include "core/json.h"
#include "text/tokenizer/internal.h"

#include <string.h>

static int parse_parts(struct ts_tokenizer *t, const json_t *root, const char *place, struct ts_error *err)
{
	const char *version;
	if (!json_is_object(root))
		return ts_fail(err, TS_EFORMAT, "%s: expected an object", place);
	TS_TRY(ts_json_text(root, "version", &version, place, err));
	if (version && strcmp(version, "1.0"))
		return ts_fail(err, TS_EUNSUPPORTED, "%s: version \"%.40s\": expected 1.0", place, version);
	TS_TRY(ts_normalizer_parse(&t->normalizer, json_object_get(root, "normalizer"), place, err));
	TS_TRY(ts_pretokenizer_parse(&t->pretokenizer, json_object_get(root, "pre_tokenizer"), place, err));
	TS_TRY(ts_decoder_parse(&t->decoder, json_object_get(root, "decoder"), place, err));
	TS_TRY(ts_bpe_parse(&t->model, json_object_get(root, "model"), place, err));
	t->model.bytes = t->pretokenizer.bytes;
	TS_TRY(ts_added_parse(&t->added, json_object_get(root, "added_tokens"), &t->model, &t->normalizer, place, err));
	t->size = t->model.size > t->added.by_id.len ? t->model.size : t->added.by_id.len;
	return ts_template_ids_parse(t, json_object_get(root, "post_processor"), place, err);
}

int ts_tokenizer_make(struct ts_tokenizer **out, const json_t *root, const char *place, struct ts_error *err)
{
	struct ts_tokenizer *t = ts_calloc(1, sizeof(*t));
	int status = t ? parse_parts(t, root, place, err) : ts_fail_memory(err);
	if (status)
		ts_tokenizer_close(t);
	else
		*out = t;
	return status;
}

int ts_tokenizer_parse(struct ts_tokenizer **out, const char *json, size_t n, const char *place, struct ts_error *err)
{
	json_t *root = NULL;
	TS_TRY(ts_json_parse(json, n, place, &root, err));
	int status = ts_tokenizer_make(out, root, place, err);
	json_decref(root);
	return status;
}

int ts_tokenizer_open(struct ts_tokenizer **out, const char *path, struct ts_error *err)
{
	struct ts_mapping file;
	TS_TRY(ts_mapping_open(&file, path, err));
	int status = ts_tokenizer_parse(out, (const char *)file.data, file.size, path, err);
	ts_mapping_close(&file);
	return status;
}

void ts_tokenizer_close(struct ts_tokenizer *t)
{
	if (!t)
		return;
	ts_bpe_release(&t->model);
	ts_normalizer_release(&t->normalizer);
	ts_pretokenizer_release(&t->pretokenizer);
	ts_decoder_release(&t->decoder);
	ts_added_release(&t->added);
	ts_vec_release(&t->template);
	ts_free(t);
}

/* One call of ts_tokenizer_encode. */
struct encoder {
	const struct ts_tokenizer *t;
	struct ts_bpe_run model;
	struct ts_pretoken_run words;
	struct ts_str normal, spare;
	ts_ids *ids;
	struct ts_error *err;
};

static int encode_word(void *user, const char *s, size_t n)
{
	struct encoder *e = user;
	return ts_bpe_word(&e->model, s, n, e->ids);
}

static int push_token(struct encoder *e, const struct ts_added_token *token)
{
	return ts_vec_push(e->ids, token->id) ? TS_ENOMEM : 0;
}

/* Text between tokens matched as written. */
static int encode_gap(struct encoder *e, const char *s, size_t n, bool at_start)
{
	const struct ts_tokenizer *t = e->t;
	if (t->normalizer.ops.len) {
		TS_TRY(ts_normalizer_apply(&t->normalizer, s, n, &e->normal, &e->spare, e->err));
		s = ts_str_c(&e->normal);
		n = e->normal.len;
	}
	struct ts_added_walk walk = {.added = &t->added, .tree = &t->added.normalized, .s = s, .n = n};
	const struct ts_added_token *token;
	size_t start, end;
	while (ts_added_walk_next(&walk, &start, &end, &token))
		TS_TRY(token ? push_token(e, token) : ts_pretoken_piece(&e->words, s + start, end - start, at_start && !start));
	return 0;
}

static int encode_text(struct encoder *e, const char *s, size_t n)
{
	struct ts_added_walk walk = {.added = &e->t->added, .tree = &e->t->added.plain, .s = s, .n = n};
	const struct ts_added_token *token;
	size_t start, end;
	while (ts_added_walk_next(&walk, &start, &end, &token))
		TS_TRY(token ? push_token(e, token) : encode_gap(e, s + start, end - start, !start));
	return 0;
}

static int encode_once(const struct ts_tokenizer *t, const char *s, size_t n, ts_ids *ids, struct ts_error *err)
{
	struct encoder e = {.t = t, .ids = ids, .err = err};
	int status = ts_bpe_run_init(&e.model, &t->model, n);
	if (!status)
		status = ts_pretoken_run_init(&e.words, &t->pretokenizer, err);
	e.words.word = encode_word;
	e.words.user = &e;
	if (!status)
		status = encode_text(&e, s, n);
	ts_bpe_run_release(&e.model);
	ts_pretoken_run_release(&e.words);
	ts_str_release(&e.normal);
	ts_str_release(&e.spare);
	return status;
}

static int encode_all(const struct ts_tokenizer *t, const char *s, size_t n, bool add_special, ts_ids *ids, struct ts_error *err)
{
	if (!t->has_template)
		return n ? encode_once(t, s, n, ids, err) : 0;
	for (size_t i = 0; i < t->template.len; i++) {
		int32_t id = t->template.data[i];
		if (id == TS_TEMPLATE_TEXT)
			TS_TRY(n ? encode_once(t, s, n, ids, err) : 0);
		else if (add_special && ts_vec_push(ids, id))
			return TS_ENOMEM;
	}
	return 0;
}

int ts_tokenizer_encode(const struct ts_tokenizer *t, const char *text, size_t n, bool add_special, ts_ids *ids, struct ts_error *err)
{
	size_t good = n ? ts_utf8_check(text, n) : 0, before = ids->len;
	if (good < n)
		return ts_fail(err, TS_EFORMAT, "text to tokenize: invalid UTF-8 at byte %zu", good);
	int status = encode_all(t, text, n, add_special, ids, err);
	if (status)
		ids->len = before;
	if (status == TS_ENOMEM)
		return ts_fail_memory(err);
	return status == TS_ELIMIT && n > INT32_MAX ? ts_fail(err, status, "text to tokenize: %zu bytes are too many", n) : status;
}

bool ts_tokenizer_token(const struct ts_tokenizer *t, int32_t id, bool skip_special, const char **s, size_t *n)
{
	const struct ts_added_token *added = ts_added_get(&t->added, id);
	if (added) {
		*s = added->display.data;
		*n = added->display.len;
	} else if (id >= 0 && (size_t)id < t->model.size && t->model.tokens[id]) {
		*s = t->model.tokens[id];
		*n = t->model.token_lengths[id];
	} else {
		return false;
	}
	/* As the reference: special is a text, not an id. A token that normalisation changes is therefore never skipped. */
	return !skip_special || !ts_map_get(&t->added.special_contents, *s, *n);
}

int ts_tokenizer_decode(const struct ts_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, struct ts_str *out)
{
	struct ts_decode_run run;
	int status = ts_decode_run_init(&run, &t->decoder);
	run.out = out;
	for (size_t i = 0; i < n && !status; i++) {
		const char *token;
		size_t len;
		if (ts_tokenizer_token(t, ids[i], skip_special, &token, &len))
			status = ts_decode_push(&run, token, len);
	}
	if (!status)
		status = ts_decode_finish(&run);
	ts_decode_run_release(&run);
	return status;
}

size_t ts_tokenizer_size(const struct ts_tokenizer *t)
{
	return t->size;
}

int32_t ts_tokenizer_id(const struct ts_tokenizer *t, const char *content)
{
	size_t n = strlen(content);
	const int64_t *at = ts_map_get(&t->added.by_content, content, n);
	if (at)
		return t->added.tokens.data[*at].id;
	at = ts_map_get(&t->model.vocab, content, n);
	return at ? (int32_t)*at : -1;
}

bool ts_tokenizer_is_special(const struct ts_tokenizer *t, int32_t id)
{
	const struct ts_added_token *added = ts_added_get(&t->added, id);
	return added && added->special;
}
