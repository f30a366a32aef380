/* The source's config.json with what the writing changed: the dtype, and whether the embeddings are tied. */
#include "export/internal.h"

#include <string.h>

/* The published layout says torch_dtype, transformers 5 says dtype: what is there is kept true, and one of them is there. */
int export_config_set_dtype(const struct export *e, json_t *root)
{
	static const char *const dtypes[] = {[TS_EXPORT_BF16] = "bfloat16", [TS_EXPORT_F16] = "float16", [TS_EXPORT_F32] = "float32"};
	const char *name = dtypes[e->options->type];
	int failed = 0;
	bool newer = json_object_get(root, "dtype") != NULL;
	if (newer)
		failed |= json_object_set_new(root, "dtype", json_string(name));
	if (!newer || json_object_get(root, "torch_dtype"))
		failed |= json_object_set_new(root, "torch_dtype", json_string(name));
	return failed;
}

int export_config_text(const struct export *e, struct ts_str *out)
{
	struct ts_str path = {0};
	json_t *root = NULL;
	int status =
		ts_path_join(&path, e->options->model, "config.json") ? ts_fail_memory(e->err) : ts_json_load(path.data, &root, e->err);
	const struct export_weight *last = &e->list.weights.data[e->list.weights.len - 1];
	bool tied = strcmp(last->name, "lm_head.weight") != 0;
	if (!status && (export_config_set_dtype(e, root) ||
			(tied != e->config.tied_embeddings && json_object_set_new(root, "tie_word_embeddings", json_boolean(tied))) ||
			ts_json_dump_pretty(root, out)))
		status = ts_fail_memory(e->err);
	json_decref(root);
	ts_str_release(&path);
	return status;
}
