/* One training example: token ids, and a mask that is 1 where the token is a target of the loss.
 *
 * Text (docs: "Text of a training example"): the model's own chat template over [user: instruction, assistant: response], encoded
 * without added special tokens; the mask leaves out as many ids as the template over [user: instruction] with the generation prompt
 * gives. Those ids must really start the example's ids. Where they do not (an empty thinking that merges two newlines into one
 * token), the example says so in `prefix_ok`, and ts_example_usable leaves it out. */
#ifndef TS_TRAIN_EXAMPLE_H
#define TS_TRAIN_EXAMPLE_H

#include "core/context.h"
#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_chat;

struct ts_example {
	int32_t *ids;
	uint8_t *mask;     /* [len] 1 = a target */
	size_t len;        /* after the cut */
	size_t targets;    /* how many tokens are predicted: the masked ones, without the first token, which nothing predicts */
	size_t prompt_len; /* ids of the prompt alone, before the cut */
	bool prefix_ok;    /* the prompt's ids start the example's ids */
	bool truncated;    /* cut at max_length */
};

/* From texts (valid UTF-8, NUL-terminated). thinking: repair the think tags of the response first (text/thinking.h). Ids beyond
 * max_length are cut off. */
int ts_example_make(struct ts_example *, const struct ts_chat *, const char *instruction, const char *response, bool thinking,
		    size_t max_length, struct ts_error *err);
/* From ids and mask as they are; both are copied. */
int ts_example_from_ids(struct ts_example *, const int32_t *ids, const uint8_t *mask, size_t len, size_t max_length, struct ts_error *err);
void ts_example_release(struct ts_example *);

/* Whether to train on it. Says through `context` what is notable, naming the row: a broken prefix (left out unless keep_broken),
 * nothing to predict (left out always), a cut. */
bool ts_example_usable(const struct ts_example *, const char *row, bool keep_broken, const struct ts_context *);

#endif
