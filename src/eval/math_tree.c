#include "eval/math_tree.h"

#include <stdio.h>
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15u;
	return h ^ (h >> 29);
}

static uint64_t hash_of(const struct ts_math *m)
{
	uint64_t h = mix(0x1234567u, (uint64_t)m->kind);
	const int fields[] = {m->op, m->close, m->places, m->repeat, m->base, (int)m->columns};
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		h = mix(h, (uint64_t)fields[i]);
	for (const char *s = m->text; s && *s; s++)
		h = mix(h, (unsigned char)*s);
	for (size_t i = 0; i < m->count; i++)
		h = mix(h, m->parts[i]->hash);
	return mix(h, m->count);
}

const struct ts_math *ts_math_make(struct ts_arena *arena, const struct ts_math *like)
{
	struct ts_math *m = ts_arena_alloc(arena, sizeof(*m));
	const struct ts_math **parts = like->count ? ts_arena_alloc(arena, like->count * sizeof(*parts)) : NULL;
	char *text = like->text ? ts_arena_strndup(arena, like->text, strlen(like->text)) : NULL;
	if (!m || (like->count && !parts) || (like->text && !text))
		return NULL;
	*m = *like;
	m->depth = 1;
	for (size_t i = 0; i < like->count; i++) {
		if (!like->parts[i])
			return NULL;
		parts[i] = like->parts[i];
		if (m->depth <= parts[i]->depth)
			m->depth = parts[i]->depth + 1;
	}
	m->parts = parts;
	m->text = text;
	m->hash = hash_of(m);
	return m;
}

const struct ts_math *ts_math_one(struct ts_arena *arena, enum ts_math_kind kind, int op, const struct ts_math *part)
{
	return ts_math_make(arena, &(struct ts_math){.kind = kind, .op = op, .count = 1, .parts = &part});
}

const struct ts_math *ts_math_two(struct ts_arena *arena, enum ts_math_kind kind, const struct ts_math *a, const struct ts_math *b)
{
	const struct ts_math *parts[] = {a, b};
	return ts_math_make(arena, &(struct ts_math){.kind = kind, .count = 2, .parts = parts});
}

const struct ts_math *ts_math_integer(struct ts_arena *arena, long value)
{
	char digits[32];
	snprintf(digits, sizeof(digits), "%ld", value < 0 ? -value : value);
	const struct ts_math *m = ts_math_make(arena, &(struct ts_math){.kind = TS_MATH_NUMBER, .text = digits, .base = 10});
	return value < 0 ? ts_math_one(arena, TS_MATH_NEGATIVE, 0, m) : m;
}

const struct ts_math *ts_math_minus(struct ts_arena *arena, const struct ts_math *a, const struct ts_math *b)
{
	return ts_math_two(arena, TS_MATH_SUM, a, ts_math_one(arena, TS_MATH_NEGATIVE, 0, b));
}

const struct ts_math *ts_math_replace(struct ts_arena *arena, const struct ts_math *m, const char *name, const struct ts_math *by)
{
	if (m->kind == TS_MATH_NAME)
		return strcmp(m->text, name) ? m : by;
	if (!m->count)
		return m;
	const struct ts_math **parts = ts_arena_alloc(arena, m->count * sizeof(*parts));
	if (!parts)
		return NULL;
	struct ts_math changed = *m;
	for (size_t i = 0; i < m->count; i++)
		parts[i] = ts_math_replace(arena, m->parts[i], name, by);
	changed.parts = parts;
	return ts_math_make(arena, &changed);
}

static size_t collect(const struct ts_math *m, const char **names, size_t count, size_t most)
{
	if (m->kind == TS_MATH_NAME) {
		for (size_t i = 0; i < count && i < most; i++)
			if (!strcmp(names[i], m->text))
				return count;
		if (count < most)
			names[count] = m->text;
		return count < most ? count + 1 : most + 1;
	}
	for (size_t i = 0; i < m->count && count <= most; i++)
		count = collect(m->parts[i], names, count, most);
	return count;
}

size_t ts_math_names(const struct ts_math *m, const char **names, size_t most)
{
	return collect(m, names, 0, most);
}

bool ts_math_has(const struct ts_math *m, enum ts_math_kind kind)
{
	bool has = m->kind == kind;
	for (size_t i = 0; i < m->count && !has; i++)
		has = ts_math_has(m->parts[i], kind);
	return has;
}
