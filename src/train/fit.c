/* How large training is, and what gives way to a memory bound. */
#include "core/mem.h"
#include "train/trainer.h"

enum { FULL_SPEED_ROWS = 512 }; /* a pass of so many loses nothing against a longer one */

static size_t rows_of(size_t longest, size_t sequences, size_t max_rows)
{
	size_t together;
	if (!ts_mul_size(longest, sequences, &together) || together > max_rows)
		together = max_rows;
	return together > longest ? together : longest;
}

size_t ts_train_rows(const struct ts_train_options *o, const struct ts_example *examples, size_t count)
{
	size_t longest = 0;
	for (size_t i = 0; i < count; i++)
		longest = examples[i].len > longest ? examples[i].len : longest;
	return rows_of(longest, o->batch < count ? o->batch : count, o->max_rows);
}

static void measure(struct ts_train_size *s, const struct ts_train_wish *w)
{
	const struct ts_model_config *g = w->config;
	size_t rows = rows_of(w->longest, w->sequences, s->max_rows);
	size_t lists = rows * (2 * sizeof(int32_t) + sizeof(float)); /* of the packer, and log-probabilities */
	s->optimiser = 3 * sizeof(float) * w->params;                /* gradients, two moments */
	s->activations = ts_pass_bytes(g, w->rank, w->targets, rows, w->sequences, s->keep) + lists +
			 w->backend->ops->reserve_bytes(w->backend, rows, ts_model_width(g), w->rank);
	s->bytes = s->optimiser + s->activations;
}

bool ts_train_fit(struct ts_train_size *s, const struct ts_train_wish *w)
{
	*s = (struct ts_train_size){.keep = {1, 1}, .max_rows = 1};
	measure(s, w);
	s->least = s->bytes;
	s->keep = (struct ts_keep){w->config->layers, w->config->layers};
	s->max_rows = w->max_rows;
	measure(s, w);
	while (s->bytes > w->room && (s->keep.attention > 1 || s->max_rows > 1)) {
		bool full_speed = s->max_rows >= 2 * FULL_SPEED_ROWS;
		if (!full_speed && s->keep.layers > 1)
			s->keep.layers--;
		else if (!full_speed && s->keep.attention > 1)
			s->keep.attention--;
		else
			s->max_rows /= 2;
		measure(s, w);
	}
	if (s->max_rows < w->longest) /* there is room for that anyway */
		s->max_rows = w->longest;
	return s->bytes <= w->room;
}

int ts_train_fit_examples(struct ts_train_options *o, const struct ts_model *m, const struct ts_adapter *a,
			  const struct ts_example *examples, size_t n, const struct ts_train_bound *b, struct ts_error *err)
{
	struct ts_train_size size;
	struct ts_train_wish w = {.backend = ts_model_backend(m),
				  .config = ts_model_config(m),
				  .rank = a->max_rank,
				  .targets = (size_t)a->config.target_count,
				  .params = a->count,
				  .sequences = o->batch < n ? o->batch : n,
				  .max_rows = o->max_rows,
				  .room = !b->bytes            ? SIZE_MAX
					  : b->bytes > b->used ? b->bytes - b->used
							       : 0};
	for (size_t i = 0; i < n; i++)
		w.longest = examples[i].len > w.longest ? examples[i].len : w.longest;
	bool fits = ts_train_fit(&size, &w) && (!b->bytes || b->before <= b->bytes);
	size_t least = b->used + size.least > b->before ? b->used + size.least : b->before;
	o->keep = size.keep;
	o->max_rows = size.max_rows;
	return fits ? 0
		    : ts_fail(err, TS_ELIMIT,
			      "memory: %.1f MiB are not enough: %.1f MiB are in use, and training takes %.1f MiB for its longest example "
			      "of %zu tokens; expected at least %.1f MiB",
			      (double)b->bytes / 0x1p20, (double)b->used / 0x1p20, (double)size.least / 0x1p20, w.longest,
			      (double)least / 0x1p20);
}
