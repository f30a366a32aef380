/* Drawings: bars, curves, histograms. An SVG holds shapes alone and is stretched to its place; numbers and names are the page's own text
 * beside it, so that they keep their size on a phone. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1000, HEIGHT = 240, MOST_POINTS = 600, BINS = 32 };

static double clamp(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

int html_bar(struct html *h, double share, double low, double high, const char *style)
{
	TS_TRY(html_raw(h, "<svg class=\"bar\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
			   "<path class=\"grid\" d=\"M0 0V20M250 0V20M500 0V20M750 0V20M1000 0V20\"/>"));
	if (isfinite(share))
		TS_TRY(html_printf(h, "<rect class=\"%s\" y=\"4\" width=\"%.1f\" height=\"12\"/>", style, 1000 * clamp(share)));
	if (isfinite(low) && isfinite(high)) {
		double a = 1000 * clamp(low), b = 1000 * clamp(high);
		TS_TRY(html_printf(h, "<path class=\"spread\" d=\"M%.1f 10H%.1fM%.1f 6V14M%.1f 6V14\"/>", a, b, a, b));
	}
	return html_raw(h, "</svg>");
}

/* --- frames --- */

/* The smallest of 1, 2, 2.5, 5 times a power of ten that is at least x / steps. */
static double nice_step(double x, int steps)
{
	static const double nice[] = {1, 2, 2.5, 5, 10};
	double raw = x > 0 ? x / steps : 1, power = pow(10, floor(log10(raw)));
	for (size_t i = 0; i < 5; i++)
		if (raw <= nice[i] * power * (1 + 1e-9))
			return nice[i] * power;
	return 10 * power;
}

struct frame {
	double top;       /* of the y axis, which starts at 0 */
	double step;      /* between its lines */
	int lines;        /* above 0 */
	const char *unit; /* behind numbers of the y axis */
	double scale;     /* of the numbers shown */
};

static struct frame frame_for(double largest, int lines)
{
	struct frame f = {.step = nice_step(largest, lines), .unit = "", .scale = 1};
	f.lines = (int)ceil(largest / f.step - 1e-9);
	f.lines = f.lines < 1 ? 1 : f.lines;
	f.top = f.step * f.lines;
	return f;
}

static int open_plot(struct html *h, const struct frame *f)
{
	TS_TRY(html_raw(h, "<div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">"));
	for (int i = f->lines; i >= 0; i--)
		TS_TRY(html_printf(h, "<span>%.6g%s</span>", f->scale * f->step * i, f->unit));
	TS_TRY(html_printf(h,
			   "</div><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"grid\" d=\"",
			   WIDTH, HEIGHT));
	for (int i = 0; i <= f->lines; i++)
		TS_TRY(html_printf(h, "M0 %.1fH%d", HEIGHT * (1 - (double)i / f->lines), WIDTH));
	return html_raw(h, "\"/>");
}

/* `first` and `last` are the ends of the x axis, whole numbers. */
static int close_plot(struct html *h, int64_t first, int64_t last, const char *unit)
{
	TS_TRY(html_raw(h, "</svg><div class=\"x\" aria-hidden=\"true\"><span>"));
	TS_TRY(html_count(h, first));
	TS_TRY(html_printf(h, "</span><span>%s</span><span>", unit));
	TS_TRY(html_count(h, last));
	return html_raw(h, "</span></div></div>");
}

/* --- training --- */

enum series { LOSS, GRAD_NORM, RATE };

static double value_of(const struct ts_step *s, enum series which)
{
	return which == LOSS ? s->loss : which == GRAD_NORM ? s->grad_norm : s->lr;
}

/* The mean of steps [begin, end); NaN when one of them is no number. */
static double mean_of(const struct ts_steps *steps, enum series which, size_t begin, size_t end)
{
	double sum = 0;
	for (size_t i = begin; i < end; i++)
		sum += value_of(&steps->rows.data[i], which);
	return sum / (double)(end - begin);
}

/* Means of `group` steps, each with `more` steps on both sides taken in; what is no number leaves a gap. */
static int curve(struct html *h, const struct ts_steps *steps, enum series which, size_t group, size_t more, double top, const char *style)
{
	bool open = false;
	size_t n = steps->rows.len;
	TS_TRY(html_printf(h, "<path class=\"%s\" d=\"", style));
	for (size_t i = 0; i < n; i += group) {
		size_t end = i + group < n ? i + group : n;
		double y = mean_of(steps, which, i > more ? i - more : 0, end + more < n ? end + more : n);
		double x = n > 1 ? WIDTH * ((double)(i + end - 1) / 2) / (double)(n - 1) : 0;
		if (isfinite(y))
			TS_TRY(html_printf(h, "%s%.1f %.1f", open ? "L" : "M", x, HEIGHT * (1 - y / top)));
		open = isfinite(y);
	}
	return html_raw(h, "\"/>");
}

/* What of a curve is said in its title. */
struct summary {
	double first, last, largest;
};

static struct summary summarize(const struct ts_steps *steps, enum series which)
{
	struct summary s = {NAN, NAN, 0};
	for (size_t i = 0; i < steps->rows.len; i++) {
		double y = value_of(&steps->rows.data[i], which);
		if (!isfinite(y))
			continue;
		s.largest = y > s.largest ? y : s.largest;
		s.first = isfinite(s.first) ? s.first : y;
		s.last = y;
	}
	return s;
}

static int caption(struct html *h, enum series which, const struct summary *s, size_t group, size_t more)
{
	static const char *const titles[] = {[LOSS] = "Loss", [GRAD_NORM] = "Gradient norm, before clipping", [RATE] = "Learning rate"};
	TS_TRY(html_printf(h, "<figcaption><b>%s</b> <span>", titles[which]));
	if (which == LOSS)
		TS_TRY(html_printf(h, "%.3g at the first step, %.3g at the last", s->first, s->last));
	else
		TS_TRY(html_printf(h, "largest %.3g", s->largest));
	if (more)
		TS_TRY(html_printf(h, "; the strong line is the mean of %zu steps", 2 * more + group));
	if (group > 1)
		TS_TRY(html_printf(h, "; %zu steps to a point", group));
	return html_raw(h, "</span></figcaption>");
}

static int figure(struct html *h, const struct ts_steps *steps, enum series which)
{
	size_t n = steps->rows.len, group = (n + MOST_POINTS - 1) / MOST_POINTS, more = which != RATE && n >= 40 ? n / 40 : 0;
	struct summary s = summarize(steps, which);
	struct frame f = frame_for(s.largest, which == LOSS ? 4 : 3);
	TS_TRY(html_printf(h, "<figure class=\"%s\">", which == LOSS ? "large" : "small"));
	TS_TRY(caption(h, which, &s, group, more));
	TS_TRY(open_plot(h, &f));
	TS_TRY(curve(h, steps, which, group, 0, f.top, more ? "faint" : "line"));
	if (more)
		TS_TRY(curve(h, steps, which, group, more, f.top, "line"));
	TS_TRY(close_plot(h, steps->rows.data[0].step, steps->rows.data[n - 1].step, "step"));
	return html_raw(h, "</figure>\n");
}

/* "530 examples, 3 epochs, 201 steps of up to 8 examples, 81,465 target tokens." */
static int training_words(struct html *h)
{
	static const struct {
		const char *key, *word;
	} parts[] = {{"examples", " examples, "},
		     {"epochs", " epochs, "},
		     {"steps", " steps of up to "},
		     {"batch", " examples, "},
		     {"target_tokens", " target tokens."}};
	const json_t *train;
	TS_TRY(report_block(h->metrics, "train", JSON_OBJECT, h->place, &train, h->err));
	if (!train)
		return 0;
	TS_TRY(html_raw(h, "<p>"));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int64_t n;
		TS_TRY(ts_json_int(train, parts[i].key, 0, &n, h->place, h->err));
		TS_TRY(html_count(h, n));
		TS_TRY(html_raw(h, parts[i].word));
	}
	return html_raw(h, "</p>\n");
}

int html_training(struct html *h)
{
	struct ts_steps steps = {0};
	int status = ts_store_get_steps(h->store, &steps, h->err);
	if (status)
		goto done;
	TS_GOTO(html_raw(h, "<section id=\"training\"><h2>Training</h2>\n"));
	TS_GOTO(training_words(h));
	if (steps.rows.len) {
		TS_GOTO(figure(h, &steps, LOSS));
		TS_GOTO(html_raw(h, "<div class=\"pair\">"));
		TS_GOTO(figure(h, &steps, RATE));
		TS_GOTO(figure(h, &steps, GRAD_NORM));
		TS_GOTO(html_raw(h, "</div>"));
	}
	TS_GOTO(html_raw(h, "</section>\n"));
done:
	ts_vec_release(&steps.rows);
	return status;
}

/* --- lengths --- */

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

/* Ascending, for median and largest. */
static void sort(struct html_lengths *l)
{
	if (l->tokens.len)
		qsort(l->tokens.data, l->tokens.len, sizeof(*l->tokens.data), compare);
}

static int largest(const struct html_lengths *l)
{
	return l->tokens.len ? l->tokens.data[l->tokens.len - 1] : 0;
}

/* Shares of the responses in bins of `width` tokens. */
static double fill(const struct html_lengths *l, int width, double bins[BINS])
{
	double top = 0;
	memset(bins, 0, BINS * sizeof(*bins));
	for (size_t i = 0; i < l->tokens.len; i++)
		bins[l->tokens.data[i] / width] += 1 / (double)l->tokens.len;
	for (size_t i = 0; i < BINS; i++)
		top = bins[i] > top ? bins[i] : top;
	return top;
}

static int steps_path(struct html *h, const double bins[BINS], double top, bool closed)
{
	TS_TRY(html_printf(h, "<path class=\"%s\" d=\"M0 %d", closed ? "area" : "line", HEIGHT));
	for (int i = 0; i < BINS; i++)
		TS_TRY(html_printf(h, "V%.1fH%.1f", HEIGHT * (1 - bins[i] / top), (double)WIDTH * (i + 1) / BINS));
	return html_printf(h, "V%d%s\"/>", HEIGHT, closed ? "Z" : "");
}

static int key(struct html *h, const struct html_lengths *l, const char *name, const char *style)
{
	TS_TRY(html_printf(h, "<span class=\"key %s\">%s: ", style, name));
	if (!l->tokens.len)
		return html_raw(h, "none</span> ");
	return html_printf(h, "%zu, median %d, longest %d</span> ", l->tokens.len, l->tokens.data[l->tokens.len / 2], largest(l));
}

static int histogram(struct html *h, struct html_lengths pair[2], const char *title, const char *first, const char *second)
{
	double a[BINS], b[BINS];
	sort(&pair[0]);
	sort(&pair[1]);
	int end = largest(&pair[0]) > largest(&pair[1]) ? largest(&pair[0]) : largest(&pair[1]);
	if (!pair[0].tokens.len && !pair[1].tokens.len)
		return 0;
	int width = end / BINS + 1;
	double top_a = fill(&pair[0], width, a), top_b = fill(&pair[1], width, b);
	struct frame f = frame_for(top_a > top_b ? top_a : top_b, 3);
	f.unit = "%";
	f.scale = 100;
	TS_TRY(html_printf(h, "<figure class=\"small\"><figcaption><b>%s</b> ", title));
	TS_TRY(key(h, &pair[0], first, "area"));
	TS_TRY(key(h, &pair[1], second, "line"));
	TS_TRY(html_raw(h, "</figcaption>"));
	TS_TRY(open_plot(h, &f));
	TS_TRY(steps_path(h, a, f.top, true));
	TS_TRY(steps_path(h, b, f.top, false));
	TS_TRY(close_plot(h, 0, (int64_t)width * BINS, "tokens"));
	return html_raw(h, "</figure>\n");
}

int html_length_charts(struct html *h)
{
	if (!h->sets.len)
		return 0;
	TS_TRY(html_raw(h,
			"<section id=\"lengths\"><h2>Lengths of responses</h2>\n"
			"<p>Tokens of a response, thinking included; the height is the share of responses.</p>\n<div class=\"pair\">\n"));
	TS_TRY(histogram(h, h->lengths[HTML_HARMFUL], "Harmful evaluation prompts", "before", "after"));
	TS_TRY(histogram(h, h->lengths[HTML_HARMLESS], "Harmless evaluation prompts", "before", "after"));
	TS_TRY(histogram(h, h->lengths[HTML_TRAINING], "Generated for training", "benign", "harmful"));
	return html_raw(h, "</div></section>\n");
}
