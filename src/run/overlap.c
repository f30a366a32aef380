#include "run/overlap.h"

#include "core/map.h"
#include "run/internal.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

/* --- normalising --- */

static bool is_quotation_mark(uint32_t c)
{
	return c == '"' || c == '\'' || c == '`' || c == 0xAB || c == 0xBB || (c >= 0x2018 && c <= 0x201F) || c == 0x2039 || c == 0x203A;
}

/* The last sign of a word, if it is the sentence's and not the word's: 5! is a number. */
static bool ends_in_punctuation(const char *word, size_t n)
{
	char last = word[n - 1];
	bool factorial = last == '!' && n > 1 && word[n - 2] >= '0' && word[n - 2] <= '9';
	return last && strchr(".,;:!?", last) && !factorial;
}

/* The word that `out` ends with, from `word` on, without the signs of the sentence it stood in; nothing where that was all. */
static void close_word(struct ts_str *out, size_t word)
{
	while (out->len > word && ends_in_punctuation(out->data + word, out->len - word))
		out->data[--out->len] = '\0';
	if (out->len == word && word)
		out->data[--out->len] = '\0'; /* the space before it */
}

static int words_of(const char *text, size_t n, struct ts_str *out)
{
	bool inside = false;
	size_t word = 0;
	for (size_t i = 0, used; i < n; i += used) {
		uint32_t c;
		used = ts_unicode_next(text + i, &c);
		bool space = ts_unicode_class(c) == TS_UNICODE_SPACE;
		if (space && inside)
			close_word(out, word);
		if (!space && !inside) {
			if (out->len)
				TS_TRY(ts_str_putc(out, ' '));
			word = out->len;
		}
		inside = !space;
		if (!space && !is_quotation_mark(c))
			TS_TRY(ts_str_append(out, text + i, used));
	}
	if (inside)
		close_word(out, word);
	return 0;
}

int ts_overlap_normalise(const char *text, size_t n, struct ts_str *out)
{
	struct ts_str composed = {0}, lower = {0};
	ts_str_clear(out);
	int status = ts_unicode_normalize(TS_UNICODE_NFKC, text, n, &composed);
	if (!status)
		status = ts_unicode_lowercase(ts_str_c(&composed), composed.len, &lower);
	if (!status)
		status = words_of(ts_str_c(&lower), lower.len, out);
	ts_str_release(&composed);
	ts_str_release(&lower);
	return status;
}

/* --- training against evaluation --- */

/* How many of the places are named. */
enum { NAMED = 5 };

struct search {
	struct ts_run *r;
	struct ts_map trained; /* normalised text -> index of the training row */
	struct ts_str text;    /* of the prompt looked at */
	struct ts_str places;  /* "row 3 (train.jsonl row 7), ..." */
};

static int learn(struct search *s, const char *text, size_t row)
{
	TS_TRY(ts_overlap_normalise(text, strlen(text), &s->text));
	if (!s->text.len || ts_map_get(&s->trained, s->text.data, s->text.len))
		return 0;
	return ts_map_put(&s->trained, s->text.data, s->text.len, (int64_t)row);
}

/* Rows of the training set come file by file, in the order of the files' lists. */
static int learn_all(struct search *s)
{
	size_t row = 0;
	for (size_t f = 0; f < s->r->prompt_files.len; f++) {
		const struct ts_prompt_file *file = &s->r->prompt_files.data[f];
		for (size_t i = 0; i < file->list.len; i++, row++) {
			TS_TRY(learn(s, file->list.data[i].instruction, row));
			TS_TRY(learn(s, file->list.data[i].text, row));
		}
	}
	return 0;
}

static int find(struct search *s, const char *text, const int64_t **row)
{
	TS_TRY(ts_overlap_normalise(text, strlen(text), &s->text));
	*row = s->text.len ? ts_map_get(&s->trained, s->text.data, s->text.len) : NULL;
	return 0;
}

static int compare(struct search *s, struct ts_run_eval *e)
{
	ts_str_clear(&s->places);
	e->overlap = 0;
	for (size_t i = 0; i < e->set.file.list.len; i++) {
		const struct ts_prompt_row *prompt = &e->set.file.list.data[i];
		const int64_t *row;
		TS_TRY(find(s, prompt->instruction, &row));
		if (!row)
			TS_TRY(find(s, prompt->text, &row));
		if (!row)
			continue;
		const struct ts_train_row *t = &s->r->train.data[*row];
		if (e->overlap++ < NAMED)
			TS_TRY(ts_str_printf(&s->places, "%srow %zu = %s row %zu", s->places.len ? ", " : "", prompt->number,
					     s->r->recipe->prompts[t->source].rows.file.text, t->number));
	}
	return e->overlap > NAMED ? ts_str_puts(&s->places, ", ...") : 0;
}

static int judge(struct search *s, const struct ts_run_eval *e, struct ts_error *err)
{
	size_t n = e->set.file.list.len;
	double bound = s->r->recipe->max_overlap, share = n ? (double)e->overlap / (double)n : 0;
	if (e->overlap && share <= bound)
		ts_log(s->r->context, TS_LOG_WARN,
		       "evals: %s: %zu of %zu prompts are trained on as well (%s); what is learned of them is not what is measured",
		       e->recipe->name, e->overlap, n, ts_str_c(&s->places));
	if (share <= bound)
		return 0;
	return ts_fail(
		err, TS_EINVAL,
		"evals: %s: %zu of %zu prompts are trained on as well (%.3g%%), expected at most %.3g%% (max_overlap): %s: %s; leave "
		"them out of training, take parts of the file that do not meet (split, skip, limit), or allow it with --max-overlap %.3g",
		e->recipe->name, e->overlap, n, 100 * share, 100 * bound, e->recipe->rows.file.text, ts_str_c(&s->places),
		ceil(1000 * share) / 1000);
}

int ts_run_check_overlap(struct ts_run *r, struct ts_error *err)
{
	struct search s = {.r = r};
	int status = learn_all(&s) ? ts_fail_memory(err) : 0;
	for (size_t i = 0; i < r->evals.len && !status; i++)
		status = compare(&s, &r->evals.data[i]) ? ts_fail_memory(err) : judge(&s, &r->evals.data[i], err);
	ts_map_release(&s.trained);
	ts_str_release(&s.text);
	ts_str_release(&s.places);
	return status;
}
