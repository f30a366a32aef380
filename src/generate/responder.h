/* The responder: whoever turns prompts into responses. Today the local engine (generate/engine.h); a remote server is
 * another set of the same two slots.
 *
 * Work is pulled: the responder asks `next` for a request whenever it has room and hands each answer to `done` as
 * soon as it is finished, in any order. An answer depends on its request alone. */
#ifndef TS_GENERATE_RESPONDER_H
#define TS_GENERATE_RESPONDER_H

#include "core/context.h"
#include "core/philox.h"
#include "core/status.h"
#include "generate/sampler.h"

enum ts_finish { TS_FINISH_STOP, TS_FINISH_LENGTH, TS_FINISH_CONTEXT };
const char *ts_finish_name(enum ts_finish); /* "stop", "length", "context" */

enum { TS_MAX_PROBES = 4 };

struct ts_request {
	size_t index;          /* the caller's; comes back with the answer */
	const int32_t *prompt; /* [prompt_len] caller's memory, valid until done */
	size_t prompt_len;     /* at least 1 */
	struct ts_sampling sampling;
	struct ts_random_key key;
	bool ignore_eos;
	/* With probe_count > 0 nothing is generated: the answer is the log-probabilities of these tokens after the prompt. */
	int probe_count;
	int32_t probes[TS_MAX_PROBES];
};

struct ts_answer {
	const int32_t *ids; /* [len] generated tokens with the stopping one; the responder's memory, valid during `done` */
	size_t len;
	enum ts_finish finish;
	float probe_logprobs[TS_MAX_PROBES];
	int status; /* not 0: this request failed alone (TS_ENUMERIC: NaN logits); ids are what came before */
};

struct ts_source {
	void *user;
	/* 1 = *out filled, 0 = no more, negative = stop with this status. */
	int (*next)(void *user, struct ts_request *out);
	int (*done)(void *user, const struct ts_request *, const struct ts_answer *);
	/* Called once a step, however long no answer is ready; a status other than 0 stops. May be NULL. */
	int (*tick)(void *user);
	/* Each token of an answer as soon as it is sampled, the stopping one too, before `done` gives them all; a status other than 0
	 * stops. May be NULL. */
	int (*token)(void *user, const struct ts_request *, int32_t id);
};

struct ts_responder {
	/* Serve all requests of the source. TS_ESTOPPED when the context says stop: what is under way is given up, what was
	 * handed to `done` is done. */
	int (*run)(struct ts_responder *, const struct ts_source *, const struct ts_context *, struct ts_error *err);
	void (*close)(struct ts_responder *);
};

#endif
