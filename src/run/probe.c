/* The order of the measurements, and how the time is shared out among them. */
#include "run/probe.h"

#include "guard/llama_guard.h"
#include "text/thinking.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Shares of the time. */
#define FIRST_SHARE   0.05
#define SAMPLE_SHARE  0.5
#define ADAPTER_SHARE 0.1
#define JUDGE_SHARE   0.15
#define TRAIN_SHARE   0.2
/* A training step takes about so many times the seconds of its tokens as a prompt. */
#define TRAIN_FACTOR 4
/* Tokens in which a refusal shows. */
#define FIRST_WORDS 16
/* More steps of training tell nothing new. */
#define TRAIN_STEPS 40
/* Prompts of the second measurement: enough to tell a row from a step. */
#define FEW 5

/* Whether a stage of this kind, with or without the adapter, is still to be done. */
static bool is_left(const struct ts_probe *p, enum ts_plan_kind kind, bool adapter)
{
	for (size_t i = 0; i < TS_PLAN_STAGES; i++) {
		const struct ts_plan_stage *s = &p->plan->stages[i];
		if (s->kind == kind && s->adapter == adapter && s->left)
			return true;
	}
	return false;
}

/* --- the student --- */

/* Seconds of the whole run if prompts and answers cost what the first one did: enough to choose how long to measure. */
static double guess(const struct ts_probe *p)
{
	struct ts_step_cost cost = ts_step_fit_cost(&p->fit);
	double tokens = 0;
	if (cost.per_sampled < cost.per_prompt)
		cost.per_sampled = cost.per_prompt;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		if (p->plan->stages[i].kind == TS_PLAN_SAMPLE)
			tokens += p->plan->stages[i].tokens_in * cost.per_prompt +
				  (double)p->plan->stages[i].left * (double)p->answers.data[0].tokens *
					  (cost.per_sampled + cost.fixed / (double)p->limits.batch);
	return 2 * tokens; /* judging and training */
}

/* How many prompts to begin with, so that all answers end well in time: answers of twice the first one's length if it ended, else of the
 * most tokens. Where that is too few to say anything, prompts take a third of the time at most, and answers are seen to grow. */
static size_t affordable(const struct ts_probe *p, double seconds)
{
	struct ts_step_cost cost = ts_step_fit_cost(&p->fit);
	const struct ts_probe_answer *first = &p->answers.data[0];
	double one = (double)first->prompt->ids.len * cost.per_prompt, steps = (double)ts_run_new_tokens(p->r, first->prompt);
	if (cost.per_sampled < cost.per_prompt)
		cost.per_sampled = cost.per_prompt; /* one prompt alone does not tell a row from a step */
	if (first->ended && steps > 2 * (double)first->tokens)
		steps = 2 * (double)first->tokens;
	double n = 0.5 * (seconds - steps * cost.fixed) / (one + steps * cost.per_sampled + 1e-9);
	if (!first->ended && n < FEW)
		n = seconds / 3 / (one + cost.fixed + 1e-9);
	return n < 1 ? 1 : n >= (double)p->limits.batch ? SIZE_MAX : (size_t)n;
}

static void keep_lengths(struct ts_probe *p)
{
	double bytes = 0, tokens = 0;
	for (size_t i = 0; i < p->answers.len; i++) {
		const struct ts_probe_answer *a = &p->answers.data[i];
		struct ts_plan_lengths *l = &p->plan->lengths[a->list];
		size_t longest = p->plan->expected ? p->plan->expected : ts_run_new_tokens(p->r, a->prompt);
		size_t planned = a->ended || a->tokens > longest ? a->tokens : longest;
		if (ts_vec_push(&l->answers, planned))
			return; /* a shorter sample */
		l->at_least += ((double)a->tokens - l->at_least) / (double)l->answers.len;
		l->ended += a->ended;
		bytes += a->ended ? (double)a->text.len : 0;
		tokens += a->ended ? (double)a->tokens : 0;
	}
	if (tokens > 0)
		p->plan->text_bytes = bytes / tokens;
	p->plan->rates.step = ts_step_fit_cost(&p->fit);
	p->plan->rates.steps = p->fit.steps;
	p->plan->rates.answers = p->answers.len;
}

static int fresh_adapter(struct ts_probe *p)
{
	struct ts_adapter_config c;
	TS_TRY(ts_run_adapter_config(p->r->recipe, &c, p->err));
	return ts_adapter_new(&p->r->adapter, p->r->model, &c, p->r->recipe->seed, p->err);
}

/* A new adapter changes no answer, since its B is zero, and takes the time of any other. */
static int measure_adapter(struct ts_probe *p, double seconds)
{
	struct ts_run *r = p->r;
	p->plan->rates.with_adapter = 1;
	ts_run_close_engine(r);
	TS_TRY(fresh_adapter(p));
	TS_TRY(ts_run_open_engine(r, p->longest, p->err));
	TS_TRY(ts_probe_again(p, p->answers.len, seconds, &p->plan->rates.with_adapter));
	ts_run_close_engine(r);
	return 0;
}

static int measure_student(struct ts_probe *p, double *seconds, double share)
{
	struct ts_responder *unused;
	struct ts_run *r = p->r;
	double started = ts_clock();
	TS_TRY(ts_run_open_student(r, p->longest, &unused, p->err));
	p->plan->rates.open_student = ts_clock() - started;
	TS_TRY(ts_probe_sample(p, 1, *seconds, *seconds * FIRST_SHARE));
	if (!p->answers.len)
		return 0;
	if (p->answers.data[0].ended)
		TS_TRY(ts_probe_sample(p, FEW, *seconds, *seconds * FIRST_SHARE));
	if (share > 0 && share * guess(p) < *seconds)
		*seconds = share * guess(p);
	double most = *seconds * SAMPLE_SHARE;
	TS_TRY(ts_probe_sample(p, affordable(p, most), most * 0.6, most));
	keep_lengths(p);
	return is_left(p, TS_PLAN_SAMPLE, true) || is_left(p, TS_PLAN_TRAIN, false) ? measure_adapter(p, *seconds * ADAPTER_SHARE) : 0;
}

/* --- training --- */

struct train_watch {
	struct ts_probe *p;
	double last, stop_at, seconds;
	size_t tokens, steps;
};

static int train_step(void *user, const struct ts_train_step *s, struct ts_error *err)
{
	struct train_watch *w = user;
	double now = ts_clock();
	(void)err;
	if (ts_should_stop(&w->p->quiet))
		return TS_ESTOPPED;
	/* The first step meets cold caches, but is better than nothing. */
	if (w->steps == 1)
		w->tokens = 0, w->seconds = 0;
	w->tokens += s->tokens;
	w->seconds += now - w->last;
	w->last = now;
	return ++w->steps > 1 && (now > w->stop_at || w->steps > TRAIN_STEPS) ? TS_ELIMIT : 0;
}

struct examples {
	TS_VEC(struct ts_example) list;
};

/* Of the sample's answers, no more tokens than fit the time. */
static int make_examples(struct ts_probe *p, size_t most_tokens, struct examples *out)
{
	const struct ts_recipe *recipe = p->r->recipe;
	size_t tokens = 0;
	for (size_t i = 0; i < p->answers.len && tokens < most_tokens; i++) {
		const struct ts_probe_answer *a = &p->answers.data[i];
		struct ts_example e = {0};
		if (a->list != TS_PLAN_GENERATE || !a->ended)
			continue;
		TS_TRY(ts_example_make(&e, p->r->chat, a->instruction, ts_str_c(&a->text), recipe->thinking_required,
				       recipe->train.max_length, p->err));
		if (!ts_example_usable(&e, "", false, &p->quiet) || ts_vec_push(&out->list, e))
			ts_example_release(&e);
		else
			tokens += e.len;
	}
	return 0;
}

/* Where no answer ended: a prompt and as many of its own tokens again. */
static int stand_in(struct ts_probe *p, size_t most_tokens, struct examples *out)
{
	const struct ts_prompt *prompt = p->answers.data[0].prompt;
	size_t n = prompt->ids.len < most_tokens ? prompt->ids.len : most_tokens;
	uint8_t *mask = ts_calloc(n, 1);
	struct ts_example e = {0};
	if (!mask)
		return ts_fail_memory(p->err);
	memset(mask + n / 4, 1, n - n / 4);
	int status = n < 2 ? 0 : ts_example_from_ids(&e, prompt->ids.data, mask, n, n, p->err);
	ts_free(mask);
	if (!status && n >= 2 && ts_vec_push(&out->list, e)) {
		ts_example_release(&e);
		status = ts_fail_memory(p->err);
	}
	return status;
}

static int train_on(struct ts_probe *p, struct examples *examples, double seconds)
{
	struct ts_run *r = p->r;
	struct ts_train_options o = ts_run_train_options(r, NULL, NULL);
	const struct ts_train_bound bound = {.bytes = r->machine->memory, .used = ts_run_used(r)};
	TS_TRY(ts_train_fit_examples(&o, r->model, r->adapter, examples->list.data, examples->list.len, &bound, p->err));
	o.epochs = 1000; /* the clock ends it */
	double now = ts_clock();
	struct train_watch w = {.p = p, .last = now, .stop_at = now + seconds};
	struct ts_train_hooks hooks = {&w, train_step, NULL};
	int status = ts_train(r->model, r->adapter, examples->list.data, examples->list.len, &o, &p->quiet, &hooks, p->err);
	if (status == TS_ELIMIT && w.steps)
		status = 0;
	if (!status && w.tokens) {
		p->plan->rates.train_token = w.seconds / (double)w.tokens;
		p->plan->rates.train_steps = w.steps;
	}
	return status;
}

static int measure_training(struct ts_probe *p, double seconds)
{
	struct examples examples = {0};
	double token = p->plan->rates.step.per_prompt * TRAIN_FACTOR, affordable_tokens = token > 0 ? seconds / token : 1e9;
	size_t most = affordable_tokens > 1e6 ? 1000000 : affordable_tokens < 16 ? 16 : (size_t)affordable_tokens;
	int status = make_examples(p, most, &examples);
	double tokens = 0;
	for (size_t i = 0; i < examples.list.len; i++)
		tokens += (double)examples.list.data[i].len;
	if (examples.list.len)
		p->plan->example_tokens = tokens / (double)examples.list.len;
	if (!status && !examples.list.len)
		status = stand_in(p, most, &examples);
	if (!status && examples.list.len)
		status = train_on(p, &examples, seconds);
	for (size_t i = 0; i < examples.list.len; i++)
		ts_example_release(&examples.list.data[i]);
	ts_vec_release(&examples.list);
	return status;
}

/* --- the guard --- */

struct judging {
	struct ts_probe *p;
	size_t next, end, cases;
	const char *name;      /* of the judge */
	bool evals;            /* it judges evaluation sets alone */
	bool decides;          /* it filters training responses */
	bool parts;            /* it judges answers that did not end too */
	size_t kept[2], of[2]; /* of benign, harmful generated answers */
	double tokens;         /* shown to the guard in the last group */
	double shown[TS_PLAN_LISTS], answered[TS_PLAN_LISTS], n[TS_PLAN_LISTS];
};

static void decide(struct judging *j, const struct ts_probe_answer *a, bool kept)
{
	if (!j->decides || a->list != TS_PLAN_GENERATE)
		return;
	j->of[a->harmful]++;
	j->kept[a->harmful] += kept;
}

static int next_case(void *user, struct ts_case *out)
{
	struct judging *j = user;
	for (; j->next < j->end; j->next++) {
		const struct ts_probe_answer *a = &j->p->answers.data[j->next];
		if ((!a->ended && (!j->parts || a->tokens < FIRST_WORDS)) || (j->evals && a->list != TS_PLAN_EVAL))
			continue;
		if (j->p->r->recipe->thinking_required && !ts_thinking_closed(a->text.data, a->text.len)) {
			decide(j, a, false);
			continue;
		}
		*out = (struct ts_case){j->next++, a->instruction, ts_str_c(&a->text)};
		return 1;
	}
	return 0;
}

static int done_case(void *user, const struct ts_case *c, const struct ts_judged *judged)
{
	struct judging *j = user;
	const struct ts_probe_answer *a = &j->p->answers.data[c->index];
	const char *verdict = ts_judgement_name(judged->judgement);
	struct ts_verdict v = {.verdict = verdict, .probability = judged->unsafe_probability, .detail = judged->why};
	j->cases++;
	decide(j, a, !ts_run_filter_judge(j->p->r) || ts_run_fate(verdict, a->harmful) == TS_KEPT);
	return ts_store_put_verdict(j->p->scratch, "probe", a->prompt->name, j->name, &v, NULL, j->p->err);
}

static int tick_case(void *user)
{
	struct judging *j = user;
	return ts_store_tick(j->p->scratch, j->p->err);
}

static int case_text(const struct judging *j, const struct ts_probe_answer *a, struct ts_str *text)
{
	return strcmp(j->name, TS_JUDGE_GUARD) ? ts_wildguard_text(a->instruction, ts_str_c(&a->text), text)
					       : ts_llama_guard_text(j->p->r->guard_chat, a->instruction, ts_str_c(&a->text), text, NULL);
}

/* Tokens of what the guard is shown for answers [from, end). */
static int count_tokens(struct judging *j, size_t from)
{
	struct ts_probe *p = j->p;
	j->tokens = 0;
	for (size_t i = from; i < j->end; i++) {
		const struct ts_probe_answer *a = &p->answers.data[i];
		struct ts_str text = {0};
		ts_ids ids = {0};
		if (!a->ended || (j->evals && a->list != TS_PLAN_EVAL))
			continue;
		int status = case_text(j, a, &text);
		if (!status)
			status = ts_tokenizer_encode(ts_chat_tokenizer(p->r->guard_chat), text.data, text.len, false, &ids, NULL);
		if (!status) {
			j->tokens += (double)ids.len;
			j->shown[a->list] += (double)ids.len;
			j->answered[a->list] += (double)a->tokens;
			j->n[a->list]++;
		}
		ts_vec_release(&ids);
		ts_str_release(&text);
		if (status == TS_ENOMEM)
			return ts_fail_memory(p->err);
	}
	return 0;
}

static void keep_case_tokens(const struct judging *j)
{
	struct ts_plan *plan = j->p->plan;
	for (enum ts_plan_list l = 0; l < TS_PLAN_LISTS; l++) {
		double *mean = j->evals ? &plan->refusal_tokens : &plan->case_tokens[l];
		if (j->n[l] > 0)
			*mean = (j->shown[l] - j->answered[l]) / j->n[l] + ts_plan_mean_answer(plan, l);
	}
}

/* Answers up to `end`, as one group. */
static int judge(struct judging *j, struct ts_guard *guard, size_t end)
{
	struct ts_case_source source = {j, next_case, done_case, tick_case};
	j->name = guard->name;
	j->end = end < j->p->answers.len ? end : j->p->answers.len;
	return guard->run(guard, &source, &j->p->quiet, j->p->err);
}

/* Whether there is an answer for it, and how many to look at until one has come. */
static bool first_case(const struct judging *j, size_t *some)
{
	const struct ts_probe *p = j->p;
	for (*some = 1; *some <= p->answers.len; ++*some) {
		const struct ts_probe_answer *a = &p->answers.data[*some - 1];
		if (a->ended && (!j->evals || a->list == TS_PLAN_EVAL))
			return true;
	}
	return false; /* said in the plan by the number of cases */
}

/* Groups grow, and the last and largest one counts: the first ones do not fill a step. */
static int measure_guard(struct judging *j, const char *name, double seconds, double *opening, double *token)
{
	struct ts_probe *p = j->p;
	struct ts_guard *guard;
	double started = ts_clock();
	size_t some;
	if (!first_case(j, &some))
		return 0;
	TS_TRY(ts_run_open_guard(p->r, name, &guard, p->err));
	*opening = ts_clock() - started;
	for (double spent = 0; j->end < p->answers.len && (!j->end || spent * 5 < seconds); some *= 4) {
		size_t from = j->end;
		started = ts_clock();
		TS_TRY(judge(j, guard, j->end + some));
		double last = ts_clock() - started;
		TS_TRY(count_tokens(j, from));
		spent += last;
		if (j->tokens > 0)
			*token = last / j->tokens;
	}
	keep_case_tokens(j);
	return 0;
}

static int measure_refusals(struct ts_probe *p, double seconds)
{
	struct judging j = {.p = p, .evals = true};
	struct ts_plan_rates *rates = &p->plan->rates;
	TS_TRY(measure_guard(&j, TS_JUDGE_REFUSAL, seconds, &rates->open_refusal, &rates->refusal_token));
	rates->refusal_cases = j.cases;
	return 0;
}

/* The share of training responses that will be kept, and the guard's rate if it is a model. */
static int measure_judges(struct ts_probe *p, double seconds)
{
	const char *filter = ts_run_filter_judge(p->r), *safety = ts_run_safety_judge(p->r);
	struct judging j = {.p = p, .decides = ts_run_is_model(filter)};
	struct ts_guard *phrases;
	if (ts_run_is_model(filter) || ts_run_is_model(safety)) {
		struct ts_plan_rates *rates = &p->plan->rates;
		TS_TRY(measure_guard(&j, ts_run_is_model(safety) ? safety : filter, seconds, &rates->open_guard, &rates->case_token));
		rates->cases = j.cases;
	}
	if (!j.decides) {
		/* A refusal shows in an answer's first words, but thinking shows nothing before its end. */
		j = (struct judging){.p = p, .decides = true, .parts = !p->r->recipe->thinking_required};
		TS_TRY(ts_run_open_phrases(p->r, &phrases, p->err));
		TS_TRY(judge(&j, phrases, SIZE_MAX));
	}
	if (ts_run_is_model(ts_run_refusal_judge(p->r)))
		TS_TRY(measure_refusals(p, seconds));
	for (int h = 0; h < 2; h++) {
		p->plan->kept_of[h] = j.of[h];
		p->plan->kept[h] = j.of[h] ? (double)j.kept[h] / (double)j.of[h] : (double)NAN;
	}
	return 0;
}

int ts_run_probe(struct ts_run *r, struct ts_plan *plan, double seconds, double share, struct ts_error *err)
{
	struct ts_probe p = {.r = r, .plan = plan, .err = err};
	double started = ts_clock();
	p.quiet = (struct ts_context){.stop = r->context ? r->context->stop : NULL};
	p.limits = (struct ts_batching_limits){r->machine->batch, r->machine->chunk, SIZE_MAX / 2, SIZE_MAX};
	for (size_t i = TS_PLAN_STAGES; i-- > 0;)
		if (plan->stages[i].kind == TS_PLAN_SAMPLE && plan->stages[i].left)
			p.limits = (struct ts_batching_limits){plan->stages[i].memory.batch, plan->stages[i].memory.chunk,
							       plan->stages[i].memory.pages, SIZE_MAX};
	int status = ts_store_open(&p.scratch, ":memory:", err);
	if (!status)
		status = ts_probe_fill(&p);
	if (!status)
		status = measure_student(&p, &seconds, share);
	if (!status && p.answers.len && is_left(&p, TS_PLAN_TRAIN, false))
		status = measure_training(&p, seconds * TRAIN_SHARE);
	/* the share that is kept matters as long as something may be generated */
	if (!status && p.answers.len && (is_left(&p, TS_PLAN_JUDGE, false) || is_left(&p, TS_PLAN_SAMPLE, false)))
		status = measure_judges(&p, seconds * JUDGE_SHARE);
	ts_probe_release(&p);
	plan->rates.measured = !status;
	plan->probe = ts_clock() - started;
	return status;
}
