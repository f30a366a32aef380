/* The merges of a SentencePiece model, which keeps scores instead: any two tokens that together spell a third may merge, the one whose
 * result has the highest score first, and the leftmost among equals. So every way to cut a token in two is a merge, and its rank is the
 * place of the token's score among all scores. */
#include "text/tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct scored {
	double score;
	uint32_t id;
};

struct maker {
	struct ts_bpe *model;
	struct scored *order; /* the tokens that a merge can make, best first */
	size_t count;
	uint32_t *ranks; /* by id; NONE = no merge makes it and none takes it */
	TS_VEC(struct ts_bpe_merge) merges;
};

static int by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;
	return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

static int read_scores(struct maker *m, const json_t *scores, const char *place, struct ts_error *err)
{
	size_t id;
	const json_t *score;
	json_array_foreach (scores, id, score) {
		if (json_is_null(score) || !m->model->tokens[id])
			continue;
		if (!json_is_number(score))
			return ts_fail(err, TS_EFORMAT, "%s: scores[%zu]: expected a number or null", place, id);
		m->order[m->count++] = (struct scored){json_number_value(score), (uint32_t)id};
	}
	qsort(m->order, m->count, sizeof(*m->order), by_score);
	memset(m->ranks, 0xFF, m->model->size * sizeof(*m->ranks));
	for (size_t i = 0; i < m->count; i++) {
		bool same = i && m->order[i].score == m->order[i - 1].score;
		m->ranks[m->order[i].id] = same ? m->ranks[m->order[i - 1].id] : (uint32_t)i;
	}
	return 0;
}

/* The id of a token that a merge may take, or NONE. */
static uint32_t find(const struct maker *m, const char *s, size_t n)
{
	const int64_t *id = ts_map_get(&m->model->vocab, s, n);
	return id && m->ranks[*id] != NONE ? (uint32_t)*id : NONE;
}

static int add_cuts(struct maker *m, uint32_t id)
{
	const char *s = m->model->tokens[id];
	size_t n = m->model->token_lengths[id];
	for (size_t cut = 1; cut < n; cut++) {
		if (((unsigned char)s[cut] & 0xC0) == 0x80) /* inside a character */
			continue;
		struct ts_bpe_merge merge = {.left = find(m, s, cut), .rank = m->ranks[id], .result = id};
		if (merge.left == NONE || (merge.right = find(m, s + cut, n - cut)) == NONE)
			continue;
		if (ts_vec_push(&m->merges, merge))
			return TS_ENOMEM;
	}
	return 0;
}

static int make(struct maker *m, const json_t *scores, const char *place, struct ts_error *err)
{
	if (!m->order || !m->ranks)
		return ts_fail_memory(err);
	TS_TRY(read_scores(m, scores, place, err));
	for (size_t i = 0; i < m->count; i++)
		if (add_cuts(m, m->order[i].id))
			return ts_fail_memory(err);
	TS_TRY(ts_bpe_merges_reserve(m->model, m->merges.len, place, err));
	for (size_t i = 0; i < m->merges.len; i++)
		ts_bpe_merges_put(m->model, m->merges.data[i]);
	return 0;
}

int ts_bpe_parse_scores(struct ts_bpe *model, const json_t *scores, const char *place, struct ts_error *err)
{
	if (!json_is_array(scores) || json_array_size(scores) != model->size)
		return ts_fail(err, TS_EFORMAT, "%s: model: expected \"scores\" to be an array of %zu, one for each token", place,
			       model->size);
	struct maker m = {.model = model};
	m.order = ts_calloc(model->size, sizeof(*m.order));
	m.ranks = ts_calloc(model->size, sizeof(*m.ranks));
	int status = make(&m, scores, place, err);
	ts_free(m.order);
	ts_free(m.ranks);
	ts_vec_release(&m.merges);
	return status;
}
