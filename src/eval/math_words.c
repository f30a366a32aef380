#include "eval/math_words.h"

#include "eval/math_lex.h"
#include "eval/math_tree.h"

#include <string.h>
#include <strings.h>

struct word {
	const char *name;
	int type, op;
};

static const struct word words[] = {
	{"sin", TS_TOKEN_FUNCTION, TS_MATH_SIN},
	{"cos", TS_TOKEN_FUNCTION, TS_MATH_COS},
	{"tan", TS_TOKEN_FUNCTION, TS_MATH_TAN},
	{"cot", TS_TOKEN_FUNCTION, TS_MATH_COT},
	{"sec", TS_TOKEN_FUNCTION, TS_MATH_SEC},
	{"csc", TS_TOKEN_FUNCTION, TS_MATH_CSC},
	{"sinh", TS_TOKEN_FUNCTION, TS_MATH_SINH},
	{"cosh", TS_TOKEN_FUNCTION, TS_MATH_COSH},
	{"tanh", TS_TOKEN_FUNCTION, TS_MATH_TANH},
	{"arcsin", TS_TOKEN_FUNCTION, TS_MATH_ARCSIN},
	{"arccos", TS_TOKEN_FUNCTION, TS_MATH_ARCCOS},
	{"arctan", TS_TOKEN_FUNCTION, TS_MATH_ARCTAN},
	{"asin", TS_TOKEN_FUNCTION, TS_MATH_ARCSIN},
	{"acos", TS_TOKEN_FUNCTION, TS_MATH_ARCCOS},
	{"atan", TS_TOKEN_FUNCTION, TS_MATH_ARCTAN},
	{"ln", TS_TOKEN_FUNCTION, TS_MATH_LOG},
	{"log", TS_TOKEN_FUNCTION, TS_MATH_LOG},
	{"exp", TS_TOKEN_FUNCTION, TS_MATH_EXP},
	{"abs", TS_TOKEN_FUNCTION, TS_MATH_ABS},
	{"floor", TS_TOKEN_FUNCTION, TS_MATH_FLOOR},
	{"ceil", TS_TOKEN_FUNCTION, TS_MATH_CEIL},
	{"and", TS_TOKEN_AND, 'a'},
	{"or", TS_TOKEN_AND, 'o'},
	{"pi", TS_TOKEN_CONSTANT, 'p'},
	{"inf", TS_TOKEN_CONSTANT, 'f'},
	{"infinity", TS_TOKEN_CONSTANT, 'f'},
	{"sqrt", TS_TOKEN_ROOT, 0},
};

static const char *const units[] = {
	"cm",  "mm",  "km", "dm",  "ft",  "yd",  "mi", "kg", "mg", "lb",  "lbs", "oz", "ml",  "mL",  "hr", "hrs",
	"min", "sec", "ms", "mph", "kph", "kmh", "Hz", "kW", "in", "gal", "pt",  "qt", "rad", "deg", "am", "pm",
};

/* Short words that are no product of variables. */
static const char *const short_words[] = {
	"yes", "no",  "odd", "even", "all", "the", "for", "per", "day", "cup",
	"cat", "dog", "red", "one",  "two", "six", "ten", "is",  "of",  "to",
};

static const char *const number_words[] = {"zero",     "one",     "two",     "three",     "four",     "five",     "six",
					   "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
					   "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
static const char *const tens[] = {"thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};

static const struct {
	const char *name;
	long value;
} scales[] = {
	{"dozen", 12}, {"hundred", 100}, {"thousand", 1000}, {"million", 1000000}, {"billion", 1000000000}, {"trillion", 1000000000000},
};

static bool same(const char *name, const char *s, size_t n)
{
	return strlen(name) == n && !memcmp(name, s, n);
}

int ts_math_word_type(const char *s, size_t n, int *op)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (same(words[i].name, s, n)) {
			*op = words[i].op;
			return words[i].type;
		}
	return 0;
}

bool ts_math_is_word(const char *s, size_t n, bool unit)
{
	if (n >= 4)
		return true;
	for (size_t i = 0; unit && i < sizeof(units) / sizeof(*units); i++)
		if (same(units[i], s, n))
			return true;
	for (size_t i = 0; i < sizeof(short_words) / sizeof(*short_words); i++)
		if (strlen(short_words[i]) == n && !strncasecmp(short_words[i], s, n))
			return true;
	return false;
}

int ts_math_number_word(const char *s)
{
	for (size_t i = 0; i < sizeof(number_words) / sizeof(*number_words); i++)
		if (!strcasecmp(number_words[i], s))
			return (int)i;
	for (size_t i = 0; i < sizeof(tens) / sizeof(*tens); i++)
		if (!strcasecmp(tens[i], s))
			return 30 + 10 * (int)i;
	return -1;
}

long ts_math_scale_word(const char *s)
{
	size_t n = strlen(s);
	if (n > 3 && (s[n - 1] == 's'))
		n--;
	for (size_t i = 0; i < sizeof(scales) / sizeof(*scales); i++)
		if (strlen(scales[i].name) == n && !strncasecmp(scales[i].name, s, n))
			return scales[i].value;
	return 0;
}
