/* Filters on sequences and mappings. Those that Jinja writes as generators give a value that yields its items once; here the
 * items are worked out at once, so an error in one shows even when it is never drawn. */
#include "text/jinja/run.h"

#include <string.h>

#define FILTER(name) static int name(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_args *args, struct ts_j_value *out)

static int no_args(struct ts_j *in, const char *what, const struct ts_j_args *args)
{
	return args->n || args->n_named ? ts_j_fail(in, "filter '%s' takes no arguments", what) : 0;
}

static int flag(struct ts_j *in, const struct ts_j_value *v, bool *out)
{
	*out = false;
	return v ? ts_j_truth(in, v, out) : 0;
}

/* Jinja's attribute paths: "a.b.0", or an integer; `fallback` (may be NULL) replaces what is undefined on the way. */
static int path(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_value *attribute, const struct ts_j_value *fallback,
		struct ts_j_value *out)
{
	*out = *v;
	if (!attribute || attribute->kind == TS_J_NONE)
		return 0;
	if (attribute->kind != TS_J_STRING)
		return ts_j_item(in, v, attribute, out);
	const char *s = attribute->u.s->data, *end = s + attribute->u.s->n;
	while (s <= end) {
		const char *dot = memchr(s, '.', (size_t)(end - s));
		size_t n = (size_t)((dot ? dot : end) - s);
		struct ts_j_value key, from = *out;
		int64_t index;
		TS_TRY(ts_j_str(in, s, n, &key));
		bool digits = n > 0;
		for (size_t i = 0; i < n; i++)
			digits &= s[i] >= '0' && s[i] <= '9';
		if (digits && ts_j_parse_integer(key.u.s, 10, &index))
			key = ts_j_int(index);
		TS_TRY(ts_j_item(in, &from, &key, out));
		if (out->kind == TS_J_UNDEFINED && fallback && fallback->kind != TS_J_NONE)
			*out = *fallback;
		s += n + 1;
	}
	return 0;
}

static int fold(struct ts_j *in, struct ts_j_value *v)
{
	struct ts_str text = {0};
	if (v->kind != TS_J_STRING)
		return 0;
	int status = ts_j_put_text_case(&text, v->u.s, TS_J_LOWER);
	return ts_j_take(in, &text, status, v);
}

/* One key per item: its attribute, case folded unless asked otherwise. */
static int keys_of(struct ts_j *in, const struct ts_j_list *items, const struct ts_j_value *attribute, const struct ts_j_value *fallback,
		   bool case_sensitive, struct ts_j_list **out)
{
	struct ts_j_list *keys = ts_j_list_new(in, items->n);
	if (!keys)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < items->n; i++) {
		TS_TRY(path(in, &items->items[i], attribute, fallback, &keys->items[i]));
		if (!case_sensitive)
			TS_TRY(fold(in, &keys->items[i]));
	}
	*out = keys;
	return 0;
}

/* Jinja sorts by lists of attributes, one for each name in "a,b", even where there is only one. It shows: Python's lists
 * compare by == first, so that equal things without an order (none, undefined) sort well. */
static int sort_keys(struct ts_j *in, const struct ts_j_list *items, const struct ts_j_value *attribute, bool case_sensitive,
		     struct ts_j_list **out)
{
	struct ts_j_list *parts[16], *keys = ts_j_list_new(in, items->n);
	size_t n = 0;
	bool text = attribute && attribute->kind == TS_J_STRING;
	const char *s = text ? attribute->u.s->data : "", *end = text ? s + attribute->u.s->n : s;
	for (; s <= end && n < 16; n++) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		size_t length = (size_t)((comma ? comma : end) - s);
		struct ts_j_value one;
		TS_TRY(ts_j_str(in, s, length, &one));
		TS_TRY(keys_of(in, items, text ? &one : attribute, NULL, case_sensitive, &parts[n]));
		s += length + 1;
	}
	if (s <= end)
		return ts_j_limit(in, "sort: more than 16 attributes");
	for (size_t i = 0; keys && i < items->n; i++) {
		struct ts_j_list *key = ts_j_list_new(in, n);
		if (!key)
			return ts_j_alloc_status(in);
		for (size_t k = 0; k < n; k++)
			key->items[k] = parts[k]->items[i];
		keys->items[i] = ts_j_from_list(key, TS_J_LIST);
	}
	*out = keys;
	return keys ? 0 : ts_j_alloc_status(in);
}

FILTER(s_sort)
{
	static const char *const params[] = {"reverse", "case_sensitive", "attribute"};
	const struct ts_j_value *got[3];
	struct ts_j_list *items, *keys;
	bool reverse, sensitive;
	TS_TRY(ts_j_bind(in, "sort", args, params, 3, 0, got));
	TS_TRY(flag(in, got[0], &reverse));
	TS_TRY(flag(in, got[1], &sensitive));
	TS_TRY(ts_j_to_list(in, v, &items));
	TS_TRY(sort_keys(in, items, got[2], sensitive, &keys));
	TS_TRY(ts_j_sort(in, items, keys, reverse));
	*out = ts_j_from_list(items, TS_J_LIST);
	return 0;
}

FILTER(s_dictsort)
{
	static const char *const params[] = {"case_sensitive", "by", "reverse"};
	const struct ts_j_value *got[3];
	struct ts_j_list *items, *keys;
	bool reverse, sensitive;
	struct ts_j_value at = ts_j_int(0);
	TS_TRY(ts_j_bind(in, "dictsort", args, params, 3, 0, got));
	TS_TRY(flag(in, got[0], &sensitive));
	TS_TRY(flag(in, got[2], &reverse));
	if (got[1] && got[1]->kind == TS_J_STRING && ts_j_is_text(got[1]->u.s, "value"))
		at = ts_j_int(1);
	else if (got[1] && !(got[1]->kind == TS_J_STRING && ts_j_is_text(got[1]->u.s, "key")))
		return ts_j_fail(in, "dictsort: by must be 'key' or 'value'");
	if (v->kind != TS_J_DICT)
		return ts_j_fail(in, "dictsort: expected a mapping, found %s", ts_j_type(v));
	struct ts_j_value view = {.kind = TS_J_VIEW, .view = 2, .u.dict = v->u.dict};
	TS_TRY(ts_j_to_list(in, &view, &items));
	TS_TRY(keys_of(in, items, &at, NULL, sensitive, &keys));
	TS_TRY(ts_j_sort(in, items, keys, reverse));
	*out = ts_j_from_list(items, TS_J_LIST);
	return 0;
}

FILTER(s_unique)
{
	static const char *const params[] = {"case_sensitive", "attribute"};
	const struct ts_j_value *got[2], *found;
	struct ts_j_list *items, *keys;
	struct ts_j_dict *seen = ts_j_dict_new(in);
	bool sensitive;
	size_t n = 0;
	TS_TRY(ts_j_bind(in, "unique", args, params, 2, 0, got));
	TS_TRY(flag(in, got[0], &sensitive));
	TS_TRY(ts_j_to_list(in, v, &items));
	TS_TRY(keys_of(in, items, got[1], NULL, sensitive, &keys));
	if (!seen)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < items->n; i++) {
		TS_TRY(ts_j_dict_get(in, seen, &keys->items[i], &found));
		if (found)
			continue;
		TS_TRY(ts_j_dict_put(in, seen, &keys->items[i], &keys->items[i]));
		items->items[n++] = items->items[i];
	}
	items->n = n;
	return ts_j_stream_new(in, items, "generator", out);
}

static int extreme(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_args *args, int op, struct ts_j_value *out)
{
	static const char *const params[] = {"case_sensitive", "attribute"};
	const struct ts_j_value *got[2];
	struct ts_j_list *items, *keys;
	bool sensitive, better;
	size_t best = 0;
	TS_TRY(ts_j_bind(in, "min/max", args, params, 2, 0, got));
	TS_TRY(flag(in, got[0], &sensitive));
	TS_TRY(ts_j_to_list(in, v, &items));
	TS_TRY(keys_of(in, items, got[1], NULL, sensitive, &keys));
	for (size_t i = 1; i < items->n; i++) {
		TS_TRY(ts_j_compare(in, op, &keys->items[i], &keys->items[best], &better));
		best = better ? i : best;
	}
	*out = items->n ? items->items[best] : ts_j_undefined(NULL);
	return 0;
}

FILTER(s_min)
{
	return extreme(in, v, args, TS_J_T_LT, out);
}

FILTER(s_max)
{
	return extreme(in, v, args, TS_J_T_GT, out);
}

FILTER(s_sum)
{
	static const char *const params[] = {"attribute", "start"};
	const struct ts_j_value *got[2];
	struct ts_j_list *items;
	TS_TRY(ts_j_bind(in, "sum", args, params, 2, 0, got));
	TS_TRY(ts_j_to_list(in, v, &items));
	struct ts_j_value total = got[1] ? *got[1] : ts_j_int(0);
	if (total.kind == TS_J_STRING)
		return ts_j_fail(in, "sum() cannot sum strings");
	for (size_t i = 0; i < items->n; i++) {
		struct ts_j_value item, before = total;
		TS_TRY(path(in, &items->items[i], got[0], NULL, &item));
		TS_TRY(ts_j_binary(in, TS_J_T_ADD, &before, &item, &total));
	}
	*out = total;
	return 0;
}

FILTER(s_length)
{
	int64_t n;
	TS_TRY(no_args(in, "length", args));
	TS_TRY(ts_j_length(in, v, &n));
	*out = ts_j_int(n);
	return 0;
}

FILTER(s_list)
{
	struct ts_j_list *items;
	TS_TRY(no_args(in, "list", args));
	TS_TRY(ts_j_to_list(in, v, &items));
	*out = ts_j_from_list(items, TS_J_LIST);
	return 0;
}

FILTER(s_first)
{
	struct ts_j_iter iter;
	bool more;
	TS_TRY(no_args(in, "first", args));
	TS_TRY(ts_j_iter_start(in, v, &iter));
	TS_TRY(ts_j_iter_next(in, &iter, &more, out));
	if (!more)
		*out = ts_j_undefined(NULL);
	return 0;
}

FILTER(s_last)
{
	struct ts_j_list *items;
	TS_TRY(no_args(in, "last", args));
	if (v->kind == TS_J_ITER)
		return ts_j_fail(in, "'%s' object is not reversible", ts_j_type(v));
	TS_TRY(ts_j_to_list(in, v, &items));
	*out = items->n ? items->items[items->n - 1] : ts_j_undefined(NULL);
	return 0;
}

FILTER(s_reverse)
{
	static const char *const name = "list_reverseiterator";
	struct ts_j_value none = ts_j_none(), back[3] = {none, none, ts_j_int(-1)};
	struct ts_j_list *items;
	TS_TRY(no_args(in, "reverse", args));
	if (v->kind == TS_J_STRING)
		return ts_j_slice(in, v, back, out);
	TS_TRY(ts_j_to_list(in, v, &items));
	for (size_t i = 0, j = items->n; i + 1 < j; i++) {
		struct ts_j_value swap = items->items[i];
		items->items[i] = items->items[--j];
		items->items[j] = swap;
	}
	if (v->kind == TS_J_ITER) {
		*out = ts_j_from_list(items, TS_J_LIST);
		return 0;
	}
	return ts_j_stream_new(in, items, name, out);
}

FILTER(s_join)
{
	static const char *const params[] = {"d", "attribute"};
	const struct ts_j_value *got[2];
	struct ts_j_list *items;
	struct ts_j_value between = {0};
	struct ts_str text = {0};
	int status = 0;
	TS_TRY(ts_j_bind(in, "join", args, params, 2, 0, got));
	if (got[0])
		TS_TRY(ts_j_to_str(in, got[0], &between));
	TS_TRY(ts_j_to_list(in, v, &items));
	for (size_t i = 0; i < items->n && !status; i++) {
		struct ts_j_value item;
		status = path(in, &items->items[i], got[1], NULL, &item);
		if (!status && i && got[0])
			status = ts_j_put(in, &text, between.u.s->data, between.u.s->n);
		status = status ? status : ts_j_put_str(in, &text, &item);
	}
	return ts_j_take(in, &text, status, out);
}

FILTER(s_items)
{
	struct ts_j_list *items;
	struct ts_j_value view = *v;
	TS_TRY(no_args(in, "items", args));
	if (v->kind != TS_J_DICT && v->kind != TS_J_UNDEFINED)
		return ts_j_fail(in, "can only get item pairs from a mapping, not %s", ts_j_type(v));
	if (v->kind == TS_J_DICT)
		view = (struct ts_j_value){.kind = TS_J_VIEW, .view = 2, .u.dict = v->u.dict};
	TS_TRY(ts_j_to_list(in, &view, &items));
	return ts_j_stream_new(in, items, "generator", out);
}

/* Jinja's map and select look at nothing that is false, so none gives no items where it could not be iterated. */
static int items_if_true(struct ts_j *in, const struct ts_j_value *v, struct ts_j_list **out)
{
	bool truth;
	TS_TRY(ts_j_truth(in, v, &truth));
	if (truth)
		return ts_j_to_list(in, v, out);
	*out = ts_j_list_new(in, 0);
	return *out ? 0 : ts_j_alloc_status(in);
}

static int map_attribute(struct ts_j *in, const struct ts_j_args *args, const struct ts_j_value *v, struct ts_j_value *out)
{
	static const char *const params[] = {"attribute", "default"};
	const struct ts_j_value *got[2];
	TS_TRY(ts_j_bind(in, "map", args, params, 2, 1, got));
	return path(in, v, got[0], got[1], out);
}

/* The arguments after the first `skip` positional ones. */
static struct ts_j_args rest(const struct ts_j_args *args, size_t skip)
{
	struct ts_j_args r = *args;
	r.pos += skip;
	r.n -= skip;
	return r;
}

FILTER(s_map)
{
	struct ts_j_list *items;
	const struct ts_j_string *name = NULL;
	TS_TRY(items_if_true(in, v, &items));
	if (!args->n && !args->n_named && items->n)
		return ts_j_fail(in, "map requires a filter argument");
	if (args->n)
		TS_TRY(ts_j_need_text(in, "map", &args->pos[0], &name));
	TS_TRY(ts_j_deeper(in));
	for (size_t i = 0; i < items->n; i++) {
		struct ts_j_value item = items->items[i];
		struct ts_j_args more = name ? rest(args, 1) : *args;
		TS_TRY(name ? ts_j_filter(in, name, &item, &more, &items->items[i]) : map_attribute(in, args, &item, &items->items[i]));
	}
	in->depth--;
	return ts_j_stream_new(in, items, "generator", out);
}

static int select_items(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_args *args, bool by_attribute, bool want,
			struct ts_j_value *out)
{
	struct ts_j_list *items;
	const struct ts_j_string *name = NULL;
	size_t off = by_attribute, n = 0;
	TS_TRY(items_if_true(in, v, &items));
	if (items->n && args->n < off)
		return ts_j_fail(in, "missing parameter for attribute name");
	if (args->n > off)
		TS_TRY(ts_j_need_text(in, "select", &args->pos[off], &name));
	for (size_t i = 0; i < items->n; i++) {
		struct ts_j_value item;
		bool holds;
		TS_TRY(path(in, &items->items[i], by_attribute ? &args->pos[0] : NULL, NULL, &item));
		if (name) {
			struct ts_j_args more = rest(args, off + 1);
			TS_TRY(ts_j_test(in, name, &item, &more, &holds));
		} else {
			TS_TRY(ts_j_truth(in, &item, &holds));
		}
		if (holds == want)
			items->items[n++] = items->items[i];
	}
	items->n = n;
	return ts_j_stream_new(in, items, "generator", out);
}

FILTER(s_select)
{
	return select_items(in, v, args, false, true, out);
}

FILTER(s_reject)
{
	return select_items(in, v, args, false, false, out);
}

FILTER(s_selectattr)
{
	return select_items(in, v, args, true, true, out);
}

FILTER(s_rejectattr)
{
	return select_items(in, v, args, true, false, out);
}

static int part(struct ts_j *in, const struct ts_j_list *items, size_t from, size_t to, size_t fill, const struct ts_j_value *with,
		struct ts_j_value *out)
{
	struct ts_j_list *list = ts_j_list_new(in, to - from + fill);
	if (!list)
		return ts_j_alloc_status(in);
	memcpy(list->items, items->items + from, (to - from) * sizeof(*list->items));
	for (size_t i = to - from; i < list->n; i++)
		list->items[i] = *with; /* NOLINT(clang-analyzer-core.NullDereference): who asks for fill says with what */
	*out = ts_j_from_list(list, TS_J_LIST);
	return 0;
}

static int bind_parts(struct ts_j *in, const char *what, const struct ts_j_args *args, const char *count, const struct ts_j_value **with,
		      int64_t *n)
{
	const char *const params[] = {count, "fill_with"};
	const struct ts_j_value *got[2];
	TS_TRY(ts_j_bind(in, what, args, params, 2, 1, got));
	TS_TRY(ts_j_need_int(in, what, got[0], 0, n));
	*with = got[1] && got[1]->kind != TS_J_NONE ? got[1] : NULL;
	if (*n < 1)
		return ts_j_fail(in, "%s: the number must be positive", what);
	return *n > TS_J_MAX_RANGE ? ts_j_limit(in, "too many parts") : 0;
}

FILTER(s_batch)
{
	const struct ts_j_value *with;
	struct ts_j_list *items;
	int64_t size;
	TS_TRY(bind_parts(in, "batch", args, "linecount", &with, &size));
	TS_TRY(ts_j_to_list(in, v, &items));
	size_t width = (size_t)size, n = (items->n + width - 1) / width;
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < n; i++) {
		size_t from = i * width, to = from + width < items->n ? from + width : items->n;
		TS_TRY(part(in, items, from, to, with ? width - (to - from) : 0, with, &list->items[i]));
	}
	return ts_j_stream_new(in, list, "generator", out);
}

FILTER(s_slice)
{
	const struct ts_j_value *with;
	struct ts_j_list *items;
	int64_t count;
	TS_TRY(bind_parts(in, "slice", args, "slices", &with, &count));
	TS_TRY(ts_j_to_list(in, v, &items));
	size_t n = (size_t)count, each = items->n / n, extra = items->n % n, at = 0;
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < n; i++) {
		size_t to = at + each + (i < extra);
		TS_TRY(part(in, items, at, to, with && i >= extra, with, &list->items[i]));
		at = to;
	}
	return ts_j_stream_new(in, list, "generator", out);
}

FILTER(s_groupby)
{
	static const char *const params[] = {"attribute", "default", "case_sensitive"};
	const struct ts_j_value *got[3];
	struct ts_j_list *items, *keys = NULL;
	bool sensitive;
	size_t n = 0;
	TS_TRY(ts_j_bind(in, "groupby", args, params, 3, 1, got));
	TS_TRY(flag(in, got[2], &sensitive));
	TS_TRY(ts_j_to_list(in, v, &items));
	TS_TRY(keys_of(in, items, got[0], got[1], sensitive, &keys));
	TS_TRY(ts_j_sort(in, items, keys, false));
	struct ts_j_list *groups = ts_j_list_new(in, items->n);
	if (!groups)
		return ts_j_alloc_status(in);
	for (size_t i = 0, j; i < items->n; i = j) {
		bool same = true;
		for (j = i + 1; j < items->n; j++) {
			TS_TRY(ts_j_equal(in, &keys->items[i], &keys->items[j], &same));
			if (!same)
				break;
		}
		struct ts_j_list *group = ts_j_list_new(in, 2);
		if (!group)
			return ts_j_alloc_status(in);
		group->group = true;
		TS_TRY(path(in, &items->items[i], got[0], got[1], &group->items[0]));
		TS_TRY(part(in, items, i, j, 0, NULL, &group->items[1]));
		groups->items[n++] = ts_j_from_list(group, TS_J_TUPLE);
	}
	groups->n = n;
	*out = ts_j_from_list(groups, TS_J_LIST);
	return 0;
}

FILTER(s_attr)
{
	static const char *const params[] = {"name"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *name;
	TS_TRY(ts_j_bind(in, "attr", args, params, 1, 1, got));
	TS_TRY(ts_j_need_text(in, "attr", got[0], &name));
	if (v->kind == TS_J_DICT && !ts_j_method_find(TS_J_DICT, name)) { /* attributes only, never items */
		*out = ts_j_undefined(name);
		return 0;
	}
	return ts_j_attribute(in, v, name, out);
}

static const struct ts_j_filter_def filters[] = {
	{"length", s_length},
	{"count", s_length},
	{"first", s_first},
	{"last", s_last},
	{"join", s_join},
	{"list", s_list},
	{"map", s_map},
	{"select", s_select},
	{"reject", s_reject},
	{"selectattr", s_selectattr},
	{"rejectattr", s_rejectattr},
	{"items", s_items},
	{"dictsort", s_dictsort},
	{"sort", s_sort},
	{"unique", s_unique},
	{"reverse", s_reverse},
	{"min", s_min},
	{"max", s_max},
	{"sum", s_sum},
	{"batch", s_batch},
	{"slice", s_slice},
	{"groupby", s_groupby},
	{"attr", s_attr},
};

const struct ts_j_filter_def *ts_j_sequence_filter(const struct ts_j_string *name)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (ts_j_is_text(name, filters[i].name))
			return &filters[i];
	return NULL;
}
