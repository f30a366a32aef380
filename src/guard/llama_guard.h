/* Llama-Guard-3 and models trained like it: the guard's own chat template over [user: prompt, assistant: response], then "\n\n",
 * then ONE forward pass that compares the log-probabilities of the tokens `safe` and `unsafe` (method.md section 2).
 *
 * The policy that all cases begin with is computed once (generate/engine.h), logits at a case's last position alone, and of these none is stored
 * but the two. Cases go as they come: an engine's step takes rows of as many prompts as fill it and cuts the last one, so nothing is padded,
 * and sorting by length would save no step. */
#ifndef TS_GUARD_LLAMA_GUARD_H
#define TS_GUARD_LLAMA_GUARD_H

#include "core/str.h"
#include "generate/engine.h"
#include "guard/guard.h"
#include "text/chat.h"

/* The text a verdict is read after, appended to `out`. TS_EMISMATCH when the template loses the response. */
int ts_llama_guard_text(const struct ts_chat *, const char *prompt, const char *response, struct ts_str *out, struct ts_error *err);

/* `chat` and `responder` (an engine over the guard's model) must outlive the guard; max_tokens is the guard's context.
 * Refused when `safe` or `unsafe` is not a single token. */
int ts_llama_guard_new(struct ts_guard **out, const struct ts_chat *chat, struct ts_responder *responder, size_t max_tokens,
		       struct ts_error *err);

#endif
