/* What the one decoder needs to know, from the metadata and the tensors of a GGUF file: architectures llama (Mistral among them), qwen2
 * and qwen3. A setting that changes numbers and that we do not implement is refused by its key. */
#ifndef TS_CHECKPOINT_GGUF_CONFIG_H
#define TS_CHECKPOINT_GGUF_CONFIG_H

#include "checkpoint/config.h"
#include "checkpoint/gguf.h"

int ts_gguf_config(const struct ts_gguf *, struct ts_model_config *, struct ts_error *err);
/* The same from a file. */
int ts_gguf_config_load(struct ts_model_config *, const char *path, struct ts_error *err);

#endif
