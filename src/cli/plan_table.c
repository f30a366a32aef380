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
	else
		snprintf(text, 24, "%.0f MiB", ceil((double)bytes / 0x1p20));
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

static void print_stage(FILE *to, const struct ts_plan_stage *s)
{
	char in[24] = "", out[24] = "", rate[40] = "", time[40], memory[24];
	bool work = s->kind == TS_PLAN_SAMPLE || s->kind == TS_PLAN_JUDGE || s->kind == TS_PLAN_TRAIN;
	if (work && !s->left)
		return;
	if (work) {
		format_count(s->tokens_in, in);
		format_count(s->kind == TS_PLAN_JUDGE ? 0 : s->tokens_out, out);
		double tokens = s->kind == TS_PLAN_SAMPLE ? s->tokens_out : s->tokens_in;
		if (s->seconds > 0)
			snprintf(rate, sizeof(rate), "%.*f/s", tokens / s->seconds < 10 ? 1 : 0, tokens / s->seconds);
		else
			snprintf(rate, sizeof(rate), "-");
	}
	format_time(s->seconds, time);
	format_bytes(s->memory.peak, memory);
	fprintf(to, "%-17s", s->name);
	if (work)
		fprintf(to, "%7zu %-8s %10s %10s %10s", s->left,
			s->kind == TS_PLAN_TRAIN   ? "steps"
			: s->kind == TS_PLAN_JUDGE ? "answers"
						   : "prompts",
			in, out, rate);
	else
		fprintf(to, "%49s", "");
	fprintf(to, " %13s %10s\n", time, memory);
}

static void print_parts(FILE *to, const struct ts_plan *p)
{
	const struct ts_plan_stage *s = &p->stages[0];
	for (size_t i = 1; i < TS_PLAN_STAGES; i++)
		if (p->stages[i].memory.peak > s->memory.peak)
			s = &p->stages[i];
	const struct ts_plan_memory *m = &s->memory;
	const struct {
		const char *name;
		size_t bytes;
	} parts[] = {{"program and data", m->base}, {"weights", m->weights + m->adapter},
		     {"KV cache", m->kv},           {"activations", m->activations},
		     {"logits", m->logits},         {"gradients and moments", m->optimiser}};
	char text[24];
	fprintf(to, "memory   most in \"%s\":", s->name);
	for (size_t i = 0, n = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].bytes)
			continue;
		format_bytes(parts[i].bytes, text);
		fprintf(to, "%s %s %s", n++ ? "," : "", parts[i].name, text);
	}
	if (s->kind == TS_PLAN_TRAIN)
		fprintf(to, "; passes of up to %zu tokens, activations of %zu layers kept\n", m->max_rows, m->kept_layers);
	else if (m->batch)
		fprintf(to, "; batch %zu, prompts in chunks of %zu\n", m->batch, m->chunk);
	else
		fprintf(to, "\n");
	char bound[24], least[24];
	format_bytes(p->bound, bound);
	format_bytes(p->least, least);
	if (p->bound)
		fprintf(to, "         --memory %s bounds it; at least %s are needed\n", bound, least);
	else
		fprintf(to, "         --memory SIZE bounds it; at least %s are needed\n", least);
}

static void print_lengths(FILE *to, const struct ts_plan *p)
{
	static const char *const names[] = {"evaluation", "unsteered", "generation"};
	fprintf(to, "lengths  ");
	if (!p->rates.answers) {
		fprintf(to, "not measured: %zu new tokens for each answer (%s)\n", p->expected ? p->expected : p->max_new_tokens,
			p->expected ? "--expect-tokens" : "max_new_tokens; --expect-tokens N says otherwise");
		return;
	}
	bool open = false;
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
	if (open)
		fprintf(to, "         an answer that did not end is planned with %zu tokens (%s)\n",
			p->expected ? p->expected : p->max_new_tokens,
			p->expected ? "--expect-tokens" : "max_new_tokens; --expect-tokens N says otherwise");
}

static void print_assumed(FILE *to, const struct ts_plan *p)
{
	static const char *const names[] = {"benign", "harmful"};
	fprintf(to, "assumed  answers after training are as long as before; ");
	int known = 0;
	for (int h = 1; h >= 0; h--)
		if (!isnan(p->kept[h]))
			fprintf(to, "%s%s %.0f%% (%zu sampled)", known++ ? ", " : "kept: ", names[h], 100 * p->kept[h], p->kept_of[h]);
	fprintf(to, "%s: %zu rows to train on\n", known ? "" : "every row is kept at its first try", p->examples);
}

void ts_plan_table(FILE *to, const struct ts_plan *p)
{
	char time[40], memory[24], disk[24], available[24];
	if (p->nothing_left) {
		fprintf(to, "plan: everything is there; only the figures are computed again\n");
		return;
	}
	fprintf(to, "%-17s%7s %-8s %10s %10s %10s %13s %10s\n", "plan", "", "", "tokens in", "out", "rate", "time", "memory");
	for (size_t i = 0; i < TS_PLAN_STAGES; i++)
		print_stage(to, &p->stages[i]);
	format_time(p->seconds, time);
	format_bytes(p->memory, memory);
	format_bytes(p->disk, disk);
	format_bytes(p->disk_free, available);
	fprintf(to, "%-17s%49s %13s %10s   disk %s of %s free\n", "all", "", time, memory, disk, available);
	if (p->rates.measured)
		fprintf(to,
			"rates    measured on this machine in %.1f s (%s, %zu threads): %zu steps with %zu answers, %zu judged, %zu "
			"training steps\n",
			p->probe, p->backend, p->threads, p->rates.steps, p->rates.answers, p->rates.cases, p->rates.train_steps);
	else
		fprintf(to, "rates    not measured\n");
	print_lengths(to, p);
	print_assumed(to, p);
	print_parts(to, p);
}

/* --- JSON --- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *stage_json(const struct ts_plan_stage *s)
{
	const struct ts_plan_memory *m = &s->memory;
	return json_pack("{s:s, s:I, s:I, s:f, s:f, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "stage", s->name, "all",
			 (json_int_t)s->all, "left", (json_int_t)s->left, "tokens_in", s->tokens_in, "tokens_out", s->tokens_out, "seconds",
			 number(s->seconds), "memory", "base", (json_int_t)m->base, "weights", (json_int_t)m->weights, "adapter",
			 (json_int_t)m->adapter, "kv", (json_int_t)m->kv, "activations", (json_int_t)m->activations, "logits",
			 (json_int_t)m->logits, "optimiser", (json_int_t)m->optimiser, "peak", (json_int_t)m->peak, "least",
			 (json_int_t)m->least);
}

static json_t *lengths_json(const struct ts_plan *p, enum ts_plan_list l)
{
	const struct ts_plan_lengths *s = &p->lengths[l];
	return json_pack("{s:I, s:I, s:f, s:f}", "answers", (json_int_t)s->answers.len, "ended", (json_int_t)s->ended, "at_least",
			 s->at_least, "planned", ts_plan_mean_answer(p, l));
}

json_t *ts_plan_json(const struct ts_plan *p)
{
	json_t *stages = json_array();
	for (size_t i = 0; stages && i < TS_PLAN_STAGES; i++)
		if (json_array_append_new(stages, stage_json(&p->stages[i]))) {
			json_decref(stages);
			stages = NULL;
		}
	return json_pack("{s:o, s:o, s:f, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:I, s:o, s:o, s:{s:o, s:o, s:o}}", "stages", stages,
			 "seconds", number(p->seconds), "probe_seconds", p->probe, "memory", (json_int_t)p->memory, "memory_bound",
			 (json_int_t)p->bound, "memory_least", (json_int_t)p->least, "disk", (json_int_t)p->disk, "disk_free",
			 (json_int_t)p->disk_free, "measured", p->rates.measured, "nothing_left", p->nothing_left, "backend", p->backend ? p->backend : "",
			 "threads", (json_int_t)p->threads, "examples", (json_int_t)p->examples, "kept_benign", number(p->kept[0]),
			 "kept_harmful", number(p->kept[1]), "lengths", "evaluation", lengths_json(p, TS_PLAN_EVAL), "unsteered",
			 lengths_json(p, TS_PLAN_ALPHA), "generation", lengths_json(p, TS_PLAN_GENERATE));
}
