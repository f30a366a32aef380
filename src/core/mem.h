/* Memory. All heap memory of the library comes from these functions, so that a test can make the
 * n-th allocation fail. `ts_free(NULL)` is legal. Sizes are checked: a product that overflows gives NULL. */
#ifndef TS_CORE_MEM_H
#define TS_CORE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *ts_alloc(size_t size);                            /* uninitialised */
void *ts_calloc(size_t count, size_t size);             /* zeroed, product checked */
void *ts_realloc(void *old, size_t count, size_t size); /* product checked; old stays valid on NULL */
void ts_free(void *p);
char *ts_strdup(const char *s);
char *ts_strndup(const char *s, size_t n);

/* 64-byte aligned, uninitialised or zeroed; freed with ts_free_aligned. */
void *ts_alloc_aligned(size_t count, size_t size);
void *ts_calloc_aligned(size_t count, size_t size);
void ts_free_aligned(void *p);

/* *out = a * b, a + b; false on overflow. */
bool ts_mul_size(size_t a, size_t b, size_t *out);
bool ts_add_size(size_t a, size_t b, size_t *out);

/* Bytes of this process that are in memory now; 0 where the system does not tell. For plans, never for a result. */
size_t ts_mem_resident(void);
/* The most of them since the program began. */
size_t ts_mem_peak(void);

/* Test hook: the n-th allocation from now (1 = the next) fails, once; 0 = never. */
void ts_mem_fail_at(size_t n);
/* Allocations made so far by this process, and those of them that failed. */
size_t ts_mem_count(void);
size_t ts_mem_failures(void);
/* For a library that breaks when it gets no memory: while a thread insists, an allocation of its own that failed is counted as such and then
 * asked for once more. Whoever insists looks at ts_mem_failures afterwards and gives the result back. */
void ts_mem_insist(bool);

/* A bump allocator: many small blocks, freed together.
 *   [block | block | block] -> the last one is filled; a request over half a block gets its own.
 * Zero-initialised is empty and usable. */
struct ts_arena {
	struct ts_arena_block *blocks;
};
void *ts_arena_alloc(struct ts_arena *, size_t size); /* 16-byte aligned, zeroed; NULL when out of memory */
char *ts_arena_strndup(struct ts_arena *, const char *s, size_t n);
void ts_arena_release(struct ts_arena *);

/* A typed vector: TS_VEC(int) ids = {0}; ts_vec_push(&ids, 7) is 0 or TS_ENOMEM. */
#define TS_VEC(type)                                                                                                                       \
	struct {                                                                                                                           \
		type *data;                                                                                                                \
		size_t len, cap;                                                                                                           \
	}
#define ts_vec_reserve(v, n) ts_vec_grow_((void **)&(v)->data, &(v)->cap, (n), sizeof(*(v)->data))
#define ts_vec_push(v, ...)  (ts_vec_reserve((v), (v)->len + 1) ? -1 : ((v)->data[(v)->len++] = (__VA_ARGS__), 0))
#define ts_vec_release(v)                                                                                                                  \
	do {                                                                                                                               \
		ts_free((v)->data);                                                                                                        \
		(v)->data = NULL;                                                                                                          \
		(v)->len = (v)->cap = 0;                                                                                                   \
	} while (0)
int ts_vec_grow_(void **data, size_t *cap, size_t needed, size_t size);

#endif
