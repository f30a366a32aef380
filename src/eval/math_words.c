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

/* --- commands --- */

static const struct word commands[] = {
	{"cdot", '*', 0},
	{"times", '*', 0},
	{"ast", '*', 0},
	{"div", '/', 0},
	{"colon", ':', 0},
	{"le", TS_TOKEN_LESS_EQ, 0},
	{"leq", TS_TOKEN_LESS_EQ, 0},
	{"leqslant", TS_TOKEN_LESS_EQ, 0},
	{"ge", TS_TOKEN_GREATER_EQ, 0},
	{"geq", TS_TOKEN_GREATER_EQ, 0},
	{"geqslant", TS_TOKEN_GREATER_EQ, 0},
	{"lt", '<', 0},
	{"gt", '>', 0},
	{"ne", TS_TOKEN_DIFFERS, 0},
	{"neq", TS_TOKEN_DIFFERS, 0},
	{"approx", TS_TOKEN_ABOUT, 0},
	{"in", TS_TOKEN_IN, 0},
	{"cup", TS_TOKEN_UNION, 0},
	{"cap", TS_TOKEN_MEET, 0},
	{"setminus", TS_TOKEN_WITHOUT, 0},
	{"backslash", TS_TOKEN_WITHOUT, 0},
	{"pm", TS_TOKEN_PLUSMINUS, '+'},
	{"mp", TS_TOKEN_PLUSMINUS, '-'},
	{"infty", TS_TOKEN_CONSTANT, 'f'},
	{"pi", TS_TOKEN_CONSTANT, 'p'},
	{"emptyset", TS_TOKEN_EMPTY_SET, 0},
	{"varnothing", TS_TOKEN_EMPTY_SET, 0},
	{"lfloor", TS_TOKEN_FLOOR_OPEN, 0},
	{"rfloor", TS_TOKEN_FLOOR_CLOSE, 0},
	{"lceil", TS_TOKEN_CEIL_OPEN, 0},
	{"rceil", TS_TOKEN_CEIL_CLOSE, 0},
	{"langle", TS_TOKEN_ANGLE_OPEN, 0},
	{"rangle", TS_TOKEN_ANGLE_CLOSE, 0},
	{"lvert", '|', 0},
	{"rvert", '|', 0},
	{"vert", '|', 0},
	{"mid", '|', 0},
	{"lbrace", TS_TOKEN_SET_OPEN, 0},
	{"rbrace", TS_TOKEN_SET_CLOSE, 0},
	{"frac", TS_TOKEN_FRACTION, 0},
	{"dfrac", TS_TOKEN_FRACTION, 0},
	{"tfrac", TS_TOKEN_FRACTION, 0},
	{"cfrac", TS_TOKEN_FRACTION, 0},
	{"sqrt", TS_TOKEN_ROOT, 0},
	{"binom", TS_TOKEN_BINOMIAL, 0},
	{"dbinom", TS_TOKEN_BINOMIAL, 0},
	{"tbinom", TS_TOKEN_BINOMIAL, 0},
	{"degree", TS_TOKEN_DEGREE, 0},
	{"R", TS_TOKEN_DOMAIN, 'R'},
};

static const char *const ignored[] = {"left", "right", "big",   "Big",          "bigl",      "bigr",   "Bigl",  "Bigr", "bigg",
				      "Bigg", "quad",  "qquad", "displaystyle", "textstyle", "limits", "boxed", "fbox"};

static const char *const letters[] = {"alpha",    "beta",    "gamma", "delta",  "epsilon", "varepsilon", "zeta",  "eta",   "theta",
				      "vartheta", "iota",    "kappa", "lambda", "mu",      "nu",         "xi",    "rho",   "sigma",
				      "tau",      "upsilon", "phi",   "varphi", "chi",     "psi",        "omega", "Gamma", "Delta",
				      "Theta",    "Lambda",  "Xi",    "Pi",     "Sigma",   "Phi",        "Psi",   "Omega", "ell"};

static const char *const texts[] = {"text", "textbf", "textit",       "textrm", "textsf", "texttt",
				    "mbox", "mathrm", "operatorname", "mathsf", "mathit"};
static const char *const accents[] = {"mathbf", "vec", "boldsymbol", "bm", "hat", "bar", "tilde", "mathcal", "overline"};

/* Signs beyond ASCII, as the ASCII or the command that they are. A space stands for nothing. */
static const struct {
	const char *bytes, *as;
} unicode[] = {
	{"\xE2\x88\x92", "-"},
	{"\xE2\x80\x93", "-"},
	{"\xC3\x97", "\\times "},
	{"\xC2\xB7", "\\cdot "},
	{"\xE2\x8B\x85", "\\cdot "},
	{"\xC3\xB7", "\\div "},
	{"\xE2\x89\xA4", "\\le "},
	{"\xE2\x89\xA5", "\\ge "},
	{"\xE2\x89\xA0", "\\ne "},
	{"\xE2\x89\x88", "\\approx "},
	{"\xE2\x88\x88", "\\in "},
	{"\xE2\x88\xAA", "\\cup "},
	{"\xE2\x88\xA9", "\\cap "},
	{"\xC2\xB1", "\\pm "},
	{"\xE2\x88\x93", "\\mp "},
	{"\xE2\x88\x9E", "\\infty "},
	{"\xCF\x80", "\\pi "},
	{"\xE2\x88\x9A", "\\sqrt "},
	{"\xE2\x88\x85", "\\emptyset "},
	{"\xC2\xB0", "\\degree "},
	{"\xE2\x84\x9D", "\\R "},
	{"\xC2\xB2", "^2 "},
	{"\xC2\xB3", "^3 "},
	{"\xCE\xB8", "\\theta "},
	{"\xCE\xB1", "\\alpha "},
	{"\xCE\xB2", "\\beta "},
	{"\xCE\xBB", "\\lambda "},
	{"\xC2\xBD", "\\frac12 "},
	{"\xC2\xBC", "\\frac14 "},
	{"\xC2\xBE", "\\frac34 "},
	{"\xE2\x8C\x8A", "\\lfloor "},
	{"\xE2\x8C\x8B", "\\rfloor "},
	{"\xE2\x8C\x88", "\\lceil "},
	{"\xE2\x8C\x89", "\\rceil "},
	{"\xC2\xA0", " "},
	{"\xE2\x80\xAF", " "},
	{"\xE2\x80\x89", " "},
	{"\xC2\xA3", " "},
	{"\xE2\x82\xAC", " "},
};

/* --- words --- */

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

static bool in(const char *const *table, size_t count, const char *s, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (same(table[i], s, n))
			return true;
	return false;
}
#define IN(table, s, n) in((table), sizeof(table) / sizeof(*(table)), (s), (n))

enum ts_math_command_use ts_math_command_use(const char *name, size_t n)
{
	if (IN(ignored, name, n))
		return TS_MATH_COMMAND_IGNORED;
	if (IN(texts, name, n))
		return TS_MATH_COMMAND_TEXT;
	if (IN(accents, name, n))
		return TS_MATH_COMMAND_ACCENT;
	return IN(letters, name, n) ? TS_MATH_COMMAND_LETTER : TS_MATH_COMMAND_OTHER;
}

int ts_math_command_type(const char *name, size_t n, int *op)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (same(commands[i].name, name, n)) {
			*op = commands[i].op;
			return commands[i].type;
		}
	int type = ts_math_word_type(name, n, op);
	return type == TS_TOKEN_FUNCTION ? type : 0;
}

const char *ts_math_beyond_ascii(const char *s, size_t n, size_t *len)
{
	for (size_t i = 0; i < sizeof(unicode) / sizeof(*unicode); i++) {
		*len = strlen(unicode[i].bytes);
		if (n >= *len && !memcmp(s, unicode[i].bytes, *len))
			return unicode[i].as;
	}
	return NULL;
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
