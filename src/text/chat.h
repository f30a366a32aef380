/* A checkpoint's way of talking: its tokenizer, its chat template and the special tokens the template prints.
 * Immutable after opening; may be shared by threads. */
#ifndef TS_TEXT_CHAT_H
#define TS_TEXT_CHAT_H

#include "core/json.h"
#include "text/template.h"
#include "text/tokenizer.h"

struct ts_chat;

/* Read `dir`: tokenizer.json, tokenizer_config.json (if there), and the template: chat_template.jinja, else chat_template in
 * tokenizer_config.json (a string, or a list of named ones: "default" is used). A folder without a template opens; rendering then fails. */
int ts_chat_open(struct ts_chat **out, const char *dir, struct ts_error *err);
/* The source of the template that ts_chat_open takes for `dir`, appended; nothing when there is none. `config` is its tokenizer_config.json (NULL:
 * none). */
int ts_chat_find_template(const char *dir, const json_t *config, struct ts_str *source, struct ts_error *err);
/* ts_chat_open from the parts of another container (text/chat_parts.h). */
struct ts_chat_parts;
int ts_chat_open_parts(struct ts_chat **out, const struct ts_chat_parts *, struct ts_error *err);
void ts_chat_close(struct ts_chat *);
/* What strftime_now shows from now on instead of the clock: seconds since 1970, in UTC. Work that can be resumed must render the same text
 * on another day. Before anything is rendered. */
void ts_chat_set_now(struct ts_chat *, int64_t seconds);

const struct ts_tokenizer *ts_chat_tokenizer(const struct ts_chat *);
/* eos_token of tokenizer_config.json (or of the parts) as an id; -1 = none. */
int32_t ts_chat_eos(const struct ts_chat *);
/* SHA-256 (hex) over the tokenizer and template files, or over the parts. */
const char *ts_chat_hash(const struct ts_chat *);

/* Render a conversation as text. `variables` (may be NULL) adds to bos_token and eos_token and wins over them. */
int ts_chat_render(const struct ts_chat *, const json_t *messages, bool add_generation_prompt, const json_t *variables, struct ts_str *out,
		   struct ts_error *err);
/* The same with every field of the template's input; its variables add to bos_token and eos_token. */
int ts_chat_render_input(const struct ts_chat *, const struct ts_template_input *, struct ts_str *out, struct ts_error *err);
/* [user: text] with the generation prompt. */
int ts_chat_render_user(const struct ts_chat *, const char *text, struct ts_str *out, struct ts_error *err);
/* [user: prompt, assistant: response], without a generation prompt. keep_thinking: with the template that keeps an assistant's
 * thinking (R1-Distill's throws it away; docs/contracts.md). */
int ts_chat_render_pair(const struct ts_chat *, const char *prompt, const char *response, bool keep_thinking, struct ts_str *out,
			struct ts_error *err);

/* Whether the generation prompt itself opens the thinking (R1-Distill: it ends with "<think>\n"); a response as stored then gets
 * "<think>\n" put back in front. */
bool ts_chat_prompt_opens_thinking(const struct ts_chat *);

#endif
