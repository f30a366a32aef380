/* The safetensors format: 8 bytes little-endian header length, a JSON header, then raw tensors.
 * Reading maps the file; nothing is copied. Everything the header claims is checked before a tensor is handed out:
 * offsets inside the file, no overlap, no gap, byte count = shape x dtype size, known dtype. */
#ifndef TS_CHECKPOINT_SAFETENSORS_H
#define TS_CHECKPOINT_SAFETENSORS_H

#include "core/file.h"
#include "core/json.h"
#include "core/map.h"
#include "tensor/dtype.h"

struct ts_tensor {
	const char *name; /* owned by the container */
	enum ts_dtype dtype;
	int dims; /* 0..8 */
	size_t shape[8];
	size_t elements;
	const unsigned char *data; /* in the mapping, unaligned */
	size_t bytes;
	int file; /* index into the container's files */
};

/* One file, or the shards named by an index: all tensors under one name space. */
struct ts_tensors {
	struct ts_map names; /* name -> index into list */
	TS_VEC(struct ts_tensor) list;
	TS_VEC(struct ts_mapping) files;
	TS_VEC(char *) paths;
};

/* Open one .safetensors file. */
int ts_tensors_open(struct ts_tensors *, const char *path, struct ts_error *err);
/* Open a checkpoint folder: model.safetensors if there, else the shards of model.safetensors.index.json. When both exist the
 * single file wins and *both (may be NULL) becomes true. Errors name file, tensor, expected, found. */
int ts_tensors_open_folder(struct ts_tensors *, const char *dir, bool *both, struct ts_error *err);
void ts_tensors_close(struct ts_tensors *);
/* NULL when absent. */
const struct ts_tensor *ts_tensors_find(const struct ts_tensors *, const char *name);
/* Present, with exactly this shape; dtype one of F32, BF16, F16. TS_ENOTFOUND / TS_EMISMATCH name file, tensor, expected, found. */
int ts_tensors_need(const struct ts_tensors *, const char *name, int dims, const size_t *shape, const struct ts_tensor **out,
		    struct ts_error *err);
/* TS_EMISMATCH, with file and tensor named, unless both shapes are the same. */
int ts_shape_check(const char *path, const char *name, int want_dims, const size_t *want, int dims, const size_t *shape,
		   struct ts_error *err);

/* Writing: tensors in the given order, data contiguous, header padded with spaces to 8 bytes; metadata {"format":"pt"}.
 * The file is written with ts_file_write (whole or not at all). */
struct ts_tensor_out {
	const char *name;
	enum ts_dtype dtype;
	int dims;
	size_t shape[8];
	const void *data;
};
int ts_tensors_write(const char *path, const struct ts_tensor_out *, size_t count, struct ts_error *err);
/* What a file of these tensors begins with, appended to `out`: their data (not looked at here) follow one after another. For files that are
 * written piece by piece; `path` names it in errors. */
int ts_tensors_header(const char *path, const struct ts_tensor_out *, size_t count, struct ts_str *out, struct ts_error *err);

#endif
