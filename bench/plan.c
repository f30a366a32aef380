/* A plan beside what happened: seconds and memory of each stage and of a whole run, forecast, measured, and their ratio.
 *
 *     bench/plan [PROGRAM] [RECIPE] [DIR] [options of `thinksafe run`]
 *
 * Defaults: build/release/thinksafe, testbed/recipe.yaml, runs/bench-plan (removed first). Runs `PROGRAM plan` and then `PROGRAM run`
 * with the same options, the latter without a probe, so that its time is the work's alone. Memory is the most that the process had in
 * memory at once, as the system counts it. Stages are measured without opening their model; the whole run includes that. */
#include "core/context.h"
#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	double seconds;
	size_t peak; /* bytes */
};

/* Runs the program to its end; standard output goes to the file `out`. */
static int run(char *const *argv, const char *out, struct child *c, struct ts_error *err)
{
	struct rusage usage;
	int status;
	double started = ts_clock();
	pid_t pid = fork();
	if (!pid) {
		int fd = open(out, O_CREAT | O_TRUNC | O_WRONLY, 0644);
		if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
			execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		return ts_fail(err, TS_EIO, "%s: cannot be started", argv[0]);
	c->seconds = ts_clock() - started;
	c->peak = (size_t)usage.ru_maxrss * 1024;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : ts_fail(err, TS_EIO, "%s %s failed", argv[0], argv[1]);
}

/* A stage of the plan may be several of the run: its later tries. */
static double measured(const json_t *timing, const char *stage)
{
	double seconds = 0;
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)timing, name, value) {
		size_t len = strlen(stage);
		bool same = !strncmp(name, stage, len) && (!name[len] || name[len] == ',');
		if (same || (!strcmp(stage, "judge generated") && !strncmp(name, "judge, try", 10)))
			seconds += json_number_value(json_object_get(value, "seconds"));
	}
	return seconds;
}

static void print_row(const char *name, double forecast, double happened, const char *unit)
{
	printf("%-20s %10.2f %10.2f %s", name, forecast, happened, unit);
	if (happened > 0)
		printf(" %8.2f", forecast / happened);
	putchar('\n');
}

static void print(const json_t *plan, const json_t *timing, const struct child *c)
{
	size_t i;
	json_t *stage;
	printf("%-20s %10s %10s %s %8s\n", "", "forecast", "measured", "   ", "ratio");
	json_array_foreach (json_object_get(plan, "stages"), i, stage) {
		const char *name = json_string_value(json_object_get(stage, "stage"));
		double seconds = measured(timing, name);
		if (seconds > 0)
			print_row(name, json_number_value(json_object_get(stage, "seconds")), seconds, "s  ");
	}
	print_row("whole run", json_number_value(json_object_get(plan, "seconds")), c->seconds, "s  ");
	print_row("peak memory", json_number_value(json_object_get(plan, "memory")) / 0x1p20, (double)c->peak / 0x1p20, "MiB");
}

int main(int argc, char **argv)
{
	const char *program = argc > 1 ? argv[1] : "build/release/thinksafe", *dir = argc > 3 ? argv[3] : "runs/bench-plan";
	char *words[64] = {(char *)program, "plan", argc > 2 ? argv[2] : "testbed/recipe.yaml", "--run", (char *)dir};
	struct ts_error err = {0};
	struct ts_str out = {0};
	struct child planning, running;
	json_t *plan = NULL, *timing = NULL;
	int n = 5, status = 0;
	for (int i = 4; i < argc && n < 60; i++)
		words[n++] = argv[i];
	TS_GOTO(ts_path_remove(dir, &err));
	TS_GOTO(ts_dir_make(dir, &err));
	TS_GOTO(ts_path_join(&out, dir, "plan.json"));
	words[n] = "--json";
	TS_GOTO(run(words, out.data, &planning, &err));
	TS_GOTO(ts_json_load(out.data, &plan, &err));
	words[1] = "run";
	words[n] = "--quiet";
	words[n + 1] = "--probe";
	words[n + 2] = "0";
	TS_GOTO(ts_path_join(&out, dir, "report.txt"));
	TS_GOTO(run(words, out.data, &running, &err));
	TS_GOTO(ts_path_join(&out, dir, "timing.json"));
	TS_GOTO(ts_json_load(out.data, &timing, &err));
	print(plan, timing, &running);
	printf("the plan took %.1f s, of which measuring %.1f s; its own peak was %.0f MiB\n", planning.seconds,
	       json_number_value(json_object_get(plan, "probe_seconds")), (double)planning.peak / 0x1p20);
done:
	if (status)
		fprintf(stderr, "plan: %s\n", err.message);
	json_decref(plan);
	json_decref(timing);
	ts_str_release(&out);
	return status ? 1 : 0;
}
