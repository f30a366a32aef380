#include "cli/plan_table.h"

#include <math.h>
#include <string.h>

static void format_time(double seconds, char text[40])
{
	unsigned long long whole = seconds < 1e12 ? (unsigned long long)(seconds + 0.5) : 0;
	if (!(seconds < 1e12))
		snprintf(text, 40, "-");
	else if (seconds < 9.95)
		snprintf(text, 40, "%.1f s", seconds);
	else if (whole < 60)
		snprintf(text, 40, "%llu s", whole);
	else if (whole < 3600)
		snprintf(text, 40, "%llu min %02llu s", whole / 60, whole % 60);
	else
		snprintf(text, 40, "%llu h %02llu min", (whole + 30) / 3600, (whole + 30) % 3600 / 60);
}

static void format_bytes(size_t bytes, char text[24])
{
	if (bytes >= (size_t)10 << 30)
		snprintf(text, 24, "%.1f GiB", (double)bytes / 0x1p30);
	else if (bytes >= (size_t)1 << 30)
		snprintf(text, 24, "%.2f GiB", (double)bytes / 0x1p30);
	else if (bytes >= (size_t)10 << 20)
		snprintf(text, 24, "%.0f MiB", ceil((double)bytes / 0x1p20));
	else
		snprintf(text, 24, "%.1f MiB", ceil((double)bytes / 0x1p20 * 10) / 10);
}

/* 1234567 -> "1.23 M"; below a hundred thousand as it is. */
static void format_count(double n, char text[24])
{
	if (n >= 1e8)
		snprintf(text, 24, "%.0f M", n / 1e6);
	else if (n >= 1e6)
		snprintf(text, 24, "%.2f M", n / 1e6);
	else
		snprintf(text, 24, "%.0f", n);
}

static bool is_work(const struct ts_plan_stage *s)
{
	return s->kind == TS_PLAN_SAMPLE || s->kind == TS_PLAN_JUDGE || s->kind == TS_PLAN_TRAIN;
}

/* Several responses to a prompt are counted as samples. */
static bool repeats(const struct ts_plan *p, const struct ts_plan_stage *s)
{
	bool yes = false;
	for (size_t i = 0; i < p->sets.len && s->list == TS_PLAN_EVAL; i++)
		yes = yes || p->sets.data[i].samples > 1;
	return yes;
}

static void print_stage(FILE *to, const struct ts_plan *p, const struct ts_plan_stage *s)
{
	char in[24] = "", out[24] = "", rate[40] = "", time[40], disk[24] = "";
	format_time(s->seconds, time);
	if (!is_work(s)) {
		fprintf(to, "%-17s%47s %13s\n", s->name, "", time);
		return;
	}
	if (!s->left)
		return;
	double tokens = s->kind == TS_PLAN_SAMPLE ? s->tokens_out : s->tokens_in;
	format_count(s->tokens_in, in);
	format_count(s->tokens_out, out);
	format_bytes(s->disk, disk);
	if (s->seconds > 0)
		snprintf(rate, sizeof(rate), "%.*f/s", tokens / s->seconds < 10 ? 1 : 0, tokens / s->seconds);
	fprintf(to, "%-17s%7zu %-7s %10s %10s %9s %13s %9s\n", s->name, s->left,
		s->kind == TS_PLAN_TRAIN   ? "steps"
		: s->kind == TS_PLAN_JUDGE ? "verdicts"
		: repeats(p, s)            ? "samples"
					   : "prompts",
		in, s->kind == TS_PLAN_JUDGE ? "" : out, *rate ? rate : "-", time, disk);
}

static void print_work(FILE *to, const struct ts_plan *p)
{
	char time[40], disk[24], available[24];
	fprintf(to, "%-17s%15s %10s %10s %9s %13s %9s\n", "plan", "", "tokens in", "out", "rate", "time", "disk");
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		print_stage(to, p, &p->stages[i]);
	format_time(p->seconds, time);
	format_bytes(p->disk, disk);
	format_bytes(p->disk_free, available);
	fprintf(to, "%-17s%47s %13s %9s of %s free%s\n", "all", "", time, disk, available, p->disk > p->disk_free ? ": NOT ENOUGH" : "");
}

/* --- memory --- */

static void print_memory_row(FILE *to, const struct ts_plan_stage *s)
{
	const struct ts_plan_memory *m = &s->memory;
	const size_t parts[] = {m->base, m->weights + m->adapter, m->kv, m->activations + m->logits, m->optimiser, m->peak};
	char text[24];
	fprintf(to, "%-17s", s->name);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		format_bytes(parts[i], text);
		fprintf(to, " %11s", parts[i] ? text : "-");
	}
	if (s->kind == TS_PLAN_TRAIN && m->kept_layers == m->kept_attention)
		fprintf(to, "  passes of %zu tokens, %zu layers kept\n", m->max_rows, m->kept_layers);
	else if (s->kind == TS_PLAN_TRAIN)
		fprintf(to, "  passes of %zu tokens, %zu layers kept, attention of %zu\n", m->max_rows, m->kept_layers, m->kept_attention);
	else
		fprintf(to, "  batch %zu, chunks of %zu\n", m->batch, m->chunk);
}

static void print_memory(FILE *to, const struct ts_plan *p)
{
	char peak[24], least[24], bound[24];
	format_bytes(p->memory, peak);
	format_bytes(p->least, least);
	format_bytes(p->bound, bound);
	fprintf(to, "\n%-17s %11s %11s %11s %11s %11s %11s\n", "memory", "program", "weights", "KV cache", "activations", "optimiser",
		"peak");
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		if (is_work(&p->stages[i]) && p->stages[i].left)
			print_memory_row(to, &p->stages[i]);
	fprintf(to, "%-17s%60s %11s  ", "all", "", peak);
	if (p->bound)
		fprintf(to, "--memory %s; %s would do\n\n", bound, least);
	else
		fprintf(to, "no bound; --memory %s would do\n\n", least);
}

/* --- what it rests on --- */

static void print_sets(FILE *to, const struct ts_plan *p)
{
	bool several = false;
	for (size_t i = 0; i < p->sets.len; i++) {
		const struct ts_plan_set *s = &p->sets.data[i];
		fprintf(to, "%-8s %s: %zu prompts, %zu response%s each, at most %zu new tokens\n", i ? "" : "sets", s->name, s->prompts,
			s->samples, s->samples > 1 ? "s" : "", s->max_new_tokens);
		several = several || s->samples > 1;
	}
	if (several)
		fprintf(to, "%-8s training: one response a prompt and try, at most %.0f new tokens\n", "", p->limits[TS_PLAN_GENERATE]);
}

/* "160 new tokens"; sets may differ. */
static void print_open_length(FILE *to, const struct ts_plan *p)
{
	bool same = true;
	for (int l = 0; l < TS_PLAN_LISTS; l++)
		same = same && p->limits[l] == (double)p->max_new_tokens;
	if (p->expected || same)
		fprintf(to, "%zu new tokens", p->expected ? p->expected : p->max_new_tokens);
	else
		fprintf(to, "its set's most new tokens");
}

static void print_lengths(FILE *to, const struct ts_plan *p)
{
	static const char *const names[] = {"evaluation", "unsteered", "generation"};
	if (!p->rates.answers) {
		fprintf(to, "lengths  not measured: ");
		print_open_length(to, p);
		fprintf(to, " for each answer (%s)\n",
			p->expected ? "--expect-tokens" : "max_new_tokens; --expect-tokens N says otherwise");
		return;
	}
	bool open = false;
	fprintf(to, "lengths  of a seeded sample: ");
	for (int l = 0, n = 0; l < TS_PLAN_LISTS; l++) {
		const struct ts_plan_lengths *s = &p->lengths[l];
		if (!s->answers.len)
			continue;
		fprintf(to, "%s%s ", n++ ? "; " : "", names[l]);
		if (s->ended == s->answers.len)
			fprintf(to, "%.1f tokens, mean of %zu answers", s->at_least, s->ended);
		else
			fprintf(to, "at least %.1f, at most %zu tokens (%zu of %zu answers ended)", s->at_least, p->max_new_tokens,
				s->ended, s->answers.len);
		open = open || s->ended < s->answers.len;
	}
	fprintf(to, "\n");
	if (!open)
		return;
	fprintf(to, "         an answer that did not end is planned with ");
	print_open_length(to, p);
	fprintf(to, " (%s)\n", p->expected ? "--expect-tokens" : "max_new_tokens; --expect-tokens N says otherwise");
}

static bool is_left(const struct ts_plan *p, enum ts_plan_kind kind, bool adapter)
{
	bool left = false;
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		left = left || (p->stages[i].kind == kind && p->stages[i].adapter == adapter && p->stages[i].left);
	return left;
}

static void print_assumed(FILE *to, const struct ts_plan *p)
{
	static const char *const names[] = {"benign", "harmful"};
	bool after = is_left(p, TS_PLAN_SAMPLE, true), trains = is_left(p, TS_PLAN_TRAIN, false);
	int known = 0;
	if (!after && !trains)
		return;
	fprintf(to, "assumed  %s%s", after ? "answers after training are as long as before" : "", after && trains ? "; " : "");
	for (int h = 1; trains && h >= 0; h--)
		if (!isnan(p->kept[h]))
			fprintf(to, "%s%s %.0f%% (%zu sampled)", known++ ? ", " : "kept: ", names[h], 100 * p->kept[h], p->kept_of[h]);
	if (trains)
		fprintf(to, "%s: %zu rows to train on", known ? "" : "every row is kept at its first try", p->examples);
	fputc('\n', to);
}

void ts_plan_table(FILE *to, const struct ts_plan *p)
{
	if (p->nothing_left) {
		fprintf(to, "plan: everything is there; only the figures are computed again\n");
		return;
	}
	print_work(to, p);
	print_memory(to, p);
	if (p->rates.measured)
		fprintf(to,
			"rates    measured on this machine in %.1f s (%s, %zu threads): %zu steps with %zu answers, %zu judged, %zu "
			"training steps\n",
			p->probe, p->backend, p->threads, p->rates.steps, p->rates.answers, p->rates.cases + p->rates.refusal_cases,
			p->rates.train_steps);
	else
		fprintf(to, "rates    not measured\n");
	print_sets(to, p);
	print_lengths(to, p);
	print_assumed(to, p);
}

/* --- JSON --- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *stage_json(const struct ts_plan_stage *s)
{
	const struct ts_plan_memory *m = &s->memory;
	return json_pack("{s:s, s:I, s:I, s:f, s:f, s:o, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "stage", s->name, "all",
			 (json_int_t)s->all, "left", (json_int_t)s->left, "tokens_in", s->tokens_in, "tokens_out", s->tokens_out, "seconds",
			 number(s->seconds), "disk", (json_int_t)s->disk, "memory", "base", (json_int_t)m->base, "weights",
			 (json_int_t)m->weights, "adapter", (json_int_t)m->adapter, "kv", (json_int_t)m->kv, "activations",
			 (json_int_t)m->activations, "logits", (json_int_t)m->logits, "optimiser", (json_int_t)m->optimiser, "peak",
			 (json_int_t)m->peak, "least", (json_int_t)m->least);
}

static json_t *lengths_json(const struct ts_plan *p, enum ts_plan_list l)
{
	const struct ts_plan_lengths *s = &p->lengths[l];
	return json_pack("{s:I, s:I, s:f, s:f}", "answers", (json_int_t)s->answers.len, "ended", (json_int_t)s->ended, "at_least",
			 s->at_least, "planned", ts_plan_mean_answer(p, l));
}

static json_t *sets_json(const struct ts_plan *p)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < p->sets.len; i++) {
		const struct ts_plan_set *s = &p->sets.data[i];
		if (json_array_append_new(list,
					  json_pack("{s:s, s:I, s:I, s:I}", "name", s->name, "prompts", (json_int_t)s->prompts, "samples",
						    (json_int_t)s->samples, "max_new_tokens", (json_int_t)s->max_new_tokens))) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *ts_plan_json(const struct ts_plan *p)
{
	json_t *stages = json_array();
	for (size_t i = 0; stages && i < TS_PLAN_STAGES; i++)
		if (json_array_append_new(stages, stage_json(&p->stages[i]))) {
			json_decref(stages);
			stages = NULL;
		}
	return json_pack("{s:o, s:o, s:o, s:f, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:I, s:o, s:o, s:{s:o, s:o, s:o}}", "stages",
			 stages, "sets", sets_json(p), "seconds", number(p->seconds), "probe_seconds", p->probe, "memory",
			 (json_int_t)p->memory, "memory_bound", (json_int_t)p->bound, "memory_least", (json_int_t)p->least, "disk",
			 (json_int_t)p->disk, "disk_free", (json_int_t)p->disk_free, "measured", p->rates.measured, "nothing_left",
			 p->nothing_left, "backend", p->backend, "threads", (json_int_t)p->threads, "examples", (json_int_t)p->examples,
			 "kept_benign", number(p->kept[0]), "kept_harmful", number(p->kept[1]), "lengths", "evaluation",
			 lengths_json(p, TS_PLAN_EVAL), "unsteered", lengths_json(p, TS_PLAN_ALPHA), "generation",
			 lengths_json(p, TS_PLAN_GENERATE));
}
