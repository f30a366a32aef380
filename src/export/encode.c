#include "export/internal.h"

#include "checkpoint/gguf_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {[TS_EXPORT_BF16] = "bf16", [TS_EXPORT_F16] = "f16", [TS_EXPORT_F32] = "f32", [TS_EXPORT_Q8_0] = "q8_0"};

int ts_export_type_parse(const char *name, enum ts_export_type *type)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i])) {
			*type = (enum ts_export_type)i;
			return 0;
		}
	return TS_EINVAL;
}

const char *ts_export_type_name(enum ts_export_type type)
{
	return names[type];
}

struct export_store export_store_of(enum ts_export_type type, bool gguf, int dims, size_t columns)
{
	static const enum ts_dtype dtypes[] = {
		[TS_EXPORT_BF16] = TS_BF16, [TS_EXPORT_F16] = TS_F16, [TS_EXPORT_F32] = TS_F32, [TS_EXPORT_Q8_0] = TS_F16};
	if (gguf && dims == 1)
		return (struct export_store){.dtype = TS_F32};
	return (struct export_store){.dtype = dtypes[type], .blocks = type == TS_EXPORT_Q8_0 && columns % TS_Q8_0_BLOCK == 0};
}

size_t export_store_bytes(struct export_store store, size_t columns)
{
	return store.blocks ? columns / TS_Q8_0_BLOCK * TS_Q8_0_BYTES : columns * ts_dtype_size(store.dtype);
}

int export_encoder_begin(struct export_encoder *e, size_t columns, struct ts_error *err)
{
	e->error = e->size = 0;
	if (ts_vec_reserve(&e->row, columns) || ts_vec_reserve(&e->back, columns) || ts_vec_reserve(&e->bytes, 4 * columns))
		return ts_fail_memory(err);
	return 0;
}

void export_encoder_row(struct export_encoder *e, struct export_store store, size_t columns)
{
	const float *exact = e->row.data;
	float *back = e->back.data;
	if (store.blocks) {
		e->beyond += ts_pack_q8_0(e->bytes.data, exact, columns / TS_Q8_0_BLOCK);
		ts_ggml_type(TS_GGML_Q8_0)->widen(back, e->bytes.data, columns / TS_Q8_0_BLOCK);
	} else {
		e->beyond += ts_narrow(e->bytes.data, store.dtype, exact, columns);
		ts_widen(back, e->bytes.data, store.dtype, columns);
	}
	for (size_t i = 0; i < columns; i++) {
		double x = (double)exact[i], off = (double)back[i] - x;
		e->beyond += !isfinite(exact[i]);
		e->size += x * x;
		e->error += off * off;
	}
}

int export_encoder_end(struct export_encoder *e, const char *name, size_t columns, bool force, struct ts_error *err)
{
	/* A sum of n products in f32 is off by about sqrt(n) roundings of 2^-24 each. */
	e->relative += (e->size > 0 ? e->error / e->size : 0) + (double)columns * 0x1p-48;
	if (!e->beyond || *e->where)
		return 0;
	snprintf(e->where, sizeof(e->where), "%s", name);
	return force ? 0
		     : ts_fail(err, TS_EMISMATCH, "%s: %zu numbers are beyond the range of this type and would become infinite", name,
			       e->beyond);
}

void export_encoder_release(struct export_encoder *e)
{
	ts_vec_release(&e->row);
	ts_vec_release(&e->back);
	ts_vec_release(&e->bytes);
}
