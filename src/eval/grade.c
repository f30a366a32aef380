#include "eval/grade.h"

#include "eval/answer_text.h"
#include "eval/boxed.h"
#include "eval/number.h"
#include "text/thinking.h"

#include <string.h>
#include <strings.h>

static const char *const dataset_names[] = {"math", "gsm8k", "aime", "gpqa"};

int ts_dataset_parse(const char *name, enum ts_dataset *out, struct ts_error *err)
{
	for (size_t i = 0; i < sizeof(dataset_names) / sizeof(*dataset_names); i++)
		if (!strcmp(name, dataset_names[i])) {
			*out = (enum ts_dataset)i;
			return 0;
		}
	return ts_fail(err, TS_EINVAL, "expected math, gsm8k, aime or gpqa, found \"%s\"", name);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Just past the last occurrence of `phrase`, case ignored; 0 when there is none. */
static size_t after_last(const char *s, size_t n, const char *phrase)
{
	size_t len = strlen(phrase), found = 0;
	for (size_t i = 0; i + len <= n; i++)
		if (!strncasecmp(s + i, phrase, len))
			found = i + len;
	return found;
}

/* Drop "x =" from a text with one equals sign, when its left side is letters and not a number: 7 = 11a is left alone. */
static size_t left_side(const char *s, size_t n)
{
	const char *equals = memchr(s, '=', n);
	if (!equals || memchr(equals + 1, '=', n - (size_t)(equals + 1 - s)) || memchr(s, '<', n) || memchr(s, '>', n))
		return 0;
	bool letter = false;
	for (const char *p = s; p < equals; p++) {
		if ((*p >= '0' && *p <= '9') || *p == '\\')
			return 0;
		letter = letter || is_letter(*p);
	}
	size_t at = (size_t)(equals + 1 - s);
	while (at < n && s[at] == ' ')
		at++;
	return letter ? at : 0;
}

static int same_text(const char *a, size_t na, const char *b, size_t nb, bool *equal)
{
	struct ts_str x = {0}, y = {0};
	int status;
	TS_GOTO(ts_answer_key(a, na, &x));
	TS_GOTO(ts_answer_key(b, nb, &y));
	*equal = x.len && x.len == y.len && !memcmp(x.data, y.data, x.len);
done:
	ts_str_release(&x);
	ts_str_release(&y);
	return status;
}

static int same_cleaned(const struct ts_str *a, const struct ts_str *b, bool *equal)
{
	const char *s = ts_str_c(a), *t = ts_str_c(b);
	size_t s_left = left_side(s, a->len), t_left = left_side(t, b->len);
	/* Both have a left side: x = 2 is not y = 2. */
	if (s_left && t_left)
		s_left = t_left = 0;
	struct ts_number x, y;
	bool x_is = ts_number_parse(s + s_left, a->len - s_left, &x), y_is = ts_number_parse(t + t_left, b->len - t_left, &y);
	if (x_is && y_is) {
		*equal = ts_number_equal(&x, &y);
		return 0;
	}
	return same_text(s + s_left, a->len - s_left, t + t_left, b->len - t_left, equal);
}

static int append_trimmed(struct ts_str *out, const char *s, size_t n)
{
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\n' || s[n - 1] == '\t' || s[n - 1] == '\r'))
		n--;
	while (n && (*s == ' ' || *s == '\n' || *s == '\t' || *s == '\r')) {
		s++;
		n--;
	}
	return ts_str_append(out, s, n);
}

/* The last number of s as its cleaned text, or nothing. */
static int extract_number(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_str cleaned = {0};
	struct ts_number v;
	size_t start, len;
	int status = ts_answer_clean(s, n, &cleaned);
	if (!status && ts_number_last(ts_str_c(&cleaned), cleaned.len, &v, &start, &len)) {
		out->found = true;
		status = ts_str_append(&out->extracted, cleaned.data + start, len);
	}
	ts_str_release(&cleaned);
	return status;
}

static int extract_math(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_boxed box;
	TS_TRY(ts_boxed_last(s, n, &box));
	if (box.found) {
		out->found = true;
		return append_trimmed(&out->extracted, s + box.start, box.len);
	}
	return box.any ? 0 : extract_number(s, n, out);
}

static int extract_gsm8k(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_boxed box;
	TS_TRY(ts_boxed_last(s, n, &box));
	if (box.found)
		return extract_number(s + box.start, box.len, out);
	size_t from = after_last(s, n, "answer is");
	const char *stop = memchr(s + from, '\n', n - from);
	if (from && stop)
		TS_TRY(extract_number(s + from, (size_t)(stop - s) - from, out));
	/* Nothing on the line of "answer is": the number may stand below it, or the phrase led nowhere. */
	if (!out->found)
		TS_TRY(extract_number(s + from, n - from, out));
	return !out->found && from ? extract_number(s, n, out) : 0;
}

static bool is_choice(char c)
{
	return c >= 'A' && c <= 'D';
}

/* The choice that a text starts with, past spaces, marks and brackets; 0 when it starts with a word or nothing. */
static char leading_choice(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n && strchr(" \t\n*:([{$\x01\x02", s[i]) && s[i])
		i++;
	return i < n && is_choice(s[i]) && (i + 1 == n || !is_letter(s[i + 1])) ? s[i] : 0;
}

static int extract_gpqa(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_str cleaned = {0};
	struct ts_boxed box;
	char choice = 0;
	int status;
	TS_GOTO(ts_boxed_last(s, n, &box));
	TS_GOTO(box.found ? ts_answer_clean(s + box.start, box.len, &cleaned) : ts_answer_clean(s, n, &cleaned));
	const char *text = ts_str_c(&cleaned);
	if (box.found) {
		choice = leading_choice(text, cleaned.len);
	} else if (!box.any) {
		size_t is = after_last(text, cleaned.len, "answer is"), colon = after_last(text, cleaned.len, "answer:");
		size_t from = is > colon ? is : colon;
		choice = from ? leading_choice(text + from, cleaned.len - from) : 0;
	}
	out->found = choice != 0;
	if (choice)
		status = ts_str_putc(&out->extracted, choice);
done:
	ts_str_release(&cleaned);
	return status;
}

/* The part of the gold that counts: gsm8k's solutions end "#### 18". */
static size_t gold_start(enum ts_dataset dataset, const char *gold, size_t n)
{
	return dataset == TS_DATASET_GSM8K ? after_last(gold, n, "####") : 0;
}

static bool usable(enum ts_dataset dataset, const char *cleaned, size_t n)
{
	struct ts_number number;
	size_t left = left_side(cleaned, n);
	if (dataset == TS_DATASET_GPQA)
		return leading_choice(cleaned, n) != 0;
	return dataset == TS_DATASET_GSM8K ? ts_number_parse(cleaned + left, n - left, &number) : n > strspn(cleaned, " \t\r\n");
}

int ts_gold_check(enum ts_dataset dataset, const char *gold, size_t n, struct ts_error *err)
{
	static const char *const wanted[] = {"an answer", "a number, perhaps after ####", "an answer", "a letter A to D"};
	struct ts_str cleaned = {0};
	size_t from = gold_start(dataset, gold, n);
	int status = ts_answer_clean(gold + from, n - from, &cleaned) ? ts_fail_memory(err) : 0;
	if (!status && !usable(dataset, ts_str_c(&cleaned), cleaned.len))
		status = ts_fail(err, TS_EFORMAT, "expected %s, found \"%.80s\"", wanted[dataset], gold + from);
	ts_str_release(&cleaned);
	return status;
}

static int compare(enum ts_dataset dataset, const char *gold, size_t n, struct ts_grade *out)
{
	struct ts_str mine = {0}, theirs = {0};
	int status;
	size_t from = gold_start(dataset, gold, n);
	TS_GOTO(ts_answer_clean(ts_str_c(&out->extracted), out->extracted.len, &mine));
	TS_GOTO(ts_answer_clean(gold + from, n - from, &theirs));
	if (dataset == TS_DATASET_GPQA)
		out->equal = leading_choice(ts_str_c(&theirs), theirs.len) == out->extracted.data[0];
	else
		TS_GOTO(same_cleaned(&mine, &theirs, &out->equal));
done:
	ts_str_release(&mine);
	ts_str_release(&theirs);
	return status;
}

int ts_grade(enum ts_dataset dataset, const char *prediction, size_t n, const char *gold, size_t gold_n, struct ts_grade *out)
{
	struct ts_thinking parts = {0};
	int status;
	ts_str_clear(&out->extracted);
	out->found = out->equal = false;
	TS_GOTO(ts_thinking_split(prediction, n, &parts));
	const char *s = ts_str_c(&parts.answer);
	switch (dataset) {
	case TS_DATASET_GSM8K:
		TS_GOTO(extract_gsm8k(s, parts.answer.len, out));
		break;
	case TS_DATASET_GPQA:
		TS_GOTO(extract_gpqa(s, parts.answer.len, out));
		break;
	default:
		TS_GOTO(extract_math(s, parts.answer.len, out));
	}
	if (out->found)
		status = compare(dataset, gold, gold_n, out);
done:
	ts_thinking_release(&parts);
	return status;
}

void ts_grade_release(struct ts_grade *g)
{
	ts_str_release(&g->extracted);
}
