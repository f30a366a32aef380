/* For the scripts beside this file: writes the checkpoint of tests/wildguard_model.h.
 *
 *     make_wildguard TESTBED DIR            answers
 *     make_wildguard TESTBED DIR slow       the same, but takes its time
 *     make_wildguard TESTBED DIR broken     cannot be read */
#include "wildguard_model.h"

int main(int argc, char **argv)
{
	struct ts_error err = {0};
	if (argc < 3)
		return 2;
	const char *how = argc > 3 ? argv[3] : "";
	int status = wildguard_model(argv[1], argv[2], !strcmp(how, "broken"), strcmp(how, "slow") ? 1 : WG_LAYERS, &err);
	if (status)
		fprintf(stderr, "make_wildguard: %s\n", err.message);
	return status ? 1 : 0;
}
