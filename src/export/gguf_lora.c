/* The adapter alone, as llama.cpp's converter writes it: blk.N.attn_q.weight.lora_a [rank, in] and .lora_b [out, rank]. A file has one alpha, and a
 * pair's scale is alpha / rank: where the pairs' scales are others (rsLoRA is not, it is alike for all), B is multiplied by what is
 * missing. */
#include "export/internal.h"

#include <stdio.h>
#include <string.h>

/* One half of a pair. */
struct half {
	char name[112];
	const float *numbers;
	size_t shape[2];
	bool turned;
	float factor; /* what its numbers are multiplied by */
};
typedef TS_VEC(struct half) halves;

static int name_of(const struct export *e, int layer, int target, char name[96], bool *turned)
{
	char ours[96];
	snprintf(ours, sizeof(ours), "model.layers.%d.%s.weight", layer, ts_target_path((enum ts_target)target));
	if (!ts_weights_gguf_name(ours, name, turned))
		return ts_fail(e->err, TS_EUNSUPPORTED, "%s: a GGUF file has no name for this weight", ours);
	*turned &= !strcmp(export_gguf_architecture(&e->config), "llama");
	return 0;
}

static int add_pair(const struct export *e, halves *all, double *alpha, int layer, int target)
{
	struct ts_lora_pair p;
	char name[96];
	bool turned;
	if (!ts_adapter_pair(e->adapter, layer, (enum ts_target)target, &p))
		return 0;
	TS_TRY(name_of(e, layer, target, name, &turned));
	double own = (double)p.scale * (double)p.rank;
	if (!*alpha)
		*alpha = own;
	struct half a = {.numbers = p.a, .shape = {p.rank, p.in}, .factor = 1};
	struct half b = {.numbers = p.b, .shape = {p.out, p.rank}, .turned = turned, .factor = (float)(own / *alpha)};
	snprintf(a.name, sizeof(a.name), "%s.lora_a", name);
	snprintf(b.name, sizeof(b.name), "%s.lora_b", name);
	return ts_vec_push(all, a) || ts_vec_push(all, b) ? ts_fail_memory(e->err) : 0;
}

/* *alpha is the file's. */
static int list_halves(const struct export *e, halves *all, double *alpha)
{
	*alpha = 0;
	for (int l = 0; l < e->config.layers; l++)
		for (int t = 0; t < TS_TARGETS; t++)
			TS_TRY(add_pair(e, all, alpha, l, t));
	return 0;
}

static struct export_store store_of(const struct export *e, const struct half *h)
{
	return export_store_of(e->options->type, true, 2, h->shape[1]);
}

int export_lora_prepare(struct export *e)
{
	halves all = {0};
	double alpha;
	struct ts_gguf_writer w = {0};
	int status = list_halves(e, &all, &alpha);
	if (!status)
		status = export_gguf_keys(e, &w);
	ts_gguf_put_text(&w, "adapter.type", "lora", 4);
	ts_gguf_put_f32(&w, "adapter.lora.alpha", (float)alpha);
	for (size_t i = 0; i < all.len && !status; i++) {
		const struct half *h = &all.data[i];
		struct export_store store = store_of(e, h);
		ts_gguf_put_tensor(&w, h->name, 2, h->shape, export_ggml_type(store));
		e->planned += h->shape[0] * export_store_bytes(store, h->shape[1]);
		e->result->fallbacks += e->options->type == TS_EXPORT_Q8_0 && !store.blocks;
	}
	e->total = (int)all.len;
	if (!status)
		status = ts_gguf_writer_header(&w, &e->header, e->err);
	ts_gguf_writer_release(&w);
	ts_vec_release(&all);
	return status;
}

static int put_half(struct export *e, struct ts_sink *sink, const struct half *h)
{
	struct export_store store = store_of(e, h);
	size_t columns = h->shape[1];
	TS_TRY(export_encoder_begin(&e->encoder, columns, e->err));
	for (size_t i = 0; i < h->shape[0]; i++) {
		const float *row = h->numbers + (h->turned ? ts_weights_turned_row(&e->config, i) : i) * columns;
		for (size_t c = 0; c < columns; c++)
			e->encoder.row.data[c] = h->factor * row[c];
		export_encoder_row(&e->encoder, store, columns);
		TS_TRY(ts_sink_write(sink, e->encoder.bytes.data, export_store_bytes(store, columns), e->err));
	}
	TS_TRY(export_encoder_end(&e->encoder, h->name, columns, e->options->force, e->err));
	export_count_tensor(e);
	return ts_sink_pad(sink, TS_GGUF_ALIGNMENT, e->err);
}

int export_lora_put(struct export *e, struct ts_sink *sink)
{
	halves all = {0};
	double alpha;
	int status = list_halves(e, &all, &alpha);
	for (size_t i = 0; i < all.len && !status; i++)
		status = put_half(e, sink, &all.data[i]);
	ts_vec_release(&all);
	return status;
}

/* --- reading it again --- */

/* The numbers of the file in the place of the adapter's own, with what the file's alpha means and the pair's scale does not put into B. */
static int take_half(const struct export *e, const struct ts_gguf *g, const struct half *h, double factor)
{
	const struct ts_gguf_tensor *t = ts_gguf_tensor(g, h->name);
	size_t columns = h->shape[1];
	if (!t || t->dims != 2 || t->shape[0] != h->shape[0] || t->shape[1] != columns)
		return ts_fail(e->err, TS_EMISMATCH, "%s: tensor \"%s\" is not there as it was written", g->path, h->name);
	size_t bytes = t->bytes / h->shape[0];
	for (size_t i = 0; i < h->shape[0]; i++) {
		float *row = (float *)(uintptr_t)h->numbers + (h->turned ? ts_weights_turned_row(&e->config, i) : i) * columns;
		if (t->type->widen)
			t->type->widen(row, t->data + i * bytes, columns / t->type->block);
		else
			ts_widen(row, t->data + i * bytes, t->type->dtype, columns);
		for (size_t c = 0; c < columns; c++)
			row[c] = (float)(factor * (double)row[c]);
	}
	return 0;
}

int export_lora_read(struct export *e)
{
	struct ts_gguf g;
	halves all = {0};
	double ours, alpha;
	TS_TRY(ts_gguf_open(&g, e->partial.data, e->err));
	int status = list_halves(e, &all, &ours);
	if (!status)
		status = ts_gguf_real(&g, "adapter.lora.alpha", 0, &alpha, e->err);
	for (size_t i = 0; i < all.len && !status; i++) {
		/* lora_b: alpha / rank of the file instead of the pair's scale */
		bool b = i % 2;
		status = take_half(e, &g, &all.data[i], b ? alpha / ours / (double)all.data[i].factor : 1);
	}
	ts_vec_release(&all);
	ts_gguf_close(&g);
	return status;
}
