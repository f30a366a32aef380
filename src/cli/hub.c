#include "cli/hub.h"

#include "checkpoint/hub.h"
#include "cli/session.h"
#include "core/file.h"
#include "run/recipe.h"

#include <stdlib.h>
#include <string.h>

/* --- the environment --- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

/* A "~" at the beginning is the home folder, also where no shell looked at it. */
static int put_path(struct ts_str *out, const char *path)
{
	const char *home = variable("HOME");
	bool tilde = home && path[0] == '~' && (path[1] == '/' || !path[1]);
	return ts_str_printf(out, "%s%s", tilde ? home : "", tilde ? path + 1 : path);
}

static int put_home(struct ts_str *out)
{
	const char *home = variable("HF_HOME"), *cache = variable("XDG_CACHE_HOME");
	if (home)
		return put_path(out, home);
	TS_TRY(put_path(out, cache ? cache : "~/.cache"));
	return ts_str_puts(out, "/huggingface");
}

int ts_hub_cache(struct ts_str *cache, struct ts_error *err)
{
	const char *named = variable("HF_HUB_CACHE");
	if (!named)
		named = variable("HUGGINGFACE_HUB_CACHE");
	bool failed = named ? put_path(cache, named) : put_home(cache) || ts_str_puts(cache, "/hub");
	if (failed)
		return ts_fail_memory(err);
	if (cache->data[0] == '~')
		return ts_fail(err, TS_EINVAL, "the Hugging Face cache: HOME is not set, nor HF_HUB_CACHE or HF_HOME");
	return 0;
}

static bool is_true(const char *name)
{
	static const char *const words[] = {"1", "on", "yes", "true"};
	const char *value = variable(name);
	for (size_t i = 0; value && i < sizeof(words) / sizeof(*words); i++)
		if (!strcasecmp(value, words[i]))
			return true;
	return false;
}

/* Without the line's end that editors leave. A token that would break a header is refused, and not shown. */
static int clean_token(struct ts_str *token, const char *from, struct ts_error *err)
{
	size_t start = 0, end = token->len;
	while (end && strchr(" \t\r\n", token->data[end - 1]))
		end--;
	while (start < end && strchr(" \t\r\n", token->data[start]))
		start++;
	for (size_t i = start; i < end; i++)
		if (token->data[i] <= ' ' || token->data[i] > '~')
			return ts_fail(err, TS_EINVAL, "%s: no token of the hub: it holds a space, a control or a foreign character", from);
	if (token->len) {
		memmove(token->data, token->data + start, end - start);
		token->len = end - start;
		token->data[token->len] = '\0';
	}
	return 0;
}

static int read_token(struct ts_str *token, struct ts_error *err)
{
	static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
	const char *file = variable("HF_TOKEN_PATH");
	struct ts_str path = {0};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (variable(names[i]))
			return ts_str_puts(token, variable(names[i])) ? ts_fail_memory(err) : clean_token(token, names[i], err);
	bool failed = file ? put_path(&path, file) : put_home(&path) || ts_str_puts(&path, "/token");
	int status = failed ? ts_fail_memory(err) : 0;
	if (!status && ts_file_exists(path.data))
		status = ts_file_read(path.data, token, err);
	if (!status)
		status = clean_token(token, path.data, err);
	ts_str_release(&path);
	return status;
}

int ts_hub_environment_read(struct ts_hub_environment *e, struct ts_error *err)
{
	const char *endpoint = variable("HF_ENDPOINT");
	*e = (struct ts_hub_environment){.offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE")};
	if (!endpoint)
		endpoint = "https://huggingface.co";
	size_t n = strlen(endpoint);
	while (n && endpoint[n - 1] == '/')
		n--;
	int status = ts_str_append(&e->endpoint, endpoint, n) ? ts_fail_memory(err) : 0;
	if (!status && strncmp(e->endpoint.data, "http://", 7) && strncmp(e->endpoint.data, "https://", 8))
		status = ts_fail(err, TS_EINVAL, "HF_ENDPOINT: expected an address with http:// or https://, found \"%s\"", endpoint);
	if (!status)
		status = ts_hub_cache(&e->cache, err);
	if (!status)
		status = read_token(&e->token, err);
	return status;
}

void ts_hub_environment_release(struct ts_hub_environment *e)
{
	ts_str_release(&e->cache);
	ts_str_release(&e->endpoint);
	ts_str_release(&e->token);
}

/* --- finding --- */

int ts_session_find(struct ts_session *s, const char **path, struct ts_str *memory, const char *what)
{
	struct ts_hub_id id;
	struct ts_str cache = {0};
	char commit[41];
	if (!*path || ts_file_exists(*path) || ts_dir_exists(*path) || ts_hub_id_parse(&id, *path, NULL))
		return 0;
	int status = ts_hub_cache(&cache, &s->err);
	if (!status) {
		ts_str_clear(memory);
		status = ts_hub_find(cache.data, &id, memory, commit, &s->err);
		if (status)
			ts_fail_within(&s->err, status, "%s: no such %s", *path, what);
	}
	if (!status) {
		ts_log(&s->context, TS_LOG_INFO, "%s: commit %.12s, from the Hugging Face cache", *path, commit);
		*path = memory->data;
	}
	ts_str_release(&cache);
	return status;
}

int ts_session_need_whole(struct ts_session *s, const char *name, const char *path)
{
	struct ts_error why = {0};
	int status = ts_hub_check_whole(path, &why);
	if (status == TS_ENOTFOUND)
		return ts_fail(&s->err, status, "%.400s; `thinksafe pull %.200s` fetches what is missing", why.message, name);
	return status ? ts_fail(&s->err, status, "%s", why.message) : 0;
}

static int find_source(struct ts_session *s, struct ts_recipe *r, struct ts_recipe_path *source)
{
	struct ts_str memory = {0};
	const char *path = source->path;
	int status = ts_session_find(s, &path, &memory, TS_MODEL_EXPECTED);
	if (!status && path != source->path) {
		source->path = ts_arena_strndup(&r->memory, path, strlen(path));
		status = source->path ? ts_session_need_whole(s, source->text, source->path) : ts_fail_memory(&s->err);
	}
	ts_str_release(&memory);
	return status;
}

int ts_session_find_recipe(struct ts_session *s, struct ts_recipe *r)
{
	int status = find_source(s, r, &r->model);
	if (status)
		return ts_fail_within(&s->err, status, "model");
	status = find_source(s, r, &r->guard);
	if (status)
		return ts_fail_within(&s->err, status, "guard");
	status = find_source(s, r, &r->refusal_judge);
	return status ? ts_fail_within(&s->err, status, "refusal_judge") : 0;
}
