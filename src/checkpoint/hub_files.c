/* Which files of a repository a model needs. Repositories hold much more: the same weights for other programs, several precisions,
 * pictures. */
#include "checkpoint/hub_internal.h"

#include <string.h>

/* What is taken when it is there. The tokenizer's older files are small, and other programs want them. */
static const char *const wanted[] = {
	"config.json",
	"generation_config.json",
	"tokenizer.json",
	"tokenizer_config.json",
	"special_tokens_map.json",
	"added_tokens.json",
	"vocab.json",
	"merges.txt",
	"tokenizer.model",
	"chat_template.jinja",
	"chat_template.json",
	"adapter_config.json",
};

static bool holds(const struct ts_map *there, const char *name)
{
	return ts_map_get(there, name, strlen(name)) != NULL;
}

static int add(struct ts_map *chosen, const char *name, struct ts_error *err)
{
	return ts_map_put(chosen, name, strlen(name), 0) ? ts_fail_memory(err) : 0;
}

/* Up to five names that end so, with how many there are. */
static size_t list_ending(const struct ts_map *there, const char *ending, struct ts_str *out)
{
	size_t count = 0, n = strlen(ending);
	for (size_t i = 0; i < there->entries.len; i++) {
		const struct ts_map_entry *e = &there->entries.data[i];
		if (e->len <= n || memcmp(e->key + e->len - n, ending, n) != 0)
			continue;
		if (count < 5 && ts_str_printf(out, "%s%s", count ? ", " : "", e->key))
			return count;
		count++;
	}
	return count;
}

static int no_weights(const struct ts_map *there, const char *repo, struct ts_error *err)
{
	struct ts_str names = {0};
	size_t n = list_ending(there, ".gguf", &names);
	int status;
	if (n)
		status = ts_fail(err, TS_ENOTFOUND,
				 "%s: holds no safetensors but %zu GGUF file%s: %.600s%s; choose with --file NAME (or pull %s:NAME)", repo,
				 n, n > 1 ? "s" : "", ts_str_c(&names), n > 5 ? ", ..." : "", repo);
	else if (list_ending(there, ".bin", &names))
		status =
			ts_fail(err, TS_ENOTFOUND, "%s: holds no safetensors; other weights are not read (%.600s)", repo, ts_str_c(&names));
	else
		status = ts_fail(err, TS_ENOTFOUND,
				 "%s: holds none of model.safetensors, " HUB_INDEX
				 ", adapter_model.safetensors, *.gguf; single files: --file NAME",
				 repo);
	ts_str_release(&names);
	return status;
}

static int choose_named(const struct ts_map *there, const char *const *names, size_t count, const char *repo, struct ts_map *chosen,
			struct ts_error *err)
{
	struct ts_str others = {0};
	int status = 0;
	for (size_t i = 0; i < count && !status; i++) {
		const char *dot = strrchr(names[i], '.');
		if (!hub_name_is_safe(names[i]))
			status = ts_fail(err, TS_EINVAL, "\"%s\" is no file of a repository", names[i]);
		else if (holds(there, names[i]))
			status = add(chosen, names[i], err);
		else if (list_ending(there, dot ? dot : "", &others))
			status = ts_fail(err, TS_ENOTFOUND, "%s: has no file \"%s\" (but %.600s)", repo, names[i], ts_str_c(&others));
		else
			status = ts_fail(err, TS_ENOTFOUND, "%s: has no file \"%s\"", repo, names[i]);
	}
	ts_str_release(&others);
	return status;
}

int hub_choose(const struct ts_map *there, const char *const *names, size_t count, const char *repo, struct ts_map *chosen, bool *index,
	       struct ts_error *err)
{
	*index = false;
	if (count)
		return choose_named(there, names, count, repo, chosen, err);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (holds(there, wanted[i]))
			TS_TRY(add(chosen, wanted[i], err));
	bool adapter = holds(there, "adapter_config.json") && holds(there, "adapter_model.safetensors");
	if (adapter)
		TS_TRY(add(chosen, "adapter_model.safetensors", err));
	if (holds(there, "model.safetensors"))
		return add(chosen, "model.safetensors", err); /* it wins over an index beside it, as when it is read */
	*index = holds(there, HUB_INDEX);
	if (*index)
		return add(chosen, HUB_INDEX, err);
	return adapter ? 0 : no_weights(there, repo, err);
}

int hub_choose_shards(const json_t *index, const struct ts_map *there, const char *repo, struct ts_map *chosen, struct ts_error *err)
{
	const json_t *map = json_object_get(index, "weight_map"), *shard;
	const char *weight;
	if (!json_is_object(map) || !json_object_size(map))
		return ts_fail(err, TS_EFORMAT, "%s: " HUB_INDEX ": expected an object \"weight_map\" of weights", repo);
	json_object_foreach ((json_t *)(uintptr_t)map, weight, shard) {
		const char *name = json_string_value(shard);
		if (!name || strlen(name) != json_string_length(shard) || !hub_name_is_safe(name))
			return ts_fail(err, TS_EFORMAT,
				       "%s: " HUB_INDEX ": \"%.100s\" lies in \"%.100s\", which is no file of a repository", repo, weight,
				       name ? name : "?");
		if (!holds(there, name))
			return ts_fail(err, TS_ENOTFOUND, "%s: " HUB_INDEX " names %.200s, which the repository lacks", repo, name);
		TS_TRY(add(chosen, name, err));
	}
	return 0;
}
