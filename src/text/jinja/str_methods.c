/* The methods of Python's str. */
#include "text/jinja/run.h"

#include <string.h>

#define METHOD(name) static int name(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, struct ts_j_value *out)

static int piece(struct ts_j *in, const struct ts_j_value *self, size_t from, size_t to, struct ts_j_value *out)
{
	if (from == 0 && to == self->u.s->n) {
		*out = *self;
		return 0;
	}
	TS_TRY(ts_j_str(in, self->u.s->data + from, to > from ? to - from : 0, out));
	out->safe = self->safe;
	return 0;
}

static bool in_set(const char *s, size_t length, const struct ts_j_string *set)
{
	if (!set) {
		size_t k;
		return ts_j_space(ts_j_point(s, &k));
	}
	return memmem(set->data, set->n, s, length); /* UTF-8: a whole character matches only at a character */
}

static int strip(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool left, bool right,
		 struct ts_j_value *out)
{
	static const char *const params[] = {"chars"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *s = self->u.s, *set = NULL;
	TS_TRY(ts_j_bind(in, "strip", args, params, 1, 0, got));
	if (got[0] && got[0]->kind != TS_J_NONE)
		TS_TRY(ts_j_need_text(in, "strip", got[0], &set));
	TS_TRY(ts_j_search_work(in, s, set));
	size_t from = 0, to = s->n;
	while (left && from < to) {
		size_t length;
		ts_j_point(s->data + from, &length);
		if (!in_set(s->data + from, length, set))
			break;
		from += length;
	}
	while (right && to > from) {
		size_t p = to - 1;
		while (p > from && ((unsigned char)s->data[p] & 0xC0) == 0x80)
			p--;
		if (!in_set(s->data + p, to - p, set))
			break;
		to = p;
	}
	return piece(in, self, from, to, out);
}

METHOD(str_strip)
{
	return strip(in, self, args, true, true, out);
}

METHOD(str_lstrip)
{
	return strip(in, self, args, true, false, out);
}

METHOD(str_rstrip)
{
	return strip(in, self, args, false, true, out);
}

static int affix(struct ts_j *in, const struct ts_j_string *s, const struct ts_j_value *v, bool end, bool *out)
{
	const struct ts_j_string *part;
	TS_TRY(ts_j_need_text(in, end ? "endswith" : "startswith", v, &part));
	*out = part->n <= s->n && !memcmp(s->data + (end ? s->n - part->n : 0), part->data, part->n);
	return 0;
}

/* The part of self that optional start and end positions leave; false when start lies past the end. */
static int window(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_value *const got[2], size_t *from, size_t *to,
		  bool *any)
{
	int64_t n = (int64_t)self->u.s->points, bounds[2] = {0, n};
	for (int k = 0; k < 2; k++) {
		if (!got[k] || got[k]->kind == TS_J_NONE)
			continue;
		TS_TRY(ts_j_need_int(in, "position", got[k], 0, &bounds[k]));
		if (bounds[k] < 0)
			bounds[k] = bounds[k] < -n ? 0 : bounds[k] + n;
	}
	*any = bounds[0] <= n && bounds[0] <= bounds[1];
	*from = ts_j_offset(self->u.s, (size_t)bounds[0]);
	*to = ts_j_offset(self->u.s, (size_t)bounds[1]);
	return 0;
}

static int has_affix(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool end, struct ts_j_value *out)
{
	static const char *const params[] = {"affix", "start", "end"};
	const struct ts_j_value *got[3];
	size_t from, to;
	bool found = false, any;
	TS_TRY(ts_j_bind(in, end ? "endswith" : "startswith", args, params, 3, 1, got));
	TS_TRY(window(in, self, got + 1, &from, &to, &any));
	struct ts_j_value part = *self;
	if (any)
		TS_TRY(piece(in, self, from, to, &part));
	if (got[0]->kind == TS_J_TUPLE) {
		for (size_t i = 0; i < got[0]->u.list->n && !found; i++)
			TS_TRY(affix(in, part.u.s, &got[0]->u.list->items[i], end, &found));
	} else {
		TS_TRY(affix(in, part.u.s, got[0], end, &found));
	}
	*out = ts_j_bool(found && any);
	return 0;
}

METHOD(str_startswith)
{
	return has_affix(in, self, args, false, out);
}

METHOD(str_endswith)
{
	return has_affix(in, self, args, true, out);
}

static int search(struct ts_j *in, const char *what, const struct ts_j_value *self, const struct ts_j_args *args, bool last, int64_t *out)
{
	static const char *const params[] = {"sub", "start", "end"};
	const struct ts_j_value *got[3];
	const struct ts_j_string *s = self->u.s, *part;
	size_t from, to;
	bool any;
	TS_TRY(ts_j_bind(in, what, args, params, 3, 1, got));
	TS_TRY(ts_j_need_text(in, what, got[0], &part));
	TS_TRY(window(in, self, got + 1, &from, &to, &any));
	TS_TRY(ts_j_search_work(in, s, last ? part : NULL));
	*out = -1;
	if (!any)
		return 0;
	const char *hit = last ? ts_j_last_hit(s->data + from, to - from, part) : memmem(s->data + from, to - from, part->data, part->n);
	if (!part->n)
		hit = s->data + (last ? to : from);
	if (hit) {
		*out = 0;
		for (const char *p = s->data; p < hit; p++)
			*out += ((unsigned char)*p & 0xC0) != 0x80;
	}
	return 0;
}

static int found_at(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool last, bool must,
		    struct ts_j_value *out)
{
	int64_t at;
	TS_TRY(search(in, "find", self, args, last, &at));
	if (must && at < 0)
		return ts_j_fail(in, "substring not found");
	*out = ts_j_int(at);
	return 0;
}

METHOD(str_find)
{
	return found_at(in, self, args, false, false, out);
}

METHOD(str_rfind)
{
	return found_at(in, self, args, true, false, out);
}

METHOD(str_index)
{
	return found_at(in, self, args, false, true, out);
}

METHOD(str_rindex)
{
	return found_at(in, self, args, true, true, out);
}

METHOD(str_count)
{
	static const char *const params[] = {"sub", "start", "end"};
	const struct ts_j_value *got[3];
	const struct ts_j_string *part;
	size_t from, to;
	int64_t n = 0;
	bool any;
	TS_TRY(ts_j_bind(in, "count", args, params, 3, 1, got));
	TS_TRY(ts_j_need_text(in, "count", got[0], &part));
	TS_TRY(window(in, self, got + 1, &from, &to, &any));
	TS_TRY(ts_j_work(in, self->u.s->n));
	if (any && !part->n) {
		for (size_t i = from; i < to; i++)
			n += ((unsigned char)self->u.s->data[i] & 0xC0) != 0x80;
		n++;
	}
	while (any && part->n) {
		const char *hit = memmem(self->u.s->data + from, to - from, part->data, part->n);
		if (!hit)
			break;
		n++;
		from = (size_t)(hit - self->u.s->data) + part->n;
	}
	*out = ts_j_int(n);
	return 0;
}

static int replace_into(struct ts_j *in, struct ts_str *text, const struct ts_j_string *s, const struct ts_j_string *old,
			const struct ts_j_string *new, int64_t max)
{
	size_t p = 0;
	while (max != 0) {
		const char *hit = p <= s->n ? memmem(s->data + p, s->n - p, old->data, old->n) : NULL;
		if (!hit)
			break;
		size_t at = (size_t)(hit - s->data);
		TS_TRY(ts_j_put(in, text, s->data + p, at - p));
		TS_TRY(ts_j_put(in, text, new->data, new->n));
		p = at + old->n;
		max -= max > 0;
		if (!old->n) { /* an empty text is found before every character and at the end */
			size_t length;
			if (p >= s->n)
				return 0;
			ts_j_point(s->data + p, &length);
			TS_TRY(ts_j_put(in, text, s->data + p, length));
			p += length;
		}
	}
	return ts_j_put(in, text, s->data + p, s->n - p);
}

METHOD(str_replace)
{
	static const char *const params[] = {"old", "new", "count"};
	const struct ts_j_value *got[3];
	const struct ts_j_string *old, *new;
	struct ts_str text = {0};
	int64_t max;
	TS_TRY(ts_j_bind(in, "replace", args, params, 3, 2, got));
	TS_TRY(ts_j_need_text(in, "replace", got[0], &old));
	TS_TRY(ts_j_need_text(in, "replace", got[1], &new));
	TS_TRY(ts_j_need_int(in, "replace", got[2], -1, &max));
	int status = replace_into(in, &text, self->u.s, old, new, max);
	TS_TRY(ts_j_take(in, &text, status, out));
	out->safe = self->safe;
	return 0;
}

static int no_args(struct ts_j *in, const char *what, const struct ts_j_args *args)
{
	return args->n || args->n_named ? ts_j_fail(in, "%s takes no arguments", what) : 0;
}

static int change_case(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, enum ts_j_case to,
		       struct ts_j_value *out)
{
	struct ts_str text = {0};
	TS_TRY(no_args(in, "the method", args));
	int status = ts_j_put_text_case(&text, self->u.s, to);
	TS_TRY(ts_j_take(in, &text, status, out));
	out->safe = self->safe;
	return 0;
}

METHOD(str_upper)
{
	return change_case(in, self, args, TS_J_UPPER, out);
}

METHOD(str_lower)
{
	return change_case(in, self, args, TS_J_LOWER, out);
}

/* mode 0: title; 1: capitalize; 2: swapcase */
static int recase(struct ts_str *text, const struct ts_j_string *s, int mode)
{
	bool inside = false;
	for (size_t p = 0, length; p < s->n; p += length) {
		uint32_t c = ts_j_point(s->data + p, &length);
		enum ts_j_case to = mode == 2 ? (ts_j_is_upper(c) ? TS_J_LOWER : TS_J_UPPER) : inside ? TS_J_LOWER : TS_J_TITLE;
		TS_TRY(ts_j_put_case(text, s, p, length, to));
		inside = mode == 1 || ts_j_is_cased(c);
	}
	return 0;
}

static int recased(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, int mode, struct ts_j_value *out)
{
	struct ts_str text = {0};
	TS_TRY(no_args(in, "the method", args));
	int status = recase(&text, self->u.s, mode);
	TS_TRY(ts_j_take(in, &text, status, out));
	out->safe = self->safe;
	return 0;
}

METHOD(str_title)
{
	return recased(in, self, args, 0, out);
}

METHOD(str_capitalize)
{
	return recased(in, self, args, 1, out);
}

METHOD(str_swapcase)
{
	return recased(in, self, args, 2, out);
}

METHOD(str_join)
{
	static const char *const params[] = {"iterable"};
	const struct ts_j_value *got[1];
	struct ts_j_list *list;
	struct ts_str text = {0};
	int status = 0;
	TS_TRY(ts_j_bind(in, "join", args, params, 1, 1, got));
	TS_TRY(ts_j_to_list(in, got[0], &list));
	for (size_t i = 0; i < list->n && !status; i++) {
		const struct ts_j_string *item = NULL;
		status = i ? ts_j_put(in, &text, self->u.s->data, self->u.s->n) : 0;
		status = status ? status : ts_j_need_text(in, "join", &list->items[i], &item);
		status = status ? status : ts_j_put(in, &text, item->data, item->n);
	}
	return ts_j_take(in, &text, status, out);
}

static int remove_affix(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool end, struct ts_j_value *out)
{
	static const char *const params[] = {"affix"};
	const struct ts_j_value *got[1];
	bool found;
	TS_TRY(ts_j_bind(in, end ? "removesuffix" : "removeprefix", args, params, 1, 1, got));
	TS_TRY(affix(in, self->u.s, got[0], end, &found));
	size_t n = found ? got[0]->u.s->n : 0;
	return piece(in, self, end ? 0 : n, self->u.s->n - (end ? n : 0), out);
}

METHOD(str_removeprefix)
{
	return remove_affix(in, self, args, false, out);
}

METHOD(str_removesuffix)
{
	return remove_affix(in, self, args, true, out);
}

static int partition(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool right, struct ts_j_value *out)
{
	static const char *const params[] = {"sep"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *sep, *s = self->u.s;
	TS_TRY(ts_j_bind(in, "partition", args, params, 1, 1, got));
	TS_TRY(ts_j_need_text(in, "partition", got[0], &sep));
	if (!sep->n)
		return ts_j_fail(in, "empty separator");
	TS_TRY(ts_j_search_work(in, s, right ? sep : NULL));
	struct ts_j_list *list = ts_j_list_new(in, 3);
	if (!list)
		return ts_j_alloc_status(in);
	const char *hit = right ? ts_j_last_hit(s->data, s->n, sep) : memmem(s->data, s->n, sep->data, sep->n);
	size_t at = hit ? (size_t)(hit - s->data) : right ? 0 : s->n, width = hit ? sep->n : 0;
	TS_TRY(ts_j_str(in, s->data, at, &list->items[0]));
	TS_TRY(ts_j_str(in, sep->data, width, &list->items[1]));
	TS_TRY(ts_j_str(in, s->data + at + width, s->n - at - width, &list->items[2]));
	*out = ts_j_from_list(list, TS_J_TUPLE);
	return 0;
}

METHOD(str_partition)
{
	return partition(in, self, args, false, out);
}

METHOD(str_rpartition)
{
	return partition(in, self, args, true, out);
}

static int pad(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, char align, struct ts_j_value *out)
{
	static const char *const params[] = {"width", "fillchar"};
	const struct ts_j_value *got[2];
	const struct ts_j_string *s = self->u.s, *fill = NULL;
	struct ts_str text = {0};
	int64_t width, n = (int64_t)s->points;
	TS_TRY(ts_j_bind(in, "padding", args, params, 2, 1, got));
	TS_TRY(ts_j_need_int(in, "width", got[0], 0, &width));
	if (got[1])
		TS_TRY(ts_j_need_text(in, "fillchar", got[1], &fill));
	if (fill && fill->points != 1)
		return ts_j_fail(in, "the fill character must be exactly one character long");
	if (width > (int64_t)TS_J_MAX_OUTPUT)
		return ts_j_limit(in, "string too long");
	int64_t missing = width > n ? width - n : 0;
	/* CPython's str.center puts the odd blank on the left exactly when both numbers are odd. */
	int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
	int status = 0;
	for (int64_t i = 0; i <= missing && !status; i++) {
		if (i == left)
			status = ts_j_put(in, &text, s->data, s->n);
		if (i < missing && !status)
			status = ts_j_put(in, &text, fill ? fill->data : " ", fill ? fill->n : 1);
	}
	return ts_j_take(in, &text, status, out);
}

METHOD(str_ljust)
{
	return pad(in, self, args, '<', out);
}

METHOD(str_rjust)
{
	return pad(in, self, args, '>', out);
}

METHOD(str_center)
{
	return pad(in, self, args, '^', out);
}

METHOD(str_zfill)
{
	static const char *const params[] = {"width"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *s = self->u.s;
	struct ts_str text = {0};
	int64_t width;
	TS_TRY(ts_j_bind(in, "zfill", args, params, 1, 1, got));
	TS_TRY(ts_j_need_int(in, "zfill", got[0], 0, &width));
	if (width > (int64_t)TS_J_MAX_OUTPUT)
		return ts_j_limit(in, "string too long");
	size_t sign = s->n && (s->data[0] == '-' || s->data[0] == '+');
	int status = ts_j_put(in, &text, s->data, sign);
	for (int64_t i = (int64_t)s->points; i < width && !status; i++)
		status = ts_j_put(in, &text, "0", 1);
	status = status ? status : ts_j_put(in, &text, s->data + sign, s->n - sign);
	return ts_j_take(in, &text, status, out);
}

METHOD(str_expandtabs)
{
	static const char *const params[] = {"tabsize"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *s = self->u.s;
	struct ts_str text = {0};
	int64_t size, column = 0;
	int status = 0;
	TS_TRY(ts_j_bind(in, "expandtabs", args, params, 1, 0, got));
	TS_TRY(ts_j_need_int(in, "expandtabs", got[0], 8, &size));
	if (size > (int64_t)TS_J_MAX_RANGE)
		return ts_j_limit(in, "tab too wide");
	for (size_t p = 0, length; p < s->n && !status; p += length) {
		uint32_t c = ts_j_point(s->data + p, &length);
		if (c != '\t') {
			status = ts_j_put(in, &text, s->data + p, length);
			column = c == '\n' || c == '\r' ? 0 : column + 1;
			continue;
		}
		for (int64_t i = size > 0 ? size - column % size : 0; i > 0 && !status; i--, column++)
			status = ts_j_put(in, &text, " ", 1);
	}
	return ts_j_take(in, &text, status, out);
}

static int all_of(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, bool (*is)(uint32_t), bool empty,
		  struct ts_j_value *out)
{
	const struct ts_j_string *s = self->u.s;
	TS_TRY(no_args(in, "the method", args));
	bool all = s->n > 0 || empty;
	for (size_t p = 0, length; all && p < s->n; p += length)
		all = is(ts_j_point(s->data + p, &length));
	*out = ts_j_bool(all);
	return 0;
}

static bool alnum(uint32_t c)
{
	return ts_j_is_alpha(c) || ts_j_is_numeric(c);
}

static bool ascii(uint32_t c)
{
	return c < 0x80;
}

METHOD(str_isalpha)
{
	return all_of(in, self, args, ts_j_is_alpha, false, out);
}

METHOD(str_isdigit)
{
	return all_of(in, self, args, ts_j_is_digit, false, out);
}

METHOD(str_isdecimal)
{
	return all_of(in, self, args, ts_j_is_decimal, false, out);
}

METHOD(str_isnumeric)
{
	return all_of(in, self, args, ts_j_is_numeric, false, out);
}

METHOD(str_isalnum)
{
	return all_of(in, self, args, alnum, false, out);
}

METHOD(str_isspace)
{
	return all_of(in, self, args, ts_j_space, false, out);
}

METHOD(str_isascii)
{
	return all_of(in, self, args, ascii, true, out);
}

METHOD(str_isprintable)
{
	return all_of(in, self, args, ts_j_is_printable, true, out);
}

METHOD(str_isidentifier)
{
	const struct ts_j_string *s = self->u.s;
	TS_TRY(all_of(in, self, args, ts_j_is_word, false, out));
	if (out->u.b && s->data[0] >= '0' && s->data[0] <= '9')
		*out = ts_j_bool(false);
	return 0;
}

/* want: 'u' all cased characters upper, 'l' lower, 't' each word starts upper and goes on lower */
static int cased(struct ts_j *in, const struct ts_j_value *self, const struct ts_j_args *args, char want, struct ts_j_value *out)
{
	const struct ts_j_string *s = self->u.s;
	bool any = false, good = true, inside = false;
	TS_TRY(no_args(in, "the method", args));
	for (size_t p = 0, length; good && p < s->n; p += length) {
		uint32_t c = ts_j_point(s->data + p, &length);
		bool upper = ts_j_is_upper(c) || (ts_j_is_cased(c) && !ts_j_is_lower(c)), lower = ts_j_is_lower(c);
		any |= upper || lower;
		good = want == 'u' ? !lower : want == 'l' ? !upper : !(upper && inside) && !(lower && !inside);
		inside = upper || lower;
	}
	*out = ts_j_bool(any && good);
	return 0;
}

METHOD(str_isupper)
{
	return cased(in, self, args, 'u', out);
}

METHOD(str_islower)
{
	return cased(in, self, args, 'l', out);
}

METHOD(str_istitle)
{
	return cased(in, self, args, 't', out);
}

METHOD(str_unsupported)
{
	(void)self;
	(void)args;
	(void)out;
	return ts_j_fail(in, "this str method is not supported");
}

static const struct ts_j_method_def methods[] = {
	{"strip", str_strip},
	{"lstrip", str_lstrip},
	{"rstrip", str_rstrip},
	{"split", ts_j_str_split},
	{"rsplit", ts_j_str_rsplit},
	{"splitlines", ts_j_str_splitlines},
	{"startswith", str_startswith},
	{"endswith", str_endswith},
	{"replace", str_replace},
	{"upper", str_upper},
	{"lower", str_lower},
	{"casefold", str_lower},
	{"title", str_title},
	{"capitalize", str_capitalize},
	{"swapcase", str_swapcase},
	{"find", str_find},
	{"rfind", str_rfind},
	{"index", str_index},
	{"rindex", str_rindex},
	{"count", str_count},
	{"join", str_join},
	{"removeprefix", str_removeprefix},
	{"removesuffix", str_removesuffix},
	{"partition", str_partition},
	{"rpartition", str_rpartition},
	{"ljust", str_ljust},
	{"rjust", str_rjust},
	{"center", str_center},
	{"zfill", str_zfill},
	{"expandtabs", str_expandtabs},
	{"format", ts_j_str_format},
	{"isalpha", str_isalpha},
	{"isdigit", str_isdigit},
	{"isdecimal", str_isdecimal},
	{"isnumeric", str_isnumeric},
	{"isalnum", str_isalnum},
	{"isspace", str_isspace},
	{"isascii", str_isascii},
	{"isprintable", str_isprintable},
	{"isidentifier", str_isidentifier},
	{"isupper", str_isupper},
	{"islower", str_islower},
	{"istitle", str_istitle},
	{"encode", str_unsupported},
	{"translate", str_unsupported},
	{"maketrans", str_unsupported},
	{"format_map", str_unsupported},
};

const struct ts_j_method_def *ts_j_string_method(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(name, methods[i].name))
			return &methods[i];
	return NULL;
}
