/* The one hash map: byte string -> int64. Keys are copied. Iteration order is insertion order. */
#ifndef TS_CORE_MAP_H
#define TS_CORE_MAP_H

#include "core/mem.h"

#include <stdint.h>

struct ts_map_entry {
	const char *key; /* owned by the map, NUL-terminated */
	size_t len;
	uint64_t hash;
	int64_t value;
};

struct ts_map {
	TS_VEC(struct ts_map_entry) entries;
	uint32_t *slots; /* index + 1 into entries, 0 = free; a power of two of them */
	size_t slot_count;
	struct ts_arena keys;
};

/* Insert or overwrite. 0 or TS_ENOMEM. */
int ts_map_put(struct ts_map *, const void *key, size_t len, int64_t value);
/* The value, or NULL; stays valid until the next put. */
int64_t *ts_map_get(const struct ts_map *, const void *key, size_t len);
void ts_map_release(struct ts_map *);

#endif
