/* One pass over the journal's prompts: each row with its samples and verdicts becomes JSON for the page's browser, and the lengths of the
 * responses are kept for the charts. */
#include "report/internal.h"

#include "report/html.h"
#include "text/thinking.h"

#include <math.h>
#include <string.h>

static int put(struct html *h, const char *json)
{
	return ts_str_puts(&h->samples, json) ? ts_fail_memory(h->err) : 0;
}

static int put_bytes(struct html *h, const char *name, const char *text, size_t n)
{
	if (ts_str_printf(&h->samples, "\"%s\":", name) || html_json_bytes(&h->samples, text, n))
		return ts_fail_memory(h->err);
	return 0;
}

/* ,"name":"text", or nothing for NULL. */
static int put_text(struct html *h, const char *name, const char *text)
{
	if (!text)
		return 0;
	TS_TRY(put(h, ","));
	return put_bytes(h, name, text, strlen(text));
}

static int put_int(struct html *h, const char *name, int64_t value)
{
	return ts_str_printf(&h->samples, ",\"%s\":%lld", name, (long long)value) ? ts_fail_memory(h->err) : 0;
}

/* --- sets --- */

static int set_of(struct html *h, const struct ts_indexed_prompt *row, size_t *index)
{
	size_t n = h->sets.len;
	struct html_set *last = n ? &h->sets.data[n - 1] : NULL;
	if (!last || strcmp(last->name, row->set) || strcmp(last->kind, row->kind)) {
		if (ts_vec_push(&h->sets, (struct html_set){0}))
			return ts_fail_memory(h->err);
		last = &h->sets.data[n++];
		last->name = ts_strdup(row->set);
		last->kind = ts_strdup(row->kind);
		if (!last->name || !last->kind)
			return ts_fail_memory(h->err);
	}
	*index = n - 1;
	return 0;
}

/* --- samples --- */

/* The contracts: whatever shows verdicts of the keywords says so. */
static const char *judge_name(const char *judge)
{
	return !strcmp(judge, "keywords") ? REPORT_STAND_IN : judge;
}

struct verdicts {
	struct html *h;
	size_t count;
};

static int add_verdict(void *user, const char *judge, const struct ts_verdict *v, struct ts_error *err)
{
	struct verdicts *list = user;
	struct html *h = list->h;
	(void)err;
	TS_TRY(put(h, list->count++ ? ",{" : "{"));
	TS_TRY(put_bytes(h, "judge", judge_name(judge), strlen(judge_name(judge))));
	TS_TRY(put_text(h, "verdict", v->verdict));
	if (*v->detail)
		TS_TRY(put_text(h, "detail", v->detail));
	if (isfinite(v->probability) && ts_str_printf(&h->samples, ",\"p\":%.4g", v->probability))
		return ts_fail_memory(h->err);
	return put(h, "}");
}

static int write_sample(struct html *h, const char *stage, const char *key, const struct ts_sample *s, int64_t attempt)
{
	struct ts_thinking parts = {0};
	struct verdicts verdicts = {h, 0};
	int status = ts_thinking_split(s->response, s->response_len, &parts);
	if (status)
		status = ts_fail_memory(h->err);
	if (status)
		goto done;
	TS_GOTO(put(h, "{"));
	TS_GOTO(put_bytes(h, "stage", stage, strlen(stage)));
	TS_GOTO(put_int(h, "try", attempt));
	TS_GOTO(put_int(h, "tokens", s->tokens));
	TS_GOTO(put_text(h, "finish", s->finish));
	TS_GOTO(put(h, parts.closed ? ",\"closed\":true," : ",\"closed\":false,"));
	TS_GOTO(put_bytes(h, "thinking", ts_str_c(&parts.thinking), parts.thinking.len));
	TS_GOTO(put(h, ","));
	TS_GOTO(put_bytes(h, "answer", ts_str_c(&parts.answer), parts.answer.len));
	TS_GOTO(put(h, ",\"verdicts\":["));
	TS_GOTO(ts_store_each_verdict(h->store, stage, key, add_verdict, &verdicts, h->err));
	TS_GOTO(put(h, "]}"));
done:
	ts_thinking_release(&parts);
	return status;
}

static int count_length(struct html *h, const struct ts_indexed_prompt *row, const char *stage, int tokens)
{
	bool training = !strcmp(row->kind, "train");
	enum html_group group = training ? HTML_TRAINING : row->harmful ? HTML_HARMFUL : HTML_HARMLESS;
	size_t which = training ? (size_t)row->harmful : (size_t)!strcmp(stage, "after");
	if (!strcmp(stage, "alpha") || (row->outcome[0] && !strcmp(row->outcome[0], "duplicate")))
		return 0;
	return ts_vec_push(&h->lengths[group][which].tokens, tokens) ? ts_fail_memory(h->err) : 0;
}

/* A sample that is not there (a try that was not needed) is no entry. */
static int add_sample(struct html *h, const struct ts_indexed_prompt *row, const char *stage, const char *key, int64_t attempt,
		      size_t *count)
{
	struct ts_sample s;
	bool found;
	TS_TRY(ts_store_get_sample(h->store, stage, key, &s, &found, h->err));
	if (!found)
		return 0;
	int status = count_length(h, row, stage, s.tokens);
	if (!status && !h->full && (*count)++)
		status = put(h, ",");
	if (!status && !h->full)
		status = write_sample(h, stage, key, &s, attempt);
	ts_sample_release(&s);
	return status;
}

static int add_samples(struct html *h, const struct ts_indexed_prompt *row)
{
	size_t count = 0;
	char key[65] = {0};
	bool training = !strcmp(row->kind, "train");
	if (row->plain_key)
		TS_TRY(add_sample(h, row, "alpha", row->plain_key, 0, &count));
	int64_t attempt = 0;
	for (const char *at = row->keys; strlen(at) >= 64; at += at[64] ? 65 : 64) {
		memcpy(key, at, 64);
		if (training) {
			TS_TRY(add_sample(h, row, "generate", key, attempt++, &count));
			continue;
		}
		TS_TRY(add_sample(h, row, "before", key, attempt, &count));
		TS_TRY(add_sample(h, row, "after", key, attempt++, &count));
	}
	return 0;
}

static int write_row(struct html *h, const struct ts_indexed_prompt *row, size_t set)
{
	if (ts_str_printf(&h->samples, "%s{\"set\":%zu,\"harmful\":%s", h->samples.data[h->samples.len - 1] == '[' ? "" : ",\n", set,
			  row->harmful ? "true" : "false"))
		return ts_fail_memory(h->err);
	TS_TRY(put_int(h, "row", row->number));
	TS_TRY(put_int(h, "pair", row->cluster));
	TS_TRY(put_int(h, "accepted", row->accepted));
	TS_TRY(put_text(h, "prompt", row->prompt));
	TS_TRY(put_text(h, "label", row->label));
	TS_TRY(put_text(h, "gold", row->gold));
	TS_TRY(put_text(h, "outcome", row->outcome[0]));
	TS_TRY(put_text(h, "after", row->outcome[1]));
	TS_TRY(put_text(h, "extracted", row->extracted[0]));
	TS_TRY(put_text(h, "extractedAfter", row->extracted[1]));
	TS_TRY(put(h, ",\"samples\":["));
	TS_TRY(add_samples(h, row));
	return put(h, "]}");
}

static int add_row(void *user, const struct ts_indexed_prompt *row, struct ts_error *err)
{
	struct html *h = user;
	size_t set = 0, start = h->samples.len;
	(void)err;
	TS_TRY(set_of(h, row, &set));
	h->sets.data[set].rows++;
	if (h->full)
		return add_samples(h, row); /* for the lengths alone */
	TS_TRY(write_row(h, row, set));
	if (h->samples.len > TS_HTML_SAMPLES) {
		h->full = true;
		h->samples.len = start;
		h->samples.data[start] = '\0';
		return 0;
	}
	h->sets.data[set].shown++;
	return 0;
}

/* Who says "refused": the journal has no verdict of it, the outcome alone. */
static int set_judge(struct html *h, const struct html_set *set)
{
	const char *judge;
	if (strcmp(set->kind, "over_refusal"))
		return 0;
	TS_TRY(ts_json_text(h->metrics, "refusal_judge", &judge, h->place, h->err));
	return put_text(h, "judge", judge ? judge_name(judge) : NULL);
}

int html_collect(struct html *h)
{
	TS_TRY(put(h, "{\"rows\":["));
	TS_TRY(ts_store_each_prompt(h->store, add_row, h, h->err));
	TS_TRY(put(h, "],\n\"sets\":["));
	for (size_t i = 0; i < h->sets.len; i++) {
		const struct html_set *s = &h->sets.data[i];
		TS_TRY(put(h, i ? ",{" : "{"));
		TS_TRY(put_bytes(h, "name", s->name, strlen(s->name)));
		TS_TRY(put_text(h, "kind", s->kind));
		TS_TRY(set_judge(h, s));
		TS_TRY(put(h, "}"));
	}
	return put(h, "]}");
}

/* --- the section --- */

static int left_out(struct html *h)
{
	size_t missing = 0;
	for (size_t i = 0; i < h->sets.len; i++)
		missing += h->sets.data[i].rows - h->sets.data[i].shown;
	if (!missing)
		return 0;
	TS_TRY(html_printf(h, "<p class=\"note\">The page holds at most %u MiB of samples. Left out:", TS_HTML_SAMPLES >> 20));
	for (size_t i = 0; i < h->sets.len; i++) {
		const struct html_set *s = &h->sets.data[i];
		if (s->rows == s->shown)
			continue;
		TS_TRY(html_printf(h, " %zu of %zu rows of ", s->rows - s->shown, s->rows));
		TS_TRY(html_text(h, s->name));
		TS_TRY(html_raw(h, i + 1 < h->sets.len ? "," : ""));
	}
	return html_raw(h, ". They are in the run\xe2\x80\x99s journal.</p>\n");
}

int html_samples(struct html *h)
{
	TS_TRY(html_raw(h, "<section id=\"samples\"><h2>Samples</h2>\n"));
	if (!h->sets.len)
		return html_raw(h,
				"<p>This run\xe2\x80\x99s journal was written by an earlier version of the program and does not say which "
				"sample belongs to which prompt. <code>thinksafe run</code> with the same recipe and folder adds that "
				"without working again.</p></section>\n");
	TS_TRY(left_out(h));
	if (ts_str_append(h->out, html_browser.data, html_browser.size))
		return ts_fail_memory(h->err);
	TS_TRY(html_raw(h, "<script type=\"application/json\" id=\"data\">"));
	if (ts_str_append(h->out, h->samples.data, h->samples.len))
		return ts_fail_memory(h->err);
	return html_raw(h, "</script>\n</section>\n");
}
