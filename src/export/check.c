/* The texts are few and short: enough that a wrong scale, a lost target or rows in a wrong order show, and little against loading the model. */
#include "export/internal.h"

#include "core/philox.h"
#include "generate/score.h"
#include "tensor/math.h"

#include <math.h>
#include <string.h>

static const size_t random_lengths[] = {1, 2, 17, EXPORT_TEXT_MOST};
static const char *const user_turns[] = {"What is 12 times 7?", "Write one sentence about the sea.", "Explain how a lock works.",
					 "Give a short list of three fruits."};

static void finish_text(struct export_check *c, struct export_text *t)
{
	t->kept = t->n < EXPORT_KEPT_MOST ? t->n : EXPORT_KEPT_MOST;
	c->positions += t->kept;
	c->count++;
}

static void add_random(struct export_check *c, const struct ts_model_config *config, size_t length)
{
	struct export_text *t = &c->texts[c->count];
	struct ts_random_key key = ts_random_key_make(0, "export", "", 0, length);
	size_t most = (size_t)config->max_positions;
	t->n = length < most ? length : most;
	for (size_t i = 0; i < t->n; i++)
		t->ids[i] = (int32_t)(ts_random_uniform(&key, i) * (double)config->vocab_size);
	finish_text(c, t);
}

/* A template that cannot render one user turn (a guard's may want more) gives no text; without memory there is none at all. */
static int add_turn(struct export_check *c, const struct ts_model_config *config, const struct ts_chat *chat, const char *turn,
		    struct ts_error *err)
{
	struct ts_str text = {0};
	ts_ids ids = {0};
	struct export_text *t = &c->texts[c->count];
	size_t most = (size_t)config->max_positions < EXPORT_TEXT_MOST ? (size_t)config->max_positions : EXPORT_TEXT_MOST;
	int status = ts_chat_render_user(chat, turn, &text, err);
	if (!status)
		status = ts_tokenizer_encode(ts_chat_tokenizer(chat), text.data, text.len, false, &ids, err);
	if (!status && ids.len) {
		t->n = ids.len < most ? ids.len : most;
		memcpy(t->ids, ids.data, t->n * sizeof(*t->ids));
		finish_text(c, t);
	}
	ts_vec_release(&ids);
	ts_str_release(&text);
	return status == TS_ENOMEM ? status : 0;
}

int export_check_choose(struct export_check *c, const struct ts_model_config *config, const struct ts_chat *chat, struct ts_error *err)
{
	*c = (struct export_check){.vocab = (size_t)config->vocab_size};
	for (size_t i = 0; i < sizeof(random_lengths) / sizeof(*random_lengths); i++)
		add_random(c, config, random_lengths[i]);
	for (size_t i = 0; chat && i < sizeof(user_turns) / sizeof(*user_turns); i++)
		TS_TRY(add_turn(c, config, chat, user_turns[i], err));
	return 0;
}

/* logits[n, vocab] of a text */
static int compute(struct ts_scorer *scorer, const struct export_text *t, float *logits, struct ts_error *err)
{
	float logprobs[EXPORT_TEXT_MOST];
	return ts_score(scorer, t->ids, t->n, logprobs, logits, err);
}

static int open_scorer(const struct export_check *c, const struct ts_model *m, const struct ts_adapter *adapter, struct ts_scorer **scorer,
		       float **logits, struct ts_error *err)
{
	*logits = NULL;
	TS_TRY(ts_scorer_new(scorer, m, adapter, EXPORT_TEXT_MOST, EXPORT_TEXT_MOST, TS_F32, err));
	*logits = ts_calloc(EXPORT_TEXT_MOST, c->vocab * sizeof(float));
	if (*logits)
		return 0;
	ts_scorer_free(*scorer);
	*scorer = NULL;
	return ts_fail_memory(err);
}

static double mean_of(const float *row, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)row[i];
	return sum / (double)n;
}

int export_check_record(struct export_check *c, const struct ts_model *m, const struct ts_adapter *adapter, struct ts_error *err)
{
	struct ts_scorer *scorer = NULL;
	float *logits = NULL;
	double squares = 0;
	int status = open_scorer(c, m, adapter, &scorer, &logits, err);
	for (size_t i = 0; i < c->count && !status; i++) {
		struct export_text *t = &c->texts[i];
		size_t n = t->kept * c->vocab;
		t->logits = ts_calloc(n, sizeof(float));
		status = t->logits ? compute(scorer, t, logits, err) : ts_fail_memory(err);
		if (status)
			break;
		memcpy(t->logits, logits + (t->n - t->kept) * c->vocab, n * sizeof(float));
		for (size_t row = 0; row < t->kept; row++) {
			double mean = mean_of(t->logits + row * c->vocab, c->vocab);
			for (size_t v = 0; v < c->vocab; v++) {
				double x = (double)t->logits[row * c->vocab + v] - mean;
				squares += x * x;
			}
		}
	}
	c->spread = sqrt(squares / (double)(c->positions * c->vocab));
	ts_free(logits);
	ts_scorer_free(scorer);
	return status;
}

/* log sum exp */
static double normaliser(const float *row, size_t n)
{
	double most = (double)row[0], sum = 0;
	for (size_t i = 1; i < n; i++)
		most = (double)row[i] > most ? (double)row[i] : most;
	for (size_t i = 0; i < n; i++)
		sum += ts_exp((double)row[i] - most);
	return most + ts_ln(sum);
}

/* Adds one position: `squares` of the differences, KL, and the largest. */
static void compare_row(const float *expected, const float *found, size_t n, struct ts_logit_difference *d)
{
	double a = normaliser(expected, n), b = normaliser(found, n);
	for (size_t v = 0; v < n; v++) {
		double off = (double)found[v] - (double)expected[v], p = (double)expected[v] - a;
		d->largest = fabs(off) > d->largest ? fabs(off) : d->largest;
		d->rms += off * off;
		d->kl += ts_exp(p) * (p - ((double)found[v] - b));
	}
}

int export_check_compare(const struct export_check *c, const struct ts_model *m, const struct ts_adapter *adapter,
			 struct ts_logit_difference *d, struct ts_error *err)
{
	struct ts_scorer *scorer = NULL;
	float *logits = NULL;
	*d = (struct ts_logit_difference){0};
	int status = open_scorer(c, m, adapter, &scorer, &logits, err);
	for (size_t i = 0; i < c->count && !status; i++) {
		const struct export_text *t = &c->texts[i];
		status = compute(scorer, t, logits, err);
		for (size_t row = 0; row < t->kept && !status; row++)
			compare_row(t->logits + row * c->vocab, logits + (t->n - t->kept + row) * c->vocab, c->vocab, d);
	}
	d->rms = sqrt(d->rms / (double)(c->positions * c->vocab));
	d->kl /= (double)c->positions;
	if (d->kl < 0)
		d->kl = 0; /* rounding, where both are the same */
	ts_free(logits);
	ts_scorer_free(scorer);
	return status;
}

void export_check_release(struct export_check *c)
{
	for (size_t i = 0; i < c->count; i++)
		ts_free(c->texts[i].logits);
	*c = (struct export_check){0};
}
