/* Truth, length, equality, order and iteration, as Python defines them. */
#include "text/jinja/run.h"

#include <string.h>

bool ts_j_number(const struct ts_j_value *v)
{
	return v->kind == TS_J_BOOL || v->kind == TS_J_INT || v->kind == TS_J_FLOAT;
}

bool ts_j_integer(const struct ts_j_value *v, int64_t *out)
{
	if (v->kind == TS_J_BOOL)
		*out = v->u.b;
	else if (v->kind == TS_J_INT)
		*out = v->u.i;
	else
		return false;
	return true;
}

double ts_j_as_real(const struct ts_j_value *v)
{
	return v->kind == TS_J_FLOAT ? v->u.f : v->kind == TS_J_BOOL ? (double)v->u.b : (double)v->u.i;
}

int ts_j_truth(struct ts_j *in, const struct ts_j_value *v, bool *out)
{
	int64_t n;
	if (ts_j_number(v)) {
		*out = v->kind == TS_J_FLOAT ? v->u.f != 0 : v->kind == TS_J_BOOL ? v->u.b : v->u.i != 0;
		return 0;
	}
	*out = v->kind != TS_J_UNDEFINED && v->kind != TS_J_NONE;
	if (*out && ts_j_has_length(v) && v->kind != TS_J_LOOP) {
		TS_TRY(ts_j_length(in, v, &n));
		*out = n != 0;
	}
	return 0;
}

bool ts_j_has_length(const struct ts_j_value *v)
{
	switch (v->kind) {
	case TS_J_UNDEFINED:
	case TS_J_STRING:
	case TS_J_LIST:
	case TS_J_TUPLE:
	case TS_J_DICT:
	case TS_J_VIEW:
	case TS_J_RANGE:
		return true;
	default:
		return false;
	}
}

int ts_j_length(struct ts_j *in, const struct ts_j_value *v, int64_t *out)
{
	switch (v->kind) {
	case TS_J_UNDEFINED:
		*out = 0;
		return 0;
	case TS_J_STRING:
		*out = (int64_t)v->u.s->points;
		return 0;
	case TS_J_LIST:
	case TS_J_TUPLE:
		*out = (int64_t)v->u.list->n;
		return 0;
	case TS_J_DICT:
	case TS_J_VIEW:
		*out = (int64_t)v->u.dict->n;
		return 0;
	case TS_J_RANGE:
		*out = v->u.range->n;
		return 0;
	default:
		return ts_j_fail(in, "object of type '%s' has no len()", ts_j_type(v));
	}
}

bool ts_j_iterable(const struct ts_j_value *v)
{
	return ts_j_has_length(v) || v->kind == TS_J_ITER || v->kind == TS_J_LOOP;
}

static int equal_lists(struct ts_j *in, const struct ts_j_list *a, const struct ts_j_list *b, bool *out)
{
	*out = a->n == b->n;
	if (a == b)
		return 0;
	for (size_t i = 0; *out && i < a->n; i++)
		TS_TRY(ts_j_equal(in, &a->items[i], &b->items[i], out));
	return 0;
}

static int equal_dicts(struct ts_j *in, const struct ts_j_dict *a, const struct ts_j_dict *b, bool *out)
{
	*out = a->n == b->n;
	if (a == b)
		return 0;
	for (size_t i = 0; *out && i < a->n; i++) {
		const struct ts_j_value *other;
		TS_TRY(ts_j_dict_get(in, b, &a->entries[i].key, &other));
		*out = other;
		if (other)
			TS_TRY(ts_j_equal(in, &a->entries[i].value, other, out));
	}
	return 0;
}

static bool equal_numbers(const struct ts_j_value *a, const struct ts_j_value *b)
{
	int64_t x, y;
	if (ts_j_integer(a, &x) && ts_j_integer(b, &y))
		return x == y;
	return ts_j_as_real(a) == ts_j_as_real(b);
}

static bool equal_ranges(const struct ts_j_range *a, const struct ts_j_range *b)
{
	return a->n == b->n && (a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

int ts_j_equal(struct ts_j *in, const struct ts_j_value *a, const struct ts_j_value *b, bool *out)
{
	int status = 0;
	TS_TRY(ts_j_work(in, 0));
	if (ts_j_number(a) && ts_j_number(b)) {
		*out = equal_numbers(a, b);
		return 0;
	}
	*out = a->kind == b->kind;
	if (!*out)
		return 0;
	TS_TRY(ts_j_deeper(in));
	switch (a->kind) {
	case TS_J_UNDEFINED:
	case TS_J_NONE:
		break;
	case TS_J_STRING:
		*out = ts_j_same_text(a->u.s, b->u.s);
		if (a->u.s->n == b->u.s->n && a->u.s != b->u.s)
			status = ts_j_work(in, a->u.s->n);
		break;
	case TS_J_LIST:
	case TS_J_TUPLE:
		status = equal_lists(in, a->u.list, b->u.list, out);
		break;
	case TS_J_DICT:
		status = equal_dicts(in, a->u.dict, b->u.dict, out);
		break;
	case TS_J_RANGE:
		*out = equal_ranges(a->u.range, b->u.range);
		break;
	case TS_J_FUNCTION:
		*out = a->u.function == b->u.function;
		break;
	case TS_J_VIEW:
		*out = a->view == b->view && a->u.dict == b->u.dict;
		break;
	default:
		*out = a->u.stream == b->u.stream; /* identity: any member of the union holds the pointer */
	}
	in->depth--;
	return status;
}

static int text_order(const struct ts_j_string *a, const struct ts_j_string *b)
{
	size_t n = a->n < b->n ? a->n : b->n;
	int order = memcmp(a->data, b->data, n); /* UTF-8 sorts as code points do */
	return order ? order : (a->n > b->n) - (a->n < b->n);
}

static bool decide(int op, int order)
{
	return op == TS_J_T_LT ? order < 0 : op == TS_J_T_LE ? order <= 0 : op == TS_J_T_GT ? order > 0 : order >= 0;
}

static bool decide_reals(int op, double a, double b)
{
	return op == TS_J_T_LT ? a < b : op == TS_J_T_LE ? a <= b : op == TS_J_T_GT ? a > b : a >= b;
}

static int order_lists(struct ts_j *in, int op, const struct ts_j_list *a, const struct ts_j_list *b, bool *out)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		bool same;
		TS_TRY(ts_j_equal(in, &a->items[i], &b->items[i], &same));
		if (!same)
			return ts_j_compare(in, op, &a->items[i], &b->items[i], out);
	}
	*out = decide(op, (a->n > b->n) - (a->n < b->n));
	return 0;
}

static const char *op_text(int op)
{
	return op == TS_J_T_LT ? "<" : op == TS_J_T_LE ? "<=" : op == TS_J_T_GT ? ">" : ">=";
}

static int undefined_error(struct ts_j *in, const struct ts_j_value *a, const struct ts_j_value *b)
{
	const struct ts_j_value *v = a->kind == TS_J_UNDEFINED ? a : b;
	return ts_j_fail(in, "'%s' is undefined", v->u.s ? v->u.s->data : "value");
}

int ts_j_compare(struct ts_j *in, int op, const struct ts_j_value *a, const struct ts_j_value *b, bool *out)
{
	int64_t x, y;
	TS_TRY(ts_j_work(in, 0));
	if (op == TS_J_T_EQ || op == TS_J_T_NE) {
		TS_TRY(ts_j_equal(in, a, b, out));
		*out ^= op == TS_J_T_NE;
		return 0;
	}
	if (op == TS_J_OP_IN || op == TS_J_OP_NOT_IN) {
		TS_TRY(ts_j_contains(in, a, b, out));
		*out ^= op == TS_J_OP_NOT_IN;
		return 0;
	}
	if (a->kind == TS_J_UNDEFINED || b->kind == TS_J_UNDEFINED)
		return undefined_error(in, a, b);
	if (ts_j_integer(a, &x) && ts_j_integer(b, &y)) {
		*out = decide(op, (x > y) - (x < y));
	} else if (ts_j_number(a) && ts_j_number(b)) {
		*out = decide_reals(op, ts_j_as_real(a), ts_j_as_real(b));
	} else if (a->kind == TS_J_STRING && b->kind == TS_J_STRING) {
		*out = decide(op, text_order(a->u.s, b->u.s));
		return ts_j_work(in, a->u.s->n < b->u.s->n ? a->u.s->n : b->u.s->n);
	} else if (a->kind == b->kind && (a->kind == TS_J_LIST || a->kind == TS_J_TUPLE)) {
		TS_TRY(ts_j_deeper(in));
		TS_TRY(order_lists(in, op, a->u.list, b->u.list, out));
		in->depth--;
	} else {
		return ts_j_fail(in, "'%s' not supported between '%s' and '%s'", op_text(op), ts_j_type(a), ts_j_type(b));
	}
	return 0;
}

int ts_j_contains(struct ts_j *in, const struct ts_j_value *item, const struct ts_j_value *box, bool *out)
{
	const struct ts_j_value *found;
	*out = false;
	if (box->kind == TS_J_STRING) {
		if (item->kind != TS_J_STRING)
			return ts_j_fail(in, "'in <string>' requires string as left operand, not %s", ts_j_type(item));
		*out = !item->u.s->n || memmem(box->u.s->data, box->u.s->n, item->u.s->data, item->u.s->n);
		return ts_j_work(in, box->u.s->n);
	}
	if (box->kind == TS_J_DICT || (box->kind == TS_J_VIEW && box->view == 0)) {
		if (!ts_j_hashable(item))
			return ts_j_fail(in, "unhashable type: '%s'", ts_j_type(item));
		TS_TRY(ts_j_dict_get(in, box->u.dict, item, &found));
		*out = found;
		return 0;
	}
	if (!ts_j_iterable(box))
		return ts_j_fail(in, "argument of type '%s' is not iterable", ts_j_type(box));
	struct ts_j_iter iter = {0};
	struct ts_j_value each;
	bool more = true;
	TS_TRY(ts_j_iter_start(in, box, &iter));
	while (!*out) {
		TS_TRY(ts_j_iter_next(in, &iter, &more, &each));
		if (!more)
			break;
		TS_TRY(ts_j_equal(in, &each, item, out));
	}
	return 0;
}

int ts_j_iter_start(struct ts_j *in, const struct ts_j_value *v, struct ts_j_iter *iter)
{
	if (!ts_j_iterable(v))
		return ts_j_fail(in, "'%s' object is not iterable", ts_j_type(v));
	if (v->kind == TS_J_LOOP)
		return ts_j_fail(in, "iterating over the loop object is not supported");
	iter->over = *v;
	iter->at = 0;
	return 0;
}

static int view_item(struct ts_j *in, const struct ts_j_entry *e, uint8_t view, struct ts_j_value *out)
{
	if (view != 2) {
		*out = view ? e->value : e->key;
		return 0;
	}
	struct ts_j_list *pair = ts_j_list_new(in, 2);
	if (!pair)
		return ts_j_alloc_status(in);
	pair->items[0] = e->key;
	pair->items[1] = e->value;
	*out = ts_j_from_list(pair, TS_J_TUPLE);
	return 0;
}

int ts_j_iter_next(struct ts_j *in, struct ts_j_iter *iter, bool *more, struct ts_j_value *out)
{
	struct ts_j_value *v = &iter->over;
	struct ts_j_stream *stream;
	size_t length = 0;
	TS_TRY(ts_j_work(in, 0));
	*more = false;
	switch (v->kind) {
	case TS_J_STRING:
		if (iter->at >= v->u.s->n)
			return 0;
		*more = true;
		ts_j_point(v->u.s->data + iter->at, &length);
		iter->at += length;
		return ts_j_str(in, v->u.s->data + iter->at - length, length, out);
	case TS_J_LIST:
	case TS_J_TUPLE:
		*more = iter->at < v->u.list->n;
		if (*more)
			*out = v->u.list->items[iter->at++];
		return 0;
	case TS_J_DICT:
	case TS_J_VIEW:
		*more = iter->at < v->u.dict->n;
		return *more ? view_item(in, &v->u.dict->entries[iter->at++], v->kind == TS_J_DICT ? 0 : v->view, out) : 0;
	case TS_J_RANGE:
		*more = (int64_t)iter->at < v->u.range->n;
		if (*more)
			*out = ts_j_int(v->u.range->start + (int64_t)iter->at++ * v->u.range->step);
		return 0;
	case TS_J_ITER:
		stream = v->u.stream;
		*more = stream->at < stream->items->n;
		if (*more)
			*out = stream->items->items[stream->at++];
		return 0;
	default:
		return 0;
	}
}

int ts_j_to_list(struct ts_j *in, const struct ts_j_value *v, struct ts_j_list **out)
{
	struct ts_j_iter iter = {0};
	TS_TRY(ts_j_iter_start(in, v, &iter));
	size_t n = 0;
	if (v->kind == TS_J_ITER) {
		n = v->u.stream->items->n - v->u.stream->at;
	} else {
		int64_t length = 0;
		TS_TRY(ts_j_length(in, v, &length));
		n = (size_t)length;
	}
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < n; i++) {
		bool more;
		TS_TRY(ts_j_iter_next(in, &iter, &more, &list->items[i]));
	}
	*out = list;
	return 0;
}

static int merge(struct ts_j *in, size_t *order, size_t *spare, size_t n, const struct ts_j_list *keys, bool reverse)
{
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t start = 0; start < n; start += 2 * width) {
			size_t middle = start + width < n ? start + width : n, end = start + 2 * width < n ? start + 2 * width : n;
			size_t a = start, b = middle;
			for (size_t k = start; k < end; k++) {
				bool second = a >= middle;
				if (a < middle && b < end) {
					const struct ts_j_value *left = &keys->items[order[a]], *right = &keys->items[order[b]];
					TS_TRY(ts_j_compare(in, TS_J_T_LT, reverse ? left : right, reverse ? right : left, &second));
				}
				spare[k] = second ? order[b++] : order[a++];
			}
		}
		memcpy(order, spare, n * sizeof(*order));
	}
	return 0;
}

int ts_j_sort(struct ts_j *in, struct ts_j_list *items, struct ts_j_list *keys, bool reverse)
{
	size_t n = items->n;
	size_t *order = ts_j_alloc(in, (2 * n + 1) * sizeof(*order));
	struct ts_j_list *sorted = ts_j_list_new(in, n);
	if (!order || !sorted)
		return ts_j_alloc_status(in);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	TS_TRY(merge(in, order, order + n, n, keys, reverse));
	for (size_t i = 0; i < n; i++)
		sorted->items[i] = items->items[order[i]];
	memcpy(items->items, sorted->items, n * sizeof(*items->items));
	for (size_t i = 0; i < n; i++)
		sorted->items[i] = keys->items[order[i]];
	memcpy(keys->items, sorted->items, n * sizeof(*keys->items));
	return 0;
}
