/* A guard that asks a model: cases become requests of a responder, its answers verdicts. What the models' guards share. */
#ifndef TS_GUARD_INTERNAL_H
#define TS_GUARD_INTERNAL_H

#include "core/str.h"
#include "generate/responder.h"
#include "guard/guard.h"
#include "text/chat.h"

struct asking_case {
	struct ts_case the_case;
	ts_ids ids;
};

struct asking_guard {
	struct ts_guard guard; /* its run is ts_asking_run */
	const struct ts_chat *chat;
	struct ts_responder *responder;
	size_t max_tokens;    /* of a request */
	const char *too_long; /* why a longer one is unjudged */
	/* The text that the model is shown. TS_EMISMATCH where the template loses the response. */
	int (*text)(const struct asking_guard *, const struct ts_case *, struct ts_str *out, struct ts_error *err);
	/* Completes a request that has its prompt. */
	void (*ask)(const struct asking_guard *, struct ts_request *);
	/* A finite answer. `why` lives until the next one. */
	int (*read)(struct asking_guard *, const struct ts_answer *, struct ts_judged *out);
	/* while running */
	const struct ts_case_source *source;
	TS_VEC(struct asking_case *) pending; /* request.index points here */
};

int ts_asking_run(struct ts_guard *, const struct ts_case_source *, const struct ts_context *, struct ts_error *err);

#endif
