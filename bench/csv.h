/* What a bench measured, one CSV line (RFC 4180) a figure, the same columns for every bench:
 *
 *     bench,machine,cpu_flags,isa,threads,commit,name,case,value,unit,cpu_share
 *     generate,AMD EPYC,avx2 fma avx512f avx512_bf16,avx512,1,0ec4463,decode,model=q06 sequences=8 context=128,41.7,tokens/s,0.9912
 *
 * `machine` and `cpu_flags` are of /proc/cpuinfo: its model name, and of its flags those that choose kernels. `commit` is what git described
 * when the build was configured ("unknown" without git; "-dirty" = with changes). `case` holds the parameters as key=value words.
 * `cpu_share` is CPU time / (time × threads) of what was timed: well below 1, a neighbour had the core, or threads waited; value / cpu_share is then
 * nearer to the truth for one thread. Empty = not a time.
 *
 *     struct bench_csv csv = bench_csv_open(stdout, "generate");
 *     struct bench_clock clock = bench_clock_start();
 *     ... work ...
 *     bench_clock_stop(&clock, threads);
 *     bench_csv_put(&csv, "avx512", threads, "decode", "sequences=8", tokens / clock.seconds, "tokens/s", clock.cpu_share);
 *
 * Also here: options of the form `--name value`, which all benches share. */
#ifndef TS_BENCH_CSV_H
#define TS_BENCH_CSV_H

#include "core/context.h"
#include "tensor/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench_csv {
	FILE *out;
	const char *bench;
	char machine[96], flags[160];
};

/* The value of `key` in /proc/cpuinfo's first processor; empty where there is none. */
static inline void bench_cpuinfo_(const char *key, char *value, size_t room)
{
	static char line[16384];
	FILE *f = fopen("/proc/cpuinfo", "r");
	*value = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');
		if (strncmp(line, key, strlen(key)) || !colon)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(value, room, "%s", colon + 1 + strspn(colon + 1, " \t"));
		break;
	}
	if (f)
		(void)fclose(f);
}

static inline struct bench_csv bench_csv_open(FILE *out, const char *bench)
{
	static const char *const wanted[] = {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16"};
	static char all[16384];
	struct bench_csv c = {.out = out, .bench = bench};
	bench_cpuinfo_("model name", c.machine, sizeof(c.machine));
	bench_cpuinfo_("flags", all, sizeof(all));
	if (!*all)
		bench_cpuinfo_("Features", all, sizeof(all)); /* arm64 */
	for (char *rest = all, *flag; (flag = strtok_r(rest, " ", &rest));)
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!strcmp(flag, wanted[i]))
				snprintf(c.flags + strlen(c.flags), sizeof(c.flags) - strlen(c.flags), "%s%s", *c.flags ? " " : "", flag);
	fputs("bench,machine,cpu_flags,isa,threads,commit,name,case,value,unit,cpu_share\n", out);
	return c;
}

static inline void bench_csv_text_(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\n")) {
		fprintf(out, "%s,", text);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
	fputs("\",", out);
}

/* cpu_share < 0: not a time. */
static inline void bench_csv_put(const struct bench_csv *c, const char *isa, int threads, const char *name, const char *parameters,
				 double value, const char *unit, double cpu_share)
{
	const char *const before[] = {c->bench, c->machine, c->flags, isa};
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		bench_csv_text_(c->out, before[i]);
	fprintf(c->out, "%d,", threads);
	bench_csv_text_(c->out, TS_COMMIT);
	bench_csv_text_(c->out, name);
	bench_csv_text_(c->out, parameters);
	fprintf(c->out, "%.6g,", value);
	bench_csv_text_(c->out, unit);
	if (cpu_share >= 0)
		fprintf(c->out, "%.4f", cpu_share);
	fputc('\n', c->out);
	fflush(c->out);
}

struct bench_clock {
	double seconds, cpu_share;
};

static inline double bench_cpu_(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline struct bench_clock bench_clock_start(void)
{
	return (struct bench_clock){ts_clock(), bench_cpu_()};
}

static inline void bench_clock_stop(struct bench_clock *c, int threads)
{
	double cpu = bench_cpu_() - c->cpu_share;
	c->seconds = ts_clock() - c->seconds;
	c->cpu_share = c->seconds > 0 ? cpu / c->seconds / threads : 0;
}

/* The word after `name`; `fallback` where the command line has none. */
static inline const char *bench_option(int argc, char **argv, const char *name, const char *fallback)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return argv[i + 1];
	return fallback;
}

#define BENCH_OPTIONS " [--isa ISA] [--threads N] [--numerics f32|bf16dot]" /* of bench_backend, for a bench's usage */

/* Ends the program, saying what was expected, when an argument is none of `names` (NULL at the end), nor of bench_backend's, with a word
 * behind it. */
static inline void bench_check_options(int argc, char **argv, const char *const *names, const char *usage)
{
	for (int i = 1; i < argc; i += 2) {
		static const char *const ours[] = {"--isa", "--threads", "--numerics"};
		bool known = false;
		for (const char *const *n = names; *n; n++)
			known |= !strcmp(argv[i], *n);
		for (size_t n = 0; n < sizeof(ours) / sizeof(ours[0]); n++)
			known |= !strcmp(argv[i], ours[n]);
		if (!known || i + 1 == argc) {
			fprintf(stderr, "usage: %s\n", usage);
			exit(2);
		}
	}
}

static inline _Noreturn void bench_die(const char *bench, const struct ts_error *err)
{
	fprintf(stderr, "bench/%s: %s\n", bench, err->message);
	exit(1);
}

/* --isa, --threads (1) and --numerics (f32): the backend that they ask for. */
static inline struct ts_backend *bench_backend(int argc, char **argv, const char *bench)
{
	struct ts_backend *b = NULL;
	struct ts_error err = {0};
	enum ts_isa isa = TS_ISA_AUTO;
	const char *word = bench_option(argc, argv, "--isa", NULL);
	if (word && ts_isa_parse(word, &isa)) {
		fprintf(stderr, "bench/%s: --isa: expected plain, avx2, avx512 or neon, found \"%s\"\n", bench, word);
		exit(2);
	}
	if (ts_backend_cpu_new(&b, isa, atoi(bench_option(argc, argv, "--threads", "1")), &err) ||
	    ts_backend_use_numerics(b, bench_option(argc, argv, "--numerics", NULL), &err))
		bench_die(bench, &err);
	return b;
}

/* "avx512" of "cpu/avx512"; "avx512+bf16dot" in that class. */
static inline const char *bench_isa(const struct ts_backend *b)
{
	return !strncmp(b->name, "cpu/", 4) ? b->name + 4 : b->name;
}

#endif
