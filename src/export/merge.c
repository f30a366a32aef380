/* W' = W + scale (B A): the sum over the rank first, ascending, then the scale, as PEFT does it, all in f32. */
#include "export/internal.h"

int export_source_take(struct export_source *s, const struct export_weight *w, struct ts_error *err)
{
	s->weight = w;
	s->merged = w->target >= 0 && s->adapter && ts_adapter_pair(s->adapter, w->layer, (enum ts_target)w->target, &s->pair);
	return ts_weights_need(s->weights, w->name, w->dims, w->shape, &s->view, err);
}

/* out += scale (B A)[row] */
static void add_change(const struct ts_lora_pair *p, size_t row, float *restrict out)
{
	enum { PART = 512 }; /* of a row at a time: it stays near while the rank passes over it */
	float sum[PART];
	for (size_t at = 0; at < p->in; at += PART) {
		size_t n = p->in - at < PART ? p->in - at : PART;
		for (size_t i = 0; i < n; i++)
			sum[i] = 0;
		for (size_t r = 0; r < p->rank; r++) {
			const float *restrict a = p->a + r * p->in + at;
			float b = p->b[row * p->rank + r];
			for (size_t i = 0; i < n; i++)
				sum[i] += b * a[i];
		}
		for (size_t i = 0; i < n; i++)
			out[at + i] += p->scale * sum[i];
	}
}

void export_source_row(const struct export_source *s, size_t row, float *out)
{
	size_t columns = export_weight_columns(s->weight);
	ts_widen(out, (const unsigned char *)s->view.data + row * columns * ts_dtype_size(s->view.dtype), s->view.dtype, columns);
	if (s->merged)
		add_change(&s->pair, row, out);
}

void export_source_drop(const struct export_source *s)
{
	ts_weights_drop(&s->view);
}
