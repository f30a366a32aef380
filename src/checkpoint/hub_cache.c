/* Names of the hub, and where things lie in its cache. */
#include "checkpoint/hub_internal.h"

#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool hub_is_hash(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

bool hub_name_is_safe(const char *name)
{
	for (const char *part = name;; part++) {
		size_t n = strcspn(part, "/");
		if (!n || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)part[i] < ' ' || part[i] == 127 || part[i] == '\\')
				return false;
		part += n;
		if (!*part)
			return true;
	}
}

/* One half of ORG/NAME. "--" stands between them in the cache, so neither may hold it. */
static bool is_half(const char *text, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (!n || strchr("-.", text[0]) || strchr("-.", text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(letters, text[i]) || (i && text[i] == text[i - 1] && strchr("-.", text[i])))
			return false;
	return true;
}

static bool is_repo(const char *text, size_t n)
{
	const char *slash = memchr(text, '/', n);
	if (!slash || n > 96)
		return false;
	size_t first = (size_t)(slash - text);
	return is_half(text, first) && is_half(slash + 1, n - first - 1);
}

int ts_hub_id_parse(struct ts_hub_id *id, const char *text, struct ts_error *err)
{
	size_t repo = strcspn(text, "@:"), all = strlen(text);
	const char *revision = text[repo] == '@' ? text + repo + 1 : NULL;
	size_t revision_length = revision ? strcspn(revision, ":") : 0;
	const char *after = revision ? revision + revision_length : text + repo, *file = *after == ':' ? after + 1 : NULL;
	*id = (struct ts_hub_id){.revision = "main"};
	if (!is_repo(text, repo) || revision_length >= sizeof(id->revision) || (file && strlen(file) >= sizeof(id->file)) || all > 512)
		return ts_fail(err, TS_EINVAL, "\"%.200s\": expected ORG/NAME, ORG/NAME@REVISION or ORG/NAME:FILE", text);
	snprintf(id->repo, sizeof(id->repo), "%.*s", (int)repo, text);
	if (revision)
		snprintf(id->revision, sizeof(id->revision), "%.*s", (int)revision_length, revision);
	if (file)
		snprintf(id->file, sizeof(id->file), "%s", file);
	if (!hub_name_is_safe(id->revision) || strpbrk(id->revision, " ~^?*["))
		return ts_fail(err, TS_EINVAL, "\"%.200s\": \"%s\" is no revision", text, id->revision);
	if (file && !hub_name_is_safe(id->file))
		return ts_fail(err, TS_EINVAL, "\"%.200s\": \"%s\" is no file of a repository", text, id->file);
	return 0;
}

int ts_hub_id_print(const struct ts_hub_id *id, struct ts_str *out)
{
	TS_TRY(ts_str_puts(out, id->repo));
	if (strcmp(id->revision, "main"))
		TS_TRY(ts_str_printf(out, "@%s", id->revision));
	return *id->file ? ts_str_printf(out, ":%s", id->file) : 0;
}

int hub_place(struct ts_str *out, const char *cache, const char *repo, const char *rest, struct ts_error *err)
{
	const char *slash = strchr(repo, '/');
	ts_str_clear(out);
	return ts_str_printf(out, "%s/models--%.*s--%s/%s", cache, (int)(slash - repo), repo, slash + 1, rest) ? ts_fail_memory(err) : 0;
}

/* --- finding --- */

static int not_there(const char *cache, const struct ts_hub_id *id, const char *but, struct ts_error *err)
{
	struct ts_str text = {0};
	int status = ts_hub_id_print(id, &text) ? ts_fail_memory(err) : TS_ENOTFOUND;
	if (status == TS_ENOTFOUND)
		ts_fail(err, status, "the Hugging Face cache %s does not hold %s%s; `thinksafe pull %s` downloads it", cache, text.data,
			but, text.data);
	ts_str_release(&text);
	return status;
}

static int find_commit(const char *cache, const struct ts_hub_id *id, char commit[41], struct ts_error *err)
{
	struct ts_str path = {0}, text = {0}, rest = {0};
	int status = ts_str_printf(&rest, "refs/%s", id->revision) ? ts_fail_memory(err) : 0;
	if (!status)
		status = hub_place(&path, cache, id->repo, ts_str_c(&rest), err);
	*commit = '\0';
	if (hub_is_hash(id->revision, 40))
		snprintf(commit, 41, "%s", id->revision);
	else if (!status && ts_file_exists(path.data) && !(status = ts_file_read(path.data, &text, err)))
		snprintf(commit, 41, "%.40s", ts_str_c(&text));
	if (!status && *commit && !hub_is_hash(commit, 40))
		status = ts_fail(err, TS_EFORMAT, "%s: expected a commit, found \"%.60s\"", path.data, ts_str_c(&text));
	ts_str_release(&path);
	ts_str_release(&text);
	ts_str_release(&rest);
	return status;
}

static bool ends_with(const char *text, const char *ending)
{
	size_t n = strlen(text), m = strlen(ending);
	return n > m && !strcmp(text + n - m, ending);
}

static bool has(const char *dir, const char *name)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	return n > 0 && n < (int)sizeof(path) && ts_file_exists(path);
}

static bool has_safetensors(const char *dir)
{
	return has(dir, "model.safetensors") || has(dir, HUB_INDEX) || has(dir, "adapter_model.safetensors");
}

/* How many GGUF files the folder holds; `name` is the first of them in order of names. */
static int count_gguf(const char *dir, struct ts_str *name, size_t *found, struct ts_error *err)
{
	DIR *d = opendir(dir);
	int status = 0;
	*found = 0;
	for (struct dirent *e; d && !status && (e = readdir(d));) {
		if (!ends_with(e->d_name, ".gguf"))
			continue;
		if (!(*found)++ || strcmp(e->d_name, name->data) < 0) {
			ts_str_clear(name);
			status = ts_str_puts(name, e->d_name);
		}
	}
	if (d)
		closedir(d);
	return status ? ts_fail_memory(err) : 0;
}

/* A snapshot of GGUF files alone is meant as the file. */
static int find_gguf(const struct ts_hub_id *id, struct ts_str *path, struct ts_error *err)
{
	struct ts_str name = {0};
	size_t n = 0;
	int status = has_safetensors(path->data) ? 0 : count_gguf(path->data, &name, &n, err);
	if (n > 1 && !status)
		status = ts_fail(err, TS_EINVAL, "%s: the cache holds %zu GGUF files of it; name one, for instance %s:%s", id->repo, n,
				 id->repo, ts_str_c(&name));
	if (n == 1 && !status && ts_str_printf(path, "/%s", ts_str_c(&name)))
		status = ts_fail_memory(err);
	ts_str_release(&name);
	return status;
}

int ts_hub_find(const char *cache, const struct ts_hub_id *id, struct ts_str *path, char commit[41], struct ts_error *err)
{
	struct ts_str found = {0}, rest = {0};
	int status = find_commit(cache, id, commit, err);
	if (!status)
		status = hub_place(&found, cache, id->repo, "", err);
	if (!status && !*commit)
		status = not_there(cache, id, ts_dir_exists(found.data) ? " (other revisions are there)" : "", err);
	if (!status)
		status = ts_str_printf(&rest, "snapshots/%s", commit) ? ts_fail_memory(err)
								      : hub_place(&found, cache, id->repo, rest.data, err);
	if (!status && !ts_dir_exists(found.data))
		status = not_there(cache, id, " (other revisions are there)", err);
	if (!status && !*id->file)
		status = find_gguf(id, &found, err);
	else if (!status)
		status = ts_str_printf(&found, "/%s", id->file) ? ts_fail_memory(err) : 0;
	if (!status && *id->file && !ts_file_exists(found.data))
		status = not_there(cache, id, " (other files are there)", err);
	if (!status && ts_str_puts(path, found.data))
		status = ts_fail_memory(err);
	ts_str_release(&found);
	ts_str_release(&rest);
	return status;
}

int ts_hub_check_whole(const char *path, struct ts_error *err)
{
	struct ts_str file = {0};
	json_t *index = NULL, *shard;
	const char *weight;
	int status = 0;
	if (!ts_dir_exists(path) || has(path, "model.safetensors") || has(path, "adapter_model.safetensors"))
		return 0;
	if (!has(path, HUB_INDEX))
		return ts_fail(err, TS_ENOTFOUND, "%s: holds no weights", path);
	status = ts_path_join(&file, path, HUB_INDEX) ? ts_fail_memory(err) : ts_json_load(file.data, &index, err);
	json_object_foreach (json_object_get(index, "weight_map"), weight, shard)
		if (!status && (!json_is_string(shard) || !has(path, json_string_value(shard))))
			status = ts_fail(err, TS_ENOTFOUND, "%s: the shard of \"%s\" is missing", path, weight);
	json_decref(index);
	ts_str_release(&file);
	return status;
}

/* --- what a download leaves --- */

static bool size_of(const char *path, uint64_t *size)
{
	struct stat st;
	bool there = !stat(path, &st) && S_ISREG(st.st_mode);
	*size = there ? (uint64_t)st.st_size : 0;
	return there;
}

int hub_look(const char *cache, const struct ts_hub_plan *p, struct ts_hub_file *f, struct ts_error *err)
{
	struct ts_str rest = {0}, blob = {0};
	uint64_t size;
	int status = ts_str_printf(&rest, "blobs/%s", f->hash) ? ts_fail_memory(err) : hub_place(&blob, cache, p->id.repo, rest.data, err);
	f->state = TS_HUB_ABSENT;
	f->there = 0;
	if (!status && size_of(blob.data, &size) && size == f->size) {
		f->state = TS_HUB_THERE;
		f->there = size;
	} else if (!status && ts_str_puts(&blob, ".incomplete")) {
		status = ts_fail_memory(err);
	} else if (!status && size_of(blob.data, &size) && size && size <= f->size) {
		f->state = TS_HUB_PART;
		f->there = size;
	}
	ts_str_release(&rest);
	ts_str_release(&blob);
	return status;
}

/* "../../blobs/HASH", with one step up more for each folder in the file's name. */
static int link_target(const struct ts_hub_file *f, struct ts_str *out)
{
	TS_TRY(ts_str_puts(out, "../../"));
	for (const char *p = f->name; (p = strchr(p, '/')); p++)
		TS_TRY(ts_str_puts(out, "../"));
	return ts_str_printf(out, "blobs/%s", f->hash);
}

static bool links_to(const char *path, const char *target)
{
	char found[512];
	ssize_t n = readlink(path, found, sizeof(found));
	return n > 0 && (size_t)n < sizeof(found) && strlen(target) == (size_t)n && !memcmp(found, target, (size_t)n);
}

static int put_link(const char *target, struct ts_str *path, struct ts_error *err)
{
	struct ts_str temp = {0};
	char *slash = strrchr(path->data, '/');
	*slash = '\0';
	int status = ts_dir_make(path->data, err);
	*slash = '/';
	if (!status && ts_str_printf(&temp, "%s.tmp", path->data))
		status = ts_fail_memory(err);
	if (!status)
		status = ts_path_remove(temp.data, err);
	if (!status && (symlink(target, temp.data) || rename(temp.data, path->data)))
		status = ts_fail(err, TS_EIO, "%s: cannot make the link: %s", path->data, strerror(errno));
	ts_str_release(&temp);
	return status;
}

int hub_link(const char *cache, const struct ts_hub_plan *p, const struct ts_hub_file *f, struct ts_error *err)
{
	struct ts_str rest = {0}, path = {0}, target = {0};
	int status = ts_str_printf(&rest, "snapshots/%s/%s", p->commit, f->name) || link_target(f, &target) ? ts_fail_memory(err) : 0;
	if (!status)
		status = hub_place(&path, cache, p->id.repo, rest.data, err);
	if (!status && !links_to(path.data, target.data))
		status = put_link(target.data, &path, err);
	ts_str_release(&rest);
	ts_str_release(&path);
	ts_str_release(&target);
	return status;
}

int hub_write_ref(const char *cache, const struct ts_hub_plan *p, struct ts_error *err)
{
	struct ts_str rest = {0}, path = {0};
	if (!strcmp(p->id.revision, p->commit))
		return 0;
	int status =
		ts_str_printf(&rest, "refs/%s", p->id.revision) ? ts_fail_memory(err) : hub_place(&path, cache, p->id.repo, rest.data, err);
	if (!status) {
		char *slash = strrchr(path.data, '/');
		*slash = '\0';
		status = ts_dir_make(path.data, err);
		*slash = '/';
	}
	if (!status)
		status = ts_file_write(path.data, p->commit, 40, err);
	ts_str_release(&rest);
	ts_str_release(&path);
	return status;
}

int hub_lock(const char *cache, const char *repo, const char *name, const struct ts_context *context, int *fd, struct ts_error *err)
{
	struct ts_str path = {0};
	const char *slash = strchr(repo, '/');
	bool said = false;
	int status = ts_str_printf(&path, "%s/.locks/models--%.*s--%s", cache, (int)(slash - repo), repo, slash + 1)
			     ? ts_fail_memory(err)
			     : ts_dir_make(path.data, err);
	if (!status && ts_str_printf(&path, "/%s.lock", name))
		status = ts_fail_memory(err);
	while (!status) {
		struct ts_error held = {0};
		status = ts_lock_acquire(path.data, fd, &held);
		if (!status)
			break;
		if (status != TS_ELOCKED) {
			status = ts_fail(err, status, "%s", held.message);
			break;
		}
		if (!said)
			ts_log(context, TS_LOG_INFO, "another program is downloading %s (%s); waiting for it", repo, path.data);
		said = true;
		status = hub_wait(context, 0.2, err);
	}
	ts_str_release(&path);
	return status;
}
