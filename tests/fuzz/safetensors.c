#include "checkpoint/safetensors.h"
#include "fuzz/fuzz.h"

void fuzz_safetensors(const unsigned char *data, size_t size)
{
	struct fuzz_file file;
	struct ts_tensors tensors = {0};
	struct ts_error err = {0};
	fuzz_file_open(&file, data, size);
	int status = ts_tensors_open(&tensors, file.path, &err);
	fuzz_check_error(status, &err);
	for (size_t i = 0; i < tensors.list.len && !status; i++) {
		const struct ts_tensor *t = &tensors.list.data[i];
		fuzz_must(ts_tensors_find(&tensors, t->name) == t, "a tensor is not found by its name");
		fuzz_must(t->data >= tensors.files.data[0].data && t->bytes <= size, "a tensor outside the file");
		fuzz_must((size_t)(t->data - tensors.files.data[0].data) <= size - t->bytes, "a tensor outside the file");
		fuzz_must(t->bytes == t->elements * ts_dtype_size(t->dtype), "a tensor of another size than its shape says");
	}
	ts_tensors_close(&tensors);
	fuzz_file_close(&file);
}
