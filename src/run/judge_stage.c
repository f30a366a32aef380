#include "run/judge_stage.h"

#include "core/map.h"

#include <string.h>

struct job {
	struct ts_judge_stage *s;
	const struct ts_judge_case *cases;
	struct shown {
		struct ts_str text; /* what the guard is shown */
		int64_t tokens;     /* of the whole response */
	} *texts;                   /* [n] of cases under way */
	size_t *todo;
	size_t todo_count, next, had;
	uint64_t durable_before, shown;
	uint64_t judged, broken; /* cases with a verdict; cases that the guard answered with NaN */
	const struct ts_context *context;
	struct ts_error *err;
};

static void count(struct job *j, bool judged, const char *why)
{
	j->judged += judged;
	j->broken += why && !strcmp(why, TS_GUARD_NOT_FINITE);
}

static int find_missing(struct job *j, size_t n)
{
	struct ts_map seen = {0};
	int status = 0;
	for (size_t i = 0; i < n && !status; i++) {
		const struct ts_judge_case *c = &j->cases[i];
		char name[160], judge[64];
		size_t len = strlen(c->stage);
		if (len > sizeof(name) - 65)
			len = sizeof(name) - 65;
		memcpy(name, c->stage, len);
		name[len++] = (char)('0' + c->part);
		memcpy(name + len, c->key, 64);
		if (ts_map_get(&seen, name, len + 64))
			continue;
		status = ts_map_put(&seen, name, len + 64, 1);
		struct ts_verdict verdict;
		bool found = false;
		if (!status)
			status = ts_store_get_verdict(j->s->store, c->stage, c->key, ts_part_judge(j->s->judge, c->part, judge), &verdict,
						      &found, j->err);
		if (!status && found) {
			count(j, strcmp(verdict.verdict, "unjudged") != 0, verdict.detail);
			ts_verdict_release(&verdict);
			j->had++;
		} else if (!status) {
			j->todo[j->todo_count++] = i;
		}
	}
	ts_map_release(&seen);
	return status;
}

static void show(struct job *j)
{
	uint64_t done = j->had + (ts_store_durable(j->s->store) - j->durable_before);
	if (done == j->shown)
		return;
	j->shown = done;
	ts_progress(j->context, j->s->title, done, j->had + j->todo_count, "verdicts", NULL);
}

static int tick(void *user)
{
	struct job *j = user;
	TS_TRY(ts_store_tick(j->s->store, j->err));
	show(j);
	return 0;
}

static int put(struct job *j, size_t index, const struct ts_judged *judged)
{
	const struct ts_judge_case *c = &j->cases[index];
	char judge[64];
	struct ts_verdict v = {
		.verdict = ts_judgement_name(judged->judgement), .probability = judged->unsafe_probability, .detail = judged->why};
	int status = ts_store_put_verdict(j->s->store, c->stage, c->key, ts_part_judge(j->s->judge, c->part, judge), &v, NULL, j->err);
	j->s->tokens += (uint64_t)j->texts[index].tokens;
	ts_str_release(&j->texts[index].text);
	j->s->new_verdicts++;
	if (!status)
		show(j);
	return status;
}

/* The response, or the part of it that the case is about. */
static int read_text(struct job *j, const struct ts_judge_case *c, struct shown *shown)
{
	struct ts_str *out = &shown->text;
	struct ts_sample sample;
	struct ts_thinking split = {0};
	bool found;
	TS_TRY(ts_store_get_sample(j->s->store, c->stage, c->key, &sample, &found, j->err));
	if (!found)
		return ts_fail(j->err, TS_ENOTFOUND, "journal: no sample %s of stage \"%s\" to judge", c->key, c->stage);
	shown->tokens = (int64_t)sample.tokens;
	int status = c->part ? ts_thinking_split(sample.response, sample.response_len, &split)
			     : ts_str_append(out, sample.response, sample.response_len);
	if (!status && c->part) {
		struct ts_str *part = c->part == TS_THINKING ? &split.thinking : &split.answer;
		*out = *part;
		*part = (struct ts_str){0};
	}
	ts_thinking_release(&split);
	ts_sample_release(&sample);
	return status ? ts_fail_memory(j->err) : 0;
}

static int next(void *user, struct ts_case *out)
{
	struct job *j = user;
	while (j->next < j->todo_count) {
		size_t i = j->todo[j->next++];
		TS_TRY(read_text(j, &j->cases[i], &j->texts[i]));
		const struct ts_str *text = &j->texts[i].text;
		/* Templates and guards work on C strings: a response with a NUL inside cannot be shown to them whole. */
		if (strlen(ts_str_c(text)) != text->len) {
			struct ts_judged judged = {TS_UNJUDGED, __builtin_nan(""), "the response holds a NUL character"};
			TS_TRY(put(j, i, &judged));
			continue;
		}
		*out = (struct ts_case){i, j->cases[i].prompt, ts_str_c(text)};
		return 1;
	}
	return 0;
}

static int done(void *user, const struct ts_case *c, const struct ts_judged *judged)
{
	struct job *j = user;
	count(j, judged->judgement != TS_UNJUDGED, judged->why);
	return put(j, c->index, judged);
}

int ts_judge_stage_run(struct ts_judge_stage *s, const struct ts_judge_case *cases, size_t n, const struct ts_context *context,
		       struct ts_error *err)
{
	struct job j = {.s = s, .cases = cases, .context = context, .err = err};
	s->new_verdicts = s->tokens = s->all = 0;
	s->seconds = 0;
	j.todo = ts_calloc(n, sizeof(*j.todo));
	j.texts = ts_calloc(n, sizeof(*j.texts));
	int status = j.todo && j.texts ? 0 : ts_fail_memory(err);
	if (!status)
		status = find_missing(&j, n);
	if (!status)
		s->all = j.had + j.todo_count;
	if (!status && j.todo_count) {
		struct ts_guard *guard;
		struct ts_case_source source = {&j, next, done, tick};
		j.shown = UINT64_MAX;
		status = s->open(s->user, &guard, err);
		if (!status) /* as in sample_stage.c */
			status = ts_store_flush(s->store, err);
		j.durable_before = ts_store_durable(s->store);
		double started = ts_clock();
		if (!status)
			show(&j);
		if (!status)
			status = guard->run(guard, &source, context, err);
		s->seconds = ts_clock() - started;
		int flushed = ts_store_flush(s->store, status ? NULL : err);
		if (!status)
			status = flushed;
		show(&j);
	}
	if (!status && j.broken && !j.judged)
		status = ts_fail(err, TS_ENUMERIC,
				 "%s: expected verdicts, found that none of %llu texts can be judged: " TS_GUARD_NOT_FINITE
				 " (a damaged guard checkpoint?)",
				 s->title, (unsigned long long)j.broken);
	for (size_t i = 0; j.texts && i < n; i++)
		ts_str_release(&j.texts[i].text);
	ts_free(j.texts);
	ts_free(j.todo);
	return status;
}
