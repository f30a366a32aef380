/* On a terminal one line is redrawn in place, at most ten times a second; elsewhere one line per 10% of a stage. */
#include "cli/terminal.h"

#include "cli/session.h"
#include "text/visible.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requested;

static struct {
	bool quiet, tty, line_open;
	char stage[64];
	double started, drawn;
	uint64_t first, tenth; /* progress when the stage began (resumed work), last tenth printed */
} terminal;

static void on_signal(int number)
{
	stop_requested = number;
	signal(number, SIG_DFL);
}

static void on_signal_waiting(int number)
{
	static const char message[] = "\nstopped: nothing was read yet\n";
	(void)number;
	if (write(STDERR_FILENO, message, sizeof(message) - 1)) {
		/* nobody is left to tell */
	}
	_exit(TS_EXIT_FAILED);
}

static void on_signal_conversing(int number)
{
	/* SIGTERM is not forgotten for a Ctrl-C after it. */
	if (stop_requested != SIGTERM)
		stop_requested = number;
}

static void handle(void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void ts_terminal_waiting(bool on)
{
	handle(on ? on_signal_waiting : on_signal, SA_RESTART);
}

void ts_terminal_converse(bool person, bool waiting)
{
	handle(person ? on_signal_conversing : on_signal, waiting ? 0 : SA_RESTART);
}

int ts_terminal_signal(void)
{
	return stop_requested;
}

void ts_terminal_go_on(void)
{
	if (stop_requested == SIGINT)
		stop_requested = 0;
}

void ts_format_seconds(double seconds, char text[24])
{
	long s = seconds < 0 ? 0 : seconds > 359999 ? 359999 : (long)(seconds + 0.5);
	if (s >= 3600)
		snprintf(text, 24, "%ldh %02ldm", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(text, 24, "%ldm %02lds", s / 60, s % 60);
	else
		snprintf(text, 24, "%lds", s);
}

static const char *const size_units[] = {"B", "kB", "MB", "GB", "TB"};

static size_t size_unit(double bytes)
{
	size_t unit = 0;
	for (; bytes >= 999.5 && unit < 4; unit++)
		bytes /= 1000;
	return unit;
}

void ts_format_bytes(double bytes, char text[24])
{
	size_t unit = size_unit(bytes);
	bytes /= pow(1000, (double)unit);
	snprintf(text, 24, "%.*f %s", unit && bytes < 99.95 ? 1 : 0, bytes, size_units[unit]);
}

void ts_terminal_close_line(void)
{
	if (terminal.line_open)
		fputc('\n', stderr);
	terminal.line_open = false;
}

void ts_terminal_say(const char *before, const char *message)
{
	struct ts_str text = {0};
	if (!ts_visible(message, strlen(message), &text))
		message = ts_str_c(&text);
	for (char *c = text.data; c && (c = strpbrk(c, "\n\t"));)
		*c = ' ';
	fprintf(stderr, "%s%s\n", before, message);
	ts_str_release(&text);
}

static void log_line(void *user, enum ts_log_level level, const char *message)
{
	(void)user;
	if (terminal.quiet && level == TS_LOG_INFO)
		return;
	ts_terminal_close_line();
	ts_terminal_say(level == TS_LOG_WARN ? "warning: " : "", message);
}

static void begin_stage(const char *stage, uint64_t done)
{
	ts_terminal_close_line();
	snprintf(terminal.stage, sizeof(terminal.stage), "%s", stage);
	terminal.started = ts_clock();
	terminal.drawn = 0;
	terminal.first = done;
	terminal.tenth = 0;
}

/* A line longer than the window would wrap, and could not be drawn over. */
static size_t window_columns(void)
{
	struct winsize size;
	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20 ? size.ws_col : 80;
}

/* "130/500 responses  12/s"; of bytes "0.47/1.17 GB  12 MB/s". */
static void format_counts(uint64_t done, uint64_t total, const char *unit, double rate, char text[160])
{
	char speed[24];
	size_t step = size_unit((double)total);
	double scale = pow(1000, (double)step), all = (double)total / scale;
	ts_format_bytes(rate, speed);
	if (!strcmp(unit, "bytes"))
		snprintf(text, 160, "%.*f/%.*f %s  %s/s", all < 10 && step ? 2 : 0, (double)done / scale, all < 10 && step ? 2 : 0, all,
			 size_units[step], speed);
	else
		snprintf(text, 160, "%llu/%llu %s  %.*f/s", (unsigned long long)done, (unsigned long long)total, unit, rate < 10 ? 2 : 0,
			 rate);
}

static void draw(uint64_t done, uint64_t total, const char *unit, const char *note, bool bar)
{
	double elapsed = ts_clock() - terminal.started;
	double rate = elapsed > 0 ? (double)(done - terminal.first) / elapsed : 0;
	char left[24] = "?", cells[25], counts[160], line[512];
	if (done == total)
		ts_format_seconds(elapsed, left);
	else if (rate > 0)
		ts_format_seconds((double)(total - done) / rate, left);
	int percent = total ? (int)(100 * done / total) : 100, width = window_columns() < 100 ? 12 : 24;
	for (int i = 0; i < width; i++)
		cells[i] = i < percent * width / 100 ? '#' : '.';
	cells[width] = '\0';
	format_counts(done, total, unit, rate, counts);
	snprintf(line, sizeof(line), "%-16s %s%s%s%3d%%  %s  %s %s%s%s", terminal.stage, bar ? "[" : "", bar ? cells : "", bar ? "] " : "",
		 percent, counts, done == total ? "took" : "left", left, note ? "  " : "", note ? note : "");
	if (bar)
		fprintf(stderr, "\r%.*s\033[K", (int)window_columns() - 1, line);
	else
		fprintf(stderr, "%s\n", line);
	terminal.line_open = bar;
}

static void progress(void *user, const char *stage, uint64_t done, uint64_t total, const char *unit, const char *note)
{
	(void)user;
	if (terminal.quiet)
		return;
	if (strncmp(terminal.stage, stage, sizeof(terminal.stage) - 1))
		begin_stage(stage, done);
	if (done < terminal.first) /* a download that starts over */
		terminal.first = done;
	uint64_t tenth = total ? 10 * done / total : 10;
	double now = ts_clock();
	if (terminal.tty && (done == total || now - terminal.drawn > 0.1)) {
		draw(done, total, unit, note, true);
		terminal.drawn = now;
	} else if (!terminal.tty && tenth > terminal.tenth) {
		draw(done, total, unit, note, false);
	}
	terminal.tenth = tenth;
	if (done == total) {
		ts_terminal_close_line();
		terminal.stage[0] = '\0';
	}
	fflush(stderr);
}

void ts_terminal_init(struct ts_context *context, bool quiet)
{
	memset(&terminal, 0, sizeof(terminal));
	terminal.quiet = quiet;
	terminal.tty = isatty(STDERR_FILENO);
	*context = (struct ts_context){.log = log_line, .progress = progress, .stop = &stop_requested};
	handle(on_signal, SA_RESTART);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over the limit (ulimit -f) is an error that is told, like a full disk */
}
