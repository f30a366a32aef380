#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(struct ts_error *err, const struct ts_option *o, const char *text, const char *expected)
{
	return ts_fail(err, TS_EINVAL, "--%s: expected %s, found \"%s\"", o->name, expected, text);
}

static int set_count(const struct ts_option *o, const char *text, struct ts_error *err)
{
	char *end;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9')
		return wrong(err, o, text, "a whole number");
	*(size_t *)o->value = (size_t)v;
	return 0;
}

static int set_bytes(const struct ts_option *o, const char *text, struct ts_error *err)
{
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	static const char units[] = "KMGT";
	const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
	if (errno || end == text || !(v >= 0 && v < 1e15) || (*end && (!unit || (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))))
		return wrong(err, o, text, "a size such as 512M or 8G");
	for (long i = unit ? unit - units + 1 : 0; i > 0; i--)
		v *= 1024;
	if (v > 1e18)
		return wrong(err, o, text, "a size below 1e18 bytes");
	*(size_t *)o->value = (size_t)v;
	return 0;
}

static int set(const struct ts_option *o, const char *text, struct ts_error *err)
{
	char *end;
	errno = 0;
	switch (o->type) {
	case TS_OPT_TEXT:
		*(const char **)o->value = text;
		return 0;
	case TS_OPT_COUNT:
		return set_count(o, text, err);
	case TS_OPT_BYTES:
		return set_bytes(o, text, err);
	case TS_OPT_INT:
		*(int64_t *)o->value = strtoll(text, &end, 10);
		return errno || end == text || *end ? wrong(err, o, text, "a whole number") : 0;
	case TS_OPT_REAL:
		*(double *)o->value = strtod(text, &end);
		return errno || end == text || *end || !isfinite(*(double *)o->value) ? wrong(err, o, text, "a number") : 0;
	case TS_OPT_EACH:
	case TS_OPT_KEY:
		return o->each(o->value, o->name, text, err);
	default:
		return TS_EINVAL;
	}
}

/* '-' and '_' are one: recipe keys are written with the one, options with the other. */
static bool same_name(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
			return false;
	return true;
}

static const struct ts_option *find(const struct ts_option *options, size_t count, const char *name, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(options[i].name) == n && same_name(options[i].name, name, n))
			return &options[i];
	return NULL;
}

int ts_options_parse(const struct ts_option *options, size_t count, int argc, char **argv, int *words, bool *help, struct ts_error *err)
{
	*words = 0;
	*help = false;
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
			*help = true;
			return 0;
		}
		if (word[0] != '-' || !word[1]) {
			argv[(*words)++] = argv[i];
			continue;
		}
		const char *name = word + (word[1] == '-' ? 2 : 1), *equals = strchr(name, '=');
		size_t n = equals ? (size_t)(equals - name) : strlen(name);
		const struct ts_option *o = find(options, count, name, n);
		if (!o || word[1] != '-')
			return ts_fail(err, TS_EINVAL, "unknown option %s", word);
		if (o->type == TS_OPT_FLAG) {
			if (equals)
				return ts_fail(err, TS_EINVAL, "--%s takes no value", o->name);
			*(bool *)o->value = true;
			continue;
		}
		const char *text = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
		if (!text)
			return ts_fail(err, TS_EINVAL, "--%s needs a value (%s)", o->name, o->argument);
		TS_TRY(set(o, text, err));
	}
	return 0;
}

void ts_options_help(const struct ts_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char left[96];
		const char *argument = options[i].argument ? options[i].argument : "";
		snprintf(left, sizeof(left), "--%s%s%s", options[i].name, *argument ? " " : "", argument);
		for (char *p = left; *p && *p != ' '; p++)
			*p = *p == '_' ? '-' : *p;
		if (strlen(left) > 32)
			printf("  %s\n  %-32s %s\n", left, "", options[i].help);
		else
			printf("  %-32s %s\n", left, options[i].help);
	}
}
