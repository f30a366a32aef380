/* Inputs that once broke something, one folder a target: they must go through the same functions as under libFuzzer. */
#include "fuzz/fuzz.h"

#include "core/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fuzz_target targets[] = {FUZZ_TARGETS};

/* In memory of exactly its size, so that the sanitizers see a read behind its end. */
static void run_file(const struct fuzz_target *target, const char *path)
{
	struct ts_str bytes = {0};
	struct ts_error err = {0};
	if (ts_file_read(path, &bytes, &err))
		fail_msg("%s", err.message);
	unsigned char *exact = malloc(bytes.len ? bytes.len : 1);
	assert_non_null(exact);
	for (size_t i = 0; i < bytes.len; i++)
		exact[i] = (unsigned char)bytes.data[i];
	printf("%s\n", path); /* what was under way when the program ends here */
	target->run(exact, bytes.len);
	free(exact);
	ts_str_release(&bytes);
}

static void inputs(void **state)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		char path[512];
		size_t count = 0;
		snprintf(path, sizeof(path), TS_SOURCE_DIR "/tests/fuzz/inputs/%s", targets[i].name);
		DIR *dir = opendir(path);
		if (!dir)
			fail_msg("%s: no such folder", path);
		for (struct dirent *entry; (entry = readdir(dir));) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), TS_SOURCE_DIR "/tests/fuzz/inputs/%s/%s", targets[i].name, entry->d_name);
			run_file(&targets[i], path);
			count++;
		}
		closedir(dir);
		assert_true(count > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(inputs)};
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
