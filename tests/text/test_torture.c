#include "torture.h"

#include "core/file.h"
#include "text/chat.h"
#include "text/stream_decode.h"

#include <string.h>

#define STUDENT TS_SOURCE_DIR "/testbed/student"

static int open_close(void *user, struct ts_error *err)
{
	struct ts_chat *c;
	TS_TRY(ts_chat_open(&c, STUDENT, err));
	ts_chat_close(c);
	return 0;
}

static int talk(void *user, struct ts_error *err)
{
	const struct ts_chat *c = user;
	struct ts_str text = {0}, pieces = {0}, whole = {0};
	struct ts_stream_decode *stream = NULL;
	ts_ids ids = {0};
	int status = ts_chat_render_user(c, "What is 3 plus 4?", &text, err);
	if (!status)
		status = ts_chat_render_pair(c, "What is 3 plus 4?", "<think>\nA sum.\n</think>\n\n7", true, &text, err);
	if (!status)
		status = ts_tokenizer_encode(ts_chat_tokenizer(c), ts_str_c(&text), text.len, false, &ids, err);
	if (!status && ts_stream_decode_new(&stream, ts_chat_tokenizer(c), false))
		status = ts_fail_memory(err);
	for (size_t i = 0; i < ids.len && !status; i++)
		status = ts_stream_decode_feed(stream, ids.data[i], &pieces) ? ts_fail_memory(err) : 0;
	if (!status &&
	    (ts_stream_decode_flush(stream, &pieces) || ts_tokenizer_decode(ts_chat_tokenizer(c), ids.data, ids.len, false, &whole)))
		status = ts_fail_memory(err);
	if (!status) {
		assert_string_equal(ts_str_c(&whole), ts_str_c(&text));
		assert_string_equal(ts_str_c(&pieces), ts_str_c(&text));
	}
	ts_stream_decode_free(stream);
	ts_str_release(&text);
	ts_str_release(&pieces);
	ts_str_release(&whole);
	ts_vec_release(&ids);
	return status;
}

static void test_every_allocation(void **state)
{
	struct ts_chat *c;
	struct ts_error err = {0};
	assert_int_equal(ts_chat_open(&c, STUDENT, &err), 0);
	torture_some(talk, c, 0, true);
	ts_chat_close(c);
	torture_some(open_close, NULL, 2000, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
