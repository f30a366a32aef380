/* The pages of many texts: whatever is shared, copied, merged and given up, a run's pages hold the keys of its own text. A key stands for a
 * position's whole prefix, so that a page of another text would show. */
#include "core/mem.h"
#include "core/philox.h"
#include "generate/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES = 24, RUNS = 8, LONGEST = 400, DIM = 1 };

struct rig {
	struct ts_backend *backend;
	struct ts_kv_pool pool;
	struct ts_pages *pages;
};

struct text {
	struct ts_page_run run;
	int32_t pages[LONGEST / TS_KV_PAGE + 1];
	int32_t ids[LONGEST];
	size_t len;
};

static void open_rig(struct rig *rig, bool share)
{
	assert_int_equal(ts_backend_cpu_new(&rig->backend, TS_ISA_PLAIN, 1, NULL), 0);
	assert_int_equal(rig->backend->ops->kv_new(rig->backend, &rig->pool, 2, 1, DIM, PAGES, TS_F32), 0);
	assert_int_equal(ts_pages_new(&rig->pages, rig->backend, &rig->pool, share), 0);
}

static void close_rig(struct rig *rig)
{
	ts_pages_free(rig->pages);
	rig->backend->ops->kv_free(rig->backend, &rig->pool);
	ts_backend_free(rig->backend);
}

/* A number below 2^24, exact in f32, of everything up to the position. */
static float key_of(const struct text *t, size_t at)
{
	uint32_t hash = 2166136261u ^ t->run.salt;
	for (size_t i = 0; i <= at; i++)
		hash = (hash ^ (uint32_t)t->ids[i]) * 16777619u;
	return (float)(hash >> 8);
}

static float *key_at(const struct rig *rig, const struct text *t, int layer, size_t at)
{
	float *v = rig->pool.v[layer];
	return v + (size_t)t->run.pages[at / TS_KV_PAGE] * TS_KV_PAGE * DIM + at % TS_KV_PAGE * DIM;
}

static void check(const struct rig *rig, const struct text *t)
{
	assert_true(t->run.filled <= t->run.count * TS_KV_PAGE);
	for (int layer = 0; layer < 2; layer++)
		for (size_t at = 0; at < t->run.filled; at++)
			assert_true(*key_at(rig, t, layer, at) == key_of(t, at) + (float)layer);
}

static void share(struct rig *rig, struct text *t)
{
	size_t known = ts_pages_known(rig->pages, &t->run, t->ids, t->len - 1);
	ts_pages_share(rig->pages, &t->run, t->ids, t->len - 1);
	assert_true(t->run.filled <= known); /* less only where no page is left for a copy */
}

static bool compute(struct rig *rig, struct text *t, size_t n)
{
	size_t before = t->run.filled;
	if (!ts_pages_extend(rig->pages, &t->run, before + n))
		return false;
	for (int layer = 0; layer < 2; layer++)
		for (size_t at = before; at < before + n; at++)
			*key_at(rig, t, layer, at) = key_of(t, at) + (float)layer;
	ts_pages_fill(rig->pages, &t->run, t->ids, n);
	return true;
}

/* `family` chooses the beginning, `own` what comes after `common` ids. */
static void make(struct text *t, int family, size_t common, int own, size_t len)
{
	t->run.pages = t->pages;
	t->len = len;
	for (size_t i = 0; i < len; i++)
		t->ids[i] = (int32_t)(i < common ? 1000 * family + (int)(i % 7) : 100000 * (own + 1) + (int)i);
}

struct draws {
	struct ts_random_key key;
	uint64_t count;
};

static size_t below(struct draws *d, size_t n)
{
	return (size_t)(ts_random_uniform(&d->key, d->count++) * (double)n);
}

/* Another text in an empty run. */
static void begin(struct rig *rig, struct text *t, struct draws *d)
{
	memset(t, 0, sizeof(*t));
	size_t family = below(d, 2), common = below(d, 200), own = below(d, 3), len = 1 + below(d, LONGEST - 1);
	make(t, (int)family, common, (int)own, len);
	t->run.salt = below(d, 4) ? 0 : 7;
	share(rig, t);
}

static void leave(struct rig *rig, struct text *t)
{
	ts_pages_leave(rig->pages, &t->run);
	t->len = 0;
}

static void test_any_order(void **state)
{
	struct rig rig;
	static struct text texts[RUNS];
	struct draws d = {ts_random_key_make(5, "test", "pages", 5, 0), 0};
	size_t shared = 0, refused = 0;
	open_rig(&rig, true);
	for (size_t turn = 0; turn < 8000; turn++) {
		struct text *t = &texts[below(&d, RUNS)];
		if (!t->len) {
			begin(&rig, t, &d);
			shared += t->run.filled;
		} else if (t->run.filled == t->len || !below(&d, 12)) {
			leave(&rig, t);
		} else if (!below(&d, 6)) {
			share(&rig, t); /* nothing, or what others computed meanwhile */
		} else {
			size_t left = t->len - t->run.filled, n = 1 + below(&d, left < 90 ? left : 90);
			if (!compute(&rig, t, n)) {
				refused++;
				leave(&rig, &texts[below(&d, RUNS)]);
			}
		}
		for (size_t i = 0; i < RUNS; i++)
			check(&rig, &texts[i]);
	}
	print_message("%zu positions shared, %zu times no page left\n", shared, refused);
	assert_true(shared > 1000 && refused > 20);
	/* Nothing is lost: in the end one run may have every page. */
	for (size_t i = 0; i < RUNS; i++)
		ts_pages_leave(rig.pages, &texts[i].run);
	int32_t all[PAGES];
	struct ts_page_run run = {.pages = all};
	assert_true(ts_pages_extend(rig.pages, &run, PAGES * TS_KV_PAGE));
	assert_false(ts_pages_extend(rig.pages, &run, PAGES * TS_KV_PAGE + 1));
	for (size_t i = 0; i < PAGES; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(all[i], all[k]);
	close_rig(&rig);
}

static void test_copies(void **state)
{
	struct rig rig;
	static struct text a, b, c;
	open_rig(&rig, true);
	make(&a, 1, 200, 0, 200);
	make(&b, 1, 150, 1, 200);
	share(&rig, &a);
	assert_int_equal(a.run.filled, 0);
	assert_true(compute(&rig, &a, 200));
	share(&rig, &b); /* two whole pages, and 22 positions of the third */
	assert_int_equal(b.run.filled, 150);
	assert_int_equal(b.run.pages[1], a.run.pages[1]);
	assert_int_not_equal(b.run.pages[2], a.run.pages[2]);
	assert_true(compute(&rig, &b, 50));
	check(&rig, &a);
	check(&rig, &b);
	/* The same text again: all but its last token; the page that is not full is a's alone, so it is copied too. */
	memcpy(&c, &a, sizeof(c));
	c.run = (struct ts_page_run){.pages = c.pages};
	share(&rig, &c);
	assert_int_equal(c.run.filled, 199);
	assert_int_not_equal(c.run.pages[3], a.run.pages[3]);
	/* Without another reader it is taken over as it is. */
	int32_t last = a.run.pages[3];
	ts_pages_leave(rig.pages, &c.run);
	ts_pages_leave(rig.pages, &a.run);
	make(&a, 1, 200, 3, 260);
	share(&rig, &a);
	assert_int_equal(a.run.filled, 200);
	assert_true(a.run.pages[3] == last || a.run.pages[3] == c.pages[3]);
	check(&rig, &a);
	close_rig(&rig);
}

/* Computed side by side, kept once. */
static void test_merge(void **state)
{
	struct rig rig;
	static struct text a, b;
	open_rig(&rig, true);
	make(&a, 1, 200, 0, 200);
	make(&b, 1, 200, 0, 200);
	assert_true(compute(&rig, &a, 100));
	assert_true(ts_pages_extend(rig.pages, &b.run, 200));
	assert_int_not_equal(a.run.pages[0], b.run.pages[0]);
	assert_true(compute(&rig, &b, 200));
	assert_int_equal(a.run.pages[0], b.run.pages[0]);
	assert_int_not_equal(a.run.pages[1], b.run.pages[1]);
	assert_true(compute(&rig, &a, 100));
	assert_int_equal(a.run.pages[2], b.run.pages[2]);
	check(&rig, &a);
	check(&rig, &b);
	close_rig(&rig);
}

/* What was used last stays longest, and the end of a text goes before its beginning. */
static void test_oldest_first(void **state)
{
	struct rig rig;
	static struct text a, b, again, other;
	open_rig(&rig, true);
	make(&a, 1, 0, 1, 256);
	make(&b, 2, 0, 2, 256);
	assert_true(compute(&rig, &a, 256) && compute(&rig, &b, 256));
	ts_pages_leave(rig.pages, &a.run);
	ts_pages_leave(rig.pages, &b.run);
	make(&again, 1, 0, 1, 256);
	share(&rig, &again);
	ts_pages_leave(rig.pages, &again.run);
	make(&other, 3, 0, 3, 64);
	int32_t most[PAGES];
	other.run.pages = most;
	assert_true(ts_pages_extend(rig.pages, &other.run, (PAGES - 6) * TS_KV_PAGE)); /* two more than are empty */
	assert_int_equal(ts_pages_known(rig.pages, &again.run, a.ids, 255), 255);
	assert_int_equal(ts_pages_known(rig.pages, &again.run, b.ids, 255), 128);
	close_rig(&rig);
}

static void test_not_shared(void **state)
{
	struct rig rig;
	static struct text a, b;
	open_rig(&rig, false);
	make(&a, 1, 200, 0, 200);
	make(&b, 1, 200, 0, 200);
	assert_true(compute(&rig, &a, 200));
	share(&rig, &b);
	assert_int_equal(b.run.filled, 0);
	assert_true(compute(&rig, &b, 200));
	ts_pages_leave(rig.pages, &a.run);
	share(&rig, &a);
	assert_int_equal(a.run.filled, 0);
	check(&rig, &b);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),    cmocka_unit_test(test_copies),     cmocka_unit_test(test_merge),
		cmocka_unit_test(test_oldest_first), cmocka_unit_test(test_not_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
