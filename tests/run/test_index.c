/* The journal's table of prompts after a run whose journal is made by hand: every row, its samples, what became of it. */
#include "run/journal_fixture.h"

struct expected {
	const char *set, *kind, *prompt, *label, *gold, *before, *after, *extracted, *extracted_after;
	int64_t number, cluster, accepted;
	bool harmful;
};

static const struct expected rows[] = {
	{"harm", "safety", "S1", NULL, NULL, "unsafe", "safe", NULL, NULL, 1, 0, -1, true},
	{"harm", "safety", "S2", NULL, NULL, "unsafe", "unsafe", NULL, NULL, 2, 0, -1, true},
	{"harm", "safety", "S3", NULL, NULL, "unjudged", "safe", NULL, NULL, 3, 1, -1, true},
	{"harm", "safety", "S3", NULL, NULL, "unjudged", "safe", NULL, NULL, 4, 1, -1, true},
	{"look", "over_refusal", "O1", NULL, NULL, "answered", "refused", NULL, NULL, 1, 0, -1, false},
	{"look", "over_refusal", "O2", NULL, NULL, "answered", "answered", NULL, NULL, 2, 1, -1, false},
	{"sums", "reasoning", "R1", NULL, "7", "right", "right", "7", "7", 1, 0, -1, false},
	{"sums", "reasoning", "R2", NULL, "8", "wrong", "right", "8,000", "8", 2, 1, -1, false},
	{"train", "train", "H1", "vanilla_harmful", NULL, "kept", NULL, NULL, NULL, 1, 0, 0, true},
	{"train", "train", "H2", "vanilla_harmful", NULL, "kept", NULL, NULL, NULL, 2, 1, 1, true},
	{"train", "train", "H3", "adversarial_harmful", NULL, "unsafe", NULL, NULL, NULL, 3, 2, -1, true},
	{"train", "train", "H4", "adversarial_harmful", NULL, "no thinking", NULL, NULL, NULL, 4, 3, -1, true},
	{"train", "train", "H1", "vanilla_harmful", NULL, "duplicate", NULL, NULL, NULL, 5, 4, -1, true},
	{"train", "train", "B1", "vanilla_benign", NULL, "kept", NULL, NULL, NULL, 6, 5, 0, false},
	{"train", "train", "B2", "vanilla_benign", NULL, "unjudged", NULL, NULL, NULL, 7, 6, -1, false},
	{"train", "train", "B1", "vanilla_benign", NULL, "duplicate", NULL, NULL, NULL, 8, 7, -1, false},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct seen {
	struct ts_store *store;
	size_t count, plain;
};

static void same(size_t row, const char *what, const char *found, const char *expected)
{
	if (!found != !expected || (found && strcmp(found, expected)))
		fail_msg("row %zu: %s: expected %s, found %s", row, what, expected ? expected : "none", found ? found : "none");
}

/* How many of the row's keys have a sample. */
static size_t samples(struct ts_store *store, const char *stage, const char *keys)
{
	size_t count = 0;
	for (const char *at = keys; *at; at += at[64] ? 65 : 64) {
		struct ts_sample s;
		char key[65] = {0};
		bool found;
		assert_true(strlen(at) >= 64);
		memcpy(key, at, 64);
		assert_int_equal(ts_store_get_sample(store, stage, key, &s, &found, NULL), 0);
		count += found;
		ts_sample_release(&s);
	}
	return count;
}

static int check(void *user, const struct ts_indexed_prompt *row, struct ts_error *err)
{
	struct seen *seen = user;
	size_t i = seen->count++;
	(void)err;
	assert_true(i < ROWS);
	const struct expected *e = &rows[i];
	same(i, "set", row->set, e->set);
	same(i, "kind", row->kind, e->kind);
	same(i, "prompt", row->prompt, e->prompt);
	same(i, "label", row->label, e->label);
	same(i, "gold", row->gold, e->gold);
	same(i, "before", row->outcome[0], e->before);
	same(i, "after", row->outcome[1], e->after);
	same(i, "extracted", row->extracted[0], e->extracted);
	same(i, "extracted after", row->extracted[1], e->extracted_after);
	assert_int_equal(row->number, e->number);
	assert_int_equal(row->cluster, e->cluster);
	assert_int_equal(row->accepted, e->accepted);
	assert_int_equal(row->harmful, e->harmful);
	if (!strcmp(e->kind, "train")) {
		assert_int_equal(strlen(row->keys), 64 + 1 + 64); /* two tries */
		/* H1 and B1, also where they come again, were kept at the first try and have no second. */
		assert_int_equal(samples(seen->store, "generate", row->keys), e->prompt[1] == '1' ? 1 : 2);
	} else {
		assert_int_equal(samples(seen->store, "before", row->keys), 1);
		assert_int_equal(samples(seen->store, "after", row->keys), 1);
	}
	if (row->plain_key) {
		assert_true(e->harmful);
		assert_int_equal(samples(seen->store, "alpha", row->plain_key), 1);
		seen->plain++;
	}
	return 0;
}

static void every_row(void **state)
{
	struct fixture *f = *state;
	struct ts_error err;
	char path[600];
	fill_journal(f, 4);
	for (int again = 0; again < 2; again++) { /* the second start replaces the rows by the same */
		struct seen seen = {0};
		if (start(f, &err))
			fail_msg("%s", err.message);
		snprintf(path, sizeof(path), "%s/journal.db", f->run_dir);
		assert_int_equal(ts_store_open_read(&seen.store, path, &err), 0);
		assert_int_equal(ts_store_each_prompt(seen.store, check, &seen, &err), 0);
		assert_int_equal(seen.count, ROWS);
		assert_int_equal(seen.plain, 4);
		/* Both graders' verdicts of both sums: before, strict calls one right. */
		static const char *const stages[] = {"before", "after"}, *const graders[] = {"strict", "paper"};
		for (int k = 0; k < 4; k++) {
			uint64_t all, right;
			assert_int_equal(ts_store_count_verdicts(seen.store, stages[k / 2], graders[k % 2], NULL, &all, &err), 0);
			assert_int_equal(ts_store_count_verdicts(seen.store, stages[k / 2], graders[k % 2], "right", &right, &err), 0);
			assert_int_equal(all, 2);
			assert_int_equal(right, k == 0 ? 1 : 2);
		}
		ts_store_close(seen.store, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_row, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
