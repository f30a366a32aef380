/* What a prompt_label says: harmful (steer it) or benign (do not). contracts.md section 3.
 *
 * The label is lower-cased and split at what is not a letter. A word `harmful` or `unsafe` says harmful; `benign`,
 * `harmless`, `unharmful` or `safe` says benign. Words from --harmful-labels and --benign-labels are added to the two lists.
 * A label with both, or with neither, is refused by name: guessing would steer the wrong prompts. The caller counts.
 *
 *     struct ts_label_rule rule = {0};
 *     TS_TRY(ts_label_rule_init(&rule, "toxic", NULL, err));
 *     enum ts_label label;
 *     status = ts_label_read(&rule, "vanilla_harmful", &label, err);       TS_LABEL_HARMFUL
 *
 * After init the rule is only read: several threads may ask at once. */
#ifndef TS_METHOD_LABEL_H
#define TS_METHOD_LABEL_H

#include "core/map.h"
#include "core/status.h"

enum ts_label { TS_LABEL_NONE, TS_LABEL_HARMFUL, TS_LABEL_BENIGN };

struct ts_label_rule {
	struct ts_map words; /* lower-case word -> enum ts_label */
};

/* The lists are words separated by commas or spaces, NULL or empty for none. A word that is not all letters can never match
 * and is refused (TS_EINVAL), as is one that stands on the other side already. Release in any case. */
int ts_label_rule_init(struct ts_label_rule *, const char *more_harmful, const char *more_benign, struct ts_error *err);
void ts_label_rule_release(struct ts_label_rule *);

/* `label` NULL (a row without one) gives TS_LABEL_NONE. Both or neither: TS_EINVAL, the message names the label. */
int ts_label_read(const struct ts_label_rule *, const char *label, enum ts_label *out, struct ts_error *err);

/* "harmful", "benign", "none". */
const char *ts_label_name(enum ts_label);

#endif
