/* thinksafe: one program, subcommands. This folder is the only place that prints, reads arguments, and exits. */
#include "cli/session.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenMP's threads spin while they wait unless told otherwise before the program starts. On a machine that somebody else uses too that
 * makes two threads tens of times slower than one, so the program starts itself once more with the other default. */
static void wait_passively(char **argv)
{
	if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || setenv("OMP_WAIT_POLICY", "passive", 1))
		return;
	execv("/proc/self/exe", argv); /* where that cannot be done, it runs as it is */
}

/* Large arrays go back to the system as soon as they are freed, or the next stage's would come on top of them. The C library keeps more and
 * more of them for itself unless it is told. */
static void return_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}

int main(int argc, char **argv)
{
	wait_passively(argv);
	return_memory();
	const char *name = argc > 1 ? argv[1] : "";
	if (!strcmp(name, "-h") || !strcmp(name, "--help"))
		name = "help";
	if (!strcmp(name, "--version")) {
		printf("thinksafe %s\n", TS_VERSION);
		return TS_EXIT_OK;
	}
	const struct ts_command *command = ts_command_find(name);
	if (command)
		return command->run(command, argc - 2, argv + 2);
	if (*name)
		fprintf(stderr, "thinksafe: unknown command \"%s\"\n", name);
	ts_commands_usage(stderr);
	return TS_EXIT_USAGE;
}
