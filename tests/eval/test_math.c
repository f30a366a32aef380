/* What the strict grader takes as equal, kind by kind, and what it does with answers made to hurt. */
#include "eval/math_compare.h"

#include "core/mem.h"
#include "eval/paper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static enum ts_math_verdict compare(const char *a, const char *b)
{
	enum ts_math_verdict verdict;
	assert_int_equal(ts_math_compare(a, strlen(a), b, strlen(b), &verdict), 0);
	return verdict;
}

struct couple {
	const char *a, *b;
};

static void all_equal(const struct couple *couples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (compare(couples[i].a, couples[i].b) != TS_MATH_EQUAL)
			fail_msg("%s is not %s", couples[i].a, couples[i].b);
		if (compare(couples[i].b, couples[i].a) != TS_MATH_EQUAL)
			fail_msg("%s is not %s", couples[i].b, couples[i].a);
	}
}

static void none_equal(const struct couple *couples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (compare(couples[i].a, couples[i].b) == TS_MATH_EQUAL)
			fail_msg("%s is %s", couples[i].a, couples[i].b);
		if (compare(couples[i].b, couples[i].a) == TS_MATH_EQUAL)
			fail_msg("%s is %s", couples[i].b, couples[i].a);
	}
}
#define ALL_EQUAL(table)  all_equal((table), sizeof(table) / sizeof(*(table)))
#define NONE_EQUAL(table) none_equal((table), sizeof(table) / sizeof(*(table)))

static void numbers(void **state)
{
	static const struct couple same[] = {
		{"10,000", "10 000"},
		{"1,000,000", "1000000"},
		{"12,345.67", "12345.67"},
		{"11,\\! 111,\\! 111,\\! 100", "11111111100"},
		{"007", "7"},
		{".5", "0.50"},
		{"0.\\overline{3}", "\\frac13"},
		{"0.1\\overline{6}", "1/6"},
		{"1\\frac{1}{2}", "3/2"},
		{"2 1/3", "7/3"},
		{"-1\\frac12", "-\\frac32"},
		{"137 \\frac{1}{2}", "137.5"},
		{"\\frac 59", "\\frac{10}{18}"},
		{"\\frac9{19}", "9/19"},
		{"\\frac{270}7\\text{ degrees}", "270/7"},
		{"5 million", "5000000"},
		{"3 dozen", "36"},
		{"3 \\times 10^{5}", "300000"},
		{"1.5\\cdot10^{-3}", "0.0015"},
		{"seven", "7"},
		{"A1F_{16}", "2591"},
		{"101_2", "5"},
		{"1{,}000_2", "8"},
		{"70%", "7/10"},
		{"33\\frac13\\%", "\\frac13"},
		{"50\\%", "50"},
		{"145^\\circ", "145"},
		{"180^\\circ", "\\pi"},
		{"5\\text{ cm}", "5"},
		{"15\\mbox{ cm}^2", "15"},
		{"25 km/h", "25"},
		{"\\$5.00", "5"},
		{"\\text{5 cm}", "5"},
		{"3:4", "6:8"},
		{"3:4", "\\frac34"},
		{"1:2:3", "2:4:6"},
		{"10-3=7", "7"},
		{"\\pi", "3.14159265358979"},
		{"\\sqrt2", "1.414213562373095"},
		{"5 m", "5"},
		{"9.8 m/s^2", "9.8"},
		{"20^\\circ\\text{C}", "20"},
		{"FF_{16}", "255"},
		{"1101_{\\text{two}}", "13"},
	};
	static const struct couple other[] = {
		{"1,00", "100"},
		{"1,2,3", "123"},
		{"1000,99", "100099"},
		{"0.333", "\\frac13"},
		{"3.14", "\\pi"},
		{"\\pi", "3.14159265358978"},
		{"\\sqrt2", "1.41421356237"},
		{"1\\frac12", "\\frac12"},
		{"0.25", "25"},
		{"5", "500"},
		{"0.5\\%", "50"},
		{"10\\%", "1"},
		{"12:00", "1:00"},
		{"1:2", "2:1"},
		{"1000_2", "1000"},
		{"204_5", "205_5"},
		{"5 dozen", "5"},
		{"99999", "100000"},
		{"1/0", "2/0"},
		{"0^0", "1"},
		{"123456789012345678901234567890", "123456789012345678901234567891"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void exact_values(void **state)
{
	static const struct couple same[] = {
		{"\\sqrt{8}", "2\\sqrt{2}"},
		{"\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt3}"},
		{"\\frac{4}{3-\\sqrt5}", "3+\\sqrt5"},
		{"\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"},
		{"\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}", "1"},
		{"\\sqrt[3]{5\\sqrt{13}+18}-\\sqrt[3]{5\\sqrt{13}-18}", "3"},
		{"\\sqrt2+\\sqrt3+\\sqrt5", "\\sqrt{10+2\\sqrt6+2\\sqrt{10}+2\\sqrt{15}}"},
		{"3\\sqrt[3]{2}", "\\sqrt[3]{54}"},
		{"\\sqrt[3]{-8}", "-2"},
		{"(-8)^{1/3}", "-2"},
		{"2^{1/2}", "\\sqrt2"},
		{"2^{100}", "1267650600228229401496703205376"},
		{"2^10", "1024"},
		{"\\sqrt{-4}", "2i"},
		{"\\frac1i", "-i"},
		{"(1+i)^2", "2i"},
		{"|3+4i|", "5"},
		{"|\\pi-4|", "4-\\pi"},
		{"e^{i\\pi}", "-1"},
		{"e^{2\\ln 3}", "9"},
		{"\\ln(e^2)", "2"},
		{"\\ln\\sqrt{e}", "\\frac12"},
		{"\\ln 6", "\\ln 2+\\ln 3"},
		{"\\log_{10} 1000", "3"},
		{"\\log_2 \\frac18", "-3"},
		{"\\log_28", "3"},
		{"\\frac{e^2-1}{e-1}", "e+1"},
		{"\\pi^2", "\\pi\\cdot\\pi"},
		{"\\sin 30^\\circ", "\\frac12"},
		{"\\cos\\frac{\\pi}{5}", "\\frac{1+\\sqrt5}{4}"},
		{"\\sin\\frac{\\pi}{12}", "\\frac{\\sqrt6-\\sqrt2}{4}"},
		{"\\tan\\frac{\\pi}{8}", "\\sqrt2-1"},
		{"\\cos(\\pi/7)\\cos(2\\pi/7)\\cos(3\\pi/7)", "1/8"},
		{"\\arctan 1", "\\frac{\\pi}{4}"},
		{"\\arcsin\\frac12", "\\frac{\\pi}{6}"},
		{"\\cos^{-1}\\frac{1}{2}", "\\pi/3"},
		{"\\binom{5}{2}", "10"},
		{"\\frac{10!}{8!}", "90"},
		{"\\lfloor -0.5\\rfloor", "-1"},
		{"\\lceil\\sqrt{10}\\rceil", "4"},
		{"√2·√3", "√6"},
		{"2π", "6.283185307179586"},
	};
	static const struct couple other[] = {
		{"\\sqrt2+\\sqrt3", "\\sqrt5"},
		{"\\frac{22}{7}", "\\pi"},
		{"e^{\\pi}", "\\pi^e"},
		{"e^{\\pi\\sqrt{163}}", "262537412640768744"},
		{"i", "-i"},
		{"6+5i", "6-5i"},
		{"-2", "2"},
		{"10^{-3}", "10^3"},
		{"2^{\\frac12}", "\\frac12"},
		{"\\frac{1}{2006!}", "\\frac{1}{2004!}"},
		{"\\sqrt{10^{40}+1}", "10^{20}"},
		{"\\ln 0", "0"},
		{"\\tan 90^\\circ", "0"},
		{"e", "\\pi"},
		{"\\log 100", "2"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void expressions(void **state)
{
	static const struct couple same[] = {
		{"(x-1)(x+1)", "x^2-1"},
		{"x(x+2)", "x^2+2x"},
		{"3x + 2y", "2y+3x"},
		{"a^{2}b", "ba^2"},
		{"(x+1)^{50}", "(1+x)^{50}"},
		{"\\frac{x^2+2x+1}{x+1}", "x+1"},
		{"\\frac{a}{b}+\\frac{c}{d}", "\\frac{ad+bc}{bd}"},
		{"1/2x", "\\frac{x}{2}"},
		{"x^2\\frac12", "\\frac{x^2}{2}"},
		{"\\sqrt{x^2}", "|x|"},
		{"\\sqrt{ab}", "\\sqrt a\\sqrt b"},
		{"\\cos^2 x + \\sin^2 x", "1"},
		{"\\sin 2x", "2\\sin x\\cos x"},
		{"\\cos(2x)", "2\\cos^2 x-1"},
		{"\\tan x", "\\frac{\\sin x}{\\cos x}"},
		{"\\cos(x+\\frac{\\pi}{2})", "-\\sin x"},
		{"e^{2x}", "(e^x)^2"},
		{"e^{x/2}", "\\sqrt{e^x}"},
		{"2^{x+1}", "2\\cdot2^x"},
		{"\\ln(x^2)", "2\\ln x"},
		{"n!", "n\\cdot(n-1)!"},
		{"x_1+x_2", "x_2+x_1"},
		{"f(x)+1", "1+f(x)"},
		{"\\alpha\\beta", "\\beta\\alpha"},
		{"3R^2", "R^2+2R^2"},
	};
	static const struct couple other[] = {
		{"x^2+1", "x^2-1"},
		{"2x", "2y"},
		{"x2", "x^2"},
		{"q-p", "p-q"},
		{"\\sqrt{x^2}", "x"},
		{"\\sin x", "x"},
		{"\\sin x", "\\cos x"},
		{"\\frac{\\sin x}{x}", "1"},
		{"(x+y+z)^3", "x^3+y^3+z^3"},
		{"f(x)", "f(y)"},
		{"f(x)", "fx"},
		{"x", "X"},
		{"\\sqrt{1+x}", "1+x/2"},
		{"(+5)(b+2)", "(a+5)(b+2)"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void equations(void **state)
{
	static const struct couple same[] = {
		{"2x+3=y", "y=2x+3"},
		{"y=-\\frac{x}{2}+\\frac34", "2x+4y-3=0"},
		{"x^2+y^2=4", "2x^2+2y^2=8"},
		{"2x=10", "x=5"},
		{"x=5", "5"},
		{"5=y", "5"},
		{"f(x)=x^2+1", "x^2+1"},
		{"m+n=45", "45"},
		{"y=2x+3", "2x+3"},
		{"x=1/3\\approx 1.3", "1/3"},
		{"x=2/4=1/2", "0.5"},
		{"(x,y)=(3,2)", "x=3, y=2"},
		{"x=2, y=3", "y=3, x=2"},
		{"(p,q)=(3,2)", "(3,2)"},
		{"x=2\\text{ or }x=3", "2,3"},
		{"n=1,2,3", "1,2,3"},
		{"\\sin A=\\frac35", "3/5"},
		{"x=3\\pm\\sqrt2", "3-\\sqrt2, 3+\\sqrt2"},
		{"\\text{The answer is } 4", "4"},
		{"f^{-1}(x)=2x", "2x"},
		{"f'(x)=2x", "2x"},
		{"\\frac{dy}{dx}=2x", "2x"},
		{"x^2 - 5x + 6 = 0", "(x-2)(x-3)=0"},
	};
	static const struct couple other[] = {
		{"7=11a+c", "11a+c"}, {"y=3x, z=2", "3x"},        {"x=2", "y=2"},         {"x=5", "x=6"},         {"2x=10", "10"},
		{"-x=5", "5"},        {"x^2+y^2=4", "x^2+y^2=5"}, {"n=1,2,3", "n=2,3,4"}, {"a=1,b=2", "a=2,b=1"}, {"|x|=3", "3"},
		{"y=2x+3", "y=2x-3"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void collections(void **state)
{
	static const struct couple same[] = {
		{"(1,4.5)", "(1,9/2)"},
		{"(120,130)", "(120, 130)"},
		{"1,2,3", "3,2,1"},
		{"(1,2),(3,4)", "(3,4),(1,2)"},
		{"2 \\text{ and } 3", "2,3"},
		{"$21,16$ or $11$", "11, 16, 21"},
		{"\\pm2", "2,-2"},
		{"3\\pm2\\sqrt2", "3+2\\sqrt2,3-2\\sqrt2"},
		{"\\{1\\pm\\sqrt{5},-2\\}", "-2,1-\\sqrt5,1+\\sqrt5"},
		{"\\left\\{\\frac12, 3\\right\\}", "3,0.5"},
		{"\\{1,1,2\\}", "\\{2,1\\}"},
		{"\\emptyset", "\\{\\}"},
		{"\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"},
		{"\\frac{1}{2}\\begin{pmatrix}2\\\\4\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"},
		{"-\\begin{pmatrix}1\\\\0.5\\end{pmatrix}", "\\begin{pmatrix}-1\\\\-1/2\\\\\\end{pmatrix}"},
		{"\\left[\\begin{array}{cc}1 & 0\\\\0 & 1\\end{array}\\right]", "\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}"},
		{"\\langle 1,2\\rangle", "(1,2)"},
		{"[18]", "18"},
		{"\\text{no solution}", "\\emptyset"},
	};
	static const struct couple other[] = {
		{"(1,2)", "(2,1)"},
		{"(1,2)", "(1,2,3)"},
		{"(1,2)", "1,2"},
		{"\\{1,2\\}", "(1,2)"},
		{"1,2", "1,2,3"},
		{"1,1,2", "1,2"},
		{"2021", "\\pm2021"},
		{"\\emptyset", "\\{0\\}"},
		{"\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"},
		{"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}"},
		{"1,000", "0,1"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void regions(void **state)
{
	static const struct couple same[] = {
		{"[-2, 7]", "[-2,7]"},
		{"x\\in[-2,7]", "-2\\le x\\le 7"},
		{"x \\le 3", "(-\\infty,3]"},
		{"5\\ge x", "x\\le5"},
		{"-x>-1", "x<1"},
		{"2x+1<7", "x<3"},
		{"3>x>1", "1<x<3"},
		{"1<x<3", "(1,3)"},
		{"(2,\\infty)\\cup(-\\infty,1)", "(-\\infty,1)\\cup(2,\\infty)"},
		{"x<1\\text{ or }x>2", "(-\\infty,1)\\cup(2,\\infty)"},
		{"x>1\\text{ and }x<2", "(1,2)"},
		{"(-\\infty,\\infty)", "\\mathbb{R}"},
		{"(0,+\\infty)", "x>0"},
		{"x\\neq 3", "(-\\infty,3)\\cup(3,\\infty)"},
		{"\\mathbb{R}\\setminus\\{3\\}", "x\\ne3"},
		{"(2,3]\\cup(3,4)", "(2,4)"},
		{"[0,5]\\cap[3,8]", "[3,5]"},
		{"\\{x\\mid x>2\\}", "(2,\\infty)"},
		{"x^2+y^2<4", "4>x^2+y^2"},
		{"(-\\sqrt{3}, \\sqrt{3})", "(-3^{1/2},3^{1/2})"},
		{"x>\\sqrt2", "x>2^{1/2}"},
		{"x \\geq 2 \\text{ or } x \\leq -2", "|x| \\ge 2"},
		{"|x-1|<3", "(-2,4)"},
		{"3>|x|", "-3<x<3"},
		{"\\text{all real numbers}", "\\mathbb{R}"},
		{"-\\infty<x<\\infty", "(-\\infty,\\infty)"},
		{"(-\\infty,-1)\\cup(-1,\\infty)", "x \\neq -1"},
	};
	static const struct couple other[] = {
		{"[0,1)", "(0,1)"},
		{"(2,5]", "[2,5)"},
		{"x<3", "(-\\infty,3]"},
		{"x<5", "x\\le5"},
		{"x<5", "y<5"},
		{"x>1", "x<1"},
		{"\\mathbb{R}", "\\mathbb{Z}"},
		{"(2,3)\\cup(3,4)", "(2,4)"},
		{"x^2<4", "x^2>4"},
		{"-x^2<4", "x^2<4"},
		{"[1,2]", "[1,3]"},
		{"x>\\sqrt2", "x>1.4142135"},
	};
	ALL_EQUAL(same);
	NONE_EQUAL(other);
}

static void unread(void **state)
{
	static const char *const texts[] = {"\\frac{1}{",
					    "\\sum_{k=1}^n k",
					    "1 2",
					    "5 feet 3",
					    "\\",
					    "}",
					    "\\begin{cases} 1 \\end{cases}",
					    "\\begin{pmatrix} 1 & 2 \\\\ 3 \\end{pmatrix}",
					    "x_",
					    "29_8",
					    "(1,2",
					    "\xFF\xFE"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(compare(texts[i], "1"), TS_MATH_UNREAD);
}

/* --- answers made to hurt --- */

/* `piece` n times. */
static char *repeated(const char *before, const char *piece, size_t n, const char *middle, const char *closing, const char *after)
{
	size_t size = strlen(before) + n * (strlen(piece) + strlen(closing)) + strlen(middle) + strlen(after) + 1;
	char *out = malloc(size), *at = out;
	assert_non_null(out);
	at = stpcpy(at, before);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, piece);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, closing);
	strcpy(at, after);
	return out;
}

/* Through both graders, boxed or not, against a gold answer. They come back; how long it took is printed. */
static void endure(char *answer, const char *gold, bool equal)
{
	struct ts_grade g = {0};
	clock_t start = clock();
	char *boxed = repeated("So \\boxed{", answer, 1, "", "", "}.");
	assert_int_equal(ts_grade(TS_DATASET_MATH, boxed, strlen(boxed), gold, strlen(gold), &g), 0);
	if (g.equal != equal)
		fail_msg("%.60s: %s", answer, equal ? "not equal" : "equal");
	clock_t middle = clock();
	assert_int_equal(ts_grade(TS_DATASET_GSM8K, answer, strlen(answer), "#### 7", 6, &g), 0);
	assert_false(g.equal);
	print_message("%6.1f ms boxed, %6.1f ms bare: %.40s\n", 1e3 * (double)(middle - start) / CLOCKS_PER_SEC,
		      1e3 * (double)(clock() - middle) / CLOCKS_PER_SEC, answer);
	ts_grade_release(&g);
	free(boxed);
	free(answer);
}

static char *copy(const char *s)
{
	return repeated(s, "", 0, "", "", "");
}

/* Two sets in each set: {{x, 0+x}, {x, 0+x}}. */
static char *nested_sets(const char *name, int depth)
{
	char *out = copy(name);
	for (int i = 0; i < depth; i++) {
		char *half = repeated("\\{", out, 1, i ? "," : ",0+", "", out), *whole = repeated(half, "\\}", 1, "", "", "");
		free(half);
		free(out);
		out = whole;
	}
	return out;
}

static void hostile(void **state)
{
	char *others = nested_sets("y", 7);
	endure(nested_sets("x", 7), others, false);
	free(others);
	endure(repeated("", "(", 2000, "1", ")", ""), "1", false);
	endure(repeated("", "{", 50000, "1", "}", ""), "1", false);
	endure(repeated("", "9^", 900, "9", "", ""), "3", false);
	endure(copy("9^{9^{9^{9^{9^{9}}}}}"), "3", false);
	endure(repeated("", "9", 1000000, "", "", ""), "9", false);
	endure(repeated("", "\\frac{", 1000, "", "", ""), "3", false);
	endure(repeated("\\left(\\sqrt{", "\\left[\\sqrt{", 100, "2", "", ""), "3", false);
	endure(copy("1000000000!"), "3", false);
	endure(copy("((((9!)!)!)!)!"), "3", false);
	endure(repeated("", "!", 2000, "", "", ""), "3", false);
	endure(repeated("3000!", "+3000!-3000!", 60, "-3000!", "", ""), "0", false);
	endure(copy("(a+b+c+d+e+f+g+h)^{100000}"), "(h+g+f+e+d+c+b+a)^{100000}", false);
	endure(copy("((((x+1)^{100}+1)^{100}+1)^{100}+1)^{100}"), "((((1+x)^{100}+1)^{100}+1)^{100}+1)^{100}", false);
	endure(copy("\\sqrt[64]{2}\\sqrt[63]{3}\\sqrt[61]{5}"), "\\sqrt[61]{5}\\sqrt[63]{3}\\sqrt[64]{2}", false);
	endure(copy("\\sqrt{2}+\\sqrt{3}+\\sqrt{5}+\\sqrt{7}+\\sqrt{11}+\\sqrt{13}+\\sqrt{17}+\\sqrt{19}"),
	       "\\sqrt{19}+\\sqrt{17}+\\sqrt{13}+\\sqrt{11}+\\sqrt{7}+\\sqrt{5}+\\sqrt{3}+\\sqrt{2}", true);
	endure(repeated("", "\\sqrt{2+", 48, "2", "}", ""), "2", false);
	endure(repeated("", "\\pm", 600, "1", "", ""), "1", false);
	endure(repeated("", "\\pm1", 12, "", "", ""), "1", false);
	endure(repeated("", "\\sin ", 300, "x", "", ""), "x", false);
	endure(repeated("1", ",\\sqrt{2}", 62, "", "", ""), "2", false);
	endure(repeated("x>1", ",x>\\sqrt{2}", 60, "", "", ""), "x>1", true);
	endure(copy("\\binom{1000000}{500000}"), "2", false);
	endure(copy("e^{e^{e^{e^{e^{e}}}}}"), "2", false);
	endure(copy("(1+10^{-300})^{10^{300}}"), "e", false);
	endure(copy("\\sqrt{10^{900}+1}-\\sqrt{10^{900}}"), "0", false);
	endure(copy("\\lfloor 10^{30000}\\pi\\rfloor"), "3", false);
	endure(copy("\\ln 4611686014132420609"), "2\\ln 2147483647", true);
	endure(copy("\\sin(10^{9000})"), "0", false);
	endure(repeated("", "\\text{", 3000, "a", "}", ""), "b", false);
	endure(repeated("", "5/", 190, "5", "", ""), "7", false);
	endure(repeated("", "\\begin{pmatrix}", 200, "1", "\\end{pmatrix}", ""), "1", false);
}

/* Tokens in any order, against themselves and each other: nothing to assert but that it ends, and the sanitizers watch. */
static void nonsense(void **state)
{
	static const char *const pieces[] = {
		"1",
		"2",
		"x",
		"y",
		"\\pi",
		"e",
		"i",
		"+",
		"-",
		"*",
		"/",
		"^",
		"{",
		"}",
		"(",
		")",
		"[",
		"]",
		",",
		"=",
		"<",
		"\\le",
		"\\frac",
		"\\sqrt",
		"\\sin ",
		"\\ln ",
		"!",
		"%",
		"^\\circ ",
		"\\pm ",
		"\\cup ",
		"\\infty ",
		"\\{",
		"\\}",
		"|",
		":",
		"_",
		"\\binom",
		"999999",
		"0.5",
		"\\text{a",
		"\\lfloor ",
		" and ",
		"\\in ",
		"\\rfloor ",
		"\\arctan ",
		"10",
		"&",
		"\\begin{pmatrix}",
		"\\end{pmatrix}",
		"\\\\",
	};
	enum { PIECES = sizeof(pieces) / sizeof(*pieces), ROUNDS = 6000, LENGTH = 14 };
	unsigned word = 7;
	char previous[512] = "1";
	for (int round = 0; round < ROUNDS; round++) {
		char s[512] = "";
		for (int k = 0; k < LENGTH; k++) {
			word = word * 1664525u + 1013904223u;
			strcat(s, pieces[(word >> 16) % PIECES]);
		}
		compare(s, previous);
		assert_int_not_equal(compare(s, s), TS_MATH_DIFFERENT);
		strcpy(previous, s);
	}
}

/* Sums and products of small things in two orders: equal, whatever they are; with one more: not. */
static void reordered(void **state)
{
	static const char *const terms[] = {"\\sqrt{2}", "\\frac{3}{7}", "x",  "x^2y",   "\\pi", "3\\sqrt[3]{5}",
					    "e^2",       "\\frac{1}{y}", "-7", "2^{1/4}"};
	enum { TERMS = sizeof(terms) / sizeof(*terms) };
	for (int first = 0; first < TERMS; first++) {
		char a[256] = "0", b[256] = "0", more[300];
		for (int k = 0; k < TERMS; k++) {
			snprintf(a + strlen(a), sizeof(a) - strlen(a), "+(%s)", terms[k]);
			snprintf(b + strlen(b), sizeof(b) - strlen(b), "+(%s)", terms[(first + 3 * k) % TERMS]);
		}
		snprintf(more, sizeof(more), "%s+10^{-30}", b);
		assert_int_equal(compare(a, b), TS_MATH_EQUAL);
		assert_int_equal(compare(a, more), TS_MATH_DIFFERENT);
	}
}

static void no_memory(void **state)
{
	static const struct couple couples[] = {{"x\\le 3, 2^{1/2}", "\\sqrt2"}, {"\\pm\\sqrt{4}", "-2,2"}, {"(1,2)\\cup(2,3)", "x<3"}};
	for (size_t k = 0; k < sizeof(couples) / sizeof(*couples); k++) {
		int failures = 0;
		for (size_t i = 1;; i++) {
			enum ts_math_verdict verdict;
			ts_mem_fail_at(i);
			int status = ts_math_compare(couples[k].a, strlen(couples[k].a), couples[k].b, strlen(couples[k].b), &verdict);
			ts_mem_fail_at(0);
			if (!status)
				break;
			assert_int_equal(status, TS_ENOMEM);
			failures++;
		}
		assert_true(failures >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),     cmocka_unit_test(exact_values), cmocka_unit_test(expressions), cmocka_unit_test(equations),
		cmocka_unit_test(collections), cmocka_unit_test(regions),      cmocka_unit_test(unread),      cmocka_unit_test(hostile),
		cmocka_unit_test(nonsense),    cmocka_unit_test(reordered),    cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
