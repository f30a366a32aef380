#include "torture.h"

#include "eval/benchmark.h"
#include "eval/grade.h"
#include "scratch.h"

static const char json[] = "[{\"instruction\": \"What is 3 plus 4?\", \"answer\": \"7\", \"pair\": \"p\", \"split\": \"test\"},"
			   " {\"instruction\": \"What is 4 plus 4?\", \"answer\": \"8\", \"pair\": \"p\", \"split\": \"test\"},"
			   " {\"instruction\": \"What is 5 plus 4?\", \"answer\": \"9\", \"split\": \"train\"}]";
static const char csv[] = "forbidden_prompt,source\n\"What is 3, plus 4?\",x\n\"What is \"\"4\"\" plus 4?\",y\n";

static int load(void *user, struct ts_error *err)
{
	struct ts_eval_set set;
	const struct ts_prompt_choice choice = {.shuffle = true, .seed = 7};
	TS_TRY(ts_eval_set_load(&set, user, TS_EVAL_SAFETY, &choice, NULL, err));
	assert_in_range(set.items.len, 2, 3);
	ts_eval_set_release(&set);
	return 0;
}

static int gold(void *user, struct ts_error *err)
{
	return ts_gold_check(TS_DATASET_GSM8K, user, strlen(user), err);
}

static void test_every_allocation(void **state)
{
	struct scratch s;
	char path[512];
	assert_int_equal(scratch_open(&s), 0);
	snprintf(path, sizeof(path), "%s", scratch_write(&s, "set.json", json, sizeof(json) - 1));
	torture(load, path);
	snprintf(path, sizeof(path), "%s", scratch_write(&s, "set.csv", csv, sizeof(csv) - 1));
	torture_some(load, path, 0, true); /* libcsv asks for a smaller buffer when it does not get the first */
	torture(gold, "3 + 4 = 7\n#### 7");
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
