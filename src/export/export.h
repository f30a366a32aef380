/* A model written out for other programs, with an adapter merged into it: a Hugging Face folder (safetensors) or a GGUF file; or the adapter
 * alone as a GGUF LoRA.
 *
 * - Merging is W + scale B A in f32, rounded once, to nearest even.
 * - It streams: one row of a weight at a time, never two copies of the model in memory.
 * - What was written is read again as any model, and its logits are compared with those of the model with its adapter unmerged
 *   (docs/contracts.md, section 8, has the bound). Over the bound the result is refused and removed; `force` keeps it, and its card says so.
 * - The result gets its name when all of it is on the disk. Until then it is called OUT.partial; one that was left behind is written anew.
 *   What is there under the name is never replaced. */
#ifndef TS_EXPORT_EXPORT_H
#define TS_EXPORT_EXPORT_H

#include "core/context.h"
#include "model/model.h"

enum ts_export_type { TS_EXPORT_BF16, TS_EXPORT_F16, TS_EXPORT_F32, TS_EXPORT_Q8_0 };

/* "bf16", "f16", "f32", "q8_0"; TS_EINVAL for another. */
int ts_export_type_parse(const char *name, enum ts_export_type *);
const char *ts_export_type_name(enum ts_export_type);

struct ts_export_options {
	const char *model;   /* a folder or a GGUF file */
	const char *adapter; /* PEFT folder; NULL: the model as it is */
	const char *out;     /* a name that ends in .gguf: a GGUF file; else a folder */
	const char *pre;     /* the pre-tokenizer's name for a GGUF file, NULL: found from the tokenizer */
	enum ts_export_type type;
	bool lora;            /* the adapter alone */
	bool force;           /* keep a result over the bound */
	uint64_t shard_bytes; /* most bytes of tensors in one safetensors file */
	const char *program;  /* name and version, for the model card */
};

/* How far two models' logits are apart over the texts of the check. */
struct ts_logit_difference {
	double largest, rms; /* of all logits */
	double kl;           /* mean over the positions of KL(expected || found), in nats */
};

struct ts_export_result {
	int files, tensors, merged;
	uint64_t bytes;
	int fallbacks;                     /* tensors written as F16 because their rows are no multiple of 32 */
	size_t texts, positions;           /* of the check */
	double spread;                     /* root mean square of the expected logits around their mean */
	double rounding;                   /* relative error of all weights written: docs/contracts.md, section 8 */
	double bound;                      /* of diff.largest */
	char over[512];                    /* what is over a bound, as a sentence; "" = nothing */
	struct ts_logit_difference diff;   /* written against unmerged */
	struct ts_logit_difference effect; /* of the adapter: unmerged against the base */
};

/* TS_EINVAL, in the words of the command line, where the options do not fit together. */
int ts_export_options_check(const struct ts_export_options *, struct ts_error *err);
/* That is checked first. TS_EMISMATCH when the result is over the bound and `force` is not set; after it, after TS_ESTOPPED and after any other
 * failure nothing is left. */
int ts_export(const struct ts_export_options *, struct ts_backend *, const struct ts_context *, struct ts_export_result *,
	      struct ts_error *err);

#endif
