/* What the stages took: timing.json, the only file of a run that holds times. */
#include "run/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* "seconds items tokens of", or *found = false. Earlier versions kept two numbers, which say too little. */
static int read_work(struct ts_run *r, const char *name, struct ts_run_work *w, bool *found, struct ts_error *err)
{
	struct ts_str text = {0};
	unsigned long long items, tokens, of;
	*w = (struct ts_run_work){0};
	int status = ts_store_get_meta(r->store, name, &text, found, err);
	if (!status && *found) {
		*found = sscanf(ts_str_c(&text), "%lf %llu %llu %llu", &w->seconds, &items, &tokens, &of) == 4;
		if (*found)
			*w = (struct ts_run_work){w->seconds, items, tokens, of};
	}
	ts_str_release(&text);
	return status;
}

/* What another run did is no work of this one. */
static int read_taken(struct ts_run *r, const char *stage, uint64_t *taken, struct ts_error *err)
{
	char name[96];
	struct ts_str text = {0};
	bool found;
	snprintf(name, sizeof(name), "taken.%s", stage);
	int status = ts_store_get_meta(r->store, name, &text, &found, err);
	*taken = !status && found ? strtoull(ts_str_c(&text), NULL, 10) : 0;
	ts_str_release(&text);
	return status;
}

int ts_run_note_taken(struct ts_run *r, const char *what, const char *stage, uint64_t items, struct ts_error *err)
{
	char name[96], text[32];
	snprintf(name, sizeof(name), "taken.%s %s", what, stage);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)items);
	return ts_store_put_meta(r->store, name, text, err);
}

int ts_run_add_timing(struct ts_run *r, const char *stage, const struct ts_run_work *w, struct ts_error *err)
{
	char name[96], text[120];
	struct ts_run_work old;
	uint64_t taken, of;
	bool found;
	snprintf(name, sizeof(name), "timing.%s", stage);
	TS_TRY(read_work(r, name, &old, &found, err));
	TS_TRY(read_taken(r, stage, &taken, err));
	if (!found)
		old = (struct ts_run_work){0};
	of = w->of > taken ? w->of - taken : 0;
	if (!w->items && of == old.of)
		return 0;
	unsigned long long items = old.items, tokens = old.tokens;
	items += w->items;
	tokens += w->tokens;
	snprintf(text, sizeof(text), "%.6f %llu %llu %llu", old.seconds + w->seconds, items, tokens, of ? (unsigned long long)of : items);
	return ts_store_put_meta(r->store, name, text, err);
}

int ts_run_note_load(struct ts_run *r, double started, int status, struct ts_error *err)
{
	const struct ts_run_work load = {.seconds = ts_clock() - started, .items = 1};
	return status ? status : ts_run_add_timing(r, TS_TIMING_LOAD, &load, err);
}

/* Sampling is measured in tokens, all else in items. */
static bool samples(const char *stage)
{
	return !strncmp(stage, "evaluate", 8) || !strncmp(stage, "sample", 6) || !strncmp(stage, "generate", 8);
}

static int stage_timing(struct ts_run *r, const char *stage, json_t *timing, struct ts_error *err)
{
	char name[96];
	struct ts_run_work w;
	bool found;
	snprintf(name, sizeof(name), "timing.%s", stage);
	TS_TRY(read_work(r, name, &w, &found, err));
	if (!found)
		return 0;
	double count = (double)(samples(stage) ? w.tokens : w.items);
	return ts_json_set(timing, stage,
			   json_pack("{s:f, s:I, s:I, s:I, s:f}", "seconds", w.seconds, "items", (json_int_t)w.items, "of",
				     (json_int_t)w.of, "tokens", (json_int_t)w.tokens, "per_second",
				     w.seconds > 0 ? count / w.seconds : 0.0),
			   err);
}

/* The largest of all starts: the last one may have had nothing left to do. */
static int peak_memory(struct ts_run *r, double *megabytes, struct ts_error *err)
{
	struct rusage usage;
	struct ts_str old = {0};
	char text[40];
	bool found;
	*megabytes = getrusage(RUSAGE_SELF, &usage) ? 0 : (double)usage.ru_maxrss / 1024.0;
	int status = ts_store_get_meta(r->store, "timing.peak", &old, &found, err);
	double before = found && !status ? strtod(ts_str_c(&old), NULL) : 0;
	ts_str_release(&old);
	if (before > *megabytes)
		*megabytes = before;
	snprintf(text, sizeof(text), "%.1f", *megabytes);
	return status ? status : ts_store_put_meta(r->store, "timing.peak", text, err);
}

/* The processor by the kernel's name, where it has one (not on all architectures). */
static int processor(json_t *timing, struct ts_error *err)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");
	int status = 0;
	bool found = false;
	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *name = strncmp(line, "model name", 10) ? NULL : strchr(line, ':');
		found = name && name[1];
		if (!found)
			continue;
		line[strcspn(line, "\n")] = '\0';
		name += 1 + strspn(name + 1, " ");
		if (ts_utf8_check(name, strlen(name)) == strlen(name))
			status = ts_json_set(timing, "processor", json_string(name), err);
	}
	if (f)
		(void)fclose(f); /* read alone */
	return status;
}

/* Of this start alone. The backend was perhaps never needed: all was in the journal. */
static int machine_timing(struct ts_run *r, json_t *timing, struct ts_error *err)
{
	double megabytes;
	TS_TRY(ts_run_open_backend(r, err));
	if (r->machine->version)
		TS_TRY(ts_json_set(timing, "version", json_string(r->machine->version), err));
	if (r->machine->build)
		TS_TRY(ts_json_set(timing, "build", json_string(r->machine->build), err));
	TS_TRY(processor(timing, err));
	TS_TRY(ts_json_set(timing, "backend", json_string(r->backend->name), err));
	TS_TRY(ts_json_set(timing, "threads", json_integer(r->backend->threads), err));
	TS_TRY(ts_json_set(timing, "batch", json_integer((json_int_t)r->machine->batch), err));
	TS_TRY(peak_memory(r, &megabytes, err));
	return ts_json_set(timing, "peak_memory_mb", json_real(megabytes), err);
}

static int stages_timing(struct ts_run *r, json_t *timing, struct ts_error *err)
{
	static const char *const first[] = {TS_TIMING_SETUP,    TS_TIMING_LOAD, "evaluate before",
					    "sample unsteered", "generate",     "judge generated"},
				 *const last[] = {"judge alpha",    "judge before", "refusals before", "train",
						  "evaluate after", "judge after",  "refusals after",  TS_TIMING_FIGURES};
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		TS_TRY(stage_timing(r, first[i], timing, err));
	for (size_t t = 2; t <= r->recipe->steering.tries; t++) {
		char name[64];
		snprintf(name, sizeof(name), "generate, try %zu", t);
		TS_TRY(stage_timing(r, name, timing, err));
		snprintf(name, sizeof(name), "judge, try %zu", t);
		TS_TRY(stage_timing(r, name, timing, err));
	}
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		TS_TRY(stage_timing(r, last[i], timing, err));
	return 0;
}

int ts_run_timing(struct ts_run *r, json_t **timing, struct ts_error *err)
{
	json_t *list = json_object();
	int status = list ? machine_timing(r, list, err) : ts_fail_memory(err);
	if (!status)
		status = stages_timing(r, list, err);
	if (status)
		json_decref(list);
	else
		*timing = list;
	return status;
}
