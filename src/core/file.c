#include "core/file.h"

#include "core/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int fail_errno(struct ts_error *err, const char *path, const char *doing)
{
	int code = errno == ENOENT ? TS_ENOTFOUND : errno == ENOMEM ? TS_ENOMEM : TS_EIO;
	return ts_fail(err, code, "%s: cannot %s: %s", path, doing, strerror(errno));
}

int ts_file_read(const char *path, struct ts_str *out, struct ts_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, path, "open");
	char buffer[1 << 15];
	int status = 0;
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = fail_errno(err, path, "read");
		else if (n > 0 && ts_str_append(out, buffer, (size_t)n))
			status = ts_fail(err, TS_ENOMEM, "%s: too large for memory", path);
		if (n <= 0 || status)
			break;
	}
	close(fd);
	return status;
}

int ts_text_check(const char *text, size_t n, const char *place, size_t line, struct ts_error *err)
{
	size_t bad = ts_utf8_check(text, n), start = 0;
	if (bad == n)
		return 0;
	for (size_t i = 0; i < bad; i++)
		if (text[i] == '\n') {
			start = i + 1;
			line++;
		}
	return ts_fail(err, TS_EFORMAT, "%s:%zu: invalid UTF-8 at byte %zu of the line", place, line, bad - start + 1);
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Does something with the folder that a path is in. */
static int with_parent(const char *path, int (*act)(const char *dir, struct ts_error *err), struct ts_error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? ts_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : ts_strdup(".");
	if (!dir)
		return ts_fail_memory(err);
	int status = act(dir, err);
	ts_free(dir);
	return status;
}

int ts_parent_sync(const char *path, struct ts_error *err)
{
	return with_parent(path, ts_dir_sync, err);
}

int ts_dir_make_parent(const char *path, struct ts_error *err)
{
	return with_parent(path, ts_dir_make, err);
}

static int write_pieces(int fd, const struct ts_piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (write_all(fd, pieces[i].data, pieces[i].n))
			return -1;
	return 0;
}

/* A device or a pipe cannot be replaced by a file: it takes the bytes as they are. */
static int write_through(const char *path, const struct ts_piece *pieces, size_t count, struct ts_error *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, path, "write");
	int status = write_pieces(fd, pieces, count) ? fail_errno(err, path, "write") : 0;
	close(fd);
	return status;
}

int ts_file_check_writable(const char *path, struct ts_error *err)
{
	struct stat st;
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return ts_fail(err, TS_EIO, "%s: expected a file, found a folder", path);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return 0;
	struct ts_str temp = {0};
	int status = ts_str_printf(&temp, "%s.tmp", path) ? ts_fail_memory(err) : 0;
	int fd = status ? -1 : open(temp.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (!status && fd < 0)
		status = fail_errno(err, path, "write");
	if (fd >= 0) {
		close(fd);
		unlink(temp.data);
	}
	ts_str_release(&temp);
	return status;
}

int ts_file_write(const char *path, const void *data, size_t n, struct ts_error *err)
{
	return ts_file_write_pieces(path, &(struct ts_piece){data, n}, 1, err);
}

int ts_file_write_pieces(const char *path, const struct ts_piece *pieces, size_t count, struct ts_error *err)
{
	struct ts_str temp = {0};
	struct stat st;
	char target[PATH_MAX];
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return ts_fail(err, TS_EIO, "%s: expected a file, found a folder", path);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return write_through(path, pieces, count, err);
	/* A link stays: what it points to is replaced. */
	if (!lstat(path, &st) && S_ISLNK(st.st_mode) && realpath(path, target))
		path = target;
	if (ts_str_printf(&temp, "%s.tmp", path)) {
		ts_str_release(&temp);
		return ts_fail_memory(err);
	}
	int status = 0;
	int fd = open(temp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		status = fail_errno(err, path, "write");
		goto done;
	}
	if (write_pieces(fd, pieces, count) || fsync(fd))
		status = fail_errno(err, path, "write");
	if (close(fd) && !status)
		status = fail_errno(err, path, "write");
	if (!status && rename(temp.data, path))
		status = fail_errno(err, path, "put in place");
	if (status)
		unlink(temp.data);
	else
		status = ts_parent_sync(path, err);
done:
	ts_str_release(&temp);
	return status;
}

bool ts_file_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool ts_dir_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool ts_path_is_there(const char *path)
{
	struct stat st;
	return !lstat(path, &st);
}

bool ts_dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	bool empty = dir != NULL;
	for (struct dirent *e; empty && (e = readdir(dir));)
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (dir)
		closedir(dir);
	return empty;
}

int ts_dir_make(const char *path, struct ts_error *err)
{
	char *partial = ts_strdup(path);
	if (!partial)
		return ts_fail_memory(err);
	int status = 0;
	for (char *p = partial + (*partial != '\0'); !status; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char kept = *p;
		*p = '\0';
		if (mkdir(partial, 0777) && errno != EEXIST)
			status = fail_errno(err, partial, "make the folder");
		*p = kept;
		if (!kept)
			break;
	}
	if (!status && !ts_dir_exists(path))
		status = ts_fail(err, TS_EIO, "%s: expected a folder, found a file", path);
	ts_free(partial);
	return status;
}

int ts_dir_sync(const char *path, struct ts_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, path, "open");
	int status = 0;
	if (fsync(fd) && errno != EINVAL) /* some file systems cannot sync a folder */
		status = fail_errno(err, path, "sync");
	close(fd);
	return status;
}

int ts_path_remove(const char *path, struct ts_error *err)
{
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : fail_errno(err, path, "look at");
	if (!S_ISDIR(st.st_mode))
		return unlink(path) ? fail_errno(err, path, "remove") : 0;
	DIR *dir = opendir(path);
	if (!dir)
		return fail_errno(err, path, "open");
	int status = 0;
	struct ts_str child = {0};
	for (struct dirent *e; !status && (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		status = ts_path_join(&child, path, e->d_name) ? ts_fail_memory(err) : ts_path_remove(child.data, err);
	}
	closedir(dir);
	ts_str_release(&child);
	if (!status && rmdir(path))
		status = fail_errno(err, path, "remove");
	return status;
}

int ts_path_put_in_place(const char *from, const char *to, struct ts_error *err)
{
	struct stat st;
	/* rename takes the place of an empty folder and of nothing else */
	if (!lstat(to, &st) && !(S_ISDIR(st.st_mode) && ts_dir_exists(from)))
		return ts_fail(err, TS_EIO, "%s: is there already", to);
	if (rename(from, to))
		return fail_errno(err, to, "put in place");
	return ts_parent_sync(to, err);
}

int ts_disk_free(const char *path, uint64_t *bytes, struct ts_error *err)
{
	struct statvfs st;
	char *at = ts_strdup(path);
	if (!at)
		return ts_fail_memory(err);
	/* what is not there yet: the folder that it will be in */
	while (statvfs(at, &st)) {
		char *slash = strrchr(at, '/');
		if (errno != ENOENT || !strcmp(at, ".") || slash == at) {
			int status = fail_errno(err, at, "look at the file system of");
			ts_free(at);
			return status;
		}
		strcpy(slash ? slash : at, slash ? "" : ".");
	}
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	ts_free(at);
	return 0;
}

enum { SINK_BUFFER = 1 << 20 };

int ts_sink_open(struct ts_sink *s, const char *path, struct ts_error *err)
{
	*s = (struct ts_sink){.fd = -1, .path = ts_strdup(path), .buffer = ts_alloc(SINK_BUFFER)};
	int status = s->path && s->buffer ? 0 : ts_fail_memory(err);
	if (!status)
		s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (!status && s->fd < 0)
		status = fail_errno(err, path, "write");
	if (status)
		ts_sink_close(s);
	return status;
}

static int flush(struct ts_sink *s, struct ts_error *err)
{
	int status = write_all(s->fd, (const char *)s->buffer, s->used) ? fail_errno(err, s->path, "write") : 0;
	s->used = 0;
	return status;
}

int ts_sink_write(struct ts_sink *s, const void *data, size_t n, struct ts_error *err)
{
	const unsigned char *p = data;
	s->bytes += n;
	while (n) {
		size_t part = n < SINK_BUFFER - s->used ? n : SINK_BUFFER - s->used;
		memcpy(s->buffer + s->used, p, part);
		s->used += part;
		p += part;
		n -= part;
		if (s->used == SINK_BUFFER)
			TS_TRY(flush(s, err));
	}
	return 0;
}

int ts_sink_pad(struct ts_sink *s, size_t step, struct ts_error *err)
{
	while (s->bytes % step)
		TS_TRY(ts_sink_write(s, "", 1, err));
	return 0;
}

int ts_sink_finish(struct ts_sink *s, struct ts_error *err)
{
	TS_TRY(flush(s, err));
	return fsync(s->fd) ? fail_errno(err, s->path, "write") : 0;
}

void ts_sink_close(struct ts_sink *s)
{
	if (s->path && s->fd >= 0)
		close(s->fd);
	ts_free(s->path);
	ts_free(s->buffer);
	*s = (struct ts_sink){.fd = -1};
}

int ts_path_join(struct ts_str *out, const char *dir, const char *name)
{
	ts_str_clear(out);
	size_t n = strlen(dir);
	return ts_str_printf(out, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

int ts_mapping_open(struct ts_mapping *m, const char *path, struct ts_error *err)
{
	*m = (struct ts_mapping){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, path, "open");
	struct stat st;
	int status = 0;
	if (fstat(fd, &st))
		status = fail_errno(err, path, "look at");
	else if (!S_ISREG(st.st_mode))
		status = ts_fail(err, TS_EIO, "%s: expected a file", path);
	else if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			status = fail_errno(err, path, "map");
		else
			*m = (struct ts_mapping){p, (size_t)st.st_size};
	}
	close(fd);
	return status;
}

void ts_mapping_close(struct ts_mapping *m)
{
	if (m->data)
		munmap((void *)(uintptr_t)m->data, m->size);
	*m = (struct ts_mapping){0};
}

void ts_mapping_drop(const struct ts_mapping *m, size_t offset, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)m->data + offset + page - 1) & ~(page - 1);
	uintptr_t to = ((uintptr_t)m->data + offset + n) & ~(page - 1);
	if (to > from)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

/* The holder's process number stands in the file, for the message alone: the lock itself is the kernel's. */
static int fail_locked(int fd, const char *path, struct ts_error *err)
{
	char who[32] = "";
	if (errno != EWOULDBLOCK)
		return fail_errno(err, path, "lock");
	ssize_t n = pread(fd, who, sizeof(who) - 1, 0);
	who[n > 0 ? strspn(who, "0123456789") : 0] = '\0';
	return ts_fail(err, TS_ELOCKED, "%s: another thinksafe%s%s is working here; wait until it ends, or work in another place", path,
		       *who ? ", process " : "", who);
}

static void note_holder(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	/* On a full disk the message will not know the number. */
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) < n)
		return;
}

int ts_lock_acquire(const char *path, int *out_fd, struct ts_error *err)
{
	for (;;) {
		struct stat opened, there;
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), status = 0;
		if (fd < 0)
			return fail_errno(err, path, "open");
		if (flock(fd, LOCK_EX | LOCK_NB))
			status = fail_locked(fd, path, err);
		/* Its last holder may have removed the file between our two calls: then nobody else would see this lock. */
		else if (fstat(fd, &opened) || stat(path, &there) || opened.st_ino != there.st_ino || opened.st_dev != there.st_dev)
			status = 1;
		if (!status) {
			note_holder(fd);
			*out_fd = fd;
			return 0;
		}
		close(fd);
		if (status < 0)
			return status;
	}
}

void ts_lock_release(int fd)
{
	close(fd);
}
