#include "core/mem.h"

#include "core/status.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only mutable globals of the library: counters, and the failing allocator of the tests. */
static size_t g_count;
static size_t g_failures;
static size_t g_fail_at;
static _Thread_local bool g_insist;

static bool must_fail(void)
{
	size_t n = __atomic_add_fetch(&g_count, 1, __ATOMIC_RELAXED);
	return g_fail_at && n == g_fail_at;
}

static void *counted(void *p)
{
	if (!p)
		__atomic_add_fetch(&g_failures, 1, __ATOMIC_RELAXED);
	return p;
}

void ts_mem_insist(bool insist)
{
	g_insist = insist;
}

void ts_mem_fail_at(size_t n)
{
	g_fail_at = n ? g_count + n : 0;
}

size_t ts_mem_count(void)
{
	return g_count;
}

size_t ts_mem_failures(void)
{
	return g_failures;
}

bool ts_mul_size(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

bool ts_add_size(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

size_t ts_mem_resident(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *second = strchr(text, ' ');
	return second ? (size_t)strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t ts_mem_peak(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *line = strstr(text, "VmHWM:");
	return line ? (size_t)strtoull(line + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

void *ts_alloc(size_t size)
{
	void *p = counted(must_fail() ? NULL : malloc(size ? size : 1));
	return p || !g_insist ? p : malloc(size ? size : 1);
}

void *ts_calloc(size_t count, size_t size)
{
	return counted(must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1));
}

void *ts_realloc(void *old, size_t count, size_t size)
{
	size_t bytes;
	if (must_fail() || !ts_mul_size(count, size, &bytes))
		return counted(NULL);
	return counted(realloc(old, bytes ? bytes : 1));
}

void ts_free(void *p)
{
	free(p);
}

char *ts_strndup(const char *s, size_t n)
{
	char *copy = ts_alloc(n + 1);
	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

char *ts_strdup(const char *s)
{
	return ts_strndup(s, strlen(s));
}

void *ts_alloc_aligned(size_t count, size_t size)
{
	size_t bytes;
	if (must_fail() || !ts_mul_size(count, size, &bytes) || bytes > SIZE_MAX - 127)
		return counted(NULL);
	return counted(aligned_alloc(64, (bytes + 127) & ~(size_t)63));
}

void *ts_calloc_aligned(size_t count, size_t size)
{
	void *p = ts_alloc_aligned(count, size);
	if (p)
		memset(p, 0, (count * size + 127) & ~(size_t)63);
	return p;
}

void ts_free_aligned(void *p)
{
	free(p);
}

struct ts_arena_block {
	struct ts_arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char bytes[];
};

#define ARENA_BLOCK ((size_t)64 << 10)

void *ts_arena_alloc(struct ts_arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	struct ts_arena_block *b = arena->blocks;
	if (!b || b->size - b->used < size) {
		size_t want = size > ARENA_BLOCK / 2 ? size : ARENA_BLOCK;
		struct ts_arena_block *fresh = ts_calloc(1, sizeof(*fresh) + want);
		if (!fresh)
			return NULL;
		fresh->size = want;
		if (b && want == size) { /* a block of its own goes behind, so that the current one stays open */
			fresh->next = b->next;
			b->next = fresh;
		} else {
			fresh->next = b;
			arena->blocks = fresh;
		}
		b = fresh;
	}
	void *p = b->bytes + b->used;
	b->used += size;
	return p;
}

char *ts_arena_strndup(struct ts_arena *arena, const char *s, size_t n)
{
	char *copy = ts_arena_alloc(arena, n + 1);
	if (copy)
		memcpy(copy, s, n);
	return copy;
}

void ts_arena_release(struct ts_arena *arena)
{
	for (struct ts_arena_block *b = arena->blocks, *next; b; b = next) {
		next = b->next;
		ts_free(b);
	}
	arena->blocks = NULL;
}

int ts_vec_grow_(void **data, size_t *cap, size_t needed, size_t size)
{
	if (needed <= *cap)
		return 0;
	size_t want = *cap + *cap / 2 + 8;
	if (want < needed)
		want = needed;
	void *grown = ts_realloc(*data, want, size);
	if (!grown)
		return TS_ENOMEM;
	*data = grown;
	*cap = want;
	return 0;
}
