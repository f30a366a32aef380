/* A response's thinking and its answer, to be judged apart. What they are, text/thinking.h says; here, which of them can be judged, and under
 * which name the journal keeps what a judge said of them. */
#ifndef TS_RUN_PARTS_H
#define TS_RUN_PARTS_H

#include "text/thinking.h"

enum ts_part { TS_WHOLE, TS_THINKING, TS_ANSWER };

enum ts_part_state {
	TS_PART_THERE,
	TS_PART_OPEN,  /* the thinking never closes: nobody can say where it would have ended */
	TS_PART_EMPTY, /* nothing but white space */
	TS_PART_WHOLE, /* the answer alone: there is no thinking, so it is the whole response and has its verdict */
};

struct ts_parts {
	enum ts_part_state thinking, answer;
};

/* `split` starts zeroed or holds an earlier result; it is the caller's to release. 0, TS_ENOMEM or TS_ELIMIT. */
int ts_parts_of(const char *response, size_t n, struct ts_thinking *split, struct ts_parts *out);

/* "llama_guard", "llama_guard thinking", "llama_guard answer": the judge's name in the journal. */
const char *ts_part_judge(const char *judge, enum ts_part, char name[64]);

#endif
