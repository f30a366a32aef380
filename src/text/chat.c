#include "text/chat.h"

#include "core/file.h"
#include "core/sha256.h"
#include "text/chat_parts.h"
#include "text/tokenizer/internal.h"

#include <string.h>

struct ts_chat {
	struct ts_tokenizer *tokenizer;
	struct ts_template *template;
	struct ts_template *keeping; /* the template that keeps an assistant's thinking; often the same */
	json_t *variables;           /* bos_token, eos_token, ... as the template sees them */
	int32_t eos;
	bool opens_thinking;
	bool has_now;
	struct tm now; /* for strftime_now, where it was set */
	char hash[65];
	char *place;
};

/* "tok" or {"content": "tok", ...} */
static const char *token_text(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : json_string_value(json_object_get(value, "content"));
}

static const char *const token_names[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

static int take_special_tokens(struct ts_chat *c, const json_t *config, struct ts_error *err)
{
	for (size_t i = 0; i < sizeof(token_names) / sizeof(token_names[0]); i++) {
		const char *text = token_text(json_object_get(config, token_names[i]));
		if (text && json_object_set_new(c->variables, token_names[i], json_string(text)))
			return ts_fail_memory(err);
	}
	const char *eos = json_string_value(json_object_get(c->variables, "eos_token"));
	c->eos = eos ? ts_tokenizer_id(c->tokenizer, eos) : -1;
	return 0;
}

int ts_chat_find_template(const char *dir, const json_t *config, struct ts_str *source, struct ts_error *err)
{
	struct ts_str path = {0};
	int status = ts_path_join(&path, dir, "chat_template.jinja") ? ts_fail_memory(err) : 0;
	if (!status && ts_file_exists(path.data)) {
		status = ts_file_read(path.data, source, err);
	} else if (!status) {
		const json_t *t = json_object_get(config, "chat_template"), *entry;
		size_t i;
		json_array_foreach (t, i, entry) {
			const char *name = json_string_value(json_object_get(entry, "name"));
			if (name && !strcmp(name, "default")) {
				t = json_object_get(entry, "template");
				break;
			}
		}
		if (json_is_string(t) && ts_str_append(source, json_string_value(t), json_string_length(t)))
			status = ts_fail_memory(err);
	}
	ts_str_release(&path);
	return status;
}

/* R1-Distill's templates cut an assistant's turn down to what follows its last "</think>". For training it must stay, so exactly this
 * statement is taken out (method.md, "Text of a training example"). */
static const char dropping_statement[] = "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}";

static int parse_templates(struct ts_chat *c, const struct ts_str *source, struct ts_error *err)
{
	if (!source->len)
		return 0;
	struct ts_str place = {0}, kept = {0};
	int status = 0;
	if (ts_str_printf(&place, "%s: chat template", c->place))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_template_parse(&c->template, source->data, source->len, place.data, err));
	const char *cut = strstr(source->data, dropping_statement);
	if (!cut)
		goto done;
	size_t head = (size_t)(cut - source->data), skip = head + sizeof(dropping_statement) - 1;
	if (ts_str_append(&kept, source->data, head) || ts_str_append(&kept, source->data + skip, source->len - skip))
		TS_GOTO(ts_fail_memory(err));
	status = ts_template_parse(&c->keeping, kept.data, kept.len, place.data, err);
done:
	ts_str_release(&place);
	ts_str_release(&kept);
	return status;
}

static int probe_generation_prompt(struct ts_chat *c, struct ts_error *err)
{
	struct ts_str text = {0};
	static const char opening[] = "<think>\n";
	size_t n = sizeof(opening) - 1;
	/* A template that cannot render one user turn (a guard's may want more) simply opens nothing. */
	int status = ts_chat_render_user(c, "x", &text, err);
	if (!status)
		c->opens_thinking = text.len >= n && !memcmp(text.data + text.len - n, opening, n);
	ts_str_release(&text);
	return status == TS_ENOMEM ? status : 0;
}

static void hash_part(struct ts_sha256 *h, const struct ts_str *part)
{
	unsigned char digest[32];
	struct ts_sha256 inner;
	ts_sha256_init(&inner);
	ts_sha256_update(&inner, ts_str_c(part), part->len);
	ts_sha256_final(&inner, digest);
	ts_sha256_update(h, digest, sizeof(digest));
}

/* The texts that make a way of talking: a folder's files, or what stands for them. */
struct texts {
	struct ts_str tokenizer, config, template; /* config may be empty */
};

static void release(struct texts *t)
{
	ts_str_release(&t->tokenizer);
	ts_str_release(&t->config);
	ts_str_release(&t->template);
}

/* What follows the tokenizer. */
static int build(struct ts_chat *c, const struct texts *t, const json_t *config, struct ts_error *err)
{
	struct ts_sha256 h;
	unsigned char digest[32];
	TS_TRY(take_special_tokens(c, config, err));
	TS_TRY(parse_templates(c, &t->template, err));
	ts_sha256_init(&h);
	hash_part(&h, &t->tokenizer);
	hash_part(&h, &t->config);
	hash_part(&h, &t->template);
	ts_sha256_final(&h, digest);
	ts_sha256_hex(digest, c->hash);
	return probe_generation_prompt(c, err);
}

static int open_files(struct ts_chat *c, const char *dir, struct ts_error *err)
{
	struct ts_str tokenizer_path = {0}, config_path = {0};
	struct texts texts = {0};
	json_t *config = NULL;
	int status = 0;
	if (ts_path_join(&tokenizer_path, dir, "tokenizer.json") || ts_path_join(&config_path, dir, "tokenizer_config.json"))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_file_read(tokenizer_path.data, &texts.tokenizer, err));
	TS_GOTO(ts_tokenizer_parse(&c->tokenizer, ts_str_c(&texts.tokenizer), texts.tokenizer.len, tokenizer_path.data, err));
	if (ts_file_exists(config_path.data)) {
		TS_GOTO(ts_file_read(config_path.data, &texts.config, err));
		TS_GOTO(ts_json_parse(ts_str_c(&texts.config), texts.config.len, config_path.data, &config, err));
	}
	TS_GOTO(ts_chat_find_template(dir, config, &texts.template, err));
	TS_GOTO(build(c, &texts, config, err));
done:
	json_decref(config);
	ts_str_release(&tokenizer_path);
	ts_str_release(&config_path);
	release(&texts);
	return status;
}

static int open_parts(struct ts_chat *c, const struct ts_chat_parts *parts, struct ts_error *err)
{
	struct texts texts = {0};
	json_t *tokenizer = NULL, *config = NULL;
	int status = ts_chat_parts_json(parts, &tokenizer, &config, err);
	if (!status && (ts_json_dump(tokenizer, &texts.tokenizer) || ts_json_dump(config, &texts.config) ||
			ts_str_append(&texts.template, parts->template, parts->template_size)))
		status = ts_fail_memory(err);
	if (!status)
		status = ts_tokenizer_make(&c->tokenizer, tokenizer, parts->place, err);
	if (!status)
		status = build(c, &texts, config, err);
	json_decref(tokenizer);
	json_decref(config);
	release(&texts);
	return status;
}

static int make(struct ts_chat **out, const char *place, struct ts_error *err)
{
	struct ts_chat *c = *out = ts_calloc(1, sizeof(*c));
	if (!c)
		return ts_fail_memory(err);
	c->eos = -1;
	c->variables = json_object();
	c->place = ts_strdup(place);
	return c->variables && c->place ? 0 : ts_fail_memory(err);
}

static int finish(struct ts_chat **out, struct ts_chat *c, int status)
{
	if (status)
		ts_chat_close(c);
	*out = status ? NULL : c;
	return status;
}

int ts_chat_open(struct ts_chat **out, const char *dir, struct ts_error *err)
{
	struct ts_chat *c;
	int status = make(&c, dir, err);
	return finish(out, c, status ? status : open_files(c, dir, err));
}

int ts_chat_open_parts(struct ts_chat **out, const struct ts_chat_parts *parts, struct ts_error *err)
{
	struct ts_chat *c;
	int status = make(&c, parts->place, err);
	return finish(out, c, status ? status : open_parts(c, parts, err));
}

void ts_chat_close(struct ts_chat *c)
{
	if (!c)
		return;
	ts_tokenizer_close(c->tokenizer);
	ts_template_free(c->template);
	ts_template_free(c->keeping);
	json_decref(c->variables);
	ts_free(c->place);
	ts_free(c);
}

void ts_chat_set_now(struct ts_chat *c, int64_t seconds)
{
	time_t t = (time_t)seconds;
	c->has_now = gmtime_r(&t, &c->now) != NULL;
}

const struct ts_tokenizer *ts_chat_tokenizer(const struct ts_chat *c)
{
	return c->tokenizer;
}

int32_t ts_chat_eos(const struct ts_chat *c)
{
	return c->eos;
}

const char *ts_chat_hash(const struct ts_chat *c)
{
	return c->hash;
}

bool ts_chat_prompt_opens_thinking(const struct ts_chat *c)
{
	return c->opens_thinking;
}

/* A template would only find something undefined, or show it as nothing. */
static int check_messages(const json_t *messages, struct ts_error *err)
{
	size_t i;
	const json_t *message;
	json_array_foreach (messages, i, message) {
		if (!json_is_object(message))
			return ts_fail(err, TS_EFORMAT, "\"messages\": item %zu: expected an object, found %s", i + 1,
				       ts_json_kind(message));
		const json_t *role = json_object_get(message, "role");
		if (!json_is_string(role))
			return ts_fail(err, TS_EFORMAT, "\"messages\": item %zu: \"role\": expected a string, found %s", i + 1,
				       ts_json_kind(role));
	}
	return 0;
}

static int render(const struct ts_chat *c, const struct ts_template *t, const struct ts_template_input *given, struct ts_str *out,
		  struct ts_error *err)
{
	struct ts_template_input input = *given;
	if (!t)
		return ts_fail(err, TS_ENOTFOUND,
			       "%s: no chat template (chat_template.jinja, chat_template in tokenizer_config.json, or "
			       "tokenizer.chat_template in a GGUF file)",
			       c->place);
	TS_TRY(check_messages(given->messages, err));
	json_t *all = ts_json_copy(c->variables);
	if (!all || (given->variables && json_object_update(all, (json_t *)(uintptr_t)given->variables))) {
		json_decref(all);
		return ts_fail_memory(err);
	}
	input.variables = all;
	if (!input.now && c->has_now)
		input.now = &c->now;
	int status = ts_template_render(t, &input, out, err);
	json_decref(all);
	return status == TS_EINVAL ? ts_fail_within(err, status, "%s: chat template", c->place)
				   : status; /* raise_exception: its words alone */
}

int ts_chat_render(const struct ts_chat *c, const json_t *messages, bool add_generation_prompt, const json_t *variables, struct ts_str *out,
		   struct ts_error *err)
{
	struct ts_template_input input = {.messages = messages, .add_generation_prompt = add_generation_prompt, .variables = variables};
	return render(c, c->template, &input, out, err);
}

int ts_chat_render_input(const struct ts_chat *c, const struct ts_template_input *input, struct ts_str *out, struct ts_error *err)
{
	return render(c, c->template, input, out, err);
}

/* Why a conversation could not be made of these texts. */
static int no_messages(const char *prompt, const char *response, struct ts_error *err)
{
	size_t n = strlen(prompt), m = strlen(response), bad = ts_utf8_check(prompt, n);
	if (bad < n)
		return ts_fail(err, TS_EFORMAT, "the prompt is not UTF-8 at byte %zu", bad);
	bad = ts_utf8_check(response, m);
	if (bad < m)
		return ts_fail(err, TS_EFORMAT, "the response is not UTF-8 at byte %zu", bad);
	return ts_fail_memory(err);
}

int ts_chat_render_user(const struct ts_chat *c, const char *text, struct ts_str *out, struct ts_error *err)
{
	json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", text);
	if (!messages)
		return no_messages(text, "", err);
	struct ts_template_input input = {.messages = messages, .add_generation_prompt = true};
	int status = render(c, c->template, &input, out, err);
	json_decref(messages);
	return status;
}

int ts_chat_render_pair(const struct ts_chat *c, const char *prompt, const char *response, bool keep_thinking, struct ts_str *out,
			struct ts_error *err)
{
	json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user", "content", prompt, "role", "assistant", "content", response);
	if (!messages)
		return no_messages(prompt, response, err);
	struct ts_template_input input = {.messages = messages};
	int status = render(c, keep_thinking && c->keeping ? c->keeping : c->template, &input, out, err);
	json_decref(messages);
	return status;
}
