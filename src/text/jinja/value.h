/* Values of a template: Python's, as far as templates see them. Lists, tuples and strings never change once made; dicts change
 * only while they are built. All memory comes from one arena that lives as long as the rendering (or the template, for constants). */
#ifndef TS_TEXT_JINJA_VALUE_H
#define TS_TEXT_JINJA_VALUE_H

#include "core/mem.h"
#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_j_string {
	size_t n;      /* bytes */
	size_t points; /* code points; equal to n exactly for ASCII */
	char data[];   /* NUL-terminated UTF-8 */
};

enum ts_j_kind {
	TS_J_UNDEFINED,
	TS_J_NONE,
	TS_J_BOOL,
	TS_J_INT,
	TS_J_FLOAT,
	TS_J_STRING,
	TS_J_LIST,
	TS_J_TUPLE,
	TS_J_DICT,
	TS_J_RANGE,
	TS_J_ITER,      /* a generator: yields its items once */
	TS_J_VIEW,      /* dict.keys(), .values(), .items() */
	TS_J_NAMESPACE, /* a dict with attribute assignment */
	TS_J_LOOP,
	TS_J_FUNCTION,
	TS_J_METHOD,
	TS_J_MACRO,
	TS_J_CYCLER,
	TS_J_JOINER,
};

struct ts_j_list;
struct ts_j_dict;
struct ts_j_range;
struct ts_j_stream;
struct ts_j_loop;
struct ts_j_method;
struct ts_j_macro;

struct ts_j_value {
	enum ts_j_kind kind;
	bool safe;    /* string: already escaped (Markup) */
	uint8_t view; /* view: 0 keys, 1 values, 2 items */
	union {
		bool b;
		int64_t i;
		double f;
		const struct ts_j_string *s; /* string; for undefined the name for messages, may be NULL */
		struct ts_j_list *list;      /* list, tuple */
		struct ts_j_dict *dict;      /* dict, view, namespace */
		const struct ts_j_range *range;
		struct ts_j_stream *stream; /* iterator, cycler, joiner */
		struct ts_j_loop *loop;
		const struct ts_j_method *method;
		const struct ts_j_macro *macro;
		int function;
	} u;
};

struct ts_j_list {
	size_t n;
	bool group; /* a row of groupby: has attributes grouper and list */
	struct ts_j_value items[];
};

struct ts_j_entry {
	struct ts_j_value key, value;
	uint64_t hash;
};

struct ts_j_dict {
	struct ts_j_entry *entries; /* in insertion order */
	size_t n, cap;
	uint32_t *slots; /* index + 1, once there are more than a few; a power of two */
	size_t n_slots;
};

struct ts_j_range {
	int64_t start, stop, step;
	int64_t n;
};

struct ts_j_stream {
	struct ts_j_list *items;
	size_t at;
	const char *name; /* as Python's repr names the type */
};

/* Walks over any iterable. */
struct ts_j_iter {
	struct ts_j_value over;
	size_t at; /* index, or byte offset in a string */
};

#endif
