#include "core/map.h"

#include "core/status.h"

#include <string.h>

/* 64-bit multiply-and-fold over 8-byte words; keys here are short. */
static uint64_t hash_bytes(const unsigned char *p, size_t n)
{
	uint64_t h = 0x9E3779B97F4A7C15u ^ n;
	while (n) {
		uint64_t word = 0;
		size_t take = n < 8 ? n : 8;
		memcpy(&word, p, take);
		h = (h ^ word) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
		p += take;
		n -= take;
	}
	h *= 0xD6E8FEB86659FD93u;
	return h ^ h >> 29;
}

static size_t find_slot(const struct ts_map *m, const void *key, size_t len, uint64_t hash)
{
	size_t mask = m->slot_count - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		if (!m->slots[i])
			return i;
		const struct ts_map_entry *e = &m->entries.data[m->slots[i] - 1];
		if (e->hash == hash && e->len == len && (!len || !memcmp(e->key, key, len)))
			return i;
	}
}

static int grow(struct ts_map *m)
{
	size_t count = m->slot_count ? m->slot_count * 2 : 64;
	uint32_t *slots = ts_calloc(count, sizeof(*slots));
	if (!slots)
		return TS_ENOMEM;
	for (size_t i = 0; i < m->entries.len; i++) {
		size_t at = m->entries.data[i].hash & (count - 1);
		while (slots[at])
			at = (at + 1) & (count - 1);
		slots[at] = (uint32_t)i + 1;
	}
	ts_free(m->slots);
	m->slots = slots;
	m->slot_count = count;
	return 0;
}

int ts_map_put(struct ts_map *m, const void *key, size_t len, int64_t value)
{
	if ((m->entries.len + 1) * 2 > m->slot_count)
		TS_TRY(grow(m));
	uint64_t hash = hash_bytes(key, len);
	size_t slot = find_slot(m, key, len, hash);
	if (m->slots[slot]) {
		m->entries.data[m->slots[slot] - 1].value = value;
		return 0;
	}
	char *copy = ts_arena_strndup(&m->keys, key, len);
	if (!copy)
		return TS_ENOMEM;
	struct ts_map_entry entry = {copy, len, hash, value};
	if (ts_vec_push(&m->entries, entry))
		return TS_ENOMEM;
	m->slots[slot] = (uint32_t)m->entries.len;
	return 0;
}

int64_t *ts_map_get(const struct ts_map *m, const void *key, size_t len)
{
	if (!m->slot_count)
		return NULL;
	size_t slot = find_slot(m, key, len, hash_bytes(key, len));
	return m->slots[slot] ? &m->entries.data[m->slots[slot] - 1].value : NULL;
}

void ts_map_release(struct ts_map *m)
{
	ts_vec_release(&m->entries);
	ts_free(m->slots);
	ts_arena_release(&m->keys);
	*m = (struct ts_map){0};
}
