/* Sampling with a journal: prompts whose sample is already stored are skipped, the others go to a responder, and every finished one is
 * durable before it is counted. Equal prompts are asked once. */
#ifndef TS_RUN_SAMPLE_STAGE_H
#define TS_RUN_SAMPLE_STAGE_H

#include "generate/prompt.h"
#include "generate/responder.h"
#include "store/store.h"

struct ts_sample_stage {
	struct ts_store *store;
	const char *stage; /* in the journal */
	const char *title; /* of the progress bar */
	const struct ts_chat *chat;
	struct ts_sampling sampling; /* a prompt's own max_new_tokens goes before the one here */
	bool ignore_eos;
	bool templated; /* the prompts went through the chat template */
	/* Called once, when there is something to do; max_length = the longest prompt with its new tokens. The responder stays the callee's. */
	int (*open)(void *user, size_t max_length, struct ts_responder **out, struct ts_error *err);
	void *user;
	/* filled in */
	uint64_t new_samples, new_tokens;
	uint64_t all;   /* distinct prompts, with those whose sample was stored before */
	double seconds; /* in the responder */
};

/* On success every prompt has its sample under (stage, prompt.name). */
int ts_sample_stage_run(struct ts_sample_stage *, const struct ts_prompt *prompts, size_t n, const struct ts_context *,
			struct ts_error *err);

#endif
