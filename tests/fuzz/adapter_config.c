#include "checkpoint/adapter_config.h"
#include "fuzz/fuzz.h"

#include <math.h>

void fuzz_adapter_config(const unsigned char *data, size_t size)
{
	struct fuzz_file file;
	struct ts_adapter_config c;
	struct ts_error err = {0};
	fuzz_file_open(&file, data, size);
	int status = ts_adapter_config_load(&c, file.path, &err);
	fuzz_check_error(status, &err);
	if (!status) {
		fuzz_must(c.rank > 0 && c.target_count > 0 && c.target_count <= TS_ADAPTER_TARGETS, "an adapter of nothing");
		fuzz_must(isfinite(ts_adapter_config_scale(&c)), "a scale that is no number");
	}
	fuzz_file_close(&file);
}
