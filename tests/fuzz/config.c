#include "checkpoint/config.h"
#include "fuzz/fuzz.h"

void fuzz_config(const unsigned char *data, size_t size)
{
	struct fuzz_file config, generation;
	struct ts_model_config c;
	struct ts_error err = {0};
	size_t first = fuzz_first_part(data, size);
	bool two = first < size;
	fuzz_file_open(&config, data, first);
	if (two)
		fuzz_file_open(&generation, data + first + 1, size - first - 1);
	int status = ts_model_config_load_files(&c, config.path, two ? generation.path : NULL, &err);
	fuzz_check_error(status, &err);
	if (!status) {
		fuzz_must(c.hidden_size > 0 && c.layers > 0 && c.heads > 0 && c.kv_heads > 0 && c.head_dim > 0 && c.vocab_size > 0,
			  "a size below 1");
		fuzz_must(c.heads % c.kv_heads == 0 && c.head_dim % 2 == 0, "heads that do not go together");
		fuzz_must(c.eos_count >= 0 && c.eos_count <= 16, "more end tokens than there is room for");
	}
	if (two)
		fuzz_file_close(&generation);
	fuzz_file_close(&config);
}
