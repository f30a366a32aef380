/* Content into the cache: locked, resumed, counted, hashed, and only then given its name. */
#include "checkpoint/hub_internal.h"

#include "core/file.h"
#include "core/sha1.h"
#include "core/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_STEP = 1 << 20, SHOW_HASHING_FROM = 64 << 20 };

struct pull {
	struct hub_talk talk;
	struct ts_hub_plan *plan;
	uint64_t done, total; /* bytes of the files that were not there: of those finished, of all */
};

/* One content under way. `at` bytes of it are in the file. */
struct fetch {
	struct pull *pull;
	const struct ts_hub_file *file;
	const char *path;
	int fd;
	uint64_t at, best; /* best: the most that was ever there, so that a server that starts over makes no progress */
	bool begun;        /* the answer under way was looked at */
	bool resumed;      /* what is there began with something found */
	bool restarted;    /* it was thrown away once for a range that the server did not know */
};

static int fail_file(const struct fetch *f, const char *doing, struct ts_error *err)
{
	return ts_fail(err, errno == ENOMEM ? TS_ENOMEM : TS_EIO, "%s: cannot %s %s: %s", f->file->name, doing, f->path, strerror(errno));
}

static int start_over(struct fetch *f, struct ts_error *err)
{
	f->at = 0;
	f->resumed = false;
	return ftruncate(f->fd, 0) ? fail_file(f, "cut", err) : 0;
}

/* --- what arrives --- */

/* "bytes FROM-TO/TOTAL" must go on where we are. */
static int check_range(const struct fetch *f, const struct ts_http_answer *a, struct ts_error *err)
{
	char text[100] = "", total[24] = "*";
	unsigned long long from = 0, to = 0;
	ts_http_header(a, "content-range", text, sizeof(text));
	int n = sscanf(text, "bytes %llu-%llu/%23s", &from, &to, total);
	char wanted[24];
	snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)f->file->size);
	if (n >= 2 && from == f->at && to < f->file->size && (!strcmp(total, "*") || !strcmp(total, wanted)))
		return 0;
	return ts_fail(err, TS_EMISMATCH, "%s: expected the bytes from %llu on of %s, found \"%s\"", f->file->name,
		       (unsigned long long)f->at, wanted, text);
}

/* Before the first byte of an answer is written: is it the file? A login page must not cost what is there already. */
static int look_at_answer(struct fetch *f, const struct ts_http_answer *a, struct ts_error *err)
{
	uint64_t length;
	char type[80] = "no type", place[200];
	if (a->status == 206)
		return check_range(f, a, err);
	if (ts_http_header(a, "content-type", type, sizeof(type)) && !strncmp(type, "text/html", 9))
		return ts_fail(err, TS_EMISMATCH, "%s: %s: expected the file, found a page (%s)", f->file->name, ts_http_place(a, place),
			       type);
	if (ts_http_header_number(a, "content-length", &length) && length != f->file->size)
		return ts_fail(err, TS_EMISMATCH, "%s: %s: expected %llu bytes, found an answer of %llu (%s)", f->file->name,
			       ts_http_place(a, place), (unsigned long long)f->file->size, (unsigned long long)length, type);
	if (!f->at)
		return 0;
	ts_log(f->pull->talk.context, TS_LOG_INFO, "%s: the server does not resume; from the start", f->file->name);
	return start_over(f, err);
}

static void show(const struct fetch *f)
{
	ts_progress(f->pull->talk.context, "pull", f->pull->done + f->at, f->pull->total, "bytes", f->file->name);
}

static int take(void *user, const struct ts_http_answer *a, const void *data, size_t n, struct ts_error *err)
{
	struct fetch *f = user;
	const char *p = data;
	char place[200];
	if (!f->begun)
		TS_TRY(look_at_answer(f, a, err));
	f->begun = true;
	if (n > f->file->size - f->at)
		return ts_fail(err, TS_EMISMATCH, "%s: %s: the server sends more than the %llu bytes that the hub announced", f->file->name,
			       ts_http_place(a, place), (unsigned long long)f->file->size);
	while (n) {
		ssize_t written = pwrite(f->fd, p, n, (off_t)f->at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return fail_file(f, "write", err);
		p += written;
		n -= (size_t)written;
		f->at += (uint64_t)written;
	}
	show(f);
	return 0;
}

/* --- until all is there --- */

/* An answer ended, well or not, before the file did: 0 = ask again. */
static int go_on(struct fetch *f, int status, size_t *failed, struct ts_error *err)
{
	struct hub_talk *t = &f->pull->talk;
	bool success = t->answer.status >= 200 && t->answer.status < 300;
	if (!status && t->answer.status == 416 && f->at && !f->restarted) {
		ts_log(t->context, TS_LOG_INFO, "%s: the server does not know the part that is there; from the start", f->file->name);
		f->restarted = true;
		return start_over(f, err);
	}
	if (!status && success) {
		t->answer.fault = TS_HTTP_CUT;
		status = ts_fail(err, TS_EIO, "%s: the answer ended after %llu of %llu bytes", f->file->name, (unsigned long long)f->at,
				 (unsigned long long)f->file->size);
	} else if (status == TS_EIO && t->answer.fault) {
		ts_fail_within(err, status, "%s: after %llu of %llu bytes", f->file->name, (unsigned long long)f->at,
			       (unsigned long long)f->file->size);
	}
	if (f->at > f->best && t->answer.fault != TS_HTTP_SLOW)
		*failed = 0;
	if (f->at > f->best)
		f->best = f->at;
	return hub_again(t, status, f->file->name, failed, err);
}

static int fetch_bytes(struct fetch *f, struct ts_error *err)
{
	struct hub_talk *t = &f->pull->talk;
	struct ts_str url = {0};
	size_t failed = 0;
	int status = hub_file_url(&url, t->hub, f->pull->plan->id.repo, f->pull->plan->commit, f->file->name, err);
	while (!status && f->at < f->file->size) {
		struct ts_http_request r = {
			.url = url.data, .token = t->hub->token, .from = f->at, .body = take, .user = f, .context = t->context};
		f->begun = false;
		status = ts_http_send(t->http, &r, &t->answer, err);
		t->reached = t->reached || !status;
		if (f->at < f->file->size)
			status = go_on(f, status, &failed, err);
		else if (status == TS_EIO && t->answer.fault == TS_HTTP_CUT)
			status = 0; /* after the last byte */
	}
	ts_str_release(&url);
	return status;
}

/* --- hashing --- */

static int read_hashed(struct fetch *f, char *buffer, struct ts_sha256 *large, struct ts_sha1 *small, struct ts_error *err)
{
	const struct ts_context *context = f->pull->talk.context;
	uint64_t at = 0, size = f->file->size;
	while (at < size) {
		ssize_t n = pread(f->fd, buffer, HASH_STEP, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_file(f, "read", err);
		if (!n)
			break;
		if (small)
			ts_sha1_update(small, buffer, (size_t)n);
		else
			ts_sha256_update(large, buffer, (size_t)n);
		at += (uint64_t)n;
		if (size >= SHOW_HASHING_FROM)
			ts_progress(context, "check", at, size, "bytes", f->file->name);
		if (ts_should_stop(context))
			return ts_fail(err, TS_ESTOPPED, "stopped");
	}
	return 0;
}

/* *good: the content is what its hash says. `found` is its hash of the same kind. */
static int check_hash(struct fetch *f, char found[65], bool *good, struct ts_error *err)
{
	struct ts_sha256 large;
	struct ts_sha1 small;
	unsigned char digest[32];
	bool git = strlen(f->file->hash) == 40;
	char *buffer = ts_alloc(HASH_STEP);
	if (!buffer)
		return ts_fail_memory(err);
	ts_sha256_init(&large);
	ts_sha1_init_git(&small, f->file->size);
	int status = read_hashed(f, buffer, &large, git ? &small : NULL, err);
	ts_free(buffer);
	ts_sha256_final(&large, digest);
	ts_sha256_hex(digest, found);
	if (git)
		ts_sha1_final(&small, found);
	*good = !strcmp(found, f->file->hash);
	return status;
}

/* --- one content --- */

static int keep_content(struct fetch *f, const char *blob, struct ts_error *err)
{
	if (fsync(f->fd))
		return fail_file(f, "write", err);
	if (rename(f->path, blob))
		return fail_file(f, "put in place", err);
	return 0;
}

/* All bytes, and the hash that they must have. What was found there may be of something else: then once more, from the start. */
static int fetch_checked(struct fetch *f, struct ts_error *err)
{
	char found[65];
	bool good = false;
	for (;;) {
		bool resumed = f->resumed;
		TS_TRY(fetch_bytes(f, err));
		TS_TRY(check_hash(f, found, &good, err));
		if (good)
			return 0;
		if (!resumed || !f->resumed)
			break;
		ts_log(f->pull->talk.context, TS_LOG_WARN, "%s: the part that was there does not belong to it; from the start",
		       f->file->name);
		TS_TRY(start_over(f, err));
		f->best = 0;
	}
	if (unlink(f->path))
		return fail_file(f, "remove", err);
	return ts_fail(err, TS_EMISMATCH, "%s: wrong content, removed: expected %s %s, found %s", f->file->name,
		       strlen(f->file->hash) == 40 ? "git hash" : "sha256", f->file->hash, found);
}

static int fetch_content(struct pull *p, const struct ts_hub_file *file, const char *blob, struct ts_error *err)
{
	struct ts_str path = {0};
	struct fetch f = {.pull = p, .file = file, .fd = -1};
	struct stat st;
	int status = ts_str_printf(&path, "%s.incomplete", blob) ? ts_fail_memory(err) : 0;
	f.path = ts_str_c(&path);
	if (!status && (f.fd = open(f.path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
		status = fail_file(&f, "write", err);
	if (!status && fstat(f.fd, &st))
		status = fail_file(&f, "look at", err);
	if (!status && (uint64_t)st.st_size > file->size)
		status = start_over(&f, err);
	else if (!status)
		f.at = f.best = (uint64_t)st.st_size;
	f.resumed = f.at > 0;
	if (!status && f.resumed)
		ts_log(p->talk.context, TS_LOG_INFO, "%s: goes on after %llu of %llu bytes", file->name, (unsigned long long)f.at,
		       (unsigned long long)file->size);
	if (!status)
		status = fetch_checked(&f, err);
	if (!status)
		status = keep_content(&f, blob, err);
	if (f.fd >= 0 && close(f.fd) && !status)
		status = fail_file(&f, "write", err);
	ts_str_release(&path);
	return status;
}

/* With --check: content that is there but damaged goes. */
static int check_content(struct pull *p, struct ts_hub_file *file, const char *blob, struct ts_error *err)
{
	struct fetch f = {.pull = p, .file = file, .path = blob, .fd = open(blob, O_RDONLY | O_CLOEXEC)};
	char found[65];
	bool good = true;
	int status = f.fd < 0 ? fail_file(&f, "read", err) : check_hash(&f, found, &good, err);
	if (f.fd >= 0)
		close(f.fd);
	if (status || good)
		return status;
	ts_log(p->talk.context, TS_LOG_WARN, "%s: what is in the cache is damaged (expected %s, found %s); fetched again", file->name,
	       file->hash, found);
	file->state = TS_HUB_ABSENT;
	file->there = 0;
	p->total += file->size;
	p->plan->missing += file->size;
	return unlink(blob) ? fail_file(&f, "remove", err) : 0;
}

/* Somebody else may have fetched it since the plan was made, or another file had the same content. */
static int look_again(struct pull *p, struct ts_hub_file *file, struct ts_error *err)
{
	uint64_t before = file->there;
	bool counted = file->state != TS_HUB_THERE;
	TS_TRY(hub_look(p->talk.hub->cache, p->plan, file, err));
	p->plan->missing = p->plan->missing + before - file->there;
	if (counted && file->state == TS_HUB_THERE)
		p->total -= file->size;
	else if (!counted && file->state != TS_HUB_THERE)
		p->total += file->size;
	return 0;
}

static int pull_file(struct pull *p, struct ts_hub_file *file, bool check, struct ts_error *err)
{
	const char *cache = p->talk.hub->cache;
	struct ts_str blob = {0}, rest = {0};
	int fd = -1;
	int status = ts_str_printf(&rest, "blobs/%s", file->hash) ? ts_fail_memory(err)
								  : hub_place(&blob, cache, p->plan->id.repo, rest.data, err);
	if (!status)
		status = hub_lock(cache, p->talk.repo, file->hash, p->talk.context, &fd, err);
	if (!status)
		status = look_again(p, file, err);
	if (!status && check && file->state == TS_HUB_THERE)
		status = check_content(p, file, blob.data, err);
	if (!status && file->state != TS_HUB_THERE) {
		status = fetch_content(p, file, blob.data, err);
		p->done += file->size;
	}
	if (!status)
		status = hub_link(cache, p->plan, file, err);
	if (fd >= 0)
		ts_lock_release(fd);
	ts_str_release(&blob);
	ts_str_release(&rest);
	return status;
}

static int pull_files(struct pull *p, bool check, struct ts_error *err)
{
	struct ts_hub_plan *plan = p->plan;
	struct ts_str blobs = {0};
	int status = hub_place(&blobs, p->talk.hub->cache, plan->id.repo, "blobs", err);
	if (!status)
		status = ts_dir_make(blobs.data, err);
	for (size_t i = 0; i < plan->files.len; i++)
		p->total += plan->files.data[i].state == TS_HUB_THERE ? 0 : plan->files.data[i].size;
	for (size_t i = 0; i < plan->files.len && !status; i++) {
		status = pull_file(p, &plan->files.data[i], check, err);
		if (status && status != TS_ESTOPPED)
			ts_fail_within(err, status, "%s", plan->id.repo);
	}
	if (!status)
		status = ts_dir_sync(blobs.data, err);
	if (!status)
		status = hub_write_ref(p->talk.hub->cache, plan, err);
	ts_str_release(&blobs);
	return status;
}

static int say_place(const struct ts_hub_plan *plan, const char *cache, struct ts_str *path, struct ts_error *err)
{
	struct ts_str rest = {0}, place = {0};
	int status =
		ts_str_printf(&rest, "snapshots/%s%s%s", plan->commit, *plan->id.file ? "/" : "", plan->id.file) ? ts_fail_memory(err) : 0;
	if (!status)
		status = hub_place(&place, cache, plan->id.repo, rest.data, err);
	if (!status && ts_str_puts(path, place.data))
		status = ts_fail_memory(err);
	ts_str_release(&rest);
	ts_str_release(&place);
	return status;
}

int ts_hub_check_room(const struct ts_hub_plan *p, const struct ts_hub *hub, struct ts_error *err)
{
	if (p->missing <= p->room)
		return 0;
	return ts_fail(err, TS_ELIMIT, "%s: %s has room for %.1f MB, expected %.1f MB for what is missing of it", p->id.repo, hub->cache,
		       (double)p->room / 1e6, (double)p->missing / 1e6);
}

int ts_hub_pull(struct ts_hub_plan *plan, const struct ts_hub *hub, bool check, const struct ts_context *context, struct ts_str *path,
		struct ts_error *err)
{
	struct pull p = {.plan = plan};
	int fd = -1;
	TS_TRY(hub_talk_open(&p.talk, hub, plan->id.repo, context, err));
	p.talk.reached = true; /* by the plan */
	int status =
		hub_lock(hub->cache, plan->id.repo, "thinksafe", context, &fd, err); /* two of us would write the same links and refs */
	if (!status)
		status = pull_files(&p, check, err);
	if (!status)
		status = say_place(plan, hub->cache, path, err);
	if (fd >= 0)
		ts_lock_release(fd);
	hub_talk_close(&p.talk);
	return status;
}
