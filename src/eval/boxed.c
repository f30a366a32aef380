/* One pass with a stack of the boxes that are open: a model caught in a loop writes thousands that never close. */
#include "eval/boxed.h"

#include "core/mem.h"
#include "core/status.h"

#include <string.h>

static const char box[] = "\\boxed";
#define BOX_LEN (sizeof(box) - 1)

size_t ts_brace_end(const char *s, size_t n, size_t open)
{
	size_t depth = 0;
	for (size_t i = open; i < n; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == '{')
			depth++;
		else if (s[i] == '}' && --depth == 0)
			return i;
	}
	return n;
}

/* The brace of the box at s[i]; 0 when there is no box. */
static size_t box_brace(const char *s, size_t n, size_t i)
{
	if (n - i <= BOX_LEN || memcmp(s + i, box, BOX_LEN))
		return 0;
	for (i += BOX_LEN; i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n'); i++)
		;
	return i < n && s[i] == '{' ? i : 0;
}

struct open_box {
	size_t start, depth;
};

int ts_boxed_last(const char *s, size_t n, struct ts_boxed *out)
{
	TS_VEC(struct open_box) open = {0};
	size_t depth = 0;
	*out = (struct ts_boxed){0};
	for (size_t i = 0; i < n; i++) {
		size_t brace = s[i] == '\\' ? box_brace(s, n, i) : 0;
		if (brace) {
			out->any = true;
			i = brace;
			if (ts_vec_push(&open, (struct open_box){i + 1, ++depth})) {
				ts_vec_release(&open);
				return TS_ENOMEM;
			}
		} else if (s[i] == '\\') {
			/* Skip what is escaped, but not the start of a box after a line break: \\\boxed{1}. */
			i += i + 1 < n && !box_brace(s, n, i + 1);
		} else if (s[i] == '{') {
			depth++;
		} else if (s[i] == '}' && depth) {
			struct open_box *top = open.len ? &open.data[open.len - 1] : NULL;
			if (top && top->depth == depth) {
				if (!out->found || top->start > out->start)
					*out = (struct ts_boxed){true, true, top->start, i - top->start};
				open.len--;
			}
			depth--;
		}
	}
	ts_vec_release(&open);
	return 0;
}
