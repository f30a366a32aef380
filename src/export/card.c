/* The model card. No time, host or absolute path: the same export gives the same card. */
#include "export/internal.h"

#include "core/sha256.h"

#include <math.h>
#include <string.h>

/* The last part of a path. */
static int put_name(struct ts_str *out, const char *path)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	size_t from = n;
	while (from > 0 && path[from - 1] != '/')
		from--;
	return ts_str_append(out, path + from, n - from);
}

/* What the adapter says it was trained on where that is a name of the Hub ("Qwen/Qwen3-0.6B"), else the folder's own name. */
static int base_name(const struct export *e, struct ts_str *out)
{
	const char *said = e->adapter ? e->adapter->config.base_model : "", *slash = strchr(said, '/');
	if (slash && slash != said && slash[1] && !strchr(slash + 1, '/') && *said != '.' && !ts_path_is_there(said))
		return ts_str_puts(out, said);
	return put_name(out, e->options->model);
}

/* A JSON string is one of YAML too. */
static int put_quoted(struct ts_str *out, const struct ts_str *text)
{
	json_t *value = json_stringn(text->data, text->len);
	int status = value ? ts_json_dump(value, out) : ts_str_puts(out, "\"unknown\"");
	json_decref(value);
	return status;
}

static int put_head(const struct export *e, const struct ts_str *base, struct ts_str *out)
{
	int failed = ts_str_puts(out, "---\nbase_model: ");
	failed |= put_quoted(out, base);
	if (e->adapter)
		failed |= ts_str_printf(out, "\nbase_model_relation: %s", e->options->lora ? "adapter" : "finetune");
	failed |= ts_str_printf(out, "\n%spipeline_tag: text-generation\n" EXPORT_TAG "%s]\n---\n",
				e->gguf ? "" : "library_name: transformers\n", e->gguf ? ", gguf" : "");
	failed |= ts_str_puts(out, "# ") | put_name(out, e->out.data);
	return failed | ts_str_printf(out, "\n\nWritten by %s.\n\n", e->options->program);
}

/* Modules may differ in rank and scale. */
static int put_range(struct ts_str *out, const char *name, double least, double most)
{
	return least == most ? ts_str_printf(out, "%s %g", name, least) : ts_str_printf(out, "%s %g to %g", name, least, most);
}

static int put_ranks(const struct export *e, struct ts_str *out)
{
	double rank[2] = {INFINITY, 0}, scale[2] = {INFINITY, 0};
	for (int i = 0; i < e->config.layers * TS_TARGETS; i++) {
		struct ts_lora_pair p;
		if (!ts_adapter_pair(e->adapter, i / TS_TARGETS, (enum ts_target)(i % TS_TARGETS), &p))
			continue;
		rank[0] = fmin(rank[0], (double)p.rank);
		rank[1] = fmax(rank[1], (double)p.rank);
		scale[0] = fmin(scale[0], (double)p.scale);
		scale[1] = fmax(scale[1], (double)p.scale);
	}
	return ts_str_puts(out, ": LoRA") | put_range(out, " of rank", rank[0], rank[1]) | put_range(out, ", scale", scale[0], scale[1]);
}

static int put_targets(const struct export *e, struct ts_str *out)
{
	int failed = 0, count = 0;
	for (int t = 0; t < TS_TARGETS; t++) {
		struct ts_lora_pair p;
		bool present = false;
		for (int l = 0; l < e->config.layers; l++)
			present |= ts_adapter_pair(e->adapter, l, (enum ts_target)t, &p);
		if (present)
			failed |= ts_str_printf(out, "%s %s", count++ ? "," : "", ts_target_name((enum ts_target)t));
	}
	return failed;
}

static int put_adapter(const struct export *e, struct ts_str *out)
{
	struct ts_str path = {0};
	char hash[65];
	int status = ts_path_join(&path, e->options->adapter, "adapter_model.safetensors") ? ts_fail_memory(e->err)
											   : ts_sha256_file(path.data, hash, e->err);
	ts_str_release(&path);
	TS_TRY(status);
	int failed = ts_str_puts(out, "| adapter | ") | put_name(out, e->options->adapter);
	failed |= put_ranks(e, out) | ts_str_puts(out, ", on");
	failed |= put_targets(e, out);
	failed |= ts_str_printf(out, " |\n| SHA-256 of its adapter_model.safetensors | %s |\n", hash);
	return failed ? ts_fail_memory(e->err) : 0;
}

static int put_check(const struct export *e, struct ts_str *out)
{
	const struct ts_export_result *r = e->result;
	int failed = ts_str_printf(
		out,
		"\n## Self-check\n\nWhat was written was read again and compared with the base model%s, over %zu texts (seeded "
		"random ids, user turns through the chat template), %zu positions.\n\n| | |\n|---|---|\n",
		e->adapter ? " with the adapter apart" : "", r->texts, r->positions);
	failed |= ts_str_printf(out, "| largest difference of a logit | %.3g (bound %.3g) |\n", r->diff.largest, r->bound);
	failed |= ts_str_printf(out, "| mean KL divergence, nats | %.3g |\n", r->diff.kl);
	if (e->adapter)
		failed |= ts_str_printf(out, "| for comparison: the adapter moves a logit by up to | %.3g |\n", r->effect.largest);
	if (*r->over)
		failed |= ts_str_printf(out, "\n**Forced.** It is over a bound: %s. It was kept because `--force` said so.\n", r->over);
	return failed;
}

int export_card(const struct export *e, struct ts_str *out)
{
	const struct ts_export_result *r = e->result;
	struct ts_str base = {0};
	int failed = base_name(e, &base) || put_head(e, &base, out);
	failed |= ts_str_puts(out, "| | |\n|---|---|\n| base model | ") | ts_str_append(out, ts_str_c(&base), base.len);
	failed |= ts_str_puts(out, " |\n");
	ts_str_release(&base);
	int status = failed ? ts_fail_memory(e->err) : e->adapter ? put_adapter(e, out) : 0;
	if (status)
		return status;
	failed = ts_str_printf(out, "| weights | %s, %d tensors", ts_export_type_name(e->options->type), r->tensors);
	if (e->adapter && !e->options->lora)
		failed |= ts_str_printf(out, ", %d of them merged as W + scale B A in f32 and rounded once", r->merged);
	if (r->fallbacks)
		failed |= ts_str_printf(out, ", %d of them F16 because their rows are no multiple of 32", r->fallbacks);
	failed |= ts_str_puts(out, " |\n");
	failed |= put_check(e, out);
	failed |= ts_str_puts(
		out, "\n## Licence\n\nThe licence of the base model holds for these weights. thinksafe adds none and takes none away.\n");
	return failed ? ts_fail_memory(e->err) : 0;
}
