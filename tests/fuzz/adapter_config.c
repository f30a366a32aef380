#include "checkpoint/adapter_config.h"
#include "fuzz/fuzz.h"

#include <math.h>

void fuzz_adapter_config(const unsigned char *data, size_t size)
{
	struct fuzz_file file;
	enum { LAYERS = 3 };
	struct ts_adapter_config c;
	struct ts_adapter_module modules[LAYERS * TS_TARGETS] = {{0}};
	struct ts_error err = {0};
	fuzz_file_open(&file, data, size);
	int status = ts_adapter_config_load(&c, LAYERS, modules, file.path, &err);
	fuzz_check_error(status, &err);
	if (!status) {
		fuzz_must(c.rank > 0 && c.target_count > 0 && c.target_count <= TS_TARGETS, "an adapter of nothing");
		for (int i = 0; i < LAYERS * TS_TARGETS; i++)
			if (modules[i].rank)
				fuzz_must(isfinite(ts_adapter_scale(&c, &modules[i])), "a scale that is no number");
	}
	fuzz_file_close(&file);
}
