#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

#include <string.h>

static void there_and_back(const struct ts_tokenizer *t, const char *text, size_t n)
{
	ts_ids ids = {0};
	struct ts_str out = {0};
	struct ts_error err = {0};
	int status = ts_tokenizer_encode(t, text, n, true, &ids, &err);
	fuzz_check_error(status, &err);
	for (size_t i = 0; i < ids.len; i++)
		fuzz_must(ids.data[i] >= 0 && (size_t)ids.data[i] < ts_tokenizer_size(t), "an id outside the tokenizer");
	for (int skip = 0; skip < 2; skip++)
		fuzz_must(!ts_tokenizer_decode(t, ids.data, ids.len, skip, &out), "ids that cannot be decoded");
	fuzz_must(ts_utf8_check(ts_str_c(&out), out.len) == out.len, "decoded text that is not UTF-8");
	ts_vec_release(&ids);
	ts_str_release(&out);
}

void fuzz_tokenizer(const unsigned char *data, size_t size)
{
	static const char text[] = "Hello,  w\xC3\xB6rld! 1234\n\n don't\t<|im_end|><s> \xE2\x96\x81x \xF0\x9F\x98\x80";
	struct ts_tokenizer *t;
	struct ts_error err = {0};
	size_t first = fuzz_first_part(data, size);
	int status = ts_tokenizer_parse(&t, (const char *)data, first, "tokenizer.json", &err);
	fuzz_check_error(status, &err);
	if (status)
		return;
	there_and_back(t, text, sizeof(text) - 1);
	if (first < size)
		there_and_back(t, (const char *)data + first + 1, size - first - 1);
	ts_tokenizer_close(t);
}
