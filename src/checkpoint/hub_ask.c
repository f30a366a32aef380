/* Questions to the hub: what a revision is and holds, and each file's hash and size. With them the patience that downloads need too. */
#include "checkpoint/hub_internal.h"

#include "core/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

enum { MOST_LIST_BYTES = 64 << 20, LONGEST_WAIT = 600 };

int hub_talk_open(struct hub_talk *t, const struct ts_hub *hub, const char *repo, const struct ts_context *context, struct ts_error *err)
{
	*t = (struct hub_talk){.hub = hub, .context = context, .repo = repo};
	return ts_http_open(&t->http, &(struct ts_http_options){hub->user_agent, hub->timeout}, err);
}

void hub_talk_close(struct hub_talk *t)
{
	ts_http_answer_release(&t->answer);
	ts_http_close(t->http);
	*t = (struct hub_talk){0};
}

/* --- what came back --- */

int hub_wait(const struct ts_context *context, double seconds, struct ts_error *err)
{
	static const struct timespec step = {.tv_nsec = 50000000};
	for (double end = ts_clock() + seconds; ts_clock() < end;) {
		if (ts_should_stop(context))
			return ts_fail(err, TS_ESTOPPED, "stopped");
		nanosleep(&step, NULL);
	}
	return 0;
}

/* Codes that the hub gives in a header, since one status stands for several things. */
static bool code_is(const struct ts_http_answer *a, const char *code)
{
	char found[64];
	return ts_http_header(a, "x-error-code", found, sizeof(found)) && !strcmp(found, code);
}

static int refused_access(const struct hub_talk *t, const char *what, struct ts_error *err)
{
	const char *endpoint = t->hub->endpoint;
	bool gated = code_is(&t->answer, "GatedRepo");
	if (t->answer.status == 403)
		return ts_fail(err, TS_EIO, "%s: %s answers 403: the token gives no access%s %s/%s", what, endpoint,
			       gated ? "; the model is gated: accept its conditions with the token's account at" : " to", endpoint,
			       t->repo);
	if (t->hub->token)
		return ts_fail(err, TS_EIO, "%s: %s answers 401: the token is not accepted, or it may not read %s", what, endpoint,
			       t->repo);
	return ts_fail(
		err, TS_EIO,
		"%s: %s answers 401: %s; set HF_TOKEN (or write the file that HF_TOKEN_PATH names) to a token of an account that may "
		"read it: %s/settings/tokens",
		what, endpoint, gated ? "the model is gated" : "there is no such repository, or it is private or gated", endpoint);
}

/* An answer that is no success, in words. */
static int explain(const struct hub_talk *t, const char *what, struct ts_error *err)
{
	const struct ts_http_answer *a = &t->answer;
	char said[200] = "", place[200];
	ts_http_header(a, "x-error-message", said, sizeof(said));
	size_t n = strlen(t->hub->endpoint);
	bool own = !strncmp(ts_str_c(&a->url), t->hub->endpoint, n) && a->url.data[n] == '/'; /* not a store that it redirects to */
	if (own && (a->status == 401 || a->status == 403))
		return refused_access(t, what, err);
	if (a->status == 404 && code_is(a, "RevisionNotFound"))
		return ts_fail(err, TS_ENOTFOUND, "%s: the repository has no such revision (404)", what);
	if (a->status == 404 && code_is(a, "EntryNotFound"))
		return ts_fail(err, TS_ENOTFOUND, "%s: the repository has no such file (404)", what);
	if (a->status == 404)
		return ts_fail(err, TS_ENOTFOUND, "%s: %s has no such repository, or the account may not see it (404)", what,
			       t->hub->endpoint);
	return ts_fail(err, TS_EIO, "%s: %s answers %d%s%s", what, ts_http_place(a, place), a->status, *said ? ": " : "", said);
}

static bool is_busy(int status)
{
	return status == 408 || status == 429 || (status >= 500 && status <= 504 && status != 501);
}

/* Retry-After, or the seconds until the quota's window ends: RateLimit: "api";r=0;t=55 (the IETF's draft of RateLimit fields). */
static double wait_asked_for(const struct ts_http_answer *a)
{
	char quota[100];
	unsigned seconds = 0;
	if (a->retry_after > 0 || a->status != 429 || !ts_http_header(a, "ratelimit", quota, sizeof(quota)))
		return a->retry_after;
	const char *t = strstr(quota, ";t=");
	return t && sscanf(t, ";t=%6u", &seconds) == 1 ? seconds : 0;
}

int hub_again(struct hub_talk *t, int status, const char *what, size_t *failed, struct ts_error *err)
{
	const struct ts_http_answer *a = &t->answer;
	struct ts_error why = {0};
	bool network = status == TS_EIO &&
		       (a->fault == TS_HTTP_CUT || a->fault == TS_HTTP_SLOW || (a->fault == TS_HTTP_UNREACHABLE && t->reached));
	if (!status)
		status = explain(t, what, err);
	else if (!network)
		return status;
	if (!network && !is_busy(a->status))
		return status;
	if (err)
		why = *err;
	if (++*failed > t->hub->retries)
		return *failed > 1 ? ts_fail(err, status, "%s; given up after %zu tries", why.message, *failed) : status;
	double wait = wait_asked_for(a);
	if (wait <= 0)
		wait = *failed < 6 ? (double)(1 << (*failed - 1)) : 30;
	if (wait > LONGEST_WAIT)
		return ts_fail(err, TS_EIO, "%s: the server asks to come back in %.0f seconds", what, wait);
	ts_log(t->context, TS_LOG_WARN, "%s; try %zu of %zu in %.0f s", *why.message ? why.message : what, *failed + 1, t->hub->retries + 1,
	       wait);
	return hub_wait(t->context, wait, err);
}

/* --- asking --- */

struct text {
	struct ts_str bytes;
	const char *what;
};

static int take_text(void *user, const struct ts_http_answer *a, const void *data, size_t n, struct ts_error *err)
{
	struct text *t = user;
	(void)a;
	if (t->bytes.len + n > MOST_LIST_BYTES)
		return ts_fail(err, TS_ELIMIT, "%s: over %d bytes", t->what, MOST_LIST_BYTES);
	return ts_str_append(&t->bytes, data, n) ? ts_fail_memory(err) : 0;
}

static bool is_success(const struct hub_talk *t, bool redirect)
{
	return t->answer.status >= 200 && t->answer.status < (redirect ? 400 : 300);
}

static int ask(struct hub_talk *t, struct ts_http_request *r, const char *what, struct text *text, struct ts_error *err)
{
	size_t failed = 0;
	r->context = t->context;
	r->token = t->hub->token;
	for (;;) {
		if (text)
			ts_str_clear(&text->bytes);
		int status = ts_http_send(t->http, r, &t->answer, err);
		t->reached = t->reached || !status;
		if (!status && is_success(t, r->stay))
			return 0;
		TS_TRY(hub_again(t, status, what, &failed, err));
	}
}

static int ask_json(struct hub_talk *t, const char *url, const char *what, json_t **out, struct ts_error *err)
{
	struct text text = {.what = what};
	char type[80] = "nothing known", place[200];
	struct ts_http_request r = {.url = url, .body = take_text, .user = &text};
	int status = ask(t, &r, what, &text, err), parsed = 0;
	if (!status)
		parsed = ts_json_parse(ts_str_c(&text.bytes), text.bytes.len, what, out, err);
	if (parsed == TS_ENOMEM) {
		status = parsed;
	} else if (parsed) {
		ts_http_header(&t->answer, "content-type", type, sizeof(type));
		status = ts_fail(err, TS_EFORMAT,
				 "%s: %s: expected JSON from a hub, found %s (is HF_ENDPOINT right? does a proxy or a login page answer?)",
				 what, ts_http_place(&t->answer, place), type);
	}
	ts_str_release(&text.bytes);
	return status;
}

int hub_file_url(struct ts_str *url, const struct ts_hub *hub, const char *repo, const char *commit, const char *file, struct ts_error *err)
{
	ts_str_clear(url);
	bool failed = ts_str_printf(url, "%s/", hub->endpoint) || ts_url_append(url, repo, "/") ||
		      ts_str_printf(url, "/resolve/%s/", commit) || ts_url_append(url, file, "/");
	return failed ? ts_fail_memory(err) : 0;
}

/* --- the plan --- */

static int read_list(struct ts_hub_plan *p, const json_t *answer, const char *what, struct ts_map *there, struct ts_error *err)
{
	const char *commit, *name;
	const json_t *files = json_object_get(answer, "siblings"), *file;
	size_t i;
	TS_TRY(ts_json_need_text(answer, "sha", &commit, what, err));
	if (!hub_is_hash(commit, 40))
		return ts_fail(err, TS_EFORMAT, "%s: expected a commit of 40 hexadecimal digits, found \"%.60s\"", what, commit);
	memcpy(p->commit, commit, sizeof(p->commit));
	if (!json_is_array(files))
		return ts_fail(err, TS_EFORMAT, "%s: expected a list \"siblings\" of files", what);
	json_array_foreach (files, i, file) {
		TS_TRY(ts_json_need_text(file, "rfilename", &name, what, err));
		if (!hub_name_is_safe(name))
			return ts_fail(err, TS_EFORMAT, "%s: the hub lists a file \"%.200s\", which would lie outside its folder", what,
				       name);
		if (ts_map_put(there, name, strlen(name), 0))
			return ts_fail_memory(err);
	}
	return 0;
}

static int ask_list(struct hub_talk *t, struct ts_hub_plan *p, const char *what, struct ts_map *there, struct ts_error *err)
{
	struct ts_str url = {0};
	json_t *answer = NULL;
	bool failed = ts_str_printf(&url, "%s/api/models/", t->hub->endpoint) || ts_url_append(&url, p->id.repo, "/") ||
		      ts_str_puts(&url, "/revision/") || ts_url_append(&url, p->id.revision, "");
	int status = failed ? ts_fail_memory(err) : ask_json(t, url.data, what, &answer, err);
	if (!status)
		status = read_list(p, answer, what, there, err);
	json_decref(answer);
	ts_str_release(&url);
	return status;
}

static int ask_index(struct hub_talk *t, const struct ts_hub_plan *p, const struct ts_map *there, struct ts_map *chosen,
		     struct ts_error *err)
{
	struct ts_str url = {0};
	json_t *index = NULL;
	int status = hub_file_url(&url, t->hub, p->id.repo, p->commit, HUB_INDEX, err);
	if (!status)
		status = ask_json(t, url.data, HUB_INDEX, &index, err);
	if (!status)
		status = hub_choose_shards(index, there, p->id.repo, chosen, err);
	json_decref(index);
	ts_str_release(&url);
	return status;
}

/* "W/" and quotes around an ETag are HTTP's. */
static void read_etag(const struct ts_http_answer *a, char hash[80])
{
	*hash = '\0';
	if (!ts_http_header(a, "x-linked-etag", hash, 80))
		ts_http_header(a, "etag", hash, 80);
	char *start = hash + (strncmp(hash, "W/", 2) ? 0 : 2);
	start += *start == '"';
	size_t n = strcspn(start, "\"");
	memmove(hash, start, n);
	hash[n] = '\0';
}

static int read_head(const struct hub_talk *t, const struct ts_hub_plan *p, struct ts_hub_file *f, struct ts_error *err)
{
	char hash[80], commit[64], place[200];
	bool redirect = t->answer.status >= 300;
	read_etag(&t->answer, hash);
	if (!hub_is_hash(hash, 64) && !hub_is_hash(hash, 40))
		return ts_fail(err, TS_EFORMAT, "%s: %s: expected a hash as ETag, as a hub gives it, found \"%s\" (is HF_ENDPOINT right?)",
			       f->name, ts_http_place(&t->answer, place), hash);
	if (ts_http_header(&t->answer, "x-repo-commit", commit, sizeof(commit)) && strcmp(commit, p->commit) != 0)
		return ts_fail(err, TS_EMISMATCH, "%s: expected commit %s, found %s", f->name, p->commit, commit);
	if (!ts_http_header_number(&t->answer, "x-linked-size", &f->size) &&
	    (redirect || !ts_http_header_number(&t->answer, "content-length", &f->size)))
		return ts_fail(err, TS_EFORMAT, "%s: %s: the hub does not say how large it is", f->name, ts_http_place(&t->answer, place));
	memcpy(f->hash, hash, strlen(hash) + 1);
	return 0;
}

static int ask_file(struct hub_talk *t, struct ts_hub_plan *p, const char *name, struct ts_error *err)
{
	struct ts_str url = {0};
	if (ts_vec_push(&p->files, (struct ts_hub_file){.name = ts_strdup(name)}))
		return ts_fail_memory(err);
	struct ts_hub_file *f = &p->files.data[p->files.len - 1];
	int status = f->name ? hub_file_url(&url, t->hub, p->id.repo, p->commit, name, err) : ts_fail_memory(err);
	struct ts_http_request r = {.url = ts_str_c(&url), .head = true, .stay = true};
	if (!status)
		status = ask(t, &r, name, NULL, err);
	if (!status)
		status = read_head(t, p, f, err);
	if (!status)
		status = hub_look(t->hub->cache, p, f, err);
	ts_str_release(&url);
	if (status)
		return ts_fail_within(err, status, "%s", p->id.repo);
	p->bytes += f->size;
	p->missing += f->size - f->there;
	return 0;
}

static int choose(struct hub_talk *t, struct ts_hub_plan *p, const char *const *names, size_t count, const char *what, struct ts_map *there,
		  struct ts_map *chosen, struct ts_error *err)
{
	bool index;
	TS_TRY(ask_list(t, p, what, there, err));
	TS_TRY(hub_choose(there, names, count, p->id.repo, chosen, &index, err));
	return index ? ask_index(t, p, there, chosen, err) : 0;
}

/* Of the disk that holds the cache, or will hold it. */
static int find_room(struct ts_hub_plan *p, const char *cache, struct ts_error *err)
{
	struct statvfs v;
	struct ts_str path = {0};
	int status = ts_str_puts(&path, cache) ? ts_fail_memory(err) : 0;
	while (!status && statvfs(path.data, &v)) {
		char *slash = strrchr(path.data, '/');
		if (errno != ENOENT && errno != ENOTDIR)
			status = ts_fail(err, TS_EIO, "%s: %s", cache, strerror(errno));
		else if (!slash || !path.data[1])
			memcpy(path.data, slash ? "/" : ".", 2);
		else
			slash[slash == path.data] = '\0';
	}
	if (!status)
		p->room = (uint64_t)v.f_bavail * v.f_frsize;
	ts_str_release(&path);
	return status;
}

int ts_hub_plan(struct ts_hub_plan *p, const struct ts_hub *hub, const struct ts_hub_id *id, const char *const *names, size_t count,
		const struct ts_context *context, struct ts_error *err)
{
	struct hub_talk t;
	struct ts_map there = {0}, chosen = {0};
	struct ts_str what = {0};
	const char *one = id->file;
	*p = (struct ts_hub_plan){.id = *id};
	TS_TRY(hub_talk_open(&t, hub, id->repo, context, err));
	int status = ts_hub_id_print(id, &what) ? ts_fail_memory(err) : 0;
	if (!status)
		status = choose(&t, p, *one ? &one : names, *one ? 1 : count, what.data, &there, &chosen, err);
	for (size_t i = 0; i < chosen.entries.len && !status; i++)
		status = ask_file(&t, p, chosen.entries.data[i].key, err);
	if (!status)
		status = find_room(p, hub->cache, err);
	hub_talk_close(&t);
	ts_map_release(&there);
	ts_map_release(&chosen);
	ts_str_release(&what);
	if (status)
		ts_hub_plan_release(p);
	return status;
}

void ts_hub_plan_release(struct ts_hub_plan *p)
{
	for (size_t i = 0; i < p->files.len; i++)
		ts_free(p->files.data[i].name);
	ts_vec_release(&p->files);
}
