/* A model as one GGUF file, the way llama.cpp's converter writes it. */
#include "export/internal.h"

#include "tensor/math.h"

#include <stdio.h>
#include <string.h>

static struct export_store store_of(const struct export *e, const struct export_weight *w)
{
	return export_store_of(e->options->type, true, w->dims, export_weight_columns(w));
}

uint32_t export_ggml_type(struct export_store store)
{
	if (store.blocks)
		return TS_GGML_Q8_0;
	return store.dtype == TS_F32 ? TS_GGML_F32 : store.dtype == TS_F16 ? TS_GGML_F16 : TS_GGML_BF16;
}

/* --- rotary factors --- */

/* What RoPE "llama3" divides a frequency by, as the converter computes it: long waves by `factor`, short ones by 1, those between by a mean. */
float export_llama3_factor(const struct ts_model_config *c, int i)
{
	const double pi = 3.14159265358979323846;
	double wave = 2 * pi * ts_pow(c->rope_theta, (double)(2 * i) / (double)c->head_dim), old = c->rope_original_positions;
	if (wave < old / c->rope_high_freq)
		return 1;
	if (wave > old / c->rope_low_freq)
		return (float)c->rope_factor;
	double smooth = (old / wave - c->rope_low_freq) / (c->rope_high_freq - c->rope_low_freq);
	return (float)(1 / ((1 - smooth) / c->rope_factor + smooth));
}

static bool has_factors(const struct export *e)
{
	return e->config.rope_type == TS_ROPE_LLAMA3 || ts_weights_has(&e->weights, EXPORT_FACTORS);
}

/* Those of a GGUF source as they are. */
static int put_factors(struct export *e, struct ts_sink *sink)
{
	struct ts_weight_view own = {0};
	size_t half = (size_t)e->config.head_dim / 2;
	if (ts_weights_has(&e->weights, EXPORT_FACTORS))
		TS_TRY(ts_weights_need(&e->weights, EXPORT_FACTORS, 1, &half, &own, e->err));
	for (size_t i = 0; i < half; i++) {
		float factor = 0;
		unsigned char bytes[4];
		if (own.data)
			ts_widen(&factor, (const unsigned char *)own.data + i * ts_dtype_size(own.dtype), own.dtype, 1);
		else
			factor = export_llama3_factor(&e->config, (int)i);
		ts_narrow(bytes, TS_F32, &factor, 1);
		TS_TRY(ts_sink_write(sink, bytes, sizeof(bytes), e->err));
	}
	return ts_sink_pad(sink, TS_GGUF_ALIGNMENT, e->err);
}

/* --- the file --- */

static int list_tensors(const struct export *e, struct ts_gguf_writer *w)
{
	size_t half = (size_t)e->config.head_dim / 2;
	bool turned;
	if (has_factors(e))
		ts_gguf_put_tensor(w, EXPORT_FACTORS, 1, &half, TS_GGML_F32);
	for (size_t i = 0; i < e->list.weights.len; i++) {
		const struct export_weight *weight = &e->list.weights.data[i];
		struct export_store store = store_of(e, weight);
		char name[96];
		if (!ts_weights_gguf_name(weight->name, name, &turned))
			return ts_fail(e->err, TS_EUNSUPPORTED, "%s: a GGUF file has no name for this weight", weight->name);
		ts_gguf_put_tensor(w, name, weight->dims, weight->shape, export_ggml_type(store));
		if (weight->dims == 2 && e->options->type == TS_EXPORT_Q8_0 && !store.blocks)
			e->result->fallbacks++;
	}
	return 0;
}

static int put_weights(struct export *e, struct ts_sink *sink)
{
	bool llama = !strcmp(export_gguf_architecture(&e->config), "llama"), turned;
	for (size_t i = 0; i < e->list.weights.len; i++) {
		const struct export_weight *w = &e->list.weights.data[i];
		char name[96];
		ts_weights_gguf_name(w->name, name, &turned);
		TS_TRY(export_put_weight(e, sink, w, store_of(e, w), llama && turned));
		TS_TRY(ts_sink_pad(sink, TS_GGUF_ALIGNMENT, e->err));
	}
	return 0;
}

int export_gguf_prepare(struct export *e)
{
	struct ts_gguf_writer w = {0};
	int status = export_gguf_keys(e, &w);
	if (!status)
		status = export_gguf_tokenizer(e, &w);
	if (!status)
		status = list_tensors(e, &w);
	if (!status)
		status = ts_gguf_writer_header(&w, &e->header, e->err);
	ts_gguf_writer_release(&w);
	return status;
}

int export_gguf_write(struct export *e)
{
	struct ts_sink sink = {.fd = -1};
	int status;
	e->began = true;
	TS_GOTO(ts_sink_open(&sink, e->partial.data, e->err));
	TS_GOTO(ts_sink_write(&sink, e->header.data, e->header.len, e->err));
	if (!e->options->lora && has_factors(e))
		TS_GOTO(put_factors(e, &sink));
	TS_GOTO(e->options->lora ? export_lora_put(e, &sink) : put_weights(e, &sink));
	TS_GOTO(ts_sink_finish(&sink, e->err));
	e->result->bytes += sink.bytes;
	e->result->files++;
done:
	ts_sink_close(&sink);
	return status;
}
