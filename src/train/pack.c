#include "train/pack.h"

#include <string.h>

int ts_packer_init(struct ts_packer *p, size_t max_rows, size_t max_sequences, struct ts_error *err)
{
	*p = (struct ts_packer){.max_rows = max_rows, .max_sequences = max_sequences};
	p->ids = ts_calloc(max_rows, sizeof(*p->ids));
	p->targets = ts_calloc(max_rows, sizeof(*p->targets));
	p->lengths = ts_calloc(max_sequences, sizeof(*p->lengths));
	p->row_in_batch = ts_calloc(max_sequences, sizeof(*p->row_in_batch));
	if (p->ids && p->targets && p->lengths && p->row_in_batch)
		return 0;
	ts_packer_release(p);
	return ts_fail_memory(err);
}

void ts_packer_release(struct ts_packer *p)
{
	ts_free(p->ids);
	ts_free(p->targets);
	ts_free(p->lengths);
	ts_free(p->row_in_batch);
	*p = (struct ts_packer){0};
}

static void put(struct ts_packer *p, const struct ts_example *e, size_t row)
{
	memcpy(p->ids + row, e->ids, e->len * sizeof(*p->ids));
	for (size_t i = 0; i < e->len; i++) {
		bool wanted = i + 1 < e->len && e->mask[i + 1];
		p->targets[row + i] = wanted ? e->ids[i + 1] : -1;
		p->target_count += wanted;
	}
}

size_t ts_packer_fill(struct ts_packer *p, const struct ts_example *examples, const size_t *batch, size_t count, size_t from, size_t limit)
{
	size_t rows = 0, sequences = 0, next = from;
	p->target_count = 0;
	while (next < count && sequences < p->max_sequences) {
		const struct ts_example *e = &examples[batch[next]];
		if (rows + e->len > p->max_rows || (sequences && rows + e->len > limit))
			break;
		put(p, e, rows);
		p->lengths[sequences] = e->len;
		p->row_in_batch[sequences++] = (uint32_t)next++;
		rows += e->len;
	}
	p->packed = (struct ts_packed){.rows = rows,
				       .ids = p->ids,
				       .targets = p->targets,
				       .sequences = sequences,
				       .lengths = p->lengths,
				       .row_in_batch = p->row_in_batch};
	return next;
}
