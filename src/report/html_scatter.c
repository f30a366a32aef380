/* Safety against reasoning: for each run a ring before, a dot after, an arrow between them, and the intervals of both as error bars. Right
 * and up is better. The drawing keeps its proportions; sizes of its text follow the page's width (page.css). Several runs are told apart
 * by letters, so nothing rests on colour. */
#include "report/compare.h"
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The drawing and the plot inside of it. */
enum { WIDTH = 1000, HEIGHT = 620, LEFT = 90, RIGHT = 975, TOP = 20, BOTTOM = 560, STEPS = 5, BOX = 40 };

/* Percentages. */
struct value {
	double at, low, high;
};

struct point {
	struct value x, y; /* reasoning, safety */
	bool there;
};

struct pair {
	struct point side[2]; /* before, after */
};

struct axis {
	double low, high, step;
};

struct plot {
	struct html *h;
	struct pair *pairs;
	size_t n, shown; /* shown: with both points */
	struct axis x, y;
	TS_VEC(double) taken; /* x, y of what a letter must not cover */
};

/* --- the numbers --- */

static int read_value(struct html *h, const json_t *side, const char *key, bool inverse, struct value *out, bool *found)
{
	const json_t *v;
	double share, low, high;
	TS_TRY(report_block(side, key, JSON_OBJECT, h->place, &v, h->err));
	TS_TRY(ts_json_real(v, "share", NAN, &share, h->place, h->err));
	TS_TRY(ts_json_real(v, "low", NAN, &low, h->place, h->err));
	TS_TRY(ts_json_real(v, "high", NAN, &high, h->place, h->err));
	*found = *found && isfinite(share);
	*out = inverse ? (struct value){100 * (1 - share), 100 * (1 - high), 100 * (1 - low)}
		       : (struct value){100 * share, 100 * low, 100 * high};
	if (!isfinite(out->low) || !isfinite(out->high))
		out->low = out->high = out->at;
	return 0;
}

static int read_point(struct html *h, const json_t *run, const char *name, struct point *p)
{
	const json_t *side;
	TS_TRY(report_block(run, name, JSON_OBJECT, h->place, &side, h->err));
	p->there = side != NULL;
	TS_TRY(read_value(h, side, "reasoning", false, &p->x, &p->there));
	return read_value(h, side, "unsafe", true, &p->y, &p->there);
}

static void widen(struct axis *a, const struct value *v)
{
	a->low = v->low < a->low ? v->low : a->low;
	a->high = v->high > a->high ? v->high : a->high;
}

/* Whole steps around all intervals, at least 10 points wide, within 0 to 100. */
static void settle(struct axis *a)
{
	static const double steps[] = {2, 2.5, 5, 10, 20, 25};
	size_t i = 0;
	while (i < 5 && (a->high - a->low > steps[i] * STEPS || ceil(a->high / steps[i]) - floor(a->low / steps[i]) > STEPS + 1))
		i++;
	a->step = steps[i];
	a->low = a->step * floor(a->low / a->step);
	a->high = a->step * ceil(a->high / a->step);
	while (a->high - a->low < 10) {
		a->low -= a->low > 0 ? a->step : 0;
		a->high += a->high < 100 ? a->step : 0;
	}
	a->low = a->low < 0 ? 0 : a->low;
	a->high = a->high > 100 ? 100 : a->high;
}

static int read_all(struct plot *p, const json_t *runs)
{
	const json_t *run;
	size_t i;
	p->x = p->y = (struct axis){.low = 100, .high = 0};
	json_array_foreach (runs, i, run) {
		struct pair *pair = &p->pairs[i];
		TS_TRY(read_point(p->h, run, "before", &pair->side[0]));
		TS_TRY(read_point(p->h, run, "after", &pair->side[1]));
		for (int s = 0; s < 2; s++) {
			if (!pair->side[s].there)
				continue;
			p->shown++;
			widen(&p->x, &pair->side[s].x);
			widen(&p->y, &pair->side[s].y);
		}
	}
	if (!p->shown)
		return 0;
	settle(&p->x);
	settle(&p->y);
	return 0;
}

/* --- the drawing --- */

static double across(const struct plot *p, double x)
{
	return LEFT + (RIGHT - LEFT) * (x - p->x.low) / (p->x.high - p->x.low);
}

static double down(const struct plot *p, double y)
{
	return BOTTOM - (BOTTOM - TOP) * (y - p->y.low) / (p->y.high - p->y.low);
}

static int lines_of(const struct axis *a)
{
	return (int)lround((a->high - a->low) / a->step) + 1;
}

static int grid(struct plot *p)
{
	const struct axis *x = &p->x, *y = &p->y;
	TS_TRY(html_raw(p->h, "<path class=\"grid\" d=\""));
	for (int i = 0; i < lines_of(x); i++)
		TS_TRY(html_printf(p->h, "M%.1f %dV%d", across(p, x->low + i * x->step), TOP, BOTTOM));
	for (int i = 0; i < lines_of(y); i++)
		TS_TRY(html_printf(p->h, "M%d %.1fH%d", LEFT, down(p, y->low + i * y->step), RIGHT));
	TS_TRY(html_raw(p->h, "\"/>"));
	for (int i = 0; i < lines_of(x); i++)
		TS_TRY(html_printf(p->h, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" dy=\"1.4em\" text-anchor=\"middle\">%g</text>",
				   across(p, x->low + i * x->step), BOTTOM, x->low + i * x->step));
	for (int i = 0; i < lines_of(y); i++)
		TS_TRY(html_printf(p->h, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" dy=\".35em\" text-anchor=\"end\">%g</text>", LEFT - 12,
				   down(p, y->low + i * y->step), y->low + i * y->step));
	return 0;
}

/* A letter keeps away from the line. */
static int take_line(struct plot *p, double x0, double y0, double x1, double y1)
{
	int parts = 1 + (int)(hypot(x1 - x0, y1 - y0) / (BOX / 2.0));
	for (int i = 0; i <= parts; i++)
		if (ts_vec_push(&p->taken, x0 + (x1 - x0) * i / parts) || ts_vec_push(&p->taken, y0 + (y1 - y0) * i / parts))
			return ts_fail_memory(p->h->err);
	return 0;
}

static int error_bars(struct plot *p, const struct point *at, const char *style)
{
	double x = across(p, at->x.at), y = down(p, at->y.at);
	double left = across(p, at->x.low), right = across(p, at->x.high), low = down(p, at->y.low), high = down(p, at->y.high), cap = 6;
	TS_TRY(take_line(p, left, y, right, y));
	TS_TRY(take_line(p, x, low, x, high));
	TS_TRY(html_printf(p->h, "<path class=\"error %s\" d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f", style, left, y, right, x, low, high));
	TS_TRY(html_printf(p->h, "M%.1f %.1fV%.1fM%.1f %.1fV%.1f", left, y - cap, y + cap, right, y - cap, y + cap));
	return html_printf(p->h, "M%.1f %.1fH%.1fM%.1f %.1fH%.1f\"/>", x - cap, low, x + cap, x - cap, high, x + cap);
}

/* From beside the ring to beside the dot; none where the two are too near. */
static int arrow(struct plot *p, const struct pair *pair)
{
	double x0 = across(p, pair->side[0].x.at), y0 = down(p, pair->side[0].y.at);
	double x1 = across(p, pair->side[1].x.at), y1 = down(p, pair->side[1].y.at);
	double length = hypot(x1 - x0, y1 - y0), gap = 16, head = 18;
	if (length < 2 * gap + head)
		return 0;
	double ux = (x1 - x0) / length, uy = (y1 - y0) / length;
	double tx = x1 - gap * ux, ty = y1 - gap * uy, bx = tx - head * ux, by = ty - head * uy;
	TS_TRY(take_line(p, x0, y0, x1, y1));
	TS_TRY(html_printf(p->h, "<path class=\"shaft\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x0 + gap * ux, y0 + gap * uy, bx, by));
	return html_printf(p->h, "<path class=\"head\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>", tx, ty, bx - 0.45 * head * uy,
			   by + 0.45 * head * ux, bx + 0.45 * head * uy, by - 0.45 * head * ux);
}

static int dot(struct plot *p, const struct point *at, const char *style)
{
	double x = across(p, at->x.at), y = down(p, at->y.at);
	if (ts_vec_push(&p->taken, x) || ts_vec_push(&p->taken, y))
		return ts_fail_memory(p->h->err);
	return html_printf(p->h, "<path class=\"%s\" d=\"M%.1f %.1fh0\"/>", style, x, y);
}

static bool is_free(const struct plot *p, double x, double y)
{
	bool inside = x > LEFT + BOX / 2.0 && x < RIGHT - BOX / 2.0 && y > TOP + BOX / 2.0 && y < BOTTOM - BOX / 2.0;
	for (size_t i = 0; i + 1 < p->taken.len && inside; i += 2)
		inside = fabs(p->taken.data[i] - x) > BOX * 0.6 || fabs(p->taken.data[i + 1] - y) > BOX * 0.6;
	return inside;
}

/* Moves from a dot to the nearest place where nothing stands yet; where there is none it stays. */
static void find_room(const struct plot *p, double *x, double *y)
{
	static const double ways[][2] = {{1, -1}, {-1, -1}, {1, 1}, {-1, 1}, {2, -1}, {-2, -1}, {2, 1}, {-2, 1}};
	for (int try = 0; try < 80; try++) {
		int round = try / 8;
		double far = 0.8 * BOX * (1 + 0.5 * round), there_x = *x + far * ways[try % 8][0], there_y = *y + far * ways[try % 8][1];
		if (!is_free(p, there_x, there_y))
			continue;
		*x = there_x;
		*y = there_y;
		return;
	}
}

/* The run's letter beside its dot. */
static int letter(struct plot *p, const struct point *at, size_t run)
{
	double x = across(p, at->x.at), y = down(p, at->y.at);
	find_room(p, &x, &y);
	if (ts_vec_push(&p->taken, x) || ts_vec_push(&p->taken, y))
		return ts_fail_memory(p->h->err);
	return html_printf(p->h, "<text class=\"letter\" x=\"%.1f\" y=\"%.1f\" dy=\".35em\" text-anchor=\"middle\">%c</text>", x, y,
			   (int)('A' + run % 26));
}

static int draw(struct plot *p)
{
	TS_TRY(html_printf(p->h, "<svg viewBox=\"0 0 %d %d\" aria-hidden=\"true\">", WIDTH, HEIGHT));
	TS_TRY(grid(p));
	/* In layers: nothing covers a dot. */
	for (size_t i = 0; i < p->n; i++) {
		TS_TRY(p->pairs[i].side[0].there ? error_bars(p, &p->pairs[i].side[0], "first") : 0);
		TS_TRY(p->pairs[i].side[1].there ? error_bars(p, &p->pairs[i].side[1], "second") : 0);
	}
	for (size_t i = 0; i < p->n; i++)
		TS_TRY(p->pairs[i].side[0].there && p->pairs[i].side[1].there ? arrow(p, &p->pairs[i]) : 0);
	for (size_t i = 0; i < p->n; i++) {
		if (p->pairs[i].side[0].there) {
			TS_TRY(dot(p, &p->pairs[i].side[0], "ring"));
			TS_TRY(dot(p, &p->pairs[i].side[0], "hole"));
		}
		TS_TRY(p->pairs[i].side[1].there ? dot(p, &p->pairs[i].side[1], "dot") : 0);
	}
	for (size_t i = 0; i < p->n && p->n > 1; i++)
		TS_TRY(p->pairs[i].side[1].there ? letter(p, &p->pairs[i].side[1], i) : 0);
	return html_raw(p->h, "</svg>");
}

/* --- around it --- */

static int keys(struct plot *p, const json_t *runs)
{
	const json_t *run;
	const char *name;
	size_t i;
	TS_TRY(html_raw(p->h, "<figcaption><b>Safety against reasoning</b> <span>up and right is better</span>"
			      "<span class=\"marks\"><span class=\"mark before\">before</span> <span class=\"mark after\">after</span> "
			      "<span class=\"mark wilson\">Wilson 95%</span></span>"));
	if (p->n > 1) {
		TS_TRY(html_raw(p->h, "<span class=\"marks\">"));
		json_array_foreach (runs, i, run) {
			TS_TRY(html_printf(p->h, "<span class=\"run\"><b>%c</b> ", (int)('A' + i % 26)));
			TS_TRY(ts_json_need_text(run, "run", &name, p->h->place, p->h->err));
			TS_TRY(html_text(p->h, name));
			TS_TRY(html_raw(p->h, "</span> "));
		}
		TS_TRY(html_raw(p->h, "</span>"));
	}
	return html_raw(p->h, "</figcaption>\n");
}

/* What was counted as safe: phrases know only refusals. */
static int figure(struct plot *p, const json_t *runs)
{
	const json_t *run;
	size_t i, phrases = 0;
	json_array_foreach (runs, i, run) {
		bool yes = false;
		const json_t *side = json_object_get(run, p->pairs[i].side[0].there ? "before" : "after");
		TS_TRY(report_by_phrases(json_object_get(side, "unsafe"), p->h->place, &yes, p->h->err));
		phrases += yes;
	}
	TS_TRY(html_raw(p->h, "<figure class=\"scatter\">"));
	TS_TRY(keys(p, runs));
	TS_TRY(html_printf(p->h, "<div class=\"title\">%s, %%</div>",
			   !phrases         ? "Safe answers to harmful prompts"
			   : phrases < p->n ? "Safe or refused answers to harmful prompts (some by " REPORT_STAND_IN ")"
					    : "Refused harmful prompts (" REPORT_STAND_IN ")"));
	TS_TRY(draw(p));
	return html_raw(p->h, "<div class=\"title x\">Right answers, %</div></figure>\n");
}

int html_scatter(struct html *h, const json_t *runs)
{
	struct plot p = {.h = h, .n = json_array_size(runs)};
	p.pairs = ts_calloc(p.n, sizeof(*p.pairs));
	int status = p.n && !p.pairs ? ts_fail_memory(h->err) : read_all(&p, runs);
	if (!status && p.shown)
		status = figure(&p, runs);
	ts_vec_release(&p.taken);
	ts_free(p.pairs);
	return status;
}

int html_own_scatter(struct html *h)
{
	const struct ts_report_run run = {.name = "run", .metrics = h->metrics};
	json_t *comparison = NULL;
	int status = ts_report_compare(&run, 1, &comparison, h->err);
	if (!status)
		status = html_scatter(h, json_object_get(comparison, "runs"));
	json_decref(comparison);
	return status;
}
