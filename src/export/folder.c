/* A Hugging Face folder: model.safetensors, or shards with an index as transformers writes them; config.json; the tokenizer's and the
 * template's files as they are, or made of a GGUF source's metadata. */
#include "export/internal.h"

#include <stdio.h>
#include <string.h>

/* Copied where the source has them: what transformers and llama.cpp read, and what a licence asks to be passed on. */
static const char *const copied[] = {
	"generation_config.json",
	"tokenizer.json",
	"tokenizer_config.json",
	"special_tokens_map.json",
	"added_tokens.json",
	"chat_template.jinja",
	"chat_template.json",
	"vocab.json",
	"merges.txt",
	"tokenizer.model",
	"LICENSE",
	"LICENSE.txt",
	"LICENSE.md",
	"NOTICE",
	"NOTICE.txt",
	"USE_POLICY.md",
};

struct shard {
	size_t first, count; /* of the list */
	uint64_t bytes;
};
typedef TS_VEC(struct shard) shards;

static struct export_store store_of(const struct export *e, const struct export_weight *w)
{
	return export_store_of(e->options->type, false, w->dims, export_weight_columns(w));
}

static uint64_t bytes_of(const struct export *e, const struct export_weight *w)
{
	return (uint64_t)export_weight_rows(w) * export_store_bytes(store_of(e, w), export_weight_columns(w));
}

/* In the order of the list; a weight that is larger than a shard may be has one of its own. */
static int divide(const struct export *e, shards *out)
{
	for (size_t i = 0; i < e->list.weights.len; i++) {
		uint64_t bytes = bytes_of(e, &e->list.weights.data[i]);
		struct shard *last = out->len ? &out->data[out->len - 1] : NULL;
		if (last && last->bytes + bytes <= e->options->shard_bytes) {
			last->count++;
			last->bytes += bytes;
		} else if (ts_vec_push(out, (struct shard){i, 1, bytes})) {
			return ts_fail_memory(e->err);
		}
	}
	return 0;
}

static void shard_name(const shards *all, size_t i, char name[64])
{
	if (all->len == 1)
		snprintf(name, 64, "model.safetensors");
	else
		snprintf(name, 64, "model-%05zu-of-%05zu.safetensors", i + 1, all->len);
}

static int put_header(const struct export *e, struct ts_sink *sink, const struct shard *s)
{
	struct ts_tensor_out *list = ts_calloc(s->count, sizeof(*list));
	struct ts_str header = {0};
	int status = list ? 0 : ts_fail_memory(e->err);
	for (size_t i = 0; i < s->count && list; i++) {
		const struct export_weight *w = &e->list.weights.data[s->first + i];
		list[i] = (struct ts_tensor_out){.name = w->name, .dtype = store_of(e, w).dtype, .dims = w->dims};
		memcpy(list[i].shape, w->shape, sizeof(w->shape));
	}
	if (!status)
		status = ts_tensors_header(sink->path, list, s->count, &header, e->err);
	if (!status)
		status = ts_sink_write(sink, header.data, header.len, e->err);
	ts_str_release(&header);
	ts_free(list);
	return status;
}

static int put_shard(struct export *e, const char *name, const struct shard *s)
{
	struct ts_str path = {0};
	struct ts_sink sink = {.fd = -1};
	int status = ts_path_join(&path, e->partial.data, name) ? ts_fail_memory(e->err) : ts_sink_open(&sink, path.data, e->err);
	if (!status)
		status = put_header(e, &sink, s);
	for (size_t i = 0; i < s->count && !status; i++) {
		const struct export_weight *w = &e->list.weights.data[s->first + i];
		status = export_put_weight(e, &sink, w, store_of(e, w), false);
	}
	if (!status)
		status = ts_sink_finish(&sink, e->err);
	e->result->bytes += sink.bytes;
	e->result->files++;
	ts_sink_close(&sink);
	ts_str_release(&path);
	return status;
}

/* A text file of the folder, with its new size counted. */
static int put_text(struct export *e, const char *name, const struct ts_str *text)
{
	struct ts_str path = {0};
	int status = ts_path_join(&path, e->partial.data, name) ? ts_fail_memory(e->err)
								: ts_file_write(path.data, ts_str_c(text), text->len, e->err);
	e->result->bytes += text->len;
	e->result->files++;
	ts_str_release(&path);
	return status;
}

static json_t *make_index(const struct export *e, const shards *all)
{
	json_t *map = json_object();
	json_int_t bytes = 0, numbers = 0;
	for (size_t s = 0; map && s < all->len; s++) {
		char name[64];
		shard_name(all, s, name);
		bytes += (json_int_t)all->data[s].bytes;
		for (size_t i = 0; i < all->data[s].count; i++) {
			const struct export_weight *w = &e->list.weights.data[all->data[s].first + i];
			numbers += (json_int_t)(export_weight_rows(w) * export_weight_columns(w));
			if (json_object_set_new(map, w->name, json_string(name))) {
				json_decref(map);
				return NULL;
			}
		}
	}
	return json_pack("{s:{s:I,s:I},s:o}", "metadata", "total_parameters", numbers, "total_size", bytes, "weight_map", map);
}

static int put_index(struct export *e, const shards *all)
{
	struct ts_str text = {0};
	json_t *index = make_index(e, all);
	int status =
		index && !ts_json_dump_pretty(index, &text) ? put_text(e, "model.safetensors.index.json", &text) : ts_fail_memory(e->err);
	json_decref(index);
	ts_str_release(&text);
	return status;
}

static int copy_files(struct export *e)
{
	struct ts_str path = {0}, text = {0};
	int status = 0;
	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied) && !status; i++) {
		ts_str_clear(&text);
		status = ts_path_join(&path, e->options->model, copied[i]) ? ts_fail_memory(e->err) : 0;
		if (status || !ts_file_exists(path.data))
			continue;
		status = ts_file_read(path.data, &text, e->err);
		if (!status)
			status = put_text(e, copied[i], &text);
	}
	ts_str_release(&path);
	ts_str_release(&text);
	return status;
}

/* config.json and what goes with it: the source's own, or what was made of a GGUF file. */
static int put_files(struct export *e)
{
	struct ts_str config = {0};
	int status = 0;
	for (size_t i = 0; i < e->made.len && !status; i++)
		status = put_text(e, e->made.data[i].name, &e->made.data[i].text);
	if (status || e->weights.from_gguf)
		return status;
	status = export_config_text(e, &config);
	if (!status)
		status = put_text(e, "config.json", &config);
	if (!status)
		status = copy_files(e);
	ts_str_release(&config);
	return status;
}

int export_folder_write(struct export *e)
{
	shards all = {0};
	int status = ts_dir_make(e->partial.data, e->err);
	if (!status)
		status = divide(e, &all);
	for (size_t i = 0; i < all.len && !status; i++) {
		char name[64];
		shard_name(&all, i, name);
		status = put_shard(e, name, &all.data[i]);
	}
	if (!status && all.len > 1)
		status = put_index(e, &all);
	if (!status)
		status = put_files(e);
	ts_vec_release(&all);
	return status;
}
