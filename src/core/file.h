/* Files and folders. A file that matters is written whole: temporary name, fsync, rename, fsync of its folder. */
#ifndef TS_CORE_FILE_H
#define TS_CORE_FILE_H

#include "core/status.h"
#include "core/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Whole file appended to `out`. */
int ts_file_read(const char *path, struct ts_str *out, struct ts_error *err);
/* Written so that after a crash either the old or the new content is there, never a part. A link is followed; a device or a pipe just
 * takes the bytes. */
int ts_file_write(const char *path, const void *data, size_t n, struct ts_error *err);
/* The same of pieces, one behind the other, for what nobody should put together in memory first. */
struct ts_piece {
	const void *data;
	size_t n;
};
int ts_file_write_pieces(const char *path, const struct ts_piece *pieces, size_t count, struct ts_error *err);
/* Whether ts_file_write could make the file: for long work, before it begins. */
int ts_file_check_writable(const char *path, struct ts_error *err);
/* Is this text of `place` UTF-8? TS_EFORMAT names the line (its first one is `line`) and the byte in it, both counted from 1. */
int ts_text_check(const char *text, size_t n, const char *place, size_t line, struct ts_error *err);
bool ts_file_exists(const char *path);
bool ts_dir_exists(const char *path);
/* A file, a folder, a link to nowhere: the name is taken. */
bool ts_path_is_there(const char *path);
/* Is a folder with nothing in it. */
bool ts_dir_is_empty(const char *path);
/* Makes the folder and its parents. */
int ts_dir_make(const char *path, struct ts_error *err);
/* The folder that the path is in, and its parents. */
int ts_dir_make_parent(const char *path, struct ts_error *err);
int ts_dir_sync(const char *path, struct ts_error *err);
/* The folder that the file is in: its name is on disk then. */
int ts_parent_sync(const char *path, struct ts_error *err);
/* Removes a file or a folder with all in it; not being there is fine. */
int ts_path_remove(const char *path, struct ts_error *err);
/* "dir/name" with printf formatting, appended to a cleared `out`. */
int ts_path_join(struct ts_str *out, const char *dir, const char *name);

/* Moves a finished file or folder to its name, durably. A name that is taken is refused, except by an empty folder for a folder. */
int ts_path_put_in_place(const char *from, const char *to, struct ts_error *err);
/* Bytes that may still be written where `path` is or will be. */
int ts_disk_free(const char *path, uint64_t *bytes, struct ts_error *err);

/* A file written piece by piece, for what is too large for ts_file_write: under a temporary name, put in place by the caller. An old file of
 * that name is replaced. After a failure close it; what was written stays. */
struct ts_sink {
	int fd;
	char *path;
	unsigned char *buffer;
	size_t used;
	uint64_t bytes; /* written so far */
};
int ts_sink_open(struct ts_sink *, const char *path, struct ts_error *err);
int ts_sink_write(struct ts_sink *, const void *data, size_t n, struct ts_error *err);
/* Zeros up to a multiple of `step`. */
int ts_sink_pad(struct ts_sink *, size_t step, struct ts_error *err);
/* All is on the disk. */
int ts_sink_finish(struct ts_sink *, struct ts_error *err);
/* Always, also of one that never opened (zeroed). */
void ts_sink_close(struct ts_sink *);

/* A file mapped read-only. */
struct ts_mapping {
	const unsigned char *data;
	size_t size;
};
int ts_mapping_open(struct ts_mapping *, const char *path, struct ts_error *err);
void ts_mapping_close(struct ts_mapping *);
/* Tell the system that these bytes will not be read again. */
void ts_mapping_drop(const struct ts_mapping *, size_t offset, size_t n);

/* An exclusive lock on a file, held until closed or until the process ends. TS_ELOCKED when another has it; the message says which process.
 * The holder may remove the file before it lets go. */
int ts_lock_acquire(const char *path, int *out_fd, struct ts_error *err);
void ts_lock_release(int fd);

#endif
