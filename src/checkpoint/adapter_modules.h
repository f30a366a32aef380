/* Which linear layers an adapter_config.json speaks of, as PEFT's check_target_module_exists and get_pattern_key decide it. */
#ifndef TS_CHECKPOINT_ADAPTER_MODULES_H
#define TS_CHECKPOINT_ADAPTER_MODULES_H

#include "checkpoint/adapter_config.h"
#include "core/json.h"

/* modules[layers][TS_TARGETS] from the file's rules; config->rank and alpha are the defaults, its targets are set. */
int ts_adapter_modules_read(struct ts_adapter_config *, int layers, struct ts_adapter_module *modules, const json_t *root,
			    const char *place, struct ts_error *err);

#endif
