/* A checkpoint carries its own SHA-256: a flipped bit must not become a silently different adapter. The files' names sort by step. */
#include "train/checkpoint.h"

#include "checkpoint/safetensors.h"
#include "core/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 2 };

static const char suffix[] = ".safetensors";

typedef TS_VEC(uint64_t) step_list;

static int path_of(struct ts_str *path, const char *dir, uint64_t step)
{
	char name[64];
	snprintf(name, sizeof(name), "step-%09llu%s", (unsigned long long)step, suffix);
	return ts_path_join(path, dir, name);
}

/* The step in a checkpoint's name; false for any other file. */
static bool parse_name(const char *name, uint64_t *step)
{
	char *end;
	if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9')
		return false;
	*step = strtoull(name + 5, &end, 10);
	return !strcmp(end, suffix);
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? 1 : x > y ? -1 : 0;
}

/* Steps of the checkpoints in the folder, newest first; a folder that is not there has none. */
static int list_steps(const char *dir, step_list *list, struct ts_error *err)
{
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : ts_fail(err, TS_EIO, "%s: cannot open the folder: %s", dir, strerror(errno));
	int status = 0;
	uint64_t step;
	for (struct dirent *e; !status && (e = readdir(d));)
		if (parse_name(e->d_name, &step) && ts_vec_push(list, step))
			status = ts_fail_memory(err);
	closedir(d);
	if (!status && list->len)
		qsort(list->data, list->len, sizeof(*list->data), newest_first);
	return status;
}

/* What a save that was cut off left: its name does not parse as a step. */
static bool is_partial(const char *name)
{
	size_t n = strlen(name), end = strlen(".tmp");
	char whole[64];
	uint64_t step;
	if (n >= sizeof(whole) || n < end || strcmp(name + n - end, ".tmp"))
		return false;
	memcpy(whole, name, n - end);
	whole[n - end] = '\0';
	return parse_name(whole, &step);
}

static int remove_partial(const char *dir, struct ts_error *err)
{
	DIR *d = opendir(dir);
	if (!d)
		return ts_fail(err, TS_EIO, "%s: cannot open the folder: %s", dir, strerror(errno));
	struct ts_str path = {0};
	int status = 0;
	for (struct dirent *e; !status && (e = readdir(d));)
		if (is_partial(e->d_name))
			status = ts_path_join(&path, dir, e->d_name) ? ts_fail_memory(err) : ts_path_remove(path.data, err);
	closedir(d);
	ts_str_release(&path);
	return status;
}

/* Removes all but the newest KEPT up to `step`. What is newer than the step just saved was too damaged to go on from. */
static int remove_old(const char *dir, uint64_t step, struct ts_error *err)
{
	step_list list = {0};
	struct ts_str path = {0};
	int status = list_steps(dir, &list, err), kept = 0;
	for (size_t i = 0; !status && i < list.len; i++) {
		if (list.data[i] <= step && kept++ < KEPT)
			continue;
		status = path_of(&path, dir, list.data[i]) ? ts_fail_memory(err) : ts_path_remove(path.data, err);
	}
	ts_str_release(&path);
	ts_vec_release(&list);
	return status;
}

static void digest_of(unsigned char digest[32], uint64_t step, const unsigned char *run, const void *const arrays[3], size_t bytes)
{
	struct ts_sha256 h;
	ts_sha256_init(&h);
	ts_sha256_update(&h, &step, sizeof(step));
	ts_sha256_update(&h, run, 32);
	for (int i = 0; i < 3; i++)
		ts_sha256_update(&h, arrays[i], bytes);
	ts_sha256_final(&h, digest);
}

int ts_train_state_save(const struct ts_train_state *s, const char *dir, struct ts_error *err)
{
	unsigned char check[32];
	const void *arrays[3] = {s->params, s->m, s->v};
	digest_of(check, s->step, s->run, arrays, s->count * sizeof(float));
	const struct ts_tensor_out list[] = {
		{"params", TS_F32, 1, {s->count}, s->params}, {"m", TS_F32, 1, {s->count}, s->m}, {"v", TS_F32, 1, {s->count}, s->v},
		{"step", TS_I64, 1, {1}, &s->step},           {"run", TS_U8, 1, {32}, s->run},    {"sha256", TS_U8, 1, {32}, check},
	};
	struct ts_str path = {0};
	int status = ts_dir_make(dir, err);
	if (!status && path_of(&path, dir, s->step))
		status = ts_fail_memory(err);
	if (!status)
		status = ts_tensors_write(path.data, list, sizeof(list) / sizeof(list[0]), err);
	if (!status)
		status = remove_old(dir, s->step, err);
	if (!status)
		status = remove_partial(dir, err);
	ts_str_release(&path);
	return status;
}

/* The bytes of a tensor, checked; elements 0 = any number. */
static int need(const struct ts_tensors *file, const char *name, enum ts_dtype dtype, size_t elements, const struct ts_tensor **t,
		struct ts_error *err)
{
	*t = ts_tensors_find(file, name);
	if (!*t)
		return ts_fail(err, TS_ENOTFOUND, "%s: no tensor \"%s\"", file->paths.data[0], name);
	if ((*t)->dtype != dtype || (*t)->dims != 1 || (elements && (*t)->elements != elements))
		return ts_fail(err, TS_EFORMAT, "%s: tensor \"%s\" is not what a training checkpoint holds", file->paths.data[0], name);
	return 0;
}

static int read_whole(struct ts_train_state *s, const char *path, const struct ts_tensors *file, struct ts_error *err)
{
	static const char *const names[3] = {"params", "m", "v"};
	const struct ts_tensor *t[3], *step, *run, *check;
	const void *arrays[3];
	unsigned char digest[32];
	uint64_t done;
	TS_TRY(need(file, "step", TS_I64, 1, &step, err));
	TS_TRY(need(file, "run", TS_U8, 32, &run, err));
	TS_TRY(need(file, "sha256", TS_U8, 32, &check, err));
	for (int i = 0; i < 3; i++) {
		TS_TRY(need(file, names[i], TS_F32, i ? t[0]->elements : 0, &t[i], err));
		arrays[i] = t[i]->data;
	}
	memcpy(&done, step->data, sizeof(done));
	digest_of(digest, done, run->data, arrays, t[0]->bytes);
	if (memcmp(digest, check->data, sizeof(digest)))
		return ts_fail(err, TS_EFORMAT, "%s: the checksum does not fit the content", path);
	if (t[0]->elements != s->count || memcmp(run->data, s->run, sizeof(s->run)))
		return ts_fail(err, TS_EMISMATCH,
			       "%s: checkpoint of another training run (other data, options, model or starting adapter); "
			       "remove its folder to begin anew",
			       path);
	memcpy(s->params, arrays[0], t[0]->bytes);
	memcpy(s->m, arrays[1], t[0]->bytes);
	memcpy(s->v, arrays[2], t[0]->bytes);
	s->step = done;
	return 0;
}

static int read_one(struct ts_train_state *s, const char *path, struct ts_error *err)
{
	struct ts_tensors file = {0};
	int status = ts_tensors_open(&file, path, err);
	if (!status)
		status = read_whole(s, path, &file, err);
	ts_tensors_close(&file);
	return status;
}

int ts_train_state_resume(struct ts_train_state *s, const char *dir, const struct ts_context *context, struct ts_error *err)
{
	step_list list = {0};
	struct ts_str path = {0};
	int status = list_steps(dir, &list, err);
	for (size_t i = 0; !status && i < list.len; i++) {
		struct ts_error damage = {0};
		if (path_of(&path, dir, list.data[i])) {
			status = ts_fail_memory(err);
			break;
		}
		int found = read_one(s, path.data, &damage);
		if (!found)
			break;
		if (found == TS_ENOMEM || found == TS_EMISMATCH)
			status = ts_fail(err, found, "%s", damage.message);
		else
			ts_log(context, TS_LOG_WARN, "damaged checkpoint passed over: %s", damage.message);
	}
	ts_str_release(&path);
	ts_vec_release(&list);
	return status;
}
