/* Prompts ready for a responder: rendered text, its ids, and the key of its randomness, which is also the sample's name in a
 * journal: SHA-256 over (run seed, purpose, rendered text, try). Two equal prompts have the same key and get the same sample. */
#ifndef TS_GENERATE_PROMPT_H
#define TS_GENERATE_PROMPT_H

#include "core/philox.h"
#include "text/chat.h"

struct ts_prompt {
	ts_ids ids;
	struct ts_random_key key;
	char name[65]; /* hex of the key's digest */
	/* For messages, by whoever made the prompt: the file it came from (NULL = not said) and its number there. */
	const char *file;
	size_t number;
	size_t max_new_tokens; /* of its response, likewise; 0 = as whoever asks for it says of all */
};

/* A user turn through the chat template. */
int ts_prompt_user(struct ts_prompt *, const struct ts_chat *, const char *user_turn, uint64_t seed, const char *purpose, uint64_t attempt,
		   struct ts_error *err);
/* Rendered or raw text, tokenised as it is. */
int ts_prompt_text(struct ts_prompt *, const struct ts_chat *, const char *text, size_t n, uint64_t seed, const char *purpose,
		   uint64_t attempt, struct ts_error *err);
/* Ids used as they are; the key is over their bytes. */
int ts_prompt_ids(struct ts_prompt *, const int32_t *ids, size_t n, uint64_t seed, const char *purpose, uint64_t attempt,
		  struct ts_error *err);
void ts_prompt_release(struct ts_prompt *);

/* The text of a response: the generated ids without the stopping token and without special tokens; where the template's prompt opens
 * the thinking, "<think>\n" is put back in front. */
int ts_response_text(const struct ts_chat *, const int32_t *ids, size_t n, bool stopped, bool templated, struct ts_str *out);

#endif
