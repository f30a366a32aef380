/* The order of things: what can be refused cheaply first (names, the disk), then the logits that are expected, from the model with its
 * adapter apart; then that model is closed, and only then another is written and opened. */
#include "export/internal.h"

#include "tensor/math.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- names --- */

static bool ends_with(const char *s, const char *ending)
{
	size_t n = strlen(s), m = strlen(ending);
	return n > m && !strcmp(s + n - m, ending);
}

int ts_export_options_check(const struct ts_export_options *o, struct ts_error *err)
{
	if (!o->model || !o->out)
		return ts_fail(err, TS_EINVAL, "--model DIR or FILE and --out DIR or FILE.gguf are needed");
	bool gguf = ends_with(o->out, ".gguf");
	if (o->lora && !o->adapter)
		return ts_fail(err, TS_EINVAL, "--lora writes an adapter alone: --adapter DIR is needed");
	if (o->lora && !gguf)
		return ts_fail(err, TS_EINVAL, "--lora writes a GGUF file: expected --out FILE.gguf, found \"%s\"", o->out);
	if (o->type == TS_EXPORT_Q8_0 && !gguf)
		return ts_fail(err, TS_EINVAL, "--type q8_0 is a type of GGUF files: expected --out FILE.gguf, found \"%s\"", o->out);
	if (o->pre && !gguf && !ts_file_exists(o->model))
		return ts_fail(err, TS_EINVAL, "--pre is for GGUF files: expected --model or --out FILE.gguf, found \"%s\" and \"%s\"",
			       o->model, o->out);
	if (o->shard_bytes < 1 << 10)
		return ts_fail(err, TS_EINVAL, "--shard-size: expected at least 1K, found %llu", (unsigned long long)o->shard_bytes);
	return 0;
}

/* The card is a folder's first file as well as its last, so it always says whose folder this is. */
#define CARD "README.md"

static bool has_card(const char *dir)
{
	struct ts_str path = {0}, text = {0};
	bool found = !ts_path_join(&path, dir, CARD) && !ts_file_read(path.data, &text, NULL) && strstr(ts_str_c(&text), EXPORT_TAG);
	/* killed while the first one was put in place */
	found = found || (!ts_path_join(&path, dir, CARD ".tmp") && ts_file_exists(path.data));
	ts_str_release(&path);
	ts_str_release(&text);
	return found;
}

/* A GGUF file says it among its first keys. */
static bool has_key(const char *path)
{
	enum { HEAD = 4096 };
	struct ts_mapping m;
	if (ts_mapping_open(&m, path, NULL))
		return false;
	bool found = !m.size || memmem(m.data, m.size < HEAD ? m.size : HEAD, EXPORT_KEY, strlen(EXPORT_KEY));
	ts_mapping_close(&m);
	return found;
}

/* Whether an earlier export that was killed left this. */
static bool is_ours(const char *partial, bool gguf)
{
	return gguf ? has_key(partial) : ts_dir_is_empty(partial) || has_card(partial);
}

static int check_names(struct export *e)
{
	const char *out = e->options->out;
	size_t n = strlen(out);
	while (n > 1 && out[n - 1] == '/')
		n--;
	if (ts_str_append(&e->out, out, n) || ts_str_printf(&e->partial, "%s.partial", e->out.data))
		return ts_fail_memory(e->err);
	/* an empty folder is as good as none */
	if (ts_path_is_there(e->out.data) && (e->gguf || !ts_dir_is_empty(e->out.data)))
		return ts_fail(e->err, TS_EIO, "%s: is there already; remove it or use another --out", e->out.data);
	if (!ts_path_is_there(e->partial.data))
		return 0;
	if (!is_ours(e->partial.data, e->gguf))
		return ts_fail(e->err, TS_EIO, "%s: is there, and no export that was stopped left it; remove it or use another --out",
			       e->partial.data);
	ts_log(e->context, TS_LOG_INFO, "%s: left by an export that was stopped; written anew", e->partial.data);
	return ts_path_remove(e->partial.data, e->err);
}

static int put_card(struct export *e, const char *text, size_t n)
{
	struct ts_str path = {0};
	int failed = e->gguf ? ts_str_printf(&path, "%s.md", e->out.data) : ts_path_join(&path, e->partial.data, CARD);
	int status = failed ? ts_fail_memory(e->err) : ts_file_write(path.data, text, n, e->err);
	ts_str_release(&path);
	return status;
}

static int begin_folder(struct export *e)
{
	static const char unfinished[] = "---\n" EXPORT_TAG "]\n---\nThis export is not finished.\n";
	e->began = true;
	TS_TRY(ts_dir_make(e->partial.data, e->err));
	return put_card(e, unfinished, sizeof(unfinished) - 1);
}

static int finish_card(struct export *e)
{
	struct ts_str text = {0};
	int status = export_card(e, &text);
	if (!status)
		status = put_card(e, text.data, text.len);
	e->result->files++;
	e->result->bytes += text.len;
	ts_str_release(&text);
	return status;
}

/* --- the plan --- */

/* A head that is stored over tied embeddings is written only where it differs from them: then it is the one that counts (contracts.md,
 * section 6), and the result says that they are not tied. */
static int find_head(struct export *e, bool *head)
{
	size_t shape[2] = {(size_t)e->config.vocab_size, (size_t)e->config.hidden_size};
	struct ts_weight_view own, embedding;
	*head = ts_weights_has(&e->weights, "lm_head.weight");
	if (!*head || !e->config.tied_embeddings || e->weights.from_gguf)
		return 0;
	TS_TRY(ts_weights_need(&e->weights, "lm_head.weight", 2, shape, &own, e->err));
	TS_TRY(ts_weights_need(&e->weights, "model.embed_tokens.weight", 2, shape, &embedding, e->err));
	*head = own.dtype != embedding.dtype || memcmp(own.data, embedding.data, own.bytes) != 0;
	return 0;
}

static void format_bytes(double bytes, char text[32])
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	size_t unit = 0;
	for (; bytes >= 1000 && unit < 4; unit++)
		bytes /= 1000;
	snprintf(text, 32, unit ? "%.2f %s" : "%.0f %s", bytes, units[unit]);
}

/* Tensors, and what comes with them: headers, tokenizer files. */
static int check_disk(struct export *e)
{
	enum { BESIDE = 1 << 18 };
	uint64_t space, needed = e->planned + e->header.len + BESIDE;
	char want[32], have[32];
	int status = ts_disk_free(e->out.data, &space, NULL);
	if (status)
		return status == TS_ENOMEM ? ts_fail_memory(e->err) : 0; /* a file system that does not say */
	format_bytes((double)needed, want);
	format_bytes((double)space, have);
	if (space < needed)
		return ts_fail(e->err, TS_EIO, "%s: no space left on device: expected %s, found %s", e->out.data, want, have);
	ts_log(e->context, TS_LOG_INFO, "%s: %d tensors as %s, %s; free: %s", e->out.data, e->total, ts_export_type_name(e->options->type),
	       want, have);
	if (e->result->fallbacks)
		ts_log(e->context, TS_LOG_WARN, "%s: %d of them have rows that are no multiple of 32 and are written as F16", e->out.data,
		       e->result->fallbacks);
	return 0;
}

/* The check does without the template where the result does without what we cannot read: the files of a folder are copied into a folder as
 * they are, the metadata of a GGUF file into a GGUF file. */
static int open_chat(struct export *e)
{
	struct ts_error failure = {0};
	int status = ts_local_open_chat_as(&e->chat, e->options->model, e->weights.from_gguf ? e->options->pre : NULL, &failure);
	bool copied = e->gguf == e->weights.from_gguf || e->options->lora;
	if (!status)
		return 0;
	if (!copied || (status != TS_ENOTFOUND && status != TS_EUNSUPPORTED))
		return ts_fail(e->err, status, "%s", failure.message);
	ts_log(e->context, TS_LOG_WARN, "%s; the check is made with random ids alone", failure.message);
	return 0;
}

static int plan(struct export *e)
{
	bool head, both;
	TS_TRY(check_names(e));
	/* said now, not when a large model has been loaded */
	if (e->options->adapter && !ts_dir_exists(e->options->adapter))
		return ts_fail(e->err, TS_ENOTFOUND, "%s: no such adapter folder", e->options->adapter);
	TS_TRY(ts_model_config_load(&e->config, e->options->model, e->err));
	TS_TRY(ts_weights_open(&e->weights, e->options->model, &e->config, &both, e->err));
	e->weights.quantised = TS_F32; /* what is merged is not rounded before */
	TS_TRY(find_head(e, &head));
	TS_TRY(open_chat(e));
	if (e->options->lora)
		return 0; /* what an adapter holds is known when it is read, for its model */
	TS_TRY(export_list_make(&e->list, &e->config, head, e->err));
	e->total = (int)e->list.weights.len;
	for (size_t i = 0; i < e->list.weights.len; i++) {
		const struct export_weight *w = &e->list.weights.data[i];
		size_t columns = export_weight_columns(w);
		e->planned +=
			export_weight_rows(w) * export_store_bytes(export_store_of(e->options->type, e->gguf, w->dims, columns), columns);
	}
	if (e->gguf)
		TS_TRY(export_gguf_prepare(e));
	else if (e->weights.from_gguf)
		TS_TRY(export_gguf_source(e));
	return check_disk(e);
}

/* --- what is expected --- */

static int expect(struct export *e)
{
	const struct ts_export_options *o = e->options;
	TS_TRY(ts_model_open_as(&e->model, e->backend, o->model, TS_F32, e->context, e->err));
	if (o->adapter)
		TS_TRY(ts_adapter_load(&e->adapter, e->model, o->adapter, e->err));
	if (e->chat)
		TS_TRY(ts_local_check_vocabulary(e->model, e->chat, e->err));
	TS_TRY(export_check_choose(&e->check, &e->config, e->chat, e->err));
	int status = export_check_record(&e->check, e->model, e->adapter, e->err);
	if (status == TS_ENUMERIC)
		return ts_fail_within(e->err, status, "%s with %s, before anything was merged", o->model,
				      o->adapter ? o->adapter : "no adapter");
	if (!status && e->adapter)
		status = export_check_compare(&e->check, e->model, NULL, &e->result->effect, e->err);
	e->result->texts = e->check.count;
	e->result->positions = e->check.positions;
	e->result->spread = e->check.spread;
	return status;
}

static void close_model(struct export *e)
{
	ts_model_close(e->model);
	e->model = NULL;
}

/* --- writing --- */

void export_count_tensor(struct export *e)
{
	e->result->tensors++;
	ts_progress(e->context, "write", (uint64_t)e->result->tensors, (uint64_t)e->total, "tensors", NULL);
}

int export_put_weight(struct export *e, struct ts_sink *sink, const struct export_weight *w, struct export_store store, bool turned)
{
	struct export_source source = {.weights = &e->weights, .adapter = e->adapter};
	size_t columns = export_weight_columns(w), bytes = export_store_bytes(store, columns);
	if (ts_should_stop(e->context))
		return TS_ESTOPPED;
	TS_TRY(export_source_take(&source, w, e->err));
	TS_TRY(export_encoder_begin(&e->encoder, columns, e->err));
	for (size_t i = 0; i < export_weight_rows(w); i++) {
		export_source_row(&source, turned ? ts_weights_turned_row(&e->config, i) : i, e->encoder.row.data);
		export_encoder_row(&e->encoder, store, columns);
		TS_TRY(ts_sink_write(sink, e->encoder.bytes.data, bytes, e->err));
	}
	TS_TRY(export_encoder_end(&e->encoder, w->name, columns, e->options->force, e->err));
	export_source_drop(&source);
	e->result->merged += source.merged;
	export_count_tensor(e);
	return 0;
}

/* --- what was written --- */

/* The error of the logits, relative to their spread, is taken to be at most 8 times that of the weights (every layer adds its own, and attention
 * sharpens it), and the largest of some 10^5 to 10^7 numbers to be at most 6 times their root mean square. docs/contracts.md, section 8. */
enum { BOUND = 6 * 8 };

static void judge(struct export *e)
{
	struct ts_export_result *r = e->result;
	const char *type = ts_export_type_name(e->options->type);
	r->rounding = sqrt(e->encoder.relative);
	r->bound = BOUND * r->rounding * (e->options->lora ? r->effect.rms : r->spread);
	if (e->encoder.beyond)
		snprintf(r->over, sizeof(r->over), "%zu numbers, the first in %s, are beyond the range of %s and became infinite",
			 e->encoder.beyond, e->encoder.where, type);
	else if (!(r->diff.largest <= r->bound))
		snprintf(r->over, sizeof(r->over), "the logits of what was written differ by up to %.3g, expected at most %.3g",
			 r->diff.largest, r->bound);
	else if (r->effect.rms > 0 && r->diff.rms > r->effect.rms / 2)
		snprintf(
			r->over, sizeof(r->over),
			"%s moves the logits by %.2g (root mean square), the adapter itself only by %.2g: what it learned would be lost in "
			"the rounding",
			type, r->diff.rms, r->effect.rms);
}

/* The written model, or the model with the written adapter. */
static int read_again(struct export *e)
{
	const struct ts_export_options *o = e->options;
	if (o->lora)
		TS_TRY(export_lora_read(e));
	else
		TS_TRY(ts_model_open_as(&e->model, e->backend, e->partial.data, TS_F32, NULL, e->err));
	return export_check_compare(&e->check, e->model, o->lora ? e->adapter : NULL, &e->result->diff, e->err);
}

static int verify(struct export *e)
{
	struct ts_export_result *r = e->result;
	int status = read_again(e);
	close_model(e);
	/* not finite: infinite weights, or logits that overflow */
	if (status == TS_ENUMERIC)
		r->diff = (struct ts_logit_difference){INFINITY, INFINITY, INFINITY};
	else if (status)
		return ts_fail_within(e->err, status, "what was written cannot be read again");
	judge(e);
	if (!*r->over)
		return 0;
	if (!e->options->force)
		return ts_fail(e->err, TS_EMISMATCH, "%s: %s; nothing was kept (--force keeps it)", e->out.data, r->over);
	ts_log(e->context, TS_LOG_WARN, "%s: %s; kept, as --force says", e->out.data, r->over);
	return 0;
}

static int make(struct export *e)
{
	TS_TRY(ts_export_options_check(e->options, e->err));
	TS_TRY(plan(e));
	TS_TRY(expect(e));
	if (e->options->lora) {
		TS_TRY(export_lora_prepare(e));
		TS_TRY(check_disk(e));
	} else {
		close_model(e);
	}
	if (!e->gguf)
		TS_TRY(begin_folder(e));
	TS_TRY(e->gguf ? export_gguf_write(e) : export_folder_write(e));
	ts_weights_close(&e->weights);
	TS_TRY(verify(e));
	TS_TRY(finish_card(e));
	if (!e->gguf)
		TS_TRY(ts_dir_sync(e->partial.data, e->err));
	return ts_path_put_in_place(e->partial.data, e->out.data, e->err);
}

int ts_export(const struct ts_export_options *options, struct ts_backend *backend, const struct ts_context *context,
	      struct ts_export_result *result, struct ts_error *err)
{
	struct export e = {.options = options, .backend = backend, .context = context, .result = result, .err = err};
	*result = (struct ts_export_result){0};
	e.gguf = options->out && ends_with(options->out, ".gguf");
	int status = make(&e);
	if (status && e.began)
		ts_path_remove(e.partial.data, NULL);
	close_model(&e);
	ts_adapter_free(e.adapter);
	ts_chat_close(e.chat);
	ts_weights_close(&e.weights);
	export_list_release(&e.list);
	export_encoder_release(&e.encoder);
	export_check_release(&e.check);
	ts_str_release(&e.out);
	ts_str_release(&e.partial);
	ts_str_release(&e.header);
	for (size_t i = 0; i < e.made.len; i++)
		ts_str_release(&e.made.data[i].text);
	ts_vec_release(&e.made);
	return status;
}
