/* Speed of the tokenizer on one core: load time and MB/s of encoding and decoding.
 *     tokenize TOKENIZER.JSON TEXT_FILE [REPEATS]
 * The file is encoded line by line, as prompts are, and once more as one text: the best of the repeats, and the first, which finds nothing
 * that was seen before. tools/peers/tokenize_speed.py shows the reference library beside it. */
#include "core/context.h"
#include "core/file.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int encode_lines(const struct ts_tokenizer *t, const struct ts_str *text, ts_ids *ids, struct ts_error *err)
{
	for (size_t at = 0; at < text->len;) {
		const char *line = text->data + at, *end = memchr(line, '\n', text->len - at);
		size_t n = end ? (size_t)(end - line) + 1 : text->len - at;
		TS_TRY(ts_tokenizer_encode(t, line, n, false, ids, err));
		at += n;
	}
	return 0;
}

struct result {
	double seconds, first;
	size_t ids;
};

static int measure(const struct ts_tokenizer *t, const struct ts_str *text, bool lines, int repeats, ts_ids *ids, struct result *out,
		   struct ts_error *err)
{
	double best = 0, first = 0;
	for (int i = 0; i < repeats; i++) {
		ids->len = 0;
		double start = ts_clock();
		TS_TRY(lines ? encode_lines(t, text, ids, err) : ts_tokenizer_encode(t, text->data, text->len, false, ids, err));
		double seconds = ts_clock() - start;
		if (!i)
			first = seconds;
		if (!i || seconds < best)
			best = seconds;
	}
	*out = (struct result){best, first, ids->len};
	return 0;
}

static int measure_decode(const struct ts_tokenizer *t, const ts_ids *ids, int repeats, double *best)
{
	struct ts_str text = {0};
	int status = 0;
	for (int i = 0; i < repeats && !status; i++) {
		ts_str_clear(&text);
		double start = ts_clock();
		status = ts_tokenizer_decode(t, ids->data, ids->len, false, &text);
		double seconds = ts_clock() - start;
		if (!i || seconds < *best)
			*best = seconds;
	}
	ts_str_release(&text);
	return status;
}

static int run(const char *path, const char *text_path, int repeats, struct ts_error *err)
{
	struct ts_tokenizer *t = NULL;
	struct ts_str text = {0};
	ts_ids ids = {0};
	struct result lines, whole;
	double decode = 0, start = ts_clock();
	int status = ts_tokenizer_open(&t, path, err);
	double load = ts_clock() - start;
	if (!status)
		status = ts_file_read(text_path, &text, err);
	if (!status)
		status = measure(t, &text, true, repeats, &ids, &lines, err);
	if (!status)
		status = measure(t, &text, false, repeats, &ids, &whole, err);
	if (!status)
		status = measure_decode(t, &ids, repeats, &decode);
	if (!status) {
		double mb = (double)text.len / 1e6;
		printf("load %.3f s; %.2f MB; by line %.1f MB/s (first %.1f, %zu ids); as one text %.1f MB/s (first %.1f, %zu ids); decode "
		       "%.1f MB/s\n",
		       load, mb, mb / lines.seconds, mb / lines.first, lines.ids, mb / whole.seconds, mb / whole.first, whole.ids,
		       mb / decode);
	}
	ts_tokenizer_close(t);
	ts_str_release(&text);
	ts_vec_release(&ids);
	return status;
}

int main(int argc, char **argv)
{
	struct ts_error err = {0};
	if (argc < 3) {
		fprintf(stderr, "usage: tokenize TOKENIZER.JSON TEXT_FILE [REPEATS]\n");
		return 2;
	}
	int repeats = argc > 3 ? atoi(argv[3]) : 5;
	if (run(argv[1], argv[2], repeats > 0 ? repeats : 1, &err)) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	return 0;
}
