/* What the readers of config.json share. */
#ifndef TS_CHECKPOINT_INTERNAL_H
#define TS_CHECKPOINT_INTERNAL_H

#include "checkpoint/config.h"
#include "core/json.h"

struct ts_config_family;

struct ts_config_reader {
	const json_t *root;
	const char *place; /* the file, for messages */
	const struct ts_config_family *family;
	struct ts_error *err;
};

/* TS_EUNSUPPORTED: `PLACE: "KEY": FOUND is not supported (KNOWN)`. */
int ts_config_refuse(const struct ts_config_reader *, const char *key, const char *found, const char *known);
/* A finite number above 0; fallback 0: the key must be there. */
int ts_config_positive(const struct ts_config_reader *, const json_t *object, const char *key, double fallback, double *out);

/* rope_theta, rope_scaling, rope_parameters; after the sizes, because some types look at max_position_embeddings. */
int ts_config_read_rope(const struct ts_config_reader *, struct ts_model_config *);
/* Refuses by name the keys of other architectures that would change numbers; whatever else is unknown passes. */
int ts_config_check_unknown(const struct ts_config_reader *);
/* Writes the keys of generation_config.json that ask for something we do not do. */
void ts_config_note_ignored(const json_t *root, struct ts_model_config *);
/* Whether a value asks for something: not missing, null, false, empty, or the number that means nothing. */
bool ts_config_asks(const json_t *, double neutral);

#endif
