#include "eval/paper.h"

#include "core/mem.h"
#include "core/status.h"
#include "eval/math_lex.h"
#include "eval/math_parse.h"
#include "eval/math_value.h"
#include "eval/math_zero.h"
#include "eval/paper_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- what is the answer? --- */

static const char *after_last(const char *s, const char *phrase)
{
	const char *found = NULL;
	for (const char *hit; (hit = strstr(s, phrase)); s = found)
		found = hit + strlen(phrase);
	return found;
}

/* What stands in the braces, or up to the end where they do not close; without braces up to the next $. */
static int boxed(const char *s, struct ts_str *out)
{
	size_t depth = 1;
	if (*s != '{')
		return ts_str_append(out, s, strcspn(s, "$"));
	for (s++; *s; s++) {
		depth += *s == '{';
		depth -= *s == '}';
		if (!depth)
			break;
		TS_TRY(ts_str_putc(out, *s));
	}
	return ts_str_puts(out, "");
}

/* -?\d*\.?\d+ : the last one, commas dropped. */
static int last_number(const char *s, struct ts_str *out)
{
	struct ts_str plain = {0};
	int status = ts_str_puts(&plain, s);
	status = status ? status : ts_paper_replace(&plain, ",", "");
	const char *start = NULL, *end = NULL;
	for (const char *at = ts_str_c(&plain); *at && !status;) {
		const char *number = at + (*at == '-');
		size_t whole = strspn(number, "0123456789");
		size_t part = number[whole] == '.' ? strspn(number + whole + 1, "0123456789") : 0;
		if (!whole && !part) {
			at++;
			continue;
		}
		start = at;
		at = end = number + whole + (part ? part + 1 : 0);
	}
	if (!status && start)
		status = ts_str_append(out, start, (size_t)(end - start));
	ts_str_release(&plain);
	return status;
}

static int extract(const char *s, struct ts_str *out)
{
	static const char minerva[] = "final answer is $", hope[] = "$. I hope";
	const char *found = strstr(s, minerva);
	if (found && strstr(s, hope)) {
		const char *end = strstr(found + strlen(minerva), hope);
		TS_TRY(ts_str_append(out, found + strlen(minerva),
				     end ? (size_t)(end - found - (ptrdiff_t)strlen(minerva)) : strlen(found) - strlen(minerva)));
	} else if ((found = after_last(s, "boxed"))) {
		TS_TRY(boxed(found, out));
	} else if ((found = after_last(s, "he answer is")) || (found = after_last(s, "final answer is"))) {
		TS_TRY(ts_str_puts(out, found));
	} else {
		TS_TRY(last_number(s, out));
	}
	TS_TRY(ts_paper_replace(out, "\n", ""));
	if (out->len && out->data[0] == ':') {
		memmove(out->data, out->data + 1, out->len);
		out->len--;
	}
	for (const char *last = "./"; *last; last++)
		if (out->len && out->data[out->len - 1] == *last)
			out->data[--out->len] = '\0';
	return ts_paper_strip(out);
}

/* --- are they equal? --- */

struct text {
	const char *s;
	size_t n;
};

static bool close_to(double a, double b)
{
	return a == b || fabs(a - b) <= 1e-4 * fmax(fabs(a), fabs(b));
}

static bool to_double(const char *s, double *out)
{
	char plain[64];
	size_t n = 0;
	for (; *s; s++) {
		if (*s == ',')
			continue;
		if (!strchr("0123456789+-.eE", *s) || n + 1 == sizeof(plain))
			return false;
		plain[n++] = *s;
	}
	plain[n] = '\0';
	char *end;
	*out = strtod(plain, &end);
	return n && !*end;
}

/* pi, e and i are letters to it. */
static const struct ts_math *as_letters(struct ts_arena *arena, const struct ts_math *m)
{
	const char letter[] = {'\'', (char)m->op, '\0'};
	if (m->kind == TS_MATH_CONSTANT && m->op != 'f')
		return ts_math_make(arena, &(struct ts_math){.kind = TS_MATH_NAME, .text = letter});
	if (m->kind == TS_MATH_RATIO && m->count == 2) /* a colon divides */
		return as_letters(arena, ts_math_two(arena, TS_MATH_QUOTIENT, m->parts[0], m->parts[1]));
	if (!m->count)
		return m;
	const struct ts_math **parts = ts_arena_alloc(arena, m->count * sizeof(*parts));
	struct ts_math changed = *m;
	for (size_t i = 0; parts && i < m->count; i++)
		parts[i] = as_letters(arena, m->parts[i]);
	changed.parts = parts;
	return parts ? ts_math_make(arena, &changed) : NULL;
}

static bool is_relation(const struct ts_math *m)
{
	return m->kind == TS_MATH_CHAIN && m->count == 2;
}

static bool same_trees(struct ts_math_work *w, const struct ts_math *a, const struct ts_math *b)
{
	double x, y;
	const char *none;
	if (a->hash == b->hash)
		return true;
	if (is_relation(a) && is_relation(b)) { /* of whatever kind: |left - right| counts */
		const struct ts_math *f = ts_math_minus(w->arena, a->parts[0], a->parts[1]);
		const struct ts_math *g = ts_math_minus(w->arena, b->parts[0], b->parts[1]);
		return f && g &&
		       (ts_math_zero(w, ts_math_minus(w->arena, f, g)) == TS_MATH_PROVED ||
			ts_math_zero(w, ts_math_two(w->arena, TS_MATH_SUM, f, g)) == TS_MATH_PROVED);
	}
	if (ts_math_zero(w, ts_math_minus(w->arena, a, b)) == TS_MATH_PROVED)
		return true;
	return !ts_math_names(a, &none, 0) && !ts_math_names(b, &none, 0) && ts_math_double(w, a, &x) && ts_math_double(w, b, &y) &&
	       close_to(x, y);
}

static int symbolic_equal(struct text a, struct text b, bool *equal)
{
	struct ts_arena arena = {0};
	struct ts_math_work work = {.arena = &arena, .budget = TS_MATH_BUDGET};
	struct ts_math_answer x, y;
	const int how = TS_MATH_GROUPED | TS_MATH_BARE;
	size_t failures = ts_mem_failures();
	*equal = false;
	if (memmem(a.s, a.n, "{,}", 3) || memmem(b.s, b.n, "{,}", 3))
		return 0;
	int status = ts_math_parse(&arena, a.s, a.n, how, &x);
	if (!status)
		status = ts_math_parse(&arena, b.s, b.n, how, &y);
	if (!status) {
		const struct ts_math *f = as_letters(&arena, x.tree), *g = as_letters(&arena, y.tree);
		*equal = f && g && same_trees(&work, f, g);
	}
	ts_arena_release(&arena);
	/* A tree that could not be made counts as one that is not settled. */
	return ts_mem_failures() > failures ? TS_ENOMEM : 0;
}

static int equal_texts(const struct ts_str *a, const struct ts_str *b, const char *drop, bool *equal)
{
	struct ts_str x = {0}, y = {0};
	int status = ts_paper_fold(a, drop, &x);
	status = status ? status : ts_paper_fold(b, drop, &y);
	*equal = !status && x.len == y.len && !memcmp(x.data, y.data, x.len);
	ts_str_release(&x);
	ts_str_release(&y);
	return status;
}

static int math_equal(struct text a, struct text b, int depth, bool *equal);

/* The parts between separators, compared one by one. */
static int equal_parts(struct text a, struct text b, const char *separator, int depth, bool *equal)
{
	size_t len = strlen(separator);
	*equal = true;
	for (bool more = true; more && *equal;) {
		const char *x = memmem(a.s, a.n, separator, len), *y = memmem(b.s, b.n, separator, len);
		*equal = !x == !y;
		more = x && y;
		size_t x_n = more ? (size_t)(x - a.s) : a.n, y_n = more ? (size_t)(y - b.s) : b.n;
		if (*equal)
			TS_TRY(strcmp(separator, ",") && strcmp(separator, "&")
				       ? equal_parts((struct text){a.s, x_n}, (struct text){b.s, y_n}, "&", depth, equal)
				       : math_equal((struct text){a.s, x_n}, (struct text){b.s, y_n}, depth + 1, equal));
		if (more) {
			a = (struct text){x + len, a.n - x_n - len};
			b = (struct text){y + len, b.n - y_n - len};
		}
	}
	return 0;
}

static bool in_brackets(struct text t)
{
	return t.n > 2 && (*t.s == '(' || *t.s == '[') && (memchr(t.s + 2, ')', t.n - 2) || memchr(t.s + 2, ']', t.n - 2));
}

static bool in_matrix(struct text t)
{
	static const char open[] = "\\begin{pmatrix}", close[] = "\\end{pmatrix}";
	return t.n >= strlen(open) + strlen(close) && !memcmp(t.s, open, strlen(open)) &&
	       !memcmp(t.s + t.n - strlen(close), close, strlen(close));
}

static struct text inside(struct text t, size_t front, size_t back)
{
	return (struct text){t.s + front, t.n - front - back};
}

/* Without the brackets at the ends where both have them, and without all braces and round brackets. */
static int equal_without_brackets(struct text a, struct text b, bool *equal)
{
	bool square = *a.s == '[' && a.s[a.n - 1] == ']' && *b.s != '(', round = *a.s == '(' && a.s[a.n - 1] == ')' && *b.s != '[';
	struct ts_str x = {0}, y = {0};
	for (int k = 0; k < 2 && (square || round); k++) {
		struct text *t = k ? &b : &a;
		while (t->n && strchr("[]()", *t->s))
			*t = inside(*t, 1, 0);
		while (t->n && strchr("[]()", t->s[t->n - 1]))
			t->n--;
	}
	int status = ts_str_append(&x, a.s, a.n);
	status = status ? status : ts_str_append(&y, b.s, b.n);
	status = status ? status : equal_texts(&x, &y, "{}()", equal);
	ts_str_release(&x);
	ts_str_release(&y);
	return status;
}

static const char *only_equals(struct text t)
{
	const char *at = memchr(t.s, '=', t.n);
	return at && !memchr(at + 1, '=', t.n - (size_t)(at + 1 - t.s)) ? at : NULL;
}

/* Two equations as left - (right) = 0, or one of them without its short left side. */
static int equal_equations(struct text a, struct text b, int depth, bool *equal)
{
	const char *x = only_equals(a), *y = only_equals(b);
	if (x && y) {
		struct ts_str f = {0}, g = {0};
		int status = ts_str_printf(&f, "%.*s - (%.*s)", (int)(x - a.s), a.s, (int)(a.s + a.n - x - 1), x + 1);
		status = status ? status : ts_str_printf(&g, "%.*s - (%.*s)", (int)(y - b.s), b.s, (int)(b.s + b.n - y - 1), y + 1);
		status = status ? status : symbolic_equal((struct text){f.data, f.len}, (struct text){g.data, g.len}, equal);
		if (!status && !*equal) {
			struct ts_str minus = {0};
			status = ts_str_printf(&minus, "-(%s)", f.data);
			status =
				status ? status : symbolic_equal((struct text){minus.data, minus.len}, (struct text){g.data, g.len}, equal);
			ts_str_release(&minus);
		}
		ts_str_release(&f);
		ts_str_release(&g);
		return status;
	}
	if (x && x - a.s <= 2 && !memchr(b.s, '=', b.n))
		return math_equal(inside(a, (size_t)(x + 1 - a.s), 0), b, depth + 1, equal);
	if (y && y - b.s <= 2 && !memchr(a.s, '=', a.n))
		return math_equal(a, inside(b, (size_t)(y + 1 - b.s), 0), depth + 1, equal);
	return 0;
}

/* \b(A|B|C|D|E)\b in capitals: the last. */
static char last_choice(struct text t, char most)
{
	char found = 0, before = 0;
	for (size_t i = 0; i < t.n; i++) {
		char c = t.s[i] >= 'a' && t.s[i] <= 'z' ? (char)(t.s[i] - 32) : t.s[i];
		char next = i + 1 < t.n ? t.s[i + 1] : ' ';
		bool alone = true;
		for (int k = 0; k < 2; k++) {
			char side = k ? next : before;
			alone = alone && !(side == '_' || (side >= '0' && side <= '9') || (side >= 'A' && side <= 'Z') ||
					   (side >= 'a' && side <= 'z') || (unsigned char)side >= 0x80);
		}
		if (alone && c >= 'A' && c <= most)
			found = c;
		before = t.s[i];
	}
	return found;
}

static int equal_forms(struct text a, struct text b, int depth, bool *equal)
{
	TS_TRY(equal_without_brackets(a, b, equal));
	if (!*equal && in_brackets(a) && in_brackets(b))
		TS_TRY(equal_parts(inside(a, 1, 1), inside(b, 1, 1), ",", depth, equal));
	if (!*equal && in_matrix(a) && in_matrix(b))
		TS_TRY(equal_parts(inside(a, 15, 13), inside(b, 15, 13), "\\\\", depth, equal));
	if (!*equal)
		TS_TRY(equal_equations(a, b, depth, equal));
	return *equal ? 0 : symbolic_equal(a, b, equal);
}

static int math_equal_strings(struct ts_str *a, struct ts_str *b, int depth, bool *equal)
{
	double x, y;
	const struct text s = {ts_str_c(a), a->len}, t = {ts_str_c(b), b->len};
	TS_TRY(equal_texts(a, b, "", equal));
	if (*equal)
		return 0;
	if (t.n == 1 && *t.s >= 'A' && *t.s <= 'E' && last_choice(s, 'E') == *t.s) {
		*equal = true;
		return 0;
	}
	if (to_double(s.s, &x) && to_double(t.s, &y)) {
		*equal = close_to(x, y) || close_to(x, y / 100) || close_to(x, y * 100);
		return 0;
	}
	return s.n && t.n ? equal_forms(s, t, depth, equal) : 0;
}

static int math_equal(struct text a, struct text b, int depth, bool *equal)
{
	enum { MOST_DEPTH = 8, LONGEST = 10000 };
	struct ts_str x = {0}, y = {0};
	*equal = false;
	if (depth > MOST_DEPTH || a.n > LONGEST || b.n > LONGEST)
		return 0;
	int status = ts_str_append(&x, a.s, a.n);
	status = status ? status : ts_str_append(&y, b.s, b.n);
	status = status ? status : math_equal_strings(&x, &y, depth, equal);
	ts_str_release(&x);
	ts_str_release(&y);
	return status;
}

/* --- by dataset --- */

static int grade_math(const char *response, const char *gold, bool *equal)
{
	struct ts_str answer = {0}, right = {0};
	int status = extract(response, &answer);
	status = status ? status : ts_paper_strip(&answer);
	status = status ? status : ts_str_puts(&right, gold);
	status = status ? status : ts_paper_strip(&right);
	status = status ? status
			: math_equal((struct text){ts_str_c(&answer), answer.len}, (struct text){ts_str_c(&right), right.len}, 0, equal);
	ts_str_release(&answer);
	ts_str_release(&right);
	return status;
}

/* (-?[$0-9.,]{2,})|(-?[0-9]+) : the last one, in a text without commas and dollar signs. */
static void last_run(const char *s, struct text *out)
{
	while (*s) {
		const char *digits = s + (*s == '-');
		size_t run = strspn(digits, "0123456789.");
		size_t n = run >= 2 ? run : run == 1 && *digits != '.' ? 1 : 0;
		if (n)
			*out = (struct text){s, (size_t)(digits - s) + n};
		s = n ? digits + n : s + 1;
	}
}

static int grade_gsm8k(const char *response, const char *gold, bool *equal)
{
	struct ts_str answer = {0}, right = {0};
	struct text found = {0};
	const char *mark = strstr(gold, "#### ");
	int status = extract(response, &answer);
	status = status ? status : ts_paper_replace(&answer, ",", "");
	status = status ? status : ts_paper_replace(&answer, "$", "");
	const char *number = mark ? mark + strlen("#### ") : gold;
	status = status ? status : ts_str_append(&right, number, strspn(number, "-0123456789.,"));
	status = status ? status : ts_paper_replace(&right, ",", "");
	if (!status)
		last_run(ts_str_c(&answer), &found);
	*equal = !status && found.n && found.n == right.len && !memcmp(found.s, right.data, found.n);
	ts_str_release(&answer);
	ts_str_release(&right);
	return status;
}

int ts_paper_grade(enum ts_dataset dataset, const char *response, size_t n, const char *gold, size_t gold_n, bool *equal)
{
	struct ts_str whole = {0}, right = {0};
	*equal = false;
	/* Texts end at a NUL here, as no answer has one. */
	int status = ts_str_append(&whole, response, n);
	status = status ? status : ts_str_append(&right, gold, gold_n);
	if (status)
		goto done;
	if (dataset == TS_DATASET_GPQA) {
		char theirs = last_choice((struct text){response, n}, 'D');
		*equal = theirs && theirs == last_choice((struct text){gold, gold_n}, 'D');
	} else {
		status = (dataset == TS_DATASET_GSM8K ? grade_gsm8k : grade_math)(ts_str_c(&whole), ts_str_c(&right), equal);
	}
done:
	ts_str_release(&whole);
	ts_str_release(&right);
	return status;
}
