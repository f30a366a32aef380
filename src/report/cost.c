#include "report/cost.h"

#include "core/file.h"
#include "report/internal.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PLACE "timing.json"

int ts_report_timing(const char *dir, json_t **timing, struct ts_error *err)
{
	struct ts_str path = {0};
	*timing = NULL;
	int status = ts_path_join(&path, dir, PLACE) ? ts_fail_memory(err) : 0;
	if (!status && ts_file_exists(path.data))
		status = ts_json_load(path.data, timing, err);
	ts_str_release(&path);
	return status;
}

/* --- reckoning --- */

static bool begins(const char *text, const char *word)
{
	return !strncmp(text, word, strlen(word));
}

static const struct {
	const char *begin, *unit, *sum; /* sum: where its tokens are added up */
	bool grows;
} kinds[] = {
	{"evaluate", "responses", "tokens_generated", false},
	{"sample", "responses", "tokens_generated", false},
	{"generate", "responses", "tokens_generated", true},
	{"judge generated", "verdicts", "tokens_judged", true},
	{"judge, try", "verdicts", "tokens_judged", true},
	{"judge", "verdicts", "tokens_judged", false},
	{"refusals", "verdicts", "tokens_judged", false},
	{"train", "steps", "tokens_trained", true},
	{"", "times", NULL, false},
};

static size_t kind_of(const char *stage)
{
	size_t i = 0;
	while (!begins(stage, kinds[i].begin))
		i++;
	return i;
}

struct sums {
	double factor; /* at_prompts / prompts */
	double seconds, staying, growing;
	int64_t tokens[3];
};

static const char *const token_sums[] = {"tokens_generated", "tokens_judged", "tokens_trained"};

static void add(struct sums *s, size_t kind, double seconds, double whole, int64_t tokens)
{
	s->seconds += isfinite(seconds) ? seconds : 0;
	s->staying += isfinite(seconds) && !kinds[kind].grows ? seconds : 0;
	s->growing += isfinite(seconds) && kinds[kind].grows ? whole : 0;
	for (size_t i = 0; kinds[kind].sum && i < 3; i++)
		if (!strcmp(kinds[kind].sum, token_sums[i]))
			s->tokens[i] += tokens;
}

static int add_stage(const char *name, const json_t *v, struct sums *s, json_t *list, struct ts_error *err)
{
	size_t kind = kind_of(name);
	double seconds, whole;
	int64_t items, of, tokens;
	TS_TRY(ts_json_real(v, "seconds", NAN, &seconds, PLACE, err));
	TS_TRY(ts_json_int(v, "items", 0, &items, PLACE, err));
	TS_TRY(ts_json_int(v, "of", items, &of, PLACE, err));
	TS_TRY(ts_json_int(v, "tokens", 0, &tokens, PLACE, err));
	/* The stage without what was lost, and without steps that were made again after a kill. */
	whole = items > 0 ? seconds * (double)of / (double)items : (double)NAN;
	seconds = items < of ? whole : seconds;
	double at = kinds[kind].grows ? whole * s->factor : seconds;
	add(s, kind, seconds, whole, tokens);
	json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:b, s:o}", "stage", name, "unit", kinds[kind].unit, "items",
				  (json_int_t)items, "of", (json_int_t)of, "tokens", (json_int_t)tokens, "seconds", ts_json_number(seconds),
				  "grows", kinds[kind].grows, "seconds_at", ts_json_number(at));
	return !entry || json_array_append_new(list, entry) ? ts_fail_memory(err) : 0;
}

/* Distinct training prompts. */
static int count_prompts(const json_t *metrics, int64_t *prompts, struct ts_error *err)
{
	static const char *const sides[] = {"harmful", "benign"};
	const json_t *accepted, *side;
	*prompts = 0;
	TS_TRY(report_block(metrics, "accepted", JSON_OBJECT, "metrics.json", &accepted, err));
	for (size_t i = 0; i < 2; i++) {
		int64_t n;
		TS_TRY(report_block(accepted, sides[i], JSON_OBJECT, "metrics.json", &side, err));
		TS_TRY(ts_json_int(side, "of", 0, &n, "metrics.json", err));
		*prompts += n;
	}
	return 0;
}

static int put_machine(const json_t *timing, json_t *out, struct ts_error *err)
{
	static const char *const keys[] = {"processor", "backend", "threads", "batch"};
	for (size_t i = 0; i < 4; i++) {
		json_t *v = json_object_get(timing, keys[i]);
		if (v && json_object_set(out, keys[i], v))
			return ts_fail_memory(err);
	}
	return 0;
}

static int put_sums(const struct sums *s, int64_t prompts, json_t *out, struct ts_error *err)
{
	double each = prompts > 0 ? 1 : (double)NAN;
	TS_TRY(ts_json_set(out, "seconds", ts_json_number(s->seconds), err));
	TS_TRY(ts_json_set(out, "seconds_per_1000", ts_json_number(each * 1000 * s->growing / (double)prompts), err));
	TS_TRY(ts_json_set(out, "seconds_at", ts_json_number(s->staying + s->growing * s->factor), err));
	for (size_t i = 0; i < 3; i++)
		TS_TRY(ts_json_set(out, token_sums[i], json_integer((json_int_t)s->tokens[i]), err));
	return 0;
}

static int reckon(const json_t *metrics, json_t *timing, json_t *out, struct ts_error *err)
{
	const char *name;
	json_t *v, *list = json_array();
	int64_t prompts;
	TS_TRY(ts_json_set(out, "stages", list, err));
	TS_TRY(put_machine(timing, out, err));
	TS_TRY(count_prompts(metrics, &prompts, err));
	struct sums s = {.factor = prompts > 0 ? TS_COST_PROMPTS / (double)prompts : (double)NAN};
	TS_TRY(ts_json_set(out, "prompts", json_integer((json_int_t)prompts), err));
	TS_TRY(ts_json_set(out, "at_prompts", json_integer(TS_COST_PROMPTS), err));
	json_object_foreach (timing, name, v)
		if (json_is_object(v))
			TS_TRY(add_stage(name, v, &s, list, err));
	return put_sums(&s, prompts, out, err);
}

int ts_report_cost(const json_t *metrics, const json_t *timing, json_t **cost, struct ts_error *err)
{
	*cost = NULL;
	if (!timing)
		return 0;
	if (!json_is_object(timing))
		return ts_fail(err, TS_EFORMAT, PLACE ": expected an object, found %s", ts_json_kind(timing));
	json_t *out = json_object();
	int status = out ? reckon(metrics, (json_t *)timing, out, err) : ts_fail_memory(err); /* read alone: the loop macro wants it so */
	if (status || !json_array_size(json_object_get(out, "stages")))
		json_decref(out);
	else
		*cost = out;
	return status;
}

/* --- the table --- */

const char *report_duration(double seconds, char text[32])
{
	if (!isfinite(seconds))
		return strcpy(text, "-");
	if (seconds < 99.95)
		snprintf(text, 32, "%.1f s", seconds);
	else if (seconds < 5997)
		snprintf(text, 32, "%.1f min", seconds / 60);
	else
		snprintf(text, 32, "%.1f h", seconds / 3600);
	return text;
}

enum { AT_ITEMS = 32, AT_TOKENS = 56, AT_TIME = 68, AT_MORE = 90 };

static int put_time(struct ts_layout *l, size_t column, const json_t *object, const char *key)
{
	char text[32];
	const json_t *v = json_object_get(object, key);
	return ts_layout_right(l, column, report_duration(json_is_number(v) ? json_number_value(v) : (double)NAN, text));
}

static long long whole(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static int stage_line(struct ts_layout *l, const json_t *stage, bool *lost)
{
	const char *name = json_string_value(json_object_get(stage, "stage")), *unit = json_string_value(json_object_get(stage, "unit"));
	bool partly = whole(stage, "items") < whole(stage, "of");
	*lost = *lost || partly;
	TS_TRY(ts_layout_left(l, 2, name));
	TS_TRY(ts_layout_right_printf(l, AT_ITEMS, "%lld", whole(stage, "of")));
	TS_TRY(ts_layout_wrap_printf(l, 4, " %.*s", (int)strlen(unit) - (whole(stage, "of") == 1), unit));
	if (whole(stage, "tokens"))
		TS_TRY(ts_layout_right_printf(l, AT_TOKENS, "%lld", whole(stage, "tokens")));
	TS_TRY(put_time(l, AT_TIME, stage, "seconds"));
	TS_TRY(put_time(l, AT_MORE, stage, "seconds_at"));
	TS_TRY(ts_layout_wrap(l, 4, json_is_true(json_object_get(stage, "grows")) ? " +" : ""));
	TS_TRY(ts_layout_wrap(l, 4, partly ? " !" : ""));
	return ts_layout_line(l);
}

static int sum_lines(struct ts_layout *l, const json_t *cost)
{
	TS_TRY(ts_layout_left(l, 2, "all"));
	TS_TRY(put_time(l, AT_TIME, cost, "seconds"));
	TS_TRY(put_time(l, AT_MORE, cost, "seconds_at"));
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 2, "each 1000 prompts more"));
	TS_TRY(put_time(l, AT_TIME, cost, "seconds_per_1000"));
	return ts_layout_line(l);
}

static int note_lines(struct ts_layout *l, const json_t *cost, bool lost)
{
	const char *processor = json_string_value(json_object_get(cost, "processor"));
	const char *backend = json_string_value(json_object_get(cost, "backend"));
	TS_TRY(ts_layout_wrap_printf(
		l, 4,
		"  + grows with the prompts (here %lld), and is reckoned from the time of an item here; the rest does not. "
		"Tokens are those generated, those of the responses judged, and those predicted in training.",
		whole(cost, "prompts")));
	TS_TRY(ts_layout_line(l));
	if (lost) {
		TS_TRY(ts_layout_wrap(l, 4,
				      "  ! a start was killed and a part of the stage's time and tokens is not known; the time is reckoned "
				      "from the rest of it"));
		TS_TRY(ts_layout_line(l));
	}
	TS_TRY(ts_layout_wrap_printf(l, 4, "  measured on %s, %lld thread%s, batch %lld", backend ? backend : "-", whole(cost, "threads"),
				     whole(cost, "threads") == 1 ? "" : "s", whole(cost, "batch")));
	TS_TRY(ts_layout_wrap_printf(l, 4, processor ? ", %s" : "%s", processor ? processor : ""));
	return ts_layout_line(l);
}

static int table(struct ts_layout *l, const json_t *cost)
{
	const json_t *stage;
	size_t i;
	bool lost = false;
	TS_TRY(ts_layout_line(l));
	TS_TRY(ts_layout_left(l, 0, "Cost"));
	TS_TRY(ts_layout_right(l, AT_ITEMS, "done"));
	TS_TRY(ts_layout_right(l, AT_TOKENS, "tokens"));
	TS_TRY(ts_layout_right(l, AT_TIME, "time"));
	TS_TRY(ts_layout_right_printf(l, AT_MORE, "at %lld prompts", whole(cost, "at_prompts")));
	TS_TRY(ts_layout_line(l));
	json_array_foreach (json_object_get(cost, "stages"), i, stage)
		TS_TRY(stage_line(l, stage, &lost));
	TS_TRY(sum_lines(l, cost));
	return note_lines(l, cost, lost);
}

int ts_report_cost_table(const json_t *cost, struct ts_str *out, struct ts_error *err)
{
	struct ts_layout l = {out, TS_TABLE_COLUMNS, 0};
	int status = cost ? table(&l, cost) : 0;
	return status == TS_ENOMEM ? ts_fail_memory(err) : status;
}
