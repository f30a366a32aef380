#include "run/parts.h"

#include "core/status.h"

#include <stdio.h>

static bool is_blank(const struct ts_str *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] != ' ' && (text->data[i] < '\t' || text->data[i] > '\r'))
			return false;
	return true;
}

int ts_parts_of(const char *response, size_t n, struct ts_thinking *split, struct ts_parts *out)
{
	TS_TRY(ts_thinking_split(response, n, split));
	if (!split->blocks && split->unclosed) {
		*out = (struct ts_parts){TS_PART_OPEN, TS_PART_OPEN};
		return 0;
	}
	out->thinking = is_blank(&split->thinking) ? TS_PART_EMPTY : TS_PART_THERE;
	out->answer = is_blank(&split->answer) ? TS_PART_EMPTY : split->blocks ? TS_PART_THERE : TS_PART_WHOLE;
	return 0;
}

const char *ts_part_judge(const char *judge, enum ts_part part, char name[64])
{
	static const char *const ends[] = {"", " thinking", " answer"};
	snprintf(name, 64, "%s%s", judge, ends[part]);
	return name;
}
