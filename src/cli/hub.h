/* What the environment says of the Hugging Face hub, with the names and the order that the Python package huggingface_hub has:
 *
 *     cache     HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub
 *     token     HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, the file HF_HOME/token (HF_HOME as for the cache)
 *     endpoint  HF_ENDPOINT, https://huggingface.co
 *     offline   HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE: 1, on, yes or true
 *
 * A variable that is empty counts as not set. */
#ifndef TS_CLI_HUB_H
#define TS_CLI_HUB_H

#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>

struct ts_hub_environment {
	struct ts_str cache, endpoint, token; /* no token: empty */
	bool offline;
};

/* The cache alone, for finding. */
int ts_hub_cache(struct ts_str *cache, struct ts_error *err);
int ts_hub_environment_read(struct ts_hub_environment *, struct ts_error *err);
void ts_hub_environment_release(struct ts_hub_environment *);

#endif
