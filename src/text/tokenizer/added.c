/* Tokens to find are in a prefix tree over bytes: at each place where one may start, the longest that matches is taken. */
#include "text/tokenizer/added.h"

#include "core/json.h"

#include <string.h>

static uint32_t find_child(const struct ts_added_tree *tree, uint32_t node, unsigned char byte)
{
	if (!node)
		return tree->first[byte];
	uint32_t child = tree->nodes.data[node].child;
	while (child && tree->nodes.data[child].byte != byte)
		child = tree->nodes.data[child].sibling;
	return child;
}

static int add_node(struct ts_added_tree *tree, uint32_t parent, unsigned char byte, uint32_t *out)
{
	struct ts_added_node node = {.token = -1, .byte = byte};
	*out = (uint32_t)tree->nodes.len;
	if (parent)
		node.sibling = tree->nodes.data[parent].child;
	if (ts_vec_push(&tree->nodes, node))
		return TS_ENOMEM;
	if (parent) {
		tree->nodes.data[parent].child = *out;
	} else {
		tree->first[byte] = *out;
		tree->only_byte = *out == 1 ? byte : -1;
	}
	return 0;
}

/* TS_EFORMAT when the text is there already. */
static int tree_put(struct ts_added_tree *tree, const char *s, size_t n, int32_t token)
{
	uint32_t node = 0;
	struct ts_added_node root = {.token = -1};
	if (!tree->nodes.len && ts_vec_push(&tree->nodes, root))
		return TS_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t child = find_child(tree, node, (unsigned char)s[i]);
		if (!child)
			TS_TRY(add_node(tree, node, (unsigned char)s[i], &child));
		node = child;
	}
	if (tree->nodes.data[node].token >= 0)
		return TS_EFORMAT;
	tree->nodes.data[node].token = token;
	return 0;
}

/* The longest token that starts at s[0), or -1; *len is its length. */
static int32_t tree_match(const struct ts_added_tree *tree, const char *s, size_t n, size_t *len)
{
	int32_t best = -1;
	uint32_t node = 0;
	for (size_t i = 0; i < n; i++) {
		node = find_child(tree, node, (unsigned char)s[i]);
		if (!node)
			break;
		if (tree->nodes.data[node].token >= 0) {
			best = tree->nodes.data[node].token;
			*len = i + 1;
		}
	}
	return best;
}

static int read_flags(struct ts_added_token *t, const json_t *item, const char *place, struct ts_error *err)
{
	TS_TRY(ts_json_bool(item, "single_word", false, &t->single_word, place, err));
	TS_TRY(ts_json_bool(item, "lstrip", false, &t->lstrip, place, err));
	TS_TRY(ts_json_bool(item, "rstrip", false, &t->rstrip, place, err));
	TS_TRY(ts_json_bool(item, "special", false, &t->special, place, err));
	return ts_json_bool(item, "normalized", true, &t->normalized, place, err);
}

static int read_token(struct ts_added_token *t, const json_t *item, size_t row, const char *place, struct ts_error *err)
{
	int64_t id;
	const json_t *content = json_object_get(item, "content");
	if (!json_is_object(item) || !json_is_string(content))
		return ts_fail(err, TS_EFORMAT, "%s: added_tokens[%zu]: expected an object with \"content\"", place, row);
	TS_TRY(ts_json_need_int(item, "id", &id, place, err));
	if (id < 0 || id >= 1 << 24)
		return ts_fail(err, TS_EFORMAT, "%s: added_tokens[%zu]: id %lld is out of range", place, row, (long long)id);
	t->id = (int32_t)id;
	t->len = json_string_length(content);
	t->content = ts_strndup(json_string_value(content), t->len);
	return t->content ? read_flags(t, item, place, err) : ts_fail_memory(err);
}

/* The id that the reference gives, whatever the file says; both must agree. */
static int check_id(const struct ts_added *a, const struct ts_added_token *t, const struct ts_bpe *model, size_t next, size_t row,
		    const char *place, struct ts_error *err)
{
	const int64_t *own = ts_map_get(&model->vocab, t->content, t->len);
	int64_t expected = own ? *own : (int64_t)next;
	if (ts_map_get(&a->by_content, t->content, t->len))
		return ts_fail(err, TS_EFORMAT, "%s: added_tokens[%zu]: \"%.80s\" is there twice", place, row, t->content);
	if (t->id != expected)
		return ts_fail(err, TS_EFORMAT, "%s: added_tokens[%zu]: \"%.80s\": expected id %lld (%s), found %d", place, row, t->content,
			       (long long)expected, own ? "its id in the vocabulary" : "the next free one", t->id);
	return 0;
}

static int index_token(struct ts_added *a, size_t at, const struct ts_normalizer *normalizer, size_t row, const char *place,
		       struct ts_error *err)
{
	struct ts_added_token *t = &a->tokens.data[at];
	struct ts_str spare = {0};
	int status = 0;
	if (t->normalized)
		status = ts_normalizer_apply(normalizer, t->content, t->len, &t->display, &spare, err);
	else
		status = ts_str_append(&t->display, t->content, t->len);
	ts_str_release(&spare);
	if (status)
		return status == TS_ENOMEM ? ts_fail_memory(err) : status;
	if (!t->display.len)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: added_tokens[%zu]: nothing is left of \"%.80s\" once normalised", place, row,
			       t->content);
	status = tree_put(t->normalized ? &a->normalized : &a->plain, t->display.data, t->display.len, (int32_t)at);
	if (status == TS_EFORMAT)
		return ts_fail(err, status, "%s: added_tokens[%zu]: another token is \"%.80s\" too", place, row, t->display.data);
	while (!status && a->by_id.len <= (size_t)t->id)
		status = ts_vec_push(&a->by_id, -1);
	if (!status)
		a->by_id.data[t->id] = (int32_t)at;
	if (!status)
		status = ts_map_put(&a->by_content, t->content, t->len, (int64_t)at);
	if (!status && t->special)
		status = ts_map_put(&a->special_contents, t->content, t->len, 1);
	return status ? ts_fail_memory(err) : 0;
}

static int put_token(struct ts_added *a, const json_t *item, size_t row, size_t *next, const struct ts_bpe *model,
		     const struct ts_normalizer *normalizer, const char *place, struct ts_error *err)
{
	struct ts_added_token token = {0};
	int status = read_token(&token, item, row, place, err);
	if (status || !token.len) { /* the reference ignores an empty one */
		ts_free(token.content);
		return status;
	}
	if (ts_vec_push(&a->tokens, token)) {
		ts_free(token.content);
		return ts_fail_memory(err);
	}
	TS_TRY(check_id(a, &token, model, *next, row, place, err));
	if (!ts_map_get(&model->vocab, token.content, token.len))
		++*next;
	return index_token(a, a->tokens.len - 1, normalizer, row, place, err);
}

int ts_added_parse(struct ts_added *a, const json_t *value, const struct ts_bpe *model, const struct ts_normalizer *normalizer,
		   const char *place, struct ts_error *err)
{
	const json_t *item;
	size_t row, next = model->vocab.entries.len;
	a->plain.only_byte = a->normalized.only_byte = -1;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value))
		return ts_fail(err, TS_EFORMAT, "%s: expected \"added_tokens\" to be an array", place);
	json_array_foreach (value, row, item)
		TS_TRY(put_token(a, item, row, &next, model, normalizer, place, err));
	return 0;
}

void ts_added_release(struct ts_added *a)
{
	for (size_t i = 0; i < a->tokens.len; i++) {
		ts_free(a->tokens.data[i].content);
		ts_str_release(&a->tokens.data[i].display);
	}
	ts_vec_release(&a->tokens);
	ts_map_release(&a->by_content);
	ts_map_release(&a->special_contents);
	ts_vec_release(&a->by_id);
	ts_vec_release(&a->plain.nodes);
	ts_vec_release(&a->normalized.nodes);
}

const struct ts_added_token *ts_added_get(const struct ts_added *a, int32_t id)
{
	if (id < 0 || (size_t)id >= a->by_id.len || a->by_id.data[id] < 0)
		return NULL;
	return &a->tokens.data[a->by_id.data[id]];
}

static bool alone(const char *s, size_t n, size_t start, size_t stop)
{
	uint32_t c;
	if (start) {
		ts_unicode_next(s + ts_unicode_back(s, start), &c);
		if (ts_unicode_is_word(c))
			return false;
	}
	if (stop == n)
		return true;
	ts_unicode_next(s + stop, &c);
	return !ts_unicode_is_word(c);
}

static size_t before_spaces(const char *s, size_t start)
{
	while (start) {
		uint32_t c;
		size_t back = ts_unicode_back(s, start);
		ts_unicode_next(s + back, &c);
		if (ts_unicode_class(c) != TS_UNICODE_SPACE)
			break;
		start = back;
	}
	return start;
}

static size_t after_spaces(const char *s, size_t n, size_t stop)
{
	while (stop < n) {
		uint32_t c;
		size_t used = ts_unicode_next(s + stop, &c);
		if (ts_unicode_class(c) != TS_UNICODE_SPACE)
			break;
		stop += used;
	}
	return stop;
}

/* The next place from `i` on where some token may start, or n. */
static size_t next_candidate(const struct ts_added_tree *tree, const char *s, size_t n, size_t i)
{
	if (tree->only_byte >= 0) {
		const char *hit = memchr(s + i, tree->only_byte, n - i);
		return hit ? (size_t)(hit - s) : n;
	}
	while (i < n && !tree->first[(unsigned char)s[i]])
		i++;
	return i;
}

/* The next token into w->waiting with its place; the search goes on behind its text even when it is refused or takes in spaces. */
static const struct ts_added_token *find_token(struct ts_added_walk *w, size_t *start)
{
	while (w->tree->nodes.len && (w->from = next_candidate(w->tree, w->s, w->n, w->from)) < w->n) {
		size_t len = 0, at = w->from;
		int32_t index = tree_match(w->tree, w->s + at, w->n - at, &len);
		if (index < 0) {
			w->from++;
			continue;
		}
		const struct ts_added_token *t = &w->added->tokens.data[index];
		w->from = w->stop = at + len;
		if (t->single_word && !alone(w->s, w->n, at, w->stop))
			continue;
		if (t->lstrip) {
			at = before_spaces(w->s, at);
			at = at < w->given ? w->given : at;
		}
		if (t->rstrip)
			w->stop = after_spaces(w->s, w->n, w->stop);
		*start = at;
		return t;
	}
	return NULL;
}

bool ts_added_walk_next(struct ts_added_walk *w, size_t *start, size_t *end, const struct ts_added_token **token)
{
	*token = NULL;
	*start = w->given;
	if (!w->waiting) {
		size_t at = w->n;
		w->waiting = find_token(w, &at);
		if (w->given < at) {
			*end = w->given = at;
			return true;
		}
		if (!w->waiting)
			return false;
	}
	*token = w->waiting;
	*end = w->given = w->stop;
	w->waiting = NULL;
	return true;
}
