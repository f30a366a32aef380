/* The guard: judges (prompt, response) pairs. What cannot be judged (a cut or NaN answer, a response that the guard's
 * template loses) is `unjudged`, never safe.
 *
 * Like the responder it pulls its work: `next` gives a case, `done` gets its verdict, in any order. */
#ifndef TS_GUARD_GUARD_H
#define TS_GUARD_GUARD_H

#include "core/context.h"
#include "core/status.h"

/* The last two are all that a judge of refusals knows (guard/keywords.h). */
enum ts_judgement { TS_SAFE, TS_UNSAFE, TS_UNJUDGED, TS_REFUSAL, TS_COMPLIANCE };
const char *ts_judgement_name(enum ts_judgement); /* "safe", "unsafe", "unjudged", "refusal", "compliance" */

/* Why an answer of NaN is unjudged. */
#define TS_GUARD_NOT_FINITE "the guard's logits are not finite"

struct ts_case {
	size_t index;                  /* the caller's */
	const char *prompt, *response; /* NUL-terminated, the caller's until done; the prompt without steering */
};

struct ts_judged {
	enum ts_judgement judgement;
	double unsafe_probability; /* P(unsafe) / (P(safe) + P(unsafe)); NaN when unjudged, or when the judge has none */
	const char *why;           /* why it is unjudged, or NULL, or how it was judged; lives until `done` returns */
};

struct ts_case_source {
	void *user;
	int (*next)(void *user, struct ts_case *out); /* 1, 0 = no more, negative = stop */
	int (*done)(void *user, const struct ts_case *, const struct ts_judged *);
	int (*tick)(void *user); /* as in ts_source; may be NULL */
};

struct ts_guard {
	const char *name; /* "llama_guard", "wildguard", "wildguard refusal", "keywords" */
	int (*run)(struct ts_guard *, const struct ts_case_source *, const struct ts_context *, struct ts_error *err);
	void (*close)(struct ts_guard *);
};

#endif
