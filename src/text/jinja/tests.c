/* `x is name`. */
#include "text/jinja/run.h"

#include <string.h>

enum test {
	T_DEFINED,
	T_UNDEFINED,
	T_NONE,
	T_BOOLEAN,
	T_TRUE,
	T_FALSE,
	T_INTEGER,
	T_FLOAT,
	T_NUMBER,
	T_STRING,
	T_MAPPING,
	T_ITERABLE,
	T_SEQUENCE,
	T_CALLABLE,
	T_ESCAPED,
	T_LOWER,
	T_UPPER,
	T_ODD,
	T_EVEN,
	T_FILTER,
	T_TEST,
	T_WITH_ARGUMENT, /* those below take exactly one */
	T_DIVISIBLE = T_WITH_ARGUMENT,
	T_SAME,
	T_IN,
	T_EQ,
	T_NE,
	T_LT,
	T_LE,
	T_GT,
	T_GE,
};

static const struct {
	const char *name;
	enum test test;
} tests[] = {
	{"defined", T_DEFINED},
	{"undefined", T_UNDEFINED},
	{"none", T_NONE},
	{"boolean", T_BOOLEAN},
	{"true", T_TRUE},
	{"false", T_FALSE},
	{"integer", T_INTEGER},
	{"float", T_FLOAT},
	{"number", T_NUMBER},
	{"string", T_STRING},
	{"mapping", T_MAPPING},
	{"iterable", T_ITERABLE},
	{"sequence", T_SEQUENCE},
	{"callable", T_CALLABLE},
	{"escaped", T_ESCAPED},
	{"lower", T_LOWER},
	{"upper", T_UPPER},
	{"odd", T_ODD},
	{"even", T_EVEN},
	{"filter", T_FILTER},
	{"test", T_TEST},
	{"divisibleby", T_DIVISIBLE},
	{"sameas", T_SAME},
	{"in", T_IN},
	{"eq", T_EQ},
	{"equalto", T_EQ},
	{"==", T_EQ},
	{"ne", T_NE},
	{"!=", T_NE},
	{"lt", T_LT},
	{"lessthan", T_LT},
	{"<", T_LT},
	{"le", T_LE},
	{"<=", T_LE},
	{"gt", T_GT},
	{"greaterthan", T_GT},
	{">", T_GT},
	{"ge", T_GE},
	{">=", T_GE},
};

static int find(const struct ts_j_string *name)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (ts_j_is_text(name, tests[i].name))
			return (int)tests[i].test;
	return -1;
}

bool ts_j_test_known(const struct ts_j_string *name)
{
	return find(name) >= 0;
}

static bool of_kind(enum test test, const struct ts_j_value *v)
{
	switch (test) {
	case T_DEFINED:
		return v->kind != TS_J_UNDEFINED;
	case T_UNDEFINED:
		return v->kind == TS_J_UNDEFINED;
	case T_NONE:
		return v->kind == TS_J_NONE;
	case T_BOOLEAN:
		return v->kind == TS_J_BOOL;
	case T_TRUE:
	case T_FALSE:
		return v->kind == TS_J_BOOL && v->u.b == (test == T_TRUE);
	case T_INTEGER:
		return v->kind == TS_J_INT;
	case T_FLOAT:
		return v->kind == TS_J_FLOAT;
	case T_NUMBER:
		return ts_j_number(v);
	case T_STRING:
		return v->kind == TS_J_STRING;
	case T_MAPPING:
		return v->kind == TS_J_DICT;
	case T_ITERABLE:
		return ts_j_iterable(v);
	case T_SEQUENCE: /* what has a length and can be indexed, so a dict and an undefined value too */
		return ts_j_has_length(v) && v->kind != TS_J_VIEW;
	case T_CALLABLE: /* Undefined has __call__, if only to fail */
		return v->kind == TS_J_FUNCTION || v->kind == TS_J_METHOD || v->kind == TS_J_MACRO || v->kind == TS_J_UNDEFINED ||
		       v->kind == TS_J_LOOP || v->kind == TS_J_JOINER;
	default:
		return v->kind == TS_J_STRING && v->safe;
	}
}

static int text_case(struct ts_j *in, enum test test, const struct ts_j_value *v, bool *out)
{
	static const struct ts_j_args none;
	struct ts_j_value s, answer;
	TS_TRY(ts_j_to_str(in, v, &s));
	const struct ts_j_method_def *def = ts_j_string_method(test == T_UPPER ? "isupper" : "islower");
	TS_TRY(def->call(in, &s, &none, &answer));
	*out = answer.u.b;
	return 0;
}

static int remainder_is(struct ts_j *in, const struct ts_j_value *v, const struct ts_j_value *by, int64_t want, bool *out)
{
	struct ts_j_value rest, expected = ts_j_int(want);
	TS_TRY(ts_j_binary(in, TS_J_T_MOD, v, by, &rest));
	return ts_j_equal(in, &rest, &expected, out);
}

static bool same(const struct ts_j_value *a, const struct ts_j_value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case TS_J_NONE:
		return true;
	case TS_J_BOOL:
		return a->u.b == b->u.b;
	case TS_J_INT:
		return a->u.i == b->u.i && a->u.i >= -5 && a->u.i <= 256; /* the integers of which CPython keeps one */
	case TS_J_FLOAT:
		return false;
	case TS_J_FUNCTION:
		return a->u.function == b->u.function;
	case TS_J_METHOD:
	case TS_J_UNDEFINED:
		return false;
	default:
		return a->u.list == b->u.list;
	}
}

static int with_argument(struct ts_j *in, enum test test, const struct ts_j_value *v, const struct ts_j_value *arg, bool *out)
{
	static const int ops[] = {TS_J_T_EQ, TS_J_T_NE, TS_J_T_LT, TS_J_T_LE, TS_J_T_GT, TS_J_T_GE};
	switch (test) {
	case T_DIVISIBLE:
		return remainder_is(in, v, arg, 0, out);
	case T_SAME:
		*out = same(v, arg);
		return 0;
	case T_IN:
		return ts_j_contains(in, v, arg, out);
	default:
		return ts_j_compare(in, ops[test - T_EQ], v, arg, out);
	}
}

int ts_j_test(struct ts_j *in, const struct ts_j_string *name, const struct ts_j_value *v, const struct ts_j_args *args, bool *out)
{
	struct ts_j_value two = ts_j_int(2);
	int found = find(name);
	if (found < 0)
		return ts_j_fail(in, "no test named '%s'", name->data);
	enum test test = (enum test)found;
	size_t given = args->n + args->n_named, wanted = test >= T_WITH_ARGUMENT;
	if (given != wanted)
		return ts_j_fail(in, "test '%s' takes %zu arguments, %zu given", name->data, wanted, given);
	if (wanted)
		return with_argument(in, test, v, args->n ? args->pos : args->named, out);
	if (test == T_ODD || test == T_EVEN)
		return remainder_is(in, v, &two, test == T_ODD, out);
	if (test == T_LOWER || test == T_UPPER)
		return text_case(in, test, v, out);
	if (test == T_FILTER || test == T_TEST) {
		*out = v->kind == TS_J_STRING && (test == T_FILTER ? ts_j_filter_known(v->u.s) : ts_j_test_known(v->u.s));
		return 0;
	}
	*out = of_kind(test, v);
	return 0;
}
