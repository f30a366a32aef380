/* Which parts of a response can be judged alone. What thinking and answer are, tests/text/test_thinking.c shows. */
#include "run/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void states(void **state)
{
	static const struct {
		const char *response;
		enum ts_part_state thinking, answer;
	} rows[] = {
		{"<think>\nA wish.\n</think>\n\nHere.", TS_PART_THERE, TS_PART_THERE},
		{"A wish.\n</think>\n\nHere.", TS_PART_THERE, TS_PART_THERE}, /* the prompt opened it */
		{"<think>\nA wish", TS_PART_OPEN, TS_PART_OPEN},
		{"<think>\n \n</think>\n\nHere.", TS_PART_EMPTY, TS_PART_THERE},
		{"<think>\nA wish.\n</think>\n\n \t", TS_PART_THERE, TS_PART_EMPTY},
		{"<think></think>", TS_PART_EMPTY, TS_PART_EMPTY},
		{"Here.", TS_PART_EMPTY, TS_PART_WHOLE},
		{"", TS_PART_EMPTY, TS_PART_EMPTY},
		/* A tag that is never closed is text of an answer that came before it. */
		{"<think>\nA wish.\n</think>\n\nWrite <think> here.", TS_PART_THERE, TS_PART_THERE},
	};
	struct ts_thinking split = {0};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ts_parts p;
		assert_int_equal(ts_parts_of(rows[i].response, strlen(rows[i].response), &split, &p), 0);
		print_message("%s\n", rows[i].response);
		assert_int_equal(p.thinking, rows[i].thinking);
		assert_int_equal(p.answer, rows[i].answer);
	}
	ts_thinking_release(&split);
}

static void names(void **state)
{
	char name[64];
	assert_string_equal(ts_part_judge("llama_guard", TS_WHOLE, name), "llama_guard");
	assert_string_equal(ts_part_judge("llama_guard", TS_THINKING, name), "llama_guard thinking");
	assert_string_equal(ts_part_judge("wildguard", TS_ANSWER, name), "wildguard answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(states), cmocka_unit_test(names)};
	return cmocka_run_group_tests_name("run.parts", tests, NULL, NULL);
}
