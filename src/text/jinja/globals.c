/* The functions that every template finds: Jinja's range, dict, namespace, cycler, joiner and transformers' raise_exception
 * and strftime_now. */
#include "text/jinja/run.h"

#include <string.h>
#include <time.h>

enum function { F_RANGE, F_DICT, F_NAMESPACE, F_CYCLER, F_JOINER, F_RAISE, F_STRFTIME, F_LIPSUM, F_COUNT };

static const char *const names[F_COUNT] = {
	"range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now", "lipsum",
};

int ts_j_globals(struct ts_j *in, struct ts_j_scope *scope)
{
	for (int i = 0; i < F_COUNT; i++) {
		struct ts_j_value name, v = {.kind = TS_J_FUNCTION, .u.function = i};
		TS_TRY(ts_j_str(in, names[i], strlen(names[i]), &name));
		TS_TRY(ts_j_set(in, scope, name.u.s, &v));
	}
	return 0;
}

static int make_range(struct ts_j *in, const struct ts_j_args *args, struct ts_j_value *out)
{
	struct ts_j_range r = {.step = 1};
	int64_t n[3] = {0, 0, 1};
	if (args->n < 1 || args->n > 3 || args->n_named)
		return ts_j_fail(in, "range takes 1 to 3 arguments");
	for (size_t i = 0; i < args->n; i++)
		TS_TRY(ts_j_need_int(in, "range", &args->pos[i], 0, &n[i]));
	r.start = args->n == 1 ? 0 : n[0];
	r.stop = args->n == 1 ? n[0] : n[1];
	r.step = n[2];
	if (r.step == 0)
		return ts_j_fail(in, "range() arg 3 must not be zero");
	double span = r.step > 0 ? (double)r.stop - (double)r.start : (double)r.start - (double)r.stop;
	double step = r.step > 0 ? (double)r.step : -(double)r.step;
	if (span / step > TS_J_MAX_RANGE)
		return ts_j_limit(in, "range too large (at most 100000 items)");
	uint64_t width = r.step > 0 ? (uint64_t)r.stop - (uint64_t)r.start : (uint64_t)r.start - (uint64_t)r.stop;
	uint64_t stride = r.step > 0 ? (uint64_t)r.step : 0 - (uint64_t)r.step;
	r.n = span > 0 ? (int64_t)((width - 1) / stride + 1) : 0;
	if (r.n > TS_J_MAX_RANGE)
		return ts_j_limit(in, "range too large (at most 100000 items)");
	struct ts_j_range *kept = ts_j_alloc(in, sizeof(*kept));
	if (!kept)
		return ts_j_alloc_status(in);
	*kept = r;
	*out = (struct ts_j_value){.kind = TS_J_RANGE, .u.range = kept};
	return 0;
}

static int put_pair(struct ts_j *in, struct ts_j_dict *d, const struct ts_j_value *pair)
{
	struct ts_j_list *items;
	TS_TRY(ts_j_to_list(in, pair, &items));
	if (items->n != 2)
		return ts_j_fail(in, "dict: expected pairs, found %zu items", items->n);
	return ts_j_dict_put(in, d, &items->items[0], &items->items[1]);
}

static int make_dict(struct ts_j *in, const struct ts_j_args *args, enum ts_j_kind kind, struct ts_j_value *out)
{
	struct ts_j_dict *d = ts_j_dict_new(in);
	if (!d)
		return ts_j_alloc_status(in);
	if (args->n > 1)
		return ts_j_fail(in, "dict expected at most 1 argument, got %zu", args->n);
	if (args->n && args->pos[0].kind == TS_J_DICT) {
		const struct ts_j_dict *from = args->pos[0].u.dict;
		for (size_t i = 0; i < from->n; i++)
			TS_TRY(ts_j_dict_put(in, d, &from->entries[i].key, &from->entries[i].value));
	} else if (args->n) {
		struct ts_j_list *pairs;
		TS_TRY(ts_j_to_list(in, &args->pos[0], &pairs));
		for (size_t i = 0; i < pairs->n; i++)
			TS_TRY(put_pair(in, d, &pairs->items[i]));
	}
	for (size_t i = 0; i < args->n_named; i++) {
		struct ts_j_value key = ts_j_string(args->names[i]);
		TS_TRY(ts_j_dict_put(in, d, &key, &args->named[i]));
	}
	*out = (struct ts_j_value){.kind = kind, .u.dict = d};
	return 0;
}

static int make_stream(struct ts_j *in, const struct ts_j_value *items, size_t n, enum ts_j_kind kind, struct ts_j_value *out)
{
	struct ts_j_list *list = ts_j_list_new(in, n);
	if (!list)
		return ts_j_alloc_status(in);
	memcpy(list->items, items, n * sizeof(*items));
	TS_TRY(ts_j_stream_new(in, list, kind == TS_J_CYCLER ? "Cycler" : "Joiner", out));
	out->kind = kind;
	return 0;
}

static int make_joiner(struct ts_j *in, const struct ts_j_args *args, struct ts_j_value *out)
{
	static const char *const params[] = {"sep"};
	const struct ts_j_value *got[1];
	struct ts_j_value sep;
	TS_TRY(ts_j_bind(in, "joiner", args, params, 1, 0, got));
	if (got[0])
		sep = *got[0];
	else
		TS_TRY(ts_j_str(in, ", ", 2, &sep));
	return make_stream(in, &sep, 1, TS_J_JOINER, out);
}

static int raise_exception(struct ts_j *in, const struct ts_j_args *args)
{
	static const char *const params[] = {"message"};
	const struct ts_j_value *got[1];
	struct ts_j_value text;
	TS_TRY(ts_j_bind(in, "raise_exception", args, params, 1, 1, got));
	TS_TRY(ts_j_to_str(in, got[0], &text));
	return ts_fail(in->err, TS_EINVAL, "%s", text.u.s->data);
}

static int strftime_now(struct ts_j *in, const struct ts_j_args *args, struct ts_j_value *out)
{
	static const char *const params[] = {"format"};
	const struct ts_j_value *got[1];
	const struct ts_j_string *format;
	struct tm now;
	TS_TRY(ts_j_bind(in, "strftime_now", args, params, 1, 1, got));
	TS_TRY(ts_j_need_text(in, "strftime_now", got[0], &format));
	if (in->input->now) {
		now = *in->input->now;
	} else {
		time_t clock = time(NULL);
		if (!localtime_r(&clock, &now))
			return ts_j_fail(in, "the clock cannot be read");
	}
	char text[4096];
	if (format->n > 1024)
		return ts_j_limit(in, "strftime_now: format too long");
	/* strftime gives 0 both for "" and for too long a result. */
	size_t n = strftime(text, sizeof(text), format->data, &now);
	return ts_j_str(in, text, n, out);
}

int ts_j_call_function(struct ts_j *in, int function, const struct ts_j_args *args, struct ts_j_value *out)
{
	switch ((enum function)function) {
	case F_RANGE:
		return make_range(in, args, out);
	case F_DICT:
		return make_dict(in, args, TS_J_DICT, out);
	case F_NAMESPACE:
		return make_dict(in, args, TS_J_NAMESPACE, out);
	case F_CYCLER:
		if (!args->n || args->n_named)
			return ts_j_fail(in, "cycler: at least one item has to be provided");
		return make_stream(in, args->pos, args->n, TS_J_CYCLER, out);
	case F_JOINER:
		return make_joiner(in, args, out);
	case F_RAISE:
		return raise_exception(in, args);
	case F_STRFTIME:
		return strftime_now(in, args, out);
	default:
		return ts_j_fail(in, "%s is not supported", names[function]);
	}
}
