#include "generate/score.h"

#include "core/mem.h"

struct ts_scorer {
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	size_t max_length, chunk;
	struct ts_workspace *workspace;
	struct ts_kv_pool kv;
	int32_t *pages, *targets;
	uint32_t *positions, *wanted;
	float *lse, *picked;
};

int ts_scorer_new(struct ts_scorer **out, const struct ts_model *model, const struct ts_adapter *adapter, size_t max_length, size_t chunk,
		  enum ts_dtype kv_dtype, struct ts_error *err)
{
	*out = NULL;
	struct ts_scorer *s = ts_calloc(1, sizeof(*s));
	if (!s)
		return ts_fail_memory(err);
	size_t pages = (max_length + TS_KV_PAGE - 1) / TS_KV_PAGE;
	*s = (struct ts_scorer){.model = model, .adapter = adapter, .max_length = max_length, .chunk = chunk};
	s->pages = ts_calloc(pages, sizeof(*s->pages));
	s->targets = ts_calloc(chunk, sizeof(*s->targets));
	s->positions = ts_calloc(chunk, sizeof(*s->positions));
	s->wanted = ts_calloc(chunk, sizeof(*s->wanted));
	s->lse = ts_calloc(chunk, sizeof(*s->lse));
	s->picked = ts_calloc(chunk, sizeof(*s->picked));
	int status = s->pages && s->targets && s->positions && s->wanted && s->lse && s->picked ? 0 : ts_fail_memory(err);
	if (!status)
		status = ts_workspace_new(&s->workspace, model, chunk, chunk, adapter ? adapter->max_rank : 0, err);
	if (!status)
		status = ts_model_kv_new(model, &s->kv, pages, kv_dtype, err);
	if (status) {
		ts_scorer_free(s);
		return status;
	}
	for (size_t i = 0; i < pages; i++)
		s->pages[i] = (int32_t)i;
	*out = s;
	return 0;
}

void ts_scorer_free(struct ts_scorer *s)
{
	if (!s)
		return;
	ts_model_kv_free(s->model, &s->kv);
	ts_workspace_free(s->workspace);
	void *owned[] = {s->pages, s->targets, s->positions, s->wanted, s->lse, s->picked};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		ts_free(owned[i]);
	ts_free(s);
}

int ts_score(struct ts_scorer *s, const int32_t *ids, size_t n, float *logprobs, float *logits, struct ts_error *err)
{
	const struct ts_model_config *g = ts_model_config(s->model);
	if (!n || n > s->max_length)
		return ts_fail(err, TS_ELIMIT, "%zu tokens, expected 1 to %zu", n, s->max_length);
	for (size_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= g->vocab_size)
			return ts_fail(err, TS_EMISMATCH, "token id %d, expected 0 to %d (the model's vocabulary)", ids[i],
				       g->vocab_size - 1);
	for (size_t at = 0; at < n; at += s->chunk) {
		size_t rows = n - at < s->chunk ? n - at : s->chunk;
		struct ts_segment segment = {0, rows, at, s->pages};
		for (size_t i = 0; i < rows; i++) {
			s->positions[i] = (uint32_t)(at + i);
			s->wanted[i] = (uint32_t)i;
			s->targets[i] = at + i + 1 < n ? ids[at + i + 1] : -1;
		}
		struct ts_batch batch = {.rows = rows,
					 .ids = ids + at,
					 .positions = s->positions,
					 .segments = &segment,
					 .segment_count = 1,
					 .kv = &s->kv,
					 .adapter = s->adapter,
					 .lengths = &n,
					 .wanted = s->wanted,
					 .wanted_count = rows};
		const float *hidden = ts_model_forward(s->model, s->workspace, &batch);
		if (logits)
			ts_model_logits(s->model, logits + at * (size_t)g->vocab_size, hidden, rows);
		ts_model_target_logits(s->model, s->lse, s->picked, hidden, s->targets, rows);
		for (size_t i = 0; i < rows; i++) {
			if (!__builtin_isfinite(s->lse[i]))
				return ts_fail(err, TS_ENUMERIC, "the logits after token %zu are not finite", at + i);
			if (at + i + 1 < n)
				logprobs[at + i] = s->picked[i] - s->lse[i];
		}
	}
	return 0;
}
