/* thinksafe export: a model with its adapter merged, for other programs; or the adapter as a GGUF LoRA. */
#include "cli/session.h"

#include "core/file.h"
#include "export/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct export_command {
	struct ts_session session;
	struct ts_export_options options;
	const char *type;
	struct ts_str out; /* --out without slashes at its end */
};

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *summary(const struct ts_export_options *o, const struct ts_export_result *r)
{
	json_t *check = json_pack("{s:I,s:I,s:o,s:o,s:o,s:o}", "texts", (json_int_t)r->texts, "positions", (json_int_t)r->positions,
				  "largest_difference", real(r->diff.largest), "bound", real(r->bound), "rms_difference", real(r->diff.rms),
				  "mean_kl", real(r->diff.kl));
	json_t *effect = o->adapter ? json_pack("{s:o,s:o,s:o}", "largest_difference", real(r->effect.largest), "rms_difference",
						real(r->effect.rms), "mean_kl", real(r->effect.kl))
				    : json_null();
	return json_pack("{s:s,s:s,s:I,s:I,s:i,s:i,s:i,s:o,s:o,s:b,s:o}", "out", o->out, "type", ts_export_type_name(o->type), "bytes",
			 (json_int_t)r->bytes, "files", (json_int_t)r->files, "tensors", r->tensors, "merged", r->merged, "fallbacks",
			 r->fallbacks, "check", check, "adapter", effect, "forced", *r->over != '\0', "over",
			 *r->over ? json_string(r->over) : json_null());
}

static int print_json(struct export_command *c, const struct ts_export_result *r)
{
	struct ts_str text = {0};
	json_t *value = summary(&c->options, r);
	int status = value && !ts_json_dump(value, &text) ? 0 : ts_fail_memory(&c->session.err);
	if (!status)
		puts(text.data);
	json_decref(value);
	ts_str_release(&text);
	return status;
}

static void print(const struct ts_export_options *o, const struct ts_export_result *r)
{
	printf("%s: %d tensors, %.2f MB, %s", o->out, r->tensors, (double)r->bytes / 1e6, ts_export_type_name(o->type));
	if (o->adapter && !o->lora)
		printf(", %d merged with the adapter", r->merged);
	printf("\nself-check: %zu texts, %zu positions: largest difference of a logit %.3g (bound %.3g), mean KL %.3g\n", r->texts,
	       r->positions, r->diff.largest, r->bound, r->diff.kl);
	if (o->adapter)
		printf("the adapter itself: largest difference of a logit %.3g, mean KL %.3g\n", r->effect.largest, r->effect.kl);
}

static int run(struct export_command *c)
{
	struct ts_session *s = &c->session;
	struct ts_export_options *o = &c->options;
	struct ts_export_result result;
	o->model = s->model_dir;
	o->adapter = s->adapter_dir;
	size_t n = s->out ? strlen(s->out) : 0;
	while (n > 1 && s->out[n - 1] == '/')
		n--;
	if (n && ts_str_append(&c->out, s->out, n))
		return ts_fail_memory(&s->err);
	o->out = c->out.data;
	o->pre = s->pre;
	if (c->type && ts_export_type_parse(c->type, &o->type))
		return ts_session_wrong(s, "--type: expected bf16, f16, f32 or q8_0, found \"%s\"", c->type);
	if (!c->type && o->lora)
		o->type = TS_EXPORT_F32;
	if (ts_export_options_check(o, &s->err))
		return ts_session_wrong(s, "%s", s->err.message);
	TS_TRY(ts_session_need_model(s));
	TS_TRY(ts_session_open_backend(s));
	TS_TRY(ts_dir_make_parent(o->out, &s->err));
	TS_TRY(ts_session_lock(s, o->out, ".lock"));
	TS_TRY(ts_export(o, s->backend, &s->context, &result, &s->err));
	if (s->json)
		return print_json(c, &result);
	print(o, &result);
	return 0;
}

int ts_command_export(const struct ts_command *command, int argc, char **argv)
{
	struct export_command c = {.options = {.shard_bytes = (uint64_t)5 << 30, .program = "thinksafe " TS_VERSION}};
	struct ts_session *s = &c.session;
	size_t shard_bytes = (size_t)c.options.shard_bytes;
	ts_session_init(s);
	const struct ts_option options[] = {
		{"model", "DIR|FILE", "checkpoint folder (Hugging Face layout) or GGUF file", TS_OPT_TEXT, &s->model_dir, NULL},
		{"adapter", "DIR", "LoRA adapter folder (PEFT layout) to merge; without it the model is written as it is", TS_OPT_TEXT,
		 &s->adapter_dir, NULL},
		{"out", "DIR|FILE.gguf", "folder with safetensors, or a GGUF file; nothing that is there is replaced", TS_OPT_TEXT, &s->out,
		 NULL},
		{"type", "bf16|f16|f32|q8_0", "of the weights; q8_0 for GGUF alone (bf16; with --lora f32)", TS_OPT_TEXT, &c.type, NULL},
		{"lora", NULL, "the adapter alone, as a GGUF LoRA", TS_OPT_FLAG, &c.options.lora, NULL},
		{"shard-size", "SIZE", "most bytes of tensors in a safetensors file (5G)", TS_OPT_BYTES, &shard_bytes, NULL},
		{"pre", "NAME", "GGUF: the pre-tokenizer's name, where it is not found from the tokenizer", TS_OPT_TEXT, &s->pre, NULL},
		{"force", NULL, "keep a result that is over the bound of the self-check; the model card says so", TS_OPT_FLAG,
		 &c.options.force, NULL},
		{"json", NULL, "the summary as one JSON object", TS_OPT_FLAG, &s->json, NULL},
		{"threads", "N", "threads; changes no result (default: all cores)", TS_OPT_COUNT, &s->threads, NULL},
		{"isa", "plain|avx2|avx512|neon", TS_HELP_ISA, TS_OPT_TEXT, &s->isa, NULL},
		{"quiet", NULL, "no progress", TS_OPT_FLAG, &s->quiet, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, NULL);
	c.options.shard_bytes = shard_bytes;
	if (code < 0)
		code = ts_session_fail(s, run(&c));
	ts_session_close(s);
	ts_str_release(&c.out);
	return code;
}
