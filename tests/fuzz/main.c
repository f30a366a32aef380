/* One target for libFuzzer: FUZZ_RUN is its function. */
#include "fuzz/fuzz.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(data, size);
	return 0;
}
