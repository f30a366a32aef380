/* Command-line options: one table per command gives parsing and help. */
#ifndef TS_CLI_OPTIONS_H
#define TS_CLI_OPTIONS_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ts_option_type {
	TS_OPT_FLAG,  /* bool */
	TS_OPT_TEXT,  /* const char * */
	TS_OPT_COUNT, /* size_t */
	TS_OPT_INT,   /* int64_t */
	TS_OPT_REAL,  /* double */
	TS_OPT_BYTES, /* size_t; 512M, 8G */
	TS_OPT_EACH,  /* calls each(value, name, text); may be given several times */
	TS_OPT_KEY,   /* the same, for a key of the recipe */
};

struct ts_option {
	const char *name;     /* without dashes */
	const char *argument; /* NULL for a flag; shown in the help. DIR, FILE or another name in capitals, or words: "f32|bf16" */
	const char *help;
	enum ts_option_type type;
	void *value;
	int (*each)(void *value, const char *name, const char *text, struct ts_error *err);
};

/* Parses argv[0..argc) (after the command's name). Words that are not options are moved to the front of argv and counted.
 * *help becomes true on -h or --help. TS_EINVAL with a message for wrong usage. */
int ts_options_parse(const struct ts_option *, size_t count, int argc, char **argv, int *words, bool *help, struct ts_error *err);

/* Prints the table to stdout, one option a line. */
void ts_options_help(const struct ts_option *, size_t count);

#endif
