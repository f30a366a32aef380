/* WildGuard and models trained like it: the prompt of method.md section 2 over (prompt, response), the most probable token 32 times, and three
 * lines in reply: whether the request is harmful, whether the response is a refusal, whether the response is harmful.
 *
 * One of the last two is the verdict: with TS_WILDGUARD_REFUSAL refusal or compliance, with TS_WILDGUARD_HARM unsafe or safe, without a
 * probability. A reply whose line cannot be read is unjudged, and so is a text of over 16,384 tokens: cut there, as the reference
 * does, it would have lost the end of the prompt that asks.
 *
 * `why` of a verdict holds all three lines, "harmful request: yes, response refusal: no, harmful response: ?" (? = not read), so that
 * ts_wildguard_parse reads them from there; where the verdict's own line is missing, the reply stands behind them. */
#ifndef TS_GUARD_WILDGUARD_H
#define TS_GUARD_WILDGUARD_H

#include "checkpoint/config.h"
#include "core/str.h"
#include "generate/responder.h"
#include "guard/guard.h"
#include "text/chat.h"

#include <stdbool.h>

enum { TS_WILDGUARD_PROMPT_TOKENS = 16384, TS_WILDGUARD_REPLY_TOKENS = 32 };

enum ts_wildguard_reading { TS_WILDGUARD_REFUSAL, TS_WILDGUARD_HARM };

/* The text that it is shown, appended to `out`. */
int ts_wildguard_text(const char *prompt, const char *response, struct ts_str *out);

/* Whether a checkpoint is one by its make: Mistral's architecture, or (a GGUF file calls that llama) a tokenizer with Mistral's token [INST].
 * `chat` may be NULL: the architecture alone decides. */
bool ts_wildguard_fits(const struct ts_model_config *, const struct ts_chat *);

/* `chat` (its tokenizer alone is used) and `responder` must outlive the guard; max_tokens is the guard's context, reply included. */
int ts_wildguard_new(struct ts_guard **out, enum ts_wildguard_reading, const struct ts_chat *chat, struct ts_responder *responder,
		     size_t max_tokens, struct ts_error *err);

#endif
