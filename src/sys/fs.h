/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: whole reads with a cap, writes that are either the old bytes or the new ones.
 *
 * fs_write_atomic and fs_publish are how anything durable reaches its final name: temporary file in
 * the same folder, fsync, rename or link, fsync of the folder. A reader never sees half a file.
 * Blocking; any thread but a loop's.
 */
#ifndef TENON_SYS_FS_H
#define TENON_SYS_FS_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

int fs_mkdirs(const char *path, mode_t mode, struct err *err);               /* like mkdir -p */
int fs_read(const char *path, size_t max, struct buf *ret, struct err *err); /* E_TOOBIG past max */
int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, struct err *err);
/* The same, but fails with E_CONFLICT if path exists already: put-if-absent (link(2)). */
int fs_write_new(const char *path, const void *p, size_t n, mode_t mode, struct err *err);
int fs_publish(const char *temporary, const char *path,
               struct err *err); /* fsync, rename, fsync dir */
int fs_sync_dir(const char *path, struct err *err);
int fs_remove_tree(const char *path, struct err *err); /* absent is fine; never follows links */
bool fs_exists(const char *path);
int64_t fs_size(const char *path);      /* -1 if absent */
int64_t fs_tree_size(const char *path); /* bytes in all regular files below; 0 if absent */
int64_t fs_free(const char *path);      /* bytes an unprivileged user may still write; -1 unknown */
int fs_write_all(int fd, const void *p, size_t n, struct err *err);
int fs_copy(const char *from, const char *to, mode_t mode, struct err *err);

/* An exclusive advisory lock on a file, created 0600. Held until the fd is closed or the process
 * dies; not inherited through exec. E_CONFLICT if another process holds it. */
int fs_lock(const char *path, int *ret_fd, struct err *err);

/* The directory part and joined paths, malloc'ed. */
char *fs_join(const char *dir, const char *name);
char *fs_dirname(const char *path);

#endif
