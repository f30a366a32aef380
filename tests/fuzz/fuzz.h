/* Readers of other people's files, given any bytes. A target must come back soon, without a crash, a leak, a read out of bounds or
 * much memory, and when it fails, say why. libFuzzer runs a target by itself (main.c, tools/fuzz); the inputs that once broke something
 * are in inputs/ and run with the ordinary tests (test_inputs.c). */
#ifndef TS_TESTS_FUZZ_FUZZ_H
#define TS_TESTS_FUZZ_FUZZ_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>

void fuzz_safetensors(const unsigned char *data, size_t size);
void fuzz_gguf(const unsigned char *data, size_t size);
/* config.json; after a NUL, generation_config.json. */
void fuzz_config(const unsigned char *data, size_t size);
void fuzz_adapter_config(const unsigned char *data, size_t size);
/* tokenizer.json; after a NUL, text to encode. */
void fuzz_tokenizer(const unsigned char *data, size_t size);
/* A template; after a NUL, a JSON object with "messages", "tools" and variables to render it with. */
void fuzz_template(const unsigned char *data, size_t size);

/* A response; after a NUL, the gold answer (else the response is compared with itself). */
void fuzz_grade(const unsigned char *data, size_t size);

struct fuzz_target {
	const char *name; /* of its folder in inputs/ */
	void (*run)(const unsigned char *data, size_t size);
};
#define FUZZ_TARGETS                                                                                                                       \
	{"safetensors", fuzz_safetensors}, {"gguf", fuzz_gguf}, {"config", fuzz_config}, {"adapter_config", fuzz_adapter_config},          \
		{"tokenizer", fuzz_tokenizer}, {"template", fuzz_template}, {"grade", fuzz_grade},

/* Ends the program, unless `holds`: what must never happen. */
void fuzz_must(bool holds, const char *what);
/* A failure has a code and says why. */
void fuzz_check_error(int status, const struct ts_error *err);

/* The bytes as a file that has a path. */
struct fuzz_file {
	int fd;
	char path[32];
};
void fuzz_file_open(struct fuzz_file *, const unsigned char *data, size_t size);
void fuzz_file_close(struct fuzz_file *);

/* Two inputs in one: the length of the part before the first NUL, or all. */
size_t fuzz_first_part(const unsigned char *data, size_t size);

#endif
