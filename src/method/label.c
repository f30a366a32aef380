#include "method/label.h"

#include "core/str.h"
#include "text/unicode.h"

#include <string.h>

static const struct {
	const char *word;
	enum ts_label label;
} built_in[] = {
	{"harmful", TS_LABEL_HARMFUL}, {"unsafe", TS_LABEL_HARMFUL},   {"benign", TS_LABEL_BENIGN},
	{"harmless", TS_LABEL_BENIGN}, {"unharmful", TS_LABEL_BENIGN}, {"safe", TS_LABEL_BENIGN},
};

const char *ts_label_name(enum ts_label label)
{
	return label == TS_LABEL_HARMFUL ? "harmful" : label == TS_LABEL_BENIGN ? "benign" : "none";
}

/* The next run of letters (or, with `letters` false, of anything but commas and spaces) in s[*at .. n). */
static bool next_word(const char *s, size_t n, bool letters, size_t *at, size_t *start)
{
	*start = *at;
	while (*at < n) {
		uint32_t c;
		size_t used = ts_unicode_next(s + *at, &c);
		bool inside = letters ? ts_unicode_class(c) == TS_UNICODE_LETTER : c != ',' && c != ' ';
		if (!inside && *at > *start)
			break;
		*at += used;
		if (!inside)
			*start = *at;
	}
	return *at > *start;
}

static int add_word(struct ts_label_rule *r, const char *word, size_t n, enum ts_label label, struct ts_error *err)
{
	size_t at = 0, start;
	if (!next_word(word, n, true, &at, &start) || start || at != n)
		return ts_fail(err, TS_EINVAL, "%s labels: expected words of letters, found \"%.*s\"", ts_label_name(label), (int)n, word);
	const int64_t *old = ts_map_get(&r->words, word, n);
	if (old && *old != (int64_t)label)
		return ts_fail(err, TS_EINVAL, "%s labels: \"%.*s\" already says %s", ts_label_name(label), (int)n, word,
			       ts_label_name((enum ts_label) * old));
	return ts_map_put(&r->words, word, n, label) ? ts_fail_memory(err) : 0;
}

static int lower(const char *s, const char *what, struct ts_str *out, struct ts_error *err)
{
	size_t n = strlen(s);
	if (ts_utf8_check(s, n) < n)
		return ts_fail(err, TS_EFORMAT, "%s: invalid UTF-8 at byte %zu", what, ts_utf8_check(s, n));
	return ts_unicode_lowercase(s, n, out) ? ts_fail_memory(err) : 0;
}

static int add_list(struct ts_label_rule *r, const char *list, enum ts_label label, struct ts_error *err)
{
	struct ts_str text = {0};
	size_t at = 0, start;
	int status;
	TS_GOTO(lower(list ? list : "", "label list", &text, err));
	while (next_word(ts_str_c(&text), text.len, false, &at, &start))
		TS_GOTO(add_word(r, text.data + start, at - start, label, err));
done:
	ts_str_release(&text);
	return status;
}

int ts_label_rule_init(struct ts_label_rule *r, const char *more_harmful, const char *more_benign, struct ts_error *err)
{
	*r = (struct ts_label_rule){0};
	for (size_t i = 0; i < sizeof(built_in) / sizeof(*built_in); i++)
		TS_TRY(add_word(r, built_in[i].word, strlen(built_in[i].word), built_in[i].label, err));
	TS_TRY(add_list(r, more_harmful, TS_LABEL_HARMFUL, err));
	return add_list(r, more_benign, TS_LABEL_BENIGN, err);
}

void ts_label_rule_release(struct ts_label_rule *r)
{
	ts_map_release(&r->words);
}

int ts_label_read(const struct ts_label_rule *r, const char *label, enum ts_label *out, struct ts_error *err)
{
	struct ts_str text = {0};
	size_t at = 0, start;
	bool seen[3] = {false};
	int status;
	*out = TS_LABEL_NONE;
	if (!label)
		return 0;
	TS_GOTO(lower(label, "prompt_label", &text, err));
	while (next_word(ts_str_c(&text), text.len, true, &at, &start)) {
		const int64_t *word = ts_map_get(&r->words, text.data + start, at - start);
		if (word)
			seen[*word] = true;
	}
	if (seen[TS_LABEL_HARMFUL] == seen[TS_LABEL_BENIGN])
		status = ts_fail(err, TS_EINVAL, "prompt_label \"%s\": expected a word that says harmful or benign, found %s", label,
				 seen[TS_LABEL_HARMFUL] ? "both" : "neither");
	else
		*out = seen[TS_LABEL_HARMFUL] ? TS_LABEL_HARMFUL : TS_LABEL_BENIGN;
done:
	ts_str_release(&text);
	return status;
}
