#include "eval/grade.h"

#include "eval/answer_text.h"
#include "eval/boxed.h"
#include "eval/math_compare.h"
#include "eval/number.h"
#include "eval/paper.h"
#include "text/thinking.h"

#include <stdio.h>
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

const char *ts_grader_name(enum ts_grader grader)
{
	return grader == TS_GRADER_PAPER ? "paper" : "strict";
}

int ts_grader_parse(const char *words, enum ts_dataset *dataset, bool *has_dataset, enum ts_grader *grader, struct ts_error *err)
{
	bool has_grader = false;
	*has_dataset = false;
	*grader = TS_GRADER_STRICT;
	for (const char *s = words + strspn(words, " "); *s; s += strspn(s, " ")) {
		char word[16];
		size_t n = strcspn(s, " ");
		snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : 0, s);
		s += n;
		bool strict = !strcmp(word, "strict"), paper = !strcmp(word, "paper");
		if (!has_grader && (strict || paper)) {
			has_grader = true;
			*grader = paper ? TS_GRADER_PAPER : TS_GRADER_STRICT;
		} else if (!*has_dataset && !ts_dataset_parse(word, dataset, NULL)) {
			*has_dataset = true;
		} else {
			has_grader = *has_dataset = false;
			break;
		}
	}
	if (has_grader || *has_dataset)
		return 0;
	return ts_fail(err, TS_EINVAL,
		       "expected math, gsm8k, aime or gpqa, and strict or paper (\"math\", \"paper\", \"math paper\"), found \"%s\"",
		       words);
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

/* The choice that a text is, or that it starts with before a bracket, a full stop or a colon: C, (C), C. 42, \textbf{(B)} 12; else 0. */
static char choice_of(const char *s, size_t n, bool *alone)
{
	size_t i = 0;
	while (i < n && strchr(" (\x01", s[i]) && s[i])
		i++;
	if (i == n || s[i] < 'A' || s[i] > 'J')
		return 0;
	char choice = s[i++];
	bool closed = i == n || strchr(").:\x02", s[i]);
	while (i < n && strchr(" ).:\x02", s[i]) && s[i])
		i++;
	*alone = i == n;
	return closed && (*alone || s[i - 1] == ' ') ? choice : 0;
}

static bool same_choice(const struct ts_str *a, const struct ts_str *b)
{
	bool a_alone, b_alone;
	char x = choice_of(ts_str_c(a), a->len, &a_alone), y = choice_of(ts_str_c(b), b->len, &b_alone);
	return x && x == y && (a_alone || b_alone);
}

static int same_text(const char *a, size_t na, const char *b, size_t nb, bool *equal)
{
	struct ts_str clean[2] = {{0}}, key[2] = {{0}};
	int status;
	TS_GOTO(ts_answer_clean(a, na, &clean[0]));
	TS_GOTO(ts_answer_clean(b, nb, &clean[1]));
	for (int i = 0; i < 2; i++)
		TS_GOTO(ts_answer_key(ts_str_c(&clean[i]), clean[i].len, &key[i]));
	*equal = key[0].len && key[0].len == key[1].len && !memcmp(key[0].data, key[1].data, key[0].len);
	*equal = *equal || same_choice(&clean[0], &clean[1]);
done:
	for (int i = 0; i < 2; i++) {
		ts_str_release(&clean[i]);
		ts_str_release(&key[i]);
	}
	return status;
}

/* As texts, or as what they say. */
static int same_answer(const char *a, size_t na, const char *b, size_t nb, bool *equal)
{
	enum ts_math_verdict verdict;
	TS_TRY(same_text(a, na, b, nb, equal));
	if (*equal)
		return 0;
	TS_TRY(ts_math_compare(a, na, b, nb, &verdict));
	*equal = verdict == TS_MATH_EQUAL;
	return 0;
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
	size_t start, len;
	int status = ts_answer_clean(s, n, &cleaned);
	if (!status && ts_number_last(ts_str_c(&cleaned), cleaned.len, &start, &len)) {
		out->found = true;
		status = ts_str_append(&out->extracted, cleaned.data + start, len);
	}
	ts_str_release(&cleaned);
	return status;
}

/* s as it is, where it is a formula. */
static int extract_formula(const char *s, size_t n, struct ts_grade *out)
{
	bool reads;
	TS_TRY(ts_math_reads(s, n, &reads));
	if (!reads)
		return 0;
	while (n && (s[n - 1] == '.' || s[n - 1] == ' '))
		n--;
	out->found = true;
	return append_trimmed(&out->extracted, s, n);
}

/* The formula that stands behind the last "answer is", or the last number of that line, of what follows it, or of all. */
static int extract_statement(const char *s, size_t n, struct ts_grade *out)
{
	size_t from = after_last(s, n, "answer is");
	const char *stop = memchr(s + from, '\n', n - from);
	size_t line = from && stop ? (size_t)(stop - s) - from : n - from;
	while (from && line && (s[from] == ':' || s[from] == ' ')) {
		from++;
		line--;
	}
	if (from)
		TS_TRY(extract_formula(s + from, line, out));
	if (!out->found && from && stop)
		TS_TRY(extract_number(s + from, line, out));
	/* Nothing on the line of "answer is": the number may stand below it, or the phrase led nowhere. */
	if (!out->found)
		TS_TRY(extract_number(s + from, n - from, out));
	return !out->found && from ? extract_number(s, n, out) : 0;
}

static int extract_math(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_boxed box;
	TS_TRY(ts_boxed_last(s, n, &box));
	if (box.found) {
		out->found = true;
		return append_trimmed(&out->extracted, s + box.start, box.len);
	}
	return box.any ? 0 : extract_statement(s, n, out);
}

static int extract_gsm8k(const char *s, size_t n, struct ts_grade *out)
{
	struct ts_boxed box;
	TS_TRY(ts_boxed_last(s, n, &box));
	if (!box.found)
		return extract_statement(s, n, out);
	TS_TRY(extract_formula(s + box.start, box.len, out));
	return out->found ? 0 : extract_number(s + box.start, box.len, out);
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

static int usable(enum ts_dataset dataset, const char *gold, size_t n, bool *out)
{
	struct ts_str cleaned = {0};
	size_t start, len;
	int status = ts_answer_clean(gold, n, &cleaned);
	const char *s = ts_str_c(&cleaned);
	if (dataset == TS_DATASET_GPQA)
		*out = leading_choice(s, cleaned.len) != 0;
	else if (dataset == TS_DATASET_GSM8K)
		*out = ts_number_last(s, cleaned.len, &start, &len);
	else
		*out = cleaned.len > strspn(s, " \t\r\n");
	ts_str_release(&cleaned);
	return status;
}

int ts_gold_check(enum ts_dataset dataset, const char *gold, size_t n, struct ts_error *err)
{
	static const char *const wanted[] = {"an answer", "a number, perhaps after ####", "an answer", "a letter A to D"};
	size_t from = gold_start(dataset, gold, n);
	bool is_usable = false;
	if (usable(dataset, gold + from, n - from, &is_usable))
		return ts_fail_memory(err);
	return is_usable ? 0 : ts_fail(err, TS_EFORMAT, "expected %s, found \"%.80s\"", wanted[dataset], gold + from);
}

/* All closed boxes as one list: 2 and -2, boxed apart, answer a question for both. */
static int same_boxes(const char *s, size_t n, const char *gold, size_t gold_n, bool *equal)
{
	enum { MOST = 8 };
	struct ts_boxed box, boxes[MOST];
	size_t count = 0;
	for (size_t end = n; count < MOST; end = box.start) {
		TS_TRY(ts_boxed_last(s, end, &box));
		if (!box.found)
			break;
		boxes[count++] = box;
	}
	struct ts_str all = {0};
	int status = 0;
	for (size_t i = count; i > 0 && !status; i--) {
		status = all.len ? ts_str_puts(&all, ", ") : 0;
		status = status ? status : append_trimmed(&all, s + boxes[i - 1].start, boxes[i - 1].len);
	}
	if (!status && count > 1)
		status = same_answer(ts_str_c(&all), all.len, gold, gold_n, equal);
	ts_str_release(&all);
	return status;
}

static int compare(enum ts_dataset dataset, const char *gold, size_t n, struct ts_grade *out)
{
	size_t from = gold_start(dataset, gold, n);
	if (dataset != TS_DATASET_GPQA)
		return same_answer(ts_str_c(&out->extracted), out->extracted.len, gold + from, n - from, &out->equal);
	struct ts_str theirs = {0};
	int status = ts_answer_clean(gold + from, n - from, &theirs);
	out->equal = !status && leading_choice(ts_str_c(&theirs), theirs.len) == out->extracted.data[0];
	ts_str_release(&theirs);
	return status;
}

int ts_grade(enum ts_dataset dataset, const char *prediction, size_t n, const char *gold, size_t gold_n, struct ts_grade *out)
{
	struct ts_thinking parts = {0};
	int status;
	ts_str_clear(&out->extracted);
	out->found = out->equal = false;
	TS_TRY(ts_paper_grade(dataset, prediction, n, gold, gold_n, &out->paper));
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
		TS_GOTO(compare(dataset, gold, gold_n, out));
	if (out->found && !out->equal && dataset == TS_DATASET_MATH)
		status = same_boxes(s, parts.answer.len, gold, gold_n, &out->equal);
done:
	ts_thinking_release(&parts);
	return status;
}

void ts_grade_release(struct ts_grade *g)
{
	ts_str_release(&g->extracted);
}
