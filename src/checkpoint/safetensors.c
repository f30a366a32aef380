/* Reading: map the file, parse the JSON header, check every claim, then hand out views into the mapping.
 * The checks make two passes: each tensor alone (dtype, shape, byte count, inside the file), then all of a file in order of
 * their offsets, where each must begin where the one before ended. So no two share bytes and no byte belongs to none.
 * Writing: header and data are laid out in one block, so that ts_file_write can put the file in place whole. */
#include "checkpoint/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT ((uint64_t)100 << 20) /* the format's own limit */
#define LENGTH_BYTES ((size_t)8)

static const enum ts_dtype known_dtypes[] = {TS_F32, TS_BF16, TS_F16, TS_F64, TS_I64, TS_I32, TS_U8};

struct header {
	const char *path;
	const unsigned char *data; /* the first byte after the header */
	size_t bytes;              /* from there to the end of the file */
	int file;
};

static uint64_t read_u64(const unsigned char *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void shape_text(char *out, size_t room, int dims, const size_t *shape)
{
	size_t used = (size_t)snprintf(out, room, "[");
	for (int i = 0; i < dims && used < room; i++)
		used += (size_t)snprintf(out + used, room - used, "%s%zu", i ? ", " : "", shape[i]);
	if (used < room)
		snprintf(out + used, room - used, "]");
}

static int parse_dtype(const struct header *h, struct ts_tensor *t, const json_t *entry, struct ts_error *err)
{
	const json_t *given = json_object_get(entry, "dtype");
	const char *text = json_string_value(given);
	if (!text)
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"dtype\": expected a string, found %s", h->path, t->name,
			       ts_json_kind(given));
	for (size_t i = 0; i < sizeof(known_dtypes) / sizeof(*known_dtypes); i++)
		if (!strcmp(text, ts_dtype_name(known_dtypes[i]))) {
			t->dtype = known_dtypes[i];
			return 0;
		}
	return ts_fail(err, TS_EUNSUPPORTED, "%s: tensor %s: dtype %s is not supported (known: F32, BF16, F16, F64, I64, I32, U8)", h->path,
		       t->name, text);
}

static int parse_shape(const struct header *h, struct ts_tensor *t, const json_t *entry, struct ts_error *err)
{
	const json_t *shape = json_object_get(entry, "shape");
	if (!json_is_array(shape))
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"shape\": expected an array, found %s", h->path, t->name,
			       ts_json_kind(shape));
	size_t dims = json_array_size(shape);
	if (dims > 8)
		return ts_fail(err, TS_EUNSUPPORTED, "%s: tensor %s: %zu dimensions, expected at most 8", h->path, t->name, dims);
	t->dims = (int)dims;
	t->elements = 1;
	for (size_t i = 0; i < dims; i++) {
		const json_t *d = json_array_get(shape, i);
		if (!json_is_integer(d))
			return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"shape\": expected whole numbers, found %s", h->path, t->name,
				       ts_json_kind(d));
		if (json_integer_value(d) < 0)
			return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"shape\": expected at least 0, found %" JSON_INTEGER_FORMAT,
				       h->path, t->name, json_integer_value(d));
		t->shape[i] = (size_t)json_integer_value(d);
		if (!ts_mul_size(t->elements, t->shape[i], &t->elements))
			return ts_fail(err, TS_EFORMAT, "%s: tensor %s: the product of its shape overflows", h->path, t->name);
	}
	if (!ts_mul_size(t->elements, ts_dtype_size(t->dtype), &t->bytes))
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: the size of its shape overflows", h->path, t->name);
	return 0;
}

static int parse_offsets(const struct header *h, struct ts_tensor *t, const json_t *entry, struct ts_error *err)
{
	const json_t *pair = json_object_get(entry, "data_offsets");
	const json_t *a = json_array_get(pair, 0), *b = json_array_get(pair, 1);
	if (json_array_size(pair) != 2)
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"data_offsets\": expected two integers, found %s", h->path, t->name,
			       json_is_array(pair) ? "another number of items" : ts_json_kind(pair));
	if (!json_is_integer(a) || !json_is_integer(b))
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: \"data_offsets\": expected two integers, found %s", h->path, t->name,
			       ts_json_kind(json_is_integer(a) ? b : a));
	json_int_t begin = json_integer_value(a), end = json_integer_value(b);
	if (begin < 0 || end < begin || (uint64_t)end > h->bytes)
		return ts_fail(err, TS_EFORMAT,
			       "%s: tensor %s: bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
			       ", but the file's data has %zu bytes",
			       h->path, t->name, begin, end, h->bytes);
	if ((uint64_t)(end - begin) != t->bytes) {
		char shape[200];
		shape_text(shape, sizeof(shape), t->dims, t->shape);
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: expected %zu bytes for %s %s, found %" JSON_INTEGER_FORMAT, h->path,
			       t->name, t->bytes, ts_dtype_name(t->dtype), shape, end - begin);
	}
	t->data = h->data + begin;
	t->file = h->file;
	return 0;
}

/* The name is copied into the map first, so that the tensor can point at that copy. */
static int add_tensor(struct ts_tensors *ts, const struct header *h, const char *name, const json_t *entry, struct ts_error *err)
{
	if (!json_is_object(entry))
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: expected an object, found %s", h->path, name, ts_json_kind(entry));
	size_t len = strlen(name);
	const int64_t *old = ts_map_get(&ts->names, name, len);
	if (old)
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: already in %s", h->path, name, ts->paths.data[ts->list.data[*old].file]);
	struct ts_tensor t = {.name = name};
	TS_TRY(parse_dtype(h, &t, entry, err));
	TS_TRY(parse_shape(h, &t, entry, err));
	TS_TRY(parse_offsets(h, &t, entry, err));
	if (ts_map_put(&ts->names, name, len, (int64_t)ts->list.len))
		return ts_fail_memory(err);
	t.name = ts->names.entries.data[ts->names.entries.len - 1].key;
	return ts_vec_push(&ts->list, t) ? ts_fail_memory(err) : 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct ts_tensor *x = *(const struct ts_tensor *const *)a, *y = *(const struct ts_tensor *const *)b;
	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Tensors list[first..) are those of this file. */
static int check_layout(const struct ts_tensors *ts, size_t first, const struct header *h, struct ts_error *err)
{
	size_t count = ts->list.len - first;
	const struct ts_tensor **order = ts_calloc(count, sizeof(*order));
	if (!order)
		return ts_fail_memory(err);
	for (size_t i = 0; i < count; i++)
		order[i] = &ts->list.data[first + i];
	qsort(order, count, sizeof(*order), by_offset);
	int status = 0;
	size_t at = 0;
	for (size_t i = 0; i < count && !status; i++) {
		size_t begin = (size_t)(order[i]->data - h->data);
		if (begin < at)
			status = ts_fail(err, TS_EFORMAT, "%s: tensors %s and %s overlap at byte %zu", h->path, order[i - 1]->name,
					 order[i]->name, begin);
		else if (begin > at)
			status = ts_fail(err, TS_EFORMAT, "%s: tensor %s: begins at byte %zu, expected %zu (a gap)", h->path,
					 order[i]->name, begin, at);
		at = begin + order[i]->bytes;
	}
	if (!status && at != h->bytes)
		status = ts_fail(err, TS_EFORMAT, "%s: %zu bytes of data, expected %zu (the end of tensor %s)", h->path, h->bytes, at,
				 count ? order[count - 1]->name : "(none)");
	ts_free(order);
	return status;
}

static int parse_header(struct ts_tensors *ts, const struct header *h, const json_t *root, struct ts_error *err)
{
	if (!json_is_object(root))
		return ts_fail(err, TS_EFORMAT, "%s: expected a JSON object as header, found %s", h->path, ts_json_kind(root));
	size_t first = ts->list.len;
	const char *name;
	json_t *entry;
	json_object_foreach ((json_t *)(uintptr_t)root, name, entry) {
		if (strcmp(name, "__metadata__"))
			TS_TRY(add_tensor(ts, h, name, entry, err));
		else if (!json_is_object(entry))
			return ts_fail(err, TS_EFORMAT, "%s: \"__metadata__\": expected an object, found %s", h->path, ts_json_kind(entry));
	}
	return check_layout(ts, first, h, err);
}

/* Map a file and keep it with its path, so that what was opened is closed whatever comes after. */
static int add_mapping(struct ts_tensors *ts, const char *path, struct ts_error *err)
{
	char *copy = ts_strdup(path);
	if (!copy || ts_vec_push(&ts->paths, copy)) {
		ts_free(copy);
		return ts_fail_memory(err);
	}
	struct ts_mapping m;
	TS_TRY(ts_mapping_open(&m, path, err));
	if (ts_vec_push(&ts->files, m)) {
		ts_mapping_close(&m);
		return ts_fail_memory(err);
	}
	return 0;
}

static int add_file(struct ts_tensors *ts, const char *path, struct ts_error *err)
{
	TS_TRY(add_mapping(ts, path, err));
	int file = (int)ts->files.len - 1;
	const struct ts_mapping *m = &ts->files.data[file];
	if (m->size < LENGTH_BYTES)
		return ts_fail(err, TS_EFORMAT, "%s: not a safetensors file: %zu bytes, expected at least 8", path, m->size);
	uint64_t length = read_u64(m->data);
	if (length > HEADER_LIMIT || length > m->size - LENGTH_BYTES)
		return ts_fail(err, TS_EFORMAT,
			       "%s: not a safetensors file, or cut: its header claims %llu bytes, the file has %zu (limit %llu)", path,
			       (unsigned long long)length, m->size, (unsigned long long)HEADER_LIMIT);
	size_t skip = LENGTH_BYTES + (size_t)length;
	struct header h = {path, m->data + skip, m->size - skip, file};
	json_t *root;
	TS_TRY(ts_json_parse_unique((const char *)m->data + LENGTH_BYTES, (size_t)length, path, &root, err));
	int status = parse_header(ts, &h, root, err);
	json_decref(root);
	return status;
}

int ts_tensors_open(struct ts_tensors *ts, const char *path, struct ts_error *err)
{
	*ts = (struct ts_tensors){0};
	int status = add_file(ts, path, err);
	if (status)
		ts_tensors_close(ts);
	return status;
}

/* A shard is a plain name beside the index; anything else could point out of the checkpoint's folder. */
static int add_shard(struct ts_tensors *ts, struct ts_map *shards, const char *dir, const char *index, const char *name,
		     const json_t *shard, struct ts_error *err)
{
	const char *file = json_string_value(shard);
	if (!file || !*file || strchr(file, '/') || !strcmp(file, "..") || !strcmp(file, "."))
		return ts_fail(err, TS_EFORMAT, "%s: tensor %s: expected the name of a file in the same folder, found %s", index, name,
			       file ? file : "another type");
	if (ts_map_get(shards, file, strlen(file)))
		return 0;
	struct ts_str path = {0};
	int status = ts_path_join(&path, dir, file) ? ts_fail_memory(err) : add_file(ts, path.data, err);
	if (status && status != TS_ENOMEM && err)
		ts_fail_within(err, status, "%s: tensor %s", index, name);
	if (!status && ts_map_put(shards, file, strlen(file), (int64_t)ts->files.len - 1))
		status = ts_fail_memory(err);
	ts_str_release(&path);
	return status;
}

static int check_index(const struct ts_tensors *ts, const struct ts_map *shards, const char *index, const json_t *map, struct ts_error *err)
{
	const char *name;
	json_t *shard;
	json_object_foreach ((json_t *)(uintptr_t)map, name, shard) {
		const char *file = json_string_value(shard);
		const struct ts_tensor *t = ts_tensors_find(ts, name);
		if (!t || t->file != *ts_map_get(shards, file, strlen(file)))
			return ts_fail(err, TS_EMISMATCH, "%s: tensor %s: expected in %s, %s%s", index, name, file,
				       t ? "found in " : "but it is not there", t ? ts->paths.data[t->file] : "");
	}
	return 0;
}

static int open_shards(struct ts_tensors *ts, const char *dir, const char *index, const json_t *root, struct ts_error *err)
{
	json_t *map = json_object_get(root, "weight_map");
	if (!json_is_object(map) || !json_object_size(map))
		return ts_fail(err, TS_EFORMAT, "%s: \"weight_map\": expected an object of names, found %s", index,
			       json_is_object(map) ? "none in it" : ts_json_kind(map));
	struct ts_map shards = {0};
	int status = 0;
	const char *name;
	json_t *shard;
	json_object_foreach (map, name, shard)
		TS_GOTO(add_shard(ts, &shards, dir, index, name, shard, err));
	status = check_index(ts, &shards, index, map, err);
done:
	ts_map_release(&shards);
	return status;
}

int ts_tensors_open_folder(struct ts_tensors *ts, const char *dir, bool *both, struct ts_error *err)
{
	*ts = (struct ts_tensors){0};
	struct ts_str single = {0}, index = {0}, text = {0};
	json_t *root = NULL;
	int status = 0;
	if (ts_path_join(&single, dir, "model.safetensors") || ts_path_join(&index, dir, "model.safetensors.index.json")) {
		status = ts_fail_memory(err);
		goto done;
	}
	bool has_single = ts_file_exists(single.data), has_index = ts_file_exists(index.data);
	if (both)
		*both = has_single && has_index;
	if (has_single) {
		status = add_file(ts, single.data, err);
	} else if (has_index) {
		TS_GOTO(ts_file_read(index.data, &text, err));
		TS_GOTO(ts_json_parse_unique(ts_str_c(&text), text.len, index.data, &root, err));
		status = open_shards(ts, dir, index.data, root, err);
	} else {
		status = ts_fail(err, TS_ENOTFOUND, "%s: expected model.safetensors or model.safetensors.index.json, found %s", dir,
				 ts_dir_exists(single.data) ? "a folder of that name" : "neither");
	}
done:
	json_decref(root);
	ts_str_release(&single);
	ts_str_release(&index);
	ts_str_release(&text);
	if (status)
		ts_tensors_close(ts);
	return status;
}

void ts_tensors_close(struct ts_tensors *ts)
{
	for (size_t i = 0; i < ts->files.len; i++)
		ts_mapping_close(&ts->files.data[i]);
	for (size_t i = 0; i < ts->paths.len; i++)
		ts_free(ts->paths.data[i]);
	ts_vec_release(&ts->files);
	ts_vec_release(&ts->paths);
	ts_vec_release(&ts->list);
	ts_map_release(&ts->names);
}

const struct ts_tensor *ts_tensors_find(const struct ts_tensors *ts, const char *name)
{
	const int64_t *i = ts_map_get(&ts->names, name, strlen(name));
	return i ? &ts->list.data[*i] : NULL;
}

int ts_shape_check(const char *path, const char *name, int want_dims, const size_t *want, int dims, const size_t *shape,
		   struct ts_error *err)
{
	char expected[200], found[200];
	bool same = dims == want_dims;
	for (int i = 0; same && i < dims; i++)
		same = shape[i] == want[i];
	if (same)
		return 0;
	shape_text(expected, sizeof(expected), want_dims, want);
	shape_text(found, sizeof(found), dims, shape);
	return ts_fail(err, TS_EMISMATCH, "%s: tensor %s: expected shape %s, found %s", path, name, expected, found);
}

int ts_tensors_need(const struct ts_tensors *ts, const char *name, int dims, const size_t *shape, const struct ts_tensor **out,
		    struct ts_error *err)
{
	const struct ts_tensor *t = ts_tensors_find(ts, name);
	char want[200];
	shape_text(want, sizeof(want), dims, shape);
	if (!t)
		return ts_fail(err, TS_ENOTFOUND, "%s%s: tensor %s: expected with shape %s, but it is not there",
			       ts->paths.len ? ts->paths.data[0] : "(no file)", ts->paths.len > 1 ? " and the other shards" : "", name,
			       want);
	const char *path = ts->paths.data[t->file];
	TS_TRY(ts_shape_check(path, name, dims, shape, t->dims, t->shape, err));
	if (t->dtype != TS_F32 && t->dtype != TS_BF16 && t->dtype != TS_F16)
		return ts_fail(err, TS_EMISMATCH, "%s: tensor %s: expected dtype F32, BF16 or F16, found %s", path, name,
			       ts_dtype_name(t->dtype));
	*out = t;
	return 0;
}

static int tensor_bytes(const struct ts_tensor_out *t, const char *path, size_t *bytes, struct ts_error *err)
{
	size_t n = ts_dtype_size(t->dtype);
	for (int i = 0; i < t->dims; i++)
		if (!ts_mul_size(n, t->shape[i], &n))
			return ts_fail(err, TS_EINVAL, "%s: tensor %s: its size overflows", path, t->name);
	*bytes = n;
	return 0;
}

/* One header entry; *offset moves on to the next tensor. */
static int describe(json_t *root, const struct ts_tensor_out *t, const char *path, size_t *offset, struct ts_error *err)
{
	size_t bytes = 0, end;
	TS_TRY(tensor_bytes(t, path, &bytes, err));
	if (!ts_add_size(*offset, bytes, &end) || end > SIZE_MAX / 2)
		return ts_fail(err, TS_EINVAL, "%s: tensor %s: the file would be too large", path, t->name);
	if (json_object_get(root, t->name))
		return ts_fail(err, TS_EINVAL, "%s: tensor %s: given twice", path, t->name);
	json_t *shape = json_array();
	for (int i = 0; i < t->dims; i++)
		if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i]))) {
			json_decref(shape);
			return ts_fail_memory(err);
		}
	json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", ts_dtype_name(t->dtype), "shape", shape, "data_offsets",
				  (json_int_t)*offset, (json_int_t)end);
	if (!entry || json_object_set_new(root, t->name, entry))
		return ts_fail(err, TS_ENOMEM, "%s: tensor %s: out of memory, or its name is not UTF-8", path, t->name);
	*offset = end;
	return 0;
}

static int make_header(const char *path, const struct ts_tensor_out *list, size_t count, struct ts_str *text, size_t *data_bytes,
		       struct ts_error *err)
{
	json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
	int status = root ? 0 : ts_fail_memory(err);
	*data_bytes = 0;
	for (size_t i = 0; i < count && !status; i++)
		status = describe(root, &list[i], path, data_bytes, err);
	if (!status && ts_json_dump(root, text))
		status = ts_fail_memory(err);
	while (!status && text->len % 8)
		status = ts_str_putc(text, ' ') ? ts_fail_memory(err) : 0;
	json_decref(root);
	return status;
}

static int put_header(const char *path, const struct ts_tensor_out *list, size_t count, struct ts_str *out, size_t *data_bytes,
		      struct ts_error *err)
{
	struct ts_str text = {0};
	unsigned char length[LENGTH_BYTES];
	int status = make_header(path, list, count, &text, data_bytes, err);
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		length[i] = (unsigned char)((uint64_t)text.len >> (8 * i));
	if (!status && (ts_str_append(out, length, LENGTH_BYTES) || ts_str_append(out, text.data, text.len)))
		status = ts_fail_memory(err);
	ts_str_release(&text);
	return status;
}

int ts_tensors_header(const char *path, const struct ts_tensor_out *list, size_t count, struct ts_str *out, struct ts_error *err)
{
	size_t bytes;
	return put_header(path, list, count, out, &bytes, err);
}

int ts_tensors_write(const char *path, const struct ts_tensor_out *list, size_t count, struct ts_error *err)
{
	struct ts_str header = {0};
	struct ts_piece *pieces = ts_calloc(count + 1, sizeof(*pieces));
	size_t bytes;
	int status = pieces ? put_header(path, list, count, &header, &bytes, err) : ts_fail_memory(err);
	if (!status)
		pieces[0] = (struct ts_piece){header.data, header.len};
	for (size_t i = 0; i < count && !status; i++) {
		pieces[i + 1].data = list[i].data;
		status = tensor_bytes(&list[i], path, &pieces[i + 1].n, err);
	}
	if (!status)
		status = ts_file_write_pieces(path, pieces, count + 1, err);
	ts_free(pieces);
	ts_str_release(&header);
	return status;
}
