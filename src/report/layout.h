/* Lines with columns, for the terminal tables of this room. A column is a code point: exact for all but wide scripts. */
#ifndef TS_REPORT_LAYOUT_H
#define TS_REPORT_LAYOUT_H

#include "core/str.h"

struct ts_layout {
	struct ts_str *out;
	size_t columns; /* where text wraps */
	size_t column;  /* of the cursor in the current line */
};

/* All return 0, TS_ENOMEM or TS_ELIMIT. */

/* Text that starts at `column`, or two columns after what is there already. */
int ts_layout_left(struct ts_layout *, size_t column, const char *text);
/* Text that ends before `column`, or starts two columns after what is there already. */
int ts_layout_right(struct ts_layout *, size_t column, const char *text);
int ts_layout_right_printf(struct ts_layout *, size_t column, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Text that goes on, broken between words (inside a word only when it alone is too long); further lines start at `indent`. */
int ts_layout_wrap(struct ts_layout *, size_t indent, const char *text);
int ts_layout_wrap_printf(struct ts_layout *, size_t indent, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* End the line; spaces at its end are dropped. */
int ts_layout_line(struct ts_layout *);

/* Columns that a text takes. */
size_t ts_layout_width(const char *text);

#endif
