/* Packing is layout only. */
#include "train/golden_train.h"
#include "train/pack.h"

static struct ts_example small(const int32_t *ids, const uint8_t *mask, size_t n)
{
	struct ts_error err = {0};
	struct ts_example e;
	ok(ts_example_from_ids(&e, ids, mask, n, 100, &err));
	return e;
}

static void test_layout(void **state)
{
	const int32_t a[] = {11, 12, 13, 14}, b[] = {21, 22}, c[] = {31, 32, 33};
	/* The first token is never predicted, whatever its mask says; a hole in the mask is kept. */
	struct ts_example e[] = {small(a, (const uint8_t[]){1, 0, 1, 1}, 4), small(b, (const uint8_t[]){0, 1}, 2),
				 small(c, (const uint8_t[]){0, 1, 0}, 3)};
	const size_t batch[] = {2, 0, 1};
	const int32_t ids[] = {31, 32, 33, 11, 12, 13, 14}, targets[] = {32, -1, -1, -1, 13, 14, -1};
	struct ts_error err = {0};
	struct ts_packer p;
	assert_int_equal(e[0].targets, 2);
	ok(ts_packer_init(&p, 9, 3, &err));
	assert_int_equal(ts_packer_fill(&p, e, batch, 3, 0, 8), 2); /* the third would make 9 rows */
	assert_int_equal(p.packed.rows, 7);
	assert_int_equal(p.packed.sequences, 2);
	assert_memory_equal(p.packed.ids, ids, sizeof(ids));
	assert_memory_equal(p.packed.targets, targets, sizeof(targets));
	assert_int_equal(p.packed.lengths[0], 3);
	assert_int_equal(p.packed.lengths[1], 4);
	assert_int_equal(p.packed.row_in_batch[0], 0);
	assert_int_equal(p.packed.row_in_batch[1], 1);
	assert_int_equal(p.target_count, 3);
	assert_int_equal(ts_packer_fill(&p, e, batch, 3, 2, 8), 3);
	assert_int_equal(p.packed.rows, 2);
	assert_int_equal(p.packed.row_in_batch[0], 2);
	assert_int_equal(p.packed.targets[0], 22);
	assert_int_equal(p.packed.targets[1], -1);
	assert_int_equal(ts_packer_fill(&p, e, batch, 3, 0, 9), 3); /* all */
	assert_int_equal(p.packed.rows, 9);
	assert_int_equal(ts_packer_fill(&p, e, batch, 3, 1, 1), 2); /* one always goes in */
	assert_int_equal(p.packed.rows, 4);
	ts_packer_release(&p);
	release_examples(e, 3);
}

/* Gradients and log-probabilities of the 20 golden sequences: one pack, and each alone, in the same memory. */
static void test_same_bits(void **state)
{
	enum { N = 20 };
	struct golden g = golden_open_lora("llama", 4);
	struct student s = student_open("llama", 4, 2);
	struct ts_error err = {0};
	struct ts_example e[N];
	size_t batch[N], total = 0, row = 0;
	for (size_t i = 0; i < N; i++) {
		e[i] = example_of(json_array_get(json_object_get(g.values, "train_data"), i));
		batch[i] = i;
		total += e[i].len;
	}
	float *packed = calloc(s.adapter->count, sizeof(float)), *alone = calloc(s.adapter->count, sizeof(float));
	float *together = calloc(total, sizeof(float)), *single = calloc(total, sizeof(float));
	struct ts_packer p;
	struct ts_pass *pass;
	ok(ts_packer_init(&p, total, N, &err));
	ok(ts_pass_new(&pass, s.model, s.adapter, total, N, TS_KEEP_ALL, &err));
	assert_int_equal(ts_packer_fill(&p, e, batch, N, 0, total), N);
	ts_pass_forward(pass, &p.packed, 0.1f, 5, 3, together);
	ts_pass_backward(pass, 0.125f, packed);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(ts_packer_fill(&p, e, batch, N, i, 1), i + 1);
		ts_pass_forward(pass, &p.packed, 0.1f, 5, 3, single + row);
		ts_pass_backward(pass, 0.125f, alone);
		row += e[i].len;
	}
	assert_int_equal(row, total);
	assert_memory_equal(together, single, total * sizeof(float));
	assert_memory_equal(packed, alone, s.adapter->count * sizeof(float));
	ts_pass_free(pass);
	ts_packer_release(&p);
	free(packed);
	free(alone);
	free(together);
	free(single);
	release_examples(e, N);
	student_close(&s);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_layout), cmocka_unit_test(test_same_bits)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
