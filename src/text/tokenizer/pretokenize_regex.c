/* Where the dialects differ:
 *   \s \S        White_Space; PCRE2's \s also takes U+180E
 *   \w \W        Alphabetic, marks, Nd, Pc; PCRE2's is L, N and underscore
 *   \h \H        a hexadecimal digit; PCRE2's is horizontal space
 *   \p{Han}      the script itself; PCRE2 would add script extensions
 *   (?m)         "dot takes newlines"; PCRE2's name for it is s
 *   x{2}+        a repeat of a repeat; PCRE2's is possessive
 *   [a[b]&&c]    nested classes and intersections; PCRE2 has none
 *   \uHHHH       a code point */
#include "text/tokenizer/pretokenize_regex.h"

#include <ctype.h>
#include <string.h>

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

struct reader {
	const char *regex, *at, *place;
	struct ts_str *out;
	struct ts_error *err;
	bool in_class;
};

static int refuse(const struct reader *r, const char *what)
{
	return ts_fail(r->err, TS_EUNSUPPORTED, "%s: regular expression \"%s\": %s at position %zu", r->place, r->regex, what,
		       (size_t)(r->at - r->regex));
}

/* In a class only the members, outside a class of its own. */
static int put_class(struct reader *r, const char *members, bool negated)
{
	if (r->in_class && negated)
		return refuse(r, "a negated class inside a class");
	return r->in_class ? ts_str_puts(r->out, members) : ts_str_printf(r->out, "[%s%s]", negated ? "^" : "", members);
}

/* \p{Name}, \P{Name}, \p{^Name}: general categories and binary properties keep their name, scripts get "sc:". */
static int put_property(struct reader *r)
{
	static const char *const plain[] = {"Any",       "Alphabetic", "White_Space",           "Uppercase",
					    "Lowercase", "Emoji",      "Extended_Pictographic", "Ideographic"};
	const char *close = strchr(r->at, '}');
	if (r->at[2] != '{' || !close)
		return refuse(r, "a property without braces");
	const char *name = r->at + 3;
	bool negated = *name == '^';
	name += negated;
	size_t len = (size_t)(close - name);
	bool script = len > 2;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strlen(plain[i]) == len && !strncmp(plain[i], name, len))
			script = false;
	TS_TRY(ts_str_printf(r->out, "\\%c{%s%s%.*s}", r->at[1], negated ? "^" : "", script ? "sc:" : "", (int)len, name));
	r->at = close + 1;
	return 0;
}

static int put_code_point(struct reader *r)
{
	for (int i = 2; i < 6; i++)
		if (!isxdigit((unsigned char)r->at[i]))
			return refuse(r, "\\u without four hexadecimal digits");
	TS_TRY(ts_str_printf(r->out, "\\x{%.4s}", r->at + 2));
	r->at += 6;
	return 0;
}

static int put_escape(struct reader *r)
{
	int status;
	switch (r->at[1]) {
	case '\0':
		return refuse(r, "a lone backslash");
	case 'p':
	case 'P':
		return put_property(r);
	case 'u':
		return put_code_point(r);
	case 's':
		status = ts_str_puts(r->out, "\\p{White_Space}");
		break;
	case 'S':
		status = ts_str_puts(r->out, "\\P{White_Space}");
		break;
	case 'w':
	case 'W':
		status = put_class(r, WORD, r->at[1] == 'W');
		break;
	case 'h':
	case 'H':
		status = put_class(r, "0-9A-Fa-f", r->at[1] == 'H');
		break;
	case 'y':
	case 'Y':
	case 'O':
	case 'C':
	case 'M':
	case 'K':
	case 'N':
	case 'v':
	case 'Q':
	case 'E':
	case 'c':
		return refuse(r, "an escape that the dialects read differently");
	default: /* a letter both know, or a quoted character */
		status = ts_str_append(r->out, r->at, 2);
	}
	r->at += 2;
	return status;
}

static int put_bracket(struct reader *r)
{
	r->in_class = true;
	size_t n = r->at[1] == '^' ? 2 : 1;
	if (r->at[n] == ']')
		return refuse(r, "a class that starts with ]");
	TS_TRY(ts_str_append(r->out, r->at, n));
	r->at += n;
	return 0;
}

static int put_in_class(struct reader *r)
{
	if (*r->at == '[' && r->at[1] == ':')
		return refuse(r, "a POSIX class");
	if (*r->at == '[' || !strncmp(r->at, "&&", 2))
		return refuse(r, "a class inside a class");
	if (*r->at == ']')
		r->in_class = false;
	return ts_str_putc(r->out, *r->at++);
}

/* Flags after "(?": Ruby's m is PCRE2's s. */
static int put_group(struct reader *r)
{
	const char *flag = r->at + 2;
	while (*flag == 'i' || *flag == 'm' || *flag == 'x' || *flag == '-')
		flag++;
	if (r->at[1] != '?' || flag == r->at + 2 || (*flag != ':' && *flag != ')'))
		return ts_str_putc(r->out, *r->at++);
	for (; r->at < flag; r->at++)
		TS_TRY(ts_str_putc(r->out, *r->at == 'm' ? 's' : *r->at));
	return 0;
}

int ts_regex_translate(const char *regex, struct ts_str *out, const char *place, struct ts_error *err)
{
	struct reader r = {regex, regex, place, out, err, false};
	while (*r.at) {
		int status;
		if (*r.at == '\\')
			status = put_escape(&r);
		else if (r.in_class)
			status = put_in_class(&r);
		else if (*r.at == '[')
			status = put_bracket(&r);
		else if (*r.at == '(')
			status = put_group(&r);
		else if (*r.at == '}' && r.at[1] == '+')
			return refuse(&r, "a repeated interval");
		else
			status = ts_str_putc(out, *r.at++);
		if (status == TS_ENOMEM || status == TS_ELIMIT)
			return ts_fail(err, status, "%s: %s", place, ts_status_text(status));
		TS_TRY(status);
	}
	return 0;
}
