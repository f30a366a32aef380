#include "guard/internal.h"

#include "core/mem.h"

const char *ts_judgement_name(enum ts_judgement j)
{
	static const char *const names[] = {"safe", "unsafe", "unjudged", "refusal", "compliance"};
	return names[j];
}

static int report_unjudged(struct asking_guard *g, const struct ts_case *c, const char *why)
{
	struct ts_judged v = {TS_UNJUDGED, __builtin_nan(""), why};
	return g->source->done(g->source->user, c, &v);
}

/* Text and ids of one case; *why is set when it cannot be judged. */
static int prepare(struct asking_guard *g, const struct ts_case *c, ts_ids *ids, const char **why)
{
	struct ts_str text = {0};
	struct ts_error err = {0};
	int status = g->text(g, c, &text, &err);
	if (!status)
		status = ts_tokenizer_encode(ts_chat_tokenizer(g->chat), text.data, text.len, false, ids, &err);
	ts_str_release(&text);
	if (status == TS_ENOMEM)
		return status;
	*why = status == TS_EMISMATCH     ? "the guard's template loses the response"
	       : status                   ? "the guard's template or tokenizer refuses the text"
	       : ids->len > g->max_tokens ? g->too_long
					  : NULL;
	return 0;
}

static int next_request(void *user, struct ts_request *out)
{
	struct asking_guard *g = user;
	for (;;) {
		struct ts_case c;
		int got = g->source->next(g->source->user, &c);
		if (got <= 0)
			return got;
		struct asking_case *p = ts_calloc(1, sizeof(*p));
		if (!p)
			return TS_ENOMEM;
		p->the_case = c;
		const char *why = NULL;
		int status = prepare(g, &c, &p->ids, &why);
		if (!status && !why) {
			*out = (struct ts_request){.prompt = p->ids.data, .prompt_len = p->ids.len};
			g->ask(g, out);
			size_t slot = 0;
			while (slot < g->pending.len && g->pending.data[slot])
				slot++;
			out->index = slot;
			if (slot < g->pending.len)
				g->pending.data[slot] = p;
			else if (ts_vec_push(&g->pending, p))
				status = TS_ENOMEM;
			if (!status)
				return 1;
		}
		ts_vec_release(&p->ids);
		ts_free(p);
		if (!status)
			status = report_unjudged(g, &c, why);
		if (status)
			return status;
	}
}

static int done_request(void *user, const struct ts_request *request, const struct ts_answer *answer)
{
	struct asking_guard *g = user;
	struct asking_case *p = g->pending.data[request->index];
	struct ts_judged v;
	int status;
	if (answer->status) {
		status = report_unjudged(g, &p->the_case, TS_GUARD_NOT_FINITE);
	} else {
		status = g->read(g, answer, &v);
		if (!status)
			status = g->source->done(g->source->user, &p->the_case, &v);
	}
	g->pending.data[request->index] = NULL;
	ts_vec_release(&p->ids);
	ts_free(p);
	return status;
}

static int tick_request(void *user)
{
	struct asking_guard *g = user;
	return g->source->tick(g->source->user);
}

int ts_asking_run(struct ts_guard *guard, const struct ts_case_source *cases, const struct ts_context *context, struct ts_error *err)
{
	struct asking_guard *g = (struct asking_guard *)guard;
	struct ts_source source = {.user = g, .next = next_request, .done = done_request, .tick = cases->tick ? tick_request : NULL};
	g->source = cases;
	int status = g->responder->run(g->responder, &source, context, err);
	for (size_t i = 0; i < g->pending.len; i++)
		if (g->pending.data[i]) {
			ts_vec_release(&g->pending.data[i]->ids);
			ts_free(g->pending.data[i]);
		}
	ts_vec_release(&g->pending);
	return status;
}
