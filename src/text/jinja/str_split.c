/* str.split and its relatives. */
#include "text/jinja/run.h"

#include <string.h>

#define METHOD(name) int name(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)

int ts_j_search_work(struct ts_j *in, const struct ts_j_string *s, const struct ts_j_string *part)
{
	size_t bytes;
	if (!ts_mul_size(s->n, part ? part->n : 1, &bytes))
		bytes = SIZE_MAX;
	return ts_j_work(in, bytes);
}

struct pieces {
	TS_VEC(struct ts_j_value) v;
};

static int add(struct ts_j *in, struct pieces *list, const char *s, size_t n)
{
	struct ts_j_value v;
	TS_TRY(ts_j_str(in, s, n, &v));
	return ts_vec_push(&list->v, v) ? ts_fail_memory(in->err) : 0;
}

static int finish(struct ts_j *in, struct pieces *list, int status, bool reverse, struct ts_j_value *out)
{
	struct ts_j_list *made = status ? NULL : ts_j_list_new(in, list->v.len);
	if (!status && !made)
		status = ts_j_alloc_status(in);
	for (size_t i = 0; made && i < made->n; i++)
		made->items[i] = list->v.data[reverse ? made->n - 1 - i : i]; /* NOLINT(clang-analyzer-core.NullDereference): n are there */
	ts_vec_release(&list->v);
	if (!status)
		*out = ts_j_from_list(made, TS_J_LIST);
	return status;
}

static int split_space(struct ts_j *in, const struct ts_j_string *s, int64_t max, struct pieces *list)
{
	size_t p = 0, length = 0;
	for (;;) {
		while (p < s->n && ts_j_space(ts_j_point(s->data + p, &length)))
			p += length;
		if (p >= s->n)
			return 0;
		if (max-- == 0) /* the rest keeps the white space at its end */
			return add(in, list, s->data + p, s->n - p);
		size_t start = p;
		while (p < s->n && !ts_j_space(ts_j_point(s->data + p, &length)))
			p += length;
		TS_TRY(add(in, list, s->data + start, p - start));
	}
}

static int rsplit_space(struct ts_j *in, const struct ts_j_string *s, int64_t max, struct pieces *list)
{
	size_t to = s->n, length;
	for (;;) {
		bool word = false;
		size_t end = to, p = to;
		while (p > 0) {
			size_t q = p - 1;
			while (((unsigned char)s->data[q] & 0xC0) == 0x80)
				q--;
			bool space = ts_j_space(ts_j_point(s->data + q, &length));
			if (word && space)
				break;
			if (!word && !space) {
				word = true;
				end = p;
			}
			p = q;
		}
		if (!word)
			return 0;
		if (max-- == 0) {
			return add(in, list, s->data, end); /* the rest keeps the white space in front of it */
		}
		TS_TRY(add(in, list, s->data + p, end - p));
		to = p;
	}
}

static int split_at(struct ts_j *in, const struct ts_j_string *s, const struct ts_j_string *sep, int64_t max, struct pieces *list)
{
	size_t p = 0;
	for (; max != 0; max--) {
		const char *hit = memmem(s->data + p, s->n - p, sep->data, sep->n);
		if (!hit)
			break;
		TS_TRY(add(in, list, s->data + p, (size_t)(hit - s->data) - p));
		p = (size_t)(hit - s->data) + sep->n;
	}
	return add(in, list, s->data + p, s->n - p);
}

const char *ts_j_last_hit(const char *s, size_t n, const struct ts_j_string *sep)
{
	for (size_t i = n >= sep->n ? n - sep->n + 1 : 0; i > 0; i--)
		if (!memcmp(s + i - 1, sep->data, sep->n))
			return s + i - 1;
	return NULL;
}

static int rsplit_at(struct ts_j *in, const struct ts_j_string *s, const struct ts_j_string *sep, int64_t max, struct pieces *list)
{
	size_t to = s->n;
	for (; max != 0; max--) {
		const char *hit = ts_j_last_hit(s->data, to, sep);
		if (!hit)
			break;
		size_t at = (size_t)(hit - s->data);
		TS_TRY(add(in, list, hit + sep->n, to - at - sep->n));
		to = at;
	}
	return add(in, list, s->data, to);
}

static int split(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool right, struct ts_j_value *out)
{
	static const char *const params[] = {"sep", "maxsplit"};
	const struct ts_j_value *got[2];
	const struct ts_j_string *sep = NULL;
	struct pieces list = {0};
	int64_t max;
	TS_TRY(ts_j_bind(in, "split", args, params, 2, 0, got));
	TS_TRY(ts_j_need_int(in, "split", got[1], -1, &max));
	TS_TRY(ts_j_work(in, self->u.s->n));
	if (got[0] && got[0]->kind != TS_J_NONE)
		TS_TRY(ts_j_need_text(in, "split", got[0], &sep));
	if (sep && !sep->n)
		return ts_j_fail(in, "empty separator");
	if (right)
		TS_TRY(ts_j_search_work(in, self->u.s, sep));
	int status;
	if (sep)
		status = right ? rsplit_at(in, self->u.s, sep, max, &list) : split_at(in, self->u.s, sep, max, &list);
	else
		status = right ? rsplit_space(in, self->u.s, max, &list) : split_space(in, self->u.s, max, &list);
	return finish(in, &list, status, right, out);
}

METHOD(ts_j_str_split)
{
	return split(in, self, args, false, out);
}

METHOD(ts_j_str_rsplit)
{
	return split(in, self, args, true, out);
}

METHOD(ts_j_str_splitlines)
{
	static const char *const params[] = {"keepends"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *s = self->u.s;
	struct pieces list = {0};
	bool keep = false;
	int status = 0;
	TS_TRY(ts_j_bind(in, "splitlines", args, params, 1, 0, got));
	if (got[0])
		TS_TRY(ts_j_truth(in, got[0], &keep));
	for (size_t p = 0, start = 0, length; start < s->n && !status;) {
		uint32_t c = p < s->n ? ts_j_point(s->data + p, &length) : (length = 0, '\n');
		if (!ts_j_line_break(c)) {
			p += length;
			continue;
		}
		size_t end = p;
		p += length + (c == '\r' && p + 1 < s->n && s->data[p + 1] == '\n');
		status = add(in, &list, s->data + start, (keep ? p : end) - start);
		start = p;
	}
	return finish(in, &list, status, false, out);
}
