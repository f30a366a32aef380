#include "run/sample_stage.h"

#include "core/map.h"

#include <stdio.h>

struct job {
	struct ts_sample_stage *s;
	const struct ts_prompt *prompts;
	size_t *todo; /* indices of prompts without a sample, first of its kind */
	size_t todo_count, next;
	size_t had; /* prompts of the list whose sample was stored before */
	uint64_t durable_before, shown;
	double started;
	const struct ts_context *context;
	struct ts_error *err;
};

static size_t new_tokens(const struct job *j, const struct ts_prompt *p)
{
	return p->max_new_tokens ? p->max_new_tokens : j->s->sampling.max_new_tokens;
}

/* Fills todo; `longest` = the longest prompt with its response among them. */
static int find_missing(struct job *j, size_t n, size_t *distinct, size_t *longest)
{
	struct ts_map seen = {0};
	int status = 0;
	*distinct = *longest = 0;
	for (size_t i = 0; i < n && !status; i++) {
		const struct ts_prompt *p = &j->prompts[i];
		if (ts_map_get(&seen, p->name, 64))
			continue;
		status = ts_map_put(&seen, p->name, 64, 1);
		++*distinct;
		struct ts_sample sample;
		bool found = false;
		if (!status)
			status = ts_store_get_sample(j->s->store, j->s->stage, p->name, &sample, &found, j->err);
		if (!status && found)
			ts_sample_release(&sample);
		if (status || found)
			continue;
		j->todo[j->todo_count++] = i;
		if (p->ids.len + new_tokens(j, p) > *longest)
			*longest = p->ids.len + new_tokens(j, p);
	}
	ts_map_release(&seen);
	return status;
}

/* Counted is what is durable; nothing is said twice. */
static void show(struct job *j)
{
	char note[64];
	uint64_t done = j->had + (ts_store_durable(j->s->store) - j->durable_before);
	double seconds = ts_clock() - j->started;
	if (done == j->shown)
		return;
	j->shown = done;
	snprintf(note, sizeof(note), "%.0f tokens/s", seconds > 0 ? (double)j->s->new_tokens / seconds : 0.0);
	ts_progress(j->context, j->s->title, done, j->had + j->todo_count, "responses", j->s->new_tokens ? note : NULL);
}

static int tick(void *user)
{
	struct job *j = user;
	TS_TRY(ts_store_tick(j->s->store, j->err));
	show(j);
	return 0;
}

static int next(void *user, struct ts_request *out)
{
	struct job *j = user;
	if (j->next == j->todo_count)
		return 0;
	const struct ts_prompt *p = &j->prompts[j->todo[j->next]];
	*out = (struct ts_request){.index = j->todo[j->next],
				   .prompt = p->ids.data,
				   .prompt_len = p->ids.len,
				   .sampling = j->s->sampling,
				   .key = p->key,
				   .ignore_eos = j->s->ignore_eos};
	out->sampling.max_new_tokens = new_tokens(j, p);
	j->next++;
	return 1;
}

static int done(void *user, const struct ts_request *request, const struct ts_answer *answer)
{
	struct job *j = user;
	struct ts_str text = {0};
	if (answer->status) {
		const struct ts_prompt *p = &j->prompts[request->index];
		return ts_fail(j->err, answer->status,
			       "%s: %s%sprompt %zu: expected finite logits, found NaN or Inf after %zu tokens of the response", j->s->title,
			       p->file ? p->file : "", p->file ? ": " : "", p->file ? p->number : request->index + 1, answer->len);
	}
	bool stopped = answer->finish == TS_FINISH_STOP;
	int status = ts_response_text(j->s->chat, answer->ids, answer->len, stopped, j->s->templated, &text);
	if (!status) {
		struct ts_sample sample = {.response = ts_str_c(&text),
					   .response_len = text.len,
					   .finish = ts_finish_name(answer->finish),
					   .tokens = (int)answer->len,
					   .prompt_tokens = (int)request->prompt_len,
					   .ids = answer->ids,
					   .id_count = answer->len};
		status = ts_store_put_sample(j->s->store, j->s->stage, j->prompts[request->index].name, &sample, NULL, j->err);
	}
	ts_str_release(&text);
	j->s->new_samples++;
	j->s->new_tokens += answer->len;
	if (!status)
		show(j);
	return status;
}

int ts_sample_stage_run(struct ts_sample_stage *s, const struct ts_prompt *prompts, size_t n, const struct ts_context *context,
			struct ts_error *err)
{
	struct job j = {.s = s, .prompts = prompts, .context = context, .err = err};
	size_t distinct, longest;
	s->new_samples = s->new_tokens = s->all = 0;
	s->seconds = 0;
	j.todo = ts_calloc(n, sizeof(*j.todo));
	if (!j.todo)
		return ts_fail_memory(err);
	int status = find_missing(&j, n, &distinct, &longest);
	if (!status)
		s->all = distinct;
	if (!status && j.todo_count) {
		struct ts_responder *responder;
		struct ts_source source = {.user = &j, .next = next, .done = done, .tick = tick};
		j.had = distinct - j.todo_count;
		j.shown = UINT64_MAX;
		status = s->open(s->user, longest, &responder, err);
		/* What other stages and the opening wrote must not be counted as this stage's progress. */
		if (!status)
			status = ts_store_flush(s->store, err);
		j.durable_before = ts_store_durable(s->store);
		j.started = ts_clock();
		if (!status)
			show(&j);
		if (!status)
			status = responder->run(responder, &source, context, err);
		s->seconds = ts_clock() - j.started;
		int flushed = ts_store_flush(s->store, status ? NULL : err);
		if (!status)
			status = flushed;
		show(&j);
	}
	ts_free(j.todo);
	return status;
}
