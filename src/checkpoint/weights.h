/* Where a model's weights come from: a checkpoint folder with safetensors, or a GGUF file. Both are asked by the names of the Hugging
 * Face layout ("model.layers.0.mlp.up_proj.weight") and give rows in that layout's order: the rows of q and k that Llama's GGUF files
 * hold in another order come back in their own. Quantised tensors come as plain numbers, one tensor at a time: rounded to bf16, or exact
 * in f32.
 * A tensor that is none of the model's is refused on opening, by name: any of a GGUF file (experts), in a folder those under "model." and
 * "lm_head." (a bias that the config does not speak of). "rope_freqs.weight", which only GGUF files have, is what the rotary frequencies
 * are divided by. */
#ifndef TS_CHECKPOINT_WEIGHTS_H
#define TS_CHECKPOINT_WEIGHTS_H

#include "checkpoint/config.h"
#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"

struct ts_weights {
	const struct ts_model_config *config;
	bool from_gguf;
	struct ts_tensors tensors;
	struct ts_gguf gguf;
	enum ts_dtype quantised; /* what quantised tensors become: TS_BF16, or TS_F32 when set so after opening */
	unsigned char *scratch;  /* the last tensor that could not be used as stored */
	size_t scratch_bytes;
};

/* A weight as the backend takes it. */
struct ts_weight_view {
	const void *data; /* until the next ts_weights_need */
	enum ts_dtype dtype;
	const char *path; /* of its file, for messages */
	const struct ts_mapping *file;
	size_t offset, bytes; /* what it takes of the file */
	size_t unpacked;      /* bytes of memory that it takes beside the file, since it cannot be used as stored; 0 = none */
};

/* `path` is a folder or a GGUF file; `config` is its own and must outlive this. *both as in ts_tensors_open_folder. */
int ts_weights_open(struct ts_weights *, const char *path, const struct ts_model_config *config, bool *both, struct ts_error *err);
void ts_weights_close(struct ts_weights *);
bool ts_weights_has(const struct ts_weights *, const char *name);
/* Present, with exactly this shape (1 or 2 dimensions); dtype F32, BF16 or F16. Errors name file, tensor, expected, found. */
int ts_weights_need(struct ts_weights *, const char *name, int dims, const size_t *shape, struct ts_weight_view *, struct ts_error *err);
/* The same without the data: what a weight will need, from the header alone. */
int ts_weights_look(struct ts_weights *, const char *name, int dims, const size_t *shape, struct ts_weight_view *, struct ts_error *err);
/* For writers. The name of one of our weights in a GGUF file; false when it has none there. *turned: a file of the llama architecture holds
 * its rows in another order. */
bool ts_weights_gguf_name(const char *name, char theirs[96], bool *turned);
/* Which of our rows such a file holds as its `row`-th. */
size_t ts_weights_turned_row(const struct ts_model_config *, size_t row);
/* The file's pages behind a weight that was taken over. */
void ts_weights_drop(const struct ts_weight_view *);

#endif
