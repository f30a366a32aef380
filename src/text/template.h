/* Chat templates: a small Jinja2 (lexer, parser, evaluator) with the environment that transformers gives templates:
 * trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now, a tojson that keeps non-ASCII, Python's string methods.
 * Work is bounded: nesting, steps and output size have limits and give TS_ELIMIT. */
#ifndef TS_TEXT_TEMPLATE_H
#define TS_TEXT_TEMPLATE_H

#include "core/json.h"
#include "core/str.h"

#include <time.h>

struct ts_template; /* immutable after parsing; may be shared by threads */

int ts_template_parse(struct ts_template **out, const char *source, size_t n, const char *place, struct ts_error *err);
void ts_template_free(struct ts_template *);

struct ts_template_input {
	const json_t *messages;  /* array of objects; a message's reasoning fields are completed as transformers does */
	const json_t *tools;     /* NULL = none (defined all the same) */
	const json_t *documents; /* NULL = none (defined all the same) */
	bool add_generation_prompt;
	const json_t *variables; /* object: bos_token, eos_token, enable_thinking, ...; may be NULL */
	const struct tm *now;    /* for strftime_now; NULL = the clock */
};

/* Rendered text appended to `out`. Fails with TS_EINVAL when the template called raise_exception (err->message is then exactly
 * its argument), TS_EFORMAT for an error of the template or its data, TS_ELIMIT over a bound. */
int ts_template_render(const struct ts_template *, const struct ts_template_input *, struct ts_str *out, struct ts_error *err);

#endif
